"""The metric built from the encoder's posterior covariances, and its closed-form gradient.

G(z) = Σᵢ Σᵢ⁻¹ wᵢ(z) + λ exp(−τ ‖z‖²) I,  wᵢ(z) = exp(−(z − cᵢ)ᵀ Σᵢ⁻¹ (z − cᵢ) / ρ²)

(C. Chadebec and S. Allassonnière 2022, arXiv 2209.07370, equation 7), with the encoder's
means cᵢ and diagonal covariances Σᵢ. Nothing but the encoder is needed: it trains at the cost
of a plain VAE. G is large where the rows' codes are, and new points are drawn from
p(z) ∝ √det G(z) (section 4.5); the learned metric, with p(z) ∝ √det G⁻¹(z), is the other way
round.

Σᵢ and G(z) are diagonal, so nothing is factorised: an evaluation is a few matrix products.

Shapes: K classes, C points per class, N centroids per class, d latent dimensions.
"""

import math
from typing import NamedTuple

import torch
from torch.nn.functional import threshold

from .scales import distinct_distances

__all__ = [
    "LocalPosterior",
    "PosteriorMetric",
    "auto_width",
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
    mask : Tensor of shape (n_classes, n_centroids)
        1 for a centroid, 0 for the padding of a short class.
    rho : Tensor of shape (n_classes, 1, 1)
        Width ρ of the kernel, in posterior standard deviations.
    lam : float or Tensor of shape (n_classes, 1, 1)
        Regularisation λ > 0.
    tau : float
        Decay τ ≥ 0 of the regularisation.
    slope : Tensor of shape (n_classes, n_centroids, 2 * latent_dim)
        [s c / ρ², −s / ρ²].
    offset : Tensor of shape (n_classes, 1, n_centroids)
        −cᵀ Σ⁻¹ c / ρ², −∞ for padding: log w = offset + [2z, z²] slopeᵀ.
    """

    c: torch.Tensor
    precision: torch.Tensor
    mask: torch.Tensor
    rho: torch.Tensor
    lam: float | torch.Tensor
    tau: float
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
    floor : Tensor of shape (n_classes, n_points, 1)
        λ exp(−τ ‖z‖²).
    """

    w: torch.Tensor
    g: torch.Tensor
    floor: torch.Tensor


def auto_width(c, mask):
    """Return ρ = maxᵢ min_{j ≠ i} ‖cᵢ − cⱼ‖, the largest distance to a nearest neighbour.

    The choice of arXiv 2209.07370 (appendix F). The distance is Euclidean and enters equation 7
    as a plain number, although the kernel measures in posterior standard deviations: a kernel
    reaches ρ σ far, to its neighbour where the posterior is as wide as the prior, and much
    less far along the directions that the encoder knows well.

    Parameters
    ----------
    c : Tensor of shape (n_classes, n_centroids, latent_dim)
    mask : Tensor of shape (n_classes, n_centroids)

    Returns
    -------
    rho : Tensor of shape (n_classes, 1, 1)
        Coinciding codes count as no neighbours of each other; a class with fewer than two
        different codes gets 1, so that its kernel is one standard deviation wide.
    """
    nearest = distinct_distances(c, mask).amin(-1)
    rho = torch.where(torch.isfinite(nearest), nearest, 0.0).amax(-1)
    return torch.where(rho > 0.0, rho, 1.0).view(-1, 1, 1)


def make_posterior_metric(mu, log_var, mask, lam, tau=0.0, rho=None):
    """Build a :class:`PosteriorMetric` from the encoder's output.

    Parameters
    ----------
    mu : Tensor of shape (n_classes, n_centroids, latent_dim)
        Means of the posteriors.
    log_var : Tensor of shape (n_classes, n_centroids, latent_dim)
        Logarithms of their variances.
    mask : Tensor of shape (n_classes, n_centroids)
    lam : float or Tensor of shape (n_classes, 1, 1)
        λ > 0, in the unit of a precision.
    tau : float, default=0.0
        τ ≥ 0, in latent units ⁻². It makes the volume of the whole space finite and is set
        "below computer precision" in the paper; the samplers bound the support, where 0 will
        do.
    rho : Tensor of shape (n_classes, 1, 1), float or None, default=None
        ρ; None takes :func:`auto_width`.

    Returns
    -------
    metric : PosteriorMetric
    """
    if rho is None:
        rho = auto_width(mu, mask)
    elif not torch.is_tensor(rho):
        rho = mu.new_full((len(mu), 1, 1), rho)
    precision = torch.exp(-log_var)
    scaled = precision / rho.square()
    slope = torch.cat([scaled * mu, -scaled], -1)
    offset = mask.log() - (scaled * mu.square()).sum(-1)
    return PosteriorMetric(mu, precision, mask, rho, lam, tau, slope, offset.unsqueeze(1))


def local_posterior(z, metric):
    """Evaluate the metric at z of shape (n_classes, n_points, latent_dim).

    Returns
    -------
    local : LocalPosterior
    """
    log_w = torch.baddbmm(metric.offset, torch.cat([2.0 * z, z.square()], -1), metric.slope.mT)
    # Rounding may lift a weight beside its centroid above 1 where the precision is high.
    w = threshold(log_w.clamp(_MIN_LOG_WEIGHT, 0.0).exp(), _MIN_WEIGHT, 0.0)
    floor = metric.lam * torch.exp(-metric.tau * z.square().sum(-1, keepdim=True))
    return LocalPosterior(w, torch.bmm(w, metric.precision) + floor, floor)


def posterior_log_volume(local):
    """Return log √det G(z) = ½ Σₐ log gₐ(z), shape (n_classes, n_points).

    It is not finite where z is not: the caller treats the point as one of infinite energy.
    """
    return 0.5 * local.g.log().sum(-1)


def posterior_log_volume_gradient(z, local, metric):
    """Gradient by z of log √det G(z), shape (n_classes, n_points, latent_dim).

    −(1/ρ²) Σᵢ wᵢ tr(G⁻¹ Σᵢ⁻¹) Σᵢ⁻¹ (z − cᵢ) − τ λ exp(−τ ‖z‖²) tr(G⁻¹) z

    Parameters
    ----------
    z : Tensor of shape (n_classes, n_points, latent_dim)
    local : LocalPosterior
        The metric at z.
    metric : PosteriorMetric
    """
    g_inv = local.g.reciprocal()
    u = local.w * torch.bmm(g_inv, metric.precision.mT)
    pull, stiffness = torch.bmm(u, metric.slope).chunk(2, -1)
    decay = metric.tau * local.floor * g_inv.sum(-1, keepdim=True)
    return pull + (stiffness - decay) * z
