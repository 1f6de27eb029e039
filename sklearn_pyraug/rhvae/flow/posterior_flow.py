"""The posterior's Riemannian Hamiltonian flow.

z₀ ~ q(z|x), γ ~ N(0, I), ρ₀ = β₀^(−½) G(z₀)^(½) γ, then K tempered steps on
H = −log p(x, z) + ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ (arXiv 2010.11518, section 3.2).

The papers' generalised leapfrog takes the decoder's gradient at K + 1 points. The splitting cuts H
into the data's part and the metric's: a step moves by half a step of the metric's part, kicks the
momentum by the data's, and moves by the other half, with one gradient of the decoder. The ELBO only
requires that a flow preserves volume, which both do as far as their implicit steps converge.

Shapes: K classes, B rows per class, D columns, d latent dimensions.
"""

import math
from functools import partial
from typing import NamedTuple

import torch

from .hamiltonian import (
    PhaseState,
    System,
    bounded_kick,
    generalized_leapfrog,
    splitting_step,
    tempering_factors,
)

__all__ = ["FlowResult", "Local", "data_gradient", "metric_system", "posterior_flow"]

_LOG_2PI = math.log(2.0 * math.pi)


class FlowResult(NamedTuple):
    """Where the flow ends.

    Attributes
    ----------
    z : Tensor of shape (K, B, d)
        z_K.
    theta : Tensor of shape (K, B, D)
        The likelihood's parameters at z_K.
    log_p_rho : Tensor of shape (K, B)
        log N(ρ_K; 0, G(z_K)).
    log_det_inv : Tensor of shape (K, B)
        log det G⁻¹ at z₀.
    rho : Tensor of shape (K, B, d)
        ρ_K.
    """

    z: torch.Tensor
    theta: torch.Tensor
    log_p_rho: torch.Tensor
    log_det_inv: torch.Tensor
    rho: torch.Tensor


class Local(NamedTuple):
    """What is known at a point of the flow whatever the momentum.

    Attributes
    ----------
    point : LearnedPoint or PosteriorPoint
        The metric there.
    G : Tensor
        Its covariance of the momentum.
    gradient : Tensor of shape (K, B, d) or None
        That of a potential, which depends on z only.
    """

    point: NamedTuple
    G: torch.Tensor
    gradient: torch.Tensor | None


def metric_system(metric, kick=None):
    """Return the Hamiltonian system ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ, and perhaps a potential.

    Parameters
    ----------
    metric : Metric or PosteriorMetric
    kick : callable(z, point) -> Tensor, or None, default=None
        The gradient of a potential at z, where the metric is known; None for none.

    Returns
    -------
    system : System
        With a :class:`Local` at every point.
    """

    def at(z):
        point = metric.at(z)
        return Local(point, point.covariance(), None if kick is None else kick(z, point))

    def dz(rho, local):
        gradient = local.point.energy_gradient(rho, local.G)
        return gradient if local.gradient is None else gradient + local.gradient

    def drho(z, rho, local):
        return metric.velocity(z, rho) if local is None else local.point.velocity(rho)

    return System(at, dz, drho)


def data_gradient(stack, z, x, r):
    """Return −∇_z log p(x, z), shape (K, B, d).

    It can be differentiated where the settings have `second_order`; else all of it but the prior's
    part z is a constant.
    """
    second_order = stack.settings.second_order and z.requires_grad and torch.is_grad_enabled()
    with torch.enable_grad():
        at = z if second_order else z.detach().requires_grad_()
        log_p = stack.likelihood.log_prob(x, stack.decode(at, r))
        (gradient,) = torch.autograd.grad(log_p.sum(), at, create_graph=second_order)
    return z - gradient


def posterior_flow(stack, z, gamma, x, r, metric):
    """Run the posterior flow from z₀.

    Parameters
    ----------
    stack : RHVAEStack
    z, gamma : Tensor of shape (K, B, d)
        z₀, and the standard normal draw from which the momentum is made.
    x : Tensor of shape (K, B, D)
    r : Tensor of shape (K, B, D) or None
        Reference rows.
    metric : Metric or PosteriorMetric

    Returns
    -------
    result : FlowResult
        Differentiable by z, by the metric and by the parameters of the decoder and of the
        likelihood.
    """
    settings, eps = stack.settings, stack.eps

    def kick(z, point):
        gradient = data_gradient(stack, z, x, r)
        return bounded_kick(gradient, point.velocity(gradient), eps)

    if settings.integrator == "splitting":
        system = metric_system(metric)
        step = partial(splitting_step, kick=lambda z, local: kick(z, local.point))
    else:
        system, step = metric_system(metric, kick), generalized_leapfrog
    first = system.at(z)
    rho = first.point.momentum(gamma) / math.sqrt(settings.beta_zero)
    state = PhaseState(z, rho, first)
    for factor in tempering_factors(settings.beta_zero, settings.n_leapfrog):
        state = step(state, eps, system, n_fixed_point=settings.n_fixed_point)
        state = state._replace(rho=state.rho * factor)
    z, rho, (last, *_) = state
    kinetic = (rho * last.velocity(rho)).sum(-1)
    log_p_rho = 0.5 * (last.log_det_inv() - kinetic - z.shape[-1] * _LOG_2PI)
    return FlowResult(z, stack.decode(z, r), log_p_rho, first.point.log_det_inv(), rho)
