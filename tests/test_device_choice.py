"""`device="auto"`: which trainings run on the GPU of a machine that has one."""

import numpy as np
import pytest
import torch
from shared import quick

from sklearn_pyraug import RHVAEAugmenter, _augmenter


@pytest.fixture
def gpu(monkeypatch):
    """Simulate a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


class Chosen(Exception):
    """Carries the device of a training that does not start."""


@pytest.mark.parametrize(
    ("shape", "parameters", "expected"),
    [
        ((300, 10), {}, "cpu"),
        ((62, 2000), {}, "cpu"),  # learned in 62 coordinates
        ((500, 28, 28), {}, "cuda"),
        ((500, 784), {"decoder": "direct"}, "cuda"),
        ((300, 10), {"device": "cuda"}, "cuda"),
        ((500, 28, 28), {"device": "cpu"}, "cpu"),
    ],
)
@pytest.mark.usefixtures("gpu")
def test_small_steps_stay_on_the_cpu(monkeypatch, shape, parameters, expected):
    def fit(request, settings, execution, store):
        raise Chosen(execution.device)

    monkeypatch.setattr(_augmenter, "fit", fit)
    X = np.random.default_rng(0).random(shape, dtype=np.float32)
    augmenter = RHVAEAugmenter(augmentation_factor=2.0, **parameters)
    with pytest.raises(Chosen, match=f"^{expected}$"):
        augmenter.fit_resample(X, np.arange(len(X)) % 10)


def test_rows_are_drawn_where_the_training_stayed(request):
    X = np.random.default_rng(0).random((40, 4))
    augmenter = quick(device="auto").fit(X, np.arange(40) % 2)
    augmenter.device_ = "cpu"
    # Not sooner: optimisers of a torch for GPUs would look for one.
    request.getfixturevalue("gpu")
    assert len(augmenter.sample(3)[0]) == 6
