"""Data to try the augmenter on. They are computed, and nothing is downloaded."""

from ._phantoms import make_brain_phantoms

__all__ = ["make_brain_phantoms"]
