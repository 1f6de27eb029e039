"""Sets of columns of 0 and 1 that exclude each other, as an encoder makes them of categories."""

import os
import re
from typing import NamedTuple

import numpy as np

# Expected number of rows with several ones, by chance, from which their absence means something;
# and number of columns up to which the search counts once.
_MIN_EXPECTED, _N_COLUMNS = 5.0, 2
# Other values than 0 and 1 are looked at from so many rows on: of two rows, all have two values.
_MIN_ROWS = 4
_PREFIX = re.compile(r".*[\W_](?=\w*$)")


class ColumnSet(NamedTuple):
    """Columns of two values each, of which a row has the larger one in a single column at most.

    Attributes
    ----------
    columns : ndarray of int of shape (n_columns,)
    low, high : ndarray of shape (n_columns,)
        The two values: 0 and 1, unless they were scaled.
    """

    columns: np.ndarray
    low: np.ndarray
    high: np.ndarray


def find_sets(X, coded, names=None):
    """Find sets of columns in which each row has at most one 1.

    A set is a run of neighbouring columns that hold both 0 and 1, apart from constant columns in
    between, no two of them 1 in one row, such that

    - every row has a 1; or
    - the names of the columns, and no others, begin alike up to a separator, as in
      ``"site_A", "site_B"``; or
    - by chance, if the columns were independent, at least 5 + log(m / 2) rows would have several
      ones, for m columns of 0 and 1 in the table: of 20 rows, two columns with a third of ones
      each are no set.

    Of any other two values, as a scaler makes of 0 and 1, the larger one is the 1. Values may be
    missing in rows where those of all columns of the set are.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        NaN is a missing value.
    coded : ndarray of bool of shape (n_features,)
        Columns of indices of levels that are not 0 and 1, which are in no set.
    names : list or None, default=None
        Of the columns.

    Returns
    -------
    sets : list of ColumnSet
    """
    gaps = np.isnan(X)
    low, high = np.fmin.reduce(X), np.fmax.reduce(X)
    is_one = (high == X) & ((low < high) | (high == 1))
    binary = ~coded & (is_one | (low == X) | gaps).all(axis=0)
    of_bits = ((low == 0) | (low == 1)) & ((high == 0) | (high == 1))
    binary &= of_bits | (len(X) >= _MIN_ROWS)
    varies = binary & (low < high)
    ones = np.where(varies, np.sum(is_one, axis=0), 0)
    least = _MIN_EXPECTED + np.log(max(varies.sum(), _N_COLUMNS) / _N_COLUMNS)
    # A column that belongs to no set separates runs, unless it is constant.
    constant = binary & ~varies & of_bits
    columns = [j for j in range(X.shape[1]) if not constant[j]]
    sets, first = [], 0
    while first < len(columns):
        run, gap = [], gaps[:, columns[first]]
        n_ones = gap.astype(np.intp)
        for k in range(first, len(columns)):
            j = columns[k]
            fits = varies[j] and (gaps[:, j] == gap).all()
            more = n_ones + is_one[:, j] if fits else None
            if more is None or more.max() > 1 or _leaves_prefix(run, j, names):
                break
            run, n_ones = [*run, j], more
            if n_ones.all():
                break
        if len(run) > 1 and (
            n_ones.all()
            or _is_named_alike(run, names)
            or _expected(ones[run], len(X) - gap.sum()) >= least
        ):
            sets.append(ColumnSet(np.array(run), low[run], high[run]))
            first += len(run)
        else:
            first += 1
    return sets


def _expected(ones, n):
    """Return the expected number of pairs of ones in n rows of independent columns."""
    return (ones.sum() ** 2 - np.sum(ones**2)) / (2 * n)


def _prefix(names):
    """Return how all names begin, up to the last separator; "" if they do not."""
    if not all(isinstance(name, str) for name in names):
        return ""
    common = os.path.commonprefix(names)
    found = _PREFIX.match(common if common not in names else common[:-1])
    return found[0] if found else ""


def _leaves_prefix(run, j, names):
    if names is None or len(run) < 2:
        return False
    prefix = _prefix([names[i] for i in run])
    return bool(prefix) and not str(names[j]).startswith(prefix)


def _is_named_alike(run, names):
    prefix = "" if names is None else _prefix([names[j] for j in run])
    return bool(prefix) and sum(str(name).startswith(prefix) for name in names) == len(run)


def merge(X, sets, names=None):
    """Return rows with a last column for each set in place of its columns.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    sets : list of ColumnSet
    names : sequence of str of length n_features, default=None
        How messages call the columns; None where X is known to fit.

    Returns
    -------
    merged : ndarray of shape (n_rows, n_features - n_columns_in_sets + n_sets)
        In a set's column, i + 1 where the i-th of its columns is 1, 0 where none is, and NaN where
        values are missing.
    """
    if not sets:
        return X
    levels = []
    for columns, low, high in sets:
        values = X[:, columns]
        is_one, gap = values == high, np.isnan(values).all(axis=1)
        odd = (is_one.sum(axis=1) > 1) | (~gap & (~is_one & (values != low)).any(axis=1))
        if odd.any():
            raise ValueError(
                f"{odd.sum()} row(s) of X hold another value than a single 1 in "
                f"{names[columns[0]]} to {names[columns[-1]]}, which exclude each other in the "
                "training rows. Leave these rows out, or correct them."
            )
        level = np.where(is_one.any(axis=1), is_one.argmax(axis=1) + 1, 0)
        levels.append(np.where(gap, np.nan, level) if gap.any() else level)
    # Room for as many levels as columns.
    dtype = np.int16 if X.dtype.itemsize == 1 else X.dtype
    others = np.delete(X, all_columns(sets), axis=1).astype(dtype, copy=False)
    return np.column_stack([others, np.stack(levels, axis=1).astype(dtype)])


def part(merged, sets, n_features):
    """Undo :func:`merge`.

    Parameters
    ----------
    merged : ndarray of shape (n_rows, n_merged)
    sets : list of ColumnSet
    n_features : int

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
    """
    if not sets:
        return merged
    X = np.empty((len(merged), n_features), dtype=merged.dtype)
    n_others = merged.shape[1] - len(sets)
    X[:, np.setdiff1d(np.arange(n_features), all_columns(sets))] = merged[:, :n_others]
    for (columns, low, high), level in zip(sets, merged[:, n_others:].T, strict=True):
        X[:, columns] = np.where(level[:, None] == 1 + np.arange(len(columns)), high, low)
        gap = np.isnan(level)
        if gap.any():
            X[np.ix_(gap, columns)] = np.nan
    return X


def all_columns(sets):
    """Return the positions of the columns of all sets."""
    return np.concatenate([np.empty(0, dtype=np.intp), *(s.columns for s in sets)])
