"""Labels of any container as class indices, and back: by position, never through a cast."""

from decimal import Decimal
from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.validation import column_or_1d

from .containers import (
    as_labels,
    column_at,
    column_names,
    column_values,
    library_of,
    object_array,
    stack,
    take,
)
from .templates import Template

# The target of a regression has more different numbers than this, fewer rows for each than this,
# and at least this share of numbers that occur once.
_MANY_LABELS, _FEW_ROWS, _SHARE_OF_SINGLE_ROWS = 20, 10, 0.2


def read_labels(y):
    """Return labels as an array of shape (n_samples,).

    Parameters
    ----------
    y : object
        Labels in any container; of shape (n_samples, n_classes) where they are one-hot.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        The user's own values; of one-hot labels the name of the column of the one, or its
        position where columns have no names of their own.

    Raises
    ------
    ValueError
        If there is no label for each row, if one is missing, or if they are not those of classes.
    """
    labels = as_labels(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        return _of_one_hot(labels, column_names(y))
    return column_or_1d(labels)


def classifier_labels(y):
    """Return labels as :func:`read_labels` does, as text where classifiers would refuse them.

    scikit-learn's take numbers, booleans and text.
    """
    labels = read_labels(y)
    if labels.dtype != object or all(type(v) in (str, np.str_) for v in labels):
        return labels
    classes, _, y_index = distinct_labels(labels)
    text = np.array([str(v) for v in classes])
    if len(set(text)) < len(text):
        kinds = sorted({type(v).__name__ for v in classes})
        raise ValueError(
            f"y holds labels of the types {', '.join(kinds)}, some of which read alike. Pass "
            "labels of one type, such as y.astype(str) if these are of one class."
        )
    return text[y_index]


def _of_one_hot(Y, names):
    is_one_hot = np.isin(Y, (0, 1)).all() and (np.sum(Y == 1, axis=1) == 1).all()
    if not is_one_hot:
        raise ValueError(
            f"Multilabel and multioutput targets are not supported. y has {Y.shape[1]} columns. "
            "Pass one column of class labels, or one-hot labels, with a single 1 in each row."
        )
    position = np.argmax(Y == 1, axis=1)
    # Columns of one name would be one class.
    is_named = names is not None and len(set(names)) == len(names)
    return object_array(names)[position] if is_named else position


def distinct_labels(labels):
    """Return the distinct values of labels, sorted.

    Values that have no order are sorted by their types and by what they print.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    first : ndarray of int of shape (n_classes,)
        Position of the first of each.
    y_index : ndarray of int of shape (n_samples,)
    """
    if labels.dtype != object:
        return np.unique(labels, return_index=True, return_inverse=True)
    try:
        values = list(dict.fromkeys(labels))
    except TypeError:
        kinds = sorted({type(v).__name__ for v in labels})
        raise ValueError(
            f"Labels of the types {', '.join(kinds)} cannot be told apart. Pass numbers, text, or "
            "other values that can be keys of a dict."
        ) from None
    try:
        values.sort()
    except TypeError:
        values.sort(key=lambda v: (type(v).__name__, repr(v)))
    index = {value: k for k, value in enumerate(values)}
    y_index = np.array([index[v] for v in labels], dtype=np.intp)
    return object_array(values), np.unique(y_index, return_index=True)[1], y_index


def _check_classes(classes, y_index):
    """Raise if distinct values are those of the target of a regression."""
    values = classes.tolist()
    fractional = classes.dtype.kind == "f" and not (classes == np.rint(classes)).all()
    many = len(values) > _MANY_LABELS and all(_is_amount(v) for v in values)
    if many:
        single = np.mean(np.bincount(y_index) == 1)
        many = len(y_index) < _FEW_ROWS * len(values) and single >= _SHARE_OF_SINGLE_ROWS
    if fractional or many:
        raise ValueError(
            f"Unknown label type: continuous. y holds {len(values)} different "
            f"{'numbers, not all of them whole,' if fractional else 'values'} in {len(y_index)} "
            "rows, as the target of a regression does. Pass class labels: intervals of y, such as "
            "pandas.cut(y, 3), or y as text if the values are names of classes."
        )


def _is_amount(value):
    """Say whether a label is a number, a date or a time."""
    return isinstance(value, (Real, Decimal)) or hasattr(value, "day") or hasattr(value, "days")


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
        classes, first, y_index = distinct_labels(labels)
        _check_classes(classes, y_index)
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
    if isinstance(y, tuple):
        return list(y)
    if sparse.issparse(y) and y.ndim == 1:
        return y.toarray()
    if isinstance(y, np.matrix):
        y = np.asarray(y)
    if hasattr(y, "to_flat_index"):
        return y.to_flat_index()
    return y.ravel() if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1 else y


def _values(y):
    """Return the values of a container of labels as an array, none of them cast."""
    if isinstance(y, np.ndarray):
        return y
    if sparse.issparse(y):
        return y.toarray()
    if library_of(y) is None:
        return object_array(y) if isinstance(y, list) else np.asarray(y)
    if len(getattr(y, "shape", ())) == 2:
        columns = [object_array(column_values(column_at(y, j))) for j in range(y.shape[1])]
        return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)
    return object_array(column_values(y))
