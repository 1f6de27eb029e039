"""What builds the documentation: formulas without a program, pages without a network."""

import importlib
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"

pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
pytest.importorskip("latex2mathml", reason="the extra `docs` is not installed")


@pytest.fixture
def tool(monkeypatch, request):
    monkeypatch.syspath_prepend(str(DOCS))
    module = importlib.import_module(request.param)
    yield module
    sys.modules.pop(request.param)


def shown(markup):
    """Return the signs of a formula, a thin space as an underscore."""
    return "".join(
        element.text or ("_" if element.get("width") == "0.167em" else "")
        for element in ElementTree.fromstring(markup).iter()
    )


@pytest.mark.parametrize("tool", ["_mathml"], indirect=True)
@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\log p(x) + 2\log\det G", "log_p(x)+2_log_det_G"),
        (r"w_i \operatorname{tr}(G M_i)", "wi_tr(GMi)"),
        (r"\operatorname{diag} \sigma^2", "diag_σ2"),
        (r"f(z) \exp\left(-z\right)", "f(z)_exp(−z)"),
        (r"\lVert z \rVert^2 < \tfrac12", "‖z‖2<12"),
        (r"z \sim N(0; I)", "z∼N(0;I)"),
        (r"\det \nabla \varphi", "det_∇φ"),
        (r"\sqrt{\det G^{-1}}", "det_G−1"),
        (r"\mathbb{E}[x \mid z]", "𝔼[x∣z]"),
        (r"\begin{cases} 0 & \text{if } x < 1 \\ 1 \end{cases}", "{0if\xa0x<11"),
    ],
)
def test_formulas_become_mathml(tool, latex, expected):
    assert shown(tool.to_mathml(latex)) == expected
    assert 'display="block"' in tool.to_mathml(latex, "block")


@pytest.mark.parametrize("tool", ["_mathml"], indirect=True)
@pytest.mark.parametrize(
    ("latex", "message"),
    [
        (r"\unheard x", "is not converted"),
        (r"\begin{aligned} a &= b \end{aligned}", "is not converted"),
        (r"\frac{1}", "a part of mfrac"),
        (r"\lVert x", "is opened and not closed"),
        (r"\left( x", "ExtraLeftOrMissingRightError"),
        ("x_1_2", "DoubleSubscriptsError"),
    ],
)
def test_formulas_that_cannot_be_converted_are_refused(tool, latex, message):
    with pytest.raises(ValueError, match=message):
        tool.to_mathml(latex)


@pytest.mark.parametrize("tool", ["_mathml"], indirect=True)
def test_a_norm_is_a_pair_of_brackets(tool):
    root = ElementTree.fromstring(tool.to_mathml(r"e^{-\tau \lVert z \rVert^2}"))
    assert [sign.get("form") for sign in root.iter() if sign.text == "‖"] == ["prefix", "postfix"]


@pytest.mark.parametrize("tool", ["_offline"], indirect=True)
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
def test_what_a_page_loads_from_elsewhere(tool, text, suffix, n_found):
    assert len(tool.loads_from_elsewhere(text, suffix)) == n_found
