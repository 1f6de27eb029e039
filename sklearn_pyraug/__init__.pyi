"""Data augmentation for scikit-learn with Riemannian Hamiltonian variational autoencoders.

What is listed here is public; ``__init__.py`` loads it when it is first used.
"""

from . import datasets, io, metrics, model_selection, pipeline, plotting, rhvae
from ._augmenter import RHVAEAugmenter
from ._classifier import AugmentedClassifier, AugmentedClassifierCV
from ._components import (
    HMC,
    MLP,
    Checkpoint,
    Columns,
    Deformation,
    ImageShape,
    IndependentMH,
    LearnedMetric,
    PosteriorMetric,
    RandomWalk,
    Residual,
    Transfer,
)
from ._embedder import RHVAEEmbedder
from ._evaluation.compare import compare
from ._evaluation.gain import augmentation_gain
from ._evaluation.gain_result import AugmentationGain, GainRow
from ._evaluation.report import augmentation_report
from ._evaluation.results import AugmentationReport, ReportLine
from ._latent_tools import Interpolation
from ._version import __version__
from .pipeline import Pipeline, make_pipeline

__all__ = [
    "HMC",
    "MLP",
    "AugmentationGain",
    "AugmentationReport",
    "AugmentedClassifier",
    "AugmentedClassifierCV",
    "Checkpoint",
    "Columns",
    "Deformation",
    "GainRow",
    "ImageShape",
    "IndependentMH",
    "Interpolation",
    "LearnedMetric",
    "Pipeline",
    "PosteriorMetric",
    "RHVAEAugmenter",
    "RHVAEEmbedder",
    "RandomWalk",
    "ReportLine",
    "Residual",
    "Transfer",
    "__version__",
    "augmentation_gain",
    "augmentation_report",
    "compare",
    "datasets",
    "io",
    "make_pipeline",
    "metrics",
    "model_selection",
    "pipeline",
    "plotting",
    "rhvae",
]
