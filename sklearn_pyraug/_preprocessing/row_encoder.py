"""Rows that come after a fit: read as the training rows were, or refused with what is different."""

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

from .._validation import check_finite, check_has_columns, column_name, text_is_named
from .containers import Frame, read_frame, wrap
from .images import flat_rows, network_columns, stack_rows
from .schema import read_table

__all__ = ["check_row_shape", "coded_rows", "in_container", "one_row"]


def in_container(x, estimator):
    """Return rows as they are, and a single row as rows.

    Parameters
    ----------
    x : object
        A row of shape (n_features,) or in the shape of an image, a row of a dataframe, or rows in
        any container.
    estimator : RHVAEAugmenter
        Fitted.
    """
    if hasattr(x, "iloc") and getattr(x, "ndim", 2) == 1:
        # A row of a dataframe, whose names are the columns'.
        return x.to_frame().T.infer_objects()
    if np.shape(x) in ((estimator.n_features_in_,), estimator.sample_shape_):
        # A list stays one: numpy would make text of numbers beside text.
        return x[None] if isinstance(x, np.ndarray) else [x]
    return x


def one_row(x, estimator, name):
    """Return a single row as rows, as :func:`in_container` does.

    Raises
    ------
    ValueError
        If there is not one row; it names the argument `name`.
    """
    x = in_container(x, estimator)
    shape = np.shape(x)
    if not shape or shape[0] != 1:
        raise ValueError(
            f"{name} has the shape {shape}, where one row is asked for. Pass X[i], or X[i : i + 1] "
            "of a container."
        )
    return x


def check_row_shape(estimator, shape, name):
    """Raise ValueError if rows are images of another shape than those of the fit.

    Parameters
    ----------
    estimator : RHVAEAugmenter or RHVAEEmbedder
        Fitted.
    shape : tuple of int or None
        Of a row; None for flat rows.
    name : str
        Of the argument, for messages.
    """
    if shape is not None and shape != estimator.sample_shape_:
        raise ValueError(
            f"The rows of {name} have the shape {shape}, but the sample_shape_ of the fit is "
            f"{estimator.sample_shape_}. Pass rows of that shape, or flat rows of "
            f"{estimator.n_features_in_} columns."
        )


def coded_rows(estimator, X, name="X"):
    """Validate rows as in `fit`, against what it has seen, and code them.

    Parameters
    ----------
    estimator : RHVAEAugmenter
        Fitted.
    X : object
        Rows in any container that `fit` takes; images in their shape, or flat.
    name : str, default="X"
        Of the argument, for messages.

    Returns
    -------
    T : ndarray of float32 of shape (n_samples, n_codes)

    Raises
    ------
    ValueError
        If columns, shape or kinds of values are not those of the training rows, or values are
        missing that were not missing there.
    """
    X, shape = flat_rows(wrap(stack_rows(X), "X"))
    check_row_shape(estimator, shape, name)
    is_frame = isinstance(X, Frame)
    check_has_columns(X)
    table = (read_frame if is_frame else read_table)(X, estimator.categorical_features)
    arguments = {"accept_sparse": ("csr", "csc"), "ensure_all_finite": False}
    with text_is_named(X):
        if is_frame:
            numbers = check_array(table.view, **arguments)
            _check_names(estimator, X.names, name)
        else:
            numbers = validate_data(estimator, table.view, reset=False, **arguments)
    names = getattr(estimator, "feature_names_in_", None)
    check_finite(numbers, names, estimator.missing)
    numbers = numbers.toarray() if sparse.issparse(numbers) else numbers
    numbers = _in_training_levels(numbers, table.schema, estimator._schema, names)
    numbers = network_columns(numbers, estimator._layout)
    T = estimator._codec.encode(numbers)
    if not np.isfinite(T).all():
        n_bad = int((~np.isfinite(T)).any(axis=1).sum())
        raise ValueError(
            f"{n_bad} row(s) of {name} have values missing in columns where the training rows have "
            "none. Impute them, or leave these rows out."
        )
    return T


def _check_names(estimator, names, name):
    """Do for a table of polars or pyarrow what `validate_data` does for others."""
    known = getattr(estimator, "feature_names_in_", None)
    if known is not None and not np.array_equal(names, known):
        odd = [str(n) for n in names if n not in set(known)][:3]
        raise ValueError(
            f"{name} has not the column names of the fit, in their order: "
            f"{f'{odd} are unknown' if odd else 'some lack or are in other places'}. Pass the "
            "columns of feature_names_in_."
        )
    if len(names) != estimator.n_features_in_:
        raise ValueError(
            f"{name} has {len(names)} features, but {type(estimator).__name__} was fitted on "
            f"{estimator.n_features_in_}. Pass as many."
        )


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
        own = None if schema is None else schema.columns[j].levels
        known = None if training is None else training.columns[j].levels
        x, where = numbers[:, j], column_name(j, names)
        present = x[~np.isnan(x)] if x.dtype.kind == "f" else x
        if own is None and known is not None and len(present):
            raise ValueError(
                f"X holds numbers in {where}, where the training rows have categories. Pass the "
                "column as it was in fit."
            )
        if own is None:
            continue
        if known is None:
            raise ValueError(
                f"X holds categories in {where}, where the training rows have numbers. Pass the "
                "column as it was in fit."
            )
        index = {level: i for i, level in enumerate(known)}
        # Levels that no row of X has may be unknown.
        new = np.array([index.get(level, -1) for level in own], dtype=np.float64)
        used = new[present.astype(np.intp)]
        if (used < 0).any():
            raise ValueError(
                f"X has {int((used < 0).sum())} value(s) in {where} that the training rows lack. "
                "Leave these rows out, or replace the values."
            )
        numbers[~np.isnan(x), j] = used
    return numbers
