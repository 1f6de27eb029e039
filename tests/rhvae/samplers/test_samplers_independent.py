"""The samplers whose draws are independent: posterior, prior and geodesic."""

import math

import pytest
import torch
from shared import draw, spread, stream

from sklearn_pyraug.rhvae.metric.geodesics import curve_lengths
from sklearn_pyraug.rhvae.metric.learned import make_metric
from sklearn_pyraug.rhvae.samplers import sample_geodesic, sample_posterior, sample_prior
from sklearn_pyraug.rhvae.samplers.geodesic import nearest_neighbors


def some_metric(c, mask=None, temperature=0.8, lam=0.05):
    d = c.shape[-1]
    L = torch.eye(d, dtype=c.dtype).expand(*c.shape, d)
    mask = torch.ones(c.shape[:2], dtype=c.dtype) if mask is None else mask
    return make_metric(c, L, mask, torch.full((len(c), 1, 1), temperature, dtype=c.dtype), lam)


def check_info(info, n_classes):
    assert set(info) == {"acceptance_rate", "divergence_rate", "step_size"}
    for value in info.values():
        assert value.shape == (n_classes,)
        assert torch.isfinite(value).all()


# --- posterior and prior -------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_posterior_draws_have_their_moments(scale, random_seed):
    n, c, log_var = 20_000, draw(random_seed, 2, 3, 2), draw(random_seed + 1, 2, 3, 2)
    start = [torch.full((n,), 2), torch.full((n // 2,), 0)]
    z, info = sample_posterior(c, log_var, start, [stream(1), stream(2)], scale=scale)
    for k, i in ((0, 2), (1, 0)):
        std = scale * torch.exp(0.5 * log_var[k, i])
        # 5 * std / sqrt(n), and var(ε²) = 2.
        assert ((z[k].mean(0) - c[k, i]).abs() < 5.0 * std / math.sqrt(len(z[k]))).all()
        square = ((z[k] - c[k, i]) / std).square().mean(0)
        assert ((square - 1.0).abs() < 5.0 * math.sqrt(2.0 / len(z[k]))).all()
    check_info(info, 2)
    assert (info["step_size"] == scale).all()


def test_without_spread_the_posterior_draws_are_the_codes():
    c, log_var = draw(0, 2, 5, 3), draw(1, 2, 5, 3)
    start = [torch.tensor([4, 0, 4]), torch.tensor([], dtype=torch.int64)]
    z, _ = sample_posterior(c, log_var, start, [stream(1), stream(2)], scale=0.0)
    assert torch.equal(z[0], c[0, start[0]])
    assert z[1].shape == (0, 3)


def test_prior_draws_are_standard_normal(random_seed):
    n = 20_000
    z, info = sample_prior([n, 7, 0], 3, [stream(random_seed + k) for k in range(3)])
    assert [tuple(x.shape) for x in z] == [(n, 3), (7, 3), (0, 3)]
    assert (z[0].mean(0).abs() < 5.0 / math.sqrt(n)).all()
    covariance = z[0].mT @ z[0] / n
    # The variance of a product is 1 off the diagonal, and 2 on it.
    assert ((covariance - torch.eye(3)).abs() < 5.0 * math.sqrt(2.0 / n)).all()
    check_info(info, 3)


# --- geodesic ------------------------------------------------------------------------------


def test_neighbours_are_the_nearest_others():
    c = torch.tensor([[0.0, 1.0, 3.0, 3.0, 7.0], [0.0, 5.0, 1.0, 1.0, 1.0]]).unsqueeze(-1)
    mask = torch.tensor([[1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0, 0.0]])
    neighbors, available = nearest_neighbors(c, mask, 2)
    # The third and fourth code coincide: they are no neighbours of each other.
    assert available.tolist() == [[2, 2, 2, 2, 2], [1, 1, 0, 0, 0]]
    assert neighbors[0, 0, 0] == 1
    assert neighbors[0, 2].tolist() == neighbors[0, 3].tolist() == [1, 0]
    assert set(neighbors[0, 4].tolist()) == {2, 3}
    assert neighbors[1, :2, 0].tolist() == [1, 0]


def test_a_lone_code_is_returned(random_seed):
    """Alone in its class, beside a longer class, and with copies of itself."""
    c = draw(random_seed, 2, 3, 2)
    c[1, 1:] = c[1, 0]
    mask = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    for metric in (some_metric(c), some_metric(c, mask)):
        z, info = sample_geodesic(metric, [spread(4, 3), spread(5, 1)], [stream(1), stream(2)])
        torch.testing.assert_close(z[1], c[1, :1].expand(5, 2), rtol=0.0, atol=0.0)
        assert (z[0] != c[0, spread(4, 3)]).any(-1).all()
        check_info(info, 2)
    alone = some_metric(c[1:, :1])
    (z,), _ = sample_geodesic(alone, [spread(5, 1)], [stream(2)])
    torch.testing.assert_close(z, c[1, :1].expand(5, 2), rtol=0.0, atol=0.0)


def test_draws_are_uniform_on_the_line_between_two_codes(random_seed):
    """A constant metric: the fractions of the length are those of the straight line."""
    n, c = 20_000, torch.tensor([[[-1.0, 2.0], [3.0, 0.0]]], dtype=torch.float64)
    metric = some_metric(c, temperature=1e4)
    (z,), _ = sample_geodesic(metric, [spread(n, 2)], [stream(random_seed)])
    u = (z[:, 0] - c[0, 0, 0]) / 4.0
    torch.testing.assert_close(z[:, 1], 2.0 - 2.0 * u)
    # var(u) = 1/12 and var(u²) = 4/45.
    assert abs(u.mean() - 0.5) < 5.0 * math.sqrt(1.0 / 12.0 / n)
    assert abs(u.square().mean() - 1.0 / 3.0) < 5.0 * math.sqrt(4.0 / 45.0 / n)
    assert 0.0 <= u.min() < u.max() <= 1.0


def test_fractions_are_of_the_length_and_not_of_the_line(random_seed):
    """Most of the length lies between the codes, where the metric is large."""
    n, c = 5000, torch.tensor([[[-2.0], [2.0]]], dtype=torch.float64)
    metric = some_metric(c, temperature=0.8, lam=0.01)
    (z,), _ = sample_geodesic(metric, [spread(n, 2)], [stream(random_seed)], n_points=65)
    edges = torch.linspace(-2.0, 2.0, 401, dtype=torch.float64).view(1, 1, -1, 1)
    share = curve_lengths(edges, metric).flatten()
    share = share / share.sum()
    truth = share[100:300].sum()  # of the middle half of the line
    assert truth > 0.6
    middle = (z.abs() < 1.0).double().mean()
    assert abs(middle - truth) < 5.0 * math.sqrt(truth * (1.0 - truth) / n) + 0.005


def test_neighbours_are_drawn_evenly(random_seed):
    """From a hub to its four spokes; the fifth code, further away, is never drawn."""
    n = 4000
    c = torch.tensor(
        [[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [3.0, 3.0]]]
    ).double()
    metric = some_metric(c, temperature=1e4)
    start = [torch.zeros(n, dtype=torch.int64)]
    (z,), _ = sample_geodesic(metric, start, [stream(random_seed)], n_neighbors=4)
    spoke = torch.cdist(z / z.norm(dim=-1, keepdim=True), c[0, 1:]).argmin(-1)
    share = torch.bincount(spoke, minlength=5) / n
    assert share[4] == 0.0
    # 5 * std / sqrt(n) of an indicator.
    assert ((share[:4] - 0.25).abs() < 5.0 * math.sqrt(0.25 * 0.75 / n)).all()
