"""Classifiers that augment their training rows."""

from .augmented import AugmentedClassifier
from .choice import AugmentedClassifierCV

__all__ = ["AugmentedClassifier", "AugmentedClassifierCV"]
