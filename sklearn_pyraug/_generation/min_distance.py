"""How close new rows come to the training rows, told and kept in bounds."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

__all__ = [
    "Guard",
    "PrivacyCounts",
    "PrivacyReport",
    "Spacing",
    "closest",
    "closest_other",
    "find_spacing",
    "limited",
    "make_guard",
    "privacy_report",
    "warn_of_close_rows",
    "warn_of_near_copies",
]

# The quantile of the training rows' distances to their nearest other one.
_QUANTILE = 0.01
# Rows, real and synthetic, of which the distances are measured: a share of 1 % is then known to
# 0.14 % (one standard deviation).
_MAX_MEASURED = 5_000
# Codes are of float32: what differs by less than this share of a distance is no difference.
_ROUNDING = 1e-6
# Stands for a code that is infinite.
_FAR = 1e30
# Values in one block of differences.
_BLOCK = 2**22
# As near as this, in medians of the training rows' distances to their nearest other one, is a
# near-copy. Of the default settings' new rows 0 to 1 % are, and 8 % where 30 rows have two numbers
# and three columns of few values; of those of an augmenter that copies, all.
_NEAR = 0.1
# What near-copies have to exceed for a warning: rows, share, and multiple of the share of the
# training rows that are as near to each other.
_WARN_ROWS, _WARN_SHARE, _WARN_MULTIPLE = 3, 0.2, 3
# What helps, for the warnings.
_STRAY = (
    "new rows stray further, by a larger transfer_scale, or with decoder='direct' by a larger "
    "temperature"
)


class Spacing(NamedTuple):
    """How far training rows lie from their nearest other one, of whatever class.

    Attributes
    ----------
    threshold : float
        The 1st percentile of these distances.
    median : float
    near_share : float
        The share of distances that are no more than a tenth of the median.
    """

    threshold: float
    median: float
    near_share: float


class PrivacyCounts(NamedTuple):
    """How many synthetic rows of one class come close to a training row, of whatever class.

    Attributes
    ----------
    n_rows, n_measured, n_close, n_near_copies, n_copies : int
        As those of :class:`PrivacyReport`.
    """

    n_rows: int
    n_measured: int
    n_close: int
    n_near_copies: int
    n_copies: int


class PrivacyReport(NamedTuple):
    """How many synthetic rows come closer to a training row than training rows to each other.

    All distances are root mean squares over the coded columns, as ``origin_distances_``. The
    spacing of the training rows is the distance of each to its nearest other one, of whatever
    class. The text of a report is a few sentences.

    Attributes
    ----------
    n_rows : int
        Synthetic rows.
    n_measured : int
        Those whose distances were measured: all, or 5,000 drawn at random.
    n_close : int
        Those, of the measured ones, that lie closer to a training row than `threshold`.
    n_near_copies : int
        Those, of the measured ones, that lie no further from a training row than a tenth of the
        median spacing.
    n_copies : int
        Synthetic rows that equal a training row in all coded columns.
    expected_share : float
        The share of `n_close` in `n_measured` that new rows of the same distribution, drawn
        independently of the training rows, would have.
    n_training_rows : int
    n_twins : int
        Training rows that equal another one in all coded columns.
    spacing : Spacing
        ``threshold``, the 1st percentile of the training rows' spacing; ``median``; and
        ``near_share``, the share of it that is no more than a tenth of the median. Of more than
        5,000 training rows so many, drawn at random, are held against all others.
    by_label : dict of label to PrivacyCounts
        The first five for the synthetic rows of each class.

    See Also
    --------
    memorization_share : Much the same of any two arrays.

    Notes
    -----
    A row is closer than the threshold if it is so by more than a millionth of it, since codes
    have the precision of float32. Where about 1 % of the training rows or more have a twin, the
    threshold is 0, and no row can be closer: `n_copies` beside `n_twins` is then what there is to
    say.

    `expected_share` is 1 %, or 2 / (n + 1) where there are n < 199 training rows: of up to 101
    rows the percentile is the smallest distance, and a given one of n + 1 rows of one
    distribution belongs to the closest pair with this probability.

    A row that was made from a real one is closer to it than an independent row would be, and
    interpolation, such as SMOTE's, yet more so. A low share is no proof of privacy: a row that is
    far away in most columns may still tell what stands in one.

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
    by_label: dict

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


def _percent(share):
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


class Guard(NamedTuple):
    """What new rows must not come close to.

    Attributes
    ----------
    rows : ndarray of float32 of shape (n, n_codes)
        All coded training rows.
    spacing : Spacing
        Theirs.
    limit : float
        The distance in use.
    """

    rows: np.ndarray
    spacing: Spacing
    limit: float

    def distances(self, T):
        """Return the distance of coded rows, shape (n_new, n_codes), to the nearest of `rows`."""
        return closest(T, self.rows) / np.sqrt(max(T.shape[1], 1))

    def is_close(self, distances):
        """Say which distances are below the limit, by more than rounding; shape (n_new,)."""
        return _below(distances, self.limit)


def make_guard(T):
    """Return a guard of coded training rows, shape (n, n_codes), with ``"auto"``'s limit."""
    spacing = find_spacing(T)
    return Guard(T, spacing, spacing.threshold)


def limited(guard, min_distance):
    """Return a guard with the limit that is asked for.

    Parameters
    ----------
    guard : Guard or None
        As it was made when the generators were trained.
    min_distance : float, "auto" or None

    Returns
    -------
    guard : Guard or None
        None where there is no limit, or it is 0 because training rows have twins.

    Raises
    ------
    ValueError
        If there is one, but was none at the time of the training.
    """
    if min_distance is None:
        return None
    if guard is None:
        raise ValueError(
            f"min_distance={min_distance!r} was set after training, when the training rows were "
            "not kept. Set it before fit or fit_resample."
        )
    limit = guard.spacing.threshold if isinstance(min_distance, str) else float(min_distance)
    return guard._replace(limit=limit) if limit > 0 else None


def find_spacing(T):
    """Return how far rows lie from their nearest other one.

    Parameters
    ----------
    T : ndarray of shape (n, n_codes)
        Coded training rows, at least two. Of more than 5,000 rows so many, drawn at random with
        a fixed seed, stand for all; each is compared with all others.

    Returns
    -------
    spacing : Spacing
        Root mean squares over the columns.
    """
    distances = closest_other(T, _some(len(T))) / np.sqrt(T.shape[1])
    threshold, median = np.quantile(distances, [_QUANTILE, 0.5]).tolist()
    return Spacing(threshold, median, float(_near(distances, median).mean()))


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
    real = {}
    for row in _bytes(T_real):
        real[row] = real.get(row, 0) + 1
    copies = np.fromiter((row in real for row in _bytes(T_new)), bool, n_new)
    measured = _some(n_new)
    distances = closest(T_new[measured], T_real) / np.sqrt(T_real.shape[1])
    close, near = _below(distances, spacing.threshold), _near(distances, spacing.median)
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
        max(_QUANTILE, 2 / (n + 1)),
        n,
        sum(count for count in real.values() if count > 1),
        spacing,
        by_label,
    )


def warn_of_near_copies(report):
    """Warn if a report tells of many near-copies."""
    if report.has_many_near_copies:
        warnings.warn(
            f"{report.n_near_copies} of {report.n_measured} synthetic rows are near-copies of "
            "training rows, see privacy_. Set min_distance='auto' to draw such rows again, or let "
            f"{_STRAY}.",
            UserWarning,
            stacklevel=2,
        )


def warn_of_close_rows(n_close, n_new, n_draws, limit):
    """Warn that some new rows are closer to a training row than they should be."""
    verb = "is" if n_close == 1 else "are"
    warnings.warn(
        f"{n_close} of {n_new} new rows {verb} closer to a training row than min_distance="
        f"{limit:.3g}, although drawn {n_draws} times; of each, the furthest draw was taken. Lower "
        f"min_distance, or let {_STRAY}.",
        UserWarning,
        stacklevel=2,
    )


def closest(X, X_real):
    """Return the distance from each row to its closest real row.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    X_real : ndarray of shape (n_real, n_features)

    Returns
    -------
    distances : ndarray of float64 of shape (n,)
        Euclidean.
    """
    X, X_real = _finite(X), _finite(X_real)
    search = NearestNeighbors(n_neighbors=1).fit(X_real)
    distances = np.empty(len(X))
    for rows in _blocks(X):
        index = search.kneighbors(X[rows], return_distance=False)[:, 0]
        distances[rows] = _lengths(X[rows], X_real[index])
    return distances


def closest_other(X, chosen=None):
    """Return the distance from each row to the closest other row.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    chosen : ndarray of int of shape (n_chosen,), default=None
        The rows whose distances are wanted; None for all.

    Returns
    -------
    distances : ndarray of float64 of shape (n_chosen,)
        Euclidean.
    """
    X = _finite(X)
    search = NearestNeighbors(n_neighbors=2).fit(X)
    chosen = np.arange(len(X)) if chosen is None else chosen
    distances = np.empty(len(chosen))
    for part in _blocks(X[:1], len(chosen)):
        rows = chosen[part]
        index = search.kneighbors(X[rows], return_distance=False)
        # A row is the nearest to itself, but may come second to a twin, or behind two.
        other = np.where(index[:, 0] == rows, index[:, 1], index[:, 0])
        distances[part] = _lengths(X[rows], X[other])
    return distances


def _finite(X):
    """Return rows without infinities: a value at the end of its type's range may code to one."""
    return X if np.isfinite(X).all() else np.nan_to_num(X, posinf=_FAR, neginf=-_FAR)


def _blocks(X, n=None):
    """Return slices of X's rows, or of n like them, that bound the memory of differences."""
    n, n_rows = len(X) if n is None else n, max(1, _BLOCK // max(X.shape[1], 1))
    return [slice(start, start + n_rows) for start in range(0, n, n_rows)]


def _lengths(A, B):
    """Return the Euclidean distances of rows pair by pair.

    The search for the pairs may compute |a|² − 2ab + |b|², whose rounding leaves a copy at a
    distance of 1e-8 instead of 0; the difference itself is exact there.
    """
    return np.linalg.norm(A.astype(np.float64) - B, axis=1)


def _below(distances, limit):
    return distances < limit * (1 - _ROUNDING)


def _near(distances, median):
    # Not "nearer than": with twins the median may be 0, and copies must still count.
    return distances <= _NEAR * median


def _some(n):
    """Return the indices of all rows, or of 5,000 of them drawn at random, the same each time."""
    if n <= _MAX_MEASURED:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, _MAX_MEASURED, replace=False))


def _bytes(T):
    """Yield each row as bytes that are equal where the rows are."""
    for row in np.ascontiguousarray(T):
        # Minus zero is zero.
        yield (row + 0.0).tobytes()
