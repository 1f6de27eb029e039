"""How a row is laid out as an image or a volume, and which flat rows are images."""

from math import prod
from typing import NamedTuple

import numpy as np

from .masked import has_masked_rows

CHANNELS = ("auto", "first", "last", "none")
# The longest axis that "auto" takes for channels.
_MAX_CHANNELS = 4
_MAX_SPATIAL = 3
# Images with fewer columns or shorter sides are not worth warping.
_MIN_COLUMNS, _MIN_SIDE = 64, 8
_MIN_ROWS = 8
# Images are at most this many times as long in one direction as in the other.
_MAX_ASPECT = 2.0
# Least mean correlation of neighbouring pixels, and least difference to that at a lag between rows.
_MIN_CORRELATION = 0.25
_MIN_PEAK = 0.2


class ImageLayout(NamedTuple):
    """The axes of a row.

    Attributes
    ----------
    shape : tuple of int
        As the user has them.
    channels : {"first", "last", "none"}
        Where the axis of channels is.
    """

    shape: tuple[int, ...]
    channels: str

    @property
    def extent(self):
        """The axes without the one of channels."""
        axes = {"first": self.shape[1:], "last": self.shape[:-1], "none": self.shape}
        return axes[self.channels]

    @property
    def spatial(self):
        """Those axes of the extent along which there is more than one pixel."""
        return tuple(s for s in self.extent if s > 1)

    @property
    def n_channels(self):
        """Length of the axis of channels; 1 where there is none."""
        return prod(self.shape) // prod(self.extent)

    @property
    def network_shape(self):
        """The shape in which networks see a row: channels, where there are any, come first."""
        return self.shape if self.channels != "last" else (self.n_channels, *self.extent)


def _column_order(layout):
    """Return the columns in the networks' order, or None where that is the user's own."""
    if layout is None or layout.channels != "last" or layout.n_channels == 1:
        return None
    return np.moveaxis(np.arange(prod(layout.shape)).reshape(layout.shape), -1, 0).ravel()


def network_columns(X, layout):
    """Return rows with the columns in the order in which networks see them.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n, n_features)
    layout : ImageLayout or None
    """
    order = _column_order(layout)
    return X if order is None else X[:, order]


def user_columns(X, layout):
    """Undo :func:`network_columns`."""
    order = _column_order(layout)
    return X if order is None else X[:, np.argsort(order)]


def image_layout(shape, channels="auto"):
    """Find the axis of channels.

    Parameters
    ----------
    shape : tuple of int
        Shape of a row.
    channels : {"auto", "first", "last", "none"}, default="auto"
        ``"auto"``: one or two axes have no channels. Of three or four, the first holds channels
        if it is at most 4 long, else the last if that is; else three axes are a volume.

    Returns
    -------
    layout : ImageLayout
    """
    n = len(shape)
    if channels == "auto":
        channels = "none"
        if n in (3, 4):
            short = [s <= _MAX_CHANNELS for s in (shape[0], shape[-1])]
            channels = "first" if short[0] else "last" if short[1] else "none"
            if n == 4 and channels == "none":
                raise ValueError(
                    f"channels='auto' cannot tell where rows of the shape {shape} have their "
                    f"channels: neither the first axis nor the last is {_MAX_CHANNELS} or less. "
                    "Pass channels='first' or 'last'."
                )
    layout = ImageLayout(tuple(shape), channels)
    if not 1 <= n - (channels != "none") <= _MAX_SPATIAL:
        raise ValueError(
            f"channels={channels!r} and rows of the shape {shape} leave {n - (channels != 'none')} "
            "axes for an image. Pass one to three of them, such as (height, width) or (depth, "
            "height, width), and at most one of channels."
        )
    return layout


def stack_rows(X):
    """Return a list of images, or of masked rows, as one array, and anything else as it is."""
    if not isinstance(X, (list, tuple)) or not len(X):
        return X
    if getattr(X[0], "ndim", None) is None and not _is_nested(X[0]):
        return X
    shapes = {np.shape(row) for row in X}
    if len(shapes) > 1:
        raise ValueError(
            f"X is a list of arrays of {len(shapes)} different shapes, such as "
            f"{' and '.join(map(str, sorted(shapes)[:2]))}. Resize them to one shape; "
            "sklearn_pyraug.io.load_image_folder does so for files."
        )
    if has_masked_rows(X):
        return np.ma.stack(X)
    return X if len(shapes.pop()) < 2 else np.stack([np.asarray(row) for row in X])


def _is_nested(row):
    return isinstance(row, (list, tuple)) and len(row) and isinstance(row[0], (list, tuple))


def flat_rows(X):
    """Return images as flat rows, with their shape.

    Parameters
    ----------
    X : object
        An array of more than two axes; anything else is returned as it is.

    Returns
    -------
    X : object
        Of shape (n, n_features).
    shape : tuple of int or None
        That of a row; None where X was no such array.
    """
    # Dataframes and sparse matrices have two axes. Objects without axes are left to scikit-learn.
    if getattr(X, "ndim", 0) <= 2:
        return X, None
    X = np.asarray(X)
    if X.size == 0:
        raise ValueError(
            f"X has the shape {X.shape}, which holds no values. Pass at least one row, of at "
            "least one pixel along each axis."
        )
    return X.reshape(len(X), -1), X.shape[1:]


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
