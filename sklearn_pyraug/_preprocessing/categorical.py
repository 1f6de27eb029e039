"""Columns of levels: categories, and numbers with only two values."""

from typing import NamedTuple

import numpy as np

# So many levels, the most frequent ones, have a code of their own.
_MAX_LEVELS = 20
_GOLDEN = (5**0.5 - 1) / 2


class Levels(NamedTuple):
    """The two-way map between a column of levels and its code columns.

    One or two levels take one code column, 0 or 1. More levels take a code column each, one of
    which is 1. Beyond 20 levels, the rarest share one.

    Attributes
    ----------
    values : ndarray of shape (n_levels,)
        The distinct values, sorted; a missing value, as NaN, is the last one.
    group : ndarray of int of shape (n_levels,)
        For each value, its code.
    n_groups : int
        Number of codes.
    counts : ndarray of int of shape (n_classes, n_levels)
        Training rows of each class with each value.
    """

    values: np.ndarray
    group: np.ndarray
    n_groups: int
    counts: np.ndarray

    @property
    def width(self):
        """Number of code columns."""
        return self.n_groups if self.n_groups > 2 else 1

    def check(self):
        """Raise ValueError if the parts do not fit together, as in a damaged file."""
        n = len(self.values)
        sound = (
            self.values.shape == self.group.shape == self.counts.shape[1:] == (n,)
            and self.values.dtype.kind in "biuf"
            and np.array_equal(self.values, np.unique(self.values), equal_nan=True)
            and self.group.dtype.kind == self.counts.dtype.kind == "i"
            and 0 < self.n_groups <= n
            and np.array_equal(np.unique(self.group), np.arange(self.n_groups))
            and (self.counts >= 0).all()
            and self.counts.any()
        )
        if not sound:
            raise ValueError("the levels of a column do not fit together")

    def encode(self, x, where="the column"):
        """Return the codes of values, of shape (n_rows, width).

        Parameters
        ----------
        x : ndarray of shape (n_rows,)
        where : str, default="the column"
            How messages call the column.
        """
        # NaN is sorted to the end, here as in `values`.
        position = np.minimum(self.values.searchsorted(x), len(self.values) - 1)
        known = (self.values[position] == x) | (np.isnan(self.values[position]) & np.isnan(x))
        if not known.all():
            raise ValueError(
                f"X has {np.count_nonzero(~known)} value(s) in {where} that the training rows "
                "lack. Leave these rows out, or replace the values."
            )
        group = self.group[position]
        return group[:, None] if self.width == 1 else group[:, None] == np.arange(self.n_groups)

    def decode(self, T, class_index=None):
        """Return the level of each row of codes.

        It is the one with the largest code; a class without missing values gets none. Levels
        that share a code are given out in turn, within each class in proportion to their training
        rows of the class, or of all classes where the class has none.

        Parameters
        ----------
        T : ndarray of shape (n_rows, width)
            Any value is allowed; where one is NaN or infinite, the most frequent code is meant.
        class_index : ndarray of int of shape (n_rows,), default=None

        Returns
        -------
        x : ndarray of shape (n_rows,), of the dtype of `values`
        """
        share = np.bincount(self.group, self.counts.sum(axis=0) / self.counts.sum())
        T = np.where(np.isfinite(T).all(axis=1, keepdims=True), T, share[-self.width :])
        if self.width == 1:
            group = np.minimum(T[:, 0] > 0.5, self.n_groups - 1).astype(np.intp)
        else:
            if class_index is not None and np.isnan(self.values[-1]):
                complete = self.counts[class_index, -1] == 0
                T[complete, self.group[-1]] = -np.inf
            group = T.argmax(axis=1)
        level = np.unique(self.group, return_index=True)[1][group]
        if len(self.values) > self.n_groups:
            self._give_out(level, group == self.n_groups - 1, class_index)
        return self.values[level]

    def _give_out(self, level, shared, class_index):
        """Spread the rows of the last code over its levels, in place."""
        members = np.flatnonzero(self.group == self.n_groups - 1)
        everywhere = self.counts[:, members].sum(axis=0)
        if class_index is None:
            class_index = np.zeros(len(level), dtype=np.intp)
            counts = everywhere[None]
        else:
            counts = self.counts[:, members]
            counts = np.where(counts.any(axis=1, keepdims=True), counts, everywhere)
        for k in np.unique(class_index[shared]):
            rows = np.flatnonzero(shared & (class_index == k))
            # Multiples of the golden ratio, modulo 1, fill the unit interval evenly in any number.
            u = (0.5 + _GOLDEN * np.arange(len(rows))) % 1.0
            cumulative = counts[k].cumsum()
            level[rows] = members[cumulative.searchsorted(u * cumulative[-1], side="right")]


def learn_levels(x, y_index=None, n_classes=1):
    """Return the :class:`Levels` of a column.

    Parameters
    ----------
    x : ndarray of shape (n_samples,)
        Training values; NaN is a level like any other.
    y_index : ndarray of int of shape (n_samples,), default=None
        Class of each row.
    n_classes : int, default=1

    Returns
    -------
    levels : Levels

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug._preprocessing.categorical import learn_levels
    >>> levels = learn_levels(np.array([3.0, 1.0, np.nan, 3.0]))
    >>> levels.values
    array([ 1.,  3., nan])
    >>> levels.encode(np.array([3.0, np.nan])).astype(int)
    array([[0, 1, 0],
           [0, 0, 1]])
    """
    values, level = np.unique(x, return_inverse=True)
    level = level.reshape(-1)
    counts = np.zeros((n_classes, len(values)), dtype=np.int64)
    np.add.at(counts, (0 if y_index is None else y_index, level), 1)
    group, n_groups = np.arange(len(values)), len(values)
    if n_groups > _MAX_LEVELS + 1:
        # A missing value is kept apart, however rare: it is no level among others.
        frequency = counts.sum(axis=0) + np.isnan(values) * (len(x) + 1)
        kept = np.sort(np.argsort(-frequency, kind="stable")[:_MAX_LEVELS])
        group, n_groups = np.full(len(values), _MAX_LEVELS), _MAX_LEVELS + 1
        group[kept] = np.arange(_MAX_LEVELS)
    return Levels(values, group, n_groups, counts)
