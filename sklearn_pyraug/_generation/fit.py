"""From coded rows to generators: who learns from which rows, what it starts from, what is kept."""

import logging
import time
import warnings

import numpy as np
import torch
from scipy import sparse

from .._metadata import class_weights
from .._preprocessing.projection import fit_projection
from ..rhvae import FitSettings, TrainingData, n_weights, networks_in_turn
from .cache import Keeping
from .fallback import MIN_ROWS, pooled_scale
from .fitted import ClassGenerators
from .groups import plan_groups, to_tensor, train_groups

__all__ = ["learn"]

_logger = logging.getLogger(__name__)


def _unique_codes(T):
    """Return coded rows, with NaN for those that occur more than once."""
    _, group, count = np.unique(T, axis=0, return_inverse=True, return_counts=True)
    references = T.copy()
    references[count[group.ravel()] > 1] = np.nan
    return references


def learn(
    X,
    y,
    wanted,
    codec,
    root,
    *,
    classes,
    plan,
    output,
    architecture,
    training,
    device,
    n_jobs,
    sample_weight=None,
    groups=None,
    memory=None,
    folder=None,
    **arguments,
):
    """Train the generators of some classes.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Validated rows.
    y : ndarray of shape (n_samples,)
        Labels.
    wanted : list of int
        Indices, among the sorted labels, of the classes that are to have a generator; these have
        rows.
    codec : TableCodec
        Fitted on X.
    root : int
        Root seed.
    classes : ndarray of shape (n_classes,)
        The sorted labels, also of classes without a row to learn from.
    plan : Plan
    output : Output
    architecture : Architecture
    training : TrainingSettings
    device : str
    n_jobs : int or None
    sample_weight : ndarray of shape (n_samples,), or None, default=None
        Positive; in proportion to them rows are learned from and drawn.
    groups : ndarray of shape (n_samples,), or None, default=None
        Rows of one group are held out together or not at all.
    memory : joblib.Memory or None, default=None
        Cache of finished trainings.
    folder : CheckpointFolder or None, default=None
        Where the state of the training is kept while it runs.
    **arguments : dict
        ``flow``, ``metric``, ``validation_fraction`` and ``max_centroids`` of
        :func:`~sklearn_pyraug.rhvae.train_generator`.

    Returns
    -------
    generators : ClassGenerators
    interrupted : KeyboardInterrupt or None
        Set where the user interrupted the training. Classes that were not reached then have
        the generator of a class that is too small to train.
    """
    y_index = np.searchsorted(classes, y)
    K = len(classes)
    T = codec.encode(X.toarray() if sparse.issparse(X) else X)
    class_rows = {k: np.flatnonzero(y_index == k) for k in wanted}
    counts = np.bincount(y_index, minlength=K)
    if plan.shared:
        # A class of one row has no pair of its own, and borrows those of the others.
        n_paired = int(counts[counts > 1].sum())
        small = [] if n_paired >= MIN_ROWS else list(wanted)
    else:
        small = [k for k in wanted if counts[k] < MIN_ROWS]
    if small:
        _warn_of_small_classes({classes.tolist()[k]: counts[k] for k in small})
    projection = None
    # A user's networks are promised the columns themselves.
    own_networks = architecture.encoder is not None or architecture.metric_network is not None
    wide = T.shape[1] > T.shape[0]
    if architecture.decoder == "residual" and wide and not own_networks:
        projection = fit_projection(T)
    seen = T
    if projection is not None:
        seen = projection.encode(T)
        architecture = architecture._replace(
            n_features=seen.shape[1], likelihood="gaussian", layout=None
        )
    weights = class_weights(sample_weight, y_index)
    group = None if groups is None else np.unique(groups, return_inverse=True)[1]
    everything = TrainingData(
        to_tensor(seen),
        torch.from_numpy(y_index.astype(np.int64)),
        None if weights is None else torch.from_numpy(weights),
        None if group is None else torch.from_numpy(group.astype(np.int64)),
    )
    if plan.shared:
        # Where no class is wanted, there may be no pair of rows to learn from.
        members = {} if small or not wanted else {0: everything}
    else:
        members = {k: everything.take(i) for k, i in class_rows.items() if k not in small}
    sizes = {i: len(m.rows) for i, m in members.items()}
    flow = arguments["flow"]
    in_turn = networks_in_turn(architecture, flow)
    if in_turn and len(members) > 1:
        _warn_of_turns(in_turn)
    n_numbers = n_weights(architecture, flow)
    if architecture.convolution is not None:
        # Few weights, but a batch of images takes memory.
        n_numbers += training.batch_size * architecture.n_seen
    groups = plan_groups(sizes, n_numbers, training.batch_size, device, bool(in_turn))
    sizes = [len(g) for g in groups]
    shape = "Training stacks of %s generators on %d rows of %d codes; device %s."
    _logger.info(shape, sizes, *seen.shape, device)
    began = time.monotonic()
    trained, interrupted = train_groups(
        groups,
        members,
        FitSettings(architecture, training=training, n_neighbors=plan.n_neighbors, **arguments),
        root,
        device,
        n_jobs,
        Keeping(memory, folder),
    )
    for group in trained:
        _logger.info(
            "Generators %s: %s epochs, best after %s, %s roll-backs.",
            group.members,
            [len(h.train_loss) for h in group.history],
            [h.best_epoch for h in group.history],
            [h.n_rollbacks for h in group.history],
        )
    _logger.info("Trained, or found in memory, in %.1f s.", time.monotonic() - began)
    records = {k: h for g in trained for k, h in zip(g.members, g.history, strict=True)}
    history = {k: records[plan.member(k)] for k in wanted if plan.member(k) in records}
    # Too small a class, or one whose training an interruption forestalled.
    untrained = [k for k in wanted if k not in history or not len(history[k].train_loss)]
    scale = pooled_scale(T, y_index, K) if untrained else None
    generators = ClassGenerators(
        codec,
        projection,
        plan,
        [g._replace(interrupted=None) for g in trained],
        {k: (T[class_rows[k]], scale) for k in untrained},
        class_rows,
        K,
        dict(sorted(history.items())),
        type(X) if sparse.issparse(X) else None,
        output,
        _unique_codes(T) if architecture.has_reference else None,
        None if weights is None else {k: weights[class_rows[k]] for k in untrained},
    )
    return generators, interrupted


def _warn_of_small_classes(counts):
    names = ", ".join(f"{label!r} ({n} rows)" for label, n in counts.items())
    warnings.warn(
        f"Too few rows to train a generator for the classes {names}: their new rows are "
        f"interpolations with noise. Collect at least {MIN_ROWS} rows of each class.",
        UserWarning,
        stacklevel=2,
    )


def _warn_of_turns(reasons):
    causes = "; ".join(f"{r.parameter}: {r.layer} {r.reason}" for r in reasons)
    remedies = " ".join(dict.fromkeys(r.remedy for r in reasons))
    warnings.warn(
        f"{causes}, so classes are trained one after another, which takes longer. {remedies}",
        UserWarning,
        stacklevel=2,
    )
