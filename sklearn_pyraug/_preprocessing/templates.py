"""Templates: how new rows and labels are made like the user's own, and templates as plain data."""

import importlib
import sys
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .containers import (
    COLUMNS,
    TABLES,
    as_table,
    column_at,
    column_dtype,
    column_kind,
    column_levels,
    column_names,
    is_missing,
    kind_of,
    library_of,
    object_array,
    of_series,
    unpacked,
)
from .dtypes import dtype_state, make_dtype

_FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
_SPARSE = tuple(f"{form}_{kind}" for form in _FORMATS for kind in ("matrix", "array"))
_PANDAS = ("pandas.DataFrame", "pandas.Series", "pandas.Index", "pandas.array")
# Most digits of pyarrow's decimals. Those of polars 1 without a precision have 38.
_MAX_DIGITS = 76


class Template:
    """What new rows and labels are made like: an empty container of the user's kind.

    Parameters
    ----------
    container : object
        Empty. Or its :class:`TemplateState`, where a model was loaded in an environment that has
        not the library.
    """

    def __init__(self, container):
        self._container = container

    @classmethod
    def of(cls, X):
        """Return the template of rows or labels in any container; None for arrays."""
        library = library_of(X)
        if library == "pandas":
            empty = X.iloc[:0] if hasattr(X, "iloc") else X[:0]
            if hasattr(empty, "attrs"):
                # Attributes may hold rows, such as those of the file that X was read from.
                empty.attrs = {}
            return cls(empty)
        if library == "pyarrow":
            kind = kind_of(X, library)
            table = as_table(X, kind).unify_dictionaries().slice(0, 0)
            return cls(unpacked(table.replace_schema_metadata(None), kind))
        if library == "polars":
            return cls(X.head(0))
        if sparse.issparse(X):
            return cls(type(X)((0, 1), dtype=X.dtype))
        if isinstance(X, np.ma.MaskedArray):
            return cls(np.ma.array(np.empty(0, X.dtype), fill_value=X.fill_value))
        return cls([]) if isinstance(X, list) else None

    def new_rows(self, values):
        """Return values, (n_rows, n_columns) or (n_rows,), in a container of the user's kind."""
        if isinstance(self._container, TemplateState):
            self._container = _empty_container(self._container)
        empty = self._container
        library = library_of(empty)
        if library == "pandas":
            pd = sys.modules["pandas"]
            if empty.ndim == 1:
                return of_series(pd.Series(values, dtype=empty.dtype), empty)
            rows = pd.DataFrame(values, columns=empty.columns).astype(empty.dtypes)
            return empty._constructor(rows).__finalize__(empty)
        if library is not None:
            kind = kind_of(empty, library)
            values = values if values.ndim == 2 else values[:, None]
            make = _polars_table if library == "polars" else _arrow_table
            return unpacked(make(as_table(empty, kind), values), kind)
        if isinstance(empty, np.ma.MaskedArray):
            lacking = np.vectorize(is_missing, [bool])(values)
            known = np.where(lacking, empty.fill_value, values)
            known = np.rint(known) if empty.dtype.kind in "iu" else known
            known = known.astype(empty.dtype)
            return np.ma.array(known, mask=lacking, fill_value=empty.fill_value)
        return values.tolist() if isinstance(empty, list) else type(empty)(values)


def _polars_table(table, values):
    pl = sys.modules["polars"]
    columns = {}
    for j, (name, dtype) in enumerate(table.schema.items()):
        kind = column_kind(table.to_series(j))
        numbers, nulls = _new_values(values[:, j], kind, dtype, str(dtype).lower())
        column = pl.Series(name, numbers, dtype=dtype)
        columns[name] = column if nulls is None else column.set(pl.Series(nulls), None)
    # As a dict, because with a list polars would name unnamed columns.
    return pl.DataFrame(columns)


def _arrow_table(table, values):
    pa = sys.modules["pyarrow"]
    columns = []
    for j, field in enumerate(table.schema):
        dtype, kind = field.type, column_kind(table.column(j))
        levels = column_levels(table.column(j))
        numbers, nulls = _new_values(values[:, j], kind, dtype, str(dtype))
        if levels is None:
            columns.append(pa.array(numbers, type=dtype, mask=nulls))
            continue
        # All levels, also those that do not occur among the new rows.
        index = {level: i for i, level in enumerate(levels)} | {None: None}
        columns.append(_dictionary([index[v] for v in numbers], levels, dtype))
    return pa.Table.from_arrays(columns, schema=table.schema)


def _dictionary(codes, levels, dtype):
    pa = sys.modules["pyarrow"]
    codes, levels = pa.array(codes, dtype.index_type), pa.array(levels, dtype.value_type)
    return pa.DictionaryArray.from_arrays(codes, levels, ordered=dtype.ordered)


def _new_values(values, kind, dtype, name):
    """Return values as a library takes them, and a mask of nulls or None.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Numbers, or objects of which None is a null.
    kind : str
    dtype : polars.DataType or pyarrow.DataType
    name : str
        Its name, which is numpy's where the kind is one of numbers.
    """
    # narwhals has no half floats, and earlier versions of pyarrow only take them from numpy.
    if kind not in "MO" or name == "halffloat":
        nulls = np.equal(values, None) if values.dtype == object else np.zeros(len(values), bool)
        numpy_name = {"boolean": "bool", "halffloat": "float16", "float": "float32"}
        numbers = np.where(nulls, 0, values)
        numbers = numbers.astype(numpy_name.get(name, name.replace("double", "float64")))
        return numbers, nulls if nulls.any() else None
    values = values.tolist()
    if name.startswith("decimal"):
        # Floats may have rounded the largest one up to one more digit.
        digits = min(dtype.precision or 38, _MAX_DIGITS)
        top = Decimal((0, (9,) * digits, -dtype.scale))
        values = [None if v is None else min(max(v, top.copy_negate()), top) for v in values]
    return values, None


class ColumnState(NamedTuple):
    """A column of a template, as plain data.

    Attributes
    ----------
    name : object
    dtype : tuple
        Its name and arguments: numbers, text and tuples of these.
    levels : ndarray of object, or None
        The levels that it declares, in their order.
    nullable : bool
        Whether a schema of pyarrow allows nulls.
    """

    name: object
    dtype: object
    levels: np.ndarray | None = None
    nullable: bool = True


class TemplateState(NamedTuple):
    """A template, as plain data.

    Attributes
    ----------
    kind : str
        Library and class, such as ``"polars.DataFrame"``.
    columns : tuple of ColumnState
    names : ColumnState or None
        The name and the dtype of the index of a dataframe of pandas.
    """

    kind: str
    columns: tuple[ColumnState, ...] = ()
    names: ColumnState | None = None


def template_state(template):
    """Return a :class:`Template` as plain data."""
    empty, names = template._container, None
    library = library_of(empty)
    if isinstance(empty, TemplateState):
        return empty
    if library is None:
        kind = type(empty).__name__
        if isinstance(empty, np.ma.MaskedArray) and empty.dtype.kind in "biuf":
            fill = float(empty.fill_value) if empty.dtype.kind == "f" else empty.fill_value.item()
            return TemplateState("MaskedArray", (ColumnState("", (empty.dtype.str, fill)),))
        if kind not in (*_SPARSE, "list"):
            raise ValueError(f"A {kind} is none that a model file can hold. Pass a csr_array.")
        return TemplateState(kind)
    if library == "pandas":
        kind, table = "pandas.DataFrame", empty
        if empty.ndim == 1:
            pd = sys.modules["pandas"]
            kind = "Series" if hasattr(empty, "iloc") else "Index" if hasattr(empty, "name") else ""
            kind = f"pandas.{kind or 'array'}"
            name = getattr(empty, "name", None)
            table = pd.Series(empty, name=name).to_frame(name)
        labels = list(table.columns) if empty.ndim == 2 else [name]
        if empty.ndim == 2:
            if table.columns.nlevels > 1:
                raise ValueError("The dataframe has several levels of column names. Join them.")
            names = _column_state(table.columns.name, table.columns)
    else:
        kind = kind_of(empty, library)
        table = as_table(empty, kind)
        labels = column_names(table)
    nullable = [True] * len(labels)
    if library == "pyarrow":
        nullable = [field.nullable for field in table.schema]
    columns = [
        _column_state(label, column_at(table, j), nullable[j]) for j, label in enumerate(labels)
    ]
    return TemplateState(kind, tuple(columns), names)


def _column_state(name, column, nullable=True):
    dtype, levels = column_dtype(column), column_levels(column)
    state = dtype_state(dtype)
    if state is None:
        raise ValueError(
            f"The dtype {dtype} is none that a model file can hold. Convert such columns."
        )
    return ColumnState(name, state, None if levels is None else object_array(levels), nullable)


def template_from_state(state):
    """Return the :class:`Template` that plain data describe.

    Nothing but dtypes of known names is made. Where the library is not installed, only
    :meth:`Template.new_rows` asks for it.

    Raises
    ------
    ValueError
        If the state is not one that :func:`template_state` returns.
    """
    try:
        return Template(_empty_container(state))
    except ImportError:
        return Template(state)


def _empty_container(state):
    if state.kind == "list":
        return []
    if state.kind == "MaskedArray":
        name, fill = state.columns[0].dtype
        dtype = np.dtype(name)
        if dtype.kind not in "biuf":
            raise ValueError(f"a masked array of {dtype} is none that is known")
        return np.ma.array(np.empty(0, dtype), fill_value=fill)
    if state.kind in _SPARSE:
        return getattr(sparse, state.kind)((0, 1))
    library, _, name = state.kind.partition(".")
    if state.kind not in (*TABLES, *COLUMNS, *_PANDAS):
        raise ValueError(f"{state.kind!r} is no container that is known")
    try:
        module = importlib.import_module(library)
    except ImportError as error:
        raise ImportError(
            f"The augmenter was fitted on a table of {library}, which is not installed here, and "
            f"new rows come as such a table. Install it: pip install {library}"
        ) from error
    dtypes = [make_dtype(c.dtype, library, c.levels) for c in state.columns]
    labels = [c.name for c in state.columns]
    if library == "pandas":
        if name != "DataFrame":
            series = module.Series([], dtype=dtypes[0], name=labels[0])
            # Not every dtype can be that of an index.
            if name == "Index":
                return module.Index(series)
            return series.array if name == "array" else series
        dtype = make_dtype(state.names.dtype, library, state.names.levels)
        index = module.Index(labels, dtype=dtype, name=state.names.name, tupleize_cols=False)
        frame = module.DataFrame({j: module.Series([], dtype=d) for j, d in enumerate(dtypes)})
        frame.columns = index
        return frame
    if library == "polars":
        schema = dict(zip(labels, dtypes, strict=True))
        return unpacked(module.DataFrame(schema=schema), state.kind)
    fields = [
        module.field(c.name, dtype, nullable=c.nullable)
        for c, dtype in zip(state.columns, dtypes, strict=True)
    ]
    columns = [
        module.array([], type=dtype) if c.levels is None else _dictionary([], c.levels, dtype)
        for c, dtype in zip(state.columns, dtypes, strict=True)
    ]
    return unpacked(module.Table.from_arrays(columns, schema=module.schema(fields)), state.kind)
