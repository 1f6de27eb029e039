"""Riemannian metrics of the latent space and what follows from them.

Two metrics, :class:`.learned.Metric` and :class:`.posterior.PosteriorMetric`, have one interface;
samplers, geodesics and curves know no other. A metric has

- ``c`` and ``mask``, the codes of shape (n_classes, n_centroids, latent_dim) and 1 for those that
  take part, of shape (n_classes, n_centroids);
- ``scale``, the length on which its density changes, of shape (n_classes, 1, 1);
- ``at(z)``, what it is at points z of shape (n_classes, n_points, latent_dim):

==================== =============================================================================
``log_density()``    log p(z) of the density that is drawn from, high near codes, not normalised
``log_target()``     the same, −∞ outside of the support, a number nowhere else
``gradient()``       of log p(z)
``factor()``         L(z), lower-triangular, and log det L: N(z, σ² L Lᵀ) proposes a short step
``inverse()``        g⁻¹(z) of the tensor g that measures curves; p(z) = √det g⁻¹(z)
``lower(v)``         g(z) v
``form_gradient(u)`` gradient by z of uᵀ g⁻¹(z) u
==================== =============================================================================

The flow's Hamiltonian has the G(z) of the papers, which gives N(0, G(z)) to the momentum:

========================= ========================================================================
``log_det_inv()``         log det G⁻¹(z)
``covariance()``          G(z), as ``energy_gradient`` takes it
``energy_gradient(rho, G)`` gradient by z of ½ log det G(z) + ½ ρᵀ G⁻¹(z) ρ
``velocity(rho)``         G⁻¹(z) ρ; ``velocity(z, rho)`` of the metric, where no more is asked of z
``momentum(gamma)``       G(z)^(½) γ, of γ ~ N(0, I)
========================= ========================================================================
"""
