"""The formats of images and volumes: one reader, one writer and the dtypes of each."""

import warnings
from functools import partial
from typing import NamedTuple

import numpy as np

from ._array_files import read_npy, read_npz
from ._guards import BadFile, import_optional, open_inside, why
from ._nifti_files import read_nifti, write_nifti
from ._picture import COLOUR, GREY, VOLUME, interpret, plain_array
from ._pillow_files import read_pillow, write_pillow

_PILLOW = ("png", "jpg", "bmp", "tif")
_NIFTI = ("nii", "nii.gz")
_READERS = {
    **{format: partial(read_pillow, format=format) for format in _PILLOW},
    "npy": read_npy,
    "npz": read_npz,
    **{format: partial(read_nifti, packed=format == "nii.gz") for format in _NIFTI},
}
_ARRAY_WRITERS = {"npy": np.save, "npz": lambda handle, row: np.savez_compressed(handle, X=row)}
FORMATS = tuple(_READERS)
_SUFFIXES = {"jpeg": "jpg", "tiff": "tif", **{format: format for format in FORMATS}}

_BYTES = {GREY: ("u1",), COLOUR: ("u1",)}
_TIF_DTYPES = ("u1", "u2", "i4", "f4")
_NIFTI_DTYPES = dict.fromkeys(
    (GREY, VOLUME), ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "u8", "i8", "f8")
)
# The dtypes that a format has, narrow ones first, by kind of picture.
_DTYPES = {
    "png": {GREY: ("u1", "u2"), COLOUR: ("u1",)},
    "jpg": _BYTES,
    "bmp": _BYTES,
    "tif": {GREY: _TIF_DTYPES, COLOUR: ("u1",), VOLUME: _TIF_DTYPES},
    "nii": _NIFTI_DTYPES,
    "nii.gz": _NIFTI_DTYPES,
}


class Source(NamedTuple):
    """The file of a row.

    Attributes
    ----------
    file : str
        Posix name relative to the folder.
    label : str
        As the folder or a csv file says.
    synthetic : bool or None
        The mark in ``manifest.csv``; None if there is none.
    origin : str
        The file that a synthetic one came from, if known.
    unchanged : bool
        Whether the row has the size that the file has.
    stamp : tuple of (int, int) or None
        Size in bytes of the file, and when it was last changed in nanoseconds; None before it is
        read.
    affine : ndarray of shape (4, 4) or None
        Of a NIfTI file, fitted to the size of the row.
    header : nibabel header or None
        Of a NIfTI file.
    """

    file: str
    label: str
    synthetic: object = None
    origin: str = ""
    unchanged: bool = True
    stamp: object = None
    affine: object = None
    header: object = None

    @property
    def format(self):
        """Format, such as ``"png"`` or ``"nii.gz"``."""
        return format_of(self.file)


def format_of(name):
    """Return the format of a file by the suffix of its name, or None.

    Examples
    --------
    >>> from sklearn_pyraug.io._image_files import format_of
    >>> format_of("a/scan.NII.GZ"), format_of("readme.txt")
    ('nii.gz', None)
    """
    name = name.lower()
    return next((format for end, format in _SUFFIXES.items() if name.endswith(f".{end}")), None)


def import_readers(formats):
    """Raise ImportError with the remedy if a package for one of the formats is missing."""
    for known, package in ((_PILLOW, "PIL"), (_NIFTI, "nibabel")):
        if not formats.isdisjoint(known):
            import_optional(f"A file of {', '.join(known)}", "images", package)


def read_image(root, file, max_pixels):
    """Read one file of a folder.

    Parameters
    ----------
    root : str
    file : str
        Posix name relative to `root`, of a known format.
    max_pixels : int
        Larger images raise BadFile before any pixel is decoded.

    Returns
    -------
    picture : Picture
        Of finite numbers in a plain dtype.
    stamp : tuple of (int, int)
        Size in bytes and time of the last change in nanoseconds.

    Raises
    ------
    BadFile
        If the file cannot be read, whatever the reason.
    """
    handle, stamp = open_inside(root, file)
    with handle:
        if stamp[0] == 0:
            raise BadFile("is empty")
        try:
            with warnings.catch_warnings():
                # Readers warn about what they repair, and raise errors for the rest.
                warnings.simplefilter("ignore")
                picture = _READERS[format_of(file)](handle, stamp[0], max_pixels)
                return picture._replace(array=plain_array(picture.array)), stamp
        except BadFile:
            raise
        # A hostile file can make a reader raise any error, even MemoryError and RecursionError.
        except Exception as error:
            raise BadFile(f"cannot be read ({why(error)})") from error


def fit_row(row, kind, format):
    """Return a row in a dtype in which a format holds it exactly, or None if there is none.

    Parameters
    ----------
    row : ndarray of shape (H, W), (3, H, W) or (D, H, W)
    kind : {"grey", "colour", "volume"}
    format : str

    Returns
    -------
    fitted : ndarray or None
        In the row's own dtype if the format has it, else in the first that holds its values.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.io._image_files import fit_row
    >>> fit_row(np.ones((2, 2)), "grey", "png").dtype
    dtype('uint8')
    >>> fit_row(np.full((2, 2), 0.5), "grey", "png") is None
    True
    """
    if not _keeps_kind(row.shape, kind, format):
        return None
    if format in _ARRAY_WRITERS:
        return row
    dtypes = [np.dtype(name) for name in _DTYPES[format].get(kind, ())]
    if row.dtype in dtypes:
        return row
    for dtype in dtypes:
        if _within(row, dtype):
            fitted = row.astype(dtype)
            if np.array_equal(fitted, row):
                return fitted
    return None


def _within(row, dtype):
    """Return True if a cast to a dtype, and the comparison after it, are safe for all values."""
    low, high = row.min().item(), row.max().item()
    if dtype.kind in "iu":
        return np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max
    info = np.finfo(dtype)
    # Floats do not hold every integer beyond this.
    limit = 2 ** (info.nmant + 1) if row.dtype.kind in "iu" else float(info.max)
    return -limit <= low and high <= limit


def _keeps_kind(shape, kind, format):
    """Return True if a file of this shape would be read as the same kind of picture."""
    if format in _ARRAY_WRITERS:
        return interpret(shape) == (kind, shape) and (kind != COLOUR or shape[0] == 3)
    if kind == VOLUME:
        return shape[0] > 1 if format == "tif" else shape[-1] > 1
    return True


def write_image(handle, row, kind, format, affine=None, header=None):
    """Write a row as a file.

    Parameters
    ----------
    handle : binary file object
    row : ndarray of shape (H, W), (3, H, W) or (D, H, W)
        As `fit_row` returned it.
    kind : {"grey", "colour", "volume"}
    format : str
    affine : ndarray of shape (4, 4) or None
        For NIfTI.
    header : nibabel header or None
        For NIfTI.
    """
    if format in _PILLOW:
        write_pillow(handle, row, kind, format)
    elif format in _NIFTI:
        write_nifti(handle, row, affine, header, packed=format == "nii.gz")
    else:
        _ARRAY_WRITERS[format](handle, row)
