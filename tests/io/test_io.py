"""Tests of reading and writing tables."""

import os
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_pyraug.io import load_synthetic_mask, load_table, save_table

pd = pytest.importorskip("pandas")
try:
    import pyarrow
except ImportError:
    pyarrow = None
needs_parquet = pytest.mark.skipif(pyarrow is None, reason="parquet needs pyarrow")
parquet = pytest.param(".parquet", marks=needs_parquet)

MASK = np.array([False, False, True])


@pytest.fixture
def frame():
    """A table with floats of many digits, integers, strings and a missing value."""
    return pd.DataFrame(
        {
            "length": [0.1 + 0.2, 1e-308, np.nan],
            "count": [1, 2, 3],
            "colour": ["red", "grün, hell", 'say "blue"'],
        }
    )


@pytest.mark.parametrize("suffix", [".csv", parquet])
@pytest.mark.parametrize("mask", [None, MASK])
def test_round_trip_of_a_frame(frame, mask, suffix, tmp_path):
    y = pd.Series(["a", "b", "b"], name="ignored", index=[5, 6, 7])
    save_table(tmp_path / f"t{suffix}", frame, y, mask, target="kind")
    X_back, y_back = load_table(tmp_path / f"t{suffix}", target="kind")
    pd.testing.assert_frame_equal(X_back, frame, check_exact=True)
    assert y_back.tolist() == ["a", "b", "b"]
    assert y_back.name == "kind"


@needs_parquet
def test_parquet_keeps_categories_dates_and_small_types(tmp_path):
    frame = pd.DataFrame(
        {
            "colour": pd.Categorical(["red", "blue", None], categories=["red", "blue", "green"]),
            "day": pd.to_datetime(["2020-01-01", "2020-01-02", None]),
            "small": np.array([1, 2, 3], dtype=np.int8),
            3: [True, False, True],
        },
        index=[7, 8, 9],
    )
    y = pd.Series(pd.Categorical(["a", "b", "a"]))
    save_table(tmp_path / "t.parquet", frame, y, MASK)
    X_back, y_back = load_table(tmp_path / "t.parquet")
    expected = frame.rename(columns=str).reset_index(drop=True)
    pd.testing.assert_frame_equal(X_back, expected)
    assert y_back.dtype == "category"
    assert list(frame.columns)[-1] == 3  # the caller's frame stays as it was


@needs_parquet
@pytest.mark.parametrize("values", [[1, "a", 2.0], [1j, 2j, 3j]], ids=["mixed", "complex"])
def test_what_parquet_cannot_hold_is_refused(values, tmp_path):
    with pytest.raises(ValueError, match="cannot be written to a parquet file"):
        save_table(tmp_path / "t.parquet", pd.DataFrame({"x": values}), [0, 1, 1])
    assert not list(tmp_path.iterdir())


def test_csv_round_trip_of_an_array_is_exact(tmp_path, random_seed):
    X = np.random.default_rng(random_seed).normal(size=(200, 3)) * 10.0 ** np.arange(-6, 3, 3)
    y = np.arange(200) % 3
    save_table(tmp_path / "t.csv", X, y)
    X_back, y_back = load_table(tmp_path / "t.csv")
    assert list(X_back.columns) == ["x0", "x1", "x2"]
    assert_array_equal(X_back.to_numpy(), X)
    assert_array_equal(y_back, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_npz_round_trip_keeps_shape_and_dtype(dtype, tmp_path):
    X = np.arange(24).reshape(3, 2, 4).astype(dtype)
    save_table(tmp_path / "t.npz", X, ["a", "b", "b"], MASK)
    X_back, y_back = load_table(tmp_path / "t.npz")
    assert X_back.dtype == dtype
    assert_array_equal(X_back, X)
    assert_array_equal(y_back, ["a", "b", "b"])


def test_npz_takes_pandas_strings_and_numeric_frames(frame, tmp_path):
    save_table(tmp_path / "t.npz", frame[["count"]], pd.Series(["a", "b", "b"]))
    X_back, y_back = load_table(tmp_path / "t.npz")
    assert_array_equal(X_back, [[1], [2], [3]])
    assert_array_equal(y_back, ["a", "b", "b"])


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".CSV", parquet])
def test_mask_round_trip(suffix, tmp_path):
    path = tmp_path / f"t{suffix}"
    save_table(path, np.eye(3), [0, 1, 1], MASK)
    assert_array_equal(load_synthetic_mask(path), MASK)
    assert load_table(path)[0].shape == (3, 3)  # the mark is no feature


@pytest.mark.parametrize("suffix", [".csv", ".npz", parquet])
def test_mask_of_unmarked_rows_is_an_error(suffix, tmp_path):
    path = tmp_path / f"t{suffix}"
    save_table(path, np.eye(3), [0, 1, 1])
    with pytest.raises(ValueError, match="no column or array 'synthetic'"):
        load_synthetic_mask(path)


def test_a_numeric_column_called_synthetic_is_a_feature(tmp_path):
    path = tmp_path / "fibres.csv"
    path.write_text("cotton,synthetic,kind\n0.7,0.3,a\n0.2,0.8,b\n")
    assert list(load_table(path, "kind")[0].columns) == ["cotton", "synthetic"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_never_replaced(make, tmp_path):
    """As root, /dev/null became a file."""
    make(tmp_path / "t.npz")
    with pytest.raises(FileExistsError, match="a folder or a device; choose another name"):
        save_table(tmp_path / "t.npz", [[0.0]], [0], overwrite=True)
    assert not (tmp_path / "t.npz").is_file()


@pytest.mark.parametrize("suffix", [".csv", ".npz", parquet])
def test_an_existing_file_is_kept_unless_told(suffix, tmp_path):
    path = tmp_path / f"t{suffix}"
    save_table(path, np.zeros((2, 1)), [0, 1])
    content = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_table(path, np.ones((2, 1)), [0, 1])
    assert path.read_bytes() == content
    save_table(path, np.ones((2, 1)), [0, 1], overwrite=True)
    assert np.asarray(load_table(path)[0]).tolist() == [[1.0], [1.0]]


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    save_table(path, np.zeros((2, 1)), [0, 1])
    content = path.read_bytes()

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        save_table(path, np.ones((2, 1)), [0, 1], overwrite=True)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["t.xls", "t", "t.gz", "t.npz.gz"])
def test_unknown_suffixes_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.csv, .*\.npz"):
        save_table(tmp_path / name, np.eye(2), [0, 1])
    with pytest.raises(ValueError, match=r"ends in \.csv, .*\.npz"):
        load_table(tmp_path / name)


@pytest.mark.parametrize("suffix", [".csv", ".npz", parquet])
def test_a_missing_file_is_named(suffix, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file; check the name"):
        load_table(tmp_path / f"absent{suffix}")


def test_a_missing_target_names_the_columns_present(tmp_path):
    save_table(tmp_path / "t.csv", np.zeros((2, 12)), [0, 1])
    with pytest.raises(ValueError, match="`target` is 'label'.*'x0', 'x1'.*'x9' and 3 more"):
        load_table(tmp_path / "t.csv", target="label")


def test_a_missing_array_names_the_arrays_present(tmp_path):
    np.savez(tmp_path / "t.npz", X=np.eye(2), labels=[0, 1])
    with pytest.raises(ValueError, match="no array 'y' but 'X', 'labels'"):
        load_table(tmp_path / "t.npz")


def test_missing_targets_are_counted(tmp_path):
    (tmp_path / "t.csv").write_text("a,target\n1,x\n2,\n3, \n")
    with pytest.raises(ValueError, match="2 of 3 values"):
        load_table(tmp_path / "t.csv")


@pytest.mark.parametrize("content", [b"", b"a,target\n", b"\xff\xfe\x00", b"a,b\n1,2\n1,2,3\n"])
def test_damaged_or_empty_csv_is_refused(content, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match="`path` is"):
        load_table(tmp_path / "t.csv")


@needs_parquet
def test_damaged_parquet_is_refused(tmp_path, random_seed):
    path = tmp_path / "t.parquet"
    save_table(path, pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), ["a", "b"])
    whole = path.read_bytes()
    rng = np.random.default_rng(random_seed)
    damaged = [b"", b"PAR1", whole[:100], b"a,target\n1,2\n", whole[:-20]]
    for _ in range(50):
        content = bytearray(whole)
        for position in rng.integers(len(whole), size=20):
            content[position] = rng.integers(256)
        damaged.append(bytes(content))
    n_refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            load_table(path)
        except ValueError as error:
            n_refused += "`path` is" in str(error) or "`target` is" in str(error)
    assert n_refused > 45  # the rest were changed where nobody looks


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": np.eye(3), "y": [0, 1]},
        {"X": np.eye(2), "y": [0, 1], "synthetic": [True]},
        {"X": 1.0, "y": [0]},
        {"X": np.arange(2.0), "y": [0, 1]},
        {"X": np.eye(2)[:0], "y": []},
    ],
)
def test_npz_arrays_that_do_not_fit_together(arrays, tmp_path):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(
        ValueError, match="as many targets and marks of synthetic rows as rows, at least one"
    ):
        load_table(tmp_path / "t.npz")


@pytest.mark.parametrize("suffix", [".csv", ".npz", parquet])
def test_masked_values_are_saved_as_missing(suffix, tmp_path):
    path = tmp_path / f"t{suffix}"
    save_table(path, np.ma.masked_less([[-9999.0, 1], [2, 3]], -9000), [0, 1])
    assert np.isnan(np.asarray(load_table(path)[0])).tolist() == [[True, False], [False, False]]


def test_damaged_npz_is_refused(tmp_path):
    path = tmp_path / "t.npz"
    save_table(path, np.eye(5), np.arange(5))
    whole = path.read_bytes()
    np.save(tmp_path / "lone.npy", np.eye(2))
    for content in (b"", whole[:100], b"no zip file", (tmp_path / "lone.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a readable npz file"):
            load_table(path)


def test_pickles_are_not_opened(tmp_path):
    np.savez(tmp_path / "t.npz", X=np.array([{}], dtype=object), y=[0])
    with pytest.raises(ValueError, match="Python objects"):
        load_table(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("name", "X", "y", "keywords", "match"),
    [
        ("t.csv", np.eye(2), [0], {}, "one target per row"),
        ("t.csv", np.zeros(2), [0, 1], {}, "`X` has shape"),
        ("t.csv", np.zeros((2, 3, 3)), [0, 1], {}, "use .npz"),
        ("t.csv", np.eye(2), [0, 1], {"target": "x1"}, "'x1'; rename it"),
        ("t.csv", np.eye(2), [0, 1], {"target": "synthetic"}, "'synthetic'; rename it"),
        ("t.npz", np.array([[0, "a"]], dtype=object), [0], {}, "`X` holds Python objects"),
        ("t.npz", np.eye(2), [0, 1], {"synthetic_mask": [0, 1]}, "`synthetic_mask` has dtype"),
        ("t.npz", np.eye(2), [0, 1], {"synthetic_mask": [True]}, r"shape \(1,\)"),
    ],
)
def test_tables_that_do_not_fit_are_refused(name, X, y, keywords, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        save_table(tmp_path / name, X, y, **keywords)
    assert not list(tmp_path.iterdir())


def test_a_feature_named_like_the_mark_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'synthetic'; rename it"):
        save_table(tmp_path / "t.csv", pd.DataFrame({"synthetic": [1.0]}), [0])


def test_without_pandas_csv_names_the_remedy_and_npz_works(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    save_table(tmp_path / "t.npz", np.eye(2), [0, 1])
    assert load_table(tmp_path / "t.npz")[0].shape == (2, 2)
    with pytest.raises(ImportError, match=r'pip install "sklearn-pyraug\[tables\]"'):
        save_table(tmp_path / "t.csv", np.eye(2), [0, 1])


def test_without_pyarrow_parquet_names_the_remedy_and_csv_works(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    save_table(tmp_path / "t.csv", np.eye(2), [0, 1])
    with pytest.raises(ImportError, match=r"pip install \"sklearn-pyraug\[tables\]"):
        save_table(tmp_path / "t.parquet", np.eye(2), [0, 1])


def test_a_file_that_may_not_be_opened_is_no_damaged_one(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a,target\n1,2\n")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError):
        load_table(tmp_path / "t.csv")
