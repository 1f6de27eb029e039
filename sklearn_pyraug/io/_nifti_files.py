"""Volumes in the NIfTI-1 and NIfTI-2 formats: one file, with or without gzip."""

import gzip
import io
import logging
import zlib
from math import prod

import numpy as np

from ._guards import BadFile, check_extent, check_unpacked
from ._picture import GREY, VOLUME, Picture, plain_dtype

# Extensions lie between header and voxels; whole DICOM headers fit in less.
_MAX_OFFSET = 2**24
# Some writers pad their last block.
_MAX_PADDING = 4096
# Of nibabel's log of what it repairs in a header.
_SILENT = logging.Logger("nibabel", logging.CRITICAL + 1)
# Free text, in which scanners leave names, dates and paths.
_TEXTS = {"descrip", "aux_file", "db_name", "intent_name"}


def read_nifti(handle, n_bytes, max_pixels, packed):
    """Read a volume, or an image where all axes after the second have length 1.

    The axes stay in nibabel's order, i, j, k, so that the affine fits them. Values are as
    stored where they are not scaled (slope 1, intercept 0) and float32 otherwise. Parameters are
    those of :func:`.read_npy`, and whether the file is gzipped.
    """
    try:
        stream = gzip.GzipFile(fileobj=handle, mode="rb") if packed else handle
        return _read(stream, n_bytes, max_pixels, packed)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadFile("is not a gzip file, or is damaged or cut off") from error


def write_nifti(handle, row, affine, header, packed):
    """Write a row as a NIfTI file.

    Parameters
    ----------
    handle : binary file object
    row : ndarray of shape (H, W) or (D, H, W)
        In a dtype that NIfTI has.
    affine : ndarray of shape (4, 4) or None
        None is the identity.
    header : nibabel header or None
        Its units and codes are written, but not its texts and extensions: these describe the
        person whose volume it was, and the row is not that volume.
    packed : bool
        Whether to gzip.
    """
    import nibabel

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
    # With the time of writing, equal volumes would give different files.
    handle.write(gzip.compress(payload, compresslevel=6, mtime=0) if packed else payload)


def _read(stream, n_bytes, max_pixels, packed):
    """Read the header, then as many bytes as it declares, then the volume from them."""
    import nibabel

    start = stream.read(nibabel.Nifti2Header.sizeof_hdr)
    image_class, header = _header(start)
    n_axes = int(header["dim"][0])
    if not 1 <= n_axes <= 7:
        raise BadFile(f"declares {n_axes} axes")
    shape = tuple(header["dim"][1 : n_axes + 1].tolist())
    check_extent(shape, max_pixels)
    offset = float(header["vox_offset"])
    if not header.sizeof_hdr <= offset <= _MAX_OFFSET:
        raise BadFile(f"has its voxels at byte {offset:g}, where no NIfTI file has them")
    try:
        dtype = header.get_data_dtype()
    except Exception as error:
        raise BadFile(f"has the unknown data type {int(header['datatype'])}") from error
    if not dtype.itemsize:
        raise BadFile(f"holds values of type {dtype}, not real numbers")
    plain_dtype(dtype)
    needed = int(offset) + prod(shape) * dtype.itemsize
    if packed:
        check_unpacked(needed, n_bytes)
    limit = needed + _MAX_PADDING
    payload = start
    # No memory is allocated for bytes that a file declares but does not have.
    if packed or needed <= n_bytes:
        payload += stream.read(max(limit + 1 - len(start), 0))
    if len(payload) < needed:
        raise BadFile(
            f"declares {needed} bytes, but has {len(payload) if packed else n_bytes}: the file "
            "is cut off or its header is wrong"
        )
    if len(payload) > limit:
        raise BadFile(f"goes on after the {needed} bytes that its header declares")
    try:
        header.check_fix(logger=_SILENT)
        proxy = nibabel.arrayproxy.ArrayProxy(io.BytesIO(payload), header, mmap=False)
        # Not by `from_bytes`, which would read extensions, perhaps a million.
        image = image_class(proxy, header.get_best_affine(), header)
        scaled = (proxy.slope, proxy.inter) != (1, 0)
        array = image.get_fdata(dtype=np.float32) if scaled else proxy.get_unscaled()
        affine = np.array(image.affine, dtype=np.float64)
    except Exception as error:
        raise BadFile("has a header that nibabel cannot read") from error
    if not np.isfinite(affine).all():
        raise BadFile("has an affine that is not finite")
    kept = shape
    while len(kept) > 2 and kept[-1] == 1:
        kept = kept[:-1]
    if len(kept) not in (2, 3):
        raise BadFile(f"holds an array of shape {shape}, neither an image nor a volume")
    kind = GREY if len(kept) == 2 else VOLUME
    return Picture(np.asarray(array).reshape(kept), kind, "", affine, image.header.copy())


def _header(start):
    """Return class and header of the image in a file's first bytes, extensions left out."""
    import nibabel

    for image_class in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        kind = image_class.header_class
        # nibabel would infer the byte order from the number of axes, which may be wrong.
        for order in "<>" if len(start) >= kind.sizeof_hdr else "":
            header = kind(start[: kind.sizeof_hdr], order, check=False)
            if header["sizeof_hdr"] == kind.sizeof_hdr and header["magic"] == kind.single_magic:
                return image_class, header
    raise BadFile("is not a NIfTI-1 or NIfTI-2 file that holds header and voxels")
