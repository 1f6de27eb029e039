"""Energy error and autocorrelation of Markov chains, against chains of known memory."""

import math

import numpy as np
import pytest
import torch
from shared import stream

from sklearn_pyraug.rhvae.latent import _merge
from sklearn_pyraug.rhvae.metric.learned import make_metric
from sklearn_pyraug.rhvae.samplers import sample_hmc, sample_random_walk
from sklearn_pyraug.rhvae.samplers.diagnostics import Trace, autocorrelation, followed_chains

d = 2


def autoregressive(rho, n_steps, n_chains, seed):
    """Return stationary chains z(s + 1) = rho z(s) + (1 − rho²)^½ noise, of one class."""
    noise = torch.randn(n_steps, 1, n_chains, d, generator=stream(seed), dtype=torch.float64)
    z = [noise[0]]
    for e in noise[1:]:
        z.append(rho * z[-1] + math.sqrt(1.0 - rho**2) * e)
    return torch.stack(z)


def some_metric(n_classes=2, n_centroids=6):
    c = torch.randn(2, n_centroids, d, generator=stream(3), dtype=torch.float64)[:n_classes]
    L = torch.eye(d, dtype=c.dtype).expand(*c.shape, d)
    T = torch.full((n_classes, 1, 1), 0.8, dtype=c.dtype)
    return make_metric(c, L, torch.ones(c.shape[:2], dtype=c.dtype), T, 0.05)


def hmc(counts=(60, 60), **options):
    start = [torch.arange(n) % 6 for n in counts]
    streams = [stream(1 + k) for k in range(len(counts))]
    options = {"n_steps": 30, "n_leapfrog": 4} | options
    return sample_hmc(some_metric(len(counts)), start, streams, **options)[1]


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_autocorrelation_is_that_of_an_autoregressive_chain(rho, random_seed):
    n_chains = 250
    R = autocorrelation(autoregressive(rho, 60, n_chains, random_seed), torch.ones(1, n_chains))
    assert R.shape == (1, 51)
    # Chains are independent, each with two coordinates: 5 / sqrt(n_chains) is generous.
    truth = rho ** torch.arange(51, dtype=torch.float64)
    assert (R[0] - truth).abs().max() < 5.0 / math.sqrt(n_chains)
    assert R[0, 0] == pytest.approx(1.0)


def test_chains_that_stay_in_their_modes_do_not_mix(random_seed):
    """Each alone looks independent from step to step; about the mean of all of them it is not."""
    z = autoregressive(0.0, 40, 100, random_seed)
    z[:, :, ::2] += 30.0
    assert autocorrelation(z, torch.ones(1, 100))[0].min() > 0.95


def test_it_does_not_depend_on_axes_or_padding(random_seed):
    z = autoregressive(0.7, 30, 20, random_seed)
    z[..., 1] *= 3.0
    R = autocorrelation(z, torch.ones(1, 20))
    angle = torch.tensor(0.6, dtype=torch.float64)
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    torch.testing.assert_close(autocorrelation(z @ rotation + 5.0, torch.ones(1, 20)), R)
    padded = torch.cat([z, torch.full_like(z, 99.0)], 2)
    mask = torch.cat([torch.ones(1, 20), torch.zeros(1, 20)], 1)
    torch.testing.assert_close(autocorrelation(padded, mask), R)


def test_what_does_not_vary_has_no_correlation():
    z = torch.zeros(5, 2, 3, d)
    assert autocorrelation(z, torch.tensor([[1.0, 1, 1], [0, 0, 0]])).isnan().all()
    assert Trace([3, 2], z).autocorrelation().isnan().all()


def test_a_bounded_number_of_chains_is_followed():
    index, mask = followed_chains([1000, 3, 0])
    assert mask.sum(1).tolist() == [256, 3, 0]
    assert index[0].unique().numel() == 256
    assert index[0].max() >= 990
    assert index[1, :3].tolist() == [0, 1, 2]
    trace = Trace([1000, 3, 0], torch.zeros(1))
    for _ in range(300):
        trace.add(torch.randn(3, 1000, d, generator=stream(0)))
    assert trace.autocorrelation().shape == (3, 51)


def test_the_energy_error_falls_with_the_square_of_the_step():
    """A leapfrog trajectory of one length is off by the square of its steps."""
    errors = [
        hmc((200,), step_size=0.16 / n, n_leapfrog=n)["energy_error"].item() for n in (2, 4, 8)
    ]
    for coarse, fine in zip(errors, errors[1:], strict=False):
        assert coarse / fine == pytest.approx(4.0, rel=0.1)


def test_the_energy_error_is_that_of_the_acceptance():
    """A mean of |ΔH| bounds how much is rejected: 1 − min(1, exp(−ΔH)) is at most |ΔH|."""
    info = hmc(step_size=0.2)
    rejected = 1.0 - info["acceptance_rate"]
    regular = 1.0 - info["divergence_rate"]
    assert (rejected <= info["energy_error"] * regular + info["divergence_rate"] + 1e-9).all()
    assert (info["energy_error"] > 0).all()


def test_a_chain_that_hardly_moves_remembers_all():
    start = [torch.arange(60) % 6]
    options = {"n_steps": 20, "step_size": 1e-4}
    info = sample_random_walk(some_metric(1), start, [stream(1)], **options)[1]
    assert info["autocorrelation"][0, 1:].min() > 0.999
    assert "energy_error" not in info
    moving = sample_random_walk(some_metric(1), start, [stream(1)], n_steps=60)[1]
    assert moving["autocorrelation"][0, 20] < 0.9


def test_a_step_that_adapts_is_not_measured():
    """Chains of a single step were said to have rejected all."""
    walk = sample_random_walk(some_metric(1), [torch.arange(6)], [stream(1)], n_steps=1)[1]
    for info in (hmc(n_steps=1), walk):
        assert info["acceptance_rate"].isnan().all()


def test_of_chunks_the_error_is_the_mean_over_regular_proposals():
    nan = math.nan
    infos = [
        {
            "divergence_rate": torch.tensor([0.0, 0.5, 1.0]),
            "energy_error": torch.tensor([1, 2, nan]),
        },
        {
            "divergence_rate": torch.tensor([0.5, 0.0, 1.0]),
            "energy_error": torch.tensor([4, 8, nan]),
        },
    ]
    error = _merge(infos, torch.tensor([[10.0, 10.0], [10.0, 5.0], [3.0, 1.0]]))["energy_error"]
    np.testing.assert_allclose(error, [(10 * 1 + 5 * 4) / 15, (5 * 2 + 5 * 8) / 10, nan])
