"""New rows from a reference row and a pair: the formula's special cases, pairs and streams."""

import numpy as np
import pytest
import torch
from shared import draw_rows

from sklearn_pyraug.rhvae import (
    Architecture,
    FitSettings,
    FlowSettings,
    ReferenceGenerator,
    SamplerSettings,
    TrainingData,
    TrainingSettings,
    Transfer,
    build_stack,
    train_reference_generator,
)
from sklearn_pyraug.rhvae import reference_generator as module
from sklearn_pyraug.rhvae.likelihoods.mixed import Block, CodeLayout
from sklearn_pyraug.rhvae.reference_generator import _latent_of_pairs, _make_pairs

D, d = 4, 2
SIZES = (9, 6, 1)
LABELS = torch.tensor([0] * 9 + [1] * 6 + [2]).roll(3)
NAMES = ("weights", "shuffle", "noise", "split", "mcmc", "decode", "fine_tuning")
POSTERIOR = SamplerSettings("posterior")
# x = r + s (E[x | z, r] − r + ω (a − E[x | c, b])) with s = 1 and ω = 1.
WHOLE = Transfer(1.0, 1.0, 1.0)


def streams(n=1, seed=0):
    return {
        name: [torch.Generator().manual_seed(1000 * seed + 10 * k + i) for k in range(n)]
        for i, name in enumerate(NAMES)
    }


def some_rows(seed=0, n=16):
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed))


def untrained(*, silent, seed=0, n_members=1, spread=True, likelihood="gaussian"):
    """Return a generator whose decoder changes nothing (`silent`) or at random, but visibly."""
    s = streams(n_members, seed)
    architecture = Architecture(D, likelihood, hidden_layer_sizes=(8,), decoder="residual")
    stack = build_stack(architecture, FlowSettings(latent_dim=d), s["weights"])
    with torch.no_grad():
        stack.decoder.net.layers[-1].weight *= 0.0 if silent else 10.0
    rows = [some_rows(seed + m) for m in range(n_members)]
    if likelihood == "bernoulli":
        rows = [torch.sigmoid(x) for x in rows]
    labels = [LABELS] * n_members
    pairs, counts = map(
        list,
        zip(
            *(
                _make_pairs(x, y, None, g, None)
                for x, y, g in zip(rows, labels, s["split"], strict=True)
            ),
            strict=True,
        ),
    )
    latent = _latent_of_pairs(stack, rows, pairs)
    if not spread:
        # Draws from the posterior are then the codes themselves.
        latent = latent._replace(log_var=torch.full_like(latent.log_var, -80.0))
    return ReferenceGenerator(stack, latent, rows, labels, pairs, counts)


def draw(generator, label=0, n=40, seed=0, member=0, **arguments):
    """Draw rows of one class; returns them with their reference rows."""
    rows, references, _ = draw_rows(
        generator, [n], POSTERIOR, streams(1, seed), members=[member], labels=[label], **arguments
    )
    own = generator.rows[member][generator.labels[member] == label]
    return rows[0], own[references[0]]


def mean(stack, z, r, member=0):
    """Return E[x | z, r] of one member for rows z and r."""
    z, r = (v.expand(stack.n_classes, -1, -1) for v in (z, r))
    with torch.no_grad():
        return stack.likelihood.mean(stack.decode(z, r))[member]


def explained_by(changes, candidates):
    """Return for each change the index of the candidate, shape (n, D) or (n, n_pairs, D)."""
    distance = (changes.unsqueeze(1) - candidates).abs().amax(-1)
    # Sums of a handful of float32 numbers of size 1.
    assert distance.amin(1).max() < 1e-5
    return distance.argmin(1)


# --- special cases -------------------------------------------------------------------------


def test_a_decoder_that_has_learned_nothing_gives_pair_differences(random_seed):
    """x = r + a − b."""
    generator = untrained(silent=True, seed=random_seed)
    x, r = draw(generator, transfer=WHOLE, seed=random_seed)
    a, b = generator.rows[0][generator.pairs[0].T]
    which = explained_by(x - r, a - b)
    assert len(which.unique()) > 10


def test_the_scale_is_uniform_in_its_range(random_seed):
    """x = r + s (a − b) with s ~ U(s₀, s₁), one s per row."""
    n, low, high = 2000, 0.2, 0.7
    generator = untrained(silent=True, seed=random_seed)
    # One pair for all.
    generator = generator._replace(
        pairs=[generator.pairs[0][:1]],
        counts=[generator.counts[0][:1]],
        latent=generator.latent._replace(
            c=generator.latent.c[:, :1], log_var=generator.latent.log_var[:, :1]
        ),
    )
    a, b = generator.rows[0][generator.pairs[0][0]]
    x, r = draw(generator, n=n, seed=random_seed, transfer=Transfer(low, high))
    s = (x - r) / (a - b)
    torch.testing.assert_close(s, s[:, :1].expand_as(s), rtol=1e-3, atol=1e-4)
    s = s.mean(1)
    assert s.min() > low - 1e-4
    assert s.max() < high + 1e-4
    # Five standard errors of a mean and of a variance (kurtosis 1.8) of a uniform.
    var = (high - low) ** 2 / 12
    assert abs(s.mean() - 0.5 * (low + high)) < 5.0 * np.sqrt(var / n)
    assert abs(s.var() - var) < 5.0 * var * np.sqrt(0.8 / n)


def test_no_scale_gives_the_reference():
    x, r = draw(untrained(silent=False), transfer=Transfer(0.0, 0.0))
    torch.testing.assert_close(x, r)


def test_no_residual_is_the_decoders_mean(random_seed):
    """With s = 1 and ω = 0 a row is E[x | z, r]."""
    generator = untrained(silent=False, seed=random_seed)
    x, r = draw(generator, transfer=Transfer(1.0, 1.0, 0.0))
    truth, same_r = draw(generator, transfer=None)
    assert torch.equal(r, same_r)
    torch.testing.assert_close(x, truth, rtol=1e-5, atol=1e-5)
    assert (x - r).abs().max() > 0.1


def test_no_residual_of_a_silent_decoder_is_the_reference():
    x, r = draw(untrained(silent=True), transfer=Transfer(0.0, 1.0, 0.0))
    torch.testing.assert_close(x, r)


@pytest.mark.parametrize("residual", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_whole_formula(random_seed, residual, likelihood):
    """At the codes themselves, z = c, every row is one that the formula makes of some pair."""
    generator = untrained(silent=False, seed=random_seed, spread=False, likelihood=likelihood)
    x, r = draw(generator, transfer=Transfer(0.8, 0.8, residual))
    stack, c = generator.stack, generator.latent.c[0]
    a, b = generator.rows[0][generator.pairs[0].T]
    candidates = [
        0.8 * (mean(stack, c, row.expand(len(c), -1)) - row + residual * (a - mean(stack, c, b)))
        for row in r
    ]
    which = explained_by(x - r, torch.stack(candidates))
    assert len(which.unique()) > 10


def test_rows_are_linear_in_the_scale_and_in_the_residual():
    generator = untrained(silent=False)
    (whole, r), (half, _) = (draw(generator, transfer=Transfer(s, s)) for s in (1.0, 0.5))
    torch.testing.assert_close(half - r, 0.5 * (whole - r), rtol=1e-5, atol=1e-5)
    none, some = (draw(generator, transfer=Transfer(1.0, 1.0, w))[0] for w in (0.0, 0.25))
    torch.testing.assert_close(some - none, 0.25 * (whole - none), rtol=1e-5, atol=1e-5)


def test_on_a_line_new_rows_are_no_copies_of_the_two_of_their_class():
    rows, own = torch.tensor([[0.2], [0.7]]), torch.tensor([[0.0], [1.0]])
    assert torch.equal(module._spread_out(rows, own, torch.tensor([0, 1])), rows)


def test_rows_without_transfer_are_means_or_draws(random_seed):
    """Draws have the likelihood's spread about the mean, which they share."""
    n, generator = 4000, untrained(silent=True, seed=random_seed)
    means, r = draw(generator, n=n)
    torch.testing.assert_close(means, r)
    noisy, same_r = draw(generator, n=n, noisy=True)
    assert torch.equal(r, same_r)
    var = generator.stack.likelihood.variance()[0, 0].detach()
    # The standard errors of a mean, s / sqrt(n), and of a variance, s² sqrt(2 / n).
    assert ((noisy - r).mean(0).abs() < 5.0 * (var / n).sqrt()).all()
    assert (((noisy - r).var(0) - var).abs() < 5.0 * var * (2.0 / n) ** 0.5).all()


def test_a_gap_is_no_value(random_seed):
    """A pair with a gap says nothing of a column; a reference's own gap takes the value of a."""
    generator = torch.Generator().manual_seed(random_seed)
    # Two numbers, the second missing where the third column says so: its code is then 0.
    layout = CodeLayout((Block("gaussian", 0, 2), Block("bernoulli", 2, 3)), (-1, 2))
    gap = (torch.rand(40, generator=generator) < 0.4).float()
    values = 3.0 + torch.randn(40, 2, generator=generator)
    rows = torch.stack([values[:, 0], values[:, 1] * (1.0 - gap), gap], 1)
    labels = torch.zeros(40, dtype=torch.int64)
    s = streams(seed=random_seed)
    architecture = Architecture(3, "mixed", (8,), decoder="residual", layout=layout)
    stack = build_stack(architecture, FlowSettings(latent_dim=d), s["weights"])
    with torch.no_grad():
        stack.decoder.net.layers[-1].weight.zero_()
    pairs, counts = ([v] for v in _make_pairs(rows, labels, None, s["split"][0], None))
    latent = _latent_of_pairs(stack, [rows], pairs)
    generator = ReferenceGenerator(stack, latent, [rows], [labels], pairs, counts)
    x, r = draw(generator, n=200, seed=random_seed, transfer=WHOLE)
    a, b = rows[pairs[0].T]
    # The first column, which has no gaps, tells the pair.
    which = explained_by(x[:, :1] - r[:, :1], (a - b)[:, :1])
    a, b = a[which], b[which]
    gap_r, gap_a, gap_b = (v[:, 2] == 1.0 for v in (r, a, b))
    truth = torch.where(gap_a | gap_b, r[:, 1], r[:, 1] + a[:, 1] - b[:, 1])
    truth = torch.where(gap_r, a[:, 1], truth)
    torch.testing.assert_close(x[:, 1], truth, rtol=1e-4, atol=1e-4)
    for case in (gap_r & ~gap_a, ~gap_r & (gap_a | gap_b), ~gap_r & ~gap_a & ~gap_b):
        assert case.sum() > 10
    # The indicator is transferred as any other column, nearly: probabilities keep off 0 and 1.
    change = a[:, 2] - b[:, 2]
    assert ((x[:, 2] - (r[:, 2] + change)).abs() < 0.2).all()


# --- references and pairs ------------------------------------------------------------------


@pytest.mark.parametrize(("label", "size"), enumerate(SIZES))
@pytest.mark.parametrize("n", [0, 1, 20, 27])
def test_references_are_rows_of_the_class_evenly(label, size, n):
    """Also of a class of one row, which borrows the pairs of the others."""
    generator = untrained(silent=False)
    rows, references, info = draw_rows(
        generator, [n], POSTERIOR, streams(), labels=[label], transfer=Transfer()
    )
    assert rows[0].shape == (n, D)
    assert rows[0].dtype == torch.float32
    assert torch.isfinite(rows[0]).all()
    counts = torch.bincount(references[0], minlength=size)
    assert len(counts) == size
    assert counts.max() - counts.min() <= 1
    assert all(value.shape == (1,) and torch.isfinite(value).all() for value in info.values())


@pytest.mark.parametrize("n_neighbors", [None, 2])
@pytest.mark.parametrize("max_pairs", [None, 200, 20, 3])
def test_pairs_are_of_one_class(random_seed, n_neighbors, max_pairs):
    rows, generator = some_rows(random_seed), torch.Generator().manual_seed(random_seed)
    pairs, multiplicity = _make_pairs(rows, LABELS, n_neighbors, generator, max_pairs)
    a, b = pairs.T
    assert len(pairs.unique(dim=0)) == len(pairs)
    assert (multiplicity == 1.0).all()
    assert (a != b).all()
    assert (LABELS[a] == LABELS[b]).all()
    # Eight a row, but no more than there are; the row that is alone has none.
    n_possible = 9 * 8 + 6 * 5 if n_neighbors is None else 15 * 2
    assert len(pairs) == min(n_possible, 8 * 15, max_pairs or n_possible)
    # As many for a small class as for a large one, as far as it has them, and for each of its rows.
    counts = torch.bincount(a, minlength=16)
    own = [counts[LABELS == label] for label in (0, 1)]
    n_small = min(-(-len(pairs) // 2), 30 if n_neighbors is None else 12)
    assert abs(int(own[1].sum()) - n_small) <= 1
    for c in own:
        assert c.max() - c.min() <= 1
    if n_neighbors is not None:
        for i, j in pairs.tolist():
            own = (LABELS == LABELS[i]).nonzero().flatten()
            distance = (rows[own] - rows[i]).norm(dim=1)
            assert (distance < (rows[j] - rows[i]).norm()).sum() <= n_neighbors  # and itself


def test_centroids_are_the_codes_of_the_pairs(monkeypatch):
    whole = untrained(silent=False, n_members=2)
    monkeypatch.setattr(module, "_CHUNK", 7)
    parts = untrained(silent=False, n_members=2)
    for m, (rows, pairs) in enumerate(zip(whole.rows, whole.pairs, strict=True)):
        x, r = rows[pairs.T]
        with torch.no_grad():
            q = whole.stack.encode(*(v.expand(2, -1, -1) for v in (x, r)))
            L = whole.stack.metric_network(*(v.expand(2, -1, -1) for v in (x, r)))[m]
        for generator in (whole, parts):
            torch.testing.assert_close(generator.latent.c[m], q.mu[m])
            torch.testing.assert_close(generator.latent.log_var[m], q.log_var[m])
            torch.testing.assert_close(generator.latent.metric.M[m], (L @ L.mT).flatten(1))


# --- streams, chunks, members --------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["posterior", "hmc"])
def test_draws_of_a_class_depend_on_its_own_count_only(sampler):
    generator, settings = untrained(silent=False), SamplerSettings(sampler, n_steps=6)
    draws = []
    for n in (0, 5, 60):
        rows, references, _ = draw_rows(
            generator,
            [25, n],
            settings,
            streams(2),
            members=[0, 0],
            labels=[0, 1],
            transfer=Transfer(),
        )
        assert len(rows[1]) == n
        draws.append((rows[0], references[0]))
    for x, r in draws[1:]:
        assert torch.equal(r, draws[0][1])
        torch.testing.assert_close(x, draws[0][0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [40, 7, 1])
@pytest.mark.parametrize("arguments", [{"transfer": Transfer()}, {"noisy": True}, {}], ids=str)
def test_chunks_change_nothing(chunk, arguments, monkeypatch):
    generator = untrained(silent=False)
    truth, r = draw(generator, **arguments)
    monkeypatch.setattr(module, "_CHUNK", chunk)
    x, same_r = draw(generator, **arguments)
    assert torch.equal(r, same_r)
    torch.testing.assert_close(x, truth, rtol=1e-5, atol=1e-5)


def test_equal_streams_give_equal_rows():
    generator = untrained(silent=False)
    (one, r), (two, _), (other, _) = (
        draw(generator, seed=seed, transfer=Transfer(), noisy=False) for seed in (3, 3, 4)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert not torch.allclose(one, r)


def test_every_member_draws_with_its_own_weights_rows_and_pairs():
    """Several orders may go to one member, in any order of the members."""
    generator = untrained(silent=False, n_members=3)
    members, labels = [2, 0, 2, 1], [1, 0, 0, 1]
    s = streams(4)
    counts = [11, 12, 13, 14]
    rows, references, _ = draw_rows(
        generator, counts, POSTERIOR, s, members=members, labels=labels, transfer=WHOLE
    )
    for j, (m, label) in enumerate(zip(members, labels, strict=True)):
        # The same member alone, cut out of the stack.
        stack = untrained(silent=False, n_members=3).stack
        stack.keep(torch.tensor([m]))
        alone = ReferenceGenerator(
            stack,
            generator.latent.map(lambda t, m=m: t[[m]]),
            *([part[m]] for part in generator[2:6]),
        )
        own = {name: [streams(4)[name][j]] for name in NAMES}
        x, r, _ = draw_rows(alone, [11 + j], POSTERIOR, own, labels=[label], transfer=WHOLE)
        assert torch.equal(references[j], r[0])
        torch.testing.assert_close(rows[j], x[0], rtol=1e-5, atol=1e-5)


def test_the_generator_is_left_on_the_cpu_as_it_was():
    generator = untrained(silent=False)
    before = {name: p.clone() for name, p in generator.stack.named_parameters()}
    draw(generator, transfer=Transfer())
    for name, p in generator.stack.named_parameters():
        assert torch.equal(p, before[name])


# --- training ------------------------------------------------------------------------------


def curve(label, n):
    """Return n rows of a class, an arc with noise; arcs of classes are moved, not turned."""
    generator = torch.Generator().manual_seed(label)
    t = torch.rand(n, 1, generator=generator)
    noise = 0.05 * torch.randn(n, D, generator=generator)
    base = torch.cat([torch.cos(3.0 * t), torch.sin(3.0 * t), t, -t], 1)
    return base + noise + 4.0 * label


def train(rows, labels, **arguments):
    n = len(rows)
    settings = {"max_epochs": 60, "batch_size": 20, "lr": 5e-3, "patience": None}
    settings |= arguments.pop("settings", {})
    seeds = arguments.pop("seeds", range(n))
    s = {name: [streams(1, seed)[name][0] for seed in seeds] for name in NAMES}
    fit = FitSettings(
        arguments.pop("architecture", Architecture(D, "gaussian", (16,), decoder="residual")),
        FlowSettings(
            latent_dim=d,
            n_leapfrog=arguments.pop("n_leapfrog", 0),
            metric=arguments.pop("metric", "posterior"),
        ),
        TrainingSettings(**settings),
        **arguments,
    )
    return train_reference_generator(list(map(TrainingData, rows, labels)), fit, s)


def two_classes():
    return torch.cat([curve(0, 30), curve(1, 20)]), torch.tensor([0] * 30 + [1] * 20)


@pytest.mark.parametrize("n_leapfrog", [0, 2])
def test_training_on_pairs(n_leapfrog):
    rows, labels = two_classes()
    generator, history, interrupted = train(
        [rows], [labels], n_leapfrog=n_leapfrog, validation_fraction=0.2
    )
    assert interrupted is None
    (record,) = history
    assert record.train_loss[-5:].mean() < record.train_loss[:5].mean() - 0.5
    assert np.isfinite(record.valid_loss).all()
    assert record.valid_loss.min() < record.valid_loss[0]
    # All rows may be references and make pairs, also those that were held out.
    assert torch.equal(generator.rows[0], rows)
    assert len(generator.pairs[0]) == 8 * 50
    # New rows of a class are near to its own, which lie 4 apart from the other's.
    for label in (0, 1):
        for transfer in (None, Transfer()):
            x, _ = draw(generator, label, 200, transfer=transfer)
            nearest = torch.cdist(x, rows).argmin(1)
            assert (labels[nearest] == label).all()


def test_what_is_learned_carries_a_difference_over():
    """The code of (a, b) says what a pair difference would say, but for the noise."""
    rows, labels = two_classes()
    generator, _, _ = train([rows], [labels], settings={"max_epochs": 200})
    pairs = generator.pairs[0]
    a, b = rows[pairs.T]
    expressed = mean(generator.stack, generator.latent.c[0], b)
    # Without a code the error is that of b itself.
    assert (expressed - a).square().mean() < 0.2 * (b - a).square().mean()


@pytest.mark.parametrize("max_centroids", [None, 30, 1])
def test_max_centroids_limits_the_pairs(max_centroids):
    rows, labels = two_classes()
    generator, _, _ = train(
        [rows], [labels], max_centroids=max_centroids, settings={"max_epochs": 1}
    )
    n = 8 * 50 if max_centroids is None else max_centroids
    assert generator.pairs[0].shape == (n, 2)
    assert generator.latent.c.shape == generator.latent.log_var.shape == (1, n, d)


def test_two_trainings_with_equal_streams_are_bit_identical():
    rows, labels = two_classes()
    one, two = (
        train([rows], [labels], settings={"max_epochs": 3}, validation_fraction=0.2)[0]
        for _ in range(2)
    )
    for p, q in zip(one.stack.parameters(), two.stack.parameters(), strict=True):
        assert torch.equal(p, q)
    assert torch.equal(one.pairs[0], two.pairs[0])
    assert torch.equal(one.latent.c, two.latent.c)


def test_members_learn_as_they_would_alone():
    """One of them stops early and leaves the stack, references and all."""
    members = [(curve(0, 40), torch.zeros(40).long()), (some_rows(1, 16), torch.ones(16).long())]
    settings = {"max_epochs": 30, "patience": 3, "lr": 0.02, "batch_size": 100}
    options = {"validation_fraction": 0.25, "settings": settings}
    together, history, _ = train(*map(list, zip(*members, strict=True)), **options)
    n_epochs = [len(h.train_loss) for h in history]
    assert n_epochs[0] != n_epochs[1]
    for m, (rows, labels) in enumerate(members):
        alone, (record,), _ = train([rows], [labels], seeds=[m], **options)
        np.testing.assert_allclose(record.train_loss, history[m].train_loss, rtol=1e-3, atol=1e-3)
        assert record.best_epoch == history[m].best_epoch
        assert torch.equal(alone.pairs[0], together.pairs[m])
        n = len(alone.pairs[0])
        # float32 rounding differs between stacks of one and of two; Adam carries it on.
        torch.testing.assert_close(
            alone.latent.c[0], together.latent.c[m, :n], rtol=1e-2, atol=1e-2
        )


@pytest.mark.parametrize("sizes", [(2,), (2, 1), (2, 2), (2, 2, 2, 2), (3, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("validation_fraction", [0.0, 0.3, 0.5, 0.8])
def test_training_on_next_to_nothing(sizes, validation_fraction, random_seed):
    """Holding rows out may leave no pair to learn from: then they must not be held out."""
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    rows = some_rows(random_seed, len(labels))
    for seed in range(5):
        generator, _, _ = train(
            [rows],
            [labels],
            seeds=[seed],
            validation_fraction=validation_fraction,
            settings={"max_epochs": 2},
        )
        assert all(torch.isfinite(p).all() for p in generator.stack.parameters())
        assert torch.isfinite(draw(generator, transfer=Transfer())[0]).all()
