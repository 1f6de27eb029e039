"""Reading a folder of images or volumes into one array, and the result."""

import os
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np

from ._guards import BadFile, printable
from ._image_files import import_readers, read_image
from ._listing import list_images
from ._picture import COLOUR, GREY, VOLUME, resize, resize_affine

# Number of bad files that an error message names.
_MAX_NAMED = 10
# Number of files of each list in the text. The attributes have all.
_MAX_SHOWN = 20


def load_image_folder(path, *, size=None, on_error="raise", labels=None, max_pixels=2**28):
    """Read a folder of images or volumes, one subfolder for each class.

    Parameters
    ----------
    path : str or path-like
        Folder with png, jpg, bmp, tif, npy, npz, nii and nii.gz files, also mixed. Labels
        are the names of its subfolders (which are read with their own subfolders), or are read
        from a file ``labels.csv`` with columns ``file`` (relative names) and ``label``, or from
        the ``manifest.csv`` of `save_image_folder`.
    size : int or tuple of int, default=None
        Lengths of the spatial axes, (H, W) or (D, H, W), that all images are resized to; one
        number stands for all axes. None takes the smallest length of each axis in the folder,
        for which all images are held in memory at their own size first.
    on_error : {"raise", "skip"}, default="raise"
        What to do about files that cannot be read: raise one error that names them, or skip
        them with a warning and name them in the report.
    labels : str or path-like, default=None
        Path of a csv file like ``labels.csv`` that is not in the folder.
    max_pixels : int, default=2**28
        Files that declare more pixels are errors, and are not decoded. Pillow's own
        ``PIL.Image.MAX_IMAGE_PIXELS`` applies too.

    Returns
    -------
    folder : ImageFolder
        With the rows ``X``, their labels ``y``, their ``files``, the ``report``, and what
        `save_image_folder` needs to write rows of the same kind.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `path` is not a folder.
    ImportError
        If the folder has images that need Pillow or nibabel, which are not installed.
    ValueError
        If there are no labels or no images, if some cannot be read and `on_error` is "raise",
        or if there are 2-D images and volumes together.

    Warns
    -----
    UserWarning
        If files are skipped, with their number.

    See Also
    --------
    save_image_folder : Write such a folder.

    Notes
    -----
    X has shape (n, H, W) for grey images, (n, 3, H, W) for colour images and (n, D, H, W) for
    volumes. Where grey and colour are mixed, grey becomes colour. A palette is applied, alpha is
    dropped, 1 bit becomes 0 and 255, and EXIF orientation is applied. The grey pages of a tif
    file, all of one size, are a volume. An array in npy or npz has two axes for a grey image;
    with three, it is a colour image if the first or else the last has length 3, and a volume
    otherwise; leading and trailing axes of length 1 are dropped. Of an npz file, the only array
    is read, or the one named X, image or arr_0. A NIfTI volume keeps nibabel's order of axes,
    so that its affine fits; with all axes after the second of length 1 it is a 2-D image.

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
    size = _check_parameters(size, on_error, max_pixels)
    root = _check_folder(path)
    listed, bad, ignored = list_images(root, None if labels is None else os.fspath(labels))
    import_readers({source.format for source in listed})

    report = LoadReport(root, ignored=sorted(ignored))
    pictures, sources = [], []
    for source in listed:
        try:
            picture, stamp = read_image(root, source.file, max_pixels)
        except BadFile as error:
            bad.append((source.file, str(error)))
            continue
        source = source._replace(stamp=stamp, affine=picture.affine, header=picture.header)
        if picture.note:
            report.converted.append((source.file, picture.note))
        # The header is in the source; one copy is enough.
        picture = picture._replace(affine=None, header=None)
        extent = (size,) * len(picture.extent) if isinstance(size, int) else size
        if extent is not None and len(extent) == len(picture.extent):
            # Now, so that large originals do not stay in memory.
            picture, source = _resized(picture, source, extent, report)
        pictures.append(picture)
        sources.append(source)

    report.skipped = sorted(bad)
    _handle_bad(path, report, on_error, empty=not pictures)
    _check_axes(path, pictures, sources, size)
    X = _stack(pictures, sources, report)
    y = np.array([source.label for source in sources])
    report.shape, report.dtype = X.shape, X.dtype
    report.classes = dict(sorted(Counter(y.tolist()).items()))
    kind = max((picture.kind for picture in pictures), key=[GREY, COLOUR, VOLUME].index)
    return ImageFolder(X, y, kind, root, sources, report)


def _check_parameters(size, on_error, max_pixels):
    """Return `size` as an int, a tuple of int or None."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"`on_error` is {on_error!r}; use 'raise' or 'skip'.")
    if not _is_length(max_pixels):
        raise ValueError(f"`max_pixels` is {max_pixels!r}; give a positive integer.")
    if size is None:
        return None
    if _is_length(size):
        return int(size)
    lengths = tuple(size) if isinstance(size, Iterable) else ()
    if len(lengths) not in (2, 3) or not all(map(_is_length, lengths)):
        raise ValueError(
            f"`size` is {size!r}; give one positive integer, or (H, W) for images or (D, H, W) "
            "for volumes."
        )
    return tuple(map(int, lengths))


def _is_length(value):
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0


def _check_folder(path):
    """Return the absolute path of a folder, or raise."""
    root = os.path.abspath(os.fspath(path))
    if not os.path.isdir(root):
        error = NotADirectoryError if os.path.lexists(root) else FileNotFoundError
        raise error(f"`path` is '{printable(path)}', but there is no folder; check the name.")
    return root


def _handle_bad(path, report, on_error, empty):
    """Raise, or warn, if there are bad files or no images."""
    bad = report.skipped
    if bad and on_error == "raise":
        raise ValueError(
            f"`path` is '{printable(path)}', where {len(bad)} "
            f"{'file' if len(bad) == 1 else 'files'} cannot be read:\n{_named(bad)};\n"
            "correct or remove them, or pass on_error='skip' to leave them out."
        )
    if bad:
        warnings.warn(
            f"{len(bad)} files of '{printable(path)}' cannot be read and are skipped; "
            "`report.skipped` names them with the reasons.",
            UserWarning,
            stacklevel=3,
        )
    if empty:
        found = [*bad, *report.ignored]
        rest = f" among {len(found)} other things:\n{_named(found)};\n" if found else "; "
        raise ValueError(
            f"`path` is '{printable(path)}', which has no image that can be read{rest}"
            "put png, jpg, bmp, tif, npy, npz, nii or nii.gz files into one subfolder for "
            "each class."
        )


def _named(pairs):
    """Return the first pairs of name and reason, a line each, for an error message."""
    # Semicolons, because the command line shows all of it in one line.
    return ";\n".join(list_reasons(pairs, _MAX_NAMED))


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


def _resized(picture, source, extent, report):
    """Resize a picture, and fit the affine of its source to the new size."""
    old = picture.extent
    if old == extent:
        return picture, source
    report.resized.append((source.file, old))
    affine = None if source.affine is None else resize_affine(source.affine, old, extent)
    return (
        picture._replace(array=resize(picture.array, extent)),
        source._replace(unchanged=False, affine=affine),
    )


def _stack(pictures, sources, report):
    """Return all pictures as one array X, and fit the sources to it in place."""
    extent = tuple(np.min([picture.extent for picture in pictures], axis=0).tolist())
    dtype = np.result_type(*{picture.array.dtype for picture in pictures})
    colour = any(picture.kind == COLOUR for picture in pictures)
    X = np.empty((len(pictures), *((3,) if colour else ()), *extent), dtype)
    for i, (picture, source) in enumerate(zip(pictures, sources, strict=True)):
        picture, sources[i] = _resized(picture, source, extent, report)
        changes = []
        if colour and picture.kind == GREY:
            changes.append("grey to colour")
        if picture.array.dtype != dtype:
            changes.append(f"{picture.array.dtype} to {dtype}")
        if changes:
            report.converted.append((source.file, ", ".join(changes)))
        # A grey image is copied into all three channels.
        X[i] = picture.array
    return X


@dataclass
class LoadReport:
    """What `load_image_folder` read, changed and left out; ``str(report)`` is a summary.

    Attributes
    ----------
    root : str
        The folder.
    shape : tuple of int
        Of X.
    dtype : dtype
        Of X.
    classes : dict of str to int
        Number of rows by label.
    skipped : list of (str, str)
        Names of files that should be images but could not be read, and why.
    resized : list of (str, tuple of int)
        Names of files that had another size, and that size.
    converted : list of (str, str)
        Names of files whose dtype or number of channels was changed, and how.
    ignored : list of (str, str)
        Names of files that are not images, and why.

    See Also
    --------
    load_image_folder : Returns it, with an example.
    """

    root: str
    shape: tuple = ()
    dtype: object = None
    classes: dict = field(default_factory=dict)
    skipped: list = field(default_factory=list)
    resized: list = field(default_factory=list)
    converted: list = field(default_factory=list)
    ignored: list = field(default_factory=list)

    def __str__(self):
        counts = ", ".join(f"{printable(label)}: {n}" for label, n in self.classes.items())
        sizes = [(file, f"from {' x '.join(map(str, shape))}") for file, shape in self.resized]
        return "\n".join(
            [
                f"{printable(self.root)}: array of shape {self.shape}, {self.dtype} ({counts})",
                # Every bad file is named, however many they are.
                *_section("skipped", self.skipped, len(self.skipped)),
                *_section("resized", sizes, _MAX_SHOWN),
                *_section("converted", self.converted, _MAX_SHOWN),
                *_section("ignored", self.ignored, _MAX_SHOWN),
            ]
        )


def _section(title, pairs, n_shown):
    """Return a heading and a line for each of the first pairs; nothing if there are none."""
    lines = list_reasons(pairs, n_shown, f" in `report.{title}`")
    return [f"{title} ({len(pairs)}):", *lines] if pairs else []


def list_reasons(pairs, n_shown, where=""):
    """Return a line for each of the first pairs of name and reason, and one for the others."""
    lines = [f"  {printable(file)}: {reason}" for file, reason in pairs[:n_shown]]
    if len(pairs) > n_shown:
        lines.append(f"  ... and {len(pairs) - n_shown} more{where}")
    return lines


@dataclass(repr=False, eq=False)
class ImageFolder:
    """Images or volumes of one size, with the file of each.

    Attributes
    ----------
    X : ndarray of shape (n, H, W), (n, 3, H, W) or (n, D, H, W)
        Grey images, colour images or volumes.
    y : ndarray of shape (n,)
        Labels, as strings.
    kind : {"grey", "colour", "volume"}
        What the rows of X are.
    root : str
        Absolute path of the folder.
    sources : list of Source
        For each row the file, its format, whether the row is ``unchanged`` (has the size that the
        file has), and for NIfTI the affine and a copy of the header.
    report : LoadReport
        What was read, changed and left out.

    See Also
    --------
    load_image_folder : Returns it, with an example.
    save_image_folder : Accepts it as `like`.
    """

    X: np.ndarray
    y: np.ndarray
    kind: str
    root: str
    sources: list
    report: LoadReport

    def __len__(self):
        return len(self.sources)

    def __repr__(self):
        size = " x ".join(map(str, self.size))
        n_classes = len(np.unique(self.y))
        return f"ImageFolder({len(self)} {self.kind} {size} {self.X.dtype}, {n_classes} classes)"

    @property
    def size(self):
        """Lengths of the spatial axes, as `load_image_folder` takes them."""
        return self.X.shape[2:] if self.kind == COLOUR else self.X.shape[1:]

    @property
    def files(self):
        """Posix names relative to the folder, one for each row."""
        return [source.file for source in self.sources]

    @property
    def formats(self):
        """Formats, such as ``"png"`` or ``"nii.gz"``, one for each row."""
        return [source.format for source in self.sources]

    @property
    def affines(self):
        """Affines of shape (4, 4), fitted to the size of X; None for other files than NIfTI."""
        return [source.affine for source in self.sources]

    @property
    def headers(self):
        """Copies of the headers; None for other files than NIfTI."""
        return [source.header for source in self.sources]

    @property
    def unchanged(self):
        """Which rows have the size that their file has, as an array of bool."""
        return np.array([source.unchanged for source in self.sources], dtype=bool)

    @property
    def synthetic_mask(self):
        """Which rows ``manifest.csv`` marks as synthetic; None if there is no such file."""
        marks = [source.synthetic for source in self.sources]
        if all(mark is None for mark in marks):
            return None
        return np.array([bool(mark) for mark in marks])

    def take(self, rows):
        """Return the folder with some of its rows only.

        Parameters
        ----------
        rows : array-like of int or bool
            Positions, or which rows to keep.

        Returns
        -------
        folder : ImageFolder
            With the same report.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> from sklearn_pyraug.io import load_image_folder, save_image_folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_image_folder(f"{folder}/all", np.zeros((3, 4, 4)), ["a", "b", "b"])
        ...     images = load_image_folder(f"{folder}/all")
        >>> images.take(images.y == "b")
        ImageFolder(2 grey 4 x 4 float64, 1 classes)
        """
        positions = np.arange(len(self))[np.asarray(rows)]
        sources = [self.sources[i] for i in positions]
        return ImageFolder(
            self.X[positions], self.y[positions], self.kind, self.root, sources, self.report
        )
