"""The means that the arena's page shows: a row for each set and method, kept in a CSV file."""

import csv
import math

import numpy as np

from benchmarks.gain import cubes, scoring, statistics

__all__ = ["read", "rows_of", "short_of", "write"]

JUDGES = (*scoring.CLASSIFIERS, *scoring.MORE)
NUMBERS = tuple(f"{judge} {name}" for judge in JUDGES for name in ("splits", *scoring.MEASURES))
COLUMNS = ("set", "method", "seconds", *NUMBERS)


def read(path):
    """Return the rows of a file as a dict of (set, method) to dict of numbers; may be absent."""
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {
        (line.pop("set"), line.pop("method")): {
            name: float(text) if text else math.nan for name, text in line.items()
        }
        for line in lines
    }


def write(path, rows):
    """Write rows, sorted by set and method, with two decimals of a percent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for (name, method), row in sorted(rows.items()):
            values = (row.get(column, math.nan) for column in COLUMNS[2:])
            cells = ("" if math.isnan(value) else f"{value:.4g}" for value in values)
            writer.writerow([name, method, *cells])


def short_of(row, seeds, judges):
    """Tell whether a judge of a row (None: absent) has scored fewer splits than it should."""
    return not all((row or {}).get(f"{judge} splits", 0) >= seeds for judge in judges)


def rows_of(records, judges, stored):
    """Return the rows that records of all seeds give.

    A method's figure is that of `none` over all its splits, plus the method's mean difference to
    it on the splits that both have: methods with fewer splits stay comparable.

    Parameters
    ----------
    records : list of dict
        From :func:`benchmarks.gain.table.read`.
    judges : tuple of str
    stored : dict
        From :func:`read`; its `none` stands where it has more splits.

    Returns
    -------
    rows : dict
    """
    rows = {}
    for name in dict.fromkeys(record["set"] for record in records):
        own = [record for record in records if record["set"] == name]
        scorers = [judge for judge in judges if any(r["classifier"] == judge for r in own)]
        methods = list(dict.fromkeys(["none", *(record["method"] for record in own)]))
        cube = cubes.build(own, [name], methods, scorers)
        splits = np.isfinite(cube.measures["balanced_accuracy"][0]).sum(axis=0)
        before = stored.get((name, "none"), {})
        kept = [before.get(f"{j} splits", 0) > n for j, n in zip(scorers, splits[0], strict=True)]
        for m, method in enumerate(methods):
            if not splits[m].any():
                continue
            row = {"seconds": float(np.nanmedian(cube.seconds[0, :, m]))}
            scored = [(j, judge) for j, judge in enumerate(scorers) if splits[m, j]]
            for measure, values in cube.measures.items():
                gain = statistics.set_means(values[:, :, m] - values[:, :, 0])[0]
                none = statistics.set_means(values[:, :, 0])[0]
                for j, judge in scored:
                    key = f"{judge} {measure}"
                    row[key] = float((before[key] if kept[j] else none[j]) + gain[j])
            for j, judge in scored:
                most = before[f"{judge} splits"] if method == "none" and kept[j] else 0
                row[f"{judge} splits"] = float(max(splits[m, j], most))
            rows[name, method] = row
    return rows
