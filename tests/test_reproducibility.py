"""Tests of what the synthetic rows depend on, and of what they do not."""

import random

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from shared import quick, table
from torch import nn

from sklearn_pyraug._generation import fit as fitting


@pytest.fixture
def data():
    """Four classes, one of them too small to train on by itself, in random order."""
    return table((20, 12, 9, 2))


pytestmark = pytest.mark.filterwarnings("ignore:Too few rows to train")

# So few weights in a stack that every class is a group, and that there are jobs to share out.
ONE_CLASS_A_GROUP = {"cpu": 1}


def make_decoder(latent_dim, n_features):
    return nn.Sequential(nn.Linear(latent_dim, 5), nn.SiLU(), nn.Linear(5, n_features))


NETWORKS = {
    "default": {},
    "default, per class": {"shared": False},
    "direct": {"decoder": "direct"},
    "custom": {"decoder": make_decoder},
}
every_network = pytest.mark.parametrize("networks", NETWORKS.values(), ids=NETWORKS)


@pytest.mark.parametrize("limit", [None, ONE_CLASS_A_GROUP], ids=["one group", "four groups"])
@every_network
def test_twice_the_same(data, monkeypatch, limit, networks):
    if limit is not None:
        monkeypatch.setattr(fitting, "_MAX_WEIGHTS", limit)
    X, y = data
    one, two = quick(**networks), quick(**networks)
    assert_array_equal(one.fit_resample(X, y)[0], two.fit_resample(X, y)[0])
    assert_array_equal(one.fit_resample(X, y)[0], two.fit_resample(X, y)[0])
    assert_array_equal(one.origin_indices_, two.origin_indices_)
    assert_array_equal(one.sample(3)[0], two.sample(3)[0])


@pytest.mark.usefixtures("either_decoder")
def test_the_same_after_other_work(data):
    """An estimator that was fitted on something else before keeps nothing of it."""
    X, y = data
    expected = quick().fit_resample(X, y)[0]
    used = quick()
    used.fit_resample(X[:, :2], y)
    used.sample(5)
    assert_array_equal(used.fit_resample(X, y)[0], expected)


@every_network
def test_number_of_jobs(data, monkeypatch, networks):
    """Backends of other processes: ``generation/test_backends.py``."""
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", ONE_CLASS_A_GROUP)
    X, y = data
    expected = quick(n_jobs=1, **networks).fit_resample(X, y)
    with joblib.parallel_config("threading"):
        augmenter = quick(n_jobs=2, **networks)
        X_res, y_res = augmenter.fit_resample(X, y)
        assert_array_equal(X_res, expected[0])
        assert_array_equal(y_res, expected[1])
        X_new, _ = augmenter.sample(4)
    assert_array_equal(X_new, quick(n_jobs=1, **networks).fit(X, y).sample(4)[0])


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("n_jobs", [None, 3])
def test_number_of_jobs_from_the_surroundings(data, monkeypatch, n_jobs):
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", ONE_CLASS_A_GROUP)
    X, y = data
    expected = quick().fit_resample(X, y)[0]
    with joblib.parallel_config("threading", n_jobs=2):
        assert_array_equal(quick(n_jobs=n_jobs).fit_resample(X, y)[0], expected)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "b", "c", "d"]),
        np.array(["a", "b", "c", "d"], dtype=object),
        np.array([-7, 0, 3, 1000]),
        np.array([0.0, 1.0, 2.0, 5.0]),
    ],
    ids=["str", "object", "int", "float"],
)
def test_relabelled_classes(data, labels):
    X, y = data
    one, other = quick(), quick()
    expected, y_expected = one.fit_resample(X, y)
    X_res, y_res = other.fit_resample(X, labels[y])
    assert_array_equal(X_res, expected)
    assert_array_equal(y_res, labels[y_expected])
    assert_array_equal(other.origin_indices_, one.origin_indices_)


@pytest.mark.parametrize("container", [np.ndarray.tolist, np.asfortranarray], ids=["list", "F"])
def test_container_does_not_matter(data, container):
    X, y = data
    assert_array_equal(quick().fit_resample(container(X), y)[0], quick().fit_resample(X, y)[0])


def global_states():
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return name, keys.tolist(), *rest, torch.get_rng_state().tolist(), random.getstate()


@pytest.mark.parametrize("random_state", [0, None, "instance"])
@every_network
def test_global_generators_are_left_alone(data, random_state, networks):
    X, y = data
    if random_state == "instance":
        random_state = np.random.RandomState(3)
    before = global_states()
    augmenter = quick(random_state=random_state, validation_fraction=0.0, **networks)
    augmenter.fit_resample(X, y)
    augmenter.sample(2)
    augmenter.fit(X, y)
    assert global_states() == before


@every_network
def test_global_generators_do_not_matter(data, networks):
    X, y = data
    rows = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        random.seed(seed)
        augmenter = quick(**networks)
        rows.append((augmenter.fit_resample(X, y)[0], augmenter.sample(2)[0]))
    assert_array_equal(rows[0][0], rows[1][0])
    assert_array_equal(rows[0][1], rows[1][1])


def new_rows(X, y, **parameters):
    return quick(**parameters).fit_resample(X, y)[0][len(X) :]


@pytest.mark.usefixtures("either_decoder")
def test_seeds_differ(data):
    X, y = data
    one, two = new_rows(X, y, random_state=1), new_rows(X, y, random_state=2)
    assert not np.any(np.all(one == two, axis=1))


@pytest.mark.usefixtures("either_decoder")
def test_no_seed_differs_each_time(data):
    X, y = data
    np.random.seed(0)  # noqa: NPY002
    one = new_rows(X, y, random_state=None)
    np.random.seed(0)  # noqa: NPY002
    two = new_rows(X, y, random_state=None)
    assert not np.any(np.all(one == two, axis=1))


@pytest.mark.usefixtures("either_decoder")
def test_random_state_instance(data):
    """An instance moves on with every call, as everywhere in scikit-learn."""
    X, y = data
    augmenter = quick(random_state=np.random.RandomState(5))
    one, two = augmenter.fit_resample(X, y)[0], augmenter.fit_resample(X, y)[0]
    assert not np.array_equal(one, two)
    again = quick(random_state=np.random.RandomState(5))
    assert_array_equal(again.fit_resample(X, y)[0], one)
    assert_array_equal(again.fit_resample(X, y)[0], two)
    assert not np.array_equal(augmenter.sample(3)[0], augmenter.sample(3)[0])


@pytest.mark.parametrize("seed", [np.int32(7), np.uint64(7)])
def test_numpy_integers_are_seeds(data, seed):
    X, y = data
    assert_array_equal(new_rows(X, y, random_state=seed), new_rows(X, y, random_state=7))


@pytest.mark.usefixtures("either_decoder")
def test_classes_own_their_streams(data):
    """What class 1 is asked for changes nothing in class 0 but the last bits of its sums."""
    X, y = data
    few, many = ({0: 26, 1: n, 2: 9, 3: 2} for n in (13, 30))
    one, two = quick(sampling_strategy=few), quick(sampling_strategy=many)
    rows = []
    for augmenter in (one, two):
        X_res, y_res = augmenter.fit_resample(X, y)
        rows.append(X_res[augmenter.synthetic_mask_ & (y_res == 0)])
    assert rows[0].shape == (6, 4)
    assert_allclose(rows[0], rows[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("networks", [{"decoder": "direct"}, {"shared": False}], ids=str)
def test_groups_change_no_more_than_the_last_bits(data, monkeypatch, networks):
    """The same streams feed a class wherever it is trained."""
    # An accelerator has a limit of its own.
    networks = {"device": "cpu"} | networks
    X, y = data
    together = quick(**networks).fit(X, y)
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", ONE_CLASS_A_GROUP)
    apart = quick(**networks).fit(X, y)
    assert len(apart._generators.trained) == 3 > len(together._generators.trained)
    for label, record in together.history_.items():
        assert_allclose(record.train_loss, apart.history_[label].train_loss, rtol=1e-5)
    assert_allclose(together.sample(5)[0], apart.sample(5)[0], rtol=1e-3, atol=1e-3)
