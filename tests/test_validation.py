"""Checks of user input."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from sklearn_pyraug._validation import (
    check_device,
    check_finite,
    check_hidden_layer_sizes,
    check_n_classes,
    check_sample_shape,
)

# check_finite


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "X",
    [
        np.zeros((3, 2)),
        np.zeros((3, 2), dtype=np.int64),
        np.zeros((3, 2), dtype=bool),
        np.full((3, 2), np.finfo(np.float64).max),  # the sum overflows, the values are finite
        np.full((3, 2), np.finfo(np.float16).max),
        np.array([[1e308, -1e308], [1e308, -1e308]]),
        sp.csr_array(np.eye(3)),
        sp.csc_matrix((3, 2)),
    ],
)
def test_finite_tables_pass(X):
    assert check_finite(X) is None


def broken_table():
    X = np.ones((4, 8))
    X[[0, 1], 2] = np.nan
    X[3, 2], X[0, 5] = np.inf, -np.inf
    return X


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_matrix, sp.coo_array])
def test_missing_values_are_counted_by_column(container):
    with pytest.raises(ValueError, match=r"^Input X contains NaN\. ") as error:
        check_finite(container(broken_table()))
    message = str(error.value)
    assert "Found 2 NaN and 2 infinite in 2 of 8 columns" in message
    assert "column 2 (2 NaN and 1 infinite), column 5 (1 infinite)." in message
    assert "SimpleImputer" in message
    assert "replace those by NaN first" in message


def test_columns_are_called_by_their_names():
    names = np.array(list("abcdefgh"), dtype=object)
    with pytest.raises(ValueError, match=r"'c' \(2 NaN and 1 infinite\), 'f' \(1 infinite\)\."):
        check_finite(broken_table(), feature_names=names)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_infinity_alone(dtype):
    X = np.zeros((3, 2), dtype=dtype)
    X[1, 1] = np.inf
    with pytest.raises(ValueError, match=r"^Input X contains infinity\. Found 1 infinite in 1 of"):
        check_finite(X)


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="one type")
def test_more_than_float64_holds_is_infinite():
    """Rows of NaN came back, after a training that diverged."""
    with pytest.raises(ValueError, match=r"^Input X contains infinity\. Found 1 infinite in 1 of"):
        check_finite(np.array([["1e4000", "1"]], dtype=np.longdouble))


def test_opposite_infinities_do_not_read_as_nan():
    with pytest.raises(ValueError, match=r"^Input X contains infinity\. Found 2 infinite"):
        check_finite(np.array([[np.inf, -np.inf]]))


def test_at_most_five_columns_are_named():
    with pytest.raises(ValueError, match=r"column 4 \(3 NaN\), and 7 more\. Put") as error:
        check_finite(np.full((3, 12), np.nan))
    assert "column 5" not in str(error.value)
    assert "infinite" not in str(error.value)


# check_device


@pytest.fixture
def machine(monkeypatch):
    """Pretend to have so many CUDA devices, and a Metal device or none."""

    def pretend(n_cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("n_cuda", "mps", "expected"),
    [(0, False, "cpu"), (1, False, "cuda"), (0, True, "mps"), (1, True, "cuda")],
)
def test_auto_takes_the_fastest_device(machine, n_cuda, mps, expected):
    machine(n_cuda, mps)
    assert check_device("auto") == expected
    assert check_device("cpu") == "cpu"


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1", "mps", torch.device("cuda:1")])
def test_present_devices_keep_their_name(machine, device):
    machine(n_cuda=2, mps=True)
    assert check_device(device) == str(device)


@pytest.mark.parametrize(
    "device", ["tpu", "cuda:", "cuda:-1", "cuda1", "CUDA", "meta", "", None, 0]
)
def test_unknown_devices_are_named(machine, device):
    machine(n_cuda=1)
    with pytest.raises(ValueError, match=r"device=.* is not a device .*'auto', 'cpu'") as error:
        check_device(device)
    assert f"device={device!r}" in str(error.value)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps"])
def test_absent_devices_are_named(machine, device):
    machine()
    with pytest.raises(ValueError, match=rf"device='{device}' is not .* one of 'auto', 'cpu'\."):
        check_device(device)


def test_absent_cuda_index_is_named(machine):
    machine(n_cuda=2)
    with pytest.raises(ValueError, match=r"device='cuda:2' is not .*'cuda:0', 'cuda:1', 'cuda'\."):
        check_device("cuda:2")


# check_n_classes


@pytest.mark.parametrize(
    ("classes", "found"),
    [
        (np.array([3]), r"1 class \(label 3\)"),
        (np.array(["x"]), r"1 class \(label 'x'\)"),
        (np.array([]), "0 classes"),
    ],
)
def test_too_few_classes_are_counted(classes, found):
    with pytest.raises(ValueError, match=rf"at least 2 classes .*, got {found}\. Pass"):
        check_n_classes(classes)


# check_sample_shape and check_hidden_layer_sizes


@pytest.mark.parametrize("shape", [(8, 8), [8, 8], np.array([8, 8]), (1, 8, 8), (4, 4, 4), (64,)])
def test_sample_shape_becomes_a_tuple_of_int(shape):
    checked = check_sample_shape(shape, 64)
    assert checked == tuple(shape)
    assert all(type(size) is int for size in checked)


def test_no_sample_shape():
    assert check_sample_shape(None, 64) is None


def test_sample_shape_of_another_size_names_both():
    with pytest.raises(ValueError, match=r"sample_shape=\(8, 9\) holds 72 .* X has 64 columns.*"):
        check_sample_shape((8, 9), 64)


@pytest.mark.parametrize("shape", [(), (8, 0), (-8, -8), (8.0, 8), 64, "88", (True, 64)])
def test_what_is_no_shape_is_named(shape):
    with pytest.raises(ValueError, match=r"sample_shape=.* is not a sequence .*Pass"):
        check_sample_shape(shape, 64)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [(400, (400,)), ((64, 32), (64, 32)), ([16], (16,)), (np.array([4, 2]), (4, 2))],
)
def test_hidden_layer_sizes_become_a_tuple_of_int(sizes, expected):
    checked = check_hidden_layer_sizes(sizes)
    assert checked == expected
    assert all(type(size) is int for size in checked)


@pytest.mark.parametrize("sizes", [(), [], 0, -3, (4, 0), (4.0,), 4.0, None, "400", True])
def test_impossible_hidden_layers_are_named(sizes):
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=.* at least one hidden .*Pass"):
        check_hidden_layer_sizes(sizes)
