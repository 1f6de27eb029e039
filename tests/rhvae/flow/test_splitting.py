"""The flow on the posteriors' metric: what its steps have to preserve, and the data's gradient."""

import pytest
import torch
from shared import draw, stream

from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack
from sklearn_pyraug.rhvae.flow.hamiltonian import PhaseState, bounded_kick, splitting_step
from sklearn_pyraug.rhvae.flow.posterior_flow import data_gradient, metric_system
from sklearn_pyraug.rhvae.metric.posterior import make_posterior_metric

K, B, N, D, d = 2, 3, 5, 4, 2
EXACT = {"rtol": 1e-8, "atol": 1e-8}


@pytest.fixture
def metric(random_seed):
    share = draw(random_seed + 3, K, N).square()
    share[1, 3:] = 0.0
    log_var = 0.4 * draw(random_seed + 1, K, N, d) - 0.5
    return make_posterior_metric(
        draw(random_seed, K, N, d), log_var, (share > 0.0).double(), 0.1, share
    )


@pytest.fixture
def state(random_seed, metric):
    z, rho = (0.7 * draw(random_seed + i, K, B, d) for i in (5, 6))
    return PhaseState(z, rho, metric_system(metric).at(z))


def potential(z):
    """A potential in place of the data's, and its gradient."""
    return (0.3 * z.square().square() + z.prod(-1, keepdim=True)).sum(-1)


def kick(z):
    with torch.enable_grad():
        z = z if z.requires_grad else z.detach().requires_grad_()
        return torch.autograd.grad(potential(z).sum(), z, create_graph=True)[0]


def steep_kick(z):
    return 1e6 * kick(z)


def steps(metric, z, rho, eps, n_steps=3, n_fixed_point=60, kick=kick):
    system = metric_system(metric)
    state = PhaseState(z, rho, system.at(z))

    def bounded(z, local):
        g = kick(z)
        return bounded_kick(g, local.point.velocity(g), eps)

    for _ in range(n_steps):
        state = splitting_step(state, eps, system, bounded, n_fixed_point)
    return state.z, state.rho


def distance(z, other):
    return float((z - other).detach().norm())


def test_a_step_can_be_taken_back(metric, state):
    z, rho = steps(metric, state.z, state.rho, 0.05)
    back, minus_rho = steps(metric, z.detach(), -rho.detach(), 0.05)
    torch.testing.assert_close(back, state.z, **EXACT)
    torch.testing.assert_close(-minus_rho, state.rho, **EXACT)


@pytest.mark.parametrize(
    ("n_fixed_point", "atol", "kick"), [(60, 1e-9, kick), (2, 2e-2, kick), (60, 1e-7, steep_kick)]
)
def test_steps_preserve_volume(metric, state, n_fixed_point, atol, kick):
    """As far as the implicit steps converge: two iterations at the default step are close."""

    def flow(point):
        z, rho = point.view(2, d)
        z, rho = (v.expand(K, 1, d) for v in (z, rho))
        ends = steps(metric, z, rho, 0.1, n_fixed_point=n_fixed_point, kick=kick)
        return torch.cat([v[0, 0] for v in ends])

    for b in range(B):
        start = torch.cat([state.z[0, b], state.rho[0, b]])
        J = torch.autograd.functional.jacobian(flow, start)
        assert abs(float(torch.linalg.slogdet(J).logabsdet)) < atol


def test_a_kick_of_nothing_has_a_derivative():
    g = torch.zeros(1, 1, d, dtype=torch.float64, requires_grad=True)
    kick = bounded_kick(g, 2.0 * g, 0.1)
    (slope,) = torch.autograd.grad(kick.sum(), g)
    torch.testing.assert_close(slope, torch.ones_like(g))
    # Rounding may take gᵀ G⁻¹ g below 0.
    assert bool(bounded_kick(g.detach() + 1.0, g.detach() - 1e-9, 0.1).isfinite().all())


def test_the_slopes_of_a_network_that_has_not_trained_throw_no_code_away(metric, state):
    z, _ = steps(metric, state.z, state.rho, 0.1, n_steps=1, kick=steep_kick)
    shift = ((z - state.z).square() * state.local.point.G).mean(-1).sqrt()
    # A kick of at most 10 deviations acts for half a step; the rest is the momentum's.
    momentum = (state.rho.square() / state.local.point.G).mean(-1).sqrt()
    assert bool((shift < 0.1 * momentum + 0.1 * 10.0).all())


def test_halving_the_step_quarters_the_error(metric, state):
    truth = steps(metric, state.z, state.rho, 0.3 / 64, 64)[0]
    errors = [distance(steps(metric, state.z, state.rho, 0.3 / n, n)[0], truth) for n in (8, 16)]
    assert 3.0 < errors[0] / errors[1] < 5.0


def test_data_gradient_is_that_of_the_joint_density(random_seed):
    streams = [stream(k) for k in range(K)]
    architecture = Architecture(D, hidden_layer_sizes=(6,), decoder="residual")
    flow = FlowSettings(latent_dim=d, metric="posterior", n_leapfrog=1)
    stack = build_stack(architecture, flow, streams).double()
    x, r = draw(random_seed, K, B, D), draw(random_seed + 1, K, B, D)
    z = draw(random_seed + 2, K, B, d).requires_grad_()
    log_p = stack.likelihood.log_prob(x, stack.decode(z, r)) - 0.5 * z.square().sum(-1)
    truth = torch.autograd.grad(-log_p.sum(), z)[0]
    with torch.no_grad():
        torch.testing.assert_close(data_gradient(stack, z, x, r), truth, **EXACT)
