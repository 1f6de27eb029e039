"""What augmentation does for classifiers of a few handwritten digits: the work of ``demo``.

Only uses public names of the package, like a user's script. Results go
to standard output, progress to standard error.
"""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from tqdm.auto import tqdm

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

from ..io._guards import import_optional
from .demo import IMAGE_NAME
from .files import check_new_file

_SAMPLE_SHAPE = (8, 8)


class Rows(NamedTuple):
    """Features of shape (n_samples, n_features) and labels of shape (n_samples,)."""

    X: np.ndarray
    y: np.ndarray


def run_demo(output, *, random_state, n_per_class, overwrite):
    """Augment a few digits, compare classifiers, print a table and draw the new digits.

    Parameters
    ----------
    output : str or path-like
        Folder for the picture; made if missing.
    random_state : int
        Seed of everything.
    n_per_class : int
        Training rows of each of the ten classes, from 6 to 150.
    overwrite : bool
        Whether a picture already in the folder may be replaced.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    click.ClickException
        If the folder cannot be written to, or holds the picture already.
    """
    # What can go wrong at the end is checked at the start.
    Figure = import_optional("the demo", "plot", "matplotlib.figure").Figure
    image_path = Path(output) / IMAGE_NAME
    check_new_file(image_path, overwrite=overwrite, make_folder=True)
    train, test = split_digits(n_per_class, random_state)
    n_classes = len(np.unique(train.y))
    print(
        f"handwritten digits, 8 x 8 pixels, {n_classes} classes: {len(train.y)} training rows "
        f"({n_per_class} a class), {len(test.y)} held-out rows",
        flush=True,
    )

    augmenter = RHVAEAugmenter(sample_shape=_SAMPLE_SHAPE, random_state=random_state, verbose=1)
    ours, ours_seconds = resample(augmenter, train)
    # Without pyplot, which would look for a display.
    figure = Figure(figsize=(8.0, 5.1), layout="constrained")
    SyntheticSamplesDisplay.from_predictions(
        ours.X,
        ours.y,
        augmenter.synthetic_mask_,
        sample_shape=_SAMPLE_SHAPE,
        figure=figure,
        random_state=random_state,
    )
    figure.savefig(image_path, dpi=150)

    counts = dict(zip(*np.unique(ours.y, return_counts=True), strict=True))
    smote = SMOTE(sampling_strategy=counts, random_state=random_state)
    interpolated, smote_seconds = resample(smote, train)

    start = time.perf_counter()
    training_sets = {"none": train, "SMOTE": interpolated, "RHVAE": ours}
    scores = score_classifiers(training_sets, test, make_classifiers(random_state))
    seconds = {
        "SMOTE": smote_seconds,
        "RHVAE": ours_seconds,
        "classifiers": time.perf_counter() - start,
    }
    print(f"training rows after SMOTE and after RHVAE: {len(interpolated.y)} and {len(ours.y)}")
    print("\nbalanced accuracy on the held-out rows, percent")
    print(format_scores(scores))
    print("\nseconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()))
    print(verdict(scores, len(test.y)))
    print(f"picture: {image_path}")


def split_digits(n_per_class, random_state):
    """Draw `n_per_class` rows a class for training and hold out all others.

    The pixels, 0 to 16, are divided by 16: a fixed scale that learns nothing from the rows.

    Returns
    -------
    train, test : Rows
    """
    X, y = load_digits(return_X_y=True)
    rng = np.random.RandomState(random_state)
    # Not train_test_split, which keeps the shares of classes instead of equal numbers of rows.
    chosen = [rng.choice(np.flatnonzero(y == k), n_per_class, replace=False) for k in np.unique(y)]
    chosen = np.sort(np.concatenate(chosen))
    held_out = np.setdiff1d(np.arange(len(y)), chosen)
    X = X / 16.0
    return Rows(X[chosen], y[chosen]), Rows(X[held_out], y[held_out])


def make_classifiers(random_state):
    """Return the classifiers of the comparison by name."""
    return {
        "SVC": SVC(),
        "k-NN (5)": KNeighborsClassifier(n_neighbors=5),
        "random forest (200)": RandomForestClassifier(200, random_state=random_state),
        "logistic regression": LogisticRegression(max_iter=2000),
    }


def resample(sampler, rows):
    """Return the rows after ``fit_resample``, and the seconds that it took."""
    start = time.perf_counter()
    resampled = Rows(*sampler.fit_resample(rows.X, rows.y))
    return resampled, time.perf_counter() - start


def score_classifiers(training_sets, test, classifiers):
    """Fit each classifier on each training set and score it on the same held-out rows.

    Parameters
    ----------
    training_sets : dict of str to Rows
    test : Rows
    classifiers : dict of str to classifier

    Returns
    -------
    scores : dict of str to dict of str to float
        Balanced accuracy in [0, 1] as ``scores[classifier][training_set]``, with a last row
        "mean" over the classifiers.
    """
    scores = {}
    with tqdm(total=len(classifiers) * len(training_sets), desc="classifiers", unit="fit") as bar:
        for name, classifier in classifiers.items():
            scores[name] = {}
            for set_name, rows in training_sets.items():
                y_predicted = classifier.fit(rows.X, rows.y).predict(test.X)
                scores[name][set_name] = balanced_accuracy_score(test.y, y_predicted)
                bar.update()
    scores["mean"] = {
        set_name: float(np.mean([scores[name][set_name] for name in classifiers]))
        for set_name in training_sets
    }
    return scores


def format_scores(scores):
    """Return the scores as an aligned table in percent, one line a classifier."""
    columns = list(scores["mean"])
    width = max(map(len, scores))
    lines = [" " * width + "".join(f"{column:>8}" for column in columns)]
    for name, row in scores.items():
        lines.append(f"{name:<{width}}" + "".join(f"{100 * row[c]:>8.1f}" for c in columns))
    return "\n".join(lines)


def verdict(scores, n_test):
    """Say in one sentence whether augmentation helped.

    A change of the mean counts only beyond one standard error of an accuracy p over n rows,
    sqrt(p (1 - p) / n).
    """
    p = scores["mean"]["none"]
    points = 100 * np.sqrt(p * (1 - p) / n_test)
    # Adding 0.0 turns the -0.0 that rounding may leave into 0.0.
    change, smote_change = (
        round(100 * (scores["mean"][name] - p), 1) + 0.0 for name in ("RHVAE", "SMOTE")
    )
    if abs(change) <= points:
        what = "made no clear difference to"
    else:
        what = "raised" if change > 0 else "lowered"
    return (
        f"In this run RHVAE {what} the mean balanced accuracy ({change:+.1f} points, SMOTE "
        f"{smote_change:+.1f}, one standard error {points:.1f}); one draw of rows proves "
        "nothing about other data."
    )
