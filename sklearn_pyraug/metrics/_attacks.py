"""Attacks on training rows through synthetic ones, each compared with one on rows held out."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from .._validation import check_count
from ._neighbors import closest, is_below
from ._pairs import check_sets, rescale

# The share of false alarms at which membership inference is measured.
_FALSE_ALARMS = 0.01
# A guess is right within this share of the column's range.
_TOLERANCE = 0.05
# Most columns that are guessed, spread over all.
_MAX_COLUMNS = 30
# Values that are sorted at once.
_BLOCK = 2**22


class MembershipInference(NamedTuple):
    """How well the distance to the closest synthetic row identifies training rows.

    Attributes
    ----------
    auc : float
        Area under the ROC curve; chance gives 0.5.
    true_positive_rate : float
        Share of the training rows that are found at 1 % false alarms among the rows held out;
        chance gives 0.01 to 0.02. With fewer than 100 rows held out, no false alarm is allowed, and
        chance gives 1 / (n_holdout + 1).

    See Also
    --------
    membership_inference : Computes it.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import MembershipInference
    >>> MembershipInference(0.5, 0.01).auc
    0.5
    """

    auc: float
    true_positive_rate: float


class AttackShares(NamedTuple):
    """How often an attack succeeds on training rows, and on rows held out.

    Attributes
    ----------
    share : float
        Share of successes on the training rows.
    control_share : float
        Share of successes on the rows held out. Synthetic rows only reveal what exceeds it.

    See Also
    --------
    attribute_inference : An attack on a value.
    linkability : An attack on what belongs together.
    univariate_singling_out : An attack on a row.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import AttackShares
    >>> AttackShares(0.6, 0.2).risk
    0.5
    """

    share: float
    control_share: float

    @property
    def risk(self):
        """The excess over the control, as a share of the largest possible excess: 0 to 1."""
        left = 1 - self.control_share
        return max(0.0, (self.share - self.control_share) / left) if left > 0 else 0.0


def membership_inference(X_synthetic, X_training, X_holdout, *, scale="standard"):
    """Find training rows among real rows by the distance to the closest synthetic row.

    Parameters
    ----------
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    X_training : array-like of shape (n_training, n_features)
        Real rows that the generator was trained on.
    X_holdout : array-like of shape (n_holdout, n_features)
        Real rows of the same source that it has not seen.
    scale : {"standard", None}, default="standard"
        Scale of the columns, see :func:`training_proximity`.

    Returns
    -------
    result : MembershipInference
        Area under the curve, and share of the training rows that are found.

    Raises
    ------
    ValueError
        If `scale` is unknown, or if the sets are empty, not two-dimensional, not finite, or differ
        in their number of columns.

    See Also
    --------
    training_proximity : The same question, asked of the synthetic rows.

    Notes
    -----
    Attacks that train their own generators find more: see ``benchmarks/privacy``.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import membership_inference
    >>> membership_inference([[0.0], [4.0]], [[0.0], [4.0]], [[2.0], [6.0]])
    MembershipInference(auc=1.0, true_positive_rate=1.0)
    """
    X_synthetic, X_training, X_holdout = _scaled(X_synthetic, X_training, X_holdout, scale)
    score = -np.r_[closest(X_training, X_synthetic), closest(X_holdout, X_synthetic)]
    truth = np.r_[np.ones(len(X_training)), np.zeros(len(X_holdout))]
    false, true, _ = roc_curve(truth, score, drop_intermediate=False)
    return MembershipInference(
        float(roc_auc_score(truth, score)), float(true[false <= _FALSE_ALARMS].max())
    )


def attribute_inference(X_synthetic, X_training, X_holdout, *, groups=None, scale="standard"):
    """Guess each value of a row from the synthetic row that is closest in all other columns.

    Parameters
    ----------
    X_synthetic, X_training, X_holdout : array-like of shape (n_rows, n_features)
        Rows as in :func:`membership_inference`, with at least two columns.
    groups : array-like of int of shape (n_features,), default=None
        Columns with the same number are guessed together, such as the coded columns of a category.
        None guesses each column.
    scale : {"standard", None}, default="standard"
        Scale of the columns, see :func:`training_proximity`.

    Returns
    -------
    result : AttackShares
        Shares of guesses within 5 % of the column's range, means over at most 30 columns.

    Raises
    ------
    ValueError
        If there is only one column or group, `groups` does not fit the columns, `scale` is
        unknown, or if the sets are empty, not two-dimensional, not finite, or differ in their
        number of columns.

    See Also
    --------
    linkability : Which values belong together?
    univariate_singling_out : Does a value reveal a row?

    Examples
    --------
    >>> from sklearn_pyraug.metrics import attribute_inference
    >>> X = [[0.0, 0.0], [4.0, 4.0]]
    >>> attribute_inference(X, X, [[0.0, 4.0], [4.0, 0.0]])
    AttackShares(share=1.0, control_share=0.0)
    """
    X_synthetic, X_training, X_holdout = _scaled(X_synthetic, X_training, X_holdout, scale)
    groups, numbers = _groups(groups, X_training, "a value is guessed by others")
    tolerance = _TOLERANCE * np.ptp(np.concatenate([X_training, X_holdout]), axis=0)
    chosen = np.unique(np.linspace(0, len(numbers) - 1, _MAX_COLUMNS).astype(int))
    shares = []
    for number in numbers[chosen]:
        own = groups == number
        search = NearestNeighbors(n_neighbors=1).fit(X_synthetic[:, ~own])
        for X in (X_training, X_holdout):
            index = search.kneighbors(X[:, ~own], return_distance=False)[:, 0]
            errors = np.abs(X_synthetic[index][:, own] - X[:, own])
            shares.append(np.mean(~is_below(tolerance[own], errors).any(axis=1)))
    return AttackShares(float(np.mean(shares[::2])), float(np.mean(shares[1::2])))


def linkability(
    X_synthetic, X_training, X_holdout, *, groups=None, n_neighbors=1, scale="standard"
):
    """Link two halves of a row's columns by the synthetic rows that are closest to each.

    An attacker has two tables of the same persons with different columns. Synthetic rows of all
    columns show which entries belong together [1]_.

    Parameters
    ----------
    X_synthetic, X_training, X_holdout : array-like of shape (n_rows, n_features)
        Rows as in :func:`membership_inference`, with at least two columns.
    groups : array-like of int of shape (n_features,), default=None
        Columns with the same number are in the same half; the sorted numbers are divided into
        halves. None takes the first and the second half of the columns.
    n_neighbors : int, default=1
        A row is linked if one synthetic row is among the `n_neighbors` closest of both halves.
    scale : {"standard", None}, default="standard"
        Scale of the columns, see :func:`training_proximity`.

    Returns
    -------
    result : AttackShares
        Shares of the rows that are linked.

    Raises
    ------
    ValueError
        If there is only one column or group, `groups` does not fit the columns, `n_neighbors` is
        no integer of at least 1, `scale` is unknown, or if the sets are empty, not
        two-dimensional, not finite, or differ in their number of columns.

    See Also
    --------
    attribute_inference : Guesses values.

    References
    ----------
    .. [1] M. Giomi, F. Boenisch, C. Wehmeyer, B. Tasnádi, "A Unified Framework for Quantifying
       Privacy Risk in Synthetic Data", Proceedings on Privacy Enhancing Technologies, 2023.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import linkability
    >>> X = [[0.0, 0.0], [4.0, 4.0]]
    >>> linkability(X, X, [[0.0, 4.0], [4.0, 0.0]])
    AttackShares(share=1.0, control_share=0.0)
    """
    check_count("n_neighbors", n_neighbors)
    X_synthetic, X_training, X_holdout = _scaled(X_synthetic, X_training, X_holdout, scale)
    groups, numbers = _groups(groups, X_training, "two halves are linked")
    first = np.isin(groups, numbers[: len(numbers) // 2])
    n_neighbors = min(n_neighbors, len(X_synthetic))
    halves = [
        (NearestNeighbors(n_neighbors=n_neighbors).fit(X_synthetic[:, h]), h)
        for h in (first, ~first)
    ]
    shares = []
    for X in (X_training, X_holdout):
        a, b = (search.kneighbors(X[:, half], return_distance=False) for search, half in halves)
        shares.append(float((a[:, :, np.newaxis] == b[:, np.newaxis]).any(axis=(1, 2)).mean()))
    return AttackShares(*shares)


def univariate_singling_out(X_synthetic, X_training, X_holdout):
    """Single out rows by the values that occur once among the synthetic rows.

    Parameters
    ----------
    X_synthetic, X_training, X_holdout : array-like of shape (n_rows, n_features)
        Rows as in :func:`membership_inference`.

    Returns
    -------
    result : AttackShares
        Shares of the values that occur once in a synthetic column and that exactly one training
        row has, and that a row held out would have alone in its place.

    Raises
    ------
    ValueError
        If the sets are empty, not two-dimensional, not finite, or differ in their number of
        columns.

    See Also
    --------
    attribute_inference : Guesses values.
    linkability : Guesses what belongs together.

    Notes
    -----
    Whether a value is one person's alone depends on how many there are. The control therefore puts
    each row held out in the place of a training row: it counts the values that a row held out has
    and no training row, times n_training / n_holdout.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import univariate_singling_out
    >>> univariate_singling_out([[1.0], [2.0]], [[1.0], [3.0]], [[5.0], [6.0]])
    AttackShares(share=0.5, control_share=0.0)
    """
    return count_singled_out(X_synthetic, X_training, X_holdout)[0]


def count_singled_out(X_synthetic, X_training, X_holdout):
    """Return the shares of :func:`univariate_singling_out`, and of how many values they are."""
    sets = _scaled(X_synthetic, X_training, X_holdout, None)
    sizes = [len(X) for X in sets]
    source = np.repeat(np.arange(3), sizes)
    n_guesses = n_found = n_control = 0
    for columns in gen_batches(sets[0].shape[1], max(1, _BLOCK // sum(sizes))):
        values = np.concatenate([X[:, columns] for X in sets]).T
        order = np.argsort(values, axis=1)
        values = np.take_along_axis(values, order, axis=1)
        is_first = np.ones(values.shape, bool)
        is_first[:, 1:] = values[:, 1:] != values[:, :-1]
        starts = np.flatnonzero(is_first)
        # How many rows of each set have a value of a column.
        new, training, holdout = (
            np.add.reduceat(source[order].ravel() == i, starts, dtype=int) for i in range(3)
        )
        n_guesses += int(np.sum(new == 1))
        n_found += int(np.sum((new == 1) & (training == 1)))
        n_control += int(np.sum(holdout[(new == 1) & (training == 0)]))
    n_control = min(n_control * sizes[1] / sizes[2], n_guesses)
    return AttackShares(*(float(n / max(n_guesses, 1)) for n in (n_found, n_control))), n_guesses


def _scaled(X_synthetic, X_training, X_holdout, scale):
    X_training, X_holdout, X_synthetic = check_sets(
        X_training=X_training, X_holdout=X_holdout, X_synthetic=X_synthetic
    )
    reference = np.concatenate([X_training, X_holdout])
    return rescale(scale, reference, X_synthetic, X_training, X_holdout)[:3]


def _groups(groups, X, why):
    """Return the number of each column's group, and all numbers; raise if there is one."""
    groups = np.arange(X.shape[1]) if groups is None else np.asarray(groups)
    if groups.shape != X.shape[1:]:
        raise ValueError(
            f"`groups` has the shape {groups.shape}; give one number for each of the "
            f"{X.shape[1]} columns."
        )
    numbers = np.unique(groups)
    if len(numbers) < 2:
        what = "column" if X.shape[1] < 2 else "group of columns"
        raise ValueError(f"`X_training` has 1 {what}; {why}, so give at least two.")
    return groups, numbers
