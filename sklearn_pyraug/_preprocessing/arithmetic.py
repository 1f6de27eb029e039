"""Arithmetic on table columns that neither overflows, nor underflows, nor loses an integer.

A column is measured from an anchor, in units of 2**exponent: its offsets.
"""

import numpy as np

# Work is cut into blocks of about this many values, so that temporaries stay small.
_BLOCK_VALUES = 2**19

# Columns whose magnitude is 2**e with |e| beyond this are brought near 1 before anything is
# squared. Inside, squares and their sums can neither overflow nor underflow.
_SAFE_EXPONENT = 400


def as_numbers(X):
    """Return X as integers, float32 or float64: booleans as 0 and 1, other floats as float64."""
    if X.dtype.kind == "b":
        return X.view(np.uint8)
    if X.dtype.kind == "f" and X.dtype.itemsize not in (4, 8):
        return X.astype(np.float64)
    return X


def row_keys(T):
    """Yield each row of numbers as bytes, which are equal where the rows are.

    To sort rows of a million pixels instead takes longer than to train on them.
    """
    for row in np.ascontiguousarray(T):
        # Minus zero is zero.
        yield (row + 0.0).tobytes()


def column_blocks(shape):
    """Cut the columns of a table into slices of about `_BLOCK_VALUES` values each."""
    width = max(1, _BLOCK_VALUES // max(1, shape[0]))
    return [slice(a, min(a + width, shape[1])) for a in range(0, shape[1], width)]


def exponents(low, high):
    """Return, elementwise, e such that values in [low, high] are below 2**e; 0 if none is extreme.

    Takes arrays or scalars of one shape, and returns integers of that shape.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    magnitude = np.maximum(np.abs(low), np.abs(high))
    exponent = np.frexp(magnitude)[1]
    return np.where(np.abs(exponent) > _SAFE_EXPONENT, exponent, 0)


def times_power(X, exponent):
    """Return X * 2**exponent, also where 2**exponent itself is no float64."""
    return np.ldexp(X, exponent) if exponent.any() else X


def offsets_from(X, anchor, exponent):
    """Return (X - anchor) * 2**-exponent in float64, for arrays that broadcast.

    Integers are subtracted as integers, because float64 cannot tell 2**62 from 2**62 + 1, and as
    unsigned ones, because the difference of two int64 may exceed int64. Their exponents are 0.
    """
    if X.dtype.kind in "iu":
        offsets = (_wrap(X) - _wrap(anchor)).astype(np.float64)
        below = X < anchor
        if below.any():
            offsets[below] = -(_wrap(anchor) - _wrap(X)).astype(np.float64)[below]
        return offsets
    near = times_power(X.astype(np.float64), -exponent)
    return near - times_power(anchor.astype(np.float64), -exponent)


def _wrap(X):
    """Return integers modulo 2**64, in uint64, where sums and differences wrap around."""
    return X.astype(np.int64 if X.dtype.kind == "i" else np.uint64).view(np.uint64)


def integers_at(offsets, anchor, low, high):
    """Return anchor + offsets, clipped to [low, high], without a rounding error or an overflow.

    Parameters
    ----------
    offsets : ndarray of shape (n_rows, n_features), dtype=float64
        Whole numbers, infinity allowed.
    anchor, low, high : ndarray of shape (n_features,), of one integer dtype
        With anchor <= low.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features), of the dtype of `anchor`
    """
    least, most = _wrap(low) - _wrap(anchor), _wrap(high) - _wrap(anchor)
    # A float64 strictly between the float64 images of two integers lies between the integers.
    at_low, at_high = offsets <= least.astype(np.float64), offsets >= most.astype(np.float64)
    inside = np.where(at_low | at_high, 0.0, offsets).astype(np.uint64)
    distance = np.where(at_low, least, np.where(at_high, most, inside))
    wide = np.int64 if anchor.dtype.kind == "i" else np.uint64
    return (_wrap(anchor) + distance).view(wide).astype(anchor.dtype)
