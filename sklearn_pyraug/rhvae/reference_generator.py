"""Generators that start from a real row: trained on pairs, sampled by transferring a pair's code.

With the encoder's mean c of a pair (a, b) of one class, and z drawn on the latent manifold from
c on, the row

x = r + s (E[x | z, r] − r + ω (a − E[x | c, b])),  s ~ U(s₀, s₁)

starts from the reference r, changes it as a differs from b, as far as a code can express this, and
carries over what the code cannot express, the pair's own residual (ω = 1), or leaves it out
(ω = 0). For a decoder that has learned nothing, E[x | z, r] = r, this is a pair difference
x = r + s (a − b), and with b = r an interpolation between two rows, which is SMOTE's. If a class
has more columns than rows, its new rows are then moved out to the distance of the real ones.

Shapes: K members of a stack (one for all classes, or one per class), D columns, d latent
dimensions.
"""

from functools import partial
from typing import NamedTuple

import torch

from .coding import code_references, member_of, nearest_references, stack_of
from .images.resolution import Resolution
from .latent import Latent, make_latent, sample_latent
from .likelihoods.mixed import MixedLikelihood
from .log_likelihood import score_from_references
from .model import RHVAEStack, build_stack
from .networks.mlp import Posterior
from .requests import Drawn, Training, split_info
from .training.data import ClassRows, mean_one, padded, split_rows, weights_of
from .training.pairs import find_partners, n_partners, scaled_for_pairs
from .training.phases import rows_of_label, train_in_phases
from .weighting import in_rounds

__all__ = ["ReferenceGenerator", "train_reference_generator"]

# Most rows, and most values, that are decoded at once: bounds the memory.
_CHUNK = 2048
_CHUNK_VALUES = 2**23
# Pairs per row whose codes make up the metric, and from which the draws start.
_PAIRS_PER_ROW = 8
# Number of rows with which a class takes half of its pairs from its own rows: for pairs of any
# rows, and for pairs of near rows.
_BORROWING, _BORROWING_NEAR = 50, 10


class ReferenceGenerator(NamedTuple):
    """A trained stack with the rows from which it starts. All tensors are on the CPU.

    Attributes
    ----------
    stack : RHVAEStack
        With the best weights.
    latent : Latent
        Its centroids are the codes of pairs.
    rows : list of Tensor, each of shape (n_m, n_seen)
        The rows of every member as the networks were shown them; of length 1 where all members
        start from the same rows, and so are the other lists.
    labels : list of Tensor of int64, each of shape (n_m,)
        The class index of each row.
    pairs : list of Tensor of int64, each of shape (n_pairs_m, 2)
        For every centroid the rows a and b; no pair occurs twice.
    counts : list of Tensor of float64, each of shape (n_pairs_m,)
        For every pair in proportion to what it is drawn among those of its class: how many pairs
        of equal rows it stands for, by their weights.
    resolution : Resolution or None
        What the networks were shown, where that is smaller than the rows themselves.
    fine : list of Tensor, each of shape (n_m, n_features), or None
        The rows themselves, where the networks were shown smaller ones.
    weights : list of Tensor of float64, each of shape (n_m,), or None
        In proportion to which a row is taken for a reference; None for equal weights.
    n_borrowed : int
        Number of rows with which a class takes half of its pairs from its own rows.
    """

    stack: RHVAEStack
    latent: Latent
    rows: list[torch.Tensor]
    labels: list[torch.Tensor]
    pairs: list[torch.Tensor]
    counts: list[torch.Tensor]
    resolution: Resolution | None = None
    fine: list[torch.Tensor] | None = None
    weights: list[torch.Tensor] | None = None
    n_borrowed: int = _BORROWING

    @property
    def references(self):
        """The coded rows from which new ones start."""
        return self.rows if self.fine is None else self.fine

    def source(self, position):
        """Return where in the lists the rows of a member are."""
        return position if len(self.rows) > 1 else 0

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
        return self.latents([0], [label])

    def member(self, position, dtype):
        """Return the generator of one member alone, see :func:`.coding.member_of`."""
        own = member_of(self, position, dtype)
        fine = None if own.fine is None else [x.to(dtype) for x in own.fine]
        return own._replace(rows=[x.to(dtype) for x in own.rows], fine=fine)

    def shares(self, position, label):
        """Return how much of a class's variety each pair accounts for, shape (n_pairs,).

        A class of n rows relies on its own pairs for n / (n + 50), or n / (n + 10) where rows are
        paired with their nearest: the fewer rows it has, the more it borrows from the ways in
        which the rows of other classes differ, each class as much.

        Parameters
        ----------
        position : int
            Of the member.
        label : int

        Returns
        -------
        shares : Tensor of float64, shape (n_pairs,)
            Of sum 1.
        """
        i = self.source(position)
        labels, counts = self.labels[i], self.counts[i]
        _, of_class = labels[self.pairs[i][:, 0]].unique(return_inverse=True)
        totals = torch.zeros(int(of_class.max()) + 1, dtype=counts.dtype)
        any_pair = counts / totals.index_add(0, of_class, counts)[of_class] / len(totals)
        own = counts * (labels[self.pairs[i][:, 0]] == label)
        if not own.any():
            return any_pair
        n = int((labels == label).sum())
        own_share = n / (n + self.n_borrowed)
        return own_share * own / own.sum() + (1.0 - own_share) * any_pair

    def latents(self, members, labels):
        """Return the codes of some members, with the metrics of classes.

        Parameters
        ----------
        members, labels : list of int
            A class index for each position in the stack.

        Returns
        -------
        latent : Latent
            With a member for each.
        """
        shares = [self.shares(m, k) for m, k in zip(members, labels, strict=True)]
        return self.latent.at(members, shares)

    def draw(self, requests, settings, output, *, device="cpu"):
        """Draw new rows, see the module.

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
        members, labels = [q.member for q in requests], [q.label for q in requests]
        start = [
            in_rounds(q.n_rows, len(shares), q.mcmc, shares)
            for q in requests
            for shares in [self.shares(q.member, q.label)]
        ]
        latent = self.latents(members, labels).map(lambda t: t.to(device))
        z, start, info = sample_latent(latent, start, [q.mcmc for q in requests], settings)
        return [
            Drawn(
                *_draw_rows(self, q, z[j], latent.c[j], start[j].cpu(), output, device),
                split_info(info, j),
            )
            for j, q in enumerate(requests)
        ]

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
    """Choose the pairs of one member whose codes become centroids.

    Every class has equally many, if it has enough, so that a minority is not only varied by the
    differences within the majority. Equal rows are one row, with the sum of their weights.

    Returns
    -------
    pairs : Tensor of int64, shape (n_pairs, 2)
        Distinct, by the values of their rows.
    counts : Tensor of float64, shape (n_pairs,)
        The sum of w_a w_b over the pairs of equal rows.
    """
    weight = torch.ones(len(rows), dtype=torch.float64) if weight is None else weight
    first, count = _distinct_rows(rows, labels, weight)
    n_others = n_partners(labels[first], n_neighbors)
    able = (n_others > 0).nonzero().flatten()
    if not len(able):
        # All rows of every class are equal, so pairs are made of equal rows.
        first, count = torch.arange(len(rows)), weight
        n_others = n_partners(labels, n_neighbors)
        able = (n_others > 0).nonzero().flatten()
    of_class = labels[first[able]]
    classes = [able[of_class == k] for k in of_class.unique()]
    # In the order of the rows, so that the names of the classes do not matter.
    classes.sort(key=lambda own: int(own[0]))
    n_pairs = _PAIRS_PER_ROW * len(able)
    n_pairs = min(n_pairs, max_pairs or n_pairs)
    turns = []
    for own in classes:
        n_own = min(n_pairs, int(n_others[own].sum()))
        order = own[torch.randperm(len(own), generator=generator)]
        turns.append((order[:n_own], n_own))
    asking = torch.cat([order for order, _ in turns])
    partners = find_partners(rows[first], labels[first], n_neighbors, of=asking)
    chosen = [_distinct_pairs(partners, a, n_own, generator) for a, n_own in turns]
    # Classes take turns, so that none is left out if there are few pairs.
    rank = torch.cat([torch.arange(len(pairs)) for pairs in chosen])
    pairs = torch.cat(chosen)[rank.sort(stable=True).indices[:n_pairs]]
    return first[pairs], count[pairs].prod(1)


def _distinct_rows(rows, labels, weight):
    """Return the first of all equal rows of a class, in order, and the sum of their weights."""
    values = torch.cat([labels.unsqueeze(1).to(rows.dtype), rows], 1)
    _, group = values.unique(dim=0, return_inverse=True)
    n = int(group.max()) + 1
    at = torch.full((n,), len(rows)).scatter_reduce(0, group, torch.arange(len(rows)), "amin")
    total = torch.zeros(n, dtype=weight.dtype).index_add(0, group, weight)
    order = at.argsort()
    return at[order], total[order]


def _distinct_pairs(partners, rows, n_pairs, generator):
    """Choose distinct pairs of a row and a partner, the rows by turns, shape (n_pairs, 2)."""
    candidates = []
    for a in rows.tolist():
        start, count = int(partners.start[a]), int(partners.count[a])
        run = partners.order[start : start + count]
        run = run[run != a]
        b = run[torch.randperm(len(run), generator=generator)[: -(-n_pairs // len(rows))]]
        candidates.append(torch.stack([torch.full_like(b, a), b], 1))
    # First the first partner of every row, then the second.
    turn = torch.cat([torch.arange(len(c)) for c in candidates])
    return torch.cat(candidates)[turn.sort(stable=True).indices[:n_pairs]]


@torch.no_grad()
def _latent_of_pairs(stack, rows, pairs):
    """Code the pairs of every member; all of them code those of a single list."""
    x, mask = padded([r[p[:, 0]] for r, p in zip(rows, pairs, strict=True)])
    b, _ = padded([r[p[:, 1]] for r, p in zip(rows, pairs, strict=True)])
    K, parts = stack.n_classes, []
    step = max(1, _chunk(x.shape[2]) // K)
    for first in range(0, x.shape[1], step):
        part = [v[:, first : first + step].expand(K, -1, -1) for v in (x, b)]
        factors = None if stack.metric_network is None else stack.metric_network(*part)
        parts.append((*stack.encode(*part), factors))
    mu, log_var, L = (
        None if values[0] is None else torch.cat(values, 1) for values in zip(*parts, strict=True)
    )
    return make_latent(Posterior(mu, log_var), L, mask.expand(K, -1).contiguous(), stack)


def _split(rows, labels, fraction, generator, n_neighbors, weight=None, groups=None):
    """Hold rows out, and give every row, training or held out, its references.

    Returns
    -------
    split : ClassRows
    train_labels, valid_labels : Tensor of int64
        The class index of each row of either part.
    """
    indices = torch.arange(len(rows)).unsqueeze(1)
    split = split_rows(indices, fraction, generator, groups=groups)
    train, valid = split.train.flatten(), split.valid.flatten()
    partners = find_partners(rows[train], labels[train], n_neighbors)
    # A row that is alone in its class has no reference, and only serves as one.
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
    if weight is not None:
        split = split._replace(
            weight=scaled_for_pairs(partners, labels[train], weight[train]),
            valid_weight=mean_one(weight[i] * weight[r]),
        )
    return split, labels[train], labels[i]


def train_reference_generator(
    data, settings, streams, *, own=None, device="cpu", description="RHVAE", store=None
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
        CPU streams ``"weights"``, ``"shuffle"``, ``"noise"`` and ``"split"``, one per member, and
        ``"fine_tuning"``, one per member of the generator.
    own : list of int or None, default=None
        Classes that each get a copy of the one member, which is then fine-tuned.
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
    split, train_labels, valid_labels = zip(
        *(
            _split(x, y, settings.validation_fraction, g, n_neighbors, w, one.groups)
            for x, y, one, g, w in zip(rows, labels, data, streams["split"], each, strict=True)
        ),
        strict=True,
    )
    stack.likelihood.start_at(
        [s.train for s in split], None if weights is None else [s.weight for s in split]
    )
    n_borrowed = _BORROWING if n_neighbors is None else _BORROWING_NEAR
    if own is not None:
        own = [
            rows_of_label(split[0], n_neighbors, train_labels[0], valid_labels[0], k, n_borrowed, g)
            for k, g in zip(own, streams["fine_tuning"], strict=True)
        ]
    history, interrupted = train_in_phases(
        stack,
        list(split),
        settings,
        streams,
        own=own,
        device=device,
        description=description,
        store=store,
    )
    pairs, counts = zip(
        *(
            _make_pairs(x, y, n_neighbors, g, settings.max_centroids, w)
            for x, y, g, w in zip(rows, labels, streams["split"], each, strict=True)
        ),
        strict=True,
    )
    latent = _latent_of_pairs(stack, rows, pairs)
    generator = ReferenceGenerator(
        stack,
        latent,
        rows,
        labels,
        list(pairs),
        list(counts),
        resolution,
        fine,
        weights,
        n_borrowed,
    )
    return Training(generator, history, interrupted)


@torch.no_grad()
def _draw_rows(generator, request, z, codes, start, output, device):
    """Decode points of the latent space into rows of one class.

    Parameters
    ----------
    generator : ReferenceGenerator
    request : DrawRequest
    z : Tensor of shape (n, d)
    codes : Tensor of shape (n_pairs, d)
        Of the pairs, under the member.
    start : Tensor of int64, shape (n,)
        The pair of each point.
    output : Output
    device : str

    Returns
    -------
    rows : Tensor of float32, shape (n, n_features)
        On the CPU.
    references : Tensor of int64, shape (n,)
        Among the rows of the class.
    """
    i, n, stream = generator.source(request.member), request.n_rows, request.decode
    stack = stack_of(generator.stack, request.member).to(device)
    all_rows, is_own = generator.references[i], generator.labels[i] == request.label
    own = all_rows[is_own]
    weight = None if generator.weights is None else generator.weights[i][is_own]
    reference, pair = in_rounds(n, len(own), stream, weight), generator.pairs[i][start]
    scale = torch.rand(n, 1, generator=stream)
    noise = torch.rand(n, own.shape[1], generator=stream) if output.noisy else None
    parts = [own[:0]]
    for part in torch.arange(n).split(_chunk(own.shape[1])):
        row = _Row(
            z[part.to(device)],
            own[reference[part]].to(device),
            codes[start[part].to(device)],
            *(all_rows[pair[part, j]].to(device) for j in (0, 1)),
        )
        u = None if noise is None else noise[part].to(device)
        parts.append(_decode(stack, row, scale[part].to(device), output, u).cpu())
    rows = torch.cat(parts)
    if output.transfer is not None and not isinstance(stack.likelihood, MixedLikelihood):
        rows = _spread_out(rows, own, reference)
    return rows, reference


def _spread_out(rows, own, reference):
    """Move new rows away from the centre of their class until they lie as far out as real ones.

    With more columns than rows, all real rows lie on the surface of their class's cloud. A mixture
    of several rows lies inside, and would be the nearest neighbour of every row. New rows are
    moved out to the distances of their references, rank by rank.

    Parameters
    ----------
    rows : Tensor of shape (n, D)
        New rows of one class.
    own : Tensor of shape (n_own, D)
        The rows of the class.
    reference : Tensor of int64, shape (n,)
        Among `own`.

    Returns
    -------
    rows : Tensor of shape (n, D)
        Unchanged where the class has two rows more than columns, or where there is one column: all
        would be copies of the two rows at its ends.
    """
    if own.shape[1] < max(2, len(own) - 1):
        return rows
    centre = own.mean(0)
    change = rows - centre
    distance = torch.linalg.vector_norm(change, dim=1)
    wanted = torch.linalg.vector_norm(own - centre, dim=1)[reference].sort().values
    factor = torch.ones_like(distance)
    order = distance.argsort(stable=True)
    factor[order] = wanted / distance[order].clamp_min(torch.finfo(distance.dtype).tiny)
    return centre + factor.clamp_min(1.0).unsqueeze(1) * change


class _Row(NamedTuple):
    """A chunk of new rows in the making, tensors of shape (n, d) or (n, D)."""

    z: torch.Tensor
    r: torch.Tensor
    c: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor


def _decode(stack, row, scale, output, noise):
    """Apply the module's formula to a chunk of rows, with a stack of one member."""
    decode, transfer = stack.decoder, output.transfer
    if output.warp is not None:
        low, high = output.warp
        decode = partial(stack.decoder.draw, scale=low + (high - low) * scale)

    def theta(z, r):
        return decode(z.unsqueeze(0), r.unsqueeze(0))

    decoded = theta(row.z, row.r)
    if transfer is None:
        if noise is None:
            return stack.likelihood.mean(decoded)[0]
        return stack.likelihood.sample(decoded, noise.unsqueeze(0))[0]
    change = stack.likelihood.mean(decoded)[0] - row.r
    if transfer.residual:
        expressed = stack.likelihood.mean(theta(row.c, row.b))[0]
        change = change + transfer.residual * (row.a - expressed)
    s = transfer.low + (transfer.high - transfer.low) * scale
    base, change = _across_gaps(stack.likelihood, row, change)
    return base + s * change


def _across_gaps(likelihood, row, change):
    """Return what a change is added to, and the change, if rows have missing values.

    The code of a missing value is a placeholder. A pair with a gap in one row says nothing about
    the column's values. A reference with a gap that is to be filled takes the value of a.
    """
    if not isinstance(likelihood, MixedLikelihood) or not likelihood.masked.numel():
        return row.r, change
    columns, indicators = likelihood.masked[0], likelihood.indicator[0]
    gap_r, gap_a, gap_b = (v[:, indicators] > 0.5 for v in (row.r, row.a, row.b))
    base, change = row.r.clone(), change.clone()
    base[:, columns] = torch.where(gap_r, row.a[:, columns], row.r[:, columns])
    change[:, columns] = torch.where(gap_r | gap_a | gap_b, 0.0, change[:, columns])
    return base, change
