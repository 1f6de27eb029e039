"""Rows of any container as coded rows, and back: the only reader of tables."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

from .._components import component
from .._validation import (
    check_finite,
    check_has_columns,
    check_sample_shape,
    check_unique_names,
    column_name,
    columns_are_named,
)
from .containers import check_container, column_names, decoded, library_of, stack
from .images import (
    ImageLayout,
    flat_rows,
    guess_sample_shape,
    image_layout,
    network_columns,
    stack_rows,
    user_columns,
)
from .masked import unmasked
from .schema import Schema, Table, categorical_mask, read_table, without_columns
from .table_codec import TableCodec
from .templates import Template
from .text_columns import find_identifiers


class Rows(NamedTuple):
    """Rows of any container, read as numbers.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_features)
        Validated; indices of levels, and NaN where a value is missing.
    table : Table
        What they were read from.
    template : Template or None
        How new rows are made; None for arrays.
    shape : tuple of int or None
        That of a row, where X is an array of more than two axes.
    """

    values: np.ndarray
    table: Table
    template: Template | None
    shape: tuple[int, ...] | None

    def take(self, kept):
        """Return the rows at some positions, shape (n_kept,)."""
        return self._replace(values=self.values[kept])

    def layout(self, sample_shape, channels):
        """Return the axes of a row that is an image.

        Parameters
        ----------
        sample_shape : tuple of int, "auto" or None
        channels : {"auto", "first", "last", "none"}

        Returns
        -------
        layout : ImageLayout or None
            None for a table.
        """
        table, values = self.table, self.values
        if not isinstance(sample_shape, str):
            shape = check_sample_shape(sample_shape, values.shape[1], self.shape)
        elif self.shape is not None:
            shape = self.shape
        else:
            has_levels = table.categorical is not None and np.any(table.categorical)
            # An array of objects may hold pixels.
            is_table = has_levels or (table.schema is not None and table.names is not None)
            is_table = is_table or values.dtype.kind not in "uif"
            shape = None if is_table else guess_sample_shape(_filled(values))
        return None if shape is None else image_layout(shape, channels)


def _filled(values):
    """Return rows with their smallest value in place of missing ones."""
    if values.dtype.kind != "f" or not np.isnan(values).any() or np.isnan(values).all():
        return values
    return np.where(np.isnan(values), np.nanmin(values), values)


def read_rows(X, estimator, *, reset, name="X", categories=True, **checks):
    """Validate rows as scikit-learn does, and read them as numbers.

    Parameters
    ----------
    X : object
        Rows in any container; images in their shape, or flat.
    estimator : RHVAEAugmenter or RHVAEEmbedder
        Keeps the number of columns and their names.
    reset : bool
        Whether these are the training rows; else they are compared with those.
    name : str, default="X"
        Of the argument, for messages.
    categories : bool, default=True
        Whether columns may hold categories and missing values, as `categorical_features` and
        `missing` say; else all are finite numbers.
    **checks : dict
        Further arguments of :func:`sklearn.utils.check_array`.

    Returns
    -------
    rows : Rows
    """
    check_container(X, "X")
    X = stack_rows(X)
    template = Template.of(X)
    if np.ma.is_masked(X) and categories and estimator.missing == "error":
        raise ValueError(
            f"{name} is a masked array, of which {np.ma.count_masked(X)} values are masked. Set "
            "missing='keep' to have missing values generated, too, or pass the array of an "
            f"imputer that was given {name}.astype(float).filled(numpy.nan)."
        )
    X, shape = flat_rows(unmasked(X))
    if not reset and shape is not None and shape != estimator.sample_shape_:
        raise ValueError(
            f"The rows of {name} have the shape {shape}, but the sample_shape_ of the fit is "
            f"{estimator.sample_shape_}. Pass rows of that shape, or flat rows of "
            f"{estimator.n_features_in_} columns."
        )
    check_has_columns(X)
    X = X if categories else decoded(X)
    table, empty = Table(X), []
    checks["ensure_all_finite"] = False
    if categories:
        table = read_table(X, estimator.categorical_features)
        checks["accept_sparse"] = ("csr", "csc")
    elif (columns := column_names(X)) is not None:
        check_unique_names(columns)
    with columns_are_named(X, "categories" if categories else "numbers"):
        if table.view is X:
            values = validate_data(estimator, X, reset=reset, **checks)
        else:
            values = check_array(table.view, input_name="X", estimator=estimator, **checks)
            validate_data(estimator, X, reset=reset, skip_check_array=True)
    if table.schema is not None:
        empty = _dropped(table.schema)
        if reset:
            values, table, empty = _without_identifiers(values, table, estimator)
    names = getattr(estimator, "feature_names_in_", None)
    missing = getattr(estimator, "missing", None)
    asked = component("sample_shape", estimator.sample_shape)
    is_image = shape is not None or (asked is not None and not isinstance(asked.shape, str))
    check_finite(values, names, missing, empty, is_image)
    values = values.toarray() if sparse.issparse(values) else values
    return Rows(values, table, template, shape)


def _without_identifiers(values, table, estimator):
    """Leave identifiers out of rows and their table, or raise where there are any.

    Returns
    -------
    values, table
    dropped : list of int
        Positions of the identifiers.
    """
    named = categorical_mask(estimator.categorical_features, values.shape[1], table.names)
    identifiers = component("columns", estimator.columns).identifiers
    columns = table.schema.columns
    dropped = find_identifiers(columns, values, named, table.names, identifiers)
    if not dropped:
        return values, table, []
    values = np.array(values)
    values[:, dropped] = np.nan
    return values, table._replace(schema=without_columns(table.schema, dropped)), dropped


def _dropped(schema):
    """Return the positions of columns that are empty in new rows."""
    return [j for j, column in enumerate(schema.columns) if column.dropped]


class RowEncoder(NamedTuple):
    """The way from rows of the user's container to coded rows, and back.

    Attributes
    ----------
    template : Template or None
        How new rows are made; None for arrays.
    schema : Schema or None
        Between values and numbers; None where all values are numbers.
    shape : tuple of int or None
        That of a row, where X is an array of more than two axes.
    layout : ImageLayout or None
        The axes of a row that is an image: networks see the channels first.
    codec : TableCodec
        Between numbers and codes.
    """

    template: Template | None
    schema: Schema | None
    shape: tuple[int, ...] | None
    layout: ImageLayout | None
    codec: TableCodec

    @classmethod
    def fit(cls, rows, layout, codec, y_index=None):
        """Learn the codes of rows.

        Parameters
        ----------
        rows : Rows
        layout : ImageLayout or None
        codec : TableCodec
            Not fitted.
        y_index : ndarray of int of shape (n_samples,), default=None
            Class of each row; None for a single class.

        Returns
        -------
        encoder : RowEncoder
        T : ndarray of float32 of shape (n_samples, n_codes)
            The coded rows.
        """
        values, table = network_columns(rows.values, layout), rows.table
        coded = None if table.schema is None else table.schema.coded
        codec.fit(values, y_index, table.categorical, table.whole, table.names, coded)
        encoder = cls(rows.template, table.schema, rows.shape, layout, codec)
        return encoder, codec.encode(values)

    def encode(self, X, estimator, name="X"):
        """Validate rows as in the fit, compare them with the training rows, and encode them.

        Parameters
        ----------
        X : object
            Rows in any container that `fit` takes; images in their shape, or flat.
        estimator : RHVAEAugmenter
            Fitted.
        name : str, default="X"
            Of the argument, for messages.

        Returns
        -------
        T : ndarray of float32 of shape (n_samples, n_codes)

        Raises
        ------
        ValueError
            If columns, shape or kinds of values are not those of the training rows, or values
            are missing that were not missing there.
        """
        return self.encode_rows(read_rows(X, estimator, reset=False, name=name), estimator, name)

    def encode_rows(self, rows, estimator, name="X"):
        """Do what :meth:`encode` does with rows that were read (:class:`Rows`)."""
        names = getattr(estimator, "feature_names_in_", None)
        numbers = _in_training_levels(rows.values, rows.table.schema, self.schema, names)
        T = self.codec.encode(network_columns(numbers, self.layout), names)
        if not np.isfinite(T).all():
            n_bad = int((~np.isfinite(T)).any(axis=1).sum())
            raise ValueError(
                f"{n_bad} row(s) of {name} have values missing in columns where the training rows "
                "have none. Impute them, or leave these rows out."
            )
        return T

    def decode(self, T, y_index=None):
        """Return coded rows, shape (n, n_codes), as rows in the user's container and shape.

        Parameters
        ----------
        T : ndarray of shape (n, n_codes)
        y_index : ndarray of int of shape (n,), default=None
            Class of each row.
        """
        return self.new_rows(self.codec.decode(T, y_index))

    def new_rows(self, values):
        """Return decoded numbers, in the networks' order of columns, in the user's container."""
        values = user_columns(values, self.layout)
        if self.schema is not None:
            values = self.schema.values(values)
        rows = values if self.template is None else self.template.new_rows(values)
        return rows if self.shape is None else rows.reshape(len(rows), *self.shape)

    def append(self, X, new):
        """Return the user's own rows X, untouched, with new ones below."""
        return stack(stack_rows(X), new)


def as_rows(x, estimator):
    """Return rows as they are, and a single row as rows.

    Parameters
    ----------
    x : object
        A row of shape (n_features,) or in the shape of an image, a row of a dataframe, or rows in
        any container.
    estimator : RHVAEAugmenter
        Fitted.
    """
    if library_of(x) == "pandas" and getattr(x, "ndim", 2) == 1:
        # A row of a dataframe; its index has the names of the columns.
        return x.to_frame().T.infer_objects()
    if np.shape(x) in ((estimator.n_features_in_,), estimator.sample_shape_):
        # A list stays a list, because numpy would turn numbers next to text into text.
        return x[None] if isinstance(x, np.ndarray) else [x]
    return x


def one_row(x, estimator, name):
    """Return a single row as rows, as :func:`as_rows` does."""
    x = as_rows(x, estimator)
    shape = np.shape(x)
    if not shape or shape[0] != 1:
        raise ValueError(
            f"{name} has the shape {shape}, where one row is asked for. Pass X[i], or X[i : i + 1] "
            "of a container."
        )
    return x


def _in_training_levels(numbers, schema, training, names):
    """Return numbers with indices of the training table's levels in place of those of X's own.

    Parameters
    ----------
    numbers : ndarray of shape (n_samples, n_features)
    schema, training : Schema or None
        Of X, and of the training rows.
    names : ndarray of str of shape (n_features,), or None

    Returns
    -------
    numbers : ndarray of shape (n_samples, n_features)
    """
    if schema is None and training is None:
        return numbers
    numbers = np.array(numbers)
    for j in range(numbers.shape[1]):
        if training is not None and training.columns[j].dropped:
            numbers[:, j] = np.nan
            continue
        columns = [None if s is None else s.columns[j] for s in (schema, training)]
        own, known = (None if c is None else c.levels for c in columns)
        shift = np.subtract(*(0 if c is None else c.origin for c in columns), dtype=object)
        if shift:
            # As Python integers, so that they are rounded once, as in the fit.
            numbers[:, j] = [int(v) + shift if v == v else v for v in numbers[:, j]]
        x, where = numbers[:, j], column_name(j, names)
        present = x[~np.isnan(x)] if x.dtype.kind == "f" else x
        if (own is None) != (known is None) and (own is not None or len(present)):
            kinds = ("numbers", "categories") if own is None else ("categories", "numbers")
            raise ValueError(
                f"X holds {kinds[0]} in {where}, where the training rows have {kinds[1]}. Pass the "
                "column as it was in fit."
            )
        if own is None:
            continue
        index = {level: i for i, level in enumerate(known)}
        # Levels that do not occur in X may be unknown.
        new = np.array([index.get(level, -1) for level in own], dtype=np.float64)
        used = new[present.astype(np.intp)]
        if (used < 0).any():
            raise ValueError(
                f"X has {int((used < 0).sum())} value(s) in {where} that the training rows lack. "
                "Leave these rows out, or replace the values."
            )
        numbers[~np.isnan(x), j] = used
    return numbers
