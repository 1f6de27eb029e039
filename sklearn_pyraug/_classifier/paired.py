"""Paired cross-validation: several models on the same splits."""

import re
import time
from inspect import signature
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold, check_cv
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from tqdm.auto import tqdm

from .._generation.jobs import results_as
from .._preprocessing.containers import take
from .._preprocessing.label_encoder import distinct_labels
from .._validation import add_note, columns_are_named, named
from .augmented import weight_parameter

# Name of the method without augmentation.
NOTHING = "nothing"
# scikit-learn's scores between 0 and 1.
_PROPORTION = re.compile(
    r"(balanced_|top_k_)?accuracy|average_precision|roc_auc(_ov[or](_weighted)?)?"
    r"|(f1|jaccard|precision|recall)(_(macro|micro|samples|weighted))?"
)


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


class Run(NamedTuple):
    """Scores of one method, of shape (n_splits,), and its mean seconds of a fit."""

    scores: np.ndarray
    seconds: float


def run_all(title, models, X, y, sample_weight, splits, scorer, scoring, n_jobs, verbose):
    """Score all methods on all splits.

    Parameters
    ----------
    title : str
        What the progress bar and the note of an error are about.
    models : dict of str to Method
    X, y : object
        All rows and labels.
    sample_weight : ndarray of shape (n_samples,) or None
    splits : list of tuple of ndarray of int
    scorer : callable
    scoring : str
        The name of its score.
    n_jobs : int or None
    verbose : int

    Returns
    -------
    runs : dict of str to Run
    left_out : dict of str to str
        Why the other methods could not be measured.
    """
    # Without augmentation first: it is fast, and shows errors that have other causes.
    tasks = [(name, i) for name in models for i in range(len(splits))]
    fits = Parallel(n_jobs=n_jobs, return_as=results_as())(
        delayed(_score)(title, name, models[name], X, y, sample_weight, splits[i], scorer)
        for name, i in tasks
    )
    runs, left_out = {}, {}
    with tqdm(total=len(tasks), desc=title, unit="fit", leave=False, disable=not verbose) as bar:
        for (name, i), result in zip(tasks, fits, strict=True):
            bar.set_postfix_str(name, refresh=False)
            bar.update()
            if isinstance(result, str):
                left_out[name] = result
                continue
            _check_score(result[0], scoring, i, name)
            runs.setdefault(name, []).append(result)
    kept = {name: zip(*run, strict=True) for name, run in runs.items() if name not in left_out}
    return {name: Run(np.array(s), float(np.mean(t))) for name, (s, t) in kept.items()}, left_out


def _score(title, name, method, X, y, sample_weight, split, scorer):
    """Return the score of a method on a split and the seconds of its fit, or why it has none."""
    train, test = split
    model, stage = clone(method.model), "fit"
    start = time.perf_counter()
    try:
        with columns_are_named(X, "classifier"):
            model.fit(take(X, train), y[train], **weights_for(model, sample_weight, train))
        seconds, stage = time.perf_counter() - start, "score"
        weights = weights_for(scorer, sample_weight, test)
        with columns_are_named(X, None):  # a scorer may refuse the text of labels
            return scorer(model, take(X, test), y[test], **weights), seconds
    except Exception as error:
        if method.optional:
            return f"{type(error).__name__} in a {stage}"
        add_note(error, f"{title}: in a {stage} with {name!r}.")
        if "pos_label" in str(error):
            add_note(
                error,
                "The score is one of a positive class: pass labels that are True for it, such as "
                "y == 'ill', or the score of all classes, such as scoring='f1_macro'.",
            )
        raise


def weights_for(taker, sample_weight, rows=slice(None)):
    """Return the weights of some rows as a keyword for a model's fit, or for a scorer.

    A scorer whose metric takes none gets none.
    """
    if sample_weight is None:
        return {}
    if hasattr(taker, "fit"):
        return {weight_parameter(taker): sample_weight[rows]}
    # scikit-learn's scorers take weights even if their metric does not.
    takes = "sample_weight" in signature(getattr(taker, "_score_func", taker)).parameters
    return {"sample_weight": sample_weight[rows]} if takes else {}


def make_splits(X, y, groups, cv, n_repeats, seed):
    """Return the splits as a list of pairs of index arrays, the same for all methods."""
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
                "splitter that does, such as cv=StratifiedGroupKFold(5), or LeaveOneGroupOut() "
                "where the groups are few."
            )
        if counts.min() < cv:
            raise ValueError(
                f"cv={cv} needs at least {cv} rows of every class, got {counts.min()} of class "
                f"{labels.tolist()[counts.argmin()]!r}: pass a smaller cv or a splitter, or leave "
                "out the class."
            )
        cv = RepeatedStratifiedKFold(n_splits=cv, n_repeats=n_repeats, random_state=seed)
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


def _check_score(score, name, i, method):
    if not isinstance(score, Real):
        raise ValueError(
            f"scoring={name!r} must return a number, got {score!r} of the type "
            f"{type(score).__name__}: pass the name of one score, or a callable that returns one."
        )
    if not np.isfinite(score):
        raise ValueError(
            f"scoring={name!r} gave {score} on split {i} with {method!r}: choose a score that is "
            "finite on every test part, or splits whose parts hold every class."
        )


def standard_error(differences, n_train, n_test):
    """Return the standard error of a mean difference over resampled splits.

    ``sqrt((1/J + n_test/n_train) * var(d))``, where the second term stands for the rows that
    training parts share: Nadeau and Bengio's correction.

    Parameters
    ----------
    differences : ndarray of shape (n_splits,)
    n_train, n_test : ndarray of int of shape (n_splits,)
        Sizes of the two parts of each split.

    Returns
    -------
    error : float
        0.0 where all differences are equal.
    """
    if np.ptp(differences) == 0:  # rounding may make the variance of equal numbers positive
        return 0.0
    share = 1 / len(differences) + np.mean(n_test / n_train)
    return float(np.sqrt(share * differences.var(ddof=1)))


def score_name(scoring):
    """Return the name of a score, given by name or as a function: "score" where it has none."""
    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    return "score" if name == "<lambda>" else name


def is_proportion(scoring):
    """Return True for a score between 0 and 1, whose differences read best in hundredths."""
    return _PROPORTION.fullmatch(scoring) is not None


def in_words(scoring):
    """Return the name of a score as it is said in a sentence."""
    if scoring == "score":
        return "the score"
    words = re.sub("^neg_", "negative_", scoring).replace("_", " ")
    return words.replace("roc auc", "ROC AUC").replace("f1", "F1")
