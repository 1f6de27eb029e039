"""The shadow-model attack finds copies, and finds nothing in independent rows."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from benchmarks.privacy.attack import attack, main, unique_share


def copies(X, y, n_new, seed):
    return X, y


def independent(X, y, n_new, seed):
    new = np.random.default_rng(seed).normal(size=X.shape) * X.std(axis=0) + X.mean(axis=0)
    return new, y


def test_copies_are_found_and_independent_rows_tell_nothing():
    X, y = load_iris(return_X_y=True)
    X = X + np.random.default_rng(0).normal(scale=1e-3, size=X.shape)
    auc, found, unique = attack(copies, X, y, 8, 1)
    assert auc > 0.99
    assert found > 0.9
    assert unique == 1
    auc, found, unique = attack(independent, X, y, 8, 1)
    assert 0.4 < auc < 0.6
    assert found < 0.05
    assert unique == 0


def test_unique_values():
    X = np.array([[1.0, 5.0], [1.0, 6.0]])
    assert unique_share(np.array([[1.0, 0.0], [0.0, 6.0], [2.0, 2.0], [5.0, 1.0]]), X) == 0.25


@pytest.mark.slow
def test_the_table(capsys):
    main(["--data", "iris", "--methods", "SMOTE", "--factors", "1", "--shadows", "4"])
    assert len(capsys.readouterr().out.splitlines()) == 3
