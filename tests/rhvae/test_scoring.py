"""Scores of rows against exact log-likelihoods of linear-Gaussian models, and their streams."""

import math
from functools import partial

import pytest
import torch
from shared import stream
from torch import nn
from torch.distributions import MultivariateNormal

from sklearn_pyraug.rhvae import (
    Architecture,
    FlowSettings,
    Generator,
    ReferenceGenerator,
    build_stack,
)
from sklearn_pyraug.rhvae import log_likelihood as module
from sklearn_pyraug.rhvae.generator import exact_latent
from sklearn_pyraug.rhvae.log_likelihood import score_from_references, score_rows
from sklearn_pyraug.rhvae.reference_generator import _latent_of_pairs, _make_pairs

D, d, SCALE = 4, 2, 0.5
# Sums of a few float32 numbers of size 10 to 100.
CLOSE = {"rtol": 1e-4, "atol": 1e-3}


def streams(n, seed=0):
    return [stream(100 * seed + i) for i in range(n)]


def draw(seed, *shape):
    return torch.randn(*shape, generator=stream(seed))


class LinearDecoder(nn.Module):
    """E[x | z] = b + Wz."""

    def __init__(self, W, b):
        super().__init__()
        self.W, self.b = nn.Parameter(W), nn.Parameter(b)

    def forward(self, z):
        return self.b + z @ self.W.T


class ReferenceDecoder(LinearDecoder):
    """E[x | z, r] = r + b + Wz."""

    def forward(self, z, r):
        return r + super().forward(z)


class ExactEncoder(nn.Module):
    """The posterior p(z | x) of the linear-Gaussian model, W's columns being orthogonal."""

    def __init__(self, W, b):
        super().__init__()
        precision = 1.0 + W.square().sum(0) / SCALE**2
        self.A = nn.Parameter(W / SCALE**2 / precision)
        self.b = nn.Parameter(b)
        self.log_var = nn.Parameter(-precision.log())

    def forward(self, x):
        mu = (x - self.b) @ self.A
        return mu, self.log_var.expand_as(mu)


class ExactPairEncoder(ExactEncoder):
    """p(z | x, r)."""

    def forward(self, x, r):
        return super().forward(x - r)


def factory(kind, models):
    """Return a maker of networks that takes the models one after another."""
    remaining = iter(models)

    def make(*sizes):
        return kind(*next(remaining))

    make.takes_reference = kind is ReferenceDecoder
    return make


def linear_models(n, seed):
    """Return W with orthogonal columns, and b, for n members."""
    models = []
    for k in range(n):
        W, _ = torch.linalg.qr(draw(seed + k, D, d))
        models.append((W * torch.tensor([2.0, 1.0]), draw(seed + 50 + k, D)))
    return models


def linear_stack(models, *, reference=False, n_leapfrog=0, seed=0):
    """Return a stack whose encoder is the posterior: each draw's weight is p(x) itself."""
    encoder, decoder = (
        (ExactPairEncoder, ReferenceDecoder) if reference else (ExactEncoder, LinearDecoder)
    )
    architecture = Architecture(
        D,
        hidden_layer_sizes=(8,),
        encoder=factory(encoder, models),
        decoder=factory(decoder, models),
    )
    flow = FlowSettings(latent_dim=d, n_leapfrog=n_leapfrog)
    stack = build_stack(architecture, flow, streams(len(models), seed))
    likelihood = stack.likelihood
    with torch.no_grad():
        likelihood.raw_scale.fill_(0.5 * math.log(SCALE**2 - likelihood.min_scale**2))
    return stack


def density(W, b, x):
    """Return log N(x; b, WWᵀ + s²I), the exact log p(x)."""
    return MultivariateNormal(b, W @ W.T + SCALE**2 * torch.eye(D)).log_prob(x)


def direct(models, **flow):
    stack = linear_stack(models, **flow)
    rows = [b + draw(k, 8, D) for k, (_, b) in enumerate(models)]
    return Generator(stack, *exact_latent(stack, rows, None, streams(len(models))))


def with_references(models, rows, labels, **flow):
    stack = linear_stack(models, reference=True, **flow)
    chosen = [
        _make_pairs(x, y, None, g, None)
        for x, y, g in zip(rows, labels, streams(len(rows)), strict=True)
    ]
    pairs, counts = map(list, zip(*chosen, strict=True))
    latent = _latent_of_pairs(stack, rows, pairs)
    return ReferenceGenerator(stack, latent, rows, labels, pairs, counts)


# --- without reference rows ----------------------------------------------------------------


def test_scores_are_the_exact_log_likelihoods(random_seed):
    models = linear_models(3, random_seed)
    x = 3.0 * draw(random_seed + 7, 6, D)
    scores = score_rows(direct(models), x, stream(), n_importance=1)
    truth = torch.stack([density(*model, x) for model in models])
    torch.testing.assert_close(scores, truth, **CLOSE)


@pytest.mark.slow
def test_through_the_flow_the_scores_converge_to_them(random_seed):
    models, n = linear_models(2, random_seed), 300
    generator = direct(models, n_leapfrog=2)
    x = torch.cat([b + draw(random_seed + k, 5, D) for k, (_, b) in enumerate(models)])
    truth = torch.stack([density(*model, x) for model in models])
    single = torch.stack([score_rows(generator, x, stream(s), n_importance=1) for s in range(n)])
    weight = torch.exp(single - truth)
    # The draws' weights are right on average: five standard errors of a mean.
    error = weight.std(0) / math.sqrt(n)
    assert ((weight.mean(0) - 1.0).abs() < 5.0 * error + 1e-3).all()
    together = score_rows(generator, x, stream(n), n_importance=n)
    assert ((together - truth).abs() < 5.0 * error + 1e-2).all()


def test_well_separated_classes_know_their_own_rows(random_seed):
    W = linear_models(1, random_seed)[0][0]
    centres = [torch.zeros(D), torch.full((D,), 20.0)]
    rows = [b + draw(random_seed + k, 30, D) for k, b in enumerate(centres)]
    generator = direct([(W, b) for b in centres], n_leapfrog=2)
    first, second = (score_rows(generator, x, stream(), n_importance=20) for x in rows)
    assert (first[0] > first[1]).all()
    assert (second[1] > second[0]).all()


# --- with reference rows -------------------------------------------------------------------


def mixture(model, x, references):
    """Return log (1/n) Σ p(x | r) over n references."""
    W, b = model
    log_p = torch.stack([density(W, b, x - r) for r in references])
    return log_p.logsumexp(0) - math.log(len(references))


def test_each_member_has_references_of_its_own(random_seed):
    """Classes of unlike sizes, none of them larger than the number of references."""
    models = linear_models(3, random_seed)
    rows = [draw(random_seed + k, n, D) for k, n in enumerate((12, 4, 7))]
    labels = [torch.full((len(r),), k) for k, r in enumerate(rows)]
    generator = with_references(models, rows, labels)
    x = 2.0 * draw(random_seed + 9, 6, D)
    scores = score_from_references(generator, [0, 1, 2], x, stream(), n_nearest=12, n_importance=1)
    truth = [mixture(m, x, r) for m, r in zip(models, rows, strict=True)]
    torch.testing.assert_close(scores, torch.stack(truth), **CLOSE)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_members_that_all_classes_share(random_seed, label):
    """Two generators, each with the rows of three classes, one of which has a single row."""
    models = linear_models(2, random_seed)
    rows, labels = draw(random_seed, 12, D), torch.tensor([0] * 5 + [1] * 4 + [2] * 3).roll(3)
    generator = with_references(models, [rows] * 2, [labels] * 2)
    x = draw(random_seed + 9, 6, D)
    score = score_from_references(generator, [label] * 2, x, stream(), n_nearest=5, n_importance=1)
    truth = [mixture(m, x, rows[labels == label]) for m in models]
    torch.testing.assert_close(score, torch.stack(truth), **CLOSE)


@pytest.mark.parametrize("n_nearest", [1, 3])
def test_references_stand_for_others_that_are_as_far(random_seed, n_nearest):
    """The far ones were left out: a class of hundreds of rows lacked some nats."""
    models = linear_models(2, random_seed)
    rows = [draw(random_seed + k, n, D) for k, n in enumerate((60, 9))]
    labels = [torch.full((len(r),), k) for k, r in enumerate(rows)]
    generator = with_references(models, rows, labels)
    x = 2.0 * draw(random_seed + 9, 6, D)
    truth = torch.stack([mixture(m, x, r) for m, r in zip(models, rows, strict=True)])
    score = partial(score_from_references, generator, [0, 1], x, n_nearest=n_nearest)
    weight = torch.stack([torch.exp(score(stream(s), n_importance=1) - truth) for s in range(200)])
    # Right on average: five standard errors of a mean.
    error = weight.std(0) / math.sqrt(len(weight))
    assert ((weight.mean(0) - 1.0).abs() < 5.0 * error + 1e-3).all()
    assert (
        (score(stream(), n_importance=200).exp() / truth.exp() - 1.0).abs() < 7.0 * error + 0.01
    ).all()


def test_the_size_of_a_class_does_not_count(random_seed):
    """A class whose rows are all there twice is as likely: p(x | class) is no share of the data."""
    models = linear_models(1, random_seed) * 2
    rows = draw(random_seed, 4, D)
    labels = [torch.full((4,), 0), torch.full((8,), 1)]
    generator = with_references(models, [rows, rows.repeat(2, 1)], labels)
    x = draw(random_seed + 1, 5, D)
    score = score_from_references(generator, [0, 1], x, stream(), n_nearest=8, n_importance=1)
    torch.testing.assert_close(score[0], score[1], **CLOSE)


def test_references_count_by_their_weights(random_seed):
    """Two members, classes of unlike sizes: log Σ w p(x | r) / Σ w."""
    models = linear_models(2, random_seed)
    rows = [draw(random_seed + k, n, D) for k, n in enumerate((6, 3))]
    labels = [torch.full((len(r),), k) for k, r in enumerate(rows)]
    weights = [draw(random_seed + 5 + k, len(r)).exp().double() for k, r in enumerate(rows)]
    generator = with_references(models, rows, labels)._replace(weights=weights)
    x = draw(random_seed + 9, 5, D)
    score = score_from_references(generator, [0, 1], x, stream(), n_nearest=6, n_importance=1)
    for (W, b), r, w, got in zip(models, rows, weights, score, strict=True):
        parts = [
            density(W, b, x - one) + one_w.log().float() for one, one_w in zip(r, w, strict=True)
        ]
        truth = torch.stack(parts).logsumexp(0) - math.log(w.sum())
        torch.testing.assert_close(got, truth, **CLOSE)


@pytest.mark.slow
def test_references_through_the_flow(random_seed):
    models = linear_models(1, random_seed)
    rows = draw(random_seed, 6, D)
    labels = [torch.zeros(6, dtype=torch.int64)]
    generator = with_references(models, [rows], labels, n_leapfrog=2)
    x = draw(random_seed + 1, 5, D)
    score = score_from_references(generator, [0], x, stream(), n_nearest=6, n_importance=300)[0]
    # Relative error of a mean of 300 weights whose spread is below one half: 5 * 0.5 / sqrt(300).
    torch.testing.assert_close(score, mixture(models[0], x, rows), rtol=0.0, atol=0.15)


# --- how it is computed --------------------------------------------------------------------


def untrained(kind):
    """Return a scorer of rows under two random generators, and the generators' stack."""
    architecture = Architecture(D, hidden_layer_sizes=(8,), decoder=kind)
    stack = build_stack(architecture, FlowSettings(latent_dim=d), streams(2))
    rows = [draw(k, 9, D) for k in range(2)]
    if kind is None:
        generator = Generator(stack, *exact_latent(stack, rows, None, streams(2)))
        return partial(score_rows, generator, n_importance=20), stack
    labels = [torch.full((9,), k) for k in range(2)]
    chosen = [
        _make_pairs(x, y, None, g, None) for x, y, g in zip(rows, labels, streams(2), strict=True)
    ]
    pairs, counts = map(list, zip(*chosen, strict=True))
    latent = _latent_of_pairs(stack, rows, pairs)
    generator = ReferenceGenerator(stack, latent, rows, labels, pairs, counts)
    return partial(score_from_references, generator, [0, 1], n_importance=20), stack


both_kinds = pytest.mark.parametrize("kind", [None, "residual"], ids=["direct", "references"])


@both_kinds
def test_a_row_does_not_depend_on_the_others(kind):
    score, _ = untrained(kind)
    x = draw(5, 6, D)
    expected = score(x, stream())
    for other in (draw(6, 1, D), draw(6, 40, D)):
        got = score(torch.cat([x, other]), stream())
        torch.testing.assert_close(got[:, :6], expected, rtol=1e-5, atol=1e-5)
    assert not torch.equal(score(x, stream(1)), expected)


@both_kinds
@pytest.mark.parametrize("values", [1, 60])
def test_rows_are_scored_in_chunks(kind, values, monkeypatch):
    score, _ = untrained(kind)
    x = draw(5, 11, D)
    expected = score(x, stream())
    sizes = []
    inner = module.importance_log_likelihood

    def recorded(stack, rows, *arguments, **options):
        sizes.append(rows.shape[1])
        return inner(stack, rows, *arguments, **options)

    monkeypatch.setattr(module, "importance_log_likelihood", recorded)
    monkeypatch.setattr(module, "_CHUNK_VALUES", values)
    torch.testing.assert_close(score(x, stream()), expected)
    assert len(sizes) > 1
    assert max(sizes) <= max(values // (2 * D), 4)


@both_kinds
def test_a_member_that_yields_no_number_finds_everything_impossible(kind):
    score, stack = untrained(kind)
    with torch.no_grad():
        for p in stack.decoder.parameters():
            p[1] = torch.nan
    got = score(draw(5, 6, D), stream())
    assert torch.isfinite(got[0]).all()
    assert (got[1] == -math.inf).all()
