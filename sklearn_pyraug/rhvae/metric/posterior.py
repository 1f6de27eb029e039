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

from .scales import MIN_LOG_WEIGHT, MIN_WEIGHT, inside_support

__all__ = ["PosteriorMetric", "PosteriorPoint", "make_posterior_metric"]


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

    @property
    def mask(self):
        """1 for a code that takes part, 0 for another; shape (n_classes, n_centroids)."""
        return (self.share > 0.0).to(self.share)

    @property
    def scale(self):
        """The length on which the density changes: ρ typical deviations, in the narrowest axis."""
        deviation = torch.where(self.share.unsqueeze(-1) > 0.0, self.precision.rsqrt(), torch.nan)
        return self.rho * deviation.nanmean(1, keepdim=True).amin(-1, keepdim=True)

    def at(self, z):
        """Return the :class:`PosteriorPoint` of z of shape (n_classes, n_points, latent_dim)."""
        log_w = torch.baddbmm(self.offset, torch.cat([2.0 * z, z.square()], -1), self.slope.mT)
        # Rounding may lift a weight beside its centroid above 1 where the precision is high.
        w = threshold(log_w.clamp(MIN_LOG_WEIGHT, 0.0).exp(), MIN_WEIGHT, 0.0)
        return PosteriorPoint(self, z, w, torch.bmm(w, self.M) + self.lam)

    def velocity(self, z, rho):
        """Return G⁻¹(z) ρ, both of the shape of z."""
        return rho / self.at(z).G


class PosteriorPoint(NamedTuple):
    """The metric at points z, for samplers, curves and flows; see :mod:`.metric`.

    The density is √det G(z). Curves are measured by g = G / det(G)^(2/d): a step counts in the
    posterior standard deviations that it takes, and the more the thinner the codes are, as
    √det g = 1 / √det G. (G itself is small far from all codes: its shortest curves avoid them.)

    Attributes
    ----------
    metric : PosteriorMetric
    z : Tensor of shape (n_classes, n_points, latent_dim)
    w : Tensor of shape (n_classes, n_points, n_centroids)
        Weights wᵢ(z).
    G : Tensor of shape (n_classes, n_points, latent_dim)
        The diagonal of G(z).
    """

    metric: PosteriorMetric
    z: torch.Tensor
    w: torch.Tensor
    G: torch.Tensor

    def log_density(self):
        """Return log √det G(z), not finite where z is not."""
        return 0.5 * self.G.log().sum(-1)

    def log_target(self):
        """Return log √det G(z), −∞ outside of the support."""
        return torch.where(inside_support(self.w), self.log_density(), -torch.inf)

    def log_excess(self):
        """Return log √det G(z) − log Σᵢ pᵢ N(z; cᵢ, Σᵢ) + const; −∞ outside of the support.

        It is the same everywhere where codes lie far apart, ρ = √d and λ is small.
        """
        share, precision, rho = self.metric.share, self.metric.precision, self.metric.rho
        log_peak = share.log() + 0.5 * precision.log().sum(-1)
        log_mixture = log_peak.unsqueeze(1) + 0.5 * rho.square() * self.w.log()
        return self.log_target() - log_mixture.logsumexp(-1)

    def gradient(self):
        """Return the gradient: −(1/ρ²) Σᵢ wᵢ tr(G⁻¹ aᵢ Σᵢ⁻¹) Σᵢ⁻¹ (z − cᵢ)."""
        return self.pull(0.5 / self.G)

    def factor(self):
        """Return the Cholesky factor L of G⁻¹(z) and log det L."""
        return torch.diag_embed(self.G.rsqrt()), -self.log_density()

    def inverse(self):
        """Return g⁻¹(z) = det(G)^(2/d) G⁻¹."""
        return torch.diag_embed(self._inverse())

    def lower(self, v):
        """Return g(z) v."""
        return v / self._inverse()

    def form_gradient(self, u):
        """Return the gradient of uᵀ g⁻¹(z) u."""
        parts = u.square() * self._inverse()
        return self.pull((parts.mean(-1, keepdim=True) * 2.0 - parts) / self.G)

    def log_det_inv(self):
        """Return log det G⁻¹(z)."""
        return -2.0 * self.log_density()

    def covariance(self):
        """Return the diagonal of G(z)."""
        return self.G

    def energy_gradient(self, rho, G):
        """Return the gradient of ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ, given G(z)."""
        return self.pull(0.5 / G - 0.5 * (rho / G).square())

    def velocity(self, rho):
        """Return G⁻¹(z) ρ."""
        return rho / self.G

    def momentum(self, gamma):
        """Return G(z)^(½) γ ~ N(0, G(z)) of γ ~ N(0, I)."""
        return self.G.sqrt() * gamma

    def _inverse(self):
        # The square of the geometric mean of G's diagonal, in logarithms.
        log_G = self.G.log()
        return torch.exp(2.0 * log_G.mean(-1, keepdim=True) - log_G)

    def pull(self, v):
        """Return Σₐ vₐ ∇Gₐ(z), with v of the shape of z."""
        u = self.w * torch.bmm(v, self.metric.M.mT)
        pull, stiffness = torch.bmm(u, self.metric.slope).chunk(2, -1)
        return 2.0 * (pull + stiffness * self.z)


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
    rho = math.sqrt(d) if rho is None else rho
    rho = torch.as_tensor(rho, dtype=mu.dtype, device=mu.device).expand(len(mu), 1, 1).clone()
    share = mask if share is None else mask * share.to(mu)
    share = share / share.sum(-1, keepdim=True)
    n = (share > 0.0).sum(-1, keepdim=True)
    precision = torch.exp(-log_var)
    M = precision * (n * share).pow(2.0 / d).unsqueeze(-1)
    scaled = precision / rho.square()
    slope = torch.cat([scaled * mu, -scaled], -1)
    offset = torch.where(share > 0.0, -(scaled * mu.square()).sum(-1), -torch.inf)
    return PosteriorMetric(mu, precision, share, rho, lam, M, slope, offset.unsqueeze(1))
