"""Images in the formats of Pillow: png, jpg, bmp, and tif of one or several pages."""

import io
import warnings

import numpy as np

from ._guards import BadFile, check_extent
from ._picture import COLOUR, GREY, VOLUME, Picture

_NAMES = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF"}
# Each page costs a look, and pages of one pixel would come by the million.
_MAX_PAGES = 2048
_AS_GREY = ("1", "L", "LA", "La")
_AS_STORED = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
# Where the bit depth stands in a PNG file: signature, length and name of the first chunk, sizes.
_PNG_DEPTH = 24


def import_pillow():
    """Return the package PIL with its module Image, or raise ImportError with the remedy."""
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError(
            "png, jpg, bmp and tif files need Pillow, which is missing; install it with "
            '`pip install "sklearn-pyraug[images]"`.'
        ) from error
    return PIL


def read_pillow(handle, n_bytes, max_pixels, format):
    """Read an image, or a tif file's pages as a volume.

    The palette is applied, alpha is dropped, 1 bit becomes 0 and 255, and the orientation that
    the EXIF data ask for is applied.

    Parameters
    ----------
    handle : binary file object
    n_bytes : int
        Size of the file.
    max_pixels : int
    format : {"png", "jpg", "bmp", "tif"}
        The only one that is tried.

    Returns
    -------
    picture : Picture

    Raises
    ------
    BadFile
        If the file is not what its suffix says, or larger than allowed.
    """
    pil = import_pillow()
    name = _NAMES[format]
    start = handle.read(_PNG_DEPTH + 1)
    handle.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pil.Image.DecompressionBombWarning)
            with pil.Image.open(handle, formats=[name]) as image:
                if format == "tif":
                    return _read_pages(pil, image, max_pixels)
                deep = format == "png" and start[_PNG_DEPTH:] == b"\x10"
                return _read_page(pil, image, max_pixels, deep_png=deep)
    except pil.UnidentifiedImageError as error:
        raise BadFile(f"is not a {name} file, or its header is damaged") from error
    except (pil.Image.DecompressionBombError, pil.Image.DecompressionBombWarning) as error:
        raise BadFile("has more pixels than Pillow's MAX_IMAGE_PIXELS, a safeguard") from error


def encode_pillow(row, kind, format):
    """Return a row as the bytes of an image file.

    Parameters
    ----------
    row : ndarray of shape (H, W), (3, H, W) or (D, H, W)
        In a dtype that the format holds.
    kind : {"grey", "colour", "volume"}
    format : {"png", "jpg", "bmp", "tif"}

    Returns
    -------
    payload : bytes
    """
    pil = import_pillow()
    pages = row if kind == VOLUME else [np.moveaxis(row, 0, 2) if kind == COLOUR else row]
    first, *rest = [pil.Image.fromarray(np.ascontiguousarray(page)) for page in pages]
    options = {}
    if format == "jpg":
        options = {"quality": 95, "subsampling": 0}
    elif kind == VOLUME:
        options = {"save_all": True, "append_images": rest}
    buffer = io.BytesIO()
    first.save(buffer, format=_NAMES[format], **options)
    return buffer.getvalue()


def _read_page(pil, image, max_pixels, deep_png=False):
    """Return the Picture of the page that an opened image is at."""
    check_extent(image.size[::-1], max_pixels)
    image.load()
    image = pil.ImageOps.exif_transpose(image)
    if image.mode in _AS_GREY:
        return Picture(np.array(image.convert("L")), GREY)
    if image.mode in _AS_STORED:
        # Older Pillow widens 16-bit grey PNG to 32 bits.
        array = np.array(image)
        return Picture(array.astype(np.uint16) if deep_png else array, GREY)
    note = "16-bit colour, of which Pillow reads 8 bits" if deep_png else ""
    return Picture(np.moveaxis(np.array(image.convert("RGB")), 2, 0), COLOUR, note)


def _read_pages(pil, image, max_pixels):
    """Return the Picture of a tif file: an image if it has one page, a volume if more."""
    if _has_page(image, _MAX_PAGES):
        raise BadFile(f"has more than {_MAX_PAGES} pages")
    pages = []
    n_left = max_pixels
    while _has_page(image, len(pages)):
        if n_left < image.size[0] * image.size[1] and pages:
            raise BadFile(f"has pages of more than max_pixels={max_pixels} together")
        page = _read_page(pil, image, n_left)
        n_left -= page.array.size
        if pages and (page.kind, page.array.shape) != (pages[0].kind, pages[0].array.shape):
            raise BadFile("has pages of different sizes or kinds, which are no volume")
        pages.append(page)
    if len(pages) == 1:
        return pages[0]
    if pages[0].kind == COLOUR:
        raise BadFile(f"has {len(pages)} pages in colour; a volume is of grey ones")
    return Picture(np.stack([page.array for page in pages]), VOLUME)


def _has_page(image, number):
    """Go to a page of an opened tif file, and tell whether there is one."""
    try:
        image.seek(number)
    except EOFError:
        return False
    return True
