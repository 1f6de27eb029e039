"""The pages of the API reference, made of every public module's `__all__`.

A name that is added to `__all__` is documented without a change here. Nothing of sphinx is
imported, so that the tests can tell what is documented without it.
"""

import importlib
import inspect
import re
import types

PACKAGE = "sklearn_pyraug"

# What users import, in the order of the reference.
PUBLIC = [
    PACKAGE,
    f"{PACKAGE}.pipeline",
    f"{PACKAGE}.model_selection",
    f"{PACKAGE}.metrics",
    f"{PACKAGE}.plotting",
    f"{PACKAGE}.io",
    f"{PACKAGE}.datasets",
    f"{PACKAGE}.rhvae",
]

# Where the formulas of the user guide are computed: documented to be read, not to be relied on.
FORMULAS = [
    f"{PACKAGE}.rhvae.{name}"
    for name in (
        "networks.mlp",
        "networks.reference",
        "likelihoods",
        "metric.learned",
        "metric.posterior",
        "metric.scales",
        "metric.geodesics",
        "flow.hamiltonian",
        "flow.posterior_flow",
        "elbo",
        "samplers",
        "training.pairs",
        "training.phases",
        "reference_generator",
        "images.warp",
        "log_likelihood",
    )
]

# The names of the package itself by what they are for; those that stand in no group come last.
GROUPS = {
    "Estimators": ("RHVAEAugmenter", "AugmentedClassifier", "RHVAEEmbedder"),
    "Does it help, may it be used": ("augmentation_gain", "compare", "augmentation_report"),
    "Pipelines": ("Pipeline", "make_pipeline"),
    "Objects for parameters": (
        "Columns",
        "ImageShape",
        "Residual",
        "Deformation",
        "MLP",
        "LearnedMetric",
        "PosteriorMetric",
        "HMC",
        "IndependentMH",
        "RandomWalk",
        "Transfer",
        "Checkpoint",
    ),
}
OTHERS = "What functions and methods return"

# Methods in the order of use; the others follow.
IN_USE = (
    "as_published",
    "fit",
    "fit_resample",
    "sample",
    "predict",
    "transform",
    "inverse_transform",
    "encode",
    "decode",
    "interpolate",
    "log_volume",
    "score_samples",
    "save",
    "load",
)
# A parameter whose description begins with such words in bold begins a group.
GROUP = re.compile(r"(?P<indent>\s+)\*\*(?P<name>[A-Z][\w ]+)\.\*\*\s*(?P<text>.*)")


def pages():
    """Return the text of each page by its name, a docname without folder."""
    made = {"api": _tables(), "formulas": _formulas()}
    for module in PUBLIC:
        for name in documented(module):
            if home(module, name) == module:
                made[f"{module}.{name}"] = _page(module, name)
    for module in FORMULAS:
        # Not by its name alone: some file systems take `transfer` and `Transfer` for one.
        made[f"formulas.{module}"] = _module(module)
    return made


def documented(module):
    """Return the public classes and functions of a module, in the order of `__all__`."""
    found = importlib.import_module(module)
    return [name for name in found.__all__ if callable(getattr(found, name))]


def home(module, name):
    """Return the first public module that has an object, where its page is."""
    found = getattr(importlib.import_module(module), name)
    modules = (m for m in PUBLIC if getattr(importlib.import_module(m), name, None) is found)
    return next(modules, module)


def grouped(module):
    """Return the names that have a page in a module, in groups: {title, or None: names}."""
    names = [name for name in documented(module) if home(module, name) == module]
    if module != PACKAGE:
        return {None: names} if names else {}
    known = [name for group in GROUPS.values() for name in group]
    return GROUPS | {OTHERS: [name for name in names if name not in known]}


def part_parameters(lines):
    """Put a heading above each group of parameters, in lines that numpydoc has written."""
    parted = []
    for line in lines:
        found = GROUP.fullmatch(line)
        if found and parted[-1].lstrip().startswith("**"):
            header = parted.pop()
            heading = f".. rubric:: {found['name']}"
            pad = header[: len(header) - len(header.lstrip())]
            parted += [pad + heading, "", header, found["indent"] + found["text"]]
        else:
            parted.append(line)
    lines[:] = parted


def constants(module):
    """Return the other public names of a module with their values, as text.

    Modules inside it are not among them: they are listed as such.
    """
    found = importlib.import_module(module)
    values = {name: getattr(found, name) for name in found.__all__}
    return {
        name: repr(value)
        for name, value in values.items()
        if not (callable(value) or inspect.ismodule(value))
    }


def _title(text):
    return f"{text}\n{'=' * len(text)}\n\n"


def _first_sentence(found):
    return " ".join(inspect.getdoc(found).split("\n\n")[0].split())


def _tables():
    text = _title("API reference")
    text += "All public names, by the module from which they are imported.\n\n"
    for module in PUBLIC:
        found = importlib.import_module(module)
        text += f"{module}\n{'-' * len(module)}\n\n"
        text += f".. py:module:: {module}\n\n{_first_sentence(found)}\n\n"
        text += f".. currentmodule:: {module}\n\n"
        for title, names in grouped(module).items():
            text += f".. rubric:: {title}\n\n" if title else ""
            text += ".. autosummary::\n   :toctree:\n\n"
            text += "".join(f"   {name}\n" for name in names) + "\n"
        for name in documented(module):
            if home(module, name) != module:
                text += f"* ``{name}`` is :obj:`{home(module, name)}.{name}`\n"
        for name, value in constants(module).items():
            # The version is the page's own, and would go stale in a text.
            shown = "" if name == "__version__" else f" = ``{value}``"
            text += f"* ``{name}``{shown}\n"
        text += "\n"
    return text + ".. toctree::\n   :hidden:\n\n   formulas\n"


def _formulas():
    text = _title("Where the formulas are")
    text += (
        "The modules that the :doc:`user guide </user_guide>` refers to. They may change in any "
        "release; what is stable is in the :doc:`API reference <api>`.\n\n.. toctree::\n\n"
    )
    return text + "".join(
        f"   {module.removeprefix('sklearn_pyraug.')} <formulas.{module}>\n" for module in FORMULAS
    )


def _module(module):
    found = importlib.import_module(module)
    text = _title(module) + f".. py:module:: {module}\n\n{_first_sentence(found)}\n\n"
    for name in documented(module):
        text += _entry(module, name)
    return text


def _page(module, name):
    # `rhvae.Transfer` beside the `Transfer` of the package.
    again = module != PACKAGE and name in importlib.import_module(PACKAGE).__all__
    title = f"{module.rsplit('.', 1)[-1]}.{name}" if again else name
    text = _title(title) + f".. currentmodule:: {module}\n\n" + _entry(module, name)
    # Nothing where no example uses it.
    text += f".. minigallery:: {module}.{name}\n   :add-heading: Examples that use it\n"
    return text + "   :heading-level: -\n"


def _entry(module, name):
    found = getattr(importlib.import_module(module), name)
    kind = "class" if inspect.isclass(found) else "function"
    if not found.__module__.startswith(PACKAGE):
        # Another package's docstring refers to pages of its own.
        origin = f"{found.__module__}.{name}"
        return f".. py:{kind}:: {module}.{name}\n\n   ``{origin}``, re-exported.\n\n"
    text = f".. auto{kind}:: {module}.{name}\n\n"
    if kind == "class":
        for method in own_methods(found):
            text += f"   .. automethod:: {module}.{name}.{method}\n\n"
    return text


def own_methods(found):
    """Return the public methods of a class that this package defines, in the order of use."""
    methods = {}
    for base in reversed(found.__mro__):
        if base.__module__.startswith(PACKAGE):
            methods |= vars(base)
    names = [
        name
        for name, value in methods.items()
        if not name.startswith("_")
        and isinstance(value, types.FunctionType | classmethod | staticmethod)
        and inspect.getdoc(getattr(found, name))
    ]
    return sorted(names, key=lambda name: IN_USE.index(name) if name in IN_USE else len(IN_USE))
