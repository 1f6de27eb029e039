"""An observation model for images: one learned scale for all pixels."""

import torch
from torch import nn

from ..weighting import weighted_moments
from .homogeneous import GaussianLikelihood

__all__ = ["IsotropicLikelihood"]


class IsotropicLikelihood(GaussianLikelihood):
    """log p(x|z) = Σ_j log N(x_j; theta_j, s²), s² = min_scale² + exp(2 raw).

    With a scale of its own, a pixel that is black in all training images would forbid every
    warp that brings ink to it.

    Parameters
    ----------
    n_classes, n_features : int
        K and D.
    min_scale : float, default=0.05
        Smallest standard deviation, in the units of x (grey values in [0, 1]).
    """

    def __init__(self, n_classes, n_features, min_scale=0.05):
        super().__init__(n_classes, n_features, min_scale)
        self.raw_scale = nn.Parameter(torch.zeros(n_classes, 1, 1))

    @torch.no_grad()
    def start_at(self, rows, weights=None):
        """Start from the root mean square of each class's deviations from its mean row.

        Parameters
        ----------
        rows : list of Tensor, each of shape (n_k, n_features)
        weights : list of Tensor, each of shape (n_k,), or None, default=None
            Weights of the rows; None for equal ones.

        Returns
        -------
        theta : Tensor of shape (n_classes, n_features)
            The parameters of the best constant prediction.
        """
        if weights is None:
            moments = [(x.mean(0), x.var(0, correction=0)) for x in rows]
        else:
            moments = [weighted_moments(x, w) for x, w in zip(rows, weights, strict=True)]
        scale = torch.stack([variance.mean().sqrt() for _, variance in moments])
        self.raw_scale.copy_(scale.clamp_min(self.min_scale).log().view(-1, 1, 1))
        return torch.stack([mean for mean, _ in moments])

    def loss_gradient_adjoint(self, x, delta, cotangent, precision, out):
        """Pull a cotangent of δ back to theta, into `out`, and to 1 / s²."""
        torch.mul(cotangent, precision, out=out)
        return ((cotangent * delta).sum((1, 2), keepdim=True) / precision,)
