"""
In a pipeline of scikit-learn
=============================

scikit-learn's pipeline does not accept samplers as steps. `AugmentedClassifier` augments within its
own `fit`, so it can be the last step, also in a cross-validation or a grid search.
"""

# %%
# Few rows in columns of different units
# --------------------------------------
# The data are 60 wines of three kinds, with 13 measurements each.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_pyraug import AugmentedClassifier, RHVAEAugmenter, augmentation_gain
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

X, y = load_wine(return_X_y=True)
X, _, y, _ = train_test_split(X, y, train_size=60, stratify=y, random_state=0)

# %%
# The pipeline
# ------------
# The scaler is fitted on the real rows of a training fold, the augmenter on the scaled rows, and
# the classifier on real and synthetic rows. `predict` only scales and predicts: test folds are
# never augmented.

augmenter = RHVAEAugmenter(augmentation_factor=3, max_epochs=50, random_state=0)
classifier = AugmentedClassifier(augmenter, LogisticRegression())
pipeline = make_pipeline(StandardScaler(), classifier).fit(X, y)
n_synthetic = np.count_nonzero(pipeline[-1].augmenter_.synthetic_mask_)
print(f"the classifier was fitted on {len(X)} real and {n_synthetic} synthetic rows")

# %%
# What the classifier was fitted on
# ---------------------------------
# The fitted augmenter can draw more rows, whose columns are scaled.

display = SyntheticSamplesDisplay.from_estimator(
    pipeline[-1].augmenter_,
    pipeline[:-1].transform(X),
    y,
    kind="scatter",
    figure=plt.figure(figsize=(8, 4), layout="constrained"),
)

# %%
# Cross-validation
# ----------------
# All tools of scikit-learn accept the pipeline. Both scores below use the same folds.

plain = make_pipeline(StandardScaler(), LogisticRegression())
folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
for name, estimator in (("without", plain), ("with", pipeline)):
    scores = cross_val_score(estimator, X, y, cv=folds, scoring="balanced_accuracy")
    print(f"{name} synthetic rows: {100 * scores.mean():.1f} % balanced accuracy")

# %%
# Is the difference more than chance?
# -----------------------------------
# `augmentation_gain` compares the pipeline with itself without the augmenter, and with other
# samplers in its place.

result = augmentation_gain(pipeline, X, y, cv=folds, random_state=0)
print(result)
print("A gain to be had." if result.helps == "yes" else "No reason to augment these wines.")
plt.show()

# %%
# These wines are easy to tell apart without synthetic rows, which leaves little to gain. An
# interval that contains zero means that these rows do not show a difference, not that there is
# none.
