"""Properties of new rows that hold for any finite table."""

import warnings

import numpy as np
import pytest
from hard_tables import COLUMNS, DTYPES, hard_table, labels_of_sizes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from shared import quick

from sklearn_pyraug import Columns, LearnedMetric, Transfer
from sklearn_pyraug._preprocessing.table_codec import TableCodec

_ALWAYS = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


def battery(check, *strategies, few, many):
    """Give a property two tests: of few and fixed examples and, marked `slow`, of many others."""
    default = settings(max_examples=few, derandomize=True, **_ALWAYS)
    thorough = settings(max_examples=many, **_ALWAYS)
    return (
        default(given(*strategies)(check)),
        pytest.mark.slow(thorough(given(*strategies)(check))),
    )


@st.composite
def class_sizes(draw):
    sizes = draw(st.lists(st.integers(1, 40), min_size=2, max_size=5))
    # Up to 200 rows in all.
    sizes[0] = draw(st.integers(1, 200 - sum(sizes[1:])))
    return sizes


@st.composite
def tables(draw):
    """Draw X, y and whether values are missing."""
    sizes = draw(class_sizes())
    n_rows = sum(sizes)
    seed = draw(st.integers(0, 2**32 - 1))
    kinds = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=6, unique=True))
    width = draw(st.integers(1, 50))
    dtype = draw(st.sampled_from(DTYPES))
    missing = draw(st.sampled_from([0.0, 0.0, 0.1, 0.9])) if dtype.startswith("float") else 0.0
    X = hard_table(
        seed,
        n_rows,
        width,
        kinds,
        dtype,
        rank_one=draw(st.booleans()) and draw(st.booleans()),
        n_repeated=draw(st.sampled_from([0, 0, 1, n_rows // 2, n_rows - 1])),
        missing=missing,
    )
    return X, labels_of_sizes(sizes, seed)


@st.composite
def parameters(draw, is_missing=False):
    """Draw parameters that can be combined; the defaults come first."""

    def pick(*values):
        return draw(st.sampled_from(values))

    decoder = pick("auto", "direct", "residual")
    has_reference = decoder != "direct"
    drawn = {
        "decoder": decoder,
        "columns": Columns(
            value_mapping=pick("auto", "nearest", "quantile", None),
            scaling=pick("auto", "standard", "quantile"),
            likelihood=pick("auto", "gaussian", *() if is_missing else ("bernoulli", "binomial")),
        ),
        "sampler": pick("auto", "hmc", "posterior", "geodesic", "random_walk", "prior"),
        "output": Transfer(residual=pick(1.0, 0.0)) if has_reference else "auto",
        "shared": pick("auto", False, *[True] * has_reference),
        "augmentation_factor": pick(1.3, 1.0, 2.0),
        "sampling_strategy": pick("auto", "not minority", "all"),
        "metric": LearnedMetric(
            temperature=pick(1.0, "auto", 0.01),
            regularization=pick(0.01, "auto"),
            max_centroids=pick(20, 3),
            n_leapfrog=pick(3, 1),
        ),
        "validation_fraction": pick(0.0, 0.3),
        "missing": "keep" if is_missing else "error",
    }
    if drawn["sampler"] not in ("geodesic", "random_walk"):
        drawn["metric"] = pick(drawn["metric"], "posterior")
    return drawn


@st.composite
def cases(draw):
    X, y = draw(tables())
    return X, y, draw(parameters(is_missing=X.dtype.kind == "f" and bool(np.isnan(X).any())))


def quietly(method, *arguments):
    """Call a method that may warn of small classes and networks that hardly trained alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Too few rows to train", UserWarning)
        warnings.filterwarnings("ignore", "The Hamiltonian flow", UserWarning)
        return method(*arguments)


def assert_sound(X_new, X, value_mapping="auto"):
    """Check rows against the training rows: dtype, finiteness, ranges, lattices, missing values."""
    assert X_new.dtype == X.dtype
    assert X_new.shape[1] == X.shape[1]
    for new, known in zip(X_new.T, X.T, strict=True):
        if X.dtype.kind == "f":
            assert not np.isnan(new).any() or np.isnan(known).any()
            new, known = new[~np.isnan(new)], known[~np.isnan(known)]
        if not len(new):
            continue
        assert known.min() <= new.min() <= new.max() <= known.max()
        if value_mapping in ("nearest", "quantile"):
            assert np.isin(new, known).all()
        if value_mapping == "auto" and (known == np.rint(known)).all():
            assert (new == np.rint(new)).all()


def assert_sound_within_classes(X_new, y_new, X, y, augmenter):
    """Check that columns which do not vary within a class do not do so in its new rows either.

    Of two values, they are free in fewer than ten rows.
    """
    # The pixels of images may.
    if augmenter.columns.value_mapping is None or augmenter._row_encoder.codec.likelihood_ in (
        "bernoulli",
        "binomial",
    ):
        return
    for label in np.unique(y_new):
        new, known = X_new[y_new == label], X[y == label]
        if len(known) < 2:
            continue
        for j in range(X.shape[1]):
            # NaN is equal to itself here, and a level of its own.
            few = len(known) < 10 and len(np.unique(X[~np.isnan(X[:, j]), j])) <= 2
            if len(np.unique(known[:, j])) == 1 and not few:
                np.testing.assert_array_equal(new[:, j], known[0, j])
            if not np.isnan(known[:, j]).any():
                assert not np.isnan(new[:, j]).any()


def resampled(case):
    X, y, chosen = case
    before, augmenter = X.copy(), quick(**chosen)
    X_res, y_res = quietly(augmenter.fit_resample, X, y)
    n = len(X)
    # Bytes, so that -0.0 and NaN count as well.
    assert X_res[:n].tobytes() == X.tobytes() == before.tobytes()
    np.testing.assert_array_equal(y_res[:n], y)
    assert_sound(X_res[n:], X, chosen["columns"].value_mapping)
    assert_sound_within_classes(X_res[n:], y_res[n:], X, y, augmenter)
    counts = augmenter.sampling_strategy_
    assert {k: np.count_nonzero(y_res[n:] == k) for k in counts} == counts
    assert y_res.dtype == y.dtype
    assert len(X_res) == len(y_res) == len(augmenter.origin_indices_)
    np.testing.assert_array_equal(y[augmenter.origin_indices_], y_res)
    assert np.isfinite(augmenter.origin_distances_).all()


def sampled(case, n_samples):
    X, y, chosen = case
    augmenter = quietly(quick(**chosen).fit, X, y)
    X_new, y_new = augmenter.sample(n_samples)
    np.testing.assert_array_equal(y_new, np.repeat(augmenter.classes_, n_samples))
    assert_sound(X_new, X, chosen["columns"].value_mapping)
    assert_sound_within_classes(X_new, y_new, X, y, augmenter)


test_fit_resample, test_fit_resample_many = battery(resampled, cases(), few=15, many=150)
test_sample, test_sample_many = battery(sampled, cases(), st.integers(1, 20), few=10, many=30)


# The codec alone, on arrays that hypothesis makes value by value.

_CODECS = st.fixed_dictionaries(
    {
        "likelihood": st.sampled_from(["auto", "gaussian", "bernoulli", "binomial"]),
        "value_mapping": st.sampled_from(["auto", "nearest", "quantile", None]),
        "scaling": st.sampled_from(["auto", "standard", "quantile"]),
    }
)
_SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)


@st.composite
def small_arrays(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(_SHAPES)
    if dtype.kind == "f":
        values = {"allow_nan": False, "allow_infinity": False}
        return draw(arrays.arrays(dtype, shape, elements=values))
    return draw(arrays.arrays(dtype, shape))


def coded_and_back(X, chosen):
    codec = TableCodec(**chosen).fit(X)
    T = codec.encode(X)
    assert T.dtype == np.float32
    assert np.isfinite(T).all()
    back = codec.decode(T)
    assert_sound(back, X, chosen["value_mapping"])
    for j, (new, known) in enumerate(zip(back.T, X.T, strict=True)):
        # Both ends come back exactly where their codes differ from those of their neighbours.
        distinct = np.unique(known)
        n_codes = len(np.unique(T[:, j])) if codec.layout_ is None else 0
        if len(distinct) == n_codes and chosen["value_mapping"] == "nearest":
            np.testing.assert_array_equal(new, known, f"column {j}")


def any_code_decodes(X, chosen, data):
    codec = TableCodec(**chosen).fit(X)
    shape = data.draw(st.integers(0, 6)), int(codec.n_codes_)
    T = data.draw(arrays.arrays(np.float32, shape, elements=st.floats(width=32)))
    assert_sound(codec.decode(T), X, chosen["value_mapping"])


test_codec_round_trip, test_codec_round_trip_many = battery(
    coded_and_back, small_arrays(), _CODECS, few=10, many=40
)
test_any_code, test_any_code_many = battery(
    any_code_decodes, small_arrays(), _CODECS, st.data(), few=10, many=40
)
