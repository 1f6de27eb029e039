"""From generators to new coded rows: draws, and draws again of rows that come too close."""

from typing import NamedTuple

import numpy as np
import torch

from .._random import attempt_seed, class_generator, class_seed
from ..rhvae import DrawRequest, Generator, Output, ReferenceGenerator, SamplerSettings
from .cache import cached, digest, library_versions
from .fallback import smoothed_bootstrap
from .jobs import run_jobs
from .memory import drawing_attempts, warn_of_drawing
from .min_distance import CopyGuard, limited

# How often a row that is a copy of its reference, or too close to a row, is drawn again.
_MAX_REDRAWS = 10


class DrawSettings(NamedTuple):
    """How new rows are drawn.

    Attributes
    ----------
    sampler : SamplerSettings
    output : Output
    min_distance : float, "auto" or None
        How far from all training rows new ones have to be; None for any distance.
    """

    sampler: SamplerSettings
    output: Output
    min_distance: float | str | None = None


class NewRows(NamedTuple):
    """New rows.

    Attributes
    ----------
    X : ndarray of shape (n_new, n_features)
        Decoded, class by class; in the units and the dtype of the training rows.
    T : ndarray of float32 of shape (n_new, n_codes)
        Their codes.
    y_index : ndarray of int of shape (n_new,)
        Class indices.
    origins : ndarray of int of shape (n_new,)
        Index, among the training rows, of the row from which each was started.
    info : dict of int to dict
        Diagnostics of the chains, by class index.
    """

    X: np.ndarray
    T: np.ndarray
    y_index: np.ndarray
    origins: np.ndarray
    info: dict


class _GroupDraw(NamedTuple):
    """The draws of one group.

    Attributes
    ----------
    generator : Generator or ReferenceGenerator
    requests : list of (int, int, int)
        Position in the stack, class index and number of rows of each.
    settings : DrawSettings
    root : int
    device : str
    """

    generator: Generator | ReferenceGenerator
    requests: list
    settings: DrawSettings
    root: int
    device: str

    @property
    def work(self):
        """Multiplications of one evaluation of the metric in all chains."""
        _, n_centroids, d = self.generator.latent.c.shape
        return sum(n for _, _, n in self.requests) * n_centroids * d * d


def draw(generators, n_new, settings, execution, codec, memory=None):
    """Draw new rows.

    Parameters
    ----------
    generators : FittedGenerators
    n_new : dict of int to int
        Number of rows by class index.
    settings : DrawSettings
    execution : Execution
    codec : TableCodec
        Turns codes into rows, and these into the codes in which distances are measured.
    memory : joblib.Memory or None, default=None
        Cache of finished draws.

    Returns
    -------
    rows : NewRows
    """
    if memory is not None:
        part = generators, n_new, settings, execution.root, execution.device, codec
        key = digest((part, library_versions()))
        return cached(memory, key, draw, generators, n_new, settings, execution, codec)
    T, y_index, origins, info = _draw_once(generators, n_new, settings, execution)
    X = codec.decode(T, y_index)
    rows = NewRows(X, codec.encode(X), y_index, origins, info)
    guard = limited(generators.guard, settings.min_distance)
    if guard is None and generators.references is not None:
        guard = CopyGuard(generators.references)
    if guard is None:
        return rows
    return _redraw(T, rows, guard, generators, settings, execution, codec)


def _draw_once(generators, n_new, settings, execution):
    """Draw new rows, whatever they come close to; return codes, classes, origins and info."""
    trained = {k: n for k, n in n_new.items() if n and k not in generators.small}
    tasks = []
    for group in generators.trained:
        requests = [
            (group.members.index(generators.member_of(k)), k, n)
            for k, n in sorted(trained.items())
            if generators.member_of(k) in group.members
        ]
        if requests:
            tasks.append(
                _GroupDraw(group.generator, requests, settings, execution.root, execution.device)
            )
    work = max((task.work for task in tasks), default=0)
    results = list(run_jobs(_draw_group, ((task,) for task in tasks), execution, work=work))
    warn_of_drawing([device for _, device in results], execution.device)
    drawn = {}
    for task, (parts, _) in zip(tasks, results, strict=True):
        for (_, k, _), part in zip(task.requests, parts, strict=True):
            drawn[k] = generators.from_seen(part.rows.numpy()), part.origins.numpy(), part.info
    for k in generators.small.keys() & n_new.keys():
        T, scale, weights = generators.small[k]
        seed = class_seed(execution.root, k, "fallback")
        drawn[k] = *smoothed_bootstrap(T, scale, n_new[k], seed, weights), None
    order = sorted(drawn)
    none = np.empty((0, generators.n_codes), np.float32)
    return (
        np.concatenate([none, *(drawn[k][0] for k in order)]),
        np.concatenate([np.empty(0, int), *(np.full(len(drawn[k][0]), k) for k in order)]),
        np.concatenate([np.empty(0, int), *(generators.class_rows[k][drawn[k][1]] for k in order)]),
        {k: drawn[k][2] for k in order if k in trained},
    )


def _draw_group(task):
    """Draw from one group, on the CPU where the device's memory does not suffice.

    Parameters
    ----------
    task : _GroupDraw

    Returns
    -------
    drawn : list of Drawn
        One for each request.
    device : str
        Where it was drawn.
    """
    for attempt in drawing_attempts(task.generator.stack, task.device):
        requests = [
            DrawRequest(
                position,
                k,
                n,
                class_generator(task.root, k, "mcmc"),
                class_generator(task.root, k, "decode"),
            )
            for position, k, n in task.requests
        ]
        with attempt:
            drawn = task.generator.draw(
                requests, task.settings.sampler, task.settings.output, device=attempt.device
            )
    return [_in_arrays(part) for part in drawn], attempt.device


def _in_arrays(part):
    """Return drawn rows with diagnostics that are numbers and arrays."""
    info = {n: v.numpy() if torch.is_tensor(v) else v for n, v in part.info.items()}
    return part._replace(info=info)


def _redraw(T, rows, guard, generators, settings, execution, codec):
    """Draw again what is too close, up to ten times.

    Of several draws of a row the furthest is kept, and the last of equals.
    """
    y_index, origins = rows.y_index, rows.origins
    X, encoded = rows.X, rows.T
    distance = guard.distances(encoded, origins)

    def measure_again(drawn):
        """Decode all rows, as ranks make each depend on others; encode those that changed."""
        nonlocal X
        before, X = X, codec.decode(T, y_index)
        changed = ~((X == before) | (np.isnan(X) & np.isnan(before))).all(axis=1)
        changed[drawn] = True
        encoded[changed] = codec.encode(X[changed])
        distance[changed] = guard.distances(encoded[changed], origins[changed])

    for attempt in range(_MAX_REDRAWS):
        close = np.flatnonzero(guard.too_close(distance))
        if not len(close):
            break
        old_T, old_origins, old_distance = T[close], origins[close], distance[close]
        again = execution._replace(root=attempt_seed(execution.root, attempt + 1))
        for k in np.unique(y_index[close]).tolist():
            own = close[y_index[close] == k]
            T[own], _, origins[own], _ = _draw_once(generators, {k: len(own)}, settings, again)
        measure_again(close)
        worse = distance[close] < old_distance
        if worse.any():
            T[close[worse]], origins[close[worse]] = old_T[worse], old_origins[worse]
            measure_again(close[worse])
    guard.warn(distance, 1 + _MAX_REDRAWS)
    return rows._replace(X=X)
