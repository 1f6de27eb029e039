"""The pages are read without a network: none of them loads anything from another machine."""

import re
from html.parser import HTMLParser
from pathlib import Path

from sphinx.util import logging

logger = logging.getLogger(__name__)

# What a browser fetches by itself. A link that a reader may follow is not among it.
LOADED = {
    "audio": ["src"],
    "embed": ["src"],
    "iframe": ["src"],
    "image": ["href", "xlink:href"],
    "img": ["src", "srcset"],
    "input": ["src"],
    "link": ["href"],
    "object": ["data"],
    "script": ["src"],
    "source": ["src", "srcset"],
    "track": ["src"],
    "use": ["href", "xlink:href"],
    "video": ["src", "poster"],
}
# Links that only say where something is.
NOT_LOADED = {"alternate", "author", "canonical", "help", "license", "next", "prev", "search"}
ELSEWHERE = re.compile(r"(?:^|,)\s*((?:https?:|wss?:)?//[^\s,]*)", re.IGNORECASE)
IN_STYLE = re.compile(r"""(?:url\(|@import)\s*['"]?\s*((?:https?:)?//[^\s'")]*)""", re.IGNORECASE)
IN_SCRIPT = re.compile(
    r"""(?:\bimport|\bfetch|importScripts|\.open|\.src\s*=)\s*\(?\s*(?:['"]GET['"],\s*)?['"`]"""
    r"""((?:https?:)?//[^'"`]*)""",
    re.IGNORECASE,
)


class _Page(HTMLParser):
    """Collects what a page loads from elsewhere."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.inside = None

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.inside = tag if tag in ("style", "script") else None
        if not set(attributes.get("rel", "").split()) & NOT_LOADED:
            for name in LOADED.get(tag, []):
                self.found += ELSEWHERE.findall(attributes.get(name, ""))
        self.found += IN_STYLE.findall(attributes.get("style", ""))

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.found += (IN_STYLE if self.inside == "style" else IN_SCRIPT).findall(data)


def loads_from_elsewhere(text, suffix=".html"):
    """Return the addresses on other machines that a page, style or script loads.

    Parameters
    ----------
    text : str
    suffix : {".html", ".css", ".js", ".svg"}, default=".html"

    Returns
    -------
    addresses : list of str
    """
    if suffix == ".css":
        return IN_STYLE.findall(text)
    if suffix == ".js":
        return IN_SCRIPT.findall(text)
    page = _Page()
    page.feed(text)
    page.close()
    return page.found


def check(app, error):
    """Warn of all that the built pages load from elsewhere; of a file, the first of each."""
    if error or app.builder.format != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*")):
        if path.suffix in (".css", ".html", ".js", ".svg"):
            text = path.read_text(encoding="utf-8")
            for address in dict.fromkeys(loads_from_elsewhere(text, path.suffix)):
                page = path.relative_to(app.outdir)
                logger.warning("%s is loaded by %s", address, page, type="offline")


def setup(app):
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
