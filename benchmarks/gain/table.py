"""The long table of `benchmarks.gain`, kept in a CSV file that outlives interruptions."""

import csv
import math
import os
from pathlib import Path

__all__ = ["COLUMNS", "append", "finished", "key", "read", "rewrite"]

KEY = ("protocol", "set", "seed", "method", "train", "classifier")
NUMBERS = (
    "balanced_accuracy",
    "roc_auc",
    "log_loss",
    "seconds",
    "n_train",
    "n_synthetic",
    "closeness",
)
COLUMNS = (*KEY, *NUMBERS, "note", "error", "end")
# The last cell of every row: a row without it was cut off while it was written.
END = "."


def key(record):
    """Return what makes a record unique: protocol, set, seed, method, train, classifier."""
    return tuple(record[name] for name in KEY)


def read(path):
    """Read the records of a file; a row that was only half written is left out.

    Parameters
    ----------
    path : Path
        May be absent: no records.

    Returns
    -------
    records : list of dict
        Seeds are int, measures float. Of records with one key the last is kept.

    Raises
    ------
    ValueError
        If the file has other columns.
    """
    if not Path(path).exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is not None and tuple(reader.fieldnames) != COLUMNS:
            raise ValueError(
                f"{Path(path).name} has the columns {', '.join(reader.fieldnames)}; this script "
                f"writes {', '.join(COLUMNS)}. Name another folder with --out."
            )
        whole = [_typed(row) for row in reader if row["end"] == END]
    return list({key(record): record for record in whole}.values())


def _typed(row):
    numbers = {name: float(row[name]) if row[name] else math.nan for name in NUMBERS}
    return {**row, "seed": int(row["seed"]), **numbers}


def _written(record):
    numbers = {n: "" if math.isnan(record[n]) else f"{record[n]:.9g}" for n in NUMBERS}
    texts = {name: " ".join(str(record[name]).split())[:300] for name in ("note", "error")}
    return {**record, **numbers, **texts, "end": END}


def rewrite(path, records):
    """Write a file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    with open(draft, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(_written(record) for record in records)
    os.replace(draft, path)


def append(path, records):
    """Append the records of a task to a file that :func:`rewrite` wrote."""
    with open(path, "a", newline="", encoding="utf-8") as file:
        csv.DictWriter(file, COLUMNS).writerows(_written(record) for record in records)
        file.flush()
        os.fsync(file.fileno())


def finished(records):
    """Return the keys of the records without an error."""
    return {key(record) for record in records if not record["error"]}
