"""Formulas as MathML, written in the build by math-core: a page needs no script to show them."""

import html

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.util import logging

logger = logging.getLogger(__name__)
converter = LatexToMathML(fancy_error=False)


def write(writer, node):
    """Write a node as MathML; a formula that cannot be converted is a warning."""
    displayed = isinstance(node, nodes.math_block)
    latex = node.astext().strip()
    try:
        markup = converter.convert_with_local_state(latex, displaystyle=displayed)
    except LatexError as error:
        logger.warning("formula %r: %s", latex, error, location=node, type="mathml")
        markup = html.escape(latex)
    writer.body.append(f'<div class="formula">{markup}</div>\n' if displayed else markup)
    # The text within has been written.
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (write, None), (write, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
