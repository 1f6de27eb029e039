"""Tests of the archives of tensors: what goes in comes out, and nothing else is let in."""

import json
import os
import pickle
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from sklearn_pyraug._serialization import archive
from sklearn_pyraug._serialization.archive import read_archive, write_archive
from sklearn_pyraug.io._atomic import atomic_write

META = {"params": {"latent_dim": 2, "name": "ä", "none": None}, "list": [1, 0.1, True, "x"]}


def parts_of(path):
    """Return the header of an archive, as a dict, and the bytes of its tensors."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def assemble(path, header, data=b""):
    """Write an archive of a header, a dict or bytes, and the bytes of its tensors."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def set_text(path, text):
    """Put another text in the place of an archive's JSON."""
    header, data = parts_of(path)
    assemble(path, header | {"__metadata__": {"meta": f"0 {text}"}}, data)


@pytest.fixture
def path(tmp_path):
    """A valid archive."""
    path = tmp_path / "model.pyraug"
    write_archive(path, META, {"c": torch.arange(6.0).reshape(2, 3)})
    return path


def test_round_trip_of_every_dtype(tmp_path):
    tensors = {
        str(dtype): torch.tensor([[0, 1], [1, 1]]).to(dtype)
        for dtype in [
            torch.float64,
            torch.float32,
            torch.float16,
            torch.bfloat16,
            torch.int64,
            torch.int32,
            torch.uint8,
            torch.bool,
        ]
    }
    tensors |= {"scalar": torch.tensor(0.1), "empty": torch.empty(0, 3), "": torch.ones(1)}
    write_archive(tmp_path / "a", META, tensors)
    meta, restored = read_archive(tmp_path / "a")
    assert meta == META
    assert restored.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert restored[name].dtype == tensor.dtype
        assert torch.equal(restored[name], tensor)


def test_round_trip_of_nothing(tmp_path):
    write_archive(tmp_path / "a", {}, {})
    assert read_archive(tmp_path / "a") == ({}, {})


def test_views_parameters_and_shared_memory_are_stored_as_they_look(tmp_path):
    base = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))
    tensors = {"whole": base, "transposed": base.T, "column": base[:, 1], "row": base[0]}
    write_archive(tmp_path / "a", {}, tensors)
    for name, tensor in read_archive(tmp_path / "a")[1].items():
        assert torch.equal(tensor, tensors[name])
        assert not tensor.requires_grad


def test_equal_content_gives_equal_bytes(path, tmp_path):
    write_archive(tmp_path / "again", META, {"c": torch.arange(6.0).reshape(2, 3)})
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_content_is_json_and_safetensors(path):
    with safe_open(path, framework="pt") as opened:
        assert opened.keys() == ["c"]
        meta = json.loads(opened.metadata()["meta"].partition(" ")[2])
    assert meta == {"format": "sklearn-pyraug", "version": 1, **META}


def test_truncated_files_are_refused(path):
    whole = path.read_bytes()
    for n_bytes in [0, 1, 30, len(whole) // 2, len(whole) - 22, len(whole) - 1]:
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(ValueError, match="not a readable archive"):
            read_archive(path)


def test_a_flipped_bit_is_refused_or_harmless(path):
    whole = path.read_bytes()
    expected = read_archive(path)[0]
    n_refused = 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            meta, tensors = read_archive(path)
        except ValueError:
            n_refused += 1
        else:  # a space that carries no content
            assert meta == expected
            assert torch.equal(tensors["c"].ravel(), torch.arange(6.0))
    assert n_refused > len(whole) / 2


def test_a_pickle_under_the_name_is_not_opened(path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "opened"),)

    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="not a readable archive"):
        read_archive(path)
    torch.save(Bomb(), path)
    with pytest.raises(ValueError, match="not a readable archive|out of bounds"):
        read_archive(path)
    assemble(path, pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="not a readable archive"):
        read_archive(path)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("version", [2, 0, "1", 1.0, True, None])
def test_other_versions_are_refused(path, version):
    set_text(path, json.dumps({"format": "sklearn-pyraug", "version": version}))
    with pytest.raises(ValueError, match=rf"of version {version!r} where 1 is known"):
        read_archive(path)


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"format": "other", "version": 1}'])
def test_other_formats_are_refused(path, text):
    set_text(path, text)
    with pytest.raises(ValueError, match="does not name the format"):
        read_archive(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_damaged_json_is_refused(path, text):
    set_text(path, text)
    with pytest.raises(ValueError, match="not a readable archive"):
        read_archive(path)


@pytest.mark.parametrize(
    "header", [b"", b"{}", b"[]", b"\xff", b"{" * 1000, b'{"__metadata__": {"meta": 1}}'], ids=repr
)
def test_damaged_headers_are_refused(path, header):
    assemble(path, header, parts_of(path)[1])
    with pytest.raises(ValueError, match="not a readable archive"):
        read_archive(path)


@pytest.mark.parametrize(
    "change",
    [{"shape": [2**40, 2**20]}, {"data_offsets": [0, 2**40]}, {"dtype": "F1"}, {"shape": [5]}],
    ids=str,
)
def test_tensors_that_do_not_fit_are_refused(path, change):
    header, data = parts_of(path)
    header["c"] |= change
    assemble(path, header, data)
    with pytest.raises(ValueError, match="not a readable archive"):
        read_archive(path)


def test_tensors_that_overlap_are_refused(path):
    header, data = parts_of(path)
    assemble(path, header | {"again": header["c"]}, data)
    with pytest.raises(ValueError, match="not a readable archive"):
        read_archive(path)


def test_more_bytes_than_tensors_are_refused(path):
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match="not a readable archive"):
        read_archive(path)


BOUNDS = {"_MAX_HEADER_BYTES": "bytes of JSON", "_MAX_HEADER_VALUES": "values in JSON"}


@pytest.mark.parametrize("bound", BOUNDS)
def test_what_is_out_of_bounds_is_neither_read_nor_written(path, bound, monkeypatch):
    monkeypatch.setattr(archive, bound, 1)
    with pytest.raises(ValueError, match="out of bounds"):
        read_archive(path)
    with pytest.raises(ValueError, match=f"more to write than an archive holds .*{BOUNDS[bound]}"):
        write_archive(path, META, {"c": torch.zeros(2)})


HOSTILE = {
    "brackets": b'{"__metadata__":{"meta":"[' + b"[]," * (5 * 2**20) + b'[]]"}}',
    "escapes": b'{"__metadata__":{"meta":"0 [' + rb"\u007b\u007d\u002c" * 2**20 + b'1]"}}',
    "text": b'{"__metadata__":{"meta":"' + b"x" * 2**26 + b'"}}',
    "tensors": b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},' * 2**18,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_cost_no_more_than_their_size(path, name):
    """Parsed, each would take seconds, or more than a gigabyte."""
    assemble(path, HOSTILE[name])
    start = time.process_time()
    with pytest.raises(ValueError, match=r"\(\d+ (bytes of|values in) JSON, of at most"):
        read_archive(path)
    assert time.process_time() - start < 1.0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="a pipe, a socket or a device"):
        read_archive(tmp_path / "pipe")


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "absent")


@pytest.mark.parametrize(
    ("meta", "tensors", "match"),
    [
        ({"a": float("nan")}, {}, "`meta` is not plain JSON"),
        ({"a": object()}, {}, "`meta` is not plain JSON"),
        ({"a": "\ud800"}, {}, "`meta` is not plain JSON"),
        ({}, {"a": [1.0]}, "`tensors` has list under 'a'"),
        ({}, {"a": torch.eye(2).to_sparse()}, "`tensors` has Tensor under 'a'"),
        ({}, {1: torch.ones(1)}, "`tensors` cannot be stored"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_the_old_file_kept(path, meta, tensors, match):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=match):
        write_archive(path, meta, tensors)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left on device: .*pyraug"):
        write_archive(path, {}, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupted_block_leaves_nothing(tmp_path):
    def write_half():
        with atomic_write(tmp_path / "a") as handle:
            handle.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_writable_is_told_by_the_name_of_the_file(tmp_path, monkeypatch):
    """And not by that of the temporary one."""

    def refuse(path, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: '.*[/\\]+a'$"):
        with atomic_write(tmp_path / "a"):
            pass


def test_atomic_write_does_not_replace_what_appeared_meanwhile(tmp_path):
    path = tmp_path / "a"

    def write_late():
        with atomic_write(path, overwrite=False) as handle:
            handle.write(b"mine")
            path.write_bytes(b"theirs")

    with pytest.raises(FileExistsError):
        write_late()
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_files_get_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_archive(tmp_path / "a", {}, {})
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode
