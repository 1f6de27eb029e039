"""Networks that start from a reference row, the package's and the user's."""

import math

import numpy as np
import pytest
import torch
from shared import arrays, draw, quick, stream, table
from torch import nn

from sklearn_pyraug import Columns, LearnedMetric, RHVAEAugmenter
from sklearn_pyraug.rhvae import (
    Architecture,
    FlowSettings,
    build_stack,
    generator,
    reference_generator,
)
from sklearn_pyraug.rhvae.likelihoods.mixed import Block, CodeLayout
from sklearn_pyraug.rhvae.networks.mlp import MLP, Encoder, MetricNetwork, takes_reference
from sklearn_pyraug.rhvae.networks.reference import DeformationDecoder

K, B, d = 2, 5, 3
# Two numbers, the second with an indicator, a binary column, and three levels.
LAYOUT = CodeLayout(
    (Block("gaussian", 0, 2), Block("bernoulli", 2, 4), Block("categorical", 4, 7)), (-1, 2)
)


def streams(seed, n=K):
    return [stream(100 * seed + k) for k in range(n)]


def uniform(seed, *shape):
    return torch.rand(*shape, generator=stream(seed), dtype=torch.float64)


def reference_stack(decoder, n_features, likelihood="gaussian", seed=0, **architecture):
    architecture = Architecture(
        n_features, likelihood, hidden_layer_sizes=(6,), decoder=decoder, **architecture
    )
    assert architecture.has_reference
    return build_stack(architecture, FlowSettings(latent_dim=d), streams(seed)).double()


@torch.no_grad()
def silence(net):
    """Make a perceptron answer 0."""
    net.layers[-1].weight.zero_()
    net.layers[-1].bias.zero_()


# --- what the encoder and the metric see ---------------------------------------------------


def test_networks_see_the_difference_and_the_reference():
    x, r = draw(0, K, B, 4), draw(1, K, B, 4)
    both = torch.cat([x - r, r], -1)
    encoder = Encoder(MLP((8, 6, 2 * d), streams(0))).double()
    for got, truth in zip(encoder(x, r), encoder(both), strict=True):
        assert got.shape == (K, B, d)
        assert torch.equal(got, truth)
    metric = MetricNetwork(MLP((8, 6, d * (d + 1) // 2), streams(0))).double()
    L = metric(x, r)
    assert torch.equal(L, metric(both))
    assert (L.triu(1) == 0.0).all()
    assert (L.diagonal(dim1=-2, dim2=-1) > 0.0).all()


# --- the residual decoder ------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", ["gaussian", "isotropic", "bernoulli", "binomial"])
def test_without_a_residual_the_mean_is_the_reference(random_seed, likelihood):
    """As far as `inverse_link` promises: probabilities stay 0.05 away from 0 and 1."""
    stack = reference_stack("residual", 7, likelihood)
    silence(stack.decoder.net)
    r, z = uniform(random_seed, K, B, 7).round(decimals=1), draw(random_seed, K, B, d)
    got = stack.likelihood.mean(stack.decode(z, r))
    truth = r if likelihood in ("gaussian", "isotropic") else r.clamp(0.05, 0.95)
    torch.testing.assert_close(got, truth)


def test_without_a_residual_the_mean_is_the_reference_of_mixed_columns(random_seed):
    stack = reference_stack("residual", 7, "mixed", layout=LAYOUT)
    silence(stack.decoder.net)
    numbers, level = draw(random_seed, K, B, 2), torch.arange(B) % 3
    binary = torch.stack([torch.arange(B) % 2, torch.ones(B)], -1).double().expand(K, B, 2)
    levels = nn.functional.one_hot(level, 3).double().expand(K, B, 3)
    r = torch.cat([numbers, binary, levels], -1)
    got = stack.likelihood.mean(stack.decode(draw(random_seed + 1, K, B, d), r))
    truth = r.clone()
    # The first binary column says that the second number is missing: its stand-in is 0.
    truth[..., 1] *= 1.0 - r[..., 2]
    truth[..., 2:4] = r[..., 2:4].clamp(0.05, 0.95)
    truth[..., 4:] = 0.9 * r[..., 4:] + 0.1 / 3
    torch.testing.assert_close(got, truth)
    # The most probable level is the reference's own.
    assert torch.equal(got[..., 4:].argmax(-1), level.expand(K, B))


def test_the_residual_is_added_to_the_reference(random_seed):
    """Where f does not look at r, equal codes change all rows alike."""
    stack = reference_stack("residual", 4)
    with torch.no_grad():
        stack.decoder.from_r.weight.zero_()
    z = draw(random_seed, K, 1, d).expand(K, B, d)
    r = draw(random_seed + 1, K, B, 4)
    change = stack.decode(z, r) - r
    torch.testing.assert_close(change, change[:, :1].expand_as(change))
    assert (change.abs() > 0.0).any()


def test_an_untrained_residual_is_small(random_seed):
    """A tenth of what a perceptron of that size would answer."""
    stack = reference_stack("residual", 40, seed=random_seed)
    z, r = draw(random_seed, K, 200, d), draw(random_seed + 1, K, 200, 40)
    change = stack.decode(z, r) - r
    # Two inputs of unit variance through rectified units give 1, and the last layer 0.1.
    assert 0.02 < change.square().mean().sqrt() < 0.3


# --- the deformation decoder ---------------------------------------------------------------

IMAGES = [((6,), 1), ((5, 7), 1), ((8, 8), 1), ((3, 4, 5), 1), ((3, 5, 4), 3), ((2, 3, 4, 3), 2)]


def deformation(shape, n_channels, seed=0, likelihood="isotropic"):
    D = math.prod(shape)
    return reference_stack(
        "deformation", D, likelihood, seed, sample_shape=shape, n_channels=n_channels
    )


@pytest.mark.parametrize(("shape", "n_channels"), IMAGES)
@pytest.mark.parametrize("likelihood", ["isotropic", "bernoulli"])
def test_without_parameters_the_mean_is_the_reference_image(shape, n_channels, likelihood):
    stack = deformation(shape, n_channels, likelihood=likelihood)
    silence(stack.decoder.net)
    r, z = uniform(0, K, B, math.prod(shape)), draw(1, K, B, d)
    got = stack.likelihood.mean(stack.decode(z, r))
    torch.testing.assert_close(got, r if likelihood == "isotropic" else r.clamp(0.05, 0.95))


@pytest.mark.parametrize(("shape", "n_channels"), [s for s in IMAGES if s[1] > 1])
def test_channels_are_warped_together(random_seed, shape, n_channels):
    """Each one as a grey image would be by the same network."""
    D = math.prod(shape)
    stack, grey = deformation(shape, n_channels), deformation(shape[1:], 1)
    with torch.no_grad():
        for p, q in zip(stack.decoder.parameters(), grey.decoder.parameters(), strict=True):
            p.copy_(q)
    z, r = draw(random_seed, K, B, d), uniform(random_seed, K, B, D)
    got = stack.decode(10.0 * z, r).view(K, B, n_channels, -1)
    channels = r.view(K, B, n_channels, -1)
    for c in range(n_channels):
        torch.testing.assert_close(got[:, :, c], grey.decode(10.0 * z, channels[:, :, c]))
    assert (got - channels).abs().max() > 0.05


def test_exposure_is_bounded_and_smooth(random_seed):
    """A flat image shows the exposure alone: at most a factor of e^0.7, about two."""
    stack = deformation((9, 7), 1, random_seed)
    r = torch.ones(K, B, 63, dtype=torch.float64)
    wild = stack.decode(1e4 * draw(random_seed, K, B, d), r)
    assert wild.max() <= math.exp(0.7) * (1.0 + 1e-6)
    assert wild.min() >= math.exp(-0.7) * (1.0 - 1e-6)
    silence(stack.decoder.net)
    with torch.no_grad():
        stack.decoder.net.layers[-1].bias[..., : stack.decoder.n_exposure] = 0.3
    lit = stack.decode(draw(random_seed, K, B, d), r)
    torch.testing.assert_close(lit, math.exp(0.7 * math.tanh(0.3)) * r)


def test_masks_are_warped_alone(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "masks.pyraug"
    for levels in ([0, 255], [0, 90, 255]):
        X = rng.choice(np.array(levels, dtype=np.uint8), size=(20, 8, 8))
        quick().fit(X, np.arange(20) % 2).save(path, overwrite=True)
        stack = RHVAEAugmenter.load(path)._generators.trained[0].generator.stack
        r = torch.ones(2, 1, 64)
        flat = stack.decode(1e4 * torch.ones(2, 1, stack.settings.latent_dim), r)
        assert torch.equal(flat, r) == (len(levels) == 2)


def test_deformation_moves_with_its_dtype():
    """The grid follows the parameters, also back."""
    stack = deformation((4, 5), 1)
    z, r = draw(0, K, B, d), uniform(1, K, B, 20)
    truth = stack.decode(z, r)
    single = stack.float().decode(z.float(), r.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), truth, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(stack.double().decode(z, r), truth, rtol=1e-4, atol=1e-4)


def test_every_buffer_and_parameter_leads_with_the_class_axis():
    """The grid is shared and no buffer: `keep` would cut it."""
    stack = deformation((4, 5), 1)
    alone = deformation((4, 5), 1)
    alone.keep(torch.tensor([1]))
    z, r = draw(0, K, B, d), uniform(1, K, B, 20)
    torch.testing.assert_close(alone.decode(z[1:], r[1:]), stack.decode(z, r)[1:])
    assert isinstance(alone.decoder, DeformationDecoder)


# --- the user's own ------------------------------------------------------------------------


class PairwiseEncoder(nn.Module):
    """See x and r, as rows or as images."""

    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.net = nn.Linear(2 * n_features, 2 * latent_dim)

    def forward(self, x, r):
        return self.net(torch.cat([x.flatten(1), r.flatten(1)], 1)).chunk(2, -1)


class PairwiseMetric(nn.Module):
    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.net = nn.Linear(2 * n_features, latent_dim * (latent_dim + 1) // 2)

    def forward(self, x, r):
        return self.net(torch.cat([x.flatten(1), r.flatten(1)], 1))


class Nudge(nn.Module):
    """r + 0.01 f(z), in r's own shape."""

    shapes = ()

    def __init__(self, latent_dim, n_features):
        super().__init__()
        self.net = nn.Linear(latent_dim, n_features)

    def forward(self, z, r):
        type(self).shapes += (tuple(r.shape[1:]),)
        return r + 0.01 * self.net(z).view_as(r)


class Plain(nn.Module):
    def __init__(self, latent_dim, n_features):
        super().__init__()
        self.net = nn.Linear(latent_dim, n_features)

    def forward(self, z):
        return self.net(z)


class Optional(Plain):
    def forward(self, z, r=None):
        return self.net(z)


def nudge_factory(latent_dim, n_features):
    return Nudge(latent_dim, n_features)


nudge_factory.takes_reference = True


def test_the_first_argument_of_a_method_may_have_any_name():
    """A class whose methods call the instance `this` was taken for a decoder of z alone."""

    class Unusual(nn.Module):
        def forward(this, z, r):
            return z, r

    assert takes_reference(Unusual)
    assert takes_reference(Unusual())


def test_a_factory_that_hides_its_reference_is_refused():
    """It failed only in the first training step, with an error of torch."""
    X, y = table()
    with pytest.raises(ValueError, match=r"decoder=.*takes two inputs.*takes_reference = True"):
        quick(decoder=lambda latent_dim, n_features: Nudge(latent_dim, n_features)).fit(X, y)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Nudge, True),
        (Nudge(2, 4), True),
        (nudge_factory, True),
        (lambda latent_dim, n_features: Nudge(latent_dim, n_features), False),
        (Plain, False),
        (Plain(2, 4), False),
        (Optional, False),
        (nn.Linear, False),
        (nn.Linear(2, 4), False),
        (nn.Sequential(nn.Linear(2, 4)), False),
        (PairwiseEncoder, True),
        (PairwiseMetric(4, 2), True),
    ],
    # Names without addresses, which would differ from process to process.
    ids=lambda v: getattr(v, "__name__", None) or type(v).__name__,
)
def test_who_takes_a_reference(spec, expected):
    assert takes_reference(spec) == expected
    architecture = Architecture(4, decoder=spec)
    assert architecture.has_reference == expected


@pytest.mark.parametrize("decoder", [Nudge, Nudge(2, 4), nudge_factory], ids=["class", "", "made"])
@pytest.mark.parametrize("output", ["mean", "transfer"])
def test_decoder_of_the_user_that_takes_a_reference(decoder, output):
    X, y = table()
    augmenter = quick(
        decoder=decoder, output=output, augmentation_factor=2, columns=Columns(value_mapping=None)
    )
    X_res, y_res = augmenter.fit_resample(X, y)
    assert augmenter.decoder_ == "custom"
    new, origins = X_res[len(X) :], augmenter.origin_indices_[len(X) :]
    assert np.isfinite(new).all()
    np.testing.assert_array_equal(y[origins], y_res[len(X) :])
    if output == "mean":
        # One generator learns from all classes, and moves every row a little.
        distance = np.abs(new - X[origins]).max(axis=1)
        assert (distance > 0.0).all()
        assert distance.max() < 0.5


def test_networks_of_the_user_that_take_a_reference():
    X, y = table()
    metric = LearnedMetric(n_leapfrog=2, network=PairwiseMetric)
    for sampler in ("posterior", "hmc"):
        augmenter = quick(sampler=sampler, metric=metric, decoder=Nudge, encoder=PairwiseEncoder)
        assert np.isfinite(augmenter.fit(X, y).sample(5)[0]).all()
    # They may be combined with the package's decoders, and with encoders that see x alone.
    for decoder in ("residual", Nudge):
        for encoder in ("mlp", PairwiseEncoder):
            augmenter = quick(
                decoder=decoder, encoder=encoder, metric=LearnedMetric(network=PairwiseMetric)
            )
            assert np.isfinite(augmenter.fit(X, y).sample(5)[0]).all()


def test_networks_of_the_user_are_given_images(monkeypatch):
    monkeypatch.setattr(Nudge, "shapes", ())
    X, y = table(n_features=12)
    metric = LearnedMetric(network=PairwiseMetric)
    networks = {"decoder": Nudge, "encoder": PairwiseEncoder, "metric": metric}
    augmenter = quick(sample_shape=(3, 4), output="mean", **networks).fit(X, y)
    assert augmenter.sample(2)[0].shape == (6, 12)
    assert set(Nudge.shapes) == {(3, 4)}


@pytest.mark.parametrize(
    "networks", [{"encoder": PairwiseEncoder}, {"metric__network": PairwiseMetric}], ids=str
)
@pytest.mark.parametrize("decoder", ["direct", Plain])
def test_a_network_that_asks_for_a_reference_where_there_is_none(networks, decoder):
    """Refused before any training, with a message that names it."""
    X, y = table()
    name, spec = next(iter(networks.items()))
    match = rf"{name}=<class .*{spec.__name__}.* two inputs.*decoder has no reference.*'residual'"
    with pytest.raises(ValueError, match=match):
        quick(decoder=decoder, metric=LearnedMetric()).set_params(**networks).fit(X, y)


@pytest.mark.parametrize(
    ("networks", "match"),
    [
        ({"decoder": Nudge(2, 5)}, r"decoder could not be evaluated on a batch"),
        ({"decoder": "residual", "encoder": PairwiseEncoder(5, 2)}, "encoder could not"),
        ({"decoder": "residual", "encoder": PairwiseEncoder(4, 3)}, r"\(2, 3\).*latent_dim=2"),
        ({"decoder": "residual", "metric__network": PairwiseMetric(4, 3)}, r"\(2, 6\)"),
    ],
    ids=str,
)
def test_networks_with_a_reference_that_do_not_fit(networks, match):
    X, y = table()
    with pytest.raises(ValueError, match=match):
        quick(metric=LearnedMetric()).set_params(**networks).fit(X, y)


@pytest.mark.parametrize("decoder", ["direct", "residual", "deformation"])
@pytest.mark.parametrize("metric", ["auto", "posterior", "learned"])
def test_there_is_a_metric_network_only_where_a_flow_trains_it(decoder, metric, monkeypatch):
    """38 % of the default's weights on iris were those of a network that nothing trained."""
    X, y = arrays((8, 9)) if decoder == "deformation" else table()
    before = []

    def noted(*arguments):
        stack = build_stack(*arguments)
        before.append({n: p.detach().clone() for n, p in stack.named_parameters()})
        return stack

    for module in (generator, reference_generator):
        monkeypatch.setattr(module, "build_stack", noted)
    augmenter = quick(decoder=decoder, metric=metric).fit(X, y)
    stack = augmenter._generators.trained[0].generator.stack
    learned = metric == "learned" or (metric, decoder) == ("auto", "direct")
    assert (stack.metric_network is not None) == learned
    for name, weights in stack.named_parameters():
        assert not torch.equal(weights, before[0][name]), name
