"""The command ``inspect``: what a saved model is."""

import json
from pathlib import Path

import click
from safetensors import safe_open

import sklearn_pyraug

from .options import Command, in_one_line, say

_SHOWN = 8


@click.command(
    cls=Command,
    short_help="Describe a saved model.",
    examples=["inspect patients.pyraug", "inspect patients.pyraug --json"],
)
@click.argument("source", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(source, as_json):
    """Print the columns, classes, networks and parameters of a MODEL of `train`.

    MODEL may also be a file of RHVAEEmbedder.save. Only parameters that differ from their defaults
    are listed.
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
    try:
        model = sklearn_pyraug.RHVAEAugmenter.load(path)
    except ValueError as error:
        if getattr(error, "kind", None) != "embedder":
            raise
        model = sklearn_pyraug.RHVAEEmbedder.load(path)
    # The head of the file, which `load` has checked.
    with safe_open(path, framework="pt") as archive:
        versions = json.loads(archive.metadata()["meta"].partition(" ")[2])["versions"]
    is_embedder = isinstance(model, sklearn_pyraug.RHVAEEmbedder)
    learned = (_of_embedder if is_embedder else _of_augmenter)(model)
    return {
        "file": str(path),
        "model": type(model).__name__,
        "size_in_bytes": path.stat().st_size,
        "versions": versions,
        "columns": model.n_features_in_,
        "column_names": list(getattr(model, "feature_names_in_", [])),
        "sample_shape": model.sample_shape_,
        **learned,
        "likelihood": model.likelihood_,
        "parameters": dict(_changed(model)),
    }


def _changed(estimator, prefix=""):
    """Yield the names and values of the parameters that are not at their defaults."""
    defaults = type(estimator)().get_params(deep=False)
    for name, value in estimator.get_params(deep=False).items():
        if repr(value) == repr(defaults[name]):
            continue
        if hasattr(value, "get_params"):
            yield prefix + name, type(value).__name__
            yield from _changed(value, f"{prefix}{name}__")
        else:
            yield prefix + name, value


def _of_augmenter(augmenter):
    labels = augmenter.classes_.tolist()
    return {
        "rows": {str(labels[k]): len(rows) for k, rows in augmenter._generators.class_rows.items()},
        "decoder": augmenter.decoder_,
        "epochs": {str(label): n for label, n in augmenter.n_epochs_.items()},
    }


def _of_embedder(embedder):
    return {
        "rows": embedder._n_rows,
        "codes": list(embedder.get_feature_names_out()),
        "epochs": embedder.n_epochs_,
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
