"""The measures of a report: what each is called, what is good, and how many rows it needs."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.metrics import pairwise_distances

from ..metrics import (
    authenticity,
    classifier_two_sample_test,
    column_differences,
    distance_to_closest_record,
    maximum_mean_discrepancy,
    memorization_share,
    nearest_neighbor_distance_ratio,
    precision_recall_density_coverage,
    sliced_wasserstein_distance,
)

__all__ = ["GROUPS", "MEASURES", "P_VALUES", "Group", "Measure", "Settings", "column_results"]

_HIGHER, _LOWER, _NEAR = "higher is better", "lower is better", "near the yardstick"
_P_VALUE = "small: they differ"
# Rows of which the median distance is taken.
_MAX_MEDIAN_ROWS = 500


class Measure(NamedTuple):
    """What is known of a measure.

    Attributes
    ----------
    kind : {"fidelity", "utility", "privacy"}
    direction : str
        What is good.
    is_poor : callable
        ``is_poor(value, yardstick)`` tells whether a value is marked; where the rule needs a
        yardstick and there is none (NaN), no value is.
    """

    kind: str
    direction: str
    is_poor: Callable = lambda value, yardstick: False


class Settings(NamedTuple):
    """What a measure needs beside two sets of rows.

    Attributes
    ----------
    categorical : ndarray of bool of shape (n_features,)
    seed : int
    n_permutations : int
        For the p-values.
    """

    categorical: np.ndarray
    seed: int
    n_permutations: int


class Group(NamedTuple):
    """Measures that are computed together.

    Attributes
    ----------
    names : tuple of str
    n_least : int
        Fewest rows in either set.
    compute : callable
        ``compute(real, other, settings)`` returns one number a name, of two sets of rows.
    """

    names: tuple
    n_least: int
    compute: Callable


def _below(share):
    return lambda value, yardstick: value < share * yardstick


def _above(multiple):
    return lambda value, yardstick: value > multiple * yardstick


MEASURES = {
    "precision": Measure("fidelity", _HIGHER, _below(0.5)),
    "recall": Measure("fidelity", _HIGHER, _below(0.5)),
    "density": Measure("fidelity", "1 is ideal", _below(0.5)),
    "coverage": Measure("fidelity", _HIGHER, _below(0.5)),
    "two-sample AUC": Measure("fidelity", "0.5 is ideal", lambda v, _: v > 0.8),
    "two-sample p-value": Measure("fidelity", _P_VALUE),
    "mean discrepancy (MMD²)": Measure("fidelity", "0 is ideal"),
    "MMD² p-value": Measure("fidelity", _P_VALUE),
    "sliced Wasserstein": Measure("fidelity", _LOWER, _above(3)),
    # The yardstick of one column may be small by chance. Between few rows it is large, and since
    # no difference is above 1, half of what is left is then much.
    "largest column difference": Measure(
        "fidelity", _LOWER, lambda v, yardstick: v > min(3 * yardstick + 0.1, (1 + yardstick) / 2)
    ),
    "train synthetic, test real": Measure(
        "utility", "yardstick or higher", lambda v, yardstick: v < yardstick - 0.1
    ),
    "train real, test synthetic": Measure("utility", _NEAR),
    "distance to closest record": Measure("privacy", _NEAR, _below(0.5)),
    "distance ratio": Measure("privacy", _NEAR, _below(0.5)),
    "authenticity": Measure("privacy", _NEAR, _below(0.5)),
    "memorization share": Measure("privacy", _LOWER, lambda v, yardstick: v > yardstick + 0.1),
    "training proximity": Measure("privacy", _NEAR, lambda v, yardstick: v > yardstick + 0.1),
    "close rows": Measure("privacy", _LOWER, lambda v, yardstick: v > yardstick + 0.1),
    "near-copies": Measure("privacy", _LOWER, lambda v, yardstick: v > yardstick + 0.1),
    "copies": Measure("privacy", _LOWER, lambda v, yardstick: v > yardstick + 0.1),
}

# They are left out where no permutation is wanted.
P_VALUES = ("two-sample p-value", "MMD² p-value")


def _neighbourhoods(real, other, settings):
    return precision_recall_density_coverage(real.coded, other.coded)


def _two_samples(real, other, settings):
    return classifier_two_sample_test(
        real.coded,
        other.coded,
        n_permutations=settings.n_permutations,
        random_state=settings.seed,
    )


def _distances(real, other, settings):
    seed = settings.seed
    # The bandwidth of the real rows alone, so that value and yardstick have the same.
    rows = np.random.default_rng(seed).permutation(len(real.coded))[:_MAX_MEDIAN_ROWS]
    distances = pairwise_distances(real.coded[rows])
    distances = distances[distances > 0]
    discrepancy = maximum_mean_discrepancy(
        real.coded,
        other.coded,
        bandwidth=float(np.median(distances)) if len(distances) else "median",
        scale=None,
        random_state=seed,
    )
    # That of both sets together, for a p-value that is exact.
    test = maximum_mean_discrepancy(
        real.coded,
        other.coded,
        scale=None,
        n_permutations=settings.n_permutations,
        random_state=seed,
    )
    distance = sliced_wasserstein_distance(real.coded, other.coded, scale=None, random_state=seed)
    return discrepancy.statistic, test.p_value, distance


def _columns(real, other, settings):
    return (column_results(real, other, settings).differences.max(),)


def column_results(real, other, settings):
    """Return the differences of the columns of two sets of rows, uncoded."""
    categorical = settings.categorical if settings.categorical.any() else None
    return column_differences(real.X, other.X, categorical_features=categorical)


def _closeness(training, other, settings):
    to_training = other.coded, training.coded
    return (
        np.median(distance_to_closest_record(*to_training, scale=None)),
        np.median(nearest_neighbor_distance_ratio(*to_training, scale=None)),
        authenticity(*to_training, scale=None),
        memorization_share(*to_training),
    )


# The first set is that of the real rows; for "privacy" those that the generator was trained on.
GROUPS = (
    Group(("precision", "recall", "density", "coverage"), 6, _neighbourhoods),
    Group(("two-sample AUC", "two-sample p-value"), 5, _two_samples),
    Group(("mean discrepancy (MMD²)", "MMD² p-value", "sliced Wasserstein"), 2, _distances),
    Group(("largest column difference",), 2, _columns),
    Group(
        (
            "distance to closest record",
            "distance ratio",
            "authenticity",
            "memorization share",
        ),
        2,
        _closeness,
    ),
)
