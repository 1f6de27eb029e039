"""Writing files and folders atomically, and removing what was left unfinished.

What is being written has a temporary name and is locked. Where nobody holds the lock, the process
was killed: the next one that writes to the same path removes what it has left.
"""

import os
import re
import secrets
import shutil
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ._guards import printable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# Most characters of the name that a temporary name repeats. Names have at most 255 bytes.
_MAX_NAME = 50
# Links are not followed, and named pipes are not waited for.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def atomic_write(path, *, overwrite=True):
    """Open a file that gets its name only once it is complete.

    The bytes go to a temporary name in the same folder, which replaces `path` when the block
    ends without an exception and is removed otherwise, so that no reader ever sees half a
    file and a failed write keeps the file that was there.

    Parameters
    ----------
    path : str or path-like
        Path of the file. Its folder must exist.
    overwrite : bool, default=True
        Whether to replace a file that exists.

    Yields
    ------
    handle : binary file object
        Open for writing and reading.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False, or is no regular file.
    FileNotFoundError
        If the folder is missing.
    OSError
        If it is not writable.
    """
    path = Path(path)
    _refuse_existing(path, overwrite)
    if not path.parent.exists():
        raise FileNotFoundError(
            f"`path` is '{printable(path)}', but there is no folder '{printable(path.parent)}'; "
            "make it first."
        )
    remove_leftovers(path)
    # Not by tempfile, whose files are private to their owner, whatever the umask, and would stay
    # private under the final name.
    try:
        temporary, held = begin(path, partial(Path.touch, exist_ok=False))
    except OSError as error:
        error.filename = os.fspath(path)
        raise
    try:
        with open(temporary, "r+b") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        if not _linked(temporary, path, overwrite):
            _refuse_existing(path, overwrite)
            os.replace(temporary, path)
    except OSError as error:
        # The error of a full disk does not name the file.
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(path)
        raise
    finally:
        end(temporary, held)


def _linked(temporary, path, overwrite):
    """Give a file its name if that is free, and return whether the file system could do so."""
    try:
        if not overwrite:
            os.link(temporary, path)
        return not overwrite
    except OSError:
        return False


def begin(path, make):
    """Make something next to a path under a temporary name, and lock it.

    Parameters
    ----------
    path : Path
    make : callable
        ``make(temporary)`` makes a file or a folder.

    Returns
    -------
    temporary : Path
    held : int or None
        Descriptor of the lock; None where the system has none.
    """
    while True:
        temporary = path.with_name(f".{path.name[:_MAX_NAME]}.{secrets.token_hex(4)}.tmp")
        held = None
        try:
            make(temporary)
            held = lock(temporary)
            if temporary.exists():
                return temporary, held
        except KeyboardInterrupt:
            end(temporary, held)
            raise
        # Another process took it for a leftover before it was locked.
        release(held)


def end(temporary, held):
    """Remove what still has its temporary name, and release the lock."""
    _remove(temporary)
    release(held)


def lock(path, wait=True):
    """Lock a file or folder; return the descriptor, or None where that is not possible."""
    with suppress(OSError, AttributeError):
        descriptor = os.open(path, _FLAGS)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            return descriptor
        except BaseException:
            os.close(descriptor)
            raise
    return None


def release(held):
    """Release a lock, if there is one."""
    if held is not None:
        os.close(held)


def remove_leftovers(path):
    """Remove what killed processes have left unfinished of a file or folder, or put it back.

    A folder that was moved out of the way for one that did not take its place is put back.
    """
    names = rf"\.{re.escape(path.name[:_MAX_NAME])}\.[0-9a-f]{{8}}\.(tmp|old)"
    try:
        found = [path.with_name(n) for n in os.listdir(path.parent) if re.fullmatch(names, n)]
    except OSError:
        return
    for leftover in found:
        held = lock(leftover, wait=False)
        if held is None:
            continue
        moved = leftover.suffix == ".old" and len(path.name) <= _MAX_NAME
        if moved and not os.path.lexists(path):
            os.rename(leftover, path)
            warnings.warn(
                f"A run that was killed had moved '{path}' to '{leftover.name}': it is put back.",
                UserWarning,
                stacklevel=4,
            )
        else:
            _remove(leftover)
        release(held)


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _refuse_existing(path, overwrite):
    # Otherwise a user with the rights would replace a device by a file.
    if path.exists() and not path.is_file():
        raise FileExistsError(
            f"`path` is '{printable(path)}', which is a folder or a device; choose another name."
        )
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(
            f"`path` is '{path}', which exists; choose another name, or pass overwrite=True to "
            "replace it."
        )
