"""Tests of what happens when an accelerator's memory runs out; the accelerator is simulated."""

import warnings

import numpy as np
import pytest
import shared
import torch
from numpy.testing import assert_array_equal
from shared import table

from sklearn_pyraug._generation import fit as fitting
from sklearn_pyraug._generation import memory
from sklearn_pyraug._generation.memory import drawing_attempts, training_attempts
from sklearn_pyraug.rhvae import Generator, ReferenceGenerator

MESSAGES = [
    "CUDA error: out of memory",
    "MPS backend out of memory (MPS allocated: 1 GB)",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
]
ERRORS = [torch.OutOfMemoryError("CUDA out of memory."), *map(RuntimeError, MESSAGES)]


def quick(**parameters):
    """Return an augmenter that trains in no time on the CPU, wherever the tests run."""
    return shared.quick(**{"device": "cpu"} | parameters)


class Device:
    """Stands in for a device with room for batches and draws of a limited size."""

    def __init__(self, most_rows, error=ERRORS[0]):
        self.most_rows = most_rows
        self.error = error
        self.tried = []

    def take(self, n_rows, device):
        """Raise if `n_rows` do not fit."""
        self.tried.append((n_rows, device))
        if device != "cpu" and n_rows > self.most_rows:
            raise self.error

    def train(self, batch_size, device):
        """Train with so many rows a step."""
        self.take(batch_size, device)
        return batch_size, device


def train_within_memory(train, batch_size, n_rows, device):
    """Train in attempts; return the result of the last."""
    for attempt in training_attempts(batch_size, n_rows, device):
        with attempt:
            result = train(attempt.batch_size, attempt.device)
    return result


def draw_within_memory(draw, stack, device):
    """Draw in attempts."""
    for attempt in drawing_attempts(stack, device):
        with attempt:
            draw(attempt.device)


@pytest.fixture
def pretended(monkeypatch):
    """Simulate a device "cuda", whose work is done on the CPU."""

    def pretend(device, *, draws=None):
        calls = [(fitting, n) for n in ("train_generator", "train_reference_generator")]
        for module, name in calls:
            monkeypatch.setattr(module, name, on_cpu(getattr(module, name), device.take))
        draws = draws or Device(np.inf)
        for kind in (Generator, ReferenceGenerator):
            monkeypatch.setattr(kind, "draw", on_cpu(kind.draw, draws.take))
        monkeypatch.setattr("sklearn_pyraug._augmenter.check_device", lambda name: "cuda")
        monkeypatch.setattr("sklearn_pyraug._config._MIN_ACCELERATED_WORK", 0)
        monkeypatch.setattr("sklearn_pyraug._augmenter.available_device", lambda *args: "cuda")
        return draws

    return pretend


def on_cpu(function, take):
    """Return a function that asks the simulated device for room, then works on the CPU."""

    def call(*args, device, **kwargs):
        training = getattr(args[1], "training", None)
        take(1 if training is None else training.batch_size, device)
        result = function(*args, device="cpu", **kwargs)
        if training is None:
            return result
        return result._replace(history=[h._replace(device=device) for h in result.history])

    return call


@pytest.fixture
def data():
    return table((30, 28, 26))


# --- the retries by themselves -------------------------------------------------------------


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_how_an_error_says_that_memory_ran_out(error):
    device = Device(99, error)
    train_within_memory(device.train, 100, 1000, "cuda")
    assert device.tried == [(100, "cuda"), (50, "cuda")]


@pytest.mark.parametrize(
    ("most_rows", "expected"),
    [
        (100, [(100, "cuda")]),
        (60, [(100, "cuda"), (50, "cuda")]),
        (8, [(100, "cuda"), (50, "cuda"), (25, "cuda"), (12, "cuda"), (8, "cuda")]),
        (7, [(100, "cuda"), (50, "cuda"), (25, "cuda"), (12, "cuda"), (8, "cuda"), (100, "cpu")]),
    ],
)
def test_batches_are_halved_then_the_cpu_takes_over(most_rows, expected):
    device = Device(most_rows)
    result = train_within_memory(device.train, 100, 1000, "cuda")
    assert device.tried == expected
    assert result == expected[-1]


def test_a_batch_is_no_larger_than_the_rows():
    """Halving 100 for 30 rows would fail in the same way again."""
    device = Device(20)
    train_within_memory(device.train, 100, 30, "cuda")
    assert device.tried == [(100, "cuda"), (15, "cuda")]


@pytest.mark.parametrize(("batch_size", "n_rows"), [(4, 1000), (8, 1000), (100, 5)])
def test_no_batch_below_eight(batch_size, n_rows):
    device = Device(0)
    train_within_memory(device.train, batch_size, n_rows, "cuda")
    assert device.tried == [(batch_size, "cuda"), (batch_size, "cpu")]


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes"), ValueError("bad")])
def test_other_errors_pass(error):
    device = Device(0, error)
    with pytest.raises(type(error), match=str(error)):
        train_within_memory(device.train, 100, 1000, "cuda")
    stack = torch.nn.Linear(1, 1)
    with pytest.raises(type(error), match=str(error)):
        draw_within_memory(lambda d: device.take(1, d), stack, "cuda")
    assert len(device.tried) == 2


def test_the_cpus_own_memory_is_not_the_matter():
    def fail(*args):
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        train_within_memory(fail, 100, 10, "cpu")
    with pytest.raises(torch.OutOfMemoryError):
        draw_within_memory(fail, torch.nn.Linear(1, 1), "cpu")


def test_tensors_of_a_failed_attempt_are_let_go():
    """The exception holds the frames, and these the tensors, as long as it is being handled."""
    alive = []

    class Held:
        def __init__(self):
            alive.append(self)
            self.own = self  # A cycle, as a net and its callbacks have.
            self.key = len(alive)

        def __del__(self):
            gone.append(self.key)

    gone, seen = [], []

    def train(batch_size, device):
        seen.append(list(gone))
        held = Held()
        alive.clear()
        if device != "cpu":
            raise torch.OutOfMemoryError
        return held.key

    train_within_memory(train, 16, 100, "cuda")
    assert [len(s) for s in seen] == [0, 1, 2]


def test_memory_is_given_back(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("cuda"))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: calls.append("mps"))
    for device in ("cpu", "cuda", "cuda:1", "mps"):
        train_within_memory(Device(100).train, 100, 10, device)
        draw_within_memory(lambda d: None, torch.nn.Linear(1, 1), device)
    assert calls == ["cuda"] * 4 + ["mps"] * 2


def test_the_stack_comes_back_to_the_cpu(monkeypatch):
    """After any error: a pickle of a stack on a device could not be read without one."""
    monkeypatch.setattr(memory, "_release", lambda device: None)
    stack = torch.nn.Linear(1, 1)

    def fail(device):
        stack.to("meta")
        raise KeyboardInterrupt

    monkeypatch.setattr(stack, "cpu", lambda: stack.to_empty(device="cpu"))
    with pytest.raises(KeyboardInterrupt):
        draw_within_memory(fail, stack, "cuda")
    assert stack.weight.device.type == "cpu"


# --- an augmenter --------------------------------------------------------------------------

every_network = pytest.mark.parametrize(
    "networks", [{}, {"decoder": "direct"}, {"shared": False}], ids=["default", "direct", "own"]
)


@every_network
def test_smaller_batches_give_what_they_would_have_given(data, pretended, networks):
    """The group starts again from fresh streams: nothing of the failed attempts is left."""
    expected = quick(batch_size=8, **networks).fit_resample(*data)[0]
    pretended(Device(10))
    augmenter = quick(batch_size=16, **networks)
    with pytest.warns(UserWarning, match="memory of device='cuda' ran out") as record:
        X_res, _ = augmenter.fit_resample(*data)
    assert len(record) == 1
    n = 3
    assert f"of {n} generators, {n} with batch_size=8 instead of 16" in str(record[0].message)
    assert "use batch_size=8." in str(record[0].message)
    assert_array_equal(X_res, expected)
    assert {(h.device, h.batch_size) for h in augmenter.history_.values()} == {("cuda", 8)}
    assert augmenter.device_ == "cuda"


@every_network
def test_the_cpu_trains_what_the_device_cannot(data, pretended, networks):
    expected = quick(batch_size=16, **networks).fit_resample(*data)[0]
    pretended(Device(0))
    augmenter = quick(batch_size=16, **networks)
    with pytest.warns(UserWarning, match="on the CPU were trained.*device='cpu'") as record:
        X_res, _ = augmenter.fit_resample(*data)
    assert len(record) == 1
    assert_array_equal(X_res, expected)
    assert {(h.device, h.batch_size) for h in augmenter.history_.values()} == {("cpu", 16)}


@every_network
def test_the_cpu_draws_what_the_device_cannot(data, pretended, networks):
    expected = quick(**networks).fit_resample(*data)[0]
    draws = pretended(Device(np.inf), draws=Device(0))
    augmenter = quick(**networks)
    with pytest.warns(UserWarning, match="rows were drawn on the CPU") as record:
        X_res, _ = augmenter.fit_resample(*data)
    assert len(record) == 1
    assert_array_equal(X_res, expected)
    assert {d for _, d in draws.tried} == {"cuda", "cpu"}
    assert {h.device for h in augmenter.history_.values()} == {"cuda"}


@every_network
def test_no_warning_where_all_fits(data, pretended, networks):
    pretended(Device(np.inf))
    augmenter = quick(**networks)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmenter.fit_resample(*data)
    assert {(h.device, h.batch_size) for h in augmenter.history_.values()} == {("cuda", 100)}


def test_what_history_says_on_the_cpu(data):
    augmenter = quick(batch_size=10).fit(*data)
    assert {(h.device, h.batch_size) for h in augmenter.history_.values()} == {("cpu", 10)}
