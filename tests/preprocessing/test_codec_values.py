"""The values that a decoded column can take, and the code of heavy-tailed columns."""

import pickle

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from sklearn_pyraug._preprocessing.column_stats import find_atom
from sklearn_pyraug._preprocessing.table_codec import TableCodec


def lognormal(rng, n=100, sigma=1.5):
    return np.exp(sigma * rng.normal(size=(n, 1)))


# Steps


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("decimals", [1, 2, 3, 4])
def test_decimals_are_kept(decimals, dtype, rng):
    X = np.round(rng.normal(scale=3000 / 10**decimals, size=(200, 1)), decimals).astype(dtype)
    codec = TableCodec(scaling="standard").fit(X)
    decoded = codec.decode(rng.normal(size=(500, 1)))
    # The numbers that numpy rounds to: a tree cannot tell them from typed ones.
    expected = np.round(decoded.astype(float), decimals).astype(dtype)
    np.testing.assert_array_equal(decoded, expected)
    assert not np.isin(decoded, X).all()


def test_no_decimals_where_one_value_has_more(rng):
    X = np.round(rng.normal(size=(50, 2)), 2)
    X[7, 1] += 1e-9
    decoded = TableCodec().fit(X).decode(rng.normal(size=(50, 2)))
    on_step = np.round(decoded, 2) == decoded
    assert on_step[:, 0].all()
    assert not on_step[:, 1].all()


def test_precision_is_no_step(rng):
    """All float32 of this size are multiples of 0.0625, which is no property of the column."""
    X = (1e6 + rng.normal(size=(50, 1))).astype(np.float32)
    codec = TableCodec().fit(X)
    assert codec._code._columns.decimals.tolist() == [0]


def test_wide_tables_are_left_alone(rng):
    """Beyond 500 columns nothing is looked for in single columns."""
    X = np.round(np.exp(2 * rng.normal(size=(40, 501))), 3)
    X[:25, 0] = 0.0
    X[:, 1] = rng.integers(0, 2, 40)
    X[:20, 2] = 7.5
    y = np.repeat([0, 1], 20)
    codec = TableCodec().fit(X, y)
    assert codec.likelihood_ == "gaussian"
    T = rng.normal(size=(30, 501))
    decoded = codec.decode(T, np.zeros(30, int))
    np.testing.assert_allclose(codec.encode(X), (X - X.mean(0)) / X.std(0), atol=1e-5)
    assert not (np.round(decoded, 3) == decoded).all()
    assert not (decoded[:, 2] == 7.5).all()


# value_mapping


def test_nearest_takes_the_nearest_observed_value_everywhere(rng):
    X = rng.normal(size=(30, 3)) * [1.0, 1e6, 1e-6]
    codec = TableCodec(value_mapping="nearest").fit(X)
    T = rng.normal(size=(100, 3))
    raw = T * codec.scale_ + codec.center_
    for j in range(3):
        nearest = X[np.abs(raw[:, j, None] - X[:, j]).argmin(axis=1), j]
        np.testing.assert_array_equal(codec.decode(T)[:, j], nearest)


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
def test_nearest_keeps_training_rows(likelihood, rng):
    X = rng.normal(size=(60, 4))
    codec = TableCodec(likelihood, value_mapping="nearest").fit(X)
    np.testing.assert_array_equal(codec.decode(codec.encode(X)), X)


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
def test_quantile_gives_each_class_its_own_values(likelihood, rng):
    y = np.repeat([0, 1], [40, 60])
    X = rng.normal(size=(100, 2)) + 3 * y[:, None]
    codec = TableCodec(likelihood, value_mapping="quantile").fit(X, y)
    T = rng.normal(size=(80, 2)) if likelihood == "gaussian" else rng.random((80, 2))
    classes = rng.permutation(np.repeat([0, 1], 40))
    decoded = codec.decode(T, classes)
    for k, j in np.ndindex(2, 2):
        rows = classes == k
        # Rank for rank: the order of the codes is kept, and so is the distribution.
        order = T[rows, j].argsort()
        assert (np.diff(decoded[rows, j][order]) >= 0).all()
        assert np.isin(decoded[rows, j], X[y == k, j]).all()
        assert ks_2samp(decoded[rows, j], X[y == k, j]).statistic <= 1 / 40
    np.testing.assert_array_equal(np.sort(decoded[classes == 0], 0), np.sort(X[y == 0], 0))


def test_quantile_without_classes_uses_all_rows(rng):
    X = rng.normal(size=(50, 2))
    codec = TableCodec(value_mapping="quantile").fit(X, np.repeat([0, 1], 25))
    decoded = codec.decode(rng.normal(size=(50, 2)))
    np.testing.assert_array_equal(np.sort(decoded, 0), np.sort(X, 0))


def test_equal_codes_get_equal_values(rng):
    X = rng.normal(size=(50, 1))
    codec = TableCodec(value_mapping="quantile").fit(X)
    T = np.repeat(rng.normal(size=(5, 1)), 4, axis=0)
    assert len(np.unique(codec.decode(T))) == 5


def test_none_only_clips(rng):
    X = np.column_stack(
        [rng.integers(0, 9, 60), rng.choice([0.5, 1.5], 60), np.round(rng.normal(size=60), 1)]
    )
    codec = TableCodec("gaussian", value_mapping=None).fit(X, np.zeros(60, int))
    T = rng.normal(size=(200, 3))
    raw = np.clip(T * codec.scale_ + codec.center_, X.min(0), X.max(0))
    np.testing.assert_allclose(codec.decode(T, np.zeros(200, int)), raw, rtol=1e-9)


def test_none_still_keeps_the_dtype(rng):
    X = rng.integers(0, 99, (60, 2))
    codec = TableCodec(value_mapping=None).fit(X)
    assert codec.decode(rng.normal(size=(9, 2))).dtype == X.dtype


# Constants within a class


def test_constant_within_a_class(rng):
    y = np.arange(60) % 4
    X = rng.normal(size=(60, 3))
    X[y == 1, 2] = 0.1
    codec = TableCodec().fit(X, y)
    classes = rng.integers(0, 4, 100)
    T = rng.normal(size=(100, 3))
    decoded = codec.decode(T, classes)
    assert (decoded[classes == 1, 2] == 0.1).all()
    np.testing.assert_array_equal(decoded[classes != 1], codec.decode(T)[classes != 1])


@pytest.mark.parametrize(("n_rows", "levels"), [(1, [2, 3]), (9, [2, 1]), (10, [1, 1])])
def test_a_class_of_few_rows_ties_no_levels(n_rows, levels, rng):
    """Nine patients may be men by chance; a single row ties nothing."""
    y = np.repeat([0, 1], [30, n_rows])
    X = np.column_stack([rng.normal(size=len(y)), np.arange(len(y)) % 2, np.arange(len(y)) % 3])
    X[y == 1, 1:] = 0.0
    codec = TableCodec().fit(X, y)
    decoded = codec.decode(rng.normal(0, 3, size=(50, codec.n_codes_)), np.ones(50, int))
    assert [len(np.unique(column)) for column in decoded.T[1:]] == levels


def test_missing_values_are_no_chance_of_few_rows(rng):
    y = np.repeat([0, 1], [30, 5])
    X = rng.normal(size=(35, 2))
    X[:10, 1] = np.nan
    codec = TableCodec().fit(X, y)
    T = rng.normal(0, 3, size=(50, codec.n_codes_))
    assert not np.isnan(codec.decode(T, np.ones(50, int))).any()
    assert np.isnan(codec.decode(T, np.zeros(50, int))).any()


def test_pixels_are_not_tied_to_a_class(rng):
    """A stroke that is shifted lights pixels that were black in all training rows."""
    y = np.repeat([0, 1], 20)
    X = rng.integers(0, 256, (40, 16)).astype(float)
    X[y == 1, 3] = 0.0
    codec = TableCodec().fit(X, y)
    assert codec.likelihood_ == "binomial"
    assert (codec.decode(np.full((5, 16), 0.5), np.ones(5, int))[:, 3] > 0).all()


# Atoms


@pytest.mark.parametrize(
    ("distinct", "counts", "atom"),
    [
        (np.arange(50.0), [30] + [1] * 49, 0.0),
        (np.arange(50.0) - 20, [1] * 49 + [30], 29.0),
        (np.arange(50.0), [20] + [1] * 49, None),  # 29 % of the rows
        (np.arange(6.0), [30] + [1] * 5, None),  # five other values
        (np.arange(7.0), [30] + [1] * 6, 0.0),
        (np.arange(9.0), [50] + [5] * 8, None),  # levels
        (np.arange(22.0), [100] + [5] * 21, 0.0),  # too many for levels
        (np.arange(7.0), [2] + [1] * 6, None),  # two rows
    ],
)
def test_what_is_an_atom(distinct, counts, atom):
    assert find_atom(distinct, np.array(counts)) == atom


# Scaling


def test_normal_scores(rng):
    X = lognormal(rng, 99)
    codec = TableCodec(scaling="quantile").fit(X)
    scores = norm.ppf((X[:, 0].argsort().argsort() + 0.5) / 99)
    np.testing.assert_allclose(codec.encode(X)[:, 0], scores, atol=1e-6)
    assert codec.likelihood_ == "gaussian"


@pytest.mark.parametrize("value_mapping", ["auto", None])
def test_scores_are_inverted_exactly_at_training_values(value_mapping, rng):
    X = np.column_stack(
        [
            lognormal(rng)[:, 0] * 1e30,
            np.r_[rng.standard_cauchy(60), np.full(40, 3.25)],
            rng.integers(0, 2**62, 100).astype(float),
        ]
    )
    codec = TableCodec("gaussian", value_mapping=value_mapping, scaling="quantile").fit(X)
    np.testing.assert_array_equal(codec.decode(codec.encode(X)), X)


def test_scores_are_monotone_and_linear_between_neighbours(rng):
    X = lognormal(rng)
    codec = TableCodec(scaling="quantile").fit(X)
    values = np.sort(X[:, 0])
    T = np.linspace(-4, 4, 1001)[:, None]
    decoded = codec.decode(T)[:, 0]
    assert (np.diff(decoded) >= 0).all()
    assert decoded[0] == values[0]
    assert decoded[-1] == values[-1]
    between = (values[10] + values[11]) / 2
    codes = codec.encode(np.array([[values[10]], [between], [values[11]]]))[:, 0]
    np.testing.assert_allclose(codes[1], (codes[0] + codes[2]) / 2, atol=1e-6)
    outside = codec.encode(np.array([[-1.0], [1e9]]))
    np.testing.assert_array_equal(outside, codec.encode(values[[0, -1], None]))


def test_a_repeated_value_can_be_reached(rng):
    """A standard score hits a value in the middle of the column with probability 0."""
    X = np.r_[rng.normal(size=80), np.full(20, 0.3)][:, None]
    codec = TableCodec(scaling="quantile").fit(X)
    decoded = codec.decode(rng.normal(size=(5000, 1)))
    # Standard error: sqrt(0.2 * 0.8 / 5000) = 0.006; ties span 19 of their 20 ranks.
    assert (decoded == 0.3).mean() == pytest.approx(0.19, abs=0.03)


def test_a_value_beside_a_repeated_one_comes_back(rng):
    """It was taken for the repeated one, whose ranks were half its way."""
    X = np.r_[lognormal(rng, 80)[:, 0], np.zeros(20)][:, None]
    codec = TableCodec("gaussian", scaling="quantile").fit(X)
    beside = np.array([[0.1], [0.5], [0.9]]) * X[X > 0].min()
    np.testing.assert_allclose(codec.decode(codec.encode(beside)), beside, rtol=1e-4)


def ranked(X):
    return TableCodec("gaussian").fit(X)._code._columns.ranked.tolist()


def test_auto_takes_scores_for_heavy_tails(random_seed):
    rng = np.random.default_rng(random_seed)
    n = 400
    X = np.column_stack(
        [
            rng.normal(size=n),
            rng.uniform(size=n),
            rng.exponential(size=n),
            np.exp(1.5 * rng.normal(size=n)),
            -np.exp(1.5 * rng.normal(size=n)),
            rng.standard_cauchy(n),
            np.r_[rng.normal(size=n - 1), 1e9],
            rng.choice([1.0, 2.0, 1000.0], n, p=[0.9, 0.05, 0.05]),
        ]
    )
    assert ranked(X) == [3, 4, 5, 6]


def test_auto_leaves_few_rows_alone(rng):
    X = lognormal(rng, 19, sigma=3)
    assert ranked(X) == []
    assert ranked(lognormal(rng, 20, sigma=3)) == [0]


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e300])
def test_scores_of_extreme_scales(scale, rng):
    X = lognormal(rng, 50) / 40 * scale
    codec = TableCodec("gaussian").fit(X)
    assert codec._code._columns.ranked.tolist() == [0]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_allclose(codec.decode(codec.encode(X)), X, rtol=1e-6, atol=1e-323)


def test_blocks_of_columns_do_not_show_in_scores(monkeypatch, rng):
    X = np.column_stack([lognormal(rng, 50), rng.normal(size=(50, 6)), lognormal(rng, 50)])
    T = rng.normal(size=(20, 8))
    whole = TableCodec().fit(X)
    expected = whole.encode(X), whole.decode(T)
    monkeypatch.setattr("sklearn_pyraug._preprocessing.arithmetic._BLOCK_VALUES", 150)
    blocks = TableCodec().fit(X)
    np.testing.assert_array_equal(blocks.encode(X), expected[0])
    np.testing.assert_array_equal(blocks.decode(T), expected[1])
    assert blocks._code._columns.ranked.tolist() == [0, 7]


@pytest.mark.parametrize(
    "parameters", [{"value_mapping": "quantile"}, {"scaling": "quantile"}], ids=str
)
def test_pickle(parameters, rng):
    X, y, T = rng.normal(size=(40, 2)), np.repeat([0, 1], 20), rng.normal(size=(9, 2))
    codec = TableCodec(**parameters).fit(X, y)
    copy = pickle.loads(pickle.dumps(codec))
    classes = np.arange(9) % 2
    np.testing.assert_array_equal(copy.decode(T, classes), codec.decode(T, classes))
