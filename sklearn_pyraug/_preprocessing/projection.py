"""Coordinates of wide tables: the principal components of the training rows, all of them."""

from typing import NamedTuple

import numpy as np

__all__ = ["Projection", "fit_projection"]

# Components whose standard deviation is below this share of the first one's are rounding.
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
    mean = T.mean(axis=0, dtype=np.float64)
    centred = T - mean
    # The Gram matrix is small where the table is wide.
    values, vectors = np.linalg.eigh(centred @ centred.T)
    deviation = np.sqrt(np.clip(values, 0.0, None))
    kept = deviation > _RANK_TOLERANCE * deviation[-1]
    if not deviation[-1] > 0:
        return None
    basis = (vectors[:, kept].T @ centred) / deviation[kept, None]
    # An eigenvector's sign is arbitrary: fix it, so that results do not depend on the library.
    basis *= np.sign(basis[np.arange(len(basis)), np.abs(basis).argmax(axis=1)])[:, None]
    basis = basis[::-1]
    scale = float(np.sqrt(np.mean((centred @ basis.T) ** 2)))
    return Projection(mean.astype(np.float32), basis.astype(np.float32), scale)
