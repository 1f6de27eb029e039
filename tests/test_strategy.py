"""How many rows each class receives."""

import numpy as np
import pandas as pd
import pytest

from sklearn_pyraug import _strategy

SIZES = {"a": 10, "b": 25, "c": 40}


def target(sizes=None, dtype=None):
    y = np.repeat(list((sizes or SIZES).keys()), list((sizes or SIZES).values()))
    return np.random.default_rng(0).permutation(y).astype(dtype or y.dtype)


def n_new_rows(strategy, factor, y):
    return _strategy.n_new_rows(strategy, factor, *np.unique(np.asarray(y), return_inverse=True))


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", [30, 15, 0]),
        ("not majority", [30, 15, 0]),
        ("minority", [30, 0, 0]),
        ("not minority", [0, 15, 0]),
        ("all", [30, 15, 0]),
        ({"a": 12}, [2, 0, 0]),
        ({"c": 45, "a": 10}, [0, 0, 5]),
        ({"b": 30.0}, [0, 5, 0]),
        ({}, [0, 0, 0]),
        (lambda y: {"b": 2 * int(np.sum(y == "b"))}, [0, 25, 0]),
    ],
)
def test_factor_one_is_plain_imbalanced_learn(strategy, expected):
    n_new = n_new_rows(strategy, 1.0, target())
    assert list(n_new.items()) == list(zip("abc", expected, strict=True))
    assert all(type(n) is int for n in n_new.values())


@pytest.mark.parametrize(
    ("strategy", "factor", "expected"),
    [
        ("auto", 2.0, [70, 55, 40]),
        ("auto", 2, [70, 55, 40]),
        ("minority", 1.5, [50, 13, 20]),  # targets 60, 37.5 -> 38 (half to even) and 60
        ("auto", 1.1, [34, 19, 4]),
    ],
)
def test_factor_grows_every_class(strategy, factor, expected):
    assert list(n_new_rows(strategy, factor, target()).values()) == expected


@pytest.mark.parametrize(
    ("n_features", "factor"), [(1, 2.0), (45, 3.0), (1000, 8.0), (200_000, 25 / 6), (10**6, 2.0)]
)
def test_factor_from_the_shape_of_the_data(n_features, factor):
    y_index = np.repeat([0, 1, 2], [20, 15, 10])
    assert _strategy.factor_for("auto", n_features, y_index) == pytest.approx(factor)
    assert _strategy.factor_for(1.5, n_features, y_index) == 1.5


@pytest.mark.parametrize("strategy", [{"a": 30}, lambda y: {"a": 30}])
def test_factor_does_not_touch_exact_numbers(strategy):
    assert n_new_rows(strategy, 3.0, target()) == {"a": 20, "b": 0, "c": 0}


def test_ratio_of_two_classes():
    y = target({0: 10, 1: 40})
    assert n_new_rows(0.5, 1.0, y) == {0: 10, 1: 0}
    assert n_new_rows(0.5, 2.0, y) == {0: 30, 1: 40}


def test_ratio_of_three_classes_raises():
    with pytest.raises(ValueError, match="only when the type of target is binary"):
        n_new_rows(0.5, 1.0, target())


@pytest.mark.parametrize(
    "y",
    [
        target({0: 3, 7: 5}),
        target({0: 3, 7: 5}).astype(float),
        target({0: 3, 7: 5}, dtype=object),
        target({False: 3, True: 5}),
        target({"no": 3, "yes": 5}),
        target({"no": 3, "yes": 5}, dtype=object),
        pd.Series(target({"no": 3, "yes": 5}), dtype="category"),
        target({"no": 3, "yes": 5}).tolist(),
    ],
    ids=["int", "float", "object int", "bool", "str", "object str", "category", "list"],
)
@pytest.mark.parametrize("strategy", ["auto", 1.0, "dict"])
def test_labels_keep_their_type(y, strategy):
    classes = np.unique(np.asarray(y))
    n_new = n_new_rows({classes[0]: 5} if strategy == "dict" else strategy, 1.0, y)
    assert n_new == {classes[0]: 2, classes[1]: 0}
    assert [type(label) for label in n_new] == [type(label) for label in classes]


def test_equal_classes_get_nothing():
    assert n_new_rows("auto", 1.0, [0, 1, 2, 2, 1, 0]) == {0: 0, 1: 0, 2: 0}


@pytest.mark.parametrize(
    ("strategy", "match"),
    [
        ("majority", r"sampling_strategy='majority'.*Use one of"),
        ({"a": 20, "z": 50}, r"sampling_strategy names the class 'z'.*\['a', 'b', 'c'\]"),
        ({"b": 24}, r"sampling_strategy asks for 24 rows of class 'b'.*has 25.*at least 25"),
        ({"b": -1}, r"asks for -1 rows of class 'b'"),
        ({"b": 30.5}, r"asks for 30\.5 rows of class 'b'.*whole number"),
        ({"b": float("nan")}, r"asks for nan rows of class 'b'"),
        (lambda y: {"z": 3}, r"names the class 'z'"),
    ],
)
def test_impossible_strategies_are_named(strategy, match):
    with pytest.raises(ValueError, match=match):
        n_new_rows(strategy, 1.0, target())


@pytest.mark.parametrize(
    ("strategy", "match"),
    [
        (["a"], r"sampling_strategy is a builtins.list,.*Use a str"),
        (None, r"sampling_strategy is None"),
        (lambda y: 3, r"sampling_strategy returned 3"),
    ],
)
def test_strategies_of_the_wrong_type_are_named(strategy, match):
    with pytest.raises(TypeError, match=match):
        n_new_rows(strategy, 1.0, target())


@pytest.mark.parametrize("factor", [0.99, 0, -1, np.inf, np.nan, "2"])
def test_impossible_factor_is_named(factor):
    with pytest.raises(ValueError, match=r"augmentation_factor=.*at least 1"):
        n_new_rows("auto", factor, target())


@pytest.mark.parametrize("strategy", ["auto", 0.5, {"a": 3}, lambda y: {}])
def test_a_single_class_raises(strategy):
    with pytest.raises(ValueError, match=r"at least 2 classes .* got 1 class \(label 'a'\)"):
        n_new_rows(strategy, 1.0, ["a", "a"])
