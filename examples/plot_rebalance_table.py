"""
Rebalance a table
=================

442 patients with diabetes, of whom a tenth get much worse within a year. A classifier that is to
find these has few examples of them. This example adds synthetic rows of the rare class, in a
pipeline, and asks by cross-validation what that has changed, and what not.
"""

# %%
# A rare class
# ------------
# Ten columns in units of their own: nine measurements, and the sex, which takes two values. The
# augmenter gives each column the distribution that suits it.

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
# With a factor of 1 the rare class is brought to the size of the other, as samplers of
# imbalanced-learn do; a larger one lets both grow. 30 epochs instead of 100 keep this short.

augmenter = RHVAEAugmenter(augmentation_factor=1, max_epochs=30, random_state=0)
X_more, y_more = augmenter.fit_resample(X, y)
print(f"{len(X)} rows became {len(X_more)}; the observation model is {augmenter.likelihood_}")
print(augmenter.privacy_)

# %%
# Real and synthetic rows
# -----------------------
# One panel a column, those that differ most first. Only the rare class has synthetic rows, so
# only its real rows are compared.

SyntheticSamplesDisplay.from_predictions(
    X_more,
    y_more,
    augmenter.synthetic_mask_,
    figure=plt.figure(figsize=(8.5, 7.5), layout="constrained"),
)

# %%
# What it changes
# ---------------
# A pipeline of this package, or of imbalanced-learn, takes a sampler as a step and augments the
# training part of each fold only. Balanced accuracy is the mean of the shares found of either
# class, ROC AUC tells how well rows are ranked, wherever the line between the classes is drawn.

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
# Synthetic rows give a rare class more weight. Where the ranking stays as it was, the classifier's
# ``class_weight="balanced"`` or another threshold may do the same for less time.
