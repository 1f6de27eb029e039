"""Pictures of a table's real and synthetic rows: marginal distributions and a scatter plot."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA

from .._preprocessing.schema import is_missing
from ._style import COLORS, MOST_NAMES, class_style

__all__ = ["draw_marginals", "draw_scatter", "numbers_of", "read_rows"]

# Numbers of no more different values than this are drawn as levels, one bar each.
_MOST_VALUES = 12
# Bars of a picture; the rarer levels share the last one.
_MOST_LEVELS = 8
_N_BINS = 20
_REAL = {"color": "0.75", "label": "real"}
_SYNTHETIC = {"edgecolor": COLORS[1], "facecolor": "none", "linewidth": 1.6, "label": "synthetic"}


class Marginal(NamedTuple):
    """One column's distribution among real and synthetic rows.

    ``difference`` is between 0 and 1 and ``measure`` its name. ``edges``, of shape (n_bars + 1,),
    are those of a histogram, or None where ``levels`` names the bars. ``real`` and ``synthetic``,
    of shape (n_bars,), are shares of the rows; ``missing`` has the two shares of missing numbers.
    """

    name: str
    difference: float
    measure: str
    edges: np.ndarray | None
    levels: list | None
    real: np.ndarray
    synthetic: np.ndarray
    missing: tuple


def read_rows(X):
    """Return rows as an array of shape (n_rows, n_columns), and the names of the columns."""
    # Of a table of pyarrow, `columns` are the values.
    names = getattr(X, "column_names", getattr(X, "columns", None))
    rows = X.toarray() if sparse.issparse(X) else np.asarray(X)
    if rows.ndim < 2:
        raise ValueError(f"`X` has shape {rows.shape}; give a table of rows and columns.")
    rows = rows.reshape(len(rows), -1)
    if names is None:
        names = [f"column {j}" for j in range(rows.shape[1])]
    return rows, [str(name) for name in names]


def draw_marginals(display, figure, max_columns):
    """Draw the columns that differ most; return figure, axes and the difference by column."""
    pairs = [
        pair for pair in zip(display.real, display.synthetic, strict=True) if all(map(len, pair))
    ]
    if not pairs:
        raise ValueError(
            "`real` and `synthetic` hold no class with rows of both kinds; give real and "
            "synthetic rows of at least one class."
        )
    real, synthetic = (np.concatenate(rows) for rows in zip(*pairs, strict=True))
    # Each class weighs among the synthetic rows as among the real ones.
    weights = np.concatenate([np.full(len(s), len(r) / len(real) / len(s)) for r, s in pairs])
    names = display.column_names or [f"column {j}" for j in range(real.shape[1])]
    marginals = [
        _marginal(name, real[:, j], synthetic[:, j], weights) for j, name in enumerate(names)
    ]
    shown = sorted(marginals, key=lambda marginal: -marginal.difference)[:max_columns]
    n_columns = min(len(shown), 3)
    n_rows = -(-len(shown) // n_columns)
    if figure is None:
        figure = _new_figure((0.6 + 3.0 * n_columns, 0.7 + 2.5 * n_rows))
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax in axes[len(shown) :]:
        ax.remove()
    axes = axes[: len(shown)]
    for ax, marginal in zip(axes, shown, strict=True):
        _draw_marginal(ax, marginal)
    for ax in axes[::n_columns]:
        ax.set_ylabel("share of rows")
    axes[0].legend(fontsize="small")
    most = f"the {len(shown)} of {len(names)} columns that differ most"
    which = "all columns" if len(shown) == len(names) else most
    figure.suptitle(f"Real and synthetic values: {which} (0: alike, 1: apart)", fontsize="medium")
    return figure, axes, {marginal.name: marginal.difference for marginal in marginals}


def draw_scatter(display, figure):
    """Draw rows as points in the plane of two principal components; return figure and axes."""
    blocks = [*display.real, *display.synthetic]
    real = np.concatenate(display.real)
    scaled = _scaled_columns(real, np.concatenate(blocks))
    if len(real) < 3 or scaled.shape[1] < 2:
        raise ValueError(
            f"`real` has {len(real)} rows in {scaled.shape[1]} columns that vary; a scatter plot "
            "needs 3 rows and 2 columns. Use kind='marginals'."
        )
    # The solver is exact whatever the shape, and draws no random numbers.
    pca = PCA(n_components=2, svd_solver="full").fit(scaled[: len(real)])
    points = np.split(pca.transform(scaled), np.cumsum([len(block) for block in blocks])[:-1])
    if figure is None:
        figure = _new_figure((9.4 if 1 < len(display.classes) <= MOST_NAMES else 8.0, 4.0))
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    n_classes = len(display.classes)
    for i, (ax, title) in enumerate(zip(axes, ("real", "synthetic"), strict=True)):
        for k, label in enumerate(display.classes):
            x, y = points[i * n_classes + k].T
            ax.plot(
                x, y, **class_style(k), linestyle="none", markersize=4, alpha=0.6, label=str(label)
            )
        ax.set_title(title)
        ax.set_xlabel(_component_name("first", pca.explained_variance_ratio_[0]))
    axes[0].set_ylabel(_component_name("second", pca.explained_variance_ratio_[1]))
    if 1 < n_classes <= MOST_NAMES:
        columns = 1 + (n_classes > 12)
        beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
        axes[1].legend(ncols=columns, fontsize="small", title="class", **beside)
    return figure, axes


def _component_name(which, share):
    return f"{which} principal component\n({100 * share:.0f} % of the real rows' variance)"


def _new_figure(size):
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def numbers_of(values):
    """Return a column's values as floats, NaN where missing, or None where it holds levels."""
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    known = [v for v in values.tolist() if not is_missing(v)]
    if not known or any(isinstance(v, (str, bytes, bool, np.bool_)) for v in known):
        return None
    try:
        return np.array([np.nan if is_missing(v) else float(v) for v in values.tolist()])
    except (TypeError, ValueError):
        return None


def _levels(values):
    """Return a column's values as text."""
    return np.array(["missing" if is_missing(v) else str(v) for v in values.tolist()])


def _marginal(name, real, synthetic, weights):
    """Return the distributions of one column; `weights`, of shape (n_synthetic,), sum to 1."""
    n, values = len(real), np.concatenate([real, synthetic])
    shares = np.concatenate([np.full(n, 1 / n), weights])
    numbers = numbers_of(values)
    if numbers is None:
        return _marginal_of_levels(name, _levels(values), shares, n)
    n_different = len(np.unique(numbers[np.isfinite(numbers)]))
    make = _marginal_of_numbers if n_different > _MOST_VALUES else _marginal_of_levels
    return make(name, numbers, shares, n)


def _marginal_of_numbers(name, x, shares, n):
    """Return a histogram; of x and shares, of shape (n_rows,), the first n are of real rows."""
    known, is_real = np.isfinite(x), np.arange(len(x)) < n
    edges = np.histogram_bin_edges(x[known], _N_BINS)
    order = np.argsort(x[known], kind="stable")
    last_of_ties = np.diff(x[known][order], append=np.inf) > 0
    bars, cumulated, missing = [], [], []
    for rows in (is_real, ~is_real):
        share = np.where(rows, shares, 0.0)
        missing.append(share[~known].sum())
        # As a share of the known values; zero where none is known.
        share = share[known] / max(share[known].sum(), np.finfo(float).tiny)
        bars.append(np.histogram(x[known], edges, weights=share)[0])
        cumulated.append(np.cumsum(share[order])[last_of_ties])
    difference = np.abs(cumulated[0] - cumulated[1]).max()
    measure = "Kolmogorov-Smirnov"
    return Marginal(name, _rounded(difference), measure, edges, None, *bars, tuple(missing))


def _marginal_of_levels(name, values, shares, n):
    """Return the shares of levels; of values and shares, the first n are of real rows."""
    levels, codes = np.unique(values, return_inverse=True)
    bars = np.stack([np.bincount(codes[part], shares[part], len(levels)) for part in np.s_[:n, n:]])
    difference = 0.5 * np.abs(bars[0] - bars[1]).sum()
    names = [level if isinstance(level, str) else f"{level:g}" for level in levels.tolist()]
    names = ["missing" if level == "nan" else level for level in names]
    if len(levels) > _MOST_LEVELS:
        common = np.sort(np.argsort(-bars.sum(axis=0), kind="stable")[: _MOST_LEVELS - 1])
        rest = bars.sum(axis=1) - bars[:, common].sum(axis=1)
        names = [names[i] for i in common] + [f"{len(levels) - len(common)} others"]
        bars = np.column_stack([bars[:, common], rest])
    return Marginal(name, _rounded(difference), "total variation", None, names, *bars, (0.0, 0.0))


def _rounded(difference):
    """Return a difference as it is up to the error of summing shares: never above 1."""
    return float(min(round(difference, 12), 1.0))


def _draw_marginal(ax, marginal):
    """Draw real shares as filled bars and synthetic ones as outlines, on one axes."""
    title = f"{_shortened(marginal.name, 28)}\n{marginal.measure} {marginal.difference:.2f}"
    if any(marginal.missing):
        real, synthetic = (100 * share for share in marginal.missing)
        title += f"\nmissing: real {real:.0f} %, synthetic {synthetic:.0f} %"
    ax.set_title(title, fontsize="medium")
    ax.set_ylim(0, 1.08 * max(marginal.real.max(), marginal.synthetic.max()))
    if marginal.levels is None:
        ax.stairs(marginal.real, marginal.edges, fill=True, **_REAL)
        ax.stairs(
            marginal.synthetic, marginal.edges, color=COLORS[1], linewidth=1.6, label="synthetic"
        )
        return
    x = np.arange(len(marginal.levels))
    ax.bar(x, marginal.real, width=0.8, **_REAL)
    ax.bar(x, marginal.synthetic, width=0.5, **_SYNTHETIC)
    names = [_shortened(level, 14) for level in marginal.levels]
    crowded = sum(map(len, names)) > 24
    ax.set_xticks(x, names, **({"rotation": 40, "ha": "right"} if crowded else {}))


def _shortened(text, length):
    return text if len(text) <= length else text[: length - 1] + "…"


def _scaled_columns(real, rows):
    """Return real and other rows as standardised columns, of shape (n_rows, n_scaled).

    Mean and deviation are those of the real rows. A missing number becomes the mean, and a column
    of levels one column of zeros and ones for each; a column that does not vary is left out.
    """
    scaled = []
    for j in range(rows.shape[1]):
        x = numbers_of(rows[:, j])
        if x is None:
            text = _levels(rows[:, j])
            levels = np.unique(text[: len(real)])
            scaled += [(text == level).astype(float) for level in levels[:_MOST_VALUES]]
        else:
            x = np.where(np.isfinite(x), x, np.nan)
            known = x[: len(real)][np.isfinite(x[: len(real)])]
            if len(known) and np.ptp(known) > 0:
                scaled.append(np.nan_to_num((x - known.mean()) / known.std()))
    scaled = np.column_stack(scaled) if scaled else np.empty((len(rows), 0))
    return scaled[:, np.ptp(scaled[: len(real)], axis=0) > 0] if len(real) else scaled
