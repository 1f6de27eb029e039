"""Values as JSON and tensors, and back; nothing that a file names is imported or called.

Plain values are written as what JSON has for them; of all others, a JSON object names the kind:

======================================  ==========================================================
``{"float": "nan"}``                    a float that JSON lacks: ``"nan"``, ``"inf"``, ``"-inf"``
``{"tuple": [...]}``                    a tuple; a JSON list is a list
``{"dict": [[key, value], ...]}``       a dict, with keys of any kind
``{"scalar": "<f8", "value": 0.5}``     a numpy scalar
``{"dtype": "<f8"}``                    a numpy dtype
``{"tensor": name}``                    a tensor of ``tensors.safetensors``
``{"array": name}``                     the same as a numpy array; with ``"dtype"`` and ``"shape"``
                                        where it is stored as bytes
``{"objects": [...], "shape": [...]}``  an array of objects, or of text where there is a ``"dtype"``
``{"object": 3}``                       the third entry, from 0, of the list of objects
======================================  ==========================================================

A tensor or array with ``"axes"`` is stored with its axes in that order. An entry of the list of
objects is ``{"class": name, "fields": {field: value}}``; it refers to entries before it alone. The
names of the classes are those of a fixed list of :class:`Part`.
"""

import math
import re
import types
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch

__all__ = ["Part", "Reader", "Text", "Writer", "converted"]

_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
# What numpy, torch and every version of safetensors have: of unsigned integers, bytes alone.
_TENSOR_TYPES = "?bBhilqefd"
_DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f(2|4|8|12|16)|O|U[0-9]{1,4}|M8\[(s|ms|us|ns)\])")
# Every text of an array takes the room of the longest that its dtype allows.
_MAX_TEXT_BYTES = 2**28
# No value of an estimator is nested by half as much.
_MAX_DEPTH = 32


class Part(NamedTuple):
    """How the objects of one class are written and read.

    Attributes
    ----------
    fields : dict of str to type
        The fields that are written, and what they have to be: a class or a union of classes.
    defaults : dict of str to object
        Values of fields that a file may lack.
    take : callable
        Makes a dict of fields of an object.
    make : callable
        Makes the object of a dict of fields.
    """

    fields: dict
    defaults: dict
    take: object
    make: object


def converted(state, take, make):
    """Return the :class:`Part` of a foreign class, by way of a NamedTuple that says the same.

    Parameters
    ----------
    state : type
        The NamedTuple.
    take, make : callable
        From an object to the state, and back.

    Returns
    -------
    part : Part
    """
    return Part(
        get_type_hints(state),
        {},
        lambda value: take(value)._asdict(),
        lambda values: make(state(**values)),
    )


class Text(NamedTuple):
    """The state of an object that its text tells in full."""

    text: str


def _fits(value, hint):
    """Say whether a value is of a type, as type hints are written."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if hint in (object, Any):
        return True
    if hint is None:
        return value is None
    # A bool is an int in Python, and an int will do for a float.
    number = {int: (int, np.integer), float: (int, float, np.integer, np.floating)}
    if hint in number:
        return isinstance(value, number[hint]) and not isinstance(value, bool)
    if hint is bool:
        return isinstance(value, (bool, np.bool_))
    return isinstance(value, get_origin(hint) or hint)


def _check_fields(name, part, fields):
    """Raise ValueError unless an object has the fields of its class."""
    if fields.keys() != part.fields.keys():
        odd = sorted(fields.keys() ^ part.fields.keys())
        raise ValueError(f"{name} has or lacks the fields {', '.join(odd)}")
    for field, value in fields.items():
        if not _fits(value, part.fields[field]):
            raise ValueError(
                f"{name}.{field} is of type {type(value).__name__}, not {part.fields[field]}"
            )


class Writer:
    """Turns values into JSON, tensors and a list of objects.

    Parameters
    ----------
    parts : dict of str to Part
        The classes that may be written.
    name_of : callable
        Returns, for a value that is not a plain one, the name of its class, or None.

    Attributes
    ----------
    tensors : dict of str to Tensor
        What has been written to tensors.
    objects : list of dict
        The list of objects.
    """

    def __init__(self, parts, name_of):
        self.tensors, self.objects = {}, []
        self._parts, self._name_of = parts, name_of
        # By identity, with the object itself, whose identity another one could else take over:
        # what is shared stays shared.
        self._known = {}

    def node(self, value, where):
        """Return the JSON of a value.

        Parameters
        ----------
        value : object
        where : str
            Names the value in messages, and its tensors.

        Returns
        -------
        node : object

        Raises
        ------
        ValueError
            If the value, or one inside it, is of a type that a model file cannot hold.
        """
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind in (list, tuple):
            nodes = [self.node(v, f"{where}.{i}") for i, v in enumerate(value)]
            return nodes if kind is list else {"tuple": nodes}
        if kind is dict:
            named = [(k if type(k) is str else i, k, v) for i, (k, v) in enumerate(value.items())]
            return {"dict": [[self.node(v, f"{where}.{n}") for v in pair] for n, *pair in named]}
        if isinstance(value, np.dtype) and _DTYPE.fullmatch(value.str):
            return {"dtype": value.str}
        if isinstance(value, np.generic) and _is_short(value.dtype):
            return {"scalar": value.dtype.str, "value": self.node(value.item(), where)}
        if id(value) not in self._known:
            self._known[id(value)] = self._new_node(value, where), value
        return self._known[id(value)][0]

    def _new_node(self, value, where):
        if isinstance(value, torch.Tensor) and value.layout == torch.strided:
            axes = _memory_axes(value.stride(), value.is_contiguous())
            stored = value.detach() if axes is None else value.detach().permute(axes)
            return self._stored("tensor", stored, axes, where)
        if type(value) is np.ndarray:
            return self._array(value, where)
        name = self._name_of(value)
        if name is None:
            raise ValueError(
                f"{where} is of type {type(value).__module__}.{type(value).__qualname__}, which a "
                "model file cannot hold. Replace it by numbers, text, lists or arrays of these, "
                "or keep the estimator with joblib.dump."
            )
        part = self._parts[name]
        fields = part.take(value)
        _check_fields(name, part, fields)
        nodes = {f: self.node(v, f"{where}.{f}") for f, v in fields.items()}
        self.objects.append({"class": name, "fields": nodes})
        return {"object": len(self.objects) - 1}

    def _array(self, value, where):
        kind, shape = value.dtype.kind, list(value.shape)
        if kind == "O":
            nodes = [self.node(v, f"{where}.{i}") for i, v in enumerate(value.ravel())]
            return {"objects": nodes, "shape": shape}
        if not _DTYPE.fullmatch(value.dtype.str) or kind == "M":
            raise ValueError(f"{where} is an array of {value.dtype}, which no model file can hold.")
        if kind == "U":
            return {"objects": value.ravel().tolist(), "shape": shape, "dtype": value.dtype.str}
        if value.dtype.char in _TENSOR_TYPES and value.dtype.isnative:
            axes = _memory_axes(value.strides, value.flags.c_contiguous)
            # A copy, because torch complains about arrays that cannot be written to.
            stored = np.array(value if axes is None else value.transpose(axes), order="C")
            return self._stored("array", torch.from_numpy(stored), axes, where)
        stored = torch.from_numpy(np.frombuffer(value.tobytes(), np.uint8).copy())
        return self._stored("array", stored, None, where) | {
            "dtype": value.dtype.str,
            "shape": shape,
        }

    def _stored(self, kind, tensor, axes, where):
        while where in self.tensors:
            where += "_"
        self.tensors[where] = tensor
        return {kind: where} if axes is None else {kind: where, "axes": axes}


def _memory_axes(strides, contiguous):
    """Return the axes from the longest stride to the shortest, or None for row-major memory.

    Products of matrices may differ in their last bits with the order of memory.
    """
    return None if contiguous else sorted(range(len(strides)), key=lambda i: -strides[i])


class Reader:
    """Turns JSON, tensors and a list of objects into values.

    Parameters
    ----------
    parts : dict of str to Part
        The classes that may be read.
    tensors : dict of str to Tensor
    objects : list of dict

    Attributes
    ----------
    unused : set of str
        The names of the tensors that nothing has referred to.

    Raises
    ------
    ValueError, TypeError, LookupError
        Here and in :meth:`value`, if the content is none that a :class:`Writer` could have made.
    """

    def __init__(self, parts, tensors, objects):
        self._parts, self._tensors = parts, tensors
        self.unused = set(tensors)
        self._arrays, self._objects = {}, []
        for i, entry in enumerate(_typed(objects, list, "the list of objects")):
            self._objects.append(self._object(i, entry))

    def _object(self, i, entry):
        entry = _typed(entry, dict, f"object {i}")
        name = entry.get("class")
        if not isinstance(name, str) or name not in self._parts:
            raise ValueError(f"object {i} is of the class {name!r}, which is not known")
        part = self._parts[name]
        nodes = _typed(entry.get("fields"), dict, f"the fields of object {i}")
        fields = dict(part.defaults)
        for field, node in nodes.items():
            fields[field] = self.value(node, f"object {i}, {name}.{field}")
        _check_fields(name, part, fields)
        return part.make(fields)

    def value(self, node, where, depth=0):
        """Return the value of a JSON node.

        Parameters
        ----------
        node : object
        where : str
            Names the node in messages.
        depth : int, default=0
            How deep it is nested.

        Returns
        -------
        value : object
        """
        if depth > _MAX_DEPTH:
            raise ValueError(f"{where} is nested too deeply")
        if isinstance(node, list):
            return [self.value(v, where, depth + 1) for v in node]
        if not isinstance(node, dict):
            return node
        if not node:
            raise ValueError(f"{where} is an empty object")
        tag, content = next(iter(node.items()))
        if tag == "float" and content in _FLOATS:
            return _FLOATS[content]
        if tag == "tuple":
            return tuple(self.value(_typed(content, list, where), where, depth + 1))
        if tag == "dict":
            pairs = self.value(_typed(content, list, where), where, depth + 1)
            return {key: value for key, value in pairs}
        if tag == "scalar":
            dtype = _dtype(content, where)
            if not _is_short(dtype):
                raise ValueError(f"{where} is a scalar of the dtype {content}")
            return dtype.type(self.value(node.get("value"), where, depth + 1))
        if tag == "dtype":
            return _dtype(content, where)
        if tag in ("tensor", "array"):
            return self._stored(tag, content, node, where)
        if tag == "objects":
            return self._elements(_typed(content, list, where), node, where, depth)
        if tag == "object":
            if type(content) is not int or not 0 <= content < len(self._objects):
                raise ValueError(f"{where} refers to object {content!r}, which is not before it")
            return self._objects[content]
        raise ValueError(f"{where} is of the kind {tag!r}, which is not known")

    def _elements(self, content, node, where, depth):
        dtype = _dtype(node.get("dtype", "|O"), where)
        array = np.empty(len(content), dtype=object)
        for i, value in enumerate(self.value(content, where, depth + 1)):
            array[i] = value
        text = dtype.kind == "U" and all(isinstance(v, str) for v in content)
        if not (dtype.kind == "O" or text) or len(content) * dtype.itemsize > _MAX_TEXT_BYTES:
            raise ValueError(f"{where} is an array of {dtype}, which its values do not fit")
        return array.astype(dtype).reshape(_shape(node.get("shape"), where))

    def _stored(self, kind, name, node, where):
        if not isinstance(name, str) or name not in self._tensors:
            raise ValueError(f"{where} is the tensor {name!r}, which the file lacks")
        self.unused.discard(name)
        key = kind, name
        if key not in self._arrays:
            # A copy has memory of its own, aligned as that of other tensors and arrays.
            tensor = self._tensors[name].clone()
            value = tensor if kind == "tensor" else tensor.numpy()
            if kind == "array" and "dtype" in node:
                dtype, shape = _dtype(node["dtype"], where), _shape(node.get("shape"), where)
                whole = value.dtype == np.uint8 and dtype.kind in "biuf"
                if not whole or value.size != math.prod(shape) * dtype.itemsize:
                    raise ValueError(f"{where} is of the shape {shape}, which its bytes do not fit")
                value = np.frombuffer(value.tobytes(), dtype).reshape(shape).copy()
            self._arrays[key] = value
        if "axes" not in node:
            return self._arrays[key]
        axes = _shape(node["axes"], where)
        if sorted(axes) != list(range(self._arrays[key].ndim)):
            raise ValueError(f"{where} has the axes {axes}")
        order = np.argsort(axes).tolist()
        value = self._arrays[key]
        return value.permute(order) if kind == "tensor" else value.transpose(order)


def _is_short(dtype):
    """Say whether Python's own numbers and text hold all scalars of a dtype."""
    return dtype.kind in "biuU" or (dtype.kind == "f" and dtype.itemsize <= 8)


def _typed(value, kind, where):
    if not isinstance(value, kind):
        raise ValueError(f"{where} is of type {type(value).__name__}, not {kind.__name__}")
    return value


def _dtype(text, where):
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise ValueError(f"{where} has the dtype {text!r}, which is not known")
    return np.dtype(text)


def _shape(shape, where):
    if not isinstance(shape, list) or not all(type(s) is int and s >= 0 for s in shape):
        raise ValueError(f"{where} has the shape {shape!r}")
    return tuple(shape)
