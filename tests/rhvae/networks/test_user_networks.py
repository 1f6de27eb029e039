"""The user's own networks: copies side by side or, if that is impossible, one after another."""

import pickle
import re
import warnings
from threading import Thread

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from shared import quick, table
from test_networks import B, D, K, TwoHeads, d, draw, streams
from torch import nn

from sklearn_pyraug import Columns, LearnedMetric
from sklearn_pyraug._generation.fit import plan_groups
from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack, networks_in_turn
from sklearn_pyraug.rhvae.networks.mlp import n_tril
from sklearn_pyraug.rhvae.networks.user import (
    InTurn,
    VmapDecoder,
    VmapEncoder,
    VmapMetric,
    VmapStack,
    lent_stream,
    user_network,
    why_in_turn,
)

WHY = {"in_turn": InTurn("decoder", "the layer", "does it", "Stop."), "seeds": [5, 7, 11]}


def different(factory):
    """Make K modules that differ in all their tensors."""
    modules = []
    for k in range(K):
        with lent_stream(k):
            modules.append(factory())
    return modules


class ConvDecoder(nn.Module):
    """A decoder whose output is an image."""

    def __init__(self):
        super().__init__()
        self.start = nn.Linear(d, 8)
        self.norm = nn.GroupNorm(2, 2)
        self.conv = nn.ConvTranspose2d(2, 1, 3, padding=1)

    def forward(self, z):
        return self.conv(torch.relu(self.norm(self.start(z).unflatten(-1, (2, 2, 2)))))


class Average(nn.Module):
    """Keeps a moving average of its input; `how` it is written to varies."""

    def __init__(self, how, n_features=5):
        super().__init__()
        self.how = how
        self.linear = nn.Linear(n_features, n_features)
        self.register_buffer("average", torch.ones(n_features))
        self.register_buffer("n_seen", torch.tensor(0))

    def forward(self, x):
        if self.training and self.how == "in place":
            self.average.mul_(0.9).add_(0.1 * x.mean(0).detach())
            self.n_seen += 1
        elif self.training:
            self.average = 0.9 * self.average + 0.1 * x.mean(0).detach()
            self.n_seen = self.n_seen + 1
        return torch.tanh(self.linear(x)) * self.average


class Branching(nn.Module):
    """Takes one branch or the other, depending on the data."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, z):
        if z.sum() > 0:
            return self.linear(z)
        return 2.0 * self.linear(z)


class Item(Branching):
    def forward(self, z):
        return self.linear(z) * (1.0 + 0.1 * np.tanh(z.abs().max().item()))


class Recurrent(nn.Module):
    """Reads the columns of a row one after another."""

    def __init__(self, n_out=3):
        super().__init__()
        self.lstm = nn.LSTM(1, 4, batch_first=True)
        self.head = nn.Linear(4, n_out)

    def forward(self, x):
        return self.head(self.lstm(x.unsqueeze(-1))[0][:, -1])


def normed(n_in, n_out, width=5, norm=nn.BatchNorm1d):
    return nn.Sequential(nn.Linear(n_in, width), norm(width), nn.SiLU(), nn.Linear(width, n_out))


def normed_image(n_out=3):
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU(), nn.Flatten(), nn.Linear(8, n_out)
    )


SIDE_BY_SIDE = {
    "perceptron": (lambda: nn.Sequential(nn.Linear(D, 5), nn.SiLU(), nn.Linear(5, 2)), (D,)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.Flatten(), nn.Linear(8, 3)),
        (1, 4, 4),
    ),
    "group norm": (ConvDecoder, (d,)),
    "batch norm without running statistics": (
        lambda: nn.Sequential(nn.Linear(D, 5), nn.BatchNorm1d(5, track_running_stats=False)),
        (D,),
    ),
}
TAKING_TURNS = {
    "batch norm": (lambda: normed(D, 3), (D,)),
    "batch norm of images": (normed_image, (1, 4, 4)),
    "batch norm that counts": (
        lambda: nn.Sequential(nn.BatchNorm1d(D, momentum=None), nn.Tanh(), nn.Linear(D, 2)),
        (D,),
    ),
    "average in place": (lambda: Average("in place"), (5,)),
    "average replaced": (lambda: Average("replaced"), (5,)),
    "branches": (lambda: Branching(D, 2), (D,)),
    "number from a tensor": (lambda: Item(D, 2), (D,)),
    "spectral norm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(D, 5)), (D,)),
}
CASES = {name: (case, {}) for name, case in SIDE_BY_SIDE.items()} | {
    name: (case, WHY) for name, case in TAKING_TURNS.items()
}


# --- what a stack computes --------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_stack_is_each_module_alone(case, random_seed):
    """Values, gradients by weights and by input, and buffers, for every class."""
    (factory, shape), why = CASES[case]
    modules = different(factory)
    stack = VmapStack(modules, **why)
    modules = different(factory)
    x = draw(random_seed, K, B, *shape).requires_grad_()
    out = stack(x)
    direction = draw(random_seed + 1, *out.shape)
    (out * direction).sum().backward()
    buffers = dict(stack.named_buffers())
    for k, module in enumerate(modules):
        x_k = x[k].detach().requires_grad_()
        out_k = module(x_k)
        (out_k * direction[k]).sum().backward()
        torch.testing.assert_close(out[k], out_k)
        torch.testing.assert_close(x.grad[k], x_k.grad)
        for stacked, own in zip(stack.stacked, module.parameters(), strict=True):
            torch.testing.assert_close(stacked[k], own)
            torch.testing.assert_close(stacked.grad[k], own.grad, rtol=1e-4, atol=1e-5)
        for i, own in enumerate(module.buffers()):
            torch.testing.assert_close(buffers[f"stacked_buffer_{i}"][k], own.detach())


def evaluate_often(f, z):
    """As the flow does: several evaluations, and their gradients by z."""
    total = 0.0
    for _ in range(3):
        out = f(z)
        (g,) = torch.autograd.grad(out.square().sum(), z, create_graph=True)
        z = z + 0.1 * g
        total = total + out.square().sum() + g.square().sum()
    return total


@pytest.mark.parametrize(
    ("case", "same"),
    [
        ("batch norm", "batch norm"),
        ("batch norm of images", "batch norm of images"),
        ("average in place", "average replaced"),
        ("average replaced", "average replaced"),
    ],
)
def test_taking_turns_is_differentiated_twice(case, same, random_seed):
    factory, shape = TAKING_TURNS[case]
    stack = VmapStack(different(factory), **WHY)
    z = draw(random_seed, K, B, *shape).requires_grad_()
    evaluate_often(stack, z).backward()
    buffers = [b for n, b in stack.named_buffers() if n != "seeds"]
    assert buffers
    for k, twin in enumerate(different(TAKING_TURNS[same][0])):
        z_k = z[k].detach().requires_grad_()
        evaluate_often(twin, z_k).backward()
        torch.testing.assert_close(z.grad[k], z_k.grad, rtol=1e-4, atol=1e-5)
        for stacked, own in zip(stack.stacked, twin.parameters(), strict=True):
            torch.testing.assert_close(stacked.grad[k], own.grad, rtol=1e-4, atol=1e-4)
        for stacked, own in zip(buffers, twin.buffers(), strict=True):
            torch.testing.assert_close(stacked[k], own.detach())


def test_buffers_that_the_backward_pass_needs_may_be_written_to():
    """By itself such a module cannot be evaluated twice before the backward pass."""
    module, z = Average("in place"), draw(0, B, 5).requires_grad_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        evaluate_often(module, z).backward()
    evaluate_often(VmapStack([module], WHY["in_turn"], [0]), z.unsqueeze(0)).backward()


@pytest.mark.parametrize("case", TAKING_TURNS)
def test_in_evaluation_nothing_changes_and_rows_are_apart(case, random_seed):
    factory, shape = TAKING_TURNS[case]
    stack = VmapStack(different(factory), **WHY)
    x = draw(random_seed, K, B, *shape)
    stack(x + 1.0)
    stack.eval()
    before = {n: b.clone() for n, b in stack.named_buffers()}
    first, second = stack(x), stack(x)
    assert torch.equal(first, second)
    for n, b in stack.named_buffers():
        assert torch.equal(b, before[n])
    if "norm" in case or "average" in case:
        torch.testing.assert_close(stack(x[:, 1:]), first[:, 1:])
    if "batch norm" in case:
        assert not torch.allclose(stack.train()(x), first)


def test_the_mode_reaches_the_module():
    stack = VmapStack(different(lambda: normed(D, 2)))
    assert stack._base[0][1].training
    nn.Sequential(stack).eval()
    assert not stack._base[0][1].training


def test_a_stack_registers_only_the_stacked_parameters():
    modules = different(lambda: nn.Linear(D, d))
    stack = VmapStack(modules)
    assert [tuple(p.shape) for p in stack.parameters()] == [(K, d, D), (K, d)]
    before = modules[0].weight.clone()
    with torch.no_grad():
        stack.stacked[0].zero_()
    torch.testing.assert_close(modules[0].weight, before)  # a copy, not the user's tensor


def test_frozen_weights_stay_frozen():
    """They were trained like the others."""
    modules = different(lambda: nn.Linear(D, d))
    for module in modules:
        module.bias.requires_grad_(False)
    assert [p.requires_grad for p in VmapStack(modules).parameters()] == [True, False]


def test_an_encoder_uses_each_class_own_buffers(random_seed):
    modules = different(lambda: TwoHeads(D, d))
    x = draw(random_seed, K, B, D)
    for why in ({}, WHY):
        mu, log_var = VmapEncoder(modules, **why)(x)
        for k, module in enumerate(modules):
            own_mu, own_log_var = module(x[k])
            torch.testing.assert_close(mu[k], own_mu)
            torch.testing.assert_close(log_var[k], own_log_var)


@pytest.mark.parametrize("why", [{}, WHY], ids=["side by side", "in turn"])
def test_networks_shape_rows_and_outputs(why, random_seed):
    decoder = VmapDecoder(different(ConvDecoder), **why)
    assert decoder(draw(random_seed, K, B, d)).shape == (K, B, 4)
    image_metric = VmapMetric(
        different(lambda: nn.Sequential(nn.Conv2d(1, 1, 2), nn.Flatten(), nn.Linear(2, n_tril(d)))),
        sample_shape=(1, 2, 3),
        **why,
    )
    L = image_metric(draw(random_seed, K, B, D))
    assert L.shape == (K, B, d, d)
    assert (L.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert (L[..., 0, 1] == 0).all()


def test_a_module_is_copied_for_every_class():
    module = nn.Linear(d, D)
    stack = build_stack(Architecture(D, decoder=module), FlowSettings(latent_dim=d), streams(0, 1))
    weight = stack.decoder.stacked[0]
    assert torch.equal(weight[0], module.weight)
    assert torch.equal(weight[1], module.weight)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_networks_of_another_precision_are_used_in_float32(dtype):
    """Weights were, but buffers were not: batch-norm in float64 failed."""
    module = normed(D, 2 * d).to(dtype)
    for spec in (module, lambda n_features, latent_dim: module):
        network = user_network("decoder", Architecture(2 * d, decoder=spec), D, streams(0, K))
        assert network(torch.zeros(K, B, D)).dtype == torch.float32
    assert {t.dtype for t in module.parameters()} == {dtype}


def test_log_variance_is_clamped():
    class Wild(nn.Module):
        def forward(self, x):
            return x[:, :d], 1e6 * x[:, :d]

    log_var = VmapEncoder([Wild()])(torch.tensor([[[1.0, -1.0]]])).log_var
    assert log_var.tolist() == [[[10.0, -15.0]]]


# --- random layers ----------------------------------------------------------------------------


def dropping(n_in=D, n_out=D):
    return nn.Sequential(nn.Linear(n_in, 16), nn.Dropout(0.5), nn.Linear(16, n_out))


def test_draws_come_from_a_stream_of_the_class():
    x = draw(0, 1, B, D).expand(K, -1, -1)
    module = dropping()
    stack = VmapStack([module] * K, **WHY)
    state = torch.get_rng_state()
    first, second = stack(x), stack(x)
    assert torch.equal(torch.get_rng_state(), state)
    # The classes, and one call and the next, differ.
    assert len({tuple(o.flatten().tolist()) for o in (*first, *second)}) == 2 * K
    # A class sees the same alone, and independently of what is drawn elsewhere.
    alone = VmapStack([module], in_turn=WHY["in_turn"], seeds=WHY["seeds"][1:2])
    torch.rand(3)
    assert torch.equal(alone(x[:1])[0], first[1])
    assert torch.equal(alone(x[:1])[0], second[1])
    stack.eval()
    torch.testing.assert_close(stack(x)[2], module.eval()(x[2]))


def test_a_network_that_always_draws_repeats_itself_in_evaluation():
    class Noisy(nn.Linear):
        def forward(self, z):
            return super().forward(z) + torch.randn(len(z), D)

    stack = VmapStack([Noisy(d, D)], in_turn=WHY["in_turn"], seeds=[3]).eval()
    z = draw(0, 1, B, d)
    assert torch.equal(stack(z), stack(z))
    assert not torch.equal(stack.train()(z), stack(z))


def test_seeds_leave_with_their_class():
    architecture = Architecture(D, decoder=dropping(d, D), hidden_layer_sizes=(5,))
    stack = build_stack(architecture, FlowSettings(latent_dim=d), streams(0, 1, 2))
    seeds, z = stack.decoder.seeds.tolist(), draw(0, 3, B, d)
    assert len(set(seeds)) == 3
    expected = stack.decode(z)
    stack.decoder.n_calls = 0
    stack.keep(torch.tensor([0, 2]))
    assert stack.decoder.seeds.tolist() == [seeds[0], seeds[2]]
    assert torch.equal(stack.decode(z[[0, 2]]), expected[[0, 2]])


def test_threads_do_not_disturb_a_lent_stream():
    """Groups may be trained in threads, which share torch's global generator."""
    expected = [torch.rand(200, generator=g) for g in streams(0, 1, 2)]
    drawn = [[] for _ in expected]

    def work(seed):
        for _ in range(20):
            with lent_stream(seed):
                drawn[seed].append(torch.stack([torch.rand(()) for _ in range(200)]))

    state = torch.get_rng_state()
    threads = [Thread(target=work, args=(seed,)) for seed in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert torch.equal(torch.get_rng_state(), state)
    for parts, truth in zip(drawn, expected, strict=True):
        assert len(parts) == 20
        # Drawn one by one: the stream is laid out differently from 200 draws at once.
        assert all(torch.equal(p, parts[0]) for p in parts)
        assert parts[0][0] == truth[0]


# --- who has to take turns --------------------------------------------------------------------


class Nested(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.body = nn.ModuleDict({"first": nn.Linear(D, D), "second": inner})

    def forward(self, x):
        return self.body["second"](self.body["first"](x))


def functional_dropout():
    class Functional(nn.Linear):
        def forward(self, x):
            return nn.functional.dropout(super().forward(x), 0.5, self.training)

    return Functional(D, D)


class OnlyInEvaluation(nn.Module):
    def forward(self, x):
        return x if self.training else x * x.mean().item()


NEED_TURNS = {
    "batch norm": (normed(D, d), "the layer '1' (BatchNorm1d)", "keeps running statistics"),
    "images": (normed_image(), "the layer '1' (BatchNorm2d)", "keeps running statistics"),
    "by itself": (nn.BatchNorm1d(D), "the network itself (BatchNorm1d)", "running statistics"),
    "instance norm": (
        nn.Sequential(nn.InstanceNorm2d(1, track_running_stats=True)),
        "the layer '0' (InstanceNorm2d)",
        "keeps running statistics",
    ),
    "of the batch": (
        nn.Sequential(nn.BatchNorm1d(D, track_running_stats=False)),
        "the layer '0' (BatchNorm1d)",
        "normalises over the rows of a batch",
    ),
    "dropout": (dropping(), "the layer '1' (Dropout)", "draws random numbers"),
    "recurrent dropout": (
        nn.Sequential(nn.LSTM(D, 3, 2, dropout=0.1)),
        "the layer '0' (LSTM)",
        "draws random numbers",
    ),
    "in place": (Nested(Average("in place", D)), "'body.second' (Average)", "buffer 'average'"),
    "replaced": (Nested(Average("replaced", D)), "'body.second' (Average)", "buffer 'average'"),
    "spectral norm": (
        nn.utils.parametrizations.spectral_norm(nn.Linear(D, d)),
        "'parametrizations.weight.0' (_SpectralNorm)",
        "changes its buffer '_",
    ),
    "branch": (Nested(Branching(D, d)), "the layer 'body.second' (Branching)", "(RuntimeError: vm"),
    "itself": (Branching(D, d), "the network itself (Branching)", "data-dependent control flow"),
    "item": (Nested(Item(D, d)), "the layer 'body.second' (Item)", "(RuntimeError: vm"),
    "function": (Nested(functional_dropout()), "'body.second' (Functional)", "random"),
    "recurrent": (Recurrent(), "the layer 'lstm' (LSTM)", "Batching rule"),
    "evaluation": (OnlyInEvaluation(), "the network itself (OnlyInEvaluation)", "side by side"),
}


def rows_for(module):
    is_image = any(isinstance(m, (nn.Conv2d, nn.InstanceNorm2d)) for m in module.modules())
    return torch.full((2, 1, 4, 4) if is_image else (2, D), 0.5)


@pytest.mark.parametrize("case", NEED_TURNS)
def test_the_layer_at_fault_is_named(case):
    module, layer, reason = NEED_TURNS[case]
    state = torch.get_rng_state()
    before = {n: v.detach().clone() for n, v in module.state_dict().items()}
    why = why_in_turn(module, "encoder", (rows_for(module),))
    assert why.parameter == "encoder"
    assert layer in why.layer
    assert reason in why.reason
    assert "\n" not in why.reason
    assert "side by side" in why.remedy
    # The trial leaves no trace.
    assert module.training
    assert torch.equal(torch.get_rng_state(), state)
    for n, v in module.state_dict().items():
        assert torch.equal(v, before[n])


STACKABLE = {
    "linear": nn.Linear(D, d),
    "convolution": nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.MaxPool2d(2)),
    "layer norm": nn.Sequential(nn.Linear(D, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, d)),
    "no dropout": nn.Sequential(nn.Linear(D, 4), nn.Dropout(0.0), nn.LSTM(4, 2, dropout=0.0))[:2],
    "constants": TwoHeads(D, d),
    "no weights": nn.Flatten(),
    "that fails by itself": nn.Linear(D + 1, d),
}


@pytest.mark.parametrize("case", STACKABLE)
@pytest.mark.parametrize("by_input", [False, True])
def test_who_need_not_take_turns(case, by_input):
    module = STACKABLE[case]
    assert why_in_turn(module, "decoder", (rows_for(module),), by_input) is None


def test_both_inputs_are_tried():
    class Pair(nn.Module):
        def forward(self, z, r):
            return r if r.mean() > 0 else z

    z, r = torch.zeros(2, D), torch.ones(2, D)
    assert "data-dependent" in why_in_turn(Pair(), "decoder", (z, r), True).reason


def test_members_that_take_turns_are_groups_of_their_own():
    sizes = {0: 50, 1: 50, 2: 40, 5: 300}
    assert plan_groups(sizes, 10, 100, "cpu", in_turn=True) == [[0], [1], [2], [5]]
    assert plan_groups(sizes, 10, 100, "cuda", in_turn=True) == [[0], [1], [2], [5]]


# --- through the estimator --------------------------------------------------------------------


class NormedEncoder(nn.Module):
    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_features, 8), nn.BatchNorm1d(8), nn.SiLU())
        self.heads = nn.Linear(8, 2 * latent_dim)

    def forward(self, x):
        return self.heads(self.net(x)).chunk(2, -1)


class NormedImageEncoder(NormedEncoder):
    def __init__(self, n_features, latent_dim):
        super().__init__(n_features, latent_dim)
        self.net = nn.Sequential(
            nn.Unflatten(1, (1, 4)), nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Flatten()
        )
        self.heads = nn.Linear(32, 2 * latent_dim)


class PairDecoder(nn.Module):
    """Moves a reference row, with batch-norm on the way."""

    def __init__(self, latent_dim, n_features):
        super().__init__()
        self.net = normed(latent_dim, n_features)

    def forward(self, z, r):
        return r + 0.1 * self.net(z).view_as(r)


def normed_metric(n_features, latent_dim):
    return normed(n_features, n_tril(latent_dim))


def normed_image_metric(n_features, latent_dim):
    return nn.Sequential(nn.Unflatten(1, (1, 4)), normed_image(n_tril(latent_dim)))


def images(n=12, seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], n)
    return rng.uniform(size=(2 * n, 4, 4)) + 0.3 * y[:, None, None], y


ROWS, IMAGES = table((12, 9, 8)), images()
NETWORKS = {
    "batch norm": (
        ROWS,
        {
            "encoder": NormedEncoder,
            "decoder": normed,
            "metric": LearnedMetric(network=normed_metric),
        },
    ),
    "batch norm, images": (
        IMAGES,
        {
            "encoder": NormedImageEncoder,
            "decoder": normed,
            "metric": LearnedMetric(network=normed_image_metric),
            "columns": Columns(likelihood="gaussian"),
        },
    ),
    "batch norm, residual": (
        ROWS,
        {
            "encoder": NormedEncoder,
            "decoder": "residual",
            "metric": LearnedMetric(network=normed_metric, n_leapfrog=3),
            "shared": False,
        },
    ),
    "batch norm, own reference": (
        ROWS,
        {"encoder": NormedEncoder, "decoder": PairDecoder, "metric": LearnedMetric(n_leapfrog=3)},
    ),
    "dropout": (ROWS, {"decoder": dropping}),
    "branches": (ROWS, {"decoder": Branching}),
    "number from a tensor": (ROWS, {"decoder": Item}),
    "statistics of the batch": (
        ROWS,
        {"decoder": nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False), nn.Linear(2, 4))},
    ),
    "instances": (ROWS, {"encoder": NormedEncoder(4, 2), "decoder": normed(2, 4)}),
}
every_network = pytest.mark.parametrize(("data", "networks"), NETWORKS.values(), ids=list(NETWORKS))
ignored = pytest.mark.filterwarnings("ignore:.*trained one after another")


@ignored
@pytest.mark.parametrize(
    ("name", "backend"),
    [
        *((name, "threading") for name in NETWORKS),
        pytest.param("dropout", "loky", marks=pytest.mark.slow),
        pytest.param("batch norm, own reference", "loky", marks=pytest.mark.slow),
    ],
)
def test_rows_do_not_depend_on_jobs_and_survive_a_pickle(name, backend):
    data, networks = NETWORKS[name]
    state = torch.get_rng_state()
    settings = {"validation_fraction": 0.3, "batch_size": 5} | networks
    one = quick(n_jobs=1, **settings).fit(*data)
    expected = one.sample(5)[0]
    assert np.isfinite(expected).all()
    assert_array_equal(pickle.loads(pickle.dumps(one)).sample(5)[0], expected)
    assert_array_equal(one.sample(5)[0], expected)
    settings["n_jobs"] = 2
    inner = {"inner_max_num_threads": 1} if backend == "loky" else {}
    with joblib.parallel_config(backend, **inner):
        two = quick(**settings).fit(*data)
        assert_array_equal(two.sample(5)[0], expected)
    for k, record in one.history_.items():
        assert_array_equal(two.history_[k].train_loss, record.train_loss)
        assert_array_equal(two.history_[k].valid_loss, record.valid_loss)
    assert torch.equal(torch.get_rng_state(), state)


@ignored
@every_network
def test_every_generator_has_a_stack_of_its_own(data, networks):
    augmenter = quick(**networks).fit(*data)
    groups = augmenter._generators.trained
    n_classes = len(np.unique(data[1]))
    # With reference rows the classes have copies of one stack, side by side.
    assert len(groups) == (1 if len(groups[0].members) > 1 else n_classes)
    for group in groups:
        stack = group.generator.stack
        assert stack.n_classes == len(group.members)
        assert not stack.training
        own = {name: networks.get(name) for name in ("encoder", "decoder")}
        own["metric_network"] = getattr(networks.get("metric"), "network", None)
        for name, spec in own.items():
            network = getattr(stack, name)
            if spec is not None and not isinstance(spec, str):
                assert isinstance(network, VmapStack)
                assert not network._base[0].training
        for buffer_name, b in stack.named_buffers():
            assert torch.isfinite(b).all(), buffer_name


@ignored
def test_running_statistics_are_of_the_training_and_are_used_afterwards():
    X, y = table((12, 12))
    augmenter = quick(encoder=NormedEncoder, decoder=normed, max_epochs=5, patience=None).fit(X, y)
    stack = augmenter._generators.trained[0].generator.stack
    # Per epoch, of one step: the encoder once, the decoder for the flow's kick and at its end.
    counts = {
        name: int(getattr(stack, name).get_buffer("stacked_buffer_2"))
        for name in ("encoder", "decoder")
    }
    best = augmenter.history_[0].best_epoch
    assert counts == {"encoder": best, "decoder": 2 * best}
    assert best > 0
    z = draw(0, 1, 7, 2)
    together = stack.decode(z)
    alone = torch.cat([stack.decode(z[:, [i]]) for i in range(7)], 1)
    torch.testing.assert_close(together, alone)
    before = stack.decoder.get_buffer("stacked_buffer_0").clone()
    assert before.abs().sum() > 0
    augmenter.sample(9)
    assert torch.equal(stack.decoder.get_buffer("stacked_buffer_0"), before)


def caught(**networks):
    """Fit and draw; return the warnings."""
    X, y = table((12, 9, 8))
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        augmenter = quick(**networks)
        augmenter.fit(X, y).sample(3)
        n_fit = len(record)
        augmenter.fit_resample(X, y)
    assert all(issubclass(w.category, UserWarning) for w in record)
    assert len(record) == 2 * n_fit
    return [str(w.message) for w in record[:n_fit]]


def test_the_warning_names_parameter_and_layer():
    assert caught(encoder=NormedEncoder) == []  # one generator: there is nobody beside it
    (message,) = caught(encoder=NormedEncoder, decoder="direct")
    assert message == (
        "encoder: the layer 'net.1' (BatchNorm1d) keeps running statistics, so classes are trained "
        "one after another, which takes longer. Use GroupNorm or LayerNorm to have them side by "
        "side."
    )
    (message,) = caught(decoder=dropping)
    assert "decoder: the layer '1' (Dropout) draws random numbers, so classes" in message
    (message,) = caught(decoder=Branching)
    assert re.match(
        r"decoder: the network itself \(Branching\) cannot be evaluated side by side "
        r"\(RuntimeError: .*data-dependent control flow.*\), so classes are trained one after",
        message,
    )


def test_one_warning_for_all_networks():
    metric = LearnedMetric(network=normed_metric)
    (message,) = caught(encoder=NormedEncoder, decoder=dropping, metric=metric)
    for part in (
        "encoder: the layer 'net.1' (BatchNorm1d) keeps running statistics; decoder: the layer",
        "; metric__network: the layer '1' (BatchNorm1d) keeps running statistics, so classes",
    ):
        assert part in message
    assert message.count("Use GroupNorm or LayerNorm") == 1


@ignored
def test_a_network_that_can_be_stacked_beside_one_that_cannot():
    X, y = table((12, 9, 8))
    networks = {"encoder": TwoHeads, "decoder": normed}
    augmenter = quick(**networks).fit(X, y)
    architecture = Architecture(4, hidden_layer_sizes=(8,), **networks)
    (why,) = networks_in_turn(architecture, 2)
    assert why.parameter == "decoder"
    stack = augmenter._generators.trained[0].generator.stack
    assert stack.encoder.in_turn is None
    assert stack.decoder.in_turn == why
    assert np.isfinite(augmenter.sample(4)[0]).all()


def test_networks_in_turn_of_the_package_there_are_none():
    for decoder in (None, "residual"):
        assert networks_in_turn(Architecture(D, decoder=decoder), 2) == []


@ignored
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_a_lone_last_row_joins_another_batch(batch_size):
    """Batch-norm refuses a batch of one row: 9 = 4 + 4 + 1."""
    X, y = table((9, 9))
    augmenter = quick(encoder=NormedEncoder, decoder=normed, batch_size=batch_size)
    assert np.isfinite(augmenter.fit(X, y).sample(3)[0]).all()


class Deaf(Branching):
    """Returns the same for all codes."""

    def forward(self, z):
        return self.linear(z.detach())


@pytest.mark.parametrize(
    ("network", "fragment"),
    [
        (lambda d, D: normed(d, D + 1), r"\(2, 5\)"),
        (lambda d, D: normed(d + 1, D), "RuntimeError"),
        (lambda d, D: dropping(d, D + 1), r"\(2, 5\)"),
        (lambda d, D: Branching(d, D + 1), r"\(2, 5\)"),
        (lambda d, D: Branching(d + 1, D), "RuntimeError"),
        (lambda d, D: nn.LazyLinear(D), "lazy layers"),
        (Deaf, "no derivative with respect to the codes"),
    ],
)
def test_what_does_not_fit_is_refused_as_ever(network, fragment):
    with pytest.raises(ValueError, match=rf"(?s)decoder.*{fragment}"):
        quick(decoder=network).fit(*ROWS)


class Attention(nn.Linear):
    """Of one point to itself, by an operation that torch differentiates only once."""

    def forward(self, z):
        z = super().forward(z)
        q = z.view(-1, 1, 2, z.shape[1] // 2)
        return nn.functional.scaled_dot_product_attention(q, q, q)


@ignored
def test_a_decoder_that_the_flow_cannot_differentiate_is_refused():
    """It failed only in the first training step, with an error of torch."""
    with pytest.raises(ValueError, match=r"decoder .* twice.*integrator='splitting'"):
        quick(decoder=Attention, metric=LearnedMetric(integrator="leapfrog")).fit(*ROWS)
    X_new, _ = quick(decoder=Attention).fit(*ROWS).sample(2)
    assert np.isfinite(X_new).all()
