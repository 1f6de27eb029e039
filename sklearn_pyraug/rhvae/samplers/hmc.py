"""Hamiltonian Monte Carlo on the volume of a metric.

The target of the learned metric is p(z) ∝ √det G⁻¹(z) (arXiv 2105.00026, section 4.2), that
of the posterior covariances p(z) ∝ √det G(z) (arXiv 2209.07370, section 4.5): both are high
around the codes of the training rows. Far from all codes they tend to a constant, so they
cannot be normalised on ℝᵈ; the support is therefore bounded to the union of the balls of
radius ``REACH`` · T around the centroids (of ellipsoids, ``REACH`` · ρ posterior standard
deviations wide), beyond which the energy counts as infinite.

Shapes: K classes, C chains per class, N centroids per class, d latent dimensions.
"""

from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from .adaptation import dual_averaging_init, dual_averaging_update
from .diagnostics import Trace

# Most steps of adaptation: the step size, tuned on all chains of a class, has then settled.
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
    """Return z -> (log density, its gradient) of a metric, with the bounded support.

    Parameters
    ----------
    metric : Metric or PosteriorMetric

    Returns
    -------
    log_density_and_gradient : callable
        Takes z of shape (n_classes, n_chains, latent_dim), returns tensors of shapes
        (n_classes, n_chains) and (n_classes, n_chains, latent_dim).
    """

    def log_density_and_gradient(z):
        local = metric.at(z)
        return local.log_target(), local.gradient()

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
    gradient_alone : callable or None, default=None
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


def draw_per_class(draw, counts, generators, *shape):
    """Draw `counts[k]` rows of `shape` from each class's own stream, padded to the largest.

    `draw` is ``torch.rand`` or ``torch.randn``; the result has the shape
    (n_classes, max(counts)) + shape and lies on the CPU.
    """
    rows = [draw(n, *shape, generator=g) for n, g in zip(counts, generators, strict=True)]
    return pad_sequence(rows, batch_first=True)


def chain_weights(counts):
    """Return 1 / counts[k] for a chain and 0 for padding, shape (n_classes, max(counts)).

    A class with fewer chains than another is padded; the padding counts for nothing.
    """
    return pad_sequence([torch.full((n,), 1.0 / max(n, 1)) for n in counts], batch_first=True)


def centroids_at(c, start):
    """Return the centroids at `start`, padded: (n_classes, n_chains, latent_dim)."""
    index = pad_sequence(start, batch_first=True).to(c.device)
    return c.gather(1, index.unsqueeze(-1).expand(-1, -1, c.shape[-1]))


@torch.no_grad()
def sample_hmc(
    metric, start, generators, *, n_steps, n_leapfrog, step_size=None, target_acceptance=0.8
):
    """Run one chain per start point and return where each ends.

    The first half of the steps, at most 30, adapts the step size (one per class) by dual
    averaging towards `target_acceptance`; the rest runs at the averaged step, which keeps
    the target invariant.

    Parameters
    ----------
    metric : Metric or PosteriorMetric
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
        Of the steps after the adaptation: ``acceptance_rate``; ``divergence_rate``;
        ``energy_error``, the mean of |H(proposal) − H(start)| in nats over the proposals that
        did not diverge, not a number if all did (an error that is not finite, as of a proposal
        outside the support, is a divergence); ``autocorrelation`` of shape
        (n_classes, n_lags + 1), see :func:`.diagnostics.autocorrelation`. Without such steps none
        of them is a number. Besides, the final ``step_size``.
    """
    c = metric.c
    d = c.shape[-1]
    counts = [len(s) for s in start]
    weight = chain_weights(counts).to(c)
    target = metric_log_density(metric)
    state = hmc_init(centroids_at(c, start), target)
    adapt = 0 if step_size is not None else n_adaptation_steps(n_steps)
    # The first guess is 0.3 of the length on which the density changes.
    eps = 0.3 * metric.scale if step_size is None else torch.full_like(metric.scale, step_size)
    tuner = dual_averaging_init(eps)
    acceptance = torch.zeros(c.shape[0], dtype=c.dtype, device=c.device)
    divergence = torch.zeros_like(acceptance)
    energy_error, n_regular = torch.zeros_like(acceptance), torch.zeros_like(acceptance)
    trace = Trace(counts, c)
    for step in range(n_steps):
        noise = draw_per_class(torch.randn, counts, generators, d).to(c)
        log_uniform = draw_per_class(torch.rand, counts, generators).to(c).log()
        state, info = hmc_step(
            state, noise, log_uniform, eps, n_leapfrog, target, lambda z: metric.at(z).gradient()
        )
        mean_acceptance = (info.acceptance * weight).sum(1)
        if step < adapt:
            tuner = dual_averaging_update(tuner, mean_acceptance.view(-1, 1, 1), target_acceptance)
            eps = (tuner.log_step if step < adapt - 1 else tuner.log_step_mean).exp()
        else:
            acceptance += mean_acceptance
            divergence += (info.is_divergent * weight).sum(1)
            # Selected, not multiplied by 0, because infinity times 0 is NaN.
            error = torch.where(info.is_divergent, 0.0, info.energy_error.abs())
            energy_error += (error * weight).sum(1)
            n_regular += (~info.is_divergent * weight).sum(1)
            trace.add(state.z)
    n_kept = n_steps - adapt
    z = [state.z[k, :n] for k, n in enumerate(counts)]
    return z, {
        "acceptance_rate": acceptance / n_kept,
        "divergence_rate": divergence / n_kept,
        "step_size": eps.flatten(),
        "energy_error": energy_error / n_regular,
        "autocorrelation": trace.autocorrelation(),
    }
