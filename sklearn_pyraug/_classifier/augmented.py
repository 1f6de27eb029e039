"""A classifier that augments its training rows, for plain scikit-learn pipelines."""

from __future__ import annotations

import warnings
from inspect import signature
from numbers import Real

import numpy as np
from scipy.special import logsumexp
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import InputTags, get_tags
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    has_fit_parameter,
)

from .._metadata import check_sample_weight
from .._preprocessing.containers import as_labels, check_container, take
from .._preprocessing.masked import unmasked
from .._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    fit_task,
    sub_task,
    with_callbacks,
)
from .._validation import as_it_was, columns_are_named, named, no_data_in_errors


def _classifier_has(name):
    """Make the check of `available_if`: the classifier inside has the attribute `name`."""

    def check(self):
        # `getattr`, not `hasattr`: the classifier's own reason stays in the traceback.
        getattr(self._inner, name)
        return True

    return check


def tags_or_none(estimator):
    """Return the scikit-learn tags of `estimator`, or None where it has none."""
    try:
        return get_tags(estimator)
    except (AttributeError, TypeError):
        return None


def weight_parameter(model):
    """Return the name by which ``model.fit`` takes weights of rows, None where it takes none.

    That of a pipeline is its last step's, unless metadata routing is enabled: it is then
    `sample_weight` wherever a step requests it.
    """
    name = "sample_weight"
    if has_fit_parameter(model, name):
        return name
    if get_config()["enable_metadata_routing"]:
        return name if name in get_routing_for_object(model).consumes("fit", [name]) else None
    if not isinstance(model, Pipeline):
        return None
    step, last = model.steps[-1]
    inner = weight_parameter(last) if hasattr(last, "fit") else None
    return inner and f"{step}__{inner}"


def no_weights(parameter, classifier):
    """Return what is said where weights of rows are meant for a classifier that takes none."""
    return (
        f"{parameter} was given, but classifier={type(classifier).__name__} takes no sample_weight "
        "in fit: leave all weights at their defaults, or choose one that does. Where metadata "
        "routing is enabled, the last step of a pipeline has to request it."
    )


def _warn_of_inner_validation(classifier):
    """Warn of a classifier that validates itself in its fit, which here is on near copies."""
    last = classifier.steps[-1][1] if isinstance(classifier, Pipeline) else classifier
    if (
        not hasattr(last, "get_params")
        or last.get_params(deep=False).get("cv", "prefit") == "prefit"
    ):
        return
    name = type(last).__name__
    warnings.warn(
        f"classifier={name} validates itself on rows whose synthetic neighbours it is fitted on: "
        "its scores are too good, and it prefers models that remember rows. Let it hold an "
        "AugmentedClassifier instead of being held by one, as in "
        "GridSearchCV(AugmentedClassifier(augmenter, SVC()), {'classifier__C': [1, 10]}).",
        UserWarning,
        stacklevel=2,
    )


def _augmenter_takes_sample_weight(augmenter):
    """Tell whether ``augmenter.fit_resample`` names `sample_weight`, or routes it further."""
    name = "sample_weight"
    return name in signature(augmenter.fit_resample).parameters or (
        get_config()["enable_metadata_routing"]
        and name in get_routing_for_object(augmenter).consumes("fit_resample", [name])
    )


def _check_augmenter(augmenter):
    """Raise ValueError if an augmenter transforms the rows that it is given, as well."""
    steps = augmenter.steps if isinstance(augmenter, Pipeline) else []
    for name, step in steps:
        if step not in (None, "passthrough") and not hasattr(step, "fit_resample"):
            raise ValueError(
                f"augmenter={type(augmenter).__name__} transforms rows in its step {name!r}, but "
                "predict gets rows as they are: put that step into a pipeline in front of the "
                "AugmentedClassifier or, where the sampler takes raw rows, of the classifier."
            )


def check_target(y):
    """Return the target as an array of shape (n_samples,); raise for what is no class label."""
    if y.ndim == 2 and y.shape[1] > 1:
        raise ValueError(
            f"Multilabel and multioutput targets are not supported. y has {y.shape[1]} columns. "
            "Pass one column, of one label for each row, or wrap the AugmentedClassifier in "
            "sklearn.multioutput.MultiOutputClassifier."
        )
    if y.dtype == object and not all(type(v) in (str, np.str_) for v in y.flat):
        kinds = ", ".join(sorted({type(v).__name__ for v in y.flat}))
        raise ValueError(
            f"Unknown label type: y holds values of the types {kinds}, and classifiers take "
            "numbers, booleans or text. Pass y as text, such as y.astype(str)."
        )
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    return y


def _synthetic_mask(augmenter, y, y_out):
    """Tell the new rows from the real ones, and check that the real ones are all there.

    The attribute `synthetic_mask_` of the fitted augmenter is believed where there is one;
    otherwise the real rows are the first ones, which is the convention of imbalanced-learn. `y`
    of shape (n_samples,) went into the augmenter and `y_out` of shape (n_samples_out,) came out;
    the mask, of shape (n_samples_out,), is True for a new row.
    """
    by_convention = np.arange(y_out.shape[0]) >= y.shape[0]
    mask = np.asarray(getattr(augmenter, "synthetic_mask_", by_convention), dtype=bool)
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

    With ``"prevalence"`` and ``"balanced"`` that is with a factor of 1, and the rows of each class
    are then scaled alike: to the class's weight before, or to the same for all classes.

    `sample_weight` and `y`, of shape (n_samples,), are those of the real rows; `y_out` and `mask`,
    of shape (n_samples_out,), are the labels of all rows and True for a new row.
    """
    classes, codes = np.unique(y, return_inverse=True)
    codes_out = np.searchsorted(classes, y_out)
    total = np.bincount(codes, weights=sample_weight)
    mean = total / np.bincount(codes)
    share = 1.0 if isinstance(synthetic_weight, str) else synthetic_weight
    weight = np.empty(y_out.shape[0], dtype=sample_weight.dtype)
    weight[~mask] = sample_weight
    weight[mask] = share * mean[codes_out[mask]]
    if isinstance(synthetic_weight, str):
        wanted = total if synthetic_weight == "prevalence" else total.mean()
        weight *= (wanted / np.bincount(codes_out, weights=weight))[codes_out]
    return weight


def _class_shares(y, weight, classes):
    """Return the share of each class, of shape (n_classes,), in weight where there is one."""
    total = np.array([np.sum((y == label) * weight) for label in classes])
    return total / total.sum()


def _shifted(log_proba, shift):
    """Add `shift` (n_classes,) to log-probabilities (n_samples, n_classes), and normalise."""
    log_proba = log_proba + shift.astype(log_proba.dtype)
    return log_proba - logsumexp(log_proba, axis=1, keepdims=True)


class PredictionsMixin:
    """The predictions of a classifier that another holds as `_inner`, fitted if it has been."""

    def _check_classifier(self):
        if tags_or_none(self.classifier) is None or not is_classifier(self.classifier):
            raise TypeError(
                f"classifier must be a scikit-learn classifier, got {named(self.classifier)}: pass "
                "an estimator that inherits from sklearn.base.ClassifierMixin."
            )

    def _take_over(self, fitted):
        """Take the attributes that a classifier has of those it was fitted on."""
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)  # left by an earlier fit
            if hasattr(fitted, name):
                setattr(self, name, getattr(fitted, name))

    def _read(self, X):
        """Return rows for a classifier that has been fitted."""
        check_is_fitted(self)
        return unmasked(X)

    def _log_prior_ratio(self):
        """Return what the correction adds to log-probabilities, None where that is nothing."""
        return None

    @no_data_in_errors()
    def predict(self, X):
        """Predict the label of each row: the classifier's own decision.

        It is made at the class shares after augmentation, and is not always the label of the
        largest probability.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels.
        """
        return self._inner.predict(self._read(X))

    @available_if(_classifier_has("predict_proba"))
    @no_data_in_errors()
    def predict_proba(self, X):
        """Predict the probability of each class. Available if the classifier has it.

        They are those at the class shares of the real training rows, as far as they are corrected.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        proba = self._inner.predict_proba(self._read(X))
        if (shift := self._log_prior_ratio()) is None:
            return proba
        with np.errstate(divide="ignore"):  # a probability of 0 stays 0
            return np.exp(_shifted(np.log(proba), shift))

    @available_if(_classifier_has("predict_log_proba"))
    @no_data_in_errors()
    def predict_log_proba(self, X):
        """Predict the log-probability of each class. Available if the classifier has it.

        They are those at the class shares of the real training rows, as far as they are corrected.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of the probabilities, in the order of `classes_`.
        """
        log_proba = self._inner.predict_log_proba(self._read(X))
        shift = self._log_prior_ratio()
        return log_proba if shift is None else _shifted(log_proba, shift)

    @available_if(_classifier_has("decision_function"))
    @no_data_in_errors()
    def decision_function(self, X):
        """Compute the decision function. Available if the classifier has it.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision function of the classifier.
        """
        return self._inner.decision_function(self._read(X))


class AugmentedClassifier(
    PredictionsMixin, CallbackSupportMixin, ClassifierMixin, MetaEstimatorMixin, BaseEstimator
):
    r"""Classifier fitted on its training rows and on synthetic ones.

    :meth:`fit` augments the training rows and fits the classifier on the result. In
    cross-validation only the training part of each fold is augmented. Predicted labels are those of
    the classifier. Predicted probabilities are corrected to the class shares of the real rows, so
    that a rare class is found more often and its risk is not overstated. An augmenter cannot be a
    step of a scikit-learn :class:`~sklearn.pipeline.Pipeline`, whose steps cannot change the number
    of rows, but this meta-estimator can be the last step.

    Parameters
    ----------
    augmenter : sampler
        Object with ``fit_resample(X, y)`` that returns the given rows followed by new ones:
        :class:`~sklearn_pyraug.RHVAEAugmenter`, or an over-sampler of imbalanced-learn. It is
        cloned.
    classifier : classifier
        Classifier to be fitted on the augmented rows. It is cloned.
    synthetic_weight : float, "prevalence" or "balanced", default=1.0
        Weight of a new row in the fit of the classifier, relative to the mean weight of the real
        rows of its class; below 1, new rows count less than real ones. With ``"prevalence"`` new
        rows weigh as much as real ones, and the weights of each class are scaled to the sum of its
        real rows. The classifier then learns from more rows at the real class shares, and its
        decisions are not balanced. With ``"balanced"`` weights are scaled so that all classes
        weigh the same. Values other than 1 need a classifier, or a last step of a pipeline, whose
        ``fit`` takes `sample_weight`.
    prior_correction : bool, default=True
        Whether to correct :meth:`predict_proba` and :meth:`predict_log_proba` to the class shares
        of the real training rows. False gives the classifier's own probabilities, at the shares
        after augmentation. :meth:`predict` is not affected.

    Attributes
    ----------
    augmenter_ : sampler
        The augmenter, fitted unless the training rows have a single class.
    classifier_ : classifier
        The classifier, fitted on the augmented rows.
    classes_ : ndarray of shape (n_classes,)
        Labels known to `classifier_`.
    class_prior_ : ndarray of shape (n_classes,)
        Share of each class among the real training rows, of the weights if there are any.
    augmented_prior_ : ndarray of shape (n_classes,)
        Share of each class among the rows that `classifier_` was fitted on.
    n_features_in_ : int
        Number of features seen during :meth:`fit`. Defined only if `classifier_` defines it.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen during :meth:`fit`. Defined only if `classifier_` defines them.

    See Also
    --------
    sklearn_pyraug.RHVAEAugmenter : Augmenter built on a Riemannian Hamiltonian VAE.
    AugmentedClassifierCV : Chooses the augmentation by cross-validation.
    sklearn_pyraug.pipeline.Pipeline : Pipeline that takes a sampler as one of its steps.

    Notes
    -----
    If new rows are distributed as the real ones of their class, the probabilities at the shares
    :math:`\pi_k` of the real rows follow from those at the shares :math:`\tilde\pi_k` after
    augmentation [1]_ [2]_:

    .. math:: p(k \mid x) \propto \frac{\pi_k}{\tilde\pi_k}\, \tilde p(k \mid x)

    :meth:`predict` still returns the labels with the largest :math:`\tilde p`, for balanced
    classes: **they are not those of the largest probability.** A rare class whose share is 0.05 may
    be predicted at a probability of 0.1. To decide by the corrected probabilities, use
    :class:`~sklearn.model_selection.FixedThresholdClassifier` or
    :class:`~sklearn.model_selection.TunedThresholdClassifierCV` around the AugmentedClassifier,
    with ``response_method="predict_proba"``. A fixed threshold is about the last of `classes_`
    unless you pass `pos_label`. The `decision_function` is the classifier's own. If the classifier
    has a ``class_weight`` or ``priors``, their effect on the shares is not corrected: use
    ``synthetic_weight="balanced"`` in place of the former, and ``prior_correction=False`` with the
    latter.

    The attribute ``synthetic_mask_`` of the fitted augmenter says which rows are new. An augmenter
    without it must return the real rows first.

    A classifier that validates itself in its fit, such as a grid search, does so on rows whose
    synthetic neighbours it is fitted on, and prefers models that remember rows. A warning says so
    where it has a parameter `cv`. Search over the AugmentedClassifier instead, with parameters such
    as ``classifier__C``.

    Training rows of a single class are passed to the classifier without augmentation.

    A row of weight zero is treated as absent. The other weights go to the classifier, and to an
    augmenter whose ``fit_resample`` takes `sample_weight`, such as
    :class:`~sklearn_pyraug.RHVAEAugmenter`. The number of new rows depends on the number of rows,
    so a row of weight two is not the same as two rows.

    If metadata routing is enabled, request `sample_weight` with ``set_fit_request`` of the
    meta-estimator and, if the classifier is a pipeline or a search, of the estimators in it.

    References
    ----------
    .. [1] C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI, 2001.
    .. [2] M. Saerens, P. Latinne, C. Decaestecker, "Adjusting the Outputs of a Classifier to New a
       Priori Probabilities: A Simple Procedure", Neural Computation 14, 21-41, 2002.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_pyraug import AugmentedClassifier
    >>> X, y = make_classification(weights=[0.8], class_sep=2.0, random_state=0)
    >>> classifier = AugmentedClassifier(SMOTE(random_state=0), LogisticRegression())
    >>> pipeline = make_pipeline(StandardScaler(), classifier).fit(X, y)
    >>> pipeline.predict(X[:5]).shape
    (5,)

    A fifth of the rows are of the second class, and half after augmentation. The mean probability
    is a fifth again.

    >>> print(pipeline[-1].class_prior_, pipeline[-1].augmented_prior_)
    [0.8 0.2] [0.5 0.5]
    >>> print(pipeline.predict_proba(X).mean(axis=0).round(1))
    [0.8 0.2]
    """

    _parameter_constraints: dict = {
        "augmenter": [HasMethods(["fit_resample"])],
        "classifier": [HasMethods(["fit"])],
        "synthetic_weight": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"prevalence", "balanced"}),
        ],
        "prior_correction": ["boolean"],
    }

    def __init__(self, augmenter, classifier, *, synthetic_weight=1.0, prior_correction=True):
        self.augmenter = augmenter
        self.classifier = classifier
        self.synthetic_weight = synthetic_weight
        self.prior_correction = prior_correction

    # Augmenter and classifier validate their own parameters.
    @with_callbacks
    @no_data_in_errors()
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
            Weights of the rows. A new row gets the mean weight of the real rows of its class, and
            `synthetic_weight` says how it is scaled. Rows of weight zero are left out. They are
            passed on to the augmenter where it takes them.

        Returns
        -------
        self : AugmentedClassifier
            The fitted classifier.
        """
        with fit_task(self, "fit", X, y, max_subtasks=2) as context, as_it_was(self):
            self._fit(X, y, sample_weight, context)
        return self

    def _fit(self, X, y, sample_weight, context):
        self._check_classifier()
        _check_augmenter(self.augmenter)
        check_container(X, "X")
        X, y = unmasked(X), check_target(as_labels(y))
        weighted = sample_weight is not None or self.synthetic_weight != 1
        if weighted and weight_parameter(self.classifier) is None:
            cause = "synthetic_weight" if sample_weight is None else "sample_weight"
            raise ValueError(no_weights(cause, self.classifier))
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight)
        check_consistent_length(X, y, sample_weight)

        if sample_weight is not None and not np.all(sample_weight):
            kept = np.flatnonzero(sample_weight)
            X, y, sample_weight = take(X, kept), y[kept], sample_weight[kept]

        self.augmenter_ = clone(self.augmenter)
        classifier = clone(self.classifier)
        if np.unique(y).size > 1:
            shown = {}
            if sample_weight is not None and _augmenter_takes_sample_weight(self.augmenter_):
                shown["sample_weight"] = sample_weight
            with sub_task(context, self, "augment", self.augmenter_, X, y):
                X_out, y_out = self.augmenter_.fit_resample(X, y, **shown)
            y_out = column_or_1d(y_out)
            mask = _synthetic_mask(self.augmenter_, y, y_out)
            if mask.any():
                _warn_of_inner_validation(classifier)
        else:
            X_out, y_out, mask = X, y, np.zeros(y.shape[0], dtype=bool)

        if sample_weight is None:
            sample_weight = np.ones(y.shape[0])
        weight_out = _augmented_weight(sample_weight, y, y_out, mask, self.synthetic_weight)
        weights = {weight_parameter(classifier): weight_out} if weighted else {}
        with sub_task(context, self, "classify", classifier, X_out, y_out):
            with columns_are_named(X_out, "classifier"):
                classifier.fit(X_out, y_out, **weights)

        self.classifier_ = classifier
        self._take_over(classifier)
        classes = getattr(self, "classes_", np.unique(y))
        self.class_prior_ = _class_shares(y, sample_weight, classes)
        self.augmented_prior_ = _class_shares(y_out, weight_out, classes)

    @property
    def _inner(self):
        # The fitted one first, because a grid search gets its methods from its fit.
        return getattr(self, "classifier_", self.classifier)

    def _log_prior_ratio(self):
        """Return what the correction adds to log-probabilities, None where that is nothing."""
        before, after = self.class_prior_, self.augmented_prior_
        if not self.prior_correction or np.allclose(before, after, rtol=1e-12, atol=0):
            return None
        # A class that the classifier knows but that has no rows keeps its probability.
        return np.log(np.divide(before, after, out=np.ones_like(after), where=after > 0))

    @available_if(_classifier_has("score"))
    @no_data_in_errors()
    def score(self, X, y, sample_weight=None):
        """Score the predictions with the classifier's own score, by default the accuracy.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            The score.
        """
        X = self._read(X)
        # Not every `score` takes weights: that of a grid search does not.
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.classifier_.score(X, as_labels(y), **weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = [tags_or_none(self.augmenter), tags_or_none(self.classifier)]
        inputs = [InputTags() if t is None else t.input_tags for t in inner]
        # An input has to be accepted by both, and to meet what either needs.
        for name in ("sparse", "allow_nan", "string", "categorical", "three_d_array"):
            setattr(tags.input_tags, name, all(getattr(i, name) for i in inputs))
        tags.input_tags.positive_only = any(i.positive_only for i in inputs)
        tags.non_deterministic = any(t is not None and t.non_deterministic for t in inner)
        if inner[1] is not None and inner[1].classifier_tags is not None:
            tags.classifier_tags.poor_score = inner[1].classifier_tags.poor_score
            tags.classifier_tags.multi_class = inner[1].classifier_tags.multi_class
        return tags
