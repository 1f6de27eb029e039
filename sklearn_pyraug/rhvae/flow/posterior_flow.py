"""The posterior's Riemannian Hamiltonian flow, with a hand-written adjoint.

z₀ ~ q(z|x), γ ~ N(0, I), ρ₀ = β₀^(−½) G(z₀)^(½) γ, then K tempered leapfrog steps on
H = −log p(x, z) + ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ (arXiv 2010.11518, section 3.2).

Shapes: K classes, B rows per class, N centroids per class, D columns, d latent dimensions.
"""

import math
from typing import NamedTuple

import torch
from torch.autograd.function import once_differentiable

from ..metric.learned import (
    LocalMetric,
    apply,
    centroid_weights,
    inverse_metric,
    local_metric,
    outer,
    potential_gradient,
)
from .adjoint import LocalCotangent, MetricCotangent, cholesky_inverse_adjoint
from .hamiltonian import (
    Adjoint,
    PhaseState,
    System,
    bounded_kick,
    generalized_leapfrog,
    leapfrog_adjoint,
    tempering_factors,
)
from .score import score_of

__all__ = ["FlowResult", "posterior_flow", "posterior_system"]

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
    rho : Tensor of shape (K, B, d) or None
        ρ_K; None where gradients are recorded.
    """

    z: torch.Tensor
    theta: torch.Tensor
    log_p_rho: torch.Tensor
    log_det_inv: torch.Tensor
    rho: torch.Tensor | None = None


class _Local(NamedTuple):
    z: torch.Tensor
    metric: LocalMetric
    theta: torch.Tensor
    data_gradient: torch.Tensor  # −∇_z log p(x, z), bounded
    size: torch.Tensor  # by what it was divided for that
    residual: object


def posterior_system(score, metric, eps, with_tape=False):
    """Return the Hamiltonian system of the posterior flow.

    The decoder's gradient does not depend on ρ: it is taken once per leapfrog point,
    within ``at``, and serves all fixed-point iterations and the next step.

    Parameters
    ----------
    score : MLPScore or AutogradScore
        Bound to its parameters.
    metric : Metric
    eps : float or Tensor broadcastable to z
        Size of the steps, for :func:`.hamiltonian.bounded_kick`.
    with_tape : bool, default=False
        Whether the adjoint will be asked for.

    Returns
    -------
    system : System
    """

    def at(z):
        theta, data_gradient, residual = score.evaluate(z, with_tape)
        local = local_metric(z, metric)
        kick, size = bounded_kick(data_gradient, apply(local.G_inv, data_gradient), eps)
        return _Local(z, local, theta, kick, size, residual)

    def dz(z, rho, local):
        gradient, kick = potential_gradient(z, rho, local.metric, metric)
        return gradient + local.data_gradient, (kick, local)

    def drho(z, rho, local):
        if local is not None:
            return apply(local.metric.G_inv, rho), (rho, local)
        w = centroid_weights(z, metric)
        G_inv = inverse_metric(z, metric, w)
        return apply(G_inv, rho), (z, rho, w, G_inv)

    return System(at, dz, drho)


def _bounded_kick_adjoint(local, kick_bar):
    """Return the cotangents of the gradient, and of the metric, in a kick κ = g / s.

    Where the bound is reached, s = ε √(gᵀ G⁻¹ g / d) and d log s is half that of gᵀ G⁻¹ g, divided
    by it.
    """
    kick, size = local.data_gradient, local.size
    velocity = apply(local.metric.G_inv, kick)
    share = (kick_bar * kick).sum(-1, keepdim=True) / (kick * velocity).sum(-1, keepdim=True)
    share = torch.where(size > 1.0, share, 0.0)
    gradient_bar = (kick_bar - share * velocity) / size
    return gradient_bar, LocalCotangent(G_inv=-0.5 * share * outer(kick, kick))


def _posterior_adjoint(score, cotangent):
    def at(local, bar):
        gradient_bar, bound = _bounded_kick_adjoint(local, bar.data_gradient)
        bar.add(bound)
        z_bar = cotangent.local_metric(local.z, local.metric, bar)
        return z_bar + score.adjoint(local.residual, bar.theta, gradient_bar)

    def dz(residual, g_bar):
        kick, local = residual
        z_bar, rho_bar, bar = cotangent.kick(kick, local.metric, g_bar)
        bar.data_gradient = g_bar
        return z_bar, rho_bar, bar

    def drho(residual, v_bar):
        if len(residual) == 2:
            rho, local = residual
            return None, apply(local.metric.G_inv, v_bar), LocalCotangent(G_inv=outer(v_bar, rho))
        return *cotangent.drift(residual, v_bar), None

    return Adjoint(at, dz, drho)


def _integrate(score, metric, z, gamma, eps, settings, with_tape):
    """Run the flow; returns its result, the last state, the first local and the tape."""
    system = posterior_system(score, metric, eps, with_tape)
    first = system.at(z)
    rho = apply(first.metric.R.mT, gamma) / math.sqrt(settings.beta_zero)
    state, tape = PhaseState(z, rho, first), []
    for factor in tempering_factors(settings.beta_zero, settings.n_leapfrog):
        state, step = generalized_leapfrog(state, eps, system, settings.n_fixed_point)
        state = state._replace(rho=state.rho * factor)
        tape.append(step)
    z, rho, local = state
    kinetic = (rho * apply(local.metric.G_inv, rho)).sum(-1)
    log_p_rho = 0.5 * (local.metric.log_det_inv - kinetic - z.shape[-1] * _LOG_2PI)
    result = FlowResult(z, local.theta, log_p_rho, first.metric.log_det_inv, rho)
    return result, state, first, tape


class _PosteriorFlow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, plan, z, M, slope, offset, *parameters):
        score, metric, gamma, eps, settings = plan
        metric = metric._replace(c=metric.c.detach(), M=M, slope=slope, offset=offset)
        score.bind(parameters, settings.n_leapfrog + 1, settings.second_order)
        result, state, first, tape = _integrate(score, metric, z, gamma, eps, settings, True)
        ctx.tape = (score, metric, gamma, settings, state, first, tape)
        # Other tensor objects than those on the tape: an output refers to its node, and the node
        # to the tape, so an output on the tape would never be freed.
        return tuple(value.detach() for value in result[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx, z_bar, theta_bar, log_p_rho_bar, log_det_inv_bar):
        score, metric, gamma, settings, (_, rho, last), first, tape = ctx.tape
        cotangent = MetricCotangent(metric)
        adjoint = _posterior_adjoint(score, cotangent)
        half = (0.5 * log_p_rho_bar).unsqueeze(-1)
        rho_bar = -2.0 * half * apply(last.metric.G_inv, rho)
        local_bar = LocalCotangent(
            theta=theta_bar, log_det_inv=half.squeeze(-1), G_inv=-half * outer(rho, rho)
        )
        factors = tempering_factors(settings.beta_zero, settings.n_leapfrog)
        for step, factor in zip(reversed(tape), reversed(factors), strict=True):
            z_bar, rho_bar, local_bar = leapfrog_adjoint(
                step, z_bar, factor * rho_bar, local_bar, adjoint
            )
        rho_bar = rho_bar / math.sqrt(settings.beta_zero)
        local_bar.add(
            LocalCotangent(
                log_det_inv=log_det_inv_bar,
                G_inv=cholesky_inverse_adjoint(first.metric.R, gamma, rho_bar),
            )
        )
        z_bar = z_bar + adjoint.at(first, local_bar)
        metric_bar = (cotangent.M, cotangent.slope, cotangent.offset)
        return None, z_bar, *metric_bar, *score.parameter_cotangents()


def posterior_flow(stack, z, gamma, x, r, metric):
    """Run the posterior flow from z₀.

    Parameters
    ----------
    stack : RHVAEStack
    z, gamma : Tensor of shape (K, B, d)
        z₀, and the standard normal draw from which the momentum is made.
    x : Tensor of shape (K, B, D)
    r : Tensor of shape (K, B, D) or None
    metric : Metric

    Returns
    -------
    result : FlowResult
        Differentiable, once, by z, by the metric and by the parameters of the decoder and of
        the likelihood.
    """
    score = score_of(stack, x, r)
    if not torch.is_grad_enabled():
        score.bind(score.parameters)
        return _integrate(score, metric, z, gamma, stack.eps, stack.settings, False)[0]
    plan = (score, metric, gamma, stack.eps, stack.settings)
    parts = (metric.M, metric.slope, metric.offset)
    return FlowResult(*_PosteriorFlow.apply(plan, z, *parts, *score.parameters))
