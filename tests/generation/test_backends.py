"""Tests of groups of classes on the workers of joblib's backends, dask and ray among them."""

import sys
from contextlib import contextmanager, nullcontext

import joblib
import pytest
from joblib.pool import PicklingPool
from numpy.testing import assert_array_equal
from shared import quick, table

from sklearn_pyraug._generation import fit as fitting

pytestmark = pytest.mark.filterwarnings("ignore:Too few rows to train")


@contextmanager
def dask_cluster():
    """Start two workers in processes of their own, on this machine."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def ray_cluster():
    """Start ray with two processors, on this machine; its workers end with the block."""
    ray = pytest.importorskip("ray")
    register_ray = pytest.importorskip("ray.util.joblib").register_ray
    bases = PicklingPool.__bases__
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        register_ray()
        yield
    finally:
        ray.shutdown()
        # Ray's backend replaces them for good, and joblib's own "multiprocessing" with them.
        PicklingPool.__bases__ = bases


CLUSTERS = {"dask": dask_cluster, "ray": ray_cluster}


@pytest.fixture
def many_groups(monkeypatch):
    """So few weights in a stack that there are jobs to share out."""
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", {"cpu": 1})


@pytest.mark.slow
@pytest.mark.usefixtures("many_groups")
@pytest.mark.parametrize("backend", ["loky", "dask", "ray"])
def test_the_same_rows_as_with_one_job(backend):
    """Bit for bit, of every class and of its training; the smallest class has no network."""
    X, y = table((20, 12, 9, 2))
    with CLUSTERS.get(backend, nullcontext)(), joblib.parallel_config(backend):
        one, two = (quick(decoder="direct", n_jobs=n) for n in (1, 2))
        X_res, y_res = two.fit_resample(X, y)
    expected, y_expected = one.fit_resample(X, y)
    assert_array_equal(X_res, expected)
    assert_array_equal(y_res, y_expected)
    for label, record in one.history_.items():
        assert_array_equal(two.history_[label].train_loss, record.train_loss)


@pytest.mark.slow
@pytest.mark.usefixtures("many_groups")
def test_both_workers_take_part():
    """Every group is a task, and dask gives them out."""
    with dask_cluster() as client, joblib.parallel_config("dask"):
        quick(decoder="direct").fit(*table((20,) * 6))
        assert list(client.run(has_trained).values()) == [True, True]


def has_trained():
    """Return whether this process has loaded the package's training."""
    return "sklearn_pyraug.rhvae.training.net" in sys.modules
