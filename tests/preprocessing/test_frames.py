"""Tables of polars, pyarrow and pandas: the same kind of table comes back, with the same schema."""

import datetime
import pickle
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from pandas.testing import assert_frame_equal
from shared import quick, table
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.utils.fixes import parse_version

from sklearn_pyraug import AugmentedClassifier, RHVAEAugmenter, RHVAEEmbedder, augmentation_gain
from sklearn_pyraug._preprocessing.templates import ColumnState, TemplateState, template_from_state
from sklearn_pyraug.pipeline import make_pipeline

N = 30
Y = np.repeat([0, 1], [20, 10])
RNG = np.random.default_rng(0)
FLOATS = RNG.normal(size=N).tolist()
INTS = RNG.integers(0, 9, N).tolist()
TEXT = [("a", "b", "c")[i] for i in RNG.integers(0, 3, N)]
BOOLS = [i > 3 for i in INTS]
DECIMALS = [Decimal(i) / 4 for i in INTS]


def gaps(values, gap=None):
    """Make every seventh value missing."""
    return [gap if i % 7 == 3 else v for i, v in enumerate(values)]


POLARS = {
    **{
        f"{u}Int{n}": (getattr(pl, f"{u}Int{n}"), gaps(INTS))
        for u in ("", "U")
        for n in (8, 16, 32, 64)
    },
    "Int16, full": (pl.Int16, INTS),
    "Float32": (pl.Float32, gaps(FLOATS)),
    "Float64": (pl.Float64, FLOATS),
    "Float64, NaN": (pl.Float64, gaps(FLOATS, np.nan)),
    "Boolean": (pl.Boolean, gaps(BOOLS)),
    "Boolean, full": (pl.Boolean, BOOLS),
    "String": (pl.String, gaps(TEXT)),
    "Categorical": (pl.Categorical, gaps(TEXT)),
    "Categorical, lexical": (pl.Categorical("lexical"), TEXT),
    "Enum": (pl.Enum(["c", "unused", "b", "a"]), gaps(TEXT)),
    "Decimal": (pl.Decimal(5, 2), gaps(DECIMALS)),
    "Decimal, inferred": (None, DECIMALS),
    "Null": (pl.Null, [None] * N),
}
PYARROW = {
    **{
        f"{u}int{n}": (getattr(pa, f"{u}int{n}")(), gaps(INTS))
        for u in ("", "u")
        for n in (8, 16, 32, 64)
    },
    "int16, full": (pa.int16(), INTS),
    "halffloat": (pa.float16(), gaps([np.float16(v) for v in FLOATS])),
    "float": (pa.float32(), gaps(FLOATS)),
    "double": (pa.float64(), FLOATS),
    "double, NaN": (pa.float64(), gaps(FLOATS, np.nan)),
    "bool": (pa.bool_(), gaps(BOOLS)),
    "bool, full": (pa.bool_(), BOOLS),
    "string": (pa.string(), gaps(TEXT)),
    "large_string": (pa.large_string(), TEXT),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), gaps(TEXT)),
    "dictionary, ordered": (pa.dictionary(pa.int32(), pa.string(), ordered=True), TEXT),
    "dictionary of numbers": (pa.dictionary(pa.int8(), pa.int64()), gaps(INTS)),
    "decimal128": (pa.decimal128(5, 2), gaps(DECIMALS)),
    "decimal256": (pa.decimal256(50, 2), DECIMALS),
    "null": (pa.null(), [None] * N),
}
CASES = [("polars", *case) for case in POLARS.values()]
CASES += [("pyarrow", *case) for case in PYARROW.values()]
IDS = [*(f"polars {name}" for name in POLARS), *(f"pyarrow {name}" for name in PYARROW)]


def arrow_array(values, dtype):
    if not pa.types.is_dictionary(dtype):
        return pa.array(values, type=dtype)
    levels = sorted({v for v in values if v is not None}, reverse=True)
    levels.append(type(levels[0])(99))  # which no row has
    codes = [None if v is None else levels.index(v) for v in values]
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, type=dtype.index_type),
        pa.array(levels, type=dtype.value_type),
        ordered=dtype.ordered,
    )


def make(library, **columns):
    """Return a table; a column is given as values, or as a dtype and values."""
    if library == "pandas":
        return pd.DataFrame({n: v[1] if isinstance(v, tuple) else v for n, v in columns.items()})
    make_column = {
        "polars": lambda dtype, values: pl.Series(values, dtype=dtype),
        "pyarrow": lambda dtype, values: arrow_array(values, dtype),
    }[library]
    columns = {n: make_column(*v) if isinstance(v, tuple) else v for n, v in columns.items()}
    return pl.DataFrame(columns) if library == "polars" else pa.table(columns)


def rows(X):
    """Return a table's columns as lists, with None for NaN."""
    columns = X.to_dict(as_series=False) if isinstance(X, pl.DataFrame) else X.to_pydict()
    return {n: [None if v != v else v for v in column] for n, column in columns.items()}


def head(X, n=N):
    return X.head(n) if isinstance(X, pl.DataFrame) else X.slice(0, n)


def column(X, name):
    return X[name].to_list() if isinstance(X, pl.DataFrame) else X[name].to_pylist()


def dictionary(X, name):
    return X[name].combine_chunks().dictionary.to_pylist()


@pytest.mark.parametrize(("library", "dtype", "values"), CASES, ids=IDS)
def test_column_comes_back(library, dtype, values, tmp_path):
    X = make(library, x=FLOATS, v=(dtype, values), t=TEXT)
    if getattr(X.schema["v"] if library == "polars" else None, "precision", 0) is None:
        pytest.skip("earlier versions of polars infer no precision, and then set the largest")
    before = rows(X)
    augmenter = quick(missing="keep")
    X_res, y_res = augmenter.fit_resample(X, Y)
    assert type(X_res) is type(X)
    assert X_res.schema == X.schema
    assert rows(X) == rows(head(X_res)) == before
    assert X_res.shape == (2 * 40, 3)
    assert augmenter.feature_names_in_.tolist() == ["x", "v", "t"]
    assert y_res[N:].tolist() == [0] * 20 + [1] * 30

    new, seen = column(X_res, "v")[N:], column(X, "v")
    known = [v for v in new if v is not None and v == v]
    lacking = [v for v in new if v is None or v != v]
    # Missing values stay as they were: None stays None, and NaN stays NaN.
    assert {v is None for v in lacking} <= {v is None for v in seen if v is None or v != v}
    assert bool(lacking) == (None in before["v"])
    if isinstance(values[0], (float, np.floating)):
        assert min(FLOATS) - 1e-3 <= min(known) <= max(known) <= max(FLOATS) + 1e-3
    else:
        assert set(known) <= set(seen)

    X_new, _ = augmenter.sample(3)
    assert X_new.schema == X.schema
    if library == "pyarrow" and pa.types.is_dictionary(dtype):
        assert dictionary(X_res, "v") == dictionary(X_new, "v") == dictionary(X, "v")

    augmenter.save(tmp_path / "model.pyraug")
    for twin in (
        RHVAEAugmenter.load(tmp_path / "model.pyraug"),
        pickle.loads(pickle.dumps(augmenter)),
    ):
        X_twin, _ = twin.sample(3)
        assert type(X_twin) is type(X)
        assert X_twin.schema == X.schema
        assert rows(X_twin) == rows(X_new)


LIBRARIES = pytest.mark.parametrize("library", ["polars", "pyarrow"])


def mixed(library):
    category = {
        "pandas": (None, pd.Categorical(gaps(TEXT), ["c", "unused", "b", "a"])),
        "polars": (pl.Enum(["c", "unused", "b", "a"]), gaps(TEXT)),
        "pyarrow": pa.DictionaryArray.from_arrays(
            pa.array([None if t is None else "c_ba".index(t) for t in gaps(TEXT)]),
            pa.array(["c", "unused", "b", "a"]),
        ),
    }[library]
    integers = pd.array(gaps(INTS), dtype="Int64") if library == "pandas" else gaps(INTS)
    return make(
        library, x=FLOATS, n=INTS, i=integers, b=BOOLS, t=TEXT[::-1], g=gaps(TEXT[::-1]), c=category
    )


@LIBRARIES
@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_rows_are_those_that_pandas_gets(library, decoder):
    """The container says nothing about the data, so the networks see the same numbers."""
    X_pd, X = mixed("pandas"), mixed(library)
    expected, _ = quick(missing="keep", decoder=decoder).fit_resample(X_pd, Y)
    X_res, _ = quick(missing="keep", decoder=decoder).fit_resample(X, Y)
    expected = expected.astype(object).where(expected.notna(), None)
    assert rows(X_res) == {name: expected[name].tolist() for name in expected}


@LIBRARIES
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_rows_are_those_that_an_array_gets(library, dtype):
    V = np.round(10 * table((20, 10), 3)[0]).astype(dtype)
    X = make(library, **{f"column_{j}": V[:, j] for j in range(3)})
    expected, _ = quick().fit_resample(V, Y)
    X_res, _ = quick().fit_resample(X, Y)
    assert X_res.schema == X.schema
    values = np.column_stack(list(rows(X_res).values()))
    np.testing.assert_array_equal(values.astype(dtype), expected)


LARGE = {"int64": (np.int64, 2**62), "uint64": (np.uint64, 2**64 - 1), "largest": (np.int64, 2**63)}


@LIBRARIES
@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("beside", [True, False])
def test_large_integers_are_exact(library, name, beside):
    """Beside floats new integers are rounded to floats; the user's own never are."""
    dtype, top = LARGE[name]
    large = [top - 1 - i for i in INTS]
    X = make(library, n=np.array(large, dtype=dtype), **({"x": FLOATS} if beside else {}))
    X_res, _ = quick().fit_resample(X, Y)
    assert X_res.schema == X.schema
    values = column(X_res, "n")
    assert values[:N] == large
    if beside:
        assert all(top - 4096 <= v <= np.iinfo(dtype).max for v in values)
    else:
        assert set(values) <= set(large)


@LIBRARIES
def test_decimals_up_to_the_largest_of_their_precision(library):
    """Of 17 nines, a float makes a one and 17 zeros, for which there is no room."""
    dtype = pl.Decimal(17, 0) if library == "polars" else pa.decimal128(17, 0)
    X = make(library, v=(dtype, [Decimal(10**17 - 1 - i) for i in INTS]), x=FLOATS)
    X_res, _ = quick().fit_resample(X, Y)
    assert X_res.schema == X.schema
    assert all(10**17 - 64 < v < 10**17 for v in column(X_res, "v"))


def test_levels_that_are_not_a_number_are_missing():
    codes = pa.array([i % 3 for i in range(N)], type=pa.int8())
    levels = pa.array([0.5, np.nan, 1.5])
    X = pa.table({"v": pa.DictionaryArray.from_arrays(codes, levels), "x": FLOATS})
    X_res, _ = quick(missing="keep").fit_resample(X, Y)
    assert X_res.schema == X.schema
    assert rows(head(X_res)) == rows(X)
    assert set(rows(X_res)["v"]) == {0.5, 1.5, None}


def test_tables_of_a_subclass():
    class MyFrame(pl.DataFrame):
        pass

    X_res, _ = quick().fit_resample(MyFrame({"x": FLOATS}), Y)
    assert isinstance(X_res, pl.DataFrame)
    assert X_res["x"][:N].to_list() == FLOATS


@LIBRARIES
def test_no_new_rows(library):
    X = mixed(library)
    augmenter = quick(missing="keep", sampling_strategy={0: 20, 1: 10})
    X_res, _ = augmenter.fit_resample(X, Y)
    assert rows(X_res) == rows(X)
    assert X_res.schema == X.schema
    X_new, y_new = augmenter.fit(X, Y).sample(0)
    assert X_new.schema == X.schema
    assert X_new.shape == (0, 7)
    assert len(y_new) == 0


def test_what_else_a_schema_of_pyarrow_holds():
    schema = pa.schema(
        [pa.field("x", pa.float64(), nullable=False, metadata={"unit": "m"}), ("t", pa.string())],
        metadata={"made": "here"},
    )
    X = pa.table([FLOATS, TEXT], schema=schema)
    X = pa.concat_tables([X.slice(0, 7), X.slice(7)])
    augmenter = quick()
    X_res, _ = augmenter.fit_resample(X, Y)
    assert X_res.schema.equals(schema, check_metadata=True)
    assert rows(head(X_res)) == rows(X)
    assert not augmenter.sample(1)[0].schema.field("x").nullable


def test_dictionaries_that_differ_between_chunks():
    parts = [pa.array(TEXT[:9]).dictionary_encode(), pa.array(TEXT[9:]).dictionary_encode()]
    X = pa.table({"t": pa.chunked_array(parts), "x": FLOATS})
    X_res, _ = quick().fit_resample(X, Y)
    assert X_res.schema == X.schema
    assert column(X_res, "t")[:N] == TEXT


@LIBRARIES
def test_columns_named_as_categories(library):
    X = make(library, x=FLOATS, n=INTS)
    codes = {}
    for features in (["n"], [1], [False, True]):
        X_res, _ = quick(categorical_features=features).fit_resample(X, Y)
        codes[str(features)] = column(X_res, "n")
        assert set(codes[str(features)]) <= set(INTS)
    assert len({tuple(v) for v in codes.values()}) == 1
    with pytest.raises(ValueError, match=r"has 'q', which is none of .*Pass .*'x', 'n'"):
        quick(categorical_features=["q"]).fit(X, Y)


@LIBRARIES
def test_images_in_a_table(library):
    """Categories that differ only by their values stay different here, too."""
    V = np.tile(np.linspace(0, 1, 64).reshape(8, 8), (N, 1, 1)) * RNG.random((N, 1, 1))
    X = make(library, **{f"pixel_{j}": V.reshape(N, -1)[:, j] for j in range(64)})
    augmenter = quick(sample_shape=(8, 8))
    X_res, _ = augmenter.fit_resample(X, Y)
    assert augmenter.sample_shape_ == (8, 8)
    assert X_res.schema == X.schema


# Labels

WORDS = np.array(["no", "yes"], dtype=object)[Y].tolist()
LABELS = {
    "pl Int8": pl.Series("label", Y, dtype=pl.Int8),
    "pl Boolean": pl.Series("label", Y == 1),
    "pl, no name": pl.Series(WORDS),
    "pl String": pl.Series("label", WORDS),
    "pl Categorical": pl.Series("label", WORDS, dtype=pl.Categorical),
    "pl Enum": pl.Series("label", WORDS, dtype=pl.Enum(["unused", "yes", "no"])),
    "pl DataFrame": pl.DataFrame({"label": WORDS}),
    "pa int64": pa.array(Y),
    "pa bool": pa.array(Y == 1),
    "pa string": pa.array(WORDS),
    "pa dictionary": pa.array(WORDS).dictionary_encode(),
    "pa chunks": pa.chunked_array([WORDS[:7], WORDS[7:]]),
    "pa dictionary, chunks": pa.chunked_array(
        [pa.array(w).dictionary_encode() for w in (WORDS[:20], WORDS[20:])]
    ),
    "pa Table": pa.table({"label": WORDS}),
}


def dtype_of(y):
    if isinstance(y, pl.Series):
        return y.name, y.dtype
    return y.type if hasattr(y, "type") else y.schema


def label_list(y):
    if isinstance(y, (pl.DataFrame, pa.Table)):
        return column(y, "label")
    return y.to_list() if isinstance(y, pl.Series) else y.to_pylist()


@pytest.mark.parametrize(
    ("library", "name"),
    [
        *(("numpy", name) for name in LABELS),
        *(
            (library, name)
            for library in ("polars", "pyarrow", "pandas")
            for name in ("pl Enum", "pa chunks")
        ),
    ],
)
def test_labels_come_back(library, name, tmp_path):
    y, V = LABELS[name], table((20, 10), 2)[0]
    X = V if library == "numpy" else make(library, a=V[:, 0], b=V[:, 1])
    augmenter = quick()
    X_res, y_res = augmenter.fit_resample(X, y)
    assert type(X_res) is type(X)
    assert type(y_res) is type(y)
    assert dtype_of(y_res) == dtype_of(y)
    labels = label_list(y)
    assert label_list(y_res) == labels + [labels[0]] * 20 + [labels[-1]] * 30
    assert augmenter.classes_.tolist() == sorted(set(labels))

    augmenter.save(tmp_path / "model.pyraug")
    for twin in (augmenter, RHVAEAugmenter.load(tmp_path / "model.pyraug")):
        _, y_new = twin.sample({labels[-1]: 2})
        assert type(y_new) is type(y)
        assert dtype_of(y_new) == dtype_of(y)
        assert label_list(y_new) == [labels[-1]] * 2


# Around the augmenter


@LIBRARIES
def test_other_estimators_take_the_tables(library):
    V = table((20, 10), 2)[0]
    X = make(library, a=V[:, 0], b=V[:, 1])
    pipeline = make_pipeline(quick(), LogisticRegression()).fit(X, Y)
    assert pipeline.predict(X).shape == (N,)
    weights = np.r_[0, np.ones(N - 1)]
    classifier = AugmentedClassifier(quick(), LogisticRegression()).fit(X, Y, weights)
    assert classifier.feature_names_in_.tolist() == ["a", "b"]
    expected = AugmentedClassifier(quick(), LogisticRegression()).fit(V, Y, weights)
    # polars hands its columns over one after the other: products of matrices round otherwise.
    np.testing.assert_allclose(classifier.predict_proba(X), expected.predict_proba(V), rtol=1e-12)


@LIBRARIES
@pytest.mark.parametrize("name", ["pl String", "pa chunks", "pa Table"])
def test_gain_takes_tables_and_labels(library, name):
    if library == "pyarrow" and parse_version(sklearn.__version__) < parse_version("1.7"):
        pytest.skip("scikit-learn splits tables of pyarrow from version 1.7")
    V = table((20, 10), 2)[0]
    X = make(library, a=V[:, 0], b=V[:, 1])
    settings = {"cv": 2, "n_repeats": 1, "random_state": 0, "preprocessor": None}
    gain = augmentation_gain(LogisticRegression(), X, LABELS[name], augmenter=quick(), **settings)
    expected = augmentation_gain(LogisticRegression(), V, WORDS, augmenter=quick(), **settings)
    np.testing.assert_array_equal(gain.scores_with, expected.scores_with)


def test_cross_validation_of_a_polars_table():
    V = table((20, 10), 2)[0]
    X = make("polars", a=V[:, 0], b=V[:, 1])
    model = AugmentedClassifier(quick(), LogisticRegression())
    scores = cross_val_score(model, X, pl.Series(Y), cv=2)
    np.testing.assert_array_equal(scores, cross_val_score(model, V, Y, cv=2))


@LIBRARIES
def test_another_fit_forgets_the_table(library):
    V = table((20, 10), 2)[0]
    augmenter = quick().fit(make(library, a=V[:, 0], b=V[:, 1]), Y)
    augmenter.fit(V, Y)
    assert not hasattr(augmenter, "feature_names_in_")
    assert isinstance(augmenter.sample(1)[0], np.ndarray)


# What is refused

DAY = datetime.datetime(2020, 1, 2)
DATES = {
    "pl Date": pl.Series([DAY.date()] * N),
    "pl Datetime": pl.Series([DAY] * N),
    "pl Datetime, zone": pl.Series([DAY] * N).dt.replace_time_zone("UTC"),
    "pl Duration": pl.Series([DAY - DAY] * N),
    "pl Time": pl.Series([DAY.time()] * N),
    "pa date32": pa.array([DAY.date()] * N),
    "pa date64": pa.array([DAY.date()] * N, type=pa.date64()),
    "pa timestamp": pa.array([DAY] * N),
    "pa timestamp, zone": pa.array([DAY] * N, type=pa.timestamp("s", "UTC")),
    "pa duration": pa.array([DAY - DAY] * N),
    "pa time64": pa.array([DAY.time()] * N),
}


@pytest.mark.parametrize("name", DATES)
def test_dates_are_refused_with_advice(name):
    X = make("polars" if name.startswith("pl") else "pyarrow", x=FLOATS, when=DATES[name])
    match = "X holds dates or times in 'when' .*Replace them by numbers.*categorical_features"
    with pytest.raises(ValueError, match=match):
        quick().fit(X, Y)


@pytest.mark.parametrize(
    ("library", "dtype"),
    [
        *(("polars", t) for t in (pl.Date, pl.Datetime("ms"), pl.Datetime("us", "UTC"))),
        *(("pyarrow", t) for t in (pa.date32(), pa.timestamp("s"), pa.timestamp("us", "UTC"))),
    ],
    ids=str,
)
def test_dates_can_be_levels(library, dtype):
    days = [DAY + datetime.timedelta(days=i % 2) for i in range(N)]
    is_date = dtype in (pl.Date, pa.date32())
    days = [d.date() if is_date else d for d in days]
    if "UTC" in str(dtype):
        days = [d.replace(tzinfo=datetime.timezone.utc) for d in days]
    X = make(library, x=FLOATS, when=(dtype, days))
    X_res, _ = quick(categorical_features=["when"]).fit_resample(X, Y)
    assert X_res.schema == X.schema
    assert set(column(X_res, "when")) == set(column(X, "when"))


NESTED = {
    "pl List": pl.Series([[1, 2]] * N),
    "pl Struct": pl.Series([{"a": 1}] * N),
    "pl Binary": pl.Series([b"a"] * N),
    "pl Object": pl.Series([object()] * N, dtype=pl.Object),
    "pa list": pa.array([[1, 2]] * N),
    "pa struct": pa.array([{"a": 1}] * N),
    "pa binary": pa.array([b"a"] * N),
}


@pytest.mark.parametrize("name", NESTED)
def test_columns_that_cannot_be_generated(name):
    X = make("polars" if name.startswith("pl") else "pyarrow", x=FLOATS, c=NESTED[name])
    with pytest.raises(ValueError, match=r"X has the dtype .* in 'c', which cannot.*Replace"):
        quick().fit(X, Y)


ONE_COLUMN = pa.table({"x": FLOATS})


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (pl.LazyFrame({"x": FLOATS}), r"X is a polars.LazyFrame.* Pass X.collect\(\)"),
        (pl.Series(FLOATS), r"X is a polars.Series.* Pass X.to_frame\(\)"),
        (ONE_COLUMN.to_batches()[0], r"X is a pyarrow.RecordBatch.*Table.from_batches\(\[X\]\)"),
        (ONE_COLUMN["x"], r"X is a pyarrow.ChunkedArray.*Pass a polars.DataFrame or pyarrow.Table"),
        (
            pa.Table.from_arrays([pa.array(FLOATS)] * 2, names=["a", "a"]),
            "X has several columns of the name 'a'. Rename them",
        ),
        (pl.DataFrame(), "0 feature"),
        (pa.table({}), "0 feature"),
        (pl.DataFrame({"x": []}, schema={"x": pl.Float64}), "0 sample"),
        (ONE_COLUMN.slice(0, 0), "0 sample"),
        (pl.DataFrame({"x": gaps(FLOATS)}), r"contains NaN.*'x' \(4 NaN\).*missing='keep'"),
        (pa.table({"x": gaps(INTS)}), r"contains NaN.*'x' \(4 NaN\).*missing='keep'"),
        (pl.DataFrame({"x": gaps(FLOATS, np.inf)}), r"contains infinity.*'x' \(4 infinite\)"),
    ],
)
def test_tables_that_are_refused(X, match):
    for fit in (quick().fit, quick().fit_resample):
        with pytest.raises(ValueError, match=match):
            fit(X, Y[: 0 if match == "0 sample" else N])


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (pl.Series([None, *WORDS[1:]]), r"y holds 1 missing label\(s\). Leave out"),
        (pa.array([None, None, *WORDS[2:]]), r"y holds 2 missing label\(s\). Leave out"),
        (pl.DataFrame({"a": Y, "b": Y}), "y has 2 columns. Pass one column"),
        (pl.Series(FLOATS), "continuous"),
        (pl.Series([[1]] * N), r"y has the dtype List\(Int64\)"),
        (pl.LazyFrame({"y": Y}), r"y is a polars.LazyFrame.* Pass y.collect\(\)"),
    ],
)
def test_labels_that_are_refused(y, match):
    V = table((20, 10), 2)[0]
    classifier = AugmentedClassifier(quick(), LogisticRegression())
    for fit in (quick().fit, quick().fit_resample, classifier.fit):
        with pytest.raises(ValueError, match=match):
            fit(V, y)


# What is not installed


@LIBRARIES
def test_model_where_the_library_is_missing(library, monkeypatch, tmp_path):
    augmenter = quick(missing="keep").fit(mixed(library), Y)
    augmenter.save(tmp_path / "model.pyraug")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, library, None)
        loaded = RHVAEAugmenter.load(tmp_path / "model.pyraug")
        with pytest.raises(ImportError, match=f"a table of {library}, .*pip install {library}"):
            loaded.sample(1)
    assert rows(loaded.sample(2)[0]) == rows(augmenter.sample(2)[0])


NO_PANDAS = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "pandas" else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
sys.path.insert(0, "tests")
import numpy as np
import polars as pl
import pyarrow as pa
from shared import quick
x = np.random.default_rng(0).normal(size=30)
text = ["a", "b", "c"] * 10
y = [0] * 20 + [1] * 10
tables = pl.DataFrame({"x": x, "t": text}), pa.table({"x": x, "t": text})
for X, labels in zip(tables, (pl.Series(y), pa.array(y))):
    X_res, y_res = quick().fit_resample(X, labels)
    assert X_res.schema == X.schema
    assert len(y_res) == 80
X = np.array([x, text], dtype=object).T
X_res, _ = quick(categorical_features=[1]).fit_resample(X, y)
assert set(X_res[:, 1]) == {"a", "b", "c"}
assert "pandas" not in sys.modules
"""


@pytest.mark.slow
def test_pandas_is_not_needed():
    subprocess.run([sys.executable, "-W", "error", "-c", NO_PANDAS], check=True)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("polars.DataFrame", ("Int128",)),
        ("polars.DataFrame", ("read_csv", "/etc/hostname")),
        ("polars.DataFrame", ("List",)),
        ("pyarrow.Table", ("list_", "int64")),
        ("pandas.DataFrame", ("read_csv",)),
        ("pandas.DataFrame", ("string", "disk", False)),
        ("pandas.DataFrame", ("ArrowDtype", ("struct",))),
        ("os.DataFrame", ("Int64",)),
        ("polars.read_csv", ("Int64",)),
    ],
)
def test_states_name_no_dtype_but_those_known(kind, dtype):
    column = ColumnState("x", dtype)
    with pytest.raises(ValueError, match="known"):
        template_from_state(TemplateState(kind, (column,), ColumnState(None, ("object",))))


# pandas, whose other dtypes are in test_mixed_tables and test_augmenter


def arrow(dtype, values):
    return pd.Series(values, dtype=pd.ArrowDtype(dtype))


PANDAS = {
    "int16": arrow(pa.int16(), gaps(INTS)),
    "uint64": arrow(pa.uint64(), INTS),
    "float": arrow(pa.float32(), gaps(FLOATS)),
    "bool": arrow(pa.bool_(), gaps(BOOLS)),
    "string": arrow(pa.string(), gaps(TEXT)),
    "large_string": arrow(pa.large_string(), TEXT),
    "dictionary": arrow(pa.dictionary(pa.int8(), pa.string()), gaps(TEXT)),
    "decimal": arrow(pa.decimal128(5, 2), gaps(DECIMALS)),
    "null": arrow(pa.null(), [None] * N),
    "category over Arrow": arrow(pa.string(), gaps(TEXT)).astype("category"),
    "Decimal objects": pd.Series(gaps(DECIMALS), dtype=object),
    "None": pd.Series([None] * N, dtype=object),
    "Int64 up to the largest": pd.Series(gaps([2**63 - 1 - i for i in INTS]), dtype="Int64"),
    "Arrow up to the largest": arrow(pa.int64(), [2**63 - 1 - i for i in INTS]),
}


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_columns_come_back(name, tmp_path):
    X = pd.DataFrame({"x": FLOATS, "v": PANDAS[name], "t": TEXT})
    augmenter = quick(missing="keep")
    X_res, _ = augmenter.fit_resample(X, Y)
    assert_frame_equal(X_res[:N], X)
    assert (X_res.dtypes == X.dtypes).all()
    new, seen = X_res["v"][N:], X["v"]
    assert new.isna().any() == seen.isna().any()
    if name not in ("float", "Int64 up to the largest", "Arrow up to the largest"):
        assert set(new.dropna()) <= set(seen.dropna())
    augmenter.save(tmp_path / "model.pyraug")
    X_twin, _ = RHVAEAugmenter.load(tmp_path / "model.pyraug").sample(3)
    assert_frame_equal(X_twin, augmenter.sample(3)[0])
    assert (X_twin.dtypes == X.dtypes).all()


@pytest.mark.parametrize(
    "columns",
    [
        [5, 6, 7],
        [0.5, 1.5, 2.5],
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["p", "q"]),
        pd.date_range("2020", periods=3),
        pd.Index(["a", "b", "c"], name="feature"),
        ["name", "columns", "dtypes"],
    ],
    ids=["int", "float", "levels", "days", "named", "attributes"],
)
def test_names_of_pandas_columns_come_back(columns):
    X = pd.DataFrame({0: FLOATS, 1: INTS, 2: TEXT})
    X.columns = columns
    augmenter = quick()
    X_res, _ = augmenter.fit_resample(X, Y)
    assert_frame_equal(X_res[:N], X)
    assert_frame_equal(augmenter.sample(1)[0][:0], X[:0], check_index_type=False)


def test_names_of_pandas_columns_that_are_refused():
    X = pd.DataFrame(table((20, 10), 3)[0], columns=["a", "b", "b"])
    uses = (
        quick().fit,
        RHVAEEmbedder().fit,
        lambda X, y: augmentation_gain(LogisticRegression(), X, y),
    )
    for use in uses:
        with pytest.raises(ValueError, match="X has several columns of the name 'b'. Rename them"):
            use(X, Y)
    X.columns = ["a", 1, "b"]
    with pytest.raises(TypeError, match=r"string names, but .*convert them all to strings"):
        quick().fit(X, Y)
