"""Images and volumes in another size: linear interpolation that does not alias."""

import numpy as np


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
        In the same dtype, rounded and clipped where that is one of integers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.io._resizing import resize
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
        # The last float below the end of a range of 64 bits, and not the end itself.
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
    """Fit an affine to new numbers of voxels in the same box.

    Parameters
    ----------
    affine : ndarray of shape (4, 4)
        From old voxel indices to millimetres.
    old, new : tuple of int of the same length, 2 or 3
        Numbers of voxels along the first axes; the others stay.

    Returns
    -------
    affine : ndarray of shape (4, 4)
        From new voxel indices to millimetres.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.io._resizing import resize_affine
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
