"""Facts about each measure: what it says, what is good, and when it is marked."""

from collections.abc import Callable
from typing import NamedTuple

_HIGHER, _LOWER, _NEAR = "higher is better", "lower is better", "near the baseline"
_P_VALUE = "small: they differ"


class Measure(NamedTuple):
    """Facts about a measure.

    Attributes
    ----------
    kind : {"fidelity", "utility", "privacy"}
    direction : str
        What is good.
    meaning : str
        What it says, in one sentence.
    is_poor : callable
        ``is_poor(value, baseline)`` is True for a value to be marked; where the rule needs a
        baseline and there is none (NaN), it is False.
    """

    kind: str
    direction: str
    meaning: str
    is_poor: Callable = lambda value, baseline: False


def _is_below_half(value, baseline):
    return value < 0.5 * baseline


def _exceeds(value, baseline):
    return value > baseline + 0.1


def _is_poor_column(value, baseline):
    # The baseline of one column may be small by chance. With few rows it is large; since no
    # difference exceeds 1, half of the rest is then a large difference.
    return value > min(3 * baseline + 0.1, (1 + baseline) / 2)


MEASURES = {
    "precision": Measure(
        "fidelity", _HIGHER, "Share of synthetic rows that lie where real rows lie.", _is_below_half
    ),
    "recall": Measure(
        "fidelity", _HIGHER, "Share of real rows that lie where synthetic rows lie.", _is_below_half
    ),
    "density": Measure(
        "fidelity",
        "1 is ideal",
        "How densely real rows surround a synthetic one, in units of what is usual.",
        _is_below_half,
    ),
    "coverage": Measure(
        "fidelity",
        _HIGHER,
        "Share of real rows with a synthetic one among their closest neighbours.",
        _is_below_half,
    ),
    "two-sample AUC": Measure(
        "fidelity",
        "0.5 is ideal",
        "How well a classifier tells synthetic rows from real ones; 0.5 is not at all.",
        # If even real rows can be told from each other, there is nothing to mark.
        lambda v, baseline: v > 0.8 and not v <= baseline + 0.1,
    ),
    "two-sample p-value": Measure(
        "fidelity", _P_VALUE, "How often chance alone tells two sets of rows apart as well."
    ),
    "mean discrepancy (MMD²)": Measure(
        "fidelity", "0 is ideal", "How far the two distributions differ as a whole."
    ),
    "MMD² p-value": Measure(
        "fidelity", _P_VALUE, "How often chance alone makes them differ as far."
    ),
    "sliced Wasserstein": Measure(
        "fidelity",
        _LOWER,
        "How far rows would have to be moved to be distributed as the real ones are.",
        lambda v, baseline: v > 3 * baseline,
    ),
    "mean column difference": Measure(
        "fidelity",
        _LOWER,
        "How far columns are distributed differently, from 0 to 1: the mean of all.",
        _is_poor_column,
    ),
    "largest column difference": Measure(
        "fidelity", _LOWER, "The same of the column that differs most.", _is_poor_column
    ),
    "mean pair difference": Measure(
        "fidelity",
        _LOWER,
        "How far the correlation, or association, of two columns differs, from 0 to 1.",
        _is_poor_column,
    ),
    "train synthetic, test real": Measure(
        "utility",
        "baseline or higher",
        "Balanced accuracy, on real rows held out, of a classifier that learned from synthetic "
        "rows; baseline: from real ones.",
        lambda v, baseline: v < baseline - 0.1,
    ),
    "train real, test synthetic": Measure(
        "utility", _NEAR, "The reverse: learned from real rows, tested on synthetic ones."
    ),
    "distance to closest record": Measure(
        "privacy",
        _NEAR,
        "Distance of a synthetic row to its closest training row, the median.",
        _is_below_half,
    ),
    "distance ratio": Measure(
        "privacy",
        _NEAR,
        "That distance over the one to the second closest, the median; 0 for copies.",
        _is_below_half,
    ),
    "authenticity": Measure(
        "privacy",
        _NEAR,
        "Share of synthetic rows that are further from their closest training row than this is "
        "from its own neighbour.",
        _is_below_half,
    ),
    "memorization share": Measure(
        "privacy",
        _LOWER,
        "Share of synthetic rows that are closer to a training row than the closest 1 % of the "
        "training rows are to each other.",
        _exceeds,
    ),
    "training proximity": Measure(
        "privacy",
        _NEAR,
        "Share of synthetic rows that are closer to the training rows than to rows held out.",
        _exceeds,
    ),
    "membership AUC": Measure(
        "privacy",
        "0.5 is ideal",
        "Membership inference: how well being close to a synthetic row tells training rows from "
        "others.",
        lambda v, _: v > 0.6,
    ),
    "membership at 1 % false": Measure(
        "privacy",
        _LOWER,
        "Share of the training rows that this attack names where it is wrong about 1 % of others.",
        lambda v, _: v > 0.05,
    ),
    "singling out": Measure(
        "privacy",
        _NEAR,
        "Share of values that one synthetic row has and that exactly one training row has, too.",
        _exceeds,
    ),
    "linkability": Measure(
        "privacy",
        _NEAR,
        "Share of training rows whose two halves of columns a synthetic row links.",
        _exceeds,
    ),
    "attribute inference": Measure(
        "privacy",
        _NEAR,
        "Share of values guessed right, each from the other columns of its row.",
        _exceeds,
    ),
    "close rows": Measure(
        "privacy",
        _LOWER,
        "Share of the rows of the last fit_resample that are closer to a training row than the "
        "closest 1 % of these are to each other.",
        _exceeds,
    ),
    "near-copies": Measure(
        "privacy",
        _LOWER,
        "Share of these within a tenth of the usual distance between training rows.",
        _exceeds,
    ),
    "copies": Measure("privacy", _LOWER, "Share of these that equal a training row.", _exceeds),
}
# What attacks find. The excess over the baseline is what synthetic rows reveal.
ATTACKS = (
    "membership AUC",
    "membership at 1 % false",
    "singling out",
    "linkability",
    "attribute inference",
)
# How close synthetic rows come to training rows.
CLOSENESS = tuple(n for n, m in MEASURES.items() if m.kind == "privacy" and n not in ATTACKS)
# Those that are shares of rows, which vary by chance if there are few rows.
SHARES = ("authenticity", "memorization share", "training proximity")
