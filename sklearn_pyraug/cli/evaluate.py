"""The command ``evaluate``: how good, varied, private and useful synthetic rows are."""

import json
import re
import warnings
from pathlib import Path

import click
import numpy as np

import sklearn_pyraug

from ..io._guards import did_you_mean, printable
from ..io._tables import spellings
from .files import check_dropped, check_input, check_new_file, read_data
from .options import (
    Command,
    Speaker,
    count_option,
    in_one_line,
    listed,
    path_option,
    repeatable,
    result_options,
    say,
    say_notes,
    table_options,
    target_option,
)


@click.command(
    cls=Command,
    short_help="Compare synthetic rows with real ones.",
    examples=[
        "evaluate train.csv more.csv --target diagnosis --holdout rest.csv",
        "evaluate patients.csv new.csv --target diagnosis --html report.html",
        "evaluate scans/ more_scans/ --holdout other_scans/ --json",
    ],
)
@click.argument("real", metavar="REAL", type=click.Path(path_type=Path))
@click.argument("synthetic", metavar="SYNTHETIC", type=click.Path(path_type=Path))
@target_option
@path_option(
    "--holdout",
    metavar="FILE",
    help="Real rows of the same kind that the synthetic ones were not made from.",
)
@repeatable("--drop", help="Column to leave out")
@table_options
@count_option("--seed", default=0, help="Seed of the measures.")
@result_options
def evaluate(real, synthetic, target, holdout, drop, seed, html, overwrite, as_json, **table):
    """Measure whether synthetic rows are realistic, useful and private.

    REAL has the rows that the synthetic ones were made from. SYNTHETIC may be an output of
    `augment`: only its rows that are marked as synthetic are used, and of REAL only the others. A
    verdict is printed, then scores from 0 to 100, then the measures of `compare` in Python, each
    with a baseline, which is the same measure between real rows. Usefulness and privacy can only be
    measured with rows held out: put some aside before `augment`, and pass them with --holdout.
    """
    speaker = Speaker(quiet=False)
    paths = {"REAL": real, "SYNTHETIC": synthetic}
    if holdout is not None:
        paths["--holdout"] = holdout
    for name, path in paths.items():
        check_input(path, name, target=target, from_folders=False)
    if html is not None:
        check_new_file(html, overwrite=overwrite, name="--html")
    check_dropped(drop, target)
    sets = _without(_read(paths, target, table, speaker), drop)
    shape = None if sets["REAL"].folder is None else sets["REAL"].image_shape
    _note_empty_columns(sets["REAL"].X, sets["SYNTHETIC"].X, speaker)
    arguments = [values for data in _aligned(sets) for values in (data.X, data.y)]
    with warnings.catch_warnings():
        # About classes without synthetic rows, which the report names.
        warnings.simplefilter("ignore", UserWarning)
        try:
            report = sklearn_pyraug.compare(
                *arguments, sample_shape=shape, n_permutations=0, random_state=seed
            )
        except ValueError as error:
            raise click.ClickException(_in_options(error)) from error
    if html is not None:
        report.to_html(html, overwrite=overwrite)
    if holdout is None:
        speaker.note(
            "there are no rows held out, so that use and privacy are not measured: put rows aside "
            "before `augment` and give them by --holdout"
        )
    say_notes(speaker.notes)
    for alert in report.alerts:
        speaker.warn(alert)
    say(_as_json(report) if as_json else _as_text(report))


def _in_options(error):
    """Return the message of an error with the names that sets of rows have here."""
    names = {"_holdout": "--holdout", "_new": "SYNTHETIC", "": "REAL"}
    text = re.sub(r"`[Xy](_holdout|_new|)`", lambda match: names[match[1]], str(error))
    return text.replace("which y does", "which REAL does")


def _read(paths, target, table, speaker):
    """Return the data by name: of SYNTHETIC its synthetic rows, of the others the real ones."""
    sets = {}
    for name, path in paths.items():
        first = sets.get("REAL")
        size = first.folder.size if first and first.folder and path.is_dir() else None
        data = read_data(path, name, speaker, target=target, size=size, table=table)
        if first and (codes := _codes(first.X, data.X)):
            as_text = table | {"as_text": codes}
            data = read_data(path, name, speaker, target=target, size=size, table=as_text)
        wanted = name == "SYNTHETIC"
        if wanted and data.synthetic is None and path.samefile(paths["REAL"]):
            raise click.ClickException(
                f"REAL and SYNTHETIC are both '{path}', where no row is marked as synthetic: a "
                "file compared with itself says nothing. Give the output of `augment`, or of "
                "`generate`, as SYNTHETIC."
            )
        if data.synthetic is not None:
            data = data.take(data.synthetic == wanted)
        if not len(data.y):
            what = "synthetic" if wanted else "real"
            raise click.ClickException(f"{name} is '{path}', which has no {what} rows.")
        sets[name] = data
    return sets


def _without(sets, drop):
    """Return the data without these columns, which `augment` may already have left out."""
    known = [column for data in sets.values() for column in getattr(data.X, "columns", ())]
    for column in drop:
        if column not in known:
            raise click.ClickException(
                f"--drop is {column!r}, which is no column of REAL{did_you_mean(column, known)}"
            )
    return {
        name: data._replace(X=data.X.drop(columns=list(drop), errors="ignore"))
        if hasattr(data.X, "columns")
        else data
        for name, data in sets.items()
    }


def _note_empty_columns(X_real, X_synthetic, speaker):
    """Note which columns are only empty in SYNTHETIC, like those that `augment` kept aside."""
    if not (hasattr(X_real, "columns") and hasattr(X_synthetic, "columns")):
        return
    for column in X_real.columns.intersection(X_synthetic.columns):
        if X_synthetic[column].isna().all() and not X_real[column].isna().all():
            speaker.note(
                f"column {column!r} is empty in SYNTHETIC; if it was kept aside, --drop '{column}' "
                "leaves it out here, too"
            )


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


def _aligned(sets):
    """Return the data with the same columns and types of labels as REAL; raise if they differ."""
    real = sets.pop("REAL")
    others = [_like_real(real.X, data, name) for name, data in sets.items()]
    labels = [np.asarray(data.y) for data in (real, *others)]
    if len({y.dtype.kind for y in labels}) > 1:
        labels = [y.astype(str) for y in labels]
    return [data._replace(y=y) for data, y in zip((real, *others), labels, strict=True)]


def _like_real(X_real, data, name):
    """Return data with the columns of REAL in their order; raise if they are not the same."""
    X = data.X
    if hasattr(X_real, "columns") and hasattr(X, "columns"):
        missing = [column for column in X_real.columns if column not in X.columns]
        extra = [column for column in X.columns if column not in X_real.columns]
        if missing or extra:
            where, column = (name, missing[0]) if missing else ("REAL", extra[0])
            raise click.ClickException(
                f"{where} has no column {column!r}, which {'REAL' if missing else name} has; leave "
                f"it out by --drop '{column}'."
            )
        X = X[list(X_real.columns)]
        for column in X_real.columns:
            numeric = [_is_numeric(table[column]) for table in (X_real, X)]
            if numeric[0] != numeric[1]:
                where = ("REAL", name) if numeric[0] else (name, "REAL")
                raise click.ClickException(
                    f"column {column!r} holds numbers in {where[0]} and text in {where[1]}; "
                    f"correct it, or leave it out by --drop '{column}'."
                )
    elif X_real.shape[1:] != X.shape[1:]:
        raise click.ClickException(
            f"REAL has rows of shape {X_real.shape[1:]} and {name} of {X.shape[1:]}; "
            "give both the same columns or size."
        )
    return data._replace(X=X)


def _as_text(report):
    rows = [
        f"{in_one_line(label)} {n} and {report.n_synthetic[label]}"
        for label, n in report.n_real.items()
    ]
    lines = [*str(report).splitlines(), "", listed("rows, real and synthetic: ", rows)]
    return "\n".join(map(printable, lines))


def _as_json(report):
    counts = {"real": report.n_real, "synthetic": report.n_synthetic}
    if report.n_holdout:
        counts["held_out"] = report.n_holdout
    rows = {str(k): {name: n[k] for name, n in counts.items()} for k in report.n_real}
    measures = [
        {name: _null(value) for name, value in line._asdict().items()} for line in report.lines
    ]
    told = {
        "verdict": [light._asdict() for light in report.verdict],
        "alerts": report.alerts,
        "scores": [
            {name: _null(value) for name, value in score._asdict().items()}
            for score in report.scores.values()
        ],
        "rows": rows,
        "measures": measures,
        "settings": report.settings,
    }
    return json.dumps(told, indent=2, default=str)


def _null(value):
    """Return None for NaN, which is not equal to itself."""
    return value if value == value else None
