"""
Fraud: one row in twenty-five
=============================

The table is like one of payments: it has 1,500 rows with twelve numbers each, and one row in 25 is
a fraud. This example measures how over-sampling changes two scores, which do not agree.
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
# Balanced accuracy is the mean of the recalls of frauds and of fair payments. Average precision
# measures the ranking only: whether frauds come first, for any threshold. With a factor of 1 there
# are as many frauds as fair payments after augmentation.

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
# If a class is rare, any over-sampling moves the decision threshold: more frauds are found, with
# more false alarms. A better ranking needs information that the real rows do not contain.
# ``class_weight="balanced"`` moves the threshold, too, and costs nothing.
