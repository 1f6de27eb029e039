"""What is learned: one generator per class, between coded rows and rows in X's units."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._codec import TableCodec
from ._fallback import MIN_ROWS, pooled_scale, smoothed_bootstrap
from ._parallel import draw_groups, plan_groups, to_tensor, train_groups
from ._random import class_seed
from .rhvae import n_weights

__all__ = ["ClassGenerators", "Draws", "learn"]


class ClassGenerators(NamedTuple):
    """The generators of the classes that were trained. Plain data: it pickles.

    Attributes
    ----------
    codec : TableCodec
        Between rows in X's units and coded rows.
    trained : list of TrainedGroup
        Stacks of trained classes.
    fallback : dict of int to (ndarray, ndarray)
        Coded rows and noise scale of each class that could not be trained.
    class_rows : dict of int to ndarray of int
        For each class with a generator, the indices of its rows in X.
    history : dict of int to ClassHistory
        Of the trained classes.
    sparse_type : type or None
        Class of a sparse X.
    noisy : bool
        Whether new rows are drawn from p(x | z); else they are its mean. See :func:`learn`.
    """

    codec: TableCodec
    trained: list
    fallback: dict
    class_rows: dict
    history: dict
    sparse_type: type | None
    noisy: bool

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
        drawn, info = draw_groups(
            self.trained,
            {k: n for k, n in n_new.items() if k not in self.fallback},
            root,
            n_jobs,
            settings=settings,
            device=device,
            noisy=self.noisy,
        )
        for k in self.fallback.keys() & n_new.keys():
            rows, scale = self.fallback[k]
            seed = class_seed(root, k, "fallback")
            drawn[k] = smoothed_bootstrap(rows, scale, n_new[k], seed)
        codes = [np.empty((0, len(self.codec.center_)), np.float32)]
        y_index, origins = [np.empty(0, int)], [np.empty(0, int)]
        for k in sorted(k for k, n in n_new.items() if n):
            codes.append(drawn[k][0])
            y_index.append(np.full(len(drawn[k][0]), k))
            origins.append(self.class_rows[k][drawn[k][1]])
        X_new = self.codec.decode(np.concatenate(codes))
        if self.sparse_type is not None:
            X_new = self.sparse_type(X_new)
        return Draws(X_new, np.concatenate(y_index), np.concatenate(origins), info)


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


def learn(X, y, wanted, codec, root, *, architecture, flow, training, device, n_jobs, **arguments):
    """Train the generators of some classes.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Validated rows.
    y : ndarray of shape (n_samples,)
        Labels.
    wanted : list of int
        Indices, among the sorted labels, of the classes to train.
    codec : TableCodec
        Fitted on X.
    root : int
        Root seed.
    architecture : Architecture
    flow : FlowSettings
    training : TrainingSettings
    device : str
    n_jobs : int or None
    **arguments : dict
        ``validation_fraction`` and ``max_centroids`` of
        :func:`~sklearn_pyraug.rhvae.train_generator`.

    Returns
    -------
    generators : ClassGenerators
    interrupted : KeyboardInterrupt or None
        Set where the user interrupted the training. Classes that were not reached then have
        the generator of a class that is too small to train.

    Notes
    -----
    Rows of a table, but not of grey values, are drawn from p(x | z) where there are fewer
    columns than rows: the mean alone has too little variance there. Where columns outnumber
    rows the noise of single columns drowns what the classes differ in.
    """
    classes, y_index = np.unique(y, return_inverse=True)
    T = codec.encode(X.toarray() if sparse.issparse(X) else X)
    class_rows = {k: np.flatnonzero(y_index == k) for k in wanted}
    small = {k: len(i) for k, i in class_rows.items() if len(i) < MIN_ROWS}
    if small:
        names = ", ".join(f"{classes.tolist()[k]!r} ({n} rows)" for k, n in small.items())
        warnings.warn(
            f"Too few rows to train a generator for the classes {names}: their new rows are "
            f"interpolations with noise. Collect at least {MIN_ROWS} rows of each class.",
            UserWarning,
            stacklevel=2,
        )
    sizes = {k: len(i) for k, i in class_rows.items() if k not in small}
    trained, interrupted = train_groups(
        plan_groups(sizes, n_weights(architecture, flow), training.batch_size, device),
        {k: to_tensor(T[class_rows[k]]) for k in sizes},
        root,
        n_jobs,
        architecture=architecture,
        flow=flow,
        training=training,
        device=device,
        **arguments,
    )
    history = {k: h for g in trained for k, h in zip(g.classes, g.history, strict=True)}
    # Too small a class, or one whose training an interruption forestalled.
    untrained = [k for k in wanted if k not in history or not len(history[k].train_loss)]
    scale = pooled_scale(T, y_index, len(classes)) if untrained else None
    generators = ClassGenerators(
        codec,
        [g._replace(interrupted=None) for g in trained],
        {k: (T[class_rows[k]], scale) for k in untrained},
        class_rows,
        {k: history[k] for k in sorted(history)},
        type(X) if sparse.issparse(X) else None,
        X.shape[1] < X.shape[0] and (codec.likelihood_ == "gaussian" or codec.binary_),
    )
    return generators, interrupted
