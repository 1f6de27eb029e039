"""Images and volumes as arrays of more than two axes, and where their channels are."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from shared import arrays, quick
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import cross_val_score

from sklearn_pyraug import AugmentedClassifier, ImageShape, Pipeline
from sklearn_pyraug._preprocessing.images import (
    flat_rows,
    image_layout,
    network_columns,
    stack_rows,
    user_columns,
)

# --- the rule ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "channels", "found", "n_channels", "extent"),
    [
        ((28, 28), "auto", "none", 1, (28, 28)),
        ((3, 28, 28), "auto", "first", 3, (28, 28)),
        ((28, 28, 3), "auto", "last", 3, (28, 28)),
        ((1, 28, 28), "auto", "first", 1, (28, 28)),
        ((28, 28, 1), "auto", "last", 1, (28, 28)),
        ((3, 28, 3), "auto", "first", 3, (28, 3)),
        ((16, 20, 24), "auto", "none", 1, (16, 20, 24)),
        ((16, 20, 24), "first", "first", 16, (20, 24)),
        ((16, 20, 24), "last", "last", 24, (16, 20)),
        ((3, 20, 24), "none", "none", 1, (3, 20, 24)),
        ((2, 16, 20, 24), "auto", "first", 2, (16, 20, 24)),
        ((16, 20, 24, 2), "auto", "last", 2, (16, 20, 24)),
        ((7, 16, 20, 24), "first", "first", 7, (16, 20, 24)),
        ((80,), "auto", "none", 1, (80,)),
        ((2, 80), "first", "first", 2, (80,)),
    ],
    ids=str,
)
def test_channels(shape, channels, found, n_channels, extent):
    layout = image_layout(shape, channels)
    assert layout.channels == found
    assert layout.n_channels == n_channels
    assert layout.extent == extent
    assert layout.shape == shape
    assert np.prod(layout.network_shape) == np.prod(shape)
    if found == "last":
        assert layout.network_shape == (n_channels, *extent)


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((7, 16, 20, 24), "auto", "channels='auto' cannot tell .* Pass channels='first' or 'last'"),
        ((7, 16, 20, 24), "none", "channels='none' and rows of the shape .* leave 4 axes"),
        ((2, 3, 4, 5, 6), "auto", "leave 5 axes for an image. Pass one to three"),
        ((80,), "first", "leave 0 axes"),
    ],
    ids=str,
)
def test_what_is_no_image(shape, channels, message):
    with pytest.raises(ValueError, match=message):
        image_layout(shape, channels)


def test_channels_come_first_for_the_networks():
    shape = (5, 6, 3)
    X = np.random.default_rng(0).random((6, *shape))
    flat, _ = flat_rows(X)
    seen = network_columns(flat, image_layout(shape))
    assert_array_equal(seen.reshape(6, 3, 5, 6), np.moveaxis(X, -1, 1))
    assert_array_equal(user_columns(seen, image_layout(shape)), flat)
    for other in (None, image_layout((3, 5, 6)), image_layout((6, 15))):
        assert network_columns(flat, other) is flat
        assert user_columns(flat, other) is flat


# --- the estimator -------------------------------------------------------------------------


SHAPES = [(8, 10), (3, 8, 9), (8, 9, 3), (6, 7, 8), (2, 6, 7, 5), (6, 7, 5, 2), (1, 8, 8)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shape_and_dtype_come_back(shape, dtype):
    X, y = arrays(shape, dtype=dtype)
    before = X.copy()
    augmenter = quick(augmentation_factor=2)
    X_new, y_new = augmenter.fit_resample(X, y)
    assert X_new.shape == (48, *shape)
    assert X_new.dtype == dtype
    assert_array_equal(X_new[:24], before)
    assert_array_equal(X, before)
    assert_array_equal(np.bincount(y_new), [24, 24])
    assert X_new[24:].min() >= X.min()
    assert X_new[24:].max() <= X.max()
    assert augmenter.decoder_ == "deformation"
    assert augmenter.sample_shape_ == shape
    assert augmenter.n_features_in_ == np.prod(shape)
    X_drawn, y_drawn = augmenter.sample(3)
    assert X_drawn.shape == (6, *shape)
    assert X_drawn.dtype == dtype
    assert_array_equal(y_drawn, [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_flat_rows_with_a_sample_shape_are_the_same(shape):
    X, y = arrays(shape)
    X_new, y_new = quick(augmentation_factor=2).fit_resample(X, y)
    flat, y_flat = quick(augmentation_factor=2, sample_shape=shape).fit_resample(
        X.reshape(24, -1), y
    )
    assert_array_equal(flat.reshape(X_new.shape), X_new)
    assert_array_equal(y_flat, y_new)


@pytest.mark.parametrize("decoder", ["deformation", "direct", "residual"])
def test_channels_last_are_channels_first_in_another_order(decoder):
    first, y = arrays((3, 8, 9))
    # The channels differ, so that mixing them up would show.
    first *= np.array([1.0, 0.5, 0.2]).reshape(3, 1, 1)
    last = np.moveaxis(first, 1, -1)
    a, b = (
        quick(augmentation_factor=2, decoder=decoder).fit(X, y).sample(5)[0]
        for X in (first, np.ascontiguousarray(last))
    )
    assert_array_equal(np.moveaxis(a, 1, -1), b)
    assert quick(decoder=decoder).fit_resample(last, y)[0].shape[1:] == (8, 9, 3)


def test_origin_distances_with_channels_last():
    first, y = arrays((3, 8, 9))
    distances = []
    for X in (first, np.moveaxis(first, 1, -1)):
        augmenter = quick(augmentation_factor=2)
        augmenter.fit_resample(X, y)
        distances.append(augmenter.origin_distances_)
    assert_array_equal(*distances)
    assert (distances[0][24:] > 0).all()


def test_channels_decide_what_is_warped_together():
    X, y = arrays((3, 8, 9))
    as_colours = quick(augmentation_factor=2).fit_resample(X, y)[0]
    as_volume = quick(augmentation_factor=2, sample_shape=ImageShape(channels="none")).fit_resample(
        X, y
    )[0]
    assert as_volume.shape == as_colours.shape
    assert not np.array_equal(as_volume, as_colours)


def test_a_list_of_images_is_an_array():
    X, y = arrays((8, 10))
    expected, _ = quick().fit_resample(X, y)
    for rows in (list(X), tuple(X), [[list(line) for line in row] for row in X]):
        assert_array_equal(quick().fit_resample(rows, y)[0], expected)
        assert quick().fit(rows, y).sample(2)[0].shape == (4, 8, 10)
    assert stack_rows([[1, 2], [3, 4]]) == [[1, 2], [3, 4]]


def test_a_list_of_images_of_several_sizes_is_refused():
    X, y = arrays((8, 10))
    rows = [*X[:-1], X[-1][:7]]
    with pytest.raises(ValueError, match=r"2 different shapes, such as \(7, 10\) and \(8, 10\)"):
        quick().fit_resample(rows, y)


def test_tables_of_arrays():
    """`sample_shape=None` says that the pixels are columns; the shape comes back all the same."""
    X, y = arrays((8, 10))
    augmenter = quick(sample_shape=None, augmentation_factor=2)
    assert augmenter.fit_resample(X, y)[0].shape == (48, 8, 10)
    assert augmenter.decoder_ == "residual"
    assert augmenter.sample_shape_ is None


@pytest.mark.parametrize(
    ("parameters", "shape", "message"),
    [
        ({"sample_shape": (10, 8)}, (8, 10), r"sample_shape=\(10, 8\), but the rows of X have the"),
        ({}, (5, 6, 7, 8), "channels='auto' cannot tell"),
        ({"sample_shape": ImageShape(channels="middle")}, (8, 10), "'channels' parameter"),
        ({}, (0, 10), r"X has the shape \(24, 0, 10\), which holds no values"),
        ({}, (2, 2, 2, 2, 2), "5 axes for an image"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "fit_resample"])
def test_refused(parameters, shape, message, method):
    with pytest.raises(ValueError, match=message):
        getattr(quick(**parameters), method)(np.ones((24, *shape)), np.arange(24) % 2)


def test_missing_pixels_are_refused_by_name():
    X, y = arrays((8, 10))
    X[3, 0, 2] = np.nan
    with pytest.raises(ValueError, match="Found 1 NaN in 1 of 80 columns: column 2"):
        quick().fit_resample(X, y)


class MeanOfPixels(ClassifierMixin, BaseEstimator):
    """A classifier of images as they are."""

    def fit(self, X, y):
        assert X.ndim == 3
        self.classes_ = np.unique(y)
        self.means_ = np.array([X[y == k].mean(0) for k in self.classes_])
        return self

    def predict(self, X):
        distance = ((X[:, None] - self.means_) ** 2).sum((2, 3))
        return self.classes_[distance.argmin(1)]


def test_pipeline_hands_images_on():
    X, y = arrays((8, 10))
    pipe = Pipeline([("aug", quick()), ("clf", MeanOfPixels())])
    assert len(cross_val_score(pipe, X, y, cv=2, error_score="raise")) == 2


def test_augmented_classifier_hands_images_on():
    X, y = arrays((8, 10))
    model = AugmentedClassifier(quick(), MeanOfPixels()).fit(X, y)
    assert model.predict(X).shape == (24,)
