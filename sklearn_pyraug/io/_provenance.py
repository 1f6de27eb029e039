"""Which of the rows to write are rows of a folder that was read, and which are new."""

from typing import NamedTuple

import numpy as np


class RowOrigin(NamedTuple):
    """Where a row comes from.

    Attributes
    ----------
    synthetic : bool
    own : int or None
        The row of the folder that it is; None for a new one.
    equal : bool
        Whether it has the values that it had there.
    origin : int or None
        The row that a new one came from.
    """

    synthetic: bool
    own: object
    equal: bool
    origin: object


def match_rows(X, like, synthetic_mask, origins):
    """Tell for each row of X whether it is one of `like`, whether it is synthetic, and from what.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
    like : ImageFolder or None
    synthetic_mask : array-like of bool of shape (n,), or None
    origins : array-like of int of shape (n,), or None
        As `save_image_folder` takes them.

    Returns
    -------
    rows : list of RowOrigin

    Raises
    ------
    ValueError
        If mask or origins are malformed or contradict each other.
    """
    n = len(X)
    mask = _check_mask(synthetic_mask, X, like)
    n_origins = n if like is None else len(like)
    origins = _check_origins(origins, n, n_origins, like)
    if like is None:
        return [
            RowOrigin(bool(marked), None, False, _known(origins, i))
            for i, marked in enumerate(mask)
        ]
    rows, owners = [], {}
    for i, marked in enumerate(mask):
        place = i if origins is None and i < n_origins else _known(origins, i)
        was_synthetic = place is not None and bool(like.sources[place].synthetic)
        equal = place is not None and _equal(X[i], like.X[place])
        # A row that was read with the mark keeps it; told by its values from one that is new.
        own = not marked or (origins is None and was_synthetic and equal)
        if not own:
            origin = None if origins is None else place
            rows.append(RowOrigin(True, None, False, origin))
            continue
        if place is None or place in owners:
            raise ValueError(
                f"`synthetic_mask` is False for row {i}, which "
                + ("is no row" if place is None else f"is, as row {owners[place]}, row {place}")
                + f" of `like` with its {n_origins} rows by its place or `origins`; mark it as "
                "synthetic, or give the right origins."
            )
        owners[place] = i
        rows.append(RowOrigin(bool(marked) or was_synthetic, place, equal, None))
    return rows


def _check_mask(synthetic_mask, X, like):
    """Return one bool for each row of X."""
    n = len(X)
    if synthetic_mask is not None:
        mask = np.asarray(synthetic_mask)
        if mask.dtype != np.bool_ or mask.shape != (n,):
            raise ValueError(
                f"`synthetic_mask` has dtype {mask.dtype} and shape {mask.shape}; give one True "
                f"or False for each of {n} rows."
            )
        return mask
    if like is None:
        return np.zeros(n, dtype=bool)
    first = len(like)
    if n < first or not _equal(X[:first], like.X):
        raise ValueError(
            f"`synthetic_mask` is None, but the first {first} rows of X are not those of `like`; "
            "give a mask, with origins if the rows are in another order."
        )
    return np.arange(n) >= first


def _check_origins(origins, n, n_origins, like):
    """Return the origins as an array of int, or None."""
    if origins is None:
        return None
    origins = np.asarray(origins)
    if origins.dtype.kind not in "iu" or origins.shape != (n,):
        raise ValueError(
            f"`origins` has dtype {origins.dtype} and shape {origins.shape}; give one row's "
            f"position for each of {n} rows, or -1."
        )
    if origins.min() < -1 or origins.max() >= n_origins:
        name = "X" if like is None else "like"
        raise ValueError(
            f"`origins` has values from {origins.min()} to {origins.max()}, but `{name}` has "
            f"{n_origins} rows; give positions among those, or -1."
        )
    return origins


def _known(origins, i):
    return None if origins is None or origins[i] < 0 else int(origins[i])


def _equal(rows, others):
    return rows.dtype == others.dtype and np.array_equal(rows, others)
