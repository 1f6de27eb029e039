"""Images with missing pixels: gaps are kept, or the error names a remedy that works."""

import numpy as np
import pytest
from shared import arrays, quick

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug._preprocessing.table_codec import TableCodec


def images(shape):
    """Return images whose left quarter is missing, and more of them here and there."""
    X, y = arrays(shape, n=24, dtype=np.float32)
    X[..., : shape[-1] // 4] = np.nan
    X[:4, ..., : shape[-1] // 3] = np.nan
    return X, y


SHAPES = [(8, 8), (3, 8, 8), (1, 8, 8), (6, 8, 8), (2, 6, 6, 6), (70, 68)]


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        *((shape, {}) for shape in SHAPES),
        ((3, 8, 8), {"encoder": "conv"}),
        ((2, 6, 6, 6), {"encoder": "conv"}),
        ((3, 8, 8), {"decoder": "residual"}),
        ((3, 8, 8), {"decoder": "direct"}),
    ],
)
def test_gaps_are_carried_along(shape, parameters, tmp_path):
    X, y = images(shape)
    augmenter = quick(missing="keep", **parameters)
    X_res, _ = augmenter.fit_resample(X, y)
    np.testing.assert_array_equal(X_res[:24], X)
    new = X_res[24:]
    assert 0 < np.isnan(new).mean() < 0.7
    assert np.nanmin(X) <= np.nanmin(new) <= np.nanmax(new) <= np.nanmax(X)
    augmenter.fit(X, y)
    assert np.isfinite(augmenter.encode(X, y)).all()
    augmenter.save(tmp_path / "model")
    again = RHVAEAugmenter.load(tmp_path / "model").sample(2)[0]
    np.testing.assert_array_equal(again, augmenter.sample(2)[0])


@pytest.mark.parametrize("sample_shape", ["auto", (8, 8)])
def test_flat_rows_are_images_too(sample_shape):
    X, y = images((8, 8))
    augmenter = quick(missing="keep", sample_shape=sample_shape).fit(X.reshape(24, -1), y)
    assert augmenter.sample_shape_ == (8, 8)
    assert np.isnan(augmenter.sample(3)[0]).any()


def test_the_remedies_work():
    X, y = images((8, 8))
    with pytest.raises(ValueError, match=r"nan_to_num\(X, nan=0\), or set missing='keep' to"):
        quick().fit(X, y)
    quick(missing="keep").fit(X, y)
    assert np.isfinite(quick().fit_resample(np.nan_to_num(X, nan=0), y)[0]).all()
    X[:, -1] = -np.inf
    with pytest.raises(ValueError, match=r"nan_to_num\(X, nan=0, posinf=0, neginf=0\), or set"):
        quick().fit_resample(X, y)


def test_masked_images_come_back_masked():
    X, y = arrays((8, 8), dtype=np.uint8)
    X_res, _ = quick(missing="keep").fit_resample(np.ma.masked_less(X, 60), y)
    assert X_res.dtype == np.uint8
    assert X_res[24:].mask.any()
    assert X_res[24:].compressed().min() >= 60


def test_codes_of_missing_pixels():
    X = images((8, 8))[0].reshape(24, -1)
    codec = TableCodec(sample_shape=(8, 8)).fit(X)
    T = codec.encode(X)
    assert T.shape == (24, codec.n_codes_) == (24, 128)
    np.testing.assert_array_equal(T[:, 64:], np.isnan(X))
    np.testing.assert_allclose(codec.decode(T), X, rtol=1e-6)
    # Half of the stand-in, by interpolation, is taken out of a pixel beside a gap.
    pixel = int(np.flatnonzero(~np.isnan(X[0]))[0])
    T[0, pixel] *= 0.75
    T[0, 64 + pixel] = 0.25
    np.testing.assert_allclose(codec.decode(T)[0, pixel], X[0, pixel], rtol=1e-6)
