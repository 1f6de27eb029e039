"""Masked arrays, apart from other containers, because this only needs numpy."""

import numpy as np


def has_masked_rows(X):
    """Return whether X is a list of arrays, some of them masked."""
    return isinstance(X, (list, tuple)) and any(isinstance(x, np.ma.MaskedArray) for x in X)


def unmasked(X):
    """Return a masked array as one in which masked values are missing, and all else as it is.

    So is a list of masked arrays.
    """
    X = np.ma.stack(X) if has_masked_rows(X) else X
    if not isinstance(X, np.ma.MaskedArray):
        return X
    if not np.ma.is_masked(X):
        return np.asarray(X)
    if X.dtype.kind in "biuf":
        return X.astype(np.result_type(X.dtype, np.float32)).filled(np.nan)
    return np.where(np.ma.getmaskarray(X), None, np.asarray(X, dtype=object))
