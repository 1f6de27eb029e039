"""The command line, ``sklearn-pyraug`` or ``python -m sklearn_pyraug``."""

from .main import main

__all__ = ["main"]
