"""The integrator against closed-form orbits, and on the Hamiltonian that it is made for."""

import math

import pytest
import torch
from shared import draw, stream
from test_flow import smooth_decoder

from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack
from sklearn_pyraug.rhvae.flow.hamiltonian import (
    PhaseState,
    System,
    generalized_leapfrog,
    tempering_factors,
)
from sklearn_pyraug.rhvae.flow.posterior_flow import data_gradient, metric_system
from sklearn_pyraug.rhvae.metric.learned import apply, inverse_metric

K, B, D, d = 2, 3, 4, 2


def integrate(z, rho, system, eps, n_steps, n_fixed_point=2):
    state = PhaseState(z, rho, system.at(z))
    for _ in range(n_steps):
        state = generalized_leapfrog(state, eps, system, n_fixed_point)
    return state.z, state.rho


class RiemannianProblem:
    """A posterior Hamiltonian with a metric and a decoder that are far from trivial."""

    def __init__(self, seed, likelihood="gaussian"):
        settings = FlowSettings(latent_dim=d, temperature=1.2, regularization=0.2)
        generators = [stream(seed + k) for k in range(K)]
        # A smooth decoder: the integrator's order shows only where H has its derivatives.
        architecture = Architecture(D, likelihood, hidden_layer_sizes=(6,), decoder=smooth_decoder)
        self.stack = build_stack(architecture, settings, generators).double()
        with torch.no_grad():
            for i, p in enumerate(self.stack.parameters()):
                p.add_(0.2 * draw(seed + 10 + i, *p.shape))
        self.x = torch.sigmoid(draw(seed + 50, K, B, D))
        centres = torch.sigmoid(2.0 * draw(seed + 51, K, 5, D))
        self.mask = torch.ones(K, 5, dtype=torch.float64)
        self.mask[1, 3:] = 0.0
        with torch.no_grad():
            self.metric = self.stack.metric(centres, self.mask)
        self.system = metric_system(
            self.metric, lambda z, point: data_gradient(self.stack, z, self.x, None)
        )
        self.z, self.rho = 0.7 * draw(seed + 52, K, B, d), 0.7 * draw(seed + 53, K, B, d)

    def energy(self, z, rho):
        """Compute H from the scalar formulas, shape (K, B)."""
        log_p = self.stack.likelihood.log_prob(self.x, self.stack.decode(z))
        log_p = log_p - 0.5 * z.square().sum(-1)
        G_inv = inverse_metric(z, self.metric)
        return -log_p - 0.5 * torch.logdet(G_inv) + 0.5 * (rho * apply(G_inv, rho)).sum(-1)

    def flow(self, z, rho, eps, n_steps, n_fixed_point=60):
        with torch.no_grad():
            return integrate(z, rho, self.system, eps, n_steps, n_fixed_point)


def test_harmonic_oscillator_with_constant_metric(random_seed):
    """z' = G⁻¹ρ, ρ' = −Az has the orbit exp(tJ)(z, ρ); halving eps quarters the error."""
    B_, C_ = draw(random_seed, d, d), draw(random_seed + 1, d, d)
    eye = torch.eye(d, dtype=torch.float64)
    A, G_inv = B_ @ B_.T / d + eye, C_ @ C_.T / d + eye
    system = System(
        at=lambda z: z, dz=lambda rho, z: apply(A, z), drho=lambda z, rho, local: apply(G_inv, rho)
    )
    z, rho = draw(random_seed + 2, K, B, d), draw(random_seed + 3, K, B, d)
    J = torch.zeros(2 * d, 2 * d, dtype=torch.float64)
    J[:d, d:], J[d:, :d] = G_inv, -A
    truth = apply(torch.linalg.matrix_exp(J), torch.cat([z, rho], -1))
    errors = []
    for n_steps in (20, 40, 80):
        got = torch.cat(integrate(z, rho, system, 1.0 / n_steps, n_steps), -1)
        errors.append((got - truth).norm().item())
    assert errors[-1] < 5e-3 * truth.norm()
    # The next term of the error is of order eps⁴, (1/20)² of the first up to a constant.
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.025)


def test_free_fall_is_exact():
    """In a constant field the leapfrog has no error: z = z₀ + ρ₀t − ½gt²."""
    system = System(
        at=lambda z: None,
        dz=lambda rho, local: torch.full_like(rho, 9.81),
        drho=lambda z, rho, local: rho,
    )
    z, rho = draw(0, K, B, d), draw(1, K, B, d)
    got, momentum = integrate(z, rho, system, 0.1, 10)
    torch.testing.assert_close(got, z + rho - 0.5 * 9.81)
    torch.testing.assert_close(momentum, rho - 9.81)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "binomial"])
def test_posterior_gradients_against_autograd(random_seed, likelihood):
    problem = RiemannianProblem(random_seed, likelihood)
    z, rho = problem.z.clone().requires_grad_(), problem.rho.clone().requires_grad_()
    dz, drho = torch.autograd.grad(problem.energy(z, rho).sum(), (z, rho))
    local = problem.system.at(problem.z)
    got = problem.system.dz(problem.rho, local)
    velocity = problem.system.drho(problem.z, problem.rho, local)
    moving = problem.system.drho(problem.z, problem.rho, None)
    assert (got - dz).norm() < 1e-6 * dz.norm()
    assert (velocity - drho).norm() < 1e-6 * drho.norm()
    torch.testing.assert_close(moving, velocity)


def test_generalized_leapfrog_is_reversible(random_seed):
    problem = RiemannianProblem(random_seed)
    z, rho = problem.flow(problem.z, problem.rho, 0.05, 5)
    assert (z - problem.z).abs().max() > 0.1  # it went somewhere
    back, momentum = problem.flow(z, -rho, 0.05, 5)
    torch.testing.assert_close(back, problem.z, rtol=0.0, atol=1e-8)
    torch.testing.assert_close(-momentum, problem.rho, rtol=0.0, atol=1e-8)


def test_generalized_leapfrog_preserves_volume(random_seed):
    """The Jacobian of (z, ρ) -> (z', ρ'), by central differences, has determinant 1."""
    problem = RiemannianProblem(random_seed)
    start, h = torch.cat([problem.z, problem.rho], -1), 1e-5

    def flow(phase):
        z, rho = phase.split(d, -1)
        return torch.cat(problem.flow(z.clone(), rho.clone(), 0.05, 3), -1)

    # The points do not see each other, so one evaluation differentiates all of them.
    columns = []
    for j in range(2 * d):
        step = torch.zeros(2 * d, dtype=torch.float64)
        step[j] = h
        columns.append((flow(start + step) - flow(start - step)) / (2.0 * h))
    jacobian = torch.stack(columns, -1)
    error = (torch.linalg.det(jacobian) - 1.0).abs().max().item()
    print(f"\nlargest |det - 1|: {error:.2e}")
    assert error < 1e-5
    assert (jacobian - torch.eye(2 * d)).abs().amax() > 0.05  # it is not the identity


def test_energy_error_is_of_order_eps_squared(random_seed):
    problem = RiemannianProblem(random_seed)
    start = problem.energy(problem.z, problem.rho)
    errors = [
        (problem.energy(*problem.flow(problem.z, problem.rho, 0.2 / n, n)) - start).norm().item()
        for n in (4, 8, 16)
    ]
    assert errors[-1] < 1e-2 * start.norm()
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.05)


def test_step_size_may_differ_between_classes(random_seed):
    problem = RiemannianProblem(random_seed)
    eps = torch.tensor([0.02, 0.05], dtype=torch.float64).view(K, 1, 1)
    together = problem.flow(problem.z, problem.rho, eps, 2)
    for k, e in enumerate((0.02, 0.05)):
        alone = problem.flow(problem.z, problem.rho, e, 2)
        torch.testing.assert_close(together[0][k], alone[0][k])
        torch.testing.assert_close(together[1][k], alone[1][k])


@pytest.mark.parametrize("beta_zero", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("n_leapfrog", [1, 3, 10])
def test_tempering_factors_take_the_momentum_back_to_beta_one(beta_zero, n_leapfrog):
    factors = tempering_factors(beta_zero, n_leapfrog)
    assert len(factors) == n_leapfrog
    assert math.prod(factors) == pytest.approx(math.sqrt(beta_zero), rel=1e-12)
    assert all(f == 1.0 if beta_zero == 1.0 else f < 1.0 for f in factors)
