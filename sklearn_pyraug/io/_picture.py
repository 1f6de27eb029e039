"""One image or volume in memory: its kind, its dtype and its size."""

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
        What was lost when the file was read; empty if nothing.
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
    """Return the dtype in which values of `dtype` are stored, or raise BadFile.

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
    # The width of extended precision depends on the platform.
    return dtype.newbyteorder("=") if dtype.itemsize <= 8 else np.dtype(np.float64)


def plain_array(array):
    """Return an array of real, finite numbers in a plain dtype, or raise BadFile."""
    array = array.astype(plain_dtype(array.dtype), copy=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        n_bad = int(array.size - np.isfinite(array).sum())
        raise BadFile(f"holds {n_bad} values that are not finite")
    return array


def interpret(shape):
    """Return the kind of picture of this shape, and the shape without axes of length 1.

    Two axes are a grey image; three are a colour image if the first or the last has length 3,
    and a volume otherwise. Leading and trailing axes of length 1 are dropped.

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
        If fewer than two or more than three axes are left.

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


def resize(array, extent):
    """Resize the last axes of an array by linear interpolation.

    Along each axis, new pixel j lies at :math:`(j + 1/2) s - 1/2` among the old ones, where s is
    the old length over the new. Its value is the mean of the pixels around that place, weighted
    by a triangle of half width max(1, s): as many are averaged as the new pixel covers.

    Parameters
    ----------
    array : ndarray of shape (..., *old extent)
    extent : tuple of int
        New lengths of the last ``len(extent)`` axes.

    Returns
    -------
    resized : ndarray of shape (..., *extent)
        In the same dtype, rounded and clipped if it is an integer dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.io._picture import resize
    >>> resize(np.array([[0, 0, 8, 8]], dtype=np.uint8), (1, 2))
    array([[1, 7]], dtype=uint8)
    """
    dtype = array.dtype
    # A float32 holds every value of two bytes.
    values = array.astype(np.float32 if dtype.itemsize <= 2 else np.float64)
    for axis, length in enumerate(extent, start=array.ndim - len(extent)):
        if values.shape[axis] != length:
            weights = _weights(values.shape[axis], length).astype(values.dtype)
            values = np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        values = np.rint(values)
        # The end of the range of 64 bits is not a float: use the last float below it.
        high = np.nextafter(np.float64(info.max), 0) if dtype.itemsize == 8 else info.max
        values = np.clip(values, info.min, high)
    elif dtype.itemsize < values.dtype.itemsize:
        values = np.clip(values, array.min(), array.max())
    return values.astype(dtype)


def _weights(n_old, n_new):
    """Return the matrix of shape (n_new, n_old) that resizes one axis; its rows sum to 1."""
    scale = n_old / n_new
    centres = (np.arange(n_new) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(n_old) - centres[:, None]) / max(1.0, scale)
    weights = np.maximum(0.0, 1.0 - distance)
    return weights / weights.sum(axis=1, keepdims=True)


def resize_affine(affine, old, new):
    """Return the affine of the same box with other numbers of voxels.

    Parameters
    ----------
    affine : ndarray of shape (4, 4)
        From old voxel indices to millimetres.
    old, new : tuple of int of the same length, 2 or 3
        Numbers of voxels along the first axes; the other axes are unchanged.

    Returns
    -------
    affine : ndarray of shape (4, 4)
        From new voxel indices to millimetres.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.io._picture import resize_affine
    >>> np.diag(resize_affine(np.eye(4), (8, 8, 8), (4, 8, 2))).tolist()
    [2.0, 1.0, 4.0, 1.0]
    """
    scale = np.ones(3)
    scale[: len(old)] = np.divide(old, new)
    step = np.eye(4)
    step[:3, :3] = np.diag(scale)
    # Box edges lie half a voxel outside the outermost centres, before and after.
    step[:3, 3] = (scale - 1) / 2
    return affine @ step
