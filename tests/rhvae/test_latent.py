"""The codes with their metric, and each way to draw from them."""

import pytest
import torch
from shared import stream

from sklearn_pyraug.rhvae import (
    METRICS,
    SAMPLERS,
    Architecture,
    FlowSettings,
    SamplerSettings,
    build_stack,
)
from sklearn_pyraug.rhvae.latent import Latent, make_latent, sample_latent
from sklearn_pyraug.rhvae.metric.learned import Metric, make_metric
from sklearn_pyraug.rhvae.metric.posterior import PosteriorMetric, make_posterior_metric
from sklearn_pyraug.rhvae.metric.scales import auto_regularization, metric_scale
from sklearn_pyraug.rhvae.networks.mlp import Posterior

K, N, d = 2, 7, 3
SIZES = (7, 4)
# That of independent proposals draws them from the covariances of one metric alone.
WAYS = [(s, m) for s in SAMPLERS for m in METRICS if m == "posterior" or s != "independent_mh"]


def draw(seed, *shape):
    return torch.randn(*shape, generator=stream(seed))


def some_parts(seed=0, **flow):
    """Return a posterior, L, the mask and a stack with settings."""
    mask = torch.zeros(K, N)
    for k, n in enumerate(SIZES):
        mask[k, :n] = 1.0
    posterior = Posterior(draw(seed, K, N, d), 0.3 * draw(seed + 1, K, N, d) - 2.0)
    L = torch.tril(0.3 * draw(seed + 2, K, N, d, d)) + torch.eye(d)
    flow = FlowSettings(latent_dim=d, **flow)
    stack = build_stack(Architecture(4), flow, [stream(k) for k in range(K)])
    return posterior, L, mask, stack


def some_latent(kind="learned", seed=0, **flow):
    posterior, L, mask, stack = some_parts(seed, **flow)
    return make_latent(posterior, L if kind == "learned" else None, mask, stack)


# --- the metric ----------------------------------------------------------------------------


def test_learned_metric_is_that_of_the_settings():
    posterior, L, mask, stack = some_parts(temperature=0.7, regularization=0.03)
    latent = make_latent(posterior, L, mask, stack)
    truth = make_metric(posterior.mu, L, mask, torch.full((K, 1, 1), 0.7), 0.03)
    assert isinstance(latent.metric, Metric)
    for name, value in truth._asdict().items():
        torch.testing.assert_close(getattr(latent.metric, name), value)
    assert torch.equal(latent.c, posterior.mu)
    assert torch.equal(latent.log_var, posterior.log_var)


def test_posterior_metric_is_that_of_the_covariances():
    posterior, L, mask, stack = some_parts(regularization=0.03)
    latent = make_latent(posterior, None, mask, stack)
    truth = make_posterior_metric(*posterior, mask, 0.03)
    assert isinstance(latent.metric, PosteriorMetric)
    for name, value in truth._asdict().items():
        torch.testing.assert_close(getattr(latent.metric, name), value)


@pytest.mark.parametrize("auto_lam", [False, True])
def test_scales_of_the_learned_metric(auto_lam, random_seed):
    flow = {"temperature": 0.7, "rescale_regularization": auto_lam}
    posterior, L, mask, stack = some_parts(random_seed, **flow)
    metric = make_latent(posterior, L, mask, stack).metric
    T = torch.full((K, 1, 1), 0.7)
    scale = metric_scale((L @ L.mT).flatten(2), mask).median()
    lam = auto_regularization(d, float(scale)) if auto_lam else 0.01
    assert metric.lam == pytest.approx(lam, rel=1e-5)
    truth = make_metric(posterior.mu, L, mask, T, lam)
    torch.testing.assert_close(metric.slope, truth.slope)
    torch.testing.assert_close(metric.offset, truth.offset)


def test_regularization_of_the_posterior_metric_follows_from_the_covariances(random_seed):
    posterior, L, mask, stack = some_parts(random_seed, rescale_regularization=True)
    metric = make_latent(posterior, None, mask, stack).metric
    # det(Σ)^(−1/d) of every code, and padding is none.
    scales = torch.exp(-posterior.log_var.mean(-1))[mask.bool()].sort().values
    assert float(metric.lam) == pytest.approx(
        auto_regularization(d, float(scales[(len(scales) - 1) // 2])), rel=1e-5
    )


def test_padding_does_not_count():
    """Whatever the padding of a short class holds."""
    posterior, L, mask, stack = some_parts(rescale_regularization=True)
    wild = Posterior(posterior.mu.clone(), posterior.log_var.clone())
    wild.mu[1, 4:], wild.log_var[1, 4:] = 50.0, 9.0
    wild_L = L.clone()
    wild_L[1, 4:] *= 100.0
    for kind in METRICS:
        is_learned = kind == "learned"
        got = make_latent(wild, wild_L if is_learned else None, mask, stack).metric
        truth = make_latent(posterior, L if is_learned else None, mask, stack).metric
        torch.testing.assert_close(torch.as_tensor(got.lam), torch.as_tensor(truth.lam))
        width = "T" if kind == "learned" else "rho"
        torch.testing.assert_close(getattr(got, width), getattr(truth, width))


@pytest.mark.parametrize("kind", METRICS)
def test_map_reaches_every_tensor(kind):
    latent = some_latent(kind)
    double = latent.map(lambda t: t.double())
    assert isinstance(double, Latent)
    assert type(double.metric) is type(latent.metric)
    for value in (*double.metric, double.c, double.log_var):
        assert not torch.is_tensor(value) or value.dtype == torch.float64


# --- draws ---------------------------------------------------------------------------------


def draws(latent, start, seed=0, **settings):
    settings = SamplerSettings(**{"n_steps": 6, "n_leapfrog": 3} | settings)
    streams = [stream(seed + k) for k in range(len(start))]
    z, own, info = sample_latent(latent, start, streams, settings)
    if settings.sampler != "independent_mh":
        assert all(torch.equal(a, b) for a, b in zip(own, start, strict=True))
    return z, own, info


@pytest.mark.parametrize(("sampler", "metric"), WAYS)
@pytest.mark.parametrize("counts", [(20, 5), (3, 0), (0, 0)])
def test_every_way_to_draw(sampler, metric, counts):
    latent = some_latent(metric)
    start = [torch.arange(n) % size for n, size in zip(counts, SIZES, strict=True)]
    z, own, info = draws(latent, start, sampler=sampler)
    assert [v.shape for v in own] == [v.shape for v in start]
    assert [tuple(v.shape) for v in z] == [(n, d) for n in counts]
    for v in z:
        assert v.dtype == torch.float32
        assert torch.isfinite(v).all()
    names = {"acceptance_rate"}
    if sampler != "independent_mh":  # whose proposals are independent of where the chain is
        names |= {"divergence_rate", "step_size"}
    for name in names:
        assert info[name].shape == (K,)
        assert torch.isfinite(info[name]).all()
    expected = {"hmc": {"energy_error", "autocorrelation"}}
    expected |= dict.fromkeys(("random_walk", "independent_mh"), {"autocorrelation"})
    assert set(info) == names | expected.get(sampler, set())
    for name in set(info) - names:
        # A class that draws nothing has none.
        own = torch.tensor(counts) > 0
        assert len(info[name]) == K
        assert torch.isfinite(info[name][own]).all()
        assert info[name][~own].isnan().all()


@pytest.mark.parametrize(("sampler", "metric"), WAYS)
def test_draws_are_those_of_their_streams(sampler, metric):
    latent, start = some_latent(metric), [torch.arange(7), torch.arange(4)]
    (one, *_), (two, *_), (other, *_) = (
        draws(latent, start, s, sampler=sampler) for s in (0, 0, 9)
    )
    for a, b, c in zip(one, two, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


@pytest.mark.parametrize(("sampler", "metric"), WAYS)
def test_draws_belong_to_their_codes(sampler, metric):
    """Codes that lie far apart are told from each other; the prior knows none."""
    posterior, L, mask, stack = some_parts()
    far = Posterior(30.0 * posterior.mu, posterior.log_var)
    latent = make_latent(far, L if metric == "learned" else None, mask, stack)
    start = [torch.tensor([3, 0, 3, 6]), torch.tensor([2, 1])]
    # Of small steps: the kernel of the posterior's covariances is as wide as codes are apart.
    z, own, _ = draws(latent, start, sampler=sampler, step_size=0.02)
    for k, s in enumerate(own):
        # A geodesic leads from a code to a neighbour: it passes by other codes.
        nearest = torch.cdist(z[k], far.mu[k, : SIZES[k]]).argmin(1)
        if sampler not in ("geodesic", "prior"):
            assert nearest.tolist() == s.tolist()
        elif sampler == "prior":
            assert z[k].norm(dim=1).max() < 8.0


@pytest.mark.parametrize(("sampler", "metric"), WAYS)
def test_draws_of_a_class_do_not_depend_on_the_others(sampler, metric):
    """Neither on the number of their chains nor on whether they draw at all."""
    latent, start = some_latent(metric).map(lambda t: t.double()), torch.arange(40) % N
    alone = latent.map(lambda t: t[:1])
    results = [
        draws(latent, [start, torch.arange(n) % SIZES[1]], sampler=sampler) for n in (0, 5, 300)
    ]
    results.append(draws(alone, [start], sampler=sampler))
    for z, own, info in results[:-1]:
        torch.testing.assert_close(z[0], results[-1][0][0])
        assert torch.equal(own[0], results[-1][1][0])
        torch.testing.assert_close({k: v[:1] for k, v in info.items()}, results[-1][2])


def test_step_sizes_and_steps_reach_the_chains():
    latent, start = some_latent(), [torch.arange(7), torch.arange(4)]
    for sampler in ("hmc", "random_walk"):
        fixed, _, info = draws(latent, start, sampler=sampler, step_size=1e-6)
        torch.testing.assert_close(info["step_size"], torch.full((K,), 1e-6))
        for k in range(K):
            torch.testing.assert_close(fixed[k], latent.c[k, start[k]], rtol=0.0, atol=1e-3)
        few, many = (draws(latent, start, sampler=sampler, n_steps=n)[0] for n in (2, 8))
        assert not torch.equal(few[0], many[0])
    few, many = (draws(latent, start, n_leapfrog=n, step_size=0.05)[0] for n in (1, 5))
    assert not torch.equal(few[0], many[0])
