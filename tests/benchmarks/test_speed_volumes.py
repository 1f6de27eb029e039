"""The benchmark of volumes runs, and its arms learn."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench_volumes(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench_volumes

    return bench_volumes


@pytest.mark.parametrize("arm", ["deformation", "full size", "direct"])
def test_arms(bench_volumes, arm):
    loss, shape, finite = bench_volumes.run_arm(arm, (16, 17, 18), 30, 0)
    assert np.isfinite(loss).all()
    assert np.min(loss[-5:]) < loss[0]
    assert finite
    assert shape == (None if arm == "full size" else (4, 16, 17, 18))
    assert "bench_volumes" in sys.modules
