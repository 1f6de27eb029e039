"""The learned Riemannian metric and its closed-form gradients.

G⁻¹(z) = Σᵢ Mᵢ wᵢ(z) + λ I,  wᵢ(z) = exp(−‖z − cᵢ‖² / T²),  Mᵢ = Lᵢ Lᵢᵀ

(arXiv 2010.11518, equation 13; 2105.00026, equation 6). All products run over the flat
(N, d²) matrices, so no (B, N, d, d) tensor is ever made.

Shapes: K classes, C points per class, N centroids per class, d latent dimensions.
"""

import functools
from typing import NamedTuple

import torch
from torch.nn.functional import threshold

from .scales import MIN_LOG_WEIGHT, MIN_WEIGHT, inside_support

__all__ = [
    "LearnedPoint",
    "Metric",
    "apply",
    "centroid_weights",
    "inverse_metric",
    "make_metric",
    "outer",
    "pull",
    "with_square",
]


@functools.cache
def _identity(d, dtype, device):
    return torch.eye(d, dtype=dtype, device=device)


class Metric(NamedTuple):
    """The metric of K classes.

    Attributes
    ----------
    c : Tensor of shape (n_classes, n_centroids, latent_dim)
        Centroids, the encoder's means.
    M : Tensor of shape (n_classes, n_centroids, latent_dim ** 2)
        The matrices M = L Lᵀ, flat.
    mask : Tensor of shape (n_classes, n_centroids)
        1 for a centroid, 0 for the padding of a short class.
    T : Tensor of shape (n_classes, 1, 1)
        Temperature: the reach of a centroid, in latent units.
    lam : float
        Regularisation λ > 0.
    slope : Tensor of shape (n_classes, n_centroids, latent_dim + 1)
        [c / T², −1 / T²].
    offset : Tensor of shape (n_classes, 1, n_centroids)
        −‖c‖² / T², −∞ for padding: log w = offset + [2z, ‖z‖²] slopeᵀ.
    """

    c: torch.Tensor
    M: torch.Tensor
    mask: torch.Tensor
    T: torch.Tensor
    lam: float
    slope: torch.Tensor
    offset: torch.Tensor

    @property
    def scale(self):
        """The length on which the density changes, T."""
        return self.T

    def at(self, z):
        """Return the :class:`LearnedPoint` of z of shape (n_classes, n_points, latent_dim)."""
        w = centroid_weights(z, self)
        return LearnedPoint(self, z, w, inverse_metric(z, self, w))

    def velocity(self, z, rho):
        """Return G⁻¹(z) ρ, both of the shape of z."""
        return apply(inverse_metric(z, self), rho)


class LearnedPoint(NamedTuple):
    """The learned metric at points z, for samplers, curves and flows; see :mod:`.metric`.

    The density is √det G⁻¹(z), and curves are measured by G(z). Inverse and determinant come from
    LU factors: the derivative of Cholesky's takes several times as long.

    Attributes
    ----------
    metric : Metric
    z : Tensor of shape (n_classes, n_points, latent_dim)
    w : Tensor of shape (n_classes, n_points, n_centroids)
        Weights wᵢ(z).
    G_inv : Tensor of shape (n_classes, n_points, latent_dim, latent_dim)
        Inverse metric.
    """

    metric: Metric
    z: torch.Tensor
    w: torch.Tensor
    G_inv: torch.Tensor

    def log_density(self):
        """Return log √det G⁻¹(z), NaN where z is NaN."""
        return 0.5 * self.log_det_inv()

    def log_target(self):
        """Return log √det G⁻¹(z), −∞ outside of the support."""
        return torch.where(inside_support(self.w), self.log_density(), -torch.inf)

    def gradient(self):
        """Return the gradient of log √det G⁻¹(z): −(1/T²) Σᵢ wᵢ tr(G Mᵢ) (z − cᵢ)."""
        trace = torch.bmm(self.covariance(), self.metric.M.mT)
        return pull(self.z, self.w * trace, self.metric)

    def factor(self):
        """Return the Cholesky factor L of G⁻¹(z) and log det L, NaN where z is NaN."""
        L, failure = torch.linalg.cholesky_ex(self.G_inv)
        log_det = L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return L, torch.where(failure == 0, log_det, torch.nan)

    def inverse(self):
        """Return G⁻¹(z)."""
        return self.G_inv

    def lower(self, v):
        """Return G(z) v, NaN where z is NaN."""
        u, failure = torch.linalg.solve_ex(self.G_inv, v.unsqueeze(-1))
        return torch.where((failure == 0).unsqueeze(-1), u.squeeze(-1), torch.nan)

    def form_gradient(self, u):
        """Return the gradient of uᵀ G⁻¹(z) u: −(2/T²) Σᵢ wᵢ (uᵀ Mᵢ u) (z − cᵢ)."""
        strain = torch.bmm(outer(u, u), self.metric.M.mT)
        return 2.0 * pull(self.z, self.w * strain, self.metric)

    def log_det_inv(self):
        """Return log det G⁻¹(z), NaN where z is NaN."""
        sign, log_det = torch.linalg.slogdet(self.G_inv)
        return torch.where(sign > 0.0, log_det, torch.nan)

    def covariance(self):
        """Return G(z), flat: shape (n_classes, n_points, latent_dim ** 2)."""
        return torch.linalg.inv_ex(self.G_inv).inverse.flatten(2)

    def energy_gradient(self, rho, G):
        """Return the gradient of ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ.

        −(1/T²) Σᵢ wᵢ tr((ρ ρᵀ − G) Mᵢ) (z − cᵢ), with G(z) of :meth:`covariance`.
        """
        u = self.w * torch.bmm(outer(rho, rho) - G, self.metric.M.mT)
        return pull(self.z, u, self.metric)

    def velocity(self, rho):
        """Return G⁻¹(z) ρ."""
        return apply(self.G_inv, rho)

    def momentum(self, gamma):
        """Return L⁻ᵀ γ ~ N(0, G(z)) of γ ~ N(0, I)."""
        L, gamma = self.factor()[0], gamma.unsqueeze(-1)
        return torch.linalg.solve_triangular(L.mT, gamma, upper=True).squeeze(-1)


def make_metric(c, L, mask, T, lam):
    """Build a :class:`Metric` from centroids and triangular factors.

    Parameters
    ----------
    c : Tensor of shape (n_classes, n_centroids, latent_dim)
    L : Tensor of shape (n_classes, n_centroids, latent_dim, latent_dim)
    mask : Tensor of shape (n_classes, n_centroids)
    T : Tensor of shape (n_classes, 1, 1)
    lam : float

    Returns
    -------
    metric : Metric
    """
    inv_T2 = T.square().reciprocal()
    offset = mask.log() - c.square().sum(-1) * inv_T2.squeeze(-1)
    slope = torch.cat([c * inv_T2, -inv_T2.expand(*c.shape[:2], 1)], -1)
    M = (L @ L.mT).flatten(2)
    return Metric(c, M, mask, T, lam, slope, offset.unsqueeze(1))


def with_square(z):
    """Return [2z, ‖z‖²], shape (n_classes, n_points, latent_dim + 1)."""
    return torch.cat([2.0 * z, z.square().sum(-1, keepdim=True)], -1)


def centroid_weights(z, metric):
    """Return wᵢ(z) = exp(−‖z − cᵢ‖²/T²), shape (n_classes, n_points, n_centroids)."""
    log_w = torch.baddbmm(metric.offset, with_square(z), metric.slope.mT)
    # Clamped first, because an exponential that underflows is slow, too. NaN passes both bounds.
    return threshold(log_w.clamp_min(MIN_LOG_WEIGHT).exp(), MIN_WEIGHT, 0.0)


def inverse_metric(z, metric, w=None):
    """Return G⁻¹(z), shape (n_classes, n_points, latent_dim, latent_dim).

    Parameters
    ----------
    z : Tensor of shape (n_classes, n_points, latent_dim)
    metric : Metric
    w : Tensor of shape (n_classes, n_points, n_centroids) or None, default=None
        The weights at z, where they are known.
    """
    if w is None:
        w = centroid_weights(z, metric)
    eye = _identity(z.shape[-1], z.dtype, z.device)
    return torch.baddbmm(eye.flatten(), w, metric.M, beta=metric.lam).unflatten(-1, eye.shape)


def apply(matrix, vector):
    """Multiply matrices (..., d, d) by vectors (..., d)."""
    return torch.matmul(matrix, vector.unsqueeze(-1)).squeeze(-1)


def outer(a, b):
    """Return a bᵀ, flat: vectors (..., d) to (..., d ** 2)."""
    return (a.unsqueeze(-1) * b.unsqueeze(-2)).flatten(-2)


def pull(z, u, metric):
    """Return −(1/T²) Σᵢ uᵢ (z − cᵢ), with u of shape (n_classes, n_points, n_centroids)."""
    total = torch.bmm(u, metric.slope)
    return torch.addcmul(total[..., :-1], total[..., -1:], z)
