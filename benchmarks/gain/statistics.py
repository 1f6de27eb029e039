"""Paired differences, their intervals and ranks: pure functions on arrays of scores.

Scores are arrays (n_sets, n_seeds), or (n_sets, n_seeds, n_methods); NaN stands for a pair of
set and seed that was not run or where a method failed.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

__all__ = [
    "Counts",
    "average_ranks",
    "bootstrap_interval",
    "mean_over_sets",
    "set_means",
    "wins_and_losses",
]

# Scores closer than this, in percent, are equal: sums in another order.
TIE = 1e-6


class Counts(NamedTuple):
    """On how many sets a method is above, below and equal to another."""

    wins: int
    losses: int
    ties: int


def set_means(scores):
    """Return the mean over the seeds that exist, (n_sets, ...); NaN where none does."""
    there = np.isfinite(scores)
    n = there.sum(axis=1)
    total = np.where(there, scores, 0.0).sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def mean_over_sets(scores):
    """Return the mean over sets of the mean over seeds, of the sets that have any score."""
    return set_means(set_means(scores)[None])[0]


def bootstrap_interval(differences, n_draws=10_000, level=0.95, rng=None):
    """Return the bootstrap interval of the mean over sets of paired differences.

    Stratified: the seeds of each set are drawn with replacement, apart from those of other
    sets. Deviations from a set's mean are stretched by √(m / (m − 1)) for its m seeds, which
    makes the variance of the draws unbiased: two folds would else give intervals that are too
    short by 0.71 (T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American
    Statistician 69(4), 2015, section 3.2). The interval is that of the percentiles. It speaks
    of other splits of the same sets, not of other sets.

    Parameters
    ----------
    differences : ndarray of shape (n_sets, n_seeds)
        NaN is left out.
    n_draws : int, default=10_000
    level : float, default=0.95
    rng : numpy.random.Generator or None, default=None
        None is ``default_rng(0)``: a report made again has the same figures.

    Returns
    -------
    low, high : float
        NaN where a set has a single difference, which does not tell how far it strays, or no
        set has any.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    rows = [row[np.isfinite(row)] for row in differences]
    rows = [row for row in rows if len(row)]
    if not rows or min(map(len, rows)) < 2:
        return np.nan, np.nan
    total = np.zeros(n_draws)
    for row in rows:
        m = len(row)
        drawn = row[rng.integers(m, size=(n_draws, m))].mean(axis=1)
        total += row.mean() + np.sqrt(m / (m - 1)) * (drawn - row.mean())
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(total / len(rows), [tail, 1.0 - tail])
    return float(low), float(high)


def average_ranks(means, larger_is_better=True):
    """Return each method's rank, 1 for the best, averaged over sets.

    Parameters
    ----------
    means : ndarray of shape (n_sets, n_methods)
        Equal scores share the mean of their ranks. NaN (a method that failed) comes last.
    larger_is_better : bool, default=True

    Returns
    -------
    ranks : ndarray of shape (n_methods,)
    """
    cost = -means if larger_is_better else means
    cost = np.where(np.isfinite(cost), np.round(cost / TIE), np.inf)
    return rankdata(cost, axis=1).mean(axis=0)


def wins_and_losses(differences):
    """Count sets by the sign of a difference.

    Parameters
    ----------
    differences : ndarray of shape (n_sets,)
        NaN is left out.

    Returns
    -------
    counts : Counts
    """
    d = differences[np.isfinite(differences)]
    wins, losses = int((d > TIE).sum()), int((d < -TIE).sum())
    return Counts(wins, losses, len(d) - wins - losses)
