"""
Geodesics and straight lines
============================

Between the codes of two rows a straight line may cross a void, where the decoder makes things that
are no digits. The learned metric makes voids long, so that its shortest path, the geodesic, keeps
closer to codes. This example draws both, and measures which comes closer to real digits.
"""

# %%
# Two digits
# ----------
# Threes and eights, half of them to train on, the others to compare with. The decoder is the
# papers': x from z alone. Fitted to the metric, the regularization makes voids long.

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
# The two threes whose codes lie furthest apart. Lengths are those of the metric.

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
# How far are the middles of the paths from the nearest image of their digit, among those of the
# training and among the others? Ten pairs of each digit, drawn at random.

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
# Which come closer
# -----------------
# A point below the diagonal is a pair for which the geodesic's middle is the closer one.

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
# A geodesic is never longer than the straight line, by the metric that it is made with. Whether
# its middle is also closer to real rows is a question to the data, and the sentences above answer
# it for these. The error is the standard error of the mean over pairs.
