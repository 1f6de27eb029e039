"""What `augmentation_gain` returns: the differences, and what they say in words."""

import textwrap
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

import numpy as np
from scipy import stats

from .._classifier.paired import NOTHING, in_words, is_proportion, standard_error
from .html import Page, settings_table, table
from .plots import shortened

_WIDTH = 80
# Most splits, and most rows as a multiple of the present ones, that are recommended; and number of
# splits above which the interval hardly narrows.
_MOST_SPLITS, _MOST_ROWS, _MANY_SPLITS = 200, 50, 30


class GainRow(NamedTuple):
    """One method in the table of an :class:`AugmentationGain`.

    Attributes
    ----------
    method : str
    score : float
        Mean over the splits.
    gain, low, high : float or None
        Mean difference to no augmentation, and its interval; None without augmentation.
    helps : {"yes", "no", "unclear"} or None
    seconds : float
        Mean of a fit.

    See Also
    --------
    AugmentationGain : Has these rows.

    Examples
    --------
    >>> from sklearn_pyraug import GainRow
    >>> GainRow("SMOTE", 0.82, 0.03, 0.01, 0.05, "yes", 0.1).helps
    'yes'
    """

    method: str
    score: float
    gain: float | None
    low: float | None
    high: float | None
    helps: str | None
    seconds: float


@dataclass(frozen=True, repr=False, eq=False)
class AugmentationGain(Page):
    """Result of :func:`~sklearn_pyraug.augmentation_gain`; ``print`` shows a table and advice.

    The page of :meth:`to_html` shows no rows of the data.

    Attributes
    ----------
    gain : float
        Mean of `differences`; above zero if augmentation is better.
    interval : tuple of float
        Lower and upper end of the interval of the gain.
    scores_with : ndarray of shape (n_splits,)
        Score on the test part of each split, of the estimator fitted with augmentation. Greater
        is better, as for every scorer of scikit-learn.
    scores_without : ndarray of shape (n_splits,)
        Scores without augmentation, on the same splits.
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
        Mean seconds of a fit with augmentation, in wall time.
    seconds_without : float
        Mean seconds of a fit without augmentation.
    name : str
        The class of the augmenter, or a name of `samplers`.
    others : dict of str to AugmentationGain
        Gains of the other samplers.
    left_out : dict of str to str
        Names of samplers that were not measured, and why.
    preprocessor : transformer or None
        Preprocessor in front of the classifier, unfitted.
    preparation : str
        Description of the preprocessor; empty without one.
    settings : dict of str to str
        Date, parameters and versions of the measurement.
    helps : {"yes", "no", "unclear"}
        ``"yes"`` if the interval lies above zero, ``"no"`` if it lies below zero, so that
        augmentation hurts, and ``"unclear"`` if it contains zero.

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
    name: str = "Augmentation"
    others: dict = field(default_factory=dict)
    left_out: dict = field(default_factory=dict)
    preprocessor: object = None
    preparation: str = ""
    settings: dict = field(default_factory=dict)
    _title = "Does augmentation help?"

    @property
    def helps(self):
        low, high = self.interval
        return "yes" if low > 0 else "no" if high < 0 else "unclear"

    @property
    def methods(self):
        """What augments, the augmenter last: dict of str to AugmentationGain."""
        return {**self.others, self.name: self}

    @property
    def advice(self):
        """What to do, and what would make an unclear answer clear: a text."""
        helping = {name: m for name, m in self.methods.items() if m.helps == "yes"}
        if not helping:
            harmful = all(m.helps == "no" for m in self.methods.values())
            text = "Leave augmentation out here"
            text += "." if harmful else ": nothing is clearly better than no augmentation."
        else:
            best = max(helping, key=lambda name: helping[name].gain)
            text = f"Use {best}: it is clearly better than no augmentation."
            cheaper = {
                name: m
                for name, m in helping.items()
                if m.seconds_with < helping[best].seconds_with / 2
                and self._interval(helping[best].scores_with - m.scores_with)[0] <= 0
            }
            if cheaper:
                fast = min(cheaper, key=lambda name: cheaper[name].seconds_with)
                ratio = helping[best].seconds_with / max(helping[fast].seconds_with, 1e-9)
                text = (
                    f"Use {fast}: it is clearly better than no augmentation, and {best}, which "
                    f"takes {_rounded(ratio)} times as long, is not clearly better than that."
                )
            elif len(self.methods) > 1:
                rivals = [name for name in self.methods if name != best]
                lead = {
                    name: self._interval(helping[best].scores_with - self.methods[name].scores_with)
                    for name in rivals
                }
                beaten = [name for name in rivals if lead[name][0] > 0]
                if beaten:
                    text += f" It is clearly better than {' and '.join(beaten)}, too."
        return f"{text} {self._remedy()}".rstrip()

    def _remedy(self):
        """Return what would make an unclear gain of the augmenter clear."""
        if self.helps != "unclear":
            return ""
        if not self.differences.any():
            return (
                f"With {self.name} every split scored as without: other rows, another score or "
                "another classifier may tell them apart, more repeats will not."
            )
        n_splits, size, stays = len(self.differences), abs(self.gain), self._points(self.gain)
        head = f"For a clear answer on {self.name}, if its difference stays {stays},"
        for n in range(n_splits + 1, _MOST_SPLITS + 1):
            if self._half_width(n) < size:
                return (
                    f"{head} about {n} splits are needed, in place of {n_splits}: raise the "
                    "repeats, if the rows can be split in other ways."
                )
        n = max(n_splits, _MANY_SPLITS)
        factor = (self._half_width(n) / size) ** 2 if size else np.inf
        if factor > _MOST_ROWS:
            return (
                f"The difference of {self.name}, {stays}, is too close to zero for any likely "
                "number of rows to make it clear."
            )
        n_rows = self.n_train[0] + self.n_test[0]
        splits = f" and {n} splits" if n > n_splits else ""
        return (
            f"{head} about {_rounded(factor * n_rows)} rows{splits} are needed, in place of "
            f"{n_rows:,}{f' and {n_splits}' if splits else ''}; more repeats alone will not do."
        )

    def _half_width(self, n_splits):
        """Return half the width that the interval would have with `n_splits` splits."""
        ratio = np.mean(self.n_test / self.n_train)
        n = np.array([n_splits, len(self.differences)])
        # The interval's width is proportional to these.
        new, old = stats.t.ppf((1 + self.confidence_level) / 2, n - 1) * np.sqrt(1 / n + ratio)
        return (self.interval[1] - self.interval[0]) / 2 * new / old

    def _interval(self, differences):
        return corrected_interval(differences, self.n_train, self.n_test, self.confidence_level)

    def _points(self, number):
        """Return a difference as text, in hundredths where the score is a proportion."""
        points = is_proportion(self.scoring)
        return f"{_signed(100 * number, 1)} points" if points else _signed(number, 3)

    def to_frame(self):
        """Return the methods as a table; this needs pandas.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_methods, 7)
            Columns "method", "score", "gain", "low", "high", "helps", "seconds". The first row is
            that without augmentation.
        """
        import pandas as pd

        return pd.DataFrame(self.rows)

    @property
    def rows(self):
        """A :class:`GainRow` for each method, first that without augmentation: a list."""
        level = float(self.scores_without.mean())
        return [
            GainRow(NOTHING, level, None, None, None, None, self.seconds_without),
            *(
                GainRow(
                    name, float(m.scores_with.mean()), m.gain, *m.interval, m.helps, m.seconds_with
                )
                for name, m in self.methods.items()
            ),
        ]

    def _cells(self):
        """Return the table as text: the heads, and a row for each method."""
        scale, decimals = (100, 1) if is_proportion(self.scoring) else (1, 3)
        level = f"{100 * self.confidence_level:g} % interval"
        unit = " (points)" if is_proportion(self.scoring) else ""
        heads = ["method", "score", f"gain{unit}", level, "s per fit", "helps"]
        rows = []
        for row in self.rows:
            shown = ["", ""]
            if row.helps:
                gain, low, high = (_signed(scale * number, decimals) for number in row[2:5])
                shown = [gain, f"{low} to {high}"]
            seconds = f"{row.seconds:.2g}" if row.seconds < 100 else f"{row.seconds:.0f}"
            rows.append([row.method, f"{row.score:.3f}", *shown, seconds, row.helps or ""])
        return heads, rows

    @property
    def _notes(self):
        """Notes on the table: a list of sentences."""
        notes = [self.advice]
        if len(self.methods) > 1:
            notes.append(
                "Intervals are of one method each: the best of several looks better than it is."
            )
        if self.preparation:
            notes.append(self.preparation)
        return notes + [f"{name} was left out: {why}." for name, why in self.left_out.items()]

    def _parts(self):
        """Return the page in parts."""
        heads, rows = self._cells()
        texts = [f"<p>{escape(text)}</p>" for text in (self._sentence(), *self._notes)]
        cells = [[escape(cell) for cell in row] for row in rows]
        return [
            *texts[:2],
            _picture(self),
            table(heads, cells),
            *texts[2:],
            *settings_table(self.settings),
        ]

    def __repr__(self):
        low, high = self.interval
        values = f"gain={self.gain:.4g}, interval=({low:.4g}, {high:.4g})"
        return f"AugmentationGain({values}, scoring={self.scoring!r}, helps={self.helps!r})"

    def _sentence(self):
        points = is_proportion(self.scoring)
        scale, unit, decimals = (100, " points", 1) if points else (1, "", 3)
        numbers = [scale * number for number in (self.gain, *self.interval)]
        if self.helps != "unclear":
            # An end printed as zero would contradict the verdict.
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
            f"{self.name} changed {in_words(self.scoring)} by {gain}{unit} "
            f"({100 * self.confidence_level:g} % interval {low} to {high}; "
            f"{self.scores_with.mean():.3f} with, {self.scores_without.mean():.3f} without; "
            f"{len(self.differences)} splits): {verdict}."
        )

    def __str__(self):
        heads, rows = self._cells()
        widths = [max(len(row[j]) for row in [heads, *rows]) for j in range(len(heads))]
        widths[0] = min(widths[0], 28)
        lines = []
        for first, *rest in [heads, *rows]:
            cells = [shortened(first, widths[0]).ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        texts = [textwrap.fill(note, _WIDTH) for note in self._notes]
        return "\n".join([self._sentence(), "", *lines, "", *texts])


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
    if np.ptp(differences) == 0:  # their mean may have a rounding error
        return float(differences[0]), float(differences[0])
    mean = float(differences.mean())
    quantile = stats.t.ppf((1 + confidence_level) / 2, len(differences) - 1)
    half_width = float(quantile * standard_error(differences, n_train, n_test))
    return mean - half_width, mean + half_width


def _picture(result):
    """Return the intervals as a picture of SVG, in the colours of the page."""
    methods = result.methods
    low = min(0.0, *(m.interval[0] for m in methods.values()))
    high = max(0.0, *(m.interval[1] for m in methods.values()))
    span = (high - low) or 1.0

    def x(number):
        return round(230 + 340 * (number - low) / span, 1)

    bottom = 34 * len(methods) + 10
    parts = [f'<line class="zero" x1="{x(0)}" x2="{x(0)}" y1="6" y2="{bottom}"/>']
    for i, (name, method) in enumerate(methods.items()):
        y, ends = 34 * i + 26, [x(end) for end in method.interval]
        filled = "" if method.helps == "unclear" else ' class="clear"'
        parts.append(
            f'<text x="0" y="{y + 5}">{escape(shortened(name, 28))}</text>'
            f'<line x1="{ends[0]}" x2="{ends[1]}" y1="{y}" y2="{y}"/>'
            f'<circle{filled} cx="{x(method.gain)}" cy="{y}" r="5"/>'
        )
    parts.append(f'<text x="{x(0)}" y="{bottom + 18}" text-anchor="middle">0</text>')
    caption = (
        f"Gain in {in_words(result.scoring)} over no augmentation, with its interval: right of "
        "the line is better. A filled dot is a clear answer."
    )
    return (
        f'<figure class="interval"><svg viewBox="0 0 590 {bottom + 26}" role="img" '
        f'aria-label="{escape(caption)}">{"".join(parts)}</svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _rounded(number):
    """Return a number as text, with two digits that count."""
    return f"{float(f'{number:.1e}'):,.0f}"


def _signed(number, decimals):
    """Return a number with its sign, and zero without one."""
    text = f"{number:+.{decimals}f}"
    return text if float(text) else text[1:]
