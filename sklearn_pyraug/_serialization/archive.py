"""Archives of tensors: files that hold data and run no code.

An archive is a zip file of exactly two uncompressed members: ``meta.json`` (a JSON object) and
``tensors.safetensors``.
"""

import io
import json
import os
import stat
import zipfile
from contextlib import contextmanager

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch

from ..io._atomic import atomic_write

_FORMAT = "sklearn-pyraug"
_VERSION = 1
_META = "meta.json"
_TENSORS = "tensors.safetensors"
# What is read is bounded before anything is made of it, and what is written keeps to the same
# bounds. Parameters, labels and column names take kilobytes of JSON, and JSON takes up to twenty
# times its size in memory.
_MAX_META_BYTES = 16 * 2**20
_MAX_META_VALUES = 250_000
_MAX_HEADER_BYTES = 16 * 2**20
_MAX_TENSORS = 100_000
# Of two members; zipfile makes an object of each entry of a directory that it has read.
_MAX_DIRECTORY_BYTES = 2**17


def write_archive(path, meta, tensors, *, overwrite=True):
    """Write what is not a tensor as JSON and what is as safetensors, into one zip file.

    The write is atomic. Equal content gives equal bytes.

    Parameters
    ----------
    path : str or path-like
        Where the archive shall be.
    meta : dict
        Content of ``meta.json``: strings as keys; None, booleans, finite numbers, strings,
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

    See Also
    --------
    read_archive : The way back.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from sklearn_pyraug._serialization.archive import read_archive, write_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "model.pyraug"
    ...     write_archive(path, {"latent_dim": 2}, {"c": torch.zeros(2)})
    ...     read_archive(path)
    ({'latent_dim': 2}, {'c': tensor([0., 0.])})
    """
    payloads = {_META: _dump_meta(meta), _TENSORS: _dump_tensors(tensors)}
    try:
        _check_bounds(*payloads.values())
    except ValueError as error:
        raise ValueError(
            f"There is more to write than an archive holds ({error}). Put arrays among the "
            "tensors, and leave out or merge columns, categories or classes."
        ) from None
    with atomic_write(path, overwrite=overwrite) as handle:
        archive = zipfile.ZipFile(handle, "w")
        try:
            for name, payload in payloads.items():
                # A ZipInfo of its own has a fixed date and is stored uncompressed: the reader can
                # then hold each member's size against the file's own.
                archive.writestr(zipfile.ZipInfo(name), payload)
            archive.close()
        except BaseException:
            # Ctrl-C may leave a member open. To close the archive then is an error, which would
            # stand in the place of the interrupt; without a file, there is nothing to close.
            archive.fp = None
            raise


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
        If the file is damaged, no regular file, of another format or version, has other members
        than the two, or declares sizes that it cannot hold or that are out of bounds.
    OSError
        If the file is missing or unreadable.

    See Also
    --------
    write_archive : The way there, with an example.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_pyraug._serialization.archive import read_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "model.pyraug"
    ...     _ = path.write_bytes(b"not an archive")
    ...     try:
    ...         read_archive(path)
    ...     except ValueError as error:
    ...         print("not a readable archive" in str(error))
    True
    """
    if not stat.S_ISREG((status := os.stat(path)).st_mode) and not stat.S_ISDIR(status.st_mode):
        raise _bad(path, "a pipe, a socket or a device")
    with _BoundedFile(path, "rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        with _damage_named(path):
            archive = zipfile.ZipFile(handle)
        with archive:
            _check_members(path, archive.infolist(), size)
            handle.limit = size
            with _damage_named(path):
                meta_bytes, tensor_bytes = archive.read(_META), archive.read(_TENSORS)
    try:
        _check_bounds(meta_bytes, tensor_bytes)
    except ValueError as error:
        raise _bad(path, f"an archive that is out of bounds ({error})") from None
    return _load_meta(path, meta_bytes), _load_tensors(path, tensor_bytes)


class _BoundedFile(io.FileIO):
    """A file of which no more than `limit` bytes are read at once."""

    limit = _MAX_DIRECTORY_BYTES

    def read(self, size=-1):
        if size is not None and size > self.limit:
            raise ValueError(f"a part of {size} bytes is too long")
        return super().read(size)


def _check_bounds(meta, tensors):
    """Raise ValueError if the two members would make too many objects.

    Parameters
    ----------
    meta : bytes
        JSON. Each value but the first follows a bracket or a comma.
    tensors : bytes
        Of safetensors: the length of the header, the header, in which each tensor has a bracket,
        and the data.
    """
    header = tensors[8 : 8 + min(int.from_bytes(tensors[:8], "little"), len(tensors))]
    for name, value, limit in (
        ("bytes of JSON", len(meta), _MAX_META_BYTES),
        ("values in JSON", sum(map(meta.count, (b"[", b"{", b","))), _MAX_META_VALUES),
        ("bytes of names of tensors", len(header), _MAX_HEADER_BYTES),
        ("tensors", header.count(b"{"), _MAX_TENSORS),
    ):
        if value > limit:
            raise ValueError(f"{value} {name}, of at most {limit}")


@contextmanager
def _damage_named(path):
    """Turn what zipfile raises on damaged files into one ValueError.

    It lets damage through under many names: a wrong offset is a seek error (OSError or
    ValueError), an unknown feature NotImplementedError or RuntimeError.
    """
    try:
        yield
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError) as error:
        raise _bad(path, f"not a readable archive ({error})") from error


def _bad(path, what):
    return ValueError(
        f"`path` is '{path}', which is {what}; give a file that this version of sklearn-pyraug "
        "can read, written by it and copied whole."
    )


def _dump_meta(meta):
    """Return `meta` with the format's own two keys as JSON bytes, or raise ValueError."""
    head = {"format": _FORMAT, "version": _VERSION}
    try:
        text = json.dumps(head | meta | head, allow_nan=False, ensure_ascii=False)
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"`meta` is not plain JSON ({error}); keep to None, booleans, finite numbers, "
            "strings, lists and dicts, and put arrays among the tensors."
        ) from error


def _dump_tensors(tensors):
    """Return dense CPU copies of the tensors as safetensors bytes, or raise ValueError."""
    plain = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
            raise ValueError(
                f"`tensors` has {type(tensor).__name__} under {name!r}; give dense tensors."
            )
        # Own memory for each: safetensors refuses views that share it.
        plain[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    try:
        return safetensors_torch.save(plain)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"`tensors` cannot be stored ({error}); use strings as names and common dtypes."
        ) from error


def _check_members(path, members, size):
    """Raise ValueError unless the members are the two expected, of believable sizes."""
    names = sorted(member.filename for member in members)
    if names != [_META, _TENSORS]:
        shown = ", ".join(map(repr, names[:5])) or "none"
        raise _bad(path, f"a zip file with other members than an archive has ({shown})")
    for member in members:
        stored = member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1
        if not stored or member.file_size != member.compress_size:
            raise _bad(path, f"an archive with a compressed or encrypted member {member.filename}")
        if member.file_size > (_MAX_META_BYTES if member.filename == _META else size):
            raise _bad(path, f"an archive whose {member.filename} claims {member.file_size} bytes")
    if sum(member.file_size for member in members) > size:
        raise _bad(path, "an archive whose members overlap")


def _load_meta(path, payload):
    """Parse ``meta.json``, check format and version, and return the user's part."""
    try:
        meta = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"an archive with a damaged {_META} ({error})") from error
    if not isinstance(meta, dict) or meta.get("format") != _FORMAT:
        raise _bad(path, f"an archive whose {_META} does not name the format {_FORMAT!r}")
    version = meta.get("version")
    if type(version) is not int or version != _VERSION:
        raise _bad(path, f"an archive of version {version!r} where {_VERSION} is known")
    return {key: value for key, value in meta.items() if key not in ("format", "version")}


def _load_tensors(path, payload):
    try:
        return safetensors_torch.load(payload)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _bad(path, f"an archive with a damaged {_TENSORS} ({error})") from error
