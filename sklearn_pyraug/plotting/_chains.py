"""How the Markov chains of a draw went."""

from numbers import Real

import numpy as np

from ._style import (
    BESIDE,
    COLORS,
    MOST_NAMES,
    Display,
    class_style,
    require,
    shown_name,
    shown_number,
)

# Names of diagnostics, and the text below their bars.
_PANELS = {
    "acceptance_rate": "acceptance rate\n(share of steps)",
    "divergence_rate": "divergence rate\n(share of steps)",
    "energy_error": "energy error\n(nats, mean)",
    "step_size": "step size\n(latent units)",
}
# Diagnostics that are not shares: their axes end with the largest value.
_UNBOUNDED = ("energy_error", "step_size")
_CURVES = "autocorrelation"
# Acceptance towards which samplers adapt their step size; "auto" adapts like "hmc", or not.
_TARGETS = {"auto": 0.8, "hmc": 0.8, "HMC": 0.8, "random_walk": 0.3, "RandomWalk": 0.3}


class ChainDiagnosticsDisplay(Display):
    """Acceptance, energy error and autocorrelation of the chains of the last draw, by class.

    Use :meth:`from_estimator` to draw it.

    - The acceptance rate should lie close to the target, a dashed line. Far below it chains hardly
      move, and far above it their steps are too small.
    - Divergences should be rare, because chains do not reach the places where they happen.
    - The energy error is the error of a trajectory of ``"hmc"`` by its finite steps. Far below 1
      nat nearly all proposals are accepted, far above nearly none.
    - The autocorrelation shows how much a chain depends on its place some steps before. At 0 the
      chain has forgotten its start. Near 1, new rows lie close to the codes that they started from.

    Unknown quantities have no panel. ``"posterior"``, ``"prior"`` and ``"geodesic"`` have no
    chains.

    Parameters
    ----------
    infos : dict
        By label, a dict with ``acceptance_rate`` and ``autocorrelation``, an array with a value
        for lag 0, 1, ..., and of ``"hmc"`` and ``"random_walk"`` ``divergence_rate`` and
        ``step_size``, of ``"hmc"`` ``energy_error``, too; a class without an entry leaves a blank,
        as does what is not a number.
    target_acceptance : float or None, default=None
        Acceptance rate that the step size was adapted towards; None for no line.

    Attributes
    ----------
    axes_ : ndarray of shape (n_panels,) of matplotlib Axes
        One axes per quantity, with a bar for each class. The last is the autocorrelation, with a
        line for each class.
    figure_ : matplotlib Figure
        Figure with the axes.
    bars_ : dict
        By quantity, the matplotlib BarContainer, in the order of the classes.
    lines_ : dict
        By label, the matplotlib Line2D of its autocorrelation; empty without such a panel.

    Notes
    -----
    The energy error is the mean of |H(proposal) − H(start)| over the proposals that did not
    diverge. The autocorrelation is that of the places in the latent space, about the mean of
    all chains of the class: chains that never leave the mode in which they started count as
    not mixing (A. Vehtari et al., arXiv 1903.08008, equation 10). Both are of the steps after
    the adaptation; the autocorrelation is of up to 256 chains of a class and their last 200
    steps.

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
    ['acceptance_rate', 'divergence_rate', 'energy_error', 'step_size']
    >>> list(display.lines_)
    [0, 1, 2]
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
            ``"random_walk"``, none of other samplers and of a fixed ``step_size``.
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is divided, or one axes per
            quantity. None makes a new figure.

        Returns
        -------
        display : ChainDiagnosticsDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If the augmenter has no ``sampler_info_``: it has not drawn rows.
        ValueError
            If no class was drawn, the sampler runs no chains, or `target_acceptance` or `ax`
            cannot be used.
        """
        infos = require(
            augmenter, "sampler_info_", "draw rows by `fit_resample` or `sample` before."
        )
        independent = [
            _CURVES not in info and info.get("acceptance_rate") == 1 for info in infos.values()
        ]
        if independent and all(independent):
            raise ValueError(
                f"`sampler` is {augmenter.sampler!r}, which draws rows independently: there are no "
                "chains to look at. They are those of 'independent_mh', 'hmc' and 'random_walk'."
            )
        if target_acceptance == "auto":
            target_acceptance = _target(augmenter, infos)
        return cls(infos=infos, target_acceptance=target_acceptance).plot(ax)

    def plot(self, ax=None):
        """Draw the stored diagnostics.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Where to draw: an axes of a grid of subplots, which is divided, or one axes per
            quantity. None makes a new figure.

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
        names = [n for n in _PANELS if any(np.isfinite(info.get(n, np.nan)) for info in infos)]
        curves = {
            label: np.asarray(info[_CURVES])
            for label, info in self.infos.items()
            if np.isfinite(info.get(_CURVES, [])[1:]).any()  # lag 0 is always 1
        }
        if not names and not curves:
            raise ValueError(
                "`infos` holds no class: no rows were drawn from a generator. Draw some before."
            )
        widths = [1.0] * len(names) + [1.6] * bool(curves)
        labels = [shown_name(label) for label in self.infos]
        longest = 0.08 * max(map(len, labels))
        size = (
            0.9 + longest + 2.1 * sum(widths) + (0.6 + longest) * (1 < len(curves) <= MOST_NAMES),
            1.4 + 0.25 * max(7 if curves else 4, len(infos)),
        )
        title = "Chains of the last draw, by class"
        ratios = {"width_ratios": widths}
        axes = self._panels(ax, len(widths), len(widths), size, title, gridspec_kw=ratios)
        self.bars_, self.lines_ = {}, {}
        for panel, name in zip(axes, names, strict=False):
            values = np.array([info.get(name, np.nan) for info in infos], dtype=float)
            self.bars_[name] = _draw_bars(panel, name, values)
            panel.set_yticks(np.arange(len(infos)), [""] * len(infos))
            panel.set_ylim(len(infos) - 0.4, -0.6)  # the first class is on top
        if target is not None and names[:1] == ["acceptance_rate"]:
            axes[0].axvline(target, color="black", linestyle="--", linewidth=1.2)
            axes[0].set_title(f"target {shown_number(target)}", fontsize="medium")
        if names:
            axes[0].set_yticks(np.arange(len(infos)), labels)
            axes[0].set_ylabel("class")
        if curves:
            self.lines_ = _draw_curves(axes[-1], curves, list(self.infos))
        return self


def _draw_bars(panel, name, values):
    """Draw a bar a class, with its number; return the bars."""
    positions = np.arange(len(values))
    bars = panel.barh(positions, values, height=0.7, color=COLORS[4])
    panel.set_xlabel(_PANELS[name])
    largest = np.nanmax(values, initial=0)
    end = largest if name in _UNBOUNDED and largest > 0 else 1
    panel.set_xlim(0, 1.4 * end)
    for position, value in zip(positions, values, strict=True):
        # In a column behind the longest bar, where no line crosses them.
        panel.text(1.05 * end, position, _number(value, name), va="center", fontsize="small")
    if name not in _UNBOUNDED:
        panel.set_xticks([0, 0.5, 1])
    panel.spines[["top", "right"]].set_visible(False)
    return bars


def _draw_curves(panel, curves, labels):
    """Draw the autocorrelation of each class by lag; return the lines by label."""
    from matplotlib.ticker import MaxNLocator

    named = len(labels) <= MOST_NAMES
    lines = {}
    panel.axhline(0, color="black", linewidth=0.8)
    for label, curve in curves.items():
        k = labels.index(label)
        every = max(1, len(curve) // 6)
        style = class_style(k) | {"markersize": 4, "markevery": (k * every // 4 % every, every)}
        if not named:
            style["marker"] = ""  # no legend would explain them
        (lines[label],) = panel.plot(np.arange(len(curve)), curve, linewidth=1.4, **style)
        lines[label].set_label(shown_name(label))
    lowest = min(np.nanmin(curve) for curve in curves.values())
    panel.set_ylim(min(-0.1, 1.1 * lowest), 1.05)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    panel.set(xlabel="lag\n(steps)", ylabel="autocorrelation")
    panel.spines[["top", "right"]].set_visible(False)
    if named and len(labels) > 1:
        panel.legend(handles=list(lines.values()), fontsize="small", frameon=False, **BESIDE)
    return lines


def _number(value, name):
    """Return the number written behind a bar, nothing where it is not known."""
    if not np.isfinite(value):
        return ""
    if name in _UNBOUNDED:
        return shown_number(value)
    return "<0.001" if 0 < value < 0.001 else f"{value:.3f}"


def _target(augmenter, infos):
    """Return the acceptance that an augmenter's sampler adapts its step size to, or None."""
    sampler = getattr(augmenter, "sampler", None)
    if getattr(sampler, "step_size", None) is not None:
        return None
    if not any("step_size" in info for info in infos.values()):
        return None  # independent proposals, whatever "auto" stands for
    return _TARGETS.get(sampler if isinstance(sampler, str) else type(sampler).__name__)
