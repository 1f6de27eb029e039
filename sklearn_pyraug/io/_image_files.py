"""The formats of images and volumes: one reader, one writer and the dtypes of each."""

import warnings
from typing import NamedTuple

import numpy as np

from ._array_files import encode_npy, encode_npz, encode_pt, read_npy, read_npz, read_pt
from ._guards import BadFile, open_inside, why
from ._nifti_files import encode_nifti, import_nibabel, read_nifti
from ._picture import COLOUR, GREY, VOLUME, interpret, plain_array
from ._pillow_files import encode_pillow, import_pillow, read_pillow

_SUFFIXES = {
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".bmp": "bmp",
    ".tif": "tif",
    ".tiff": "tif",
    ".npy": "npy",
    ".npz": "npz",
    ".pt": "pt",
    ".nii": "nii",
    ".nii.gz": "nii.gz",
}
FORMATS = tuple(dict.fromkeys(_SUFFIXES.values()))
_PILLOW = ("png", "jpg", "bmp", "tif")
_ARRAYS = ("npy", "npz", "pt")

_READERS = {"npy": read_npy, "npz": read_npz, "pt": read_pt}
_ENCODERS = {"npy": encode_npy, "npz": encode_npz, "pt": encode_pt}
_NIFTI_DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "u8", "i8", "f8")
# The dtypes that a format holds, narrow ones first, by what is shown.
_DTYPES = {
    "png": {GREY: ("u1", "u2"), COLOUR: ("u1",)},
    "jpg": {GREY: ("u1",), COLOUR: ("u1",)},
    "bmp": {GREY: ("u1",), COLOUR: ("u1",)},
    "tif": {
        GREY: ("u1", "u2", "i4", "f4"),
        COLOUR: ("u1",),
        VOLUME: ("u1", "u2", "i4", "f4"),
    },
    "nii": {GREY: _NIFTI_DTYPES, VOLUME: _NIFTI_DTYPES},
    "nii.gz": {GREY: _NIFTI_DTYPES, VOLUME: _NIFTI_DTYPES},
}


class Source(NamedTuple):
    """Where a row of an `ImageFolder` comes from.

    Attributes
    ----------
    file : str
        Posix name relative to the folder.
    format : str
        Such as ``"png"`` or ``"nii.gz"``.
    unchanged : bool
        Whether the row has the size that the file has.
    stamp : tuple of (int, int)
        Size in bytes of the file, and when it was last changed in nanoseconds.
    affine : ndarray of shape (4, 4) or None
        Of a NIfTI file, fitted to the size that the row has.
    header : nibabel header or None
        Of a NIfTI file.
    synthetic : bool or None
        The mark in ``manifest.csv``; None where there is none.
    origin : str
        The file that a synthetic one came from, if known.
    """

    file: str
    format: str
    unchanged: bool
    stamp: tuple
    affine: object = None
    header: object = None
    synthetic: object = None
    origin: str = ""


def format_of(name):
    """Return the format that a file's name stands for, or None.

    Examples
    --------
    >>> from sklearn_pyraug.io._image_files import format_of
    >>> format_of("a/scan.NII.GZ"), format_of("readme.txt")
    ('nii.gz', None)
    """
    name = name.lower()
    for suffix, format in _SUFFIXES.items():
        if name.endswith(suffix):
            return format
    return None


def import_readers(formats):
    """Raise ImportError with the remedy if a package for one of the formats is missing."""
    if any(format in _PILLOW for format in formats):
        import_pillow()
    if any(format in ("nii", "nii.gz") for format in formats):
        import_nibabel()


def read_image(root, file, max_pixels):
    """Read one file of a folder.

    Parameters
    ----------
    root : str
    file : str
        Posix name relative to `root`, of a known format.
    max_pixels : int
        Larger images are refused before any pixel is decoded.

    Returns
    -------
    picture : Picture
        Of finite numbers in a plain dtype.
    stamp : tuple of (int, int)
        Size in bytes and time of the last change in nanoseconds.

    Raises
    ------
    BadFile
        If the file cannot be taken, whatever the reason.
    """
    handle, stamp = open_inside(root, file)
    with handle:
        if stamp[0] == 0:
            raise BadFile("is empty")
        try:
            with warnings.catch_warnings():
                # Readers warn of what they mend; what they cannot mend is an error.
                warnings.simplefilter("ignore")
                picture = _decode(handle, stamp[0], max_pixels, format_of(file))
                return picture._replace(array=plain_array(picture.array)), stamp
        except BadFile:
            raise
        # A hostile file may bring a reader to raise anything, memory and recursion included.
        except Exception as error:
            raise BadFile(f"cannot be read ({why(error)})") from error


def _decode(handle, n_bytes, max_pixels, format):
    if format in _PILLOW:
        return read_pillow(handle, n_bytes, max_pixels, format)
    if format in _ARRAYS:
        return _READERS[format](handle, n_bytes, max_pixels)
    return read_nifti(handle, n_bytes, max_pixels, packed=format == "nii.gz")


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
    if format in _ARRAYS:
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
    """Tell whether all values lie where a cast to a dtype, and the comparison, are sound."""
    low, high = row.min().item(), row.max().item()
    if dtype.kind in "iu":
        return np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max
    info = np.finfo(dtype)
    # Beyond this, not every integer is a float.
    limit = 2 ** (info.nmant + 1) if row.dtype.kind in "iu" else info.max
    return -limit <= low and high <= limit


def _keeps_kind(shape, kind, format):
    """Tell whether a file of this shape would be read again as what it is."""
    if format in _ARRAYS:
        return interpret(shape) == (kind, shape) and (kind != COLOUR or shape[0] == 3)
    if kind == VOLUME:
        return shape[0] > 1 if format == "tif" else shape[-1] > 1
    return True


def encode_image(row, kind, format, affine=None, header=None):
    """Return a row as the bytes of a file.

    Parameters
    ----------
    row : ndarray of shape (H, W), (3, H, W) or (D, H, W)
        As `fit_row` returned it.
    kind : {"grey", "colour", "volume"}
    format : str
    affine : ndarray of shape (4, 4) or None
        For NIfTI.
    header : nibabel header or None
        For NIfTI.

    Returns
    -------
    payload : bytes
    """
    if format in _PILLOW:
        return encode_pillow(row, kind, format)
    if format in _ARRAYS:
        return _ENCODERS[format](row)
    return encode_nifti(row, affine, header, packed=format == "nii.gz")
