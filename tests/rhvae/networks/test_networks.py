"""Stacked networks: what each class computes, it would compute alone."""

import pytest
import torch
from shared import stream
from torch import nn

from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack
from sklearn_pyraug.rhvae.networks.mlp import (
    MLP,
    MLPDecoder,
    StackedLinear,
    lower_triangular,
    n_tril,
)

K, B, D, d = 3, 4, 6, 2


def streams(*seeds):
    return [stream(s) for s in seeds]


def draw(seed, *shape):
    return torch.randn(*shape, generator=stream(seed))


class TwoHeads(nn.Module):
    """An encoder with a buffer, as a user would write it."""

    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.trunk = nn.Linear(n_features, 5)
        self.mu = nn.Linear(5, latent_dim)
        self.log_var = nn.Linear(5, latent_dim)
        self.register_buffer("shift", torch.rand(n_features))

    def forward(self, x):
        h = torch.tanh(self.trunk(x - self.shift))
        return self.mu(h), self.log_var(h)


@pytest.mark.parametrize("order", [1, 2, 5])
def test_lower_triangular_is_a_cholesky_factor(order, random_seed):
    """A lower-triangular L with a positive diagonal is the Cholesky factor of L Lᵀ."""
    entries = 0.5 * draw(random_seed, K, B, n_tril(order)).double()
    L = lower_triangular(entries)
    assert L.shape == (K, B, order, order)
    assert (L.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert (L == torch.tril(L)).all()
    torch.testing.assert_close(torch.linalg.cholesky(L @ L.mT), L)


def test_lower_triangular_of_zeros_is_the_identity():
    torch.testing.assert_close(lower_triangular(torch.zeros(6)), torch.eye(3))


def test_lower_triangular_orders_the_entries_row_by_row():
    L = lower_triangular(torch.arange(6.0))
    assert [L[1, 0], L[2, 0], L[2, 1]] == [3.0, 4.0, 5.0]


def test_mlp_is_linear_layers_with_relu_between(random_seed):
    mlp = MLP((D, 5, 2), streams(0, 1, 2))
    x = draw(random_seed, K, B, D)
    for k in range(K):
        h = nn.functional.relu(x[k] @ mlp.layers[0].weight[k] + mlp.layers[0].bias[k])
        truth = h @ mlp.layers[1].weight[k] + mlp.layers[1].bias[k]
        torch.testing.assert_close(mlp(x)[k], truth)


def test_initial_weights_have_the_stated_spread(random_seed):
    n_in, n_out, gain = 50, 40, 1.7
    layer = StackedLinear(n_in, n_out, streams(random_seed, random_seed + 1), gain)
    scale = gain * n_in**-0.5
    # A uniform variable's fourth moment is 9/5 σ⁴: its variance has the standard error
    # σ² sqrt(0.8 / n).
    for weight in layer.weight:
        error = 5.0 * scale**2 * (0.8 / weight.numel()) ** 0.5
        assert abs(weight.square().mean().item() - scale**2) < error
        assert weight.abs().max() <= 3.0**0.5 * scale


NETWORKS = {
    "default": {},
    "factories": {
        "encoder": TwoHeads,
        "decoder": nn.Linear,
        "metric_network": lambda D, d: nn.Linear(D, n_tril(d)),
    },
}


@pytest.mark.parametrize("networks", NETWORKS)
def test_weights_of_a_class_depend_on_its_own_stream_only(networks):
    """Class 1 has the same weights alone, beside other classes and at another place."""
    architecture = Architecture(D, hidden_layer_sizes=(5,), **NETWORKS[networks])
    settings = FlowSettings(latent_dim=d)
    state = torch.get_rng_state()
    first = build_stack(architecture, settings, streams(0, 1))
    other = build_stack(architecture, settings, streams(7, 8, 1))
    alone = build_stack(architecture, settings, streams(1))
    assert torch.equal(torch.get_rng_state(), state)
    tensors = [dict(s.named_parameters()) | dict(s.named_buffers()) for s in (first, other, alone)]
    for name in tensors[0]:
        assert torch.equal(tensors[0][name][1], tensors[1][name][2])
        assert torch.equal(tensors[0][name][1], tensors[2][name][0])
    weights = [name for name, p in first.named_parameters() if p.abs().sum() > 0]
    assert weights
    assert not any(torch.equal(tensors[0][n][0], tensors[0][n][1]) for n in weights)


def test_decoder_starts_at_a_given_answer(random_seed):
    decoder = MLPDecoder(d, D, (5,), streams(0, 1))
    theta = draw(random_seed, 2, D)
    decoder.start_at(theta)
    torch.testing.assert_close(decoder(torch.zeros(2, 1, d)), theta.unsqueeze(1))


def test_keep_drops_classes_and_keeps_the_parameter_objects():
    architecture = Architecture(D, hidden_layer_sizes=(5,))
    stack = build_stack(architecture, FlowSettings(latent_dim=d), streams(0, 1, 2))
    x = draw(0, 3, B, D)
    before, parameters = stack.encode(x).mu.detach(), list(stack.parameters())
    stack.keep(torch.tensor([0, 2]))
    assert stack.n_classes == 2
    assert all(p is q for p, q in zip(parameters, stack.parameters(), strict=True))
    torch.testing.assert_close(stack.encode(x[[0, 2]]).mu, before[[0, 2]])
