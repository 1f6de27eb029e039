"""Two ways through the latent space, from one row to another."""

import numpy as np

from .._validation import check_count
from ._images import as_images, draw_montage, figure_size, layout_of, montages, name_rows
from ._style import COLORS, Display, require, shown_name, shown_number
from ._tables import numbers_of, read_rows

# Line styles and markers for tables. They also differ in grey.
_STYLES = {
    "geodesic": {"word": "solid", "linestyle": "-", "marker": "o", "color": COLORS[0]},
    "linear": {"word": "dashed", "linestyle": "--", "marker": "s", "color": COLORS[1]},
}


class InterpolationDisplay(Display):
    """The geodesic of the metric between two rows, and the straight line.

    Use :meth:`from_estimator` to draw it. Each path is a row of images, with its length in the
    metric: the geodesic is the shorter one. Colours and
    volumes are drawn as by :class:`.SyntheticSamplesDisplay`. Of a table, the columns in which the
    paths differ most, as a share of their range, are drawn, one picture each; columns of text are
    left out.

    A path leads from one row's code to the other's. Its ends are what these are decoded into, which
    is not the rows themselves: they stand at its ends, as the first and last image, or as black
    diamonds.

    Parameters
    ----------
    paths : dict
        By name, an ndarray of the decoded points, in order: of shape (n_steps, height, width) or
        (n_steps, height, width, 3) for images, or (n_steps, n_columns) with numbers for a table.
    lengths : dict
        By name, the length of the path, in units of the metric.
    label : object
        The class.
    ends : ndarray of shape (2, height, width[, 3]) or (2, n_columns), default=None
        The two rows; None for none.
    column_names : sequence of str of length n_columns, default=None
        Names of a table's columns; None for images.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Of shape (1,) for images: one axes with an array of all of them, in which blank pixels part
        two images. Of shape (n_drawn,) for a table, one per column.
    figure_ : matplotlib Figure
        Figure with the axes.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from sklearn_pyraug.plotting import InterpolationDisplay
    >>> class Augmenter:  # in place of a trained RHVAEAugmenter
    ...     def interpolate(self, x0, x1, label, *, n_steps, kind):
    ...         t = np.linspace(0, 1, n_steps)[:, None]
    ...         t = t**2 if kind == "geodesic" else t
    ...         return SimpleNamespace(X=x0 + t * (x1 - x0), length=1.0)
    >>> x0, x1 = np.array([0.0, 1.0]), np.array([2.0, 5.0])
    >>> display = InterpolationDisplay.from_estimator(Augmenter(), x0, x1, "a")
    >>> [ax.get_title() for ax in display.axes_]
    ['column 1', 'column 0']
    """

    def __init__(self, *, paths, lengths, label, ends=None, column_names=None):
        self.paths = paths
        self.lengths = lengths
        self.label = label
        self.ends = ends
        self.column_names = column_names

    @classmethod
    def from_estimator(
        cls, augmenter, x0, x1, label, *, n_steps=8, sample_shape=None, max_columns=6, ax=None
    ):
        """Interpolate between two rows of a class in both ways and draw them.

        Parameters
        ----------
        augmenter : fitted augmenter
            With ``interpolate(x0, x1, label, n_steps=n_steps, kind=kind)``, which returns an
            object with ``X`` and ``length`` for the kinds ``"geodesic"`` and ``"linear"``.
        x0, x1 : array-like
            The two rows, as ``augmenter.interpolate`` takes them.
        label : object
            Their class.
        n_steps : int, default=8
            Points of a path, both ends included.
        sample_shape : tuple of int, default=None
            Shape of one row as an image or volume; None takes ``augmenter.sample_shape_``. Where
            that is None, too, or a signal's, the rows are those of a table. The axis of channels
            is found by ``augmenter.channels_``, or as ``"auto"`` does.
        max_columns : int, default=6
            Largest number of a table's columns that are drawn.
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is divided for a table, or one per
            column. None makes a new figure.

        Returns
        -------
        display : InterpolationDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        AttributeError
            If the augmenter cannot interpolate.
        ValueError
            If `sample_shape` is no image's shape or does not fit, no column holds numbers,
            `max_columns` is below 1, or as ``augmenter.interpolate``.
        """
        cls._pyplot()
        interpolate = require(
            augmenter, "interpolate", "it knows no paths. Give a fitted RHVAEAugmenter."
        )
        layout = layout_of(augmenter, sample_shape)
        found = {kind: interpolate(x0, x1, label, n_steps=n_steps, kind=kind) for kind in _STYLES}
        lengths = {kind: float(path.length) for kind, path in found.items()}
        rows, names = {kind: path.X for kind, path in found.items()}, None
        if layout is not None:
            rows["ends"] = [np.ravel(x) for x in (x0, x1)]
            paths = {kind: as_images(X, layout) for kind, X in rows.items()}
        else:
            rows["ends"] = np.concatenate([_one_row(x) for x in (x0, x1)])
            paths, names = _numeric_columns(rows)
        ends = paths.pop("ends")
        display = cls(paths=paths, lengths=lengths, label=label, ends=ends, column_names=names)
        return display.plot(ax, max_columns=max_columns)

    def plot(self, ax=None, *, cmap="gray", max_columns=6):
        """Draw the stored paths.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is divided for a table, or one per
            column. None makes a new figure.
        cmap : str or matplotlib Colormap, default="gray"
            Colours of the values of grey images.
        max_columns : int, default=6
            Largest number of a table's columns that are drawn.

        Returns
        -------
        display : InterpolationDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `max_columns` is below 1, or `ax` cannot be used.
        """
        check_count("max_columns", max_columns)
        title = f"Paths between two rows of class {shown_name(self.label)}"
        if self.column_names is None:
            self._plot_images(ax, cmap, title)
        else:
            self._plot_columns(ax, max_columns, title)
        return self

    def _plot_images(self, ax, cmap, title):
        paths = list(self.paths.values())
        if self.ends is not None:
            paths = [np.concatenate([self.ends[:1], path, self.ends[1:]]) for path in paths]
        (grid,), scale = montages(paths)
        width, height = figure_size([grid])
        # One more inch for the names of the rows, which are long.
        ax = self._axes(ax, (width + 1.0, height + 0.3))
        draw_montage(ax, grid, scale, cmap)
        names = [f"{name}\nlength {shown_number(x)}" for name, x in self.lengths.items()]
        name_rows(ax, names, *paths[0].shape[1:3])
        if self.ends is not None:
            half = 0.5 * (paths[0].shape[2] - 1)
            ax.set_xticks([half, grid.shape[1] - 1 - half], ["row", "row"])
        ax.set_title(title)
        self.axes_ = np.array([ax])

    def _plot_columns(self, ax, max_columns, title):
        from matplotlib.ticker import MaxNLocator

        shown = _most_different(*self.paths.values())[:max_columns]
        if len(shown) < len(self.column_names):
            title += f"\nthe {len(shown)} of {len(self.column_names)} columns that differ most"
        # In the title, where no line crosses it.
        title += "\n" + ", ".join(
            f"{_STYLES[name]['word']}: {name} (length {shown_number(x)})"
            for name, x in self.lengths.items()
        )
        if self.ends is not None:
            title += ", diamonds: the rows"
        n_columns = min(len(shown), 3)
        size = (1.0 + 2.8 * max(n_columns, 2), 1.2 + 2.2 * -(-len(shown) // n_columns))
        axes = self._panels(ax, len(shown), n_columns, size, title)
        for panel, j in zip(axes, shown, strict=True):
            for name, path in self.paths.items():
                style = {key: value for key, value in _STYLES[name].items() if key != "word"}
                panel.plot(path[:, j], label=name, markersize=4, **style)
            if self.ends is not None:
                panel.plot([0, len(path) - 1], self.ends[:, j], "kD", markersize=6, label="rows")
            panel.set_title(shown_name(self.column_names[j]), fontsize="medium")
            panel.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        for panel in axes[-n_columns:]:
            panel.set_xlabel("step")
        for panel in axes[::n_columns]:
            panel.set_ylabel("value")


def _one_row(x):
    """Return a row, or a container of one, as an array of one row."""
    return read_rows(x if len(np.shape(x)) > 1 else np.asarray(x, dtype=object)[np.newaxis])[0]


def _numeric_columns(tables):
    """Return the columns of numbers of several tables, and their names."""
    read = {name: read_rows(X) for name, X in tables.items()}
    names = next(iter(read.values()))[1]
    columns = {name: [numbers_of(x) for x in rows.T] for name, (rows, _) in read.items()}
    kept = [j for j in range(len(names)) if all(x[j] is not None for x in columns.values())]
    if not kept:
        raise ValueError(
            f"None of the {len(names)} columns holds numbers, and only numbers can be drawn as "
            "lines; look at `augmenter.interpolate` itself."
        )
    paths = {name: np.column_stack([x[j] for j in kept]) for name, x in columns.items()}
    return paths, [names[j] for j in kept]


def _most_different(first, second):
    """Return the columns of two paths, those first that differ most, as a share of their range."""
    both = np.concatenate([first, second])
    # Missing values make gaps in the lines.
    low, high = (np.where(np.isnan(both), end, both) for end in (np.inf, -np.inf))
    span = high.max(axis=0) - low.min(axis=0)
    apart = np.nan_to_num(np.abs(first - second)).max(axis=0)
    share = np.divide(apart, span, out=np.zeros(len(span)), where=span > 0)
    return np.argsort(-share, kind="stable")
