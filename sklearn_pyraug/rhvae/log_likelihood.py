"""How likely given rows are under the generators of several classes.

Estimated is log p(x | class), in nats per row and in the units of coded rows, under the model
that was trained: z ~ N(0, I), x from p(x | z), or from p(x | z, r) where there is a reference row.
A class's share of the data is no part of it, and neither is what a sampler does with z, nor what
:class:`~sklearn_pyraug.rhvae.Transfer` adds to a row.

Without reference rows p(x | class) = ∫ p(x | z) p(z) dz. A generator with reference rows draws r
among the n rows of the class, each as often as any other:

p(x | class) = (1/n) Σ_r p(x | r),  p(x | r) = ∫ p(x | z, r) p(z) dz,

or, where rows have weights, in proportion to these.

Of this sum the m rows nearest to x are taken; the others add little, as far as p(x | r) falls off
with the distance, and leaving them out can only lower the estimate. All integrals are estimated
by importance sampling, see :func:`.elbo.importance_log_likelihood`: with S draws the
logarithm is too low by half the relative variance of the mean of S weights, in every class alike
as far as the encoders are equally good.

Shapes: K members of a stack, D columns.
"""

import math

import torch

from .elbo import importance_log_likelihood

__all__ = ["score_from_references", "score_rows"]

# References per row.
_N_NEAREST = 5
# Rows per member, and values per tensor of a stack's rows, that are worked on at once: bounds
# the memory.
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
    n_nearest : int, default=5
        References m per row and class, or all of a smaller class. A reference from which a row
        was made is one like any other.
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
    m = min(n_nearest, max(len(r) for r in own))
    log_n = torch.tensor([len(r) for r in own], device=device).log().unsqueeze(1)
    log_w = None
    if generator.weights is not None:
        log_w, log_n = _log_weights(generator, labels, device)
    x, parts, start = generator.seen(x), [], stream.get_state()
    for part in x.split(max(1, _chunk(stack, x) // m)):
        stream.set_state(start)
        part = part.to(device)
        found = [_nearest(part, r, m) for r in own]
        nearest, absent = (torch.stack(values) for values in zip(*found, strict=True))
        r = torch.stack([rows[i] for rows, i in zip(own, nearest, strict=True)])
        pairs = part.repeat_interleave(m, 0)
        log_p = _log_likelihood(stack, metric, pairs, r.flatten(1, 2), stream, n_importance)
        log_p = log_p.view(*r.shape[:3]).masked_fill(absent.unsqueeze(1), -math.inf)
        if log_w is not None:
            log_p += torch.stack([w[i] for w, i in zip(log_w, nearest, strict=True)])
        parts.append((log_p.logsumexp(-1) - log_n).cpu())
    generator.stack.cpu()
    return torch.cat(parts, 1)


def _chunk(stack, x):
    return max(1, min(_CHUNK, _CHUNK_VALUES // (stack.n_classes * x.shape[1])))


def _log_weights(generator, labels, device):
    """Return the logarithms of the references' weights, and of their sums, (K, 1)."""
    own = [w[y == k] for w, y, k in zip(generator.weights, generator.labels, labels, strict=True)]
    sums = torch.stack([w.sum() for w in own]).log().float().unsqueeze(1)
    return [w.log().float().to(device) for w in own], sums.to(device)


def _nearest(x, own, m):
    """Return the indices of the m rows of `own` nearest to each of x, and which there are not.

    Shapes (n, m) and (m,): where `own` has fewer, a row stands in for those that lack.
    """
    found = torch.cdist(x, own).topk(min(m, len(own)), largest=False).indices
    lacking = m - found.shape[1]
    found = torch.cat([found, found[:, :1].expand(-1, lacking)], 1)
    return found, torch.arange(m, device=x.device) >= m - lacking


def _log_likelihood(stack, metric, x, r, stream, n_importance):
    """Return log p(x), or log p(x | r), of the same rows x (n, D) under every member, (K, n)."""
    x = x.expand(stack.n_classes, -1, -1)
    mask = torch.ones_like(x[..., 0])
    return importance_log_likelihood(stack, x, mask, metric, stream, n_importance, r, common=True)
