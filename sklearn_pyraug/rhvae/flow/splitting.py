"""The posterior's Hamiltonian flow on the metric of the posterior covariances, by splitting.

The Hamiltonian H = −log p(x, z) + ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ (arXiv 2010.11518, section 3.2) is
cut into the data's part and the metric's. A step moves by half a step of the metric's part, kicks
the momentum by the data's, and moves by the other half: one gradient of the decoder a step. The
metric's part is integrated by the generalised leapfrog. Each of the three preserves volume and is
reversible as far as the implicit steps converge, and so is their symmetric composition (E. Hairer,
C. Lubich, G. Wanner, "Geometric Numerical Integration", 2006, section II.5), which is all that the
ELBO asks for.

G is diagonal and a constant of the objective: neither its codes nor their covariances are trained
through the flow. The decoder's gradient in the kick is one, too.

Shapes: K classes, B rows per class, D columns, d latent dimensions.
"""

import math
from functools import partial

import torch

from .hamiltonian import (
    PhaseState,
    System,
    bounded_kick,
    generalized_leapfrog,
    tempering_factors,
)
from .posterior_flow import FlowResult

__all__ = ["data_gradient", "metric_system", "splitting_flow", "splitting_step"]

_LOG_2PI = math.log(2.0 * math.pi)


def metric_system(metric):
    """Return the Hamiltonian system ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ.

    Parameters
    ----------
    metric : PosteriorMetric

    Returns
    -------
    system : System
    """

    def dz(z, rho, local):
        G_inv = local.G.reciprocal()
        return local.pull(0.5 * (G_inv - (rho * G_inv).square())), None

    def drho(z, rho, local):
        return rho / (metric.at(z) if local is None else local).G, None

    return System(metric.at, dz, drho)


def data_gradient(stack, z, x, r):
    """Return −∇_z log p(x, z), shape (K, B, d); constant but for the prior's part z."""
    with torch.enable_grad():
        at = z.detach().requires_grad_()
        log_p = stack.likelihood.log_prob(x, stack.decode(at, r))
        (gradient,) = torch.autograd.grad(log_p.sum(), at)
    return z - gradient


def splitting_step(state, eps, system, gradient, n_fixed_point=2):
    """Take one symmetric step of size `eps`: half of the metric's part, a kick, the other half.

    Parameters
    ----------
    state : PhaseState
    eps : float or Tensor broadcastable to z
    system : System
        The metric's part, see :func:`metric_system`.
    gradient : callable(z) -> Tensor
        Of the data's part; :func:`.hamiltonian.bounded_kick` bounds it.
    n_fixed_point : int, default=2
        Iterations of each implicit step.

    Returns
    -------
    state : PhaseState
    """
    state, _ = generalized_leapfrog(state, 0.5 * eps, system, n_fixed_point)
    g = gradient(state.z)
    kick, _ = bounded_kick(g, g / state.local.G, eps)
    state = state._replace(rho=state.rho - eps * kick)
    state, _ = generalized_leapfrog(state, 0.5 * eps, system, n_fixed_point)
    return state


def splitting_flow(stack, z, gamma, x, r, metric):
    """Run the flow from z₀.

    Parameters
    ----------
    stack : RHVAEStack
    z, gamma : Tensor of shape (K, B, d)
        z₀, and the standard normal draw from which the momentum is made.
    x : Tensor of shape (K, B, D)
    r : Tensor of shape (K, B, D) or None
    metric : PosteriorMetric

    Returns
    -------
    result : FlowResult
        Differentiable by z and by the parameters of the decoder and of the likelihood.
    """
    settings, system = stack.settings, metric_system(metric)
    local = system.at(z)
    log_det_inv = -local.G.log().sum(-1)
    rho = local.G.sqrt() * gamma / math.sqrt(settings.beta_zero)
    state, gradient = PhaseState(z, rho, local), partial(data_gradient, stack, x=x, r=r)
    for factor in tempering_factors(settings.beta_zero, settings.n_leapfrog):
        state = splitting_step(state, stack.eps, system, gradient, settings.n_fixed_point)
        state = state._replace(rho=state.rho * factor)
    z, rho, local = state
    kinetic = (rho.square() / local.G).sum(-1)
    log_p_rho = -0.5 * (local.G.log().sum(-1) + kinetic + z.shape[-1] * _LOG_2PI)
    return FlowResult(z, stack.decode(z, r), log_p_rho, log_det_inv, rho)
