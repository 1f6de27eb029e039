"""Tests of AugmentedClassifier with the over-samplers of imbalanced-learn."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn import FunctionSampler
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from imblearn.utils.estimator_checks import parametrize_with_checks as imblearn_checks
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from shared import Recorder, quick, table
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_pyraug import AugmentedClassifier
from sklearn_pyraug import make_pipeline as make_sampler

# With an augmenter that adds nothing, the checks are of the meta-estimator alone: no exemption.
ESTIMATORS = [
    AugmentedClassifier(FunctionSampler(), LogisticRegression(tol=1e-10, max_iter=1000)),
    AugmentedClassifier(FunctionSampler(), GaussianNB(), synthetic_weight=0.5),
]


# FunctionSampler takes every sparse format, also the one whose values cannot be checked.
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@imblearn_checks(ESTIMATORS)
def test_imbalanced_learn_checks(estimator, check):
    check(estimator)


class NewRowsFirst(BaseEstimator):
    """Augmenter that puts copies of the last class before the real rows, with or without a mask."""

    def __init__(self, with_mask=True):
        self.with_mask = with_mask

    def fit_resample(self, X, y):
        new = y == np.unique(y)[-1]
        if self.with_mask:
            self.synthetic_mask_ = np.arange(len(y) + new.sum()) < new.sum()
        return np.concatenate([X[new], X]), np.concatenate([y[new], y])


class Relabeller(BaseEstimator):
    """Augmenter that adds one row of a class that does not exist."""

    def fit_resample(self, X, y):
        return np.concatenate([X, X[:1]]), np.concatenate([y, [99]])


@pytest.fixture
def data():
    """80 rows of one class and 20 of the other, well apart."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [80, 20]))
    return rng.normal(size=(100, 20)) + y[:, None], y


def test_equals_augmenting_by_hand(data):
    X, y = data
    model = AugmentedClassifier(
        SMOTE(random_state=0), LogisticRegression(), prior_correction=False
    ).fit(X, y)
    expected = LogisticRegression().fit(*SMOTE(random_state=0).fit_resample(X, y))
    assert_array_equal(model.predict(X), expected.predict(X))
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(model.predict_log_proba(X), expected.predict_log_proba(X))
    assert_array_equal(model.decision_function(X), expected.decision_function(X))
    assert model.score(X, y) == expected.score(X, y)
    assert_array_equal(model.classes_, expected.classes_)
    assert model.n_features_in_ == X.shape[1]
    assert is_classifier(model)


def test_clones_what_it_is_given(data):
    augmenter, classifier = SMOTE(random_state=0), LogisticRegression()
    model = AugmentedClassifier(augmenter, classifier).fit(*data)
    assert model.augmenter is augmenter
    assert model.classifier is classifier
    assert not hasattr(classifier, "coef_")
    assert not hasattr(augmenter, "sampling_strategy_")
    assert model.augmenter_.sampling_strategy_ == {1: 60}


def test_methods_follow_the_classifier(data):
    without_proba = AugmentedClassifier(SMOTE(), LinearSVC())
    without_decision = AugmentedClassifier(SMOTE(), KNeighborsClassifier())
    for model in (without_proba, without_proba.fit(*data)):
        assert hasattr(model, "decision_function")
        assert not hasattr(model, "predict_proba")
        assert not hasattr(model, "predict_log_proba")
    for model in (without_decision, without_decision.fit(*data)):
        assert not hasattr(model, "decision_function")
        assert hasattr(model, "predict_proba")


def test_before_fit():
    model = AugmentedClassifier(SMOTE(), LogisticRegression())
    for name in ("classes_", "n_features_in_", "feature_names_in_"):
        assert not hasattr(model, name)
    with pytest.raises(NotFittedError):
        model.predict([[0.0]])


def test_score_is_the_classifiers_own(data):
    """A classifier may be scored by something else than the accuracy, as a grid search is."""
    X, y = data
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, scoring="neg_log_loss", cv=2)
    model = AugmentedClassifier(RandomOverSampler(random_state=0), search)
    with pytest.warns(UserWarning, match="classifier=GridSearchCV validates itself"):
        model.fit(X, y)
    assert model.score(X, y) == model.classifier_.score(X, y) < 0


@pytest.mark.parametrize(
    "classifier",
    [
        StackingClassifier([("a", GaussianNB())]),
        make_pipeline(CalibratedClassifierCV(GaussianNB())),
    ],
)
def test_warns_of_a_classifier_that_validates_itself_on_near_copies(data, classifier):
    # The stack has no `predict` before it is fitted.
    with pytest.warns(UserWarning, match="C.* validates itself on rows whose synthetic"):
        AugmentedClassifier(SMOTE(), classifier).fit(*data)


def test_score_passes_weights_on(data):
    X, y = data
    model = AugmentedClassifier(RandomOverSampler(random_state=0), Recorder()).fit(X, y)
    assert model.score(X, y) == np.mean(y == 0)
    assert model.score(X, y, sample_weight=y == 0) == 1.0


def test_last_step_of_a_scikit_learn_pipeline(data):
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression())
    pipeline = make_pipeline(StandardScaler(), model)
    scores = cross_val_score(pipeline, X, y, cv=3, scoring="roc_auc", error_score="raise")
    assert np.all(scores > 0.9)


def test_only_training_rows_are_augmented(data):
    """Each fold is scored on its real rows, all of them and no other."""
    X, y = data
    seen = []

    def count(model, X_test, y_test):
        seen.append((len(model.classifier_.X_), len(X_test)))
        return 0.0

    model = AugmentedClassifier(RandomOverSampler(random_state=0), Recorder())
    cross_val_score(model, X, y, cv=5, scoring=count, error_score="raise")
    assert seen == [(2 * 64, 20)] * 5


def test_nested_parameters_in_a_grid_search(data):
    X, y = data
    pipeline = make_pipeline(
        StandardScaler(), AugmentedClassifier(SMOTE(random_state=0), LogisticRegression())
    )
    grid = {
        "augmentedclassifier__augmenter__k_neighbors": [2, 3],
        "augmentedclassifier__classifier__C": [0.1, 1.0],
        "augmentedclassifier__synthetic_weight": [0.5, 1.0],
    }
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    model = search.best_estimator_[-1]
    assert model.augmenter_.k_neighbors == model.augmenter.k_neighbors


@pytest.mark.parametrize("with_mask", [True, False], ids=["mask", "first rows"])
def test_new_rows_get_the_mean_weight_of_their_class(data, with_mask):
    X, y = data
    weight = np.linspace(0.5, 3.0, len(y))
    augmenter = NewRowsFirst() if with_mask else RandomOverSampler(random_state=0)
    model = AugmentedClassifier(augmenter, Recorder(), synthetic_weight=0.25)
    fitted = model.fit(X, y, sample_weight=weight).classifier_
    new = np.arange(len(fitted.y_)) < 20 if with_mask else np.arange(len(fitted.y_)) >= 100
    assert_array_equal(fitted.sample_weight_[~new], weight)
    assert_allclose(fitted.sample_weight_[new], 0.25 * weight[y == 1].mean())
    assert_array_equal(fitted.y_[new], 1)


def test_synthetic_weight_without_sample_weight(data):
    model = AugmentedClassifier(SMOTE(random_state=0), Recorder(), synthetic_weight=0.5)
    assert_array_equal(model.fit(*data).classifier_.sample_weight_, [1.0] * 100 + [0.5] * 60)


def test_no_weights_unless_asked_for(data):
    """A classifier that takes no weights must work with the defaults."""
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), Recorder()).fit(X, y)
    assert model.classifier_.sample_weight_ is None
    AugmentedClassifier(SMOTE(random_state=0), KNeighborsClassifier()).fit(X, y)


def test_a_small_weight_lets_the_new_rows_vanish(data):
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), GaussianNB(), synthetic_weight=1e-9)
    expected = GaussianNB().fit(X, y)
    assert_allclose(model.fit(X, y).predict_proba(X), expected.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    "container",
    [np.asarray, pd.DataFrame, sparse.csr_array, sparse.coo_array, np.ndarray.tolist],
    ids=["array", "dataframe", "csr", "coo", "list"],
)
def test_rows_of_weight_zero_are_as_if_absent(data, container):
    X, y = data
    weight = np.tile([0.0, 1.0, 2.0, 0.0], 25)
    kept = weight > 0
    model = AugmentedClassifier(RandomOverSampler(random_state=0), LogisticRegression())
    some = clone(model).fit(X[kept], y[kept], sample_weight=weight[kept])
    everything = clone(model).fit(container(X), y, sample_weight=weight)
    assert_allclose(everything.decision_function(X), some.decision_function(X), rtol=1e-6)


def test_single_class_is_left_to_the_classifier(data):
    X, _ = data
    y = np.full(len(X), "only")
    model = AugmentedClassifier(SMOTE(), DecisionTreeClassifier()).fit(X, y)
    assert_array_equal(model.predict(X), y)
    with pytest.raises(ValueError, match="class"):
        AugmentedClassifier(SMOTE(), LogisticRegression()).fit(X, y)


@pytest.mark.parametrize("dtype", [object, str, "category", bool], ids=str)
def test_labels_of_any_kind(data, dtype):
    X, y = data
    labels = pd.Series(np.where(y == 1, "rare", "common"))
    labels = labels == "rare" if dtype is bool else labels.astype(dtype)
    model = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression(), synthetic_weight=0.5)
    model.fit(X, labels)
    assert_array_equal(model.classes_, np.unique(np.asarray(labels)))
    assert np.mean(model.predict(X) == np.asarray(labels)) > 0.9


def test_dataframe_reaches_the_classifier_as_one(data):
    X, y = data
    X = pd.DataFrame(X).add_prefix("column_")
    model = AugmentedClassifier(SMOTE(random_state=0), Recorder()).fit(X, y)
    assert list(model.classifier_.X_.columns) == list(X.columns)
    model = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression()).fit(X, y)
    assert list(model.feature_names_in_) == list(X.columns)


def test_refit_forgets_the_names_of_the_columns(data):
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression())
    model.fit(pd.DataFrame(X).add_prefix("column_"), y).fit(X[:, :3], y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 3


def test_images_reach_an_augmenter_that_takes_them(data):
    """X is not forced into two dimensions: the two inner objects say what it may be."""
    X, y = data
    images = X.reshape(100, 4, 5)
    model = AugmentedClassifier(NewRowsFirst(), Recorder()).fit(images, y)
    assert model.classifier_.X_.shape == (120, 4, 5)
    assert not hasattr(model, "n_features_in_")


def test_pickle(data):
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression()).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))


def test_tags_are_those_of_both():
    def tags(augmenter, classifier):
        return get_tags(AugmentedClassifier(augmenter, classifier))

    # The oldest scikit-learn supported does not yet tag the classifiers that take sparse rows.
    sparse_classifier = KNeighborsClassifier()
    expected = get_tags(sparse_classifier).input_tags.sparse
    assert tags(SMOTE(), sparse_classifier).input_tags.sparse == expected
    assert not tags(SMOTE(), GaussianNB()).input_tags.sparse
    assert not tags(NewRowsFirst(), sparse_classifier).input_tags.sparse
    assert not tags(SMOTE(), DecisionTreeClassifier()).input_tags.allow_nan
    assert tags(RandomOverSampler(), DecisionTreeClassifier()).input_tags.allow_nan
    assert not tags(SMOTE(), LogisticRegression()).classifier_tags.multi_label
    # A construction that `fit` will refuse still has tags, so that it can be shown.
    assert tags(None, None).estimator_type == "classifier"


@pytest.mark.parametrize(
    ("augmenter", "classifier", "match"),
    [
        (StandardScaler(), LogisticRegression(), r"'augmenter' parameter.*'fit_resample'"),
        (None, LogisticRegression(), r"'augmenter' parameter.*Got None"),
        (SMOTE(), StandardScaler(), r"classifier must be.*got StandardScaler\(\): pass an"),
        (SMOTE(), LinearRegression(), r"classifier must be.*got LinearRegression\(\): pass an"),
    ],
)
def test_refuses_what_is_no_augmenter_or_no_classifier(data, augmenter, classifier, match):
    # scikit-learn's InvalidParameterError, raised for the first two, is also a TypeError.
    with pytest.raises(TypeError, match=match):
        AugmentedClassifier(augmenter, classifier).fit(*data)


def three_gaussians(n, shares, seed):
    """Return rows of three Gaussian classes, their labels and the true class probabilities."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n, p=shares)
    centres = 1.5 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    X = rng.normal(size=(n, 2)) + centres[y]
    density = np.exp(-0.5 * ((X[:, None] - centres) ** 2).sum(axis=2)) * shares
    return X, y, density / density.sum(axis=1, keepdims=True)


def test_probabilities_are_the_true_ones():
    """Three Gaussian classes and a classifier that is right about them: the truth is known."""
    shares = np.array([0.8, 0.15, 0.05])
    X, y, _ = three_gaussians(20_000, shares, seed=0)
    model = AugmentedClassifier(RandomOverSampler(random_state=0), LogisticRegression(C=100.0))
    model.fit(X, y)
    X, y, truth = three_gaussians(2_000, shares, seed=1)
    proba = model.predict_proba(X)
    assert np.mean(abs(proba - truth)) < 0.01
    assert np.mean(abs(model.classifier_.predict_proba(X) - truth)) > 0.1
    assert_allclose(proba.sum(axis=1), 1.0)
    assert_allclose(model.predict_log_proba(X), np.log(proba))
    assert_allclose(model.class_prior_, shares, atol=0.01)
    # The decision is that of balanced classes.
    assert_array_equal(model.predict(X), model.classifier_.predict(X))
    assert_array_equal(model.predict(X), np.argmax(proba / model.class_prior_, axis=1))
    assert np.mean(np.argmax(proba, axis=1) == 2) < 0.05 < np.mean(model.predict(X) == 2)


def test_correction_by_the_formula(data):
    """Log odds move by the log ratio of the shares, here 1 to 4 before and 1 to 1 after."""
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression()).fit(X, y)
    assert_array_equal(model.class_prior_, [0.8, 0.2])
    assert_array_equal(model.augmented_prior_, [0.5, 0.5])
    own, corrected = model.classifier_.predict_log_proba(X), model.predict_log_proba(X)
    assert_allclose(np.diff(corrected), np.diff(own) - np.log(4))
    assert_array_equal(model.decision_function(X), model.classifier_.decision_function(X))


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")  # the tree's own
def test_certain_probabilities_stay(data):
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), DecisionTreeClassifier()).fit(X, y)
    assert_array_equal(model.predict_proba(X), np.eye(2)[y])
    assert_array_equal(np.exp(model.predict_log_proba(X)), np.eye(2)[y])


def test_nothing_is_corrected_where_shares_stay(data):
    X, y = data
    for augmenter in (FunctionSampler(), RandomOverSampler(sampling_strategy={0: 80, 1: 20})):
        model = AugmentedClassifier(augmenter, GaussianNB()).fit(X, y)
        assert_array_equal(model.predict_proba(X), model.classifier_.predict_proba(X))


def test_probabilities_keep_their_precision(data):
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression())
    model.fit(X.astype(np.float32), y)
    rows = X.astype(np.float32)
    assert model.predict_proba(rows).dtype == model.classifier_.predict_proba(rows).dtype


@pytest.mark.parametrize("synthetic_weight", ["prevalence", "balanced"])
def test_weights_that_fix_the_shares(data, synthetic_weight):
    """Each class weighs what it should, and new rows as much as the real ones of their class."""
    X, y = data
    augmenter = RandomOverSampler(sampling_strategy=0.75, random_state=0)
    model = AugmentedClassifier(augmenter, Recorder(), synthetic_weight=synthetic_weight)
    weight = np.where(y == 1, 3.0, 1.0)
    for given in (None, weight):
        model.fit(X, y, sample_weight=given)
        seen = model.classifier_.sample_weight_
        labels = model.classifier_.y_
        totals = np.bincount(labels, weights=seen)
        if synthetic_weight == "prevalence":
            assert_allclose(totals, np.bincount(y, weights=given))
            assert_allclose(model.class_prior_, [0.8, 0.2] if given is None else [4 / 7, 3 / 7])
            assert_allclose(model.class_prior_, model.augmented_prior_)
        else:
            assert_allclose(totals / totals.sum(), [0.5, 0.5])
            assert_allclose(model.augmented_prior_, [0.5, 0.5])
        for label in (0, 1):
            assert_allclose(seen[labels == label], seen[labels == label][0])


def test_tuned_thresholds_see_the_corrected_probabilities(data):
    X, y = data
    model = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression())
    fixed = FixedThresholdClassifier(model, threshold=0.3, response_method="predict_proba")
    fixed.fit(X, y)
    expected = fixed.estimator_.predict_proba(X)[:, 1] >= 0.3
    assert_array_equal(fixed.predict(X), expected)
    tuned = TunedThresholdClassifierCV(model, random_state=0).fit(X, y)
    assert np.mean(tuned.predict(X) == y) > 0.9


@pytest.mark.parametrize("value", [0.0, -1.0, "half", None])
def test_refuses_synthetic_weight(data, value):
    model = AugmentedClassifier(SMOTE(), LogisticRegression(), synthetic_weight=value)
    with pytest.raises(ValueError, match="'synthetic_weight' parameter"):
        model.fit(*data)


@pytest.mark.parametrize(
    "classifier", [KNeighborsClassifier(), make_pipeline(KNeighborsClassifier())]
)
def test_refuses_weights_that_the_classifier_cannot_take(data, classifier):
    X, y = data
    with pytest.raises(ValueError, match=r"^synthetic_weight was given, but classifier=.*: leave"):
        AugmentedClassifier(SMOTE(), classifier, synthetic_weight=0.5).fit(X, y)
    with pytest.raises(ValueError, match=r"^sample_weight was given, but classifier=.*: leave"):
        AugmentedClassifier(SMOTE(), classifier).fit(X, y, sample_weight=np.ones(100))


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        (np.ones((100, 2)), r"has the shape \(100, 2\): pass one value for each of the rows"),
        (np.full(100, -2.0), r"negative, got 100 negative values: give weight zero"),
        (np.zeros(100), r"at least one positive weight, got only zeros: give"),
        (np.ones(99), r"inconsistent numbers of samples"),
        (np.full(100, np.nan), r"sample_weight contains NaN"),
    ],
)
def test_refuses_sample_weight(data, weight, match):
    with pytest.raises(ValueError, match=match):
        AugmentedClassifier(SMOTE(), LogisticRegression()).fit(*data, sample_weight=weight)


@pytest.mark.parametrize(
    ("augmenter", "match"),
    [
        (RandomUnderSampler(), r"augmenter=RandomUnderSampler did not return the 100 rows.*: use"),
        (NewRowsFirst(with_mask=False), r"augmenter=NewRowsFirst did not return the 100 rows"),
        (Relabeller(), r"augmenter=Relabeller returned rows with the labels \[99\].*: use"),
        (
            make_sampler("passthrough", StandardScaler(), SMOTE()),
            "augmenter=Pipeline transforms rows in its step 'standardscaler', but predict",
        ),
    ],
)
def test_refuses_an_augmenter_that_loses_the_real_rows(data, augmenter, match):
    """The classifier was fitted on scaled rows, and predicted rows that were not."""
    with pytest.raises(ValueError, match=match):
        AugmentedClassifier(augmenter, LogisticRegression()).fit(*data)


@pytest.mark.parametrize("make", [np.asarray, np.ma.array, lambda Y: pd.DataFrame(Y, dtype="Int8")])
def test_refuses_one_hot_targets(data, make):
    """Labels of masked and of nullable columns were called no label type."""
    X, y = data
    with pytest.raises(ValueError, match=r"not supported\. y has 2 columns\. Pass one column"):
        AugmentedClassifier(SMOTE(), LogisticRegression()).fit(X, make(np.column_stack([y, 1 - y])))


def test_metadata_routing(data):
    """The meta-estimator consumes the weights, and routes them into a pipeline inside itself."""
    X, y = data
    weight = np.linspace(0.5, 3.0, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        inner = make_pipeline(StandardScaler(), Recorder().set_fit_request(sample_weight=True))
        inner[0].set_fit_request(sample_weight=False)
        model = AugmentedClassifier(SMOTE(random_state=0), inner)
        outer = make_pipeline(model.set_fit_request(sample_weight=True))
        outer.fit(X, y, sample_weight=weight)
        seen = outer[-1].classifier_[-1].sample_weight_
        assert_array_equal(seen[:100], weight)
        assert_allclose(seen[100:], weight[y == 1].mean())

        unrouted = make_pipeline(Perceptron().set_fit_request(sample_weight=False))
        with pytest.raises(ValueError, match="takes no sample_weight"):
            AugmentedClassifier(SMOTE(), unrouted).fit(X, y, sample_weight=weight)


def test_masked_values_are_missing():
    """The classifier read what lies beneath a mask, such as -9999."""
    X, y = table((24, 16))
    mask = np.random.default_rng(0).random(X.shape) < 0.2
    masked, gaps = np.ma.array(np.where(mask, -9999, X), mask=mask), np.where(mask, np.nan, X)
    model = AugmentedClassifier(quick(missing="keep"), DecisionTreeClassifier(random_state=0))
    of_masked, of_gaps = (clone(model).fit(rows, y) for rows in (masked, gaps))
    assert_array_equal(of_masked.predict_proba(masked), of_gaps.predict_proba(gaps))
    assert of_masked.score(masked, y) == of_gaps.score(gaps, y)
