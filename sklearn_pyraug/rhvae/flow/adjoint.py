"""Vector-Jacobian products of the metric's closed forms, by hand.

ā denotes the cotangent of a: the derivative of the objective by a. Written out because
autograd, applied to gradients, takes longer (a whole training step by a fifth to a half): it
cannot know that the matrices are symmetric, or that several products share a factor. Sums are
made in place: fresh memory is slower than the arithmetic.

Shapes: K classes, P points per class, N centroids per class, d latent dimensions.
"""

import torch

from ..metric.learned import apply, outer, pull, with_square

__all__ = ["LocalCotangent", "MetricCotangent", "cholesky_inverse_adjoint"]


class LocalCotangent:
    """The cotangent of what is known at a point; None stands for zero.

    Attributes
    ----------
    w : Tensor of shape (K, P, N)
    minus_G : Tensor of shape (K, P, d²)
        Minus the cotangent of G; flat, and symmetric as matrices.
    G_inv : Tensor of shape (K, P, d²)
        Flat; only its symmetric part counts.
    log_det_inv : Tensor of shape (K, P)
    data_gradient : Tensor of shape (K, P, d)
    theta : Tensor of shape (K, P, D)
    """

    __slots__ = ("G_inv", "data_gradient", "log_det_inv", "minus_G", "theta", "w")

    def __init__(self, **parts):
        for name in self.__slots__:
            setattr(self, name, parts.get(name))

    def add(self, other):
        """Add another cotangent of the same point, in place; `other` is not used again."""
        for name in self.__slots__:
            mine, new = getattr(self, name), getattr(other, name)
            if mine is None:
                setattr(self, name, new)
            elif new is not None:
                mine += new


class MetricCotangent:
    """Adjoints of the functions of a metric, and the cotangents of its parameters.

    Parameters
    ----------
    metric : Metric

    Attributes
    ----------
    M, slope, offset : Tensor
        Cotangents of the metric's parts of these names, summed over all uses so far.
    """

    def __init__(self, metric):
        self.metric = metric
        self.M = torch.zeros_like(metric.M)
        self.slope = torch.zeros_like(metric.slope)
        self.offset = torch.zeros_like(metric.offset)

    def weights(self, z, w, w_bar):
        """Return z̄ of :func:`.geometry.centroid_weights`; overwrites `w_bar`."""
        log_w_bar = w_bar.mul_(w)
        self.offset += log_w_bar.sum(1, keepdim=True)
        self.slope.baddbmm_(log_w_bar.mT, with_square(z))
        return 2.0 * pull(z, log_w_bar, self.metric)[0]

    def inverse_metric(self, z, w, G_inv_bar, w_bar=None):
        """Return z̄ of :func:`.geometry.inverse_metric`.

        `G_inv_bar` is flat; `w_bar` is the cotangent of the weights from elsewhere, and is
        overwritten.
        """
        self.M.baddbmm_(w.mT, G_inv_bar)
        if w_bar is None:
            w_bar = torch.bmm(G_inv_bar, self.metric.M.mT)
        else:
            w_bar.baddbmm_(G_inv_bar, self.metric.M.mT)
        return self.weights(z, w, w_bar)

    def local_metric(self, z, local, bar):
        """Return z̄ of :func:`.geometry.local_metric`; the trace's part is in :meth:`kick`.

        d(A⁻¹) = −A⁻¹ dA A⁻¹ and d log det A = tr(A⁻¹ dA), for A = G⁻¹.
        """
        G, G_inv_bar = local.G, bar.G_inv
        if bar.minus_G is not None:
            part = (G @ bar.minus_G.unflatten(-1, G.shape[-2:]) @ G).flatten(2)
            G_inv_bar = part if G_inv_bar is None else part.add_(G_inv_bar)
        if bar.log_det_inv is not None:
            part = bar.log_det_inv.unsqueeze(-1) * G.flatten(2)
            G_inv_bar = part if G_inv_bar is None else part.add_(G_inv_bar)
        return self.inverse_metric(z, local.w, G_inv_bar, bar.w)

    def kick(self, kick, local, g_bar):
        """Return z̄, ρ̄ and the local's cotangent of :func:`.geometry.potential_gradient`."""
        metric, (z, rho, excess, u, slope_total) = self.metric, kick
        g_aug = torch.cat([g_bar, (z * g_bar).sum(-1, keepdim=True)], -1)
        u_bar = torch.bmm(g_aug, metric.slope.mT)
        self.slope.baddbmm_(u.mT, g_aug)
        q_bar = local.w * u_bar
        self.M.baddbmm_(q_bar.mT, outer(rho, rho).sub_(local.G.flatten(2)))
        Q = torch.bmm(q_bar, metric.M)
        rho_bar = 2.0 * apply(Q.unflatten(-1, local.G.shape[-2:]), rho)
        return slope_total * g_bar, rho_bar, LocalCotangent(w=u_bar.mul_(excess), minus_G=Q)

    def drift(self, residual, v_bar):
        """Return z̄, ρ̄ of v = G⁻¹(z) ρ, given (z, ρ, w, G⁻¹)."""
        z, rho, w, G_inv = residual
        return self.inverse_metric(z, w, outer(v_bar, rho)), apply(G_inv, v_bar)


def cholesky_inverse_adjoint(R, gamma, rho_bar):
    """Return the cotangent of A, flat, from that of ρ = Rᵀγ, where A = (RᵀR)⁻¹.

    With C = R⁻¹ the Cholesky factor of A, dC = C Φ(R dA Rᵀ), Φ the lower triangle with half
    the diagonal (Murray 2016, equation 8), hence Ā = −Rᵀ Φ(γ (R ρ̄)ᵀ) R.

    Parameters
    ----------
    R : Tensor of shape (K, P, d, d)
    gamma, rho_bar : Tensor of shape (K, P, d)

    Returns
    -------
    A_bar : Tensor of shape (K, P, d²)
        Only its symmetric part counts.
    """
    P = torch.tril(gamma.unsqueeze(-1) * apply(R, rho_bar).unsqueeze(-2))
    P.diagonal(dim1=-2, dim2=-1).mul_(0.5)
    return -(R.mT @ P @ R).flatten(2)
