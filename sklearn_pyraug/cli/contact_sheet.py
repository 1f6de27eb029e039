"""One picture of origins and the synthetic images made from them, drawn with Pillow only."""

import unicodedata

import numpy as np

from ..io._atomic import atomic_write
from ..plotting._images import as_images, picture_layout
from ..plotting._style import shortened

# Most rows of a sheet, and pairs in a row. Sides in pixels to which small images are enlarged and
# large ones shrunk.
_MOST_CLASSES, _N_PAIRS = 20, 4
_SIDE, _MOST_PIXELS = 96, 320
_MARGIN = 6
_TITLE = "origin, synthetic, origin, synthetic, ..."


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
    labels = [label for label in np.unique(y) if (synthetic & (y == label)).any()][:_MOST_CLASSES]

    def images_of(label):
        own = np.flatnonzero(synthetic & (y == label))
        # Spread over the class, because its rows are ordered by origin.
        shown = own[np.unique(np.linspace(0, len(own) - 1, _N_PAIRS).round().astype(int))]
        return as_images(X[np.column_stack([origins[shown], shown]).ravel()], layout)

    # Class by class, and twice, so that not all images are in memory at once.
    ends = np.array([(np.nanmin(x), np.nanmax(x)) for x in map(images_of, labels)], dtype=float)
    low, high = ends.min(), ends.max()
    rows = [[_small_picture(x, low, high) for x in images_of(label)] for label in labels]
    names = [_in_font(label) for label in labels]
    width, height = rows[0][0].size
    ruler = ImageDraw.Draw(rows[0][0])
    left = 2 * _MARGIN + int(max(ruler.textlength(name) for name in names))
    top = 4 * _MARGIN
    across, down = width + 2 * _MARGIN, height + 2 * _MARGIN
    n_columns = max(map(len, rows))
    breadth = max(n_columns * across, int(ruler.textlength(_TITLE)) + 2 * _MARGIN)
    sheet = Image.new("RGB", (left + breadth, top + len(rows) * down), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((left, _MARGIN), _TITLE, fill="black")
    for i, (name, row) in enumerate(zip(names, rows, strict=True)):
        pen.text((_MARGIN, top + i * down + 0.4 * height), name, fill="black")
        for j, picture in enumerate(row):
            sheet.paste(picture, (left + j * across, top + i * down))
    with atomic_write(path, overwrite=overwrite) as handle:
        sheet.save(handle, "PNG")


def _small_picture(image, low, high):
    """Return an image in 8 bits, blank where it is NaN, and of a size for a sheet."""
    from PIL import Image

    values = np.nan_to_num((image - low) / (high - low or 1.0), nan=1.0)
    picture = Image.fromarray((255 * values).round().astype(np.uint8)).convert("RGB")
    longest = max(picture.size)
    if longest > _MOST_PIXELS:
        picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS), Image.Resampling.BOX)
        return picture
    enlarged = max(1, round(_SIDE / longest))
    return picture.resize([enlarged * n for n in picture.size], Image.Resampling.NEAREST)


def _in_font(label):
    """Return a label as one short line that Pillow's own font can write, without accents."""
    parts = unicodedata.normalize("NFKD", " ".join(str(label).split()))
    letters = "".join(c for c in parts if not unicodedata.combining(c))
    return shortened(letters.encode("ascii", "replace").decode(), 24).replace("…", "..")
