"""Tests of states: what is annotated comes back as it was, and nothing else is read."""

import json
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator
from test_model_file import assert_same

from sklearn_pyraug._serialization.plain import PlainValues
from sklearn_pyraug._serialization.state import Adapter, StateReader, StateWriter


class Point(NamedTuple):
    """A named tuple."""

    x: float
    label: str | None = None


class Line(NamedTuple):
    """A named tuple that holds some of the first."""

    points: tuple[Point, ...]
    of: "Point | Line | None"


class Scale:
    """A class that annotates what a file holds, and completes itself."""

    low: float
    high: float

    def __init__(self, low, high):
        self.low, self.high = low, high
        self.complete()

    def complete(self):
        """Set an attribute that follows from the others."""
        if self.high < self.low:
            raise ValueError("the ends of a scale are exchanged")
        self.width = self.high - self.low


class Component(BaseEstimator):
    """An estimator that may be a parameter."""

    _parameter_constraints: dict = {"n": [int], "inner": [object]}

    def __init__(self, n=1, inner=None):
        self.n, self.inner = n, inner


ARRAYS = [
    np.zeros(()),
    np.zeros((0, 3)),
    np.arange(9)[::-2],
    np.arange(4, dtype=">u2"),
    np.arange(4, dtype=np.uint64),
    np.linspace(0, 1, 3, dtype=np.longdouble),
    np.array([np.nan, -np.inf], dtype=np.float16),
    np.array(["a", "bcd"]),
    np.array([1, "a", None, 2.5, pd.NA, pd.NaT, Decimal("1.20"), date(2020, 1, 2)], dtype=object),
]
VALUES = {
    "scalars": (list[int | float | bool | str | None], [1, 2.5, True, "ä", None, 10**300, -0.0]),
    "floats": (tuple[float, float, float], (float("nan"), float("inf"), -float("inf"))),
    "dicts": (dict[object, dict[str, int]], {(1, "a"): {"b": 1}, None: {}, 0.5: {"": 2}}),
    "arrays": (list[np.ndarray], ARRAYS),
    "tensors": (dict[str, torch.Tensor], {"a.b": torch.arange(6), "c": torch.ones(())}),
    "dtypes": (list[np.dtype], [np.dtype(t) for t in ("f4", ">i8", "U7", object, "M8[ns]")]),
    "records": (Line, Line((Point(1.0), Point(2.5, "x")), Line((), Point(0.0)))),
    "completed": (Scale, Scale(0.5, 2.0)),
    "union": (float | torch.Tensor, torch.zeros(2)),
    "plain": (object, [None, True, {1: ((1,), [2])}, Decimal("1.20"), date(2020, 1, 2), np.inf]),
    "pandas": (
        object,
        [pd.Timestamp("2020-01-02 03:04:05.678"), pd.Interval(0, 1.5, closed="both")],
    ),
}


def written(value, hint, **parameters):
    """Return the state of a value, by way of JSON, and the tensors."""
    writer = StateWriter(**parameters)
    state = writer.state(value, hint, "value")
    return json.loads(json.dumps(state, allow_nan=False)), writer.tensors


@pytest.mark.parametrize(("hint", "value"), VALUES.values(), ids=VALUES)
def test_values_come_back(hint, value):
    state, tensors = written(value, hint)
    read = StateReader(tensors).value(state, hint, "value")
    if isinstance(value, Scale):
        value, read = vars(value), vars(read)
    assert_same(value, read, "value")
    assert not tensors


def test_components_and_networks_come_back():
    network = object()
    plain = PlainValues([Component], {"encoder": network})
    state, _ = written([Component(2, network), network], object, plain=plain)
    component, same = StateReader({}, plain=plain).value(state, object, "value")
    assert component.get_params() == {"n": 2, "inner": network}
    assert same is network
    for other in (PlainValues(), PlainValues([Component])):
        with pytest.raises((ValueError, KeyError)):
            StateReader({}, plain=other).value(state, object, "value")


def test_an_adapter_stands_for_a_class_of_others():
    adapters = {complex: Adapter(Point, lambda c: Point(c.real), lambda p: complex(p.x))}
    state, _ = written([1 + 0j, None], list[complex | None], adapters=adapters)
    assert state == [{"x": 1.0, "label": None}, None]
    reader = StateReader({}, adapters)
    assert reader.value(state, list[complex | None], "value") == [1 + 0j, None]


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 1.0),
        (int, True),
        (bool, 1),
        (float, "1"),
        (str | None, 1),
        (Point, (1.0, None)),
        (tuple[int, int], (1,)),
        (np.ndarray, np.array([1j])),
        (object, {1, 2}),
    ],
    ids=str,
)
def test_what_is_not_as_annotated_is_not_written(hint, value):
    with pytest.raises(ValueError, match="^value"):
        written(value, hint)


@pytest.mark.parametrize(
    ("hint", "state"),
    [
        (int, 1.5),
        (int, True),
        (float, None),
        (float, {"float": "1e9"}),
        (Point, {"x": 1.0}),
        (Point, {"x": 1.0, "label": None, "more": 1}),
        (Point, [1.0, None]),
        (Scale, {"low": 2.0, "high": 1.0}),
        (Point | Line, {"Scale": {"low": 1.0, "high": 2.0}}),
        (tuple[int, int], [1]),
        (dict[int, int], [[1, 2, 3]]),
        (np.dtype, "<c16"),
        (torch.Tensor, {"shape": [2]}),
        (np.ndarray, {"dtype": "<f4", "shape": [2]}),
        (np.ndarray, {"dtype": "|O", "shape": [2], "values": [1]}),
        (np.ndarray, {"dtype": "<U9999", "shape": [2000], "values": ["a"] * 2000}),
        (object, {"float": "nan", "tuple": []}),
        (object, {"decimal": 1}),
        (
            object,
            {"pandas": ["CategoricalDtype", [{"pandas": ["RangeIndex", [0, 9, 1, None]]}, 1]]},
        ),
    ],
    ids=str,
)
def test_what_is_not_as_annotated_is_not_read(hint, state):
    with pytest.raises((ValueError, KeyError, TypeError)):
        StateReader({"value": torch.ones(3)}).value(state, hint, "value")
