"""Tests of the privacy measures against training rows and rows held out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.neighbors import KernelDensity

from sklearn_pyraug.metrics import (
    TrainingProximity,
    _distances,
    _neighbors,
    attribute_inference,
    authenticity,
    distance_to_closest_record,
    memorization_share,
    nearest_neighbor_distance_ratio,
    training_proximity,
)

# Each is a number that is lower for a memoriser, with a threshold between the two generators below.
MEASURES = {
    "distance": (
        lambda Y, X, holdout: (
            np.median(distance_to_closest_record(Y, X))
            / np.median(distance_to_closest_record(holdout, X))
        ),
        0.5,
    ),
    "memorization": (lambda Y, X, holdout: 1 - memorization_share(Y, X), 0.5),
    "ratio": (
        lambda Y, X, holdout: (
            np.median(nearest_neighbor_distance_ratio(Y, X))
            / np.median(nearest_neighbor_distance_ratio(holdout, X))
        ),
        0.5,
    ),
    "authenticity": (lambda Y, X, holdout: authenticity(Y, X) / authenticity(holdout, X), 0.5),
    "proximity": (lambda Y, X, holdout: 1 - training_proximity(Y, X, holdout).share, 0.2),
}


# Scott's bandwidth keeps rows of many columns close to their origins, as the measures then say.
@pytest.mark.parametrize("n_features", [2, 4])
@pytest.mark.parametrize("name", MEASURES)
def test_each_measure_tells_a_memoriser_from_a_density_estimate(name, n_features, random_seed):
    rng = np.random.default_rng(random_seed)
    X, holdout = rng.normal(size=(2, 300, n_features))
    memoriser = X[rng.integers(300, size=300)] + rng.normal(scale=1e-3, size=X.shape)
    estimate = KernelDensity(bandwidth="scott").fit(X).sample(300, random_state=random_seed)
    measure, limit = MEASURES[name]
    assert measure(memoriser, X, holdout) < limit / 10
    assert measure(estimate, X, holdout) > limit


def test_ratio_on_a_hand_made_case():
    X = np.array([[0.0, 0.0], [3.0, 4.0], [100.0, 0.0]])
    Y = np.array([[0.0, 0.0], [0.0, 4.0], [1.5, 2.0]])
    assert_allclose(nearest_neighbor_distance_ratio(Y, X, scale=None), [0, 3 / 4, 1])


@pytest.mark.parametrize("n_features", [1, 3])
def test_ratio_of_fresh_rows_has_the_known_distribution(n_features, random_seed):
    """The volumes of the balls up to the two rows are those of a Poisson process: U = V1 / V2."""
    rng = np.random.default_rng(random_seed)
    X, Y = rng.uniform(size=(20_000, n_features)), rng.uniform(0.2, 0.8, size=(500, n_features))
    volumes = nearest_neighbor_distance_ratio(Y, X) ** n_features
    assert stats.kstest(volumes, "uniform").pvalue > 1e-4


def test_ratio_of_a_copy_of_twins_is_one():
    """A row that two share says nothing about either; 0/0 must not occur."""
    assert_array_equal(
        nearest_neighbor_distance_ratio([[1.0], [4.0]], [[1.0], [1.0], [4.0]]), [1, 0]
    )


def test_ratio_in_blocks_equals_ratio_at_once(random_seed, monkeypatch):
    X, Y = np.random.default_rng(random_seed).normal(size=(2, 50, 40))
    at_once = nearest_neighbor_distance_ratio(Y, X)
    monkeypatch.setattr(_neighbors, "_BLOCK", 600)  # 7 rows a block
    assert_array_equal(nearest_neighbor_distance_ratio(Y, X), at_once)


def test_authenticity_matches_brute_force(random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    n_authentic = 0
    for y in Y:
        distances = np.linalg.norm(X - y, axis=1)
        i = distances.argmin()
        n_authentic += distances[i] > np.delete(np.linalg.norm(X - X[i], axis=1), i).min()
    assert authenticity(Y, X, scale=None) == n_authentic / 30


# The volume of a unit ball over that of the union of two, the centre of each on the other's edge.
MUTUAL = {1: 2 / 3, 2: np.pi / (4 * np.pi / 3 + np.sqrt(3) / 2), 3: 16 / 27}


@pytest.mark.parametrize("n_features", MUTUAL)
def test_authenticity_of_fresh_rows_is_the_known_constant(n_features, random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(5000, n_features)), rng.normal(size=(2000, n_features))
    p = MUTUAL[n_features]
    # Rows of Y that share a closest row are alike; twice the variance allows for them.
    assert authenticity(Y, X) == pytest.approx(1 - p, abs=5 * np.sqrt(2 * p * (1 - p) / 2000))


def test_authenticity_of_copies_is_zero_among_twins_too():
    X = np.repeat([[0.0], [1.0], [5.0]], 2, axis=0)
    assert authenticity(X, X) == 0
    assert authenticity([[1.0], [1.1]], X) == 0.5


def test_proximity_on_a_hand_made_case():
    result = training_proximity(
        [[0.0], [1.0], [4.5]], [[0.0], [5.0]], [[2.0], [3.0]], scale=None, confidence_level=0.9
    )
    # The row at 1 is as near to 0 as to 2, and counts half.
    assert isinstance(result, TrainingProximity)
    assert result.share == 2.5 / 3
    assert result.expected_share == 0.5
    # Three of four equal rows are training rows.
    assert training_proximity([[0.0]], [[0.0]] * 3, [[0.0], [9.0]]).share == 0.75
    assert 0 < result.interval[0] < result.share < result.interval[1] < 1


@pytest.mark.parametrize("k", [0, 3, 10])
def test_the_binomial_interval_is_that_of_scipy(k):
    expected = stats.binomtest(k, 10).proportion_ci(0.9, method="exact")
    assert_allclose(_distances._binomial_interval(k, 10, 0.9), list(expected))


def test_proximity_of_fresh_rows_is_the_share_of_training_rows(random_seed):
    rng = np.random.default_rng(random_seed)
    X, holdout, Y = (rng.normal(size=(n, 2)) for n in (3000, 1000, 2000))
    share, (low, high), expected = training_proximity(Y, X, holdout)
    assert expected == 0.75
    # Rows of Y that share a closest row are alike; twice the variance allows for them.
    assert share == pytest.approx(0.75, abs=5 * np.sqrt(2 * 0.75 * 0.25 / 2000))
    assert low < share < high


def test_proximity_of_rows_held_out_is_zero_and_of_both_sets_one_half(random_seed):
    X, holdout = np.random.default_rng(random_seed).normal(size=(2, 50, 3))
    assert training_proximity(holdout, X, holdout).share == 0
    assert training_proximity(X, X, holdout).interval[1] == 1
    assert training_proximity(X, X, X).share == 0.5


@pytest.mark.parametrize("exponent", [-1022, -600, 600, 1018])
def test_extreme_units_change_nothing(exponent, random_seed):
    rng = np.random.default_rng(random_seed)
    # Values of few bits, which subnormal numbers can hold, too.
    X, Y, holdout = np.rint(16 * rng.normal(size=(3, 40, 3)))
    X, Y = X + holdout / 4, Y / 2
    far = [np.ldexp(A, exponent - 4) for A in (X, Y, holdout)]
    for scale in ("standard", None):
        assert_allclose(
            nearest_neighbor_distance_ratio(far[1], far[0], scale=scale),
            nearest_neighbor_distance_ratio(Y, X, scale=scale),
            rtol=1e-2,
        )
        assert authenticity(far[1], far[0], scale=scale) == authenticity(Y, X, scale=scale)
        far_off = training_proximity(far[1], far[0], far[2], scale=scale)
        assert far_off == training_proximity(Y, X, holdout, scale=scale)


def test_the_ends_of_the_range_give_finite_values():
    most = np.finfo(np.float64).max
    X, Y = np.array([[most, 1e-300], [-most, -1e-300]]), np.array([[0.0, 1e300]])
    for scale in ("standard", None):
        assert np.isfinite(nearest_neighbor_distance_ratio(Y, X, scale=scale)).all()
        assert np.isfinite(authenticity(Y, X, scale=scale))
        assert np.isfinite(training_proximity(Y, X, X[::-1], scale=scale).share)


def test_equal_distances_stay_equal_in_units_of_standard_deviations():
    """Rounding made some smaller: up to a fifth of the rows were not counted as memorised."""
    grid = np.arange(30.0)[:, np.newaxis]
    X, X_holdout = grid[::2], grid[1::2]
    # All rows lie 2 apart, and in the middle between two of the other set.
    assert memorization_share([[-2.0], [30.0]], X) == 1
    assert authenticity(X_holdout - 1, X) == authenticity(X + 2, X) == 0
    between = (grid[:-1] + grid[1:]) / 2
    assert training_proximity(between, X, X_holdout).share == 0.5
    steps = np.arange(21.0)
    X = np.c_[steps, steps]
    # The values are wrong by 5 % of the range of 20.
    assert attribute_inference(X + np.array([0, 1]), X, X + 0.5).share == 1


@pytest.mark.parametrize("confidence_level", [0, 1, 95, "0.95", np.nan])
def test_a_bad_confidence_level_is_refused(confidence_level):
    with pytest.raises(ValueError, match="`confidence_level` is .*; give a number between 0 and 1"):
        training_proximity(np.eye(2), np.eye(2), np.eye(2), confidence_level=confidence_level)


@pytest.mark.parametrize("measure", [nearest_neighbor_distance_ratio, authenticity])
def test_bad_sets_are_refused(measure):
    with pytest.raises(ValueError, match="`X_real` has 1 row; give at least 2"):
        measure(np.eye(3), np.eye(3)[:1])
    with pytest.raises(ValueError, match="`scale` is 'robust'"):
        measure(np.eye(3), np.eye(3), scale="robust")


def test_proximity_refuses_bad_sets():
    with pytest.raises(ValueError, match="`X_holdout` has 2 columns and `X_training` has 3"):
        training_proximity(np.eye(3), np.eye(3), np.eye(2))
    with pytest.raises(ValueError, match="Input X_holdout contains NaN"):
        training_proximity(np.eye(3), np.eye(3), np.full((1, 3), np.nan))
