"""What is learned: generators between coded rows, as data."""

from typing import NamedTuple

import numpy as np

from .._preprocessing.projection import Projection
from ..rhvae import ClassHistory, Generator, ReferenceGenerator
from .min_distance import Guard


class TrainedGroup(NamedTuple):
    """A trained stack and its members.

    Attributes
    ----------
    members : list of int
        Indices of the members, in the order of the stack: the class index of each, or 0 for the
        one that all classes share.
    generator : Generator or ReferenceGenerator
    history : list of ClassHistory
    """

    members: list[int]
    generator: Generator | ReferenceGenerator
    history: list[ClassHistory]


class SmallClass(NamedTuple):
    """A class that was not trained: new rows lie between its rows.

    Attributes
    ----------
    T : ndarray of float32 of shape (n, n_codes)
        Its coded rows.
    scale : ndarray of shape (n_codes,)
        Standard deviation of the noise, before it is narrowed.
    weights : ndarray of shape (n,) or None
        Of its rows; None for equal weights.
    """

    T: np.ndarray
    scale: np.ndarray
    weights: np.ndarray | None


class FittedGenerators(NamedTuple):
    """The generators of the classes that have one.

    Attributes
    ----------
    trained : list of TrainedGroup
    small : dict of int to SmallClass
        By index, the classes that could not be trained.
    class_rows : dict of int to ndarray of int
        For each class with a generator, trained or not, the indices of its rows.
    history : dict of int to ClassHistory
        By class index.
    n_codes : int
        Columns of a coded row.
    shared : bool
        Whether one generator is that of all classes; else each has its own.
    projection : Projection or None
        Between coded rows and what the networks see.
    references : ndarray of float32 of shape (n_samples, n_codes), or None
        Where new rows start from real ones, the coded rows that are not to be copied; NaN for
        a row that occurs more than once or whose class was not trained.
    guard : Guard or None
        The coded rows from which new ones may be asked to keep a distance.
    """

    trained: list[TrainedGroup]
    small: dict[int, SmallClass]
    class_rows: dict[int, np.ndarray]
    history: dict[int, ClassHistory]
    n_codes: int
    shared: bool
    projection: Projection | None
    references: np.ndarray | None
    guard: Guard | None

    @property
    def trained_classes(self):
        """Indices of the classes that have a trained generator of their own or share one."""
        return [k for k in sorted(self.class_rows) if k not in self.small]

    def member_of(self, k):
        """Return the index of the member that is the generator of class k."""
        return 0 if self.shared else k

    def from_seen(self, x):
        """Return coded rows of what the networks see, two ndarrays of shape (n, ...)."""
        return x if self.projection is None else self.projection.decode(x)
