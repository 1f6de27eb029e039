"""What the package gains and how fast it is, measured: see :mod:`.gain` and :mod:`.speed`.

Run from the root of the repository, for example ``python -m benchmarks.gain``.
"""
