"""One task of `benchmarks.gain`: a set, a seed and a method, scored by all classifiers."""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.gain import data, resamplers, scoring

__all__ = ["AUGMENTED", "SYNTHETIC", "Task", "run"]

# What a classifier was trained on: real and new rows, or new rows only.
AUGMENTED, SYNTHETIC = "augmented", "synthetic"
# With fewer new rows of a class than this, training on new rows only takes a draw of its own.
MIN_SYNTHETIC = 2


class Task(NamedTuple):
    """What to do, small enough to be sent to another process.

    Attributes
    ----------
    set : str
    seed : int
    method : str
    classifiers : tuple of tuple of str
        Pairs ``(train, classifier)`` to score, with `train` one of `AUGMENTED`, `SYNTHETIC`.
    multiple : float or None
        For :func:`data.target_counts`.
    protocol : str
        Written into each row.
    data : Path or None
        Folder with data files.
    """

    set: str
    seed: int
    method: str
    classifiers: tuple
    multiple: float | None = None
    protocol: str = ""
    data: Path | None = None


def run(task):
    """Resample and score; returns one record per pair of `task.classifiers`.

    One thread for torch and BLAS: the tasks are what runs in parallel, and a result then does
    not depend on how many there are.

    Parameters
    ----------
    task : Task

    Returns
    -------
    records : list of dict
        With the columns of `table.COLUMNS`. Where resampling or a classifier failed, the
        measures are NaN and ``error`` says why.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            split = data.load_split(task.set, task.seed, task.data)
            features = data.Features(split.X_train, split.sample_shape)
            counts = data.target_counts(task.set, split.y_train, task.multiple)
            return _records(task, split, features, counts)
    finally:
        torch.set_num_threads(n_threads)


class Draw(NamedTuple):
    """New rows, as features, and what the table says of them."""

    X: np.ndarray
    y: np.ndarray
    facts: dict
    whole: bool


def _records(task, split, features, counts):
    real_X, real_y = features.transform(split.X_train), split.y_train
    test = features.transform(split.X_test), split.y_test
    own_counts = counts if _enough(counts, real_y) else _doubled(real_y)
    draws, records = {}, []
    for train, name in task.classifiers:
        wanted = counts if train == AUGMENTED else own_counts
        # Where every class grows, both ways of training use the same rows.
        at = tuple(wanted.items())
        if at not in draws:
            draws[at] = _draw(task.method, split, features, wanted)
        draw = draws[at]
        X, y = draw.X, draw.y
        if train == AUGMENTED and not draw.whole:
            X, y = np.concatenate([real_X, X]), np.concatenate([real_y, y])
        scores, error = dict.fromkeys(scoring.MEASURES, np.nan), draw.facts["error"]
        if not error:
            scores, error = _attempt(_score, name, task.method, split, X, y, *test, default=scores)
        records.append(
            {
                "protocol": task.protocol,
                "set": task.set,
                "seed": task.seed,
                "method": task.method,
                "train": train,
                "classifier": name,
                **scores,
                **draw.facts,
                "error": error,
            }
        )
    return records


def _score(name, method, split, X, y, X_test, y_test):
    transform = resamplers.on_the_fly(method, split)
    classifier = scoring.make_classifier(name, split, transform)
    return scoring.evaluate(classifier, X, y, X_test, y_test, method)


def _draw(method, split, features, counts):
    """Resample, take the time, and say what came out."""
    nothing = resamplers.Resampled(np.empty((0, split.X_train.shape[1])), np.empty(0, int), "")
    start = time.perf_counter()
    new, error = _attempt(resamplers.resample, method, split, features, counts, default=nothing)
    facts = {
        "seconds": time.perf_counter() - start,
        "n_train": len(split.y_train),
        "n_synthetic": len(new.y),
        "closeness": scoring.closeness(new.X, features.transform(split.X_train)),
        "note": new.note,
        "error": error,
    }
    return Draw(new.X, new.y, facts, new.whole)


def _attempt(function, *args, default):
    """Call a function; returns (result, "") or (default, the error)."""
    try:
        return function(*args), ""
    except Exception as error:
        # One method that fails on one set must not end a run of hours.
        return default, f"{type(error).__name__}: {error}"


def _enough(counts, y):
    """Tell whether every class gets new rows to train on."""
    return all(n - (y == label).sum() >= MIN_SYNTHETIC for label, n in counts.items())


def _doubled(y):
    """Return twice the rows of each class, at least two new ones."""
    labels, n_rows = np.unique(y, return_counts=True)
    sizes = n_rows + np.maximum(n_rows, MIN_SYNTHETIC)
    return dict(zip(labels.tolist(), sizes.tolist(), strict=True))
