"""Pyraug's JSON files, translated into parameters of RHVAEAugmenter.

Pyraug 0.0.6 writes three of them, ``model_config.json``, ``training_config.json`` and
``sampler_config.json``; the keys ``n_lf`` and ``eps_lf`` mean one thing in the first and another
in the last. docs/migration.md has the table.
"""

import json
import os
from numbers import Real
from pathlib import Path

from ..io._guards import open_inside

_OWN_NETWORK = (
    "the {} was the model's own, which no JSON file holds; the default one is used (pass yours "
    "in Python)"
)
# Pyraug's config files have some hundred bytes.
_MAX_BYTES = 2**20
# For each kind of file and key, the parameter that takes the value unchanged.
_PARAMETERS = {
    "model": {
        "latent_dim": "latent_dim",
        "n_lf": "metric__n_leapfrog",
        "eps_lf": "metric__leapfrog_step",
        "temperature": "metric__temperature",
        "regularization": "metric__regularization",
    },
    "training": {
        "max_epochs": "max_epochs",
        "batch_size": "batch_size",
        "learning_rate": "lr",
        "train_early_stopping": "patience",
        "seed": "random_state",
    },
    "sampler": {
        "mcmc_steps_nbr": "sampler__n_steps",
        "n_lf": "sampler__n_leapfrog",
        "eps_lf": "sampler__step_size",
    },
}
# Notes on the other keys: a text, or a function of the value that returns a text or None. Keys with
# None have their own rule below.
_NOTES = {
    "model": {
        "input_dim": "read from the data",
        "uses_default_encoder": lambda value: None if value else _OWN_NETWORK.format("encoder"),
        "uses_default_decoder": lambda value: None if value else _OWN_NETWORK.format("decoder"),
        "uses_default_metric": lambda value: (
            None if value else _OWN_NETWORK.format("metric network")
        ),
        "beta_zero": None,
    },
    "training": {
        "output_dir": "the output is named by -o",
        "steps_saving": lambda value: (
            None
            if value is None
            else "add --set checkpoint=FOLDER and "
            f"--set checkpoint__interval={value} to resume a killed run"
        ),
        "verbose": "a terminal shows a progress bar; --quiet hides it",
        "eval_early_stopping": None,
        "no_cuda": None,
    },
    "sampler": {
        "output_dir": "the output is named by -o",
        "batch_size": "rows are drawn in chunks that fit the memory",
        "samples_per_save": "nothing is saved in parts; the output is one file or folder, "
        "named by -o",
        "beta_zero": lambda value: None if value == 1 else "the chains are not tempered",
        "random_start": lambda value: "chains start from real rows' codes" if value else None,
        "num_samples": "say how many rows by --per-class or --n",
        "no_cuda": None,
    },
}
_KEYS = {kind: {*_PARAMETERS[kind], *_NOTES[kind]} for kind in _NOTES}
# Words in file names that decide if the keys fit several kinds.
_WORDS = {
    "training": ("train",),
    "sampler": ("sampler", "generation"),
    "model": ("model", "rhvae", "vae"),
}


def read_pyraug_config(path):
    """Read one of Pyraug's JSON files."""
    try:
        handle, (n_bytes, _) = open_inside(*os.path.split(os.path.realpath(path)))
        with handle:
            if n_bytes > _MAX_BYTES:
                raise ValueError(f"it has {n_bytes} bytes")
            config = json.loads(handle.read(_MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"`--pyraug-config` is '{path}', which is no JSON file ({error}); give one that "
            "Pyraug wrote."
        ) from error
    if not isinstance(config, dict):
        raise ValueError(
            f"`--pyraug-config` is '{path}', which holds a {type(config).__name__}; give a JSON "
            "object of keys and values, as Pyraug writes it."
        )
    return config


def translate(config, name):
    """Translate one of Pyraug's configurations into parameters of RHVAEAugmenter.

    Parameters
    ----------
    config : dict
        Content of the file.
    name : str
        Name of the file, for messages, and for the kind of a file whose keys fit several.

    Returns
    -------
    parameters : dict
        With the direct decoder, HMC and the learned metric by the papers' leapfrog: Pyraug has no
        others.
    notes : list of str
        One for each key that has no counterpart, in the order of the file.

    Raises
    ------
    ValueError
        If a key is none of Pyraug's, or the kind of the file is not clear.

    Examples
    --------
    >>> from sklearn_pyraug.cli.pyraug_config import translate
    >>> parameters, notes = translate({"n_lf": 5, "input_dim": 784}, "model_config.json")
    >>> parameters
    {'decoder': 'direct', 'sampler': 'hmc', 'metric': 'learned',
     'metric__integrator': 'leapfrog', 'metric__n_leapfrog': 5}
    >>> notes
    ['model_config.json: input_dim has no counterpart: read from the data']
    """
    kind = _kind(config, name)
    parameters = {"decoder": "direct", "sampler": "hmc", "metric": "learned"}
    parameters["metric__integrator"] = "leapfrog"
    notes = []
    for key, value in config.items():
        if key in _PARAMETERS[kind]:
            parameters[_PARAMETERS[kind][key]] = value
        elif (note := _NOTES[kind][key]) is not None:
            text = note if isinstance(note, str) else note(value)
            if text is not None:
                notes.append(f"{name}: {key} has no counterpart: {text}")
        elif key == "beta_zero":
            # Pyraug's value is the root of β₀: the momentum starts as γ divided by it, not by its
            # root.
            parameters["metric__beta_zero"] = value * value if isinstance(value, Real) else value
        elif key == "no_cuda" and value:
            parameters["device"] = "cpu"
    if config.get("eval_early_stopping") is not None and kind == "training":
        # It takes precedence over the other one, as in Pyraug.
        parameters["patience"] = config["eval_early_stopping"]
        notes.append(
            f"{name}: eval_early_stopping is taken for `patience`; hold rows out by "
            "`validation_fraction` for it to look at"
        )
    return parameters, notes


def _kind(config, name):
    """Return which kind of file has such keys: "model", "training" or "sampler"."""
    given = set(config)
    unknown = sorted(given - set().union(*_KEYS.values()))
    if unknown:
        raise ValueError(
            f"`--pyraug-config` is '{name}', which has the key {unknown[0]!r}, none of Pyraug's; "
            "remove it, or use --config for a file of this program's own options."
        )
    fitting = [kind for kind, keys in _KEYS.items() if given <= keys]
    if len(fitting) > 1:
        # Model and sampler share names for different things.
        stem = Path(name).stem.lower()
        named = [kind for kind in fitting if any(word in stem for word in _WORDS[kind])]
        fitting = named or fitting
    if not given or len(fitting) != 1:
        raise ValueError(
            f"`--pyraug-config` is '{name}', with the keys {', '.join(map(repr, config)) or 'none'}"
            ", which are not those of one of Pyraug's three files; give model_config.json, "
            "training_config.json and sampler_config.json one by one, by these names."
        )
    return fitting[0]
