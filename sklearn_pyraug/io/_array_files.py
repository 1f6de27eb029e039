"""Files of arrays: npy and npz of numpy. No code in them is ever run."""

import io
import sys
import zipfile
from contextlib import contextmanager
from math import prod

import numpy as np

from ._guards import BadFile, check_extent, check_unpacked
from ._picture import from_array, plain_dtype

# The header of a plain array takes 128 bytes; numpy refuses to parse more than 10,000.
_MAX_NPY_HEADER = 10_000
_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# The names that are looked for in an npz file of several arrays, in this order.
_NPZ_NAMES = ("X", "image", "arr_0")
_NPZ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npy(handle, n_bytes, max_pixels, n_packed=None):
    """Read one array of numbers from a npy file.

    Parameters
    ----------
    handle : binary file object
    n_bytes : int
        Size of the file.
    max_pixels : int
    n_packed : int, default=None
        Size of the compressed file, if it is a member of an archive.

    Returns
    -------
    picture : Picture

    Raises
    ------
    BadFile
        If the file is not what its suffix says, or larger than allowed.
    """

    def check(dtype, shape):
        plain_dtype(dtype)
        check_extent(shape, max_pixels)

    return from_array(_read_array(handle, n_bytes, n_packed, check))


def _read_array(handle, n_bytes, n_packed=None, check=None):
    # A header may declare a length of four gigabytes, so at most this much is read.
    start = io.BytesIO(handle.read(_MAX_NPY_HEADER))
    try:
        read_header = _NPY_HEADERS[np.lib.format.read_magic(start)]
        shape, _, dtype = read_header(start)
    # numpy parses literals only and runs nothing; a header that is not one fails in many ways.
    except Exception as error:
        raise BadFile("is not an array in numpy's npy format, or its header is damaged") from error
    if dtype.hasobject:
        raise BadFile("holds pickled Python objects, which are not read")
    if not dtype.itemsize:
        raise BadFile(f"holds values of type {dtype}, which are empty")
    if check is not None:
        check(dtype, shape)
    needed = prod(shape) * dtype.itemsize
    available = n_bytes - start.tell()
    if needed > available:
        raise BadFile(
            f"declares an array of {needed} bytes, but has {available}: the file is cut off or "
            "its header is wrong"
        )
    if n_packed is not None:
        check_unpacked(needed, n_packed)
    handle.seek(0)
    array = np.lib.format.read_array(handle, allow_pickle=False)
    # Numbers that are no characters crash whatever reads the text.
    if dtype.kind == "U" and array.size:
        codes = np.ascontiguousarray(array).view(f"{dtype.byteorder}u4")
        if codes.max() > sys.maxunicode:
            raise BadFile("holds text of numbers that are no characters")
    return array


def read_npz(handle, n_bytes, max_pixels):
    """Read one array from an npz file: the only one, or the one named X, image or arr_0.

    Parameters, results and errors are those of `read_npy`.
    """
    with _zip(handle) as archive:
        member = _choose_member(archive.infolist())
        with _member(archive, member, n_bytes) as (stream, n_packed):
            return read_npy(stream, member.file_size, max_pixels, n_packed)


def read_npz_arrays(handle, n_bytes, names):
    """Read some arrays from an npz file.

    Parameters
    ----------
    handle : binary file object
    n_bytes : int
        Size of the file.
    names : sequence of str

    Returns
    -------
    arrays : dict of str to ndarray
        Those of `names` that there are; the other members are not read.
    all_names : list of str
        Of all arrays of the file.

    Raises
    ------
    BadFile
        As by `read_npy`.
    """
    found = {}
    with _zip(handle) as archive:
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        for name in [name for name in names if name in members]:
            with _member(archive, members[name], n_bytes) as (stream, n_packed):
                found[name] = _read_array(stream, members[name].file_size, n_packed)
    return found, list(members)


@contextmanager
def _member(archive, member, n_bytes):
    """Open one array of an npz file; yield it and the size of what it is compressed to."""
    if member.flag_bits & 1 or member.compress_type not in _NPZ_METHODS:
        raise BadFile(
            f"holds {member.filename!r} encrypted or compressed by another method than deflate"
        )
    with archive.open(member) as stream:
        yield stream, min(member.compress_size, n_bytes)
        # zipfile compares the check sum only at the end of the stream.
        if stream.read(1):
            raise BadFile("goes on after its array")


def _zip(handle):
    try:
        return zipfile.ZipFile(handle)
    # Damaged files raise many errors: a wrong offset is an OSError or a ValueError.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadFile("is not an npz file, or is damaged") from error


def _choose_member(members):
    arrays = {m.filename.removesuffix(".npy"): m for m in members if m.filename.endswith(".npy")}
    for name in arrays if len(arrays) == 1 else _NPZ_NAMES:
        if name in arrays:
            return arrays[name]
    raise BadFile(
        f"holds {len(arrays)} arrays; keep one, or name the image one of {', '.join(_NPZ_NAMES)}"
    )
