"""The commands ``train`` and ``generate``: learn now, draw later."""

import time
from pathlib import Path

import click
import numpy as np

import sklearn_pyraug

from ..io._image_files import FORMATS
from ..io._tables import count_labels
from .augment import check_source, match_strategy, parameters_of, read_training_data
from .files import Data, check_new_file, check_output, is_table, match_labels, read_data, write_data
from .options import (
    Choice,
    Command,
    Speaker,
    common_options,
    count_option,
    listed,
    repeatable,
    table_keywords,
    table_options,
    training_options,
)

_MODEL_SUFFIX = ".pyraug"


@click.command(
    cls=Command,
    short_help="Train on a table or folder and save the model.",
    examples=[
        "train patients.csv --target diagnosis -o patients.pyraug",
        "train scans/ -o scans.pyraug --size 64x64 --device cuda",
        "train patients.csv --target diagnosis -o p.pyraug --config run.toml --set max_epochs=300",
    ],
)
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@common_options
@table_options
@training_options
@click.pass_context
def train(context, source, output, **options):
    """Train on INPUT and save the model, from which `generate` draws rows.

    INPUT is a table or a folder, as for `augment`. The model is one file, whose name ends in
    .pyraug. It may hold the training rows.
    """
    speaker = Speaker(options["quiet"])
    check_source(source, options)
    parameters = parameters_of(context, speaker)
    if output.suffix.lower() != _MODEL_SUFFIX:
        raise click.UsageError(
            f"--output is '{output}'; give a model a name that ends in {_MODEL_SUFFIX}."
        )
    check_new_file(output, overwrite=options["overwrite"])
    data = read_training_data(source, speaker, options, parameters)
    labels, counts = count_labels(data.y)
    match_strategy(parameters, labels, data)

    start = time.perf_counter()
    augmenter = sklearn_pyraug.RHVAEAugmenter().set_params(**parameters)
    augmenter.fit(data.X, data.y)
    augmenter.save(output, overwrite=options["overwrite"])
    seconds = time.perf_counter() - start
    rows = [f"{data.shown(label)} {n}" for label, n in zip(labels, counts, strict=True)]
    speaker.result(listed(f"trained on {len(data.y)} rows: ", rows))
    speaker.result(f"{output}, {seconds:.1f} s")


@click.command(
    cls=Command,
    short_help="Draw synthetic rows from a saved model.",
    examples=[
        "generate patients.pyraug -o new.csv --per-class 100",
        "generate patients.pyraug -o new.csv --n healthy=20 --n ill=200 --seed 1",
        "generate scans.pyraug -o new_scans/ --per-class 50 --like scans/",
    ],
)
@click.argument("source", metavar="MODEL", type=click.Path(path_type=Path))
@common_options
@count_option("--per-class", least=1, help="Rows of every class.")
@repeatable("--n", "numbers", metavar="LABEL=N", help="Rows of one class")
@click.option("--target", metavar="COLUMN", help="Name of the labels' column.  [as in training]")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Table whose dialect the new rows get, such as that of the training, or folder of images "
    "whose formats and NIfTI headers the new images get.",
)
@table_options
@click.option("--format", type=Choice(FORMATS), help="Format of images.  [automatic]")
@count_option("--seed", help="Seed of the draw.  [the model's]")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.  [the model's]")
@click.option("--n-jobs", type=int, metavar="N", help="Processes; -1: all cores.")
def generate(source, output, overwrite, quiet, per_class, numbers, **options):
    """Draw rows from a MODEL of `train` and write them to the output.

    The output is a table (.csv, .tsv, .parquet, .xlsx, .npz) or, for images, a folder. All of its
    rows are marked as synthetic. The same seed draws the same rows.
    """
    speaker = Speaker(quiet)
    if (per_class is None) == (not numbers):
        raise click.UsageError("say how many rows either by --per-class N or by --n LABEL=N.")
    wanted = dict(map(_label_and_number, numbers))
    if len(wanted) < len(numbers):
        raise click.UsageError("--n names a label twice; give each one number.")
    if not source.is_file():
        raise click.ClickException(f"MODEL is '{source}', where there is no file; check the name.")
    check_output(output, overwrite=overwrite)
    like, image_format = options["like"], options["format"]
    if is_table(output) and image_format:
        raise click.UsageError("--format is for folders of images, not for a table.")
    if like is not None and not (like.is_file() if is_table(output) else like.is_dir()):
        what = "table" if is_table(output) else "folder of images"
        raise click.ClickException(f"--like is '{like}', where there is no {what}.")
    given = [name for name, value in table_keywords(options).items() if value]
    if given and (like is None or like.is_dir()):
        raise click.UsageError(
            f"--{given[0]} says how to read the table of --like, which there is not; give one."
        )
    folder = read_data(like, "--like", speaker).folder if like and like.is_dir() else None

    start = time.perf_counter()
    given = {name: options[name] for name in ("device", "n_jobs") if options[name] is not None}
    augmenter = sklearn_pyraug.RHVAEAugmenter.load(source, **given)
    if options["seed"] is not None:
        augmenter.set_params(random_state=options["seed"])
    X, y = augmenter.sample(
        per_class
        if per_class is not None
        else match_labels(wanted, augmenter.classes_.tolist(), "--n")
    )
    check_output(output, overwrite=overwrite, n_axes=X.ndim)
    target = options["target"] or getattr(y, "name", None) or "target"
    if like is not None and folder is None and hasattr(X, "attrs"):
        table = read_data(like, "--like", speaker, target=target, table=table_keywords(options))
        X.attrs = table.X.attrs
    is_volume = X.ndim == 4 and augmenter.channels_ == "none"
    nifti = image_format.startswith("nii") if image_format else is_volume
    if nifti and folder is None and not is_table(output):
        speaker.note(
            "a model holds no geometry: the new volumes have voxels of 1 mm, from the origin on; "
            "give --like with the folder of the originals to have theirs"
        )
    data = Data(X, y, str(target), folder, None)
    synthetic = np.ones(len(y), dtype=bool)
    write_data(output, X, y, synthetic, data, format=image_format, overwrite=overwrite)
    seconds = time.perf_counter() - start
    rows = [f"{label} {n}" for label, n in zip(*count_labels(y), strict=True)]
    speaker.result(listed(f"{len(y)} synthetic rows: ", rows))
    speaker.result(f"{output}, {seconds:.1f} s")


def _label_and_number(text):
    """Return the two sides of ``label=number``."""
    label, _, number = text.rpartition("=")
    if not label or not number.strip().isdecimal():
        raise click.UsageError(f"--n is {text!r}; write --n LABEL=N with an integer N.")
    return label, int(number)
