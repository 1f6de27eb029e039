"""Tests of the command line as a process: signals, pipes, and what it leaves behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import click
import numpy as np
import pytest
from shared import contents

from sklearn_pyraug.cli import main
from sklearn_pyraug.io import load_table, save_table

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")
COMMAND = [sys.executable, "-m", "sklearn_pyraug"]
QUICK = ["--device", "cpu", "--set", "max_epochs=2", "--set", "encoder__hidden_layer_sizes=8"]
# Longer than anybody waits.
ENDLESS = ["--device", "cpu", "--set", "max_epochs=10000000", "--set", "patience=none"]


def start(folder, *arguments):
    """Start a command in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that a shell runs in the background ignore SIGINT, and the command would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture
def rows(tmp_path):
    """A csv file with a missing value, about which `augment` prints a note before it trains."""
    X = np.random.default_rng(0).normal(size=(24, 3))
    X[0, 0] = np.nan
    save_table(tmp_path / "rows.csv", X, np.repeat(["a", "b"], 12), target="kind")
    return tmp_path


@pytest.fixture
def pictures(tmp_path):
    """A folder of images of two sizes, about which `augment` prints a note before it trains."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for i in range(5):
            pixels = rng.integers(0, 256, (8 + i % 2, 8)).astype(np.uint8)
            image.fromarray(pixels).save(tmp_path / "pets" / label / f"{i}.png")
    return tmp_path


def send_to_group(process, number):
    """Signal as a terminal does."""
    os.killpg(process.pid, number)


def send_to_process(process, number):
    """Signal the process alone, as a supervisor does."""
    process.send_signal(number)


CTRL_C = (signal.SIGINT, send_to_group, 130, "interrupted")
TERM = (signal.SIGTERM, send_to_process, 143, "terminated")


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    ("command", "data", "source", "output", "stop"),
    [
        ("train", "rows", ["rows.csv", "--target", "kind"], "out.pyraug", TERM),
        ("augment", "pictures", ["pets"], "out", CTRL_C),
    ],
    ids=["model terminated", "folder interrupted"],
)
def test_a_stop_while_training(
    command, data, source, output, stop, request, monkeypatch, tmp_path_factory
):
    """Exits at once with its code and one line; the old output stays, and a second run works."""
    number, send, code, word = stop
    folder = request.getfixturevalue(data)
    monkeypatch.chdir(folder)
    arguments = [command, *source, "-o", output]
    assert main([*arguments, *QUICK]) == 0
    before = contents(folder)
    state = tmp_path_factory.mktemp("state")
    kept = ["--set", f"checkpoint={state}", "--set", "checkpoint__interval=1"]
    process = start(folder, *arguments, "--overwrite", *ENDLESS, *kept)
    try:
        # The training has begun once its state is written.
        patience = time.monotonic() + 60
        while not list(state.glob("*.state")) and time.monotonic() < patience:
            time.sleep(0.1)
        assert process.poll() is None
        send(process, number)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    # It takes a second or two on a free core, but others may be at work.
    assert time.monotonic() - began < 10
    assert process.returncode == code, err
    assert out == ""
    # Errors are printed before notes.
    ending, note = err.splitlines()
    assert ending == f"sklearn-pyraug: {word}"
    assert note.startswith("sklearn-pyraug: note: ")
    assert contents(folder) == before
    assert main([*arguments, "--overwrite", "--seed", "1", *QUICK]) == 0
    assert contents(folder) != before


# A writer that stops in the middle of a file until it is told to end.
STUCK = """
import sys, time
import os
from sklearn_pyraug.cli.main import main
def stuck(file_number):
    print("writing", flush=True)
    time.sleep(600)
os.fsync = stuck
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@posix
def test_terminated_while_a_file_is_written(rows):
    """The temporary file goes, and no output is there."""
    before = contents(rows)
    arguments = ["augment", "rows.csv", "--target", "kind", "-o", "out.csv", "--quiet", *QUICK]
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, *arguments],
        cwd=rows,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "writing\n"
        assert len(contents(rows)) == len(before) + 1
        process.terminate()
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 143
    assert (out, err) == ("", "sklearn-pyraug: terminated\n")
    assert contents(rows) == before


@posix
def test_the_handler_of_sigterm_is_the_commands_alone():
    """The library sets none, and `main` neither leaves one nor replaces one."""
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert main(["--version"]) == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert main(["--version"]) == 0
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@posix
def test_a_second_sigterm_does_not_disturb_the_tidying_up(monkeypatch, capsys):
    done = []

    def command(argv, run):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            done.append("tidy")

    monkeypatch.setattr(sys.modules["sklearn_pyraug.cli.main"], "_invoke", command)
    assert main([]) == 143
    assert done == ["tidy"]
    assert capsys.readouterr().err == "sklearn-pyraug: terminated\n"


@posix
@pytest.mark.parametrize("error", [RuntimeError("broken"), click.UsageError("what"), OSError("no")])
def test_an_error_that_a_termination_became_is_one(monkeypatch, capsys, error):
    """A library may raise another error when the interrupt reaches it."""

    def command(argv, run):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        raise error

    monkeypatch.setattr(sys.modules["sklearn_pyraug.cli.main"], "_invoke", command)
    assert main([]) == 143
    assert capsys.readouterr() == ("", "sklearn-pyraug: terminated\n")


@pytest.mark.slow
@posix
def test_a_reader_that_goes_away_leaves_no_traceback(rows):
    done = subprocess.run(
        f"{sys.executable} -m sklearn_pyraug augment --help | true",
        shell=True,
        cwd=rows,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


@pytest.mark.slow
def test_a_run_from_end_to_end_prints_two_lines(rows):
    arguments = ["augment", "rows.csv", "--target", "kind", "-o", "out.csv", *QUICK]
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=rows, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert first == "24 rows -> 48: a 12 -> 24, b 12 -> 24"
    assert second.startswith("out.csv, ")
    (note,) = done.stderr.splitlines()
    assert note.startswith("sklearn-pyraug: note: ")
    assert len(load_table(rows / "out.csv", "kind")[1]) == 48


@pytest.mark.slow
@posix
@pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="only root may mount")
def test_a_disk_that_is_truly_full(rows):
    """A small file system in memory, where it can be mounted."""
    disk = rows / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        arguments = ["augment", "rows.csv", "--target", "kind", "-o", "disk/out.csv"]
        done = subprocess.run(
            [*COMMAND, *arguments, *QUICK, "--per-class", "1000"],
            cwd=rows,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[0].endswith("No space left on device")
        assert os.listdir(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
