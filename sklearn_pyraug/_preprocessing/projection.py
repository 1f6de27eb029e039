"""Coordinates of wide tables: the principal components of the training rows, all of them."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

# Components with a standard deviation below this share of the first one's are rounding errors.
_RANK_TOLERANCE = 1e-5


class Projection(NamedTuple):
    """Coded rows T as scores (T − mean) basisᵀ / scale, and back.

    With as many components as the rows have directions nothing is lost: training rows, and
    whatever is combined from them, come back as they were.

    Attributes
    ----------
    mean : ndarray of shape (n_codes,)
    basis : ndarray of shape (n_components, n_codes)
        Orthonormal rows.
    scale : float
        Makes the scores' mean square 1.
    """

    mean: np.ndarray
    basis: np.ndarray
    scale: float

    def encode(self, T):
        """Map coded rows (n, n_codes) to float32 scores (n, n_components)."""
        return ((T - self.mean) @ self.basis.T / self.scale).astype(np.float32)

    def decode(self, scores):
        """Map scores (n, n_components) back to coded rows (n, n_codes), float32."""
        return (self.mean + self.scale * scores @ self.basis).astype(np.float32)


def fit_projection(T):
    """Find the principal components of coded rows with more columns than rows.

    Parameters
    ----------
    T : ndarray of shape (n, n_codes)

    Returns
    -------
    projection : Projection or None
        None where the rows do not differ.
    """
    if not np.ptp(T, axis=0).any():
        return None
    pca = PCA(svd_solver="full").fit(T.astype(np.float64))
    deviation = pca.singular_values_
    kept = deviation > _RANK_TOLERANCE * deviation[0]
    basis = pca.components_[kept].astype(np.float32)
    # The root mean square of the scores, over rows and components.
    scale = float(np.sqrt(np.sum(deviation[kept] ** 2) / (len(T) * len(basis))))
    return Projection(pca.mean_.astype(np.float32), basis, scale)
