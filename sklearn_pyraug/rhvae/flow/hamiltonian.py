"""Generalised leapfrog integration and the tempering of the momentum.

The integrator takes callables and knows no metric; :mod:`~sklearn_pyraug.rhvae.elbo`
brings the Riemannian Hamiltonian of the posterior. Sources: Girolami and Calderhead 2011,
section 6.1 (generalised leapfrog); Caterini et al. 2018, section 3.2 (tempering);
arXiv 2010.11518, section 3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "Adjoint",
    "PhaseState",
    "StepTape",
    "System",
    "bounded_kick",
    "generalized_leapfrog",
    "leapfrog_adjoint",
    "tempering_factors",
]


class System(NamedTuple):
    """A Hamiltonian H(z, ρ), given by its gradients.

    Attributes
    ----------
    at : callable(z) -> local
        Everything at z that does not depend on ρ; evaluated once per leapfrog point.
    dz : callable(z, rho, local) -> (Tensor, residual)
        ∂H/∂z, of the shape of z, and whatever its adjoint needs.
    drho : callable(z, rho, local) -> (Tensor, residual)
        ∂H/∂ρ; `local` is None in the implicit step in z, where z moves.
    """

    at: Callable[[Any], Any]
    dz: Callable[[Any, Any, Any], Any]
    drho: Callable[[Any, Any, Any], Any]


class Adjoint(NamedTuple):
    """The vector-Jacobian products of a :class:`System`; ḡ is the cotangent of a value g.

    Cotangents of a local, ``local_bar``, are objects with an ``add(other)`` in place.

    Attributes
    ----------
    at : callable(local, local_bar) -> z_bar
    dz : callable(residual, g_bar) -> (z_bar, rho_bar, local_bar)
    drho : callable(residual, v_bar) -> (z_bar or None, rho_bar, local_bar or None)
        `z_bar` where z moved, `local_bar` where it did not.
    """

    at: Callable[[Any, Any], Any]
    dz: Callable[[Any, Any], Any]
    drho: Callable[[Any, Any], Any]


class PhaseState(NamedTuple):
    """A point of phase space.

    Attributes
    ----------
    z, rho : Tensor of shape (n_classes, n_points, latent_dim)
        Position and momentum.
    local : object
        ``system.at(z)``.
    """

    z: Any
    rho: Any
    local: Any


class StepTape(NamedTuple):
    """What the adjoint of a leapfrog step needs.

    Attributes
    ----------
    eps : float or Tensor
    implicit, moving : list
        Residuals of the fixed-point iterations in ρ and in z.
    still, explicit : object
        Residuals of ∂H/∂ρ at the old z, and of the last half step in ρ.
    local : object
        ``system.at`` of the new z.
    """

    eps: Any
    implicit: list
    still: Any
    moving: list
    explicit: Any
    local: Any


def generalized_leapfrog(state, eps, system, n_fixed_point=2):
    """Take one generalised leapfrog step of size `eps`.

    ρ½ = ρ − ½ε ∂H/∂z(z, ρ½);  z' = z + ½ε [∂H/∂ρ(z, ρ½) + ∂H/∂ρ(z', ρ½)];
    ρ' = ρ½ − ½ε ∂H/∂z(z', ρ½). The first two are implicit and solved by fixed-point
    iteration. At convergence the map is reversible and preserves volume.

    Parameters
    ----------
    state : PhaseState
    eps : float or Tensor broadcastable to z
        Step size.
    system : System
    n_fixed_point : int, default=2
        Iterations of each implicit step.

    Returns
    -------
    state : PhaseState
    tape : StepTape
    """
    z, rho, local = state
    half = 0.5 * eps
    rho_half, implicit, moving = rho, [], []
    for _ in range(n_fixed_point):
        gradient, residual = system.dz(z, rho_half, local)
        rho_half = rho - half * gradient
        implicit.append(residual)
    velocity, still = system.drho(z, rho_half, local)
    z_new = z + eps * velocity
    for _ in range(n_fixed_point):
        velocity_new, residual = system.drho(z_new, rho_half, None)
        z_new = z + half * (velocity + velocity_new)
        moving.append(residual)
    local_new = system.at(z_new)
    gradient, explicit = system.dz(z_new, rho_half, local_new)
    rho_new = rho_half - half * gradient
    tape = StepTape(eps, implicit, still, moving, explicit, local_new)
    return PhaseState(z_new, rho_new, local_new), tape


def leapfrog_adjoint(tape, z_bar, rho_bar, local_bar, adjoint):
    """Pull the cotangents of a leapfrog step's result back to its start.

    The reverse of the arithmetic of :func:`generalized_leapfrog`, iteration by iteration:
    exact whether or not the fixed points have converged.

    Parameters
    ----------
    tape : StepTape
    z_bar, rho_bar : Tensor of shape (n_classes, n_points, latent_dim)
        Cotangents of the new position and momentum.
    local_bar : object
        That of the new local, from whatever else uses it.
    adjoint : Adjoint

    Returns
    -------
    z_bar, rho_bar : Tensor of shape (n_classes, n_points, latent_dim)
        Cotangents of the old position, without the part through its local, and momentum.
    local_bar : object
        Cotangent of the old local.
    """
    half = 0.5 * tape.eps
    z_part, half_bar, new_bar = adjoint.dz(tape.explicit, -half * rho_bar)
    half_bar = half_bar + rho_bar
    local_bar.add(new_bar)
    moving_bar = z_bar + z_part + adjoint.at(tape.local, local_bar)
    z_bar, velocity_bar = moving_bar, half * moving_bar
    for i, residual in enumerate(reversed(tape.moving)):
        if i:
            z_bar, velocity_bar = z_bar + moving_bar, velocity_bar + half * moving_bar
        moving_bar, rho_part, _ = adjoint.drho(residual, half * moving_bar)
        half_bar = half_bar + rho_part
    z_bar, velocity_bar = z_bar + moving_bar, velocity_bar + tape.eps * moving_bar
    _, rho_part, local_bar = adjoint.drho(tape.still, velocity_bar)
    rho_bar = half_bar = half_bar + rho_part
    for i, residual in enumerate(reversed(tape.implicit)):
        if i:
            rho_bar = rho_bar + half_bar
        z_part, half_bar, new_bar = adjoint.dz(residual, -half * half_bar)
        z_bar = z_bar + z_part
        local_bar.add(new_bar)
    return z_bar, rho_bar + half_bar, local_bar


def bounded_kick(gradient, velocity, eps):
    """Bound what a step of size `eps` does to the momentum to one deviation of N(0, G) an axis.

    Any function of z alone may kick the momentum: volume is preserved, and the ELBO holds. Where
    the networks have hardly trained, the slopes of a potential of thousands of columns throw codes
    far away, and the training with them; once they have, the bound is not reached.

    Parameters
    ----------
    gradient : Tensor of shape (n_classes, n_points, latent_dim)
        That of the potential, g.
    velocity : Tensor of the same shape
        G⁻¹ g.
    eps : float or Tensor broadcastable to z

    Returns
    -------
    kick : Tensor of the same shape
        Of the direction of g, at most as long.
    size : Tensor of shape (n_classes, n_points, 1)
        What g was divided by; 1 where the bound was not reached.
    """
    square = eps**2 * (gradient * velocity).mean(-1, keepdim=True)
    # Clamped before the root, which has no derivative at 0, and no value where rounding goes below.
    size = square.clamp_min(1.0).sqrt()
    return gradient / size, size


def tempering_factors(beta_zero, n_leapfrog):
    """Return the factors that multiply the momentum after each leapfrog step.

    √βₖ = [(1 − 1/√β₀) k²/K² + 1/√β₀]⁻¹ (Caterini et al. 2018, quadratic schedule), and the
    k-th factor is √(βₖ₋₁ / βₖ); their product is √β₀, which takes ρ back to β = 1.

    Parameters
    ----------
    beta_zero : float in (0, 1]
        Initial inverse temperature; 1 switches tempering off.
    n_leapfrog : int
        Number of leapfrog steps K.

    Returns
    -------
    factors : list of float
        Of length `n_leapfrog`.
    """
    inverse = 1.0 / beta_zero**0.5
    root = [1.0 / ((1.0 - inverse) * (k / n_leapfrog) ** 2 + inverse) for k in range(n_leapfrog)]
    root.append(1.0)
    return [root[k] / root[k + 1] for k in range(n_leapfrog)]
