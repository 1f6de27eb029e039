"""Tables whose columns are numerically as hard as finite columns can be."""

import numpy as np

__all__ = ["COLUMNS", "DTYPES", "hard_table", "labels_of_sizes"]

DTYPES = (
    *("float64", "float32", "float16", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)

# Integers are kept within this range, and powers of ten within 30 unless the kind differs.
_LARGEST_INTEGER = 2**62


def _power(rng):
    return 10.0 ** rng.uniform(-30, 30)


def _float_info(rng):
    return np.finfo(rng.choice(["float64", "float32", "float16"]))


def _subnormals(rng, n):
    return rng.integers(-9, 10, n) * float(_float_info(rng).smallest_subnormal)


def _ends(rng, n):
    info = _float_info(rng)
    ends = np.array([info.max, info.tiny, info.smallest_subnormal, 0.0, 1.0, info.eps])
    return rng.choice(ends.astype(np.float64), n) * rng.choice([-1.0, 1.0], n)


def _mostly_one(rng, n):
    return np.where(rng.random(n) < 0.8, _power(rng), _power(rng) * rng.normal(size=n))


def _repeated_extremes(rng, n):
    return rng.choice(np.finfo(np.float64).max * np.array([-1.0, -0.5, 0.0, 1.0]), n)


# Each takes a random generator and the number of rows, and returns float64 values.
COLUMNS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "scaled": lambda rng, n: rng.normal(size=n) * _power(rng),
    "far": lambda rng, n: _power(rng) + _power(rng) * rng.normal(size=n),
    "one bit": lambda rng, n: 1.0 + rng.integers(0, 4, n) * np.finfo(np.float64).eps,
    "ties": lambda rng, n: rng.integers(-3, 4, n) * _power(rng),
    "constant": lambda rng, n: np.full(n, rng.choice([-1.0, 0.0, 1.0]) * _power(rng)),
    "two values": lambda rng, n: rng.choice([_power(rng), -_power(rng)], n),
    "zeros and ones": lambda rng, n: rng.integers(0, 2, n).astype(np.float64),
    "mostly one": _mostly_one,
    "mostly zero": lambda rng, n: rng.normal(size=n) * (rng.random(n) < 0.3),
    "signed zeros": lambda rng, n: rng.choice([-0.0, 0.0], n),
    "integers": lambda rng, n: rng.integers(0, 256, n).astype(np.float64),
    "large integers": lambda rng, n: _LARGEST_INTEGER - rng.integers(0, 5000, n).astype(np.float64),
    "decimals": lambda rng, n: np.round(rng.normal(scale=100, size=n), 2),
    "heavy tail": lambda rng, n: np.exp(rng.normal(size=n) * 20),
    "any power": lambda rng, n: rng.normal(size=n) * 10.0 ** rng.uniform(-300, 300, n),
    "one outlier": lambda rng, n: np.where(np.arange(n) == n // 2, 1e300, rng.normal(size=n)),
    "subnormal": _subnormals,
    "huge": lambda rng, n: rng.uniform(-1, 1, n) * np.finfo(np.float64).max,
    "ends": _ends,
    "repeated extremes": _repeated_extremes,
}


def _to_dtype(column, dtype, rng):
    """Return a column in a dtype: clipped, and integers spread over its range or small."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return column > np.sort(column)[len(column) // 2]
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return np.clip(column, -largest, largest).astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -_LARGEST_INTEGER), min(info.max, _LARGEST_INTEGER)
    if rng.random() < 0.5:
        # The column's shape in steps of one, next to an end of the range: beyond 2**53 no
        # float64 can tell these integers apart.
        steps = np.unique(column, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return (high - steps if rng.random() < 0.5 else low + steps).astype(dtype)
    inside = np.clip(column, float(low), float(high))
    # A float64 that is rounded to the end may lie beyond it.
    whole = [min(max(int(v), low), high) for v in inside]
    return np.array(whole, dtype=dtype)


def hard_table(
    seed, n_rows, n_columns, kinds, dtype="float64", rank_one=False, n_repeated=0, missing=0.0
):
    """Make a table.

    Parameters
    ----------
    seed : int
    n_rows : int
    n_columns : int
    kinds : sequence of str
        Keys of `COLUMNS`, of which each column takes one.
    dtype : str
        One of `DTYPES`.
    rank_one : bool
        All columns are multiples of the first one, before the dtype.
    n_repeated : int
        How many rows are copies of the first one.
    missing : float
        Share of the values that are missing; of floating dtypes only.

    Returns
    -------
    X : ndarray of shape (n_rows, n_columns)
        Finite but for what is missing.
    """
    rng = np.random.default_rng(seed)
    columns = [COLUMNS[kind](rng, n_rows) for kind in rng.choice(kinds, n_columns)]
    if rank_one:
        with np.errstate(over="ignore", under="ignore"):
            columns = [columns[0] * _power(rng) for _ in columns]
    with np.errstate(under="ignore"):
        X = np.stack([_to_dtype(column, dtype, rng) for column in columns], axis=1)
    X[1 : 1 + n_repeated] = X[0]
    if missing and X.dtype.kind == "f":
        X[rng.random(X.shape) < missing] = np.nan
    return X


def labels_of_sizes(sizes, seed):
    """Return labels 0, 1, ... that occur so often, in random order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
