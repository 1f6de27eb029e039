"""The RHVAE's evidence lower bound and the importance-sampled log-likelihood.

z₀ ~ q(z|x), γ ~ N(0, I), ρ₀ = β₀^(−½) G(z₀)^(½) γ, then K tempered leapfrog steps on
H = −log p(x, z) + ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ, and

ELBO = E[log p(x, z_K) + log N(ρ_K; 0, G(z_K)) − log q(z₀|x) − log N(γ; 0, I) + ½ log det G(z₀)]

(arXiv 2010.11518, section 3.2; the Jacobian of the tempering cancels the β₀ term).
"""

import math
from typing import NamedTuple

import torch

from .flow.posterior_flow import posterior_flow
from .metric.learned import Metric

__all__ = ["Batch", "ElboTerms", "elbo_terms", "importance_log_likelihood"]

_LOG_2PI = math.log(2.0 * math.pi)


class Batch(NamedTuple):
    """One minibatch of every class in the stack, with its noise.

    Attributes
    ----------
    x : Tensor of shape (n_classes, n_rows, n_features)
        Coded rows; a class with fewer rows is padded.
    mask : Tensor of shape (n_classes, n_rows)
        1 for a row, 0 for padding.
    noise_z, noise_rho : Tensor of shape (n_classes, n_rows, latent_dim)
        Standard normal draws, for z₀ and for γ.
    r : Tensor of shape (n_classes, n_rows, n_features) or None
        Reference rows.
    metric : Metric, PosteriorMetric or None
        The metric to use; None for that of the batch's own codes, through which the
        metric network is trained.
    weight : Tensor of shape (n_classes, n_rows) or None
        How much each row counts in the loss, and only there; None for equal weights.
    """

    x: torch.Tensor
    mask: torch.Tensor
    noise_z: torch.Tensor
    noise_rho: torch.Tensor
    r: torch.Tensor | None = None
    metric: Metric | None = None
    weight: torch.Tensor | None = None


class ElboTerms(NamedTuple):
    """The terms of the ELBO, in nats per row, each of shape (n_classes, n_rows).

    Attributes
    ----------
    log_p_x : log p(x | z_K).
    log_p_z : log N(z_K; 0, I).
    log_p_rho : log N(ρ_K; 0, G(z_K)).
    log_q : log q(z₀ | x).
    log_gamma : log N(γ; 0, I) − ½ log det G(z₀).
    elbo : their sum, the last two with a minus.
    """

    log_p_x: torch.Tensor
    log_p_z: torch.Tensor
    log_p_rho: torch.Tensor
    log_q: torch.Tensor
    log_gamma: torch.Tensor
    elbo: torch.Tensor


def elbo_terms(stack, batch):
    """Evaluate the ELBO of every row of a batch with one draw.

    Parameters
    ----------
    stack : RHVAEStack
    batch : Batch

    Returns
    -------
    terms : ElboTerms
    """
    x, mask, noise_z, noise_rho, r, metric, _ = batch
    posterior = stack.encode(x, r)
    z = posterior.mu + torch.exp(0.5 * posterior.log_var) * noise_z
    log_q = -0.5 * (noise_z.square() + posterior.log_var + _LOG_2PI).sum(-1)
    if not stack.flowing:
        # A plain VAE: the momentum's terms cancel and the metric is not needed.
        log_p_x = stack.likelihood.log_prob(x, stack.decode(z, r))
        log_p_z = -0.5 * (z.square() + _LOG_2PI).sum(-1)
        zero = torch.zeros_like(log_q)
        return ElboTerms(log_p_x, log_p_z, zero, log_q, zero, log_p_x + log_p_z - log_q)
    if metric is None:
        metric = stack.metric_from(posterior, x, mask, r)
    z, theta, log_p_rho, log_det_inv, _ = posterior_flow(stack, z, noise_rho, x, r, metric)
    log_gamma = -0.5 * (noise_rho.square() + _LOG_2PI).sum(-1) + 0.5 * log_det_inv
    log_p_x = stack.likelihood.log_prob(x, theta)
    log_p_z = -0.5 * (z.square() + _LOG_2PI).sum(-1)
    elbo = log_p_x + log_p_z + log_p_rho - log_q - log_gamma
    return ElboTerms(log_p_x, log_p_z, log_p_rho, log_q, log_gamma, elbo)


@torch.no_grad()
def importance_log_likelihood(
    stack, x, mask, metric, generator, n_importance, r=None, common=False
):
    """Estimate log p(x) by importance sampling with the flow as proposal.

    log (1/S) Σₛ exp(ELBO integrand of draw s): unbiased for p(x), and for S → ∞ exact
    (Burda et al. 2016, equation 8, on the extended space of 2010.11518).

    Parameters
    ----------
    stack : RHVAEStack
    x : Tensor of shape (n_classes, n_rows, n_features)
    mask : Tensor of shape (n_classes, n_rows)
    metric : Metric
    generator : torch.Generator
        On the CPU.
    n_importance : int
        Draws S per row.
    r : Tensor of the shape of x, or None, default=None
        Reference rows.
    common : bool, default=False
        Whether all rows share the noise of a draw: an estimate then does not depend on which other
        rows there are.

    Returns
    -------
    log_likelihood : Tensor of shape (n_classes, n_rows)
        In nats per row; −∞ where no draw is a number.
    """
    K, n, d = *x.shape[:2], stack.settings.latent_dim
    shape = (2, K, 1 if common else n, d)
    draws = []
    for _ in range(n_importance):
        noise = torch.randn(shape, generator=generator).to(x).expand(-1, -1, n, -1)
        elbo = elbo_terms(stack, Batch(x, mask, noise[0], noise[1], r, metric)).elbo
        # If the flow has diverged, the density is 0.
        draws.append(torch.where(elbo.isnan(), -math.inf, elbo))
    return torch.logsumexp(torch.stack(draws), 0) - math.log(n_importance)
