"""Tests of groups of classes on the workers of a dask cluster, which the tests start."""

import sys
import time

import joblib
import pytest
from numpy.testing import assert_array_equal
from shared import quick, table

from sklearn_pyraug._generation import fit as _parallel

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.filterwarnings("ignore:Too few rows to train")


@pytest.fixture(scope="module")
def client():
    """Two workers in processes of their own, on this machine."""
    start = time.perf_counter()
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
        print(f"\nThe cluster was up after {time.perf_counter() - start:.1f} s.")
        yield client
    print(f"\nIt was down after {time.perf_counter() - start:.1f} s.")


@pytest.fixture
def many_groups(monkeypatch):
    """So few weights in a stack that there are jobs to share out."""
    monkeypatch.setattr(_parallel, "_MAX_WEIGHTS", {"cpu": 1})


@pytest.mark.slow
@pytest.mark.usefixtures("many_groups")
@pytest.mark.parametrize(
    "networks",
    [
        # One generator for all classes would be one group.
        {"shared": False},
        {"decoder": "direct"},
    ],
    ids=["default, per class", "direct"],
)
def test_the_same_rows_as_with_one_job(client, networks):
    X, y = table((20, 12, 9, 2))
    start = time.perf_counter()
    one = quick(n_jobs=1, **networks)
    expected, y_expected = one.fit_resample(X, y)
    middle = time.perf_counter()
    with joblib.parallel_config(backend="dask"):
        augmenter = quick(n_jobs=2, **networks)
        X_res, y_res = augmenter.fit_resample(X, y)
        X_new, _ = augmenter.sample(4)
    end = time.perf_counter()
    print(f"\none job: {middle - start:.2f} s, two dask workers: {end - middle:.2f} s")
    assert_array_equal(X_res, expected)
    assert_array_equal(y_res, y_expected)
    assert_array_equal(X_new, one.sample(4)[0])
    for label, record in one.history_.items():
        assert_array_equal(augmenter.history_[label].train_loss, record.train_loss)


@pytest.mark.usefixtures("many_groups")
def test_both_workers_take_part(client):
    """Every group is a task, and dask gives them out."""
    with joblib.parallel_config(backend="dask"):
        quick(decoder="direct").fit(*table((20,) * 6))
    assert list(client.run(has_trained).values()) == [True, True]


def has_trained():
    """Return whether this process has loaded the package's training."""
    return "sklearn_pyraug.rhvae.training.net" in sys.modules
