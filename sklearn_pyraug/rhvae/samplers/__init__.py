"""Samplers in latent space: pure functions, state in, state out."""

from .geodesic import sample_geodesic
from .hmc import (
    HMCInfo,
    HMCState,
    hmc_init,
    hmc_step,
    metric_log_density,
    n_adaptation_steps,
    sample_hmc,
)
from .independent_mh import sample_independent_mh
from .posterior import sample_posterior
from .prior import sample_prior
from .random_walk import WalkInfo, WalkState, sample_random_walk, walk_point, walk_step

__all__ = [
    "HMCInfo",
    "HMCState",
    "WalkInfo",
    "WalkState",
    "hmc_init",
    "hmc_step",
    "metric_log_density",
    "n_adaptation_steps",
    "sample_geodesic",
    "sample_hmc",
    "sample_independent_mh",
    "sample_posterior",
    "sample_prior",
    "sample_random_walk",
    "walk_point",
    "walk_step",
]
