"""What several test modules use."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_pyraug import HMC, MLP, RandomWalk, RHVAEAugmenter
from sklearn_pyraug.rhvae import DrawRequest, Output

# Enough training and sampling to run every line, not to learn anything.
QUICK = {"max_epochs": 2, "latent_dim": 2, "random_state": 0, "device": "cpu"}


class Recorder(ClassifierMixin, BaseEstimator):
    """Classifier that keeps what it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        self.X_, self.y_, self.sample_weight_ = X, y, sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def quick(**parameters):
    """Return an augmenter that trains and samples as briefly as can be."""
    parameters = QUICK | {"encoder": MLP((8,))} | parameters
    chains = {"hmc": HMC(n_steps=4, n_leapfrog=2), "random_walk": RandomWalk(n_steps=4)}
    decoder = parameters.get("decoder", "auto")
    if decoder == "direct" or not isinstance(decoder, (str, BaseEstimator)):
        parameters.setdefault("sampler", "hmc")
    if isinstance(parameters.get("sampler"), str):
        parameters["sampler"] = chains.get(parameters["sampler"], parameters["sampler"])
    return RHVAEAugmenter(**parameters)


def table(sizes=(20, 12, 8), n_features=4, seed=0):
    """Return rows of classes 0, 1, ... of the given sizes, in random order."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return rng.normal(size=(len(y), n_features)) + 2 * y[:, None], y


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(seed, *shape, dtype=torch.float64):
    """Return normal numbers."""
    return torch.randn(*shape, generator=stream(seed), dtype=dtype)


def spread(n_chains, n_centroids):
    """Return the start of each chain, the centroids in turn."""
    return torch.arange(n_chains) % n_centroids


def codes(n, n_columns=3, seed=0):
    """Return rows of a normal distribution as float32 codes."""
    return np.random.default_rng(seed).normal(size=(n, n_columns)).astype(np.float32)


def contents(root):
    """Return the bytes of all files below a folder, by name."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def dense(X):
    """Return the values of any container as an array."""
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def arrays(shape, n=24, dtype=np.float64, seed=0):
    """Return smooth random images of two classes."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(0, 1, s) for s in shape), indexing="ij")
    phase, scale = rng.uniform(0, 2, (2, n, *[1] * len(shape)))
    X = 0.5 + 0.5 * np.sin(3 * sum(axes) * (0.5 + scale) + phase)
    if np.dtype(dtype).kind in "iu":
        X = np.round(255 * X)
    return X.astype(dtype), np.arange(n) % 2


def kinds():
    """Return rows of each kind by name, and their labels."""
    X, y = table((14, 10, 7))
    mixed = pytest.importorskip("pandas").DataFrame(X[:, :2], columns=["a", "b"])
    mixed["c"] = np.where(X[:, 2] > 0, "low", "high")
    images = np.random.default_rng(0).integers(0, 256, (31, 5, 5)).astype(np.uint8)
    return {"table": X, "mixed": mixed, "images": images}, y


def numbers(augmenter, X):
    """Return the user's rows as the codec's numbers."""
    if hasattr(X, "iloc"):
        levels = augmenter._row_encoder.schema.columns[2].levels
        X = X.assign(c=[list(levels).index(v) for v in X["c"]])
    return np.asarray(X).reshape(len(X), -1).astype(float)


def root_mean_square(A, B):
    """Return all distances from A's rows to B's, by their definition."""
    return np.sqrt(((A[:, None].astype(float) - B[None]) ** 2).mean(axis=2))


def draw_rows(generator, counts, settings, streams, *, members=None, labels=None, **output):
    """Draw rows of several members or classes; returns rows, origins and diagnostics of each."""

    members = range(len(counts)) if members is None else members
    requests = [
        DrawRequest(m, m if labels is None else labels[j], counts[j], mcmc, decode)
        for j, (m, mcmc, decode) in enumerate(
            zip(members, streams["mcmc"], streams["decode"], strict=True)
        )
    ]
    drawn = generator.draw(requests, settings, Output(**output))
    info = {
        name: torch.stack([torch.as_tensor(part.info[name]) for part in drawn])
        for name in drawn[0].info
    }
    return [part.rows for part in drawn], [part.origins for part in drawn], info
