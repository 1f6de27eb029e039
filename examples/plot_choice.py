"""
Nothing, class weights, SMOTE or a generator?
=============================================

Which augmentation helps depends on the rows and on the classifier. `AugmentedClassifierCV` chooses
by cross-validation on the training rows, and uses no augmentation unless they show that it helps.
"""

# %%
# A rare class
# ------------
# 200 rows to learn from, a tenth of them of the rare class.

import matplotlib.pyplot as plt
from imblearn.over_sampling import SMOTE
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from sklearn_pyraug import AugmentedClassifierCV, RHVAEAugmenter

X, y = make_classification(5_000, n_features=10, weights=[0.9], class_sep=0.8, random_state=0)
X, X_test, y, y_test = train_test_split(X, y, train_size=200, stratify=y, random_state=0)

# %%
# The choice
# ----------
# Class weights and a moved threshold are always tried. `augmenters="auto"` adds random
# over-sampling, SMOTE and `RHVAEAugmenter` with three numbers of rows; here there are two.

augmenters = {
    "SMOTE": SMOTE(random_state=0),
    "RHVAEAugmenter": RHVAEAugmenter(max_epochs=50, random_state=0),
}
model = AugmentedClassifierCV(LogisticRegression(), augmenters, random_state=0).fit(X, y)
print(model.advice_)

# %%
# The scores behind the choice
# ----------------------------
# All candidates were scored on the same ten splits of the training rows. Had the best gained less
# than one standard error, nothing would be done. The choice is the simplest one within half a
# standard error of the best.

results = model.cv_results_
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.errorbar(
    100 * results["mean_difference"],
    results["candidate"],
    xerr=100 * results["standard_error"],
    fmt="o",
)
ax.axvline(0, color="grey", linewidth=1)
ax.invert_yaxis()
ax.set_xlabel("gain in balanced accuracy over nothing, ± one standard error (points)")
plt.show()

# %%
# Scores on unseen rows
# ---------------------
# The chosen model predicts as any classifier. In an outer cross-validation, the choice is repeated
# on each training part.

plain = LogisticRegression().fit(X, y)
for name, classifier in {"nothing": plain, model.best_augmenter_: model}.items():
    score = balanced_accuracy_score(y_test, classifier.predict(X_test))
    print(f"{name}: balanced accuracy {100 * score:.1f} % on {len(y_test):,} other rows")

# %%
# Result
# ------
# All candidates that deal with the imbalance gain much. The moved threshold gains the most, and it
# adds no rows.
