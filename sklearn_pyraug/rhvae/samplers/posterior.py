"""A row's code with its own posterior spread."""

import torch

from .hmc import centroids_at, draw_per_class


@torch.no_grad()
def sample_posterior(c, log_var, start, generators, *, scale=1.0):
    """Draw z = cᵢ + scale · exp(log_varᵢ / 2) ε, ε ~ N(0, I).

    With `scale` 1 these are draws from the encoder's q(z | xᵢ); together they follow the
    aggregated posterior of the training rows.

    Parameters
    ----------
    c : Tensor of shape (n_classes, n_centroids, latent_dim)
        The encoder's means.
    log_var : Tensor of shape (n_classes, n_centroids, latent_dim)
        Logarithms of the encoder's variances.
    start : sequence of Tensor of int64, each of shape (n_chains_k,)
        For every class the indices i of the centroids.
    generators : sequence of torch.Generator
        One CPU stream per class; what a class draws depends on nothing but its own.
    scale : float, default=1.0
        Standard deviation in units of the posterior's; 0 gives the codes themselves.

    Returns
    -------
    z : list of Tensor, each of shape (n_chains_k, latent_dim)
    info : dict of str to Tensor of shape (n_classes,)
        ``step_size`` is `scale`. The draws are independent: ``acceptance_rate`` is 1 and
        ``divergence_rate`` 0.
    """
    counts = [len(s) for s in start]
    noise = draw_per_class(torch.randn, counts, generators, c.shape[-1]).to(c)
    z = centroids_at(c, start) + scale * torch.exp(0.5 * centroids_at(log_var, start)) * noise
    ones = c.new_ones(c.shape[0])
    info = {"acceptance_rate": ones, "divergence_rate": 0.0 * ones, "step_size": scale * ones}
    return [z[k, :n] for k, n in enumerate(counts)], info
