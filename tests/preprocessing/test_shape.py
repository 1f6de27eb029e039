"""Flat images are recognised, and other tables are not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

from sklearn_pyraug._preprocessing.images import guess_sample_shape


def blobs(shape, n=60, seed=0, width=1.5):
    """Return smooth images: noise through a filter, one blob and a dark frame."""
    rng = np.random.default_rng(seed)
    images = gaussian_filter(rng.normal(size=(n, *shape)), (0, width, width))
    grid = np.indices(shape).reshape(2, 1, *shape)
    centre = rng.uniform(0.2, 0.8, size=(2, n, 1, 1)) * np.reshape(shape, (2, 1, 1, 1))
    images += np.exp(-((grid - centre) ** 2).sum(axis=0) / (2 * width) ** 2)
    return images.reshape(n, -1)


@pytest.mark.parametrize(("n_class", "n"), [(10, 40), (10, 1797), (2, 360), (3, 200)])
def test_digits_are_images(n_class, n):
    X, _ = load_digits(n_class=n_class, return_X_y=True)
    assert guess_sample_shape(X[:n]) == (8, 8)


@pytest.mark.parametrize("shape", [(8, 8), (10, 16), (16, 10), (20, 20), (28, 28), (12, 18)])
def test_smooth_images_are_recognised_with_their_shape(random_seed, shape):
    assert guess_sample_shape(blobs(shape, seed=random_seed)) == shape


@pytest.mark.parametrize(
    "change",
    [
        lambda X: 255 * X,
        lambda X: 1e300 * X,
        lambda X: 1e-300 * X,
        lambda X: X - 40.0,
        lambda X: X.astype(np.float32),
        lambda X: np.round(255 * X).astype(np.int64),
        lambda X: np.clip(np.round(100 * X + 100), 0, 255).astype(np.uint8),
    ],
    ids=["255", "huge", "tiny", "shifted", "float32", "int", "uint8"],
)
def test_units_do_not_matter(change):
    assert guess_sample_shape(change(blobs((10, 16)))) == (10, 16)


def test_a_dark_frame_does_not_matter():
    images = blobs((12, 12)).reshape(-1, 12, 12)
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(60, -1)
    assert guess_sample_shape(framed) == (16, 16)


@pytest.mark.parametrize("n_features", [64, 100, 256, 784])
@pytest.mark.parametrize("n", [10, 100])
def test_random_tables_are_not_images(random_seed, n_features, n):
    rng = np.random.default_rng(random_seed)
    assert guess_sample_shape(rng.normal(size=(n, n_features))) is None
    assert guess_sample_shape(rng.integers(0, 256, size=(n, n_features))) is None


@pytest.mark.parametrize("width", [1, 3, 8, 30])
@pytest.mark.parametrize("n_features", [64, 144, 400])
def test_smooth_signals_are_not_images(random_seed, n_features, width):
    rng = np.random.default_rng(random_seed)
    signals = gaussian_filter(rng.normal(size=(60, n_features)), (0, width))
    assert guess_sample_shape(signals) is None


def test_periodic_signals_whose_phase_varies_are_not_images():
    rng = np.random.default_rng(0)
    t = np.arange(144)
    phase = rng.uniform(0.0, 2.0 * np.pi, size=(60, 1))
    frequency = rng.uniform(0.02, 0.2, size=(60, 1))
    signals = np.sin(frequency * t + phase) + 0.1 * rng.normal(size=(60, 144))
    assert guess_sample_shape(signals) is None


@pytest.mark.parametrize("n_factors", [1, 2, 5])
def test_tables_of_few_factors_are_not_images(random_seed, n_factors):
    """All columns resemble all others, neighbours no more than the rest."""
    rng = np.random.default_rng(random_seed)
    factors = rng.normal(size=(60, n_factors))
    loadings = np.abs(rng.normal(size=(n_factors, 144)))
    X = factors @ loadings + 0.1 * rng.normal(size=(60, 144))
    assert guess_sample_shape(X) is None


def test_shuffled_pixels_are_not_an_image():
    X, _ = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(64)
    assert guess_sample_shape(X[:, order]) is None


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_tables_are_tables(load):
    assert guess_sample_shape(load(return_X_y=True)[0]) is None


@pytest.mark.parametrize(
    "X",
    [
        blobs((8, 7)),  # too few columns
        blobs((4, 25)),  # too short a side
        blobs((8, 40)),  # too long a one
        blobs((11, 11))[:, :113],  # a prime number of columns
        blobs((10, 16), n=7),  # too few rows
        np.zeros((20, 64)),
        np.full((20, 100), 7.5),
        np.tile(np.arange(64.0), (20, 1)),
    ],
    ids=["columns", "side", "aspect", "prime", "rows", "zeros", "constant", "equal rows"],
)
def test_what_cannot_be_told(X):
    assert guess_sample_shape(X) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_values_are_no_pixels(value):
    X = blobs((10, 16))
    X[3, 5] = value
    assert guess_sample_shape(X) is None


def test_rows_are_left_alone():
    X = blobs((10, 16))
    X.flags.writeable = False
    before = X.copy()
    guess_sample_shape(X)
    np.testing.assert_array_equal(X, before)
