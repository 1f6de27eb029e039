"""The engine: all measures of synthetic rows against real ones, per class and overall.

:func:`compare` is the only place where two sets of rows are measured; the report, its page and
plots, and the command line show what it returns.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import StratifiedKFold

from .._preprocessing.label_encoder import distinct_labels
from ..metrics import (
    attribute_inference,
    authenticity,
    classifier_two_sample_test,
    column_differences,
    distance_to_closest_record,
    maximum_mean_discrepancy,
    membership_inference,
    memorization_share,
    nearest_neighbor_distance_ratio,
    precision_recall_density_coverage,
    sliced_wasserstein_distance,
    train_on_synthetic,
    training_proximity,
    univariate_singling_out,
)
from .plots import find_plots
from .results import ALL, AugmentationReport, ReportLine
from .rows import Rows, code_rows, read_rows

__all__ = ["check_labels", "compare", "make_line"]

_HIGHER, _LOWER, _NEAR = "higher is better", "lower is better", "near the baseline"
_P_VALUE = "small: they differ"
_NONE = float("nan")
# Rows of which the median distance is taken.
_MAX_MEDIAN_ROWS = 500
# Columns that differ most, and those of them that are plotted.
_N_COLUMNS, _N_PLOTTED = 5, 3


def compare(
    X,
    y,
    X_new,
    y_new,
    X_holdout=None,
    y_holdout=None,
    *,
    classifier=None,
    cv=None,
    categorical_features=None,
    is_image=False,
    n_permutations=99,
    seed=0,
):
    """Compare synthetic rows with real ones by all measures, per class and overall.

    Parameters
    ----------
    X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features) or \
            (n_samples, *sample_shape)
        Real rows: those that the generator was trained on.
    y : array-like of shape (n_samples,)
    X_new, y_new : array-like
        Synthetic rows and their labels, which y has.
    X_holdout, y_holdout : array-like, default=None
        Real rows that the generator has not seen, and their labels, which y has.
    classifier : classifier, default=None
        For utility. None is a random forest on coded rows.
    cv : int, default=None
        Largest number of folds of the real rows for utility where no rows are held out; None
        leaves utility blank there.
    categorical_features : array-like of bool, int or str, default=None
    is_image : bool, default=False
        Whether flat rows are images; others than flat ones always are.
    n_permutations : int, default=99
        For the p-values, which 0 leaves out.
    seed : int, default=0

    Returns
    -------
    report : AugmentationReport

    Raises
    ------
    ValueError
        If rows and labels, or the columns of two sets, do not match; if only one of `X_holdout` and
        `y_holdout` is given; or if a label is not one of y.
    """
    if (X_holdout is None) != (y_holdout is None):
        missing = "X_holdout" if X_holdout is None else "y_holdout"
        raise ValueError(f"`{missing}` is None; give both rows held out and their labels, or none.")
    given = {"X": (X, y), "X_new": (X_new, y_new)}
    if X_holdout is not None:
        given["X_holdout"] = X_holdout, y_holdout
    sets = {name: read_rows(*pair, name) for name, pair in given.items()}
    labels = np.unique(sets["X"].y).tolist()
    for name, rows in sets.items():
        check_labels(rows.y, labels, name.replace("X", "y", 1), "y")
        if rows.X.shape[1] != sets["X"].X.shape[1]:
            raise ValueError(
                f"`{name}` has {rows.X.shape[1]} columns and `X` has {sets['X'].X.shape[1]}; give "
                "both the same columns in the same order."
            )
    is_image = is_image or np.ndim(X) > 2
    coded, categorical = code_rows(list(sets.values()), categorical_features, is_image)
    settings = _Settings(categorical, seed, n_permutations)
    return _Comparison(labels, coded, settings).report(classifier, cv)


def check_labels(labels, known, name, where):
    """Raise ValueError if a label is not among those that are known."""
    unknown = [label for label in distinct_labels(labels)[0].tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"`{name}` has the label {unknown[0]!r}, which {where} does not have; leave out its "
            "rows, or write labels alike."
        )


def make_line(name, label, value, baseline=_NONE, note="", kind=None):
    """Return the line of a report for one measure and class.

    Parameters
    ----------
    name : str
        A measure, or with ``kind="columns"`` a column, which is marked as the largest difference
        of a column is.
    label : object
    value, baseline : float
    note : str, default=""
    kind : str, default=None
        None is that of the measure.

    Returns
    -------
    line : ReportLine
    """
    measure = _MEASURES["largest column difference" if kind == "columns" else name]
    value, baseline = float(value), float(baseline)
    marked = bool(measure.is_poor(value, baseline))
    kind = kind or measure.kind
    return ReportLine(name, kind, label, value, baseline, measure.direction, marked, note)


class _Measure(NamedTuple):
    """What is known of a measure.

    Attributes
    ----------
    kind : {"fidelity", "utility", "privacy"}
    direction : str
        What is good.
    is_poor : callable
        ``is_poor(value, baseline)`` is True for a value to be marked; where the rule needs a
        baseline and there is none (NaN), it is False.
    """

    kind: str
    direction: str
    is_poor: Callable = lambda value, baseline: False


class _Settings(NamedTuple):
    """What a measure needs beside two sets of rows.

    Attributes
    ----------
    categorical : ndarray of bool of shape (n_features,)
    seed : int
    n_permutations : int
        For the p-values.
    """

    categorical: np.ndarray
    seed: int
    n_permutations: int


class _Group(NamedTuple):
    """Measures that are computed together.

    Attributes
    ----------
    names : tuple of str
    n_least : int
        Fewest rows in either set.
    compute : callable
        ``compute(real, other, settings)`` returns one number a name, of two sets of rows.
    """

    names: tuple
    n_least: int
    compute: Callable


def _below(share):
    return lambda value, baseline: value < share * baseline


def _above(multiple):
    return lambda value, baseline: value > multiple * baseline


_MEASURES = {
    "precision": _Measure("fidelity", _HIGHER, _below(0.5)),
    "recall": _Measure("fidelity", _HIGHER, _below(0.5)),
    "density": _Measure("fidelity", "1 is ideal", _below(0.5)),
    "coverage": _Measure("fidelity", _HIGHER, _below(0.5)),
    "two-sample AUC": _Measure("fidelity", "0.5 is ideal", lambda v, _: v > 0.8),
    "two-sample p-value": _Measure("fidelity", _P_VALUE),
    "mean discrepancy (MMD²)": _Measure("fidelity", "0 is ideal"),
    "MMD² p-value": _Measure("fidelity", _P_VALUE),
    "sliced Wasserstein": _Measure("fidelity", _LOWER, _above(3)),
    # The baseline of one column may be small by chance. Between few rows it is large, and since
    # no difference is above 1, half of what is left is then much.
    "largest column difference": _Measure(
        "fidelity", _LOWER, lambda v, baseline: v > min(3 * baseline + 0.1, (1 + baseline) / 2)
    ),
    "train synthetic, test real": _Measure(
        "utility", "baseline or higher", lambda v, baseline: v < baseline - 0.1
    ),
    "train real, test synthetic": _Measure("utility", _NEAR),
    "distance to closest record": _Measure("privacy", _NEAR, _below(0.5)),
    "distance ratio": _Measure("privacy", _NEAR, _below(0.5)),
    "authenticity": _Measure("privacy", _NEAR, _below(0.5)),
    "memorization share": _Measure("privacy", _LOWER, lambda v, baseline: v > baseline + 0.1),
    "training proximity": _Measure("privacy", _NEAR, lambda v, baseline: v > baseline + 0.1),
    "membership AUC": _Measure("privacy", "0.5 is ideal", lambda v, _: v > 0.6),
    "membership at 1 % false": _Measure("privacy", _LOWER, lambda v, _: v > 0.05),
    "attribute inference": _Measure("privacy", _NEAR, lambda v, baseline: v > baseline + 0.1),
    "singling out": _Measure("privacy", _NEAR, lambda v, baseline: v > baseline + 0.1),
    "close rows": _Measure("privacy", _LOWER, lambda v, baseline: v > baseline + 0.1),
    "near-copies": _Measure("privacy", _LOWER, lambda v, baseline: v > baseline + 0.1),
    "copies": _Measure("privacy", _LOWER, lambda v, baseline: v > baseline + 0.1),
}

# Left out where no permutation is asked for.
_P_VALUES = ("two-sample p-value", "MMD² p-value")


def _neighbourhoods(real, other, settings):
    return precision_recall_density_coverage(real.coded, other.coded)


def _two_samples(real, other, settings):
    return classifier_two_sample_test(
        real.coded,
        other.coded,
        n_permutations=settings.n_permutations,
        random_state=settings.seed,
    )


def _distances(real, other, settings):
    seed = settings.seed
    # The bandwidth of the real rows alone, so that value and baseline have the same.
    rows = np.random.default_rng(seed).permutation(len(real.coded))[:_MAX_MEDIAN_ROWS]
    distances = pairwise_distances(real.coded[rows])
    distances = distances[distances > 0]
    discrepancy = maximum_mean_discrepancy(
        real.coded,
        other.coded,
        bandwidth=float(np.median(distances)) if len(distances) else "median",
        scale=None,
        random_state=seed,
    )
    # That of both sets together, for a p-value that is exact.
    test = maximum_mean_discrepancy(
        real.coded,
        other.coded,
        scale=None,
        n_permutations=settings.n_permutations,
        random_state=seed,
    )
    distance = sliced_wasserstein_distance(real.coded, other.coded, scale=None, random_state=seed)
    return discrepancy.statistic, test.p_value, distance


def _columns(real, other, settings):
    return (_column_results(real, other, settings).differences.max(),)


def _column_results(real, other, settings):
    """Return the differences of the columns of two sets of rows, uncoded."""
    categorical = settings.categorical if settings.categorical.any() else None
    return column_differences(real.X, other.X, categorical_features=categorical)


def _closeness(training, other, settings):
    to_training = other.coded, training.coded
    return (
        np.median(distance_to_closest_record(*to_training, scale=None)),
        np.median(nearest_neighbor_distance_ratio(*to_training, scale=None)),
        authenticity(*to_training, scale=None),
        memorization_share(*to_training),
    )


# The first set is that of the real rows; for "privacy" those that the generator was trained on.
_GROUPS = (
    _Group(("precision", "recall", "density", "coverage"), 6, _neighbourhoods),
    _Group(("two-sample AUC", "two-sample p-value"), 5, _two_samples),
    _Group(("mean discrepancy (MMD²)", "MMD² p-value", "sliced Wasserstein"), 2, _distances),
    _Group(("largest column difference",), 2, _columns),
    _Group(
        (
            "distance to closest record",
            "distance ratio",
            "authenticity",
            "memorization share",
        ),
        2,
        _closeness,
    ),
)


class _Pairs(NamedTuple):
    """What is compared for one class, or for all of them.

    Attributes
    ----------
    real, synthetic : Rows
    holdout : Rows or None
    fidelity, privacy : (Rows, Rows), or None
        Two sets of real rows, of which the baseline is measured; None where there are no such rows.
    """

    real: Rows
    synthetic: Rows
    holdout: Rows | None
    fidelity: tuple
    privacy: tuple | None

    @property
    def reference(self):
        """The real rows that fidelity is measured against: those held out, where there are some."""
        return self.real if self.holdout is None else self.holdout


class _Comparison:
    """Collects the lines of a report.

    Parameters
    ----------
    labels : list
        The classes in order.
    sets : list of Rows
        Real, synthetic and, where there are some, held-out rows.
    settings : _Settings
    """

    def __init__(self, labels, sets, settings):
        self.labels, self.settings = labels, settings
        self.real, self.synthetic, *holdout = sets
        self.holdout = holdout[0] if holdout else None
        # The order of all rows, of which the two halves of each class are made.
        self.order = np.random.default_rng(settings.seed).permutation(len(self.real.y))

    def report(self, classifier, cv):
        """Return the AugmentationReport."""
        n_synthetic = self._count(self.synthetic)
        # All rows together are those of the classes that can be compared.
        everything = self._pairs([label for label, n in n_synthetic.items() if n])
        lines = self._measures(ALL, everything)
        for label, n in n_synthetic.items():
            lines += self._measures(label, self._pairs([label])) if n else _blank(label)
        columns, shown = self._columns(everything)
        lines += columns + self._utility(everything, classifier, cv) + _attacks(everything)
        if not self.settings.n_permutations:
            lines = [line for line in lines if line.measure not in _P_VALUES]
        real, synthetic, seed = everything.real, everything.synthetic, self.settings.seed
        plots = find_plots(
            real, synthetic, everything.privacy, shown, self.settings.categorical, seed
        )
        n_holdout = {} if self.holdout is None else self._count(self.holdout)
        return AugmentationReport(
            tuple(lines), self._count(self.real), n_synthetic, n_holdout, plots
        )

    def _count(self, rows):
        return {label: int(np.sum(rows.y == label)) for label in self.labels}

    def _pairs(self, labels):
        real, synthetic, holdout = (
            rows and rows.take(np.flatnonzero(np.isin(rows.y, labels)))
            for rows in (self.real, self.synthetic, self.holdout)
        )
        if holdout is not None:
            privacy = (real, holdout) if len(holdout.y) else None
            return _Pairs(real, synthetic, holdout, (holdout, real), privacy)
        halves = [], []
        for label in labels:
            rows = self.order[self.real.y[self.order] == label]
            for half, part in zip(halves, np.array_split(rows, 2), strict=True):
                half.append(part)
        pair = tuple(self.real.take(np.concatenate(half)) for half in halves)
        return _Pairs(real, synthetic, None, pair, pair if len(pair[1].y) else None)

    def _measures(self, label, pairs):
        """Return the lines of the measures of all groups."""
        lines = []
        for group in _GROUPS:
            is_fidelity = _MEASURES[group.names[0]].kind == "fidelity"
            against = pairs.reference if is_fidelity else pairs.real
            usual = pairs.fidelity if is_fidelity else pairs.privacy
            values, note = self._values(group, against, pairs.synthetic)
            baselines, why = [_NONE] * len(values), "there are no rows for a baseline"
            if usual is not None:
                baselines, why = self._values(group, *usual)
                why = why and f"no baseline, which {why}"
            lines += [
                make_line(name, label, value, baseline, note or why)
                for name, value, baseline in zip(group.names, values, baselines, strict=True)
            ]
        return [*lines, _proximity(label, pairs)]

    def _values(self, group, real, other):
        """Return the values of a group, and why they are blank."""
        fewest = min(len(real.y), len(other.y))
        if fewest < group.n_least:
            note = f"needs {group.n_least} rows in either set, and a class or its part has {fewest}"
            return [_NONE] * len(group.names), note
        return [float(value) for value in group.compute(real, other, self.settings)], ""

    def _columns(self, pairs):
        """Return lines of the columns that differ most; position and name of those to plot."""
        if not min(len(part.y) for part in (pairs.reference, *pairs.fidelity)):
            return [], []
        result = _column_results(pairs.reference, pairs.synthetic, self.settings)
        usual = _column_results(*pairs.fidelity, self.settings).differences
        order = np.argsort(-result.differences, kind="stable")[:_N_COLUMNS]
        names = [f"column {name}" for name in result.names]
        # One column is the largest of all, which has a line already.
        lines = [
            make_line(names[j], ALL, result.differences[j], usual[j], kind="columns")
            for j in (order if len(names) > 1 else ())
        ]
        return lines, [(int(j), names[j]) for j in order[:_N_PLOTTED]]

    def _utility(self, pairs, classifier, cv):
        """Return the lines of a classifier trained on one kind of rows and tested on the other."""
        names = "train synthetic, test real", "train real, test synthetic"
        fewest = np.unique(pairs.real.y, return_counts=True)[1].min()
        note = ""
        if self.holdout is None and cv is None:
            note = "needs rows held out"
        elif min(len(np.unique(rows.y)) for rows in (pairs.synthetic, pairs.reference)) < 2:
            note = "needs synthetic rows and rows held out of at least two classes"
        elif self.holdout is None and fewest < 2:
            note = "needs at least two real rows of every class"
        if note:
            return [make_line(name, ALL, _NONE, note=note) for name in names]
        # As scikit-learn takes it.
        seed = self.settings.seed % 2**32
        splits = [(pairs.real, pairs.holdout)]
        if self.holdout is None:
            folds = StratifiedKFold(min(cv, fewest), shuffle=True, random_state=seed)
            y = pairs.real.y
            splits = [map(pairs.real.take, split) for split in folds.split(y, y)]
        of_rows = attrgetter("X", "y")
        if classifier is None:
            classifier, of_rows = (
                RandomForestClassifier(random_state=seed),
                attrgetter("coded", "y"),
            )
        scores = [
            train_on_synthetic(
                classifier, *of_rows(train), *of_rows(pairs.synthetic), *of_rows(test)
            )
            for train, test in splits
        ]
        baseline, *values = np.mean(scores, axis=0)
        return [make_line(name, ALL, v, baseline) for name, v in zip(names, values, strict=True)]


def _blank(label):
    """Return the lines of a class that has no synthetic rows."""
    names = [name for group in _GROUPS for name in group.names]
    note = "there are no synthetic rows of the class"
    return [make_line(name, label, _NONE, note=note) for name in (*names, "training proximity")]


def _proximity(label, pairs):
    name = "training proximity"
    if pairs.holdout is None:
        return make_line(name, label, _NONE, note="needs rows held out")
    if not len(pairs.holdout.y):
        return make_line(name, label, _NONE, note="the class has no rows held out")
    sets = pairs.synthetic, pairs.real, pairs.holdout
    result = training_proximity(*(rows.coded for rows in sets), scale=None)
    return make_line(name, label, result.share, result.expected_share)


def _attacks(pairs):
    """Return the lines of attacks on all training rows, with rows held out as the control."""
    if pairs.holdout is None or not len(pairs.holdout.y):
        return []
    sets = [rows.coded for rows in (pairs.synthetic, pairs.real, pairs.holdout)]
    membership = membership_inference(*sets, scale=None)
    lines = [
        make_line("membership AUC", ALL, membership.auc, 0.5),
        make_line("membership at 1 % false", ALL, membership.true_positive_rate, 0.01),
        make_line("singling out", ALL, *univariate_singling_out(*sets)),
    ]
    if sets[0].shape[1] > 1:
        lines.append(make_line("attribute inference", ALL, *attribute_inference(*sets, scale=None)))
    return lines
