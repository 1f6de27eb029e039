"""Shortest chains of codes between two points: where the descent to a geodesic may start.

Far from all codes the metric is constant: a straight line that lies there has no gradient to tell
on which side the codes are. A chain of steps from code to neighbouring code does not lie there.

Shapes: P pairs, N centroids, d latent dimensions.
"""

import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from .geodesics import curve_lengths, point_at

__all__ = ["chains"]

# Codes that a chain may go through, and neighbours of each.
_MAX_CODES, _N_NEIGHBORS = 500, 15
# Numbers in the largest tensors: bounds the memory.
_CHUNK = 2**21
# A graph's edge of no length is none.
_SHORTEST = 1e-12


def chains(z0, z1, metric, n_points):
    """Return the shortest chains of codes between pairs of points.

    A step is a straight line between a code, or an end, and one of the nearest codes; its length
    is measured by the metric.

    Parameters
    ----------
    z0, z1 : Tensor of shape (n_pairs, latent_dim)
    metric : Metric
        Of one class.
    n_points : int
        Points of a chain, at equal Euclidean distances.

    Returns
    -------
    curves : Tensor of shape (n_pairs, n_points, latent_dim)
        The straight line where there is no chain.
    """
    codes = metric.c[0, metric.mask[0].bool()]
    codes = codes[:: -(-len(codes) // _MAX_CODES)]
    P, N = len(z0), len(codes)
    nodes = torch.cat([codes, z0, z1])
    near = torch.cdist(nodes, codes).topk(min(_N_NEIGHBORS + 1, N), largest=False).indices
    a, b = torch.arange(len(nodes)).repeat_interleave(near.shape[1]), near.flatten()
    edges = torch.stack([nodes[a], nodes[b]], 1).unsqueeze(0)
    step = max(1, _CHUNK // (4 * max(metric.c.shape[1], codes.shape[1] ** 2)))
    lengths = torch.cat([curve_lengths(e, metric)[0, :, 0] for e in edges.split(step, 1)])
    kept = lengths.isfinite() & (a != b)
    graph = csr_matrix(
        (lengths[kept].clamp_min(_SHORTEST).numpy(), (a[kept].numpy(), b[kept].numpy())),
        shape=(len(nodes), len(nodes)),
    )
    starts = list(range(N, N + P))
    _, previous = dijkstra(graph, directed=False, indices=starts, return_predecessors=True)
    share = torch.linspace(0.0, 1.0, n_points, dtype=z0.dtype)
    curves = []
    for i, start in enumerate(starts):
        chain = [start + P]
        while chain[-1] != start and previous[i, chain[-1]] >= 0:
            chain.append(int(previous[i, chain[-1]]))
        if chain[-1] != start:
            chain = [start + P, start]
        corners = nodes[chain[::-1]]
        arc = (corners[1:] - corners[:-1]).norm(dim=1).cumsum(0)
        curves.append(point_at(corners, torch.cat([arc.new_zeros(1), arc]), share))
    return torch.stack(curves)
