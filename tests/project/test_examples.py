"""The examples run as they are, and each draws a picture.

Where GALLERY names the folder that a build of the documentation has filled with their outputs,
those are read in the place of another run.
"""

import os
import re
import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PLOTS = sorted(path.name for path in EXAMPLES.glob("plot_*.py"))
# Runs an example in a process of its own, and saves its picture where it would be shown.
RUN = """
import runpy, sys
import matplotlib.pyplot as plt
import torch
torch.set_num_threads(1)
script, picture, *arguments = sys.argv[1:]
plt.show = lambda: plt.savefig(picture)
sys.argv = [script, *arguments]
runpy.run_path(script, run_name="__main__")
"""


def run(name, tmp_path, *arguments):
    """Run an example in an empty folder, look at its picture, and return what it prints."""
    imread = pytest.importorskip("matplotlib.image").imread
    if "GALLERY" in os.environ and not arguments:
        text, picture = read(Path(os.environ["GALLERY"]), name.removesuffix(".py"))
    else:
        picture, home = tmp_path / "picture.png", tmp_path / "home"
        home.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", RUN, EXAMPLES / name, picture, *arguments],
            env=os.environ | {"MPLBACKEND": "Agg", "TMPDIR": str(home)},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        # It removes whatever it writes; torch makes an empty folder of its own.
        assert not [path for path in home.rglob("*") if path.is_file()]
        text = done.stdout
    assert np.ptp(imread(picture)[..., :3]) > 0.5, "an empty page"
    return text


def read(gallery, stem):
    """Return what an example printed for the gallery, and its picture's file."""
    page = (gallery / f"{stem}.rst").read_text(encoding="utf-8")
    outputs = re.findall(r"-script-out\n\n \.\. code-block:: none\n\n((?: {4}.*\n|\n)*)", page)
    return "\n".join(map(cleandoc, outputs)), gallery / "images" / f"sphx_glr_{stem}_001.png"


def percentages(text):
    """Return the pairs of accuracies that an example prints, in percent."""
    return [float(number) for number in re.findall(r"([\d.]+) %", text)]


@pytest.mark.parametrize("name", PLOTS)
def test_examples_are_cells_that_sphinx_gallery_can_read(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    header = text.split('"""')[1].strip("\n").splitlines()
    assert header[1] == "=" * len(header[0])
    cells = text.split("# %%\n")[1:]
    assert len(cells) >= 4
    for cell in cells:
        assert cell.startswith("# ")
    # The last one says the result in words.
    assert all(line.startswith("#") for line in cells[-1].strip().splitlines())


@pytest.mark.slow
def test_digits(tmp_path):
    text = run("plot_digits.py", tmp_path)
    assert "100 images became 600" in text
    assert len(percentages(text)) == 4
    # Ten classes: far above chance with and without augmentation.
    assert min(percentages(text)) > 70


@pytest.mark.slow
def test_images_from_photographs(tmp_path):
    pytest.importorskip("PIL")
    text = run("plot_pneumonia_style_images.py", tmp_path)
    assert "flower: 442, temple: 442" in text
    assert "40 images became 200" in text
    assert re.search(r"synthetic_\d+\.png,temple,True,temple/original_\d+\.png", text)
    assert len(percentages(text)) == 4
    assert min(percentages(text)) > 55


@pytest.mark.slow
def test_images_from_a_folder_of_yours(tmp_path):
    """Colour images of several sizes, one of them broken."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for label, value in (("NORMAL", 60), ("PNEUMONIA", 120)):
        (tmp_path / "scans" / label).mkdir(parents=True)
        for i in range(30):
            pixels = rng.normal(value, 40, size=(24 + i % 3, 26, 3)).clip(0, 255)
            file = tmp_path / "scans" / label / f"{i}.png"
            image.fromarray(pixels.astype(np.uint8)).save(file)
    (tmp_path / "scans" / "NORMAL" / "broken.png").write_bytes(b"\x89PNG")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    text = run("plot_pneumonia_style_images.py", tmp_path, tmp_path / "scans")
    assert "NORMAL/broken.png" in text
    assert "(60, 3, 24, 24)" in text
    assert "40 images became 200" in text
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.slow
def test_volumes(tmp_path):
    pytest.importorskip("nibabel")
    text = run("plot_volumes_nifti.py", tmp_path)
    assert "(40, 20, 24, 20) became (240, 20, 24, 20)" in text
    assert "200 of 240 volumes are marked as synthetic" in text
    assert "affine kept: True" in text
    assert len(percentages(text)) == 2


@pytest.mark.slow
def test_rebalanced_table(tmp_path):
    pytest.importorskip("pandas")
    text = run("plot_rebalance_table.py", tmp_path)
    assert "395 other, 47 worse" in text
    assert "442 rows became 790" in text
    # A tenth of the rows are of the rare class: more of them are found, whatever the seed.
    assert re.search(r"changed balanced accuracy by \+\d", text)


@pytest.mark.slow
def test_table_of_a_thousand_columns(tmp_path):
    text = run("plot_microarray_like.py", tmp_path)
    assert "80 rows became 448" in text
    assert text.count("RHVAEAugmenter changed balanced accuracy") == 3


@pytest.mark.slow
def test_latent_geometry(tmp_path):
    text = run("plot_latent_geometry.py", tmp_path)
    assert "The volume is larger where codes are" in text
    # Five digits from two features: far above chance.
    told = [float(number) for number in re.findall(r": ([\d.]+) % of", text)]
    assert len(told) == 2
    assert min(told) > 60


@pytest.mark.slow
def test_geodesics(tmp_path):
    text = run("plot_geodesics.py", tmp_path)
    assert len(re.findall(r"closer in \d+ of 20 pairs", text)) == 2


@pytest.mark.slow
def test_grid_search_with_memory(tmp_path):
    text = run("plot_grid_search_memory.py", tmp_path)
    assert "same scores: True" in text
    # One training a fold and one of the best, in the place of 25.
    assert "% less time" in text


@pytest.mark.slow
def test_plain_pipeline(tmp_path):
    text = run("plot_plain_pipeline.py", tmp_path)
    assert "on 60 real and 156 synthetic rows" in text
    # Both ways of measuring give the same two scores.
    both = re.findall(r"([\d.]+) % balanced accuracy", text)
    without, augmented = (f"{float(number) / 100:.3f}" for number in both)
    assert f"{augmented} with, {without} without" in text


@pytest.mark.slow
def test_when_not_to_augment(tmp_path):
    text = run("plot_when_not_to_augment.py", tmp_path)
    assert "logistic regression: factors that help: none" in text
    assert re.search("nearest neighbours: (augmentation hurts|no difference is shown)", text)


@pytest.mark.slow
def test_reading_the_report(tmp_path):
    pytest.importorskip("pandas")
    text = run("plot_reading_the_report.py", tmp_path)
    assert "106 synthetic rows, 106 training rows, 72 rows held out, 3 classes." in text
    proximity = re.search(
        r"training proximity: default ([\d.]+), bolder ([\d.]+), b", text
    ).groups()
    assert float(proximity[1]) < float(proximity[0])
    assert "keep the new rows further from the training rows" in text


@pytest.mark.slow
def test_probabilities(tmp_path):
    text = run("plot_probabilities.py", tmp_path)
    scores = re.findall(r"accuracy ([\d.]+), log loss ([\d.]+), mean risk ([\d.]+)", text)
    (plain, own, corrected) = np.array(scores, dtype=float)
    assert corrected[0] == own[0] > plain[0] + 0.1
    assert corrected[1] < plain[1] + 0.02 < own[1]
    assert abs(corrected[2] - 0.1) < 0.03 < own[2] - 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("plot_gain.py", ["a clear gain: True"]),
        ("plot_fraud_like.py", ["more frauds are found: True", "they are ranked better: False"]),
        ("plot_three_rows.py", [f"compared with {name}: +" for name in ("nothing", "SMOTE")]),
        ("plot_clinical_table.py", ["dtypes kept: True", "no new level: True"]),
        ("plot_warps.py", ["smallest growth of ten warps: 0."]),
    ],
)
def test_examples_show_what_their_words_say(name, sentences, tmp_path):
    pytest.importorskip("pandas")
    text = run(name, tmp_path)
    assert all(sentence in text for sentence in sentences)
    assert "not told from chance" not in text


@pytest.mark.slow
def test_networks_of_your_own(tmp_path):
    text = run("custom_networks.py", tmp_path)
    assert "(150, 8, 8) became (640, 8, 8)" in text
    assert len(percentages(text)) == 2
    # Ten digits: far above chance with and without augmentation.
    assert min(percentages(text)) > 80


@pytest.mark.slow
def test_choice(tmp_path):
    text = run("plot_choice.py", tmp_path)
    assert "Used: moved threshold. Over nothing it gained +" in text
    plain, chosen = percentages(text)
    assert chosen > plain
