"""Tests of what is told of new rows' nearness to training rows, and of `min_distance`."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from shared import dense, quick, table
from sklearn.datasets import load_iris

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug._generation import fitted as _generators
from sklearn_pyraug._generation import min_distance as privacy
from sklearn_pyraug._generation.min_distance import (
    Guard,
    PrivacyCounts,
    PrivacyReport,
    Spacing,
    closest,
    closest_other,
    find_spacing,
    make_guard,
    privacy_report,
)
from sklearn_pyraug._generation.sample import ClassDraw

# Draws that stay where they start: the codes move little, and little of a difference is taken.
NEAR = {"temperature": 1e-3, "transfer_scale": 1e-4}


def spread(n, n_columns=3, seed=0):
    """Return rows of a normal distribution as float32 codes."""
    return np.random.default_rng(seed).normal(size=(n, n_columns)).astype(np.float32)


def root_mean_square(A, B):
    """Return all distances from A's rows to B's, by their definition."""
    return np.sqrt(((A[:, None].astype(float) - B[None]) ** 2).mean(axis=2))


# --- distances -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_columns", [1, 3, 40])
def test_distances_to_the_closest_row(n_columns, monkeypatch):
    monkeypatch.setattr(privacy, "_BLOCK", 7 * n_columns)
    A, B = spread(50, n_columns), spread(60, n_columns, seed=1)
    assert_allclose(closest(A, B), cdist(A, B).min(axis=1), rtol=1e-6)
    within = cdist(B, B) + np.diag(np.full(60, np.inf))
    assert_allclose(closest_other(B), within.min(axis=1), rtol=1e-6)
    chosen = np.array([3, 50, 7])
    assert_allclose(closest_other(B, chosen), within.min(axis=1)[chosen], rtol=1e-6)


@pytest.mark.parametrize("n_twins", [2, 3, 5])
def test_the_closest_row_of_a_twin_is_a_twin(n_twins):
    """Whichever of several equal rows the search finds first."""
    rows = 1e4 + spread(20, 30)
    rows[:n_twins] = rows[0]
    assert_array_equal(closest_other(rows)[:n_twins], 0)
    assert (closest_other(rows)[n_twins:] > 0).all()
    assert_array_equal(closest(rows, rows), 0)


# --- the report, of points made by hand ---------------------------------------------------


def test_spacing_of_points_on_a_line():
    """0, 1, 3, 7, 15 in each of four columns: nearest others at 1, 1, 2, 4 and 8."""
    T = np.repeat(np.array([[0, 1, 3, 7, 15]], np.float32).T, 4, axis=1)
    assert find_spacing(T) == Spacing(1.0, 2.0, 0.0)
    twins = np.concatenate([T, T[:1]])
    # 0, 0, 1, 2, 4, 8: the percentile lies between the first two.
    assert find_spacing(twins) == Spacing(0.0, 1.5, pytest.approx(2 / 6))


def test_report_of_points_on_a_line():
    T = np.repeat(np.array([[0, 1, 3, 7, 15]], np.float32).T, 4, axis=1)
    # Copy, near-copy (a tenth of the median is 0.2), close (below 1), at the threshold, far.
    new = np.repeat(np.array([[3, 7.125, 15.5, 5.5, 11]], np.float32).T, 4, axis=1)
    new = np.concatenate([new, [[4, 3, 3, 3], [-0.0, 0, 0, 0], [5, 3, 3, 3]]]).astype(np.float32)
    # The last three: one column off by 1 is 1/2, a copy but for the sign of zero, one by 2 is 1.
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
    T = spread(50)
    T[1], T[2], T[4] = T[0], T[0], T[3]
    new = np.concatenate([T[:4], spread(6, seed=1)])
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
    none = privacy_report(np.empty((0, 3), np.float32), spread(9), np.empty(0, int), ["a"])
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


@pytest.mark.parametrize("n", [20, 100, 400])
def test_the_share_expected_of_independent_rows(n, random_seed):
    """That a given one of n + 1 rows is of the closest pair is 2 / (n + 1) likely."""
    n_repeats, n_new = 150, 40
    shares, rng = [], np.random.default_rng(random_seed)
    for _ in range(n_repeats):
        T = rng.normal(size=(n + n_new, 2)).astype(np.float32)
        report = privacy_report(T[n:], T[:n], np.zeros(n_new, int), [0])
        shares.append(report.share)
    error = np.std(shares) / np.sqrt(n_repeats)
    # Of 400 rows the percentile is an estimate, and chance a little above 1 %.
    tolerance = 5 * error + (0.004 if n == 400 else 0)
    assert abs(np.mean(shares) - report.expected_share) < tolerance


def test_of_many_rows_some_are_measured(monkeypatch):
    monkeypatch.setattr(privacy, "_MAX_MEASURED", 40)
    T, new = spread(300), spread(200, seed=1)
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
    chosen = privacy._some(300)
    assert report.threshold == pytest.approx(np.quantile(within.min(axis=1)[chosen], 0.01))


# --- the report of an augmenter ------------------------------------------------------------


def kinds():
    """Return data of each kind."""
    X, y = table((14, 10, 7))
    mixed = pytest.importorskip("pandas").DataFrame(X[:, :2], columns=["a", "b"])
    mixed["c"] = np.where(X[:, 2] > 0, "low", "high")
    images = np.random.default_rng(0).integers(0, 256, (31, 5, 5)).astype(np.uint8)
    return {"table": X, "mixed": mixed, "images": images}, y


@pytest.mark.parametrize("kind", ["table", "mixed", "images"])
def test_the_report_is_that_of_the_definition(kind):
    data, y = kinds()
    augmenter = quick()
    X_new, y_new = augmenter.fit_resample(data[kind], y)
    report, mask = augmenter.privacy_, augmenter.synthetic_mask_
    T = augmenter._codec.encode(numbers(augmenter, X_new))
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


def numbers(augmenter, X):
    """Return the user's rows as the codec's numbers."""
    if hasattr(X, "iloc"):
        levels = augmenter._schema.columns[2].levels
        X = X.assign(c=[list(levels).index(v) for v in X["c"]])
    return np.asarray(X).reshape(len(X), -1).astype(float)


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


# --- min_distance --------------------------------------------------------------------------


def nearest(augmenter, X, X_new):
    """Return the distances of new rows to their nearest training row."""
    T, T_new = (augmenter._codec.encode(numbers(augmenter, rows)) for rows in (X, X_new))
    return root_mean_square(T_new, T).min(axis=1)


def near(**parameters):
    """Return an augmenter whose rows are close to real ones, but for the longest steps."""
    return quick(transfer_scale=(0.01, 1.0), **parameters)


@pytest.mark.parametrize("distance", ["auto", 0.1])
@pytest.mark.parametrize("kind", ["table", "mixed"])
def test_no_row_is_closer_than_min_distance(distance, kind):
    data, y = kinds()
    X = data[kind]
    before = near()
    X_before, _ = before.fit_resample(X, y)
    limit = before.privacy_.threshold if distance == "auto" else distance
    assert (nearest(before, X, X_before[31:]) < limit).sum() >= 3
    augmenter = near(min_distance=distance)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X_new, y_new = augmenter.fit_resample(X, y)
        X_sampled, y_sampled = augmenter.sample({0: 20, 2: 3})
    assert (nearest(augmenter, X, X_new[31:]) >= limit * (1 - 1e-6)).all()
    assert (nearest(augmenter, X, X_sampled) >= limit * (1 - 1e-6)).all()
    assert_array_equal(y_new, before.fit_resample(X, y)[1])
    assert np.bincount(y_sampled).tolist() == [20, 0, 3]
    # The rows that were far enough are those that they were.
    far = nearest(before, X, X_before[31:]) >= limit
    assert_array_equal(dense(X_new)[31:][far], dense(X_before)[31:][far])
    if distance == "auto":
        assert augmenter.privacy_.n_close == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"decoder": "direct"},
        {"shared": False},
        {"value_mapping": None, "output": "draw"},
    ],
    ids=str,
)
def test_with_other_settings(parameters):
    X, y = table((14, 10, 7))
    augmenter = near(min_distance="auto", **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X_new, _ = augmenter.fit_resample(X, y)
    assert nearest(augmenter, X, X_new[31:]).min() >= augmenter.privacy_.threshold * (1 - 1e-6)
    assert augmenter.privacy_.n_close == 0


def test_values_that_are_mapped_by_rank():
    """Rows depend on each other: some remain, fewer than without, and the warning has the count."""
    X, y = table((14, 10, 7))
    before = near(value_mapping="quantile")
    before.fit_resample(X, y)
    augmenter = near(value_mapping="quantile", min_distance="auto")
    with pytest.warns(UserWarning, match="new rows are closer") as seen:
        augmenter.fit_resample(X, y)
    n_close = augmenter.privacy_.n_close
    assert n_close < before.privacy_.n_close
    assert str(seen[0].message).startswith(f"{n_close} of 53 new rows")


def test_images():
    images, y = kinds()[0]["images"], np.repeat([0, 1], [16, 15])
    augmenter = quick(min_distance=0.05)
    X_new, _ = augmenter.fit_resample(images, y)
    assert X_new.shape[1:] == (5, 5)
    assert nearest(augmenter, images, X_new[31:]).min() >= 0.05 * (1 - 1e-6)
    with pytest.warns(UserWarning, match="33 of 33 new rows are closer .* min_distance=9, "):
        quick(min_distance=9.0).fit_resample(images, y)


def test_classes_without_a_generator():
    """Rows between pairs of rows are drawn again, too, and differ from those of the first draw."""
    X, y = table((3, 2))
    before = quick(augmentation_factor=4, decoder="direct")
    with pytest.warns(UserWarning, match="Too few rows"):
        X_before, _ = before.fit_resample(X, y)
    limit = float(np.median(nearest(before, X, X_before[5:])))
    augmenter = quick(augmentation_factor=4, decoder="direct", min_distance=limit)
    with pytest.warns(UserWarning, match="Too few rows"):
        X_new, _ = augmenter.fit_resample(X, y)
    assert nearest(augmenter, X, X_new[5:]).min() >= limit * (1 - 1e-6)


def test_what_remains_too_close_is_the_furthest_of_all_draws(monkeypatch):
    """Rigged draws: attempt a puts row i at a distance of its own from the only real rows."""
    heights = np.random.default_rng(0).uniform(0.1, 0.9, (11, 4))
    calls = []

    def draw(generators, n_new, root, *arguments):
        drawn = {}
        for k, n in n_new.items():
            attempt = sum(label == k for label, _ in calls)
            calls.append((k, n))
            rows = np.zeros((n, 2))
            rows[:, 1] = heights[attempt, :n]
            drawn[k] = ClassDraw(rows.astype(np.float32), np.zeros(n, int), {})
        return drawn

    monkeypatch.setattr(_generators, "draw_classes", draw)
    codec = SimpleNamespace(
        n_codes_=2,
        decode=lambda T, y_index: T.astype(float),
        encode=lambda rows: rows.astype(np.float32),
    )
    guard = Guard(np.zeros((1, 2), np.float32), Spacing(1.0, 1.0, 0.0), 1.0)
    generators = _generators.ClassGenerators(
        codec, None, None, [], {}, {0: np.arange(3)}, 1, {}, None, None, None, guard=guard
    )
    with pytest.warns(UserWarning, match="4 of 4 new rows are closer .* drawn 11 times"):
        draws = generators.draw({0: 4}, 0, None, "cpu", None)
    assert_allclose(draws.X[:, 1], heights.max(axis=0), rtol=1e-6)
    assert calls == [(0, 4)] * 11


def test_the_warning_counts_and_tells_the_remedy():
    X, y = table()
    with pytest.warns(UserWarning, match="80 of 80 new rows .* Lower min_distance, or let") as seen:
        X_new, _ = quick(min_distance=1e6).fit_resample(X, y)
    assert np.isfinite(X_new).all()
    assert len([w for w in seen if "min_distance" in str(w.message)]) == 1


def test_min_distance_does_not_depend_on_the_jobs():
    X, y = table()
    one = near(min_distance="auto", shared=False, n_jobs=1).fit_resample(X, y)[0]
    with parallel_config(backend="threading"):
        two = near(min_distance="auto", shared=False, n_jobs=2).fit_resample(X, y)[0]
    assert_array_equal(one, two)


@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_a_loaded_augmenter_keeps_its_distance(decoder, tmp_path):
    X, y = table()
    augmenter = near(min_distance=0.3, decoder=decoder).fit(X, y)
    X_new, _ = augmenter.sample(10)
    augmenter.save(tmp_path / "model.pyraug")
    loaded = RHVAEAugmenter.load(tmp_path / "model.pyraug")
    assert_array_equal(loaded.sample(10)[0], X_new)
    assert nearest(loaded, X, X_new).min() >= 0.3 * (1 - 1e-6)
    assert nearest(loaded.set_params(min_distance=None), X, loaded.sample(10)[0]).min() < 0.3


def test_a_report_is_saved(tmp_path):
    augmenter = quick()
    augmenter.fit_resample(*table())
    augmenter.save(tmp_path / "model.pyraug")
    assert RHVAEAugmenter.load(tmp_path / "model.pyraug").privacy_ == augmenter.privacy_


def test_min_distance_can_be_changed_but_not_introduced_after_training():
    X, y = table()
    augmenter = near(min_distance="auto").fit(X, y)
    wide = augmenter.set_params(min_distance=0.3).sample(10)[0]
    assert nearest(augmenter, X, wide).min() >= 0.3 * (1 - 1e-6)
    augmenter = near().fit(X, y)
    with pytest.raises(ValueError, match=r"min_distance=0\.4 was set after training.*before fit"):
        augmenter.set_params(min_distance=0.4).sample(10)


def test_training_rows_are_kept_only_for_a_distance():
    X, y = table()
    assert quick(decoder="direct").fit(X, y)._guard is None
    assert len(quick(decoder="direct", min_distance=0.1).fit(X, y)._guard.rows) == len(X)


def test_twins_leave_nothing_to_draw_again():
    """`"auto"` is then 0, and all is as with None."""
    X, y = table()
    X[1:5], y[1:5] = X[0], y[0]
    assert_array_equal(
        quick(min_distance="auto").fit_resample(X, y)[0], quick().fit_resample(X, y)[0]
    )


def test_guard():
    T = spread(30)
    guard = make_guard(T)
    assert guard.limit == guard.spacing.threshold == find_spacing(T).threshold
    assert_allclose(guard.distances(T + 1), root_mean_square(T + 1, T).min(axis=1), rtol=1e-5)
    assert_array_equal(guard.is_close(np.array([0.0, guard.limit, 2 * guard.limit])), [1, 0, 0])


@pytest.mark.parametrize("value", [0, -1.0, "far", np.nan])
def test_refuses_other_distances(value):
    with pytest.raises(ValueError, match="min_distance"):
        quick(min_distance=value).fit_resample(*table())


def test_infinite_codes_are_far_away():
    """Of values at the end of the floats' range, whose standard scores overflow."""
    T = spread(30)
    T[0, 0] = np.inf
    new = np.array([[np.inf, 0, 0], [-np.inf, 0, 0]], np.float32)
    assert (closest(new, T[1:]) > 1e29).all()
    assert np.isfinite(find_spacing(T).median)
    assert privacy_report(new, T, np.zeros(2, int), [0]).n_rows == 2
