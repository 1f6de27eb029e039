"""RHVAEAugmenter with rows that start from real ones, its default, from end to end."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.ndimage import gaussian_filter
from shared import dense, quick, table
from skorch.callbacks import Callback
from torch import nn

from sklearn_pyraug import MLP, Columns, Deformation, LearnedMetric, Residual, Transfer
from sklearn_pyraug._generation import fit as fitting
from sklearn_pyraug.rhvae import METRICS, SAMPLERS


def wide_table(sizes=(12, 9), n_features=80, seed=0):
    return table(sizes, n_features, seed)


def images(sizes=(14, 10), shape=(8, 10), seed=0):
    """Return smooth blobs, of a greater width in class 1, as flat rows."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    grid = np.indices(shape).reshape(2, 1, *shape)
    centre = rng.uniform(0.3, 0.7, size=(2, len(y), 1, 1)) * np.reshape(shape, (2, 1, 1, 1))
    X = np.exp(-((grid - centre) ** 2).sum(axis=0) / (2 * (1.0 + y[:, None, None]) ** 2))
    X += 0.05 * gaussian_filter(rng.normal(size=X.shape), (0, 1, 1))
    return X.clip(0.0, 1.0).reshape(len(y), -1), y


DATA = {"table": table, "wide table": wide_table, "images": images}
# The decoder, the likelihood and the shape that each kind of data gets by default.
DEFAULTS = {
    "table": ("residual", "gaussian", None),
    "wide table": ("residual", "gaussian", None),
    "images": ("deformation", "isotropic", (8, 10)),
}
every_data = pytest.mark.parametrize("data", DATA)


def new_rows(augmenter, X, y):
    """Resample; return the new rows, their labels and the rows that they started from."""
    X_res, y_res = augmenter.fit_resample(X, y)
    new = augmenter.synthetic_mask_
    return dense(X_res)[new], np.asarray(y_res)[new], augmenter.origin_indices_[new]


# --- the defaults --------------------------------------------------------------------------


@every_data
def test_defaults(data):
    X, y = DATA[data]()
    augmenter = quick(augmentation_factor=3, latent_dim="auto")
    X_res, y_res = augmenter.fit_resample(X, y)
    decoder, likelihood, shape = DEFAULTS[data]
    assert augmenter.decoder_ == decoder
    assert augmenter.likelihood_ == likelihood
    assert augmenter.sample_shape_ == shape
    n = len(y)
    assert_array_equal(X_res[:n], X)
    assert_array_equal(y_res[:n], y)
    new, origins = X_res[n:], augmenter.origin_indices_[n:]
    assert np.isfinite(new).all()
    assert np.all(new >= X.min(axis=0))
    assert np.all(new <= X.max(axis=0))
    assert_array_equal(y[origins], y_res[n:])
    # Rows of a class are references of equally many new rows, up to one.
    for k in np.unique(y):
        assert np.ptp(np.bincount(origins, minlength=n)[y == k]) <= 1
    assert len(np.unique(X_res, axis=0)) == len(X_res)
    for record in augmenter.history_.values():
        assert np.isfinite(record.train_loss).all()
    # One generator for all classes at first, then each goes on with its own.
    assert len(augmenter._generators.trained) == 1
    one, other = augmenter.history_[0], augmenter.history_[1]
    assert_array_equal(one.train_loss[0], other.train_loss[0])
    assert one.train_loss[-1] != other.train_loss[-1]


@every_data
def test_new_rows_are_nearer_to_their_reference_than_rows_of_another_class(data):
    X, y = DATA[data]()
    new, y_new, origins = new_rows(quick(max_epochs=30, lr=0.01), X, y)
    own = np.linalg.norm(new - X[origins], axis=1)
    other = [np.linalg.norm(X[y != k] - x, axis=1).min() for x, k in zip(new, y_new, strict=True)]
    assert np.mean(own < other) > 0.8


@every_data
def test_the_distance_to_the_reference_is_reported(data):
    X, y = DATA[data]()
    augmenter = quick(augmentation_factor=2, columns=Columns(value_mapping=None))
    new, _, origins = new_rows(augmenter, X, y)
    distances = augmenter.origin_distances_
    assert distances.shape == (len(y) + len(new),)
    assert (distances[: len(y)] == 0.0).all()
    assert (distances[len(y) :] > 0.0).all()
    # Standard deviations of a table's columns; shares of an image's range.
    scale = X.std(axis=0) if data != "images" else np.ptp(X)
    truth = np.sqrt(np.mean(((new - X[origins]) / scale) ** 2, axis=1))
    assert_allclose(distances[len(y) :], truth, rtol=1e-3)


def test_wide_tables_are_seen_through_their_components():
    """New rows combine the real ones: they lie in the space that those span."""
    X, y = wide_table()
    augmenter = quick(augmentation_factor=2, columns=Columns(value_mapping=None), max_epochs=5)
    new, _, _ = new_rows(augmenter, X, y)
    assert augmenter._generators.projection is not None
    centre, scale = X.mean(axis=0), X.std(axis=0)
    _, _, V = np.linalg.svd((X - centre) / scale, full_matrices=False)
    V = V[:-1]  # 21 rows differ in 20 directions
    for row in new:
        # Values that were clipped to their column's range have left the space.
        inside = (row > X.min(axis=0)) & (row < X.max(axis=0))
        assert inside.sum() > 40
        coded = ((row - centre) / scale)[inside]
        parts, *_ = np.linalg.lstsq(V[:, inside].T, coded, rcond=None)
        assert np.abs(coded - V[:, inside].T @ parts).max() < 1e-4
    for parameters in ({"decoder": "direct"}, {"sample_shape": (8, 10)}):
        augmenter = quick(**parameters).fit(X, y)
        assert augmenter._generators.projection is None


class RowEncoder(nn.Module):
    """Of rows or of images."""

    def __init__(self, n_features, latent_dim, shape=()):
        super().__init__()
        self.n_features, self.shape = n_features, shape
        self.net = nn.Linear(n_features, 2 * latent_dim)

    def forward(self, x):
        assert tuple(x.shape[1:]) == (self.shape or (self.n_features,))
        return self.net(x.flatten(1)).chunk(2, -1)


@pytest.mark.parametrize(
    "parameters",
    [
        {"encoder": RowEncoder(80, 2)},
        {"encoder": RowEncoder},
        {"metric": LearnedMetric(network=nn.Linear(80, 3))},
        {"encoder": RowEncoder(80, 2, (8, 10)), "sample_shape": (8, 10), "decoder": "residual"},
    ],
    ids=["module", "class", "metric", "images"],
)
def test_networks_of_the_user_see_all_columns_of_a_wide_table(parameters):
    """And no components: their sizes are those of X, and so are the images'."""
    X, y = wide_table()
    augmenter = quick(**parameters).fit(X, y)
    assert np.isfinite(augmenter.sample(3)[0]).all()
    assert augmenter._generators.projection is None


# --- never the reference itself ------------------------------------------------------------


def whole_numbers(n_values, n_features=3):
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 25)
    return rng.integers(0, n_values, size=(50, n_features)).astype(float), y


@pytest.mark.parametrize(
    ("data", "parameters"),
    [
        (table(), {}),
        (wide_table(), {}),
        (images(), {}),
        (images(), {"output": Transfer(scale=0.01), "decoder": "residual"}),
        (whole_numbers(10), {}),
        (whole_numbers(10), {"columns": Columns(value_mapping="nearest")}),
        (whole_numbers(10), {"columns": Columns(value_mapping="quantile")}),
        (whole_numbers(10), {"columns": Columns(value_mapping=None)}),
        (whole_numbers(4, 6), {}),
        (whole_numbers(4, 6), {"columns": Columns(value_mapping="nearest")}),
        (whole_numbers(2, 12), {"categorical_features": [0, 3]}),
    ],
)
def test_no_row_is_its_own_reference(data, parameters):
    """Where its class's lattice of values has room; duplicated rows are nobody's privacy."""
    X, y = data
    augmenter = quick(augmentation_factor=5, **parameters)
    new, _, origins = new_rows(augmenter, X, y)
    _, group, count = np.unique(X, axis=0, return_inverse=True, return_counts=True)
    unique = (count[group.ravel()] == 1)[origins]
    assert unique.sum() > 50
    assert not np.any(np.all(new[unique] == X[origins[unique]], axis=1))
    assert np.all(augmenter.origin_distances_[len(X) :][unique] > 0.0)


def test_where_there_is_no_room_the_reference_comes_back():
    """A class of equal rows with the columns tied to them: nothing is drawn for ever."""
    X, y = table((20, 12))
    X[y == 1] = X[y == 1][0]
    new, y_new, _ = new_rows(quick(augmentation_factor=2), X, y)
    assert np.all(new[y_new == 1] == X[y == 1][0])


# --- small classes and shared generators ---------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("data", [table, wide_table, images])
def test_a_small_class_borrows_the_pairs_of_the_others(n, data):
    """Without a warning, and each row from a real one of its own class."""
    X, y = data((20, 12, n))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmenter = quick(augmentation_factor=1)
        new, y_new, origins = new_rows(augmenter, X, y)
    assert np.bincount(y_new).tolist() == [0, 8, 20 - n]
    assert_array_equal(y[origins], y_new)
    # So few rows keep the shared networks.
    assert augmenter.n_epochs_[2] == 1 < augmenter.n_epochs_[1]
    small = new[y_new == 2]
    assert len(np.unique(small, axis=0)) == len(small)


def test_only_classes_of_one_row_but_one():
    X, y = table((4, 1, 1))
    new, y_new, origins = new_rows(quick(augmentation_factor=3), X, y)
    assert_array_equal(y[origins], y_new)
    assert np.isfinite(new).all()


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (2, 1), (3, 1, 1)], ids=str)
def test_too_few_pairs_for_any_generator(sizes):
    X, y = table(sizes)
    augmenter = quick(augmentation_factor=4)
    with pytest.warns(UserWarning, match="Too few rows") as caught:
        new, y_new, origins = new_rows(augmenter, X, y)
    # New rows between so few are near-copies, which a second warning says.
    assert len(caught) == 2
    for k, n in enumerate(sizes):
        assert f"{k} ({n} rows)" in str(caught[0].message)
    assert np.isfinite(new).all()
    assert_array_equal(y[origins], y_new)
    assert set(augmenter.n_epochs_.values()) == {0}


@pytest.mark.parametrize("sizes", [(1, 1), (10, 10)], ids=str)
def test_no_generator_where_no_class_grows(sizes):
    """One was trained all the same, and training failed where no two rows were of one class."""
    X, y = table(sizes)
    augmenter = quick(augmentation_factor=1)
    assert_array_equal(augmenter.fit_resample(X, y)[0], X)
    assert not augmenter._generators.trained


@pytest.mark.parametrize("data", [table, images])
def test_a_generator_for_each_class(data):
    X, y = data((20, 12, 2))
    augmenter = quick(shared=False, augmentation_factor=2)
    with pytest.warns(UserWarning, match=r"2 \(2 rows\)"):
        new, y_new, origins = new_rows(augmenter, X, y)
    assert_array_equal(y[origins], y_new)
    assert augmenter.n_epochs_ == {0: 2, 1: 2, 2: 0}
    assert not np.array_equal(augmenter.history_[0].train_loss, augmenter.history_[1].train_loss)
    assert np.isfinite(new).all()


def test_a_shared_generator_learns_from_rows_that_do_not_grow():
    X, y = table((20, 12))
    few, many = quick(sampling_strategy={1: 20}), quick(sampling_strategy={0: 30, 1: 20})
    few_rows = new_rows(few, X, y)[0]
    rows, labels, _ = new_rows(many, X, y)
    assert_array_equal(few.history_[1].train_loss, many.history_[1].train_loss)
    assert_allclose(rows[labels == 1], few_rows, rtol=1e-4, atol=1e-5)


# --- interruptions -------------------------------------------------------------------------


class Interrupts(Callback):
    """Raise KeyboardInterrupt in an epoch, counted over all copies of the callback."""

    n_epochs = 0

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        type(self).n_epochs += 1
        if self.n_epochs >= self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [3, 7])
def test_interrupted_with_several_generators(monkeypatch, epoch):
    """In the first group, when the others have learned nothing, and in the second."""
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", {"cpu": 1})
    monkeypatch.setattr(Interrupts, "n_epochs", 0)
    augmenter = quick(max_epochs=5, shared=False, callbacks=[Interrupts(epoch)], device="cpu")
    with pytest.raises(KeyboardInterrupt):
        augmenter.fit(*table())
    X_new, y_new = augmenter.sample(4)
    assert np.isfinite(X_new).all()
    assert_array_equal(y_new, np.repeat([0, 1, 2], 4))


# --- what is refused -----------------------------------------------------------------------


class Direct(nn.Module):
    def __init__(self, latent_dim, n_features):
        super().__init__()
        self.net = nn.Linear(latent_dim, n_features)

    def forward(self, z):
        return self.net(z)


REFUSED = {
    "shared direct": (
        {"shared": True, "decoder": "direct"},
        "shared=True lets all classes learn from one network, but decoder='direct' .* cannot tell "
        "the classes apart. Use shared=False, or decoder='residual' or 'deformation'",
    ),
    "shared custom": ({"shared": True, "decoder": Direct}, "shared=True .* decoder='custom'"),
    "transfer direct": (
        {"output": "transfer", "decoder": "direct"},
        "output='transfer' carries differences of rows over to a reference row, but "
        "decoder='direct' has none. Use output='mean' or 'draw', or decoder='residual'",
    ),
    "transfer custom": (
        {"output": "transfer", "decoder": Direct},
        "output='transfer' .* decoder='custom' has none",
    ),
    "deformation of a table": (
        {"decoder": "deformation"},
        r"decoder='deformation' warps images, but the rows have the sample_shape None. "
        r"Pass sample_shape=\(height, width\), or decoder='residual' for a table",
    ),
    "deformation of a table by name": (
        {"decoder": "deformation", "sample_shape": None},
        "decoder='deformation' .* sample_shape None",
    ),
    "deformation of one pixel": (
        {"decoder": "deformation", "sample_shape": (4, 1, 1)},
        r"decoder='deformation' .* sample_shape \(4, 1, 1\)",
    ),
    "chains of the posterior metric": (
        {"sampler": "independent_mh", "metric": "learned"},
        "sampler='independent_mh' draws from the posterior covariances, but metric='learned'. Use",
    ),
    "scale": (
        {"output": Transfer(scale=(1.0, 0.5))},
        r"scale=\(1.0, 0.5\) of Transfer is not a range of shares. Pass two finite numbers",
    ),
    "scale of warps": (
        {"decoder": Deformation(scale=0), "sample_shape": (2, 2)},
        "scale=0 of Deformation is not a range of shares. Pass two finite numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_training(name, monkeypatch):
    for function in ("train_generator", "train_reference_generator"):
        monkeypatch.setattr(fitting, function, lambda *_, **__: pytest.fail("training began"))
    parameters, match = REFUSED[name]
    with pytest.raises(ValueError, match=match):
        quick(**parameters).fit_resample(*table())


def test_an_error_leaves_the_last_fit_usable():
    """Also what was recognised of the rows, on which the next draws depend."""
    augmenter = quick().fit(*images())
    before = augmenter.sample(3)[0]
    augmenter.set_params(decoder="direct", shared=True)
    with pytest.raises(ValueError, match="shared=True"):
        augmenter.fit(*table())
    augmenter.set_params(decoder="auto", shared="auto")
    assert augmenter.sample_shape_ == (8, 10)
    assert_array_equal(augmenter.sample(3)[0], before)


# --- choices -------------------------------------------------------------------------------


# That of independent proposals draws from the posterior covariances, and is refused, see above.
WAYS = [(s, m) for s in SAMPLERS for m in METRICS if m == "posterior" or s != "independent_mh"]


@pytest.mark.parametrize(
    ("data", "decoder", "sampler", "metric"),
    [
        *(("table", "residual", *way) for way in WAYS),
        *(("table", "direct", *way) for way in WAYS),
        ("wide table", "residual", "hmc", "learned"),
        ("wide table", "residual", "posterior", "posterior"),
        ("images", "auto", "hmc", "learned"),
        ("images", "auto", "posterior", "posterior"),
    ],
)
def test_every_sampler_with_every_metric(data, decoder, sampler, metric):
    X, y = DATA[data]()
    augmenter = quick(sampler=sampler, metric=metric, decoder=decoder)
    new, y_new, origins = new_rows(augmenter, X, y)
    assert np.isfinite(new).all()
    assert_array_equal(y[origins], y_new)
    for info in augmenter.sampler_info_.values():
        assert 0.0 <= info["acceptance_rate"] <= 1.0
        takes_steps = sampler not in ("geodesic", "independent_mh")
        assert (info.get("step_size", 0.0) > 0.0) == takes_steps


@pytest.mark.parametrize("output", ["auto", "mean", "draw", "transfer"])
@every_data
def test_every_output(data, output):
    X, y = DATA[data]()
    augmenter = quick(
        output=output, augmentation_factor=3, columns=Columns(value_mapping=None)
    ).fit(X, y)
    new, _ = augmenter.sample(30)
    assert np.isfinite(new).all()
    # A choice made when rows are drawn, on which training does not depend.
    other = quick(output="mean", augmentation_factor=3, columns=Columns(value_mapping=None)).fit(
        X, y
    )
    other.set_params(output=output)
    assert_array_equal(other.sample(30)[0], new)
    default = {"table": "transfer", "wide table": "transfer", "images": "mean"}[data]
    other.set_params(output="auto")
    assert np.array_equal(other.sample(30)[0], new) == (output in ("auto", default))


@pytest.mark.parametrize(("data", "component"), [("table", "output"), ("images", "decoder")])
def test_scale_sets_how_far_rows_move(data, component):
    X, y = DATA[data]()
    kind = {"output": Transfer, "decoder": Deformation}[component]
    distances = []
    for scale in (0.01, (0.01, 0.1), 0.1, (0.5, 1.0), 1):
        augmenter = quick(
            **{component: kind(scale=scale)},
            columns=Columns(value_mapping=None),
            augmentation_factor=4,
            min_distance=None,
        )
        augmenter.fit_resample(X, y)
        distances.append(augmenter.origin_distances_.sum())
    assert distances == sorted(distances)
    assert distances[0] < 0.02 * distances[-1]


@pytest.mark.parametrize("residual_share", [0, 0.5, 1.0])
def test_what_the_code_cannot_say_may_be_left_out(residual_share):
    """An untrained code says next to nothing: without the pair's residual rows hardly move."""
    X, y = table()
    parameters = {
        "columns": Columns(value_mapping=None),
        "decoder": Residual(n_neighbors=None),
        "output": Transfer(scale=1.0, residual=residual_share),
        "max_epochs": 1,
        "lr": 1e-9,
    }
    augmenter = quick(**parameters)
    new, _, origins = new_rows(augmenter, X, y)
    between = np.sqrt(np.mean([(X[y == k].std(axis=0) ** 2) for k in (0, 1, 2)]))
    moved = np.sqrt(np.mean((new - X[origins]) ** 2))
    # The root mean square difference of two rows is √2 deviations; f is a tenth of one.
    assert moved == pytest.approx(residual_share * np.sqrt(2.0) * between, abs=0.35 * between)


@pytest.mark.parametrize(
    ("data", "n_neighbors"),
    [*(("table", n) for n in (1, 3, None)), ("wide table", 1), ("images", 1)],
)
def test_neighbours(data, n_neighbors):
    X, y = DATA[data]()
    augmenter = quick(
        decoder=(Deformation if data == "images" else Residual)(n_neighbors=n_neighbors)
    ).fit(X, y)
    assert np.isfinite(augmenter.sample(3)[0]).all()
    if n_neighbors == 1:
        (generator,) = (g.generator for g in augmenter._generators.trained)
        rows, labels = generator.rows[0], generator.labels[0]
        for a, b in generator.pairs[0].tolist():
            own = (labels == labels[a]).nonzero().flatten()
            distance = (rows[own] - rows[a]).norm(dim=1)
            # The row itself and one other.
            assert (distance <= (rows[b] - rows[a]).norm()).sum() == 2


@pytest.mark.parametrize(("n_features", "n_partners"), [(20, 5), (21, 9)])
def test_neighbours_of_narrow_tables(n_features, n_partners):
    X, y = wide_table((10, 10), n_features)
    augmenter = quick().fit(X, y)
    (generator,) = (g.generator for g in augmenter._generators.trained)
    pairs = generator.pairs[0].tolist()
    partners = {a: {b for other, b in pairs if other == a} for a, _ in pairs}
    assert max(map(len, partners.values())) == min(n_partners, 8)
    rows, labels = generator.rows[0], generator.labels[0]
    for a, b in pairs:
        own = rows[labels == labels[a]]
        assert ((own - rows[a]).norm(dim=1) <= (rows[b] - rows[a]).norm()).sum() <= n_partners + 1


@pytest.mark.parametrize("decoder", ["auto", "direct"])
@every_data
def test_what_follows_from_the_data(data, decoder):
    X, y = DATA[data]()
    augmenter = quick(
        latent_dim="auto",
        metric=LearnedMetric(temperature="auto", regularization="auto"),
        decoder=decoder,
    ).fit(X, y)
    (generator,) = (g.generator for g in augmenter._generators.trained)
    d = generator.latent.c.shape[-1]
    assert d == min(10, len(X) - 1, X.shape[1])
    assert (generator.latent.metric.T != 1.0).all()
    assert float(generator.latent.metric.lam) != 0.01
    assert np.isfinite(augmenter.sample(5)[0]).all()


@pytest.mark.parametrize("n_rows", [3, 4, 5])
def test_latent_dim_of_few_rows(n_rows):
    X, y = table((n_rows, n_rows), n_features=30)
    augmenter = quick(latent_dim="auto", max_epochs=1).fit(X, y)
    (generator,) = (g.generator for g in augmenter._generators.trained)
    assert generator.latent.c.shape[-1] == 2 * n_rows - 1


@pytest.mark.parametrize(
    ("data", "validation_fraction"),
    [("table", 0.2), ("table", 0.9), ("wide table", 0.5), ("images", 0.5)],
)
def test_held_out_rows(data, validation_fraction):
    X, y = DATA[data]()
    augmenter = quick(validation_fraction=validation_fraction, max_epochs=4)
    new, _, origins = new_rows(augmenter, X, y)
    assert np.isfinite(new).all()
    for record in augmenter.history_.values():
        assert np.isfinite(record.valid_loss).all()
    # Held-out rows are references all the same.
    assert set(origins) >= set(np.flatnonzero(y == 1))


def test_early_stopping_of_a_shared_generator_stops_for_all():
    augmenter = quick(max_epochs=300, patience=1, lr=0.05, shared=True).fit(*table())
    (n_epochs,) = set(augmenter.n_epochs_.values())
    assert n_epochs < 300
    assert augmenter.history_[2].best_epoch == n_epochs - 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": LearnedMetric(n_leapfrog=2)},
        {"metric": LearnedMetric(n_leapfrog=3, leapfrog_step=10.0)},
        {"metric": LearnedMetric(n_leapfrog=2, temperature=1e-6)},
        {"metric": LearnedMetric(n_leapfrog=2, regularization=1e-10), "sampler": "hmc"},
        {"latent_dim": 1},
        {"latent_dim": 15},
        {"encoder": MLP((6, 5, 4))},
        {"batch_size": 1},
        {"metric": LearnedMetric(max_centroids=1, temperature="auto", regularization="auto")},
        {"lr": 1e3, "max_epochs": 5},
        {"output": Transfer(scale=10)},
    ],
    ids=str,
)
@pytest.mark.parametrize("data", ["wide table", "images"])
@pytest.mark.filterwarnings(
    "ignore:The Hamiltonian flow of .* does not preserve volume:UserWarning"
)
@pytest.mark.filterwarnings("ignore:The training of .* diverged:UserWarning")
def test_settings(data, parameters):
    """As for tables in test_augmenter: nothing finite fails for numerical reasons."""
    X, y = DATA[data]()
    new, y_new, origins = new_rows(quick(**parameters), X, y)
    assert np.isfinite(new).all()
    assert_array_equal(y[origins], y_new)


# --- images --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample_shape", "decoder"),
    [
        ((8, 10), "deformation"),
        ((4, 4, 5), "deformation"),  # a volume, or four channels of it
        ((3, 4, 4, 2), "deformation"),
        ((1, 8, 10), "deformation"),
        ((8, 10, 1), "deformation"),
        ((1, 5, 4, 4), "deformation"),
        ((80,), "residual"),
        ((1, 80), "residual"),
        (None, "residual"),
    ],
    ids=str,
)
def test_shapes(sample_shape, decoder):
    n = 80 if sample_shape is None else int(np.prod(sample_shape))
    X, y = wide_table(n_features=n)
    augmenter = quick(sample_shape=sample_shape, augmentation_factor=2)
    new, _, _ = new_rows(augmenter, X, y)
    assert augmenter.decoder_ == decoder
    assert augmenter.sample_shape_ == sample_shape
    assert np.isfinite(new).all()
    if decoder == "deformation":
        explicit = quick(sample_shape=sample_shape, augmentation_factor=2, decoder="deformation")
        assert_array_equal(new_rows(explicit, X, y)[0], new)


def test_images_may_be_treated_as_a_table():
    X, y = images()
    augmenter = quick(decoder="residual").fit(X, y)
    assert augmenter.decoder_ == "residual"
    assert augmenter.sample_shape_ == (8, 10)
    assert np.isfinite(augmenter.sample(3)[0]).all()
    augmenter = quick(sample_shape=None).fit(X, y)
    assert augmenter.decoder_ == "residual"
    assert augmenter.sample_shape_ is None


@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_bytes_stay_bytes(decoder):
    X, y = images()
    X = np.round(255 * X).astype(np.uint8)
    augmenter = quick(augmentation_factor=2, decoder=decoder)
    new, _, _ = new_rows(augmenter, X, y)
    assert augmenter.sample_shape_ == (8, 10)
    assert new.dtype == np.uint8


def test_dark_pixels_stay_dark_and_ink_moves():
    """A warp brings ink to where the reference had none, and leaves the corners black."""
    X, y = images()
    X[X < 0.2] = 0.0
    new, _, origins = new_rows(quick(augmentation_factor=4, max_epochs=20, lr=0.01), X, y)
    assert np.mean(new[:, 0] == 0.0) > 0.9
    assert np.any((new > 0.2) & (X[origins] == 0.0))


# --- containers and copies -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "container"),
    [
        ("table", np.ndarray.tolist),
        ("table", sparse.csc_matrix),
        ("wide table", pd.DataFrame),
        ("wide table", sparse.csr_array),
        ("images", pd.DataFrame),
        ("images", sparse.csr_array),
    ],
)
def test_containers(data, container):
    X, y = DATA[data]()
    X = np.where(X > 0, X, 0.0)
    expected = quick(augmentation_factor=2).fit_resample(X, y)[0]
    held = container(X)
    augmenter = quick(augmentation_factor=2)
    X_res, _ = augmenter.fit_resample(held, y)
    assert type(X_res) is type(held)
    assert_array_equal(dense(X_res), expected)
    X_new, _ = augmenter.sample(3)
    assert type(X_new) is type(held)


@every_data
def test_a_copy_draws_the_same(data):
    X, y = DATA[data]()
    augmenter = quick().fit(X, y)
    before = augmenter.sample(4)[0]
    twin = pickle.loads(pickle.dumps(augmenter))
    assert_array_equal(twin.sample(4)[0], before)
    assert_array_equal(augmenter.sample(4)[0], before)
    assert_array_equal(quick().fit(X, y).sample(4)[0], before)


@every_data
def test_what_a_class_draws_does_not_depend_on_the_others(data):
    X, y = DATA[data]()
    augmenter = quick().fit(X, y)
    together, alone = augmenter.sample({0: 7, 1: 5}), augmenter.sample({1: 5})
    assert_allclose(together[0][together[1] == 1], alone[0], rtol=1e-4, atol=1e-5)
