"""Tables of any kind, seen as numbers: text and categories become the indices of their levels."""

from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._validation import check_unique_names, column_name, text_error
from .containers import (
    column_at,
    column_dtype,
    column_kind,
    column_levels,
    column_names,
    column_numbers,
    column_values,
    has_nulls,
    is_missing,
    library_of,
    object_array,
)
from .masked import unmasked

_BOOLEANS = (bool, np.bool_)
_NUMBERS = (Real, Decimal)
# Integers from here on may not have an exact float64.
_LARGEST = 2**53
# No float64 has more decimal places.
_MAX_PLACES = 1074
_DATES = (date, time, timedelta, np.datetime64, np.timedelta64)


class _Column(NamedTuple):
    """How a column goes back.

    Attributes
    ----------
    levels : ndarray of object, or None
        The levels that the numbers are indices of; None for a column of numbers.
    whole : bool
        Whether the numbers are whole ones.
    missing : object
        What stands for a missing value.
    places : int or None
        Decimal places, where the values are of Python's `Decimal`.
    origin : int
        What is to be added to the numbers of a column of integers too large for float64.
    exact : ndarray of object, or None
        The integers of a column, sorted, where their range is too large for that, too.
    """

    levels: np.ndarray | None
    whole: bool
    missing: object
    places: int | None = None
    origin: int = 0
    exact: np.ndarray | None = None

    def check(self):
        """Raise ValueError if the parts do not fit together, as in a forged file."""
        if not 0 <= (self.places or 0) <= _MAX_PLACES:
            raise ValueError(f"a column has {self.places} decimal places")
        if self.levels is not None and self.counted:
            raise ValueError("a column of levels is one of large integers")

    @property
    def dropped(self):
        """Whether it is empty in new rows."""
        return self.levels is not None and not len(self.levels)

    @property
    def counted(self):
        """Whether its integers are too large for float64."""
        return self.origin != 0 or self.exact is not None

    def integers(self, x):
        """Return whole numbers as a list of the integers that they stand for."""
        whole = [self.origin + int(v) for v in x]
        if self.exact is None:
            return whole
        low, high = self.exact[[0, -1]]
        known = {float(v): v for v in self.exact}
        return [known.get(v, min(max(v, low), high)) for v in whole]


class Schema(NamedTuple):
    """The way back from numbers to the values of a table.

    Attributes
    ----------
    columns : tuple of _Column
    dtype : numpy.dtype
        Of the array of all values: object, or text.
    """

    columns: tuple[_Column, ...]
    dtype: np.dtype

    @property
    def coded(self):
        """Which columns hold indices of levels that are not 0 and 1, shape (n_features,)."""
        levels = [c.levels for c in self.columns]
        return np.array([v is not None and v.tolist() != [0, 1] for v in levels], dtype=bool)

    def values(self, X):
        """Return rows of numbers as rows of the table's own values.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Numbers; an index of a level where the column has levels, NaN where a value is
            missing.

        Returns
        -------
        values : ndarray of shape (n_rows, n_features), dtype=`dtype`
        """
        values = np.empty(X.shape, dtype=object)
        for j, column in enumerate(self.columns):
            levels, whole, missing, places = column[:4]
            x = X[:, j]
            known = ~np.isnan(x)
            if levels is not None:
                values[known, j] = levels[x[known].astype(np.intp)]
            elif whole:
                values[known, j] = column.integers(x[known])
            elif places is not None:
                values[known, j] = [Decimal(f"{v:.{places}f}") for v in x[known]]
            else:
                values[known, j] = x[known]
            values[~known, j] = missing
        return values.astype(self.dtype, copy=False)


class Table(NamedTuple):
    """A table as numbers, and the facts that lead back.

    Attributes
    ----------
    view : object
        X itself where it needs no conversion, else an array.
    categorical : ndarray of bool of shape (n_features,), or None
        Which columns hold categories; None where X has no columns that could be told apart.
    whole : ndarray of bool of shape (n_features,), or None
        Which columns can hold nothing but whole numbers or booleans, although the view may be of
        floats.
    schema : Schema or None
        None where numbers go back as they are.
    names : list or None
        Of the columns; None where they have none.
    boolean : ndarray of bool of shape (n_features,), or None
        Which columns of a dataframe hold booleans.
    """

    view: object
    categorical: np.ndarray | None = None
    whole: np.ndarray | None = None
    schema: Schema | None = None
    names: list | None = None
    boolean: np.ndarray | None = None


def without_columns(schema, dropped):
    """Return a schema in which columns at some positions are empty in new rows."""
    columns = list(schema.columns)
    for j in dropped:
        # In an array of text, NaN would become text.
        columns[j] = _Column(object_array([]), False, "" if schema.dtype.kind == "U" else None)
    return schema._replace(columns=tuple(columns))


def read_table(X, categorical_features=None):
    """Return a table as numbers, and the way back.

    Parameters
    ----------
    X : object
        Whatever the user gave. A dataframe's columns of categories, text and booleans stored as
        objects are recognised; any other container needs `categorical_features`.
    categorical_features : array-like of bool, int or str, or None
        A mask, positions or names of columns that hold categories.

    Returns
    -------
    table : Table
    """
    X, names = unmasked(X), column_names(X)
    if names is not None and len(X.shape) == 2:
        return _read_frame(X, names, categorical_features)
    if issparse(X):
        if categorical_features is not None:
            raise ValueError(
                f"categorical_features={categorical_features!r} was given with a sparse X, whose "
                "zeros are no category. Pass X as an array or a dataframe, or leave "
                "categorical_features=None."
            )
        return Table(X)
    if getattr(getattr(X, "dtype", None), "kind", "") in ("m", "M"):
        raise _date_error("column 0" if len(X.shape) == 2 else "X", X.dtype)
    mixed = _is_mixed(X)
    if categorical_features is None and not mixed:
        return Table(X)
    return _read_array(X, categorical_features, mixed)


def _is_mixed(X):
    """Return whether an array of objects or lists hold numbers, booleans or None of several types.

    numpy would make floats of them all: they are read, and go back, column by column.
    """
    if isinstance(X, (list, tuple)):
        if not all(isinstance(row, (list, tuple)) for row in X) or len(set(map(len, X))) != 1:
            return False
        values = [v for row in X for v in row]
    elif isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 2:
        values = X.ravel().tolist()
    else:
        return False
    kinds = {type(v): v for v in values}
    return len(kinds) > 1 and all(isinstance(v, _NUMBERS) or is_missing(v) for v in kinds.values())


def _read_frame(X, names, categorical_features):
    check_unique_names(names)
    asked = categorical_mask(categorical_features, len(names), names)
    kinds, pairs, text = [], [], []
    for j, name in enumerate(names):
        column = column_at(X, j)
        kinds.append(column_kind(column, name, "X"))
        pair = _read_column(column, kinds[j], asked[j], column_name(j, names))
        pairs.append(pair)
        if pair[0] is None:
            text.append(column_name(j, names))
    if text:
        raise text_error(text)
    if np.result_type(*(x for x, _ in pairs)).kind == "f":
        # Integers that are too large for floats are counted from the smallest one.
        pairs = [
            (_exact(x, column, column_at(X, j)) if column.whole else (x, column))
            for j, (x, column) in enumerate(pairs)
        ]
    numbers, columns = [x for x, _ in pairs], tuple(column for _, column in pairs)
    dtype = np.result_type(*numbers)
    view = np.array(numbers, dtype=dtype).T.reshape(X.shape)
    categorical = asked | np.array([c.levels is not None for c in columns], dtype=bool)
    # Columns of numbers without None need no schema.
    plain = all(
        c.missing is not None and kind not in "MO" and not c.counted
        for c, kind in zip(columns, kinds, strict=True)
    )
    return Table(
        view,
        categorical,
        np.array([column.whole for column in columns], dtype=bool),
        None if plain else Schema(columns, np.dtype(object)),
        names,
        np.array([kind == "b" for kind in kinds], dtype=bool),
    )


def _exact(x, spec, column):
    """Return the numbers and the `_Column` of integers, counted from the smallest if necessary."""
    known = x[~np.isnan(x)] if x.dtype.kind == "f" else x
    if spec.counted or not len(known) or max(-float(known.min()), float(known.max())) < _LARGEST:
        return x, spec
    return _counted(column_values(column), spec)


def _counted(values, spec):
    """Return integers as float64, less the smallest if that is exact, and their `_Column`."""
    lacking = [is_missing(v) for v in values]
    whole = [None if no else int(v) for v, no in zip(values, lacking, strict=True)]
    distinct = sorted(set(whole) - {None})
    origin, exact = distinct[0], None
    if distinct[-1] - origin > _LARGEST:
        origin, exact = 0, object_array(distinct)
    x = np.array([np.nan if v is None else float(v - origin) for v in whole])
    return x, spec._replace(origin=origin, exact=exact)


def _read_column(column, kind, asked, name):
    """Return the numbers of a column of a dataframe, of shape (n_rows,), and its `_Column`.

    Of what cannot be read, both are None.
    """
    is_pandas, levels = library_of(column) == "pandas", column_levels(column)
    if levels is not None:
        index = {level: i for i, level in enumerate(levels)}
        # A level that is NaN also counts as missing.
        codes = [index.get(v, np.nan) for v in column_values(column)]
        missing = np.nan if is_pandas else None
        return np.array(codes, dtype=np.float64), _Column(object_array(levels), False, missing)
    if kind == "M" and not asked:
        raise _date_error(name, column_dtype(column))
    if kind in "MO":
        return _read_values(object_array(column_values(column)), asked, name)
    x = column_numbers(column, kind)
    missing = np.nan if is_pandas or not has_nulls(column) else None
    return x, _Column(None, kind in "biu", missing)


def _read_array(X, categorical_features, mixed):
    array = np.asarray(X, dtype=object if mixed else None)
    if array.ndim != 2:
        return Table(X)
    categorical = categorical_mask(categorical_features, array.shape[1], None)
    if array.dtype.kind in "biufc":
        return Table(array, categorical)
    if not isinstance(X, np.ndarray):
        # numpy would turn numbers next to text in a list into text.
        array = np.asarray(X, dtype=object)
    pairs = [
        _read_values(array[:, j].astype(object), categorical[j], column_name(j), False)
        for j in range(array.shape[1])
    ]
    text = [column_name(j) for j, (codes, _) in enumerate(pairs) if codes is None]
    if text:
        raise text_error(text)
    view = np.stack([codes for codes, _ in pairs], axis=1)
    whole = np.array([spec.whole for _, spec in pairs])
    categorical = categorical | np.array([spec.levels is not None for _, spec in pairs])
    return Table(view, categorical, whole, Schema(tuple(spec for _, spec in pairs), array.dtype))


def _read_values(values, categorical, name, recognise=True):
    """Return the numbers of a column of objects and its `_Column`.

    Parameters
    ----------
    values : ndarray of object of shape (n_samples,)
    categorical : bool
        Whether the column was named as one of categories.
    name : str
        The column's name for messages.
    recognise : bool, default=True
        Whether text alone is taken for categories; booleans alone always are.

    Returns
    -------
    codes : ndarray of float64 of shape (n_samples,), or None
        None if the column holds what it must not.
    spec : _Column or None
    """
    lacking = np.array([is_missing(v) for v in values], dtype=bool)
    known = values[~lacking]
    missing = values[lacking.argmax()] if lacking.any() else np.nan
    codes = np.full(len(values), np.nan)
    if not categorical and not _all_are(_BOOLEANS, known):
        if _all_are(_NUMBERS, known):
            spec = _Column(None, _all_are(Integral, known), missing, _places(known))
            if spec.whole and len(known) and max(abs(int(v)) for v in known) >= _LARGEST:
                return _counted(values, spec)
            try:
                codes[~lacking] = known.astype(np.float64)
            except OverflowError:
                raise ValueError(
                    f"X holds integers beyond the range of float64 in {name}. Scale them, or pass "
                    "their logarithms."
                ) from None
            return codes, spec
        for v in known:
            if isinstance(v, _DATES):
                raise _date_error(name, type(v).__name__)
        if not (recognise and _all_are(str, known)):
            _check_types(known, name)
            return None, None
    try:
        levels = list(dict.fromkeys(known))
    except TypeError:
        raise _type_error(known[0], name) from None
    try:
        levels.sort()
    except TypeError:
        # Values that cannot be sorted keep the order in which they occur.
        levels = list(dict.fromkeys(known))
    index = {level: i for i, level in enumerate(levels)}
    codes[~lacking] = [index[v] for v in known]
    return codes, _Column(object_array(levels), False, missing)


def _check_types(values, name):
    """Raise if a value is neither a number nor text, although it is no level yet."""
    for v in values:
        if not isinstance(v, (str, *_NUMBERS, *_BOOLEANS)):
            raise _type_error(v, name)


def _type_error(value, name):
    remedy = "which are neither numbers nor text. Name the column in categorical_features"
    if type(value).__hash__ is None:
        remedy = "which cannot be levels of a category. Leave the column out"
    return ValueError(
        f"X has values of type {type(value).__name__} in {name}, {remedy}, or replace them by text "
        "or numbers."
    )


def _places(values):
    """Return the most decimal places of values that are all Decimals, else None."""
    if not len(values) or not _all_are(Decimal, values):
        return None
    exponents = [v.as_tuple().exponent for v in values if v.is_finite()]
    return min(max(0, -min(exponents, default=0)), _MAX_PLACES)


def _all_are(types, values):
    return all(isinstance(v, types) for v in values)


def categorical_mask(categorical_features, n_features, names):
    """Return `categorical_features` as an array of bool of shape (n_features,)."""
    given = categorical_features
    # A single name is not a list of its letters.
    is_single = isinstance(given, (str, Real))
    if given is None or not (is_single or len(given)):
        return np.zeros(n_features, dtype=bool)
    if isinstance(given, np.ndarray):
        given = given.tolist()
    given = [given] if is_single else list(given)
    is_mask = all(isinstance(v, (bool, np.bool_)) for v in given)
    if is_mask and len(given) == n_features:
        return np.array(given, dtype=bool)
    names = [] if names is None else names
    columns = range(n_features) if all(isinstance(v, Integral) for v in given) else names
    unknown = [v for v in given if v not in columns]
    if is_mask or unknown or is_single or isinstance(categorical_features, Mapping):
        what = f"has {unknown[0]!r}, which is none of" if unknown else "does not fit"
        if is_single:
            what = "is no list of some of"
        elif is_mask:
            what = f"has {len(given)} bools, which do not fit"
        # Integers are positions, whatever the names are.
        named = [repr(name) for name in names if not isinstance(name, Integral)][:5]
        raise ValueError(
            f"categorical_features={categorical_features!r} {what} the {n_features} columns of X. "
            f"Pass a list of one bool for each, of positions from 0 to {n_features - 1}, or of "
            f"names{': ' if named else ', with a dataframe'}{', '.join(named)}."
        )
    chosen = set(given)
    return np.array([column in chosen for column in columns], dtype=bool)


def _date_error(name, dtype):
    return ValueError(
        f"X holds dates or times in {name} ({dtype}), which are no amounts. Replace them by "
        "numbers, such as the days since a fixed date or the month, leave the column out, or name "
        "it in categorical_features."
    )
