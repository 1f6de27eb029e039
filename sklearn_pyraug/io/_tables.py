"""Tables as csv, parquet or npz files.

A csv or parquet file has one column a feature, one for the target, and, where rows are marked, a
column ``synthetic`` of True and False. An npz file has the arrays ``X``, ``y`` and, where rows
are marked, ``synthetic``.
"""

import io
import zipfile
from pathlib import Path

import numpy as np

from ._atomic import atomic_write

_MASK = "synthetic"
_SUFFIXES = (".csv", ".parquet", ".npz")


def load_table(path, target="target"):
    """Read features and target from a csv, parquet or npz file.

    Parameters
    ----------
    path : str or path-like
        File whose name ends in ``.csv``, ``.parquet`` or ``.npz``.
    target : str, default="target"
        Name of the target's column in a csv or parquet file. An npz file keeps its target in
        ``y``, and this parameter is not looked at.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
        Features: a DataFrame from csv and parquet, an array from npz. A column ``synthetic``
        that holds only True and False is the mark of `save_table`, not a feature, and is left
        out.
    y : Series or ndarray of shape (n_samples,)
        Target.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If pandas is not installed and the file is no npz, or pyarrow is not and it is parquet.
    ValueError
        If the suffix is unknown, the file is damaged or empty, the target is missing, or one of
        its values is.

    See Also
    --------
    save_table : The way there.
    load_synthetic_mask : The mark that tells synthetic rows.

    Notes
    -----
    No code from the file is run: arrays of Python objects in an npz file are refused.

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
    path, suffix = _check_path(path, must_exist=True)
    if suffix == ".npz":
        arrays = _read_npz(path)
        for key in ("X", "y"):
            if key not in arrays:
                raise ValueError(
                    f"`path` is '{path}', which has no array {key!r} but {_shown(arrays)}; "
                    "store the features as X and the target as y."
                )
        return arrays["X"], arrays["y"]

    frame = _read_frame(path, suffix)
    if target not in frame.columns:
        raise ValueError(
            f"`target` is {target!r}, which is no column of '{path}'; the columns are "
            f"{_shown(frame.columns)}."
        )
    y = frame[target]
    n_missing = int(y.isna().sum())
    if n_missing:
        raise ValueError(
            f"`target` is {target!r}, where {n_missing} of {len(y)} values in '{path}' are "
            "missing (empty, or a word like NA that pandas reads so); drop or fill those rows."
        )
    left_out = [target, _MASK] if _has_mask(frame) and target != _MASK else [target]
    return frame.drop(columns=left_out), y


def load_synthetic_mask(path):
    """Read which rows of a file of `save_table` are synthetic.

    Parameters
    ----------
    path : str or path-like
        File whose name ends in ``.csv``, ``.parquet`` or ``.npz``.

    Returns
    -------
    synthetic_mask : ndarray of shape (n_samples,), dtype bool
        True where the row is synthetic.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If pandas is not installed and the file is no npz, or pyarrow is not and it is parquet.
    ValueError
        If the suffix is unknown, the file is damaged or empty, or its rows are not marked.

    See Also
    --------
    save_table : Writes the mark.

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
    path, suffix = _check_path(path, must_exist=True)
    if suffix == ".npz":
        mask = _read_npz(path).get(_MASK)
    else:
        frame = _read_frame(path, suffix)
        mask = frame[_MASK].to_numpy() if _has_mask(frame) else None
    if mask is None or mask.dtype != np.bool_:
        raise ValueError(
            f"`path` is '{path}', which has no column or array {_MASK!r} of True and False; "
            "save it by save_table with a synthetic_mask."
        )
    return mask


def save_table(path, X, y, synthetic_mask=None, *, target="target", overwrite=False):
    """Write features and target to a csv, parquet or npz file, atomically.

    Parameters
    ----------
    path : str or path-like
        Where the file shall be; the name ends in ``.csv``, ``.parquet`` or ``.npz``.
    X : DataFrame or array-like of shape (n_samples, n_features)
        Features. In csv and parquet an array's columns are named ``x0``, ``x1``, ...; an npz
        file takes arrays of more axes too, and keeps no column names.
    y : array-like of shape (n_samples,)
        Target.
    synthetic_mask : array-like of shape (n_samples,), dtype bool, default=None
        True where the row is synthetic; stored as ``synthetic`` when given.
    target : str, default="target"
        Name of the target's column in a csv or parquet file.
    overwrite : bool, default=False
        Whether a file already at `path` may be replaced.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    ImportError
        If pandas is not installed and the file is no npz, or pyarrow is not and it is parquet.
    ValueError
        If the suffix is unknown, the lengths or axes do not fit, a feature bears the name of
        the target or of the mark, or a parquet or npz file would have to hold Python objects.

    See Also
    --------
    load_table : The way back.

    Notes
    -----
    Numbers and strings come back from csv exactly. An index, categories and dates do not: csv
    knows none of them. Parquet keeps categories and dates, but no index.

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
    path, suffix = _check_path(path, must_exist=False)
    X = X if hasattr(X, "columns") else np.asarray(X)
    # Not as an array: parquet keeps a target's categories.
    y = y if hasattr(y, "array") else np.asarray(y)
    if X.ndim < 2 or y.ndim != 1 or len(X) != len(y):
        raise ValueError(
            f"`X` has shape {X.shape} and `y` has shape {y.shape}; give a dense array or "
            "DataFrame of shape (n_samples, ...) and one target a row."
        )
    if synthetic_mask is not None:
        synthetic_mask = np.asarray(synthetic_mask)
        if synthetic_mask.dtype != np.bool_ or synthetic_mask.shape != y.shape:
            raise ValueError(
                f"`synthetic_mask` has dtype {synthetic_mask.dtype} and shape "
                f"{synthetic_mask.shape}; give one True or False for each of {len(y)} rows."
            )
    # Encoded in full before the file is opened, so that what cannot be written touches nothing.
    if suffix == ".npz":
        payload = _encode_npz(X, y, synthetic_mask)
    else:
        payload = _encode_frame(_to_frame(X, y, synthetic_mask, target, suffix), suffix)
    with atomic_write(path, overwrite=overwrite) as handle:
        handle.write(payload)


def _check_path(path, *, must_exist):
    """Return `path` as a Path and its suffix in lower case, or raise."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(f"`path` is '{path}'; use a name that ends in .csv, .parquet or .npz.")
    if must_exist and not path.is_file():
        raise FileNotFoundError(f"`path` is '{path}', where there is no file; check the name.")
    return path, suffix


def _shown(names):
    """List at most ten names in words."""
    names = [repr(str(name)) for name in names]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(names[:10]) or "none") + more


def _import_pandas(suffix):
    try:
        import pandas

        if suffix == ".parquet":
            import pyarrow  # noqa: F401
    except ImportError as error:
        extra = "sklearn-pyraug[parquet]" if suffix == ".parquet" else "pandas"
        raise ImportError(
            f"`path` is a {suffix[1:]} file, which needs a package that is missing ({error}); "
            f"install it with `pip install {extra}`, or use an .npz file."
        ) from error
    return pandas


def _arrow_error():
    """Return the base class of pyarrow's errors."""
    from pyarrow.lib import ArrowException

    return ArrowException


def _has_mask(frame):
    return _MASK in frame.columns and frame[_MASK].dtype == np.bool_


def _read_frame(path, suffix):
    """Read a csv or parquet file of at least one row into a DataFrame."""
    pandas = _import_pandas(suffix)
    damage = (ValueError, OSError, TypeError, KeyError, RuntimeError)
    if suffix == ".parquet":
        damage += (_arrow_error(),)
        what, read, options = "one written by pandas", pandas.read_parquet, {"engine": "pyarrow"}
    else:
        what, read = "one of comma-separated columns with a header line, in UTF-8", pandas.read_csv
        # The default parser may miss a float's last bit before pandas 3.1, which deprecates the
        # option.
        exact = tuple(map(int, pandas.__version__.split(".")[:2])) >= (3, 1)
        options = {} if exact else {"float_precision": "round_trip"}
    # Opened here: a file that may not be opened is then no damaged one.
    with open(path, "rb") as handle:
        try:
            frame = read(handle, **options)
        # What csv's and parquet's readers raise on damaged files goes by all these names.
        except damage as error:
            raise ValueError(
                f"`path` is '{path}', which is no readable {suffix[1:]} file ({error}); give "
                f"{what}."
            ) from None
    if frame.empty:
        raise ValueError(f"`path` is '{path}', which has no rows; give a file with some.")
    return frame


def _read_npz(path):
    """Read the arrays of an npz file into a dict, refusing pickled objects."""
    try:
        # Opened here: numpy forgets to close what it opened and could not read.
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    # A lone .npy file under this name loads as an array, which is no context manager.
    # What numpy says of a damaged header shows the bytes that stand there.
    except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile):
        raise ValueError(
            f"`path` is '{path}', which is no readable npz file of plain arrays; write one by "
            "save_table or numpy.savez, without Python objects."
        ) from None


def _to_frame(X, y, synthetic_mask, target, suffix):
    """Return the whole table as one DataFrame whose columns have strings as names."""
    pandas = _import_pandas(suffix)
    if X.ndim != 2:
        raise ValueError(
            f"`X` has shape {X.shape}; a {suffix[1:]} file takes (n_samples, n_features), use .npz."
        )
    if hasattr(X, "columns"):
        frame = X.copy()
        frame.columns = [str(name) for name in frame.columns]
    else:
        frame = pandas.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    taken = sorted({target, _MASK} & set(frame.columns))
    if taken or target == _MASK:
        raise ValueError(
            f"`X` has columns or `target` the name {taken[0] if taken else target!r}; rename: "
            f"{_MASK!r} is kept for the mark and {target!r} for the target."
        )
    # By position, whatever the index of either says.
    frame[target] = getattr(y, "array", y)
    if synthetic_mask is not None:
        frame[_MASK] = synthetic_mask
    return frame


def _encode_frame(frame, suffix):
    """Return a DataFrame as the bytes of a csv or parquet file."""
    if suffix == ".csv":
        return frame.to_csv(index=False, lineterminator="\n").encode("utf-8")
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, engine="pyarrow", index=False)
    # pyarrow's errors, on columns of several types among others. They show values: the columns
    # alone are named.
    except (TypeError, ValueError, _arrow_error()):
        mixed = [
            name
            for j, name in enumerate(frame.columns)
            if frame.dtypes.iloc[j].kind == "O" and frame.iloc[:, j].map(type).nunique() > 1
        ]
        where = f", because of the columns {_shown(mixed)}" if mixed else ""
        raise ValueError(
            f"`X` or `y` cannot be kept in a parquet file{where}; give columns of one type and of "
            "different names, or use .csv."
        ) from None
    return buffer.getvalue()


def _encode_npz(X, y, synthetic_mask):
    """Return the table as npz bytes."""
    arrays = {"X": _plain_array("X", X), "y": _plain_array("y", y)}
    if synthetic_mask is not None:
        arrays[_MASK] = synthetic_mask
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


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
