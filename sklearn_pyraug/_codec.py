"""The two-way map between a numeric table and the float32 codes that a generator learns from."""

from typing import NamedTuple

import numpy as np

# "auto": how many columns on one scale make a table look like an image.
_MIN_IMAGE_COLUMNS = 16
# Between MNIST (0.8) and pictures of greys (0.5 and less), see `_dispersion`.
_MIN_BINARY_DISPERSION = 0.7
_MAX_BYTE = 255

# Work is cut into blocks of about this many values, so that temporaries stay small.
_BLOCK_VALUES = 2**19

# Columns whose magnitude is 2**e with |e| beyond this are brought near 1 before anything is
# squared. Inside, squares and their sums can neither overflow nor underflow.
_SAFE_EXPONENT = 400

_LARGEST_CODE = float(np.finfo(np.float32).max)
_SMALLEST_SCALE = float(np.finfo(np.float64).smallest_subnormal)


class TableCodec:
    """Code the rows of a numeric table as float32 vectors, and turn codes back into rows.

    A code is an affine function of the row, t_j = (x_j - center_j) / scale_j.

    Parameters
    ----------
    likelihood : {"auto", "gaussian", "bernoulli", "binomial"}, default="auto"
        The kind of code. `"gaussian"` standardises each column. The other two map the whole
        table onto [0, 1] with one center and one scale, as suits an image. See Notes for the rule
        behind `"auto"`.

    sample_shape : tuple of int or None, default=None
        The shape of one row seen as an image or a volume. Only `"auto"` looks at it.

    Attributes
    ----------
    likelihood_ : {"gaussian", "bernoulli", "binomial"}
        The kind of code in use.

    center_ : ndarray of shape (n_features,), dtype=float64
        What codes to 0: the mean of each column, or the smallest value of the table.

    scale_ : ndarray of shape (n_features,), dtype=float64
        The length of one unit of code: the standard deviation of each column (1 for a constant
        column), or the range of the table (1 if there is none).

    constant_ : ndarray of shape (n_features,), dtype=bool
        Whether a column holds one single value.

    binary_ : bool
        Whether the table holds nothing but zeros and ones.

    dtype_ : numpy.dtype
        The dtype of the training rows and of the decoded ones.

    Notes
    -----
    **Choice of the likelihood.** `"auto"` takes `"bernoulli"` or `"binomial"` in three cases,
    else `"gaussian"`: a `sample_shape` is given; or there are two columns or more, and all values
    are 0 or 1; or the columns share one bounded scale, which means at least 16 columns, a smallest
    value of exactly 0, values that are at most 1 or that are integers of at most 255, and, in the
    median over the columns that vary, a column maximum of at least half the global one. It is
    `"bernoulli"` where the columns' variances sum to at least 0.7 of the most that values in [0, 1]
    with these means can have, which is what zeros and ones have; grey values are `"binomial"`.

    **Values that a column can take.** A decoded value is one that its column could have held:

    - a constant column decodes to its constant;
    - a column with ties, that is with at most half as many distinct values as rows, decodes to
      the nearest value observed;
    - any other column whose values are all integers, whatever the dtype, is rounded;
    - all columns are clipped to the range observed. The generator is an augmenter, not an
      extrapolator: a negative concentration or an age of 140 helps no classifier.

    A code that is NaN or infinite decodes as the mean of its column does. So decoding is total:
    whatever the network emits, the rows are finite and within range.

    **Precision.** Codes have the 24 bits of float32. Training rows come back to about 1e-7 of a
    column's scale. Integers, tied values and the two ends of a column come back exactly as long as
    neighbouring values have different codes, which fails only where their spacing is below that:
    above all for codes in [0, 1] of columns that are much narrower than the table.
    """

    def __init__(self, likelihood="auto", sample_shape=None):
        self.likelihood = likelihood
        self.sample_shape = sample_shape

    def fit(self, X):
        """Learn the columns' scales and the values they can take.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Finite rows of boolean, integer or floating dtype; at least one.

        Returns
        -------
        self : TableCodec
        """
        if self.likelihood not in ("auto", "gaussian", "bernoulli", "binomial"):
            raise ValueError(
                f"likelihood={self.likelihood!r} is not known. "
                "Use 'auto', 'gaussian', 'bernoulli' or 'binomial'."
            )
        if X.ndim != 2 or X.dtype.kind not in "biuf" or X.shape[0] < 1:
            raise ValueError(
                f"X has shape {X.shape} and dtype {X.dtype}. Pass a two-dimensional array of "
                "numbers with at least one row."
            )
        self.dtype_ = X.dtype
        X = _as_numbers(X)
        self._columns = columns = _summarise(X)
        self.constant_ = columns.low == columns.high
        self.binary_ = _is_binary(columns)
        self.likelihood_ = self.likelihood
        if self.likelihood == "auto":
            image = self.sample_shape is not None or _on_one_bounded_scale(columns)
            self.likelihood_ = "bernoulli" if image else "gaussian"
        if self.likelihood_ == "gaussian":
            self._fit_gaussian(columns)
        else:
            self._fit_unit_interval(columns)
            if self.likelihood == "auto":
                black_and_white = _dispersion(self, columns) >= _MIN_BINARY_DISPERSION
                self.likelihood_ = "bernoulli" if black_and_white else "binomial"
        self._fit_ends_and_borders(columns)
        return self

    def _fit_gaussian(self, columns):
        self._anchor, self._exponent = columns.low, columns.exponent
        self._shift = columns.mean_offset
        self._unit = np.where(self.constant_, 1.0, columns.deviation)
        self._center_code = np.zeros(len(self._unit))
        self.center_ = columns.mean
        with np.errstate(under="ignore"):
            scale = _scale(columns.deviation, columns.exponent)
        self.scale_ = np.where(self.constant_, 1.0, np.maximum(scale, _SMALLEST_SCALE))

    def _fit_unit_interval(self, columns):
        low, high = columns.low.min(), columns.high.max()
        exponent = _exponents(low, high)
        self._anchor = np.full_like(columns.low, low)
        self._exponent = np.full_like(columns.exponent, exponent)
        self._shift = np.zeros(len(columns.low))
        span = _offsets(np.full_like(columns.low, high), self._anchor, self._exponent)
        self._unit = np.where(span > 0, span, 1.0)
        float_anchor = self._anchor.astype(np.float64)
        self.center_ = float_anchor
        with np.errstate(over="ignore", under="ignore"):
            self._center_code = _offsets(columns.mean, float_anchor, self._exponent) / self._unit
            scale = _scale(self._unit, self._exponent)
        self.scale_ = np.minimum(scale, np.finfo(np.float64).max)

    def _fit_ends_and_borders(self, columns):
        """Code the ends of each column, and the borders between neighbouring observed values."""
        owner = np.repeat(np.arange(len(columns.low)), np.diff(columns.start))
        # Borders lie between the codes as float32 has them, so that a training value that has a
        # code of its own comes back exactly.
        codes = self._encode_at(columns.values, owner).astype(np.float64)
        self._borders = np.zeros(len(codes))
        self._borders[:-1] = codes[:-1] + (codes[1:] - codes[:-1]) / 2
        self._end_codes = self._encode_at(np.stack([columns.low, columns.high]), slice(None))

    def encode(self, X):
        """Code rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Finite rows, in the units of the training rows.

        Returns
        -------
        T : ndarray of shape (n_samples, n_features), dtype=float32
            Finite. In [0, 1] unless `likelihood_` is `"gaussian"`, also for rows beyond the range
            of the training rows.
        """
        self._check_width(X, "X")
        same_dtype = X.dtype == self.dtype_
        X = _as_numbers(X)
        T = np.empty(X.shape, dtype=np.float32)
        for j in _column_blocks(X.shape):
            block = X[:, j] if same_dtype else X[:, j].astype(np.float64)
            T[:, j] = self._encode_at(block, j)
        return T

    def _encode_at(self, X, columns):
        """Code values of shape (..., n_selected), the last axis being the given `columns`."""
        anchor = self._anchor[columns].astype(X.dtype, copy=False)
        with np.errstate(over="ignore", under="ignore"):
            offsets = _offsets(X, anchor, self._exponent[columns])
            T = (offsets - self._shift[columns]) / self._unit[columns]
            if self.likelihood_ != "gaussian":
                return np.clip(T, 0.0, 1.0).astype(np.float32)
            return np.clip(T, -_LARGEST_CODE, _LARGEST_CODE).astype(np.float32)

    def decode(self, T):
        """Turn codes into rows that the table could have held.

        Parameters
        ----------
        T : ndarray of shape (n_rows, n_features)
            Codes of any floating dtype. Any value is allowed, NaN and infinity included.

        Returns
        -------
        X : ndarray of shape (n_rows, n_features), dtype=dtype_
        """
        self._check_width(T, "T")
        columns = self._columns
        X = np.empty(T.shape, dtype=columns.low.dtype)
        for j in _column_blocks(T.shape):
            codes = T[:, j].astype(np.float64)
            codes = np.where(np.isfinite(codes), codes, self._center_code[j])
            # Constant columns too: their range is one point.
            X[:, j] = self._decode_smooth(codes, j)
            for k in j.start + np.flatnonzero(np.diff(columns.start[j.start : j.stop + 1])):
                values = slice(columns.start[k], columns.start[k + 1])
                borders = self._borders[values][:-1]
                X[:, k] = columns.values[values][borders.searchsorted(codes[:, k - j.start])]
        with np.errstate(under="ignore"):
            return X.astype(self.dtype_, copy=False)

    def _decode_smooth(self, codes, j):
        """Invert the affine map of columns `j`, round where only integers occur, and clip.

        Takes and returns an array of shape (n_rows, n_selected).
        """
        anchor, low, high = self._anchor[j], self._columns.low[j], self._columns.high[j]
        with np.errstate(over="ignore", under="ignore"):
            offsets = codes * self._unit[j] + self._shift[j]
            # The code of an end may have been rounded inwards: it means the end all the same.
            offsets[codes <= self._end_codes[0, j]] = -np.inf
            offsets[codes >= self._end_codes[1, j]] = np.inf
            if anchor.dtype.kind in "iu":
                return _integers_at(np.rint(offsets), anchor, low, high)
            X = _scale(anchor.astype(np.float64), -self._exponent[j]) + offsets
            X = _scale(X, self._exponent[j])
            integer = self._columns.integer[j]
            X[:, integer] = np.rint(X[:, integer])
            return np.clip(X, low, high).astype(low.dtype)

    def _check_width(self, array, name):
        if array.ndim != 2 or array.shape[1] != len(self.constant_):
            raise ValueError(
                f"{name} has shape {array.shape}, but the codec was fitted on "
                f"{len(self.constant_)} columns. Pass an array of shape "
                f"(n_rows, {len(self.constant_)})."
            )


class _Columns(NamedTuple):
    """What is known of each column of a table of shape (n_samples, n_features).

    Offsets are distances from the column's smallest value, divided by 2**exponent.
    """

    low: np.ndarray  # (n_features,), the table's dtype
    high: np.ndarray  # (n_features,), the table's dtype
    exponent: np.ndarray  # (n_features,), int; 0 unless the column's magnitude is extreme
    mean: np.ndarray  # (n_features,), float64
    mean_offset: np.ndarray  # (n_features,), float64
    deviation: np.ndarray  # (n_features,), float64, of the offsets
    integer: np.ndarray  # (n_features,), bool: all values are integers
    values: np.ndarray  # (n_values,), the sorted distinct values of each tied column in turn
    start: np.ndarray  # (n_features + 1,), int: column j's values are [start[j], start[j + 1])


def _summarise(X):
    """Return the `_Columns` of a table that :func:`_as_numbers` returned.

    A constant column has no `values`, as it needs none.
    """
    n_samples, n_features = X.shape
    low, high = np.empty((2, n_features), dtype=X.dtype)
    exponent = np.zeros(n_features, dtype=np.intc)
    mean, mean_offset, deviation = np.empty((3, n_features))
    integer = np.ones(n_features, dtype=bool)
    values, n_values = [np.empty(0, dtype=X.dtype)], np.zeros(n_features, dtype=np.int64)

    for j in _column_blocks(X.shape):
        rows = np.sort(np.ascontiguousarray(X[:, j].T), axis=1)  # one table column a row
        low[j], high[j] = rows[:, 0], rows[:, -1]
        if X.dtype.kind == "f":
            exponent[j] = _exponents(low[j], high[j])
            integer[j] = (rows == np.rint(rows)).all(axis=1)

        with np.errstate(under="ignore"):
            offsets = _offsets(rows, low[j, None], exponent[j, None])
            mean_offset[j] = offsets.mean(axis=1)
            offsets -= mean_offset[j, None]
            deviation[j] = np.sqrt(np.mean(offsets**2, axis=1))
            scaled_low = _scale(low[j].astype(np.float64), -exponent[j])
            mean[j] = _scale(scaled_low + mean_offset[j], exponent[j])

        is_first = np.ones(rows.shape, dtype=bool)
        is_first[:, 1:] = rows[:, 1:] != rows[:, :-1]
        n_distinct = is_first.sum(axis=1)
        tied = (n_distinct > 1) & (2 * n_distinct <= n_samples)
        values.append(rows[tied][is_first[tied]])
        n_values[j] = np.where(tied, n_distinct, 0)

    start = np.concatenate([[0], np.cumsum(n_values)])
    values = np.concatenate(values)
    return _Columns(low, high, exponent, mean, mean_offset, deviation, integer, values, start)


def _dispersion(codec, columns):
    """Return the columns' variance as a share of that of zeros and ones with the same means."""
    mean = codec._center_code
    most = (mean * (1.0 - mean)).sum()
    # A column's offsets are on its own exponent, the codes on that of the whole table.
    unit = np.ldexp(codec._unit, codec._exponent - columns.exponent)
    return ((columns.deviation / unit) ** 2).sum() / most if most > 0 else 1.0


def _is_binary(columns):
    """Say whether the table holds nothing but zeros and ones."""
    return bool(columns.integer.all() and columns.low.min() >= 0 and columns.high.max() <= 1)


def _on_one_bounded_scale(columns):
    """Say whether the columns look like the pixels of an image; see :class:`TableCodec`."""
    low, high, n_features = columns.low.min(), columns.high.max(), len(columns.low)
    all_integer = columns.integer.all()
    if n_features >= 2 and _is_binary(columns):
        return True
    if n_features < _MIN_IMAGE_COLUMNS or low != 0:
        return False
    if not (high <= 1 or (all_integer and high <= _MAX_BYTE)):
        return False
    maxima = columns.high[columns.low != columns.high]
    return bool(maxima.size and np.median(maxima) >= high / 2)


def _as_numbers(X):
    """Return X as integers, float32 or float64: booleans as 0 and 1, other floats as float64."""
    if X.dtype.kind == "b":
        return X.view(np.uint8)
    if X.dtype.kind == "f" and X.dtype.itemsize not in (4, 8):
        return X.astype(np.float64)
    return X


def _column_blocks(shape):
    """Cut the columns of a table into slices of about `_BLOCK_VALUES` values each."""
    width = max(1, _BLOCK_VALUES // max(1, shape[0]))
    return [slice(a, min(a + width, shape[1])) for a in range(0, shape[1], width)]


def _exponents(low, high):
    """Return, elementwise, e such that values in [low, high] are below 2**e; 0 if none is extreme.

    Takes arrays or scalars of one shape, and returns integers of that shape.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    magnitude = np.maximum(np.abs(low), np.abs(high))
    exponent = np.frexp(magnitude)[1]
    return np.where(np.abs(exponent) > _SAFE_EXPONENT, exponent, 0)


def _scale(X, exponent):
    """Return X * 2**exponent, also where 2**exponent itself is no float64."""
    return np.ldexp(X, exponent) if exponent.any() else X


def _offsets(X, anchor, exponent):
    """Return (X - anchor) * 2**-exponent in float64, for arrays that broadcast.

    Integers are subtracted as integers, because float64 cannot tell 2**62 from 2**62 + 1, and as
    unsigned ones, because the difference of two int64 may exceed int64. Their exponents are 0.
    """
    if X.dtype.kind in "iu":
        offsets = (_wrap(X) - _wrap(anchor)).astype(np.float64)
        below = X < anchor
        if below.any():
            offsets[below] = -(_wrap(anchor) - _wrap(X)).astype(np.float64)[below]
        return offsets
    return _scale(X.astype(np.float64), -exponent) - _scale(anchor.astype(np.float64), -exponent)


def _wrap(X):
    """Return integers modulo 2**64, in uint64, where sums and differences wrap around."""
    return X.astype(np.int64 if X.dtype.kind == "i" else np.uint64).view(np.uint64)


def _integers_at(offsets, anchor, low, high):
    """Return anchor + offsets, clipped to [low, high], without a rounding error or an overflow.

    Parameters
    ----------
    offsets : ndarray of shape (n_rows, n_features), dtype=float64
        Whole numbers, infinity allowed.

    anchor, low, high : ndarray of shape (n_features,), of one integer dtype
        With anchor <= low.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features), of the dtype of `anchor`
    """
    least, most = _wrap(low) - _wrap(anchor), _wrap(high) - _wrap(anchor)
    # A float64 strictly between the float64 images of two integers lies between the integers.
    at_low, at_high = offsets <= least.astype(np.float64), offsets >= most.astype(np.float64)
    inside = np.where(at_low | at_high, 0.0, offsets).astype(np.uint64)
    distance = np.where(at_low, least, np.where(at_high, most, inside))
    wide = np.int64 if anchor.dtype.kind == "i" else np.uint64
    return (_wrap(anchor) + distance).view(wide).astype(anchor.dtype)
