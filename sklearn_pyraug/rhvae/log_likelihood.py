"""How likely given rows are under the generators of several classes.

Estimated is log p(x | class), in nats per row and in the units of coded rows, under the model
that was trained: z ~ N(0, I), x from p(x | z), or from p(x | z, r) where there is a reference row.
A class's share of the data is no part of it, and neither is what a sampler does with z, nor what
:class:`~sklearn_pyraug.rhvae.Transfer` adds to a row.

Without reference rows p(x | class) = ∫ p(x | z) p(z) dz. A generator with reference rows draws r
among the n rows of the class, each as often as any other:

p(x | class) = (1/n) Σ_r p(x | r),  p(x | r) = ∫ p(x | z, r) p(z) dz,

or, where rows have weights, in proportion to these.

This sum takes the m rows nearest to x, and of the ranks (m, 4 m], (4 m, 16 m] and so on one row
each, at random with every draw of z, which represents its whole run. (To leave the others out would
cost a class of hundreds of rows some nats, and more with more rows.) All integrals are estimated by
importance sampling, see :func:`.elbo.importance_log_likelihood`: with S draws the logarithm is too
low by half the relative variance of the mean of S weights, in every class alike as far as the
encoders are equally good.

Shapes: K members of a stack, D columns, R runs of ranks.
"""

import math

import torch

from .elbo import importance_log_likelihood

__all__ = ["score_from_references", "score_rows"]

# Nearest references of a row that are all used, and the factor by which later runs of ranks grow.
_N_NEAREST, _GROWTH = 3, 4
# Most rows per member, and most values in a tensor of all members' rows: bounds the memory.
_CHUNK = 2048
_CHUNK_VALUES = 2**21


@torch.no_grad()
def score_rows(generator, x, stream, *, n_importance, device="cpu"):
    """Estimate log p(x | class) under generators without reference rows.

    Parameters
    ----------
    generator : Generator
        One class per member.
    x : Tensor of shape (n, D)
        Coded rows.
    stream : torch.Generator
        On the CPU. All rows share their draws, so that a row's score does not depend on which
        others are scored with it.
    n_importance : int
        Draws S of z per row and class.
    device : str, default="cpu"

    Returns
    -------
    scores : Tensor of shape (K, n)
        In nats, on the CPU; −∞ where no draw is a number, as for a row so far from a class that
        the posterior's flow diverges.
    """
    stack = generator.stack.to(device)
    members = list(range(stack.n_classes))
    metric = generator.latents(members, members).map(lambda t: t.to(device)).metric
    parts, start = [], stream.get_state()
    for part in x.split(_chunk(stack, x)):
        stream.set_state(start)
        part = part.to(device)
        parts.append(_log_likelihood(stack, metric, part, None, stream, n_importance).cpu())
    generator.stack.cpu()
    return torch.cat(parts, 1)


@torch.no_grad()
def score_from_references(
    generator, labels, x, stream, *, n_importance, n_nearest=_N_NEAREST, device="cpu"
):
    """Estimate log p(x | class) under generators with reference rows.

    Parameters
    ----------
    generator : ReferenceGenerator
    labels : sequence of int, of length K
        For each member the class among whose rows its references are.
    x : Tensor of shape (n, D)
        Coded rows.
    stream : torch.Generator
        On the CPU. All rows share their draws, so that a row's score does not depend on which
        others are scored with it.
    n_importance : int
        Draws S of z per row and reference.
    n_nearest : int, default=3
        References m per row and class that are taken with every draw, or all of a smaller class. A
        reference from which a row was made is one like any other.
    device : str, default="cpu"

    Returns
    -------
    scores : Tensor of shape (K, n)
        In nats, on the CPU; −∞ where no draw is a number.
    """
    stack = generator.stack.to(device)
    members = list(range(stack.n_classes))
    metric = generator.latents(members, labels).map(lambda t: t.to(device)).metric
    own = [
        x[y == k].to(device)
        for x, y, k in zip(generator.rows, generator.labels, labels, strict=True)
    ]
    log_n = torch.tensor([len(r) for r in own], device=device).log().unsqueeze(1)
    log_w = [torch.zeros(len(r), device=device) for r in own]
    if generator.weights is not None:
        log_w, log_n = _log_weights(generator, labels, device)
    runs = [_runs(len(r), n_nearest) for r in own]
    n_runs, n_own = (max(map(len, values)) for values in (runs, own))
    x, parts, start = generator.seen(x), [], stream.get_state()
    for part in x.split(max(1, min(_chunk(stack, x) // n_runs, _CHUNK_VALUES // n_own))):
        stream.set_state(start)
        part = part.to(device)
        ranked = [_ranked(part, r) for r in own]
        pairs, draws = part.repeat_interleave(n_runs, 0), []
        for _ in range(n_importance):
            found = [
                _one_of_each(run, i, n_runs, stream) for run, i in zip(runs, ranked, strict=True)
            ]
            r = torch.stack([rows[i] for rows, (i, _) in zip(own, found, strict=True)])
            weight = [w[i] + log_size for w, (i, log_size) in zip(log_w, found, strict=True)]
            log_p = _log_likelihood(stack, metric, pairs, r.flatten(1, 2), stream, 1)
            draws.append((log_p.view(*r.shape[:3]) + torch.stack(weight)).logsumexp(-1))
        log_p = torch.stack(draws).logsumexp(0) - math.log(n_importance)
        parts.append((log_p - log_n).cpu())
    generator.stack.cpu()
    return torch.cat(parts, 1)


def _chunk(stack, x):
    return max(1, min(_CHUNK, _CHUNK_VALUES // (stack.n_classes * x.shape[1])))


def _log_weights(generator, labels, device):
    """Return the logarithms of the references' weights, and of their sums, (K, 1)."""
    own = [w[y == k] for w, y, k in zip(generator.weights, generator.labels, labels, strict=True)]
    sums = torch.stack([w.sum() for w in own]).log().float().unsqueeze(1)
    return [w.log().float().to(device) for w in own], sums.to(device)


def _runs(n, m):
    """Return the ranks of n references as runs, of shape (R, 2): the first rank and the length.

    The m first are runs by themselves; each later one is three times as long as all before it.
    """
    starts, start = [*range(min(m, n))], m
    while start < n:
        starts.append(start)
        start *= _GROWTH
    first = torch.tensor(starts)
    return torch.stack([first, torch.cat([first[1:], torch.tensor([n])]) - first], 1)


def _ranked(x, own):
    """Return the indices of the rows of `own`, from the nearest to x on, shape (n, n_own)."""
    # By differences, so that a row's ranks do not depend on other rows.
    return torch.cdist(x, own, compute_mode="donot_use_mm_for_euclid_dist").argsort(
        dim=1, stable=True
    )


def _one_of_each(runs, ranked, n_runs, stream):
    """Take a reference of each run, the same rank for all rows.

    Returns
    -------
    index : Tensor of int64, shape (n, n_runs)
        Any row in place of runs that do not exist.
    log_size : Tensor of shape (n_runs,)
        Logarithm of the number of references that each represents; −∞ for none.
    """
    first, size = runs.T
    rank = first + (torch.rand(len(runs), dtype=torch.float64, generator=stream) * size).long()
    lacking = (0, n_runs - len(runs))
    rank = torch.nn.functional.pad(torch.minimum(rank, first + size - 1), lacking)
    log_size = torch.nn.functional.pad(size.double().log(), lacking, value=-math.inf)
    return ranked[:, rank.to(ranked.device)], log_size.to(ranked.device, torch.float32)


def _log_likelihood(stack, metric, x, r, stream, n_importance):
    """Return log p(x), or log p(x | r), of the same rows x (n, D) under every member, (K, n)."""
    x = x.expand(stack.n_classes, -1, -1)
    mask = torch.ones_like(x[..., 0])
    return importance_log_likelihood(stack, x, mask, metric, stream, n_importance, r, common=True)
