"""Displays in scikit-learn's style, drawn with matplotlib."""

from ._chains import ChainDiagnosticsDisplay
from ._gains import AugmentationGainDisplay
from ._interpolation import InterpolationDisplay
from ._latent import LatentSpaceDisplay
from ._samples import SyntheticSamplesDisplay
from ._training import TrainingCurvesDisplay
from ._warps import WarpDisplay

__all__ = [
    "AugmentationGainDisplay",
    "ChainDiagnosticsDisplay",
    "InterpolationDisplay",
    "LatentSpaceDisplay",
    "SyntheticSamplesDisplay",
    "TrainingCurvesDisplay",
    "WarpDisplay",
]
