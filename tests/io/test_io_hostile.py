"""Tests of folders with files that are damaged, have false headers, or are malicious."""

import gzip
import io
import os
import pickle
import re
import socket
import stat
import struct
import sys
import time
import tracemalloc
import warnings
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_pyraug.io import _array_files as array_files
from sklearn_pyraug.io import _guards as guards
from sklearn_pyraug.io import _image_files as image_files
from sklearn_pyraug.io import load_image_folder

Image = pytest.importorskip("PIL.Image")
nib = pytest.importorskip("nibabel")

# The most seconds and bytes that any file may take.
MAX_SECONDS = 2
# The bombs unpack to more.
MAX_BYTES = 2**26
SHAPE = (6, 5)
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs names and files of POSIX")


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def payload(array, format):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format)
    return buffer.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width, height):
    """Return a png file of a valid header and few data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    )


def npy_of(header, data=b"", version=1):
    """Return a npy file with any text as its header."""
    text = header.encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def header_of(shape, descr="|u1"):
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n"


def nii_of(dims, n_data=1000, **fields):
    """Return a NIfTI file with any numbers in its header."""
    header = nib.Nifti1Header()
    header["dim"][: len(dims)] = dims
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    header["datatype"], header["bitpix"] = 2, 8
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + bytes(4) + bytes(n_data)


def npz_of(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def looping_tif():
    """Return a tif file whose only page names itself as the next one."""
    data = bytearray(payload(np.zeros(SHAPE, np.uint8), "TIFF"))
    start = struct.unpack("<I", data[4:8])[0]
    n_tags = struct.unpack("<H", data[start : start + 2])[0]
    end = start + 2 + 12 * n_tags
    data[end : end + 4] = struct.pack("<I", start)
    return bytes(data)


def many_pages(n_pages=2100):
    """Return a TIFF of pages that share their only pixel; Pillow takes long to write so many."""
    # Width, height, bits, compression, meaning of a pixel, where it is, channels, rows, bytes.
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    ends = range(10, 10 + (n_pages + 1) * (len(entries) + 6), len(entries) + 6)
    pages = [struct.pack("<H", len(tags)) + entries + struct.pack("<I", end) for end in ends[1:]]
    pages[-1] = pages[-1][:-4] + bytes(4)
    return struct.pack("<2sHIH", b"II", 42, 10, 0) + b"".join(pages)


def differing_pages():
    buffer = io.BytesIO()
    pages = [Image.fromarray(np.zeros((n, 5), np.uint8)) for n in (4, 6)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


def colour_pages():
    buffer = io.BytesIO()
    pages = [Image.fromarray(np.zeros((4, 5, 3), np.uint8))] * 2
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, size=(64, 64)).astype(np.uint8)
GOOD_PNG = payload(NOISE, "PNG")
GOOD_JPG = payload(NOISE, "JPEG")
GOOD_NII = nii_of([2, 6, 5, 1, 1, 1, 1, 1], 30)
CODE = "__import__('pathlib').Path('executed').touch()"

# By name: the bytes, made when needed, and a part of the reason that the error must give.
FILES = {
    "truncated.png": (lambda: GOOD_PNG[:1000], "cannot be read|is not a PNG"),
    "header_only.png": (lambda: GOOD_PNG[:20], "cannot be read|is not a PNG"),
    "zip.png": (lambda: npz_of({"a.txt": b"hello"}), "is not a PNG file"),
    "jpg.png": (lambda: GOOD_JPG, "is not a PNG file"),
    "npy.png": (lambda: npy(NOISE), "is not a PNG file"),
    "postscript.png": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(x) run\n", "is not a PNG file"),
    "huge.png": (lambda: png_of(60_000, 60_000), "has more pixels than Pillow's"),
    "large.png": (lambda: png_of(16_000, 7_000), "has more pixels than Pillow's"),
    "promises.png": (lambda: png_of(9_000, 9_000), "as a decompression bomb does"),
    "no_width.png": (lambda: png_of(0, 5), "is not a PNG|holds nothing|cannot be read"),
    "text.jpg": (lambda: b"I am a text.\n" * 10, "is not a JPEG file"),
    "corrupted.jpg": (lambda: GOOD_JPG[:100] + bytes(300), "is not a JPEG|cannot be read"),
    "truncated.jpeg": (lambda: GOOD_JPG[: len(GOOD_JPG) // 2], "cannot be read"),
    "cut.bmp": (lambda: payload(NOISE, "BMP")[:500], "cannot be read"),
    "huge.bmp": (
        lambda: (lambda b: b[:18] + struct.pack("<ii", 60_000, 60_000) + b[26:])(
            payload(NOISE, "BMP")
        ),
        "has more pixels than Pillow's",
    ),
    "many_pages.tif": (many_pages, "has more than 2048 pages"),
    "differing.tif": (differing_pages, "pages of different sizes"),
    "colour_pages.tif": (colour_pages, "2 pages in colour"),
    "cut.tif": (lambda: payload(NOISE, "TIFF")[:300], "is not a TIFF|cannot be read"),
    "empty.png": (lambda: b"", "is empty"),
    "empty.npy": (lambda: b"", "is empty"),
    "empty.nii.gz": (lambda: b"", "is empty"),
    "pickled.npy": (
        lambda: npy(np.array([Bomb("executed")], object), allow_pickle=True),
        "pickled Python objects",
    ),
    "bare_pickle.npy": (lambda: pickle.dumps(Bomb("executed")), "is not an array in numpy's"),
    "expression.npy": (lambda: npy_of(CODE), "or its header is damaged"),
    "expression_in_shape.npy": (
        lambda: npy_of(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({CODE},)}}"),
        "or its header is damaged",
    ),
    "nested.npy": (lambda: npy_of("(" * 9_000), "or its header is damaged"),
    "terabytes.npy": (lambda: npy_of(header_of((10**6, 10**6))), "more than max_pixels"),
    "promises.npy": (lambda: npy_of(header_of((9_000, 9_000)), bytes(99)), "the file is cut off"),
    "negative.npy": (lambda: npy_of(header_of((-6, -5)), bytes(30)), "holds nothing"),
    "hollow.npy": (lambda: npy(np.zeros((0, 5))), "holds nothing"),
    "long_header.npy": (
        lambda: npy_of(header_of(SHAPE) + " " * 20_000),
        "or its header is damaged",
    ),
    "four_gigabytes.npy": (
        lambda: b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(50),
        "or its header is damaged",
    ),
    "version.npy": (lambda: b"\x93NUMPY\x09\x00" + bytes(50), "or its header is damaged"),
    "strings.npy": (lambda: npy(np.array([["a", "b"]])), "not real numbers"),
    "complex.npy": (lambda: npy(np.ones(SHAPE, complex)), "not real numbers"),
    "fields.npy": (lambda: npy(np.ones(SHAPE, [("a", "u1")])), "not real numbers"),
    "line.npy": (lambda: npy(np.ones(5)), "neither an image nor a volume"),
    "four_axes.npy": (lambda: npy(np.ones((2, 3, 4, 5))), "neither an image nor a volume"),
    "nan.npy": (lambda: npy(np.array([[0.0, np.nan]])), "1 values that are not finite"),
    "bomb.npz": (
        lambda: npz_of({"X.npy": npy_of(header_of((16_000, 16_000)), bytes(256 * 10**6))}),
        "decompression bomb",
    ),
    "promises_a_bomb.npz": (
        # The archive's list of members states a wrong size.
        lambda: npz_of({"X.npy": npy_of(header_of((9_000, 9_000)))}).replace(
            struct.pack("<I", len(npy_of(header_of((9_000, 9_000))))),
            struct.pack("<I", len(npy_of(header_of((9_000, 9_000)))) + 81 * 10**6),
        ),
        "cannot hold",
    ),
    "promises.npz": (
        lambda: npz_of({"X.npy": npy_of(header_of((60_000, 60_000)))}),
        "more than max_pixels",
    ),
    "cut_short.npz": (
        lambda: npz_of({"X.npy": npy_of(header_of((6_000, 5_000)), bytes(10))}),
        "cut off",
    ),
    "pickled.npz": (
        lambda: npz_of({"X.npy": npy(np.array([Bomb("executed")], object), allow_pickle=True)}),
        "pickled Python objects",
    ),
    "two.npz": (lambda: npz_of({"a.npy": npy(NOISE), "b.npy": npy(NOISE)}), "holds 2 arrays"),
    "none.npz": (lambda: npz_of({"../../a.txt": b"x"}), "holds 0 arrays"),
    "npy.npz": (lambda: npy(NOISE), "is not an npz file"),
    "damaged.npz": (
        lambda: npz_of({"X.npy": npy(NOISE)}, method=zipfile.ZIP_STORED).replace(
            NOISE.tobytes()[:8], bytes(8)
        ),
        "cannot be read .*CRC",
    ),
    "bzip2.npz": (
        lambda: npz_of({"X.npy": npy(NOISE)}, method=zipfile.ZIP_BZIP2),
        "another method than deflate",
    ),
    "scans.jpg": (lambda: GOOD_JPG + b"\xff\xda" * 60, "more than 50 scans"),
    "short_inside.nii.gz": (
        lambda: gzip.compress(nii_of([2, 60, 50], 2000)),
        "has 2352: the file is cut off",
    ),
    "negative.nii": (lambda: nii_of([3, -6, 5, 4]), "holds nothing"),
    "negative_axes.nii": (lambda: nii_of([-3, 6, 5, 4]), "declares -3 axes"),
    "axes.nii": (lambda: nii_of([200, 6, 5, 4]), "declares 200 axes"),
    "terabytes.nii": (lambda: nii_of([3, 30_000, 30_000, 30_000]), "more than max_pixels"),
    "promises.nii": (lambda: nii_of([3, 500, 500, 500]), "the file is cut off"),
    "trailing.nii": (lambda: nii_of([2, 6, 5], 10_000), "goes on after the 382 bytes"),
    "offset.nii": (lambda: nii_of([2, 6, 5], vox_offset=1e12), "voxels at byte 1e"),
    "offset_nan.nii": (lambda: nii_of([2, 6, 5], vox_offset=np.nan), "voxels at byte nan"),
    "type.nii": (lambda: nii_of([2, 6, 5], datatype=999), "unknown data type 999"),
    "rgb.nii": (lambda: nii_of([2, 6, 5], datatype=128), "not real numbers"),
    "complex.nii": (lambda: nii_of([2, 6, 5], datatype=32), "not real numbers"),
    "series.nii": (lambda: nii_of([4, 2, 3, 4, 5], 120), "neither an image nor a volume"),
    "affine.nii": (
        lambda: nii_of([2, 6, 5], 30, sform_code=1, srow_x=[np.inf, 0, 0, 0]),
        "affine that is not finite",
    ),
    "slope.nii": (
        lambda: nii_of([2, 6, 5], 30, scl_slope=3e38, scl_inter=3e38)[:-30] + b"\xff" * 30,
        "not finite",
    ),
    "pair.nii": (lambda: nii_of([2, 6, 5], magic=b"ni1"), "is not a NIfTI-1 or NIfTI-2 file"),
    "short.nii": (lambda: GOOD_NII[:200], "is not a NIfTI-1 or NIfTI-2 file"),
    "zipped.nii": (lambda: gzip.compress(GOOD_NII), "is not a NIfTI-1 or NIfTI-2 file"),
    "plain.nii.gz": (lambda: GOOD_NII, "is not a gzip file"),
    "cut.nii.gz": (lambda: gzip.compress(nii_of([2, 60, 50], 3000))[:-20], "is not a gzip file"),
    "bomb.nii.gz": (
        lambda: gzip.compress(nii_of([2, 6, 5], 400 * 10**6), 1),
        "goes on after the 382 bytes",
    ),
    "bomb_that_fits.nii.gz": (
        lambda: gzip.compress(nii_of([3, 400, 400, 600], 96 * 10**6)),
        "decompression bomb",
    ),
    "impossible.nii.gz": (lambda: gzip.compress(nii_of([3, 500, 500, 500])), "cannot hold"),
    "terabytes.nii.gz": (
        lambda: gzip.compress(nii_of([3, 30_000, 30_000, 30_000])),
        "more than max_pixels",
    ),
    "text.nii.gz": (lambda: gzip.compress(b"I am a text.\n" * 100), "is not a NIfTI"),
}


def write_good(folder, n=2):
    """Write sound images, and return them by name."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for k in range(n):
        images[f"good{k}.png"] = RNG.integers(0, 256, size=SHAPE).astype(np.uint8)
        Image.fromarray(images[f"good{k}.png"]).save(folder / f"good{k}.png")
    return images


def load_quietly(root, **options):
    with pytest.warns(UserWarning, match="cannot be read and are skipped"):
        return load_image_folder(root, on_error="skip", **options)


@cache
def made(name):
    """Return the bytes of a hostile file; some take long to make."""
    return FILES[name][0]()


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_named_fast_and_runs_nothing(name, tmp_path, monkeypatch):
    """One file at a time takes neither long nor much memory, and runs nothing."""
    reason = FILES[name][1]
    good = write_good(tmp_path / "in/a")
    (tmp_path / "in/a" / name).write_bytes(made(name))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # where the code of these files would write
    start = time.perf_counter()
    folder = load_quietly(tmp_path / "in")
    seconds = time.perf_counter() - start
    [(file, told)] = folder.report.skipped
    assert file == f"a/{name}"
    assert re.search(reason, told), told
    assert seconds < MAX_SECONDS
    assert folder.files == ["a/good0.png", "a/good1.png"]
    assert_array_equal(folder.X, list(good.values()))
    assert not list(Path().iterdir())


@pytest.mark.parametrize("name", [name for name in FILES if "bomb" in name or "huge" in name])
def test_what_a_hostile_file_promises_is_not_allocated(name, tmp_path):
    write_good(tmp_path / "a")
    (tmp_path / "a" / name).write_bytes(made(name))
    tracemalloc.start()
    try:
        load_quietly(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MAX_BYTES


ODD_NAMES = [
    "name with  spaces.png",
    "two\nlines.png",
    "\r\x1b[31mred.png",
    "Ünï日本語\u202egnp.png",
    "-rf.png",
    "$(touch executed).png",
    "'; --\".png",
    "a,b.png",
]


@posix_only
def test_a_folder_of_hostile_files_at_once(tmp_path, monkeypatch):
    """Each is named on a line of its own, and the sound ones are read."""
    root = tmp_path / "in"
    good = {f"a/{name}": image for name, image in write_good(root / "a").items()}
    outside = tmp_path / "outside"
    write_good(outside)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    bad = {}
    for name in FILES:
        if "bomb" not in name:  # slow to read, and seen one by one
            (root / "a" / name).write_bytes(made(name))
            bad[f"a/{name}"] = None
    for name in ODD_NAMES:
        image = RNG.integers(0, 256, size=SHAPE).astype(np.uint8)
        Image.fromarray(image).save(root / "a" / name, "PNG")
        good[f"a/{name}"] = image
        (root / "a" / f"bad {name}").write_bytes(GOOD_PNG[:100])
        bad[f"a/bad {name}"] = None
    raw = os.fsdecode(b"bytes\xff\xfe.png")
    Image.fromarray(image).save(root / "a" / "raw.png")
    (root / "a" / "raw.png").rename(root / "a" / raw)
    good[f"a/{raw}"] = image
    (root / "a" / "loop.png").symlink_to(root / "a" / "loop.png")
    (root / "a" / "ping.png").symlink_to("pong.png")
    (root / "a" / "pong.png").symlink_to("ping.png")
    (root / "a" / "broken.png").symlink_to("nowhere.png")
    (root / "a" / "leads_out.png").symlink_to(outside / "good0.png")
    (root / "a" / "passwords.png").symlink_to("/etc/passwd")
    (root / "a" / "endless.png").symlink_to("/dev/zero")
    (root / "a" / "turns_round").symlink_to(root)
    (root / "class_elsewhere").symlink_to(outside)
    (root / "a" / "folder.png").mkdir()
    (root / "class.png").mkdir()
    os.mkfifo(root / "a" / "pipe.png")
    bad |= {
        "a/loop.png": "symbolic link that cannot be followed",
        "a/ping.png": "symbolic link that cannot be followed",
        "a/pong.png": "symbolic link that cannot be followed",
        "a/broken.png": "symbolic link that cannot be followed (no such file)",
        "a/leads_out.png": "leads out of the folder",
        "a/passwords.png": "leads out of the folder",
        "a/endless.png": "leads out of the folder",
        "a/turns_round": "a symbolic link to a folder, which is not followed",
        "class_elsewhere": "a symbolic link to a folder, which is not followed",
        "a/folder.png": "a folder, not a regular file",
        "class.png": "a folder, not a regular file",
        "a/pipe.png": "a named pipe, not a regular file",
    }
    (root / "a" / "alias.png").symlink_to("good0.png")  # inside: a file like any other
    good["a/alias.png"] = good["a/good0.png"]
    for name in ["readme.txt", "Thumbs.db", ".DS_Store", ".hidden.png", "png", "x.png.exe"]:
        (root / "a" / name).write_text("hello")

    start = time.perf_counter()
    folder = load_quietly(root)
    assert time.perf_counter() - start < MAX_SECONDS * 10  # all of them together
    report = folder.report
    assert len(bad) > 80
    assert {file for file, _ in report.skipped} == set(bad)
    reasons = dict(report.skipped)
    for file, wanted in bad.items():
        assert wanted is None or wanted in reasons[file]
    text = str(report)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 1 + 1 + len(bad) + 1 + len(report.ignored)
    assert r"  a/bad two\nlines.png: " in text
    assert {file: row.tolist() for file, row in zip(folder.files, folder.X, strict=True)} == {
        file: image.tolist() for file, image in good.items()
    }
    assert [file for file, _ in report.ignored] == [
        "a/.DS_Store",
        "a/.hidden.png",
        "a/Thumbs.db",
        "a/png",
        "a/readme.txt",
        "a/x.png.exe",
    ]
    assert not list(Path().iterdir())

    with pytest.raises(ValueError, match=f"where {len(bad)} files cannot be read") as caught:
        load_image_folder(root)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 + 10 + 1 + 1
    assert "pass on_error='skip'" in message
    assert f"... and {len(bad) - 10} more" in message


def test_a_sound_but_larger_file_than_allowed(tmp_path):
    write_good(tmp_path / "a")
    for suffix in ["png", "bmp", "tif"]:
        Image.fromarray(NOISE).save(tmp_path / f"a/x.{suffix}")
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(
        tmp_path / "a/pages.tif",
        save_all=True,
        append_images=[Image.fromarray(np.zeros(SHAPE, np.uint8))] * 9,
    )
    np.save(tmp_path / "a/x.npy", NOISE)
    np.savez_compressed(tmp_path / "a/x.npz", NOISE)
    for suffix in ["nii", "nii.gz"]:
        nib.save(nib.Nifti1Image(NOISE, np.eye(4)), tmp_path / f"a/x.{suffix}")
    folder = load_quietly(tmp_path, max_pixels=100)
    assert len(folder) == 2
    assert len(folder.report.skipped) == 8
    assert all("more than max_pixels=100" in reason for _, reason in folder.report.skipped)


def test_pillows_own_safeguard_stays_on(tmp_path, monkeypatch):
    write_good(tmp_path / "a")
    Image.fromarray(NOISE).save(tmp_path / "a/x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    folder = load_quietly(tmp_path)
    assert "Pillow's MAX_IMAGE_PIXELS" in folder.report.skipped[0][1]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    folder = load_quietly(tmp_path)
    assert "Pillow's MAX_IMAGE_PIXELS" in folder.report.skipped[0][1]


def test_a_looping_tif_is_one_page(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.tif").write_bytes(looping_tif())
    assert load_image_folder(tmp_path).X.shape == (1, *SHAPE)


@posix_only
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read all")
def test_unreadable_files_and_folders(tmp_path):
    write_good(tmp_path / "a", 3)
    write_good(tmp_path / "b")
    (tmp_path / "a/good0.png").chmod(0)
    (tmp_path / "b").chmod(0)
    try:
        folder = load_quietly(tmp_path)
    finally:
        (tmp_path / "b").chmod(stat.S_IRWXU)
    assert folder.report.skipped == [
        ("a/good0.png", "cannot be opened (Permission denied)"),
        ("b", "a folder that cannot be listed (Permission denied)"),
    ]


def test_refused_permissions(tmp_path, monkeypatch):
    """The same for root, who may read every file: the refusal is patched in."""
    write_good(tmp_path / "a", 3)
    write_good(tmp_path / "b")
    opened, listed = os.open, os.scandir

    def refuse(path, *args):
        if str(path).endswith("good0.png") and "b" not in Path(path).parts:
            raise PermissionError(13, "Permission denied")
        return opened(path, *args)

    def refuse_to_list(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(guards.os, "open", refuse)
    monkeypatch.setattr(os, "scandir", refuse_to_list)
    folder = load_quietly(tmp_path)
    assert folder.report.skipped == [
        ("a/good0.png", "cannot be opened (Permission denied)"),
        ("b", "a folder that cannot be listed (Permission denied)"),
    ]


@posix_only
def test_sockets_and_what_turns_into_a_pipe_on_the_way(tmp_path, monkeypatch):
    """A pipe that takes the place of a file after the first look does not hang the reader."""
    write_good(tmp_path / "a")
    monkeypatch.chdir(tmp_path / "a")  # a socket's name must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        folder = load_quietly(tmp_path)
    assert folder.report.skipped == [("a/socket.png", "a socket, not a regular file")]
    Path("socket.png").unlink()
    os.mkfifo("pipe.png")
    check, calls = guards._check_regular, []

    def looked_at_too_early(info):
        calls.append(info)
        if not (stat.S_ISFIFO(info.st_mode) and len(calls) % 2):
            check(info)

    monkeypatch.setattr(guards, "_check_regular", looked_at_too_early)
    folder = load_quietly(tmp_path)
    assert folder.report.skipped == [("a/pipe.png", "a named pipe, not a regular file")]


@posix_only
@pytest.mark.parametrize("name", ["labels.csv", "manifest.csv"])
def test_lists_with_names_outside_the_folder(name, tmp_path):
    root = tmp_path / "in"
    write_good(root / "a")
    write_good(tmp_path / "outside")
    (root / "link").symlink_to(tmp_path / "outside")
    lines = [
        "a/good0.png",
        "../outside/good0.png",
        "a/../../outside/good0.png",
        str(tmp_path / "outside/good0.png"),
        "link/good0.png",
        "a/good0.png",
        "a/missing.png",
        "a/nul\0.png",
        "a/notes.txt",
        "a",
        "",
    ]
    end = "" if name == "labels.csv" else ",True,x"
    head = "file,label" if name == "labels.csv" else "file,label,synthetic,origin"
    if sys.version_info < (3, 11):  # whose csv module refuses the whole file
        lines.remove("a/nul\0.png")
    text = "\n".join([head, *(f"{line},cat{end}" for line in lines), "a/good1.png"])
    (root / name).write_text(text)
    folder = load_quietly(root)
    assert folder.files == ["a/good0.png", *(["a/good1.png"] if name == "manifest.csv" else [])]
    reasons = {}
    for file, reason in folder.report.skipped:
        reasons.setdefault(file, []).append(reason)
    for line in lines[1:4]:
        assert reasons[line] == [f"listed in {name}, but not a name inside the folder"]
    assert reasons["link/good0.png"] == ["leads out of the folder"]
    assert reasons["a/good0.png"] == [f"listed twice in {name}"]
    assert reasons["a/missing.png"] == ["cannot be opened (no such file)"]
    if sys.version_info >= (3, 11):
        assert reasons["a/nul\0.png"] == ["cannot be opened (embedded null byte)"]
    assert "of no known format" in reasons["a/notes.txt"][0]
    assert "of no known format" in reasons[""][0]
    if name == "labels.csv":
        assert reasons["a/good1.png"] == ["listed in labels.csv without a label"]


@posix_only
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "field", "size"])
def test_lists_of_labels_that_are_none(kind, tmp_path, monkeypatch):
    root = tmp_path / "in"
    write_good(root / "a")
    path = root / "labels.csv"
    match = "replace it by a csv file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "l.csv").write_text("file,label\n")
        path.symlink_to(tmp_path / "l.csv")
    elif kind == "field":
        path.write_text("file,label\n" + "x" * 200_000)
        match = "not a readable csv file"
    else:
        monkeypatch.setattr("sklearn_pyraug.io._listing._MAX_CSV_BYTES", 5)
        path.write_text("file,label\n")
        match = "give a list of files"
    with pytest.raises(ValueError, match=match):
        load_image_folder(root)


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("deep"), OSError(5, "Input/output error"), KeyError()]
)
def test_whatever_a_reader_raises_is_the_fault_of_the_file(error, tmp_path, monkeypatch):
    write_good(tmp_path / "a")
    (tmp_path / "a/x.npy").write_text("x")

    def fail(*args):
        raise error

    monkeypatch.setitem(image_files._READERS, "npy", fail)
    folder = load_quietly(tmp_path)
    assert folder.report.skipped[0][1].startswith("cannot be read (")


def test_ctrl_c_is_not_the_fault_of_the_file(tmp_path, monkeypatch):
    write_good(tmp_path / "a")
    (tmp_path / "a/x.npy").write_text("x")

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setitem(image_files._READERS, "npy", stop)
    with pytest.raises(KeyboardInterrupt):
        load_image_folder(tmp_path, on_error="skip")


def test_warnings_of_readers_are_not_passed_on(tmp_path, monkeypatch):
    """Pillow may warn about sound files, which must not fail where warnings are errors."""
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a/x.npy", NOISE)
    real = array_files.read_npy

    def warn(*args):
        warnings.warn("odd", UserWarning, stacklevel=2)
        return real(*args)

    monkeypatch.setitem(image_files._READERS, "npy", warn)
    assert len(load_image_folder(tmp_path)) == 1


def test_only_bad_files_is_an_error_even_if_they_are_skipped(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.png").write_text("x")
    with (
        pytest.warns(UserWarning, match="1 files"),
        pytest.raises(ValueError, match="no image that can be read among 1 other things"),
    ):
        load_image_folder(tmp_path, on_error="skip")
