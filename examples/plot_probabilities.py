"""
Honest probabilities
====================

New rows of a rare class help a classifier to find it, but make it overestimate the probability of
the class. `AugmentedClassifier` corrects the probabilities and does not change the decisions.
"""

# %%
# A rare class
# ------------
# A tenth of the 400 training rows are of the rare class. Many more rows test the probabilities.

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
# One classifier is fitted without augmentation, and two with it. One of these gives the
# probabilities that it has learned from balanced classes, the other corrects them to the real
# shares.

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
# Are the probabilities calibrated?
# ---------------------------------
# Of the rows with a predicted risk of 30 %, 30 % should be of the rare class. Few rows have a risk
# above 60 % with the correction or without augmentation, so these curves are ragged there.

fig, ax = plt.subplots(layout="constrained")
for name, model in models.items():
    CalibrationDisplay.from_estimator(model, X_test, y_test, n_bins=10, name=name, ax=ax)
ax.legend(loc="upper left")

plt.show()

# %%
# Labels
# ------
# Both augmented classifiers predict the same labels, those for balanced classes: a row is assigned
# to the rare class if its corrected risk is above the prevalence, a tenth.

called = models["augmented, corrected"].predict(X_test) == 1
least = models["augmented, corrected"].predict_proba(X_test)[called, 1].min()
print(f"the least risk of a row that is called rare: {least:.2f}")

# %%
# Result
# ------
# With new rows the rare class is found far more often, at nearly the same log loss, and the mean
# risk is right. Without the correction it is 3.5 times too high.
