"""Losses by epoch."""

from numbers import Integral

import numpy as np

from ._style import MOST_NAMES, Display, class_style, require


class TrainingCurvesDisplay(Display):
    """Loss of the training and of the held-out rows by epoch, one pair of curves a generator.

    Make one with :meth:`from_estimator`, which draws it. The loss is the negative ELBO in nats
    per row: lower is better. A ring marks the epoch whose weights were kept, and a bar the
    last one. A loss of the held-out rows that rises while that of the training rows falls tells
    of overfitting; a best epoch close to the last one of training that could go on longer.

    Parameters
    ----------
    histories : dict
        By the name to be shown, a record with ``train_loss`` and ``valid_loss``, arrays of shape
        (n_epochs,), the latter NaN where no rows were held out, and ``best_epoch``, counted
        from 1, or 0 for none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        The figure of it.
    lines_ : dict
        By name, a list of the curves: matplotlib Line2D of the training rows and, where rows
        were held out, of those.

    Notes
    -----
    Classes differ by colour and marker, training and held-out rows by the style of the line.
    More than 24 classes have no legend, but the title says how many there are.

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
    """

    def __init__(self, *, histories):
        self.histories = histories

    @classmethod
    def from_estimator(cls, augmenter, *, ax=None, first_epoch=1):
        """Draw the losses of a fitted augmenter.

        Parameters
        ----------
        augmenter : fitted augmenter
            Its ``history_`` holds a record by label.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        first_epoch : int, default=1
            First epoch drawn, see :meth:`plot`.

        Returns
        -------
        display : TrainingCurvesDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        AttributeError
            If the augmenter has no ``history_``: it is not fitted.
        ValueError
            If nothing was trained, or `first_epoch` does not lie within the epochs.
        """
        history = require(augmenter, "history_", "fit it before its training is drawn.")
        return cls(histories=_distinct(history)).plot(ax, first_epoch=first_epoch)

    def plot(self, ax=None, *, first_epoch=1):
        """Draw the stored losses.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
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
            If there is nothing to draw, or `first_epoch` does not lie within the epochs.
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
        n_classes = len(self.histories)
        ax = self._axes(ax, (6.4 + 1.2 * (1 < n_classes <= MOST_NAMES), 4.4))
        self.lines_ = {}
        handles = []
        for k, (name, history) in enumerate(self.histories.items()):
            style = class_style(k)
            if n_classes > MOST_NAMES:
                style["marker"] = ""  # nothing would say whose they are
            self.lines_[name] = _draw_curves(ax, history, first_epoch, style, k)
            _draw_marks(ax, history, first_epoch, style, 11 if n_classes <= 8 else 6)
            handles.append(_handle(label=name, **style))
        _finish(ax, handles, any(len(lines) == 2 for lines in self.lines_.values()))
        return self


def _distinct(history):
    """Return records by name, those of a shared generator once."""
    records = list(history.values())
    if len(records) > 1 and all(_same(record, records[0]) for record in records):
        return {"all classes": records[0]}
    return {str(label): record for label, record in history.items()}


def _same(a, b):
    """Tell whether two records are of one training; by value, as a file may hold both."""
    return a is b or all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for name in ("train_loss", "valid_loss", "best_epoch")
    )


def _draw_curves(ax, history, first_epoch, style, k):
    """Draw the curves of class number k; return the lines."""
    epochs = np.arange(first_epoch, len(history.train_loss) + 1)
    every = max(1, len(epochs) // 6)
    # The markers of several curves are shifted, so that they do not lie on one another.
    style = style | {"markevery": (k * every // 4 % every, every), "markersize": 4}
    lines = ax.plot(epochs, history.train_loss[first_epoch - 1 :], "--", linewidth=1, **style)
    if _held_out(history):
        lines += ax.plot(epochs, history.valid_loss[first_epoch - 1 :], "-", linewidth=1.7, **style)
    return lines


def _draw_marks(ax, history, first_epoch, style, size):
    """Mark the best epoch and the last one, on the curve that the best was chosen by."""
    n_epochs, best = len(history.train_loss), history.best_epoch
    loss = history.valid_loss if _held_out(history) else history.train_loss
    ring = {"fillstyle": "none", "markeredgewidth": size / 7, "color": "black"}
    bar = {"markeredgewidth": 2, "color": style["color"]}
    if best >= first_epoch:
        ax.plot(best, loss[best - 1], "o", markersize=size, **ring)
    if n_epochs >= first_epoch:
        ax.plot(n_epochs, loss[-1], "|", markersize=size + 2, **bar)


def _held_out(history):
    return np.isfinite(history.valid_loss).any()


def _handle(**options):
    from matplotlib.lines import Line2D

    return Line2D([], [], **{"linestyle": "none"} | options)


def _finish(ax, handles, held_out):
    """Write titles and legends."""
    from matplotlib.ticker import MaxNLocator

    title = "Loss by epoch (lower is better)"
    n_classes = len(handles)
    meanings = [_handle(color="black", linestyle="--", linewidth=1.0, label="training rows")]
    if held_out:
        meanings.append(_handle(color="black", linestyle="-", label="held-out rows"))
    ring = {"marker": "o", "fillstyle": "none", "markersize": 8, "color": "black"}
    bar = {"marker": "|", "markersize": 10, "markeredgewidth": 2, "color": "black"}
    meanings += [_handle(label="best epoch", **ring), _handle(label="stopped", **bar)]
    # Beside the axes, where no curve is covered.
    beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    if n_classes == 1:
        title += f": {handles[0].get_label()}"
        ax.legend(handles=meanings, loc="best")
    elif n_classes <= MOST_NAMES:
        columns = 1 + (n_classes + len(meanings) > 16)
        ax.legend(handles=meanings + handles, ncols=columns, fontsize="small", **beside)
    else:
        title += f": {n_classes} classes"
        ax.legend(handles=meanings, fontsize="small", **beside)
    ax.set(title=title, xlabel="epoch", ylabel="negative ELBO (nats per row)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
