"""
A grid search that trains once per fold
=======================================

Cross-validation can choose how much to augment. A search over parameters that do not change the
training need not train again for each value: with `memory` the augmenter uses what it has trained
on the same rows before.
"""

# %%
# The search
# ----------
# Four factors, two values of the classifier's C and three folds of 150 digits make 24 fits. One
# more fits the best parameters on all rows.

import tempfile
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.svm import SVC

from sklearn_pyraug import Pipeline, RHVAEAugmenter
from sklearn_pyraug.plotting import AugmentationGainDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, train_size=150, stratify=y, random_state=0)

augmenter = RHVAEAugmenter(max_epochs=20, random_state=0)
pipeline = Pipeline([("augment", augmenter), ("classify", SVC())])
grid = {"augment__augmentation_factor": [1.5, 2, 3, 5], "classify__C": [1, 10]}

# %%
# Without and with memory
# -----------------------
# `memory` takes a folder, and results are the same. It needs an integer `random_state`, as
# otherwise no fit is repeated.

augmenter.fit(X, y)  # the first training of a process is slow, whoever pays for it
cache = tempfile.TemporaryDirectory()
searches, seconds = {}, {}
for name, memory in (("without", None), ("with", cache.name)):
    pipeline.set_params(augment__memory=memory)
    start = time.perf_counter()
    searches[name] = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    seconds[name] = time.perf_counter() - start
    print(f"{name} memory: {seconds[name]:.1f} s")

results = [search.cv_results_["mean_test_score"] for search in searches.values()]
print("same scores:", np.array_equal(*results))

# %%
# Time of each fit
# ----------------
# The plot shows seconds per fit, means over folds, in the order of the grid. With memory only the
# first fit of a fold trains. A new factor only draws rows, and a new C does neither.

figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for (name, search), marker in zip(searches.items(), "os", strict=True):
    fit_seconds = search.cv_results_["mean_fit_time"]
    ax.plot(fit_seconds, marker=marker, label=f"{name} memory")
factors, Cs = (searches["with"].cv_results_[f"param_{key}"] for key in grid)
settings = [f"{factor:g}\nC {C:g}" for factor, C in zip(factors, Cs, strict=True)]
ax.set_xticks(range(len(settings)), settings)
ax.set(title="Seconds of a fit", xlabel="augmentation factor and C", ylabel="seconds")
ax.set_ylim(0)
ax.legend()

# %%
# The gain of each factor
# -----------------------
# The best score of a grid is too optimistic. The display compares each factor with no augmentation,
# with intervals. The cache is used in these folds, too.

figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
display = AugmentationGainDisplay.from_estimator(
    SVC(), X, y, augmenter=pipeline["augment"], cv=3, random_state=0, ax=ax
)
cache.cleanup()

# %%
# Score on unseen images
# ----------------------
# The test images were not used in the search.

best = searches["with"]
factor, C = (best.best_params_[key] for key in grid)
alone = SVC(C=C).fit(X, y).score(X_test, y_test)
found = best.score(X_test, y_test)
print(f"best: factor {factor:g}, C {C:g}, {100 * best.best_score_:.1f} % in the folds")
print(f"on {len(X_test)} test images: {100 * found:.1f} %, {100 * alone:.1f} % not augmented")
clear = sum(gain.helps == "yes" for gain in display.gains)
print(f"the interval lies above zero for {clear} of {len(display.gains)} factors")
saved = 1 - seconds["with"] / seconds["without"]
if saved > 0:
    print(f"With memory the search took {100 * saved:.0f} % less time.")
else:
    print("Here memory saved no time.")
plt.show()

# %%
# Memory saves time if training takes most of it, and if the grid has parameters of drawing or of
# later steps. A new value of a training parameter, such as `latent_dim`, needs a new training.
