"""
When not to augment
===================

Synthetic rows are made from real ones, and contain no other information. This example shows two
cases where they do not help: a classifier with nothing left to gain, and a classifier that uses
distances in a table with many more columns than rows.
"""

# %%
# Nothing left to gain
# --------------------
# The data are 200 tumours with 30 measurements. Logistic regression on the real rows finds nearly
# all malignant ones. With a factor of 1 the smaller class grows to the size of the larger one. With
# factors of 2 and 5 both grow to twice and five times this size.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_pyraug import RHVAEAugmenter, augmentation_gain
from sklearn_pyraug.plotting import AugmentationGainDisplay

X, y = load_breast_cancer(return_X_y=True)
X, _, y, _ = train_test_split(X, y, train_size=200, stratify=y, random_state=0)
augmenter = RHVAEAugmenter(max_epochs=30, random_state=0)
figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
display = AugmentationGainDisplay.from_estimator(
    make_pipeline(StandardScaler(), LogisticRegression()),
    X,
    y,
    augmenter=augmenter,
    factors=(1, 2, 5),
    n_repeats=1,
    random_state=0,
    ax=ax,
)
for factor, gain in zip(display.factors, display.gains, strict=True):
    print(f"factor {factor:g}: {gain}")

# %%
# Distances in a wide table
# -------------------------
# The table has 60 rows and 1,000 columns, of which 80 depend on the class. The classifier uses the
# three nearest rows.

X, y = make_classification(
    60, 1000, n_informative=20, n_redundant=60, n_clusters_per_class=1, random_state=0
)
neighbors = make_pipeline(StandardScaler(), KNeighborsClassifier(3))
wide = RHVAEAugmenter(augmentation_factor=4, max_epochs=30, random_state=0)
gain = augmentation_gain(neighbors, X, y, augmenter=wide, random_state=0)
print(gain)

# %%
# Why distances suffer
# --------------------
# Most columns are noise, which keeps real rows far apart. The figure shows how far a test row is
# from the nearest row of each class, among real and among synthetic rows.

X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_more, y_more = wide.fit_resample(scaler.transform(X_train), y_train)
distances = pairwise_distances(scaler.transform(X_test), X_more)
figure, axes = plt.subplots(1, 2, figsize=(8, 4.2), sharex=True, sharey=True, layout="constrained")
figure.suptitle("Distance of a test row to the nearest row of either class")
wrong, ones = {}, {}
for ax, name, mask in zip(
    axes, ("real", "synthetic"), (~wide.synthetic_mask_, wide.synthetic_mask_), strict=True
):
    nearest = np.stack([distances[:, mask & (y_more == k)].min(axis=1) for k in (0, 1)])
    predicted = nearest.argmin(axis=0)
    wrong[name], ones[name] = np.mean(predicted != y_test), np.mean(predicted)
    for k, marker in enumerate("os"):
        ax.plot(*nearest[:, y_test == k], marker, alpha=0.7, label=f"test rows of class {k}")
    ax.axline((42, 42), slope=1, color="black", linestyle="--", linewidth=1)
    ax.set(title=f"nearest {name} row", xlabel="to class 0")
axes[0].set_ylabel("to class 1")
axes[0].legend()
for name, share in wrong.items():
    print(
        f"the nearest {name} row is of the wrong class for {100 * share:.0f} % of the test rows, "
        f"and of class 1 for {100 * ones[name]:.0f} %"
    )

# %%
# What to do
# ----------
# Measure the gain before you use synthetic rows, and leave them out unless the interval lies above
# zero.

useful = [f"{f:g}" for f, g in zip(display.factors, display.gains, strict=True) if g.helps == "yes"]
print(f"logistic regression: factors that help: {', '.join(useful) or 'none'}")
sentences = {
    "yes": "augmentation helps",
    "no": "augmentation hurts",
    "unclear": "no difference is shown",
}
print(f"nearest neighbours: {sentences[gain.helps]}")
plt.show()

# %%
# Augmentation is worth a try if a class is rare, or if rows are few and the classifier could do
# much better. An interval that contains zero does not prove that there is no gain. It means that
# these rows do not show one.
