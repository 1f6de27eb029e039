"""The generator: a stack of class-conditional Riemannian Hamiltonian VAEs, in torch only."""

from .checks import check_networks, n_multiplications, n_weights, networks_in_turn
from .generator import Generator, draw_rows, train_generator
from .images.resolution import Resolution, coarse_extent
from .latent import METRICS, SAMPLERS, SamplerSettings
from .model import Architecture, FlowSettings, RHVAEStack, build_stack
from .reference_generator import (
    ReferenceGenerator,
    Transfer,
    draw_from_references,
    train_reference_generator,
)
from .training.records import ClassHistory, TrainingSettings

__all__ = [
    "METRICS",
    "SAMPLERS",
    "Architecture",
    "ClassHistory",
    "FlowSettings",
    "Generator",
    "RHVAEStack",
    "ReferenceGenerator",
    "Resolution",
    "SamplerSettings",
    "TrainingSettings",
    "Transfer",
    "build_stack",
    "check_networks",
    "coarse_extent",
    "draw_from_references",
    "draw_rows",
    "n_multiplications",
    "n_weights",
    "networks_in_turn",
    "train_generator",
    "train_reference_generator",
]
