"""Classes in groups: each group is one stack, each joblib task takes one group.

The groups depend on the data and the device, never on `n_jobs`, so that the same sums are
made in the same order whatever the number of jobs.
"""

import copy
from contextlib import closing, contextmanager
from typing import NamedTuple

import numpy as np
import torch
from joblib import Parallel, delayed

from ._random import class_generator
from .rhvae import draw_rows, n_weights, train_generator

__all__ = ["TrainedGroup", "draw_groups", "plan_groups", "train_groups"]

# Weights in one stack. A class costs the less the more there are beside it, on a CPU too, until
# memory is the limit: training holds five numbers per weight.
_MAX_WEIGHTS = {"cpu": 25_000_000}
_MAX_WEIGHTS_ACCELERATOR = 500_000_000

# Multiplications in one step of training or sampling below which a second thread gains at most a
# quarter, and loses twentyfold when another program keeps its core busy.
_MIN_THREADED_WORK = 20_000_000

_TRAINING_STREAMS = ("weights", "shuffle", "noise", "split")
_SAMPLING_STREAMS = ("mcmc", "decode")


class TrainedGroup(NamedTuple):
    """A trained stack and the classes in it.

    Attributes
    ----------
    classes : list of int
        Indices of the classes, in the order of the stack.
    generator : Generator
    history : list of ClassHistory
    interrupted : KeyboardInterrupt or None
    """

    classes: list
    generator: object
    history: list
    interrupted: object


def plan_groups(sizes, weights_per_class, batch_size, device):
    """Cut classes into groups that are trained as one stack each.

    Classes with a like number of steps per epoch go together, so that no class is shown
    its rows many times over while another finishes its epoch.

    Parameters
    ----------
    sizes : dict of int to int
        Number of rows by class index.
    weights_per_class : int
        Rough number of weights of one class's networks.
    batch_size : int
    device : str

    Returns
    -------
    groups : list of list of int
        Class indices.
    """
    limit = _MAX_WEIGHTS.get(device, _MAX_WEIGHTS_ACCELERATOR)
    largest = max(1, limit // max(weights_per_class, 1))
    by_steps = {}
    for k, n in sizes.items():
        # Within a factor of two in steps per epoch.
        by_steps.setdefault((-(-n // batch_size)).bit_length(), []).append(k)
    groups = []
    for _, members in sorted(by_steps.items()):
        n_groups = -(-len(members) // largest)
        groups += [list(map(int, g)) for g in np.array_split(members, n_groups)]
    return groups


@contextmanager
def _fitting_threads(work):
    """Use one torch thread in this process while the steps are small."""
    n_threads = torch.get_num_threads()
    if work < _MIN_THREADED_WORK:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _streams(root, classes, purposes):
    return {p: [class_generator(root, k, p) for k in classes] for p in purposes}


def _train_group(classes, rows, root, arguments):
    arguments = dict(arguments)
    # Callbacks keep state, and each group is a net of its own.
    training = arguments.pop("training")
    training = training._replace(callbacks=copy.deepcopy(training.callbacks))
    generator, history, interrupted = train_generator(
        rows,
        training=training,
        streams=_streams(root, classes, _TRAINING_STREAMS),
        **arguments,
    )
    return TrainedGroup(classes, generator, history, interrupted)


def train_groups(groups, rows, root, n_jobs, **arguments):
    """Train every group.

    Parameters
    ----------
    groups : list of list of int
    rows : dict of int to Tensor of shape (n_k, n_features)
        Coded rows by class index.
    root : int
        Root seed.
    n_jobs : int or None
        joblib's.
    **arguments : dict
        Passed to :func:`~sklearn_pyraug.rhvae.train_generator`.

    Returns
    -------
    trained : list of TrainedGroup
        Fewer than `groups` where the user interrupted.
    interrupted : KeyboardInterrupt or None
    """
    trained = []
    training = arguments["training"]
    n_rows = max(sum(min(len(rows[k]), training.batch_size) for k in g) for g in groups or [[]])
    work = n_rows * n_weights(arguments["architecture"], arguments["flow"])
    tasks = (
        delayed(_train_group)(
            g, [rows[k] for k in g], root, arguments | {"description": _describe(i, groups)}
        )
        for i, g in enumerate(groups)
    )
    results = Parallel(n_jobs=n_jobs, return_as="generator", verbose=10 * (training.verbose > 1))(
        tasks
    )
    try:
        with _fitting_threads(work), closing(results):
            for group in results:
                trained.append(group)
                if group.interrupted is not None:
                    return trained, group.interrupted
    except KeyboardInterrupt as error:
        return trained, error
    return trained, None


def _describe(i, groups):
    part = f" {i + 1}/{len(groups)}" if len(groups) > 1 else ""
    return f"RHVAE{part}, {len(groups[i])} classes"


def draw_groups(trained, n_new, root, n_jobs, **arguments):
    """Draw new coded rows from trained groups.

    Parameters
    ----------
    trained : list of TrainedGroup
    n_new : dict of int to int
        New rows by class index; classes that are not in it, or with 0, get none.
    root : int
        Root seed.
    n_jobs : int or None
        joblib's.
    **arguments : dict
        Passed to :func:`~sklearn_pyraug.rhvae.draw_rows`.

    Returns
    -------
    drawn : dict of int to (ndarray of shape (n_new, n_features), ndarray of shape (n_new,))
        Coded rows, and for each the index, within its class, of the row it started from.
    info : dict of int to dict
        Diagnostics of the chains of each class.
    """
    wanted = [g for g in trained if any(n_new.get(k, 0) for k in g.classes)]
    work = max((_sampling_work(g, n_new) for g in wanted), default=0)
    with _fitting_threads(work):
        results = Parallel(n_jobs=n_jobs)(
            delayed(draw_rows)(
                g.generator,
                [n_new.get(k, 0) for k in g.classes],
                streams=_streams(root, g.classes, _SAMPLING_STREAMS),
                **arguments,
            )
            for g in wanted
        )
    drawn, infos = {}, {}
    for g, (rows, origins, info) in zip(wanted, results, strict=True):
        for j, k in enumerate(g.classes):
            drawn[k] = (rows[j].numpy(), origins[j].numpy())
            infos[k] = {name: float(value[j]) for name, value in info.items()}
    return drawn, infos


def _sampling_work(group, n_new):
    """Return the multiplications of one evaluation of the metric in all chains of a group."""
    n_chains = sum(n_new.get(k, 0) for k in group.classes)
    return n_chains * group.generator.metric.M[0].numel()


def to_tensor(rows):
    """Return coded rows as a float32 tensor that owns its memory."""
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
