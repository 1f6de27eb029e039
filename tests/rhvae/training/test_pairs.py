"""Which rows may be references of which, and that each is drawn equally often."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from shared import stream

from sklearn_pyraug.rhvae.training import pairs as module
from sklearn_pyraug.rhvae.training.pairs import draw_partners, find_partners, n_partners

# Unsorted on purpose; class 7 has one row.
LABELS = torch.tensor([3, 0, 0, 3, 1, 3, 0, 1, 0, 3, 7, 3, 0])
N = len(LABELS)


def some_rows(seed, n=N, n_features=3):
    return torch.randn(n, n_features, generator=stream(seed), dtype=torch.float64)


def listed(partners, i):
    """Return the partners of row i as the docstring says: its run without itself."""
    start, count = int(partners.start[i]), int(partners.count[i])
    return sorted(j for j in partners.order[start : start + count].tolist() if j != i)


def nearest(rows, labels, i, k):
    """Return the k nearest other rows of the class of row i, by going through all of them."""
    others = [j for j in range(len(rows)) if labels[j] == labels[i] and j != i]
    others.sort(key=lambda j: float((rows[j] - rows[i]).norm()))
    return sorted(others[:k])


@pytest.mark.parametrize("n_neighbors", [None, 4, 100])
def test_partners_are_all_other_rows_of_the_class(random_seed, n_neighbors):
    """Class 0 and class 3 have five rows: four neighbours are all of them."""
    partners = find_partners(some_rows(random_seed), LABELS, n_neighbors)
    for i in range(N):
        assert listed(partners, i) == [j for j in range(N) if LABELS[j] == LABELS[i] and j != i]


@pytest.mark.parametrize("n_neighbors", [1, 2, 3])
@pytest.mark.parametrize("chunk", [2**24, 7, 1])
def test_neighbours_are_the_nearest_rows_of_the_class(random_seed, n_neighbors, chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_VALUES", chunk)
    rows = some_rows(random_seed)
    partners = find_partners(rows, LABELS, n_neighbors)
    for i in range(N):
        assert listed(partners, i) == nearest(rows, LABELS, i, n_neighbors)


def test_a_row_that_is_alone_has_no_partner():
    partners = find_partners(some_rows(0), LABELS, 2)
    alone = int((LABELS == 7).nonzero())
    assert listed(partners, alone) == []
    # How callers can tell: a run of one holds the row itself.
    assert (partners.count > 1).tolist() == (LABELS != 7).tolist()


def test_a_copy_of_a_row_is_a_neighbour_like_any_other():
    """A row is its own nearest one only where nobody looks at the index."""
    rows = torch.zeros(6, 2)
    rows[3:] = 5.0
    partners = find_partners(rows, torch.zeros(6, dtype=torch.int64), 2)
    for i in range(6):
        assert listed(partners, i) == [j for j in range(6) if (j < 3) == (i < 3) and j != i]


def draws_of(partners, i, n, seed):
    return draw_partners(partners, torch.full((n,), i), stream(seed))


@pytest.mark.parametrize("n_neighbors", [None, 1, 3])
def test_draws_are_partners_and_never_the_row_itself(random_seed, n_neighbors):
    rows = some_rows(random_seed)
    partners = find_partners(rows, LABELS, n_neighbors)
    able = (partners.count > 1).nonzero().flatten().repeat(200)
    references = draw_partners(partners, able, stream(random_seed))
    assert references.dtype == torch.int64
    assert (references != able).all()
    assert (LABELS[references] == LABELS[able]).all()
    for i in able.unique().tolist():
        assert sorted(references[able == i].unique().tolist()) == listed(partners, i)


@pytest.mark.parametrize("n_neighbors", [None, 3])
def test_draws_are_uniform(random_seed, n_neighbors):
    """Also for the first and the last row of a run, which are skipped differently."""
    n = 4000
    partners = find_partners(some_rows(random_seed), LABELS, n_neighbors)
    for i in (partners.count > 1).nonzero().flatten().tolist():
        expected = listed(partners, i)
        counts = np.bincount(draws_of(partners, i, n, 100 * random_seed + i), minlength=N)
        assert counts.sum() == counts[expected].sum() == n
        if len(expected) > 1:
            share = n / len(expected)
            statistic = ((counts[expected] - share) ** 2 / share).sum()
            # The statistic is above this once in a million times.
            assert statistic <= chi2.isf(1e-6, len(expected) - 1)


def test_a_class_of_two_pairs_up():
    partners = find_partners(some_rows(0), LABELS)
    assert draws_of(partners, 4, 20, 0).unique().tolist() == [7]
    assert draws_of(partners, 7, 20, 0).unique().tolist() == [4]


def test_equal_streams_draw_equal_partners():
    partners, rows = find_partners(some_rows(0), LABELS), torch.tensor([0, 1, 2, 3, 4])
    one, two, other = (draw_partners(partners, rows.repeat(9), stream(s)) for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("n_neighbors", [None, 1, 2, 3, 10])
def test_partners_of_some_rows_are_those_of_all(random_seed, n_neighbors):
    rows = some_rows(random_seed)
    everybody = find_partners(rows, LABELS, n_neighbors)
    assert n_partners(LABELS, n_neighbors).tolist() == (everybody.count - 1).tolist()
    asking = torch.tensor([9, 0, 2, 9, 4])
    partners = find_partners(rows, LABELS, n_neighbors, of=asking)
    expected = draw_partners(everybody, asking, stream(random_seed))
    assert torch.equal(draw_partners(partners, asking, stream(random_seed)), expected)
    assert [listed(partners, i) for i in asking] == [listed(everybody, i) for i in asking]
