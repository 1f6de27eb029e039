"""Archives of tensors: files that hold data and run no code.

An archive is a zip file of exactly two uncompressed members: ``meta.json`` (a JSON object) and
``tensors.safetensors``.
"""

import json
import os
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
# Parameters, class labels and column names take kilobytes; more is no archive of ours, and
# parsing it would cost many times its size in memory.
_MAX_META_BYTES = 64 * 2**20


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
        If `meta` is not plain JSON or uses a reserved key, or if a tensor cannot be stored.
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
        If the file is damaged, of another format or version, has other members than the two,
        or declares sizes that it cannot hold.
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
    with open(path, "rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        with _damage_named(path):
            archive = zipfile.ZipFile(handle)
        with archive:
            _check_members(path, archive.infolist(), size)
            with _damage_named(path):
                meta_bytes, tensor_bytes = archive.read(_META), archive.read(_TENSORS)
    return _load_meta(path, meta_bytes), _load_tensors(path, tensor_bytes)


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
    reserved = {"format": _FORMAT, "version": _VERSION}
    for key in meta:
        if not isinstance(key, str) or key in reserved:
            raise ValueError(
                f"`meta` has the key {key!r}; use strings other than 'format' and 'version'."
            )
    try:
        text = json.dumps({**reserved, **meta}, allow_nan=False, ensure_ascii=False)
        restored = json.loads(text)
        payload = text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"`meta` is not plain JSON ({error}); keep to None, booleans, finite numbers, "
            "strings, lists and dicts, and put arrays among the tensors."
        ) from error
    # json turns the keys 1 and True into "1" and "true" without a word; tuples may become lists.
    if _keys(restored) != _keys({**reserved, **meta}):
        raise ValueError("`meta` has a nested key that is no string; use strings as keys.")
    if len(payload) > _MAX_META_BYTES:
        raise ValueError(
            f"`meta` takes {len(payload)} bytes of JSON; keep it below {_MAX_META_BYTES}, and "
            "put arrays among the tensors."
        )
    return payload


def _keys(value):
    """Return the nested structure of keys of a JSON value."""
    if isinstance(value, dict):
        return {key: _keys(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_keys(item) for item in value]
    return None


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
        limit = _MAX_META_BYTES if member.filename == _META else size
        if member.file_size > min(limit, size):
            raise _bad(path, f"an archive whose {member.filename} claims {member.file_size} bytes")


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
