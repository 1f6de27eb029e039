"""Rows to codes, codes to rows, and curves between codes, for one member of a trained stack.

A generator with reference rows codes pairs: q(z | x, r), p(x | z, r). Without a given reference, x
has the nearest other training row of its class, and z the second row b of the training pair (a, b)
of the class whose code is nearest to z.

All of this is done in the precision of the member, see :func:`member_of`.

Shapes: n rows, D columns, d latent dimensions.
"""

import copy

import torch

from .metric.geodesics import Geodesic, chains, geodesic, point_at

# Most rows, and most values, per chunk: bounds the memory.
_CHUNK = 2048
_CHUNK_VALUES = 2**21
# Rows whose difference is below this share of their length (at least 1) are equal.
_ROUNDING = 1e-4
# Points of a curve, and steps of its descent: lengths on the hyperbolic half plane are 0.01 % off.
_N_POINTS, _N_ITER = 65, 200
# Points of the chain of codes from which another descent starts.
_N_START = 257


def member_of(generator, position, dtype=torch.float64):
    """Return a generator of one member alone, which shares no memory with the other.

    Parameters
    ----------
    generator : Generator or ReferenceGenerator
    position : int
        Of the member in the stack.
    dtype : torch.dtype, default=torch.float64
        Of its weights and codes, and of the rows that it is to be given. In float64, what comes
        out for a row does not depend on which other rows are worked on with it.

    Returns
    -------
    member : Generator or ReferenceGenerator
    """
    fields = {
        "stack": stack_of(generator.stack, position, dtype),
        "latent": generator.latent.map(_taker(position, dtype)),
    }
    for name, value in zip(generator._fields, generator, strict=True):
        if isinstance(value, list):
            fields[name] = [value[position if len(value) > 1 else 0]]
    return generator._replace(**fields)


def _taker(position, dtype):
    def own(tensor):
        part = tensor.detach()[[position]]
        return part.to(dtype) if part.is_floating_point() else part

    return own


def stack_of(stack, position, dtype=torch.float32):
    """Return a stack of one member alone, which shares no memory with the other.

    Parameters
    ----------
    stack : RHVAEStack
    position : int
        Of the member.
    dtype : torch.dtype, default=torch.float32
        Of its weights.

    Returns
    -------
    stack : RHVAEStack
    """
    own = _taker(position, dtype)
    # deepcopy takes what the memo holds, so that the other members' weights are never copied.
    memo = {id(p): torch.nn.Parameter(own(p), p.requires_grad) for p in stack.parameters()}
    memo |= {id(b): own(b) for b in stack.buffers()}
    return copy.deepcopy(stack, memo)


def _parts(rows):
    return rows.split(max(1, min(_CHUNK, _CHUNK_VALUES // max(1, rows.shape[1]))))


def nearest_references(member, label, x):
    """Find the nearest training row of a class that is another than x.

    A row that differs from x by rounding is x: a training row that went through float32, or through
    a file with six decimals, has the reference that it had before.

    Parameters
    ----------
    member : ReferenceGenerator
        Of one member.
    label : int
    x : Tensor of shape (n, D)
        Coded rows as the networks see them.

    Returns
    -------
    references : Tensor of int64, shape (n,)
        Among the member's rows; a row like x itself where the class has no other.
    """
    own = (member.labels[0] == label).nonzero().flatten()
    rows, found = member.rows[0][own], []
    for part in _parts(x):
        # By differences, which are exact for nearly equal rows.
        distance = torch.cdist(part, rows, compute_mode="donot_use_mm_for_euclid_dist")
        rounding = _ROUNDING * part.norm(dim=-1, keepdim=True).clamp_min(1.0)
        found.append(distance.masked_fill(distance <= rounding, torch.inf).argmin(1))
    return own[torch.cat(found)]


def code_references(member, label, z):
    """Find the reference that belongs to a code, see the module.

    Parameters
    ----------
    member : ReferenceGenerator
        Of one member.
    label : int
    z : Tensor of shape (n, d)

    Returns
    -------
    references : Tensor of int64, shape (n,)
        Among the member's rows; the first row of a class that has no pair.
    """
    labels, pairs = member.labels[0], member.pairs[0]
    own = (labels[pairs[:, 0]] == label).nonzero().flatten()
    if not len(own):
        return (labels == label).nonzero()[:1, 0].expand(len(z))
    return pairs[own[torch.cdist(z, member.latent.c[0, own]).argmin(1)], 1]


@torch.no_grad()
def encode_rows(member, x, r=None, *, device="cpu"):
    """Return the means and log-variances of q(z | x) or q(z | x, r), two Tensors of shape (n, d).

    Parameters
    ----------
    member : Generator or ReferenceGenerator
        Of one member.
    x : Tensor of shape (n, D)
        Coded rows as the networks see them.
    r : Tensor of shape (n, D) or None, default=None
        Reference rows.
    device : str, default="cpu"
    """
    stack, parts = member.stack.to(device), []
    references = [None] * len(_parts(x)) if r is None else _parts(r)
    for part, reference in zip(_parts(x), references, strict=True):
        reference = None if reference is None else reference[None].to(device)
        parts.append(stack.encode(part[None].to(device), reference))
    mu, log_var = (torch.cat([v[0].cpu() for v in values]) for values in zip(*parts, strict=True))
    member.stack.cpu()
    return mu, log_var


@torch.no_grad()
def decode_codes(member, z, r=None, *, device="cpu"):
    """Return the means of p(x | z) or p(x | z, r), a Tensor of shape (n, D).

    Parameters
    ----------
    member : Generator or ReferenceGenerator
        Of one member.
    z : Tensor of shape (n, d)
    r : Tensor of shape (n, D) or None, default=None
        Reference rows, in the resolution in which rows are wanted.
    device : str, default="cpu"
    """
    stack, rows = member.stack.to(device), []
    step = _CHUNK if r is None else max(1, min(_CHUNK, _CHUNK_VALUES // r.shape[1]))
    for first in range(0, len(z), step):
        part = slice(first, first + step)
        reference = None if r is None else r[None, part].to(device)
        theta = stack.decode(z[None, part].to(device), reference)
        rows.append(stack.likelihood.mean(theta)[0].cpu())
    member.stack.cpu()
    return torch.cat(rows)


@torch.no_grad()
def log_volume(member, label, z):
    """Return the logarithm of the density that a label's metric has at z, shape (n,).

    log √det G⁻¹(z) of the learned metric and log √det G(z) of the posteriors'.

    Parameters
    ----------
    member : Generator or ReferenceGenerator
        Of one member.
    label : int
    z : Tensor of shape (n, d)
    """
    metric = member.latent_of(label).metric
    return torch.cat([metric.at(part[None]).log_density()[0] for part in z.split(_CHUNK)])


def _shortest(z0, z1, metric):
    """Return the shorter of two curves: from the straight line on, and from a chain of codes on."""
    curves = geodesic(z0[None], z1[None], metric, _N_POINTS, _N_ITER)
    start = chains(z0, z1, metric, _N_START).unsqueeze(0)
    chained = geodesic(z0[None], z1[None], metric, _N_POINTS, _N_ITER, start)
    shorter = chained.length < curves.length
    return Geodesic(
        *(
            torch.where(shorter.view(*shorter.shape, *[1] * (old.ndim - 2)), new, old)
            for new, old in zip(chained, curves, strict=True)
        )
    )


def connect(member, label, z0, z1, n_points, kind):
    """Connect pairs of codes, by geodesics or by straight lines.

    Parameters
    ----------
    member : Generator or ReferenceGenerator
        Of one member.
    label : int
        Whose metric measures the curves.
    z0, z1 : Tensor of shape (n_pairs, d)
    n_points : int
        Points wanted, both ends included.
    kind : {"geodesic", "linear"}

    Returns
    -------
    points : Tensor of shape (n_pairs, n_points, d)
        At equal distances: as the metric measures them on a geodesic, Euclidean on a line.
    length : Tensor of shape (n_pairs,)
        Of the curves, ∫ (ż(t)ᵀ g(z(t)) ż(t))^½ dt, see :mod:`.geodesics`.
    """
    metric = member.latent_of(label).metric
    share = torch.linspace(0.0, 1.0, n_points, dtype=z0.dtype)
    if kind == "linear":
        # The same line that a geodesic is never longer than.
        length = geodesic(z0[None], z1[None], metric, _N_POINTS, n_iter=0).length[0]
        return torch.lerp(z0[:, None], z1[:, None], share.unsqueeze(1)), length
    curves = _shortest(z0, z1, metric)
    points = point_at(curves.points[0], curves.arc[0], share.expand(len(z0), -1))
    # Set exactly, because the interpolation rounds.
    points[:, 0], points[:, -1] = z0, z1
    return points, curves.length[0]
