"""The documentation's pages load nothing from another machine."""

import importlib
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"

pytest.importorskip("sphinx", reason="the extra `docs` is not installed")


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    yield importlib.import_module("_offline")
    sys.modules.pop("_offline")


@pytest.mark.parametrize(
    ("text", "suffix", "n_found"),
    [
        ('<script src="https://cdn.example/a.js"></script>', ".html", 1),
        ('<link rel="stylesheet" href="//fonts.example/a.css">', ".html", 1),
        ('<link rel="preconnect" href="https://fonts.example">', ".html", 1),
        ('<img src="a.png" srcset="a.png 1x, https://cdn.example/b.png 2x">', ".html", 1),
        ('<style>@import "https://fonts.example/a.css";</style>', ".html", 1),
        ('<p style="background: url(http://cdn.example/a.png)">', ".html", 1),
        ('<script>fetch("https://cdn.example/a.json")</script>', ".html", 1),
        ('<a href="https://example.org">there</a><img src="_images/a.png">', ".html", 0),
        ('<link rel="canonical" href="https://example.org/">', ".html", 0),
        ("<p>@import url(https://example.org) in a text</p>", ".html", 0),
        ("@font-face { src: url(https://fonts.example/a.woff2) }", ".css", 1),
        ('@import "../basic.css"; a { background: url("data:image/png;base64,//8") }', ".css", 0),
        ("import('https://cdn.example/a.js')", ".js", 1),
        ("// https://example.org/licence", ".js", 0),
    ],
)
def test_what_a_page_loads_from_elsewhere(offline, text, suffix, n_found):
    assert len(offline.loads_from_elsewhere(text, suffix)) == n_found
