"""The rules of the code, checked on the source: who may import whom, and how long a file may be.

A room is a folder of the package, a module beside these folders, or a folder or module of `rhvae`.
Imports point down the layers, and no room imports itself by way of others.
"""

import ast
import graphlib
from functools import cache
from pathlib import Path

import pytest

import sklearn_pyraug

PACKAGE = "sklearn_pyraug"
ROOT = Path(next(iter(sklearn_pyraug.__path__)))
MAX_CODE_LINES = 400

# From the top down. A name is a folder of the package, or a module beside these folders.
LAYERS = [
    {"cli", "__main__"},
    {"plotting"},
    {"_evaluation"},
    {
        "_augmenter",
        "_classifier",
        "_embedder",
        "_latent_tools",
        "_model_file",
        "model_selection",
        "pipeline",
    },
    {"_config", "_generation", "_serialization", "metrics"},
    {"_preprocessing", "datasets", "io", "rhvae"},
    {
        "_components",
        "_metadata",
        "_random",
        "_sklearn_compat",
        "_strategy",
        "_validation",
        "_version",
    },
]
ESTIMATORS = {"_augmenter", "_classifier", "_embedder"}
# Optional or slow to import: `import sklearn_pyraug` imports none of them.
LAZY = {"matplotlib", "pandas", "PIL", "nibabel", "polars", "pyarrow"}
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


@cache
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


def inner_modules(*rooms):
    """Yield the modules other than the package's front; those of some rooms only, where named."""
    for module in MODULES:
        if module != "__init__" and (not rooms or room_of(module) in rooms):
            yield module


def test_imports_point_downwards():
    for module in inner_modules():
        rank = rank_of(room_of(module))
        for room in rooms_imported(module):
            if room == "":
                assert rank == 0, f"{module} imports the package's front: only the top layer may"
            else:
                assert rank_of(room) >= rank, f"{module} imports {room}, which is above it"


def test_the_command_line_uses_the_public_names_alone():
    for module in inner_modules(*LAYERS[0]):
        below = rooms_imported(module) - LAYERS[0] - {""}
        assert not {room for room in below if room.startswith("_")}, module
        assert "rhvae" not in below, module


def test_measures_pictures_and_files_know_no_estimator():
    for module in inner_modules("metrics", "plotting", "io", "datasets"):
        assert not rooms_imported(module) & (ESTIMATORS | {"pipeline", ""}), module


def test_the_generator_stands_alone():
    for module in inner_modules("rhvae"):
        assert rooms_imported(module) <= {"rhvae"}, module
        foreign = {name.split(".")[0] for name, _ in imports_of(module)}
        assert not foreign & {"sklearn", "imblearn", "pandas"}, module


def test_optional_packages_are_imported_inside_functions():
    for module in MODULES:
        outside = {name.split(".")[0] for name, inside in imports_of(module) if not inside}
        assert not outside & LAZY, module


def test_private_names_of_scikit_learn_live_in_one_file():
    for module in MODULES:
        private = {
            name
            for name, _ in imports_of(module)
            if name.split(".")[0] == "sklearn"
            and any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
        }
        assert not private or module == "_sklearn_compat", f"{module} imports {private}"


def test_init_files_import_and_do_nothing_else():
    for module in MODULES:
        if module.split(".")[-1] != "__init__":
            continue
        docstring, *body = ast.parse(MODULES[module].read_text(encoding="utf-8")).body
        assert isinstance(docstring, ast.Expr), module
        assert isinstance(docstring.value, ast.Constant), module
        for node in body:
            if isinstance(node, ast.Assign):
                names = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
                assert all(name.startswith("__") and name.endswith("__") for name in names), names
            else:
                assert isinstance(node, (ast.Import, ast.ImportFrom)), ast.unparse(node)


def code_lines(source):
    """Return the number of lines of a module that are not blank, comments or docstrings."""
    documented = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
            if ast.get_docstring(node, clean=False) is not None:
                documented.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return sum(
        1
        for number, line in enumerate(source.splitlines(), 1)
        if number not in documented and line.strip() and not line.strip().startswith("#")
    )


def test_modules_stay_short():
    n_lines = {name: code_lines(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
    long = {name: n for name, n in n_lines.items() if n > MAX_CODE_LINES}
    assert not long, f"more than {MAX_CODE_LINES} lines of code, to be cut by idea: {long}"


def fine_room(module):
    """Return the room of a module, in which the folders and modules of `rhvae` are told apart."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "rhvae" and len(parts) > 1 else parts[0]


def test_there_are_few_rooms():
    folders = {path.parent.name for path in (ROOT / "rhvae").rglob("*.py")} - {"rhvae"}
    assert sum(len(layer - {"__main__"}) for layer in LAYERS) + len(folders) <= 32


def test_no_room_imports_itself_by_way_of_others():
    arrows = {}
    for module in MODULES:
        if module.split(".")[-1] == "__init__" and module.count(".") < 2:
            continue
        for name, _ in imports_of(module):
            inner = name.split(".")[1:] if name.split(".")[0] == PACKAGE else []
            known = [".".join(inner[:n]) for n in range(len(inner), 0, -1)]
            known = [m for m in known if m in MODULES or f"{m}.__init__" in MODULES]
            if known and fine_room(known[0]) != fine_room(module):
                arrows.setdefault(fine_room(module), set()).add(fine_room(known[0]))
    order = graphlib.TopologicalSorter(arrows)
    order.prepare()  # raises CycleError, which names the rooms


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("cli", "import numpy.linalg", [("numpy.linalg", False)]),
        ("_config", "from . import _demo", [("sklearn_pyraug._demo", False)]),
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
