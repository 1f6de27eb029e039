"""Settings that torch keeps for a whole process or thread, which may be the user's own."""

from contextlib import ExitStack, contextmanager
from threading import Lock

import torch

__all__ = ["torch_defaults"]


class _Replaced:
    """How many blocks of `torch_defaults` are open in this process, and what was before them."""

    lock = Lock()
    n_open = 0
    before = None


def _of_process():
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled(), warns


def _set_process(dtype, deterministic, warns):
    torch.set_default_dtype(dtype)
    torch.use_deterministic_algorithms(deterministic, warn_only=warns)


@contextmanager
def torch_defaults():
    """Compute with torch's own defaults, whatever the user has set, and leave that as it is.

    A context manager and, called, a decorator. Inside, new tensors are of float32 and on the CPU,
    gradients are recorded, nothing is cast automatically, and what has no deterministic algorithm
    warns. Blocks that overlap in several threads all return to what the first has found.
    """
    with _Replaced.lock:
        if not _Replaced.n_open:
            _Replaced.before = _of_process()
            _set_process(torch.float32, _Replaced.before[1], True)
        _Replaced.n_open += 1
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            # Either costs time in every call of torch.
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            yield
    finally:
        with _Replaced.lock:
            _Replaced.n_open -= 1
            if not _Replaced.n_open:
                _set_process(*_Replaced.before)
