"""Entry point of ``python -m sklearn_pyraug``."""

import sys

from sklearn_pyraug.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
