"""A training of two phases: a plain VAE that classes share, then each class's own, with the flow.

Networks that a small class learns from scratch are worse than shared ones, but copies of these that
learn a little more from the rows of the class are not. The Hamiltonian flow starts in the second
phase, when the posteriors that make up its metric mean something.
"""

import copy

import torch

from .data import ClassRows, mean_one
from .net import train_stack
from .pairs import find_partners, scaled_for_pairs
from .resume import trained_tensors

__all__ = ["rows_of_label", "train_in_phases"]

# Least number of rows of a class whose copy is trained. Smaller classes keep the shared weights.
_MIN_ROWS = 4
# Least number of rows in a step, however many classes there are.
_MIN_BATCH = 8


def rows_of_label(split, n_neighbors, train_labels, valid_labels, label, n_borrowed, generator):
    """Return the rows for the second phase of a class: its own, and some of other classes.

    Parameters
    ----------
    split : ClassRows
        Of all classes, with partners.
    n_neighbors : int or None
    train_labels, valid_labels : Tensor of int64
        Class index of each row of either part.
    label : int
    n_borrowed : int
        Number of rows of other classes, or all that there are.
    generator : torch.Generator

    Returns
    -------
    rows : ClassRows or None
        None if the class has too few rows.
    """
    own = train_labels == label
    if int(own.sum()) < _MIN_ROWS:
        return None
    others = (~own).nonzero().flatten()
    others = others[torch.randperm(len(others), generator=generator)[:n_borrowed]]
    train = torch.cat([own.nonzero().flatten(), others])
    # A row that is alone in its class has no partner.
    train = train[train_labels[train].bincount()[train_labels[train]] > 1]
    rows, labels, valid = split.train[train], train_labels[train], valid_labels == label
    partners = find_partners(rows, labels, n_neighbors)
    part = ClassRows(rows, split.valid[valid], partners, split.valid_references[valid])
    if split.weight is None:
        return part
    return part._replace(
        weight=scaled_for_pairs(partners, labels, split.weight[train]),
        valid_weight=mean_one(split.valid_weight[valid]),
    )


def train_in_phases(stack, split, settings, streams, *, own=None, **kwargs):
    """Train a stack; at the end every member has its best weights.

    Parameters
    ----------
    stack : RHVAEStack
        Trained in place.
    split : list of ClassRows
        One per member.
    settings : FitSettings
    streams : dict of str to list of torch.Generator
        CPU streams ``"shuffle"``, ``"noise"`` and ``"split"``, one per member, and
        ``"fine_tuning"``, one per member of the second phase.
    own : list of (ClassRows or None), or None, default=None
        For every class the rows with which a copy of the one member continues; None for a class
        with too few.
    **kwargs : dict
        `device`, `description` and `store` of :func:`.net.train_stack`.

    Returns
    -------
    history : list of ClassHistory
        One per member of the trained stack.
    interrupted : KeyboardInterrupt or None
    """
    training, tuning, store = settings.training, settings.fine_tuning, kwargs.pop("store", None)
    n_last = 0
    if tuning is not None and training.max_epochs > 1:
        n_last = max(1, round(tuning.share * training.max_epochs))
    first = training._replace(max_epochs=training.max_epochs - n_last)
    # Callbacks keep state, and each phase has its own net.
    callbacks = copy.deepcopy(training.callbacks)
    flows = stack.settings.n_leapfrog > 0
    # A learned metric is trained through the flow, so the flow is there from the start.
    stack.flowing = flows and (tuning is None or stack.settings.metric == "learned")
    history, interrupted = train_stack(stack, split, first, streams, store=store, **kwargs)
    if tuning is None:
        return history, interrupted
    if own is not None:
        stack.keep(torch.zeros(len(own), dtype=torch.int64))
        history = history * len(own)
    stack.flowing = flows
    rows = split if own is None else own
    positions = [i for i, r in enumerate(rows) if r is not None]
    batch_size = training.batch_size
    if own is not None and positions:
        # All copies together see as many rows, per step and in total, as the one member would.
        n_seen = sum(len(rows[i].train) for i in positions)
        n_last = max(min(n_last, 1), round(n_last * len(split[0].train) / n_seen))
        batch_size = max(_MIN_BATCH, batch_size // len(positions))
    if interrupted is not None or not positions or not n_last:
        return history, interrupted
    trained = copy.deepcopy(stack)
    trained.keep(torch.tensor(positions))
    generators = [streams["fine_tuning"][i] for i in positions]
    more, interrupted = train_stack(
        trained,
        [rows[i] for i in positions],
        training._replace(
            max_epochs=n_last,
            batch_size=batch_size,
            lr=tuning.lr_factor * training.lr,
            callbacks=callbacks,
        ),
        dict.fromkeys(("shuffle", "noise", "split"), generators),
        n_before=first.max_epochs,
        store=None if store is None else store.phase("fine-tuning"),
        **kwargs,
    )
    with torch.no_grad():
        tensors = trained_tensors(trained)
        for name, value in trained_tensors(stack).items():
            value[positions] = tensors[name]
        stack.eps[positions] = trained.eps
    for i, record in zip(positions, more, strict=True):
        history[i] = history[i].then(record)
    return history, interrupted
