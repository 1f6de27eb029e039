"""One function over many tasks by joblib: with how many threads each, and where a device allows.

joblib's own backends run on this machine: loky and multiprocessing in processes, threading in
threads of this one. Any other (dask, ray, spark) has workers of its own.
"""

from contextlib import closing, contextmanager
from threading import Lock
from typing import NamedTuple

import torch
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import BACKENDS, get_active_backend

# Number of multiplications in a step of training or sampling below which a second thread gains at
# most a quarter, and makes the step 20 times slower if another program keeps its core busy.
_MIN_THREADED_WORK = 20_000_000

_LOCAL_BACKENDS = ("sequential", "threading", "multiprocessing", "loky")


class Execution(NamedTuple):
    """With which seed, where and by how many jobs something is computed.

    Attributes
    ----------
    root : int
        Root seed.
    device : str
    n_jobs : int or None
        joblib's. On an accelerator one of joblib's own backends runs one job at a time: more
        would share the device, and each process takes memory on it for itself.
    """

    root: int
    device: str = "cpu"
    n_jobs: int | None = None


def results_as():
    """Return joblib's `return_as`: a generator where the active backend has one, else a list."""
    # multiprocessing and ray have none.
    return "generator" if get_active_backend()[0].supports_return_generator else "list"


def run_jobs(function, tasks, execution, *, work):
    """Call a function once for each task, several at once.

    Parameters
    ----------
    function : callable
        Of a module, so that it can be sent to another process.
    tasks : iterable of tuple
        The arguments of each call.
    execution : Execution
    work : int
        Multiplications in the largest step of a task; it decides on the threads.

    Yields
    ------
    result : object
        What the function returned, task by task; at once if joblib's backend can do so.
    """
    backend, _ = get_active_backend()
    local = next((b for b in _LOCAL_BACKENDS if type(backend) is BACKENDS.get(b)), None)
    n_jobs = execution.n_jobs
    if local is not None and execution.device != "cpu":
        n_jobs = 1
    n_threads = _n_threads(work, local, effective_n_jobs(n_jobs))
    parallel = Parallel(n_jobs=n_jobs, return_as=results_as())
    results = parallel(delayed(_call)(n_threads, function, task) for task in tasks)
    if isinstance(results, list):
        yield from results
    else:
        with closing(results):
            yield from results


def _n_threads(work, local, n_jobs):
    """Return the most torch threads of a job, or None where its process knows best."""
    if work < _MIN_THREADED_WORK:
        return 1
    if n_jobs == 1:
        return None
    if local == "threading":
        return max(1, torch.get_num_threads() // n_jobs)
    # OpenMP's threads do not survive a fork. The other backends divide the cores themselves.
    return 1 if local == "multiprocessing" else None


def _call(n_threads, function, task):
    with torch_threads(n_threads):
        return function(*task)


class _Lowered:
    """How many blocks of `torch_threads` are open in this process, and what was before them."""

    lock = Lock()
    n_open = 0
    before = None


@contextmanager
def torch_threads(n_threads):
    """Use at most `n_threads` torch threads in this thread of this process.

    torch keeps a number for every thread that has begun, and one for those to come. Blocks that
    overlap in several threads all return to the number that the first of them has found, in
    whatever order they end.

    Parameters
    ----------
    n_threads : int or None
        None leaves all as it is.
    """
    if n_threads is None:
        yield
        return
    with _Lowered.lock:
        # Asked before the number is set: torch gives a thread its number at the first request, and
        # a block that ends meanwhile in another thread would overwrite it.
        here = torch.get_num_threads()
        if not _Lowered.n_open:
            _Lowered.before = here
        _Lowered.n_open += 1
        torch.set_num_threads(min(n_threads, _Lowered.before))
    try:
        yield
    finally:
        with _Lowered.lock:
            _Lowered.n_open -= 1
            torch.set_num_threads(_Lowered.before)
