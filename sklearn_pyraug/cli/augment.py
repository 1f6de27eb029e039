"""The commands that make rows: ``augment``, ``train`` and ``generate``."""

import time
from pathlib import Path

import click
import numpy as np

from sklearn_pyraug import RHVAEAugmenter

from .files import (
    TABLES,
    Data,
    check_apart,
    check_input,
    check_new_file,
    check_output,
    has_gaps,
    match_labels,
    read_data,
    rehearse,
    write_data,
)
from .options import Command, Speaker, WholeNumber, common_options, training_options
from .parameters import augmenter_parameters

__all__ = ["augment", "generate", "train"]

_MODEL_SUFFIX = ".pyraug"


@click.command(
    cls=Command,
    short_help="Write a table or folder with synthetic rows added.",
    examples=[
        "augment patients.csv --target diagnosis -o more.csv",
        "augment patients.csv --target diagnosis -o more.parquet --per-class 200 --seed 1",
        "augment scans/ -o more_scans/ --factor 3",
        "augment digits.npz -o more.npz --set decoder=direct --set sample_shape=8,8",
        "augment patients.csv --target diagnosis -o more.csv --config run.toml --drop id",
        "augment scans/ -o more_scans/ --pyraug-config model_config.json",
    ],
)
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@common_options
@click.option(
    "--factor", type=float, metavar="F", help="Multiply every class's rows by F, at least 1.  [2]"
)
@click.option(
    "--per-class", type=WholeNumber(1), metavar="N", help="Add N synthetic rows to every class."
)
@click.option(
    "--strategy",
    metavar="S",
    help="Sizes of the classes before --factor: auto, minority, all, ..., a share, or a JSON dict "
    "of label to number of rows.  [auto]",
)
@training_options
@click.pass_context
def augment(context, source, output, **options):
    """Learn from INPUT and write its rows, then synthetic ones, to the output.

    INPUT is a table (.csv, .parquet, .npz with arrays X and y) or a folder with one subfolder of
    images or volumes for each class. In a table, a column `synthetic` marks the new rows; in a
    folder, manifest.csv does. By default all classes grow to twice the size of the largest.
    """
    per_class = _choose_sizes(context)
    speaker = Speaker(options["quiet"])
    parameters = _parameters(context, speaker)
    check_apart(source, output)
    check_output(output, overwrite=options["overwrite"], is_folder=source.is_dir())
    data = _read_training_data(source, speaker, options, parameters)
    check_output(output, overwrite=options["overwrite"], n_axes=data.X.ndim)
    labels, counts = _count(data.y)
    if per_class is not None:
        sizes = {label: n + per_class for label, n in zip(labels, counts, strict=True)}
        parameters["sampling_strategy"] = sizes
    _match_strategy(parameters, labels)
    rehearse(output, data)

    start = time.perf_counter()
    augmenter = RHVAEAugmenter(**parameters)
    X, y = augmenter.fit_resample(data.X, data.y)
    write_data(
        output,
        X,
        y,
        augmenter.synthetic_mask_,
        data,
        augmenter.origin_indices_,
        overwrite=options["overwrite"],
    )
    seconds = time.perf_counter() - start
    _, counts_new = _count(y)
    speaker.result(
        _listed(
            f"{len(data.y)} rows -> {len(y)}: ",
            [f"{label} {n} -> {m}" for label, n, m in zip(labels, counts, counts_new, strict=True)],
        )
    )
    speaker.result(f"{output}, {seconds:.1f} s")


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
@training_options
@click.pass_context
def train(context, source, output, **options):
    """Learn from INPUT and save what was learned, for `generate` to draw from.

    INPUT is what `augment` takes. The model is one file, whose name ends in .pyraug; it may hold
    the training rows.
    """
    speaker = Speaker(options["quiet"])
    parameters = _parameters(context, speaker)
    if output.suffix.lower() != _MODEL_SUFFIX:
        raise click.UsageError(
            f"--output is '{output}'; give a model a name that ends in {_MODEL_SUFFIX}."
        )
    if output.is_dir():
        raise click.UsageError(f"--output is '{output}', which is a folder; name a file.")
    check_new_file(output, overwrite=options["overwrite"])
    data = _read_training_data(source, speaker, options, parameters)
    labels, counts = _count(data.y)
    _match_strategy(parameters, labels)

    start = time.perf_counter()
    augmenter = RHVAEAugmenter(**parameters)
    augmenter.fit(data.X, data.y)
    augmenter.save(output, overwrite=options["overwrite"])
    seconds = time.perf_counter() - start
    rows = [f"{label} {n}" for label, n in zip(labels, counts, strict=True)]
    speaker.result(_listed(f"trained on {len(data.y)} rows: ", rows))
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
@click.option("--per-class", type=WholeNumber(1), metavar="N", help="Rows of every class.")
@click.option(
    "--n", "numbers", multiple=True, metavar="LABEL=N", help="Rows of one class; repeatable."
)
@click.option("--target", metavar="COLUMN", help="Name of the labels' column.  [as in training]")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder of images whose formats, and headers of volumes, the new ones take.",
)
@click.option("--format", metavar="NAME", help="Of images: png, nii.gz, npy, ...  [automatic]")
@click.option("--seed", type=WholeNumber(0), metavar="N", help="Seed of the draw.  [the model's]")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.  [the model's]")
@click.option("--n-jobs", type=WholeNumber(), metavar="N", help="Processes; -1: all cores.")
def generate(source, output, overwrite, quiet, per_class, numbers, **options):
    """Draw rows from a MODEL of `train` and write them to the output.

    The output is a table (.csv, .parquet, .npz) or, for images, a folder; all of its rows are
    marked as synthetic. The same seed draws the same rows.
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
    if output.suffix.lower() in TABLES and (like or image_format):
        raise click.UsageError("--like and --format are for folders of images, not for a table.")
    if like is not None and not like.is_dir():
        raise click.ClickException(f"--like is '{like}', where there is no folder of images.")
    folder = None if like is None else read_data(like, "--like", speaker).folder

    start = time.perf_counter()
    augmenter = RHVAEAugmenter.load(source, device=options["device"])
    given = {"random_state": options["seed"], "n_jobs": options["n_jobs"]}
    augmenter.set_params(**{name: v for name, v in given.items() if v is not None})
    X, y = augmenter.sample(
        per_class
        if per_class is not None
        else match_labels(wanted, augmenter.classes_.tolist(), "--n")
    )
    check_output(output, overwrite=overwrite, n_axes=X.ndim)
    target = options["target"] or getattr(y, "name", None) or "target"
    data = Data(X, y, str(target), folder, None)
    synthetic = np.ones(len(y), dtype=bool)
    write_data(output, X, y, synthetic, data, format=image_format, overwrite=overwrite)
    seconds = time.perf_counter() - start
    rows = [f"{label} {n}" for label, n in zip(*_count(y), strict=True)]
    speaker.result(_listed(f"{len(y)} synthetic rows: ", rows))
    speaker.result(f"{output}, {seconds:.1f} s")


def _choose_sizes(context):
    """Return --per-class; an option of the command line goes before a file's that contradicts."""
    params = context.params
    rivals = [name for name in ("factor", "strategy") if params[name] is not None]
    if params["per_class"] is not None and rivals:
        typed = click.core.ParameterSource.COMMANDLINE
        rival_typed = any(context.get_parameter_source(name) is typed for name in rivals)
        if rival_typed == (context.get_parameter_source("per_class") is typed):
            raise click.UsageError(
                "--per-class fixes the rows that each class gets, and so does "
                f"--{rivals[0]}; give one of them."
            )
        params.update(dict.fromkeys(["per_class"] if rival_typed else rivals))
    if params["per_class"] is not None and any(
        text.startswith("sampling_strategy=") for text in params["sets"]
    ):
        raise click.UsageError("--per-class and --set sampling_strategy contradict; drop one.")
    return params["per_class"]


def _parameters(context, speaker):
    """Return the parameters that the command was given, and tell what Pyraug's files lack."""
    params = context.params
    parameters, notes = augmenter_parameters(context, params["sets"], params["pyraug_config"])
    for note in notes:
        speaker.note(note)
    if isinstance(parameters.get("sampling_strategy"), dict) and params.get("factor") is not None:
        raise click.UsageError(
            "--factor has no effect beside a number of rows for each label; drop one of them."
        )
    return {"verbose": speaker.verbose} | parameters


def _read_training_data(source, speaker, options, parameters):
    """Read INPUT, and let `parameters` fit it."""
    check_input(source, "INPUT", target=options["target"], from_folders=options["from_folders"])
    data = read_data(
        source,
        "INPUT",
        speaker,
        target=options["target"],
        drop=options["drop"],
        size=options["size"],
        on_error=options["on_error"],
    )
    if data.synthetic is not None and data.synthetic.any():
        speaker.note(f"{int(data.synthetic.sum())} rows of INPUT are marked as synthetic: left out")
        data = data.take(~data.synthetic)
    if has_gaps(data.X, speaker):
        parameters.setdefault("missing", "keep")
    if data.folder is not None:
        # A folder knows what a shape alone may leave open.
        parameters.setdefault("channels", "first" if data.folder.kind == "colour" else "none")
    return data


def _match_strategy(parameters, labels):
    """Let a dict of rows by label have the labels of the data for keys."""
    strategy = parameters.get("sampling_strategy")
    if isinstance(strategy, dict):
        parameters["sampling_strategy"] = match_labels(strategy, labels, "the sampling strategy")


def _count(y):
    """Return the labels, sorted, and the number of rows of each."""
    labels, counts = np.unique(np.asarray(y), return_counts=True)
    return labels.tolist(), counts.tolist()


def _listed(head, parts):
    """Return a line that lists at most ten parts."""
    more = f", and {len(parts) - 10} more classes" if len(parts) > 10 else ""
    return head + ", ".join(parts[:10]) + more


def _label_and_number(text):
    """Return the two sides of ``label=number``."""
    label, _, number = text.rpartition("=")
    if not label or not number.strip().isdecimal():
        raise click.UsageError(f"--n is {text!r}; write --n LABEL=N with an integer N.")
    return label, int(number)
