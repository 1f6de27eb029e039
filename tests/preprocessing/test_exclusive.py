"""Columns of 0 and 1 that exclude each other are decoded together."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from shared import quick
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_pyraug import Pipeline, RHVAEAugmenter
from sklearn_pyraug._preprocessing.exclusive import find_sets, merge, part
from sklearn_pyraug._preprocessing.table_codec import TableCodec

N = 120
Y = np.repeat([0, 1], [80, 40])
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": RNG.normal(50, 10, N) + 8 * Y,
        "site": RNG.choice(list("ABCDE"), N, p=[0.4, 0.3, 0.15, 0.1, 0.05]),
        "grade": RNG.choice(["low", "mid", "high"], N),
    }
)
FULL = pd.get_dummies(FRAME, dtype=float)
WITHOUT_FIRST = pd.get_dummies(FRAME, drop_first=True)
NOISE = pd.DataFrame(RNG.normal(size=(N, 150)), columns=[f"gene {i}" for i in range(150)])
TABLES = {
    "frame": FULL,
    "booleans": pd.get_dummies(FRAME),
    "bytes": pd.get_dummies(FRAME, dtype=np.uint8),
    "array": FULL.to_numpy(),
    "sparse": sparse.csr_array(FULL.to_numpy()),
    "objects": pd.get_dummies(FRAME).astype(object),
    "array of objects": pd.get_dummies(FRAME).to_numpy(),
    "categories": FULL.astype(dict.fromkeys(FULL.columns[1:], "category")),
    "sparse columns": pd.get_dummies(FRAME, dtype=int, sparse=True),
    "polars": pl.from_pandas(FRAME).to_dummies(["site", "grade"]),
    "ones alone": FULL.drop(columns="age"),
    "wide": pd.concat([FULL, NOISE], axis=1),
    "without the first": WITHOUT_FIRST,
    "array without the first": WITHOUT_FIRST.to_numpy(dtype=float),
}


def sets_of(X, full):
    """Return the new rows' number of ones in either set."""
    X = X.toarray() if sparse.issparse(X) else np.asarray(X).astype(float)
    first = 1 if X.shape[1] not in (8,) else 0
    a, b = (5, 3) if full else (4, 2)
    return X[:, first : first + a].sum(axis=1), X[:, first + a : first + a + b].sum(axis=1)


@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        *((name, "residual") for name in TABLES),
        *((name, "direct") for name in ("frame", "sparse", "without the first")),
    ],
)
def test_no_row_is_in_several_categories_or_in_none(name, decoder, tmp_path):
    X, full = TABLES[name], "without" not in name
    augmenter = quick(decoder=decoder, augmentation_factor=3)
    X_res, _ = augmenter.fit_resample(X, Y)
    augmenter.save(tmp_path / "model")
    loaded = RHVAEAugmenter.load(tmp_path / "model")
    augmenter.fit(X, Y)
    assert len(augmenter.encode(X, Y)) == N
    for rows in (X_res[N:], augmenter.sample(50)[0], loaded.sample({1: 50})[0]):
        for n_ones in sets_of(rows, full):
            assert n_ones.max() == 1
            assert n_ones.min() == full
    assert type(X_res) is type(X)


def test_encoder_in_a_pipeline():
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["site", "grade"]), remainder="passthrough"
    )
    X_res, _ = Pipeline([("code", encoder), ("more", quick())]).fit_resample(FRAME, Y)
    assert (X_res[:, :5].sum(axis=1) == 1).all()
    assert (X_res[:, 5:8].sum(axis=1) == 1).all()


def test_columns_that_are_named_as_categories():
    X_res, _ = quick(categorical_features=range(1, 9)).fit_resample(FULL.to_numpy(), Y)
    for n_ones in sets_of(X_res, True):
        assert set(n_ones) == {1}


def test_scaled_columns(tmp_path):
    X = StandardScaler().fit_transform(FULL)
    augmenter = quick().fit(X, Y)
    augmenter.save(tmp_path / "model")
    rows = RHVAEAugmenter.load(tmp_path / "model").sample(100)[0]
    for columns in (slice(1, 6), slice(6, 9)):
        assert {*map(tuple, rows[:, columns])} == {*map(tuple, X[:, columns])}


def test_values_that_are_missing_in_a_whole_set():
    X = FULL.mask(np.repeat(RNG.random((N, 1)) < 0.2, 9, axis=1))
    X["age"] = FULL["age"]
    rows = quick(missing="keep").fit(X, Y).sample(100)[0]
    for prefix in ("site", "grade"):
        part = rows.filter(like=prefix)
        gaps = part.isna().all(axis=1)
        assert 0 < gaps.sum() < len(gaps)
        assert set(part[~gaps].sum(axis=1)) == {1}
        assert not part[~gaps].isna().any(axis=None)


def found(X, names=None):
    X = np.asarray(X, dtype=float)
    return [s.columns.tolist() for s in find_sets(X, np.zeros(X.shape[1], bool), names)]


def test_sets_that_are_found():
    one_hot, noise = np.eye(3)[np.arange(30) % 3], RNG.normal(size=(30, 1))
    assert found(np.hstack([one_hot, one_hot, noise])) == [[0, 1, 2], [3, 4, 5]]
    # An independent column before them, a constant one among them.
    first, constant = (np.arange(30)[:, None] % 2 == 0), np.zeros((30, 1))
    assert found(np.hstack([first, one_hot[:, :1], constant, one_hot[:, 1:]])) == [[1, 3, 4]]
    many = np.eye(3)[np.arange(90) % 3]
    assert found(many[:, :2]) == [[0, 1]]
    assert found(one_hot[:, :2], ["site_A", "site_B"]) == [[0, 1]]


def test_columns_that_only_happen_to_exclude_each_other():
    one_hot = np.eye(3)[np.arange(20) % 3][:, :2]
    assert found(one_hot) == []
    assert found(one_hot, ["smoker", "diabetes"]) == []
    # Names say nothing that other columns have, too.
    X = np.hstack([one_hot, RNG.normal(size=(20, 1))])
    assert found(X, ["x_0", "x_1", "x_2"]) == []
    assert found(np.where(one_hot == 1, 2, 0)) == []
    gaps = np.where(one_hot == 1, np.nan, one_hot)
    assert found(gaps) == []


def test_independent_columns_are_hardly_ever_a_set(random_seed):
    rng = np.random.default_rng(random_seed)
    n_found = sum(bool(found(rng.random((20, 2)) < rng.uniform(0.1, 0.6, 2))) for _ in range(300))
    # Where 5 pairs are expected, none occurs with a chance of exp(-5); complements are rarer still.
    assert n_found <= 300 * 0.0067 + 5 * np.sqrt(300 * 0.0067)


def test_there_and_back():
    X = WITHOUT_FIRST.to_numpy(dtype=float)
    sets = find_sets(X, np.zeros(7, bool))
    assert [s.columns.tolist() for s in sets] == [[1, 2, 3, 4], [5, 6]]
    np.testing.assert_array_equal(part(merge(X, sets), sets, 7), X)
    codec = TableCodec().fit(X)
    np.testing.assert_allclose(codec.decode(codec.encode(X)), X, rtol=1e-6)
    assert not codec.constant_.any()


def test_rows_that_break_a_set_are_refused():
    codec = TableCodec().fit(FULL.to_numpy())
    rows = FULL.to_numpy()[:3]
    rows[0, 1:3] = 1
    with pytest.raises(ValueError, match=r"1 row\(s\) of X .* a single 1 in column 1 to column 5"):
        codec.encode(rows)
    with pytest.raises(ValueError, match="single 1 in 'site_A' to 'site_E', which exclude each"):
        codec.encode(rows, FULL.columns)
    rows[0, 1:6] = 0
    with pytest.raises(ValueError, match=r"1 value\(s\) in columns that exclude each other that"):
        codec.encode(rows)


def test_images_have_no_sets():
    X = np.eye(16)[np.arange(64) % 16].reshape(64, 4, 4)
    augmenter = quick().fit(X, np.arange(64) % 2)
    assert augmenter._row_encoder.codec._sets == []
