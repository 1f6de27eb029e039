"""Tests of the display of paths between two rows, drawn without a screen."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_pyraug.plotting import InterpolationDisplay

pytest.importorskip("matplotlib")

X0, X1 = np.array([0.0, 100.0, 1.0, 3.0]), np.array([1.0, 300.0, 1.0, 3.5])


class Augmenter:
    """Lines are straight; geodesics bend the first column much and the second one little."""

    sample_shape_ = None

    def __init__(self, sample_shape=None, wrap=np.asarray):
        self.sample_shape_ = sample_shape
        self.wrap = wrap

    def interpolate(self, x0, x1, label, *, n_steps, kind):
        t = np.linspace(0, 1, n_steps)[:, None] ** np.ones(len(x0))
        if kind == "geodesic":
            t[:, :2] **= [4.0, 1.5]
        X = x0 + t * (x1 - x0)
        self.label = label
        return SimpleNamespace(X=self.wrap(X), z=t, length={"geodesic": 1.25, "linear": 2.5}[kind])


def draw(*args, n_steps=5, **options):
    return InterpolationDisplay.from_estimator(
        Augmenter(*args), X0, X1, "a", n_steps=n_steps, **options
    )


def test_columns_come_in_the_order_of_what_tells_the_paths_apart():
    display = draw()
    titles = [ax.get_title() for ax in display.axes_]
    assert titles[:2] == ["column 0", "column 1"]
    t = np.linspace(0, 1, 5)
    geodesic, linear, ends = display.axes_[0].lines
    assert_allclose(ends.get_xydata(), [[0, 0], [4, 1]])
    assert_allclose(geodesic.get_ydata(), t**4)
    assert_allclose(linear.get_ydata(), t)
    assert_allclose(display.axes_[1].lines[1].get_ydata(), 100 + 200 * t)
    assert (geodesic.get_linestyle(), linear.get_linestyle()) == ("-", "--")
    assert geodesic.get_marker() != linear.get_marker()
    assert (geodesic.get_label(), linear.get_label()) == ("geodesic", "linear")
    assert display.axes_[-1].get_xlabel() == "step"


def test_the_title_tells_lengths_and_how_many_columns_are_drawn():
    title = draw(max_columns=2).figure_._suptitle.get_text()
    assert title == (
        "Paths between two rows of class a\nthe 2 of 4 columns that differ most\n"
        "solid: geodesic (length 1.25), dashed: linear (length 2.5), diamonds: the rows"
    )
    display = draw()
    assert "columns" not in display.figure_._suptitle.get_text()
    assert len(display.axes_) == len(display.figure_.axes) == 4


def test_images_stand_in_two_rows_of_one_grey_scale():
    display = draw((2, 2), n_steps=3)
    (ax,) = display.axes_
    (image,) = ax.get_images()
    pixels = np.ma.filled(image.get_array(), np.nan)
    assert pixels.shape == (2 + 1 + 2, 5 * 3 - 1)  # the two rows, and between them the path
    for row in (0, 1):
        top = 3 * row
        assert_allclose(pixels[top : top + 2, :2].ravel(), X0)
        assert_allclose(pixels[top : top + 2, 12:].ravel(), X1)
    assert_allclose(pixels[:2, 6:8].ravel()[0], 0.5**4)
    assert_allclose(pixels[3:, 6:8].ravel()[0], 0.5)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["row", "row"]
    assert image.get_clim() == (0, 300)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["geodesic\nlength 1.25", "linear\nlength 2.5"]
    assert ax.get_title() == "Paths between two rows of class a"


def test_names_of_a_dataframe_are_written_and_text_is_left_out():
    pd = pytest.importorskip("pandas")

    def wrap(X):
        return pd.DataFrame(X, columns=list("pqrs")).assign(q="text")

    display = draw(None, wrap)
    assert [ax.get_title() for ax in display.axes_] == ["p", "r", "s"]


def test_missing_values_make_gaps():
    def wrap(X):
        X[2, 0] = np.nan
        return X

    display = draw(None, wrap)
    (ax,) = (ax for ax in display.axes_ if ax.get_title() == "column 0")
    assert_array_equal(np.isnan(ax.lines[0].get_ydata()), [False, False, True, False, False])


def test_a_given_axes_is_drawn_on():
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    display = draw((2, 2), ax=left)
    assert display.axes_[0] is display.ax_ is left
    display = draw(ax=right)
    assert display.figure_ is figure
    assert len(display.axes_) == 4
    figure.draw_without_rendering()
    edge = left.get_window_extent().x1
    assert all(ax.get_window_extent().x0 > edge for ax in display.axes_)


def test_what_cannot_interpolate_is_refused():
    with pytest.raises(AttributeError, match="has no `interpolate`; it knows no paths"):
        InterpolationDisplay.from_estimator(SimpleNamespace(), X0, X1, "a")


def test_a_table_of_text_is_refused():
    with pytest.raises(ValueError, match="None of the 4 columns holds numbers"):
        draw(None, lambda X: X.astype(str).astype(object))


def test_colours_volumes_and_signals():
    (ax,) = draw((2, 1, 2), n_steps=3).axes_  # two channels
    assert ax.get_images()[0].get_array().shape == (1 + 1 + 1, 5 * 3 - 1)
    x0, x1 = np.zeros(12), np.ones(12)
    display = InterpolationDisplay.from_estimator(Augmenter((3, 2, 2)), x0, x1, "a", n_steps=3)
    assert display.axes_[0].get_images()[0].get_array().shape == (2 + 1 + 2, 5 * 3 - 1, 4)
    assert len(draw((4,)).axes_) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_columns": 0}, "`max_columns` is 0; give an integer of at least 1"),
        ({"sample_shape": (3, 3)}, r"`sample_shape` is \(3, 3\), 9 values an image"),
        ({"sample_shape": (4,)}, r"`sample_shape` is \(4,\); give \(height, width\)"),
    ],
)
def test_bad_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw(**options)
