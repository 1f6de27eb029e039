"""The command ``evaluate``: how good, varied, private and useful synthetic rows are."""

import json
import warnings
from pathlib import Path

import click
import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from ..metrics import (
    distance_to_closest_record,
    memorization_share,
    precision_recall_density_coverage,
)
from .demo import make_classifiers
from .files import Data, check_input, read_data
from .options import Command, Speaker, in_one_line, say

__all__ = ["compare", "evaluate", "format_report"]

# Components in which rows with more columns than these, such as images, are compared.
_MAX_COMPONENTS = 50
_N_FOLDS = 5
# The nearest neighbours among the classifiers are 5.
_FEWEST_TRAINING_ROWS = 6


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
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of folds and classifiers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(real, synthetic, target, drop, seed, as_json):
    """Compare the rows of SYNTHETIC with those of REAL and print a table.

    SYNTHETIC may be an output of `augment`: of marked rows, only the synthetic ones are taken, and
    of REAL only the others. Distances and neighbours are of standardised columns, or of up to 50
    principal components. Classifiers trained on the synthetic rows are tested on all real rows,
    those trained on real rows by cross-validation. The synthetic rows were learned from the real
    ones, so that their score flatters: give as REAL rows that were held out, if you have them.
    """
    speaker = Speaker(quiet=False)
    sets = []
    for path, name in ((real, "REAL"), (synthetic, "SYNTHETIC")):
        check_input(path, name, target=target, from_folders=False)
    for path, name, wanted in ((real, "REAL", False), (synthetic, "SYNTHETIC", True)):
        size = sets[0].folder.size if sets and sets[0].folder and path.is_dir() else None
        data = read_data(path, name, speaker, target=target, size=size)
        data = data._replace(X=_without(data.X, drop))
        if data.synthetic is not None:
            data = data.take(data.synthetic == wanted)
        if not len(data.y):
            what = "synthetic" if wanted else "real"
            raise click.ClickException(f"{name} is '{path}', which has no {what} rows.")
        sets.append(data)
    report = compare(*_aligned(*sets), seed=seed)
    say(json.dumps(report, indent=2) if as_json else format_report(report))


def _without(X, columns):
    """Return X without those of the columns that it has: `augment` may have left them out."""
    return X.drop(columns=[c for c in columns if c in X.columns]) if hasattr(X, "columns") else X


def _is_numeric(column):
    return getattr(column.dtype, "kind", "O") in "biufc"


def _aligned(real, synthetic):
    """Return both sets with the same columns and the same type of labels, or raise."""
    X_real, X_synthetic = real.X, synthetic.X
    if hasattr(X_real, "columns") and hasattr(X_synthetic, "columns"):
        lacking = [column for column in X_real.columns if column not in X_synthetic.columns]
        extra = [column for column in X_synthetic.columns if column not in X_real.columns]
        if lacking or extra:
            where, column = ("SYNTHETIC", lacking[0]) if lacking else ("REAL", extra[0])
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
                    f"column {column!r} holds numbers in {where[0]} and text in {where[1]}; mend "
                    f"it, or leave it out by --drop '{column}'."
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
            f"SYNTHETIC has rows of class {unknown[0]!r}, which REAL lacks; give a REAL that has "
            "all classes."
        )
    return Data(X_real, y_real, real.target, None, None), Data(
        X_synthetic, y_synthetic, real.target, None, None
    )


def compare(real, synthetic, *, seed):
    """Measure synthetic rows against real ones.

    Parameters
    ----------
    real, synthetic : Data
        With the same columns, and with labels as arrays.
    seed : int

    Returns
    -------
    report : dict
        ``rows`` by label, ``measures`` by name, and ``balanced_accuracy`` by classifier, in
        [0, 1]; a number that there are too few rows for is None.
    """
    labels = sorted(set(real.y.tolist()), key=str)
    rows = {
        str(label): {
            "real": int((real.y == label).sum()),
            "synthetic": int((synthetic.y == label).sum()),
        }
        for label in labels
    }
    encoder = _make_encoder(real.X, len(real.y))
    T_real = encoder.fit_transform(real.X)
    T_synthetic = encoder.transform(synthetic.X)
    return {
        "rows": rows,
        "measures": _measures(T_real, T_synthetic),
        "balanced_accuracy": _scores(real, synthetic, seed),
    }


def _make_encoder(X, n_rows):
    """Return a transformer of rows into a few finite columns of like scale.

    Parameters
    ----------
    X : DataFrame or ndarray
        Rows such as it will see.
    n_rows : int
        Fewest rows that it will be fitted to.
    """
    numbers = [SimpleImputer(keep_empty_features=True), StandardScaler()]
    if hasattr(X, "columns"):
        return make_column_transformer(
            (make_pipeline(*numbers), make_column_selector(dtype_include="number")),
            remainder=OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        )
    flat = FunctionTransformer(lambda rows: np.asarray(rows, np.float64).reshape(len(rows), -1))
    n_columns = int(np.prod(X.shape[1:]))
    if n_columns <= _MAX_COMPONENTS:
        return make_pipeline(flat, *numbers)
    pca = PCA(min(_MAX_COMPONENTS, n_rows), random_state=0)
    return make_pipeline(flat, numbers[0], pca)


def _measures(T_real, T_synthetic):
    distances = distance_to_closest_record(T_synthetic, T_real, scale=None)
    n_neighbors = min(5, len(T_real) - 1, len(T_synthetic) - 1)
    fidelity = dict.fromkeys(("precision", "recall", "density", "coverage"))
    if n_neighbors >= 1:
        measured = precision_recall_density_coverage(T_real, T_synthetic, n_neighbors)
        fidelity = measured._asdict()
    return {
        **fidelity,
        "memorization_share": (
            float(memorization_share(T_synthetic, T_real)) if len(T_real) > 1 else None
        ),
        "median_distance_to_closest_record": float(np.median(distances)),
    }


def _scores(real, synthetic, seed):
    """Return the balanced accuracy of each classifier, on the same real rows."""
    scores = {}
    fewest = int(np.unique(real.y, return_counts=True)[1].min())
    n_folds = min(_N_FOLDS, fewest)
    several = len(np.unique(real.y)) > 1
    n_fold = len(real.y) - -(-len(real.y) // max(n_folds, 1))  # rows that the folds train on
    enough_real = several and n_folds > 1 and n_fold >= _FEWEST_TRAINING_ROWS
    enough_synthetic = (
        several and len(np.unique(synthetic.y)) > 1 and len(synthetic.y) >= _FEWEST_TRAINING_ROWS
    )
    sizes = [
        n for n, enough in ((n_fold, enough_real), (len(synthetic.y), enough_synthetic)) if enough
    ]
    for name, classifier in make_classifiers(seed).items():
        model = make_pipeline(_make_encoder(real.X, min(sizes, default=1)), classifier)
        score = dict.fromkeys(("real", "synthetic"))
        with warnings.catch_warnings():
            # Of a class that the synthetic rows lack: the score says so.
            warnings.simplefilter("ignore", UserWarning)
            if enough_real:
                folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
                predicted = cross_val_predict(model, real.X, real.y, cv=folds)
                score["real"] = float(balanced_accuracy_score(real.y, predicted))
            if enough_synthetic:
                predicted = model.fit(synthetic.X, synthetic.y).predict(real.X)
                score["synthetic"] = float(balanced_accuracy_score(real.y, predicted))
        scores[name] = score
    scores["mean"] = {
        key: None if score[key] is None else float(np.mean([s[key] for s in scores.values()]))
        for key in score
    }
    return scores


def format_report(report):
    """Return a report of `compare` as an aligned table.

    Parameters
    ----------
    report : dict

    Returns
    -------
    text : str
    """
    measures = report["measures"]
    sections = [
        ("rows", ("real", "synthetic"), report["rows"], "{:d}"),
        ("measure", ("value",), {k: {"value": v} for k, v in measures.items()}, "{:.3f}"),
        (
            "balanced accuracy, %, trained on",
            ("real", "synthetic"),
            {
                name: {key: None if v is None else 100 * v for key, v in row.items()}
                for name, row in report["balanced_accuracy"].items()
            },
            "{:.1f}",
        ),
    ]
    width = max(len(name) for title, _, rows, _ in sections for name in (title, *rows))
    lines = []
    for title, columns, rows, style in sections:
        lines += ["", f"{title:<{width}}" + "".join(f"{column:>11}" for column in columns)]
        for name, row in rows.items():
            cells = ["-" if row[c] is None else style.format(row[c]) for c in columns]
            shown = name.replace("_", " ") if title == "measure" else in_one_line(name)
            lines.append(f"{shown:<{width}}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines[1:])
