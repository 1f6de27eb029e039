"""What is done when an accelerator's memory runs out: smaller batches, then the CPU."""

import gc
import warnings

import torch

__all__ = ["draw_within_memory", "train_within_memory", "warn_of_drawing", "warn_of_training"]

# The fewest rows of a step that are tried on an accelerator.
_MIN_BATCH_SIZE = 8
# What torch says where it raises a RuntimeError: by CUDA and Metal, by cuBLAS and cuDNN.
_MESSAGES = ("out of memory", "ALLOC_FAILED")


def train_within_memory(train, training, n_rows, device):
    """Train with the batch size that was asked for, or one for which the memory suffices.

    After a failure the batch size is halved, down to 8 rows; then training moves to the CPU, with
    the batch size that was asked for.

    Parameters
    ----------
    train : callable
        Called as ``train(training, device)``; it begins from fresh random streams each time.
    training : TrainingSettings
    n_rows : int
        Most rows of a member, which no batch exceeds.
    device : str

    Returns
    -------
    result : object
        What `train` returned.
    """
    batch_size = training.batch_size
    while device != "cpu":
        try:
            return train(training._replace(batch_size=batch_size), device)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        finally:
            _release(device)
        # Outside of the handler: the exception holds on to the tensors.
        gc.collect()
        batch_size = min(batch_size, n_rows)
        if batch_size <= _MIN_BATCH_SIZE:
            device = "cpu"
        batch_size = max(_MIN_BATCH_SIZE, batch_size // 2)
    return train(training, device)


def draw_within_memory(draw, stack, device):
    """Draw or score on a device, or on the CPU where the device's memory does not suffice.

    Parameters
    ----------
    draw : callable
        Called as ``draw(device)``; it begins from fresh random streams each time.
    stack : RHVAEStack
        What `draw` moves to the device. It is on the CPU afterwards, whatever happened.
    device : str

    Returns
    -------
    result : object
        What `draw` returned.
    device : str
        Where it was made.
    """
    if device != "cpu":
        try:
            return draw(device), device
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        finally:
            stack.cpu()
            _release(device)
        gc.collect()
    return draw("cpu"), "cpu"


def warn_of_training(history, training, device):
    """Warn where a record is of another device or batch size than what was asked for.

    Parameters
    ----------
    history : list of ClassHistory
    training : TrainingSettings
    device : str
    """
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
