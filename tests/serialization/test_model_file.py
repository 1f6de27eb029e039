"""Tests of saved models: what was learned comes back whole, and nothing else is let in."""

import copy
import functools
import json
import os
import pickle
import time
import warnings
import zipfile
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
from sklearn.exceptions import NotFittedError
from skorch.callbacks import EpochScoring
from torch import nn

import sklearn_pyraug
from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug._metadata import Metadata
from sklearn_pyraug._serialization.archive import read_archive, write_archive
from sklearn_pyraug._serialization.model_file import model_document
from sklearn_pyraug._serialization.parts import PARTS, name_of
from sklearn_pyraug._serialization.values import Reader, Writer

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


OWN = {"encoder": Encoder, "decoder": ReferenceDecoder, "metric_network": metric_network}
WIDE = np.random.default_rng(0).normal(size=(16, 40)).astype(np.float32), np.arange(16) % 2
SMALL_CLASS = table((20, 12, 2))
SPARSE = sparse.random(30, 5, 0.5, format="csr", random_state=0), np.arange(30) % 3

CASES = {
    "table": (*table(), {}),
    "list": (table()[0].tolist(), table()[1].tolist(), {}),
    "float16": (table()[0].astype(np.float16), table()[1], {}),
    "big-endian": (table()[0].astype(">f8"), table()[1], {}),
    "longdouble": (table()[0].astype(np.longdouble), table()[1], {}),
    "uint16": ((9 * table()[0] + 99).astype(np.uint16), table()[1], {"value_mapping": "nearest"}),
    "uint64": ((table()[0] * 2**60).astype(np.int64).astype(np.uint64), table()[1], {}),
    "float labels": (table()[0], np.array([0.0, -1e15, 2.0])[table()[1]], {}),
    "text labels": (table()[0], np.array(["a", "", "ä ö"])[table()[1]], {}),
    "object labels": (table()[0], np.array(["a", "b", "c"], dtype=object)[table()[1]], {}),
    "quantiles": (*table(), {"value_mapping": "quantile", "scaling": "quantile"}),
    "no mapping": (*table(), {"value_mapping": None, "validation_fraction": 0.2}),
    "draws": (*table(), {"output": "draw", "transfer_scale": 0.5, "lr": np.float32(1e-3)}),
    "direct": (*table(), {"decoder": "direct"}),
    "few centroids": (*table(), {"decoder": "direct", "max_centroids": 5}),
    "posterior metric": (
        *table(),
        {
            "decoder": "direct",
            "metric": "posterior",
            "temperature": "auto",
            "regularization": "auto",
        },
    ),
    "random walk": (*table(), {"decoder": "direct", "sampler": "random_walk"}),
    "geodesic": (*table(), {"sampler": "geodesic"}),
    "prior": (*table(), {"sampler": "prior", "n_neighbors": 3}),
    "per class": (*table(), {"shared": False}),
    "small class": (*SMALL_CLASS, {"decoder": "direct"}),
    "smaller classes": (*table((3, 2)), {"shared": True}),
    "wide": (*WIDE, {"max_centroids": 6}),
    "binary": ((table((20, 20), 8)[0] > 1).astype(int), table((20, 20))[1], {"decoder": "direct"}),
    "mixed": (*frame(), {"missing": "keep"}),
    "mixed, direct": (*frame(), {"missing": "keep", "decoder": "direct"}),
    "objects": (*objects(), {"missing": "keep", "categorical_features": [1, 3]}),
    "text array": (
        np.array([["1.5", "a"], ["2", "bcd"], ["0.5", "a"]] * 6),
        np.arange(18) % 2,
        {"categorical_features": np.array([True, True])},
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
    "images, perceptrons": (*images(), {"networks": "mlp"}),
    "images, residual": (*images(), {"decoder": "residual"}),
    "large images": (*images((70, 20)), {}),
    "large colours": (*images((66, 20, 3)), {"networks": "mlp", "shared": False}),
    "images, direct": (*images(), {"networks": "conv", "decoder": "direct"}),
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
    own = {name: getattr(augmenter, name) for name in OWN}
    return {name: spec for name, spec in own.items() if callable(spec)}


def reload(augmenter, path):
    """Save and load."""
    augmenter.save(path)
    return RHVAEAugmenter.load(path, **networks(augmenter))


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
    """Walk two values and compare all that they are made of."""
    __tracebackhide__ = True
    assert type(one) is type(two), where
    if isinstance(one, nn.Module):
        pairs = (
            dict(m.named_parameters()) | dict(m.named_buffers()) | {"settings": m.settings}
            for m in (one, two)
        )
        assert_same(*pairs, where)
        assert one.training == two.training, where
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
        assert list(one) == list(two), where
        for key in one:
            assert_same(one[key], two[key], f"{where}[{key!r}]")
    elif hasattr(one, "__dict__") and type(one).__module__.startswith("sklearn_pyraug"):
        assert_same(vars(one), vars(two), where)
    elif type(one).__name__ == "ArraysTransformer":
        assert one.x_props["type"] == two.x_props["type"]
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
    loaded = RHVAEAugmenter.load(path, **networks(augmenter))
    given = {name: None for name in networks(augmenter)}
    for name, value in (vars(augmenter) | given).items():
        assert hasattr(loaded, name), f"{name} is not in the file"
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
    RHVAEAugmenter.load(tmp_path / "second").save(tmp_path / "third")
    assert (tmp_path / "second").read_bytes() == (tmp_path / "third").read_bytes()
    for twin in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert_equal(twin.sample(2)[0], augmenter.sample(2)[0])


@pytest.mark.parametrize("random_state", [3, np.int64(3), None, np.random.RandomState(1)], ids=str)
def test_random_state(random_state, path):
    augmenter = copy.deepcopy(fitted("table")).set_params(random_state=random_state)
    loaded = reload(augmenter, path)
    assert type(loaded.random_state) is type(random_state)
    if random_state is not None:
        for _ in range(2):
            assert_equal(augmenter.sample(2)[0], loaded.sample(2)[0])


@pytest.mark.parametrize(
    "sampling_strategy",
    [{0: 30, 1: 25}, {np.int64(2): np.int64(30)}, "minority", {0: 30.0}],
    ids=str,
)
def test_parameters(sampling_strategy, path):
    X, y = table()
    augmenter = quick(
        sampling_strategy=sampling_strategy,
        transfer_scale=[0.5, np.float64(0.9)],
        hidden_layer_sizes=np.array([8, 4]),
        n_jobs=np.int32(1),
        verbose=False,
        patience=None,
    )
    augmenter.fit(X, y)
    loaded = reload(augmenter, path)
    for name, value in augmenter.get_params().items():
        assert_same(value, loaded.get_params()[name], name)


def test_what_a_file_cannot_hold_becomes_the_default(path):
    callbacks = [EpochScoring("train_loss")]
    augmenter = quick(sampling_strategy=lambda y: {0: 30}, callbacks=None).fit(*table())
    augmenter.set_params(callbacks=callbacks)
    augmenter.save(path)
    with pytest.warns(UserWarning, match="without its callbacks and sampling_strategy"):
        loaded = RHVAEAugmenter.load(path)
    assert loaded.sampling_strategy == "auto"
    assert loaded.callbacks is None
    assert loaded.sampling_strategy_ == {0: 10, 1: 0, 2: 0}
    with pytest.warns(UserWarning, match="without its sampling_strategy"):
        loaded = RHVAEAugmenter.load(path, callbacks=callbacks)
    assert loaded.callbacks is callbacks


def test_equal_models_give_equal_files(path, tmp_path):
    quick().fit(*table()).save(path)
    quick().fit(*table()).save(tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_the_document_is_the_one_described(path):
    fitted("table").save(path)
    meta, tensors = read_archive(path)
    assert list(meta) == [
        "kind",
        "model_version",
        "versions",
        "given",
        "dropped",
        "parameters",
        "architecture",
        "state",
        "objects",
    ]
    assert (meta["kind"], meta["model_version"]) == ("augmenter", 1)
    local = {"checkpoint", "memory"}
    assert meta["parameters"].keys() == RHVAEAugmenter().get_params().keys() - local
    assert "state.classes_" in tensors
    rows = "state._generators.trained.0.generator.rows.0"
    assert tensors[rows].shape == (40, 4)


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


def test_the_device_of_another_machine(path, monkeypatch):
    augmenter = copy.deepcopy(fitted("table")).set_params(device="cuda:1")
    augmenter.save(path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert RHVAEAugmenter.load(path).device == "auto"
    assert RHVAEAugmenter.load(path, device="cpu").device == "cpu"
    assert RHVAEAugmenter.load(path, device="auto").device == "auto"
    with pytest.raises(ValueError, match="no CUDA device"):
        RHVAEAugmenter.load(path, device="cuda")
    augmenter.set_params(device="cpu").save(path, overwrite=True)
    assert RHVAEAugmenter.load(path).device == "cpu"


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
        ("odd_", object(), r"state\.odd_ is of type builtins\.object.*joblib\.dump"),
        ("odd_", [{"a": {1, 2}}], r"state\.odd_\.0\.a is of type builtins\.set"),
        ("odd_", np.array([1j]), r"state\.odd_ is an array of complex128"),
        ("random_state", np.random.RandomState(np.random.PCG64(1)), "PCG64"),
        ("hidden_layer_sizes", range(8, 9), r"parameters\.hidden_layer_sizes is of type .*range"),
    ],
    ids=["object", "set", "complex", "generator", "range"],
)
def test_unknown_types_are_named_before_anything_is_written(name, value, match, path):
    augmenter = copy.deepcopy(fitted("table"))
    setattr(augmenter, name, value)
    with pytest.raises(ValueError, match=match):
        augmenter.save(path)
    assert not path.exists()


@pytest.mark.parametrize(
    "parameters",
    [{"hidden_layer_sizes": (9,)}, {"decoder": "direct"}, {"encoder": Encoder}],
    ids=str,
)
def test_parameters_changed_after_fit(parameters, path):
    augmenter = copy.deepcopy(fitted("table")).set_params(**parameters)
    with pytest.raises(ValueError, match="parameters are not those of the last fit"):
        augmenter.save(path)


def test_a_failed_fit_is_not_saved(path):
    augmenter = copy.deepcopy(fitted("table"))
    augmenter._check_X_y(*table(n_features=3), Metadata())
    with pytest.raises(ValueError, match="is not whole.*Call fit again"):
        augmenter.save(path)


def test_own_networks_are_asked_for(path):
    augmenter = fitted("own networks")
    augmenter.save(path)
    given = networks(augmenter)
    for name in given:
        with pytest.raises(ValueError, match=rf"^{name}=None, but .*load\(path, {name}="):
            RHVAEAugmenter.load(path, **given | {name: None})
    with pytest.raises(ValueError, match="not what the model in .*was trained with"):
        RHVAEAugmenter.load(path, **given | {"encoder": functools.partial(Encoder, width=7)})
    with pytest.raises(ValueError, match="not what the model in .*was trained with"):
        RHVAEAugmenter.load(path, **given | {"metric_network": Encoder})
    loaded = RHVAEAugmenter.load(path, **given)
    assert loaded.encoder is Encoder


def test_networks_that_were_not_the_users_own_are_not_asked_for(path):
    fitted("table").save(path)
    with pytest.raises(ValueError, match="was trained without one. Leave encoder out"):
        RHVAEAugmenter.load(path, encoder=Encoder)


# Malformed files. What follows changes a sound one; none may load, or run anything.


@contextmanager
def changed(path):
    """Read an archive, let its content be changed, and write it back."""
    content = read_archive(path)
    yield content
    write_archive(path, *content)


def members(path):
    """Return the members of a zip file."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path, contents):
    """Write a zip file of (name, bytes) pairs."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, payload in contents.items():
            archive.writestr(name, payload)


def fields(meta, name):
    """Return the fields of the first object of a class."""
    return next(o["fields"] for o in meta["objects"] if o["class"] == name)


WEIGHTS = "state._generators.trained.0.generator.stack.tensors.encoder.net.layers.0.weight"
CODES = "state._generators.trained.0.generator.latent.metric.c"


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


def _rename(names):
    def damage(path):
        zipped(path, {names.get(name, name): payload for name, payload in members(path).items()})

    return damage


def _header(n_bytes):
    def damage(path):
        parts = members(path)
        tensors = parts["tensors.safetensors"]
        parts["tensors.safetensors"] = n_bytes.to_bytes(8, "little") + tensors[8:]
        zipped(path, parts)

    return damage


def _text(meta):
    def damage(path):
        zipped(path, members(path) | {"meta.json": meta})

    return damage


def _pickled(path):
    path.write_bytes(pickle.dumps(Bomb(path.with_name("opened"))))


def _torch_saved(path):
    torch.save(Bomb(path.with_name("opened")), path)


def _nested(path):
    with changed(path) as (meta, _):
        meta["state"]["_n_rows"] = functools.reduce(lambda node, _: [node], range(200), 40)


def _edit(function):
    def damage(path):
        with changed(path) as content:
            function(*content)

    return damage


def _set(name, field, value):
    return _edit(lambda meta, tensors: fields(meta, name).update({field: value}))


def _attribute(name, value):
    return _edit(lambda meta, tensors: meta["state"].update({name: value}))


def _parameter(name, value):
    return _edit(lambda meta, tensors: meta["parameters"].update({name: value}))


def _tensor(name, function):
    return _edit(lambda meta, tensors: tensors.update({name: function(tensors[name])}))


def _wide(meta, tensors):
    """Claim more columns everywhere but in the arrays."""
    for name, field in (("Architecture", "n_features"), ("TableCodec", "n_codes_")):
        fields(meta, name)[field] = 10**9
    fields(meta, "Block")["stop"] = 10**9
    meta["state"]["n_features_in_"] = 10**9


SPARSE_TYPE = {"class": "SparseType", "fields": {"text": "csr_matrix"}}


def _call_a_type(meta, tensors):
    """Smuggle in something to call where a network is expected."""
    meta["objects"].append(SPARSE_TYPE)
    meta["parameters"]["encoder"] = {"object": len(meta["objects"]) - 1}


MALFORMED = {
    "empty": _cut(0),
    "cut early": _cut(0.05),
    "cut in half": _cut(0.5),
    "cut late": _cut(0.999),
    "bit flipped in meta": _flip(b'"model_version"'),
    "bit flipped in tensors": _flip(b"F32"),
    "zip slip": _rename({"meta.json": "../../meta.json"}),
    "absolute name": _rename({"meta.json": "/tmp/meta.json"}),
    "huge header": _header(2**40),
    "header beyond the file": _header(2**27),
    "pickle": _pickled,
    "pickle in a zip": _torch_saved,
    "text": lambda path: path.write_text("[model]\nlatent_dim = 2\n"),
    "deep JSON": _text(b"[" * 100_000),
    "nested nodes": _nested,
    "not a model": _edit(lambda meta, tensors: meta.update(kind="other")),
    "newer model": _edit(lambda meta, tensors: meta.update(model_version=2)),
    "version of another type": _edit(lambda meta, tensors: meta.update(model_version=True)),
    "no version": _edit(lambda meta, tensors: meta.pop("model_version")),
    "parameters as a list": _edit(lambda meta, tensors: meta.update(parameters=[])),
    "state as text": _edit(lambda meta, tensors: meta.update(state="x")),
    "objects as a dict": _edit(lambda meta, tensors: meta.update(objects={})),
    "unknown class": _edit(lambda meta, tensors: meta["objects"][0].update({"class": "os.system"})),
    "class of a module": _edit(
        lambda meta, tensors: meta["objects"][0].update({"class": "__import__"})
    ),
    "object after itself": _attribute("_codec", {"object": 10**9}),
    "negative object": _attribute("_codec", {"object": -1}),
    "unknown node": _attribute("_n_rows", {"call": "os.getcwd"}),
    "attribute of the class": _attribute("sample", 1),
    "dunder attribute": _attribute("__class__", 1),
    "missing attribute": _edit(lambda meta, tensors: meta["state"].pop("_codec")),
    "rows as text": _attribute("_n_rows", "forty"),
    "negative rows": _attribute("_n_rows", -40),
    "unknown parameter": _parameter("colour", "red"),
    "bad parameter": _parameter("lr", -1.0),
    "infinite parameter": _parameter("augmentation_factor", {"float": "nan"}),
    "parameter to call": _edit(_call_a_type),
    "a network that is asked for": _edit(lambda meta, tensors: meta.update(given=["os"])),
    "missing field": _edit(lambda meta, tensors: fields(meta, "Plan").pop("shared") and None),
    "surplus field": _set("Plan", "more", 1),
    "field of another type": _set("Columns", "low", "x"),
    "negative columns": _set("TableCodec", "n_codes_", -4),
    "many columns": _edit(_wide),
    "wide networks": _set("Architecture", "hidden_layer_sizes", {"tuple": [10**12]}),
    "negative width": _set("Architecture", "hidden_layer_sizes", {"tuple": [-8]}),
    "many layers": _set("Architecture", "hidden_layer_sizes", {"tuple": [8] * 10**5}),
    "many latent dimensions": _set("FlowSettings", "latent_dim", 10**9),
    "unknown decoder": _set("Architecture", "decoder", "eval"),
    "unknown likelihood": _set("Architecture", "likelihood", "poisson"),
    "NaN weights": _tensor(WEIGHTS, lambda t: t * torch.nan),
    "infinite codes": _tensor(CODES, lambda t: t / 0.0),
    "wrong shape": _tensor(WEIGHTS, lambda t: t[:, 1:]),
    "wrong dtype": _tensor(WEIGHTS, lambda t: t.double()),
    "missing tensor": _edit(lambda meta, tensors: tensors.pop(WEIGHTS) is None),
    "surplus tensor": _edit(lambda meta, tensors: tensors.update(more=torch.zeros(3))),
    "labels outside": _tensor("state._generators.trained.0.generator.labels.0", lambda t: t + 99),
    "pairs outside": _tensor("state._generators.trained.0.generator.pairs.0", lambda t: -t - 1),
    "axes": _attribute("classes_", {"array": "state.classes_", "axes": [1]}),
    "array of objects from bytes": _attribute(
        "classes_", {"array": "state.classes_", "dtype": "|O", "shape": [3]}
    ),
}


@pytest.mark.parametrize("damage", MALFORMED.values(), ids=MALFORMED)
def test_malformed_files_are_refused(damage, path):
    fitted("table").save(path)
    damage(path)
    # Of the processor, so that a busy machine is no failure.
    start = time.process_time()
    with pytest.raises(ValueError, match="`path` is '.*model.pyraug', which is") as caught:
        RHVAEAugmenter.load(path)
    assert time.process_time() - start < 1.0
    assert "; give a file that" in str(caught.value)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def _mixed_levels(meta, tensors):
    fields(meta, "Levels")["n_groups"] = 10**12


def _mixed_blocks(meta, tensors):
    for entry in meta["objects"]:
        if entry["class"] == "Block":
            entry["fields"]["stop"] = 10**12


def _mixed_text(meta, tensors):
    fields(meta, "Schema")["dtype"] = {"dtype": "<U99999999"}


def _mixed_range(meta, tensors):
    """Claim 10^12 categories in place of three."""
    wide = {"start": 0, "stop": 10**12, "step": 1, "name": None}
    position = next(i for i, o in enumerate(meta["objects"]) if o["class"] == "Index")
    meta["objects"][position] = {"class": "RangeIndex", "fields": wide}


def _mixed_dtype(meta, tensors):
    fields(meta, "NullableDtype")["text"] = "period[D]"


MALFORMED_IMAGES = {
    "large images": {"sample_shape": {"tuple": [10**6, 10**6]}},
    "other images": {"sample_shape": {"tuple": [20, 71]}},
    "negative sides": {"sample_shape": {"tuple": [-70, -20]}},
    "many channels": {"n_channels": 10**9},
    "fine coarse images": {"coarse": {"tuple": [10**6, 10**6]}},
    "coarse images of other axes": {"coarse": {"tuple": [64, 18, 1]}},
    "other coarse images": {"coarse": {"tuple": [32, 18]}},
    "no coarse images": {"coarse": None},
    "wide convolutions": {"width": 10**9},
    "perceptrons": {"width": None},
}


@pytest.mark.parametrize("change", MALFORMED_IMAGES.values(), ids=MALFORMED_IMAGES)
def test_malformed_images_are_refused(change, path):
    fitted("large images").save(path)
    with changed(path) as (meta, _):
        fields(meta, "Architecture").update(change)
    start = time.process_time()
    with pytest.raises(ValueError, match="damaged one"):
        RHVAEAugmenter.load(path)
    assert time.process_time() - start < 1.0


MALFORMED_MIXED = {
    "many levels": _mixed_levels,
    "many codes": _mixed_blocks,
    "long text": _mixed_text,
    "many categories": _mixed_range,
    "unknown dtype": _mixed_dtype,
}


@pytest.mark.parametrize("damage", MALFORMED_MIXED.values(), ids=MALFORMED_MIXED)
def test_malformed_tables_are_refused(damage, path):
    fitted("mixed").save(path)
    with changed(path) as content:
        damage(*content)
    start = time.process_time()
    with pytest.raises(ValueError, match="damaged one"):
        RHVAEAugmenter.load(path)
    assert time.process_time() - start < 1.0


def test_a_random_state_beyond_its_key_is_refused(path):
    """numpy reads the key at the position it is told, beyond the end as well."""
    augmenter = copy.deepcopy(fitted("table")).set_params(random_state=np.random.RandomState(0))
    augmenter.save(path)
    with changed(path) as (meta, _):
        fields(meta, "RandomState")["position"] = 10**6
    with pytest.raises(ValueError, match="Mersenne Twister"):
        RHVAEAugmenter.load(path)


JUNK = [None, True, -1, 0, 10**10, 2.5, "x", "", [], {}, {"float": "nan"}, {"object": 0}, [[1]]]


def places(node, inside=False):
    """Yield every (container, key) of a JSON document, below its head."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from places(value)


@pytest.mark.filterwarnings("ignore:The model in")
@pytest.mark.parametrize("case", ["table", "mixed", "direct", "images", "large images", "wide"])
def test_junk_anywhere_is_refused_or_harmless(case, path, random_seed):
    """Whatever a node is replaced by, there is one kind of error, and no long wait."""
    fitted(case).save(path)
    rng = np.random.default_rng(random_seed)
    meta, tensors = read_archive(path)
    n_refused, n_tries = 0, 40
    for _ in range(n_tries):
        damaged = copy.deepcopy(meta)
        every = list(places(damaged))
        container, key = every[rng.integers(len(every))]
        container[key] = JUNK[rng.integers(len(JUNK))]
        write_archive(path, damaged, tensors)
        start = time.process_time()
        try:
            RHVAEAugmenter.load(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
            n_refused += 1
        assert time.process_time() - start < 1.0
    assert n_refused > n_tries / 2


VALUES = {
    "plain": [None, True, 1, 10**300, -0.0, 1e-320, "ä", [], (), {}, ((1,), [2]), {1: {"a": 2}}],
    "floats": [float("nan"), float("inf"), -float("inf")],
    "keys": {(1, "a"): 1, np.int64(2): 2, None: 3, 0.5: 4, True: 5},
    "scalars": [np.float32(0.1), np.uint64(2**63), np.bool_(True), np.str_("abcd"), np.float16(1)],
    "dtypes": [np.dtype(t) for t in ("f4", ">i8", "U7", object, bool, "M8[ns]", np.longdouble)],
    "shapes": [np.zeros(()), np.zeros((0, 3)), np.array(7), np.array("x"), np.array(["a", "bcd"])],
    "orders": [np.arange(24.0).reshape(2, 3, 4).transpose(axes) for axes in ((2, 0, 1), (0, 2, 1))],
    "views": [np.arange(9)[::-2], np.arange(9).reshape(3, 3).T, np.arange(4, dtype=">u2")],
    "tensors": [torch.arange(6).reshape(2, 3).T, torch.tensor(1.5), torch.zeros(0, 2)],
    "objects": np.array([1, "a", None, 2.5, pd.NA, pd.NaT, Decimal("1.20")], dtype=object),
    "pandas": [
        pd.Timestamp("2020-01-02 03:04:05.678"),
        pd.Interval(0, 1.5, closed="both"),
        pd.CategoricalDtype(["b", "a"], ordered=True),
        pd.CategoricalDtype(range(3)),
        pd.CategoricalDtype(pd.IntervalIndex.from_breaks([0.0, 1.0, 2.0])),
        pd.CategoricalDtype(pd.array([3, 1], dtype="Int64")),
        pd.CategoricalDtype(),
        pd.StringDtype("python"),
        pd.Series(["a"]).dtype,
        pd.Int8Dtype(),
        pd.UInt32Dtype(),
        pd.Float64Dtype(),
        pd.BooleanDtype(),
        pd.SparseDtype(float, 0.0),
        pd.SparseDtype(int),
    ],
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_values_come_back(value):
    writer = Writer(PARTS, name_of)
    node = json.loads(json.dumps(writer.node(value, "value"), allow_nan=False))
    reader = Reader(PARTS, writer.tensors, json.loads(json.dumps(writer.objects)))
    assert_same(value, reader.value(node, "value"), "value")
    assert not reader.unused


def test_arrow_columns_come_back():
    pytest.importorskip("pyarrow")
    import pyarrow as pa

    types = [t() for t in (pa.float64, pa.int8, pa.string, pa.bool_, pa.null)]
    types += [pa.decimal128(5, 2), pa.decimal256(60, 0), pa.decimal128(3, -2)]
    types += [pa.dictionary(pa.int8(), pa.string(), o) for o in (False, True)]
    value = [pd.ArrowDtype(t) for t in types]
    writer = Writer(PARTS, name_of)
    node = writer.node(value, "value")
    assert Reader(PARTS, {}, writer.objects).value(node, "value") == value
    with pytest.raises(ValueError, match="none that a model file can hold"):
        writer.node(pd.ArrowDtype(pa.list_(pa.int8())), "value")


def test_what_is_shared_stays_shared():
    array, tensor = np.arange(3), torch.arange(3)
    writer = Writer(PARTS, name_of)
    node = writer.node([array, tensor, array, tensor], "value")
    assert list(writer.tensors) == ["value.0", "value.1"]
    one, two, three, four = Reader(PARTS, writer.tensors, []).value(node, "value")
    assert one is three
    assert two is four


def test_nothing_is_warned_of(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reload(fitted("images"), path)


def test_document_of_an_augmenter_is_plain_json():
    meta, _ = model_document(fitted("mixed"), "augmenter")
    assert json.loads(json.dumps(meta, allow_nan=False)) == meta
