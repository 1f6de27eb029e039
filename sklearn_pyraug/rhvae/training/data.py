"""Rows of K classes, and the minibatches drawn from them.

Every class owns its streams for shuffling and noise, made on the CPU, so that what a
class sees depends neither on the device nor on the other classes.
"""

from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from ..elbo import Batch
from .pairs import Partners, draw_partners

# Most rows per class from which the metric of the held-out ELBO is built.
_MAX_METRIC_ROWS = 256


class ClassRows(NamedTuple):
    """Rows of one class.

    Attributes
    ----------
    train : Tensor of shape (n_train, n_features)
    valid : Tensor of shape (n_valid, n_features)
        Held-out rows, perhaps none.
    partners : Partners or None
        For a generator with reference rows, who may be whose reference in training.
    valid_references : Tensor of shape (n_valid, n_features) or None
        References of the held-out rows.
    weight : Tensor of float64 of shape (n_train,) or None
        Weights of the training rows, of mean 1; with partners, the weight of a pair is the
        product of both rows' weights.
    valid_weight : Tensor of float64 of shape (n_valid,) or None
        Weights of the held-out rows, or of their pairs, of mean 1.
    """

    train: torch.Tensor
    valid: torch.Tensor
    partners: Partners | None = None
    valid_references: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    valid_weight: torch.Tensor | None = None


def split_rows(rows, validation_fraction, generator, weight=None, groups=None):
    """Split the rows of one class into training and held-out rows.

    Parameters
    ----------
    rows : Tensor of shape (n, n_features)
    validation_fraction : float in [0, 1)
    generator : torch.Generator
    weight : Tensor of float64 of shape (n,) or None, default=None
    groups : Tensor of int64 of shape (n,) or None, default=None
        Rows of one group stay together: groups are held out, in random order, where that brings
        the number of rows nearer to its share.

    Returns
    -------
    split : ClassRows
        At least two rows stay in training; a class whose share of held-out rows would be
        below two is not split (one row's ELBO says too little).
    """
    train, valid = _split_indices(len(rows), validation_fraction, generator, groups)
    split = ClassRows(rows[train], rows[valid])
    if weight is None:
        return split
    return split._replace(weight=mean_one(weight[train]), valid_weight=mean_one(weight[valid]))


def _split_indices(n, validation_fraction, generator, groups):
    everything = slice(None), slice(0)
    n_valid = round(validation_fraction * n)
    if n_valid < 2 or n - n_valid < 2:
        return everything
    if groups is None:
        order = torch.randperm(n, generator=generator)
        return order[n_valid:].sort().values, order[:n_valid].sort().values
    group, size = groups.unique(return_inverse=True, return_counts=True)[1:]
    held_out, total = torch.zeros(len(size), dtype=torch.bool), 0
    for g in torch.randperm(len(size), generator=generator).tolist():
        if total + int(size[g]) / 2 <= n_valid:
            held_out[g], total = True, total + int(size[g])
    if total < 2 or n - total < 2:
        return everything
    return (~held_out[group]).nonzero().flatten(), held_out[group].nonzero().flatten()


def mean_one(weight):
    """Return weights of the same ratios whose mean is 1."""
    return weight / weight.mean() if len(weight) else weight


def weights_of(weights, rows):
    """Return the weights of every class, or None where no class has any.

    Parameters
    ----------
    weights : list of (Tensor of shape (n_k,) or None)
    rows : list of Tensor, each of shape (n_k, n_features)
        A class without weights has weights of 1.
    """
    if all(w is None for w in weights):
        return None
    return [
        torch.ones(len(x), dtype=torch.float64) if w is None else w
        for w, x in zip(weights, rows, strict=True)
    ]


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


def fixed_batch(rows, generators, latent_dim, device, references=None, weights=None):
    """Make one batch of all rows with noise, for repeated evaluation.

    Parameters
    ----------
    rows : list of Tensor, each of shape (n_k, n_features)
    generators : sequence of torch.Generator
    latent_dim : int
    device : str
    references : list of Tensor, each of shape (n_k, n_features), or None
    weights : list of (Tensor of shape (n_k,), or None), or None

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
    r = None if references is None else pad_sequence(references, batch_first=True).to(device)
    batch = Batch(x.to(device), mask.to(device, x.dtype), noise[:, :, 0], noise[:, :, 1], r)
    weights = None if weights is None else weights_of(weights, rows)
    if weights is None:
        return batch
    return batch._replace(weight=pad_sequence(weights, batch_first=True).to(batch.x))


def metric_rows(rows, generators, device):
    """Return some training rows, from which the metric of the held-out ELBO is built.

    Parameters
    ----------
    rows : list of ClassRows
    generators : sequence of torch.Generator
        CPU streams, one per class, for the choice of rows and for their references.
    device : str

    Returns
    -------
    x : Tensor of shape (n_classes, n_rows, n_features)
    mask : Tensor of shape (n_classes, n_rows)
    r : Tensor of shape (n_classes, n_rows, n_features)
        References; left out where there are no partners.
    """
    chosen = [
        torch.randperm(len(r.train), generator=g)[:_MAX_METRIC_ROWS]
        for r, g in zip(rows, generators, strict=True)
    ]
    x, mask = padded([r.train[i] for r, i in zip(rows, chosen, strict=True)])
    if rows[0].partners is None:
        return x.to(device), mask.to(device)
    references = [
        r.train[draw_partners(r.partners, i, g)]
        for r, i, g in zip(rows, chosen, generators, strict=True)
    ]
    return x.to(device), mask.to(device), padded(references)[0].to(device)


class StackLoader:
    """Iterate over the minibatches of one epoch, all classes side by side.

    Each step draws at most `batch_size` rows from every class. An epoch has as many steps
    as the largest class needs to be seen once; a shorter class starts over, reshuffled.

    Parameters
    ----------
    rows : list of ClassRows
        One per class. Where they have partners, every row comes with a fresh reference.
    shuffle_generators, noise_generators : sequence of torch.Generator
        One CPU stream per class each.
    batch_size : int
    latent_dim : int
    device : str
        Rows are moved there once.
    min_rows : int, default=1
        Least number of rows in a step, if the class has as many. With 2, a single last row joins
        another batch, because it has no statistics of its own.
    """

    def __init__(
        self, rows, shuffle_generators, noise_generators, batch_size, latent_dim, device, min_rows=1
    ):
        self.rows = [r.train.to(device) for r in rows]
        self.partners = [r.partners for r in rows]
        self.weights = weights_of([r.weight for r in rows], self.rows)
        self.shuffle_generators = shuffle_generators
        self.noise_generators = noise_generators
        self.latent_dim = latent_dim
        self.device = device
        self.n_chunks = [
            max(1, min(-(-len(r) // batch_size), len(r) // min_rows)) for r in self.rows
        ]
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
            paired = self.partners[0] is not None
            partners = self._partners_of(chunks) if paired else None
            references = self._references(partners) if paired else None
            weights = None if self.weights is None else self._weights_of(chunks, partners)
            batch = fixed_batch(rows, generators, self.latent_dim, self.device, references, weights)
            yield batch, None

    def _partners_of(self, chunks):
        """Draw the references of the rows of a step, as indices."""
        partners = []
        for k, chunk in zip(self.active, chunks, strict=True):
            chunk = torch.arange(len(self.rows[k])) if chunk is None else chunk
            partners.append(draw_partners(self.partners[k], chunk, self.shuffle_generators[k]))
        return partners

    def _references(self, partners):
        return [
            self.rows[k][index.to(self.device)]
            for k, index in zip(self.active, partners, strict=True)
        ]

    def _weights_of(self, chunks, partners):
        """Return the weights of the rows of a step, or of their pairs."""
        weights = []
        for i, (k, chunk) in enumerate(zip(self.active, chunks, strict=True)):
            weight = self.weights[k]
            own = weight if chunk is None else weight[chunk]
            weights.append(own if partners is None else own * weight[partners[i]])
        return weights
