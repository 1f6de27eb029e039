"""
Few rows of a thousand columns
==============================

Studies of gene expression have a few dozen patients and thousands of genes. This example simulates
such a table, with 80 rows and 1,000 columns, augments it, and compares classifiers with and without
synthetic rows.
"""

# %%
# A table wider than it is long
# -----------------------------
# 20 columns depend on the class, 60 are mixtures of these, and 920 are noise. Three rows in ten are
# ill.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_pyraug import RHVAEAugmenter, augmentation_gain
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

X, ill = make_classification(
    80,
    1000,
    n_informative=20,
    n_redundant=60,
    n_clusters_per_class=1,
    weights=[0.7],
    random_state=1,
)
y = np.where(ill, "ill", "healthy")
print(f"{X.shape[0]} rows of {X.shape[1]} columns, {np.count_nonzero(ill)} of them ill")

# %%
# Augment
# -------
# The networks get all principal components, so that no information is lost. Both classes grow to
# four times the size of the larger one. The noise keeps real rows far apart. So a synthetic row is
# closer to some real row than nearly any two real rows are to each other, without being a copy.

augmenter = RHVAEAugmenter(augmentation_factor=4, max_epochs=50, random_state=0)
X_more, y_more = augmenter.fit_resample(X, y)
print(f"{len(X)} rows became {len(X_more)}")
print(augmenter.privacy_)

# %%
# Real and synthetic rows
# -----------------------
# Two directions show little of a thousand columns: most of the variance is noise.

SyntheticSamplesDisplay.from_predictions(
    X_more,
    y_more,
    augmenter.synthetic_mask_,
    kind="scatter",
    figure=plt.figure(figsize=(8, 4), layout="constrained"),
)

# %%
# With and without
# ----------------
# Each comparison uses ten splits. A classifier that calls everybody healthy has a balanced accuracy
# of 50 %.

classifiers = {
    "logistic regression": LogisticRegression(),
    "SVC, linear": SVC(kernel="linear"),
    "SVC, RBF": SVC(),
}
gains = {}
for name, classifier in classifiers.items():
    gains[name] = augmentation_gain(
        make_pipeline(StandardScaler(), classifier),
        X,
        y,
        augmenter=augmenter,
        n_repeats=2,
        random_state=0,
    )
    print(f"{name}. {gains[name]}")

figure, ax = plt.subplots(figsize=(7.5, 3), layout="constrained")
middle = 100 * np.array([gain.gain for gain in gains.values()])
ends = 100 * np.array([gain.interval for gain in gains.values()])
ax.errorbar(middle, range(len(gains)), xerr=abs(ends.T - middle), fmt="o", capsize=4)
ax.axvline(0, color="black", linestyle="--", linewidth=1)
ax.set_yticks(range(len(gains)), list(gains))
ax.set_ylim(len(gains) - 0.5, -0.5)
ax.set(title="Gain by augmentation, 95 % intervals", xlabel="gain in balanced accuracy (points)")

# %%
# Which classifiers gain
# ----------------------
# If an interval does not contain zero, these rows show a difference.

for verdict, words in (("yes", "helped"), ("no", "hurt"), ("unclear", "not told from chance")):
    names = [name for name, gain in gains.items() if gain.helps == verdict]
    if names:
        print(f"{words}: {', '.join(names)}")
plt.show()

# %%
# With so few test rows the intervals are wide. With three intervals, it is more likely that one
# excludes zero by chance. A classifier that calls everybody healthy without synthetic rows gains
# the most, and class weights may help it as much.
