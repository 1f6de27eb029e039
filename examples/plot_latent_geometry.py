"""
The geometry of a latent space
==============================

The model of a class encodes its rows as points of a latent space and learns a metric of this space.
This example draws the codes and the metric's volume element, decodes places of large and of small
volume, and uses codes as features for a classifier.
"""

# %%
# A latent space of two dimensions
# --------------------------------
# Two dimensions can be drawn directly. For more, the display uses the plane of the first two
# principal components. The decoder is that of the papers, which makes x from z alone.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from sklearn_pyraug import LearnedMetric, RHVAEAugmenter, RHVAEEmbedder
from sklearn_pyraug.plotting import LatentSpaceDisplay

X, y = load_digits(n_class=5, return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, train_size=400, stratify=y, random_state=0)
augmenter = RHVAEAugmenter(
    decoder="direct",
    latent_dim=2,
    metric=LearnedMetric(regularization="auto"),
    random_state=0,
).fit(X[y < 2], y[y < 2])

# %%
# Codes and volume
# ----------------
# Hamiltonian Monte Carlo draws codes in proportion to the volume element √det G⁻¹. Each class has
# its own latent space.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
for ax, digit in zip(axes, (0, 1), strict=True):
    LatentSpaceDisplay.from_estimator(augmenter, X, y, digit, n_synthetic=100, ax=ax)

# %%
# Decoded images
# --------------
# A grid over the codes of the digit 1 is decoded. The number above an image is the log volume at
# its code.

ones = augmenter.encode(X[y == 1], y[y == 1])
low, high = ones.min(axis=0), ones.max(axis=0)
spots = np.stack(np.meshgrid(*np.linspace(low, high, 7).T), axis=-1)[::-1].reshape(-1, 2)
volumes = augmenter.log_volume(spots, 1)
images = augmenter.decode(spots, 1).reshape(-1, 8, 8)
figure, axes = plt.subplots(7, 7, figsize=(6, 6.6), layout="constrained")
figure.suptitle("Decoded ones over their latent space, with the log volume (nats)")
for ax, image, volume in zip(axes.flat, images, volumes, strict=True):
    ax.imshow(image, cmap="gray", vmin=0, vmax=16)
    ax.set_title(f"{volume:.1f}", fontsize="small")
    ax.axis("off")

at_codes = augmenter.log_volume(ones, 1).mean()
print(f"log volume: {at_codes:.1f} at codes, {volumes.mean():.1f} over the grid, on average")
if at_codes > volumes.mean():
    print("The volume is larger where codes are, so that chains seek them.")

# %%
# Codes as features
# -----------------
# `RHVAEEmbedder` is a transformer like PCA. It trains one model on all rows, without labels.

features = {"RHVAEEmbedder": RHVAEEmbedder(latent_dim=2, random_state=0), "PCA": PCA(2)}
correct = {}
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
figure.suptitle("Five digits in two dimensions, coded without their labels")
for ax, (name, transformer) in zip(axes, features.items(), strict=True):
    Z = transformer.fit_transform(X)
    classifier = KNeighborsClassifier().fit(Z, y)
    correct[name] = classifier.score(transformer.transform(X_test), y_test)
    print(f"{name}: {100 * correct[name]:.1f} % of {len(X_test)} test images told from 2 features")
    for digit, marker in enumerate("os^Dv"):
        ax.plot(*Z[y == digit].T, marker, markersize=4, alpha=0.7, label=digit)
    ax.set(title=name, xlabel="first feature", ylabel="second feature")
axes[1].legend(title="digit", loc="upper left", bbox_to_anchor=(1, 1))
best = max(correct, key=correct.get)
print(f"On this split the two features of {best} tell more of the digits.")
plt.show()

# %%
# The map is bright near the codes of training rows and dark far from all of them. The decoder also
# makes images from dark places, but these are not supported by any training row.
