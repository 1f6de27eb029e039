"""Dtypes of pandas, polars and pyarrow as plain data, and back: none but those of known names."""

import importlib
import re

import numpy as np

_KNOWN = {
    "polars": re.compile(
        r"U?Int(8|16|32|64)|Float(16|32|64)|Boolean|String|Null|Date|Time|Categorical|Enum|Decimal"
        r"|Datetime|Duration"
    ),
    "pyarrow": re.compile(
        r"u?int(8|16|32|64)|halffloat|float|double|bool|null|string|large_string|string_view"
        r"|date(32|64)|time(32|64)|timestamp|duration|decimal(32|64|128|256)|dictionary"
    ),
}
_PANDAS = re.compile(
    r"u?int(8|16|32|64)|float(16|32|64)|complex(64|128)|bool|object|U?Int(8|16|32|64)|boolean"
    r"|Float(32|64)|(datetime|timedelta)64\[\w+(, [\w/+:-]+)?\]|period\[[\w-]+\]"
    r"|interval\[\w+(\[\w+\])?, \w+\]"
)
# The attributes of a dtype of polars or pyarrow that its constructor takes.
_ARGUMENTS = {
    "Decimal": ("precision", "scale"),
    "Enum": ("categories",),
    "Datetime": ("time_unit", "time_zone"),
    "Duration": ("time_unit",),
    "timestamp": ("unit", "tz"),
    **dict.fromkeys(["duration", "time32", "time64"], ("unit",)),
    **dict.fromkeys([f"decimal{n}" for n in (32, 64, 128, 256)], ("precision", "scale")),
    "dictionary": ("index_type", "value_type", "ordered"),
}


def dtype_state(dtype):
    """Return a dtype as plain data.

    Parameters
    ----------
    dtype : polars.DataType, pyarrow.DataType, or dtype of pandas or numpy

    Returns
    -------
    state : tuple or None
        None if no dtype like it could be made again.
    """
    name, library = type(dtype).__name__, type(dtype).__module__.split(".")[0]
    if library in _KNOWN:
        text = re.match(r"\w*", str(dtype))[0]
        if not _KNOWN[library].fullmatch(text):
            return None
        arguments = [getattr(dtype, a) for a in _ARGUMENTS.get(text, ())]
        if text == "Enum":
            arguments = [tuple(arguments[0])]
        if text == "Categorical":
            # The order or, in later versions, the name of the set of categories.
            arguments = [a for a in re.findall(r"[\"'](.*)[\"']", str(dtype)) if a != "physical"]
        if text == "dictionary":
            arguments[:2] = map(dtype_state, arguments[:2])
        state = (text, *arguments)
    elif name == "CategoricalDtype":
        state = ("category", dtype.ordered, dtype_state(dtype.categories.dtype))
    elif name == "StringDtype":
        # pandas below 2.3 has no such attribute, and only NA.
        missing = getattr(dtype, "na_value", None)
        state = ("string", dtype.storage, isinstance(missing, float))
    elif name == "SparseDtype":
        state = ("Sparse", str(dtype.subtype), dtype.fill_value)
    elif name == "ArrowDtype":
        inner = dtype_state(dtype.pyarrow_dtype)
        state = None if inner is None else ("ArrowDtype", inner)
    else:
        state = (str(dtype),) if _PANDAS.fullmatch(str(dtype)) else None
    if state is None or None in state[2:] and state[0] in ("category", "dictionary"):
        return None
    try:
        same = name == "CategoricalDtype" or make_dtype(state, library) == dtype
    except (TypeError, ValueError):
        same = False
    return state if same else None


def make_dtype(state, library, levels=None):
    """Return the dtype of a state, the inverse of :func:`dtype_state`.

    Parameters
    ----------
    state : tuple
    library : {"pandas", "polars", "pyarrow"}
    levels : ndarray of object, default=None
        The categories of a dtype of pandas.
    """
    name, *arguments = state
    if library in _KNOWN:
        if not _KNOWN[library].fullmatch(name):
            raise ValueError(f"{library} has no dtype {name!r} that is known")
        module = importlib.import_module(library)
        if library == "polars":
            dtype = getattr(module, name)
            return dtype(*arguments) if arguments else dtype
        if not arguments:
            return module.type_for_alias(name)
        if name == "dictionary":
            arguments[:2] = [make_dtype(a, library) for a in arguments[:2]]
        return getattr(module, name)(*arguments)
    pd = importlib.import_module("pandas")
    if name == "category":
        index = pd.Index(levels, dtype=make_dtype(arguments[1], "pandas"))
        return pd.CategoricalDtype(index, arguments[0])
    if name == "string":
        storage, is_nan = arguments
        if storage not in ("python", "pyarrow", "pyarrow_numpy"):
            raise ValueError(f"text is stored by {storage!r}, which is not known")
        if not is_nan or storage == "pyarrow_numpy":
            return pd.StringDtype(storage)
        try:
            return pd.StringDtype(storage, na_value=np.nan)
        except ImportError:
            # pandas' default text, which looks the same without pyarrow.
            return pd.StringDtype("python", na_value=np.nan)
    if name == "Sparse":
        return pd.SparseDtype(make_dtype(arguments[:1], "pandas"), arguments[1])
    if name == "ArrowDtype":
        return pd.ArrowDtype(make_dtype(arguments[0], "pyarrow"))
    if not _PANDAS.fullmatch(name):
        raise ValueError(f"pandas has no dtype {name!r} that is known")
    return pd.api.types.pandas_dtype(name)
