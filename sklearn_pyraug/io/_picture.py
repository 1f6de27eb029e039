"""One image or volume, as a file holds it."""

from typing import NamedTuple

import numpy as np

from ._guards import BadFile

GREY, COLOUR, VOLUME = "grey", "colour", "volume"


class Picture(NamedTuple):
    """What was read from one file.

    Attributes
    ----------
    array : ndarray
        Of shape (H, W), (3, H, W) or (D, H, W), as `kind` says.
    kind : {"grey", "colour", "volume"}
    note : str
        What of the file is not in the array; empty where nothing is missing.
    affine : ndarray of shape (4, 4) or None
        From voxel indices to millimetres, of a NIfTI file.
    header : nibabel header or None
        Of a NIfTI file.
    """

    array: np.ndarray
    kind: str
    note: str = ""
    affine: object = None
    header: object = None

    @property
    def extent(self):
        """Lengths of the spatial axes."""
        return self.array.shape[1:] if self.kind == COLOUR else self.array.shape


def plain_dtype(dtype):
    """Return the dtype under which values of `dtype` are kept, or raise BadFile.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.io._picture import plain_dtype
    >>> plain_dtype(np.dtype(">i2")), plain_dtype(np.dtype(bool))
    (dtype('int16'), dtype('uint8'))
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "iuf":
        raise BadFile(f"holds values of type {dtype}, not real numbers")
    # Extended precision is of another width on each platform.
    return dtype.newbyteorder("=") if dtype.itemsize <= 8 else np.dtype(np.float64)


def plain_array(array):
    """Return an array of real, finite numbers in a plain dtype, or raise BadFile."""
    array = array.astype(plain_dtype(array.dtype), copy=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        n_bad = int(array.size - np.isfinite(array).sum())
        raise BadFile(f"holds {n_bad} values that are not finite")
    return array


def interpret(shape):
    """Return what an array of this shape shows, and its axes without those of length 1.

    Two axes are a grey image; three are a colour image if the first has length 3, or the last
    has, and a volume otherwise. Leading and trailing axes of length 1 are dropped.

    Parameters
    ----------
    shape : tuple of int

    Returns
    -------
    kind : {"grey", "colour", "volume"}
    shape : tuple of int of length 2 or 3
        Colour may come first or last.

    Raises
    ------
    BadFile
        If it has less than two axes, or more than three are left.

    Examples
    --------
    >>> from sklearn_pyraug.io._picture import interpret
    >>> interpret((1, 8, 9)), interpret((8, 9, 3)), interpret((7, 8, 9))
    (('grey', (8, 9)), ('colour', (8, 9, 3)), ('volume', (7, 8, 9)))
    """
    kept = tuple(shape)
    while len(kept) > 2:
        if len(kept) == 3 and 3 in (kept[0], kept[2]):
            return COLOUR, kept
        if kept[0] == 1:
            kept = kept[1:]
        elif kept[-1] == 1:
            kept = kept[:-1]
        else:
            break
    if len(kept) == 2:
        return GREY, kept
    if len(kept) == 3:
        return VOLUME, kept
    raise BadFile(f"holds an array of shape {tuple(shape)}, neither an image nor a volume")


def from_array(array):
    """Return the Picture of an array of any layout that `interpret` knows."""
    kind, shape = interpret(array.shape)
    array = array.reshape(shape)
    if kind == COLOUR and shape[0] != 3:
        array = np.moveaxis(array, 2, 0)
    return Picture(array, kind)
