"""Subclasses of frames, sparse columns, masked arrays, dask, and integers beyond 2**53."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from shared import arrays, quick, table

from sklearn_pyraug import RHVAEAugmenter, RHVAEEmbedder
from sklearn_pyraug.metrics import column_differences, distance_to_closest_record

Y = np.repeat([0, 1], [24, 16])
V = table((24, 16), 3)[0]


class Cohort(pd.DataFrame):
    _metadata = ("hospital",)

    @property
    def _constructor(self):
        return Cohort


def test_subclass_of_a_dataframe():
    X = Cohort({"a": V[:, 0], "sex": list("fm") * 20})
    X.hospital, X.attrs["unit"] = "north", "mmol"
    augmenter = quick()
    X_res, _ = augmenter.fit_resample(X, Y)
    for rows in (X_res, augmenter.sample(2)[0]):
        assert type(rows) is Cohort
        assert rows.hospital == "north"
        assert rows.dtypes.equals(X.dtypes)
    # Later draws do not have them: attributes may hold the rows of a file.
    assert X_res.attrs == {"unit": "mmol"}
    pd.testing.assert_frame_equal(pd.DataFrame(X_res[:40]), pd.DataFrame(X))


# pandas 2.1 makes columns of booleans whose fill value is 0.
@pytest.mark.filterwarnings("ignore:Allowing arbitrary scalar fill_value:FutureWarning")
@pytest.mark.parametrize("dtype", [int, bool, float, np.uint8])
def test_sparse_columns_of_a_dataframe(dtype):
    rows = sparse.random(40, 4, 0.3, random_state=0).astype(bool).astype(dtype)
    X = pd.DataFrame.sparse.from_spmatrix(rows)
    X_res, _ = quick().fit_resample(X, Y)
    assert X_res.dtypes.equals(X.dtypes)
    np.testing.assert_array_equal(X_res[:40], X)
    assert set(np.unique(X_res[40:])) <= {0, 1}


# --- Masked arrays -------------------------------------------------------------------------------


@pytest.fixture(params=["float64", "int32"])
def masked(request):
    values = np.where(V > 2.5, -9999, 10 * V).astype(request.param)
    return np.ma.masked_equal(values, -9999)  # which becomes the fill value


def test_masked_values_are_missing(masked, tmp_path):
    augmenter = quick(missing="keep")
    X_res, _ = augmenter.fit_resample(masked, Y)
    augmenter.save(tmp_path / "model")
    drawn = [augmenter.sample(9)[0], RHVAEAugmenter.load(tmp_path / "model").sample(9)[0]]
    for rows in (X_res, *drawn):
        assert isinstance(rows, np.ma.MaskedArray)
        assert rows.dtype == masked.dtype
        assert rows.fill_value == masked.fill_value
        assert rows.compressed().min() >= masked.min()
    assert X_res[40:].mask.any()
    np.testing.assert_array_equal(X_res.data[:40], masked.data)
    np.testing.assert_array_equal(X_res.mask[:40], masked.mask)


def test_masked_values_are_refused_with_a_remedy_that_works(masked):
    from sklearn.impute import SimpleImputer

    n = np.ma.count_masked(masked)
    with pytest.raises(ValueError, match=f"masked array, of which {n} values are masked. Set mis"):
        quick().fit(masked, Y)
    filled = SimpleImputer().fit_transform(masked.astype(float).filled(np.nan))
    assert quick().fit_resample(filled, Y)[0].min() > -9999
    with pytest.raises(ValueError, match="contains NaN"):
        RHVAEEmbedder().fit(masked)
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        quick().fit(V, Y, sample_weight=np.ma.masked_equal(Y + 1, 2))


def test_a_list_of_masked_rows(masked):
    X_res, _ = quick(missing="keep").fit_resample(list(masked), Y)
    assert X_res[40:].mask.any()
    assert X_res.compressed().min() >= masked.min()
    with pytest.raises(ValueError, match="masked array"):
        quick().fit(list(masked), Y)
    with pytest.raises(ValueError, match="contains NaN"):
        RHVAEEmbedder().fit(list(masked))


def test_masked_text_is_no_level():
    X = np.ma.array(np.where(V > 0, "b", "a"), mask=V > 1)
    X_res, _ = quick(missing="keep", categorical_features=range(V.shape[1])).fit_resample(X, Y)
    assert X_res[40:].mask.any()
    assert set(X_res.compressed()) == {"a", "b"}


@pytest.mark.parametrize("X", [{"a": V[:, 0]}, [{"a": v} for v in V[:, 0]]], ids=["dict", "list"])
def test_dicts_are_no_rows(X):
    with pytest.raises(ValueError, match=r"X is a (dict|list of dicts), .* pandas.DataFrame\(X\)"):
        quick().fit(X, Y)
    quick().fit(sparse.dok_array(V), Y)  # a dict of its entries


def test_a_mask_of_nothing():
    X, y = arrays((8, 8))
    images = [np.ma.array(x) for x in X]
    X_res, _ = quick().fit_resample(images, y)
    assert len(X_res) > len(X)
    assert np.ma.is_masked(quick().fit_resample(np.ma.array(V), Y)[0]) is False


def test_missing_levels_of_pyarrow_are_missing_in_arrays():
    """numpy reads the level of another row in their place."""
    pa = pytest.importorskip("pyarrow")
    X = pa.table({"a": V[:, 0], "b": pa.array([None, *[10, 20] * 20][:40]).dictionary_encode()})
    for read in (RHVAEEmbedder().fit, lambda X: distance_to_closest_record(X, X)):
        with pytest.raises(ValueError, match="contains NaN"):
            read(X)


# --- Frames that are elsewhere -------------------------------------------------------------------


def test_dask_is_told_to_compute():
    dask = pytest.importorskip("dask.array")
    for X, y in ((dask.from_array(V), Y), (V, dask.from_array(Y))):
        name = "y" if X is V else "X"
        with pytest.raises(ValueError, match=rf"{name} is a dask.Array.* Pass {name}.compute\(\)"):
            quick().fit(X, y)
    frames = pytest.importorskip("dask.dataframe")
    X = frames.from_pandas(pd.DataFrame(V, columns=list("abc")), npartitions=2)
    with pytest.raises(ValueError, match=r"X is a dask\w*.DataFrame.* Pass X.compute\(\)"):
        quick().fit(X, Y)


# --- Integers ------------------------------------------------------------------------------------


LARGE = (2**60 + np.random.default_rng(0).permutation(200)[:40] * 2 + 1).tolist()
WIDE = [-(2**63), *LARGE[:38], 2**63 - 1]


@pytest.mark.parametrize("values", [LARGE, WIDE, [v + 2**80 for v in LARGE]])
@pytest.mark.parametrize(
    "make",
    [
        lambda v: pd.DataFrame({"id": v, "x": V[:, 0]}),
        lambda v: pd.DataFrame({"id": pd.array([*v[:39], None], "Int64"), "x": V[:, 0]}),
        lambda v: pd.DataFrame({"id": pd.array(v, "int64[pyarrow]"), "x": V[:, 0]}),
        lambda v: pd.DataFrame({"id": pd.Series(v, dtype=object), "x": V[:, 0]}),
        lambda v: pl.DataFrame({"id": [*v[:39], None], "x": V[:, 0]}),
    ],
    ids=["int64", "Int64", "Arrow", "objects", "polars"],
)
def test_integers_beyond_float64(values, make, tmp_path):
    try:
        X = make(values)
    except (OverflowError, TypeError):
        pytest.skip("the dtype holds no such integers")
    if str(X["id"].dtype) == "Int128":
        pytest.skip("refused by its name")
    augmenter = quick(missing="keep", augmentation_factor=3)
    X_res, _ = augmenter.fit_resample(X, Y)
    own, new = X_res["id"].to_list()[:40], X_res["id"].to_list()[40:]
    assert str(own) == str(X["id"].to_list())
    seen, known = ([v for v in x if v is not None and v is not pd.NA] for x in (own, new))
    assert min(seen) <= min(known) <= max(known) <= max(seen)
    if values is not WIDE:
        # Exact: without float64's steps of 256.
        assert {(v - values[0]) % 256 for v in known} - {0}
    z = augmenter.encode(X, Y)
    np.testing.assert_allclose(augmenter.encode(X[10:30], Y[10:30]), z[10:30], atol=1e-9)
    augmenter.save(tmp_path / "model")
    assert str(RHVAEAugmenter.load(tmp_path / "model").sample(3)[0]) == str(augmenter.sample(3)[0])


@pytest.mark.parametrize("named", [None, ["code"]])
@pytest.mark.parametrize("dtype", ["int64", "Int64", "uint64"])
def test_short_codes_beside_long_ones(named, dtype):
    # As in SNOMED CT: float64 cannot tell the long ones apart.
    codes = [22298006, 38341003, 900000000000207008, 900000000000441003]
    X = pd.DataFrame({"code": pd.array(codes * 10, dtype), "x": V[:, 0]})
    augmenter = quick(categorical_features=named, augmentation_factor=3)
    X_res, _ = augmenter.fit_resample(X, Y)
    assert set(X_res["code"]) == set(codes)
    z = augmenter.encode(X, Y)
    np.testing.assert_allclose(augmenter.encode(X[2:4], Y[2:4]), z[2:4], atol=1e-9)


def test_differences_of_large_integers():
    X = pd.DataFrame({"id": LARGE, "x": V[:, 0]})
    assert column_differences(X, X[20:]).differences[0] < 0.5
    assert column_differences(X, X.assign(id=X["id"] + 1000)).differences[0] == 1


def test_bytes_in_another_order_come_back():
    """Arrays of FITS files and of other machines became those of this one."""
    X, y = V.astype(">f4"), Y.astype(">i2")
    X_res, y_res = quick().fit_resample(X, y)
    assert (X_res.dtype, y_res.dtype) == (X.dtype, y.dtype)
    assert X_res[:40].tobytes() + y_res[:40].tobytes() == X.tobytes() + y.tobytes()
