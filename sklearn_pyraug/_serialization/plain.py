"""Plain values, which say themselves what they are: parameters, labels, levels of categories.

None, booleans, integers, text and lists are what JSON has for them, and so are finite floats.
Numbers of numpy become Python's, and arrays lists. Of all others, a JSON object of one entry names
the kind and holds the content.
"""

import math
import reprlib
from datetime import date, datetime
from decimal import Decimal

import numpy as np

_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
# No value of an estimator is nested half as deeply.
_MAX_DEPTH = 32
# numpy's Mersenne Twister reads its key at its position without checking either.
_KEY_LENGTH = 624


def shown(value):
    """Return a value for a message: a part of it, whatever it is."""
    return reprlib.repr(value)


def float_state(value):
    """Return what JSON can hold of a float."""
    return value if math.isfinite(value) else {"float": repr(value)}


def float_from(state):
    """Undo :func:`float_state`."""
    return _FLOATS[state["float"]] if isinstance(state, dict) else float(state)


class PlainValues:
    """Writes and reads plain values.

    Parameters
    ----------
    components : sequence of type, default=()
        The estimators that may be parameters; they are written as their own parameters.
    networks : dict of str to object, default=None
        What stands outside of files, by its name there: the user's own networks.
    """

    def __init__(self, components=(), networks=None):
        self._components = {cls.__name__: cls for cls in components}
        self._networks = networks or {}
        self._readers = {
            "float": lambda content, read: _FLOATS[content],
            "tuple": lambda content, read: tuple(read(_typed(content, list))),
            "dict": lambda content, read: {read(k): read(v) for k, v in _typed(content, list)},
            "decimal": lambda content, read: Decimal(_typed(content, str)),
            "date": lambda content, read: date.fromisoformat(content),
            "datetime": lambda content, read: datetime.fromisoformat(content),
            "datetime64": lambda content, read: np.datetime64(*_typed(content, list)),
            "random_state": lambda content, read: _random_state(*read(content)),
            "pandas": lambda content, read: make_pandas(content[0], read(content[1])),
            "network": lambda content, read: self._networks[content],
            "component": self._component,
        }

    def state(self, value, where):
        """Return the state of a plain value, see :class:`.state.StateWriter`."""
        if isinstance(value, (np.generic, np.ndarray)) and value.dtype.kind in "biufUO":
            value = value.tolist()
        kind = type(value)
        if kind.__name__ in ("Index", "RangeIndex") and kind.__module__.startswith("pandas."):
            value, kind = list(value), list
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return float_state(value)
        if kind is list:
            return [self.state(v, f"{where}.{i}") for i, v in enumerate(value)]
        name, content = self._content(value, kind, where)
        return {name: content}

    def _content(self, value, kind, where):
        for name, network in self._networks.items():
            if value is network:
                return "network", name
        if kind is tuple:
            return "tuple", self.state(list(value), where)
        if kind is dict:
            pairs = [[self.state(v, f"{where}.{k}") for v in (k, value[k])] for k in value]
            return "dict", pairs
        if kind is Decimal:
            return "decimal", str(value)
        if kind is date:
            return "date", value.isoformat()
        if kind is datetime and value.tzinfo is None:
            return "datetime", value.isoformat()
        if kind is np.datetime64:
            return "datetime64", [str(value), np.datetime_data(value.dtype)[0]]
        if kind is np.random.RandomState:
            state = value.get_state(legacy=False)
            if state["bit_generator"] == "MT19937":
                parts = [*state["state"].values(), state["has_gauss"], state["gauss"]]
                return "random_state", self.state(parts, where)
        if self._components.get(kind.__name__) is kind:
            parameters = value.get_params(deep=False).items()
            states = {n: self.state(v, f"{where}.{n}") for n, v in parameters}
            return "component", {"class": kind.__name__, "parameters": states}
        if (described := describe_pandas(value)) is not None:
            return "pandas", [described[0], self.state(described[1], where)]
        raise ValueError(
            f"{where} is of type {kind.__module__}.{kind.__qualname__}, which a model file cannot "
            "hold. Replace it by numbers, text, lists or arrays of these, or keep the estimator "
            "with joblib.dump."
        )

    def value(self, state, where, depth=0):
        """Return the plain value of a state, see :class:`.state.StateReader`."""
        if depth > _MAX_DEPTH:
            raise ValueError(f"{where} is nested too deeply")

        def read(inner):
            return self.value(inner, where, depth + 1)

        if isinstance(state, list):
            return [read(v) for v in state]
        if not isinstance(state, dict):
            return state
        if len(state) != 1 or not state.keys() <= self._readers.keys():
            raise ValueError(f"{where} is {shown(state)}, of no kind that is known")
        ((name, content),) = state.items()
        return self._readers[name](content, read)

    def _component(self, content, read):
        cls = self._components[content["class"]]
        made = cls(**{n: read(v) for n, v in content["parameters"].items()})
        made._validate_params()
        return made


def _typed(value, kind):
    if not isinstance(value, kind):
        raise ValueError(f"{shown(value)} is no {kind.__name__}")
    return value


def _random_state(key, position, has_gauss, gauss):
    if len(key) != _KEY_LENGTH or type(position) is not int or not 0 <= position <= _KEY_LENGTH:
        raise ValueError("the state of random_state is none of the Mersenne Twister")
    made = np.random.RandomState()
    made.set_state(("MT19937", np.array(key, dtype=np.uint32), position, has_gauss, gauss))
    return made


def describe_pandas(value):
    """Return a value of pandas as a name and arguments.

    Parameters
    ----------
    value : object

    Returns
    -------
    description : tuple of (str, list) or None
        What :func:`make_pandas` takes; the arguments are plain values, and values of pandas. None
        if the value is none that is known.
    """
    if type(value).__module__.split(".")[0] != "pandas":
        return None
    name = type(value).__name__
    if name in ("NAType", "NaTType"):
        return "Missing", [name]
    if name == "Interval":
        return name, [value.left, value.right, value.closed]
    if name == "Period":
        return name, [value.ordinal, value.freqstr]
    if name == "Timedelta":
        return name, [value.value, value.unit]
    if name != "Timestamp":
        return None
    if value.tz is not None:
        raise ValueError(
            f"A timestamp of the time zone {value.tz} is none that a model file can hold. Convert "
            "such categories to text."
        )
    return name, [value.isoformat(), value.unit]


def make_pandas(name, arguments):
    """Return the value of a description, the inverse of :func:`describe_pandas`."""
    import pandas as pd

    if name == "Missing":
        return {"NAType": pd.NA, "NaTType": pd.NaT}[arguments[0]]
    if name == "Interval":
        return pd.Interval(*arguments)
    if name == "Period":
        return pd.Period(ordinal=arguments[0], freq=arguments[1])
    if name == "Timedelta":
        return pd.Timedelta(arguments[0], "ns").as_unit(arguments[1])
    if name == "Timestamp":
        return pd.Timestamp(arguments[0]).as_unit(arguments[1])
    raise ValueError(f"pandas has no value {name!r} that is known")
