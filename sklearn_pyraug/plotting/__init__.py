"""Displays in scikit-learn's style, drawn with matplotlib."""

from ._samples import SyntheticSamplesDisplay
from ._training import TrainingCurvesDisplay

__all__ = ["SyntheticSamplesDisplay", "TrainingCurvesDisplay"]
