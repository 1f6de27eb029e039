"""What the plots of a report show, and how they are drawn: distributions, never single values."""

import io
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from ..metrics import distance_to_closest_record
from ..metrics._columns import _read

__all__ = ["Histogram", "ReportPlots", "draw_plots", "find_plots"]

_N_BINS = 20
# Points of either kind in the scatter plot, and categories of a column.
_MAX_POINTS, _MAX_CATEGORIES = 500, 8
# A category that fewer real rows have is not named.
_MIN_NAMED = 5
# Shares that sum to this much less than 1 do so by rounding.
_ROUNDING = 1e-9
# Beyond, widths of bins and variances would overflow.
_LARGEST = 1e100
# Seen apart by the colour-blind, and in grey.
_REAL, _SYNTHETIC = "#0b5394", "#e69f00"
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
    """

    name: str
    bins: object
    real: np.ndarray
    synthetic: np.ndarray


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
        fresh = distance_to_closest_record(closeness[1].coded, closeness[0].coded, scale=None)
        new = distance_to_closest_record(synthetic.coded, real.coded, scale=None)
        distances = _of_numbers("distance to the closest training row", fresh, new, 0.0)
    mask = categorical if categorical.any() else None
    tables = [_read("X", rows.X, mask) for rows in (real, synthetic)]
    shown = [
        (_of_categories if categorical[j] else _of_column)(name, *tables, j) for j, name in columns
    ]
    return ReportPlots(distances, tuple(shown), *_components(real, synthetic, seed))


def _of_column(name, real, synthetic, j):
    x, x_new = (table.values[:, j] for table in (real, synthetic))
    return _of_numbers(name, x[~np.isnan(x)], x_new[~np.isnan(x_new)])


def _of_numbers(name, x, x_new, least=None):
    """Return the histogram of two samples, in which what lies far out counts in the end bins."""
    x, x_new = np.clip(x, -_LARGEST, _LARGEST), np.clip(x_new, -_LARGEST, _LARGEST)
    both = np.concatenate([x, x_new])
    if not len(both):
        return Histogram(name, np.linspace(0, 1, _N_BINS + 1), *np.zeros((2, _N_BINS)))
    low, high = np.quantile(both, [0.005, 0.995])
    low = low if least is None else least
    if not (np.isfinite(high - low) and high > low):
        low, high = low - 0.5, low + 0.5
    bins = np.linspace(low, high, _N_BINS + 1)
    shares = [np.histogram(np.clip(v, low, high), bins)[0] / max(len(v), 1) for v in (x, x_new)]
    return Histogram(name, bins, *shares)


def _of_categories(name, real, synthetic, j):
    """Return shares of the most common categories; the others are one."""
    named = []
    for table in (real, synthetic):
        x, levels = table.values[:, j], table.levels[j]
        known = ~np.isnan(x)
        values = np.full(len(x), "(missing)", dtype=object)
        values[known] = [
            str(v) for v in (x[known] if levels is None else levels[x[known].astype(np.intp)])
        ]
        named.append(values)
    categories, counts = np.unique(named[0].astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]
    kept = [str(categories[i]) for i in order if counts[i] >= _MIN_NAMED]
    shares = [np.array([np.mean(values == c) for c in kept]) for values in named]
    others = [max(0.0, 1 - share.sum()) for share in shares]
    if max(others) > _ROUNDING:
        kept.append("(other)")
        shares = [np.append(*pair) for pair in zip(shares, others, strict=True)]
    return Histogram(name, tuple(kept), *shares)


def _components(real, synthetic, seed):
    """Return two principal components of the real rows, for some rows of either kind."""
    rng = np.random.default_rng(seed)
    few = [
        np.clip(X[rng.permutation(len(X))[:_MAX_POINTS]], -_LARGEST, _LARGEST)
        for X in (real.coded, synthetic.coded)
    ]
    n = min(2, *few[0].shape)
    if not few[0].var(axis=0).any():
        return tuple(np.zeros((len(X), 2)) for X in few)
    pca = PCA(n, random_state=0).fit(few[0])
    return tuple(np.pad(pca.transform(X), ((0, 0), (0, 2 - n))) for X in few)


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
        # Without pyplot, which would keep windows; a style of one's own does not change a report.
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
            lambda axes: _draw_histogram(axes[0], plots.distances),
        )
    if plots.columns:
        draw(
            "The columns that differ most.",
            lambda axes: [_draw_histogram(*pair) for pair in zip(axes, plots.columns, strict=True)],
            len(plots.columns),
        )
    draw(
        "Two principal components of the real rows, at most 500 rows of either kind.",
        lambda axes: _draw_points(axes[0], plots),
    )
    return pictures


def _draw_histogram(ax, histogram):
    x = np.arange(len(histogram.real))
    if isinstance(histogram.bins, tuple):
        ax.bar(x - 0.2, histogram.real, 0.4, color=_REAL, alpha=0.35, label="real")
        ax.bar(x + 0.2, histogram.synthetic, 0.4, color=_SYNTHETIC, label="synthetic", hatch="//")
        ax.set_xticks(x, [_plain(_short(c, 10)) for c in histogram.bins], rotation=45, ha="right")
    else:
        ax.stairs(histogram.real, histogram.bins, fill=True, color=_REAL, alpha=0.35, label="real")
        ax.stairs(
            histogram.synthetic, histogram.bins, color=_SYNTHETIC, linewidth=2, label="synthetic"
        )
    ax.set_xlabel(_plain(_short(histogram.name, 40 if len(ax.figure.axes) == 1 else 26)))
    if ax.get_subplotspec().is_first_col():
        ax.set_ylabel("share of rows")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_points(ax, plots):
    ax.scatter(*plots.real.T, s=14, color=_REAL, alpha=0.6, linewidths=0, label="real")
    ax.scatter(*plots.synthetic.T, s=14, color=_SYNTHETIC, alpha=0.8, marker="x", label="synthetic")
    ax.set(xlabel="first component", ylabel="second component")
    ax.spines[["top", "right"]].set_visible(False)


def _short(text, n):
    return text if len(text) <= n else f"{text[: n - 1]}…"


def _plain(text):
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")
