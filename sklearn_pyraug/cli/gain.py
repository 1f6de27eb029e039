"""The command ``gain``: whether augmentation helps a classifier on given data."""

import json
import re
import warnings
from pathlib import Path

import click

import sklearn_pyraug

from ..io._guards import did_you_mean, printable
from ..io._tables import count_labels
from .augment import match_strategy, read_training_data
from .files import check_input, check_new_file
from .options import (
    Choice,
    Command,
    Speaker,
    augmenter_parameters,
    count_option,
    in_one_line,
    in_options,
    listed,
    repeatable,
    result_options,
    say,
    say_notes,
    size_option,
    table_options,
    target_option,
)

CLASSIFIERS = ("logistic", "forest", "svc", "knn", "boosting")


@click.command(
    cls=Command,
    short_help="Measure whether synthetic rows help a classifier.",
    examples=[
        "gain patients.csv --target diagnosis",
        "gain patients.csv --target diagnosis --drop id --classifier forest --html gain.html",
        "gain patients.csv --target diagnosis --scoring roc_auc --repeats 10 --n-jobs -1 --json",
        "gain scans/ --size 32x32 --classifier svc",
    ],
)
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@target_option
@click.option(
    "--classifier",
    type=Choice(CLASSIFIERS),
    default="logistic",
    show_default=True,
    help="Classifier of scikit-learn.",
)
@click.option(
    "--scoring",
    default="balanced_accuracy",
    show_default=True,
    metavar="NAME",
    help="Name of a score of scikit-learn, such as roc_auc.",
)
@count_option("--folds", least=2, default=5, help="Folds of the cross-validation.")
@count_option("--repeats", least=1, default=2, help="Number of times that folds are drawn.")
@repeatable("--drop", "--keep", "drop", help="Column to leave out, such as an identifier")
@table_options
@size_option
@repeatable("--set", "sets", metavar="NAME=VALUE", help="A parameter of RHVAEAugmenter")
@count_option("--seed", default=0, help="Seed of folds, samplers and classifier.")
@click.option("--n-jobs", "n_fits", type=int, metavar="N", help="Fits at once; -1: all cores.")
@result_options
@click.pass_context
def gain(context, source, sets, html, overwrite, as_json, **options):
    """Compare a classifier with and without augmentation by cross-validation.

    FILE is a table (.csv, .tsv, .parquet, .xlsx, .npz) of real rows, or a folder of images. Rows
    that are marked as synthetic are ignored. In each split the classifier is fitted without
    augmentation, with random over-sampling, with SMOTE and with synthetic rows of RHVAEAugmenter,
    and tested on the same rows. Missing values are filled, numbers standardised and categories
    encoded for the classifier, within each split. Splits take rows one by one: if a patient has
    several, use `augmentation_gain` in Python, with groups.
    """
    from sklearn.metrics import get_scorer_names

    speaker = Speaker(quiet=False)
    check_input(source, "FILE", target=options["target"], from_folders=False)
    if html is not None:
        check_new_file(html, overwrite=overwrite, name="--html")
    if options["scoring"] not in (names := get_scorer_names()):
        raise click.UsageError(
            f"--scoring is {options['scoring']!r}, which is no score of scikit-learn"
            f"{did_you_mean(options['scoring'], names)}"
        )
    parameters, _ = augmenter_parameters(context, sets, ())
    data = read_training_data(source, speaker, options, parameters, name="FILE")
    labels, counts = count_labels(data.y)
    augmenter = None
    if sets or data.folder is not None:
        match_strategy(parameters, labels, data)
        augmenter = sklearn_pyraug.RHVAEAugmenter().set_params(**parameters)
    seed = options["seed"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        try:
            result = sklearn_pyraug.augmentation_gain(
                _classifier(options["classifier"], seed),
                data.X,
                data.y,
                augmenter=augmenter,
                cv=options["folds"],
                n_repeats=options["repeats"],
                scoring=options["scoring"],
                n_jobs=options["n_fits"],
                random_state=seed,
                verbose=speaker.verbose,
            )
        except ValueError as error:
            raise click.ClickException(_in_options(error)) from error
    texts = list(dict.fromkeys(str(warning.message) for warning in caught))
    if texts:
        more = f"; {len(texts) - 1} others in these fits" if len(texts) > 1 else ""
        speaker.note(f"in a fit: {texts[0].rstrip('.')}{more}")
    if html is not None:
        result.to_html(html, overwrite=overwrite)
    say_notes(speaker.notes)
    rows = [f"{data.shown(label)} {n}" for label, n in zip(labels, counts, strict=True)]
    told = f"{len(data.y)} rows, {listed('', rows)}; classifier {options['classifier']}."
    if as_json:
        named = dict(zip(map(data.shown, labels), counts, strict=True))
        say(_as_json(result, named, options))
    else:
        say("\n".join([in_one_line(told), *map(printable, str(result).splitlines())]))


def _classifier(name, seed):
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    return {
        "logistic": LogisticRegression(max_iter=1000),
        "forest": RandomForestClassifier(random_state=seed),
        "svc": SVC(),
        "knn": KNeighborsClassifier(),
        "boosting": HistGradientBoostingClassifier(random_state=seed),
    }[name]


def _in_options(error):
    """Return the message of an error with the names that parameters have here."""
    text = re.sub(r"\bcv=(\d+)", r"--folds \1", str(error))
    text = text.replace("a smaller cv or a splitter", "a smaller --folds")
    if "pos_label" in text:
        return "--scoring needs the labels 0 and 1; give a score of all classes, such as f1_macro."
    if "could not convert" in text:
        return "--scoring needs numbers as labels; give a score of classes, such as f1_macro."
    # The message about identifiers.
    text = re.sub(r"Leave such columns out, or .*", "Leave such columns out by --drop.", text)
    return in_options(text.replace("scoring=", "--scoring "))


def _as_json(result, rows, options):
    told = {
        "rows": rows,
        **{name: options[name] for name in ("classifier", "folds", "repeats", "seed")},
        "scoring": result.scoring,
        "confidence_level": result.confidence_level,
        "methods": [method._asdict() for method in result.rows],
        "left_out": result.left_out,
        "preparation": result.preparation,
        "advice": result.advice,
    }
    return json.dumps(told, indent=2, default=str)
