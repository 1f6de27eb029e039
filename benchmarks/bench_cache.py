"""What `memory` saves: a grid search over `augmentation_factor` beside its trainings alone.

    python benchmarks/bench_cache.py

Ten values of `augmentation_factor` on three folds of 8 x 8 digits, with a nearest-neighbour
classifier. `trainings` are three times `fit_resample`, one on each training fold, of the largest
factor and without a cache. Every round starts with an empty cache.
"""

import tempfile

import harness
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier

from sklearn_pyraug import Pipeline, RHVAEAugmenter, _parallel

N_FOLDS = 3
# A grid with the cache may take so many times the time of the trainings that it needs.
MOST_RATIO = 1.5


def count_trainings():
    """Let every training of a group be counted, in the list that is returned."""
    counted = []
    for name in ("train_generator", "train_reference_generator"):

        def train(*args, _train=getattr(_parallel, name), **kwargs):  # noqa: B008
            counted.append(1)
            return _train(*args, **kwargs)

        setattr(_parallel, name, train)
    return counted


def search(X, y, factors, memory, seed, epochs):
    """Run the grid search."""
    augmenter = RHVAEAugmenter(
        max_epochs=epochs, memory=memory, random_state=seed, device="cpu", sample_shape=(8, 8)
    )
    pipe = Pipeline([("aug", augmenter), ("clf", KNeighborsClassifier(1))])
    cv = StratifiedKFold(N_FOLDS)
    GridSearchCV(pipe, {"aug__augmentation_factor": factors}, cv=cv, refit=False).fit(X, y)


def trainings(X, y, factors, seed, epochs):
    """Train and draw once on each training fold."""
    for train, _ in StratifiedKFold(N_FOLDS).split(X, y):
        RHVAEAugmenter(
            augmentation_factor=factors[-1],
            max_epochs=epochs,
            random_state=seed,
            device="cpu",
            sample_shape=(8, 8),
        ).fit_resample(X[train], y[train])


def main():
    """Measure."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    args = parser.parse_args()
    harness.prepare(args)
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], y[:300]
    factors = np.linspace(1.2, 3.0, 2 if args.quick else 10)
    epochs = 5 if args.quick else 100
    counted, numbers = count_trainings(), {}

    def with_memory():
        counted.clear()
        with tempfile.TemporaryDirectory() as folder:
            search(X, y, factors, folder, args.seed, epochs)
        numbers["memory"] = len(counted)

    def without():
        counted.clear()
        search(X, y, factors, None, args.seed, epochs)
        numbers["no memory"] = len(counted)

    def alone():
        counted.clear()
        trainings(X, y, factors, args.seed, epochs)
        numbers["trainings"] = len(counted)

    candidates = {"memory": with_memory, "no memory": without, "trainings": alone}
    times = harness.measure_in_turn(candidates, args.repeats, warmup=0, progress="cache")
    report = harness.Report("bench_cache", parser.description, args)
    for name, seconds in times.items():
        report.add(
            candidate=name,
            n_trainings=numbers[name],
            median_s=harness.median(seconds),
            times_the_trainings=1 / harness.ratio(times, name, "trainings"),
        )
    report.write()


if __name__ == "__main__":
    main()
