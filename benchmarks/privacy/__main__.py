"""``python -m benchmarks.privacy``."""

from .attack import main

if __name__ == "__main__":
    main()
