"""The samplers that an augmenter is compared to, for rows of any kind."""

from functools import partial

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC, RandomOverSampler
from sklearn import config_context
from sklearn.base import BaseEstimator

from .._augmenter import RHVAEAugmenter
from .._preprocessing.containers import take
from .._preprocessing.label_encoder import distinct_labels
from .._strategy import factor_for, n_new_rows
from .._validation import named
from .augmented import PredictionsMixin
from .paired import NOTHING


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
        keywords = {"sampling_strategy": self.sampling_strategy, "random_state": self.random_state}
        n_neighbors = min(5, np.unique(y, return_counts=True)[1].min() - 1)
        if n_neighbors < 1:
            return Repeat(**keywords).fit_resample(X, y)
        keywords["k_neighbors"] = n_neighbors
        # SMOTE subtracts rows, and numpy cannot subtract booleans.
        is_boolean = isinstance(X, np.ndarray) and X.dtype.kind == "b"
        if self.all_categories or is_boolean:
            sampler = SMOTEN(**keywords)
        elif self.categories:
            sampler = SMOTENC(list(self.categories), **keywords)
        else:
            sampler = SMOTE(**keywords)
        # SMOTENC and SMOTEN fail where the encoders in them return dataframes.
        with config_context(transform_output="default"):
            return sampler.fit_resample(X, y)


def sizes_of(augmenter, n_features):
    """Return a strategy with the class sizes of the augmenter, as far as these are known."""
    if not isinstance(augmenter, RHVAEAugmenter):
        return "auto"
    return partial(_sizes, augmenter.sampling_strategy, augmenter.augmentation_factor, n_features)


def _sizes(strategy, factor, n_features, y):
    labels, _, y_index = distinct_labels(y)
    counts = np.bincount(y_index).tolist()
    new = n_new_rows(strategy, factor_for(factor, n_features, y_index), labels, y_index)
    return {label: n + m for (label, m), n in zip(new.items(), counts, strict=True)}


def check_samplers(parameter, samplers, reserved=(NOTHING,)):
    """Raise TypeError or ValueError if `samplers` is neither "auto" nor samplers by name.

    Parameters
    ----------
    parameter : str
        Its name.
    samplers : object
    reserved : sequence of str
        Names of what is compared in any case.
    """
    if isinstance(samplers, str) and samplers == "auto":
        return
    if not isinstance(samplers, dict):
        raise TypeError(
            f"{parameter} must be 'auto', None or a dict, got {named(samplers)}: pass such as "
            "{'ADASYN': ADASYN()}."
        )
    for key, sampler in samplers.items():
        if not isinstance(key, str) or key in reserved:
            taken = " or ".join(map(repr, reserved))
            raise ValueError(f"{parameter} has the name {key!r}: pass a text other than {taken}.")
        if not hasattr(sampler, "fit_resample") or isinstance(sampler, type):
            raise TypeError(
                f"{parameter}[{key!r}] must have fit_resample(X, y), got {named(sampler)}: pass "
                "an over-sampler of imbalanced-learn, or another RHVAEAugmenter."
            )


def holds_sampler(estimator):
    """Return True if an estimator, or a parameter at any depth, augments or resamples."""
    return any(
        isinstance(value, PredictionsMixin) or hasattr(value, "fit_resample")
        for value in (estimator, *estimator.get_params(deep=True).values())
    )
