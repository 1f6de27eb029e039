"""Displays in scikit-learn's style, drawn with matplotlib."""

from ._chains import ChainDiagnosticsDisplay
from ._gains import AugmentationGainDisplay
from ._interpolation import InterpolationDisplay
from ._latent import LatentSpaceDisplay
from ._samples import SyntheticSamplesDisplay
from ._training import TrainingCurvesDisplay

__all__ = [
    "AugmentationGainDisplay",
    "ChainDiagnosticsDisplay",
    "InterpolationDisplay",
    "LatentSpaceDisplay",
    "SyntheticSamplesDisplay",
    "TrainingCurvesDisplay",
]
