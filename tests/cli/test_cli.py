"""Tests of the command line as a whole, and of the demo."""

import shlex
import subprocess
import sys
import warnings

import click
import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

from sklearn_pyraug import __version__
from sklearn_pyraug.cli import digits as _demo
from sklearn_pyraug.cli import files, main
from sklearn_pyraug.cli.demo import FEWEST_ROWS, MOST_ROWS
from sklearn_pyraug.cli.main import _group

PROG = "sklearn-pyraug"


class QuickAugmenter:
    """Stands in for RHVAEAugmenter: repeats rows, four rows out for each row in."""

    n_fits = 0

    def __init__(self, *, sample_shape, random_state, verbose):
        assert sample_shape == (8, 8)
        assert verbose == 1
        self.random_state = random_state

    def fit_resample(self, X, y):
        type(self).n_fits += 1
        counts = {label: 4 * n for label, n in zip(*np.unique(y, return_counts=True), strict=True)}
        resampled = RandomOverSampler(sampling_strategy=counts, random_state=self.random_state)
        X_res, y_res = resampled.fit_resample(X, y)
        self.synthetic_mask_ = np.arange(len(X_res)) >= len(X)
        return X_res, y_res


@pytest.fixture
def quick(monkeypatch):
    """The demo with quick parts; counts how often it trained."""
    QuickAugmenter.n_fits = 0
    monkeypatch.setattr(_demo, "RHVAEAugmenter", QuickAugmenter)
    monkeypatch.setattr(
        _demo, "make_classifiers", lambda random_state: {"1-NN": KNeighborsClassifier(1)}
    )
    return QuickAugmenter


def check_report(out, classifiers):
    """Assert that standard output is the report, and return its table as numbers."""
    lines = out.splitlines()
    assert lines[0].startswith("handwritten digits, 8 x 8 pixels, 10 classes: ")
    header = next(i for i, line in enumerate(lines) if line.split() == ["none", "SMOTE", "RHVAE"])
    rows = lines[header + 1 : header + 1 + len(classifiers) + 1]
    assert {len(row) for row in rows} == {len(lines[header])}
    table = {}
    for name, row in zip([*classifiers, "mean"], rows, strict=True):
        assert row.startswith(name)
        table[name] = [float(value) for value in row.removeprefix(name).split()]
        assert len(table[name]) == 3
        assert all(0 <= value <= 100 for value in table[name])
    assert any(line.startswith("seconds: SMOTE ") for line in lines)
    assert any(line.startswith("In this run RHVAE ") for line in lines)
    assert lines[-1].startswith("picture: ")
    return table


def test_split_is_balanced_disjoint_and_complete(random_seed):
    train, test = _demo.split_digits(20, random_seed)
    X, _ = load_digits(return_X_y=True)
    assert_array_equal(np.bincount(train.y), np.full(10, 20))
    both = np.vstack([train.X, test.X])
    assert_array_equal(np.unique(both, axis=0), np.unique(X / 16, axis=0))
    assert len(both) == len(X)
    again, _ = _demo.split_digits(20, random_seed)
    assert_array_equal(again.X, train.X)
    other, _ = _demo.split_digits(20, random_seed + 1)
    assert (other.X != train.X).any()


@pytest.mark.parametrize("n_per_class", [FEWEST_ROWS, MOST_ROWS])
def test_smote_and_the_test_rows_allow_the_extremes(n_per_class):
    train, test = _demo.split_digits(n_per_class, 0)
    counts = dict.fromkeys(range(10), 2 * n_per_class)
    resampled, seconds = _demo.resample(SMOTE(sampling_strategy=counts, random_state=0), train)
    assert_array_equal(np.bincount(resampled.y), np.full(10, 2 * n_per_class))
    assert seconds > 0
    assert np.bincount(test.y).min() >= 20


def test_scores_are_those_of_the_same_held_out_rows(capsys):
    train, test = _demo.split_digits(6, 0)
    constant = DummyClassifier(strategy="constant", constant=3)
    classifiers = {"constant": constant, "1-NN": KNeighborsClassifier(1)}
    scores = _demo.score_classifiers({"none": train, "all": test}, test, classifiers)
    assert scores["constant"] == {"none": 0.1, "all": 0.1}  # one class of ten is right
    assert scores["1-NN"]["all"] == 1.0 > scores["1-NN"]["none"] > 0.5
    assert scores["mean"]["all"] == pytest.approx(0.55)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "classifiers" in captured.err
    assert "4/4" in captured.err


def test_the_table_is_aligned():
    scores = {"SVC": {"none": 0.9126, "ours": 1.0}, "mean": {"none": 0.05, "ours": 0.5}}
    assert _demo.format_scores(scores).splitlines() == [
        "        none    ours",
        "SVC     91.3   100.0",
        "mean     5.0    50.0",
    ]


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (0.92, "raised the mean balanced accuracy (+2.0 points, SMOTE +1.0, one standard"),
        (0.88, "lowered the mean balanced accuracy (-2.0 points, SMOTE +1.0, one standard"),
        (0.905, "made no clear difference to the mean balanced accuracy (+0.5 points"),
    ],
)
def test_the_verdict_says_what_happened(ours, expected):
    scores = {"mean": {"none": 0.9, "SMOTE": 0.91, "RHVAE": ours}}
    assert expected in _demo.verdict(scores, 900)  # standard error sqrt(0.09 / 900): 1 point
    assert "one standard error 1.0" in _demo.verdict(scores, 900)


def test_the_verdict_has_no_negative_zero():
    scores = {"mean": {"none": 0.9, "SMOTE": 0.8999, "RHVAE": 0.9}}
    assert "(+0.0 points, SMOTE +0.0," in _demo.verdict(scores, 900)


def test_demo_from_end_to_end(quick, tmp_path, capsys):
    output = tmp_path / "new" / "folder"
    arguments = ["demo", "--output", str(output), "--seed", "1", "--per-class", "8"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    check_report(captured.out, ["1-NN"])
    assert "80 training rows (8 a class), 1717 held-out rows" in captured.out
    assert "after SMOTE and after RHVAE: 320 and 320" in captured.out
    assert captured.out.splitlines()[-1] == f"picture: {output / 'real_vs_synthetic.png'}"
    assert (output / "real_vs_synthetic.png").read_bytes().startswith(b"\x89PNG")
    assert "classifiers" in captured.err
    assert "Traceback" not in captured.err


def test_a_picture_is_replaced_only_when_told(quick, tmp_path, capsys):
    picture = tmp_path / "real_vs_synthetic.png"
    picture.write_text("mine")
    assert main(["demo", "--output", str(tmp_path), "--per-class", "6"]) == 1
    assert one_line(capsys).endswith("or add --overwrite.")
    assert quick.n_fits == 0
    assert picture.read_text() == "mine"
    arguments = ["demo", "--output", str(tmp_path), "--per-class", "6", "--overwrite"]
    assert main(arguments) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def one_line(capsys):
    """Return the single line of standard error; asserts that standard output is empty."""
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(PROG)
    return line


def test_an_output_that_is_a_file_fails_before_training(quick, tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    assert main(["demo", "--output", str(tmp_path / "taken")]) == 1
    assert "(File exists); choose another folder" in one_line(capsys)
    assert quick.n_fits == 0


def test_an_output_without_permission_fails_before_training(quick, tmp_path, capsys, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert "but nothing can be written in" in one_line(capsys)
    assert quick.n_fits == 0


def test_missing_matplotlib_fails_before_training(quick, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert 'pip install "sklearn-pyraug[plot]"' in one_line(capsys)
    assert quick.n_fits == 0


def let_the_demo_raise(error, monkeypatch):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(_demo, "run_demo", fail)


def test_a_defect_takes_one_line_and_names_the_way_to_its_traceback(monkeypatch, capsys):
    let_the_demo_raise(ZeroDivisionError("by zero"), monkeypatch)
    assert main(["demo"]) == 1
    line = one_line(capsys)
    assert line.startswith(f"{PROG}: error: unexpected ZeroDivisionError; ")
    assert "--debug" in line


@pytest.mark.parametrize("arguments", [["--debug", "demo"], ["demo", "--debug"]])
@pytest.mark.parametrize("kind", [ZeroDivisionError, ValueError])
def test_debug_shows_the_traceback_before_or_after_the_command(
    arguments, kind, monkeypatch, capsys
):
    let_the_demo_raise(kind("told"), monkeypatch)
    assert main(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-2] == f"{kind.__name__}: told"
    assert lines[-1].startswith(f"{PROG}: error: ")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(13, "Permission denied", "a b.csv"), "'a b.csv': Permission denied"),
        (FileNotFoundError("`path` is 'x'; check"), "`path` is 'x'; check"),
        (MemoryError("9 GiB"), "out of memory (9 GiB); give fewer rows or smaller images."),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 9 GiB"),
            "out of memory (CUDA out of memory. Tried to allocate 9 GiB); give fewer",
        ),
        (EOFError("ended"), "unexpected EOFError; "),
        (ValueError(), "ValueError"),
        (ValueError("first\n  second"), "first second"),
    ],
)
def test_errors_are_told_in_words(error, expected, monkeypatch, capsys):
    let_the_demo_raise(error, monkeypatch)
    assert main(["demo"]) == 1
    assert one_line(capsys).startswith(f"{PROG}: error: {expected}")


def test_warnings_take_one_line_each_and_are_told_once(monkeypatch, capsys):
    def warn(*args, **kwargs):
        for text in ("first\n  line", "first\n  line", "second"):
            warnings.warn(text, stacklevel=1)
        warnings.warn("for programmers", FutureWarning, stacklevel=1)

    monkeypatch.setattr(_demo, "run_demo", warn)
    assert main(["demo"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{PROG}: warning: first line",
        f"{PROG}: warning: second",
    ]


def test_an_interrupt_exits_130(monkeypatch, capsys):
    let_the_demo_raise(KeyboardInterrupt(), monkeypatch)
    assert main(["demo"]) == 130
    assert one_line(capsys) == f"{PROG}: interrupted"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "Missing command"),
        (["bake"], "No such command 'bake'"),
        (["--bake"], "No such option"),
        (["demo", "--per-class", "5"], "5 is not in the range 6<=x<=150"),
        (["demo", "--per-class", "many"], "'many' is not a valid integer range"),
        (["demo", "--seed", "-1"], "-1 is not in the range 0<=x<=4294967295"),
        (["demo", "extra"], "unexpected extra argument"),
        (["augment"], "Missing argument 'INPUT'"),
        (["augment", "rows.csv"], "Missing option '-o' / '--output'"),
    ],
)
def test_wrong_usage_exits_2_with_one_line(arguments, match, capsys):
    assert main(arguments) == 2
    line = one_line(capsys)
    assert match in line
    assert line.endswith("--help)")


COMMANDS = ["augment", "gain", "evaluate", "train", "generate", "inspect", "demo"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_in_examples_that_are_valid(command, capsys):
    assert main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    examples = lines[lines.index("Examples:") + 1 :]
    assert examples
    for example in examples:
        program, *arguments = shlex.split(example)
        assert program == PROG
        assert arguments[0] == command
        click_command = _group.commands[command]
        # Parsed, not run: a config file of an example is not there.
        parser = click_command.make_parser(click.Context(click_command))
        parser.parse_args(arguments[1:])


def test_the_help_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {command} " in out for command in COMMANDS)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sklearn-pyraug {__version__}\n"


@pytest.mark.slow
def test_the_true_demo(tmp_path):
    arguments = [sys.executable, "-m", "sklearn_pyraug", "demo", "--output", str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    table = check_report(done.stdout, list(_demo.make_classifiers(0)))
    assert min(value for row in table.values() for value in row) > 50  # chance is 10
    assert (tmp_path / "real_vs_synthetic.png").stat().st_size > 10_000
    assert "Traceback" not in done.stderr
    assert "12/12" in done.stderr
