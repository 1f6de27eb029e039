"""Pictures of a table's real and synthetic rows: marginal distributions and a scatter plot."""

import numpy as np
from scipy import sparse

from .._evaluation.plots import draw_histogram, find_histogram, principal_plane
from .._evaluation.rows import code_tables
from .._preprocessing.containers import (
    column_at,
    column_levels,
    column_names,
    decoded,
    is_missing,
)
from .._preprocessing.masked import unmasked
from ..metrics._columns import _Table, difference
from ._style import BESIDE, MOST_NAMES, class_style, component_names, shown_name


def read_rows(X):
    """Return rows as an array of shape (n_rows, n_columns), and the names of the columns."""
    names = column_names(X)
    rows = X.toarray() if sparse.issparse(X) else np.asarray(decoded(unmasked(X)))
    if rows.ndim < 2:
        raise ValueError(f"`X` has shape {rows.shape}; give a table of rows and columns.")
    rows = rows.reshape(len(rows), -1)
    if names is None:
        return rows, [f"column {j}" for j in range(rows.shape[1])]
    # Categories, which may be numbers, become text.
    for j in range(len(names)):
        if column_levels(column_at(X, j)) is not None:
            rows = rows.astype(object, copy=False)
            rows[:, j] = [v if is_missing(v) else str(v) for v in rows[:, j]]
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
    # Each class has the same weight among synthetic rows as among real ones.
    weights = np.concatenate([np.full(len(s), len(r) / len(real) / len(s)) for r, s in pairs])
    names = display.column_names or [f"column {j}" for j in range(real.shape[1])]
    tables = _tables(real, synthetic)
    columns = [[table.column(j) for table in tables] for j in range(len(names))]
    # Rounded, because sums of shares have rounding errors.
    differences = [min(round(float(difference(*pair, weights)), 12), 1.0) for pair in columns]
    shown = np.argsort(-np.array(differences), kind="stable")[:max_columns].tolist()
    n_columns = min(len(shown), 3)
    n_rows = -(-len(shown) // n_columns)
    if figure is None:
        figure = display._new_figure((0.6 + 3.0 * n_columns, 0.7 + 2.5 * n_rows))
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax in axes[len(shown) :]:
        ax.remove()
    axes = axes[: len(shown)]
    for ax, j in zip(axes, shown, strict=True):
        histogram = find_histogram(names[j], *columns[j], weights)
        draw_histogram(ax, histogram)
        is_number = columns[j][0].dtype.kind == "f"
        measure = "Kolmogorov-Smirnov" if is_number else "total variation"
        title = f"{shown_name(names[j])}\n{measure} {differences[j]:.2f}"
        if any(histogram.missing):
            old, new = (100 * share for share in histogram.missing)
            title += f"\nmissing: real {old:.0f} %, synthetic {new:.0f} %"
        ax.set_title(title, fontsize="medium")
    for ax in axes[::n_columns]:
        ax.set_ylabel("share of rows")
    axes[0].legend(fontsize="small")
    most = f"the {len(shown)} of {len(names)} columns that differ most"
    which = "all columns" if len(shown) == len(names) else most
    figure.suptitle(f"Real and synthetic values: {which} (0: alike, 1: apart)", fontsize="medium")
    return figure, axes, dict(zip(names, differences, strict=True))


def draw_scatter(display, figure):
    """Draw rows as points in the plane of two principal components; return figure and axes."""
    blocks = [*display.real, *display.synthetic]
    real, n_varying = np.concatenate(display.real), 0
    if len(real) >= 3:
        coded = code_tables(_tables(real, np.concatenate(display.synthetic)))
        n_varying = int(np.sum(coded[0].min(axis=0) < coded[0].max(axis=0)))
    if n_varying < 2:
        raise ValueError(
            f"`real` has {len(real)} rows in {n_varying} columns that vary; a scatter plot needs 3 "
            "rows and 2 columns. Use kind='marginals'."
        )
    points, variance_shares = principal_plane(*coded)
    names = component_names(variance_shares, "real rows'")
    ends = np.cumsum([len(block) for block in blocks])[:-1]
    points = np.split(np.concatenate(points), ends)
    if figure is None:
        figure = display._new_figure((9.4 if 1 < len(display.classes) <= MOST_NAMES else 8.0, 4.0))
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    n_classes = len(display.classes)
    for i, (ax, title) in enumerate(
        zip(axes, ("real", "synthetic, over the real ones"), strict=True)
    ):
        if i == 1:
            # Below the synthetic rows, to show which real rows have none nearby.
            x, y = np.concatenate(points[:n_classes]).T
            style = {"marker": "o", "color": "0.75", "linestyle": "none", "markersize": 4}
            ax.plot(x, y, zorder=1, label="_real rows", **style)
        for k, label in enumerate(display.classes):
            x, y = points[i * n_classes + k].T
            look = {"linestyle": "none", "markersize": 4, "alpha": 0.6}
            ax.plot(x, y, **class_style(k), **look, label=shown_name(label))
        ax.set_title(title)
        ax.set_xlabel(names[0])
    axes[0].set_ylabel(names[1])
    if 1 < n_classes <= MOST_NAMES:
        columns = 1 + (n_classes > 12)
        axes[1].legend(ncols=columns, fontsize="small", title="class", **BESIDE)
    return figure, axes


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


def _tables(*sets):
    """Return sets of rows as tables of numbers and categories, which are those of all sets."""
    ends = np.cumsum([len(rows) for rows in sets])[:-1]
    columns, levels = [], []
    for x in np.concatenate(sets).T:
        numbers, names = numbers_of(x), None
        if numbers is None:
            missing = [is_missing(v) for v in x.tolist()]
            names, codes = np.unique([str(v) for v in x.tolist()], return_inverse=True)
            numbers = np.where(missing, np.nan, codes)
        columns.append(np.where(np.isfinite(numbers), numbers, np.nan))
        levels.append(None if names is None else names.astype(object))
    categorical = np.array([names is not None for names in levels])
    return [
        _Table("X", values, categorical, levels, None)
        for values in np.split(np.column_stack(columns), ends)
    ]
