"""The observation model of mixed columns, against torch.distributions, autograd and its draws."""

import pickle

import pytest
import torch
from shared import draw, stream
from torch.distributions import Bernoulli, Categorical, Normal

from sklearn_pyraug.rhvae.likelihoods import GaussianLikelihood, MixedLikelihood
from sklearn_pyraug.rhvae.likelihoods.mixed import Block, CodeLayout
from sklearn_pyraug.rhvae.model import LIKELIHOODS

K, B = 2, 5
G, M, C = slice(0, 3), slice(3, 5), [slice(5, 8), slice(8, 12)]
LAYOUTS = {
    "all kinds": CodeLayout(
        (
            Block("gaussian", 0, 3),
            Block("bernoulli", 3, 5),
            Block("categorical", 5, 8),
            Block("categorical", 8, 12),
        ),
        (-1, 4, 3),
    ),
    "no mask": CodeLayout((Block("gaussian", 0, 3), Block("bernoulli", 3, 5)), (-1, -1, -1)),
    "no gaussian": CodeLayout((Block("bernoulli", 0, 2), Block("categorical", 2, 5)), ()),
    "one category": CodeLayout((Block("categorical", 0, 4),), ()),
    "no categories": CodeLayout((Block("gaussian", 0, 2), Block("bernoulli", 2, 4)), (2, 3)),
}
FULL = LAYOUTS["all kinds"]


def mixed(seed, layout=FULL):
    likelihood = MixedLikelihood(K, layout.n_codes, layout).double()
    raw = likelihood.gaussian.raw_scale
    with torch.no_grad():
        raw.copy_(0.5 * draw(seed, *raw.shape) - 0.5)
    return likelihood


def rows(seed, layout=FULL, n=B):
    """Return coded rows: one-hot blocks, and 0 where an indicator is 1."""
    x = draw(seed, K, n, layout.n_codes)
    a, b = layout.span("bernoulli")
    x[..., a:b] = (x[..., a:b] > 0).double()
    for block in layout.blocks:
        if block.kind == "categorical":
            one = x[..., block.start : block.stop].argmax(-1)
            size = block.stop - block.start
            x[..., block.start : block.stop] = torch.nn.functional.one_hot(one, size).double()
    for j, i in enumerate(layout.indicators):
        if i >= 0:
            x[..., j] *= 1.0 - x[..., i]
    return x


def test_log_prob_is_the_sum_of_its_parts(random_seed):
    likelihood, x = mixed(random_seed), rows(random_seed + 1)
    theta = 2.0 * draw(random_seed + 2, *x.shape)
    scale = likelihood.gaussian.variance().sqrt()
    normal = Normal(theta[..., G], scale).log_prob(x[..., G])
    truth = normal[..., 0] + (1 - x[..., 4]) * normal[..., 1] + (1 - x[..., 3]) * normal[..., 2]
    truth = truth + Bernoulli(logits=theta[..., M]).log_prob(x[..., M]).sum(-1)
    for c in C:
        truth = truth + Categorical(logits=theta[..., c]).log_prob(x[..., c].argmax(-1))
    torch.testing.assert_close(likelihood.log_prob(x, theta), truth)


def test_a_value_that_is_not_there_does_not_count(random_seed):
    likelihood, x = mixed(random_seed), rows(random_seed + 1)
    theta = draw(random_seed + 2, *x.shape)
    other = theta.clone()
    other[..., 2] += 100.0 * x[..., 3]
    other[..., 1] -= 100.0 * x[..., 4]
    assert (x[..., 3:5] == 1.0).any()
    torch.testing.assert_close(likelihood.log_prob(x, other), likelihood.log_prob(x, theta))


def test_logits_far_apart_stay_finite():
    """One block's logits must not drown another's in float32."""
    likelihood = MixedLikelihood(1, 12, FULL)
    theta = torch.zeros(1, 1, 12)
    theta[..., 5:8] = torch.tensor([1000.0, 0.0, -1000.0])
    theta[..., 8:12] = torch.tensor([-2000.0, -2001.0, -2000.0, -3000.0])
    x = torch.zeros(1, 1, 12)
    x[..., [5, 8]] = 1.0
    expected = -torch.tensor([2.0 + torch.tensor(-1.0).exp()]).log()
    got = likelihood.log_prob(x, theta) - likelihood.log_prob(torch.zeros(1, 1, 12), theta)
    torch.testing.assert_close(got[0], expected, rtol=0.0, atol=1e-3)
    mean = likelihood.mean(theta)
    torch.testing.assert_close(mean[0, 0, 5:8], torch.tensor([1.0, 0.0, 0.0]))
    (gradient,) = torch.autograd.grad(likelihood.log_prob(x, theta.requires_grad_()).sum(), theta)
    assert torch.isfinite(gradient).all()


def test_sample_moments(random_seed):
    n, likelihood = 20_000, mixed(random_seed)
    theta = draw(random_seed + 1, K, 1, 12).expand(K, n, 12)
    noise = torch.rand(K, n, 12, generator=stream(random_seed), dtype=torch.float64)
    x, mean = likelihood.sample(theta, noise), likelihood.mean(theta)[:, 0]
    torch.testing.assert_close(mean[:, G], theta[:, 0, G])
    torch.testing.assert_close(mean[:, M], torch.sigmoid(theta[:, 0, M]))
    var = likelihood.gaussian.variance().squeeze(1)
    # Standard error of a mean: s / sqrt(n).
    assert ((x.mean(1)[:, G] - mean[:, G]).abs() < 5.0 * (var / n).sqrt()).all()
    p = mean[:, 3:]
    assert ((x.mean(1)[:, 3:] - p).abs() < 5.0 * (p * (1.0 - p) / n).sqrt()).all()
    assert set(x[..., 3:].unique().tolist()) == {0.0, 1.0}
    for c in C:
        torch.testing.assert_close(mean[:, c], torch.softmax(theta[:, 0, c], -1))
        assert (x[..., c].sum(-1) == 1.0).all()


@pytest.mark.parametrize("edge", [0.0, 1.0 - 2.0**-24])
def test_sample_of_extreme_noise_is_one_level(edge):
    likelihood = MixedLikelihood(1, 12, FULL)
    theta = torch.linspace(-40.0, 40.0, 12).expand(1, 3, 12)
    x = likelihood.sample(theta, torch.full((1, 3, 12), edge))
    assert torch.isfinite(x).all()
    for c in C:
        assert (x[..., c].sum(-1) == 1.0).all()


def test_start_is_the_best_constant_prediction(random_seed):
    data = [rows(random_seed + n, n=n)[0].float() for n in (40, 60)]
    likelihood = MixedLikelihood(K, 12, FULL)
    theta = likelihood.start_at(data)
    assert theta.shape == (K, 12)
    for k, x in enumerate(data):
        mean = likelihood.mean(theta.unsqueeze(1))[k, 0]
        # One more row is seen as half of each level of two, or as equal shares of all levels.
        torch.testing.assert_close(mean[3:], x.mean(0)[3:], rtol=0.0, atol=1.0 / len(x))
        for j, i in ((0, None), (1, 4), (2, 3)):
            seen = x[:, j] if i is None else x[x[:, i] == 0.0, j]
            torch.testing.assert_close(mean[j], seen.mean())
            variance = likelihood.gaussian.variance()[k, 0, j]
            torch.testing.assert_close(variance, seen.var(correction=0) + 0.05**2)


def test_start_without_a_value_or_with_one_level_is_finite():
    x = torch.zeros(6, 12)
    x[:, [3, 4, 5, 8]] = 1.0
    likelihood = MixedLikelihood(1, 12, FULL)
    theta = likelihood.start_at([x])
    assert torch.isfinite(theta).all()
    assert torch.isfinite(likelihood.gaussian.raw_scale).all()
    torch.testing.assert_close(likelihood.gaussian.variance()[0, 0, 1:], torch.full((2,), 1.0025))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_inverse_link_gives_back_the_reference_row(name):
    layout = (FULL,) if name == "mixed" else ()
    likelihood = LIKELIHOODS[name](K, 12, *layout)
    is_gaussian = isinstance(likelihood, GaussianLikelihood)
    r = rows(0).float() if is_gaussian or name == "mixed" else torch.rand(K, B, 12)
    mean = likelihood.mean(likelihood.inverse_link(r))
    if is_gaussian:
        torch.testing.assert_close(mean, r)
    elif name == "mixed":
        torch.testing.assert_close(mean[..., G], r[..., G])
        torch.testing.assert_close(mean[..., M], r[..., M].clamp(0.05, 0.95))
        for c, n_levels in zip(C, (3, 4), strict=True):
            torch.testing.assert_close(mean[..., c], 0.9 * r[..., c] + 0.1 / n_levels)
    else:
        torch.testing.assert_close(mean, r.clamp(0.05, 0.95))


def test_inverse_link_of_a_value_that_is_not_there_is_the_mean_of_the_column():
    r = torch.full((1, 1, 12), 3.0)
    r[..., 3], r[..., 4], r[..., 5:] = 1.0, 0.0, 0.25
    theta = MixedLikelihood(1, 12, FULL).inverse_link(r)
    assert theta[0, 0, :3].tolist() == [3.0, 3.0, 0.0]


def test_layout_is_data():
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    assert hash(FULL) == hash(pickle.loads(pickle.dumps(FULL)))
    assert LAYOUTS["one category"].span("gaussian") == (0, 0)


def test_a_class_can_leave_the_stack():
    """Buffers lead with the class axis, so that they follow."""
    likelihood, x = mixed(0), rows(1)
    theta = draw(2, *x.shape)
    expected = likelihood.log_prob(x, theta)[1:]
    for tensor in (*likelihood.parameters(), *likelihood.buffers()):
        tensor.data = tensor.data[1:]
    torch.testing.assert_close(likelihood.log_prob(x[1:], theta[1:]), expected)
