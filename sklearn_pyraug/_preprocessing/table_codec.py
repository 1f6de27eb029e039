"""The two-way map between a numeric table and the float32 codes that a generator learns from."""

import numpy as np

from .._validation import column_name
from .arithmetic import as_numbers, column_blocks
from .column_stats import MAX_TABLE_COLUMNS, MIN_AGREEING_ROWS, summarise
from .exclusive import ColumnSet, all_columns, find_sets, merge, part
from .mixed import MixedCodec, find_kinds
from .numeric import NumberCodec, class_quantiles

# "auto": how many columns on one scale make a table look like an image.
_MIN_IMAGE_COLUMNS = 16
# Between MNIST (0.8) and grey pictures (at most 0.5), see `NumberCodec.dispersion`.
_MIN_BINARY_DISPERSION = 0.7
_MAX_BYTE = 255
# A decoded pixel is missing if its mask is above this: below a half, because a change of exposure
# may halve the mask.
_MISSING = 0.4


class TableCodec:
    """Code the rows of a numeric table as float32 vectors, and turn codes back into rows.

    Parameters
    ----------
    likelihood : {"auto", "gaussian", "bernoulli", "binomial"}, default="auto"
        The kind of code. `"gaussian"` standardises each column. `"bernoulli"` and `"binomial"`
        map the whole table onto [0, 1] with one center and one scale, as suits an image. See
        Notes for the rule behind `"auto"`.
    sample_shape : tuple of int or None, default=None
        The shape of one row seen as an image or a volume. `"auto"` takes it for an image.
    value_mapping : {"auto", "nearest", "quantile", None}, default="auto"
        How decoded numbers are moved to values that their column can take; see Notes.
    scaling : {"auto", "standard", "quantile"}, default="auto"
        The code of continuous columns: standard scores, normal scores of the ranks, or the
        latter where a column is heavy-tailed.

    Attributes
    ----------
    likelihood_ : {"gaussian", "bernoulli", "binomial", "mixed"}
        The kind of code in use; `"mixed"` where columns are of several kinds.
    layout_ : CodeLayout or None
        The code columns of a mixed table. In any other, each column has the code column of its
        own position.
    n_codes_ : int
        Number of code columns.
    has_mask_ : bool
        Whether the second half of the code columns tells which pixels of an image are missing.
    center_ : ndarray of shape (n_codes_,), dtype=float64
        What codes to 0: the mean of each column, or the smallest value of the table. NaN for
        code columns that stand for levels.
    scale_ : ndarray of shape (n_codes_,), dtype=float64
        The length of one unit of code: the standard deviation of each column (1 for a constant
        column), or the range of the table (1 if there is none). NaN for code columns that stand
        for levels.
    constant_ : ndarray of shape (n_features,), dtype=bool
        Whether a column holds one single value.
    binary_ : bool
        Whether the table holds nothing but zeros and ones.
    two_valued_ : bool
        Whether images hold nothing but black and white, whatever the numbers are.
    dtype_ : numpy.dtype
        The dtype of the training rows and of the decoded ones.

    Notes
    -----
    **Choice of the likelihood.** `"auto"` takes `"bernoulli"` or `"binomial"` for a table
    without categories and missing values in three cases: a `sample_shape` is given; or there are
    two columns or more, and all values are 0 or 1; or the columns share one bounded scale, which
    means at least 16 columns, a smallest value of exactly 0, values that are at most 1 or that
    are integers of at most 255, and, in the median over the columns that vary, a column maximum
    of at least half the global one. It is `"bernoulli"` where the columns' variances sum to at
    least 0.7 of the most that values in [0, 1] with these means can have, which is what zeros
    and ones have; grey values are `"binomial"`.

    **Missing pixels.** Where images lack values, their smallest value stands in for these, and
    each pixel has a second code, 1 where it is missing, so that warps carry the gaps along.

    **Mixed tables.** Else each column has a kind:

    - columns of 0 and 1, or of these scaled, that exclude each other, see
      :func:`~.exclusive.find_sets`, are one categorical column;
    - a categorical column is coded by its levels: 0 or 1 for two, one code column each for more,
      of which one is 1. A missing value is a level; beyond 20 levels the rarest share one code;
    - a numeric column of two values in at least twice as many rows is one of two levels;
    - a numeric column with missing values has an indicator, 1 where the value is missing, beside
      its continuous code, which is then 0 and does not count;
    - so has one with an atom, see :func:`~.column_stats.find_atom`; where values are missing, too,
      a second indicator tells which rows those are;
    - all others are continuous.

    `likelihood="gaussian"` knows neither atoms nor numeric levels, and neither does `"auto"`
    beyond 500 columns, where it leaves standard scores to all columns. A table whose columns are
    all continuous, or all numbers of two values, has no mixed code. Code columns are in the
    order: continuous, indicators and levels of 0 and 1, categories.

    **Scaling.** A column is heavy-tailed where, of at least 20 rows and more than 10 values, the
    L-skewness exceeds 0.4 or the L-kurtosis 0.35 (a lognormal column does, an exponential does
    not).

    **Values that a column can take.** All decoded values are within the range observed. The
    generator is an augmenter, not an extrapolator: a negative concentration or an age of 140
    helps no classifier. Within that range, `"auto"` has

    - a constant column decode to its constant, also one that is constant within a class, for
      rows of that class; nor has a class missing values or atoms where its training rows have
      none. Categories and columns of two values are left free in a class of fewer than ten rows,
      which may agree by chance;
    - a column with ties, that is with at most half as many distinct values as rows, decode to
      the nearest value observed;
    - any other column whose values are all integers, whatever the dtype, rounded;
    - any other column of at most four decimals rounded to these.

    Decimals and constants within a class are left alone in tables of more than 500 columns, the
    latter in images, too.

    `"nearest"` takes the nearest observed value in every column, `"quantile"` ranks the decoded
    rows of a class in each column and gives them the observed values of the class, rank for
    rank, so that a column's distribution within each class is kept whatever the generator does;
    it wants many rows at a time, since a single one gets the median. `None` does nothing but
    clip, and knows no atoms.

    A code that is NaN or infinite decodes as the mean, the median or the most frequent level of
    its column does. So decoding is total: whatever the network emits, the rows are within range.

    **Precision.** Codes have the 24 bits of float32. Training rows come back to about 1e-7 of a
    column's scale. Integers, tied values, normal scores and the two ends of a column come back
    exactly as long as neighbouring values have different codes, which fails only where their
    spacing is below that: above all for codes in [0, 1] of columns that are much narrower than
    the table.
    """

    # What a model file holds; everything else follows.
    likelihood: str
    sample_shape: tuple[int, ...] | None
    value_mapping: str | None
    scaling: str
    likelihood_: str
    dtype_: np.dtype
    binary_: bool
    two_valued_: bool
    _sets: list[ColumnSet]
    _fill: float | None
    _whole: np.ndarray | None
    _constants: list[tuple[np.ndarray, np.ndarray]] | None
    _code: NumberCodec | MixedCodec

    def __init__(self, likelihood="auto", sample_shape=None, value_mapping="auto", scaling="auto"):
        self.likelihood = likelihood
        self.sample_shape = sample_shape
        self.value_mapping = value_mapping
        self.scaling = scaling

    def fit(self, X, y_index=None, categorical=None, whole=None, names=None, coded=None):
        """Learn the columns' kinds and scales, and the values they can take.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows of boolean, integer or floating dtype; at least one. NaN is a missing value, and
            nothing is infinite.
        y_index : ndarray of int of shape (n_samples,), default=None
            Class of each row, from 0; None for a single class.
        categorical : ndarray of bool of shape (n_features,), default=None
            Which columns hold categories; None for none.
        whole : ndarray of bool of shape (n_features,), default=None
            Which columns of a table of floats can take nothing but whole numbers, whatever the
            `value_mapping`; None for none.
        names : list or None, default=None
            Of the columns.
        coded : ndarray of bool of shape (n_features,), default=None
            Which columns hold indices of levels that are not 0 and 1; None for none.

        Returns
        -------
        self : TableCodec

        Raises
        ------
        ValueError
            If an image is asked for where there are categories or missing values.
        """
        self.dtype_ = X.dtype
        X = as_numbers(X)
        categorical = np.zeros(X.shape[1], bool) if categorical is None else categorical
        coded = np.zeros(X.shape[1], bool) if coded is None else coded
        self._sets = []
        if self.sample_shape is None and self.likelihood in ("auto", "gaussian"):
            self._sets = find_sets(X, coded, names)
        self._fill = None
        if self.sample_shape is not None and not categorical.any() and np.isnan(X).any():
            self._fill = float(np.nanmin(X)) if not np.isnan(X).all() else 0.0
            X = np.where(np.isnan(X), X.dtype.type(self._fill), X)
        X = merge(X, self._sets)
        categorical, whole = self._merged(categorical, True), self._merged(whole, True)
        # The summary, and whether all are 0 and 1, are known for complete numbers only.
        columns = None
        if not categorical.any() and not np.isnan(X).any():
            columns = self._summarise(X)
        self.binary_ = columns is not None and _is_binary(columns)
        self.two_valued_ = False
        self._whole = whole if self.value_mapping is None else None
        self._constants = None
        if self._is_image(columns):
            self._fit_image(X, columns, y_index)
        else:
            self._fit_table(X, columns, y_index, categorical)
        self.complete()
        return self

    def complete(self):
        """Set what follows from the code; ValueError if the parts do not fit together."""
        self.center_, self.scale_ = self._code.center, self._code.scale
        if self._fill is not None:
            gap = np.full((2, len(self.center_)), np.nan)
            self.center_, self.scale_ = np.hstack([[self.center_, self.scale_], gap])
        constant, in_sets = self._code.constant, all_columns(self._sets)
        n, n_features = len(constant), len(constant) - len(self._sets) + len(in_sets)
        shapes = all(s.columns.shape == s.low.shape == s.high.shape for s in self._sets)
        known = in_sets.dtype.kind == "i" and np.isin(in_sets, np.arange(n_features)).all()
        if not shapes or not known or len(set(in_sets)) < len(in_sets):
            raise ValueError("the sets of a table's columns do not fit together")
        self.constant_ = part(constant[None], self._sets, n_features)[0]
        self.constant_[in_sets] = False
        self.n_codes_, self.has_mask_ = len(self.center_), self._fill is not None
        self.layout_ = getattr(self._code, "layout", None)
        constants = self._constants or ()
        sound = (
            self.dtype_.kind in "biuf"
            and (self._whole is None or self._whole.shape == (n,))
            and all(c.shape == v.shape == (len(c),) for c, v in constants)
            and all(np.isin(c, np.arange(n)).all() for c, _ in constants)
        )
        if not sound:
            raise ValueError("the code of the columns does not fit together")

    def _merged(self, mask, value):
        """Return a mask of columns with a last one for each set in place of its columns."""
        if mask is None or not self._sets:
            return mask
        return np.r_[np.delete(mask, all_columns(self._sets)), np.full(len(self._sets), value)]

    def _summarise(self, X):
        return summarise(X, self.value_mapping, self.scaling)

    def _number_codec(self, X, y_index, columns=None, unit_interval=False):
        """Fit a code of complete columns, given their summary where it is known."""
        columns = self._summarise(X) if columns is None else columns
        quantiles = class_quantiles(X, y_index) if self.value_mapping == "quantile" else None
        return NumberCodec(columns, unit_interval, self.value_mapping is not None, quantiles)

    def _is_image(self, columns):
        """Say whether the whole table is on one scale; `columns` is None if not all are numbers."""
        asked = self.likelihood in ("bernoulli", "binomial")
        if columns is None:
            if asked or self.sample_shape is not None:
                raise ValueError(
                    f"likelihood={self.likelihood!r} with sample_shape={self.sample_shape!r} takes "
                    "the rows for images, but X has columns of categories or missing values. Use "
                    "likelihood='auto' or 'gaussian', and sample_shape=None."
                )
            return False
        shaped = self.sample_shape is not None
        return asked or (self.likelihood == "auto" and (shaped or _on_one_bounded_scale(columns)))

    def _fit_image(self, X, columns, y_index):
        ends = columns.low.min(), columns.high.max()
        blocks = column_blocks(X.shape)
        self.two_valued_ = all(np.isin(X[:, block], ends).all() for block in blocks)
        # All columns have one scale, so none is coded by ranks.
        columns = columns._replace(ranked=columns.ranked[:0], knots=columns.knots[:0])
        self._code = self._number_codec(X, y_index, columns, unit_interval=True)
        self.likelihood_ = self.likelihood
        if self.likelihood == "auto":
            black_and_white = self._code.dispersion() >= _MIN_BINARY_DISPERSION
            self.likelihood_ = "bernoulli" if black_and_white else "binomial"

    def _fit_table(self, X, columns, y_index, categorical):
        n_classes = 1 if y_index is None else int(y_index.max()) + 1
        by_column, with_atoms = self.likelihood == "auto", self.value_mapping is not None
        kinds = find_kinds(X, categorical, by_column, with_atoms)
        if columns is not None and kinds.are_alike(columns.low == columns.high):
            self._code = self._number_codec(X, y_index, columns)
            self.likelihood_ = "gaussian"
        else:
            self._code = MixedCodec(X, kinds, self._number_codec, y_index, n_classes)
            self.likelihood_ = "mixed"
        if y_index is not None and self.value_mapping and X.shape[1] <= MAX_TABLE_COLUMNS:
            self._constants = [_constants(X[y_index == k], kinds.levels) for k in range(n_classes)]
            if self.likelihood_ == "mixed":
                self._code.hold_indicators(X, y_index, n_classes)

    def encode(self, X, names=None):
        """Code rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows in the units of the training rows.
        names : sequence of str of length n_features, default=None
            Of the columns, for messages.

        Returns
        -------
        T : ndarray of shape (n_samples, n_codes_), dtype=float32
            Finite. In [0, 1] where `likelihood_` is `"bernoulli"` or `"binomial"`, also for rows
            beyond the range of the training rows.

        Raises
        ------
        ValueError
            If X has a level that the training rows lack.
        """
        X = as_numbers(X)
        if isinstance(self._code, MixedCodec):
            where = np.array([column_name(j, names) for j in range(X.shape[1])], dtype=object)
            X = merge(X, self._sets, where)
            return self._code.encode(X, self._merged(where, "columns that exclude each other"))
        if self._fill is None:
            return self._code.encode(X)
        lacking = np.isnan(X)
        T = self._code.encode(np.where(lacking, X.dtype.type(self._fill), X))
        return np.hstack([T, lacking.astype(np.float32)])

    def decode(self, T, class_index=None):
        """Turn codes into rows that the table could have held.

        Parameters
        ----------
        T : ndarray of shape (n_rows, n_codes_)
            Codes of any floating dtype. Any value is allowed, NaN and infinity included.
        class_index : ndarray of int of shape (n_rows,), default=None
            Class of each row, which decides on columns that are constant within a class, rare
            levels and quantiles. With None, no column is constant, and all training rows count as
            one class for the others.

        Returns
        -------
        X : ndarray of shape (n_rows, n_features), dtype=dtype_
        """
        lacking = None
        if self._fill is not None:
            T, lacking = self._without_fill(*np.split(np.asarray(T, dtype=np.float64), 2, axis=1))
        X = self._code.decode(T, class_index)
        if self._whole is not None:
            X[:, self._whole] = np.rint(X[:, self._whole])
        if self._constants is not None and class_index is not None:
            for k, (columns, values) in enumerate(self._constants):
                X[np.ix_(class_index == k, columns)] = values
        if lacking is not None:
            X[lacking] = np.nan
        X = part(X, self._sets, len(self.constant_))
        with np.errstate(under="ignore"):
            return X.astype(self.dtype_, copy=False)

    def with_ends_of_levels(self, X):
        """Return rows, the last two of which have the lowest and the highest level of columns."""
        if not isinstance(self._code, MixedCodec):
            return X
        merged = self._code.with_ends_of_levels(merge(as_numbers(X), self._sets))
        return part(merged, self._sets, len(self.constant_))

    def _without_fill(self, T, mask):
        """Return codes of pixels, and which of them are missing.

        Between missing pixels and others, the stand-in's share of the code is taken out of it.

        Parameters
        ----------
        T, mask : ndarray of shape (n_rows, n_features)
            Codes of the pixels, and for each how much of it is missing.
        """
        lacking = mask > _MISSING
        row = np.full((1, T.shape[1]), self._fill, dtype=self.dtype_)
        stand_in = self._code.encode(as_numbers(row))
        share = np.where(lacking, 0.0, np.clip(mask, 0.0, _MISSING))
        return (T - share * stand_in) / (1.0 - share), lacking


def _constants(X, levels):
    """Return the columns that hold one single value in the rows of a class, and the values.

    Parameters
    ----------
    X : ndarray of shape (n_k, n_features)
    levels : ndarray of bool of shape (n_features,)
        Columns of levels, of which fewer than `MIN_AGREEING_ROWS` rows say little.

    Returns
    -------
    columns : ndarray of int of shape (n_constant,)
        None of a class of a single row, which says nothing of what varies.
    values : ndarray of shape (n_constant,)
    """
    if len(X) < 2:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=X.dtype)
    same = ((X == X[0]) | (np.isnan(X) & np.isnan(X[0]))).all(axis=0)
    if len(X) < MIN_AGREEING_ROWS:
        same &= ~levels
    columns = np.flatnonzero(same)
    return columns, X[0, columns]


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
