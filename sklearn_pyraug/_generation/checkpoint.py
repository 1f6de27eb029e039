"""A folder in which trainings are kept while they run, one file for each group of classes.

``run.json`` names, by their digests, the data and the parameters that the folder belongs to; a
file ``group-0000.state`` is an archive, see :mod:`.._serialization.archive`, with the state of one
stack. All are data, written under a temporary name first: a process that is killed leaves whole
files.
"""

import json
import logging
import os
import time
import warnings
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

from .._serialization.archive import read_archive, write_archive
from ..io._atomic import atomic_write, remove_leftovers
from ..io._guards import open_inside, why
from ..rhvae.training.resume import TrainingState

_logger = logging.getLogger(__name__)
_FORMAT = "sklearn-pyraug-checkpoint"
_VERSION = 1
_RUN = "run.json"
_MAX_RUN_BYTES = 2**20


class _Run(NamedTuple):
    """What a folder belongs to.

    Attributes
    ----------
    root : int
        Root seed.
    parts : dict of str to str
        A digest for each thing that the weights depend on.
    """

    root: int
    parts: dict


class CheckpointFolder:
    """The parameter `checkpoint` of the augmenter.

    Parameters
    ----------
    path : str or path-like
        The folder; it is made where it is missing.
    interval : int or float
        Epochs or seconds between two writes.

    Raises
    ------
    ValueError
        If the path is no folder, or is used by something else.
    OSError
        If the folder cannot be made or read.
    """

    def __init__(self, path, interval):
        self.path = Path(path).resolve()
        self.interval = interval
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(
                f"checkpoint='{path}' is a file. Name a folder; it is made where it is missing."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._not_writable(error) from None
        self._run = self._read()

    def root(self, random_state, root):
        """Return the root seed to train with: without a `random_state`, that of the run here."""
        return self._run.root if random_state is None and self._run is not None else root

    def claim(self, root, parts):
        """Make the folder that of a training, or see that it is.

        Parameters
        ----------
        root : int
            Root seed.
        parts : dict of str to str
            By name, digests of what the weights depend on.
        """
        run = _Run(root, parts)
        if self._run is None:
            content = {"format": _FORMAT, "version": _VERSION, **run._asdict()}
            try:
                with atomic_write(self.path / _RUN, overwrite=False) as handle:
                    handle.write(json.dumps(content, indent=1).encode())
                self._run = run
            except FileExistsError:
                # Meanwhile another run has begun: the same training, or one that is refused below.
                self._run = self._read()
            except OSError as error:
                raise self._not_writable(error) from None
        before = self._run.parts
        other = [name for name in parts | before if parts.get(name) != before.get(name)]
        if self._run.root != root:
            other.append("random_state")
        if other:
            raise ValueError(
                f"checkpoint='{self.path}' holds the state of a training with other "
                f"{', '.join(other)}, which cannot go on with these. Name another folder for "
                "each training, or delete this one if it is not needed. In cross-validation, "
                "where each fold has other data, use memory in its place."
            )

    def _not_writable(self, error):
        message = (
            f"checkpoint='{self.path}' cannot be written ({why(error)}). Free space, or name a "
            "folder that you can write to."
        )
        return OSError(error.errno, message)

    def store(self, i, key):
        """Return the store of group number `i`, whose training has the digest `key`."""
        return GroupStore(self.path / f"group-{i:04d}.state", key, self.interval)

    def _read(self):
        path = self.path / _RUN
        if not os.path.lexists(path):
            return None
        try:
            # This opens neither a link out of the folder nor a pipe.
            handle, (n_bytes, _) = open_inside(self.path, _RUN)
            with handle:
                if n_bytes > _MAX_RUN_BYTES:
                    raise ValueError(f"it has {n_bytes} bytes")
                content = json.loads(handle.read(_MAX_RUN_BYTES))
            if content["format"] != _FORMAT or content["version"] != _VERSION:
                raise ValueError(f"it is of version {content['version']!r}")
            run = _Run(content["root"], content["parts"])
            texts = [*run.parts.keys(), *run.parts.values()]
            if type(run.root) is not int or not all(isinstance(v, str) for v in texts):
                raise ValueError("it does not name a run")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"checkpoint='{self.path}' has a file {_RUN} that is damaged or not of this "
                f"package ({why(error)}). Delete the folder if it is of no use, or name another."
            ) from None
        return run


class GroupStore:
    """Where the state of one stack is kept; the training loop asks it when to write.

    Parameters
    ----------
    path : Path
        The file.
    key : str
        Digest of the training.
    interval : int or float
        Epochs or seconds between two writes.
    """

    def __init__(self, path, key, interval):
        self.path = path
        self.key = key
        self.interval = interval
        self._written = None

    def phase(self, name):
        """Return the store of another phase of the same training."""
        path = self.path.with_name(f"{self.path.stem}-{name}{self.path.suffix}")
        return GroupStore(path, self.key, self.interval)

    def read(self):
        """Return the state that is there, or None."""
        self._written = time.monotonic()
        remove_leftovers(self.path)
        if not os.path.lexists(self.path):
            return None
        try:
            meta, tensors = read_archive(self.path)
        except (ValueError, OSError) as error:
            raise self.refused("it is cut off, or not of this version") from error
        if meta.pop("key", None) != self.key:
            raise self.refused("it is another training's")
        _logger.info("Going on from %s.", self.path)
        return TrainingState(meta, tensors)

    def refused(self, reason):
        """Return the error for a file that cannot be gone on from."""
        return ValueError(
            f"`checkpoint` has the damaged file '{self.path}' ({reason}). Delete it: what it "
            "belongs to is then trained from the start."
        )

    def due(self, epoch):
        """Say whether the state after an epoch is to be written."""
        if isinstance(self.interval, Integral):
            return epoch % self.interval == 0
        return time.monotonic() - self._written >= self.interval

    def write(self, state):
        """Replace the state by a new one. If this fails, training continues."""
        try:
            write_archive(self.path, {"key": self.key, **state.meta}, state.tensors)
        except OSError as error:
            warnings.warn(
                f"`checkpoint` could not be written ({error}): training goes on without. Free "
                "space, or name another folder next time.",
                UserWarning,
                stacklevel=2,
            )
        else:
            _logger.debug("Wrote %s.", self.path)
        self._written = time.monotonic()
