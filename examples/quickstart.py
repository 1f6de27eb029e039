"""
Pipelines and grid searches
===========================

This example augments in a pipeline, in a grid search, and directly.
"""

import tempfile
import time

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.svm import SVC

from sklearn_pyraug import Pipeline, RHVAEAugmenter
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

X, y = load_digits(return_X_y=True)
X, y = X[:300], y[:300]
start = time.perf_counter()

pipe = Pipeline([("aug", RHVAEAugmenter(random_state=0)), ("clf", SVC())])
scores = cross_val_score(pipe, X, y, cv=5)  # augments inside the folds only
print(f"SVC alone: {cross_val_score(SVC(), X, y, cv=5).mean():.3f}")
print(f"SVC with augmentation: {scores.mean():.3f}, {time.perf_counter() - start:.0f} s")

# With a cache, points of the grid that need the same training share it.
with tempfile.TemporaryDirectory() as cache:
    search = GridSearchCV(
        pipe.set_params(aug__memory=cache),
        {"aug__augmentation_factor": [1, 2, 5], "aug__latent_dim": [2, 10], "clf__C": [1, 10]},
        cv=3,
    ).fit(X, y)
print(f"best of the grid: {search.best_params_}, {search.best_score_:.3f}")

augmenter = RHVAEAugmenter(random_state=0)
X_res, y_res = augmenter.fit_resample(X, y)  # originals first
print(f"{len(X)} rows became {len(X_res)}; {time.perf_counter() - start:.0f} s in all")

SyntheticSamplesDisplay.from_predictions(
    X_res,
    y_res,
    augmenter.synthetic_mask_,
    sample_shape=(8, 8),
    figure=plt.figure(figsize=(7, 4.7), layout="constrained"),
    random_state=0,
)
plt.show()

# %%
# Each fold is augmented from its own training rows, so test rows do not leak into training. The
# best score of a grid is slightly too optimistic, as is every maximum.
