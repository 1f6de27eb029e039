"""Containers of rows and labels: how each is read, and put above new rows.

A container is a list, an array, a sparse matrix, or a table or column of pandas, polars or pyarrow;
which of these libraries is imported, the user's own data decide.
"""

import sys
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real

import narwhals.stable.v1 as nw
import numpy as np
from scipy import sparse

from .._validation import check_has_columns
from .dtypes import dtype_state

TABLES = ("polars.DataFrame", "pyarrow.Table")
COLUMNS = ("polars.Series", "pyarrow.ChunkedArray", "pyarrow.Array")
# Methods that fetch a frame that is computed elsewhere.
_ELSEWHERE = ("toPandas", "to_pandas")


def library_of(value):
    """Return "pandas", "polars" or "pyarrow" where a value is of one of them, else None.

    Of pandas, dataframes, series, indices and arrays are containers, subclasses included.
    """
    pd = sys.modules.get("pandas")
    if pd is not None:
        kinds = pd.DataFrame, pd.Series, pd.Index, pd.api.extensions.ExtensionArray
        if isinstance(value, kinds):
            return "pandas"
    roots = {cls.__module__.split(".")[0] for cls in type(value).__mro__}
    return next((library for library in ("polars", "pyarrow") if library in roots), None)


def kind_of(value, library):
    """Return the name of the class of a container of polars or pyarrow, or None."""
    module = sys.modules[library]
    for kind in TABLES + COLUMNS:
        if kind.startswith(library) and isinstance(value, getattr(module, kind.split(".")[1])):
            return kind
    return None


def check_container(value, where):
    """Raise if a value is of a library of tables, and neither a table nor a column of labels.

    Parameters
    ----------
    value : object
    where : str
        Its name. A single column is no table, and may be labels where the name is not "X".
    """
    library, name = library_of(value), type(value).__name__
    records = value if isinstance(value, (list, tuple)) else [value]
    # A sparse matrix may be a dict of its entries.
    is_rows = where != "X" or sparse.issparse(value)
    if not is_rows and any(isinstance(v, Mapping) for v in records):
        kind = name if isinstance(value, Mapping) else f"{name} of {type(records[0]).__name__}s"
        raise ValueError(f"X is a {kind}, which is no table of rows. Pass pandas.DataFrame(X).")
    fields = getattr(getattr(value, "dtype", None), "names", None)
    if fields and where == "X":
        raise ValueError(
            f"X is a structured array of the fields {', '.join(map(repr, fields[:5]))}, which is "
            "no table of rows. Pass pandas.DataFrame(X)."
        )
    if library == "pandas":
        if where == "X":
            check_has_columns(value)
        return
    if library is None:
        methods = _ELSEWHERE if hasattr(value, "columns") else ()
        method = next((m for m in methods if hasattr(value, m)), None)
        if hasattr(value, "__dask_graph__") and value.__dask_graph__() is not None:
            method = "compute"
        if method:
            module = type(value).__module__.split(".")[0]
            raise ValueError(
                f"{where} is a {module}.{name}, whose values are not in memory. Pass "
                f"{where}.{method}()."
            )
        return
    if kind_of(value, library) in (TABLES if where == "X" else TABLES + COLUMNS):
        return
    remedy = {
        "LazyFrame": f"Pass {where}.collect().",
        "Series": f"Pass {where}.to_frame().",
        "RecordBatch": f"Pass pyarrow.Table.from_batches([{where}]).",
    }.get(name, f"Pass a {' or '.join(TABLES)}.")
    raise ValueError(f"{where} is a {library}.{name}, which is no table of rows. {remedy}")


# Reading


def column_names(X):
    """Return the names of a table's columns as a list, or None where it has none."""
    library = library_of(X)
    if library == "pyarrow":
        return list(X.column_names)
    return list(X.columns) if library and hasattr(X, "columns") else None


def column_at(X, j):
    """Return column `j` of a table as a column of its library."""
    library = library_of(X)
    if library == "pandas":
        return X.iloc[:, j]
    # The chunks of a column may number the same levels differently.
    return X.to_series(j) if library == "polars" else X.column(j).unify_dictionaries()


def column_dtype(column):
    """Return the dtype of a column, as its library has it."""
    return column.dtype if hasattr(column, "dtype") else column.type


def column_values(column):
    """Return the values of a column as a list of Python's objects."""
    return list(column) if library_of(column) == "pandas" else _series(column).to_list()


def has_nulls(column):
    """Return whether values are missing; NaN among the numbers of polars and pyarrow is none."""
    return _series(column).null_count() > 0


def column_kind(column, name="y", where="y"):
    """Return what a column holds, by numpy's letters: "b", "i", "u", "f", "c", "M" or "O".

    Parameters
    ----------
    column : pandas.Series, polars.Series, pyarrow.ChunkedArray or pyarrow.Array
    name : object, default="y"
    where : {"X", "y"}, default="y"

    Returns
    -------
    kind : str
        Dates, times and durations are "M", and what is no number "O".
    """
    if library_of(column) == "pandas":
        if type(column.dtype).__name__ == "PeriodDtype":
            return "M"
        kind = getattr(column.dtype, "kind", "O")
        return kind if kind in "biufc" else "M" if kind in "mM" else "O"
    if dtype_state(column_dtype(column)) is None:
        raise ValueError(
            f"{where} has the dtype {column_dtype(column)} in {name!r}, which cannot be generated. "
            "Replace the column by ones of numbers, booleans or text, or leave it out."
        )
    dtype = _series(column).dtype
    if dtype == nw.Boolean:
        return "b"
    if dtype.is_integer():
        return "i" if dtype.is_signed_integer() else "u"
    return "M" if dtype.is_temporal() else "f" if dtype.is_float() else "O"


def column_levels(column):
    """Return the levels that a column declares, in their order, as a list; else None."""
    dtype = column_dtype(column)
    if type(dtype).__name__ == "CategoricalDtype":
        return list(dtype.categories)
    if type(dtype).__name__ == "Enum":
        return dtype.categories.to_list()
    if type(dtype).__name__ != "DictionaryType":
        return None
    if hasattr(column, "dictionary"):
        return column.dictionary.to_pylist()
    return column.chunk(0).dictionary.to_pylist() if column.num_chunks else []


def column_numbers(column, kind):
    """Return the numbers of a column, NaN where one is missing.

    Parameters
    ----------
    column : pandas.Series, polars.Series or pyarrow.ChunkedArray
    kind : str
        See :func:`column_kind`.

    Returns
    -------
    x : ndarray of shape (n_rows,)
        Of the column's dtype; float64 where values are missing, of booleans, and of pandas' own
        dtypes.
    """
    if library_of(column) == "pandas":
        dtype = column.dtype
        if isinstance(dtype, np.dtype) and kind != "b":
            return column.to_numpy()
        if type(dtype).__name__ == "SparseDtype" and kind in "iuf":
            return np.asarray(column)
        x = column.to_numpy(np.float64, na_value=np.nan)
    else:
        series = _series(column)
        missing = series.null_count() > 0
        x = np.array(series.to_list(), np.float64) if missing else series.to_numpy()
        if not missing and kind != "b":
            return x
        x, dtype = x.astype(np.float64), np.dtype(str(series.dtype).lower().replace("ean", ""))
    return np.minimum(x, largest_float(dtype)) if kind in "iu" else x


def decoded(X):
    """Return a table of pyarrow without dictionaries, and one of pandas without sparse columns.

    Anything else is returned as it is. As an array, a dictionary has levels where values are
    missing, and scikit-learn warns of sparse columns, or refuses them.
    """
    library = library_of(X)
    if library == "pandas" and X.ndim == 2 and any(hasattr(d, "fill_value") for d in X.dtypes):
        columns = [X.iloc[:, j] for j in range(X.shape[1])]
        columns = [c.sparse.to_dense() if hasattr(c.dtype, "fill_value") else c for c in columns]
        return sys.modules["pandas"].concat(columns, axis=1).set_axis(X.columns, axis=1)
    if library != "pyarrow":
        return X
    pa = sys.modules["pyarrow"]
    fields = [
        f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in X.schema
    ]
    return X.cast(pa.schema(fields))


def largest_float(dtype):
    """Return the largest float64 that an integer dtype can hold: of 2**63 - 1, numpy makes 2**63.

    Parameters
    ----------
    dtype : dtype
        Of integers; numpy's or pandas'.
    """
    largest = 2 ** (8 * dtype.itemsize - (dtype.kind == "i")) - 1
    return float(largest) if int(float(largest)) == largest else np.nextafter(float(largest), 0)


def object_array(values):
    """Return values as an array of shape (n,), also where they are sequences themselves."""
    return np.fromiter(values, dtype=object, count=len(values))


def as_labels(y, name="y"):
    """Return labels of any container as an array; no value is cast.

    Parameters
    ----------
    y : object
        One label for each row, or one-hot labels of two axes.
    name : str, default="y"
        For messages.

    Returns
    -------
    labels : ndarray of shape (n_samples,) or (n_samples, n_columns)
        Booleans, numbers or text, or the container's own values as objects.
    """
    if y is None:
        raise ValueError(
            f"This estimator requires {name} to be passed, but the target {name} is None. Pass "
            "class labels."
        )
    check_container(y, name)
    library = library_of(y)
    if library is not None and len(getattr(y, "shape", ())) == 2:
        # A frame may be sparse, or of several dtypes.
        columns = [_label_array(column_at(y, j), name) for j in range(y.shape[1])]
        labels = columns[0] if len(columns) == 1 else np.stack(columns, axis=1)
    elif library is None and sparse.issparse(y):
        labels = y.toarray()
    else:
        labels = _label_array(y, name)
    if labels.dtype == object:
        labels = _plain(labels) if labels.ndim == 1 else labels
        lacking = np.array([is_missing(v) for v in labels.flat], dtype=bool)
    else:
        lacking = np.isnan(labels) if labels.dtype.kind in "fc" else np.zeros(1, bool)
    if lacking.any():
        raise ValueError(
            f"{name} holds {int(lacking.sum())} missing label(s). Leave out these rows, or give "
            "them a label of their own."
        )
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError(
            f"{name} holds {int(np.isinf(labels).sum())} label(s) of infinity. Leave out these "
            "rows, or give them a label of their own."
        )
    return labels


def _label_array(y, name):
    """Return a column of labels as an array, of objects where numpy would cast values."""
    library = library_of(y)
    if library == "pandas":
        is_plain = isinstance(y.dtype, np.dtype) and y.dtype.kind in "biuf"
        return y.to_numpy() if is_plain else object_array(list(y))
    if library is not None:
        if column_kind(y) not in "MO" and not has_nulls(y):
            return np.asarray(_series(y).to_numpy())
        return object_array(column_values(y))
    if isinstance(y, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(y), None, np.asarray(y, dtype=object))
    if hasattr(y, "__array__") or not isinstance(y, (list, tuple)):
        y = np.asarray(y)
        if y.dtype.kind in "biufcU" or y.ndim != 1:
            return y
        return object_array(y.tolist() if y.dtype.kind == "V" else list(y))
    if any(isinstance(v, list) or _is_array(v) for v in y):
        try:
            return np.asarray(y)
        except ValueError:
            raise ValueError(
                f"{name} holds lists of different lengths: pass one label for each row, or "
                "one-hot labels of two axes."
            ) from None
    values = object_array(y)
    # numpy would replace text enums by the names of their members.
    is_text = values.size and all(type(v) in (str, np.str_) for v in values)
    return np.asarray(y) if is_text else values


def _is_array(value):
    """Return whether a value is an array or a tensor, and no scalar of numpy."""
    return hasattr(value, "__array__") and not isinstance(value, np.generic)


def _plain(values):
    """Return objects as an array of bools, ints or floats where all of them are."""
    if any(isinstance(v, np.timedelta64) for v in values):  # Python would make integers of them
        return values
    for kind in (bool, np.bool_), Integral, (float, np.floating):
        if all(isinstance(v, kind) for v in values):
            break
        if any(isinstance(v, kind) for v in values):
            return values
    else:
        return values
    plain = np.array(values.tolist())
    # numpy may make floats of integers with more than 64 bits.
    return values if kind is Integral and plain.dtype.kind == "f" else plain


def is_missing(value):
    """Return whether a value is None, NaN, or pandas' NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return isinstance(value, (Real, Decimal)) and value != value


def _series(column):
    """Return a column as a series of narwhals."""
    if library_of(column) == "pyarrow" and not hasattr(column, "chunks"):
        column = sys.modules["pyarrow"].chunked_array([column])
    return nw.from_native(column, series_only=True)


# Rows from rows


def take(X, rows):
    """Return the rows of a container at some positions, in the same container.

    Parameters
    ----------
    X : object
    rows : ndarray of int of shape (n,)
    """
    library = library_of(X)
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, (list, tuple)):
        return [X[i] for i in rows]
    if library == "pyarrow":
        pa, kind = sys.modules["pyarrow"], kind_of(X, library)
        table = as_table(X, kind)
        # pyarrow cannot take rows of views of text.
        fields = [f.with_type(pa.string()) if _is_view(f.type) else f for f in table.schema]
        plain = table.cast(pa.schema(fields, table.schema.metadata))
        return unpacked(plain.take(rows).cast(table.schema), kind)
    if sparse.issparse(X):
        return X.tocsr()[rows]  # not every sparse format can be indexed by row
    return (X if hasattr(X, "shape") else np.asarray(X))[rows]


def _is_view(dtype):
    return str(dtype) == "string_view"


def stack(X, new):
    """Return the user's own rows or labels, untouched, with new ones below.

    Parameters
    ----------
    X, new : object
        Of one kind, see :class:`.Template`.

    Returns
    -------
    X_resampled : object
        A new container; of pandas, with a new index.
    """
    library = library_of(X)
    if library == "pandas":
        pd = sys.modules["pandas"]
        if X.ndim == 2:
            return pd.concat([X, new], ignore_index=True).__finalize__(X)
        both = pd.concat([pd.Series(X), pd.Series(new)], ignore_index=True)
        return of_series(both, X)
    if library == "polars":
        return sys.modules["polars"].concat([X, new])
    if library == "pyarrow":
        pa, kind = sys.modules["pyarrow"], kind_of(X, "pyarrow")
        both = [as_table(t, kind).unify_dictionaries() for t in (X, new)]
        both = pa.concat_tables(both).unify_dictionaries()
        return unpacked(both, kind)
    if isinstance(X, np.ma.MaskedArray):
        both = np.ma.concatenate([X, new])
        both.fill_value = X.fill_value
        return both
    if isinstance(X, list):
        return [*(list(row) if isinstance(row, list) else row for row in X), *new]
    if sparse.issparse(X):
        # The type is kept, because older versions of SciPy stack sparse arrays into a sparse
        # matrix.
        return type(X)(sparse.vstack([X, new], format=X.format))
    X = np.asarray(X)
    # Without a dtype, numpy would change the byte order to that of the machine.
    return np.concatenate([X, new], dtype=X.dtype)


def of_series(values, like):
    """Return a series of pandas as a column of the kind of another: series, index or array."""
    pd = sys.modules["pandas"]
    if isinstance(like, pd.Series):
        return like._constructor(values, name=like.name).__finalize__(like)
    return pd.Index(values, name=like.name) if isinstance(like, pd.Index) else values.array


def as_table(value, kind):
    """Return a table as it is, and a single column as a table of one."""
    if kind in TABLES:
        return value
    if kind == "polars.Series":
        return value.to_frame()
    return sys.modules["pyarrow"].table({"": value})


def unpacked(table, kind):
    if kind in TABLES:
        return table
    if kind == "polars.Series":
        return table.to_series(0)
    column = table.column(0)
    return column if kind == "pyarrow.ChunkedArray" else column.combine_chunks()
