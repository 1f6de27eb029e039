"""What is measured of the flow, against autograd's Jacobian and closed forms."""

import math

import pytest
import torch
from shared import draw
from test_flow import B, D, FlowResult, K, d, reference_flow, some_leaves, some_stack

from sklearn_pyraug.rhvae.elbo import Batch
from sklearn_pyraug.rhvae.flow import errors as module
from sklearn_pyraug.rhvae.flow.errors import flow_errors
from sklearn_pyraug.rhvae.metric.learned import inverse_metric


def some_case(seed, **settings):
    """Return a stack, a batch of its first class's size, and the metric's maker."""
    stack = some_stack(seed, "gaussian", **settings)
    _, make = some_leaves(seed)
    mask = torch.ones(K, B, dtype=torch.float64)
    mask[1, -1] = 0.0
    x, noise, gamma = draw(seed + 1, K, B, D), draw(seed + 2, K, B, d), draw(seed + 3, K, B, d)
    metric = make()
    metric = type(metric)(*(t.detach() if torch.is_tensor(t) else t for t in metric))
    return stack, Batch(x, mask, noise, gamma, None, metric)


def start_of(stack, batch):
    q = stack.encode(batch.x)
    sigma = torch.exp(0.5 * q.log_var)
    return (q.mu + sigma * batch.noise_z).detach(), sigma.detach()


@pytest.mark.parametrize(("step", "n_fixed_point"), [(0.3, 1), (0.1, 2), (0.1, 12)])
def test_the_volume_error_is_that_of_the_jacobian(random_seed, step, n_fixed_point, monkeypatch):
    stack, batch = some_case(random_seed, leapfrog_step=step, n_fixed_point=n_fixed_point)
    monkeypatch.setattr(module, "_MAX_ROWS", 100)
    got = flow_errors(stack, batch).volume_error
    z, _ = start_of(stack, batch)

    def run(start):
        end = reference_flow(stack, *start.chunk(2, -1), batch.x, batch.metric)
        return torch.cat([end.z, end.rho], -1)

    start = torch.cat([z, batch.noise_rho], -1)
    J = torch.autograd.functional.jacobian(run, start)
    own = [[J[k, i, :, k, i] for i in range(B)] for k in range(K)]
    log_det = torch.stack([torch.stack([j.slogdet().logabsdet for j in row]) for row in own])
    log_det_inv = torch.logdet(inverse_metric(z, batch.metric))
    error = (log_det + 0.5 * log_det_inv).abs() * batch.mask
    expected = (error.sum(1) / batch.mask.sum(1)).detach()
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    # Bar: two iterations of a large step do not preserve volume, twelve of a small one do.
    assert (got.max() < 1e-4) == (n_fixed_point == 12)


def test_a_flow_that_drifts(random_seed, monkeypatch):
    """z moves by a constant and ρ is scaled: all three are known."""
    stack, batch = some_case(random_seed, beta_zero=1.0)
    z, sigma = start_of(stack, batch)

    def flow(stack, z, gamma, x, r, metric):
        z, rho = z + 0.5, 3.0 * gamma
        log_p_rho = -0.5 * (gamma.square() + math.log(2.0 * math.pi)).sum(-1)
        zero = torch.zeros_like(log_p_rho)
        return FlowResult(z, stack.decode(z), log_p_rho, zero, rho)

    monkeypatch.setattr(module, "posterior_flow", flow)
    got = flow_errors(stack, batch)

    def mean(values):
        return (values * batch.mask).sum(1) / batch.mask.sum(1)

    torch.testing.assert_close(got.shift, mean((0.5 / sigma).square().mean(-1)).sqrt())
    torch.testing.assert_close(got.volume_error, torch.full_like(got.shift, d * math.log(3.0)))

    def log_joint(z):
        return stack.likelihood.log_prob(batch.x, stack.decode(z)) - 0.5 * z.square().sum(-1)

    change = log_joint(z + 0.5) - log_joint(z)
    torch.testing.assert_close(got.energy_error, mean(change.abs()).detach())


def test_the_energy_error_falls_with_the_square_of_the_step(random_seed):
    errors = []
    for step in (0.02, 0.01):
        stack, batch = some_case(
            random_seed, leapfrog_step=step, n_fixed_point=12, n_leapfrog=round(0.06 / step)
        )
        errors.append(flow_errors(stack, batch).energy_error)
    # 4 to leading order; the third order shifts it by a few per cent.
    torch.testing.assert_close(
        errors[0] / errors[1], torch.full((K,), 4.0).double(), rtol=0.2, atol=0
    )


def test_rows_that_are_too_large_have_no_volume_error(monkeypatch):
    stack, batch = some_case(0)
    monkeypatch.setattr(module, "_MAX_VALUES", 10)
    got = flow_errors(stack, batch)
    assert got.volume_error.isnan().all()
    assert got.energy_error.isfinite().all()
