"""Whether augmentation helps a classifier on given data: a paired cross-validated difference."""

from dataclasses import replace
from math import prod

import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import indexable

from .._classifier.augmented import AugmentedClassifier, tags_or_none
from .._classifier.paired import NOTHING, Method, make_splits, run_all, score_name
from .._classifier.preparation import prepare
from .._classifier.samplers import Repeat, check_samplers, holds_sampler, sizes_of
from .._preprocessing.containers import check_container
from .._preprocessing.label_encoder import classifier_labels
from .._preprocessing.masked import unmasked
from .._random import root_seed
from .._validation import check_count, check_share, named, no_data_in_errors
from .gain_result import AugmentationGain, corrected_interval
from .html import made_with

_RANDOM, _SMOTE = "random over-sampling", "SMOTE"


@no_data_in_errors()
def augmentation_gain(
    estimator,
    X,
    y,
    *,
    augmenter=None,
    samplers="auto",
    preprocessor="auto",
    cv=5,
    n_repeats=2,
    scoring="balanced_accuracy",
    confidence_level=0.95,
    n_jobs=None,
    random_state=None,
    groups=None,
    verbose=0,
):
    """Measure by cross-validation whether augmentation helps a classifier.

    In each split the classifier is fitted on the training part without augmentation, with random
    over-sampling, with SMOTE and with the augmenter, and all are scored on the same test part,
    which no sampler gets. Tables may have text, categories and missing values.

    Parameters
    ----------
    estimator : classifier
        A plain classifier, or one that augments. A plain classifier is compared with
        ``AugmentedClassifier(augmenter, estimator)``; if it is a pipeline, rows are augmented
        before its first step. A classifier that augments is compared with itself without samplers:
        a pipeline of imbalanced-learn with a sampler as a step, an
        :class:`~sklearn_pyraug.AugmentedClassifier`, or a pipeline that ends in one. A plain
        classifier may be a grid search, or a pipeline that ends in one: rows are then augmented in
        each of its folds, which trains an augmenter without `memory` once for each fit. It is
        cloned.
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features) or \
            (n_samples, *sample_shape)
        Rows, without synthetic ones.
    y : array-like of shape (n_samples,)
        Class labels.
    augmenter : sampler, default=None
        Object with ``fit_resample(X, y)``, for a plain classifier only. None is
        ``RHVAEAugmenter(random_state=random_state)``, with ``missing="keep"`` if values are
        missing. It is cloned.
    samplers : "auto", dict of str to sampler, or None, default="auto"
        Samplers that are measured, too. ``"auto"`` is random over-sampling and SMOTE (SMOTENC if
        there are categories), with the class sizes of the
        :class:`~sklearn_pyraug.RHVAEAugmenter`. If one of the two cannot be fitted, it is left out
        and named in the result. The samplers of a dict are added to these two, with their own class
        sizes; one that is called ``"SMOTE"`` or ``"random over-sampling"`` replaces that one. None
        measures the augmenter only.
    preprocessor : "auto", transformer or None, default="auto"
        Preprocessor between samplers and a plain classifier, fitted within every split. ``"auto"``
        fills and standardises columns of numbers, one-hot encodes at most 100 categories per
        column, and flattens images. It is used for dataframes, and for arrays with text, missing
        values or images, unless the classifier is, or searches, a pipeline that takes them.
    cv : int, splitter or iterable, default=5
        An int is the number of folds of a
        :class:`~sklearn.model_selection.RepeatedStratifiedKFold`. A splitter, or an iterable of
        pairs of training and test indices, is used as it is.
    n_repeats : int, default=2
        Number of times that the folds are drawn, if `cv` is an int. Each takes as long as the
        first, and more of them narrow the interval little, see the notes.
    scoring : str or callable, default="balanced_accuracy"
        Name of one of scikit-learn's scorers, or a callable ``scorer(estimator, X, y)`` that
        returns a number. Greater is better.
    confidence_level : float, default=0.95
        Confidence level of the interval, in (0, 1).
    n_jobs : int or None, default=None
        Number of fits at once, by joblib. The result does not depend on it, at a given number of
        BLAS threads.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, if `cv` is an int, of the default augmenter, and of the samplers of
        ``"auto"``. Other objects have their own seeds. None draws a new one.
    groups : array-like of shape (n_samples,), default=None
        Group of each row, such as the patient, passed to the splitter. `cv` must be a splitter that
        uses groups, such as :class:`~sklearn.model_selection.StratifiedGroupKFold`.
    verbose : int, default=0
        Whether to show a progress bar over the fits.

    Returns
    -------
    result : AugmentationGain
        The gain of the augmenter, its interval and scores; ``others`` has those of the samplers,
        and ``advice`` says what to do. It prints as a table, and has ``to_frame()`` and
        ``to_html()``.

    Raises
    ------
    TypeError
        If `estimator` is no classifier, `augmenter` or one of `samplers` no sampler, or `scoring`
        not a single scorer.
    ValueError
        If there is nothing to compare, the target does not suit a classifier or the folds, a
        split has rows in both its parts or none in one, or a score is not finite. An error in a
        fit is raised as it is, with a note in which.

    See Also
    --------
    AugmentationGain : The result.
    sklearn_pyraug.AugmentedClassifier : Classifier fitted on real and synthetic rows.
    sklearn_pyraug.AugmentedClassifierCV : Chooses the augmentation on its training rows.

    Notes
    -----
    Samplers of imbalanced-learn that only take numbers get the rows from the preprocessor, and all
    others get the raw table. SMOTE gets the rows of the classifier, SMOTENC codes of categories.

    The interval is that of the corrected resampled t-test [1]_: for the differences d of J splits,

    ``mean(d) ± t * sqrt((1/J + n_test/n_train) * var(d))``

    with t from Student's distribution with J - 1 degrees of freedom. Training parts share rows, so
    the differences are not independent. The term n_test/n_train accounts for this: with 1/J only,
    "significant" gains would be found far too often. It was derived for random splits and is also
    used for repeated folds [2]_.

    The interval has limits. The correction is an approximation: there is no unbiased estimate of
    the variance of a cross-validation [3]_, and a few splits of few rows are far from normal. The
    interval is for training sets of the size of a training part, not of all rows. Its level holds
    for one planned comparison: the best of several samplers looks better than it is. An interval
    around zero means that these rows do not show a difference, not that there is none. If all
    differences are equal, its width is zero, which only says that the splits agree.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the Generalization Error", Machine Learning 52,
       239-281, 2003.
    .. [2] R. R. Bouckaert, E. Frank, "Evaluating the Replicability of Significance Tests for
       Comparing Learning Algorithms", PAKDD, 2004.
    .. [3] Y. Bengio, Y. Grandvalet, "No Unbiased Estimator of the Variance of K-Fold
       Cross-Validation", Journal of Machine Learning Research 5, 1089-1105, 2004.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_pyraug import augmentation_gain
    >>> X, y = make_classification(1000, weights=[0.9], class_sep=0.5, random_state=0)
    >>> result = augmentation_gain(
    ...     LogisticRegression(), X, y, augmenter=SMOTE(random_state=0), random_state=0
    ... )
    >>> print(result)
    SMOTE changed balanced accuracy by +... points (95 % interval +... to +...;
    0... with, 0... without; 10 splits): it helps here.
    <BLANKLINE>
    method                score  gain (points)  95 % interval  s per fit  helps
    nothing               0...
    random over-sampling  0...  +...  yes
    SMOTE                 0...  +...  yes
    <BLANKLINE>
    Use ...
    >>> result.helps
    'yes'
    """
    root = root_seed(random_state)
    # scikit-learn's seeds end at 2**32.
    seed = root % 2**32
    _check_settings(n_repeats, scoring, confidence_level)
    check_estimators(estimator, augmenter, samplers, preprocessor)
    scorer = check_scoring(estimator, scoring=scoring)
    check_container(X, "X")
    X, y, groups = indexable(unmasked(X), classifier_labels(y), groups)
    splits = make_splits(X, y, groups, cv, n_repeats, seed)
    models, prepared_by, preparation = find_methods(
        estimator,
        X,
        y,
        splits[0][0],
        augmenter=augmenter,
        samplers=samplers,
        preprocessor=preprocessor,
        seed=seed,
    )
    name = score_name(scoring)
    runs, left_out = run_all(
        "augmentation_gain", models, X, y, None, splits, scorer, name, n_jobs, verbose
    )
    nothing, *methods = runs
    sizes = n_train, n_test = np.array([[len(part) for part in split] for split in splits]).T
    described = {
        "scoring": name,
        "preprocessor": prepared_by,
        "preparation": preparation,
        "settings": made_with()
        | {
            "classifier": repr(estimator),
            "rows": f"{len(y)} in {len(set(y.tolist()))} classes",
            "splits": (
                f"{len(splits)}, with {_span(n_train)} training and {_span(n_test)} test rows"
            ),
            "seed": str(root),
        },
    }
    results = {
        method: _compare(method, runs[method], runs[nothing], sizes, confidence_level, **described)
        for method in methods
    }
    own = results.pop(methods[-1])
    return replace(own, others=results, left_out=left_out)


def _compare(name, run, without, sizes, confidence_level, **described):
    """Return the gain of a method's run over the run without augmentation."""
    n_train, n_test = sizes
    differences = run.scores - without.scores
    return AugmentationGain(
        name=name,
        gain=float(differences.mean()),
        interval=corrected_interval(differences, n_train, n_test, confidence_level),
        confidence_level=float(confidence_level),
        differences=differences,
        scores_with=run.scores,
        scores_without=without.scores,
        seconds_with=run.seconds,
        seconds_without=without.seconds,
        n_train=n_train,
        n_test=n_test,
        **described,
    )


def _span(counts):
    """Return the least and the greatest of some counts as text, one where they are equal."""
    return " to ".join(map(str, sorted({min(counts), max(counts)})))


def _check_settings(n_repeats, scoring, confidence_level):
    check_count("n_repeats", n_repeats)
    if not isinstance(scoring, str) and not callable(scoring):
        raise TypeError(
            f"scoring must be the name of one scorer or a callable, got {named(scoring)}: pass "
            "one, and call augmentation_gain again for another."
        )
    check_share("confidence_level", confidence_level, 0.95)


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
    models : dict of str to Method
        The first one is the classifier without augmentation, the last one the augmenter's.
    prepared_by : transformer or None
        What was put in front of the classifier.
    preparation : str
        Description of the preprocessor; empty without one.
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
            f"estimator={name} augments in a way that cannot be taken out of it, so there is "
            "nothing to compare it to: pass a plain classifier, a pipeline that holds the sampler "
            "itself, or an AugmentedClassifier, and measure others by cross_val_score."
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
        strategy = sizes_of(own, prod(np.shape(X)[1:]))
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
        return models, None, ""
    words = prepared.words if preprocessor == "auto" else "by the preprocessor given"
    prepared_by = make_pipeline(*steps) if len(steps) > 1 else steps[0]
    return models, prepared_by, f"Within each split, rows are prepared for the classifier: {words}."


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
