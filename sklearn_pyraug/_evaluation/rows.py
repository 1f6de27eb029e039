"""Rows of a report: any container as flat rows, as columns with names, and as coded numbers."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._preprocessing.containers import take
from .._preprocessing.images import flat_rows, stack_rows
from .._preprocessing.masked import unmasked
from ..metrics._columns import _read, common_names
from ..metrics._pairs import standardize
from ..metrics._utility import check_labelled


class Rows(NamedTuple):
    """One set of rows.

    Attributes
    ----------
    X : {ndarray, dataframe} of shape (n, n_features)
        The rows as they came; images are flattened, and sparse rows are dense.
    y : ndarray of shape (n,)
        Their labels.
    coded : ndarray of float of shape (n, n_coded), or None
        The rows as numbers, for distances.
    sources : ndarray of int of shape (n_coded,), or None
        The column of X that each coded column comes from.
    """

    X: object
    y: np.ndarray
    coded: np.ndarray | None = None
    sources: np.ndarray | None = None

    def take(self, kept):
        """Return the rows at some positions."""
        return self._replace(X=take(self.X, kept), y=self.y[kept], coded=self.coded[kept])


def read_rows(X, y, name):
    """Return rows and labels as :class:`Rows` that are not coded yet.

    Parameters
    ----------
    X : {array-like, dataframe, sparse matrix} of shape (n, n_features) or (n, *sample_shape)
    y : array-like of shape (n,)
    name : str
        Name of X in messages; y has the corresponding name.

    Returns
    -------
    rows : Rows

    Raises
    ------
    ValueError
        If X and y differ in length, or are empty.
    """
    X = X.toarray() if issparse(X) else X
    X = unmasked(stack_rows(X))
    if not hasattr(X, "shape"):
        # From a list, numpy makes text of numbers beside text.
        array = np.asarray(X)
        X = array if array.dtype.kind in "biuf" else np.asarray(X, dtype=object)
    X = flat_rows(X)[0]
    return Rows(*check_labelled(name, X, y))


def code_rows(sets, categorical_features, is_image):
    """Code sets of rows as numbers in which Euclidean distances have a meaning.

    A column of numbers is standardised by the rows of the first set; a missing number counts as
    the median, and gets an indicator column. A column of categories becomes one column for each
    category. Different categories have a distance of 1, like numbers that differ by a standard
    deviation.
    All pixels of images are divided by one number, so that those which hardly vary do not count
    as much as others.

    Parameters
    ----------
    sets : dict of str to Rows
        By the names that messages call them. The first one is the real rows that the generator was
        trained on.
    categorical_features : array-like of bool, int or str, or None
        A mask, positions or names of columns that hold categories.
    is_image : bool

    Returns
    -------
    sets : list of Rows
        With `coded` and `sources`.
    categorical : ndarray of bool of shape (n_features,)
        Which columns hold categories.
    """
    (name, rows), *others = sets.items()
    first = _read(name, rows.X, categorical_features)
    # A category in the first set is one in all others.
    mask = first.categorical if first.categorical.any() else None
    tables = [first]
    for name, rows in others:
        asked = mask if rows.X.shape[1] == len(first.categorical) else None
        tables.append(_read(name, rows.X, asked))
        common_names(first, tables[-1])
    for name, table in zip(sets, tables, strict=True) if is_image else ():
        if n_missing := int(np.isnan(table.values).sum()):
            raise ValueError(
                f"`{name}` holds images with {n_missing} missing pixels, from which no distance is "
                "taken. Fill them in all sets, for example by numpy.nan_to_num(X, nan=0), and give "
                "these to sklearn_pyraug.compare."
            )
    coded, sources = _code(tables, is_image)
    pairs = zip(sets.values(), coded, strict=True)
    return [rows._replace(coded=X, sources=sources) for rows, X in pairs], first.categorical


def code_tables(tables):
    """Code tables as :func:`code_rows` does rows."""
    return _code(tables, is_image=False)[0]


def _code(tables, is_image):
    """Return coded tables, and the column that each coded column comes from."""
    values, categorical = [table.values for table in tables], tables[0].categorical
    positions = np.arange(len(categorical))
    if is_image:
        scale = values[0].std() or 1.0
        return [X / scale for X in values], positions
    X, with_gaps = _numbers([X[:, ~categorical] for X in values])
    blocks, numbers = [X], positions[~categorical]
    sources = [numbers, numbers[with_gaps]]
    for j in positions[categorical]:
        blocks.append(_categories([table.column(j).tolist() for table in tables]))
        sources.append(np.full(blocks[-1].shape[1], j))
    ends = np.cumsum([len(X) for X in values])[:-1]
    return np.split(np.hstack(blocks), ends), np.concatenate(sources)


def _numbers(values):
    """Return columns of numbers of all sets, one below the other, in units of the first set.

    Behind them is an indicator of the missing values of each column with gaps; a mask says which.
    """
    X = np.concatenate(values)
    if not X.shape[1]:
        return X, np.zeros(0, bool)
    missing = np.isnan(X)
    with_gaps = missing.any(axis=0)
    # An observed value, because the mean of two huge ones may overflow.
    known = np.where(missing[: len(values[0])].all(axis=0), 0, values[0])
    X = np.where(missing, np.nanquantile(known, 0.5, axis=0, method="lower"), X)
    (X,) = standardize(X[: len(values[0])], X)
    return np.hstack([X, missing[:, with_gaps]]), with_gaps


def _categories(columns):
    """Return a column of all sets, one below the other, as one column a category."""
    values = [value for column in columns for value in column]
    number = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.eye(len(number))[[number[value] for value in values]] * np.sqrt(0.5)
