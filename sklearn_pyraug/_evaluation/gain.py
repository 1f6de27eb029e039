"""Whether augmentation helps a classifier on given data: a paired cross-validated difference."""

from numbers import Integral

import numpy as np
from scipy import stats
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import RepeatedStratifiedKFold, check_cv, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.utils import indexable
from sklearn.utils.multiclass import check_classification_targets

from .._augmenter import RHVAEAugmenter
from .._classifier import AugmentedClassifier, _tags_or_none
from .._preprocessing.label_encoder import classifier_labels, distinct_labels
from .._random import root_seed
from .._validation import (
    add_note,
    check_count,
    check_share,
    named,
    no_data_in_errors,
    text_is_named,
)
from .results import AugmentationGain

__all__ = ["augmentation_gain"]


@no_data_in_errors()
def augmentation_gain(
    estimator,
    X,
    y,
    *,
    augmenter=None,
    cv=5,
    n_repeats=2,
    scoring="balanced_accuracy",
    confidence_level=0.95,
    n_jobs=None,
    random_state=None,
    groups=None,
):
    """Measure by cross-validation what augmentation does to a classifier's score.

    The classifier is fitted twice on the training part of every split, once with augmentation and
    once without, and both are scored on the same test part, which the augmenter never sees.

    Parameters
    ----------
    estimator : classifier
        Either of two kinds. One that augments: a pipeline of imbalanced-learn with a sampler among
        its steps, an :class:`~sklearn_pyraug.AugmentedClassifier`, or a pipeline that ends in one;
        it is compared to itself with every sampler taken out. Or a plain classifier, which is
        compared to ``AugmentedClassifier(augmenter, estimator)``; where it is a pipeline, the rows
        are augmented before its first step. It is cloned.

    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        Rows, of any kind that the estimator accepts.

    y : array-like of shape (n_samples,)
        Class labels.

    augmenter : sampler, default=None
        Any object with ``fit_resample(X, y)``, for a plain classifier only. None is
        ``RHVAEAugmenter(random_state=random_state)``. It is cloned.

    cv : int, splitter or iterable, default=5
        An int is the number of folds of a
        :class:`~sklearn.model_selection.RepeatedStratifiedKFold`. A splitter, or an iterable of
        pairs of training and test indices, is used as it is.

    n_repeats : int, default=2
        How many times the folds are drawn where `cv` is an int. More of them cost time in
        proportion and narrow the interval little: its width has a floor, see the notes.

    scoring : str or callable, default="balanced_accuracy"
        Name of one of scikit-learn's scorers, or a callable ``scorer(estimator, X, y)`` that
        returns one number, greater being better.

    confidence_level : float, default=0.95
        Confidence level of the interval, in (0, 1).

    n_jobs : int or None, default=None
        Number of fits at once, by joblib. At a given number of BLAS threads the result does not
        depend on it.

    random_state : int, RandomState instance or None, default=None
        Seed of the folds where `cv` is an int, and of the default augmenter. An `estimator`, an
        `augmenter` and a splitter have seeds of their own. None takes fresh entropy.

    groups : array-like of shape (n_samples,), default=None
        Groups of rows, passed to the splitter.

    Returns
    -------
    result : AugmentationGain
        The gain, its interval and the scores behind them.

    Raises
    ------
    TypeError
        If `estimator` is no classifier, `augmenter` no sampler, or `scoring` not a single scorer.
    ValueError
        If there is nothing to compare, the target does not suit a classifier or the folds, a
        split has rows in both its parts or none in one, or a score is not finite. An error in a
        fit is raised as it is, with a note whether it was one with augmentation.

    See Also
    --------
    AugmentationGain : What is returned.
    sklearn_pyraug.AugmentedClassifier : Classifier fitted on real and synthetic rows.

    Notes
    -----
    The interval is that of the corrected resampled t-test [1]_: for the differences d of J splits,

    ``mean(d) ± t * sqrt((1/J + n_test/n_train) * var(d))``

    with t from Student's distribution with J - 1 degrees of freedom. Training parts share rows, so
    the differences are not independent; the term n_test/n_train stands for that, while the naive
    1/J alone finds "significant" gains far too often. It was derived for random splits and is used
    for repeated folds as well [2]_.

    What the interval does not say. The correction is an approximation: no unbiased estimate of the
    variance of a cross-validation exists [3]_, and few splits of few rows are far from normal. It
    is about training sets of the size of a training part, not of all rows, and about data like
    these. Its level holds for one comparison that was planned: the best of ten augmenters, each
    measured on the same rows, looks better than it is. An interval around zero means that these
    rows do not show a difference, not that there is none; with few rows of a class it is wide.
    Where all differences are equal it has no width, which says that the splits agree and no more.

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
    >>> from imblearn.over_sampling import RandomOverSampler
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_pyraug import augmentation_gain
    >>> X, y = make_classification(1000, weights=[0.9], class_sep=0.5, random_state=0)
    >>> result = augmentation_gain(
    ...     LogisticRegression(), X, y, augmenter=RandomOverSampler(random_state=0), random_state=0
    ... )
    >>> print(result)
    Augmentation changed balanced accuracy by +... points (95 % interval +... to +...;
    0... with, 0... without; 10 splits): it helps here.
    >>> result.helps
    'yes'
    """
    root = root_seed(random_state)
    augmented, plain = _both(estimator, augmenter, root)
    _check_settings(n_repeats, scoring, confidence_level)
    scorer = check_scoring(estimator, scoring=scoring)
    X, y, groups = indexable(X, classifier_labels(y), groups)
    splits = _splits(X, y, groups, cv, n_repeats, root)

    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    name = "score" if name == "<lambda>" else name
    runs = []
    # Without augmentation first, as an error that has nothing to do with it shows up sooner there.
    for model, which in ((plain, "without augmentation"), (augmented, "with augmentation")):
        try:
            with text_is_named(X, categories=False):
                run = cross_validate(
                    model,
                    X,
                    y,
                    cv=splits,
                    scoring={"score": scorer},
                    n_jobs=n_jobs,
                    error_score="raise",
                )
        except Exception as error:
            add_note(error, f"augmentation_gain: {which}.")
            raise
        _check_scores(run["test_score"], name, which)
        runs.append(run)
    without, with_ = runs
    scores = with_["test_score"], without["test_score"]
    differences = scores[0] - scores[1]
    n_train, n_test = np.array([[len(part) for part in split] for split in splits]).T
    return AugmentationGain(
        gain=float(differences.mean()),
        interval=_corrected_interval(differences, n_train, n_test, confidence_level),
        scores_with=scores[0],
        scores_without=scores[1],
        differences=differences,
        n_train=n_train,
        n_test=n_test,
        scoring=name,
        confidence_level=float(confidence_level),
        seconds_with=float(with_["fit_time"].mean()),
        seconds_without=float(without["fit_time"].mean()),
    )


def _both(estimator, augmenter, root):
    """Return the estimator with augmentation and without; raise if there is nothing to compare."""
    name = type(estimator).__name__
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
    plain = _without_augmenter(estimator)
    if plain is not estimator:
        if augmenter is not None:
            raise ValueError(
                f"augmenter={type(augmenter).__name__} was given, but estimator={name} contains an "
                "augmenter already: pass either a plain classifier with augmenter=, or the "
                "augmenting estimator without."
            )
        augmented = estimator
    else:
        augmenter = RHVAEAugmenter(random_state=root % 2**32) if augmenter is None else augmenter
        augmented = AugmentedClassifier(augmenter, estimator)
    if _holds_sampler(plain):
        raise ValueError(
            f"estimator={name} contains a sampler that cannot be taken out of it, so there is "
            "nothing to compare it to: pass the pipeline itself, or AugmentedClassifier(augmenter, "
            f"{name}(...)) around a plain one."
        )
    return augmented, plain


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


def _holds_sampler(estimator):
    """Return True if a parameter, at any depth, augments or resamples."""
    return any(
        isinstance(value, AugmentedClassifier) or hasattr(value, "fit_resample")
        for value in estimator.get_params(deep=True).values()
    )


def _check_settings(n_repeats, scoring, confidence_level):
    check_count("n_repeats", n_repeats)
    if not isinstance(scoring, str) and not callable(scoring):
        raise TypeError(
            f"scoring must be the name of one scorer or a callable, got {named(scoring)}: pass "
            "one, and call augmentation_gain again for another."
        )
    check_share("confidence_level", confidence_level, 0.95)


def _splits(X, y, groups, cv, n_repeats, root):
    """Return the splits as a list of pairs of index arrays, the same for both estimators."""
    check_classification_targets(y)
    labels, _, y_index = distinct_labels(y)
    counts = np.bincount(y_index)
    if len(labels) < 2:
        raise ValueError(
            f"y has {len(labels)} class in {len(y)} rows: pass rows of at least two classes."
        )
    if isinstance(cv, Integral):
        if cv < 2:
            raise ValueError(f"cv={cv} is not a number of folds: pass an int of at least 2.")
        if groups is not None:
            raise ValueError(
                f"groups was given, but cv={cv} makes folds that do not look at groups: pass a "
                "splitter that does, such as cv=StratifiedGroupKFold(5)."
            )
        if counts.min() < cv:
            raise ValueError(
                f"cv={cv} needs at least {cv} rows of every class, got {counts.min()} of class "
                f"{labels.tolist()[counts.argmin()]!r}: pass a smaller cv or a splitter, or leave "
                "out the class."
            )
        # An int seed gives the folds that scikit-learn makes of it; numpy's seeds end at 2**32.
        cv = RepeatedStratifiedKFold(n_splits=cv, n_repeats=n_repeats, random_state=root % 2**32)
    splits = list(check_cv(cv, y, classifier=True).split(X, y, groups))
    if len(splits) < 2:
        raise ValueError(
            f"cv={named(cv)} must give at least 2 splits, got {len(splits)}: pass more, as an "
            "interval needs more than one difference."
        )
    # A user's splits may be lists of indices, or masks.
    splits = [
        tuple(np.arange(len(y))[np.asarray(part)] if len(part) else part for part in split)
        for split in splits
    ]
    for i, (train, test) in enumerate(splits):
        n_shared = len(np.intersect1d(train, test))
        if n_shared or not len(train) or not len(test):
            raise ValueError(
                f"cv must part the rows, but split {i} has {len(train)} training rows, {len(test)} "
                f"test rows and {n_shared} in both: pass splits whose two parts hold rows and "
                "share none."
            )
    return splits


def _check_scores(scores, name, which):
    if not np.isfinite(scores).all():
        i = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(
            f"scoring={name!r} gave {scores[i]} on split {i} {which}: choose a score that is "
            "finite on every test part, or splits whose parts hold every class."
        )


def _corrected_interval(differences, n_train, n_test, confidence_level):
    """Return the interval of a mean difference over resampled splits.

    ``mean(d) ± t * sqrt((1/J + mean(n_test / n_train)) * var(d))``, with t the quantile
    (1 + confidence_level) / 2 of Student's distribution with J - 1 degrees of freedom and
    var(d) the sample variance. This is the corrected resampled t-test of Nadeau and Bengio,
    "Inference for the Generalization Error", Machine Learning 52, 2003. The term 1/J alone would
    take the splits for independent, which they are not: their training parts share rows.

    Parameters
    ----------
    differences : ndarray of shape (n_splits,)
        d, one for each of J = n_splits splits, at least 2.
    n_train, n_test : ndarray of int of shape (n_splits,)
        Rows in the two parts of each split.
    confidence_level : float
        In (0, 1).

    Returns
    -------
    low, high : float
        Both equal to the mean where all differences are equal.
    """
    mean = differences.mean()
    if np.ptp(differences) == 0:  # the variance of equal numbers may round to more than zero
        return float(differences[0]), float(differences[0])
    n_splits = len(differences)
    scale = np.sqrt((1 / n_splits + np.mean(n_test / n_train)) * differences.var(ddof=1))
    half_width = stats.t.ppf((1 + confidence_level) / 2, n_splits - 1) * scale
    return float(mean - half_width), float(mean + half_width)
