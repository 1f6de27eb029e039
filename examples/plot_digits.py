"""
More digits from a few
======================

This example trains `RHVAEAugmenter` on ten images of each handwritten digit, adds 50 synthetic
images of each, shows them, and compares two classifiers with and without them.
"""

# %%
# Few images to train on, many to test on
# ---------------------------------------
# The images have 8 x 8 pixels. They are kept as an array of shape (n, 8, 8).

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images, digits.target, train_size=100, stratify=digits.target, random_state=0
)
print(f"{len(X_train)} images to train on, {len(X_test)} to test on")

# %%
# Augment
# -------
# The sampling strategy gives the number of images of each digit, including the real ones. Images
# are returned in their shape, real ones first.

start = time.perf_counter()
augmenter = RHVAEAugmenter(sampling_strategy=dict.fromkeys(range(10), 60), random_state=0)
X_more, y_more = augmenter.fit_resample(X_train, y_train)
print(f"{len(X_train)} images became {len(X_more)} in {time.perf_counter() - start:.0f} s")

# %%
# Real and synthetic images
# -------------------------

display = SyntheticSamplesDisplay.from_predictions(
    X_more,
    y_more,
    augmenter.synthetic_mask_,
    sample_shape=(8, 8),
    figure=plt.figure(figsize=(7, 4.7), layout="constrained"),
    random_state=0,
)

# %%
# Classifiers with and without synthetic images
# ---------------------------------------------
# The test images are real, and neither the augmenter nor a classifier has seen them.

for classifier in (SVC(), KNeighborsClassifier(3)):
    scores = []
    for X, y in ((X_train, y_train), (X_more, y_more)):
        classifier.fit(X.reshape(len(X), -1), y)
        predicted = classifier.predict(X_test.reshape(len(X_test), -1))
        scores.append(100 * balanced_accuracy_score(y_test, predicted))
    name = type(classifier).__name__
    print(f"{name}: {scores[0]:.1f} % without, {scores[1]:.1f} % with synthetic images")

copies = (X_more[100:, None] == X_train).all((2, 3)).any(1)
print(f"{np.count_nonzero(copies)} of {len(copies)} synthetic images are copies of a real one")
plt.show()

# %%
# The synthetic digits are real ones whose strokes are bent and shifted like those of other digits.
# A gain on one split is no proof: try other splits with another `random_state`.
