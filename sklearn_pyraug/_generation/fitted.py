"""What is learned: generators between coded rows, and rows in X's units on either side."""

from typing import NamedTuple

import numpy as np

from .._preprocessing.projection import Projection
from .._preprocessing.table_codec import TableCodec
from .._random import attempt_seed, class_seed
from ..rhvae import ClassHistory, Output
from .fallback import smoothed_bootstrap
from .groups import TrainedGroup
from .min_distance import Guard, warn_of_close_rows
from .sample import draw_classes

__all__ = ["ClassGenerators", "Draws", "Plan"]

# How often a row that came out as a copy of its reference, or too close to a row, is drawn again.
_MAX_REDRAWS = 10


class Plan(NamedTuple):
    """How classes, generators and rows belong together.

    Attributes
    ----------
    shared : bool
        One generator learns from the pairs of all classes; else one per class.
    n_neighbors : int or None
        Of a row's possible references in training.
    """

    shared: bool = False
    n_neighbors: int | None = None

    def member(self, k):
        """Return the index of the generator of class k."""
        return 0 if self.shared else k


class ClassGenerators(NamedTuple):
    """The generators of the classes that were trained. Plain data: it pickles.

    Attributes
    ----------
    codec : TableCodec
        Between rows in X's units and coded rows.
    projection : Projection or None
        Between coded rows and what the networks see.
    plan : Plan
    trained : list of TrainedGroup
        Stacks of trained generators.
    fallback : dict of int to (ndarray, ndarray)
        Coded rows and noise scale of each class that could not be trained.
    class_rows : dict of int to ndarray of int
        For each class with a generator, the indices of its rows in X.
    n_classes : int
    history : dict of int to ClassHistory
        By class index.
    sparse_type : type or None
        Class of a sparse X.
    output : Output
    references : ndarray or None
        Where new rows start from real ones, the coded rows of X that are not to be copied;
        NaN for a row of which X holds a duplicate.
    fallback_weights : dict of int to ndarray, or None
        For each class of `fallback` the weights of its rows; None for equal weights.
    guard : Guard or None
        What new rows must not come close to.
    """

    codec: TableCodec
    projection: Projection | None
    plan: Plan
    trained: list[TrainedGroup]
    fallback: dict[int, tuple[np.ndarray, np.ndarray]]
    class_rows: dict[int, np.ndarray]
    n_classes: int
    history: dict[int, ClassHistory]
    sparse_type: type | None
    output: Output
    references: np.ndarray | None
    fallback_weights: dict[int, np.ndarray] | None = None
    guard: Guard | None = None

    def draw(self, n_new, root, settings, device, n_jobs):
        """Draw new rows.

        Parameters
        ----------
        n_new : dict of int to int
            Number of rows by class index.
        root : int
            Root seed.
        settings : SamplerSettings
        device : str
        n_jobs : int or None

        Returns
        -------
        draws : Draws
        """
        arguments = (settings, device, n_jobs)
        wanted = {k: n for k, n in n_new.items() if n and k not in self.fallback}
        codes = [np.empty((0, self.codec.n_codes_), np.float32)]
        y_index, origins, info = [np.empty(0, int)], [np.empty(0, int)], {}
        for k, drawn in draw_classes(self, wanted, root, *arguments).items():
            T = drawn.rows
            codes.append(T if self.projection is None else self.projection.decode(T))
            y_index.append(np.full(len(T), k))
            origins.append(self.class_rows[k][drawn.origins])
            info[k] = drawn.info
        for k in sorted(self.fallback.keys() & n_new.keys()):
            T, origin = self._draw_fallback(k, n_new[k], root)
            codes.append(T)
            y_index.append(np.full(len(T), k))
            origins.append(origin)
        codes, y_index, origins = map(np.concatenate, (codes, y_index, origins))
        # Class by class, whatever was made by a generator and what was not.
        order = np.argsort(y_index, kind="stable")
        codes, y_index, origins = codes[order], y_index[order], origins[order]
        X_new = self.codec.decode(codes, y_index)
        if self.references is not None or self.guard is not None:
            X_new, origins = self._redraw(codes, y_index, origins, X_new, root, arguments)
        if self.sparse_type is not None:
            X_new = self.sparse_type(X_new)
        return Draws(X_new, y_index, origins, info)

    def _draw_fallback(self, k, n, root):
        """Draw rows of a class without a generator; return codes and indices in X."""
        rows, scale = self.fallback[k]
        weights = None if self.fallback_weights is None else self.fallback_weights[k]
        T, origin = smoothed_bootstrap(rows, scale, n, class_seed(root, k, "fallback"), weights)
        return T, self.class_rows[k][origin]

    def _redraw(self, codes, y_index, origins, X_new, root, arguments):
        """Draw again what came out as its own reference, or too close to any training row.

        Of several draws of a row the furthest is kept, and the last of equals.
        """
        T = self.codec.encode(X_new)
        room = self._room(T, y_index, origins)
        for attempt in range(_MAX_REDRAWS):
            bad = np.flatnonzero(self._lacks_room(room))
            if not len(bad):
                break
            old_codes, old_origins, old_room = codes[bad], origins[bad], room[bad]
            seed = attempt_seed(root, attempt + 1)
            for k in np.unique(y_index[bad]).tolist():
                positions = bad[y_index[bad] == k]
                codes[positions], origins[positions] = self._draw_one_class(
                    k, len(positions), seed, arguments
                )
            X_new, T, room = self._decoded(codes, y_index, origins, T, room, bad)
            worse = room[bad] < old_room
            if worse.any():
                codes[bad[worse]], origins[bad[worse]] = old_codes[worse], old_origins[worse]
                X_new, T, room = self._decoded(codes, y_index, origins, T, room, bad)
        if self.guard is not None and (n_close := int(self.guard.too_close(room).sum())):
            warn_of_close_rows(n_close, len(room), 1 + _MAX_REDRAWS, self.guard.limit)
        return X_new, origins

    def _draw_one_class(self, k, n, root, arguments):
        if k in self.fallback:
            return self._draw_fallback(k, n, root)
        drawn = draw_classes(self, {k: n}, root, *arguments)[k]
        T, origins = drawn.rows, self.class_rows[k][drawn.origins]
        return T if self.projection is None else self.projection.decode(T), origins

    def _decoded(self, codes, y_index, origins, T, room, drawn):
        """Decode all rows: where values are mapped by their ranks, a row depends on the others.

        Room is made out again for the rows that were `drawn`, and for those that changed.
        """
        X_new = self.codec.decode(codes, y_index)
        T_before, T, room = T, self.codec.encode(X_new), room.copy()
        changed = (T != T_before).any(axis=1)
        changed[drawn] = True
        room[changed] = self._room(T[changed], y_index[changed], origins[changed])
        return X_new, T, room

    def _room(self, T, y_index, origins):
        """Return the distance of coded rows to what they must not come close to.

        Parameters
        ----------
        T : ndarray of shape (n_new, n_codes)
        y_index, origins : ndarray of int of shape (n_new,)

        Returns
        -------
        room : ndarray of shape (n_new,)
            With a guard, to the nearest training row. Without, 0 for copies of their reference,
            but in classes that have no generator, and infinity for all others.
        """
        if self.guard is not None:
            return self.guard.distances(T)
        copies = (T == self.references[origins]).all(axis=1)
        return np.where(copies & ~np.isin(y_index, list(self.fallback)), 0, np.inf)

    def _lacks_room(self, room):
        return room == 0 if self.guard is None else self.guard.too_close(room)


class Draws(NamedTuple):
    """New rows.

    Attributes
    ----------
    X : {ndarray, sparse matrix} of shape (n_new, n_features)
        In the units and the dtype of the training data, class by class.
    y_index : ndarray of int of shape (n_new,)
        Class indices.
    origins : ndarray of int of shape (n_new,)
        Index in X of the row from which each was started.
    info : dict of int to dict
        Diagnostics of the chains, by class index.
    """

    X: object
    y_index: np.ndarray
    origins: np.ndarray
    info: dict
