"""What the displays share: figures of pyplot, and distinguishable colours."""

import numpy as np
from sklearn.exceptions import NotFittedError

from .._evaluation.plots import plain, shortened
from ..io._guards import import_optional

# Okabe and Ito's colours without yellow, which is too pale for lines on white, and black, which is
# kept for what belongs to no class. The numbers of colours and of markers have no common divisor,
# so that 42 classes differ in one or both. The markers also differ in grey.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Most names in a legend; more would not fit the height of the picture.
MOST_NAMES = 24
# Position of a legend beside its axes, where it covers nothing.
BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}


class Display:
    """Base of the displays: where they draw."""

    def _axes(self, ax, size):
        """Return the axes to draw on: `ax`, or that of a new figure of `size` inches."""
        self.ax_ = self._new_figure(size).subplots() if ax is None else ax
        self.figure_ = self.ax_.figure
        return self.ax_

    def _panels(self, ax, n_panels, n_columns, size, title, **options):
        """Return an array of several axes: parts of `ax`, or of a new figure.

        `ax` may also be an array of as many axes. The title is that of all of them. The options
        are those of ``Figure.subplots``.
        """
        shape = -(-n_panels // n_columns), n_columns
        if ax is None:
            figure = self._new_figure(size)
            axes = figure.subplots(*shape, squeeze=False, **options)
            figure.suptitle(title)
        elif isinstance(ax, (list, tuple, np.ndarray)):
            axes = np.asarray(ax)
            if axes.size != n_panels:
                raise ValueError(
                    f"`ax` holds {axes.size} axes, and {n_panels} are drawn on; give as many, or "
                    "a single one to be parted."
                )
            figure = axes.flat[0].figure
        else:
            grid = ax.get_subplotspec()
            if grid is None:
                raise ValueError(
                    "`ax` is not one of a grid of subplots and cannot be parted; make it by "
                    f"`figure.subplots`, or give {n_panels} axes."
                )
            figure = ax.figure
            ax.set_axis_off()
            # A subfigure, because only that makes room for a title above its axes.
            part = figure.add_subfigure(grid, facecolor="none")
            axes = part.subplots(*shape, squeeze=False, **options)
            part.suptitle(title, fontsize="medium")
        axes = axes.ravel()
        for extra in axes[n_panels:]:
            extra.remove()
        self.figure_, self.axes_ = figure, axes[:n_panels]
        return self.axes_

    @classmethod
    def _new_figure(cls, size):
        """Return a new figure of `size` inches, which pyplot shows and saves."""
        return cls._pyplot().figure(figsize=size, layout="constrained")

    @classmethod
    def _pyplot(cls):
        """Return matplotlib.pyplot, or raise ImportError naming the extra."""
        return import_optional(cls.__name__, "plot", "matplotlib.pyplot")


def class_style(k):
    """Return colour and marker of class number k, as keywords of ``Axes.plot``."""
    return {"color": COLORS[k % len(COLORS)], "marker": _MARKERS[k % len(_MARKERS)]}


def shown_name(name):
    """Return the name of a class or column as a short line, without formulas, for any text."""
    text = plain(shortened(" ".join(str(name).split()), 28))
    # Legends leave out names that begin with an underscore.
    return f" {text}" if text.startswith("_") else text


def component_names(shares, whose):
    """Return the names of the axes of two principal components.

    Parameters
    ----------
    shares : ndarray of shape (2,)
        Of the variance.
    whose : str
        What varies.

    Returns
    -------
    names : list of two str
    """
    return [
        f"{which} principal component\n({100 * share:.0f} % of the {whose} variance)"
        for which, share in zip(("first", "second"), shares, strict=True)
    ]


def require(estimator, name, remedy):
    """Return an attribute of an estimator, or raise an error that names the remedy.

    It is an AttributeError; for what `fit` or drawing leaves behind, scikit-learn's NotFittedError,
    which is one, too.
    """
    if not hasattr(estimator, name):
        error = NotFittedError if name.endswith("_") else AttributeError
        raise error(f"{type(estimator).__name__} has no `{name}`; {remedy}")
    return getattr(estimator, name)


def shown_number(value):
    """Return a number in few characters, for a label."""
    return f"{value:.3g}"
