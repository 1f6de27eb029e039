"""Tables as csv, parquet, xlsx or npz files.

A file of columns has one for each feature, one for the target and, if synthetic rows are marked, a
boolean column ``synthetic``. An npz file has the arrays ``X``, ``y`` and, if synthetic rows are
marked, ``synthetic``.
"""

import warnings
from pathlib import Path

import narwhals
import numpy as np

from .._preprocessing.masked import unmasked
from ._array_files import read_npz_arrays
from ._atomic import atomic_write
from ._csv_files import CsvFile, find_rows, packed, unpacked
from ._frame_files import ExcelFile, ParquetFile, write_sheet
from ._guards import BadFile, check_mask, did_you_mean, import_optional

_MASK = "synthetic"
SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".xlsx", ".npz")
# Packages that are needed in addition to pandas.
_ENGINES = {".parquet": ("pyarrow",), ".xlsx": ("openpyxl",)}
_READERS = {".csv": CsvFile, ".tsv": CsvFile, ".parquet": ParquetFile, ".xlsx": ExcelFile}
# A target with more different numbers, some with decimals, is one of a regression.
_MOST_CLASSES = 10
_ORIGIN = "table_file"


class TableFile(str):
    """The path that a DataFrame was loaded from, and the file's own rows.

    It lies in the DataFrame's ``attrs``, which pandas copies and writes as text.
    """

    content = None

    def __deepcopy__(self, memo):
        """Return the same object, whose content is never changed."""
        return self


def load_table(path, target="target", *, keep=(), sep=None, decimal=None, encoding=None, na=()):
    """Read features and target from a csv, parquet, xlsx or npz file.

    Parameters
    ----------
    path : str or path-like
        File whose name ends in ``.csv``, ``.tsv`` (also with ``.gz``), ``.parquet``, ``.xlsx`` or
        ``.npz``.
    target : str, default="target"
        Name of the target's column. Ignored for an npz file, whose target is the array ``y``.
    keep : str or sequence of str, default=()
        Columns that are no features, such as identifiers. `save_table` copies them to the rows of
        the file and leaves them empty in others. An index that pandas has stored in a parquet file
        is left out, with a warning, unless it is named here.
    sep : str, default=None
        What separates the cells of a csv file. None finds out which of comma, semicolon, tab and
        bar it is.
    decimal : {".", ","}, default=None
        Decimal point of a csv file. None finds it out.
    encoding : str, default=None
        Encoding of a csv file. None takes that of its byte order mark, else UTF-8 and, where it is
        not valid, Latin-1.
    na : str or sequence of str, default=()
        Cells of a csv file that mean a missing value, such as ``"NA"``, in addition to empty ones.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
        Features: an array from npz, else a DataFrame. A boolean column ``synthetic`` is the mark
        that `save_table` writes, not a feature, and is left out.
    y : Series or ndarray of shape (n_samples,)
        Target.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If a package is missing: pandas for tables other than npz, pyarrow for parquet, openpyxl
        for xlsx.
    ValueError
        If the suffix is unknown, the file is damaged or empty, a row has another number of cells
        than the header, the target or one of its values is missing, or an option has no such value.

    See Also
    --------
    save_table : Write such a file.
    load_synthetic_mask : Read which rows are synthetic.

    Notes
    -----
    No code from the file is run: arrays of Python objects in an npz file are an error.

    A csv column holds numbers if all of its cells are; leading zeros, as in ``01067``, make it
    text, and so does a word such as NA that is not in `na`. The DataFrame remembers the file in
    its ``attrs``, so that `save_table` writes the file's rows as they stand, character by
    character, and new ones in its dialect.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_pyraug.io import load_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "flowers.csv"
    ...     with path.open("w") as file:
    ...         for line in ["length,width,kind", "5.1,3.5,a", "4.9,3.0,b"]:
    ...             print(line, file=file)
    ...     X, y = load_table(path, target="kind")
    >>> X.shape, y.tolist()
    ((2, 2), ['a', 'b'])
    """
    options = {"sep": sep, "decimal": decimal, "encoding": encoding, "na": na}
    X, y, _, notes = read_table(path, target, keep=keep, **options)
    for note in notes:
        warnings.warn(f"'{path}': {note}", UserWarning, stacklevel=2)
    return X, y


def read_table(path, target, *, keep=(), as_text=(), **options):
    """Read a table.

    Parameters
    ----------
    path, target, keep
        As of `load_table`.
    as_text : sequence of str
        Columns of a csv file whose numbers are text.
    **options
        Of a csv file, as of `load_table`; those that are None or empty are left out.

    Returns
    -------
    X : DataFrame or ndarray
    y : Series or ndarray
    synthetic : ndarray of bool, or None where rows are not marked
    notes : list of str
        What the user should know.
    """
    path, kind = _check_path(path, must_exist=True)
    keep = _as_list(keep)
    options = {name: value for name, value in options.items() if value not in (None, (), [])}
    if "na" in options:
        options["na"] = _as_list(options["na"])
    _check_dialect(**options)
    if options and _READERS.get(kind) is not CsvFile:
        raise ValueError(f"`{next(iter(options))}` is for csv files, but `path` is '{path}'.")
    if kind == ".npz":
        return _read_arrays(path, keep)
    if kind in (".csv", ".tsv"):
        options["as_text"] = as_text
    file = _read_file(path, kind, keep=keep, **options)
    hint = ""
    if isinstance(file, CsvFile) and len(file.names) == 1:
        hint = " If another character separates its cells, name it in `sep`."
    for name, column in [("target", target), *(("keep", column) for column in keep)]:
        if column not in file.names:
            raise ValueError(
                f"`{name}` is {column!r}, which is not a column of '{path}'"
                f"{did_you_mean(column, file.names)} The columns are {_shown(file.names)}.{hint}"
            )
    if target in keep:
        raise ValueError(f"`keep` names the target, {target!r}; leave it out there.")
    frame = file.frame()
    if not len(frame):
        raise ValueError(f"`path` is '{path}', which has no rows; give a file with at least one.")
    if kind in (".csv", ".tsv") and _names_classes(frame[target]):
        file.as_text.add(target)
        frame = file.frame()
    y = frame[target]
    n_missing = int(y.isna().sum())
    if n_missing:
        raise ValueError(
            f"`target` is {target!r}, where {n_missing} of {len(y)} values in '{path}' are "
            "missing; drop or fill those rows."
        )
    marked = _MASK in frame and target != _MASK
    synthetic = _mark(frame[_MASK].to_numpy()) if marked else None
    X = frame.drop(columns=[target] if synthetic is None else [target, _MASK])
    X.attrs[_ORIGIN] = TableFile(path)
    X.attrs[_ORIGIN].content = file
    return X, y, synthetic, list(file.notes)


def _check_dialect(sep=",", decimal=".", **_):
    if not isinstance(sep, str) or len(sep) != 1 or sep in '"\r\n\0':
        raise ValueError(f"`sep` is {sep!r}; give one character, such as ';'.")
    if decimal not in (".", ","):
        raise ValueError(f"`decimal` is {decimal!r}; give '.' or ','.")


def _read_arrays(path, keep):
    """Return X, y, the mask or None and no notes from an npz file."""
    if keep:
        raise ValueError(f"`keep` names columns, but '{path}' is an npz file, which has none.")
    arrays, names = _read_npz(path, ("X", "y", _MASK))
    if missing := {"X", "y"} - set(arrays):
        raise ValueError(
            f"`path` is '{path}', which has no array {min(missing)!r} but {_shown(names)}; "
            "store the features as X and the target as y."
        )
    shapes = {name: array.shape for name, array in arrays.items()}
    odd = len(shapes["X"]) < 2 or not shapes["X"][0] or len(shapes.get(_MASK, (1,))) != 1
    if odd or len({shape[:1] for shape in shapes.values()}) > 1:
        raise ValueError(
            f"`path` is '{path}', whose arrays have the shapes {shapes}; store X in the shape "
            "(n_samples, n_features), and as many targets and marks of synthetic rows as rows, at "
            "least one."
        )
    return arrays["X"], arrays["y"], _mark(arrays.get(_MASK)), []


def spellings(X, name):
    """Return the value of each text in a column of the csv file that X was read from, as a dict."""
    content = getattr(getattr(X, "attrs", {}).get(_ORIGIN), "content", None)
    return content.spellings(name) if isinstance(content, CsvFile) else {}


def count_labels(y):
    """Return the labels, sorted, and the number of rows of each."""
    # Imported here, because it takes a while.
    from .._preprocessing.label_encoder import distinct_labels, read_labels

    labels, _, y_index = distinct_labels(read_labels(y))
    return labels.tolist(), np.bincount(y_index).tolist()


def load_synthetic_mask(path):
    """Read which rows of a file written by `save_table` are synthetic.

    Parameters
    ----------
    path : str or path-like
        File whose name ends as `load_table` has it.

    Returns
    -------
    synthetic_mask : ndarray of shape (n_samples,), dtype bool
        True where the row is synthetic.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If a package is missing, as by `load_table`.
    ValueError
        If the suffix is unknown, the file is damaged or empty, or synthetic rows are not marked.

    See Also
    --------
    save_table : Write such a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_pyraug.io import load_synthetic_mask, save_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "rows.npz"
    ...     save_table(path, [[0.0], [1.0]], [0, 1], [False, True])
    ...     load_synthetic_mask(path)
    array([False,  True])
    """
    path, kind = _check_path(path, must_exist=True)
    if kind == ".npz":
        marks = _read_npz(path, (_MASK,))[0].get(_MASK)
    else:
        frame = _read_file(path, kind).frame()
        marks = frame[_MASK].to_numpy() if _MASK in frame else None
    marks = _mark(marks)
    if marks is None:
        raise ValueError(
            f"`path` is '{path}', which has no column or array {_MASK!r} of True and False; "
            "save it with save_table and a synthetic_mask."
        )
    return marks


def save_table(path, X, y, synthetic_mask=None, *, target="target", overwrite=False):
    """Write features and target to a csv, parquet, xlsx or npz file, atomically.

    Rows of the file that `X` was loaded from by `load_table` are written as they stand there, if
    the new file is of the same kind, and other rows in the format of its columns.

    Parameters
    ----------
    path : str or path-like
        Path of the file, whose name ends as `load_table` has it.
    X : DataFrame or array-like of shape (n_samples, n_features)
        Features. In files of columns, those of an array are named ``x0``, ``x1``, ...; an npz
        file also takes arrays with more axes, and does not keep column names.
    y : array-like of shape (n_samples,)
        Target. An npz file also takes one-hot labels.
    synthetic_mask : array-like of shape (n_samples,), dtype bool, default=None
        True where the row is synthetic; stored as ``synthetic`` when given.
    target : str, default="target"
        Name of the target's column. Ignored for an npz file.
    overwrite : bool, default=False
        Whether to replace a file that exists at `path`.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    FileNotFoundError
        If there is no folder for it.
    ImportError
        If a package is missing, as by `load_table`.
    ValueError
        If the suffix is unknown, the lengths or axes do not fit, a feature has the name of
        the target or ``synthetic``, or a parquet or npz file would have to hold Python objects.

    See Also
    --------
    load_table : Read such a file.

    Notes
    -----
    The DataFrame of `load_table` remembers its file in ``attrs``, which `fit_resample` and pandas
    pass on; without it, a csv file has commas and UTF-8. Columns that were kept aside are empty in
    rows that are not in the file, and in equal rows some of which were removed from `X`, because
    nothing tells which are left. Numbers and strings are read back from
    csv exactly, but csv does not keep an index, categories or dates. Parquet keeps categories of
    text and dates, but not an index.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_pyraug.io import save_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "rows.csv"
    ...     save_table(path, [[0.5], [1.5]], ["a", "b"], [False, True])
    ...     print(path.read_text().strip())
    x0,target,synthetic
    0.5,a,False
    1.5,b,True
    """
    path, kind = _check_path(path, must_exist=False)
    source = getattr(X, "attrs", {}).get(_ORIGIN)
    origin = getattr(source, "content", None)
    if not hasattr(X, "columns"):
        X = np.asarray(unmasked(X))
    elif not hasattr(X, "iloc"):
        # As objects, integers stay integers next to missing values.
        X = narwhals.from_native(X).to_arrow().to_pandas(integer_object_nulls=kind != ".npz")
    # Not as an array, so that parquet keeps the categories of a target.
    y = y if hasattr(y, "array") else np.asarray(unmasked(y))
    if X.ndim < 2 or (y.ndim != 1 and kind != ".npz") or len(X) != len(y):
        raise ValueError(
            f"`X` has shape {X.shape} and `y` has shape {y.shape}; give a dense array or "
            "DataFrame of shape (n_samples, ...) and one target per row, which only npz files hold "
            "as one-hot columns."
        )
    if synthetic_mask is not None:
        synthetic_mask = check_mask(synthetic_mask, len(y))
    with atomic_write(path, overwrite=overwrite) as handle:
        if kind == ".npz":
            if origin is not None and origin.keep:
                raise ValueError(
                    f"`path` is '{path}', which has no place for the column {origin.keep[0]!r} "
                    "that is kept; use .csv or .parquet."
                )
            marks = {} if synthetic_mask is None else {_MASK: synthetic_mask}
            np.savez_compressed(handle, X=_plain_array("X", X), y=_plain_array("y", y), **marks)
            return
        frame = _to_frame(X, y, synthetic_mask, target, kind)
        new = np.zeros(len(y), dtype=bool) if synthetic_mask is None else synthetic_mask
        if origin is not None and kind == _kind(source) and frame.columns.is_unique:
            data = _try_writing(frame, lambda: origin.render(frame, new), kind)
        else:
            if origin is not None and origin.keep:
                frame = _with_kept(frame, origin, new)
            if origin is not None and frame.columns.is_unique:
                # In the order of the file.
                own = [name for name in origin.names if name in frame]
                frame = frame[[*own, *frame.columns.difference(own, sort=False)]]
            data = _plain_table(frame, kind)
        handle.write(packed(data) if path.name.lower().endswith(".gz") else data)


def _check_path(path, *, must_exist):
    """Return `path` as a Path and its suffix in lower case without ``.gz``, or raise."""
    path = Path(path)
    name, kind = path.name.lower(), _kind(path)
    if not name.endswith(SUFFIXES):
        raise ValueError(f"`path` is '{path}'; use a name that ends in {', '.join(SUFFIXES)}.")
    if must_exist and not path.is_file():
        raise FileNotFoundError(f"`path` is '{path}', but there is no file; check the name.")
    return path, kind


def _as_list(names):
    """Return names as a list: a single text is one, not those of its letters."""
    return [names] if isinstance(names, str) else list(names or ())


def _kind(path):
    """Return the suffix of a path in lower case without ``.gz``."""
    return Path(Path(path).name.lower().removesuffix(".gz")).suffix


def _names_classes(y):
    """Return True if numbers with decimals are few, such as grades: they are names of classes."""
    numbers = y.dropna()
    return numbers.dtype.kind == "f" and (numbers % 1 > 0).any() and y.nunique() <= _MOST_CLASSES


def _mark(values):
    """Return the marks of synthetic rows; None if the values are not booleans."""
    return values if values is not None and values.dtype == np.bool_ and values.ndim == 1 else None


def _shown(names):
    """Return at most ten names as a text."""
    names = [repr(str(name)) for name in names]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(names[:10]) or "none") + more


def _import_pandas(kind):
    what = f"`path` is no .npz file, which numpy alone could read, but {kind}, which"
    return import_optional(what, "tables", "pandas", *_ENGINES.get(kind, ()))


def _read_file(path, kind, **options):
    """Read a csv, parquet or xlsx file."""
    _import_pandas(kind)
    # Opened here, because a file that cannot be opened is not a damaged file.
    with open(path, "rb") as handle:
        data = handle.read()
    try:
        if path.name.lower().endswith(".gz"):
            data = unpacked(data)
        return _READERS[kind](data, **options)
    # Readers raise errors of many types for damaged files.
    except Exception as error:
        named = type(error) is ValueError
        text = str(error) if named else f"it is damaged, or no {kind[1:]} file"
        raise ValueError(f"`path` is '{path}', which is not a readable table: {text}.") from None


def _read_npz(path, names):
    """Return some arrays of an npz file by name, and the names of all."""
    with open(path, "rb") as handle:
        try:
            arrays, all_names = read_npz_arrays(handle, path.stat().st_size, names)
        # Errors other than ours may show bytes of a damaged file.
        except Exception as error:
            reason = str(error) if isinstance(error, BadFile) else "is damaged"
            raise ValueError(
                f"`path` is '{path}', which is not a readable npz file of plain arrays: it "
                f"{reason}; write one with save_table or numpy.savez, without Python objects."
            ) from None
    y = arrays.get("y")
    if y is not None and y.dtype.kind == "S":
        arrays["y"] = np.char.decode(y, "latin-1")
    return arrays, all_names


def _to_frame(X, y, synthetic_mask, target, kind):
    """Return the whole table as one DataFrame whose columns have strings as names."""
    pandas = _import_pandas(kind)
    if X.ndim != 2:
        raise ValueError(
            f"`X` has shape {X.shape}; a {kind[1:]} file takes (n_samples, n_features), use .npz."
        )
    if hasattr(X, "columns"):
        # It loads scipy, which files of arrays do without.
        from .._preprocessing.containers import decoded

        frame = decoded(X).copy()
        frame.columns = [str(name) for name in frame.columns]
    else:
        frame = pandas.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    taken = sorted({target, _MASK} & set(frame.columns))
    if taken or target == _MASK:
        raise ValueError(
            f"`X` has a column, or `target` is, {taken[0] if taken else target!r}; rename it: the "
            f"file needs {_MASK!r} for the mark and {target!r} for the target."
        )
    # By position, whatever the index of y.
    frame[target] = getattr(y, "array", y)
    if synthetic_mask is not None:
        frame[_MASK] = synthetic_mask
    return frame


def _with_kept(frame, origin, synthetic):
    """Return a frame with the columns that were kept aside, empty in new rows."""
    whole = origin.frame(everything=True).reset_index(drop=True)
    places = find_rows(whole, frame, ~synthetic, origin.keep)
    # As objects, integers and booleans keep their type next to missing values.
    kept = {
        name: (whole[name].astype(object) if whole[name].dtype.kind in "biu" else whole[name])
        .reindex(places)
        .array
        for name in origin.keep
    }
    return frame.assign(**kept)[[*origin.keep, *frame]]


def _plain_table(frame, kind):
    """Return the bytes of a file of values whose texts are not known."""
    if kind in (".csv", ".tsv"):
        text = frame.to_csv(index=False, lineterminator="\n", sep="\t" if kind == ".tsv" else ",")
        return text.encode()
    if kind == ".xlsx":
        rows = frame.astype(object).to_numpy()
        return write_sheet(list(frame), [[(value, "General") for value in row] for row in rows])
    return _try_writing(frame, lambda: frame.to_parquet(engine="pyarrow", index=False), kind)


def _try_writing(frame, write, kind):
    if kind != ".parquet":
        return write()
    try:
        return write()
    # pyarrow's errors show values; this one only names columns.
    except Exception:
        columns = [frame.iloc[:, [j]] for j in range(frame.shape[1])]
        bad = [column.columns[0] for column in columns if not _is_parquet(column)]
        where = f", because of the columns {_shown(bad)}" if bad else ""
        raise ValueError(
            f"`X` or `y` cannot be written to a parquet file{where}; give columns of one type and "
            "of different names, or use .csv."
        ) from None


def _is_parquet(frame):
    try:
        frame.to_parquet(engine="pyarrow", index=False)
    except Exception:
        return False
    return True


def _plain_array(name, values):
    """Return an array that npz can hold without pickle, or raise ValueError."""
    array = np.asarray(values)
    if array.dtype != object:
        return array
    if all(isinstance(value, str) for value in array.flat):
        return array.astype(str)
    raise ValueError(
        f"`{name}` holds Python objects of several types, which an npz file cannot hold; use "
        ".csv, or convert it to numbers or strings."
    )
