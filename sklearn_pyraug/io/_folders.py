"""Reading a folder of images or volumes into one array."""

import os
import warnings
from collections import Counter
from numbers import Integral

import numpy as np

from ._guards import BadFile, printable
from ._image_files import Source, format_of, import_readers, read_image
from ._image_folder import ImageFolder, LoadReport, count_labels
from ._listing import list_images
from ._picture import COLOUR, GREY, VOLUME
from ._resizing import resize, resize_affine

# So many bad files are named in an error message.
_MAX_NAMED = 10


def load_image_folder(path, *, size=None, on_error="raise", labels=None, max_pixels=2**28):
    """Read a folder of images or volumes, one subfolder for each class.

    Parameters
    ----------
    path : str or path-like
        Folder with png, jpg, bmp, tif, npy, npz, pt, nii and nii.gz files, also mixed. Labels
        are the names of its subfolders (their own subfolders are looked into), or what a file
        ``labels.csv`` in it says, in columns ``file`` (relative names) and ``label``, or what the
        ``manifest.csv`` of `save_image_folder` says.
    size : int or tuple of int, default=None
        Lengths of the spatial axes, (H, W) or (D, H, W), that all images are resized to; one
        number stands for all axes. None takes the smallest length of each axis in the folder,
        for which all images are held in memory at their own size first.
    on_error : {"raise", "skip"}, default="raise"
        What to do about files that cannot be taken: raise one error that names them, or leave
        them out with a warning, and name them in the report.
    labels : str or path-like, default=None
        A csv file like ``labels.csv`` somewhere else.
    max_pixels : int, default=2**28
        Files that declare more pixels are not taken; none of these is decoded. Pillow's own
        ``PIL.Image.MAX_IMAGE_PIXELS`` holds beside it.

    Returns
    -------
    folder : ImageFolder
        With the rows ``X``, their labels ``y``, their ``files``, the ``report``, and what
        `save_image_folder` needs to write rows of the same kind.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `path` is no folder.
    ImportError
        If the folder has images that need Pillow or nibabel, and that is not installed.
    ValueError
        If there are no labels or no images, if some cannot be taken and `on_error` is "raise",
        or if there are 2-D images and volumes together.

    Warns
    -----
    UserWarning
        If files are skipped; it tells how many.

    See Also
    --------
    save_image_folder : The way there.

    Notes
    -----
    X has shape (n, H, W) for grey images, (n, 3, H, W) for colour images and (n, D, H, W) for
    volumes. Where grey and colour are mixed, grey becomes colour. A palette is applied, alpha is
    dropped, 1 bit becomes 0 and 255, and EXIF orientation is applied. The grey pages of a tif
    file, all of one size, are a volume. An array in npy, npz or pt has two axes for a grey image;
    with three, it is a colour image if the first or else the last has length 3, and a volume
    otherwise; axes of length 1 before and behind are dropped. Of an npz file, the only array
    counts, or that named X, image or arr_0. A NIfTI volume keeps nibabel's order of axes, so that
    its affine fits; with all axes after the second of length 1 it is a 2-D image.

    X is uint8 where files have 1 or 8 bits, uint16 for grey ones of 16 bits, and otherwise as
    stored, bool as uint8; NIfTI with a scale is float32. Mixed dtypes become what
    ``numpy.result_type`` gives for all. Values that are not finite are an error of that file.

    Resizing is linear, antialiased, and fits the affine of NIfTI to the new voxels.

    Files are read as data: a file must be what its suffix says, headers are checked before
    anything is decoded, and neither pickled objects nor links out of the folder nor anything but
    regular files are opened. Hidden files and others without the suffix of an image are ignored.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_pyraug.io import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for label, value in [("cat", 0), ("dog", 1)]:
    ...         (Path(folder) / label).mkdir()
    ...         for name in ["a.npy", "b.npy"]:
    ...             np.save(Path(folder) / label / name, np.full((8, 6), value, np.uint8))
    ...     images = load_image_folder(folder)
    >>> images
    ImageFolder(4 grey 8 x 6 uint8, 2 classes)
    >>> images.X.shape, images.y.tolist(), images.files
    ((4, 8, 6), ['cat', 'cat', 'dog', 'dog'], ['cat/a.npy', 'cat/b.npy', 'dog/a.npy', 'dog/b.npy'])
    """
    size, max_pixels = _check_parameters(size, on_error, max_pixels)
    root = _check_folder(path)
    listing = list_images(root, None if labels is None else os.fspath(labels))
    import_readers({format_of(entry.file) for entry in listing.entries})

    report = LoadReport(root, ignored=sorted(listing.ignored))
    entries, pictures, sources = [], [], []
    bad = list(listing.bad)
    for entry in listing.entries:
        try:
            picture, stamp = read_image(root, entry.file, max_pixels)
        except BadFile as error:
            bad.append((entry.file, str(error)))
            continue
        source = Source(
            entry.file,
            format_of(entry.file),
            True,
            stamp,
            picture.affine,
            picture.header,
            entry.synthetic,
            entry.origin,
        )
        if picture.note:
            report.converted.append((entry.file, picture.note))
        # The header is in the source, and would be held twice.
        picture = picture._replace(affine=None, header=None)
        if size is not None and (not isinstance(size, tuple) or len(size) == len(picture.extent)):
            # At once, so that large originals are not held.
            picture, source = _resized(picture, source, _extent(size, picture), report)
        entries.append(entry)
        pictures.append(picture)
        sources.append(source)

    report.skipped = sorted(bad)
    _handle_bad(path, report.skipped, on_error)
    if not pictures:
        _raise_empty(path, report)
    _check_axes(path, pictures, sources, size)
    X, sources = _stack(pictures, sources, report)
    y = np.array([entry.label for entry in entries])
    report.shape, report.dtype, report.classes = X.shape, X.dtype, count_labels(y.tolist())
    kind = max((picture.kind for picture in pictures), key=[GREY, COLOUR, VOLUME].index)
    return ImageFolder(X, y, kind, root, sources, report)


def _check_parameters(size, on_error, max_pixels):
    """Return `size` as an int, a tuple of int or None, and `max_pixels` as an int."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"`on_error` is {on_error!r}; use 'raise' or 'skip'.")
    if not isinstance(max_pixels, Integral) or isinstance(max_pixels, bool) or max_pixels < 1:
        raise ValueError(f"`max_pixels` is {max_pixels!r}; give a positive integer.")
    if size is None:
        return None, int(max_pixels)
    lengths = (size,) if isinstance(size, Integral) else size
    try:
        lengths = tuple(lengths)
    except TypeError:
        lengths = ()
    integers = all(isinstance(s, Integral) and not isinstance(s, bool) and s > 0 for s in lengths)
    wanted = (1,) if isinstance(size, Integral) else (2, 3)
    if not integers or len(lengths) not in wanted:
        raise ValueError(
            f"`size` is {size!r}; give one positive integer, or (H, W) for images or (D, H, W) "
            "for volumes."
        )
    if len(lengths) == 1:
        return int(size), int(max_pixels)
    return tuple(int(length) for length in lengths), int(max_pixels)


def _check_folder(path):
    """Return the absolute path of a folder, or raise."""
    root = os.path.abspath(os.fspath(path))
    if not os.path.isdir(root):
        error = NotADirectoryError if os.path.lexists(root) else FileNotFoundError
        raise error(f"`path` is '{printable(path)}', where there is no folder; check the name.")
    return root


def _handle_bad(path, bad, on_error):
    """Raise, or warn, if there are bad files."""
    if not bad:
        return
    if on_error == "skip":
        warnings.warn(
            f"{len(bad)} files of '{printable(path)}' cannot be taken and are skipped; "
            "`report.skipped` names them and tells why.",
            UserWarning,
            stacklevel=3,
        )
        return
    raise ValueError(
        f"`path` is '{printable(path)}', where {len(bad)} {'file' if len(bad) == 1 else 'files'} "
        # Semicolons, because the command line shows all of it in one line.
        f"cannot be taken:\n{_named(bad)};\nmend or remove them, or pass on_error='skip' to leave "
        "them out."
    )


def _named(pairs):
    """Return a line for each of the first pairs of name and reason."""
    lines = [f"  {printable(file)}: {reason}" for file, reason in pairs[:_MAX_NAMED]]
    if len(pairs) > _MAX_NAMED:
        lines.append(f"  ... and {len(pairs) - _MAX_NAMED} more")
    return ";\n".join(lines)


def _raise_empty(path, report):
    found = [*report.skipped, *report.ignored]
    rest = f" among {len(found)} other things:\n{_named(found)};\n" if found else ""
    raise ValueError(
        f"`path` is '{printable(path)}', which has no image that can be read{rest or '; '}"
        "put png, jpg, bmp, tif, npy, npz, pt, nii or nii.gz files into one subfolder for each "
        "class."
    )


def _check_axes(path, pictures, sources, size):
    """Raise ValueError if there are images and volumes together, or `size` fits neither."""
    n_axes = [len(picture.extent) for picture in pictures]
    (common, _), *others = Counter(n_axes).most_common()
    if others:
        shown = [
            (source.file, f"{n}-D")
            for source, n in zip(sources, n_axes, strict=True)
            if n != common
        ]
        raise ValueError(
            f"`path` is '{printable(path)}', where most files hold {common}-D images, but "
            f"not all:\n{_named(shown)};\nput 2-D images and volumes into "
            "folders of their own."
        )
    if isinstance(size, tuple) and len(size) != common:
        raise ValueError(
            f"`size` is {size}, but '{printable(path)}' holds {common}-D images; give {common} "
            "lengths, or one number for all axes."
        )


def _extent(size, picture):
    return size if isinstance(size, tuple) else (size,) * len(picture.extent)


def _resized(picture, source, extent, report):
    """Bring a picture to an extent, and the affine of its source with it."""
    old = picture.extent
    if old == tuple(extent):
        return picture, source
    report.resized.append((source.file, old))
    affine = None if source.affine is None else resize_affine(source.affine, old, extent)
    return (
        picture._replace(array=resize(picture.array, extent)),
        source._replace(unchanged=False, affine=affine),
    )


def _stack(pictures, sources, report):
    """Return all pictures as one array X, and the sources fitted to it."""
    extent = tuple(np.min([picture.extent for picture in pictures], axis=0).tolist())
    dtype = np.result_type(*{picture.array.dtype for picture in pictures})
    colour = any(picture.kind == COLOUR for picture in pictures)
    X = np.empty((len(pictures), *((3,) if colour else ()), *extent), dtype)
    fitted = []
    for i, (picture, source) in enumerate(zip(pictures, sources, strict=True)):
        picture, source = _resized(picture, source, extent, report)
        changes = []
        if colour and picture.kind == GREY:
            changes.append("grey to colour")
        if picture.array.dtype != dtype:
            changes.append(f"{picture.array.dtype} to {dtype}")
        if changes:
            report.converted.append((source.file, ", ".join(changes)))
        # A grey image is laid into all three channels.
        X[i] = picture.array
        fitted.append(source)
    return X, fitted
