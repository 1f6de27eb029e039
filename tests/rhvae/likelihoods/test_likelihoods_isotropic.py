"""The observation model of images: one scale for all pixels."""

import math

import pytest
import torch
from shared import draw, stream
from torch.distributions import Normal

from sklearn_pyraug.rhvae.likelihoods import IsotropicLikelihood
from sklearn_pyraug.rhvae.model import LIKELIHOODS

K, B, D = 2, 5, 3


def isotropic(seed, n_features=D):
    likelihood = IsotropicLikelihood(K, n_features).double()
    with torch.no_grad():
        likelihood.raw_scale.copy_(0.5 * draw(seed, K, 1, 1) - 0.5)
    return likelihood


def test_it_goes_by_its_name():
    assert LIKELIHOODS["isotropic"] is IsotropicLikelihood


def test_log_prob_is_the_normal_one_with_one_scale(random_seed):
    likelihood = isotropic(random_seed)
    x, theta = draw(random_seed + 1, K, B, D), draw(random_seed + 2, K, B, D)
    scale = torch.sqrt(0.05**2 + torch.exp(2.0 * likelihood.raw_scale))
    truth = Normal(theta, scale.expand_as(x)).log_prob(x).sum(-1)
    torch.testing.assert_close(likelihood.log_prob(x, theta), truth)


def test_gradient_by_the_scale(random_seed):
    """It counts every pixel: the number of scales is one, that of terms D."""
    likelihood = isotropic(random_seed)
    x, theta = draw(random_seed + 1, K, B, D), draw(random_seed + 2, K, B, D)
    (got,) = torch.autograd.grad(likelihood.log_prob(x, theta).sum(), likelihood.raw_scale)
    var, squares = likelihood.variance(), (x - theta).square().sum((1, 2), keepdim=True)
    # d/d var of −½ (Σ (x − θ)² / var + B D log var), and d var / d raw = 2 exp(2 raw).
    by_var = 0.5 * (squares / var.square() - B * D / var)
    torch.testing.assert_close(got, by_var * 2.0 * torch.exp(2.0 * likelihood.raw_scale))


def test_it_starts_at_the_spread_about_the_mean_row(random_seed):
    rows = [torch.rand(n, D, generator=stream(random_seed)) for n in (30, 7)]
    rows[1][:, 1:] = 0.4  # black in all training images
    likelihood = IsotropicLikelihood(K, D)
    theta = likelihood.start_at(rows)
    for k, x in enumerate(rows):
        torch.testing.assert_close(theta[k], x.mean(0))
        spread = (x - x.mean(0)).square().mean().sqrt()
        torch.testing.assert_close(likelihood.raw_scale[k].exp().squeeze(), spread)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_images_that_are_all_alike_have_the_smallest_scale(value):
    likelihood = IsotropicLikelihood(1, D)
    likelihood.start_at([torch.full((4, D), value)])
    # The floor, and the scale, which starts no lower than it: √2 times the floor.
    torch.testing.assert_close(likelihood.variance().sqrt().item(), math.sqrt(2.0) * 0.05)


def test_sample_moments(random_seed):
    n, likelihood = 20_000, isotropic(random_seed)
    theta = draw(random_seed + 1, K, 1, D).expand(K, n, D)
    noise = torch.rand(K, n, D, generator=stream(random_seed), dtype=torch.float64)
    x, var = likelihood.sample(theta, noise), likelihood.variance().squeeze(1)
    # Standard errors: of a mean s / sqrt(n), of a variance s² sqrt(2 / n).
    assert ((x.mean(1) - theta[:, 0]).abs() < 5.0 * (var / n).sqrt()).all()
    assert ((x.var(1) - var).abs() < 5.0 * var * math.sqrt(2.0 / n)).all()
    torch.testing.assert_close(likelihood.mean(theta), theta)
    torch.testing.assert_close(likelihood.inverse_link(theta), theta)
