"""Real rows next to synthetic ones."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._preprocessing.images import stack_rows
from .._preprocessing.label_encoder import distinct_labels, read_labels
from .._random import root_seed
from .._validation import check_count
from ..io._guards import check_mask
from ._images import (
    as_images,
    draw_montage,
    figure_size,
    layout_of,
    montages,
    name_rows,
    picture_layout,
)
from ._style import Display, require, shown_name, shown_number
from ._tables import draw_marginals, draw_scatter, read_rows

_KINDS = ("auto", "images", "marginals", "scatter")


class SyntheticSamplesDisplay(Display):
    """Real rows next to synthetic ones: a grid of images, or pictures of a table.

    Use :meth:`from_estimator` or :meth:`from_predictions` to draw it.

    Each class has a row of images, real ones on the left and synthetic ones on the right. All
    share one scale, from the smallest to the largest value. Three channels are colours; of other
    numbers of channels, the first is drawn. Volumes are drawn as the middle slices along their
    three axes. With `origins`, the real images are those that the synthetic ones were made from,
    and a third grid shows the differences: brighter pixels orange, darker ones violet.

    Of a table, ``kind="marginals"`` draws how the values of each column are distributed among
    the real rows (filled) and the synthetic ones (outlined), for the columns that differ most;
    numbers of at most 12 different values as one bar each. Of other numbers, the first and the
    last bar hold the values beyond the 0.5 % and 99.5 % quantiles, too.
    ``kind="scatter"`` draws each row as a point, in the plane of the first two principal
    components of the real rows: real ones on the left, and again in grey below the synthetic ones.
    For a picture of one class, give only the rows of that class.

    Parameters
    ----------
    real : list of ndarray of shape (n_images, height, width), (n_images, height, width, 3) \
            or (n_rows, n_columns)
        Real rows, one array per class; a class may have fewer than another, or none.
    synthetic : list of ndarray
        Synthetic rows in the same order of classes.
    classes : sequence of length n_classes
        Class labels.
    kind : {"images", "marginals", "scatter"}, default="images"
        What is drawn.
    column_names : sequence of str of length n_columns, default=None
        Names of a table's columns; None counts them.
    paired : bool, default=False
        Whether each synthetic image comes from the real one at its place, so that the difference
        is drawn, too.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure drawn on.
    axes_ : ndarray of matplotlib Axes
        Of shape (2,) for images, the grid of real images and the grid of synthetic images, or (3,)
        with that of the differences. Each
        holds one array of shape (n_classes * (height + gap) - gap, n_columns * (width + gap) -
        gap), with a last axis of 4 for colours, in which `gap` blank pixels part two images: an
        eighth of an image's shorter side, at least 1. Of shape (2,) for ``kind="scatter"``, real
        and synthetic rows. Of shape (n_drawn,) for ``kind="marginals"``, one per column, in the
        order of the difference.
    differences_ : dict
        For ``kind="marginals"`` alone: by column name, how far real and synthetic values of it
        differ, from 0 (alike) to 1 (apart), as
        :func:`~sklearn_pyraug.metrics.column_differences` measures it.

    See Also
    --------
    sklearn_pyraug.metrics.distance_to_closest_record : Whether the rows are copies, which no
        picture shows.

    Notes
    -----
    Augmentation changes how many rows each class has, and with it the distribution of every
    column that differs between classes. ``kind="marginals"`` weights the synthetic rows, so that a
    class makes up the same share of them as of the real rows, and leaves out a class that has no
    synthetic rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits, load_iris
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

    A table:

    >>> X, y = load_iris(return_X_y=True)
    >>> display = SyntheticSamplesDisplay.from_predictions(
    ...     np.vstack([X, X + 0.1]), np.concatenate([y, y]), np.repeat([False, True], len(X))
    ... )
    >>> len(display.axes_)
    4
    """

    def __init__(self, *, real, synthetic, classes, kind="images", column_names=None, paired=False):
        self.real = real
        self.synthetic = synthetic
        self.classes = classes
        self.kind = kind
        self.column_names = column_names
        self.paired = paired

    @classmethod
    def from_predictions(
        cls,
        X,
        y,
        synthetic_mask,
        *,
        sample_shape=None,
        channels="auto",
        origins=None,
        kind="auto",
        n_real=None,
        n_synthetic=None,
        max_columns=9,
        figure=None,
        random_state=None,
    ):
        """Draw rows chosen at random from real and synthetic rows.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Real and synthetic rows together, as an augmenter's ``fit_resample`` returns them.
        y : array-like of shape (n_samples,)
            Class labels.
        synthetic_mask : array-like of shape (n_samples,), dtype bool
            True where the row is synthetic: an augmenter's ``synthetic_mask_``.
        sample_shape : tuple of int, default=None
            Shape of one row as an image or volume: (height, width) or (depth, height, width),
            either with an axis of channels. None takes that of X where it has more than two axes.
        channels : {"auto", "first", "last", "none"}, default="auto"
            Which axis of these holds channels. ``"auto"``: as for :class:`.RHVAEAugmenter`.
        origins : array-like of int of shape (n_samples,), default=None
            For images, the row of `X` that each row comes from: an augmenter's
            ``origin_indices_``.
        kind : {"auto", "images", "marginals", "scatter"}, default="auto"
            What is drawn; ``"auto"``: images where rows have such a shape, else marginals.
        n_real, n_synthetic : int or None, default=None
            Largest numbers of rows per class. None draws 5 and 10 images, with `origins` 5 of both,
            and all rows of a table. A class with fewer images leaves blanks.
        max_columns : int, default=9
            For ``kind="marginals"``, the largest number of columns.
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
            If `sample_shape` is no image's shape, does not fit `X`, or the lengths of `X`, `y`,
            `synthetic_mask` and `origins` differ, if an origin is no row, if a number is below 1,
            if `kind` or `channels` is unknown, or if there is nothing to draw.
        """
        # First, so that a missing library is noticed before any work.
        cls._pyplot()
        X = stack_rows(X)
        if sample_shape is None and getattr(X, "ndim", 2) > 2:
            sample_shape = X.shape[1:]
        kind = _check_kind(kind, sample_shape)
        _check_counts(n_real, n_synthetic, max_columns)
        if kind == "images":
            rows, names = as_images(X, picture_layout(sample_shape, channels)), None
        else:
            rows, names = read_rows(X)
        y, mask = read_labels(y), check_mask(synthetic_mask, len(rows))
        if y.shape != mask.shape:
            raise ValueError(f"`y` has shape {y.shape} for {len(rows)} rows; give a label a row.")
        sources = None
        if origins is not None and kind == "images":
            origins = np.asarray(origins)
            if origins.dtype.kind not in "iu" or origins.shape != mask.shape:
                raise ValueError(
                    f"`origins` has shape {origins.shape} and dtype {origins.dtype}, with "
                    f"{len(rows)} rows in `X`; give the index of a row for each."
                )
            lost = (origins < 0) | (origins >= len(rows))
            if (lost & mask).any():
                raise ValueError(
                    f"`origins` has {origins[lost & mask][0]}, which is none of the {len(rows)} "
                    "rows in `X`; give the index of a row for each synthetic row."
                )
            sources = rows[origins[mask]]
        sets, counts = [(rows[own], y[own]) for own in (~mask, mask)], (n_real, n_synthetic)
        display = cls._chosen(*sets, kind, names, counts, random_state, sources)
        return display.plot(figure, max_columns=max_columns)

    @classmethod
    def from_estimator(
        cls,
        augmenter,
        X,
        y,
        *,
        sample_shape=None,
        kind="auto",
        n_real=None,
        n_synthetic=None,
        max_columns=9,
        figure=None,
        random_state=None,
    ):
        """Draw real rows next to rows newly sampled from a fitted augmenter.

        Parameters
        ----------
        augmenter : fitted augmenter
            Its ``sample(n)`` returns n new rows of each class, and their labels.
        X : array-like or dataframe of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Real rows.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_shape : tuple of int, default=None
            Shape of one row as an image or volume; None takes ``augmenter.sample_shape_``, or
            ``augmenter.sample_shape`` where it has no such attribute. The axis of channels is
            found by ``augmenter.channels_``, or as ``"auto"`` does.
        kind : {"auto", "images", "marginals", "scatter"}, default="auto"
            What is drawn; ``"auto"``: images where there is the shape of an image or volume, else
            marginals.
        n_real, n_synthetic : int or None, default=None
            Numbers of rows per class. None draws 5 and 10 images; of a table all real rows, and as
            many synthetic ones of each class as the largest class has real ones, at least 100.
        max_columns : int, default=9
            For ``kind="marginals"``, the largest number of columns.
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
        AttributeError
            If the augmenter has no ``sample``; NotFittedError, which is one, if it is not fitted.
        ValueError
            As :meth:`from_predictions`.
        """
        cls._pyplot()
        require(augmenter, "sample", "give an RHVAEAugmenter, or rows to `from_predictions`.")
        if hasattr(augmenter, "fit"):
            check_is_fitted(augmenter)
        layout = layout_of(augmenter, sample_shape) if kind in ("auto", "images") else None
        kind = _check_kind(kind, layout)
        _check_counts(n_real, n_synthetic, max_columns)
        y = read_labels(y)
        if kind == "images":
            # If there is none, this raises the error.
            layout = layout or picture_layout(sample_shape)
            real, names = as_images(X, layout), None
            X_new, y_new = augmenter.sample(n_synthetic or 10)
            synthetic = as_images(X_new, layout)
        else:
            real, names = read_rows(X)
            largest = int(np.bincount(distinct_labels(y)[2]).max())
            X_new, y_new = augmenter.sample(n_synthetic or max(100, largest))
            synthetic, _ = read_rows(X_new)
        if len(y) != len(real) or synthetic.shape[1:] != real.shape[1:]:
            raise ValueError(
                f"`X` has {len(real)} rows of shape {real.shape[1:]}, `y` {len(y)} labels, and new "
                f"rows have shape {synthetic.shape[1:]}; give the rows that `augmenter` was fitted "
                "to, and a label for each."
            )
        sets, counts = [(real, y), (synthetic, read_labels(y_new))], (n_real, n_synthetic)
        display = cls._chosen(*sets, kind, names, counts, random_state)
        return display.plot(figure, max_columns=max_columns)

    @classmethod
    def _chosen(cls, real_set, new_set, kind, names, counts, random_state, sources=None):
        """Return the display of rows chosen at random, not yet drawn.

        A set has rows and their labels; `sources` are the real rows that the synthetic ones come
        from, to be drawn beside them.
        """
        (real, y), (synthetic, y_new), (n_real, n_synthetic) = real_set, new_set, counts
        if kind == "images":
            n_real, n_synthetic = n_real or 5, n_synthetic or (10 if sources is None else 5)
        # numpy's seeds end at 2**32.
        rng = np.random.RandomState(root_seed(random_state) % 2**32)
        classes, _, y_index = distinct_labels(np.concatenate([y, y_new]))
        y, y_new = np.split(y_index, [len(y)])
        old = [_choose(y == k, n_real, rng) for k in range(len(classes))]
        new = [_choose(y_new == k, n_synthetic, rng) for k in range(len(classes))]
        if sources is not None:
            real, old = sources, new
        return cls(
            real=[real[i] for i in old],
            synthetic=[synthetic[i] for i in new],
            classes=classes,
            kind=kind,
            column_names=names,
            paired=sources is not None,
        )

    def plot(self, figure=None, *, cmap="gray", max_columns=9):
        """Draw the stored rows.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.
        cmap : str or matplotlib Colormap, default="gray"
            Colours of the values of grey images; "gray_r" draws large values dark.
        max_columns : int, default=9
            For ``kind="marginals"``, the largest number of columns.

        Returns
        -------
        display : SyntheticSamplesDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is nothing to draw, or `max_columns` is below 1.
        """
        check_count("max_columns", max_columns)
        if self.kind == "images":
            self.figure_, self.axes_ = self._plot_images(figure, cmap)
        elif self.kind == "marginals":
            drawn = draw_marginals(self, figure, max_columns)
            self.figure_, self.axes_, self.differences_ = drawn
        else:
            self.figure_, self.axes_ = draw_scatter(self, figure)
        return self

    def _plot_images(self, figure, cmap):
        grids, scale = montages(self.real, self.synthetic)
        titles, scales, cmaps = ["real", "synthetic"], [scale] * 2, [cmap] * 2
        if self.paired:
            changes = [_changes(*pair) for pair in zip(self.real, self.synthetic, strict=True)]
            (grid,), scale = montages(changes)
            most = max(map(abs, scale.values()))
            grids.append(grid)
            titles = ["origin", "synthetic", f"difference (up to {shown_number(most)})"]
            scales.append({"vmin": -most, "vmax": most})
            cmaps.append("PuOr_r")
        if figure is None:
            figure = self._new_figure(figure_size(grids))
        widths = [grid.shape[1] for grid in grids]
        ratios = {"width_ratios": widths, "wspace": 0.06}
        axes = figure.subplots(1, len(grids), gridspec_kw=ratios)
        for ax, grid, *look, title in zip(axes, grids, scales, cmaps, titles, strict=True):
            draw_montage(ax, grid, *look)
            ax.set_title(title)
        shape = next(images.shape[1:] for images in [*self.real, *self.synthetic] if len(images))
        name_rows(axes[0], [shown_name(label) for label in self.classes], *shape[:2])
        return figure, axes


def _check_kind(kind, shape):
    """Return what is to be drawn of rows with or without (None) a shape, or raise ValueError."""
    if kind not in _KINDS:
        raise ValueError(f"`kind` is {kind!r}; give one of {', '.join(map(repr, _KINDS))}.")
    if kind == "auto":
        return "marginals" if shape is None else "images"
    return kind


def _check_counts(n_real, n_synthetic, max_columns):
    for name, count in {"n_real": n_real, "n_synthetic": n_synthetic}.items():
        if count is not None:
            check_count(name, count)
    check_count("max_columns", max_columns)


def _choose(candidates, n_rows, rng):
    """Return the places of at most n_rows rows that the mask allows, in order; all for None."""
    chosen = np.flatnonzero(candidates)
    if n_rows is not None:
        chosen = rng.choice(chosen, size=min(n_rows, len(chosen)), replace=False)
    return np.sort(chosen)


def _changes(origins, synthetic):
    """Return how images differ from those they come from; in colour, by their brightness."""
    change = np.asarray(synthetic, dtype=float) - origins
    return change if change.ndim == 3 else change.mean(axis=-1)
