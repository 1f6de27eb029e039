"""Integrators that preserve volume, and the tempering of the momentum.

They take callables and know no metric; :mod:`.posterior_flow` brings the Riemannian Hamiltonian of
the posterior. Sources: Girolami and Calderhead 2011, section 6.1 (generalised leapfrog); E. Hairer,
C. Lubich, G. Wanner, "Geometric Numerical Integration", 2006, section II.5 (splitting); Caterini et
al. 2018, section 3.2 (tempering); arXiv 2010.11518, section 3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "PhaseState",
    "System",
    "bounded_kick",
    "generalized_leapfrog",
    "splitting_step",
    "tempering_factors",
]


class System(NamedTuple):
    """A Hamiltonian H(z, ρ), given by its gradients.

    Attributes
    ----------
    at : callable(z) -> local
        Everything at z that does not depend on ρ; evaluated once per leapfrog point.
    dz : callable(rho, local) -> Tensor
        ∂H/∂z, of the shape of z.
    drho : callable(z, rho, local) -> Tensor
        ∂H/∂ρ; `local` is None in the implicit step in z, where z moves.
    """

    at: Callable[[Any], Any]
    dz: Callable[[Any, Any], Any]
    drho: Callable[[Any, Any, Any], Any]


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
    """
    z, rho, local = state
    half = 0.5 * eps
    rho_half = rho
    for _ in range(n_fixed_point):
        rho_half = rho - half * system.dz(rho_half, local)
    velocity = system.drho(z, rho_half, local)
    z_new = z + eps * velocity
    for _ in range(n_fixed_point):
        z_new = z + half * (velocity + system.drho(z_new, rho_half, None))
    local = system.at(z_new)
    return PhaseState(z_new, rho_half - half * system.dz(rho_half, local), local)


def splitting_step(state, eps, system, kick, n_fixed_point=2):
    """Take one symmetric step of size `eps`: half of the system's part, a kick, the other half.

    Each of the three preserves volume and is reversible as far as the implicit steps converge, and
    so is their symmetric composition.

    Parameters
    ----------
    state : PhaseState
    eps : float or Tensor broadcastable to z
    system : System
        All of the Hamiltonian but a potential.
    kick : callable(z, local) -> Tensor
        The gradient of that potential, or another function of z.
    n_fixed_point : int, default=2
        Iterations of each implicit step.

    Returns
    -------
    state : PhaseState
    """
    state = generalized_leapfrog(state, 0.5 * eps, system, n_fixed_point)
    state = state._replace(rho=state.rho - eps * kick(state.z, state.local))
    return generalized_leapfrog(state, 0.5 * eps, system, n_fixed_point)


def bounded_kick(gradient, velocity, eps):
    """Bound what a step of size `eps` does to the momentum to one deviation of N(0, G) an axis.

    Any function of z may kick the momentum: volume is preserved, and the ELBO holds. At the start
    of training, the slopes of a potential of thousands of columns would throw codes far away, and
    the training would diverge. Later the bound is not reached.

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
    """
    square = eps**2 * (gradient * velocity).mean(-1, keepdim=True)
    # Clamped before the root, which has no derivative at 0 and no value below, where rounding may
    # lead.
    return gradient / square.clamp_min(1.0).sqrt()


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
