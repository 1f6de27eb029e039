"""Tables as csv, parquet or npz files.

A csv or parquet file has one column per feature, one for the target and, if synthetic rows are
marked, a boolean column ``synthetic``. An npz file has the arrays ``X``, ``y`` and, if synthetic
rows are marked, ``synthetic``.
"""

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
        Name of the target's column in a csv or parquet file. Ignored for an npz file, whose
        target is the array ``y``.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
        Features: a DataFrame from csv and parquet, an array from npz. A boolean
        column ``synthetic`` is the mark that `save_table` writes, not a feature, and is left
        out.
    y : Series or ndarray of shape (n_samples,)
        Target.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If pandas is missing for a csv or parquet file, or pyarrow for a parquet file.
    ValueError
        If the suffix is unknown, the file is damaged or empty, or the target or one of its
        values is missing.

    See Also
    --------
    save_table : Write such a file.
    load_synthetic_mask : Read which rows are synthetic.

    Notes
    -----
    No code from the file is run: arrays of Python objects in an npz file are an error.

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
        if missing := {"X", "y"} - set(arrays):
            raise ValueError(
                f"`path` is '{path}', which has no array {min(missing)!r} but {_shown(arrays)}; "
                "store the features as X and the target as y."
            )
        return arrays["X"], arrays["y"]

    frame = _read_frame(path, suffix)
    if target not in frame.columns:
        raise ValueError(
            f"`target` is {target!r}, which is not a column of '{path}'; the columns are "
            f"{_shown(frame.columns)}."
        )
    y = frame[target]
    n_missing = int(y.isna().sum())
    if n_missing:
        raise ValueError(
            f"`target` is {target!r}, where {n_missing} of {len(y)} values in '{path}' are "
            "missing (empty, or a word such as NA); drop or fill those rows."
        )
    left_out = [target, _MASK] if _has_mask(frame) and target != _MASK else [target]
    return frame.drop(columns=left_out), y


def load_synthetic_mask(path):
    """Read which rows of a file written by `save_table` are synthetic.

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
        If pandas is missing for a csv or parquet file, or pyarrow for a parquet file.
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
    path, suffix = _check_path(path, must_exist=True)
    if suffix == ".npz":
        mask = _read_npz(path).get(_MASK)
    else:
        frame = _read_frame(path, suffix)
        mask = frame[_MASK].to_numpy() if _has_mask(frame) else None
    if mask is None or mask.dtype != np.bool_:
        raise ValueError(
            f"`path` is '{path}', which has no column or array {_MASK!r} of True and False; "
            "save it with save_table and a synthetic_mask."
        )
    return mask


def save_table(path, X, y, synthetic_mask=None, *, target="target", overwrite=False):
    """Write features and target to a csv, parquet or npz file, atomically.

    Parameters
    ----------
    path : str or path-like
        Path of the file, whose name ends in ``.csv``, ``.parquet`` or ``.npz``.
    X : DataFrame or array-like of shape (n_samples, n_features)
        Features. In csv and parquet an array's columns are named ``x0``, ``x1``, ...; an npz
        file also takes arrays with more axes, and does not keep column names.
    y : array-like of shape (n_samples,)
        Target.
    synthetic_mask : array-like of shape (n_samples,), dtype bool, default=None
        True where the row is synthetic; stored as ``synthetic`` when given.
    target : str, default="target"
        Name of the target's column in a csv or parquet file.
    overwrite : bool, default=False
        Whether to replace a file that exists at `path`.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    ImportError
        If pandas is missing for a csv or parquet file, or pyarrow for a parquet file.
    ValueError
        If the suffix is unknown, the lengths or axes do not fit, a feature has the name of
        the target or ``synthetic``, or a parquet or npz file would have to hold Python objects.

    See Also
    --------
    load_table : Read such a file.

    Notes
    -----
    Numbers and strings are read back from csv exactly, but csv does not keep an index, categories
    or dates. Parquet keeps categories and dates, but not an index.

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
            "DataFrame of shape (n_samples, ...) and one target per row."
        )
    if synthetic_mask is not None:
        synthetic_mask = np.asarray(synthetic_mask)
        if synthetic_mask.dtype != np.bool_ or synthetic_mask.shape != y.shape:
            raise ValueError(
                f"`synthetic_mask` has dtype {synthetic_mask.dtype} and shape "
                f"{synthetic_mask.shape}; give one True or False for each of {len(y)} rows."
            )
    with atomic_write(path, overwrite=overwrite) as handle:
        if suffix == ".npz":
            marks = {} if synthetic_mask is None else {_MASK: synthetic_mask}
            np.savez_compressed(handle, X=_plain_array("X", X), y=_plain_array("y", y), **marks)
        else:
            _write_frame(handle, _to_frame(X, y, synthetic_mask, target, suffix), suffix)


def _check_path(path, *, must_exist):
    """Return `path` as a Path and its suffix in lower case, or raise."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(f"`path` is '{path}'; use a name that ends in .csv, .parquet or .npz.")
    if must_exist and not path.is_file():
        raise FileNotFoundError(f"`path` is '{path}', but there is no file; check the name.")
    return path, suffix


def _shown(names):
    """Return at most ten names as a text."""
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
            f"`path` is a {suffix[1:]} file, which needs a package that is not installed "
            f"({error}); install it with `pip install {extra}`, or use an .npz file."
        ) from error
    return pandas


def _has_mask(frame):
    return _MASK in frame.columns and frame[_MASK].dtype == np.bool_


def _read_frame(path, suffix):
    """Read a csv or parquet file of at least one row into a DataFrame."""
    pandas = _import_pandas(suffix)
    if suffix == ".parquet":
        what, read, options = "one written by pandas", pandas.read_parquet, {"engine": "pyarrow"}
    else:
        what, read = "one of comma-separated columns with a header line, in UTF-8", pandas.read_csv
        # Before pandas 3.1, which deprecates the option, floats may differ in their last bit.
        exact = tuple(map(int, pandas.__version__.split(".")[:2])) >= (3, 1)
        options = {} if exact else {"float_precision": "round_trip"}
    # Opened here: the error of a file that cannot be opened is not one of a damaged file.
    with open(path, "rb") as handle:
        try:
            frame = read(handle, **options)
        # The readers raise errors of many types for damaged files.
        except Exception as error:
            raise ValueError(
                f"`path` is '{path}', which is not a readable {suffix[1:]} file ({error}); give "
                f"{what}."
            ) from None
    if frame.empty:
        raise ValueError(f"`path` is '{path}', which has no rows; give a file with at least one.")
    return frame


def _read_npz(path):
    """Read the arrays of an npz file into a dict; raise if they are pickled objects."""
    # Opened here: numpy does not close what it opened and could not read.
    with open(path, "rb") as handle:
        try:
            # A npy file under this name is loaded as an array, which is not a context manager.
            with np.load(handle, allow_pickle=False) as archive:
                return dict(archive)
        # numpy's own message shows the bytes of a damaged header.
        except Exception:
            raise ValueError(
                f"`path` is '{path}', which is not a readable npz file of plain arrays; write one "
                "with save_table or numpy.savez, without Python objects."
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
            f"`X` has a column, or `target` is, {taken[0] if taken else target!r}; rename it: the "
            f"file needs {_MASK!r} for the mark and {target!r} for the target."
        )
    # By position, ignoring the index of y.
    frame[target] = getattr(y, "array", y)
    if synthetic_mask is not None:
        frame[_MASK] = synthetic_mask
    return frame


def _write_frame(handle, frame, suffix):
    """Write a DataFrame as a csv or parquet file."""
    if suffix == ".csv":
        frame.to_csv(handle, mode="wb", index=False, lineterminator="\n")
        return
    try:
        payload = frame.to_parquet(engine="pyarrow", index=False)
    # pyarrow's errors show values; this one names only the columns.
    except Exception:
        mixed = [
            name
            for j, name in enumerate(frame.columns)
            if frame.dtypes.iloc[j].kind == "O" and frame.iloc[:, j].map(type).nunique() > 1
        ]
        where = f", because of the columns {_shown(mixed)}" if mixed else ""
        raise ValueError(
            f"`X` or `y` cannot be written to a parquet file{where}; give columns of one type and "
            "of different names, or use .csv."
        ) from None
    handle.write(payload)


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
