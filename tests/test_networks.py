"""Stacked networks: what each class computes, it would compute alone."""

import pytest
import torch
from torch import nn

from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack
from sklearn_pyraug.rhvae.networks import (
    MLP,
    MLPDecoder,
    StackedLinear,
    VmapDecoder,
    VmapEncoder,
    VmapMetric,
    VmapStack,
    lower_triangular,
    n_tril,
)

K, B, D, d = 3, 4, 6, 2


def streams(*seeds):
    return [torch.Generator().manual_seed(s) for s in seeds]


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


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


class ConvDecoder(nn.Module):
    """A decoder whose output is an image."""

    def __init__(self):
        super().__init__()
        self.start = nn.Linear(d, 8)
        self.norm = nn.GroupNorm(2, 2)
        self.conv = nn.ConvTranspose2d(2, 1, 3, padding=1)

    def forward(self, z):
        return self.conv(torch.relu(self.norm(self.start(z).unflatten(-1, (2, 2, 2)))))


def different(factory):
    """Make K modules that differ in all their tensors."""
    modules = []
    for k in range(K):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(k)
            modules.append(factory())
    return modules


CASES = {
    "perceptron": (lambda: nn.Sequential(nn.Linear(D, 5), nn.SiLU(), nn.Linear(5, 2)), (D,)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.Flatten(), nn.Linear(8, 3)),
        (1, 4, 4),
    ),
    "group norm": (ConvDecoder, (d,)),
    "batch norm without running statistics": (
        lambda: nn.Sequential(nn.Linear(D, 5), nn.BatchNorm1d(5, track_running_stats=False)),
        (D,),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_vmap_stack_is_each_module_alone(case, random_seed):
    """Values and gradients by weights and by input, for every class."""
    factory, shape = CASES[case]
    modules = different(factory)
    stack = VmapStack(modules, "decoder")
    x = draw(random_seed, K, B, *shape).requires_grad_()
    out = stack(x)
    direction = draw(random_seed + 1, *out.shape)
    (out * direction).sum().backward()
    for k, module in enumerate(modules):
        x_k = x[k].detach().requires_grad_()
        out_k = module(x_k)
        (out_k * direction[k]).sum().backward()
        torch.testing.assert_close(out[k], out_k)
        torch.testing.assert_close(x.grad[k], x_k.grad)
        for stacked, own in zip(stack.stacked, module.parameters(), strict=True):
            torch.testing.assert_close(stacked[k], own)
            torch.testing.assert_close(stacked.grad[k], own.grad, rtol=1e-4, atol=1e-5)


def test_vmap_stack_registers_only_the_stacked_parameters():
    modules = different(lambda: nn.Linear(D, d))
    stack = VmapStack(modules, "decoder")
    assert [tuple(p.shape) for p in stack.parameters()] == [(K, d, D), (K, d)]
    before = modules[0].weight.clone()
    with torch.no_grad():
        stack.stacked[0].zero_()
    torch.testing.assert_close(modules[0].weight, before)  # a copy, not the user's tensor


def test_vmap_encoder_uses_each_class_own_buffers(random_seed):
    modules = different(lambda: TwoHeads(D, d))
    encoder = VmapEncoder(modules)
    x = draw(random_seed, K, B, D)
    mu, log_var = encoder(x)
    for k, module in enumerate(modules):
        own_mu, own_log_var = module(x[k])
        torch.testing.assert_close(mu[k], own_mu)
        torch.testing.assert_close(log_var[k], own_log_var)


def test_vmap_networks_shape_rows_and_outputs(random_seed):
    decoder = VmapDecoder(different(ConvDecoder))
    assert decoder(draw(random_seed, K, B, d)).shape == (K, B, 4)
    image_encoder = VmapMetric(
        different(lambda: nn.Sequential(nn.Conv2d(1, 1, 2), nn.Flatten(), nn.Linear(2, n_tril(d)))),
        d,
        (1, 2, 3),
    )
    L = image_encoder(draw(random_seed, K, B, D))
    assert L.shape == (K, B, d, d)
    assert (L.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert (L[..., 0, 1] == 0).all()


@pytest.mark.parametrize(
    ("layer", "name"), [(nn.BatchNorm1d(5), "BatchNorm1d"), (nn.BatchNorm2d(5), "BatchNorm2d")]
)
def test_running_statistics_are_refused_by_name(layer, name):
    module = nn.Sequential(nn.Linear(D, 5), nn.Sequential(nn.SiLU(), layer))
    with pytest.raises(ValueError, match=rf"encoder: the layer '1\.1' \({name}\) keeps running"):
        VmapStack([module], "encoder")


@pytest.mark.parametrize("order", [1, 2, 5])
def test_lower_triangular_is_a_cholesky_factor(order, random_seed):
    """A lower-triangular L with a positive diagonal is the Cholesky factor of L Lᵀ."""
    entries = 0.5 * draw(random_seed, K, B, n_tril(order)).double()
    L = lower_triangular(entries, order)
    assert L.shape == (K, B, order, order)
    assert (L.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert (L == torch.tril(L)).all()
    torch.testing.assert_close(torch.linalg.cholesky(L @ L.mT), L)


def test_lower_triangular_of_zeros_is_the_identity():
    torch.testing.assert_close(lower_triangular(torch.zeros(6), 3), torch.eye(3))


def test_lower_triangular_orders_the_entries_row_by_row():
    L = lower_triangular(torch.arange(6.0), 3)
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
    """Class 1 has the same weights alone, in other company and at another place."""
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


def test_a_module_is_copied_for_every_class():
    module = nn.Linear(d, D)
    stack = build_stack(Architecture(D, decoder=module), FlowSettings(latent_dim=d), streams(0, 1))
    weight = stack.decoder.stacked[0]
    assert torch.equal(weight[0], module.weight)
    assert torch.equal(weight[1], module.weight)


def test_log_variance_is_clamped():
    class Wild(nn.Module):
        def forward(self, x):
            return x[:, :d], 1e6 * x[:, :d]

    log_var = VmapEncoder([Wild()])(torch.tensor([[[1.0, -1.0]]])).log_var
    assert log_var.tolist() == [[[10.0, -15.0]]]


def test_keep_drops_classes_and_keeps_the_parameter_objects():
    architecture = Architecture(D, hidden_layer_sizes=(5,))
    stack = build_stack(architecture, FlowSettings(latent_dim=d), streams(0, 1, 2))
    x = draw(0, 3, B, D)
    before, parameters = stack.encode(x).mu.detach(), list(stack.parameters())
    stack.keep(torch.tensor([0, 2]))
    assert stack.n_classes == 2
    assert all(p is q for p, q in zip(parameters, stack.parameters(), strict=True))
    torch.testing.assert_close(stack.encode(x[[0, 2]]).mu, before[[0, 2]])
