"""Formulas as MathML, written at build time: no browser has to fetch a program for them."""

import html
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert_to_element
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

THIN = "0.167em"
# Unicode's signs for what is converted to something else.
SIGNS = {"~": "\u223c"}
# How many parts an element has: an argument that is not there is no error to the converter.
N_PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}


def is_function(element):
    r"""Tell whether an element is the name of a function (`\log`), with or without a script."""
    while element.tag in ("msub", "msup", "msubsup", "munder"):
        element = element[0]
    return element.tag in ("mi", "mo") and len(element.text) > 1 and element.text.isalpha()


def is_ordinary(element):
    """Tell whether an element is set apart from a function beside it, as a bracket is not."""
    while element.tag in ("msub", "msup", "msubsup", "munder"):
        element = element[0]
    if element.tag == "mo":
        return element.text == "\u2207"
    return element.tag in ("mi", "mn", "mfrac", "msqrt", "mstyle")


def space_functions(row):
    """Put thin spaces around the names of functions where TeX has them; the converter has none."""
    children = list(row)
    inserted = 0
    for i, (left, right) in enumerate(zip(children, children[1:], strict=False), start=1):
        ends = is_function(left), is_function(right)
        closes = left.tag in ("mrow", "msup") or left.text in (")", "]")
        if (ends[0] and (ends[1] or is_ordinary(right))) or (
            ends[1] and (closes or is_ordinary(left))
        ):
            row.insert(i + inserted, ElementTree.Element("mspace", width=THIN))
            inserted += 1


def to_mathml(latex, display="inline"):
    """Convert a formula, and mend what the converter leaves to be wished for.

    Parameters
    ----------
    latex : str
    display : {"inline", "block"}, default="inline"

    Returns
    -------
    markup : str

    Raises
    ------
    ValueError
        If there is an error in the formula, or a command or an environment that the converter
        does not know: it would show their names.
    """
    try:
        root = convert_to_element(latex, display=display)
    except Exception as error:
        raise ValueError(f"{latex!r}: {type(error).__name__} {error}".strip()) from error
    n_norms = 0
    for element in root.iter():
        # The converter keeps entities for a serialisation of its own.
        text = element.text = html.unescape(element.text or "")
        if "\\" in text or "&" in text or element.tag == "merror":
            raise ValueError(f"{latex!r}: {text!r} is not converted")
        if len(element) != N_PARTS.get(element.tag, len(element)):
            raise ValueError(f"{latex!r}: a part of {element.tag} is not there")
        if element.tag == "mi" and text and not text[0].isalnum():
            element.tag, element.text = "mo", SIGNS.get(text, text)
        if element.tag == "mo" and text == "\u2016" and "form" not in element.attrib:
            # \lVert and \rVert are one sign to it, and a relation to browsers.
            form = ("prefix", "postfix")[n_norms % 2]
            element.attrib |= dict(form=form, stretchy="false", lspace="0em", rspace="0em")
            n_norms += 1
        if element.tag == "mo" and is_function(element):
            element.attrib |= dict(lspace="0em", rspace="0em")
    if n_norms % 2:
        raise ValueError(f"{latex!r}: a norm is opened and not closed")
    for row in root.iter():
        if row.tag in ("mrow", "mtd", "msqrt", "math"):
            space_functions(row)
    return ElementTree.tostring(root, encoding="unicode")


def convert(node, display):
    """Return the MathML of a node; a formula that cannot be converted is a warning."""
    try:
        return to_mathml(node.astext().strip(), display)
    except ValueError as error:
        logger.warning("formula %s", error, location=node, type="mathml")
        return html.escape(node.astext())


def write_inline(writer, node):
    writer.body.append(convert(node, "inline"))
    # The text within has been written.
    raise nodes.SkipNode


def write_block(writer, node):
    writer.body.append(writer.starttag(node, "div", CLASS="formula"))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    writer.body.append(convert(node, "block") + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
