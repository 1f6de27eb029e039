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
"""
