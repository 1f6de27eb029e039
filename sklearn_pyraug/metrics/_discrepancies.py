"""Distances between the distributions of real and of synthetic rows."""

from numbers import Real

import numpy as np
from scipy.spatial.distance import pdist

from .._preprocessing.arithmetic import times_power
from .._random import root_seed
from .._validation import check_count
from ._pairs import check_sets, check_two_rows, permutation_p_value, rescale, squared_distances
from ._two_samples import TwoSampleResult

# Most rows of both sets for the median distance: 2 million distances.
_MAX_MEDIAN_ROWS = 2_000
_FLOATS = np.finfo(np.float64)
# Number of projected values in one block.
_BLOCK = 2**20


def maximum_mean_discrepancy(
    X_real,
    X_synthetic,
    *,
    bandwidth="median",
    scale="standard",
    n_permutations=0,
    random_state=None,
):
    """Squared maximum mean discrepancy between real and synthetic rows, with a Gaussian kernel.

    Parameters
    ----------
    X_real : array-like of shape (n_real, n_features)
        Real rows, at least two: a hold-out set, or the training rows.
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows, at least two.
    bandwidth : float or "median", default="median"
        Standard deviation h of the kernel, in the units that `scale` leaves. "median" is the
        median of the distances between different rows of both sets taken together. If these have
        more than 2,000 rows, 2,000 random ones are used.
    scale : {"standard", None}, default="standard"
        With "standard", each column is shifted and divided by its mean and its standard deviation
        in both sets taken together. With None, the columns are compared in the units that they
        come in.
    n_permutations : int, default=0
        Random divisions of all rows into two sets, for a p-value of at least
        1 / (1 + n_permutations); 100 are common. With 0 the p-value is NaN.
    random_state : int, RandomState instance or None, default=None
        Seed of the divisions and of the rows drawn for the median. None draws a new one.

    Returns
    -------
    result : TwoSampleResult
        The statistic is the unbiased estimate of the squared discrepancy, at most 2. Lower is
        better: it has expectation 0 for sets of one distribution, and may be negative.

    Raises
    ------
    ValueError
        If a set has fewer than two rows, is not two-dimensional or not finite, if they differ in
        their number of columns, or if another parameter is out of its range.

    See Also
    --------
    classifier_two_sample_test : A test by a classifier.
    sliced_wasserstein_distance : A distance in the units of the columns.

    Notes
    -----
    With k(a, b) = exp(-|a - b|² / (2 h²)), N real rows x and M synthetic rows y [1]_,

    MMD² = sum_{i≠j} k(x_i, x_j) / (N (N-1)) + sum_{i≠j} k(y_i, y_j) / (M (M-1))
    - 2 sum_ij k(x_i, y_j) / (N M)

    The value depends on h, so compare values of one h alone: of several generators compared with
    the same real rows, fix `bandwidth`. Between two spherical unit Gaussians at a distance D it is
    2 (h² / (h² + 2))^(n_features/2) (1 - exp(-D² / (2 h² + 4))).

    Rows that copy their training rows lie close to them, and get the values of a perfect generator
    or lower ones. Time grows with (N + M)² (n_features + n_permutations); memory is bounded by
    scikit-learn's ``working_memory`` setting.

    References
    ----------
    .. [1] A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A Kernel Two-Sample
       Test", Journal of Machine Learning Research 13, 723-773, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.metrics import maximum_mean_discrepancy
    >>> X_real, X_same = np.random.default_rng(0).normal(size=(2, 100, 2))
    >>> abs(maximum_mean_discrepancy(X_real, X_same, random_state=0).statistic) < 0.02
    True
    >>> result = maximum_mean_discrepancy(X_real, X_same + 1, n_permutations=99, random_state=0)
    >>> result.statistic > 0.1, result.p_value
    (True, 0.01)
    """
    rng = np.random.default_rng(root_seed(random_state))
    check_count("n_permutations", n_permutations, least=0)
    _check_bandwidth(bandwidth)
    sets = check_sets(X_real=X_real, X_synthetic=X_synthetic)
    check_two_rows("the estimate needs pairs in either set", X_real=sets[0], X_synthetic=sets[1])
    # Units and bandwidth are those of both sets together, so that permutations do not change them.
    X, exponent = rescale(scale, np.concatenate(sets), np.concatenate(sets))
    if isinstance(bandwidth, str):
        bandwidth = _median_distance(X, rng)
    else:
        with np.errstate(over="ignore", under="ignore"):
            bandwidth = times_power(np.float64(bandwidth), -exponent)
        bandwidth = np.clip(bandwidth, _FLOATS.tiny, _FLOATS.max)
    n_real = len(sets[0])
    # Column 0 marks the real rows, and each other column as many random rows.
    marks = np.zeros((len(X), 1 + n_permutations))
    marks[:n_real] = 1
    rng.permuted(marks[:, 1:], axis=0, out=marks[:, 1:])
    observed, *permuted = _squared_discrepancies(X, marks, bandwidth)
    return TwoSampleResult(float(observed), permutation_p_value(observed, permuted))


def sliced_wasserstein_distance(
    X_real, X_synthetic, *, order=2, n_projections=100, scale="standard", random_state=None
):
    """Sliced Wasserstein distance between real and synthetic rows.

    Parameters
    ----------
    X_real : array-like of shape (n_real, n_features)
        Real rows: a hold-out set, or the training rows.
    X_synthetic : array-like of shape (n_synthetic, n_features)
        Synthetic rows.
    order : int, default=2
        The power p that distances are raised to.
    n_projections : int, default=100
        Random directions. The error of the Monte Carlo mean falls with their square root.
    scale : {"standard", None}, default="standard"
        With "standard", each column of both sets is shifted and divided by the mean and the
        standard deviation of that column in `X_real`; a column constant in `X_real` is only
        shifted. With None, the columns are compared in the units that they come in.
    random_state : int, RandomState instance or None, default=None
        Seed of the directions. None draws a new one.

    Returns
    -------
    distance : float, at least 0
        Lower is better; 0 for equal sets. Finite, whatever the units. Sets of one distribution
        have a distance above 0 that falls with their numbers of rows: compare it with that between
        two halves of the real rows.

    Raises
    ------
    ValueError
        If a set is empty, not two-dimensional or not finite, if they differ in their number of
        columns, or if another parameter is out of its range.

    See Also
    --------
    maximum_mean_discrepancy : Detects local differences that few directions show, with a p-value.

    Notes
    -----
    SW_p = (mean over directions u of W_p(u·x, u·y)^p)^(1/p) [1]_, with u uniform on the unit
    sphere. The distance of the projections is exact: W_p^p is the integral of the p-th power of
    the difference of the two quantile functions. With a single column and p = 1 it is
    :func:`scipy.stats.wasserstein_distance`. A set moved by a vector v has SW_2 = |v| /
    sqrt(n_features), up to the Monte Carlo error.

    Copies of training rows have a small distance, too.

    References
    ----------
    .. [1] N. Bonneel, J. Rabin, G. Peyré, H. Pfister, "Sliced and Radon Wasserstein Barycenters of
       Measures", Journal of Mathematical Imaging and Vision 51, 22-45, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug.metrics import sliced_wasserstein_distance
    >>> X_real = np.random.default_rng(0).normal(size=(100, 1))
    >>> round(sliced_wasserstein_distance(X_real, X_real + 3.0, scale=None), 6)
    3.0
    """
    rng = np.random.default_rng(root_seed(random_state))
    check_count("order", order, least=1)
    check_count("n_projections", n_projections, least=1)
    X_real, X_synthetic = check_sets(X_real=X_real, X_synthetic=X_synthetic)
    X_real, X_synthetic, exponent = rescale(scale, X_real, X_real, X_synthetic)
    n_real, n_synthetic = len(X_real), len(X_synthetic)

    # Both quantile functions are constant between the multiples of 1/N and of 1/M, here in whole
    # numbers of 1/(N M).
    ends = np.union1d(
        np.arange(1, n_real + 1) * n_synthetic, np.arange(1, n_synthetic + 1) * n_real
    )
    starts = np.concatenate([[0], ends[:-1]])
    weights = (ends - starts) / (n_real * n_synthetic)
    of_real, of_synthetic = starts // n_synthetic, starts // n_real

    means = []
    width = max(1, _BLOCK // (n_real + n_synthetic))
    for start in range(0, n_projections, width):
        n_directions = min(width, n_projections - start)
        directions = rng.standard_normal((n_directions, X_real.shape[1])).T
        directions /= np.linalg.norm(directions, axis=0)
        a = np.sort(X_real @ directions, axis=0)[of_real]
        b = np.sort(X_synthetic @ directions, axis=0)[of_synthetic]
        means.append(_power_mean(np.abs(a - b), weights, order))
    means = np.concatenate(means)
    distance = _power_mean(means, np.full(n_projections, 1 / n_projections), order)
    with np.errstate(over="ignore"):
        distance = times_power(distance, exponent)
    return float(np.minimum(distance, _FLOATS.max))


def _check_bandwidth(bandwidth):
    is_number = isinstance(bandwidth, Real) and not isinstance(bandwidth, bool)
    if bandwidth != "median" and not (is_number and 0 < bandwidth < np.inf):
        raise ValueError(
            f"`bandwidth` is {bandwidth!r}; give a finite number above 0, or 'median'."
        )


def _median_distance(X, rng):
    """Return the median distance between different rows, or 1 where there are none."""
    if len(X) > _MAX_MEDIAN_ROWS:
        X = X[rng.choice(len(X), _MAX_MEDIAN_ROWS, replace=False)]
    distances = pdist(X)
    distances = distances[distances > 0]
    return np.median(distances) if len(distances) else 1.0


def _squared_discrepancies(X, marks, bandwidth):
    """Return the unbiased estimate of MMD² for several divisions of rows into two sets.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    marks : ndarray of float of shape (n, n_divisions)
        1 for the rows of the first set, 0 for those of the second.
    bandwidth : float

    Returns
    -------
    estimates : ndarray of shape (n_divisions,)
    """
    n_first = marks[:, 0].sum()
    n_second = len(X) - n_first
    within_first = np.zeros(marks.shape[1])  # sums of k over pairs of rows, including i = j
    of_first = np.zeros(marks.shape[1])
    total = start = 0
    for D in squared_distances(X, X):
        rows = slice(start, start + len(D))
        with np.errstate(over="ignore"):
            K = np.exp(-0.5 * (np.sqrt(D) / bandwidth) ** 2)
        within_first += np.sum(marks[rows] * (K @ marks), axis=0)
        of_first += K.sum(axis=1) @ marks[rows]
        total += K.sum()
        start += len(D)
    across = of_first - within_first
    within_second = total - of_first - across
    # k(a, a) = 1 for each row.
    return (
        (within_first - n_first) / (n_first * (n_first - 1))
        + (within_second - n_second) / (n_second * (n_second - 1))
        - 2 * across / (n_first * n_second)
    )


def _power_mean(values, weights, order):
    """Return (sum of weights * values**order)**(1/order) over the first axis, without overflow."""
    largest = values.max(axis=0)
    divisor = np.where(largest > 0, largest, 1)
    return largest * (weights @ (values / divisor) ** order) ** (1 / order)
