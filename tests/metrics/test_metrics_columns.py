"""Tests of the differences of columns and of their correlations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sklearn_pyraug.metrics import ColumnDifferences, _columns, column_differences

pd = pytest.importorskip("pandas")


def test_numbers_have_the_statistic_of_scipy(random_seed, monkeypatch):
    monkeypatch.setattr(_columns, "_CHUNK_VALUES", 200)  # of two columns
    rng = np.random.default_rng(random_seed)
    # Rounded numbers have ties, within and between the sets.
    X, Y = rng.normal(size=(60, 3)), rng.exponential(size=(40, 3))
    X[:, 1], Y[:, 1] = X[:, 1].round(1), Y[:, 1].round(1)
    result = column_differences(X, Y)
    assert isinstance(result, ColumnDifferences)
    pairs = zip(X.T, Y.T, strict=True)
    expected = [stats.ks_2samp(a, b, method="asymp").statistic for a, b in pairs]
    assert_allclose(result.differences, expected)
    assert result.names.tolist() == [0, 1, 2]
    assert not result.categorical.any()


def test_a_shift_of_a_uniform_column_moves_its_statistic_by_as_much():
    x = np.arange(100.0)[:, None]
    assert column_differences(x, x + 30).differences == pytest.approx([0.3])
    assert column_differences(x, x + 1000).differences == [1]
    assert column_differences(x, x[::-1]).differences == [0]


CATEGORIES = {
    "text": pd.Series(list("aabc"), dtype=object),
    "category": pd.Series(list("aabc"), dtype="category"),
    "numbers as categories": pd.Series([7, 7, 1, 2], dtype="category"),
    "missing": pd.Series(["a", "a", None, "c"], dtype=object),
}


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories_have_the_total_variation(name):
    column = CATEGORIES[name]
    real = pd.DataFrame({"x": column})
    synthetic = pd.DataFrame({"x": column.iloc[[0, 1, 1, 2, 2, 2, 2, 2]].reset_index(drop=True)})
    # Shares of 1/2, 1/4, 1/4 against 3/8, 5/8, 0.
    result = column_differences(real, synthetic)
    assert result.categorical.tolist() == [True]
    assert result.differences == [3 / 8]
    assert result.correlations.shape == (0, 0)


@pytest.mark.parametrize("dtype", [bool, "boolean", object])
def test_booleans_are_categories(dtype):
    real = pd.DataFrame({"x": pd.Series([True, False, False, False], dtype=dtype)})
    synthetic = pd.DataFrame({"x": pd.Series([True, True, True, False])})
    result = column_differences(real, synthetic)
    assert result.categorical.tolist() == [True]
    assert result.differences == [0.5]


def test_columns_are_named_as_categories():
    X, Y = np.array([[0.0, 5.0], [9.0, 5.0]]), np.array([[4.0, 5.0], [5.0, 5.0]])
    assert_array_equal(column_differences(X, Y).differences, [0.5, 0])
    result = column_differences(X, Y, categorical_features=[0])
    assert_array_equal(result.differences, [1, 0])
    assert_array_equal(result.categorical, [True, False])
    frames = (pd.DataFrame(Z, columns=["a", "b"]) for Z in (X, Y))
    assert_array_equal(column_differences(*frames, categorical_features=["a"])[2], [1, 0])


def test_missing_numbers_are_greater_than_all_numbers():
    X, Y = np.arange(4.0)[:, None], np.array([[0.0], [1.0], [np.nan], [np.nan]])
    assert column_differences(X, Y).differences == [0.5]
    assert column_differences(Y, Y).differences == [0]


def test_correlations_are_those_of_numpy(random_seed):
    rng = np.random.default_rng(random_seed)
    X, Y = rng.normal(size=(60, 4)), rng.normal(size=(30, 4)) @ rng.normal(size=(4, 4))
    expected = np.corrcoef(Y.T) - np.corrcoef(X.T)
    assert_allclose(column_differences(X, Y).correlations, expected, atol=1e-12)


def test_correlations_with_missing_values_are_those_of_pandas(random_seed):
    rng = np.random.default_rng(random_seed)
    X = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4)) + 100
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    assert_allclose(_columns._correlations(X), pd.DataFrame(X).corr(), atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300])
def test_correlations_with_a_constant_column_are_zero(value):
    """The mean of equal numbers may round, which leaves noise to correlate."""
    x = np.random.default_rng(0).normal(size=(7, 1))
    X = np.hstack([x, np.full((7, 1), value), x])
    expected = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert_allclose(_columns._correlations(X), expected, atol=1e-12)
    assert_allclose(_columns._correlations(np.full((3, 1), np.nan)), [[1]])
    # Constant where the other column is known.
    X = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 5.0], [7.0, np.nan]])
    assert_array_equal(_columns._correlations(X), np.eye(2))


@pytest.mark.parametrize("exponent", [-1022, -600, 600, 1018])
def test_extreme_units_change_nothing(exponent, random_seed):
    rng = np.random.default_rng(random_seed)
    # Values of few bits, which subnormal numbers can hold, too.
    X, Y = np.rint(16 * rng.normal(size=(2, 40, 3)) + [0, 5, 0])
    units = [0, exponent - 4, 3]
    near, far = column_differences(X, Y), column_differences(np.ldexp(X, units), np.ldexp(Y, units))
    assert_array_equal(far.differences, near.differences)
    assert_allclose(far.correlations, near.correlations, atol=1e-3)


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1.0, 1e12])
def test_numbers_and_categories_are_associated_in_any_unit(unit, random_seed):
    """In units as small as 1e-8 no column of numbers depended on a category."""
    rng = np.random.default_rng(random_seed)
    group = rng.integers(0, 3, 60)
    x = rng.normal(size=60) + group
    x[::7] = np.nan
    table = _columns._read("X", np.c_[unit * x, group], [1])
    ratio = _columns.associations(table, np.arange(2))[0, 1]
    known = ~np.isnan(x)
    means = np.array([np.nanmean(x[group == k]) for k in range(3)])
    assert_allclose(ratio, np.std(means[group[known]]) / np.std(x[known]))


def test_the_ends_of_the_range_give_finite_values():
    most = np.finfo(np.float64).max
    X = np.array([[most, 1.0], [-most, 2.0], [1.0, 5e-324]])
    assert np.isfinite(column_differences(X, X[:2]).correlations).all()


def test_many_columns_have_no_matrix_of_correlations(monkeypatch):
    monkeypatch.setattr(_columns, "_MAX_CORRELATED", 2)
    assert column_differences(np.eye(3)[:, :2], np.eye(3)[:, :2]).correlations is not None
    result = column_differences(np.eye(3), np.eye(3))
    assert result.correlations is None
    assert_array_equal(result.differences, np.zeros(3))


def mixed(n, shift=0):
    i = np.arange(n)
    return pd.DataFrame(
        {
            "age": i + shift + 0.5,
            "count": i + shift,
            "sex": pd.Series(np.where(i % 2, "f", "m"), dtype=object),
            "ill": i < shift,
        }
    )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_of_polars_and_pyarrow_are_read(library):
    pytest.importorskip("narwhals")
    module = pytest.importorskip(library)
    make = module.DataFrame if library == "polars" else module.table
    tables = [make(mixed(10, shift).to_dict(orient="list")) for shift in (0, 3)]
    result = column_differences(*tables)
    expected = column_differences(mixed(10), mixed(10, 3))
    assert result.names.tolist() == ["age", "count", "sex", "ill"]
    assert_array_equal(result.categorical, [False, False, True, True])
    assert_allclose(result.differences, [0.3, 0.3, 0, 0.3])
    assert_array_equal(result.differences, expected.differences)
    assert_array_equal(result.correlations, expected.correlations)


def test_the_result_as_a_frame():
    frame = column_differences(mixed(10), mixed(10, 3)).to_frame()
    assert frame.index.tolist() == ["age", "count", "sex", "ill"]
    assert frame["measure"].tolist() == ["Kolmogorov-Smirnov"] * 2 + ["total variation"] * 2
    assert_allclose(frame["difference"], [0.3, 0.3, 0, 0.3])


def test_names_may_be_on_one_side_alone():
    frame, array = pd.DataFrame({"a": [1.0, 2.0]}), np.array([[1.0], [2.0]])
    assert column_differences(frame, array).names.tolist() == ["a"]
    assert column_differences(array, frame).names.tolist() == ["a"]


def test_tables_that_do_not_fit_are_refused():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    with pytest.raises(ValueError, match="Column 0 is 'b' in `X_synthetic` and 'a' in `X_real`"):
        column_differences(frame, frame[["b", "a"]])
    with pytest.raises(ValueError, match="`X_synthetic` has 1 columns and `X_real` has 2"):
        column_differences(frame, frame[["a"]])
    text = frame.assign(a=["x", "y"])
    with pytest.raises(ValueError, match="'a' holds numbers in `X_real` and categories in `X_syn"):
        column_differences(frame, text)


def test_bad_tables_are_refused_by_name_and_without_their_values():
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    dates = pd.DataFrame({"a": pd.to_datetime(["1931-07-13", "1931-07-14"])})
    with pytest.raises(ValueError, match=r"(?s)dates or times in 'a'.*X is `X_synthetic`") as error:
        column_differences(frame, dates)
    assert "1931" not in str(error.value)
    with pytest.raises(ValueError, match=r"text where numbers are needed: 'a'"):
        column_differences(frame.assign(a=pd.Series(["Ursula", 1.0], dtype=object)), frame)
    with pytest.raises(ValueError, match=r"0 feature.*at least one column"):
        column_differences(frame[[]], frame[[]])
    with pytest.raises(ValueError, match="Input X_real contains infinity"):
        column_differences([[np.inf]], [[1.0]])
    with pytest.raises(ValueError, match=r"categorical_features=\[5\] has 5, which is none"):
        column_differences(frame, frame, categorical_features=[5])
    with pytest.raises(ValueError, match="text where numbers are needed: column 0") as error:
        column_differences(np.array([["Ursula"]]), np.array([["Ursula"]]))
    assert "Ursula" not in str(error.value)
