"""The benchmark of volumes runs, and its arms learn."""

import numpy as np
import pytest

from benchmarks.speed import volumes


# Thirty epochs are few for networks of this size: the flow's steps may be too large, which warns.
@pytest.mark.filterwarnings(
    "ignore:The Hamiltonian flow of .* does not preserve volume:UserWarning"
)
@pytest.mark.slow
@pytest.mark.parametrize("arm", ["deformation", "full size", "direct"])
def test_arms(arm):
    loss, shape, finite = volumes.run_arm(arm, (16, 17, 18), 30, 0)
    assert np.isfinite(loss).all()
    assert np.min(loss[-5:]) < loss[0]
    assert finite
    assert shape == (None if arm == "full size" else (4, 16, 17, 18))
