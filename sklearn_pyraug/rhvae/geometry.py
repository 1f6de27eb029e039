"""The learned Riemannian metric and its closed-form gradients.

G⁻¹(z) = Σᵢ Mᵢ wᵢ(z) + λ I,  wᵢ(z) = exp(−‖z − cᵢ‖² / T²),  Mᵢ = Lᵢ Lᵢᵀ

(arXiv 2010.11518, equation 13; 2105.00026, equation 6). All products run over the flat
(N, d²) matrices, so no (B, N, d, d) tensor is ever made.

Shapes: K classes, C points per class, N centroids per class, d latent dimensions.
"""

from typing import NamedTuple

import torch

__all__ = [
    "LocalMetric",
    "Metric",
    "centroid_weights",
    "inverse_metric",
    "local_metric",
    "log_volume_gradient",
    "make_metric",
    "potential_gradient",
]


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
    """

    c: torch.Tensor
    M: torch.Tensor
    mask: torch.Tensor
    T: torch.Tensor
    lam: float


class LocalMetric(NamedTuple):
    """What the metric is at points z, as far as it does not depend on a momentum.

    Attributes
    ----------
    w : Tensor of shape (n_classes, n_points, n_centroids)
        Weights wᵢ(z).
    G_inv, G : Tensor of shape (n_classes, n_points, latent_dim, latent_dim)
        Inverse metric and metric.
    chol : Tensor of shape (n_classes, n_points, latent_dim, latent_dim)
        Lower Cholesky factor of `G_inv`.
    log_det_inv : Tensor of shape (n_classes, n_points)
        log det G⁻¹(z) = −log det G(z).
    """

    w: torch.Tensor
    G_inv: torch.Tensor
    G: torch.Tensor
    chol: torch.Tensor
    log_det_inv: torch.Tensor


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
    return Metric(c, (L @ L.mT).flatten(2), mask, T, lam)


def centroid_weights(z, metric):
    """Return wᵢ(z) = exp(−‖z − cᵢ‖²/T²), shape (n_classes, n_points, n_centroids)."""
    c = metric.c
    squared = z.square().sum(-1, keepdim=True) + c.square().sum(-1).unsqueeze(1)
    squared = torch.baddbmm(squared, z, c.mT, alpha=-2.0)
    # Rounding can leave a tiny negative number where z sits on a centroid.
    return torch.exp(-squared.clamp_min(0.0) / metric.T.square()) * metric.mask.unsqueeze(1)


def inverse_metric(z, metric):
    """Return G⁻¹(z), shape (n_classes, n_points, latent_dim, latent_dim).

    Parameters
    ----------
    z : Tensor of shape (n_classes, n_points, latent_dim)
    metric : Metric
    """
    return _inverse_metric(centroid_weights(z, metric), metric)


def _inverse_metric(w, metric):
    d = metric.c.shape[-1]
    eye = torch.eye(d, dtype=w.dtype, device=w.device)
    return torch.bmm(w, metric.M).unflatten(-1, (d, d)) + metric.lam * eye


def local_metric(z, metric):
    """Evaluate the metric at z through one Cholesky factorisation.

    Parameters
    ----------
    z : Tensor of shape (n_classes, n_points, latent_dim)
    metric : Metric

    Returns
    -------
    local : LocalMetric
        Where G⁻¹ cannot be factorised (a non-finite z), `log_det_inv` is not finite: the
        caller treats the point as one of infinite energy.
    """
    w = centroid_weights(z, metric)
    G_inv = _inverse_metric(w, metric)
    chol, info = torch.linalg.cholesky_ex(G_inv)
    diagonal = chol.diagonal(dim1=-2, dim2=-1)
    log_det_inv = 2.0 * diagonal.log().sum(-1)
    log_det_inv = torch.where(info == 0, log_det_inv, torch.full_like(log_det_inv, torch.nan))
    return LocalMetric(w, G_inv, torch.cholesky_inverse(chol), chol, log_det_inv)


def _pull(z, u, metric):
    # −(1/T²) Σᵢ uᵢ (z − cᵢ), as one product.
    return (torch.bmm(u, metric.c) - u.sum(-1, keepdim=True) * z) / metric.T.square()


def potential_gradient(z, rho, local, metric):
    """Gradient by z of ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ.

    −(1/T²) Σᵢ wᵢ (ρᵀ Mᵢ ρ − tr(G Mᵢ)) (z − cᵢ)

    Parameters
    ----------
    z, rho : Tensor of shape (n_classes, n_points, latent_dim)
    local : LocalMetric
        The metric at z.
    metric : Metric

    Returns
    -------
    gradient : Tensor of shape (n_classes, n_points, latent_dim)
    """
    outer = rho.unsqueeze(-1) * rho.unsqueeze(-2)
    s = torch.bmm((outer - local.G).flatten(2), metric.M.mT)
    return _pull(z, local.w * s, metric)


def log_volume_gradient(z, local, metric):
    """Gradient by z of log √det G⁻¹(z), shape (n_classes, n_points, latent_dim).

    −(1/T²) Σᵢ wᵢ tr(G Mᵢ) (z − cᵢ)
    """
    s = torch.bmm(local.G.flatten(2), metric.M.mT)
    return _pull(z, local.w * s, metric)
