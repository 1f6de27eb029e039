"""Generator of last resort for classes that are too small to train a network on."""

import numpy as np

from ..rhvae.weighting import systematic

# Least number of rows of a class to train a generator on.
MIN_ROWS = 4
# Width of the noise, in pooled within-class standard deviations.
_BANDWIDTH = 0.2


def pooled_scale(T, y_index, n_classes):
    """Return the within-class standard deviation of every column, pooled over all classes.

    Parameters
    ----------
    T : ndarray of shape (n_samples, n_features)
        Coded rows.
    y_index : ndarray of int of shape (n_samples,)
        Index of each row's class.
    n_classes : int

    Returns
    -------
    scale : ndarray of shape (n_features,)
        0 where no class has two rows.
    """
    squares = np.zeros(T.shape[1])
    n_free = 0
    for k in range(n_classes):
        rows = T[y_index == k].astype(np.float64)
        if not len(rows):
            continue
        squares += ((rows - rows.mean(axis=0)) ** 2).sum(axis=0)
        n_free += len(rows) - 1
    return np.sqrt(squares / max(n_free, 1))


def smoothed_bootstrap(T, scale, n_new, seed, weights=None):
    """Draw rows between pairs of rows, with noise of the other classes' width.

    x = (1 − u) xᵢ + u xⱼ + 0.2 s γ,  u ~ U(0, ½), γ ~ N(0, I), i cycling over the rows in
    random order and j uniform: a single row is repeated with noise.

    Parameters
    ----------
    T : ndarray of shape (n, n_features)
        Coded rows of the class.
    scale : ndarray of shape (n_features,)
        s, from :func:`pooled_scale`.
    n_new : int
    seed : int
    weights : ndarray of float64 of shape (n,), or None
        i is then chosen in proportion to them, within one of each row's share, and so is j, at
        random.

    Returns
    -------
    rows : ndarray of float32, shape (n_new, n_features)
    origins : ndarray of int64, shape (n_new,)
        The index i of each new row.
    """
    rng = np.random.default_rng(seed)
    n = len(T)
    if weights is None:
        rounds = -(-n_new // n)
        origins = np.concatenate([np.empty(0, int), *(rng.permutation(n) for _ in range(rounds))])
        origins = origins[:n_new]
        partners = rng.integers(n, size=n_new)
    else:
        order = rng.permutation(n)
        origins = rng.permutation(order[systematic(weights[order], n_new, rng.random())])
        partners = rng.choice(n, size=n_new, p=weights / weights.sum())
    u = rng.uniform(0.0, 0.5, size=(n_new, 1))
    noise = _BANDWIDTH * scale * rng.standard_normal((n_new, T.shape[1]))
    return ((1 - u) * T[origins] + u * T[partners] + noise).astype(np.float32), origins
