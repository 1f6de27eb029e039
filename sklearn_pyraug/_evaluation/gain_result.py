"""The result of `augmentation_gain`: the gain, its interval, and the sentence that says both."""

import re
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["AugmentationGain", "corrected_interval"]

# scikit-learn's scores between 0 and 1, whose differences read best in hundredths.
_PROPORTION = re.compile(
    r"(balanced_|top_k_)?accuracy|average_precision|roc_auc(_ov[or](_weighted)?)?"
    r"|(f1|jaccard|precision|recall)(_(macro|micro|samples|weighted))?"
)


def corrected_interval(differences, n_train, n_test, confidence_level):
    """Return the interval of a mean difference over resampled splits.

    ``mean(d) ± t * sqrt((1/J + mean(n_test / n_train)) * var(d))``, with t the quantile
    (1 + confidence_level) / 2 of Student's distribution with J - 1 degrees of freedom and
    var(d) the sample variance. This is the corrected resampled t-test of Nadeau and Bengio,
    "Inference for the Generalization Error", Machine Learning 52, 2003. The term 1/J alone would
    take the splits for independent, which they are not: their training parts share rows.

    Parameters
    ----------
    differences : ndarray of shape (n_splits,)
        d, one for each of J = n_splits splits, at least 2.
    n_train, n_test : ndarray of int of shape (n_splits,)
        Rows in the two parts of each split.
    confidence_level : float
        In (0, 1).

    Returns
    -------
    low, high : float
        Both equal to the mean where all differences are equal.
    """
    mean = differences.mean()
    if np.ptp(differences) == 0:  # the variance of equal numbers may round to more than zero
        return float(differences[0]), float(differences[0])
    n_splits = len(differences)
    scale = np.sqrt((1 / n_splits + np.mean(n_test / n_train)) * differences.var(ddof=1))
    half_width = stats.t.ppf((1 + confidence_level) / 2, n_splits - 1) * scale
    return float(mean - half_width), float(mean + half_width)


@dataclass(frozen=True, repr=False, eq=False)
class AugmentationGain:
    """What :func:`~sklearn_pyraug.augmentation_gain` returns; ``print`` shows it as a sentence.

    Attributes
    ----------
    gain : float
        Mean of `differences`; above zero where augmentation is better.

    interval : tuple of float
        Lower and upper end of the interval of the gain.

    scores_with : ndarray of shape (n_splits,)
        Score on the test part of each split, of the estimator fitted with augmentation. Greater
        is better, as for every scorer of scikit-learn.

    scores_without : ndarray of shape (n_splits,)
        The same without augmentation, on the same splits.

    differences : ndarray of shape (n_splits,)
        ``scores_with - scores_without``.

    n_train : ndarray of int of shape (n_splits,)
        Real rows in the training part of each split.

    n_test : ndarray of int of shape (n_splits,)
        Rows in the test part of each split.

    scoring : str
        Name of the score; ``"score"`` for a callable without a name.

    confidence_level : float
        Confidence level of `interval`.

    seconds_with : float
        Mean seconds of a fit with augmentation, on the wall clock.

    seconds_without : float
        Mean seconds of a fit without.

    helps : {"yes", "no", "unclear"}
        ``"yes"`` where the interval lies above zero, ``"no"`` where it lies below, that is, where
        augmentation hurts, and ``"unclear"`` where it contains zero.

    See Also
    --------
    sklearn_pyraug.augmentation_gain : Computes it.
    """

    gain: float
    interval: tuple[float, float]
    scores_with: np.ndarray
    scores_without: np.ndarray
    differences: np.ndarray
    n_train: np.ndarray
    n_test: np.ndarray
    scoring: str
    confidence_level: float
    seconds_with: float
    seconds_without: float

    @property
    def helps(self):
        low, high = self.interval
        if low > 0:
            return "yes"
        return "no" if high < 0 else "unclear"

    def __repr__(self):
        low, high = self.interval
        values = f"gain={self.gain:.4g}, interval=({low:.4g}, {high:.4g})"
        return f"AugmentationGain({values}, scoring={self.scoring!r}, helps={self.helps!r})"

    def __str__(self):
        points = _PROPORTION.fullmatch(self.scoring)
        scale, unit, decimals = (100, " points", 1) if points else (1, "", 3)
        numbers = [scale * number for number in (self.gain, *self.interval)]
        if self.helps != "unclear":
            # An end that is printed as zero would contradict the verdict.
            most = decimals + 3
            while decimals < most and any(round(number, decimals) == 0 for number in numbers):
                decimals += 1
        gain, low, high = (_signed(number, decimals) for number in numbers)
        none = "no clear difference here" if self.differences.any() else "no difference here"
        verdict = {
            "yes": "it helps here",
            "no": "it hurts here, so leave it out",
            "unclear": none,
        }[self.helps]
        return (
            f"Augmentation changed {_in_words(self.scoring)} by {gain}{unit} "
            f"({100 * self.confidence_level:g} % interval {low} to {high}; "
            f"{self.scores_with.mean():.3f} with, {self.scores_without.mean():.3f} without; "
            f"{len(self.differences)} splits): {verdict}."
        )


def _signed(number, decimals):
    """Return a number with its sign, and zero without one."""
    text = f"{number:+.{decimals}f}"
    return text if float(text) else text[1:]


def _in_words(scoring):
    """Return the name of a score as it is said in a sentence."""
    if scoring == "score":
        return "the score"
    words = re.sub("^neg_", "negative_", scoring).replace("_", " ")
    return words.replace("roc auc", "ROC AUC").replace("f1", "F1")
