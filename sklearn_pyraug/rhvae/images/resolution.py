"""The coarse images from which large ones are learned.

A warp is smooth: from coarse images its parameters are learned as well as from fine ones, and in
a fraction of the time. The corners of both lie at the same places, so that parameters mean the
same at either resolution.
"""

import math
from typing import NamedTuple

import torch
from torch.nn import functional as F

# Longest side from which warps are learned, by the number of axes.
_LARGEST = {1: 256, 2: 64, 3: 16}
# With at least this many images they are halved, down to a side of this many pixels. Fewer images
# cost little at full size, and classifiers gain more from them.
_MANY_IMAGES, _HALVED = 400, 16
_SMALLEST = 4
_MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}
_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
# Most values that are shrunk at once: bounds the memory.
_CHUNK_VALUES = 2**24


def coarse_extent(extent, n_images):
    """Return the size at which images are learned from.

    Parameters
    ----------
    extent : tuple of int
        Sides of the image, one to three.
    n_images : int
        How many there are to learn from.

    Returns
    -------
    coarse : tuple of int or None
        None where the image is small enough as it is.
    """
    limit = _LARGEST[len(extent)]
    if len(extent) == 2 and n_images >= _MANY_IMAGES:
        limit = min(limit, max(_HALVED, max(extent) // 2))
    if max(extent) <= limit:
        return None
    shrink = limit / max(extent)
    return tuple(min(s, max(_SMALLEST, round(s * shrink))) for s in extent)


class Resolution(NamedTuple):
    """Two sizes of the same images.

    Attributes
    ----------
    n_channels : int
    fine, coarse : tuple of int
        Sides of the image.
    """

    n_channels: int
    fine: tuple[int, ...]
    coarse: tuple[int, ...]

    @property
    def n_coarse(self):
        """Columns of a coarse row."""
        return self.n_channels * math.prod(self.coarse)

    def encode(self, rows):
        """Shrink fine rows: averages over a pixel's surroundings, read at the coarse pixels.

        Parameters
        ----------
        rows : Tensor of shape (n, n_channels * prod(fine))

        Returns
        -------
        coarse : Tensor of shape (n, n_coarse)
        """
        step = max(1, _CHUNK_VALUES // rows.shape[1])
        parts = [self._shrunk(part) for part in rows.split(step)]
        return torch.cat(parts) if parts else rows.new_empty(0, self.n_coarse)

    def _shrunk(self, rows):
        n = len(self.fine)
        images = rows.reshape(len(rows), self.n_channels, *self.fine)
        # Odd, so that the average is centred on the pixel.
        ratio = [f / c for f, c in zip(self.fine, self.coarse, strict=True)]
        kernel = [2 * round((q - 1) / 2) + 1 for q in ratio]
        padding = [k // 2 for k in kernel]
        images = _POOL[n](images, kernel, 1, padding, count_include_pad=False)
        images = F.interpolate(images, self.coarse, mode=_MODE[n], align_corners=True)
        return images.flatten(1)
