"""Data augmentation for scikit-learn with Riemannian Hamiltonian variational autoencoders."""

from ._augmenter import RHVAEAugmenter
from ._classifier import AugmentedClassifier
from ._version import __version__
from .pipeline import Pipeline, make_pipeline

__all__ = ["AugmentedClassifier", "Pipeline", "RHVAEAugmenter", "__version__", "make_pipeline"]
