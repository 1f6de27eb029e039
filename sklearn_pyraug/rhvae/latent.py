"""The latent space after training, and draws from it.

Shapes: K members of a stack, N centroids each, d latent dimensions.
"""

from typing import NamedTuple

import torch

from .metric.learned import Metric, make_metric
from .metric.posterior import PosteriorMetric, make_posterior_metric
from .metric.scales import auto_regularization, metric_scale
from .samplers import (
    sample_geodesic,
    sample_hmc,
    sample_independent_mh,
    sample_posterior,
    sample_prior,
    sample_random_walk,
)

# Most draws per class in a chunk.
_CHUNK = 2048

SAMPLERS = ("hmc", "independent_mh", "posterior", "geodesic", "random_walk", "prior")
METRICS = ("learned", "posterior")


class Latent(NamedTuple):
    """The codes of a stack's rows and the metric that they make up.

    Attributes
    ----------
    metric : Metric or PosteriorMetric
        Its centroids are `c`.
    c, log_var : Tensor of shape (K, N, d)
        Means and log-variances of the encoder's posteriors.
    """

    metric: Metric | PosteriorMetric
    c: torch.Tensor
    log_var: torch.Tensor

    def map(self, function):
        """Apply a function to every tensor."""
        metric = [function(v) if torch.is_tensor(v) else v for v in self.metric]
        return Latent(type(self.metric)(*metric), function(self.c), function(self.log_var))

    def at(self, members, shares):
        """Return the codes of some members, with a metric in which each code has its share.

        Parameters
        ----------
        members : list of int
            Positions in the stack; a position may occur several times.
        shares : list of Tensor, each of shape (at most N,)
            Of sum 1; 0, or left out, for a code that does not take part.

        Returns
        -------
        latent : Latent
            The learned metric is what it is, whatever the shares.
        """
        latent = self.map(lambda t: t[members])
        if isinstance(self.metric, Metric):
            return latent
        share = torch.zeros_like(latent.c[..., 0])
        for own, values in zip(share, shares, strict=True):
            own[: len(values)] = values
        mask = (share > 0.0).to(share)
        metric = make_posterior_metric(latent.c, latent.log_var, mask, self.metric.lam, share)
        return latent._replace(metric=metric)


class SamplerSettings(NamedTuple):
    """Settings of the draws in latent space.

    Attributes
    ----------
    sampler : {"hmc", "independent_mh", "posterior", "geodesic", "random_walk", "prior"}
        ``"independent_mh"`` needs the metric of posterior covariances.
    n_steps : int
        Steps of each chain, adaptation included.
    n_leapfrog : int
        Leapfrog steps per trajectory of ``"hmc"``.
    step_size : float or None
        A fixed step size; None adapts it.
    """

    sampler: str = "hmc"
    n_steps: int = 30
    n_leapfrog: int = 10
    step_size: float | None = None


def make_latent(posterior, L, mask, stack):
    """Build the metric around given codes.

    Parameters
    ----------
    posterior : Posterior
        Of the rows whose codes are the centroids, of shape (K, N, d).
    L : Tensor of shape (K, N, d, d) or None
        The metric network's output; None makes the metric of the posteriors' covariances.
    mask : Tensor of shape (K, N)
        1 for a centroid, 0 for padding.
    stack : RHVAEStack
        With the kind of the metric, the temperature and the regularisation; the last may follow
        from the codes.

    Returns
    -------
    latent : Latent
    """
    mu, log_var = posterior
    d, T, lam = mu.shape[-1], stack.T, stack.settings.regularization
    auto_lam = stack.settings.rescale_regularization
    if L is None:
        if auto_lam:
            log_precision = -log_var.mean(-1)
            scale = torch.where(mask.bool(), log_precision, torch.nan).nanmedian().exp()
            lam = auto_regularization(d, float(scale))
        metric = make_posterior_metric(mu, log_var, mask, lam)
    else:
        metric = make_metric(mu, L, mask, T, lam)
        if auto_lam:
            lam = auto_regularization(d, float(metric_scale(metric.M, mask).median()))
            metric = metric._replace(lam=lam)
    return Latent(metric, mu, log_var)


def sample_latent(latent, start, generators, settings):
    """Draw one point for each start, in chunks that bound the memory.

    Parameters
    ----------
    latent : Latent
    start : sequence of Tensor of int64, each of shape (n_k,)
        For every member the centroids at which its draws start.
    generators : sequence of torch.Generator
        One CPU stream per member.
    settings : SamplerSettings

    Returns
    -------
    z : list of Tensor, each of shape (n_k, d)
    start : list of Tensor of int64, each of shape (n_k,)
        The centroids that the draws belong to: those at which they started, or, with
        ``"independent_mh"``, those of the last accepted proposals.
    info : dict of str to Tensor of shape (K,)
        ``acceptance_rate`` and, but of ``"independent_mh"``, ``divergence_rate`` and
        ``step_size``; of ``"hmc"`` ``energy_error``, and of ``"hmc"``, ``"independent_mh"`` and
        ``"random_walk"`` ``autocorrelation`` of shape (K, n_lags + 1). The last is that of chains
        of the first chunk; what is not known of a member, as it draws nothing, is not a number.
    """
    # Allocated before the chunks, because small blocks between large ones would prevent their
    # reuse.
    z = [latent.c.new_empty(len(s), latent.c.shape[-1]) for s in start]
    own, infos = [s.clone() for s in start], []
    # A class without further starts draws nothing more, so that its draws depend on its own count,
    # and not on how many chunks another class needs.
    for first in range(0, max(1, *map(len, start)), _CHUNK):
        chunk = [s[first : first + _CHUNK] for s in start]
        drawn, *ends, info = _sample_chunk(latent, chunk, generators, settings)
        infos.append(info)
        for k, (new, at) in enumerate(zip(drawn, ends[0] if ends else chunk, strict=True)):
            z[k][first : first + len(new)] = new
            own[k][first : first + len(new)] = at
    counts = torch.tensor(
        [[len(s[i * _CHUNK :][:_CHUNK]) for i in range(len(infos))] for s in start]
    )
    return z, own, _merge(infos, counts.float())


def _merge(infos, counts):
    """Return the diagnostics of all chunks.

    Parameters
    ----------
    infos : list of dict of str to Tensor
        Of each chunk.
    counts : Tensor of shape (K, n_chunks)
        Draws of each member in each chunk.

    Returns
    -------
    info : dict of str to Tensor
    """
    # A class's rates are means over its own draws.
    weight = counts / counts.sum(1, keepdim=True).clamp_min(1.0)
    merged = {}
    for name in infos[0]:
        values = torch.stack([i[name].cpu() for i in infos], 1)
        if name == "autocorrelation":
            # Chains of the first chunk, in which a member has most.
            merged[name] = values[:, 0]
        elif name == "energy_error":
            # A mean over the proposals that did not diverge; NaN for a chunk without any.
            regular = counts * (1.0 - torch.stack([i["divergence_rate"].cpu() for i in infos], 1))
            regular = torch.where(values.isnan(), 0.0, regular)
            merged[name] = (values.nan_to_num() * regular).sum(1) / regular.sum(1)
        else:
            merged[name] = (values * weight).sum(1)
    return merged


def _sample_chunk(latent, start, generators, settings):
    name = settings.sampler
    if name == "hmc":
        return sample_hmc(
            latent.metric,
            start,
            generators,
            n_steps=settings.n_steps,
            n_leapfrog=settings.n_leapfrog,
            step_size=settings.step_size,
        )
    if name == "independent_mh":
        return sample_independent_mh(latent.metric, start, generators, n_steps=settings.n_steps)
    if name == "posterior":
        return sample_posterior(latent.c, latent.log_var, start, generators)
    if name == "geodesic":
        return sample_geodesic(latent.metric, start, generators)
    if name == "random_walk":
        return sample_random_walk(
            latent.metric, start, generators, n_steps=settings.n_steps, step_size=settings.step_size
        )
    counts = [len(s) for s in start]
    return sample_prior(counts, latent.c.shape[-1], generators, device=latent.c.device)
