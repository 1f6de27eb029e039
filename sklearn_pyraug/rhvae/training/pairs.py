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
    own : Tensor of int64, shape (n,)
        Where i itself stands in its run: ``order[own[i]] == i``.
    """

    order: torch.Tensor
    start: torch.Tensor
    count: torch.Tensor
    own: torch.Tensor


def find_partners(rows, labels, n_neighbors=None, of=None):
    """Find for every row the rows of its class that may be its reference.

    Parameters
    ----------
    rows : Tensor of shape (n, n_features)
    labels : Tensor of int64, shape (n,)
    n_neighbors : int or None, default=None
        Only so many nearest rows of the class; None for all.
    of : Tensor of int64, shape (n_asking,), or None, default=None
        The rows whose partners are asked for; None for all. With `n_neighbors`, each of them is
        held against its whole class.

    Returns
    -------
    partners : Partners
        A row that is alone in its class has none: its run holds itself only (count 1). What is
        said of rows that are not in `of` has no meaning.
    """
    n = len(rows)
    start, count, own = torch.zeros(3, n, dtype=torch.int64)
    asked = torch.full((n,), of is None)
    if of is not None:
        asked[of] = True
    parts, size = [], 0
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        m = len(members)
        if n_neighbors is None or m <= n_neighbors + 1:
            # The class's members, once: every row shares the run and passes over itself.
            parts.append(members)
            start[members], count[members] = size, m
            own[members] = size + torch.arange(m)
            size += m
        else:
            asking = asked[members].nonzero().flatten()
            nearest = _nearest(rows[members], n_neighbors, asking)
            parts.append(members[torch.cat([asking.unsqueeze(1), nearest], 1)].flatten())
            start[members[asking]] = size + torch.arange(len(asking)) * (n_neighbors + 1)
            own[members[asking]] = start[members[asking]]
            count[members[asking]] = n_neighbors + 1
            size += len(asking) * (n_neighbors + 1)
    return Partners(torch.cat(parts), start, count, own)


def n_partners(labels, n_neighbors=None):
    """Return how many rows may be each row's reference, shape (n,); see :func:`find_partners`.

    Parameters
    ----------
    labels : Tensor of int64, shape (n,)
    n_neighbors : int or None, default=None
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
    ends = _cumulative(partners, weight)
    runs = ends[partners.start + partners.count] - ends[partners.start]
    # A difference of sums: where all of the weight is the row's own, rounding may leave less.
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


def _cumulative(partners, weight):
    """Return the sums of weights up to every entry of the runs, from 0 on."""
    return torch.cat([weight.new_zeros(1), weight[partners.order].cumsum(0)])


def draw_partners(partners, rows, generator, weight=None):
    """Draw one reference for each of some rows.

    Parameters
    ----------
    partners : Partners
    rows : Tensor of int64, shape (n_rows,)
        Indices of rows that have a partner.
    generator : torch.Generator
    weight : Tensor of float64, shape (n,), or None, default=None
        In proportion to which a row is drawn; None for equal weights.

    Returns
    -------
    references : Tensor of int64, shape (n_rows,)
    """
    if weight is not None:
        return _draw_weighted(partners, rows, generator, weight)
    start, others = partners.start[rows], partners.count[rows] - 1
    u = torch.rand(len(rows), generator=generator, dtype=torch.float64)
    pick = torch.minimum((u * others).long(), others - 1)
    chosen = partners.order[start + pick]
    # The run holds the row itself: whoever meets it takes the run's last entry instead.
    return torch.where(chosen == rows, partners.order[start + others], chosen)


def _draw_weighted(partners, rows, generator, weight):
    ends = _cumulative(partners, weight)
    start, count, own = (v[rows] for v in (partners.start, partners.count, partners.own))
    u = torch.rand(len(rows), generator=generator, dtype=torch.float64)
    # A point on the run's length without the row's own part, which is jumped over.
    point = ends[start] + u * partner_weight(partners, weight)[rows]
    point = torch.where(point >= ends[own], point + weight[rows], point)
    pick = torch.searchsorted(ends[1:], point, right=True)
    pick = torch.minimum(torch.maximum(pick, start), start + count - 1)
    # Rounding may end at the row itself: its neighbour in the run is the nearest point.
    pick = torch.where(pick == own, torch.where(own == start, own + 1, own - 1), pick)
    return partners.order[pick]
