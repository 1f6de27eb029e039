"""The density that each sampler draws from, against a grid in two dimensions."""

import math

import pytest
import torch
from shared import stream

from sklearn_pyraug.rhvae.metric.learned import make_metric
from sklearn_pyraug.rhvae.metric.posterior import make_posterior_metric
from sklearn_pyraug.rhvae.samplers import sample_hmc, sample_independent_mh, sample_random_walk
from sklearn_pyraug.rhvae.weighting import in_rounds

N_DRAWS, N_BINS, N_FINE = 10_000, 64, 8  # bins of an axis, and cells of a bin's axis


def codes(seed, n=12):
    return torch.randn(1, n, 2, generator=stream(seed), dtype=torch.float64)


def learned(seed):
    c = codes(seed)
    L = torch.tril(torch.randn(1, 12, 2, 2, generator=stream(seed + 1), dtype=torch.float64))
    T = torch.full((1, 1, 1), 0.6, dtype=torch.float64)
    L = L + torch.eye(2, dtype=torch.float64)
    return make_metric(c, L, torch.ones(1, 12, dtype=torch.float64), T, 0.01)


def posterior(seed):
    """Return codes of which a few are the label's own, and the others are borrowed."""
    c = codes(seed)
    log_var = torch.randn(1, 12, 2, generator=stream(seed + 1), dtype=torch.float64) - 2.0
    share = torch.full((1, 12), 0.3 / 12, dtype=torch.float64)
    share[:, :4] += 0.7 / 4
    share[:, 11] = 0.0
    return make_posterior_metric(c, log_var, torch.ones(1, 12), 0.01, share)


def in_bins(z, low, width):
    place = ((z - low) / width).floor().long().clamp(0, N_BINS - 1)
    return torch.bincount(place[:, 0] * N_BINS + place[:, 1], minlength=N_BINS**2) / len(z)


def variation(a, b):
    return 0.5 * (a - b).abs().sum(-1)


CHAINS = {
    "hmc": (sample_hmc, {"n_steps": 100, "n_leapfrog": 8}),
    "random_walk": (sample_random_walk, {"n_steps": 500}),
    "independent_mh": (sample_independent_mh, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "make"),
    [
        *(("hmc", m) for m in (learned, posterior)),
        *(("random_walk", m) for m in (learned, posterior)),
        ("independent_mh", posterior),
    ],
)
def test_total_variation_is_that_of_perfect_draws(sampler, make, random_seed, capsys):
    """As many draws of the grid's own density, in the same bins, are as far from it."""
    metric = make(random_seed)
    reach = 12.0 * float(metric.scale)
    low = metric.c[0].amin(0) - reach
    width = (metric.c[0].amax(0) + reach - low) / N_BINS
    fine = (torch.arange(N_BINS * N_FINE, dtype=torch.float64) + 0.5) / N_FINE
    grid = torch.stack(torch.meshgrid(fine, fine, indexing="ij"), -1) * width + low
    p = metric.at(grid.view(1, -1, 2)).log_target().exp()
    p = p.view(N_BINS, N_FINE, N_BINS, N_FINE).sum((1, 3)).flatten()
    p = p / p.sum()
    perfect = torch.multinomial(p, 100 * N_DRAWS, replacement=True, generator=stream(7))
    perfect = torch.stack([torch.bincount(q, minlength=len(p)) for q in perfect.view(100, -1)])
    perfect = variation(perfect / N_DRAWS, p)
    share = getattr(metric, "share", metric.mask)[0]
    start = in_rounds(N_DRAWS, 12, stream(random_seed), share.double())
    draw, settings = CHAINS[sampler]
    z, *_ = draw(metric, [start], [stream(random_seed + 5)], **settings)
    got = float(variation(in_bins(z[0], low, width), p))
    with capsys.disabled():
        print(
            f"\n{sampler}, {make.__name__}: total variation {got:.4f}, of perfect draws "
            f"{float(perfect.mean()):.4f}, at most {float(perfect.max()):.4f}"
        )
    assert got <= perfect.max()


def test_hmc_of_isolated_codes_moves_by_a_posterior_deviation(random_seed):
    """At d = 10 the width √d makes the density that of the posteriors, and T = 1 would not."""
    d, n = 10, 400
    c = 100.0 * torch.randn(1, 20, d, generator=stream(random_seed), dtype=torch.float64)
    log_var = torch.randn(1, 20, d, generator=stream(random_seed + 1), dtype=torch.float64) - 1.0
    metric = make_posterior_metric(c, log_var, torch.ones(1, 20), 1e-3)
    start = torch.arange(n) % 20
    (z,), _ = sample_hmc(metric, [start], [stream(random_seed + 2)], n_steps=40, n_leapfrog=15)
    moved = ((z - c[0, start]) * metric.precision[0, start].sqrt()).square().mean()
    # 5 standard errors of a mean of n d squares of N(0, 1).
    assert abs(float(moved) - 1.0) < 5.0 * math.sqrt(2.0 / (n * d))
