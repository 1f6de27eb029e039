"""The Riemannian random walk: detailed balance, stationarity and step size."""

import math

import pytest
import torch
from shared import draw, spread, stream
from torch.distributions import MultivariateNormal

from sklearn_pyraug.rhvae.metric.learned import inverse_metric, make_metric
from sklearn_pyraug.rhvae.metric.posterior import make_posterior_metric
from sklearn_pyraug.rhvae.samplers import (
    metric_log_density,
    sample_random_walk,
    walk_point,
    walk_step,
)


def learned(seed, n_classes=2, n_centroids=6, d=2, temperature=0.8, lam=0.05):
    L = torch.tril(draw(seed + 100, n_classes, n_centroids, d, d))
    T = torch.full((n_classes, 1, 1), temperature, dtype=torch.float64)
    mask = torch.ones(n_classes, n_centroids, dtype=torch.float64)
    c = draw(seed, n_classes, n_centroids, d)
    return make_metric(c, L + torch.eye(d, dtype=torch.float64), mask, T, lam)


def posterior(seed, n_classes=2, n_centroids=6, d=2, lam=0.05):
    mask = torch.ones(n_classes, n_centroids, dtype=torch.float64)
    c, log_var = draw(seed, n_classes, n_centroids, d), draw(seed + 100, n_classes, n_centroids, d)
    return make_posterior_metric(c, log_var - 1.0, mask, lam)


both_metrics = pytest.mark.parametrize("make", [learned, posterior])


def inverse(z, metric):
    """Return G⁻¹(z) of either metric, by its definition."""
    if hasattr(metric, "precision"):
        return torch.linalg.inv(torch.diag_embed(metric.at(z).G))
    return inverse_metric(z, metric)


@both_metrics
def test_detailed_balance(make, random_seed):
    """p(z) q(z' | z) α(z → z') = p(z') q(z | z') α(z' → z), with p and q written out."""
    metric, sigma = make(random_seed), 0.3
    noise = draw(random_seed + 1, 2, 6, 2)
    accept = torch.full((2, 6), -torch.inf, dtype=torch.float64)
    state, info = walk_step(walk_point(metric.c, metric), noise, accept, sigma, metric)
    assert info.is_accepted.sum() >= 6  # wherever the proposal is inside the support
    back_noise = torch.linalg.solve(state.factor, (metric.c - state.z) / sigma)
    back, back_info = walk_step(state, back_noise, accept, sigma, metric)
    torch.testing.assert_close(back.z, metric.c)

    # Probabilities that underflow have no logarithm.
    moved = torch.minimum(info.acceptance, back_info.acceptance) > 1e-100
    assert moved.sum() >= 6

    def log_flow(start, end, alpha):
        q = MultivariateNormal(start, sigma**2 * inverse(start, metric))
        return metric_log_density(metric)(start)[0] + q.log_prob(end) + alpha.log()

    torch.testing.assert_close(
        log_flow(metric.c, state.z, info.acceptance)[moved],
        log_flow(state.z, metric.c, back_info.acceptance)[moved],
    )
    # One of the two directions is always accepted, and the test means something if not both.
    both = torch.stack([info.acceptance, back_info.acceptance])[:, moved]
    torch.testing.assert_close(both.amax(0), torch.ones_like(both[0]))
    assert both.min() < 0.97


@both_metrics
def test_proposals_have_the_covariance_of_the_metric(make, random_seed):
    metric, n = make(random_seed, n_classes=1, n_centroids=1), 20_000
    state = walk_point(metric.c.expand(1, n, 2), metric)
    accept = torch.full((1, n), -torch.inf, dtype=torch.float64)
    new, info = walk_step(state, draw(random_seed, 1, n, 2), accept, 1e-3, metric)
    assert info.is_accepted.all()
    step = (new.z - metric.c)[0] / 1e-3
    truth = inverse(metric.c, metric)[0, 0]
    # The variance of a product of Gaussians x y is var(x) var(y) + cov(x, y)².
    std = (truth.diag().outer(truth.diag()) + truth.square()).sqrt()
    assert ((step.mT @ step / n - truth).abs() < 5.0 * std / math.sqrt(n)).all()


def grid_density(metric, half_width=7.0, n=20_001):
    grid = torch.linspace(-half_width, half_width, n, dtype=torch.float64)
    p = metric_log_density(metric)(grid.view(1, -1, 1))[0].exp().flatten()
    assert p[0] == p[-1] == 0.0
    return p / p.sum(), grid


def one_dimension(make):
    c = torch.tensor([[[-0.6], [0.4], [1.0]]], dtype=torch.float64)
    mask = torch.ones(1, 3, dtype=torch.float64)
    if make is posterior:
        log_var = 2.0 * torch.tensor([[[0.5], [0.9], [0.6]]], dtype=torch.float64).log()
        return make_posterior_metric(c, log_var, mask, 0.02, rho=1.0)
    L = torch.tensor([1.5, 0.7, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    return make_metric(c, L, mask, torch.full((1, 1, 1), 0.6, dtype=torch.float64), 0.02)


def check_moments(z, p, grid):
    # The chains are independent: 5 * std / sqrt(n_chains), with the exact variances.
    for power in (1, 2):
        truth = (p * grid**power).sum()
        std = ((p * grid ** (2 * power)).sum() - truth**2).sqrt()
        assert abs(z.pow(power).mean() - truth) < 5.0 * std / math.sqrt(len(z))


@both_metrics
def test_target_is_stationary(make, random_seed):
    """Chains that start from the target, drawn on a grid, stay with it, step by step.

    Without the correction for the proposals' asymmetry the learned metric's walk drifts away.
    """
    metric, n = one_dimension(make), 20_000
    p, grid = grid_density(metric)
    uniform = torch.rand(n, generator=stream(random_seed), dtype=torch.float64)
    z = grid[torch.searchsorted(p.cumsum(0), uniform).clamp_max(len(grid) - 1)]
    state = walk_point(z.view(1, -1, 1), metric)
    generator = stream(random_seed + 1)
    for _ in range(8):
        noise = torch.randn(1, n, 1, generator=generator, dtype=torch.float64)
        log_uniform = torch.rand(1, n, generator=generator, dtype=torch.float64).log()
        state, info = walk_step(state, noise, log_uniform, 1.0, metric)
        check_moments(state.z.flatten(), p, grid)
        # The density itself, in ten bins of equal mass.
        share = torch.histc(p.cumsum(0)[torch.searchsorted(grid, state.z.flatten())], 10, 0.0, 1.0)
        assert ((share / n - 0.1).abs() < 5.0 * math.sqrt(0.1 * 0.9 / n) + 1e-3).all()
    assert 0.2 < info.acceptance.mean() < 0.8


@both_metrics
def test_walks_reach_the_target_from_the_codes(make, random_seed):
    metric, n = one_dimension(make), 3000
    p, grid = grid_density(metric)
    (z,), info = sample_random_walk(
        metric, [spread(n, 3)], [stream(random_seed)], n_steps=150, step_size=1.0
    )
    check_moments(z.flatten(), p, grid)
    assert 0.2 < info["acceptance_rate"].item() < 0.8


def test_walks_reach_the_target_in_the_plane(random_seed):
    """Against the integral over a grid, for matrices that are far from the identity."""
    metric, n = learned(random_seed, n_classes=1, n_centroids=3, temperature=1.0), 2000
    line = torch.linspace(-8.0, 8.0, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    p = metric_log_density(metric)(grid.unsqueeze(0))[0].exp().flatten()
    p = p / p.sum()
    (z,), _ = sample_random_walk(metric, [spread(n, 3)], [stream(random_seed)], n_steps=300)
    for f in (lambda x: x, torch.square, lambda x: x.prod(-1, keepdim=True)):
        truth = p @ f(grid)
        std = (p @ f(grid).square() - truth**2).sqrt()
        assert ((f(z).mean(0) - truth).abs() < 5.0 * std / math.sqrt(n)).all()


@both_metrics
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_proposals_are_rejected(make, bad):
    metric = make(0)
    state = walk_point(metric.c, metric)
    noise = 0.1 * draw(1, 2, 6, 2)
    noise[:, ::2, 1] = bad
    log_uniform = torch.full((2, 6), -10.0, dtype=torch.float64)
    new, info = walk_step(state, noise, log_uniform, 0.3, metric)
    assert not info.is_accepted[:, ::2].any()
    assert info.is_accepted[:, 1::2].all()
    assert (info.acceptance[:, ::2] == 0.0).all()
    for got, old in zip(new, state, strict=True):
        assert torch.isfinite(got).all()
        assert torch.equal(got[:, ::2], old[:, ::2])


@both_metrics
def test_chains_stay_inside_the_support(make, random_seed):
    metric = make(random_seed)
    z, info = sample_random_walk(
        metric, [spread(200, 6), spread(100, 6)], [stream(1), stream(2)], n_steps=20, step_size=4.0
    )
    assert (info["acceptance_rate"] < 0.9).all()
    for k, (n, x) in enumerate(zip((200, 100), z, strict=True)):
        assert x.shape == (n, 2)
        inside = metric_log_density(metric)(torch.stack([x, x]))[0][k]
        assert torch.isfinite(inside).all()


@both_metrics
def test_step_size_is_adapted(make, random_seed):
    metric = make(random_seed, n_centroids=30)
    _, info = sample_random_walk(
        metric, [spread(300, 30), spread(100, 30)], [stream(1), stream(2)], n_steps=150
    )
    # The averaged step lags behind the last ones by a few per cent.
    assert ((info["acceptance_rate"] - 0.3).abs() < 0.07).all()
    assert (info["divergence_rate"] == 0.0).all()
    assert (info["step_size"] > 0.0).all()
