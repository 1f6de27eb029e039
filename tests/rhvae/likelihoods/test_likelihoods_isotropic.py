"""The observation model of images: one scale for all pixels."""

import math

import pytest
import torch
from shared import draw, stream

from sklearn_pyraug.rhvae.likelihoods import IsotropicLikelihood

K, B, D = 2, 5, 3


def test_gradient_by_the_scale(random_seed):
    """It counts every pixel: the number of scales is one, that of terms D."""
    likelihood = IsotropicLikelihood(K, D).double()
    with torch.no_grad():
        likelihood.raw_scale.copy_(0.5 * draw(random_seed, K, 1, 1) - 0.5)
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
