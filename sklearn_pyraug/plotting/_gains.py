"""The gain by augmentation against how much is augmented."""

import numpy as np
from sklearn.base import clone

from .._evaluation.gain_result import in_words, is_proportion
from .._random import root_seed
from ._style import BESIDE, COLORS, Display, require

# For each verdict: marker, fill colour and name. They also differ in grey.
_VERDICTS = {
    "yes": ("^", COLORS[0], "helps"),
    "unclear": ("o", "white", "unclear"),
    "no": ("v", COLORS[0], "hurts"),
}


class AugmentationGainDisplay(Display):
    """Gain in a classifier's score as a function of the augmentation factor, with intervals.

    Use :meth:`from_estimator` to measure and draw the gains, or :meth:`from_predictions` to draw
    gains that were measured before. Above zero the classifier is better with augmentation. A
    triangle marks a factor whose interval does not contain zero: upwards if augmentation helps,
    downwards if it hurts. A ring marks an unclear one.

    Parameters
    ----------
    gains : sequence of AugmentationGain, of length n_factors
        Results of :func:`~sklearn_pyraug.augmentation_gain`, of one score and confidence level.
    factors : array-like of shape (n_factors,)
        The augmentation factor of each.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the drawing.
    figure_ : matplotlib Figure
        Figure with the drawing.
    errorbar_ : matplotlib ErrorbarContainer
        The gains and their intervals, in the order of the factors.

    See Also
    --------
    sklearn_pyraug.augmentation_gain : Measures one gain.

    Notes
    -----
    Each interval is for one factor. The best of several factors looks better than it is: measure
    its gain again, on other splits or other rows.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_pyraug import augmentation_gain
    >>> from sklearn_pyraug.plotting import AugmentationGainDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> gains = []
    >>> for factor in (2, 4):
    ...     smote = SMOTE(sampling_strategy={k: 40 * factor for k in range(3)}, random_state=0)
    ...     tree = DecisionTreeClassifier(random_state=0)
    ...     gains.append(augmentation_gain(tree, X, y, augmenter=smote, random_state=0))
    >>> display = AugmentationGainDisplay.from_predictions(gains, (2, 4))
    >>> display.ax_.get_xlabel()
    'augmentation factor'
    """

    def __init__(self, *, gains, factors):
        self.gains = gains
        self.factors = factors

    @classmethod
    def from_predictions(cls, gains, factors, *, ax=None):
        """Draw gains that were measured before.

        Parameters
        ----------
        gains : sequence of AugmentationGain, of length n_factors
            Results of :func:`~sklearn_pyraug.augmentation_gain`.
        factors : array-like of shape (n_factors,)
            The augmentation factor of each, a finite number.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : AugmentationGainDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        AttributeError
            If something among `gains` is no such result.
        ValueError
            If there are no gains, not as many factors as gains or factors that are no finite
            numbers, or if the gains are of several scores or confidence levels.
        """
        cls._pyplot()
        gains = list(gains)
        factors = _check_factors(factors)
        if factors.shape != (len(gains),):
            raise ValueError(
                f"`factors` has {len(factors)} entries and `gains` {len(gains)}; give one factor "
                "a gain."
            )
        for name in ("gain", "interval", "helps"):
            for gain in gains:
                require(gain, name, "give results of `augmentation_gain`.")
        for name in ("scoring", "confidence_level"):
            values = {getattr(gain, name) for gain in gains}
            if len(values) > 1:
                raise ValueError(
                    f"`gains` have {name} {', '.join(map(repr, sorted(values)))}; give gains that "
                    "share one, as they share an axis."
                )
        return cls(gains=gains, factors=factors).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        augmenter,
        factors=(1.5, 2.0, 3.0, 5.0),
        random_state=None,
        ax=None,
        **options,
    ):
        """Measure the gain at several augmentation factors and draw it.

        Parameters
        ----------
        estimator : classifier
            A plain classifier, as :func:`~sklearn_pyraug.augmentation_gain` takes it.
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Class labels.
        augmenter : sampler
            With a parameter ``augmentation_factor``, which is set; it is cloned.
        factors : array-like of shape (n_factors,), default=(1.5, 2.0, 3.0, 5.0)
            Augmentation factors. Each costs two fits of the classifier and one of the augmenter
            for every split.
        random_state : int, RandomState instance or None, default=None
            Seed of the splits, which are the same for all factors.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **options : dict
            Further parameters of :func:`~sklearn_pyraug.augmentation_gain`, such as `cv`,
            `n_repeats`, `scoring`, `n_jobs` and `groups`.

        Returns
        -------
        display : AugmentationGainDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `augmenter` has no ``augmentation_factor`` or there are no factors, and as
            :func:`~sklearn_pyraug.augmentation_gain`.
        """
        # Imported here, because it imports the estimators, which no other display needs.
        from .._evaluation.gain import augmentation_gain

        cls._pyplot()
        factors = _check_factors(factors)
        if "augmentation_factor" not in augmenter.get_params():
            raise ValueError(
                f"`augmenter` is a {type(augmenter).__name__}, which has no parameter "
                "`augmentation_factor`; measure the gains one by one and give them to "
                "`from_predictions`."
            )
        seed = root_seed(random_state)
        gains = [
            augmentation_gain(
                estimator,
                X,
                y,
                augmenter=clone(augmenter).set_params(augmentation_factor=factor),
                random_state=seed,
                **{"samplers": None, **options},
            )
            for factor in factors.tolist()
        ]
        return cls.from_predictions(gains, factors, ax=ax)

    def plot(self, ax=None):
        """Draw the stored gains.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : AugmentationGainDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._axes(ax, (6.8, 4.2))
        order = np.argsort(self.factors, kind="stable")
        factors = np.asarray(self.factors)[order]
        gains = [self.gains[i] for i in order]
        points = is_proportion(gains[0].scoring)
        scale = 100 if points else 1
        middle = scale * np.array([gain.gain for gain in gains])
        ends = scale * np.array([gain.interval for gain in gains])
        ax.axhline(0, color="black", linewidth=1, linestyle="--")
        self.errorbar_ = ax.errorbar(
            factors,
            middle,
            yerr=0.5 * (ends[:, 1] - ends[:, 0]),  # the gain is in the middle
            color=COLORS[0],
            linewidth=1.5,
            elinewidth=1.2,
            capsize=4,
        )
        verdicts = np.array([gain.helps for gain in gains])
        for verdict, (marker, inside, name) in _VERDICTS.items():
            here = verdicts == verdict
            style = {"markersize": 8, "color": COLORS[0], "markerfacecolor": inside}
            if here.any():
                ax.plot(factors[here], middle[here], marker, label=name, zorder=5, **style)
        level = f"{100 * gains[0].confidence_level:g} % interval"
        ax.legend(title=f"by its\n{level}", **BESIDE)
        if np.ptp(factors) == 0:
            ax.set_xlim(factors[0] - 1, factors[0] + 1)
        unit = " (points)" if points else ""
        ax.set(
            title="Gain by augmentation (above zero: better with it)",
            xlabel="augmentation factor",
            ylabel=f"gain in {in_words(gains[0].scoring)}{unit}",
        )
        return self


def _check_factors(factors):
    """Return the factors as an array of shape (n_factors,), or raise ValueError."""
    array = np.asarray(factors)
    is_list = array.ndim == 1 and len(array) and array.dtype.kind in "iuf"
    if not is_list or not np.isfinite(array).all():
        raise ValueError(f"`factors` is {factors!r}; give a list of at least one finite number.")
    return array
