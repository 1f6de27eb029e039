"""`warm_start=True`: another fit goes on from the weights of the last one."""

import warnings

import numpy as np
import pytest
import torch
from shared import quick, table

from sklearn_pyraug.rhvae.training import net as training
from sklearn_pyraug.rhvae.training.records import joined_history
from sklearn_pyraug.rhvae.training.resume import take_weights


def weights(fitted):
    """Return the weights of all members, by member."""
    return {
        k: take_weights(group.generator.stack, i)
        for group in fitted._generators.trained
        for i, k in enumerate(group.members)
    }


def first_weights(monkeypatch):
    """Note the weights with which each training begins."""
    seen = []
    original = training.StackNet.initialize

    def initialize(self):
        net = original(self)
        seen.append([take_weights(self.module_, k) for k in range(self.module_.n_classes)])
        return net

    monkeypatch.setattr(training.StackNet, "initialize", initialize)
    return seen


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0, check_device=False)


@pytest.mark.parametrize("decoder", ["residual", "direct"])
def test_the_second_training_begins_with_the_last_weights(decoder, monkeypatch):
    X, y = table()
    augmenter = quick(decoder=decoder, warm_start=True).fit(X, y)
    last = weights(augmenter)
    seen = first_weights(monkeypatch)
    augmenter.fit(X, y)
    members = [k for group in augmenter._generators.trained for k in group.members]
    for k, begun in zip(members, [w for group in seen for w in group], strict=True):
        assert_equal(begun, last[k])


def test_without_it_a_second_fit_is_the_first_once_more():
    X, y = table()
    augmenter = quick().fit(X, y)
    before = augmenter.sample(3)[0]
    np.testing.assert_array_equal(augmenter.fit(X, y).sample(3)[0], before)


@pytest.mark.parametrize("shared", [True, False])
def test_records_are_continued(shared):
    X, y = table()
    augmenter = quick(warm_start=True, shared=shared, max_epochs=3, patience=None).fit(X, y)
    first = {k: record.train_loss for k, record in augmenter.history_.items()}
    augmenter.set_params(max_epochs=4).fit(X, y)
    assert augmenter.n_epochs_ == {0: 7, 1: 7, 2: 7}
    for k, record in augmenter.history_.items():
        np.testing.assert_array_equal(record.train_loss[:3], first[k])
        assert len(record.valid_loss) == len(record.train_reconstruction) == 7
        assert 0 < record.best_epoch <= 7


def test_a_record_without_terms_is_continued():
    """A file of an earlier version lacks the terms of the loss: those epochs are not known."""
    X, y = table()
    record = quick(max_epochs=2).fit(X, y).history_[0]
    old = record._replace(train_reconstruction=None, valid_reconstruction=None)
    joined = joined_history(old, record)
    assert np.isnan(joined.train_reconstruction[:2]).all()
    np.testing.assert_array_equal(joined.train_reconstruction[2:], record.train_reconstruction)
    assert joined_history(old, old).train_reconstruction is None
    assert old.train_divergence is None


def test_it_learns_on():
    """Three short trainings in a row get as far as a long one, within its noise."""
    X, y = table((60, 60), n_features=6)
    one = quick(max_epochs=90, patience=None).fit(X, y)
    three = quick(max_epochs=30, patience=None, warm_start=True)
    losses = [three.fit(X, y).history_[0].train_loss[-5:].mean() for _ in range(3)]
    long = one.history_[0].train_loss
    assert losses[2] < losses[0]
    # A third of what the long training gained after its first third.
    gained = long[25:30].mean() - long[-5:].mean()
    assert losses[2] < long[-5:].mean() + gained / 3


def test_the_noise_is_not_that_of_the_first_training():
    X, y = table()
    augmenter = quick(warm_start=True, lr=1e-12, max_epochs=2).fit(X, y)
    first = augmenter.history_[0].train_loss
    again = augmenter.fit(X, y).history_[0].train_loss[2:]
    # The weights are as they were, but for 1e-12: only the noise differs.
    assert not np.any(np.isclose(first, again, rtol=1e-5))


def test_new_rows_of_the_same_kind_are_welcome():
    X, y = table()
    augmenter = quick(warm_start=True).fit(X, y)
    other, labels = table((30, 9, 15), seed=1)
    assert augmenter.fit(other, labels).sample(4)[0].shape == (12, 4)
    assert augmenter.n_epochs_[0] == 4


def test_fit_resample_goes_on_too_and_the_result_has_one_seed():
    X, y = table((20, 20, 20))
    runs = [quick(warm_start=True).fit(X, y).fit_resample(X, y)[0] for _ in range(2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    jobs = quick(warm_start=True, n_jobs=2).fit(X, y).fit_resample(X, y)[0]
    np.testing.assert_array_equal(jobs, runs[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_dim": 3}, "cannot go on from the networks of the last fit.*warm_start=False"),
        ({"hidden_layer_sizes": (9,)}, "cannot go on from the networks of the last fit"),
        ({"decoder": "direct"}, "needs other networks"),
        ({"n_generators": 2}, "needs other networks"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_other_networks_are_refused_and_the_last_fit_stays(changes, message):
    X, y = table()
    augmenter = quick(warm_start=True).fit(X, y)
    before = augmenter.sample(2)[0]
    unchanged = augmenter.get_params()
    with pytest.raises(ValueError, match=message):
        augmenter.set_params(**changes).fit(X, y)
    augmenter.set_params(**{name: unchanged[name] for name in changes})
    np.testing.assert_array_equal(augmenter.sample(2)[0], before)


def test_other_columns_and_classes_are_refused():
    X, y = table()
    augmenter = quick(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="goes on from a fit to 3 classes, but y has others"):
        augmenter.fit(X[y < 2], y[y < 2])
    with pytest.raises(ValueError, match="cannot go on from the networks of the last fit"):
        augmenter.fit(X[:, :3], y)
    assert augmenter.n_features_in_ == 4


def test_a_class_that_was_not_trained_is_named_as_the_cause():
    X, y = table((20, 12))
    augmenter = quick(decoder="direct", augmentation_factor=1.0, warm_start=True)
    augmenter.fit_resample(X, y)
    with pytest.raises(ValueError, match="needs other networks"):
        augmenter.fit(X, y)


@pytest.mark.parametrize("sizes", [(3, 3), (20, 20)])
def test_where_nothing_is_trained_nothing_goes_on(sizes):
    """Classes too small for a generator, and classes that do not grow, have no weights."""
    X, y = table(sizes)
    augmenter = quick(warm_start=True, shared=False, decoder="direct", augmentation_factor=1.0)
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Too few rows to train", UserWarning)
            if sizes == (3, 3):
                augmenter.fit(X, y)
                assert augmenter.sample(2)[0].shape == (4, 4)
            else:
                assert len(augmenter.fit_resample(X, y)[0]) == 40


def test_a_wide_table_needs_the_same_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 60)), np.arange(20) % 2
    augmenter = quick(warm_start=True).fit(X, y)
    assert augmenter.fit(X, y).n_epochs_[0] == 4
    with pytest.raises(ValueError, match="needs the same rows, as the table is wide"):
        augmenter.fit(X + rng.normal(size=X.shape), y)


def test_it_is_part_of_what_memory_knows(tmp_path):
    X, y = table()
    plain = quick(warm_start=True).fit(X, y).fit(X, y).sample(2)[0]
    cached = quick(warm_start=True, memory=tmp_path).fit(X, y).fit(X, y).sample(2)[0]
    np.testing.assert_array_equal(cached, plain)


def test_a_loaded_model_goes_on(tmp_path):
    X, y = table()
    augmenter = quick(warm_start=True).fit(X, y)
    augmenter.save(tmp_path / "model.pyraug")
    loaded = type(augmenter).load(tmp_path / "model.pyraug")
    np.testing.assert_array_equal(loaded.fit(X, y).sample(2)[0], augmenter.fit(X, y).sample(2)[0])
