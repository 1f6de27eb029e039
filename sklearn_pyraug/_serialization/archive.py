"""Archives of tensors: files that hold data and run no code.

An archive is a file of safetensors. The text ``meta`` among the metadata in its header is a
checksum, a space and, as JSON, all that is no tensor.
"""

import json
import os
import stat
import zlib

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch

from ..io._atomic import atomic_write

_FORMAT = "sklearn-pyraug"
_VERSION = 1
# Bounds that are checked before anything is read, and that written files keep to. Parameters,
# labels and column names take kilobytes of JSON, and JSON takes up to twenty times its size in
# memory.
_MAX_HEADER_BYTES = 32 * 2**20
_MAX_HEADER_VALUES = 500_000


def write_archive(path, meta, tensors, *, overwrite=True):
    """Write tensors, and everything else as JSON, to one file of safetensors.

    The write is atomic. Equal content gives equal bytes.

    Parameters
    ----------
    path : str or path-like
        The new file.
    meta : dict
        Content of the JSON: strings as keys; None, booleans, finite numbers, strings,
        lists and dicts as values. The keys "format" and "version" are the archive's own.
    tensors : dict of str to Tensor
        Dense tensors of any shape, on any device; gradients are not kept.
    overwrite : bool, default=True
        Whether a file already there may be replaced.

    Raises
    ------
    ValueError
        If `meta` is not plain JSON, if a tensor cannot be stored, or if
        there is more than an archive holds.
    FileExistsError
        If `path` exists and `overwrite` is False.
    OSError
        If the file cannot be written.
    """
    payload = _dump(meta, tensors)
    try:
        _check_bounds(payload[8 : 8 + int.from_bytes(payload[:8], "little")])
    except ValueError as error:
        raise ValueError(
            f"There is more to write than an archive holds ({error}). Put arrays among the "
            "tensors, and leave out or merge columns, categories or classes."
        ) from None
    with atomic_write(path, overwrite=overwrite) as handle:
        handle.write(payload)


def read_archive(path):
    """Read an archive of `write_archive`, running no code from it.

    Parameters
    ----------
    path : str or path-like
        The archive.

    Returns
    -------
    meta : dict
        What was given as `meta`.
    tensors : dict of str to Tensor
        What was given as `tensors`, on the CPU.

    Raises
    ------
    ValueError
        If the file is damaged, no regular file, of another format or version, or declares sizes
        that it cannot hold or that are out of bounds.
    OSError
        If the file is missing or unreadable.
    """
    if not stat.S_ISREG((status := os.stat(path)).st_mode) and not stat.S_ISDIR(status.st_mode):
        raise _bad(path, "a pipe, a socket or a device")
    with open(path, "rb") as handle:
        start = handle.read(8)
        header = handle.read(min(int.from_bytes(start, "little"), _MAX_HEADER_BYTES + 1))
        try:
            _check_bounds(header)
        except ValueError as error:
            raise _bad(path, f"an archive that is out of bounds ({error})") from None
        try:
            checksum, _, text = json.loads(header)["__metadata__"]["meta"].partition(" ")
            # In the header, brackets and commas within a text may be escaped.
            _check_bounds(text.encode())
            meta = json.loads(text)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise _bad(path, f"not a readable archive ({error})") from error
        if not isinstance(meta, dict) or meta.pop("format", None) != _FORMAT:
            raise _bad(path, f"an archive that does not name the format {_FORMAT!r}")
        version = meta.pop("version", None)
        if type(version) is not int or version != _VERSION:
            raise _bad(path, f"an archive of version {version!r} where {_VERSION} is known")
        try:
            tensors = safetensors_torch.load(start + header + handle.read())
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise _bad(path, f"not a readable archive ({error})") from error
    if checksum != _checksum(text, tensors):
        raise _bad(path, "not a readable archive (its checksum differs)")
    return meta, tensors


def _checksum(text, tensors):
    """Return the CRC-32 of all that an archive holds, in hexadecimal digits."""
    crc = zlib.crc32(text.encode("utf-8"))
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode(), crc)
        crc = zlib.crc32(tensor.flatten().view(torch.uint8).numpy(), crc)
    return f"{crc:08x}"


def _check_bounds(header):
    """Raise ValueError if a header would make too many objects.

    Parameters
    ----------
    header : bytes
        JSON, within which `meta` is a text. Each value but the first follows a bracket or a comma.
    """
    n_values = sum(map(header.count, (b"[", b"{", b",")))
    for name, value, limit in (
        ("bytes of JSON", len(header), _MAX_HEADER_BYTES),
        ("values in JSON", n_values, _MAX_HEADER_VALUES),
    ):
        if value > limit:
            raise ValueError(f"{value} {name}, of at most {limit}")


def _bad(path, what):
    return ValueError(
        f"`path` is '{path}', which is {what}; give a file that this version of sklearn-pyraug "
        "can read, written by it and copied whole."
    )


def _dump(meta, tensors):
    """Return the bytes of an archive, or raise ValueError."""
    head = {"format": _FORMAT, "version": _VERSION}
    try:
        text = json.dumps(head | meta | head, allow_nan=False, ensure_ascii=False)
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"`meta` is not plain JSON ({error}); keep to None, booleans, finite numbers, "
            "strings, lists and dicts, and put arrays among the tensors."
        ) from error
    plain = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
            raise ValueError(
                f"`tensors` has {type(tensor).__name__} under {name!r}; give dense tensors."
            )
        # Each gets its own memory, because safetensors refuses views that share it.
        plain[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    try:
        # In one text, because the order of several would vary.
        return safetensors_torch.save(plain, {"meta": f"{_checksum(text, plain)} {text}"})
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"`tensors` cannot be stored ({error}); use strings as names and common dtypes."
        ) from error
