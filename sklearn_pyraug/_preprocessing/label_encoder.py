"""Labels of any container as class indices, and back: by position, never through a cast."""

from typing import NamedTuple

import numpy as np
from imblearn.utils import check_target_type
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from .containers import (
    as_labels,
    column_at,
    column_values,
    library_of,
    object_array,
    stack,
    take,
)
from .templates import Template

__all__ = ["LabelEncoder", "read_labels"]


def read_labels(y):
    """Return labels as an array of shape (n_samples,).

    Parameters
    ----------
    y : object
        Labels in any container; of shape (n_samples, n_classes) where they are one-hot.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        The user's own values; of one-hot labels the position of the one.

    Raises
    ------
    ValueError
        If there is no label for each row, or if they are not those of classes.
    """
    if y is None:
        raise ValueError(
            "This augmenter requires y to be passed, but the target y is None. Pass class labels."
        )
    y = as_labels(y)
    assert_all_finite(y if hasattr(y, "dtype") else np.asarray(y), input_name="y")
    check_classification_targets(y)
    labels, is_one_hot = check_target_type(y, indicate_one_vs_all=True)
    return np.asarray(labels) if is_one_hot else column_or_1d(labels)


class LabelEncoder(NamedTuple):
    """The way from labels of the user's container to class indices, and back.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The labels, sorted.
    template : Template or None
        How new labels are made; None for arrays.
    values : ndarray of shape (n_classes,), or (n_classes, n_columns)
        For each class, what the user's container holds in its rows.
    """

    classes: np.ndarray
    template: Template | None
    values: np.ndarray

    @classmethod
    def fit(cls, y):
        """Learn the classes of labels.

        Parameters
        ----------
        y : object
            See :func:`read_labels`.

        Returns
        -------
        encoder : LabelEncoder
        y_index : ndarray of int of shape (n_samples,)
            Class of each row.
        """
        y, labels = _flat(y), read_labels(y)
        classes, first, y_index = np.unique(labels, return_index=True, return_inverse=True)
        return cls(classes, Template.of(y), _values(take(y, first))), y_index

    def decode(self, y_index):
        """Return class indices, shape (n,), as labels in the user's container."""
        values = self.values[y_index]
        return values if self.template is None else self.template.new_rows(values)

    def append(self, y, y_index):
        """Return the user's own labels y, untouched, with those of class indices below."""
        return stack(_flat(y), self.decode(y_index))


def _flat(y):
    """Return a column of an array as an array of one axis, and anything else as it is."""
    return y.ravel() if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1 else y


def _values(y):
    """Return the values of a container of labels as an array, none of them cast."""
    if isinstance(y, np.ndarray):
        return y
    if library_of(y) is None or getattr(y, "ndim", 1) == 2 and hasattr(y, "iloc"):
        return object_array(y) if isinstance(y, list) else np.asarray(y)
    return object_array(column_values(column_at(y, 0) if len(getattr(y, "shape", ())) == 2 else y))
