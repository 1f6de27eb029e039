"""Run the comparison: ``python -m benchmarks.gain --help`` lists the options."""

from benchmarks.gain.command import main

if __name__ == "__main__":
    main()
