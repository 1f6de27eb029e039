"""The arena's page, picture and table of README.md, written from the stored means."""

import re

import numpy as np
from scipy import stats

from benchmarks.arena.protocols import PROTOCOLS, TABEBM
from benchmarks.gain import data, resamplers, scoring, statistics
from benchmarks.gain.report import best_in_bold, number, table

__all__ = ["block", "critical_difference", "fill", "holm", "parts", "publish", "readme_table"]

BEGIN, END = "<!-- arena: begin -->", "<!-- arena: end -->"
PICTURE = "docs/_static/arena.svg"
# Fewer sets say nothing about ranks.
FEWEST_SETS = 6
# Those that are drawn.
MEASURES = {"balanced_accuracy": "balanced accuracy", "roc_auc": "AUC"}
OURS, THRESHOLD = "ours", "prevalence-threshold"
README_ROWS = {
    "MNIST, 10 images a class, +100": ("mnist10",),
    "MNIST, 20 a class, +100": ("mnist20",),
    "MNIST, 50 a class, +200": ("mnist50",),
    "chest X-rays, 20 a class, +200": ("pneumonia20",),
    "chest X-rays, 50 a class, +200": ("pneumonia50",),
    "3-D adrenal glands, 25, 50, 100 a class, +200": data.GROUPS["adrenal"],
    "3-D phantom brains, 25, 50 a class, +200": data.GROUPS["phantoms"],
    "microarrays and faces, 4 x the largest class": (
        *data.GROUPS["hdlss"],
        *data.GROUPS["microarrays"],
    ),
    "20 raw KEEL tables, balanced": data.GROUPS["keelraw"],
    "mice proteins, 20, 50, 100 rows, +500": ("protein20", "protein50", "protein100"),
    "biodegradation, 20, 50, 100 rows, +500": ("biodeg20", "biodeg50", "biodeg100"),
    "wine, breast cancer, iris, 3 x the largest class": tuple(data.SKLEARN),
}


# --- figures --------------------------------------------------------------------------------


def means(rows, sets, methods, judges, measure="balanced_accuracy"):
    """Return the means over classifiers, (n_sets, n_methods); NaN where one has no score."""
    nothing = {}
    cube = np.array(
        [
            [
                [rows.get((s, m), nothing).get(f"{judge} {measure}", np.nan) for judge in judges]
                for m in methods
            ]
            for s in sets
        ]
    )
    # SVC has no log loss.
    return cube[..., np.isfinite(cube).any(axis=(0, 1))].mean(axis=-1)


def there(rows, protocol):
    """Return the sets that have `none`, the methods that have all of these, and the others."""
    judged = {
        key
        for key, row in rows.items()
        if any(np.isfinite(row.get(f"{j} balanced_accuracy", np.nan)) for j in protocol.judges)
    }
    sets = [name for name in protocol.sets if (name, "none") in judged]
    methods = dict.fromkeys(m for run in protocol.runs for m in run.methods)
    methods = [m for m in methods if any((s, m) in judged for s in sets)]
    whole = [m for m in methods if all((s, m) in judged for s in sets)]
    return sets, whole, [m for m in methods if m not in whole]


def critical_difference(n_methods, n_sets):
    """Return how far average ranks must be apart, by Nemenyi's test at 5 % (Demšar, 2006)."""
    q = stats.studentized_range.ppf(0.95, n_methods, np.inf) / np.sqrt(2.0)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6.0 * n_sets)))


def holm(p):
    """Return p values corrected for their number by Holm's method."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def against_ours(scores, methods):
    """Return Holm's p value of Wilcoxon's signed rank test of each method against ours."""
    ours = scores[:, methods.index(OURS)]
    others = [m for m, name in enumerate(methods) if name != OURS]
    # The test leaves out equal scores; some versions of SciPy would warn of them.
    pairs = [d[np.isfinite(d) & (d != 0)] for d in (ours - scores[:, m] for m in others)]
    p = [stats.wilcoxon(d).pvalue if len(d) else 1.0 for d in pairs]
    return dict(zip((methods[m] for m in others), holm(np.array(p)), strict=True))


# --- tables ---------------------------------------------------------------------------------


def standings(rows, protocol):
    """Return the lines of the main table of a protocol, the best mean first."""
    sets, methods, _ = there(rows, protocol)
    scores = {m: means(rows, sets, methods, protocol.judges, m) for m in scoring.MEASURES}
    accuracy = scores["balanced_accuracy"]
    ranked = len(sets) >= FEWEST_SETS
    ranks = statistics.average_ranks(accuracy), statistics.average_ranks(scores["roc_auc"])
    p = against_ours(accuracy, methods) if ranked and OURS in methods else {}
    gain = accuracy - accuracy[:, [methods.index("none")]]
    lines = []
    for m, method in enumerate(methods):
        row = {"method": f"`{method}`", "balanced accuracy": number(np.nanmean(accuracy[:, m]))}
        row["− none"] = f"{np.nanmean(gain[:, m]):+.2f}"
        if ranked:
            row["rank"] = number(ranks[0][m])
            row["p, to ours"] = f"{p[method]:.3f}" if method in p else ""
        row["AUC"] = number(np.nanmean(scores["roc_auc"][:, m]))
        if ranked:
            row["AUC rank"] = number(ranks[1][m])
        row["log loss"] = number(np.nanmean(scores["log_loss"][:, m]), 3)
        row["hurts on"] = f"{np.mean(gain[:, m] < -statistics.TIE):.0%}"
        worst = int(np.nanargmin(gain[:, m]))
        row["worst set"] = f"{gain[worst, m]:+.1f} ({short(sets[worst])})"
        for judge in protocol.beside:
            beside = means(rows, sets, [method], [judge])
            row[judge] = number(beside.mean()) if beside.size else "n/a"
        row["seconds"] = number(np.nanmedian([rows[s, method]["seconds"] for s in sets]))
        row["splits"] = splits(rows, method, sets, protocol)
        lines.append(row)
    order = np.argsort(-np.nanmean(accuracy, axis=0), kind="stable")
    return table([lines[m] for m in order])


def partly(rows, protocol):
    """Return the lines of a table of the methods that were run on some sets only."""
    sets, _, methods = there(rows, protocol)
    lines = []
    for method in methods:
        own = [s for s in sets if (s, method) in rows]
        others = [method, "SMOTE", OURS]
        gain = means(rows, own, ["none", *others], protocol.judges)
        gain = (gain[:, 1:] - gain[:, :1]).mean(axis=0)
        gain = ["n/a" if np.isnan(points) else f"{points:+.2f}" for points in gain]
        lines.append(
            {
                "method": f"`{method}`",
                "− none": gain[0],
                "SMOTE there": gain[1],
                "ours there": gain[2],
                "seconds": number(np.median([rows[s, method]["seconds"] for s in own])),
                "splits": splits(rows, method, own, protocol),
                "sets": ", ".join(map(short, own)) if len(own) < FEWEST_SETS else len(own),
            }
        )
    return table(lines) if lines else []


def tabebm(rows, protocol, published):
    """Return the lines of a table of gains over none by set, beside the published ones."""
    sets = [name for name in TABEBM if (name, "none") in rows]
    _, whole, others = there(rows, protocol)
    methods = [m for m in (*whole, *others) if m != "none"]
    scores = means(rows, sets, ["none", *methods], protocol.judges)
    gains = dict(zip(methods, (scores[:, 1:] - scores[:, :1]).T, strict=True))
    for method in others:
        own = [s for s in sets if (s, method) in rows]
        counts = splits(rows, method, own, protocol)
        gains[f"{method} ({counts} split{'s' * (counts != '1')})"] = gains.pop(method)
    for name in sorted({m for s in sets for m in published.get(s, {})}):
        figures = [published.get(s, {}).get(name, np.nan) for s in sets]
        gains[f"{name} (published)"] = np.array(figures)
    columns = [best_in_bold(column) for column in np.array([*gains.values()]).T]
    return table(
        [
            {"method": method, **{s: c[m] for s, c in zip(sets, columns, strict=True)}}
            for m, method in enumerate(gains)
        ]
    )


def readme_table(rows):
    """Return the lines of README's table: a row for each kind of data that was run whole."""
    lines = []
    for label, sets in README_ROWS.items():
        protocol = next(p for p in PROTOCOLS.values() if sets[0] in p.sets)
        _, methods, _ = there({key: row for key, row in rows.items() if key[0] in sets}, protocol)
        if OURS not in methods or any((s, OURS) not in rows for s in sets):
            continue
        scores = means(rows, sets, methods, protocol.judges).mean(axis=0)
        scores = dict(zip(methods, scores, strict=True))
        rivals = {
            m: v
            for m, v in scores.items()
            if not {"none", OURS} & set(resamplers.bases(m)) and v == v
        }
        best = max(rivals, key=rivals.get)
        n_splits = min(
            int(rows[s, OURS][f"{judge} splits"]) for s in sets for judge in protocol.judges
        )
        lines.append(
            {
                "data": f"{label} ({n_splits} split{'s' * (n_splits > 1)})",
                "none": number(scores["none"], 1),
                "threshold": number(scores[THRESHOLD], 1) if THRESHOLD in scores else "",
                "SMOTE": number(scores["SMOTE"], 1),
                "best rival": f"{number(rivals[best], 1)} ({best})",
                "ours": number(scores[OURS], 1),
            }
        )
    return table(lines) if lines else []


def short(name):
    """Return a set's name without its group."""
    return name.rpartition(":")[2]


# --- the page -------------------------------------------------------------------------------


def block(rows, facts, protocols=PROTOCOLS):
    """Return the generated part of the page, as Markdown."""
    versions = ", ".join(f"{name} {v}" for name, v in sorted(facts.get("versions", {}).items()))
    lines = [
        f"Last run: {facts.get('date')}, on {facts.get('machine')}, ours at commit "
        f"{facts.get('ours') or 'unknown'}."
    ]
    if protocols is PROTOCOLS and panels(rows):
        lines += ["", "![Average ranks, with the critical difference](_static/arena.svg)"]
    absent = []
    for key, protocol in protocols.items():
        sets, methods, others = there(rows, protocol)
        if "none" not in methods:
            absent.append(protocol.title)
            continue
        lines += ["", f"### {protocol.title}", ""]
        judges = ", ".join(protocol.judges)
        lines += [f"{len(sets)} of {len(protocol.sets)} sets; mean over {judges}.", ""]
        lines += standings(rows, protocol)
        if {THRESHOLD, "SMOTE", OURS} <= set(methods):
            gain = means(rows, sets, ["none", THRESHOLD, "SMOTE", OURS], protocol.judges)
            gain = (gain[:, 1:] - gain[:, :1]).mean(axis=0)
            lines += [
                "",
                "Over none, the moved threshold gains {:+.1f} points, SMOTE {:+.1f}, "
                "ours {:+.1f}.".format(*gain),
            ]
        if key == "tabebm":
            lines += ["", "Gain over none, in points:", ""]
            lines += tabebm(rows, protocol, facts.get("published", {}))
        elif extra := partly(rows, protocol):
            lines += ["", "Run on some sets only:", "", *extra]
        planned = dict.fromkeys(m for run in protocol.runs for m in run.methods)
        missing = [f"`{m}`" for m in planned if m not in (*methods, *others)]
        lines += ["", f"Not run: {', '.join(missing)}."] * bool(missing)
    if absent:
        lines += ["", f"Not run: {'; '.join(absent)}."]
    lines += ["", f"Run with Python {facts.get('python')}, {versions}."]
    return "\n".join(lines)


def splits(rows, method, sets, protocol):
    """Return on how many splits of each set a method's figure stands, as text."""
    found = [rows[s, method].get(f"{j} splits", np.nan) for s in sets for j in protocol.judges]
    counts = [int(n) for n in found if n == n]
    return " to ".join(map(str, dict.fromkeys((min(counts), max(counts)))))


def panels(rows):
    """Return what is drawn of each protocol with ranks: protocol, sets and methods."""
    found = []
    for protocol in PROTOCOLS.values():
        sets, methods, _ = there(rows, protocol)
        if len(sets) >= FEWEST_SETS and len(methods) > 2:
            found.append((protocol, sets, methods))
    return found


def draw(rows, path):
    """Draw average ranks with Nemenyi's critical difference, for each protocol that has ranks."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawn = panels(rows)
    if not drawn:
        return
    heights = [0.2 * len(methods) + 1.0 for _, _, methods in drawn]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "arena", "font.size": 9}):
        figure = Figure(figsize=(9.0, sum(heights)), layout="constrained")
        axes = figure.subplots(len(drawn), 2, height_ratios=heights, squeeze=False)
        for line, (protocol, sets, methods) in zip(axes, drawn, strict=True):
            for axis, measure in zip(line, MEASURES, strict=True):
                scores = means(rows, sets, methods, protocol.judges, measure)
                draw_ranks(axis, scores, methods)
                axis.set_xlabel(f"average rank on {MEASURES[measure]}")
            line[0].set_title(protocol.title, loc="left", fontsize=9, fontweight="bold")
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def draw_ranks(axis, scores, methods):
    """Draw the average ranks of methods, the best at the top, and a band from it to the right."""
    ranks = statistics.average_ranks(scores)
    order = np.argsort(-ranks)
    width = critical_difference(len(methods), len(scores))
    axis.axvspan(ranks.min(), ranks.min() + width, color="#E8EEF4", zorder=0)
    colours = ["#0072B2" if methods[m] == OURS else "#5C5C5C" for m in order]
    axis.scatter(ranks[order], range(len(order)), color=colours)
    axis.set_yticks(range(len(order)), [methods[m] for m in order])
    axis.grid(axis="x", color="#DDDDDD")
    axis.set_axisbelow(True)


def fill(text, lines, path="the page"):
    """Return a text with what is between the arena's two marks replaced."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}: put them back.")
    pattern = re.escape(BEGIN) + ".*" + re.escape(END)
    return re.sub(pattern, lambda _: f"{BEGIN}\n{lines}\n{END}", text, flags=re.DOTALL)


def publish(root, rows, facts):
    """Write the page, its picture and README's table."""
    for name, lines in parts(rows, facts).items():
        text = (root / name).read_text(encoding="utf-8")
        (root / name).write_text(fill(text, lines, name), encoding="utf-8")
    draw(rows, root / PICTURE)


def parts(rows, facts):
    """Return what is between the marks of each file that has any."""
    found = {"docs/arena.md": block(rows, facts)}
    lines = readme_table(rows)
    return found | ({"README.md": "\n".join(lines)} if lines else {})
