"""How an image is warped: the grid on which it is read, and where it grows and shrinks."""

import numpy as np

from .._latent_tools import find_warp
from ._images import as_images, layout_of
from ._style import COLORS, Display, require, shown_name

# About this many lines of a grid are drawn along each axis of an image.
_N_LINES = 12


class WarpDisplay(Display):
    """The warp that changes one image or volume into another.

    :meth:`from_estimator` draws four pictures: the origin, with the grid on which it is read; the
    warped origin; the target; and the growth, 1 / det ∇φ, which is orange where the origin has
    grown and violet where it has shrunk. The grid never folds, so the growth is positive
    everywhere. Volumes and their grid are drawn as the middle slices along the three axes. The
    whole warp is drawn, of which new volumes take a random share (``Deformation(scale=...)``).

    Parameters
    ----------
    images : ndarray of shape (3, height, width) or (3, height, width, 3)
        The origin, the warped origin, and the target.
    growth : ndarray of shape (height, width)
        How many times larger than in the origin the surroundings of a pixel are; NaN where it is
        not known.
    lattices : list of ndarray of shape (n, m, 2)
        Where pixels are read, as (row, column) in the picture of the origin; one per slice.
    label : object
        The class.

    Attributes
    ----------
    axes_ : ndarray of shape (4,) of matplotlib Axes
        Origin, warped, target, growth.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    SyntheticSamplesDisplay : Origins and the synthetic images made from them.

    Notes
    -----
    Synthetic images are warped by random codes. Here the code is that of the target with the origin
    as reference. Pass a synthetic image as the target to see how it was made.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_pyraug import RHVAEAugmenter
    >>> from sklearn_pyraug.plotting import WarpDisplay
    >>> digits = load_digits(n_class=2)
    >>> X, y = digits.images[:40], digits.target[:40]
    >>> augmenter = RHVAEAugmenter(max_epochs=2, random_state=0).fit(X, y)
    >>> display = WarpDisplay.from_estimator(augmenter, *X[y == 0][:2], 0)
    >>> [ax.get_title() for ax in display.axes_]
    ['origin and grid', 'warped', 'target', 'growth']
    """

    def __init__(self, *, images, growth, lattices, label):
        self.images = images
        self.growth = growth
        self.lattices = lattices
        self.label = label

    @classmethod
    def from_estimator(cls, augmenter, x0, x1, label, *, ax=None):
        """Draw how an augmenter warps one image of a class towards another.

        Parameters
        ----------
        augmenter : fitted RHVAEAugmenter
            With ``decoder="deformation"``, the default for images and volumes.
        x0, x1 : array-like
            The origin and the target, each an image in the shape that `fit` was given.
        label : object
            Their class.
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is divided, or four axes. None makes
            a new figure.

        Returns
        -------
        display : WarpDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If the augmenter is not fitted.
        ValueError
            If the augmenter warps no images, an image or the label is not like those of `fit`, or
            `ax` cannot be used.
        """
        cls._pyplot()
        require(augmenter, "decoder_", "fit it before its warps are drawn.")
        layout = layout_of(augmenter)
        found = find_warp(augmenter, x0, x1, label)
        if layout is None:
            raise ValueError("Rows of one axis are signals, and no picture shows their warps.")
        images = as_images([np.ravel(x) for x in (x0, found.X, x1)], layout)
        grey = layout._replace(shape=found.determinant.shape, channels="none")
        growth = as_images(1 / found.determinant[None], grey)[0]
        lattices = _lattices(found.positions)
        return cls(images=images, growth=growth, lattices=lattices, label=label).plot(ax)

    def plot(self, ax=None, *, cmap="gray"):
        """Draw the stored pictures.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is divided, or four axes. None makes
            a new figure.
        cmap : str or matplotlib Colormap, default="gray"
            Colours of the values of grey images.

        Returns
        -------
        display : WarpDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` cannot be used.
        """
        from matplotlib.colors import LogNorm

        titles = ("origin and grid", "warped", "target", "growth")
        title = f"How an image of class {shown_name(self.label)} is warped"
        axes = self._panels(ax, 4, 4, (10.0, 3.1), title)
        low, high = float(np.nanmin(self.images)), float(np.nanmax(self.images))
        images = self.images
        if images.ndim == 4:
            images = (images - low) / (high - low or 1.0)
        for panel, image in zip(axes, images, strict=False):
            panel.imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
        for lattice in self.lattices:
            for lines in (lattice, lattice.swapaxes(0, 1)):
                for line in lines[_lines(len(lines))]:
                    axes[0].plot(line[:, 1], line[:, 0], color=COLORS[5], linewidth=0.9)
        # The warp may read beyond the border, where the picture ends.
        height, width = images.shape[1:3]
        axes[0].set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        most = max(1.1, np.nanmax(np.exp(abs(np.log(self.growth)))))
        drawn = axes[3].imshow(self.growth, cmap="PuOr_r", norm=LogNorm(1 / most, most))
        ends = [1 / most, 1, most]
        bar = axes[3].figure.colorbar(drawn, ax=axes[3], ticks=ends, shrink=0.8)
        bar.ax.set_yticklabels([f"{end:.2g}" for end in ends])
        bar.ax.minorticks_off()
        for panel, heading in zip(axes, titles, strict=True):
            panel.set_title(heading, fontsize="medium")
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        return self


def _lines(n):
    """Return which of n lines are drawn: both ends, and some between."""
    return np.unique(np.linspace(0, n - 1, min(n, _N_LINES)).round().astype(int))


def _lattices(positions):
    """Return positions in pictures: of an image as they are, of a volume those in each slice.

    Slices lie as in :func:`.as_images`.
    """
    if positions.ndim == 3:
        return [positions]
    D, H, W, _ = positions.shape
    below, right = positions[:, H // 2][..., [0, 2]], positions[:, :, W // 2].swapaxes(0, 1)
    below[..., 0] += H + 1
    right = right[..., [1, 0]]
    right[..., 1] += W + 1
    return [positions[D // 2][..., 1:], below, right]
