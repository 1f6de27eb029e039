"""What is learned: generators between coded rows, and rows in X's units on either side."""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse

from ._cache import Keeping
from ._codec import TableCodec
from ._drawing import draw_classes
from ._fallback import MIN_ROWS, pooled_scale, smoothed_bootstrap
from ._parallel import Member, plan_groups, to_tensor, train_groups
from ._privacy import Guard, warn_of_close_rows
from ._projection import Projection, fit_projection
from ._random import attempt_seed, class_seed
from .rhvae import Transfer, n_weights, networks_in_turn
from .rhvae.records import joined_history
from .rhvae.resume import take_weights

__all__ = ["ClassGenerators", "Draws", "Output", "Plan", "learn"]

# The attempt that seeds a training that goes on after so many epochs, counted from here.
_CONTINUED = 10_000
# How often a row that came out as a copy of its reference, or too close to a row, is drawn again.
_MAX_REDRAWS = 10


class Plan(NamedTuple):
    """How classes, generators and rows belong together.

    Attributes
    ----------
    shared : bool
        One generator learns from the pairs of all classes; else one per class.
    n_generators : int
        So many of them, with different seeds, take turns.
    n_neighbors : int or None
        Of a row's possible references in training.
    """

    shared: bool = False
    n_generators: int = 1
    n_neighbors: int | None = None


class Output(NamedTuple):
    """What becomes of a draw in latent space.

    Attributes
    ----------
    noisy : bool
        Whether new rows are drawn from p(x | z, r); else they are its mean.
    transfer : Transfer or None
        Whether they take over a part of a pair's difference.
    class_filter : {"likelihood"} or None
        Whether rows that another class's generator finds more likely are drawn again.
    """

    noisy: bool = False
    transfer: Transfer | None = None
    class_filter: str | None = None


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
        By class index; of the first generator, where there are several.
    sparse_type : type or None
        Class of a sparse X.
    output : Output
    references : ndarray or None
        Where new rows start from real ones, the coded rows of X that are not to be copied;
        NaN for a row of which X holds a duplicate.
    guard : Guard or None
        What new rows must not come close to.
    """

    codec: TableCodec
    projection: Projection | None
    plan: Plan
    trained: list
    fallback: dict
    class_rows: dict
    n_classes: int
    history: dict
    sparse_type: type | None
    output: Output
    references: np.ndarray | None
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
            for T, origin in zip(drawn.rows, drawn.origins, strict=True):
                codes.append(T if self.projection is None else self.projection.decode(T))
                y_index.append(np.full(len(T), k))
                origins.append(self.class_rows[k][origin])
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
        T, origin = smoothed_bootstrap(rows, scale, n, class_seed(root, k, "fallback"))
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
        if self.guard is not None and (n_close := int(self.guard.is_close(room).sum())):
            warn_of_close_rows(n_close, len(room), 1 + _MAX_REDRAWS, self.guard.limit)
        return X_new, origins

    def _draw_one_class(self, k, n, root, arguments):
        if k in self.fallback:
            return self._draw_fallback(k, n, root)
        drawn = draw_classes(self, {k: n}, root, *arguments)[k]
        T = np.concatenate(drawn.rows)
        origins = self.class_rows[k][np.concatenate(drawn.origins)]
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
        return room == 0 if self.guard is None else self.guard.is_close(room)


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


def _unique_codes(T):
    """Return coded rows, with NaN for those that occur more than once."""
    _, group, count = np.unique(T, axis=0, return_inverse=True, return_counts=True)
    references = T.copy()
    references[count[group.ravel()] > 1] = np.nan
    return references


def learn(
    X,
    y,
    wanted,
    codec,
    root,
    *,
    plan,
    output,
    architecture,
    training,
    device,
    n_jobs,
    memory=None,
    folder=None,
    previous=None,
    **arguments,
):
    """Train the generators of some classes.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Validated rows.
    y : ndarray of shape (n_samples,)
        Labels.
    wanted : list of int
        Indices, among the sorted labels, of the classes that are to have a generator.
    codec : TableCodec
        Fitted on X.
    root : int
        Root seed.
    plan : Plan
    output : Output
    architecture : Architecture
    training : TrainingSettings
    device : str
    n_jobs : int or None
    memory : joblib.Memory or None, default=None
        Cache of finished trainings.
    folder : CheckpointFolder or None, default=None
        Where the state of the training is kept while it runs.
    previous : ClassGenerators or None, default=None
        From whose weights the training goes on.
    **arguments : dict
        ``flow``, ``metric``, ``validation_fraction`` and ``max_centroids`` of
        :func:`~sklearn_pyraug.rhvae.train_generator`.

    Returns
    -------
    generators : ClassGenerators
    interrupted : KeyboardInterrupt or None
        Set where the user interrupted the training. Classes that were not reached then have
        the generator of a class that is too small to train.
    """
    classes, y_index = np.unique(y, return_inverse=True)
    K = len(classes)
    T = codec.encode(X.toarray() if sparse.issparse(X) else X)
    class_rows = {k: np.flatnonzero(y_index == k) for k in wanted}
    counts = np.bincount(y_index)
    if plan.shared:
        # A class of one row has no pair of its own, and borrows those of the others.
        n_paired = int(counts[counts > 1].sum())
        small = [] if n_paired >= MIN_ROWS else list(wanted)
    else:
        small = [k for k in wanted if counts[k] < MIN_ROWS]
    if small:
        _warn_of_small_classes({classes.tolist()[k]: counts[k] for k in small})
    projection = None
    # A user's networks are promised the columns themselves.
    own_networks = architecture.encoder is not None or architecture.metric_network is not None
    wide = T.shape[1] > T.shape[0]
    if architecture.decoder == "residual" and wide and not own_networks:
        projection = fit_projection(T)
    seen = T
    if projection is not None:
        seen = projection.encode(T)
        architecture = architecture._replace(
            n_features=seen.shape[1], likelihood="gaussian", layout=None
        )
    rows, labels = to_tensor(seen), torch.from_numpy(y_index.astype(np.int64))
    if plan.shared:
        # Where no class is wanted, there may be no pair of rows to learn from.
        n_members = 0 if small or not wanted else plan.n_generators
        members = {g: Member(rows, labels) for g in range(n_members)}
    else:
        own = {k: Member(rows[i], labels[i]) for k, i in class_rows.items() if k not in small}
        if output.class_filter is not None and own:
            # A class that does not grow still claims the rows that are its own.
            for k in range(K):
                if k not in class_rows and counts[k] >= MIN_ROWS:
                    own[k] = Member(rows[y_index == k], labels[y_index == k])
        members = {k + K * g: m for g in range(plan.n_generators) for k, m in own.items()}
    sizes = {i: len(m.rows) for i, m in members.items()}
    flow = arguments["flow"]
    in_turn = networks_in_turn(architecture, flow)
    if in_turn and len(members) > 1:
        _warn_of_turns(in_turn, "generators" if plan.shared else "classes")
    n_numbers = n_weights(architecture, flow)
    if architecture.convolution is not None:
        # Few weights, but a batch of images takes memory.
        n_numbers += training.batch_size * architecture.n_seen
    groups = plan_groups(sizes, n_numbers, training.batch_size, device, bool(in_turn))
    start = before = None
    if previous is not None:
        start, before = _last_weights(previous, members, projection)
        # Other noise than that which the weights have seen.
        root = attempt_seed(root, _CONTINUED + max(len(h.train_loss) for h in before.values()))
    trained, interrupted = train_groups(
        groups,
        members,
        root,
        n_jobs,
        Keeping(memory, folder, start),
        architecture=architecture,
        training=training,
        device=device,
        n_neighbors=plan.n_neighbors,
        **arguments,
    )
    if before is not None:
        trained = [
            g._replace(
                history=[
                    joined_history(before[k], h) for k, h in zip(g.members, g.history, strict=True)
                ]
            )
            for g in trained
        ]
    records = {k: h for g in trained for k, h in zip(g.members, g.history, strict=True)}
    history = {
        k: records[0 if plan.shared else k] for k in wanted if (0 if plan.shared else k) in records
    }
    # Too small a class, or one whose training an interruption forestalled.
    untrained = [
        k
        for k in wanted
        if not all(
            i in records and len(records[i].train_loss)
            for i in (
                range(plan.n_generators) if plan.shared else range(k, K * plan.n_generators, K)
            )
        )
    ]
    scale = pooled_scale(T, y_index, K) if untrained else None
    generators = ClassGenerators(
        codec,
        projection,
        plan,
        [g._replace(interrupted=None) for g in trained],
        {k: (T[class_rows[k]], scale) for k in untrained},
        class_rows,
        K,
        dict(sorted(history.items())),
        type(X) if sparse.issparse(X) else None,
        output,
        _unique_codes(T) if architecture.has_reference else None,
    )
    return generators, interrupted


def _last_weights(previous, members, projection):
    """Return the weights and the histories with which the members ended the last training."""
    weights, histories = {}, {}
    for group in previous.trained:
        for position, k in enumerate(group.members):
            weights[k] = take_weights(group.generator.stack, position)
            histories[k] = group.history[position]
    same = (projection is None) == (previous.projection is None)
    if same and projection is not None:
        same = np.array_equal(projection.basis, previous.projection.basis)
    if not same or not members.keys() <= weights.keys():
        what = "other networks (classes that did not grow, or other parameters)"
        what = "the same rows, as the table is wide" if not same else what
        raise ValueError(
            f"warm_start=True goes on from the last fit, but this one needs {what}. Leave data and "
            "parameters as they were, or set warm_start=False."
        )
    return {k: weights[k] for k in members}, {k: histories[k] for k in members}


def _warn_of_small_classes(counts):
    names = ", ".join(f"{label!r} ({n} rows)" for label, n in counts.items())
    warnings.warn(
        f"Too few rows to train a generator for the classes {names}: their new rows are "
        f"interpolations with noise. Collect at least {MIN_ROWS} rows of each class.",
        UserWarning,
        stacklevel=2,
    )


def _warn_of_turns(reasons, members):
    causes = "; ".join(f"{r.parameter}: {r.layer} {r.reason}" for r in reasons)
    remedies = " ".join(dict.fromkeys(r.remedy for r in reasons))
    warnings.warn(
        f"{causes}, so {members} are trained one after another, which takes longer. {remedies}",
        UserWarning,
        stacklevel=2,
    )
