"""Sets of columns of 0 and 1 that exclude each other, as an encoder makes them of categories."""

import os
import re

import numpy as np

# Expected number of rows with several ones, by chance, from which their absence means something;
# and number of columns up to which the search counts once.
_MIN_EXPECTED, _N_COLUMNS = 5.0, 2
_PREFIX = re.compile(r".*[\W_](?=\w*$)")


def find_sets(X, categorical, names=None):
    """Find sets of columns in which each row has at most one 1.

    A set is a run of neighbouring columns that hold both 0 and 1, apart from constant columns in
    between, no two of them 1 in one row, such that

    - every row has a 1; or
    - the names of the columns, and no others, begin alike up to a separator, as in
      ``"site_A", "site_B"``; or
    - by chance, if the columns were independent, at least 5 + log(m / 2) rows would have several
      ones, for m columns of 0 and 1 in the table: of 20 rows, two columns with a third of ones
      each are no set.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        NaN is a missing value.
    categorical : ndarray of bool of shape (n_features,)
        Columns of categories, which are in no set.
    names : list or None, default=None
        Of the columns.

    Returns
    -------
    sets : list of ndarray of int of shape (n_columns,)
    """
    binary = ~categorical & ((X == 0) | (X == 1)).all(axis=0)
    ones = np.where(binary, np.sum(X == 1, axis=0), 0)
    varies = binary & (ones > 0) & (ones < len(X))
    least = _MIN_EXPECTED + np.log(max(varies.sum(), _N_COLUMNS) / _N_COLUMNS)
    # A column that belongs to no set separates runs, unless it is constant.
    constant = binary & ~varies
    columns = [j for j in range(X.shape[1]) if not constant[j]]
    sets, first = [], 0
    while first < len(columns):
        run, n_ones = [], np.zeros(len(X), dtype=np.intp)
        for k in range(first, len(columns)):
            j = columns[k]
            more = n_ones + (X[:, j] == 1) if varies[j] else None
            if more is None or more.max() > 1 or _leaves_prefix(run, j, names):
                break
            run, n_ones = [*run, j], more
            if n_ones.all():
                break
        if len(run) > 1 and (
            n_ones.all() or _is_named_alike(run, names) or _expected(ones[run], len(X)) >= least
        ):
            sets.append(np.array(run))
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
    sets : list of ndarray of int
    names : sequence of str of length n_features, default=None
        How messages call the columns; None where X is known to fit.

    Returns
    -------
    merged : ndarray of shape (n_rows, n_features - n_columns_in_sets + n_sets)
        In a set's column, i + 1 where the i-th of its columns is 1, and 0 where none is.
    """
    if not sets:
        return X
    levels = []
    for columns in sets:
        is_one = X[:, columns] == 1
        n_bad = int((is_one.sum(axis=1) > 1).sum() + ((X[:, columns] != is_one).any(axis=1)).sum())
        if n_bad:
            raise ValueError(
                f"{n_bad} row(s) of X hold another value than a single 1 in {names[columns[0]]} to "
                f"{names[columns[-1]]}, which exclude each other in the training rows. Leave these "
                "rows out, or correct them."
            )
        levels.append(np.where(is_one.any(axis=1), is_one.argmax(axis=1) + 1, 0))
    # Room for as many levels as columns.
    dtype = np.int16 if X.dtype.itemsize == 1 else X.dtype
    others = np.delete(X, np.concatenate(sets), axis=1).astype(dtype, copy=False)
    return np.column_stack([others, np.stack(levels, axis=1).astype(dtype)])


def part(merged, sets, n_features):
    """Undo :func:`merge`.

    Parameters
    ----------
    merged : ndarray of shape (n_rows, n_merged)
    sets : list of ndarray of int
    n_features : int

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
    """
    if not sets:
        return merged
    X = np.empty((len(merged), n_features), dtype=merged.dtype)
    n_others = merged.shape[1] - len(sets)
    X[:, np.setdiff1d(np.arange(n_features), np.concatenate(sets))] = merged[:, :n_others]
    for columns, level in zip(sets, merged[:, n_others:].T, strict=True):
        X[:, columns] = level[:, None] == 1 + np.arange(len(columns))
    return X
