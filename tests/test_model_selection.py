"""Folds of augmented data."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy import sparse
from shared import quick, table
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier

from sklearn_pyraug.model_selection import OriginSplit


@pytest.fixture
def augmented():
    """20 real rows, each with its number, and 40 synthetic ones that bear their origin's."""
    origins = np.r_[np.arange(20), np.random.default_rng(0).integers(20, size=40)]
    y = (np.arange(20) % 2)[origins]
    return np.column_stack([origins, np.zeros(60)]), y, origins


SPLITTERS = [
    4,
    KFold(3, shuffle=True, random_state=0),
    StratifiedKFold(5),
    RepeatedStratifiedKFold(n_splits=2, n_repeats=3, random_state=0),
    LeaveOneOut(),
    [(np.arange(10), np.arange(10, 20)), (np.arange(5, 20), np.arange(3))],
]


@pytest.mark.parametrize("cv", SPLITTERS, ids=lambda cv: type(cv).__name__)
def test_synthetic_rows_follow_their_origins(augmented, cv):
    X, y, origins = augmented
    splitter = OriginSplit(cv)
    real = np.arange(20)
    inner = StratifiedKFold(4) if cv == 4 else cv
    inner = inner if isinstance(inner, list) else list(inner.split(X[:20], y[:20]))
    folds = list(splitter.split(X, y, origins))
    assert len(folds) == len(inner) == splitter.get_n_splits(X, y, origins)
    for (train, test), (inner_train, inner_test) in zip(folds, inner, strict=True):
        assert_array_equal(test, real[inner_test])
        assert_array_equal(train, np.flatnonzero(np.isin(origins, inner_train)))


def test_real_rows_may_stand_anywhere(augmented):
    """Shuffled rows, with origins renumbered: the same folds, shuffled."""
    X, y, origins = augmented
    order = np.random.default_rng(1).permutation(60)
    place = np.argsort(order)
    moved = place[origins[order]]
    for train, test in OriginSplit(KFold(4)).split(X[order], y[order], moved):
        assert_array_equal(moved[test], test)
        # The first column names the origin.
        assert not set(X[order][train, 0]) & set(X[order][test, 0])
        assert len(test) == 5


def test_patients(augmented):
    X, y, origins = augmented
    patient = np.array([f"p{i // 4}" for i in range(20)])[origins]
    splitter = OriginSplit(GroupKFold(5), origin_indices=origins)
    folds = list(splitter.split(X, y, patient))
    for train, test in folds:
        assert set(test) <= set(range(20))
        assert not set(patient[train]) & set(patient[test])
    assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(20))


@pytest.mark.parametrize(
    "container", [np.asarray, pd.DataFrame, sparse.csr_array, np.ndarray.tolist]
)
def test_containers(augmented, container):
    X, y, origins = augmented
    expected = list(OriginSplit(3).split(X, y, origins))
    for got in (
        OriginSplit(3).split(container(X), pd.Series(y, index=y), origins.tolist()),
        OriginSplit(3, origin_indices=pd.Series(origins)).split(container(X), y),
    ):
        for one, other in zip(expected, got, strict=True):
            assert_array_equal(one[0], other[0])
            assert_array_equal(one[1], other[1])


def test_with_the_augmenter():
    X, y = table((24, 16), 4)
    patient = np.arange(40) // 2
    augmenter = quick(augmentation_factor=3)
    X_res, y_res = augmenter.fit_resample(X, y, groups=patient)
    classifier = LogisticRegression()
    scores = cross_val_score(
        classifier, X_res, y_res, cv=OriginSplit(4), groups=augmenter.origin_indices_
    )
    assert scores.shape == (4,)
    splitter = OriginSplit(GroupKFold(4), origin_indices=augmenter.origin_indices_)
    search = GridSearchCV(classifier, {"C": [0.1, 1.0]}, cv=splitter, error_score="raise")
    search.fit(X_res, y_res, groups=augmenter.groups_)
    assert search.n_splits_ == 4
    for train, test in splitter.split(X_res, y_res, augmenter.groups_):
        assert not augmenter.synthetic_mask_[test].any()
        assert augmenter.synthetic_mask_[train].any()
        assert not set(augmenter.groups_[train]) & set(augmenter.groups_[test])


def test_a_memorising_classifier_gains_nothing():
    """Copies of noise with random labels: folds at random let it score 1, these do not.

    A nearest neighbour meets its test row's copy in training; without, it guesses.
    """
    rng = np.random.default_rng(0)
    origins = np.tile(np.arange(300), 3)
    X, y = rng.normal(size=(300, 5))[origins], rng.integers(2, size=300)[origins]
    leaky = cross_val_score(
        KNeighborsClassifier(1), X, y, cv=KFold(5, shuffle=True, random_state=0)
    )
    kept = cross_val_score(KNeighborsClassifier(1), X, y, cv=OriginSplit(5), groups=origins)
    assert leaky.mean() > 0.9
    # Five standard deviations of a mean of 300 coins.
    assert abs(kept.mean() - 0.5) < 5 * 0.5 / np.sqrt(300)


def test_metadata_routing(augmented):
    X, y, origins = augmented
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            DummyClassifier(), X, y, cv=OriginSplit(4), params={"groups": origins}
        )
    assert scores.shape == (4,)


def test_number_of_folds_without_data():
    assert OriginSplit(7).get_n_splits() == 7
    assert OriginSplit(GroupKFold(3)).get_n_splits() == 3
    assert repr(OriginSplit(3)) == "OriginSplit(cv=3, origin_indices=None)"


@pytest.mark.parametrize(
    ("origins", "match"),
    [
        (None, r"origin_indices=None, and no groups were given: pass"),
        (np.arange(59), r"of shape \(59,\) and dtype int64, .* among the 60 rows"),
        ("patient", r"of shape \(\) and dtype"),
        (
            np.full(60, 60),
            "dtype int64, are not the positions of real rows among the 60 rows: pass",
        ),
        (np.r_[-1, np.arange(1, 60)], "not the positions of real rows"),
        (np.r_[1:60, 0], "not the positions of real rows"),
        (np.arange(60.0), "dtype float64, are not the positions"),
        (np.repeat(["p1", "p2"], 30), "are not the positions of real rows"),
    ],
)
def test_refuses(augmented, origins, match):
    X, y, _ = augmented
    with pytest.raises(ValueError, match=match):
        next(OriginSplit(3).split(X, y, origins))
    with pytest.raises(ValueError, match=match):
        next(OriginSplit(3, origin_indices=origins).split(X, y))
    with pytest.raises(ValueError, match=match):
        OriginSplit(3).get_n_splits(X, y, origins)
