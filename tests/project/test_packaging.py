"""Tests that the files which say what is installed agree with each other."""

import importlib.metadata
import re
from pathlib import Path

import pytest

from sklearn_pyraug._version import __version__

ROOT = Path(__file__).parents[2]
# What builds the documentation and is needed by no test of the package: its bounds are the
# versions that it was last built with.
DOCUMENTATION_TOOLS = {
    "math-core",
    "myst-parser",
    "numpydoc",
    "pydata-sphinx-theme",
    "sphinx",
    "sphinx-gallery",
}


@pytest.fixture(scope="module")
def project():
    """The table [project] of pyproject.toml."""
    tomllib = pytest.importorskip("tomllib", reason="in the standard library since Python 3.11")
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lower_bounds(requirements):
    """Return the lower bounds of requirements ``name>=version[; marker]``, as a dict."""
    pairs = [re.fullmatch(r"([\w.-]+)>=([\w.]+)(?:; .*)?", r) for r in requirements]
    assert all(pairs), f"only `name>=version` and a marker are understood, got {requirements}"
    return dict(pair.groups() for pair in pairs)


def pins(file):
    """Return the pins ``name==version`` of a constraints file, as a dict; they must be sorted."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.startswith("#")]
    pairs = [tuple(line.split("==")) for line in lines]
    assert pairs == sorted(pairs)
    return dict(pairs)


def as_numbers(version):
    """Return a version as a tuple that compares."""
    return tuple(int(part) for part in version.split("."))


def needed(project):
    """Return the lower bounds of what the tests install: dependencies, `plot` and `test`."""
    extras = project["optional-dependencies"]
    return lower_bounds(project["dependencies"] + extras["plot"] + extras["test"])


def test_constraints_lower_are_the_lower_bounds(project):
    """A lower bound that is raised in one file only would not be the one that is tested."""
    assert pins("constraints-lower.txt") == needed(project)


def test_untested_versions_are_not_promised(project):
    """Only tested bounds are stated, and they are the same everywhere."""
    tested = {f"{name}>={bound}" for name, bound in needed(project).items()}
    extras = dict(project["optional-dependencies"])
    (own,) = extras.pop("all")
    left_out = {"bench", "dev", "docs", "ray", "test"}
    assert set(re.split(r"[\[\],]", own)[1:-1]) == set(extras) - left_out
    for extra, requirements in extras.items():
        bounded = {r for r in requirements if not re.fullmatch(r"[\w.-]+", r)}
        if extra == "docs":
            bounded = {r for r in bounded if r.split(">=")[0] not in DOCUMENTATION_TOOLS}
        assert bounded <= tested, extra


def test_constraints_pin_what_is_needed(project):
    pinned = pins("constraints.txt")
    assert set(pinned) == {
        *needed(project),
        *project["optional-dependencies"]["dev"],
        *DOCUMENTATION_TOOLS,
    }
    for name, bound in needed(project).items():
        assert as_numbers(pinned[name]) >= as_numbers(bound)


def test_version_is_the_installed_one():
    try:
        installed = importlib.metadata.version("sklearn-pyraug")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is run from its source folder without being installed")
    assert installed == __version__
