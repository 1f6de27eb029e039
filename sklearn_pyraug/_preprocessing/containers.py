"""Tables of polars and pyarrow: in as numbers, out as tables of the same kind and schema.

Nothing but the user's own table decides which library is imported; pandas is none of them.
"""

import importlib.util
import sys
import warnings
from typing import NamedTuple

import numpy as np

from .._sklearn_compat import ArraysTransformer
from .._validation import check_unique_names
from .frame_dtypes import DATE, LIBRARIES, VALUES, FrameColumn, describe, library_module, new_column
from .schema import (
    Schema,
    Table,
    _Column,
    _date_error,
    _mask,
    _object_array,
    _read_values,
    largest_float,
)

__all__ = [
    "Frame",
    "FrameContainers",
    "FrameSpec",
    "as_labels",
    "keep_containers",
    "library_of",
    "read_frame",
    "wrap",
]

_TABLES = ("polars.DataFrame", "pyarrow.Table")
_COLUMNS = ("polars.Series", "pyarrow.ChunkedArray", "pyarrow.Array")


class FrameSpec(NamedTuple):
    """What a table, or a column of labels, is made like.

    Attributes
    ----------
    kind : str
        Its class, such as ``"polars.DataFrame"``.
    columns : tuple of FrameColumn
    """

    kind: str
    columns: tuple[FrameColumn, ...]

    @property
    def library(self):
        """Name of the library: ``"polars"`` or ``"pyarrow"``."""
        return self.kind.split(".")[0]

    def make(self, values):
        """Return values in the container described.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns) or (n_rows,)

        Returns
        -------
        container : polars.DataFrame, polars.Series, pyarrow.Table, ChunkedArray or Array
        """
        return self._unpacked(self.table(values))

    def table(self, values):
        """Return values as a table of the library; see :meth:`make`."""
        values = values if values.ndim == 2 else values[:, None]
        columns = [new_column(c, values[:, j], self.library) for j, c in enumerate(self.columns)]
        module = library_module(self.library)
        if self.library == "polars":
            # A dict, as a list gives unnamed columns names.
            names = (column.name for column in self.columns)
            return module.DataFrame(dict(zip(names, columns, strict=True)))
        fields = [
            module.field(column.name, new.type, nullable=column.nullable)
            for column, new in zip(self.columns, columns, strict=True)
        ]
        return module.Table.from_arrays(columns, schema=module.schema(fields))

    def _unpacked(self, table):
        if self.kind in _TABLES:
            return table
        if self.kind == "polars.Series":
            return table.to_series(0)
        column = table.column(0)
        return column if self.kind == "pyarrow.ChunkedArray" else column.combine_chunks()


class Frame:
    """A user's table or labels, for validation to pass on as they are.

    Parameters
    ----------
    value : polars.DataFrame, polars.Series, pyarrow.Table, pyarrow.ChunkedArray or pyarrow.Array
    kind : str
        Its class.
    where : {"X", "y"}
        Its name for messages.

    Attributes
    ----------
    table : polars.DataFrame or pyarrow.Table
    spec : FrameSpec

    Raises
    ------
    ValueError
        If two columns have one name, or a column's dtype cannot be given back.
    """

    # imbalanced-learn takes what is named DataFrame, or has `columns`, for pandas'.

    def __init__(self, value, kind, where):
        self._where, library = where, kind.split(".")[0]
        self.table = _as_table(value, kind)
        if library == "polars":
            names, dtypes = self.table.columns, self.table.dtypes
        else:
            names, dtypes = self.table.schema.names, self.table.schema.types
        check_unique_names(names, where)
        described = [describe(dtype, library) for dtype in dtypes]
        for name, dtype, known in zip(names, dtypes, described, strict=True):
            if known is None:
                raise ValueError(
                    f"{where} has the dtype {dtype} in {name!r}, which cannot be generated. "
                    "Replace the column by ones of numbers, booleans or text, or leave it out."
                )
        nullable = [True] * len(names)
        if library == "pyarrow":
            # The chunks of a column may number the same levels differently.
            self.table = self.table.unify_dictionaries()
            nullable = [field.nullable for field in self.table.schema]
        levels = [self._levels(j, dtype) for j, dtype in enumerate(described)]
        columns = map(FrameColumn, names, described, levels, nullable)
        self.spec = FrameSpec(kind, tuple(columns))

    def _levels(self, j, dtype):
        if dtype[0] == "Enum":
            return _object_array(dtype[1])
        if dtype[0] != "dictionary":
            return None
        chunks = self.table.column(j).chunks
        return _object_array(chunks[0].dictionary.to_pylist() if chunks else [])

    @property
    def shape(self):
        """Rows and columns."""
        return self.table.shape

    @property
    def names(self):
        """Names of the columns as scikit-learn keeps them."""
        return np.array([column.name for column in self.spec.columns], dtype=object)

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        """Return a single column, of labels, as an array of shape (n_rows,)."""
        if self.shape[1] != 1:
            raise ValueError(
                f"{self._where} has {self.shape[1]} columns. Pass one column, of class labels."
            )
        series = self.series(0)
        n_nulls = series.null_count()
        if n_nulls:
            raise ValueError(
                f"{self._where} holds {n_nulls} missing label(s). Leave out these rows, or give "
                "them a label of their own."
            )
        if self.spec.columns[0].holds(self.spec.library) in (DATE, VALUES):
            return _object_array(series.to_list())
        return np.asarray(series.to_numpy(), dtype=dtype)

    def series(self, j):
        """Return column `j` as a series of narwhals."""
        return _narwhals().from_native(self.table, eager_only=True)[:, j]

    def with_rows(self, values):
        """Return the user's own rows with new ones below, in the user's container.

        Parameters
        ----------
        values : ndarray of shape (n_new, n_columns) or (n_new,)
            The new rows.
        """
        new, nw = self.spec.table(values), _narwhals()
        with warnings.catch_warnings():
            # Polars 1 recodes categories when it puts columns together, and says so.
            warnings.filterwarnings("ignore", "Local categoricals have different encodings")
            both = nw.concat(
                [nw.from_native(table, eager_only=True) for table in (self.table, new)]
            )
        both = both.to_native()
        if self.spec.library == "pyarrow":
            both = both.unify_dictionaries().replace_schema_metadata(self.table.schema.metadata)
        return self.spec._unpacked(both)


def _as_table(value, kind):
    """Return a table as it is, and a single column as a table of one."""
    if kind in _TABLES:
        return value
    if kind == "polars.Series":
        return value.to_frame()
    return library_module("pyarrow").table({"": value})


class FrameContainers(NamedTuple):
    """The containers of X and y where one of them is a table of polars or pyarrow.

    Attributes
    ----------
    X, y : FrameSpec or None
        None where imbalanced-learn knows the container.
    others : ArraysTransformer
    """

    X: FrameSpec | None
    y: FrameSpec | None
    others: ArraysTransformer

    def transform(self, X, y):
        """Return rows and labels in the user's containers, as `ArraysTransformer` does."""
        X, y = self.others.transform(X, y)
        return (
            X if self.X is None else self.X.make(X),
            y if self.y is None else self.y.make(y),
        )

    def is_here(self):
        """Say whether the libraries are installed, as they may not be where a model is loaded."""
        specs = [spec for spec in (self.X, self.y) if spec is not None]
        unknown = [spec.kind for spec in specs if spec.kind not in _TABLES + _COLUMNS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no container that is known")
        return all(importlib.util.find_spec(spec.library) is not None for spec in specs)


def keep_containers(X, y):
    """Return what makes arrays into containers like `X` and `y`."""
    specs = [value.spec if isinstance(value, Frame) else None for value in (X, y)]
    others = ArraysTransformer(X, y)
    return others if specs == [None, None] else FrameContainers(*specs, others)


def library_of(value):
    """Return ``"polars"`` or ``"pyarrow"`` if a value is of one of them, else None."""
    roots = {cls.__module__.split(".")[0] for cls in type(value).__mro__}
    return next((library for library in LIBRARIES if library in roots), None)


def wrap(value, where):
    """Return what the user gave as a :class:`Frame` if it is one, else as it is.

    Parameters
    ----------
    value : object
    where : {"X", "y"}
        Its name. A single column is no table, but may be labels.

    Returns
    -------
    value : Frame or object

    Raises
    ------
    ValueError
        If it is a container of polars or pyarrow that has no rows at hand, or see
        :class:`Frame`.
    ImportError
        If it needs narwhals, which is not installed.
    """
    library = library_of(value)
    if library is None:
        return value
    module = sys.modules[library]
    for kind in _TABLES + _COLUMNS:
        if kind.split(".")[0] == library and isinstance(value, getattr(module, kind.split(".")[1])):
            if kind in _COLUMNS and where == "X":
                break
            _narwhals()
            return Frame(value, kind, where)
    name = type(value).__name__
    remedy = {
        "LazyFrame": f"Pass {where}.collect().",
        "Series": f"Pass {where}.to_frame().",
        "RecordBatch": f"Pass pyarrow.Table.from_batches([{where}]).",
    }.get(name, f"Pass a {' or '.join(_TABLES)}.")
    raise ValueError(f"{where} is a {library}.{name}, which is no table of rows. {remedy}")


def as_labels(y):
    """Return labels of polars or pyarrow as an array, and others as they are."""
    y = wrap(y, "y")
    return np.asarray(y) if isinstance(y, Frame) else y


def _narwhals():
    try:
        import narwhals.stable.v1 as nw
    except ImportError as error:
        raise ImportError(
            "Tables of polars and pyarrow are read by narwhals, which is not installed. Install "
            'it: pip install "sklearn-pyraug[frames]"'
        ) from error
    return nw


def read_frame(frame, categorical_features=None):
    """Return a table as numbers and the way back, as :func:`.read_table` does.

    Parameters
    ----------
    frame : Frame
    categorical_features : array-like of bool, int or str, or None
        A mask, positions or names of columns that hold categories, beside those of text,
        categories, or booleans alone.

    Returns
    -------
    table : Table
        Its view is an array.

    Raises
    ------
    ValueError
        If `categorical_features` does not fit, or a column holds dates.
    """
    names = frame.names.tolist()
    asked = _mask(categorical_features, len(names), names)
    pairs = [_read_column(frame, j, asked[j]) for j in range(len(names))]
    numbers = [x for x, _ in pairs]
    if numbers and np.result_type(*numbers).kind == "f":
        numbers = [x if x.dtype.kind == "f" else _as_floats(x, x.dtype) for x in numbers]
    view = np.column_stack(numbers) if numbers else np.empty(frame.shape)
    columns = tuple(column for _, column in pairs)
    categorical = asked | np.array([column.levels is not None for column in columns], dtype=bool)
    whole = np.array([column.whole for column in columns], dtype=bool)
    plain = all(c.levels is None and c.missing is not None and c.places is None for c in columns)
    schema = None if plain else Schema(columns, np.dtype(object))
    return Table(view, categorical, whole, schema)


def _read_column(frame, j, asked):
    """Return the numbers of column `j`, of shape (n_rows,), and its `_Column`."""
    column, series = frame.spec.columns[j], frame.series(j)
    holds = column.holds(frame.spec.library)
    if holds == DATE and not asked:
        raise _date_error(repr(column.name), column.dtype[0])
    if holds in (DATE, VALUES):
        values = _object_array(series.to_list())
        if column.levels is None:
            return _read_values(values, asked, repr(column.name))
        index = {level: i for i, level in enumerate(column.levels)} | {None: np.nan}
        # A level that is NaN is missing, too.
        codes = np.array([index.get(v, np.nan) for v in values], dtype=np.float64)
        return codes, _Column(column.levels, False, None)
    has_nulls = series.null_count() > 0
    x = np.array(series.to_list(), dtype=np.float64) if has_nulls else series.to_numpy()
    # scikit-learn makes floats of pandas' booleans, too.
    if has_nulls or holds == "bool":
        x = _as_floats(x, np.dtype(holds))
    return x, _Column(None, holds[0] != "f", None if has_nulls else np.nan)


def _as_floats(x, dtype):
    """Return numbers as floats that do not round to more than their dtype can hold."""
    x = x.astype(np.float64)
    return np.minimum(x, largest_float(dtype)) if dtype.kind in "iu" else x
