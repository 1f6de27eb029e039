"""Classes in groups: each group is one stack, each joblib task takes one group.

The groups depend on the data and the device, never on `n_jobs`, so that the same sums are
made in the same order whatever the number of jobs.
"""

import copy
from contextlib import closing
from typing import NamedTuple

import numpy as np
import torch

from .._random import class_generator
from ..rhvae import (
    ReferenceGenerator,
    draw_from_references,
    draw_rows,
    n_multiplications,
    train_generator,
    train_reference_generator,
)
from ..rhvae.training.resume import StateError
from .cache import Keeping, keyed, train_cached
from .jobs import run_jobs
from .memory import draw_within_memory, train_within_memory, warn_of_drawing, warn_of_training

__all__ = [
    "Member",
    "Order",
    "TrainedGroup",
    "draw_groups",
    "plan_groups",
    "train_groups",
]

# Weights in one stack. A class costs the less the more there are beside it, on a CPU too, until
# memory is the limit: training holds five numbers per weight.
_MAX_WEIGHTS = {"cpu": 25_000_000}
_MAX_WEIGHTS_ACCELERATOR = 500_000_000

_TRAINING_STREAMS = ("weights", "shuffle", "noise", "split")
_SAMPLING_STREAMS = ("mcmc", "decode")


class Member(NamedTuple):
    """What one member of a stack learns from: the rows of one class, or of all.

    Attributes
    ----------
    rows : Tensor of shape (n, n_features)
        Coded rows.
    labels : Tensor of int64, shape (n,)
        Class indices.
    weights : Tensor of float64, shape (n,), or None
        Of mean 1 in each class; None for equal weights.
    groups : Tensor of int64, shape (n,), or None
        Rows of one group are held out together or not at all.
    """

    rows: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor | None = None
    groups: torch.Tensor | None = None

    def part(self, rows):
        """Return the member that learns from the rows at some positions alone."""
        return Member(*(None if v is None else v[rows] for v in self))


class TrainedGroup(NamedTuple):
    """A trained stack and its members.

    Attributes
    ----------
    members : list of int
        Indices of the members, in the order of the stack.
    generator : Generator or ReferenceGenerator
    history : list of ClassHistory
    interrupted : KeyboardInterrupt or None
    """

    members: list
    generator: object
    history: list
    interrupted: object


def plan_groups(sizes, weights_per_member, batch_size, device, in_turn=False):
    """Cut members into groups that are trained as one stack each.

    Members with a like number of steps per epoch go together, so that no class is shown
    its rows many times over while another finishes its epoch.

    Parameters
    ----------
    sizes : dict of int to int
        Number of rows by member index.
    weights_per_member : int
        Rough number of weights of one member's networks.
    batch_size : int
    device : str
    in_turn : bool, default=False
        Whether members would take turns in a stack: each then has one of its own, in which no
        row of padding disturbs a batch's statistics, and jobs can take them.

    Returns
    -------
    groups : list of list of int
        Member indices.
    """
    limit = _MAX_WEIGHTS.get(device, _MAX_WEIGHTS_ACCELERATOR)
    largest = 1 if in_turn else max(1, limit // max(weights_per_member, 1))
    by_steps = {}
    for k, n in sizes.items():
        # Within a factor of two in steps per epoch.
        by_steps.setdefault((-(-n // batch_size)).bit_length(), []).append(k)
    groups = []
    for _, members in sorted(by_steps.items()):
        n_groups = -(-len(members) // largest)
        groups += [list(map(int, g)) for g in np.array_split(members, n_groups)]
    return groups


def _streams(root, indices, purposes):
    return {p: [class_generator(root, k, p) for k in indices] for p in purposes}


def _train_group(indices, members, root, arguments):
    arguments = dict(arguments)
    asked, device = arguments.pop("training"), arguments.pop("device")
    n_neighbors = arguments.pop("n_neighbors")
    rows, labels = [m.rows for m in members], [m.labels for m in members]

    def train(training, device):
        # Callbacks keep state, and each group is a net of its own.
        training = training._replace(callbacks=copy.deepcopy(asked.callbacks))
        given = arguments | {
            "training": training,
            "device": device,
            "streams": _streams(root, indices, _TRAINING_STREAMS),
            "weights": [m.weights for m in members],
            "groups": [m.groups for m in members],
        }
        if arguments["architecture"].has_reference:
            return train_reference_generator(rows, labels, n_neighbors=n_neighbors, **given)
        return train_generator(rows, **given)

    try:
        result = train_within_memory(train, asked, max(map(len, rows)), device)
    except StateError as error:
        raise arguments["store"].refused(error) from error
    return TrainedGroup(indices, *result)


def train_groups(groups, members, root, n_jobs, keeping=Keeping(), **arguments):  # noqa: B008
    """Train every group.

    Parameters
    ----------
    groups : list of list of int
    members : dict of int to Member
    root : int
        Root seed.
    n_jobs : int or None
        joblib's.
    keeping : Keeping, optional
    **arguments : dict
        Passed to :func:`~sklearn_pyraug.rhvae.train_generator`, or, where the decoder starts
        from a reference row, to :func:`~sklearn_pyraug.rhvae.train_reference_generator`.

    Returns
    -------
    trained : list of TrainedGroup
        Fewer than `groups` where the user interrupted.
    interrupted : KeyboardInterrupt or None
    """
    trained = []
    training = arguments["training"]
    n_rows = max(
        sum(min(len(members[k].rows), training.batch_size) for k in g) for g in groups or [[]]
    )
    work = n_rows * n_multiplications(arguments["architecture"], arguments["flow"])

    def task(i, g):
        own = {"description": _describe(i, groups)}
        return g, [members[k] for k in g], root, arguments | own

    tasks = [task(i, g) for i, g in enumerate(groups)]
    device, interrupted = arguments["device"], None
    verbose = 10 * (training.verbose > 1)
    tasks = (
        (keeping.memory, key, _train_group, task)
        for key, task in keyed(tasks, groups, members, root, keeping, arguments)
    )
    results = run_jobs(train_cached, tasks, n_jobs, device=device, work=work, verbose=verbose)
    try:
        with closing(results):
            for group in results:
                trained.append(group)
                if group.interrupted is not None:
                    interrupted = group.interrupted
                    break
    except KeyboardInterrupt as error:
        interrupted = error
    warn_of_training([h for group in trained for h in group.history], training, device)
    return trained, interrupted


def _describe(i, groups):
    part = f" {i + 1}/{len(groups)}" if len(groups) > 1 else ""
    n = len(groups[i])
    return f"RHVAE{part}, {n} generator{'s' if n > 1 else ''}"


class Order(NamedTuple):
    """New rows of one class, to be drawn by one member.

    Attributes
    ----------
    member, label : int
        Indices of the member and of the class.
    n_rows : int
    """

    member: int
    label: int
    n_rows: int


def _draw_group(group, orders, root, arguments):
    """Fill the orders that go to one group; see :func:`draw_groups`."""
    arguments = dict(arguments)
    settings, device = arguments.pop("settings"), arguments.pop("device")
    counts = [o.n_rows for o in orders]

    def draw(device):
        streams = _streams(root, [o.label for o in orders], _SAMPLING_STREAMS)
        if isinstance(group.generator, ReferenceGenerator):
            members = [group.members.index(o.member) for o in orders]
            given = (members, [o.label for o in orders], counts, settings, streams)
            return draw_from_references(group.generator, *given, device=device, **arguments)
        noisy = arguments["noisy"]
        return draw_rows(group.generator, counts, settings, streams, device=device, noisy=noisy)

    return draw_within_memory(draw, group.generator.stack, device)


def draw_groups(trained, orders, root, n_jobs, **arguments):
    """Draw new coded rows from trained groups.

    Parameters
    ----------
    trained : list of TrainedGroup
    orders : list of Order
    root : int
        Root seed.
    n_jobs : int or None
        joblib's.
    **arguments : dict
        ``settings``, ``device``, ``noisy`` and ``transfer`` of
        :func:`~sklearn_pyraug.rhvae.draw_from_references`.

    Returns
    -------
    drawn : list of (ndarray of shape (n_rows, n_features), ndarray of shape (n_rows,))
        For each order coded rows, and for each of these the index, within its class, of the
        row it started from.
    info : list of dict
        Diagnostics of each order's draws.
    """
    tasks = []
    for group in trained:
        wanted = [i for i, o in enumerate(orders) if o.member in group.members]
        if not isinstance(group.generator, ReferenceGenerator):
            # The stack is decoded as a whole, in its own order, members without an order too.
            by_member = {orders[i].member: i for i in wanted}
            empty = [Order(m, m, 0) for m in group.members if m not in by_member]
            listed = {orders[i].member: orders[i] for i in wanted} | {o.member: o for o in empty}
            tasks.append(
                (
                    group,
                    [by_member.get(m) for m in group.members],
                    [listed[m] for m in group.members],
                )
            )
        elif wanted:
            tasks.append((group, wanted, [orders[i] for i in wanted]))
    tasks = [t for t in tasks if any(o.n_rows for o in t[2])]
    work = max((_sampling_work(g, o) for g, _, o in tasks), default=0)
    device = arguments["device"]
    calls = ((group, listed, root, arguments) for group, _, listed in tasks)
    results = list(run_jobs(_draw_group, calls, n_jobs, device=device, work=work))
    warn_of_drawing([used for _, used in results], device)
    drawn, infos = [None] * len(orders), [None] * len(orders)
    for (_, positions, _), ((rows, origins, info), _) in zip(tasks, results, strict=True):
        for j, i in enumerate(positions):
            if i is not None:
                drawn[i] = (rows[j].numpy(), origins[j].numpy())
                infos[i] = {
                    # A number, or an array of one for each lag.
                    name: value[j].numpy().copy() if value.dim() > 1 else float(value[j])
                    for name, value in info.items()
                }
    return drawn, infos


def _sampling_work(group, orders):
    """Return the multiplications of one evaluation of the metric in all chains of a group."""
    _, n_centroids, d = group.generator.latent.c.shape
    return sum(o.n_rows for o in orders) * n_centroids * d * d


def to_tensor(rows):
    """Return coded rows as a float32 tensor that owns its memory."""
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
