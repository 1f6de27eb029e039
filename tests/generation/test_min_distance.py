"""Tests of `min_distance`, which keeps new rows away from the training rows."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from shared import codes, dense, kinds, numbers, quick, root_mean_square, table

from sklearn_pyraug import Columns, Residual, RHVAEAugmenter, Transfer
from sklearn_pyraug._generation import sample as sampling
from sklearn_pyraug._generation.fitted import FittedGenerators
from sklearn_pyraug._generation.jobs import Execution
from sklearn_pyraug._generation.min_distance import Guard, make_guard
from sklearn_pyraug._generation.sample import DrawSettings, draw
from sklearn_pyraug.metrics._neighbors import Spacing, find_spacing
from sklearn_pyraug.rhvae import Output, SamplerSettings


def nearest(augmenter, X, X_new):
    """Return the distances of new rows to their nearest training row."""
    T, T_new = (
        augmenter._row_encoder.codec.encode(numbers(augmenter, rows)) for rows in (X, X_new)
    )
    return root_mean_square(T_new, T).min(axis=1)


def near(**parameters):
    """Return an augmenter whose rows are close to real ones, except after the longest steps."""
    if parameters.get("decoder", "auto") == "auto":
        defaults = {"output": Transfer(scale=(0.01, 1.0))}
        parameters = defaults | parameters | {"decoder": Residual(n_neighbors=None)}
    return quick(**parameters)


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
    # Rows that were far enough are unchanged, except for values whose ranks moved.
    far = nearest(before, X, X_before[31:]) >= limit
    same = (dense(X_new)[31:][far] == dense(X_before)[31:][far]).all(axis=1)
    assert same.mean() > 0.9
    if distance == "auto":
        assert augmenter.privacy_.n_close == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"decoder": "direct"},
        {"shared": False},
        {"columns": Columns(value_mapping=None), "output": "draw"},
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
    before = near(columns=Columns(value_mapping="quantile"))
    before.fit_resample(X, y)
    augmenter = near(columns=Columns(value_mapping="quantile"), min_distance="auto")
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

    def draw_once(generators, n_new, settings, execution):
        attempt, (n,) = len(calls), n_new.values()
        calls.append(n)
        T = np.zeros((n, 2), np.float32)
        T[:, 1] = heights[attempt, :n]
        return T, np.zeros(n, int), np.zeros(n, int), {}

    monkeypatch.setattr(sampling, "_draw_once", draw_once)
    codec = SimpleNamespace(
        decode=lambda T, y_index: T.astype(float), encode=lambda rows: rows.astype(np.float32)
    )
    guard = Guard(np.zeros((1, 2), np.float32), Spacing(1.0, 1.0, 0.0), 1.0)
    generators = FittedGenerators([], {}, {0: np.arange(3)}, {}, 2, True, None, None, guard)
    settings = DrawSettings(SamplerSettings(), Output(), min_distance=1.0)
    with pytest.warns(UserWarning, match="4 of 4 new rows are closer .* drawn 11 times"):
        rows = draw(generators, {0: 4}, settings, Execution(0), codec)
    assert_allclose(rows.T[:, 1], heights.max(axis=0), rtol=1e-6)
    assert calls == [4] * 11


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
    assert quick(decoder="direct").fit(X, y)._generators.guard is None
    guard = quick(decoder="direct", min_distance=0.1).fit(X, y)._generators.guard
    assert len(guard.rows) == len(X)


def test_twins_leave_nothing_to_draw_again():
    """`"auto"` is then 0, and all is as with None."""
    X, y = table()
    X[1:5], y[1:5] = X[0], y[0]
    assert_array_equal(
        quick(min_distance="auto").fit_resample(X, y)[0], quick().fit_resample(X, y)[0]
    )


def test_guard():
    T = codes(30)
    guard = make_guard(T)
    assert guard.limit == guard.spacing.threshold == find_spacing(T).threshold
    assert_allclose(guard.distances(T + 1), root_mean_square(T + 1, T).min(axis=1), rtol=1e-5)
    assert_array_equal(guard.too_close(np.array([0.0, guard.limit, 2 * guard.limit])), [1, 0, 0])


@pytest.mark.parametrize("value", [0, -1.0, "far", np.nan])
def test_refuses_other_distances(value):
    with pytest.raises(ValueError, match="min_distance"):
        quick(min_distance=value).fit_resample(*table())
