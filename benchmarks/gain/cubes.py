"""From the long table of `benchmarks.gain` to arrays of paired scores."""

from typing import NamedTuple

import numpy as np

from benchmarks.gain import data, jobs, resamplers, scoring

__all__ = ["Cube", "build", "groups", "of_classifiers", "paired", "select"]


class Cube(NamedTuple):
    """Scores by set, seed, method and classifier.

    Attributes
    ----------
    sets, methods, classifiers : tuple of str
    seeds : tuple of int
    measures : dict of str to ndarray of shape (n_sets, n_seeds, n_methods, n_classifiers)
        Balanced accuracy and AUC in percent, log loss in nats; NaN where there is none.
    there : ndarray of bool of shape (n_sets, n_seeds, n_methods)
        Whether all classifiers were run, with or without success.
    seconds, closeness : ndarray of shape (n_sets, n_seeds, n_methods)
        Of the resampling; NaN where it was not run or failed.
    failed : ndarray of bool of shape (n_sets, n_seeds, n_methods)
        Whether resampling or any classifier failed.
    """

    sets: tuple
    seeds: tuple
    methods: tuple
    classifiers: tuple
    measures: dict
    there: np.ndarray
    seconds: np.ndarray
    closeness: np.ndarray
    failed: np.ndarray


def build(records, sets, methods, classifiers, train=jobs.AUGMENTED):
    """Put the records of one protocol into arrays.

    Parameters
    ----------
    records : list of dict
        From :func:`table.read`.
    sets, methods, classifiers : sequence of str
        What to take, in this order.
    train : {"augmented", "synthetic"}, default="augmented"
        What the classifiers were trained on.

    Returns
    -------
    cube : Cube
    """
    records = [r for r in records if r["train"] == train and r["classifier"] in classifiers]
    seeds = tuple(sorted({r["seed"] for r in records}))
    places = [{name: i for i, name in enumerate(axis)} for axis in (sets, seeds, methods)]
    shape = (len(sets), len(seeds), len(methods))
    n_there = np.zeros(shape, dtype=int)
    failed = np.zeros(shape, dtype=bool)
    seconds, closeness = np.full(shape, np.nan), np.full(shape, np.nan)
    measures = {name: np.full((*shape, len(classifiers)), np.nan) for name in scoring.MEASURES}
    for record in records:
        if record["set"] not in places[0] or record["method"] not in places[2]:
            continue
        names = (record["set"], record["seed"], record["method"])
        at = tuple(place[name] for place, name in zip(places, names, strict=True))
        n_there[at] += 1
        failed[at] |= bool(record["error"])
        seconds[at], closeness[at] = record["seconds"], record["closeness"]
        for name, values in measures.items():
            scale = 1.0 if name == "log_loss" else 100.0
            values[at][classifiers.index(record["classifier"])] = scale * record[name]
    return Cube(
        tuple(sets),
        seeds,
        tuple(methods),
        tuple(classifiers),
        measures,
        n_there == len(classifiers),
        seconds,
        closeness,
        failed,
    )


def of_classifiers(cube, measure, classifiers):
    """Return the mean over classifiers, (n_sets, n_seeds, n_methods).

    NaN where one of them has no score; classifiers that never have one (SVC has no log loss)
    are left out.

    Parameters
    ----------
    cube : Cube
    measure : str
    classifiers : sequence of str
    """
    values = cube.measures[measure]
    parts = [values[..., cube.classifiers.index(c)] for c in classifiers if c in cube.classifiers]
    parts = [part for part in parts if np.isfinite(part).any()]
    if not parts:
        return np.full(cube.there.shape, np.nan)
    return np.mean(parts, axis=0)


def select(cube, sets=None, methods=None):
    """Return the part of a cube with some sets and methods, in the order given."""
    sets = cube.sets if sets is None else sets
    methods = cube.methods if methods is None else methods
    rows = np.array([cube.sets.index(name) for name in sets], dtype=int)
    columns = np.array([cube.methods.index(name) for name in methods], dtype=int)

    def take(values):
        return values[rows][:, :, columns]

    return cube._replace(
        sets=tuple(sets),
        methods=tuple(methods),
        measures={name: take(values) for name, values in cube.measures.items()},
        there=take(cube.there),
        seconds=take(cube.seconds),
        closeness=take(cube.closeness),
        failed=take(cube.failed),
    )


def paired(cube):
    """Leave out the pairs of set and seed that a method lacks; failures are no lack.

    A method that a set's kind rules out (:func:`resamplers.applies`) is not waited for.

    Returns
    -------
    cube : Cube
        With NaN, and `there` False, in what was left out, and without the sets in which nothing
        is left.
    n_left_out : int
        Pairs of set and seed that at least one method has and another lacks.
    """
    exempt = [[not resamplers.applies(m, s) for m in cube.methods] for s in cube.sets]
    exempt = np.array(exempt, dtype=bool).reshape(len(cube.sets), 1, len(cube.methods))
    common = (cube.there | exempt).all(axis=2)
    n_left_out = int((cube.there.any(axis=2) & ~common).sum())
    keep = common[:, :, None] & cube.there

    def mask(values):
        gone = ~keep if values.ndim == 3 else ~keep[..., None]
        return np.where(gone, np.nan, values)

    cube = cube._replace(
        measures={name: mask(values) for name, values in cube.measures.items()},
        there=keep,
        seconds=mask(cube.seconds),
        closeness=mask(cube.closeness),
        failed=cube.failed & keep,
    )
    left = [
        name for name, any_there in zip(cube.sets, common.any(axis=1), strict=True) if any_there
    ]
    return select(cube, sets=left), n_left_out


def groups(sets):
    """Return the parts that a report has: each group with its sets, and whole sub-groups.

    Parameters
    ----------
    sets : sequence of str

    Returns
    -------
    parts : dict of str to list of str
    """
    parts = {}
    for name in sets:
        parts.setdefault(data.group_of(name), []).append(name)
    for name, members in data.PARTS.items():
        whole = set(members) <= set(sets)
        if whole and len(members) < len(parts[data.group_of(members[0])]):
            parts[name] = list(members)
    return parts
