"""Tests of the display of chain diagnostics, drawn without a screen."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from shared import quick, table
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from sklearn_pyraug import HMC, RandomWalk, RHVAEAugmenter
from sklearn_pyraug.plotting import ChainDiagnosticsDisplay

pytest.importorskip("matplotlib")
from matplotlib.cbook import is_math_text
from matplotlib.text import Text

INFOS = {
    "setosa": {"acceptance_rate": 0.75, "divergence_rate": 0.0, "step_size": 0.5},
    "virginica": {"acceptance_rate": 0.9, "divergence_rate": 0.0004, "step_size": 2.0},
}


def drawn(infos=INFOS, sampler="hmc"):
    return SimpleNamespace(sampler_info_=infos, sampler=sampler)


def target_of(display):
    """Return where the dashed line stands on the panel of the acceptance."""
    lines = display.axes_[0].lines
    return lines[0].get_xdata()[0] if lines else None


def widths(display, name):
    return [bar.get_width() for bar in display.bars_[name]]


def test_bars_are_the_numbers_of_each_class():
    display = ChainDiagnosticsDisplay.from_estimator(drawn())
    assert_allclose(widths(display, "acceptance_rate"), [0.75, 0.9])
    assert_allclose(widths(display, "divergence_rate"), [0, 0.0004])
    assert_allclose(widths(display, "step_size"), [0.5, 2])
    labels = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert labels == ["setosa", "virginica"]
    assert display.axes_[0].yaxis_inverted()
    assert [text.get_text() for text in display.axes_[1].texts] == ["0.000", "<0.001"]
    assert display.axes_[0].get_xlabel() == "acceptance rate\n(share of steps)"
    assert all(ax.get_xlim()[1] > 1 for ax in display.axes_)


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ("hmc", 0.8),
        ("auto", 0.8),
        ("random_walk", 0.3),
        ("posterior", None),
        (HMC(step_size=0.1), None),
        (HMC(), 0.8),
        (RandomWalk(), 0.3),
    ],
)
def test_the_target_is_that_of_the_sampler(sampler, expected):
    display = ChainDiagnosticsDisplay.from_estimator(drawn(INFOS, sampler))
    assert target_of(display) == expected


def test_independent_proposals_have_no_target_and_no_steps():
    infos = {0: {"acceptance_rate": 0.9, "autocorrelation": np.array([1.0, 0.1])}}
    display = ChainDiagnosticsDisplay.from_estimator(drawn(infos, "auto"))
    assert target_of(display) is None
    assert list(display.bars_) == ["acceptance_rate"]


@pytest.mark.parametrize("sampler", ["posterior", "prior", "geodesic"])
def test_draws_without_chains_are_refused(sampler):
    X, y = table()
    augmenter = quick(decoder="direct", metric="learned", sampler=sampler)
    augmenter.fit_resample(X, y)
    with pytest.raises(
        ValueError, match=f"`sampler` is '{sampler}', which draws rows independently"
    ):
        ChainDiagnosticsDisplay.from_estimator(augmenter)


def test_a_target_of_ones_own_is_marked():
    display = ChainDiagnosticsDisplay.from_estimator(drawn(), target_acceptance=0.65)
    assert target_of(display) == 0.65
    assert display.axes_[0].get_title() == "target 0.65"
    assert (
        target_of(ChainDiagnosticsDisplay.from_estimator(drawn(), target_acceptance=None)) is None
    )


def test_energy_error_and_autocorrelation_have_their_panels():
    curve = 0.8 ** np.arange(10)
    infos = {
        0: INFOS["setosa"] | {"energy_error": 0.2, "autocorrelation": curve},
        1: INFOS["virginica"] | {"energy_error": np.nan, "autocorrelation": np.full(10, np.nan)},
    }
    display = ChainDiagnosticsDisplay.from_estimator(drawn(infos))
    assert list(display.bars_) == [
        "acceptance_rate",
        "divergence_rate",
        "energy_error",
        "step_size",
    ]
    assert widths(display, "energy_error")[0] == 0.2
    assert [text.get_text() for text in display.axes_[2].texts] == ["0.2", ""]
    assert display.axes_[2].get_xlabel() == "energy error\n(nats, mean)"
    assert list(display.lines_) == [0]
    assert_allclose(display.lines_[0].get_ydata(), curve)
    assert_allclose(display.lines_[0].get_xdata(), np.arange(10))
    assert display.axes_[4].get_xlabel() == "lag\n(steps)"
    plain = ChainDiagnosticsDisplay.from_estimator(drawn())
    assert len(plain.axes_) == 3
    assert plain.lines_ == {}


def test_names_of_any_text_are_shown():
    """Some were typeset as formulas or left out, and long ones were cut off at the edges."""
    info = INFOS["setosa"] | {"autocorrelation": np.array([1, 0.5, 0.2])}
    labels = [
        f"_a name of $ or $ that is longer than a picture is wide, of group {k}" for k in "ab"
    ]
    display = ChainDiagnosticsDisplay.from_estimator(drawn(dict.fromkeys(labels, info)))
    canvas = display.figure_.canvas
    canvas.draw()
    texts = display.figure_.findobj(lambda part: isinstance(part, Text) and part.get_visible())
    names = [text for text in texts if "…" in text.get_text()]
    assert sorted(text.get_text()[-1] for text in names) == [*"aabb"]
    for text in names:
        assert not is_math_text(text.get_text())
        ends = text.get_window_extent()
        assert 0 <= ends.x0 < ends.x1 <= canvas.get_width_height()[0]


def test_a_given_axes_is_parted():
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    upper, lower = figure.subplots(2, 1)
    display = ChainDiagnosticsDisplay.from_estimator(drawn(), ax=lower)
    assert display.figure_ is figure
    assert len(figure.axes) == 2 + 3
    figure.draw_without_rendering()
    title = display.axes_[0].figure._suptitle.get_window_extent()
    assert title.y1 < upper.get_window_extent().y0
    assert all(ax.get_tightbbox().y1 < title.y0 for ax in display.axes_)


def test_given_axes_are_drawn_on():
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 3)
    display = ChainDiagnosticsDisplay.from_estimator(drawn(), ax=axes)
    assert list(display.axes_) == list(axes)
    with pytest.raises(ValueError, match="`ax` holds 2 axes, and 3 are drawn on; give"):
        ChainDiagnosticsDisplay.from_estimator(drawn(), ax=axes[:2])


def test_an_axes_that_cannot_be_parted_is_refused():
    from matplotlib.figure import Figure

    ax = Figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match="`ax` is not one of a grid of subplots"):
        ChainDiagnosticsDisplay.from_estimator(drawn(), ax=ax)


def test_chains_of_a_trained_augmenter_are_drawn():
    X, y = load_iris(return_X_y=True)
    augmenter = RHVAEAugmenter(
        decoder="direct", max_epochs=1, sampler=HMC(n_steps=4), random_state=0
    )
    augmenter.fit_resample(X, y)
    display = ChainDiagnosticsDisplay.from_estimator(augmenter)
    expected = [info["step_size"] for info in augmenter.sampler_info_.values()]
    assert_allclose(widths(display, "step_size"), expected)
    assert target_of(display) == 0.8


def test_an_augmenter_that_drew_nothing_is_refused():
    with pytest.raises(NotFittedError, match="has no `sampler_info_`; draw rows by"):
        ChainDiagnosticsDisplay.from_estimator(RHVAEAugmenter())
    with pytest.raises(ValueError, match="`infos` holds no class"):
        ChainDiagnosticsDisplay.from_estimator(drawn({}))


@pytest.mark.parametrize("target", [0, 1.5, "high"])
def test_a_target_that_is_no_rate_is_refused(target):
    with pytest.raises(ValueError, match=f"`target_acceptance` is {target!r}; give a number"):
        ChainDiagnosticsDisplay.from_estimator(drawn(), target_acceptance=target)
