"""What was trained or drawn before is not trained or drawn again: joblib's Memory, and by what.

joblib would take the arguments of a function for its key. Here a digest of what matters is the
key, and the arguments themselves are left out: the number of jobs, the progress bar and the
description change nothing.
"""

import os
import pickle
import warnings
from typing import NamedTuple

from sklearn.utils.validation import check_memory

from .fingerprint import digest, library_versions

__all__ = ["Keeping", "check_cache", "draw_cached", "keyed", "train_cached"]

# Settings of a training whose fields are named one by one.
_SETTINGS = ("architecture", "flow", "training")
# Fields of the settings that leave the weights as they are.
_IRRELEVANT = {"verbose"}


class _Interrupted(Exception):
    """Carries what was trained until the user interrupted: joblib stores no result then."""

    def __init__(self, result):
        super().__init__()
        self.result = result


def check_cache(memory, random_state):
    """Return the parameter `memory` as an object with ``cache``, or None for no cache.

    Parameters
    ----------
    memory : str, path-like, joblib.Memory or None
    random_state : int, RandomState instance or None
        Without one nothing is ever the same, and a warning says so.
    """
    if memory is None:
        return None
    if random_state is None:
        warnings.warn(
            "`memory` is of no use with random_state=None: every fit starts from another seed, "
            "and nothing is found again. Pass an int as random_state.",
            UserWarning,
            stacklevel=2,
        )
        return None
    return check_memory(os.fspath(memory) if isinstance(memory, os.PathLike) else memory)


class Keeping(NamedTuple):
    """Where trainings are kept.

    Attributes
    ----------
    memory : joblib.Memory or None
        Cache of finished ones.
    folder : CheckpointFolder or None
        Of those that are under way.
    """

    memory: object = None
    folder: object = None


def keyed(tasks, groups, members, root, keeping, settings, device):
    """Return the trainings of groups with their keys, and with stores where there is a folder.

    Parameters
    ----------
    tasks : list of (list of int, list of TrainingData, int, FitSettings, str, dict)
        Indices, members, root seed, settings, device and options of each group.
    groups : list of list of int
    members : dict of int to TrainingData
    root : int
    keeping : Keeping
    settings : FitSettings
    device : str

    Returns
    -------
    keyed : list of (str or None, tuple)
        Without cache and folder no key is needed.

    Raises
    ------
    ValueError
        If the folder belongs to another training, or something cannot be recognised.
    """
    if keeping.memory is None and keeping.folder is None:
        return [(None, task) for task in tasks]
    others = settings._asdict() | {"device": device}
    parts = _training_parts([others.pop(name) for name in _SETTINGS], others)
    keys = [digest((g, rows, seed, parts)) for g, rows, seed, *_ in tasks]
    if keeping.folder is not None:
        parts = {"data": (groups, members)} | parts
        keeping.folder.claim(root, parts)
        tasks = [
            (*task[:-1], task[-1] | {"store": keeping.folder.store(i, key)})
            for i, (key, task) in enumerate(zip(keys, tasks, strict=True))
        ]
    return list(zip(keys, tasks, strict=True))


def _training_parts(settings, others):
    """Return by name all that the weights depend on, apart from rows and seed.

    Parameters
    ----------
    settings : sequence of NamedTuple
        Of whose fields each is a part.
    others : dict
        Further parts.

    Returns
    -------
    parts : dict of str to str
        Digests.

    Raises
    ------
    ValueError
        If a part is an object that cannot be recognised: it names the parameter.
    """
    parts = {name: v for values in settings for name, v in values._asdict().items()} | others
    parts["versions"] = library_versions()
    digests = {}
    for name, value in parts.items():
        if name in _IRRELEVANT:
            continue
        try:
            digests[name] = digest(value)
        except TypeError as error:
            raise ValueError(
                f"`{name}` holds something that `memory` and `checkpoint` cannot recognise "
                f"another time ({error}). Pass a network, class or function made of Python code, "
                "numbers and tensors, or leave both parameters at None."
            ) from None
    return digests


def train_cached(memory, key, train, arguments):
    """Return ``train(*arguments)``, or what it returned before under the same key.

    Parameters
    ----------
    memory : joblib.Memory or None
    key : str
    train : callable
        Its result has the attribute ``interrupted``.
    arguments : tuple
    """
    if memory is None:
        return train(*arguments)
    try:
        return pickle.loads(
            memory.cache(_train, ignore=["train", "arguments"])(key, train, arguments)
        )
    except _Interrupted as stopped:
        return stopped.result


def _train(key, train, arguments):
    """Train; the result is pickled, as joblib reads networks in five times the time."""
    result = train(*arguments)
    if result.interrupted is not None:
        raise _Interrupted(result)
    return pickle.dumps(result)


def draw_cached(memory, generators, n_jobs, **arguments):
    """Return ``generators.draw(**arguments)``, or what was drawn with the same before.

    Parameters
    ----------
    memory : joblib.Memory or None
    generators : ClassGenerators
    n_jobs : int or None
    **arguments : dict

    Returns
    -------
    draws : Draws
    """
    if memory is None:
        return generators.draw(**arguments, n_jobs=n_jobs)
    key = digest((generators, arguments, library_versions()))
    ignored = ["generators", "n_jobs", "arguments"]
    return pickle.loads(memory.cache(_draw, ignore=ignored)(key, generators, n_jobs, arguments))


def _draw(key, generators, n_jobs, arguments):
    """Draw; the result is pickled, as a Memory with a `mmap_mode` gives arrays for reading only."""
    return pickle.dumps(generators.draw(**arguments, n_jobs=n_jobs))
