"""Tests of what RHVAEAugmenter does with good input."""

import copy
import pickle
from collections import Counter
from time import sleep

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import SMOTE
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from scipy import sparse
from shared import QUICK, dense, quick, table
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline as SklearnPipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

from sklearn_pyraug import (
    HMC,
    MLP,
    AugmentedClassifier,
    Columns,
    LearnedMetric,
    Pipeline,
    RHVAEAugmenter,
    make_pipeline,
)


def assert_same(one, two):
    """Check that two containers have the same type and content."""
    assert type(one) is type(two)
    if isinstance(one, pd.DataFrame):
        assert_frame_equal(one, two)
    else:
        assert_array_equal(dense(one), dense(two))


# --- how many rows --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "factor"),
    [("auto", 4), ("minority", 1.5), ("not minority", 1.0), ("not majority", 1.5), ("all", 1.5)],
)
def test_rule_then_factor(rule, factor):
    """The factor multiplies what SMOTE makes of every class, also of those it leaves alone."""
    X, y = table()
    plain = Counter(SMOTE(sampling_strategy=rule, k_neighbors=3).fit_resample(X, y)[1])
    augmenter = quick(sampling_strategy=rule, augmentation_factor=factor)
    X_res, y_res = augmenter.fit_resample(X, y)
    wanted = {k: round(factor * n) for k, n in plain.items()}
    assert Counter(y_res) == wanted
    assert X_res.shape == (sum(wanted.values()), 4)
    assert augmenter.sampling_strategy_ == {k: wanted[k] - n for k, n in Counter(y).items()}


@pytest.mark.parametrize("as_callable", [False, True])
def test_dict_and_callable_are_exact(as_callable):
    X, y = table()
    wanted = {1: 15, 2: 9}
    strategy = (lambda y: wanted) if as_callable else wanted
    augmenter = quick(sampling_strategy=strategy, augmentation_factor=4)
    _, y_res = augmenter.fit_resample(X, y)
    assert Counter(y_res) == {0: 20, 1: 15, 2: 9}
    assert augmenter.sampling_strategy_ == {0: 0, 1: 3, 2: 1}


def test_balanced_data_grow():
    X, y = table((10, 10))
    assert Counter(quick(augmentation_factor=2.5).fit_resample(X, y)[1]) == {0: 25, 1: 25}


def test_nothing_to_do():
    X, y = table((10, 10))
    augmenter = quick(augmentation_factor=1)
    X_res, y_res = augmenter.fit_resample(X, y)
    assert_array_equal(X_res, X)
    assert_array_equal(y_res, y)
    assert not augmenter.synthetic_mask_.any()
    assert_array_equal(augmenter.origin_indices_, np.arange(20))
    assert augmenter.history_ == {}
    assert augmenter.sampling_strategy_ == {0: 0, 1: 0}


# --- originals first, and exactly as they were ----------------------------------------------


ARRAYS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "int64": lambda X: np.round(X).astype(np.int64),
    "int64 above 2**53": lambda X: 2**53 + np.round(100 * X).astype(np.int64),
    "uint64 near its end": lambda X: np.uint64(2**64 - 1) - np.abs(50 * X).astype(np.uint64),
    "uint8": lambda X: np.abs(20 * X).astype(np.uint8),
    "bool": lambda X: X > 0,
    "fortran order": np.asfortranarray,
    "a view": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "list": lambda X: X.tolist(),
    "list of int": lambda X: np.round(X).astype(int).tolist(),
    "csr matrix": lambda X: sparse.csr_matrix(X * (X > 0)),
    "csc array": lambda X: sparse.csc_array(X * (X > 0)),
    "csr float32": lambda X: sparse.csr_array((X * (X > 0)).astype(np.float32)),
    "csr int": lambda X: sparse.csr_array(np.round(X * (X > 0)).astype(np.int64)),
    "frame": lambda X: pd.DataFrame(X).add_prefix("column_"),
    "frame with numbers for names": pd.DataFrame,
    "frame of int64 above 2**53": lambda X: pd.DataFrame(2**53 + np.round(9 * X).astype(np.int64)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_originals_first_and_unchanged(name):
    X, y = table()
    X = ARRAYS[name](X)
    before = copy.deepcopy(X)
    augmenter = quick(augmentation_factor=2)
    X_res, y_res = augmenter.fit_resample(X, y)
    n = len(y)
    assert_same(X, before)
    if isinstance(X, list):
        assert isinstance(X_res, list)
        assert X_res[:n] == X
        assert {type(v) for row in X_res for v in row} == {type(X[0][0])}
    elif isinstance(X, pd.DataFrame):
        assert_frame_equal(X_res[:n], X)
    else:
        assert type(X_res) is type(X)
        assert X_res.dtype == X.dtype
        assert_array_equal(dense(X_res)[:n], dense(X))
    assert_array_equal(y_res[:n], y)
    assert not np.may_share_memory(y_res, y)
    assert np.isfinite(dense(X_res).astype(float)).all()


@pytest.mark.parametrize("name", ARRAYS)
def test_sample_in_the_container_of_fit(name):
    X, y = table()
    X = ARRAYS[name](X)
    X_new, y_new = quick().fit(X, y).sample(3)
    assert type(X_new) is type(X)
    assert dense(X_new).shape == (9, 4)
    assert_array_equal(y_new, [0] * 3 + [1] * 3 + [2] * 3)
    if isinstance(X, pd.DataFrame):
        assert_array_equal(X_new.columns, X.columns)
        assert_array_equal(X_new.dtypes, X.dtypes)
        assert_array_equal(X_new.index, np.arange(9))
    elif not isinstance(X, list):
        assert X_new.dtype == X.dtype


def mixed_frame():
    X, y = table()
    frame = pd.DataFrame(
        {
            "real": X[:, 0],
            "single": X[:, 1].astype(np.float32),
            "big": 2**60 + np.arange(len(y)),
            "byte": np.abs(20 * X[:, 2]).astype(np.uint8),
            "flag": X[:, 3] > 0,
        }
    )
    return frame, y


def test_frame_of_mixed_dtypes():
    X, y = mixed_frame()
    order = np.random.default_rng(1).permutation(len(y))
    X.index = [f"row {i}" for i in order]
    target = pd.Series(y, index=X.index, name="target")
    before = X.copy()
    augmenter = quick(augmentation_factor=3)
    X_res, y_res = augmenter.fit_resample(X, target)
    assert_frame_equal(X, before)
    n = len(y)
    assert isinstance(X_res.index, pd.RangeIndex)
    assert isinstance(y_res.index, pd.RangeIndex)
    assert_array_equal(X_res.index, np.arange(180))
    assert_frame_equal(X_res[:n], X.reset_index(drop=True))
    assert_series_equal(y_res[:n], target.reset_index(drop=True))
    assert_series_equal(X_res.dtypes, X.dtypes)
    assert y_res.name == "target"
    new = X_res[n:]
    assert not new.isna().any(axis=None)
    assert np.all(new["big"] >= X["big"].min())
    assert np.all(new["big"] <= X["big"].max())
    assert_array_equal(augmenter.feature_names_in_, X.columns)

    X_new, y_new = augmenter.sample({2: 4})
    assert_series_equal(X_new.dtypes, X.dtypes)
    assert_series_equal(y_new, pd.Series([2] * 4, name="target", dtype=y.dtype))


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "Float32", "boolean", "UInt8"])
def test_frame_of_nullable_dtypes(dtype):
    X, y = table()
    X = np.abs(np.round(X))
    X = pd.DataFrame(X > 1 if dtype == "boolean" else X).astype(dtype).add_prefix("c")
    X_res, y_res = quick(augmentation_factor=2).fit_resample(X, y)
    assert_frame_equal(X_res[: len(y)], X)
    assert not X_res.isna().any(axis=None)


LABELS = {
    "int32": lambda y: y.astype(np.int32),
    "uint8": lambda y: y.astype(np.uint8),
    "negative": lambda y: y - 5,
    "whole floats": lambda y: y.astype(float),
    "str": lambda y: np.array(["few", "many", "some"])[y],
    "object": lambda y: np.array(["few", "many", "some"], dtype=object)[y],
    "list of int": lambda y: y.tolist(),
    "list of str": lambda y: np.array(["few", "many", "some"])[y].tolist(),
    "series of int": lambda y: pd.Series(y, name="target"),
    "series of str": lambda y: pd.Series(np.array(["few", "many", "some"])[y], name="target"),
    "series of category": lambda y: pd.Series(np.array(["b", "a", "c"])[y], dtype="category"),
    "column": lambda y: pd.DataFrame({"target": y}),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_any_kind(name):
    X, y = table()
    labels = LABELS[name](y)
    augmenter = quick(augmentation_factor=2)
    X_res, y_res = augmenter.fit_resample(X, labels)
    assert type(y_res) is type(labels)
    values = np.asarray(y_res).ravel()
    assert_array_equal(values[: len(y)], np.asarray(labels).ravel())
    assert len(values) == len(X_res) == 120
    if isinstance(labels, list):
        assert {type(v) for v in y_res} == {type(labels[0])}
    elif isinstance(labels, pd.Series):
        assert y_res.dtype == labels.dtype
        assert y_res.name == labels.name
    elif isinstance(labels, np.ndarray):
        assert y_res.dtype == labels.dtype
    assert_array_equal(augmenter.classes_, np.unique(np.asarray(labels)))
    label = augmenter.classes_.tolist()[-1]
    _, y_new = augmenter.sample({label: 2})
    assert np.asarray(y_new).ravel().tolist() == [label, label]
    assert list(augmenter.history_) == list(augmenter.classes_)
    assert augmenter.n_epochs_[label] == 2


def test_boolean_labels():
    X, y = table((12, 8))
    _, y_res = quick(augmentation_factor=2).fit_resample(X, y == 1)
    assert y_res.dtype == bool
    assert Counter(y_res.tolist()) == {False: 24, True: 24}


# --- what a column can take -----------------------------------------------------------------


@pytest.fixture
def columns():
    """Columns of every kind: real, whole numbers, with ties, constant, two values."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [40, 20])
    ties = np.array([0.1, 0.25, 7.0, 100.0])
    X = np.column_stack(
        [
            rng.normal(size=60),
            rng.permutation(1000)[:60],
            rng.choice(ties, 60),
            np.full(60, 0.3),
            rng.choice([-1.0, 1.0], 60),
        ]
    )
    return X, y


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "binomial"])
def test_synthetic_values_are_ones_that_the_column_can_take(columns, likelihood):
    X, y = columns
    augmenter = quick(
        augmentation_factor=8,
        columns=Columns(likelihood=likelihood),
        metric=LearnedMetric(temperature=5.0),
    )
    new = augmenter.fit_resample(X, y)[0][60:]
    assert np.all(new >= X.min(axis=0))
    assert np.all(new <= X.max(axis=0))
    assert_array_equal(new[:, 1], np.rint(new[:, 1]))
    assert np.isin(new[:, 2], X[:, 2]).all()
    assert_array_equal(new[:, 3], 0.3)
    assert np.isin(new[:, 4], [-1.0, 1.0]).all()


@pytest.mark.usefixtures("either_decoder")
def test_synthetic_rows_differ_from_real_ones_and_from_each_other():
    X, y = table()
    augmenter = quick(augmentation_factor=3)
    X_res, _ = augmenter.fit_resample(X, y)
    assert len(np.unique(X_res, axis=0)) == len(X_res)


@pytest.mark.usefixtures("either_decoder")
def test_synthetic_rows_resemble_their_class():
    """A nearest neighbour trained on the new rows alone knows the real ones."""
    X, y = table((40, 40), n_features=3)
    X[y == 1] += 4.0
    augmenter = quick(max_epochs=60, lr=0.01, encoder=MLP((16,)))
    X_new, y_new = augmenter.fit(X, y).sample(40)
    assert KNeighborsClassifier(1).fit(X_new, y_new).score(X, y) > 0.95


# --- attributes -----------------------------------------------------------------------------


@pytest.mark.usefixtures("either_decoder")
def test_mask_and_origins():
    X, y = table()
    labels = np.array(["b", "c", "a"])[y]
    augmenter = quick(augmentation_factor=3)
    X_res, y_res = augmenter.fit_resample(X, labels)
    mask, origins = augmenter.synthetic_mask_, augmenter.origin_indices_
    n = len(y)
    assert mask.dtype == bool
    assert origins.dtype.kind == "i"
    assert mask.shape == origins.shape == (len(X_res),)
    assert_array_equal(mask, np.arange(len(X_res)) >= n)
    assert_array_equal(origins[:n], np.arange(n))
    assert_array_equal(labels[origins], y_res)
    # Rows of a class are origins of equally many new rows, up to one.
    for k in np.unique(labels):
        counts = np.bincount(origins[n:], minlength=n)[labels == k]
        assert np.ptp(counts) <= 1


def test_new_rows_come_class_by_class():
    X, y = table()
    _, y_res = quick(augmentation_factor=2).fit_resample(X, y)
    assert np.all(np.diff(y_res[len(y) :]) >= 0)


@pytest.mark.usefixtures("either_decoder")
def test_attributes_after_fit():
    X, y = table()
    augmenter = quick(max_epochs=3, augmentation_factor=2)
    assert augmenter.fit(X, y) is augmenter
    assert_array_equal(augmenter.classes_, [0, 1, 2])
    assert augmenter.n_features_in_ == 4
    assert not hasattr(augmenter, "feature_names_in_")
    assert augmenter.sampling_strategy_ == {0: 20, 1: 28, 2: 32}
    assert augmenter.likelihood_ == "gaussian"
    assert augmenter.device_ == QUICK["device"]
    assert augmenter.n_epochs_ == {0: 3, 1: 3, 2: 3}
    assert list(augmenter.history_) == [0, 1, 2]
    for record in augmenter.history_.values():
        assert len(record.train_loss) == len(record.valid_loss) == 3
        assert np.isfinite(record.train_loss).all()
        assert 1 <= record.best_epoch <= 3
        assert record.n_rollbacks == 0
    augmenter.sample({1: 5})
    info = augmenter.sampler_info_[1]
    assert 0 <= info["acceptance_rate"] <= 1
    # Independent proposals have no step.
    assert info.get("step_size", 1.0) > 0


@pytest.mark.usefixtures("either_decoder")
def test_fit_resample_trains_only_what_grows():
    X, y = table()
    augmenter = quick(sampling_strategy={2: 12})
    augmenter.fit_resample(X, y)
    assert list(augmenter.history_) == [2]
    assert augmenter.n_epochs_.get(0, 0) == 0
    assert augmenter.n_epochs_[2] >= 2
    assert_array_equal(augmenter.sample({2: 3})[1], [2, 2, 2])


def test_fit_trains_every_class():
    X, y = table()
    augmenter = quick(sampling_strategy={2: 12}).fit(X, y)
    assert list(augmenter.history_) == [0, 1, 2]
    assert_array_equal(augmenter.sample({0: 1, 1: 1})[1], [0, 1])


def test_early_stopping_is_per_class():
    X, y = table()
    augmenter = quick(max_epochs=200, patience=1, lr=0.05, decoder="direct").fit(X, y)
    for label, record in augmenter.history_.items():
        n_epochs = augmenter.n_epochs_[label]
        assert n_epochs == len(record.train_loss) < 200
        assert record.best_epoch == n_epochs - 1
        assert record.train_loss[n_epochs - 2] == record.train_loss.min()
    assert len(set(augmenter.n_epochs_.values())) > 1


def test_no_early_stopping():
    X, y = table()
    augmenter = quick(max_epochs=12, patience=None, lr=0.1).fit(X, y)
    assert set(augmenter.n_epochs_.values()) == {12}


@pytest.mark.usefixtures("either_decoder")
def test_held_out_rows():
    X, y = table()
    augmenter = quick(max_epochs=3, validation_fraction=0.25).fit(X, y)
    for record in augmenter.history_.values():
        assert np.isfinite(record.valid_loss).all()
        # The last phase has an epoch of its own to choose.
        assert record.best_epoch in (record.valid_loss.argmin() + 1, 3)
    # Held-out rows are centroids all the same: chains may start from each of them.
    augmenter = quick(validation_fraction=0.25, augmentation_factor=2)
    augmenter.fit_resample(X, y)
    assert set(augmenter.origin_indices_[len(y) :]) == set(range(len(y)))


@pytest.mark.usefixtures("either_decoder")
def test_training_lowers_the_loss():
    X, y = table()
    augmenter = quick(max_epochs=30, lr=0.01).fit(X, y)
    for record in augmenter.history_.values():
        assert record.train_loss[-5:].mean() < record.train_loss[0]


def test_refit_forgets_the_first_fit():
    X, y = table()
    augmenter = quick(augmentation_factor=2)
    augmenter.fit_resample(pd.DataFrame(X).add_prefix("c"), y)
    X_2, y_2 = table((9, 5), n_features=2, seed=1)
    X_res, y_res = augmenter.fit_resample(X_2, y_2)
    expected, _ = quick(augmentation_factor=2).fit_resample(X_2, y_2)
    assert_array_equal(X_res, expected)
    assert not hasattr(augmenter, "feature_names_in_")
    assert augmenter.n_features_in_ == 2
    assert list(augmenter.history_) == [0, 1]
    assert len(augmenter.synthetic_mask_) == len(augmenter.origin_indices_) == len(y_res)
    assert vars(augmenter.fit(X, y)).keys() == vars(quick().fit(X, y)).keys()  # no draw's


@pytest.mark.filterwarnings(
    "ignore:The Hamiltonian flow of .* does not preserve volume:UserWarning"
)
def test_likelihood_auto():
    iris = load_iris(return_X_y=True)
    digits = load_digits(n_class=2, return_X_y=True)
    X, y = table()

    def likelihood(data, **parameters):
        return quick(**parameters).fit(*data).likelihood_

    for decoder in ("direct", "auto"):
        assert likelihood(iris, decoder=decoder) == "gaussian"
        assert likelihood((X > 0, y), decoder=decoder) == "bernoulli"
        assert (
            likelihood(digits, decoder=decoder, columns=Columns(likelihood="bernoulli"))
            == "bernoulli"
        )
    # Images: grey values are drawn again, but a warped image has one scale of its own.
    assert likelihood(digits, decoder="direct") == "binomial"
    assert likelihood((X, y), decoder="direct", sample_shape=(2, 2)) == "binomial"
    assert (
        likelihood(digits, decoder="direct", columns=Columns(likelihood="gaussian")) == "gaussian"
    )
    assert likelihood(digits) == likelihood((X, y), sample_shape=(2, 2)) == "isotropic"
    assert likelihood(digits, columns=Columns(likelihood="gaussian")) == "isotropic"


def test_device_auto(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert quick(device="auto").fit(*table()).device_ == "cpu"


# --- sample ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("either_decoder")
def test_sample_numbers_and_labels():
    X, y = table()
    augmenter = quick().fit(X, np.array(["b", "c", "a"])[y])
    X_new, y_new = augmenter.sample(2)
    assert X_new.shape == (6, 4)
    assert y_new.tolist() == ["a", "a", "b", "b", "c", "c"]
    X_new, y_new = augmenter.sample({"c": 3, "a": 1, "b": 0})
    assert X_new.shape == (4, 4)
    assert y_new.tolist() == ["a", "c", "c", "c"]
    assert augmenter.sample(np.int64(1))[0].shape == (3, 4)
    assert augmenter.sample({np.str_("a"): np.int32(2)})[0].shape == (2, 4)


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, sparse.csr_array])
def test_sample_of_nothing(container):
    X, y = table()
    augmenter = quick().fit(container(X), y)
    for nothing in (0, {}, {1: 0}):
        X_new, y_new = augmenter.sample(nothing)
        assert X_new.shape == (0, 4)
        assert y_new.shape == (0,)
        assert y_new.dtype == y.dtype


@pytest.mark.usefixtures("either_decoder")
def test_sample_differs_without_a_seed():
    X, y = table()
    augmenter = quick(random_state=None).fit(X, y)
    one, two = augmenter.sample(3)[0], augmenter.sample(3)[0]
    # Barely trained, a row may be clipped to the ends of all columns in both.
    assert np.mean(np.all(one == two, axis=1)) < 0.5


def test_fit_leaves_the_data_alone():
    X, y = table()
    X.flags.writeable = y.flags.writeable = False
    quick().fit(X, y).sample(2)
    quick().fit_resample(X, y)


# --- copies ---------------------------------------------------------------------------------


def test_clone_and_parameters():
    augmenter = quick(latent_dim=3)
    augmenter.fit(*table())
    twin = clone(augmenter)
    assert repr(twin.get_params()) == repr(augmenter.get_params())
    assert twin.encoder is not augmenter.encoder
    with pytest.raises(NotFittedError):
        twin.sample(1)
    assert augmenter.set_params(latent_dim=1, metric__temperature=2.0) is augmenter
    assert augmenter.get_params()["latent_dim"] == 1
    assert repr(RHVAEAugmenter(latent_dim=3)) == "RHVAEAugmenter(latent_dim=3)"


def test_fit_leaves_the_parameters_alone():
    networks = {
        "encoder": ConvEncoder(4, 2, side=2),
        "decoder": nn.Linear(2, 4),
        "metric__network": nn.Sequential(nn.Flatten(), nn.Linear(4, 3)),
    }
    augmenter = quick(sample_shape=[2, 2], callbacks=[Epochs()]).set_params(**networks)
    before = {k: id(v) for k, v in augmenter.get_params(deep=False).items()}
    weights = {k: copy.deepcopy(m.state_dict()) for k, m in networks.items()}
    augmenter.fit(*table())
    assert {k: id(v) for k, v in augmenter.get_params(deep=False).items()} == before
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, weights[name][key])
            assert network.training


def via_pickle(augmenter, tmp_path):
    return pickle.loads(pickle.dumps(augmenter))


def via_joblib(augmenter, tmp_path):
    joblib.dump(augmenter, tmp_path / "augmenter.joblib")
    return joblib.load(tmp_path / "augmenter.joblib")


def via_deepcopy(augmenter, tmp_path):
    return copy.deepcopy(augmenter)


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize(
    ("copied", "container"),
    [(via_pickle, np.asarray), (via_joblib, pd.DataFrame), (via_deepcopy, sparse.csr_matrix)],
)
def test_copies_draw_the_same(copied, container, tmp_path):
    X, y = table()
    augmenter = quick().fit(container(X), y)
    # The record of every draw, before and after the copy.
    before = augmenter.sample(4)
    twin = copied(augmenter, tmp_path)
    for X_new, y_new in (twin.sample(4), augmenter.sample(4)):
        assert_same(X_new, before[0])
        assert_array_equal(y_new, before[1])
    assert_array_equal(twin.history_[0].train_loss, augmenter.history_[0].train_loss)


@pytest.mark.filterwarnings("ignore:Too few rows")
def test_a_copy_draws_from_the_fallback_too():
    X, y = table((12, 2))
    augmenter = quick(decoder="direct").fit(X, y)
    twin = pickle.loads(pickle.dumps(augmenter))
    assert_array_equal(twin.sample(4)[0], augmenter.sample(4)[0])


# --- with scikit-learn ----------------------------------------------------------------------


class Recorder(ClassifierMixin, BaseEstimator):
    """Classifier that remembers how many rows it saw."""

    fitted_on = ()
    predicted_for = ()

    def fit(self, X, y):
        type(self).fitted_on += (len(X),)
        self.classes_ = np.unique(y)
        self.X_ = X
        return self

    def predict(self, X):
        type(self).predicted_for += (len(X),)
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setattr(Recorder, "fitted_on", ())
    monkeypatch.setattr(Recorder, "predicted_for", ())
    return Recorder()


@pytest.mark.parametrize("how", ["imblearn pipeline", "meta-estimator", "scikit-learn pipeline"])
def test_only_the_training_part_is_augmented(recorder, how):
    X, y = table((20, 20))
    augmenter = quick(augmentation_factor=3)
    model = {
        "imblearn pipeline": make_pipeline(StandardScaler(), augmenter, recorder),
        "meta-estimator": AugmentedClassifier(augmenter, recorder),
        "scikit-learn pipeline": SklearnPipeline(
            [("scale", StandardScaler()), ("fit", AugmentedClassifier(augmenter, recorder))]
        ),
    }[how]
    cross_val_score(model, X, y, cv=4, error_score="raise")
    assert Recorder.fitted_on == (90,) * 4
    assert Recorder.predicted_for == (10,) * 4


def test_grid_search_over_a_pipeline():
    X, y = table((20, 14))
    pipeline = Pipeline([("aug", quick()), ("clf", LogisticRegression())])
    grid = {"aug__augmentation_factor": [1, 2.5], "aug__latent_dim": [1, 3], "clf__C": [0.1, 1]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.5
    assert search.predict(X).shape == y.shape
    assert search.best_estimator_["aug"].latent_dim in (1, 3)


def test_frame_goes_through_a_pipeline_as_one(recorder):
    X, y = mixed_frame()
    model = Pipeline([("aug", quick()), ("clf", recorder)]).fit(X, y)
    assert_series_equal(model["clf"].X_.dtypes, X.dtypes)


# --- the user's own networks and callbacks --------------------------------------------------


class ConvEncoder(nn.Module):
    """A small convolutional encoder of square images."""

    def __init__(self, n_features, latent_dim, side=8):
        super().__init__()
        self.convolution = nn.Conv2d(1, 3, kernel_size=2, stride=2)
        self.head = nn.Linear(3 * (side // 2) ** 2, 2 * latent_dim)

    def forward(self, x):
        hidden = torch.relu(self.convolution(x.unsqueeze(1))).flatten(1)
        return self.head(hidden).chunk(2, dim=-1)


class ImageDecoder(nn.Module):
    """A decoder that returns images, not rows."""

    def __init__(self, latent_dim, n_features):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, 12), nn.SiLU(), nn.Linear(12, n_features), nn.Unflatten(1, (8, 8))
        )

    def forward(self, z):
        return self.net(z)


class MatrixMetric(nn.Module):
    """A metric network that returns lower-triangular matrices."""

    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.linear = nn.Linear(n_features, latent_dim)

    def forward(self, x):
        return torch.diag_embed(nn.functional.softplus(self.linear(x.flatten(1))))


def flat_metric(n_features, latent_dim):
    return nn.Sequential(nn.Flatten(), nn.Linear(n_features, latent_dim * (latent_dim + 1) // 2))


@pytest.mark.parametrize(
    "networks",
    [
        {"encoder": ConvEncoder},
        {"encoder": ConvEncoder(64, 2), "decoder": "direct"},
        {"decoder": ImageDecoder(2, 64)},
        {"metric": LearnedMetric(network=MatrixMetric)},
        {"metric": LearnedMetric(network=flat_metric), "decoder": "direct"},
        {
            "encoder": ConvEncoder,
            "decoder": ImageDecoder,
            "metric": LearnedMetric(network=flat_metric),
        },
    ],
    ids=lambda networks: "-".join(f"{k}_{type(v).__name__}" for k, v in networks.items()),
)
def test_custom_networks_on_images(networks):
    X, y = load_digits(n_class=3, return_X_y=True)
    X, y = X[:45], y[:45]
    augmenter = quick(sample_shape=(8, 8), augmentation_factor=2, max_epochs=10, **networks)
    X_res, y_res = augmenter.fit_resample(X, y)
    assert X_res.shape == (len(y_res), 64)
    assert np.isfinite(X_res).all()
    assert X_res.min() >= 0
    assert X_res.max() <= 16
    for record in augmenter.history_.values():
        assert record.train_loss[-1] < record.train_loss[0]
    assert_array_equal(clone(augmenter).fit_resample(X, y)[0], X_res)


def test_custom_networks_on_a_table():
    X, y = table()
    augmenter = quick(
        encoder=RowEncoder, decoder=nn.Linear(2, 4), metric=LearnedMetric(network=flat_metric)
    ).fit(X, y)
    assert augmenter.sample(2)[0].shape == (6, 4)
    twin = pickle.loads(pickle.dumps(augmenter))
    assert_array_equal(twin.sample(2)[0], augmenter.sample(2)[0])


class RowEncoder(nn.Module):
    """An encoder of rows."""

    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.net = nn.Linear(n_features, 2 * latent_dim)

    def forward(self, x):
        return self.net(x).chunk(2, dim=-1)


def test_module_and_its_factory_agree_on_what_a_class_is():
    """A factory is called once a class, under the class's own stream: no two start alike."""
    made = []

    def factory(latent_dim, n_features):
        made.append(nn.Linear(latent_dim, n_features))
        return made[-1]

    X, y = table()
    quick(decoder=factory).fit(X, y)
    weights = {tuple(m.weight.detach().flatten().tolist()) for m in made}
    assert len(weights) >= 3


class Epochs(Callback):
    """Counts epochs, over all copies of the callback."""

    seen = ()

    def on_epoch_end(self, net, **kwargs):
        type(self).seen += (len(net.history),)


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("named", [False, True])
def test_callbacks_reach_through(monkeypatch, named):
    monkeypatch.setattr(Epochs, "seen", ())
    callback = ("epochs", Epochs()) if named else Epochs()
    quick(max_epochs=4, callbacks=[callback]).fit(*table())
    assert Epochs.seen in ((1, 2, 3, 4), (1, 2, 3, 1))  # in one phase, or in two


@pytest.mark.usefixtures("either_decoder")
def test_a_callback_may_stop_the_training():
    from skorch.callbacks import EarlyStopping

    callback = EarlyStopping(monitor="train_loss", patience=1, threshold=1e9, sink=lambda _: None)
    augmenter = quick(max_epochs=50, callbacks=[callback]).fit(*table())
    assert max(augmenter.n_epochs_.values()) < 50
    assert np.isfinite(augmenter.sample(2)[0]).all()


class Slow(Callback):
    """Makes an epoch long enough for the bar to be drawn again."""

    def on_epoch_end(self, net, **kwargs):
        sleep(0.15)


@pytest.mark.parametrize(
    ("decoder", "verbose", "members"),
    [("auto", 1, "1 generator:"), ("auto", 2, "1 generator:"), ("direct", 1, "3 generators:")],
)
def test_progress_bar(capsys, decoder, verbose, members):
    """Above 1, joblib's own messages ended a training with an AttributeError."""
    quick(verbose=verbose, callbacks=[Slow()], decoder=decoder).fit(*table())
    shown = capsys.readouterr()
    assert shown.out == ""
    for part in ("RHVAE", members, "0/", "1/", "epoch", "loss="):
        assert part in shown.err


@pytest.mark.parametrize("verbose", [0, False])
def test_silence(capsys, verbose):
    quick(verbose=verbose).fit(*table())
    assert capsys.readouterr() == ("", "")


# --- settings that must at least run --------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": LearnedMetric(n_leapfrog=5, leapfrog_step=0.1)},
        {"metric": LearnedMetric(beta_zero=1.0)},
        {"latent_dim": 1},
        {"latent_dim": 12},
        {"encoder": MLP((6, 5, 4))},
        {"batch_size": 1},
        {"batch_size": 10_000},
        {"metric": LearnedMetric(max_centroids=1)},
        {"metric": LearnedMetric(max_centroids=None)},
        {"sampler": HMC(step_size=0.05)},
        {"sampler": HMC(n_steps=1, n_leapfrog=1)},
        {"validation_fraction": 0.9},
        {"lr": 1e3, "max_epochs": 5},
        {"metric": LearnedMetric(temperature=1e-6)},
        {"metric": LearnedMetric(temperature=1e6)},
        {"metric": LearnedMetric(regularization=1e-10)},
        {"metric": LearnedMetric(regularization=1e6)},
        {"metric": LearnedMetric(leapfrog_step=10.0)},
        {"augmentation_factor": np.float32(1.5)},
        {"latent_dim": np.int64(2)},
    ],
    ids=str,
)
@pytest.mark.filterwarnings(
    "ignore:The Hamiltonian flow of .* does not preserve volume:UserWarning"
)
@pytest.mark.filterwarnings("ignore:The training of .* diverged:UserWarning")
def test_settings(parameters):
    X, y = table()
    augmenter = quick(**{"decoder": "direct"} | parameters)
    X_res, y_res = augmenter.fit_resample(X, y)
    assert len(X_res) == len(y_res) > len(X)
    assert np.isfinite(X_res).all()


def test_max_centroids_limits_the_origins():
    X, y = table()
    augmenter = quick(
        metric=LearnedMetric(max_centroids=3), augmentation_factor=4, decoder="direct"
    )
    augmenter.fit_resample(X, y)
    origins = augmenter.origin_indices_[len(y) :]
    assert [len(set(origins[y[origins] == k])) for k in range(3)] == [3, 3, 3]


def test_temperature_sets_how_far_new_rows_stray():
    X, y = table((30, 30))
    networks = {"sampler": HMC(n_steps=20), "max_epochs": 40, "lr": 0.01, "decoder": "direct"}

    def spread(temperature):
        augmenter = quick(
            metric=LearnedMetric(temperature=temperature), augmentation_factor=4, **networks
        )
        X_res, _ = augmenter.fit_resample(X, y)
        new = augmenter.synthetic_mask_
        groups = pd.DataFrame(X_res[new]).groupby(augmenter.origin_indices_[new])
        return groups.std().to_numpy().mean()

    assert spread(0.05) < spread(1.5)


def test_a_flow_that_does_not_preserve_volume_is_warned_of():
    """Implicit steps that did not converge were off by 3 nats, and nothing said so."""
    X, y = table((20, 12))
    match = r"of 2 of 2 generators .*n_fixed_point than 1, or .* metric__leapfrog_step than 2\.0\."
    with pytest.warns(UserWarning, match=match):
        quick(decoder="direct", metric=LearnedMetric(leapfrog_step=2.0, n_fixed_point=1)).fit(X, y)
    augmenter = quick(decoder="direct").fit(X, y)  # and not of the default: warnings are errors
    assert all(h.flow_volume_error < 0.1 for h in augmenter.history_.values())
