"""Rows in proportion to their weights: systematic resampling, and weighted moments of columns.

Only the ratios of weights within a class matter; no weight is negative, and some are positive.
"""

import numpy as np
import torch


def systematic(weights, n_draws, u):
    """Choose items by systematic resampling.

    The points (u + j) / n, j = 0, ..., n − 1, each choose the item in whose part of [0, 1) they
    lie, where the parts are as long as the weights: item i is chosen ⌊n wᵢ / Σw⌋ or ⌈n wᵢ / Σw⌉
    times, and for u ~ U(0, 1) it is n wᵢ / Σw times in expectation.

    Parameters
    ----------
    weights : ndarray of float64 of shape (n_items,)
    n_draws : int
        n.
    u : float in [0, 1)

    Returns
    -------
    indices : ndarray of int64 of shape (n_draws,)
        In ascending order.
    """
    cumulative = np.cumsum(weights)
    points = (u + np.arange(n_draws)) / max(n_draws, 1) * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, points, side="right"), len(weights) - 1)


def in_rounds(n_draws, n_items, generator, weights=None):
    """Spread draws over items, evenly or in proportion to weights, in random order.

    Parameters
    ----------
    n_draws, n_items : int
    generator : torch.Generator
    weights : Tensor of float64 of shape (n_items,), or None
        None for equal weights.

    Returns
    -------
    indices : Tensor of int64 of shape (n_draws,)
        An item's number of draws is within one of its share of them.
    """
    if weights is not None and not bool((weights == weights[0]).all()):
        # In random order, so that it does not matter which rows are neighbours.
        items = torch.randperm(n_items, generator=generator)
        u = float(torch.rand((), dtype=torch.float64, generator=generator))
        chosen = torch.from_numpy(systematic(weights[items].numpy(), n_draws, u))
        return items[chosen[torch.randperm(n_draws, generator=generator)]]
    rounds = -(-n_draws // n_items)
    order = [torch.randperm(n_items, generator=generator) for _ in range(rounds)]
    return torch.cat(order)[:n_draws] if order else torch.empty(0, dtype=torch.int64)


def weighted_moments(x, weight):
    """Return the weighted mean and variance of every column.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
    weight : Tensor of shape (n,), or of the shape of x

    Returns
    -------
    mean, variance : Tensor of shape (n_features,)
        0 where all weights are.
    """
    weight = weight.unsqueeze(1) if weight.dim() == 1 else weight
    share = (weight / weight.sum(0).clamp_min(torch.finfo(weight.dtype).tiny)).to(x)
    mean = (share * x).sum(0)
    return mean, (share * (x - mean).square()).sum(0)
