"""Rivals that draw new rows of one class from its rows: noise, differences, densities, warps.

All have the signature ``draw(rows, n_new, rng, sample_shape) -> ndarray (n_new, n_features)``
with `rows` (n, n_features) the features of the class and `rng` a NumPy generator.
"""

import numpy as np
from scipy.ndimage import affine_transform
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

__all__ = [
    "JITTER",
    "affine",
    "affine_matrix",
    "jitter",
    "kde",
    "mixture",
    "pair",
    "shrunk_gaussian",
]

# Width of the noise, in the class's own standard deviations of each column.
JITTER = 0.2
# Largest rotation (degrees), relative change of scale, shear, and shift (share of the side).
ROTATION, SCALE, SHEAR, SHIFT = 12.0, 0.1, 0.1, 0.07
# Variance added to every column of a mixture; the features have a variance near 1.
MIXTURE_FLOOR = 1e-3
MAX_COMPONENTS = 3


def jitter(rows, n_new, rng, sample_shape=None):
    """Add noise to random rows: x + 0.2 s γ, s the class's standard deviations, γ ~ N(0, I)."""
    noise = rng.standard_normal((n_new, rows.shape[1]))
    return rows[rng.integers(len(rows), size=n_new)] + JITTER * rows.std(axis=0) * noise


def pair(rows, n_new, rng, sample_shape=None):
    """Add half the difference of a random pair to a random row: x + ½ (a − b)."""
    n = len(rows)
    x, a = rng.integers(n, size=(2, n_new))
    # A row other than a, where there is one.
    b = (a + rng.integers(1, n, size=n_new)) % n if n > 1 else a
    return rows[x] + 0.5 * (rows[a] - rows[b])


def shrunk_gaussian(rows, n_new, rng):
    """Draw from N(m, (1 − δ) S + δ μ I), with Ledoit and Wolf's δ, without forming S.

    x = m + √(1 − δ) Cᵀu/√n + √(δ μ) v with C the centred rows, u ~ N(0, Iₙ), v ~ N(0, I_D) and
    μ the mean variance of a column: CᵀC/n = S.
    """
    n, n_features = rows.shape
    mean = rows.mean(axis=0)
    centred = rows - mean
    delta = ledoit_wolf_shrinkage(centred, assume_centered=True)
    spread = np.sqrt(delta * (centred**2).sum() / (n * n_features))
    u = rng.standard_normal((n_new, n)) / np.sqrt(n)
    v = rng.standard_normal((n_new, n_features))
    return mean + np.sqrt(1.0 - delta) * u @ centred + spread * v


def mixture(rows, n_new, rng, sample_shape=None):
    """Draw from a Gaussian mixture: 1 to 3 components, diagonal or full, the lowest BIC.

    With at least as many columns as rows it is one Gaussian with a shrunk covariance; a single
    row is repeated.
    """
    n, n_features = rows.shape
    if n == 1:
        return np.repeat(rows, n_new, axis=0)
    if n_features >= n:
        return shrunk_gaussian(rows, n_new, rng)
    seed = int(rng.integers(2**31))
    models = [
        GaussianMixture(k, covariance_type=kind, reg_covar=MIXTURE_FLOOR, random_state=seed)
        for kind in ("diag", "full")
        for k in range(1, MAX_COMPONENTS + 1)
        if k == 1 or n >= 5 * k
    ]
    best = min((model.fit(rows) for model in models), key=lambda model: model.bic(rows))
    return rng.permutation(best.sample(n_new)[0])


def kde(rows, n_new, rng, sample_shape=None):
    """Draw from a Gaussian kernel density of the standardised class, with Scott's bandwidth."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    # A constant column stays constant.
    standard = (rows - mean) / np.where(scale > 0.0, scale, 1.0)
    density = KernelDensity(bandwidth="scott").fit(standard)
    return mean + scale * density.sample(n_new, random_state=int(rng.integers(2**31)))


def affine_matrix(rng):
    """Draw a small linear map of the plane: rotation times shear times change of scale."""
    angle = np.deg2rad(rng.uniform(-ROTATION, ROTATION))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1.0, rng.uniform(-SHEAR, SHEAR)], [0.0, 1.0]])
    return rotation @ shear @ np.diag(rng.uniform(1.0 - SCALE, 1.0 + SCALE, size=2))


def affine(rows, n_new, rng, sample_shape):
    """Warp random images by small affine maps about their centre, with linear interpolation.

    Rotation up to 12 degrees, scale and shear up to 10 %, shift up to 7 % of a side, all
    uniform; what comes in at the border repeats the border's pixel.
    """
    side = np.array(sample_shape)
    centre = (side - 1) / 2
    new = np.empty((n_new, rows.shape[1]))
    for image, origin in zip(new, rng.integers(len(rows), size=n_new), strict=True):
        matrix = affine_matrix(rng)
        offset = centre - matrix @ centre + side * rng.uniform(-SHIFT, SHIFT, size=2)
        picture = rows[origin].reshape(sample_shape)
        image[:] = affine_transform(picture, matrix, offset, order=1, mode="nearest").ravel()
    return new
