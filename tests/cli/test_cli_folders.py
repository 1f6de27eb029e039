"""Tests of the command line on folders of images and volumes, as a user types it."""

import csv
import json
import os

import numpy as np
import pytest
from commands import QUICK, failure, run
from numpy.testing import assert_array_equal
from shared import contents

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.cli import main
from sklearn_pyraug.cli.contact_sheet import write_contact_sheet
from sklearn_pyraug.io import load_image_folder, load_table, save_image_folder, save_table

image = pytest.importorskip("PIL.Image")

pytestmark = pytest.mark.usefixtures("folder")
SIZES = {"cat": 6, "dog": 9}


def draw(rng, *shape):
    """Return a smooth picture of values from 0 to 255."""
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    centre = rng.uniform(-0.4, 0.4, len(shape))
    distance = sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True))
    return 255 * np.exp(-distance / rng.uniform(0.2, 0.5))


@pytest.fixture
def pictures(folder):
    """Grey png files of 10 x 12 pixels in two subfolders."""
    rng = np.random.default_rng(0)
    for label, n in SIZES.items():
        (folder / "pets" / label).mkdir(parents=True)
        for i in range(n):
            picture = draw(rng, 10, 12).astype(np.uint8)
            image.fromarray(picture).save(folder / "pets" / label / f"{label} {i}.png")
    return folder / "pets"


def test_augment_a_folder(pictures, folder, capsys):
    before = contents(pictures)
    run("augment", "pets", "-o", "more", "--factor", "2", *QUICK)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "15 rows -> 36: cat 6 -> 18, dog 9 -> 18"
    assert second.startswith("more, ")
    assert contents(pictures) == before
    after = contents(folder / "more")
    assert {name: after[name] for name in before} == before  # byte for byte
    with open(folder / "more" / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    assert len(after) == 37
    marks = load_image_folder("more").synthetic_mask
    assert marks.sum() == 21
    made = load_image_folder("more").take(marks)
    assert made.X.shape == (21, 10, 12)
    assert made.X.dtype == np.uint8
    assert sorted(set(made.formats)) == ["png"]
    assert all(source.origin in before for source in made.sources)


def test_a_contact_sheet_stands_beside_a_folder(pictures, folder, capsys):
    """Origins beside synthetic images, a row a class; in no table, and not where it is unwanted."""
    run("augment", "pets", "-o", "more", "--per-class", "2", *QUICK)
    assert capsys.readouterr().out.rstrip().endswith("see more.contact-sheet.png")
    sheet = np.asarray(image.open(folder / "more.contact-sheet.png"))
    assert sheet.shape[0] > 2 * 80
    assert len(np.unique(sheet)) > 20
    assert "which exists" in failure(capsys, 1, "augment", "pets", "-o", "more", *QUICK)
    run("augment", "pets", "-o", "bare", "--per-class", "1", "--no-contact-sheet", *QUICK)
    run("augment", "pets", "-o", "table.npz", "--per-class", "1", *QUICK)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["bare", "more", "more.contact-sheet.png", "pets", "table.npz"]


def test_missing_pixels_are_refused_for_a_folder_before_training(folder, monkeypatch, capsys):
    X, y = np.ones((12, 8, 8)), np.repeat(["a", "b"], 6)
    X[7, 3, 3] = np.nan
    np.savez(folder / "gaps.npz", X=X, y=y)
    monkeypatch.setattr(RHVAEAugmenter, "fit_resample", None)  # not even looked at
    assert "not finite" in failure(capsys, 1, "augment", "gaps.npz", "-o", "gaps", *QUICK)


@pytest.mark.parametrize("shape", [(9, 7), (3, 9, 7), (6, 9, 7), (900, 700), (40, 2)])
def test_contact_sheets_show_each_origin_before_what_came_of_it(shape, folder):
    X = np.zeros((4, *shape), dtype=np.uint8)
    X[1], X[3] = 255, 255  # origins are dark and synthetic ones bright
    channels = "first" if shape[0] == 3 else "none"
    mask, origins = np.array([False, True, False, True]), np.array([0, 0, 2, 2])
    sheet_file = folder / "sheet.png"
    y = ["a", "a", "line\nbreak \u4e2d", "line\nbreak \u4e2d"]
    write_contact_sheet(sheet_file, X, y, mask, origins, channels=channels)
    sheet = np.asarray(image.open(sheet_file).convert("L"))
    # Large images are shrunk, and the heading has room above narrow ones.
    assert sheet.shape[0] < 800
    assert sheet.shape[1] > 200
    line = sheet[30]
    dark = np.flatnonzero(line == 0)
    assert len(dark) > (40 if min(shape) > 2 else 3)
    assert (line[dark.max() + 20 :] == 255).all()


def test_contact_sheets_write_letters_without_accents(folder):
    """Pillow's font has none, and drew boxes."""
    sheets = []
    for label in ("\u00fcber", "uber"):
        X, y = np.eye(8).reshape(2, 4, 8), [label] * 2
        mask, origins = np.array([False, True]), np.zeros(2, int)
        write_contact_sheet(folder / "s.png", X, y, mask, origins, channels="none", overwrite=True)
        sheets.append((folder / "s.png").read_bytes())
    assert sheets[0] == sheets[1]


def test_a_second_run_is_refused_before_training_and_goes_with_overwrite(
    pictures, folder, monkeypatch, capsys
):
    (folder / "more").mkdir()  # an empty one is as good as none
    run("augment", "pets", "-o", "more", "--per-class", "1", *QUICK)
    before = contents(folder / "more")
    with monkeypatch.context() as patch:
        patch.setattr(RHVAEAugmenter, "fit_resample", None)  # not even looked at
        assert "which exists" in failure(capsys, 1, "augment", "pets", "-o", "more", *QUICK)
    assert contents(folder / "more") == before
    arguments = ["augment", "pets", "-o", "more", "--per-class", "2", "--overwrite", *QUICK]
    run(*arguments)
    assert len(contents(folder / "more")) == 15 + 4 + 1
    # What was synthetic is not learned from.
    run("augment", "more", "-o", "again", "--per-class", "1", *QUICK)
    assert len(contents(folder / "again")) == 15 + 2 + 1


def test_colours_sizes_and_skipped_files(pictures, folder, capsys):
    rng = np.random.default_rng(1)
    for label in SIZES:
        (folder / "colours" / label).mkdir(parents=True)
        for i in range(5):
            picture = np.stack([draw(rng, 9, 9) for _ in range(3)], axis=-1).astype(np.uint8)
            image.fromarray(picture).save(folder / "colours" / label / f"{i}.png")
    (folder / "colours" / "cat" / "broken.png").write_bytes(b"\x89PNG")
    (folder / "colours" / "cat" / "late.gif").write_bytes(b"GIF89a")
    arguments = ["augment", "colours", "-o", "more", "--per-class", "2", "--size", "8x8", *QUICK]
    line = failure(capsys, 1, *arguments)
    assert line.startswith("sklearn-pyraug: error: INPUT is 'colours'")
    assert "broken.png" in line
    assert "or use --on-error skip to leave them out" in line
    run(*arguments, "--on-error", "skip")
    err = capsys.readouterr().err
    assert "warning: cat/broken.png is left out" in err
    assert "note: left out: cat/late.gif (not named as an image)\n" in err
    assert "note: resized to 8x8: cat/0.png" in err
    made = load_image_folder("more")
    made = made.take(made.synthetic_mask)
    assert made.X.shape == (4, 3, 8, 8)


@pytest.mark.slow
def test_train_generate_inspect_and_evaluate_volumes(folder, capsys):
    nibabel = pytest.importorskip("nibabel")
    rng = np.random.default_rng(2)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    for label in ("ill", "well"):
        (folder / "scans" / label).mkdir(parents=True)
        for i in range(6):
            volume = draw(rng, 8, 9, 10).astype(np.float32)
            scan = nibabel.Nifti1Image(volume, affine)
            nibabel.save(scan, folder / "scans" / label / f"{i}.nii.gz")
    run("train", "scans", "-o", "scans.pyraug", *QUICK)
    capsys.readouterr()
    run("inspect", "scans.pyraug", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == {"ill": 6, "well": 6}
    assert told["sample_shape"] == [8, 9, 10]
    assert told["decoder"] == "deformation"

    run("generate", "scans.pyraug", "-o", "new", "--per-class", "3", "--like", "scans")
    made = load_image_folder("new")
    assert made.X.shape == (6, 8, 9, 10)
    assert made.synthetic_mask.all()
    assert set(made.formats) == {"nii.gz"}
    assert_array_equal(made.affines[0], affine)
    assert "geometry" not in capsys.readouterr().err
    run("train", "scans", "-o", "small.pyraug", *QUICK, "--size", "8x8x8")
    assert "note: resized to 8x8x8: ill/0.nii.gz" in capsys.readouterr().err
    run("generate", "scans.pyraug", "-o", "plain", "--per-class", "3")
    assert "note: a model holds no geometry" in capsys.readouterr().err
    assert_array_equal(load_image_folder("plain").X, made.X)
    run("generate", "scans.pyraug", "-o", "arrays", "--per-class", "1", "--format", "npy")
    assert set(load_image_folder("arrays").formats) == {"npy"}
    run("generate", "scans.pyraug", "-o", "new.npz", "--n", "ill=2")
    assert load_table("new.npz")[0].shape == (2, 8, 9, 10)
    line = failure(capsys, 2, "generate", "scans.pyraug", "-o", "new.csv", "--n", "ill=2")
    assert "but the rows are images" in line

    capsys.readouterr()
    run("evaluate", "scans", "new", "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == {
        "ill": {"real": 6, "synthetic": 3},
        "well": {"real": 6, "synthetic": 3},
    }
    (line,) = (x for x in report["measures"] if (x["measure"], x["label"]) == ("coverage", "(all)"))
    assert 0 <= line["value"] <= 1


@pytest.mark.slow
def test_evaluate_brings_images_to_the_size_of_the_real_ones(pictures, folder, capsys):
    real = load_image_folder("pets")
    mask = np.ones(len(real), bool)
    save_image_folder("large", np.repeat(real.X, 2, axis=1), real.y, synthetic_mask=mask)
    run("evaluate", "pets", "large", "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["rows"]["dog"] == {"real": 9, "synthetic": 9}


def test_from_a_folder_to_an_array_and_back(pictures, folder):
    run("augment", "pets", "-o", "more.npz", "--per-class", "1", *QUICK)
    X, y = load_table("more.npz")
    assert X.shape == (17, 10, 12)
    assert X.dtype == np.uint8
    run("augment", "more.npz", "-o", "more", "--per-class", "1", *QUICK)
    made = load_image_folder("more")
    assert len(made) == 17
    assert made.synthetic_mask.sum() == 2
    kept = made.take(~made.synthetic_mask)
    order = np.lexsort(kept.X.reshape(15, -1).T)
    expected = np.lexsort(X[:15].reshape(15, -1).T)
    assert_array_equal(kept.X[order], X[:15][expected])


@pytest.mark.parametrize(
    ("options", "status", "match"),
    [
        (["pets", "-o", "o", "--target", "t"], 2, "whose subfolders are the labels"),
        (["pets", "-o", "o", "--drop", "t"], 2, "--drop is for tables"),
        (["pets", "-o", "o.csv"], 2, "give a folder or an .npz file"),
        (["pets", "-o", "pets"], 2, "one within the other"),
        (["pets", "-o", "pets/cat/more"], 2, "one within the other"),
        (["pets", "-o", ".", "--overwrite"], 2, "one within the other"),
        (["pets", "-o", "mine"], 1, "which exists"),
        (["pets", "-o", "mine", "--overwrite"], 1, "a folder without a manifest.csv"),
        (["pets", "-o", "mine.csv/x"], 1, "there is no folder 'mine.csv'"),
        (["pets", "-o", "absent/o"], 1, "there is no folder 'absent'"),
        (["empty", "-o", "o"], 1, "empty"),
        (["flat.npz", "-o", "o"], 2, "ends in .csv, .tsv"),
    ],
)
def test_what_cannot_work_is_told_in_one_line_and_leaves_nothing(
    options, status, match, pictures, folder, capsys
):
    (folder / "empty").mkdir()
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("old")
    (folder / "mine.csv").write_text("old")
    save_table(folder / "flat.npz", np.eye(8), np.arange(8) % 2)
    before = sorted(folder.iterdir())
    assert match in failure(capsys, status, "augment", *options, *QUICK)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "match"),
    [
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_full_disk_or_an_interrupt_while_writing(
    old, error, status, match, pictures, folder, monkeypatch, capsys
):
    if old:
        run("augment", "pets", "-o", "more", "--per-class", "1", *QUICK)
    before = contents(folder)
    original = RHVAEAugmenter.fit_resample
    n_written = []

    def fail(descriptor):
        n_written.append(descriptor)
        if len(n_written) > 3:
            raise error

    def resample_then_fail(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        monkeypatch.setattr(os, "fsync", fail)
        return result

    monkeypatch.setattr(RHVAEAugmenter, "fit_resample", resample_then_fail)
    capsys.readouterr()
    arguments = ["augment", "pets", "-o", "more", "--overwrite", "--seed", "1", *QUICK]
    assert main(arguments) == status
    assert match in capsys.readouterr().err
    assert len(n_written) == 4
    assert contents(folder) == before
