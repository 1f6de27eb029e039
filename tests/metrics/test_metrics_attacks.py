"""Attacks find copies, and in independent rows as much as in rows held out."""

import numpy as np
import pytest

from sklearn_pyraug.metrics import (
    attribute_inference,
    linkability,
    membership_inference,
    univariate_singling_out,
)

ATTACKS = [attribute_inference, linkability, membership_inference, univariate_singling_out]


@pytest.fixture(scope="module")
def sets():
    """Three independent sets of rows of one distribution."""
    return np.random.default_rng(0).normal(size=(3, 400, 4))


def test_copies_are_found(sets):
    _, X, holdout = sets
    assert membership_inference(X, X, holdout) == (1, 1)
    assert univariate_singling_out(X, X, holdout) == (1, 0)
    for attack in (attribute_inference, linkability):
        result = attack(X, X, holdout)
        assert result.share == result.risk == 1
        assert result.control_share < 0.2


def test_independent_rows_tell_nothing(sets):
    auc, found = membership_inference(*sets)
    # Standard deviation of the area: about sqrt((2 * 400 + 1) / (12 * 400 * 400)).
    assert abs(auc - 0.5) < 5 * 0.021
    assert found < 0.05
    assert univariate_singling_out(*sets) == (0, 0)
    for attack in (attribute_inference, linkability):
        share, control = attack(*sets)
        # 5 * sqrt(2 * 0.16 * 0.84 / 400), that of one column.
        assert abs(share - control) < 0.13


def test_columns_of_one_value_are_guessed_and_linked_together():
    """With a category in two columns, one must not reveal the other."""
    rng = np.random.default_rng(0)
    n, groups = 300, [0, 0, 1]
    new, X, holdout = (np.c_[a, 1 - a, b] for a, b in rng.integers(0, 2, size=(3, 2, n)) * 1.0)
    share, control = attribute_inference(new, X, holdout, groups=groups)
    # A coin: half of the guesses are right.
    assert abs(share - 0.5) < 0.2
    assert attribute_inference(new, X, holdout).share > 0.8
    with pytest.raises(ValueError, match="1 group of columns"):
        linkability(new, X, holdout, groups=[0, 0, 0])
    with pytest.raises(ValueError, match=r"`groups` has the shape \(2,\)"):
        linkability(new, X, holdout, groups=[0, 1])


def test_more_neighbours_link_more(sets):
    shares = [linkability(*sets, n_neighbors=k).share for k in (1, 5, 400)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    for n_neighbors in (0, True, None, "all"):
        with pytest.raises(ValueError, match="`n_neighbors` is .*; give an integer"):
            linkability(*sets, n_neighbors=n_neighbors)


def test_a_value_that_two_rows_have_singles_out_none():
    assert univariate_singling_out([[1.0], [2.0]], [[1.0], [1.0]], [[2.0], [3.0]]) == (0, 0.5)


@pytest.mark.parametrize("sizes", [(400, 100), (50, 400)])
def test_singling_out_among_sets_of_other_sizes(sizes):
    """More rows have more values: independent rows were always reported as a leak."""
    rng = np.random.default_rng(0)
    new, X, holdout = (np.round(150 * rng.normal(size=(n, 20))) for n in (sizes[0], *sizes))
    share, control = univariate_singling_out(new, X, holdout)
    # 20 columns of some hundreds of guesses.
    assert share > 0.05
    assert abs(share - control) < 0.03


def test_one_column_has_no_others():
    for attack in (attribute_inference, linkability):
        with pytest.raises(ValueError, match="at least two"):
            attack(*[np.eye(2)[:, :1]] * 3)


@pytest.mark.parametrize("attack", ATTACKS)
def test_bad_sets_are_refused(attack):
    with pytest.raises(ValueError, match="columns"):
        attack(np.eye(3), np.eye(3), np.eye(2))
