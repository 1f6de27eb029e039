"""
Geodesics and straight lines
============================

A straight line between the codes of two rows may cross a void, where the decoder makes images that
are no digits. Voids are long in the learned metric, so its shortest path, the geodesic, stays
closer to codes. This example draws both paths and measures which is closer to real digits.
"""

# %%
# Two digits
# ----------
# One half of the threes and eights is for training, the other for comparison. The decoder is that
# of the papers, which makes x from z alone. With ``regularization="auto"`` voids are long.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_pyraug import LearnedMetric, RHVAEAugmenter
from sklearn_pyraug.metrics import distance_to_closest_record
from sklearn_pyraug.plotting import InterpolationDisplay

X, y = load_digits(return_X_y=True)
wanted = np.isin(y, (3, 8))
X, X_other, y, y_other = train_test_split(
    X[wanted], y[wanted], test_size=0.5, stratify=y[wanted], random_state=0
)
augmenter = RHVAEAugmenter(
    decoder="direct",
    metric=LearnedMetric(regularization="auto"),
    random_state=0,
).fit(X, y)
print(f"{len(X)} images to train on, {len(X_other)} others")

# %%
# Two paths between two images
# ----------------------------
# The codes of these two threes lie furthest apart. Lengths are measured in the metric.

threes = X[y == 3]
codes = augmenter.encode(threes, np.full(len(threes), 3))
apart = np.linalg.norm(codes[:, None] - codes, axis=2)
first, second = np.unravel_index(apart.argmax(), apart.shape)
figure, ax = plt.subplots(figsize=(8, 2.1), layout="constrained")
display = InterpolationDisplay.from_estimator(
    augmenter, threes[first], threes[second], 3, n_steps=9, ax=ax
)

# %%
# Over many pairs
# ---------------
# For ten random pairs of each digit, this is the distance from the middle of the path to the
# nearest image of the digit, among the training images and among the others.

rng = np.random.default_rng(0)
distances = {(kind, known): [] for kind in display.lengths for known in (True, False)}
for digit in np.unique(y):
    rows = rng.permutation(X[y == digit])[:20]
    for x0, x1 in zip(rows[:10], rows[10:], strict=True):
        for kind in display.lengths:
            middle = augmenter.interpolate(x0, x1, digit, n_steps=3, kind=kind).X[1:2]
            for known, real in ((True, X[y == digit]), (False, X_other[y_other == digit])):
                nearest = distance_to_closest_record(middle, real, scale=None)
                distances[kind, known] += nearest.tolist()

# %%
# Which path is closer
# --------------------
# For a pair below the diagonal, the middle of the geodesic is closer.

figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True, layout="constrained")
figure.suptitle("Distance of the middle of a path to the nearest digit (grey levels)")
for ax, known in zip(axes, (True, False), strict=True):
    straight = np.array(distances["linear", known])
    curved = np.array(distances["geodesic", known])
    name = "training" if known else "other"
    ax.plot(straight, curved, "o", alpha=0.7)
    ax.axline((straight.mean(), straight.mean()), slope=1, color="black", linestyle="--")
    ax.set(title=f"{name} digits", xlabel="straight line")
    gain = straight - curved
    error = gain.std(ddof=1) / len(gain) ** 0.5
    if gain.mean() > 2 * error:
        verdict = "geodesics come closer"
    else:
        verdict = "straight lines come closer" if gain.mean() < -2 * error else "no clear winner"
    print(
        f"{name} digits: geodesic {curved.mean():.2f}, straight {straight.mean():.2f}, closer in "
        f"{np.count_nonzero(gain > 0)} of {len(gain)} pairs, difference {gain.mean():.2f} ± "
        f"{error:.2f}: {verdict}"
    )
axes[0].set_ylabel("geodesic")
plt.show()

# %%
# In its own metric, a geodesic is never longer than the straight line. Whether its middle is also
# closer to real rows depends on the data; the output above answers this for these digits. The error
# is the standard error of the mean over pairs.
