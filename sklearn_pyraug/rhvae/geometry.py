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
    "apply",
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
    slope, offset : Tensor
        2c / T², and −‖c‖² / T² (−∞ for padding), of shapes (n_classes, n_centroids,
        latent_dim) and (n_classes, 1, n_centroids): log w is linear in them.
    """

    c: torch.Tensor
    M: torch.Tensor
    mask: torch.Tensor
    T: torch.Tensor
    lam: float
    slope: torch.Tensor
    offset: torch.Tensor


class LocalMetric(NamedTuple):
    """What the metric is at points z, as far as it does not depend on a momentum.

    Attributes
    ----------
    w : Tensor of shape (n_classes, n_points, n_centroids)
        Weights wᵢ(z).
    G_inv, G : Tensor of shape (n_classes, n_points, latent_dim, latent_dim)
        Inverse metric and metric.
    log_det_inv : Tensor of shape (n_classes, n_points)
        log det G⁻¹(z) = −log det G(z).
    trace : Tensor of shape (n_classes, n_points, n_centroids)
        tr(G(z) Mᵢ).
    """

    w: torch.Tensor
    G_inv: torch.Tensor
    G: torch.Tensor
    log_det_inv: torch.Tensor
    trace: torch.Tensor


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
    M = (L @ L.mT).flatten(2)
    return Metric(c, M, mask, T, lam, 2.0 * inv_T2 * c, offset.unsqueeze(1))


def centroid_weights(z, metric):
    """Return wᵢ(z) = exp(−‖z − cᵢ‖²/T²), shape (n_classes, n_points, n_centroids)."""
    log_w = torch.baddbmm(metric.offset, z, metric.slope.mT)
    return torch.exp(log_w - (z / metric.T).square().sum(-1, keepdim=True))


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
    ridge = metric.lam * torch.eye(d, dtype=w.dtype, device=w.device).flatten()
    return (torch.bmm(w, metric.M) + ridge).unflatten(-1, (d, d))


def apply(matrix, vector):
    """Multiply matrices (..., d, d) by vectors (..., d); faster than tiny matrix products."""
    return (matrix * vector.unsqueeze(-2)).sum(-1)


class _InverseAndLogDet(torch.autograd.Function):
    """A ↦ A⁻¹, log det A for symmetric positive definite A, through one Cholesky factor.

    The derivative, −A⁻¹ dA A⁻¹ and tr(A⁻¹ dA), needs no differentiation of the factor.
    """

    @staticmethod
    def forward(ctx, A):
        factor, info = torch.linalg.cholesky_ex(A)
        log_det = 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        # A failed factorisation (non-finite A) must not pass for a number.
        log_det = torch.where(info == 0, log_det, torch.nan)
        inverse = torch.cholesky_inverse(factor)
        ctx.save_for_backward(inverse)
        return inverse, log_det

    @staticmethod
    def backward(ctx, grad_inverse, grad_log_det):
        (inverse,) = ctx.saved_tensors
        gradient = -inverse @ (grad_inverse @ inverse)
        return gradient + grad_log_det[..., None, None] * inverse


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
    G, log_det_inv = _InverseAndLogDet.apply(G_inv)
    trace = torch.bmm(G.flatten(2), metric.M.mT)
    return LocalMetric(w, G_inv, G, log_det_inv, trace)


def _pull(z, u, metric):
    # −(1/T²) Σᵢ uᵢ (z − cᵢ) = ½ Σᵢ uᵢ slopeᵢ − Σᵢ uᵢ z / T².
    total = u.sum(-1, keepdim=True) / metric.T.square()
    return torch.bmm(u, metric.slope) * 0.5 - total * z


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
    outer = (rho.unsqueeze(-1) * rho.unsqueeze(-2)).flatten(2)
    quadratic = torch.bmm(outer, metric.M.mT)
    return _pull(z, local.w * (quadratic - local.trace), metric)


def log_volume_gradient(z, local, metric):
    """Gradient by z of log √det G⁻¹(z), shape (n_classes, n_points, latent_dim).

    −(1/T²) Σᵢ wᵢ tr(G Mᵢ) (z − cᵢ)
    """
    return _pull(z, local.w * local.trace, metric)
