"""Every display draws a figure of pyplot, or into what it is given, as scikit-learn's do."""

import numpy as np
import pytest
from shared import arrays, quick, table
from sklearn.tree import DecisionTreeClassifier

from sklearn_pyraug import plotting

plt = pytest.importorskip("matplotlib.pyplot")


class Repeats:
    """A sampler that repeats rows, so that gains cost nothing."""

    def __init__(self, augmentation_factor=2):
        self.augmentation_factor = augmentation_factor

    def get_params(self, deep=True):
        return {"augmentation_factor": self.augmentation_factor}

    def set_params(self, **parameters):
        return type(self)(**parameters)

    def fit_resample(self, X, y):
        return np.concatenate([X, X]), np.concatenate([y, y])


@pytest.fixture(scope="module")
def augmenter():
    augmenter = quick()
    augmenter.fit_resample(*table())
    return augmenter


def gain(augmenter, **options):
    draw = plotting.AugmentationGainDisplay.from_estimator
    options |= {"augmenter": Repeats(), "cv": 2, "n_repeats": 1, "factors": [2]}
    return draw(DecisionTreeClassifier(), *table(), random_state=0, **options)


def samples(augmenter, kind, ax=None):
    figure = ax and ax.figure
    draw = plotting.SyntheticSamplesDisplay.from_estimator
    return draw(augmenter, *table(), kind=kind, figure=figure)


def warps(augmenter, **options):
    images, y = arrays((6, 6))
    warping = quick(max_epochs=1, encoder="auto").fit(images, y)
    return plotting.WarpDisplay.from_estimator(warping, *images[y == 0][:2], 0, **options)


X, Y = table()
ROWS = X[Y == 0][:2]
DISPLAYS = {
    "AugmentationGainDisplay": gain,
    "ChainDiagnosticsDisplay": plotting.ChainDiagnosticsDisplay.from_estimator,
    "InterpolationDisplay": lambda a, **o: plotting.InterpolationDisplay.from_estimator(
        a, *ROWS, 0, **o
    ),
    "LatentSpaceDisplay": lambda a, **o: plotting.LatentSpaceDisplay.from_estimator(
        a, X, Y, n_synthetic=5, n_grid=5, **o
    ),
    "SyntheticSamplesDisplay": lambda a, **o: samples(a, "marginals", **o),
    "SyntheticSamplesDisplay of points": lambda a, **o: samples(a, "scatter", **o),
    "WarpDisplay": warps,
    "TrainingCurvesDisplay": plotting.TrainingCurvesDisplay.from_estimator,
}


def test_every_display_is_here():
    assert {name.split()[0] for name in DISPLAYS} == set(plotting.__all__)


@pytest.mark.parametrize("draw", DISPLAYS.values(), ids=DISPLAYS)
def test_a_new_figure_is_pyplots(draw, augmenter, tmp_path):
    first, second = draw(augmenter), draw(augmenter)
    assert plt.get_fignums() == [first.figure_.number, second.figure_.number] == [1, 2]
    assert plt.gcf() is second.figure_
    plt.savefig(tmp_path / "page.png", dpi=40)
    assert np.ptp(plt.imread(tmp_path / "page.png")) > 0.5  # it is not blank


@pytest.mark.parametrize("draw", DISPLAYS.values(), ids=DISPLAYS)
def test_no_other_figure_is_made_where_one_is_given(draw, augmenter):
    figure, ax = plt.subplots(layout="constrained")
    display = draw(augmenter, ax=ax)
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
