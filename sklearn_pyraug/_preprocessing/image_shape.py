"""Recognise flat rows that are images."""

import numpy as np

# Fewer columns, or sides shorter than this, are no image worth warping.
_MIN_COLUMNS, _MIN_SIDE = 64, 8
_MIN_ROWS = 8
# Images are at most this many times as long in one direction as in the other.
_MAX_ASPECT = 2.0
# Mean correlation of neighbouring pixels, and by how much it stands out from a lag between rows.
_MIN_CORRELATION = 0.25
_MIN_PEAK = 0.2


def guess_sample_shape(X):
    """Return the shape (height, width) of rows that are flat grey images, or None.

    Pixels resemble their neighbours: those beside them, one column further, and those below
    them, one image width further, while half a row away the likeness is less. That is
    looked for in the columns' correlations over the rows of X, for every width that divides
    the number of columns. Tables have neither; signals, which are smooth, have only the first.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite numbers, or NaN where missing.

    Returns
    -------
    sample_shape : tuple of int or None
    """
    n, D = X.shape
    if n < _MIN_ROWS or D < _MIN_COLUMNS or not np.isfinite(X).all():
        return None
    widths = [
        w
        for w in range(_MIN_SIDE, D // _MIN_SIDE + 1)
        if D % w == 0 and max(w * w, D) <= _MAX_ASPECT * min(w * w, D)
    ]
    if not widths:
        return None
    # Scaled down before anything is squared.
    Z = X / max(float(np.abs(X).max()), np.finfo(np.float64).tiny)
    Z = Z - Z.mean(axis=0)
    deviation = np.sqrt(np.mean(Z**2, axis=0))
    varies = deviation > 1e-6 * max(deviation.max(), np.finfo(np.float64).tiny)
    Z = np.divide(Z, deviation, out=np.zeros_like(Z), where=varies)

    def likeness(lag):
        both = varies[lag:] & varies[:-lag]
        if not both.any():
            return 0.0
        return float(np.mean(np.mean(Z[:, lag:] * Z[:, :-lag], axis=0)[both]))

    beside = likeness(1)
    if beside < _MIN_CORRELATION:
        return None
    best, best_peak = None, _MIN_PEAK
    for w in widths:
        below = likeness(w)
        peak = below - max(likeness(w // 2), likeness(w + w // 2))
        if below >= _MIN_CORRELATION and peak >= best_peak:
            best, best_peak = (D // w, w), peak
    return best
