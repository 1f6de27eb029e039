"""From rows to generators and back: centroids, their thinning, and drawing."""

import pytest
import torch
from shared import draw_rows

from sklearn_pyraug.rhvae import (
    Architecture,
    FitSettings,
    FlowSettings,
    Generator,
    SamplerSettings,
    TrainingData,
    TrainingSettings,
    build_stack,
    train_generator,
)
from sklearn_pyraug.rhvae import generator as module
from sklearn_pyraug.rhvae.generator import _furthest_first, exact_latent
from sklearn_pyraug.rhvae.metric.learned import make_metric

D, d = 4, 2
SIZES = (23, 9)
NAMES = ("weights", "shuffle", "noise", "split", "mcmc", "decode", "fine_tuning")
SETTINGS = SamplerSettings(n_steps=6, n_leapfrog=3)


def streams(seed=0):
    return {
        name: [torch.Generator().manual_seed(seed + 10 * k + i) for k in range(len(SIZES))]
        for i, name in enumerate(NAMES)
    }


def some_rows(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(n, D, generator=generator) for n in SIZES]


def untrained(rows, max_centroids=None, likelihood="gaussian"):
    architecture = Architecture(D, likelihood, hidden_layer_sizes=(8,))
    s = streams()
    stack = build_stack(architecture, FlowSettings(latent_dim=d), s["weights"])
    return Generator(stack, *exact_latent(stack, rows, max_centroids, s["split"]))


def is_even(origins, n):
    """Is every one of n rows an origin as often as any other, up to one?"""
    counts = torch.bincount(origins, minlength=n)
    return len(counts) == n and counts.max() - counts.min() <= 1


# --- the metric ----------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [2048, 4, 1])
def test_centroids_are_the_codes_of_all_rows(chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    rows = some_rows()
    stack, (metric, c, log_var), origins, _ = untrained(rows)
    assert torch.equal(c, metric.c)
    assert metric.mask.sum(1).tolist() == [float(n) for n in SIZES]
    for k, n in enumerate(SIZES):
        x = torch.zeros(len(SIZES), n, D)
        x[k] = rows[k]
        with torch.no_grad():
            q, L = stack.encode(x), stack.metric_network(x)[k]
        torch.testing.assert_close(metric.c[k, :n], q.mu[k])
        torch.testing.assert_close(log_var[k, :n], q.log_var[k])
        torch.testing.assert_close(metric.M[k, :n], (L @ L.mT).flatten(1))
        assert origins[k].tolist() == list(range(n))
    assert not metric.c.requires_grad
    assert not metric.M.requires_grad


def test_centroids_are_those_of_the_final_weights():
    """The original kept centroids from within the last epoch."""
    rows, s = some_rows(), streams()
    generator, _, _ = train_generator(
        [TrainingData(x) for x in rows],
        FitSettings(
            Architecture(D, hidden_layer_sizes=(8,)),
            FlowSettings(latent_dim=d),
            TrainingSettings(max_epochs=5, batch_size=8, lr=0.02, patience=2),
            validation_fraction=0.3,
        ),
        s,
    )
    # Held-out rows are rows of the class, too.
    assert [len(o) for o in generator.origins] == list(SIZES)
    truth, _ = exact_latent(generator.stack, rows, None, s["split"])
    for k, n in enumerate(SIZES):
        x = torch.zeros(len(SIZES), n, D)
        x[k] = rows[k]
        with torch.no_grad():
            mu = generator.stack.encode(x).mu[k]
        torch.testing.assert_close(generator.latent.metric.c[k, :n], mu)
    torch.testing.assert_close(generator.latent.metric.M, truth.metric.M)
    assert not any(p.is_cuda for p in generator.stack.parameters())


@pytest.mark.parametrize("max_centroids", [1, 5, 9, 10, 100])
def test_max_centroids_keeps_so_many_distinct_ones(max_centroids):
    rows = some_rows()
    full = untrained(rows)
    _, (metric, c, log_var), origins, _ = untrained(rows, max_centroids)
    for k, n in enumerate(SIZES):
        kept = origins[k].tolist()
        assert len(set(kept)) == len(kept) == min(max_centroids, n)
        assert kept == sorted(kept)
        torch.testing.assert_close(metric.c[k, : len(kept)], full.latent.metric.c[k, kept])
        torch.testing.assert_close(metric.M[k, : len(kept)], full.latent.metric.M[k, kept])
        torch.testing.assert_close(log_var[k, : len(kept)], full.latent.log_var[k, kept])
        assert metric.mask[k].sum() == len(kept)
    assert torch.equal(c, metric.c)


def test_max_centroids_with_duplicated_rows():
    """Seeding by distance has nothing left to go by once every distinct code is chosen."""
    rows = [torch.rand(2, D).repeat(10, 1), torch.ones(7, D)]
    _, latent, origins, _ = untrained(rows, 5)
    assert [len(set(o.tolist())) for o in origins] == [5, 5]
    # Both distinct rows of class 0 are there.
    assert len({int(i) % 2 for i in origins[0]}) == 2
    assert torch.isfinite(latent.c).all()


def test_thinning_spreads_over_far_clusters(random_seed):
    """Of 3 far clusters of very different sizes each keeps a code."""
    generator = torch.Generator().manual_seed(random_seed)
    centers = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    cluster = torch.tensor([0] * 90 + [1] * 5 + [2] * 5)
    c = centers[cluster] + 0.01 * torch.randn(100, 2, generator=generator)
    # A code within a cluster is chosen with a probability below 1e-6.
    kept = _furthest_first(c, 3, generator)
    assert sorted(cluster[kept].tolist()) == [0, 1, 2]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
def test_thinning_of_codes_that_are_not_finite_does_not_raise(bad):
    c = torch.rand(10, d, generator=torch.Generator().manual_seed(0))
    c[4] = bad
    kept = _furthest_first(c, 6, torch.Generator().manual_seed(1))
    assert len(set(kept.tolist())) == 6


def test_metric_follows_the_stack_settings():
    stack, (metric, _, _), *_ = untrained(some_rows())
    L = torch.linalg.cholesky(metric.M.unflatten(-1, (d, d))[:, :9])
    truth = make_metric(metric.c[:, :9], L, metric.mask[:, :9], stack.T, 0.01)
    torch.testing.assert_close(metric.offset[..., :9], truth.offset)
    assert metric.lam == stack.settings.regularization
    assert metric.T.flatten().tolist() == [stack.settings.temperature] * 2


# --- drawing -------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [2048, 10, 7])
@pytest.mark.parametrize("counts", [(50, 20), (3, 0), (0, 13), (1, 40)])
@pytest.mark.parametrize("noisy", [False, True])
def test_counts_and_origins(counts, chunk, noisy, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    generator = untrained(some_rows())
    rows, origins, info = draw_rows(generator, counts, SETTINGS, streams(), noisy=noisy)
    for k, n in enumerate(counts):
        assert rows[k].shape == (n, D)
        assert rows[k].dtype == torch.float32
        assert torch.isfinite(rows[k]).all()
        assert origins[k].shape == (n,)
        assert origins[k].dtype == torch.int64
        assert is_even(origins[k], SIZES[k])
    draws = torch.tensor(counts) > 0
    curves = info.pop("autocorrelation")
    assert curves.shape[0] == 2
    assert curves.shape[1] > 1
    # Of a class that draws nothing, what is unknown is NaN, and the rest is finite.
    assert torch.equal(torch.isfinite(curves).all(1), draws)
    assert torch.equal(torch.isfinite(info.pop("energy_error")), draws)
    assert all(value.shape == (2,) and torch.isfinite(value).all() for value in info.values())


def test_origins_are_rows_not_centroids():
    """With thinned centroids an origin is still the index of a row."""
    generator = untrained(some_rows(), 4)
    _, origins, _ = draw_rows(generator, (8, 8), SETTINGS, streams())
    for k in range(2):
        assert sorted(origins[k].tolist()) == sorted(2 * generator.origins[k].tolist())


def test_no_rows_at_all():
    rows, origins, _ = draw_rows(untrained(some_rows()), (0, 0), SETTINGS, streams())
    assert [tuple(x.shape) for x in rows] == [(0, D), (0, D)]
    assert [len(o) for o in origins] == [0, 0]


def test_a_chain_that_does_not_move_decodes_its_origin(monkeypatch):
    """Links rows and origins, over several chunks."""
    monkeypatch.setattr(module, "_CHUNK", 7)
    generator = untrained(some_rows())
    frozen = SETTINGS._replace(step_size=1e-9)
    rows, origins, info = draw_rows(generator, (30, 12), frozen, streams())
    for k in range(2):
        z = torch.zeros(2, len(origins[k]), d)
        z[k] = generator.latent.metric.c[k, origins[k]]
        with torch.no_grad():
            truth = generator.stack.likelihood.mean(generator.stack.decode(z))[k]
        torch.testing.assert_close(rows[k], truth, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(info["acceptance_rate"], torch.ones(2))
    torch.testing.assert_close(info["step_size"], torch.full((2,), 1e-9))


def test_diagnostics_of_a_class_do_not_depend_on_the_chunks_of_another(monkeypatch):
    """A class that has run out of chains adds nothing to its rates."""
    monkeypatch.setattr(module, "_CHUNK", 10)
    generator = untrained(some_rows())
    _, _, alone = draw_rows(generator, (0, 10), SETTINGS, streams())
    _, _, together = draw_rows(generator, (50, 10), SETTINGS, streams())
    for name in alone:
        torch.testing.assert_close(together[name][1], alone[name][1])


@pytest.mark.parametrize("noisy", [False, True])
def test_equal_streams_give_equal_rows(noisy):
    generator = untrained(some_rows())
    (a, i, _), (b, j, _) = (
        draw_rows(generator, (20, 11), SETTINGS, streams(), noisy=noisy) for _ in range(2)
    )
    c, _, _ = draw_rows(generator, (20, 11), SETTINGS, streams(1), noisy=noisy)
    for k in range(2):
        assert torch.equal(a[k], b[k])
        assert torch.equal(i[k], j[k])
        assert not torch.equal(a[k], c[k])


@pytest.mark.parametrize("chunk", [2048, 10])
def test_draws_of_a_class_depend_on_its_own_count_only(chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    generator = untrained(some_rows())
    draws = [
        draw_rows(generator, (25, n), SETTINGS, streams(), noisy=True)[0][0] for n in (0, 5, 60)
    ]
    for other in draws[1:]:
        torch.testing.assert_close(other, draws[0], rtol=1e-4, atol=1e-4)


def test_noisy_rows_follow_the_likelihood():
    """Noise has the likelihood's spread around the mean rows; Bernoulli rows are 0 or 1."""
    frozen = SETTINGS._replace(step_size=1e-9)
    gaussian = untrained(some_rows())
    counts = (2000, 5)
    (mean, _), _, _ = draw_rows(gaussian, counts, frozen, streams())
    (noisy, _), _, _ = draw_rows(gaussian, counts, frozen, streams(), noisy=True)
    var = gaussian.stack.likelihood.variance()[0, 0].detach()
    # The standard error of a variance is s² sqrt(2 / n).
    assert (((noisy - mean).var(0) - var).abs() < 5.0 * var * (2.0 / 2000) ** 0.5).all()
    bernoulli = untrained(some_rows(), likelihood="bernoulli")
    (mean, _), _, _ = draw_rows(bernoulli, (50, 5), SETTINGS, streams())
    (noisy, _), _, _ = draw_rows(bernoulli, (50, 5), SETTINGS, streams(), noisy=True)
    assert ((mean > 0.0) & (mean < 1.0)).all()
    assert set(noisy.unique().tolist()) == {0.0, 1.0}


def test_each_class_is_drawn_from_its_own_model():
    """End to end: two classes that lie 2 apart stay apart."""
    s = streams()
    rows = [x - 1.5 + 2.0 * k for k, x in enumerate(some_rows())]
    generator, _, _ = train_generator(
        [TrainingData(x) for x in rows],
        FitSettings(
            Architecture(D, hidden_layer_sizes=(8,)),
            FlowSettings(latent_dim=d),
            TrainingSettings(max_epochs=100, batch_size=32, lr=0.01),
        ),
        s,
    )
    new, _, _ = draw_rows(generator, (300, 300), SETTINGS, s)
    for old, x in zip(rows, new, strict=True):
        assert ((x.mean(0) - old.mean(0)).abs() < 0.5).all()
