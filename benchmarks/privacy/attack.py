"""A shadow-model attack: tells from synthetic rows whether a real row was trained on.

Half of the rows, drawn at random, train a generator, many times over. A row's score is minus the
logarithm of its distance to the closest synthetic row of its class, standardised by its scores
where it was not trained on: a rare row is close to none, whoever is trained on.
"""

import argparse
import warnings
from functools import partial

import numpy as np
from imblearn.over_sampling import SMOTE
from scipy.spatial.distance import cdist
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split

from sklearn_pyraug import RHVAEAugmenter

DATA = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer}
# The false positive rate at which the attack is measured.
FALSE_POSITIVES = 0.01


def by_smote(X, y, n_new, seed):
    """Return rows of SMOTE, and their classes."""
    # It adds to the rows there are.
    counts = {k: int(np.sum(y == k)) + n for k, n in n_new.items()}
    new = SMOTE(sampling_strategy=counts, random_state=seed).fit_resample(X, y)
    return new[0][len(X) :], new[1][len(X) :]


def by_augmenter(X, y, n_new, seed, **parameters):
    """Return rows of the augmenter, and their classes."""
    return RHVAEAugmenter(random_state=seed, **parameters).fit(X, y).sample(n_new)


METHODS = {
    "default": by_augmenter,
    'min_distance="auto"': partial(by_augmenter, min_distance="auto"),
    'decoder="direct"': partial(by_augmenter, decoder="direct"),
    "SMOTE": by_smote,
}


def attack(make, X, y, n_shadows, factor, seed=0):
    """Attack a generator.

    Parameters
    ----------
    make : callable
        ``make(X, y, n_new, seed)`` returns new rows and their classes.
    X : ndarray of shape (n, n_features)
    y : ndarray of int of shape (n,)
    n_shadows : int
        Generators, at least 4.
    factor : float
        Synthetic rows for each row trained on.
    seed : int, default=0

    Returns
    -------
    auc, tpr : float
        Of the attack; the second at 1 % of false positives.
    unique : float
        Share of the synthetic rows that hold a value which one training row alone has.
    """
    scale = X.std(axis=0) + 1e-12
    members = np.zeros((n_shadows, len(X)), bool)
    scores, unique = np.zeros((n_shadows, len(X))), []
    for s in range(n_shadows):
        inside = train_test_split(
            np.arange(len(X)), train_size=0.5, stratify=y, random_state=seed + s
        )[0]
        members[s, inside] = True
        labels, counts = np.unique(y[inside], return_counts=True)
        n_new = {int(k): round(factor * n) for k, n in zip(labels, counts, strict=True)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            X_new, y_new = make(X[inside], y[inside], n_new, seed + s)
        for k in labels:
            distance = cdist(X[y == k] / scale, X_new[y_new == k] / scale).min(axis=1)
            scores[s, y == k] = -np.log(distance + 1e-9)
        unique.append(unique_share(X_new, X[inside]))
    calibrated = np.full_like(scores, np.nan)
    for s in range(n_shadows):
        outside = ~members & (np.arange(n_shadows) != s)[:, None]
        n_outside = outside.sum(axis=0)
        known = n_outside > 1
        mean = (scores * outside).sum(axis=0)[known] / n_outside[known]
        spread = np.sqrt(((scores[:, known] - mean) ** 2 * outside[:, known]).sum(axis=0))
        spread /= np.sqrt(n_outside[known])
        calibrated[s, known] = (scores[s, known] - mean) / (spread + 0.1)
    known = np.isfinite(calibrated)
    truth, score = members[known], calibrated[known]
    wrong, right, _ = roc_curve(truth, score)
    return roc_auc_score(truth, score), right[wrong <= FALSE_POSITIVES].max(), np.mean(unique)


def unique_share(X_new, X):
    """Return the share of new rows that hold a value which exactly one real row has."""
    found = np.zeros(len(X_new), bool)
    for new, real in zip(X_new.T, X.T, strict=True):
        values, counts = np.unique(real, return_counts=True)
        found |= np.isin(new, values[counts == 1])
    return float(found.mean())


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.privacy", description=__doc__)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--factors", nargs="+", type=float, default=[1.0, 5.0])
    parser.add_argument("--shadows", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print("| data | method | rows for each | AUC | found at 1 % false, % | unique value, % |")
    print("|---|---|---|---|---|---|")
    for data in options.data:
        X, y = DATA[data](return_X_y=True)
        for method in options.methods:
            for factor in options.factors:
                auc, found, unique = attack(
                    METHODS[method], X, y, options.shadows, factor, options.seed
                )
                cells = f"{auc:.2f} | {100 * found:.0f} | {100 * unique:.0f} |"
                print(f"| {data} | {method} | {factor:g} | {cells}", flush=True)
