"""From coded rows to generators: who learns from which rows, in which groups, what is kept.

Classes are trained in groups: each is one stack, and each joblib task takes one. The groups depend
on the data and the device, never on `n_jobs`, so that the same sums are made in the same order
whatever the number of jobs.
"""

import copy
import logging
import time
import warnings
from collections import Counter
from contextlib import closing
from typing import NamedTuple

import numpy as np
import torch

from .._metadata import class_weights
from .._preprocessing.arithmetic import row_keys
from .._preprocessing.projection import fit_projection
from .._random import class_generator
from ..rhvae import (
    FitSettings,
    TrainingData,
    n_multiplications,
    n_weights,
    networks_in_turn,
    train_generator,
    train_reference_generator,
)
from ..rhvae.training.resume import StateError
from .cache import TrainingStore, train_cached, with_keys
from .checkpoint import GroupStore
from .fallback import MIN_ROWS, pooled_scale
from .fitted import FittedGenerators, SmallClass, TrainedGroup
from .jobs import run_jobs
from .memory import training_attempts, warn_of_training
from .min_distance import make_guard

_logger = logging.getLogger(__name__)

# Most weights in one stack. The more classes a stack has, the less each costs, also on a CPU, until
# memory is the limit: training holds five numbers per weight.
_MAX_WEIGHTS = {"cpu": 25_000_000}
_MAX_WEIGHTS_ACCELERATOR = 500_000_000
# Most weights of all copies of a shared network. A model file holds these copies, too.
_MAX_COPIED_WEIGHTS = 50_000_000

# Largest error of the flow's ELBO, in nats, without a warning.
_MAX_ERROR = 1.0

_STREAMS = ("weights", "shuffle", "noise", "split", "fine_tuning")


class FitRequest(NamedTuple):
    """Coded rows, and the classes that are to have a generator.

    Attributes
    ----------
    T : ndarray of float32 of shape (n_samples, n_codes)
        Coded rows.
    y_index : ndarray of int of shape (n_samples,)
        Class index of each row.
    labels : list
        The label of each class, also of classes without a row; for messages.
    wanted : list of int
        Indices of the classes that are to have a generator; these have rows.
    sample_weight : ndarray of shape (n_samples,), or None
        Positive; in proportion to them rows are learned from and drawn.
    groups : ndarray of int of shape (n_samples,), or None
        Rows of one group are held out together or not at all.
    shared : {True, False, "first"}
        Whether one generator learns from the pairs of all classes, or each class has its own, or
        each class continues with a copy of the shared one.
    guarded : bool
        Whether the rows are kept, so that new ones can be kept away from them.
    """

    T: np.ndarray
    y_index: np.ndarray
    labels: list
    wanted: list
    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    shared: bool | str = False
    guarded: bool = False

    @property
    def class_rows(self):
        """The indices of the rows of each wanted class."""
        return {k: np.flatnonzero(self.y_index == k) for k in self.wanted}


class GroupTask(NamedTuple):
    """The training of one group.

    Attributes
    ----------
    members : list of int
    data : list of TrainingData
        One per member.
    own : list of int or None
        Classes that get copies of the one member.
    settings : FitSettings
    root : int
        Root seed.
    device : str
    description : str
        Text of the progress bar.
    store : GroupStore or None
        Where its state is kept while it runs.
    """

    members: list
    data: list
    own: list | None
    settings: FitSettings
    root: int
    device: str
    description: str
    store: GroupStore | None = None


def fit(request, settings, execution, store=TrainingStore()):  # noqa: B008
    """Train the generators of some classes.

    Parameters
    ----------
    request : FitRequest
    settings : FitSettings
    execution : Execution
    store : TrainingStore, optional

    Returns
    -------
    generators : FittedGenerators
    interrupted : KeyboardInterrupt or None
        Set where the user interrupted the training. Classes that were not reached then have
        the generator of a class that is too small to train.
    """
    trainable = _trainable_classes(request)
    projection = _fit_projection(request.T, settings.architecture)
    seen = request.T if projection is None else projection.encode(request.T)
    if projection is not None:
        architecture = settings.architecture._replace(
            n_features=seen.shape[1], likelihood="gaussian", layout=None
        )
        settings = settings._replace(architecture=architecture)
    if request.shared == "first":
        request = _shared_if_many(request, trainable, settings)
    weights = class_weights(request.sample_weight, request.y_index)
    members = _members(request, trainable, seen, weights)
    groups = _plan(members, settings, execution.device)
    shape = "Training stacks of %s generators on %d rows of %d codes; device %s."
    _logger.info(shape, [len(g) for g in groups], *seen.shape, execution.device)
    began = time.monotonic()
    own = trainable if request.shared == "first" else None
    trained, interrupted = _train_groups(groups, members, own, settings, execution, store)
    _logger.info("Trained, or found in memory, in %.1f s.", time.monotonic() - began)
    return _fitted(request, trained, projection, weights, settings), interrupted


def _trainable_classes(request):
    """Return the wanted classes that have enough rows, and warn of the others."""
    counts = np.bincount(request.y_index, minlength=len(request.labels))
    if request.shared:
        # A class of one row has no pairs, and borrows those of other classes.
        enough = int(counts[counts > 1].sum()) >= MIN_ROWS
        trainable = list(request.wanted) if enough else []
    else:
        trainable = [k for k in request.wanted if counts[k] >= MIN_ROWS]
    small = {request.labels[k]: counts[k] for k in request.wanted if k not in trainable}
    if small:
        names = ", ".join(f"{label!r} ({n} rows)" for label, n in small.items())
        warnings.warn(
            f"Too few rows to train a generator for the classes {names}: their new rows are "
            f"interpolations with noise. Collect at least {MIN_ROWS} rows of each class.",
            UserWarning,
            stacklevel=3,
        )
    return trainable


def _shared_if_many(request, trainable, settings):
    """Keep one network for all classes where copies for each would take too much memory."""
    n = n_weights(settings.architecture, settings.flow)
    if len(trainable) * n <= _MAX_COPIED_WEIGHTS:
        return request
    warnings.warn(
        f"{len(trainable)} classes share one network: copies for each would have "
        f"{len(trainable) * n:,} weights, more than {_MAX_COPIED_WEIGHTS:,}. "
        "Pass shared=True to have this without a warning, or smaller networks, "
        "encoder=MLP(hidden_layer_sizes=64).",
        UserWarning,
        stacklevel=4,
    )
    return request._replace(shared=True)


def _fit_projection(T, architecture):
    """Return the coordinates in which the networks see a wide table, or None."""
    # A user's networks get the columns themselves.
    own_networks = architecture.encoder is not None or architecture.metric_network is not None
    is_wide = T.shape[1] > T.shape[0]
    is_projected = architecture.decoder == "residual" and is_wide and not own_networks
    return fit_projection(T) if is_projected else None


def _members(request, trainable, seen, weights):
    """Return by index what each member of the stacks learns from.

    Parameters
    ----------
    request : FitRequest
    trainable : list of int
    seen : ndarray of shape (n_samples, n_seen)
        Coded rows as the networks see them.
    weights : ndarray of shape (n_samples,), or None

    Returns
    -------
    members : dict of int to TrainingData
    """
    group = request.groups
    everything = TrainingData(
        torch.from_numpy(np.ascontiguousarray(seen, dtype=np.float32)),
        torch.from_numpy(request.y_index.astype(np.int64)),
        None if weights is None else torch.from_numpy(weights),
        None if group is None else torch.from_numpy(group.astype(np.int64)),
    )
    if request.shared:
        # If no class can be trained, there may be no pair of rows to learn from.
        return {0: everything} if trainable else {}
    rows = request.class_rows
    return {k: everything.take(rows[k]) for k in trainable}


def _plan(members, settings, device):
    """Return the groups of the members, and warn where they are trained one after another."""
    architecture, flow = settings.architecture, settings.flow
    in_turn = networks_in_turn(architecture, flow.latent_dim)
    if in_turn and len(members) > 1:
        causes = "; ".join(f"{r.parameter}: {r.layer} {r.reason}" for r in in_turn)
        remedies = " ".join(dict.fromkeys(r.remedy for r in in_turn))
        warnings.warn(
            f"{causes}, so classes are trained one after another, which takes longer. {remedies}",
            UserWarning,
            stacklevel=3,
        )
    batch_size, n_numbers = settings.training.batch_size, n_weights(architecture, flow)
    if architecture.convolution is not None:
        # Convolutions have few weights, but a batch of images takes memory.
        n_numbers += batch_size * architecture.n_seen
    sizes = {k: len(own.rows) for k, own in members.items()}
    return plan_groups(sizes, n_numbers, batch_size, device, bool(in_turn))


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


def _train_groups(groups, members, own, settings, execution, store):
    """Train every group; return these, and the user's KeyboardInterrupt or None."""
    training = settings.training
    n_rows = max(
        sum(min(len(members[k].rows), training.batch_size) for k in g) for g in groups or [[]]
    )
    work = n_rows * n_multiplications(settings.architecture, settings.flow)
    tasks = [
        GroupTask(
            g,
            [members[k] for k in g],
            own,
            settings,
            execution.root,
            execution.device,
            _description(i, groups),
        )
        for i, g in enumerate(groups)
    ]
    calls = (
        (store.memory, key, _train_group, task)
        for key, task in with_keys(tasks, settings, execution, store)
    )
    results = run_jobs(train_cached, calls, execution, work=work)
    trained, interrupted = [], None
    try:
        with closing(results):
            for g, result in zip(groups, results, strict=False):
                trained.append(TrainedGroup(own or g, result.generator, result.history))
                _log_training(g, result.history)
                if result.interrupted is not None:
                    interrupted = result.interrupted
                    break
    except KeyboardInterrupt as error:
        interrupted = error
    history = [h for g in trained for h in g.history]
    warn_of_training(history, training, execution.device)
    _warn_of_flow(history, settings.flow)
    return trained, interrupted


def _log_training(group, history):
    _logger.info(
        "Generators %s: %s epochs, best after %s, %s roll-backs.",
        group,
        [len(h.train_loss) for h in history],
        [h.best_epoch for h in history],
        [h.n_rollbacks for h in history],
    )


def _warn_of_flow(history, flow):
    """Warn where the flow's steps are too large for the ELBO to hold."""
    errors = [h.flow_volume_error for h in history if (h.flow_volume_error or 0.0) > _MAX_ERROR]
    # A few may be off by chance, because a difference across a kink of a network is not a
    # derivative.
    if 2 * len(errors) > len(history):
        warnings.warn(
            f"The Hamiltonian flow of {len(errors)} of {len(history)} generators does not preserve "
            f"volume: log |det J| is off by {max(errors):.1f} at most, and the ELBO by as much "
            f"(see `history_`). Train for more epochs, or use a larger metric__n_fixed_point than "
            f"{flow.n_fixed_point}, or a smaller metric__leapfrog_step than {flow.leapfrog_step}.",
            UserWarning,
            stacklevel=5,
        )


def _description(i, groups):
    part = f" {i + 1}/{len(groups)}" if len(groups) > 1 else ""
    n = len(groups[i])
    return f"RHVAE{part}, {n} generator{'s' if n > 1 else ''}"


def _train_group(task):
    """Train one group with as large batches as the device's memory allows."""
    settings, asked = task.settings, task.settings.training
    has_reference = settings.architecture.has_reference
    train, named = train_generator, {}
    if has_reference:
        train, named = train_reference_generator, {"own": task.own}
    n_rows = max(len(own.rows) for own in task.data)
    for attempt in training_attempts(asked.batch_size, n_rows, task.device):
        # Callbacks keep state, and each group has its own net.
        training = asked._replace(
            batch_size=attempt.batch_size, callbacks=copy.deepcopy(asked.callbacks)
        )
        streams = {p: [class_generator(task.root, k, p) for k in task.members] for p in _STREAMS}
        if task.own is not None:
            streams["fine_tuning"] = [
                class_generator(task.root, k, "fine_tuning") for k in task.own
            ]
        try:
            with attempt:
                result = train(
                    task.data,
                    settings._replace(training=training),
                    streams,
                    device=attempt.device,
                    description=task.description,
                    store=task.store,
                    **named,
                )
        except StateError as error:
            raise task.store.refused(error) from error
    return result


def _fitted(request, trained, projection, weights, settings):
    """Return what was learned, with what classes need that were not trained."""
    T, class_rows = request.T, request.class_rows
    records = {k: h for g in trained for k, h in zip(g.members, g.history, strict=True)}
    shared = request.shared is True
    own = {k: 0 if shared else k for k in request.wanted}
    history = {k: records[m] for k, m in sorted(own.items()) if m in records}
    # Classes that are too small, or that an interruption left untrained.
    untrained = [k for k in request.wanted if k not in history or not len(history[k].train_loss)]
    scale = pooled_scale(T, request.y_index, len(request.labels)) if untrained else None
    small = {
        k: SmallClass(T[rows], scale, None if weights is None else weights[rows])
        for k, rows in class_rows.items()
        if k in untrained
    }
    references = None
    if settings.architecture.has_reference:
        references = _unique_codes(T)
        for k in small:
            references[class_rows[k]] = np.nan
    guard = make_guard(T) if request.guarded else None
    return FittedGenerators(
        trained=trained,
        small=small,
        class_rows=class_rows,
        history=history,
        n_codes=T.shape[1],
        shared=shared,
        projection=projection,
        references=references,
        guard=guard,
    )


def _unique_codes(T):
    """Return coded rows, with NaN for those that occur more than once."""
    keys = list(row_keys(T))
    counts = Counter(keys)
    references = T.copy()
    references[[counts[key] > 1 for key in keys]] = np.nan
    return references
