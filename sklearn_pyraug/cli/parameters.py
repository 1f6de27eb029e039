"""The estimator's parameters from the command line: --set, --config and --pyraug-config."""

import ast
import difflib
import json
import tomllib
from pathlib import Path

import click

from sklearn_pyraug import RHVAEAugmenter

from .pyraug_config import read_pyraug_config, translate

__all__ = ["augmenter_parameters", "load_config", "parse_value", "settable_parameters"]

_WORDS = {"true": True, "false": False, "none": None, "null": None}
# They take networks and objects, which no text gives.
_PYTHON_ONLY = ("callbacks", "encoder", "metric_network")
# Options that stand for one parameter each.
_OPTION_PARAMETERS = {
    "factor": "augmentation_factor",
    "strategy": "sampling_strategy",
    "latent_dim": "latent_dim",
    "seed": "random_state",
    "device": "device",
    "n_jobs": "n_jobs",
}


def settable_parameters():
    """Return the names of the parameters that the command line can set, sorted."""
    return [name for name in sorted(RHVAEAugmenter().get_params()) if name not in _PYTHON_ONLY]


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

    Raises
    ------
    ValueError
        If the text begins like a literal of several parts and is none.

    Examples
    --------
    >>> from sklearn_pyraug.cli.parameters import parse_value
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
        Options that there are, with underscores.

    Returns
    -------
    options : dict of str to (str or list of str)
        Values as if typed.
    parameters : dict
        Parameters of RHVAEAugmenter.

    Raises
    ------
    click.ClickException
        If the file cannot be read, or has an unknown key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
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
            hint = _hint(name, names)
            if name in settable_parameters():
                hint = "; put it into the table [parameters]."
            raise click.UsageError(f"'{path}' has the key {key!r}, which is no option{hint}")
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
    _check_values(parameters)
    return parameters, notes


def _check_name(name, where):
    """Return the name of a parameter that the command line can set, or raise."""
    if name in _PYTHON_ONLY:
        raise click.UsageError(
            f"{where} {name!r}, which takes Python objects and cannot be set here; use "
            "RHVAEAugmenter in Python."
        )
    known = settable_parameters()
    if name not in known:
        raise click.UsageError(f"{where} {name!r}, which there is not{_hint(name, known)}")
    return name


def _hint(name, known):
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else "."


def _parsed(value, where):
    if not isinstance(value, str):
        return value
    try:
        return parse_value(value)
    except ValueError as error:
        raise click.UsageError(f"{where}: {error}") from error


def _none(value):
    """Let a TOML file, which has no null, say "none"."""
    return None if isinstance(value, str) and value.lower() in ("none", "null") else value


def _typed(value):
    """Return an option's value as it would be typed, so that one parser checks both."""
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if isinstance(value, (dict, bool)):
        return json.dumps(value)
    return str(value)


def _check_values(parameters):
    """Let the estimator check the values before any file is read."""
    try:
        RHVAEAugmenter(**parameters)._validate_params()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
