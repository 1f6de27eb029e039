"""
A grid search that trains once a fold
=====================================

How much to augment is a parameter like any other, to be chosen by cross-validation. A search over
parameters that leave the training alone need not train again for each of them: with `memory` the
augmenter finds what it has trained on the same rows before.
"""

# %%
# The search
# ----------
# 150 digits, four factors, two values of the classifier's C and three folds make 24 fits, and one
# more of the best on all rows.

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
# A folder is enough; results are the same. A cache needs a seed, or nothing comes again.

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
# Where the time went
# -------------------
# Seconds of a fit, mean of the folds, in the order of the grid. With memory the first fit of a fold
# trains; a new factor draws more rows, and a new C does neither.

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
# The gain by the factor
# ----------------------
# The best of a grid looks better than it is. The display compares each factor to no augmentation,
# with intervals; the augmenter remembers in these folds, too.

figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
display = AugmentationGainDisplay.from_estimator(
    SVC(), X, y, augmenter=pipeline["augment"], cv=3, random_state=0, ax=ax
)
cache.cleanup()

# %%
# What came of it
# ---------------
# The test images have had no part in the search.

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
# Memory pays where training is what takes the time, and where parameters of the drawing or of later
# steps are searched; a new value of a training parameter, such as `latent_dim`, trains anew.
