"""The generator: a stack of class-conditional Riemannian Hamiltonian VAEs, in torch only."""

from .checks import check_networks, n_weights
from .generator import Generator, SamplerSettings, draw_rows, train_generator
from .model import Architecture, FlowSettings, RHVAEStack, build_stack
from .training import ClassHistory, TrainingSettings

__all__ = [
    "Architecture",
    "ClassHistory",
    "FlowSettings",
    "Generator",
    "RHVAEStack",
    "SamplerSettings",
    "TrainingSettings",
    "build_stack",
    "check_networks",
    "draw_rows",
    "n_weights",
    "train_generator",
]
