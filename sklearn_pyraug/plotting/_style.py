"""What the displays share: figures without pyplot, and distinguishable colours."""

import io

import numpy as np
from sklearn.exceptions import NotFittedError

__all__ = [
    "BESIDE",
    "COLORS",
    "MOST_NAMES",
    "Display",
    "class_style",
    "component_names",
    "require",
    "shown_number",
]

# Okabe and Ito's colours without yellow, which is too pale for a line on white, and black, which
# is left to what belongs to no class. Colours and markers are of numbers without a common
# divisor, so that 42 classes differ in one or both; the markers differ in grey, too.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# More names than this are longer than the picture is high.
MOST_NAMES = 24
# Where a legend stands beside its axes and covers nothing.
BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}


class Display:
    """Base of the displays: where they draw, and how notebooks show them."""

    def _axes(self, ax, size):
        """Return the axes to draw on: `ax`, or that of a new figure of `size` inches."""
        Figure = self._figure_class()
        if ax is None:
            ax = Figure(figsize=size, layout="constrained").subplots()
        self._keep(ax.figure, Figure)
        self.ax_ = ax
        return ax

    def _panels(self, ax, n_panels, n_columns, size, title, **options):
        """Return an array of several axes: parts of `ax`, or of a new figure.

        `ax` may also be an array of as many axes. The title is that of all of them. The options
        are those of ``Figure.subplots``.
        """
        Figure = self._figure_class()
        shape = -(-n_panels // n_columns), n_columns
        if ax is None:
            figure = Figure(figsize=size, layout="constrained")
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
            # A figure within the figure, as only that makes room for a title above its axes.
            part = figure.add_subfigure(grid, facecolor="none")
            axes = part.subplots(*shape, squeeze=False, **options)
            part.suptitle(title, fontsize="medium")
        axes = axes.ravel()
        for extra in axes[n_panels:]:
            extra.remove()
        self._keep(figure, Figure)
        self.axes_ = axes[:n_panels]
        return self.axes_

    def _keep(self, figure, Figure):
        self.figure_ = figure
        self._draws_itself = isinstance(figure, Figure) and figure.canvas.manager is None

    @classmethod
    def _figure_class(cls):
        """Return matplotlib's Figure class, or raise ImportError naming the extra."""
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError(
                f"{cls.__name__} needs matplotlib, which cannot be imported "
                f"({error}); install it with `pip install sklearn-pyraug[plot]`."
            ) from error
        return Figure

    def _repr_png_(self):
        """Return the picture for notebooks, where pyplot does not show the figure already."""
        if not getattr(self, "_draws_itself", False):
            return None
        buffer = io.BytesIO()
        self.figure_.savefig(buffer, format="png")
        return buffer.getvalue()


def class_style(k):
    """Return colour and marker of class number k, as keywords of ``Axes.plot``."""
    return {"color": COLORS[k % len(COLORS)], "marker": _MARKERS[k % len(_MARKERS)]}


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
