"""Run the arena: ``python -m benchmarks.arena --help`` lists the options."""

from benchmarks.arena.command import main

if __name__ == "__main__":
    main()
