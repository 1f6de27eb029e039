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
    ClassHistory,
    DrawRequest,
    Generator,
    ReferenceGenerator,
    n_multiplications,
    train_generator,
    train_reference_generator,
)
from ..rhvae.training.resume import StateError
from .cache import keyed, train_cached
from .jobs import run_jobs
from .memory import draw_within_memory, train_within_memory, warn_of_drawing, warn_of_training

__all__ = [
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

    members: list[int]
    generator: Generator | ReferenceGenerator
    history: list[ClassHistory]
    interrupted: KeyboardInterrupt | None


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


def _train_group(indices, members, root, settings, device, options):
    asked = settings.training

    def train(training, device):
        # Callbacks keep state, and each group is a net of its own.
        training = training._replace(callbacks=copy.deepcopy(asked.callbacks))
        streams = _streams(root, indices, _TRAINING_STREAMS)
        own = settings._replace(training=training)
        reference = settings.architecture.has_reference
        train = train_reference_generator if reference else train_generator
        return train(members, own, streams, device=device, **options)

    try:
        result = train_within_memory(train, asked, max(len(m.rows) for m in members), device)
    except StateError as error:
        raise options["store"].refused(error) from error
    return TrainedGroup(indices, *result)


def train_groups(groups, members, settings, root, device, n_jobs, keeping):
    """Train every group.

    Parameters
    ----------
    groups : list of list of int
    members : dict of int to TrainingData
    settings : FitSettings
    root : int
        Root seed.
    device : str
    n_jobs : int or None
        joblib's.
    keeping : Keeping

    Returns
    -------
    trained : list of TrainedGroup
        Fewer than `groups` where the user interrupted.
    interrupted : KeyboardInterrupt or None
    """
    trained = []
    training = settings.training
    n_rows = max(
        sum(min(len(members[k].rows), training.batch_size) for k in g) for g in groups or [[]]
    )
    work = n_rows * n_multiplications(settings.architecture, settings.flow)

    def task(i, g):
        options = {"description": _describe(i, groups)}
        return g, [members[k] for k in g], root, settings, device, options

    tasks = [task(i, g) for i, g in enumerate(groups)]
    interrupted = None
    verbose = 10 * (training.verbose > 1)
    tasks = (
        (keeping.memory, key, _train_group, task)
        for key, task in keyed(tasks, groups, members, root, keeping, settings, device)
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


def _draw_group(group, orders, root, settings, output, device):
    """Fill the orders that go to one group; see :func:`draw_groups`."""

    def draw(device):
        requests = [
            DrawRequest(
                group.members.index(o.member),
                o.label,
                o.n_rows,
                *(class_generator(root, o.label, purpose) for purpose in _SAMPLING_STREAMS),
            )
            for o in orders
        ]
        return group.generator.draw(requests, settings, output, device=device)

    return draw_within_memory(draw, group.generator.stack, device)


def draw_groups(trained, orders, settings, output, root, device, n_jobs):
    """Draw new coded rows from trained groups.

    Parameters
    ----------
    trained : list of TrainedGroup
    orders : list of Order
    settings : SamplerSettings
    output : Output
    root : int
        Root seed.
    device : str
    n_jobs : int or None
        joblib's.

    Returns
    -------
    drawn : list of (ndarray of shape (n_rows, n_features), ndarray of shape (n_rows,), dict)
        For each order coded rows, for each of these the index, within its class, of the row it
        started from, and diagnostics.
    """
    tasks = []
    for group in trained:
        wanted = [i for i, o in enumerate(orders) if o.member in group.members and o.n_rows]
        if wanted:
            tasks.append((group, wanted, [orders[i] for i in wanted]))
    work = max((_sampling_work(g, o) for g, _, o in tasks), default=0)
    calls = ((g, listed, root, settings, output, device) for g, _, listed in tasks)
    results = list(run_jobs(_draw_group, calls, n_jobs, device=device, work=work))
    warn_of_drawing([used for _, used in results], device)
    drawn = [None] * len(orders)
    for (_, positions, _), (parts, _) in zip(tasks, results, strict=True):
        for i, part in zip(positions, parts, strict=True):
            info = {n: v.numpy() if torch.is_tensor(v) else v for n, v in part.info.items()}
            drawn[i] = (part.rows.numpy(), part.origins.numpy(), info)
    return drawn


def _sampling_work(group, orders):
    """Return the multiplications of one evaluation of the metric in all chains of a group."""
    _, n_centroids, d = group.generator.latent.c.shape
    return sum(o.n_rows for o in orders) * n_centroids * d * d


def to_tensor(rows):
    """Return coded rows as a float32 tensor that owns its memory."""
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
