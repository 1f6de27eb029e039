"""How synthetic columns, and the correlations between them, differ from real ones."""

from typing import NamedTuple

import numpy as np
from scipy.stats.contingency import association
from sklearn.utils import check_array

from .._preprocessing.containers import check_container
from .._preprocessing.schema import read_table
from .._validation import add_note, column_name, columns_are_named, no_data_in_errors
from ._pairs import check_same_columns, near_one

# Most columns for a matrix of correlations, which grows with the square of their number.
_MAX_CORRELATED = 2_000
# A column whose largest value is 1 is constant, apart from rounding, if its variance is at most
# this.
_NO_VARIANCE = 1e-14
# Most categories that associations distinguish.
_MAX_LEVELS = 20
# Values whose distributions are compared at once: bounds the memory.
_CHUNK_VALUES = 2**20


class ColumnDifferences(NamedTuple):
    """Differences between synthetic and real columns; lower is better for each number.

    Attributes
    ----------
    names : ndarray of object of shape (n_columns,)
        Names of the columns, or their positions if they have none.
    categorical : ndarray of bool of shape (n_columns,)
        Which columns hold categories.
    differences : ndarray of float of shape (n_columns,)
        Total variation of columns of categories, and Kolmogorov-Smirnov statistic of columns of
        numbers, in [0, 1]; 0 is ideal.
    correlations : ndarray of float of shape (n_numbers, n_numbers), or None
        Correlation of two columns of numbers among the synthetic rows less that among the real
        ones, in [-2, 2], 0 being ideal; the columns are ``names[~categorical]``. None where there
        are more than 2,000 of them.

    See Also
    --------
    column_differences : Computes it.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import column_differences
    >>> result = column_differences([[0.0], [1.0]], [[0.0], [0.0]])
    >>> result.differences
    array([0.5])
    """

    names: np.ndarray
    categorical: np.ndarray
    differences: np.ndarray
    correlations: np.ndarray | None

    def to_frame(self):
        """Return names, measures and differences as a table; this needs pandas.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_columns, 2)
            One row a column, by name: "measure", "total variation" or "Kolmogorov-Smirnov", and
            "difference".
        """
        import pandas as pd

        measures = np.where(self.categorical, "total variation", "Kolmogorov-Smirnov")
        return pd.DataFrame(
            {"measure": measures, "difference": self.differences},
            index=pd.Index(self.names, name="column"),
        )


@no_data_in_errors()
def column_differences(X_real, X_synthetic, *, categorical_features=None):
    """Compare the distribution of each synthetic column, and correlations, with the real ones.

    Parameters
    ----------
    X_real : {array-like, dataframe} of shape (n_real, n_columns)
        Real rows: a hold-out set, or the training rows. A dataframe's columns of text, categories
        and booleans are categories. NaN, or another missing value, is a category of its own, and
        is taken for greater than all numbers.
    X_synthetic : {array-like, dataframe} of shape (n_synthetic, n_columns)
        Synthetic rows, with the same columns.
    categorical_features : array-like of bool, int or str, default=None
        Mask, positions or names of further columns of categories.

    Returns
    -------
    result : ColumnDifferences
        A named tuple of arrays, with ``to_frame()``; lower is better. Good values are those
        between two halves of the real rows: of n rows each, the Kolmogorov-Smirnov statistic of
        one distribution exceeds 1.36 sqrt(2 / n) once in twenty columns.

    Raises
    ------
    ValueError
        If a table is empty or not two-dimensional, holds infinity, dates or a mixture of text and
        numbers, if the tables differ in their columns, or if `categorical_features` does not fit.

    See Also
    --------
    classifier_two_sample_test : Detects dependences beyond correlations.

    Notes
    -----
    With F and G the shares of real and of synthetic values up to t, the Kolmogorov-Smirnov
    statistic is max_t |F(t) - G(t)|. With p and q the shares of real and of synthetic values of a
    category, the total variation is sum |p - q| / 2: the share of values to be changed for equal
    shares. Correlations are Pearson's, of a pair of columns over the rows where neither value is
    missing; that with a constant column is 0.

    Equal columns do not make equal tables, and copied rows have no differences at all.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_pyraug.metrics import column_differences
    >>> real = pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0], "blood": list("AABO")})
    >>> synthetic = pd.DataFrame({"age": [20.0, 30.0, 40.0, 70.0], "blood": list("AAAA")})
    >>> print(column_differences(real, synthetic).to_frame())
                       measure  difference
    column
    age     Kolmogorov-Smirnov        0.25
    blood      total variation        0.50
    """
    real = _read("X_real", X_real, categorical_features)
    synthetic = _read("X_synthetic", X_synthetic, categorical_features)
    names = common_names(real, synthetic)
    numbers, categories = np.flatnonzero(~real.categorical), np.flatnonzero(real.categorical)
    differences = np.empty(len(names))
    n_columns = max(1, _CHUNK_VALUES // (len(real.values) + len(synthetic.values)))
    for start in range(0, len(numbers), n_columns):
        chunk = numbers[start : start + n_columns]
        differences[chunk] = _kolmogorov_smirnov(real.values[:, chunk], synthetic.values[:, chunk])
    for j in categories:
        differences[j] = difference(real.column(j), synthetic.column(j))
    correlations = None
    if len(numbers) <= _MAX_CORRELATED:
        correlations = _correlations(synthetic.values[:, numbers])
        correlations -= _correlations(real.values[:, numbers])
    return ColumnDifferences(names, real.categorical, differences, correlations)


class _Table(NamedTuple):
    """A table as numbers.

    Attributes
    ----------
    where : str
        Its name for messages.
    values : ndarray of float64 of shape (n_rows, n_columns)
        Numbers, and indices of levels; NaN where a value is missing.
    categorical : ndarray of bool of shape (n_columns,)
    levels : list of n_columns
        An array of the values that indices stand for, or None where the numbers are the values.
    names : list or None
    """

    where: str
    values: np.ndarray
    categorical: np.ndarray
    levels: list
    names: list | None

    def column(self, j):
        """Return a column: floats, NaN where one is missing, or categories, None where missing."""
        x, levels = self.values[:, j], self.levels[j]
        if not self.categorical[j]:
            return x
        known = ~np.isnan(x)
        values = np.full(len(x), None, dtype=object)
        values[known] = x[known] if levels is None else levels[x[known].astype(np.intp)]
        return values


def _read(where, X, categorical_features):
    try:
        check_container(X, "X")
        table = read_table(X, categorical_features)
    except ValueError as error:
        add_note(error, f"X is `{where}`.")
        raise
    with np.errstate(invalid="ignore"), columns_are_named(X):
        values = check_array(
            table.view, dtype=np.float64, ensure_all_finite="allow-nan", input_name=where
        )
    n_columns = values.shape[1]
    categorical = np.zeros(n_columns, bool) if table.categorical is None else table.categorical
    columns = [None] * n_columns if table.schema is None else table.schema.columns
    levels = [None if column is None else column.levels for column in columns]
    values = values + [0.0 if column is None else float(column.origin) for column in columns]
    if table.boolean is not None:
        categorical = categorical | table.boolean
    return _Table(where, values, categorical, levels, table.names)


def common_names(real, synthetic):
    """Return the names of the columns, or their positions; raise if tables do not fit."""
    tables = (real, synthetic)
    check_same_columns(*((t.where, t.values.shape[1], t.names) for t in tables))
    n_columns = real.values.shape[1]
    names = synthetic.names if real.names is None else real.names
    for j in np.flatnonzero(real.categorical != synthetic.categorical):
        kinds = [
            f"{'categories' if table.categorical[j] else 'numbers'} in `{table.where}`"
            for table in tables
        ]
        raise ValueError(
            f"{column_name(j, names)} holds {' and '.join(kinds)}; give both the same type, or "
            "name it in categorical_features."
        )
    array = np.empty(n_columns, dtype=object)
    array[:] = range(n_columns) if names is None else names
    return array


def difference(x, x_new, weights=None):
    """Return how far the values of two columns differ, from 0 (alike) to 1 (apart).

    Parameters
    ----------
    x, x_new : ndarray of shape (n,) and of shape (n_new,)
        See :meth:`_Table.column`.
    weights : ndarray of shape (n_new,), default=None
        Of the second column, with a sum of 1; None for equal ones.

    Returns
    -------
    difference : float
        The Kolmogorov-Smirnov statistic of numbers, in which NaN is the greatest value, and the
        total variation of categories.
    """
    if x.dtype.kind == "f":
        return _kolmogorov_smirnov(x[:, None], x_new[:, None], weights)[0]
    number = {value: i for i, value in enumerate(dict.fromkeys([*x.tolist(), *x_new.tolist()]))}
    p = np.bincount([number[v] for v in x.tolist()], minlength=len(number)) / len(x)
    q = np.bincount([number[v] for v in x_new.tolist()], weights, len(number))
    q = q / len(x_new) if weights is None else q
    return np.abs(p - q).sum() / 2


def _kolmogorov_smirnov(A, B, weights=None):
    """Return the largest difference of the distribution functions of two samples, by columns.

    The statistic of :func:`scipy.stats.ks_2samp`, which takes 20 times as long for small samples,
    as it has a p-value, too, and no weights. Images have hundreds of thousands of columns.

    Parameters
    ----------
    A : ndarray of shape (n, n_columns)
    B : ndarray of shape (m, n_columns)
    weights : ndarray of shape (m,), default=None
        Of the rows of B; None for equal ones.

    Returns
    -------
    differences : ndarray of shape (n_columns,)
    """
    t = np.concatenate([A, B])
    t[np.isnan(t)] = np.inf
    order = np.argsort(t, axis=0, kind="stable")
    t = np.take_along_axis(t, order, axis=0)
    is_first = order < len(A)
    n_first = np.cumsum(is_first, axis=0)
    if weights is None:
        G = (np.arange(1, len(t) + 1)[:, None] - n_first) / len(B)
    else:
        G = np.cumsum(np.concatenate([np.zeros(len(A)), weights])[order], axis=0)
    # Both functions jump at the last of several equal values.
    is_last = np.ones(t.shape, bool)
    is_last[:-1] = t[1:] != t[:-1]
    return np.max(np.abs(n_first / len(A) - G), axis=0, where=is_last, initial=0.0)


def _correlations(X):
    """Return the correlations of columns over the rows where both are known, 0 for constant ones.

    Parameters
    ----------
    X : ndarray of float64 of shape (n, n_columns)
        NaN where a value is missing.

    Returns
    -------
    correlations : ndarray of shape (n_columns, n_columns)
        The diagonal is 1.
    """
    if not X.shape[1]:
        return np.empty((0, 0))
    Z, K = _centred(X)
    # Row i, column j: moments of column i over the rows where column j is also known.
    n = np.maximum(K.T @ K, 1)
    mean, square = Z.T @ K / n, (Z**2).T @ K / n
    variance = square - mean**2
    covariance = Z.T @ Z / n - mean * mean.T
    varies = (variance > _NO_VARIANCE) & (variance.T > _NO_VARIANCE)
    scale = np.sqrt(np.where(varies, variance * variance.T, 1))
    correlations = np.clip(np.where(varies, covariance / scale, 0), -1, 1)
    np.fill_diagonal(correlations, 1)
    return correlations


def _centred(X):
    """Return columns scaled such that sums of squares are exact, and where values are known.

    Parameters
    ----------
    X : ndarray of float64 of shape (n, n_columns)
        NaN where a value is missing.

    Returns
    -------
    Z : ndarray of shape (n, n_columns)
        Of mean 0 and values up to 1; 0 where a value is missing or the column constant.
    K : ndarray of shape (n, n_columns)
        1 where a value is known, else 0.
    """
    known = ~np.isnan(X)
    K = known.astype(np.float64)
    Z, _ = near_one(np.where(known, X, 0), axis=0)
    low, high = (np.where(known, Z, end) for end in (np.inf, -np.inf))
    varies = low.min(axis=0) < high.max(axis=0)
    Z = np.where(known & varies, Z - Z.sum(axis=0) / np.maximum(K.sum(axis=0), 1), 0)
    return Z / np.where(varies, np.abs(Z).max(axis=0), 1), K


def associations(table, columns):
    """Return how strongly each two columns of a table depend on each other.

    Parameters
    ----------
    table : _Table
    columns : ndarray of int of shape (k,)
        Positions.

    Returns
    -------
    associations : ndarray of shape (k, k)
        Pearson's correlation of two columns of numbers, in [-1, 1]; the correlation ratio of
        numbers and categories and Cramér's V of two columns of categories, in [0, 1]. The
        diagonal is 1. A missing category is one of its own; of more than 20 the rarer ones
        are one.
    """
    X, is_category = table.values[:, columns], table.categorical[columns]
    numbers, categories = np.flatnonzero(~is_category), np.flatnonzero(is_category)
    result = np.eye(len(columns))
    result[np.ix_(numbers, numbers)] = _correlations(X[:, numbers])
    Z, K = _centred(X[:, numbers])
    levels = [_indicators(X[:, j]) for j in categories]
    for i, (j, E) in enumerate(zip(categories, levels, strict=True)):
        result[j, numbers] = result[numbers, j] = _correlation_ratios(E, Z, K)
        for k, F in zip(categories[:i], levels, strict=False):
            counts = (E.T @ F).astype(int)
            # A constant column depends on nothing.
            if min(counts.shape) > 1:
                result[j, k] = result[k, j] = association(counts, method="cramer")
    return result


def _indicators(x):
    """Return one column of zeros and ones for each category, of the rarer ones together."""
    _, codes, counts = np.unique(x, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.intp)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.eye(min(len(counts), _MAX_LEVELS))[np.minimum(rank[codes], _MAX_LEVELS - 1)]


def _correlation_ratios(E, Z, K):
    """Return sqrt(variance between categories / variance) of each column of numbers.

    Parameters
    ----------
    E : ndarray of shape (n, n_levels)
        Indicators of the categories.
    Z, K : ndarray of shape (n, n_numbers)
        See :func:`_centred`.
    """
    total = (Z**2).sum(axis=0)
    between = ((E.T @ Z) ** 2 / np.maximum(E.T @ K, 1)).sum(axis=0)
    return np.sqrt(np.minimum(between / np.where(total > 0, total, 1), 1))
