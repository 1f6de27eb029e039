"""How the Markov chains of a draw went."""

from numbers import Real

import numpy as np

from ._style import COLORS, Display, require, shown_number

# Attributes of a record, with what is written below the bars.
_PANELS = {
    "acceptance_rate": "acceptance rate\n(share of steps)",
    "divergence_rate": "divergence rate\n(share of steps)",
    "rejected_share": "rejected by the filter\n(share of rows)",
    "step_size": "step size\n(latent units)",
}
# What the samplers that adapt their step size adapt it towards; "auto" is the first or none.
_TARGETS = {"auto": 0.8, "hmc": 0.8, "random_walk": 0.3}


class ChainDiagnosticsDisplay(Display):
    """Acceptance, divergences and step size of the chains of the last draw, by class.

    Make one with :meth:`from_estimator`, which draws it. The acceptance rate should lie close to
    the target, a dashed line: far below it the chains hardly move, far above it they move in
    steps that are too small. Divergences should be rare: the chains do not reach where they
    happen. A sampler whose draws are independent accepts all of them, and has no target.

    Parameters
    ----------
    infos : dict
        By label, a dict with ``acceptance_rate``, ``divergence_rate`` and ``step_size``, and
        with a filter ``rejected_share``; a class without an entry leaves a blank.
    target_acceptance : float or None, default=None
        Acceptance rate that the step size was adapted towards; None for no line.

    Attributes
    ----------
    axes_ : ndarray of shape (n_panels,) of matplotlib Axes
        One axes a quantity, with a bar a class.
    figure_ : matplotlib Figure
        The figure of them.
    bars_ : dict
        By quantity, the matplotlib BarContainer, in the order of the classes.

    Notes
    -----
    An augmenter records neither the error of the energy nor the chains themselves: their
    autocorrelation cannot be drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_pyraug import RHVAEAugmenter
    >>> from sklearn_pyraug.plotting import ChainDiagnosticsDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> augmenter = RHVAEAugmenter(decoder="direct", max_epochs=2, random_state=0)
    >>> X_new, y_new = augmenter.fit_resample(X, y)
    >>> display = ChainDiagnosticsDisplay.from_estimator(augmenter)
    >>> list(display.bars_)
    ['acceptance_rate', 'divergence_rate', 'step_size']
    """

    def __init__(self, *, infos, target_acceptance=None):
        self.infos = infos
        self.target_acceptance = target_acceptance

    @classmethod
    def from_estimator(cls, augmenter, *, target_acceptance="auto", ax=None):
        """Draw the diagnostics of an augmenter's last draw.

        Parameters
        ----------
        augmenter : fitted augmenter that has drawn rows
            Its ``sampler_info_`` holds a dict by label.
        target_acceptance : float, "auto" or None, default="auto"
            Acceptance rate to mark. ``"auto"``: 0.8 of ``sampler="hmc"``, 0.3 of
            ``"random_walk"``, none of other samplers and of a fixed ``mcmc_step_size``.
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is parted, or one a quantity. None
            makes a new figure.

        Returns
        -------
        display : ChainDiagnosticsDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        AttributeError
            If the augmenter has no ``sampler_info_``: it has not drawn rows.
        ValueError
            If no class was drawn, or `target_acceptance` or `ax` cannot be used.
        """
        infos = require(
            augmenter, "sampler_info_", "draw rows by `fit_resample` or `sample` before."
        )
        if target_acceptance == "auto":
            target_acceptance = _target(augmenter, infos)
        return cls(infos=infos, target_acceptance=target_acceptance).plot(ax)

    def plot(self, ax=None):
        """Draw the stored diagnostics.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is parted, or one a quantity. None
            makes a new figure.

        Returns
        -------
        display : ChainDiagnosticsDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is nothing to draw, or `target_acceptance` or `ax` cannot be used.
        """
        target = self.target_acceptance
        if target is not None and not (isinstance(target, Real) and 0 < target <= 1):
            raise ValueError(
                f"`target_acceptance` is {target!r}; give a number above 0 and up to 1, or None."
            )
        infos = list(self.infos.values())
        names = [name for name in _PANELS if any(name in info for info in infos)]
        if not names:
            raise ValueError(
                "`infos` holds no class: no rows were drawn from a generator. Draw some before."
            )
        size = (1.2 + 2.1 * len(names), 1.4 + 0.25 * max(4, len(infos)))
        title = "Chains of the last draw, by class"
        axes = self._panels(ax, len(names), len(names), size, title, sharey=True)
        self.bars_ = {}
        positions = np.arange(len(infos))
        for panel, name in zip(axes, names, strict=True):
            values = np.array([info.get(name, np.nan) for info in infos], dtype=float)
            self.bars_[name] = panel.barh(positions, values, height=0.7, color=COLORS[4])
            panel.set_xlabel(_PANELS[name])
            largest = np.nanmax(values, initial=0)
            end = largest if name == "step_size" and largest > 0 else 1
            panel.set_xlim(0, 1.4 * end)
            for position, value in zip(positions, values, strict=True):
                # In a column behind the longest bar, where no line runs through them.
                panel.text(
                    1.05 * end, position, _number(value, name), va="center", fontsize="small"
                )
            if name != "step_size":
                panel.set_xticks([0, 0.5, 1])
            panel.spines[["top", "right"]].set_visible(False)
        if target is not None and names[0] == "acceptance_rate":
            axes[0].axvline(target, color="black", linestyle="--", linewidth=1.2)
            axes[0].set_title(f"target {shown_number(target)}", fontsize="medium")
        axes[0].set_yticks(positions, [str(label) for label in self.infos])
        axes[0].set_ylabel("class")
        axes[0].set_ylim(len(infos) - 0.4, -0.6)  # the first class on top
        return self


def _number(value, name):
    """Return the number written behind a bar, nothing where it is not known."""
    if not np.isfinite(value):
        return ""
    if name == "step_size":
        return shown_number(value)
    return "<0.001" if 0 < value < 0.001 else f"{value:.3f}"


def _target(augmenter, infos):
    """Return the acceptance that an augmenter's sampler adapts its step size to, or None."""
    if getattr(augmenter, "mcmc_step_size", None) is not None:
        return None
    if all(info.get("acceptance_rate") == 1 for info in infos.values()):
        return None  # independent draws, whatever "auto" has come to
    return _TARGETS.get(getattr(augmenter, "sampler", None))
