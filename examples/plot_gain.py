"""
Does it help?
=============

The data are handwritten digits that are not centred. A classifier that has seen only a few does not
know that a digit may stand anywhere. This example measures the gain by synthetic images, by random
over-sampling and by SMOTE, and draws the intervals.
"""

# %%
# Digits anywhere in a frame
# --------------------------
# Thirty images of each of five digits are put at random places of a frame of 12 x 12 pixels.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from sklearn_pyraug import RHVAEAugmenter, augmentation_gain
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

digits = load_digits(n_class=5)
rng = np.random.default_rng(0)
frames = np.zeros((len(digits.images), 12, 12))
for frame, image, (top, left) in zip(
    frames, digits.images, rng.integers(0, 5, (len(frames), 2)), strict=True
):
    frame[top : top + 8, left : left + 8] = image
X, _, y, _ = train_test_split(
    frames, digits.target, train_size=150, stratify=digits.target, random_state=0
)
print(f"{len(X)} images of {X.shape[1]} x {X.shape[2]} pixels")

# %%
# One call
# --------
# The forest is trained on the training part of each of ten splits, with each method's rows added,
# and tested on real images that no method has seen.

augmenter = RHVAEAugmenter(augmentation_factor=4, max_epochs=60, random_state=0)
forest = RandomForestClassifier(random_state=0)
gain = augmentation_gain(forest, X, y, augmenter=augmenter, random_state=0)
print(gain)

# %%
# The intervals
# -------------
# They take into account that the ten splits share rows. If an interval does not contain zero, these
# images show a difference.

methods = {**gain.others, "RHVAEAugmenter": gain}
figure, ax = plt.subplots(figsize=(7.5, 2.6), layout="constrained")
middle = 100 * np.array([each.gain for each in methods.values()])
ends = 100 * np.array([each.interval for each in methods.values()])
ax.errorbar(
    middle, range(len(methods)), xerr=abs(ends.T - middle), fmt="o", capsize=4, color="#0072B2"
)
ax.axvline(0, color="black", linestyle="--", linewidth=1)
ax.set_yticks(range(len(methods)), list(methods))
ax.set_ylim(len(methods) - 0.5, -0.5)
ax.set(title="Gain over no augmentation, 95 % intervals", xlabel="balanced accuracy (points)")

# %%
# The images that the forest was trained on
# -----------------------------------------

X_more, y_more = augmenter.fit_resample(X, y)
SyntheticSamplesDisplay.from_predictions(
    X_more,
    y_more,
    augmenter.synthetic_mask_,
    sample_shape=(12, 12),
    origins=augmenter.origin_indices_,
    n_synthetic=4,
    random_state=0,
)
print(f"a clear gain: {gain.helps == 'yes'}")
plt.show()

# %%
# Random over-sampling repeats images, and SMOTE lays one image over another. The augmenter has
# learned from pairs of images that digits move, and moves them. If digits are centred, there is
# less to learn and less to gain.
