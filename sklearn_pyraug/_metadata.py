"""What comes with the rows: their weights, and the groups that they belong to."""

from typing import NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.utils import check_array

from ._sklearn_compat import _num_samples


class Metadata(NamedTuple):
    """What came with the rows.

    Attributes
    ----------
    sample_weight : ndarray of shape (n_samples,) or None
    groups : ndarray of shape (n_samples,) or None
    """

    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None

    def learned(self, *arrays):
        """Return the rows of arrays that are learned from: those whose weight is not zero.

        Parameters
        ----------
        *arrays : {ndarray, sparse matrix} of shape (n_samples, ...), or None

        Returns
        -------
        arrays : list
            The same where all are.
        """
        if self.sample_weight is None or np.all(self.sample_weight > 0):
            return list(arrays)
        kept = np.flatnonzero(self.sample_weight)
        return [None if a is None else a[kept] for a in arrays]


def read_metadata(X, sample_weight, groups):
    """Check what comes with the rows.

    Parameters
    ----------
    X : object
        Rows.
    sample_weight : array-like of shape (n_samples,), or None
    groups : ndarray of shape (n_samples,), or None

    Returns
    -------
    metadata : Metadata
    """
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, X)
    if groups is not None:
        _check_shape("groups", groups, X)
    return Metadata(sample_weight, groups)


def check_sample_weight(sample_weight, X=None):
    """Return weights as an array, none negative and some positive.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,)
    X : object, default=None
        Rows, of which there must be as many; None leaves that to the caller.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,), of float64 or float32
    """
    if isinstance(sample_weight, np.ma.MaskedArray):
        sample_weight = sample_weight.astype(np.float64).filled(np.nan)
    try:
        with config_context(assume_finite=False):  # checked like rows, whatever this setting says
            sample_weight = check_array(
                sample_weight,
                ensure_2d=False,
                # A single number has its own message below.
                ensure_min_samples=0,
                dtype=[np.float64, np.float32],
                input_name="sample_weight",
            )
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(
            "sample_weight holds text: pass one number for each of the rows."
        ) from None
    _check_shape("sample_weight", sample_weight, X)
    if np.any(sample_weight < 0):
        raise ValueError(
            f"sample_weight must not be negative, got {int((sample_weight < 0).sum())} negative "
            "values: give weight zero to the rows that are to be left out."
        )
    if not np.any(sample_weight > 0):
        raise ValueError(
            "sample_weight must contain at least one positive weight, got only zeros: give a "
            "positive weight to the rows that are to be learned from."
        )
    return sample_weight


def _check_shape(name, values, X):
    n_rows = None if X is None else _num_samples(X)
    if values.ndim != 1 or n_rows not in (None, len(values)):
        counted = "" if n_rows is None else f"{n_rows} "
        raise ValueError(
            f"{name} has the shape {values.shape}: pass one value for each of the {counted}rows "
            "of X."
        )


def check_weighted_classes(sample_weight, y_index, classes, wanted):
    """Check that some rows of certain classes can be learned from.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,) or None
    y_index : ndarray of int of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        Labels.
    wanted : list of int
        Indices of the classes that are to have a generator.
    """
    if sample_weight is None:
        return
    lacking = np.setdiff1d(wanted, y_index[sample_weight > 0])
    if len(lacking):
        raise ValueError(
            f"sample_weight is zero for all rows of the classes {classes[lacking].tolist()}, which "
            "are to have new rows: give a positive weight to some of their rows, or name only "
            "other classes in a dict as sampling_strategy of fit_resample."
        )


def class_weights(sample_weight, y_index):
    """Return weights whose mean is 1 in each class.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,) or None
        Positive.
    y_index : ndarray of int of shape (n_samples,)
        Index of each row's class.

    Returns
    -------
    weights : ndarray of float64 of shape (n_samples,), or None
        None where the weights of every class are equal.
    """
    if sample_weight is None:
        return None
    weights = sample_weight.astype(np.float64)
    for k in np.unique(y_index):
        own = y_index == k
        # Divided by the largest first. Ratios are then the same, bit for bit, for any exact
        # multiple of the weights, and no sum can overflow.
        ratios = weights[own] / weights[own].max()
        weights[own] = ratios / ratios.mean()
    return None if np.all(weights == 1.0) else weights
