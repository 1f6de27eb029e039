"""Points on the geodesics between neighbouring codes.

Chadebec and Allassonnière (arXiv 2103.13751) sample along geodesic paths in the latent space.
Here the paths are those between a row's code and its nearest other
codes: what SMOTE does on straight lines between rows, along the curves that stay where the
metric has seen data.
"""

import torch
from torch.nn.utils.rnn import pad_sequence

from ..metric.geodesics import geodesic, point_at
from ..metric.scales import distinct_distances
from .hmc import centroids_at, chain_weights, draw_per_class


def nearest_neighbors(c, mask, n_neighbors):
    """Return the nearest other centroids of every centroid, by Euclidean distance.

    Parameters
    ----------
    c : Tensor of shape (n_classes, n_centroids, latent_dim)
    mask : Tensor of shape (n_classes, n_centroids)
        1 for a centroid, 0 for the padding of a short class.
    n_neighbors : int

    Returns
    -------
    neighbors : Tensor of int64, shape (n_classes, n_centroids, min(n_neighbors, n_centroids))
        Nearest first. A centroid without any other (of a class with one code) has itself.
    available : Tensor of int64, shape (n_classes, n_centroids)
        How many of them are other centroids; those that coincide do not count.
    """
    distances = distinct_distances(c, mask)
    available = torch.isfinite(distances).sum(-1).clamp_max(n_neighbors)
    # A centroid itself comes after all others, and before padding.
    distances.diagonal(dim1=1, dim2=2).fill_(torch.finfo(c.dtype).max)
    n_kept = min(n_neighbors, c.shape[1])
    return distances.topk(n_kept, largest=False).indices, available


@torch.no_grad()
def sample_geodesic(metric, start, generators, *, n_neighbors=5, n_points=17):
    """Draw points on geodesics from centroids to one of their neighbours each.

    From centroid i a neighbour j is drawn among the `n_neighbors` nearest, and the point at
    the fraction u ~ U(0, 1) of the length of the geodesic from i to j is returned. A class
    with one code returns that code.

    Parameters
    ----------
    metric : Metric or PosteriorMetric
    start : sequence of Tensor of int64, each of shape (n_chains_k,)
        For every class the indices i of the centroids.
    generators : sequence of torch.Generator
        One CPU stream per class; what a class draws depends on nothing but its own.
    n_neighbors : int, default=5
        Neighbours among which j is drawn, all that there are in smaller classes.
    n_points : int, default=17
        Points on a curve.

    Returns
    -------
    z : list of Tensor, each of shape (n_chains_k, latent_dim)
    info : dict of str to Tensor of shape (n_classes,)
        ``divergence_rate`` is the share of draws whose curve could not be measured (the
        straight line took its place). The draws are independent: ``acceptance_rate`` is 1 and
        ``step_size`` 0.
    """
    c = metric.c
    counts = [len(s) for s in start]
    neighbors, available = nearest_neighbors(c, metric.mask, n_neighbors)
    uniform = draw_per_class(torch.rand, counts, generators, 2).to(c)
    pairs, curve_of, fraction = [], [], []
    for k, s in enumerate(start):
        i = s.to(c.device)
        rank, u = uniform[k, : len(i)].unbind(-1)
        # Rounding may lift the product to the number of neighbours.
        rank = torch.minimum((rank * available[k, i]).long(), (available[k, i] - 1).clamp_min(0))
        j = neighbors[k, i, rank]
        # Each curve is computed once, even if it is needed several times or from either end.
        both = torch.stack([torch.minimum(i, j), torch.maximum(i, j)], -1)
        both, inverse = torch.unique(both, dim=0, return_inverse=True)
        pairs.append(both)
        curve_of.append(inverse)
        fraction.append(torch.where(i <= j, u, 1.0 - u))
    first, second = ([p[:, end] for p in pairs] for end in (0, 1))
    curves = geodesic(centroids_at(c, first), centroids_at(c, second), metric, n_points)
    z = [
        point_at(curves.points[k, at], curves.arc[k, at], u.unsqueeze(-1)).squeeze(-2)
        for k, (at, u) in enumerate(zip(curve_of, fraction, strict=True))
    ]
    lost = pad_sequence(
        [(~torch.isfinite(curves.energy[k, at])).to(c) for k, at in enumerate(curve_of)],
        batch_first=True,
    )
    ones = c.new_ones(c.shape[0])
    return z, {
        "acceptance_rate": ones,
        "divergence_rate": (lost * chain_weights(counts).to(c)).sum(1),
        "step_size": 0.0 * ones,
    }
