"""The metric: closed forms against the formulas that they come from, and against autograd."""

import pytest
import torch

from sklearn_pyraug.rhvae.metric.learned import (
    apply,
    inverse_metric,
    make_metric,
)

K, C, N, D = 2, 4, 5, 3  # classes, points, centroids, latent dimensions
LAM = 0.1


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_metric(seed, n_centroids=N, d=D):
    """Return a metric whose matrices are far from the identity, and its L."""
    c = draw(seed, K, n_centroids, d)
    L = torch.tril(draw(seed + 100, K, n_centroids, d, d)) + torch.eye(d, dtype=torch.float64)
    T = torch.tensor([0.8, 1.7], dtype=torch.float64).view(K, 1, 1)
    mask = torch.ones(K, n_centroids, dtype=torch.float64)
    return make_metric(c, L, mask, T, LAM), L


def naive_inverse_metric(z, k, metric, L):
    """Compute Σᵢ Lᵢ Lᵢᵀ exp(−‖z − cᵢ‖²/T²) + λ I for one point z of class k."""
    total = metric.lam * torch.eye(len(z), dtype=z.dtype)
    for i in range(metric.c.shape[1]):
        if metric.mask[k, i]:
            w = torch.exp(-((z - metric.c[k, i]) ** 2).sum() / metric.T[k, 0, 0] ** 2)
            total = total + w * L[k, i] @ L[k, i].T
    return total


def naive_gradient(function, z):
    """Differentiate function(z[k, j], k, j), a scalar, at each point."""
    z = z.clone().requires_grad_()
    total = sum(function(z[k, j], k, j) for k in range(z.shape[0]) for j in range(z.shape[1]))
    return torch.autograd.grad(total, z)[0]


def relative_error(got, truth):
    return ((got - truth).norm() / truth.norm()).item()


def test_inverse_metric_is_the_sum_formula(random_seed):
    metric, L = some_metric(random_seed)
    z = draw(random_seed + 1, K, C, D)
    got = inverse_metric(z, metric)
    for k in range(K):
        for j in range(C):
            torch.testing.assert_close(got[k, j], naive_inverse_metric(z[k, j], k, metric, L))


def potential_gradient(z, rho, metric):
    point = metric.at(z)
    return point.energy_gradient(rho, point.covariance())


def test_a_point_is_consistent(random_seed):
    metric, _ = some_metric(random_seed)
    z, v = draw(random_seed + 1, K, C, D), draw(random_seed + 2, K, C, D)
    point = metric.at(z)
    torch.testing.assert_close(point.log_det_inv(), torch.linalg.slogdet(point.G_inv)[1])
    torch.testing.assert_close(point.velocity(v), metric.velocity(z, v))
    torch.testing.assert_close(point.lower(point.velocity(v)), v)
    # The momentum ρ of γ has ρᵀ G⁻¹ ρ = γᵀ γ.
    rho = point.momentum(v)
    torch.testing.assert_close((rho * point.velocity(rho)).sum(-1), v.square().sum(-1))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_potential_gradient_against_autograd(random_seed, d):
    metric, L = some_metric(random_seed, d=d)
    z, rho = draw(random_seed + 1, K, C, d), draw(random_seed + 2, K, C, d)

    def potential(z, k, j):
        G_inv = naive_inverse_metric(z, k, metric, L)
        return -0.5 * torch.logdet(G_inv) + 0.5 * rho[k, j] @ G_inv @ rho[k, j]

    truth = naive_gradient(potential, z)
    got = potential_gradient(z, rho, metric)
    assert relative_error(got, truth) < 1e-6


def test_gradient_by_momentum_against_autograd(random_seed):
    """The kinetic energy ½ ρᵀ G⁻¹ ρ has the gradient G⁻¹ ρ by ρ."""
    metric, L = some_metric(random_seed)
    z, rho = draw(random_seed + 1, K, C, D), draw(random_seed + 2, K, C, D)
    truth = naive_gradient(
        lambda rho, k, j: 0.5 * rho @ naive_inverse_metric(z[k, j], k, metric, L) @ rho, rho
    )
    assert relative_error(apply(inverse_metric(z, metric), rho), truth) < 1e-6


def test_autograd_through_the_closed_forms(random_seed):
    """The closed-form gradients are differentiable by z, by c and by L."""
    metric, L = some_metric(random_seed)
    rho = draw(random_seed + 2, K, C, D)

    def function(z, c, L):
        m = make_metric(c, L, metric.mask, metric.T, LAM)
        return potential_gradient(z, rho, m)

    inputs = (draw(random_seed + 1, K, C, D), metric.c, L)
    assert torch.autograd.gradcheck(function, tuple(t.clone().requires_grad_() for t in inputs))


def test_padding_changes_nothing(random_seed):
    """A class with two centroids is the same alone and padded to N."""
    full, L = some_metric(random_seed)
    n = 2
    short = make_metric(full.c[:1, :n], L[:1, :n], full.mask[:1, :n], full.T[:1], LAM)
    mask = full.mask.clone()
    mask[0, n:] = 0.0
    together = make_metric(full.c, L, mask, full.T, LAM)
    z, rho = draw(random_seed + 1, K, C, D), draw(random_seed + 2, K, C, D)
    alone, padded = short.at(z[:1]), together.at(z)
    torch.testing.assert_close(padded.w[:1, :, :n], alone.w)
    assert (padded.w[0, :, n:] == 0.0).all()
    torch.testing.assert_close(padded.G_inv[:1], alone.G_inv)
    torch.testing.assert_close(padded.log_det_inv()[:1], alone.log_det_inv())
    torch.testing.assert_close(
        potential_gradient(z, rho, together)[:1],
        potential_gradient(z[:1], rho[:1], short),
    )
    unpadded = full.at(z)
    torch.testing.assert_close(padded.G_inv[1], unpadded.G_inv[1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_non_finite_point_gives_non_finite_log_det(bad, dtype):
    metric, L = some_metric(0)
    metric = make_metric(*(t.to(dtype) for t in (metric.c, L, metric.mask, metric.T)), LAM)
    z = draw(1, K, C, D).to(dtype)
    good = metric.at(z).log_det_inv()
    z[0, 1, 2] = bad
    log_det_inv = metric.at(z).log_det_inv()
    assert not torch.isfinite(log_det_inv[0, 1])
    log_det_inv[0, 1] = good[0, 1]
    torch.testing.assert_close(log_det_inv, good)  # the other points do not notice


def test_far_from_all_centroids_the_metric_is_the_ridge():
    metric, _ = some_metric(0)
    z = torch.full((K, 1, D), 1e3, dtype=torch.float64)
    ridge = LAM * torch.eye(D, dtype=torch.float64)
    torch.testing.assert_close(inverse_metric(z, metric)[0, 0], ridge)
