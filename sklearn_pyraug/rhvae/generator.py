"""From rows to trained generators, and from generators to new rows.

This is the whole of the RHVAE for a torch user: :func:`train_generator` and
:func:`draw_rows` know nothing of scikit-learn.
"""

from typing import NamedTuple

import torch

from .data import split_rows
from .geometry import Metric, make_metric
from .model import RHVAEStack, build_stack
from .samplers import sample_hmc
from .training import train_stack

__all__ = ["Generator", "SamplerSettings", "draw_rows", "exact_metric", "train_generator"]

# Rows or chains per class that are worked on at once: bounds the memory.
_CHUNK = 2048


class Generator(NamedTuple):
    """A trained stack, ready to be sampled. All tensors are on the CPU.

    Attributes
    ----------
    stack : RHVAEStack
        With the best weights of every class.
    metric : Metric
        Exact centroids of the final weights.
    origins : list of Tensor of int64, each of shape (n_centroids_k,)
        For every centroid the index, among the rows of its class, of the row it codes.
    """

    stack: RHVAEStack
    metric: Metric
    origins: list


class SamplerSettings(NamedTuple):
    """Settings of the chains in latent space.

    Attributes
    ----------
    sampler : {"hmc"}
    n_steps : int
        Steps of each chain, adaptation included.
    n_leapfrog : int
        Leapfrog steps per trajectory.
    step_size : float or None
        A fixed step size; None adapts it.
    """

    sampler: str = "hmc"
    n_steps: int = 30
    n_leapfrog: int = 10
    step_size: float | None = None


def _furthest_first(c, n_kept, generator):
    """Choose `n_kept` of the codes c (n, d) by k-means++ seeding; returns sorted indices."""
    first = int(torch.randint(len(c), (), generator=generator))
    chosen = [first]
    closest = (c - c[first]).square().sum(-1)
    for _ in range(n_kept - 1):
        # Codes may coincide (duplicated rows); then any of the others will do.
        weight = closest.clone()
        if not torch.isfinite(weight.sum()) or weight.sum() <= 0.0:
            weight = torch.ones_like(weight)
        weight[chosen] = 0.0
        chosen.append(int(torch.multinomial(weight, 1, generator=generator)))
        closest = torch.minimum(closest, (c - c[chosen[-1]]).square().sum(-1))
    return torch.tensor(chosen).sort().values


@torch.no_grad()
def exact_metric(stack, rows, max_centroids, generators):
    """Compute the centroids of all rows in one pass with the final weights.

    Parameters
    ----------
    stack : RHVAEStack
    rows : list of Tensor, each of shape (n_k, n_features)
    max_centroids : int or None
        Largest number of centroids per class; more are thinned by k-means++ seeding in
        latent space, so that the cost of sampling stays linear in n.
    generators : sequence of torch.Generator
        CPU streams for the thinning.

    Returns
    -------
    metric : Metric
    origins : list of Tensor of int64
    """
    n_max = max(len(r) for r in rows)
    codes, factors = [], []
    for start in range(0, n_max, _CHUNK):
        x = torch.nn.utils.rnn.pad_sequence(
            [r[start : start + _CHUNK] for r in rows], batch_first=True
        )
        codes.append(stack.encode(x).mu)
        factors.append(stack.metric_network(x))
    c, L = torch.cat(codes, 1), torch.cat(factors, 1)
    origins = [torch.arange(len(r)) for r in rows]
    if max_centroids is not None:
        origins = [
            o if len(o) <= max_centroids else _furthest_first(c[k, : len(o)], max_centroids, g)
            for k, (o, g) in enumerate(zip(origins, generators, strict=True))
        ]
    pad = torch.nn.utils.rnn.pad_sequence
    c = pad([c[k, o] for k, o in enumerate(origins)], batch_first=True)
    L = pad([L[k, o] for k, o in enumerate(origins)], batch_first=True)
    mask = pad([torch.ones(len(o), dtype=c.dtype) for o in origins], batch_first=True)
    return make_metric(c, L, mask, stack.T, stack.settings.regularization), origins


def train_generator(
    rows,
    architecture,
    flow,
    training,
    streams,
    *,
    validation_fraction=0.0,
    max_centroids=None,
    device="cpu",
    description="RHVAE",
):
    """Train one RHVAE per class, side by side.

    Parameters
    ----------
    rows : list of Tensor of float32, each of shape (n_k, n_features)
        Coded rows of each class, on the CPU.
    architecture : Architecture
    flow : FlowSettings
    training : TrainingSettings
    streams : dict of str to list of torch.Generator
        CPU streams ``"weights"``, ``"shuffle"``, ``"noise"`` and ``"split"``, one per class.
    validation_fraction : float in [0, 1), default=0.0
        Share of each class's rows that is held out to choose the best weights.
    max_centroids : int or None, default=None
        See :func:`exact_metric`.
    device : str, default="cpu"
    description : str
        Text of the progress bar.

    Returns
    -------
    generator : Generator
    history : list of ClassHistory
    interrupted : KeyboardInterrupt or None
        Set where the user interrupted the training; the generator has the best weights
        so far.
    """
    stack = build_stack(architecture, flow, streams["weights"])
    split = [
        split_rows(r, validation_fraction, g) for r, g in zip(rows, streams["split"], strict=True)
    ]
    theta = stack.likelihood.start_at([s.train for s in split])
    if hasattr(stack.decoder, "start_at"):
        # Saves the epochs in which the network would only learn the mean row.
        stack.decoder.start_at(theta)
    history, interrupted = train_stack(stack, split, training, streams, device, description)
    metric, origins = exact_metric(stack, rows, max_centroids, streams["split"])
    return Generator(stack, metric, origins), history, interrupted


def _starts(n_chains, n_centroids, generator):
    """Spread the chains evenly over the centroids, in random order."""
    rounds = -(-n_chains // n_centroids)
    order = [torch.randperm(n_centroids, generator=generator) for _ in range(rounds)]
    return torch.cat(order)[:n_chains] if order else torch.empty(0, dtype=torch.int64)


def _to(value, device):
    if torch.is_tensor(value):
        return value.to(device)
    return value


@torch.no_grad()
def draw_rows(generator, counts, settings, streams, *, device="cpu", noisy=False):
    """Draw new rows of every class.

    Parameters
    ----------
    generator : Generator
    counts : sequence of int
        New rows per class; 0 is allowed.
    settings : SamplerSettings
    streams : dict of str to list of torch.Generator
        CPU streams ``"mcmc"`` and ``"decode"``, one per class.
    device : str, default="cpu"
    noisy : bool, default=False
        Draw from p(x | z) instead of taking its mean.

    Returns
    -------
    rows : list of Tensor of float32, each of shape (counts[k], n_features)
        Coded rows, on the CPU.
    origins : list of Tensor of int64, each of shape (counts[k],)
        Index, among the rows of the class, of the row from whose code each chain started.
    info : dict of str to Tensor of shape (n_classes,)
        Diagnostics of the chains, see :func:`~sklearn_pyraug.rhvae.samplers.sample_hmc`.
    """
    stack = generator.stack.to(device)
    metric = Metric(*(_to(v, device) for v in generator.metric))
    starts = [
        _starts(n, len(o), g)
        for n, o, g in zip(counts, generator.origins, streams["mcmc"], strict=True)
    ]
    rows = [[] for _ in counts]
    infos = []
    # A class that has run out of chains draws nothing more: what it draws depends on its own
    # count, not on how many chunks another class needs.
    for first in range(0, max(*counts, 1), _CHUNK):
        chunk = [s[first : first + _CHUNK] for s in starts]
        z, info = sample_hmc(
            metric,
            chunk,
            streams["mcmc"],
            n_steps=settings.n_steps,
            n_leapfrog=settings.n_leapfrog,
            step_size=settings.step_size,
        )
        infos.append(info)
        theta = stack.decode(torch.nn.utils.rnn.pad_sequence(z, batch_first=True))
        if noisy:
            noise = torch.nn.utils.rnn.pad_sequence(
                [
                    torch.rand(len(s), theta.shape[-1], generator=g)
                    for s, g in zip(chunk, streams["decode"], strict=True)
                ],
                batch_first=True,
            )
            x = stack.likelihood.sample(theta, noise.to(theta))
        else:
            x = stack.likelihood.mean(theta)
        for k, s in enumerate(chunk):
            rows[k].append(x[k, : len(s)].cpu())
    generator.stack.cpu()
    # A class's rates are means over its own chains.
    weight = torch.tensor([[x.shape[0] for x in r] for r in rows], dtype=torch.float32)
    weight = weight / weight.sum(1, keepdim=True).clamp_min(1.0)
    info = {
        name: (torch.stack([i[name].cpu() for i in infos], 1) * weight).sum(1) for name in infos[0]
    }
    origins = [o[s] for o, s in zip(generator.origins, starts, strict=True)]
    return [torch.cat(r) for r in rows], origins, info
