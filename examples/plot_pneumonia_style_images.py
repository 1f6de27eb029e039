"""
Augment a folder of images
==========================

Medical images often come as a folder with one subfolder for each class, such as ``NORMAL`` and
``PNEUMONIA``. This example reads such a folder, adds synthetic images, and writes all images to
another folder, with a list of the synthetic ones. To use your own folder, run

.. code-block:: bash

    python plot_pneumonia_style_images.py FOLDER

By default the images are pieces of two photographs that come with scikit-learn.
"""

# %%
# A folder
# --------
# Pieces of 24 x 24 pixels are cut out of photographs of a temple and of a flower.

import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.io import load_image_folder, save_image_folder
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

SIZE = 24


def cut(photograph):
    """Return the grey pieces, (n, 24, 24), that tile a colour photograph, (H, W, 3)."""
    grey = photograph.mean(axis=2).round().astype(np.uint8)
    rows, columns = grey.shape[0] // SIZE, grey.shape[1] // SIZE
    tiles = grey[: rows * SIZE, : columns * SIZE].reshape(rows, SIZE, columns, SIZE)
    return tiles.swapaxes(1, 2).reshape(-1, SIZE, SIZE)


work = tempfile.TemporaryDirectory()
if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
else:
    folder = Path(work.name) / "photographs"
    temple, flower = (cut(photograph) for photograph in load_sample_images().images)
    labels = np.repeat(["temple", "flower"], [len(temple), len(flower)])
    save_image_folder(folder, np.concatenate([temple, flower]), labels)

# %%
# Read it
# -------
# Images of other sizes are resized. The report names these files, and files that could not be read
# and were left out.

images = load_image_folder(folder, size=SIZE, on_error="skip")
print(images.report)

# %%
# Augment the training part
# -------------------------
# 40 images are for training, the others for testing. An image and the synthetic images made from it
# must not be on both sides. Values are integers from 0 to 255, as in the files.

rows, rows_test = train_test_split(
    np.arange(len(images)), train_size=40, stratify=images.y, random_state=0
)
train, test = images.take(rows), images.take(rows_test)
start = time.perf_counter()
counts = dict.fromkeys(np.unique(train.y).tolist(), 100)
augmenter = RHVAEAugmenter(sampling_strategy=counts, random_state=0)
X_more, y_more = augmenter.fit_resample(train.X, train.y)
print(f"{len(train)} images became {len(X_more)} in {time.perf_counter() - start:.0f} s")

# %%
# Write them
# ----------
# The real files are copied. The manifest gives the real image that each synthetic one was made
# from.

target = Path(work.name) / "augmented"
save_image_folder(target, X_more, y_more, like=train, origins=augmenter.origin_indices_)
lines = (target / "manifest.csv").read_text(encoding="utf-8").splitlines()
print(*lines[:2], "...", *lines[-2:], sep="\n")

# %%
# Look at them
# ------------

display = SyntheticSamplesDisplay.from_predictions(
    X_more,
    y_more,
    augmenter.synthetic_mask_,
    sample_shape=X_more.shape[1:],
    figure=plt.figure(figsize=(8, 1.3), layout="constrained"),
    random_state=0,
)

# %%
# Do classifiers gain?
# --------------------

for classifier in (SVC(), KNeighborsClassifier(3)):
    scores = []
    for X, y in ((train.X, train.y), (X_more, y_more)):
        classifier.fit(X.reshape(len(X), -1) / 255, y)
        predicted = classifier.predict(test.X.reshape(len(test), -1) / 255)
        scores.append(100 * balanced_accuracy_score(test.y, predicted))
    name = type(classifier).__name__
    print(f"{name}: {scores[0]:.1f} % without, {scores[1]:.1f} % with synthetic images")

work.cleanup()
plt.show()

# %%
# Synthetic images are real ones with another shape and exposure. This suits shapes that vary
# smoothly, such as organs, better than textures. Test it on images held out, as here.
