"""What synthetic rows are worth to a classifier."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils.multiclass import check_classification_targets

from .._preprocessing.label_encoder import classifier_labels, distinct_labels
from .._preprocessing.masked import unmasked
from .._validation import named, no_data_in_errors


class TrainOnSynthetic(NamedTuple):
    """Scores of one classifier, trained and tested on real and on synthetic rows.

    Attributes
    ----------
    train_real_test_real : float
        TRTR: what the real rows teach about real rows, the baseline.
    train_synthetic_test_real : float
        TSTR: what the synthetic rows teach about real rows. At the baseline or above, synthetic
        rows can take the place of the real ones for this classifier.
    train_real_test_synthetic : float
        TRTS: how well a classifier trained on real rows classifies synthetic ones. Well below the
        baseline, synthetic rows have the wrong labels; well above it, they are easier than real
        ones, as where only the middle of each class is generated.

    See Also
    --------
    train_on_synthetic : Computes the three.

    Examples
    --------
    >>> from sklearn_pyraug.metrics import TrainOnSynthetic
    >>> scores = TrainOnSynthetic(0.95, 0.93, 0.97)
    >>> scores.train_synthetic_test_real
    0.93
    """

    train_real_test_real: float
    train_synthetic_test_real: float
    train_real_test_synthetic: float


@no_data_in_errors()
def train_on_synthetic(
    classifier,
    X_real,
    y_real,
    X_synthetic,
    y_synthetic,
    X_test,
    y_test,
    *,
    scoring="balanced_accuracy",
):
    """Train on synthetic rows and test on real ones, and the reverse.

    Parameters
    ----------
    classifier : classifier
        It is cloned, and fitted once on the real and once on the synthetic rows.
    X_real : {array-like, dataframe} of shape (n_real, n_features)
        Real rows, those that the generator was trained on. Rows are passed to the classifier as
        they are.
    y_real : array-like of shape (n_real,)
        Their class labels.
    X_synthetic : {array-like, dataframe} of shape (n_synthetic, n_features)
        Synthetic rows.
    y_synthetic : array-like of shape (n_synthetic,)
        Their class labels, which must occur in `y_real`.
    X_test : {array-like, dataframe} of shape (n_test, n_features)
        Real rows that neither the classifier nor the generator has seen.
    y_test : array-like of shape (n_test,)
        Their class labels, which must occur in `y_real`.
    scoring : str or callable, default="balanced_accuracy"
        Name of one of scikit-learn's scorers, or a callable ``scorer(estimator, X, y)`` that
        returns a number. Greater is better.

    Returns
    -------
    scores : TrainOnSynthetic
        A named tuple of three floats, in the range of the score; higher is better for the second,
        up to the first.

    Raises
    ------
    TypeError
        If `classifier` is no classifier.
    ValueError
        If rows and labels differ in number, labels are no classes, `y_synthetic` or `y_test` has a
        class that is not in `y_real`, or a score is not one finite number. An error of the
        classifier is raised as it is.

    See Also
    --------
    sklearn_pyraug.augmentation_gain : What synthetic rows add to the real ones; a generator may
        well score below the baseline here and yet help there.

    Notes
    -----
    Train on synthetic, test on real, and the reverse, are due to [1]_. Draw as many synthetic rows
    as there are real ones, with the same shares of classes, to compare like with like. Each of the
    three is one number of one test set: differences within its sampling error,
    ``sqrt(p (1 - p) / n_test)`` for an accuracy p, say nothing.

    References
    ----------
    .. [1] C. Esteban, S. L. Hyland, G. Rätsch, "Real-valued (Medical) Time Series Generation with
       Recurrent Conditional GANs", 2017, arXiv:1706.02633.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_pyraug.metrics import train_on_synthetic
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 50)
    >>> X_real, X_synthetic, X_test = rng.normal(size=(3, 100, 2)) + 6 * y[:, None]
    >>> train_on_synthetic(LogisticRegression(), X_real, y, X_synthetic, 1 - y, X_test, y)
    TrainOnSynthetic(train_real_test_real=1.0, train_synthetic_test_real=0.0,
                     train_real_test_synthetic=0.0)
    """
    check_classifier(classifier)
    scorer = check_scoring(classifier, scoring=scoring)
    X_real, y_real = check_labelled("X_real", X_real, y_real)
    X_synthetic, y_synthetic = check_labelled("X_synthetic", X_synthetic, y_synthetic)
    X_test, y_test = check_labelled("X_test", X_test, y_test)
    known = set(y_real.tolist())
    for name, y in {"y_real": y_real, "y_synthetic": y_synthetic, "y_test": y_test}.items():
        check_classification_targets(y)
        check_labels(y, known, name, "`y_real`")
    of_real = clone(classifier).fit(X_real, y_real)
    of_synthetic = clone(classifier).fit(X_synthetic, y_synthetic)
    return TrainOnSynthetic(
        _score(scorer, of_real, X_test, y_test, "test"),
        _score(scorer, of_synthetic, X_test, y_test, "test"),
        _score(scorer, of_real, X_synthetic, y_synthetic, "synthetic"),
    )


def check_classifier(classifier):
    """Raise TypeError if an object is not a scikit-learn classifier."""
    is_instance = hasattr(classifier, "__sklearn_tags__") and not isinstance(classifier, type)
    if not is_instance or not is_classifier(classifier):
        raise TypeError(
            f"`classifier` is {named(classifier)}; give a scikit-learn classifier, such as "
            "LogisticRegression()."
        )


def check_labelled(name, X, y):
    """Return rows as they are and labels of shape (n,); raise unless there is one for each row."""
    y = classifier_labels(y)
    X = unmasked(X)
    X = X if hasattr(X, "shape") else np.asarray(X)
    if len(X.shape) != 2 or X.shape[0] != len(y) or not len(y):
        raise ValueError(
            f"`{name}` has the shape {tuple(X.shape)} and `{name.replace('X', 'y', 1)}` has "
            f"{len(y)} labels; give rows of shape (n, n_features) and one label for each."
        )
    return X, y


def check_labels(labels, known, name, where):
    """Raise ValueError if a label is not among those that are known."""
    unknown = [label for label in distinct_labels(labels)[0].tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"`{name}` has the label {unknown[0]!r}, which {where} does not have; leave out its "
            "rows, or write labels alike."
        )


def _score(scorer, model, X, y, which):
    """Return a score as a float, if it is one finite number."""
    score = scorer(model, X, y)
    if not isinstance(score, Real) or not np.isfinite(score):
        raise ValueError(
            f"`scoring` gave {score!r} on the {which} rows; choose a score that is one finite "
            "number there."
        )
    return float(score)
