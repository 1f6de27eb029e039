"""Samplers in latent space: pure functions, state in, state out."""

from .hmc import (
    HMCInfo,
    HMCState,
    hmc_init,
    hmc_step,
    metric_log_density,
    n_adaptation_steps,
    sample_hmc,
)

__all__ = [
    "HMCInfo",
    "HMCState",
    "hmc_init",
    "hmc_step",
    "metric_log_density",
    "n_adaptation_steps",
    "sample_hmc",
]
