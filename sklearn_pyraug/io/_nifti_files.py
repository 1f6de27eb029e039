"""Volumes in the NIfTI-1 and NIfTI-2 formats: one file, with or without gzip."""

import gzip
import zlib
from math import prod

import numpy as np

from ._guards import BadFile, check_extent, check_unpacked
from ._picture import GREY, VOLUME, Picture

# Bytes of the header, of where its magic is and how that starts.
_VERSIONS = {348: (344, b"n+1\0"), 540: (4, b"n+2\0")}
# Extensions stand between header and voxels; whole DICOM headers fit in less.
_MAX_OFFSET = 2**24
# Some writers fill up their last block.
_MAX_PADDING = 4096
# Free text, in which scanners leave names, dates and paths.
_TEXTS = {"descrip", "aux_file", "db_name", "intent_name"}


def import_nibabel():
    """Return nibabel, or raise ImportError with the remedy."""
    try:
        import nibabel
    except ImportError as error:
        raise ImportError(
            "nii and nii.gz files need nibabel, which is missing; install it with "
            '`pip install "sklearn-pyraug[images]"`.'
        ) from error
    return nibabel


def read_nifti(handle, n_bytes, max_pixels, packed):
    """Read a volume, or an image where all axes after the second have length 1.

    The axes stay in nibabel's order, i, j, k, so that the affine fits them. Values are as
    stored where they are not scaled (slope 1, intercept 0) and float32 otherwise.

    Parameters
    ----------
    handle : binary file object
    n_bytes : int
        Size of the file.
    max_pixels : int
    packed : bool
        Whether the file is gzipped.

    Returns
    -------
    picture : Picture

    Raises
    ------
    BadFile
        If the file is not what its suffix says, or larger than allowed.
    """
    nibabel = import_nibabel()
    if not packed:
        return _read(nibabel, handle, n_bytes, max_pixels, packed)
    try:
        with gzip.GzipFile(fileobj=handle, mode="rb") as stream:
            return _read(nibabel, stream, n_bytes, max_pixels, packed)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadFile("is not a gzip file, or is damaged or cut off") from error


def encode_nifti(row, affine, header, packed):
    """Return a row as the bytes of a NIfTI file.

    Parameters
    ----------
    row : ndarray of shape (H, W) or (D, H, W)
        In a dtype that NIfTI knows.
    affine : ndarray of shape (4, 4) or None
        None is the identity.
    header : nibabel header or None
        Whose units and codes are taken over, without its texts and extensions: they tell of the
        person whose volume it was, which this one is not.
    packed : bool
        Whether to gzip.

    Returns
    -------
    payload : bytes
    """
    nibabel = import_nibabel()
    image_class = nibabel.Nifti1Image
    if header is not None:
        header = header.copy()
        header.extensions.clear()
        for field in _TEXTS.intersection(header.keys()):
            header[field] = b""
        if isinstance(header, nibabel.Nifti2Header):
            image_class = nibabel.Nifti2Image
    affine = np.eye(4) if affine is None else affine
    payload = image_class(row, affine, header, dtype=row.dtype).to_bytes()
    # The time would make equal volumes unequal files.
    return gzip.compress(payload, compresslevel=6, mtime=0) if packed else payload


def _read(nibabel, stream, n_bytes, max_pixels, packed):
    """Read header, then as many bytes as it promises, then the volume from them."""
    start = stream.read(max(_VERSIONS))
    header = _header(nibabel, start)
    n_axes = int(header["dim"][0])
    shape = tuple(int(length) for length in header["dim"][1 : max(n_axes, 0) + 1])
    if not 1 <= n_axes <= 7:
        raise BadFile(f"declares {n_axes} axes")
    check_extent(shape, max_pixels)
    offset = float(header["vox_offset"])
    if not int(header["sizeof_hdr"]) <= offset <= _MAX_OFFSET:
        raise BadFile(f"has its voxels at byte {offset:g}, where no NIfTI file has them")
    needed = int(offset) + prod(shape) * _dtype(header).itemsize
    if packed:
        check_unpacked(needed, n_bytes)
    elif needed > n_bytes:
        raise BadFile(f"declares {needed} bytes, but has {n_bytes}: cut off, or wrong")
    limit = needed + _MAX_PADDING
    payload = start + stream.read(max(limit + 1 - len(start), 0))
    if len(payload) < needed:
        raise BadFile(f"declares {needed} bytes, but has {len(payload)}: cut off, or wrong")
    if len(payload) > limit:
        raise BadFile(f"goes on after the {needed} bytes that its header declares")
    return _picture(nibabel, type(header), payload, shape)


def _header(nibabel, start):
    """Return the header at the start of a file, without looking at its extensions."""
    for size, (position, magic) in _VERSIONS.items():
        for order, mark in (("little", "<"), ("big", ">")):
            if len(start) < size or start[:4] != size.to_bytes(4, order):
                continue
            if start[position : position + 4] != magic:
                break
            kind = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
            # Unasked, nibabel tells the byte order by the number of axes, which may be wrong.
            return kind(start[:size], endianness=mark, check=False)
    raise BadFile("is not a NIfTI-1 or NIfTI-2 file that holds header and voxels")


def _dtype(header):
    try:
        dtype = header.get_data_dtype()
    except Exception as error:
        raise BadFile(f"has the unknown data type {int(header['datatype'])}") from error
    if dtype.kind not in "iuf" or dtype.itemsize == 0:
        raise BadFile(f"holds values of type {dtype}, not real numbers")
    return dtype


def _picture(nibabel, header_class, payload, shape):
    image_class = (
        nibabel.Nifti2Image if header_class is nibabel.Nifti2Header else nibabel.Nifti1Image
    )
    try:
        # It tells of every field that it mends on stderr.
        with nibabel.imageglobals.LoggingOutputSuppressor():
            image = image_class.from_bytes(payload)
            scaled = (image.dataobj.slope, image.dataobj.inter) != (1, 0)
            array = image.get_fdata(dtype=np.float32) if scaled else image.dataobj.get_unscaled()
            affine = np.array(image.affine, dtype=np.float64)
    except Exception as error:
        raise BadFile("has a header that nibabel cannot make sense of") from error
    if not np.isfinite(affine).all():
        raise BadFile("has an affine that is not finite")
    kept = list(shape)
    while len(kept) > 2 and kept[-1] == 1:
        kept.pop()
    if len(kept) not in (2, 3):
        raise BadFile(f"holds an array of shape {shape}, neither an image nor a volume")
    kind = GREY if len(kept) == 2 else VOLUME
    return Picture(np.asarray(array).reshape(kept), kind, "", affine, image.header.copy())
