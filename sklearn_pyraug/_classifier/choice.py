"""A classifier that finds out by cross-validation which augmentation suits it."""

import warnings
from numbers import Integral
from os import PathLike
from tempfile import TemporaryDirectory

import numpy as np
from imblearn import FunctionSampler
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._augmenter import RHVAEAugmenter
from .._metadata import check_sample_weight
from .._preprocessing.containers import as_labels, check_container, column_names
from .._preprocessing.label_encoder import distinct_labels
from .._preprocessing.masked import unmasked
from .._random import root_seed
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
from .._validation import as_it_was, columns_are_named, no_data_in_errors
from .augmented import (
    AugmentedClassifier,
    PredictionsMixin,
    check_target,
    no_weights,
    tags_or_none,
    weight_parameter,
)
from .paired import (
    NOTHING,
    Method,
    in_words,
    is_proportion,
    make_splits,
    run_all,
    score_name,
    weights_for,
)
from .preparation import prepare
from .samplers import Repeat, check_samplers, holds_sampler, sizes_of

# What the candidates that add no row are called.
_WEIGHTS, _THRESHOLD = "class weights", "moved threshold"
# What the package's own augmenter is tried with: balanced, doubled, and doubled twice.
_FACTORS = (1, 2, 4)
# An augmentation is preferred to a better but less simple one within this share of a standard
# error. With a whole one, a moved threshold often took the place of new rows that were better.
_SHARE = 0.5


class _MovedThreshold(AugmentedClassifier):
    """A classifier fitted on real rows alone, which decides at the shares of the classes."""

    def predict(self, X):
        check_is_fitted(self)
        return self.classes_[np.argmax(self.predict_proba(X) / self.class_prior_, axis=1)]

    # That of `AugmentedClassifier` is of the classifier inside, which decides otherwise.
    score = ClassifierMixin.score


def _mean_and_error(differences):
    """Return the means of differences (n_candidates, n_splits), and their standard errors."""
    n_splits = differences.shape[1]
    return differences.mean(axis=1), differences.std(axis=1, ddof=1) / np.sqrt(n_splits)


class AugmentedClassifierCV(
    PredictionsMixin, CallbackSupportMixin, ClassifierMixin, MetaEstimatorMixin, BaseEstimator
):
    """Classifier that chooses by cross-validation how its training rows are augmented.

    In :meth:`fit`, the classifier is scored on splits of the training rows: as it is, with class
    weights, with a moved threshold, and with new rows of random over-sampling, SMOTE and
    :class:`RHVAEAugmenter`. If the best gains more than one standard error, the simplest candidate
    within half a standard error of it is fitted on all training rows; else, the classifier as it
    is. So nothing is done unless the rows show that augmentation helps.

    Parameters
    ----------
    classifier : classifier
        Classifier to be augmented. It may be a pipeline that prepares the rows:
        :class:`RHVAEAugmenter` then gets raw rows, and SMOTE those of the last step. It is cloned.
    augmenters : "auto", dict of str to sampler, or None, default="auto"
        Samplers that are compared with no augmentation, class weights and a moved threshold, which
        are always candidates. ``"auto"`` is random over-sampling, SMOTE (SMOTENC if there are
        categories), and :class:`RHVAEAugmenter` with ``augmentation_factor`` of 1, 2 and 4. A dict
        replaces these, and None is no sampler.
    cv : int, splitter or iterable, default=5
        An int is the number of folds of a
        :class:`~sklearn.model_selection.RepeatedStratifiedKFold`. If a class has fewer rows,
        there are fewer folds, with a warning. A splitter, or an iterable of pairs of training and
        test indices, is used as it is.
    n_repeats : int, default=2
        Number of times that the folds are drawn, if `cv` is an int.
    scoring : str or callable, default="balanced_accuracy"
        Name of one of scikit-learn's scorers, or a callable ``scorer(estimator, X, y)`` that
        returns a number. Greater is better.
    preprocessor : "auto", transformer or None, default="auto"
        Preprocessor between sampler and classifier, as in :func:`augmentation_gain`. ``"auto"``
        prepares dataframes and arrays with text or missing values, and flattens images, unless
        the classifier is a pipeline that takes them.
    memory : str, path-like, joblib.Memory or None, default=None
        Cache for trainings of :class:`RHVAEAugmenter`. It saves time if :meth:`fit` is called
        again on the same rows with the same `random_state`. In any case, the factors 2 and 4 share
        one training per split within a call of :meth:`fit`.
    n_jobs : int or None, default=None
        Number of fits at once, by joblib. The result does not depend on it, at a given number of
        BLAS threads.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, if `cv` is an int, and of the samplers of ``"auto"``. Other objects have
        their own seeds. None draws a new one in each fit.
    verbose : int, default=0
        Whether to show a progress bar over the fits.

    Attributes
    ----------
    best_augmenter_ : str
        Name of the chosen candidate: ``"nothing"``, ``"class weights"``,
        ``"moved threshold"``, ``"random over-sampling"``, ``"SMOTE"``,
        ``"RHVAEAugmenter(augmentation_factor=2)"`` and so on, or a name in `augmenters`.
    best_index_ : int
        Its position in the arrays of `cv_results_`.
    best_score_ : float
        Its mean score over the splits. It is slightly too optimistic, as the best of several:
        score the whole choice by an outer cross-validation.
    best_estimator_ : classifier
        The chosen candidate, fitted on all training rows. If it adds rows, it is an
        :class:`AugmentedClassifier`, a search over one, or a pipeline that ends in either.
    cv_results_ : dict of str to ndarray
        For all candidates: ``candidate`` (names), ``split0_test_score`` and so on,
        ``mean_test_score``, ``std_test_score``, ``rank_test_score``, ``mean_difference`` to
        no augmentation and its ``standard_error``, ``mean_fit_time``.
    left_out_ : dict of str to str
        Candidates that cannot be used with the classifier or the rows, and why.
    advice_ : str
        What was chosen and why, in a sentence.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    n_features_in_ : int
        Number of features seen during :meth:`fit`. Defined only if `best_estimator_` defines it.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen during :meth:`fit`. Defined only if `best_estimator_` defines
        them.

    See Also
    --------
    AugmentedClassifier : Classifier with a given augmenter.
    augmentation_gain : Measures the gain by augmentation, with an interval.

    Notes
    -----
    Class weights are those of ``synthetic_weight="balanced"`` of :class:`AugmentedClassifier`. They
    are not a candidate if the classifier, or the last step of a pipeline, takes no `sample_weight`.
    The moved threshold predicts the class whose probability is largest relative to its share of the
    training rows: with two classes, it predicts the rare one if its risk is above its prevalence.
    Probabilities are those at the class shares of the training rows, whatever is chosen. So the
    predicted label is not always that of the largest probability.

    The one-standard-error rule [1]_ uses the error ``sqrt(var(d) / J)`` of the differences d of J
    splits. It decides whether anything is done at all; among augmentations, half the error counts.
    Candidates are in the order of `cv_results_`, the simplest first: nothing, class
    weights, a moved threshold, random over-sampling, SMOTE, and :class:`RHVAEAugmenter` with more
    and more rows; candidates of a dict are in its order. This is a rule for choosing, not a test:
    training parts share rows, so the error is too small.

    In an outer cross-validation the choice is repeated in each training part, and does not use its
    test part.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees",
       Wadsworth, 1984.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_pyraug import AugmentedClassifierCV
    >>> X, y = make_classification(500, weights=[0.9], class_sep=0.5, random_state=0)
    >>> model = AugmentedClassifierCV(
    ...     LogisticRegression(), {"SMOTE": SMOTE(random_state=0)}, random_state=0
    ... ).fit(X, y)
    >>> [str(name) for name in model.cv_results_["candidate"]]
    ['nothing', 'class weights', 'moved threshold', 'SMOTE']
    >>> print(model.advice_.partition(".")[0])
    Used: moved threshold
    """

    _parameter_constraints: dict = {
        "classifier": [HasMethods(["fit"])],
        "augmenters": [StrOptions({"auto"}), dict, None],
        "cv": ["cv_object"],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "scoring": [str, callable],
        "preprocessor": [StrOptions({"auto"}), HasMethods(["transform"]), None],
        "memory": [str, PathLike, HasMethods(["cache"]), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    # What routing is told: `groups` are wanted, for the splitter, and weights.
    __metadata_request__fit = {"groups": True, "sample_weight": True}

    def __init__(
        self,
        classifier,
        augmenters="auto",
        *,
        cv=5,
        n_repeats=2,
        scoring="balanced_accuracy",
        preprocessor="auto",
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.classifier = classifier
        self.augmenters = augmenters
        self.cv = cv
        self.n_repeats = n_repeats
        self.scoring = scoring
        self.preprocessor = preprocessor
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # The parameters of the augmenters and of the classifier are theirs to validate.
    @with_callbacks
    @no_data_in_errors()
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sample_weight=None, groups=None):
        """Choose an augmentation on the training rows, and fit the classifier with it on all.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features) or \
                (n_samples, *sample_shape)
            Training rows.
        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for all fits and, where the scorer takes them, for the scores. The
            classifier, or the last step of a pipeline, has to take `sample_weight`.
        groups : array-like of shape (n_samples,), default=None
            Groups of rows, such as the patient, passed to a splitter `cv`.

        Returns
        -------
        self : AugmentedClassifierCV
            The fitted classifier.
        """
        with fit_task(self, "fit", X, y, max_subtasks=1) as context, as_it_was(self):
            self._fit(X, y, sample_weight, groups, context)
        return self

    def _fit(self, X, y, sample_weight, groups, context):
        self._check_parameters()
        check_container(X, "X")
        X, y = unmasked(X), check_target(as_labels(y))
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight)
        check_consistent_length(X, y, sample_weight, groups)
        # scikit-learn's seeds end at 2**32.
        seed = root_seed(self.random_state) % 2**32
        splitter = self._splitter(y, groups, seed)
        splits = make_splits(X, y, groups, splitter, self.n_repeats, seed)
        prepared = prepare(self.classifier, X, y, np.arange(len(y)), self.preprocessor)
        if sample_weight is not None and weight_parameter(prepared.model) is None:
            raise ValueError(no_weights("sample_weight", self.classifier))
        scorer = check_scoring(self.classifier, scoring=self.scoring)
        with TemporaryDirectory() as folder:
            runs, self.left_out_ = run_all(
                type(self).__name__,
                self._candidates(prepared, seed, folder if self.memory is None else self.memory),
                X,
                y,
                sample_weight,
                splits,
                scorer,
                score_name(self.scoring),
                self.n_jobs,
                self.verbose,
            )
        self._name_what_lacks(prepared.model)
        self._choose(runs)
        model = self._candidates(prepared, seed, self.memory)[self.best_augmenter_].model
        model = clone(model)
        with sub_task(context, self, "refit", model, X, y), columns_are_named(X, "classifier"):
            self.best_estimator_ = model.fit(X, y, **weights_for(model, sample_weight))
        self._take_over(model)
        table = prepared.table
        by_default = prepared.steps and isinstance(self.preprocessor, str)
        self._columns = [*table.numbers, *table.categories] if by_default else []

    def _check_parameters(self):
        self._check_classifier()
        if holds_sampler(self.classifier):
            raise ValueError(
                f"classifier={type(self.classifier).__name__} contains an augmenter or sampler "
                "already: pass it without, and the sampler in augmenters={'name': sampler}."
            )
        if self.augmenters is not None:
            check_samplers("augmenters", self.augmenters, (NOTHING, _WEIGHTS, _THRESHOLD))

    def _splitter(self, y, groups, seed):
        """Return `cv`, with fewer folds where a class has fewer rows."""
        labels, _, y_index = distinct_labels(y)
        counts = np.bincount(y_index)
        fewest, rare = int(counts.min()), labels.tolist()[counts.argmin()]
        is_int = isinstance(self.cv, Integral) and groups is None
        if not is_int or fewest >= self.cv or len(labels) < 2:
            return self.cv
        rows = f"class {rare!r} of y has {fewest} {'row' if fewest < 2 else 'rows'}"
        if np.sort(counts)[-2] < 2:
            raise ValueError(
                f"{rows}, which cannot be in both parts of a split, and one class alone has more: "
                "pass more rows of it."
            )
        n_folds = max(2, fewest)
        known = "" if fewest > 1 else ", and none has it in both parts"
        warnings.warn(
            f"cv={self.cv}, but {rows}: {n_folds} folds are used{known}.", UserWarning, stacklevel=2
        )
        return RepeatedStratifiedKFold(
            n_splits=n_folds, n_repeats=self.n_repeats, random_state=seed
        )

    def _candidates(self, prepared, seed, memory):
        """Return a :class:`Method` by name, of all that is tried, simplest first."""
        untouched = FunctionSampler(validate=False)
        weighted = prepared.before_the_last(untouched, synthetic_weight="balanced")
        found = {
            NOTHING: Method(prepared.model),
            _WEIGHTS: Method(weighted, optional=True),
            _THRESHOLD: Method(_MovedThreshold(untouched, prepared.model), optional=True),
        }
        if self.augmenters is None:
            return found
        if self.augmenters != "auto":
            return found | {
                name: Method(prepared.behind(sampler)) for name, sampler in self.augmenters.items()
            }
        own = prepared.augmenter(random_state=seed, memory=memory)
        sizes = sizes_of(own.set_params(augmentation_factor=2), n_features=None)
        keywords = {"sampling_strategy": sizes, "random_state": seed}
        found["random over-sampling"] = Method(prepared.behind(Repeat(**keywords)), optional=True)
        found["SMOTE"] = Method(prepared.behind_smote(**keywords), optional=True)
        for factor in _FACTORS:
            name = f"{RHVAEAugmenter.__name__}(augmentation_factor={factor})"
            sampler = clone(own).set_params(augmentation_factor=factor)
            found[name] = Method(prepared.behind(sampler), optional=True)
        return found

    def _name_what_lacks(self, model):
        """Say what the classifier lacks where that is why a candidate was left out."""
        lacks = {
            _WEIGHTS: weight_parameter(model) is None and "sample_weight in fit",
            _THRESHOLD: not hasattr(model, "predict_proba") and "predict_proba",
        }
        for name in set(lacks) & set(self.left_out_):
            if lacks[name]:
                self.left_out_[name] = f"the classifier has no {lacks[name]}"

    def _choose(self, runs):
        """Set what is said of the candidates, and which one is the best."""
        scores = np.stack([run.scores for run in runs.values()])
        best = scores.mean(axis=1).argmax()
        behind, errors = _mean_and_error(scores[best] - scores)
        # It takes more to do anything at all than to prefer one augmentation to another.
        margins = np.r_[errors[0], _SHARE * errors[1:]]
        # There is always a first one: the best itself is within its margin, 0.
        self.best_index_ = int(np.argmax(behind <= margins))
        mean, errors = _mean_and_error(scores - scores[0])
        names = list(runs)
        self.best_augmenter_ = names[self.best_index_]
        self.best_score_ = float(scores[self.best_index_].mean())
        self.cv_results_ = {
            "candidate": np.array(names, dtype=object),
            **{f"split{i}_test_score": column for i, column in enumerate(scores.T)},
            "mean_test_score": scores.mean(axis=1),
            "std_test_score": scores.std(axis=1),
            "rank_test_score": rankdata(-scores.mean(axis=1), method="min").astype(int),
            "mean_difference": mean,
            "standard_error": errors,
            "mean_fit_time": np.array([run.seconds for run in runs.values()]),
        }
        self.advice_ = self._sentence(names, mean, errors, scores.shape[1])

    def _sentence(self, names, mean, errors, n_splits):
        n_others = len(names) - 1
        if not n_others:
            return "Used: nothing. No other candidate can be used here."
        scoring = score_name(self.scoring)
        scale, decimals, unit = (100, 1, "points of") if is_proportion(scoring) else (1, 3, "in")

        def gain(i):
            value = round(scale * mean[i], decimals) + 0.0  # zero has the sign +
            return (
                f"{value:+.{decimals}f} ± {scale * errors[i]:.{decimals}f} {unit} "
                f"{in_words(scoring)} on {n_splits} inner splits"
            )

        chosen, best = self.best_index_, 1 + int(mean[1:].argmax())
        of = f"of {n_others} candidates" if n_others > 1 else "of one candidate"
        if not chosen:
            return (
                f"Used: nothing. The best {of}, {names[best]}, gained {gain(best)}, which is not "
                "more than its standard error."
            )
        text = f"Used: {names[chosen]}. Over nothing it gained {gain(chosen)}, "
        if chosen == best:
            return f"{text}the most {of}."
        return (
            f"{text}and is the simplest {of} within half a standard error of the best, "
            f"{names[best]}."
        )

    @property
    def _inner(self):
        return getattr(self, "best_estimator_", self.classifier)

    def _read(self, X):
        X = super()._read(X)
        known = set(column_names(X) or ())
        # The default steps find columns by their names, where all are text.
        lacking = [name for name in self._columns if isinstance(name, str) and name not in known]
        if lacking:
            raise ValueError(
                f"X has no column {lacking[0]!r}, one of the {len(self._columns)} that "
                "AugmentedClassifierCV was fitted with: pass a dataframe that has them all."
            )
        return X

    @no_data_in_errors()
    def score(self, X, y, sample_weight=None):
        """Score the predictions by `scoring`.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, ignored by a scorer that takes none.

        Returns
        -------
        score : float
            The score.
        """
        X = self._read(X)
        scorer = check_scoring(self.best_estimator_, scoring=self.scoring)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight)
        weights = weights_for(scorer, sample_weight)
        return scorer(self.best_estimator_, X, as_labels(y), **weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = tags_or_none(self.classifier)
        if inner is not None:
            tags.input_tags.sparse = inner.input_tags.sparse
            tags.input_tags.positive_only = inner.input_tags.positive_only
            if inner.classifier_tags is not None:
                tags.classifier_tags = inner.classifier_tags
        prepares = isinstance(self.preprocessor, str)
        for name in ("allow_nan", "string", "categorical", "three_d_array"):
            taken = prepares or (inner is not None and getattr(inner.input_tags, name))
            setattr(tags.input_tags, name, taken)
        return tags
