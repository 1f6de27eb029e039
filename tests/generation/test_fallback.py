"""Tests of the generator for classes that are too small to train on."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_pyraug._generation.fallback import pooled_scale, smoothed_bootstrap


@pytest.fixture
def rows():
    return np.array([[0.0, 10.0, 1.0], [4.0, 10.0, -1.0], [5.0, 10.0, 0.0]], dtype=np.float32)


def test_moments(rows, random_seed):
    """With u ~ U(0, ½), E[(1 − u)² + u²] = 2/3: Var x = 2/3 Var xᵢ + 0.2² s²."""
    n = 40_000
    scale = np.array([2.0, 0.5, 0.0])
    new, _ = smoothed_bootstrap(rows, scale, n, random_seed)
    new = new.astype(np.float64)
    variance = 2 / 3 * rows.astype(np.float64).var(axis=0) + 0.04 * scale**2
    # Five standard errors of independent draws; drawing the rows in turn only makes them smaller.
    squares = (new - rows.mean(axis=0, dtype=np.float64)) ** 2
    assert_allclose(new.mean(axis=0), rows.mean(axis=0), atol=5 * np.sqrt(variance.max() / n))
    assert np.all(np.abs(squares.mean(axis=0) - variance) < 5 * squares.std(axis=0) / np.sqrt(n))


def test_without_noise_new_rows_lie_between_two_rows(rows):
    new, origins = smoothed_bootstrap(rows, np.zeros(3), 500, seed=0)
    # Of the two rows, the origin is the nearer one: some partner explains the new row.
    explained = np.zeros(500, dtype=bool)
    for partner in rows:
        step = partner - rows[origins]
        u = np.einsum("ij,ij->i", new - rows[origins], step) / np.maximum((step**2).sum(1), 1e-12)
        residual = np.abs(new - rows[origins] - u[:, None] * step).max(axis=1)
        explained |= (residual < 1e-5) & (u > -1e-5) & (u < 0.5 + 1e-5)
    assert explained.all()


def test_a_single_row_is_repeated_with_noise(random_seed):
    row = np.array([[3.0, -1.0]], dtype=np.float32)
    n = 20_000
    new, origins = smoothed_bootstrap(row, np.array([1.0, 5.0]), n, random_seed)
    assert_array_equal(origins, 0)
    # Five standard errors: 1/sqrt(n) for a mean, 1/sqrt(2 n) for a standard deviation.
    assert_allclose(new.mean(axis=0), row[0], atol=5 / np.sqrt(n))
    assert_allclose(new.std(axis=0), [0.2, 1.0], rtol=5 / np.sqrt(2 * n))
    assert_array_equal(smoothed_bootstrap(row, np.zeros(2), 4, 0)[0], np.repeat(row, 4, axis=0))


@pytest.mark.parametrize("n_new", [0, 1, 2, 3, 7])
def test_origins_take_turns(rows, n_new):
    new, origins = smoothed_bootstrap(rows, np.ones(3), n_new, seed=0)
    assert new.shape == (n_new, 3)
    assert new.dtype == np.float32
    counts = np.bincount(origins, minlength=3)
    assert counts.sum() == n_new
    assert np.ptp(counts) <= 1


def test_seed(rows):
    one, two, other = (smoothed_bootstrap(rows, np.ones(3), 9, seed)[0] for seed in (0, 0, 1))
    assert_array_equal(one, two)
    assert np.all(one != other)


def test_pooled_scale():
    """Sums of squares within the classes, over rows less classes."""
    T = np.array([[0.0, 1.0], [2.0, 1.0], [10.0, 1.0], [13.0, 1.0], [16.0, 1.0], [99.0, 1.0]])
    y_index = np.array([0, 0, 1, 1, 1, 2])
    expected = np.sqrt((1.0 + 1.0 + 9.0 + 0.0 + 9.0) / (1 + 2 + 0))
    assert_allclose(pooled_scale(T.astype(np.float32), y_index, 3), [expected, 0.0])


def test_pooled_scale_where_no_class_has_two_rows():
    assert_array_equal(pooled_scale(np.array([[1.0], [5.0]], np.float32), np.arange(2), 2), [0.0])
