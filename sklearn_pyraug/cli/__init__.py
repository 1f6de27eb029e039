"""The command line, ``sklearn-pyraug`` or ``python -m sklearn_pyraug``."""
