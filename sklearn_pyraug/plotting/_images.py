"""Rows that are images or volumes, grey or in colour, laid out in a grid."""

import numpy as np

from .._preprocessing.images import CHANNELS, image_layout
from .._preprocessing.masked import unmasked
from .._validation import positive_integers


def picture_layout(sample_shape, channels="auto"):
    """Return the layout of rows that are images or volumes.

    Parameters
    ----------
    sample_shape : tuple of int
    channels : {"auto", "first", "last", "none"}, default="auto"
        Which of the axes holds channels, as for the augmenter.

    Returns
    -------
    layout : ImageLayout
    """
    if channels not in CHANNELS:
        raise ValueError(
            f"`channels` is {channels!r}; give one of {', '.join(map(repr, CHANNELS))}."
        )
    shape = positive_integers(sample_shape)
    layout = image_layout(shape, channels) if shape else None
    if layout is None or len(layout.extent) == 1:
        named = "" if channels == "auto" else f" with channels={channels!r}"
        remedy = (
            "`kind='marginals'` draws columns"
            if sample_shape is None
            else "leave it out for a table"
        )
        raise ValueError(
            f"`sample_shape` is {sample_shape!r}{named}; give (height, width) or (depth, height, "
            "width), either with an axis of channels: only rows that are images or volumes can be "
            f"drawn as such; {remedy}."
        )
    return layout


def layout_of(augmenter, sample_shape=None):
    """Return the layout of an augmenter's rows, or None where they are no pictures.

    Tables have no shape, and signals one axis beside that of channels. Where `sample_shape` is
    given, it must be that of a picture.
    """
    channels = getattr(augmenter, "channels_", None) or "auto"
    if sample_shape is not None:
        return picture_layout(sample_shape, channels)
    asked = getattr(augmenter, "sample_shape", None)
    shape = getattr(augmenter, "sample_shape_", asked)
    if shape is None or isinstance(shape, tuple) and len(image_layout(shape, channels).extent) == 1:
        return None
    return picture_layout(shape, channels)


def as_images(X, layout):
    """Return the pictures of rows.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, *layout.shape)
    layout : ImageLayout

    Returns
    -------
    images : ndarray of shape (n_samples, height, width) or (n_samples, height, width, 3)
        In colour where there are three channels; of another number the first is taken. Of a
        volume of shape (D, H, W) it is of shape (H + 1 + D, W + 1 + D) and holds the three middle
        slices: (H, W), below it (D, W), and on its right (H, D); NaN, drawn blank, elsewhere.
    """
    X = np.asarray(unmasked(X))
    n_features, n_values = int(np.prod(X.shape[1:])), int(np.prod(layout.shape))
    if X.ndim < 2 or n_features != n_values:
        raise ValueError(
            f"`sample_shape` is {layout.shape}, {n_values} values an image, and `X` has "
            f"shape {X.shape}; give a shape of as many values as a row has."
        )
    X = X.reshape(len(X), *layout.shape)
    if layout.channels == "none":
        X = X[..., np.newaxis]
    elif layout.channels == "first":
        X = np.moveaxis(X, 1, -1)
    if len(layout.extent) == 3:
        X = _three_slices(X) if len(layout.spatial) == 3 else X[:, layout.extent[0] // 2]
    return X if layout.n_channels == 3 else X[..., 0]


def _three_slices(X):
    """Return the middle slices of volumes of shape (n, D, H, W, C) in one picture each."""
    n, D, H, W, C = X.shape
    pictures = np.full((n, H + 1 + D, W + 1 + D, C), np.nan)
    pictures[:, :H, :W] = X[:, D // 2]
    pictures[:, H + 1 :, :W] = X[:, :, H // 2]
    pictures[:, :H, W + 1 :] = X[:, :, :, W // 2].swapaxes(1, 2)
    return pictures


def _gap(height, width):
    """Return the number of blank pixels between two images."""
    return max(1, min(height, width) // 8)


def montages(*blocks):
    """Return one array of pixels for each block of images, and the scale that all share.

    A block is a list of arrays of shape (n_images, height, width) or (n_images, height, width, 3),
    one a row of the montage. The second value returned has ``vmin`` and ``vmax``, as keywords of
    ``Axes.imshow``: with a scale of its own, a faint image would look like a good one. Pixels in
    colour are scaled here, and have a fourth value, which is 0, transparent, where there is no
    image. Raises ValueError without any image.
    """
    shown = [images for block in blocks for images in block if len(images)]
    if not shown:
        raise ValueError("`real` and `synthetic` hold 0 images; give at least one.")
    shape = shown[0].shape[1:]
    # Floats, because booleans cannot be subtracted and integers may overflow.
    low, high = float(min(map(np.nanmin, shown))), float(max(map(np.nanmax, shown)))
    grids = [_montage(block, *shape) for block in blocks]
    if len(shape) == 2:
        return grids, {"vmin": low, "vmax": high}
    span = high - low or 1.0
    return [
        np.dstack([np.nan_to_num((grid - low) / span), np.isfinite(grid).all(axis=-1)])
        for grid in grids
    ], {}


def draw_montage(ax, grid, scale, cmap):
    """Draw the pixels of a montage on an axes without frame and ticks."""
    ax.imshow(grid, cmap=cmap, interpolation="nearest", **scale)
    ax.tick_params(length=0)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def name_rows(ax, names, height, width):
    """Write a name at the left of each row of a montage of images of height x width pixels."""
    ax.set_yticks(np.arange(len(names)) * (height + _gap(height, width)) + (height - 1) / 2, names)


def _montage(block, height, width, *channels):
    """Lay out one array of images a class in rows; NaN, drawn blank, between and beside them."""
    gap = _gap(height, width)
    n_columns = max(1, *map(len, block))
    shape = (len(block) * (height + gap) - gap, n_columns * (width + gap) - gap)
    grid = np.full((*shape, *channels), np.nan)
    for i, images in enumerate(block):
        top = i * (height + gap)
        for j, image in enumerate(images):
            left = j * (width + gap)
            grid[top : top + height, left : left + width] = image
    return grid


def figure_size(grids):
    """Return (width, height) in inches: both grids at one scale, within a page."""
    n_rows, n_columns = grids[0].shape[0], sum(grid.shape[1] for grid in grids)
    inches = min(7.0 / n_columns, 9.0 / n_rows)  # size of an image's pixel
    # Labels and the gap between the blocks take about an inch, headings half of one.
    return max(3.0, n_columns * inches + 1.0), max(1.5, n_rows * inches + 0.5)
