"""From rows to trained generators, and from generators to new rows.

This is the whole of the RHVAE for a torch user: :func:`train_generator` and
:func:`draw_rows` know nothing of scikit-learn.
"""

from typing import NamedTuple

import torch

from .coding import member_of
from .latent import Latent, make_latent, sample_latent
from .log_likelihood import score_rows
from .model import RHVAEStack, build_stack
from .networks.mlp import Posterior
from .requests import Drawn, DrawRequest, Training, split_info
from .training.data import split_rows, weights_of
from .training.net import train_stack
from .weighting import in_rounds

__all__ = ["Generator", "draw_rows", "exact_latent", "train_generator"]

# Rows or chains per class that are worked on at once: bounds the memory.
_CHUNK = 2048


class Generator(NamedTuple):
    """A trained stack, ready to be sampled. All tensors are on the CPU.

    Attributes
    ----------
    stack : RHVAEStack
        With the best weights of every class.
    latent : Latent
        Exact centroids of the final weights.
    origins : list of Tensor of int64, each of shape (n_centroids_k,)
        For every centroid the index, among the rows of its class, of the row it codes.
    weights : list of Tensor of float64, each of shape (n_centroids_k,), or None
        In proportion to which chains start at the centroids; None for equal weights.
    """

    stack: RHVAEStack
    latent: Latent
    origins: list[torch.Tensor]
    weights: list[torch.Tensor] | None = None

    @property
    def references(self):
        """The rows from which new ones start: None, since decoders start from z alone."""
        return None

    def seen(self, rows):
        """Return coded rows as the networks see them."""
        return rows

    def row_references(self, label, x):
        """Return the reference rows of given rows: None."""
        return None

    def code_references(self, label, z):
        """Return the reference rows of given codes: None."""
        return None

    def latent_of(self, label):
        """Return the codes and the metric of a class of a single member."""
        return self.latent

    def member(self, position, dtype=torch.float64):
        """Return the generator of one member alone, see :func:`.coding.member_of`."""
        return member_of(self, position, dtype)

    def draw(self, requests, settings, output, *, device="cpu"):
        """Draw new rows, see :func:`draw_rows`.

        Parameters
        ----------
        requests : list of DrawRequest
            At most one for each member.
        settings : SamplerSettings
        output : Output
        device : str, default="cpu"

        Returns
        -------
        drawn : list of Drawn
        """
        # The stack is decoded as a whole, in its own order, with members that draw nothing.
        idle = torch.Generator()
        by_member = {m: DrawRequest(m, m, 0, idle, idle) for m in range(self.stack.n_classes)}
        by_member |= {q.member: q for q in requests}
        streams = {
            "mcmc": [q.mcmc for q in by_member.values()],
            "decode": [q.decode for q in by_member.values()],
        }
        counts = [q.n_rows for q in by_member.values()]
        rows, origins, info = draw_rows(
            self, counts, settings, streams, device=device, noisy=output.noisy
        )
        return [
            Drawn(rows[q.member], origins[q.member], split_info(info, q.member)) for q in requests
        ]

    def score(self, label, x, stream, *, n_importance, device="cpu"):
        """Estimate log p(x | class) under a single member, see :func:`.score_rows`.

        Parameters
        ----------
        label : int
            Not used: a member knows one class.
        x : Tensor of shape (n, n_features)
        stream : torch.Generator
        n_importance : int
        device : str, default="cpu"

        Returns
        -------
        scores : Tensor of shape (n,)
        """
        return score_rows(self, x, stream, n_importance=n_importance, device=device)[0]


def _furthest_first(c, n_kept, generator, row_weight=None):
    """Choose `n_kept` of the codes c (n, d) by k-means++ seeding; returns sorted indices."""
    if row_weight is None:
        first = int(torch.randint(len(c), (), generator=generator))
    else:
        first = int(torch.multinomial(row_weight, 1, generator=generator))
    chosen = [first]
    closest = (c - c[first]).square().sum(-1)
    for _ in range(n_kept - 1):
        # Codes may coincide (duplicated rows); then any of the others will do.
        weight = closest.clone() if row_weight is None else closest * row_weight
        if not torch.isfinite(weight.sum()) or weight.sum() <= 0.0:
            weight = torch.ones_like(weight)
        weight[chosen] = 0.0
        chosen.append(int(torch.multinomial(weight, 1, generator=generator)))
        closest = torch.minimum(closest, (c - c[chosen[-1]]).square().sum(-1))
    return torch.tensor(chosen).sort().values


@torch.no_grad()
def exact_latent(stack, rows, max_centroids, generators, weights=None):
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
    weights : list of Tensor of float64, each of shape (n_k,), or None
        Weights of the rows, for the thinning and for their shares in ``"posterior"``.

    Returns
    -------
    latent : Latent
    origins : list of Tensor of int64
    """
    n_max = max(len(r) for r in rows)
    codes, log_vars, factors = [], [], []
    for start in range(0, n_max, _CHUNK):
        x = torch.nn.utils.rnn.pad_sequence(
            [r[start : start + _CHUNK] for r in rows], batch_first=True
        )
        posterior = stack.encode(x)
        codes.append(posterior.mu)
        log_vars.append(posterior.log_var)
        if stack.metric_network is not None:
            factors.append(stack.metric_network(x))
    c, log_var = torch.cat(codes, 1), torch.cat(log_vars, 1)
    origins = [torch.arange(len(r)) for r in rows]
    if max_centroids is not None:
        origins = [
            o
            if len(o) <= max_centroids
            else _furthest_first(
                c[k, : len(o)], max_centroids, g, None if weights is None else weights[k]
            )
            for k, (o, g) in enumerate(zip(origins, generators, strict=True))
        ]

    def chosen(values):
        kept = [values[k, o] for k, o in enumerate(origins)]
        return torch.nn.utils.rnn.pad_sequence(kept, batch_first=True)

    mask = chosen(torch.ones_like(c[..., 0]))
    posterior = Posterior(chosen(c), chosen(log_var))
    L = chosen(torch.cat(factors, 1)) if factors else None
    share = None
    if weights is not None:
        own = [w[o] for w, o in zip(weights, origins, strict=True)]
        share = torch.nn.utils.rnn.pad_sequence(own, batch_first=True)
    return make_latent(posterior, L, mask, stack, share), origins


def train_generator(data, settings, streams, *, device="cpu", description="RHVAE", store=None):
    """Train one RHVAE per class, side by side.

    Parameters
    ----------
    data : list of TrainingData
        One per class.
    settings : FitSettings
    streams : dict of str to list of torch.Generator
        CPU streams ``"weights"``, ``"shuffle"``, ``"noise"`` and ``"split"``, one per class.
    device : str, default="cpu"
    description : str, default="RHVAE"
        Text of the progress bar.
    store : object or None, default=None
        Keeps the state of the training, see :func:`.training.net.train_stack`.

    Returns
    -------
    training : Training
        With a :class:`Generator`.
    """
    stack = build_stack(settings.architecture, settings.flow, streams["weights"])
    split = [
        split_rows(own.rows, settings.validation_fraction, g, own.weights, own.groups)
        for own, g in zip(data, streams["split"], strict=True)
    ]
    train = [s.train for s in split]
    theta = stack.likelihood.start_at(train, weights_of([s.weight for s in split], train))
    if hasattr(stack.decoder, "start_at"):
        # Saves the epochs in which the network would only learn the mean row.
        stack.decoder.start_at(theta)
    history, interrupted = train_stack(
        stack, split, settings.training, streams, device, description, store
    )
    rows = [own.rows for own in data]
    weights = weights_of([own.weights for own in data], rows)
    latent, origins = exact_latent(stack, rows, settings.max_centroids, streams["split"], weights)
    if weights is not None:
        weights = [w[o] for w, o in zip(weights, origins, strict=True)]
    return Training(Generator(stack, latent, origins, weights), history, interrupted)


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
        Index, among the rows of the class, of the row to whose code each draw belongs.
    info : dict of str to Tensor of shape (n_classes,)
        Diagnostics of the draws, see :func:`.latent.sample_latent`.
    """
    stack = generator.stack.to(device)
    latent = generator.latent.map(lambda t: t.to(device))
    weights = generator.weights or [None] * len(counts)
    starts = [
        in_rounds(n, len(o), g, w)
        for n, o, g, w in zip(counts, generator.origins, streams["mcmc"], weights, strict=True)
    ]
    z, starts, info = sample_latent(latent, starts, streams["mcmc"], settings)
    rows = [[] for _ in counts]
    for first in range(0, max(*counts, 1), _CHUNK):
        chunk = [v[first : first + _CHUNK] for v in z]
        theta = stack.decode(torch.nn.utils.rnn.pad_sequence(chunk, batch_first=True))
        if noisy:
            noise = torch.nn.utils.rnn.pad_sequence(
                [
                    torch.rand(len(v), theta.shape[-1], generator=g)
                    for v, g in zip(chunk, streams["decode"], strict=True)
                ],
                batch_first=True,
            )
            x = stack.likelihood.sample(theta, noise.to(theta))
        else:
            x = stack.likelihood.mean(theta)
        for k, v in enumerate(chunk):
            rows[k].append(x[k, : len(v)].cpu())
    generator.stack.cpu()
    origins = [o[s] for o, s in zip(generator.origins, starts, strict=True)]
    return [torch.cat(r) for r in rows], origins, info
