"""Distances of rows to their nearest row, and how far training rows lie apart."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

# The quantile of the training rows' distances to their nearest other one.
QUANTILE = 0.01
# Most rows, real or synthetic, whose distances are measured. With 5,000, a share of 1 % has a
# standard deviation of 0.14 %.
_MAX_MEASURED = 5_000
# Codes are float32: distances that differ by less than this share are equal.
_ROUNDING = 1e-6
# Stands for an infinite code.
_FAR = 1e30
# Number of values in one block of differences.
_BLOCK = 2**22
# Each thread of the search copies 256 rows at a time as float64, which is 2 GB for volumes of a
# million voxels. Rows with more columns than this are compared by blocks of columns.
_MAX_SEARCHED_COLUMNS = 20_000
# A near-copy is at most this far away, in medians of the training rows' distances to their nearest
# other one. With the default settings 0 to 1 % of new rows are near-copies, and 8 % for 30 rows of
# two numbers and three columns of few values; all rows of an augmenter that copies are.
_NEAR = 0.1
# Remedy in warnings about rows that are too close.
STRAY = (
    "new rows stray further, by output=Transfer(scale=...) with a larger scale, or with "
    "decoder='direct' by metric=LearnedMetric(temperature=...) with a larger temperature"
)


class Spacing(NamedTuple):
    """How far training rows lie from their nearest other one, of any class.

    Attributes
    ----------
    threshold : float
        The 1st percentile of these distances.
    median : float
    near_share : float
        The share of distances that are at most a tenth of the median.
    """

    threshold: float
    median: float
    near_share: float


def find_spacing(T):
    """Return how far rows lie from their nearest other one.

    Parameters
    ----------
    T : ndarray of shape (n, n_codes)
        Coded training rows, at least two. If there are more than 5,000, only 5,000 random ones,
        with a fixed seed, are compared with all others.

    Returns
    -------
    spacing : Spacing
        Root mean squares over the columns.
    """
    distances = closest_other(T, chosen_rows(len(T))) / np.sqrt(T.shape[1])
    threshold, median = np.quantile(distances, [QUANTILE, 0.5]).tolist()
    return Spacing(threshold, median, float(is_near(distances, median).mean()))


def nearest(X, X_real, k=1):
    """Find the real rows that are closest to each row.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    X_real : ndarray of shape (n_real, n_features)
    k : int, default=1

    Returns
    -------
    index : ndarray of int of shape (n, k)
        Positions of the k closest real rows, in the order of the search, whose distances are
        rounded.
    distances : ndarray of float64 of shape (n, k)
        Euclidean, of these rows. The search may compute |a|² − 2ab + |b|², whose rounding leaves a
        copy at a distance of 1e-8 instead of 0; the difference itself is exact there.
    """
    X, X_real = _finite(X), _finite(X_real)
    distances = np.empty((len(X), k))
    if not len(X):
        return np.empty((0, k), dtype=np.intp), distances
    index = _search(X, X_real, k)
    n_rows = max(1, _BLOCK // max(k * X.shape[1], 1))
    for rows in gen_batches(len(X), n_rows):
        differences = X[rows, np.newaxis].astype(np.float64) - X_real[index[rows]]
        distances[rows] = np.linalg.norm(differences, axis=2)
    return index, distances


def _search(X, X_real, k):
    """Return the positions of the k closest real rows, of shape (n, k)."""
    n_columns = X.shape[1]
    if n_columns <= _MAX_SEARCHED_COLUMNS:
        search = NearestNeighbors(n_neighbors=k).fit(X_real)
        return search.kneighbors(X, return_distance=False)
    size = max(1, _BLOCK // (len(X) + len(X_real)))
    squares = sum(
        euclidean_distances(
            *(rows[:, columns].astype(np.float64) for rows in (X, X_real)), squared=True
        )
        for columns in gen_batches(n_columns, size)
    )
    return squares.argsort(axis=1, kind="stable")[:, :k]


def closest(X, X_real):
    """Return the distance, shape (n,), from each row to its closest real row."""
    return nearest(X, X_real)[1][:, 0]


def closest_other(X, chosen=None):
    """Return the distance from each row to the closest other row.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    chosen : ndarray of int of shape (n_chosen,), default=None
        The rows whose distances are wanted; None for all.

    Returns
    -------
    distances : ndarray of float64 of shape (n_chosen,)
        Euclidean.
    """
    chosen = np.arange(len(X)) if chosen is None else chosen
    index, distances = nearest(X[chosen], X, 2)
    # A row is nearest to itself, but may come second after an equal row, or after two.
    return np.where(index[:, 0] == chosen, distances[:, 1], distances[:, 0])


def is_below(distances, limit):
    """Return which distances are below a limit by more than rounding, shape (n,)."""
    return distances < limit * (1 - _ROUNDING)


def is_near(distances, median):
    """Return which distances are at most a tenth of the median spacing, shape (n,)."""
    # Not "less": with equal training rows the median may be 0, and copies must still count.
    return distances <= _NEAR * median


def chosen_rows(n):
    """Return the indices of all rows, or of 5,000 of them drawn at random, the same each time."""
    if n <= _MAX_MEASURED:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, _MAX_MEASURED, replace=False))


def _finite(X):
    """Return rows without infinities: a value at the end of its type's range may code to one."""
    return X if np.isfinite(X).all() else np.nan_to_num(X, posinf=_FAR, neginf=-_FAR)
