"""Scales from the distances of codes: known lattices, and degenerate classes."""

import math

import pytest
import torch
from shared import draw, stream

from sklearn_pyraug.rhvae.metric.learned import inverse_metric, make_metric
from sklearn_pyraug.rhvae.metric.scales import (
    REACH,
    auto_regularization,
    distinct_distances,
    metric_scale,
)


def lattice(spacing):
    """Return the 25 points of a square lattice, shape (25, 2)."""
    line = spacing * torch.arange(5, dtype=torch.float64)
    return torch.cartesian_prod(line, line)


def ones(c):
    return torch.ones(c.shape[:2], dtype=c.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coinciding_codes_are_no_neighbours(dtype):
    c = (lattice(0.5) + 3.0).to(dtype)
    eps = 4.0 * torch.finfo(dtype).eps
    twice = torch.cat([c, c * (1.0 + eps)]).unsqueeze(0)
    distances = distinct_distances(twice, ones(twice))[0]
    assert (distances.diagonal() == torch.inf).all()
    assert (distances.diagonal(25) == torch.inf).all()
    assert distances[0, 1].item() == pytest.approx(0.5, rel=1e-5)


def test_padding_changes_nothing(random_seed):
    c = draw(random_seed, 2, 10, 3)
    mask = ones(c)
    mask[0, 4:] = 0.0
    distances = distinct_distances(c, mask)
    assert (distances[0, 4:] == torch.inf).all()
    assert (distances[0, :, 4:] == torch.inf).all()
    assert torch.equal(distances[0, :4, :4], distinct_distances(c[:1, :4], mask[:1, :4])[0])
    M = torch.eye(3, dtype=torch.float64).flatten() * torch.arange(1, 11).view(1, 10, 1)
    M = M.expand(2, 10, 9) * mask.unsqueeze(-1)  # the padding's matrices are 0
    # The lower median of 1, ..., 4 and of 1, ..., 10.
    torch.testing.assert_close(metric_scale(M, mask), torch.tensor([2.0, 5.0]).double())


def test_metric_scale_is_the_geometric_mean_of_the_stretches():
    L = torch.diag_embed(torch.tensor([[[1.0, 2.0, 4.0]]], dtype=torch.float64))
    L[..., 2, 0] = 7.0  # a shear changes no volume
    M = (L @ L.mT).flatten(2)
    assert metric_scale(M, torch.ones(1, 1).double()).item() == pytest.approx(4.0)


@pytest.mark.parametrize("share", [0.01, 0.2])
@pytest.mark.parametrize("d", [2, 3, 10])
def test_regularization_gives_the_void_its_share(d, share, random_seed):
    """Integrate the density around a lone code by shells: "1 %" was 23 % at d = 10."""
    s, T = 2.5, 0.7
    lam = auto_regularization(d, s, share)
    L = math.sqrt(s) * torch.eye(d, dtype=torch.float64).view(1, 1, d, d)
    one = torch.ones(1, 1, dtype=torch.float64)
    c = torch.zeros(1, 1, d, dtype=torch.float64)
    r = torch.linspace(0.0, REACH * T, 4001, dtype=torch.float64)
    direction = torch.randn(d, generator=stream(random_seed)).double()
    z = (r.unsqueeze(-1) * direction / direction.norm()).unsqueeze(0)

    def mass(lam):
        metric = make_metric(c, L, one, T * one.unsqueeze(-1), lam)
        density = (0.5 * torch.logdet(inverse_metric(z, metric)[0])).exp()
        return torch.trapezoid(density * r ** (d - 1), r).item()

    peak = mass(1e-14)
    assert (mass(lam) - peak) / peak == pytest.approx(share, rel=2e-3)


def test_regularization_of_many_dimensions():
    """The peak of 300 dimensions underflowed, and the void had a part of its share."""
    d = 500
    u = torch.linspace(0.0, REACH, 4001, dtype=torch.float64)[1:]
    log_lam = torch.tensor(auto_regularization(d), dtype=torch.float64).log()
    shell = (d - 1.0) * u.log()
    with_floor = (shell + 0.5 * d * torch.logaddexp(-u.square(), log_lam)).logsumexp(0)
    peak = (shell - 0.5 * d * u.square()).logsumexp(0)
    assert float(with_floor - peak) == pytest.approx(math.log(1.01), rel=1e-6)


def test_regularization_has_the_unit_of_the_metric():
    assert auto_regularization(10, 3.0) == pytest.approx(3.0 * auto_regularization(10))
