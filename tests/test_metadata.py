"""sample_weight and groups: through routing and pipelines, and in held-out rows."""

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from imblearn.over_sampling import RandomOverSampler
from numpy.testing import assert_array_equal
from scipy import sparse
from shared import Recorder, quick, table
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from sklearn_pyraug import AugmentedClassifier, Pipeline, RHVAEAugmenter
from sklearn_pyraug.rhvae.reference_generator import _split
from sklearn_pyraug.rhvae.training.data import split_rows


class Seeing(RHVAEAugmenter):
    """Augmenter that keeps what came with the rows."""

    def fit_resample(self, X, y, *, sample_weight=None, groups=None):
        self.seen_ = sample_weight, groups
        return super().fit_resample(X, y, sample_weight=sample_weight, groups=groups)


# Read at import: the constructor's signature is that of the class itself.
Seeing.__init__ = RHVAEAugmenter.__init__


def seeing(**parameters):
    return Seeing(**quick(**parameters).get_params(deep=False))


@pytest.fixture
def data():
    """Rows, labels, weights and the patient of each row, of two rows in a row."""
    X, y = table((24, 16), 4)
    return X, y, np.linspace(0.5, 3.0, 40), np.arange(40) // 2


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# --- routing -------------------------------------------------------------------------------------


def test_signatures():
    for method in (RHVAEAugmenter.fit, RHVAEAugmenter.fit_resample):
        parameters = inspect.signature(method).parameters
        for name in ("sample_weight", "groups"):
            assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
            assert parameters[name].default is None


@pytest.mark.usefixtures("routing")
def test_requests_can_be_set():
    augmenter = quick().set_fit_request(sample_weight=True, groups=False)
    augmenter.set_fit_resample_request(sample_weight=True, groups="patient")
    for model in (augmenter, clone(augmenter)):
        requests = model.get_metadata_routing()
        assert requests.fit.requests == {"sample_weight": True, "groups": False}
        assert requests.fit_resample.requests == {"sample_weight": True, "groups": "patient"}


def pipeline_of(augmenter):
    classifier = Recorder()
    if sklearn.get_config()["enable_metadata_routing"]:
        augmenter.set_fit_resample_request(sample_weight=True, groups=True)
        # The pipeline asks for this one, too, though it calls no sampler's `fit`.
        augmenter.set_fit_request(sample_weight=True, groups=True)
        classifier.set_fit_request(sample_weight=False)
    return Pipeline([("scale", StandardScaler()), ("augment", augmenter), ("fit", classifier)])


@pytest.mark.usefixtures("routing")
def test_pipeline(data):
    X, y, weights, patient = data
    pipeline = pipeline_of(seeing())
    pipeline["scale"].set_fit_request(sample_weight=False)
    pipeline.fit(X, y, sample_weight=weights, groups=patient)
    seen = pipeline["augment"].seen_
    assert_array_equal(seen[0], weights)
    assert_array_equal(seen[1], patient)
    scaled = StandardScaler().fit_transform(X)
    expected, _ = quick().fit_resample(scaled, y, sample_weight=weights)
    assert_array_equal(pipeline["fit"].X_, expected)


@pytest.mark.usefixtures("routing")
def test_pipeline_asks_for_a_decision(data):
    X, y, weights, _ = data
    """Weights are never dropped without a word."""
    classifier = Recorder().set_fit_request(sample_weight=False)
    for method in ("fit", "fit_resample"):
        other = {"fit": "fit_resample", "fit_resample": "fit"}[method]
        augmenter = getattr(quick(), f"set_{other}_request")(sample_weight=True)
        pipeline = Pipeline([("augment", augmenter), ("fit", classifier)])
        with pytest.raises(UnsetMetadataPassedError, match=rf"\.{method}, which .* Call `.*set_"):
            pipeline.fit(X, y, sample_weight=weights)


@pytest.mark.usefixtures("routing")
def test_cross_val_score(data):
    """Each fold's training rows come with their own weights and groups."""
    X, y, weights, patient = data
    seen = []

    def look(model, X_test, y_test):
        seen.append((*model["augment"].seen_, model["augment"].n_epochs_))
        return 0.0

    pipeline = pipeline_of(seeing())
    pipeline["scale"].set_fit_request(sample_weight=False)
    splitter = GroupKFold(4)
    params = {"sample_weight": weights, "groups": patient}
    cross_val_score(pipeline, X, y, cv=splitter, params=params, scoring=look, error_score="raise")
    folds = list(splitter.split(X, y, patient))
    assert len(seen) == len(folds)
    for (train, _), (seen_weights, seen_groups, _) in zip(folds, seen, strict=True):
        assert_array_equal(seen_weights, weights[train])
        assert_array_equal(seen_groups, patient[train])


@pytest.mark.usefixtures("routing")
def test_grid_search(data):
    X, y, weights, patient = data
    pipeline = pipeline_of(seeing())
    pipeline["scale"].set_fit_request(sample_weight=False)
    grid = {"augment__augmentation_factor": [1.5, 2.0]}
    search = GridSearchCV(
        # A scorer that takes no weights, where a pipeline's own score would ask for a decision.
        pipeline,
        grid,
        cv=GroupKFold(2),
        scoring=lambda model, X_test, y_test: np.mean(model.predict(X_test) == y_test),
        error_score="raise",
    )
    search.fit(X, y, sample_weight=weights, groups=patient)
    assert_array_equal(search.best_estimator_["augment"].seen_[0], weights)


def test_calls_without_routing(data):
    X, y, weights, patient = data
    plain = quick().fit_resample(X, y)[0]
    assert np.any(quick().fit_resample(X, y, sample_weight=weights)[0] != plain)
    assert_array_equal(quick().fit_resample(X, y, groups=patient)[0], plain)
    one = quick().fit(X, y, sample_weight=weights).sample(3)[0]
    assert np.any(one != quick().fit(X, y).sample(3)[0])
    with pytest.raises(TypeError):
        quick().fit_resample(X, y, weights)


def test_pipeline_without_routing(data):
    """imbalanced-learn's drops weights of samplers without a word."""
    X, y, weights, patient = data
    pipeline = Pipeline([("augment", seeing()), ("fit", Recorder())])
    pipeline.fit(X, y, augment__sample_weight=weights, augment__groups=patient)
    assert_array_equal(pipeline["augment"].seen_, [weights, patient])


@pytest.mark.parametrize(
    "container",
    [pd.DataFrame, sparse.csr_array, np.ndarray.tolist, lambda X: X.reshape(-1, 2, 2)],
    ids=["dataframe", "csr", "list", "images"],
)
def test_any_container(data, container):
    X, y, weights, patient = data
    weights[:5] = 0.0
    augmenter = quick(sampling_strategy={0: 30, 1: 30})
    X_res, y_res = augmenter.fit_resample(
        container(X), y, sample_weight=weights.tolist(), groups=pd.Series(patient, index=y)
    )
    assert np.shape(X_res)[0] == len(y_res) == len(augmenter.groups_) == 60
    assert np.all(augmenter.origin_indices_[40:] >= 5)


def test_one_hot_targets(data):
    """What the base class does, by hand: targets come back as they came."""
    X, y, weights, _ = data
    one_hot = np.eye(3, dtype=int)[np.arange(40) % 3]
    _, y_res = quick().fit_resample(X, one_hot, sample_weight=weights)
    assert y_res.shape[1] == 3
    assert_array_equal(y_res.sum(axis=1), 1)


# --- AugmentedClassifier ------------------------------------------------------------------------


def test_augmented_classifier_shows_the_weights(data):
    X, y, weights, _ = data
    model = AugmentedClassifier(seeing(), Recorder()).fit(X, y, sample_weight=weights)
    assert_array_equal(model.augmenter_.seen_[0], weights)
    expected, _ = quick().fit_resample(X, y, sample_weight=weights)
    assert_array_equal(model.classifier_.X_, expected)
    assert_array_equal(model.classifier_.sample_weight_[:40], weights)
    unweighted = AugmentedClassifier(seeing(), Recorder()).fit(X, y)
    assert unweighted.augmenter_.seen_ == (None, None)


def test_augmented_classifier_leaves_zeros_out_first(data):
    X, y, weights, _ = data
    weights[::4] = 0.0
    model = AugmentedClassifier(seeing(), Recorder()).fit(X, y, sample_weight=weights)
    assert_array_equal(model.augmenter_.seen_[0], weights[weights > 0])


def test_an_over_sampler_without_weights_is_shown_none(data):
    X, y, weights, _ = data
    model = AugmentedClassifier(RandomOverSampler(random_state=0), Recorder())
    model.fit(X, y, sample_weight=weights)
    assert_array_equal(model.classifier_.X_[:40], X)


@pytest.mark.usefixtures("routing")
def test_augmented_classifier_routes_into_a_pipeline(data):
    X, y, weights, _ = data
    inner = Pipeline(
        [
            ("first", "passthrough"),
            (
                "augment",
                seeing()
                .set_fit_resample_request(sample_weight=True)
                .set_fit_request(sample_weight=True),
            ),
        ]
    )
    model = AugmentedClassifier(inner, Recorder())
    model.fit(X, y, sample_weight=weights)
    assert_array_equal(model.augmenter_["augment"].seen_[0], weights)


# --- groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.8])
def test_whole_groups_are_held_out(fraction, random_seed):
    groups = torch.from_numpy(np.random.default_rng(random_seed).integers(12, size=60))
    rows = torch.arange(60.0).unsqueeze(1)
    stream = torch.Generator().manual_seed(random_seed)
    split = split_rows(rows, fraction, stream, groups=groups)
    train, valid = (groups[v.flatten().long()] for v in (split.train, split.valid))
    assert not set(train.tolist()) & set(valid.tolist())
    assert len(train) + len(valid) == 60
    # A group is taken if that brings the number closer to its share.
    largest = int(torch.bincount(groups).max())
    assert abs(len(valid) - fraction * 60) <= largest / 2 + 0.5


def test_a_single_group_is_not_split():
    rows = torch.arange(20.0).unsqueeze(1)
    for fraction in (0.3, 0.9):
        split = split_rows(rows, fraction, torch.Generator(), groups=torch.zeros(20).long())
        assert_array_equal(split.train, rows)
        assert len(split.valid) == 0


def test_references_of_held_out_rows_are_of_other_groups(random_seed):
    rows = torch.arange(60.0).unsqueeze(1)
    labels, groups = torch.arange(60) % 2, torch.arange(60) // 6
    stream = torch.Generator().manual_seed(random_seed)
    split, _, _ = _split(rows, labels, 0.3, stream, None, groups=groups)
    held_out = set(groups[split.valid.flatten().long()].tolist())
    assert held_out
    for others in (split.train, split.valid_references):
        assert not held_out & set(groups[others.flatten().long()].tolist())


@pytest.mark.parametrize("settings", [{}, {"decoder": "direct"}, {"shared": False}])
def test_groups_take_part_in_training(data, settings):
    """What is held out changes with the groups, and only where rows are held out."""
    X, y, _, patient = data
    settings = settings | {"validation_fraction": 0.3}
    one = quick(**settings).fit(X, y, groups=patient).history_[0]
    other = quick(**settings).fit(X, y).history_[0]
    assert np.isfinite(one.valid_loss).all()
    assert np.any(one.valid_loss != other.valid_loss)
    single = quick(**settings).fit(X, y, groups=np.zeros(40)).history_[0]
    assert np.isnan(single.valid_loss).all()


@pytest.mark.parametrize("labels", [int, str, object], ids=str)
def test_synthetic_rows_have_the_group_of_their_origin(data, labels):
    X, y, weights, patient = data
    patient = (
        np.array([f"p{i:02}" for i in patient], dtype=labels) if labels is not int else patient
    )
    weights[:4] = 0.0
    augmenter = quick()
    X_res, y_res = augmenter.fit_resample(X, y, sample_weight=weights, groups=patient)
    assert_array_equal(augmenter.groups_[:40], patient)
    assert_array_equal(augmenter.groups_, patient[augmenter.origin_indices_])
    for train, test in GroupKFold(3).split(X_res, y_res, augmenter.groups_):
        assert not set(augmenter.groups_[train]) & set(augmenter.groups_[test])


def test_another_call_forgets_the_groups(data):
    X, y, _, patient = data
    augmenter = quick()
    augmenter.fit_resample(X, y, groups=patient)
    augmenter.fit_resample(X, y)
    assert not hasattr(augmenter, "groups_")


def test_a_model_file_holds_no_groups(data, tmp_path):
    """Labels of groups may name patients; a pickle is whole."""
    X, y, _, _ = data
    patient = np.array([f"patient {i}" for i in range(40)])
    with sklearn.config_context(enable_metadata_routing=True):
        augmenter = quick(decoder="direct").set_fit_resample_request(groups=True)
    augmenter.fit_resample(X, y, groups=patient)
    augmenter.save(tmp_path / "model")
    assert b"patient 7" not in (tmp_path / "model").read_bytes()
    loaded = RHVAEAugmenter.load(tmp_path / "model")
    assert not hasattr(loaded, "groups_")
    assert_array_equal(loaded.sample(3)[0], augmenter.sample(3)[0])
    assert_array_equal(pickle.loads(pickle.dumps(augmenter)).groups_, augmenter.groups_)


@pytest.mark.parametrize("method", ["fit", "fit_resample"])
@pytest.mark.parametrize(
    ("groups", "match"),
    [
        (
            np.ones((40, 2)),
            r"groups has the shape \(40, 2\): pass one value for each of the 40 rows",
        ),
        ("A", r"groups has the shape \(\): pass one"),
        (np.ones(39), r"groups has the shape \(39,\): pass one"),
        (np.full(40, np.nan), r"groups holds 40 missing label\(s\)"),
        ([None, *["a"] * 39], r"groups holds 1 missing label\(s\)"),
        (pd.Series([pd.NA, *range(39)], dtype="Int64"), r"groups holds 1 missing label\(s\)"),
    ],
)
def test_refuses(data, method, groups, match):
    X, y, *_ = data
    with pytest.raises(ValueError, match=match):
        getattr(quick(), method)(X, y, groups=groups)
