"""What the lines of a report come to: three lights, and scores from 0 to 100."""

import math
from typing import NamedTuple

from .measures import ATTACKS, CLOSENESS

# Number of marked measures of all rows from which rows are not realistic, or not private.
_N_POOR, _N_CLOSE = 3, 2
# A classifier's score this far below the baseline is worth a warning. If its margin is larger than
# the second number, it says nothing.
_FALL, _MOST_MARGIN = 0.05, 0.15
# Largest margin of the area under the curve with which an area of 0.6 is no chance, and the number
# of rows of either kind that gives about this margin (70 give 0.096).
_MOST_AUC_MARGIN, _FEW = 0.1, 70
# An estimate lies within this many standard deviations in 95 of 100 cases.
Z = 1.96
# What a marked measure means.
_FINDINGS = {
    "precision": "many rows lie where no real rows do",
    "recall": "they vary less than real rows",
    "density": "few real rows are near them",
    "coverage": "many real rows have none close by",
    "two-sample AUC": "a classifier tells them from real rows",
    "sliced Wasserstein": "they lie elsewhere than real rows",
    "mean column difference": "their columns are distributed otherwise",
    "largest column difference": "a column is distributed otherwise",
    "mean pair difference": "their columns depend on each other otherwise",
    "membership AUC": "it can be told who was among them",
    "membership at 1 % false": "of some almost for sure",
    "singling out": "values that only one of them has turn up",
    "linkability": "records of one person can be linked",
    "attribute inference": "values can be guessed",
}
_HOLD_OUT = (
    "Put a fifth of the real rows aside before the generator is trained, and give them as "
    "X_holdout and y_holdout, or by --holdout"
)


class Light(NamedTuple):
    """The answer to one question on synthetic rows.

    Attributes
    ----------
    question : {"realistic", "useful", "private"}
    light : {"green", "amber", "red", "unknown"}
    sentence : str
        Why, and what to change.
    """

    question: str
    light: str
    sentence: str


class Score(NamedTuple):
    """A property of synthetic rows on a scale from 0 to 100.

    Attributes
    ----------
    name : str
    value : float
        NaN if it cannot be computed.
    baseline : float
        What a second set of real rows gets.
    meaning : str
        What 100 is.
    """

    name: str
    value: float
    baseline: float
    meaning: str


def area_margin(n, n_others):
    """Return how far from 0.5 the area under the curve of two sets alike lies by chance."""
    return Z * math.sqrt((n + n_others + 1) / (12 * n * n_others))


def share_margin(share, control, n, n_control):
    """Return how far two shares of n and of n_control rows may differ by chance.

    The interval is that of Agresti and Caffo: with one success and one failure more in either set,
    shares of 0 and 1 have margins, too, and the difference is nearer to zero.
    """
    pairs = [((m * p + 1) / (m + 2), m + 2) for p, m in ((share, n), (control, n_control))]
    spread = Z * math.sqrt(sum(p * (1 - p) / m for p, m in pairs))
    return spread + max(0.0, abs(share - control) - abs(pairs[0][0] - pairs[1][0]))


def find_scores(lines):
    """Return the scores that the lines of all rows come to.

    Parameters
    ----------
    lines : dict of str to ReportLine
        Those of all rows, by measure.

    Returns
    -------
    scores : list of Score
    """

    def of(name, value_of, score, meaning):
        line = lines.get(name)
        numbers = (line.value, line.baseline) if line else (math.nan, math.nan)
        return Score(score, *(100 * value_of(x) for x in numbers), meaning)

    risks = [
        max(0.0, (line.value - line.baseline) / (1 - line.baseline))
        for line in (lines.get(name) for name in ATTACKS)
        if line and line.baseline < 1
    ]
    return [
        of(
            "mean column difference",
            lambda x: 1 - x,
            "column shapes",
            "each column is distributed as among real rows",
        ),
        of(
            "mean pair difference",
            lambda x: 1 - x,
            "column pairs",
            "each two columns depend on each other as among real rows",
        ),
        of("coverage", lambda x: x, "coverage", "each real row has a synthetic one close by"),
        of(
            "train synthetic, test real",
            lambda x: x,
            "utility",
            "a classifier that learned from synthetic rows is right on all real rows held out",
        ),
        Score(
            "privacy",
            100 * (1 - max(risks)) if risks else math.nan,
            100.0 if risks else math.nan,
            "the strongest attack finds no more of training rows than of rows held out",
        ),
    ]


def find_verdict(report):
    """Return whether rows are realistic, useful and private."""
    return (
        Light("realistic", *_realistic(report)),
        Light("useful", *_useful(report)),
        Light("private", *_private(report)),
    )


def _realistic(report):
    lines = [x for x in report.lines if x.kind == "fidelity"]
    overall = [x for x in lines if x.is_overall]
    poor = {x.measure: x for x in overall if x.marked}
    few = [x for x in lines if x.measure == "coverage" and math.isnan(x.value + x.baseline)]
    if any(x.is_overall for x in few):
        real = ", 6 training rows and 6 rows held out" if report.n_holdout else " and 12 real ones"
        return (
            "unknown",
            f"There are too few rows to compare: take at least 6 synthetic rows{real}.",
        )
    # Marks of classes with few rows are chance.
    left_out = [x.label for x in few]
    by_class = {
        x.label: None for x in lines if x.marked and not x.is_overall and x.label not in left_out
    }
    remedy = _remedy_of_fidelity(report, poor)
    if poor:
        light = "red" if len(poor) >= _N_POOR else "amber"
        shares = " In part since classes have other shares: read them one by one."
        return light, (
            f"Far from what real rows reach: {_found(poor.values())}."
            f"{shares * report.has_other_shares} {remedy}"
        )
    if by_class:
        what = _listed([repr(label) for label in by_class])
        return "amber", (
            "All rows together are close to real ones, but measures are marked in "
            f"class{'es' if len(by_class) > 1 else ''} {what}: see these below. {remedy}"
        )
    sentence = "All measures are close to what real rows reach"
    if few:
        classes = f"class{'es' * (len(few) > 1)} {_listed([repr(x.label) for x in few])}"
        sentence += f". There are too few rows of {classes} for an answer on these alone."
    else:
        sentence += ", in each class, too."
    distance = report.overall("distance to closest record")
    if distance is not None and distance.value == 0:
        sentence = "As close to real rows as copies are, since most of them are copies."
    elif not report.n_holdout:
        sentence += (
            " They were compared with the training rows, which a copier matches best: with rows "
            "held out the answer is firmer."
        )
    return "green", sentence


def _remedy_of_fidelity(report, poor):
    """Return what to change for rows that are more like real ones."""
    if {"precision", "density"} & set(poor):
        change, scale = "keep new rows closer to real ones", "(0.1, 0.5)"
    else:
        change, scale = "let new rows differ more", "(0.5, 1.0)"
    columns = [x.measure for x in report.lines if x.kind == "columns" and x.marked][:3]
    # A single pixel tells nothing.
    first = f"Look at {_listed(columns)}. " if columns and not report.plots.pictures else ""
    if "max_epochs" not in report.remedies:
        return f"{first}Train the generator on more rows or for longer, or {change}."
    more = f", or {change} by output=Transfer(scale={scale})" if "output" in report.remedies else ""
    return f"{first}Train longer (max_epochs){more}."


def _useful(report):
    line = report.overall("train synthetic, test real")
    question = (
        "Whether they help beside the real rows is measured by augmentation_gain, or by the "
        "command sklearn-pyraug gain."
    )
    if not report.n_holdout:
        return "unknown", f"Not measured without rows held out. {_HOLD_OUT}. {question}"
    if line is None or math.isnan(line.value):
        return "unknown", f"Not measured: it {line.note if line else 'was left out'}."
    counts = [n for label, n in report.n_holdout.items() if n and report.n_synthetic[label]]
    n = sum(counts)
    # This many rows, in classes of equal size, give a mean of shares with the same precision.
    n_even = len(counts) ** 2 / sum(1 / n for n in counts)
    # Two successes and two failures are added, so that a share of 1 also has a margin.
    p = (n_even * line.value + 2) / (n_even + 4)
    margin = Z * math.sqrt(p * (1 - p) / (n_even + 4))
    told = (
        f"A classifier that learned from the synthetic rows scores {line.value:.2f} on {n} real "
        f"rows held out (from the real rows: {line.baseline:.2f}; known to ±{margin:.2f})"
    )
    if line.baseline < 1 / len(report.n_real) + _FALL:
        return "unknown", (
            f"{told}: even from the real rows it learns hardly anything. Give another classifier, "
            "or other columns."
        )
    if margin > max(_MOST_MARGIN, line.baseline - line.value):
        needed = math.ceil(n * (margin / _MOST_MARGIN) ** 2 / 10) * 10
        return "unknown", f"{told}, which are too few to tell: hold out about {needed}. {question}"
    if line.marked:
        return "red", (
            f"{told}, which is far worse. Do not put them in the place of real rows. {question}"
        )
    if line.value < line.baseline - _FALL:
        return "amber", f"{told}, which is somewhat worse. {question}"
    return "green", f"{told}, which is about as well. {question}"


def _private(report):
    close = [x for x in report.lines if x.measure in CLOSENESS and x.marked]
    overall = [x.measure for x in close if x.is_overall]
    found = [x for x in map(report.overall, ATTACKS) if x and x.marked]
    singled = any(x.measure == "singling out" for x in found)
    is_near = bool(report.n_copies or close or len(found) > singled)
    remedy = _remedy_of_privacy(report, singled, is_near)
    told = ""
    if report.n_copies:
        n_new = sum(report.n_synthetic.values())
        told = f"Copies of training rows: {report.n_copies} of {n_new} synthetic rows. "
    if found:
        told += f"Attacks find training rows: {_found(found)}. "
    if told:
        return "red", f"{told}{remedy}"
    if len(overall) >= _N_CLOSE:
        return "red", f"Rows lie too close to training rows: {_listed(overall)}. {remedy}"
    area = report.overall("membership AUC")
    if area is None:
        marks = f" Marked already: {_listed(overall)}." if overall else ""
        return "unknown", (
            f"No attack can be tried without rows held out.{marks} {_HOLD_OUT}. Until then treat "
            "synthetic rows as you treat the real ones."
        )
    if close:
        what = (
            _listed(overall)
            if overall
            else (
                f"some rows of class {_listed(list(dict.fromkeys(repr(x.label) for x in close)))}"
            )
        )
        return "amber", (
            f"No attack finds more than by chance, but rows come close to training rows: {what}. "
            f"{remedy}"
        )
    n, n_holdout = (sum(counts.values()) for counts in (report.n_real, report.n_holdout))
    if area_margin(n, n_holdout) > _MOST_AUC_MARGIN:
        counts = {"training rows": n, "rows held out": n_holdout}
        few = [f"{count} {name}" for name, count in counts.items() if count < _FEW]
        return "unknown", (
            f"No attack finds more than by chance, but {_listed(few)} are too few to tell: take "
            f"about {_FEW} of either kind."
        )
    return "green", (
        f"No attack of this report finds more than by chance among {n} training rows and "
        f"{n_holdout} held out. That is no proof: attacks that train generators of their own find "
        "more, and the more rows are published, the more."
    )


def _remedy_of_privacy(report, singled, is_near):
    """Return what to change for rows that single somebody out, are near to real ones, or both."""
    ours = {
        "min_distance": "min_distance='auto' draws rows that are too close again",
        "output": "output=Transfer(scale=(0.5, 1.0)) moves rows further from their origins",
        "decoder": "decoder='direct' starts from no real row and is the safest",
    }
    if singled:
        # Single values single rows out, however far the rows are.
        values = "columns=Columns(value_mapping=None) moves no value to one that a real row has"
        ours = {"columns": values} | (ours if is_near else {})
    changes = [text for name, text in ours.items() if name in report.remedies]
    if changes:
        return f"What helps: {'; '.join(changes)}. Publish few rows."
    return (
        "Leave out rows that are too close, publish few, or choose a generator that starts from no "
        "real row: RHVAEAugmenter(decoder='direct'), or augment --set decoder=direct."
    )


def _found(lines):
    """Return what marked measures mean, with their values; of many, the first three."""
    told = [f"{_FINDINGS[x.measure]} ({x.measure} {x.value:.2f}, {x.usual_text})" for x in lines]
    more = [f"{len(told) - 3} more"] if len(told) > 3 else []
    return _listed(told[:3] + more)


def _listed(names):
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
