"""Reduced MNIST: does a classifier get better with a few rows per class?

Draws ``--n-per-class`` images of each digit, adds ``--n-synthetic`` generated ones per class,
and scores four classifiers on 3,000 of the rest, without augmentation, with SMOTE and with
RHVAEAugmenter. Also writes a picture of real and synthetic digits for each seed.

    python -m benchmarks.gain.reduced_mnist --data FOLDER

FOLDER holds LeCun's test files, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz.
"""

import argparse
import ast
import gzip
import time
from pathlib import Path

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

N_TEST = 3000
CLASSIFIERS = {
    "SVC": lambda seed: SVC(),
    "k-NN(5)": lambda seed: KNeighborsClassifier(5),
    "forest(200)": lambda seed: RandomForestClassifier(200, random_state=seed, n_jobs=-1),
    "logistic(C=0.1)": lambda seed: LogisticRegression(C=0.1, max_iter=500),
}


def load(folder):
    """Read the IDX files; returns images (n, 784) in [0, 1] and labels (n,)."""
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    X = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784) / 255.0
    return X, np.frombuffer(labels, np.uint8, offset=8).astype(int)


def split(y, n_per_class, seed):
    """Return indices of `n_per_class` rows of each class, and of 3,000 others."""
    rng = np.random.default_rng(seed)
    train = [rng.permutation(np.flatnonzero(y == k))[:n_per_class] for k in np.unique(y)]
    train = np.concatenate(train)
    rest = np.setdiff1d(np.arange(len(y)), train)
    return train, rng.permutation(rest)[:N_TEST]


def score(X, y, X_test, y_test, seed):
    """Return the balanced accuracy, in percent, of each classifier."""
    return [
        100 * balanced_accuracy_score(y_test, make(seed).fit(X, y).predict(X_test))
        for make in CLASSIFIERS.values()
    ]


def main():
    """Run the comparison and print one line per method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the IDX files")
    parser.add_argument("--n-per-class", type=int, default=50)
    parser.add_argument("--n-synthetic", type=int, default=200, help="new rows per class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pictures", type=Path, help="folder for a picture per seed")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters")
    args = parser.parse_args()
    parameters = {}
    for item in args.set:
        name, _, value = item.partition("=")
        try:
            parameters[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parameters[name] = value

    X, y = load(args.data)
    n_total = args.n_per_class + args.n_synthetic
    target = dict.fromkeys(range(10), n_total)
    methods = {
        "none": lambda seed: None,
        "SMOTE": lambda seed: SMOTE(sampling_strategy=target, random_state=seed),
        "RHVAE": lambda seed: RHVAEAugmenter(
            sampling_strategy=target, random_state=seed, verbose=1
        ).set_params(**parameters),
    }
    results = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for seed in range(args.seeds):
        train, test = split(y, args.n_per_class, seed)
        for name, make in methods.items():
            augmenter = make(seed)
            X_res, y_res = X[train], y[train]
            start = time.perf_counter()
            if augmenter is not None:
                X_res, y_res = augmenter.fit_resample(X_res, y_res)
            seconds[name] += (time.perf_counter() - start) / args.seeds
            results[name].append(score(X_res, y_res, X[test], y[test], seed))
            if name == "RHVAE" and args.pictures:
                args.pictures.mkdir(parents=True, exist_ok=True)
                display = SyntheticSamplesDisplay.from_predictions(
                    X_res, y_res, augmenter.synthetic_mask_, sample_shape=(28, 28)
                )
                path = args.pictures / f"reduced_mnist_{args.n_per_class}_seed{seed}.png"
                display.figure_.savefig(path, dpi=120)
    print(
        f"{args.n_per_class} rows a class, +{args.n_synthetic}, {args.seeds} seeds, "
        "balanced accuracy in percent"
    )
    print(f"{'':8}" + "".join(f"{c:>17}" for c in CLASSIFIERS) + f"{'mean':>8}{'seconds':>9}")
    for name, rows in results.items():
        mean = np.mean(rows, axis=0)
        print(
            f"{name:8}"
            + "".join(f"{m:17.2f}" for m in mean)
            + f"{mean.mean():8.2f}{seconds[name]:9.1f}"
        )


if __name__ == "__main__":
    main()
