"""Settings of the documentation. From the root of the repository:

python -m sphinx -W --keep-going -b html docs docs/_build/html
"""

import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# What is documented is this source tree, whatever is installed.
sys.path[:0] = [str(ROOT), str(HERE)]
# Before torch and matplotlib are imported, for the examples.
os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}

import _reference  # noqa: E402
import torch  # noqa: E402

from sklearn_pyraug._version import __version__  # noqa: E402

torch.set_num_threads(1)

project = "sklearn-pyraug"
author = "The developers of sklearn-pyraug"
copyright = author
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "_mathml",
    "_offline",
]
exclude_patterns = ["_build"]

# Nothing is looked up: references to other projects stay plain text.
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

# The pages are written below, method by method.
autosummary_generate = False
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
# Single backticks are names of parameters.
default_role = "literal"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "example_extensions": {".py"},
    "plot_gallery": True,
    # The table of computation times would be sorted by scripts from elsewhere.
    "write_computation_times": False,
    "show_memory": False,
    # Not what a cell's last expression happens to return.
    "capture_repr": (),
    "download_all_examples": False,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_pyraug",),
    "reference_url": {"sklearn_pyraug": None},
}

toc_object_entries_show_parents = "hide"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"sklearn-pyraug {release}"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 8,
    "navbar_align": "left",
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}
# Pages without others below them have nothing to list.
html_sidebars = {"quickstart": [], "when": [], "command_line": [], "faq": []}
html_show_sourcelink = False
html_copy_source = False


def write_reference():
    """Write the pages of the API reference where they have changed, and remove others."""
    folder = HERE / "generated"
    folder.mkdir(exist_ok=True)
    pages = {f"{name}.rst": text for name, text in _reference.pages().items()}
    for path in folder.glob("*.rst"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


write_reference()


def escape_markup(app, what, name, obj, options, lines):
    """Keep `(n, *shape)` in a parameter's type, and `|x|` in formulas, from being markup."""
    in_doctest = False
    for i, line in enumerate(lines):
        in_doctest = line.strip().startswith(">>>") or (in_doctest and bool(line.strip()))
        if in_doctest:
            continue
        found = re.match(r"(\s*[\w*, ]+ : )([^`]*)$", line)
        if found:
            line = found[1] + re.sub(r"\*|_(?!\w)", lambda sign: "\\" + sign[0], found[2])
        # What is in backticks is shown as it is.
        parts = re.split(r"(`+[^`]*`+)", line)
        parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
        lines[i] = "".join(parts)


def part_parameters(app, what, name, obj, options, lines):
    _reference.part_parameters(lines)


def setup(app):
    # Before numpydoc, whose priority is 500, and after it.
    app.connect("autodoc-process-docstring", escape_markup, priority=400)
    app.connect("autodoc-process-docstring", part_parameters, priority=600)
