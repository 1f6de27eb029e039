"""Independent random streams, one per class and purpose, from a single `random_state`.

A stream is named by the class's index and by what it is used for, never by the order in which the
streams are opened. So the numbers that a class sees depend neither on `n_jobs` nor on what the
other classes do.
"""

from numbers import Integral

import numpy as np
import torch

# The position in this tuple is part of the seed: append new purposes at the end, never reorder.
PURPOSES = ("weights", "shuffle", "noise", "split", "mcmc", "decode", "fallback", "fine_tuning")

_N_SEEDS = 2**63  # torch takes seeds from the signed 64-bit integers


def root_seed(random_state):
    """Turn a `random_state` parameter into the one integer that all streams are spawned from.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        An int in [0, 2**63) is the root seed itself. A `numpy.random.RandomState` instance is
        drawn from, which advances it, so that two calls give two seeds. `None` takes fresh entropy
        from the operating system.

    Returns
    -------
    root : int
        In [0, 2**63).

    Notes
    -----
    Unlike :func:`sklearn.utils.check_random_state`, `None` does not stand for numpy's global
    generator, which is neither read nor advanced.
    """
    if random_state is None:
        return _first_63_bits(np.random.SeedSequence())
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(0, _N_SEEDS, dtype=np.uint64))
    if isinstance(random_state, Integral) and 0 <= random_state < _N_SEEDS:
        return int(random_state)
    raise ValueError(
        f"random_state={random_state!r} cannot seed a generator of random numbers. "
        "Pass an int in [0, 2**63), a numpy.random.RandomState instance or None."
    )


def class_seed(root, class_index, purpose):
    """Return the seed of one stream of one class.

    Parameters
    ----------
    root : int
        What :func:`root_seed` returned.
    class_index : int
        Position of the class in the sorted labels, from 0.
    purpose : str
        What the stream is used for, one of ``PURPOSES``.

    Returns
    -------
    seed : int
        In [0, 2**63).
    """
    spawn_key = (PURPOSES.index(purpose), int(class_index))
    return _first_63_bits(np.random.SeedSequence(entropy=root, spawn_key=spawn_key))


def attempt_seed(root, attempt):
    """Return the root seed of a repeated draw; attempts count from 1."""
    return _first_63_bits(np.random.SeedSequence(entropy=root, spawn_key=(len(PURPOSES), attempt)))


def class_generator(root, class_index, purpose):
    """Return a new generator, on the CPU, at the start of the stream of :func:`class_seed`.

    A stream is the same whatever device the draws are moved to afterwards.

    Notes
    -----
    torch's CPU generator keeps only the low 32 bits of its seed, so two of S streams coincide with
    a chance of about S**2 / 2**33: one in 1.3 million for 10 classes and 8 purposes.
    """
    return torch.Generator(device="cpu").manual_seed(class_seed(root, class_index, purpose))


def _first_63_bits(sequence):
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
