"""Writing files atomically."""

import os
import secrets
from contextlib import contextmanager
from pathlib import Path


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
        If `path` exists and `overwrite` is False.
    OSError
        If the folder is missing or not writable.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_pyraug.io._atomic import atomic_write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "greeting.txt"
    ...     with atomic_write(path) as handle:
    ...         _ = handle.write(b"hello")
    ...     path.read_text()
    'hello'
    """
    path = Path(path)
    _refuse_existing(path, overwrite)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    # open() and not tempfile: its files are private to their owner, whatever the umask says,
    # and would stay so under the final name.
    handle = open(temporary, "x+b")
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        _refuse_existing(path, overwrite)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _refuse_existing(path, overwrite):
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(
            f"`path` is '{path}', which exists; choose another name, or pass overwrite=True to "
            "replace it."
        )
