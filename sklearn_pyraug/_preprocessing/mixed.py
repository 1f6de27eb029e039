"""The two-way map between a table of several kinds of columns and its code columns."""

from typing import NamedTuple

import numpy as np

from .._validation import column_name
from ..rhvae.likelihoods.mixed import Block, CodeLayout
from .categorical import Levels, learn_levels
from .column_stats import MAX_TABLE_COLUMNS, MIN_AGREEING_ROWS, find_atom
from .numeric import NumberCodec


class Kinds(NamedTuple):
    """What each column of a table is; all other columns hold complete numbers.

    Attributes
    ----------
    levels : ndarray of bool of shape (n_features,)
        Columns that are coded by their levels.
    missing : ndarray of bool of shape (n_features,)
        Columns of numbers with missing values.
    atoms : dict of int to scalar
        For each column of numbers with an atom, this value, which is coded separately.
    """

    levels: np.ndarray
    missing: np.ndarray
    atoms: dict

    def are_alike(self, constant):
        """Say whether columns of a table of complete numbers, but constant ones, are of a kind."""
        only_continuous = not self.atoms and not self.levels.any()
        return only_continuous or bool((self.levels | constant).all())


def find_kinds(X, categorical, single_columns, with_atoms):
    """Find the kind of each column by the rule of :class:`~.table_codec.TableCodec`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        NaN is a missing value.
    categorical : ndarray of bool of shape (n_features,)
        Columns of categories.
    single_columns : bool
        Whether to look for numbers of two values and for atoms; not done in wide tables.
    with_atoms : bool
        Whether to look for atoms.

    Returns
    -------
    kinds : Kinds
    """
    missing = np.isnan(X).any(axis=0)
    levels, atoms = categorical.copy(), {}
    single_columns = single_columns and X.shape[1] <= MAX_TABLE_COLUMNS
    for j in np.flatnonzero(~categorical & (missing | single_columns)):
        known = X[:, j][~np.isnan(X[:, j])]
        distinct, counts = np.unique(known, return_counts=True)
        if single_columns and len(distinct):
            two_values = len(distinct) == 2 and len(known) >= 4
            levels[j] = two_values or (missing[j] and len(distinct) == 1)
            atom = find_atom(distinct, counts) if with_atoms else None
            if atom is not None:
                atoms[int(j)] = atom
        else:
            levels[j] = len(distinct) == 0
    return Kinds(levels, missing & ~levels, atoms)


class _Masked(NamedTuple):
    """A column of numbers in which not every row has a continuous value.

    Attributes
    ----------
    column : int
        Of the table.
    numbers : NumberCodec
        Of the continuous values.
    atom : scalar or None
        The value of the rows that have no continuous one.
    start, indicator, second : int
        The code columns of the value, and of the indicator that there is none. If there are both
        an atom and missing values, `second` is the indicator of missing ones, else -1.
    """

    column: int
    numbers: NumberCodec
    atom: object
    start: int
    indicator: int
    second: int


class _Level(NamedTuple):
    """A column of levels: of the table, its first code column, and the map between the two."""

    column: int
    start: int
    levels: Levels


class MixedCodec:
    """Code a table of several kinds of columns.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows, of a dtype that :func:`.as_numbers` returns.
    kinds : Kinds
    number_codec : callable
        ``number_codec(X, y_index)`` fits a :class:`.NumberCodec` on complete columns.
    y_index : ndarray of int of shape (n_samples,) or None
        Class of each row.
    n_classes : int

    Attributes
    ----------
    layout : CodeLayout
    center, scale : ndarray of shape (n_codes,), dtype=float64
        See :class:`~sklearn_pyraug._preprocessing.table_codec.TableCodec`.
    constant : ndarray of shape (n_features,), dtype=bool
        Whether a column holds one single value.
    """

    # What a model file holds; everything else follows.
    _plain: np.ndarray
    _dtype: np.dtype
    _numbers: NumberCodec | None
    _masked: list[_Masked]
    _levels: list[_Level]
    _held: np.ndarray | None

    def __init__(self, X, kinds, number_codec, y_index, n_classes):
        with_indicator = kinds.missing.copy()
        with_indicator[list(kinds.atoms)] = True
        self._plain = np.flatnonzero(~(kinds.levels | with_indicator))
        self._dtype = X.dtype
        masked, levels = np.flatnonzero(with_indicator), np.flatnonzero(kinds.levels)
        n_plain, n_gaussian = len(self._plain), len(self._plain) + len(masked)
        self._numbers = number_codec(X[:, self._plain], y_index) if n_plain else None

        self._masked = []
        second = n_gaussian + len(masked)
        for i, j in enumerate(masked):
            atom = kinds.atoms.get(int(j))
            known = ~_lacks_value(X[:, j], atom)
            numbers = number_codec(X[known][:, [j]], None if y_index is None else y_index[known])
            twofold = atom is not None and kinds.missing[j]
            places = n_plain + i, n_gaussian + i, second if twofold else -1
            self._masked.append(_Masked(int(j), numbers, atom, *places))
            second += twofold

        learned = [(int(j), learn_levels(X[:, j], y_index, n_classes)) for j in levels]
        # Levels with one code column first, because they end the Bernoulli block.
        learned.sort(key=lambda pair: pair[1].width > 1)
        self._levels, start = [], second
        for j, level in learned:
            self._levels.append(_Level(j, start, level))
            start += level.width
        self._held = None
        self.complete()

    def complete(self):
        """Set what follows from the columns; ValueError if they do not fit together."""
        columns = [*self._plain, *(v.column for v in (*self._masked, *self._levels))]
        n_features, n_gaussian = len(columns), len(self._plain) + len(self._masked)
        indicators = [i for m in self._masked for i in (m.indicator, m.second) if i >= 0]
        n_bernoulli = n_gaussian + len(indicators)
        n_bernoulli += sum(v.levels.width == 1 for v in self._levels)
        blocks = [Block("gaussian", 0, n_gaussian), Block("bernoulli", n_gaussian, n_bernoulli)]
        for _, start, levels in self._levels:
            if levels.width > 1:
                blocks.append(Block("categorical", start, start + levels.width))
        self.layout = CodeLayout(
            tuple(b for b in blocks if b.stop > b.start),
            (*(-1 for _ in self._plain), *(m.indicator for m in self._masked)),
        )
        self.center, self.scale = np.full((2, self.layout.n_codes), np.nan)
        self.constant = np.zeros(n_features, dtype=bool)
        if self._numbers is not None:
            n_plain = len(self._plain)
            self.center[:n_plain], self.scale[:n_plain] = self._numbers.center, self._numbers.scale
            self.constant[self._plain] = self._numbers.constant
        first_level = n_gaussian + len(indicators)
        starts = np.cumsum([first_level, *(v.levels.width for v in self._levels)])
        sound = (
            sorted(columns) == list(range(n_features))
            and [m.start for m in self._masked] == list(range(n_gaussian))[len(self._plain) :]
            and sorted(indicators) == list(range(n_gaussian, first_level))
            and [v.start for v in self._levels] == starts[:-1].tolist()
            and (self._numbers is None) == (len(self._plain) == 0)
            and all(len(m.numbers.constant) == 1 for m in self._masked)
            and (self._held is None or self._held.shape[1:] == (n_bernoulli - n_gaussian,))
        )
        if not sound:
            raise ValueError("the codes of a table's columns do not fit together")
        for m in self._masked:
            self.center[m.start], self.scale[m.start] = m.numbers.center[0], m.numbers.scale[0]
        for j, _, levels in self._levels:
            self.constant[j] = len(levels.values) == 1

    def hold_indicators(self, X, y_index, n_classes):
        """Keep each class to the indicators and levels of 0 and 1 that its training rows agree on.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training rows.
        y_index : ndarray of int of shape (n_samples,)
        n_classes : int
        """
        start, stop = self.layout.span("bernoulli")
        T = self.encode(X)[:, start:stop]
        indicators = [i for m in self._masked for i in (m.indicator, m.second)]
        is_level = ~np.isin(np.arange(start, stop), indicators)
        self._held = np.full((n_classes, T.shape[1]), np.nan)
        for k in range(n_classes):
            rows = T[y_index == k]
            if not len(rows):
                continue
            agreed = (rows == rows[0]).all(axis=0) & (len(rows) > 1)
            if len(rows) < MIN_AGREEING_ROWS:
                agreed &= ~is_level
            self._held[k, agreed] = rows[0, agreed]

    def encode(self, X, names=None):
        """Code rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Of a dtype that :func:`.as_numbers` returns.
        names : sequence of str of length n_features, default=None
            How messages call the columns.

        Returns
        -------
        T : ndarray of shape (n_samples, n_codes), dtype=float32
            Finite.

        Raises
        ------
        ValueError
            If a value is missing, or a level unknown, in a column where the training rows have
            none such.
        """
        T = np.zeros((len(X), self.layout.n_codes), dtype=np.float32)
        if self._numbers is not None:
            T[:, : len(self._plain)] = self._numbers.encode(X[:, self._plain])
        for m in self._masked:
            x = X[:, m.column]
            lacking = _lacks_value(x, m.atom)
            T[~lacking, m.start] = m.numbers.encode(x[~lacking, None])[:, 0]
            T[:, m.indicator] = lacking
            if m.second >= 0:
                T[:, m.second] = np.isnan(x)
        for j, start, levels in self._levels:
            where = column_name(j) if names is None else names[j]
            T[:, start : start + levels.width] = levels.encode(X[:, j], where)
        return T

    def decode(self, T, class_index=None):
        """Turn codes into rows.

        Parameters
        ----------
        T : ndarray of shape (n_rows, n_codes)
            Any value is allowed. An indicator means yes above a half, a block of levels the one
            with the largest code.
        class_index : ndarray of int of shape (n_rows,), default=None
            Class of each row.

        Returns
        -------
        X : ndarray of shape (n_rows, n_features), of the training rows' dtype
        """
        if self._held is not None and class_index is not None:
            T, held = np.array(T), self._held[class_index]
            bernoulli = slice(*self.layout.span("bernoulli"))
            T[:, bernoulli] = np.where(np.isnan(held), T[:, bernoulli], held)
        X = np.empty((len(T), len(self.constant)), dtype=self._dtype)
        if self._numbers is not None:
            plain = self._numbers.decode(T[:, : len(self._plain)], class_index)
            X[:, self._plain] = plain
        for m in self._masked:
            lacking = T[:, m.indicator] > 0.5
            shown = None if class_index is None else class_index[~lacking]
            X[~lacking, m.column] = m.numbers.decode(T[~lacking, m.start, None], shown)[:, 0]
            X[lacking, m.column] = np.nan if m.atom is None else m.atom
            if m.second >= 0:
                X[T[:, m.second] > 0.5, m.column] = np.nan
        for j, start, levels in self._levels:
            X[:, j] = levels.decode(T[:, start : start + levels.width], class_index)
        return X

    def with_ends_of_levels(self, X):
        """Return rows, the last two of which have the lowest and the highest level of columns."""
        X = np.array(X)
        for j, _, levels in self._levels:
            known = levels.values[~np.isnan(levels.values)]
            if len(known):
                X[-2:, j] = known[0], known[-1]
        return X


def _lacks_value(x, atom):
    """Say which values are missing or the atom."""
    return np.isnan(x) if atom is None else np.isnan(x) | (x == atom)
