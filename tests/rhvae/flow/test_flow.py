"""The flow's hand-written adjoint against autograd, piece by piece and as a whole."""

import gc
import math
import weakref

import pytest
import torch
from sklearn_pyraug.rhvae.flow.adjoint import (
    LocalCotangent,
    MetricCotangent,
    cholesky_inverse_adjoint,
)
from sklearn_pyraug.rhvae.flow.score import AutogradScore, MLPScore, Workspace
from torch import nn

from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack
from sklearn_pyraug.rhvae.flow.hamiltonian import tempering_factors
from sklearn_pyraug.rhvae.flow.posterior_flow import FlowResult, posterior_flow
from sklearn_pyraug.rhvae.metric.learned import (
    apply,
    inverse_metric,
    local_metric,
    make_metric,
    potential_gradient,
)

K, B, N, D, d = 2, 4, 5, 6, 3
LAM = 0.1
FLOW = {"latent_dim": d, "leapfrog_step": 0.1, "regularization": LAM}


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_leaves(seed):
    """Return z, ρ, c and L that require a gradient, and a function that makes the metric."""
    L = torch.tril(draw(seed + 100, K, N, d, d)) + torch.eye(d, dtype=torch.float64)
    T = torch.tensor([0.8, 1.7], dtype=torch.float64).view(K, 1, 1)
    mask = torch.ones(K, N, dtype=torch.float64)
    mask[1, -1] = 0.0
    leaves = [draw(seed, K, B, d), draw(seed + 1, K, B, d), draw(seed + 2, K, N, d), L]
    leaves = [t.requires_grad_() for t in leaves]
    return leaves, lambda: make_metric(leaves[2], leaves[3], mask, T, LAM)


def detached(value):
    return type(value)(*(t.detach() if torch.is_tensor(t) else t for t in value))


def gradients(outputs, cotangents, leaves):
    grads = torch.autograd.grad(outputs, leaves, cotangents, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(grads, leaves, strict=True)]


def assert_adjoint(leaves, metric, cotangent, bars, truth):
    """Compare z̄ and ρ̄, and what the metric's cotangents come to at c and L."""
    parts = (metric.M, metric.slope, metric.offset)
    from_metric = gradients(parts, (cotangent.M, cotangent.slope, cotangent.offset), leaves[2:])
    got = [torch.zeros_like(p) if b is None else b for p, b in zip(leaves, bars, strict=False)]
    for name, g, t in zip(("z", "rho", "c", "L"), [*got, *from_metric], truth, strict=True):
        torch.testing.assert_close(g, t, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
    assert truth[2].abs().max() > 1e-3  # there is something to compare


def test_adjoint_of_the_kick(random_seed):
    leaves, make = some_leaves(random_seed)
    g_bar = draw(random_seed + 3, K, B, d)
    metric = make()
    z, rho = leaves[:2]
    gradient, _ = potential_gradient(z, rho, local_metric(z, metric), metric)
    truth = gradients(gradient, g_bar, leaves)

    plain = detached(metric)
    local = detached(local_metric(z.detach(), plain))
    _, kick = potential_gradient(z.detach(), rho.detach(), local, plain)
    cotangent = MetricCotangent(plain)
    z_bar, rho_bar, bar = cotangent.kick(kick, local, g_bar)
    bar.add(LocalCotangent(G_inv=torch.zeros(K, B, d * d, dtype=torch.float64)))
    z_bar = z_bar + cotangent.local_metric(z.detach(), local, bar)
    assert_adjoint(leaves, metric, cotangent, [z_bar, rho_bar], truth)


@pytest.mark.parametrize("part", ["G_inv", "log_det_inv", "w", "all"])
def test_adjoint_of_the_local_metric(random_seed, part):
    leaves, make = some_leaves(random_seed)
    metric = make()
    z = leaves[0]
    local = local_metric(z, metric)
    bars = {
        "G_inv": draw(random_seed + 3, K, B, d, d),
        "log_det_inv": draw(random_seed + 4, K, B),
        "w": draw(random_seed + 5, K, B, N),
    }
    # A cotangent of G that is symmetric, as all that arise are.
    bars["G"] = bars["G_inv"] + bars["G_inv"].mT
    used = list(bars) if part == "all" else [part]
    truth = gradients([getattr(local, n) for n in used], [bars[n] for n in used], leaves)
    flat = {n: bars[n].flatten(2) if bars[n].dim() == 4 else bars[n] for n in used}
    if "G" in flat:
        flat["minus_G"] = -flat.pop("G")
    flat.setdefault("G_inv", torch.zeros(K, B, d * d, dtype=torch.float64))
    plain = detached(metric)
    cotangent = MetricCotangent(plain)
    z_bar = cotangent.local_metric(z.detach(), detached(local), LocalCotangent(**flat))
    assert_adjoint(leaves, metric, cotangent, [z_bar, None], truth)


def test_adjoint_of_the_drift(random_seed):
    leaves, make = some_leaves(random_seed)
    metric = make()
    z, rho = leaves[:2]
    v_bar = draw(random_seed + 3, K, B, d)
    truth = gradients(apply(inverse_metric(z, metric), rho), v_bar, leaves)
    plain = detached(metric)
    local = detached(local_metric(z.detach(), plain))
    cotangent = MetricCotangent(plain)
    bars = cotangent.drift((z.detach(), rho.detach(), local.w, local.G_inv), v_bar)
    assert_adjoint(leaves, metric, cotangent, bars, truth)


def test_adjoint_of_the_inverse_cholesky_factor(random_seed):
    A = draw(random_seed, K, B, d, d)
    A = (A @ A.mT + torch.eye(d, dtype=torch.float64)).requires_grad_()
    gamma, rho_bar = draw(random_seed + 1, K, B, d), draw(random_seed + 2, K, B, d)
    R = torch.linalg.inv(torch.linalg.cholesky(A))
    (truth,) = torch.autograd.grad((apply(R.mT, gamma) * rho_bar).sum(), A)
    got = cholesky_inverse_adjoint(R.detach(), gamma, rho_bar).unflatten(-1, (d, d))
    torch.testing.assert_close(got + got.mT, truth + truth.mT)


# --- the data's part -----------------------------------------------------------------------


def some_stack(seed, likelihood, hidden=(7, 4), **settings):
    architecture = Architecture(D, likelihood, hidden_layer_sizes=hidden)
    streams = [torch.Generator().manual_seed(seed + k) for k in range(K)]
    stack = build_stack(architecture, FlowSettings(**FLOW | settings), streams).double()
    with torch.no_grad():
        for i, p in enumerate(stack.parameters()):
            p.add_(0.2 * draw(seed + 10 + i, *p.shape))
    return stack


def evaluate_twice(score, z, theta_bar, gradient_bar, second_order):
    score.bind([p.detach() for p in score.parameters], 2, second_order)
    points = [(0.5 * z, None, 2.0 * gradient_bar), (z, theta_bar, gradient_bar)]
    values = [score.evaluate(p[0], True) for p in points]
    # From the last to the first, as in the flow.
    bars = [score.adjoint(values[i][2], *points[i][1:]) for i in (1, 0)]
    return *values[0][:2], *values[1][:2], *bars, *score.parameter_cotangents()


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "binomial"])
@pytest.mark.parametrize("hidden", [(), (5,), (7, 4)])
@pytest.mark.parametrize(
    ("with_theta", "second_order"), [(False, True), (True, True), (True, False)]
)
def test_score_of_a_perceptron_is_that_of_autograd(
    random_seed, likelihood, hidden, with_theta, second_order
):
    stack = some_stack(random_seed, likelihood, hidden)
    x = torch.sigmoid(draw(random_seed + 50, K, B, D))
    z, gradient_bar = draw(random_seed + 51, K, B, d), draw(random_seed + 52, K, B, d)
    theta_bar = draw(random_seed + 53, K, B, D) if with_theta else None
    got = MLPScore(stack.decoder, stack.likelihood, x)
    truth = AutogradScore(stack.decoder, stack.likelihood, x)
    # One lists weights before biases, the other layer by layer; the likelihood's are last.
    n = len(list(stack.decoder.parameters()))
    order = [next(i for i, q in enumerate(truth.parameters) if q is p) for p in got.parameters[:n]]
    order += range(n, len(truth.parameters))
    got = evaluate_twice(got, z, theta_bar, gradient_bar, second_order)
    truth = evaluate_twice(truth, z, theta_bar, gradient_bar, second_order)
    truth = [*truth[:6], *(truth[6 + i] for i in order)]
    for g, t in zip(got, truth, strict=True):
        # Autograd has no gradient where a parameter does not enter (a bias, without a theta).
        if g is None:  # the likelihood's, without second-order terms
            assert t is None
        else:
            torch.testing.assert_close(g, torch.zeros_like(g) if t is None else t)


# --- the whole flow ------------------------------------------------------------------------


def reference_flow(stack, z, gamma, x, metric, r=None):
    """Compute the flow from the formulas, with nothing shared and nothing written by hand."""
    s = stack.settings

    def H_z(z, rho):
        z = z.view_as(z)  # ρ depends on z too, but this is the partial derivative
        log_p_x = stack.likelihood.log_prob(x, stack.decode(z, r)).sum()
        data = torch.autograd.grad(log_p_x, z, create_graph=True)[0]
        G_inv = inverse_metric(z, metric)
        H = 0.5 * (rho * apply(G_inv, rho)).sum() - 0.5 * torch.logdet(G_inv).sum()
        rest = torch.autograd.grad(H, z, create_graph=True)[0]
        data = (data if s.second_order else data.detach()) - z
        # A step changes the momentum by one deviation an axis at most.
        size = stack.eps * (data * apply(G_inv, data)).mean(-1, keepdim=True).sqrt()
        return rest - data / size.clamp_min(1.0)

    G_inv = inverse_metric(z, metric)
    log_det_inv = torch.logdet(G_inv)
    C = torch.linalg.cholesky(G_inv)
    rho = torch.linalg.solve_triangular(C.mT, gamma.unsqueeze(-1), upper=True).squeeze(-1)
    rho = rho / math.sqrt(s.beta_zero)
    eps = stack.eps
    for factor in tempering_factors(s.beta_zero, s.n_leapfrog):
        half = rho
        for _ in range(s.n_fixed_point):
            half = rho - 0.5 * eps * H_z(z, half)
        velocity = apply(inverse_metric(z, metric), half)
        new = z + eps * velocity
        for _ in range(s.n_fixed_point):
            new = z + 0.5 * eps * (velocity + apply(inverse_metric(new, metric), half))
        z = new
        rho = (half - 0.5 * eps * H_z(z, half)) * factor
    G_inv = inverse_metric(z, metric)
    kinetic = (rho * apply(G_inv, rho)).sum(-1)
    log_p_rho = 0.5 * (torch.logdet(G_inv) - kinetic - d * math.log(2.0 * math.pi))
    return FlowResult(z, stack.decode(z, r), log_p_rho, log_det_inv, rho)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "binomial"])
@pytest.mark.parametrize(
    ("n_leapfrog", "n_fixed_point", "second_order"),
    [(1, 1, True), (3, 2, True), (2, 3, True), (3, 2, False)],
)
def test_flow_and_its_adjoint_against_autograd(
    random_seed, likelihood, n_leapfrog, n_fixed_point, second_order
):
    settings = {"n_leapfrog": n_leapfrog, "n_fixed_point": n_fixed_point}
    stack = some_stack(random_seed, likelihood, second_order=second_order, **settings)
    leaves, make = some_leaves(random_seed)
    x = torch.sigmoid(draw(random_seed + 60, K, B, D))
    z, gamma = leaves[0], leaves[1].detach()
    inputs = [z, *leaves[2:], *stack.decoder.parameters(), *stack.likelihood.parameters()]
    bars = [draw(random_seed + 70, K, B, n).squeeze(-1) for n in (d, D, 1, 1)]

    def run(flow):
        values = flow(make())[:4]  # of all but ρ
        return values, gradients(values, bars, inputs)

    got, got_gradients = run(lambda metric: posterior_flow(stack, z, gamma, x, None, metric))
    truth, true_gradients = run(lambda metric: reference_flow(stack, z, gamma, x, metric))
    for g, t in zip(got, truth, strict=True):
        torch.testing.assert_close(g, t)
    for g, t in zip(got_gradients, true_gradients, strict=True):
        assert (g - t).norm() <= 1e-8 * t.norm()


def smooth_decoder(latent_dim, n_features):
    return nn.Sequential(nn.Linear(latent_dim, 6), nn.SiLU(), nn.Linear(6, n_features))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_flow_through_a_users_decoder_against_autograd(random_seed, likelihood):
    architecture = Architecture(D, likelihood, hidden_layer_sizes=(6,), decoder=smooth_decoder)
    streams = [torch.Generator().manual_seed(random_seed + k) for k in range(K)]
    stack = build_stack(architecture, FlowSettings(**FLOW), streams).double()
    # A part that the user has frozen.
    next(iter(stack.decoder.parameters())).requires_grad_(False)
    leaves, make = some_leaves(random_seed)
    x = torch.sigmoid(draw(random_seed + 60, K, B, D))
    z, gamma = leaves[0], leaves[1].detach()
    trained = [p for p in stack.decoder.parameters() if p.requires_grad]
    inputs = [z, *leaves[2:], *trained, *stack.likelihood.parameters()]
    results = []
    for flow in (
        lambda metric: posterior_flow(stack, z, gamma, x, None, metric),
        lambda metric: reference_flow(stack, z, gamma, x, metric),
    ):
        values = flow(make())[:4]  # of all but ρ
        results.append(gradients(values, [torch.ones_like(v) for v in values], inputs))
    for g, t in zip(*results, strict=True):
        assert (g - t).norm() <= 1e-8 * t.norm()


@pytest.mark.parametrize("likelihood", ["gaussian", "isotropic", "bernoulli"])
@pytest.mark.parametrize("second_order", [True, False])
@pytest.mark.parametrize(
    ("decoder", "sample_shape", "n_channels"),
    [("residual", None, 1), ("deformation", (2, 3), 1), ("deformation", (2, 3, 1), 2)],
)
def test_flow_from_a_reference_row_against_autograd(
    random_seed, decoder, sample_shape, n_channels, likelihood, second_order
):
    """The data's gradient of every row is taken beside that row's own reference."""
    architecture = Architecture(
        D, likelihood, (6,), sample_shape, decoder=decoder, n_channels=n_channels
    )
    streams = [torch.Generator().manual_seed(random_seed + k) for k in range(K)]
    settings = FlowSettings(**FLOW, n_leapfrog=2, second_order=second_order)
    stack = build_stack(architecture, settings, streams).double()
    with torch.no_grad():
        for i, p in enumerate(stack.parameters()):
            p.add_(0.2 * draw(random_seed + 10 + i, *p.shape))
    leaves, make = some_leaves(random_seed)
    x, r = (torch.sigmoid(draw(random_seed + seed, K, B, D)) for seed in (60, 61))
    z, gamma = leaves[0], leaves[1].detach()
    inputs = [z, *leaves[2:], *stack.decoder.parameters(), *stack.likelihood.parameters()]
    bars = [draw(random_seed + 70, K, B, n).squeeze(-1) for n in (d, D, 1, 1)]
    results = []
    for flow in (
        lambda metric: posterior_flow(stack, z, gamma, x, r, metric),
        lambda metric: reference_flow(stack, z, gamma, x, metric, r),
    ):
        values = flow(make())[:4]  # of all but ρ
        results.append((values, gradients(values, bars, inputs)))
    (got, got_gradients), (truth, true_gradients) = results
    for g, t in zip(got, truth, strict=True):
        torch.testing.assert_close(g, t)
    for g, t in zip(got_gradients, true_gradients, strict=True):
        assert (g - t).norm() <= 1e-8 * t.norm()
    # There is something to compare; scales enter by the data's gradient only.
    n = len(inputs) - len(list(stack.likelihood.parameters()))
    assert all(t.norm() > 0.0 for t in true_gradients[:n])
    other = posterior_flow(stack, z, gamma, x, r.flip(1), make())
    assert not torch.allclose(other.z, got[0])


def test_flow_is_freed_with_its_result():
    """Outputs that were also kept for the adjoint made a cycle that Python cannot see."""
    stack = some_stack(0, "gaussian")
    leaves, make = some_leaves(0)
    x, gamma = draw(1, K, B, D), draw(2, K, B, d)

    class Marked(torch.Tensor):
        pass

    marked = gamma.as_subclass(Marked)
    reference = weakref.ref(marked)
    result = posterior_flow(stack, leaves[0], marked, x, None, make())
    del marked
    assert reference() is not None  # the tape has it
    del result
    gc.collect()
    assert reference() is None


def test_buffers_are_used_again_but_never_by_two_at_once():
    stack = some_stack(0, "bernoulli")
    leaves, make = some_leaves(0)
    metric = make()
    x, gamma = torch.sigmoid(draw(1, K, B, D)), draw(2, K, B, d)
    weights = list(stack.decoder.parameters())

    def run(z):
        return posterior_flow(stack, z, gamma, x, None, metric).theta.sum()

    points = [leaves[0], 0.5 * leaves[0]]
    truth = [gradients([run(z)], None, weights) for z in points]
    stack.workspace = workspace = Workspace()
    values = [run(z) for z in points]  # both are under way
    for value, t in zip(values, truth, strict=True):
        torch.testing.assert_close(gradients([value], None, weights), t)

    def addresses():
        return sorted(t.data_ptr() for free in workspace._free.values() for t in free)

    before = addresses()
    torch.testing.assert_close(gradients([run(points[1])], None, weights), truth[1])
    assert addresses() == before
    assert len(before) > 0
