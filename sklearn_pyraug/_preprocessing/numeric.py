"""The two-way map between complete numeric columns and float32 codes, one code each."""

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from .arithmetic import column_blocks, exponents, integers_at, offsets_from, times_power
from .column_stats import Columns

_LARGEST_CODE = float(np.finfo(np.float32).max)
_SMALLEST_SCALE = float(np.finfo(np.float64).smallest_subnormal)


class NumberCodec:
    """Code columns of numbers as float32, and turn codes back into values that they could hold.

    Parameters
    ----------
    columns : Columns
        Of the training rows.
    unit_interval : bool
        True, which allows of no ranked column, maps the whole table onto [0, 1] with one center
        and one scale; False standardises each column, or gives it normal scores where it is
        ranked.
    rounded : bool
        Whether columns are held to their integers and decimals.
    quantiles : tuple of ndarray, or None
        From :func:`class_quantiles`: decoded values are then those of the training rows, rank
        for rank.

    Attributes
    ----------
    center, scale : ndarray of shape (n_features,), dtype=float64
        See :class:`~sklearn_pyraug._preprocessing.table_codec.TableCodec`.
    constant : ndarray of shape (n_features,), dtype=bool
        Whether a column holds one single value.

    Notes
    -----
    The normal score of the i-th smallest of n values is Φ⁻¹((i − ½) / n); equal values have the
    score of their mean rank, and all scores between their first and their last rank mean them.
    Between neighbouring values scores are interpolated linearly, from the last rank of the one to
    the first of the other.
    """

    # What a model file holds; everything else follows.
    _columns: Columns
    _unit_interval: bool
    _rounded: bool
    _quantiles: tuple[np.ndarray, ...] | None

    def __init__(self, columns, unit_interval, rounded, quantiles):
        self._columns = columns
        self._unit_interval = unit_interval
        self._rounded = rounded
        self._quantiles = quantiles
        self.complete()

    def complete(self):
        """Set what follows from the parameters; ValueError if they do not fit together."""
        columns, n = self._columns, len(self._columns.low)
        for values in self._quantiles or ():
            if values.ndim != 2 or values.shape[1] != n or not np.isfinite(values).all():
                raise ValueError("the quantiles of columns of numbers do not fit")
        self.constant = columns.low == columns.high
        self._fit_scores(columns)
        if self._unit_interval:
            self._fit_unit_interval(columns)
        else:
            self._fit_gaussian(columns)
        self._fit_ends_and_borders(columns)

    def _fit_gaussian(self, columns):
        self._anchor, self._exponent = columns.low, columns.exponent
        self._shift = columns.mean_offset
        self._unit = np.where(self.constant, 1.0, columns.deviation)
        self._center_code = np.zeros(len(self._unit))
        self.center = columns.mean
        with np.errstate(under="ignore"):
            scale = times_power(columns.deviation, columns.exponent)
        self.scale = np.where(self.constant, 1.0, np.maximum(scale, _SMALLEST_SCALE))

    def _fit_scores(self, columns):
        """Keep, for each ranked column, its distinct values with their codes."""
        n = columns.knots.shape[1]
        # Rounded to float32, so that the code of a training value is exactly one of them.
        self._scores = _as_code((np.arange(n) + 0.5) / n)
        self._curves = []
        for knots in columns.knots:
            values, first, count = np.unique(knots, return_index=True, return_counts=True)
            self._curves.append((values, _as_code((first + 0.5 * count) / n)))

    def _fit_unit_interval(self, columns):
        low, high = columns.low.min(), columns.high.max()
        exponent = exponents(low, high)
        self._anchor = np.full_like(columns.low, low)
        self._exponent = np.full_like(columns.exponent, exponent)
        self._shift = np.zeros(len(columns.low))
        span = offsets_from(np.full_like(columns.low, high), self._anchor, self._exponent)
        self._unit = np.where(span > 0, span, 1.0)
        float_anchor = self._anchor.astype(np.float64)
        self.center = float_anchor
        with np.errstate(over="ignore", under="ignore"):
            self._center_code = (
                offsets_from(columns.mean, float_anchor, self._exponent) / self._unit
            )
            scale = times_power(self._unit, self._exponent)
        self.scale = np.minimum(scale, np.finfo(np.float64).max)

    def _fit_ends_and_borders(self, columns):
        """Code the ends of each column, and the borders between neighbouring observed values."""
        owner = np.repeat(np.arange(len(columns.low)), np.diff(columns.start))
        # Borders lie between codes rounded to float32, so that a training value with a code of its
        # own comes back exactly.
        codes = self._encode_at(columns.values, owner).astype(np.float64)
        self._borders = np.zeros(len(codes))
        self._borders[:-1] = codes[:-1] + (codes[1:] - codes[:-1]) / 2
        everywhere = np.arange(len(columns.low))
        self._end_codes = self._encode_at(np.stack([columns.low, columns.high]), everywhere)

    def dispersion(self):
        """Return the columns' variance as a share of that of zeros and ones with the same means."""
        mean = self._center_code
        most = (mean * (1.0 - mean)).sum()
        # Offsets use the column's exponent, and codes that of the whole table.
        unit = np.ldexp(self._unit, self._exponent - self._columns.exponent)
        return ((self._columns.deviation / unit) ** 2).sum() / most if most > 0 else 1.0

    def encode(self, X):
        """Code rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Finite rows, of a dtype that :func:`.as_numbers` returns.

        Returns
        -------
        T : ndarray of shape (n_samples, n_features), dtype=float32
            Finite.
        """
        same_dtype = X.dtype == self._columns.low.dtype
        T = np.empty(X.shape, dtype=np.float32)
        for j in column_blocks(X.shape):
            block = X[:, j] if same_dtype else X[:, j].astype(np.float64)
            T[:, j] = self._encode_at(block, np.arange(j.start, j.stop))
        return T

    def _encode_at(self, X, selected):
        """Code values of shape (..., n_selected), the last axis being the columns `selected`.

        These are indices in ascending order, which may repeat.
        """
        anchor = self._anchor[selected].astype(X.dtype, copy=False)
        with np.errstate(over="ignore", under="ignore"):
            offsets = offsets_from(X, anchor, self._exponent[selected])
            T = (offsets - self._shift[selected]) / self._unit[selected]
            if self._unit_interval:
                return np.clip(T, 0.0, 1.0).astype(np.float32)
            T = np.clip(T, -_LARGEST_CODE, _LARGEST_CODE).astype(np.float32)
        curves = zip(self._columns.ranked, self._columns.knots, self._curves, strict=True)
        for k, knots, (known, codes) in curves:
            where = slice(*selected.searchsorted([k, k + 1]))
            between = np.interp(
                offsets[..., where], self._offsets_of(knots, k), self._scores, codes[0], codes[-1]
            )
            # Different values may have equal offsets, so look the values up.
            position = np.minimum(known.searchsorted(X[..., where]), len(known) - 1)
            is_known = known[position] == X[..., where]
            T[..., where] = np.where(is_known, codes[position], between)
        return T

    def _offsets_of(self, values, k):
        """Return the offsets of values of column `k`."""
        return offsets_from(values, self._anchor[k], self._exponent[k])

    def decode(self, T, class_index=None):
        """Turn codes into values that their columns could have held.

        Parameters
        ----------
        T : ndarray of shape (n_rows, n_features)
            Codes of any floating dtype. Any value is allowed, NaN and infinity included.
        class_index : ndarray of int of shape (n_rows,), default=None
            The class of each row, for `quantiles`; None takes all rows for one class.

        Returns
        -------
        X : ndarray of shape (n_rows, n_features), of the training rows' dtype
        """
        columns = self._columns
        X = np.empty(T.shape, dtype=columns.low.dtype)
        for j in column_blocks(T.shape):
            codes = T[:, j].astype(np.float64)
            codes = np.where(np.isfinite(codes), codes, self._center_code[j])
            if self._quantiles is not None:
                X[:, j] = self._decode_ranks(codes, j, class_index)
                continue
            # Constant columns, too: their range is one point.
            X[:, j] = self._decode_smooth(codes, j)
            for k, knots in self._knots_of(j):
                # Offsets are rounded. The score of a training value, or one between the scores of
                # equal values, means exactly that value.
                left = self._scores.searchsorted(codes[:, k - j.start], side="right") - 1
                left, right = np.maximum(left, 0), np.minimum(left + 1, len(knots) - 1)
                exact = (self._scores[left] == codes[:, k - j.start]) | (
                    knots[left] == knots[right]
                )
                X[exact, k] = knots[left[exact]]
            for k in j.start + np.flatnonzero(np.diff(columns.start[j.start : j.stop + 1])):
                values = slice(columns.start[k], columns.start[k + 1])
                borders = self._borders[values][:-1]
                X[:, k] = columns.values[values][borders.searchsorted(codes[:, k - j.start])]
        return X

    def _knots_of(self, j):
        """Yield (column, sorted training values) of the ranked ones of the columns `j`."""
        for i in range(*self._columns.ranked.searchsorted([j.start, j.stop])):
            yield self._columns.ranked[i], self._columns.knots[i]

    def _decode_smooth(self, codes, j):
        """Invert the code of columns `j`, keep to integers and decimals, and clip.

        Takes and returns an array of shape (n_rows, n_selected).
        """
        anchor, low, high = self._anchor[j], self._columns.low[j], self._columns.high[j]
        with np.errstate(over="ignore", under="ignore"):
            offsets = codes * self._unit[j] + self._shift[j]
            for k, knots in self._knots_of(j):
                places = self._offsets_of(knots, k)
                offsets[:, k - j.start] = np.interp(codes[:, k - j.start], self._scores, places)
            # The code of an end may have been rounded inwards, but still means the end.
            offsets[codes <= self._end_codes[0, j]] = -np.inf
            offsets[codes >= self._end_codes[1, j]] = np.inf
            if anchor.dtype.kind in "iu":
                return integers_at(np.rint(offsets), anchor, low, high)
            X = times_power(anchor.astype(np.float64), -self._exponent[j]) + offsets
            X = times_power(X, self._exponent[j])
            if self._rounded:
                integer = self._columns.integer[j]
                X[:, integer] = np.rint(X[:, integer])
                decimals = self._columns.decimals[j]
                for k in np.unique(decimals[decimals > 0]):
                    X[:, decimals == k] = np.round(X[:, decimals == k], k)
            return np.clip(X, low, high).astype(low.dtype)

    def _decode_ranks(self, codes, j, class_index):
        """Give each class's rows the training values of the class in columns `j`, rank for rank."""
        if class_index is None:
            groups = [(slice(None), self._known(None, j))]
        else:
            groups = [(class_index == k, self._known(k, j)) for k in np.unique(class_index)]
        X = self._decode_smooth(codes, j)
        for rows, known in groups:
            m, n = len(X[rows]), len(known)
            if m:
                ranks = rankdata(codes[rows], axis=0)
                X[rows] = np.take_along_axis(known, ((ranks - 0.5) * n / m).astype(np.intp), axis=0)
        return X

    def _known(self, k, j):
        """Return the sorted training values of class `k` in columns `j`, of shape (n, n_selected).

        Of all classes where `k` is None, or a class that has no value of its own: all of its
        rows lack one, or hold the column's atom.
        """
        quantiles = self._quantiles
        if k is not None and k < len(quantiles) and len(quantiles[k]):
            return quantiles[k][:, j]
        return np.sort(np.concatenate(quantiles)[:, j], axis=0)


def _as_code(probability):
    """Return Φ⁻¹(probability) as float64, rounded to what float32 can hold."""
    return ndtri(probability).astype(np.float32).astype(np.float64)


def class_quantiles(X, y_index):
    """Return the training values of each class, sorted within their columns.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    y_index : ndarray of int of shape (n_samples,), or None
        Class of each row; None for a single class.

    Returns
    -------
    quantiles : tuple of ndarray, each of shape (n_k, n_features)
    """
    if y_index is None:
        return (np.sort(X, axis=0),)
    return tuple(np.sort(X[y_index == k], axis=0) for k in range(y_index.max() + 1))
