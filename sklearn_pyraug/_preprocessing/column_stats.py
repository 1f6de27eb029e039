"""What is learned of a numeric column from the training rows: its scale, tails and lattice.

A lattice is the set of values that a column lives on: integers, two decimals, the few values
that occur at all. A classifier that splits on single values sees at once whether a row keeps to
it.
"""

from typing import NamedTuple

import numpy as np

from .arithmetic import column_blocks, exponents, offsets_from, times_power

# Wider tables hold measurements of one kind, such as gene expressions. "auto" does not look at
# their single columns.
MAX_TABLE_COLUMNS = 500
# Number of rows of a class that have to agree on a level before other levels are ruled out. If a
# quarter of a class lacks a value, all of ten rows have it by chance once in 18 times.
MIN_AGREEING_ROWS = 10

# Steps of 10**-k are looked for up to this k.
_MAX_DECIMALS = 4
# Heavy tails: limits on the L-skewness and the L-kurtosis, which are 0.33 and 0.17 for an
# exponential, 0.46 and 0.29 for a standard lognormal, 0 and 0.26 for Student's t with 3 degrees of
# freedom. With fewer rows these ratios are too noisy; fewer different values are levels of a scale.
_MAX_L_SKEWNESS, _MAX_L_KURTOSIS = 0.4, 0.35
_MIN_TAIL_ROWS, _MIN_TAIL_VALUES = 20, 11

# An atom is one value with at least this share and this number of the rows, next to at least this
# many other values.
_MIN_ATOM_SHARE, _MIN_ATOM_ROWS, _MIN_OTHER_VALUES = 0.3, 3, 6
# With more other values than this, they are no levels, however often each occurs.
_MANY_VALUES = 20


class Columns(NamedTuple):
    """Facts about each column of a table of shape (n_samples, n_features).

    Offsets are distances from the column's smallest value, divided by 2**exponent.
    """

    low: np.ndarray  # (n_features,), the table's dtype
    high: np.ndarray  # (n_features,), the table's dtype
    exponent: np.ndarray  # (n_features,), int; 0 unless the column's magnitude is extreme
    mean: np.ndarray  # (n_features,), float64
    mean_offset: np.ndarray  # (n_features,), float64
    deviation: np.ndarray  # (n_features,), float64, of the offsets
    integer: np.ndarray  # (n_features,), bool: all values are integers
    decimals: np.ndarray  # (n_features,), int: values are multiples of 10**-decimals; 0 if not
    values: np.ndarray  # (n_values,), the distinct values of each column to snap, in turn
    start: np.ndarray  # (n_features + 1,), int: column j's values are [start[j], start[j + 1])
    ranked: np.ndarray  # (n_ranked,), int: the columns whose code is a normal score
    knots: np.ndarray  # (n_ranked, n_samples), the table's dtype: their values, sorted

    def check(self):
        """Raise ValueError if the parts do not fit together, as in a damaged file."""
        n, borders = len(self.low), self.start
        sound = (
            all(v.shape == (n,) for v in self[:8])
            and all(v.dtype.kind in "biuf" and np.isfinite(v).all() for v in self)
            and ((self.decimals >= 0) & (self.decimals <= _MAX_DECIMALS)).all()
            and borders.shape == (n + 1,)
            and borders[0] == 0
            and (np.diff(borders) >= 0).all()
            and self.values.shape == (borders[-1],)
            and self.ranked.shape == self.knots.shape[:1]
            and np.isin(self.ranked, np.arange(n)).all()
            and self.knots.shape[1:] > (0,) * (len(self.ranked) > 0)
        )
        if not sound:
            raise ValueError("what is known of columns of numbers does not fit together")


def summarise(X, value_mapping, scaling):
    """Summarise the columns of a table.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite; of a dtype that :func:`.as_numbers` returns.
    value_mapping : {"auto", "nearest", "quantile", None}
        Decides which columns have `values`: those with ties, all or none. A constant column has
        none, as it needs none.
    scaling : {"auto", "standard", "quantile"}
        Decides which columns are `ranked`: the heavy-tailed ones, none or all that vary.

    Returns
    -------
    columns : Columns
    """
    n_samples, n_features = X.shape
    low, high = np.empty((2, n_features), dtype=X.dtype)
    exponent = np.zeros(n_features, dtype=np.intc)
    decimals = np.zeros(n_features, dtype=np.intp)
    mean, mean_offset, deviation = np.empty((3, n_features))
    integer = np.ones(n_features, dtype=bool)
    values, n_values = [np.empty(0, dtype=X.dtype)], np.zeros(n_features, dtype=np.int64)
    ranked, knots = [np.empty(0, dtype=np.intp)], [np.empty((0, n_samples), dtype=X.dtype)]

    for j in column_blocks(X.shape):
        rows = np.sort(np.ascontiguousarray(X[:, j].T), axis=1)  # each row is a column of the table
        low[j], high[j] = rows[:, 0], rows[:, -1]
        if X.dtype.kind == "f":
            exponent[j] = exponents(low[j], high[j])
            integer[j] = (rows == np.rint(rows)).all(axis=1)

        with np.errstate(under="ignore"):
            offsets = offsets_from(rows, low[j, None], exponent[j, None])
            mean_offset[j] = offsets.mean(axis=1)
            offsets -= mean_offset[j, None]
            deviation[j] = np.sqrt(np.mean(offsets**2, axis=1))
            scaled_low = times_power(low[j].astype(np.float64), -exponent[j])
            mean[j] = times_power(scaled_low + mean_offset[j], exponent[j])

        is_first = np.ones(rows.shape, dtype=bool)
        is_first[:, 1:] = rows[:, 1:] != rows[:, :-1]
        n_distinct = is_first.sum(axis=1)
        snapped = n_distinct > 1
        if value_mapping == "auto":
            snapped &= 2 * n_distinct <= n_samples
        elif value_mapping != "nearest":
            snapped[:] = False
        values.append(rows[snapped][is_first[snapped]])
        n_values[j] = np.where(snapped, n_distinct, 0)
        narrow = n_features <= MAX_TABLE_COLUMNS
        if value_mapping == "auto" and narrow and X.dtype.kind == "f":
            looked_at = np.flatnonzero(~snapped & ~integer[j] & (exponent[j] == 0))
            decimals[j.start + looked_at] = _decimals(rows[looked_at])

        by_rank = n_distinct > 1 if scaling == "quantile" else np.zeros(len(rows), dtype=bool)
        if scaling == "auto" and narrow and n_samples >= _MIN_TAIL_ROWS:
            by_rank = (n_distinct >= _MIN_TAIL_VALUES) & _heavy_tailed(offsets)
        ranked.append(j.start + np.flatnonzero(by_rank))
        knots.append(rows[by_rank])

    start = np.concatenate([[0], np.cumsum(n_values)])
    return Columns(
        low, high, exponent, mean, mean_offset, deviation, integer, decimals,
        np.concatenate(values), start, np.concatenate(ranked), np.concatenate(knots),
    )  # fmt: skip


def _decimals(rows):
    """Return for each row of floats the least k in 1, ..., 4 with all values in 10**-k Z, or 0."""
    found = np.zeros(len(rows), dtype=np.intp)
    eps = float(np.finfo(rows.dtype).eps)
    for k in range(1, _MAX_DECIMALS + 1):
        # The step must be well above the precision of the values, or every number would be on it.
        top = np.maximum(np.abs(rows[:, 0]), np.abs(rows[:, -1])).astype(np.float64)
        left = np.flatnonzero((found == 0) & (8 * eps * top < 10.0**-k))
        # A few values rule out most columns.
        few = rows[left][:, :: -(-rows.shape[1] // 16)]
        left = left[_on_step(few, k, eps)]
        found[left[_on_step(rows[left], k, eps)]] = k
    return found


def _on_step(rows, k, eps):
    """Say for each row whether all its values are multiples of 10**-k, apart from rounding."""
    rows = rows.astype(np.float64)
    return (np.abs(rows - np.round(rows, k)) <= eps * np.abs(rows)).all(axis=1)


def _heavy_tailed(centered):
    """Say for each row of sorted numbers of mean 0 whether its L-moments are those of heavy tails.

    The L-moments are λ_2 = 2 b_1 − b_0, λ_3 = 6 b_2 − 6 b_1 + b_0 and
    λ_4 = 20 b_3 − 30 b_2 + 12 b_1 − b_0 with b_r the mean of x_(i) (i−1)···(i−r) /
    (n−1)···(n−r); the L-skewness is λ_3 / λ_2, the L-kurtosis λ_4 / λ_2 (Hosking 1990,
    "L-moments", Journal of the Royal Statistical Society B 52). They are linear in the data and
    the ratios are bounded, so that 50 rows are enough to estimate them.
    """
    n = centered.shape[1]
    weights, b = np.ones(n), [centered.mean(axis=1)]
    for r in range(1, 4):
        weights = weights * (np.arange(n) - (r - 1)) / (n - r)
        b.append(centered @ weights / n)
    spread = 2 * b[1] - b[0]
    skewness = np.abs(6 * b[2] - 6 * b[1] + b[0])
    kurtosis = 20 * b[3] - 30 * b[2] + 12 * b[1] - b[0]
    return (skewness > _MAX_L_SKEWNESS * spread) | (kurtosis > _MAX_L_KURTOSIS * spread)


def find_atom(distinct, counts):
    """Return the value that many rows have, next to continuous values of the others, or None.

    It is the most frequent value if at least 30 % of the rows have it and at least 3, and if
    there are at least 6 other values which are either more than 20 or more than half as many as
    their rows: else the column is a scale of a few levels.

    Parameters
    ----------
    distinct : ndarray of shape (n_distinct,)
        The values of a column.
    counts : ndarray of int of shape (n_distinct,)
        How often each occurs.

    Returns
    -------
    atom : scalar or None

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug._preprocessing.column_stats import find_atom
    >>> float(find_atom(np.arange(30.0), np.r_[40, np.ones(29, int)]))
    0.0
    >>> find_atom(np.arange(3.0), np.array([40, 10, 5])) is None
    True
    """
    total, most = counts.sum(), counts.max()
    n_others, n_rest = len(distinct) - 1, total - most
    continuous = n_others > _MANY_VALUES or 2 * n_others > n_rest
    if most < max(_MIN_ATOM_ROWS, _MIN_ATOM_SHARE * total):
        return None
    return distinct[counts.argmax()] if n_others >= _MIN_OTHER_VALUES and continuous else None
