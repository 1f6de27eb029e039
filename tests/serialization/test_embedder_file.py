"""Tests of saved embedders: the codes come back bit for bit, and nothing else is let in."""

import copy
import functools
import pickle
import re
import time

import numpy as np
import pandas as pd
import pytest
from shared import table
from sklearn.exceptions import NotFittedError
from test_model_file import MALFORMED, assert_same, at, changed, check_junk_anywhere, fitted, images

from sklearn_pyraug import MLP, Columns, RHVAEAugmenter, RHVAEEmbedder
from sklearn_pyraug._serialization.archive import read_archive
from sklearn_pyraug.cli import main

QUICK = {"max_epochs": 2, "encoder": MLP((8,)), "device": "cpu", "random_state": 0}
NUMBERS = table()[0]
CASES = {
    "table": (NUMBERS, {}),
    "float32": (NUMBERS.astype(np.float32), {"validation_fraction": 0.2}),
    "dataframe": (pd.DataFrame(NUMBERS, columns=list("abcd")), {"latent_dim": 3}),
    "quantiles": (NUMBERS**3, {"columns": Columns(scaling="quantile"), "metric": "posterior"}),
    "two values": (NUMBERS > 1, {"random_state": np.random.RandomState(0)}),
    "flat images": (images()[0].reshape(24, 64), {}),
    "images": (images()[0], {"encoder": "conv"}),
    "colours": (images((8, 8, 3))[0], {"encoder": "mlp"}),
    "volumes": (np.repeat(images()[0][:, None], 5, 1), {"encoder": "conv"}),
}
cases = pytest.mark.parametrize("case", CASES)
# These change what an embedder's file does not have or has only as the default.
OTHERS = {
    *("labels outside", "no rows of a class", "pairs outside", "array of objects from bytes"),
    *("many members", "missing field", "surplus field", "many latent dimensions"),
    "many steps of the flow",
    *("nested values", "missing parameter", "component that is none", "infinite parameter"),
    *("network that is not given", "field of another type", "codes without a share"),
    "rows of another dtype",
}


@functools.cache
def embedder_of(case):
    """Return the fitted embedder of a case, which no test may change."""
    X, parameters = CASES[case]
    return RHVAEEmbedder(**QUICK | parameters).fit(X)


@pytest.fixture
def path(tmp_path):
    """A path where there is nothing."""
    return tmp_path / "model.pyraug"


@cases
def test_codes_are_the_same_bit_for_bit(case, path):
    X, embedder = CASES[case][0], embedder_of(case)
    embedder.save(path)
    loaded = RHVAEEmbedder.load(path)
    Z = embedder.transform(X)
    assert loaded.transform(X).dtype == Z.dtype
    np.testing.assert_array_equal(loaded.transform(X), Z)
    back, again = embedder.inverse_transform(Z), loaded.inverse_transform(Z)
    assert again.shape == back.shape == np.shape(X)
    assert again.dtype == back.dtype
    np.testing.assert_array_equal(again, back)
    assert list(loaded.get_feature_names_out()) == list(embedder.get_feature_names_out())


@cases
def test_every_attribute_comes_back(case, path):
    embedder = embedder_of(case)
    embedder.save(path)
    loaded = vars(RHVAEEmbedder.load(path, device="cpu"))
    assert vars(embedder).keys() == loaded.keys()
    for name, value in vars(embedder).items():
        assert_same(value, loaded[name], name)


def test_the_file_holds_no_rows(path):
    """Of 40 rows and 4 columns, no tensor has the shape."""
    embedder_of("table").save(path)
    _, tensors = read_archive(path)
    assert not [name for name, t in tensors.items() if tuple(t.shape) == (40, 4)]


def test_a_loaded_embedder_can_be_saved_pickled_and_fitted(path, tmp_path):
    embedder_of("table").save(path)
    loaded = RHVAEEmbedder.load(path)
    loaded.save(tmp_path / "second")
    RHVAEEmbedder.load(tmp_path / "second").save(tmp_path / "third")
    assert (tmp_path / "second").read_bytes() == (tmp_path / "third").read_bytes()
    Z = embedder_of("table").transform(NUMBERS)
    for twin in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded)), loaded.fit(NUMBERS)):
        np.testing.assert_array_equal(twin.transform(NUMBERS), Z)


def test_another_class_is_named_with_its_own(path, tmp_path):
    embedder_of("table").save(path)
    message = "which RHVAEEmbedder.save has written, not RHVAEAugmenter.save; read it with RHVAEEm"
    with pytest.raises(ValueError, match=message):
        RHVAEAugmenter.load(path)
    fitted("table").save(tmp_path / "augmenter")
    message = "which RHVAEAugmenter.save has written, not RHVAEEmbedder.save; read it with RHVAEAu"
    with pytest.raises(ValueError, match=message):
        RHVAEEmbedder.load(tmp_path / "augmenter")


def test_refusals(path):
    with pytest.raises(NotFittedError):
        RHVAEEmbedder().save(path)
    changed_since = copy.deepcopy(embedder_of("table")).set_params(encoder__hidden_layer_sizes=(9,))
    with pytest.raises(ValueError, match="parameters are not those of the last fit"):
        changed_since.save(path)
    assert not path.exists()
    embedder_of("table").save(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        embedder_of("table").save(path)


@pytest.mark.parametrize("damage", [name for name in MALFORMED if name not in OTHERS])
def test_malformed_files_are_refused(damage, path):
    embedder_of("table").save(path)
    MALFORMED[damage](path)
    start = time.process_time()
    with pytest.raises(ValueError, match="`path` is '.*model.pyraug', which is") as caught:
        RHVAEEmbedder.load(path)
    assert time.process_time() - start < 1.0
    assert "RHVAEAugmenter" not in str(caught.value)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


MALFORMED_EMBEDDERS = {
    "state/_n_features_out": 10**12,
    "state/history_": None,
    "state/sample_shape_": [2, 2],
    "state/_row_encoder/shape": [10**9],
    "parameters/encoder": "os.system",
    "architecture/encoder": {"network": "encoder"},
    "state/_generators/trained": [],
}


@pytest.mark.parametrize("where", MALFORMED_EMBEDDERS)
def test_malformed_embedders_are_refused(where, path):
    embedder_of("table").save(path)
    with changed(path) as (meta, _):
        container, key = at(meta, where)
        container[key] = MALFORMED_EMBEDDERS[where]
    with pytest.raises(ValueError, match="damaged one"):
        RHVAEEmbedder.load(path)


@pytest.mark.parametrize("case", ["table", "direct"])
def test_the_file_of_an_augmenter_under_another_name_is_refused(case, path):
    fitted(case).save(path)
    with changed(path) as (meta, _):
        meta["kind"] = "embedder"
    with pytest.raises(ValueError, match=r"damaged one .*RHVAEEmbedder\.save"):
        RHVAEEmbedder.load(path)


@pytest.mark.filterwarnings("ignore:The model in")
@pytest.mark.parametrize("case", ["table", "volumes"])
def test_junk_anywhere_is_refused_or_harmless(case, path, random_seed):
    check_junk_anywhere(embedder_of(case), path, random_seed, n_tries=40)


def test_inspect(path, capsys):
    embedder_of("dataframe").save(path)
    assert main(["inspect", str(path)]) == 0
    lines = dict(
        re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert lines["model"] == "RHVAEEmbedder"
    assert lines["rows"] == "40"
    assert lines["column names"] == "a, b, c, d"
    assert lines["codes"] == "rhvaeembedder0, rhvaeembedder1, rhvaeembedder2"
    assert "latent_dim 3" in lines["parameters"]
    assert main(["inspect", str(path), "--json"]) == 0
    assert main(["generate", str(path), "-o", "new.csv", "--per-class", "1"]) == 1
    assert "read it with RHVAEEmbedder.load" in capsys.readouterr().err
