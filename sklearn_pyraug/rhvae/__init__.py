"""The generator: a stack of class-conditional Riemannian Hamiltonian VAEs, in torch only."""

from .generator import Generator, train_generator
from .images.resolution import Resolution, coarse_extent
from .latent import METRICS, SAMPLERS, SamplerSettings
from .model import Architecture, FlowSettings, RHVAEStack, build_stack, n_multiplications, n_weights
from .networks.user import check_networks, networks_in_turn
from .reference_generator import ReferenceGenerator, train_reference_generator
from .requests import Drawn, DrawRequest, FitSettings, Output, Training, TrainingData, Transfer
from .training.records import ClassHistory, FineTuning, TrainingSettings

__all__ = [
    "METRICS",
    "SAMPLERS",
    "Architecture",
    "ClassHistory",
    "DrawRequest",
    "Drawn",
    "FineTuning",
    "FitSettings",
    "FlowSettings",
    "Generator",
    "Output",
    "RHVAEStack",
    "ReferenceGenerator",
    "Resolution",
    "SamplerSettings",
    "Training",
    "TrainingData",
    "TrainingSettings",
    "Transfer",
    "build_stack",
    "check_networks",
    "coarse_extent",
    "n_multiplications",
    "n_weights",
    "networks_in_turn",
    "train_generator",
    "train_reference_generator",
]
