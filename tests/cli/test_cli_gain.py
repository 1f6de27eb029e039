"""The command gain, which is augmentation_gain on files."""

import json
import re

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from shared import quick
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from sklearn_pyraug import augmentation_gain
from sklearn_pyraug.cli import main
from sklearn_pyraug.cli.gain import CLASSIFIERS, _classifier
from sklearn_pyraug.io import load_table, save_image_folder, save_table

pd = pytest.importorskip("pandas")

QUICK = [
    *("--set", "max_epochs=2", "--set", "latent_dim=2", "--set", "device=cpu"),
    *("--set", "encoder__hidden_layer_sizes=8", "--folds", "2", "--repeats", "1"),
]
CLINIC = ["gain", "clinic.csv", "--target", "diagnosis", "--drop", "id", *QUICK]


@pytest.fixture(autouse=True)
def clinic(tmp_path, monkeypatch):
    """A file with an identifier, numbers, text and booleans, some missing, in its own folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"P{i:02d}" for i in range(40)],
            "age": rng.normal(50, 10, 40).round(1),
            "sex": rng.choice(["f", "m"], 40),
            "smokes": rng.random(40) < 0.5,
            "diagnosis": np.repeat(["ill", "well"], [14, 26]),
        }
    )
    frame.loc[::7, "age"], frame.loc[::9, "sex"] = np.nan, None
    frame.to_csv("clinic.csv", index=False, sep=";", decimal=",")
    return frame


def told(capsys, *arguments):
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def failure(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) in (1, 2)
    return capsys.readouterr().err


def test_it_agrees_with_python_to_the_digit(capsys):
    shown = told(capsys, *CLINIC, "--seed", 3, "--classifier", "knn", "--json")
    X, y = load_table("clinic.csv", "diagnosis")
    settings = {"cv": 2, "n_repeats": 1, "random_state": 3}
    augmenter = quick(missing="keep", random_state=3)
    result = augmentation_gain(
        KNeighborsClassifier(), X.drop(columns="id"), y, augmenter=augmenter, **settings
    )
    assert shown["rows"] == {"ill": 14, "well": 26}
    seconds = {"seconds": 0}
    assert [row | seconds for row in shown["methods"]] == [
        row._asdict() | seconds for row in result.rows
    ]
    assert shown["advice"] == result.advice
    assert shown["left_out"] == {}
    assert shown["scoring"] == "balanced_accuracy"


@pytest.mark.slow  # the default augmenter
def test_it_agrees_with_python_without_any_option(capsys):
    shown = told(capsys, "gain", "clinic.csv", "--target", "diagnosis", "--drop", "id", "--json")
    X, y = load_table("clinic.csv", "diagnosis")
    classifier = LogisticRegression(max_iter=1000)
    result = augmentation_gain(classifier, X.drop(columns="id"), y, random_state=0)
    assert [row["score"] for row in shown["methods"]] == [row.score for row in result.rows]


def test_it_prints_and_writes_a_page(tmp_path, capsys):
    assert main([*CLINIC, "--html", "gain.html"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "40 rows, ill 14, well 26; classifier logistic."
    assert lines[1].startswith("RHVAEAugmenter changed balanced accuracy by")
    assert any(line.startswith("SMOTE  ") for line in lines)
    assert "SMOTE" in (tmp_path / "gain.html").read_text(encoding="utf-8")
    assert "add --overwrite" in failure(capsys, *CLINIC, "--html", "gain.html")


def test_rows_marked_as_synthetic_are_left_out(capsys):
    X, y = load_table("clinic.csv", "diagnosis")
    numbers = pd.DataFrame({"age": X["age"].fillna(50.0), "smokes": X["smokes"] * 1.0})
    save_table("real.npz", numbers.to_numpy(), y.to_numpy().astype(str))
    rows, labels = SMOTE(random_state=0).fit_resample(numbers.to_numpy(), y.to_numpy().astype(str))
    save_table("more.npz", rows, labels, np.arange(len(rows)) >= 40)
    real, more = (told(capsys, "gain", name, *QUICK, "--json") for name in ("real.npz", "more.npz"))
    assert real["rows"] == more["rows"]
    assert real["methods"][1]["score"] == more["methods"][1]["score"]


def test_a_folder_of_images(capsys):
    pytest.importorskip("PIL")
    X = np.random.default_rng(0).integers(0, 256, (20, 6, 6)).astype(np.uint8)
    save_image_folder("scans", X, np.repeat(["ill", "well"], 10))
    shown = told(capsys, "gain", "scans", *QUICK, "--json")
    assert [row["method"] for row in shown["methods"]][-1] == "RHVAEAugmenter"
    assert shown["left_out"] == {}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--keep", "age"], "Leave such columns out by --drop"),
        (["--drop", "id", "--folds", "15"], "--folds 15 needs at least 15 rows .*smaller --folds"),
        (["--drop", "id", "--scoring", "acuracy"], "did you mean 'accuracy'"),
        (["--drop", "id", "--scoring", "f1"], "such as f1_macro"),
        (["--drop", "id", "--scoring", "r2"], "--scoring needs numbers as labels"),
        (["--html", "none/gain.html"], "--html is 'none/gain.html', but there is no folder"),
        (["--drop", "id", "--classifier", "forst"], "did you mean 'forest'"),
        (["--drop", "idd"], "did you mean 'id'"),
        (["--drop", "id", "--set", "max_epoch=3"], "did you mean 'max_epochs'"),
    ],
)
def test_errors_name_options(arguments, match, capsys):
    line = failure(capsys, "gain", "clinic.csv", "--target", "diagnosis", *QUICK, *arguments)
    assert re.search(rf"^sklearn-pyraug: error: .*{match}", line), line


def test_every_classifier_can_be_had():
    assert {type(_classifier(name, 0)).__name__ for name in CLASSIFIERS} == {
        "LogisticRegression",
        "RandomForestClassifier",
        "SVC",
        "KNeighborsClassifier",
        "HistGradientBoostingClassifier",
    }
