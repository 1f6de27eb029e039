"""The engine: all measures of synthetic rows against real ones, per class and overall.

:func:`compare` is the only place where two sets of rows are measured; `augmentation_report`, the
page, its plots and the command line show what it returns.
"""

import math
from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from scipy.stats import hypergeom
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import pairwise_distances

from .._components import ImageShape, component
from .._preprocessing.arithmetic import row_keys
from .._preprocessing.images import ImageLayout, image_layout
from .._random import root_seed
from .._validation import check_count, check_sample_shape, no_data_in_errors
from ..metrics import (
    attribute_inference,
    authenticity,
    classifier_two_sample_test,
    column_differences,
    linkability,
    maximum_mean_discrepancy,
    membership_inference,
    memorization_share,
    nearest_neighbor_distance_ratio,
    precision_recall_density_coverage,
    sliced_wasserstein_distance,
    train_on_synthetic,
    training_proximity,
)
from ..metrics._attacks import count_singled_out
from ..metrics._columns import _read, associations
from ..metrics._utility import check_classifier, check_labels
from .html import made_with
from .measures import MEASURES, SHARES
from .plots import closest_distance, find_plots
from .results import ALL, AugmentationReport, make_line
from .rows import Rows, code_rows, read_rows
from .verdict import area_margin, share_margin

_NONE = float("nan")
# Largest number of rows from which the median distance is computed.
_MAX_MEDIAN_ROWS = 500
# Number of columns listed as those that differ most, and number of columns whose pairs are
# compared.
_N_COLUMNS, _MAX_PAIRED = 5, 40
# Smallest excess over chance that is worth a mark.
_NOTABLE = 0.1


@no_data_in_errors()
def compare(
    X,
    y,
    X_new,
    y_new,
    X_holdout=None,
    y_holdout=None,
    *,
    classifier=None,
    categorical_features=None,
    sample_shape=None,
    n_permutations=99,
    random_state=None,
):
    """Compare synthetic rows from any source with real ones, per class and overall.

    Parameters
    ----------
    X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features) or \
            (n_samples, *sample_shape)
        Real rows, those that the synthetic ones were made from.
    y : array-like of shape (n_samples,)
        Their class labels.
    X_new : like X, of shape (n_new, n_features) or (n_new, *sample_shape)
        Synthetic rows.
    y_new : array-like of shape (n_new,)
        Their class labels, which must occur in y.
    X_holdout : like X, of shape (n_holdout, n_features) or (n_holdout, *sample_shape), default=None
        Real rows from the same source that the generator has not seen. Without them fidelity is
        measured against the training rows, which copies match best, and utility and attacks are
        not measured.
    y_holdout : array-like of shape (n_holdout,), default=None
        Their class labels, which must occur in y.
    classifier : classifier, default=None
        Classifier that is trained on synthetic rows and tested on rows held out. It gets the rows
        as they are, with flattened images. None is a
        :class:`~sklearn.ensemble.RandomForestClassifier` on coded rows.
    categorical_features : array-like of bool, int or str, default=None
        Mask, positions or names of columns of categories, in addition to columns of text.
    sample_shape : tuple of int or ImageShape, default=None
        Shape of an image or a volume, if rows are flat images. An
        :class:`~sklearn_pyraug.ImageShape` gives the axis of channels, too.
    n_permutations : int, default=99
        Random divisions of the rows for the p-values; 0 leaves them out.
    random_state : int, RandomState instance or None, default=None
        Seed of the measures and of the default classifier; None draws a new one.

    Returns
    -------
    report : AugmentationReport
        It prints a ``verdict``, ``scores`` and a table, and has ``alerts``, ``to_frame()`` and
        ``to_html()``.

    Raises
    ------
    TypeError
        If `classifier` is no classifier.
    ValueError
        If rows and labels, or the columns of two sets, do not match; if only one of `X_holdout` and
        `y_holdout` is given; if a label is not one of y; if all rows held out are training rows; if
        `categorical_features` or `sample_shape` does not fit the columns; if rows hold infinity,
        or images NaN; or if `n_permutations` is no integer of at least 0.

    See Also
    --------
    augmentation_report : Report on the rows that an augmenter draws.
    augmentation_gain : Whether synthetic rows help a classifier.

    Notes
    -----
    The measures, baselines and marks are those of :func:`~sklearn_pyraug.augmentation_report`,
    whose notes say how to read them.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_pyraug import compare
    >>> X, X_holdout, y, y_holdout = train_test_split(
    ...     *load_breast_cancer(return_X_y=True), random_state=0
    ... )
    >>> X_res, y_res = SMOTE(random_state=0).fit_resample(X, y)
    >>> X_new, y_new = X_res[len(X) :], y_res[len(X) :]
    >>> report = compare(X, y, X_new, y_new, X_holdout, y_holdout, random_state=0)
    >>> report
    <AugmentationReport: 108 synthetic rows, 426 training rows, 143 rows held out, 2 classes.>
    """
    seed = root_seed(random_state)
    check_settings(X_holdout, y_holdout, classifier, n_permutations)
    given = {"X": (X, y), "X_new": (X_new, y_new)}
    if X_holdout is not None:
        given["X_holdout"] = X_holdout, y_holdout
    sets = {name: read_rows(*pair, name) for name, pair in given.items()}
    labels = np.unique(sets["X"].y).tolist()
    if ALL in labels:
        raise ValueError(
            f"`y` has the label {ALL!r}, which stands for all rows in the report; rename it."
        )
    for name, rows in sets.items():
        check_labels(rows.y, labels, name.replace("X", "y", 1), "y")
    shape, layout = _pictures(X, sets["X"].X.shape[1], sample_shape)
    coded, categorical = code_rows(sets, categorical_features, is_image=shape is not None)
    settings = _Settings(categorical, seed, n_permutations, layout)
    return _Comparison(labels, coded, settings).report(classifier)


def check_settings(X_holdout, y_holdout, classifier, n_permutations):
    """Raise TypeError or ValueError if something is not what `compare` takes, whatever the rows."""
    check_count("n_permutations", n_permutations, least=0)
    if classifier is not None:
        check_classifier(classifier)
    if (X_holdout is None) != (y_holdout is None):
        missing = "X_holdout" if X_holdout is None else "y_holdout"
        raise ValueError(f"`{missing}` is None; give both rows held out and their labels, or none.")


def _pictures(X, n_features, sample_shape):
    """Return the shape of a row and its layout as a picture, each None where there is none."""
    image = component("sample_shape", sample_shape) or ImageShape()
    if isinstance(image.shape, str):
        shape = np.shape(X)[1:]
        if len(shape) < 2:
            return None, None
    else:
        shape = check_sample_shape(image.shape, n_features)
    try:
        layout = image_layout(shape, image.channels)
    except ValueError:
        # Rows of other shapes are measured, but not shown as pictures.
        return shape, None
    return shape, layout if len(layout.extent) > 1 else None


def _alerts(real, synthetic, holdout):
    """Return sentences on rows that are in two sets, and the number of copies.

    Raise if no row was truly held out.

    Equal rows are only reported if there are more than among real rows of one set, because rows
    of few categories may agree by chance.
    """
    keys = [
        list(row_keys(rows.coded)) if rows is not None else []
        for rows in (real, synthetic, holdout)
    ]
    counts = Counter(keys[0])
    of_real, of_holdout = set(counts), set(keys[2])
    largest = max((counts, Counter(keys[2])), key=Counter.total)

    def n_equal(rows, others, n_others):
        n, usual = sum(key in others for key in rows), _twin_share(largest, n_others)
        # Equal rows come in pairs, so that shares of few rows vary twice as much.
        variance = usual * (1 - usual) * len(rows) * (1 + 2 * len(rows) / max(n_others, 1))
        return n if n > usual * len(rows) + 2 * np.sqrt(variance) else 0

    alerts, n_copies = [], n_equal(keys[1], of_real, len(keys[0]))
    if Counter(keys[1]) == counts:
        alerts.append(
            "The synthetic rows are the training rows: this compares a table with itself. Give the "
            "synthetic rows alone."
        )
    elif n_copies:
        alerts.append(
            f"{n_copies} of {len(keys[1])} synthetic rows equal{_s(n_copies)} a training row: "
            "copies protect no one and teach nothing new. Leave them out."
        )
    if n := n_equal(keys[2], of_real, len(keys[0])):
        if n == len(keys[2]):
            raise ValueError(
                "all rows of `X_holdout` are rows of `X`, which the generator has seen: hold out "
                "rows before it is trained."
            )
        alerts.append(
            f"{n} of {len(keys[2])} rows held out equal{_s(n)} a training row: that is no test, "
            "and scores flatter. Hold out rows before the generator is trained."
        )
    if n := n_equal(keys[1], of_holdout - of_real, len(keys[2])):
        alerts.append(
            f"{n} of {len(keys[1])} synthetic rows equal{_s(n)} a row held out: the generator has "
            "seen these, and scores flatter. Hold out rows before it is trained."
        )
    return tuple(alerts), n_copies


def _twin_share(counts, n_others):
    """Return the share of rows that equal one of `n_others` rows of the same distribution.

    Parameters
    ----------
    counts : Counter
        How often each row stands in a set, of at least two rows.
    n_others : int
        If more than the set has, an upper bound is returned.

    Returns
    -------
    share : float
    """
    counts = np.array(list(counts.values()))
    n_left = counts.sum() - 1
    n_drawn = min(n_others, n_left)
    if not n_drawn:
        return 0.0
    share = counts @ hypergeom.sf(0, n_left, counts - 1, n_drawn) / counts.sum()
    return min(1.0, float(share) * n_others / n_drawn)


def _s(n):
    return "s" if n == 1 else ""


def described(estimator):
    """Return an estimator with the parameters that were set, as text."""
    return repr(estimator) if hasattr(estimator, "get_params") else type(estimator).__name__


class _Settings(NamedTuple):
    """What a measure needs in addition to two sets of rows.

    Attributes
    ----------
    categorical : ndarray of bool of shape (n_features,)
    seed : int
    n_permutations : int
        For the p-values.
    layout : ImageLayout or None
        Where rows are pictures.
    """

    categorical: np.ndarray
    seed: int
    n_permutations: int
    layout: ImageLayout | None


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


# Left out if n_permutations is 0.
_P_VALUES = ("two-sample p-value", "MMD² p-value")


def _neighbourhoods(real, other, settings):
    return precision_recall_density_coverage(real.coded, other.coded)


def _two_samples(real, other, settings):
    return classifier_two_sample_test(
        real.coded, other.coded, n_permutations=settings.n_permutations, random_state=settings.seed
    )


def _distances(real, other, settings):
    seed = settings.seed
    # The bandwidth comes from the real rows only, so that value and baseline share it.
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
    # The bandwidth of both sets together makes the p-value exact.
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
    differences = _column_results(real, other, settings).differences
    return differences.mean(), differences.max()


def _pair_differences(real, other, settings):
    if real.X.shape[1] < 2:
        return (_NONE,)
    categorical = settings.categorical if settings.categorical.any() else None
    tables = [_read("X", rows.X, categorical) for rows in (real, other)]
    chosen = np.unique(np.linspace(0, real.X.shape[1] - 1, _MAX_PAIRED).astype(int))
    first, second = (associations(table, chosen) for table in tables)
    numbers = ~settings.categorical[chosen]
    # Correlations lie between -1 and 1, associations between 0 and 1.
    widths = 1 + np.outer(numbers, numbers)
    pairs = np.triu_indices(len(chosen), 1)
    return (np.mean((np.abs(first - second) / widths)[pairs]),)


def _column_results(real, other, settings):
    """Return the differences of the columns of two sets of rows, uncoded."""
    categorical = settings.categorical if settings.categorical.any() else None
    return column_differences(real.X, other.X, categorical_features=categorical)


def _closeness(training, other, settings):
    to_training = other.coded, training.coded
    return (
        np.median(closest_distance(other, training)),
        np.median(nearest_neighbor_distance_ratio(*to_training, scale=None)),
        authenticity(*to_training, scale=None),
        memorization_share(*to_training),
    )


# The first set has the real rows; for "privacy", those that the generator was trained on.
_GROUPS = (
    _Group(("precision", "recall", "density", "coverage"), 6, _neighbourhoods),
    _Group(("two-sample AUC", "two-sample p-value"), 5, _two_samples),
    _Group(("mean discrepancy (MMD²)", "MMD² p-value", "sliced Wasserstein"), 2, _distances),
    _Group(("mean column difference", "largest column difference"), 2, _columns),
    _Group(("mean pair difference",), 3, _pair_differences),
    _Group(
        ("distance to closest record", "distance ratio", "authenticity", "memorization share"),
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
        # The order in which rows are dealt to the two halves of each class.
        self.order = np.random.default_rng(settings.seed).permutation(len(self.real.y))

    def report(self, classifier):
        """Return the AugmentationReport."""
        alerts, n_copies = _alerts(self.real, self.synthetic, self.holdout)
        n_synthetic = self._count(self.synthetic)
        # "All rows" means those of the classes that can be compared.
        everything = self._pairs([label for label, n in n_synthetic.items() if n])
        lines = self._measures(ALL, everything)
        for label, n in n_synthetic.items():
            lines += self._measures(label, self._pairs([label])) if n else _blank(label)
        columns, shown = self._columns(everything)
        lines += columns + self._utility(everything, classifier) + attack_lines(everything)
        if not self.settings.n_permutations:
            lines = [line for line in lines if line.measure not in _P_VALUES]
        plots = find_plots(everything, shown, self.settings)
        n_holdout = {} if self.holdout is None else self._count(self.holdout)
        told = {
            "classifier": described(classifier) if classifier else "RandomForestClassifier()",
            "permutations for p-values": str(self.settings.n_permutations),
            "seed of the measures": str(self.settings.seed),
        }
        return AugmentationReport(
            tuple(lines),
            self._count(self.real),
            n_synthetic,
            n_holdout,
            plots,
            alerts,
            n_copies,
            made_with() | told,
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
            is_fidelity = MEASURES[group.names[0]].kind == "fidelity"
            against = pairs.reference if is_fidelity else pairs.real
            usual = pairs.fidelity if is_fidelity else pairs.privacy
            values, note = self._values(group, against, pairs.synthetic)
            baselines, why = [_NONE] * len(values), "there are no rows for a baseline"
            if usual is not None:
                baselines, why = self._values(group, *usual)
                why = why and f"no baseline, which {why}"
            sizes = len(pairs.synthetic.y), len(usual[1].y) if usual is not None else 0
            lines += [
                make_line(name, label, *pair, note or why, margin=_chance(name, *pair, *sizes))
                for name, *pair in zip(group.names, values, baselines, strict=True)
            ]
        return [*lines, _proximity(label, pairs)]

    def _values(self, group, real, other):
        """Return the values of a group, and why they are blank."""
        fewest = min(len(real.y), len(other.y))
        if fewest < group.n_least:
            note = f"needs {group.n_least} rows in either set, and a class or its part has {fewest}"
            return [_NONE] * len(group.names), note
        values = [float(value) for value in group.compute(real, other, self.settings)]
        return values, "needs two columns" if np.isnan(values).all() else ""

    def _columns(self, pairs):
        """Return lines of the columns that differ most; position and name of those to plot."""
        if not min(len(part.y) for part in (pairs.reference, *pairs.fidelity)):
            return [], []
        result = _column_results(pairs.reference, pairs.synthetic, self.settings)
        usual = _column_results(*pairs.fidelity, self.settings).differences
        order = np.argsort(-result.differences, kind="stable")
        names = [f"column {name}" for name in result.names]
        shown = [
            str(x) if isinstance(x, str) else name
            for x, name in zip(result.names, names, strict=True)
        ]
        # A single column is the largest difference, which already has a line.
        lines = [
            make_line(names[j], ALL, result.differences[j], usual[j], kind="columns")
            for j in (order[:_N_COLUMNS] if len(names) > 1 else ())
        ]
        found = [(int(j), shown[j], result.differences[j], usual[j]) for j in order]
        return lines, found

    def _utility(self, pairs, classifier):
        """Return the lines of a classifier trained on one kind of rows and tested on the other."""
        names = "train synthetic, test real", "train real, test synthetic"
        note = ""
        if self.holdout is None:
            note = "needs rows held out"
        elif min(len(np.unique(rows.y)) for rows in (pairs.synthetic, pairs.reference)) < 2:
            note = "needs synthetic rows and rows held out of at least two classes"
        if note:
            return [make_line(name, ALL, _NONE, note=note) for name in names]
        of_rows = attrgetter("X", "y")
        if classifier is None:
            # scikit-learn's seeds end at 2**32.
            classifier = RandomForestClassifier(random_state=self.settings.seed % 2**32)
            of_rows = attrgetter("coded", "y")
        baseline, *values = train_on_synthetic(
            classifier, *of_rows(pairs.real), *of_rows(pairs.synthetic), *of_rows(pairs.holdout)
        )
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
    n, *n_real = (len(rows.y) for rows in sets)
    pair = result.share, result.expected_share
    return make_line(name, label, *pair, margin=_chance(name, *pair, n, sum(n_real)))


def _chance(name, value, baseline, n, n_baseline):
    """Return how far chance may move a measure from its baseline; 0 if this is not known."""
    return share_margin(value, baseline, n, n_baseline) if name in SHARES else 0.0


def attack_lines(pairs):
    """Return the lines of attacks on all training rows, with rows held out as the control.

    Parameters
    ----------
    pairs : _Pairs
        Of all classes.

    Returns
    -------
    lines : list of ReportLine
        None without rows held out.
    """
    if pairs.holdout is None or not len(pairs.holdout.y):
        return []
    sets = [rows.coded for rows in (pairs.synthetic, pairs.real, pairs.holdout)]
    n, n_holdout = len(sets[1]), len(sets[2])
    membership = membership_inference(*sets, scale=None)
    margin = area_margin(n, n_holdout)
    singled_out, n_guesses = count_singled_out(*sets)
    # There may be fewer values than rows.
    guessed = min(1.0, n_guesses / n)
    lines = [
        make_line("membership AUC", ALL, membership.auc, 0.5, _known_to(margin), margin=margin),
        _attack_line(
            "membership at 1 % false", membership.true_positive_rate, 0.01, n, n_holdout, 100
        ),
        _attack_line("singling out", *singled_out, guessed * n, guessed * n_holdout),
    ]
    if pairs.real.X.shape[1] > 1:
        groups = pairs.real.sources
        for name, attack in (
            ("linkability", linkability),
            ("attribute inference", attribute_inference),
        ):
            shares = attack(*sets, groups=groups, scale=None)
            lines.append(_attack_line(name, *shares, n, n_holdout))
    return lines


def _attack_line(name, share, control, n, n_holdout, n_least=0):
    """Return the line of shares of n training rows and of rows held out that an attack finds."""
    margin = share_margin(share, control, n, n_holdout)
    note = _known_to(margin)
    if n_holdout < n_least:
        note += f"; needs {n_least} rows held out to mean anything, and there are {n_holdout}"
    return make_line(name, ALL, share, control, note, margin=margin)


def _known_to(margin):
    """Return how well a figure is known, and how many rows it takes to see a tenth."""
    note = f"known to ±{margin:.2f}"
    if margin > _NOTABLE:
        factor = math.ceil((margin / _NOTABLE) ** 2 * 10) / 10
        note += f": take {factor:g} times as many rows, in training and held out, to see 0.1"
    return note
