"""Rivals of `benchmarks.gain` from PyPI, at their authors' defaults; what is absent is left out.

``benchmarks/requirements-arena.txt`` says how to install them. `VARIANTS` balance two classes, and
may drop or move real rows, so their whole output is trained on. `GENERATORS` are trained on rows
and labels together; rows are drawn until every class has its number.
"""

import importlib
import logging

import numpy as np
import torch

__all__ = ["GENERATORS", "VARIANTS", "absent", "geometric_smote", "sample", "variant"]

# The best ranked over-samplers of smote_variants, by their class there.
VARIANTS = {
    "polynom-fit-star": "polynom_fit_SMOTE_star",
    "polynom-fit-mesh": "polynom_fit_SMOTE_mesh",
    "ProWSyn": "ProWSyn",
    "SMOTE-IPF": "SMOTE_IPF",
    "Lee": "Lee",
    "G-SMOTE": "G_SMOTE",
    "CCR": "CCR",
    "LVQ-SMOTE": "LVQ_SMOTE",
    "Assembled-SMOTE": "Assembled_SMOTE",
}
MODULES = {
    **dict.fromkeys(VARIANTS, "smote_variants"),
    "Geometric-SMOTE": "imblearn_extra.gsmote",
    "CTGAN": "ctgan",
    "TVAE": "ctgan",
    "ForestDiffusion": "ForestDiffusion",
    "ARF": "arfpy",
    "TrivialAugment": "torchvision",
    "RandAugment": "torchvision",
    "TorchIO-affine": "torchio",
    "TorchIO-elastic": "torchio",
    "TorchIO-intensity": "torchio",
    "XGBoost": "xgboost",
    "pyraug": "pyraug.models.rhvae",
}
# ForestDiffusion's default of 100 noisy copies of each row takes an hour where 10 take minutes.
COPIES = 10
# So many draws of rows and labels may miss a rare class; then SMOTE draws what is missing.
MOST_DRAWS = 20


def absent(name):
    """Return what a method or classifier lacks, as text; "" if it can be run.

    Parameters
    ----------
    name : str
        Without parameters.
    """
    try:
        _import(MODULES.get(name, "numpy"))
    except Exception as error:
        return (
            f"{name} is left out: {MODULES[name]} cannot be imported ({type(error).__name__}); "
            "see benchmarks/requirements-arena.txt"
        )
    return ""


def _import(module):
    if module == "torchvision" and torch.version.cuda is None:
        _declare_operators()
    return importlib.import_module(module)


def _declare_operators():
    """Declare what torchvision's wheel on PyPI, built for CUDA, lacks beside a torch without it.

    Its transforms do not use these two operators.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float threshold) -> Tensor")
    _declare_operators.kept = library


def variant(name, X, y, seed):
    """Balance two classes by a method of smote_variants; returns all of its rows and labels."""
    package = _import("smote_variants")
    logging.getLogger("smote_variants").setLevel(logging.ERROR)
    return getattr(package, VARIANTS[name])(random_state=seed).sample(X, y)


def geometric_smote(**settings):
    """Return Geometric SMOTE, a sampler with imbalanced-learn's parameters."""
    return _import("imblearn_extra.gsmote").GeometricSMOTE(**settings)


# --- generators -----------------------------------------------------------------------------


def sample(name, X, y, needed, seed):
    """Train a generator on all classes and draw new rows.

    Parameters
    ----------
    name : str
        One of `GENERATORS`.
    X : ndarray of shape (n, n_features)
    y : ndarray of int of shape (n,)
    needed : dict of int to int
        New rows of each class.
    seed : int

    Returns
    -------
    X_new, y_new : ndarray
        At most as many rows of a class as it needs: fewer where it is hardly ever drawn.
    """
    drawn, short = [], dict(needed)
    # They take their random numbers from the global generators only.
    np.random.seed(seed)  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        draw = GENERATORS[name](X, y, seed)
        for _ in range(MOST_DRAWS):
            rows, labels = draw(2 * sum(needed.values()))
            for label, n in short.items():
                rows_of = rows[labels == label][:n]
                drawn.append((rows_of, np.full(len(rows_of), label)))
                short[label] -= len(rows_of)
            if not any(short.values()):
                break
    X_new, y_new = map(np.concatenate, zip(*drawn, strict=True))
    return X_new, y_new


def _frame(X, y, kind):
    """Return a table of rows and, as its last column, labels of a kind of text."""
    import pandas as pd

    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    return frame.assign(label=y.astype(str)).astype({"label": kind})


def _rows(frame):
    return frame.iloc[:, :-1].to_numpy(float), frame.iloc[:, -1].astype(int).to_numpy()


def _ctgan(name):
    def fit(X, y, seed):
        model = getattr(_import("ctgan"), name)(enable_gpu=False)
        model.set_random_state(seed)
        model.fit(_frame(X, y, "str"), discrete_columns=["label"])
        return lambda n: _rows(model.sample(n))

    return fit


def _forest_diffusion(X, y, seed):
    model = _import("ForestDiffusion").ForestDiffusionModel(
        X, label_y=y, duplicate_K=COPIES, n_jobs=1, seed=seed
    )

    def draw(n):
        rows = model.generate(batch_size=n)
        return rows[:, :-1], rows[:, -1].astype(int)

    return draw


def _adversarial_forest(X, y, seed):
    # arfpy 0.1.1 calls it, NumPy 2.4 has removed it.
    vars(np).setdefault("in1d", np.isin)
    frame = _frame(X, y, "category")
    # It looks up columns by their numbers.
    frame.columns = range(frame.shape[1])
    model = _import("arfpy.arf").arf(frame, verbose=False)
    model.forde()
    return lambda n: _rows(model.forge(n=n))


GENERATORS = {
    "CTGAN": _ctgan("CTGAN"),
    "TVAE": _ctgan("TVAE"),
    "ForestDiffusion": _forest_diffusion,
    "ARF": _adversarial_forest,
}
