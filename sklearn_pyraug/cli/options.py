"""What all commands share: their options, what these say, and how they print."""

import ast
import json
import re
import sys
from pathlib import Path

import click

import sklearn_pyraug

from ..io._guards import did_you_mean, printable
from .pyraug_config import read_pyraug_config, translate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROG = "sklearn-pyraug"
_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "space": " "}
_TABLE_OPTIONS = ("sep", "decimal", "encoding", "na")
_WORDS = {"true": True, "false": False, "none": None, "null": None}
# They take networks and objects, which text cannot express.
_PYTHON_ONLY = ("callbacks", "metric__network")
# All other parameters of RHVAEAugmenter and its components. Listed, so that neither help nor a
# misspelt name loads torch; a test compares them with the estimator's.
SETTABLE = (
    "augmentation_factor batch_size categorical_features checkpoint checkpoint__folder "
    "checkpoint__interval columns columns__identifiers columns__likelihood columns__scaling "
    "columns__value_mapping decoder decoder__n_neighbors decoder__scale device encoder "
    "encoder__hidden_layer_sizes latent_dim lr max_epochs memory metric metric__beta_zero "
    "metric__integrator metric__leapfrog_step metric__max_centroids metric__n_fixed_point "
    "metric__n_leapfrog metric__regularization metric__temperature min_distance missing n_jobs "
    "output output__residual output__scale patience random_state sample_shape "
    "sample_shape__channels sample_shape__shape sampler sampler__n_leapfrog sampler__n_steps "
    "sampler__step_size sampling_strategy shared validation_fraction verbose"
).split()
# Options that set one parameter each.
_OPTION_PARAMETERS = {
    "factor": "augmentation_factor",
    "sampling_strategy": "sampling_strategy",
    "latent_dim": "latent_dim",
    "seed": "random_state",
    "device": "device",
    "n_jobs": "n_jobs",
}
# Remedies in messages of the estimator, and those of the command line.
_REMEDIES = {
    "Leave such columns out, or set columns=Columns(identifiers='drop') to": (
        "Leave such columns out by --keep or --drop, or --set columns__identifiers=drop to"
    ),
    "Replace it by a column of numbers, such as pandas.to_numeric(column, errors='coerce') "
    "together with missing='keep', or name it in categorical_features if it is one": (
        "Name words for missing values by --na and correct other cells, leave the column out by "
        "--keep or --drop, or add --set categorical_features='[\"NAME\"]' if it is one"
    ),
    "Name such columns in categorical_features, or encode them first, for example with "
    "sklearn.preprocessing.OrdinalEncoder or OneHotEncoder": (
        "Correct or empty the cells of text, or leave such columns out by --keep or --drop"
    ),
}


class Command(click.Command):
    """A command with examples at the end of its help, and an option ``--debug``.

    Parameters
    ----------
    *args, **kwargs
        click's.
    examples : sequence of str
        Command lines, without the program's name.
    """

    def __init__(self, *args, examples=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.append(debug_option())

    def format_epilog(self, ctx, formatter):
        """Write the names that --set takes, where there is that option, and the examples."""
        if any(p.name == "sets" for p in self.params):
            with formatter.section("Parameters of --set, as of RHVAEAugmenter in Python"):
                formatter.write_text(", ".join(SETTABLE))
        with formatter.section("Examples"):
            for line in self.examples:
                formatter.write(f"  {PROG} {line}\n")


def debug_option():
    """Return the option ``--debug``, which is the program's and not the command's."""

    def note(context, parameter, value):
        if value:
            context.find_root().obj.debug = True

    return click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=note,
        help="Show the traceback of an error.",
    )


def in_one_line(text):
    """Return a text as one printable line."""
    return printable(" ".join(str(text).split()))


def in_options(text):
    """Return a message of the estimator with the remedies of the command line."""
    for theirs, ours in _REMEDIES.items():
        text = text.replace(theirs, ours)
    return text


def listed(head, parts):
    """Return a line that lists at most ten parts, one a class."""
    more = f", and {len(parts) - 10} more classes" if len(parts) > 10 else ""
    return head + ", ".join(parts[:10]) + more


def say(text, *, err=False):
    """Print lines, escaping what the stream cannot show."""
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)


def say_notes(notes):
    """Print notes on standard error, and forget them."""
    while notes:
        say(f"{PROG}: note: {in_one_line(notes.pop(0))}", err=True)


class Speaker:
    """Prints what a command does: results on standard output, notes on standard error.

    Parameters
    ----------
    quiet : bool
        Whether to print nothing.
    """

    def __init__(self, quiet):
        self.quiet = quiet
        context = click.get_current_context(silent=True)
        self.notes = [] if context is None else context.find_root().obj.notes

    @property
    def verbose(self):
        """The estimator's `verbose`: a progress bar on a terminal."""
        return int(not self.quiet and sys.stderr is not None and sys.stderr.isatty())

    def note(self, text):
        """Print one line on standard error, after the errors that there may be."""
        if not self.quiet:
            self.notes.append(text)

    def warn(self, text):
        """Print one line on standard error, also with ``--quiet``."""
        say(f"{PROG}: warning: {in_one_line(text)}", err=True)

    def result(self, text):
        """Print a line of the summary."""
        say_notes(self.notes)
        if not self.quiet:
            say(in_one_line(text))


class Choice(click.Choice):
    """Choices; for a misspelt one the closest is suggested."""

    def convert(self, value, param, ctx):
        """Return the choice, or fail with the closest one."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            error.message = error.message.rstrip(".") + did_you_mean(value, self.choices)
            raise


def _separator(value):
    """Return a character, given itself or its name."""
    sep = _SEPARATORS.get(value.lower(), value)
    if len(sep) != 1 or sep in '"\r\n\0':
        names = ", ".join(_SEPARATORS)
        raise click.BadParameter(f"{value!r} is no separator; give one character or {names}.")
    return sep


def _shape(value):
    """Return the integers of a text such as ``28x28`` or ``32x40x32``."""
    try:
        shape = tuple(map(int, re.split(r"[xX×\s]+", value.strip())))
    except ValueError:
        shape = ()
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise click.BadParameter(f"{value!r} is no size such as 64x64 or 32x40x32.")
    return shape


def _read_config(context, parameter, path):
    """Take the values of a config file where the command line has none."""
    if path is None:
        return
    names = [
        p.name
        for p in context.command.params
        if isinstance(p, click.Option) and p.name not in ("config", "help", "debug", "sets")
    ]
    options, context.meta["parameters"] = load_config(path, names)
    for p in context.command.params:
        if p.name in options and p.multiple and isinstance(options[p.name], str):
            options[p.name] = [options[p.name]]
    context.default_map = options


def _apply(options):
    def decorate(function):
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def path_option(*names, **keywords):
    """Return an option whose value is a path."""
    return click.option(*names, type=click.Path(path_type=Path), **keywords)


def count_option(*names, least=0, **keywords):
    """Return an option that takes an integer of at least `least`."""
    kind = click.IntRange(least)
    return click.option(
        *names, type=kind, metavar="N", show_default="default" in keywords, **keywords
    )


def repeatable(*names, help, metavar="COLUMN"):
    """Return an option that may be given several times."""
    return click.option(*names, multiple=True, metavar=metavar, help=f"{help}; repeatable.")


common_options = _apply(
    [
        path_option("-o", "--output", required=True, help="File or folder to write."),
        click.option("--overwrite", is_flag=True, help="Replace an existing output."),
        click.option("-q", "--quiet", is_flag=True, help="No progress, no notes, no summary."),
    ]
)

table_options = _apply(
    [
        click.option(
            "--sep",
            type=_separator,
            metavar="C",
            help="Separator of a csv file: a character, tab, ...  [detected]",
        ),
        click.option(
            "--decimal", type=Choice([".", ","]), help="Decimal point of a csv file.  [detected]"
        ),
        click.option(
            "--encoding",
            metavar="NAME",
            help="Encoding of a csv file.  [utf-8, or latin-1 if that fails]",
        ),
        repeatable(
            "--na",
            metavar="TEXT",
            help="Text of a csv cell that means a missing value, such as NA, in addition to empty "
            "cells",
        ),
    ]
)

result_options = _apply(
    [
        path_option("--html", metavar="FILE", help="Also write a page with pictures."),
        click.option("--overwrite", is_flag=True, help="Replace an existing page."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    ]
)


def table_keywords(options):
    """Return the keywords of `read_table` among the values of a command's options."""
    return {name: options[name] for name in ("keep", *_TABLE_OPTIONS) if name in options}


size_option = click.option(
    "--size", type=_shape, metavar="HxW", help="Size that images are resized to."
)

target_option = click.option("--target", metavar="COLUMN", help="Column of the labels in a table.")

training_options = _apply(
    [
        target_option,
        click.option(
            "--from-folders",
            is_flag=True,
            help="INPUT is a folder of images; implied if it is a folder.",
        ),
        repeatable("--drop", help="Column to leave out of training and output"),
        repeatable(
            "--keep",
            help="Column to leave out of training, such as an identifier; it is copied for the "
            "rows of INPUT and empty in new rows",
        ),
        size_option,
        click.option(
            "--on-error",
            type=Choice(["raise", "skip"]),
            default="raise",
            show_default=True,
            help="What to do if an image file cannot be read.",
        ),
        click.option(
            "--latent-dim", metavar="N", help="Dimension of the latent space, or auto.  [auto]"
        ),
        count_option("--seed", help="Seed; the same one gives the same rows.  [0]"),
        click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.  [auto]"),
        click.option("--n-jobs", type=int, metavar="N", help="Processes; -1: all cores."),
        repeatable(
            "--set", "sets", metavar="NAME=VALUE", help="Any other parameter of RHVAEAugmenter"
        ),
        path_option(
            "--config",
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_read_config,
            help="TOML or JSON file with these options and a table [parameters]; the command "
            "line takes precedence.",
        ),
        repeatable("--pyraug-config", metavar="FILE", help="JSON configuration file of Pyraug"),
    ]
)


def parse_value(text):
    """Return what a text on the command line stands for.

    Parameters
    ----------
    text : str
        true, false, none and null in any case; a JSON or Python literal: a number, a list or
        tuple, a dict, a quoted text; anything else is a text as it stands.

    Returns
    -------
    value : object

    Examples
    --------
    >>> from sklearn_pyraug.cli.options import parse_value
    >>> [parse_value(text) for text in ["1e-3", "64,32", "none", "hmc", '{"a": 5}']]
    [0.001, (64, 32), None, 'hmc', {'a': 5}]
    """
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    if text[:1] in ("[", "(", "{", '"', "'"):
        raise ValueError(
            f"{text!r} begins like a list, dict or quoted text and is none; check its brackets "
            "and quotes."
        )
    return text


def load_config(path, names):
    """Read a file of options.

    Parameters
    ----------
    path : str or path-like
        TOML, or JSON where the name ends in ``.json``. Keys are names of options; the table
        ``[parameters]`` holds parameters of RHVAEAugmenter.
    names : list of str
        Names of the options, with underscores.

    Returns
    -------
    options : dict of str to (str or list of str)
        Values as if typed.
    parameters : dict
        Parameters of RHVAEAugmenter.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        config = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise click.ClickException(f"--config is '{path}': {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise click.ClickException(
            f"--config is '{path}', which is no readable TOML or JSON file ({error}); give the "
            "name of a JSON file the ending .json."
        ) from error
    if not isinstance(config, dict):
        raise click.ClickException(f"--config is '{path}', which holds no table of options.")
    parameters = config.pop("parameters", {})
    if not isinstance(parameters, dict):
        raise click.UsageError(f"'{path}' has `parameters` that are no table.")
    options = {}
    for key, value in config.items():
        name = key.replace("-", "_")
        if name not in names:
            hint = did_you_mean(name, names)
            if name in SETTABLE:
                hint = "; put it into the table [parameters]."
            raise click.UsageError(f"'{path}' has the key {key!r}, which is not an option{hint}")
        if value is not None:
            options[name] = _typed(value)
    return options, {
        _check_name(key, f"'{path}' has the parameter"): _none(value)
        for key, value in parameters.items()
    }


def augmenter_parameters(context, sets, pyraug_configs):
    """Gather the parameters of RHVAEAugmenter that a command was given.

    Later ones of these override earlier ones: Pyraug's files, the config file's parameters, its
    options, --set, options on the command line. Of the last two, only one may name a parameter.

    Parameters
    ----------
    context : click.Context
        Of the command, after its options were read.
    sets : sequence of str
        ``name=value`` each.
    pyraug_configs : sequence of str
        Paths.

    Returns
    -------
    parameters : dict
        Valid ones for RHVAEAugmenter. ``random_state`` is 0 where it was not given.
    notes : list of str
        What the user should know of the translation.

    Raises
    ------
    click.ClickException
        If anything is unknown, malformed, given twice or refused by the estimator.
    """
    parameters, notes = {"random_state": 0}, []
    for path in pyraug_configs:
        translated, more = translate(read_pyraug_config(path), Path(path).name)
        parameters |= translated
        notes += more
    from_file, typed = {}, {}
    for option, name in _OPTION_PARAMETERS.items():
        value = context.params.get(option)
        if value is not None:
            source = context.get_parameter_source(option)
            layer = from_file if source is click.core.ParameterSource.DEFAULT_MAP else typed
            layer[name] = _parsed(value, f"--{option.replace('_', '-')}")
    settings = {}
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--set {text!r} has no value; write --set name=value.")
        name = _check_name(name.strip().replace("-", "_"), "--set has the parameter")
        if name in typed:
            raise click.UsageError(f"{name} is given twice, by an option and by --set; drop one.")
        settings[name] = _parsed(value, f"--set {name}")
    parameters |= context.meta.get("parameters", {}) | from_file | settings | typed
    if parameters.get("sample_shape__channels", "") is None:
        # Here "none" is a value, not None.
        parameters["sample_shape__channels"] = "none"
    _check_values(parameters)
    return parameters, notes


def _check_name(name, where):
    """Return the name of a parameter that the command line can set, or raise."""
    if name in _PYTHON_ONLY:
        raise click.UsageError(
            f"{where} {name!r}, which takes Python objects and cannot be set here; use "
            "RHVAEAugmenter in Python."
        )
    if name not in SETTABLE:
        hint = did_you_mean(name, SETTABLE)
        raise click.UsageError(f"{where} {name!r}, which does not exist{hint}")
    return name


def _parsed(value, where):
    if not isinstance(value, str):
        return value
    try:
        return parse_value(value)
    except ValueError as error:
        raise click.UsageError(f"{where}: {error}") from error


def _none(value):
    """Return None for "none": TOML has no null."""
    return None if isinstance(value, str) and value.lower() in ("none", "null") else value


def _typed(value):
    """Return an option's value as it would be typed, so that one parser checks both."""
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if isinstance(value, (dict, bool)):
        return json.dumps(value)
    return str(value)


def _check_values(parameters):
    """Check the values by the estimator before any file is read."""
    try:
        sklearn_pyraug.RHVAEAugmenter().set_params(**parameters)._validate_params()
    except ValueError as error:
        choices = re.search(r"must be (.*)\. Got '(.*)' instead", str(error), re.DOTALL)
        hint = "."
        if choices is not None:
            hint = did_you_mean(choices[2], re.findall(r"'([^']+)'", choices[1]))
        raise click.UsageError(str(error).rstrip(".") + hint) from error
