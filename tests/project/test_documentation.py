"""The documentation agrees with the code: names, defaults, links, messages. Needs no sphinx."""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import sklearn_pyraug

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
SOURCES = sorted(Path(next(iter(sklearn_pyraug.__path__))).rglob("*.py"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# Pages whose blocks of Python run in the order in which they are printed.
RUNNABLE = ["quickstart", "tables", "images", "judging", "leakage", "choosing", "from_smote"]
RUNNABLE += ["probabilities"]
# What can be imported but is not part of the Python interface.
PROGRAMS = {"cli"}


@pytest.fixture(scope="module")
def reference():
    """The module that makes the pages of the API reference."""
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("_reference")
    finally:
        sys.path.remove(str(DOCS))


def test_every_public_module_is_in_the_reference(reference):
    found = {m.name for m in pkgutil.iter_modules(sklearn_pyraug.__path__) if m.name[0] != "_"}
    listed = {module.removeprefix("sklearn_pyraug.") for module in reference.PUBLIC[1:]}
    assert listed == found - PROGRAMS
    assert listed <= set(dir(sklearn_pyraug))


def test_every_public_name_is_in_the_reference(reference):
    pages = reference.pages()
    sections = re.split(r"^\.\. py:module:: ", pages["api"], flags=re.MULTILINE)[1:]
    sections = {text.split("\n")[0]: text for text in sections}
    for module in reference.PUBLIC:
        for name in [*reference.documented(module), *reference.constants(module)]:
            assert re.search(rf"^(   |\* ``){name}\b", sections[module], re.MULTILINE)
            page = pages.get(f"{reference.home(module, name)}.{name}", "")
            constant = not callable(getattr(importlib.import_module(module), name))
            assert constant or f".{name}\n" in page


def test_every_object_has_one_page(reference):
    """`Pipeline` was listed, and described, by two modules."""
    pages = reference.pages()
    assert "sklearn_pyraug.Pipeline" in pages
    assert "sklearn_pyraug.pipeline.Pipeline" not in pages


def test_parameters_are_parted_where_a_description_begins_with_a_bold_name(reference):
    lines = ["    **a** : int", "        **The model.** How many.", "", "    **b** : int"]
    reference.part_parameters(lines)
    header = ["    .. rubric:: The model", "", "    **a** : int", "        How many."]
    assert lines == [*header, "", "    **b** : int"]


def test_methods_are_in_the_reference(reference):
    page = reference.pages()["sklearn_pyraug.RHVAEAugmenter"]
    for method in ("fit", "fit_resample", "sample", "save", "load"):
        assert f".. automethod:: sklearn_pyraug.RHVAEAugmenter.{method}\n" in page
    # Pages of an nn.Module show its own methods only, not the eighty inherited ones.
    assert "load_state_dict" not in reference.pages()["sklearn_pyraug.rhvae.RHVAEStack"]


def test_pages_of_the_reference_are_files_of_their_own(reference):
    """`rhvae.Transfer` and `rhvae.transfer` were one file where case does not count."""
    names = list(reference.pages())
    assert len({name.casefold() for name in names}) == len(names)


def public_callables(reference):
    """Return the public functions, classes and their methods by qualified name."""
    found = {}
    for module in reference.PUBLIC + reference.FORMULAS:
        for name in reference.documented(module):
            value = getattr(importlib.import_module(module), name)
            if not value.__module__.startswith("sklearn_pyraug"):
                continue
            found[f"{value.__module__}.{name}"] = value
            if inspect.isclass(value):
                for method in reference.own_methods(value):
                    found[f"{value.__module__}.{name}.{method}"] = getattr(value, method)
    return found


def documented_defaults(doc):
    """Return what a numpydoc docstring says of defaults: {parameter: text, or None if nothing}."""
    section = re.search(r"^Parameters\n-{10}\n(.*?)(?=^\S[^\n]*\n---|\Z)", doc, re.M | re.S)
    said = {}
    # A type may continue on the next line after a backslash.
    for line in re.sub(r"\\\n *", "", section[1] if section else "").splitlines():
        # `**kwargs` and the like have no default.
        header = re.fullmatch(r"(\w+(?:, \w+)*)(?: : (.*))?", line)
        if header:
            names = header[1].split(", ")
            default = re.search(r"default=(.*)$", header[2] or "")
            texts = default[1].split(", ") if default else []
            # One for all names, or one for each: `n_points, n_iter : int, default=17, 20`.
            each = len(texts) == len(names) > 1
            said |= (
                zip(names, texts, strict=True)
                if each
                else dict.fromkeys(names, default and default[1].strip())
            )
    return said


def as_value(text):
    """Return the value of a literal, or of a formula such as ``2**28``, or else the text."""
    try:
        return eval(text, {"__builtins__": {}})
    except (NameError, SyntaxError):
        return text.strip("`")


def is_said(text, default):
    """Tell whether the text of a docstring gives a default; ``0`` is not ``False``."""
    shown = as_value(text)
    same = shown == default or shown in (getattr(default, "__name__", None), repr(default))
    return same and isinstance(shown, bool) == isinstance(default, bool)


def test_defaults_of_docstrings_are_those_of_signatures(reference):
    wrong, n_compared = [], 0
    for name, value in public_callables(reference).items():
        parameters = inspect.signature(value).parameters
        for parameter, text in documented_defaults(inspect.getdoc(value) or "").items():
            if parameter not in parameters:
                wrong.append(f"{name} has no parameter {parameter}")
                continue
            default = parameters[parameter].default
            n_compared += 1
            if default is inspect.Parameter.empty:
                if text is not None:
                    wrong.append(f"{name}: {parameter} has no default")
            elif text is None or not is_said(text, default):
                wrong.append(f"{name}: {parameter} is said to be {text}, and is {default!r}")
    assert not wrong, "\n".join(wrong)
    assert n_compared > 200


def test_defaults_are_read_from_docstrings():
    doc = """Do.

    Parameters
    ----------
    a, b : int or None, default=None
        Not default=3.
    kind : {"x", "y"} or \\
            callable, default="x"
    scale : (float, float), default=(0.1, 1.0)
    n, m : int, default=5, 2**10
    X : array

    Returns
    -------
    c : int, default=1
    """
    said = documented_defaults(inspect.cleandoc(doc))
    assert said == dict(
        a="None", b="None", kind='"x"', scale="(0.1, 1.0)", n="5", m="2**10", X=None
    )
    assert is_said(said["scale"], (0.1, 1.0))
    assert is_said(said["kind"], "x")
    assert is_said(said["m"], 1024)
    assert not is_said("0", False)
    assert not is_said("0.5", 0.4)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_of_pages_lead_somewhere(path, reference):
    text = path.read_text(encoding="utf-8")
    pages = reference.pages()
    for role, target in re.findall(r"{(func|class|meth|mod)}`~?([\w.]+)`", text):
        owner = target.rsplit(".", 1 + (role == "meth"))[0]
        value = importlib.import_module(owner)
        for part in target.removeprefix(f"{owner}.").split("."):
            value = getattr(value, part)
        assert any(f":: {target}\n" in page for page in pages.values()), target
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", text):
        made = target.removeprefix("generated/")
        example = target.removeprefix("auto_examples/")
        assert (
            (DOCS / target).exists()
            or made in pages
            or example == "index"
            or (ROOT / "examples" / f"{example}.py").exists()
        ), target


def texts_of(path):
    """Return the texts of a module, with … where an f-string has a value."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_messages_of_the_faq_are_those_of_the_package():
    text = (DOCS / "faq.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^### (`+)(?: ?)(.+?)\1$", text, re.MULTILINE)
    assert len(quoted) > 20
    known = {shown for path in SOURCES for shown in texts_of(path)}
    for _, message in quoted:
        parts = [part for part in re.split(r"[…]", message) if part.strip(" .,")]
        pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
        assert any(pattern.search(shown) for shown in known), message


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_begin_with_a_title(path):
    """Without one, sphinx-gallery refuses the file and so the whole build."""
    lines = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()
    assert lines[1] == "=" * len(lines[0])
    assert lines[2] == ""
    assert lines[3]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNNABLE)
def test_pages_run_as_they_stand(name, capsys, tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    pytest.importorskip("PIL")
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    scope = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, f"{name}.md", "exec"), scope)
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out
