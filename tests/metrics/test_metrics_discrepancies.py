"""Tests of the maximum mean discrepancy and of the sliced Wasserstein distance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn import config_context
from sklearn.metrics.pairwise import rbf_kernel

from sklearn_pyraug.metrics import (
    TwoSampleResult,
    _discrepancies,
    maximum_mean_discrepancy,
    sliced_wasserstein_distance,
)


def brute_force_mmd(X, Y, h):
    """Evaluate the formula of Gretton et al. 2012, equation 3, as it is printed."""

    def k(A, B):
        return rbf_kernel(A, B, gamma=1 / (2 * h**2))

    def pairs(A):
        return (k(A, A).sum() - len(A)) / (len(A) * (len(A) - 1))

    return pairs(X) + pairs(Y) - 2 * k(X, Y).mean()


def integers(rng, n):
    """Return rows of few bits, which subnormal numbers hold, too."""
    return np.rint(16 * rng.normal(size=(n, 3)))


def test_mmd_matches_the_printed_formula(random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(30, 4)), rng.normal(size=(20, 4)) + 0.3
    result = maximum_mean_discrepancy(X, Y, bandwidth=1.3, scale=None)
    assert isinstance(result, TwoSampleResult)
    assert result.statistic == pytest.approx(brute_force_mmd(X, Y, 1.3))
    assert np.isnan(result.p_value)


def test_mmd_of_each_division_is_that_of_its_two_sets(random_seed):
    rng = np.random.default_rng(random_seed)
    X = rng.normal(size=(25, 2))
    marks = rng.permuted(np.repeat([[1.0], [0.0]], [10, 15], axis=0).repeat(4, axis=1), axis=0)
    expected = [brute_force_mmd(X[m == 1], X[m == 0], 0.7) for m in marks.T]
    assert_allclose(_discrepancies._squared_discrepancies(X, marks, 0.7), expected)


@pytest.mark.parametrize("distance", [0.0, 1.5])
def test_mmd_of_gaussians_has_the_known_expectation(distance, random_seed):
    rng, h, n_draws = np.random.default_rng(random_seed), 1.2, 200
    shift = np.array([distance, 0.0, 0.0])
    values = [
        maximum_mean_discrepancy(X, Y + shift, bandwidth=h, scale=None).statistic
        for X, Y in rng.normal(size=(n_draws, 2, 20, 3))
    ]
    expected = 2 * (h**2 / (h**2 + 2)) ** 1.5 * (1 - np.exp(-(distance**2) / (2 * h**2 + 4)))
    assert np.mean(values) == pytest.approx(expected, abs=5 * np.std(values) / np.sqrt(n_draws))


def test_mmd_p_values_are_uniform_under_the_null(random_seed):
    n_draws, n_permutations = 200, 19
    rng = np.random.default_rng(random_seed)
    p_values = [
        maximum_mean_discrepancy(
            rng.normal(size=(15, 2)),
            rng.normal(size=(20, 2)),
            n_permutations=n_permutations,
            random_state=draw,
        ).p_value
        for draw in range(n_draws)
    ]
    # Values 1/20, 2/20, ... 1: less a uniform share of a step they are uniform on (0, 1).
    smooth = np.array(p_values) - rng.uniform(size=n_draws) / (n_permutations + 1)
    assert stats.kstest(smooth, "uniform").pvalue > 1e-4


def test_mmd_finds_a_shift(random_seed):
    X, Y = np.random.default_rng(random_seed).normal(size=(2, 40, 2))
    result = maximum_mean_discrepancy(X, Y + 1.5, n_permutations=49, random_state=0)
    assert result.statistic > 0.1
    assert result.p_value == 1 / 50


def test_mmd_median_bandwidth_on_a_hand_made_case():
    X, Y = np.array([[0.0], [0.0]]), np.array([[3.0], [4.0]])
    # Distances 0, left aside, 1, 3, 3, 4, 4.
    by_median = maximum_mean_discrepancy(X, Y, scale=None).statistic
    assert by_median == pytest.approx(brute_force_mmd(X, Y, 3.0))


def test_mmd_of_equal_rows_is_zero():
    assert maximum_mean_discrepancy(np.ones((5, 2)), np.ones((4, 2)), n_permutations=3) == (0, 1)


def test_mmd_median_of_many_rows_is_that_of_some(random_seed, monkeypatch):
    X, Y = np.random.default_rng(random_seed).normal(size=(2, 200, 2))
    of_all = maximum_mean_discrepancy(X, Y + 1).statistic
    monkeypatch.setattr(_discrepancies, "_MAX_MEDIAN_ROWS", 100)
    of_some = maximum_mean_discrepancy(X, Y + 1, random_state=random_seed).statistic
    assert of_some != of_all
    assert of_some == pytest.approx(of_all, rel=0.2)


def test_mmd_in_blocks_equals_mmd_at_once(random_seed):
    X, Y = np.random.default_rng(random_seed).normal(size=(2, 300, 3))
    parameters = {"n_permutations": 9, "random_state": 0}
    at_once = maximum_mean_discrepancy(X, Y, **parameters)
    with config_context(working_memory=0.05):  # MiB: 10 rows a block
        assert_allclose(maximum_mean_discrepancy(X, Y, **parameters), at_once)


@pytest.mark.parametrize("exponent", [-1022, -600, 600, 1018])
def test_extreme_units_change_nothing(exponent, random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = integers(rng, 40), integers(rng, 30) + 8
    far = np.ldexp(X, exponent - 4), np.ldexp(Y, exponent - 4)
    for scale in ("standard", None):
        seeded = {"scale": scale, "random_state": 0}
        assert_allclose(
            maximum_mean_discrepancy(*far, n_permutations=5, **seeded),
            maximum_mean_discrepancy(X, Y, n_permutations=5, **seeded),
        )
        distance = sliced_wasserstein_distance(*far, **seeded)
        if scale is None:
            distance = np.ldexp(distance, 4 - exponent)
        assert distance == pytest.approx(sliced_wasserstein_distance(X, Y, **seeded), rel=1e-3)
    fixed = maximum_mean_discrepancy(*far, bandwidth=np.ldexp(1.0, exponent), scale=None)
    assert fixed[0] == pytest.approx(
        maximum_mean_discrepancy(X, Y, bandwidth=16.0, scale=None).statistic, rel=1e-3
    )


def test_the_ends_of_the_range_give_finite_values():
    most = np.finfo(np.float64).max
    X, Y = np.array([[most, 1e-300], [-most, 0.0]]), np.array([[0.0, 1e300], [1.0, 1.0]])
    for scale in ("standard", None):
        assert np.isfinite(maximum_mean_discrepancy(X, Y, scale=scale).statistic)
        assert np.isfinite(sliced_wasserstein_distance(X, Y, scale=scale))
        assert np.isfinite(sliced_wasserstein_distance(Y, X, scale=scale))
    for bandwidth in (5e-324, most):
        for sets in ((X, Y), (X * 1e-300, Y * 1e-300)):
            result = maximum_mean_discrepancy(*sets, bandwidth=bandwidth, scale=None)
            assert np.isfinite(result.statistic)


def test_one_column_gives_the_wasserstein_distance_of_scipy(random_seed):
    rng = np.random.default_rng(random_seed)
    for n, m in [(30, 30), (30, 17), (1, 12), (40, 8)]:
        x, y = rng.normal(size=n), rng.exponential(size=m)
        distance = sliced_wasserstein_distance(
            x[:, None], y[:, None], order=1, n_projections=3, scale=None
        )
        assert distance == pytest.approx(stats.wasserstein_distance(x, y))


def test_one_column_and_order_two_give_the_distance_of_sorted_values(random_seed):
    x, y = np.random.default_rng(random_seed).normal(size=(2, 50))
    distance = sliced_wasserstein_distance(x[:, None], 3 * y[:, None], scale=None)
    assert distance == pytest.approx(np.sqrt(np.mean((np.sort(x) - 3 * np.sort(y)) ** 2)))


def test_a_translation_is_as_far_as_its_length_in_a_mean_direction(random_seed):
    """|v| / sqrt(d) for order 2, and |v| E|u_1| = |v| / 2 on the sphere of R^3 for order 1."""
    rng, n = np.random.default_rng(random_seed), 4000
    X, v = rng.normal(size=(20, 3)), np.array([1.0, -2.0, 2.0])
    seeded = {"n_projections": n, "scale": None, "random_state": random_seed}
    # (u·v)² is 9 u_1², of mean 3 and variance 81 (1/5 - 1/9); |u·v| of mean 3/2, variance 3/4.
    squared = sliced_wasserstein_distance(X, X + v, **seeded) ** 2
    assert squared == pytest.approx(3, abs=5 * np.sqrt(81 * (1 / 5 - 1 / 9) / n))
    mean = sliced_wasserstein_distance(X, X + v, order=1, **seeded)
    assert mean == pytest.approx(1.5, abs=5 * np.sqrt(0.75 / n))


def test_repeated_rows_are_at_no_distance(random_seed):
    X = np.random.default_rng(random_seed).normal(size=(20, 3))
    assert sliced_wasserstein_distance(X, np.repeat(X[::-1], 3, axis=0)) == 0


def test_standard_distance_is_in_standard_deviations_of_the_real_rows(random_seed):
    X = np.random.default_rng(random_seed).normal(size=(50, 1))
    assert sliced_wasserstein_distance(X, X + 2 * X.std()) == pytest.approx(2)


def test_projections_in_blocks_equal_projections_at_once(random_seed, monkeypatch):
    X, Y = np.random.default_rng(random_seed).normal(size=(2, 50, 3))
    at_once = sliced_wasserstein_distance(X, Y, random_state=0)
    monkeypatch.setattr(_discrepancies, "_BLOCK", 300)  # 3 directions a block
    assert sliced_wasserstein_distance(X, Y, random_state=0) == pytest.approx(at_once)


@pytest.mark.parametrize("bandwidth", [0, -1.0, np.nan, np.inf, "mean", None, True])
def test_a_bad_bandwidth_is_refused(bandwidth):
    with pytest.raises(ValueError, match="`bandwidth` is .*; give a finite number above 0"):
        maximum_mean_discrepancy(np.eye(3), np.eye(3), bandwidth=bandwidth)


@pytest.mark.parametrize(
    ("measure", "parameters", "match"),
    [
        (maximum_mean_discrepancy, {"n_permutations": -1}, "`n_permutations` is -1"),
        (maximum_mean_discrepancy, {"scale": "robust"}, "`scale` is 'robust'"),
        (sliced_wasserstein_distance, {"scale": "robust"}, "`scale` is 'robust'"),
        (sliced_wasserstein_distance, {"order": 0}, "`order` is 0; give an integer of at least 1"),
        (sliced_wasserstein_distance, {"n_projections": 0}, "`n_projections` is 0"),
        (sliced_wasserstein_distance, {"random_state": "a"}, "random_state='a'"),
    ],
)
def test_bad_parameters_are_refused(measure, parameters, match):
    with pytest.raises(ValueError, match=match):
        measure(np.eye(3), np.eye(3), **parameters)


def test_a_single_row_is_refused():
    with pytest.raises(ValueError, match="`X_synthetic` has 1 row; give at least 2, the estimate"):
        maximum_mean_discrepancy(np.ones((9, 2)), np.ones((1, 2)))
