"""The metric built from the encoder's posterior covariances, and its closed-form gradient.

G(z) = Σᵢ aᵢ Σᵢ⁻¹ wᵢ(z) + λ I,  wᵢ(z) = exp(−(z − cᵢ)ᵀ Σᵢ⁻¹ (z − cᵢ) / ρ²)

(C. Chadebec and S. Allassonnière 2022, arXiv 2209.07370, equation 7), with the encoder's
means cᵢ and diagonal covariances Σᵢ. Nothing but the encoder is needed: it trains at the cost
of a plain VAE. G is large where the rows' codes are, and new points are drawn from
p(z) ∝ √det G(z) (section 4.5); the learned metric, with p(z) ∝ √det G⁻¹(z), is the other way
round.

The factors aᵢ = (N pᵢ)^(2/d) of N codes with the shares pᵢ, and the width ρ = √d, make the
density that of a mixture where codes lie far apart: near cᵢ, and where λ is small,

√det G(z) = (N pᵢ) det(Σᵢ)^(−½) exp(−½ (z − cᵢ)ᵀ Σᵢ⁻¹ (z − cᵢ)) ∝ pᵢ N(z; cᵢ, Σᵢ).

Σᵢ and G(z) are diagonal, so nothing is factorised: an evaluation is a few matrix products.

Shapes: K classes, C points per class, N centroids per class, d latent dimensions.
"""

import math
from typing import NamedTuple

import torch
from torch.nn.functional import threshold

__all__ = [
    "LocalPosterior",
    "PosteriorMetric",
    "local_posterior",
    "make_posterior_metric",
    "posterior_log_volume",
    "posterior_log_volume_gradient",
]

# As in geometry: smaller weights are set to 0, because subnormal numbers are slow.
_MIN_LOG_WEIGHT = -60.0
_MIN_WEIGHT = 1.001 * math.exp(_MIN_LOG_WEIGHT)


class PosteriorMetric(NamedTuple):
    """The metric of K classes.

    Attributes
    ----------
    c : Tensor of shape (n_classes, n_centroids, latent_dim)
        Centroids, the encoder's means.
    precision : Tensor of shape (n_classes, n_centroids, latent_dim)
        The diagonals s of Σᵢ⁻¹.
    share : Tensor of shape (n_classes, n_centroids)
        pᵢ, of sum 1; 0 for a code that does not take part, and for padding.
    rho : Tensor of shape (n_classes, 1, 1)
        Width ρ of the kernel, in posterior standard deviations.
    lam : float or Tensor of shape (n_classes, 1, 1)
        Regularisation λ > 0.
    M : Tensor of shape (n_classes, n_centroids, latent_dim)
        The diagonals aᵢ s.
    slope : Tensor of shape (n_classes, n_centroids, 2 * latent_dim)
        [s c / ρ², −s / ρ²].
    offset : Tensor of shape (n_classes, 1, n_centroids)
        −cᵀ Σ⁻¹ c / ρ², −∞ where the share is 0: log w = offset + [2z, z²] slopeᵀ.
    """

    c: torch.Tensor
    precision: torch.Tensor
    share: torch.Tensor
    rho: torch.Tensor
    lam: float | torch.Tensor
    M: torch.Tensor
    slope: torch.Tensor
    offset: torch.Tensor


class LocalPosterior(NamedTuple):
    """What the metric is at points z.

    Attributes
    ----------
    w : Tensor of shape (n_classes, n_points, n_centroids)
        Weights wᵢ(z).
    g : Tensor of shape (n_classes, n_points, latent_dim)
        The diagonal of G(z).
    """

    w: torch.Tensor
    g: torch.Tensor


def make_posterior_metric(mu, log_var, mask, lam, share=None, rho=None):
    """Build a :class:`PosteriorMetric` from the encoder's output.

    Parameters
    ----------
    mu : Tensor of shape (n_classes, n_centroids, latent_dim)
        Means of the posteriors.
    log_var : Tensor of shape (n_classes, n_centroids, latent_dim)
        Logarithms of their variances.
    mask : Tensor of shape (n_classes, n_centroids)
        1 for a centroid, 0 for the padding of a short class.
    lam : float or Tensor of shape (n_classes, 1, 1)
        λ > 0, in the unit of a precision.
    share : Tensor of shape (n_classes, n_centroids) or None, default=None
        In proportion to the shares pᵢ ≥ 0 of the codes in the density; not all are 0. A code of
        share 0 does not take part, and does not count among the N. None for equal shares.
    rho : Tensor of shape (n_classes, 1, 1), float or None, default=None
        ρ; None takes √d.

    Returns
    -------
    metric : PosteriorMetric
    """
    d = mu.shape[-1]
    rho = torch.as_tensor(math.sqrt(d) if rho is None else rho).to(mu).expand(len(mu), 1, 1).clone()
    share = mask if share is None else mask * share.to(mu)
    share = share / share.sum(-1, keepdim=True)
    n = (share > 0.0).sum(-1, keepdim=True)
    precision = torch.exp(-log_var)
    M = precision * (n * share).pow(2.0 / d).unsqueeze(-1)
    scaled = precision / rho.square()
    slope = torch.cat([scaled * mu, -scaled], -1)
    offset = torch.where(share > 0.0, -(scaled * mu.square()).sum(-1), -torch.inf)
    return PosteriorMetric(mu, precision, share, rho, lam, M, slope, offset.unsqueeze(1))


def local_posterior(z, metric):
    """Evaluate the metric at z of shape (n_classes, n_points, latent_dim).

    Returns
    -------
    local : LocalPosterior
    """
    log_w = torch.baddbmm(metric.offset, torch.cat([2.0 * z, z.square()], -1), metric.slope.mT)
    # Rounding may lift a weight beside its centroid above 1 where the precision is high.
    w = threshold(log_w.clamp(_MIN_LOG_WEIGHT, 0.0).exp(), _MIN_WEIGHT, 0.0)
    return LocalPosterior(w, torch.bmm(w, metric.M) + metric.lam)


def posterior_log_volume(local):
    """Return log √det G(z) = ½ Σₐ log gₐ(z), shape (n_classes, n_points).

    It is not finite where z is not: the caller treats the point as one of infinite energy.
    """
    return 0.5 * local.g.log().sum(-1)


def posterior_log_volume_gradient(z, local, metric):
    """Gradient by z of log √det G(z), shape (n_classes, n_points, latent_dim).

    −(1/ρ²) Σᵢ wᵢ tr(G⁻¹ aᵢ Σᵢ⁻¹) Σᵢ⁻¹ (z − cᵢ)

    Parameters
    ----------
    z : Tensor of shape (n_classes, n_points, latent_dim)
    local : LocalPosterior
        The metric at z.
    metric : PosteriorMetric
    """
    u = local.w * torch.bmm(local.g.reciprocal(), metric.M.mT)
    pull, stiffness = torch.bmm(u, metric.slope).chunk(2, -1)
    return pull + stiffness * z
