"""The objects of pandas that a model file may hold: column names, dtypes, levels.

pandas is imported only where there are such objects.
"""

import re

import numpy as np

__all__ = ["describe_pandas", "make_pandas"]

# The parsers of pandas and pyarrow are shown these names alone.
_NULLABLE = re.compile(r"U?Int(8|16|32|64)|Float(32|64)|boolean")
_ARROW = re.compile(r"u?int(8|16|32|64)|halffloat|float|double|bool|string|large_string|null")
_ARROW_DECIMAL = re.compile(r"(decimal(?:32|64|128|256))\((\d{1,2}), (-?\d{1,2})\)")
_ARROW_DICTIONARY = re.compile(r"dictionary<values=(\w+), indices=(\w+), ordered=([01])>")
_STORAGES = ("python", "pyarrow", "pyarrow_numpy")


def _pandas():
    import pandas as pd

    return pd


def describe_pandas(value):
    """Return an object of pandas as a name and arguments.

    Parameters
    ----------
    value : object

    Returns
    -------
    description : tuple of (str, list) or None
        What :func:`make_pandas` takes; the arguments are plain values, and objects of pandas. None
        if the value is none that is known.
    """
    cls = type(value)
    if cls.__module__.split(".")[0] != "pandas":
        return None
    name = _NAMES.get(cls.__name__, cls.__name__)
    return (name, _TAKE[name](value)) if name in _TAKE else None


def make_pandas(name, arguments):
    """Undo :func:`describe_pandas`.

    Parameters
    ----------
    name : str
    arguments : list
    """
    return _MAKE[name](*arguments)


def _lookup(pattern, text):
    if not pattern.fullmatch(text):
        raise ValueError(
            f"The dtype {text!r} is none that a model file can hold. Convert such columns."
        )
    return text


def _take_timestamp(value):
    if value.tz is not None:
        raise ValueError(
            f"A timestamp of the time zone {value.tz} is none that a model file can hold. Convert "
            "such categories to text."
        )
    return [value.isoformat(), value.unit]


def _take_index(value):
    return [list(value), value.dtype, value.name]


def _make_index(values, dtype, name):
    # Tuples are names, and no levels of an index of several.
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return _pandas().Index(array, dtype=dtype, name=name)


def _take_categories(value):
    categories = value.categories
    if type(categories).__name__ == "RangeIndex":
        # Of which a file could claim any number.
        categories = _make_index(*_take_index(categories))
    return [categories, value.ordered]


def _make_categories(categories, ordered):
    if type(categories).__name__ == "RangeIndex":
        raise ValueError("categories are not listed one by one")
    return _pandas().CategoricalDtype(categories, ordered)


def _take_string_dtype(value):
    # pandas below 2.3 has no such attribute, and NA alone.
    return [value.storage, getattr(value, "na_value", _pandas().NA)]


def _make_string_dtype(storage, missing):
    pd = _pandas()
    if storage not in _STORAGES:
        raise ValueError(f"text is stored by {storage!r}, which is not known")
    if missing is pd.NA or storage == "pyarrow_numpy":
        return pd.StringDtype(storage)
    try:
        return pd.StringDtype(storage, na_value=np.nan)
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
    return [text]


_TAKE = {
    "Missing": lambda v: [str(v).strip("<>")],
    "Timestamp": _take_timestamp,
    "Interval": lambda v: [v.left, v.right, v.closed],
    "Index": _take_index,
    "RangeIndex": lambda v: [v.start, v.stop, v.step, v.name],
    "IntervalIndex": lambda v: [v.left, v.right, v.closed, v.name],
    "CategoricalDtype": _take_categories,
    "StringDtype": _take_string_dtype,
    "SparseDtype": lambda v: [v.subtype, v.fill_value],
    "NullableDtype": lambda v: [_lookup(_NULLABLE, v.name)],
    "ArrowDtype": _take_arrow,
}
_MAKE = {
    "Missing": lambda text: {"NA": _pandas().NA, "NaT": _pandas().NaT}[text],
    "Timestamp": lambda text, unit: _pandas().Timestamp(text).as_unit(unit),
    "Interval": lambda *arguments: _pandas().Interval(*arguments),
    "Index": _make_index,
    "RangeIndex": lambda start, stop, step, name: _pandas().RangeIndex(
        start, stop, step, name=name
    ),
    "IntervalIndex": lambda *ends: _pandas().IntervalIndex.from_arrays(*ends[:3], name=ends[3]),
    "CategoricalDtype": _make_categories,
    "StringDtype": _make_string_dtype,
    "SparseDtype": lambda subtype, fill: _pandas().SparseDtype(subtype, fill),
    "NullableDtype": lambda text: _pandas().api.types.pandas_dtype(_lookup(_NULLABLE, text)),
    "ArrowDtype": lambda text: _pandas().ArrowDtype(_arrow_type(text)),
}
# pandas' classes that are written under another name.
_NAMES = {
    "NAType": "Missing",
    "NaTType": "Missing",
    "DatetimeIndex": "Index",
    "BooleanDtype": "NullableDtype",
    **{f"{u}Int{n}Dtype": "NullableDtype" for u in ("", "U") for n in (8, 16, 32, 64)},
    **{f"Float{n}Dtype": "NullableDtype" for n in (32, 64)},
}
