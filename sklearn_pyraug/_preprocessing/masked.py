"""Masked arrays, apart from other containers, because this only needs numpy."""

import numpy as np


def unmasked(X):
    """Return a masked array as one in which masked values are missing, and all else as it is."""
    if not isinstance(X, np.ma.MaskedArray):
        return X
    if not np.ma.is_masked(X):
        return np.asarray(X)
    if X.dtype.kind in "biuf":
        return X.astype(np.result_type(X.dtype, np.float32)).filled(np.nan)
    return X.astype(object).filled(None)
