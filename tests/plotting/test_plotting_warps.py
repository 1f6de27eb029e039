"""WarpDisplay: the grid on which an image is read, and where it grows."""

import numpy as np
import pytest
from shared import arrays, quick, table

from sklearn_pyraug.plotting import WarpDisplay

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("shape", [(8, 10), (6, 8, 10)])
def test_a_display_agrees_with_what_the_augmenter_decodes(shape):
    X, y = arrays(shape)
    augmenter = quick(encoder="auto", max_epochs=20).fit(X, y)
    x0, x1 = X[y == 0][:2]
    display = WarpDisplay.from_estimator(augmenter, x0, x1, 0)
    middle = tuple(n // 2 for n in shape)
    at = middle if len(shape) == 2 else middle[1:]
    origin, warped, target = (image[at] for image in display.images)
    place = middle if len(shape) == 2 else (shape[0] // 2, *at)
    assert (origin, target) == (x0[place], x1[place])
    end = augmenter.interpolate(x0, x1, 0, n_steps=2).X[1]
    assert warped == pytest.approx(end[place])
    # No warp folds; growth is known inside the slices.
    known = display.growth[np.isfinite(display.growth)]
    assert len(known) >= (shape[-2] - 2) * (shape[-1] - 2)
    assert (known > 0).all()
    assert len(display.lattices) == (1 if len(shape) == 2 else 3)
    assert display.lattices[0].shape == (*shape[-2:], 2)


def test_growth_is_what_the_grid_says():
    """Cells of the grid that cover less of the origin are those that have grown."""
    X, y = arrays((9, 9))
    augmenter = quick(encoder="auto", max_epochs=20).fit(X, y)
    display = WarpDisplay.from_estimator(augmenter, *X[y == 0][:2], 0)
    across, down = (np.gradient(display.lattices[0], axis=axis) for axis in (1, 0))
    covered = down[..., 0] * across[..., 1] - down[..., 1] * across[..., 0]
    np.testing.assert_allclose(display.growth[1:-1, 1:-1], 1 / covered[1:-1, 1:-1], rtol=1e-5)


def test_what_warps_nothing_is_refused():
    X, y = table()
    with pytest.raises(ValueError, match="decoder='residual' warps nothing"):
        WarpDisplay.from_estimator(quick().fit(X, y), X[0], X[1], y[0])
