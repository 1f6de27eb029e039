"""Tests of how classes are grouped."""

from threading import Lock

import joblib
import numpy as np
import pytest

from sklearn_pyraug import HMC, MLP, RHVAEAugmenter
from sklearn_pyraug._generation import fit as fitting
from sklearn_pyraug._generation.fit import plan_groups


def limit_of_cpu():
    return fitting._MAX_WEIGHTS["cpu"]


def test_few_small_classes_make_one_group():
    assert plan_groups({0: 50, 1: 50, 2: 40}, 1000, 100, "cpu") == [[0, 1, 2]]


def test_no_classes_make_no_group():
    assert plan_groups({}, 1000, 100, "cpu") == []


@pytest.mark.parametrize("weights", [1, 10_000, 700_000, 24_999_999, 25_000_001, 10**9])
@pytest.mark.parametrize("batch_size", [1, 32, 100])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_groups_cover_fit_and_match(weights, batch_size, device, random_seed):
    rng = np.random.default_rng(random_seed)
    sizes = {int(k): int(n) for k, n in enumerate(rng.geometric(1e-3, size=60) + 3)}
    groups = plan_groups(sizes, weights, batch_size, device)

    assert sorted(k for g in groups for k in g) == sorted(sizes)
    limit = limit_of_cpu() if device == "cpu" else fitting._MAX_WEIGHTS_ACCELERATOR
    for group in groups:
        assert len(group) == 1 or len(group) * weights <= limit
        steps = [-(-sizes[k] // batch_size) for k in group]
        assert max(steps) < 2 * min(steps)


def test_a_class_of_any_weight_is_a_group_of_its_own():
    assert plan_groups({0: 10, 1: 10}, 10 * limit_of_cpu(), 100, "cpu") == [[0], [1]]


def test_groups_are_of_like_length():
    """Jobs that run side by side should end together."""
    weights = limit_of_cpu() // 4
    groups = plan_groups(dict.fromkeys(range(9), 50), weights, 100, "cpu")
    assert [len(g) for g in groups] == [3, 3, 3]


def test_an_accelerator_takes_more_at_once():
    sizes = dict.fromkeys(range(20), 50)
    weights = limit_of_cpu() // 2
    assert len(plan_groups(sizes, weights, 100, "cpu")) == 10
    assert len(plan_groups(sizes, weights, 100, "cuda")) == 1
    assert len(plan_groups(sizes, weights, 100, "cuda:1")) == 1


def test_groups_do_not_depend_on_the_number_of_jobs(monkeypatch):
    """What is trained together decides in which order the sums are made."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2, 3], [8, 9, 20, 70])
    X = rng.normal(size=(len(y), 2))
    train, lock, seen = fitting.train_generator, Lock(), []

    def recorded(data, *args, **kwargs):
        with lock:
            seen[-1].add(tuple(len(own.rows) for own in data))
        return train(data, *args, **kwargs)

    monkeypatch.setattr(fitting, "train_generator", recorded)
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", {"cpu": 1000})
    for n_jobs in (None, 1, 2, 3):
        seen.append(set())
        augmenter = RHVAEAugmenter(
            max_epochs=2,
            encoder=MLP((60,)),
            latent_dim=2,
            batch_size=10,
            sampler=HMC(n_steps=2),
            n_jobs=n_jobs,
            random_state=0,
            device="cpu",
            decoder="direct",
        )
        with joblib.parallel_config("threading"):
            augmenter.fit(X, y)
    assert len(seen[0]) > 1
    assert all(s == seen[0] for s in seen)
