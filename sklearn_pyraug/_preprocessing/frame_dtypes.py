"""Columns of polars and pyarrow: their dtypes as plain data and back, and new columns of them.

narwhals reads columns of both libraries, but its dtypes leave out what is needed to make a column
like another: the categories of an Enum, the places of a Decimal, the index of a dictionary.
"""

import importlib
import re
from decimal import Decimal
from typing import NamedTuple

import numpy as np

__all__ = ["DATE", "LIBRARIES", "VALUES", "FrameColumn", "describe", "library_module", "new_column"]

# What a dtype holds: numbers, by the name of the numpy dtype, dates, or values of other kinds.
DATE, VALUES = "date", "values"
_INTEGERS = [f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)]
LIBRARIES = {
    "polars": {
        "Boolean": "bool",
        **{name.replace("i", "I", 1).replace("u", "U", 1): name for name in _INTEGERS},
        **{f"Float{n}": f"float{n}" for n in (16, 32, 64)},
        **dict.fromkeys(["Date", "Datetime", "Duration", "Time"], DATE),
        **dict.fromkeys(["Categorical", "Decimal", "Enum", "Null", "String"], VALUES),
    },
    "pyarrow": {
        "bool": "bool",
        **{name: name for name in _INTEGERS},
        **{"halffloat": "float16", "float": "float32", "double": "float64"},
        **dict.fromkeys(["date32", "date64", "duration", "time32", "time64", "timestamp"], DATE),
        **dict.fromkeys(["string", "large_string", "string_view", "dictionary", "null"], VALUES),
        **dict.fromkeys([f"decimal{n}" for n in (32, 64, 128, 256)], VALUES),
    },
}
# The attributes of a dtype that its constructor takes.
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


# Of a decimal of pyarrow; polars 1 has 38 where a Decimal does not say how many.
_MAX_DIGITS = 76


class FrameColumn(NamedTuple):
    """What a new column of a frame is made like.

    Attributes
    ----------
    name : str
    dtype : tuple
        Its name and the arguments of its constructor: numbers, text, and tuples of them.
    levels : ndarray of object, or None
        The levels of an Enum or a dictionary, in their order.
    nullable : bool
        Whether a schema of pyarrow allows nulls.
    """

    name: str
    dtype: object
    levels: np.ndarray | None = None
    nullable: bool = True

    def holds(self, library):
        """Return what the dtype holds: the name of a numpy dtype, `DATE` or `VALUES`."""
        return LIBRARIES[library][self.dtype[0]]


def library_module(library):
    """Import and return polars or pyarrow.

    Raises
    ------
    ImportError
        If it is not installed, as may happen where a model was loaded.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ImportError(
            f"The augmenter was fitted on a table of {library}, which is not installed here, and "
            f"new rows come as such a table. Install it: pip install {library}"
        ) from error


def describe(dtype, library):
    """Return a dtype as plain data.

    Parameters
    ----------
    dtype : polars.DataType or pyarrow.DataType
    library : {"polars", "pyarrow"}

    Returns
    -------
    dtype : tuple or None
        None if :func:`_native_dtype` could not make the same one of it.
    """
    text = str(dtype)
    name = re.match(r"\w*", text)[0]
    if name not in LIBRARIES[library]:
        return None
    if name == "Categorical":
        # The order or, in later versions, the name of the set of categories.
        arguments = re.findall(r"[\"'](.*)[\"']", text)
        arguments = [a for a in arguments if a != "physical"]
    else:
        arguments = [getattr(dtype, argument) for argument in _ARGUMENTS.get(name, ())]
    if name == "dictionary":
        plain = [describe(a, library) for a in arguments[:2]] + arguments[2:]
    else:
        plain = [tuple(a) if name == "Enum" else a for a in arguments]
    described = (name, *plain)
    try:
        same = _native_dtype(described, library) == dtype
    except (TypeError, ValueError):
        same = False
    return described if same else None


def _native_dtype(described, library):
    """Undo :func:`describe`."""
    name, *arguments = described
    if name not in LIBRARIES[library]:
        raise ValueError(f"{library} has no dtype {name!r} that is known")
    module = library_module(library)
    if library == "polars":
        dtype = getattr(module, name)
        return dtype(*arguments) if arguments else dtype
    if not arguments:
        return module.type_for_alias(name)
    if name == "dictionary":
        arguments = [*(_native_dtype(a, library) for a in arguments[:2]), arguments[2]]
    return getattr(module, name)(*arguments)


def new_column(column, values, library):
    """Return values as a column of a library.

    Parameters
    ----------
    column : FrameColumn
    values : ndarray of shape (n_rows,)
        Numbers, or objects of which None is a null.
    library : {"polars", "pyarrow"}

    Returns
    -------
    new : polars.Series or pyarrow.Array
    """
    module = library_module(library)
    dtype = _native_dtype(column.dtype, library)
    if column.holds(library) not in (DATE, VALUES):
        nulls = np.equal(values, None) if values.dtype == object else np.zeros(len(values), bool)
        numbers = np.where(nulls, 0, values).astype(column.holds(library))
        if library == "pyarrow":
            return module.array(numbers, type=dtype, mask=nulls)
        new = module.Series(column.name, numbers, dtype=dtype)
        return new.set(module.Series(nulls), None) if nulls.any() else new
    values = values.tolist()
    if column.dtype[0].lower().startswith("decimal"):
        # A float may have rounded the largest one up to one more digit.
        precision, scale = column.dtype[1:]
        top = Decimal((0, (9,) * min(precision or 38, _MAX_DIGITS), -scale))
        values = [None if v is None else min(max(v, top.copy_negate()), top) for v in values]
    if library == "polars":
        return module.Series(column.name, values, dtype=dtype)
    if column.dtype[0] != "dictionary":
        return module.array(values, type=dtype)
    # All levels, and not only those that occur among the new rows.
    index = {level: i for i, level in enumerate(column.levels)} | {None: None}
    return module.DictionaryArray.from_arrays(
        module.array([index[v] for v in values], type=dtype.index_type),
        module.array(column.levels.tolist(), type=dtype.value_type),
        ordered=dtype.ordered,
    )
