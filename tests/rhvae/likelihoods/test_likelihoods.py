"""Observation models, compared with torch.distributions, autograd and their own moments."""

import math

import pytest
import torch
from shared import draw, stream
from torch.distributions import Bernoulli, Binomial, Normal

from sklearn_pyraug.rhvae.likelihoods import (
    BernoulliLikelihood,
    BinomialLikelihood,
    GaussianLikelihood,
    IsotropicLikelihood,
)
from sklearn_pyraug.rhvae.model import LIKELIHOODS

K, B, D = 2, 5, 3
# The mixed one has tests of its own, in test_likelihoods_mixed.
NAMES = ["gaussian", "bernoulli", "binomial"]


def normal(kind, seed):
    """Return a likelihood of normal noise with scales drawn at random."""
    likelihood = kind(K, D).double()
    with torch.no_grad():
        likelihood.raw_scale.copy_(0.5 * draw(seed, *likelihood.raw_scale.shape) - 0.5)
    return likelihood


both_normal = pytest.mark.parametrize("kind", [GaussianLikelihood, IsotropicLikelihood])


@both_normal
def test_log_prob_is_the_normal_one(kind, random_seed):
    likelihood = normal(kind, random_seed)
    x, theta = draw(random_seed + 1, K, B, D), draw(random_seed + 2, K, B, D)
    scale = torch.sqrt(0.05**2 + torch.exp(2.0 * likelihood.raw_scale))
    truth = Normal(theta, scale.expand_as(x)).log_prob(x).sum(-1)
    torch.testing.assert_close(likelihood.log_prob(x, theta), truth)


def test_bernoulli_log_prob_is_the_bernoulli_one(random_seed):
    likelihood = BernoulliLikelihood(K, D)
    theta = 3.0 * draw(random_seed, K, B, D)
    x = (draw(random_seed + 1, K, B, D) > 0).double()
    truth = Bernoulli(logits=theta).log_prob(x).sum(-1)
    torch.testing.assert_close(likelihood.log_prob(x, theta), truth)


def test_bernoulli_log_prob_of_grey_values_is_linear_in_x(random_seed):
    likelihood = BernoulliLikelihood(K, D)
    theta = 3.0 * draw(random_seed, K, B, D)
    black, white = torch.zeros_like(theta), torch.ones_like(theta)
    got = likelihood.log_prob(0.25 * white, theta)
    truth = 0.75 * likelihood.log_prob(black, theta) + 0.25 * likelihood.log_prob(white, theta)
    torch.testing.assert_close(got, truth)


@both_normal
def test_normal_sample_moments(kind, random_seed):
    n, likelihood = 20_000, normal(kind, random_seed)
    theta = draw(random_seed + 1, K, 1, D).expand(K, n, D)
    noise = torch.rand(K, n, D, generator=stream(random_seed), dtype=torch.float64)
    x = likelihood.sample(theta, noise)
    var = likelihood.variance().squeeze(1)
    # Standard errors: of a mean s / sqrt(n), of a variance s² sqrt(2 / n). The clamped tails
    # of the uniform take 5e-5 of the variance, far below.
    assert ((x.mean(1) - theta[:, 0]).abs() < 5.0 * (var / n).sqrt()).all()
    assert ((x.var(1) - var).abs() < 5.0 * var * math.sqrt(2.0 / n)).all()
    torch.testing.assert_close(likelihood.mean(theta), theta)
    torch.testing.assert_close(likelihood.inverse_link(theta), theta)


def test_bernoulli_sample_moments(random_seed):
    n, likelihood = 20_000, BernoulliLikelihood(K, D)
    theta = draw(random_seed + 1, K, 1, D).expand(K, n, D)
    x = likelihood.sample(theta, torch.rand(K, n, D, generator=stream(random_seed)))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    p = likelihood.mean(theta)[:, 0]
    torch.testing.assert_close(p, torch.sigmoid(theta[:, 0]))
    assert ((x.mean(1) - p).abs() < 5.0 * (p * (1.0 - p) / n).sqrt()).all()


def test_binomial_log_prob_is_the_binomial_one_without_coefficients(random_seed):
    likelihood = BinomialLikelihood(K, D)
    n, theta = likelihood.n_trials, draw(random_seed, K, B, D)
    counts = torch.randint(0, n + 1, (K, B, D), generator=stream(random_seed)).double()
    coefficients = torch.lgamma(torch.tensor(n + 1.0).double()) - torch.lgamma(counts + 1.0)
    coefficients = coefficients - torch.lgamma(n - counts + 1.0)
    truth = (Binomial(n, logits=theta).log_prob(counts) - coefficients).sum(-1)
    torch.testing.assert_close(likelihood.log_prob(counts / n, theta), truth)


def test_binomial_sample_moments(random_seed):
    n, likelihood = 20_000, BinomialLikelihood(K, D)
    theta = draw(random_seed + 1, K, 1, D).expand(K, n, D)
    x = likelihood.sample(theta, torch.rand(K, n, D, generator=stream(random_seed)))
    shares = torch.arange(likelihood.n_trials + 1) / likelihood.n_trials
    torch.testing.assert_close(x.unique().float(), shares)
    p = likelihood.mean(theta)[:, 0]
    var = p * (1.0 - p) / likelihood.n_trials
    assert ((x.mean(1) - p).abs() < 5.0 * (var / n).sqrt()).all()
    # A variance's standard error is at most that of a coin's, whose fourth moment is larger.
    assert ((x.var(1) - var).abs() < 5.0 * (p * (1.0 - p)) / n**0.5).all()


@pytest.mark.parametrize("name", NAMES)
def test_start_is_the_best_constant_prediction(name, random_seed):
    """The gradient of the mean log-density by theta vanishes at the start."""
    rows = [torch.rand(n, D, generator=stream(random_seed + n)) for n in (40, 60)]
    likelihood = LIKELIHOODS[name](K, D)
    theta = likelihood.start_at(rows)
    assert theta.shape == (K, D)
    for k, x in enumerate(rows):
        mean = likelihood.mean(theta.unsqueeze(1))[k, 0]
        # Laplace's rule moves a Bernoulli mean by at most 1/2 / (n + 1).
        torch.testing.assert_close(mean, x.mean(0), rtol=0.0, atol=0.5 / len(x))
    if name == "gaussian":
        truth = torch.stack([x.var(0, correction=0) for x in rows]) + likelihood.min_scale**2
        torch.testing.assert_close(likelihood.variance().squeeze(1), truth)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 1.0, 1e25])
def test_start_from_constant_or_huge_rows_is_finite(name, value):
    """Rows of 1e25 have a variance beyond float32, which must not get into the weights."""
    likelihood = LIKELIHOODS[name](1, D)
    rows = torch.full((6, D), value)
    rows[0] = -value
    if name != "gaussian":
        rows = torch.full((6, D), min(value, 1.0))
    assert torch.isfinite(likelihood.start_at([rows])).all()
    assert all(torch.isfinite(p).all() for p in likelihood.parameters())


@pytest.mark.parametrize("edge", [0.0, 1.0 - 2.0**-24])
def test_gaussian_sample_of_extreme_noise_is_finite(edge):
    likelihood = GaussianLikelihood(K, D)
    noise = torch.full((K, B, D), edge)
    assert torch.isfinite(likelihood.sample(torch.zeros(K, B, D), noise)).all()


def test_gaussian_density_stays_bounded_for_a_constant_column():
    """A column that is constant within a class draws its scale to 0; the floor holds."""
    likelihood = GaussianLikelihood(1, 1)
    x = torch.zeros(1, B, 1)
    bound = -math.log(likelihood.min_scale * math.sqrt(2.0 * math.pi))
    optimizer = torch.optim.SGD(likelihood.parameters(), lr=1.0)
    for raw in (-1.0, -10.0, -100.0, -1000.0):
        with torch.no_grad():
            likelihood.raw_scale.fill_(raw)
        for _ in range(5):
            optimizer.zero_grad()
            loss = -likelihood.log_prob(x, x).mean()
            loss.backward()
            assert torch.isfinite(likelihood.raw_scale.grad).all()
            optimizer.step()
            # One part in 1e6 for float32.
            assert -loss.item() <= bound * (1.0 + 1e-6)
    assert -loss.item() == pytest.approx(bound, rel=1e-5)


def test_gaussian_of_a_huge_scale_stays_finite():
    likelihood = GaussianLikelihood(1, 1)
    with torch.no_grad():
        likelihood.raw_scale.fill_(1000.0)
    assert torch.isfinite(likelihood.log_prob(torch.ones(1, B, 1), torch.zeros(1, B, 1))).all()
