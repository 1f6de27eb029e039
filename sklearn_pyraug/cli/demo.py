"""The command ``demo``."""

from pathlib import Path

import click

from . import demonstration as _demo
from .options import Command

__all__ = ["demo"]


@click.command(
    cls=Command,
    short_help="Augment a few handwritten digits and compare classifiers.",
    help=f"""Augment a few handwritten digits, compare classifiers trained without augmentation,
    with SMOTE and with RHVAEAugmenter on the same held-out rows, and draw real and synthetic
    digits into {_demo.IMAGE_NAME}. Nothing is downloaded.""",
    examples=["demo", "demo --output demo --random-state 1 --n-per-class 50"],
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default="demo",
    show_default=True,
    metavar="FOLDER",
    help="Where the picture goes.",
)
@click.option(
    "--random-state",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="SEED",
    help="Seed of rows, training and classifiers.",
)
@click.option(
    "--n-per-class",
    type=click.IntRange(_demo.FEWEST_ROWS, _demo.MOST_ROWS),
    default=20,
    show_default=True,
    metavar="N",
    help=f"Training rows of each class, {_demo.FEWEST_ROWS} to {_demo.MOST_ROWS}.",
)
@click.option("--overwrite", is_flag=True, help="Replace a picture that is there already.")
def demo(output, random_state, n_per_class, overwrite):
    """Run the demonstration."""
    _demo.run_demo(output, random_state=random_state, n_per_class=n_per_class, overwrite=overwrite)
