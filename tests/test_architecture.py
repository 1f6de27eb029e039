"""The rules of the house, read from the source: who may import whom, and how long a file may be.

Imports point downwards only: the command line -> the public rooms -> the private helpers -> rhvae.
"""

import ast
from pathlib import Path

import pytest

import sklearn_pyraug

PACKAGE = "sklearn_pyraug"
ROOT = Path(next(iter(sklearn_pyraug.__path__)))
# "About 400": the estimator's parameters, each stored, constrained and described, need more.
MAX_LINES = 450

# From the top down. A name is a module, or a folder of modules, directly in the package.
LAYERS = [
    {
        "cli",
        "__main__",
        "_cli_augment",
        "_cli_command",
        "_cli_data",
        "_cli_demo",
        "_cli_evaluate",
        "_cli_inspect",
        "_cli_parameters",
        "_demo",
        "_pyraug_config",
    },
    {
        "io",
        "plotting",
        "metrics",
        "datasets",
        "_augmenter",
        "_base",
        "_classifier",
        "_embedder",
        "_gain",
        "_gain_result",
        "_html",
        "_latent_tools",
        "_report",
        "_report_html",
        "_report_measures",
        "_report_plots",
        "_report_result",
        "_report_rows",
        "_saving",
        "model_selection",
        "pipeline",
    },
    {
        "_arithmetic",
        "_cache",
        "_checkpoint",
        "_class_model",
        "_codec",
        "_columns",
        "_drawing",
        "_fallback",
        "_fingerprint",
        "_frame_dtypes",
        "_frames",
        "_generators",
        "_jobs",
        "_layout",
        "_learning",
        "_levels",
        "_metadata",
        "_mixed",
        "_model_checks",
        "_model_file",
        "_model_pandas",
        "_model_parts",
        "_model_values",
        "_numbers",
        "_out_of_memory",
        "_parallel",
        "_persistence",
        "_privacy",
        "_random",
        "_rows",
        "_schema",
        "_projection",
        "_settings",
        "_shape",
        "_sklearn_compat",
        "_strategy",
        "_validation",
        "_version",
    },
    {"rhvae"},
]
ESTIMATORS = {"_augmenter", "_base", "_classifier", "_embedder"}
# Optional, and slow to import: an `import sklearn_pyraug` pays for none of them.
LAZY = {"matplotlib", "narwhals", "pandas", "PIL", "nibabel", "polars", "pyarrow"}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(ROOT.rglob("*.py"))
}


def room_of(name):
    """Return the top-level room of a dotted module name inside the package."""
    return name.split(".")[0]


def rank_of(room):
    """Return the layer of a room, 0 at the top."""
    for rank, rooms in enumerate(LAYERS):
        if room in rooms:
            return rank
    pytest.fail(f"{room!r} is in no layer: name it in LAYERS of {Path(__file__).name}")


def absolute(module, node):
    """Return the absolute dotted names that an import statement of a module refers to."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = [PACKAGE, *module.split(".")]
        base = ".".join([*parts[: len(parts) - node.level], *filter(None, [node.module])])
    return [f"{base}.{alias.name}" for alias in node.names]


def walk_imports(module, tree):
    """Yield (absolute name, whether inside a function) for each import of a module."""

    def visit(node, inside):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in absolute(module, node):
                yield name, inside
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(tree, False)


def imports_of(module):
    """Return [(absolute name, whether inside a function)] of a module of the package."""
    return list(walk_imports(module, ast.parse(MODULES[module].read_text(encoding="utf-8"))))


def rooms_imported(module):
    """Return the rooms of the package that a module imports; "" is the package's own front."""
    rooms = set()
    for name, _ in imports_of(module):
        if name.split(".")[0] == PACKAGE:
            inner = name.split(".")[1:]
            known = inner and any(room_of(other) == inner[0] for other in MODULES)
            rooms.add(inner[0] if known else "")
    return rooms


inner_modules = pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])


@inner_modules
def test_imports_point_downwards(module):
    rank = rank_of(room_of(module))
    for room in rooms_imported(module):
        if room == "":
            assert rank == 0, f"{module} imports the package's front: only the top layer may"
        else:
            assert rank_of(room) >= rank, f"{module} imports {room}, which is above it"


@pytest.mark.parametrize("module", sorted(LAYERS[0]))
def test_the_command_line_uses_the_public_names_alone(module):
    below = rooms_imported(module) - LAYERS[0] - {""}
    assert not {room for room in below if room.startswith("_")}
    assert "rhvae" not in below


@inner_modules
def test_measures_pictures_and_files_know_no_estimator(module):
    if room_of(module) in {"metrics", "plotting", "io", "datasets"}:
        assert not rooms_imported(module) & (ESTIMATORS | {"pipeline", ""})


@inner_modules
def test_the_generator_stands_alone(module):
    if room_of(module) == "rhvae":
        assert rooms_imported(module) <= {"rhvae"}
        foreign = {name.split(".")[0] for name, _ in imports_of(module)}
        assert not foreign & {"sklearn", "imblearn", "pandas"}


@pytest.mark.parametrize("module", MODULES)
def test_optional_packages_are_imported_inside_functions(module):
    outside = {name.split(".")[0] for name, inside in imports_of(module) if not inside}
    assert not outside & LAZY


@pytest.mark.parametrize("module", MODULES)
def test_private_names_of_scikit_learn_live_in_one_file(module):
    private = {
        name
        for name, _ in imports_of(module)
        if name.split(".")[0] == "sklearn"
        and any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    }
    assert not private or module == "_sklearn_compat"


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[-1] == "__init__"])
def test_init_files_import_and_do_nothing_else(module):
    docstring, *body = ast.parse(MODULES[module].read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    for node in body:
        if isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
            assert all(name.startswith("__") and name.endswith("__") for name in names)
        else:
            assert isinstance(node, (ast.Import, ast.ImportFrom)), ast.unparse(node)


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_short(module):
    n_lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert n_lines <= MAX_LINES, f"{module} has {n_lines} lines: part it in two"


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("cli", "import numpy.linalg", [("numpy.linalg", False)]),
        ("cli", "from . import _demo", [("sklearn_pyraug.cli.demonstration", False)]),
        ("io._tables", "from .._random import spawn", [("sklearn_pyraug._random.spawn", False)]),
        ("io._tables", "from ._x import y", [("sklearn_pyraug.io._x.y", False)]),
        ("io.__init__", "from ._x import y", [("sklearn_pyraug.io._x.y", False)]),
        ("__init__", "from ._x import y", [("sklearn_pyraug._x.y", False)]),
        ("cli", "def f():\n    import pandas", [("pandas", True)]),
        ("cli", "class A:\n    import pandas", [("pandas", False)]),
        ("cli", "if True:\n    import pandas", [("pandas", False)]),
    ],
)
def test_the_reader_of_imports_itself(module, source, expected):
    assert list(walk_imports(module, ast.parse(source))) == expected
