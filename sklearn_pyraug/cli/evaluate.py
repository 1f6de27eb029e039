"""The command ``evaluate``: how good, varied, private and useful synthetic rows are."""

import json
import warnings
from pathlib import Path

import click
import numpy as np

from .._evaluation.compare import compare
from ..io._tables import spellings
from .files import check_input, read_data
from .options import Command, Speaker, in_one_line, listed, printable, say, say_notes, table_options

__all__ = ["evaluate"]

# Folds of the real rows, for the score of a classifier.
_N_FOLDS = 5


@click.command(
    cls=Command,
    short_help="Compare synthetic rows with real ones.",
    examples=[
        "evaluate patients.csv new.csv --target diagnosis",
        "evaluate patients.csv more.csv --target diagnosis --json",
        "evaluate scans/ more_scans/",
    ],
)
@click.argument("real", metavar="REAL", type=click.Path(path_type=Path))
@click.argument("synthetic", metavar="SYNTHETIC", type=click.Path(path_type=Path))
@click.option("--target", metavar="COLUMN", help="Column of tables that holds the labels.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="Column to leave out; repeatable.")
@table_options
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of folds and measures.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(real, synthetic, target, drop, seed, as_json, **table):
    """Compare the rows of SYNTHETIC with those of REAL and print a table.

    SYNTHETIC may be an output of `augment`: of marked rows, only the synthetic ones are used, and
    of REAL only the others. The measures are those of `augmentation_report` in Python, beside a
    baseline, the same measure between two halves of REAL. Distances are those of standardised
    columns. A random forest trained on the synthetic rows is tested on folds of the real ones; its
    baseline is trained on the other folds. If the synthetic rows were learned from REAL, their
    score flatters: give as REAL rows that were held out, if you have them.
    """
    speaker = Speaker(quiet=False)
    sets = []
    for path, name in ((real, "REAL"), (synthetic, "SYNTHETIC")):
        check_input(path, name, target=target, from_folders=False)
    for path, name, wanted in ((real, "REAL", False), (synthetic, "SYNTHETIC", True)):
        size = sets[0].folder.size if sets and sets[0].folder and path.is_dir() else None
        data = read_data(path, name, speaker, target=target, size=size, table=table)
        if sets and (codes := _codes(sets[0].X, data.X)):
            table = table | {"as_text": codes}
            data = read_data(path, name, speaker, target=target, size=size, table=table)
        data = data._replace(X=_without(data.X, drop))
        if data.synthetic is not None:
            data = data.take(data.synthetic == wanted)
        if not len(data.y):
            what = "synthetic" if wanted else "real"
            raise click.ClickException(f"{name} is '{path}', which has no {what} rows.")
        sets.append(data)
    real, synthetic = _aligned(*sets)
    with warnings.catch_warnings():
        # Classes that a fold or the synthetic rows do not have: the score says so.
        warnings.simplefilter("ignore", UserWarning)
        report = compare(
            real.X, real.y, synthetic.X, synthetic.y, cv=_N_FOLDS, n_permutations=0, seed=seed
        )
    say_notes(speaker.notes)
    say(_as_json(report) if as_json else _as_text(report))


def _without(X, columns):
    """Return X without these columns, as far as it has them: `augment` may have dropped them."""
    return X.drop(columns=[c for c in columns if c in X.columns]) if hasattr(X, "columns") else X


def _codes(X_real, X_synthetic):
    """Return columns of text that are numbers in SYNTHETIC, whose texts are all among REAL's."""
    if not (hasattr(X_real, "columns") and hasattr(X_synthetic, "columns")):
        return []
    both = [column for column in X_real.columns if column in X_synthetic.columns]
    return [
        column
        for column in both
        if _is_numeric(X_synthetic[column])
        and not _is_numeric(X_real[column])
        and (texts := set(spellings(X_synthetic, column)))
        and texts <= set(X_real[column].dropna().astype(str)) | {""}
    ]


def _is_numeric(column):
    return getattr(column.dtype, "kind", "O") in "biufc"


def _aligned(real, synthetic):
    """Return both sets with the same columns and the same type of labels; raise if they differ."""
    X_real, X_synthetic = real.X, synthetic.X
    if hasattr(X_real, "columns") and hasattr(X_synthetic, "columns"):
        missing = [column for column in X_real.columns if column not in X_synthetic.columns]
        extra = [column for column in X_synthetic.columns if column not in X_real.columns]
        if missing or extra:
            where, column = ("SYNTHETIC", missing[0]) if missing else ("REAL", extra[0])
            raise click.ClickException(
                f"{where} has no column {column!r}, which the other has; leave it out by "
                f"--drop '{column}'."
            )
        X_synthetic = X_synthetic[list(X_real.columns)]
        for column in X_real.columns:
            numeric = [_is_numeric(X[column]) for X in (X_real, X_synthetic)]
            if numeric[0] != numeric[1]:
                where = ("REAL", "SYNTHETIC") if numeric[0] else ("SYNTHETIC", "REAL")
                raise click.ClickException(
                    f"column {column!r} holds numbers in {where[0]} and text in {where[1]}; "
                    f"correct it, or leave it out by --drop '{column}'."
                )
    elif X_real.shape[1:] != X_synthetic.shape[1:]:
        raise click.ClickException(
            f"REAL has rows of shape {X_real.shape[1:]} and SYNTHETIC of {X_synthetic.shape[1:]}; "
            "give both the same columns or size."
        )
    y_real, y_synthetic = np.asarray(real.y), np.asarray(synthetic.y)
    if y_real.dtype.kind != y_synthetic.dtype.kind:
        y_real, y_synthetic = y_real.astype(str), y_synthetic.astype(str)
    unknown = sorted(set(y_synthetic.tolist()) - set(y_real.tolist()), key=str)
    if unknown:
        raise click.ClickException(
            f"SYNTHETIC has rows of class {unknown[0]!r}, which REAL does not have; "
            "give a REAL that has all classes."
        )
    return real._replace(y=y_real), synthetic._replace(X=X_synthetic, y=y_synthetic)


def _as_text(report):
    rows = [
        f"{in_one_line(label)} {n} and {report.n_synthetic[label]}"
        for label, n in report.n_real.items()
    ]
    lines = [*str(report).splitlines(), "", listed("rows, real and synthetic: ", rows)]
    return "\n".join(map(printable, lines))


def _as_json(report):
    rows = {
        str(label): {"real": n, "synthetic": report.n_synthetic[label]}
        for label, n in report.n_real.items()
    }
    # NaN, which is not equal to itself, is null.
    measures = [
        {name: value if value == value else None for name, value in line._asdict().items()}
        for line in report.lines
    ]
    return json.dumps({"rows": rows, "measures": measures}, indent=2, default=str)
