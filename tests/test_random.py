"""The random streams of classes and purposes."""

import random
from itertools import product

import numpy as np
import pytest
import torch

from sklearn_pyraug._random import PURPOSES, class_generator, class_seed, root_seed


def global_states():
    """Return the state of every global generator, in comparable form."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return name, keys.tolist(), rest, torch.get_rng_state().tolist(), random.getstate()


@pytest.mark.parametrize("seed", [0, 42, np.int64(42), np.uint32(7), 2**63 - 1])
def test_an_int_is_its_own_root_seed(seed):
    root = root_seed(seed)
    assert type(root) is int
    assert root == seed


def test_none_takes_fresh_entropy_even_after_a_global_seed():
    roots = set()
    for _ in range(3):
        np.random.seed(0)  # noqa: NPY002
        roots.add(root_seed(None))
    assert len(roots) == 3
    assert all(0 <= root < 2**63 for root in roots)


def test_a_random_state_is_drawn_from_and_advances():
    state = np.random.RandomState(3)
    first, second = root_seed(state), root_seed(state)
    assert first != second
    assert root_seed(np.random.RandomState(3)) == first
    assert 0 <= first < 2**63


@pytest.mark.parametrize("seed", [-1, 2**63, "0", 1.5, np.random.default_rng(0)])
def test_what_cannot_seed_is_named(seed):
    with pytest.raises(ValueError, match=r"random_state=.* cannot seed .*Pass an int"):
        root_seed(seed)


def test_streams_differ_between_roots_classes_and_purposes():
    names = list(product(range(3), range(20), PURPOSES))
    seeds = [class_seed(*name) for name in names]
    assert len(set(seeds)) == len(names)
    assert all(0 <= seed < 2**63 for seed in seeds)
    draws = {tuple(torch.rand(4, generator=class_generator(*name)).tolist()) for name in names}
    assert len(draws) == len(names)


def test_a_stream_depends_on_its_name_alone():
    first = torch.randn(5, generator=class_generator(11, 2, "noise"))
    torch.randn(5, generator=class_generator(11, 1, "noise"))
    again = torch.randn(5, generator=class_generator(11, 2, "noise"))
    assert torch.equal(first, again)
    assert class_seed(11, np.int64(2), "noise") == class_seed(11, 2, "noise")


def test_seeds_stay_the_same_between_releases():
    """A model retrained with a published seed should come out as it did."""
    assert PURPOSES == (
        "weights",
        "shuffle",
        "noise",
        "split",
        "mcmc",
        "decode",
        "fallback",
        "fine_tuning",
    )
    sequence = np.random.SeedSequence(entropy=5, spawn_key=(4, 1))
    assert class_seed(5, 1, "mcmc") == int(sequence.generate_state(1, np.uint64)[0]) // 2


def test_generators_live_on_the_cpu():
    assert class_generator(0, 0, "weights").device == torch.device("cpu")


@pytest.mark.parametrize("random_state", [None, 0, np.random.RandomState(0)])
def test_global_generators_are_neither_read_nor_advanced(random_state):
    before = global_states()
    root = root_seed(random_state)
    torch.rand(3, generator=class_generator(root, 1, "split"))
    assert global_states() == before
