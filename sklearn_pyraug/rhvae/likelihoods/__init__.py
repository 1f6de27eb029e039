"""Observation models p(x | z), given the decoder's output theta(z).

Each likelihood has its log-density, the mean, a draw, and `inverse_link`, the theta of a reference
row.

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
