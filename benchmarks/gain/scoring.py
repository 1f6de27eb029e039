"""Classifiers of `benchmarks.gain` and how well they do on real test rows."""

import warnings

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.svm import SVC

__all__ = ["CLASSIFIERS", "IN_MEAN", "MEASURES", "closeness", "evaluate", "make_classifier"]

MEASURES = ("balanced_accuracy", "roc_auc", "log_loss")
CLASSIFIERS = ("SVC", "k-NN", "forest", "logistic", "boosting")
# The mean over classifiers is over these; boosting is reported beside it.
IN_MEAN = CLASSIFIERS[:4]
# Above so many columns a table is wide, and treated as images are.
WIDE = 500


def make_classifier(name, split):
    """Return an untrained classifier.

    Parameters
    ----------
    name : str
        One of `CLASSIFIERS`: SVC; k-NN (5); a forest of 200 trees; logistic regression with
        C = 1; 25 rounds of gradient boosting. For images and wide tables the logistic
        regression has C = 0.1, and boosting looks at a tenth of the columns for each split.
    split : data.Split
    """
    wide = split.sample_shape is not None or split.X_train.shape[1] > WIDE
    if name == "SVC":
        return SVC()
    if name == "k-NN":
        return KNeighborsClassifier(5)
    if name == "forest":
        return RandomForestClassifier(200, random_state=split.seed)
    if name == "logistic":
        return LogisticRegression(C=0.1 if wide else 1.0, max_iter=500 if wide else 2000)
    return HistGradientBoostingClassifier(
        learning_rate=0.2,
        max_iter=25,
        max_leaf_nodes=8,
        # With the default of 20 rows a leaf it cannot split classes of 10 rows at all.
        min_samples_leaf=5,
        max_bins=31,
        max_features=0.1 if wide else 1.0,
        early_stopping=False,
        random_state=split.seed,
    )


def evaluate(classifier, X, y, X_test, y_test):
    """Train a classifier and score it on the test rows.

    Parameters
    ----------
    classifier : classifier
    X : ndarray of shape (n, n_features)
    y : ndarray of shape (n,)
    X_test : ndarray of shape (n_test, n_features)
    y_test : ndarray of shape (n_test,)

    Returns
    -------
    scores : dict of str to float
        ``balanced_accuracy``; ``roc_auc``, the mean over classes of one against the rest, from
        probabilities or, without them, decision values; ``log_loss`` in nats, NaN without
        probabilities (SVC).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(X, y)
    probabilities = None
    if hasattr(classifier, "predict_proba"):
        probabilities = classifier.predict_proba(X_test)
    values = probabilities if probabilities is not None else classifier.decision_function(X_test)
    labels = classifier.classes_
    predicted = classifier.predict(X_test)
    nats = np.nan
    if probabilities is not None:
        nats = float(log_loss(y_test, probabilities, labels=labels))
    return {
        "balanced_accuracy": float(balanced_accuracy_score(y_test, predicted)),
        "roc_auc": area_under_curve(y_test, values, labels),
        "log_loss": nats,
    }


def area_under_curve(y, values, labels):
    """Return the area under the ROC curve, the mean over classes of one against the rest.

    Parameters
    ----------
    y : ndarray of shape (n,)
    values : ndarray of shape (n, n_classes), or (n,) for two classes
        The larger, the more likely the class; rows need not sum to 1.
    labels : ndarray of shape (n_classes,)

    Returns
    -------
    area : float
        NaN where `y` has a single class.
    """
    if values.ndim == 1:
        values = np.column_stack([-values, values])
    areas = [
        roc_auc_score(y == label, values[:, k])
        for k, label in enumerate(labels)
        if 0 < (y == label).sum() < len(y)
    ]
    return float(np.mean(areas)) if areas else np.nan


def closeness(new, real):
    """Return how near new rows lie to real ones: 1 is as far as real rows from each other.

    The median distance of a new row to the nearest real one, over the median distance of a
    real row to the nearest other.

    Parameters
    ----------
    new : ndarray of shape (n_new, n_features)
    real : ndarray of shape (n_real, n_features)

    Returns
    -------
    ratio : float
        NaN without new rows, or where most real rows have a twin.
    """
    if not len(new):
        return np.nan
    neighbours = NearestNeighbors(n_neighbors=1).fit(real)
    # Without an argument a row is not its own neighbour.
    between = float(np.median(neighbours.kneighbors()[0]))
    # Distances are differences of squares: twins may be a rounding error apart.
    if between <= 1e-6 * np.sqrt(real.shape[1]) * real.std():
        return np.nan
    return float(np.median(neighbours.kneighbors(new)[0])) / between
