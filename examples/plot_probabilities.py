"""
Honest probabilities
====================

New rows of a rare class help a classifier to find it, and make it overstate how likely the class
is. `AugmentedClassifier` corrects the probabilities and leaves the decisions as they are.
"""

# %%
# A rare class
# ------------
# 400 rows to learn from, a tenth of them of the rare class, and many more to look at the
# probabilities.

import matplotlib.pyplot as plt
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from sklearn_pyraug import AugmentedClassifier, RHVAEAugmenter

X, y = make_classification(10_000, n_features=10, weights=[0.9], class_sep=0.8, random_state=0)
X, X_test, y, y_test = train_test_split(X, y, train_size=400, stratify=y, random_state=0)

# %%
# Three classifiers
# -----------------
# One without augmentation, and one with it, once with the probabilities that it has learned from
# as many rows of either class, and once with those that are corrected to the real shares.

augmenter = RHVAEAugmenter(max_epochs=50, random_state=0)
models = {
    "without": LogisticRegression(),
    "augmented, its own": AugmentedClassifier(
        augmenter, LogisticRegression(), prior_correction=False
    ),
    "augmented, corrected": AugmentedClassifier(augmenter, LogisticRegression()),
}
for name, model in models.items():
    model.fit(X, y)
    proba = model.predict_proba(X_test)
    score = balanced_accuracy_score(y_test, model.predict(X_test))
    print(
        f"{name}: balanced accuracy {score:.3f}, log loss {log_loss(y_test, proba):.3f}, "
        f"mean risk {proba[:, 1].mean():.3f} where {y_test.mean():.3f} are of the rare class"
    )

# %%
# What the probabilities are worth
# --------------------------------
# Of the rows with a predicted risk of 30 %, 30 % should be of the rare class. Few rows have a
# corrected risk above 60 %, so that the curve is ragged there, as it is without augmentation.

fig, ax = plt.subplots(layout="constrained")
for name, model in models.items():
    CalibrationDisplay.from_estimator(model, X_test, y_test, n_bins=10, name=name, ax=ax)
ax.legend(loc="upper left")

plt.show()

# %%
# Labels
# ------
# Both augmented classifiers predict the same ones, those of balanced classes: a row is called rare
# once its corrected risk is above what is usual, a tenth.

called = models["augmented, corrected"].predict(X_test) == 1
least = models["augmented, corrected"].predict_proba(X_test)[called, 1].min()
print(f"the least risk of a row that is called rare: {least:.2f}")

# %%
# What came out
# -------------
# The rare class is found far more often with new rows, at nearly the same log loss as without, and
# the mean risk is what it should be. Without the correction it would be said to be 3.5 times that.
