"""Tests of the measures on nearest-neighbour distances."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context

from sklearn_pyraug.metrics import (
    PrecisionRecallDensityCoverage,
    authenticity,
    classifier_two_sample_test,
    distance_to_closest_record,
    maximum_mean_discrepancy,
    memorization_share,
    nearest_neighbor_distance_ratio,
    precision_recall_density_coverage,
    sliced_wasserstein_distance,
)


def brute_force_prdc(X, Y, k):
    """Evaluate the formulas of arXiv 2002.09797, sections 2 and 3, as they are printed."""

    def radius(rows, i):
        return sorted(np.linalg.norm(rows - rows[i], axis=1))[k]

    def in_ball(point, rows, i):
        return np.linalg.norm(point - rows[i]) < radius(rows, i)

    N, M = len(X), len(Y)
    precision = sum(any(in_ball(y, X, i) for i in range(N)) for y in Y) / M
    recall = sum(any(in_ball(x, Y, j) for j in range(M)) for x in X) / N
    density = sum(in_ball(y, X, i) for y in Y for i in range(N)) / (k * M)
    coverage = sum(any(in_ball(y, X, i) for y in Y) for i in range(N)) / N
    return precision, recall, density, coverage


def test_distance_on_a_hand_made_case():
    X_real = np.array([[0.0, 0.0], [4.0, 2.0]])  # standard deviations 2 and 1
    X_synthetic = np.array([[0.0, 0.0], [4.0, 3.0], [2.0, 0.0]])
    assert_allclose(distance_to_closest_record(X_synthetic, X_real), [0, 1, 1])
    assert_allclose(distance_to_closest_record(X_synthetic, X_real, scale=None), [0, 1, 2])


def test_distance_with_a_constant_column_is_finite():
    X_real = np.array([[1.0, 7.0], [3.0, 7.0]])
    assert_allclose(distance_to_closest_record([[1.0, 9.0]], X_real), [2.0])
    with config_context(transform_output="pandas"):
        assert_allclose(distance_to_closest_record([[1.0, 9.0]], X_real), [2.0])


@pytest.mark.parametrize("exponent", [-1022, -600, 600, 1018])
def test_extreme_units_change_nothing(exponent, random_seed):
    """Squares overflowed beyond 1e154 and vanished below 1e-162."""
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    # Values of few bits, which subnormal numbers can hold, too.
    X, Y = np.rint(16 * X), np.rint(16 * Y)
    far = np.ldexp(X, exponent - 4), np.ldexp(Y, exponent - 4)
    distances = distance_to_closest_record(Y, X, scale=None)
    scaled = distance_to_closest_record(far[1], far[0], scale=None)
    assert_allclose(np.ldexp(scaled, 4 - exponent), distances, rtol=1e-3)
    assert_allclose(distance_to_closest_record(*far[::-1]), distance_to_closest_record(Y, X))
    assert memorization_share(*far[::-1], 0.1) == memorization_share(Y, X, 0.1)
    assert precision_recall_density_coverage(*far) == precision_recall_density_coverage(X, Y)


def test_distances_are_finite_at_the_ends_of_the_range():
    most = np.finfo(np.float64).max
    X, Y = np.array([[most, 1e-300], [-most, -1e-300]]), np.array([[0.0, 1e300]])
    assert np.isfinite(distance_to_closest_record(Y, X)).all()
    assert_array_equal(distance_to_closest_record([[-most, 0.0]], [[most, 0.0]], scale=None), most)


@pytest.mark.parametrize(("n_features", "offset"), [(2, 0), (40, 0), (40, 1e8), (40, -1e8)])
def test_distance_matches_brute_force_and_is_exactly_zero_for_copies(
    n_features, offset, random_seed
):
    """With many columns the search is a matrix product, which put copies at about 1e-7.

    Of rows far from zero it found others than the closest.
    """
    rng = np.random.default_rng(random_seed)
    X_real, X_new = rng.normal(size=(60, n_features)), rng.normal(size=(30, n_features))
    X_real, X_new = X_real + offset, X_new + offset
    expected = np.linalg.norm(X_new[:, None] - X_real[None], axis=2).min(axis=1)
    assert_allclose(distance_to_closest_record(X_new, X_real, scale=None), expected)
    assert_array_equal(distance_to_closest_record(X_real[::-1], X_real), np.zeros(60))


def test_standard_distance_ignores_units_and_offsets(random_seed):
    rng = np.random.default_rng(random_seed)
    X_real, X_new = rng.normal(size=(50, 3)), rng.normal(size=(20, 3))
    units, offset = np.array([1.0, 1e3, 1e-3]), np.array([0.0, 5.0, -2.0])
    assert_allclose(
        distance_to_closest_record(X_new * units + offset, X_real * units + offset),
        distance_to_closest_record(X_new, X_real),
    )


def test_memorization_share_on_a_hand_made_case():
    X_real = np.array([[0.0], [1.0], [3.0], [7.0]])  # leave-one-out distances 1, 1, 2, 4
    X_synthetic = np.array([[0.5], [5.0], [9.5], [20.0]])  # distances 0.5, 2, 2.5, 13
    assert memorization_share(X_synthetic, X_real, quantile=0) == 0.25
    assert memorization_share(X_synthetic, X_real, quantile=1) == 0.75


def test_memorization_share_of_fresh_rows_is_the_quantile(random_seed):
    rng = np.random.default_rng(random_seed)
    X_real, X_new = rng.normal(size=(1000, 2)), rng.normal(size=(4000, 2))
    share = memorization_share(X_new, X_real, quantile=0.25)
    # The share's error is that of 4000 rows and that of a quantile of 1000 dependent distances:
    # at most about two for one, hence sqrt(2) in the second term.
    std = np.sqrt(0.25 * 0.75 / 4000 + 2 * 0.25 * 0.75 / 1000)
    assert share == pytest.approx(0.25, abs=5 * std)


def test_memorization_share_counts_copies_among_duplicated_real_rows():
    """Duplicated real rows set the threshold to 0; copies are at 0 and must count."""
    X_real = np.repeat([[0.0], [1.0], [5.0]], 2, axis=0)
    assert memorization_share([[1.0], [1.1]], X_real) == 0.5


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_prdc_matches_the_printed_formulas(k, shift, random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(25, 2)), rng.normal(size=(18, 2)) + shift
    assert_allclose(precision_recall_density_coverage(X, Y, k), brute_force_prdc(X, Y, k))


def test_prdc_in_blocks_equals_prdc_at_once(random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(400, 3)), rng.normal(size=(500, 3))
    at_once = precision_recall_density_coverage(X, Y)
    with config_context(working_memory=0.05):  # MiB: 13 rows a block
        assert precision_recall_density_coverage(X, Y) == at_once


def test_prdc_of_a_set_with_itself_is_one(random_seed):
    """A rounded distance let the k-th neighbour, on the ball's edge, count as inside."""
    X = np.random.default_rng(random_seed).normal(size=(80, 30))
    assert precision_recall_density_coverage(X, X.copy()) == (1.0, 1.0, 1.0, 1.0)


def test_prdc_of_one_distribution_has_the_expected_values(random_seed):
    rng = np.random.default_rng(random_seed)
    n, k = 1000, 5
    measures = precision_recall_density_coverage(
        rng.normal(size=(n, 2)), rng.normal(size=(n, 2)), n_neighbors=k
    )
    ranks = np.arange(1, k + 1)
    expected = 1 - np.prod((n - ranks) / (2 * n - ranks))
    # About k neighbouring rows depend on each other: there are n / k independent ones.
    assert measures.coverage == pytest.approx(
        expected, abs=5 * np.sqrt(expected * (1 - expected) * k / n)
    )
    # The number in a ball has mean k and, over both sets, a variance of about 2 k.
    assert measures.density == pytest.approx(1.0, abs=5 * np.sqrt(2 / k * k / n))


def test_prdc_tells_missing_modes_from_missing_fidelity(random_seed):
    rng = np.random.default_rng(random_seed)
    X = rng.normal(size=(300, 2)) + 20 * rng.integers(2, size=(300, 1))
    one_mode = rng.normal(size=(300, 2))
    collapsed = precision_recall_density_coverage(X, one_mode)
    assert collapsed.precision > 0.9
    assert collapsed.recall < 0.7
    assert collapsed.coverage < 0.7
    noisy = precision_recall_density_coverage(X, X + rng.normal(scale=10, size=X.shape))
    assert noisy.precision < 0.6
    assert noisy.density < 0.6


def test_prdc_returns_named_floats():
    measures = precision_recall_density_coverage(np.eye(4), np.eye(4), n_neighbors=2)
    assert isinstance(measures, PrecisionRecallDensityCoverage)
    assert measures._fields == ("precision", "recall", "density", "coverage")
    assert all(type(value) is float for value in measures)


@pytest.mark.parametrize("n_neighbors", [0, 4, 2.0, True])
def test_prdc_refuses_a_bad_number_of_neighbors(n_neighbors):
    with pytest.raises(ValueError, match=r"`n_neighbors` is .* 4 real and 5 synthetic"):
        precision_recall_density_coverage(np.eye(4), np.ones((5, 4)), n_neighbors=n_neighbors)


@pytest.mark.parametrize("quantile", [-0.1, 1.1, np.nan, "0.5"])
def test_memorization_share_refuses_a_bad_quantile(quantile):
    with pytest.raises(ValueError, match="`quantile` is"):
        memorization_share(np.eye(3), np.eye(3), quantile=quantile)


def test_memorization_share_refuses_a_single_real_row():
    with pytest.raises(ValueError, match="`X_real` has 1 row"):
        memorization_share(np.eye(3), np.eye(3)[:1])


def test_distance_refuses_an_unknown_scale():
    with pytest.raises(ValueError, match="`scale` is 'robust'; use 'standard' or None"):
        distance_to_closest_record(np.eye(3), np.eye(3), scale="robust")


MEASURES = (
    authenticity,
    classifier_two_sample_test,
    distance_to_closest_record,
    maximum_mean_discrepancy,
    memorization_share,
    nearest_neighbor_distance_ratio,
    precision_recall_density_coverage,
    sliced_wasserstein_distance,
)
SETS = {
    "columns in another order": (lambda X: X[["b", "a"]], "Column 0 is 'b'.*same columns"),
    "masked values": (lambda X: np.ma.masked_less(X.to_numpy(), 0), "X_synthetic contains NaN"),
    "text": (lambda X: X.assign(b="m"), "text where numbers are needed: 'b'"),
    "another number of columns": (lambda X: X[["a"]], "`X_synthetic` has 1 columns"),
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", SETS)
def test_sets_that_cannot_be_compared(name, measure):
    change, message = SETS[name]
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=list("ab"))
    with pytest.raises(ValueError, match=message):
        measure(**{"X_real": X, "X_synthetic": change(X)})
