"""The command line, ``python -m sklearn_pyraug``: it reads arguments and reports errors."""

import argparse
import sys

from sklearn_pyraug import __version__, _demo

_PROG = "python -m sklearn_pyraug"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    status : int
        0 on success, 1 where the command failed, 130 where it was interrupted.

    Raises
    ------
    SystemExit
        With code 2 on wrong usage, with code 0 after ``--help`` and ``--version``.

    Examples
    --------
    >>> from sklearn_pyraug.cli import main
    >>> try:
    ...     main(["--version"])
    ... except SystemExit as stop:
    ...     print("exit code", stop.code)  # doctest: +ELLIPSIS
    sklearn-pyraug ...
    exit code 0
    """
    arguments = _make_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        print(f"{_PROG}: interrupted", file=sys.stderr)
        return 130
    # What a user can cause and mend. Anything else is a defect of the program, and its
    # traceback is wanted.
    except (ImportError, OSError, ValueError) as error:
        print(f"{_PROG}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _make_parser():
    parser = _Parser(
        prog=_PROG,
        description="Augment small data sets with Riemannian variational autoencoders.",
        epilog=f"example: {_PROG} demo --output demo",
    )
    parser.add_argument("--version", action="version", version=f"sklearn-pyraug {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    return parser


def _add_demo(commands):
    demo = commands.add_parser(
        "demo",
        help="augment a few handwritten digits and compare classifiers",
        description=(
            "Augment a few handwritten digits, compare classifiers trained without "
            "augmentation, with SMOTE and with RHVAEAugmenter on the same held-out rows, and "
            f"draw real and synthetic digits into {_demo.IMAGE_NAME}. Nothing is downloaded."
        ),
        epilog=f"example: {_PROG} demo --output demo --random-state 1 --n-per-class 50",
    )
    demo.add_argument(
        "--output", default="demo", metavar="FOLDER", help="where the picture goes (%(default)s)"
    )
    demo.add_argument(
        "--random-state",
        type=_integer_between(0, 2**32 - 1),
        default=0,
        metavar="SEED",
        help="seed of rows, training and classifiers (%(default)s)",
    )
    demo.add_argument(
        "--n-per-class",
        type=_integer_between(_demo.FEWEST_ROWS, _demo.MOST_ROWS),
        default=20,
        metavar="N",
        help=(
            f"training rows of each class, {_demo.FEWEST_ROWS} to {_demo.MOST_ROWS} (%(default)s)"
        ),
    )
    demo.add_argument(
        "--overwrite", action="store_true", help="replace a picture that is there already"
    )
    demo.set_defaults(run=_run_demo)


def _run_demo(arguments):
    _demo.run_demo(
        arguments.output,
        random_state=arguments.random_state,
        n_per_class=arguments.n_per_class,
        overwrite=arguments.overwrite,
    )


def _integer_between(low, high):
    """Return a converter for argparse that refuses integers out of range."""

    def convert(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no integer from {low} to {high}")
        return value

    return convert
