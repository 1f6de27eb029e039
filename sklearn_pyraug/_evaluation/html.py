"""Results as one page of HTML, which needs nothing else, and as a part of a notebook."""

import datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .._version import __version__
from ..io._atomic import atomic_write
from . import svg
from .measures import MEASURES

# All rules are within one class, so that they change nothing else in a notebook.
_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_TITLES = {
    "fidelity": "Do the synthetic rows look like real ones?",
    "columns": "Columns that differ most",
    "utility": "What are they worth to a classifier?",
    "privacy": "Do they give training rows away?",
}
_WORDS = {"green": "yes", "amber": "with care", "red": "no", "unknown": "unknown"}
_MARK = ' class="mark"'
_LEGEND = "Filled: real rows. Outlined: synthetic rows."
# Most classes in the tables, and most columns in the table of missing values.
_MAX_CLASSES, _MAX_MISSING = 12, 30


def report_parts(report):
    """Return the page of a report without scripts or anything to be loaded, in parts.

    Parameters
    ----------
    report : AugmentationReport

    Returns
    -------
    parts : list of str
        HTML, one below the other.
    """
    parts = [f"<p>{escape(report.summary)}</p>", _lights(report.verdict)]
    parts += [f'<p class="mark">Warning: {escape(alert)}</p>' for alert in report.alerts]
    parts.append(_scores(report.scores.values()))
    labels = list(dict.fromkeys(line.label for line in report.lines))
    parts.append(
        f'<h2>Measures</h2><p class="quiet">{escape(report.basis)} The baseline stands below each '
        "figure.</p>"
    )
    for kind, title in _TITLES.items():
        lines = [line for line in report.lines if line.kind == kind]
        # Single pixels say nothing.
        if lines and not (kind == "columns" and report.plots.pictures):
            parts += [f"<h2>{title}</h2>", _measures(lines, labels)]
    if report.reasons:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in report.reasons)
        parts += ["<h2>What is blank, and why</h2>", f"<ul>{items}</ul>"]
    sizes = {}
    for label, n in list(report.n_real.items())[:_MAX_CLASSES]:
        held_out = f", {report.n_holdout[label]} held out" if report.n_holdout else ""
        sizes[f"rows of class {label}"] = (
            f"{n} real, {report.n_synthetic[label]} synthetic{held_out}"
        )
    return [*parts, *_drawings(report.plots), *settings_table(report.settings | sizes)]


class Page:
    """A result with a page of HTML: a subclass has its title and its `_parts`."""

    def to_html(self, path=None, *, overwrite=False):
        """Return the result as one page of HTML, or write it to a file.

        The page has its pictures within it, no scripts, and loads nothing. It suits light and dark
        screens, and notebooks show it.

        Parameters
        ----------
        path : str, path-like or None, default=None
            Where to write it. None returns it.
        overwrite : bool, default=False
            Whether a file already there may be replaced.

        Returns
        -------
        html : str or None
            The page; None where it was written.

        Raises
        ------
        FileExistsError
            If there is such a file, and `overwrite` is False.
        OSError
            If the file cannot be written.
        """
        html = (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{self._title}</title>\n<style>:root {{ color-scheme: light dark; }} body "
            "{ margin: 0; } @media (prefers-color-scheme: dark) { body { background: #14171c; } }"
            f"</style>\n</head>\n<body>\n{self._repr_html_()}\n</body>\n</html>\n"
        )
        if path is None:
            return html
        with atomic_write(path, overwrite=overwrite) as file:
            file.write(html.encode("utf-8"))
        return None

    def _repr_html_(self):
        content = "\n".join([f"<style>{_STYLE}</style>", f"<h1>{self._title}</h1>", *self._parts()])
        return f'<div class="pyraug">\n{content}\n</div>'


def made_with():
    """Return the date, and the versions on which figures depend: a dict of str to str."""
    now = datetime.datetime.now(datetime.timezone.utc)
    packages = {name: version(name) for name in ("scikit-learn", "torch", "numpy")}
    return {"date": f"{now:%Y-%m-%d %H:%M} UTC", "sklearn_pyraug": __version__, **packages}


def settings_table(settings):
    """Return how a result was made, as parts of a page."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in settings.items()
    )
    return ["<h2>How this was made</h2>", f"<dl>{rows}</dl>"] if rows else []


def table(heads, rows, marked=()):
    """Return a table, whose first column names the rows.

    Parameters
    ----------
    heads : list of str
        Plain text.
    rows : list of list of str
        HTML.
    marked : set of (int, int), default=()
        Row and column of the cells to be marked.
    """
    keys = [f' data-k="{escape(head)}"' if j and head else "" for j, head in enumerate(heads)]
    body = [
        "".join(
            f"<td{key}{_MARK * ((i, j) in marked)}>{cell}</td>"
            for j, (key, cell) in enumerate(zip(keys, row, strict=True))
        )
        for i, row in enumerate(rows)
    ]
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = [head, *body] if any(heads) else body
    content = "\n".join(f"<tr>{row}</tr>" for row in body)
    return f'<div class="wide"><table><tbody>\n{content}</tbody></table></div>'


def _lights(verdict):
    answers = "".join(
        f'<div class="answer {x.light}">{svg.light(x.light)}<p><strong>{x.question.capitalize()}? '
        f"{_WORDS[x.light].capitalize()}.</strong> {escape(x.sentence)}</p></div>"
        for x in verdict
    )
    return f'<div class="lights">{answers}</div>'


def _scores(scores):
    rows = [
        [
            f"<strong>{score.name}</strong><small>100: {escape(score.meaning)}</small>",
            *("–" if np.isnan(x) else f"{x:.0f}" for x in (score.value, score.baseline)),
            svg.score_bar(score.value, score.baseline).replace("<svg", '<svg class="score"'),
        ]
        for score in scores
    ]
    return (
        '<h2>Scores from 0 to 100</h2><p class="quiet">A score is read beside that of a second set '
        "of real rows, where the line stands in the bar.</p>"
        + table(["score", "synthetic rows", "real rows", ""], rows)
    )


def _measures(lines, labels):
    """Return a table with one row a measure, one column a class, and values above baselines."""
    labels = [label for label in labels if any(line.label == label for line in lines)]
    n_marked = {x: sum(line.marked for line in lines if line.label == x) for x in labels[1:]}
    kept = set(sorted(n_marked, key=lambda x: -n_marked[x])[:_MAX_CLASSES])
    shown = labels[:1] + [label for label in labels[1:] if label in kept]
    by_place = {(line.measure, line.label): line for line in lines}
    rows, marked = [], set()
    for i, name in enumerate(dict.fromkeys(line.measure for line in lines)):
        cells = [by_place.get((name, label)) for label in shown]
        first = next(line for line in lines if line.measure == name)
        told = [MEASURES[name].meaning] if name in MEASURES else []
        good = first.direction
        whole = " is " in good or ":" in good
        told.append(f"{good[0].upper()}{good[1:]}." if whole else f"Good: {good}.")
        if name in MEASURES and first.note and first.value == first.value:
            told.append(f"{first.note[0].upper()}{first.note[1:]}.")
        rows.append(
            [f"<strong>{escape(name)}</strong><small>{escape(' '.join(told))}</small>"]
            + [
                "" if x is None else f"{x.value_text}<small>{x.baseline_text}</small>"
                for x in cells
            ]
        )
        marked |= {(i, j) for j, x in enumerate(cells, 1) if x is not None and x.marked}
    heads = ["all" if j == 0 else str(label) for j, label in enumerate(shown)]
    some = f"{len(shown) - 1} of {len(labels) - 1} classes, those with most marks."
    note = f'<p class="quiet">{some}</p>' if len(shown) < len(labels) else ""
    return table(["measure", *heads], rows, marked) + note


def _drawings(plots):
    parts = _pictures(plots.pictures) if plots.pictures else _columns(plots)
    if plots.distances is not None:
        parts += [
            "<h2>How close do they come?</h2>",
            _figure(
                svg.histogram(plots.distances, 320),
                "Distance to the closest training row, in standard deviations of a column; the "
                f"real rows are those of the baseline. {_LEGEND} Synthetic rows piled up at zero "
                "are copies.",
            ),
        ]
    return [
        *parts,
        "<h2>All rows in a plane</h2>",
        _figure(
            svg.points(plots.real, plots.synthetic),
            "Two principal components of the real rows, at most 500 rows of either kind. Dots: "
            "real rows. Crosses: synthetic rows.",
        ),
    ]


def _columns(plots):
    return [*_distributions(plots), *_associations(plots), *_missing(plots)]


def _distributions(plots):
    n, n_shown = len(plots.differences), len(plots.columns)
    some = f"{n_shown} of {n} columns, those" if n_shown < n else "All columns, those"
    figures = [
        _figure(
            svg.histogram(column),
            f"<strong>{escape(column.name)}</strong> differs by {value:.2f} "
            f"(real rows: {usual:.2f})",
            first=True,
        )
        for column, (value, usual) in zip(plots.columns, plots.differences, strict=False)
    ]
    return [
        f'<h2>Columns</h2><p class="quiet">{some} that differ most first. {_LEGEND} A difference '
        "is from 0, equal shares, to 1; percentages are those of synthetic rows.</p>",
        f'<div class="grid">{"".join(figures)}</div>',
    ]


def _associations(plots):
    """Return heat maps of the associations of pairs of columns, if there is a pair."""
    n = len(plots.paired)
    if n < 2:
        return []
    some = f" The {n} columns that differ most are shown." if n < len(plots.differences) else ""
    real, synthetic = plots.associations
    maps = [
        ("Real rows (full colour: 1)", real, 1.0),
        ("Synthetic rows (full colour: 1)", synthetic, 1.0),
        ("Difference (full colour: 0.5)", synthetic - real, 0.5),
    ]
    figures = [
        _figure(svg.heat_map(plots.paired, values, scale), f"<strong>{name}</strong>", first=True)
        for name, values, scale in maps
    ]
    return [
        "<h2>Pairs of columns</h2>",
        '<p class="quiet">White: none. Orange: positive, or any association of categories. '
        "Blue: negative. Numbers have Pearson's correlation, categories Cramér's V, and one "
        f"of each the correlation ratio.{some}</p>",
        f'<div class="grid three">{"".join(figures)}</div>',
    ]


def _missing(plots):
    """Return a table of the columns with missing values, if there are any."""
    if not plots.missing:
        return []
    shown = plots.missing[:_MAX_MISSING]
    some = f" {len(shown)} of {len(plots.missing)} columns." * (len(shown) < len(plots.missing))
    rows = [[escape(name), f"{100 * a:.1f} %", f"{100 * b:.1f} %"] for name, a, b in shown]
    return [
        "<h2>Missing values</h2>",
        f'<p class="quiet">Shares of the rows, where there are any.{some}</p>',
        table(["column", "real rows", "synthetic rows"], rows),
    ]


def _pictures(pictures):
    """Return each synthetic image between the closest real one and the difference."""
    both = np.concatenate([pictures.real.ravel(), pictures.synthetic.ravel()])
    low, high = float(np.nanmin(both)), float(np.nanmax(both))
    figures = []
    for label, real, new in zip(*pictures, strict=True):
        difference = new - real
        if difference.ndim == 3:
            difference = difference.mean(axis=-1)
        images = "".join(
            f'<img alt="{name}" src="{svg.pixels(colours)}">'
            for name, colours in (
                ("closest real image", svg.grey(real, low, high)),
                ("synthetic image", svg.grey(new, low, high)),
                ("difference", svg.diverging(difference, (high - low) or 1.0)),
            )
        )
        figures.append(f"<figure>{images}<figcaption>{escape(str(label))}</figcaption></figure>")
    return [
        "<h2>Images</h2>",
        '<p class="quiet">Top: the closest real image of the class. Middle: a synthetic image. '
        "Bottom: the difference, blue where the synthetic image is darker, orange where it is "
        "brighter. Volumes are shown as a slice. These are real images: show this page only to "
        "people who may see them.</p>",
        f'<div class="pictures">{"".join(figures)}</div>',
    ]


def _figure(picture, caption, first=False):
    caption = f"<figcaption>{caption}</figcaption>"
    return f"<figure>{caption * first}{picture}{caption * (not first)}</figure>"
