"""Learning from coarse images: their geometry, and generators that use them."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from shared import arrays, quick
from torch import nn

from sklearn_pyraug.rhvae import FlowSettings
from sklearn_pyraug.rhvae.images.resolution import Resolution, coarse_extent
from sklearn_pyraug.rhvae.images.warp import (
    make_grid,
    n_warp_parameters,
    resample,
    resample_once,
    warp,
)

EXTENTS = [((90, 70), (64, 50)), ((130, 40), (64, 20)), ((40, 32, 33), (16, 13, 13))]


@pytest.mark.parametrize(("fine", "coarse"), EXTENTS, ids=str)
def test_large_images_are_learned_from_small_ones(fine, coarse):
    assert coarse_extent(fine, 50) == coarse


def test_many_images_are_learned_from_halves():
    assert coarse_extent((28, 28), 399) is None
    assert coarse_extent((28, 28), 400) == (16, 16)
    assert coarse_extent((90, 70), 400) == (45, 35)
    assert coarse_extent((16, 16, 10), 400) is None


@pytest.mark.parametrize("extent", [(16, 16), (12, 9), (16, 16, 10), (256,)], ids=str)
def test_small_images_are_learned_as_they_are(extent):
    assert coarse_extent(extent, 50) is None


def test_thin_images_keep_their_short_side():
    assert coarse_extent((4, 256), 50) == (4, 64)
    assert coarse_extent((2, 256), 50) == (2, 64)


def ramp(shape, n_channels=1):
    """Return images that rise linearly along each axis from corner to corner, one per axis."""
    axes = torch.meshgrid(*(torch.linspace(0, 1, s) for s in shape), indexing="ij")
    return torch.stack([torch.stack([a + c for c in range(n_channels)]).flatten() for a in axes])


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize(("fine", "coarse"), EXTENTS, ids=str)
def test_corners_and_slopes_stay_where_they_are(fine, coarse, n_channels):
    resolution = Resolution(n_channels, fine, coarse)
    shrunk = resolution.encode(ramp(fine, n_channels)).reshape(-1, n_channels, *coarse)
    expected = ramp(coarse, n_channels).reshape(shrunk.shape)
    assert shrunk.flatten(1).shape[1] == resolution.n_coarse
    # Averages reach beyond the border, where there is nothing: half a coarse pixel is lost there.
    inner = (..., *[slice(2, -2)] * len(fine))
    torch.testing.assert_close(shrunk[inner], expected[inner], rtol=0, atol=1e-5)
    assert (shrunk - expected).abs().max() < 1.0 / min(coarse)


def test_averages_keep_the_mean_and_remove_noise():
    noise = torch.randn(3, 96 * 96, generator=torch.Generator().manual_seed(0))
    shrunk = Resolution(1, (96, 96), (32, 32)).encode(noise + 2.0)
    assert abs(float(shrunk.mean()) - 2.0) < 0.05
    # Nine pixels each: a third of the deviation.
    assert 0.28 < float((shrunk - 2.0).std()) < 0.38


def test_many_rows_are_shrunk_in_parts(monkeypatch):
    from sklearn_pyraug.rhvae.images import resolution

    x = torch.rand(7, 90 * 70, generator=torch.Generator().manual_seed(0))
    whole = Resolution(1, (90, 70), (64, 50)).encode(x)
    monkeypatch.setattr(resolution, "_CHUNK_VALUES", 2 * 90 * 70)
    torch.testing.assert_close(Resolution(1, (90, 70), (64, 50)).encode(x), whole)
    assert Resolution(1, (90, 70), (64, 50)).encode(x[:0]).shape == (0, 64 * 50)


@pytest.mark.parametrize(("fine", "coarse"), EXTENTS, ids=str)
def test_a_warp_means_the_same_at_either_resolution(fine, coarse):
    """Warping a smooth image and shrinking it is shrinking and warping it."""
    resolution = Resolution(1, fine, coarse)
    axes = torch.meshgrid(*(torch.linspace(0, 3, s) for s in fine), indexing="ij")
    images = torch.sin(sum(axes)).expand(4, 1, *fine)
    grids = [make_grid(s) for s in (fine, coarse)]
    generator = torch.Generator().manual_seed(0)
    parameters = 0.3 * torch.randn(4, n_warp_parameters(grids[0]), generator=generator)
    small = resolution.encode(images.flatten(1)).reshape(4, 1, *coarse)
    warped = resample(images, warp(parameters, grids[0])).flatten(1)
    one = resolution.encode(warped).reshape(small.shape)
    other = resample(small, warp(parameters, grids[1])).reshape(small.shape)
    inner = (..., *[slice(3, -3)] * len(fine))
    moved = (small - one)[inner].abs().max()
    assert (one - other)[inner].abs().max() < 0.05 * moved


@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 3)], ids=str)
def test_reading_once_is_reading(shape):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 2, *shape, generator=generator, dtype=torch.float64)
    # Beyond the border, too.
    positions = 12 * torch.rand(3, 11, len(shape), generator=generator, dtype=torch.float64) - 3
    weights = torch.rand(3, 2, 11, generator=generator, dtype=torch.float64)
    gradients = []
    for read in (resample, resample_once):
        leaf = positions.clone().requires_grad_()
        values = read(images, leaf)
        gradients.append(torch.autograd.grad((weights * values).sum(), leaf)[0])
    torch.testing.assert_close(resample(images, positions), resample_once(images, positions))
    torch.testing.assert_close(*gradients)


# --- in the estimator ----------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [{}, {"output": "transfer"}, {"output": "draw"}], ids=str)
@pytest.mark.parametrize("shape", [(70, 66), (26, 20, 30), (2, 70, 66)], ids=str)
def test_new_images_are_fine(shape, parameters):
    X, y = arrays(shape, n=12)
    augmenter = quick(augmentation_factor=2, **parameters)
    X_new, y_new = augmenter.fit_resample(X, y)
    assert X_new.shape == (24, *shape)
    assert np.isfinite(X_new).all()
    generator = augmenter._generators.trained[0].generator
    assert generator.rows[0].shape[1] == generator.resolution.n_coarse < X[0].size
    assert generator.fine[0].shape == (12, X[0].size)
    assert (augmenter.origin_distances_[12:] > 0).all()
    if parameters != {"output": "draw"}:
        # Without noise a new image is nearly as smooth as the one it came from.
        origin = X[augmenter.origin_indices_[12:]]
        rough = [np.abs(np.diff(v, axis=-1)).mean() for v in (X_new[12:], origin)]
        assert rough[0] < 2 * rough[1]


def test_pickles_draw_the_same():
    X, y = arrays((70, 66), n=12)
    augmenter = quick().fit(X, y)
    again = pickle.loads(pickle.dumps(augmenter))
    assert_array_equal(again.sample(3)[0], augmenter.sample(3)[0])


class SeesAll(nn.Module):
    """An encoder that insists on the full size."""

    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.linear = nn.Linear(n_features, 2 * latent_dim)

    def forward(self, x):
        assert x.shape[1:] == (70, 66)
        return self.linear(x.flatten(1)).chunk(2, 1)


def test_networks_of_the_user_see_the_images_themselves():
    X, y = arrays((70, 66), n=12)
    augmenter = quick(encoder=SeesAll, augmentation_factor=2)
    assert augmenter.fit_resample(X, y)[0].shape == (24, 70, 66)
    assert augmenter._generators.trained[0].generator.fine is None


@pytest.mark.parametrize(
    ("n_pixels", "expected"), [(64, 100), (300 * 300, 66), (1000 * 1000, 8)], ids=str
)
def test_large_images_come_in_small_batches(n_pixels, expected):
    from sklearn_pyraug._config import _training

    assert _training(quick(), n_pixels, FlowSettings(), False)[0].batch_size == expected
    assert _training(quick(batch_size=50), n_pixels, FlowSettings(), False)[0].batch_size == 50
