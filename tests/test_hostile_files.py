"""Malformed files of every kind: no code, at most a second, 200 MB over the size, a clear error.

Each is read in a process of its own, whose time and memory are measured.
"""

import copy
import gzip
import io
import json
import os
import pickle
import signal
import struct
import time
import zipfile
import zlib
from contextlib import suppress
from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from shared import quick

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug._serialization.archive import _checksum
from sklearn_pyraug.io import load_image_folder, load_table

pd = pytest.importorskip("pandas")
pytest.importorskip("PIL")
pytest.importorskip("nibabel")
resource = pytest.importorskip("resource")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork"),
]

SECONDS, MEGABYTES = 1.0, 200
HC = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def rows(n=24):
    """Return a table of numbers and categories, and labels."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "count": rng.integers(0, 9, n),
            "kind": pd.Categorical(np.arange(n) % 3),
        }
    )
    return X, np.array(["a", "b"])[np.arange(n) % 2]


@cache
def members(what):
    """Return the JSON and the header of a model file or a checkpoint, and its tensors' bytes."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        augmenter = quick(checkpoint=os.path.join(folder, "run"))
        augmenter.fit_resample(*rows())
        augmenter.save(os.path.join(folder, "m"))
        path = {"model": "m", "checkpoint": "run/group-0000.state"}[what]
        with open(os.path.join(folder, path), "rb") as file:
            content = file.read()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    return json.loads(header.pop("__metadata__")["meta"].partition(" ")[2]), header, content[end:]


def archive(header, data=b""):
    """Return an archive of a header, a dict or bytes, and the bytes of tensors."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def changed(what, path, value):
    """Return an archive in whose JSON one place has another value; a callable changes it."""
    meta = copy.deepcopy(members(what)[0])
    *parents, last = path.split("/")
    place = meta
    for name in parents:
        place = place[int(name) if isinstance(place, list) else name]
    key = int(last) if isinstance(place, list) else last
    place[key] = value(place[key]) if callable(value) else value
    return raw_json(what, json.dumps(meta))


def raw_json(what, text):
    _, header, data = members(what)
    crc = _checksum(text, load_tensors(archive(header, data)))
    return archive(header | {"__metadata__": {"meta": f"{crc} {text}"}}, data)


def with_header(what, header):
    """Return an archive with another header before the same tensors."""
    meta, _, data = members(what)
    if isinstance(header, dict):
        header = header | {"__metadata__": {"meta": f"0 {json.dumps(meta)}"}}
    return archive(header, data)


def with_tensors(what, change):
    """Return an archive of other tensors; `change` takes those of a part of a name."""
    meta, header, data = members(what)
    found = load_tensors(archive(header, data))
    part, function = change
    names = [n for n in found if part in n]
    assert names
    found |= {n: function(found[n]).contiguous() for n in names}
    text = json.dumps(meta)
    return save_tensors(found, {"meta": f"{_checksum(text, found)} {text}"})


def nested(depth, kind="list"):
    value = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"tuple": [value]}
    return value


TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
# What may go wrong with any archive.
OF_ARCHIVES = {
    "empty": lambda what: b"",
    "text": lambda what: b"I am a text.\n" * 10,
    "a pickle": lambda what: pickle.dumps(Bomb()),
    "a pickle inside": lambda what: archive(b"{}", pickle.dumps(Bomb())),
    "a pickle as header": lambda what: archive(pickle.dumps(Bomb())),
    "cut": lambda what: raw_json(what, "{}")[:-30],
    "json of 16 MB of brackets": lambda what: raw_json(what, "[" * 2**24),
    "json of numbers": lambda what: raw_json(what, "[" + "1," * 5_000_000 + "1]"),
    "json of one text": lambda what: raw_json(what, '"' + "a" * 2**24 + '"'),
    "json of a long number": lambda what: raw_json(what, "9" * 10**6),
    "json with NaN": lambda what: raw_json(what, '{"format": NaN}'),
    "json in no encoding": lambda what: archive(b'{"__metadata__": {"meta": "\xff\xfe"}}'),
    "json that is a list": lambda what: raw_json(what, "[]"),
    "header longer than the file": lambda what: b"\xff" * 8 + b"{}",
    "header that is no json": lambda what: with_header(what, b"{" * 1000),
    "header of many tensors": lambda what: with_header(
        what, {f"t{i}": TENSOR | {"shape": [0], "data_offsets": [0, 0]} for i in range(120_000)}
    ),
    "tensors that overlap": lambda what: with_header(what, {"a": TENSOR, "b": TENSOR}),
    "a tensor of a huge shape": lambda what: with_header(
        what, {"a": TENSOR | {"shape": [2**40, 2**20]}}
    ),
}
MODELS = {
    "memory": ("parameters", lambda p: p | {"memory": "cache"}),
    "checkpoint": ("parameters", lambda p: p | {"checkpoint": "run"}),
    "device": ("parameters", lambda p: p | {"device": "cuda"}),
    "n_jobs": ("parameters", lambda p: p | {"n_jobs": 10**6}),
    "callbacks": ("parameters", lambda p: p | {"callbacks": []}),
    "verbose": ("parameters", lambda p: p | {"verbose": 1}),
    "a checkpoint as component": (
        "parameters/encoder",
        {"component": {"class": "Checkpoint", "parameters": {"folder": "run"}}},
    ),
    "an estimator as component": (
        "parameters/encoder",
        {"component": {"class": "RHVAEAugmenter", "parameters": {"memory": "cache"}}},
    ),
    "a component with a path": (
        "parameters/encoder",
        {"component": {"class": "MLP", "parameters": {"memory": "cache"}}},
    ),
    "a component of components": (
        "parameters/sampler",
        {
            "component": {
                "class": "HMC",
                "parameters": {"n_steps": {"component": {"class": "HMC", "parameters": {}}}},
            }
        },
    ),
    "a parameter that is missing": ("parameters", lambda p: {}),
    "deep lists": ("parameters/sampling_strategy", nested(900)),
    "deep tuples": ("parameters/sampling_strategy", nested(300, "tuple")),
    "a list as key": ("parameters/sampling_strategy", {"dict": [[[1], 1]]}),
    "a key of shared parts": ("parameters/sampling_strategy", {"dict": [[nested(40, "t"), 1]]}),
    "an unknown kind": ("parameters/sampling_strategy", {"eval": "__import__('os')"}),
    "a huge random_state": ("parameters/random_state", 10**4000),
    "a decimal without end": ("parameters/lr", {"decimal": "1e999999999"}),
    "an architecture without end": ("architecture/hidden_layer_sizes", [2**40] * 4),
    "an architecture of many layers": ("architecture/hidden_layer_sizes", [1] * 200_000),
    "features without end": ("architecture/n_features", 2**60),
    "rows without end": ("state/_n_rows", 2**62),
    "columns without end": ("state/n_features_in_", 2**62),
    "wide texts": (
        "state/classes_",
        {"dtype": "<U9999", "shape": [200_000], "values": [""] * 200_000},
    ),
    "a shape without end": ("state/classes_", {"dtype": "<f8", "shape": [2**40, 0, 2**40]}),
    "a dtype of objects": ("state/classes_", lambda c: c | {"dtype": "O", "values": [{"a": 1}]}),
    "labels too many": ("state/classes_", lambda c: c | {"values": ["a"] * 1000}),
    "an unknown attribute": ("state", lambda s: s | {"evil_": 1}),
    "an attribute too few": ("state", lambda s: {n: v for n, v in s.items() if n[0] == "_"}),
    "a network of the user's": ("networks", ["encoder"]),
    "an unknown network": ("networks", ["os.system"]),
    "another kind": ("kind", "evil"),
    "a version to come": ("model_version", 99),
    "versions that are none": ("versions", {"torch": nested(30)}),
}
# Parts of the names of tensors, and what replaces them.
OF_TENSORS = {
    "weights that are NaN": ("encoder.net.layers.0.weight", lambda v: v * torch.nan),
    "codes that are infinite": ("latent.c", lambda v: v + torch.inf),
    "rows of a class that are missing": ("class_rows", lambda v: v[:0]),
    "rows of a class that are elsewhere": ("class_rows", lambda v: v + 10**6),
    "ranges that are NaN": ("codec", lambda v: v * torch.nan if v.is_floating_point() else v),
    "counts of levels that are negative": ("levels.counts", lambda v: -v),
    "rows that are NaN": ("generator.rows", lambda v: v * torch.nan),
    "pairs that point elsewhere": ("generator.pairs", lambda v: v + 10**6),
}
MODEL_FILES = {
    **{n: partial(make, "model") for n, make in OF_ARCHIVES.items()},
    **{n: partial(changed, "model", *place) for n, place in MODELS.items()},
    **{n: partial(with_tensors, "model", change) for n, change in OF_TENSORS.items()},
}
CHECKPOINTS = {
    **{n: partial(make, "checkpoint") for n, make in OF_ARCHIVES.items()},
    "another key": partial(changed, "checkpoint", "key", "evil"),
    "settings of another kind": partial(changed, "checkpoint", "n_chunks", "evil"),
    "chunks without end": partial(changed, "checkpoint", "n_chunks", [2**62]),
    "calls that are none": partial(changed, "checkpoint", "n_calls", {"encoder": 2**70}),
    "moments of another shape": partial(
        with_tensors, "checkpoint", ("moments.", lambda v: v[:0] if v.dim() else v)
    ),
    "weights of another shape": partial(with_tensors, "checkpoint", ("weights.", lambda v: v[:0])),
    "a stream that is none": partial(
        with_tensors, "checkpoint", ("streams.noise.0", lambda v: v[:7])
    ),
    "losses of another shape": partial(with_tensors, "checkpoint", ("losses.", torch.flatten)),
    "classes that are not there": partial(
        with_tensors, "checkpoint", ("records.active", lambda v: v + 7)
    ),
}


def npy(shape, dtype="<f8", data=b"", version=1):
    head = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(head)) + head + data


def npz(method=zipfile.ZIP_DEFLATED, **arrays):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, content in arrays.items():
            made.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def png(width, height, data, depth=8, colour=0, extra=b""):
    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head), extra, chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tif(**tags):
    """Return a little-endian tif of one page; values by the number of the tag."""
    entries = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: 64}
    entries |= {int(name[1:]): value for name, value in tags.items()}
    lines = [struct.pack("<HHII", tag, 4, 1, v) for tag, v in sorted(entries.items())]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(lines)) + b"".join(lines) + bytes(4)


def nii(dim=(2, 6, 5), code=2, bits=8, offset=352, n=30, **fields):
    head = bytearray(348)
    struct.pack_into("<i", head, 0, fields.get("size", 348))
    struct.pack_into(f"<{len(dim)}h", head, 40, *dim)
    struct.pack_into("<hh", head, 70, code, bits)
    struct.pack_into("<f", head, 108, offset)
    struct.pack_into("<ff", head, 112, fields.get("slope", 0), 0)
    head[344:348] = b"n+1\0"
    return bytes(head) + bytes(4) + bytes(n)


def parquet(cells):
    """Return a table with a column of such cells."""
    import pyarrow
    from pyarrow.parquet import write_table

    buffer = io.BytesIO()
    write_table(pyarrow.table({"a": cells, "target": [0.0] * len(cells)}), buffer)
    return buffer.getvalue()


def far_xlsx():
    """Return a sheet whose rows have one cell each, in the last column that there may be."""
    import openpyxl

    book, buffer = openpyxl.Workbook(), io.BytesIO()
    for row in range(1, 3000):
        book.active.cell(row, 16_384).value = 1
    book.save(buffer)
    return buffer.getvalue()


BIG = 60_000_000
IMAGES = {
    "empty.png": lambda: b"",
    "pickle.npy": lambda: pickle.dumps(Bomb()),
    "pickled_array.npy": lambda: npy((1,), "|O", pickle.dumps([Bomb()])),
    "pickled_member.npz": lambda: npz(X=npy((1,), "|O", pickle.dumps([Bomb()]))),
    "code_in_header.npy": lambda: npy("__import__('os').mkdir('executed')"),
    "deep_header.npy": lambda: b"\x93NUMPY\1\0" + struct.pack("<H", 9000) + b"(" * 9000,
    "endless.npy": lambda: npy((2**40, 2**20)),
    "negative.npy": lambda: npy((-1, -1)),
    "nothing.npy": lambda: npy((0, 5)),
    "structured.npy": lambda: npy((2, 2), [("a", "<f8")], bytes(32)),
    "text.npy": lambda: npy((2, 2), "<U9", bytes(144)),
    "bomb.npz": lambda: npz(X=npy((9000, 9000), "|u1", bytes(81_000_000))),
    "bomb_of_floats.npz": lambda: npz(X=npy((5000, 5000), data=bytes(200_000_000))),
    "unread_member.npz": lambda: npz(X=npy((0, 0)), other=bytes(BIG)),
    "lzma.npz": lambda: npz(zipfile.ZIP_LZMA, X=npy((2, 2), data=bytes(32))),
    "many_members.npz": lambda: npz(**{f"a{i}": b"" for i in range(3000)}),
    "wide.png": lambda: png(2**31 - 1, 2**31 - 1, b""),
    "bomb.png": lambda: png(9000, 9000, zlib.compress(bytes(9001 * 9000))),
    "bomb_of_colours.png": lambda: png(5000, 5000, zlib.compress(bytes(15001 * 5000)), colour=2),
    "bomb_of_text.png": lambda: png(
        4,
        4,
        zlib.compress(bytes(20)),
        extra=struct.pack(">I", 60_000) + b"zTXt" + b"a\0\0" + zlib.compress(bytes(10**7)),
    ),
    "half.png": lambda: png(8, 8, zlib.compress(bytes(70)))[:-30],
    "a_tif.png": tif,
    "an_svg.png": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='evil()'/>",
    "a_postscript.jpg": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(executed) run\n",
    "start_only.jpg": lambda: b"\xff\xd8\xff" + bytes(100),
    "endless.bmp": lambda: b"BM" + struct.pack("<IIIIiiHHI", 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0),
    "negative.bmp": lambda: b"BM" + struct.pack("<IIIIiiHHI", 0, 0, 54, 40, -5, -5, 1, 24, 0),
    "endless.tif": lambda: tif(t256=2**31, t257=2**31),
    "elsewhere.tif": lambda: tif(t273=2**31) + bytes(64),
    "odd_compression.tif": lambda: tif(t259=34_712) + bytes(64),
    "odd_samples.tif": lambda: tif(t277=60_000) + bytes(64),
    "endless.nii": lambda: nii((3, 32767, 32767, 32767)),
    "offset.nii": lambda: nii(offset=1e30),
    "offset_nan.nii": lambda: nii(offset=float("nan")),
    "code.nii": lambda: nii(code=12345),
    "complex.nii": lambda: nii(code=32, bits=64, n=240),
    "slope.nii": lambda: nii(slope=float("nan"), n=3),
    "cut.nii.gz": lambda: gzip.compress(nii())[:-12],
    "bomb.nii.gz": lambda: gzip.compress(nii((3, 450, 450, 450), n=92_000_000)),
    "longer.nii.gz": lambda: gzip.compress(nii(n=10**8)),
    "twice.nii.gz": lambda: gzip.compress(nii()) + gzip.compress(bytes(10**8)),
}
# For tables only a quick and clear error counts here; a csv file holds text.
TABLES = {
    "pickle.csv": lambda: pickle.dumps(Bomb()),
    "zeros.csv": lambda: bytes(10**6),
    "empty.csv": lambda: b"",
    "quote.csv": lambda: b'a,target\n"' + b"1,2\n" * 10**5,
    "pickle.npz": lambda: pickle.dumps(Bomb()),
    "pickled.npz": lambda: npz(X=npy((1,), "|O", pickle.dumps([Bomb()])), y=npy((1,))),
    "endless.npz": lambda: npz(X=npy((2**40, 2**20)), y=npy((2**40,))),
    "pickle.parquet": lambda: pickle.dumps(Bomb()),
    "start.parquet": lambda: b"PAR1" + bytes(100) + b"PAR1",
    "lists.parquet": lambda: parquet([["x" * 10**5] * 20_000]),
    "far.xlsx": far_xlsx,
    "footer.parquet": lambda: b"PAR1" + struct.pack("<I", 2**31 - 1) + b"PAR1",
}


# --- how hypothesis damages sound files --------------------------------------------------------

SOUND = {
    "m.pyraug": lambda: raw_json("model", json.dumps(members("model")[0])),
    "x.npy": lambda: npy((4, 5), data=bytes(160)),
    "x.npz": lambda: npz(zipfile.ZIP_STORED, X=npy((4, 5), data=bytes(160))),
    "x.png": lambda: png(8, 8, zlib.compress(bytes(72))),
    "x.tif": lambda: tif() + bytes(64),
    "x.nii": nii,
    "x.nii.gz": lambda: gzip.compress(nii()),
    "t.csv": lambda: b"a,b,target\n" + b"1,x,0\n2,y,1\n" * 9,
    "t.npz": lambda: npz(zipfile.ZIP_STORED, X=npy((4, 5), data=bytes(160)), y=npy((4,))),
}
CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(["replace", "insert", "cut", "repeat"]),
        st.binary(max_size=8) | st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f\xff\xff\xff"]),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content, changes):
    for place, how, piece in changes:
        i = int(place * len(content))
        after = {"replace": i + len(piece), "cut": i + 64 * len(piece)}.get(how, i)
        middle = content[i : i + 99] if how == "repeat" else piece
        content = content[:i] + (b"" if how == "cut" else middle) + content[after:]
    return content


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SOUND)
def test_of_what_a_fuzzer_makes(name, tmp_path):
    """Whatever becomes of the bytes, the file is read, or there is an error with a message."""
    sound = SOUND[name]()
    path = tmp_path / "in" / "a" / name
    path.parent.mkdir(parents=True)
    read = {"m": RHVAEAugmenter.load, "t": load_table}.get(name[0])

    @settings(
        max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=HC
    )
    @given(CHANGES)
    def fuzz(changes):
        path.write_bytes(mutated(sound, changes))
        with suppress(ValueError):
            read(path) if read else load_image_folder(tmp_path / "in")

    fuzz()


def measured(action):
    """Run something in a process of its own; return what it said, its seconds and megabytes."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(30)  # Of a pipe that is waited for nobody is told.
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")  # The greatest size so far is forgotten.
        # Of this process only: others may keep the cores busy.
        before, start = _peak(), time.process_time()
        try:
            said = f"no error: {type(action()).__name__}"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        except BaseException as error:
            said = f"raw {type(error).__name__}"
        seconds = time.process_time() - start
        os.write(write, json.dumps([said[:5000], seconds, _peak() - before]).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        result = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the process ended with {status}"
    return json.loads(result)


def _peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1000 for line in status if line.startswith("VmHWM"))


def assert_harmless(action, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said, seconds, megabytes = measured(action)
    assert not os.path.exists("executed")
    assert seconds < SECONDS, said[:500]
    assert megabytes < MEGABYTES + len(content) / 1e6, said[:500]
    kind, _, message = said.partition(": ")
    assert kind in ("ValueError", "NetworksError", "OtherKindError"), said[:500]
    assert 20 < len(message) < 1500
    return message


@pytest.fixture(scope="module", autouse=True)
def _ready():
    """Import and create everything once, before processes are measured."""
    import nibabel
    import PIL.Image
    import PIL.TiffImagePlugin
    import pyarrow.parquet

    PIL.Image.init()
    members("model")
    members("checkpoint")
    assert nibabel
    assert pyarrow


@pytest.mark.parametrize("name", MODEL_FILES)
def test_of_model_files(name, tmp_path, monkeypatch):
    content = MODEL_FILES[name]()
    path = tmp_path / "m.pyraug"
    path.write_bytes(content)
    message = assert_harmless(lambda: RHVAEAugmenter.load(path), content, tmp_path, monkeypatch)
    assert "m.pyraug" in message


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_of_checkpoints(name, tmp_path, monkeypatch):
    content = CHECKPOINTS[name]()
    augmenter = quick(checkpoint=tmp_path / "run")
    X, y = rows()
    augmenter.fit(X, y)
    for path in (tmp_path / "run").glob("*.state"):
        path.write_bytes(content)
    message = assert_harmless(lambda: augmenter.fit(X, y), content, tmp_path, monkeypatch)
    assert "`checkpoint` has the damaged file" in message
    assert "Delete it" in message


@pytest.mark.parametrize("name", IMAGES)
def test_of_images(name, tmp_path, monkeypatch):
    content = IMAGES[name]()
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / name).write_bytes(content)
    message = assert_harmless(
        lambda: load_image_folder(tmp_path / "in"), content, tmp_path, monkeypatch
    )
    assert name in message


@pytest.mark.parametrize("name", TABLES)
def test_of_tables(name, tmp_path, monkeypatch):
    content = TABLES[name]()
    (tmp_path / name).write_bytes(content)
    message = assert_harmless(lambda: load_table(tmp_path / name), content, tmp_path, monkeypatch)
    assert name in message


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
@pytest.mark.parametrize("name", ["m.pyraug", "x.csv", "x.npz", "x.parquet", "in/a/x.npy"])
def test_of_what_is_no_file(name, kind, tmp_path, monkeypatch):
    """It is refused before it is opened: a pipe would block, a device never end."""
    import socket

    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    monkeypatch.chdir(tmp_path)
    read = {"m.": RHVAEAugmenter.load, "in": load_image_folder}.get(name[:2], load_table)
    said, seconds, _ = measured(lambda: read("in" if name.startswith("in") else path))
    assert said.startswith(("ValueError", "FileNotFoundError", "IsADirectoryError")), said
    assert seconds < SECONDS
