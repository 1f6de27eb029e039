"""Rows of K classes, and the minibatches drawn from them.

Every class owns its streams for shuffling and noise, made on the CPU, so that what a
class sees depends neither on the device nor on the classes beside it.
"""

from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from .objective import Batch

__all__ = ["ClassRows", "StackLoader", "fixed_batch", "padded", "split_rows"]


class ClassRows(NamedTuple):
    """Rows of one class.

    Attributes
    ----------
    train : Tensor of shape (n_train, n_features)
    valid : Tensor of shape (n_valid, n_features)
        Held-out rows, perhaps none.
    """

    train: torch.Tensor
    valid: torch.Tensor


def split_rows(rows, validation_fraction, generator):
    """Split the rows of one class into training and held-out rows.

    Parameters
    ----------
    rows : Tensor of shape (n, n_features)
    validation_fraction : float in [0, 1)
    generator : torch.Generator

    Returns
    -------
    split : ClassRows
        At least two rows stay in training; a class whose share of held-out rows would be
        below two is not split (one row's ELBO says too little).
    """
    n_valid = round(validation_fraction * len(rows))
    if n_valid < 2 or len(rows) - n_valid < 2:
        return ClassRows(rows, rows[:0])
    order = torch.randperm(len(rows), generator=generator)
    return ClassRows(rows[order[n_valid:].sort().values], rows[order[:n_valid].sort().values])


def padded(rows):
    """Stack the rows of K classes.

    Parameters
    ----------
    rows : list of Tensor, each of shape (n_k, n_features)

    Returns
    -------
    x : Tensor of shape (n_classes, max n_k, n_features)
    mask : Tensor of shape (n_classes, max n_k)
    """
    mask = pad_sequence([torch.ones(len(x)) for x in rows], batch_first=True)
    return pad_sequence(rows, batch_first=True), mask


def fixed_batch(rows, generators, latent_dim, device, metric=None):
    """Make one batch of all rows with noise, for repeated evaluation.

    Parameters
    ----------
    rows : list of Tensor, each of shape (n_k, n_features)
    generators : sequence of torch.Generator
    latent_dim : int
    device : str
    metric : Metric or None

    Returns
    -------
    batch : Batch
    """
    x, mask = padded(rows)
    draws = [
        torch.randn(len(r), 2, latent_dim, generator=g)
        for r, g in zip(rows, generators, strict=True)
    ]
    noise = pad_sequence(draws, batch_first=True).to(device, x.dtype)
    return Batch(
        x.to(device), mask.to(device, x.dtype), noise[:, :, 0], noise[:, :, 1], metric=metric
    )


class StackLoader:
    """Iterate over the minibatches of one epoch, all classes side by side.

    Each step draws at most `batch_size` rows from every class. An epoch has as many steps
    as the largest class needs to be seen once; a shorter class starts over, reshuffled.

    Parameters
    ----------
    rows : list of Tensor, each of shape (n_k, n_features)
        Training rows of each class.
    shuffle_generators, noise_generators : sequence of torch.Generator
        One CPU stream per class each.
    batch_size : int
    latent_dim : int
    device : str
        Rows are moved there once.
    """

    def __init__(self, rows, shuffle_generators, noise_generators, batch_size, latent_dim, device):
        self.rows = [r.to(device) for r in rows]
        self.shuffle_generators = shuffle_generators
        self.noise_generators = noise_generators
        self.latent_dim = latent_dim
        self.device = device
        self.n_chunks = [-(-len(r) // batch_size) for r in rows]
        self.chunks = [[] for _ in rows]
        self.active = list(range(len(rows)))

    def _next_chunk(self, k):
        n = len(self.rows[k])
        if self.n_chunks[k] == 1:
            return None
        if not self.chunks[k]:
            order = torch.randperm(n, generator=self.shuffle_generators[k])
            self.chunks[k] = list(order.tensor_split(self.n_chunks[k]))
        return self.chunks[k].pop()

    def __len__(self):
        """Return the number of steps in an epoch."""
        return max(self.n_chunks[k] for k in self.active)

    def __iter__(self):
        """Yield (Batch, None) pairs, as skorch expects inputs and targets."""
        for _ in range(len(self)):
            chunks = [self._next_chunk(k) for k in self.active]
            rows = [
                self.rows[k] if c is None else self.rows[k][c.to(self.device)]
                for k, c in zip(self.active, chunks, strict=True)
            ]
            generators = [self.noise_generators[k] for k in self.active]
            yield fixed_batch(rows, generators, self.latent_dim, self.device), None
