"""How far the flow moves codes, and how well its steps are integrated, on a few rows.

The ELBO takes it for granted that the flow preserves volume: that from (z₀, γ) to (z_K, ρ_K),
whose first momentum is ρ₀ = β₀^(−½) G(z₀)^(½) γ and whose tempering takes β₀^(d/2) back, has
log |det ∂(z_K, ρ_K) / ∂(z₀, γ)| = ½ log det G(z₀). That holds once the implicit steps have
converged; by as much as it does not, the ELBO is off.

Shapes: K classes, B rows per class, d latent dimensions.
"""

import math
from typing import NamedTuple

import torch

from .posterior_flow import posterior_flow

_LOG_2PI = math.log(2.0 * math.pi)
# Half the step of the central differences. In float64 it leaves 7 digits, and rarely crosses the
# kink of a rectified linear unit, where a difference says nothing about the derivative.
_DELTA = 1e-7
# Most values that are decoded, and most rows, for the volume.
_MAX_VALUES, _MAX_ROWS = 2**20, 2


class FlowErrors(NamedTuple):
    """What the flow does to the rows of every class, each of shape (K,).

    Attributes
    ----------
    shift : Tensor
        Root mean square of (z_K − z₀) / σ, in standard deviations of the encoder's posterior.
    energy_error : Tensor
        Mean of |H(z_K, ρ_K) − H(z₀, ρ₀)| of the leapfrog steps from (z₀, ρ₀) without tempering,
        in nats.
    volume_error : Tensor
        Mean of |log |det ∂(z_K, ρ_K) / ∂(z₀, γ)| − ½ log det G(z₀)|, in nats; NaN of rows that are
        too large for it.
    """

    shift: torch.Tensor
    energy_error: torch.Tensor
    volume_error: torch.Tensor


@torch.no_grad()
def flow_errors(stack, batch):
    """Measure the posterior's flow.

    Parameters
    ----------
    stack : RHVAEStack
        In float64; its settings are changed for a while.
    batch : Batch
        In float64, with a metric; no class is without a row.

    Returns
    -------
    errors : FlowErrors
    """
    x, mask, noise, gamma, r, metric, _ = batch
    posterior = stack.encode(x, r)
    sigma = torch.exp(0.5 * posterior.log_var)
    z = posterior.mu + sigma * noise
    end = posterior_flow(stack, z, gamma, x, r, metric)
    shift = ((end.z - z) / sigma).square().mean(-1)

    settings = stack.settings
    hot = gamma / math.sqrt(settings.beta_zero)
    stack.settings = settings._replace(beta_zero=1.0)
    calm = posterior_flow(stack, z, hot, x, r, metric)
    stack.settings = settings
    log_p_rho = 0.5 * (end.log_det_inv - (hot.square() + _LOG_2PI).sum(-1))
    change = _log_joint(stack, x, calm.z, calm.theta) + calm.log_p_rho
    change = change - _log_joint(stack, x, z, stack.decode(z, r)) - log_p_rho

    def mean(values):
        own = mask[:, : values.shape[1]]
        return torch.where(own > 0, values, 0.0).sum(1) / own.sum(1)

    n_ends = 4 * z.shape[-1]
    n = min(z.shape[1], _MAX_ROWS, _MAX_VALUES // (n_ends * x.shape[-1]))
    volume = torch.full_like(shift[:, 0], torch.nan)
    if n:
        first = [None if v is None else v[:, :n] for v in (z, gamma, x, r)]
        log_det = _log_det(stack, *first, metric)
        volume = mean((log_det + 0.5 * end.log_det_inv[:, :n]).abs())
    return FlowErrors(mean(shift).sqrt(), mean(change.abs()), volume)


def _log_joint(stack, x, z, theta):
    return stack.likelihood.log_prob(x, theta) - 0.5 * (z.square() + _LOG_2PI).sum(-1)


def _log_det(stack, z, gamma, x, r, metric):
    """Return log |det ∂(z_K, ρ_K) / ∂(z₀, γ)| by central differences, shape (K, B)."""
    start = torch.cat([z, gamma], -1)
    n = start.shape[-1]
    steps = _DELTA * torch.eye(n, dtype=z.dtype)
    ends = (start.unsqueeze(2) + torch.cat([steps, -steps])).flatten(1, 2)
    x, r = (None if v is None else v.repeat_interleave(2 * n, 1) for v in (x, r))
    end = posterior_flow(stack, *ends.chunk(2, -1), x, r, metric)
    plus, minus = torch.cat([end.z, end.rho], -1).unflatten(1, (-1, 2 * n)).chunk(2, 2)
    return torch.linalg.slogdet((plus - minus) / (2.0 * _DELTA)).logabsdet
