"""Tests of AugmentedClassifierCV: what it tries, how it chooses, and what it says."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn import FunctionSampler
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.utils.estimator_checks import parametrize_with_checks as imblearn_checks
from numpy.testing import assert_allclose, assert_array_equal
from shared import Recorder, quick, table
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_pyraug import AugmentedClassifier, AugmentedClassifierCV, RHVAEAugmenter
from sklearn_pyraug._classifier import choice
from sklearn_pyraug._classifier.paired import Run
from sklearn_pyraug._classifier.samplers import Smote

FREE = ["nothing", "class weights", "moved threshold"]
ESTIMATORS = [
    AugmentedClassifierCV(
        LogisticRegression(tol=1e-10, max_iter=1000),
        {"copies": RandomOverSampler(random_state=0)},
        cv=2,
        n_repeats=1,
        random_state=0,
    )
]


# Some checks have classes of one row.
@pytest.mark.filterwarnings(
    "ignore:cv=2, but class", "ignore:The least populated class", "ignore:y_pred contains classes"
)
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@imblearn_checks(ESTIMATORS)
def test_imbalanced_learn_checks(estimator, check):
    check(estimator)


class Noise(BaseEstimator):
    """Augmenter that buries each class in rows of the other."""

    def fit_resample(self, X, y):
        return np.tile(X, (4, 1)), np.concatenate([y, *3 * [y[::-1]]])


@pytest.fixture
def data():
    """180 rows of one class and 20 of the other, which overlap."""
    return make_classification(
        200, n_features=5, weights=[0.9], class_sep=0.8, flip_y=0, random_state=0
    )


def chosen_by(scores, scoring="balanced_accuracy"):
    """Return the choice that follows from scores of (n_candidates, n_splits)."""
    model = AugmentedClassifierCV(LogisticRegression(), scoring=scoring)
    names = ["nothing", "a", "b"][: len(scores)]
    runs = {name: Run(np.array(row), 0.1) for name, row in zip(names, scores, strict=True)}
    model._choose(runs)
    return model


def test_what_is_tried_by_default(data, monkeypatch):
    """The factors of the package's own augmenter above 1 share one training for each split."""
    trained = []
    fit = choice.RHVAEAugmenter.fit_resample

    def noted(self, X, y, **keywords):
        trained.append((self.augmentation_factor, self.memory))
        return fit(self.set_params(max_epochs=1), X, y, **keywords)

    monkeypatch.setattr(RHVAEAugmenter, "fit_resample", noted)
    model = AugmentedClassifierCV(GaussianNB(), cv=2, n_repeats=1, random_state=0).fit(*data)
    own = [f"RHVAEAugmenter(augmentation_factor={factor})" for factor in (1, 2, 4)]
    assert list(model.cv_results_["candidate"]) == [*FREE, "random over-sampling", "SMOTE", *own]
    assert model.left_out_ == {}
    assert [factor for factor, _ in trained[:6]] == [1, 1, 2, 2, 4, 4]
    assert len({memory for _, memory in trained[:6]} - {None}) == 1


def test_scores_are_those_of_cross_validation(data):
    X, y = data
    cv = StratifiedKFold(4)
    sampler = SMOTE(random_state=0)
    model = AugmentedClassifierCV(LogisticRegression(), {"mine": sampler}, cv=cv).fit(X, y)
    results = model.cv_results_
    scores = np.array([results[f"split{i}_test_score"] for i in range(4)]).T
    expected = {
        "nothing": LogisticRegression(),
        "class weights": LogisticRegression(class_weight="balanced"),
        "mine": AugmentedClassifier(sampler, LogisticRegression()),
    }
    for name, classifier in expected.items():
        row = scores[list(results["candidate"]).index(name)]
        assert_allclose(
            row, cross_val_score(classifier, X, y, cv=cv, scoring="balanced_accuracy"), atol=0.03
        )
    assert_allclose(results["mean_test_score"], scores.mean(axis=1))
    assert_allclose(results["mean_difference"], (scores - scores[0]).mean(axis=1))
    assert model.best_score_ == results["mean_test_score"][model.best_index_]
    assert results["rank_test_score"][model.best_index_] == 1


@pytest.mark.parametrize("piped", [False, True])
def test_weights_stand_for_repeated_rows(data, piped):
    """In all fits and scores, to the last step of a pipeline."""
    X, y = data
    weight = np.where(np.arange(len(y)) % 3, 1.0, 2.0)
    twice = np.repeat(np.arange(len(y)), weight.astype(int))
    cv = list(StratifiedKFold(3).split(X, y))
    cv_twice = [[np.flatnonzero(np.isin(twice, part)) for part in split] for split in cv]
    classifier = make_pipeline(FunctionTransformer(), GaussianNB()) if piped else GaussianNB()
    model = AugmentedClassifierCV(classifier, {"no rows": FunctionSampler()}, cv=cv)
    model.fit(X, y, sample_weight=weight)
    expected = clone(model).set_params(cv=cv_twice).fit(X[twice], y[twice])
    for name in [f"split{i}_test_score" for i in range(3)]:
        assert_allclose(model.cv_results_[name], expected.cv_results_[name])
    assert_allclose(model.predict_proba(X), expected.predict_proba(X))
    assert model.score(X, y, weight) != model.score(X, y)
    weightless = AugmentedClassifierCV(KNeighborsClassifier(), cv=cv)
    with pytest.raises(ValueError, match="sample_weight was given, but classifier=KNeighbors"):
        weightless.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("piped", [False, True])
def test_routing_changes_no_weights(data, piped):
    """Behind a step, the candidates were left out; frames could not be used at all."""
    X, y = data
    rows = X if piped else pd.DataFrame(X, columns=list("abcde"))
    weight = 1.0 + np.arange(len(y)) % 3
    classifier = LogisticRegression()
    settings = {"augmenters": {"SMOTE": SMOTE(random_state=0)}, "random_state": 0, "n_repeats": 1}

    def scores(model):
        fitted = AugmentedClassifierCV(model, **settings).fit(rows, y, sample_weight=weight)
        assert fitted.left_out_ == {}
        return fitted.cv_results_["mean_test_score"]

    expected = scores(make_pipeline(StandardScaler(), classifier) if piped else classifier)
    with config_context(enable_metadata_routing=True):
        if piped:
            asking = classifier.set_fit_request(sample_weight=True)
            classifier = make_pipeline(
                StandardScaler().set_fit_request(sample_weight=False), asking
            )
        assert_array_equal(scores(classifier), expected)
        refused = make_pipeline(FunctionTransformer(), LogisticRegression())
        with pytest.raises(ValueError, match="sample_weight was given.*has to request it"):
            scores(refused)


def test_the_rule_by_hand():
    """a gains 1 and 3 points: mean 2, error sqrt(2 / 2) = 1 point."""
    model = chosen_by([[0.80, 0.80], [0.81, 0.83], [0.82, 0.80]])
    assert model.best_augmenter_ == "a"
    assert_allclose(model.cv_results_["mean_difference"], [0.0, 0.02, 0.01])
    assert_allclose(model.cv_results_["standard_error"], [0.0, 0.01, 0.01])
    assert model.advice_ == (
        "Used: a. Over nothing it gained +2.0 ± 1.0 points of balanced accuracy on 2 inner "
        "splits, the most of 2 candidates."
    )


def test_the_simplest_within_half_a_standard_error_is_chosen():
    """b is ahead of a by 0.5 points, error 1.5, and then by 1 point, error 1."""
    model = chosen_by([[0.80, 0.80], [0.84, 0.86], [0.83, 0.88]])
    assert model.best_augmenter_ == "a"
    assert model.best_score_ == pytest.approx(0.85)
    assert_array_equal(model.cv_results_["rank_test_score"], [3, 2, 1])
    assert model.advice_.endswith(
        "and is the simplest of 2 candidates within half a standard error of the best, b."
    )
    assert chosen_by([[0.80, 0.80], [0.84, 0.86], [0.84, 0.88]]).best_augmenter_ == "b"


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([[0.8, 0.8], [0.8, 0.84]], "a, gained +2.0 ± 2.0 points of balanced accuracy"),
        ([[0.8, 0.8], [0.7, 0.7]], "a, gained -10.0 ± 0.0 points of balanced accuracy"),
        ([[0.8, 0.8], [0.8, 0.7998]], "a, gained +0.0 ± 0.0 points"),
        ([[0.8, 0.8], [0.8, 0.8], [0.8, 0.8]], "The best of 2 candidates, a, gained +0.0 ± 0.0"),
    ],
)
def test_nothing_is_done_within_one_standard_error(scores, words):
    model = chosen_by(scores)
    assert model.best_augmenter_ == "nothing"
    assert model.best_index_ == 0
    assert words in model.advice_


def test_scores_that_are_losses_are_not_points():
    assert (
        "+0.200 ± 0.000 in negative log loss on"
        in chosen_by([[-1, -1], [-0.8, -0.8]], "neg_log_loss").advice_
    )


def test_what_hurts_is_not_chosen():
    X, y = table((60, 60), seed=0)
    model = AugmentedClassifierCV(LogisticRegression(), {"noise": Noise()}, random_state=0)
    model.fit(X, y)
    assert model.best_augmenter_ == "nothing"
    assert isinstance(model.best_estimator_, LogisticRegression)
    assert_array_equal(model.predict(X), LogisticRegression().fit(X, y).predict(X))


@pytest.mark.parametrize("name", ["class weights", "moved threshold", "copies"])
def test_labels_are_balanced_and_probabilities_honest(name, data, monkeypatch):
    X, y = data
    monkeypatch.setattr(
        AugmentedClassifierCV, "_choose", lambda self, runs: vars(self).update(best_augmenter_=name)
    )
    augmenters = {"copies": RandomOverSampler(random_state=0)}
    model = AugmentedClassifierCV(LogisticRegression(), augmenters).fit(X, y)
    plain = LogisticRegression().fit(X, y)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(0.1, abs=0.04)
    scores = [balanced_accuracy_score(y, m.predict(X)) for m in (model, plain)]
    assert scores[0] > scores[1] + 0.1


def test_a_moved_threshold_decides_at_the_prevalence(data):
    X, y = data
    model = choice._MovedThreshold(FunctionSampler(), LogisticRegression()).fit(X, y)
    risk = LogisticRegression().fit(X, y).predict_proba(X)[:, 1]
    assert_array_equal(model.predict(X), risk > np.mean(y))
    # The score was that of the classifier inside.
    assert model.score(X, y) == np.mean(model.predict(X) == y)


def test_candidates_that_cannot_be_used_are_left_out(data):
    model = AugmentedClassifierCV(KNeighborsClassifier(), None).fit(*data)
    assert model.left_out_ == {"class weights": "the classifier has no sample_weight in fit"}
    model = AugmentedClassifierCV(LinearSVC(), None).fit(*data)
    assert model.left_out_ == {"moved threshold": "the classifier has no predict_proba"}
    assert not hasattr(model, "predict_proba")
    assert hasattr(model, "decision_function")


def test_booleans_have_a_smote_of_their_own(data):
    """SMOTE was left out: numpy subtracts no booleans."""
    X, y = data
    X_res, _ = Smote(random_state=0).fit_resample(X > 0, y)
    assert len(X_res) > len(X)
    assert X_res.dtype == bool


def test_infinite_values_are_named(data):
    X, y = data
    X = np.where(X == X[0, 1], np.inf, X)
    with pytest.raises(ValueError, match=r"column 1 \(1 infinite\). Replace these values"):
        AugmentedClassifierCV(LogisticRegression(), None).fit(X, y)


def test_raw_tables(data):
    """Text, gaps and numbers: ours sees them raw, and later rows may hold other text."""
    X, y = data
    rows = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": np.where(X[:, 2] > 0, "yes", "no")})
    rows.loc[::7, "a"] = np.nan
    rows.loc[::9, "kind"] = None
    model = AugmentedClassifierCV(
        LogisticRegression(), {"ours": quick(missing="keep")}, cv=2, n_repeats=1
    ).fit(rows, y)
    assert model.left_out_ == {}
    assert list(model.feature_names_in_) == ["a", "b", "kind"]
    assert model.predict(rows.assign(kind="unheard of")).shape == y.shape
    # scikit-learn's error was about columns that the user had not specified.
    for unnamed in (rows.to_numpy(), rows.set_axis(range(3), axis=1)):
        with pytest.raises(ValueError, match=r"X has no column 'a', one of the 3 .* a dataframe"):
            model.predict(unnamed)


def test_pipelines_keep_their_own_preparation(data):
    """Samplers of numbers see what the last step sees; weights reach it."""
    X, y = data
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    model = AugmentedClassifierCV(pipeline, None, random_state=0).fit(X, y)
    assert list(model.cv_results_["candidate"]) == FREE
    assert model.left_out_ == {}


def test_only_the_training_rows_are_seen(data, monkeypatch):
    """In an outer cross-validation, no test row reaches any fit."""
    X, y = data
    seen = []
    monkeypatch.setattr(
        Recorder,
        "fit",
        lambda self, X, y: vars(self).update(classes_=np.unique(y)) or seen.append(X) or self,
    )
    half = np.arange(0, len(y), 2)
    model = AugmentedClassifierCV(Recorder(), {"copies": RandomOverSampler(random_state=0)}, cv=2)
    cross_val_score(model, X, y, cv=[(half, half + 1)], scoring="accuracy")
    known = {tuple(row) for row in X[half]}
    assert len(seen) > 4
    assert all(tuple(row) in known for rows in seen for row in rows)


def test_results_do_not_depend_on_n_jobs(data):
    model = AugmentedClassifierCV(LogisticRegression(), random_state=3, cv=2, n_repeats=1)
    model.set_params(augmenters={"ours": quick()})
    expected = clone(model).fit(*data).cv_results_
    with joblib.parallel_config("threading"):
        found = clone(model).set_params(n_jobs=2).fit(*data).cv_results_
    assert_array_equal(found["mean_test_score"], expected["mean_test_score"])


def test_memory_keeps_the_trainings(data, tmp_path):
    model = AugmentedClassifierCV(
        LogisticRegression(), cv=2, n_repeats=1, memory=tmp_path, random_state=0
    )
    own = model._candidates(
        choice.prepare(model.classifier, *data, np.arange(200), "auto"), 0, tmp_path
    )["RHVAEAugmenter(augmentation_factor=2)"].model
    assert own.augmenter.memory == tmp_path
    assert own.augmenter.random_state == 0


def test_groups_reach_the_splitter(data):
    X, y = data
    groups = np.arange(len(y)) // 20
    model = AugmentedClassifierCV(LogisticRegression(), None, cv=GroupKFold(2))
    assert model.fit(X, y, groups=groups).cv_results_["split1_test_score"].shape == (3,)
    with pytest.raises(ValueError, match="groups was given, but cv=5 makes folds that do not"):
        AugmentedClassifierCV(LogisticRegression(), None).fit(X, y, groups=groups)


def test_few_rows_of_a_class_make_fewer_folds():
    X, y = table((30, 3))
    model = AugmentedClassifierCV(LogisticRegression(), None, n_repeats=1)
    with pytest.warns(
        UserWarning, match=r"^cv=5, but class 1 of y has 3 rows: 3 folds are used\.$"
    ):
        model.fit(X, y)
    assert "split2_test_score" in model.cv_results_
    assert "split3_test_score" not in model.cv_results_
    few = np.argsort(y)[:31]
    with pytest.raises(ValueError, match="class 1 of y has 1 row, which cannot be in both parts"):
        model.fit(X[few], y[few])


@pytest.mark.filterwarnings("ignore:The least populated class", "ignore:y_pred contains classes")
def test_a_class_of_one_row_is_said():
    X, y = table((30, 20, 1))
    model = AugmentedClassifierCV(LogisticRegression(), None, n_repeats=1)
    with pytest.warns(UserWarning, match="class 2 of y has 1 row: 2 folds are used, and none has"):
        model.fit(X, y)
    assert_array_equal(model.classes_, [0, 1, 2])


def test_progress_is_shown_where_asked_for(data, capsys):
    AugmentedClassifierCV(LogisticRegression(), None, verbose=1).fit(*data)
    assert "AugmentedClassifierCV" in capsys.readouterr().err


def test_pickle_and_refit(data):
    X, y = data
    model = AugmentedClassifierCV(LogisticRegression(), None, random_state=0)
    model.fit(pd.DataFrame(X).add_prefix("x"), y).fit(X[:, :3], y)
    assert model.n_features_in_ == 3
    assert not hasattr(model, "feature_names_in_")
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X[:, :3]), model.predict_proba(X[:, :3]))
    assert model.score(X[:, :3], y) == balanced_accuracy_score(y, model.predict(X[:, :3]))


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        ({"classifier": LinearRegression()}, TypeError, "classifier must be a scikit-learn"),
        (
            {"classifier": AugmentedClassifier(SMOTE(), GaussianNB())},
            ValueError,
            "classifier=AugmentedClassifier contains an augmenter or sampler already: pass",
        ),
        ({"augmenters": "SMOTE"}, ValueError, "'augmenters' parameter"),
        *(
            ({"augmenters": {name: SMOTE()}}, ValueError, f"augmenters has the name '{name}'")
            for name in FREE
        ),
        ({"augmenters": {"x": StandardScaler()}}, TypeError, r"augmenters\['x'\] must have fit_re"),
        ({"n_repeats": 0}, ValueError, "'n_repeats' parameter"),
        ({"cv": 1}, ValueError, "'cv' parameter"),
    ],
)
def test_errors(parameters, error, match, data):
    model = AugmentedClassifierCV(GaussianNB()).set_params(**parameters)
    with pytest.raises(error, match=match):
        model.fit(*data)


@pytest.mark.parametrize("make", [AugmentedClassifier, AugmentedClassifierCV])
def test_labels_are_scored_as_they_were_fitted(make):
    """Integers in an object array were fitted, and then refused as unknown."""
    X, y = make_classification(60, weights=[0.7], random_state=0)
    y = y.astype(object)
    if make is AugmentedClassifier:
        model = make(SMOTE(random_state=0), LogisticRegression())
    else:
        model = make(LogisticRegression(), None, cv=2, n_repeats=1, random_state=0)
    assert 0.5 < model.fit(X, y).score(X, y) <= 1.0
