"""What `augmentation_gain` compares: one classifier without augmentation, and behind samplers."""

import warnings
from functools import partial
from typing import NamedTuple

import numpy as np
from imblearn.base import BaseSampler
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from sklearn.utils import get_tags

from .._augmenter import RHVAEAugmenter
from .._classifier import AugmentedClassifier, _tags_or_none
from .._preprocessing.containers import (
    column_at,
    column_kind,
    column_names,
    column_values,
    is_missing,
    take,
)
from .._preprocessing.images import flat_rows
from .._preprocessing.label_encoder import distinct_labels
from .._strategy import n_new_rows
from .._validation import named
from .gain_result import NOTHING

__all__ = [
    "Method",
    "Methods",
    "Table",
    "check_estimators",
    "find_methods",
    "read_columns",
]

_RANDOM, _SMOTE = "random over-sampling", "SMOTE"
# A category beyond these many of a column shares one column with the others.
_MAX_CATEGORIES = 100


class Table(NamedTuple):
    """What is known of the columns before any fit.

    Attributes
    ----------
    numbers, categories : list
        Names of a dataframe's columns, else their positions.
    is_frame, is_image, has_gaps : bool
    """

    numbers: list
    categories: list
    is_frame: bool
    is_image: bool
    has_gaps: bool


class Method(NamedTuple):
    """A model to be measured.

    Attributes
    ----------
    model : classifier
    optional : bool
        Whether it is left out, with the reason, where it cannot be fitted.
    """

    model: object
    optional: bool = False


class Methods(NamedTuple):
    """All models to be measured.

    Attributes
    ----------
    models : dict of str to Method
        The first one is the classifier without augmentation, the last one the augmenter's.
    preprocessor : transformer or None
        What was put in front of the classifier.
    preparation : str
        That in words; empty without.
    """

    models: dict
    preprocessor: object
    preparation: str


def read_columns(X):
    """Return a :class:`Table`: which columns hold numbers, and which text or other categories.

    Parameters
    ----------
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features) or \
            (n_samples, *sample_shape)

    Returns
    -------
    table : Table
        Dates are in neither of its lists.
    """
    names = column_names(X)
    if names is not None:
        columns = [column_at(X, j) for j in range(len(names))]
        kinds = [
            column_kind(column, name, "X") for column, name in zip(columns, names, strict=True)
        ]
        numbers, categories = (
            [name for name, kind in zip(names, kinds, strict=True) if kind in letters]
            for letters in ("biuf", "O")
        )
        gaps = any(is_missing(value) for column in columns for value in column_values(column))
        return Table(numbers, categories, True, False, gaps)
    if issparse(X):
        return Table(list(range(X.shape[1])), [], False, False, False)
    X = np.asarray(X)
    if X.ndim != 2 or X.dtype.kind in "biufc":
        gaps = X.dtype.kind == "f" and bool(np.isnan(X).any())
        return Table(list(range(X.shape[-1])), [], False, X.ndim > 2, gaps)
    is_text = [any(isinstance(value, str) for value in column) for column in X.T]
    numbers, categories = (
        np.flatnonzero(np.equal(is_text, text)).tolist() for text in (False, True)
    )
    return Table(numbers, categories, False, False, any(map(is_missing, X.flat)))


def find_methods(estimator, X, y, train, *, augmenter, samplers, preprocessor, seed):
    """Return the models to be measured; raise if there is nothing to compare.

    Parameters
    ----------
    estimator, augmenter, samplers, preprocessor : object
        See `augmentation_gain`.
    X, y : object
        All rows and labels.
    train : ndarray of int
        The first training part, on which a pipeline is tried.
    seed : int
        Of the default augmenter, and of the two samplers for comparison.

    Returns
    -------
    methods : Methods
    """
    table = read_columns(X)
    plain = _without_augmenter(estimator)
    name = type(estimator).__name__
    if plain is not estimator and augmenter is not None:
        raise ValueError(
            f"augmenter={type(augmenter).__name__} was given, but estimator={name} contains an "
            "augmenter already: pass either a plain classifier with augmenter=, or the "
            "augmenting estimator without."
        )
    if _holds_sampler(plain):
        raise ValueError(
            f"estimator={name} contains a sampler that cannot be taken out of it, so there is "
            "nothing to compare it to: pass the pipeline itself, or AugmentedClassifier(augmenter, "
            f"{name}(...)) around a plain one."
        )
    if plain is not estimator:
        if isinstance(preprocessor, BaseEstimator):
            raise ValueError(
                f"preprocessor={type(preprocessor).__name__} was given, but estimator={name} "
                "contains an augmenter already: put the preprocessor among its own steps."
            )
        steps, own = [], _first_sampler(estimator)
    else:
        steps = _steps(preprocessor, plain, X, y, train, table)
        own = _default_augmenter(table, seed) if augmenter is None else augmenter
    prepared = make_pipeline(*steps, plain) if steps else plain

    def behind(sampler):
        if steps and _needs_numbers(sampler, table):
            return _before_the_last(prepared, sampler)
        return AugmentedClassifier(sampler, prepared)

    models = {NOTHING: Method(prepared)}
    if samplers is not None:
        strategy = _sizes_of(own)
        keywords = {"sampling_strategy": strategy, "random_state": seed}
        if not isinstance(own, RandomOverSampler):
            models[_RANDOM] = Method(behind(Repeat(**keywords)), optional=True)
        if type(own) is not SMOTE:
            models[_SMOTE] = Method(_smote(prepared, steps, table, keywords), optional=True)
        if samplers != "auto":
            models |= {key: Method(behind(sampler)) for key, sampler in samplers.items()}
    label = type(own).__name__
    if label in models:
        label = f"{label} (augmenter)"
    models[label] = Method(estimator if plain is not estimator else behind(own))
    if not steps:
        return Methods(models, None, "")
    words = _in_words(table) if preprocessor == "auto" else "by the preprocessor given"
    return Methods(
        models,
        make_pipeline(*steps) if len(steps) > 1 else steps[0],
        f"Within each split, rows are prepared for the classifier: {words}.",
    )


def check_estimators(estimator, augmenter, samplers, preprocessor):
    """Raise TypeError or ValueError if something is not what `augmentation_gain` takes."""
    if _tags_or_none(estimator) is None or not is_classifier(estimator):
        raise TypeError(
            f"estimator must be a classifier, got {named(estimator)}: pass a pipeline that ends "
            "in a classifier, an AugmentedClassifier, or a classifier together with augmenter=."
        )
    if augmenter is not None and not hasattr(augmenter, "fit_resample"):
        raise TypeError(
            f"augmenter must have fit_resample(X, y), got {named(augmenter)}: pass an "
            "RHVAEAugmenter or an over-sampler of imbalanced-learn."
        )
    if samplers is not None and not (isinstance(samplers, str) and samplers == "auto"):
        if not isinstance(samplers, dict):
            raise TypeError(
                f"samplers must be 'auto', None or a dict, got {named(samplers)}: pass such as "
                "{'ADASYN': ADASYN()}."
            )
        for key, sampler in samplers.items():
            if not isinstance(key, str) or key == NOTHING:
                raise ValueError(
                    f"samplers has the name {key!r}: pass a text other than {NOTHING!r}."
                )
            if not hasattr(sampler, "fit_resample") or isinstance(sampler, type):
                raise TypeError(
                    f"samplers[{key!r}] must have fit_resample(X, y), got {named(sampler)}: pass "
                    "an over-sampler of imbalanced-learn, or another RHVAEAugmenter."
                )
    is_auto = preprocessor is None or (isinstance(preprocessor, str) and preprocessor == "auto")
    if not is_auto and not hasattr(preprocessor, "transform"):
        raise TypeError(
            f"preprocessor must be 'auto', None or a transformer, got {named(preprocessor)}: pass "
            "such as a ColumnTransformer."
        )


def _steps(preprocessor, classifier, X, y, train, table):
    """Return the transformers that go in front of a classifier, as a list."""
    if preprocessor is None:
        return []
    if not isinstance(preprocessor, str):
        return [preprocessor]
    is_raw = bool(table.is_image or table.categories or table.has_gaps)
    pipeline = next(
        (
            value
            for value in (classifier, *classifier.get_params().values())
            if isinstance(value, Pipeline)
        ),
        None,
    )
    if pipeline is None and table.is_frame:
        return _columns(table)
    if not is_raw or _can_be_fitted(classifier if pipeline is None else pipeline, X, y, train):
        return []
    if table.is_image:
        return [make_pipeline(FunctionTransformer(_flat), MaxAbsScaler())]
    return _columns(table)


def _columns(table):
    """Return the steps that make numbers of a table: codes first, then columns of categories."""
    n_numbers = len(table.numbers)
    parts = []
    if n_numbers:
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        parts.append(("numbers", make_pipeline(imputer, StandardScaler()), table.numbers))
    if table.categories:
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        )
        codes = make_pipeline(FunctionTransformer(_as_text), codes)
        parts.append(("categories", codes, table.categories))
    steps = [ColumnTransformer(parts)]
    if table.categories:
        encoder = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=_MAX_CATEGORIES,
            sparse_output=False,
        )
        columns = list(range(n_numbers, n_numbers + len(table.categories)))
        part = ("categories", encoder, columns)
        steps.append(ColumnTransformer([part], remainder="passthrough"))
    return steps


def _in_words(table):
    if table.is_image:
        return "pixels are flattened, and divided by the largest of each place"
    parts = []
    if n := len(table.numbers):
        parts.append(f"{n} {'columns' if n > 1 else 'column'} of numbers filled and standardised")
    if n := len(table.categories):
        columns = "columns" if n > 1 else "column"
        parts.append(f"{n} {columns} of categories made one column a category")
    return ", ".join(parts)


def _as_text(X):
    """Return categories of any kind as an array of text, None where one is missing."""
    text = [None if is_missing(value) else str(value) for value in np.asarray(X, object).flat]
    return np.array(text, dtype=object).reshape(X.shape)


def _flat(X):
    return flat_rows(X)[0]


def _can_be_fitted(model, X, y, train):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clone(model).fit(take(X, train), take(y, train))
    except Exception:  # of whichever kind: it does not take such rows
        return False
    return True


def _default_augmenter(table, seed):
    settings = {"missing": "keep"} if table.has_gaps else {}
    if table.categories and not table.is_frame:
        settings["categorical_features"] = table.categories
    return RHVAEAugmenter(random_state=seed, **settings)


def _needs_numbers(sampler, table):
    """Return True for imbalanced-learn's samplers of numbers: they see what a classifier sees."""
    if isinstance(sampler, RHVAEAugmenter) or not isinstance(sampler, BaseSampler):
        return False
    return table.is_image or not get_tags(sampler).input_tags.string


def _before_the_last(model, sampler):
    """Return a model in which a sampler sees what the last step of a pipeline sees."""
    if not isinstance(model, Pipeline):
        return AugmentedClassifier(sampler, model)
    *first, last = model.steps
    return _pipeline([*(step for _, step in first), sampler, last[1]])


def _pipeline(steps):
    """Return a pipeline of imbalanced-learn, which takes no pipelines but as its last step."""
    *first, last = steps
    flat = []
    while first:
        step = first.pop(0)
        if isinstance(step, Pipeline):
            first[:0] = [inner for _, inner in step.steps]
        else:
            flat.append(step)
    return make_sampling_pipeline(*flat, last)


def _smote(prepared, steps, table, keywords):
    """Return the model behind SMOTE, behind SMOTENC where there are categories."""
    if len(steps) < 2:
        return _before_the_last(prepared, Smote(**keywords))
    columns = range(len(table.numbers), len(table.numbers) + len(table.categories))
    sampler = Smote(categories=tuple(columns), all_categories=not table.numbers, **keywords)
    return _pipeline([steps[0], sampler, *steps[1:], prepared.steps[-1][1]])


class Repeat(BaseEstimator):
    """Random over-sampling of the rows of any container.

    Parameters
    ----------
    sampling_strategy : str or callable, default="auto"
    random_state : int, default=None
    """

    def __init__(self, *, sampling_strategy="auto", random_state=None):
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit_resample(self, X, y):
        """Return the rows and labels, and some of them again below.

        Parameters
        ----------
        X : object of shape (n_samples, ...)
        y : ndarray of shape (n_samples,)

        Returns
        -------
        X, y : like those that were given
        """
        sampler = RandomOverSampler(**self.get_params())
        rows, y = sampler.fit_resample(np.arange(len(y))[:, None], y)
        return take(X, rows[:, 0]), y


class Smote(BaseEstimator):
    """SMOTE of the kind that suits the columns, with fewer neighbours for small classes.

    Where a class has a single row, rows are repeated.

    Parameters
    ----------
    categories : tuple of int, default=()
        Columns that hold codes of categories.
    all_categories : bool, default=False
        Whether there are no others.
    sampling_strategy : str or callable, default="auto"
    random_state : int, default=None
    """

    def __init__(
        self, *, categories=(), all_categories=False, sampling_strategy="auto", random_state=None
    ):
        self.categories = categories
        self.all_categories = all_categories
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit_resample(self, X, y):
        """Return the rows and labels, and new ones below.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        X, y : like those that were given
        """
        keywords = {
            "sampling_strategy": self.sampling_strategy,
            "random_state": self.random_state,
        }
        n_neighbors = min(5, np.unique(y, return_counts=True)[1].min() - 1)
        if n_neighbors < 1:
            return Repeat(**keywords).fit_resample(X, y)
        keywords["k_neighbors"] = n_neighbors
        if self.all_categories:
            return SMOTEN(**keywords).fit_resample(X, y)
        if self.categories:
            return SMOTENC(list(self.categories), **keywords).fit_resample(X, y)
        return SMOTE(**keywords).fit_resample(X, y)


def _sizes_of(augmenter):
    """Return a strategy by which classes grow as they do by the augmenter, as far as it says."""
    if not isinstance(augmenter, RHVAEAugmenter):
        return "auto"
    return partial(_sizes, augmenter.sampling_strategy, augmenter.augmentation_factor)


def _sizes(strategy, factor, y):
    labels, _, y_index = distinct_labels(y)
    counts = np.bincount(y_index).tolist()
    new = n_new_rows(strategy, factor, labels, y_index)
    return {label: n + m for (label, m), n in zip(new.items(), counts, strict=True)}


def _without_augmenter(estimator):
    """Return an estimator with its samplers taken out; itself where there are none."""
    if isinstance(estimator, AugmentedClassifier):
        return _without_augmenter(estimator.classifier)
    if isinstance(estimator, Pipeline):
        steps = [(name, _without_augmenter(step)) for name, step in estimator.steps]
        if all(new is old for (_, new), (_, old) in zip(steps, estimator.steps, strict=True)):
            return estimator
        return clone(estimator).set_params(steps=steps)
    return "passthrough" if hasattr(estimator, "fit_resample") else estimator


def _first_sampler(estimator):
    """Return the first sampler of an estimator that augments, None where there is none."""
    if isinstance(estimator, AugmentedClassifier):
        return estimator.augmenter
    if isinstance(estimator, Pipeline):
        found = (_first_sampler(step) for _, step in estimator.steps)
        return next((sampler for sampler in found if sampler is not None), None)
    return estimator if hasattr(estimator, "fit_resample") else None


def _holds_sampler(estimator):
    """Return True if a parameter, at any depth, augments or resamples."""
    return any(
        isinstance(value, AugmentedClassifier) or hasattr(value, "fit_resample")
        for value in estimator.get_params(deep=True).values()
    )
