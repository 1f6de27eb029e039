"""Tests of the classifier two-sample test."""

import numpy as np
import pytest
from scipy import stats
from shared import Recorder
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from sklearn_pyraug.metrics import TwoSampleResult, classifier_two_sample_test
from sklearn_pyraug.metrics._pairs import permutation_p_value
from sklearn_pyraug.metrics._two_samples import _mean_area, _neighbor_areas


class MeanDifference(ClassifierMixin, BaseEstimator):
    """Classifier that projects on the difference of the two means; it is fast."""

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        self.direction_ = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
        return self

    def decision_function(self, X):
        return X @ self.direction_


def test_permutation_p_value_on_a_hand_made_case():
    assert permutation_p_value(2.0, [1.0, 2.0, 3.0]) == 0.75
    assert permutation_p_value(2.0, [1.0, 1.5, 0.0]) == 0.25
    assert np.isnan(permutation_p_value(2.0, []))


@pytest.mark.slow
@pytest.mark.parametrize("classifier", [MeanDifference(), None], ids=["own", "neighbours"])
def test_p_values_are_uniform_under_the_null(classifier, random_seed):
    n_draws, n_permutations = 200, 19
    rng = np.random.default_rng(random_seed)
    p_values = [
        classifier_two_sample_test(
            rng.normal(size=(20, 2)),
            rng.normal(size=(30, 2)),
            classifier=classifier,
            cv=2,
            n_permutations=n_permutations,
            random_state=draw,
        ).p_value
        for draw in range(n_draws)
    ]
    # The p-value has the values 1/20, 2/20, ... 1, each with the same probability: less a
    # uniform share of a step it is uniform on (0, 1). Equal areas count against the observed one:
    # of neighbours, which give few different ones, p-values are larger still.
    alternative = "two-sided" if classifier else "greater"
    smooth = np.array(p_values) - rng.uniform(size=n_draws) / (n_permutations + 1)
    assert stats.kstest(smooth, "uniform", alternative=alternative).pvalue > 1e-4


def test_neighbours_searched_once_give_what_the_classifier_gives(random_seed):
    """The areas of the given labels, and of others, are those of fits of their own."""
    rng = np.random.default_rng(random_seed)
    X = np.concatenate([rng.normal(size=(40, 3)), rng.normal(size=(31, 3)) + 0.5])
    X[::7] = X[1]  # ties
    y = np.repeat([0, 1], [40, 31])
    splits = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
    classifier = KNeighborsClassifier(8)
    areas = _neighbor_areas(classifier, X, y, splits, 3, np.random.default_rng(5))
    again = np.random.default_rng(5)
    labels = np.tile(y, (4, 1))
    for _, test in splits:
        labels[1:, test] = again.permuted(labels[1:, test], axis=1)
        assert (np.sort(labels[:, test]) == np.sort(y[test])).all()
    expected = [_mean_area(classifier, X, labeling, splits) for labeling in labels]
    np.testing.assert_allclose(areas, expected, rtol=1e-12)
    assert len(set(expected)) == 4


def test_a_shift_is_found_and_no_shift_is_not(random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(60, 3)), rng.normal(size=(50, 3))
    shifted = classifier_two_sample_test(X, Y + 1.5, n_permutations=39, random_state=0)
    assert isinstance(shifted, TwoSampleResult)
    assert shifted.statistic > 0.8
    assert shifted.p_value == 1 / 40
    same = classifier_two_sample_test(X, Y, n_permutations=0, random_state=0)
    # An area has a standard deviation of at most sqrt((n + m + 1) / (12 n m)) = 0.056 for
    # independent rows of one distribution.
    assert same.statistic == pytest.approx(0.5, abs=5 * 0.056)
    assert np.isnan(same.p_value)


def test_the_statistic_of_two_shifted_gaussians_is_the_known_area(random_seed):
    """Of N(0, 1) and N(delta, 1) the best area is Phi(delta / sqrt(2))."""
    rng, n, delta = np.random.default_rng(random_seed), 2000, 1.0
    result = classifier_two_sample_test(
        rng.normal(size=(n, 1)),
        rng.normal(size=(n, 1)) + delta,
        classifier=LogisticRegression(),
        n_permutations=0,
        random_state=0,
    )
    # Variance of an area A over n and n rows: at most A (1 - A) / n.
    A = stats.norm.cdf(delta / np.sqrt(2))
    assert result.statistic == pytest.approx(A, abs=5 * np.sqrt(A * (1 - A) / n))


def test_sets_of_different_sizes_leave_chance_at_one_half(random_seed):
    """The accuracy would be 0.9."""
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(450, 2)), rng.normal(size=(50, 2))
    statistic, _ = classifier_two_sample_test(X, Y, n_permutations=0, random_state=0)
    assert statistic == pytest.approx(0.5, abs=5 * np.sqrt(501 / (12 * 450 * 50)))


def test_copies_bring_the_statistic_below_one_half(random_seed):
    X = np.random.default_rng(random_seed).normal(size=(100, 5))
    copies = X + np.random.default_rng(1).normal(scale=1e-3, size=X.shape)
    assert classifier_two_sample_test(X, copies, n_permutations=0, random_state=0).statistic < 0.45


@pytest.mark.parametrize("exponent", [-1022, 1018])
def test_units_change_nothing(exponent, random_seed):
    rng = np.random.default_rng(random_seed)
    # Values of few bits, which subnormal numbers can hold, too.
    X, Y = np.rint(16 * rng.normal(size=(30, 3))), np.rint(16 * rng.normal(size=(25, 3)) + 8)
    results = [
        classifier_two_sample_test(
            np.ldexp(X, power), np.ldexp(Y, power), n_permutations=9, random_state=0
        )
        for power in (0, [0, 5, exponent - 4])
    ]
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "classifier", [LogisticRegression(), LinearSVC()], ids=lambda classifier: str(classifier)
)
def test_any_classifier_and_splitter_will_do(classifier, random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + 5
    result = classifier_two_sample_test(
        X, Y, classifier=classifier, cv=StratifiedKFold(3), n_permutations=4, random_state=0
    )
    assert result == (1.0, 0.2)
    assert not hasattr(classifier, "classes_")


def test_seeds_repeat_and_numpy_s_global_generator_is_left_alone():
    X, Y = np.random.default_rng(0).normal(size=(2, 30, 2))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other, fresh = (
        classifier_two_sample_test(X, Y, n_permutations=19, random_state=seed)
        for seed in (0, 0, np.random.RandomState(3), None)
    )
    assert first == again
    assert first != other
    assert 0 < fresh.p_value <= 1
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"n_permutations": -1}, "`n_permutations` is -1; give an integer of at least 0"),
        ({"n_permutations": 9.5}, r"`n_permutations` is 9\.5"),
        ({"cv": 1}, "`cv` is 1; give an integer of at least 2"),
        ({"cv": 11}, "`cv` is 11 with 10 rows in the smaller set"),
        ({"cv": KFold(2)}, "without real or without synthetic rows"),
        ({"random_state": -1}, "random_state=-1"),
    ],
)
def test_bad_parameters_are_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        classifier_two_sample_test(np.ones((10, 2)), np.ones((10, 2)), **parameters)


@pytest.mark.parametrize("classifier", ["svm", LogisticRegression, np.linalg])
def test_what_is_no_classifier_is_refused(classifier):
    with pytest.raises(TypeError, match="`classifier` is .* give a scikit-learn classifier"):
        classifier_two_sample_test(np.eye(10), np.eye(10), classifier=classifier)


def test_a_classifier_that_cannot_rank_is_refused():
    with pytest.raises(TypeError, match="neither predict_proba nor decision_function"):
        classifier_two_sample_test(np.eye(10), np.eye(10), classifier=Recorder())
