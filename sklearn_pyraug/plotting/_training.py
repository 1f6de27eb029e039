"""Losses by epoch."""

from numbers import Integral

import numpy as np

from ._style import BESIDE, MOST_NAMES, Display, class_style, require, shown_name

# Labels of what is drawn: the loss, and the two terms whose sum it is.
_LABELS = {
    "loss": "negative ELBO (nats per row)",
    "reconstruction": "reconstruction (nats per row)",
    "divergence": "divergence (nats per row)",
}


class TrainingCurvesDisplay(Display):
    """Loss by epoch and its two terms, for each generator.

    Use :meth:`from_estimator` to draw it. The loss is the negative ELBO in nats per row: lower is
    better. A ring marks the epoch whose weights were kept, and a bar the last epoch. If the loss of
    held-out rows rises while that of training rows falls, the generator overfits. If the best
    epoch is close to the last one, longer training may help.

    The reconstruction, E[−log p(x|z)], is the information about rows that codes do not contain. It
    may be negative, because log densities of continuous columns may be positive. The divergence of
    the codes from their prior is the information that they contain. Near 0 nats they contain
    nothing, and all new rows are alike.

    Parameters
    ----------
    histories : dict
        By the name to be shown, a record with ``train_loss`` and ``valid_loss``, arrays of shape
        (n_epochs,), the latter NaN where no rows were held out, and ``best_epoch``, counted
        from 1, or 0 for none. For the terms, it also has arrays of the same shape
        ``train_reconstruction`` and ``valid_reconstruction``, or None for both.
    terms : bool, default=True
        Whether the terms are drawn, each in a panel of its own. Where no record has them, as of
        an augmenter that an earlier version saved, there is the loss alone.

    Attributes
    ----------
    ax_ : matplotlib Axes
        That of the loss.
    axes_ : ndarray of shape (n_panels,) of matplotlib Axes
        Those of the loss, the reconstruction and the divergence, or that of the loss alone.
    figure_ : matplotlib Figure
        Figure with the axes.
    lines_ : dict
        By name, a list of the curves of the loss: matplotlib Line2D of the training rows and,
        where rows were held out, of those. They begin where classes are no longer trained together.
    term_lines_ : dict
        By term, ``"reconstruction"`` and ``"divergence"``, a dict like `lines_`; empty where the
        loss is alone. A name whose record has no terms has no curves.

    Notes
    -----
    Classes differ by colour and marker, training and held-out rows by the style of the line.
    More than 24 classes have no legend, but the title says how many there are.

    Epochs that all classes share are drawn once, in black, and those of their own, behind a dotted
    line, on a wider scale. The axis of the losses is that of the values after the first tenth of
    the epochs: what lies outside is cut off.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_pyraug import RHVAEAugmenter
    >>> from sklearn_pyraug.plotting import TrainingCurvesDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> augmenter = RHVAEAugmenter(decoder="direct", max_epochs=3, random_state=0).fit(X, y)
    >>> display = TrainingCurvesDisplay.from_estimator(augmenter)
    >>> list(display.lines_)
    ['0', '1', '2']
    >>> list(display.term_lines_)
    ['reconstruction', 'divergence']
    """

    def __init__(self, *, histories, terms=True):
        self.histories = histories
        self.terms = terms

    @classmethod
    def from_estimator(cls, augmenter, *, ax=None, first_epoch=1, terms=True):
        """Draw the losses of a fitted augmenter.

        Parameters
        ----------
        augmenter : fitted augmenter or embedder
            Its ``history_`` holds a record by label, or is that of all rows.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, see :meth:`plot`.
        first_epoch : int, default=1
            First epoch drawn, see :meth:`plot`.
        terms : bool, default=True
            Whether the terms of the loss are drawn, too, where they were recorded.

        Returns
        -------
        display : TrainingCurvesDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If the augmenter has no ``history_``: it is not fitted.
        ValueError
            If nothing was trained, `first_epoch` does not lie within the epochs, or `ax` cannot
            be used.
        """
        history = require(augmenter, "history_", "fit it before its training is drawn.")
        return cls(histories=_distinct(history), terms=terms).plot(ax, first_epoch=first_epoch)

    def plot(self, ax=None, *, first_epoch=1):
        """Draw the stored losses.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is divided if terms are drawn, or
            one per panel. None makes a new figure.
        first_epoch : int, default=1
            First epoch drawn. The first losses often lie far above all later ones, which show
            more detail without them.

        Returns
        -------
        display : TrainingCurvesDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is nothing to draw, `first_epoch` does not lie within the epochs, or `ax`
            cannot be used.
        """
        n_epochs = max((len(h.train_loss) for h in self.histories.values()), default=0)
        if not n_epochs:
            raise ValueError(
                "`histories` holds no epoch: no class was trained. Classes of fewer than 4 rows "
                "are not, nor those that get no new rows."
            )
        if not isinstance(first_epoch, Integral) or not 1 <= first_epoch <= n_epochs:
            raise ValueError(
                f"`first_epoch` is {first_epoch!r}; give an integer from 1 to {n_epochs}."
            )
        panels = {name: _values(self.histories, name) for name in _LABELS}
        if not (self.terms and any(panels["reconstruction"].values())):
            panels = {"loss": panels["loss"]}
        names = list(self.histories)
        many = len(names) > MOST_NAMES
        styles = [class_style(k) | ({"marker": ""} if many else {}) for k in range(len(names))]
        axes = self._make_axes(ax, len(panels), names)
        together = max(_n_together(self.histories), first_epoch)
        drawn = {
            quantity: _draw_panel(
                panel, quantity, self.histories, curves, styles, first_epoch, together
            )
            for panel, (quantity, curves) in zip(axes, panels.items(), strict=True)
        }
        if together > first_epoch:
            _widen(axes, first_epoch, together, n_epochs)
        self.lines_ = drawn.pop("loss")
        self.term_lines_ = drawn
        handles = [_handle(label=shown_name(n), **s) for n, s in zip(names, styles, strict=True)]
        held_out = any(len(lines) == 2 for lines in self.lines_.values())
        _add_legend(axes[-1], handles, held_out, together > first_epoch, alone=len(axes) == 1)
        return self

    def _make_axes(self, ax, n_panels, names):
        """Return the axes of the panels, under a title."""
        named = f"{len(names)} classes" if len(names) > MOST_NAMES else None
        named = shown_name(names[0]) if len(names) == 1 else named
        ending = "" if named is None else f" ({named})"
        beside = 1.2 * (1 < len(names) <= MOST_NAMES or n_panels > 1)
        if n_panels > 1:
            title = "Loss by epoch, and the terms it is the sum of" + ending
            size = (10.6 + beside, 4.0)
            axes = self._panels(ax, n_panels, n_panels, size, title, sharex=True)
        else:
            given = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
            if len(given) != 1:
                raise ValueError(f"`ax` holds {len(given)} axes, and 1 is drawn on; give it alone.")
            axes = self.axes_ = np.array([self._axes(given[0], (6.4 + beside, 4.4))])
            axes[0].set_title("Loss by epoch, lower is better" + ending)
        self.ax_ = axes[0]
        return axes


def _distinct(history):
    """Return records by name, those of a shared generator once."""
    if not isinstance(history, dict):  # an embedder's
        return {"all rows": history}
    records = list(history.values())
    if len(records) > 1 and all(_same(record, records[0]) for record in records):
        return {"all classes": records[0]}
    return {str(label): record for label, record in history.items()}


def _same(a, b):
    """Return True if two records are of one training; by value, as a file may hold both."""
    return a is b or all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for name in ("train_loss", "valid_loss", "best_epoch")
    )


def _values(histories, quantity):
    """Return by name the arrays of a quantity: of training and held-out rows, where known."""
    values = {}
    for name, history in histories.items():
        kinds = ["train"] + ["valid"] * bool(np.isfinite(history.valid_loss).any())
        arrays = [getattr(history, f"{kind}_{quantity}", None) for kind in kinds]
        values[name] = [] if any(array is None for array in arrays) else arrays
    return values


def _n_together(histories):
    """Return the number of first epochs that the classes were trained in together."""
    losses = [history.train_loss for history in histories.values()]
    n_epochs = min(map(len, losses))
    apart = [np.any([loss[i] != losses[0][i] for loss in losses]) for i in range(n_epochs)]
    return [*apart, True].index(True) if len(losses) > 1 else 0


def _widen(axes, first_epoch, together, n_epochs):
    """Give the epochs after those together at least two fifths of the width."""
    wider = max(1.0, 2 / 3 * (together - first_epoch) / max(1, n_epochs - together))

    def forward(x):
        return np.where(x <= together, x, together + wider * (x - together))

    def inverse(x):
        return np.where(x <= together, x, together + (x - together) / wider)

    margin = 0.04 * (forward(n_epochs) - first_epoch)
    for ax in axes:
        ax.axvline(together, color="black", linestyle=":", linewidth=1)
        ax.set_xscale("function", functions=(forward, inverse))
        ax.set_xlim(first_epoch - margin, inverse(forward(n_epochs) + margin))
        ax.set_xticks([first_epoch, together, n_epochs])


def _draw_panel(ax, quantity, histories, values, styles, first_epoch, together):
    """Draw the curves of a quantity, with marks; return the lines by name."""
    from matplotlib.ticker import MaxNLocator

    lines = {}
    size = 11 if len(histories) <= 8 else 6
    if together > first_epoch:
        first = [array[:together] for array in next(iter(values.values()))]
        _draw_curves(ax, first, first_epoch, {"color": "black"}, 0)
    for k, (name, history) in enumerate(histories.items()):
        lines[name] = _draw_curves(ax, values[name], together, styles[k], k)
        if lines[name]:
            # On the curve by which the best epoch was chosen.
            _draw_marks(ax, values[name][-1], history.best_epoch, first_epoch, styles[k], size)
    late = [a[max(first_epoch - 1, len(a) // 10) :] for arrays in values.values() for a in arrays]
    late = np.concatenate(late) if late else np.zeros(0)
    late = late[np.isfinite(late)]
    if np.ptp(late) if len(late) else False:
        margin = 0.06 * np.ptp(late)
        ax.set_ylim(late.min() - margin, late.max() + margin)
    ax.set(xlabel="epoch", ylabel=_LABELS[quantity])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return lines


def _draw_curves(ax, values, first_epoch, style, k):
    """Draw the curves of class number k, training rows first; return the lines."""
    lines = []
    for array, line, width in zip(values, ("--", "-"), (1.0, 1.7), strict=False):
        epochs = np.arange(first_epoch, len(array) + 1)
        every = max(1, len(epochs) // 6)
        # Markers of several curves are shifted, so that they do not overlap.
        marked = style | {"markevery": (k * every // 4 % every, every), "markersize": 4}
        lines += ax.plot(epochs, array[first_epoch - 1 :], line, linewidth=width, **marked)
    return lines


def _draw_marks(ax, values, best, first_epoch, style, size):
    """Mark the best epoch and the last one."""
    ring = {"fillstyle": "none", "markeredgewidth": size / 7, "color": "black"}
    bar = {"markeredgewidth": 2, "color": style["color"]}
    if best >= first_epoch:
        ax.plot(best, values[best - 1], "o", markersize=size, **ring)
    if len(values) >= first_epoch:
        ax.plot(len(values), values[-1], "|", markersize=size + 2, **bar)


def _handle(**options):
    from matplotlib.lines import Line2D

    return Line2D([], [], **{"linestyle": "none"} | options)


def _add_legend(ax, handles, held_out, together, alone):
    """Explain lines, marks and, of several classes that have names, whose they are."""
    n_classes = len(handles)
    meanings = [_handle(color="black", linestyle="--", linewidth=1.0, label="training rows")]
    if held_out:
        meanings.append(_handle(color="black", linestyle="-", label="held-out rows"))
    ring = {"marker": "o", "fillstyle": "none", "markersize": 8, "color": "black"}
    bar = {"marker": "|", "markersize": 10, "markeredgewidth": 2, "color": "black"}
    meanings += [_handle(label="best epoch", **ring), _handle(label="stopped", **bar)]
    if together:
        meanings.append(_handle(color="black", linestyle=":", label="each its own"))
    if n_classes == 1 and alone:
        ax.legend(handles=meanings, loc="best")
    elif n_classes == 1 or n_classes > MOST_NAMES:
        ax.legend(handles=meanings, fontsize="small", **BESIDE)
    else:
        columns = 1 + (n_classes + len(meanings) > 16)
        ax.legend(handles=meanings + handles, ncols=columns, fontsize="small", **BESIDE)
