"""Checks of a file before it is read, and how messages show names."""

import difflib
import os
import stat
from importlib import import_module
from math import prod

import numpy as np

# Deflate packs at most 1032 bytes into one: a file that declares more is wrong.
_DEFLATE_RATIO = 1032
# Images compress far less. A file that unpacks to more bytes than this, at a higher ratio than
# this, is treated as a decompression bomb; a volume of 256 x 256 x 256 float32 is not.
_BOMB_BYTES, _BOMB_RATIO = 2**26 + 2**16, 32
_KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def import_optional(what, extra, *names):
    """Return the first of some modules, or raise ImportError that names the extra to install."""
    try:
        first, *_ = map(import_module, names)
    except ImportError as error:
        raise ImportError(
            f"{what} needs a package that cannot be imported ({error}); install it with "
            f'`pip install "sklearn-pyraug[{extra}]"`.'
        ) from error
    return first


class BadFile(ValueError):
    """A file that cannot be read; the message says what is wrong with it."""


def printable(text):
    r"""Return a name with control characters, and others that cannot be shown, as escapes.

    Examples
    --------
    >>> from sklearn_pyraug.io._guards import printable
    >>> printable("two\nlines")
    'two\\nlines'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def did_you_mean(name, known):
    """Return the end of a message that suggests known names like another; a full stop if none.

    Examples
    --------
    >>> from sklearn_pyraug.io._guards import did_you_mean
    >>> did_you_mean("Diagnosis", ["age", "diagnosis"])
    "; did you mean 'diagnosis'?"
    """
    by_lower = {str(other).lower(): str(other) for other in known}
    name = str(name).strip().lower()
    if name in by_lower:
        return f"; did you mean {by_lower[name]!r}?"
    close = difflib.get_close_matches(name, by_lower, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(by_lower[c]) for c in close)}?" if close else "."


def why(error):
    """Return the reason of an exception in one printable line."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.strip().splitlines()
    return printable(lines[0] if lines else type(error).__name__)[:200]


def place(root, file):
    """Return the path of a relative posix name inside `root`."""
    return os.path.join(root, *file.split("/"))


def open_inside(root, file):
    """Open a regular file of a folder, and nothing else.

    Parameters
    ----------
    root : str
        Folder that the file must be in once all symbolic links are followed.
    file : str
        Relative posix name.

    Returns
    -------
    handle : binary file object
    stamp : tuple of (int, int)
        Size in bytes and time of the last change in nanoseconds.

    Raises
    ------
    BadFile
        If it is outside the folder, is not a regular file, or cannot be opened.
    """
    try:
        path = os.path.realpath(place(root, file))
        top = os.path.realpath(root)
        if os.path.commonpath([path, top]) != top:
            raise BadFile("leads out of the folder")
        # Checked before opening: a pipe would wait for its other end, and a device might start.
        _check_regular(os.stat(path))
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.fdopen(os.open(path, flags), "rb")
    except BadFile:
        raise
    except (OSError, ValueError) as error:
        if os.path.islink(place(root, file)):
            raise BadFile(f"a symbolic link that cannot be followed ({why(error)})") from error
        raise BadFile(f"cannot be opened ({why(error)})") from error
    try:
        info = os.fstat(handle.fileno())
        _check_regular(info)
    except BaseException:
        handle.close()
        raise
    return handle, (info.st_size, info.st_mtime_ns)


def _check_regular(info):
    if not stat.S_ISREG(info.st_mode):
        kind = _KINDS.get(stat.S_IFMT(info.st_mode), "special file")
        raise BadFile(f"a {kind}, not a regular file")


def check_mask(synthetic_mask, n_rows):
    """Return which rows are synthetic as an array of bool of shape (n_rows,), or raise."""
    mask = np.asarray(synthetic_mask)
    if mask.dtype != np.bool_ or mask.shape != (n_rows,):
        raise ValueError(
            f"`synthetic_mask` has dtype {mask.dtype} and shape {mask.shape}; give one True or "
            f"False for each of {n_rows} rows."
        )
    return mask


def check_extent(shape, max_pixels):
    """Raise BadFile unless all axes are positive and have at most `max_pixels` together."""
    shown = " x ".join(map(str, shape))
    if any(length < 1 for length in shape):
        raise BadFile(f"declares the shape {shown}, which holds nothing")
    if prod(shape) > max_pixels:
        raise BadFile(f"declares {shown} pixels, more than max_pixels={max_pixels}")


def check_unpacked(n_bytes, n_packed):
    """Raise BadFile if compressed bytes cannot, or should not, unpack to `n_bytes`."""
    ratio = n_bytes / max(n_packed, 1)
    if ratio > _DEFLATE_RATIO + 1 and n_bytes > 2**16:
        raise BadFile(f"declares {n_bytes} bytes, which {n_packed} compressed ones cannot hold")
    check_bomb(n_bytes, n_packed)


def check_bomb(n_bytes, n_packed):
    """Raise BadFile if a small file unpacks to much."""
    if n_bytes > _BOMB_BYTES and n_bytes > _BOMB_RATIO * n_packed:
        raise BadFile(
            f"unpacks {n_packed} bytes to {n_bytes}, as a decompression bomb does; store it "
            "uncompressed if you trust it"
        )
