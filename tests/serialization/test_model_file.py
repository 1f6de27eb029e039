"""Tests of saved models: what was learned comes back whole, and nothing else is let in."""

import copy
import functools
import json
import operator
import os
import pickle
import time
from contextlib import contextmanager
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from scipy import sparse
from shared import QUICK, table
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import nn

import sklearn_pyraug
from sklearn_pyraug import (
    HMC,
    MLP,
    Columns,
    LearnedMetric,
    PosteriorMetric,
    Residual,
    RHVAEAugmenter,
    RHVAEEmbedder,
    Transfer,
)
from sklearn_pyraug._model_file import _DATA_PARAMETERS
from sklearn_pyraug._preprocessing.templates import Template, template_state
from sklearn_pyraug._serialization.archive import read_archive, write_archive

pytestmark = pytest.mark.filterwarnings("ignore:Too few rows to train")


def quick(**parameters):
    """Return an augmenter that trains in no time."""
    return RHVAEAugmenter(**QUICK | parameters)


def images(shape=(8, 8), n=24, seed=0):
    """Return smooth grey images as uint8, and two classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    rows, columns = np.indices(shape[:2])
    centre = 3 + y[:, None, None] + rng.normal(size=(n, 1, 1))
    X = np.exp(-((rows - centre) ** 2 + (columns - centre) ** 2) / 6)
    if len(shape) == 3:
        X = np.stack([X * share for share in np.linspace(1, 0.5, shape[2])], axis=-1)
    return (255 * X).astype(np.uint8), y


def frame(n=40, seed=0):
    """Return a dataframe of many kinds of columns, and text labels as a named series."""
    rng = np.random.default_rng(seed)
    y = pd.Series(np.where(np.arange(n) % 3, "yes", "no"), name="answer")
    size = rng.normal(size=n).astype(np.float32)
    size[::7] = np.nan
    X = pd.DataFrame(
        {
            "name": rng.normal(size=n),
            "size": size,
            "count": rng.integers(0, 2**40, n),
            "colour": pd.Categorical(rng.choice(["red", "blue", "ä"], n), ordered=True),
            "text": rng.choice(["a", "b"], n),
            "flag": rng.random(n) < 0.5,
            "nullable": pd.array(rng.integers(0, 9, n), dtype="Int16"),
            "band": pd.cut(rng.normal(size=n), [-9, -1, 1, 9]),
            "day": pd.Categorical(pd.to_datetime(rng.choice(["2020-01-01", "2021-02-03"], n))),
            "amount": np.where(rng.random(n) < 0.4, 0.0, rng.lognormal(size=n)),
        }
    )
    X.loc[::9, "nullable"] = pd.NA
    X.loc[::11, "text"] = None
    return X, y


def objects(n=30):
    """Return an array of objects with levels of several types."""
    rng = np.random.default_rng(0)
    X = np.empty((n, 4), dtype=object)
    X[:, 0] = rng.normal(size=n)
    levels = [1, "one", None, 2.5, date(2020, 1, 2)]
    X[:, 1] = [levels[i] for i in rng.integers(0, len(levels), n)]
    X[:, 2] = [Decimal(int(i)) / 4 for i in rng.integers(0, 9, n)]
    X[:, 3] = [(int(i), "x") for i in rng.integers(0, 3, n)]
    return X, np.arange(n) % 2 == 0


class Encoder(nn.Module):
    """An encoder with a buffer, whose width a factory chooses."""

    def __init__(self, n_features, latent_dim, width=6):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_features, width), nn.LayerNorm(width), nn.SiLU())
        self.mu, self.log_var = nn.Linear(width, latent_dim), nn.Linear(width, latent_dim)
        self.register_buffer("gain", torch.tensor([0.5]))

    def forward(self, x):
        h = self.gain * self.body(x)
        return self.mu(h), self.log_var(h)


class ReferenceDecoder(nn.Module):
    """A decoder that starts from a reference row."""

    def __init__(self, latent_dim, n_features):
        super().__init__()
        self.change = nn.Linear(latent_dim, n_features)

    def forward(self, z, r):
        return r + self.change(z)


def metric_network(n_features, latent_dim):
    """Make a metric network."""
    return nn.Linear(n_features, latent_dim * (latent_dim + 1) // 2)


OF_THE_CALLER = {
    "callbacks",
    "checkpoint",
    "checkpoint_interval",
    "device",
    "memory",
    "n_jobs",
    "verbose",
}
GENERATOR = "state._generators.trained.0.generator"
WEIGHTS = f"{GENERATOR}.stack.tensors.encoder.net.layers.0.weight"
OWN = {
    "encoder": Encoder,
    "decoder": ReferenceDecoder,
    "metric": LearnedMetric(network=metric_network),
}
WIDE = np.random.default_rng(0).normal(size=(16, 40)).astype(np.float32), np.arange(16) % 2
SMALL_CLASS = table((20, 12, 2))
SPARSE = sparse.random(30, 5, 0.5, format="csr", random_state=0), np.arange(30) % 3

CASES = {
    "table": (*table(), {}),
    "list": (table()[0].tolist(), table()[1].tolist(), {}),
    "float16": (table()[0].astype(np.float16), table()[1], {}),
    "big-endian": (table()[0].astype(">f8"), table()[1], {}),
    "longdouble": (table()[0].astype(np.longdouble), table()[1], {}),
    "uint16": (
        (9 * table()[0] + 99).astype(np.uint16),
        table()[1],
        {"columns": Columns(value_mapping="nearest")},
    ),
    "uint64": ((table()[0] * 2**60).astype(np.int64).astype(np.uint64), table()[1], {}),
    "float labels": (table()[0], np.array([0.0, -1e15, 2.0])[table()[1]], {}),
    "text labels": (table()[0], np.array(["a", "", "ä ö"])[table()[1]], {}),
    "object labels": (table()[0], np.array(["a", "b", "c"], dtype=object)[table()[1]], {}),
    "quantiles": (*table(), {"columns": Columns(value_mapping="quantile", scaling="quantile")}),
    "no mapping": (*table(), {"columns": Columns(value_mapping=None), "validation_fraction": 0.2}),
    "draws": (*table(), {"output": Transfer(scale=0.5), "lr": np.float32(1e-3)}),
    "direct": (*table(), {"decoder": "direct"}),
    "few centroids": (*table(), {"decoder": "direct", "metric": LearnedMetric(max_centroids=5)}),
    "posterior metric": (
        *table(),
        {"decoder": "direct", "metric": PosteriorMetric(regularization="auto")},
    ),
    "random walk": (*table(), {"decoder": "direct", "sampler": "random_walk"}),
    "geodesic": (*table(), {"sampler": "geodesic", "metric": "learned"}),
    "prior": (*table(), {"sampler": "prior", "decoder": Residual(n_neighbors=3)}),
    "per class": (*table(), {"shared": False}),
    "small class": (*SMALL_CLASS, {"decoder": "direct"}),
    "smaller classes": (*table((3, 2)), {"shared": True}),
    "wide": (*WIDE, {"metric": LearnedMetric(max_centroids=6)}),
    "binary": ((table((20, 20), 8)[0] > 1).astype(int), table((20, 20))[1], {"decoder": "direct"}),
    "mixed": (*frame(), {"missing": "keep"}),
    "mixed, direct": (*frame(), {"missing": "keep", "decoder": "direct"}),
    "objects": (*objects(), {"missing": "keep", "categorical_features": [1, 3]}),
    "text array": (
        np.array([["1.5", "a"], ["2", "bcd"], ["0.5", "a"]] * 6),
        np.arange(18) % 2,
        {"categorical_features": [True, True]},
    ),
    "columns by position": (pd.DataFrame(table()[0]), pd.DataFrame({"y": table()[1]}), {}),
    "many levels": (
        pd.DataFrame({"level": np.arange(60) % 30, "x": np.arange(60.0) ** 2}),
        np.arange(60) % 2,
        {"categorical_features": ["level"]},
    ),
    "csr": (*SPARSE, {}),
    "csc array": (sparse.csc_array(SPARSE[0]), SPARSE[1], {}),
    "sparse frame": (pd.DataFrame.sparse.from_spmatrix(SPARSE[0]), SPARSE[1], {}),
    "flat images": (images()[0].reshape(24, 64), images()[1], {"sample_shape": [8, 8]}),
    "images": (*images(), {}),
    "images, perceptrons": (*images(), {"encoder": "mlp"}),
    "images, residual": (*images(), {"decoder": "residual"}),
    "large images": (*images((70, 20)), {}),
    "large colours": (*images((66, 20, 3)), {"encoder": "mlp", "shared": False}),
    "images, direct": (*images(), {"encoder": "conv", "decoder": "direct"}),
    "colours": (*images((8, 8, 3)), {}),
    "volumes": (np.repeat(images()[0][:, None], 5, 1), images()[1], {}),
    "own networks": (*table(), OWN),
    "own encoder": (*table(), {"encoder": Encoder(4, 2)}),
}
cases = pytest.mark.parametrize("case", CASES)


@functools.cache
def fitted(case):
    """Return the fitted augmenter of a case, which no test may change."""
    X, y, parameters = CASES[case]
    return quick(**parameters).fit(X, y)


def networks(augmenter):
    """Return the networks that `load` asks for."""
    own = {name: getattr(augmenter, name) for name in ("encoder", "decoder")}
    own["metric_network"] = getattr(augmenter.metric, "network", None)
    return {name: spec for name, spec in own.items() if callable(spec)}


def load(path, **parameters):
    """Load for the CPU."""
    return RHVAEAugmenter.load(path, **{"device": "cpu"} | parameters)


def reload(augmenter, path):
    """Save and load."""
    augmenter.save(path)
    return load(path, **networks(augmenter))


@pytest.fixture
def path(tmp_path):
    """A path where there is nothing."""
    return tmp_path / "model.pyraug"


def assert_equal(one, two):
    """Compare containers, with their types and dtypes."""
    assert type(one) is type(two)
    if isinstance(one, pd.DataFrame):
        assert_frame_equal(one, two, check_exact=True)
    elif isinstance(one, pd.Series):
        assert_series_equal(one, two, check_exact=True)
    elif sparse.issparse(one):
        assert one.dtype == two.dtype
        assert_array_equal(one.toarray(), two.toarray())
    else:
        assert getattr(one, "dtype", None) == getattr(two, "dtype", None)
        assert_array_equal(one, two)


def assert_same(one, two, where):
    """Walk two values and compare all that they are made of; numpy's numbers become Python's."""
    __tracebackhide__ = True
    one, two = (v.item() if isinstance(v, np.generic) else v for v in (one, two))
    assert type(one) is type(two), where
    if isinstance(one, nn.Module):
        pairs = (dict(m.state_dict()) | {"settings": m.settings} for m in (one, two))
        assert_same(*pairs, where)
        assert one.training == two.training, where
    elif isinstance(one, BaseEstimator):
        # Arrays among the parameters come back as lists.
        plain = (
            {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in e.get_params().items()}
            for e in (one, two)
        )
        assert_same(*plain, where)
    elif isinstance(one, np.random.RandomState):
        assert_same(one.get_state(), two.get_state(), where)
    elif isinstance(one, torch.Tensor):
        assert one.dtype == two.dtype, where
        assert one.is_contiguous() == two.is_contiguous(), where
        assert torch.equal(one, two), where
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype, where
        if one.flags.forc:
            assert one.flags.c_contiguous == two.flags.c_contiguous, where
        if one.dtype == object:
            assert_same(one.tolist(), two.tolist(), where)
        else:
            assert_array_equal(one, two, where)
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(two), where
        for i, (a, b) in enumerate(zip(one, two, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_same(one[key], two[key], f"{where}[{key!r}]")
    elif isinstance(one, Template):
        assert_same(template_state(one), template_state(two), where)
    elif hasattr(one, "__dict__") and type(one).__module__.startswith("sklearn_pyraug"):
        assert_same(vars(one), vars(two), where)
    else:
        assert one is two or one == two or (one != one and two != two), where


@cases
def test_samples_are_the_same_bit_for_bit(case, path):
    augmenter = fitted(case)
    loaded = reload(augmenter, path)
    for n in (3, {augmenter.classes_.tolist()[-1]: 2}):
        for one, two in zip(augmenter.sample(n), loaded.sample(n), strict=True):
            assert_equal(one, two)


@cases
def test_every_attribute_comes_back(case, path):
    """What others add to the estimator has to be known to the format, or this test names it."""
    augmenter = copy.deepcopy(fitted(case))
    augmenter.save(path)
    loaded = load(path, **networks(augmenter))
    given = dict.fromkeys(["decoder", "encoder", "metric"] if case.startswith("own") else [])
    for name, value in (vars(augmenter) | given).items():
        assert hasattr(loaded, name), f"{name} is not in the file: annotate it in _model_file"
        assert_same(value, (vars(loaded) | given)[name], name)


@pytest.mark.parametrize("case", ["table", "mixed", "csr", "images"])
def test_after_fit_resample(case, path):
    X, y, parameters = CASES[case]
    augmenter = quick(**parameters)
    augmenter.fit_resample(X, y)
    loaded = reload(augmenter, path)
    for name in ("synthetic_mask_", "origin_indices_", "origin_distances_"):
        assert_array_equal(getattr(loaded, name), getattr(augmenter, name))
    assert loaded.sampling_strategy_ == augmenter.sampling_strategy_
    for one, two in zip(augmenter.fit_resample(X, y), loaded.fit_resample(X, y), strict=True):
        assert_equal(one, two)


def test_a_loaded_model_can_be_saved_pickled_and_copied(path, tmp_path):
    augmenter = fitted("mixed")
    loaded = reload(augmenter, path)
    loaded.save(tmp_path / "second")
    load(tmp_path / "second").save(tmp_path / "third")
    assert (tmp_path / "second").read_bytes() == (tmp_path / "third").read_bytes()
    for twin in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert_equal(twin.sample(2)[0], augmenter.sample(2)[0])


@pytest.mark.parametrize("random_state", [3, np.int64(3), None, np.random.RandomState(1)], ids=str)
def test_random_state(random_state, path):
    augmenter = copy.deepcopy(fitted("table")).set_params(random_state=random_state)
    loaded = reload(augmenter, path)
    if random_state is not None:
        for _ in range(2):
            assert_equal(augmenter.sample(2)[0], loaded.sample(2)[0])


@pytest.mark.parametrize(
    "sampling_strategy",
    [{0: 30, 1: 25}, {np.int64(2): np.int64(30)}, "minority", {0: 30.0}],
    ids=str,
)
def test_parameters(sampling_strategy, path):
    """Those that are data come back; numbers of numpy are then Python's, and arrays lists."""
    augmenter = quick(
        sampling_strategy=sampling_strategy,
        output=Transfer(scale=[0.5, np.float64(0.9)]),
        encoder=MLP(np.array([8, 4])),
        patience=None,
        n_jobs=1,
        verbose=0,
        memory="cache",
        checkpoint="run",
    )
    augmenter.set_params(memory=None, checkpoint=None).fit(*table())
    augmenter.set_params(memory="cache", checkpoint="run").save(path)
    assert b"cache" not in path.read_bytes()
    loaded = RHVAEAugmenter.load(path, n_jobs=2)
    of_the_caller = {"memory": None, "checkpoint": None, "device": "auto", "n_jobs": 2}
    held = augmenter.get_params(deep=False) | of_the_caller
    for name, value in held.items():
        assert_same(value, loaded.get_params()[name], name)
    with pytest.raises(TypeError, match="latent_dim is in the file"):
        RHVAEAugmenter.load(path, latent_dim=2)


def test_all_other_parameters_say_where_and_how_to_run():
    """Name a new parameter in `_DATA_PARAMETERS` of _model_file if it is data."""
    for estimator in (RHVAEAugmenter(), RHVAEEmbedder()):
        others = estimator.get_params(deep=False).keys() - set(_DATA_PARAMETERS)
        assert others <= OF_THE_CALLER


def test_a_callable_strategy_becomes_the_default(path):
    quick(sampling_strategy=lambda y: {0: 30}).fit(*table()).save(path)
    with pytest.warns(UserWarning, match="without its sampling_strategy"):
        loaded = RHVAEAugmenter.load(path)
    assert loaded.sampling_strategy == "auto"
    assert loaded.sampling_strategy_ == {0: 10, 1: 0, 2: 0}


def test_equal_models_give_equal_files(path, tmp_path):
    quick().fit(*table()).save(path)
    quick().fit(*table()).save(tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_the_document_is_the_one_described(path):
    fitted("table").save(path)
    meta, tensors = read_archive(path)
    head = ["kind", "model_version", "versions", "networks"]
    assert list(meta) == [*head, "parameters", "architecture", "state"]
    assert (meta["kind"], meta["model_version"]) == ("augmenter", 1)
    assert meta["parameters"].keys() == RHVAEAugmenter().get_params().keys() - OF_THE_CALLER
    assert "state.classes_" in tensors
    assert tensors[f"{GENERATOR}.rows.0"].shape == (40, 4)


def test_another_file_is_kept_unless_told_otherwise(path):
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        fitted("table").save(path)
    assert path.read_text() == "mine"
    fitted("table").save(str(path), overwrite=True)
    assert RHVAEAugmenter.load(str(path)).n_features_in_ == 4


def test_not_fitted(path):
    with pytest.raises(NotFittedError):
        quick().save(path)
    assert not path.exists()


def test_the_device_is_the_callers(path, monkeypatch):
    copy.deepcopy(fitted("table")).set_params(device="cuda:1").save(path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert RHVAEAugmenter.load(path).device == "auto"
    assert RHVAEAugmenter.load(path, device="cpu").device == "cpu"


def test_another_version_of_the_package_warns(path):
    fitted("table").save(path)
    with changed(path) as (meta, _):
        meta["versions"]["sklearn_pyraug"] = "0.0.9"
    with pytest.warns(UserWarning, match=r"saved by sklearn_pyraug 0\.0\.9"):
        RHVAEAugmenter.load(path)
    with changed(path) as (meta, _):
        meta["versions"] = {"numpy": "0.1", "sklearn_pyraug": f"{sklearn_pyraug.__version__}.1"}
    RHVAEAugmenter.load(path)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("sampling_strategy", {0: {1, 2}}, r"parameters\.sampling_strategy\.0 is of type builtins"),
        ("random_state", np.random.RandomState(np.random.PCG64(1)), "RandomState.*joblib"),
        ("categorical_features", np.array([1j]), "ndarray"),
        ("classes_", np.array([1j, 2, 3]), r"state\.classes_ is of complex128"),
        ("n_features_in_", 4.5, r"state\.n_features_in_ is 4.5, not int"),
    ],
    ids=["set", "generator", "complex", "labels", "number"],
)
def test_unknown_types_are_named_before_anything_is_written(name, value, match, path):
    augmenter = copy.deepcopy(fitted("table"))
    setattr(augmenter, name, value)
    with pytest.raises(ValueError, match=match):
        augmenter.save(path)
    assert not path.exists()


@pytest.mark.parametrize(
    "parameters",
    [
        {"encoder": MLP((9,))},
        {"decoder": "direct"},
        {"encoder": Encoder},
        {"metric": PosteriorMetric(leapfrog_step=0.2)},
    ],
    ids=str,
)
def test_parameters_changed_after_fit(parameters, path):
    augmenter = copy.deepcopy(fitted("table")).set_params(**parameters)
    with pytest.raises(ValueError, match="parameters are not those of the last fit"):
        augmenter.save(path)


def test_own_networks_are_asked_for(path):
    augmenter = fitted("own networks")
    augmenter.save(path)
    given = networks(augmenter)
    for name in given:
        with pytest.raises(ValueError, match=rf"^{name}=None, but .*load\(path, {name}="):
            RHVAEAugmenter.load(path, **given | {name: None})
    with pytest.raises(ValueError, match="not what the model was trained with"):
        RHVAEAugmenter.load(path, **given | {"encoder": functools.partial(Encoder, width=7)})
    with pytest.raises(ValueError, match="not what the model was trained with"):
        RHVAEAugmenter.load(path, **given | {"metric_network": Encoder})
    loaded = RHVAEAugmenter.load(path, **given)
    assert loaded.encoder is Encoder


def test_networks_that_were_not_the_users_own_are_not_asked_for(path):
    fitted("table").save(path)
    with pytest.raises(ValueError, match="was trained without one. Leave encoder out"):
        RHVAEAugmenter.load(path, encoder=Encoder)


# Malformed files, made by changing a sound one; none may load, or run anything.


@contextmanager
def changed(path):
    """Read an archive, let its content be changed, and write it back."""
    content = read_archive(path)
    yield content
    write_archive(path, *content)


def at_header(path, change):
    """Write an archive with a changed header; `change` takes and returns its bytes."""
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    header = change(whole[8:end])
    path.write_bytes(len(header).to_bytes(8, "little") + header + whole[end:])


def at(meta, where):
    """Return the container and the key of a place in a document."""
    *way, last = [int(part) if part.isdigit() else part for part in where.split("/")]
    return functools.reduce(operator.getitem, way, meta), last


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def _cut(share):
    def damage(path):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])

    return damage


def _flip(text):
    def damage(path):
        whole = bytearray(path.read_bytes())
        whole[whole.index(text) + 2] ^= 0x10
        path.write_bytes(whole)

    return damage


def _header(n_bytes):
    def damage(path):
        path.write_bytes(n_bytes.to_bytes(8, "little") + path.read_bytes()[8:])

    return damage


def _text(meta):
    def change(header):
        return json.dumps(json.loads(header) | {"__metadata__": {"meta": f"0 {meta}"}}).encode()

    return lambda path: at_header(path, change)


def _pickled(path):
    path.write_bytes(pickle.dumps(Bomb(path.with_name("opened"))))


def _torch_saved(path):
    torch.save(Bomb(path.with_name("opened")), path)


def _edit(function):
    def damage(path):
        with changed(path) as content:
            function(*content)

    return damage


def _set(where, value):
    def change(meta, tensors):
        container, key = at(meta, where)
        container[key] = value

    return _edit(change)


def _tensor(name, function):
    return _edit(lambda meta, tensors: tensors.update({name: function(tensors[name])}))


_NESTED = functools.reduce(lambda node, _: [node], range(200), 40)
_STACK = "state/_generators/trained/0/generator/ReferenceGenerator/stack"
_COLUMNS = "state/_row_encoder/codec/_code/NumberCodec/_columns"

MALFORMED = {
    "empty": _cut(0),
    "cut in half": _cut(0.5),
    "cut late": _cut(0.999),
    "bit flipped in meta": _flip(b"model_version"),
    "bit flipped in tensors": _flip(b"F32"),
    "huge header": _header(2**40),
    "header beyond the file": _header(2**24),
    "pickle": _pickled,
    "pickle in a zip": _torch_saved,
    "text": lambda path: path.write_text("[model]\nlatent_dim = 2\n"),
    "deep JSON": _text("[" * 100_000),
    "much JSON": _text('{"format": "sklearn-pyraug", "version": 1, "more": [' + "[]," * 10**6),
    "nested values": _set("parameters/transfer_scale", _NESTED),
    "not a model": _set("kind", "other"),
    "newer model": _set("model_version", 2),
    "version of another type": _set("model_version", True),
    "no version": _edit(lambda meta, tensors: meta.pop("model_version")),
    "parameters as a list": _set("parameters", []),
    "state as text": _set("state", "x"),
    "unknown kind of value": _set("parameters/latent_dim", {"call": "os.getcwd"}),
    "component that is none": _set(
        "parameters/sampler", {"component": {"class": "os.system", "parameters": {}}}
    ),
    "network that is not given": _set("parameters/encoder", {"network": "encoder"}),
    "network that is not asked for": _set("networks", ["os"]),
    "attribute of the class": _set("state/sample", 1),
    "missing attribute": _edit(lambda meta, tensors: meta["state"].pop("_n_rows") is None),
    "rows as text": _set("state/_n_rows", "forty"),
    "negative rows": _set("state/_n_rows", -40),
    "a path": _set("parameters/memory", "/tmp/cache"),
    "bad parameter": _set("parameters/lr", -1.0),
    "infinite parameter": _set("parameters/augmentation_factor", {"float": "nan"}),
    "missing parameter": _edit(lambda meta, tensors: meta["parameters"].pop("sampler") is None),
    "missing field": _edit(
        lambda meta, tensors: at(meta, f"{_STACK}/settings/x")[0].pop("rescale_regularization")
    ),
    "surplus field": _set(f"{_STACK}/settings/more", 1),
    "field of another type": _set(f"{_COLUMNS}/low", "x"),
    "wide networks": _set("architecture/hidden_layer_sizes", [10**12]),
    "many layers": _set("architecture/hidden_layer_sizes", [8] * 10**5),
    "many steps of the flow": _set(f"{_STACK}/settings/n_leapfrog", 10**9),
    "many latent dimensions": _set(f"{_STACK}/settings/latent_dim", 10**9),
    "many members": _set(f"{_STACK}/n_members", 10**9),
    "many columns": _set("architecture/n_features", 10**9),
    "unknown decoder": _set("architecture/decoder", "eval"),
    "unknown likelihood": _set("architecture/likelihood", "poisson"),
    "NaN weights": _tensor(WEIGHTS, lambda t: t * torch.nan),
    "infinite codes": _tensor(f"{GENERATOR}.latent.c", lambda t: t / 0.0),
    "codes without a share": _tensor(f"{GENERATOR}.latent.metric.share", lambda t: 0.0 * t),
    "NaN in the code of columns": _tensor(
        "state._row_encoder.codec._code._columns.mean", lambda t: t * torch.nan
    ),
    "wrong shape": _tensor(WEIGHTS, lambda t: t[:, 1:]),
    "wrong dtype": _tensor(WEIGHTS, lambda t: t.double()),
    "missing tensor": _edit(lambda meta, tensors: tensors.pop(WEIGHTS) is None),
    "surplus tensor": _edit(lambda meta, tensors: tensors.update(more=torch.zeros(3))),
    "labels outside": _tensor(f"{GENERATOR}.labels.0", lambda t: t + 99),
    "no rows of a class": _tensor(f"{GENERATOR}.labels.0", lambda t: 0 * t),
    "rows of another dtype": _tensor(f"{GENERATOR}.rows.0", torch.Tensor.double),
    "pairs outside": _tensor(f"{GENERATOR}.pairs.0", lambda t: -t - 1),
    "labels that are lists": _set(
        "state/classes_", {"dtype": "|O", "shape": [3], "values": [["a"], ["b"], ["c"]]}
    ),
    "a label twice": _set("state/classes_", {"dtype": "|O", "shape": [3], "values": [0, 1, 1]}),
    "counts of no labels": _set("state/sampling_strategy_", []),
    "array of objects from bytes": _set("state/classes_", {"dtype": "|O", "shape": [3]}),
}


@pytest.mark.parametrize("damage", MALFORMED.values(), ids=MALFORMED)
def test_malformed_files_are_refused(damage, path):
    fitted("table").save(path)
    damage(path)
    # Processor time, so that the test does not fail on a busy machine.
    start = time.process_time()
    with pytest.raises(ValueError, match="`path` is '.*model.pyraug', which is") as caught:
        RHVAEAugmenter.load(path)
    assert time.process_time() - start < 1.0
    assert "; give a file that" in str(caught.value)
    assert len(str(caught.value)) < 700
    assert [p.name for p in path.parent.iterdir()] == [path.name]


_CODE = "state/_row_encoder/codec/_code/MixedCodec"
OTHERS = {
    "a chain without end": (
        "random walk",
        _set(
            "parameters/sampler",
            {
                "component": {
                    "class": "RandomWalk",
                    "parameters": {"n_steps": 10**9, "step_size": None},
                }
            },
        ),
    ),
    "many decimal places": ("objects", _set("state/_row_encoder/schema/columns/2/places", 10**9)),
    "large images": ("large images", _set("architecture/sample_shape", [10**6, 10**6])),
    "negative sides": ("large images", _set("architecture/sample_shape", [-70, -20])),
    "many channels": ("large images", _set("architecture/n_channels", 10**9)),
    "fine coarse images": ("large images", _set("architecture/coarse", [10**6, 10**6])),
    "coarse images of other axes": ("large images", _set("architecture/coarse", [64, 18, 1])),
    "no coarse images": ("large images", _set("architecture/coarse", None)),
    "wide convolutions": ("large images", _set("architecture/width", 10**9)),
    "perceptrons": ("large images", _set("architecture/width", None)),
    "many levels": ("mixed", _set(f"{_CODE}/_levels/0/levels/n_groups", 10**12)),
    "a column twice": ("mixed", _set(f"{_CODE}/_levels/0/column", 0)),
    "levels out of order": (
        "mixed",
        _tensor("state._row_encoder.codec._code._levels.0.levels.values", lambda t: t.flip(0)),
    ),
    "columns of networks": (
        "mixed",
        _tensor(f"{GENERATOR}.stack.tensors.likelihood.segment", lambda t: t + 99),
    ),
    "many codes": ("mixed", _set("architecture/layout/blocks/0/stop", 10**12)),
    "many decimals": (
        "mixed",
        _tensor(
            "state._row_encoder.codec._code._masked.0.numbers._columns.decimals",
            lambda t: 0 * t + 10**9,
        ),
    ),
    "codes of another dtype": ("mixed", _tensor(f"{GENERATOR}.latent.c", lambda t: t.double())),
    "a wide category": ("mixed", _set("architecture/layout/blocks/2/stop", 2**31)),
    "an unknown block": ("mixed", _set("architecture/layout/blocks/1/kind", "x")),
    "one generator for all": ("direct", _set("state/_generators/shared", True)),
    "levels that the table lacks": (
        "objects",
        _tensor("state._row_encoder.codec._code._levels.1.levels.values", lambda t: t * 10**9),
    ),
    "a number as name": ("mixed", _set("state/feature_names_in_/values/0", 1.5)),
    "long text": ("text array", _set("state/_row_encoder/schema/dtype", "<U9999999")),
}


@pytest.mark.parametrize(("case", "damage"), OTHERS.values(), ids=OTHERS)
def test_malformed_images_and_tables_are_refused(case, damage, path):
    fitted(case).save(path)
    damage(path)
    start = time.process_time()
    with pytest.raises(ValueError, match="damaged one"):
        RHVAEAugmenter.load(path)
    assert time.process_time() - start < 1.0


def test_a_random_state_beyond_its_key_is_refused(path):
    """numpy reads the key at the position it is told, beyond the end as well."""
    augmenter = copy.deepcopy(fitted("table")).set_params(random_state=np.random.RandomState(0))
    augmenter.save(path)
    _set("parameters/random_state/random_state/1", 10**6)(path)
    with pytest.raises(ValueError, match="Mersenne Twister"):
        RHVAEAugmenter.load(path)


JUNK = [None, True, -1, 0, 10**10, 2.5, "x", "", [], {}, {"float": "nan"}, {"network": "x"}, [[1]]]


def places(node):
    """Yield every (container, key) of a JSON document, below its head."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def check_junk_anywhere(estimator, path, seed, n_tries):
    """Whatever replaces a node, there is one kind of error, and it comes quickly."""
    estimator.save(path)
    rng = np.random.default_rng(seed)
    meta, tensors = read_archive(path)
    n_refused = 0
    for _ in range(n_tries):
        damaged = copy.deepcopy(meta)
        every = list(places(damaged))
        container, key = every[rng.integers(len(every))]
        container[key] = JUNK[rng.integers(len(JUNK))]
        write_archive(path, damaged, tensors)
        start = time.process_time()
        try:
            type(estimator).load(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
            n_refused += 1
        assert time.process_time() - start < 1.0
    assert n_refused > n_tries / 2


@pytest.mark.filterwarnings("ignore:The model in")
@pytest.mark.parametrize("case", ["table", "mixed", "direct", "images", "large images", "wide"])
def test_junk_anywhere_is_refused_or_harmless(case, path, random_seed):
    check_junk_anywhere(fitted(case), path, random_seed, n_tries=20)


def test_categories_of_intervals_come_back_and_of_time_zones_are_refused(path):
    values, y = table()
    X = pd.DataFrame({"a": values[:, 0], "b": pd.cut(values[:, 1], 3)})
    augmenter = quick().fit(X, y)
    augmenter.save(path)
    new = RHVAEAugmenter.load(path).sample(2)[0]
    assert_frame_equal(new, augmenter.sample(2)[0])
    days = pd.Series(pd.date_range("2020-01-01", periods=len(y), tz="Europe/Paris"))
    X["b"] = days.iloc[np.arange(len(y)) % 3].reset_index(drop=True).astype("category")
    augmenter = quick().fit(X, y)
    with pytest.raises(ValueError, match="time zone Europe/Paris"):
        augmenter.save(path, overwrite=True)


def test_column_names_of_several_levels_are_named(path):
    X, y = table()
    names = pd.MultiIndex.from_product([["a", "b"], ["c", "d"]])
    augmenter = quick().fit(pd.DataFrame(X, columns=names), y)
    with pytest.raises(ValueError, match="several levels of column names. Join them"):
        augmenter.save(path)


def test_column_names_that_are_categories_or_tuples_come_back(path):
    X, y = table()
    for names in (pd.CategoricalIndex(list("badc"), name="probe"), [(1, "a"), (2, "b"), (3,), ()]):
        frame = pd.DataFrame(X).set_axis(pd.Index(names, tupleize_cols=False), axis=1)
        augmenter = quick().fit(frame, y)
        augmenter.save(path, overwrite=True)
        new = RHVAEAugmenter.load(path).sample(2)[0]
        assert_frame_equal(new, augmenter.sample(2)[0])


@pytest.mark.parametrize(
    ("parameters", "asked"),
    [
        ({"sampler": HMC(n_steps=10**6, n_leapfrog=10)}, "sampler asks for 10000000 steps"),
        ({"latent_dim": 1001}, "latent_dim asks for 1001 dimensions"),
    ],
)
def test_what_no_file_may_ask_for_is_not_written(parameters, asked, path):
    """`sample` of an untrusted file ran forever, or filled the memory."""
    augmenter = copy.deepcopy(fitted("table")).set_params(**parameters)
    with pytest.raises(ValueError, match=f"{asked}.*holds at most.*joblib.dump"):
        augmenter.save(path)
    assert not path.exists()
