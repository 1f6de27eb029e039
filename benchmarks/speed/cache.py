"""What `memory` saves: a grid search over `augmentation_factor` beside its trainings alone.

    python -m benchmarks.speed.cache

Ten values of `augmentation_factor` on three folds, with a nearest-neighbour classifier: 300 digits
of 8 x 8 pixels, and the table of breast cancers (569 x 30). `trainings` are three times
`fit_resample`, one on each training fold, of the largest factor and without a cache. Every round
starts with an empty cache.
"""

import tempfile
from contextlib import contextmanager

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer

from benchmarks import harness
from sklearn_pyraug import Pipeline, RHVAEAugmenter
from sklearn_pyraug._generation import fit as _parallel

N_FOLDS = 3


@contextmanager
def counted_trainings():
    """Count the trainings of groups, in the list that is yielded."""
    counted, names = [], ("train_generator", "train_reference_generator")
    originals = {name: getattr(_parallel, name) for name in names}

    def counting(train):
        def counted_train(*args, **kwargs):
            counted.append(1)
            return train(*args, **kwargs)

        return counted_train

    for name, train in originals.items():
        setattr(_parallel, name, counting(train))
    try:
        yield counted
    finally:
        for name, train in originals.items():
            setattr(_parallel, name, train)


def search(X, y, factors, memory, seed, epochs):
    """Run the grid search."""
    augmenter = RHVAEAugmenter(max_epochs=epochs, memory=memory, random_state=seed, device="cpu")
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    pipe = Pipeline([("aug", augmenter), ("flat", flat), ("clf", KNeighborsClassifier(1))])
    cv = StratifiedKFold(N_FOLDS)
    GridSearchCV(pipe, {"aug__augmentation_factor": factors}, cv=cv, refit=False).fit(X, y)


def trainings(X, y, factors, seed, epochs):
    """Train and draw once on each training fold."""
    for train, _ in StratifiedKFold(N_FOLDS).split(X, y):
        RHVAEAugmenter(
            augmentation_factor=factors[-1], max_epochs=epochs, random_state=seed, device="cpu"
        ).fit_resample(X[train], y[train])


def measure(X, y, args):
    """Return the seconds of all candidates, by round, and how many groups each trained."""
    factors = np.linspace(1.2, 3.0, 2 if args.quick else 10)
    epochs = 2 if args.quick else 100
    numbers = {}

    def with_memory():
        with tempfile.TemporaryDirectory() as folder:
            search(X, y, factors, folder, args.seed, epochs)

    def counting(name, function):
        def counted_function():
            with counted_trainings() as counted:
                function()
            numbers[name] = len(counted)

        return counted_function

    candidates = {
        "memory": with_memory,
        "no memory": lambda: search(X, y, factors, None, args.seed, epochs),
        "trainings": lambda: trainings(X, y, factors, args.seed, epochs),
    }
    candidates = {name: counting(name, function) for name, function in candidates.items()}
    times = harness.measure_in_turn(candidates, args.repeats, warmup=0, progress="cache")
    return times, numbers


def main(arguments=None):
    """Measure."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    args = parser.parse_args(arguments)
    harness.prepare(args)
    report = harness.Report("cache", parser.description, args)
    n_rows = 100 if args.quick else 300
    digits = [values[:n_rows] for values in load_digits(return_X_y=True)]
    for data, (X, y) in {
        "digits": (digits[0].reshape(-1, 8, 8), digits[1]),
        "breast cancer": load_breast_cancer(return_X_y=True),
    }.items():
        times, numbers = measure(X, y, args)
        for name, seconds in times.items():
            report.add(
                data=data,
                candidate=name,
                n_trainings=numbers[name],
                median_s=harness.median(seconds),
                times_the_trainings=1 / harness.ratio(times, name, "trainings"),
            )
    report.note("The promise: 3 trainings with the cache, in less than 1.5 times their time.")
    report.write()


if __name__ == "__main__":
    main()
