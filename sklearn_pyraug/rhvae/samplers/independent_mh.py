"""Metropolis-Hastings with independent proposals from the mixture of the posteriors.

The target is the density p(z) ∝ √det G(z) of the metric of posterior covariances
(:mod:`..metric.posterior`), and a proposal, wherever its chain is, a draw from

q(z) = Σᵢ pᵢ N(z; cᵢ, Σᵢ),

which is p itself where codes lie far apart. It is accepted with the probability
min(1, p(z') q(z) / (p(z) q(z'))) (L. Tierney, "Markov chains for exploring posterior
distributions", Annals of Statistics 22(4), 1994, section 2.3.3): what p and q differ by decides
how many steps are needed, and how far apart modes are does not.

Shapes: K classes, C chains per class, N centroids per class, d latent dimensions.
"""

import torch
from torch.nn.utils.rnn import pad_sequence

from ..weighting import in_rounds
from .diagnostics import Trace
from .hmc import centroids_at, chain_weights, draw_per_class


@torch.no_grad()
def sample_independent_mh(metric, start, generators, *, n_steps=4):
    """Run one chain per start index and return where each ends.

    A chain starts at a draw from N(cᵢ, Σᵢ) of its start index i; where these are in proportion to
    the shares, as those of the proposals are, the start is a draw from q.

    Parameters
    ----------
    metric : PosteriorMetric
    start : sequence of Tensor of int64, each of shape (n_chains_k,)
        For every class the indices i of the codes from which its chains start.
    generators : sequence of torch.Generator
        One CPU stream per class; what a class draws depends on nothing but its own.
    n_steps : int, default=4

    Returns
    -------
    z : list of Tensor, each of shape (n_chains_k, latent_dim)
    start : list of Tensor of int64, each of shape (n_chains_k,)
        The codes i from whose N(cᵢ, Σᵢ) the chains' last states were drawn.
    info : dict of str to Tensor of shape (n_classes,)
        ``acceptance_rate`` of all steps and ``autocorrelation`` of shape (n_classes, n_lags + 1),
        see :func:`.diagnostics.autocorrelation`.
    """
    c, deviation, counts = metric.c, metric.precision.rsqrt(), [len(s) for s in start]
    # Moved before the cast, because Apple's GPUs have no float64.
    shares = [p[: int(p.nonzero().max()) + 1].cpu().double() for p in metric.share]
    weight, trace = chain_weights(counts).to(c), Trace(counts, c)

    def draw(index):
        """Return draws of the codes at `index`, and log p − log q there."""
        noise = draw_per_class(torch.randn, counts, generators, c.shape[-1]).to(c)
        z = centroids_at(c, index) + centroids_at(deviation, index) * noise
        local = metric.at(z)
        return pad_sequence(index, batch_first=True).to(c.device), z, local.log_excess()

    index, z, excess = draw(start)
    trace.add(z)
    acceptance = c.new_zeros(len(c))
    for _ in range(n_steps):
        proposed = [
            in_rounds(n, len(p), g, p) for n, p, g in zip(counts, shares, generators, strict=True)
        ]
        new_index, new_z, new_excess = draw(proposed)
        # An excess that is not finite is a rejection.
        log_ratio = torch.nan_to_num(new_excess - excess, nan=-torch.inf).clamp_max(0.0)
        log_uniform = draw_per_class(torch.rand, counts, generators).to(c).log()
        accepted = log_uniform < log_ratio
        index = torch.where(accepted, new_index, index)
        z = torch.where(accepted.unsqueeze(-1), new_z, z)
        excess = torch.where(accepted, new_excess, excess)
        acceptance += (log_ratio.exp() * weight).sum(1)
        trace.add(z)
    return (
        [z[k, :n] for k, n in enumerate(counts)],
        [index[k, :n].cpu() for k, n in enumerate(counts)],
        {"acceptance_rate": acceptance / n_steps, "autocorrelation": trace.autocorrelation()},
    )
