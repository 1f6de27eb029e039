"""The codec: rows to float32 codes and back."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from sklearn_pyraug._preprocessing.table_codec import TableCodec

pytestmark = pytest.mark.filterwarnings("error")

DTYPES = [
    np.float16,
    np.float32,
    np.float64,
    np.int64,
    np.int32,
    np.int8,
    np.uint8,
    np.uint64,
    bool,
]
LIKELIHOODS = ["gaussian", "bernoulli", "binomial"]


def table(dtype, n_rows=60, n_columns=5):
    """Make a table that uses the middle of the range of its dtype."""
    rng = np.random.default_rng(1)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=(n_rows, n_columns)).astype(dtype)
    if np.dtype(dtype).kind == "b":
        return rng.random((n_rows, n_columns)) < 0.5
    return rng.integers(0, 100, size=(n_rows, n_columns)).astype(dtype)


def wild_codes(n_rows, n_columns):
    """Make codes that no network should emit."""
    T = np.random.default_rng(2).normal(scale=100, size=(n_rows, n_columns)).astype(np.float32)
    extremes = [np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0, 1e-45, 1.0]
    T[: len(extremes)] = np.array(extremes, dtype=np.float32)[:, None]
    return T


def round_trip(X, **params):
    codec = TableCodec(**params).fit(X)
    T = codec.encode(X)
    assert T.dtype == np.float32
    assert T.shape == X.shape
    assert np.isfinite(T).all()
    decoded = codec.decode(T)
    assert decoded.dtype == X.dtype
    assert decoded.shape == X.shape
    return decoded


# Codes


def test_gaussian_code_is_the_standard_score(rng):
    X = rng.normal(loc=[1, -50, 1e6], scale=[1, 1e-3, 1e4], size=(200, 3))
    codec = TableCodec("gaussian").fit(X)
    scaler = StandardScaler().fit(X)
    np.testing.assert_allclose(codec.center_, scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(codec.scale_, scaler.scale_, rtol=1e-9)
    # atol: a float32 of magnitude below 8 is off by at most 8 * 2**-24 = 5e-7.
    np.testing.assert_allclose(codec.encode(X), scaler.transform(X), rtol=0, atol=5e-7)


def test_bernoulli_code_maps_the_whole_table_onto_the_unit_interval(rng):
    X = rng.uniform(-3, 7, size=(50, 4))
    X[0, 0], X[1, 2] = -3, 7
    codec = TableCodec("bernoulli").fit(X)
    np.testing.assert_allclose(codec.encode(X), (X + 3) / 10, atol=1e-7)
    np.testing.assert_array_equal(codec.center_, np.full(4, -3.0))
    np.testing.assert_array_equal(codec.scale_, np.full(4, 10.0))
    T = codec.encode(np.array([[-100.0, 100.0, 2.0, 7.0]]))
    np.testing.assert_allclose(T, [[0, 1, 0.5, 1]])


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_attributes_have_their_shapes_and_types(likelihood):
    codec = TableCodec(likelihood).fit(table(np.int32))
    assert codec.likelihood_ == likelihood
    assert codec.dtype_ == np.int32
    assert codec.center_.dtype == codec.scale_.dtype == np.float64
    assert codec.constant_.dtype == bool
    assert codec.center_.shape == codec.scale_.shape == codec.constant_.shape == (5,)


def test_rows_beyond_the_training_rows_are_coded_on_both_sides():
    X = np.array([[10], [12], [14], [20]], dtype=np.int64)
    codec = TableCodec("gaussian").fit(X)
    unseen = np.array([[-30], [0], [14], [100]], dtype=np.int64)
    expected = (unseen - X.mean()) / X.std()
    np.testing.assert_allclose(codec.encode(unseen), expected, rtol=1e-6)
    np.testing.assert_allclose(codec.encode(unseen.astype(float)), expected, rtol=1e-6)


# Round trips


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_continuous_columns_come_back_within_float32_precision(dtype, likelihood, rng):
    X = rng.normal(loc=3, size=(100, 6)).astype(dtype)
    # The code spans at most 8 deviations, or 1: one step of float32 there is 8 * 2**-24 of a unit.
    np.testing.assert_allclose(round_trip(X, likelihood=likelihood), X, rtol=1e-6, atol=3e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 60])
def test_dtype_and_discrete_values_come_back(dtype, n_rows, likelihood):
    X = table(dtype, n_rows)
    decoded = round_trip(X, likelihood=likelihood)
    if X.dtype.kind == "f":
        np.testing.assert_allclose(decoded, X, rtol=2e-3, atol=1e-6)
    else:
        np.testing.assert_array_equal(decoded, X)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("n_rows", [1, 2, 7])
def test_one_column(n_rows, likelihood):
    X = np.arange(n_rows, dtype=float)[:, None] * 3
    np.testing.assert_array_equal(round_trip(X, likelihood=likelihood), X)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_ties_and_constants_come_back_exactly(likelihood, rng):
    X = np.column_stack(
        [
            rng.choice([0.1, 0.2, 0.7], size=40),
            np.full(40, 1 / 3),
            np.full(40, -1e-300),
            rng.integers(-5, 1000, size=40),
            np.repeat(rng.normal(size=20), 2),
        ]
    )
    np.testing.assert_array_equal(round_trip(X, likelihood=likelihood), X)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_table_of_one_value(likelihood):
    X = np.full((6, 3), 0.1)
    codec = TableCodec(likelihood).fit(X)
    assert codec.constant_.all()
    np.testing.assert_array_equal(codec.encode(X), np.zeros((6, 3)))
    np.testing.assert_array_equal(codec.decode(wild_codes(9, 3)), np.full((9, 3), 0.1))


def test_constant_column_codes_to_zero_and_decodes_to_its_constant(rng):
    X = np.column_stack([rng.normal(size=30), np.full(30, 0.1), rng.normal(size=30)])
    codec = TableCodec("gaussian").fit(X)
    np.testing.assert_array_equal(codec.constant_, [False, True, False])
    np.testing.assert_array_equal(codec.encode(X)[:, 1], np.zeros(30))
    np.testing.assert_array_equal(codec.decode(wild_codes(30, 3))[:, 1], np.full(30, 0.1))
    assert codec.scale_[1] == 1


def test_duplicated_rows_decode_alike(rng):
    X = np.tile(rng.normal(size=(1, 4)), (5, 1))
    np.testing.assert_array_equal(round_trip(X), X)


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_and_strides_do_not_matter(order, rng):
    X = np.asarray(rng.normal(size=(40, 8)), order=order)[::2, ::2]
    expected = TableCodec().fit(X.copy())
    codec = TableCodec().fit(X)
    np.testing.assert_array_equal(codec.encode(X), expected.encode(X.copy()))


def test_blocks_of_columns_do_not_show(monkeypatch, rng):
    X = np.column_stack([rng.normal(size=(50, 6)), rng.integers(0, 4, size=(50, 5))])
    whole = TableCodec().fit(X)
    T = wild_codes(20, 11)
    expected_codes, expected_rows = whole.encode(X), whole.decode(T)
    monkeypatch.setattr("sklearn_pyraug._preprocessing.arithmetic._BLOCK_VALUES", 150)
    blocks = TableCodec().fit(X)
    np.testing.assert_array_equal(blocks.encode(X), expected_codes)
    np.testing.assert_array_equal(blocks.decode(T), expected_rows)


# Extreme scales


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-160, 1e-30, 1e30, 1e160, 1e300])
def test_extreme_scales_neither_overflow_nor_underflow(scale, likelihood, rng):
    X = rng.uniform(-3, 3, size=(50, 3)) * scale
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        decoded = round_trip(X, likelihood=likelihood)
    # Below 1e-308, float64 itself has steps of 5e-324.
    np.testing.assert_allclose(decoded, X, rtol=0, atol=max(2e-6 * scale, 1e-323))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_whole_range_of_float64(likelihood):
    largest = np.finfo(np.float64).max
    X = np.array([[-largest], [largest], [0.0]])
    np.testing.assert_array_equal(round_trip(X, likelihood=likelihood), X)
    assert np.isfinite(TableCodec(likelihood).fit(X).scale_).all()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_smallest_subnormal(likelihood):
    X = np.array([[0.0], [5e-324], [0.0], [5e-324]])
    np.testing.assert_array_equal(round_trip(X, likelihood=likelihood), X)
    assert (TableCodec(likelihood).fit(X).scale_ > 0).all()


def test_columns_on_different_scales_keep_their_own(rng):
    scales = 10.0 ** np.arange(-30, 31, 10)
    X = rng.normal(size=(80, scales.size)) * scales
    np.testing.assert_allclose(round_trip(X) / scales, X / scales, atol=3e-6)


def test_offsets_far_larger_than_the_spread(rng):
    X = 1e9 + rng.normal(size=(80, 2))
    # A float64 near 1e9 has steps of 1.2e-7; the code adds steps of 5e-7.
    np.testing.assert_allclose(round_trip(X), X, rtol=0, atol=2e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32, np.int8, np.uint8])
def test_integers_reach_the_ends_of_their_type_exactly(dtype, likelihood):
    info = np.iinfo(dtype)
    X = np.array([[info.min], [info.max], [0], [1], [info.max - 1]], dtype=dtype)
    codec = TableCodec(likelihood).fit(X)
    decoded = codec.decode(codec.encode(X))
    assert decoded.dtype == dtype
    assert decoded[0, 0] == info.min
    assert decoded[1, 0] == info.max
    far = codec.decode(np.array([[-3e38], [3e38]], dtype=np.float32))
    assert far.ravel().tolist() == [info.min, info.max]


def test_large_integers_that_float64_cannot_tell_apart():
    X = (2**62 + np.arange(8, dtype=np.int64))[:, None]
    np.testing.assert_array_equal(round_trip(X), X)
    np.testing.assert_array_equal(round_trip(np.repeat(X, 3, axis=0)), np.repeat(X, 3, axis=0))


# Values that a column can take


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_wild_codes_decode_within_the_observed_range(dtype, likelihood):
    X = table(dtype)
    decoded = TableCodec(likelihood).fit(X).decode(wild_codes(40, X.shape[1]))
    assert decoded.dtype == X.dtype
    assert np.isfinite(decoded).all()
    assert (decoded >= X.min(axis=0)).all()
    assert (decoded <= X.max(axis=0)).all()


def test_integer_valued_floats_are_rounded(rng):
    X = rng.permutation(1000)[:50, None].astype(float)
    codec = TableCodec().fit(X)
    decoded = codec.decode(rng.normal(size=(200, 1)))
    np.testing.assert_array_equal(decoded, np.rint(decoded))
    assert not np.isin(decoded, X).all()  # rounded, not snapped: the column has no ties


def test_columns_with_ties_snap_to_the_nearest_observed_value(rng):
    levels = np.array([0.0, 0.3, 1.0, 5.0])
    X = rng.choice(levels, size=(60, 1))
    codec = TableCodec().fit(X)
    T = rng.normal(size=(300, 1))
    raw = T * codec.scale_ + codec.center_
    nearest = levels[np.abs(raw - levels).argmin(axis=1)]
    np.testing.assert_array_equal(codec.decode(T)[:, 0], nearest)


@pytest.mark.parametrize(("n_distinct", "snapped"), [(5, True), (6, False)])
def test_ties_begin_at_half_as_many_values_as_rows(n_distinct, snapped, rng):
    values = rng.normal(size=n_distinct)
    X = np.resize(values, 10)[:, None]
    decoded = TableCodec().fit(X).decode(rng.normal(size=(100, 1)))
    assert np.isin(decoded, values).all() == snapped


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_codes_decode_as_the_mean_of_the_column(value, likelihood, rng):
    X = rng.normal(loc=[0, 5], size=(50, 2))
    decoded = TableCodec(likelihood).fit(X).decode(np.full((1, 2), value))
    np.testing.assert_allclose(decoded[0], X.mean(axis=0), rtol=1e-9)


def test_no_rows():
    codec = TableCodec().fit(table(np.float32))
    assert codec.decode(np.empty((0, 5), dtype=np.float32)).shape == (0, 5)
    assert codec.encode(np.empty((0, 5), dtype=np.float32)).shape == (0, 5)


# Choice of the likelihood


@pytest.mark.parametrize(
    ("load", "likelihood"),
    [
        (load_digits, "binomial"),
        (load_iris, "gaussian"),
        (load_wine, "gaussian"),
        (load_breast_cancer, "gaussian"),
    ],
)
def test_auto_on_known_data(load, likelihood):
    assert TableCodec().fit(load().data).likelihood_ == likelihood


def pixels(n_columns=16, high=255):
    X = np.random.default_rng(3).integers(0, high + 1, size=(40, n_columns)).astype(float)
    X[0], X[1] = 0, high
    return X


@pytest.mark.parametrize(
    ("X", "likelihood"),
    [
        (pixels(), "binomial"),
        (255.0 * (pixels() > 127), "bernoulli"),  # black and white
        (pixels().astype(np.uint8), "binomial"),
        (pixels() / 255, "binomial"),
        (pixels(n_columns=15), "gaussian"),
        (pixels(high=256), "gaussian"),
        (pixels() / 2, "gaussian"),  # neither integers nor within [0, 1]
        (pixels() + 1, "gaussian"),  # 0 is not attained
        (pixels() - 1, "gaussian"),
        (pixels() * ([1] + 15 * [0.4]) / 255, "gaussian"),  # one column on a scale of its own
        (pixels() * ([1] * 4 + [0] * 12), "binomial"),  # a black border does not count
        (np.zeros((5, 16)) + np.arange(16), "gaussian"),  # nothing varies
        (pixels(n_columns=2, high=1), "bernoulli"),
        (pixels(n_columns=2, high=1).astype(bool), "bernoulli"),
        (pixels(n_columns=1, high=1), "gaussian"),
        (pixels(n_columns=2, high=1) * 2 - 1, "gaussian"),
    ],
)
def test_auto_rule(X, likelihood):
    assert TableCodec().fit(X).likelihood_ == likelihood


def test_auto_takes_a_sample_shape_for_an_image(rng):
    X = rng.normal(size=(10, 6))
    assert TableCodec(sample_shape=(2, 3)).fit(X).likelihood_ == "binomial"
    assert TableCodec("gaussian", sample_shape=(2, 3)).fit(X).likelihood_ == "gaussian"


# Interface


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_pickle(likelihood):
    X = table(np.int32)
    codec = TableCodec(likelihood).fit(X)
    copy = pickle.loads(pickle.dumps(codec))
    np.testing.assert_array_equal(copy.encode(X), codec.encode(X))
    np.testing.assert_array_equal(copy.decode(wild_codes(9, 5)), codec.decode(wild_codes(9, 5)))


def test_fit_changes_neither_its_input_nor_its_parameters():
    X = table(np.float64)
    before = X.copy()
    codec = TableCodec().fit(X)
    codec.decode(codec.encode(X))
    np.testing.assert_array_equal(X, before)
    assert codec.likelihood == "auto"
