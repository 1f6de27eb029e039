"""Writing rows as a folder of images or volumes."""

import csv
import io
import os
import shutil
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .._preprocessing.masked import unmasked
from ._atomic import atomic_write, begin, end, lock, release, remove_leftovers
from ._folders import ImageFolder
from ._guards import BadFile, open_inside, printable, why
from ._image_files import FORMATS, fit_row, import_readers, write_image
from ._listing import MANIFEST, MANIFEST_COLUMNS
from ._picture import COLOUR, interpret
from ._plans import make_plans


def save_image_folder(
    path, X, y, *, like=None, synthetic_mask=None, origins=None, format=None, overwrite=False
):
    """Write images or volumes to a new folder, one subfolder for each class.

    Parameters
    ----------
    path : str or path-like
        The folder. Its parent must exist.
    X : array-like of shape (n, H, W), (n, 3, H, W), (n, H, W, 3) or (n, D, H, W)
        Rows of finite numbers: grey images, colour images or volumes. A single channel, first
        or last, is accepted too. With `like`, they have the shape of its rows.
    y : array-like of shape (n,)
        Labels. Their strings are the names of the subfolders, made safe if needed.
    like : ImageFolder, default=None
        What `load_image_folder` returned: its rows are written under the names that they had
        there, and are copied byte for byte if neither row nor file has changed since;
        synthetic rows get the format, affine and header of the file that they came from.
    synthetic_mask : array-like of bool of shape (n,), default=None
        Which rows are synthetic. If None: with `like`, all after its rows; else none.
    origins : array-like of int of shape (n,), default=None
        For each row, the row that it came from, of `like` or else of X, or -1 if none is known:
        ``origin_indices_`` of the augmenter. None: the first rows are those of `like`, in order.
    format : {"png", "jpg", "bmp", "tif", "npy", "npz", "nii", "nii.gz"}, default=None
        Format of the rows that are not in `like`. None: the format of their origin, else of the
        first row of `like` of their class; without `like`, png for uint8 and for grey uint16
        images, nii.gz for volumes and npy for all others. A row that the format of its origin
        cannot hold exactly is written as npy.
    overwrite : bool, default=False
        Whether to replace a folder that this function wrote, with all that is in it.

    Raises
    ------
    FileExistsError
        If `path` is a file, or a folder that is not empty and `overwrite` is False, or one that
        has no manifest of this function.
    FileNotFoundError
        If the parent of `path` does not exist.
    ImportError
        If a format needs Pillow or nibabel, which is not installed.
    OSError
        If something cannot be written.
    ValueError
        If shapes or lengths do not fit, values are not finite, `format` cannot hold the rows, or
        `path` overlaps the folder that `like` was read from.

    See Also
    --------
    load_image_folder : Read such a folder.

    Notes
    -----
    Files are written to a temporary folder beside `path`, which is renamed at the end: if
    anything fails or the run is stopped, what was at `path` is kept and nothing else is left.
    What is found at `path` then and was not there at the beginning is an error, and kept. What a
    killed run has left is removed by the next that writes to `path`.

    ``manifest.csv`` has a line for each row, in the order of X, with the columns ``file``,
    ``label``, ``synthetic`` (True or False) and ``origin``, the file that a synthetic row came
    from. It holds every label as it is, also where it is no safe name of a folder: then the
    subfolder's name is made safe and distinct.

    jpg loses a little of every row that is not copied. In other formats values come back
    exactly; where `format`, or that of the origin, lacks the dtype but holds the values, they do
    so under another dtype.

    Synthetic NIfTI volumes do not take over the free text and the extensions of their origin's
    header, which may tell of a person.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_pyraug.io import load_image_folder, save_image_folder
    >>> X = np.zeros((3, 8, 8), dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "images"
    ...     mask, origins = [False, False, True], [0, 1, 1]
    ...     save_image_folder(path, X, ["a", "b", "b"], synthetic_mask=mask, origins=origins)
    ...     print((path / "manifest.csv").read_text().strip())
    ...     images = load_image_folder(path)
    file,label,synthetic,origin
    a/original_00001.npy,a,False,
    b/original_00002.npy,b,False,
    b/synthetic_00001.npy,b,True,b/original_00002.npy
    >>> images.X.dtype, images.synthetic_mask.tolist()
    (dtype('float32'), [False, False, True])
    """
    if like is not None and not isinstance(like, ImageFolder):
        raise ValueError(
            f"`like` is of type {type(like).__name__}; give what load_image_folder returned."
        )
    if format is not None and format not in FORMATS:
        raise ValueError(f"`format` is {format!r}; use one of {', '.join(FORMATS)}.")
    target = Path(os.path.abspath(os.fspath(path)))
    _check_place(target, path, like)
    remove_leftovers(target)
    replaced = _check_free(target, path, overwrite)
    X, kind = _check_rows(X, like)
    labels = _check_labels(y, len(X))
    plans = make_plans(X, kind, labels, like, synthetic_mask, origins, format)
    import_readers({plan.entry.format for plan in plans if not plan.copied})
    with _new_folder(target, replaced) as folder:
        for row, plan in zip(X, plans, strict=True):
            _write(folder, row, kind, plan, like)
        # Last: a folder with a manifest is complete.
        with atomic_write(folder / MANIFEST) as handle:
            handle.write(_manifest(plan.entry for plan in plans))


def _check_place(target, path, like):
    """Raise if `path`, in its absolute form `target`, is no place for a folder."""
    shown = printable(path)
    if like is not None:
        here, there = os.path.realpath(target), os.path.realpath(like.root)
        # Paths on different drives have nothing in common.
        same_drive = os.path.splitdrive(here)[0] == os.path.splitdrive(there)[0]
        if same_drive and os.path.commonpath([here, there]) in (here, there):
            raise ValueError(
                f"`path` is '{shown}', which is, or is inside, or holds the folder that `like` "
                f"was read from, '{printable(like.root)}'; choose another place."
            )
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"`path` is '{shown}', but there is no folder '{printable(target.parent)}'; make it "
            "first."
        )


def _check_free(target, path, overwrite):
    """Return the identity of the folder to be replaced or None, or raise if it must not be."""
    shown = printable(path)
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise FileExistsError(f"`path` is '{shown}', which is not a folder; choose another name.")
    if not target.is_dir() or not any(target.iterdir()):
        return None
    if not overwrite:
        raise FileExistsError(
            f"`path` is '{shown}', a folder that is not empty; choose another name, or pass "
            "overwrite=True to replace all of it."
        )
    if not (target / MANIFEST).is_file():
        raise FileExistsError(
            f"`path` is '{shown}', a folder without the {MANIFEST} of save_image_folder, "
            "whose contents are not deleted even with overwrite=True; choose another name."
        )
    return _identity(target)


def _check_rows(X, like):
    """Return X with one axis for rows and those of a kind, and the kind."""
    X = np.asarray(unmasked(X))
    if like is None:
        X, kind = _pictures_of(X)
    else:
        kind = like.kind
    if like is not None and X.shape[1:] != like.X.shape[1:]:
        raise ValueError(
            f"`X` has rows of shape {X.shape[1:]}, but `like` has rows of shape "
            f"{like.X.shape[1:]}; give rows of that shape, or leave `like` out."
        )
    if X.dtype.kind not in "biuf":
        raise ValueError(f"`X` has dtype {X.dtype}; give real numbers.")
    if not len(X) or not X.size:
        raise ValueError(f"`X` has shape {X.shape}, which holds nothing; give at least one row.")
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise ValueError("`X` holds values that are not finite; replace them.")
    if X.dtype.kind == "b":
        X = X.astype(np.uint8)
    if X.dtype.itemsize > 8:
        X = X.astype(np.float64)
    return X, kind


def _pictures_of(X):
    """Return rows as files of arrays are read: no axis of length 1, colours first, and the kind."""
    try:
        kind, shape = interpret(X.shape[1:])
    except BadFile:
        raise ValueError(
            f"`X` has shape {X.shape}; give (n, H, W) for grey images, (n, 3, H, W) or "
            "(n, H, W, 3) for colour images or (n, D, H, W) for volumes."
        ) from None
    X = X.reshape(len(X), *shape)
    return (np.moveaxis(X, -1, 1) if kind == COLOUR and shape[0] != 3 else X), kind


def _check_labels(y, n_rows):
    """Return the labels as strings, one for each row."""
    y = np.asarray(y)
    if y.shape != (n_rows,):
        raise ValueError(f"`y` has shape {y.shape}; give one label for each of {n_rows} rows.")
    return [str(label) for label in y.tolist()]


def _write(folder, row, kind, plan, like):
    """Write one file below `folder`."""
    path = folder.joinpath(*plan.entry.file.split("/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under a short name: the final one may have the greatest length that the system allows, and
    # temporary names are even longer.
    part = folder / ".part"
    with atomic_write(part) as handle:
        if plan.copied:
            original, stamp = open_inside(like.root, plan.source.file)
            with original:
                shutil.copyfileobj(original, handle)
            if stamp != plan.source.stamp:
                raise OSError(f"'{printable(plan.source.file)}' was changed while it was copied.")
        else:
            format, source = plan.entry.format, plan.source or plan.entry
            fitted = fit_row(row, kind, format)
            write_image(handle, fitted, kind, format, source.affine, source.header)
    os.replace(part, path)


def _manifest(entries):
    """Return the lines of ``manifest.csv`` as bytes."""
    buffer = io.StringIO(newline="")
    # With this line end, csv quotes names that contain either of its characters.
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(MANIFEST_COLUMNS)
    writer.writerows(entry[: len(MANIFEST_COLUMNS)] for entry in entries)
    return buffer.getvalue().encode("utf-8", errors="surrogateescape")


@contextmanager
def _new_folder(target, replaced):
    """Yield a temporary folder that is renamed to `target` if the block raises nothing.

    Parameters
    ----------
    target : Path
    replaced : tuple or None
        Identity of the folder there that may be replaced. Nothing else is removed.
    """
    temporary, held = begin(target, Path.mkdir)
    try:
        yield temporary
        _put_in_place(temporary, target, replaced)
    finally:
        end(temporary, held)


def _put_in_place(temporary, target, replaced):
    """Give a folder its name; what had the name and may be replaced is removed."""
    old, held, kept = temporary.with_suffix(".old"), lock(target), ""
    try:
        if replaced is not None:
            os.rename(target, old)
            if _identity(old) != replaced:
                os.rename(old, target)
                raise FileExistsError("it is another folder")
        elif target.exists():
            # Only an empty folder goes.
            os.rmdir(target)
        os.rename(temporary, target)
    except OSError as error:
        if not os.path.lexists(target):
            raise
        if old.exists():
            # Renamed, so that it is not taken for a leftover.
            visible = old.with_name(old.name[1:])
            os.rename(old, visible)
            kept = f" What was there is in '{printable(visible)}'."
        raise FileExistsError(
            f"`path` is '{printable(target)}', which another program has made or changed while the "
            f"images were written ({why(error)}); choose another name.{kept}"
        ) from error
    finally:
        if old.exists() and not os.path.lexists(target):
            os.rename(old, target)
        release(held)
    shutil.rmtree(old, ignore_errors=True)
    if old.exists():
        warnings.warn(
            f"'{printable(target)}' is written, but what was there could not be removed "
            f"completely; delete '{printable(old)}'.",
            UserWarning,
            stacklevel=5,
        )


def _identity(folder):
    """Return what tells a folder from others of its name."""
    status = os.stat(folder, follow_symlinks=False)
    return status.st_dev, status.st_ino
