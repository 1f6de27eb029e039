"""A classifier that augments its training rows, for plain scikit-learn pipelines."""

from __future__ import annotations

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    clone,
    is_classifier,
)
from sklearn.utils import InputTags, _safe_indexing, assert_all_finite, check_array, get_tags
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    has_fit_parameter,
)

from ._sklearn_compat import HasMethods, Interval, _fit_context

__all__ = ["AugmentedClassifier"]


def _classifier_has(name):
    """Make the check of `available_if`: the classifier has the attribute `name`."""

    def check(self):
        # The fitted classifier is asked first: some classifiers, a pipeline or a grid search
        # among them, know what they can do only once they are fitted. `getattr` rather than
        # `hasattr`, so that the classifier's own reason is kept in the traceback.
        getattr(getattr(self, "classifier_", self.classifier), name)
        return True

    return check


def _tags_or_none(estimator):
    """Return the scikit-learn tags of `estimator`, or None where it has none."""
    try:
        return get_tags(estimator)
    except (AttributeError, TypeError):
        return None


def _takes_sample_weight(classifier):
    """Tell whether ``classifier.fit`` can be given `sample_weight`.

    Parameters
    ----------
    classifier : estimator
        The classifier.

    Returns
    -------
    takes : bool
        True if ``fit`` names the argument, or if metadata routing is enabled and the classifier
        routes it to one of its own estimators.
    """
    if has_fit_parameter(classifier, "sample_weight"):
        return True
    if not get_config()["enable_metadata_routing"]:
        return False
    return "sample_weight" in get_routing_for_object(classifier).consumes("fit", ["sample_weight"])


def _check_target(y):
    """Return the target as an array of shape (n_samples,); refuse what is not a class label."""
    assert_all_finite(y, input_name="y")
    target_type = type_of_target(y, input_name="y")
    if target_type == "multilabel-indicator" or target_type.endswith("multioutput"):
        raise ValueError(
            "Multilabel and multioutput targets are not supported. "
            f"The target y is of type {target_type!r}: pass one label for each row, or wrap the "
            "AugmentedClassifier in sklearn.multioutput.MultiOutputClassifier."
        )
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    return y


def _check_sample_weight(sample_weight):
    """Return the weights as an array of shape (n_samples,), none negative and some positive."""
    sample_weight = check_array(
        sample_weight,
        ensure_2d=False,
        dtype=[np.float64, np.float32],
        input_name="sample_weight",
    )
    if sample_weight.ndim != 1:
        raise ValueError(
            f"sample_weight must have one dimension, got shape {sample_weight.shape}: pass one "
            "weight for each row of X."
        )
    if np.any(sample_weight < 0):
        raise ValueError(
            f"sample_weight must not be negative, got {sample_weight.min()}: give weight zero to "
            "the rows that are to be left out."
        )
    if not np.any(sample_weight > 0):
        raise ValueError(
            "sample_weight must contain at least one positive weight, got only zeros: give a "
            "positive weight to the rows that are to be learned from."
        )
    return sample_weight


def _synthetic_mask(augmenter, y, y_out):
    """Tell the new rows from the real ones, and check that the real ones are all there.

    Parameters
    ----------
    augmenter : sampler
        The fitted augmenter. Its attribute `synthetic_mask_` is believed where there is one;
        otherwise the real rows are the first ones, which is the convention of imbalanced-learn.
    y : ndarray of shape (n_samples,)
        Labels that were given to the augmenter.
    y_out : ndarray of shape (n_samples_out,)
        Labels that the augmenter returned.

    Returns
    -------
    mask : ndarray of shape (n_samples_out,), dtype bool
        True for a new row.
    """
    mask = getattr(augmenter, "synthetic_mask_", None)
    if mask is None:
        mask = np.arange(y_out.shape[0]) >= y.shape[0]
    else:
        mask = np.asarray(mask, dtype=bool)

    name = type(augmenter).__name__
    if mask.shape != y_out.shape or not np.array_equal(y_out[~mask], y):
        raise ValueError(
            f"augmenter={name} did not return the {y.shape[0]} rows it was given, in their order, "
            f"among the {y_out.shape[0]} rows that it returned: use an over-sampler, which keeps "
            "every row and adds new ones after them. For one that removes or reorders rows, use "
            "sklearn_pyraug.pipeline.Pipeline instead of AugmentedClassifier."
        )
    unknown = np.setdiff1d(y_out[mask], y)
    if unknown.size:
        raise ValueError(
            f"augmenter={name} returned rows with the labels {unknown.tolist()}, which are not "
            "among the labels in y: use an augmenter that adds rows to the classes it was given."
        )
    return mask


def _augmented_weight(sample_weight, y, y_out, mask, synthetic_weight):
    """Extend the weights of the real rows to the new ones.

    ``w[new row of class k] = synthetic_weight * mean(w[real rows of class k])``

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,)
        Weights of the real rows.
    y : ndarray of shape (n_samples,)
        Labels of the real rows.
    y_out : ndarray of shape (n_samples_out,)
        Labels of all rows.
    mask : ndarray of shape (n_samples_out,), dtype bool
        True for a new row.
    synthetic_weight : float
        Weight of a new row, relative to the mean real row of its class.

    Returns
    -------
    weight : ndarray of shape (n_samples_out,)
        Weights of all rows.
    """
    classes, codes = np.unique(y, return_inverse=True)
    mean = np.bincount(codes, weights=sample_weight) / np.bincount(codes)
    weight = np.empty(y_out.shape[0], dtype=sample_weight.dtype)
    weight[~mask] = sample_weight
    weight[mask] = synthetic_weight * mean[np.searchsorted(classes, y_out[mask])]
    return weight


class AugmentedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Classifier fitted on its training rows and on synthetic ones.

    During :meth:`fit` the training rows go through the augmenter, and the classifier is fitted on
    what comes out. Predictions are the classifier's own. The steps of a scikit-learn
    :class:`~sklearn.pipeline.Pipeline` cannot change the number of rows, so an augmenter cannot be
    one of them; this meta-estimator can be its last step. In cross-validation only the training
    part of each fold is augmented.

    Parameters
    ----------
    augmenter : sampler
        Any object with ``fit_resample(X, y)`` that returns the rows it was given followed by new
        ones: :class:`~sklearn_pyraug.RHVAEAugmenter`, or an over-sampler of imbalanced-learn. It
        is cloned.

    classifier : classifier
        Classifier to be fitted on the augmented rows. It is cloned.

    synthetic_weight : float, default=1.0
        Weight of a new row in the fit of the classifier, relative to the mean weight of the real
        rows of its class. A value below 1 trusts new rows less than real ones. A value other
        than 1 needs a classifier whose ``fit`` takes `sample_weight`.

    Attributes
    ----------
    augmenter_ : sampler
        The augmenter, fitted. It is not fitted where the training rows have a single class.

    classifier_ : classifier
        The classifier, fitted on the augmented rows.

    classes_ : ndarray of shape (n_classes,)
        Labels known to `classifier_`.

    n_features_in_ : int
        Number of features seen during :meth:`fit`. Defined only if `classifier_` defines it.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen during :meth:`fit`. Defined only if `classifier_` defines them.

    See Also
    --------
    sklearn_pyraug.RHVAEAugmenter : Augmenter built on a Riemannian Hamiltonian VAE.
    sklearn_pyraug.pipeline.Pipeline : Pipeline that takes a sampler as one of its steps.

    Notes
    -----
    Which rows are new is read from the attribute ``synthetic_mask_`` of the fitted augmenter. An
    augmenter without it must return the real rows first.

    Training rows of a single class are passed on to the classifier as they are, since there is
    nothing to balance; the classifier decides whether it accepts them.

    A row of weight zero is left out before the augmentation, as if it were absent. The other
    weights are not shown to the augmenter, only to the classifier, so that a row of weight two is
    not the same as two rows for an augmenter that counts rows.

    With metadata routing enabled, the meta-estimator consumes `sample_weight` itself
    (``set_fit_request(sample_weight=True)``) and hands the extended weights to the classifier.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_pyraug import AugmentedClassifier
    >>> X, y = make_classification(weights=[0.8], class_sep=2.0, random_state=0)
    >>> classifier = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression())
    >>> pipeline = make_pipeline(StandardScaler(), classifier)
    >>> pipeline.fit(X, y).predict(X[:5]).shape
    (5,)
    >>> cross_val_score(pipeline, X, y, scoring="balanced_accuracy").shape
    (5,)
    """

    _parameter_constraints: dict = {
        "augmenter": [HasMethods(["fit_resample"])],
        "classifier": [HasMethods(["fit", "predict"])],
        "synthetic_weight": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, augmenter, classifier, *, synthetic_weight=1.0):
        self.augmenter = augmenter
        self.classifier = classifier
        self.synthetic_weight = synthetic_weight

    # The parameters of the augmenter and of the classifier are theirs to validate.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Augment the training rows and fit the classifier on all of them.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Training rows, of any kind that the augmenter and the classifier both accept.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A new row gets `synthetic_weight` times the mean weight of the
            real rows of its class. Rows of weight zero are left out.

        Returns
        -------
        self : AugmentedClassifier
            The fitted classifier.
        """
        tags = _tags_or_none(self.classifier)
        if tags is None or not is_classifier(self.classifier):
            raise TypeError(
                f"classifier must be a scikit-learn classifier, got {self.classifier!r}: pass an "
                "estimator that inherits from sklearn.base.ClassifierMixin."
            )
        y = _check_target(y)
        weighted = sample_weight is not None or self.synthetic_weight != 1
        if weighted and not _takes_sample_weight(self.classifier):
            cause = "synthetic_weight" if sample_weight is None else "sample_weight"
            raise ValueError(
                f"{cause} was given, but classifier={type(self.classifier).__name__} takes no "
                "sample_weight in fit: leave synthetic_weight at 1.0 and sample_weight at None, or "
                "choose a classifier that takes weights. A Pipeline takes none; make the "
                "AugmentedClassifier its last step instead."
            )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight)
        check_consistent_length(X, y, sample_weight)

        if sample_weight is not None and not np.all(sample_weight):
            kept = np.flatnonzero(sample_weight)
            # Not every sparse format can be indexed by row; CSR can.
            X = _safe_indexing(X.tocsr() if sparse.issparse(X) else X, kept)
            y, sample_weight = y[kept], sample_weight[kept]

        self.augmenter_ = clone(self.augmenter)
        classifier = clone(self.classifier)
        if np.unique(y).size > 1:
            X_out, y_out = self.augmenter_.fit_resample(X, y)
            y_out = column_or_1d(y_out)
            mask = _synthetic_mask(self.augmenter_, y, y_out)
        else:
            X_out, y_out, mask = X, y, np.zeros(y.shape[0], dtype=bool)

        if weighted:
            if sample_weight is None:
                sample_weight = np.ones(y.shape[0])
            weight = _augmented_weight(sample_weight, y, y_out, mask, self.synthetic_weight)
            self.classifier_ = classifier.fit(X_out, y_out, sample_weight=weight)
        else:
            self.classifier_ = classifier.fit(X_out, y_out)
        return self

    @property
    def classes_(self):
        """Labels known to the classifier, of shape (n_classes,)."""
        return self._fitted("classes_").classes_

    @property
    def n_features_in_(self):
        """Number of features seen during fit."""
        return self._fitted("n_features_in_").n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the features seen during fit, of shape (n_features_in_,)."""
        return self._fitted("feature_names_in_").feature_names_in_

    def _fitted(self, name):
        """Return the fitted classifier; `hasattr` must say no to `name` before the fit."""
        if "classifier_" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r} before it is fitted: call fit "
                "first."
            )
        return self.classifier_

    def predict(self, X):
        """Predict the label of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels.
        """
        check_is_fitted(self)
        return self.classifier_.predict(X)

    @available_if(_classifier_has("predict_proba"))
    def predict_proba(self, X):
        """Predict the probability of each class. Available if the classifier has it.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        check_is_fitted(self)
        return self.classifier_.predict_proba(X)

    @available_if(_classifier_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Predict the log-probability of each class. Available if the classifier has it.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of the probabilities, in the order of `classes_`.
        """
        check_is_fitted(self)
        return self.classifier_.predict_log_proba(X)

    @available_if(_classifier_has("decision_function"))
    def decision_function(self, X):
        """Compute the decision function. Available if the classifier has it.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision function of the classifier.
        """
        check_is_fitted(self)
        return self.classifier_.decision_function(X)

    @available_if(_classifier_has("score"))
    def score(self, X, y, sample_weight=None):
        """Score the predictions with the classifier's own score, by default the accuracy.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows.

        y : array-like of shape (n_samples,)
            True labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            The score.
        """
        check_is_fitted(self)
        # Not every `score` takes weights (that of a grid search does not).
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.classifier_.score(X, y, **weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = [_tags_or_none(self.augmenter), _tags_or_none(self.classifier)]
        inputs = [InputTags() if t is None else t.input_tags for t in inner]
        # What both accept is accepted, what either needs is needed.
        for name in ("sparse", "allow_nan", "string", "categorical", "three_d_array"):
            setattr(tags.input_tags, name, all(getattr(i, name) for i in inputs))
        tags.input_tags.positive_only = any(i.positive_only for i in inputs)
        tags.non_deterministic = any(t is not None and t.non_deterministic for t in inner)
        tags.no_validation = all(t is not None and t.no_validation for t in inner)
        if inner[1] is not None and inner[1].classifier_tags is not None:
            tags.classifier_tags.poor_score = inner[1].classifier_tags.poor_score
            tags.classifier_tags.multi_class = inner[1].classifier_tags.multi_class
        return tags
