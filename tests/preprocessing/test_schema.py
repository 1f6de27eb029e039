"""Tables of any kind to numbers and back."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import sparse

from sklearn_pyraug._preprocessing.schema import read_table

N = 12


def as_frame(values, like):
    return pd.DataFrame(values, columns=like.columns, dtype=object).astype(like.dtypes)


def round_trip(X, categorical_features=None):
    table = read_table(X, categorical_features)
    numbers = np.asarray(table.view, dtype=np.float64)
    return numbers, table.categorical, table.schema, table.schema.values(numbers)


COLUMNS = {
    "text": pd.Series(["b", "a", "c"] * 4),
    "object text": pd.Series(["b", "a", "c"] * 4, dtype=object),
    "string dtype": pd.Series(["b", "a", "c"] * 4, dtype="string"),
    "category": pd.Series(["b", "a", "c"] * 4, dtype="category"),
    "category of numbers": pd.Series([30, 10, 20] * 4, dtype="category"),
    "category of dates": pd.Series(pd.to_datetime(["2020-01-02", "2020-01-01"] * 6)).astype(
        "category"
    ),
    "ordered, with unused levels": pd.Series(
        pd.Categorical(["mid", "low"] * 6, ["low", "mid", "high"], ordered=True)
    ),
    "object booleans": pd.Series([True, False] * 6, dtype=object),
}


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_are_recognised(name, gaps):
    X = pd.DataFrame({"c": COLUMNS[name], "x": np.arange(N) / 2})
    if gaps:
        X.loc[[1, 7], "c"] = None
    numbers, categorical, _, values = round_trip(X)
    assert categorical.tolist() == [True, False]
    known = X["c"].notna()
    codes = numbers[known, 0]
    assert codes.min() == 0
    np.testing.assert_array_equal(codes, np.rint(codes))
    np.testing.assert_array_equal(np.isnan(numbers[:, 0]), ~known)
    assert_frame_equal(as_frame(values, X), X)


NUMERIC = {
    "int": pd.Series(range(N)),
    "float32": pd.Series(np.arange(N, dtype=np.float32) / 4),
    "bool": pd.Series([True, False] * 6),
    "nullable int": pd.Series([1, None, 3] * 4, dtype="Int64"),
    "nullable float": pd.Series([1, None, 3.5] * 4, dtype="Float64"),
    "nullable bool": pd.Series([True, None, False] * 4, dtype="boolean"),
    "objects that are numbers": pd.Series([1, 2, 3] * 4, dtype=object),
    "objects that are floats": pd.Series([1.5, None, 3.5] * 4, dtype=object),
}


@pytest.mark.parametrize("name", NUMERIC)
def test_numeric_columns_beside_text(name):
    X = pd.DataFrame({"n": NUMERIC[name], "t": ["a", "b"] * 6})
    table = read_table(X)
    assert table.categorical.tolist() == [False, True]
    assert_frame_equal(as_frame(table.schema.values(table.view), X), X)


def test_whole_numbers_stored_as_objects_stay_whole():
    X = pd.DataFrame({"n": pd.Series([1, 2, 3] * 4, dtype=object)})
    values = round_trip(X)[3]
    assert {type(v) for v in values.ravel()} == {int}


@pytest.mark.parametrize("name", ["int", "float32", "bool", "nullable int", "nullable bool"])
def test_frames_of_numbers_go_back_as_they_are(name):
    X = pd.DataFrame({"n": NUMERIC[name]})
    table = read_table(X)
    assert table.schema is None
    assert not table.categorical.any()
    assert_frame_equal(as_frame(table.view, X), X)


def test_whole_columns_are_told():
    X = pd.DataFrame({name: values for name, values in NUMERIC.items()} | {"t": ["a", "b"] * 6})
    whole = {"int", "bool", "nullable int", "nullable bool", "objects that are numbers"}
    assert {name for name, w in zip(X, read_table(X).whole, strict=True) if w} == whole


def test_levels_are_sorted_and_kept_in_full():
    X = pd.DataFrame(
        {"t": ["b", "a", "c"] * 4, "c": pd.Categorical(["y", "x"] * 6, ["z", "y", "x"])}
    )
    numbers, _, schema, _ = round_trip(X)
    assert schema.columns[0].levels.tolist() == ["a", "b", "c"]
    assert schema.columns[1].levels.tolist() == ["z", "y", "x"]
    assert numbers[:3].tolist() == [[1, 1], [0, 2], [2, 1]]


def test_the_frame_is_left_alone():
    X = pd.DataFrame({"t": ["b", "a"] * 6, "x": np.arange(N)}, index=range(5, 5 + N))
    before = X.copy()
    read_table(X)
    assert_frame_equal(X, before)


def test_columns_of_one_name_are_refused():
    """Some versions of scikit-learn refuse them, too; others keep a name twice."""
    X = pd.DataFrame([[0, 1, 2], [1, 2, 3]], columns=["a", "b", "b"])
    with pytest.raises(ValueError, match="X has several columns of the name 'b'. Rename them"):
        read_table(X)


# Arrays and lists


def test_object_array():
    X = np.array([["b", 1, 0.5, True], ["a", 3, 1.5, False]] * 6, dtype=object)
    numbers, categorical, schema, values = round_trip(X, [0])
    assert categorical.tolist() == [True, False, False, True]
    assert numbers[:2].tolist() == [[1, 1, 0.5, 1], [0, 3, 1.5, 0]]
    assert values.dtype == object
    np.testing.assert_array_equal(values, X)
    assert [type(v) for v in values[0]] == [str, int, float, bool]
    assert schema.dtype == object


@pytest.mark.parametrize("make", [list, lambda rows: np.array(rows, dtype=object)])
def test_rows_of_several_types_that_were_not_named(make):
    rows = [[0.5, 1, True, None], [1.5, 2**60 + 1, False, 3]] * 6
    _, categorical, _, values = round_trip(make(rows))
    assert categorical.tolist() == [False, False, True, False]
    assert values.tolist() == rows
    assert [[type(v) for v in row] for row in values] == [[type(v) for v in row] for row in rows]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_missing_values_of_an_object_array(missing):
    X = np.array([["b", 1.5], [missing, missing], ["a", 2.5]], dtype=object)
    numbers, _, _, values = round_trip(X, [0])
    np.testing.assert_array_equal(numbers, [[1, 1.5], [np.nan, np.nan], [0, 2.5]])
    assert values[1, 0] is missing
    assert values[1, 1] is missing


def test_array_of_text():
    X = np.array([["b", "xx"], ["a", "yyy"]])
    numbers, _, _, values = round_trip(X, [0, 1])
    assert numbers.tolist() == [[1, 0], [0, 1]]
    assert values.dtype == X.dtype
    np.testing.assert_array_equal(values, X)


def test_list():
    X = [["b", 1], ["a", 2]]
    numbers, _, _, values = round_trip(X, [0])
    assert numbers.tolist() == [[1, 1], [0, 2]]
    assert values.tolist() == X


@pytest.mark.parametrize("dtype", [np.float64, np.int32, bool])
def test_arrays_of_numbers_are_their_own_view(dtype):
    X = np.arange(12).reshape(4, 3).astype(dtype)
    table = read_table(X, [2])
    assert table.view is X
    assert table.schema is None
    assert table.categorical.tolist() == [False, False, True]


@pytest.mark.parametrize("X", [np.zeros((2, 2)), [[1, 2]], sparse.csr_array(np.eye(2)), "text", 3])
def test_nothing_is_looked_at_without_need(X):
    assert read_table(X)[0] is X
    assert set(read_table(X)[1:]) == {None}


def test_values_without_an_order_keep_that_of_their_occurrence():
    X = np.array([["b", 0], [2, 0], ["a", 0], [1, 0]], dtype=object)
    assert round_trip(X, [0])[2].columns[0].levels.tolist() == ["b", 2, "a", 1]


def test_levels_may_be_sequences():
    X = np.empty((2, 1), dtype=object)
    X[:, 0] = [(1, 2), (0, 1)]
    numbers, _, _, values = round_trip(X, [0])
    assert numbers.tolist() == [[1], [0]]
    assert values[0, 0] == (1, 2)


# categorical_features


@pytest.mark.parametrize(
    "features", [[True, False, True], np.array([0, 2]), [2, 0], ["a", "c"], pd.Index(["a", "c"])]
)
def test_ways_to_name_columns(features):
    X = pd.DataFrame(np.eye(3), columns=list("abc"))
    assert read_table(X, features)[1].tolist() == [True, False, True]


@pytest.mark.parametrize("features", [None, [], np.array([], dtype=int)])
def test_no_columns_named(features):
    assert not read_table(pd.DataFrame(np.eye(3)), features)[1].any()


def test_named_columns_are_added_to_the_recognised_ones():
    X = pd.DataFrame({"t": ["a", "b"] * 6, "n": range(N), "m": range(N)})
    assert read_table(X, ["m"])[1].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("features", "match"),
    [
        (
            [True, False],
            r"has 2 bools, which do not fit the 3 columns of X\. Pass a list of one bool for each",
        ),
        ([3], r"\[3\] has 3, which is none of the 3 columns of X.*0 to 2"),
        ([-1], "has -1, which is none"),
        (["d"], "has 'd', which is none.*'a', 'b', 'c'"),
        ([0.5], r"has 0\.5, .*one bool for each, of positions .* or of names: "),
        ([["a"], ["b"]], r"has \['a'\], which is none"),
        (["a", 1, None], "has 1, which is none"),
        ({"a": True}, "does not fit the 3 columns"),
        ("ab", "'ab' is no list of some of the 3 columns"),
        (0, "0 is no list of some of the 3 columns"),
    ],
)
def test_columns_that_cannot_be_named(features, match):
    X = pd.DataFrame(np.eye(3), columns=list("abc"))
    with pytest.raises(ValueError, match=f"categorical_features=.*{match}"):
        read_table(X, features)


def test_names_of_several_levels():
    """They were taken for a table of names, by a message that asked for them."""
    names = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    X = pd.DataFrame(np.eye(2), columns=names)
    assert read_table(X, [("a", "y")])[1].tolist() == [False, True]


def test_names_need_a_frame():
    with pytest.raises(
        ValueError, match=r"categorical_features=\['a'\].*is none .*Pass .*names, with a dataframe"
    ):
        read_table(np.eye(3), ["a"])


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array])
def test_sparse_rows_have_no_categories(container):
    with pytest.raises(ValueError, match=r"categorical_features=\[0\].*sparse X.*Pass X as"):
        read_table(container(np.eye(3)), [0])


# What is refused


@pytest.mark.parametrize(
    "dates",
    [
        pd.Series(pd.date_range("2020", periods=N)),
        pd.Series(pd.date_range("2020", periods=N, tz="UTC")),
        pd.Series(pd.timedelta_range("1h", periods=N)),
        pd.Series(pd.period_range("2020", periods=N, freq="D")),
        pd.Series([datetime.date(2020, 1, 1)] * N, dtype=object),
        pd.Series([datetime.time(12)] * N, dtype=object),
    ],
    ids=["days", "with a zone", "durations", "periods", "objects", "times"],
)
def test_dates_are_named(dates):
    X = pd.DataFrame({"x": range(N), "when": dates})
    match = "dates or times in 'when' .*Replace them by numbers.*categorical_features"
    with pytest.raises(ValueError, match=match):
        read_table(X)


def test_dates_can_be_levels():
    X = pd.DataFrame({"when": pd.to_datetime(["2020-01-02", "2020-01-01"] * 6)})
    numbers, _, _, values = round_trip(X, ["when"])
    assert numbers[:2, 0].tolist() == [1, 0]
    assert_frame_equal(as_frame(values, X), X)


@pytest.mark.parametrize("dtype", ["M8[D]", "m8[s]"])
def test_dates_in_an_array(dtype):
    with pytest.raises(ValueError, match="dates or times.*Replace them"):
        read_table(np.zeros((3, 2), dtype=dtype))


def test_numbers_beside_text_in_one_column():
    """Such a column may be text, or numbers with a typing error: we cannot know."""
    X = pd.DataFrame({"a": pd.Series([1, "red", 3], dtype=object), "b": ["x", "y", "z"]})
    match = "text where numbers are needed: 'a'. Name such columns in categorical_features"
    with pytest.raises(ValueError, match=match) as caught:
        read_table(X)
    assert "red" not in str(caught.value)
    assert read_table(X, ["a"])[1].all()


def test_text_in_an_array_column_that_was_not_named():
    X = np.array([["a", 1, "x"], ["b", 2, "y"]], dtype=object)
    with pytest.raises(ValueError, match="text where numbers are needed: column 2"):
        read_table(X, [0])


def test_values_that_are_neither_numbers_nor_text():
    """Lists were called text, and the remedy, to name them as categories, was an error, too."""
    X = pd.DataFrame({"c": [[1], [2]], "t": [(1, 2), (3,)]})
    for named in ([], ["c"]):
        with pytest.raises(ValueError, match="type list in 'c', which cannot be levels.*Leave the"):
            read_table(X, named)
    with pytest.raises(ValueError, match="type tuple in 't', which are neither.*Name the column"):
        read_table(X[["t"]])
    assert read_table(X[["t"]], ["t"])[1].all()


def test_decimals_are_numbers():
    X = pd.DataFrame({"price": [decimal.Decimal("1.5"), decimal.Decimal("2.25"), None]})
    numbers, categorical, _, values = round_trip(X)
    assert numbers[:2, 0].tolist() == [1.5, 2.25]
    assert not categorical.any()
    assert [str(v) for v in values[:, 0]] == ["1.50", "2.25", "None"]


@pytest.mark.parametrize("places", [0, 3])
def test_decimals_have_the_places_of_the_column(places):
    step = decimal.Decimal(1).scaleb(-places)
    X = pd.DataFrame({"price": [step * i for i in range(N)]})
    schema = read_table(X)[3]
    assert schema.values(np.array([[1 / 3]])).item() == round(decimal.Decimal(1) / 3, places)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64", "UInt64"])
def test_the_largest_integers_stay_in_their_dtype(dtype):
    """Beside floats, 2**63 - 1 became 2**63, which no int64 can hold."""
    largest = np.iinfo(dtype.lower()).max
    X = pd.DataFrame({"n": pd.Series([largest, 5] * 6, dtype=dtype), "x": np.arange(N) / 2})
    read = read_table(X)
    back = pd.DataFrame(read.schema.values(read.view), columns=X.columns).astype(X.dtypes)
    assert largest - 4096 < int(back["n"].max()) <= largest
    assert back["n"].min() == 5


def test_integers_alone_stay_exact():
    X = pd.DataFrame({"n": [2**63 - 1, 5], "m": [2**62 + 1, 0]})
    assert read_table(X).view.tolist() == X.to_numpy().tolist()
