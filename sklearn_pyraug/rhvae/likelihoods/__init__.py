"""Observation models p(x | z), given the decoder's output theta(z).

Each likelihood offers its log-density, δ = −∂ log p / ∂ theta in closed form with its adjoint
(so that only the decoder's vector-Jacobian product is left), the mean, a draw, and `skip`, the
theta of a reference row.

Shapes: K classes, B rows per class, D columns; x and theta are (K, B, D).
"""

from .homogeneous import BernoulliLikelihood, BinomialLikelihood, GaussianLikelihood
from .isotropic import IsotropicLikelihood
from .mixed import MixedLikelihood

__all__ = [
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "BinomialLikelihood",
    "GaussianLikelihood",
    "IsotropicLikelihood",
    "MixedLikelihood",
]

# By name. The mixed one takes a layout after the numbers of classes and features.
LIKELIHOODS = {
    "gaussian": GaussianLikelihood,
    "bernoulli": BernoulliLikelihood,
    "binomial": BinomialLikelihood,
    "isotropic": IsotropicLikelihood,
    "mixed": MixedLikelihood,
}
