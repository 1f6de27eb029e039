"""The plot of `benchmarks.gain`: the gain of each method, per set and over sets."""

import sys
import textwrap

import numpy as np

from benchmarks.gain import report, statistics

__all__ = ["draw"]

# Okabe and Ito's colours, which colour-blind readers can tell apart; the shape says the same.
ABOVE, BELOW, OPEN, PALE = "#0072B2", "#D55E00", "#000000", "#8C8C8C"
# Up to so many sets are named in a panel's title and have intervals.
FEW_SETS = 6


def draw(parts, against, path):
    """Draw a panel for each group of sets, a row for each method, and save it.

    A small ring is a set's mean difference to the reference, with its interval where the sets
    are few and several seeds tell it; the large mark is the mean over sets with its 95 %
    bootstrap interval.

    Parameters
    ----------
    parts : dict of str to cubes.Cube
        From :func:`report.sections`.
    against : str
        Reference; its own row is left out.
    path : Path
        Of the PNG file.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("matplotlib is absent, so there is no plot: pip install matplotlib", file=sys.stderr)
        return
    parts = {title: part for title, part in parts.items() if against in part.methods}
    parts = {title: part for title, part in parts.items() if len(part.methods) > 1}
    if not parts:
        return
    heights = [0.6 + 0.42 * (len(part.methods) - 1) for part in parts.values()]
    # Without pyplot, whose backend and open figures are global.
    size = (8.0, sum(heights) + 1.0 * len(parts) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(parts), 1, height_ratios=heights, squeeze=False)
    for axis, (title, part) in zip(axes[:, 0], parts.items(), strict=True):
        _panel(axis, title, part, against)
    axes[-1, 0].set_xlabel(f"balanced accuracy minus that of {against} (points)")
    figure.suptitle(
        f"Gain over {against}: a mark is the mean over sets with its 95 % interval\n"
        "(▲ above 0, ▼ below, ■ undecided), a ring is a set",
        fontsize=10,
    )
    figure.savefig(path, dpi=130)


def _panel(axis, title, part, against):
    gains = report.gain_over(part, against)
    over_sets = statistics.mean_over_sets(gains)
    order = [m for m in np.argsort(np.nan_to_num(over_sets)) if part.methods[m] != against]
    axis.axvline(0.0, color=OPEN, linewidth=0.8)
    for height, m in enumerate(order):
        _sets(axis, height, gains[..., m])
        low, high = statistics.bootstrap_interval(gains[..., m])
        colour, marker = OPEN, "s"
        if low > 0.0:
            colour, marker = ABOVE, "^"
        elif high < 0.0:
            colour, marker = BELOW, "v"
        if np.isfinite(low):
            axis.plot([low, high], [height, height], color=colour, linewidth=2.5, zorder=3)
        axis.plot(over_sets[m], height, marker, color=colour, markersize=8, zorder=4)
    axis.set_yticks(range(len(order)), [_label(part.methods[m]) for m in order], fontsize=8)
    axis.set_ylim(-0.6, len(order) - 0.4)
    n_seeds = int(part.there.any(axis=2).sum(axis=1).max())
    sets = f"{len(part.sets)} sets"
    if len(part.sets) <= FEW_SETS:
        sets = f"{', '.join(part.sets)} (rings from the top)"
    axis.set_title(f"{title}: {sets}, {n_seeds} seeds", fontsize=9, loc="left")
    axis.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _sets(axis, height, gains):
    """Draw a ring for each set, spread over the row's height; few sets have thin intervals."""
    means = statistics.set_means(gains)
    offsets = np.linspace(0.28, -0.28, len(means)) if len(means) > 1 else np.zeros(1)
    for mean, offset, row in zip(means, offsets, gains, strict=True):
        low, high = statistics.bootstrap_interval(row[None, :], n_draws=2000)
        if np.isfinite(low) and len(means) <= FEW_SETS:
            axis.plot([low, high], [height + offset] * 2, color="#CCCCCC", linewidth=0.9, zorder=1)
        axis.plot(
            mean,
            height + offset,
            "o",
            markersize=3.5,
            markerfacecolor="white",
            markeredgecolor=PALE,
            zorder=2,
        )


def _label(name):
    """Write the name of a method in at most two lines."""
    lines = [line.replace(", ", ",") for line in textwrap.wrap(name.replace(",", ", "), 36)]
    return "\n".join(lines[:2]) + "…" * (len(lines) > 2)
