"""Displays in scikit-learn's style, drawn with matplotlib."""

from ._samples import SyntheticSamplesDisplay

__all__ = ["SyntheticSamplesDisplay"]
