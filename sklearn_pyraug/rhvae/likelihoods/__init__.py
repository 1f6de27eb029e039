"""Observation models p(x | z), given the decoder's output theta(z).

Each likelihood offers its log-density, δ = −∂ log p / ∂ theta in closed form with its adjoint
(so that only the decoder's vector-Jacobian product is left), the mean, a draw, and
`inverse_link`, the theta of a reference row.

Shapes: K classes, B rows per class, D columns; x and theta are (K, B, D).
"""

from .homogeneous import (
    BernoulliLikelihood,
    BinomialLikelihood,
    GaussianLikelihood,
    IsotropicLikelihood,
)
from .mixed import MixedLikelihood

__all__ = [
    "BernoulliLikelihood",
    "BinomialLikelihood",
    "GaussianLikelihood",
    "IsotropicLikelihood",
    "MixedLikelihood",
]
