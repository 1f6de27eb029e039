"""What the geometry of the latent space adds: draws and curves, compared with a plain VAE.

Trains ``decoder="direct"`` on ``--n-per-class`` images of each digit. A plain VAE draws codes from
N(0, I) and connects two of them by a straight line; the metric draws from its density and connects
them by a geodesic. Of 100 draws per class, and of the middles of 10 curves per class, it prints

- the accuracy, on 3,000 other images, of a forest trained on the draws alone;
- the probability of the class by a forest trained on the 9,500 images that the model has not seen.

    python -m benchmarks.geometry --data FOLDER

FOLDER holds LeCun's test files. Writes a picture of the draws.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import balanced_accuracy_score

from benchmarks import datasets
from benchmarks.gain.statistics import bootstrap_interval
from sklearn_pyraug import RHVAEAugmenter

SAMPLERS = ("prior", "posterior", "independent_mh", "hmc", "geodesic")
N_DRAWS, N_CURVES = 100, 10


def forest(X, y):
    return ExtraTreesClassifier(200, random_state=0, n_jobs=-1).fit(X, y)


def class_probability(judge, X, y):
    return 100 * judge.predict_proba(X)[np.arange(len(X)), y].mean()


def draws(model, sampler):
    """Return images (n, 784) and labels (n,) of `N_DRAWS` draws of each class."""
    X, y = model.set_params(sampler=sampler).sample(dict.fromkeys(range(10), N_DRAWS))
    return X.reshape(len(X), -1), y


def middles(model, X, y, kind, seed):
    """Return the middles of curves between images of one class, and their labels."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(10):
        ends = rng.permutation(np.flatnonzero(y == k))[: 2 * N_CURVES].reshape(2, -1)
        for i, j in ends.T:
            curve = model.interpolate(X[i], X[j], k, n_steps=3, kind=kind)
            rows.append(curve.X[1].ravel())
    return np.stack(rows), np.repeat(np.arange(10), N_CURVES)


def main():
    """Measure, print and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n-per-class", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--metric", choices=("posterior", "learned"), default="posterior")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    X, y = datasets.load_mnist(args.data)
    names = [s for s in SAMPLERS if args.metric == "posterior" or s != "independent_mh"]
    accuracy, recognised = np.empty((2, len(names), args.seeds))
    curves, montage = np.empty((2, args.seeds)), []
    for seed in range(args.seeds):
        train, test = datasets.split_mnist(y, args.n_per_class, seed)
        unseen = np.setdiff1d(np.arange(len(y)), train)
        judge = forest(X[unseen], y[unseen])
        images, labels = X[train].reshape(-1, 28, 28), y[train]
        model = RHVAEAugmenter(
            decoder="direct",
            metric=args.metric,
            output="mean",
            min_distance=None,
            random_state=seed,
        ).fit(images, labels)
        for i, name in enumerate(names):
            new, new_labels = draws(model, name)
            predicted = forest(new, new_labels).predict(X[test])
            accuracy[i, seed] = 100 * balanced_accuracy_score(y[test], predicted)
            recognised[i, seed] = class_probability(judge, new, new_labels)
            if seed == 0:
                rows = [np.hstack(new[new_labels == k][:8].reshape(-1, 28, 28)) for k in range(10)]
                montage.append(np.vstack(rows))
        for i, kind in enumerate(("linear", "geodesic")):
            found = middles(model, images, labels, kind, seed)
            curves[i, seed] = class_probability(judge, *found)
    print(f"metric={args.metric!r}, {args.n_per_class} images a class, {args.seeds} seeds")
    print("| draws | accuracy | above the prior's | probability of the class |")
    print("|---|---|---|---|")
    for i, name in enumerate(names):
        low, high = bootstrap_interval((accuracy[i] - accuracy[0])[None])
        print(
            f"| {name} | {accuracy[i].mean():.1f} | [{low:+.1f}, {high:+.1f}] | "
            f"{recognised[i].mean():.1f} |"
        )
    low, high = bootstrap_interval((curves[1] - curves[0])[None])
    print(
        f"Middles of curves, probability of the class: linear {curves[0].mean():.1f}, geodesic "
        f"{curves[1].mean():.1f}, difference [{low:+.1f}, {high:+.1f}]"
    )
    args.out.mkdir(parents=True, exist_ok=True)
    imsave(args.out / f"geometry_{args.metric}.png", np.hstack(montage), cmap="gray")


if __name__ == "__main__":
    main()
