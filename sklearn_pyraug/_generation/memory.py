"""What is done when an accelerator's memory runs out, and what a training is warned of."""

import gc
import warnings

import numpy as np
import torch

# Least number of rows in a step that is tried on an accelerator.
_MIN_BATCH_SIZE = 8
# A sound training has ended below twice the loss of its first epoch, plus 10 nats, once it had 10
# epochs.
_RISE, _FEW_NATS, _FEW_EPOCHS = 10, 10, 10
# Parts of the RuntimeErrors of CUDA and Metal, and of cuBLAS and cuDNN.
_MESSAGES = ("out of memory", "ALLOC_FAILED")


class Attempt:
    """One try on a device, as a context: where its memory runs out, the error is dropped.

    On the CPU every error is raised.

    Parameters
    ----------
    device : str
    batch_size : int or None, default=None
        Rows of a training step.
    stack : RHVAEStack or None, default=None
        Moved to the device in the attempt; on the CPU again after it, whatever happened.

    Attributes
    ----------
    failed : bool
        Whether the memory ran out.
    """

    def __init__(self, device, batch_size=None, stack=None):
        self.device = device
        self.batch_size = batch_size
        self.stack = stack
        self.failed = False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if self.device == "cpu":
            return False
        if self.stack is not None:
            self.stack.cpu()
        _release(self.device)
        self.failed = isinstance(error, RuntimeError) and _is_out_of_memory(error)
        return self.failed


def training_attempts(batch_size, n_rows, device):
    """Yield attempts with the batch size asked for, then with half of it, down to 8 rows.

    After these the CPU is tried, with the batch size asked for.

    Parameters
    ----------
    batch_size : int
    n_rows : int
        Most rows of a member, which no batch exceeds.
    device : str

    Yields
    ------
    attempt : Attempt
        To be entered. There is no further one after the first that does not fail; each has to
        begin from fresh random streams.
    """
    smaller = batch_size
    while device != "cpu":
        attempt = Attempt(device, smaller)
        yield attempt
        if not attempt.failed:
            return
        # Only after the context has ended, because the exception keeps the tensors alive.
        gc.collect()
        smaller = min(smaller, n_rows)
        if smaller <= _MIN_BATCH_SIZE:
            break
        smaller = max(_MIN_BATCH_SIZE, smaller // 2)
    yield Attempt("cpu", batch_size)


def drawing_attempts(stack, device):
    """Yield an attempt on a device, and then one on the CPU if that fails.

    Parameters
    ----------
    stack : RHVAEStack
    device : str

    Yields
    ------
    attempt : Attempt
        As those of :func:`training_attempts`.
    """
    if device != "cpu":
        attempt = Attempt(device, stack=stack)
        yield attempt
        if not attempt.failed:
            return
        gc.collect()
    yield Attempt("cpu")


def _is_without_loss(record):
    """Say whether a training was without a loss at its end, or for half of its epochs."""
    lacking = ~np.isfinite(record.train_loss)
    return bool(len(lacking)) and bool(lacking[-1] or 2 * lacking.sum() >= len(lacking))


def _risen_to(record):
    """Return the loss of a training that ended far above its first epoch, else None.

    Its end are the last half of its epochs, and the one whose weights were kept.
    """
    loss = record.train_loss
    if len(loss) < _FEW_EPOCHS or not np.isfinite(loss[0]):
        return None
    end = np.nanmedian(loss[len(loss) // 2 :]), loss[max(record.best_epoch - 1, 0)]
    return max(end) if max(end) > _RISE * (abs(loss[0]) + _FEW_NATS) else None


def _warn_of_divergence(history, lr):
    lost = [h for h in history if _is_without_loss(h)]
    risen = [(h, _risen_to(h)) for h in history if not _is_without_loss(h)]
    risen = [(h, loss) for h, loss in risen if loss is not None]
    if lost:
        h = max(lost, key=lambda h: np.isnan(h.train_loss).sum())
        n_lost, n = (~np.isfinite(h.train_loss)).sum(), len(h.train_loss)
        what = f"was not finite in {n_lost} of {n} epochs"
    elif risen:
        h, loss = max(risen, key=lambda pair: pair[1])
        what = f"rose from {h.train_loss[0]:.3g} to {loss:.3g}"
    else:
        return
    warnings.warn(
        f"The training of {len(lost) + len(risen)} of {len(history)} generators diverged: the loss "
        f"{what}, and the weights are those after epoch {h.best_epoch} (see `history_`). New rows "
        f"may be poor. Use a smaller lr than {lr:g}; networks of your own may divide by zero.",
        UserWarning,
        stacklevel=3,
    )


def warn_of_training(history, training, device):
    """Warn where a training diverged, or had another device or batch size than asked for."""
    _warn_of_divergence(history, training.lr)
    fewer = [h.batch_size for h in history if h.batch_size != training.batch_size]
    n_moved = sum(h.device != device for h in history)
    outcomes, remedies = [], []
    if fewer:
        outcomes.append(
            f"{len(fewer)} with batch_size={min(fewer)} instead of {training.batch_size}"
        )
        remedies.append(f"batch_size={min(fewer)}")
    if n_moved:
        outcomes.append(f"{n_moved} on the CPU")
        remedies.append("smaller networks, or device='cpu'")
    if outcomes:
        warnings.warn(
            f"The memory of device={device!r} ran out: of {len(history)} generators, "
            f"{' and '.join(outcomes)} were trained (see `history_`). Free memory on the device, "
            f"or use {'; or '.join(remedies)}.",
            UserWarning,
            stacklevel=2,
        )


def warn_of_drawing(devices, device):
    """Warn where something was drawn or scored elsewhere than asked for.

    Parameters
    ----------
    devices : list of str
        Where each group's rows were made.
    device : str
    """
    if any(d != device for d in devices):
        warnings.warn(
            f"The memory of device={device!r} ran out: rows were drawn on the CPU, with the same "
            "generators. Free memory on the device, draw fewer rows at a time, or use a smaller "
            "max_centroids or device='cpu'.",
            UserWarning,
            stacklevel=2,
        )


def _is_out_of_memory(error):
    return isinstance(error, torch.OutOfMemoryError) or any(m in str(error) for m in _MESSAGES)


def _release(device):
    """Give freed memory back, for other processes on the same device."""
    module = getattr(torch, device.split(":")[0])
    module.empty_cache()
