"""Classifiers of `benchmarks.gain` and how well they do on real test rows."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import has_fit_parameter

__all__ = [
    "CLASSIFIERS",
    "FREE",
    "IN_MEAN",
    "MEASURES",
    "MORE",
    "closeness",
    "evaluate",
    "make_classifier",
]

MEASURES = ("balanced_accuracy", "roc_auc", "log_loss")
CLASSIFIERS = ("SVC", "k-NN", "forest", "logistic", "boosting")
# Run only if named: scikit-learn's and XGBoost's defaults, and two classifiers of images.
MORE = ("MLP", "HistGradientBoosting", "XGBoost", "components", "CNN", "CNN-800")
# Gradient steps; what is transformed on the fly is learned later.
CNN_STEPS = {"CNN": 200, "CNN-800": 800}
# Methods that change a classifier instead of its rows.
FREE = ("class-weights", "prevalence-threshold", "tuned-threshold")
FOLDS = 5
# The mean over classifiers is over these; boosting is reported beside it.
IN_MEAN = CLASSIFIERS[:4]
# With more columns than this a table is wide, and treated like images.
WIDE = 500


def make_classifier(name, split, transform=None):
    """Return an untrained classifier.

    Parameters
    ----------
    name : str
        One of `CLASSIFIERS`: SVC; k-NN (5); a forest of 200 trees; logistic regression with
        C = 1; 25 rounds of gradient boosting. For images and wide tables the logistic
        regression has C = 0.1, and boosting looks at a tenth of the columns for each split. Or
        one of `MORE`, among them logistic regression on 20 components, and a small CNN.
    split : data.Split
    transform : callable or None, default=None
        What the CNN does to each batch before it learns from it; the others cannot.
    """
    if transform is not None and name not in CNN_STEPS:
        raise ValueError(f"{name} sees its rows once: what is done on the fly is for the CNN.")
    wide = split.sample_shape is not None or split.X_train.shape[1] > WIDE
    if name == "SVC":
        return SVC()
    if name == "k-NN":
        return KNeighborsClassifier(5)
    if name == "forest":
        return RandomForestClassifier(200, random_state=split.seed)
    if name == "logistic":
        return LogisticRegression(C=0.1 if wide else 1.0, max_iter=500 if wide else 2000)
    if name == "MLP":
        return MLPClassifier(random_state=split.seed)
    if name == "HistGradientBoosting":
        return HistGradientBoostingClassifier(random_state=split.seed)
    if name == "XGBoost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_jobs=1, random_state=split.seed)
    if name == "components":
        logistic = LogisticRegression(max_iter=2000)
        return make_pipeline(PCA(20, random_state=split.seed), StandardScaler(), logistic)
    if name in CNN_STEPS:
        from benchmarks.gain import phantoms

        return phantoms.Cnn(
            CNN_STEPS[name], split.seed, sample_shape=split.sample_shape, transform=transform
        )
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


class AtPrevalence(ClassifierMixin, BaseEstimator):
    """Decides for the class k with the largest p_k / π_k: at the prevalence of the training rows.

    For two classes this is the threshold p > π. A classifier without probabilities (SVC) gets
    them by cross-fitted calibration.

    Parameters
    ----------
    classifier : classifier
    """

    def __init__(self, classifier):
        self.classifier = classifier

    def fit(self, X, y):
        """Fit the classifier; its probabilities stay what they are."""
        model = clone(self.classifier)
        if not hasattr(model, "predict_proba"):
            model = CalibratedClassifierCV(model, cv=_folds(y), ensemble=False)
        self.model_ = model.fit(X, y)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.prevalence_ = counts / len(y)
        return self

    def predict_proba(self, X):
        """Return the classifier's probabilities."""
        return self.model_.predict_proba(X)

    def predict(self, X):
        """Return the class whose probability is the most above its prevalence."""
        return self.classes_[np.argmax(self.predict_proba(X) / self.prevalence_, axis=1)]


def _folds(y):
    return StratifiedKFold(max(2, min(FOLDS, np.unique(y, return_counts=True)[1].min())))


def evaluate(classifier, X, y, X_test, y_test, free="none"):
    """Train a classifier and score it on the test rows.

    Parameters
    ----------
    classifier : classifier
    X : ndarray of shape (n, n_features)
    y : ndarray of shape (n,)
    X_test : ndarray of shape (n_test, n_features)
    y_test : ndarray of shape (n_test,)
    free : str, default="none"
        One of `FREE`, else nothing is changed. Class weights are used by the classifiers that
        take weights: not by k-NN.

    Returns
    -------
    scores : dict of str to float
        ``balanced_accuracy``; ``roc_auc``, the mean over classes of one against the rest, from
        probabilities or, without them, decision values; ``log_loss`` in nats, NaN without
        probabilities (SVC).
    """
    weights, has_probabilities = {}, hasattr(classifier, "predict_proba")
    if free == "class-weights" and has_fit_parameter(classifier, "sample_weight"):
        weights = {"sample_weight": compute_sample_weight("balanced", y)}
    elif free == "prevalence-threshold":
        classifier = AtPrevalence(classifier)
    elif free == "tuned-threshold":
        classifier = TunedThresholdClassifierCV(
            classifier, scoring="balanced_accuracy", cv=_folds(y)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(X, y, **weights)
    probabilities = None
    if hasattr(classifier, "predict_proba"):
        probabilities = classifier.predict_proba(X_test)
    values = probabilities if probabilities is not None else classifier.decision_function(X_test)
    labels = classifier.classes_
    predicted = classifier.predict(X_test)
    nats = np.nan
    if has_probabilities:
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
    # Distances are differences of squares: equal rows may be a rounding error apart.
    if between <= 1e-6 * np.sqrt(real.shape[1]) * real.std():
        return np.nan
    return float(np.median(neighbours.kneighbors(new)[0])) / between
