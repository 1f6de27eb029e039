"""Files of arrays: npy and npz of numpy, pt of PyTorch. No code in them is ever run."""

import io
import sys
import zipfile
from math import prod

import numpy as np
import torch

from ._guards import BadFile, check_extent, check_unpacked
from ._picture import from_array, plain_dtype

# The header of a plain array takes 128 bytes; numpy itself parses no more than this unasked.
_MAX_NPY_HEADER = 10_000
# The names that are looked for in an npz file of several arrays, in this order.
_NPZ_NAMES = ("X", "image", "arr_0")
# The pickled description of a tensor takes some hundred bytes.
_MAX_PT_PICKLE = 2**16


def read_npy(handle, n_bytes, max_pixels):
    """Read one array from a npy file.

    Parameters
    ----------
    handle : binary file object
    n_bytes : int
        Size of the file.
    max_pixels : int

    Returns
    -------
    picture : Picture

    Raises
    ------
    BadFile
        If the file is not what its suffix says, or larger than allowed.
    """
    shape, fortran, dtype, n_header = _npy_header(handle, max_pixels)
    needed = prod(shape) * dtype.itemsize
    if n_header + needed > n_bytes:
        raise BadFile(
            f"declares an array of {needed} bytes, but has {n_bytes - n_header}: cut off, or wrong"
        )
    return from_array(_npy_array(handle.read(needed), shape, fortran, dtype))


def read_npz(handle, n_bytes, max_pixels):
    """Read one array from an npz file: the only one, or that named X, image or arr_0.

    Parameters, results and errors are those of `read_npy`.
    """
    with _zip(handle, "an npz file") as archive:
        member = _choose_member(archive.infolist())
        if member.flag_bits & 1 or member.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise BadFile(f"holds {member.filename!r} encrypted or in a rare compression")
        with archive.open(member) as stream:
            shape, fortran, dtype, n_header = _npy_header(stream, max_pixels)
            needed = prod(shape) * dtype.itemsize
            if n_header + needed != member.file_size:
                raise BadFile(
                    f"declares an array of {needed} bytes in a member of {member.file_size}"
                )
            check_unpacked(needed, min(member.compress_size, n_bytes))
            payload = stream.read(needed)
            # The check sum is compared at the end of the stream alone.
            stream.read(1)
    return from_array(_npy_array(payload, shape, fortran, dtype))


def read_pt(handle, n_bytes, max_pixels):
    """Read one dense tensor from a file of `torch.save`.

    Parameters, results and errors are those of `read_npy`.
    """
    with _zip(handle, "a file that torch.save of PyTorch 1.6 or later wrote") as archive:
        members = archive.infolist()
    # PyTorch stores its members as they are: compressed ones could unpack to any size.
    if any(member.file_size != member.compress_size for member in members):
        raise BadFile("holds compressed members, which torch.save does not write")
    if sum(member.file_size for member in members) > n_bytes:
        raise BadFile(f"declares more bytes than its {n_bytes}")
    for member in members:
        if member.filename.endswith("data.pkl") and member.file_size > _MAX_PT_PICKLE:
            raise BadFile("holds more than one tensor")
        # torch.load of versions before 2.6 runs TorchScript.
        if member.filename.endswith("constants.pkl"):
            raise BadFile("holds a TorchScript program, not one tensor")
    handle.seek(0)
    # torch.load takes a zip file after other bytes for one of the formats before PyTorch 1.6.
    if handle.read(4) != b"PK\x03\x04":
        raise BadFile("does not begin as a file of torch.save does")
    handle.seek(0)
    try:
        with zipfile.ZipFile(handle) as archive:
            orders = [archive.read(m) for m in members if m.filename.endswith("byteorder")]
        if any(order != sys.byteorder.encode() for order in orders):
            raise BadFile("is of a machine with another order of bytes")
        handle.seek(0)
        tensor = torch.load(handle, map_location="cpu", weights_only=True)
    except BadFile:
        raise
    except Exception as error:
        # Its own message goes on to recommend weights_only=False.
        raise BadFile("holds something else than one tensor, or is damaged") from error
    if not isinstance(tensor, torch.Tensor):
        raise BadFile(f"holds a {type(tensor).__name__}, not one tensor")
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise BadFile("holds a sparse, quantized or empty (meta) tensor")
    # Earlier versions of torch believe the size that is declared, and read beyond what is stored.
    stored = [member.file_size for member in members if "/data/" in member.filename]
    if tensor.untyped_storage().nbytes() > min(stored, default=0):
        raise BadFile("declares more values than it stores")
    # A view may repeat one stored value any number of times.
    check_extent(tensor.shape, max_pixels)
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    try:
        array = tensor.numpy()
    except TypeError as error:
        raise BadFile(f"holds a tensor of {tensor.dtype}, which numpy lacks") from error
    return from_array(array)


def encode_npy(row):
    """Return an array as the bytes of a npy file."""
    buffer = io.BytesIO()
    np.save(buffer, row, allow_pickle=False)
    return buffer.getvalue()


def encode_npz(row):
    """Return an array as the bytes of an npz file with the one array X."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, X=row)
    return buffer.getvalue()


def encode_pt(row):
    """Return an array as the bytes of a pt file."""
    buffer = io.BytesIO()
    # A copy, because a view would be saved with all of the rows around it.
    torch.save(torch.from_numpy(np.array(row)), buffer)
    return buffer.getvalue()


def _zip(handle, what):
    try:
        return zipfile.ZipFile(handle)
    # Damage comes under many names: a wrong offset is an OSError or a ValueError.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadFile(f"is not {what}, or is damaged") from error


def _choose_member(members):
    arrays = {m.filename.removesuffix(".npy"): m for m in members if m.filename.endswith(".npy")}
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    for name in _NPZ_NAMES:
        if name in arrays:
            return arrays[name]
    raise BadFile(
        f"holds {len(arrays)} arrays; keep one, or name the image one of {', '.join(_NPZ_NAMES)}"
    )


def _npy_header(stream, max_pixels):
    """Return shape, order, dtype and length of a npy header that was found believable."""
    start = stream.read(10)
    if len(start) < 10 or start[:6] != b"\x93NUMPY":
        raise BadFile("is not an array of numpy's npy format")
    version = (start[6], start[7])
    if version not in ((1, 0), (2, 0)):
        raise BadFile(f"is of version {version} of the npy format, which is not known")
    # The length is read here: numpy would fetch the four gigabytes that version 2 can name.
    length_bytes = start[8:] if version == (1, 0) else start[8:] + stream.read(2)
    length = int.from_bytes(length_bytes, "little")
    if length > _MAX_NPY_HEADER:
        raise BadFile(f"has a npy header of {length} bytes, more than an array's description takes")
    header = io.BytesIO(length_bytes + stream.read(length))
    parse = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    try:
        shape, fortran, dtype = parse(header)
    # numpy parses literals alone, and runs nothing; what is none fails in many ways.
    except Exception as error:
        raise BadFile("has a npy header that is no description of an array") from error
    if dtype.hasobject:
        raise BadFile("holds pickled Python objects, which are not read")
    plain_dtype(dtype)
    check_extent(shape, max_pixels)
    return shape, fortran, dtype, 8 + len(length_bytes) + length


def _npy_array(payload, shape, fortran, dtype):
    if len(payload) != prod(shape) * dtype.itemsize:
        raise BadFile("ends before its array does")
    return np.frombuffer(payload, dtype).reshape(shape, order="F" if fortran else "C")
