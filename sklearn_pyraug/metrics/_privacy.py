"""How close synthetic rows come to the training rows that they were made from."""

import warnings
from collections import Counter
from typing import NamedTuple

import numpy as np

from .._preprocessing.arithmetic import row_keys
from ._neighbors import (
    QUANTILE,
    STRAY,
    Spacing,
    chosen_rows,
    closest,
    find_spacing,
    is_below,
    is_near,
)

# Near-copies give a warning if they exceed all of these: a number of rows, a share, and a multiple
# of the share of training rows that are as close to each other.
_WARN_ROWS, _WARN_SHARE, _WARN_MULTIPLE = 3, 0.2, 3


class PrivacyCounts(NamedTuple):
    """How many synthetic rows of one class are close to a training row of any class.

    Attributes
    ----------
    n_rows, n_measured, n_close, n_near_copies, n_copies : int
        Counts as in :class:`PrivacyReport`.
    """

    n_rows: int
    n_measured: int
    n_close: int
    n_near_copies: int
    n_copies: int


class PrivacyReport(NamedTuple):
    """How many synthetic rows are closer to a training row than training rows to each other.

    All distances are root mean squares over the coded columns, as in ``origin_distances_``. The
    spacing of a training row is the distance to its nearest other training row of any class. A
    report prints as a few sentences.

    Attributes
    ----------
    n_rows : int
        Number of synthetic rows.
    n_measured : int
        Number of rows whose distances were measured: all, or 5,000 drawn at random.
    n_close : int
        Number of measured rows that lie closer to a training row than `threshold`.
    n_near_copies : int
        Number of measured rows within a tenth of the median spacing of a training row.
    n_copies : int
        Number of synthetic rows that equal a training row in all coded columns.
    expected_share : float
        Expected share of `n_close` in `n_measured` for new rows of the same distribution that are
        independent of the training rows.
    n_training_rows : int
        Number of training rows.
    n_twins : int
        Number of training rows that equal another one in all coded columns.
    spacing : Spacing
        ``threshold``, the 1st percentile of the spacings; ``median``, their median; and
        ``near_share``, the share of spacings of at most a tenth of the median. If there are more
        than 5,000 training rows, the spacings are those of 5,000 random ones.
    by_label : dict of label to PrivacyCounts
        The first five counts for each class.

    See Also
    --------
    memorization_share : A similar share for any two arrays.

    Notes
    -----
    Distances within a millionth of the threshold count as equal to it, since codes have the
    precision of float32. If about 1 % of the training rows or more have a twin, the threshold is 0
    and no row can be closer: compare `n_copies` with `n_twins` then.

    `expected_share` is above 1 %, the more so the fewer training rows there are: for up to 101 rows
    the percentile is the smallest distance, and each of n + 1 rows of one distribution belongs to
    the closest pair with probability 2 / (n + 1). For 200 rows it is 2 %, for 1,000 rows 1.2 %.

    A row that was made from a real one is closer to it than an independent row, and a row of SMOTE
    is closer still. A low share does not prove privacy: a row that is far away in most columns may
    still reveal a value in one.

    Random draws are the same at each call.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import PrivacyReport, Spacing
    >>> print(PrivacyReport(200, 200, 3, 1, 0, 0.01, 500, 0, Spacing(0.31, 0.8, 0.0), {}))
    1.5 % of 200 synthetic rows (3) lie closer to a training row than the closest 1 % of the \
training rows lie to each other; of rows drawn independently, about 1 % (2) would. 1 is a \
near-copy, within a tenth of the usual distance. None equals a training row.
    """

    n_rows: int
    n_measured: int
    n_close: int
    n_near_copies: int
    n_copies: int
    expected_share: float
    n_training_rows: int
    n_twins: int
    spacing: Spacing
    by_label: dict[object, PrivacyCounts]

    @property
    def threshold(self):
        """The 1st percentile of the training rows' spacing."""
        return self.spacing.threshold

    @property
    def share(self):
        """Share of the measured synthetic rows that lie closer than the threshold."""
        return self.n_close / max(self.n_measured, 1)

    @property
    def has_many_near_copies(self):
        """Whether near-copies are too many for chance.

        They are if there are more than 3, more than 20 % of the measured rows, and more than
        three times the share of the training rows that are as near to each other.
        """
        limit = max(_WARN_SHARE, _WARN_MULTIPLE * self.spacing.near_share)
        return self.n_near_copies > max(_WARN_ROWS, limit * self.n_measured)

    def __str__(self):
        if not self.n_rows:
            return "There are no synthetic rows."
        if self.threshold == 0:
            return (
                f"{_percent(self.n_copies / self.n_rows)} of {self.n_rows} synthetic rows "
                f"({self.n_copies}) equal a training row, and "
                f"{_percent(self.n_twins / self.n_training_rows)} of {self.n_training_rows} "
                f"training rows ({self.n_twins}) equal another one. With so many twins among "
                "them, distances cannot tell copies from chance."
            )
        rows = f"{self.n_measured} synthetic rows"
        if self.n_measured < self.n_rows:
            rows = f"{self.n_measured} out of {self.n_rows} synthetic rows"
        expected = round(self.expected_share * self.n_measured)
        near, copies = self.n_near_copies, self.n_copies
        return (
            f"{_percent(self.share)} of {rows} ({self.n_close}) lie closer to a training row than "
            "the closest 1 % of the training rows lie to each other; of rows drawn independently, "
            f"about {_percent(self.expected_share)} ({expected}) would. {near or 'None'} "
            f"{'are near-copies' if near > 1 else 'is a near-copy'}, within a tenth of the usual "
            f"distance. {copies or 'None'} {'equal' if copies > 1 else 'equals'} a training row."
        )

    __repr__ = __str__


def privacy_report(T_new, T_real, y_index, labels, spacing=None):
    """Count the synthetic rows that come close to a training row.

    Parameters
    ----------
    T_new : ndarray of shape (n_new, n_codes)
        Coded synthetic rows.
    T_real : ndarray of shape (n, n_codes)
        Coded training rows, at least two.
    y_index : ndarray of int of shape (n_new,)
        Classes of the synthetic rows.
    labels : list
        The labels that `y_index` refers to.
    spacing : Spacing or None, default=None
        That of `T_real`, if it is known.

    Returns
    -------
    report : PrivacyReport
    """
    n, n_new = len(T_real), len(T_new)
    spacing = find_spacing(T_real) if spacing is None else spacing
    real = Counter(row_keys(T_real))
    copies = np.fromiter((row in real for row in row_keys(T_new)), bool, n_new)
    measured = chosen_rows(n_new)
    distances = closest(T_new[measured], T_real) / np.sqrt(T_real.shape[1])
    close, near = is_below(distances, spacing.threshold), is_near(distances, spacing.median)
    by_label = {}
    for k in np.unique(y_index).tolist():
        own, own_measured = y_index == k, y_index[measured] == k
        counts = own, own_measured, close[own_measured], near[own_measured], copies[own]
        by_label[labels[k]] = PrivacyCounts(*(int(mask.sum()) for mask in counts))
    return PrivacyReport(
        n_new,
        len(measured),
        int(close.sum()),
        int(near.sum()),
        int(copies.sum()),
        _expected_share(len(chosen_rows(n))),
        n,
        sum(count for count in real.values() if count > 1),
        spacing,
        by_label,
    )


def _expected_share(n):
    """Return the share of fresh rows closer than the threshold among the distances of n rows."""
    # Sorted distances come in pairs, because two rows are nearest to each other. One of n + 1 rows
    # is in one of the j closest pairs with probability 2j / (n + 1).
    place = QUANTILE * (n - 1)
    rank = int(place)
    n_pairs = rank // 2 + 1 + (place - rank) * (rank % 2)
    return 2 * n_pairs / (n + 1)


def warn_of_near_copies(report):
    """Warn if a report tells of many near-copies."""
    if report.has_many_near_copies:
        warnings.warn(
            f"{report.n_near_copies} of {report.n_measured} synthetic rows are near-copies of "
            "training rows, see privacy_. Set min_distance='auto' to draw such rows again, or let "
            f"{STRAY}.",
            UserWarning,
            stacklevel=2,
        )


def _percent(share):
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
