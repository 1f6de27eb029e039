"""Cross-validation of data that were augmented beforehand."""

import numpy as np
from sklearn.model_selection import BaseCrossValidator, check_cv

from ._sklearn_compat import _num_samples, _safe_indexing

__all__ = ["OriginSplit"]


class OriginSplit(BaseCrossValidator):
    """Split augmented data so that synthetic rows stay with the rows that they started from.

    An inner splitter makes the folds of the real rows. Test sets hold real rows only. A synthetic
    row is in a training set only if its origin is.

    .. warning::
       This removes the most direct leak, but not all of it. The generator has seen all rows,
       including those of the test sets, and a synthetic row also carries parts of rows other than
       its origin. Scores may be too good. If the generator can be trained again, augment within
       the folds, with :class:`~sklearn_pyraug.AugmentedClassifier` or
       :class:`~sklearn_pyraug.pipeline.Pipeline`.

    Parameters
    ----------
    cv : int, splitter or list, default=5
        Splitter of the real rows, as in :func:`sklearn.model_selection.cross_validate`: a number
        of stratified folds, a splitter such as :class:`~sklearn.model_selection.GroupKFold`, or a
        list of pairs of positions among the real rows.
    origin_indices : array-like of int of shape (n_samples,), default=None
        Position of the origin of each row in the augmented data, which for a real row is its own:
        the attribute ``origin_indices_`` of :class:`~sklearn_pyraug.RHVAEAugmenter`. None takes
        the `groups` of :meth:`split` as origins.

    See Also
    --------
    sklearn_pyraug.AugmentedClassifier : Augments the training rows of each fold.

    Notes
    -----
    With `origin_indices`, the inner splitter gets the `groups` of the real rows. With the attribute
    ``groups_`` of the augmenter and :class:`~sklearn.model_selection.GroupKFold`, no patient is on
    both sides. Without `origin_indices`, the inner splitter gets no groups.

    If metadata routing is enabled, the splitter requests `groups`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn_pyraug import RHVAEAugmenter
    >>> from sklearn_pyraug.model_selection import OriginSplit
    >>> X, y = load_iris(return_X_y=True)
    >>> augmenter = RHVAEAugmenter(max_epochs=5, random_state=0)
    >>> X_res, y_res = augmenter.fit_resample(X, y)
    >>> classifier = LogisticRegression(max_iter=1000)
    >>> cross_val_score(
    ...     classifier, X_res, y_res, cv=OriginSplit(5), groups=augmenter.origin_indices_
    ... ).shape
    (5,)

    The 150 real rows are tested, 30 in each fold.

    >>> splitter = OriginSplit(5, origin_indices=augmenter.origin_indices_)
    >>> [len(test) for train, test in splitter.split(X_res, y_res)]
    [30, 30, 30, 30, 30]
    """

    # For metadata routing: `groups` are requested.
    __metadata_request__split = {"groups": True}

    def __init__(self, cv=5, *, origin_indices=None):
        self.cv = cv
        self.origin_indices = origin_indices

    def split(self, X, y=None, groups=None):
        """Yield the positions of training and test rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The augmented data.
        y : array-like of shape (n_samples,), default=None
            Their labels.
        groups : array-like of shape (n_samples,), default=None
            The origins where `origin_indices` is None, else groups for the inner splitter.

        Yields
        ------
        train : ndarray of int
            Real and synthetic rows, in their order.
        test : ndarray of int
            Real rows.

        Raises
        ------
        ValueError
            If the origins are not one real row for each row.
        """
        origins, real, inner, given = self._real_rows(X, y, groups)
        for train, test in inner.split(*given):
            in_training = np.zeros(len(origins), dtype=bool)
            in_training[real[train]] = True
            yield np.flatnonzero(in_training[origins]), real[test]

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object, default=None
            As :meth:`split` takes them; most inner splitters do without.

        Returns
        -------
        n_splits : int
        """
        if X is None:
            return check_cv(self.cv, classifier=True).get_n_splits()
        _, _, inner, given = self._real_rows(X, y, groups)
        return inner.get_n_splits(*given)

    def _real_rows(self, X, y, groups):
        """Return the origins, where the real rows are, the inner splitter and its arguments."""
        if self.origin_indices is None and groups is None:
            raise ValueError(
                "origin_indices=None, and no groups were given: pass augmenter.origin_indices_ as "
                "one of the two."
            )
        if self.origin_indices is None:
            origins, groups = groups, None
        else:
            origins = self.origin_indices
        origins = _check_origins(origins, X)
        real = np.flatnonzero(origins == np.arange(len(origins)))
        given = [None if v is None else _safe_indexing(v, real) for v in (X, y, groups)]
        return origins, real, check_cv(self.cv, given[1], classifier=True), given


def _check_origins(origins, X):
    """Return the origins as an array, every one of them a real row."""
    origins, n = np.asarray(origins), _num_samples(X)
    fit = origins.shape in [(n,), (n, 1)] and origins.dtype.kind in "iu"
    flat = origins.ravel()
    # The origin of a real row is itself, so that no synthetic row can be one.
    if not fit or np.any((flat < 0) | (flat >= n)) or np.any(flat[flat] != flat):
        raise ValueError(
            f"The origins, of shape {origins.shape} and dtype {origins.dtype}, are not the "
            f"positions of real rows among the {n} rows: pass augmenter.origin_indices_ for all "
            "rows that fit_resample has returned, in their order, and groups such as patients "
            "together with OriginSplit(origin_indices=...)."
        )
    return flat
