"""Images in the formats of Pillow: png, jpg, bmp, and tif of one or several pages."""

import warnings
from math import prod

import numpy as np

from ._guards import BadFile, check_bomb, check_extent
from ._picture import COLOUR, GREY, VOLUME, Picture

_NAMES = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF"}
# Each page takes time to read, and a small file may declare millions of them.
_MAX_PAGES = 2048
_AS_GREY = ("1", "L", "LA", "La")
_AS_STORED = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
# Each scan of a jpg covers the whole image; usual files have at most a dozen.
_MAX_SCANS, _SCAN = 50, b"\xff\xda"
# Position of the bit depth in a PNG file: after signature, first chunk's length and name, sizes.
_PNG_DEPTH = 24


def read_pillow(handle, n_bytes, max_pixels, format):
    """Read an image, or a tif file's pages as a volume.

    The palette is applied, alpha is dropped, 1 bit becomes 0 and 255, and the EXIF orientation
    is applied. Parameters are those of :func:`.read_npy`, and the only format that is tried.
    """
    from PIL import Image, UnidentifiedImageError

    name = _NAMES[format]
    start = handle.read(_PNG_DEPTH + 1)
    handle.seek(0)
    if format == "jpg":
        if handle.read().count(_SCAN) > _MAX_SCANS:
            raise BadFile(f"has more than {_MAX_SCANS} scans")
        handle.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(handle, formats=[name]) as image:
                if format == "tif":
                    return _read_pages(image, n_bytes, max_pixels)
                deep = format == "png" and start[_PNG_DEPTH:] == b"\x10"
                return _read_page(image, n_bytes, max_pixels, deep_png=deep)
    except UnidentifiedImageError as error:
        raise BadFile(f"is not a {name} file, or its header is damaged") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadFile("has more pixels than Pillow's MAX_IMAGE_PIXELS, a safeguard") from error


def write_pillow(handle, row, kind, format):
    """Write a row as an image file.

    Parameters
    ----------
    handle : binary file object
        Also readable: pages of tif files are linked after they are written.
    row : ndarray of shape (H, W), (3, H, W) or (D, H, W)
        In a dtype that the format has.
    kind : {"grey", "colour", "volume"}
    format : {"png", "jpg", "bmp", "tif"}
    """
    from PIL import Image

    pages = row if kind == VOLUME else [np.moveaxis(row, 0, 2) if kind == COLOUR else row]
    first, *rest = [Image.fromarray(np.ascontiguousarray(page)) for page in pages]
    options = {"save_all": True, "append_images": rest} if kind == VOLUME else {}
    if format == "jpg":
        options = {"quality": 95, "subsampling": 0}
    first.save(handle, format=_NAMES[format], **options)


def _read_page(image, n_bytes, max_pixels, deep_png=False):
    """Return the Picture of the current page of an open image in a file of `n_bytes` bytes."""
    from PIL import ImageOps

    check_extent(image.size[::-1], max_pixels)
    check_bomb(3 * prod(image.size), n_bytes)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in _AS_GREY:
        return Picture(np.array(image.convert("L")), GREY)
    if image.mode in _AS_STORED:
        # Older Pillow widens 16-bit grey PNG to 32 bits.
        array = np.array(image)
        return Picture(array.astype(np.uint16) if deep_png else array, GREY)
    note = "16-bit colour, of which Pillow reads 8 bits" if deep_png else ""
    colour = image if image.mode == "RGB" else image.convert("RGB")
    return Picture(np.moveaxis(np.array(colour), 2, 0), COLOUR, note)


def _read_pages(image, n_bytes, max_pixels):
    """Return the Picture of a tif file: an image if it has one page, a volume if more."""
    from PIL import ImageSequence

    pages = []
    n_left = max_pixels
    for page in ImageSequence.Iterator(image):
        if len(pages) == _MAX_PAGES:
            raise BadFile(f"has more than {_MAX_PAGES} pages")
        if pages and n_left < page.size[0] * page.size[1]:
            raise BadFile(f"has pages with more than max_pixels={max_pixels} in total")
        check_bomb(3 * prod(page.size) * (len(pages) + 1), n_bytes)
        pages.append(_read_page(page, n_bytes, n_left))
        n_left -= pages[-1].array.size
        if (pages[-1].kind, pages[-1].array.shape) != (pages[0].kind, pages[0].array.shape):
            raise BadFile("has pages of different sizes or kinds, which are not a volume")
    if len(pages) == 1:
        return pages[0]
    if pages[0].kind == COLOUR:
        raise BadFile(f"has {len(pages)} pages in colour; the pages of a volume must be grey")
    return Picture(np.stack([page.array for page in pages]), VOLUME)
