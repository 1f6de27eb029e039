"""Tests of the display of a latent space, drawn without a screen."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_pyraug.plotting import LatentSpaceDisplay

pytest.importorskip("matplotlib")


class Augmenter:
    """Codes are the rows themselves; the volume is a known plane; new rows are all alike."""

    def __init__(self, normal):
        self.normal = np.asarray(normal, dtype=float)

    def encode(self, X, y):
        self.asked = X, y
        return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=float)

    def log_volume(self, z, label):
        self.label = label
        return z @ self.normal

    def sample(self, n_samples):
        ((label, n),) = n_samples.items()
        return np.full((n, len(self.normal)), 0.5), np.repeat(label, n)


def points_of(display, name):
    (line,) = (line for line in display.ax_.lines if line.get_label().endswith(name))
    return line.get_xydata()


@pytest.fixture
def rows(random_seed):
    X = np.random.default_rng(random_seed).normal(size=(40, 4)) * [3.0, 1.0, 0.1, 0.1]
    return X, np.repeat(["a", "b"], [15, 25])


def test_two_dimensions_are_drawn_as_they_are(rows):
    X, y = rows[0][:, :2], rows[1]
    augmenter = Augmenter([2.0, -1.0])
    display = LatentSpaceDisplay.from_estimator(augmenter, X, y, "a", n_synthetic=7, n_grid=5)
    assert_allclose(points_of(display, "real rows"), X[:15])
    assert_allclose(points_of(display, "synthetic rows"), np.full((7, 2), 0.5))
    horizontal, vertical = display.grid
    expected = 2 * horizontal[None, :] - vertical[:, None]
    assert_allclose(display.mesh_.get_array().reshape(5, 5), expected, atol=1e-12)
    assert augmenter.label == "a"
    assert_array_equal(augmenter.asked[1], np.repeat("a", 7))
    ax = display.ax_
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$z_1$", "$z_2$")
    assert ax.get_title() == "Latent space of class a"
    assert ax.get_aspect() == 1
    assert display.colorbar_.ax.get_ylabel() == "log volume, log p(z) (nats)"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["7 synthetic rows", "15 real rows"]


def test_the_map_reaches_around_all_codes(rows):
    X, y = rows[0][:, :2], rows[1]
    display = LatentSpaceDisplay.from_estimator(Augmenter([1, 1]), X, y, "b")
    codes = np.concatenate([display.codes, display.synthetic_codes])
    for axis, places in enumerate(display.grid):
        assert places[0] < codes[:, axis].min()
        assert places[-1] > codes[:, axis].max()


def test_beyond_two_dimensions_the_plane_is_that_of_two_components(rows):
    """A flat cloud loses nothing, and the map is that of points in the plane."""
    X, y = rows
    X = X * [1, 1, 0, 0] + [0, 0, 5, 0]
    augmenter = Augmenter([1.0, 0.0, 10.0, 0.0])
    display = LatentSpaceDisplay.from_estimator(augmenter, X, y, "b", n_synthetic=0, n_grid=4)
    between = [np.linalg.norm(Z[:, None] - Z, axis=-1) for Z in (X[15:], display.codes)]
    assert_allclose(between[1], between[0], atol=1e-9)
    assert_allclose(display.codes.mean(axis=0), 0, atol=1e-9)
    assert_allclose(np.sum(display.variance_share), 1)
    # A linear volume is linear on the map, and at the codes that of the rows.
    places = np.stack(np.meshgrid(*display.grid, [1.0]), axis=-1).reshape(-1, 3)
    plane = np.linalg.lstsq(places, display.log_volume.ravel(), rcond=None)[0]
    assert_allclose(display.codes @ plane[:2] + plane[2], X[15:] @ augmenter.normal, atol=1e-9)
    assert "principal component" in display.ax_.get_xlabel()
    assert not any("synthetic" in line.get_label() for line in display.ax_.lines)


def test_the_largest_trained_class_is_drawn_by_default(rows):
    X, y = rows
    augmenter = Augmenter(np.ones(4))
    assert LatentSpaceDisplay.from_estimator(augmenter, X, y).label == "b"
    augmenter.history_ = {"a": None}
    assert LatentSpaceDisplay.from_estimator(augmenter, X, y).label == "a"
    augmenter.history_ = {"c": None}
    with pytest.raises(ValueError, match="no row of a class that was trained"):
        LatentSpaceDisplay.from_estimator(augmenter, X, y)


@pytest.mark.parametrize("kind", ["list", "sparse", "pandas", "polars", "pyarrow"])
def test_only_rows_of_the_class_are_coded(rows, kind):
    X, y = rows
    names = list("pqrs")
    if kind == "list":
        table = X.tolist()
    elif kind == "sparse":
        table = sparse.coo_matrix(X)
    else:
        library = pytest.importorskip(kind)
        make = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table"}[kind]
        table = getattr(library, make)(dict(zip(names, X.T, strict=True)))
    augmenter = Augmenter(np.ones(4))
    LatentSpaceDisplay.from_estimator(augmenter, table, y, "a", n_synthetic=0)
    assert_array_equal(augmenter.encode(augmenter.asked[0], None), X[:15])


def test_a_given_axes_is_drawn_on(rows):
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    display = LatentSpaceDisplay.from_estimator(Augmenter(np.ones(4)), *rows, ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.lines
    figure.draw_without_rendering()


def test_what_cannot_code_rows_is_refused(rows):
    with pytest.raises(AttributeError, match="SimpleNamespace has no `encode`; it cannot code"):
        LatentSpaceDisplay.from_estimator(SimpleNamespace(), *rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "z"}, "`label` is 'z', of which `y` has 0 rows; .* such as 'b'"),
        ({"n_grid": 1}, "`n_grid` is 1; give an integer of at least 2"),
        ({"n_synthetic": -1}, "`n_synthetic` is -1; give an integer of at least 0"),
    ],
)
def test_bad_parameters_are_refused(rows, options, message):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_estimator(Augmenter(np.ones(4)), *rows, **options)


def test_lengths_that_differ_are_refused(rows):
    with pytest.raises(ValueError, match=r"`y` has shape \(39,\) and `X` 40 rows"):
        LatentSpaceDisplay.from_estimator(Augmenter(np.ones(4)), rows[0], rows[1][1:])


def test_one_dimension_has_no_map(rows):
    with pytest.raises(ValueError, match="latent space has 1 dimension"):
        LatentSpaceDisplay.from_estimator(Augmenter([1.0]), rows[0][:, :1], rows[1])
