"""Digests: equal for equal values, different for whatever may make a difference."""

import functools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from shared import quick, table
from torch import nn

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug._generation.cache import digest, library_versions

WIDTH = 3


def factory(n_features, latent_dim):
    return nn.Linear(n_features, latent_dim * WIDTH)


class Encoder(nn.Module):
    scale = 2.0

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.scale * self.layer(x)


def made(source):
    """Return what `source` defines as `f`, as a script would."""
    names = {"__name__": "__main__", "nn": nn}
    exec(source, names)
    return names["f"]


DIFFERENT = [
    None,
    True,
    1,
    1.0,
    "1",
    b"1",
    -0.0,
    0.0,
    (1,),
    [1],
    {1: 2},
    {2: 1},
    {1, 2},
    np.int64(1),
    np.float32(1),
    np.zeros(2),
    np.zeros(2, np.float32),
    np.zeros((2, 1)),
    np.zeros(2, object),
    torch.zeros(2),
    torch.zeros(2, dtype=torch.float64),
    torch.zeros(2, 1),
    np.dtype("i4"),
    np.random.RandomState(0),
    np.random.RandomState(1),
    factory,
    Encoder,
    functools.partial(factory, 2),
    functools.partial(factory, 3),
    np.exp,
    len,
    float,
    int,
    [[1], 2],
    [1, [2]],
    ["ab", "c"],
    ["a", "bc"],
]


def test_different_values_have_different_digests():
    digests = [digest(value) for value in DIFFERENT]
    assert len(set(digests)) == len(DIFFERENT)


@pytest.mark.parametrize("i", range(len(DIFFERENT)))
def test_a_copy_has_the_same_digest(i):
    value = DIFFERENT[i]
    assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


@pytest.mark.slow
def test_a_digest_is_the_same_in_another_process():
    values = "[1.5, 'a', {'b': (None, True)}, {1, 'x', 2.5}, np.arange(3)]"
    code = "import numpy as np\nfrom sklearn_pyraug._generation.cache import digest\n"
    code += f"print(digest({values}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(eval(values))


def test_parts_that_are_one_object_count_as_equal_ones():
    x = np.zeros(3)
    assert digest([x, x]) == digest([x, x.copy()])


def test_layout_in_memory_does_not_count():
    x = np.arange(6.0).reshape(2, 3)
    assert digest(np.asfortranarray(x)) == digest(x)
    assert digest(torch.from_numpy(x.T.copy()).T) == digest(torch.from_numpy(x))


def test_a_network_counts_by_its_weights_and_its_code():
    torch.manual_seed(0)
    network = Encoder()
    assert digest(pickle.loads(pickle.dumps(network))) == digest(network)
    before = digest(network)
    network.eval()
    assert digest(network) != before
    network.train()
    network.layer.weight.requires_grad_(False)
    assert digest(network) != before
    network.layer.weight.requires_grad_(True)
    with torch.no_grad():
        network.layer.bias += 1.0
    assert digest(network) != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def f(x):\n    return x + 1", "def f(x):\n    return x + 2"),
        ("def f(x):\n    return x + 1", "def f(x):\n    return x - 1"),
        ("def f(x, n=1):\n    return x + n", "def f(x, n=2):\n    return x + n"),
        ("N = 1\ndef f(x):\n    return x + N", "N = 2\ndef f(x):\n    return x + N"),
        ("def g(n):\n    return lambda: n\nf = g(1)", "def g(n):\n    return lambda: n\nf = g(2)"),
        (
            "class f(nn.Module):\n    def forward(self, x):\n        return x + 1",
            "class f(nn.Module):\n    def forward(self, x):\n        return x + 2",
        ),
        ("class f:\n    scale = 1", "class f:\n    scale = 2"),
        (
            "class A:\n    def g(self):\n        return 1\nclass f(A): pass",
            "class A:\n    def g(self):\n        return 2\nclass f(A): pass",
        ),
        (
            "def f(x):\n    return [v for v in x if v > 1]",
            "def f(x):\n    return [v for v in x if v > 2]",
        ),
    ],
)
def test_a_change_of_the_code_is_seen(old, new):
    assert digest(made(old)) == digest(made(old))
    assert digest(made(old)) != digest(made(new))


def test_comments_do_not_count():
    old, new = "def f(x):\n    return x", "def f(x):\n    # the same\n    return x"
    assert digest(made(old)) == digest(made(new))


def test_an_object_that_holds_itself_ends():
    class Owner:
        def method(self):
            return 1

    owner = Owner()
    owner.callback = owner.method
    assert digest(owner) == digest(owner)


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(TypeError, match="generator cannot be told from another"):
        digest([1, (i for i in ())])


@pytest.mark.parametrize("decoder", ["direct", "residual"])
def test_a_fitted_augmenter_has_one_digest_whatever_became_of_it(decoder):
    X, y = table()
    fitted = quick(decoder=decoder).fit(X, y)
    before = digest(fitted._generators)
    fitted.sample(3)
    assert digest(fitted._generators) == before
    assert digest(pickle.loads(pickle.dumps(fitted))._generators) == before
    assert digest(quick(decoder=decoder).fit(X, y)._generators) == before
    assert digest(quick(decoder=decoder, random_state=1).fit(X, y)._generators) != before


def test_a_digest_tells_nothing_of_the_value():
    assert len(digest("a name")) == 64
    assert set(digest("a name")) <= set("0123456789abcdef")


def test_the_versions_are_those_of_the_numerical_libraries():
    assert library_versions()["torch"] == torch.__version__
    assert library_versions().keys() >= {"sklearn_pyraug", "numpy", "scikit-learn", "skorch"}
    assert RHVAEAugmenter.__module__.split(".")[0] in library_versions()
