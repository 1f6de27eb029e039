"""Tests of --set, --config and --pyraug-config: what parameters the estimator gets."""

import json
import math

import numpy as np
import pytest

from sklearn_pyraug import (
    HMC,
    MLP,
    Checkpoint,
    Columns,
    Deformation,
    ImageShape,
    LearnedMetric,
    Residual,
    RHVAEAugmenter,
    Transfer,
)
from sklearn_pyraug.cli import main
from sklearn_pyraug.cli.options import SETTABLE, parse_value
from sklearn_pyraug.cli.pyraug_config import translate
from sklearn_pyraug.io import save_table
from sklearn_pyraug.rhvae.flow.hamiltonian import tempering_factors

PYRAUGS = {
    "decoder": "direct",
    "metric": "learned",
    "metric__integrator": "leapfrog",
    "sampler": "hmc",
}
MODEL = {
    "input_dim": 784,
    "latent_dim": 4,
    "uses_default_encoder": True,
    "uses_default_decoder": True,
    "n_lf": 2,
    "eps_lf": 0.001,
    "beta_zero": 0.5,
    "temperature": 1.5,
    "regularization": 0.02,
    "uses_default_metric": True,
}
TRAINING = {
    "output_dir": None,
    "batch_size": 20,
    "max_epochs": 7,
    "learning_rate": 0.01,
    "train_early_stopping": None,
    "eval_early_stopping": None,
    "steps_saving": None,
    "seed": 8,
    "no_cuda": True,
    "verbose": True,
}
SAMPLER = {
    "output_dir": None,
    "batch_size": 50,
    "samples_per_save": 500,
    "no_cuda": False,
    "mcmc_steps_nbr": 12,
    "n_lf": 15,
    "eps_lf": 0.03,
    "beta_zero": 1.0,
}


@pytest.fixture
def parameters_of(tmp_path, monkeypatch):
    """A function that runs `augment` with options and returns the parameters of its estimator."""
    save_table(tmp_path / "rows.npz", np.eye(6), ["a", "a", "b", "b", "1", "1"])
    monkeypatch.chdir(tmp_path)
    made = []

    set_params = RHVAEAugmenter.set_params

    def record(self, **parameters):
        made.append(parameters)
        return set_params(self, **parameters)

    def stop(self, X, y):
        raise ValueError("stopped")

    monkeypatch.setattr(RHVAEAugmenter, "set_params", record)
    monkeypatch.setattr(RHVAEAugmenter, "fit_resample", stop)

    def run(*options):
        assert main(["augment", "rows.npz", "-o", "out.npz", *options]) == 1
        return made.pop()

    return run


def usage_error(capsys, *options):
    """Run `augment` with wrong options and return what it says."""
    assert main(["augment", "rows.npz", "-o", "out.npz", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("sklearn-pyraug: error: ")
    return line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-1", -1),
        ("1e-3", 1e-3),
        ("True", True),
        ("false", False),
        ("None", None),
        ("null", None),
        ("hmc", "hmc"),
        ("cuda:1", "cuda:1"),
        (" spaced ", "spaced"),
        ("64,32", (64, 32)),
        ("(0.1, 1.0)", (0.1, 1.0)),
        ("[28, 28]", [28, 28]),
        ("['age', 'sex']", ["age", "sex"]),
        ('{"a": 5}', {"a": 5}),
        ("{1: 5}", {1: 5}),
        ('"3"', "3"),
        ("__import__('os')", "__import__('os')"),
        ("", ""),
    ],
)
def test_values_are_read_as_literals_or_text(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@pytest.mark.parametrize("text", ["[1, 2", "{a: 5}", "(1,", '"a', "[" * 500])
def test_broken_literals_are_no_text(text):
    with pytest.raises(ValueError, match="check its brackets and quotes"):
        parse_value(text)


def test_every_parameter_but_networks_and_callbacks_can_be_set():
    """The list that the help shows is the estimator's own, with its components."""
    augmenter = RHVAEAugmenter(
        sample_shape=ImageShape(),
        columns=Columns(),
        decoder=Residual(),
        encoder=MLP(),
        metric=LearnedMetric(),
        sampler=HMC(),
        output=Transfer(),
        checkpoint=Checkpoint("folder"),
    )
    known = {*augmenter.get_params(), *augmenter.set_params(decoder=Deformation()).get_params()}
    assert sorted({*SETTABLE, "callbacks", "metric__network"}) == sorted(known)


def test_defaults_are_the_estimators_and_seed_0(parameters_of):
    assert parameters_of() == {"random_state": 0, "verbose": 0}


def test_options_and_set_reach_the_estimator(parameters_of):
    parameters = parameters_of(
        *("--latent-dim", "3", "--seed", "5", "--device", "cpu", "--n-jobs", "-1"),
        *("--factor", "3", "--sampling-strategy", "minority"),
        *("--set", "lr=1e-2", "--set", "encoder--hidden-layer-sizes=64,32"),
        *("--set", "patience=none", "--set", "sample_shape__channels=none"),
    )
    assert parameters == {
        "latent_dim": 3,
        "random_state": 5,
        "device": "cpu",
        "n_jobs": -1,
        "augmentation_factor": 3.0,
        "sampling_strategy": "minority",
        "lr": 0.01,
        "encoder__hidden_layer_sizes": (64, 32),
        "patience": None,
        "sample_shape__channels": "none",
        "verbose": 0,
    }


def test_rows_per_class_become_class_sizes(parameters_of):
    parameters = parameters_of("--per-class", "10")
    assert parameters["sampling_strategy"] == {"a": 12, "b": 12, "1": 12}


def test_labels_of_a_strategy_are_those_of_the_data(parameters_of):
    assert parameters_of("--sampling-strategy", '{"a": 5}')["sampling_strategy"] == {"a": 5}
    assert parameters_of("--sampling-strategy", "{1: 5}")["sampling_strategy"] == {"1": 5}


def test_an_unknown_label_of_a_strategy_is_named(parameters_of, capsys):
    arguments = ["augment", "rows.npz", "-o", "out.npz", "--sampling-strategy", '{"c": 5}']
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert "has the label 'c', which there is not. There are '1', 'a', 'b'." in told


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            ["--set", "latent_dimm=3"],
            "'latent_dimm', which does not exist; did you mean 'latent_dim'",
        ),
        (["--set", "zzz=3"], "'zzz', which does not exist. "),
        (["--set", "latent_dim"], "--set 'latent_dim' has no value"),
        (["--set", "latent_dim=[3"], "check its brackets"),
        (["--set", "latent_dim=0"], "'latent_dim' parameter of RHVAEAugmenter must be"),
        (["--latent-dim", "many"], "'latent_dim' parameter of RHVAEAugmenter must be"),
        (["--set", "metric__network=Net"], "takes Python objects and cannot be set here"),
        (["--set", "callbacks=[]"], "takes Python objects"),
        (["--seed", "3", "--set", "random_state=4"], "random_state is given twice"),
        (["--seed", "-3"], "-3 is not in the range x>=0"),
        (["--per-class", "0"], "0 is not in the range x>=1"),
        (["--per-class", "5", "--factor", "3"], "--per-class fixes the rows"),
        (["--per-class", "5", "--sampling-strategy", "all"], "and so does --sampling-strategy"),
        (["--per-class", "5", "--set", "sampling_strategy=all"], "contradict"),
        (["--sampling-strategy", '{"a": 5}', "--factor", "3"], "--factor has no effect"),
        (["--factor", "0.5"], "'augmentation_factor' parameter of RHVAEAugmenter must be"),
        (["--size", "28"], "'28' is no size such as 64x64"),
        (["--size", "28xwide"], "'28xwide' is no size"),
        (["--size", "0x3"], "'0x3' is no size"),
        (["--on-error", "ignore"], "'ignore' is not one of 'raise', 'skip'"),
        (["--size", "8x8"], "--size is for folders"),
        (["--drop", "x"], "--drop names columns, but INPUT is an npz file"),
        (["--from-folders"], "--from-folders needs a folder"),
    ],
)
def test_wrong_options_are_refused(options, match, parameters_of, capsys):
    assert match in usage_error(capsys, *options)


def test_a_config_file_in_toml_or_json(parameters_of, tmp_path):
    (tmp_path / "run.toml").write_text(
        'per-class = 10\nseed = 3\nlatent_dim = "auto"\n'
        '[parameters]\nlr = 0.01\nencoder__hidden_layer_sizes = [8, 4]\npatience = "none"\n'
    )
    expected = {
        "sampling_strategy": {"a": 12, "b": 12, "1": 12},
        "random_state": 3,
        "latent_dim": "auto",
        "lr": 0.01,
        "encoder__hidden_layer_sizes": [8, 4],
        "patience": None,
        "verbose": 0,
    }
    assert parameters_of("--config", "run.toml") == expected
    config = {
        "per_class": 10,
        "seed": 3,
        "latent-dim": "auto",
        "factor": None,
        "parameters": {"lr": 0.01, "encoder__hidden_layer_sizes": [8, 4], "patience": None},
    }
    (tmp_path / "run.json").write_text(json.dumps(config))
    assert parameters_of("--config", "run.json") == expected


def test_the_command_line_goes_before_the_config_file(parameters_of, tmp_path):
    (tmp_path / "run.toml").write_text(
        "seed = 3\nlatent_dim = 2\nfactor = 3\n[parameters]\nlr = 0.1\nmax_epochs = 5\n"
    )
    parameters = parameters_of(
        *("--config", "run.toml", "--seed", "4", "--set", "latent_dim=6", "--set", "lr=1"),
        *("--per-class", "1"),
    )
    assert parameters == {
        "random_state": 4,
        "latent_dim": 6,
        "lr": 1,
        "max_epochs": 5,
        "sampling_strategy": {"a": 3, "b": 3, "1": 3},
        "verbose": 0,
    }
    (tmp_path / "run.toml").write_text("per-class = 5\n")
    parameters = parameters_of("--config", "run.toml", "--factor", "4")
    assert parameters == {"random_state": 0, "augmentation_factor": 4.0, "verbose": 0}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("factr = 3", "has the key 'factr', which is not an option; did you mean 'factor'"),
        ("lr = 3", "has the key 'lr', which is not an option; put it into the table [parameters]"),
        ("config = 'x'", "has the key 'config', which is not an option"),
        ("seed = 2.5", "'2.5' is not a valid integer range (in the config file)."),
        ("overwrite = 'maybe'", "(in the config file)"),
        ("parameters = 3", "`parameters` that are no table"),
        ("[parameters]\nlrr = 3", "the parameter 'lrr', which does not exist; did you mean 'lr'"),
        ("[parameters]\ncallbacks = 'Net'", "takes Python objects"),
    ],
)
def test_wrong_keys_of_a_config_file_are_named(text, match, parameters_of, tmp_path, capsys):
    (tmp_path / "run.toml").write_text(text)
    assert match in usage_error(capsys, "--config", "run.toml")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("run.toml", None, "'run.toml': No such file"),
        ("run.toml", b"seed = ", "no readable TOML"),
        ("run.toml", b"\xff", "no readable"),
        ("run.json", b"[1]", "which holds no table of options"),
    ],
)
def test_a_config_file_that_cannot_be_read(name, content, match, parameters_of, tmp_path, capsys):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["augment", "rows.npz", "-o", "o.npz", "--config", name]) == 1
    assert match in capsys.readouterr().err


def test_pyraugs_three_files_are_translated(parameters_of, tmp_path, capsys):
    files = {"model_config": MODEL, "training_config": TRAINING, "sampler_config": SAMPLER}
    for name, config in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(config))
    options = [part for name in files for part in ("--pyraug-config", f"{name}.json")]
    expected = {
        **PYRAUGS,
        "latent_dim": 4,
        "metric__n_leapfrog": 2,
        "metric__leapfrog_step": 0.001,
        "metric__beta_zero": 0.25,
        "metric__temperature": 1.5,
        "metric__regularization": 0.02,
        "batch_size": 20,
        "max_epochs": 7,
        "lr": 0.01,
        "patience": None,
        "random_state": 8,
        "device": "cpu",
        "sampler__n_steps": 12,
        "sampler__n_leapfrog": 15,
        "sampler__step_size": 0.03,
        "verbose": 0,
    }
    assert parameters_of(*options) == expected
    notes = [line for line in capsys.readouterr().err.splitlines() if ": note: " in line]
    assert [note.split()[3] for note in notes] == [
        "input_dim",
        "output_dir",
        "verbose",
        "output_dir",
        "batch_size",
        "samples_per_save",
    ]
    overridden = parameters_of(*options, "--seed", "1", "--set", "decoder=auto")
    assert overridden == expected | {"random_state": 1, "decoder": "auto"}


@pytest.mark.parametrize("beta_zero", [0.3, 0.5, 1.0])
def test_pyraugs_beta_zero_is_a_root(beta_zero):
    """Its momentum starts as γ / beta_zero, ours as γ / √β₀, with √β₀ the factors' product."""
    parameters, _ = translate({"beta_zero": beta_zero, "n_lf": 3}, "model_config.json")
    factors = tempering_factors(parameters["metric__beta_zero"], 3)
    assert math.prod(factors) == pytest.approx(beta_zero, rel=1e-12)


def test_pyraug_tempers_as_we_do():
    """Of the version that can be installed: the factor 1/√β of its momentum before each step."""
    pytest.importorskip("pyraug")
    from pyraug.models import RHVAE
    from pyraug.models.rhvae import RHVAEConfig

    model = RHVAE(RHVAEConfig(input_dim=4, latent_dim=2, n_lf=3, beta_zero=0.3))
    roots = [float(model._tempering(k, 3)) for k in range(4)]
    parameters, _ = translate({"beta_zero": 0.3, "n_lf": 3}, "model_config.json")
    factors = tempering_factors(parameters["metric__beta_zero"], 3)
    ratios = [a / b for a, b in zip(roots[:-1], roots[1:], strict=True)]
    assert ratios == pytest.approx(factors, rel=1e-5)


def test_every_key_that_pyraug_writes_is_known():
    """Of its three dataclasses, in the version that can be installed."""
    pytest.importorskip("pyraug")
    from pyraug.models.rhvae import RHVAEConfig, RHVAESamplerConfig
    from pyraug.trainers.training_config import TrainingConfig

    for config, name in (
        (RHVAEConfig(), "model_config.json"),
        (TrainingConfig(), "training_config.json"),
        (RHVAESamplerConfig(), "sampler_config.json"),
    ):
        parameters, _ = translate(config.to_dict(), name)
        RHVAEAugmenter().set_params(**parameters)._validate_params()


@pytest.mark.parametrize(
    ("config", "name", "parameters", "notes"),
    [
        ({"n_lf": 3}, "model_config.json", {"metric__n_leapfrog": 3}, []),
        ({"n_lf": 3}, "rhvae_config.json", {"metric__n_leapfrog": 3}, []),
        ({"n_lf": 3}, "my_sampler_config.json", {"sampler__n_leapfrog": 3}, []),
        (
            {"n_lf": 3, "mcmc_steps_nbr": 5},
            "x.json",
            {"sampler__n_leapfrog": 3, "sampler__n_steps": 5},
            [],
        ),
        (
            {"eps_lf": 0.1, "temperature": 2},
            "x.json",
            {"metric__leapfrog_step": 0.1, "metric__temperature": 2},
            [],
        ),
        ({"uses_default_metric": False}, "x.json", {}, ["uses_default_metric has no counterpart"]),
        (
            {"max_epochs": 5, "steps_saving": 10},
            "x.json",
            {"max_epochs": 5},
            ["checkpoint__interval=10"],
        ),
        ({"mcmc_steps_nbr": 5, "beta_zero": 0.3}, "x", {"sampler__n_steps": 5}, ["not tempered"]),
        (
            {"mcmc_steps_nbr": 5, "random_start": True},
            "x",
            {"sampler__n_steps": 5},
            ["random_start"],
        ),
        (
            {"train_early_stopping": 50, "eval_early_stopping": 9},
            "training_config.json",
            {"patience": 9},
            ["validation_fraction"],
        ),
    ],
)
def test_single_keys_of_pyraug(config, name, parameters, notes):
    translated, told = translate(config, name)
    assert translated == PYRAUGS | parameters
    assert len(told) == len(notes)
    assert all(part in note for part, note in zip(notes, told, strict=True))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('{"latent_dimension": 3}', "has the key 'latent_dimension', none of Pyraug's"),
        ('{"n_lf": 3}', "give model_config.json, training_config.json and sampler_config.json"),
        ('{"n_lf": 3, "max_epochs": 5}', "not those of one of Pyraug's three files"),
        ("{}", "with the keys none"),
        ("[1]", "holds a list; give a JSON object"),
        ("{", "no JSON file"),
    ],
)
def test_files_that_are_none_of_pyraugs(content, match, parameters_of, tmp_path, capsys):
    (tmp_path / "x.json").write_text(content)
    assert main(["augment", "rows.npz", "-o", "o.npz", "--pyraug-config", "x.json"]) == 1
    assert match in capsys.readouterr().err


def test_lists_and_tables_of_a_config_file(parameters_of, tmp_path):
    """A single name was refused, and so was a file that begins with a byte order mark."""
    (tmp_path / "training_config.json").write_text('{"max_epochs": 7}')
    sizes = {"a": 5, "b": 5, "1": 5}
    config = {"sampling_strategy": sizes, "pyraug_config": "training_config.json"}
    (tmp_path / "run.json").write_text("\ufeff" + json.dumps(config), encoding="utf-8")
    more = {"sampling_strategy": sizes, "max_epochs": 7, "random_state": 0, "verbose": 0}
    assert parameters_of("--config", "run.json") == PYRAUGS | more
