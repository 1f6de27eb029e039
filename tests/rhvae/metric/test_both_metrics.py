"""What samplers, curves and flows need of every metric: the same tests for both."""

import math

import pytest
import torch
from shared import draw

from sklearn_pyraug.rhvae.metric.geodesics import curve_lengths, geodesic
from sklearn_pyraug.rhvae.metric.learned import make_metric
from sklearn_pyraug.rhvae.metric.posterior import make_posterior_metric

K, C, N, LAM = 2, 4, 5, 0.1  # classes, points, centroids, floor
REACH = 4.0  # of the support, in units of the kernels' width


class Learned:
    """The learned metric, and what it is by its definition."""

    def __init__(self, seed, d, n=N, dtype=torch.float64):
        self.c, self.mask = draw(seed, K, n, d).to(dtype), torch.ones(K, n, dtype=dtype)
        self.L = torch.tril(draw(seed + 100, K, n, d, d)).to(dtype) + torch.eye(d, dtype=dtype)
        self.T = torch.tensor([0.8, 1.7], dtype=dtype).view(K, 1, 1)

    def make(self):
        return make_metric(self.c, self.L, self.mask, self.T, LAM)

    def definition(self, z, k):
        """Return G(z), the density and g(z) for one point of class k."""
        total = LAM * torch.eye(len(z), dtype=z.dtype)
        for i in self.mask[k].nonzero().flatten():
            w = torch.exp(-(z - self.c[k, i]).square().sum() / self.T[k, 0, 0] ** 2)
            total = total + w * self.L[k, i] @ self.L[k, i].T
        G = torch.linalg.inv(total)
        return G, 0.5 * torch.logdet(total), G

    def keep(self, n):
        self.mask[0, n:] = 0.0

    def edge(self):
        """Return the ends of the half axes of the first code's support."""
        return REACH * self.T[:, 0].expand(-1, self.c.shape[-1])


class Posterior(Learned):
    """The metric of the posterior covariances, with shares of which one is 0."""

    def __init__(self, seed, d, n=N, dtype=torch.float64):
        super().__init__(seed, d, n, dtype)
        self.log_var = draw(seed + 200, K, n, d).to(dtype) - 1.0
        self.share = draw(seed + 300, K, n).square().to(dtype)
        if n > 1:
            self.share[0, 1] = 0.0

    def make(self):
        return make_posterior_metric(self.c, self.log_var, self.mask, LAM, self.share)

    def definition(self, z, k):
        d, share = len(z), self.share[k] * self.mask[k]
        total, own = LAM * torch.eye(d, dtype=z.dtype), share.nonzero().flatten()
        for i in own:
            precision = torch.diag((-self.log_var[k, i]).exp())
            delta = z - self.c[k, i]
            a = (len(own) * share[i] / share.sum()) ** (2.0 / d)
            total = total + a * precision * torch.exp(-delta @ precision @ delta / d)
        return total, 0.5 * torch.logdet(total), total / torch.linalg.det(total) ** (2.0 / d)

    def edge(self):
        return REACH * math.sqrt(self.c.shape[-1]) * torch.exp(0.5 * self.log_var[:, 0])


both = pytest.mark.parametrize("kind", [Learned, Posterior])
dimensions = pytest.mark.parametrize("d", [1, 2, 3])


def at_each(truth, z):
    return torch.stack([torch.stack([truth(z[k, j], k) for j in range(C)]) for k in range(K)])


def derivative(function, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(function(z).sum(), z)[0]


@both
@dimensions
def test_values_are_those_of_the_definition(kind, d, random_seed):
    setting = kind(random_seed, d)
    z, v = draw(random_seed + 1, K, C, d), draw(random_seed + 2, K, C, d)
    local = setting.make().at(z)
    close = torch.testing.assert_close
    close(local.log_density(), at_each(lambda z, k: setting.definition(z, k)[1], z))
    g = at_each(lambda z, k: setting.definition(z, k)[2], z)
    close(local.inverse(), torch.linalg.inv(g))
    close(local.lower(v), (g @ v.unsqueeze(-1)).squeeze(-1))
    # The volume of the curves' tensor is small where the density is high.
    close(local.log_density(), -0.5 * torch.logdet(g))
    G = at_each(lambda z, k: setting.definition(z, k)[0], z)
    L, log_det = local.factor()
    close(L @ L.mT, torch.linalg.inv(G))
    close(log_det, -0.5 * torch.logdet(G))
    assert torch.equal(L, L.tril())
    close(local.log_det_inv(), 2.0 * log_det)
    close(local.velocity(v), (L @ L.mT @ v.unsqueeze(-1)).squeeze(-1))
    close(local.velocity(v), setting.make().velocity(z, v))
    # The momentum ρ of γ has ρᵀ G⁻¹ ρ = γᵀ γ.
    rho = local.momentum(v)
    close((rho * local.velocity(rho)).sum(-1), v.square().sum(-1))


@both
@dimensions
def test_gradients_against_autograd(kind, d, random_seed):
    setting = kind(random_seed, d)
    metric, z, u = setting.make(), draw(random_seed + 1, K, C, d), draw(random_seed + 2, K, C, d)
    truth = derivative(lambda z: at_each(lambda z, k: setting.definition(z, k)[1], z), z)
    local = metric.at(z)
    assert (local.gradient() - truth).norm() < 1e-6 * truth.norm()

    def form(z):
        g_inv = torch.linalg.inv(at_each(lambda z, k: setting.definition(z, k)[2], z))
        return (u * (g_inv @ u.unsqueeze(-1)).squeeze(-1)).sum(-1)

    truth = derivative(form, z)
    assert (local.form_gradient(u) - truth).norm() < 1e-6 * truth.norm()

    def energy(z):
        G = at_each(lambda z, k: setting.definition(z, k)[0], z)
        return 0.5 * torch.logdet(G) + 0.5 * (u * torch.linalg.solve(G, u)).sum(-1)

    truth = derivative(energy, z)
    got = local.energy_gradient(u, local.covariance())
    assert (got - truth).norm() < 1e-6 * truth.norm()


def test_the_learned_metric_can_be_learned(random_seed):
    """The gradient of the flow's energy is differentiable by z, by the codes and by L."""
    setting, rho = Learned(random_seed, 3), draw(random_seed + 2, K, C, 3)

    def gradient(z, c, L):
        local = make_metric(c, L, setting.mask, setting.T, LAM).at(z)
        return local.energy_gradient(rho, local.covariance())

    inputs = draw(random_seed + 1, K, C, 3), setting.c, setting.L
    assert torch.autograd.gradcheck(gradient, tuple(t.clone().requires_grad_() for t in inputs))


def everything(metric, z):
    local = metric.at(z)
    values = local.log_density(), local.log_target(), local.gradient(), local.inverse()
    curves = local.lower(z), local.form_gradient(z)
    energy_gradient = local.energy_gradient(z, local.covariance())
    flow = local.log_det_inv(), local.velocity(z), local.momentum(z), energy_gradient
    return [*values, *local.factor(), *curves, *flow]


@both
def test_padding_changes_nothing(kind, random_seed):
    setting, z = kind(random_seed, 3), draw(random_seed + 1, K, C, 3)
    full = everything(setting.make(), z)
    setting.keep(3)
    padded = setting.make()
    assert padded.mask[0].sum() < N
    got = everything(padded, z)
    for name in ("c", "L", "log_var", "share", "mask"):
        if hasattr(setting, name):
            setattr(setting, name, getattr(setting, name)[:, :3])
    alone = setting.make()
    torch.testing.assert_close(padded.scale[:1], alone.scale[:1])
    for value, truth, other in zip(got, everything(alone, z), full, strict=True):
        torch.testing.assert_close(value[0], truth[0])
        torch.testing.assert_close(value[1], other[1])


@both
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_point_that_is_not_finite_has_no_density_and_hurts_no_other(kind, bad):
    metric = kind(0, 3).make()
    z = metric.c[:, :C] + 0.01
    good, length = (
        metric.at(z).log_target(),
        curve_lengths(z.unsqueeze(2).repeat(1, 1, 2, 1), metric),
    )
    z[0, 1, 2] = bad
    got = metric.at(z).log_target()
    assert got[0, 1] == -torch.inf
    assert not metric.at(z).log_det_inv()[0, 1].isfinite()
    curves = z.unsqueeze(2).repeat(1, 1, 2, 1)
    lost = curve_lengths(curves, metric)[..., 0]
    assert lost[0, 1].isnan()
    got[0, 1], lost[0, 1] = good[0, 1], 0.0
    torch.testing.assert_close(got, good)
    assert torch.equal(lost, length[..., 0])


@both
def test_edge_of_the_support(kind):
    setting = kind(0, 2, n=1)
    metric, edge = setting.make(), setting.edge()
    for axis in range(2):
        z = metric.c.repeat(1, 2, 1)
        z[..., axis] += edge[:, axis, None] * torch.tensor([0.99, 1.01], dtype=z.dtype)
        assert torch.isfinite(metric.at(z).log_target()).tolist() == [[True, False]] * K
        assert torch.isfinite(metric.at(z).log_density()).all()


@both
def test_far_from_all_codes_only_the_floor_is_left(kind):
    d, metric = 3, kind(0, 3).make()
    z = torch.full((K, 1, d), 50.0, dtype=torch.float64)
    # G⁻¹ = λ I of the learned metric, G = λ I of the other: log √det is d/2 log λ.
    floor = torch.full((K, 1), 0.5 * d * math.log(LAM), dtype=torch.float64)
    torch.testing.assert_close(metric.at(z).log_density(), floor)
    assert (metric.at(z).gradient() == 0.0).all()


@both
def test_float32_suffices(kind, random_seed):
    exact, single = (kind(random_seed, 3, dtype=t).make() for t in (torch.float64, torch.float32))
    z = exact.c[:, :C] + 0.3 * draw(random_seed + 1, K, C, 3)
    for truth, got in zip(everything(exact, z), everything(single, z.float()), strict=True):
        assert (got - truth).norm() < 1e-3 * truth.norm()


@both
def test_geodesics_keep_to_the_codes(kind):
    """Codes on a half circle: the straight line between its ends lies far from all of them."""
    angle = torch.linspace(0.0, math.pi, 41, dtype=torch.float64)
    setting = kind(0, 2, n=41)
    setting.c = 3.0 * torch.stack([angle.cos(), angle.sin()], -1).expand(K, 41, 2)
    setting.L, setting.T = (
        torch.eye(2, dtype=torch.float64).expand(K, 41, 2, 2),
        0.2 + 0.0 * setting.T,
    )
    setting.log_var = torch.full_like(setting.c, 2.0 * math.log(0.2))
    metric = setting.make()
    z0, z1 = setting.c[:, :1], setting.c[:, -1:]
    start = setting.c.unsqueeze(1)
    around = curve_lengths(start, metric).sum(-1)
    curves = geodesic(z0, z1, metric, 65, 200, start)
    straight = geodesic(z0, z1, metric, 65, 0).length
    assert (curves.length <= around).all()
    assert (curves.length < 0.5 * straight).all()
    assert (curves.points.norm(dim=-1) - 3.0).abs().max() < 0.5
    assert torch.equal(curves.points[:, :, [0, -1]], torch.stack([z0, z1], 2))
