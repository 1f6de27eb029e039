"""The command line, ``sklearn-pyraug`` or ``python -m sklearn_pyraug``.

Exit codes: 0 on success, 1 where the command failed, 2 on wrong usage, 130 after Ctrl-C, 143 where
the command was terminated (SIGTERM), which is handled as Ctrl-C is. An error is one line on
standard error; ``--debug`` shows its traceback, too.
"""

import os
import signal
import sys
import threading
import traceback
import warnings
from contextlib import contextmanager

import click
from tqdm import tqdm

from sklearn_pyraug import __version__

from ..io._guards import did_you_mean
from .augment import augment
from .demo import demo
from .evaluate import evaluate
from .gain import gain
from .inspect import inspect
from .options import PROG, debug_option, in_one_line, in_options, say, say_notes
from .train import generate, train

# Errors that a user can cause and correct. Anything else is a bug of the program.
_EXPECTED = (ImportError, OSError, ValueError, MemoryError)
# Warnings for developers.
_NOT_FOR_USERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, SyntaxWarning)


class _Run:
    """What `main` must know of the command that it runs."""

    debug = False
    terminated = False

    def __init__(self):
        self.notes = []


class _Group(click.Group):
    """Commands; for a misspelt one the closest is suggested."""

    def resolve_command(self, ctx, args):
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"No such command {name!r}{did_you_mean(name, self.commands)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Group,
    no_args_is_help=False,
    epilog="`sklearn-pyraug COMMAND --help` has the options of a command, and examples. Exit "
    "codes: 0 success, 1 the command failed, 2 wrong usage, 130 interrupted, 143 terminated.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=PROG, message="%(prog)s %(version)s")
def _group():
    """Augment small data sets with Riemannian variational autoencoders."""


_group.params.append(debug_option())
for _command in (augment, gain, evaluate, train, generate, inspect, demo):
    _group.add_command(_command)


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    status : int
        0 on success, 1 where the command failed, 2 on wrong usage, 130 where it was
        interrupted, 143 where it was terminated.

    Examples
    --------
    >>> from sklearn_pyraug.cli.main import main
    >>> status = main(["--version"])  # doctest: +ELLIPSIS
    sklearn-pyraug ...
    >>> status
    0
    """
    run = _Run()
    with warnings.catch_warnings():
        # Not "default": a module remembers its warnings, so that a second call in one process would
        # print none.
        warnings.simplefilter("always")
        for category in _NOT_FOR_USERS:
            warnings.simplefilter("ignore", category)
        warnings.showwarning = _show_warning(set())
        try:
            with _termination_as_interrupt(run):
                return _invoke(argv, run)
        except (KeyboardInterrupt, Exception) as error:
            status = _failed(error, run)
            say_notes(run.notes)
            return status


def _failed(error, run):
    """Print one line on what ended the command, and return its exit code."""
    if isinstance(error, BrokenPipeError):
        _abandon_output()
        return 143 if run.terminated else 1
    if run.debug and not isinstance(error, (KeyboardInterrupt, click.ClickException)):
        traceback.print_exc()
    # A library may have replaced the interrupt by another error.
    if run.terminated:
        _complain("terminated")
        return 143
    if isinstance(error, KeyboardInterrupt):
        _complain("interrupted")
        return 130
    if isinstance(error, click.ClickException):
        _complain(f"error: {_message(error)}")
        return error.exit_code
    _complain(f"error: {_reason(error)}")
    return 1


@contextmanager
def _termination_as_interrupt(run):
    """Let SIGTERM do what Ctrl-C does, so that temporary files and workers go."""

    def interrupt(number, frame):
        # A second signal must not disturb the cleaning up after the first.
        if not run.terminated:
            run.terminated = True
            raise KeyboardInterrupt

    # Handlers belong to the main thread; one that is not the default belongs to the caller.
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _invoke(argv, run):
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with _group.make_context(PROG, arguments, obj=run) as context:
            _group.invoke(context)
    except click.exceptions.Exit as stop:  # --help and --version
        status = stop.exit_code
    else:
        status = 0
    if sys.stdout is not None:
        # Here, because a closed pipe cannot be caught when the interpreter exits.
        sys.stdout.flush()
    return status


def _complain(text):
    # Above a progress bar, if there is one.
    with tqdm.external_write_mode(file=sys.stderr):
        say(f"{PROG}: {in_one_line(text)}", err=True)


def _show_warning(seen):
    """Return a replacement for `warnings.showwarning` that prints a line, once for each text."""

    def show(message, category, filename, lineno, file=None, line=None):
        if str(message) not in seen:
            seen.add(str(message))
            _complain(f"warning: {message}")

    return show


def _message(error):
    """Return click's message on a wrong usage, and where help is."""
    text = error.format_message()
    context = getattr(error, "ctx", None)
    if not isinstance(error, click.UsageError):
        return text
    parameter = getattr(error, "param", None)
    if context is not None and parameter is not None:
        source = context.get_parameter_source(parameter.name)
        if source is click.core.ParameterSource.DEFAULT_MAP:
            text = f"{text.rstrip('.')} (in the config file)."
    return f"{text} (see {PROG if context is None else context.command_path} --help)"


def _reason(error):
    # torch raises RuntimeErrors, for GPUs and for the CPU's allocator.
    exhausted = isinstance(error, RuntimeError) and any(
        sign in str(error).lower() for sign in ("out of memory", "allocate memory")
    )
    if exhausted or isinstance(error, MemoryError):
        return f"out of memory ({error}); give fewer rows or smaller images."
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"'{error.filename}': "
        return f"{name}{error.strerror}"
    if isinstance(error, _EXPECTED):
        return in_options(str(error) or type(error).__name__)
    # Its text is not the program's own, and may show data.
    return (
        f"unexpected {type(error).__name__}; this is a bug of the program; --debug shows "
        "its traceback."
    )


def _abandon_output():
    """Let the interpreter flush a closed pipe without another error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
