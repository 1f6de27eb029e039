"""Generalised leapfrog integration and the tempering of the momentum.

The integrator takes callables and knows no metric; :mod:`~sklearn_pyraug.rhvae.objective`
brings the Riemannian Hamiltonian of the posterior. Sources: Girolami and Calderhead 2011,
section 6.1 (generalised leapfrog); Caterini et al. 2018, section 3.2 (tempering);
arXiv 2010.11518, section 3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["PhaseState", "System", "generalized_leapfrog", "tempering_factors"]


class System(NamedTuple):
    """A Hamiltonian H(z, ρ), given by its gradients.

    Attributes
    ----------
    at : callable(z) -> local
        Everything at z that does not depend on ρ; evaluated once per leapfrog point.
    dz : callable(z, rho, local) -> Tensor
        ∂H/∂z, of the shape of z.
    drho : callable(z, rho, local) -> Tensor
        ∂H/∂ρ; `local` is None in the implicit step in z, where z moves.
    """

    at: Callable[[Any], Any]
    dz: Callable[[Any, Any, Any], Any]
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
        rho_half = rho - half * system.dz(z, rho_half, local)
    velocity = system.drho(z, rho_half, local)
    z_new = z + eps * velocity
    for _ in range(n_fixed_point):
        z_new = z + half * (velocity + system.drho(z_new, rho_half, None))
    local_new = system.at(z_new)
    rho_new = rho_half - half * system.dz(z_new, rho_half, local_new)
    return PhaseState(z_new, rho_new, local_new)


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
