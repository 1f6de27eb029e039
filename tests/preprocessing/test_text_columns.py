"""Columns of text that are no categories: identifiers, and numbers that are stored as text."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from shared import quick, table

from sklearn_pyraug import Columns, RHVAEAugmenter

N = 40
Y = np.repeat([0, 1], [24, 16])
NAMES = [f"patient {i:03d}" for i in range(N)]
NUMBERS = [f"{v:.2f}" for v in table((24, 16), 1)[0][:, 0]]


def frame(library=pd, **columns):
    return library.DataFrame({"age": np.arange(20.0, 20 + N), "sex": list("fm") * 20} | columns)


def with_names(kind):
    if kind == "array":
        return np.array(frame(name=NAMES), dtype=object)
    if kind == "text":
        return np.array([[str(i % 7), NAMES[i]] for i in range(N)])
    if kind == "polars":
        return frame(pl, name=NAMES)
    return frame(name=pd.Series(NAMES, dtype=kind))


KINDS = ["object", "string", "category", "polars", "array", "text"]


def parameters(kind):
    named = {"array": [1, 2], "text": [0, 1]}.get(kind)
    return {"categorical_features": named}


def names_of(X):
    return X["name"].to_list() if hasattr(X, "columns") else X[:, -1].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_identifiers_are_refused(kind):
    where = "column 1" if kind == "text" else "column 2" if kind == "array" else "'name'"
    match = rf"text that tells single rows apart in {where} \(40 different values in 40 rows\)"
    with pytest.raises(ValueError, match=match) as error:
        quick(**parameters(kind)).fit(with_names(kind), Y)
    assert "patient" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_identifiers_are_empty_in_new_rows(kind, tmp_path):
    X = with_names(kind)
    augmenter = quick(columns=Columns(identifiers="drop"), **parameters(kind))
    X_res, _ = augmenter.fit_resample(X, Y)
    assert type(X_res) is type(X)
    assert names_of(X_res)[:N] == NAMES
    assert not any(isinstance(v, str) and v for v in names_of(X_res)[N:])
    z = augmenter.encode(X, Y)
    other = names_of(X)
    assert z.shape == augmenter.encode(X[::-1], Y[::-1]).shape
    assert len(set(other)) == N
    augmenter.save(tmp_path / "model")
    loaded = RHVAEAugmenter.load(tmp_path / "model")
    assert str(loaded.sample(2)[0]) == str(augmenter.sample(2)[0])
    if kind != "category":  # whose levels are part of the dtype
        assert b"patient" not in (tmp_path / "model").read_bytes()


def test_identifiers_are_kept_where_asked_for():
    X_res, _ = quick(columns=Columns(identifiers="keep")).fit_resample(with_names("object"), Y)
    assert set(X_res["name"][N:]) <= set(NAMES)


@pytest.mark.parametrize(
    "values", [list("abcd") * 10, [f"city {i % 15}" for i in range(N)], ["f"] * N]
)
def test_categories_are_no_identifiers(values):
    quick().fit(frame(name=values), Y)


def test_few_rows_say_nothing():
    quick().fit(pd.DataFrame({"x": np.arange(8.0), "t": list("abcdefgh")}), [0, 1] * 4)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([*NUMBERS[1:], "<0.5"], "39 of 40 values are numbers, the other is '<0.5'. Replace it"),
        ([*NUMBERS[2:], "n/a", "n/a"], "38 of 40 values are numbers, the others are such as 'n/a'"),
        ([*NUMBERS[1:], "the patient refused"], "39 of 40 values are numbers, 1 are not. Replace"),
        ([v.replace(".", ",") for v in NUMBERS], "40 of 40 values are numbers. Replace it"),
    ],
)
def test_numbers_as_text_are_named(values, said):
    with pytest.raises(ValueError, match=f"numbers as text in 'crp': {said}"):
        quick().fit(frame(crp=values), Y)
    keep = Columns(identifiers="keep")
    quick(categorical_features=["crp"], columns=keep).fit(frame(crp=values), Y)


def test_few_numbers_as_text_give_a_warning():
    X = frame(stage=[*list("1234") * 9, *"123X"])
    with pytest.warns(UserWarning, match="'stage', where 39 of 40 values are numbers, .* 'X': it"):
        quick().fit(X, Y)
    quick(categorical_features=["stage"]).fit(X, Y)


def test_codes_with_leading_zeros_are_no_numbers():
    X = frame(zip=[f"0{1000 + i % 12}" for i in range(N)])
    quick().fit(X, Y)
