"""
Rebalance a table
=================

A tenth of 442 patients with diabetes get much worse within a year. A classifier for these patients
has few examples of them. This example adds synthetic rows of the rare class in a pipeline, and
measures by cross-validation which scores change.
"""

# %%
# A rare class
# ------------
# The ten columns are nine measurements in different units, and the sex, which has two values. The
# augmenter chooses a suitable distribution for each column.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_pyraug import RHVAEAugmenter, augmentation_gain, make_pipeline
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

X, progress = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
y = np.where(progress >= progress.quantile(0.9), "worse", "other")
labels, counts = np.unique(y, return_counts=True)
print(", ".join(f"{n} {label}" for label, n in zip(labels, counts, strict=True)))

# %%
# Augment
# -------
# With a factor of 1 the rare class grows to the size of the other, as with samplers of
# imbalanced-learn. With a larger factor both grow. 30 epochs instead of 100 keep this example
# short.

augmenter = RHVAEAugmenter(augmentation_factor=1, max_epochs=30, random_state=0)
X_more, y_more = augmenter.fit_resample(X, y)
print(f"{len(X)} rows became {len(X_more)}; the observation model is {augmenter.likelihood_}")
print(augmenter.privacy_)

# %%
# Real and synthetic rows
# -----------------------
# Each panel shows a column; those that differ most come first. Only the rare class has synthetic
# rows, so only its real rows are compared.

SyntheticSamplesDisplay.from_predictions(
    X_more,
    y_more,
    augmenter.synthetic_mask_,
    figure=plt.figure(figsize=(8.5, 7.5), layout="constrained"),
)

# %%
# What it changes
# ---------------
# The pipelines of this package and of imbalanced-learn accept a sampler as a step, and augment only
# the training part of each fold. Balanced accuracy is the mean recall of the two classes. ROC AUC
# measures the ranking of rows, for any threshold between the classes.

pipeline = make_pipeline(augmenter, StandardScaler(), LogisticRegression())
found = augmentation_gain(pipeline, X, y, n_repeats=1, random_state=0)
ranked = augmentation_gain(pipeline, X, y, n_repeats=1, scoring="roc_auc", random_state=0)
print(found)
print(ranked)
if found.helps == "yes" and ranked.helps != "yes":
    print("More of the rare class is found. That rows are ranked better is not shown: the line")
    print("between the classes has moved.")
elif found.helps == "yes":
    print("More of the rare class is found, and rows are ranked better.")
else:
    print("That more of the rare class is found is not shown.")
plt.show()

# %%
# Synthetic rows give a rare class more weight. If the ranking does not change, the classifier's
# ``class_weight="balanced"`` or another threshold may have the same effect in less time.
