"""What all commands share: their shape in --help, their options, and how they speak."""

import sys
from pathlib import Path

import click

from .parameters import load_config, settable_parameters

__all__ = [
    "PROG",
    "Command",
    "Speaker",
    "WholeNumber",
    "common_options",
    "debug_option",
    "in_one_line",
    "say",
    "training_options",
]

PROG = "sklearn-pyraug"
_SHAPE_SIGNS = "xX×"


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
                formatter.write_text(", ".join(settable_parameters()))
        with formatter.section("Examples"):
            for line in self.examples:
                formatter.write(f"  {PROG} {line}\n")


def debug_option():
    """Return the option ``--debug``, which tells the program and not the command."""

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
    """Return a text as one line without anything that a terminal would take for a command."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def say(text, *, err=False):
    """Print lines, escaping what the stream cannot show."""
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)


class Speaker:
    """Says what a command does: results on standard output, notes on standard error.

    Parameters
    ----------
    quiet : bool
        Whether to say nothing.
    """

    def __init__(self, quiet):
        self.quiet = quiet

    @property
    def verbose(self):
        """The estimator's `verbose`: a progress bar where somebody sees it."""
        return int(not self.quiet and sys.stderr is not None and sys.stderr.isatty())

    def note(self, text):
        """Say something on standard error in one line."""
        if not self.quiet:
            say(f"{PROG}: note: {in_one_line(text)}", err=True)

    def warn(self, text):
        """Say something on standard error that is said in any case."""
        say(f"{PROG}: warning: {in_one_line(text)}", err=True)

    def result(self, text):
        """Print a line of the summary."""
        if not self.quiet:
            say(in_one_line(text))


class WholeNumber(click.ParamType):
    """An integer not below `least`, as a type of option."""

    name = "integer"

    def __init__(self, least=None):
        self.least = least

    def convert(self, value, param, ctx):
        """Return the integer that a text stands for."""
        try:
            number = int(value)
        except ValueError:
            number = None
        if number is None or (self.least is not None and number < self.least):
            bound = "" if self.least is None else f" of at least {self.least}"
            self.fail(f"{value!r} is no integer{bound}.", param, ctx)
        return number


class _Shape(click.ParamType):
    """``28x28`` or ``32x40x32``."""

    name = "shape"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        parts = value
        for sign in _SHAPE_SIGNS:
            parts = parts.replace(sign, " ")
        try:
            shape = tuple(int(part) for part in parts.split())
        except ValueError:
            shape = ()
        if len(shape) not in (2, 3) or min(shape) < 1:
            self.fail(f"{value!r} is no size such as 64x64 or 32x40x32.", param, ctx)
        return shape


def _read_config(context, parameter, path):
    """Let the values of a config file stand where the command line has none."""
    if path is None:
        return
    names = [
        p.name
        for p in context.command.params
        if isinstance(p, click.Option) and p.name not in ("config", "help", "debug", "sets")
    ]
    context.default_map, context.meta["parameters"] = load_config(path, names)


def _apply(options):
    def decorate(function):
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def path_option(*names, **keywords):
    """Return an option whose value is a path."""
    return click.option(*names, type=click.Path(path_type=Path), **keywords)


common_options = _apply(
    [
        path_option("-o", "--output", required=True, help="Where the result goes."),
        click.option("--overwrite", is_flag=True, help="Replace what is there already."),
        click.option("-q", "--quiet", is_flag=True, help="No progress, no notes, no summary."),
    ]
)

training_options = _apply(
    [
        click.option("--target", metavar="COLUMN", help="Column of a table that holds the labels."),
        click.option(
            "--from-folders",
            is_flag=True,
            help="INPUT is a folder of images; implied where it is a folder.",
        ),
        click.option(
            "--drop",
            multiple=True,
            metavar="COLUMN",
            help="Column to leave out of training and output, such as an identifier; repeatable.",
        ),
        click.option(
            "--size", type=_Shape(), metavar="HxW", help="Size that images are brought to."
        ),
        click.option(
            "--on-error",
            type=click.Choice(["raise", "skip"]),
            default="raise",
            show_default=True,
            help="What to do about an image file that cannot be read.",
        ),
        click.option(
            "--latent-dim", metavar="N", help="Dimension of the latent space, or auto.  [auto]"
        ),
        click.option(
            "--seed",
            type=WholeNumber(0),
            metavar="N",
            help="Seed; the same one gives the same rows.  [0]",
        ),
        click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.  [auto]"),
        click.option("--n-jobs", type=WholeNumber(), metavar="N", help="Processes; -1: all cores."),
        click.option(
            "--set",
            "sets",
            multiple=True,
            metavar="NAME=VALUE",
            help="Any other parameter of RHVAEAugmenter; repeatable.",
        ),
        path_option(
            "--config",
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_read_config,
            help="TOML or JSON file with these options and a table [parameters]; the command "
            "line goes before it.",
        ),
        click.option(
            "--pyraug-config",
            "pyraug_config",
            multiple=True,
            metavar="FILE",
            help="JSON file of Pyraug's, to be translated; repeatable.",
        ),
    ]
)
