"""Tests of reading and writing folders of images and volumes."""

import csv
import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from shared import contents

from sklearn_pyraug.io import ImageFolder, LoadReport, load_image_folder, save_image_folder
from sklearn_pyraug.io import _folder_writing as writing
from sklearn_pyraug.io._atomic import atomic_write
from sklearn_pyraug.io._image_files import fit_row
from sklearn_pyraug.io._picture import resize, resize_affine
from sklearn_pyraug.io._plans import folder_names

Image = pytest.importorskip("PIL.Image")
nib = pytest.importorskip("nibabel")

AFFINE = np.array([[-2.0, 0, 0, 90], [0, 1.5, 0.25, -126], [0, -0.25, 3.0, -72], [0, 0, 0, 1]])
FORMATS_2D = ["png", "jpg", "bmp", "tif", "npy", "npz", "nii", "nii.gz"]
FORMATS_3D = ["tif", "npy", "npz", "nii", "nii.gz"]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


def write_image(path, array):
    """Write an array by other means than the package's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name.lower()
    if name.endswith(".npy"):
        np.save(path, array)
    elif name.endswith(".npz"):
        np.savez(path, array)
    elif name.endswith((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(array, AFFINE), path)
    elif array.ndim == 3 and array.shape[-1] != 3:
        first, *rest = [Image.fromarray(page) for page in array]
        first.save(path, save_all=True, append_images=rest)
    else:
        Image.fromarray(array).save(path)
    return path


def manifest(root):
    """Return the lines of a manifest as dicts."""
    with open(root / "manifest.csv", newline="", encoding="utf-8", errors="surrogateescape") as f:
        return list(csv.DictReader(f))


def pixels(rng, shape, dtype=np.uint8):
    return rng.integers(0, 256, size=shape).astype(dtype)


@pytest.fixture
def small(tmp_path, rng):
    """Return a folder of two classes with two png images each."""
    root = tmp_path / "small"
    for name in ["cat/a.png", "cat/b.png", "dog/a.png", "dog/c.png"]:
        write_image(root / name, pixels(rng, (8, 6)))
    return root


def with_synthetic(folder):
    """Return X, y, mask and origins as `fit_resample` does, with a new row from each."""
    X_new = folder.X[:, ..., ::-1]
    n = len(folder.X)
    return (
        np.concatenate([folder.X, X_new]),
        np.concatenate([folder.y, folder.y]),
        np.r_[np.zeros(n, bool), np.ones(n, bool)],
        np.r_[np.arange(n), np.arange(n)],
    )


# ------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    ("formats", "shape"), [(FORMATS_2D, (9, 7)), (FORMATS_3D, (4, 5, 6))], ids=["2-D", "3-D"]
)
def test_round_trip_of_all_formats_at_once(formats, shape, dtype, tmp_path, rng):
    """Counts, shapes, dtypes and affines stay, originals byte-identical."""
    source, target = tmp_path / "in", tmp_path / "out"
    truth = {}
    for label in ["healthy", "ill", "unsure"]:
        for k, format in enumerate(formats):
            # If `dtype` is float32, a single npy file makes all rows floats.
            here = dtype if format == "npy" else np.uint8
            file = f"{label}/image {k}.{format}"
            truth[file] = pixels(rng, shape, here) + here(0 if here == np.uint8 else 0.5)
            write_image(source / file, truth[file])
    before = contents(source)

    folder = load_image_folder(source)
    assert folder.files == sorted(truth)
    assert folder.X.shape == (len(truth), *shape)
    assert folder.X.dtype == dtype
    assert folder.y.tolist() == [file.split("/")[0] for file in folder.files]
    for row, file in zip(folder.X, folder.files, strict=True):
        if not file.endswith(".jpg"):
            assert_array_equal(row, truth[file], err_msg=file)

    X, y, mask, origins = with_synthetic(folder)
    save_image_folder(target, X, y, like=folder, synthetic_mask=mask, origins=origins)
    assert contents(source) == before
    assert {file: value for file, value in contents(target).items() if file in before} == before

    again = load_image_folder(target)
    assert again.X.shape == X.shape
    assert again.X.dtype == X.dtype
    assert_array_equal(again.y, y)
    assert_array_equal(again.synthetic_mask, mask)
    n = len(truth)
    assert again.files[:n] == folder.files
    for i, (row, wanted, file, format) in enumerate(
        zip(again.X, X, again.files, again.formats, strict=True)
    ):
        assert format == folder.formats[origins[i]], file
        if mask[i]:
            assert again.sources[i].origin == folder.files[origins[i]]
        if format == "jpg" and mask[i]:
            assert np.abs(row.astype(float) - wanted).mean() < 10, file
        else:
            assert_array_equal(row, wanted, err_msg=file)
        if format.startswith("nii"):
            assert_array_equal(again.affines[i], AFFINE, err_msg=file)
            assert_array_equal(nib.load(target / file).affine, AFFINE)
        else:
            assert again.affines[i] is None

    # A second time: synthetic rows stay synthetic, and nothing is written again.
    save_image_folder(tmp_path / "third", again.X, again.y, like=again)
    assert contents(tmp_path / "third") == contents(target)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        *((dtype, (5, 6)) for dtype in ("u1", "u2", "i2", "i4", "i8", "u4", "f2", "f4", "f8")),
        *((dtype, (3, 5, 6)) for dtype in ("u1", "f4")),
        *((dtype, (4, 5, 6)) for dtype in ("u1", "f4")),
    ],
)
def test_round_trip_of_arrays_keeps_dtypes(dtype, shape, tmp_path, rng):
    X = pixels(rng, (4, *shape), dtype)
    save_image_folder(tmp_path / "out", X, [0, 1, 1, 0])
    folder = load_image_folder(tmp_path / "out")
    assert folder.X.dtype == X.dtype
    assert_array_equal(folder.X, X)
    assert folder.y.tolist() == ["0", "1", "1", "0"]
    assert folder.synthetic_mask.tolist() == [False] * 4


@pytest.mark.parametrize(("shape", "axis"), [((8, 6, 3), 2), ((8, 6, 1), 2), ((1, 8, 6), 0)])
def test_channels_may_come_last(shape, axis, tmp_path, rng):
    """Images of colour channels in the last axis were written as volumes."""
    X = pixels(rng, (4, *shape), "u1")
    save_image_folder(tmp_path / "out", X, [0, 1, 1, 0])
    folder = load_image_folder(tmp_path / "out")
    assert set(folder.formats) == {"png"}
    assert_array_equal(folder.X, np.moveaxis(X, -1, 1) if shape[-1] == 3 else X.squeeze(axis + 1))


@pytest.mark.parametrize(
    ("format", "shape"), [*((f, (2, 8, 6)) for f in FORMATS_2D), ("png", (2, 1, 8, 6))]
)
def test_a_format_asked_for(format, shape, tmp_path, rng):
    X = pixels(rng, shape) // 128 * 255
    save_image_folder(tmp_path / "out", X, ["a", "b"], format=format)
    folder = load_image_folder(tmp_path / "out")
    assert folder.formats == [format] * 2
    assert folder.X.shape == (2, 8, 6)
    assert_allclose(folder.X.astype(float), X.reshape(2, 8, 6), atol=30 if format == "jpg" else 0)


@pytest.mark.parametrize("format", FORMATS_3D)
def test_a_format_asked_for_volumes(format, tmp_path, rng):
    X = pixels(rng, (2, 1, 4, 8, 6), np.float32)
    save_image_folder(tmp_path / "out", X, ["a", "b"], format=format)
    folder = load_image_folder(tmp_path / "out")
    assert_array_equal(folder.X, X[:, 0])
    assert folder.X.dtype == np.float32


@pytest.mark.parametrize(
    ("format", "dtype", "shape"),
    [
        ("jpg", np.float32, (8, 6)),
        ("bmp", np.uint16, (8, 6)),
        ("png", np.uint16, (3, 8, 6)),
        ("png", np.uint8, (4, 8, 6)),
        ("nii", np.uint8, (3, 8, 6)),
    ],
)
def test_a_format_that_cannot_hold_the_rows_is_an_error_before_anything_is_written(
    format, dtype, shape, tmp_path
):
    X = np.full((2, *shape), 300.5).astype(dtype)
    with pytest.raises(ValueError, match=f"`format` is '{format}', which cannot hold"):
        save_image_folder(tmp_path / "out", X, [0, 1], format=format)
    assert not list(tmp_path.iterdir())


def test_rows_that_the_format_of_their_origin_cannot_hold_are_written_as_npy(small, tmp_path):
    folder = load_image_folder(small)
    folder.X = folder.X.astype(np.float32)
    X, y, mask, origins = with_synthetic(folder)
    X[-1] += 0.5
    X[0] += 0.5
    save_image_folder(tmp_path / "out", X, y, like=folder, synthetic_mask=mask, origins=origins)
    again = load_image_folder(tmp_path / "out")
    assert_array_equal(again.X, X)
    assert again.files[:2] == ["cat/a.png.npy", "cat/b.png"]
    assert again.files[-2:] == ["dog/synthetic_00003.png", "dog/synthetic_00004.npy"]
    assert again.sources[4].origin == "cat/a.png.npy"


# ------------------------------------------------------------------------------- what is read


def read_one(tmp_path, name, **options):
    folder = load_image_folder(tmp_path, **options)
    assert folder.files == [f"a/{name}"]
    return folder.X[0]


@pytest.mark.parametrize(
    ("mode", "suffix", "dtype", "shape"),
    [
        ("1", "png", np.uint8, (5, 4)),
        ("L", "PNG", np.uint8, (5, 4)),
        ("LA", "png", np.uint8, (5, 4)),
        ("P", "png", np.uint8, (3, 5, 4)),
        ("RGB", "png", np.uint8, (3, 5, 4)),
        ("RGB", "tiff", np.uint8, (3, 5, 4)),
        ("RGBA", "png", np.uint8, (3, 5, 4)),
        ("I;16", "png", np.uint16, (5, 4)),
        ("I;16", "tiff", np.uint16, (5, 4)),
    ],
)
def test_modes_of_pillow(mode, dtype, shape, suffix, tmp_path, rng):
    (tmp_path / "a").mkdir()
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 2**16, (5, 4)).astype(np.uint16))
    else:
        image = Image.fromarray(pixels(rng, (5, 4, 4))).convert(mode)
    image.save(tmp_path / "a" / f"x.{suffix}")
    row = read_one(tmp_path, f"x.{suffix}")
    assert row.dtype == dtype
    assert row.shape == shape
    if mode == "1":
        assert set(np.unique(row)) == {0, 255}
    if mode == "RGBA":
        assert_array_equal(row, np.moveaxis(np.asarray(image)[..., :3], 2, 0))
    if mode == "I;16":
        assert_array_equal(row, np.asarray(image))


def test_cmyk_jpg_and_exif_orientation(tmp_path, rng):
    (tmp_path / "a").mkdir()
    image = Image.fromarray(pixels(rng, (8, 6))).convert("CMYK")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "a" / "x.JPEG", format="JPEG", exif=exif)
    assert read_one(tmp_path, "x.JPEG").shape == (3, 6, 8)


def test_colour_of_16_bits_is_told_of(tmp_path):
    """Pillow reads the upper 8 bits; that is a loss, and the report says so."""
    import struct
    import zlib

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    line = b"\0" + b"\x12\x34" * 3 * 4
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(line * 2))
        + chunk(b"IEND", b"")
    )
    folder = load_image_folder(tmp_path)
    assert_array_equal(folder.X, np.full((1, 3, 2, 4), 0x12, np.uint8))
    assert folder.report.converted == [("a/x.png", "16-bit colour, of which Pillow reads 8 bits")]


@pytest.mark.parametrize(
    ("array", "suffix", "expected"),
    [
        (np.ones((5, 4), bool), "npy", (5, 4)),
        (np.ones((5, 4), ">i2"), "npy", (5, 4)),
        (np.ones((5, 4), ">i2"), "npz", (5, 4)),
        (np.ones((1, 1, 5, 4), np.float16), "npz", (5, 4)),
        (np.ones((5, 4, 1), np.int64), "npz", (5, 4)),
        (np.ones((3, 5, 4), np.float32), "npy", (3, 5, 4)),
        (np.ones((5, 4, 3), np.float32), "npz", (3, 5, 4)),
        (np.ones((1, 6, 5, 4), np.float32), "npz", (6, 5, 4)),
        (np.asfortranarray(np.arange(20.0).reshape(5, 4)), "npy", (5, 4)),
        (np.asfortranarray(np.arange(20.0).reshape(5, 4)), "npz", (5, 4)),
    ],
)
def test_layouts_of_arrays(array, expected, suffix, tmp_path):
    write_image(tmp_path / "a" / f"x.{suffix}", array)
    row = read_one(tmp_path, f"x.{suffix}")
    assert row.shape == expected
    assert row.dtype == (np.uint8 if array.dtype == bool else array.dtype.newbyteorder("="))
    if array.ndim == 2:
        assert_array_equal(row, array)


def test_npz_of_several_arrays(tmp_path):
    (tmp_path / "a").mkdir()
    np.savez_compressed(tmp_path / "a" / "x.npz", other=np.zeros(3), image=np.ones((5, 4)))
    folder = load_image_folder(tmp_path)
    assert_array_equal(folder.X, np.ones((1, 5, 4)))


def test_a_pickled_tensor_is_named_and_not_read(tmp_path):
    """torch.load, even of weights only, can be made to fill the memory."""
    write_image(tmp_path / "a" / "x.npy", np.ones((5, 4)))
    (tmp_path / "a/y.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a/y.pt: a pickle, which may run code; save .* as npy"):
        load_image_folder(tmp_path)
    with pytest.warns(UserWarning, match="cannot be read and are skipped"):
        assert len(load_image_folder(tmp_path, on_error="skip")) == 1


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_nifti_scaled_or_not_and_flat(kind, suffix, tmp_path, rng):
    (tmp_path / "a").mkdir()
    stored = pixels(rng, (5, 4, 1, 1), np.int16)
    image = kind(stored, AFFINE)
    nib.save(image, tmp_path / "a" / f"x.{suffix}")
    row = read_one(tmp_path, f"x.{suffix}")
    assert row.dtype == np.int16
    assert_array_equal(row, stored[..., 0, 0])
    image = kind(stored.astype(np.float64) / 7, AFFINE)
    image.header.set_data_dtype(np.int16)
    nib.save(image, tmp_path / "a" / f"x.{suffix}")
    row = read_one(tmp_path, f"x.{suffix}")
    assert row.dtype == np.float32
    assert_allclose(row, stored[..., 0, 0] / 7, atol=1e-2)


def test_extensions_of_a_volume_are_not_read_and_repairs_not_logged(tmp_path, rng, caplog):
    """A million empty extensions took seconds, and each header with a gap printed to stderr."""
    (tmp_path / "a").mkdir()
    image = nib.Nifti1Image(pixels(rng, (5, 4, 6), np.int16), None)
    image.header["pixdim"] = 0
    payload = bytearray(image.to_bytes()[:352] + bytes(16) + np.asarray(image.dataobj).tobytes("F"))
    payload[108:112] = np.float32(368).tobytes()
    payload[348:360] = np.int32([1, -7, 6]).tobytes()
    (tmp_path / "a" / "x.nii").write_bytes(payload)
    assert_array_equal(read_one(tmp_path, "x.nii"), np.asarray(image.dataobj))
    assert not caplog.records


def test_npy_of_version_2(tmp_path):
    (tmp_path / "a").mkdir()
    with open(tmp_path / "a/x.npy", "wb") as file:
        np.lib.format.write_array(file, np.ones((5, 4)), version=(2, 0))
    assert_array_equal(read_one(tmp_path, "x.npy"), np.ones((5, 4)))


def test_synthetic_volumes_of_nifti_2_stay_so(tmp_path, rng):
    (tmp_path / "in/a").mkdir(parents=True)
    nib.save(nib.Nifti2Image(pixels(rng, (5, 4, 6)), AFFINE), tmp_path / "in/a/x.nii.gz")
    folder = load_image_folder(tmp_path / "in")
    X, y, mask, origins = with_synthetic(folder)
    save_image_folder(tmp_path / "out", X, y, like=folder, synthetic_mask=mask, origins=origins)
    image = nib.load(tmp_path / "out/a/synthetic_00001.nii.gz")
    assert isinstance(image, nib.Nifti2Image)
    assert_array_equal(image.affine, AFFINE)
    assert_array_equal(np.asarray(image.dataobj), X[1])


def test_texts_and_extensions_of_a_header_are_not_given_to_synthetic_volumes(tmp_path, rng):
    """They hold names and dates of the person whose volume the origin is."""
    (tmp_path / "in/a").mkdir(parents=True)
    image = nib.Nifti1Image(pixels(rng, (5, 4, 6)), AFFINE)
    image.header["descrip"] = b"Jane Doe"
    image.header.set_xyzt_units("mm", "sec")
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"Jane Doe, born 1970"))
    nib.save(image, tmp_path / "in/a/x.nii")
    folder = load_image_folder(tmp_path / "in")
    assert bytes(folder.headers[0]["descrip"]).startswith(b"Jane")
    X, y, mask, origins = with_synthetic(folder)
    save_image_folder(tmp_path / "out", X, y, like=folder, synthetic_mask=mask, origins=origins)
    assert b"Jane" in (tmp_path / "out/a/x.nii").read_bytes()
    payload = (tmp_path / "out/a/synthetic_00001.nii").read_bytes()
    assert b"Jane" not in payload
    assert nib.load(tmp_path / "out/a/synthetic_00001.nii").header.get_xyzt_units() == ("mm", "sec")


def test_grey_becomes_colour_where_both_are(tmp_path, rng):
    grey = pixels(rng, (8, 6))
    write_image(tmp_path / "in/a/grey.png", grey)
    write_image(tmp_path / "in/b/colour.png", pixels(rng, (8, 6, 3)))
    folder = load_image_folder(tmp_path / "in")
    assert folder.X.shape == (2, 3, 8, 6)
    assert_array_equal(folder.X[0], np.stack([grey] * 3))
    assert folder.report.converted == [("a/grey.png", "grey to colour")]
    assert folder.unchanged.all()
    save_image_folder(tmp_path / "out", folder.X, folder.y, like=folder)
    assert_array_equal(load_image_folder(tmp_path / "out").X, folder.X)
    assert contents(tmp_path / "in").items() <= contents(tmp_path / "out").items()


def test_images_and_volumes_together_are_an_error_that_names_the_fewer(tmp_path, rng):
    for k in range(3):
        write_image(tmp_path / f"a/{k}.nii", pixels(rng, (4, 5, 6)))
    write_image(tmp_path / "b/flat.png", pixels(rng, (4, 5)))
    with pytest.raises(ValueError, match=r"most files hold 3-D.*\n  b/flat.png: 2-D"):
        load_image_folder(tmp_path, size=4)


# ---------------------------------------------------------------------------------- resizing


@pytest.mark.parametrize("size", [None, (6, 5), 6])
def test_mixed_sizes(size, tmp_path, rng):
    write_image(tmp_path / "in/a/one.png", pixels(rng, (6, 9)))
    write_image(tmp_path / "in/a/two.png", pixels(rng, (8, 5, 3)))
    write_image(tmp_path / "in/b/three.npy", np.full((12, 10), 7, np.uint8))
    folder = load_image_folder(tmp_path / "in", size=size)
    assert folder.size == ((6, 6) if size == 6 else (6, 5))
    assert folder.X.dtype == np.uint8
    assert folder.report.resized == [
        ("a/one.png", (6, 9)),
        ("a/two.png", (8, 5)),
        ("b/three.npy", (12, 10)),
    ]
    assert not folder.unchanged.any()
    assert_array_equal(folder.X[2], np.full(folder.X.shape[1:], 7))
    save_image_folder(tmp_path / "out", folder.X, folder.y, like=folder)
    again = load_image_folder(tmp_path / "out")
    assert_array_equal(again.X, folder.X)
    # A grey npy that became colour, and an npy that stays one.
    assert again.files == ["a/one.png", "a/two.png", "b/three.npy"]


def test_the_affine_of_a_resized_volume_covers_the_same_box(tmp_path):
    """A ramp in millimetres along each axis stays one: value and place fit after resizing."""

    def millimetres(shape):
        voxels = np.moveaxis(np.indices(shape), 0, -1)
        return voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3]

    (tmp_path / "in/a").mkdir(parents=True)
    ramp = millimetres((12, 9, 8))
    for axis in range(3):
        data = ramp[..., axis].astype(np.float32)
        nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / f"in/a/{axis}.nii.gz")
    folder = load_image_folder(tmp_path / "in", size=(6, 9, 4))
    assert_allclose(
        folder.affines[0][:3] @ [-0.5, -0.5, -0.5, 1], AFFINE[:3] @ [-0.5, -0.5, -0.5, 1]
    )
    assert_allclose(folder.affines[0][:3] @ [5.5, 8.5, 3.5, 1], AFFINE[:3] @ [11.5, 8.5, 7.5, 1])
    places = np.moveaxis(np.indices((6, 9, 4)), 0, -1) @ folder.affines[0][:3, :3].T
    places += folder.affines[0][:3, 3]
    # At the border the triangle has no pixels on one side.
    inner = (slice(1, -1),) * 3
    for axis in range(3):
        assert_allclose(folder.X[axis][inner], places[..., axis][inner], rtol=1e-5, atol=1e-4)
    save_image_folder(tmp_path / "out", folder.X, folder.y, like=folder)
    again = load_image_folder(tmp_path / "out")
    assert_allclose(again.affines[1], folder.affines[1], atol=1e-5)
    assert_array_equal(again.X, folder.X)


def test_resizing_agrees_with_pillow(rng):
    array = pixels(rng, (23, 17), np.float32)
    for extent in [(9, 17), (40, 5), (11, 11)]:
        theirs = Image.fromarray(array).resize(extent[::-1], Image.Resampling.BILINEAR)
        assert_allclose(resize(array, extent), np.asarray(theirs), atol=0.01)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "i8", "u8", "f2", "f4", "f8"])
def test_resizing_keeps_range_and_dtype(dtype, rng):
    dtype = np.dtype(dtype)
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    array = np.where(rng.random((9, 9)) < 0.5, info.min / 2, info.max / 2).astype(dtype)
    array[:, :4] = info.max
    resized = resize(array, (4, 20))
    assert resized.dtype == dtype
    assert resized.max() >= info.max * 0.99
    if not (dtype.kind in "iu" and dtype.itemsize == 8):  # more digits than a float64 has
        assert_array_equal(resize(array, array.shape), array)


def test_affine_of_a_2d_image_keeps_its_third_axis():
    affine = resize_affine(AFFINE, (8, 6), (4, 6))
    assert_array_equal(affine[:, 2], AFFINE[:, 2])
    assert_allclose(affine[:3, 0], 2 * AFFINE[:3, 0])


def test_values_beyond_a_format_do_not_warn():
    assert fit_row(np.full((2, 2), 1e300), "grey", "tif") is None


# ------------------------------------------------------------------------------------ labels


@pytest.mark.parametrize("elsewhere", [False, True])
def test_labels_from_a_csv_file(elsewhere, tmp_path, rng):
    root = tmp_path / "in"
    for name in ["one.png", "deep/er/two.png", "spare.png", "class/x.png"]:
        write_image(root / name, pixels(rng, (4, 5)))
    text = '\ufefffile,age,label\none.png,3,"a, b"\n"deep/er/two.png",4,c\n'
    path = tmp_path / "elsewhere.csv" if elsewhere else root / "labels.csv"
    path.write_text(text, encoding="utf-8")
    folder = load_image_folder(root, labels=path if elsewhere else None)
    assert folder.files == ["one.png", "deep/er/two.png"]
    assert folder.y.tolist() == ["a, b", "c"]
    assert folder.report.ignored == [
        ("class/x.png", f"not in {path.name}"),
        ("spare.png", f"not in {path.name}"),
    ]
    X, y, mask, origins = with_synthetic(folder)
    save_image_folder(tmp_path / "out", X, y, like=folder, synthetic_mask=mask, origins=origins)
    assert [line["file"] for line in manifest(tmp_path / "out")] == [
        "one.png",
        "deep/er/two.png",
        "a, b/synthetic_00001.png",
        "deep/synthetic_00002.png",
    ]
    assert load_image_folder(tmp_path / "out").y.tolist() == y.tolist()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("name,class\n", "does not name the columns file and label"),
        ("", "does not name the columns"),
        ("file,label\n", "has no image that can be read"),
    ],
)
def test_lists_of_labels_that_list_nothing(text, match, small):
    (small / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=match):
        load_image_folder(small)


def test_a_list_of_labels_that_is_missing(small, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.csv': cannot be opened \(no such file\)"):
        load_image_folder(small, labels=tmp_path / "nowhere.csv")


def test_marks_are_kept_with_a_list_of_labels(tmp_path):
    X = np.zeros((2, 4, 5), np.uint8)
    save_image_folder(tmp_path / "out", X, ["a", "b"], synthetic_mask=[False, True])
    lines = "file,label\na/original_00001.png,new\nb/synthetic_00001.png,new\n"
    (tmp_path / "out/labels.csv").write_text(lines)
    folder = load_image_folder(tmp_path / "out")
    assert folder.y.tolist() == ["new", "new"]
    assert folder.synthetic_mask.tolist() == [False, True]


def test_files_that_a_manifest_lacks_or_lists_in_vain(tmp_path):
    save_image_folder(tmp_path / "out", np.zeros((2, 4, 5), np.uint8), ["a", "b"])
    (tmp_path / "out/a/original_00001.png").rename(tmp_path / "out/a/added.png")
    with pytest.raises(ValueError, match="2 files cannot be read") as caught:
        load_image_folder(tmp_path / "out")
    assert "a/added.png: not in manifest.csv" in str(caught.value)
    assert "a/original_00001.png: cannot be opened (no such file)" in str(caught.value)


def test_a_manifest_of_another_program_is_ignored(small):
    (small / "manifest.csv").write_text("id,file\n1,cat/a.png\n")
    folder = load_image_folder(small)
    assert len(folder) == 4
    assert folder.synthetic_mask is None
    assert folder.report.ignored == [("manifest.csv", "not written by save_image_folder")]


# ------------------------------------------------------------------------ report and parameters


def test_the_report_tells_what_was_left_aside(small, rng):
    (small / "readme.txt").write_text("hello")
    (small / "cat/Thumbs.db").write_text("hello")
    (small / "cat/.DS_Store").write_text("hello")
    (small / "empty").mkdir()
    write_image(small / "beside.png", pixels(rng, (8, 6)))
    write_image(small / "dog/deeper/d.png", pixels(rng, (9, 6)))
    folder = load_image_folder(small)
    assert folder.files[-1] == "dog/deeper/d.png"
    report = folder.report
    assert isinstance(report, LoadReport)
    assert report.ignored == [
        ("beside.png", "beside the class folders"),
        ("cat/.DS_Store", "hidden"),
        ("cat/Thumbs.db", "not named as an image"),
        ("empty", "a subfolder without images"),
        ("readme.txt", "not named as an image"),
    ]
    assert report.classes == {"cat": 2, "dog": 3}
    lines = str(report).splitlines()
    assert lines[0].endswith("array of shape (5, 8, 6), uint8 (cat: 2, dog: 3)")
    assert lines[1:3] == ["resized (1):", "  dog/deeper/d.png: from 9 x 6"]
    assert "  cat/.DS_Store: hidden" in lines
    assert repr(folder) == "ImageFolder(5 grey 8 x 6 uint8, 2 classes)"


def test_long_lists_are_cut_off_in_the_text_alone(small):
    for k in range(30):
        (small / f"cat/{k}.txt").write_text("hello")
    report = load_image_folder(small).report
    assert len(report.ignored) == 30
    assert str(report).splitlines()[-1] == "  ... and 10 more in `report.ignored`"


@pytest.mark.parametrize("size", [0, -1, 1.5, True, (8,), (8, 0), (8, 8, 8, 8), "8", ()])
def test_bad_sizes(size, small):
    with pytest.raises(ValueError, match="`size` is"):
        load_image_folder(small, size=size)


def test_bad_parameters(small, tmp_path):
    with pytest.raises(ValueError, match="`size` is .* holds 2-D images; give 2 lengths"):
        load_image_folder(small, size=(4, 4, 4))
    with pytest.raises(ValueError, match="`on_error` is 'ignore'; use 'raise' or 'skip'"):
        load_image_folder(small, on_error="ignore")
    with pytest.raises(ValueError, match="`max_pixels` is 0"):
        load_image_folder(small, max_pixels=0)
    with pytest.raises(FileNotFoundError, match="check the name"):
        load_image_folder(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match="there is no folder"):
        load_image_folder(small / "cat/a.png")
    with pytest.raises(ValueError, match="neither subfolders nor a labels.csv"):
        load_image_folder(small / "cat")
    (tmp_path / "hollow/a").mkdir(parents=True)
    with pytest.raises(ValueError, match="no image that can be read among 1 other things:\n  a: "):
        load_image_folder(tmp_path / "hollow")


def test_rows_of_a_folder(small):
    folder = load_image_folder(str(small))
    part = folder.take([3, 0])
    assert isinstance(part, ImageFolder)
    assert part.files == ["dog/c.png", "cat/a.png"]
    assert_array_equal(part.X, folder.X[[3, 0]])
    assert len(folder.take(folder.y == "cat")) == 2


@pytest.mark.slow
def test_missing_packages_are_named_with_the_remedy(tmp_path):
    """In a fresh interpreter: the packages are optional, and only imported when needed."""
    for suffix in ["png", "nii"]:
        (tmp_path / suffix / "a").mkdir(parents=True)
        (tmp_path / suffix / "a" / f"x.{suffix}").write_text("")
    (tmp_path / "npy/a").mkdir(parents=True)
    np.save(tmp_path / "npy/a/y.npy", np.zeros((2, 2)))
    code = """
import sys
from pathlib import Path
from sklearn_pyraug.io import load_image_folder, save_image_folder
images = load_image_folder("npy")
assert not {"PIL", "nibabel"} & set(sys.modules)
sys.modules["PIL"] = sys.modules["nibabel"] = None
calls = [
    lambda: load_image_folder("png"),
    lambda: load_image_folder("nii"),
    lambda: save_image_folder("out", images.X, images.y, format="png"),
    lambda: save_image_folder("out", images.X, images.y, format="nii"),
]
for call in calls:
    try:
        call()
    except ImportError as error:
        assert 'pip install "sklearn-pyraug[images]"' in str(error), error
    else:
        raise AssertionError
assert not Path("out").exists()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=tmp_path)


# ----------------------------------------------------------------------------------- writing


def test_the_manifest(small, tmp_path):
    folder = load_image_folder(small)
    X, y, mask, origins = with_synthetic(folder)
    save_image_folder(tmp_path / "out", X, y, like=folder, synthetic_mask=mask, origins=origins)
    lines = manifest(tmp_path / "out")
    assert list(lines[0].values()) == ["cat/a.png", "cat", "False", ""]
    assert list(lines[7].values()) == ["dog/synthetic_00004.png", "dog", "True", "dog/c.png"]
    assert (tmp_path / "out/manifest.csv").read_text().startswith("file,label,synthetic,origin\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "small"]


def test_some_rows_in_any_order(small, tmp_path):
    """As after a split, or the dry run of the command line: origins say which rows these are."""
    folder = load_image_folder(small)
    rows = [2, 0]
    save_image_folder(
        tmp_path / "out",
        folder.X[rows],
        folder.y[rows],
        like=folder,
        synthetic_mask=np.zeros(2, bool),
        origins=rows,
    )
    assert load_image_folder(tmp_path / "out").files == ["dog/a.png", "cat/a.png"]


def test_only_synthetic_rows_take_after_their_class(tmp_path, rng):
    write_image(tmp_path / "in/a/x.bmp", pixels(rng, (8, 6)))
    write_image(tmp_path / "in/b/x.tif", pixels(rng, (8, 6)))
    folder = load_image_folder(tmp_path / "in")
    mask = np.ones(3, bool)
    X = pixels(rng, (3, 8, 6))
    save_image_folder(tmp_path / "out", X, ["b", "a", "new"], like=folder, synthetic_mask=mask)
    again = load_image_folder(tmp_path / "out")
    assert again.formats == ["tif", "bmp", "bmp"]
    assert_array_equal(again.X, X)
    assert again.synthetic_mask.all()
    assert [line["origin"] for line in manifest(tmp_path / "out")] == ["", "", ""]


def test_names_that_are_taken_are_not_used_twice(tmp_path):
    """A folder that was augmented twice: the new rows go on counting."""
    X = np.zeros((2, 4, 5), np.uint8)
    save_image_folder(tmp_path / "one", X, ["a", "a"], synthetic_mask=[False, True])
    folder = load_image_folder(tmp_path / "one")
    X, y, mask, origins = with_synthetic(folder)
    save_image_folder(tmp_path / "two", X, y, like=folder, synthetic_mask=mask, origins=origins)
    again = load_image_folder(tmp_path / "two")
    assert again.files == [
        "a/original_00001.png",
        "a/synthetic_00001.png",
        "a/synthetic_00002.png",
        "a/synthetic_00003.png",
    ]
    assert again.synthetic_mask.tolist() == [False, True, True, True]


def test_a_changed_row_or_file_is_not_copied(small, tmp_path):
    folder = load_image_folder(small)
    X = folder.X.copy()
    X[0] = 9
    (small / "cat/b.png").write_bytes((small / "dog/a.png").read_bytes())
    (small / "dog/a.png").unlink()
    save_image_folder(tmp_path / "out", X, folder.y, like=folder, synthetic_mask=np.zeros(4, bool))
    again = load_image_folder(tmp_path / "out")
    assert_array_equal(again.X, X)
    assert again.files == folder.files


def test_dtypes_that_are_widened_or_narrowed(tmp_path):
    save_image_folder(tmp_path / "bool", np.eye(4, dtype=bool)[None], ["a"])
    assert_array_equal(load_image_folder(tmp_path / "bool").X, np.eye(4, dtype=np.uint8)[None])
    save_image_folder(tmp_path / "long", np.eye(4, dtype=np.longdouble)[None], ["a"])
    assert load_image_folder(tmp_path / "long").X.dtype == np.float64
    # In the range of float32, but with more digits than it has.
    save_image_folder(tmp_path / "tif", np.full((1, 4, 4), 0.5), ["a"], format="tif")
    assert load_image_folder(tmp_path / "tif").X.dtype == np.float32
    with pytest.raises(ValueError, match="cannot hold"):
        save_image_folder(tmp_path / "no", np.full((1, 4, 4), 2**40 + 1), ["a"], format="tif")


def test_a_name_that_is_taken_by_the_fallback(tmp_path):
    for name in ["a/x.png", "a/x.png.npy"]:
        write_image(tmp_path / "in" / name, np.zeros((4, 5), np.uint8))
    folder = load_image_folder(tmp_path / "in")
    X = folder.X + np.float32(0.5)
    mask = np.zeros(2, bool)
    save_image_folder(tmp_path / "out", X, ["a", "a"], like=folder, synthetic_mask=mask)
    again = load_image_folder(tmp_path / "out")
    assert again.files == ["a/x.png.npy.npy", "a/x.png.npy"]
    assert_array_equal(again.X, X)


def test_a_file_that_changes_between_the_look_and_the_copy(small, tmp_path, monkeypatch):
    folder = load_image_folder(small)
    folder.sources[2] = folder.sources[2]._replace(stamp=(1, 1))
    monkeypatch.setattr("sklearn_pyraug.io._plans._is_as_it_was", lambda root, source: True)
    with pytest.raises(OSError, match="'dog/a.png' was changed while it was copied"):
        save_image_folder(tmp_path / "out", folder.X, folder.y, like=folder)
    assert not (tmp_path / "out").exists()


ODD_LABELS = [
    "../up",
    "",
    ".",
    "..",
    ".hidden",
    "a/b",
    "a\\b",
    "two\nlines\r",
    "CON",
    "com1.txt",
    "x" * 400,
    "x" * 401,
    "Ünï",
    "U\u0308ni\u0308",
    "cat",
    "CAT",
    'a, "b"',
    "end. ",
    "end_",
    "manifest.csv",
    "x.png",
    "byte\udcff",
    "\u202egnp",
    "日本語" * 60,
]


def test_odd_labels_make_safe_folders_and_come_back(tmp_path):
    X = np.arange(len(ODD_LABELS) * 4, dtype=np.uint8).reshape(-1, 2, 2)
    save_image_folder(tmp_path / "out", X, ODD_LABELS)
    folder = load_image_folder(tmp_path / "out")
    assert folder.y.tolist() == ODD_LABELS
    assert_array_equal(folder.X, X)
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert len({name.casefold() for name in names}) == len(ODD_LABELS) + 1
    for name in names:
        assert name.isprintable()
        assert len(name.encode()) <= 110
        assert not name.startswith(".")
    # A second time with more rows: they go into the existing folders.
    X, y, mask, origins = with_synthetic(folder)
    save_image_folder(tmp_path / "two", X, y, like=folder, synthetic_mask=mask, origins=origins)
    again = load_image_folder(tmp_path / "two")
    assert again.y.tolist() == y.tolist()
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(names)


def test_folders_do_not_take_names_in_use():
    names = folder_names(["b", "A", "a"], {"a": "A"}, ["B"])
    assert names == {"b": "b-2", "A": "A-2", "a": "A"}


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.zeros((2, 5)), "`X` has shape"),
        (np.zeros((2, 4, 5, 6, 7)), "`X` has shape"),
        (np.zeros((2, 4, 5), complex), "dtype complex128; give real numbers"),
        (np.full((2, 4, 5), np.nan), "not finite; replace them"),
        (np.ma.masked_all((2, 4, 5)), "not finite; replace them"),
        (np.zeros((2, 0, 5)), "holds nothing"),
        (np.zeros((3, 4, 5)), r"`y` has shape \(2,\); give one label for each of 3 rows"),
    ],
)
def test_rows_that_are_no_images(X, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        save_image_folder(tmp_path / "out", X, ["a", "b"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"synthetic_mask": [1, 0, 0, 0]}, "`synthetic_mask` has dtype int64"),
        ({"synthetic_mask": [True]}, r"shape \(1,\); give one True or False for each of 4"),
        ({"origins": [0.0] * 4}, "`origins` has dtype float64"),
        ({"origins": [0, 1, 2, 4]}, "values from 0 to 4, but `like` has 4 rows"),
        ({"origins": [0, 1, 2, 2], "synthetic_mask": [False] * 4}, "row 3, which is, as row 2,"),
        ({"origins": [0, 1, 2, -1], "synthetic_mask": [False] * 4}, "row 3, which is no row"),
        ({"format": "gif"}, "`format` is 'gif'; use one of png, jpg"),
        ({"like": "small"}, "`like` is of type str; give what load_image_folder returned"),
    ],
)
def test_parameters_that_do_not_fit(options, match, small, tmp_path):
    folder = load_image_folder(small)
    with pytest.raises(ValueError, match=match):
        save_image_folder(tmp_path / "out", folder.X, folder.y, **{"like": folder, **options})
    assert not (tmp_path / "out").exists()


def test_rows_that_are_not_those_of_like(small, tmp_path):
    folder = load_image_folder(small)
    with pytest.raises(ValueError, match="the first 4 rows of X are not those of `like`"):
        save_image_folder(tmp_path / "out", folder.X[::-1], folder.y, like=folder)
    with pytest.raises(ValueError, match=r"rows of shape \(4, 6\), but `like`"):
        save_image_folder(tmp_path / "out", folder.X[:, :4], folder.y, like=folder)


# ------------------------------------------------------------- nothing is lost, nothing half done


@pytest.mark.parametrize("where", [".", "new", "cat/new", ".."])
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_input_is_never_written_to(where, overwrite, small):
    folder = load_image_folder(small)
    before = contents(small)
    with pytest.raises(ValueError, match="which is, or is inside, or holds the folder"):
        save_image_folder(small / where, folder.X, folder.y, like=folder, overwrite=overwrite)
    link = small.parent.parent / f"link-{small.parent.name}"
    link.symlink_to(small)
    try:
        with pytest.raises(ValueError, match="which is, or is inside"):
            save_image_folder(link / "x", folder.X, folder.y, like=folder, overwrite=overwrite)
    finally:
        link.unlink()
    assert contents(small) == before


def test_overwriting(tmp_path):
    X = np.zeros((2, 4, 5), np.uint8)
    out = tmp_path / "out"
    out.mkdir()
    save_image_folder(out, X, ["a", "b"])  # an empty folder is taken
    before = contents(out)
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        save_image_folder(out, X + 1, ["c", "d"])
    assert contents(out) == before
    save_image_folder(out, X + 1, ["c", "d"], overwrite=True)
    assert load_image_folder(out).y.tolist() == ["c", "d"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("appears", ["folder", "file", "link"])
def test_what_appears_while_images_are_written_is_kept(appears, existing, tmp_path, monkeypatch):
    """It was deleted with all its content."""
    X, out = np.zeros((2, 4, 5), np.uint8), tmp_path / "out"
    if existing:
        save_image_folder(out, X, ["a", "b"])
    manifest = writing._manifest

    def meanwhile(entries):
        if existing:
            os.rename(out, tmp_path / "moved")
        if appears == "folder":
            out.mkdir()
            (out / "precious.txt").write_text("somebody else's")
        elif appears == "file":
            out.write_text("somebody else's")
        else:
            out.symlink_to(tmp_path)
        return manifest(entries)

    monkeypatch.setattr(writing, "_manifest", meanwhile)
    with pytest.raises(FileExistsError, match="another program has made or changed"):
        save_image_folder(out, X + 1, ["a", "b"], overwrite=existing)
    assert (out / "precious.txt" if appears == "folder" else out).exists()
    assert sorted(os.listdir(tmp_path)) == (["moved", "out"] if existing else ["out"])


def killed_while_writing(out, moved=False):
    """Leave what SIGKILL leaves of a process that writes images."""
    pid = os.fork()
    if not pid:
        if moved:
            rename = os.rename
            writing.os.rename = lambda *a: rename(*a) or os.kill(os.getpid(), signal.SIGKILL)
        else:
            writing._manifest = lambda entries: os.kill(os.getpid(), signal.SIGKILL)
        save_image_folder(out, np.zeros((2, 4, 5)), ["a", "b"], overwrite=True)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


@needs_fork
def test_what_a_killed_run_has_left_is_removed_by_the_next(tmp_path):
    killed_while_writing(tmp_path / "out")
    assert len(os.listdir(tmp_path)) == 1
    save_image_folder(tmp_path / "out", np.zeros((1, 4, 5)), ["a"])
    assert os.listdir(tmp_path) == ["out"]


@needs_fork
def test_a_folder_that_a_killed_run_has_moved_is_put_back(tmp_path):
    out = tmp_path / "out"
    save_image_folder(out, np.ones((1, 4, 5)), ["mine"])
    before = contents(out)
    killed_while_writing(out, moved=True)
    assert not out.exists()
    with (
        pytest.warns(UserWarning, match="it is put back"),
        pytest.raises(FileExistsError, match="overwrite=True"),
    ):
        save_image_folder(out, np.zeros((1, 4, 5)), ["a"])
    assert os.listdir(tmp_path) == ["out"]
    assert contents(out) == before


def test_what_another_run_is_writing_is_left_alone(tmp_path):
    X = np.zeros((1, 4, 5))
    with atomic_write(tmp_path / "out") as handle:
        handle.write(b"half")
        save_image_folder(tmp_path / "out.d", X, ["a"])
        with atomic_write(tmp_path / "out") as other:
            other.write(b"other")
    assert (tmp_path / "out").read_bytes() == b"half"
    assert sorted(os.listdir(tmp_path)) == ["out", "out.d"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """And not the temporary file in it."""
    with pytest.raises(FileNotFoundError, match=r"no folder '.*absent'; make it first\.$"):
        with atomic_write(tmp_path / "absent" / "out"):
            pass


def test_an_interruption_before_the_first_byte_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("sklearn_pyraug.io._atomic.lock", interrupt)
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    unfinished = atomic_write(tmp_path / "out", overwrite=False)
    unfinished.__enter__().write(b"ours")
    (tmp_path / "out").write_text("theirs")
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        unfinished.__exit__(None, None, None)
    assert (tmp_path / "out").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["out"]


def test_what_is_no_folder_of_ours_is_not_overwritten(tmp_path):
    """A mistake such as naming the home folder must not delete its content."""
    X = np.zeros((2, 4, 5), np.uint8)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("work")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    for name in ["home", "file", "link"]:
        with pytest.raises(FileExistsError, match="choose another name"):
            save_image_folder(tmp_path / name, X, ["a", "b"], overwrite=True)
    with pytest.raises(FileNotFoundError, match="make it first"):
        save_image_folder(tmp_path / "no/where", X, ["a", "b"])
    assert (tmp_path / "home/thesis.txt").read_text() == "years of work"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("failing", ["encode", "copy", "manifest", "rename"])
@pytest.mark.parametrize(
    ("error", "existing"),
    [(KeyboardInterrupt(), True), (OSError(errno.ENOSPC, "No space left on device"), False)],
    ids=["interrupted", "disk full"],
)
def test_a_run_that_is_stopped_leaves_what_was_there(
    failing, error, existing, small, tmp_path, monkeypatch
):
    folder = load_image_folder(small)
    out = tmp_path / "out"
    if existing:
        save_image_folder(out, folder.X, folder.y)
    before = contents(out)
    X, y, mask, origins = with_synthetic(folder)

    def stop(*args, **kwargs):
        raise error

    if failing == "encode":
        monkeypatch.setattr(writing, "write_image", stop)
    elif failing == "copy":
        monkeypatch.setattr(writing.shutil, "copyfileobj", stop)
    elif failing == "manifest":
        monkeypatch.setattr(writing, "_manifest", stop)
    else:
        rename = os.rename

        def stop_at_the_new_one(source, target):
            if str(source).endswith(".tmp"):
                raise error
            rename(source, target)

        monkeypatch.setattr(writing.os, "rename", stop_at_the_new_one)
    with pytest.raises(type(error)):
        save_image_folder(
            out, X, y, like=folder, synthetic_mask=mask, origins=origins, overwrite=True
        )
    assert contents(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"small", *(["out"] if existing else [])}


def test_a_disk_that_is_full_in_the_middle_of_a_file(tmp_path, monkeypatch):
    """Half of the bytes are written, as a real disk does."""

    class Full:
        def __init__(self, handle):
            self.handle = handle

        def write(self, data):
            self.handle.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

    real = writing.atomic_write

    class Opened:
        def __init__(self, path):
            self.inner = real(path)

        def __enter__(self):
            return Full(self.inner.__enter__())

        def __exit__(self, *error):
            return self.inner.__exit__(*error)

    monkeypatch.setattr(writing, "atomic_write", Opened)
    with pytest.raises(OSError, match="No space left"):
        save_image_folder(tmp_path / "out", np.zeros((2, 4, 5)), ["a", "b"])
    assert not list(tmp_path.iterdir())


def test_an_old_folder_that_stays_is_told_of(tmp_path, monkeypatch):
    X = np.zeros((1, 4, 5))
    save_image_folder(tmp_path / "out", X, ["a"])
    monkeypatch.setattr(writing.shutil, "rmtree", lambda *args, **kwargs: None)
    with pytest.warns(UserWarning, match="could not be removed completely"):
        save_image_folder(tmp_path / "out", X, ["b"], overwrite=True)
    assert load_image_folder(tmp_path / "out").y.tolist() == ["b"]
