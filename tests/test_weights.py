"""Rows in proportion to their weights: what is known in closed form, and what must not change."""

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from shared import quick, stream, table
from sklearn import config_context
from sklearn.datasets import load_digits

from sklearn_pyraug import HMC, LearnedMetric, Residual, RHVAEAugmenter
from sklearn_pyraug._generation.fallback import smoothed_bootstrap
from sklearn_pyraug._metadata import class_weights
from sklearn_pyraug._serialization.archive import read_archive, write_archive
from sklearn_pyraug.rhvae import Architecture, FlowSettings, build_stack
from sklearn_pyraug.rhvae.likelihoods import (
    BernoulliLikelihood,
    GaussianLikelihood,
    IsotropicLikelihood,
    MixedLikelihood,
)
from sklearn_pyraug.rhvae.likelihoods.mixed import Block, CodeLayout
from sklearn_pyraug.rhvae.reference_generator import _make_pairs
from sklearn_pyraug.rhvae.training.data import ClassRows, StackLoader, fixed_batch, split_rows
from sklearn_pyraug.rhvae.training.net import _mean_loss
from sklearn_pyraug.rhvae.training.pairs import find_partners, partner_weight, scaled_for_pairs
from sklearn_pyraug.rhvae.weighting import in_rounds, systematic

# Every kind of decoder and of sharing, and all else that depends on rows.
SETTINGS = {
    "shared": {},
    "residual": {"shared": False},
    "direct": {"decoder": "direct"},
    "held out": {"validation_fraction": 0.3},
    "direct held out": {"decoder": "direct", "validation_fraction": 0.3},
    "thinned": {"metric": LearnedMetric(max_centroids=5)},
    "direct thinned": {"decoder": "direct", "metric": LearnedMetric(max_centroids=5)},
    "neighbours": {"decoder": Residual(n_neighbors=3)},
    "small steps": {"batch_size": 8},
}
every_setting = pytest.mark.parametrize("setting", SETTINGS)


@pytest.fixture
def data():
    """Rows of three classes, and whole weights from 0 to 4, some of them positive in each."""
    X, y = table((30, 14, 8), 4)
    return X, y, np.random.default_rng(1).integers(0, 5, len(y)).astype(float)


# --- systematic resampling ---------------------------------------------------------------


@pytest.mark.parametrize("n_draws", [0, 1, 7, 100, 1000])
def test_systematic_counts_are_within_one_of_their_share(n_draws, random_seed):
    weights = np.random.default_rng(random_seed).exponential(size=37)
    chosen = systematic(weights, n_draws, np.random.default_rng(random_seed).random())
    share = n_draws * weights / weights.sum()
    assert len(chosen) == n_draws
    assert np.all(np.abs(np.bincount(chosen, minlength=37) - share) < 1)


def test_systematic_counts_are_their_share_in_expectation():
    """Over all u: the mean over a grid of M points is off by less than 1/M a boundary."""
    weights, n_draws, M = np.array([0.5, 3.0, 0.01, 1.0]), 3, 4000
    counts = [
        np.bincount(systematic(weights, n_draws, (i + 0.5) / M), minlength=4) for i in range(M)
    ]
    assert_allclose(np.mean(counts, axis=0), n_draws * weights / weights.sum(), atol=2 / M)


def test_whole_shares_are_met_exactly():
    weights = torch.tensor([1.0, 2.0, 0.5, 4.5], dtype=torch.float64)
    chosen = in_rounds(16, 4, stream(), weights)
    assert_array_equal(torch.bincount(chosen), [2, 4, 1, 9])
    assert not bool((chosen.diff() >= 0).all()), "they are in random order"


def test_equal_weights_are_none():
    weights = torch.full((5,), 0.3, dtype=torch.float64)
    assert_array_equal(in_rounds(12, 5, stream(), weights), in_rounds(12, 5, stream()))


def test_the_bootstrap_of_small_classes(random_seed):
    rows, weights = np.arange(3.0, dtype=np.float32)[:, None], np.array([1.0, 3.0, 6.0])
    new, origins = smoothed_bootstrap(rows, np.zeros(1), 1000, random_seed, weights)
    assert_array_equal(np.bincount(origins), [100, 300, 600])
    # x = i + u (j − i) with u of mean 1/4 and j, independent of i, of the same mean as i; the
    # standard deviation of x is below 1.
    assert abs(new.mean() - 1.5) < 5 / np.sqrt(1000)


# --- pairs -----------------------------------------------------------------------------------


@pytest.fixture(params=[None, 2])
def partners(request):
    """Partners among 4 + 5 rows, all of a class or the 2 nearest, with labels and weights."""
    rows, labels = torch.randn(9, 3, generator=stream()), torch.tensor([0, 1] * 4 + [1])
    weights = torch.rand(9, generator=stream(1), dtype=torch.float64) + 0.1
    return find_partners(rows, labels, request.param), labels, weights


def partners_of(found, i):
    run = found.order[found.start[i] : found.start[i] + found.count[i]]
    return run[run != i]


def test_partner_weights_are_sums(partners):
    found, _, weights = partners
    expected = [float(weights[partners_of(found, i)].sum()) for i in range(9)]
    assert_allclose(partner_weight(found, weights), expected, rtol=1e-12)


def test_products_have_a_mean_of_one_in_each_class(partners):
    found, labels, weights = partners
    scaled = scaled_for_pairs(found, labels, weights)
    for k in range(2):
        own = (labels == k).nonzero().flatten().tolist()
        products = [float(scaled[i] * scaled[partners_of(found, i)].mean()) for i in own]
        assert_allclose(np.mean(products), 1.0, rtol=1e-12)
        ratio = scaled[own] / weights[own]
        assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_pairs_of_a_class_are_drawn_by_the_product_of_their_weights():
    """Each pair is there once, and counts by the product."""
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    rows, labels = torch.randn(5, 2, generator=stream()), torch.zeros(5, dtype=torch.int64)
    pairs, counts = _make_pairs(rows, labels, None, stream(), None, weights)
    assert len(pairs.unique(dim=0)) == len(pairs) == 20
    torch.testing.assert_close(counts, weights[pairs].prod(1))
    assert bool((pairs[:, 0] != pairs[:, 1]).all())


def test_one_row_may_have_all_of_the_weight():
    """A class in which a pair has next to no weight: nothing is infinite or NaN."""
    weights = torch.tensor([1e-300, 3.0, 1e-300], dtype=torch.float64)
    labels = torch.zeros(3, dtype=torch.int64)
    found = find_partners(torch.randn(3, 2, generator=stream()), labels)
    assert bool(scaled_for_pairs(found, labels, weights).isfinite().all())


# --- the loss ----------------------------------------------------------------------------------


@pytest.fixture
def double():
    """A stack of one member in float64, rows, whole weights, and the rows repeated by them."""
    torch.set_default_dtype(torch.float64)
    try:
        stack = build_stack(
            Architecture(3, hidden_layer_sizes=(6,)),
            FlowSettings(latent_dim=2, n_leapfrog=0),
            [stream()],
        )
        rows = torch.randn(5, 3, generator=stream(1))
        weights = torch.tensor([1.0, 3.0, 2.0, 1.0, 4.0])
        yield stack, rows, weights, torch.repeat_interleave(torch.arange(5), weights.long())
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_weighted_loss_is_that_of_repeated_rows(double):
    """Loss and gradients, with the same noise for all copies of a row."""
    stack, rows, weights, index = double
    weighted = fixed_batch([rows], [stream(2)], 2, "cpu", weights=[weights / weights.mean()])
    repeated = weighted._replace(
        x=weighted.x[:, index],
        mask=weighted.mask[:, index],
        noise_z=weighted.noise_z[:, index],
        noise_rho=weighted.noise_rho[:, index],
        weight=None,
    )
    results = []
    for batch in (weighted, repeated):
        loss = _mean_loss(stack(batch).elbo, batch).sum()
        results.append(
            (
                loss,
                *torch.autograd.grad(
                    loss, tuple(stack.parameters()), None, None, allow_unused=True
                ),
            )
        )
    for one, other in zip(*results, strict=True):
        if one is None:
            assert other is None
        else:
            assert_allclose(one.detach(), other.detach(), rtol=1e-10, atol=1e-13)


def test_padding_has_no_weight(double):
    stack, rows, weights, _ = double
    weight = weights / weights.mean()
    alone = fixed_batch([rows], [stream(2)], 2, "cpu", weights=[weight])
    beside = fixed_batch(
        [rows, torch.zeros(9, 3)], [stream(2), stream(3)], 2, "cpu", weights=[weight, None]
    )
    assert_array_equal(beside.weight[1], np.ones(9))
    elbo = torch.full((1, 9), 7.0)
    elbo[:, 5:] = torch.inf
    padded = alone._replace(mask=beside.mask[:1], weight=beside.weight[:1])
    assert_allclose(_mean_loss(elbo, padded), -7.0)


def test_a_pair_counts_by_the_product_of_both_weights():
    """Rows, references and weights of a step belong together."""
    x = torch.arange(9.0).unsqueeze(1)
    weights = torch.arange(1.0, 10.0, dtype=torch.float64)
    found = find_partners(x, torch.zeros(9, dtype=torch.int64))
    rows = [ClassRows(x, x[:0], found, x[:0], weights)]
    for batch, _ in StackLoader(rows, [stream()], [stream(1)], 4, 2, "cpu"):
        assert_array_equal(batch.weight, (batch.x + 1)[..., 0] * (batch.r + 1)[..., 0])
    rows = [ClassRows(x, x[:0], weight=weights)]
    for batch, _ in StackLoader(rows, [stream()], [stream(1)], 4, 2, "cpu"):
        assert_array_equal(batch.weight, (batch.x + 1)[..., 0])


def test_both_sides_of_a_split_have_weights_of_mean_one():
    x, weights = torch.arange(20.0).unsqueeze(1), torch.arange(1.0, 21.0, dtype=torch.float64)
    split = split_rows(x, 0.25, stream(), weights)
    for rows, weight in ((split.train, split.weight), (split.valid, split.valid_weight)):
        expected = weights[rows.flatten().long()]
        assert_allclose(weight, expected / expected.mean())
    plain = split_rows(x, 0.25, stream())
    assert_array_equal(plain.valid, split.valid)


LAYOUT = CodeLayout(
    (Block("gaussian", 0, 2), Block("bernoulli", 2, 3), Block("categorical", 3, 6)), (-1, 2)
)


@pytest.mark.parametrize("kind", ["gaussian", "bernoulli", "isotropic", "mixed"])
def test_networks_start_at_weighted_means(kind):
    """As at those of repeated rows, but for the one row more of Laplace's rule, told apart here."""
    make = {
        "gaussian": GaussianLikelihood,
        "bernoulli": BernoulliLikelihood,
        "isotropic": IsotropicLikelihood,
        "mixed": lambda K, D: MixedLikelihood(K, D, LAYOUT),
    }[kind]
    x = torch.rand(40, 6, generator=stream())
    x[:, 2] = (x[:, 2] > 0.8).float()
    x[:, 3:] = torch.nn.functional.one_hot(torch.arange(40) % 3, 3).float()
    # As many rows as the sum of the weights, so that Laplace's row counts as much.
    weights = torch.cat([torch.zeros(10), torch.ones(20), torch.full((10,), 2.0)]).double()
    copies = x.repeat_interleave(weights.long(), 0)
    weighted, repeated = make(1, 6), make(1, 6)
    theta = weighted.start_at([x], [weights])
    assert_allclose(theta, repeated.start_at([copies]), rtol=1e-4, atol=1e-5)
    for one, other in zip(weighted.parameters(), repeated.parameters(), strict=True):
        assert_allclose(one.detach(), other.detach(), rtol=1e-4, atol=1e-5)


def test_a_column_of_which_light_rows_alone_have_a_value_starts_at_their_moments():
    """Below a sum of weights of 1 they were drawn to 0."""
    x = torch.zeros(4, 6)
    x[:, 1], x[:, 2] = torch.tensor([0.0, 0.0, 3.0, 5.0]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    likelihood = MixedLikelihood(1, 6, LAYOUT)
    theta = likelihood.start_at([x], [torch.tensor([1.0, 1.0, 0.01, 0.01]).double()])
    deviation = likelihood.gaussian.raw_scale.detach().exp()
    assert_allclose([theta[0, 1], deviation[0, 0, 1]], [4.0, 1.0], rtol=1e-6)


# --- weights of a class ------------------------------------------------------------------------


def test_class_weights_have_a_mean_of_one():
    y_index = np.array([0, 0, 1, 1, 1])
    weights = class_weights(np.array([1.0, 3.0, 1e300, 1e300, 2.5e300]), y_index)
    assert_allclose(weights, [0.5, 1.5, 2 / 3, 2 / 3, 5 / 3])
    assert class_weights(np.array([2.0, 2.0, 7.0, 7.0, 7.0]), y_index) is None
    assert class_weights(None, y_index) is None


# --- the augmenter -----------------------------------------------------------------------------


@every_setting
def test_equal_weights_change_nothing(data, setting):
    X, y, _ = data
    plain = quick(**SETTINGS[setting]).fit_resample(X, y)[0]
    weighted = quick(**SETTINGS[setting]).fit_resample(X, y, sample_weight=np.full(len(y), 0.3))[0]
    assert_array_equal(plain, weighted)


@every_setting
def test_only_ratios_within_a_class_matter(data, setting):
    """Seven times as much, and another factor for each class: the same bits."""
    X, y, weights = data
    one = quick(**SETTINGS[setting]).fit_resample(X, y, sample_weight=weights)[0]
    for other in (7 * weights, weights * np.array([1.0, 100.0, 3.0])[y]):
        assert_array_equal(
            quick(**SETTINGS[setting]).fit_resample(X, y, sample_weight=other)[0], one
        )


@every_setting
def test_rows_of_weight_zero_are_as_if_absent(data, setting):
    X, y, weights = data
    kept = weights > 0
    everything = quick(**SETTINGS[setting])
    X_res, y_res = everything.fit_resample(X, y, sample_weight=weights)
    assert_array_equal(X_res[: len(y)], X)
    assert np.all(weights[everything.origin_indices_[len(y) :]] > 0)
    # Sizes are those of all rows: new rows are counted again.
    counts = {k: n + int(kept[y == k].sum()) for k, n in everything.sampling_strategy_.items()}
    some = quick(**SETTINGS[setting], sampling_strategy=counts)
    X_some, y_some = some.fit_resample(X[kept], y[kept], sample_weight=weights[kept])
    assert_array_equal(X_res[len(y) :], X_some[kept.sum() :])
    assert_array_equal(y_res[len(y) :], y_some[kept.sum() :])
    origins = np.flatnonzero(kept)[some.origin_indices_[kept.sum() :]]
    assert_array_equal(everything.origin_indices_[len(y) :], origins)
    assert_array_equal(everything.origin_distances_[len(y) :], some.origin_distances_[kept.sum() :])


def test_rows_of_weight_zero_do_not_shape_the_columns():
    """An outlier, and a level of a category, that only they have is not seen by anything."""
    import pandas as pd

    X, y = table((20, 20), 2)
    X = pd.DataFrame(X, columns=["a", "b"]).assign(c=np.tile(["u", "v"], 20))
    weights = np.ones(40)
    weights[[3, 4]] = 0.0
    X.loc[3, "a"], X.loc[4, "c"] = 1e6, "w"
    augmenter = quick(sampling_strategy={0: 60, 1: 60})
    X_res, _ = augmenter.fit_resample(X, y, sample_weight=weights)
    pd.testing.assert_frame_equal(X_res.iloc[:40], X)
    new = X_res.iloc[40:]
    assert new["a"].max() < 100
    assert set(new["c"]) == {"u", "v"}
    assert np.isfinite(augmenter.origin_distances_).all()


@pytest.mark.parametrize("setting", ["shared", "residual", "direct", "neighbours"])
def test_rows_are_drawn_in_proportion(data, setting):
    X, y, weights = data
    # No new row is a copy of its reference, so none is drawn again, which would be random.
    augmenter = quick(**SETTINGS[setting], sampling_strategy={k: 200 for k in range(3)})
    augmenter.fit_resample(X, y, sample_weight=weights)
    origins = augmenter.origin_indices_[len(y) :]
    for k in range(3):
        own = np.where(y == k, weights, 0.0)
        n = augmenter.sampling_strategy_[k]
        counts = np.bincount(origins[y[origins] == k], minlength=len(y))
        assert np.all(np.abs(counts - n * own / own.sum()) < 1)


@pytest.mark.filterwarnings("ignore:Too few rows to train a generator")
def test_a_class_too_small_to_train_on(tmp_path):
    X, y = table((20, 3), 4)
    weights = np.ones(23)
    weights[y == 1] = [1.0, 3.0, 6.0]
    augmenter = quick(decoder="direct", sampling_strategy={1: 103})
    augmenter.fit_resample(X, y, sample_weight=weights)
    counts = np.bincount(augmenter.origin_indices_[23:], minlength=23)
    assert_array_equal(counts[y == 1], [10, 30, 60])
    augmenter.save(tmp_path / "model.pyraug")
    loaded = RHVAEAugmenter.load(tmp_path / "model.pyraug")
    assert_array_equal(loaded.sample({1: 9})[0], augmenter.sample({1: 9})[0])


@pytest.mark.parametrize("decoder", ["direct", "deformation"])
def test_images(decoder):
    X, y = load_digits(n_class=2, return_X_y=True)
    X, y = X[:40].reshape(-1, 8, 8), y[:40]
    weights = np.arange(40) % 3
    augmenter = quick(decoder=decoder, augmentation_factor=2)
    X_res, _ = augmenter.fit_resample(X, y, sample_weight=weights)
    assert X_res.shape == (2 * np.bincount(y).max() * 2, 8, 8)
    assert np.all(weights[augmenter.origin_indices_[40:]] > 0)


@pytest.mark.parametrize("decoder", ["direct", "residual"])
def test_training_follows_the_weights(decoder):
    """Of two clusters of a class, the one with 99 % of the weight is learned from and drawn."""
    rng = np.random.default_rng(0)
    cluster = np.tile([0, 1], 40)
    X = np.r_[rng.normal(size=(80, 2)) + 8 * cluster[:, None], rng.normal(size=(20, 2)) - 8]
    y = np.repeat([0, 1], [80, 20])
    weights = np.r_[np.where(cluster, 99.0, 1.0), np.ones(20)]
    augmenter = quick(decoder=decoder, shared=False, max_epochs=20, sampler=HMC(n_steps=10))
    augmenter.fit(X, y, sample_weight=weights)
    X_new, _ = augmenter.sample({0: 200})
    assert np.mean(X_new[:, 0] > 4) > 0.9


def test_a_saved_model_draws_in_proportion(data, tmp_path):
    X, y, weights = data
    for name in ("shared", "direct"):
        augmenter = quick(**SETTINGS[name]).fit(X, y, sample_weight=weights)
        augmenter.save(tmp_path / name)
        loaded = RHVAEAugmenter.load(tmp_path / name)
        assert_array_equal(loaded.sample(20)[0], augmenter.sample(20)[0])


@pytest.mark.parametrize("change", [lambda w: w[:-1], lambda w: -w, lambda w: w * torch.nan])
def test_a_file_with_weights_that_are_none_is_refused(data, tmp_path, change):
    X, y, weights = data
    path = tmp_path / "model"
    quick().fit(X, y, sample_weight=weights).save(path)
    meta, tensors = read_archive(path)
    (name,) = (n for n in tensors if n.endswith("generator.weights.0"))
    write_archive(path, meta, tensors | {name: change(tensors[name])}, overwrite=True)
    with pytest.raises(ValueError, match="weights"):
        RHVAEAugmenter.load(path)


def test_jobs(data):
    X, y, weights = data
    one = quick(shared=False, batch_size=8).fit_resample(X, y, sample_weight=weights)[0]
    with joblib.parallel_config(backend="threading", n_jobs=2):
        two = quick(shared=False, batch_size=8).fit_resample(X, y, sample_weight=weights)[0]
    assert_array_equal(one, two)


def test_a_class_without_weight_that_does_not_grow(data):
    """It is not learned from, and stands among the rows as it was."""
    X, y, weights = data
    weights[y == 1] = 0.0
    for setting in ("shared", "direct", "residual"):
        augmenter = quick(**SETTINGS[setting], sampling_strategy={0: 40, 2: 40})
        X_res, y_res = augmenter.fit_resample(X, y, sample_weight=weights)
        assert_array_equal(np.bincount(y_res), [40, 14, 40])
        assert_array_equal(augmenter.classes_, [0, 1, 2])
        assert_array_equal(X_res[: len(y)], X)


def test_a_mixed_table_with_a_class_without_weight():
    X, y = table((20, 10, 20), 3)
    X[:, 0] = np.arange(50) % 2
    weights = np.where(y == 1, 0.0, 1.0 + np.arange(50) % 2)
    augmenter = quick(sampling_strategy={0: 30, 2: 30})
    X_res, _ = augmenter.fit_resample(X, y, sample_weight=weights)
    assert augmenter.likelihood_ == "mixed"
    assert set(X_res[:, 0]) == {0.0, 1.0}


def test_refuses_a_growing_class_without_weight(data):
    X, y, weights = data
    weights[y == 1] = 0.0
    with pytest.raises(ValueError, match=r"sample_weight is zero for .* classes \[1\].*: give a"):
        quick().fit_resample(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match=r"sample_weight is zero for .* classes \[1\].*: give a"):
        quick(sampling_strategy={0: 40}).fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("method", ["fit", "fit_resample"])
@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (np.ones((52, 2)), r"the shape \(52, 2\): pass one value for each of the 52 rows"),
        (np.full(52, -2.0), r"negative, got \d+ negative values: give weight zero"),
        (np.zeros(52), r"at least one positive weight, got only zeros: give"),
        (
            np.ones(51),
            r"sample_weight has the shape \(51,\): pass one value for each of the 52 rows",
        ),
        (np.full(52, np.nan), r"sample_weight contains NaN"),
        (["light"] * 52, r"sample_weight holds text: pass one number"),
        (np.full(52, np.inf), r"sample_weight contains infinity"),
        (2.0, r"sample_weight has the shape \(\): pass one"),
    ],
)
def test_refuses(data, method, weights, match):
    """With `assume_finite`, a training with weights of NaN diverged."""
    X, y, _ = data
    with config_context(assume_finite=True), pytest.raises(ValueError, match=match):
        getattr(quick(), method)(X, y, sample_weight=weights)


@pytest.mark.parametrize("settings", [{}, {"decoder": "direct"}])
def test_the_cache_tells_weights_and_groups_apart(data, tmp_path, settings):
    """Each comes back from the cache as it was computed without one."""
    X, y, weights = data
    settings = settings | {"validation_fraction": 0.3}
    groups = np.arange(len(y)) // 3
    cases = [{}, {"sample_weight": weights}, {"groups": groups}, {"sample_weight": weights + 1.0}]
    for _ in range(2):
        for given in cases:
            cached = quick(**settings, memory=tmp_path).fit_resample(X, y, **given)[0]
            assert_array_equal(cached, quick(**settings).fit_resample(X, y, **given)[0])


def test_a_checkpoint_of_other_weights_is_refused(data, tmp_path):
    X, y, weights = data
    quick(checkpoint=tmp_path).fit(X, y, sample_weight=weights)
    quick(checkpoint=tmp_path).fit(X, y, sample_weight=7 * weights)
    with pytest.raises(ValueError, match="checkpoint"):
        quick(checkpoint=tmp_path).fit(X, y, sample_weight=weights + 1.0)
