"""Step-size adaptation by dual averaging (Hoffman and Gelman 2014, section 3.2)."""

from typing import NamedTuple

import torch

# Hoffman and Gelman's constants.
_GAMMA, _T0, _KAPPA = 0.05, 10.0, 0.75


class DualAveraging(NamedTuple):
    """State of the adaptation, one step size per class.

    Attributes
    ----------
    log_step : Tensor of shape (n_classes, 1, 1)
        Logarithm of the step size to try next.
    log_step_mean : Tensor of shape (n_classes, 1, 1)
        Averaged logarithm, to be used once the adaptation ends.
    h : Tensor of shape (n_classes, 1, 1)
        Running mean of target minus acceptance.
    center : Tensor of shape (n_classes, 1, 1)
        The value towards which the step is drawn, log(10 ε₀).
    t : int
        Number of updates so far.
    """

    log_step: torch.Tensor
    log_step_mean: torch.Tensor
    h: torch.Tensor
    center: torch.Tensor
    t: int


def dual_averaging_init(step_size):
    """Start from a step size, a Tensor of shape (n_classes, 1, 1)."""
    log_step = step_size.log()
    return DualAveraging(
        log_step, log_step.clone(), torch.zeros_like(log_step), log_step + 2.302585, 0
    )


def dual_averaging_update(state, acceptance, target=0.8):
    """Update the step size of every class.

    Parameters
    ----------
    state : DualAveraging
    acceptance : Tensor of shape (n_classes, 1, 1)
        Mean acceptance probability over the class's chains in this step.
    target : float, default=0.8
        Acceptance to aim at.

    Returns
    -------
    state : DualAveraging
    """
    t = state.t + 1
    eta = 1.0 / (t + _T0)
    h = (1.0 - eta) * state.h + eta * (target - acceptance)
    log_step = state.center - t**0.5 / _GAMMA * h
    weight = t**-_KAPPA
    mean = weight * log_step + (1.0 - weight) * state.log_step_mean
    return DualAveraging(log_step, mean, h, state.center, t)
