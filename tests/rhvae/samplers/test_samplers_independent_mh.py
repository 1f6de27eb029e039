"""Independent Metropolis-Hastings: the codes and shares of its draws, and when it is exact."""

import math

import pytest
import torch
from shared import stream

from sklearn_pyraug.rhvae.metric.posterior import make_posterior_metric
from sklearn_pyraug.rhvae.samplers import sample_independent_mh
from sklearn_pyraug.rhvae.weighting import in_rounds


def some_metric(seed, spread=1.0, n=12, d=3, K=2, dtype=torch.float64):
    c, log_var = (torch.randn(K, n, d, generator=stream(seed + s)).to(dtype) for s in (0, 1))
    share = torch.rand(K, n, generator=stream(seed + 2)).to(dtype)
    share[:, 3] = 0.0
    metric = make_posterior_metric(spread * c, log_var - 2.0, torch.ones(K, n), 1e-4, share)
    return metric, log_var - 2.0


def starts(metric, counts, seed):
    return [
        in_rounds(n, len(p), stream(seed), p.double())
        for n, p in zip(counts, metric.share, strict=True)
    ]


def test_isolated_codes_are_drawn_exactly(random_seed):
    """The target is the mixture then: all is accepted, and each draw is one of its posterior."""
    metric, log_var = some_metric(random_seed, spread=100.0)
    counts = (4000, 1000)
    start = starts(metric, counts, random_seed)
    z, own, info = sample_independent_mh(metric, start, [stream(1), stream(2)])
    # The floor takes next to nothing.
    assert (info["acceptance_rate"] > 0.999).all()
    for k, n in enumerate(counts):
        share = torch.bincount(own[k], minlength=12) / n
        # Spread evenly over the draws: within one of its share in the last round.
        std = (metric.share[k] * (1.0 - metric.share[k]) / n).sqrt()
        assert ((share - metric.share[k]).abs() < 5.0 * std + 1.5 / n).all()
        assert share[3] == 0.0
        assert not torch.equal(own[k], start[k])
        epsilon = (z[k] - metric.c[k, own[k]]) * torch.exp(-0.5 * log_var[k, own[k]])
        # 5 standard errors of a mean and of a mean square.
        assert (epsilon.mean(0).abs() < 5.0 / math.sqrt(n)).all()
        assert ((epsilon.square().mean(0) - 1.0).abs() < 5.0 * math.sqrt(2.0 / n)).all()


def test_the_code_is_that_of_the_last_state_that_was_accepted(random_seed):
    metric, _ = some_metric(random_seed)
    start = starts(metric, (300, 200), random_seed)
    z, own, info = sample_independent_mh(metric, start, [stream(1), stream(2)], n_steps=1)
    assert (info["acceptance_rate"] < 1.0).all()
    # A state is a few posterior deviations from its own code, whichever was proposed.
    for k in range(2):
        off = (z[k] - metric.c[k, own[k]]) * metric.precision[k, own[k]].sqrt()
        assert off.abs().max() < 6.0
        kept = own[k] == start[k]
        assert 0.0 < kept.double().mean() < 1.0


@pytest.mark.parametrize("log_scale", [-7.0, 0.0, 7.0])
def test_neither_narrow_nor_wide_posteriors_overflow(log_scale):
    """√det G of ten dimensions is beyond float32 from a scale of 1e-4 on: logarithms are not."""
    d, n = 10, 50
    c = math.exp(log_scale) * torch.randn(1, n, d, generator=stream(0))
    log_var = torch.full_like(c, 2.0 * log_scale)
    lam = 1e-3 * math.exp(-2.0 * log_scale)
    metric = make_posterior_metric(c, log_var, torch.ones(1, n), lam, torch.rand(1, n) ** 8)
    start = starts(metric, (500,), 0)
    (z,), _, info = sample_independent_mh(metric, start, [stream(1)])
    assert torch.isfinite(z).all()
    assert 0.1 < info["acceptance_rate"].item() < 1.0


class WithoutFloat64(torch.Tensor):
    """Stands for a tensor on one of Apple's GPUs."""

    def double(self):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


def test_shares_on_a_device_without_float64():
    """Apple's GPUs could not draw by default."""
    metric, _ = some_metric(0, dtype=torch.float32)
    start, streams = starts(metric, (9, 5), 0), [stream(1), stream(2)]
    metric = metric._replace(share=metric.share.as_subclass(WithoutFloat64))
    assert [len(z) for z in sample_independent_mh(metric, start, streams)[0]] == [9, 5]
