"""Tests of bad input: refused before any training, or served all the same."""

import copy
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from scipy import sparse
from shared import dense, quick, table
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB
from skorch.callbacks import Callback
from torch import nn

from sklearn_pyraug import AugmentedClassifier, AugmentedClassifierCV, Columns, RHVAEEmbedder
from sklearn_pyraug._generation import fit as fitting
from sklearn_pyraug._preprocessing.row_encoder import RowEncoder


@pytest.fixture
def untrained(monkeypatch):
    """Fail the test if anything is trained."""

    def refuse(*args, **kwargs):
        pytest.fail("training began")

    monkeypatch.setattr(fitting, "train_generator", refuse)
    monkeypatch.setattr(fitting, "train_reference_generator", refuse)


def unchanged(now, before):
    """Check that two containers have the same content; NaN equals NaN."""
    assert type(now) is type(before)
    if isinstance(now, pd.DataFrame):
        pd.testing.assert_frame_equal(now, before)
    else:
        np.testing.assert_array_equal(dense(now), dense(before))


def refused(augmenter, X, y, *fragments, error=ValueError):
    """Check that both ways in raise the same, with all `fragments`, and leave the data alone."""
    X_before, y_before = copy.deepcopy(X), copy.deepcopy(y)
    for method in ("fit", "fit_resample"):
        with pytest.raises(error) as caught:
            getattr(augmenter, method)(X, y)
        message = str(caught.value)
        for fragment in fragments:
            assert re.search(fragment, message), f"{method}: {fragment!r} not in {message!r}"
        with pytest.raises(NotFittedError):
            augmenter.sample(1)
    unchanged(X, X_before)
    unchanged(y, y_before)
    return message


# --- rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, sparse.csr_array, list])
def test_nan(untrained, container):
    X, y = table()
    X[3, 1] = X[4, 1] = X[5, 2] = np.nan
    X = X.tolist() if container is list else container(X)
    refused(
        quick(), X, y, "contains NaN", "3 NaN in 2 of 4 columns", r"column 1 \(2 NaN\)",
        r"column 2 \(1 NaN\)", "SimpleImputer", "pipeline",
    )  # fmt: skip


def test_infinity(untrained):
    X, y = table()
    X[3, 1], X[4, 1] = np.inf, -np.inf
    refused(
        quick(), X, y, "contains infinity", "2 infinite in 1 of 4 columns",
        r"column 1 \(2 infinite\)", "replace those by NaN",
    )  # fmt: skip


def test_an_integer_beyond_all_floats(untrained):
    X, y = table()
    X = X.astype(object)
    X[3, 1] = 10**400
    refused(quick(), X, y, "integers beyond the range of float64")


def test_missing_values_in_a_frame_are_named(untrained):
    X, y = table()
    X = pd.DataFrame(X, columns=["age", "height", "weight", "dose"])
    X.loc[7, "height"] = np.nan
    X.loc[8, "dose"] = np.inf
    refused(quick(), X, y, r"'height' \(1 NaN\)", r"'dose' \(1 infinite\)")


def test_a_column_of_text_without_any_is_missing(untrained):
    X, y = table()
    X = pd.DataFrame(X).add_prefix("c").assign(text=pd.Series([None] * len(X), dtype=object))
    refused(quick(), X, y, rf"'text' \({len(X)} NaN\)", "missing='keep'")


def test_more_rows_than_memory_holds(untrained):
    X, y = table()
    refused(
        quick(sampling_strategy={y[0]: 10**12}), X, y,
        rf"sampling_strategy .* ask for \d+ new rows of class {y.tolist()[0]!r}", "Ask for fewer",
    )  # fmt: skip


def test_missing_value_in_a_nullable_column(untrained):
    X, y = table()
    X = pd.DataFrame(np.round(X)).astype("Int64").add_prefix("c")
    X.loc[7, "c2"] = pd.NA
    refused(quick(), X, y, "NaN", "c2", "SimpleImputer")


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, list])
def test_text(untrained, container):
    X, y = table()
    X = X.astype(object)
    X[3, 1] = "red"
    X = X.tolist() if container is list else container(X)
    # The column, but not the text: it may be somebody's name.
    assert "red" not in refused(quick(), X, y, r"column 1\b|'1'", "OrdinalEncoder|OneHotEncoder")


def test_text_in_a_string_array(untrained):
    X, y = table()
    refused(
        quick(), np.full(X.shape, "red"), y, "column 0, column 1", "OrdinalEncoder|OneHotEncoder"
    )


def test_numbers_beside_text_in_a_column_of_a_frame(untrained):
    X, y = table()
    X = pd.DataFrame(X).add_prefix("c")
    X["colour"] = X["c0"].astype(object)
    X.loc[3, "colour"] = "red"
    message = refused(quick(), X, y, "'colour'", "categorical_features", "OneHotEncoder")
    assert "red" not in message


def test_text_in_an_object_array_that_is_not_named(untrained):
    X, y = table()
    X = X.astype(object)
    X[:, [1, 2]] = "red"
    refused(quick(categorical_features=[1]), X, y, "column 2", "categorical_features")


def test_dates(untrained):
    X, y = table()
    X = pd.DataFrame(X).add_prefix("c")
    X["day"] = pd.Timestamp("2020-01-01")
    refused(quick(), X, y, "dates or times in 'day'", "datetime64", "days since")
    refused(quick(), np.zeros((40, 4), "M8[D]"), y, "dates or times", "datetime64", "days since")


def test_missing_category(untrained):
    X, y = table()
    X = pd.DataFrame(X).add_prefix("c")
    X["colour"] = ["red", None] * 20
    refused(quick(), X, y, r"'colour' \(20 NaN\)", "SimpleImputer", "missing='keep'")


def test_rows_of_different_lengths(untrained):
    with pytest.raises(ValueError, match="rows of different lengths. Pass rows of one length"):
        quick().fit([[1.0, 2.0], [1.0]] * 10, [0, 1] * 10)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, pd.DataFrame])
def test_infinity_is_no_missing_value(untrained, container):
    X, y = table()
    X[3, 1], X[4, 1], X[5, 2] = np.inf, -np.inf, np.nan
    X = container(X)
    refused(quick(missing="keep"), X, y, "contains infinity", r"column 1 \(2 infinite\)", "by NaN")


def test_categories_of_sparse_rows(untrained):
    X, y = table()
    augmenter = quick(categorical_features=[0])
    refused(augmenter, sparse.csr_array(X), y, r"categorical_features=\[0\]", "sparse X", "Pass X")


@pytest.mark.parametrize(
    "parameters", [{"columns": Columns(likelihood="bernoulli")}, {"sample_shape": (2, 2)}], ids=str
)
def test_image_with_categories(untrained, parameters):
    X, y = table()
    augmenter = quick(categorical_features=[1], **parameters)
    name = next(iter(parameters)).replace("columns", "likelihood")
    refused(augmenter, np.round(X), y, f"{name}=", "categories or missing", "likelihood='auto'")


def test_complex(untrained):
    X, y = table()
    refused(quick(), X.astype(complex), y, "[Cc]omplex")


@pytest.mark.parametrize(
    ("X", "y", "fragments"),
    [
        (np.empty((0, 4)), np.empty(0, int), ["0 sample"]),
        (np.empty((20, 0)), np.repeat([0, 1], 10), ["0 feature"]),
        (pd.DataFrame(index=range(20)), np.repeat([0, 1], 10), ["0 feature"]),
        (np.arange(20.0), np.repeat([0, 1], 10), ["2D", "1D", r"[Rr]eshape"]),
        (np.zeros((20, 4, 4, 4, 4, 4)), np.repeat([0, 1], 10), ["channels", "5 axes"]),
        (np.array(5.0), np.repeat([0, 1], 10), ["2D", "scalar"]),
        (pd.Series([*"ab"] * 10), np.zeros((20, 2)), ["single column of text", "labels second"]),
        (np.zeros(20, "f8, i4"), np.repeat([0, 1], 10), ["fields 'f0', 'f1'", r"DataFrame\(X\)"]),
    ],
    ids=[
        "no rows",
        "no columns",
        "no column of a frame",
        "one axis",
        "six axes",
        "scalar",
        "text",
        "fields",
    ],
)
def test_shape_of_rows(untrained, X, y, fragments):
    refused(quick(), X, y, *fragments)


def test_no_rows_as_a_list(untrained):
    refused(quick(), [], [], "[Ee]xpected 2D|0 sample|empty|[Mm]inimum")


# --- labels ---------------------------------------------------------------------------------


def test_one_class(untrained):
    X, _ = table()
    refused(quick(), X, np.full(40, "only"), "y needs at least 2 classes", "'only'", "Pass rows")


def test_continuous_labels(untrained):
    X, _ = table()
    refused(quick(), X, X[:, 0], "Unknown label type", "continuous")


def test_multilabel(untrained):
    X, y = table()
    Y = np.column_stack([y > 0, y > 1]).astype(int)
    refused(quick(), X, Y, "[Mm]ultilabel", "not supported")


def test_several_targets(untrained):
    X, y = table()
    refused(quick(), X, np.column_stack([y, y]), r"y .*1d array.*\(40, 2\)|[Mm]ultioutput")


@pytest.mark.parametrize("n", [39, 1, 41])
def test_lengths_differ(untrained, n):
    X, y = table()
    refused(quick(), X, np.resize(y, n), "inconsistent numbers of samples", "40", str(n))


def test_missing_label(untrained):
    X, y = table()
    y = y.astype(float)
    y[0] = np.nan
    refused(quick(), X, y, r"y holds 1 missing label\(s\)")


def test_no_labels(untrained):
    X, _ = table()
    refused(quick(), X, None, "y", error=(ValueError, TypeError))


# --- parameters -----------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("augmentation_factor", 0.5),
        ("sampling_strategy", "some"),
        ("sampling_strategy", 1.5),
        ("latent_dim", 0),
        ("latent_dim", 2.5),
        ("metric__n_leapfrog", -1),
        ("metric__leapfrog_step", 0),
        ("metric__leapfrog_step", NAN),
        ("metric__beta_zero", 0),
        ("metric__beta_zero", NAN),
        ("metric__temperature", 0),
        ("metric__temperature", NAN),
        ("metric__regularization", 0),
        ("metric__regularization", NAN),
        ("metric", "euclidean"),
        ("metric", None),
        ("shared", "some"),
        ("shared", None),
        ("shared", 2),
        ("decoder__n_neighbors", 0),
        ("decoder__n_neighbors", 2.5),
        ("decoder__n_neighbors", "few"),
        ("output", "median"),
        ("output", None),
        ("output__scale", -0.1),
        ("output__scale", NAN),
        ("output__scale", np.inf),
        ("output__scale", (1.0, 0.5)),
        ("output__residual", 1.1),
        ("output__residual", NAN),
        ("encoder__hidden_layer_sizes", (10, 0)),
        ("encoder", 3),
        ("encoder", "lstm"),
        ("decoder", "residue"),
        ("decoder", None),
        ("decoder", 3),
        ("metric__network", "mlp"),
        ("sample_shape", (3, 3)),
        ("sample_shape", "2x2"),
        ("columns__likelihood", "poisson"),
        ("columns__likelihood", None),
        ("categorical_features", "c1"),
        ("categorical_features", 1),
        ("categorical_features", [4]),
        ("categorical_features", [True, False]),
        ("missing", "drop"),
        ("missing", None),
        ("columns__value_mapping", "snap"),
        ("columns__scaling", "robust"),
        ("columns__scaling", None),
        ("max_epochs", 0),
        ("max_epochs", NAN),
        ("batch_size", 0),
        ("batch_size", None),
        ("lr", 0),
        ("lr", NAN),
        ("patience", 0),
        ("patience", NAN),
        ("validation_fraction", 1.0),
        ("validation_fraction", NAN),
        ("callbacks", "print"),
        ("device", "tpu"),
        ("n_jobs", "all"),
        ("n_jobs", 0),
        ("sampler", "nuts"),
        ("sampler", None),
        ("sampler__n_steps", 0),
        ("sampler__n_steps", NAN),
        ("sampler__n_leapfrog", 0),
        ("sampler__step_size", 0),
        ("sampler__step_size", NAN),
        ("metric__max_centroids", 0),
        ("random_state", -1),
        ("random_state", "seed"),
        ("verbose", -1),
        ("verbose", "yes"),
        ("sample_shape__channels", "middle"),
        ("checkpoint__interval", 0),
    ],
    ids=lambda v: str(v),
)
def test_parameter_out_of_its_range(untrained, name, value):
    X, y = table((20, 12))
    shown = re.escape(repr(value)) + "|" + re.escape(str(value))
    augmenter = quick(decoder="residual", output="transfer")
    if name.startswith("checkpoint__"):
        augmenter.set_params(checkpoint="unused")
    augmenter.set_params(**{name: value})
    refused(augmenter, X, y, name.rpartition("__")[2], shown, error=(ValueError, TypeError))


@pytest.mark.parametrize("callback", ["print", ("lr", 0.1), dict])
def test_a_callback_that_is_none(untrained, callback):
    shown = re.escape(repr(callback[1] if isinstance(callback, tuple) else callback))
    augmenter = quick(callbacks=[Callback(), ("name", Callback), callback])
    refused(augmenter, *table((20, 12)), rf"callbacks\[2\] is {shown}, which is no callback")


def test_parameters_of_any_value_can_be_set():
    """Values are checked where they are used, as scikit-learn wants it."""
    quick(latent_dim=-1).set_params(metric__temperature="hot")


@pytest.mark.parametrize(
    ("strategy", "error", "fragments"),
    [
        ({0: 30, 1: 5}, ValueError, ["sampling_strategy asks for 5 rows of class 1", "least 12"]),
        ({1: NAN}, ValueError, ["sampling_strategy", "class 1"]),
        (0.5, ValueError, ["sampling_strategy=0.5", "increase the ratio"]),
        # No labels of rows are shown.
        (lambda y: y, TypeError, ["sampling_strategy returned a numpy.ndarray, which", "dict"]),
        (lambda y: {}["many"], KeyError, ["many"]),
    ],
)
def test_a_strategy_that_cannot_be_met(untrained, strategy, error, fragments):
    refused(quick(sampling_strategy=strategy), *table((20, 12)), *fragments, error=error)


# --- the user's own networks ----------------------------------------------------------------


class Encoder(nn.Module):
    """Return `width` means and log-variances, of rows of four values."""

    def __init__(self, width=2, n_log_var=None, n_in=4):
        super().__init__()
        self.mu = nn.Linear(n_in, width)
        self.log_var = nn.Linear(n_in, n_log_var or width)

    def forward(self, x):
        return self.mu(x), self.log_var(x)


class Raises(nn.Module):
    def forward(self, x):
        raise RuntimeError("out of coffee")


def raises(*args):
    raise RuntimeError("out of coffee")


@pytest.mark.parametrize(
    ("networks", "fragments"),
    [
        ({"decoder": nn.Linear(2, 5)}, ["decoder", r"\(2, 5\)", r"\(2, 4\)"]),
        ({"decoder": nn.Linear(3, 4)}, ["decoder", r"\(2, 2\)", "RuntimeError"]),
        ({"decoder": lambda d, D: nn.Linear(d, D + 1)}, ["decoder", r"\(2, 5\)", r"\(2, 4\)"]),
        ({"decoder": nn.Sequential(nn.Linear(2, 4), nn.Flatten(0))}, ["decoder", r"\(2, 4\)"]),
        ({"decoder": Raises()}, ["decoder", "RuntimeError", "out of coffee"]),
        ({"decoder": raises}, ["decoder", "RuntimeError", "out of coffee"]),
        ({"decoder": lambda: nn.Linear(2, 4)}, ["decoder", "TypeError"]),
        ({"decoder": lambda d, D: "mlp"}, ["decoder", "mlp|str", "Module"]),
        ({"decoder": lambda d, D: None}, ["decoder", "None", "Module"]),
        ({"decoder": Encoder(4, n_in=2)}, ["decoder", "tuple"]),
        ({"decoder": nn.Identity()}, ["decoder", r"\(2, 2\)", r"\(2, 4\)"]),
        ({"encoder": Encoder(3)}, ["encoder", "mean", r"\(2, 3\)", r"\(2, 2\)", "latent_dim=2"]),
        ({"encoder": Encoder(2, 1)}, ["encoder", "log-variance", r"\(2, 1\)", r"\(2, 2\)"]),
        ({"encoder": Encoder(2, n_in=5)}, ["encoder", r"\(2, 4\)", "RuntimeError"]),
        ({"encoder": nn.Linear(4, 4)}, ["encoder", "mu", "log_var|log-variance"]),
        ({"encoder": Raises()}, ["encoder", "RuntimeError", "out of coffee"]),
        ({"encoder": Encoder, "sample_shape": (2, 2)}, ["encoder"]),
        ({"encoder": raises}, ["encoder", "RuntimeError", "out of coffee"]),
        ({"metric__network": nn.Linear(4, 5)}, ["metric__network", r"\(2, 5\)", "3 entries"]),
        ({"metric__network": nn.Linear(5, 3)}, ["metric__network", r"\(2, 4\)", "RuntimeError"]),
        (
            {"metric__network": nn.Sequential(nn.Linear(4, 9), nn.Unflatten(1, (3, 3)))},
            ["metric__network", r"\(2, 3, 3\)", r"\(2, 2, 2\)"],
        ),
        ({"metric__network": nn.Flatten(0)}, ["metric__network"]),
        ({"metric__network": Encoder(3)}, ["metric__network", "tuple"]),
        ({"metric__network": raises}, ["metric__network", "RuntimeError", "out of coffee"]),
    ],
    ids=lambda v: next(iter(v)) + " " + type(next(iter(v.values()))).__name__
    if isinstance(v, dict)
    else "",
)  # fmt: skip
def test_networks_that_do_not_fit(untrained, networks, fragments):
    X, y = table()
    refused(quick().set_params(**networks), X, y, *fragments)


# --- sample ---------------------------------------------------------------------------------


def test_sample_before_fit():
    with pytest.raises(NotFittedError, match="RHVAEAugmenter"):
        quick().sample(3)


@pytest.mark.parametrize(
    ("n_samples", "match"),
    [
        ({7: 1}, r"n_samples names the class 7, .*\[0, 1, 2\]"),
        ({"0": 1}, r"n_samples names the class '0', "),
        ({0: -1}, "n_samples asks for -1 rows of class 0.*int"),
        ({0: 1.5}, r"n_samples asks for 1\.5 rows of class 0.*int"),
        ({0: None}, "n_samples asks for None rows of class 0"),
        (-1, "n_samples.*-1.*int"),
        (2.5, r"n_samples=2\.5"),
        ("three", "n_samples='three'.*dict"),
        (None, "n_samples=None.*dict"),
        ([1, 2, 3], r"n_samples=\[1, 2, 3\].*dict"),
        (NAN, "n_samples=nan"),
    ],
    ids=str,
)
def test_sample_of_what_cannot_be(fitted_default, n_samples, match):
    with pytest.raises((ValueError, TypeError), match=match):
        fitted_default.sample(n_samples)
    assert len(fitted_default.sample(1)[0]) == 3


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("n_samples", [1, {0: 1}, {0: 1, 2: 1}])
def test_sample_of_a_class_without_a_generator(n_samples):
    augmenter = quick(sampling_strategy={2: 10})
    augmenter.fit_resample(*table())
    match = r"class 0, which has no generator: fit_resample .* Call fit\(X, y\)"
    with pytest.raises(ValueError, match=match):
        augmenter.sample(n_samples)
    assert len(augmenter.sample({2: 3, 0: 0})[0]) == 3


@pytest.mark.usefixtures("either_decoder")
def test_an_error_with_other_columns_leaves_the_last_fit_usable():
    X, y = table()
    augmenter = quick().fit(pd.DataFrame(X).add_prefix("c"), y)
    before = augmenter.sample(2)[0]
    for method in ("fit", "fit_resample"):
        with pytest.raises(ValueError, match="NaN"):
            getattr(augmenter, method)(np.full((40, 2), np.nan), y)
        pd.testing.assert_frame_equal(augmenter.sample(2)[0], before)


@pytest.mark.parametrize(
    "estimator",
    [
        AugmentedClassifier(SMOTE(random_state=0), GaussianNB()),
        AugmentedClassifierCV(GaussianNB(), None, preprocessor=None),
        RHVAEEmbedder(max_epochs=1),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_an_error_leaves_all_that_was_fitted(estimator):
    """A part of the new fit stood beside the rest of the old one."""
    X, y = table()
    before = dict(vars(estimator.fit(pd.DataFrame(X).add_prefix("c"), y)))
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(np.full_like(X, np.nan), y)
    assert vars(estimator) == before


# --- what must still work -------------------------------------------------------------------


def resampled(augmenter, X, y, expected=None):
    """Return the new rows, checked to be finite and in the observed range.

    Warnings are errors, but those that begin with `expected`.
    """
    n_real = X.shape[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if expected is not None:
            warnings.filterwarnings("ignore", expected)
        X_res, y_res = augmenter.fit_resample(X, y)
    new = X_res[n_real:]
    assert len(new) > 0
    assert np.isfinite(new).all()
    assert np.all(new >= X.min(axis=0))
    assert np.all(new <= X.max(axis=0))
    np.testing.assert_array_equal(X_res[:n_real], X)
    return new


@pytest.mark.parametrize(
    ("n", "method", "labels"),
    [
        (1, "fit", [0, 1, 2]),
        (2, "fit_resample", [0.0, 1.0, 2.0]),
        (3, "fit", ["a", "b", "rare"]),
        (3, "fit_resample", np.array(["a", "b", "rare"], dtype=object)),
    ],
    ids=["int", "float", "str", "object"],
)
def test_small_class(n, method, labels):
    """Without reference rows it cannot learn from the others."""
    X, y = table((20, 12, n))
    y = np.asarray(labels)[y]
    label = labels[2]
    augmenter = quick(augmentation_factor=2, decoder="direct")
    with pytest.warns(UserWarning, match="Too few rows") as caught:
        getattr(augmenter, method)(X, y)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert re.search(rf"{label!r} \({n} rows?\)", message)
    assert "np." not in message
    assert augmenter.n_epochs_[label] == 0
    assert label not in augmenter.history_
    X_new, y_new = augmenter.sample({label: 50})
    assert np.isfinite(X_new).all()
    assert X_new.shape == (50, 4)
    assert set(y_new.tolist()) == {label}
    assert len(np.unique(X_new, axis=0)) == 50
    # Between the class's rows, with noise of 0.2 standard deviations of about 1.
    center = X[y == label].mean(axis=0)
    assert np.all(np.abs(X_new.mean(axis=0) - center) < 2)


def test_small_class_has_origins():
    X, y = table((20, 2))
    augmenter = quick(augmentation_factor=2, decoder="direct")
    with pytest.warns(UserWarning, match="Too few rows"):
        _, y_res = augmenter.fit_resample(X, y)
    np.testing.assert_array_equal(y[augmenter.origin_indices_], y_res)


def test_only_small_classes():
    X, y = table((1, 2, 3))
    augmenter = quick(augmentation_factor=3, decoder="direct")
    with pytest.warns(UserWarning, match="Too few rows") as caught:
        X_res, _ = augmenter.fit_resample(X, y)
    # New rows between so few are near-copies, which a second warning says.
    assert len(caught) == 2
    for n in (1, 2, 3):
        assert re.search(rf"{n - 1} \({n} rows?\)", str(caught[0].message))
    assert np.isfinite(X_res).all()
    assert len(X_res) == 27


@pytest.mark.usefixtures("either_decoder")
def test_no_warning_for_a_small_class_that_does_not_grow():
    X, y = table((20, 12, 2))
    resampled(quick(sampling_strategy={1: 20}), X, y)


@pytest.mark.usefixtures("either_decoder")
def test_class_of_four_rows_is_trained_on():
    X, y = table((20, 4))
    augmenter = quick(augmentation_factor=2)
    resampled(augmenter, X, y)
    assert augmenter.n_epochs_ == {0: 2, 1: 2}


@pytest.mark.usefixtures("either_decoder")
def test_duplicated_rows():
    X, y = table((5, 5))
    resampled(quick(), np.repeat(X, 6, axis=0), np.repeat(y, 6))


@pytest.mark.usefixtures("either_decoder")
def test_class_of_identical_rows():
    X, y = table((20, 12))
    X[y == 1] = X[y == 1][0]
    resampled(quick(max_epochs=5), X, y)


@pytest.mark.usefixtures("either_decoder")
def test_every_class_of_identical_rows():
    X, y = table((20, 12))
    resampled(quick(max_epochs=5), np.repeat(y[:, None], 3, axis=1) * 1.7, y)


@pytest.mark.usefixtures("either_decoder")
def test_constant_columns():
    X, y = table()
    X[:, 1], X[:, 3] = 0.3, 0.0
    new = resampled(quick(), X, y)
    assert np.all(new[:, [1, 3]] == [0.3, 0.0])


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("value", [0.0, 0.3, -1e300, 7])
def test_all_columns_constant(value):
    _, y = table()
    new = resampled(quick(), np.full((40, 4), value), y)
    assert np.all(new == value)


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "binomial"])
def test_one_column(likelihood):
    X, y = table(n_features=1)
    resampled(quick(columns=Columns(likelihood=likelihood)), X, y)


@pytest.mark.usefixtures("either_decoder")
def test_more_columns_than_rows():
    X, y = table((30, 20), n_features=10_000)
    # Of networks that have hardly trained.
    resampled(quick(), X, y, expected="The Hamiltonian flow")


@pytest.mark.usefixtures("either_decoder")
def test_scales_far_apart():
    X, y = table((30, 20))
    X *= [1e-9, 1e12, 1.0, 1e-300]
    new = resampled(quick(max_epochs=5), X, y)
    # Each column varies on its own scale.
    assert np.all(np.ptp(new, axis=0) > 1e-2 * np.ptp(X, axis=0))


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize(
    ("value", "likelihood"), [(1e30, "bernoulli"), (-1e30, "binomial"), (1e308, "gaussian")]
)
def test_outlier(value, likelihood):
    X, y = table()
    X[3, 1] = value
    resampled(quick(max_epochs=5, columns=Columns(likelihood=likelihood)), X, y)


@pytest.mark.usefixtures("either_decoder")
def test_shifted_far_from_zero():
    X, y = table()
    resampled(quick(max_epochs=5), 1e9 + X, y)


@pytest.mark.usefixtures("either_decoder")
def test_float32_near_its_ends():
    X, y = table()
    X = (X * 1e37).astype(np.float32)
    new = resampled(quick(), X, y)
    assert new.dtype == np.float32


def test_loss_that_is_never_finite():
    """The fit never raises for numerical reasons on finite data."""

    class Explodes(nn.Module):
        def __init__(self, latent_dim, n_features):
            super().__init__()
            self.linear = nn.Linear(latent_dim, n_features)

        def forward(self, z):
            return self.linear(z) / 0.0

    X, y = table()
    augmenter = quick(decoder=Explodes, max_epochs=3)
    message = r"3 of 3 generators diverged: .* in 3 of 3 epochs, .*epoch 0 .*smaller lr than 0.001"
    with pytest.warns(UserWarning, match=message):
        X_res, _ = augmenter.fit_resample(X, y)
    assert np.isfinite(X_res).all()
    assert all(record.n_rollbacks > 0 for record in augmenter.history_.values())


@pytest.mark.usefixtures("either_decoder")
def test_many_classes():
    X, y = table((5,) * 40)
    resampled(quick(augmentation_factor=1.5), X, y)


# --- the user's Ctrl-C ----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The Hamiltonian flow")
@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_a_loss_that_rises_and_stays_finite_is_told(decoder):
    """It never came back, and rows were drawn from networks of one epoch without a word."""
    augmenter = quick(max_epochs=20, lr=1.0, decoder=decoder, encoder="auto")
    message = r"generators diverged: the loss rose from .* to .*smaller lr than 1;"
    with pytest.warns(UserWarning, match=message):
        X_new, _ = augmenter.fit(*table()).sample(2)
    assert np.isfinite(X_new).all()


class Interrupts(Callback):
    """Raises KeyboardInterrupt in an epoch, counted over all copies of the callback."""

    n_epochs = 0

    def __init__(self, epoch, where="on_epoch_end"):
        self.epoch = epoch
        self.where = where

    def _count(self, where):
        if where == self.where:
            type(self).n_epochs += 1
            if self.n_epochs >= self.epoch:
                raise KeyboardInterrupt

    def on_epoch_end(self, net, **kwargs):
        self._count("on_epoch_end")

    def on_batch_end(self, net, **kwargs):
        self._count("on_batch_end")


@pytest.fixture
def _counted_from_zero(monkeypatch):
    monkeypatch.setattr(Interrupts, "n_epochs", 0)


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.usefixtures("_counted_from_zero")
@pytest.mark.parametrize(
    ("method", "where"), [("fit", "on_epoch_end"), ("fit_resample", "on_batch_end")]
)
def test_interrupted(method, where):
    X, y = table()
    augmenter = quick(max_epochs=50, callbacks=[Interrupts(3, where)], augmentation_factor=2)
    with pytest.raises(KeyboardInterrupt):
        getattr(augmenter, method)(X, y)
    assert all(2 <= n <= 3 for n in augmenter.n_epochs_.values())
    X_new, y_new = augmenter.sample(4)
    assert np.isfinite(X_new).all()
    assert X_new.shape == (12, 4)
    np.testing.assert_array_equal(np.unique(y_new), [0, 1, 2])
    if augmenter.decoder == "direct":
        # The generators are trained ones: as good as those of a fit that ended by itself there.
        n_epochs = next(iter(augmenter.n_epochs_.values()))
        short = quick(max_epochs=n_epochs, augmentation_factor=2).fit(X, y)
        np.testing.assert_array_equal(short.sample(4)[0], X_new)


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.usefixtures("_counted_from_zero")
def test_interrupted_in_the_first_epoch():
    augmenter = quick(max_epochs=50, callbacks=[Interrupts(1, "on_batch_end")])
    with pytest.raises(KeyboardInterrupt):
        augmenter.fit(*table())
    X_new, _ = augmenter.sample(4)
    assert np.isfinite(X_new).all()
    assert len(X_new) == 12


@pytest.mark.usefixtures("_counted_from_zero")
@pytest.mark.parametrize("epoch", [3, 7])
def test_interrupted_with_several_groups(monkeypatch, epoch):
    """Classes that were not yet trained use the fallback."""
    monkeypatch.setattr(fitting, "_MAX_WEIGHTS", {"cpu": 1})
    augmenter = quick(max_epochs=5, callbacks=[Interrupts(epoch)], decoder="direct", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        augmenter.fit(*table())
    X_new, y_new = augmenter.sample(4)
    assert np.isfinite(X_new).all()
    np.testing.assert_array_equal(y_new, np.repeat([0, 1, 2], 4))
    n_epochs = [augmenter.n_epochs_[k] for k in range(3)]
    assert sorted(n_epochs)[0] == 0
    assert 0 < max(n_epochs) <= 5
    assert sum(n_epochs) in (epoch - 1, epoch)


@pytest.mark.parametrize("make", [quick, lambda: RHVAEEmbedder(max_epochs=1)])
def test_interrupted_before_the_training(make, monkeypatch):
    """The new columns were those of the generators of the last fit, which no longer worked."""
    X, y = table()
    estimator = make().fit(X, y)
    before = dict(vars(estimator))

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(RowEncoder, "fit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X[:, :2], y)
    assert vars(estimator) == before


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.usefixtures("_counted_from_zero")
def test_pickle_after_an_interruption():
    augmenter = quick(max_epochs=50, callbacks=[Interrupts(3)])
    with pytest.raises(KeyboardInterrupt):
        augmenter.fit(*table())
    twin = copy.deepcopy(augmenter)
    np.testing.assert_array_equal(twin.sample(2)[0], augmenter.sample(2)[0])
