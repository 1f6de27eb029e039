"""The state of a training between two epochs, taken from a net and put back into one.

A state does not hold what a training computes again from the same rows and streams (the stack, the
split, the held-out noise). It holds what changes from epoch to epoch: weights, moments of the
optimiser, streams, the order of the remaining rows, and the records of every class. After a state
was put back, the next epoch computes the same sums in the same order.
"""

from typing import NamedTuple

import numpy as np
import torch
from skorch.callbacks import Callback

from .records import BY_EPOCH

# What a net records in skorch's history by itself. The rest of a row follows from it.
_RECORDED = ("train_loss", "valid_loss", "n_active_classes")


class StateError(ValueError):
    """A state that does not fit the net into which it is put."""


class TrainingState(NamedTuple):
    """A training after an epoch: plain data.

    Attributes
    ----------
    meta : dict
        Numbers, strings and lists of them, for JSON.
    tensors : dict of str to Tensor
        On the CPU; they may share their memory with the net.
    """

    meta: dict
    tensors: dict


class SaveState(Callback):
    """Hand the state of the training to a store, whenever it is due.

    Parameters
    ----------
    store : object
        With ``due(epoch) -> bool`` and ``write(TrainingState)``.
    settings : dict
        What a state depends on in addition to the stack, see :func:`training_state_dict`.
    """

    def __init__(self, store, settings):
        self.store = store
        self.settings = settings
        self.unwritten = None

    def on_epoch_end(self, net, **kwargs):
        """Write where the store wants it; the net has made its own records before."""
        self.unwritten = training_state_dict(net, self.settings)
        if self.store.due(len(net.history)):
            self.flush()
        else:
            tensors = {n: v.clone() for n, v in self.unwritten.tensors.items()}
            self.unwritten = self.unwritten._replace(tensors=tensors)

    def flush(self):
        """Write the state after the last epoch, unless it is written."""
        if self.unwritten is not None:
            self.store.write(self.unwritten)
            self.unwritten = None


def trained_tensors(stack):
    """Return by name what changes in training: weights, and users' running statistics."""
    buffers = {n: b for n, b in stack.named_buffers() if n not in ("eps", "T")}
    return dict(stack.named_parameters()) | buffers


def _class_records(net):
    """Return by name what is noted of every class, also of those that have left the stack."""
    return {
        "lr_scale": net.lr_scale_,
        "eps": net.eps_,
        "best_loss": torch.from_numpy(net.best_loss_),
        "best_epoch": torch.from_numpy(net.best_epoch_),
        "n_rollbacks": torch.from_numpy(net.n_rollbacks_),
        "rollbacks_in_a_row": torch.from_numpy(net.rollbacks_in_a_row_),
    }


def _in_turn(stack):
    """Return by name the networks that count their calls, which seed their random numbers."""
    return {n: m for n, m in stack.named_children() if getattr(m, "in_turn", None) is not None}


def training_state_dict(net, settings, finished=False):
    """Take the state of a net between two epochs.

    Parameters
    ----------
    net : StackNet
    settings : dict of str to (int or str)
        What the state depends on besides the stack and the rows, such as the batch size; it is
        put back only where they are the same.
    finished : bool, default=False
        Whether no epoch would be left if `max_epochs` were larger.

    Returns
    -------
    state : TrainingState
    """
    stack, loader = net.module_, net.loader
    trained = trained_tensors(stack)
    tensors = {f"weights.{n}": v for n, v in trained.items()}
    tensors |= {f"best.{n}": v for n, v in net.best_state_.items()}
    for name, p in trained.items():
        moments = net.optimizer_.state.get(p, {})
        tensors |= {f"moments.{name}.{key}": v for key, v in moments.items()}
    for purpose in ("shuffle", "noise"):
        for k, g in enumerate(getattr(loader, f"{purpose}_generators")):
            tensors[f"streams.{purpose}.{k}"] = g.get_state()
    for k, chunks in enumerate(loader.chunks):
        tensors |= {f"chunks.{k}.{i}": c for i, c in enumerate(chunks)}
    for k, losses in enumerate(net.class_losses_):
        by_epoch = [losses[name] for name in BY_EPOCH]
        tensors[f"losses.{k}"] = torch.tensor(by_epoch, dtype=torch.float64)
    records = _class_records(net) | {
        "active": net.active_,
        "history": torch.tensor(
            [[float(row[name]) for name in _RECORDED] for row in net.history], dtype=torch.float64
        ).reshape(-1, len(_RECORDED)),
    }
    tensors |= {f"records.{n}": v for n, v in records.items()}
    meta = {
        "settings": settings,
        "finished": finished,
        "n_chunks": [len(c) for c in loader.chunks],
        "n_calls": {n: m.n_calls for n, m in _in_turn(stack).items()},
        "moments": sorted({key for s in net.optimizer_.state.values() for key in s}),
    }
    return TrainingState(meta, {n: v.detach().cpu() for n, v in tensors.items()})


@torch.no_grad()
def load_training_state(net, settings, state):
    """Put a state into a net that was just initialised on the same rows and streams.

    Parameters
    ----------
    net : StackNet
    settings : dict
        As for :func:`training_state_dict`.
    state : TrainingState
        Of whatever origin: it is looked through before anything is changed.

    Returns
    -------
    finished : bool or None
        Whether no epoch would be left if `max_epochs` were larger; None if the state is of other
        settings, and was not put back.

    Raises
    ------
    StateError
        If the state is not one of this stack and these rows.
    """
    if state.meta.get("settings") != settings:
        return None
    try:
        _put(net, state.meta, state.tensors)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        # A damaged state may lead to any of these errors.
        raise StateError(f"its state does not fit: {error}") from error
    return bool(state.meta["finished"])


def _put(net, meta, tensors):
    device = net.module_.eps.device
    records, K = _under(tensors, "records."), net.module_.n_classes
    _check_records(records, net)
    active = records["active"]
    trained = trained_tensors(net.module_)
    weights, best = _under(tensors, "weights."), _under(tensors, "best.")
    _check_like(weights, {n: v[active] for n, v in trained.items()}, "weights")
    _check_like(best, trained, "best weights")
    moments = _read_moments(tensors, meta["moments"], weights)
    networks = _in_turn(net.module_)
    if set(networks) != set(meta["n_calls"]):
        raise ValueError("its networks that take turns are others")
    losses = [tensors[f"losses.{k}"] for k in range(K)]
    if any(v.shape[:1] != (len(BY_EPOCH),) or v.dim() != 2 for v in losses):
        raise ValueError("its losses have another shape")
    chunks = _read_chunks(tensors, meta["n_chunks"], net)
    streams = {
        purpose: [tensors[f"streams.{purpose}.{k}"] for k in range(K)]
        for purpose in ("shuffle", "noise")
    }

    for purpose, states in streams.items():
        for g, value in zip(getattr(net.loader, f"{purpose}_generators"), states, strict=True):
            g.set_state(value)
    if len(active) < K:
        net.leave(active)
    for name, p in trained_tensors(net.module_).items():
        p.copy_(weights[name])
        net.best_state_[name].copy_(best[name])
        held = {key: values[name] for key, values in moments.items() if name in values}
        if held:
            # The step count of a fused optimiser is on the device of the weights, like the moments.
            net.optimizer_.state[p] = {key: v.to(device).clone() for key, v in held.items()}
    net.module_.eps.copy_(records["eps"][active])
    for name, module in networks.items():
        module.n_calls = int(meta["n_calls"][name])
    net.loader.chunks = chunks
    net.class_losses_ = [dict(zip(BY_EPOCH, v.tolist(), strict=True)) for v in losses]
    net.lr_scale_, net.eps_ = records["lr_scale"].clone(), records["eps"].clone()
    for name in ("best_loss", "best_epoch", "n_rollbacks", "rollbacks_in_a_row"):
        setattr(net, f"{name}_", records[name].numpy().copy())
    for row in records["history"].tolist():
        net.history.new_epoch()
        net.history.record("epoch", len(net.history))
        train_loss, valid_loss, n_active_classes = row
        net.record_epoch(train_loss, valid_loss, int(n_active_classes))


def _read_moments(tensors, keys, weights):
    """Return the optimiser's moments of each weight by key and name."""
    moments = {key: _under(tensors, "moments.", f".{key}") for key in keys}
    for values in moments.values():
        for name, value in values.items():
            if value.dim() and value.shape != weights[name].shape:
                raise ValueError(f"the moments of {name!r} have another shape than its weights")
    return moments


def _read_chunks(tensors, n_chunks, net):
    """Return the chunks of rows that each class has yet to see in this epoch."""
    chunks = [[tensors[f"chunks.{k}.{i}"] for i in range(n)] for k, n in enumerate(n_chunks)]
    if len(chunks) != net.module_.n_classes or any(
        c.dtype != torch.int64 for part in chunks for c in part
    ):
        raise ValueError("its order of rows is another")
    for part, rows in zip(chunks, net.loader.rows, strict=True):
        if any(len(c) and not 0 <= int(c.min()) <= int(c.max()) < len(rows) for c in part):
            raise ValueError("its order of rows points outside of them")
    return chunks


def _under(tensors, prefix, suffix=""):
    """Return tensors whose names begin and end so, by what is between."""
    return {
        n[len(prefix) : len(n) - len(suffix)]: v
        for n, v in tensors.items()
        if n.startswith(prefix) and n.endswith(suffix)
    }


def _check_like(found, expected, what):
    if found.keys() != expected.keys():
        raise ValueError(f"its {what} have other names")
    for name, value in expected.items():
        if found[name].shape != value.shape or found[name].dtype != value.dtype:
            raise ValueError(f"its {what} {name!r} have another shape or dtype")


def _check_records(records, net):
    K = net.module_.n_classes
    expected = _class_records(net)
    active, history = records.get("active"), records.get("history")
    _check_like({n: records.get(n) for n in expected}, expected, "records")
    if active is None or active.dtype != torch.int64 or active.dim() != 1 or not len(active):
        raise ValueError("it names no classes that are still trained")
    if np.any(np.diff(active.numpy(), prepend=-1) <= 0) or int(active[-1]) >= K:
        raise ValueError("it names classes that are not there")
    if history is None or history.dim() != 2 or history.shape[1] != len(_RECORDED):
        raise ValueError("its history has another shape")
