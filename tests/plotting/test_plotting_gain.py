"""Tests of the display of gains, drawn without a screen."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from sklearn_pyraug import augmentation_gain
from sklearn_pyraug._evaluation.gain_result import AugmentationGain
from sklearn_pyraug.plotting import AugmentationGainDisplay

pytest.importorskip("matplotlib")


def gain(middle, half_width, scoring="balanced_accuracy", confidence_level=0.95):
    ones = np.ones(2)
    return AugmentationGain(
        gain=middle,
        interval=(middle - half_width, middle + half_width),
        scores_with=middle * ones,
        scores_without=0 * ones,
        differences=middle * ones,
        n_train=ones,
        n_test=ones,
        scoring=scoring,
        confidence_level=confidence_level,
        seconds_with=1.0,
        seconds_without=1.0,
    )


GAINS = [gain(0.05, 0.01), gain(0.02, 0.03), gain(-0.04, 0.02)]


class Repeater(BaseEstimator):
    """Return every row `augmentation_factor` times."""

    def __init__(self, augmentation_factor=1):
        self.augmentation_factor = augmentation_factor

    def fit_resample(self, X, y):
        n = int(self.augmentation_factor)
        return np.tile(X, (n, 1)), np.tile(y, n)


def test_gains_and_intervals_are_drawn_in_points_and_in_order_of_factors():
    display = AugmentationGainDisplay.from_predictions(GAINS, [5, 2, 3.5])
    line, caps, (bars,) = display.errorbar_
    assert_array_equal(line.get_xdata(), [2, 3.5, 5])
    assert_allclose(line.get_ydata(), [2, -4, 5])
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert_allclose(ends, [[-1, 5], [-6, -2], [4, 6]])
    assert len(caps) == 2
    ax = display.ax_
    assert ax.get_ylabel() == "gain in balanced accuracy (points)"
    assert ax.get_xlabel() == "augmentation factor"
    assert "above zero: better" in ax.get_title()
    assert ax.get_legend().get_title().get_text().endswith("95 % interval")


def test_zero_is_drawn_and_verdicts_differ_by_marker():
    display = AugmentationGainDisplay.from_predictions(GAINS, [5, 2, 3.5])
    assert any(list(line.get_ydata()) == [0, 0] for line in display.ax_.lines)
    drawn = {line.get_label(): line for line in display.ax_.lines}
    for name, marker, factor in [("helps", "^", 5), ("unclear", "o", 2), ("hurts", "v", 3.5)]:
        assert drawn[name].get_marker() == marker
        assert_array_equal(drawn[name].get_xdata(), [factor])


def test_a_score_that_is_no_proportion_keeps_its_unit():
    display = AugmentationGainDisplay.from_predictions([gain(0.5, 0.1, "neg_log_loss")], [2])
    assert_allclose(display.errorbar_[0].get_ydata(), [0.5])
    assert display.ax_.get_ylabel() == "gain in negative log loss"


def test_from_estimator_draws_what_augmentation_gain_returns():
    X, y = load_iris(return_X_y=True)
    tree = DecisionTreeClassifier(random_state=0)
    options = {"cv": 3, "n_repeats": 1, "scoring": "accuracy"}
    display = AugmentationGainDisplay.from_estimator(
        tree, X, y, augmenter=Repeater(), factors=(2, 3), random_state=4, **options
    )
    for drawn, factor in zip(display.gains, (2, 3), strict=True):
        expected = augmentation_gain(
            tree, X, y, augmenter=Repeater(factor), random_state=4, **options
        )
        assert drawn.interval == expected.interval
    assert_array_equal(display.gains[0].scores_without, display.gains[1].scores_without)
    assert_array_equal(display.factors, [2, 3])


def test_a_given_axes_is_drawn_on():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    display = AugmentationGainDisplay.from_predictions(GAINS, [1, 2, 3], ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="`factors` has 2 entries and `gains` 3; give one"):
        AugmentationGainDisplay.from_predictions(GAINS, [1, 2])


@pytest.mark.parametrize("factors", [[], 2.0, ["a"], [1.0, float("inf")]])
def test_factors_that_are_no_numbers_are_refused(factors):
    with pytest.raises(ValueError, match="`factors` is .*; give"):
        AugmentationGainDisplay.from_predictions(GAINS[: np.size(factors)], factors)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (gain(0, 1, scoring="accuracy"), "scoring 'accuracy', 'balanced_accuracy'"),
        (gain(0, 1, confidence_level=0.9), "confidence_level 0.9, 0.95"),
    ],
)
def test_gains_that_do_not_compare_are_refused(other, words):
    with pytest.raises(ValueError, match=f"`gains` have {words}; give gains that share one"):
        AugmentationGainDisplay.from_predictions([GAINS[0], other], [1, 2])


def test_what_is_no_gain_is_refused():
    with pytest.raises(AttributeError, match="float has no `gain`; give results of"):
        AugmentationGainDisplay.from_predictions([0.3], [2])


def test_an_augmenter_without_a_factor_is_refused():
    sampler = SimpleNamespace(get_params=dict)
    with pytest.raises(ValueError, match="has no parameter `augmentation_factor`; measure"):
        AugmentationGainDisplay.from_estimator(None, [[0]], [0], augmenter=sampler)
