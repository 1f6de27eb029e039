"""From rows to trained generators, and from generators to new rows.

This is the whole of the RHVAE for a torch user: :func:`train_generator` and
:meth:`Generator.draw` know nothing of scikit-learn.
"""

from typing import NamedTuple

import torch

from .coding import member_of, stack_of
from .latent import Latent, make_latent, sample_latent
from .log_likelihood import score_rows
from .model import RHVAEStack, build_stack
from .networks.mlp import Posterior
from .requests import Drawn, Training, split_info
from .training.data import split_rows, weights_of
from .training.phases import train_in_phases
from .weighting import in_rounds

# Most rows or chains per class in a chunk: bounds the memory.
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
        """The rows from which new ones start: None, because decoders start from z only."""
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
        return self.latents([0], [label])

    def member(self, position, dtype):
        """Return the generator of one member alone, see :func:`.coding.member_of`."""
        return member_of(self, position, dtype)

    def latents(self, members, labels):
        """Return the codes of some members, with their metrics.

        Parameters
        ----------
        members, labels : list of int
            Positions in the stack; a member knows one class.

        Returns
        -------
        latent : Latent
            With a member for each.
        """
        return self.latent.at(members, [self.shares(m) for m in members])

    def shares(self, position):
        """Return how much of a class's variety each centroid accounts for, of sum 1."""
        n = len(self.origins[position])
        w = torch.ones(n, dtype=torch.float64) if self.weights is None else self.weights[position]
        return w / w.sum()

    @torch.no_grad()
    def draw(self, requests, settings, output, *, device="cpu"):
        """Draw new rows.

        Parameters
        ----------
        requests : list of DrawRequest
        settings : SamplerSettings
        output : Output
        device : str, default="cpu"

        Returns
        -------
        drawn : list of Drawn
            The origin of a row is that from whose code its chain started.
        """
        members = [q.member for q in requests]
        latent = self.latents(members, members).map(lambda t: t.to(device))
        start = [
            in_rounds(q.n_rows, len(shares), q.mcmc, shares)
            for q in requests
            for shares in [self.shares(q.member)]
        ]
        z, start, info = sample_latent(latent, start, [q.mcmc for q in requests], settings)
        return [
            Drawn(
                _decode(stack_of(self.stack, q.member).to(device), z[j], q, output.noisy),
                self.origins[q.member][start[j].cpu()],
                split_info(info, j),
            )
            for j, q in enumerate(requests)
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
        # Codes may coincide (duplicated rows): then any other code is chosen.
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
    return make_latent(posterior, L, mask, stack), origins


def train_generator(data, settings, streams, *, device="cpu", description="RHVAE", store=None):
    """Train one RHVAE per class, side by side.

    Parameters
    ----------
    data : list of TrainingData
        One per class.
    settings : FitSettings
    streams : dict of str to list of torch.Generator
        CPU streams ``"weights"``, ``"shuffle"``, ``"noise"``, ``"split"`` and
        ``"fine_tuning"``, one per class.
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
        # This saves the epochs in which the network would only learn the mean row.
        stack.decoder.start_at(theta)
    history, interrupted = train_in_phases(
        stack, split, settings, streams, device=device, description=description, store=store
    )
    rows = [own.rows for own in data]
    weights = weights_of([own.weights for own in data], rows)
    latent, origins = exact_latent(stack, rows, settings.max_centroids, streams["split"], weights)
    if weights is not None:
        weights = [w[o] for w, o in zip(weights, origins, strict=True)]
    return Training(Generator(stack, latent, origins, weights), history, interrupted)


def _decode(stack, z, request, noisy):
    """Decode points (n, d) with a stack of one member, in chunks; rows on the CPU."""
    rows = []
    for part in z.split(_CHUNK):
        theta = stack.decode(part.unsqueeze(0))
        if noisy:
            noise = torch.rand(theta.shape[1:], generator=request.decode)
            x = stack.likelihood.sample(theta, noise.to(theta).unsqueeze(0))
        else:
            x = stack.likelihood.mean(theta)
        rows.append(x[0].cpu())
    return torch.cat(rows)
