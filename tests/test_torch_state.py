"""What the user has set in torch changes no result, and is not changed."""

from threading import Thread

import numpy as np
import pytest
import torch
from shared import arrays, quick, table

from sklearn_pyraug import RHVAEAugmenter, RHVAEEmbedder
from sklearn_pyraug._validation import torch_defaults


def results(path):
    """Return what all methods that compute make of a table and of images."""
    found = []
    for parameters, (X, y) in (
        ({}, table()),
        ({"decoder": "direct"}, table()),
        ({}, arrays((8, 8))),
    ):
        augmenter = quick(**parameters).fit(X, y)
        z = augmenter.encode(X, y)
        pair = X[y == 0][:2]
        found += [
            quick(**parameters).fit_resample(X, y)[0],
            augmenter.sample(2)[0],
            z,
            augmenter.decode(z[:2], 0),
            augmenter.score_samples(X[:2], y[:2], n_importance=2),
            augmenter.log_volume(z[:2], 0),
            augmenter.interpolate(*pair, 0, n_steps=3).X,
        ]
        augmenter.save(path, overwrite=True)
        found.append(RHVAEAugmenter.load(path).sample(1)[0])
    embedder = RHVAEEmbedder(max_epochs=2, random_state=0)
    found += [embedder.fit_transform(table()[0]), embedder.inverse_transform(np.zeros((1, 2)))]
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return results(tmp_path_factory.mktemp("state") / "model")


@pytest.fixture
def restored():
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")


def state():
    return (
        torch.get_default_dtype(),
        torch.get_float32_matmul_precision(),
        torch.empty(0).device,
        torch.is_inference_mode_enabled(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.is_autocast_enabled("cpu"),
    )


def double_and_deterministic():
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("medium")
    return torch.autocast("cpu", dtype=torch.bfloat16)


def elsewhere_without_gradients():
    torch.set_default_device("meta")
    return torch.no_grad()


# Together, if one does not hide the other.
SETTINGS = [double_and_deterministic, elsewhere_without_gradients, torch.inference_mode]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_torch(setting, expected, tmp_path):
    with setting():
        before = state()
        found = results(tmp_path / "model")
        assert state() == before
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("restored")
def test_blocks_that_overlap_return_to_what_was_there():
    torch.set_default_dtype(torch.float64)
    first, second = torch_defaults(), torch_defaults()
    first.__enter__()
    other = Thread(target=second.__enter__)
    other.start()
    other.join()
    first.__exit__(None, None, None)
    assert torch.get_default_dtype() == torch.float32
    second.__exit__(None, None, None)
    assert torch.get_default_dtype() == torch.float64


def test_nothing_is_replaced_if_the_user_has_set_nothing():
    """Ctrl-C between a replacement and its end left the mode of warnings behind."""
    before = state()
    with torch_defaults():
        assert state() == before


def test_a_forked_process_has_one_thread(monkeypatch):
    """Where its parent had computed with two, it waited for the second for ever."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr("sklearn_pyraug._validation._PROCESS", 0)
    with torch_defaults():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
