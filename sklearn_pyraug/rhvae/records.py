"""What a training is asked for, and what a class went through in it."""

from typing import NamedTuple

import numpy as np

__all__ = ["ClassHistory", "TrainingSettings", "joined_history"]


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
    weight_decay : float
        Decoupled weight decay (AdamW's).
    kl_warmup : int
        Epochs over which all terms of the ELBO but log p(x|z) come to their full weight.
    input_noise : float
        Standard deviation of the noise on what the encoder sees, in coded units.
    """

    max_epochs: int = 100
    batch_size: int = 100
    lr: float = 1e-3
    patience: int | None = 50
    callbacks: list | None = None
    verbose: int = 0
    weight_decay: float = 0.0
    kl_warmup: int = 0
    input_noise: float = 0.0


class ClassHistory(NamedTuple):
    """What one class went through.

    Attributes
    ----------
    train_loss : ndarray of shape (n_epochs,)
        Mean negative ELBO of the training rows, in nats per row.
    valid_loss : ndarray of shape (n_epochs,)
        The same for held-out rows; NaN where none are held out.
    best_epoch : int
        Number of epochs (from 1) after which the kept weights were reached; 0 for none.
    n_rollbacks : int
        How often a non-finite loss or gradient took the weights back and halved the step.
    device : str or None
        Where it was trained.
    batch_size : int or None
        Most rows per class and step.
    """

    train_loss: np.ndarray
    valid_loss: np.ndarray
    best_epoch: int
    n_rollbacks: int
    device: str | None = None
    batch_size: int | None = None


def joined_history(before, after):
    """Return the record of a class whose training went on."""
    n = len(before.train_loss)
    return after._replace(
        train_loss=np.r_[before.train_loss, after.train_loss],
        valid_loss=np.r_[before.valid_loss, after.valid_loss],
        best_epoch=n + after.best_epoch if after.best_epoch else before.best_epoch,
        n_rollbacks=before.n_rollbacks + after.n_rollbacks,
    )
