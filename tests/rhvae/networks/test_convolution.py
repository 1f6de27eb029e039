"""Convolutional networks: sizes, one stack against separate networks, derivatives."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from shared import arrays, quick

from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack, n_weights
from sklearn_pyraug.rhvae.networks.conv import (
    ConvDecoder,
    ConvNet,
    ConvSettings,
    _enlarged,
    _interleaved,
    n_conv_multiplications,
)
from sklearn_pyraug.rhvae.networks.mlp import MLP, Encoder

SHAPES = [(8, 8), (9, 13), (28, 28), (4, 4), (3, 9), (1,), (17,), (16, 16, 16), (5, 6, 7)]


def encoder(settings, latent_dim, generators):
    """Make an encoder that sees rows and their references."""
    return Encoder(ConvNet(settings, 2, 2 * latent_dim, generators))


NETWORKS = [encoder, ConvDecoder]


def streams(n=2, first=0):
    return [torch.Generator().manual_seed(first + i) for i in range(n)]


def rows(settings, n_classes=2, n_rows=3, seed=0):
    n_features = settings.n_channels * int(np.prod(settings.shape))
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, n_classes, n_rows, n_features, generator=generator)


def outputs(network, settings, x, r):
    """Return what a network makes of rows, as a list of tensors of shape (K, B, ...)."""
    if isinstance(network, ConvDecoder):
        z = torch.cat([x, r], -1)[..., :1].expand(*x.shape[:2], 3)
        return [network(z)]
    out = network(x, r)
    return list(out) if isinstance(out, tuple) else [out]


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_any_size(network, shape, n_channels):
    settings = ConvSettings(shape, n_channels, 4)
    x, r = rows(settings)
    out = outputs(network(settings, 3, streams()), settings, x, r)
    for tensor in out:
        assert tensor.shape == (2, 3, x.shape[2] if network is ConvDecoder else 3)
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("shape", [(9, 13), (5, 6, 7)], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_stack_is_its_members_side_by_side(network, shape):
    settings = ConvSettings(shape, 2, 4)
    x, r = rows(settings)
    together = outputs(network(settings, 3, streams()), settings, x, r)
    for k in range(2):
        alone = network(settings, 3, streams(1, first=k))
        parts = outputs(alone, settings, x[k : k + 1], r[k : k + 1])
        for a, b in zip(together, parts, strict=True):
            torch.testing.assert_close(a[k], b[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(9, 7), (5, 3, 6)], ids=str)
def test_a_decoder_starts_where_it_is_told(shape):
    settings = ConvSettings(shape, 2, 4)
    decoder = ConvDecoder(settings, 3, streams())
    theta = rows(settings)[0][:, 0]
    decoder.start_at(theta)
    assert torch.equal(decoder(torch.zeros(2, 4, 3)), theta.unsqueeze(1).expand(-1, 4, -1))


@pytest.mark.parametrize("shape", [(5, 6), (5, 3, 6)], ids=str)
def test_a_decoder_is_differentiable_twice(shape):
    """The Hamiltonian flow's gradient needs it. A random point is not at a kink."""
    settings = ConvSettings(shape, 1, 2)
    decoder = ConvDecoder(settings, 2, streams(1)).double()
    z = torch.randn(1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradgradcheck(
        lambda v: torch.sin(decoder(v)), z.requires_grad_(), atol=1e-4
    )


def test_pixels_are_interleaved():
    """Channel (i, j) of a coarse pixel becomes the fine pixel (2 y + i, 2 x + j)."""
    fine = torch.arange(24.0).reshape(1, 1, 4, 6)
    coarse = torch.stack([fine[0, 0, i::2, j::2] for i in (0, 1) for j in (0, 1)]).unsqueeze(0)
    assert torch.equal(_interleaved(coarse, (2, 2), (4, 6)), fine)
    assert torch.equal(_interleaved(coarse, (2, 2), (3, 5)), fine[..., :3, :5])
    two = torch.cat([coarse, 100 + coarse], 1)
    assert torch.equal(_interleaved(two, (2, 2), (4, 6)), torch.cat([fine, 100 + fine], 1))


def test_pixels_are_repeated_and_cropped():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    expected = torch.tensor([[[[1.0, 1.0, 2.0], [3.0, 3.0, 4.0]]]])
    assert torch.equal(_enlarged(x, (2, 3)), expected)


@pytest.mark.parametrize("shape", [(28, 28), (64, 48), (24, 20, 24)], ids=str)
@pytest.mark.parametrize("decoder", [None, "deformation"])
def test_weights_and_work_are_about_right(shape, decoder):
    D = int(np.prod(shape))
    architecture = Architecture(D, "binomial", (64,), shape, decoder=decoder, width=16)
    flow = FlowSettings(10, second_order=False)
    stack = build_stack(architecture, flow, streams(1))
    n = sum(p.numel() for p in stack.parameters())
    assert 0.5 < n_weights(architecture, flow) / n < 2
    # More than a multiplication per weight of a convolution, for it serves many pixels.
    assert n_conv_multiplications(architecture.convolution) > 5 * sum(
        p.numel() for p in stack.encoder.net.convs.parameters()
    )


def test_more_rows_have_wider_networks():
    widths = []
    for n in (40, 120, 1200):
        X, y = arrays((8, 9), n=n)
        stack = quick(encoder="auto", max_epochs=1).fit(X, y)._generators.trained[0].generator.stack
        widths.append(stack.encoder.net.settings.width)
    assert widths == [16, 32, 64]


# --- in the estimator ----------------------------------------------------------------------


def stack_of(augmenter):
    return augmenter._generators.trained[0].generator.stack


@pytest.mark.parametrize("shape", [(8, 9), (3, 8, 9), (5, 6, 7), (2, 5, 6, 7)], ids=str)
@pytest.mark.parametrize("decoder", ["direct", "deformation"])
@pytest.mark.parametrize("metric", ["learned", "posterior"])
def test_convolutional_networks(decoder, shape, metric):
    X, y = arrays(shape)
    augmenter = quick(encoder="conv", decoder=decoder, metric=metric, augmentation_factor=2)
    X_new, _ = augmenter.fit_resample(X, y)
    assert X_new.shape == (48, *shape)
    assert np.isfinite(X_new).all()
    stack = stack_of(augmenter)
    assert isinstance(stack.encoder.net, ConvNet)
    if metric == "learned":
        assert isinstance(stack.metric_network.net, ConvNet)
    assert isinstance(stack.decoder, ConvDecoder) == (decoder == "direct")
    assert all(np.isfinite(h.train_loss).all() for h in augmenter.history_.values())


def test_training_lowers_the_loss():
    X, y = arrays((9, 10), n=40)
    for decoder in ("direct", "deformation"):
        augmenter = quick(encoder="conv", decoder=decoder, max_epochs=40, lr=3e-3).fit(X, y)
        for record in augmenter.history_.values():
            assert np.min(record.train_loss[-5:]) < np.min(record.train_loss[:3]) - 1


@pytest.mark.filterwarnings("ignore:The Hamiltonian flow")  # of networks that hardly trained
def test_which_networks_are_the_default():
    def net(X, y, **parameters):
        return stack_of(quick(**{"encoder": "auto"} | parameters).fit(X, y)).encoder.net

    X, y = arrays((8, 9))
    assert isinstance(net(X, y), ConvNet)
    assert isinstance(net(X, y, encoder="mlp"), MLP)
    assert isinstance(net(X, y, decoder="direct"), MLP)
    large, y = arrays((101, 102), n=8)
    assert isinstance(net(large, y, decoder="direct", metric="posterior"), ConvNet)


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_results_do_not_depend_on_jobs(n_jobs):
    X, y = arrays((8, 9))
    parameters = {"encoder": "conv", "decoder": "direct"}
    expected = quick(**parameters).fit_resample(X, y)[0]
    assert_array_equal(quick(n_jobs=n_jobs, **parameters).fit_resample(X, y)[0], expected)


def test_tables_have_no_convolutions():
    X, y = arrays((8, 9))
    with pytest.raises(ValueError, match=r"encoder='conv' reads images.*sample_shape None\. Pass"):
        quick(encoder="conv", sample_shape=None).fit(X.reshape(len(X), -1), y)
