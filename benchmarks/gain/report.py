"""The Markdown page of `benchmarks.gain`."""

import re
from collections import Counter

import numpy as np

from benchmarks import harness
from benchmarks.gain import cubes, jobs, resamplers, scoring, statistics

__all__ = ["gain_over", "page", "sections"]

MOST_REMARKS = 20
NOTES = """\
- Balanced accuracy and AUC are in percent, log loss in nats (classifiers with probabilities only):
  means over {classifiers}, then over seeds, then over sets.
- `a − b [low, high]` is the mean difference, paired by set and seed, with its 95 % bootstrap
  interval over the seeds within each set; `won/lost/tied` counts sets, `worst` is the set with the
  lowest mean difference to `none`.
- Rank 1 is the best of the methods on a set, ties share; the mean over sets. A method that failed
  on all seeds of a set comes last there.
- Closeness is the median distance of a synthetic row to the nearest real one over the median
  distance between nearest real rows; 0 is a copy. Seconds are the median of resampling, on one
  thread.
- Class sizes: {protocol}; a name that ends in `-balance` only balances.
- Pyraug's epochs are in its name. Boosting stands beside the mean, not in it.
"""


def sections(cube):
    """Cut a cube into groups of sets; returns a dict of title to paired cube.

    A section has the methods that apply to all its sets; the sets that only some of them have
    been run on are left out.
    """
    parts = {}
    for title, members in cubes.groups(cube.sets).items():
        part = cubes.select(cube, sets=members)
        part, _ = cubes.paired(_with_methods(part, members))
        if part.sets:
            parts[title] = part
    return parts


def _with_methods(cube, sets):
    """Leave out methods that do not apply to all sets, and those without any score."""
    methods = [
        name
        for name, there in zip(cube.methods, cube.there.any(axis=(0, 1)), strict=True)
        if there and all(resamplers.applies(name, s) for s in sets)
    ]
    return cubes.select(cube, methods=methods)


def accuracy(cube, measure="balanced_accuracy"):
    """Return a measure's mean over the classifiers of the mean, (n_sets, n_seeds, n_methods)."""
    return cubes.of_classifiers(cube, measure, scoring.IN_MEAN)


def gain_over(cube, against):
    """Return the paired differences in balanced accuracy, (n_sets, n_seeds, n_methods).

    Parameters
    ----------
    cube : cubes.Cube
    against : str
        Its method that is subtracted.
    """
    scores = accuracy(cube)
    return scores - scores[..., cube.methods.index(against), None]


# --- the tables -----------------------------------------------------------------------------


def summary(cube, against):
    """Return a row for each method: means, differences, ranks; best mean first."""
    scores = {name: accuracy(cube, name) for name in scoring.MEASURES}
    means = {name: statistics.set_means(values) for name, values in scores.items()}
    ranks = {
        name: statistics.average_ranks(means[name]) for name in ("balanced_accuracy", "roc_auc")
    }
    overall = {name: statistics.mean_over_sets(values) for name, values in scores.items()}
    references = [name for name in dict.fromkeys([against, "none"]) if name in cube.methods]
    gains = {name: gain_over(cube, name) for name in references}
    rows = []
    for m, method in enumerate(cube.methods):
        n_failed = int(cube.failed[..., m].sum())
        row = {"method": f"`{method}`"}
        row["balanced accuracy"] = number(overall["balanced_accuracy"][m]) + "†" * bool(n_failed)
        for name, gain in gains.items():
            row[f"− {name}"] = "" if name == method else difference(gain[..., m])
        row["rank"] = number(ranks["balanced_accuracy"][m])
        if against in gains:
            counts = statistics.wins_and_losses(statistics.set_means(gains[against])[:, m])
            row["won/lost/tied"] = "" if method == against else "/".join(map(str, counts))
        if "none" in gains:
            row["worst"] = "" if method == "none" else _worst(cube.sets, gains["none"][..., m])
        row["AUC"] = number(overall["roc_auc"][m])
        row["AUC rank"] = number(ranks["roc_auc"][m])
        row["log loss"] = number(overall["log_loss"][m], 3)
        row["closeness"] = number(_median(cube.closeness[..., m]))
        row["seconds"] = number(_median(cube.seconds[..., m]))
        row["failed"] = f"{n_failed}/{int(cube.there[..., m].sum())}" if n_failed else ""
        rows.append(row)
    order = np.argsort(-np.nan_to_num(overall["balanced_accuracy"]), kind="stable")
    return [rows[m] for m in order]


def per_classifier(cube):
    """Return a row for each method with the balanced accuracy of each classifier."""
    columns = {}
    for name in cube.classifiers:
        values = cubes.of_classifiers(cube, "balanced_accuracy", [name])
        columns[name] = best_in_bold(
            statistics.mean_over_sets(values), cube.failed.any(axis=(0, 1))
        )
    return [
        {"method": f"`{method}`", **{name: column[m] for name, column in columns.items()}}
        for m, method in enumerate(cube.methods)
    ]


def per_set(cube, measure):
    """Return a row for each set with each method's mean over seeds."""
    means = statistics.set_means(accuracy(cube, measure))
    names = [f"`{method}`" for method in cube.methods]
    cells = map(best_in_bold, means, cube.failed.any(axis=1))
    return [
        {"set": name, **dict(zip(names, row, strict=True))}
        for name, row in zip(cube.sets, cells, strict=True)
    ]


def on_synthetic(cube, real):
    """Return a row for each method: trained on its new rows only, against on the real ones.

    Parameters
    ----------
    cube : cubes.Cube
        Of training on synthetic rows.
    real : cubes.Cube
        Of training on real and new rows; its method "none" is training on the real ones.
    """
    trained = statistics.set_means(accuracy(real))[:, real.methods.index("none")]
    rows = []
    for m, method in enumerate(cube.methods):
        means = statistics.set_means(accuracy(cube))[:, m]
        at = [real.sets.index(name) for name in cube.sets]
        ratios = 100.0 * means / trained[at]
        there = np.isfinite(ratios)
        if there.any():
            lowest = np.nanargmin(ratios)
            rows.append(
                {
                    "method": f"`{method}`",
                    "balanced accuracy": number(np.mean(means[there])),
                    "of real, mean (%)": number(np.mean(ratios[there])),
                    "of real, median set (%)": number(np.median(ratios[there])),
                    "lowest": f"{number(ratios[lowest])} ({cube.sets[lowest]})",
                    "sets": str(int(there.sum())),
                }
            )
    return rows


# --- cells ----------------------------------------------------------------------------------


def number(value, digits=2):
    """Write a number; n/a where there is none."""
    return f"{value:.{digits}f}" if np.isfinite(value) else "n/a"


def difference(values):
    """Write the mean over sets of differences (n_sets, n_seeds), with its interval."""
    mean = statistics.mean_over_sets(values)
    low, high = statistics.bootstrap_interval(values)
    interval = f" [{low:+.2f}, {high:+.2f}]" if np.isfinite(low) else ""
    return f"{mean:+.2f}{interval}" if np.isfinite(mean) else "n/a"


def best_in_bold(values, partial=None):
    """Write numbers, the largest in bold; where `partial`, with a † and never in bold."""
    partial = np.zeros(len(values), dtype=bool) if partial is None else partial
    there = values[np.isfinite(values) & ~partial]
    best = there.max() if len(there) else np.inf
    cells = []
    for value, is_partial in zip(values, partial, strict=True):
        bold = value >= best - statistics.TIE and not is_partial
        cells.append(f"**{number(value)}**" if bold else number(value) + "†" * bool(is_partial))
    return cells


def _worst(sets, gains):
    means = statistics.set_means(gains)
    if not np.isfinite(means).any():
        return "n/a"
    lowest = np.nanargmin(means)
    return f"{means[lowest]:+.2f} ({sets[lowest]})"


def _median(values):
    there = values[np.isfinite(values)]
    return float(np.median(there)) if len(there) else np.nan


def table(rows):
    """Return the lines of a Markdown table; the first column is text, the others to the right."""
    columns = list(rows[0])
    cells = [columns, *[[str(row[c]) for c in columns] for row in rows]]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * widths[0], *["-" * (width - 1) + ":" for width in widths[1:]]]
    lines = []
    for line in (cells[0], rule, *cells[1:]):
        first, *others = zip(line, widths, strict=True)
        padded = [first[0].ljust(first[1]), *[text.rjust(width) for text, width in others]]
        lines.append("| " + " | ".join(padded) + " |")
    return lines


# --- the page -------------------------------------------------------------------------------


def page(records, sets, methods, classifiers, against, protocol):
    """Write the report.

    Parameters
    ----------
    records : list of dict
        Of one protocol, from :func:`table.read`.
    sets, methods, classifiers : list of str
        What to report on.
    against : str
        Reference of the paired differences.
    protocol : str

    Returns
    -------
    text : str
        Markdown.
    """
    records = [r for r in records if r["set"] in sets and r["method"] in methods]
    cube = cubes.build(records, sets, methods, classifiers)
    synthetic = cubes.build(records, sets, methods, classifiers, jobs.SYNTHETIC)
    means = [name for name in classifiers if name in scoring.IN_MEAN]
    lines = ["# gain", "", "Does augmentation make classifiers better?", ""]
    lines += NOTES.format(classifiers=", ".join(means), protocol=protocol).splitlines()
    for title, part in sections(cube).items():
        members = cubes.groups(cube.sets)[title]
        n_pairs = int(part.there.any(axis=2).sum())
        lines += ["", f"## {title}", ""]
        lines += [f"{len(part.sets)} of {len(members)} sets, {n_pairs} pairs of set and seed.", ""]
        lines += table(summary(part, against))
        lines += ["", "Balanced accuracy by classifier, mean over sets:", ""]
        lines += table(per_classifier(part))
        # A method that suits only some of the sets has its figures in this table.
        full, _ = cubes.paired(_ran(cubes.select(cube, sets=members)))
        if full.sets:
            for name, measure in (("Balanced accuracy", "balanced_accuracy"), ("AUC", "roc_auc")):
                lines += ["", f"{name} by set, mean over classifiers and seeds:", ""]
                lines += table(per_set(full, measure))
        new_only, _ = cubes.paired(_ran(cubes.select(synthetic, sets=members)))
        if new_only.sets and new_only.methods and "none" in full.methods:
            lines += ["", "Trained on synthetic rows only, against on the real ones:", ""]
            lines += table(on_synthetic(new_only, full))
    lines += ["", *_remarks(records, cube), *_machine()]
    return "\n".join(lines) + "\n"


def _ran(cube):
    """Leave out the methods that were run on none of the sets."""
    there = cube.there.any(axis=(0, 1))
    return cubes.select(cube, methods=[m for m, t in zip(cube.methods, there, strict=True) if t])


def _remarks(records, cube):
    """Return lines on pairs left out, failures and warnings of methods."""
    lines = []
    _, n_left_out = cubes.paired(cube)
    if n_left_out:
        lines.append(f"- {n_left_out} pairs of set and seed are left out: some methods lack them.")
    for column, what in (("error", "failed"), ("note", "note")):
        # Once for each task; texts that differ in numbers only are one.
        said = {(r["set"], r["seed"], r["method"], r["train"], r[column]) for r in records}
        counts = Counter((s[2], re.sub(r"\d+", "#", s[4])) for s in said if s[4])
        for (method, text), n in counts.most_common(MOST_REMARKS):
            lines.append(f"- `{method}`, {what}, {n} x: {text}")
    if cube.failed.any():
        lines.append("- † leaves out what failed: compare the paired differences, not the mean.")
    return [*lines, ""] if lines else []


def _machine():
    facts = harness.machine_facts()
    memory = "" if facts["memory_gib"] is None else f", {facts['memory_gib']} GiB"
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return [
        f"Machine: {facts['processor']}, {facts['cores']} cores{memory}, {facts['system']}.",
        f"Versions: {versions}.",
    ]
