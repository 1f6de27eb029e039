"""Tests of augmentation_gain, with the samplers of imbalanced-learn and classifiers that record."""

import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from imblearn import FunctionSampler
from imblearn.over_sampling import ADASYN, SMOTE, SMOTEN, SMOTENC, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from shared import arrays, quick, table
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    cross_val_score,
    cross_validate,
)
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_pyraug import (
    AugmentationGain,
    AugmentedClassifier,
    AugmentedClassifierCV,
    augmentation_gain,
)
from sklearn_pyraug._classifier import samplers as _samplers
from sklearn_pyraug._classifier.paired import NOTHING
from sklearn_pyraug._evaluation.gain import find_methods
from sklearn_pyraug._evaluation.gain_result import corrected_interval

FITTED, TESTED = [], []


class Recorder(ClassifierMixin, BaseEstimator):
    """Classifier that keeps, for the whole module, the rows it was fitted on and asked about."""

    def fit(self, X, y):
        FITTED.append(X)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        TESTED.append(X)
        return np.full(len(X), self.classes_[0])


class Doubler(BaseEstimator):
    """Augmenter that adds the rows it was given, with 1000 added to tell them from the real."""

    def fit_resample(self, X, y):
        return np.concatenate([X, X + 1000]), np.concatenate([y, y])


class Flipper(BaseEstimator):
    """Augmenter that hurts: it adds every row five times over with another row's label."""

    def fit_resample(self, X, y):
        return np.concatenate([X, *5 * [X]]), np.concatenate([y, *5 * [1 - y]])


class Broken(BaseEstimator):
    """Augmenter that cannot be fitted."""

    def fit_resample(self, X, y):
        raise ZeroDivisionError


class Fails(ClassifierMixin, BaseEstimator):
    """Classifier that cannot be fitted on more than 100 rows."""

    def fit(self, X, y):
        if len(X) > 100:
            raise ZeroDivisionError("too many rows")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def data():
    """90 rows of one class and 30 of the other, which overlap."""
    return make_classification(120, weights=[0.75], class_sep=0.7, flip_y=0, random_state=0)


@pytest.fixture
def recorded():
    """The lists that Recorder fills, emptied."""
    FITTED.clear()
    TESTED.clear()
    return FITTED, TESTED


def methods_of(estimator, augmenter=None, samplers=None, X=None, preprocessor="auto", seed=0):
    """Return the models that would be measured, by name."""
    X = np.eye(4) if X is None else X
    y, train = np.array([0, 1, 0, 1]), np.arange(4)
    chosen = {"augmenter": augmenter, "samplers": samplers, "preprocessor": preprocessor}
    models, *_ = find_methods(estimator, X, y, train, **chosen, seed=seed)
    return {name: method.model for name, method in models.items()}


def result_of(differences, scoring="balanced_accuracy", level=0.8, **others):
    """Return a result with the given differences, at a level without augmentation."""
    differences = np.asarray(differences, dtype=float)
    n_train, n_test = np.full(len(differences), 80), np.full(len(differences), 20)
    return AugmentationGain(
        gain=differences.mean(),
        interval=corrected_interval(differences, n_train, n_test, 0.95),
        scores_with=level + differences,
        scores_without=np.full(len(differences), level),
        differences=differences,
        n_train=n_train,
        n_test=n_test,
        scoring=scoring,
        confidence_level=0.95,
        **({"seconds_with": 1.0, "seconds_without": 0.1} | others),
    )


# The interval


def test_interval_by_hand():
    """d = 1, 2, 3, 6 have mean 3 and variance 14/3; tables of Student's t give 3.1824 for 3 dof."""
    low, high = corrected_interval(
        np.array([1.0, 2.0, 3.0, 6.0]), np.full(4, 80), np.full(4, 20), 0.95
    )
    half_width = 3.1824 * np.sqrt((1 / 4 + 20 / 80) * 14 / 3)
    assert_allclose([low, high], [3 - half_width, 3 + half_width], rtol=1e-4)


def test_interval_without_test_rows_is_students():
    """With n_test = 0 the correction vanishes and scipy's own interval of a mean is left."""
    d = np.random.default_rng(0).normal(size=12)
    expected = stats.t.interval(0.9, 11, loc=d.mean(), scale=stats.sem(d))
    assert_allclose(corrected_interval(d, np.full(12, 50), np.zeros(12), 0.9), expected)


def test_interval_of_equal_differences_has_no_width():
    """Ten times 0.1 has a mean and a variance that are off by a rounding error."""
    assert corrected_interval(np.full(10, 0.1), np.full(10, 8), np.full(10, 2), 0.95) == (0.1, 0.1)


def test_interval_covers_the_truth_under_its_own_model(random_seed):
    """Differences with the correlation n_test / (n_train + n_test) that the correction assumes."""
    rng = np.random.default_rng(random_seed)
    n_draws, rho = 2000, 0.2
    shared, own = rng.normal(size=(n_draws, 1)), rng.normal(size=(n_draws, 10))
    draws = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
    ends = np.array([corrected_interval(d, np.full(10, 80), np.full(10, 20), 0.9) for d in draws])
    covered = np.mean((ends[:, 0] < 0) & (ends[:, 1] > 0))
    # 5 standard errors of a share of 0.9 in 2000 draws.
    assert abs(covered - 0.9) < 5 * np.sqrt(0.9 * 0.1 / n_draws)


# What is compared


def test_scores_are_those_of_cross_validation(data):
    X, y = data
    augmented = make_sampling_pipeline(
        StandardScaler(), RandomOverSampler(random_state=0), GaussianNB()
    )
    result = augmentation_gain(augmented, X, y, scoring="roc_auc", random_state=3)
    cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=3)
    plain = make_pipeline(StandardScaler(), GaussianNB())
    expected = [
        cross_validate(model, X, y, cv=cv, scoring="roc_auc")["test_score"]
        for model in (augmented, plain)
    ]
    assert_array_equal([result.scores_with, result.scores_without], expected)
    assert_array_equal(result.differences, expected[0] - expected[1])
    assert result.gain == result.differences.mean()
    assert result.interval == corrected_interval(
        result.differences, np.full(10, 96), np.full(10, 24), 0.95
    )
    assert_array_equal([result.n_train, result.n_test], [[96] * 10, [24] * 10])
    assert result.scoring == "roc_auc"
    assert result.confidence_level == 0.95
    assert result.seconds_with > 0
    assert result.seconds_without > 0


def test_all_ways_to_say_the_same_give_the_same(data):
    X, y = data
    sampler, bayes = RandomOverSampler(random_state=0), GaussianNB()
    scaler, nested = StandardScaler(), AugmentedClassifier(sampler, bayes)
    results = [
        augmentation_gain(make_sampling_pipeline(scaler, sampler, bayes), X, y, random_state=0),
        augmentation_gain(make_pipeline(scaler, nested), X, y, random_state=0),
        augmentation_gain(
            make_pipeline(scaler, make_sampling_pipeline(sampler, bayes)), X, y, random_state=0
        ),
    ]
    for result in results[1:]:
        assert_array_equal(result.scores_with, results[0].scores_with)
        assert_array_equal(result.scores_without, results[0].scores_without)
    assert results[0].differences.any()


def test_a_plain_classifier_is_augmented(data):
    X, y = data
    sampler, bayes = RandomOverSampler(random_state=0), GaussianNB()
    given = augmentation_gain(bayes, X, y, augmenter=sampler, random_state=0)
    wrapped = augmentation_gain(AugmentedClassifier(sampler, bayes), X, y, random_state=0)
    assert_array_equal(given.scores_with, wrapped.scores_with)
    assert_array_equal(given.scores_without, wrapped.scores_without)
    assert not hasattr(bayes, "theta_")
    assert not hasattr(sampler, "sampling_strategy_")


@pytest.mark.parametrize("classifier", [Fails(), AugmentedClassifier(SMOTE(), Fails())])
def test_augmented_classifiers_are_opened(classifier):
    estimator = AugmentedClassifier(SMOTE(), classifier)
    models = methods_of(estimator)
    assert list(models) == [NOTHING, "SMOTE"]
    assert models["SMOTE"] is estimator
    assert type(models[NOTHING]) is Fails


def test_every_sampler_of_a_pipeline_is_passed_over():
    pipeline = make_sampling_pipeline(
        StandardScaler(), RandomOverSampler(), SMOTE(), AugmentedClassifier(SMOTE(), Recorder())
    )
    before = list(pipeline.steps)
    plain = methods_of(pipeline)[NOTHING]
    assert [type(step) for _, step in plain.steps] == [StandardScaler, str, str, Recorder]
    assert plain.named_steps["smote"] == "passthrough"
    assert type(plain) is type(pipeline)
    assert pipeline.steps == before


def test_the_default_augmenter_is_the_packages_own():
    classifier = Recorder()
    models = methods_of(classifier, seed=7)
    augmented = models["RHVAEAugmenter"]
    assert isinstance(augmented, AugmentedClassifier)
    assert augmented.augmenter.random_state == 7
    assert augmented.augmenter.missing == "error"
    assert augmented.classifier is models[NOTHING] is classifier
    gaps = np.array([[1.0, np.nan], [1, 2], [1, 2], [1, 2]])
    assert methods_of(classifier, X=gaps)["RHVAEAugmenter"].augmenter.missing == "keep"


# Which samplers, and how rows are prepared for the classifier


@pytest.fixture
def clinic():
    """A raw table: numbers, booleans, text and categories, some values missing, and labels."""
    rng = np.random.default_rng(0)
    y = np.repeat(["ill", "well"], [16, 32])
    X = pd.DataFrame(
        {
            "age": rng.normal(50, 10, 48) + 10 * (y == "ill"),
            "visits": pd.array(rng.integers(0, 9, 48), dtype="Int64"),
            "smokes": rng.random(48) < 0.5,
            "sex": rng.choice(["f", "m"], 48).astype(object),
            "ward": pd.Categorical(rng.choice(list("ABC"), 48)),
        }
    )
    X.loc[::7, "age"], X.loc[5, "visits"], X.loc[::9, "sex"], X.loc[::11, "ward"] = 4 * [None]
    return X, y


def test_methods_stand_side_by_side(clinic):
    X, y = clinic
    settings = {"cv": 2, "n_repeats": 1, "random_state": 0}
    result = augmentation_gain(
        LogisticRegression(),
        X,
        y,
        augmenter=quick(missing="keep"),
        samplers={"ADASYN": ADASYN(random_state=0)},
        **settings,
    )
    names = ["random over-sampling", "SMOTE", "ADASYN", "RHVAEAugmenter"]
    assert list(result.methods) == names
    assert result.left_out == {}
    for name, method in result.methods.items():
        assert method.name == name
        assert_array_equal(method.scores_without, result.scores_without)
        assert_allclose(method.gain, np.mean(method.scores_with - method.scores_without))
    alone = augmentation_gain(
        LogisticRegression(), X, y, augmenter=quick(missing="keep"), samplers=None, **settings
    )
    assert_array_equal(alone.scores_with, result.scores_with)
    assert alone.others == {}
    lines = str(result).splitlines()
    assert lines[0].startswith("RHVAEAugmenter changed balanced accuracy")
    assert [line.split("  ")[0] for line in lines[3:8]] == [NOTHING, *names]
    assert "3 columns of numbers filled and standardised, 2 columns of categories" in " ".join(
        lines
    )
    assert max(map(len, lines[1:])) <= 80
    assert list(result.to_frame()["method"]) == [NOTHING, *names]
    clone(result.preprocessor).fit(X)


def test_arrays_of_objects_are_raw_tables_too(clinic):
    X, y = clinic
    rows = X.assign(visits=1.0)[["age", "visits", "sex"]].astype(object).to_numpy()
    result = augmentation_gain(LogisticRegression(), rows, y, augmenter=FunctionSampler(), cv=2)
    assert result.left_out == {}
    assert "1 column of categories" in result.preparation


def noted(seen, kind):
    """Return a `fit_resample` that records its class."""

    def fit_resample(self, X, y):
        seen.append(kind)
        return kind.fit_resample(self, X, y)

    return fit_resample


@pytest.mark.parametrize("kind", ["numbers", "categories", "both"])
def test_smote_is_of_the_kind_of_the_columns(kind, clinic, monkeypatch):
    """SMOTENC sees categories as such, and no method invents a category between two."""
    X, y = clinic
    columns = {"numbers": ["age"], "categories": ["sex", "ward"], "both": ["age", "ward"]}[kind]
    seen = []
    for kinds in (SMOTE, SMOTEN, SMOTENC):
        monkeypatch.setattr(
            _samplers,
            kinds.__name__,
            type(kinds.__name__, (kinds,), {"fit_resample": noted(seen, kinds)}),
        )
    result = augmentation_gain(
        Recorder(), X[columns], y, augmenter=FunctionSampler(validate=False), cv=2, n_repeats=1
    )
    assert result.left_out == {}
    expected = {"numbers": SMOTE, "categories": SMOTEN, "both": SMOTENC}[kind]
    assert seen == 2 * [expected]


@pytest.mark.parametrize("kind", ["raw table", "image"])
def test_the_output_set_for_transformers_changes_nothing(kind, clinic):
    """With ``transform_output="pandas"`` the prepared columns did not fit together."""
    X, y = clinic if kind == "raw table" else arrays((5, 5))
    scores = []
    for output in ("default", "pandas"):
        with config_context(transform_output=output):
            result = augmentation_gain(
                GaussianNB(), X, y, augmenter=FunctionSampler(validate=False), cv=2, random_state=0
            )
        scores.append(result.others["SMOTE"].scores_with)
    assert_array_equal(*scores)


@pytest.mark.parametrize("columns", [["a", "b", "c"], ["b"]])
def test_sparse_columns_of_dataframes_are_prepared(columns, data):
    """They could not be standardised."""
    X, y = data
    frame = pd.DataFrame(X[:, :3], columns=list("abc"))
    settings = {"augmenter": FunctionSampler(validate=False), "cv": 2, "random_state": 0}
    scores = [
        augmentation_gain(GaussianNB(), rows, y, **settings).others["SMOTE"].scores_with
        for rows in (frame, frame.astype(dict.fromkeys(columns, pd.SparseDtype(float, 0.0))))
    ]
    assert_array_equal(*scores)


def test_tables_of_pyarrow_are_prepared(clinic):
    """An error of scikit-learn showed their first rows."""
    pytest.importorskip("sklearn", "1.9")  # earlier ones select no columns of such tables
    X, y = clinic
    views = getattr(pa, "string_view", pa.string)()
    arrow = pa.Table.from_pandas(X).append_column("view", pa.array(X["ward"], views))
    settings = {"cv": 2, "n_repeats": 1, "random_state": 0, "samplers": None}
    scores = [
        augmentation_gain(
            LogisticRegression(), rows, y, augmenter=quick(missing="keep"), **settings
        ).scores_with
        for rows in (X.assign(view=X["ward"].astype(object)), arrow)
    ]
    assert_array_equal(*scores)


def test_small_classes_have_fewer_neighbours(recorded):
    X, y = np.arange(24.0)[:, None], np.repeat([0, 1, 2], [18, 4, 2])
    result = augmentation_gain(Recorder(), X, y, augmenter=Doubler(), cv=2, n_repeats=1)
    assert result.left_out == {}
    assert list(result.others) == ["random over-sampling", "SMOTE"]


def test_classes_grow_alike_by_all_methods(recorded):
    X, y = table((20, 12))
    augmentation_gain(Recorder(), X, y, augmenter=quick(), cv=2, n_repeats=1, random_state=0)
    assert [len(rows) for rows in recorded[0]] == 2 * [16] + 6 * [40]


def test_a_sampler_for_comparison_that_fails_is_left_out_by_name(data):
    X, y = data
    result = augmentation_gain(
        GaussianNB(), X.astype(complex).real, y, augmenter=FunctionSampler(), cv=2, n_repeats=1
    )
    assert result.left_out == {}
    with pytest.raises(ZeroDivisionError) as error:
        augmentation_gain(GaussianNB(), X, y, samplers={"mine": Broken()}, cv=2)
    assert error.value.__notes__ == ["augmentation_gain: in a fit with 'mine'."]
    result = augmentation_gain(Fails(), X, y, augmenter=FunctionSampler(), n_repeats=1)
    assert result.left_out == {
        "random over-sampling": "ZeroDivisionError in a fit",
        "SMOTE": "ZeroDivisionError in a fit",
    }
    assert "SMOTE was left out: ZeroDivisionError in a fit." in str(result)


def test_a_pipeline_that_takes_the_rows_is_left_as_it_is(clinic):
    X, _ = clinic
    X, encoder = X[["sex", "ward"]].iloc[:4], OneHotEncoder(handle_unknown="ignore")
    copes = make_pipeline(encoder, Recorder())
    assert methods_of(copes, X=X)[NOTHING] is copes
    search = GridSearchCV(make_pipeline(encoder, GaussianNB()), {})
    assert methods_of(search, X=X)[NOTHING] is not search  # GaussianNB takes no sparse rows
    fails = make_pipeline(StandardScaler(), Recorder())
    assert methods_of(fails, X=X)[NOTHING].steps[-1][1] is fails
    assert methods_of(Recorder(), X=np.eye(4))[NOTHING].get_params() == {}
    given = methods_of(Recorder(), X=np.eye(4), preprocessor=StandardScaler())[NOTHING]
    assert isinstance(given.steps[0][1], StandardScaler)
    assert methods_of(Recorder(), X=X, preprocessor=None)[NOTHING].get_params() == {}


def test_smote_sees_what_the_last_step_sees():
    models = methods_of(make_pipeline(StandardScaler(), Recorder()), samplers="auto")
    (_, scaler), (_, last) = models["SMOTE"].steps
    kinds = [type(step).__name__ for step in (scaler, last.augmenter, last.classifier)]
    assert kinds == ["StandardScaler", "Smote", "Recorder"]


def test_a_grid_search_is_a_classifier(clinic):
    X, y = clinic
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
    result = augmentation_gain(
        search, X, y, augmenter=quick(missing="keep"), cv=2, n_repeats=1, random_state=0
    )
    assert result.left_out == {}
    assert np.isfinite(result.interval).all()


@pytest.mark.parametrize("piped", [False, True])
def test_a_grid_search_augments_in_its_own_folds(piped, data):
    """It was tested on copies of its training rows, and chose a single neighbour."""
    sampler, neighbors, cv = RandomOverSampler(random_state=0), KNeighborsClassifier(), KFold(3)
    search = GridSearchCV(neighbors, {"n_neighbors": [1, 15]}, cv=cv)
    model, inner, prefix = search, neighbors, "classifier__"
    if piped:
        model, inner = (make_pipeline(StandardScaler(), last) for last in (search, neighbors))
        inner.steps[-1] = ("gridsearchcv", neighbors)
        prefix = "classifier__gridsearchcv__"
    result = augmentation_gain(model, *data, augmenter=sampler, samplers=None, cv=cv)
    by_hand = GridSearchCV(
        AugmentedClassifier(sampler, inner), {f"{prefix}n_neighbors": [1, 15]}, cv=cv
    )
    expected = cross_val_score(by_hand, *data, cv=cv, scoring="balanced_accuracy")
    assert_array_equal(result.scores_with, expected)


@pytest.mark.parametrize("container", [np.asarray, list])
def test_images_are_flattened_for_the_classifier(container):
    X, y = arrays((5, 5), n=24)
    settings = {"augmenter": quick(), "cv": 2, "n_repeats": 1}
    result = augmentation_gain(LogisticRegression(), container(X), y, **settings)
    assert result.left_out == {}
    assert "pixels are flattened" in result.preparation
    with pytest.raises(ValueError, match="different shapes.*Resize them"):
        augmentation_gain(LogisticRegression(), [X[0, :4], *X[1:]], y, **settings)


def test_missing_pixels_are_filled_for_the_classifier():
    X, y = arrays((5, 5), n=24)
    X[:, :2] = np.nan
    settings = {"cv": 2, "n_repeats": 1, "samplers": None, "random_state": 0}
    sampler = quick(missing="keep")
    result = augmentation_gain(LogisticRegression(), X, y, augmenter=sampler, **settings)
    assert "missing ones filled by 0" in result.preparation
    filled = np.nan_to_num(X, nan=0)
    expected = augmentation_gain(LogisticRegression(), filled, y, augmenter=quick(), **settings)
    assert_array_equal(result.scores_without, expected.scores_without)


def test_progress_is_shown_where_asked_for(data, capsys):
    for verbose in (0, 1):
        augmentation_gain(Recorder(), *data, augmenter=Doubler(), cv=2, verbose=verbose)
        assert ("fit" in capsys.readouterr().err) == bool(verbose)


def test_with_the_packages_own_augmenter():
    X, y = table((20, 12))
    result = augmentation_gain(GaussianNB(), X, y, augmenter=quick(), cv=2, random_state=0)
    assert result.scores_with.shape == (4,)
    assert np.isfinite(result.interval).all()
    assert result.seconds_with > result.seconds_without


# The splits


def test_both_are_tested_on_the_same_rows_and_augmented_in_the_training_part(recorded):
    X, y = np.arange(40.0)[:, None], np.repeat([0, 1], 20)
    augmentation_gain(
        Recorder(), X, y, augmenter=Doubler(), samplers=None, cv=4, n_repeats=1, random_state=0
    )
    fitted, tested = ([rows[:, 0] for rows in record] for record in recorded)
    assert len(fitted) == len(tested) == 8
    for split in range(4):
        without, with_augmentation = fitted[split], fitted[4 + split]
        test_rows = tested[split]
        assert_array_equal(test_rows, tested[4 + split])
        assert_array_equal(np.sort(np.concatenate([without, test_rows])), X[:, 0])
        # The real training rows, then what the augmenter made of them and of nothing else.
        assert_array_equal(with_augmentation, np.concatenate([without, without + 1000]))
    assert_array_equal(np.sort(np.concatenate(tested[:4])), X[:, 0])


@pytest.mark.parametrize("seed", [0, np.random.RandomState(0), 2**40, None])
def test_any_random_state_is_taken(seed, data):
    result = augmentation_gain(Recorder(), *data, augmenter=Doubler(), random_state=seed)
    assert result.scores_with.shape == (10,)


def test_global_random_state_is_left_alone(data):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    augmentation_gain(Recorder(), *data, augmenter=Doubler())
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_splitters_and_splits_are_taken_as_they_are(data):
    X, y = data
    cv = ShuffleSplit(3, test_size=20, random_state=0)
    splits = list(cv.split(X))
    masks = [tuple(np.isin(np.arange(120), part) for part in split) for split in splits]
    lists = [tuple(np.sort(part).tolist() for part in split) for split in splits]
    augmented = AugmentedClassifier(RandomOverSampler(random_state=0), GaussianNB())
    by_splitter, by_splits, by_masks, by_lists = (
        augmentation_gain(augmented, X, y, cv=cv) for cv in (cv, iter(splits), masks, lists)
    )
    assert_array_equal([by_splitter.n_train, by_splitter.n_test], [[100] * 3, [20] * 3])
    assert_array_equal(by_splits.differences, by_splitter.differences)
    assert_array_equal(by_masks.n_test, by_splitter.n_test)
    assert_array_equal(by_masks.differences, by_lists.differences)
    unequal = [splits[0], (splits[1][0][:90], splits[1][1])]
    told = augmentation_gain(augmented, X, y, cv=unequal).settings["splits"]
    assert told == "2, with 90 to 100 training and 20 test rows"


def test_groups_reach_the_splitter(recorded):
    X, y = np.arange(24.0)[:, None], np.tile([0, 1], 12)
    groups = np.repeat(np.arange(6), 4)
    augmentation_gain(
        Recorder(),
        X,
        y,
        augmenter=Doubler(),
        samplers=None,
        cv=GroupKFold(3),
        groups=groups.tolist(),
    )
    assert len(recorded[1]) == 6
    for rows in recorded[1]:
        tested = groups[rows[:, 0].astype(int)]
        assert_array_equal(np.unique(tested, return_counts=True)[1], [4, 4])


@pytest.mark.parametrize("container", [pd.DataFrame, sparse.coo_array, np.ndarray.tolist])
def test_containers(container, data):
    X, y = np.round(data[0]), data[1]
    augmented = AugmentedClassifier(RandomOverSampler(random_state=0), BernoulliNB())
    labels = pd.Series(np.array(["no", "yes"])[y], dtype="category", index=np.arange(120) + 5)
    result = augmentation_gain(augmented, container(X), labels, random_state=0)
    expected = augmentation_gain(augmented, X, y, random_state=0)
    assert_array_equal(result.scores_with, expected.scores_with)
    assert_array_equal(result.scores_without, expected.scores_without)


@pytest.mark.parametrize("backend_jobs", [2, -1])
def test_result_does_not_depend_on_n_jobs(backend_jobs, data):
    augmented = AugmentedClassifier(RandomOverSampler(random_state=0), GaussianNB())
    one = augmentation_gain(augmented, *data, random_state=0)
    with joblib.parallel_config("threading"):
        many = augmentation_gain(augmented, *data, random_state=0, n_jobs=backend_jobs)
    assert_array_equal(many.scores_with, one.scores_with)
    assert_array_equal(many.scores_without, one.scores_without)
    assert many.interval == one.interval


@pytest.mark.slow  # the processes import torch
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_result_does_not_depend_on_processes(backend, data):
    """A RandomState in an estimator is copied for every fit, in whichever process that runs."""
    augmented = AugmentedClassifier(
        RandomOverSampler(random_state=np.random.RandomState(0)), GaussianNB()
    )
    one = augmentation_gain(augmented, *data, cv=2, random_state=0)
    with joblib.parallel_config(backend):
        two = augmentation_gain(augmented, *data, cv=2, random_state=0, n_jobs=2)
    assert_array_equal(two.differences, one.differences)
    assert_array_equal(two.scores_with, one.scores_with)


# The score


def test_scoring_takes_names_scorers_and_callables(data):
    augmented = AugmentedClassifier(RandomOverSampler(random_state=0), GaussianNB())

    def own(model, X, y):
        return np.float32(np.mean(model.predict(X) == y))

    scorings = {"accuracy": "accuracy", "own": own, "score": make_scorer(accuracy_score)}
    results = {
        name: augmentation_gain(augmented, *data, scoring=scoring, random_state=0)
        for name, scoring in scorings.items()
    }
    for name, result in results.items():
        assert result.scoring == name
        assert_allclose(result.scores_with, results["accuracy"].scores_with, rtol=1e-6)
    anonymous = augmentation_gain(augmented, *data, scoring=lambda m, X, y: 1.0, cv=2)
    assert anonymous.scoring == "score"


def test_a_score_that_is_a_loss_keeps_scikit_learns_sign(data):
    X, y = data
    result = augmentation_gain(
        GaussianNB(), X, y, augmenter=Flipper(), scoring="neg_log_loss", random_state=0
    )
    assert (result.scores_without < 0).all()
    assert result.helps == "no"
    assert str(result).startswith("Flipper changed negative log loss by -")
    assert "points" not in str(result)


# The result


def test_an_augmenter_that_adds_nothing_gains_nothing(data):
    result = augmentation_gain(GaussianNB(), *data, augmenter=FunctionSampler(), random_state=0)
    assert result.gain == 0
    assert result.interval == (0, 0)
    assert not result.differences.any()
    assert result.helps == "unclear"
    level = f"{result.scores_without.mean():.3f}"
    assert str(result).splitlines()[0] == (
        "FunctionSampler changed balanced accuracy by 0.0 points (95 % interval 0.0 to 0.0; "
        f"{level} with, {level} without; 10 splits): no difference here."
    )


def test_augmentation_that_hurts_is_found_out(data):
    result = augmentation_gain(GaussianNB(), *data, augmenter=Flipper(), random_state=0)
    assert result.interval[1] < 0
    assert result.helps == "no"
    assert str(result).splitlines()[0].endswith(": it hurts here, so leave it out.")


def test_augmentation_that_helps_is_seen():
    X, y = make_classification(1000, weights=[0.9], class_sep=0.5, random_state=0)
    augmented = AugmentedClassifier(RandomOverSampler(random_state=0), LogisticRegression())
    result = augmentation_gain(augmented, X, y, random_state=0)
    assert result.helps == "yes"
    assert str(result).splitlines()[0].endswith(": it helps here.")


@pytest.mark.parametrize(
    ("differences", "scoring", "sentence"),
    [
        (
            [0.01, 0.02, 0.03, 0.02],
            "balanced_accuracy",
            "Augmentation changed balanced accuracy by +2.0 points (95 % interval +0.2 to +3.8; "
            "0.820 with, 0.800 without; 4 splits): it helps here.",
        ),
        (
            [0.01, -0.02, 0.03, -0.02],
            "roc_auc_ovr",
            "Augmentation changed ROC AUC ovr by 0.0 points (95 % interval -5.5 to +5.5; "
            "0.800 with, 0.800 without; 4 splits): no clear difference here.",
        ),
        (
            [-0.01, -0.02, -0.03, -0.02],
            "f1_macro",
            "Augmentation changed F1 macro by -2.0 points (95 % interval -3.8 to -0.2; "
            "0.780 with, 0.800 without; 4 splits): it hurts here, so leave it out.",
        ),
        (
            [0.01, 0.02, 0.03, 0.02],
            "matthews_corrcoef",
            "Augmentation changed matthews corrcoef by +0.020 (95 % interval +0.002 to +0.038; "
            "0.820 with, 0.800 without; 4 splits): it helps here.",
        ),
        (
            [0.0001, 0.0001, 0.0001, 0.0001],
            "score",
            "Augmentation changed the score by +0.0001 (95 % interval +0.0001 to +0.0001; "
            "0.800 with, 0.800 without; 4 splits): it helps here.",
        ),
    ],
)
def test_sentences(differences, scoring, sentence):
    assert str(result_of(differences, scoring)).splitlines()[0] == sentence


SPREAD = np.array([0.03, -0.03, 0.02, -0.02, 0.01, -0.01])


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (0.1, {}, "Use Augmentation: it is clearly better than no augmentation.$"),
        (-0.1, {}, "Leave augmentation out here.$"),
        (0.1, {"SMOTE": 0.0}, "clearly better than SMOTE, too"),
        (0.1, {"SMOTE": 0.095}, "Use SMOTE: .* Augmentation, which takes 10 times as long, is not"),
        (0.0, {"SMOTE": 0.1}, "Use SMOTE: .* Augmentation, 0.0 points, is too close to zero"),
        (0.026, {}, "clearly better .* about 28 splits are needed, in place of 6: raise"),
        (0.015, {}, r"stays \+1.5 points, about \d{3} rows and 30 splits are needed, in place of"),
        (0.002, {}, "too close to zero for any likely number of rows"),
    ],
)
def test_advice(own, others, expected):
    others = {
        name: result_of(gain + SPREAD[::-1], name=name, seconds_with=0.1)
        for name, gain in others.items()
    }
    assert re.search(expected, result_of(own + SPREAD, others=others).advice)


def test_advice_where_no_row_was_classified_otherwise():
    assert "more repeats will not" in result_of(np.zeros(4)).advice


def test_the_page(tmp_path):
    others = {"<b>": result_of(SPREAD, name="<b>")}
    result = result_of(0.1 + SPREAD, others=others)
    html = result.to_html()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "script" not in html
    assert "http" not in html
    assert html.count("<circle") == 2
    assert result.to_html(tmp_path / "gain.html") is None
    assert (tmp_path / "gain.html").read_text(encoding="utf-8") == html
    with pytest.raises(FileExistsError):
        result.to_html(tmp_path / "gain.html")


def test_representation_is_short():
    assert repr(result_of([0.01, 0.02, 0.03, 0.02])) == (
        "AugmentationGain(gain=0.02, interval=(0.001626, 0.03837), "
        "scoring='balanced_accuracy', helps='yes')"
    )


def test_result_pickles_and_says_how_it_was_made(data):
    result = augmentation_gain(
        Recorder(), *data, augmenter=Doubler(), scoring=lambda m, X, y: m.predict(X)[0] + 0.5, cv=2
    )
    page = result.to_html()
    for words in ("How this was made", "UTC", "scikit-learn", "Recorder()", "120 in 2 classes"):
        assert words in page
    assert result._repr_html_() in page
    copy = pickle.loads(pickle.dumps(result))
    assert str(copy) == str(result)
    assert repr(copy) == repr(result)
    assert_array_equal(copy.scores_with, result.scores_with)


def test_confidence_level_widens_the_interval(data):
    augmented = AugmentedClassifier(RandomOverSampler(random_state=0), GaussianNB())
    narrow, wide = (
        augmentation_gain(augmented, *data, confidence_level=level, random_state=0)
        for level in (0.5, 0.999)
    )
    assert wide.interval[0] < narrow.interval[0] < narrow.interval[1] < wide.interval[1]
    assert "(99.9 % interval" in str(wide)


# Errors


@pytest.mark.parametrize(
    ("estimator", "arguments", "error", "message"),
    [
        (SMOTE(), {}, TypeError, "estimator must be a classifier, got SMOTE.*augmenter="),
        (LinearRegression(), {}, TypeError, "got LinearRegression.*pass a pipeline"),
        (object(), {}, TypeError, "estimator must be a classifier, got a builtins.object"),
        (Recorder(), {"augmenter": StandardScaler()}, TypeError, "fit_resample.*StandardScaler"),
        (
            AugmentedClassifier(SMOTE(), Recorder()),
            {"augmenter": SMOTE()},
            ValueError,
            "augmenter=SMOTE was given, but estimator=AugmentedClassifier.*pass either",
        ),
        (
            GridSearchCV(make_sampling_pipeline(SMOTE(), GaussianNB()), {}),
            {},
            ValueError,
            "estimator=GridSearchCV augments in a way.*pass a plain classifier",
        ),
        (
            AugmentedClassifier(
                SMOTE(), VotingClassifier([("a", AugmentedClassifier(SMOTE(), GaussianNB()))])
            ),
            {},
            ValueError,
            "estimator=AugmentedClassifier augments in a way that cannot be taken out",
        ),
        (
            AugmentedClassifierCV(GaussianNB()),
            {},
            ValueError,
            "estimator=AugmentedClassifierCV augm",
        ),
        (Recorder(), {"samplers": [SMOTE()]}, TypeError, "samplers must be 'auto', None or a dict"),
        (Recorder(), {"samplers": {"a": 3}}, TypeError, r"samplers\['a'\] must have fit_resample"),
        (Recorder(), {"samplers": {"nothing": SMOTE()}}, ValueError, "the name 'nothing'"),
        (Recorder(), {"preprocessor": 3}, TypeError, "preprocessor must be 'auto', None or a tr"),
        (
            AugmentedClassifier(SMOTE(), Recorder()),
            {"preprocessor": StandardScaler()},
            ValueError,
            "put the preprocessor among its own steps",
        ),
        (Recorder(), {"cv": 1}, ValueError, "cv=1 is not a number of folds.*at least 2"),
        (Recorder(), {"cv": 31}, ValueError, "cv=31 needs.*got 30 of class 1.*smaller cv"),
        (Recorder(), {"cv": ShuffleSplit(1)}, ValueError, "at least 2 splits, got 1: pass more"),
        (
            Recorder(),
            {"cv": 2 * [(np.arange(100), np.arange(90, 120))]},
            ValueError,
            "split 0 has 100 training rows, 30 test rows and 10 in both: pass splits",
        ),
        (
            Recorder(),
            {"cv": 2 * [(np.arange(120), [])]},
            ValueError,
            "split 0 has 120 training rows, 0 test rows and 0 in both: pass splits",
        ),
        (Recorder(), {"groups": np.zeros(120)}, ValueError, "groups was given.*LeaveOneGroupOut"),
        (Recorder(), {"n_repeats": 0}, ValueError, "`n_repeats` is 0; give an integer"),
        (
            Recorder(),
            {"confidence_level": 95},
            ValueError,
            "`confidence_level` is 95; give .* such as 0.95",
        ),
        (Recorder(), {"scoring": ["accuracy", "f1"]}, TypeError, "scoring must.*pass one"),
        (Recorder(), {"scoring": None}, TypeError, "scoring must be.*got None"),
        (Recorder(), {"scoring": "acuracy"}, ValueError, "acuracy"),
        (Recorder(), {"scoring": accuracy_score}, ValueError, "make_scorer"),
        (
            Recorder(),
            {"scoring": lambda m, X, y: np.nan},
            ValueError,
            "scoring='score' gave nan on split 0 with 'nothing': choose",
        ),
        (Recorder(), {"scoring": lambda m, X, y: {"a": 1}}, ValueError, "number, got {'a': 1}"),
        (Recorder(), {"random_state": -1}, ValueError, "random_state=-1 cannot seed a generator"),
    ],
)
def test_errors(estimator, arguments, error, message, data, recorded):
    if not isinstance(estimator, (AugmentedClassifier, GridSearchCV)):
        arguments = {"augmenter": Doubler()} | arguments
    with pytest.raises(error, match=message):
        augmentation_gain(estimator, *data, **arguments)
    assert len(recorded[0]) <= 10  # none with augmentation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y + np.linspace(0, 0.5, 120), "continuous"),
        (lambda y: np.column_stack([y, y]), "y has 2 columns. Pass one column"),
        (lambda y: 0 * y, "y has 1 class in 120 rows: pass"),
        (lambda y: y[:-1], "inconsistent numbers of samples"),
    ],
)
def test_targets_that_do_not_suit(change, message, data):
    X, y = data
    with pytest.raises(ValueError, match=message):
        augmentation_gain(Recorder(), X, change(y), augmenter=Doubler())


def test_a_failing_fit_raises_and_says_which(data):
    """The 96 training rows are few enough for the classifier; twice as many are not."""
    with pytest.raises(ZeroDivisionError, match="too many rows") as error:
        augmentation_gain(Fails(), *data, augmenter=Doubler(), n_jobs=1)
    assert error.value.__notes__ == ["augmentation_gain: in a fit with 'Doubler'."]


def test_a_score_that_fails_raises(data):
    with pytest.raises(AttributeError, match="predict_proba|decision_function"):
        augmentation_gain(Recorder(), *data, augmenter=Doubler(), scoring=get_scorer("roc_auc"))


def test_a_score_of_a_positive_class_says_how_to_name_it(data):
    """scikit-learn's error alone names no way to say which label is the positive one."""
    X, y = data
    with pytest.raises(ValueError, match="pos_label") as error:
        augmentation_gain(
            GaussianNB(), X, np.array(["well", "ill"])[y], augmenter=Doubler(), scoring="f1"
        )
    assert "True for it, such as y == 'ill'" in error.value.__notes__[1]


def test_a_training_part_of_one_class_raises():
    X, y = np.arange(20.0)[:, None], np.repeat([0, 1], 10)
    with pytest.raises(ValueError, match="class"):
        augmentation_gain(LogisticRegression(), X, y, augmenter=Doubler(), cv=KFold(2))


def test_containers_that_scikit_learn_reads_otherwise():
    """Names that are no text were taken for positions, and masked values for values."""
    X, y = table((24, 16), 2)
    mask = np.random.default_rng(0).random(X.shape) < 0.2
    sites, wards = np.random.default_rng(1).choice(list("ab"), (2, len(y)))
    frame = pd.DataFrame({"w": X[:, 0], "a": sites, "b": X[:, 1], "c": wards})
    levels = pd.MultiIndex.from_product([list("ab"), list("xy")])
    pairs = [
        (frame, frame.set_axis([3, 0, 1, 2], axis=1)),
        (frame, frame.set_axis(levels, axis=1)),
        (np.where(mask, np.nan, X), np.ma.array(np.where(mask, -9999, X), mask=mask)),
    ]
    settings = {"cv": 2, "n_repeats": 1, "random_state": 0, "samplers": None}
    for plain, other in pairs:
        scores = [
            augmentation_gain(
                LogisticRegression(), rows, y, augmenter=quick(missing="keep"), **settings
            ).scores_with
            for rows in (plain, other)
        ]
        assert_array_equal(*scores)
