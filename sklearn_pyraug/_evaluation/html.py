"""A report as one file of HTML, which needs nothing else."""

import datetime
from base64 import b64encode
from html import escape
from importlib.metadata import version

from .._version import __version__
from .plots import draw_plots

__all__ = ["html_page", "made_with", "report_html"]

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --page: #ffffff; --line: #c9ced6;
  --quiet: #57606a; --mark: #b42318; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ee; --page: #14171c; --line: #3c434d;
  --quiet: #a3acb8; --mark: #ff9b8f; } }
body { background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif;
  margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: right;
  white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
@media (max-width: 40rem) { th, td { font-size: .8rem; padding: .25rem .2rem;
  white-space: normal; } td:first-child { overflow-wrap: anywhere; } }
.mark { color: var(--mark); font-weight: bold; }
.quiet, figcaption { color: var(--quiet); }
figure { margin: 1rem 0; }
svg { max-width: 44rem; width: 100%; } svg text { fill: var(--text); font-size: 14px; }
svg line, svg circle { stroke: var(--text); stroke-width: 2; fill: var(--page); }
svg .clear { fill: var(--text); } svg .zero { stroke: var(--quiet); stroke-dasharray: 4; }
img { background: #ffffff; border-radius: 6px; height: auto; max-width: 100%; }
"""
_TITLES = {
    "fidelity": "Do the synthetic rows look like real ones?",
    "columns": "Columns that differ most",
    "utility": "What are they worth to a classifier?",
    "privacy": "Do they give training rows away?",
}


def report_html(report):
    """Return a report as a page of HTML without scripts or anything to be loaded.

    Parameters
    ----------
    report : AugmentationReport

    Returns
    -------
    html : str
    """
    labels = list(dict.fromkeys(line.label for line in report.lines))
    parts = [f"<p>{escape(report.summary)}</p>"]
    parts += [f'<p class="mark">{escape(alert)}</p>' for alert in report.alerts]
    parts.append(f'<p class="quiet">{escape(report.basis)}</p>')
    for kind, title in _TITLES.items():
        lines = [line for line in report.lines if line.kind == kind]
        if lines:
            parts += [f"<h2>{title}</h2>", _table(lines, labels)]
    reasons = report.reasons
    if reasons:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
        parts += ["<h2>What is blank, and why</h2>", f"<ul>{items}</ul>"]
    parts += ["<h2>Distributions</h2>", _figures(report.plots)]
    return html_page("Augmentation report", parts)


def html_page(title, parts):
    """Return a page of HTML that suits light and dark screens.

    Parameters
    ----------
    title : str
        Plain text.
    parts : list of str
        HTML, one below the other.

    Returns
    -------
    html : str
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def made_with():
    """Return the date, and the versions on which figures depend: a dict of str to str."""
    now = datetime.datetime.now(datetime.timezone.utc)
    packages = {name: version(name) for name in ("scikit-learn", "torch", "numpy")}
    return {"date": f"{now:%Y-%m-%d %H:%M} UTC", "sklearn_pyraug": __version__, **packages}


def _table(lines, labels):
    """Return a table with one row a measure and one column a class."""
    labels = [label for label in labels if any(line.label == label for line in lines)]
    names = dict.fromkeys(line.measure for line in lines)
    by_place = {(line.measure, line.label): line for line in lines}
    heads = ["measure", "what is good", "baseline of all", *labels]
    rows = []
    for name in names:
        cells = [by_place.get((name, label)) for label in labels]
        first = next(cell for cell in cells if cell is not None)
        rows.append(
            f'<td>{escape(name)}</td><td class="quiet">{escape(first.direction)}</td>'
            f"<td>{first.baseline_text}</td>" + "".join(_cell(cell) for cell in cells)
        )
    head = "".join(f"<th>{escape(str(name))}</th>" for name in heads)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _cell(line):
    if line is None:
        return "<td></td>"
    mark = ' class="mark"' if line.marked else ""
    title = f' title="{escape(line.note or f"baseline {line.baseline_text}")}"'
    return f"<td{mark}{title}>{line.value_text}</td>"


def _figures(plots):
    try:
        pictures = draw_plots(plots)
    except ImportError:
        return (
            '<p class="quiet">There are no plots, as matplotlib is not installed: '
            'pip install "sklearn-pyraug[plot]".</p>'
        )
    return "\n".join(
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,'
        f'{b64encode(png).decode("ascii")}"><figcaption>{escape(caption)}</figcaption></figure>'
        for caption, png in pictures
    )
