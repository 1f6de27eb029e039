"""One picture of origins and the synthetic images that came of them, drawn by Pillow alone."""

import numpy as np

from ..io._atomic import atomic_write
from ..plotting._images import as_images, montages, picture_layout

# Rows and pairs of a sheet, and the side of an image in it, in pixels.
_MOST_CLASSES, _N_PAIRS, _SIDE = 20, 4, 96
_MARGIN = 6


def write_contact_sheet(path, X, y, synthetic, origins, *, channels, overwrite=False):
    """Write a picture with a row for each class: origin, synthetic, origin, synthetic, ...

    Parameters
    ----------
    path : Path
    X : ndarray of shape (n, H, W), (n, 3, H, W) or (n, D, H, W)
        Of a volume, the middle slices along its three axes are drawn.
    y : array-like of shape (n,)
    synthetic : ndarray of bool of shape (n,)
    origins : ndarray of int of shape (n,)
        The row of X that each row came from.
    channels : {"first", "none"}
        As for :class:`~sklearn_pyraug.ImageShape`.
    overwrite : bool, default=False

    Raises
    ------
    ImportError
        If Pillow is not installed.
    """
    from PIL import Image, ImageDraw

    layout = picture_layout(X.shape[1:], channels)
    y = np.asarray(y)
    labels = [label for label in np.unique(y) if (synthetic & (y == label)).any()]
    rows = []
    for label in labels[:_MOST_CLASSES]:
        own = np.flatnonzero(synthetic & (y == label))
        # Spread over the class, whose rows come origin by origin.
        shown = own[np.unique(np.linspace(0, len(own) - 1, _N_PAIRS).round().astype(int))]
        rows.append(as_images(X[np.column_stack([origins[shown], shown]).ravel()], layout))
    (grid,), scale = montages(rows)
    if grid.ndim == 2:
        grid = (grid - scale["vmin"]) / ((scale["vmax"] - scale["vmin"]) or 1.0)
        grid = np.dstack([grid] * 3 + [np.isfinite(grid)])
    pixels = np.where(grid[..., 3:] > 0, 255 * np.nan_to_num(grid[..., :3]), 255)
    height, width = rows[0].shape[1:3]
    enlarged = max(1, round(_SIDE / max(height, width)))
    picture = Image.fromarray(pixels.round().astype(np.uint8))
    picture = picture.resize([enlarged * n for n in picture.size], Image.Resampling.NEAREST)
    names = [_in_font(label) for label in labels[:_MOST_CLASSES]]
    ruler = ImageDraw.Draw(picture)
    left = 2 * _MARGIN + int(max(ruler.textlength(name) for name in names))
    top = 4 * _MARGIN
    sheet = Image.new(
        "RGB", (picture.width + left + _MARGIN, picture.height + top + _MARGIN), "white"
    )
    sheet.paste(picture, (left, top))
    pen = ImageDraw.Draw(sheet)
    pen.text((left, _MARGIN), "origin, synthetic, origin, synthetic, ...", fill="black")
    step = picture.height / len(rows)
    for i, name in enumerate(names):
        pen.text((_MARGIN, top + (i + 0.4) * step), name, fill="black")
    with atomic_write(path, overwrite=overwrite) as handle:
        sheet.save(handle, "PNG")


def _in_font(label):
    """Return a label as one short line that Pillow's own font can write."""
    return " ".join(str(label).split())[:24].encode("latin-1", "replace").decode("latin-1")
