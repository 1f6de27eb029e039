"""Whether a classifier can tell synthetic rows from real ones."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, check_cv, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from .._random import root_seed
from .._validation import check_count, named
from ._pairs import check_sets, permutation_p_value, standardize
from ._utility import check_classifier


class TwoSampleResult(NamedTuple):
    """How far two sets of rows differ, and how likely chance alone is to make them differ so.

    Attributes
    ----------
    statistic : float
        See the function that returns it.
    p_value : float in (0, 1]
        Share of random divisions of all rows into two sets of these sizes, the given one counted
        among them, whose statistic is at least as large. NaN where none was drawn. Small values
        say that the sets differ; large ones that these rows do not show it.

    See Also
    --------
    classifier_two_sample_test : The statistic is the area under a ROC curve.
    maximum_mean_discrepancy : The statistic is a squared distance of distributions.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import TwoSampleResult
    >>> TwoSampleResult(0.53, 0.21).p_value
    0.21
    """

    statistic: float
    p_value: float


def classifier_two_sample_test(
    X_real, X_synthetic, *, classifier=None, cv=5, n_permutations=100, random_state=None
):
    """Test whether a classifier can tell synthetic rows from real ones.

    Parameters
    ----------
    X_real : array-like of shape (n_real, n_features)
        Real rows: a hold-out set, or the training rows with the caution in the notes.
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    classifier : classifier, default=None
        A scikit-learn classifier with ``predict_proba`` or ``decision_function``; it is cloned,
        gets the rows as they come, and has a seed of its own. None is
        :class:`~sklearn.neighbors.KNeighborsClassifier` with the square root of the number of all
        rows as number of neighbours, on columns divided by their standard deviation in both sets.
    cv : int, splitter or iterable, default=5
        An int is the number of folds, each with its share of both sets. A splitter, or an iterable
        of pairs of training and test indices, refers to the real rows followed by the synthetic
        ones.
    n_permutations : int, default=100
        Random divisions of the rows. The least p-value is 1 / (1 + n_permutations). Each takes
        `cv` fits of a `classifier` or with a splitter, and next to no time without either. 0
        leaves out the test, and the p-value is NaN.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and the divisions. None draws a new one.

    Returns
    -------
    result : TwoSampleResult
        The statistic is the area under the ROC curve on the test folds, averaged over folds, in
        [0, 1]. It is about 0.5 for sets of one distribution and 1 for sets told apart without
        error: lower is better, down to 0.5.

    Raises
    ------
    TypeError
        If `classifier` is no classifier, or has neither of these methods.
    ValueError
        If a set is not two-dimensional or not finite, has fewer rows than folds, if they differ in
        their number of columns, if a fold has no rows of one of the sets, or if `n_permutations` or
        `random_state` is out of its range.

    See Also
    --------
    maximum_mean_discrepancy : A test without a classifier.

    Notes
    -----
    This is the classifier two-sample test [1]_ with the area under the ROC curve in place of the
    accuracy, so that sets of different sizes do not move the value of chance. Rows change places
    and the folds stay, so that the p-value is exact under the null hypothesis: at most a share a
    of independent sets of one distribution has a p-value of a or less. Without `classifier`, and
    with a number as `cv`, rows change places within their test fold: that is exact as well, and
    each has the same nearest neighbours every time, which are searched for once.

    The test is one-sided. A statistic clearly *below* 0.5 is a sign of copies: a copy has its
    neighbour in the other set. So a generator that stays close to its training rows may look
    better than it is when compared to them; compare it to rows that it has not seen.

    A small p-value with an area near 0.5 says that many rows reveal a small difference. A large
    one does not say that the sets are equal: this classifier, on so few rows, found nothing.

    References
    ----------
    .. [1] D. Lopez-Paz, M. Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017,
       arXiv:1610.06545.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.metrics import classifier_two_sample_test
    >>> rng = np.random.default_rng(0)
    >>> X_real, X_synthetic = rng.normal(size=(60, 2)), rng.normal(size=(40, 2)) + 2
    >>> result = classifier_two_sample_test(
    ...     X_real, X_synthetic, n_permutations=19, random_state=0
    ... )
    >>> result.statistic > 0.9
    True
    >>> result.p_value
    0.05
    """
    root = root_seed(random_state)
    check_count("n_permutations", n_permutations, least=0)
    if classifier is not None:
        check_classifier(classifier)
        _check_ranks(classifier)
    X_real, X_synthetic = check_sets(X_real=X_real, X_synthetic=X_synthetic)
    X = np.concatenate([X_real, X_synthetic])
    y = np.repeat([0, 1], [len(X_real), len(X_synthetic)])
    splits = _splits(cv, X, y, root)
    rng = np.random.default_rng(root)
    searched_once = classifier is None and isinstance(cv, Integral)
    if classifier is None:
        # In units of both sets together, so that permutations do not change them.
        (X,) = standardize(X, X)
        # A training part may have fewer rows: with 2 folds, half of them.
        n_neighbors = min(int(np.sqrt(len(X))), min(len(train) for train, _ in splits))
        classifier = KNeighborsClassifier(n_neighbors)
    if searched_once:
        observed, *permuted = _neighbor_areas(classifier, X, y, splits, n_permutations, rng)
    else:
        observed = _mean_area(classifier, X, y, splits)
        permuted = [
            _mean_area(classifier, X[rng.permutation(len(X))], y, splits)
            for _ in range(n_permutations)
        ]
    return TwoSampleResult(float(observed), permutation_p_value(observed, permuted))


def _check_ranks(classifier):
    if not any(hasattr(classifier, name) for name in ("decision_function", "predict_proba")):
        raise TypeError(
            f"`classifier` is {named(classifier)}, with neither predict_proba nor "
            "decision_function; give one that can rank rows, such as LogisticRegression()."
        )


def _splits(cv, X, y, root):
    """Return the splits as a list of pairs of index arrays, with both sets in every part."""
    if isinstance(cv, Integral):
        check_count("cv", cv, least=2)
        fewest = np.bincount(y).min()
        if fewest < cv:
            raise ValueError(
                f"`cv` is {cv!r} with {fewest} rows in the smaller set; give at most as many folds."
            )
        cv = StratifiedKFold(cv, shuffle=True, random_state=root % 2**32)
    splits = [
        tuple(np.arange(len(y))[np.asarray(part)] for part in split)
        for split in check_cv(cv, y, classifier=True).split(X, y)
    ]
    if not splits or any(len(np.unique(y[part])) < 2 for split in splits for part in split):
        raise ValueError(
            f"`cv` is {named(cv)}, which makes no splits, or some with a part without real or "
            "without synthetic rows; give a stratified splitter, or the number of folds."
        )
    return splits


def _mean_area(classifier, X, y, splits):
    """Return the mean over the folds of the areas under the ROC curve."""
    scoring = {"scoring": "roc_auc", "error_score": "raise"}
    return cross_val_score(classifier, X, y, cv=splits, **scoring).mean()


def _neighbor_areas(classifier, X, y, splits, n_permutations, rng):
    """Return what :func:`_mean_area` does of a classifier by neighbours, for several labellings.

    Parameters
    ----------
    classifier : KNeighborsClassifier
    X : ndarray of shape (n, n_features)
    y : ndarray of int of shape (n,)
        0 or 1.
    splits : list of (train, test)
        Every row is in one test part.
    n_permutations : int
    rng : numpy.random.Generator

    Returns
    -------
    areas : ndarray of shape (1 + n_permutations,)
        First that of y, then those of labels that changed places within the test parts.
    """
    labels = np.tile(y, (1 + n_permutations, 1))
    for _, test in splits:
        labels[1:, test] = rng.permuted(labels[1:, test], axis=1)
    areas = np.zeros(len(labels))
    for train, test in splits:
        fitted = clone(classifier).fit(X[train], y[train])
        neighbors = train[fitted.kneighbors(X[test], return_distance=False)]
        # The number of neighbours with label 1 has the same ranks as their share.
        scores = np.zeros((len(labels), len(test)), dtype=int)
        for nearest in neighbors.T:
            scores += labels[:, nearest]
        ranks, is_one = rankdata(scores, axis=1), labels[:, test]
        n_one = is_one[0].sum()
        n_above = (ranks * is_one).sum(1) - n_one * (n_one + 1) / 2
        areas += n_above / (n_one * (len(test) - n_one))
    return areas / len(splits)
