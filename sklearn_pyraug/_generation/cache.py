"""Trainings and draws are answered from joblib's Memory where equal ones were made before.

joblib would take a function's arguments for its key. Here a digest of what matters is the key, and
the arguments themselves are ignored: the number of jobs, the progress bar and the description
change nothing. joblib's own hash identifies a class or a function by its name, so that a network
that its user has changed would be taken for the old one, and it hashes two equal objects that share
parts differently. Here code is identified by its instructions, and everything else by its value.
"""

import functools
import hashlib
import inspect
import os
import pickle
import types
import warnings
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import scipy
import sklearn
import skorch
import torch
from sklearn.utils.validation import check_memory

from .._version import __version__
from ..io._guards import why
from .checkpoint import CheckpointFolder

# Settings whose fields get a digest each, so that messages can name the one that differs.
_SETTINGS = ("architecture", "flow", "training")
# Fields that do not change the weights.
_IRRELEVANT = {"verbose"}
_SCALARS = (type(None), bool, int, float, complex, str, bytes)
# Types whose repr is complete.
_BY_REPR = (np.dtype, torch.dtype, torch.device, torch.Size, PurePath, Decimal, date, slice, range)
# Libraries that are identified by their version instead of their code.
_LIBRARIES = {"builtins", "numpy", "scipy", "sklearn", "skorch", "sklearn_pyraug", "torch"}


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
    try:
        return check_memory(os.fspath(memory) if isinstance(memory, os.PathLike) else memory)
    except OSError as error:
        warnings.warn(
            f"`memory` is {os.fspath(memory)!r}, where no folder can be made ({why(error)}): "
            "nothing is kept. Name a folder that you can write to.",
            UserWarning,
            stacklevel=2,
        )
        return None


class TrainingStore(NamedTuple):
    """Where trainings are kept.

    Attributes
    ----------
    memory : object or None
        Cache of finished ones, with a method ``cache`` as :class:`joblib.Memory`.
    folder : CheckpointFolder or None
        State of those that run.
    """

    memory: object = None
    folder: CheckpointFolder | None = None


def with_keys(tasks, settings, execution, store):
    """Return the trainings of groups with their keys, and with stores where there is a folder.

    Parameters
    ----------
    tasks : list of GroupTask
    settings : FitSettings
    execution : Execution
    store : TrainingStore

    Returns
    -------
    keyed : list of (str or None, GroupTask)
        Without cache and folder no key is needed.

    Raises
    ------
    ValueError
        If the folder belongs to another training, or something cannot be recognised.
    """
    if store.memory is None and store.folder is None:
        return [(None, task) for task in tasks]
    parts = _training_parts(settings, execution.device)
    keys = [digest((task.members, task.data, task.own, task.root, parts)) for task in tasks]
    if store.folder is not None:
        data = [(task.members, task.data) for task in tasks]
        # A longer training begins like a shorter one.
        kept = {name: part for name, part in parts.items() if name != "max_epochs"}
        store.folder.claim(execution.root, {"data": digest(data)} | kept)
        tasks = [
            task._replace(
                store=store.folder.store(i, digest((task.members, task.data, task.root, kept)))
            )
            for i, task in enumerate(tasks)
        ]
    return list(zip(keys, tasks, strict=True))


def _training_parts(settings, device):
    """Return by name digests of all that the weights depend on, apart from rows and seed."""
    parts = settings._asdict() | {"device": device, "versions": library_versions()}
    for name in _SETTINGS:
        parts |= parts.pop(name)._asdict()
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


def train_cached(memory, key, train, task):
    """Return ``train(task)``, or what it returned before under the same key.

    Parameters
    ----------
    memory : joblib.Memory or None
    key : str or None
    train : callable
        Its result has the attribute ``interrupted``.
    task : GroupTask
    """
    if memory is None:
        return train(task)
    try:
        return cached(memory, key, _train, train, task)
    except _Interrupted as stopped:
        return stopped.result


def _train(train, task):
    result = train(task)
    if result.interrupted is not None:
        raise _Interrupted(result)
    return result


def cached(memory, key, function, *arguments):
    """Return ``function(*arguments)``, or what was returned before under the same key."""
    call = _Call(function, arguments)
    try:
        return pickle.loads(memory.cache(_run, ignore=["call"])(key, function.__qualname__, call))
    except Exception as error:
        if call.began and not call.returned:
            raise  # the function's own error
        warnings.warn(
            f"`memory` could not be read or written ({why(error)}): what it was to hold is "
            "computed and not kept. Free space, delete the folder, or name another.",
            UserWarning,
            stacklevel=2,
        )
    return call.returned[0] if call.returned else function(*arguments)


class _Call:
    """A function with its arguments, of which joblib can print nothing: they hold rows.

    Attributes
    ----------
    began : bool
        Whether the function was called.
    returned : list
        What it has returned, if it has.
    """

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments
        self.began, self.returned = False, []

    def __repr__(self):
        return ""


def _run(key, name, call):
    """Call; the result is pickled, as joblib reads networks in five times the time.

    A Memory with a `mmap_mode` would also return arrays that cannot be written to.
    """
    call.began = True
    call.returned.append(call.function(*call.arguments))
    return pickle.dumps(call.returned[0])


def library_versions():
    """Return the versions on which the result of a training depends, by package."""
    return {
        "sklearn_pyraug": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "skorch": skorch.__version__,
    }


def digest(value):
    """Return a text that is the same for equal values, in any process, and for no others.

    Parameters
    ----------
    value : object
        Numbers, text, arrays, tensors, containers, networks, classes, functions, and objects whose
        attributes are of these kinds.

    Returns
    -------
    digest : str
        64 hexadecimal digits, from which the value cannot be told.

    Raises
    ------
    TypeError
        If a part is of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug._generation.cache import digest
    >>> digest([1, np.zeros(2)]) == digest([1, np.zeros(2)])
    True
    >>> digest([1, np.zeros(2)]) == digest([1, np.zeros((2, 1))])
    False
    """
    hashed = hashlib.sha256()
    _feed(hashed, value, ())
    return hashed.hexdigest()


def _feed(hashed, value, inside):
    """Feed a value to a hash; `inside` holds the ids of the objects that it is a part of."""

    def note(*words):
        hashed.update(f"{type(value).__qualname__}{words!r};".encode())

    def parts(values):
        for v in values:
            _feed(hashed, v, (*inside, id(value)))
        hashed.update(b";")

    if id(value) in inside:
        # A part that refers to the whole, such as the owner of a bound method.
        note(len(inside) - inside.index(id(value)))
    elif isinstance(value, (*_SCALARS, *_BY_REPR)):
        note(value)
    elif isinstance(value, np.generic):
        _feed(hashed, np.asarray(value), inside)
    elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
        note(value.dtype.str, value.dtype.names, value.shape)
        hashed.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, np.ndarray):
        note("object", value.shape)
        parts(value.ravel().tolist())
    elif isinstance(value, torch.Tensor):
        # Training does not change frozen weights.
        note(value.dtype, tuple(value.shape), value.requires_grad)
        # A copy, because one number of an expanded tensor passes for contiguous.
        flat = value.detach().cpu().flatten().clone(memory_format=torch.contiguous_format)
        hashed.update(flat.view(torch.uint8).numpy().tobytes())
    elif isinstance(value, Mapping):
        note(len(value))
        parts(part for item in value.items() for part in item)
    elif isinstance(value, (list, tuple)):
        note(len(value))
        parts(value)
    elif isinstance(value, (set, frozenset)):
        note(*sorted(digest(v) for v in value))
    elif isinstance(value, np.random.RandomState):
        note()
        parts(value.get_state())
    elif isinstance(value, functools.partial):
        note()
        parts([value.func, value.args, value.keywords])
    elif isinstance(value, types.MethodType):
        note()
        parts([value.__func__, value.__self__])
    elif isinstance(value, types.FunctionType):
        note()
        parts(_function(value))
    elif isinstance(value, type):
        note()
        parts(_class(value))
    elif isinstance(value, (types.BuiltinFunctionType, np.ufunc)):
        note(value.__name__)
    elif hasattr(value, "__dict__"):
        note()
        parts([type(value), vars(value)])
    else:
        raise TypeError(f"a {type(value).__qualname__} cannot be told from another")


def _package(value):
    return (getattr(value, "__module__", None) or "").split(".")[0]


def _function(function):
    """Yield what a function's result depends on, as far as it can be seen."""
    yield function.__module__, function.__qualname__
    if _package(function) in _LIBRARIES:
        return
    code = function.__code__
    yield from _code(code)
    yield function.__defaults__, function.__kwdefaults__
    yield [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    for name in code.co_names:
        # A number that is set at the top of a script. Functions that are called count by their
        # name.
        named = function.__globals__.get(name)
        if isinstance(named, (*_SCALARS, tuple)):
            yield name, named


def _is_filled(cell):
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _code(code):
    """Yield instructions and constants; neither comments nor line numbers count."""
    yield code.co_code, code.co_names, code.co_varnames
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant)
        elif isinstance(constant, (*_SCALARS, tuple, frozenset)):
            yield constant


def _class(cls):
    """Yield the names of a class, and all that is defined in its body and its bases'."""
    yield cls.__module__, cls.__qualname__
    for base in cls.__mro__:
        if _package(base) in _LIBRARIES:
            continue
        for name, member in vars(base).items():
            member = inspect.unwrap(member) if callable(member) else member
            member = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(member, (types.FunctionType, *_SCALARS, tuple)) and name not in (
                "__doc__",
                "__firstlineno__",
                "__module__",
            ):
                yield name, member
