"""The settings of a training, and the record of each class."""

from typing import NamedTuple

import numpy as np

# Fields of a record with one number per epoch.
BY_EPOCH = ("train_loss", "valid_loss", "train_reconstruction", "valid_reconstruction")


class TrainingSettings(NamedTuple):
    """Settings of the training loop.

    Attributes
    ----------
    max_epochs : int
    batch_size : int
        Rows per class and step.
    lr : float
        Adam's learning rate.
    patience : int or None
        Epochs without a better loss after which a class stops; None for never.
    callbacks : list or None
        skorch callbacks.
    verbose : int
        1 shows a progress bar.
    """

    max_epochs: int = 100
    batch_size: int = 100
    lr: float = 1e-3
    patience: int | None = 50
    callbacks: list | None = None
    verbose: int = 0


class FineTuning(NamedTuple):
    """The last epochs: with the flow on the posteriors' metric, and with networks of each class.

    Attributes
    ----------
    share : float in (0, 1)
        Of all epochs; at least one of two is of this phase.
    lr_factor : float
        Of the learning rate of the epochs before.
    """

    share: float
    lr_factor: float


class ClassHistory(NamedTuple):
    """Record of the training of one class: losses, kept epoch and errors of the flow.

    The loss is the negative ELBO, and the sum of two terms:

    * the reconstruction, E[−log p(x|z_K)]: the information about rows that codes do not contain;
    * the divergence, E[log q(z₀|x) + log N(γ; 0, I) − ½ log det G(z₀) − log p(z_K)
      − log N(ρ_K; 0, G(z_K))]: the information that codes contain, beyond the prior. It is the
      Kullback-Leibler divergence between the density of (z_K, ρ_K) given x and that of codes and
      momenta without x; for a plain VAE, between q(z|x) and N(0, I). It is estimated with one draw
      per row, and may be below zero by chance.

    Attributes
    ----------
    train_loss : ndarray of shape (n_epochs,)
        Mean negative ELBO of the training rows, in nats per row.
    valid_loss : ndarray of shape (n_epochs,)
        Mean negative ELBO of held-out rows; NaN if none are held out.
    best_epoch : int
        Epoch (from 1) whose weights were kept; 0 for none.
    n_rollbacks : int
        Number of times that a non-finite loss or gradient reset the weights and halved the step.
    device : str or None
        Device of the training.
    batch_size : int or None
        Largest number of rows per class and step.
    train_reconstruction, valid_reconstruction : ndarray of shape (n_epochs,) or None
        First term of each loss, weighted like the loss; NaN where the loss is NaN, and in epochs
        in which it was not recorded. None if it was never recorded.
    flow_shift : float or None
        How far the flow moves codes, in standard deviations of the encoder's posterior: the root
        mean square of (z_K − z₀) / σ of some training rows, after training. None without a flow.
    flow_energy_error, flow_volume_error : float or None
        Errors of the flow's steps in nats: the mean of |H(z_K, ρ_K) − H(z₀, ρ₀)| without tempering,
        and the mean difference between log |det J| and its value in the ELBO, by which the ELBO
        is wrong. The latter is NaN for very large rows.
    """

    train_loss: np.ndarray
    valid_loss: np.ndarray
    best_epoch: int
    n_rollbacks: int
    device: str | None = None
    batch_size: int | None = None
    train_reconstruction: np.ndarray | None = None
    valid_reconstruction: np.ndarray | None = None
    flow_shift: float | None = None
    flow_energy_error: float | None = None
    flow_volume_error: float | None = None

    def then(self, other):
        """Return the record of two trainings; the weights are of the last that had a best epoch."""
        joined = {n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in BY_EPOCH}
        return other._replace(
            **joined,
            best_epoch=len(self.train_loss) + other.best_epoch
            if other.best_epoch
            else self.best_epoch,
            n_rollbacks=self.n_rollbacks + other.n_rollbacks,
            batch_size=self.batch_size,
        )

    @property
    def train_divergence(self):
        """The second term of the loss of the training rows, as an array like it, or None."""
        return _difference(self.train_loss, self.train_reconstruction)

    @property
    def valid_divergence(self):
        """The second term of the loss of the held-out rows, as an array like it, or None."""
        return _difference(self.valid_loss, self.valid_reconstruction)


def _difference(loss, reconstruction):
    return None if reconstruction is None else loss - reconstruction
