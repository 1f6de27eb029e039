"""Distances of rows to their nearest row, and how far training rows lie apart."""

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

# The quantile of the training rows' distances to their nearest other one.
QUANTILE = 0.01
# Rows, real and synthetic, of which the distances are measured: a share of 1 % is then known to
# 0.14 % (one standard deviation).
_MAX_MEASURED = 5_000
# Codes are of float32: what differs by less than this share of a distance is no difference.
_ROUNDING = 1e-6
# Stands for a code that is infinite.
_FAR = 1e30
# Values in one block of differences.
_BLOCK = 2**22
# As near as this, in medians of the training rows' distances to their nearest other one, is a
# near-copy. Of the default settings' new rows 0 to 1 % are, and 8 % where 30 rows have two numbers
# and three columns of few values; of those of an augmenter that copies, all.
_NEAR = 0.1
# What helps against rows that are too near, for warnings.
STRAY = (
    "new rows stray further, by output=Transfer(scale=...) with a larger scale, or with "
    "decoder='direct' by metric=LearnedMetric(temperature=...) with a larger temperature"
)


class Spacing(NamedTuple):
    """How far training rows lie from their nearest other one, of whatever class.

    Attributes
    ----------
    threshold : float
        The 1st percentile of these distances.
    median : float
    near_share : float
        The share of distances that are no more than a tenth of the median.
    """

    threshold: float
    median: float
    near_share: float


def find_spacing(T):
    """Return how far rows lie from their nearest other one.

    Parameters
    ----------
    T : ndarray of shape (n, n_codes)
        Coded training rows, at least two. Of more than 5,000 rows so many, drawn at random with
        a fixed seed, stand for all; each is compared with all others.

    Returns
    -------
    spacing : Spacing
        Root mean squares over the columns.
    """
    distances = closest_other(T, chosen_rows(len(T))) / np.sqrt(T.shape[1])
    threshold, median = np.quantile(distances, [QUANTILE, 0.5]).tolist()
    return Spacing(threshold, median, float(is_near(distances, median).mean()))


def closest(X, X_real):
    """Return the distance from each row to its closest real row.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    X_real : ndarray of shape (n_real, n_features)

    Returns
    -------
    distances : ndarray of float64 of shape (n,)
        Euclidean.
    """
    X, X_real = _finite(X), _finite(X_real)
    search = NearestNeighbors(n_neighbors=1).fit(X_real)
    distances = np.empty(len(X))
    for rows in _blocks(X):
        index = search.kneighbors(X[rows], return_distance=False)[:, 0]
        distances[rows] = _lengths(X[rows], X_real[index])
    return distances


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
    X = _finite(X)
    search = NearestNeighbors(n_neighbors=2).fit(X)
    chosen = np.arange(len(X)) if chosen is None else chosen
    distances = np.empty(len(chosen))
    for part in _blocks(X[:1], len(chosen)):
        rows = chosen[part]
        index = search.kneighbors(X[rows], return_distance=False)
        # A row is the nearest to itself, but may come second to a twin, or behind two.
        other = np.where(index[:, 0] == rows, index[:, 1], index[:, 0])
        distances[part] = _lengths(X[rows], X[other])
    return distances


def is_below(distances, limit):
    """Return which distances are below a limit by more than rounding, shape (n,)."""
    return distances < limit * (1 - _ROUNDING)


def is_near(distances, median):
    """Return which distances are at most a tenth of the median spacing, shape (n,)."""
    # Not "nearer than": with twins the median may be 0, and copies must still count.
    return distances <= _NEAR * median


def chosen_rows(n):
    """Return the indices of all rows, or of 5,000 of them drawn at random, the same each time."""
    if n <= _MAX_MEASURED:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, _MAX_MEASURED, replace=False))


def _finite(X):
    """Return rows without infinities: a value at the end of its type's range may code to one."""
    return X if np.isfinite(X).all() else np.nan_to_num(X, posinf=_FAR, neginf=-_FAR)


def _blocks(X, n=None):
    """Return slices of X's rows, or of n like them, that bound the memory of differences."""
    n, n_rows = len(X) if n is None else n, max(1, _BLOCK // max(X.shape[1], 1))
    return [slice(start, start + n_rows) for start in range(0, n, n_rows)]


def _lengths(A, B):
    """Return the Euclidean distances of rows pair by pair.

    The search for the pairs may compute |a|² − 2ab + |b|², whose rounding leaves a copy at a
    distance of 1e-8 instead of 0; the difference itself is exact there.
    """
    return np.linalg.norm(A.astype(np.float64) - B, axis=1)
