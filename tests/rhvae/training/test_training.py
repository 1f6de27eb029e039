"""The training loop: what is decided per class, and that classes do not affect each other."""

import numpy as np
import pytest
import torch
from shared import draw_rows
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, WandbLogger
from torch import nn

from sklearn_pyraug.rhvae import (
    Architecture,
    FitSettings,
    FlowSettings,
    SamplerSettings,
    TrainingData,
    TrainingSettings,
    build_stack,
    train_generator,
)
from sklearn_pyraug.rhvae.elbo import elbo_terms
from sklearn_pyraug.rhvae.training.data import (
    ClassRows,
    StackLoader,
    fixed_batch,
    padded,
    split_rows,
)
from sklearn_pyraug.rhvae.training.net import _MAX_ROLLBACKS, _can_fuse, train_stack
from sklearn_pyraug.rhvae.training.pairs import find_partners
from sklearn_pyraug.rhvae.training.records import ClassHistory

D, d = 4, 2
ARCHITECTURE = Architecture(D, hidden_layer_sizes=(8,))
FLOW = FlowSettings(latent_dim=d)
NAMES = ("weights", "shuffle", "noise", "split", "mcmc", "decode", "fine_tuning")


def streams(*classes):
    """Return fresh streams; what they hold depends on the label of the class only."""
    return {
        name: [torch.Generator().manual_seed(100 * c + i) for c in classes]
        for i, name in enumerate(NAMES)
    }


def some_rows(label, n):
    """Return n rows of a class: a noisy curve of its own."""
    generator = torch.Generator().manual_seed(label)
    t = torch.rand(n, 1, generator=generator)
    direction = torch.randn(2, D, generator=generator)
    noise = 0.1 * torch.randn(n, D, generator=generator)
    return torch.cos(3.0 * t) * direction[0] + torch.sin(3.0 * t) * direction[1] + noise


def train(classes, *, architecture=ARCHITECTURE, flow=FLOW, validation_fraction=0.0, **settings):
    """Train the classes {label: rows}."""
    settings = {"max_epochs": 8, "batch_size": 20, "lr": 5e-3, "patience": None} | settings
    fit = FitSettings(
        architecture, flow, TrainingSettings(**settings), validation_fraction=validation_fraction
    )
    return train_generator([TrainingData(x) for x in classes.values()], fit, streams(*classes))


def weights_of(generator, k):
    return {name: p[k].clone() for name, p in generator.stack.named_parameters()}


def is_finite(generator):
    return all(torch.isfinite(p).all() for p in generator.stack.parameters())


# --- the loader ----------------------------------------------------------------------------


def loader(sizes, batch_size):
    s = streams(*range(len(sizes)))
    # Row i of class k is (i, k, 0, 0), so that it can be recognised.
    rows = [torch.zeros(n, D) for n in sizes]
    for k, x in enumerate(rows):
        x[:, 0], x[:, 1] = torch.arange(len(x)), float(k)
    rows = [ClassRows(x, x[:0]) for x in rows]
    return StackLoader(rows, s["shuffle"], s["noise"], batch_size, d, "cpu")


def seen_rows(batches, k):
    return [
        int(i)
        for batch, _ in batches
        for i, real in zip(batch.x[k, :, 0], batch.mask[k], strict=True)
        if real
    ]


def test_an_epoch_shows_every_row_of_the_largest_class_once():
    iterator = loader((23, 6, 11), 10)
    for _ in range(3):
        batches = list(iterator)
        assert len(batches) == len(iterator) == 3
        assert sorted(seen_rows(batches, 0)) == list(range(23))
        # A class that fits into one batch is shown whole in each step.
        assert sorted(seen_rows(batches, 1)) == sorted(3 * list(range(6)))
        for batch, target in batches:
            assert target is None
            assert batch.x.shape[1] <= 10
            assert (batch.x[..., 1] * batch.mask == torch.arange(3.0).view(3, 1) * batch.mask).all()


def test_a_shorter_class_starts_over():
    """Two chunks of class 1 against three steps an epoch: in two epochs three passes."""
    iterator = loader((23, 11), 10)
    seen = seen_rows([b for _ in range(2) for b in iterator], 1)
    assert sorted(seen) == sorted(3 * list(range(11)))
    assert sorted(seen[:11]) == list(range(11))


@pytest.mark.parametrize(
    ("n", "batch_size", "n_rows"),
    [(5, 2, [3, 2]), (4, 1, [2, 2]), (3, 1, [3]), (1, 1, [1]), (9, 4, [3, 3, 3]), (8, 4, [4, 4])],
)
def test_a_lone_row_joins_another_batch(n, batch_size, n_rows):
    x, s = torch.arange(float(n)).unsqueeze(1).expand(n, D), streams(0)
    rows = [ClassRows(x, x[:0])]
    iterator = StackLoader(rows, s["shuffle"], s["noise"], batch_size, d, "cpu", min_rows=2)
    batches = list(iterator)
    assert len(iterator) == len(n_rows)
    assert sorted(b.x.shape[1] for b, _ in batches) == sorted(n_rows)
    assert sorted(seen_rows_by_value(batches)) == list(range(n))


def seen_rows_by_value(batches):
    return [int(v) for batch, _ in batches for v in batch.x[0, :, 0]]


def test_short_classes_are_masked():
    batch = next(iter(loader((10, 4), 10)))[0]
    assert batch.mask.sum(1).tolist() == [10.0, 4.0]
    assert batch.mask[1].tolist() == [1.0] * 4 + [0.0] * 6
    assert (batch.x[1, 4:] == 0.0).all()


def test_rows_are_shuffled_anew_and_noise_is_fresh():
    iterator = loader((30,), 10)
    first, second = list(iterator), list(iterator)
    assert seen_rows(first, 0) != seen_rows(second, 0) != list(range(30))
    noise = torch.cat([b.noise_z for b, _ in first + second] + [b.noise_rho for b, _ in first], 1)
    assert len(noise.flatten().unique()) == noise.numel()


def test_what_a_class_sees_does_not_depend_on_the_others():
    s, t = streams(5, 0), streams(0)
    rows = [ClassRows(x, x[:0]) for x in (some_rows(5, 17), some_rows(0, 30))]
    two = StackLoader(rows, s["shuffle"], s["noise"], 10, d, "cpu")
    one = StackLoader(rows[1:], t["shuffle"], t["noise"], 10, d, "cpu")
    for (a, _), (b, _) in zip(two, one, strict=True):
        for name in ("x", "mask", "noise_z", "noise_rho"):
            assert torch.equal(getattr(a, name)[1], getattr(b, name)[0])


@pytest.mark.parametrize(
    ("n", "fraction", "n_valid"),
    [(10, 0.0, 0), (10, 0.3, 3), (4, 0.3, 0), (3, 0.6, 0), (4, 0.5, 2)],
)
def test_split_keeps_two_rows_on_either_side(n, fraction, n_valid):
    rows = torch.arange(n).float().unsqueeze(1)
    split = split_rows(rows, fraction, torch.Generator().manual_seed(0))
    assert len(split.valid) == n_valid
    assert torch.cat([split.train, split.valid]).flatten().sort().values.tolist() == list(range(n))


def reference_loader(sizes, batch_size, n_neighbors=None):
    rows = []
    for k, n in enumerate(sizes):
        x = some_rows(k, n)
        x[:, 0] = torch.arange(n) + 1000.0 * k
        # Odd rows are of another class of the same generator.
        partners = find_partners(x, torch.arange(n) % 2, n_neighbors)
        rows.append(ClassRows(x, x[:0], partners, x[:0]))
    s = streams(*range(len(sizes)))
    return StackLoader(rows, s["shuffle"], s["noise"], batch_size, d, "cpu"), rows


@pytest.mark.parametrize("batch_size", [10, 100])
@pytest.mark.parametrize("n_neighbors", [None, 2])
def test_every_row_comes_with_a_reference_of_its_class(batch_size, n_neighbors):
    iterator, rows = reference_loader((23, 8), batch_size, n_neighbors)
    seen = [set(), set()]
    for _ in range(4):
        for batch, _ in iterator:
            assert batch.r.shape == batch.x.shape
            for k in range(2):
                real = batch.mask[k] > 0
                i, j = (v[k, real, 0].long() - 1000 * k for v in (batch.x, batch.r))
                assert torch.equal(batch.r[k, real], rows[k].train[j])
                assert (i != j).all()
                assert (i % 2 == j % 2).all()
                assert (batch.r[k, ~real] == 0.0).all()
                seen[k] |= set(zip(i.tolist(), j.tolist(), strict=True))
    # New ones each time.
    assert len(seen[0]) > 23
    if n_neighbors is not None:
        assert len(seen[0]) <= 2 * 23


def test_references_of_a_class_do_not_depend_on_the_others():
    both, rows = reference_loader((23, 23), 10)
    s = streams(1)
    one = StackLoader(rows[1:], s["shuffle"], s["noise"], 10, d, "cpu")
    for (a, _), (b, _) in zip(both, one, strict=True):
        assert torch.equal(a.r[1], b.r[0])


# --- per class -----------------------------------------------------------------------------


def test_training_lowers_the_loss_of_every_class():
    _, history, interrupted = train({0: some_rows(0, 60), 1: some_rows(1, 25)}, max_epochs=40)
    assert interrupted is None
    for record in history:
        assert len(record.train_loss) == 40
        assert record.train_loss[-5:].mean() < record.train_loss[:5].mean() - 0.5
        assert np.isnan(record.valid_loss).all()
        assert record.n_rollbacks == 0
        assert record.best_epoch == 1 + record.train_loss.argmin()


@pytest.mark.parametrize("n_leapfrog", [0, 3])
def test_the_terms_of_the_loss_are_recorded(n_leapfrog):
    """What one step of all rows recorded is the mean of the terms at the weights before it."""
    sizes = {0: 30, 1: 20}
    flow = FLOW._replace(n_leapfrog=n_leapfrog)
    stack = build_stack(ARCHITECTURE, flow, streams(0, 1)["weights"])
    terms = []
    stack.register_forward_hook(lambda module, args, out: terms.append((args[0], out)))
    split = [ClassRows(some_rows(k, n), some_rows(k, n)[:0]) for k, n in sizes.items()]
    settings = TrainingSettings(max_epochs=1, batch_size=100)
    history, _ = train_stack(stack, split, settings, streams(0, 1))
    ((batch, out),) = terms
    for k, (record, n) in enumerate(zip(history, sizes.values(), strict=True)):
        assert batch.mask[k].sum() == n
        own = batch.mask[k] > 0
        reconstruction = -out.log_p_x[k][own].mean().item()
        rest = out.log_q + out.log_gamma - out.log_p_z - out.log_p_rho
        np.testing.assert_allclose(record.train_reconstruction, [reconstruction], rtol=1e-5)
        np.testing.assert_allclose(
            record.train_divergence, [rest[k][own].mean().item()], rtol=1e-3, atol=1e-3
        )
        assert np.isnan(record.valid_reconstruction).all()


def test_what_the_flow_does_is_recorded():
    """And later draws stay the same."""
    s = {"flow": FLOW._replace(leapfrog_step=0.03), "max_epochs": 2}
    generator, history, _ = train({0: some_rows(0, 20), 1: some_rows(1, 5)}, **s)
    for record in history:
        assert 0.0 < record.flow_shift < 3.0
        assert record.flow_energy_error > 0.0
        assert 0.0 <= record.flow_volume_error < 1.0
    stream = streams(0, 1)["split"][0]
    before = stream.get_state()
    split = [ClassRows(some_rows(k, 9), some_rows(k, 9)[:0]) for k in (0, 1)]
    own = streams(0, 1) | {"split": [stream, stream]}
    train_stack(generator.stack, split, TrainingSettings(max_epochs=1), own)
    assert torch.equal(stream.get_state(), before)
    _, (record,), _ = train({0: some_rows(0, 20)}, flow=FLOW._replace(n_leapfrog=0), max_epochs=1)
    assert record.flow_shift is record.flow_energy_error is record.flow_volume_error is None


@pytest.mark.slow
def test_a_class_that_stops_leaves_the_stack():
    """The other class continues as it does beside other classes and alone."""
    # Class 1 is noise: what is learned of it makes its held-out loss worse.
    large = some_rows(0, 60)
    early = torch.randn(20, D, generator=torch.Generator().manual_seed(1))
    sizes = []

    class Spy(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            sizes.append(len(batch[0].x))

    options = {"max_epochs": 25, "validation_fraction": 0.2}
    together, history, _ = train(
        {1: early, 0: large}, patience=3, lr=0.02, callbacks=[Spy()], **options
    )
    n_epochs = [len(h.train_loss) for h in history]
    assert n_epochs[0] != n_epochs[1]
    longer = int(np.argmax(n_epochs))
    assert longer == 1
    assert {1, 2} == set(sizes)
    assert sizes == sorted(sizes, reverse=True)
    assert n_epochs[0] == history[0].best_epoch + 3
    for company in ({2: some_rows(2, 30)}, {}):
        other, other_history, _ = train({**company, 0: large}, patience=3, lr=0.02, **options)
        np.testing.assert_allclose(
            other_history[-1].train_loss, history[1].train_loss, rtol=1e-4, atol=1e-4
        )
        assert other_history[-1].best_epoch == history[1].best_epoch
        for name, p in weights_of(other, -1).items():
            # float32 rounding differs between stacks of one and of two; Adam carries it on.
            torch.testing.assert_close(p, weights_of(together, 1)[name], rtol=1e-3, atol=1e-3)


def test_user_networks_with_buffers_survive_a_class_that_leaves():
    """A class that left the stack needs its own constants back at the end."""

    class Scaled(nn.Module):
        def __init__(self, latent_dim, n_features):
            super().__init__()
            self.linear = nn.Linear(latent_dim, n_features)
            self.register_buffer("scale", torch.rand(n_features))

        def forward(self, z):
            return self.scale * self.linear(z)

    architecture = ARCHITECTURE._replace(decoder=Scaled)
    initial = build_stack(architecture, FLOW, streams(1, 0)["weights"])
    generator, history, _ = train(
        {1: some_rows(1, 20) * 1e25, 0: some_rows(0, 60)}, architecture=architecture, patience=2
    )
    assert len(history[0].train_loss) < len(history[1].train_loss)
    truth = dict(initial.named_buffers())
    for name, buffer in generator.stack.named_buffers():
        if "stacked" in name:
            assert torch.equal(buffer, truth[name])


def heldout_loss(stack, split, labels):
    """Evaluate the mean negative ELBO of the held-out rows with the training's own noise."""
    generators = streams(*labels)["split"]
    batch = fixed_batch([s.valid for s in split], generators, d, "cpu")
    x, mask = padded([s.train for s in split])
    with torch.no_grad():
        elbo = elbo_terms(stack, batch._replace(metric=stack.metric(x, mask))).elbo
    return -(elbo * batch.mask).sum(1) / batch.mask.sum(1)


def check_best_weights(architecture, sizes, max_epochs, patience):
    """Train; the held-out loss of the best epoch comes out again. Returns stack and history."""
    labels = (0, 1)
    split = [
        split_rows(some_rows(k, sizes[k]), 0.2, torch.Generator().manual_seed(k)) for k in labels
    ]
    s = streams(*labels)
    stack = build_stack(architecture, FLOW, s["weights"])
    # A rate at which the held-out loss goes up and down.
    settings = TrainingSettings(max_epochs=max_epochs, batch_size=20, lr=0.05, patience=patience)
    history, _ = train_stack(stack, split, settings, s)
    assert any(h.valid_loss[-1] > h.valid_loss.min() + 0.01 for h in history)
    assert all(h.best_epoch == 1 + h.valid_loss.argmin() for h in history)
    if patience is not None:
        # One class has stopped before the other.
        assert len({len(h.train_loss) for h in history}) == 2
    best = [h.valid_loss.min() for h in history]
    # One part in 1e5 for float32.
    np.testing.assert_allclose(heldout_loss(stack, split, labels), best, rtol=1e-5, atol=1e-5)
    return stack, history


@pytest.mark.parametrize(("max_epochs", "patience"), [(30, None), (60, 3)])
def test_best_weights_are_restored(max_epochs, patience):
    check_best_weights(ARCHITECTURE, (60, 30), max_epochs, patience)


# --- networks with running statistics ------------------------------------------------------


class Normed(nn.Sequential):
    """A decoder whose batch-norm has running statistics.

    Without a bias before it, on which no loss depends: Adam would follow rounding errors there.
    """

    def __init__(self, latent_dim, n_features):
        super().__init__(
            nn.Linear(latent_dim, 6, bias=False),
            nn.BatchNorm1d(6),
            nn.SiLU(),
            nn.Linear(6, n_features),
        )


class NormedEncoder(Normed):
    def __init__(self, n_features, latent_dim):
        super().__init__(n_features, 2 * latent_dim)

    def forward(self, x):
        return super().forward(x).chunk(2, -1)


NORMED = ARCHITECTURE._replace(encoder=NormedEncoder, decoder=Normed)


def running(generator_or_stack):
    """Return the buffers of the user's networks: means, variances and counts."""
    stack = getattr(generator_or_stack, "stack", generator_or_stack)
    buffers = {n: b.clone() for n, b in stack.named_buffers() if "stacked_buffer" in n}
    assert len(buffers) == 6
    return buffers


@pytest.mark.slow
@pytest.mark.parametrize("patience", [None, 3])
def test_running_statistics_are_restored_with_the_best_weights(patience):
    """The held-out loss uses them."""
    stack, history = check_best_weights(NORMED, (40, 30), 25, patience)
    assert not stack.training
    # Two steps an epoch; the encoder is evaluated once in each, held-out rows do not count.
    assert running(stack)["encoder.stacked_buffer_2"].tolist() == [
        2 * h.best_epoch for h in history
    ]


def test_running_statistics_are_rolled_back():
    """Rows of 1e25 overflow in them; they were left behind when the weights went back."""
    s = streams(1)
    x = 1e25 * some_rows(1, 30)
    initial = running(build_stack(NORMED, FLOW, streams(1)["weights"]))
    spoilt = build_stack(NORMED, FLOW, s["weights"]).train()
    spoilt.encode(x.unsqueeze(0))
    assert not running(spoilt)["encoder.stacked_buffer_1"].isfinite().all()
    generator, history, _ = train({1: x}, architecture=NORMED, max_epochs=4)
    assert history[0].n_rollbacks > 0
    assert history[0].best_epoch == 0
    for name, buffer in running(generator).items():
        assert torch.equal(buffer, initial[name]), name


def test_roll_back_of_one_class_leaves_the_statistics_of_another():
    good, ordinary = some_rows(0, 30), some_rows(1, 30)
    bad, history, _ = train({1: 1e25 * ordinary, 0: good}, architecture=NORMED, max_epochs=4)
    fine, _, _ = train({1: ordinary, 0: good}, architecture=NORMED, max_epochs=4)
    assert history[0].n_rollbacks > 0
    assert is_finite(bad)
    for name, buffer in running(bad).items():
        assert torch.equal(buffer[1], running(fine)[name][1]), name
        assert not torch.equal(buffer[1], buffer[0])


def dropping(latent_dim, n_features):
    return nn.Sequential(nn.Linear(latent_dim, 8), nn.Dropout(0.3), nn.Linear(8, n_features))


@pytest.mark.parametrize("decoder", [Normed, dropping])
def test_what_takes_turns_does_not_depend_on_their_order(decoder):
    architecture = NORMED._replace(decoder=decoder)
    rows = {k: some_rows(k, 25) for k in range(3)}
    state = torch.get_rng_state()
    first, history, _ = train(rows, architecture=architecture, max_epochs=3)
    other, other_history, _ = train(
        {k: rows[k] for k in (2, 0, 1)}, architecture=architecture, max_epochs=3
    )
    assert torch.equal(torch.get_rng_state(), state)
    codes, other_codes = (
        g.stack.encode(torch.stack([rows[k] for k in order])).mu
        for g, order in ((first, (0, 1, 2)), (other, (2, 0, 1)))
    )
    for k, position in enumerate((1, 2, 0)):
        # Rows of other classes lie elsewhere in memory: float32 rounding, which Adam carries on.
        losses = history[k].train_loss, other_history[position].train_loss
        np.testing.assert_allclose(*losses, rtol=1e-5)
        torch.testing.assert_close(codes[k], other_codes[position], rtol=1e-4, atol=1e-5)


# --- the objective -------------------------------------------------------------------------


class Steps(Callback):
    """Keeps the objective of every step and its expected parts."""

    def on_train_begin(self, net, **kwargs):
        self.objective, self.log_p_x, self.elbo = [], [], []

    def on_batch_end(self, net, batch=None, loss=None, y_pred=None, **kwargs):
        mask = batch[0].mask
        self.objective.append(float(loss.detach()))
        for name in ("log_p_x", "elbo"):
            value = getattr(y_pred, name).detach() * mask
            getattr(self, name).append(float((value.sum(1) / mask.sum(1)).sum()))


def test_the_objective_is_the_elbo():
    steps = Steps()
    train({0: some_rows(0, 15)}, max_epochs=2, callbacks=[steps])
    np.testing.assert_allclose(steps.objective, -np.array(steps.elbo), rtol=1e-6)


# --- losses that are not finite ------------------------------------------------------------


@pytest.mark.parametrize("validation_fraction", [0.0, 0.2])
def test_overflow_rolls_back_and_leaves_the_other_class_alone(validation_fraction):
    """Rows of 1e25 overflow float32 in the loss; the other class is bit-identical."""
    good, ordinary = some_rows(0, 50), some_rows(1, 30)
    options = {"validation_fraction": validation_fraction}
    bad, history, interrupted = train({1: 1e25 * ordinary, 0: good}, **options)
    assert interrupted is None
    assert history[0].n_rollbacks > 0
    assert history[1].n_rollbacks == 0
    assert is_finite(bad)
    fine, fine_history, _ = train({1: ordinary, 0: good}, **options)
    assert fine_history[0].n_rollbacks == 0
    for name, p in weights_of(fine, 1).items():
        assert torch.equal(p, weights_of(bad, 1)[name]), name
    np.testing.assert_array_equal(history[1].train_loss, fine_history[1].train_loss)
    np.testing.assert_array_equal(history[1].valid_loss, fine_history[1].valid_loss)


@pytest.mark.parametrize("decoder", [None, nn.Linear], ids=["default", "linear"])
@pytest.mark.parametrize("power", [2, 5, 8, 10, 12, 14, 16, 18, 20])
def test_weights_are_finite_at_every_magnitude(power, decoder):
    """Also where the loss is finite and only its gradient overflows."""
    rows = 10.0**power * some_rows(0, 30)
    architecture = ARCHITECTURE._replace(decoder=decoder)
    for n_leapfrog in (0, 3):
        flow = FLOW._replace(n_leapfrog=n_leapfrog)
        generator, _, _ = train({0: rows}, architecture=architecture, flow=flow, max_epochs=3)
        assert is_finite(generator)


def test_a_class_without_any_finite_loss_is_given_up():
    n_epochs = _MAX_ROLLBACKS + 5
    generator, history, _ = train(
        {0: some_rows(0, 10), 1: 1e25 * some_rows(1, 10)}, max_epochs=n_epochs
    )
    assert [len(h.train_loss) for h in history] == [n_epochs, _MAX_ROLLBACKS]
    assert history[1].best_epoch == 0
    assert is_finite(generator)
    assert generator.stack.eps.shape == (2, 1, 1)
    assert generator.stack.eps[0].item() == pytest.approx(FLOW.leapfrog_step)


def test_all_classes_without_a_finite_loss():
    """Not even a warning of numpy about means of nothing, with the progress bar or without."""
    for verbose in (0, 1):
        generator, history, _ = train({0: 1e25 * some_rows(0, 10)}, max_epochs=3, verbose=verbose)
        assert np.isnan(history[0].train_loss).all()
        assert is_finite(generator)


@pytest.mark.parametrize("verbose", [0, 1])
def test_overflow_in_the_training_rows_only(verbose):
    """A plain VAE, whose held-out loss is finite while that of training is not."""
    rows = some_rows(0, 40)
    held_out = split_rows(torch.arange(40.0), 0.2, streams(0)["split"][0]).valid.long()
    is_bad = torch.ones(40, dtype=torch.bool)
    is_bad[held_out] = False
    rows[is_bad] *= 1e25
    generator, history, _ = train(
        {0: rows},
        # The default decoder would start from the mean of the training rows.
        architecture=ARCHITECTURE._replace(decoder=nn.Linear),
        flow=FLOW._replace(n_leapfrog=0),
        max_epochs=3,
        validation_fraction=0.2,
        verbose=verbose,
    )
    assert np.isnan(history[0].train_loss).all()
    assert np.isfinite(history[0].valid_loss).all()
    assert history[0].n_rollbacks > 0
    assert is_finite(generator)


# --- callbacks, interruptions, the screen ---------------------------------------------------


def test_keyboard_interrupt_is_returned_with_usable_weights():
    class ControlC(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 5:
                raise KeyboardInterrupt("at epoch 5")

    rows = {0: some_rows(0, 40), 1: some_rows(1, 20)}
    generator, history, interrupted = train(rows, callbacks=[ControlC()])
    assert isinstance(interrupted, KeyboardInterrupt)
    assert interrupted.args == ("at epoch 5",)
    assert [len(h.train_loss) for h in history] == [5, 5]
    short, _, _ = train(rows, max_epochs=5)
    for p, q in zip(generator.stack.parameters(), short.stack.parameters(), strict=True):
        assert torch.equal(p, q)
    new, _, _ = draw_rows(generator, [3, 3], SamplerSettings(n_steps=4), streams(0, 1))
    assert all(torch.isfinite(x).all() for x in new)


@pytest.mark.parametrize("event", ["on_epoch_begin", "on_batch_begin", "on_batch_end"])
def test_keyboard_interrupt_in_the_first_epoch(event):
    class ControlC(Callback):
        pass

    def interrupt(self, net, *args, **kwargs):
        raise KeyboardInterrupt

    setattr(ControlC, event, interrupt)
    generator, history, interrupted = train({0: some_rows(0, 40)}, callbacks=[ControlC()])
    assert isinstance(interrupted, KeyboardInterrupt)
    assert len(history[0].train_loss) == 0
    assert is_finite(generator)


@pytest.mark.parametrize(("second", "best"), [(2, 6), (0, 3)])
def test_the_best_epoch_of_two_phases_has_the_weights(second, best):
    """Of a second phase without any best epoch, the last epoch of the first was named."""
    one, two = (
        ClassHistory(*np.zeros((2, 4)), b, 0, None, 8, *np.zeros((2, 4))) for b in (3, second)
    )
    assert one.then(two).best_epoch == best


def test_early_stopping_callback_ends_the_training_quietly(capsys):
    _, history, interrupted = train(
        {0: some_rows(0, 40)},
        callbacks=[EarlyStopping(patience=2, threshold=0.99)],  # nothing is that much better
        max_epochs=30,
    )
    assert interrupted is None
    assert 2 <= len(history[0].train_loss) < 30
    assert capsys.readouterr().out == ""


class Run:
    """The part of a run of Weights & Biases that skorch's logger uses."""

    def __init__(self, folder):
        self.dir, self.logged = folder, []

    def __deepcopy__(self, memo):  # as the original has it
        return self

    def watch(self, module):
        self.watched = module

    def log(self, values):
        self.logged.append(values)


@pytest.mark.parametrize("validation_fraction", [0.0, 0.25])
def test_a_logger_is_told_losses_and_given_the_best_weights(tmp_path, validation_fraction):
    run, seen = Run(tmp_path), []

    class Spy(Callback):
        def on_train_end(self, net, **kwargs):
            seen.append(net.history)

    _, history, _ = train(
        {0: some_rows(0, 40)},
        callbacks=[WandbLogger(run), Spy()],
        validation_fraction=validation_fraction,
        lr=0.05,
        max_epochs=30,
    )
    assert [v["train_loss"] for v in run.logged] == pytest.approx(list(history[0].train_loss))
    monitored = history[0].valid_loss if validation_fraction else history[0].train_loss
    assert [v["valid_loss"] for v in run.logged] == pytest.approx(list(monitored))
    lowest = np.minimum.accumulate(monitored)
    expected = np.diff(lowest, prepend=np.inf) < 0
    assert not expected.all()
    assert seen[0][:, "valid_loss_best"] == expected.tolist()
    assert list(tmp_path.iterdir())  # the weights


def test_learning_rate_scheduler_callback():
    rates = []

    class Spy(Callback):
        def on_epoch_end(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    scheduler = LRScheduler("StepLR", step_size=3, gamma=0.1)
    train({0: some_rows(0, 40)}, callbacks=[Spy(), scheduler], max_epochs=7, lr=0.01)
    # The spy comes before the scheduler's step at the end of the epoch.
    np.testing.assert_allclose(rates, [0.01] * 3 + [0.001] * 3 + [0.0001])


def test_scheduler_survives_a_class_that_leaves():
    rows = {0: some_rows(0, 40), 1: 1e25 * some_rows(1, 10)}
    scheduler = LRScheduler("StepLR", step_size=3, gamma=0.1)
    _, history, _ = train(rows, callbacks=[scheduler], max_epochs=6, patience=2)
    assert len(history[1].train_loss) == 2
    assert len(history[0].train_loss) > 3


def test_callbacks_see_losses_and_the_number_of_classes():
    seen = []

    class Spy(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.history[-1])

    _, history, _ = train(
        {0: some_rows(0, 40)}, callbacks=[Spy()], max_epochs=3, validation_fraction=0.2
    )
    np.testing.assert_allclose([r["train_loss"] for r in seen], history[0].train_loss)
    np.testing.assert_allclose([r["valid_loss"] for r in seen], history[0].valid_loss)
    assert [r["n_active_classes"] for r in seen] == [1, 1, 1]


def test_progress_bar_is_closed_after_an_interruption():
    class ControlC(Callback):
        def on_epoch_end(self, net, **kwargs):
            bars.append(net.callbacks_[-1][1].bar_)
            raise KeyboardInterrupt

    bars = []
    train({0: some_rows(0, 20)}, verbose=1, callbacks=[ControlC()])
    assert bars[0].disable  # tqdm's mark of a closed bar


def test_global_random_states_are_left_alone():
    architecture = ARCHITECTURE._replace(decoder=nn.Linear)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    generator, _, _ = train(
        {0: some_rows(0, 40)}, architecture=architecture, validation_fraction=0.2, max_epochs=2
    )
    draw_rows(generator, [5], SamplerSettings(n_steps=4), streams(0), noisy=True)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(numpy_state, np.random.get_state(), strict=True)  # noqa: NPY002
    )


def test_two_trainings_with_equal_streams_are_bit_identical():
    rows = {0: some_rows(0, 40), 1: some_rows(1, 15)}
    (a, h, _), (b, g, _) = (train(rows, validation_fraction=0.2) for _ in range(2))
    for p, q in zip(a.stack.parameters(), b.stack.parameters(), strict=True):
        assert torch.equal(p, q)
    for x, y in zip(h, g, strict=True):
        np.testing.assert_array_equal(x.train_loss, y.train_loss)
        np.testing.assert_array_equal(x.valid_loss, y.valid_loss)


def test_a_gradient_that_is_not_finite_rolls_back_one_class():
    """A finite loss can have a NaN gradient; its weights were once kept as the best ones."""
    moments = []

    class Sabotage(Callback):
        def on_train_begin(self, net, **kwargs):
            self.n_steps = 0
            self.parameter = net.module_.encoder.net.layers[0].weight
            self.parameter.register_hook(self.spoil)

        def spoil(self, gradient):
            self.n_steps += 1
            if self.n_steps == 5:
                gradient = gradient.clone()
                gradient[0] = torch.nan
            return gradient

        def on_batch_end(self, net, training=False, **kwargs):
            state = net.optimizer_.state[self.parameter]
            moments.append([state["exp_avg"][k].abs().sum().item() for k in range(2)])

    classes = {0: some_rows(0, 15), 1: some_rows(1, 15)}
    generator, history, _ = train(classes, callbacks=[Sabotage()], max_epochs=10)
    assert [h.n_rollbacks for h in history] == [1, 0]
    for k in range(2):
        assert all(torch.isfinite(p).all() for p in weights_of(generator, k).values())
    # The class starts over from its best weights without the old momentum; the other keeps its.
    assert moments[4][0] == 0.0
    assert moments[4][1] > 0.0
    undisturbed, _, _ = train(classes, max_epochs=10)
    for name, p in weights_of(generator, 1).items():
        assert torch.equal(p, weights_of(undisturbed, 1)[name])


@pytest.mark.parametrize(("version", "expected"), [("2.4.1", False), ("2.5.0", True)])
def test_torch_2_4_trains_on_apples_gpus(version, expected, monkeypatch):
    """Its fused Adam refuses their tensors."""
    monkeypatch.setattr(torch, "__version__", type(torch.__version__)(version))
    assert _can_fuse("mps") is expected
    assert _can_fuse("cpu")
