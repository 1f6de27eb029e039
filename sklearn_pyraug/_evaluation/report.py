"""How good, varied, useful and private an augmenter's rows are: all measures in one report."""

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

from .._random import root_seed
from .._validation import no_data_in_errors
from ..metrics import train_on_synthetic, training_proximity
from ..metrics._pairs import check_count
from .compare import GROUPS, MEASURES, P_VALUES, Settings, column_results
from .plots import find_plots
from .results import ALL, AugmentationReport, ReportLine
from .rows import Rows, code_rows, read_rows

__all__ = ["augmentation_report"]

# Columns that differ most, and those of them that are plotted.
_N_COLUMNS, _N_PLOTTED = 5, 3
_NONE = float("nan")


@no_data_in_errors()
def augmentation_report(
    augmenter,
    X,
    y,
    X_holdout=None,
    y_holdout=None,
    *,
    classifier=None,
    n_permutations=99,
    random_state=None,
):
    """Compare an augmenter's synthetic rows with real ones by all measures, per class and overall.

    As many synthetic rows of each class as there are real ones are drawn by ``sample``.

    Parameters
    ----------
    augmenter : object with ``sample(n_samples)``
        An :class:`~sklearn_pyraug.RHVAEAugmenter`, or another one whose ``sample`` takes a dict of
        label to number of rows and returns rows and labels. Fitted to X and y, by ``fit`` or
        ``fit_resample``; or not fitted (it has no ``classes_``), and a clone is.

    X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features) or \
            (n_samples, *sample_shape)
        Real rows that the augmenter is trained on.

    y : array-like of shape (n_samples,)
        Their class labels.

    X_holdout : like X, of shape (n_holdout, n_features) or (n_holdout, *sample_shape), default=None
        Real rows of the same source, with about the same shares of classes, that the augmenter has
        not seen. Without them fidelity is measured against the training rows, which a copier
        matches best, and the measures that need them are left blank.

    y_holdout : array-like of shape (n_holdout,), default=None
        Their class labels, of classes that y has.

    classifier : classifier, default=None
        For training on synthetic and testing on real rows, which needs a hold-out. It gets the rows
        as they come, images flattened. None is a
        :class:`~sklearn.ensemble.RandomForestClassifier` on coded rows, see the notes.

    n_permutations : int, default=99
        Random divisions of the rows for the p-values of the two-sample AUC and of the mean
        discrepancy, see :func:`~sklearn_pyraug.metrics.classifier_two_sample_test` and
        :func:`~sklearn_pyraug.metrics.maximum_mean_discrepancy`. The least p-value is
        1 / (1 + n_permutations); 0 leaves them out.

    random_state : int, RandomState instance or None, default=None
        Seed of the measures and of the default classifier. The augmenter has a seed of its own.
        None takes fresh entropy.

    Returns
    -------
    report : AugmentationReport
        Prints as a table; has ``to_frame()`` and ``to_html()``. Each of its lines has a value, the
        same measure of real rows alone as a yardstick, and what is good.

    Raises
    ------
    TypeError
        If `augmenter` has no ``sample``, or `classifier` is no classifier.
    ValueError
        If rows and labels, or the columns of two sets, do not fit; if only one of `X_holdout` and
        `y_holdout` is given; if a hold-out row has a class that y lacks, or y one that the
        augmenter was not fitted to; if rows hold infinity, or images NaN; or if `n_permutations`
        is no integer of at least 0. An error of the augmenter or of the classifier is raised as
        it is.

    See Also
    --------
    AugmentationReport : What is returned.
    sklearn_pyraug.augmentation_gain : Whether synthetic rows help a classifier.
    sklearn_pyraug.metrics : The measures, and how each is to be read.

    Notes
    -----
    Distances are those of coded rows. Numbers are standardised by the training rows; a missing one
    counts as the median, and has an indicator column beside it. A category is a column of zeros and
    values such that two categories lie 1 apart, as numbers do that differ by a standard deviation.
    Pixels of images are divided by one number. The two-sample AUC and the memorization share
    standardise these columns once more. Differences of columns are those of the rows as they came.

    With a hold-out, fidelity is measured against it, and its yardstick is that of the training
    rows; privacy against the training rows, and its yardstick is that of the hold-out. Without,
    all are measured against the training rows, and the yardstick is that of one random half of each
    class against the other. Halves have fewer rows: there distances to the closest row are larger,
    and so are differences by chance.

    A p-value tells how often chance alone makes two sets of one distribution differ as much. Read
    the difference first: among many rows a small one has a small p-value, too, and a large one
    among few rows need not have. The test asks for rows that the generator has not seen; without
    a hold-out a generator that stays close to its training rows has a large p-value for that
    reason alone. The yardstick is the p-value of real rows against real ones.

    The distances to the closest record and their ratios are medians. "close rows", "near-copies"
    and "copies" are shares of the rows of the last ``fit_resample``, where there was one, with
    those among the training rows as a yardstick: see the augmenter's ``privacy_``.

    An exclamation mark is a rule of thumb: less than half the yardstick, for precision, recall,
    density, coverage, the distance to the closest record, its ratio and the authenticity; a
    two-sample AUC above 0.8; more than three times the yardstick, for the Wasserstein distance; for
    columns 0.1 more than that, or half the way from the yardstick to 1 if that is less; for the
    other shares 0.1 above it, and for the score of a classifier trained on synthetic rows 0.1 below
    it. Between few rows chance alone may do that.

    Time for distances grows with the square of the number of rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_pyraug import RHVAEAugmenter, augmentation_report
    >>> X, X_holdout, y, y_holdout = train_test_split(
    ...     *load_iris(return_X_y=True), stratify=load_iris().target, random_state=0
    ... )
    >>> augmenter = RHVAEAugmenter(max_epochs=10, random_state=0).fit(X, y)
    >>> report = augmentation_report(augmenter, X, y, X_holdout, y_holdout, random_state=0)
    >>> report
    <AugmentationReport: 112 synthetic rows, 112 training rows, 38 rows held out, 3 classes.>
    >>> report.to_html().startswith("<!DOCTYPE html>")
    True
    """
    seed = root_seed(random_state)
    check_count("n_permutations", n_permutations, least=0)
    augmenter = _fitted(augmenter, X, y)
    if (X_holdout is None) != (y_holdout is None):
        missing = "X_holdout" if X_holdout is None else "y_holdout"
        raise ValueError(f"`{missing}` is None; give both rows held out and their labels, or none.")
    real = read_rows(X, y, "X")
    labels, counts = np.unique(real.y, return_counts=True)
    n_real = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    known = np.asarray(augmenter.classes_).tolist()
    _check_labels(n_real, known, "y", "the augmenter's `classes_`")
    sets = [real, _drawn(augmenter, n_real)]
    if X_holdout is not None:
        sets.append(read_rows(X_holdout, y_holdout, "X_holdout"))
        _check_labels(set(sets[-1].y.tolist()), n_real, "y_holdout", "y")
    for rows, name in zip(sets[1:], ("`sample`'s X", "`X_holdout`"), strict=False):
        if rows.X.shape[1] != real.X.shape[1]:
            raise ValueError(
                f"{name} has {rows.X.shape[1]} columns and `X` has {real.X.shape[1]}; give both "
                "the same columns in the same order."
            )
    is_image = np.ndim(X) > 2 or getattr(augmenter, "sample_shape_", None) is not None
    sets, categorical = code_rows(sets, getattr(augmenter, "categorical_features", None), is_image)
    settings = Settings(categorical, seed, n_permutations)
    return _Reporter(augmenter, n_real, sets, settings).report(classifier)


def _fitted(augmenter, X, y):
    """Return a fitted augmenter: itself, or a clone."""
    if not hasattr(augmenter, "sample") or isinstance(augmenter, type):
        raise TypeError(
            f"`augmenter` is {augmenter!r}, which has no sample(n_samples); give an RHVAEAugmenter."
        )
    return augmenter if hasattr(augmenter, "classes_") else clone(augmenter).fit(X, y)


def _check_labels(labels, known, name, where):
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise ValueError(
            f"`{name}` has the label {unknown[0]!r}, which {where} lacks; leave out its rows, or "
            "write labels alike."
        )


def _drawn(augmenter, n_real):
    """Return as many synthetic rows of each class as there are real ones, as far as it has them."""
    try:
        return _sample(augmenter, n_real)
    except ValueError as error:
        # After fit_resample, some classes may have no generator: only trying tells which.
        able = {}
        for label, n in n_real.items():
            try:
                _sample(augmenter, {label: 1})
            except ValueError:
                continue
            able[label] = n
        if not able or len(able) == len(n_real):
            raise error
        return _sample(augmenter, able)


def _sample(augmenter, n_samples):
    X, y = augmenter.sample(n_samples)
    return read_rows(X, y, "X_synthetic")


class _Reporter:
    """Collects the lines of a report.

    Parameters
    ----------
    augmenter : object
        Fitted.
    n_real : dict of label to int
        Labels in order.
    sets : list of Rows
        Training, synthetic and, where there is one, held-out rows.
    settings : Settings
    """

    def __init__(self, augmenter, n_real, sets, settings):
        self.augmenter, self.n_real, self.settings = augmenter, n_real, settings
        self.real, self.synthetic, *holdout = sets
        self.holdout = holdout[0] if holdout else None
        # The order of all rows, of which the two halves of each class are made.
        self.order = np.random.default_rng(settings.seed).permutation(len(self.real.y))
        self.lines = []

    def report(self, classifier):
        counts = {label: int(np.sum(self.synthetic.y == label)) for label in self.n_real}
        drawn = [label for label, n in counts.items() if n]
        # All rows together are those of the classes that can be compared.
        kept = np.isin(self.real.y, drawn)
        self.everything = self._pairs(self.real.take(np.flatnonzero(kept)), self.synthetic, drawn)
        self._measure(ALL, *self.everything)
        for label in self.n_real:
            if counts[label]:
                pairs = self._pairs(self.real[label], self.synthetic[label], [label])
                self._measure(label, *pairs)
            else:
                self._blank(label)
        shown = self._columns(*self.everything)
        self._utility(classifier)
        self._privacy_counts()
        real, synthetic, closeness = self.everything[0], self.synthetic, self.everything[3]
        plots = find_plots(
            real, synthetic, closeness, shown, self.settings.categorical, self.settings.seed
        )
        held_out = {} if self.holdout is None else _counts(self.holdout.y, self.n_real)
        return AugmentationReport(tuple(self.lines), self.n_real, counts, held_out, plots)

    def _pairs(self, real, synthetic, labels):
        """Return (real, synthetic, pair of fidelity's yardstick, pair of privacy's yardstick).

        The second pair is None where there are no such rows.
        """
        if self.holdout is not None:
            holdout = self.holdout.take(np.flatnonzero(np.isin(self.holdout.y, labels)))
            return real, synthetic, (holdout, real), (real, holdout) if len(holdout.y) else None
        halves = [], []
        for label in labels:
            rows = self.order[self.real.y[self.order] == label]
            for half, part in zip(halves, np.array_split(rows, 2), strict=True):
                half.append(part)
        pair = tuple(self.real.take(np.concatenate(half)) for half in halves)
        return real, synthetic, pair, pair if len(pair[1].y) else None

    def _measure(self, label, real, synthetic, fidelity, privacy):
        for group in GROUPS:
            is_fidelity = MEASURES[group.names[0]].kind == "fidelity"
            # Fidelity is measured against rows held out, where there are some.
            against = fidelity[0] if is_fidelity and self.holdout is not None else real
            pair = fidelity if is_fidelity else privacy
            values, note = self._values(group, against, synthetic)
            yardsticks, why = [_NONE] * len(values), "there are no rows for a yardstick"
            if pair is not None:
                yardsticks, why = self._values(group, *pair)
                why = why and f"no yardstick, which {why}"
            for name, value, yardstick in zip(group.names, values, yardsticks, strict=True):
                self._add(name, label, value, yardstick, note or why)
        self._proximity(label, real, synthetic)

    def _values(self, group, real, other):
        """Return the values of a group, and why they are blank."""
        fewest = min(len(real.y), len(other.y))
        if fewest < group.n_least:
            note = f"needs {group.n_least} rows in either set, and a class or its part has {fewest}"
            return [_NONE] * len(group.names), note
        return [float(value) for value in group.compute(real, other, self.settings)], ""

    def _proximity(self, label, real, synthetic):
        name = "training proximity"
        if self.holdout is None:
            self._add(name, label, _NONE, _NONE, "needs rows held out")
            return
        labels = np.unique(real.y)
        holdout = self.holdout.take(np.flatnonzero(np.isin(self.holdout.y, labels)))
        if not len(holdout.y):
            self._add(name, label, _NONE, _NONE, "the class has no rows held out")
            return
        result = training_proximity(synthetic.coded, real.coded, holdout.coded, scale=None)
        self._add(name, label, result.share, result.expected_share)

    def _blank(self, label):
        names = [name for group in GROUPS for name in group.names]
        for name in (*names, "training proximity"):
            self._add(name, label, _NONE, _NONE, "the augmenter draws no rows of the class")

    def _columns(self, real, synthetic, fidelity, privacy):
        """Add the columns that differ most; return position and name of those to plot."""
        against = real if self.holdout is None else fidelity[0]
        if not min(len(part.y) for part in (against, *fidelity)):
            return []
        result = column_results(against, synthetic, self.settings)
        usual = column_results(*fidelity, self.settings).differences
        order = np.argsort(-result.differences, kind="stable")[:_N_COLUMNS]
        # One column is the largest of all, which has a line already.
        names = [f"column {name}" for name in result.names]
        for j in order if len(names) > 1 else ():
            self._add(names[j], ALL, result.differences[j], usual[j], kind="columns")
        return [(int(j), names[j]) for j in order[:_N_PLOTTED]]

    def _utility(self, classifier):
        names = "train synthetic, test real", "train real, test synthetic"
        real, synthetic, (held_out, _), _ = self.everything
        note = ""
        if self.holdout is None:
            note = "needs rows held out"
        elif min(len(np.unique(rows.y)) for rows in (synthetic, held_out)) < 2:
            note = "needs synthetic rows and rows held out of at least two classes"
        if note:
            for name in names:
                self._add(name, ALL, _NONE, _NONE, note)
            return
        sets = [real, synthetic, held_out]
        if classifier is None:
            classifier = RandomForestClassifier(random_state=self.settings.seed % 2**32)
            sets = [Rows(rows.coded, rows.y) for rows in sets]
        scores = train_on_synthetic(classifier, *(v for rows in sets for v in (rows.X, rows.y)))
        yardstick = scores.train_real_test_real
        self._add(names[0], ALL, scores.train_synthetic_test_real, yardstick)
        self._add(names[1], ALL, scores.train_real_test_synthetic, yardstick)

    def _privacy_counts(self):
        """Add what is known of the rows of the last fit_resample."""
        report = getattr(self.augmenter, "privacy_", None)
        if report is None:
            return
        yardsticks = (
            report.expected_share,
            report.spacing.near_share,
            report.n_twins / report.n_training_rows,
        )
        for label, counts in [(ALL, report), *report.by_label.items()]:
            if not counts.n_rows:
                continue
            shares = (
                counts.n_close / counts.n_measured if counts.n_measured else _NONE,
                counts.n_near_copies / counts.n_measured if counts.n_measured else _NONE,
                counts.n_copies / counts.n_rows,
            )
            names = "close rows", "near-copies", "copies"
            for name, share, yardstick in zip(names, shares, yardsticks, strict=True):
                self._add(name, label, share, yardstick)

    def _add(self, name, label, value, yardstick, note="", kind=None):
        if name in P_VALUES and not self.settings.n_permutations:
            return
        # A column is judged as the largest of them is.
        measure = MEASURES["largest column difference" if kind == "columns" else name]
        value, yardstick = float(value), float(yardstick)
        marked = bool(measure.is_poor(value, yardstick))
        kind = kind or measure.kind
        self.lines.append(
            ReportLine(name, kind, label, value, yardstick, measure.direction, marked, note)
        )


def _counts(y, labels):
    return {label: int(np.sum(y == label)) for label in labels}
