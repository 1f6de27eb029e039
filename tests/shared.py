"""What several test modules use."""

import numpy as np
from scipy import sparse

from sklearn_pyraug import RHVAEAugmenter

# Enough training and sampling to run every line, not to learn anything.
QUICK = {
    "max_epochs": 2,
    "hidden_layer_sizes": (8,),
    "latent_dim": 2,
    "n_mcmc_steps": 4,
    "n_mcmc_leapfrog": 2,
    "random_state": 0,
    "device": "cpu",
}


def quick(**parameters):
    """Return an augmenter that trains in no time."""
    return RHVAEAugmenter(**QUICK | parameters)


def table(sizes=(20, 12, 8), n_features=4, seed=0):
    """Return rows of classes 0, 1, ... of the given sizes, in random order."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return rng.normal(size=(len(y), n_features)) + 2 * y[:, None], y


def dense(X):
    """Return the values of any container as an array."""
    return X.toarray() if sparse.issparse(X) else np.asarray(X)
