"""Tests of augment, train, generate, inspect and evaluate on tables, as a user types them."""

import json
import os
import re
import sys

import numpy as np
import pytest
from commands import QUICK, failure, run
from numpy.testing import assert_array_equal

from sklearn_pyraug import RHVAEAugmenter, compare
from sklearn_pyraug.cli import main
from sklearn_pyraug.cli.files import match_labels
from sklearn_pyraug.io import load_synthetic_mask, load_table, save_table

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def patients(folder):
    """A table of numbers, integers, text, booleans and missing values, as a csv file."""
    rng = np.random.default_rng(0)
    n = 30
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 80, n).astype(float),
            "visits": rng.integers(0, 9, n),
            "bmi": rng.normal(25, 3, n).round(1),
            "sex": rng.choice(["f", "m"], n),
            "smokes": rng.random(n) < 0.5,
            "diagnosis": np.repeat(["ill", "well"], [10, 20]),
        }
    )
    frame.loc[[2, 7], "age"] = np.nan
    frame.loc[[3], "sex"] = None
    frame.to_csv(folder / "patients.csv", index=False)
    return pd.read_csv(folder / "patients.csv")


def augment(*arguments):
    """Run `augment` on the patients."""
    run("augment", "patients.csv", "--target", "diagnosis", *QUICK, *arguments)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_augment_keeps_the_rows_and_marks_the_new_ones(suffix, patients, capsys):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    augment("-o", f"more{suffix}", "--factor", "1.5")
    X, y = load_table(f"more{suffix}", "diagnosis")
    mask = load_synthetic_mask(f"more{suffix}")
    assert_array_equal(mask, np.arange(60) >= 30)
    # The missing value of text differs between files and between versions of pandas.
    kept, expected = (t.fillna({"sex": "?"}) for t in (X[:30], patients.drop(columns="diagnosis")))
    pd.testing.assert_frame_equal(kept, expected, check_exact=True)
    assert y[:30].tolist() == patients["diagnosis"].tolist()
    assert y.value_counts().to_dict() == {"ill": 30, "well": 30}
    new = X[30:]
    assert set(new["sex"].dropna()) <= {"f", "m"}
    assert new["smokes"].isin([True, False]).all()
    assert (new["visits"] == new["visits"].round()).all()
    captured = capsys.readouterr()
    first, second = captured.out.splitlines()
    assert first == "30 rows -> 60: ill 10 -> 30, well 20 -> 30"
    assert second.startswith(f"more{suffix}, ")
    (note,) = captured.err.splitlines()
    assert note.endswith("new rows show them as often: age (2), sex (1)")


def test_augment_reads_parquet_and_keeps_categories(patients, folder):
    pytest.importorskip("pyarrow")
    frame = patients.assign(sex=patients["sex"].astype("category"))
    frame = frame.assign(diagnosis=frame["diagnosis"].astype("category"))
    frame.to_parquet("patients.parquet")
    run("augment", "patients.parquet", "--target", "diagnosis", "-o", "more.parquet", *QUICK)
    X, y = load_table("more.parquet", "diagnosis")
    assert X["sex"].dtype == "category"
    assert len(y) == 80


@pytest.mark.parametrize("shape", [(5,), (8, 8)])
def test_augment_npz_of_any_shape(shape, folder):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (20, *shape)).astype(np.uint8)
    save_table("rows.npz", X, np.repeat([0, 1], [8, 12]))
    run("augment", "rows.npz", "-o", "more.npz", "--per-class", "4", *QUICK)
    X_new, y_new = load_table("more.npz")
    assert X_new.shape == (28, *shape)
    assert X_new.dtype == np.uint8
    assert_array_equal(X_new[:20], X)
    assert_array_equal(np.bincount(y_new), [12, 16])


@pytest.mark.parametrize(
    "y", [np.eye(2, dtype=int)[[0] * 8 + [1] * 12], pd.Series([1] * 8 + ["b"] * 12, dtype=object)]
)
def test_augment_takes_labels_of_any_kind(y, capsys):
    """One-hot labels of npz files were refused; numbers beside text in Excel raised a TypeError."""
    pytest.importorskip("openpyxl")
    path = "rows.npz" if y.ndim == 2 else "rows.xlsx"
    X = np.random.default_rng(0).random((20, 2))
    save_table(path, X, y)
    options = ["--target", "target"] * (y.ndim == 1) + ["--per-class", "4", *QUICK]
    run("augment", path, *options, "-o", f"more.{path[-4:]}")
    assert "8 -> 12, " in capsys.readouterr().out
    y_new = np.asarray(load_table(f"more.{path[-4:]}")[1])
    assert y_new[:20].tolist() == np.asarray(y).tolist()


def test_the_seed_decides(patients, folder):
    augment("-o", "a.csv", "--seed", "3")
    augment("-o", "b.csv", "--seed", "3")
    augment("-o", "c.csv", "--seed", "4")
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()
    assert (folder / "a.csv").read_bytes() != (folder / "c.csv").read_bytes()


def test_a_second_run_is_refused_before_training_and_goes_with_overwrite(
    patients, folder, monkeypatch, capsys
):
    augment("-o", "more.csv")
    content = (folder / "more.csv").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(RHVAEAugmenter, "fit_resample", None)  # not even looked at
        arguments = ["augment", "patients.csv", "--target", "diagnosis", "-o", "more.csv"]
        line = failure(capsys, 1, *arguments)
    assert "'more.csv', which exists; choose another name or add --overwrite" in line
    assert (folder / "more.csv").read_bytes() == content
    augment("-o", "more.csv", "--overwrite", "--seed", "1")
    assert (folder / "more.csv").read_bytes() != content


def test_synthetic_rows_of_the_input_are_left_out(patients, capsys):
    augment("-o", "more.csv")
    capsys.readouterr()
    run("augment", "more.csv", "--target", "diagnosis", "-o", "again.csv", *QUICK)
    assert "50 rows of INPUT are marked as synthetic: left out" in capsys.readouterr().err
    X, _ = load_table("again.csv", "diagnosis")
    assert len(X) == 80
    pd.testing.assert_frame_equal(X[:30], patients.drop(columns="diagnosis"))


def test_columns_are_dropped(patients, folder, capsys):
    patients.assign(id=[f"p{i}" for i in range(30)]).to_csv("patients.csv", index=False)
    line = failure(capsys, 1, "augment", "patients.csv", "--target", "diagnosis", "-o", "with.csv")
    assert "text that tells single rows apart in 'id' (30 different values in 30 rows)" in line
    assert "by --keep or --drop" in line
    augment("-o", "without.csv", "--drop", "id", "--drop", "bmi")
    assert "different texts" not in capsys.readouterr().err
    X, _ = load_table("without.csv", "diagnosis")
    assert list(X.columns) == ["age", "visits", "sex", "smokes"]


def test_quiet_says_nothing(patients, capsys):
    augment("-o", "more.csv", "--quiet")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_progress_bar(patients, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    augment("-o", "more.csv")
    assert "generator" in capsys.readouterr().err
    augment("-o", "quiet.csv", "--quiet")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "status", "match"),
    [
        (["patients.csv", "-o", "o.csv"], 2, "--target is missing; name the column"),
        (["absent.csv", "--target", "t", "-o", "o.csv"], 1, "which does not exist; check the name"),
        (["patients.csv", "--target", "t", "-o", "o.csv"], 1, "'t', which is not a column of"),
        (["patients.csv", "--target", "diagnosis", "-o", "o.xls"], 2, "ends in .csv, .tsv"),
        (["patients.csv", "--target", "diagnosis", "-o", "o"], 2, "ends in .csv, .tsv"),
        (["patients.csv", "--target", "diagnosis", "-o", "no/o.csv"], 1, "there is no folder 'no'"),
        (["patients.csv", "--target", "diagnosis", "-o", "o.npz"], 1, "Python objects"),
        (["patients.csv", "--target", "bmi", "-o", "o.csv"], 1, "Unknown label type"),
        (["patients.csv", "--target", "age", "-o", "o.csv"], 1, "2 of 30 values"),
        (
            ["patients.csv", "--target", "diagnosis", "-o", "o.csv", "--drop", "weight"],
            1,
            "--drop is 'weight', which is no column of INPUT. The columns are 'age'",
        ),
        (["notes.txt", "--target", "t", "-o", "o.csv"], 2, "give a folder or a file that ends in"),
        (["broken.npz", "-o", "o.npz"], 1, "not a readable npz file"),
        (["one.csv", "--target", "diagnosis", "-o", "o.csv"], 1, "at least 2 classes"),
    ],
)
def test_what_cannot_work_is_told_in_one_line_and_leaves_nothing(
    options, status, match, patients, folder, capsys
):
    (folder / "notes.txt").write_text("hello")
    (folder / "broken.npz").write_bytes(b"PK")
    patients[:10].dropna().to_csv("one.csv", index=False)
    before = sorted(folder.iterdir())
    assert match in failure(capsys, status, "augment", *options, *QUICK)
    assert sorted(folder.iterdir()) == before


def test_a_feature_by_the_name_of_the_mark_is_found_out_before_training(
    patients, monkeypatch, capsys
):
    patients.rename(columns={"visits": "synthetic"}).to_csv("patients.csv", index=False)
    monkeypatch.setattr(RHVAEAugmenter, "fit_resample", None)
    line = failure(
        capsys, 1, "augment", "patients.csv", "--target", "diagnosis", "-o", "o.csv", *QUICK
    )
    assert "'synthetic'; rename" in line


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", int)() == 0, reason="root may write anywhere"
)
def test_a_folder_that_is_not_writable_is_found_out_before_training(
    patients, folder, monkeypatch, capsys
):
    (folder / "locked").mkdir(mode=0o500)
    monkeypatch.setattr(RHVAEAugmenter, "fit_resample", None)
    arguments = ["augment", "patients.csv", "--target", "diagnosis", "-o", "locked/o.csv"]
    assert "nothing can be written in 'locked'" in failure(capsys, 1, *arguments)


@pytest.fixture
def full_disk(monkeypatch):
    """No file of any size can be completed any more."""

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    def fill():
        monkeypatch.setattr(os, "fsync", no_space)

    original = RHVAEAugmenter._fit

    def learn_then_fill(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        fill()
        return result

    monkeypatch.setattr(RHVAEAugmenter, "_fit", learn_then_fill)


@pytest.mark.parametrize("command", ["augment", "train"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_disk_that_fills_up_leaves_the_old_file_or_none(
    command, old, full_disk, patients, folder, capsys
):
    output = folder / ("o.csv" if command == "augment" else "o.pyraug")
    if old is not None:
        output.write_bytes(old)
    arguments = ["patients.csv", "--target", "diagnosis", "-o", output, "--overwrite", *QUICK]
    line = failure(capsys, 1, command, *arguments)
    assert line == f"sklearn-pyraug: error: '{output}': No space left on device"
    assert sorted(folder.iterdir()) == sorted(
        [folder / "patients.csv"] + ([] if old is None else [output])
    )
    assert old is None or output.read_bytes() == old


@pytest.mark.parametrize("when", ["_fit", "_draw"])
def test_an_interrupt_leaves_nothing(when, patients, folder, monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(RHVAEAugmenter, when, interrupt)
    arguments = ["augment", "patients.csv", "--target", "diagnosis", "-o", "o.csv", *QUICK, "-q"]
    assert main(arguments) == 130
    assert capsys.readouterr().err == "sklearn-pyraug: interrupted\n"
    assert list(folder.iterdir()) == [folder / "patients.csv"]


@pytest.fixture
def model(patients):
    """A model of the patients, trained by the command line."""
    run("train", "patients.csv", "--target", "diagnosis", "-o", "p.pyraug", *QUICK)
    return "p.pyraug"


def test_train_then_generate(model, patients, capsys):
    run("train", "patients.csv", "--target", "diagnosis", "-o", model, "--overwrite", *QUICK)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "trained on 30 rows: ill 10, well 20"
    assert second.startswith("p.pyraug, ")
    run("generate", model, "-o", "new.csv", "--per-class", "6")
    X, y = load_table("new.csv", "diagnosis")
    assert list(X.columns) == list(patients.columns[:-1])
    assert y.tolist() == ["ill"] * 6 + ["well"] * 6
    assert load_synthetic_mask("new.csv").all()
    assert set(X["sex"].dropna()) <= {"f", "m"}
    first, second = capsys.readouterr().out.splitlines()
    assert first == "12 synthetic rows: ill 6, well 6"
    assert second.startswith("new.csv, ")


def test_generate_by_label_seed_and_name(model, folder):
    run("generate", model, "-o", "a.csv", "--n", "well=3", "--n", "ill=1", "--target", "kind")
    assert load_table("a.csv", "kind")[1].tolist() == ["ill", "well", "well", "well"]
    for name, seed in (("b", 5), ("c", 5), ("d", 6)):
        run("generate", model, "-o", f"{name}.csv", "--per-class", "3", "--seed", seed)
    assert (folder / "b.csv").read_bytes() == (folder / "c.csv").read_bytes()
    assert (folder / "b.csv").read_bytes() != (folder / "d.csv").read_bytes()


@pytest.mark.parametrize(
    ("options", "status", "match"),
    [
        ([], 2, "either by --per-class N or by --n LABEL=N"),
        (["--per-class", "3", "--n", "ill=3"], 2, "either by --per-class N or by --n"),
        (["--n", "ill=3", "--n", "ill=4"], 2, "--n names a label twice"),
        (["--n", "ill"], 2, "--n is 'ill'; write --n LABEL=N"),
        (["--n", "ill=-3"], 2, "--n is 'ill=-3'"),
        (["--n", "unwell=3"], 1, "the label 'unwell', which there is not; did you mean 'well'?"),
        (["--per-class", "3", "--like", "absent"], 1, "there is no table"),
        (["--per-class", "3", "--format", "png"], 2, "--format is for folders"),
        (["--per-class", "3", "--sep", ";"], 2, "--sep says how to read the table of --like"),
    ],
)
def test_wrong_numbers_of_rows_are_refused(options, status, match, model, capsys):
    assert match in failure(capsys, status, "generate", model, "-o", "new.csv", *options)


@pytest.mark.parametrize("command", ["generate", "inspect"])
def test_a_model_that_is_none(command, folder, capsys):
    (folder / "no.pyraug").write_text("hello")
    more = ["-o", "new.csv", "--per-class", "3"] if command == "generate" else []
    assert "not a readable archive" in failure(capsys, 1, command, "no.pyraug", *more)
    assert "there is no file; check" in failure(capsys, 1, command, "absent.pyraug", *more)
    assert list(folder.iterdir()) == [folder / "no.pyraug"]


def test_a_model_needs_its_ending(patients, capsys):
    arguments = ["train", "patients.csv", "--target", "diagnosis", "-o", "model.csv"]
    assert "ends in .pyraug" in failure(capsys, 2, *arguments)
    os.mkdir("folder.pyraug")
    arguments[-1:] = ["folder.pyraug", "--overwrite"]
    assert "which is a folder; name a file" in failure(capsys, 2, *arguments)


def test_inspect(model, capsys):
    capsys.readouterr()
    run("inspect", model)
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    told = {name.strip(): value.strip() for name, value in lines.items()}
    assert told["rows"] == "ill 10, well 20"
    assert told["columns"] == "5"
    assert told["column names"] == "age, visits, bmi, sex, smokes"
    assert told["decoder"] == "residual"
    assert told["epochs"] == "ill 2, well 2"
    assert told["parameters"] == (
        "encoder MLP, encoder__hidden_layer_sizes 8, latent_dim 2, max_epochs 2, missing keep, "
        "random_state 0"
    )
    run("inspect", model, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == {"ill": 10, "well": 20}
    assert told["parameters"]["max_epochs"] == 2
    assert told["size_in_bytes"] == os.path.getsize(model)
    assert "torch" in told["versions"]


def evaluation(capsys, *arguments):
    """Return the rows, and the value and the baseline of each measure of all classes."""
    capsys.readouterr()
    run("evaluate", *arguments, "--json")
    told = json.loads(capsys.readouterr().out)
    lines = {line["measure"]: line for line in told["measures"] if line["label"] == "(all)"}
    return told["rows"], lines


@pytest.mark.slow
def test_evaluate_an_output_of_augment(patients, capsys):
    augment("-o", "more.csv")
    capsys.readouterr()
    run("evaluate", "patients.csv", "more.csv", "--target", "diagnosis")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Realistic? (")
    assert "50 synthetic rows, 30 real rows, no rows held out, 2 classes." in lines
    assert lines[-1] == "rows, real and synthetic: ill 10 and 30, well 20 and 20"
    rows, measures = evaluation(capsys, "patients.csv", "more.csv", "--target", "diagnosis")
    assert rows["ill"] == {"real": 10, "synthetic": 30}
    assert measures["train synthetic, test real"]["value"] is None
    assert "column bmi" in measures
    # A marked file has both.
    again = evaluation(capsys, "more.csv", "more.csv", "--target", "diagnosis")
    assert again == (rows, measures)


def test_evaluate_measures_as_the_report_does(capsys):
    """The values of the command line are those of Python, on the same rows and seed."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3, 40, 3)), np.repeat([0, 1], 20)
    for name, rows in zip(("real", "new", "rest"), X, strict=True):
        save_table(f"{name}.npz", rows, y)
    arguments = "real.npz", "new.npz", "--holdout", "rest.npz", "--seed", "3"
    rows, measures = evaluation(capsys, *arguments)
    assert rows["1"] == {"real": 20, "synthetic": 20, "held_out": 20}
    report = compare(X[0], y, X[1], y, X[2], y, n_permutations=0, random_state=3)
    for line in report.lines:
        if line.label == "(all)":
            told = measures[line.measure]
            assert (told["value"], told["baseline"]) == (line.value, line.baseline)
    run("evaluate", *arguments, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == [light._asdict() for light in report.verdict]
    assert told["scores"] == [score._asdict() for score in report.scores.values()]
    assert told["settings"]["scikit-learn"] == report.settings["scikit-learn"]


def test_evaluate_writes_the_page(folder, capsys):
    rng = np.random.default_rng(0)
    for name in ("real.npz", "new.npz"):
        save_table(name, rng.normal(size=(20, 3)), np.repeat([0, 1], 10))
    run("evaluate", "real.npz", "new.npz", "--html", "report.html")
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    arguments = ["evaluate", "real.npz", "new.npz", "--html", "report.html"]
    assert "add --overwrite" in failure(capsys, 1, *arguments)
    run(*arguments, "--overwrite")


def test_evaluate_does_not_mislead(folder, capsys):
    """Training rows are no test rows, and rows that are in two files are reported."""
    X, y = np.random.default_rng(0).normal(size=(3, 20, 3)), np.repeat([0, 1], 10)
    for name, rows in zip(("real", "new", "rest"), X, strict=True):
        save_table(f"{name}.npz", rows, y)
    save_table("copy.npz", X[0][::-1], y[::-1])
    assert "REAL and SYNTHETIC are both" in failure(capsys, 1, "evaluate", "real.npz", "real.npz")
    run("evaluate", "real.npz", "copy.npz")
    assert "warning: The synthetic rows are the training rows" in capsys.readouterr().err
    run("evaluate", "real.npz", "new.npz")
    assert "put rows aside before" in capsys.readouterr().err
    arguments = ["evaluate", "real.npz", "new.npz", "--holdout", "copy.npz"]
    assert "all rows of --holdout are rows of REAL" in failure(capsys, 1, *arguments)
    run("evaluate", "real.npz", "rest.npz", "--holdout", "rest.npz")
    assert "20 of 20 synthetic rows equal a row held out" in capsys.readouterr().err


def test_evaluate_tells_copies_from_noise(capsys):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)) + np.repeat([0, 9], 20)[:, None], np.repeat([0, 1], 20)
    save_table("real.npz", X, y)
    save_table("copies.npz", X, y)
    save_table("rest.npz", X + 0.1, y)
    save_table("noise.npz", 50 * rng.normal(size=(40, 3)), y)
    (_, copies), (_, noise) = (
        evaluation(capsys, "real.npz", name, "--holdout", "rest.npz")
        for name in ("copies.npz", "noise.npz")
    )
    assert copies["memorization share"]["value"] == 1
    assert copies["distance to closest record"]["value"] == 0
    assert copies["precision"]["value"] == copies["coverage"]["value"] == 1
    assert noise["memorization share"]["value"] == 0
    assert noise["precision"]["value"] < 0.2
    assert copies["train synthetic, test real"]["value"] > 0.95
    assert copies["train synthetic, test real"]["baseline"] > 0.95
    assert noise["train synthetic, test real"]["value"] < 0.8


def test_evaluate_few_rows(folder, capsys):
    save_table("real.csv", np.eye(3), ["a", "b", "b"], target="kind")
    save_table("new.csv", np.eye(3)[:1], ["a"], target="kind")
    rows, measures = evaluation(capsys, "real.csv", "new.csv", "--target", "kind")
    assert rows["b"] == {"real": 2, "synthetic": 0}
    assert measures["train synthetic, test real"]["value"] is None
    assert measures["train synthetic, test real"]["note"]


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        ({"x0": [1.0]}, "SYNTHETIC has no column 'x1'"),
        ({"x0": [1.0], "x1": [1.0], "x2": [1.0]}, "REAL has no column 'x2'"),
        ({"x0": [1.0], "x1": [1.0], "kind": ["c"]}, "label 'c', which REAL does not have"),
        (
            {"x0": [1.0], "x1": [1.0], "synthetic": [False]},
            "SYNTHETIC is 'new.csv', which has no synthetic rows",
        ),
    ],
)
def test_evaluate_refuses_what_cannot_be_compared(frame, match, folder, capsys):
    save_table("real.csv", np.eye(2), ["a", "b"], target="kind")
    pd.DataFrame({"kind": ["a"]} | frame).to_csv("new.csv", index=False)
    assert match in failure(capsys, 1, "evaluate", "real.csv", "new.csv", "--target", "kind")


@pytest.mark.parametrize(
    "options", [["augment", "-o"], ["evaluate", "patients.csv", "--overwrite", "--html"]]
)
def test_a_folder_in_the_place_of_a_file_is_refused(options, patients, capsys):
    """That of a page was noticed only after everything was measured."""
    os.mkdir("folder.csv")
    arguments = [*options, "folder.csv", "patients.csv", "--target", "diagnosis"]
    assert "which is a folder; name a file" in failure(capsys, 2, *arguments)


def test_gaps_of_an_array_are_kept_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(24, 3))
    X[::5, 1] = np.nan
    np.savez("rows.npz", X=X, y=np.arange(24) % 2)
    run("augment", "rows.npz", "-o", "more.npz", *QUICK)
    assert "5 missing values are kept" in capsys.readouterr().err


CLINIC = ["clinic.csv", "--target", "Diagnosis"]


@pytest.fixture
def clinic(folder):
    """A table as European Excel writes it, with an identifier and unusual labels."""
    rng = np.random.default_rng(0)
    rows = [
        f"P{i:03d};{rng.normal(25, 3):.1f}".replace(".", ",") + f";{['01', 'not ill'][i % 3 > 0]}"
        for i in range(30)
    ]
    (folder / "clinic.csv").write_text("\n".join(["id;bmi;Diagnosis", *rows, ""]))
    return rows


def test_a_column_is_kept_and_labels_are_named_as_they_stand(clinic, folder, capsys):
    sizes = '{"01": 22, "not ill": 25}'
    arguments = [*CLINIC, "--keep", "id", *QUICK]
    run("augment", *arguments, "-o", "more.csv", "--sampling-strategy", sizes)
    lines = (folder / "more.csv").read_text().splitlines()
    assert lines[:31] == ["id;bmi;Diagnosis;synthetic", *(f"{row};False" for row in clinic)]
    assert all(re.fullmatch(r";\d\d,\d;(01|not ill);True", line) for line in lines[31:])
    assert "01 10 -> 22, not ill 20 -> 25" in capsys.readouterr().out
    run("train", *arguments, "-o", "m.pyraug")
    wanted = ["--n", "01=2", "--n", "not ill=1", "--like", "clinic.csv"]
    run("generate", "m.pyraug", "-o", "new.csv", *wanted)
    header, *lines = (folder / "new.csv").read_text().splitlines()
    assert header == "bmi;Diagnosis;synthetic"
    assert sum(line.endswith(";01;True") for line in lines) == 2


@pytest.mark.parametrize(
    ("typed", "label"),
    [("1.50", 1.5), ("1,5", 1.5), ("TRUE", True), ("01067", "01067"), ("a=b", "a=b")],
)
def test_labels_as_they_are_typed(typed, label):
    assert match_labels({typed: 3}, [label], "--n") == {label: 3}


def test_labels_that_differ_in_spaces(folder, capsys):
    """The name of one made the other grow, and both looked the same."""
    rows = [f"{'ill' if i < 9 else 'ill '},{i}" for i in range(20)]
    (folder / "t.csv").write_text("\n".join(["y,a", *rows]))
    sizes = ["--sampling-strategy", '{"ill": 15}']
    run("augment", "t.csv", "--target", "y", "-o", "more.csv", *sizes, *QUICK)
    assert "ill 9 -> 15, 'ill ' 11 -> 11" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["augment", "clinic.csv", "--target", "diagnosis"], "did you mean 'Diagnosis'?"),
        (["augment", *CLINIC, "--keep", "ID"], "did you mean 'id'?"),
        (["augment", *CLINIC, "--drop", "BMI"], "you mean 'bmi'?"),
        (["augment", *CLINIC, "--drop", "Diagnosis"], "--drop and --target both name 'Diagnosis'"),
        (["augment", *CLINIC, "--drop", "id", "--keep", "id"], "--drop and --keep both name 'id'"),
        (["augment", *CLINIC, "--decimal", "."], "Name words for missing values by --na"),
        (
            [
                "augment",
                "clinic.csv",
                "--target",
                "Diagnosis",
                "--sampling-strategy",
                "{'Not ill':9}",
            ],
            "did you mean 'not ill'?",
        ),
        (["augment", *CLINIC, "--set", "decoder=residul"], "did you mean 'residual'?"),
        (["augment", "clinic.csv", "--on-error", "rais"], "did you mean 'raise'?"),
        (["augment", "clinic.csv", "--sep", "both"], "'both' is no separator"),
        (["augment", *CLINIC, "--encoding", "x"], "--encoding is 'x'"),
        (["agument", "clinic.csv"], "did you mean 'augment'"),
    ],
)
def test_close_names_are_suggested_and_the_error_comes_first(arguments, match, clinic, capsys):
    assert main([*arguments, "-o", "o.csv"]) in (1, 2)
    first, *notes = capsys.readouterr().err.splitlines()
    assert match in first
    assert first.startswith("sklearn-pyraug: error: ")
    assert all(": note: " in note for note in notes)


def test_evaluate_takes_codes_for_text_where_the_real_rows_have_it(folder, capsys):
    rng = np.random.default_rng(0)
    for name, codes in (("real", ["01", "2"]), ("new", ["2"])):
        lines = [f"{codes[i % len(codes)]},{rng.normal():.2f},{'ab'[i % 2]}" for i in range(20)]
        (folder / f"{name}.csv").write_text("\n".join(["ward,bmi,kind", *lines]))
    _, measures = evaluation(capsys, "real.csv", "new.csv", "--target", "kind")
    assert "column ward" in measures


def test_evaluate_names_columns_that_were_kept_aside(folder, capsys):
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.2f},{'ab'[i % 2]}" for i in range(20)]
    real = [f"P{i},{row},False" for i, row in enumerate(rows)]
    lines = ["id,bmi,kind,synthetic", *real, *(f",{row},True" for row in rows)]
    (folder / "more.csv").write_text("\n".join(lines))
    run("evaluate", "more.csv", "more.csv", "--target", "kind")
    assert "'id' is empty in SYNTHETIC; if it was kept aside, --drop" in capsys.readouterr().err
    misspelt = ["evaluate", "more.csv", "more.csv", "--target", "kind", "--drop", "ID"]
    assert "did you mean 'id'?" in failure(capsys, 1, *misspelt)
