"""Data to try the augmenter on, made by formulas alone: nothing is downloaded."""

from ._phantoms import make_brain_phantoms

__all__ = ["make_brain_phantoms"]
