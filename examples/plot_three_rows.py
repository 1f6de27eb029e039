"""
A class of three rows
=====================

There are three images of one digit, and twenty of each of four others. The augmenter learns from
all classes how images of one digit differ, and changes the three images in these ways. This example
repeats this for twelve random choices of all images.
"""

# %%
# Twelve small training sets
# --------------------------
# Each time another digit has three images. All images that are not drawn are for testing.

import matplotlib.pyplot as plt
import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

digits = load_digits(n_class=5)
images, target = digits.images, digits.target


def draw(seed):
    """Return the positions of a training set, and the digit that is rare in it."""
    rng, rare = np.random.default_rng(seed), seed % 5
    sizes = [3 if k == rare else 20 for k in range(5)]
    chosen = [rng.choice(np.flatnonzero(target == k), n, False) for k, n in enumerate(sizes)]
    return np.concatenate(chosen), rare


# %%
# Four ways
# ---------
# The score is the recall of the rare digit on the test images. All methods add images of it until
# there are twenty.

methods = {
    "nothing": None,
    "over-sampling": RandomOverSampler(random_state=0),
    "SMOTE": SMOTE(k_neighbors=2, random_state=0),
    "RHVAEAugmenter": RHVAEAugmenter(augmentation_factor=1, max_epochs=50, random_state=0),
}
found = {name: [] for name in methods}
for seed in range(12):
    train, rare = draw(seed)
    test = np.setdiff1d(np.flatnonzero(target == rare), train)
    for name, method in methods.items():
        X, y = images[train], target[train]
        if name == "RHVAEAugmenter":
            X, y = method.fit_resample(X, y)
        X = X.reshape(len(X), -1)
        if name in ("over-sampling", "SMOTE"):
            X, y = method.fit_resample(X, y)
        predicted = SVC().fit(X, y).predict(images[test].reshape(len(test), -1))
        found[name].append(100 * np.mean(predicted == rare))

# %%
# Paired differences
# ------------------
# All methods use the same twelve sets, so differences are taken set by set. The interval of their
# mean is Student's.

figure, ax = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
shown = np.array(list(found.values()))
ax.plot(shown, color="0.7", linewidth=1)
ax.plot(shown.mean(axis=1), "o-", color="#0072B2", label="mean")
ax.set_xticks(range(len(found)), list(found))
ax.set(title="Images of the rare digit that are found", ylabel="share (%)")
ax.legend()
for name in list(found)[:-1]:
    gain = np.array(found["RHVAEAugmenter"]) - found[name]
    half = stats.t.ppf(0.975, len(gain) - 1) * stats.sem(gain)
    verdict = "clear" if abs(gain.mean()) > half else "no clear difference"
    print(
        f"compared with {name}: {gain.mean():+.1f} points, "
        f"95 % interval {gain.mean() - half:+.1f} to {gain.mean() + half:+.1f}: {verdict}"
    )

# %%
# The three images and synthetic ones
# -----------------------------------

augmenter = methods["RHVAEAugmenter"]
X_more, y_more = augmenter.fit_resample(images[train], target[train])
SyntheticSamplesDisplay.from_predictions(
    X_more[y_more == rare],
    y_more[y_more == rare],
    augmenter.synthetic_mask_[y_more == rare],
    sample_shape=(8, 8),
    n_real=3,
    random_state=0,
)
plt.show()

# %%
# Three images do not show how a digit varies, but the other digits do, as far as digits vary alike.
# With separate networks for each class from the start (``shared=False``), a class of three rows has
# none.
