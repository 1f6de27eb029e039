"""Tests of the displays, drawn without a screen."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from sklearn_pyraug.plotting import SyntheticSamplesDisplay

pytest.importorskip("matplotlib")


@pytest.fixture
def digits(random_seed):
    """Real digits followed by jittered ones, and the mask."""
    X, y = load_digits(return_X_y=True)
    jittered = X + np.random.default_rng(random_seed).uniform(-1, 1, size=X.shape)
    return np.vstack([X, jittered]), np.tile(y, 2), np.repeat([False, True], len(X))


def cell(ax, row, column, shape=(8, 8), gap=1):
    """Return one image of the grid on an axes."""
    (image,) = ax.get_images()
    top, left = row * (shape[0] + gap), column * (shape[1] + gap)
    return np.ma.filled(image.get_array(), np.nan)[top : top + shape[0], left : left + shape[1]]


class Augmenter:
    """The part of a fitted augmenter that a display uses; image i of class k is 10 k + i."""

    sample_shape = (1, 2, 3)

    def sample(self, n):
        X = np.array([np.full((2, 3), 10.0 * k + i) for k in (0, 1) for i in range(n)])
        return X, np.repeat(["a", "b"], n)


def test_grid_holds_rows_of_the_right_class_and_kind(digits, tmp_path):
    X, y, mask = digits
    display = SyntheticSamplesDisplay.from_predictions(
        X, y, mask, sample_shape=(8, 8), n_real=3, n_synthetic=4, random_state=0
    )
    real_ax, synthetic_ax = display.axes_
    for ax, n_columns, is_synthetic in [(real_ax, 3, False), (synthetic_ax, 4, True)]:
        (image,) = ax.get_images()
        assert image.get_array().shape == (10 * 9 - 1, n_columns * 9 - 1)
        for k in range(10):
            candidates = {row.tobytes() for row in X[(mask == is_synthetic) & (y == k)]}
            drawn = {cell(ax, k, j).ravel().tobytes() for j in range(n_columns)}
            assert drawn <= candidates
            assert len(drawn) == n_columns  # without replacement
    assert np.isnan(np.ma.filled(real_ax.get_images()[0].get_array(), np.nan)[8]).all()
    assert [ax.get_title() for ax in display.axes_] == ["real", "synthetic"]
    assert [label.get_text() for label in real_ax.get_yticklabels()] == list("0123456789")
    assert_array_equal(real_ax.get_yticks(), np.arange(10) * 9 + 3.5)
    display.figure_.savefig(tmp_path / "grid.png")
    assert (tmp_path / "grid.png").stat().st_size > 0


def test_both_grids_share_one_scale_of_greys(digits):
    X, y, mask = digits
    display = SyntheticSamplesDisplay.from_predictions(
        np.where(mask[:, None], X / 2, X), y, mask, sample_shape=(8, 8), random_state=0
    )
    limits = [ax.get_images()[0].get_clim() for ax in display.axes_]
    shown = np.concatenate([*display.real, *display.synthetic])
    assert limits == [(shown.min(), shown.max())] * 2
    assert all(ax.get_images()[0].get_cmap().name == "gray" for ax in display.axes_)


def test_same_seed_same_picture(digits):
    X, y, mask = digits
    grids = [
        SyntheticSamplesDisplay.from_predictions(
            X, y, mask, sample_shape=(8, 8), random_state=seed
        ).axes_[0]
        for seed in (0, 0, 1)
    ]
    first, second, third = (ax.get_images()[0].get_array() for ax in grids)
    assert_array_equal(first, second)
    assert (first != third).any()


def test_a_class_without_synthetic_rows_leaves_a_blank():
    X = np.arange(36.0).reshape(6, 2, 3)
    y = ["big", "big", "big", "small", "small", "small"]
    mask = np.array([False, False, False, False, True, True])
    display = SyntheticSamplesDisplay.from_predictions(X, y, mask)  # the shape is that of X
    real_ax, synthetic_ax = display.axes_
    assert np.isnan(cell(synthetic_ax, 0, 0, (2, 3))).all()
    assert_array_equal(cell(synthetic_ax, 1, 1, (2, 3)), X[5])
    assert_array_equal(cell(real_ax, 1, 0, (2, 3)), X[3])
    assert np.isnan(cell(real_ax, 1, 1, (2, 3))).all()


def test_from_estimator_draws_samples_of_the_augmenter():
    X, y = np.full((4, 6), -1.0), np.array(["a", "a", "b", "b"])
    display = SyntheticSamplesDisplay.from_estimator(Augmenter(), X, y, n_real=2, n_synthetic=3)
    for k, j in np.ndindex(2, 3):
        assert_array_equal(cell(display.axes_[1], k, j, (2, 3)), np.full((2, 3), 10.0 * k + j))
    assert_array_equal(cell(display.axes_[0], 1, 1, (2, 3)), np.full((2, 3), -1.0))


def test_a_given_figure_is_drawn_on():
    from matplotlib.figure import Figure

    figure = Figure()
    upper, lower = figure.subfigures(2, 1)
    X, y = np.zeros((2, 6)), np.array(["a", "b"])
    display = SyntheticSamplesDisplay.from_estimator(Augmenter(), X, y, figure=lower)
    assert display.figure_ is lower
    assert len(lower.axes) == 2
    assert not upper.axes
    assert display.plot(figure).figure_ is figure


def test_large_images_are_parted_by_more_pixels():
    X = np.ones((2, 32, 64))
    display = SyntheticSamplesDisplay.from_predictions(
        X, [0, 0], np.array([False, False]), sample_shape=(32, 64), n_real=2
    )
    assert display.axes_[0].get_images()[0].get_array().shape == (32, 64 + 4 + 64)


@pytest.mark.parametrize(
    ("shape", "channels"), [((3, 5, 6), "auto"), ((5, 6, 3), "last"), ((3, 5, 6), "first")]
)
@pytest.mark.parametrize(("scale", "dtype"), [(1, float), (255, float), (2, bool), (9e4, "i2")])
def test_colours_are_drawn_as_colours(shape, channels, scale, dtype):
    X = (np.random.default_rng(0).random((4, *shape)) * scale).round(3)
    # The range of the integers does not fit into their dtype.
    X = X if dtype is float else X.astype(int).astype(dtype)
    display = SyntheticSamplesDisplay.from_predictions(
        X.reshape(4, -1),
        [0, 0, 0, 1],
        np.array([False, False, True, False]),
        sample_shape=shape,
        channels=channels,
        n_real=2,
    )
    expected = np.moveaxis(X, 1, -1) if shape[0] == 3 else X
    low, high = float(X.min()), float(X.max())
    expected = (expected - low) / (high - low)
    grids = [ax.get_images()[0].get_array() for ax in display.axes_]
    assert grids[0].shape == (5 + 1 + 5, 6 + 1 + 6, 4)
    np.testing.assert_allclose(grids[0][:5, :6, :3], expected[0], atol=1e-12)
    np.testing.assert_allclose(grids[1][:5, :6, :3], expected[2], atol=1e-12)
    # Pixels between images, and where there is no image, are transparent.
    assert (grids[0][:5, :6, 3] == 1).all()
    assert (grids[0][5, :, 3] == 0).all()
    assert (grids[1][6:, :, 3] == 0).all()


@pytest.mark.parametrize(
    ("shape", "first"),
    [((5, 6, 7), np.s_[:]), ((1, 5, 6, 7), np.s_[:, 0]), ((5, 6, 7, 2), np.s_[..., 0])],
)
def test_a_volume_is_drawn_as_three_middle_slices_and_odd_channels_as_the_first(shape, first):
    X = np.random.default_rng(0).random((2, *shape))
    display = SyntheticSamplesDisplay.from_predictions(
        X, [0, 0], np.array([False, True]), sample_shape=shape
    )
    for (picture,), volume in zip([display.real[0], display.synthetic[0]], X[first], strict=True):
        assert picture.shape == (6 + 1 + 5, 7 + 1 + 5)
        assert_array_equal(picture[:6, :7], volume[2])
        assert_array_equal(picture[7:, :7], volume[:, 3])
        assert_array_equal(picture[:6, 8:], volume[:, :, 3].T)
        assert np.isnan(picture[6:, 7:]).all()
    low, high = display.axes_[0].get_images()[0].get_clim()
    assert np.isfinite([low, high]).all()


def test_an_image_of_two_channels_and_a_flat_volume_are_one_picture():
    for shape in ((2, 6, 7), (1, 1, 6, 7)):
        X = np.random.default_rng(0).random((2, *shape))
        display = SyntheticSamplesDisplay.from_predictions(
            X, [0, 0], np.array([False, True]), sample_shape=shape
        )
        assert_array_equal(display.real[0], X[:1].reshape(1, -1, 6, 7)[:, 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_synthetic_images_stand_beside_their_origins_with_the_difference(channels):
    rng = np.random.default_rng(0)
    real = rng.random((4, 2, 3, channels))
    origins = np.array([0, 1, 2, 3, 3, 0, 2, 1])
    X = np.concatenate([real, real[origins[4:]] + 0.25])
    mask, y = np.arange(8) >= 4, np.array(["a", "a", "b", "b"])[origins]
    display = SyntheticSamplesDisplay.from_predictions(
        X, y, mask, sample_shape=(2, 3, channels), channels="last", origins=origins, random_state=0
    )
    assert [ax.get_title() for ax in display.axes_] == [
        "origin",
        "synthetic",
        "difference (up to 0.25)",
    ]
    for old, new in zip(display.real, display.synthetic, strict=True):
        assert len(old) == len(new) == 2
        np.testing.assert_allclose(new - old, 0.25)
    (image,) = display.axes_[2].get_images()
    np.testing.assert_allclose(image.get_array().compressed(), 0.25)
    np.testing.assert_allclose(image.get_clim(), (-0.25, 0.25))


@pytest.mark.parametrize("origins", [[0, 1], [0.0, 1.0, 0.0, 1.0]])
def test_origins_that_do_not_fit_are_refused(origins):
    X, mask = np.ones((4, 2, 3)), np.repeat([False, True], 2)
    with pytest.raises(ValueError, match="`origins` has shape .*give the index of a row for each"):
        SyntheticSamplesDisplay.from_predictions(
            X, [0, 1, 0, 1], mask, sample_shape=(2, 3), origins=origins
        )


@pytest.mark.parametrize("origin", [-1, 4])
def test_an_origin_that_is_no_row_is_refused(origin):
    """The last row was drawn as the origin where -1 said that none is known."""
    X, mask = np.ones((4, 2, 3)), np.repeat([False, True], 2)
    with pytest.raises(ValueError, match=f"`origins` has {origin}, which is none of the 4 rows"):
        SyntheticSamplesDisplay.from_predictions(X, [0, 1, 0, 1], mask, origins=[0, 1, 0, origin])


def test_a_list_of_images_is_drawn_as_images():
    """Its pixels were drawn as the columns of a table."""
    X, mask = list(np.ones((4, 2, 3))), np.repeat([False, True], 2)
    display = SyntheticSamplesDisplay.from_predictions(X, [0, 1, 0, 1], mask)
    assert display.kind == "images"


def test_an_unknown_place_of_channels_is_refused(digits):
    with pytest.raises(ValueError, match="`channels` is 'third'; give one of 'auto', 'first'"):
        SyntheticSamplesDisplay.from_predictions(*digits, sample_shape=(8, 8), channels="third")


def test_a_table_is_drawn_again_with_at_least_one_column(digits):
    display = SyntheticSamplesDisplay.from_predictions(*digits, random_state=2**40)
    with pytest.raises(ValueError, match="`max_columns` is 0; give an integer of at least 1"):
        display.plot(max_columns=0)


def test_the_augmenter_says_where_channels_are_and_signals_are_tables():
    augmenter, rng = Augmenter(), np.random.default_rng(0)
    augmenter.sample_shape_, augmenter.channels_ = (3, 4, 5), "none"
    augmenter.sample = lambda n: (rng.random((2 * n, 3, 4, 5)), np.repeat([0, 1], n))
    X = rng.random((2, 60))
    display = SyntheticSamplesDisplay.from_estimator(augmenter, X, [0, 1])
    assert_array_equal(display.real[0][:, :4, :5], X[:1].reshape(1, 3, 4, 5)[:, 1])
    augmenter.sample = lambda n: (rng.random((2 * n, 60)), np.repeat([0, 1], n))
    for augmenter.sample_shape_, augmenter.channels_ in [((60,), "auto"), ((2, 30), "first")]:
        assert SyntheticSamplesDisplay.from_estimator(augmenter, X, [0, 1]).kind == "marginals"


@pytest.mark.parametrize("sample_shape", [64, (64,), (), (8, 0), (8.0, 8.0)])
def test_rows_that_are_no_images_are_refused(digits, sample_shape):
    with pytest.raises(ValueError, match=r"`sample_shape` is .*; give \(height, width\)"):
        SyntheticSamplesDisplay.from_predictions(*digits, sample_shape=sample_shape)


def test_images_of_an_augmenter_of_tables_are_refused():
    augmenter = Augmenter()
    augmenter.sample_shape = None
    with pytest.raises(ValueError, match="`sample_shape` is None"):
        SyntheticSamplesDisplay.from_estimator(augmenter, np.zeros((2, 6)), [0, 1], kind="images")


def test_the_shape_that_an_augmenter_found_is_taken():
    augmenter = Augmenter()
    augmenter.sample_shape, augmenter.sample_shape_ = "auto", (2, 3)
    display = SyntheticSamplesDisplay.from_estimator(augmenter, np.zeros((2, 6)), ["a", "b"])
    assert display.kind == "images"
    assert_array_equal(cell(display.axes_[1], 1, 1, (2, 3)), np.full((2, 3), 11.0))


def test_a_shape_of_another_size_is_refused(digits):
    with pytest.raises(ValueError, match=r"`sample_shape` is \(7, 8\), 56 values .* \(3594, 64\)"):
        SyntheticSamplesDisplay.from_predictions(*digits, sample_shape=(7, 8))


def test_a_mask_that_does_not_fit_is_refused(digits):
    X, y, mask = digits
    for wrong in (mask[1:], mask.astype(int)):
        with pytest.raises(ValueError, match="`synthetic_mask` has dtype"):
            SyntheticSamplesDisplay.from_predictions(X, y, wrong, sample_shape=(8, 8))


def test_a_number_of_images_below_one_is_refused(digits):
    with pytest.raises(ValueError, match="`n_real` is 0; give an integer"):
        SyntheticSamplesDisplay.from_predictions(*digits, sample_shape=(8, 8), n_real=0)


def test_nothing_to_draw_is_refused():
    empty = np.empty((0, 8, 8))
    with pytest.raises(ValueError, match="hold 0 images"):
        SyntheticSamplesDisplay(real=[empty], synthetic=[empty], classes=["a"]).plot()


def test_missing_matplotlib_names_the_extra(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-pyraug\[plot\]"'):
        SyntheticSamplesDisplay.from_predictions(*digits, sample_shape=(8, 8))
