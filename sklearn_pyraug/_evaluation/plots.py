"""What pictures of real and synthetic rows show, and how these are drawn.

Distributions by column, and rows in a plane: for the report, which shows no single row, and for
the displays of :mod:`sklearn_pyraug.plotting`.
"""

import io
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from ..metrics import distance_to_closest_record
from ..metrics._columns import _read

__all__ = [
    "Histogram",
    "ReportPlots",
    "closest_distance",
    "draw_histogram",
    "draw_plots",
    "find_histogram",
    "find_plots",
    "plain",
    "principal_plane",
    "shortened",
]

_N_BINS = 20
# Numbers of no more different values than this are drawn as categories, one bar each.
_MAX_VALUES = 12
# Bars of a column of categories; the rarer ones share the last one.
_MAX_CATEGORIES = 8
# A category that fewer real rows have is not named in a report.
_MIN_NAMED = 5
# Points of either kind in the scatter plot of a report.
_MAX_POINTS = 500
# Beyond, widths of bins and variances would overflow.
_LARGEST = 1e100
# They differ in grey, too.
_REAL, _SYNTHETIC = "0.75", "#D55E00"
_INCHES, _DPI = (7.2, 2.8), 110


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


class ReportPlots(NamedTuple):
    """What the plots of a report show.

    Attributes
    ----------
    distances : Histogram or None
        Distances to the closest training row; the real rows are those of the baseline.
    columns : tuple of Histogram
        The columns that differ most.
    real : ndarray of shape (n_points, 2)
        Two principal components of real rows, at most 500.
    synthetic : ndarray of shape (n_points, 2)
        Those of synthetic rows.
    """

    distances: Histogram | None
    columns: tuple
    real: np.ndarray
    synthetic: np.ndarray


def find_plots(real, synthetic, closeness, columns, categorical, seed):
    """Return what the plots show.

    Parameters
    ----------
    real, synthetic : Rows
    closeness : (training, fresh) or None
        Two sets of real rows, that the baseline of the privacy measures comes from.
    columns : list of (int, str)
        Position and name of the columns to show.
    categorical : ndarray of bool of shape (n_features,)
    seed : int

    Returns
    -------
    plots : ReportPlots
    """
    distances = None
    if closeness is not None:
        pair = [
            closest_distance(other, training)
            for other, training in ((closeness[1], closeness[0]), (synthetic, real))
        ]
        name = "distance to the closest training row (standard deviations)"
        weights = [np.ones(len(d)) for d in pair]
        distances = _of_intervals(name, pair, weights, least=0.0)
    mask = categorical if categorical.any() else None
    tables = [_read("X", rows.X, mask) for rows in (real, synthetic)]
    shown = [
        find_histogram(name, *(table.column(j) for table in tables), least_named=_MIN_NAMED)
        for j, name in columns
    ]
    rng = np.random.default_rng(seed)
    few = [X[rng.permutation(len(X))[:_MAX_POINTS]] for X in (real.coded, synthetic.coded)]
    return ReportPlots(distances, tuple(shown), *principal_plane(*few)[0])


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
    # The solver is exact whatever the shape, and draws no random numbers.
    pca = PCA(n, svd_solver="full").fit(sets[0])
    pad = (0, 2 - n)
    points = [np.pad(pca.transform(X), ((0, 0), pad)) for X in sets]
    return points, np.pad(pca.explained_variance_ratio_, pad)


def draw_plots(plots):
    """Draw the plots.

    Parameters
    ----------
    plots : ReportPlots

    Returns
    -------
    pictures : list of (str, bytes)
        What each shows, and a PNG file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    pictures = []

    def draw(caption, draw_on, n_axes=1):
        # Without pyplot, which would keep windows; the user's style does not change a report.
        figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained", facecolor="white")
        axes = np.atleast_1d(figure.subplots(1, n_axes))
        draw_on(axes)
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper right", ncols=2, frameon=False)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        pictures.append((caption, file.getvalue()))

    if plots.distances is not None:
        draw(
            "Distance to the closest training row; the real rows are those of the baseline. "
            "Synthetic rows piled up at zero are copies.",
            lambda axes: _draw_column(axes[0], plots.distances),
        )
    if plots.columns:
        draw(
            "The columns that differ most.",
            lambda axes: [_draw_column(*pair) for pair in zip(axes, plots.columns, strict=True)],
            len(plots.columns),
        )
    draw(
        "Two principal components of the real rows, at most 500 rows of either kind.",
        lambda axes: _draw_points(axes[0], plots),
    )
    return pictures


def _draw_column(ax, histogram):
    draw_histogram(ax, histogram)
    ax.set_xlabel(plain(shortened(histogram.name, 40 if len(ax.figure.axes) == 1 else 26)))
    if ax.get_subplotspec().is_first_col():
        ax.set_ylabel("share of rows")
    ax.spines[["top", "right"]].set_visible(False)


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


def _draw_points(ax, plots):
    ax.scatter(*plots.real.T, s=14, color="0.5", alpha=0.6, linewidths=0, label="real")
    ax.scatter(*plots.synthetic.T, s=14, color=_SYNTHETIC, alpha=0.8, marker="x", label="synthetic")
    ax.set(xlabel="first component", ylabel="second component")
    ax.spines[["top", "right"]].set_visible(False)


def shortened(text, length):
    """Return a text of at most `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def plain(text):
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")
