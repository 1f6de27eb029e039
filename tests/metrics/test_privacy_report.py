"""Tests of the report on how near new rows lie to training rows."""

import warnings

import numpy as np
import pytest
from shared import codes, kinds, numbers, quick, root_mean_square, table
from sklearn.datasets import load_iris

from sklearn_pyraug import LearnedMetric, RHVAEAugmenter, Transfer
from sklearn_pyraug.metrics import PrivacyCounts, PrivacyReport, _neighbors
from sklearn_pyraug.metrics._neighbors import Spacing
from sklearn_pyraug.metrics._privacy import privacy_report

# Draws that stay where they start: codes move little, and a small share of a difference is taken.
NEAR = {"metric": LearnedMetric(temperature=1e-3), "output": Transfer(scale=1e-4)}


# --- the report, of points made by hand ---------------------------------------------------


def test_report_of_points_on_a_line():
    T = np.repeat(np.array([[0, 1, 3, 7, 15]], np.float32).T, 4, axis=1)
    # Copy, near-copy (a tenth of the median is 0.2), close (below 1), at the threshold, far.
    new = np.repeat(np.array([[3, 7.125, 15.5, 5.5, 11]], np.float32).T, 4, axis=1)
    new = np.concatenate([new, [[4, 3, 3, 3], [-0.0, 0, 0, 0], [5, 3, 3, 3]]]).astype(np.float32)
    # The last three: one column off by 1 (1/2), a copy except for the sign of zero, one off by 2
    # (1).
    y_index = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    report = privacy_report(new, T, y_index, ["a", "b"])
    assert report == PrivacyReport(
        n_rows=8,
        n_measured=8,
        n_close=5,
        n_near_copies=3,
        n_copies=2,
        expected_share=2 / 6,
        n_training_rows=5,
        n_twins=0,
        spacing=Spacing(1.0, 2.0, 0.0),
        by_label={"a": PrivacyCounts(4, 4, 3, 2, 1), "b": PrivacyCounts(4, 4, 2, 1, 1)},
    )
    assert report.share == 5 / 8
    assert report.threshold == 1.0


def test_a_distance_at_the_threshold_is_not_below_it_whatever_the_rounding():
    T = np.arange(5, dtype=np.float32)[:, None] * np.float32(0.1)
    new = T + np.float32(0.1)
    assert privacy_report(new[-1:], T, np.zeros(1, int), ["a"]).n_close == 0


def test_twins_make_the_threshold_zero_and_are_counted():
    T = codes(50)
    T[1], T[2], T[4] = T[0], T[0], T[3]
    new = np.concatenate([T[:4], codes(6, seed=1)])
    report = privacy_report(new, T, np.zeros(10, int), [7])
    assert report.threshold == 0
    assert (report.n_close, report.n_copies, report.n_twins) == (0, 4, 5)
    assert report.n_near_copies == 4
    assert str(report) == (
        "40 % of 10 synthetic rows (4) equal a training row, and 10 % of 50 training rows (5) "
        "equal another one. With so many twins among them, distances cannot tell copies from "
        "chance."
    )


def test_the_text_is_a_few_sentences():
    report = PrivacyReport(200, 200, 1, 0, 0, 0.01, 500, 0, Spacing(0.3, 0.8, 0.0), {})
    text = (
        "0.5 % of 200 synthetic rows (1) lie closer to a training row than the closest 1 % of the "
        "training rows lie to each other; of rows drawn independently, about 1 % (2) would. None "
        "is a near-copy, within a tenth of the usual distance. None equals a training row."
    )
    assert str(report) == repr(report) == text
    several = report._replace(n_rows=30_000, n_measured=10_000, n_close=2000, n_near_copies=2)
    assert str(several._replace(n_copies=3)) == (
        "20 % of 10000 out of 30000 synthetic rows (2000) lie closer to a training row than the "
        "closest 1 % of the training rows lie to each other; of rows drawn independently, about "
        "1 % (100) would. 2 are near-copies, within a tenth of the usual distance. 3 equal a "
        "training row."
    )
    none = privacy_report(np.empty((0, 3), np.float32), codes(9), np.empty(0, int), ["a"])
    assert str(none) == "There are no synthetic rows."
    assert (none.n_rows, none.share, none.by_label) == (0, 0.0, {})
    assert not none.has_many_near_copies


@pytest.mark.parametrize(
    ("n_near_copies", "near_share", "expected"),
    [(3, 0.0, False), (4, 0.0, True), (4, 0.09, True), (4, 0.14, False), (10, 0.4, False)],
)
def test_near_copies_are_many_by_number_share_and_comparison(n_near_copies, near_share, expected):
    report = PrivacyReport(
        10, 10, 0, n_near_copies, 0, 0.01, 500, 0, Spacing(0.3, 0.8, near_share), {}
    )
    assert report.has_many_near_copies is expected
    # A tenth of as many rows.
    assert not report._replace(n_measured=100).has_many_near_copies


@pytest.mark.parametrize("n", [20, 100, 199, 400])
def test_the_share_expected_of_independent_rows(n, random_seed):
    """That a given one of n + 1 rows is of the closest pair is 2 / (n + 1) likely."""
    n_repeats, n_new = 150, 40
    shares, rng = [], np.random.default_rng(random_seed)
    for _ in range(n_repeats):
        T = rng.normal(size=(n + n_new, 2)).astype(np.float32)
        report = privacy_report(T[n:], T[:n], np.zeros(n_new, int), [0])
        shares.append(report.share)
    error = np.std(shares) / np.sqrt(n_repeats)
    assert abs(np.mean(shares) - report.expected_share) < 5 * error


def test_of_many_rows_some_are_measured(monkeypatch):
    monkeypatch.setattr(_neighbors, "_MAX_MEASURED", 40)
    T, new = codes(300), codes(200, seed=1)
    new[:50] = T[:50]
    y_index = np.repeat([0, 1], 100)
    report = privacy_report(new, T, y_index, ["a", "b"])
    assert (report.n_rows, report.n_measured, report.n_copies) == (200, 40, 50)
    assert report.by_label["a"].n_rows == 100
    assert sum(counts.n_measured for counts in report.by_label.values()) == 40
    # 50 of 200 rows: of 40, 10 +- 2.5.
    assert 1 <= report.n_close <= 22
    assert report == privacy_report(new, T, y_index, ["a", "b"])
    within = root_mean_square(T, T) + np.diag(np.full(300, np.inf))
    chosen = _neighbors.chosen_rows(300)
    assert report.threshold == pytest.approx(np.quantile(within.min(axis=1)[chosen], 0.01))


# --- the report of an augmenter ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["table", "mixed", "images"])
def test_the_report_is_that_of_the_definition(kind):
    data, y = kinds()
    augmenter = quick()
    X_new, y_new = augmenter.fit_resample(data[kind], y)
    report, mask = augmenter.privacy_, augmenter.synthetic_mask_
    T = augmenter._row_encoder.codec.encode(numbers(augmenter, X_new))
    within = root_mean_square(T[~mask], T[~mask]) + np.diag(np.full(31, np.inf))
    threshold = np.quantile(within.min(axis=1), 0.01)
    distances = root_mean_square(T[mask], T[~mask]).min(axis=1)
    assert report.threshold == pytest.approx(threshold)
    assert report.n_rows == report.n_measured == mask.sum()
    assert report.n_close == (distances < threshold * (1 - 1e-6)).sum()
    assert report.n_near_copies == (distances <= report.spacing.median / 10).sum()
    assert report.n_copies == (distances == 0).sum()
    for label, counts in report.by_label.items():
        of_label = np.asarray(y_new)[mask] == label
        assert counts.n_rows == of_label.sum()
        assert counts.n_copies == (distances[of_label] == 0).sum()
    nearest = (distances <= augmenter.origin_distances_[mask] * (1 + 1e-6)).all()
    assert nearest


def test_near_copies_are_warned_of_and_named_in_the_report():
    X, y = table()
    augmenter = RHVAEAugmenter(max_epochs=5, random_state=0, **NEAR)
    with pytest.warns(UserWarning, match=r"of 80 synthetic rows are near-copies.*min_distance"):
        augmenter.fit_resample(X, y)
    assert augmenter.privacy_.n_near_copies == 80
    assert augmenter.privacy_.share == 1


def test_default_settings_give_no_warning():
    X, y = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmenter = RHVAEAugmenter(max_epochs=30, random_state=0)
        augmenter.fit_resample(X, y)
    assert not augmenter.privacy_.has_many_near_copies


def test_ties_give_no_warning():
    """Few values in few columns: rows are alike by chance."""
    X = np.random.default_rng(0).integers(0, 3, (90, 3))
    y = np.repeat([0, 1, 2], [40, 30, 20])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = RHVAEAugmenter(max_epochs=10, random_state=0)
        report.fit_resample(X, y)
    assert report.privacy_.threshold == 0
    assert report.privacy_.n_twins > 45


def test_a_report_is_saved(tmp_path):
    augmenter = quick()
    augmenter.fit_resample(*table())
    augmenter.save(tmp_path / "model.pyraug")
    assert RHVAEAugmenter.load(tmp_path / "model.pyraug").privacy_ == augmenter.privacy_
