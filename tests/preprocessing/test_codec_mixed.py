"""Tables whose columns are of several kinds, or lack values."""

import pickle

import numpy as np
import pytest
from test_codec import wild_codes

from sklearn_pyraug._preprocessing.categorical import learn_levels
from sklearn_pyraug._preprocessing.table_codec import TableCodec
from sklearn_pyraug.rhvae.likelihoods.mixed import Block, CodeLayout

N = 120
REAL, LEVELS, BINARY, ATOM, GAPS, BOTH, PAIR, CONSTANT = range(8)


@pytest.fixture
def table(rng):
    """One column of each kind, and which of them hold categories."""
    atom = np.where(rng.random(N) < 0.5, 0.0, rng.normal(5, 1, N))
    both = atom[::-1].copy()
    both[rng.random(N) < 0.2] = np.nan
    X = np.column_stack(
        [
            rng.normal(size=N),
            rng.integers(0, 4, N) * 1.5,
            rng.choice([-1.0, 2.5], N),
            atom,
            np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N)),
            both,
            rng.choice([3.0, np.nan], N),
            np.full(N, 0.7),
        ]
    )
    return X, np.arange(8) == LEVELS


def test_layout(table):
    codec = TableCodec().fit(table[0], categorical=table[1])
    assert codec.likelihood_ == "mixed"
    # Complete numbers, then those with an indicator; the indicators, in the same order, that of
    # missing values beside an atom, and the columns of two levels; the categories.
    blocks = Block("gaussian", 0, 5), Block("bernoulli", 5, 11), Block("categorical", 11, 15)
    assert codec.layout_ == CodeLayout(blocks, (-1, -1, 5, 6, 7))
    assert codec.n_codes_ == 15
    assert codec.constant_.tolist() == [False] * 7 + [True]


def test_codes(table):
    X, categorical = table
    T = TableCodec().fit(X, categorical=categorical).encode(X)
    assert T.dtype == np.float32
    assert np.isfinite(T).all()
    lacking = [X[:, ATOM] == 0, np.isnan(X[:, GAPS]), np.isnan(X[:, BOTH]) | (X[:, BOTH] == 0)]
    for i, (j, lacks) in enumerate(zip([ATOM, GAPS, BOTH], lacking, strict=True)):
        shown = X[~lacks, j]
        np.testing.assert_allclose(
            T[~lacks, 2 + i], (shown - shown.mean()) / shown.std(), atol=1e-6
        )
        assert (T[lacks, 2 + i] == 0).all()
        np.testing.assert_array_equal(T[:, 5 + i], lacks)
    np.testing.assert_array_equal(T[:, 8], np.isnan(X[:, BOTH]))
    np.testing.assert_array_equal(T[:, 9], X[:, BINARY] == 2.5)
    np.testing.assert_array_equal(T[:, 10], np.isnan(X[:, PAIR]))
    np.testing.assert_array_equal(T[:, 11:], X[:, [LEVELS]] == [0.0, 1.5, 3.0, 4.5])


@pytest.mark.parametrize("value_mapping", ["auto", "nearest"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_round_trip(table, value_mapping, dtype):
    X = table[0].astype(dtype)
    codec = TableCodec(value_mapping=value_mapping).fit(X, categorical=table[1])
    decoded = codec.decode(codec.encode(X))
    assert decoded.dtype == dtype
    np.testing.assert_allclose(decoded, X, atol=1e-5)
    exact = [LEVELS, BINARY, PAIR, CONSTANT]
    np.testing.assert_array_equal(decoded[:, exact], X[:, exact])
    np.testing.assert_array_equal(decoded[:, ATOM] == 0, X[:, ATOM] == 0)


@pytest.mark.parametrize("value_mapping", ["auto", "nearest", "quantile", None])
@pytest.mark.parametrize("likelihood", ["auto", "gaussian"])
@pytest.mark.parametrize("scaling", ["auto", "quantile"])
def test_wild_codes_decode_to_what_was_observed(table, value_mapping, likelihood, scaling):
    X, categorical = table
    y = np.arange(N) % 3
    codec = TableCodec(likelihood, None, value_mapping, scaling).fit(X, y, categorical)
    for classes in (None, np.arange(60) % 3):
        decoded = codec.decode(wild_codes(60, codec.n_codes_), classes)
        for j in range(8):
            seen, got = X[:, j], decoded[:, j]
            assert np.isnan(got).any() <= np.isnan(seen).any()
            assert (got[~np.isnan(got)] >= np.nanmin(seen)).all()
            assert (got[~np.isnan(got)] <= np.nanmax(seen)).all()
        assert np.isin(decoded[:, LEVELS], X[:, LEVELS]).all()
        if likelihood == "auto":
            assert np.isin(decoded[:, BINARY], [-1.0, 2.5]).all()


def test_indicators_and_levels_decide_by_majority(table):
    X, categorical = table
    codec = TableCodec().fit(X, categorical=categorical)
    T = np.zeros((4, 15))
    T[:, 7] = [0.49, 0.51, 0.51, 0.0]
    T[:, 8] = [0.0, 0.0, 0.51, 0.51]
    T[:, 11:] = [[0.1, 0.4, 0.3, 0.2], [0, 0, 0, 1], [0.9, 0, 0, 0], [-3, -2, -4, -5]]
    decoded = codec.decode(T)
    assert decoded[0, BOTH] > 1.0
    assert decoded[1, BOTH] == 0.0
    assert np.isnan(decoded[2:, BOTH]).all()
    assert decoded[:, LEVELS].tolist() == [1.5, 4.5, 0.0, 1.5]


def test_non_finite_codes_mean_the_most_frequent_level(rng):
    X = np.column_stack([rng.normal(size=50), np.repeat([5.0, 6.0, 7.0], [10, 25, 15])])
    codec = TableCodec().fit(X, categorical=np.array([False, True]))
    decoded = codec.decode(np.full((1, 4), np.nan))
    assert decoded[0, 1] == 6.0
    assert decoded[0, 0] == pytest.approx(X[:, 0].mean())


def test_gaussian_knows_neither_atoms_nor_numeric_levels(table):
    X, categorical = table
    codec = TableCodec("gaussian").fit(X, categorical=categorical)
    assert codec.layout_.blocks[0] == Block("gaussian", 0, 7)
    assert codec.layout_.indicators.count(-1) == 4


def test_no_atoms_without_a_mapping(rng):
    X = np.column_stack([rng.normal(size=60), rng.normal(size=60)])
    X[:30, 1] = 0.0
    assert TableCodec().fit(X).likelihood_ == "mixed"
    assert TableCodec(value_mapping=None).fit(X).likelihood_ == "gaussian"


def test_whole_numbers_among_floats(rng):
    """A mapping of None keeps to whole numbers only where the dtype leaves no choice."""
    X = np.column_stack([rng.normal(size=60), rng.permutation(60), rng.permutation(60)])
    codec = TableCodec(value_mapping=None).fit(X, whole=np.array([False, True, False]))
    decoded = codec.decode(rng.normal(size=(30, 3)))
    is_whole = (decoded == np.rint(decoded)).all(axis=0)
    assert is_whole.tolist() == [False, True, False]


def test_integers_with_an_atom(rng):
    X = np.column_stack([rng.permutation(60), np.r_[np.zeros(30, int), rng.permutation(900)[:30]]])
    codec = TableCodec().fit(X)
    assert codec.likelihood_ == "mixed"
    np.testing.assert_array_equal(codec.decode(codec.encode(X)), X)
    assert codec.decode(codec.encode(X)).dtype == X.dtype


@pytest.mark.parametrize(
    ("columns", "likelihood"),
    [
        ([[0, 1] * 20, [-1, 1] * 20], "gaussian"),
        ([[0, 1] * 20, [0, 1] * 20], "bernoulli"),
        ([[0, 1] * 20, range(40)], "mixed"),
        ([[0, 1] * 20, [5] * 40, [-1, 1] * 20], "gaussian"),
        ([range(40), [5] * 40], "gaussian"),
        ([range(40), [0, 1, 2, 3] * 10], "gaussian"),
        ([[1, 2, 3], [1, 1, 2]], "gaussian"),  # too few rows to call two values levels
    ],
)
def test_tables_of_one_kind_have_no_mixed_code(columns, likelihood):
    X = np.column_stack([list(c) for c in columns]).astype(float)
    codec = TableCodec().fit(X)
    assert codec.likelihood_ == likelihood
    if likelihood != "mixed":
        assert codec.layout_ is None


def test_categories_alone(rng):
    X = rng.integers(0, 3, (40, 2))
    codec = TableCodec().fit(X, categorical=np.ones(2, bool))
    assert codec.layout_.blocks == (Block("categorical", 0, 3), Block("categorical", 3, 6))
    np.testing.assert_array_equal(codec.decode(codec.encode(X)), X)


def test_a_single_level_and_nothing_at_all():
    X = np.column_stack([np.full(10, 4.0), np.full(10, np.nan), np.arange(10.0)])
    codec = TableCodec().fit(X, categorical=np.array([True, False, False]))
    assert codec.layout_.blocks == (Block("gaussian", 0, 1), Block("bernoulli", 1, 3))
    np.testing.assert_array_equal(codec.decode(codec.encode(X)), X)
    decoded = codec.decode(wild_codes(20, 3))
    assert (decoded[:, 0] == 4.0).all()
    assert np.isnan(decoded[:, 1]).all()


def test_wide_table_with_missing_values(rng):
    X = rng.normal(size=(20, 600))
    X[3, :5] = np.nan
    X[:12, 599] = 0.0
    codec = TableCodec().fit(X)
    assert codec.n_codes_ == 605
    np.testing.assert_allclose(codec.decode(codec.encode(X)), X, atol=1e-5)


# Within a class


def test_a_class_keeps_to_what_its_rows_agree_on(table, rng):
    X, categorical = table
    y = np.repeat([0, 1], N // 2)
    X[y == 1, LEVELS], X[y == 1, BINARY], X[y == 1, ATOM] = 3.0, 2.5, 0.0
    X[y == 1, GAPS] = np.nan
    X[y == 0, GAPS] = rng.normal(size=N // 2)
    codec = TableCodec().fit(X, y, categorical)
    classes = np.repeat([0, 1], 200)
    decoded = codec.decode(rng.normal(size=(400, codec.n_codes_)), classes)
    tied = [LEVELS, BINARY, ATOM, GAPS]
    np.testing.assert_array_equal(
        decoded[200:][:, tied], np.tile([3.0, 2.5, 0.0, np.nan], (200, 1))
    )
    # No row of class 0 lacks a value there, though some of class 1 do.
    assert not np.isnan(decoded[:200, GAPS]).any()
    assert np.isnan(decoded[:200, BOTH]).any()


@pytest.mark.parametrize("lacking", [7.5, np.nan], ids=["atom", "missing"])
def test_quantiles_of_a_class_that_has_no_continuous_value(lacking, rng):
    """Its rows were given values that the column never had, where codes said that they have one."""
    x = np.r_[np.full(15, lacking), rng.normal(size=16)]
    y = np.r_[1, np.zeros(30, dtype=int)]
    codec = TableCodec(value_mapping="quantile").fit(x[:, None], y)
    T = np.column_stack([rng.normal(size=9), np.zeros(9)])
    assert np.isin(codec.decode(T, np.ones(9, dtype=int)), x[15:]).all()


def test_quantiles_of_continuous_values_alone(table, rng):
    X, categorical = table
    y = np.repeat([0, 1], N // 2)
    codec = TableCodec(value_mapping="quantile").fit(X, y, categorical)
    T = rng.normal(size=(200, codec.n_codes_))
    T[:, 5:9] = rng.random((200, 4)) < 0.3
    classes = np.repeat([0, 1], 100)
    decoded = codec.decode(T, classes)
    np.testing.assert_array_equal(decoded[:, ATOM] == 0, T[:, 5] == 1)
    for k, j in np.ndindex(2, 8):
        got = decoded[classes == k, j]
        assert np.isin(got[~np.isnan(got)], X[y == k, j]).all()


# Many levels


def many_levels(rng):
    """Thirty levels, of which ten are rare; class 1 has only some of those."""
    x = np.r_[np.repeat(np.arange(20), 10), np.repeat(np.arange(20, 30), [1, 2, 3, 4, 5] * 2)]
    return rng.permutation(x).astype(float)


def test_rare_levels_share_a_code(rng):
    x = many_levels(rng)
    levels = learn_levels(x)
    assert levels.n_groups == levels.width == 21
    codes = levels.encode(x)
    np.testing.assert_array_equal(codes.sum(axis=1), np.ones(len(x)))
    np.testing.assert_array_equal(codes[:, 20], x >= 20)


def test_rare_levels_come_back_in_proportion(rng):
    x = many_levels(rng)
    levels = learn_levels(x)
    T = np.zeros((300, 21))
    T[:, 20] = 1.0
    got, counts = np.unique(levels.decode(T), return_counts=True)
    assert got.tolist() == list(range(20, 30))
    # Evenly spread, not drawn: within 3 of 10 rows for each of the 30 there are.
    np.testing.assert_allclose(counts, 10 * np.array([1, 2, 3, 4, 5] * 2), atol=3)


def test_rare_levels_are_those_of_the_class(rng):
    x = many_levels(rng)
    y = (x % 2).astype(int)
    y[x < 20] = 2
    levels = learn_levels(x, y, 3)
    T = np.zeros((90, 21))
    T[:, 20] = 1.0
    classes = np.repeat([0, 1, 2], 30)
    got = levels.decode(T, classes)
    assert set(got[:30]) == {20, 22, 24, 26, 28}
    assert set(got[30:60]) == {21, 23, 25, 27, 29}
    assert len(set(got[60:])) > 5  # class 2 has none of them
    # What one class gets depends on no other.
    np.testing.assert_array_equal(levels.decode(T[:30], classes[30:60]), got[30:60])


def test_a_missing_value_is_not_lumped_with_rare_levels(rng):
    x = many_levels(rng)
    x[0] = np.nan
    levels = learn_levels(x)
    code = levels.encode(x[:1])
    assert code[0, 20] == 0
    assert np.isnan(levels.decode(code.astype(float))).all()


def test_a_class_without_missing_levels_gets_none():
    x = np.array([1.0, 2.0, np.nan, 1.0, 2.0, 1.0])
    levels = learn_levels(x, np.repeat([0, 1], 3), 2)
    T = np.tile([0.1, 0.3, 0.6], (4, 1))
    before = T.copy()
    got = levels.decode(T, np.array([0, 1, 0, 1]))
    np.testing.assert_array_equal(got, [np.nan, 2.0, np.nan, 2.0])
    np.testing.assert_array_equal(T, before)


@pytest.mark.parametrize("n_levels", [1, 2, 3, 21])
def test_few_levels_have_codes_of_their_own(n_levels):
    x = np.arange(n_levels) + 10
    levels = learn_levels(x)
    assert levels.width == (n_levels if n_levels > 2 else 1)
    np.testing.assert_array_equal(levels.decode(levels.encode(x).astype(float)), x)


# Interface


def test_pickle(table):
    X, categorical = table
    codec = TableCodec().fit(X, np.arange(N) % 2, categorical)
    copy = pickle.loads(pickle.dumps(codec))
    T, classes = wild_codes(20, 15), np.arange(20) % 2
    np.testing.assert_array_equal(copy.decode(T, classes), codec.decode(T, classes))
    assert copy.layout_ == codec.layout_


def test_fit_leaves_its_input_alone(table):
    X, categorical = table
    before = X.copy(), categorical.copy()
    codec = TableCodec().fit(X, np.arange(N) % 2, categorical)
    T = codec.encode(X)
    T_before = T.copy()
    codec.decode(T, np.arange(N) % 2)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(categorical, before[1])
    np.testing.assert_array_equal(T, T_before)


@pytest.mark.parametrize(
    "parameters", [{"likelihood": "bernoulli"}, {"sample_shape": (2, 4)}], ids=str
)
def test_an_image_has_neither_categories_nor_gaps(table, parameters):
    match = "takes the rows for images.*categories or missing.*likelihood='auto'"
    with pytest.raises(ValueError, match=match):
        TableCodec(**parameters).fit(table[0], categorical=table[1])


def test_unknown_level(table):
    X, categorical = table
    codec = TableCodec().fit(X, categorical=categorical)
    X[:2, LEVELS] = 99.0
    with pytest.raises(ValueError, match=r"2 value\(s\) in column 1 that the training rows lack"):
        codec.encode(X)
