"""How far new rows are to stay away from the training rows."""

import warnings
from typing import NamedTuple

import numpy as np

from .._neighbors import STRAY, Spacing, closest, find_spacing, is_below

__all__ = ["Guard", "limited", "make_guard", "warn_of_close_rows"]


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

    def too_close(self, distances):
        """Return which distances are below the limit, by more than rounding; shape (n_new,)."""
        return is_below(distances, self.limit)


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


def warn_of_close_rows(n_close, n_new, n_draws, limit):
    """Warn that some new rows are closer to a training row than they should be."""
    verb = "is" if n_close == 1 else "are"
    warnings.warn(
        f"{n_close} of {n_new} new rows {verb} closer to a training row than min_distance="
        f"{limit:.3g}, although drawn {n_draws} times; of each, the furthest draw was taken. Lower "
        f"min_distance, or let {STRAY}.",
        UserWarning,
        stacklevel=2,
    )
