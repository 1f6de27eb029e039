"""What `augmentation_gain` compares: one classifier without augmentation, and behind samplers."""

from typing import NamedTuple

from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.pipeline import Pipeline, make_pipeline

from .._classifier.augmented import AugmentedClassifier, tags_or_none
from .._classifier.paired import NOTHING, Method
from .._classifier.preparation import prepare
from .._classifier.samplers import Repeat, check_samplers, holds_sampler, sizes_of
from .._validation import named

_RANDOM, _SMOTE = "random over-sampling", "SMOTE"


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
    plain = _without_augmenter(estimator)
    name = type(estimator).__name__
    if plain is not estimator and augmenter is not None:
        raise ValueError(
            f"augmenter={type(augmenter).__name__} was given, but estimator={name} contains an "
            "augmenter already: pass either a plain classifier with augmenter=, or the "
            "augmenting estimator without."
        )
    if holds_sampler(plain):
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
        prepared, own = prepare(plain, X, y, train, None), _first_sampler(estimator)
    else:
        prepared = prepare(plain, X, y, train, preprocessor)
        own = prepared.augmenter(random_state=seed) if augmenter is None else augmenter
    models = {NOTHING: Method(prepared.model)}
    if samplers is not None:
        strategy = sizes_of(own)
        keywords = {"sampling_strategy": strategy, "random_state": seed}
        if not isinstance(own, RandomOverSampler):
            models[_RANDOM] = Method(prepared.behind(Repeat(**keywords)), optional=True)
        if type(own) is not SMOTE:
            models[_SMOTE] = Method(prepared.behind_smote(**keywords), optional=True)
        if samplers != "auto":
            models |= {key: Method(prepared.behind(sampler)) for key, sampler in samplers.items()}
    label = type(own).__name__
    if label in models:
        label = f"{label} (augmenter)"
    models[label] = Method(estimator if plain is not estimator else prepared.behind(own))
    steps = prepared.steps
    if not steps:
        return Methods(models, None, "")
    words = prepared.words if preprocessor == "auto" else "by the preprocessor given"
    return Methods(
        models,
        make_pipeline(*steps) if len(steps) > 1 else steps[0],
        f"Within each split, rows are prepared for the classifier: {words}.",
    )


def check_estimators(estimator, augmenter, samplers, preprocessor):
    """Raise TypeError or ValueError if something is not what `augmentation_gain` takes."""
    if tags_or_none(estimator) is None or not is_classifier(estimator):
        raise TypeError(
            f"estimator must be a classifier, got {named(estimator)}: pass a pipeline that ends "
            "in a classifier, an AugmentedClassifier, or a classifier together with augmenter=."
        )
    if augmenter is not None and not hasattr(augmenter, "fit_resample"):
        raise TypeError(
            f"augmenter must have fit_resample(X, y), got {named(augmenter)}: pass an "
            "RHVAEAugmenter or an over-sampler of imbalanced-learn."
        )
    if samplers is not None:
        check_samplers("samplers", samplers)
    is_auto = preprocessor is None or (isinstance(preprocessor, str) and preprocessor == "auto")
    if not is_auto and not hasattr(preprocessor, "transform"):
        raise TypeError(
            f"preprocessor must be 'auto', None or a transformer, got {named(preprocessor)}: pass "
            "such as a ColumnTransformer."
        )


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
