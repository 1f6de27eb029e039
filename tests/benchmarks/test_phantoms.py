"""The figures of the phantom brains are fair: same data, same steps, correct intervals."""

import argparse
import csv

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.ndimage import gaussian_filter

from benchmarks import harness
from benchmarks.gain import phantoms

QUICK = {"max_epochs": 2, "encoder__hidden_layer_sizes": (8,), "device": "cpu"}


@pytest.fixture
def args():
    """Options of a run of few small volumes."""
    args = phantoms.make_parser().parse_args(["--quick"])
    phantoms.make_quick(args)
    return args


def test_settings_are_literals_or_text():
    texts = [
        "max_epochs=5",
        "decoder=direct",
        "encoder__hidden_layer_sizes=(8, 4)",
        "lr=1e-3",
        "x=a=b",
    ]
    assert phantoms.parse_settings(texts) == {
        "max_epochs": 5,
        "decoder": "direct",
        "encoder__hidden_layer_sizes": (8, 4),
        "lr": 1e-3,
        "x": "a=b",
    }
    with pytest.raises(ValueError, match="--set: 'decoder' has no value"):
        phantoms.parse_settings(["decoder"])


@pytest.mark.parametrize("wrong", ["decoder", "no_such_parameter=1"])
def test_wrong_settings_end_before_any_work(wrong, capsys, tmp_path):
    with pytest.raises(SystemExit):
        phantoms.main(["--set", wrong, "--out", str(tmp_path)])
    assert wrong.partition("=")[0] in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", phantoms.KINDS)
def test_training_and_test_volumes_are_balanced_and_others(args, kind):
    args.kind = kind
    X, y, X_test, y_test = phantoms.make_data(args, seed=0)
    assert X.shape == (24, 16, 20, 16)
    assert np.bincount(y).tolist() == [12, 12]
    assert np.bincount(y_test).tolist() == [20, 20]
    everything = np.concatenate([X, X_test]).reshape(64, -1)
    assert len(np.unique(everything, axis=0)) == 64
    assert not np.isin(phantoms.make_data(args, seed=1)[0], X).all((1, 2, 3)).any()


def test_only_one_class_has_lesions_and_they_may_be_anywhere():
    X, y = phantoms.make_lesion_phantoms(40, (20, 20, 20), random_state=0)
    assert X.dtype == np.float32
    assert X.min() >= 0
    assert X.max() <= 1
    again, _ = phantoms.make_lesion_phantoms(10, (20, 20, 20), random_state=0)
    np.testing.assert_array_equal(again, X[:10])
    # Inside the organ, several dark voxels in a row are a lesion.
    inner = gaussian_filter(X, (0, 1, 1, 1))[:, 8:12, 8:12, 8:12]
    darkest = inner.min((1, 2, 3))
    assert darkest[y == 1].mean() < darkest[y == 0].mean() - 0.05
    # The mean volumes of the classes hardly differ anywhere.
    assert np.abs(X[y == 0].mean(0) - X[y == 1].mean(0)).max() < 0.3


def test_power_of_noise_is_its_variance_and_means_of_neighbours_lose_the_high_frequencies():
    noise = np.random.default_rng(0).normal(scale=3.0, size=(10, 16, 20, 18))
    np.testing.assert_allclose(phantoms.radial_power(noise), 9.0, rtol=0.15)
    blurred = gaussian_filter(noise, (0, 1, 1, 1))
    assert phantoms.sharpness(noise, noise) == 1.0
    assert phantoms.sharpness(blurred, noise) < 0.1
    assert np.isnan(phantoms.sharpness(noise[:0], noise))


@pytest.mark.parametrize("method", ["none", "SMOTE", "ours"])
def test_methods_keep_the_originals_and_add_the_same_number(args, method):
    X, y, _, _ = phantoms.make_data(args, seed=0)
    X_all, y_all = phantoms.resample(method, X, y, 7, QUICK, seed=0)
    n_new = 0 if method == "none" else 7
    assert X_all.shape == (24 + 2 * n_new, 16, 20, 16)
    assert np.bincount(y_all).tolist() == [12 + n_new] * 2
    np.testing.assert_array_equal(X_all[:24], X)
    np.testing.assert_array_equal(y_all[:24], y)


@pytest.mark.parametrize("n", [12, 24, 50])
def test_the_cnn_takes_the_same_steps_whatever_it_is_trained_on(n):
    X = np.random.default_rng(0).random((n, 8, 8, 8), dtype=np.float32)
    net = phantoms.Cnn(n_steps=3, seed=0).fit(X, np.arange(n) % 2)
    sizes = [batch["train_batch_size"] for batch in net.history[-1]["batches"]]
    assert sizes == [phantoms.BATCH_SIZE] * 3
    # The learning rate is 0 at the last step.
    assert net.optimizer_.param_groups[0]["lr"] == pytest.approx(0)


def test_the_cnn_learns_and_is_made_by_its_seed():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = rng.normal(size=(40, 8, 8, 8)).astype(np.float32)
    # What tells the classes apart is a block of brighter voxels.
    X[y == 1, 2:6, 2:6, 2:6] += 2
    torch.manual_seed(0)
    before = torch.get_rng_state()
    nets = [phantoms.Cnn(40, seed).fit(X, y) for seed in (0, 0, 1)]
    assert torch.equal(before, torch.get_rng_state())
    first, again, other = (net.predict_proba(X) for net in nets)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (nets[0].predict(X) == y).mean() > 0.9


def test_t_interval_is_that_of_a_t_test():
    differences = np.array([1.0, 4.0, 2.5, -0.5, 3.0])
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert phantoms.t_interval(differences) == pytest.approx(tuple(interval))
    assert np.isnan(phantoms.t_interval(differences[:1])).all()


def test_gains_are_paired_by_seed():
    same = dict.fromkeys(("roc_auc", "closeness", "sharpness", "resample_s", "classifier_s"), 1.0)
    scores = {"none": {0: 60.0, 1: 80.0, 2: 70.0}, "ours": {2: 74.0, 1: 81.0, 0: 61.0}}
    records = [
        {"seed": seed, "method": method, "classifier": "cnn", "balanced_accuracy": score} | same
        for method, by_seed in scores.items()
        for seed, score in by_seed.items()
    ]
    none, ours = phantoms.summarise(records, ["none", "ours"], ["cnn"])
    assert "gain" not in none
    assert none["balanced_accuracy_percent"] == pytest.approx(70)
    assert ours["gain"] == pytest.approx(2)
    # Differences of 1, 1 and 4: a standard deviation of √3.
    assert ours["t interval"] == pytest.approx([2 - 4.3027, 2 + 4.3027], abs=1e-3)
    assert ours["wins"] == ours["seeds"] == 3
    assert ours["bootstrap"][0] < 2 < ours["bootstrap"][1]


@pytest.mark.slow
def test_a_run_writes_scores_and_a_page(tmp_path, capsys):
    options = ["--quick", "--seeds", "2", "--set", "max_epochs=2", "--steps", "2"]
    phantoms.main([*options, "--methods", "ours", "--out", str(tmp_path)])
    with open(tmp_path / "phantoms.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2
    assert {row["n_train"] for row in rows if row["method"] == "none"} == {"24"}
    assert {row["n_train"] for row in rows if row["method"] == "ours"} == {"48"}
    page = (tmp_path / "phantoms.md").read_text(encoding="utf-8")
    assert page.strip() == capsys.readouterr().out.strip()
    assert page.count("| ours ") == 2


@pytest.mark.parametrize("text", ["0", "-1"])
def test_numbers_are_positive(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a positive number"):
        harness.positive(text)
