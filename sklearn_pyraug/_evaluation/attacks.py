"""What attacks find among training rows and rows held out, and how well that is known."""

import math

from ..metrics import (
    attribute_inference,
    linkability,
    membership_inference,
    univariate_singling_out,
)
from .results import ALL, make_line
from .verdict import Z, area_margin

# More than by chance that is worth a mark.
_NOTABLE = 0.1


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
    lines = [
        make_line("membership AUC", ALL, membership.auc, 0.5, _known_to(margin), margin=margin),
        _attack_line(
            "membership at 1 % false", membership.true_positive_rate, 0.01, n, n_holdout, 100
        ),
        _attack_line("singling out", *univariate_singling_out(*sets), n, n_holdout),
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
    # With one success and one failure more in either set, shares of 0 and 1 have margins, too.
    pairs = [((m * share + 1) / (m + 2), m + 2) for share, m in ((share, n), (control, n_holdout))]
    margin = Z * math.sqrt(sum(p * (1 - p) / m for p, m in pairs))
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
