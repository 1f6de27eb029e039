"""Tests of jobs, threads and devices, and of many classes and many rows."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from joblib._parallel_backends import ThreadingBackend
from numpy.testing import assert_array_equal
from shared import quick, table
from sklearn.linear_model import LogisticRegression

from sklearn_pyraug._generation import fit as fitting
from sklearn_pyraug._generation.jobs import Execution, run_jobs, torch_threads
from sklearn_pyraug.pipeline import Pipeline

LARGE = 10**12


class ElsewhereBackend(ThreadingBackend):
    """Stands in for a backend that has workers of its own."""


class ListBackend(ThreadingBackend):
    """Stands in for a backend that returns all results at once, as ray's does."""

    supports_return_generator = False


joblib.register_parallel_backend("elsewhere", ElsewhereBackend)
joblib.register_parallel_backend("lists", ListBackend)


def whereabouts(i):
    return i, os.getpid(), threading.get_ident(), torch.get_num_threads()


def places(n_jobs=2, device="cpu", work=0, n_tasks=4):
    tasks = [(i,) for i in range(n_tasks)]
    found = list(run_jobs(whereabouts, tasks, Execution(0, device, n_jobs), work=work))
    assert [i for i, *_ in found] == list(range(n_tasks))
    return found


def in_a_new_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture
def four_threads():
    """Give torch four threads; asserts that it has them afterwards, in new threads, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        yield
        assert torch.get_num_threads() == 4
        assert in_a_new_thread(torch.get_num_threads) == 4
    finally:
        torch.set_num_threads(before)


# --- threads -------------------------------------------------------------------------------


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("first_to_leave", [0, 1])
def test_blocks_that_overlap_return_to_what_was_before(first_to_leave):
    """The second thread saw the number that the first had set, and must not return to it."""
    entered, leave = ([threading.Event() for _ in range(2)] for _ in range(2))
    seen = [[], []]

    def work(i):
        with torch_threads(1):
            seen[i].append(torch.get_num_threads())
            entered[i].set()
            leave[i].wait(10)
        seen[i].append(torch.get_num_threads())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread, event in zip(threads, entered, strict=True):
        thread.start()
        assert event.wait(10)
    for i in (first_to_leave, 1 - first_to_leave):
        leave[i].set()
        threads[i].join(10)
    assert seen == [[1, 4], [1, 4]]


@pytest.mark.usefixtures("four_threads")
def test_a_block_that_ends_elsewhere_leaves_a_new_thread_its_number():
    """A thread that has not yet asked for its number has one, too."""
    entered, leave = threading.Event(), threading.Event()
    seen = []

    def first():
        with torch_threads(1):
            entered.set()
            leave.wait(10)

    def second():
        with torch_threads(1):
            leave.set()
            threads[0].join(10)
            seen.append(torch.get_num_threads())

    threads = [threading.Thread(target=work) for work in (first, second)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert seen == [1]


@pytest.mark.usefixtures("four_threads")
def test_blocks_within_blocks():
    with torch_threads(None):
        assert torch.get_num_threads() == 4
        with torch_threads(3), torch_threads(2):
            assert torch.get_num_threads() == 2
    with torch_threads(9):
        assert torch.get_num_threads() == 4
    with pytest.raises(KeyboardInterrupt), torch_threads(1):
        raise KeyboardInterrupt


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(
    ("work", "n_jobs", "expected"),
    [(0, 1, 1), (0, 2, 1), (LARGE, 1, 4), (LARGE, 2, 2), (LARGE, 9, 1)],
)
def test_threads_of_one_process_are_divided(work, n_jobs, expected):
    with joblib.parallel_config("threading"):
        assert {n for *_, n in places(n_jobs, work=work)} == {expected}


@pytest.mark.slow
@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(("work", "expected"), [(0, 1), (LARGE, 2)])
def test_processes_have_the_threads_that_joblib_gives_them(work, expected):
    with joblib.parallel_config("loky", inner_max_num_threads=2):
        found = places(work=work)
        assert {n for *_, n in found} == {expected}
        assert os.getpid() not in {process for _, process, *_ in found}
        # The workers stay, for other functions.
        later = joblib.Parallel(n_jobs=2)(joblib.delayed(whereabouts)(i) for i in range(4))
        assert {n for *_, n in later} == {2}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_jobs_inside_jobs(backend, tmp_path):
    """Cross-validation and search on two jobs, with two jobs within: same scores, no deadlock."""
    script = Path(__file__).parents[1] / "nested_jobs.py"
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run(
        [sys.executable, script, tmp_path, backend],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    print(done.stdout)
    one, two = json.loads(done.stdout).values()
    assert one["scores"] == two["scores"]
    n_threads, here = one["afterwards"], str(one["here"])
    assert two["afterwards"] == n_threads
    assert one["narrow"] == {here: 1}
    assert one["wide"] == {here: n_threads}
    assert set(two["narrow"].values()) == {1}
    # Two processes or threads work at once: each has its share of the cores.
    assert set(two["wide"].values()) == {max(1, n_threads // 2)}
    assert (here in two["wide"]) == (backend == "threading")


# --- devices and backends ------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_one_job_on_an_accelerator_of_this_machine(backend, device):
    here = (os.getpid(), threading.get_ident())
    with joblib.parallel_config(backend, n_jobs=2):
        for n_jobs in (None, 2, -1):
            assert {tuple(p[1:3]) for p in places(n_jobs, device)} == {here}


@pytest.mark.parametrize("backend", ["elsewhere", "lists"])
def test_workers_elsewhere_have_devices_of_their_own(backend):
    with joblib.parallel_config(backend):
        found = places(2, "cuda")
    assert threading.get_ident() not in {thread for _, _, thread, _ in found}


@pytest.mark.parametrize("decoder", ["auto", "direct"])
@pytest.mark.parametrize("backend", ["elsewhere", "lists"])
def test_the_same_rows_by_any_backend(backend, decoder, monkeypatch):
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", {"cpu": 1})
    X, y = table()
    parameters = {"decoder": decoder, "shared": False}
    expected = quick(**parameters).fit_resample(X, y)[0]
    with joblib.parallel_config(backend, n_jobs=2):
        assert_array_equal(quick(**parameters).fit_resample(X, y)[0], expected)


@pytest.mark.slow
@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_multiprocessing(monkeypatch):
    """It cannot return results one by one, and its workers must not use OpenMP's threads."""
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", {"cpu": 1})
    X, y = table()
    expected = quick(decoder="direct").fit_resample(X, y)[0]
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        assert {n for *_, n in places(work=LARGE)} == {1}
        assert_array_equal(quick(decoder="direct").fit_resample(X, y)[0], expected)


# --- many classes, many rows ---------------------------------------------------------------


@pytest.mark.filterwarnings(
    "ignore:The Hamiltonian flow of .* does not preserve volume:UserWarning"
)
@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_a_hundred_classes(decoder):
    X, y = table((8,) * 100, n_features=20)
    augmenter = quick(decoder=decoder, augmentation_factor=2)
    X_res, y_res = augmenter.fit_resample(X, y)
    assert np.isfinite(X_res).all()
    assert np.bincount(y_res).tolist() == [16] * 100
    assert sum(len(g.members) for g in augmenter._generators.trained) == 100


def test_too_many_classes_share_one_network(monkeypatch):
    """A copy for each would take memory in proportion to their number."""
    monkeypatch.setattr("sklearn_pyraug._generation.fit._MAX_COPIED_WEIGHTS", 100)
    X, y = table()
    with pytest.warns(UserWarning, match=r"3 classes share one network.*shared=True"):
        augmenter = quick().fit(X, y)
    assert [g.members for g in augmenter._generators.trained] == [[0]]
    assert augmenter.sample(2)[0].shape == (6, 4)


# Rows, and the memory in MiB that they may take beside the libraries: rows and codes, in and out,
# are a few copies of (300,000, 5) numbers, 12 MiB each; a distance of all pairs would be 40,000.
MANY = """
import resource, sys
import numpy as np
from sklearn_pyraug import RHVAEAugmenter

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

n = 100_000
y = (np.arange(n) % 10 < 3).astype(int)
X = np.random.default_rng(0).normal(size=(n, 5)) + y[:, None]
RHVAEAugmenter(max_epochs=1, random_state=0).fit_resample(X[:1000], y[:1000])
before = peak()
parameters = eval(sys.argv[1])
X_res, y_res = RHVAEAugmenter(max_epochs=1, random_state=0, **parameters).fit_resample(X, y)
assert np.bincount(y_res).tolist() == [140_000, 140_000]
assert np.isfinite(X_res).all()
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is a system's own")
@pytest.mark.parametrize(
    "parameters",
    [
        {"validation_fraction": 0.2},
        # The Markov chains of "hmc" cost milliseconds a row: linear, but too long for a test.
        {"decoder": "direct", "sampler": "posterior"},
    ],
    ids=["from real rows", "direct"],
)
def test_a_hundred_thousand_rows(parameters):
    done = subprocess.run(
        [sys.executable, "-c", MANY, repr(parameters)],
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
    )
    print(f"{float(done.stdout):.0f} MiB")
    assert float(done.stdout) < 600


# --- pipelines with a memory ---------------------------------------------------------------


@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_a_pipeline_with_a_memory_trains_once(decoder, tmp_path, monkeypatch):
    train, n_trainings = fitting._train_groups, []

    def counted(*args, **kwargs):
        n_trainings.append(1)
        return train(*args, **kwargs)

    monkeypatch.setattr(fitting, "_train_groups", counted)
    X, y = table()
    steps = [("augment", quick(decoder=decoder)), ("classify", LogisticRegression())]
    pipeline = Pipeline(steps, memory=str(tmp_path))
    first = pipeline.fit(X, y).predict_proba(X)
    for C in (0.1, 10.0):
        pipeline.set_params(classify__C=C).fit(X, y)
    assert not np.allclose(pipeline.predict_proba(X), first)
    assert_array_equal(pipeline.set_params(classify__C=1.0).fit(X, y).predict_proba(X), first)
    assert len(n_trainings) == 1
    # The step that comes out of the cache is fitted.
    assert len(pipeline["augment"].sample(2)[0]) == 6
    pipeline.set_params(augment__max_epochs=3).fit(X, y)
    pipeline.fit(X + 1.0, y)
    assert len(n_trainings) == 3
