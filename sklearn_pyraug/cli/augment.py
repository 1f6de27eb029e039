"""The command ``augment``, and what it shares with ``train``: reading rows to learn from."""

import time
from pathlib import Path

import click

import sklearn_pyraug

from ..io._tables import count_labels
from .files import (
    check_apart,
    check_input,
    check_new_file,
    check_output,
    has_gaps,
    is_table,
    match_labels,
    read_data,
    try_writing,
    write_data,
)
from .options import (
    Command,
    Speaker,
    augmenter_parameters,
    common_options,
    count_option,
    listed,
    table_keywords,
    table_options,
    training_options,
)


@click.command(
    cls=Command,
    short_help="Write a table or folder with synthetic rows added.",
    examples=[
        "augment patients.csv --target diagnosis -o more.csv",
        "augment patients.csv --target diagnosis -o more.parquet --per-class 200 --seed 1",
        "augment scans/ -o more_scans/ --factor 3",
        "augment digits.npz -o more.npz --set decoder=direct --set sample_shape=8,8",
        "augment patients.csv --target diagnosis -o more.csv --config run.toml --keep id",
        "augment scans/ -o more_scans/ --pyraug-config model_config.json",
    ],
)
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@common_options
@click.option(
    "--factor",
    metavar="F",
    callback=lambda context, option, text: (
        text if text in (None, "auto") else click.FLOAT(text, option, context)
    ),
    help="Multiply the size of every class by F, at least 1. auto: from 2 to 8, the more, the "
    "wider the table and the fewer its rows.  [auto]",
)
@count_option("--per-class", least=1, help="Add N synthetic rows to every class.")
@click.option(
    "--sampling-strategy",
    metavar="S",
    help="Sizes of the classes before --factor: auto, minority, all, ..., a share, or a JSON dict "
    "of label to number of rows.  [auto]",
)
@click.option(
    "--contact-sheet/--no-contact-sheet",
    default=True,
    help="For a folder, also draw real images and synthetic ones made from them in one picture.  "
    "[yes]",
)
@table_options
@training_options
@click.pass_context
def augment(context, source, output, contact_sheet, **options):
    """Write the rows of INPUT, followed by synthetic ones, to the output.

    INPUT is a table (.csv, .tsv, .parquet, .xlsx, .npz with arrays X and y) or a folder with one
    subfolder of images or volumes for each class. Its rows are written unchanged. In a table, the
    column `synthetic` marks the new rows; in a folder, manifest.csv does. By default all classes
    grow to twice the size of the largest, and to up to eight times if there are few rows of many
    columns or pixels. For a folder NAME, NAME.contact-sheet.png shows some new images and the real
    ones that they were made from.
    """
    per_class = _choose_sizes(context)
    speaker = Speaker(options["quiet"])
    check_source(source, options)
    parameters = parameters_of(context, speaker)
    check_apart(source, output)
    check_output(output, overwrite=options["overwrite"], is_folder=source.is_dir())
    sheet = None
    if contact_sheet and source.is_dir() and not is_table(output):
        sheet = output.with_name(f"{output.name}.contact-sheet.png")
        check_new_file(sheet, overwrite=options["overwrite"], name="the contact sheet")
    data = read_training_data(source, speaker, options, parameters)
    check_output(output, overwrite=options["overwrite"], n_axes=data.X.ndim)
    labels, counts = count_labels(data.y)
    if per_class is not None:
        sizes = {label: n + per_class for label, n in zip(labels, counts, strict=True)}
        parameters["sampling_strategy"] = sizes
    match_strategy(parameters, labels, data)
    try_writing(output, data)

    start = time.perf_counter()
    augmenter = sklearn_pyraug.RHVAEAugmenter().set_params(**parameters)
    X, y = augmenter.fit_resample(data.X, data.y)
    mask, origins = augmenter.synthetic_mask_, augmenter.origin_indices_
    write_data(output, X, y, mask, data, origins, overwrite=options["overwrite"])
    seconds = time.perf_counter() - start
    _, counts_new = count_labels(y)
    speaker.result(
        listed(
            f"{len(data.y)} rows -> {len(y)}: ",
            [
                f"{data.shown(label)} {n} -> {m}"
                for label, n, m in zip(labels, counts, counts_new, strict=True)
            ],
        )
    )
    drawn = sheet is not None and _draw_sheet(
        sheet, X, y, augmenter, data, speaker, overwrite=options["overwrite"]
    )
    speaker.result(f"{output}, {seconds:.1f} s" + (f"; see {sheet}" if drawn else ""))


def _draw_sheet(path, X, y, augmenter, data, speaker, *, overwrite):
    """Write a contact sheet; return False where that takes a library that is missing."""
    # Imported here, because it takes as long as all else that --help needs.
    from .contact_sheet import write_contact_sheet

    mask = augmenter.synthetic_mask_
    if not mask.any():
        return False
    origins, channels = augmenter.origin_indices_, data.image_shape.channels
    try:
        write_contact_sheet(path, X, y, mask, origins, channels=channels, overwrite=overwrite)
    except ImportError:
        speaker.note(f"no {path.name}: Pillow, of the extra 'images', is not installed")
        return False
    return True


def _choose_sizes(context):
    """Return --per-class; the command line takes precedence over a file that contradicts it."""
    params = context.params
    rivals = [name for name in ("factor", "sampling_strategy") if params[name] is not None]
    if params["per_class"] is not None and rivals:
        typed = click.core.ParameterSource.COMMANDLINE
        rival_typed = any(context.get_parameter_source(name) is typed for name in rivals)
        if rival_typed == (context.get_parameter_source("per_class") is typed):
            raise click.UsageError(
                "--per-class fixes the rows that each class gets, and so does "
                f"--{rivals[0].replace('_', '-')}; give one of them."
            )
        params.update(dict.fromkeys(["per_class"] if rival_typed else rivals))
    if params["per_class"] is not None and any(
        text.startswith("sampling_strategy=") for text in params["sets"]
    ):
        raise click.UsageError("--per-class and --set sampling_strategy contradict; drop one.")
    return params["per_class"]


def parameters_of(context, speaker):
    """Return the parameters given to the command; note what Pyraug's files do not translate to."""
    params = context.params
    parameters, notes = augmenter_parameters(context, params["sets"], params["pyraug_config"])
    for note in notes:
        speaker.note(note)
    if isinstance(parameters.get("sampling_strategy"), dict) and params.get("factor") is not None:
        raise click.UsageError(
            "--factor has no effect beside a number of rows for each label; drop one of them."
        )
    return {"verbose": speaker.verbose} | parameters


def check_source(source, options):
    """Raise click.ClickException unless INPUT can be one."""
    check_input(source, "INPUT", target=options["target"], from_folders=options["from_folders"])


def read_training_data(source, speaker, options, parameters, name="INPUT"):
    """Read INPUT, and adapt `parameters` to it."""
    data = read_data(
        source,
        name,
        speaker,
        target=options["target"],
        drop=options["drop"],
        size=options["size"],
        on_error=options.get("on_error", "raise"),
        table=table_keywords(options),
    )
    if data.synthetic is not None and data.synthetic.any():
        n = int(data.synthetic.sum())
        speaker.note(f"{n} rows of {name} are marked as synthetic: left out")
        data = data.take(~data.synthetic)
    if has_gaps(data.X, speaker):
        parameters.setdefault("missing", "keep")
    if data.folder is not None:
        parameters.setdefault("sample_shape", data.image_shape)
    return data


def match_strategy(parameters, labels, data):
    """Give a dict of rows by label the labels of the data as keys."""
    strategy = parameters.get("sampling_strategy")
    if isinstance(strategy, dict):
        parameters["sampling_strategy"] = match_labels(
            strategy, labels, "--sampling-strategy", data.spellings
        )
