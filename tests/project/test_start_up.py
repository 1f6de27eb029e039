"""What an import and an idle command load: nothing that takes seconds."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_pyraug
from sklearn_pyraug.cli.main import _group

HEAVY = {"torch", "sklearn", "skorch", "imblearn", "scipy", "pandas", "matplotlib"}
START = f"""
import contextlib, io, sys

def check(what):
    loaded = sorted({HEAVY} & set(sys.modules))
    assert not loaded, f"{{what}} loads {{loaded}}"

import sklearn_pyraug
assert "RHVAEAugmenter" in dir(sklearn_pyraug)
check("the import")
from sklearn_pyraug.cli import main
for arguments in ARGUMENTS:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = main(arguments)
    assert bool(status) == ("wrong" in str(arguments)), (arguments, status)
    check(arguments)
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_versions_and_typos_load_nothing_heavy(tmp_path):
    table = tmp_path / "x.npz"
    table.touch()
    arguments = [
        ["--version"],
        ["--help"],
        *([command, "--help"] for command in _group.commands),
        ["wrong"],
        ["--wrong"],
        ["train", "x.csv", "--wrong", "1"],
        ["augment", "x.csv", "-o", "y.csv", "--target", "z", "--decimal", "wrong"],
        ["augment", "wrong.xyz", "-o", "y.npz"],
        ["augment", str(table), "-o", "y.npz", "--set", "wrong=1"],
    ]
    done = run(START.replace("ARGUMENTS", repr(arguments)))
    assert done.returncode == 0, done.stderr


def test_the_stub_names_what_can_be_imported():
    """Checkers and editors read it, and so does the package."""
    tree = ast.parse(Path(sklearn_pyraug.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    (listed,) = (ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign))
    assert sorted(listed) == sklearn_pyraug.__all__ == dir(sklearn_pyraug)
    assert all(hasattr(sklearn_pyraug, name) for name in listed)
    with pytest.raises(AttributeError, match="no_such_name"):
        sklearn_pyraug.no_such_name  # noqa: B018
