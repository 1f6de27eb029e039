"""Pairs (x, r) of rows of one class, from which a generator with reference rows learns."""

from typing import NamedTuple

import torch

__all__ = [
    "Partners",
    "draw_partners",
    "find_partners",
    "n_partners",
    "partner_weight",
    "scaled_for_pairs",
]

_CHUNK_VALUES = 2**24


class Partners(NamedTuple):
    """Who may be whose reference.

    Attributes
    ----------
    order : Tensor of int64, shape (n_entries,)
        Row indices, run after run.
    start, count : Tensor of int64, shape (n,)
        Row i's partners are ``order[start[i] : start[i] + count[i]]`` without i itself.
    """

    order: torch.Tensor
    start: torch.Tensor
    count: torch.Tensor


def find_partners(rows, labels, n_neighbors=None, of=None):
    """Find for every row the rows of its class that may be its reference.

    Parameters
    ----------
    rows : Tensor of shape (n, n_features)
    labels : Tensor of int64, shape (n,)
    n_neighbors : int or None, default=None
        Only this many nearest rows of the class; None for all.
    of : Tensor of int64, shape (n_asking,), or None, default=None
        The rows whose partners are needed; None for all. With `n_neighbors`, each of them is
        compared with its whole class.

    Returns
    -------
    partners : Partners
        A row that is alone in its class has none: its run holds itself only (count 1). What is
        said of rows that are not in `of` has no meaning.
    """
    n = len(rows)
    start, count = torch.zeros(2, n, dtype=torch.int64)
    asked = torch.full((n,), of is None)
    if of is not None:
        asked[of] = True
    parts, size = [], 0
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        m = len(members)
        if n_neighbors is None or m <= n_neighbors + 1:
            # The members of the class, once: all rows share this run, and each skips itself.
            parts.append(members)
            start[members], count[members] = size, m
            size += m
        else:
            asking = asked[members].nonzero().flatten()
            nearest = _nearest(rows[members], n_neighbors, asking)
            parts.append(members[torch.cat([asking.unsqueeze(1), nearest], 1)].flatten())
            start[members[asking]] = size + torch.arange(len(asking)) * (n_neighbors + 1)
            count[members[asking]] = n_neighbors + 1
            size += len(asking) * (n_neighbors + 1)
    return Partners(torch.cat(parts), start, count)


def n_partners(labels, n_neighbors):
    """Return how many rows may be each row's reference, shape (n,); see :func:`find_partners`.

    Parameters
    ----------
    labels : Tensor of int64, shape (n,)
    n_neighbors : int or None
    """
    _, group, sizes = labels.unique(return_inverse=True, return_counts=True)
    others = sizes - 1
    return (others if n_neighbors is None else others.clamp(max=n_neighbors))[group]


def _nearest(rows, k, asking):
    """Return the indices of the `k` nearest other rows of some rows, shape (len(asking), k)."""
    step = max(1, _CHUNK_VALUES // len(rows))
    found = [asking.new_empty(0, k)]
    for own in asking.split(step):
        distance = torch.cdist(rows[own], rows)
        distance[torch.arange(len(own)), own] = torch.inf
        found.append(distance.topk(k, largest=False).indices)
    return torch.cat(found)


def partner_weight(partners, weight):
    """Return the sum of the weights of every row's partners, shape (n,).

    Parameters
    ----------
    partners : Partners
    weight : Tensor of float64, shape (n,)
    """
    ends = torch.cat([weight.new_zeros(1), weight[partners.order].cumsum(0)])
    runs = ends[partners.start + partners.count] - ends[partners.start]
    # Rounding may make this difference of sums negative if all of the weight is the row's own.
    return (runs - weight).clamp_min(0.0)


def scaled_for_pairs(partners, labels, weight):
    """Scale weights so that the products w_a w_b have a mean of 1 over the pairs of each class.

    Parameters
    ----------
    partners : Partners
        Every row has one.
    labels : Tensor of int64, shape (n,)
    weight : Tensor of float64, shape (n,)

    Returns
    -------
    weight : Tensor of float64, shape (n,)
    """
    mean_product = weight * partner_weight(partners, weight) / (partners.count - 1)
    scaled = torch.empty_like(weight)
    for label in labels.unique():
        own = labels == label
        m = mean_product[own].mean().clamp_min(torch.finfo(weight.dtype).tiny)
        scaled[own] = weight[own] / m.sqrt()
    return scaled


def draw_partners(partners, rows, generator):
    """Draw one reference for each of some rows.

    Parameters
    ----------
    partners : Partners
    rows : Tensor of int64, shape (n_rows,)
        Indices of rows that have a partner.
    generator : torch.Generator

    Returns
    -------
    references : Tensor of int64, shape (n_rows,)
    """
    start, others = partners.start[rows], partners.count[rows] - 1
    u = torch.rand(len(rows), generator=generator, dtype=torch.float64)
    pick = torch.minimum((u * others).long(), others - 1)
    chosen = partners.order[start + pick]
    # The run includes the row itself, which is replaced by the last entry of the run.
    return torch.where(chosen == rows, partners.order[start + others], chosen)
