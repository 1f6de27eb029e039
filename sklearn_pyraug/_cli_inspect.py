"""The command ``inspect``: what a saved model is."""

import json
import zipfile
from pathlib import Path

import click

from sklearn_pyraug import RHVAEAugmenter

from ._cli_command import Command, in_one_line, say

__all__ = ["describe_model", "inspect"]

_SHOWN = 8


@click.command(
    cls=Command,
    short_help="Say what a saved model is.",
    examples=["inspect patients.pyraug", "inspect patients.pyraug --json"],
)
@click.argument("source", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(source, as_json):
    """Print what a MODEL of `train` has learned from, its networks' kind, and its parameters.

    Of the parameters, those that differ from their defaults are listed.
    """
    if not source.is_file():
        raise click.ClickException(f"MODEL is '{source}', where there is no file; check the name.")
    description = describe_model(source)
    if as_json:
        say(json.dumps(description, indent=2, default=str))
        return
    width = max(map(len, description))
    for name, value in description.items():
        say(f"{name.replace('_', ' '):<{width}}  {in_one_line(_shown(value))}")


def describe_model(path):
    """Return what a model file holds.

    Parameters
    ----------
    path : Path

    Returns
    -------
    description : dict
        Plain values, to be written as JSON.
    """
    augmenter = RHVAEAugmenter.load(path)
    # The head of the file, which `load` has found to be sound.
    with zipfile.ZipFile(path) as archive:
        versions = json.loads(archive.read("meta.json"))["versions"]
    labels = augmenter.classes_.tolist()
    defaults = RHVAEAugmenter().get_params()
    return {
        "file": str(path),
        "size_in_bytes": path.stat().st_size,
        "versions": versions,
        "rows": {str(labels[k]): len(rows) for k, rows in augmenter._generators.class_rows.items()},
        "columns": augmenter.n_features_in_,
        "column_names": list(getattr(augmenter, "feature_names_in_", [])),
        "sample_shape": augmenter.sample_shape_,
        "decoder": augmenter.decoder_,
        "likelihood": augmenter.likelihood_,
        "epochs": {str(label): n for label, n in augmenter.n_epochs_.items()},
        "parameters": {
            name: value
            for name, value in augmenter.get_params().items()
            if repr(value) != repr(defaults[name])
        },
    }


def _shown(value):
    """Return a value in one line."""
    if isinstance(value, dict):
        parts = [f"{name} {item}" for name, item in value.items()]
    elif isinstance(value, list):
        parts = [str(item) for item in value]
    elif value is None:
        return "none"
    elif isinstance(value, int):
        return f"{value:,}"
    else:
        return str(value)
    more = f", and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return ", ".join(parts[:_SHOWN]) + more if parts else "none"
