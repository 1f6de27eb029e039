"""Precision, recall, density and coverage against the program of their authors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_digits, load_iris

from sklearn_pyraug.metrics import precision_recall_density_coverage

prdc = pytest.importorskip("prdc")


def normal(rng):
    return rng.normal(size=(300, 4)), rng.normal(size=(200, 4)) + 0.5


def heavy_tailed(rng):
    return rng.standard_t(2, size=(150, 10)), rng.standard_t(2, size=(250, 10))


def halves(load):
    def draw(rng):
        X = rng.permutation(load().data)[:500]
        return X[::2], X[1::2] + rng.normal(scale=0.3, size=X[1::2].shape)

    return draw


SETS = {
    "normal": normal,
    "heavy-tailed": heavy_tailed,
    "iris": halves(load_iris),
    "breast cancer": halves(load_breast_cancer),
    "digits": halves(load_digits),
}


@pytest.mark.parametrize("k", [1, 3, 5, 10])
@pytest.mark.parametrize("name", SETS)
def test_prdc_agrees_with_the_authors_program(name, k, random_seed):
    X, Y = SETS[name](np.random.default_rng(random_seed))
    theirs = prdc.compute_prdc(X, Y, nearest_k=k)
    ours = precision_recall_density_coverage(X, Y, k)._asdict()
    assert ours.keys() == theirs.keys()
    assert_allclose([*ours.values()], [*theirs.values()], rtol=0, atol=1e-9)
    assert all(value > 0 for value in ours.values())
