"""
Fraud: one row in twenty-five
=============================

A table like those of payments: twelve columns of numbers, 1,500 rows, of which one in 25 is a
fraud. This example measures what over-sampling changes in two scores, and shows that they do not
say the same.
"""

# %%
# A rare class
# ------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_pyraug import RHVAEAugmenter, augmentation_gain
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

X, fraud = make_classification(
    1500, 12, n_informative=6, weights=[0.96], flip_y=0, class_sep=0.7, random_state=0
)
y = np.where(fraud, "fraud", "fair")
print(f"{np.count_nonzero(fraud)} of {len(y)} rows are frauds")

# %%
# Two scores
# ----------
# Balanced accuracy is the mean of the shares of frauds and of fair payments that are told right.
# Average precision asks how well rows are ranked: do frauds come first, wherever the line is drawn?
# With a factor of 1 the frauds become as many as the fair payments.

augmenter = RHVAEAugmenter(augmentation_factor=1, max_epochs=15, random_state=0)
classifier = make_pipeline(StandardScaler(), LogisticRegression())
gains = {}
for scoring in ("balanced_accuracy", "average_precision"):
    gains[scoring] = augmentation_gain(
        classifier,
        X,
        y == "fraud",
        augmenter=augmenter,
        scoring=scoring,
        n_repeats=2,
        random_state=0,
    )
    print(gains[scoring], end="\n\n")

# %%
# The intervals side by side
# --------------------------
# 95 % intervals of the gain over no augmentation.

figure, axes = plt.subplots(1, 2, figsize=(8.5, 2.8), sharey=True, layout="constrained")
for ax, (scoring, gain) in zip(axes, gains.items(), strict=True):
    methods = {**gain.others, "RHVAEAugmenter": gain}
    middle = 100 * np.array([each.gain for each in methods.values()])
    ends = 100 * np.array([each.interval for each in methods.values()])
    ax.errorbar(
        middle, range(len(methods)), xerr=abs(ends.T - middle), fmt="o", capsize=4, color="#0072B2"
    )
    ax.axvline(0, color="black", linestyle="--", linewidth=1)
    ax.set(title=scoring.replace("_", " "), xlabel="gain (points)")
    ax.locator_params(axis="x", nbins=6)
axes[0].set_yticks(range(len(methods)), list(methods))
axes[0].set_ylim(len(methods) - 0.5, -0.5)

# %%
# The new rows
# ------------

X_more, y_more = augmenter.fit_resample(X, y)
SyntheticSamplesDisplay.from_predictions(
    X_more,
    y_more,
    augmenter.synthetic_mask_,
    kind="scatter",
    figure=plt.figure(figsize=(8.5, 4), layout="constrained"),
)
print(f"more frauds are found: {gains['balanced_accuracy'].helps == 'yes'}")
print(f"they are ranked better: {gains['average_precision'].helps == 'yes'}")
plt.show()

# %%
# Where a class is rare, any over-sampling moves the line between the classes, and more frauds are
# found at the price of more false alarms. To rank rows better takes information that was not in
# the rows before. ``class_weight="balanced"`` moves the line, too, and costs nothing.
