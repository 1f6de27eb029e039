"""What generators learn from and draw: requests and results."""

from typing import NamedTuple

import torch

from .model import Architecture, FlowSettings
from .training.records import ClassHistory, FineTuning, TrainingSettings


class TrainingData(NamedTuple):
    """What one member of a stack learns from: the rows of one class, or of several.

    Attributes
    ----------
    rows : Tensor of float32, shape (n, n_features)
        Coded rows, on the CPU.
    labels : Tensor of int64, shape (n,), or None
        Class index of each row; needed by decoders with reference rows.
    weights : Tensor of float64, shape (n,), or None
        Of mean 1 in each class. In proportion to them rows count in the loss, and chains start at
        them; None for equal weights.
    groups : Tensor of int64, shape (n,), or None
        Rows of one group are held out together or not at all.
    """

    rows: torch.Tensor
    labels: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    groups: torch.Tensor | None = None

    def take(self, index):
        """Return the data of the rows at some positions."""
        return TrainingData(*(None if v is None else v[index] for v in self))


class FitSettings(NamedTuple):
    """How generators are trained.

    Attributes
    ----------
    architecture : Architecture
    flow : FlowSettings
    training : TrainingSettings
    fine_tuning : FineTuning or None
        The last epochs, where they differ from the others.
    n_neighbors : int or None
        With reference rows, the references of a row are this many nearest rows of its class; None
        for all.
    validation_fraction : float in [0, 1)
        Share of each member's rows that is held out to choose the best weights.
    max_centroids : int or None
        Most codes per member that make up the metric; None for all.
    """

    architecture: Architecture
    flow: FlowSettings
    training: TrainingSettings
    fine_tuning: FineTuning | None = None
    n_neighbors: int | None = None
    validation_fraction: float = 0.0
    max_centroids: int | None = None


class Training(NamedTuple):
    """The result of a training.

    Attributes
    ----------
    generator : Generator or ReferenceGenerator
    history : list of ClassHistory
        One per member.
    interrupted : KeyboardInterrupt or None
        Set where the user interrupted the training: the generator then has the best weights so
        far.
    """

    generator: object
    history: list[ClassHistory]
    interrupted: KeyboardInterrupt | None


class Transfer(NamedTuple):
    """How much of a pair's difference a reference row takes over.

    See the formula of :mod:`.reference_generator`.

    Attributes
    ----------
    low, high : float
        s₀ and s₁.
    residual : float
        ω.
    """

    low: float = 0.1
    high: float = 1.0
    residual: float = 1.0


class Output(NamedTuple):
    """How points of the latent space become rows.

    Attributes
    ----------
    noisy : bool
        Whether new rows are drawn from p(x | z, r); else they are its mean.
    transfer : Transfer or None
        How a part of a pair's difference is transferred to a reference row; None for not at all.
    warp : tuple of two floats or None
        The range from which the size of each warp is drawn, as a share of the decoded one; None
        for a decoder that does not warp.
    """

    noisy: bool = False
    transfer: Transfer | None = None
    warp: tuple[float, float] | None = None


class DrawRequest(NamedTuple):
    """New rows of one class, to be drawn by one member of a stack.

    Attributes
    ----------
    member : int
        Position in the stack.
    label : int
        Class index.
    n_rows : int
    mcmc, decode : torch.Generator
        CPU streams of the request's own.
    """

    member: int
    label: int
    n_rows: int
    mcmc: torch.Generator
    decode: torch.Generator


class Drawn(NamedTuple):
    """The rows of one request.

    Attributes
    ----------
    rows : Tensor of float32, shape (n_rows, n_features)
        Coded rows, on the CPU.
    origins : Tensor of int64, shape (n_rows,)
        Index, among the rows of the class, of the row from which each was started.
    info : dict of str to (float or Tensor of shape (n_lags + 1,))
        Diagnostics, see :func:`.latent.sample_latent`.
    """

    rows: torch.Tensor
    origins: torch.Tensor
    info: dict


def split_info(info, j):
    """Return the diagnostics of one request, from those of all in tensors."""
    return {
        # A number, or an array with a number for each lag.
        name: value[j].clone() if value.dim() > 1 else float(value[j])
        for name, value in info.items()
    }
