"""Hamiltonian Monte Carlo against known moments, and the adaptation of its step."""

import math

import pytest
import torch
from shared import spread, stream

from sklearn_pyraug.rhvae.metric.learned import make_metric
from sklearn_pyraug.rhvae.metric.posterior import make_posterior_metric
from sklearn_pyraug.rhvae.samplers import (
    hmc_init,
    hmc_step,
    metric_log_density,
    n_adaptation_steps,
    sample_hmc,
)
from sklearn_pyraug.rhvae.samplers.adaptation import dual_averaging_init, dual_averaging_update

REACH = 4.0  # of the support, in units of T; see the module's docstring


def run(target, z, generator, step_size, n_leapfrog, n_steps):
    """Run chains in float64; returns the last state and the mean acceptance per class."""
    state, acceptance = hmc_init(z, target), []
    for _ in range(n_steps):
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype)
        log_uniform = torch.rand(z.shape[:2], generator=generator, dtype=z.dtype).log()
        state, info = hmc_step(state, noise, log_uniform, step_size, n_leapfrog, target)
        acceptance.append(info.acceptance.mean(1))
    return state, torch.stack(acceptance).mean(0)


def by_autograd(log_density):
    """Return z -> (log density, gradient) of a function given by its density alone."""

    def both(z):
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            value = log_density(z)
            (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), gradient

    return both


def test_hmc_has_the_moments_of_a_gaussian_mixture(random_seed):
    """Mean, second moments and the share of the first component, from a start in the wrong one."""
    n = 4000
    share = torch.tensor([0.7, 0.3], dtype=torch.float64)
    mean = torch.tensor([[-1.0, 0.0], [1.5, 0.5]], dtype=torch.float64)
    var = torch.tensor([[1.0, 0.5], [0.6, 1.2]], dtype=torch.float64)

    def log_components(z):
        square = (z.unsqueeze(-2) - mean).square() / var + torch.log(2.0 * math.pi * var)
        return share.log() - 0.5 * square.sum(-1)

    target = by_autograd(lambda z: torch.logsumexp(log_components(z), -1))
    start = mean[1].expand(1, n, 2).clone()
    z = run(target, start, stream(random_seed), 0.3, 6, 60)[0].z[0]

    def check(statistic, truth):
        # The chains are independent: 5 * std / sqrt(n_chains).
        error = 5.0 * statistic.std(0) / math.sqrt(n)
        assert ((statistic.mean(0) - truth).abs() < error).all()

    true_mean = share @ mean
    check(z, true_mean)
    second = torch.einsum("m,mi,mj->ij", share, mean, mean) + torch.diag(share @ var)
    check((z.unsqueeze(-1) * z.unsqueeze(-2)).flatten(1), second.flatten())
    # The expectation of a component's responsibility is its share.
    check(torch.softmax(log_components(z), -1)[:, 0], share[0])


def test_metropolis_test_corrects_a_coarse_step(random_seed):
    """At a step near the limit of stability the variance is right only with rejections."""
    n = 4000
    target = by_autograd(lambda z: -0.5 * z.square().sum(-1))
    start = torch.randn(1, n, 2, generator=stream(random_seed), dtype=torch.float64)
    state, acceptance = run(target, start, stream(random_seed + 1), 1.6, 3, 20)
    assert 0.3 < acceptance.item() < 0.9
    square = state.z[0].square()
    # var(z²) = 2 for a standard normal z.
    assert ((square.mean(0) - 1.0).abs() < 5.0 * math.sqrt(2.0 / n)).all()


def test_energy_error_of_an_accurate_step_vanishes():
    target = by_autograd(lambda z: -0.5 * z.square().sum(-1))
    state = hmc_init(torch.ones(2, 3, 2, dtype=torch.float64), target)
    noise = torch.randn(2, 3, 2, generator=stream(0), dtype=torch.float64)
    log_uniform = torch.full((2, 3), -1e-3, dtype=torch.float64)
    new, info = hmc_step(state, noise, log_uniform, 1e-3, 5, target)
    assert info.energy_error.abs().max() < 1e-6
    assert info.is_accepted.all()
    assert not info.is_divergent.any()
    torch.testing.assert_close(new.z, state.z + 5e-3 * noise, rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_densities_are_rejected(bad, random_seed):
    """Half of the plane has no density: no chain enters it, and none becomes NaN."""

    def target(z):
        outside = z[..., 0] > 0.0
        value = torch.where(outside, bad, -0.5 * z.square().sum(-1))
        return value, torch.where(outside.unsqueeze(-1), torch.nan, -z)

    state = hmc_init(torch.full((2, 500, 2), -0.5, dtype=torch.float64), target)
    generator = stream(random_seed)
    n_rejected = 0
    for _ in range(10):
        noise = torch.randn(2, 500, 2, generator=generator, dtype=torch.float64)
        log_uniform = torch.rand(2, 500, generator=generator, dtype=torch.float64).log()
        new, info = hmc_step(state, noise, log_uniform, 0.7, 2, target)
        rejected = ~info.is_accepted
        n_rejected += rejected.sum().item()
        for name in ("z", "log_density", "gradient"):
            assert torch.equal(getattr(new, name)[rejected], getattr(state, name)[rejected])
            assert torch.isfinite(getattr(new, name)).all()
        assert torch.isfinite(info.acceptance).all()
        assert (new.z[..., 0] <= 0.0).all()
        state = new
    assert n_rejected > 1000
    assert (state.z[..., 0] != -0.5).any()


def test_divergences_are_counted():
    target = by_autograd(lambda z: -1e4 * z.square().sum(-1))
    state = hmc_init(torch.zeros(1, 50, 2, dtype=torch.float64), target)
    noise = torch.randn(1, 50, 2, generator=stream(0), dtype=torch.float64)
    log_uniform = torch.full((1, 50), -1.0, dtype=torch.float64)
    new, info = hmc_step(state, noise, log_uniform, 1.0, 3, target)
    assert info.is_divergent.all()
    assert torch.equal(new.z, state.z)


def test_dual_averaging_reaches_its_target(random_seed):
    """Two classes whose widths differ by 10 each get their own step.

    Two leapfrog steps: with three, the step of acceptance 0.8 lies beside a resonance (three
    steps are half a period, after which the energy error is zero).
    """
    width = torch.tensor([0.5, 5.0], dtype=torch.float64).view(2, 1, 1)
    target = by_autograd(lambda z: -0.5 * (z / width).square().sum(-1))
    generator = stream(random_seed)
    noise = torch.randn(2, 300, 5, generator=generator, dtype=torch.float64)
    state = hmc_init(noise * width, target)
    tuner = dual_averaging_init(torch.full((2, 1, 1), 0.1, dtype=torch.float64))
    for _ in range(100):
        noise = torch.randn(2, 300, 5, generator=generator, dtype=torch.float64)
        log_uniform = torch.rand(2, 300, generator=generator, dtype=torch.float64).log()
        state, info = hmc_step(state, noise, log_uniform, tuner.log_step.exp(), 2, target)
        tuner = dual_averaging_update(tuner, info.acceptance.mean(1).view(2, 1, 1))
    step_size = tuner.log_step_mean.exp()
    _, acceptance = run(target, state.z, generator, step_size, 2, 30)
    # The averaged step lags behind the last ones by a few per cent.
    assert ((acceptance - 0.8).abs() < 0.07).all()
    # The problem is the same up to its unit of length, so the steps are as the widths.
    assert (step_size[1] / step_size[0]).item() == pytest.approx(10.0, rel=0.15)


# --- on a metric ---------------------------------------------------------------------------


def some_metric(seed, n_classes=2, n_centroids=6, d=2, temperature=0.8, lam=0.05):
    generator = stream(seed)
    c = torch.randn(n_classes, n_centroids, d, generator=generator, dtype=torch.float64)
    L = torch.tril(torch.randn(n_classes, n_centroids, d, d, generator=generator).double())
    L = L + 2.0 * torch.eye(d, dtype=torch.float64)
    T = torch.full((n_classes, 1, 1), temperature, dtype=torch.float64)
    return make_metric(c, L, torch.ones(n_classes, n_centroids).double(), T, lam)


def distance_to_centroids(z, c):
    return torch.cdist(z, c).amin(-1)


def learned_on_a_line():
    c = torch.tensor([[[-0.6], [0.4], [1.0]]], dtype=torch.float64)
    L = torch.tensor([1.5, 0.7, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    T = torch.full((1, 1, 1), 0.6, dtype=torch.float64)
    return make_metric(c, L, torch.ones(1, 3, dtype=torch.float64), T, 0.01)


def posterior_on_a_line():
    c = torch.tensor([[[-0.6], [0.4], [1.3]]], dtype=torch.float64)
    log_var = 2.0 * torch.tensor([[[0.6], [0.9], [0.5]]], dtype=torch.float64).log()
    return make_posterior_metric(c, log_var, torch.ones(1, 3).double(), 0.01)


@pytest.mark.parametrize("make", [learned_on_a_line, posterior_on_a_line])
def test_chains_have_the_moments_of_the_volume_density(make, random_seed):
    """In one dimension the density, its bounded support included, is integrated on a grid."""
    n, metric = 3000, make()
    grid = torch.linspace(-6.0, 6.0, 20_001, dtype=torch.float64).view(1, -1, 1)
    p = metric_log_density(metric)(grid)[0].exp().flatten()
    p, grid = p / p.sum(), grid.flatten()
    assert p[0] == p[-1] == 0.0
    (z,), info = sample_hmc(
        metric, [spread(n, 3)], [stream(random_seed)], n_steps=60, n_leapfrog=8, step_size=0.3
    )
    z = z.flatten()
    # The chains are independent: 5 * std / sqrt(n_chains), with the exact variances.
    for power in (1, 2):
        truth = (p * grid**power).sum()
        std = ((p * grid ** (2 * power)).sum() - truth**2).sqrt()
        assert abs(z.pow(power).mean() - truth) < 5.0 * std / math.sqrt(n)
    assert 0.8 < info["acceptance_rate"].item() <= 1.0


@pytest.mark.parametrize(("lam", "spread_", "floor"), [(0.01, 0.327, 0.002), (0.1, 1.144, 0.985)])
def test_how_far_the_volume_density_reaches_is_what_the_guide_says(lam, spread_, floor):
    """Around one code with M = I and T = 1 in ten dimensions, by its radius."""
    n = 10
    c, L = torch.zeros(1, 1, n).double(), torch.eye(n).double().view(1, 1, n, n)
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    metric = make_metric(c, L, one[0], one, lam)
    r = torch.linspace(1e-3, REACH, 20_001, dtype=torch.float64)
    z = torch.zeros(1, len(r), n, dtype=torch.float64)
    z[..., 0] = r
    p = torch.softmax(metric_log_density(metric)(z)[0][0] + (n - 1) * r.log(), 0)
    assert float((p @ r.square() / n).sqrt()) == pytest.approx(spread_, abs=1e-3)
    assert float(p[(-r.square()).exp() < lam].sum()) == pytest.approx(floor, abs=1e-3)


def test_codes_far_apart_are_drawn_as_often_as_chains_start_there(random_seed):
    """Not in proportion to the volumes of their kernels, here 1 to 100."""
    c = torch.tensor([[[0.0, 0.0], [30.0, 0.0]]], dtype=torch.float64)
    L = torch.tensor([1.0, 10.0], dtype=torch.float64).view(1, 2, 1, 1) * torch.eye(2)
    metric = make_metric(c, L, torch.ones(1, 2).double(), torch.ones(1, 1, 1).double(), 0.01)
    (z,), _ = sample_hmc(
        metric, [spread(400, 2)], [stream(random_seed)], n_steps=30, n_leapfrog=8, step_size=0.3
    )
    assert int((z[:, 0] > 15.0).sum()) == 200


def test_chains_stay_inside_the_support(random_seed):
    metric = some_metric(random_seed)
    start = [spread(200, 6), spread(100, 6)]
    z, info = sample_hmc(
        metric,
        start,
        [stream(1), stream(2)],
        n_steps=15,
        n_leapfrog=5,
        step_size=1.5,  # far too long, so that many proposals leave
    )
    assert (info["acceptance_rate"] < 0.95).all()
    for k in range(2):
        assert torch.isfinite(z[k]).all()
        assert (distance_to_centroids(z[k], metric.c[k]) <= REACH * 0.8 * (1.0 + 1e-9)).all()
        assert (z[k] != metric.c[k, start[k]]).any()


def test_step_size_is_adapted_on_a_metric(random_seed):
    metric = some_metric(random_seed, n_centroids=30)
    _, info = sample_hmc(
        metric,
        [spread(300, 30), spread(100, 30)],
        [stream(1), stream(2)],
        n_steps=120,
        n_leapfrog=5,
    )
    # 0.07 as for the Gaussian; the support's edge, which no step size avoids, takes a little.
    assert ((info["acceptance_rate"] - 0.8).abs() < 0.1).all()
    assert (info["divergence_rate"] <= 0.5).all()


def test_adaptation_takes_half_of_the_steps_but_not_more_than_it_needs():
    assert [n_adaptation_steps(n) for n in (1, 2, 30, 60, 100, 1000)] == [1, 1, 15, 30, 30, 30]
