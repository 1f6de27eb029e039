"""Classifiers that augment their training rows."""

from .augmented import AugmentedClassifier

__all__ = ["AugmentedClassifier"]
