"""Real images beside synthetic ones."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from ._style import Display


class SyntheticSamplesDisplay(Display):
    """Grid of images, one row a class: real ones on the left, synthetic ones on the right.

    Make one with :meth:`from_estimator` or :meth:`from_predictions`; both draw it. All images
    share one grey scale, from the smallest to the largest value among them.

    Parameters
    ----------
    real : list of ndarray of shape (n_images, height, width)
        Real images, one array a class; a class may have fewer images than another, or none.
    synthetic : list of ndarray of shape (n_images, height, width)
        Synthetic images in the same order of classes.
    classes : sequence of length n_classes
        Class labels, written at the left.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure drawn on.
    axes_ : ndarray of shape (2,) of matplotlib Axes
        The grid of real images and the grid of synthetic images. Each holds one array of shape
        (n_classes * (height + gap) - gap, n_columns * (width + gap) - gap), in which `gap`
        blank pixels part two images: an eighth of an image's shorter side, at least 1.

    See Also
    --------
    sklearn_pyraug.metrics.distance_to_closest_record : Whether the images are copies, which no
        picture tells.

    Notes
    -----
    A new figure is made without ``pyplot``, so that drawing needs no screen and leaves no
    window behind. A notebook shows the display where it ends a cell; to see it from a script,
    pass ``figure=plt.figure()`` and call ``plt.show()``, or save ``display.figure_``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_pyraug.plotting import SyntheticSamplesDisplay
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> noise = np.random.default_rng(0).normal(size=X.shape)
    >>> display = SyntheticSamplesDisplay.from_predictions(
    ...     np.vstack([X, X + noise]),
    ...     np.concatenate([y, y]),
    ...     np.repeat([False, True], len(X)),
    ...     sample_shape=(8, 8),
    ...     random_state=0,
    ... )
    >>> [ax.get_title() for ax in display.axes_]
    ['real', 'synthetic']
    """

    def __init__(self, *, real, synthetic, classes):
        self.real = real
        self.synthetic = synthetic
        self.classes = classes

    @classmethod
    def from_predictions(
        cls,
        X,
        y,
        synthetic_mask,
        *,
        sample_shape,
        n_real=5,
        n_synthetic=10,
        figure=None,
        random_state=None,
    ):
        """Draw rows chosen at random from real and synthetic rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Real and synthetic rows together, as an augmenter's ``fit_resample`` returns them.
        y : array-like of shape (n_samples,)
            Class labels.
        synthetic_mask : array-like of shape (n_samples,), dtype bool
            True where the row is synthetic: an augmenter's ``synthetic_mask_``.
        sample_shape : tuple (height, width) or (1, height, width)
            Shape of one row as an image.
        n_real, n_synthetic : int, default=5, 10
            Largest numbers of images a class. A class with fewer leaves blanks.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.
        random_state : int, RandomState instance or None, default=None
            Choice of the rows, drawn without replacement.

        Returns
        -------
        display : SyntheticSamplesDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `sample_shape` is no image's shape, does not fit `X`, or the lengths of `X`, `y`
            and `synthetic_mask` differ, or a number of images is below 1.
        """
        # Before any work, so that a missing library is not found out at the end of it.
        cls._figure_class()
        height, width = _check_sample_shape(sample_shape)
        _check_counts(n_real=n_real, n_synthetic=n_synthetic)
        images = _as_images(X, height, width)
        y, mask = np.asarray(y), np.asarray(synthetic_mask)
        if mask.dtype != np.bool_ or not y.shape == mask.shape == (len(images),):
            raise ValueError(
                f"`y` has shape {y.shape} and `synthetic_mask` shape {mask.shape} and dtype "
                f"{mask.dtype}, with {len(images)} rows in `X`; give one label and one True or "
                "False a row."
            )
        rng = check_random_state(random_state)
        classes = np.unique(y)
        real = [_choose(images, ~mask & (y == label), n_real, rng) for label in classes]
        synthetic = [_choose(images, mask & (y == label), n_synthetic, rng) for label in classes]
        return cls(real=real, synthetic=synthetic, classes=classes).plot(figure=figure)

    @classmethod
    def from_estimator(
        cls,
        augmenter,
        X,
        y,
        *,
        sample_shape=None,
        n_real=5,
        n_synthetic=10,
        figure=None,
        random_state=None,
    ):
        """Draw real rows beside rows newly sampled from a fitted augmenter.

        Parameters
        ----------
        augmenter : fitted augmenter
            Its ``sample(n)`` returns n new rows of each class, and their labels.
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Real rows.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_shape : tuple (height, width) or (1, height, width), default=None
            Shape of one row as an image; None takes ``augmenter.sample_shape``.
        n_real, n_synthetic : int, default=5, 10
            Numbers of images a class.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.
        random_state : int, RandomState instance or None, default=None
            Choice of the real rows. The synthetic ones follow the augmenter's own seed.

        Returns
        -------
        display : SyntheticSamplesDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            As :meth:`from_predictions`.
        """
        cls._figure_class()
        if sample_shape is None:
            sample_shape = getattr(augmenter, "sample_shape", None)
        height, width = _check_sample_shape(sample_shape)
        _check_counts(n_real=n_real, n_synthetic=n_synthetic)
        X_new, y_new = augmenter.sample(n_synthetic)
        real, synthetic = _as_images(X, height, width), _as_images(X_new, height, width)
        return cls.from_predictions(
            np.concatenate([real, synthetic]),
            np.concatenate([np.asarray(y), np.asarray(y_new)]),
            np.repeat([False, True], [len(real), len(synthetic)]),
            sample_shape=(height, width),
            n_real=n_real,
            n_synthetic=n_synthetic,
            figure=figure,
            random_state=random_state,
        )

    def plot(self, figure=None, *, cmap="gray"):
        """Draw the stored images.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.
        cmap : str or matplotlib Colormap, default="gray"
            Colours of the values; "gray_r" draws large values dark.

        Returns
        -------
        display : SyntheticSamplesDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no image to draw.
        """
        Figure = self._figure_class()
        shown = [images for images in [*self.real, *self.synthetic] if len(images)]
        if not shown:
            raise ValueError("`real` and `synthetic` hold 0 images; give at least one.")
        height, width = shown[0].shape[1:]
        # One scale for all: scaled each by itself, a faint image would pass for a good one.
        scale = {"vmin": min(map(np.min, shown)), "vmax": max(map(np.max, shown))}
        grids = [_montage(block, height, width) for block in (self.real, self.synthetic)]

        if figure is None:
            figure = Figure(figsize=_figure_size(grids), layout="constrained")
        widths = [grid.shape[1] for grid in grids]
        axes = figure.subplots(1, 2, gridspec_kw={"width_ratios": widths, "wspace": 0.06})
        for ax, grid, title in zip(axes, grids, ("real", "synthetic"), strict=True):
            ax.imshow(grid, cmap=cmap, interpolation="nearest", **scale)
            ax.set_title(title)
            ax.tick_params(length=0)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        middles = np.arange(len(self.classes)) * (height + _gap(height, width)) + (height - 1) / 2
        axes[0].set_yticks(middles, [str(label) for label in self.classes])

        self._keep(figure, Figure)
        self.axes_ = axes
        return self


def _check_sample_shape(sample_shape):
    """Return (height, width), or raise ValueError where a row is no image."""
    try:
        shape = tuple(sample_shape)
    except TypeError:
        shape = ()
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2 or not all(isinstance(n, Integral) and n >= 1 for n in shape):
        raise ValueError(
            f"`sample_shape` is {sample_shape!r}; give (height, width) or (1, height, width): "
            "only rows that are grey images can be drawn."
        )
    return shape


def _check_counts(**counts):
    for name, count in counts.items():
        if not isinstance(count, Integral) or count < 1:
            raise ValueError(f"`{name}` is {count!r}; give an integer of at least 1.")


def _as_images(X, height, width):
    """Return rows as an array of shape (n_samples, height, width), or raise ValueError."""
    X = np.asarray(X)
    n_features = int(np.prod(X.shape[1:]))
    if X.ndim < 2 or n_features != height * width:
        raise ValueError(
            f"`sample_shape` is {(height, width)}, {height * width} values an image, and `X` has "
            f"shape {X.shape}; give a shape of as many values as a row has."
        )
    return X.reshape(len(X), height, width)


def _choose(images, candidates, n_images, rng):
    """Return at most n_images of the images that the mask allows, in their order."""
    rows = np.flatnonzero(candidates)
    rows = rng.choice(rows, size=min(n_images, len(rows)), replace=False)
    return images[np.sort(rows)]


def _gap(height, width):
    """Return the number of blank pixels between two images."""
    return max(1, min(height, width) // 8)


def _montage(block, height, width):
    """Lay out one array of images a class in rows; NaN, drawn blank, between and beside them."""
    gap = _gap(height, width)
    n_columns = max(1, *map(len, block))
    shape = (len(block) * (height + gap) - gap, n_columns * (width + gap) - gap)
    grid = np.full(shape, np.nan)
    for i, images in enumerate(block):
        top = i * (height + gap)
        for j, image in enumerate(images):
            left = j * (width + gap)
            grid[top : top + height, left : left + width] = image
    return grid


def _figure_size(grids):
    """Return (width, height) in inches: both grids at one scale, within a page."""
    n_rows, n_columns = grids[0].shape[0], sum(grid.shape[1] for grid in grids)
    inches = min(7.0 / n_columns, 9.0 / n_rows)  # a pixel of an image
    # Labels and the gap between the blocks take about an inch, headings half of one.
    return max(3.0, n_columns * inches + 1.0), max(1.5, n_rows * inches + 0.5)
