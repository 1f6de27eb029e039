"""Geodesics: known lengths, the geodesic equation integrated, and the straight line as a bound."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from shared import draw

from sklearn_pyraug.rhvae.metric import geodesics
from sklearn_pyraug.rhvae.metric.geodesics import (
    curve_energy,
    curve_lengths,
    energy_gradient,
    geodesic,
    point_at,
)
from sklearn_pyraug.rhvae.metric.learned import inverse_metric, make_metric


def some_metric(seed, n_classes=2, n_centroids=12, d=2, temperature=0.6, lam=0.02):
    c = draw(seed, n_classes, n_centroids, d)
    L = 0.4 * torch.tril(draw(seed + 100, n_classes, n_centroids, d, d))
    mask = torch.ones(n_classes, n_centroids, dtype=torch.float64)
    T = torch.full((n_classes, 1, 1), temperature, dtype=torch.float64)
    return make_metric(c, L + torch.eye(d, dtype=torch.float64), mask, T, lam)


def conformal(c, temperature, lam):
    """Return a metric with G⁻¹(z) = (Σᵢ wᵢ(z) + λ) I."""
    c = torch.as_tensor(c, dtype=torch.float64).unsqueeze(0)
    eye = torch.eye(c.shape[-1], dtype=c.dtype).expand(*c.shape, c.shape[-1])
    T = torch.full((1, 1, 1), temperature, dtype=c.dtype)
    return make_metric(c, eye, torch.ones(c.shape[:2], dtype=c.dtype), T, lam)


def lines(z0, z1, n_points):
    share = torch.linspace(0.0, 1.0, n_points, dtype=z0.dtype).view(-1, 1)
    return torch.lerp(z0.unsqueeze(2), z1.unsqueeze(2), share)


# --- known truth ---------------------------------------------------------------------------


@pytest.mark.parametrize("n_points", [2, 3, 17])
def test_constant_metric_gives_straight_lines(n_points, random_seed):
    """At a huge temperature G⁻¹ = Σᵢ Mᵢ + λ I everywhere: the length is a Mahalanobis distance."""
    metric = some_metric(random_seed, d=3, temperature=1e6)
    z0, z1 = draw(random_seed + 1, 2, 5, 3), draw(random_seed + 2, 2, 5, 3)
    curves = geodesic(z0, z1, metric, n_points)
    torch.testing.assert_close(curves.points, lines(z0, z1, n_points))
    difference = (z1 - z0).unsqueeze(-1)
    square = difference.mT @ torch.linalg.solve(inverse_metric(z0, metric), difference)
    torch.testing.assert_close(curves.length, square[..., 0, 0].sqrt())
    torch.testing.assert_close(curves.energy, square[..., 0, 0])
    torch.testing.assert_close(curves.arc[..., -1], curves.length)


def shoot(c, temperature, lam, z0, velocity, length):
    """Integrate Hamilton's equations of ½ (Σᵢ wᵢ + λ) ‖ρ‖² from z0; returns the path's end.

    The energy ½ λ(z) ‖ρ‖² is kept, so that the speed, as the metric measures it, is constant.
    """
    c = np.asarray(c)

    def conductance(z):
        w = np.exp(-((z - c) ** 2).sum(-1) / temperature**2)
        return w.sum() + lam, -2.0 / temperature**2 * (w[:, None] * (z - c)).sum(0)

    def flow(_, state):
        z, rho = np.split(state, 2)
        value, gradient = conductance(z)
        return np.concatenate([value * rho, -0.5 * gradient * (rho @ rho)])

    velocity = np.asarray(velocity) / np.linalg.norm(velocity)
    value, _ = conductance(np.asarray(z0))
    start = np.concatenate([z0, velocity / math.sqrt(value)])  # unit speed
    path = solve_ivp(
        flow, (0.0, length), start, rtol=1e-10, atol=1e-12, t_eval=np.linspace(0.0, length, 17)
    )
    return torch.from_numpy(path.y[: len(z0)].T.copy())


CODES = [[0.0, 0.0], [1.5, 0.4]]


@pytest.mark.parametrize(
    ("z0", "velocity", "length"),
    [
        ([-1.5, -0.9], [1.0, 0.45], 5.0),
        ([-1.2, 1.0], [1.0, -0.35], 4.0),
        ([0.0, 0.0], [0.3, 1.0], 3.0),
    ],
)
def test_geodesics_solve_the_geodesic_equation(z0, velocity, length):
    """A path shot by an accurate integrator is found again from its two ends."""
    truth = shoot(CODES, 1.0, 0.05, z0, velocity, length)
    metric = conformal(CODES, 1.0, 0.05)
    ends = truth[[0, -1]].view(1, 2, 1, 2)
    straight = curve_lengths(lines(ends[:, 0], ends[:, 1], 257), metric).sum().item()
    curves = geodesic(ends[:, 0], ends[:, 1], metric)
    assert curves.length.item() == pytest.approx(length, rel=0.005)
    # The points are equidistant in the metric, as the integrator's are.
    chord = (truth[-1] - truth[0]).norm()
    assert (curves.points[0, 0] - truth).norm(dim=-1).max() < 0.03 * chord
    fine = geodesic(ends[:, 0], ends[:, 1], metric, n_points=65, n_iter=100)
    assert fine.length.item() == pytest.approx(length, rel=2e-4)
    assert (fine.points[0, 0, ::4] - truth).norm(dim=-1).max() < 0.003 * chord
    assert straight > 1.008 * length  # else the line would pass as well


def test_a_detour_through_a_code_is_taken():
    """Between two points beside a code the cheap way bends towards it."""
    metric = conformal([[0.0, 0.8]], 0.8, 0.02)
    z0 = torch.tensor([[[-1.0, 0.0]]], dtype=torch.float64)
    curves = geodesic(z0, -z0, metric)
    straight = curve_lengths(lines(z0, -z0, 257), metric).sum(-1)
    assert curves.length.item() < 0.95 * straight.item()
    assert curves.points[0, 0, 8, 1] > 0.3
    # The problem is symmetric, so the curve is.
    mirrored = curves.points.flip(2) * torch.tensor([-1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(mirrored, curves.points, rtol=0.0, atol=1e-2)


def test_gradient_against_autograd(random_seed):
    metric = some_metric(random_seed, d=3)
    points = draw(random_seed + 1, 2, 3, 6, 3).requires_grad_()
    (truth,) = torch.autograd.grad(curve_energy(points, metric).sum(), points)
    got = energy_gradient(points.detach(), metric)
    assert (got - truth[:, :, 1:-1]).norm() < 1e-6 * truth.norm()


def test_energy_is_the_sum_formula(random_seed):
    metric = some_metric(random_seed)
    points = draw(random_seed + 1, 2, 3, 6, 2)
    total = torch.zeros(2, 3, dtype=torch.float64)
    for s in range(5):
        delta = (points[:, :, s + 1] - points[:, :, s]).unsqueeze(-1)
        G_inv = inverse_metric(0.5 * (points[:, :, s + 1] + points[:, :, s]), metric)
        total += 5 * (delta.mT @ torch.linalg.solve(G_inv, delta))[..., 0, 0]
    torch.testing.assert_close(curve_energy(points, metric), total)


# --- what holds for every metric -----------------------------------------------------------


def neighbours(metric):
    """Return the ends of all pairs of centroids."""
    i, j = torch.triu_indices(metric.c.shape[1], metric.c.shape[1], 1)
    return metric.c[:, i], metric.c[:, j]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("temperature", "lam"), [(0.6, 0.02), (0.2, 0.01), (0.15, 1e-4)])
def test_never_longer_than_the_straight_line(temperature, lam, dtype, random_seed):
    """Also where codes lie many temperatures apart, and points are too few for the metric."""
    metric = some_metric(random_seed, temperature=temperature, lam=lam)
    metric = metric._replace(
        **{n: v.to(dtype) for n, v in metric._asdict().items() if torch.is_tensor(v)}
    )
    z0, z1 = neighbours(metric)
    straight = geodesic(z0, z1, metric, n_iter=0)
    for n_iter in (1, 5, 20):
        curves = geodesic(z0, z1, metric, n_iter=n_iter)
        assert torch.equal(curves.points[:, :, 0], z0)
        assert torch.equal(curves.points[:, :, -1], z1)
        assert (curves.length <= straight.length).all()
        assert (curves.energy <= straight.energy).all()
        assert (curves.arc[..., 1:] >= curves.arc[..., :-1]).all()
    assert curves.length.mean() < 0.995 * straight.length.mean()


def test_default_settings_come_close_to_the_minimum(random_seed):
    """Of the length after many iterations with many points, for neighbouring codes."""
    metric = some_metric(random_seed, n_classes=1, n_centroids=30, d=4, temperature=1.0)
    j = torch.cdist(metric.c, metric.c)[0].topk(3, largest=False).indices[:, 1:].flatten()
    z0, z1 = metric.c[:, torch.arange(30).repeat_interleave(2)], metric.c[:, j]
    best = geodesic(z0, z1, metric, n_points=65, n_iter=200).length
    error = geodesic(z0, z1, metric).length / best - 1.0
    assert error.abs().mean() < 0.001
    assert error.abs().quantile(0.9) < 0.005
    assert error.abs().max() < 0.03
    assert (geodesic(z0, z1, metric, n_iter=0).length / best).max() > 1.02


def test_a_way_back_is_as_long(random_seed):
    metric = some_metric(random_seed)
    z0, z1 = neighbours(metric)
    there = geodesic(z0, z1, metric, n_points=33, n_iter=100)
    back = geodesic(z1, z0, metric, n_points=33, n_iter=100)
    # A curve may end in another local minimum.
    same = (there.length / back.length - 1.0).abs() < 1e-3
    assert same.double().mean() > 0.9


def test_chunks_padding_and_other_classes_change_nothing(random_seed, monkeypatch):
    metric = some_metric(random_seed)
    z0, z1 = neighbours(metric)
    together = geodesic(z0, z1, metric)
    monkeypatch.setattr(geodesics, "_CHUNK", 1)
    for got, truth in zip(geodesic(z0, z1, metric), together, strict=True):
        torch.testing.assert_close(got, truth)
    monkeypatch.undo()
    n, mask = 4, metric.mask.clone()
    mask[0, n:] = 0.0
    padded = metric._replace(
        mask=mask, offset=metric.offset.masked_fill(mask.unsqueeze(1) == 0.0, -torch.inf)
    )
    alone = metric._replace(
        **{name: getattr(metric, name)[:1, :n] for name in ("c", "M", "mask", "slope")},
        T=metric.T[:1],
        offset=metric.offset[:1, :, :n],
    )
    got, truth = geodesic(z0, z1, padded), geodesic(z0[:1, :3], z1[:1, :3], alone)
    for name in ("points", "length", "energy"):
        torch.testing.assert_close(getattr(got, name)[:1, :3], getattr(truth, name))
        torch.testing.assert_close(getattr(got, name)[1], getattr(together, name)[1])


def test_no_pairs_and_equal_ends():
    metric = some_metric(0)
    assert geodesic(metric.c[:, :0], metric.c[:, :0], metric).points.shape == (2, 0, 17, 2)
    curves = geodesic(metric.c, metric.c, metric)
    assert torch.equal(curves.points, metric.c.unsqueeze(2).expand(-1, -1, 17, -1))
    assert (curves.length == 0.0).all()
    assert (curves.energy == 0.0).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_pair_that_cannot_be_measured_leaves_the_others_alone(bad):
    metric = some_metric(0)
    z0, z1 = neighbours(metric)
    good = geodesic(z0, z1, metric)
    z0 = z0.clone()
    z0[0, 3, 1] = bad
    curves = geodesic(z0, z1, metric)
    assert not torch.isfinite(curves.length[0, 3])
    assert not torch.isfinite(curves.energy[0, 3])
    for got, truth in zip(curves, good, strict=True):
        got[0, 3] = truth[0, 3]
        torch.testing.assert_close(got, truth)


# --- points on curves ----------------------------------------------------------------------


def test_point_at_a_fraction_of_the_length():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0]])
    arc = torch.tensor([0.0, 1.0, 4.0])
    fraction = torch.tensor([0.0, 0.125, 0.25, 0.5, 1.0])
    truth = torch.tensor([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 3.0]])
    torch.testing.assert_close(point_at(points, arc, fraction), truth)


def test_point_at_with_coinciding_points():
    points = torch.tensor([[0.0], [1.0], [1.0], [2.0]])
    arc = torch.tensor([0.0, 1.0, 1.0, 2.0])
    z = point_at(points, arc, torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(z, torch.tensor([[0.5], [1.0], [1.5]]))


@pytest.mark.parametrize("total", [0.0, float("nan"), float("inf")])
def test_point_at_on_a_curve_without_a_length(total):
    points = torch.tensor([[0.0], [1.0], [2.0]])
    z = point_at(points, torch.tensor([0.0, 0.0, total]), torch.tensor([0.5, 0.75]))
    torch.testing.assert_close(z, torch.tensor([[1.0], [1.5]]))
