"""How often rows are encoded and decoded, and what comes back unchanged."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from shared import quick

import sklearn_pyraug
from sklearn_pyraug import _augmenter
from sklearn_pyraug._preprocessing.table_codec import TableCodec

RNG = np.random.default_rng(0)
N, N_NEW = 40, 80
V = RNG.normal(size=(N, 3))
Y = np.repeat([0, 1], N // 2)
PACKAGE = str(Path(sklearn_pyraug.__file__).parent)


@pytest.fixture
def calls(monkeypatch):
    """Count calls by name, and the rows that are encoded and decoded."""
    counts = dict.fromkeys(["resolve", "check_device", "toarray", "encode", "decode"], 0)

    def count(owner, name, n_rows=lambda *args: 1):
        function = getattr(owner, name)

        def counted(*args, **kwargs):
            counts[name] += n_rows(*args)
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    for name in ("resolve", "check_device"):
        count(_augmenter, name)
    for cls in (sparse.csr_matrix, sparse.csc_matrix):
        count(cls, "toarray")
    for name in ("encode", "decode"):
        count(TableCodec, name, lambda codec, rows, *args: len(rows))
    return counts


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, sparse.csr_matrix])
def test_every_row_is_encoded_once(container, calls):
    quick(augmentation_factor=3).fit_resample(container(V), Y)
    assert calls["encode"] == N + N_NEW
    assert calls["decode"] == N_NEW
    assert calls["resolve"] == calls["check_device"] == 1
    assert calls["toarray"] == (container is sparse.csr_matrix)


def test_only_rows_that_are_drawn_again_are_encoded_again(calls):
    augmenter = quick(augmentation_factor=3, min_distance="auto")
    augmenter.fit_resample(V, Y)
    n_again = calls["encode"] - N - N_NEW
    assert 0 < n_again < N_NEW


@pytest.mark.usefixtures("either_decoder")
def test_the_way_to_the_sampler_is_short():
    depths = []

    def profile(frame, event, _):
        if event == "call" and frame.f_code.co_name == "sample_latent":
            depth = 0
            while frame is not None:
                depth += frame.f_code.co_filename.startswith(PACKAGE)
                frame = frame.f_back
            depths.append(depth)

    sys.setprofile(profile)
    try:
        quick().fit_resample(V, Y)
    finally:
        sys.setprofile(None)
    assert depths
    assert max(depths) <= 14


@pytest.mark.parametrize("fmt", ["csr_matrix", "csc_array", "coo_array", "lil_matrix"])
def test_sparse_rows_keep_their_format(fmt):
    X = getattr(sparse, fmt)(np.where(V > 0, V, 0))
    X_res, _ = quick().fit_resample(X, Y)
    assert type(X_res) is type(X)
    np.testing.assert_array_equal(X_res.toarray()[:N], X.toarray())


OBJECTS = np.array([["a", 1, True], ["b", 2, False]] * (N // 2), dtype=object)


@pytest.mark.parametrize("X", [OBJECTS, OBJECTS.tolist(), V.astype(object), V.tolist()])
def test_the_users_own_rows_come_back_by_position(X):
    categorical = None if X is not OBJECTS and not isinstance(X[0][0], str) else [0]
    X_res, _ = quick(categorical_features=categorical).fit_resample(X, Y)
    assert type(X_res) is type(X)
    assert all(a is b for row, own in zip(X_res, X, strict=False) for a, b in zip(row, own))  # noqa: B905


LONG = [900000000000207008] * 20 + [900000000000441003] * 20


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (pd.Series(LONG, dtype="Int64"), sorted(set(LONG))),
        (pd.Series(Y, dtype="boolean", name="died"), [False, True]),
        (pd.Series(Y == 1, name="died").astype("category"), [False, True]),
        (pd.Series(Y, dtype=object), [0, 1]),
        (np.array(Y == 1, dtype=object), [False, True]),
        (np.eye(2, dtype=np.int8)[Y], [0, 1]),
        (pd.get_dummies(pd.Series(list("ab"))[Y], dtype=int), ["a", "b"]),
    ],
    ids=["Int64", "boolean", "category of bool", "objects", "object bools", "one-hot", "dummies"],
)
def test_labels_are_never_cast(y, classes):
    augmenter = quick()
    _, y_res = augmenter.fit_resample(V, y)
    assert augmenter.classes_.tolist() == classes
    own, new = y_res[:N], y_res[N:]
    if isinstance(y, np.ndarray):
        assert y_res.dtype == y.dtype
        np.testing.assert_array_equal(own, y)
        np.testing.assert_array_equal(new, y[np.repeat([0, N // 2], N // 2)])
    else:
        assert list(own.to_numpy().ravel()) == list(y.to_numpy().ravel())
        expected = y.iloc[np.repeat([0, N // 2], N // 2)].reset_index(drop=True)
        assert new.reset_index(drop=True).equals(expected)
    _, y_new = augmenter.sample(1)
    assert type(y_new) is type(y)
    assert np.shape(y_new)[1:] == np.shape(y)[1:]


@pytest.mark.parametrize(
    "y",
    [
        pd.Series([None, *Y[1:]], dtype=object),
        pd.Series([pd.NA, *"ab" * 19, "a"], dtype="string"),
        pd.Series([None, *Y[1:]], dtype="Int64"),
        pd.Series(["a"] * 20 + ["b"] * 19 + [None], dtype="category"),
        np.array([None, *Y[1:]], dtype=object),
    ],
    ids=["objects", "string", "Int64", "category", "array"],
)
def test_missing_labels_are_counted(y):
    with pytest.raises(ValueError, match=r"y holds 1 missing label\(s\). Leave out"):
        quick().fit(V, y)
