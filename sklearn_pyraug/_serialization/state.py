"""State dictionaries: values as plain JSON and tensors, by their annotations, and back.

An annotation tells what a value is, so a state holds no class to look up and nothing to call:

===========================  =====================================================================
annotation                   state
===========================  =====================================================================
bool, int, str, None         itself
float                        a number, or ``{"float": "nan"}``, ``"inf"``, ``"-inf"``
list[T], tuple[T, ...]       a list of states
dict[str, V]                 an object of states
dict[K, V]                   a list of pairs of states
numpy.dtype                  its text, such as ``"<f8"``
torch.Tensor                 ``{"shape": [...]}``; the tensor itself is stored under its path
numpy.ndarray                the same with ``"dtype"``; objects and text are listed in ``"values"``
a class with annotations     an object of a state for each annotation: named tuples, and classes
                             that annotate what their instances hold
X | Y                        that of the one; of several classes with annotations, ``{name: state}``
object                       a plain value, which says itself what it is, see :func:`plain_state`
===========================  =====================================================================

A path is made of the names of fields, the keys of dicts that are text, and positions.
"""

import functools
import math
import re
import types
from typing import NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch

from .plain import PlainValues, float_from, float_state, shown

# The dtypes that numpy, torch and every version of safetensors have; bytes are the only unsigned
# integers.
_TENSOR_TYPES = "?bBhilqefd"
_DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f(2|4|8|12|16)|O|U[0-9]{1,4}|M8\[(s|ms|us|ns)\])")
# Each text in an array takes the memory of the longest one that its dtype allows.
_MAX_TEXT_BYTES = 2**26
# An int is accepted as a float.
_NUMBERS = {
    bool: (bool, np.bool_),
    int: (int, np.integer),
    float: (int, float, np.integer, np.floating),
}
_JSON = {bool: bool, int: int, float: (int, float), str: str, np.dtype: str}
_NO_RECORDS = {*_JSON, list, tuple, dict, object, np.ndarray, torch.Tensor}


class Adapter(NamedTuple):
    """How a class without annotations is written: as another that says the same.

    Attributes
    ----------
    state : type
        A class with annotations.
    take, make : callable
        From a value to its state, and back.
    """

    state: type
    take: object
    make: object


@functools.cache
def _fields(cls):
    """Return by name the annotations of what an instance holds."""
    return get_type_hints(cls)


def _options(hint):
    """Return the members of a union, with None in place of its type, or an empty list."""
    if get_origin(hint) not in (Union, types.UnionType):
        return []
    return [None if option is types.NoneType else option for option in get_args(hint)]


def _is_record(hint):
    return isinstance(hint, type) and hint not in _NO_RECORDS


def _is_tagged(option, options):
    """Say whether the state of a member of a union stands under its name."""
    return _is_record(option) and sum(map(_is_record, options)) > 1


def _dtype(text, where):
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise ValueError(f"{where} has the dtype {shown(text)}, which is not known")
    return np.dtype(text)


def _shape(shape, where):
    if not isinstance(shape, list) or not all(type(s) is int and s >= 0 for s in shape):
        raise ValueError(f"{where} has the shape {shown(shape)}")
    return tuple(shape)


class StateWriter:
    """Writes values.

    Parameters
    ----------
    adapters : dict of type to Adapter, default=None
    plain : PlainValues, default=None
        Writes what is annotated as object.

    Attributes
    ----------
    tensors : dict of str to Tensor
        By path, what was written so far.
    """

    def __init__(self, adapters=None, plain=None):
        self.tensors = {}
        self._adapters = adapters or {}
        self._plain = PlainValues() if plain is None else plain

    def state(self, value, hint, where):
        """Return the state of a value.

        Parameters
        ----------
        value : object
        hint : type or None
            The annotation.
        where : str
            The path.

        Returns
        -------
        state : object
            Plain JSON.

        Raises
        ------
        ValueError
            If the value is not what its annotation says, or none that a file can hold.
        """
        if hint is object:
            return self._plain.state(value, where)
        options = _options(hint)
        if options:
            found = [option for option in options if self._fits(value, option)]
            if not found:
                raise _mismatch(value, hint, where)
            state = self.state(value, found[0], where)
            return {found[0].__name__: state} if _is_tagged(found[0], options) else state
        if not self._fits(value, hint):
            raise _mismatch(value, hint, where)
        if hint in self._adapters:
            adapter = self._adapters[hint]
            return self.state(adapter.take(value), adapter.state, where)
        return self._of_kind(value, hint, where)

    def _fits(self, value, hint):
        if hint is None or hint is object:
            return value is None or hint is object
        if hint in _NUMBERS:
            is_bool = isinstance(value, _NUMBERS[bool])
            return isinstance(value, _NUMBERS[hint]) and is_bool == (hint is bool)
        return isinstance(value, get_origin(hint) or hint)

    def _of_kind(self, value, hint, where):
        if hint is None:
            return None
        if hint is float:
            return float_state(float(value))
        if hint in (bool, int, str):
            return hint(value)
        if hint is torch.Tensor:
            self._store(value.detach(), where)
            return {"shape": list(value.shape)}
        if hint is np.ndarray:
            return self._array(value, where)
        if hint is np.dtype:
            return _checked_dtype(value, where).str
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is dict:
            key, item = arguments
            if key is str:
                return {k: self.state(v, item, f"{where}.{k}") for k, v in value.items()}
            return [
                [self.state(k, key, where), self.state(v, item, f"{where}.{i}")]
                for i, (k, v) in enumerate(value.items())
            ]
        if origin in (list, tuple):
            hints = _hints_of_items(hint, len(value), where)
            pairs = enumerate(zip(value, hints, strict=True))
            return [self.state(v, h, f"{where}.{i}") for i, (v, h) in pairs]
        fields = _fields(hint).items()
        return {n: self.state(getattr(value, n), h, f"{where}.{n}") for n, h in fields}

    def _array(self, value, where):
        dtype, shape = value.dtype, list(value.shape)
        if dtype.kind not in "OU":
            _checked_dtype(dtype, where, kinds="biuf")
            # A copy, because torch complains about arrays that cannot be written to.
            stored = np.array(value, order="C")
            if dtype.char not in _TENSOR_TYPES or not dtype.isnative:
                stored = np.frombuffer(stored.tobytes(), np.uint8).copy()
            self._store(torch.from_numpy(stored), where)
            return {"dtype": dtype.str, "shape": shape}
        state = {"dtype": _checked_dtype(dtype, where).str, "shape": shape}
        items = value.ravel()
        if dtype.kind == "O":
            values = [self._plain.state(v, f"{where}.{i}") for i, v in enumerate(items)]
        else:
            values = items.tolist()
        return state | {"values": values}

    def _store(self, tensor, where):
        if where in self.tensors:
            raise ValueError(f"two values have the path {where}")
        self.tensors[where] = tensor


class StateReader:
    """Reads what a :class:`StateWriter` has written, and raises ValueError for all else.

    Parameters
    ----------
    tensors : dict of str to Tensor
        By path. Each is taken out when it is read; what is left over belongs to nothing.
    adapters : dict of type to Adapter, default=None
    plain : PlainValues, default=None
    """

    def __init__(self, tensors, adapters=None, plain=None):
        self._tensors = tensors
        self._adapters = adapters or {}
        self._plain = PlainValues() if plain is None else plain
        self._text_bytes = 0

    def value(self, state, hint, where):
        """Return the value of a state; annotation and path as of :meth:`StateWriter.state`."""
        if hint is object:
            return self._plain.value(state, where)
        options = _options(hint)
        if options:
            option, state = self._choose(state, options, hint, where)
            return self.value(state, option, where)
        if not self._fits(state, hint):
            raise _mismatch(state, hint, where)
        if hint in self._adapters:
            adapter = self._adapters[hint]
            return adapter.make(self.value(state, adapter.state, where))
        return self._of_kind(state, hint, where)

    def _choose(self, state, options, hint, where):
        for option in options:
            if not _is_tagged(option, options):
                if self._fits(state, option):
                    return option, state
            elif isinstance(state, dict) and list(state) == [option.__name__]:
                return option, state[option.__name__]
        raise _mismatch(state, hint, where)

    def _fits(self, state, hint):
        if hint is None or hint is object:
            return state is None or hint is object
        if hint is float and isinstance(state, dict):
            return "float" in state
        origin = get_origin(hint)
        is_list = origin in (list, tuple) or (origin is dict and get_args(hint)[0] is not str)
        kinds = list if is_list else _JSON.get(hint, dict)
        return isinstance(state, kinds) and (hint is bool or not isinstance(state, bool))

    def _of_kind(self, state, hint, where):
        if hint in (None, bool, int, str):
            return state
        if hint is float:
            return float_from(state)
        if hint is torch.Tensor:
            return self._take(where, _shape(state.get("shape"), where))
        if hint is np.ndarray:
            return self._array(state, where)
        if hint is np.dtype:
            return _dtype(state, where)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is dict:
            key, item = arguments
            if key is str:
                return {k: self.value(v, item, f"{where}.{k}") for k, v in state.items()}
            return {
                self.value(k, key, where): self.value(v, item, f"{where}.{i}")
                for i, (k, v) in enumerate(state)
            }
        if origin in (list, tuple):
            hints = _hints_of_items(hint, len(state), where)
            pairs = enumerate(zip(state, hints, strict=True))
            return origin(self.value(v, h, f"{where}.{i}") for i, (v, h) in pairs)
        fields = _fields(hint)
        if state.keys() != fields.keys():
            odd = sorted(state.keys() ^ fields.keys())
            raise ValueError(f"{where} has, or does not have, {shown(', '.join(odd))}")
        values = {n: self.value(state[n], h, f"{where}.{n}") for n, h in fields.items()}
        if issubclass(hint, tuple):
            made = hint(**values)
        else:
            made = hint.__new__(hint)
            vars(made).update(values)
            made.complete()
        if hasattr(made, "check"):
            made.check()
        return made

    def _array(self, state, where):
        dtype, shape = _dtype(state.get("dtype"), where), _shape(state.get("shape"), where)
        if dtype.kind in "OU":
            return self._listed(state.get("values"), dtype, where).reshape(shape)
        if dtype.char in _TENSOR_TYPES and dtype.isnative:
            value = self._take(where, shape).numpy()
        else:
            stored = self._take(where, (math.prod(shape) * dtype.itemsize,)).numpy()
            value = stored.view(dtype).reshape(shape)
        if value.dtype != dtype:
            raise ValueError(f"{where} is of {value.dtype}, not {dtype}")
        return value

    def _listed(self, values, dtype, where):
        if not isinstance(values, list):
            raise ValueError(f"{where} lists no values")
        made = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):
            made[i] = self._plain.value(value, f"{where}.{i}")
        if dtype.kind == "O":
            return made
        self._text_bytes += len(made) * dtype.itemsize
        if self._text_bytes > _MAX_TEXT_BYTES or not all(isinstance(v, str) for v in made):
            raise ValueError(f"{where} is of {dtype}, which its values do not fit")
        return made.astype(dtype)

    def _take(self, where, shape):
        if where not in self._tensors:
            raise ValueError(f"{where} has no tensor")
        tensor = self._tensors.pop(where)
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{where} has the shape {tuple(tensor.shape)}, not {shape}")
        # A copy has its own memory, which is aligned like that of other tensors and arrays.
        return tensor.clone()


def _hints_of_items(hint, n, where):
    """Return the annotation of each of `n` items of a list or a tuple."""
    arguments = get_args(hint)
    if get_origin(hint) is list or arguments[-1] is Ellipsis:
        return [arguments[0]] * n
    if len(arguments) != n:
        raise ValueError(f"{where} has {n} items, not {len(arguments)}")
    return arguments


def _checked_dtype(dtype, where, kinds="biufOUM"):
    if not _DTYPE.fullmatch(dtype.str) or dtype.kind not in kinds:
        raise ValueError(
            f"{where} is of {dtype}, which no model file can hold. Convert it to numbers or text, "
            "or keep the estimator with joblib.dump."
        )
    return dtype


def _mismatch(value, hint, where):
    name = getattr(hint, "__name__", None) if get_origin(hint) is None else None
    return ValueError(f"{where} is {shown(value)}, not {name or hint}")
