"""The trained model of one class, as its own: between coded rows and codes of the latent space."""

from typing import NamedTuple

import numpy as np
import torch

from .._preprocessing.projection import Projection
from .._random import class_generator
from ..rhvae import Generator, ReferenceGenerator
from ..rhvae.coding import decode_codes, encode_rows
from .memory import drawing_attempts, warn_of_drawing


class ClassModel(NamedTuple):
    """The generator of a class.

    Attributes
    ----------
    member : Generator or ReferenceGenerator
        Of one member.
    index : int
        Of the class.
    projection : Projection or None
        Between coded rows and what the networks see.
    device : str
    """

    member: Generator | ReferenceGenerator
    index: int
    projection: Projection | None
    device: str

    @property
    def latent_dim(self):
        """Dimension of the codes."""
        return self.member.latent.c.shape[-1]

    @property
    def has_reference(self):
        """Whether rows are coded and decoded with a reference row."""
        return self.member.references is not None

    def rows(self, T):
        """Return coded rows (ndarray) as the tensor from which new rows start."""
        return _tensor(T, self.projection, self.member)

    def encode(self, T, reference=None):
        """Return means and log-variances of the codes of rows.

        Parameters
        ----------
        T : ndarray of shape (n, n_codes)
        reference : Tensor of shape (1, n_features) or None, default=None
            As :meth:`rows` returns it; None takes the nearest other row of the class.

        Returns
        -------
        mu, log_var : Tensor of shape (n, latent_dim)
        """
        x = self.member.seen(self.rows(T))
        if reference is None:
            r = self.member.row_references(self.index, x)
        else:
            r = self.member.seen(reference).expand(len(x), -1)
        return self._run(lambda device: encode_rows(self.member, x, r, device=device))

    def decode(self, z, reference=None):
        """Return the coded rows (ndarray) of codes.

        Parameters
        ----------
        z : Tensor of shape (n, latent_dim)
        reference : Tensor of shape (1 or n, n_features) or None, default=None
            None takes the row that belongs to each code.
        """
        if reference is None:
            r = self.member.code_references(self.index, z)
        else:
            r = reference.expand(len(z), -1)
        x = self._run(lambda device: decode_codes(self.member, z, r, device=device)).numpy()
        x = x.astype(np.float32)
        return x if self.projection is None else self.projection.decode(x)

    def score(self, T, n_importance, root):
        """Estimate log p(x | class) of rows, in nats, as an ndarray of float64 of shape (n,).

        Parameters
        ----------
        T : ndarray of shape (n, n_codes)
        n_importance : int
            Draws per row, or per row and reference.
        root : int
            Root seed.
        """
        x = self.rows(T)

        def score(device):
            stream = class_generator(root, self.index, "noise")
            return self.member.score(
                self.index, x, stream, n_importance=n_importance, device=device
            )

        return self._run(score).double().numpy()

    def tensor(self, z):
        """Return codes (array) in the model's precision."""
        # Not `from_numpy`, which warns about arrays that cannot be written to.
        return torch.tensor(np.asarray(z, dtype=np.float64)).to(self.member.latent.c.dtype)

    def _run(self, function):
        return _run(function, self.member.stack, self.device)


def check_codes(z, latent_dim, name="z"):
    """Return codes as an array of float64 of shape (n_codes, latent_dim).

    Parameters
    ----------
    z : array-like or Tensor
    latent_dim : int
    name : str, default="z"
        Of the argument, for messages.
    """
    z = z.detach().cpu().numpy() if torch.is_tensor(z) else z
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 2 or z.shape[1] != latent_dim or not len(z):
        raise ValueError(
            f"{name} has the shape {z.shape}. Pass codes of shape (n_codes, {latent_dim}), at "
            "least one."
        )
    if not np.isfinite(z).all():
        n_bad = int((~np.isfinite(z)).any(axis=1).sum())
        raise ValueError(f"{name} has {n_bad} code(s) that are not finite. Leave these out.")
    return z


def _run(function, stack, device):
    for attempt in drawing_attempts(stack, device):
        with attempt:
            result = function(attempt.device)
    warn_of_drawing([attempt.device], device)
    return result


def _tensor(T, projection, member):
    # A product in float32 would depend on how many rows there are.
    seen = T if projection is None else projection.encode(T.astype(np.float64))
    return torch.from_numpy(np.ascontiguousarray(seen)).to(member.latent.c.dtype)


def class_index(generators, labels, label, name):
    """Return the index of a class that has a trained generator.

    Parameters
    ----------
    generators : FittedGenerators
    labels : list
        Of all classes.
    label : object
    name : str
        Of the argument, for messages.
    """
    if isinstance(label, np.generic) and label.dtype.kind in "biufU":
        label = label.item()
    if isinstance(label, (list, np.ndarray)) or label not in labels:
        raise ValueError(
            f"{name} names the class {label!r}, which was not in y. Use labels of y: {labels}."
        )
    k = labels.index(label)
    if k in generators.small:
        raise ValueError(
            f"{name} names the class {label!r}, which has no generator: it had too few rows to "
            "train one, or the training was interrupted. Collect more rows of it, or leave it out."
        )
    if k not in generators.class_rows:
        raise ValueError(
            f"{name} names the class {label!r}, which has no generator: fit_resample trains only "
            "the classes that it lets grow. Call fit(X, y) first."
        )
    return k


def class_model(generators, k, device):
    """Return the generator of class k.

    Parameters
    ----------
    generators : FittedGenerators
    k : int
        Index of a class that has a trained generator.
    device : str
    """
    # Apple's GPUs have no float64.
    dtype = torch.float32 if device.startswith("mps") else torch.float64
    wanted = generators.member_of(k)
    group = next(g for g in generators.trained if wanted in g.members)
    member = group.generator.member(group.members.index(wanted), dtype)
    return ClassModel(member, k, generators.projection, device)
