"""What commands read and write: tables and folders of images, checked before any training."""

import os
import re
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

import sklearn_pyraug

from .. import io
from ..io._guards import did_you_mean
from ..io._tables import SUFFIXES as TABLES
from ..io._tables import read_table, spellings

_TARGET = "target"
# The file that `save_image_folder` marks its folders with.
_MANIFEST = "manifest.csv"
# Parameters in messages of io that are options here.
_OPTIONS = re.compile(r"`(target|keep|sep|decimal|encoding|na|size)`")
# In at least this many rows, a column with more than this share of different texts is no category.
_MANY_TEXTS, _MANY_ROWS = 0.5, 20


class Data(NamedTuple):
    """What was read from a file or folder.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
    y : Series or ndarray of shape (n_samples,)
    target : str
        Name of the target's column in a table.
    folder : ImageFolder or None
        Where X comes from a folder.
    synthetic : ndarray of bool of shape (n_samples,), or None
        Which rows are marked as synthetic; None where rows are not marked.
    spellings : dict of str to object
        The label that each text in a csv file stands for.
    """

    X: object
    y: object
    target: str
    folder: object
    synthetic: object
    spellings: dict = {}

    @property
    def image_shape(self):
        """Where the channels of images are: a folder knows what a shape alone may leave open."""
        is_colour = self.folder.kind == "colour"
        return sklearn_pyraug.ImageShape(channels="first" if is_colour else "none")

    def shown(self, label):
        """Return a label as the file shows it."""
        if isinstance(label, str) and label != " ".join(label.split()):
            return repr(label)
        return next((text for text, other in self.spellings.items() if other == label), str(label))

    def take(self, mask):
        """Return the rows where `mask` is True."""
        if self.folder is not None:
            folder = self.folder.take(mask)
            return self._replace(X=folder.X, y=folder.y, folder=folder, synthetic=None)
        X, y = (
            values[mask].reset_index(drop=True) if hasattr(values, "iloc") else values[mask]
            for values in (self.X, self.y)
        )
        return self._replace(X=X, y=y, synthetic=None)


def check_input(path, name, *, target, from_folders):
    """Raise click.ClickException unless `path` can be an input.

    Parameters
    ----------
    path : Path
    name : str
        What the command calls it, such as "INPUT".
    target : str or None
    from_folders : bool
    """
    if not path.exists():
        raise click.ClickException(f"{name} is '{path}', which does not exist; check the name.")
    if path.is_dir():
        if target is not None:
            raise click.UsageError(
                f"--target is {target!r}, but {name} is a folder, whose subfolders are the labels; "
                "leave --target out."
            )
        return
    if from_folders:
        raise click.UsageError(f"--from-folders needs a folder, but {name} is the file '{path}'.")
    if not is_table(path):
        raise click.UsageError(
            f"{name} is '{path}'; give a folder or a file that ends in {', '.join(TABLES)}."
        )
    if target is None and path.suffix.lower() != ".npz":
        raise click.UsageError(
            f"--target is missing; name the column of '{path}' that holds the labels."
        )


def is_table(path):
    """Return True if a path has the name of a table's file."""
    return path.name.lower().endswith(TABLES)


@contextmanager
def _options_named(name):
    """Name options, and the argument `name`, where io's errors name parameters."""
    try:
        yield
    except ValueError as error:
        message = str(error).replace("`path` is", f"{name} is")
        message = message.replace("pass on_error='skip'", "use --on-error skip")
        raise click.ClickException(_OPTIONS.sub(r"--\1", message)) from error


def read_data(
    path, name, speaker, *, target=None, drop=(), size=None, on_error="raise", table=None
):
    """Read a table or a folder of images.

    Parameters
    ----------
    path : Path
    name : str
        What the command calls it.
    speaker : Speaker
    target : str or None
    drop : sequence of str
        Columns to leave out.
    size : tuple of int or None
        Of images.
    on_error : {"raise", "skip"}
        For images.
    table : dict or None
        Keywords of `read_table`.

    Returns
    -------
    data : Data
    """
    if path.is_dir():
        for option, value in {"drop": drop, **(table or {})}.items():
            if value:
                raise click.UsageError(f"--{option} is for tables, but {name} is a folder.")
        with warnings.catch_warnings(), _options_named(name):
            # About skipped files, which are named below.
            warnings.simplefilter("ignore", UserWarning)
            folder = io.load_image_folder(path, size=size, on_error=on_error)
        _tell(folder, speaker)
        return Data(folder.X, folder.y, _TARGET, folder, folder.synthetic_mask)
    if size is not None:
        raise click.UsageError(f"--size is for folders of images, but {name} is a table.")
    check_dropped(drop, target, (table or {}).get("keep", ()))
    target = _TARGET if target is None else target
    with _options_named(name):
        X, y, synthetic, notes = read_table(path, target, **(table or {}))
    for note in notes:
        speaker.note(_OPTIONS.sub(r"--\1", f"{path}: {note}"))
    if drop:
        X = _without(X, drop, name)
    return Data(X, y, target, None, synthetic, spellings(X, target))


def _tell(folder, speaker):
    """Print what of a folder was left out or changed."""
    report = folder.report
    for file, reason in report.skipped:
        # A warning, because rows are missing.
        speaker.warn(f"{file} is left out: {reason}")
    for what, files in (
        ("left out", [pair for pair in report.ignored if pair[1] != "hidden"]),
        (f"resized to {'x'.join(map(str, folder.size))}", report.resized),
        (f"converted to {report.dtype}", report.converted),
    ):
        if files:
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            speaker.note(f"{what}: {files[0][0]} ({files[0][1]}){more}")


def check_dropped(drop, target, keep=()):
    """Raise click.UsageError if a column is named by several options."""
    for other, names in ("target", [target]), ("keep", keep):
        if both := set(drop).intersection(names):
            raise click.UsageError(f"--drop and --{other} both name {min(both)!r}; drop one.")


def _without(X, drop, name):
    if not hasattr(X, "columns"):
        raise click.UsageError(f"--drop names columns, but {name} is an npz file, which has none.")
    for column in drop:
        if column not in X.columns:
            shown = ", ".join(map(repr, list(X.columns)[:10]))
            raise click.ClickException(
                f"--drop is {column!r}, which is no column of {name}"
                f"{did_you_mean(column, X.columns)} The columns are {shown}."
            )
    return X.drop(columns=list(drop))


def has_gaps(X, speaker):
    """Print notes on the columns; return True if values are missing."""
    if not hasattr(X, "columns"):
        n_missing = int(np.isnan(X).sum()) if X.dtype.kind == "f" else 0
        if n_missing:
            speaker.note(f"{n_missing} missing values are kept, and new rows show them as often")
        return n_missing > 0
    counts = X.isna().sum()
    gaps = counts[counts > 0]
    if len(gaps):
        shown = ", ".join(f"{column} ({n})" for column, n in gaps.head(5).items())
        more = f" and {len(gaps) - 5} more columns" if len(gaps) > 5 else ""
        speaker.note(f"missing values are kept, and new rows show them as often: {shown}{more}")
    for column in X.columns:
        texts = X[column].dropna()
        is_text = len(texts) and all(isinstance(value, str) for value in texts)
        if is_text and len(X) >= _MANY_ROWS and texts.nunique() > _MANY_TEXTS * len(X):
            speaker.note(
                f"column {column!r} holds {texts.nunique()} different texts in {len(X)} rows; if "
                f"it is no category, --keep '{column}' leaves it out of the training, --drop "
                f"'{column}' of the output, too, and --na names words for missing values"
            )
    return len(gaps) > 0


def check_output(path, *, overwrite, n_axes=None, is_folder=False):
    """Raise click.ClickException unless rows can be written to `path`.

    Parameters
    ----------
    path : Path
        A name without a table's ending is a folder's.
    overwrite : bool
    n_axes : int or None
        Of X, once it is known.
    is_folder : bool
        Whether the rows are known to come from a folder of images.
    """
    suffix = path.suffix.lower()
    if is_table(path):
        if suffix != ".npz" and (is_folder or (n_axes or 2) > 2):
            raise click.UsageError(
                f"--output is '{path}', but the rows are images; give a folder or an .npz file."
            )
    elif n_axes == 2 or (suffix and n_axes is None and not is_folder):
        raise click.UsageError(
            f"--output is '{path}'; give a name that ends in {', '.join(TABLES)}."
        )
    elif path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
        overwrite = True
    elif path.is_dir() and overwrite and not (path / _MANIFEST).is_file():
        raise click.ClickException(
            f"--output is '{path}', a folder without a {_MANIFEST}, which is not replaced even "
            "with --overwrite; choose another name."
        )
    check_new_file(path, overwrite=overwrite, is_folder=not is_table(path))


def check_apart(source, output):
    """Raise click.ClickException if a folder would be written over, into or around its input."""
    read, written = source.resolve(), output.resolve()
    if source.is_dir() and (read.is_relative_to(written) or written.is_relative_to(read)):
        raise click.UsageError(
            f"--output is '{output}' and INPUT '{source}', one within the other; choose a folder "
            "apart from it."
        )


def check_new_file(path, *, overwrite, is_folder=False, make_folder=False, name="--output"):
    """Raise click.ClickException unless a file or folder can be made at `path`, named so."""
    if is_folder and os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
        raise click.UsageError(f"{name} is '{path}', which is no folder; choose another name.")
    if not is_folder and path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise click.UsageError(f"{name} is '{path}', which is {what}; name a file.")
    if os.path.lexists(path) and not overwrite:
        raise click.ClickException(
            f"{name} is '{path}', which exists; choose another name or add --overwrite."
        )
    parent = path.parent
    if not parent.is_dir() and not make_folder:
        raise click.ClickException(
            f"{name} is '{path}', but there is no folder '{parent}'; make it first."
        )
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise click.ClickException(
            f"{name} is '{path}', but nothing can be written in '{parent}' ({error.strerror}); "
            "choose another folder."
        ) from error


def try_writing(path, data):
    """Write some of the rows as the result will be written, and remove them again.

    What cannot be written, such as a feature with the name of the mark, raises before the training
    and not after it.
    """
    X, y, rows = data.X, data.y, np.arange(len(data.y))
    if not hasattr(X, "columns"):
        # Two rows, and one with missing pixels, which image files cannot hold.
        gaps = np.isnan(X).reshape(len(X), -1).any(axis=1) if X.dtype.kind == "f" else []
        rows = np.union1d(rows[:2], np.flatnonzero(gaps)[:1])
        X, y = X[rows], y[rows]
    mask = np.zeros(len(rows), dtype=bool)
    with tempfile.TemporaryDirectory(prefix=f".{path.stem}.", dir=path.parent) as folder:
        write_data(Path(folder) / path.name, X, y, mask, data, rows)


def write_data(path, X, y, synthetic, data, origins=None, *, format=None, overwrite=False):
    """Write rows to a table or a folder, atomically.

    Parameters
    ----------
    path : Path
    X, y : array-like
        Rows and labels.
    synthetic : ndarray of bool
        Which of them are synthetic.
    data : Data
        What they were learned from: it has the target's name, and the folder.
    origins : ndarray of int or None
        For each row, the row of `data` that it comes from.
    format : str or None
        Of images.
    overwrite : bool, default=False
    """
    if is_table(path):
        io.save_table(path, X, y, synthetic, target=data.target, overwrite=overwrite)
        return
    io.save_image_folder(
        path,
        X,
        y,
        like=data.folder,
        synthetic_mask=synthetic,
        origins=origins,
        format=format,
        overwrite=overwrite,
    )


def match_labels(wanted, labels, where, spellings=None):
    """Return `wanted` with the true labels as keys.

    Parameters
    ----------
    wanted : dict
        By a label as it is typed.
    labels : iterable
        Those that there are.
    where : str
        What the user gave, for the message.
    spellings : dict of str to object or None
        The label that each text in a file stands for.
    """
    by_text = {str(label): label for label in labels}
    known = {text: label for text, label in (spellings or {}).items() if label in labels}
    # A label as it is takes precedence over one without the spaces around it.
    known |= by_text
    # Texts have to match exactly. Numbers and truth values have many spellings.
    by_value = {_value(text): label for text, label in known.items() if not isinstance(label, str)}
    matched = {}
    for typed, n in wanted.items():
        label = known.get(str(typed), by_value.get(_value(str(typed))))
        if label is None:
            raise click.ClickException(
                f"{where} has the label {str(typed)!r}, which there is not"
                f"{did_you_mean(typed, known)} There are "
                f"{', '.join(map(repr, list(known)[:10]))}."
            )
        if label in matched:
            raise click.ClickException(f"{where} names the label {str(typed)!r} twice; drop one.")
        matched[label] = n
    return matched


def _value(text):
    """Return what a label's text stands for, whichever way it is written."""
    text = text.strip()
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text.lower() if text.lower() in ("true", "false") else text
