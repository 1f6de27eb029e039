"""Measures built on nearest-neighbour distances between real and synthetic rows."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import stats

from .._preprocessing.arithmetic import times_power
from .._validation import check_share
from ._neighbors import closest, closest_other, is_below, nearest
from ._pairs import check_sets, check_two_rows, near_one, rescale, squared_distances, standardize


class PrecisionRecallDensityCoverage(NamedTuple):
    """Fidelity and diversity of synthetic rows, higher is better for each.

    Attributes
    ----------
    precision : float in [0, 1]
        Share of synthetic rows inside the real rows' neighbourhoods: fidelity.
    recall : float in [0, 1]
        Share of real rows inside the synthetic rows' neighbourhoods: diversity.
    density : float, at least 0
        Mean number of real neighbourhoods that a synthetic row lies in, divided by the number
        of neighbours: fidelity. It has expectation 1 when both sets have one distribution, and
        exceeds 1 where the synthetic rows crowd where the real rows are dense.
    coverage : float in [0, 1]
        Share of real rows whose neighbourhood holds a synthetic row: diversity.

    See Also
    --------
    precision_recall_density_coverage : Computes the four.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import PrecisionRecallDensityCoverage
    >>> PrecisionRecallDensityCoverage(1.0, 0.5, 1.2, 0.4).coverage
    0.4
    """

    precision: float
    recall: float
    density: float
    coverage: float


def distance_to_closest_record(X_synthetic, X_real, *, scale="standard"):
    """Distance from each synthetic row to the closest real row.

    Small distances everywhere are a privacy warning (the rows are near-copies), large ones a
    quality warning (the rows lie where no real row is).

    Parameters
    ----------
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    X_real : array-like of shape (n_real, n_features)
        Real rows, usually those that the generator was trained on.
    scale : {"standard", None}, default="standard"
        With "standard", each column of both sets is shifted and divided by the mean and the
        standard deviation of that column in `X_real`; a column constant in `X_real` is only
        shifted. With None, the columns are compared in the units that they come in.

    Returns
    -------
    distances : ndarray of shape (n_synthetic,)
        Euclidean distances: in standard deviations of the real columns with
        ``scale="standard"``, in the columns' own units otherwise. Finite, whatever the units:
        what no float64 can hold comes as the largest one.

    Raises
    ------
    ValueError
        If `scale` is unknown, if a set is empty, not two-dimensional or not finite, or if the
        two sets differ in their number of columns.

    See Also
    --------
    memorization_share : One number instead of one per row.
    nearest_neighbor_distance_ratio : Needs no scale for distances.
    training_proximity : Compares the distances with those to rows held out.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import distance_to_closest_record
    >>> X_real = [[0.0, 0.0], [2.0, 0.0]]
    >>> distance_to_closest_record([[0.0, 0.0], [2.0, 3.0]], X_real, scale=None)
    array([0., 3.])
    """
    X_real, X_synthetic = check_sets(X_real=X_real, X_synthetic=X_synthetic)
    X_real, X_synthetic, exponent = rescale(scale, X_real, X_real, X_synthetic)
    with np.errstate(over="ignore"):
        distances = times_power(closest(X_synthetic, X_real), exponent)
    return np.minimum(distances, np.finfo(np.float64).max)


def memorization_share(X_synthetic, X_real, quantile=0.01):
    """Share of synthetic rows that are suspiciously near to a real row.

    The threshold comes from the real rows themselves: the distance of each to its nearest
    other real row, in standardised columns. A synthetic row counts as memorised when it is no
    further from its closest real row than the given quantile of those distances.

    Parameters
    ----------
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    X_real : array-like of shape (n_real, n_features)
        Real rows that the generator was trained on, at least two.
    quantile : float in [0, 1], default=0.01
        Quantile of the real rows' leave-one-out nearest-neighbour distances.

    Returns
    -------
    share : float in [0, 1]
        Lower is better; 1 for copies. Fresh rows of the real distribution score about
        `quantile` if there are many real rows, and more if there are few: with the default 1.2 %
        for 1,000 real rows, 2 % for 200 and 4 % for 50.

    Raises
    ------
    ValueError
        If `quantile` is no number in [0, 1], if there are fewer than two real rows, or if the
        sets are empty, not two-dimensional, not finite, or differ in their number of columns.

    See Also
    --------
    distance_to_closest_record : The distances behind the share.

    Notes
    -----
    Where more than the given quantile of the real rows have an identical twin the threshold is
    0, and only exact copies count. With up to 1 / quantile real rows it is the smallest of their
    distances, which belongs to the two rows that are closest to each other: fresh rows then score
    2 / (n_real + 1).

    A low share does not prove that rows are private: a row that is far away in all columns except
    one may still reveal this one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.metrics import memorization_share
    >>> rng = np.random.default_rng(0)
    >>> X_real = rng.normal(size=(200, 3))
    >>> memorization_share(X_real[:50], X_real)
    1.0
    >>> memorization_share(rng.normal(size=(50, 3)), X_real) < 0.1
    True
    """
    if not isinstance(quantile, Real) or not 0 <= quantile <= 1:
        raise ValueError(f"`quantile` is {quantile!r}; give a number from 0 to 1, such as 0.01.")
    X_real, X_synthetic = check_sets(X_real=X_real, X_synthetic=X_synthetic)
    check_two_rows("the threshold is a distance between real rows", X_real=X_real)
    X_real, X_synthetic = standardize(X_real, X_real, X_synthetic)
    threshold = np.quantile(closest_other(X_real), quantile)
    # "At most", not "less": with duplicated real rows the threshold is 0, and exact copies must
    # still count.
    return float(np.mean(~is_below(threshold, closest(X_synthetic, X_real))))


def precision_recall_density_coverage(X_real, X_synthetic, n_neighbors=5):
    """Precision, recall, density and coverage of synthetic rows.

    Parameters
    ----------
    X_real : array-like of shape (n_real, n_features)
        Real rows. The columns are compared in the units that they come in: standardise them,
        or pass an embedding of images, where those units mean little.
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows, with columns in the same units.
    n_neighbors : int, default=5
        Rank k of the neighbour that sets a row's radius; below both numbers of rows.

    Returns
    -------
    measures : PrecisionRecallDensityCoverage
        A named tuple of four floats; higher is better for each.

    Raises
    ------
    ValueError
        If `n_neighbors` is no integer from 1 to one less than the smaller set's rows, or if
        the sets are not two-dimensional, not finite, or differ in their number of columns.

    See Also
    --------
    memorization_share : A generator that copies its rows has the best scores here, and the
        worst there.

    Notes
    -----
    With real rows x_1 .. x_N, synthetic rows y_1 .. y_M, and B(a) the open ball around a whose
    radius is the distance from a to its k-th nearest other row of a's own set [1]_:

    - precision = (1/M) sum_j 1[y_j in some B(x_i)]
    - recall    = (1/N) sum_i 1[x_i in some B(y_j)]
    - density   = (1/(kM)) sum_j sum_i 1[y_j in B(x_i)]
    - coverage  = (1/N) sum_i 1[some y_j in B(x_i)]

    Balls are open as in the authors' program. For independent sets of one continuous
    distribution with N = M, coverage has expectation 1 - (N-1)...(N-k) / ((2N-1)...(2N-k)),
    which tends to 1 - 2^-k. Time grows with N M n_features; memory is bounded by
    scikit-learn's ``working_memory`` setting.

    References
    ----------
    .. [1] M. F. Naeem, S. J. Oh, Y. Uh, Y. Choi, J. Yoo, "Reliable Fidelity and Diversity
       Metrics for Generative Models", ICML 2020, arXiv:2002.09797.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.metrics import precision_recall_density_coverage
    >>> X_real = np.random.default_rng(0).normal(size=(100, 2))
    >>> precision_recall_density_coverage(X_real, X_real + 100.0)
    PrecisionRecallDensityCoverage(precision=0.0, recall=0.0, density=0.0, coverage=0.0)
    """
    X_real, X_synthetic = check_sets(X_real=X_real, X_synthetic=X_synthetic)
    n_real, n_synthetic = len(X_real), len(X_synthetic)
    most = min(n_real, n_synthetic) - 1
    is_integer = isinstance(n_neighbors, Integral) and not isinstance(n_neighbors, bool)
    if not is_integer or not 1 <= n_neighbors <= most:
        raise ValueError(
            f"`n_neighbors` is {n_neighbors!r} with {n_real} real and {n_synthetic} synthetic "
            f"rows; give an integer of at least 1 and below both numbers of rows."
        )

    # Dividing all by one power of two changes no comparison.
    X_real, X_synthetic, _ = near_one(X_real, X_synthetic)
    real_radius = _kth_squared_distance(X_real, n_neighbors)
    synthetic_radius = _kth_squared_distance(X_synthetic, n_neighbors)
    n_balls = np.zeros(n_synthetic, dtype=np.int64)  # real balls that hold y_j
    n_recalled = n_covered = start = 0
    for D in squared_distances(X_real, X_synthetic):
        rows = slice(start, start + len(D))
        inside = real_radius[rows, None] > D
        n_balls += inside.sum(axis=0)
        n_covered += int(inside.any(axis=1).sum())
        n_recalled += int((synthetic_radius > D).any(axis=1).sum())
        start += len(D)
    return PrecisionRecallDensityCoverage(
        precision=float(np.mean(n_balls > 0)),
        recall=n_recalled / n_real,
        density=float(np.mean(n_balls) / n_neighbors),
        coverage=n_covered / n_real,
    )


def _kth_squared_distance(X, k):
    """Squared distance from each row of X to its k-th nearest other row, shape (n,)."""
    # Rank k counted from 0, because the row itself is at distance 0.
    return np.concatenate([np.partition(D, k, axis=1)[:, k] for D in squared_distances(X, X)])


class TrainingProximity(NamedTuple):
    """How many synthetic rows lie nearer to a training row than to a row held out.

    Attributes
    ----------
    share : float in [0, 1]
        Their share; of several real rows that are as near, each counts alike.
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
        Ratios in [0, 1]. A ratio near 0 is a privacy warning: the synthetic row is close to one
        real row only. It is 1 if a second real row is as close, such as a twin. Good values are
        those of rows held out, ``nearest_neighbor_distance_ratio(X_holdout, X_real)``; compare
        medians, or 5th percentiles.

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
        Scale of the columns, see :func:`nearest_neighbor_distance_ratio`.

    Returns
    -------
    share : float in [0, 1]
        0 for copies. The ideal is not 1 but the value of rows held out, ``authenticity(X_holdout,
        X_real)``, which is near 0.33 with one column and 0.38 with two, and between 0.5 and 0.8
        with many. Lower values say that rows are copied, higher ones that rows lie outside of the
        data.

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
    neighbours. If rows are many, that has a probability which does not depend on the (continuous)
    distribution: the volume of a unit ball over that of the union of two, the centre of each on the
    edge of the other; 2/3 on a line, 0.6215 in a plane, 16/27 in space, 1/2 in the limit. With many
    columns, no number of rows is many: a few rows are the nearest of all others, and of Gaussian
    rows of 10 columns 0.38 are not authentic, of 100 columns 0.2.

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
    # "Greater", not "at least", because a copy of one of two equal rows is a copy.
    return float(np.mean(is_below(closest_other(X_real)[index], distances)))


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
    probability, so that the share is that of the training rows in the real ones [1]_. Where several
    are as close, as in tables of few values, each has its part of the synthetic row. The interval
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
    is_nearer = is_below(to_training, to_holdout)
    n_nearer = float(np.sum(is_nearer))
    tied = X_synthetic[~is_nearer & ~is_below(to_holdout, to_training)]
    for D in squared_distances(tied, np.concatenate([X_training, X_holdout])) if len(tied) else ():
        is_closest = ~is_below(D.min(axis=1, keepdims=True), D)
        n_nearer += np.sum(is_closest[:, :n_training].sum(axis=1) / is_closest.sum(axis=1))
    return TrainingProximity(
        float(n_nearer / n),
        _binomial_interval(n_nearer, n, confidence_level),
        n_training / (n_training + n_holdout),
    )


def _binomial_interval(k, n, confidence_level):
    """Return the interval of Clopper and Pearson of k out of n, where k may have a fraction.

    :func:`scipy.stats.binomtest` has it for whole numbers.
    """
    tail = (1 - confidence_level) / 2
    low = stats.beta.ppf(tail, k, n - k + 1) if k > 0 else 0.0
    high = stats.beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0
    return float(low), float(high)
