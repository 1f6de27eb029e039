"""Tests of training on synthetic rows and testing on real ones."""

import numpy as np
import pytest
from shared import Recorder
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from sklearn_pyraug.metrics import TrainOnSynthetic, train_on_synthetic

Y = np.repeat([0, 1], 30)


def blobs(rng, y=Y, distance=2.0):
    return rng.normal(size=(len(y), 2)) + distance * y[:, None], y


def test_each_score_is_that_of_its_own_pair_of_sets(random_seed):
    rng = np.random.default_rng(random_seed)
    real, synthetic, test = blobs(rng), blobs(rng, distance=1.0), blobs(rng)
    model = DecisionTreeClassifier(random_state=0)
    scores = train_on_synthetic(model, *real, *synthetic, *test, scoring="accuracy")
    assert isinstance(scores, TrainOnSynthetic)
    pairs = [(real, test), (synthetic, test), (real, synthetic)]
    expected = [accuracy_score(b[1], model.fit(*a).predict(b[0])) for a, b in pairs]
    assert list(scores) == expected
    assert all(type(score) is float for score in scores)


def test_copies_of_the_real_rows_reach_the_baseline(random_seed):
    rng = np.random.default_rng(random_seed)
    real, test = blobs(rng), blobs(rng)
    scores = train_on_synthetic(DecisionTreeClassifier(random_state=0), *real, *real, *test)
    assert scores.train_synthetic_test_real == scores.train_real_test_real
    assert scores.train_real_test_synthetic == 1.0


def test_shuffled_labels_teach_nothing(random_seed):
    rng = np.random.default_rng(random_seed)
    X, y = blobs(rng, np.repeat([0, 1], 300), distance=10.0)
    test = blobs(rng, distance=10.0)
    scores = train_on_synthetic(LogisticRegression(), X, y, X, rng.permutation(y), *test)
    assert scores.train_real_test_real == 1.0
    # About half of 600 shuffled labels are right.
    assert scores.train_real_test_synthetic == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(600))


def test_the_classifier_is_cloned_and_gets_the_rows_as_they_are():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": ["x", "y"] * 10})
    y, seen = frame["a"].to_numpy() == "y", []

    class Keeper(Recorder):
        def fit(self, X, y):
            seen.append(X)
            return super().fit(X, y)

    model = Keeper()
    train_on_synthetic(model, frame, y, frame[::-1], y[::-1], frame, y)
    assert [type(X) for X in seen] == [pd.DataFrame] * 2
    assert not hasattr(model, "classes_")
    pipeline = make_pipeline(OneHotEncoder(), LogisticRegression())
    assert train_on_synthetic(pipeline, frame, y, frame, y, frame, y) == (1.0, 1.0, 1.0)


def test_lists_text_labels_and_scorers_of_ones_own_are_taken():
    X, y = [[0.0], [0.1], [5.0], [5.1]], ["a", "a", "b", "b"]

    def scorer(model, X, y):
        return float(np.mean(model.predict(X) == y))

    scores = train_on_synthetic(DecisionTreeClassifier(), X, y, X, y, X, y, scoring=scorer)
    assert scores == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("classifier", [None, LogisticRegression, OneHotEncoder()])
def test_what_is_no_classifier_is_refused(classifier):
    with pytest.raises(TypeError, match="`classifier` is .* give a scikit-learn classifier"):
        train_on_synthetic(classifier, *(np.eye(2), [0, 1]) * 3)


def test_rows_and_labels_that_do_not_fit_are_refused():
    model, good = DummyClassifier(), (np.eye(2), [0, 1])
    with pytest.raises(ValueError, match=r"`X_synthetic` has the shape \(3, 3\) and .* 2 labels"):
        train_on_synthetic(model, *good, np.eye(3), [0, 1], *good)
    with pytest.raises(ValueError, match=r"`X_test` has the shape \(2,\)"):
        train_on_synthetic(model, *good, *good, [0, 1], [0, 1])
    with pytest.raises(ValueError, match="`y_test` has the label 2, which `y_real` does not have"):
        train_on_synthetic(model, *good, *good, np.eye(2), [0, 2])
    with pytest.raises(ValueError, match="Unknown label type"):
        train_on_synthetic(model, np.eye(2), [0.5, 1.5], *good, *good)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="`scoring` gave nan on the test rows"):
        train_on_synthetic(
            DummyClassifier(), *(np.eye(2), [0, 1]) * 3, scoring=lambda model, X, y: np.nan
        )
