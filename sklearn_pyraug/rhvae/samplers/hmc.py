"""Hamiltonian Monte Carlo on the volume of the learned metric.

The target is p(z) ∝ √det G⁻¹(z) (arXiv 2105.00026, section 4.2), which is high around the
codes of the training rows. Far from all codes it tends to the constant λ^(d/2), so it
cannot be normalised on ℝᵈ; the support is therefore bounded to the union of the balls of
radius ``reach`` · T around the centroids, beyond which the energy counts as infinite.

Shapes: K classes, C chains per class, N centroids per class, d latent dimensions.
"""

from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from ..geometry import local_metric, log_volume_gradient
from .adaptation import dual_averaging_init, dual_averaging_update

__all__ = [
    "HMCInfo",
    "HMCState",
    "hmc_init",
    "hmc_step",
    "metric_log_density",
    "n_adaptation_steps",
    "sample_hmc",
]

# exp(-reach²) is a centroid's weight at the edge of the support: 1e-7.
_REACH = 4.0
# Steps after which the step size, tuned on all chains of a class at once, has settled.
_MAX_ADAPTATION = 30
# An energy error beyond this is called a divergence (Stan's threshold).
_DIVERGENCE = 1000.0


class HMCState(NamedTuple):
    """Positions of the chains, with what is known there.

    Attributes
    ----------
    z : Tensor of shape (n_classes, n_chains, latent_dim)
    log_density : Tensor of shape (n_classes, n_chains)
    gradient : Tensor of shape (n_classes, n_chains, latent_dim)
        Gradient of `log_density`.
    """

    z: torch.Tensor
    log_density: torch.Tensor
    gradient: torch.Tensor


class HMCInfo(NamedTuple):
    """What happened in a step.

    Attributes
    ----------
    acceptance : Tensor of shape (n_classes, n_chains)
        Metropolis acceptance probabilities.
    is_accepted, is_divergent : Tensor of bool, shape (n_classes, n_chains)
    energy_error : Tensor of shape (n_classes, n_chains)
        H(proposal) − H(start); infinite where the proposal's energy is not finite.
    """

    acceptance: torch.Tensor
    is_accepted: torch.Tensor
    is_divergent: torch.Tensor
    energy_error: torch.Tensor


def metric_log_density(metric):
    """Return z -> (log √det G⁻¹(z), its gradient), with the bounded support.

    Parameters
    ----------
    metric : Metric

    Returns
    -------
    log_density_and_gradient : callable
        Takes z of shape (n_classes, n_chains, latent_dim), returns tensors of shapes
        (n_classes, n_chains) and (n_classes, n_chains, latent_dim).
    """
    edge = float(torch.exp(torch.tensor(-(_REACH**2))))

    def log_density_and_gradient(z):
        local = local_metric(z, metric)
        inside = local.w.amax(-1) > edge
        log_density = torch.where(inside, 0.5 * local.log_det_inv, -torch.inf)
        return log_density, log_volume_gradient(z, local, metric)

    return log_density_and_gradient


def hmc_init(z, log_density_and_gradient):
    """Evaluate the density at the starting positions; returns a :class:`HMCState`."""
    return HMCState(z, *log_density_and_gradient(z))


def hmc_step(
    state, noise, log_uniform, step_size, n_leapfrog, log_density_and_gradient, gradient_alone=None
):
    """Take one HMC step in all chains.

    One gradient per leapfrog step: the last one of a trajectory is the first of the next, and
    the two half steps of the momentum that meet at an inner point are taken as one.

    Parameters
    ----------
    state : HMCState
    noise : Tensor of shape (n_classes, n_chains, latent_dim)
        Standard normal momenta.
    log_uniform : Tensor of shape (n_classes, n_chains)
        Logarithms of uniform draws, for the Metropolis test.
    step_size : Tensor of shape (n_classes, 1, 1) or float
    n_leapfrog : int
    log_density_and_gradient : callable
    gradient_alone : callable or None
        The same without the density, for the inner points of the trajectory.

    Returns
    -------
    state : HMCState
    info : HMCInfo
    """
    if gradient_alone is None:

        def gradient_alone(z):
            return log_density_and_gradient(z)[1]

    rho = noise + 0.5 * step_size * state.gradient
    z = state.z + step_size * rho
    for _ in range(n_leapfrog - 1):
        rho = rho + step_size * gradient_alone(z)
        z = z + step_size * rho
    log_density, gradient = log_density_and_gradient(z)
    rho = rho + 0.5 * step_size * gradient
    start = state.log_density - 0.5 * noise.square().sum(-1)
    end = log_density - 0.5 * rho.square().sum(-1)
    # A non-finite energy is a rejection.
    error = torch.nan_to_num(start - end, nan=torch.inf, posinf=torch.inf, neginf=torch.inf)
    acceptance = torch.exp(-error.clamp_min(0.0))
    accepted = log_uniform < -error
    pick = accepted.unsqueeze(-1)
    state = HMCState(
        torch.where(pick, z, state.z),
        torch.where(accepted, log_density, state.log_density),
        torch.where(pick, gradient, state.gradient),
    )
    return state, HMCInfo(acceptance, accepted, error > _DIVERGENCE, error)


def n_adaptation_steps(n_steps):
    """Return how many of the steps of a chain adapt the step size: half of them, at most 30."""
    return max(1, min(n_steps // 2, _MAX_ADAPTATION))


@torch.no_grad()
def sample_hmc(
    metric,
    start,
    generators,
    *,
    n_steps,
    n_leapfrog,
    step_size=None,
    target_acceptance=0.8,
):
    """Run one chain per start point and return where each ends.

    The first half of the steps, at most 30, adapts the step size (one per class) by dual
    averaging towards `target_acceptance`; the rest runs at the averaged step, which keeps
    the target invariant.

    Parameters
    ----------
    metric : Metric
    start : sequence of Tensor of int64, each of shape (n_chains_k,)
        For every class the indices of the centroids from which its chains start.
    generators : sequence of torch.Generator
        One CPU stream per class; what a class draws depends on nothing but its own.
    n_steps : int
        Steps, adaptation included.
    n_leapfrog : int
        Leapfrog steps per trajectory.
    step_size : float or None, default=None
        A fixed step size instead of adaptation.
    target_acceptance : float, default=0.8

    Returns
    -------
    z : list of Tensor, each of shape (n_chains_k, latent_dim)
    info : dict of str to Tensor of shape (n_classes,)
        ``acceptance_rate`` and ``divergence_rate`` of the steps after the adaptation, and
        the final ``step_size``.
    """
    c = metric.c
    d = c.shape[-1]
    counts = [len(s) for s in start]
    index = pad_sequence(start, batch_first=True).to(c.device)
    # A class with fewer chains than another is padded; the padding counts for nothing.
    weight = pad_sequence([torch.full((n,), 1.0 / max(n, 1)) for n in counts], batch_first=True)
    weight = weight.to(c)
    target = metric_log_density(metric)

    def gradient(z):
        return log_volume_gradient(z, local_metric(z, metric, with_log_det=False), metric)

    state = hmc_init(c.gather(1, index.unsqueeze(-1).expand(-1, -1, d)), target)
    adapt = 0 if step_size is not None else n_adaptation_steps(n_steps)
    # 0.3 T is a fair first guess: T is the length on which the density changes.
    eps = 0.3 * metric.T if step_size is None else torch.full_like(metric.T, step_size)
    tuner = dual_averaging_init(eps)
    acceptance = torch.zeros(c.shape[0], dtype=c.dtype, device=c.device)
    divergence = torch.zeros_like(acceptance)
    for step in range(n_steps):
        noise = _per_class(torch.randn, counts, generators, d).to(c)
        uniform = _per_class(torch.rand, counts, generators).to(c)
        state, info = hmc_step(state, noise, uniform.log(), eps, n_leapfrog, target, gradient)
        mean_acceptance = (info.acceptance * weight).sum(1)
        if step < adapt:
            tuner = dual_averaging_update(tuner, mean_acceptance.view(-1, 1, 1), target_acceptance)
            eps = (tuner.log_step if step < adapt - 1 else tuner.log_step_mean).exp()
        else:
            acceptance += mean_acceptance
            divergence += (info.is_divergent * weight).sum(1)
    n_kept = max(1, n_steps - adapt)
    z = [state.z[k, :n] for k, n in enumerate(counts)]
    return z, {
        "acceptance_rate": acceptance / n_kept,
        "divergence_rate": divergence / n_kept,
        "step_size": eps.flatten(),
    }


def _per_class(draw, counts, generators, *shape):
    rows = [draw(n, *shape, generator=g) for n, g in zip(counts, generators, strict=True)]
    return pad_sequence(rows, batch_first=True)
