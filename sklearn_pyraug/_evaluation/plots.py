"""What pictures of real and synthetic rows show: for the report and the displays of `plotting`."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from ..metrics import distance_to_closest_record
from ..metrics._columns import _read, associations

_N_BINS = 20
# Columns of numbers with at most this many different values are drawn as categories, one bar each.
_MAX_VALUES = 12
# Bars of a column of categories; the rarer ones share the last one.
_MAX_CATEGORIES = 8
# A category is named in a report only if at least this many real rows have it.
_MIN_NAMED = 5
# Limits of a report: points of either kind in the scatter plot, columns that are drawn, columns of
# the heat maps, synthetic images, and pixels along an image's longer side.
_MAX_POINTS, _MAX_COLUMNS, _MAX_PAIRED, _MAX_IMAGES, _MAX_PIXELS = 500, 60, 24, 10, 96
# Larger values are clipped: widths of bins and variances would overflow.
_LARGEST = 1e100
# They also differ in grey.
_REAL, _SYNTHETIC = "0.75", "#D55E00"


class Histogram(NamedTuple):
    """Shares of real and of synthetic rows by intervals of numbers, or by categories.

    Attributes
    ----------
    name : str
    bins : ndarray of float of shape (n_bins + 1,), or tuple of str of length n_bins
        Ends of intervals, or categories.
    real : ndarray of shape (n_bins,)
    synthetic : ndarray of shape (n_bins,)
    missing : tuple of two floats, default=(0.0, 0.0)
        Shares of missing numbers among real and among synthetic rows; the others are those of the
        known ones.
    """

    name: str
    bins: object
    real: np.ndarray
    synthetic: np.ndarray
    missing: tuple = (0.0, 0.0)


class Pictures(NamedTuple):
    """Some synthetic images, each with the closest real one of its class.

    Attributes
    ----------
    labels : list of n_images
    real, synthetic : ndarray of shape (n_images, height, width) or (n_images, height, width, 3)
    """

    labels: list
    real: np.ndarray
    synthetic: np.ndarray


class ReportPlots(NamedTuple):
    """What the plots of a report show.

    Attributes
    ----------
    distances : Histogram or None
        Distances to the closest training row; the real rows are those of the baseline.
    columns : tuple of Histogram
        At most 60, those that differ most first.
    differences : ndarray of shape (n_columns, 2)
        How far each of all columns differs, in this order, and its baseline.
    missing : tuple of (str, float, float)
        Columns with missing values, and their shares among real and synthetic rows.
    paired : tuple of str
        Columns of which pairs are drawn, at most 24.
    associations : ndarray of shape (2, n_paired, n_paired)
        Of these, among real and synthetic rows.
    real : ndarray of shape (n_points, 2)
        Two principal components of real rows, at most 500.
    synthetic : ndarray of shape (n_points, 2)
        Those of synthetic rows.
    pictures : Pictures or None
        Where rows are images or volumes.
    """

    distances: Histogram | None
    columns: tuple
    differences: np.ndarray
    missing: tuple
    paired: tuple
    associations: np.ndarray
    real: np.ndarray
    synthetic: np.ndarray
    pictures: Pictures | None = None


def find_plots(pairs, columns, settings):
    """Return what the plots show.

    Parameters
    ----------
    pairs : _Pairs
        All rows that are compared.
    columns : list of (int, str, float, float)
        Position and name of the columns, how far they differ and the baseline of that, the
        largest difference first.
    settings : _Settings
        Of rows with a layout, which are images, pictures are shown in place of columns.

    Returns
    -------
    plots : ReportPlots
    """
    real, synthetic, layout = pairs.real, pairs.synthetic, settings.layout
    distances = None
    if pairs.privacy is not None:
        # The two sets of real rows that the baseline of the privacy measures compares.
        pair = [closest_distance(*pairs.privacy[::-1]), closest_distance(synthetic, real)]
        name = "distance to the closest training row (standard deviations)"
        weights = [np.ones(len(d)) for d in pair]
        distances = _of_intervals(name, pair, weights, least=0.0)
    rng = np.random.default_rng(settings.seed)
    few = [X[rng.permutation(len(X))[:_MAX_POINTS]] for X in (real.coded, synthetic.coded)]
    plane = principal_plane(*few)[0]
    if layout is not None:
        nothing = np.zeros((2, 0, 0))
        pictures = _find_pictures(real, synthetic, layout, rng)
        return ReportPlots(distances, (), np.zeros((0, 2)), (), (), nothing, *plane, pictures)
    mask = settings.categorical if settings.categorical.any() else None
    tables = [_read("X", rows.X, mask) for rows in (real, synthetic)]
    shown = [
        find_histogram(name, *(table.column(j) for table in tables), least_named=_MIN_NAMED)
        for j, name, *_ in columns[:_MAX_COLUMNS]
    ]
    gaps = [np.isnan(table.values).mean(axis=0).tolist() for table in tables]
    missing = [
        (name, gaps[0][j], gaps[1][j]) for j, name, *_ in columns if gaps[0][j] or gaps[1][j]
    ]
    missing.sort(key=lambda column: -abs(column[1] - column[2]))
    paired = sorted(columns[:_MAX_PAIRED])
    positions = np.array([j for j, *_ in paired], dtype=int)
    return ReportPlots(
        distances,
        tuple(shown),
        np.array([pair for _, _, *pair in columns]).reshape(-1, 2),
        tuple(missing),
        tuple(name for _, name, *_ in paired),
        np.stack([associations(table, positions) for table in tables]),
        *plane,
    )


def _find_pictures(real, synthetic, layout, rng):
    """Return synthetic images, of each class in turn, with the closest real ones."""
    order = rng.permutation(len(synthetic.y))
    # The first row of each class, then the second, and so on.
    rank, seen = [], {}
    for label in synthetic.y[order].tolist():
        seen[label] = seen.get(label, 0) + 1
        rank.append(seen[label])
    chosen = order[np.argsort(rank, kind="stable")][:_MAX_IMAGES]
    chosen = chosen[np.argsort(synthetic.y[chosen], kind="stable")]
    closest = []
    for i in chosen:
        own = np.flatnonzero(real.y == synthetic.y[i])
        search = NearestNeighbors(n_neighbors=1).fit(real.coded[own])
        closest.append(own[search.kneighbors(synthetic.coded[[i]], return_distance=False)[0, 0]])
    labels = synthetic.y[chosen].tolist()
    shown = real.take(np.array(closest)).X, synthetic.take(chosen).X
    return Pictures(labels, *(_as_pictures(np.asarray(X), layout) for X in shown))


def _as_pictures(X, layout):
    """Return images, or the middle slices of volumes, thinned out where they are large."""
    X = X.reshape(len(X), *layout.shape).astype(np.float64)
    if layout.channels != "none":
        X = np.moveaxis(X, 1 if layout.channels == "first" else -1, -1)
        # Three channels are colours; otherwise the first channel is shown.
        X = X if layout.n_channels == 3 else X[..., 0]
    if len(layout.extent) == 3:
        X = X[:, X.shape[1] // 2]
    step = -(-max(X.shape[1:3]) // _MAX_PIXELS)
    return X[:, ::step, ::step]


def closest_distance(rows, training):
    """Return the distance of each row to the closest training row, in deviations of a column.

    That is the root mean square over the columns, which does not grow with their number.

    Parameters
    ----------
    rows, training : Rows
        Coded.

    Returns
    -------
    distance : ndarray of shape (n_rows,)
    """
    distance = distance_to_closest_record(rows.coded, training.coded, scale=None)
    return distance / np.sqrt(rows.X.shape[1])


def find_histogram(name, x, x_new, weights=None, *, least_named=0):
    """Return how the values of a column are distributed among real and among synthetic rows.

    Parameters
    ----------
    name : str
    x, x_new : ndarray of shape (n,) and of shape (n_new,)
        Floats, NaN where one is missing, or objects, which are categories.
    weights : ndarray of shape (n_new,), default=None
        Of the synthetic rows; None for equal ones.
    least_named : int, default=0
        Real rows that a category must have to be named.

    Returns
    -------
    histogram : Histogram
    """
    weights = np.ones(len(x)), np.ones(len(x_new)) if weights is None else weights
    if x.dtype.kind == "f":
        both = np.concatenate([x, x_new])
        if len(np.unique(both[np.isfinite(both)])) > _MAX_VALUES:
            return _of_intervals(name, (x, x_new), weights)
    return _of_categories(name, (x, x_new), weights, least_named)


def _of_intervals(name, values, weights, least=None):
    """Return shares of intervals; what lies far out counts in those at the ends."""
    known = [np.isfinite(x) for x in values]
    missing = tuple(float(w[~k].sum() / w.sum()) for w, k in zip(weights, known, strict=True))
    values = [np.clip(x[k], -_LARGEST, _LARGEST) for x, k in zip(values, known, strict=True)]
    both = np.concatenate(values)
    low, high = np.quantile(both, [0.005, 0.995]) if len(both) else (0.0, 0.0)
    low = low if least is None else least
    if not (np.isfinite(high - low) and high > low):
        low, high = low - 0.5, low + 0.5
    bins = np.linspace(low, high, _N_BINS + 1)
    shares = []
    for x, w, k in zip(values, weights, known, strict=True):
        counts = np.histogram(np.clip(x, low, high), bins, weights=w[k])[0]
        shares.append(counts / max(w[k].sum(), np.finfo(float).tiny))
    return Histogram(name, bins, *shares, missing)


def _of_categories(name, values, weights, least_named):
    """Return shares of the most common categories, in order; the others are one."""
    n, both = len(values[0]), np.concatenate(values)
    if both.dtype.kind != "f":
        both = np.array(["missing" if v is None else str(v) for v in both.tolist()])
    levels, codes = np.unique(both, return_inverse=True)
    shares = [
        np.bincount(part, w, len(levels)) / w.sum()
        for part, w in zip((codes[:n], codes[n:]), weights, strict=True)
    ]
    shares = np.stack(shares, axis=1)
    names = [level if isinstance(level, str) else f"{level:g}" for level in levels.tolist()]
    names = np.array(["missing" if name == "nan" else name for name in names], dtype=object)
    n_real = np.bincount(codes[:n], minlength=len(levels))
    named = np.flatnonzero((n_real >= least_named) | (names == "missing"))
    if len(named) < len(levels) or len(levels) > _MAX_CATEGORIES:
        order = np.argsort(-shares[named].sum(axis=1), kind="stable")
        named = np.sort(named[order[: _MAX_CATEGORIES - 1]])
    shown = names[named].tolist()
    if n_others := len(levels) - len(named):
        shown.append(f"{n_others} other{'s' * (n_others > 1)}")
        rest = np.delete(shares, named, axis=0).sum(axis=0)
        return Histogram(name, tuple(shown), *np.vstack([shares[named], rest]).T)
    return Histogram(name, tuple(shown), *shares.T)


def principal_plane(real, *others):
    """Project rows on the first two principal components of the real ones.

    Parameters
    ----------
    real, *others : ndarray of shape (n, n_coded)

    Returns
    -------
    points : list of ndarray of shape (n, 2)
        Of the real rows and the others; zeros where the real ones do not differ.
    shares : ndarray of shape (2,)
        The shares of the real rows' variance that the components have.
    """
    sets = [np.clip(X, -_LARGEST, _LARGEST) for X in (real, *others)]
    n = min(2, *sets[0].shape)
    if not sets[0].var(axis=0).any():
        return [np.zeros((len(X), 2)) for X in sets], np.zeros(2)
    # This solver is exact for any shape, and draws no random numbers.
    pca = PCA(n, svd_solver="full").fit(sets[0])
    pad = (0, 2 - n)
    points = [np.pad(pca.transform(X), ((0, 0), pad)) for X in sets]
    return points, np.pad(pca.explained_variance_ratio_, pad)


def draw_histogram(ax, histogram):
    """Draw real shares as filled bars and synthetic ones as outlines, on one axes."""
    real, synthetic = {"color": _REAL, "label": "real"}, {"label": "synthetic", "linewidth": 1.6}
    ax.set_ylim(0, 1.08 * max(histogram.real.max(), histogram.synthetic.max(), 1e-9))
    if not isinstance(histogram.bins, tuple):
        ax.stairs(histogram.real, histogram.bins, fill=True, **real)
        ax.stairs(histogram.synthetic, histogram.bins, color=_SYNTHETIC, **synthetic)
        return
    x = np.arange(len(histogram.bins))
    ax.bar(x, histogram.real, width=0.8, **real)
    ax.bar(x, histogram.synthetic, width=0.5, edgecolor=_SYNTHETIC, facecolor="none", **synthetic)
    names = [plain(shortened(name, 14)) for name in histogram.bins]
    crowded = len(names) * max(map(len, names)) > 28
    ax.set_xticks(x, names, **({"rotation": 40, "ha": "right"} if crowded else {}))


def shortened(text, length):
    """Return a text of at most `length` characters, with its end, which often distinguishes it."""
    if len(text) <= length:
        return text
    n_last = length // 3
    return f"{text[: length - n_last - 1]}…{text[-n_last:]}"


def plain(text):
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")
