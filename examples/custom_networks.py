"""
Networks of your own
====================

This example passes its own convolutional encoder, decoder and metric network for digits.
"""

import time

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from torch import nn

from sklearn_pyraug import LearnedMetric, RHVAEAugmenter
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

# Images come in as they are: (n, 8, 8), here 15 of each digit.
digits = load_digits()
X, X_test, y, y_test = train_test_split(
    digits.images, digits.target, train_size=150, stratify=digits.target, random_state=0
)


# A class or a function is called for each digit, so that each has weights of its own.
class Encoder(nn.Module):
    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.conv = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 16, 3, 2, 1), nn.SiLU())
        self.mu, self.log_var = nn.Linear(256, latent_dim), nn.Linear(256, latent_dim)

    def forward(self, x):  # (B, 8, 8) to the mean and the log-variance, each (B, latent_dim)
        h = self.conv(x).flatten(1)
        return self.mu(h), self.log_var(h)


def decoder(latent_dim, n_features):  # (B, latent_dim) to the pixels' logits, in any shape
    start = nn.Sequential(nn.Linear(latent_dim, 256), nn.SiLU(), nn.Unflatten(1, (16, 4, 4)))
    return nn.Sequential(start, nn.ConvTranspose2d(16, 1, 4, 2, 1))


def metric(n_features, latent_dim):  # (B, 8, 8) to the entries of lower-triangular matrices
    conv = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 8, 3, 2, 1), nn.SiLU())
    return nn.Sequential(conv, nn.Flatten(), nn.Linear(128, latent_dim * (latent_dim + 1) // 2))


augmenter = RHVAEAugmenter(
    encoder=Encoder, decoder=decoder, metric=LearnedMetric(network=metric), random_state=0
)

start = time.perf_counter()
X_res, y_res = augmenter.fit_resample(X, y)
print(f"{X.shape} became {X_res.shape} in {time.perf_counter() - start:.0f} s")
for name, images, labels in (("without", X, y), ("with", X_res, y_res)):
    score = SVC().fit(images.reshape(len(images), -1), labels).score(X_test.reshape(-1, 64), y_test)
    print(f"accuracy {name} new images: {100 * score:.1f} %")

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
# Your own networks need no code for several classes: the augmenter makes one for each class, and
# trains all of them together. One split shows that they work, not that they beat the default.
