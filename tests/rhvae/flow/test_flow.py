"""The flow against its formulas, by value and by derivative."""

import math

import pytest
import torch
from shared import draw, stream
from torch import nn

from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack
from sklearn_pyraug.rhvae.flow.hamiltonian import tempering_factors
from sklearn_pyraug.rhvae.flow.posterior_flow import FlowResult, posterior_flow
from sklearn_pyraug.rhvae.metric.learned import apply, inverse_metric, make_metric

K, B, N, D, d = 2, 4, 5, 6, 3
LAM = 0.1
FLOW = {"latent_dim": d, "leapfrog_step": 0.1, "regularization": LAM}


def some_leaves(seed):
    """Return z, ρ, c and L that require a gradient, and a function that makes the metric."""
    L = torch.tril(draw(seed + 100, K, N, d, d)) + torch.eye(d, dtype=torch.float64)
    T = torch.tensor([0.8, 1.7], dtype=torch.float64).view(K, 1, 1)
    mask = torch.ones(K, N, dtype=torch.float64)
    mask[1, -1] = 0.0
    leaves = [draw(seed, K, B, d), draw(seed + 1, K, B, d), draw(seed + 2, K, N, d), L]
    leaves = [t.requires_grad_() for t in leaves]
    return leaves, lambda: make_metric(leaves[2], leaves[3], mask, T, LAM)


def gradients(outputs, cotangents, leaves):
    grads = torch.autograd.grad(outputs, leaves, cotangents, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(grads, leaves, strict=True)]


def some_stack(seed, likelihood, hidden=(7, 4), **settings):
    architecture = Architecture(D, likelihood, hidden_layer_sizes=hidden)
    streams = [stream(seed + k) for k in range(K)]
    stack = build_stack(architecture, FlowSettings(**FLOW | settings), streams).double()
    with torch.no_grad():
        for i, p in enumerate(stack.parameters()):
            p.add_(0.2 * draw(seed + 10 + i, *p.shape))
    return stack


def reference_flow(stack, z, gamma, x, metric, r=None):
    """Compute the flow from the formulas, with nothing shared and nothing written by hand."""
    s, eps = stack.settings, stack.eps

    def by_z(function, z):
        z = z.view_as(z)  # ρ depends on z too, but this is the partial derivative
        return torch.autograd.grad(function(z).sum(), z, create_graph=True)[0]

    def metric_gradient(z, rho):
        def H(z):
            G_inv = inverse_metric(z, metric)
            return 0.5 * (rho * apply(G_inv, rho)).sum(-1) - 0.5 * torch.logdet(G_inv)

        return by_z(H, z)

    def kick(z):
        data = by_z(lambda z: stack.likelihood.log_prob(x, stack.decode(z, r)), z)
        data = z - (data if s.second_order else data.detach())
        # A step changes the momentum by at most one deviation per axis.
        size = eps * (data * apply(inverse_metric(z, metric), data)).mean(-1, keepdim=True).sqrt()
        return data / size.clamp_min(1.0)

    def leap(z, rho, eps, H_z):
        half = rho
        for _ in range(s.n_fixed_point):
            half = rho - 0.5 * eps * H_z(z, half)
        velocity = apply(inverse_metric(z, metric), half)
        new = z + eps * velocity
        for _ in range(s.n_fixed_point):
            new = z + 0.5 * eps * (velocity + apply(inverse_metric(new, metric), half))
        return new, half - 0.5 * eps * H_z(new, half)

    G_inv = inverse_metric(z, metric)
    log_det_inv = torch.logdet(G_inv)
    C = torch.linalg.cholesky(G_inv)
    rho = torch.linalg.solve_triangular(C.mT, gamma.unsqueeze(-1), upper=True).squeeze(-1)
    rho = rho / math.sqrt(s.beta_zero)
    for factor in tempering_factors(s.beta_zero, s.n_leapfrog):
        if s.integrator == "leapfrog":
            z, rho = leap(z, rho, eps, lambda z, rho: metric_gradient(z, rho) + kick(z))
        else:
            z, rho = leap(z, rho, 0.5 * eps, metric_gradient)
            z, rho = leap(z, rho - eps * kick(z), 0.5 * eps, metric_gradient)
        rho = rho * factor
    G_inv = inverse_metric(z, metric)
    kinetic = (rho * apply(G_inv, rho)).sum(-1)
    log_p_rho = 0.5 * (torch.logdet(G_inv) - kinetic - d * math.log(2.0 * math.pi))
    return FlowResult(z, stack.decode(z, r), log_p_rho, log_det_inv, rho)


def assert_same(stack, x, random_seed, r=None, trained=None):
    """Compare the flow and its gradients with those of the formulas; return its end."""
    leaves, make = some_leaves(random_seed)
    z, gamma = leaves[0], leaves[1].detach()
    trained = trained or list(stack.decoder.parameters())
    scales = list(stack.likelihood.parameters())
    inputs = [z, *leaves[2:], *trained, *scales]
    bars = [draw(random_seed + 70, K, B, n).squeeze(-1) for n in (d, D, 1, 1, d)]
    got = posterior_flow(stack, z, gamma, x, r, make())
    truth = reference_flow(stack, z, gamma, x, make(), r)
    for g, t in zip(got, truth, strict=True):
        torch.testing.assert_close(g, t)
    true_gradients = gradients(truth, bars, inputs)
    for g, t in zip(gradients(got, bars, inputs), true_gradients, strict=True):
        assert (g - t).norm() <= 1e-8 * t.norm()
    # The gradients are not trivial; scales enter through the data's gradient only.
    assert all(t.norm() > 0.0 for t in true_gradients[: len(inputs) - len(scales)])
    return got


@pytest.mark.parametrize("integrator", ["splitting", "leapfrog"])
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "binomial"])
@pytest.mark.parametrize(
    ("n_leapfrog", "n_fixed_point", "second_order"), [(1, 1, True), (3, 2, True), (3, 2, False)]
)
def test_flow_against_its_formulas(
    random_seed, integrator, likelihood, n_leapfrog, n_fixed_point, second_order
):
    stack = some_stack(
        random_seed,
        likelihood,
        n_leapfrog=n_leapfrog,
        n_fixed_point=n_fixed_point,
        second_order=second_order,
        integrator=integrator,
    )
    assert_same(stack, torch.sigmoid(draw(random_seed + 60, K, B, D)), random_seed)


def smooth_decoder(latent_dim, n_features):
    return nn.Sequential(nn.Linear(latent_dim, 6), nn.SiLU(), nn.Linear(6, n_features))


def test_flow_through_a_users_decoder(random_seed):
    architecture = Architecture(D, hidden_layer_sizes=(6,), decoder=smooth_decoder)
    streams = [stream(random_seed + k) for k in range(K)]
    settings = FlowSettings(**FLOW, second_order=True)
    stack = build_stack(architecture, settings, streams).double()
    # A part of the networks that the user has frozen.
    next(iter(stack.decoder.parameters())).requires_grad_(False)
    trained = [p for p in stack.decoder.parameters() if p.requires_grad]
    x = torch.sigmoid(draw(random_seed + 60, K, B, D))
    assert_same(stack, x, random_seed, trained=trained)


@pytest.mark.parametrize("likelihood", ["isotropic", "bernoulli"])
@pytest.mark.parametrize("second_order", [True, False])
@pytest.mark.parametrize(
    ("decoder", "sample_shape", "n_channels"),
    [("residual", None, 1), ("deformation", (2, 3), 1), ("deformation", (2, 3, 1), 2)],
)
def test_flow_from_a_reference_row(
    random_seed, decoder, sample_shape, n_channels, likelihood, second_order
):
    """The data's gradient of every row is taken beside that row's own reference."""
    architecture = Architecture(
        D, likelihood, (6,), sample_shape, decoder=decoder, n_channels=n_channels
    )
    streams = [stream(random_seed + k) for k in range(K)]
    settings = FlowSettings(**FLOW, n_leapfrog=2, second_order=second_order)
    stack = build_stack(architecture, settings, streams).double()
    with torch.no_grad():
        for i, p in enumerate(stack.parameters()):
            p.add_(0.2 * draw(random_seed + 10 + i, *p.shape))
    x, r = (torch.sigmoid(draw(random_seed + seed, K, B, D)) for seed in (60, 61))
    got = assert_same(stack, x, random_seed, r)
    leaves, make = some_leaves(random_seed)
    other = posterior_flow(stack, leaves[0], leaves[1].detach(), x, r.flip(1), make())
    assert not torch.allclose(other.z, got.z)
