"""
How an image is warped
======================

By default a synthetic image is a real one, read on a bent grid and with another exposure. For a
digit and for a volume, this example draws the grid and where the image grows and shrinks. It also
checks that no grid folds.
"""

# %%
# Digits
# ------
# The bent grid changes one 3 towards another.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.datasets import make_brain_phantoms
from sklearn_pyraug.plotting import WarpDisplay

digits = load_digits(n_class=5)
X, y = digits.images[:200], digits.target[:200]
augmenter = RHVAEAugmenter(max_epochs=60, random_state=0).fit(X, y)
threes = X[y == 3]
display = WarpDisplay.from_estimator(augmenter, threes[0], threes[1], 3)

# %%
# A volume
# --------
# The figure shows the middle slices of phantom heads of 20 x 24 x 20 voxels along the three axes.

volumes, ill = make_brain_phantoms(30, shape=(20, 24, 20), random_state=0)
scanner = RHVAEAugmenter(max_epochs=30, random_state=0).fit(volumes, ill)
first, second = volumes[ill == 1][:2]
WarpDisplay.from_estimator(scanner, first, second, 1)

# %%
# From an origin to its synthetic images
# --------------------------------------
# Pass a synthetic image as the target, and its origin, to see how it was made.

X_more, y_more = augmenter.fit_resample(X, y)
made = np.flatnonzero(augmenter.synthetic_mask_ & (y_more == 2))[0]
origin = X_more[augmenter.origin_indices_[made]]
WarpDisplay.from_estimator(augmenter, origin, X_more[made], 2)

# %%
# No fold
# -------
# If the growth is positive everywhere, neighbouring pixels stay neighbours.

smallest = np.inf
for a, b in zip(threes[:10], threes[1:11], strict=True):
    growth = WarpDisplay.from_estimator(augmenter, a, b, 3).growth
    smallest = min(smallest, np.nanmin(growth))
    plt.close()
print(f"smallest growth of ten warps: {smallest:.2f}")
plt.show()

# %%
# Warps suit objects that change their shape but keep their parts, such as strokes, organs and
# faces. They cannot make something appear or vanish, such as a lesion; try ``decoder="residual"``
# for this.
