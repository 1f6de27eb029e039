"""Trainings that are killed and resumed: the same weights, whole files, no foreign ones."""

import json
import os
import random
import signal
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from shared import quick, table
from skorch.callbacks import Callback
from torch import nn

from sklearn_pyraug import Checkpoint, _augmenter
from sklearn_pyraug._generation import checkpoint as _checkpoint
from sklearn_pyraug._generation.cache import digest
from sklearn_pyraug._serialization.archive import read_archive, write_archive
from sklearn_pyraug.rhvae.training import net as training

# Each exercises another part of the state: reference rows, several minibatches and held-out rows
# and classes that stop early, roll-backs and several generators, convolutions.
CASES = {
    "residual": {"decoder": "residual", "shared": False},
    "direct": {
        "decoder": "direct",
        "batch_size": 5,
        "validation_fraction": 0.25,
        "patience": 2,
        "lr": 0.05,
    },
    "deformation": {"decoder": "deformation", "sample_shape": (4, 4), "batch_size": 16},
    "posterior": {"decoder": "direct", "metric": "posterior"},
}
N_EPOCHS = 7


class Killed(Exception):
    """Stands in for the end of a process."""


class Quiet(Callback):
    """A callback that changes nothing."""


class WithDropout(nn.Module):
    """An encoder that draws random numbers and keeps statistics."""

    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(n_features, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3)
        )
        self.mu = nn.Linear(8, latent_dim)
        self.log_var = nn.Linear(8, latent_dim)

    def forward(self, x):
        h = self.body(x)
        return self.mu(h), self.log_var(h)


def data(case):
    # The first two classes share a stack, and the second is in the middle of its rows when an
    # epoch of the first ends.
    return table((25, 17, 8), n_features=16 if case == "deformation" else 4)


def augmenter(case, folder=None, interval=1, **changes):
    checkpoint = folder and Checkpoint(folder, interval=interval)
    parameters = {"max_epochs": N_EPOCHS, "checkpoint": checkpoint}
    return quick(**{**parameters, **CASES.get(case, {}), **changes})


def result(fitted):
    """Return everything that training produced."""
    stacks = [group.generator.stack for group in fitted._generators.trained]
    return digest((stacks, fitted.history_, fitted.n_epochs_, fitted.sample(3)))


def kill(case, folder, n, monkeypatch, **changes):
    """Train until step `n`, in which the process 'is killed'; return whether it was."""
    original = training.StackNet.train_step
    seen = 0

    def train_step(self, batch, **fit_params):
        nonlocal seen
        seen += 1
        if seen == n:
            raise Killed
        return original(self, batch, **fit_params)

    with monkeypatch.context() as patch:
        patch.setattr(training.StackNet, "train_step", train_step)
        try:
            augmenter(case, folder, **changes).fit(*data(case))
        except Killed:
            return True
    return False


@pytest.mark.parametrize(
    ("case", "interval"), [*((case, 1) for case in CASES), ("direct", 2), ("direct", 1e-9)]
)
def test_a_training_that_was_killed_arrives_at_the_same_weights(
    case, interval, tmp_path, monkeypatch
):
    undisturbed = result(augmenter(case).fit(*data(case)))
    for n in (1, 4, 9, 3):
        kill(case, tmp_path, n, monkeypatch, interval=interval)
    went_on = augmenter(case, tmp_path, interval=interval).fit(*data(case))
    assert result(went_on) == undisturbed


@pytest.mark.slow
def test_networks_with_random_numbers_and_statistics_go_on(tmp_path, monkeypatch):
    changes = {"encoder": WithDropout, "decoder": "direct", "batch_size": 6}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "encoder: layer", UserWarning)
        warnings.filterwarnings("ignore", ".*one after another", UserWarning)
        undisturbed = result(augmenter("", **changes).fit(*data("")))
        assert kill("", tmp_path, 12, monkeypatch, **changes)
        assert kill("", tmp_path, 5, monkeypatch, **changes)
        assert result(augmenter("", tmp_path, **changes).fit(*data(""))) == undisturbed


def test_a_class_that_was_rolled_back_goes_on(tmp_path, monkeypatch):
    """Halved steps and emptied moments are part of the state."""
    original = training.StackNet.train_step_single

    def train_step_single(self, batch, **fit_params):
        step = original(self, batch, **fit_params)
        if len(self.history) == 2:
            self.batch_loss_ = self.batch_loss_.clone()
            self.batch_loss_[0] = torch.nan
        return step

    monkeypatch.setattr(training.StackNet, "train_step_single", train_step_single)
    undisturbed = augmenter("direct").fit(*data("direct"))
    assert undisturbed.history_[0].n_rollbacks > 0
    assert kill("direct", tmp_path, 11, monkeypatch)
    assert result(augmenter("direct", tmp_path).fit(*data("direct"))) == result(undisturbed)


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_fit_resample_goes_on_with_any_number_of_jobs(n_jobs, tmp_path, monkeypatch):
    X, y = data("direct")
    X_res, y_res = augmenter("direct").fit_resample(X, y)
    kill("direct", tmp_path, 8, monkeypatch)
    again = augmenter("direct", tmp_path, n_jobs=n_jobs)
    X_on, y_on = again.fit_resample(X, y)
    np.testing.assert_array_equal(X_on, X_res)
    np.testing.assert_array_equal(y_on, y_res)


def test_a_finished_training_is_not_repeated(tmp_path, monkeypatch):
    first = augmenter("residual", tmp_path).fit(*data("residual"))
    assert not kill("residual", tmp_path, 1, monkeypatch)
    assert result(augmenter("residual", tmp_path).fit(*data("residual"))) == result(first)


@pytest.mark.parametrize("case", ["residual", "direct"])
def test_a_finished_training_goes_on_with_more_epochs(case, tmp_path, caplog):
    patient = {"patience": None}
    longer = {"max_epochs": N_EPOCHS + 4} | patient
    augmenter(case, tmp_path, **patient).fit(*data(case))
    caplog.set_level("INFO", logger="sklearn_pyraug")
    went_on = augmenter(case, tmp_path, **longer).fit(*data(case))
    assert "goes on after epoch" in caplog.text
    assert result(went_on) == result(augmenter(case, **longer).fit(*data(case)))
    with pytest.raises(ValueError, match="more epochs than max_epochs"):
        augmenter(case, tmp_path, max_epochs=2, **patient).fit(*data(case))


def test_an_interrupted_training_goes_on_after_its_last_epoch(tmp_path, monkeypatch, caplog):
    """Whatever the interval, Ctrl-C writes the state."""
    original = training.StackNet.train_step

    def train_step(self, batch, **fit_params):
        if len(self.history) == 5:
            raise KeyboardInterrupt
        return original(self, batch, **fit_params)

    with monkeypatch.context() as patch:
        patch.setattr(training.StackNet, "train_step", train_step)
        with pytest.raises(KeyboardInterrupt):
            augmenter("deformation", tmp_path, interval=3600.0).fit(*data("deformation"))
    caplog.set_level("INFO", logger="sklearn_pyraug")
    went_on = augmenter("deformation", tmp_path, interval=3600.0).fit(*data("deformation"))
    assert "goes on after epoch 4 of" in caplog.text
    assert result(went_on) == result(augmenter("deformation").fit(*data("deformation")))


def test_runs_that_start_at_once_do_not_break_each_other(tmp_path):
    """Both find an empty folder before either has written."""
    first, second = (_checkpoint.CheckpointFolder(tmp_path, 1) for _ in range(2))
    first.claim(3, {"lr": "x"})
    second.claim(3, {"lr": "x"})
    with pytest.raises(ValueError, match="with other lr, random_state"):
        _checkpoint.CheckpointFolder(tmp_path, 1).claim(4, {"lr": "y"})


def test_without_a_random_state_the_seed_is_that_of_the_folder(tmp_path, monkeypatch):
    fresh = iter([5, 6])
    undisturbed = augmenter("residual", random_state=5).fit(*data("residual"))
    monkeypatch.setattr(_augmenter, "root_seed", lambda random_state: next(fresh))
    assert kill("residual", tmp_path, 3, monkeypatch, random_state=None)
    went_on = augmenter("residual", tmp_path, random_state=None).fit(*data("residual"))
    np.testing.assert_array_equal(
        went_on.history_[0].train_loss, undisturbed.history_[0].train_loss
    )
    np.testing.assert_array_equal(
        went_on.history_[0].train_reconstruction, undisturbed.history_[0].train_reconstruction
    )


def test_what_does_not_change_the_training_may_be_other(tmp_path, monkeypatch):
    kill("residual", tmp_path, 3, monkeypatch)
    changes = {"sampler": "prior", "output": "mean", "verbose": 0, "n_jobs": 2}
    again = augmenter("residual", tmp_path, **changes, augmentation_factor=3, memory=None)
    # Threads start at once, processes take seconds.
    with joblib.parallel_config("threading"):
        undisturbed = augmenter("residual", **changes).fit(*data("residual"))
        assert result(again.fit(*data("residual"))) == result(undisturbed)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lr": 0.1}, "lr"),
        ({"random_state": 1}, "random_state"),
        ({"latent_dim": 3, "patience": 8}, "latent_dim, patience"),
    ],
)
def test_other_parameters_are_refused_by_name(changes, named, tmp_path, monkeypatch):
    kill("residual", tmp_path, 3, monkeypatch)
    before = sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir())
    with pytest.raises(ValueError, match=f"other {named}, which.*Name another folder"):
        augmenter("residual", tmp_path, **changes).fit(*data("residual"))
    assert sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize("change", ["value", "label", "row"])
def test_other_data_are_refused(change, tmp_path, monkeypatch):
    kill("residual", tmp_path, 3, monkeypatch)
    X, y = data("residual")
    if change == "value":
        X[3, 2] += 0.01
    elif change == "label":
        y[:2] = y[:2][::-1] if y[0] != y[1] else (y[:2] + 1) % 3
    else:
        X, y = X[:-1], y[:-1]
    with pytest.raises(ValueError, match=r"with other .*data.*memory in its place"):
        augmenter("residual", tmp_path).fit(X, y)


def test_a_refused_fit_leaves_the_last_one_usable(tmp_path, monkeypatch):
    kill("residual", tmp_path, 3, monkeypatch)
    fitted = augmenter("residual").fit(*data("residual"))
    before = fitted.sample(4)[0]
    fitted.set_params(checkpoint=tmp_path, lr=0.3)
    with pytest.raises(ValueError, match="lr"):
        fitted.fit(data("residual")[0][:, :3], data("residual")[1])
    np.testing.assert_array_equal(fitted.sample(4)[0], before)


def test_other_versions_are_refused(tmp_path, monkeypatch):
    kill("residual", tmp_path, 3, monkeypatch)
    from sklearn_pyraug._generation import cache as _cache

    monkeypatch.setattr(_cache, "library_versions", lambda: {"torch": "0.1"})
    with pytest.raises(ValueError, match="other versions, which"):
        augmenter("residual", tmp_path).fit(*data("residual"))


def test_the_path_may_not_be_a_file(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"checkpoint='.*notes.txt' is a file\. Name a folder"):
        augmenter("residual", path).fit(*data("residual"))
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named_with_a_remedy(tmp_path, monkeypatch):
    """The error named a hidden temporary file in it, and not the parameter."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", ".run.json.tmp")

    match = r"checkpoint='.*run' cannot be written \(Permission denied\)\. Free space, or name"
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(PermissionError, match=match):
        augmenter("residual", tmp_path / "run").fit(*data("residual"))
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionError, match=match):
        augmenter("residual", tmp_path / "run").fit(*data("residual"))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 1, "version": 1}', "[" * 10**5]
)
def test_a_run_file_of_something_else_is_refused_and_kept(content, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"run.json that is damaged or not of this package"):
        augmenter("residual", tmp_path).fit(*data("residual"))
    assert path.read_text() == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("name", ["run.json", "group-0000.state"])
def test_a_pipe_is_not_waited_for(name, tmp_path):
    augmenter("residual", tmp_path).fit(*data("residual"))
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="pipe.*[Dd]elete"):
        augmenter("residual", tmp_path).fit(*data("residual"))


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    augmenter("residual", tmp_path).fit(*data("residual"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "group-0000-fine-tuning.state",
        "group-0000.state",
        "run.json",
        "thesis.tex",
    ]


def damage(path, how):
    meta, tensors = read_archive(path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    elif how == "key":
        write_archive(path, meta | {"key": "0"}, tensors)
    elif how == "settings":
        write_archive(path, {n: v for n, v in meta.items() if n != "n_chunks"}, tensors)
    elif how == "weights":
        name = next(n for n in tensors if n.startswith("weights."))
        write_archive(path, meta, tensors | {name: torch.zeros(3)})
    elif how == "stream":
        write_archive(path, meta, tensors | {"streams.noise.0": torch.zeros(3, dtype=torch.uint8)})
    elif how == "records":
        write_archive(path, meta, tensors | {"records.active": torch.tensor([7])})
    elif how == "chunks":
        chunks = {n: v + 1000 for n, v in tensors.items() if n.startswith("chunks.")}
        write_archive(path, meta, tensors | chunks)
    elif how == "missing":
        write_archive(path, meta, {n: v for n, v in tensors.items() if n != "losses.0"})


@pytest.mark.parametrize(
    "how",
    [
        "cut",
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in ("key", "settings", "weights", "stream", "records", "chunks", "missing")
        ),
    ],
)
def test_a_damaged_state_is_named_with_a_remedy(how, tmp_path, monkeypatch):
    # Two steps into the third epoch of the stack of two classes.
    patient = {"patience": None}
    assert kill("direct", tmp_path, 24, monkeypatch, **patient)
    paths = sorted(tmp_path.glob("*.state"))
    path = paths[0]
    if how == "chunks":
        path = next(p for p in paths if any("chunks" in n for n in read_archive(p)[1]))
    damage(path, how)
    with pytest.raises(ValueError, match=f"{path.name}") as caught:
        augmenter("direct", tmp_path, **patient).fit(*data("direct"))
    assert "`checkpoint` has the damaged file" in str(caught.value)
    assert "Delete it" in str(caught.value)
    path.unlink()
    undisturbed = result(augmenter("direct", **patient).fit(*data("direct")))
    assert result(augmenter("direct", tmp_path, **patient).fit(*data("direct"))) == undisturbed


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch):
    def write_archive(path, meta, tensors):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_checkpoint, "write_archive", write_archive)
    with pytest.warns(UserWarning, match="`checkpoint` could not be written.*No space left"):
        fitted = augmenter("residual", tmp_path).fit(*data("residual"))
    assert result(fitted) == result(augmenter("residual").fit(*data("residual")))


def test_seconds_are_counted(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(_checkpoint.time, "monotonic", lambda: clock[0])
    store = _checkpoint.GroupStore(tmp_path / "group-0000.state", "key", 30.0)
    assert store.read() is None
    clock[0] = 29.0
    assert not store.due(1)
    clock[0] = 30.0
    assert store.due(2)
    assert not _checkpoint.GroupStore(tmp_path, "key", 5).due(4)
    assert _checkpoint.GroupStore(tmp_path, "key", 5).due(10)


class Notes(Callback):
    """A callback that looks at the whole history at the end."""

    seen = None

    def on_train_end(self, net, **kwargs):
        type(self).seen = net.history[:, ("epoch", "train_loss_best", "valid_loss_best")]


def test_callbacks_see_the_history_of_a_training_that_was_not_killed(tmp_path, monkeypatch):
    augmenter("direct", callbacks=[Notes()]).fit(*data("direct"))
    undisturbed = Notes.seen
    assert kill("direct", tmp_path, 15, monkeypatch, callbacks=[Notes()])
    assert 1 < len(Notes.seen) < len(undisturbed)
    with pytest.warns(UserWarning, match="does not hold the state of callbacks"):
        augmenter("direct", tmp_path, callbacks=[Notes()]).fit(*data("direct"))
    assert Notes.seen == undisturbed


def test_callbacks_are_said_to_start_anew(tmp_path, monkeypatch):
    """What a callback has seen is not in the folder, as it may be of any kind."""
    assert kill("residual", tmp_path, 3, monkeypatch, callbacks=[Quiet()])
    with pytest.warns(UserWarning, match="does not hold the state of callbacks"):
        augmenter("residual", tmp_path, callbacks=[Quiet()]).fit(*data("residual"))
    with pytest.raises(ValueError, match="other callbacks, which"):
        augmenter("residual", tmp_path).fit(*data("residual"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_twenty_kills_by_the_system(tmp_path):
    """SIGKILL at random moments, also while a file is being written."""
    # Two phases, so that a file of either may be cut off.
    case, changes = "deformation", {"max_epochs": 60, "patience": None}
    X, y = table((40, 25, 12), n_features=16)
    start = time.perf_counter()
    undisturbed = result(augmenter(case, **changes).fit(X, y))
    duration = time.perf_counter() - start
    rng = random.Random(0)
    n_kills = n_files = 0
    while n_kills < 20:
        child = os.fork()
        if child == 0:
            # None of pytest's code may run in the child.
            augmenter(case, tmp_path, **changes).fit(X, y)
            os._exit(0)
        time.sleep(rng.uniform(0.0, 0.3 * duration))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            n_kills += 1
        else:
            # The training was finished: start again from nothing.
            for path in tmp_path.iterdir():
                path.unlink()
        for path in tmp_path.glob("*.state"):
            read_archive(path)
            n_files += 1
        if (tmp_path / "run.json").exists():
            json.loads((tmp_path / "run.json").read_text())
    went_on = augmenter(case, tmp_path, **changes).fit(X, y)
    print(f"{case}: {n_kills} kills, {n_files} files read, none corrupt")
    assert n_files > 0
    assert result(went_on) == undisturbed
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_saved_model_names_no_folder(tmp_path):
    from sklearn_pyraug import RHVAEAugmenter

    fitted = augmenter("residual", tmp_path / "state", memory=tmp_path / "cache")
    fitted.fit(*data("residual")).save(tmp_path / "model.pyraug")
    assert str(tmp_path).encode() not in (tmp_path / "model.pyraug").read_bytes()
    loaded = RHVAEAugmenter.load(tmp_path / "model.pyraug")
    assert loaded.checkpoint is None
    assert loaded.memory is None
    np.testing.assert_array_equal(loaded.sample(2)[0], fitted.sample(2)[0])
