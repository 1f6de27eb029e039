"""How good, varied, useful and private an augmenter's rows are: all measures in one report."""

from dataclasses import replace
from inspect import signature

import numpy as np
from sklearn.base import clone

from .._components import ImageShape
from .._preprocessing.label_encoder import distinct_labels, read_labels
from .._random import root_seed
from .._validation import named, no_data_in_errors
from ..metrics._utility import check_labels
from .compare import check_settings, compare, described
from .results import ALL, make_line


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
        Real rows from the same source, with about the same class shares, that the augmenter has
        not seen. Without them fidelity is measured against the training rows, which copies match
        best, and utility and attacks are not measured.
    y_holdout : array-like of shape (n_holdout,), default=None
        Their class labels, which must occur in y.
    classifier : classifier, default=None
        Classifier that is trained on synthetic rows and tested on rows held out. It gets the rows
        as they are, with flattened images. None is a
        :class:`~sklearn.ensemble.RandomForestClassifier` on coded rows, see the notes.
    n_permutations : int, default=99
        Random divisions of the rows for the p-values of the two-sample AUC and of the mean
        discrepancy, see :func:`~sklearn_pyraug.metrics.classifier_two_sample_test` and
        :func:`~sklearn_pyraug.metrics.maximum_mean_discrepancy`. The least p-value is
        1 / (1 + n_permutations); 0 leaves them out.
    random_state : int, RandomState instance or None, default=None
        Seed of the measures and of the default classifier; None draws a new one. The augmenter has
        its own seed.

    Returns
    -------
    report : AugmentationReport
        It prints a ``verdict``, ``scores`` and a table, and has ``to_frame()`` and ``to_html()``.
        Each line has a value, its baseline, and what is good.

    Raises
    ------
    TypeError
        If `augmenter` has no ``sample``, or `classifier` is no classifier.
    ValueError
        If rows and labels, or the columns of two sets, do not fit; if only one of `X_holdout` and
        `y_holdout` is given; if a hold-out row has a class that is not in y, or y one that the
        augmenter was not fitted to; if rows hold infinity, or images NaN; or if `n_permutations`
        is no integer of at least 0. An error of the augmenter or of the classifier is raised as
        it is.

    See Also
    --------
    AugmentationReport : The result.
    sklearn_pyraug.compare : Report on synthetic rows from any source.
    sklearn_pyraug.augmentation_gain : Whether synthetic rows help a classifier.
    sklearn_pyraug.metrics : The measures, and how to read them.

    Notes
    -----
    Distances are those of coded rows. Numbers are standardised by the training rows; a missing one
    is replaced by the median, and has an indicator column. Two categories lie 1 apart, like numbers
    that differ by a standard deviation. Pixels of images are divided by one number. The distance to
    the closest record is the root mean square over the columns. So it is in standard deviations of
    a column, like the sliced Wasserstein distance. The two-sample AUC and the memorization share
    standardise the coded columns again. Differences of columns, from 0 to 1, are those of the
    original rows.

    With rows held out, fidelity compares synthetic rows with them, and its baseline compares the
    training rows with them. Privacy compares synthetic rows with the training rows, and its
    baseline compares the rows held out with the training rows. Without rows held out, synthetic
    rows are compared with the training rows, and the baseline compares two random halves of each
    class. Halves have fewer rows, so distances to the closest row, and differences by chance, are
    larger.

    A p-value says how often chance alone makes two sets of one distribution differ as much. Read
    the difference first: a small difference of many rows has a small p-value, too, and a large
    difference of few rows need not have. The test needs rows held out: compared with its training
    rows, a generator that stays close to them has a large p-value for that reason alone. The
    baseline is the p-value of real rows against real ones.

    Distances to the closest record and their ratios are medians. "close rows", "near-copies" and
    "copies" are shares of the rows of the last ``fit_resample``, if there was one, with those among
    the training rows as a baseline: see the augmenter's ``privacy_``.

    An exclamation mark is a rule of thumb. It marks

    - precision, recall, density, coverage, the distance to the closest record, its ratio and the
      authenticity below half the baseline;
    - a two-sample AUC above 0.8 and 0.1 above the baseline;
    - a Wasserstein distance above three times the baseline;
    - columns and pairs above three times the baseline plus 0.1, or above half the way from the
      baseline to 1 if that is less;
    - other shares 0.1 above the baseline, and the score of a classifier trained on synthetic rows
      0.1 below it.

    Between few rows chance alone may cause this. So authenticity, memorization share, training
    proximity and attacks are only marked if chance explains the difference in fewer than 5 of 100
    cases. An attack is marked if the area is above 0.6, the share found at 1 % false alarms above
    0.05, or another share 0.1 above the baseline.

    The ``verdict`` follows from these marks, and ``scores`` from the lines of all rows, as the user
    guide describes.

    The time for distances grows with the square of the number of rows.

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
    check_settings(X_holdout, y_holdout, classifier, n_permutations)
    augmenter = _fitted(augmenter, X, y)
    labels, _, y_index = distinct_labels(read_labels(y))
    counts = np.bincount(y_index)
    known = np.asarray(augmenter.classes_).tolist()
    check_labels(labels, known, "y", "the augmenter's `classes_`")
    X_new, y_new = _drawn(augmenter, dict(zip(labels.tolist(), counts.tolist(), strict=True)))
    shape = getattr(augmenter, "sample_shape_", None)
    channels = getattr(augmenter, "channels_", None) or "auto"
    report = compare(
        X,
        y,
        X_new,
        y_new,
        X_holdout,
        y_holdout,
        classifier=classifier,
        categorical_features=getattr(augmenter, "categorical_features", None),
        sample_shape=None if shape is None else ImageShape(shape, channels=channels),
        n_permutations=n_permutations,
        random_state=seed,
    )
    return replace(
        report,
        lines=report.lines + tuple(_privacy_lines(augmenter)),
        settings=report.settings | {"augmenter": described(augmenter)},
        remedies=_untouched(augmenter),
    )


def _fitted(augmenter, X, y):
    """Return a fitted augmenter: itself, or a clone."""
    is_fitted = hasattr(augmenter, "classes_")
    # Dataframes also have a method `sample`.
    able = hasattr(augmenter, "sample") and (is_fitted or hasattr(augmenter, "fit"))
    if not able or isinstance(augmenter, type):
        raise TypeError(
            f"`augmenter` is {named(augmenter)}, which has no sample(n_samples) of an augmenter; "
            "give an RHVAEAugmenter."
        )
    return augmenter if is_fitted else clone(augmenter).fit(X, y)


def _untouched(augmenter):
    """Return the parameters of an augmenter that the verdict may advise to change."""
    defaults = signature(type(augmenter)).parameters
    names = [
        name
        for name in ("min_distance", "output", "decoder", "columns")
        if name in defaults and getattr(augmenter, name, None) == defaults[name].default
    ]
    is_image = getattr(augmenter, "sample_shape_", None) is not None
    if "output" in names and (is_image or "decoder" not in names):
        # It only concerns the reference rows of tables.
        names.remove("output")
    if "columns" in names and is_image:
        names.remove("columns")
    return (*(["max_epochs"] if "max_epochs" in defaults else []), *names)


def _drawn(augmenter, n_real):
    """Return as many synthetic rows as real ones, of each class that has a generator."""
    try:
        return augmenter.sample(n_real)
    except ValueError as error:
        # After fit_resample some classes may have no generator; a draw of one row shows which.
        able = {}
        for label, n in n_real.items():
            try:
                augmenter.sample({label: 1})
            except ValueError:
                continue
            able[label] = n
        if not able or len(able) == len(n_real):
            raise error
        return augmenter.sample(able)


def _privacy_lines(augmenter):
    """Return the lines about the rows of the last fit_resample."""
    report = getattr(augmenter, "privacy_", None)
    if report is None:
        return []
    baselines = {
        "close rows": report.expected_share,
        "near-copies": report.spacing.near_share,
        "copies": report.n_twins / report.n_training_rows,
    }
    lines = []
    for label, counts in [(ALL, report), *report.by_label.items()]:
        if counts.n_rows:
            label = label if isinstance(label, (str, int, float)) else str(label)
            # These shares are blank if no row was measured.
            n_measured = counts.n_measured or float("nan")
            shares = {
                "close rows": counts.n_close / n_measured,
                "near-copies": counts.n_near_copies / n_measured,
                "copies": counts.n_copies / counts.n_rows,
            }
            lines += [make_line(name, label, shares[name], baselines[name]) for name in shares]
    return lines
