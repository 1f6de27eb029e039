"""Privacy measures: distances of synthetic rows to training rows and to rows held out."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from .._validation import check_share
from ._neighbors import closest, closest_other, nearest
from ._pairs import check_sets, check_two_rows, rescale


class TrainingProximity(NamedTuple):
    """How many synthetic rows lie nearer to a training row than to a row held out.

    Attributes
    ----------
    share : float in [0, 1]
        Their share; a row that is as near to either counts half.
    interval : tuple of two floats
        Its binomial interval.
    expected_share : float in (0, 1)
        The share of the training rows in all real rows: that of synthetic rows which are
        no closer to one set than to the other; 0.5 for sets of one size. A `share` whose interval
        lies above it says that synthetic rows follow single training rows.

    See Also
    --------
    training_proximity : Computes it.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import TrainingProximity
    >>> TrainingProximity(0.52, (0.42, 0.62), 0.5).share
    0.52
    """

    share: float
    interval: tuple[float, float]
    expected_share: float


def nearest_neighbor_distance_ratio(X_synthetic, X_real, *, scale="standard"):
    """Distance to the closest real row over that to the second closest, of each synthetic row.

    Parameters
    ----------
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    X_real : array-like of shape (n_real, n_features)
        Real rows that the generator was trained on, at least two.
    scale : {"standard", None}, default="standard"
        With "standard", each column of both sets is shifted and divided by the mean and the
        standard deviation of that column in `X_real`; a column constant in `X_real` is only
        shifted. With None, the columns are compared in the units that they come in.

    Returns
    -------
    ratios : ndarray of shape (n_synthetic,)
        In [0, 1]. Near 0 where a synthetic row lies close to one real row, and to it alone: a
        privacy warning. 1 where it is as far from a second one, as from twins among the real rows.
        A good value is that of rows held out, ``nearest_neighbor_distance_ratio(X_holdout,
        X_real)``; compare medians, or 5th percentiles.

    Raises
    ------
    ValueError
        If `scale` is unknown, if there are fewer than two real rows, or if the sets are empty, not
        two-dimensional, not finite, or differ in their number of columns.

    See Also
    --------
    distance_to_closest_record : The distance alone, which has units.

    Notes
    -----
    The ratio needs no scale for distances: it is the same in dense and in sparse regions [1]_.
    For rows of the distribution of the real ones its d-th power, d the number of columns, is about
    uniform on (0, 1): the ratio has a mean of about d / (d + 1).

    References
    ----------
    .. [1] Z. Zhao, A. Kunar, R. Birke, L. Y. Chen, "CTAB-GAN: Effective Table Data Synthesizing",
       ACML 2021, arXiv:2102.08369.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import nearest_neighbor_distance_ratio
    >>> X_real = [[0.0], [4.0], [10.0]]
    >>> nearest_neighbor_distance_ratio([[0.0], [1.0], [7.0]], X_real)
    array([0.  , 0.333, 1.  ])
    """
    X_real, X_synthetic = check_sets(X_real=X_real, X_synthetic=X_synthetic)
    check_two_rows("the ratio is that of two distances", X_real=X_real)
    X_real, X_synthetic, _ = rescale(scale, X_real, X_real, X_synthetic)
    first, second = np.sort(nearest(X_synthetic, X_real, 2)[1], axis=1).T
    return np.divide(first, second, out=np.ones_like(first), where=second > 0)


def authenticity(X_synthetic, X_real, *, scale="standard"):
    """Share of synthetic rows that are not nearer to a real row than its nearest real neighbour.

    Parameters
    ----------
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    X_real : array-like of shape (n_real, n_features)
        Real rows that the generator was trained on, at least two.
    scale : {"standard", None}, default="standard"
        As that of :func:`nearest_neighbor_distance_ratio`.

    Returns
    -------
    share : float in [0, 1]
        0 for copies. The ideal is not 1 but the value of rows held out, ``authenticity(X_holdout,
        X_real)``, which is near 0.33 with one column, 0.38 with two, and 0.5 with many. Lower
        values say that rows are copied, higher ones that rows lie outside of the data.

    Raises
    ------
    ValueError
        If `scale` is unknown, if there are fewer than two real rows, or if the sets are empty, not
        two-dimensional, not finite, or differ in their number of columns.

    See Also
    --------
    memorization_share : Compares distances with one threshold for all rows.

    Notes
    -----
    A synthetic row y, with x_i the closest real row, is authentic [1]_ if |y - x_i| is greater than
    the distance from x_i to its nearest other real row.

    A fresh row of the real distribution is *not* authentic if it and x_i are each other's nearest
    neighbours. That has a probability which does not depend on the (continuous) distribution: the
    volume of a unit ball over that of the union of two, the centre of each on the edge of the
    other; 2/3 on a line, 0.6215 in a plane, 16/27 in space, 1/2 in the limit.

    References
    ----------
    .. [1] A. M. Alaa, B. van Breugel, E. Saveliev, M. van der Schaar, "How Faithful is your
       Synthetic Data? Sample-level Metrics for Evaluating and Auditing Generative Models", ICML
       2022, arXiv:2102.08921.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import authenticity
    >>> X_real = [[0.0], [1.0], [5.0]]
    >>> authenticity([[0.1], [2.5], [4.0], [10.0]], X_real)
    0.5
    """
    X_real, X_synthetic = check_sets(X_real=X_real, X_synthetic=X_synthetic)
    check_two_rows("a real row is compared to its nearest other one", X_real=X_real)
    X_real, X_synthetic, _ = rescale(scale, X_real, X_real, X_synthetic)
    index, distances = nearest(X_synthetic, X_real)
    # "Greater", not "at least": a copy of one of two twins is a copy.
    return float(np.mean(distances > closest_other(X_real)[index]))


def training_proximity(
    X_synthetic, X_training, X_holdout, *, confidence_level=0.95, scale="standard"
):
    """Share of synthetic rows that lie nearer to a training row than to a row held out.

    Parameters
    ----------
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    X_training : array-like of shape (n_training, n_features)
        Real rows that the generator was trained on.
    X_holdout : array-like of shape (n_holdout, n_features)
        Real rows of the same source that it has not seen; best as many.
    confidence_level : float, default=0.95
        Confidence level of the interval, in (0, 1).
    scale : {"standard", None}, default="standard"
        With "standard", each column is shifted and divided by its mean and its standard deviation
        in both real sets taken together; a column constant there is only shifted. With None, the
        columns are compared in the units that they come in.

    Returns
    -------
    result : TrainingProximity
        The share, 0.5 being ideal for real sets of one size and 1 that of copies; its interval;
        and the ideal for sets of other sizes.

    Raises
    ------
    ValueError
        If `scale` is unknown, `confidence_level` does not lie between 0 and 1, or if the sets are
        empty, not two-dimensional, not finite, or differ in their number of columns.

    See Also
    --------
    authenticity : Needs no rows held out.

    Notes
    -----
    Of a row that is independent of all real rows the closest one is any of them with the same
    probability, so that the share is that of the training rows in the real ones [1]_. The interval
    is the exact one of Clopper and Pearson for independent synthetic rows. It does not say how
    much the share would differ with other training rows and other rows held out: hundreds of rows
    made from ten are not independent.

    References
    ----------
    .. [1] M. Platzer, T. Reutterer, "Holdout-Based Empirical Assessment of Mixed-Type Synthetic
       Data", Frontiers in Big Data 4, 2021, arXiv:2104.00635.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import training_proximity
    >>> X_training, X_holdout = [[0.0], [4.0]], [[2.0], [6.0]]
    >>> training_proximity([[0.1], [0.9], [3.5], [5.2]], X_training, X_holdout)
    TrainingProximity(share=0.75, interval=(0.194, 0.994), expected_share=0.5)
    """
    check_share("confidence_level", confidence_level, 0.95)
    X_training, X_holdout, X_synthetic = check_sets(
        X_training=X_training, X_holdout=X_holdout, X_synthetic=X_synthetic
    )
    n_training, n_holdout, n = len(X_training), len(X_holdout), len(X_synthetic)
    reference = np.concatenate([X_training, X_holdout])
    X_training, X_holdout, X_synthetic, _ = rescale(
        scale, reference, X_training, X_holdout, X_synthetic
    )
    to_training, to_holdout = closest(X_synthetic, X_training), closest(X_synthetic, X_holdout)
    n_nearer = np.sum(to_training < to_holdout) + np.sum(to_training == to_holdout) / 2
    return TrainingProximity(
        float(n_nearer / n),
        _binomial_interval(n_nearer, n, confidence_level),
        n_training / (n_training + n_holdout),
    )


def _binomial_interval(k, n, confidence_level):
    """Return the interval of Clopper and Pearson of k out of n, where k may have a half.

    :func:`scipy.stats.binomtest` has it for whole numbers.
    """
    tail = (1 - confidence_level) / 2
    low = stats.beta.ppf(tail, k, n - k + 1) if k > 0 else 0.0
    high = stats.beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0
    return float(low), float(high)
