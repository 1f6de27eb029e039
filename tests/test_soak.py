"""A hundred and twenty fits of every sort in one process: memory does not grow."""

import ctypes
import gc
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hard_tables import COLUMNS, DTYPES, hard_table, labels_of_sizes
from scipy import sparse
from shared import dense, quick

from sklearn_pyraug import Columns, LearnedMetric, RHVAEAugmenter

_N_FITS = 120
# Memory is compared between the fits before the 60th and the last ones: in the first 40,
# libraries fill their caches and the allocator its arenas.
_WARM_UP, _WINDOW = 40, 20
_MAX_GROWTH = 0.05


def table(rng, seed, y, dtypes=DTYPES):
    kinds = rng.choice(list(COLUMNS), 4, replace=False)
    return hard_table(seed, len(y), int(rng.integers(1, 51)), kinds, str(rng.choice(dtypes)))


def frame(rng, seed, y):
    X = pd.DataFrame(table(rng, seed, y, DTYPES[:2]))
    X.columns = [f"c{j}" for j in X.columns]
    return X.assign(colour=pd.Categorical(rng.choice(["red", "green", "blue"], len(y))))


def sparse_table(rng, seed, y):
    X = table(rng, seed, y, DTYPES[:2]) * (rng.random((len(y), 1)) < 0.5)
    return sparse.csr_array(X)


def images(rng, seed, y):
    side = int(rng.integers(8, 13))
    return rng.random((len(y), side, side)) * (1 + y[:, None, None])


# By container: a function that makes X, and the decoders that suit it.
SORTS = {
    "table": (table, ("auto", "direct", "residual")),
    "frame": (frame, ("auto", "direct", "residual")),
    "sparse": (sparse_table, ("auto", "direct", "residual")),
    "images": (images, ("auto", "direct", "residual", "deformation")),
}


def one_fit(seed, path):
    """Fit one random data set with random parameters, and use all that a fit is good for."""
    rng = np.random.default_rng(seed)
    sort = list(SORTS)[seed % len(SORTS)]
    make, decoders = SORTS[sort]
    y = labels_of_sizes(rng.integers(1, 41, rng.integers(2, 6)), seed)
    X = make(rng, seed, y)

    def pick(*values):
        # Not `rng.choice`, which makes an array, of one dtype, of the values.
        return values[rng.integers(len(values))]

    decoder = pick(*decoders)
    augmenter = quick(
        decoder=decoder,
        metric=LearnedMetric(max_centroids=20),
        sampler=pick("auto", "hmc", "posterior", "prior"),
        columns=Columns(
            value_mapping=pick("auto", "nearest", "quantile", None),
            scaling=pick("auto", "quantile"),
        ),
        validation_fraction=pick(0.0, 0.3),
        shared=pick("auto", False, *[True] * (decoder != "direct")),
        augmentation_factor=1.5,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Too few rows to train", UserWarning)
        X_res, y_res = augmenter.fit_resample(X, y)
        augmenter.fit(X, y)
    if sort != "frame":
        assert np.isfinite(dense(X_res)).all()
    assert X_res.shape[0] == len(y_res) >= len(y)
    expected = augmenter.sample(3)[0]
    augmenter.save(path, overwrite=True)
    drawn = RHVAEAugmenter.load(path).sample(3)[0]
    assert drawn.shape == expected.shape
    if sort != "frame":
        np.testing.assert_array_equal(dense(drawn), dense(expected))


def trim():
    """Return freed memory to the system, where the C library can."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass


@pytest.mark.filterwarnings("ignore:The Hamiltonian flow")  # of networks that hardly trained
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_flat(tmp_path, capsys):
    import resource

    used = []
    for seed in range(_N_FITS):
        one_fit(seed, tmp_path / "model.pyraug")
        trim()
        n_pages = int(Path("/proc/self/statm").read_text().split()[1])
        used.append(n_pages * resource.getpagesize())
    early = np.median(used[_WARM_UP : _WARM_UP + _WINDOW])
    late = np.median(used[-_WINDOW:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with capsys.disabled():
        mib = 2**20
        print(
            f"\n{_N_FITS} fits: {early / mib:.1f} MiB after {_WARM_UP}, {late / mib:.1f} MiB at "
            f"the end ({late / early - 1:+.2%}), peak {peak / mib:.1f} MiB"
        )
    assert late <= (1 + _MAX_GROWTH) * early
