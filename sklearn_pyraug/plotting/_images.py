"""Rows that are grey images, laid out in a grid."""

from numbers import Integral

import numpy as np

__all__ = [
    "as_images",
    "check_sample_shape",
    "draw_montage",
    "figure_size",
    "montages",
    "name_rows",
]


def check_sample_shape(sample_shape):
    """Return (height, width), or raise ValueError where a row is no image."""
    try:
        shape = tuple(sample_shape)
    except TypeError:
        shape = ()
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2 or not all(isinstance(n, Integral) and n >= 1 for n in shape):
        raise ValueError(
            f"`sample_shape` is {sample_shape!r}; give (height, width) or (1, height, width): "
            "only rows that are grey images can be drawn as such; `kind='marginals'` draws columns."
        )
    return shape


def as_images(X, height, width):
    """Return rows as an array of shape (n_samples, height, width), or raise ValueError."""
    X = np.asarray(X)
    n_features = int(np.prod(X.shape[1:]))
    if X.ndim < 2 or n_features != height * width:
        raise ValueError(
            f"`sample_shape` is {(height, width)}, {height * width} values an image, and `X` has "
            f"shape {X.shape}; give a shape of as many values as a row has."
        )
    return X.reshape(len(X), height, width)


def _gap(height, width):
    """Return the number of blank pixels between two images."""
    return max(1, min(height, width) // 8)


def montages(*blocks):
    """Return one array of pixels for each block of images, and the scale that all share.

    A block is a list of arrays of shape (n_images, height, width), one a row of the montage.
    The second value returned has ``vmin`` and ``vmax``, as keywords of ``Axes.imshow``: scaled
    each by itself, a faint image would pass for a good one. Raises ValueError without any image.
    """
    shown = [images for block in blocks for images in block if len(images)]
    if not shown:
        raise ValueError("`real` and `synthetic` hold 0 images; give at least one.")
    height, width = shown[0].shape[1:]
    scale = {"vmin": min(map(np.min, shown)), "vmax": max(map(np.max, shown))}
    return [_montage(block, height, width) for block in blocks], scale


def draw_montage(ax, grid, scale, cmap):
    """Draw the pixels of a montage on an axes without frame and ticks."""
    ax.imshow(grid, cmap=cmap, interpolation="nearest", **scale)
    ax.tick_params(length=0)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def name_rows(ax, names, height, width):
    """Write a name at the left of each row of a montage of images of height x width pixels."""
    ax.set_yticks(np.arange(len(names)) * (height + _gap(height, width)) + (height - 1) / 2, names)


def _montage(block, height, width):
    """Lay out one array of images a class in rows; NaN, drawn blank, between and beside them."""
    gap = _gap(height, width)
    n_columns = max(1, *map(len, block))
    shape = (len(block) * (height + gap) - gap, n_columns * (width + gap) - gap)
    grid = np.full(shape, np.nan)
    for i, images in enumerate(block):
        top = i * (height + gap)
        for j, image in enumerate(images):
            left = j * (width + gap)
            grid[top : top + height, left : left + width] = image
    return grid


def figure_size(grids):
    """Return (width, height) in inches: both grids at one scale, within a page."""
    n_rows, n_columns = grids[0].shape[0], sum(grid.shape[1] for grid in grids)
    inches = min(7.0 / n_columns, 9.0 / n_rows)  # a pixel of an image
    # Labels and the gap between the blocks take about an inch, headings half of one.
    return max(3.0, n_columns * inches + 1.0), max(1.5, n_rows * inches + 0.5)
