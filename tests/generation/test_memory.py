"""With `memory` nothing is trained or drawn twice, and no wrong result is returned."""

import warnings

import joblib
import numpy as np
import pytest
from shared import quick, table
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sklearn_pyraug import Columns, LearnedMetric, Pipeline, Residual, Transfer
from sklearn_pyraug._generation import cache as _cache
from sklearn_pyraug._generation import fit as fitting
from sklearn_pyraug._generation import sample as sampling
from sklearn_pyraug.rhvae.training import net as training


@pytest.fixture
def counted(monkeypatch):
    """Count trainings of groups and draws."""
    counts = {"train": 0, "draw": 0}

    def count(train):
        def counting(*args, **kwargs):
            counts["train"] += 1
            return train(*args, **kwargs)

        return counting

    for name in ("train_generator", "train_reference_generator"):
        monkeypatch.setattr(fitting, name, count(getattr(fitting, name)))
    original = sampling.run_jobs

    def run_jobs(*args, **kwargs):
        counts["draw"] += 1
        return original(*args, **kwargs)

    monkeypatch.setattr(sampling, "run_jobs", run_jobs)
    return counts


@pytest.mark.parametrize("decoder", ["residual", "direct"])
@pytest.mark.parametrize("kind", ["path", "str", "memory"])
def test_an_identical_fit_resample_is_answered_from_the_cache(kind, decoder, tmp_path, counted):
    X, y = table((20, 20, 20))
    memory = {"path": tmp_path, "str": str(tmp_path), "memory": joblib.Memory(tmp_path, verbose=0)}
    expected = quick(decoder=decoder).fit_resample(X, y)
    counted.update(train=0, draw=0)
    for _ in range(2):
        again = quick(decoder=decoder, memory=memory[kind])
        X_res, y_res = again.fit_resample(X, y)
        np.testing.assert_array_equal(X_res, expected[0])
        np.testing.assert_array_equal(y_res, expected[1])
        assert counted == {"train": 1, "draw": 1}
        assert list(again.history_) == [0, 1, 2]
        assert again.sampler_info_.keys() == {0, 1, 2}


def test_rows_are_the_users_own_whatever_the_memory_maps(tmp_path):
    X, y = table()
    for _ in range(2):
        memory = joblib.Memory(tmp_path, mmap_mode="r", verbose=0)
        assert quick(memory=memory).fit(X, y).sample(2)[0].flags.writeable


@pytest.mark.slow
def test_a_grid_over_what_leaves_training_alone_trains_once_per_fold(tmp_path, counted):
    X, y = table((30, 18, 12))
    pipe = Pipeline([("aug", quick(memory=tmp_path)), ("clf", DecisionTreeClassifier())])
    grid = {
        "aug__augmentation_factor": np.linspace(1.1, 4, 10),
        "aug__sampler": ["posterior", "prior"],
    }
    search = GridSearchCV(pipe, grid, cv=3, refit=False, error_score="raise").fit(X, y)
    assert counted["train"] == 3
    assert counted["draw"] >= 60
    assert len(search.cv_results_["params"]) == 20


def test_fit_and_fit_resample_share_a_training(tmp_path, counted):
    X, y = table()
    quick(memory=tmp_path).fit(X, y)
    quick(memory=tmp_path, augmentation_factor=2.0).fit_resample(X, y)
    assert counted["train"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"max_epochs": 3},
        {"lr": 0.1},
        {"random_state": 1},
        {"latent_dim": 3},
        {"validation_fraction": 0.3},
        {"decoder": Residual(n_neighbors=3)},
        {"metric": "learned"},
        {"metric": LearnedMetric(max_centroids=5)},
        {"columns": Columns(scaling="quantile")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_matters_is_part_of_the_key(changes, tmp_path, counted):
    X, y = table()
    quick(memory=tmp_path).fit(X, y)
    expected = quick(**changes).fit(X, y).sample(2)[0]
    counted["train"] = 0
    np.testing.assert_array_equal(
        quick(memory=tmp_path, **changes).fit(X, y).sample(2)[0], expected
    )
    assert counted["train"] == 1


def test_data_are_part_of_the_key(tmp_path, counted):
    X, y = table()
    quick(memory=tmp_path).fit(X, y)
    X[0, 0] += 1e-3
    quick(memory=tmp_path).fit(X, y)
    quick(memory=tmp_path).fit(X, (y + 1) % 3)
    assert counted["train"] == 3


def test_versions_are_part_of_the_key(tmp_path, counted, monkeypatch):
    X, y = table()
    quick(memory=tmp_path).fit(X, y)
    monkeypatch.setattr(_cache, "library_versions", lambda: {"torch": "0.1"})
    quick(memory=tmp_path).fit(X, y)
    assert counted["train"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": "prior"},
        {"output": "mean"},
        {"output": Transfer(scale=0.5)},
        {"output": Transfer(residual=0.0)},
        {"columns": Columns(value_mapping=None)},
        {"n_jobs": 2},
        {"verbose": 0},
        {"augmentation_factor": 3.0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_drawn_otherwise_is_right_and_not_trained_again(changes, tmp_path, counted):
    X, y = table()
    quick(memory=tmp_path).fit_resample(X, y)
    # Threads start at once, processes take seconds.
    with joblib.parallel_config("threading"):
        expected = quick(**changes).fit_resample(X, y)[0]
        counted["train"] = 0
        again = quick(memory=tmp_path, **changes).fit_resample(X, y)[0]
    np.testing.assert_array_equal(again, expected)
    assert counted["train"] == 0


def encoder(source):
    names = {"nn": nn, "__name__": "__main__"}
    exec(source, names)
    return names["Encoder"]


ENCODER = """
class Encoder(nn.Module):
    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.mu = nn.Linear(n_features, latent_dim)
        self.log_var = nn.Linear(n_features, latent_dim)
    def forward(self, x):
        return self.mu(x), self.log_var(x) {change}
"""


def test_an_own_network_counts_by_its_code(tmp_path, counted, monkeypatch):
    """A cache that knows classes by their names would answer with the old network."""
    X, y = table()
    # joblib stores what it can pickle: the module of the class must be found.
    import __main__

    for change in ("", "- 1", ""):
        cls = encoder(ENCODER.format(change=change))
        monkeypatch.setattr(__main__, "Encoder", cls, raising=False)
        quick(memory=tmp_path, decoder="direct", encoder=cls).fit(X[y < 2], y[y < 2])
    assert counted["train"] == 2


def test_what_cannot_be_recognised_is_refused_by_name(tmp_path, counted):
    X, y = table()
    cls = encoder(ENCODER.format(change=""))
    numbers = iter([1, 2])

    def make(n_features, latent_dim):
        assert numbers is not None
        return cls(n_features, latent_dim)

    with pytest.raises(ValueError, match=r"`encoder` holds something.*a list_iterator.*at None"):
        quick(memory=tmp_path, decoder="direct", encoder=make).fit(X, y)
    assert counted["train"] == 0


def test_without_a_random_state_it_is_of_no_use_and_says_so(tmp_path, counted):
    X, y = table()
    with pytest.warns(UserWarning, match="`memory` is of no use with random_state=None"):
        quick(memory=tmp_path, random_state=None).fit_resample(X, y)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_training_is_not_kept(tmp_path, counted, monkeypatch):
    X, y = table()
    original = training.StackNet.train_step

    def interrupted(self, batch, **fit_params):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.StackNet, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quick(memory=tmp_path).fit(X, y)
    monkeypatch.setattr(training.StackNet, "train_step", original)
    fitted = quick(memory=tmp_path).fit(X, y)
    assert counted["train"] == 2
    np.testing.assert_array_equal(fitted.sample(2)[0], quick().fit(X, y).sample(2)[0])


def test_callbacks_and_checkpoints_go_with_it(tmp_path, counted):
    X, y = table()
    kept = {"memory": tmp_path / "cache", "checkpoint": tmp_path / "state"}
    for _ in range(2):
        fitted = quick(**kept).fit(X, y)
        np.testing.assert_array_equal(fitted.sample(2)[0], quick().fit(X, y).sample(2)[0])
    # Those without `memory` count, too.
    assert counted["train"] == 3


def test_a_bad_memory_is_refused_before_training(counted):
    X, y = table()
    with pytest.raises(ValueError, match="'memory' parameter"):
        quick(memory=3).fit(X, y)
    assert counted["train"] == 0


def broken_disk(*args, **kwargs):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("method", ["dump_item", "store_cached_func_code"])
def test_a_cache_that_fails_costs_a_warning(method, tmp_path, counted, monkeypatch):
    X, y = table()
    expected = quick().fit_resample(X, y)[0]
    counted["train"] = 0
    memory = joblib.Memory(tmp_path, verbose=0)
    monkeypatch.setattr(memory.store_backend, method, broken_disk)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(quick(memory=memory).fit_resample(X, y)[0], expected)
    assert counted["train"] == 1
    assert caught


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path, counted):
    X, y = table()
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="`memory` is .*Name a folder that you can write to"):
        quick(memory=tmp_path / "file" / "cache").fit(X, y)
    assert counted["train"] == 1


def test_a_damaged_entry_is_made_again_and_shows_no_row(tmp_path, capfd):
    """joblib prints the arguments of a call if it cannot read the result."""
    X, y = table()
    X[:, 0] = 31337 + np.arange(len(X))
    settings = {"columns": Columns(scaling="standard")}
    expected = quick(memory=tmp_path, **settings).fit_resample(X, y)[0]
    for path in tmp_path.rglob("output.pkl"):
        path.write_bytes(path.read_bytes()[:100])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again = quick(memory=joblib.Memory(tmp_path, verbose=50), **settings).fit_resample(X, y)[0]
    np.testing.assert_array_equal(again, expected)
    said = "".join(capfd.readouterr()) + "".join(str(w.message) for w in caught)
    assert "Calling" in said
    assert "tensor" not in said
    assert "array" not in said


def test_no_word_is_printed(tmp_path, capfd):
    X, y = table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            quick(memory=tmp_path).fit_resample(X, y)
    assert capfd.readouterr() == ("", "")
