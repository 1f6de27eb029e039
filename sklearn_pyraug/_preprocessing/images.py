"""How a row is laid out as an image or a volume: its axes, and where its channels are."""

from math import prod
from typing import NamedTuple

import numpy as np

CHANNELS = ("auto", "first", "last", "none")
# The longest axis that "auto" takes for colours and not for an extent.
_MAX_CHANNELS = 4
_MAX_SPATIAL = 3


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

    Raises
    ------
    ValueError
        If the axes are too few or too many, or four axes leave open where the channels are.
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
    """Return a list of images as one array, and anything else as it is.

    Raises
    ------
    ValueError
        If the images differ in shape.
    """
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
    if len(shapes.pop()) < 2:
        return X
    is_masked = any(isinstance(row, np.ma.MaskedArray) for row in X)
    return np.ma.stack(X) if is_masked else np.stack([np.asarray(row) for row in X])


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

    Raises
    ------
    ValueError
        If the rows hold no values.
    """
    # A dataframe or a sparse matrix has two axes; what has no axes is left to scikit-learn.
    if getattr(X, "ndim", 0) <= 2:
        return X, None
    X = np.asarray(X)
    if X.size == 0:
        raise ValueError(
            f"X has the shape {X.shape}, which holds no values. Pass at least one row, of at "
            "least one pixel along each axis."
        )
    return X.reshape(len(X), -1), X.shape[1:]
