"""Generators that start from a real row: trained on pairs, sampled by transferring a pair's code.

With the encoder's mean c of a pair (a, b) of one class, and z drawn on the latent manifold from
c on, the row

x = r + s (E[x | z, r] − r + ω (a − E[x | c, b])),  s ~ U(s₀, s₁)

starts from the reference r, changes it in the way in which a differs from b, as far as a code can
say, and carries over what the code could not express, the pair's own residual (ω = 1), or leaves
it out (ω = 0). For a decoder that has learned nothing, E[x | z, r] = r, this is a pair difference
x = r + s (a − b), and with b = r an interpolation between two rows, which is SMOTE's.

Shapes: K members of a stack (one for all classes, or one per class), D columns, d latent
dimensions.
"""

from typing import NamedTuple

import torch

from .coding import code_references, member_of, nearest_references
from .images.resolution import Resolution
from .latent import Latent, make_latent, sample_latent
from .likelihoods.mixed import MixedLikelihood
from .log_likelihood import score_from_references
from .model import RHVAEStack, build_stack
from .networks.mlp import Posterior
from .requests import Drawn, Training, split_info
from .training.data import ClassRows, mean_one, padded, split_rows, weights_of
from .training.net import train_stack
from .training.pairs import (
    draw_partners,
    find_partners,
    n_partners,
    partner_weight,
    scaled_for_pairs,
)
from .weighting import in_rounds

__all__ = ["ReferenceGenerator", "draw_from_references", "train_reference_generator"]

# Rows, and values, that are decoded at once: bounds the memory.
_CHUNK = 2048
_CHUNK_VALUES = 2**23
# Pairs per row whose codes make up the metric, and from which the draws start.
_PAIRS_PER_ROW = 8
# Rows with which a class relies on its own pairs in half of the cases.
_BORROWING = 50


class ReferenceGenerator(NamedTuple):
    """A trained stack with the rows from which it starts. All tensors are on the CPU.

    Attributes
    ----------
    stack : RHVAEStack
        With the best weights.
    latent : Latent
        Its centroids are the codes of pairs.
    rows : list of Tensor, each of shape (n_m, n_seen)
        The rows of every member as the networks were shown them.
    labels : list of Tensor of int64, each of shape (n_m,)
        The class index of each row.
    pairs : list of Tensor of int64, each of shape (n_pairs_m, 2)
        For every centroid the rows a and b.
    resolution : Resolution or None
        What the networks were shown, where that is smaller than the rows themselves.
    fine : list of Tensor, each of shape (n_m, n_features), or None
        The rows themselves, where the networks were shown smaller ones.
    weights : list of Tensor of float64, each of shape (n_m,), or None
        In proportion to which a row is taken for a reference; None for equal weights.
    """

    stack: RHVAEStack
    latent: Latent
    rows: list[torch.Tensor]
    labels: list[torch.Tensor]
    pairs: list[torch.Tensor]
    resolution: Resolution | None = None
    fine: list[torch.Tensor] | None = None
    weights: list[torch.Tensor] | None = None

    @property
    def references(self):
        """The coded rows from which new ones start."""
        return self.rows if self.fine is None else self.fine

    def seen(self, rows):
        """Return coded rows as the networks see them."""
        return rows if self.resolution is None else self.resolution.encode(rows)

    def row_references(self, label, x):
        """Return the nearest training row of a class that is another than each of x.

        Parameters
        ----------
        label : int
        x : Tensor of shape (n, n_seen)
            Rows as the networks see them; of a single member.

        Returns
        -------
        r : Tensor of shape (n, n_seen)
        """
        return self.rows[0][nearest_references(self, label, x)]

    def code_references(self, label, z):
        """Return the reference rows that belong to codes, see :func:`.coding.code_references`.

        Parameters
        ----------
        label : int
        z : Tensor of shape (n, latent_dim)
            Of a single member.

        Returns
        -------
        r : Tensor of shape (n, n_features)
        """
        return self.references[0][code_references(self, label, z)]

    def latent_of(self, label):
        """Return the codes and the metric of a class of a single member."""
        return self.latent

    def member(self, position, dtype=torch.float64):
        """Return the generator of one member alone, see :func:`.coding.member_of`."""
        own = member_of(self, position, dtype)
        fine = None if own.fine is None else [x.to(dtype) for x in own.fine]
        return own._replace(rows=[x.to(dtype) for x in own.rows], fine=fine)

    def draw(self, requests, settings, output, *, device="cpu"):
        """Draw new rows, see :func:`draw_from_references`.

        Parameters
        ----------
        requests : list of DrawRequest
        settings : SamplerSettings
        output : Output
        device : str, default="cpu"

        Returns
        -------
        drawn : list of Drawn
        """
        rows, references, info = draw_from_references(
            self,
            [q.member for q in requests],
            [q.label for q in requests],
            [q.n_rows for q in requests],
            settings,
            {"mcmc": [q.mcmc for q in requests], "decode": [q.decode for q in requests]},
            transfer=output.transfer,
            noisy=output.noisy,
            device=device,
        )
        return [Drawn(rows[j], references[j], split_info(info, j)) for j in range(len(requests))]

    def score(self, label, x, stream, *, n_importance, device="cpu"):
        """Estimate log p(x | class) under a single member, see :func:`.score_from_references`.

        Parameters
        ----------
        label : int
            The class among whose rows the references are.
        x : Tensor of shape (n, n_features)
        stream : torch.Generator
        n_importance : int
        device : str, default="cpu"

        Returns
        -------
        scores : Tensor of shape (n,)
        """
        return score_from_references(
            self, [label], x, stream, n_importance=n_importance, device=device
        )[0]


def _chunk(n_features):
    """Return how many rows are decoded at once."""
    return max(1, min(_CHUNK, _CHUNK_VALUES // n_features))


def _make_pairs(rows, labels, n_neighbors, generator, max_pairs, weight=None):
    """Draw the pairs of one member whose codes become centroids, shape (n_pairs, 2).

    Every class has as many, whatever its size: the differences that a minority is varied by are
    not to be those of the majority alone. With weights, a pair (a, b) of a class is drawn in
    proportion to w_a w_b.
    """
    n_others = n_partners(labels, n_neighbors)
    able = n_others > 0
    n_possible = int(n_others.sum())
    n_pairs = min(n_possible, _PAIRS_PER_ROW * int(able.sum()), max_pairs or n_possible)
    members = [(able & (labels == k)).nonzero().flatten() for k in labels[able].unique()]
    # In the order of the rows, so that it does not matter what the classes are called.
    members.sort(key=lambda own: int(own[0]))
    n_each = -(-n_pairs // len(members))
    # By turns, so that none is left out where there are few pairs.
    partners = chance = None
    if weight is not None:
        # How often a row is the first of a pair depends on all that may be the second.
        partners = find_partners(rows, labels, n_neighbors)
        chance = weight * partner_weight(partners, weight)
    turns = [
        own[in_rounds(n_each, len(own), generator, None if chance is None else chance[own])]
        for own in members
    ]
    a = torch.stack(turns, 1).flatten()[:n_pairs]
    if partners is None:
        partners = find_partners(rows, labels, n_neighbors, of=a)
    return torch.stack([a, draw_partners(partners, a, generator, weight)], 1)


@torch.no_grad()
def _latent_of_pairs(stack, rows, pairs):
    x = [r[p[:, 0]] for r, p in zip(rows, pairs, strict=True)]
    b = [r[p[:, 1]] for r, p in zip(rows, pairs, strict=True)]
    (x, mask), (b, _) = padded(x), padded(b)
    posteriors, factors = [], []
    step = _chunk(x.shape[2])
    for first in range(0, x.shape[1], step):
        part = slice(first, first + step)
        posteriors.append(stack.encode(x[:, part], b[:, part]))
        if stack.metric_network is not None:
            factors.append(stack.metric_network(x[:, part], b[:, part]))
    posterior = Posterior(*(torch.cat(p, 1) for p in zip(*posteriors, strict=True)))
    return make_latent(posterior, torch.cat(factors, 1) if factors else None, mask, stack)


def _split(rows, labels, fraction, generator, n_neighbors, weight=None, groups=None):
    """Hold rows out, and give every row, training or held out, its references."""
    indices = torch.arange(len(rows)).unsqueeze(1)
    split = split_rows(indices, fraction, generator, groups=groups)
    train, valid = split.train.flatten(), split.valid.flatten()
    partners = find_partners(rows[train], labels[train], n_neighbors)
    # A row that is alone in its class has no reference: it is one, and nothing else.
    able = partners.count > 1
    if fraction and not able.any():
        # No two rows of one class were left to learn from.
        return _split(rows, labels, 0.0, generator, n_neighbors, weight)
    if not able.all():
        kept = able.nonzero().flatten()
        train = train[kept]
        partners = find_partners(rows[train], labels[train], n_neighbors)
    references, of_label = [], {int(k): train[labels[train] == k] for k in labels.unique()}
    for i in valid.tolist():
        same = of_label[int(labels[i])]
        if len(same):
            references.append((i, int(same[torch.randint(len(same), (), generator=generator)])))
    if len(references) < 2:
        references = []
    i, r = torch.tensor(references, dtype=torch.int64).view(-1, 2).T
    split = ClassRows(rows[train], rows[i], partners, rows[r])
    if weight is None:
        return split
    return split._replace(
        weight=scaled_for_pairs(partners, labels[train], weight[train]),
        valid_weight=mean_one(weight[i] * weight[r]),
    )


def train_reference_generator(
    data, settings, streams, *, device="cpu", description="RHVAE", store=None
):
    """Train a stack of generators on pairs of rows of one class.

    Parameters
    ----------
    data : list of TrainingData
        One per member, with labels; at least one class of every member has two rows. A pair
        counts by the product of the weights of its rows, and is drawn in proportion to it.
    settings : FitSettings
        With a decoder that starts from a reference row. `max_centroids` is the largest number of
        pairs per member whose codes make up the metric.
    streams : dict of str to list of torch.Generator
        CPU streams ``"weights"``, ``"shuffle"``, ``"noise"`` and ``"split"``, one per member.
    device : str, default="cpu"
    description : str, default="RHVAE"
        Text of the progress bar.
    store : object or None, default=None
        Keeps the state of the training, see :func:`.training.net.train_stack`.

    Returns
    -------
    training : Training
        With a :class:`ReferenceGenerator`.
    """
    stack = build_stack(settings.architecture, settings.flow, streams["weights"])
    rows, labels, fine = [own.rows for own in data], [own.labels for own in data], None
    resolution, n_neighbors = settings.architecture.resolution, settings.n_neighbors
    if resolution is not None:
        fine, rows = rows, [resolution.encode(x) for x in rows]
    weights = weights_of([own.weights for own in data], rows)
    each = weights or [None] * len(data)
    split = [
        _split(x, own.labels, settings.validation_fraction, g, n_neighbors, w, own.groups)
        for x, own, g, w in zip(rows, data, streams["split"], each, strict=True)
    ]
    stack.likelihood.start_at(
        [s.train for s in split], None if weights is None else [s.weight for s in split]
    )
    history, interrupted = train_stack(
        stack, split, settings.training, streams, device, description, store
    )
    pairs = [
        _make_pairs(x, y, n_neighbors, g, settings.max_centroids, w)
        for x, y, g, w in zip(rows, labels, streams["split"], each, strict=True)
    ]
    latent = _latent_of_pairs(stack, rows, pairs)
    generator = ReferenceGenerator(stack, latent, rows, labels, pairs, resolution, fine, weights)
    return Training(generator, history, interrupted)


@torch.no_grad()
def draw_from_references(
    generator,
    members,
    labels,
    counts,
    settings,
    streams,
    *,
    transfer=None,
    noisy=False,
    device="cpu",
):
    """Draw new rows.

    Parameters
    ----------
    generator : ReferenceGenerator
    members, labels : sequence of int
        Which member of the stack draws, and rows of which class.
    counts : sequence of int
        New rows of each.
    settings : SamplerSettings
    streams : dict of str to list of torch.Generator
        CPU streams ``"mcmc"`` and ``"decode"``, one for each.
    transfer : Transfer or None, default=None
        None takes the decoder's mean, or with `noisy` a draw from p(x | z, r).
    noisy : bool, default=False
    device : str, default="cpu"

    Returns
    -------
    rows : list of Tensor of float32, each of shape (counts[k], n_features)
        Coded rows, on the CPU.
    references : list of Tensor of int64, each of shape (counts[k],)
        Index of each row's reference, among the rows of its class.
    info : dict of str to Tensor of shape (n_classes,)
        Diagnostics of the draws, see :func:`.latent.sample_latent`.
    """
    stack = generator.stack.to(device)
    members = list(members)
    latent = generator.latent.map(lambda t: t[members].to(device))
    start = [
        _choose_pairs(generator, m, k, n, g)
        for m, k, n, g in zip(members, labels, counts, streams["mcmc"], strict=True)
    ]
    z, start, info = sample_latent(latent, start, streams["mcmc"], settings)
    rows, references = [], []
    for j, (k, m) in enumerate(zip(labels, members, strict=True)):
        all_rows = generator.references[m]
        is_own = generator.labels[m] == k
        own = all_rows[is_own]
        weight = None if generator.weights is None else generator.weights[m][is_own]
        decode_stream = streams["decode"][j]
        reference = in_rounds(counts[j], len(own), decode_stream, weight)
        pair = generator.pairs[m][start[j]]
        scale = torch.rand(counts[j], 1, generator=decode_stream)
        noise = torch.rand(counts[j], own.shape[1], generator=decode_stream) if noisy else None
        parts = [own[:0]]
        step = _chunk(own.shape[1])
        for first in range(0, counts[j], step):
            part = slice(first, first + step)
            row = _Row(
                z[j][part],
                own[reference[part]].to(device),
                latent.c[j, start[j][part].to(device)],
                *(all_rows[pair[part, i]].to(device) for i in (0, 1)),
            )
            u = None if noise is None else noise[part].to(device)
            parts.append(_decode(stack, m, row, scale[part].to(device), transfer, u).cpu())
        rows.append(torch.cat(parts))
        references.append(reference)
    generator.stack.cpu()
    return rows, references, {name: value.cpu() for name, value in info.items()}


def _choose_pairs(generator, member, label, n_rows, stream):
    """Choose the pair for each new row of a class: one of its own, or one of any class.

    A class of n rows relies on its own pairs in n / (n + 50) of the cases: the fewer rows it has,
    the more it borrows from the ways in which the rows of other classes differ.
    """
    labels = generator.labels[member]
    pairs = generator.pairs[member]
    own = (labels[pairs[:, 0]] == label).nonzero().flatten()
    n_own = int((labels == label).sum())
    any_pair = torch.randint(len(pairs), (n_rows,), generator=stream)
    u = torch.rand(2, n_rows, generator=stream)
    if not len(own):
        return any_pair
    own_pair = own[(u[1] * len(own)).long().clamp(max=len(own) - 1)]
    return torch.where(u[0] < n_own / (n_own + _BORROWING), own_pair, any_pair)


class _Row(NamedTuple):
    """A chunk of new rows in the making, tensors of shape (n, d) or (n, D)."""

    z: torch.Tensor
    r: torch.Tensor
    c: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor


def _decode(stack, member, row, scale, transfer, noise):
    """Apply the module's formula to a chunk of rows of one member."""

    def theta(z, r):
        # Only the member's own slice counts; the others decode the same rows for nothing.
        shape = (stack.n_classes, -1, -1)
        return stack.decode(z.expand(*shape), r.expand(*shape))

    def pick(value):
        return value[member]

    decoded = theta(row.z, row.r)
    if transfer is None:
        if noise is None:
            return pick(stack.likelihood.mean(decoded))
        return pick(stack.likelihood.sample(decoded, noise.expand_as(decoded)))
    change = pick(stack.likelihood.mean(decoded)) - row.r
    if transfer.residual:
        expressed = pick(stack.likelihood.mean(theta(row.c, row.b)))
        change = change + transfer.residual * (row.a - expressed)
    s = transfer.low + (transfer.high - transfer.low) * scale
    base, change = _across_gaps(stack.likelihood, row, change)
    return base + s * change


def _across_gaps(likelihood, row, change):
    """Return what a change is added to, and the change, where rows lack values.

    A column's code where a row has no value is a stand-in. A pair of which one row has a gap
    says nothing of the column's values; a reference with a gap that is to be filled takes
    the value of a.
    """
    if not isinstance(likelihood, MixedLikelihood) or not likelihood.masked.numel():
        return row.r, change
    columns, indicators = likelihood.masked[0], likelihood.indicator[0]
    gap_r, gap_a, gap_b = (v[:, indicators] > 0.5 for v in (row.r, row.a, row.b))
    base, change = row.r.clone(), change.clone()
    base[:, columns] = torch.where(gap_r, row.a[:, columns], row.r[:, columns])
    change[:, columns] = torch.where(gap_r | gap_a | gap_b, 0.0, change[:, columns])
    return base, change
