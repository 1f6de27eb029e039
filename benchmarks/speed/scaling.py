"""Scaling: seconds and peak memory as rows, columns, classes and imbalance grow.

    python -m benchmarks.speed.scaling --sweeps n D sparse K imbalance memory

Every point runs in a fresh process, `fit` and `fit_resample` in one each, on made-up Gaussian
classes. Training is cut to a few epochs (`--epochs`), the other parameters are the defaults.
Seconds are of the processor, of all threads: what else the machine does counts little.

n          100 to 100,000 rows of 2 classes, 20 columns
D          10 to 50,000 columns, 100 rows of 2 classes
sparse     1,000 to 50,000 columns, of which a row has 2 %, in a sparse matrix of 300 rows
K          2 to 200 classes of 20 rows, 20 columns
imbalance  10,000 rows of one class to 10,000 ... 10 of the other, 20 columns
memory     `fit` alone of 100 x 20,000 and of 100,000 x 50
"""

import time
from typing import NamedTuple

import numpy as np
from scipy import sparse

from benchmarks import datasets, harness
from sklearn_pyraug import RHVAEAugmenter

# Epochs if --epochs is not given: few steps each, but more work than the start-up.
EPOCHS = {"n": 5, "D": 20, "sparse": 20, "K": 20, "imbalance": 5, "memory": 2}
# What the project has promised: exponents, a ratio of times, and bytes.
MOST_EXPONENT = {"n": 1.05, "D": 0.8, "sparse": 0.8, "K": 0.8}
MOST_RATIO = 1.3
# Share of the values of a sparse table that are not 0.
FILLED = 0.02
MOST_MB = 2000.0


class Point(NamedTuple):
    """One point of a sweep.

    Attributes
    ----------
    sweep : str
    size : int
        What grows: rows, columns, classes, majority / minority.
    class_sizes : tuple of int
    n_columns : int
    """

    sweep: str
    size: int
    class_sizes: tuple
    n_columns: int


def points(sweep, quick=False):
    """Return the points of a sweep, smallest first."""
    if sweep == "n":
        sizes = (100, 300) if quick else (100, 300, 1000, 3000, 10_000, 30_000, 100_000)
        return [Point(sweep, n, (n // 2, n // 2), 20) for n in sizes]
    if sweep == "D":
        sizes = (10, 1000) if quick else (10, 30, 100, 300, 1000, 3000, 10_000, 50_000)
        return [Point(sweep, D, (50, 50), D) for D in sizes]
    if sweep == "sparse":
        sizes = (1000, 3000) if quick else (1000, 3000, 10_000, 30_000, 50_000)
        return [Point(sweep, D, (150, 150), D) for D in sizes]
    if sweep == "K":
        sizes = (2, 10) if quick else (2, 5, 10, 20, 50, 100, 200)
        return [Point(sweep, K, (20,) * K, 20) for K in sizes]
    if sweep == "imbalance":
        majority, ratios = (400, (1, 40)) if quick else (10_000, (1, 10, 100, 1000))
        return [Point(sweep, r, (majority, majority // r), 20) for r in ratios]
    tables = ((1000, 50), (100, 2000)) if quick else ((100, 20_000), (100_000, 50))
    return [Point(sweep, n * D, (n // 2, n // 2), D) for n, D in tables]


def time_call(call, point, epochs, repeats, budget, device, seed):
    """Make the data of a point, warm up on a small table, and time `fit` or `fit_resample`.

    Parameters
    ----------
    call : {"fit", "fit_resample"}
    point : Point
    epochs, repeats : int
    budget : float
        Seconds after which no further repeat starts.
    device : str
    seed : int

    Returns
    -------
    seconds : list of float
        Of the processor, one per repeat.
    n_new : int
        Rows that `fit_resample` has added; 0 for `fit`.
    """
    n_new = 0

    def run():
        nonlocal n_new
        augmenter = RHVAEAugmenter(max_epochs=epochs, device=device, random_state=seed)
        result = getattr(augmenter, call)(X, y)
        n_new = 0 if result is augmenter else len(result[1]) - len(y)

    small, labels = datasets.gaussian_classes((10, 10), 5, seed)
    RHVAEAugmenter(max_epochs=2, device=device, random_state=seed).fit_resample(small, labels)
    X, y = datasets.gaussian_classes(point.class_sizes, point.n_columns, seed)
    if point.sweep == "sparse":
        filled = np.random.default_rng(seed).random(X.shape) < FILLED
        X = sparse.csr_matrix(np.where(filled, X, 0.0))
    seconds = []
    while not seconds or (len(seconds) < repeats and sum(seconds) < budget):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return seconds, n_new


def exponent(sizes, values):
    """Return the least-squares slope of log(values) on log(sizes); NaN for fewer than two.

    Parameters
    ----------
    sizes, values : array-like of shape (n_points,)
        Points whose value is NaN are left out.
    """
    sizes, values = np.asarray(sizes, float), np.asarray(values, float)
    known = np.isfinite(values)
    if known.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes[known]), np.log(values[known]), 1)[0])


def upper_half(sizes):
    """Return which sizes lie in the upper half of their range, on a log scale."""
    logs = np.log(np.asarray(sizes, float))
    return logs >= (logs.min() + logs.max()) / 2 - 1e-9


def measure(point, args):
    """Run a point in fresh processes.

    Returns
    -------
    row : dict
        Columns of the report; NaN where a process failed.
    errors : list of str
        What happened there.
    """
    epochs = args.epochs or (2 if args.quick else EPOCHS[point.sweep])
    row = {
        "sweep": point.sweep,
        "size": point.size,
        "rows": sum(point.class_sizes),
        "columns": point.n_columns,
        "classes": len(point.class_sizes),
        "epochs": epochs,
    }
    errors = []
    for call in calls(point.sweep):
        row |= {f"{call}_s": float("nan"), f"{call}_peak_mib": float("nan")}
        try:
            measured = harness.peak_memory_and_time(
                time_call, call, point, epochs, args.repeats, args.budget, args.device, args.seed
            )
        except RuntimeError as error:
            # The last line of the process's traceback.
            reason = str(error).strip().splitlines()[-1]
            errors.append(f"{point.sweep} at {point.size:,}, {call}: {reason}")
            continue
        seconds, n_new = measured.result
        row[f"{call}_s"] = harness.median(seconds)
        row[f"{call}_peak_mib"] = measured.peak / 2**20
        row["baseline_mib"] = measured.baseline / 2**20
        row[f"{call}_runs"] = len(seconds)
        if call == "fit_resample":
            row["new_rows"] = n_new
    return row, errors


def calls(sweep):
    """Return the methods that a sweep measures."""
    return ("fit",) if sweep == "memory" else ("fit", "fit_resample")


def summarise(sweep, rows):
    """Yield the figures of a sweep that have a bar: exponents, a ratio, or memory.

    Parameters
    ----------
    sweep : str
    rows : list of dict
        From :func:`measure`, smallest size first.
    """
    if sweep == "memory":
        for row in rows:
            measure = f"peak MB, {row['rows']:,} x {row['columns']:,}"
            value = row["fit_peak_mib"] * 2**20 / 1e6
            yield {"measure": measure, "call": "fit", "value": value, "at_most": MOST_MB}
        return
    sizes = np.array([row["size"] for row in rows])
    for call in calls(sweep):
        seconds = np.array([row[f"{call}_s"] for row in rows])
        if sweep == "imbalance":
            value, at_most = seconds[-1] / seconds[0], MOST_RATIO
            measure = f"seconds at 1:{sizes[-1]:,} / seconds at 1:{sizes[0]:,}"
            yield {"measure": measure, "call": call, "value": value, "at_most": at_most}
            continue
        upper = upper_half(sizes)
        yield {
            "measure": f"exponent of time in {sweep}, {sizes[0]:,} to {sizes[-1]:,}",
            "call": call,
            "value": exponent(sizes, seconds),
            "at_most": MOST_EXPONENT[sweep],
            "upper_half": exponent(sizes[upper], seconds[upper]),
            "upper_half_from": int(sizes[upper][0]),
        }


def main():
    """Run the sweeps; write the points and, in a second table, exponents beside their bars."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--sweeps", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--epochs", type=int, help=f"max_epochs of all points (None: {EPOCHS})")
    parser.add_argument(
        "--budget", type=float, default=20.0, help="seconds after which a point is not repeated"
    )
    args = parser.parse_args()
    harness.prepare(args)
    if args.quick:
        args.repeats = min(args.repeats, 2)
    report = harness.Report("scaling", parser.description, args)
    summary = harness.Report("scaling_summary", "Scaling: the figures with a bar.", args)

    work = {sweep: points(sweep, args.quick) for sweep in args.sweeps}
    with harness.progress(sum(map(len, work.values())), "scaling") as bar:
        for sweep, sweep_points in work.items():
            rows = []
            for point in sweep_points:
                bar.set_postfix_str(f"{sweep} = {point.size:,}")
                row, errors = measure(point, args)
                rows.append(row)
                report.add(**row)
                for error in errors:
                    report.note(f"FAILED: {error}")
                bar.update()
            for figure in summarise(sweep, rows):
                summary.add(**figure)

    report.note(
        "Seconds of the processor: median of the runs, in a process that has trained once on a "
        f"small table; a point is repeated up to {args.repeats} times, while its runs have taken "
        f"less than {args.budget:g} s."
    )
    report.note(
        "Peak: largest resident set of the process, baseline (interpreter and imports) and data "
        "included; on a GPU, the memory of the machine alone."
    )
    report.note(
        "Training is cut to the stated epochs; all else is at its default. fit trains every "
        "class; fit_resample also draws the new rows that the default strategy and factor ask "
        "for: all classes grow to 2 to 8 times the size of the largest."
    )
    report.note("The size of the sweep memory is rows x columns; of imbalance, majority/minority.")
    summary.note("Exponent: least-squares slope of log seconds on log size over the stated range.")
    summary.note("Upper half: the same from the middle of the range on, on a log scale.")
    summary.note(
        "Fixed costs flatten the exponent over the whole range; epochs are few (see "
        "scaling), so they count for more here than at default settings."
    )
    report.write()
    summary.write()


if __name__ == "__main__":
    main()
