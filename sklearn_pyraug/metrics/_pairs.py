"""What the measures share: sets of rows made comparable, distances in blocks, permutations."""

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from .._preprocessing.arithmetic import exponents, times_power
from .._preprocessing.containers import check_container, column_names, decoded
from .._preprocessing.masked import unmasked
from .._validation import columns_are_named, no_data_in_errors

# Standardised values are clipped to this, because sums of larger squares would overflow.
_LARGEST_SCORE = 2.0**500
# A permuted statistic that is only smaller by rounding equals the observed one.
_ROUNDING = 1e-12


def check_sets(**sets):
    """Return sets of rows as finite float64 arrays of shape (n, n_features).

    Parameters
    ----------
    **sets : {array-like, dataframe} of shape (n, n_features)
        By the names that messages call them.

    Returns
    -------
    sets : list of ndarray of shape (n, n_features)

    Raises
    ------
    ValueError
        If a set is empty, not two-dimensional or not finite, or if the first and another one
        differ in their columns.
    """
    checked = {}
    # scikit-learn first looks at the sum, where two values of 1e308 give inf, and inf - inf NaN.
    with no_data_in_errors(), np.errstate(invalid="ignore"):
        for name, X in sets.items():
            check_container(X, "X")
            with columns_are_named(X, "numbers"):
                X = decoded(unmasked(X))
                checked[name] = check_array(X, dtype=np.float64, input_name=name)
    first, *others = [(name, X.shape[1], column_names(sets[name])) for name, X in checked.items()]
    for other in others:
        check_same_columns(first, other)
    return list(checked.values())


def check_same_columns(first, other):
    """Raise if two sets of rows differ in number or names of columns.

    Parameters
    ----------
    first, other : tuple of (str, int, list or None)
        How messages call a set, the number of its columns, and their names.
    """
    (where, n_columns, names), (where_other, n_other, names_other) = first, other
    if n_other != n_columns:
        raise ValueError(
            f"`{where_other}` has {n_other} columns and `{where}` has {n_columns}; give both the "
            "same columns in the same order."
        )
    for j, (name, name_other) in enumerate(zip(names or (), names_other or (), strict=False)):
        if name != name_other:
            raise ValueError(
                f"Column {j} is {name_other!r} in `{where_other}` and {name!r} in `{where}`; give "
                "both the same columns in the same order."
            )


def check_two_rows(why, **sets):
    """Raise, and say why two are needed, if a set has a single row."""
    for name, X in sets.items():
        if len(X) < 2:
            raise ValueError(f"`{name}` has {len(X)} row; give at least 2, {why}.")


def rescale(scale, reference, *sets):
    """Return sets of rows in the units asked for, such that their squares are finite.

    Parameters
    ----------
    scale : {"standard", None}
    reference : ndarray of shape (n_reference, n_features)
        The rows whose means and standard deviations are the units of "standard".
    *sets : ndarray of shape (n, n_features)

    Returns
    -------
    *sets : ndarray of shape (n, n_features)
    exponent : ndarray of int of shape ()
        Lengths are in units of 2**exponent.
    """
    if scale not in ("standard", None):
        raise ValueError(f"`scale` is {scale!r}; use 'standard' or None.")
    if scale == "standard":
        return *standardize(reference, *sets), np.zeros((), dtype=int)
    return near_one(*_near_zero(*sets))


def standardize(reference, *sets):
    """Return sets of rows with columns scaled by mean and standard deviation of `reference`."""
    reference, *sets, _ = near_one(reference, *sets, axis=0)
    scaler = StandardScaler().set_output(transform="default").fit(reference)
    with np.errstate(over="ignore"):
        return [np.clip(scaler.transform(X), -_LARGEST_SCORE, _LARGEST_SCORE) for X in sets]


def _near_zero(*sets):
    """Return sets of rows with columns of large numbers that differ little moved to zero.

    A search computes |a|² − 2ab + |b|², which loses small differences of large numbers. From c to
    2c, and only there, all differences from c are exact, so that moving changes no distance.
    """
    low = np.min([X.min(axis=0) for X in sets], axis=0)
    high = np.max([X.max(axis=0) for X in sets], axis=0)
    shift = np.where(high / 2 <= low, low, np.where(low / 2 >= high, high, 0))
    return [X - shift for X in sets]


def near_one(*sets, axis=None):
    """Divide all sets by a power of two where squares would overflow or underflow.

    Parameters
    ----------
    *sets : ndarray of shape (n, n_features)
    axis : {0, None}, default=None
        0 for a power for each column, None for a single one.

    Returns
    -------
    *sets : ndarray of shape (n, n_features)
    exponent : ndarray of int of shape (n_features,) or ()
        Of the power; 0 unless magnitudes are extreme, and the sets are then as they were.
    """
    exponent = exponents(
        np.min([X.min(axis=axis) for X in sets], axis=0),
        np.max([X.max(axis=axis) for X in sets], axis=0),
    )
    return *(times_power(X, -exponent) for X in sets), exponent


def squared_distances(A, B):
    """Yield blocks, shape (n_block, n_b), of the squared distances from A's rows to B's.

    "sqeuclidean" sums squared differences, so that equal pairs of rows get equal bits in every
    call: comparisons of distances stay exact where "euclidean" would round.
    """
    return pairwise_distances_chunked(A, B, metric="sqeuclidean")


def permutation_p_value(observed, permuted):
    """Return (1 + #{permuted >= observed}) / (1 + n), or NaN where nothing was permuted.

    With the observed one the statistics are n + 1 exchangeable ones under the null hypothesis, of
    which the observed one has every rank with the same probability: the p-value is exact.

    Parameters
    ----------
    observed : float
    permuted : array-like of float of shape (n_permutations,)

    Returns
    -------
    p_value : float
    """
    if not len(permuted):
        return float("nan")
    n_above = int(np.sum(np.asarray(permuted) >= observed - _ROUNDING))
    return (1 + n_above) / (1 + len(permuted))
