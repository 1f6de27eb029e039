"""The command ``demo``: its options, which need none of what it imports when it runs."""

from pathlib import Path

import click

from .options import Command

IMAGE_NAME = "real_vs_synthetic.png"
# SMOTE interpolates between a row and its 5 nearest of the class; the rarest digit has 174
# rows, of which some must be left for the test.
FEWEST_ROWS, MOST_ROWS = 6, 150


@click.command(
    cls=Command,
    short_help="Augment a few handwritten digits and compare classifiers.",
    help=f"""Augment a few handwritten digits, compare classifiers trained without augmentation,
    with SMOTE and with RHVAEAugmenter on the same held-out rows, and draw real and synthetic
    digits into {IMAGE_NAME}. Nothing is downloaded.""",
    examples=["demo", "demo --output demo --seed 1 --per-class 50"],
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default="demo",
    show_default=True,
    metavar="FOLDER",
    help="Folder of the picture.",
)
@click.option(
    "--seed",
    "random_state",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of rows, training and classifiers.",
)
@click.option(
    "--per-class",
    "n_per_class",
    type=click.IntRange(FEWEST_ROWS, MOST_ROWS),
    default=20,
    show_default=True,
    metavar="N",
    help=f"Training rows of each class, {FEWEST_ROWS} to {MOST_ROWS}.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def demo(output, random_state, n_per_class, overwrite):
    """Run the demonstration."""
    from .digits import run_demo

    run_demo(output, random_state=random_state, n_per_class=n_per_class, overwrite=overwrite)
