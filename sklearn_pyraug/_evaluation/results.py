"""What `compare` and `augmentation_report` return, and how it is printed."""

import math
import textwrap
from dataclasses import dataclass, field
from typing import NamedTuple

from .html import Page, report_parts
from .measures import MEASURES
from .plots import ReportPlots, shortened
from .verdict import find_scores, find_verdict

# Label of the lines for all rows together.
ALL = "(all)"
_WIDTH = 80
# If at least this share of rows would have to change their class, the difference matters.
_OTHER_SHARES = 0.1
_KINDS = ("fidelity", "columns", "utility", "privacy")
_WORDS = {"green": "(+) yes", "amber": "(~) with care", "red": "(-) no", "unknown": "(?) unknown"}


class ReportLine(NamedTuple):
    """One measure of one class.

    Attributes
    ----------
    measure : str
    kind : {"fidelity", "columns", "utility", "privacy"}
    label : object
        Class label, or ``"(all)"`` for all rows together.
    value : float
        NaN if it cannot be computed.
    baseline : float
        The same measure between real rows; NaN if it cannot be computed.
    direction : str
        Which values are good.
    marked : bool
        Whether the value is far from what is good; a rule of thumb, not a test.
    note : str
        Why there is no value or no baseline; for attacks, how precise the figure is.

    See Also
    --------
    AugmentationReport : Has these lines.

    Examples
    --------
    >>> from sklearn_pyraug import ReportLine
    >>> ReportLine("recall", "fidelity", "a", 0.4, 0.9, "higher is better", True).value_text
    '0.400 !'
    """

    measure: str
    kind: str
    label: object
    value: float
    baseline: float
    direction: str
    marked: bool = False
    note: str = ""

    @property
    def is_overall(self):
        """Whether it is of all rows together."""
        return isinstance(self.label, str) and self.label == ALL

    @property
    def usual_text(self):
        """The baseline in words, or else what is good."""
        return self.direction if math.isnan(self.baseline) else f"baseline {self.baseline:.2f}"

    @property
    def value_text(self):
        """The value as it is printed, with an exclamation mark where it is marked."""
        return _text(self.value) + " !" * self.marked

    @property
    def baseline_text(self):
        """The baseline as it is printed."""
        return _text(self.baseline)


def make_line(name, label, value, baseline=math.nan, note="", kind=None, margin=0.0):
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
    margin : float, default=0.0
        How far chance takes the value from the baseline; no value that is nearer is marked.

    Returns
    -------
    line : ReportLine
    """
    measure = MEASURES["largest column difference" if kind == "columns" else name]
    value, baseline = float(value), float(baseline)
    marked = bool(measure.is_poor(value, baseline)) and not abs(value - baseline) <= margin
    kind = kind or measure.kind
    return ReportLine(name, kind, label, value, baseline, measure.direction, marked, note)


@dataclass(frozen=True, repr=False, eq=False)
class AugmentationReport(Page):
    """Verdict, scores and measures of synthetic rows; ``print`` shows them.

    The table has all measures: for all rows, their baseline, and the range over the classes. An
    exclamation mark follows a value that is far from what is good. This is a rule of thumb, not a
    test.

    The page of :meth:`to_html` shows how the data are distributed: one point per row in a plane of
    principal components, histograms and correlations of columns, the names of categories that at
    least 5 real rows have, and up to 10 real images. Give it only to people who may see this.

    Attributes
    ----------
    lines : tuple of ReportLine
        One line per measure and class.
    n_real : dict of label to int
        Real rows that the augmenter was trained on.
    n_synthetic : dict of label to int
        Synthetic rows; 0 for a class without any.
    n_holdout : dict of label to int
        Real rows held out; empty without.
    plots : ReportPlots
        Histograms and points that :meth:`to_html` draws.
    alerts : tuple of str
        What makes the figures misleading, such as synthetic rows that equal a training row.
    n_copies : int
        Synthetic rows that equal a training row; 0 if there are no more than by chance.
    settings : dict of str to str
        Date, parameters and versions of the measurement.
    remedies : tuple of str
        Parameters of the augmenter that the verdict may advise to change; empty for rows from
        other sources.

    See Also
    --------
    sklearn_pyraug.compare : Computes it.
    sklearn_pyraug.augmentation_report : Computes it for the rows of an augmenter.
    """

    lines: tuple[ReportLine, ...]
    n_real: dict
    n_synthetic: dict
    n_holdout: dict
    plots: ReportPlots = field(repr=False)
    alerts: tuple[str, ...] = ()
    n_copies: int = 0
    settings: dict = field(default_factory=dict)
    remedies: tuple[str, ...] = ()
    _title = "May these synthetic rows be used?"

    @property
    def verdict(self):
        """Whether the rows are realistic, useful and private: a tuple of three.

        Each has a ``question``, a ``light``, which is ``"green"``, ``"amber"``, ``"red"`` or
        ``"unknown"``, and a ``sentence`` that says why, and what to change.
        """
        return find_verdict(self)

    @property
    def scores(self):
        """Scores from 0 to 100 by property: a dict of str to named tuples.

        Column shapes, column pairs, coverage, utility and privacy, each with a ``value``, the
        ``baseline`` that a second set of real rows gets, and the ``meaning`` of 100.
        """
        overall = {line.measure: line for line in self.lines if line.is_overall}
        return {score.name: score for score in find_scores(overall)}

    def overall(self, measure):
        """Return the line of a measure of all rows, or None."""
        for line in self.lines:
            if line.measure == measure and line.is_overall:
                return line
        return None

    @property
    def summary(self):
        """How many rows were compared."""
        holdout = sum(self.n_holdout.values())
        n_classes = len(self.n_real)
        real = "training" if holdout else "real"
        return (
            f"{sum(self.n_synthetic.values())} synthetic rows, {sum(self.n_real.values())} "
            f"{real} rows, {holdout or 'no'} rows held out, {n_classes} "
            f"{'class' if n_classes == 1 else 'classes'}."
        )

    @property
    def has_other_shares(self):
        """Whether classes have other shares among synthetic rows than among real ones."""
        n, n_new = (sum(counts.values()) for counts in (self.n_real, self.n_synthetic))
        pairs = [(m / n, self.n_synthetic[label] / n_new) for label, m in self.n_real.items()]
        return sum(abs(p - q) for p, q in pairs) / 2 > _OTHER_SHARES

    @property
    def basis(self):
        """What values and baselines compare, and in which units."""
        units = (
            " Classes have other shares among synthetic rows, which alone makes all rows differ: "
            "read the classes."
        ) * self.has_other_shares + (
            " Distances are in standard deviations of a column; most others are shares. "
            "An exclamation mark is a rule of thumb, not a test."
        )
        if self.n_holdout:
            return (
                "Fidelity: synthetic against held-out rows; baseline: training against held-out "
                "rows. Privacy: synthetic against training rows; baseline: held-out against "
                f"training rows.{units}"
            )
        return (
            "Synthetic against real rows; baseline: one half of the real rows against the other, "
            f"which have fewer rows, so that distances are larger and more by chance.{units}"
        )

    @property
    def reasons(self):
        """Why values and baselines are blank: a list of sentences."""
        return self._notes(lambda line: math.isnan(line.value) or math.isnan(line.baseline))

    @property
    def precision(self):
        """How well the figures of attacks are known: a list of sentences."""
        return self._notes(lambda line: not math.isnan(line.value + line.baseline))

    def _notes(self, wanted):
        by_note = {}
        for line in self.lines:
            if line.note and wanted(line):
                by_note.setdefault(line.note, {})[line.measure] = None
        return [f"{', '.join(names)}: {note}." for note, names in by_note.items()]

    def to_frame(self):
        """Return the lines as a table; this needs pandas.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_lines, 7)
            Columns "measure", "class", "value", "baseline", "direction", "marked", "note".
        """
        import pandas as pd

        names = ["measure", "class", "value", "baseline", "direction", "marked", "note"]
        rows = [(line.measure, line.label, *line[3:]) for line in self.lines]
        return pd.DataFrame(rows, columns=names)

    def _parts(self):
        return report_parts(self)

    def __repr__(self):
        return f"<AugmentationReport: {self.summary}>"

    def __str__(self):
        labels = [label for label in self.n_real if self.n_synthetic[label]]
        parts = []
        for light in self.verdict:
            head = f"{light.question.capitalize()}?"
            text = f"{head:<10} {_WORDS[light.light]}: {light.sentence}"
            parts += _wrapped(text, subsequent_indent=" " * 11)
        parts += [
            "",
            *_wrapped(self.summary),
            *(line for alert in self.alerts for line in _wrapped(f"WARNING: {alert}")),
            "",
        ]
        parts.append(f"{'score from 0 to 100':<20}{'score':>7}{'baseline':>10}  100 is:")
        for name, score in self.scores.items():
            value, baseline = (_text(x, 0) for x in (score.value, score.baseline))
            text = f" {name:<19}{value:>7}{baseline:>10}  {score.meaning}"
            parts += _wrapped(text, subsequent_indent=" " * 39)
        parts += ["", *_wrapped(self.basis), ""]
        parts.append(_row("measure", "all", "baseline", "by class", "what is good"))
        for kind in _KINDS:
            lines = [line for line in self.lines if line.kind == kind]
            if lines:
                parts += ["", kind]
            for line in (line for line in lines if line.label == ALL):
                others = [x for x in lines if x.measure == line.measure and x.label != ALL]
                classes = _range(others) if len(labels) > 1 else ""
                parts.append(
                    _row(
                        f" {line.measure}",
                        line.value_text,
                        line.baseline_text,
                        classes,
                        line.direction,
                    )
                )
        for head, reasons in (
            ("How well the attacks' figures are known", self.precision),
            ("Blank", self.reasons),
        ):
            parts += ["", f"{head}:"] if reasons else []
            for reason in reasons:
                parts += _wrapped(reason, initial_indent="- ", subsequent_indent="  ")
        return "\n".join(parts)


def _wrapped(text, **options):
    return textwrap.wrap(text, _WIDTH, break_on_hyphens=False, **options)


def _row(measure, value, baseline, classes, direction):
    measure = shortened(measure, 27)
    value = value if value.endswith("!") else f"{value}  "
    return f"{measure:<27} {value:>7} {baseline:>9} {classes:>13} {direction}".rstrip()


def _range(lines):
    """Return the least and the greatest value over the classes."""
    values = [line.value for line in lines if not math.isnan(line.value)]
    if not values:
        return ""
    mark = "!" if any(line.marked for line in lines) else " "
    return f"{_text(min(values), 2)}..{_text(max(values), 2)}{mark}"


def _text(value, decimals=3):
    """Return a number as text; a blank is a dash, and no zero has a sign."""
    if math.isnan(value):
        return "–"
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if abs(value) < 100 else f"{value:.3g}"
