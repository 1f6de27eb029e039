"""The latent space of one class: codes and the volume element of the metric."""

import numpy as np
from sklearn.decomposition import PCA

from .._preprocessing.containers import take
from .._preprocessing.label_encoder import distinct_labels, read_labels
from .._validation import check_count
from ._style import COLORS, Display, component_names, require, shown_name

_ENCODER = "it cannot code rows. Give a fitted RHVAEAugmenter."
_MARGIN = 0.12  # around the codes, as a share of their range


class LatentSpaceDisplay(Display):
    """Codes of real and of synthetic rows of one class, over a map of the metric's volume.

    Use :meth:`from_estimator` to draw it. The map shows
    :meth:`.RHVAEAugmenter.log_volume`, the logarithm of the density in proportion to which
    Hamiltonian Monte Carlo draws codes: it is high near the codes of training rows. Codes
    of synthetic rows should cover those of real rows and leave empty what lies far from all of
    them.

    Parameters
    ----------
    codes : ndarray of shape (n_real, 2)
        Codes of real rows, in the plane that is drawn.
    synthetic_codes : ndarray of shape (n_synthetic, 2)
        Codes of synthetic rows, in the same plane.
    log_volume : ndarray of shape (n_grid, n_grid)
        log p(z) on a grid of that plane, by ordinate and abscissa.
    grid : tuple of two ndarray of shape (n_grid,)
        Abscissas and ordinates.
    label : object
        The class.
    variance_share : ndarray of shape (2,) or None, default=None
        Shares of the variance of the real rows' codes that the axes of the plane explain; None
        where the latent space has two dimensions and is drawn as it is.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the drawing.
    figure_ : matplotlib Figure
        Figure with the drawing.
    mesh_ : matplotlib QuadMesh
        The map.
    colorbar_ : matplotlib Colorbar
        Its scale.

    Notes
    -----
    Beyond two dimensions the plane goes through the mean of the codes of the real rows, along
    their first two principal components. Codes are projected on it; the map is that of the plane
    itself, so that a code far from the plane may lie over a dark place.

    A code is the mean of q(z | x): codes of synthetic rows are those of what the decoder has
    made, not the draws themselves.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_pyraug.plotting import LatentSpaceDisplay
    >>> class Augmenter:  # in place of a trained RHVAEAugmenter
    ...     def encode(self, X, y):
    ...         return X[:, 2:]
    ...     def log_volume(self, z, label):
    ...         return -((z - z.mean(axis=0)) ** 2).sum(axis=1)
    ...     def sample(self, n_samples):
    ...         X, y = load_iris(return_X_y=True)
    ...         return X[y == 0][:10] + 0.1, y[y == 0][:10]
    >>> X, y = load_iris(return_X_y=True)
    >>> display = LatentSpaceDisplay.from_estimator(Augmenter(), X, y, label=0)
    >>> display.ax_.get_title()
    'Latent space of class 0'
    """

    def __init__(self, *, codes, synthetic_codes, log_volume, grid, label, variance_share=None):
        self.codes = codes
        self.synthetic_codes = synthetic_codes
        self.log_volume = log_volume
        self.grid = grid
        self.label = label
        self.variance_share = variance_share

    @classmethod
    def from_estimator(cls, augmenter, X, y, label=None, *, n_synthetic=200, n_grid=60, ax=None):
        """Code rows of one class and draw them.

        Parameters
        ----------
        augmenter : fitted augmenter
            With ``encode(X, y)`` and ``log_volume(z, label)``, and ``sample({label: n})``.
        X : array-like or dataframe of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Real rows.
        y : array-like of shape (n_samples,)
            Class labels.
        label : object, default=None
            The class to draw; None takes the largest one that was trained.
        n_synthetic : int, default=200
            Synthetic rows; 0 for none.
        n_grid : int, default=60
            Points of the map along each axis, at least 2.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : LatentSpaceDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        AttributeError
            If the augmenter cannot code rows.
        ValueError
            If `y` has another length than `X` or no row of class `label`, if there are fewer
            than two such rows or latent dimensions, or a number is too small.
        """
        cls._pyplot()
        encode = require(augmenter, "encode", _ENCODER)
        log_volume = require(augmenter, "log_volume", _ENCODER)
        check_count("n_synthetic", n_synthetic, 0)
        check_count("n_grid", n_grid, 2)
        y = read_labels(y)
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if y.shape != (n_rows,):
            raise ValueError(f"`y` has shape {y.shape} and `X` {n_rows} rows; give a label a row.")
        label = _largest_class(augmenter, y) if label is None else label
        labels, _, y_index = distinct_labels(y)
        own = np.flatnonzero([labels[k] == label for k in y_index])
        if len(own) < 2:
            raise ValueError(
                f"`label` is {label!r}, of which `y` has {len(own)} rows; give a class of at "
                f"least 2, such as {_largest_class(augmenter, y)!r}."
            )
        codes = np.asarray(encode(take(X, own), y[own]), dtype=float)
        if codes.shape[1] < 2:
            raise ValueError(
                "The latent space has 1 dimension, and a map needs 2; fit with latent_dim=2 or "
                "more."
            )
        synthetic = np.empty((0, codes.shape[1]))
        if n_synthetic:
            synthetic = np.asarray(encode(*augmenter.sample({label: n_synthetic})), dtype=float)
        share, origin, directions = None, np.zeros(2), np.eye(2)
        if codes.shape[1] > 2:
            # This solver is exact for any shape, and draws no random numbers.
            plane = PCA(n_components=2, svd_solver="full").fit(codes)
            share, origin, directions = (
                plane.explained_variance_ratio_,
                plane.mean_,
                plane.components_,
            )
        points, new_points = (codes - origin) @ directions.T, (synthetic - origin) @ directions.T
        grid = _grid(np.concatenate([points, new_points]), n_grid)
        places = np.stack(np.meshgrid(*grid), axis=-1).reshape(-1, 2)
        volume = np.asarray(log_volume(origin + places @ directions, label), dtype=float)
        display = cls(
            codes=points,
            synthetic_codes=new_points,
            log_volume=volume.reshape(n_grid, n_grid),
            grid=grid,
            label=label,
            variance_share=share,
        )
        return display.plot(ax)

    def plot(self, ax=None, *, cmap="cividis"):
        """Draw the stored codes and the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        cmap : str or matplotlib Colormap, default="cividis"
            Colours of the map.

        Returns
        -------
        display : LatentSpaceDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._axes(ax, (6.4, 5.2))
        self.mesh_ = ax.pcolormesh(
            *self.grid, self.log_volume, cmap=cmap, shading="nearest", rasterized=True
        )
        self.colorbar_ = self.figure_.colorbar(
            self.mesh_, ax=ax, label="log volume, log p(z) (nats)"
        )
        for points, marker, color, name in (
            (self.synthetic_codes, "^", COLORS[1], "synthetic rows"),
            (self.codes, "o", "white", "real rows"),
        ):
            if len(points):
                ax.plot(
                    *points.T,
                    marker,
                    markersize=5,
                    markerfacecolor=color,
                    markeredgecolor="black",
                    markeredgewidth=0.7,
                    label=f"{len(points)} {name}",
                )
        # Between title and axes, where it covers no code.
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "borderaxespad": 0.3}
        ax.legend(ncols=2, frameon=False, **place)
        ax.set_title(f"Latent space of class {shown_name(self.label)}", pad=28)
        names = ["$z_1$", "$z_2$"]
        if self.variance_share is not None:
            names = component_names(self.variance_share, "codes'")
        ax.set(xlabel=names[0], ylabel=names[1], aspect="equal")
        return self


def _largest_class(augmenter, y):
    """Return the label of most rows, among those that were trained where that is known."""
    classes, _, y_index = distinct_labels(y)
    labels = classes.tolist()
    trained = getattr(augmenter, "history_", None) or labels
    known = [
        (n, label)
        for n, label in zip(np.bincount(y_index), labels, strict=True)
        if label in trained
    ]
    if not known:
        raise ValueError("`y` has no row of a class that was trained; give rows of such a class.")
    return max(known, key=lambda pair: pair[0])[1]


def _grid(points, n_grid):
    """Return abscissas and ordinates of a square map around the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = max((0.5 + _MARGIN) * np.max(high - low), 1e-6)
    middle = 0.5 * (low + high)
    return tuple(np.linspace(m - half, m + half, n_grid) for m in middle)
