"""The objects of pandas that a model file may hold: column names, dtypes, levels.

pandas is imported only where there are such objects.
"""

import re
from typing import NamedTuple

import numpy as np

from .values import Text, converted

__all__ = ["PANDAS_NAMES", "PANDAS_PARTS"]

# The parsers of pandas and pyarrow are shown these names alone.
_NULLABLE = re.compile(r"U?Int(8|16|32|64)|Float(32|64)|boolean")
_ARROW = re.compile(r"u?int(8|16|32|64)|halffloat|float|double|bool|string|large_string|null")
_ARROW_DECIMAL = re.compile(r"(decimal(?:32|64|128|256))\((\d{1,2}), (-?\d{1,2})\)")
_ARROW_DICTIONARY = re.compile(r"dictionary<values=(\w+), indices=(\w+), ordered=([01])>")
_STORAGES = ("python", "pyarrow", "pyarrow_numpy")


class _Timestamp(NamedTuple):
    text: str
    unit: str


class _Interval(NamedTuple):
    left: object
    right: object
    closed: str


class _Index(NamedTuple):
    values: np.ndarray
    dtype: object
    name: object


class _RangeIndex(NamedTuple):
    start: int
    stop: int
    step: int
    name: object


class _IntervalIndex(NamedTuple):
    left: object
    right: object
    closed: str
    name: object


class _Categories(NamedTuple):
    categories: object
    ordered: bool | None


class _StringDtype(NamedTuple):
    storage: str
    missing: object


class _SparseDtype(NamedTuple):
    subtype: np.dtype
    fill: object


def _pandas():
    import pandas as pd

    return pd


def _lookup(pattern, text):
    if not pattern.fullmatch(text):
        raise ValueError(
            f"The dtype {text!r} is none that a model file can hold. Convert such columns."
        )
    return text


def _make_missing(state):
    return {"NA": _pandas().NA, "NaT": _pandas().NaT}[state.text]


def _take_timestamp(value):
    if value.tz is not None:
        raise ValueError(
            f"A timestamp of the time zone {value.tz} is none that a model file can hold. Convert "
            "such categories to text."
        )
    return _Timestamp(value.isoformat(), value.unit)


def _take_index(value):
    # What numpy has no numbers for goes value by value.
    numbers = isinstance(value.dtype, np.dtype) and value.dtype.kind in "biuf"
    values = np.empty(len(value), dtype=object)
    values[:] = list(value)
    return _Index(value.to_numpy() if numbers else values, value.dtype, value.name)


def _make_index(state):
    return _pandas().Index(state.values, dtype=state.dtype, name=state.name)


def _take_categories(value):
    categories = value.categories
    if type(categories).__name__ == "RangeIndex":
        # Of which a file could claim any number.
        categories = _make_index(_take_index(categories))
    return _Categories(categories, value.ordered)


def _make_categories(state):
    if type(state.categories).__name__ == "RangeIndex":
        raise ValueError("categories are not listed one by one")
    return _pandas().CategoricalDtype(*state)


def _take_string_dtype(value):
    # pandas below 2.3 has no such attribute, and NA alone.
    return _StringDtype(value.storage, getattr(value, "na_value", _pandas().NA))


def _make_string_dtype(state):
    pd = _pandas()
    if state.storage not in _STORAGES:
        raise ValueError(f"text is stored by {state.storage!r}, which is not known")
    if state.missing is pd.NA or state.storage == "pyarrow_numpy":
        return pd.StringDtype(state.storage)
    try:
        return pd.StringDtype(state.storage, na_value=np.nan)
    except ImportError:
        # pandas' default text, which looks the same without pyarrow.
        return pd.StringDtype("python", na_value=np.nan)


def _arrow_type(text):
    import pyarrow as pa

    if match := _ARROW_DECIMAL.fullmatch(text):
        return getattr(pa, match[1])(int(match[2]), int(match[3]))
    if match := _ARROW_DICTIONARY.fullmatch(text):
        values, indices = (pa.type_for_alias(_lookup(_ARROW, match[i])) for i in (1, 2))
        return pa.dictionary(indices, values, match[3] == "1")
    return pa.type_for_alias(_lookup(_ARROW, text))


def _take_arrow(value):
    text = str(value.pyarrow_dtype)
    _arrow_type(text)
    return Text(text)


def _make_arrow(state):
    return _pandas().ArrowDtype(_arrow_type(state.text))


def _make_nullable(state):
    return _pandas().api.types.pandas_dtype(_lookup(_NULLABLE, state.text))


PANDAS_PARTS = {
    "Missing": converted(Text, lambda v: Text(str(v).strip("<>")), _make_missing),
    "Timestamp": converted(
        _Timestamp, _take_timestamp, lambda s: _pandas().Timestamp(s.text).as_unit(s.unit)
    ),
    "Interval": converted(
        _Interval,
        lambda v: _Interval(v.left, v.right, v.closed),
        lambda s: _pandas().Interval(*s),
    ),
    "Index": converted(_Index, _take_index, _make_index),
    "RangeIndex": converted(
        _RangeIndex,
        lambda v: _RangeIndex(v.start, v.stop, v.step, v.name),
        lambda s: _pandas().RangeIndex(s.start, s.stop, s.step, name=s.name),
    ),
    "IntervalIndex": converted(
        _IntervalIndex,
        lambda v: _IntervalIndex(v.left, v.right, v.closed, v.name),
        lambda s: _pandas().IntervalIndex.from_arrays(s.left, s.right, s.closed, name=s.name),
    ),
    "CategoricalDtype": converted(_Categories, _take_categories, _make_categories),
    "StringDtype": converted(_StringDtype, _take_string_dtype, _make_string_dtype),
    "SparseDtype": converted(
        _SparseDtype,
        lambda v: _SparseDtype(v.subtype, v.fill_value),
        lambda s: _pandas().SparseDtype(*s),
    ),
    "NullableDtype": converted(Text, lambda v: Text(_lookup(_NULLABLE, v.name)), _make_nullable),
    "ArrowDtype": converted(Text, _take_arrow, _make_arrow),
}
# pandas' classes, by their names.
PANDAS_NAMES = {
    "NAType": "Missing",
    "NaTType": "Missing",
    "DatetimeIndex": "Index",
    "BooleanDtype": "NullableDtype",
    **{name: name for name in PANDAS_PARTS},
    **{f"{u}Int{n}Dtype": "NullableDtype" for u in ("", "U") for n in (8, 16, 32, 64)},
    **{f"Float{n}Dtype": "NullableDtype" for n in (32, 64)},
}
