"""Tests of distances to the nearest row, and of how far rows lie apart."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from shared import codes

from sklearn_pyraug.metrics import _neighbors
from sklearn_pyraug.metrics._neighbors import Spacing, closest, closest_other, find_spacing


@pytest.mark.parametrize(("n_columns", "block"), [(1, 7), (3, 21), (40, 280), (40, 800)])
def test_distances_to_the_closest_row(n_columns, block, monkeypatch):
    monkeypatch.setattr(_neighbors, "_BLOCK", block)
    if block == 800:  # of volumes: seven of the columns at a time
        monkeypatch.setattr(_neighbors, "_MAX_SEARCHED_COLUMNS", 39)
    A, B = codes(50, n_columns), codes(60, n_columns, seed=1)
    assert_allclose(closest(A, B), cdist(A, B).min(axis=1), rtol=1e-6)
    within = cdist(B, B) + np.diag(np.full(60, np.inf))
    assert_allclose(closest_other(B), within.min(axis=1), rtol=1e-6)
    chosen = np.array([3, 50, 7])
    assert_allclose(closest_other(B, chosen), within.min(axis=1)[chosen], rtol=1e-6)


@pytest.mark.parametrize("n_twins", [2, 3, 5])
def test_the_closest_row_of_a_twin_is_a_twin(n_twins):
    """Whichever of several equal rows the search finds first."""
    rows = 1e4 + codes(20, 30)
    rows[:n_twins] = rows[0]
    assert_array_equal(closest_other(rows)[:n_twins], 0)
    assert (closest_other(rows)[n_twins:] > 0).all()
    assert_array_equal(closest(rows, rows), 0)


def test_spacing_of_points_on_a_line():
    """0, 1, 3, 7, 15 in each of four columns: nearest others at 1, 1, 2, 4 and 8."""
    T = np.repeat(np.array([[0, 1, 3, 7, 15]], np.float32).T, 4, axis=1)
    assert find_spacing(T) == Spacing(1.0, 2.0, 0.0)
    twins = np.concatenate([T, T[:1]])
    # 0, 0, 1, 2, 4, 8: the percentile lies between the first two.
    assert find_spacing(twins) == Spacing(0.0, 1.5, pytest.approx(2 / 6))


def test_infinite_codes_are_far_away():
    """Of values at the end of the floats' range, whose standard scores overflow."""
    T = codes(30)
    T[0, 0] = np.inf
    new = np.array([[np.inf, 0, 0], [-np.inf, 0, 0]], np.float32)
    assert (closest(new, T[1:]) > 1e29).all()
    assert np.isfinite(find_spacing(T).median)
