"""How far new rows are to stay away from the training rows."""

import warnings
from typing import NamedTuple

import numpy as np

from ..metrics._neighbors import STRAY, Spacing, closest, find_spacing, is_below


class Guard(NamedTuple):
    """Keeps new rows away from all training rows.

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

    def distances(self, T, origins=None):
        """Return the distance of coded rows to the nearest of `rows`, shape (n_new,).

        Parameters
        ----------
        T : ndarray of shape (n_new, n_codes)
        origins : None
            Not used.
        """
        return closest(T, self.rows) / np.sqrt(max(T.shape[1], 1))

    def too_close(self, distances):
        """Return which distances are below the limit by more than rounding, shape (n_new,)."""
        return is_below(distances, self.limit)

    def warn(self, distances, n_draws):
        """Warn if rows are still too close.

        Parameters
        ----------
        distances : ndarray of shape (n_new,)
        n_draws : int
            How often a row was drawn at most.
        """
        n_close = int(self.too_close(distances).sum())
        if n_close:
            verb = "is" if n_close == 1 else "are"
            warnings.warn(
                f"{n_close} of {len(distances)} new rows {verb} closer to a training row than "
                f"min_distance={self.limit:.3g}, although drawn {n_draws} times; of each, the "
                f"furthest draw was taken. Lower min_distance, or let {STRAY}.",
                UserWarning,
                stacklevel=2,
            )


class CopyGuard(NamedTuple):
    """Keeps new rows from being copies of the row from which they were started.

    Attributes
    ----------
    rows : ndarray of float32 of shape (n, n_codes)
        All coded training rows; NaN for those that may be copied.
    """

    rows: np.ndarray

    def distances(self, T, origins):
        """Return 0 for a copy of its origin and infinity for any other row, shape (n_new,).

        Parameters
        ----------
        T : ndarray of shape (n_new, n_codes)
        origins : ndarray of int of shape (n_new,)
        """
        return np.where((T == self.rows[origins]).all(axis=1), 0.0, np.inf)

    def too_close(self, distances):
        """Return which rows are copies, shape (n_new,)."""
        return distances == 0

    def warn(self, distances, n_draws):
        """Say nothing: where rows are alike by chance, some remain copies."""


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
