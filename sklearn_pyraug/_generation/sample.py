"""Coded rows out of trained generators, and which of them their own class recognises."""

from typing import NamedTuple

import numpy as np

from .._random import attempt_seed, class_generator
from ..rhvae import ReferenceGenerator
from ..rhvae.log_likelihood import score_from_references, score_rows
from .groups import Order, draw_groups, to_tensor
from .jobs import run_jobs
from .memory import draw_within_memory, warn_of_drawing

__all__ = ["ClassDraw", "draw_classes"]

# How often rows that another class finds more likely are drawn again.
_MAX_ROUNDS = 5
# The filter's attempts begin here: lower ones name the draws that replace copies of a reference.
_FIRST_ROUND = 101
# The attempt that seeds the scores of a draw.
_SCORING = 100
# Rows that are scored at once, for the choice of threads.
_CHUNK = 2048


class ClassDraw(NamedTuple):
    """New rows of one class.

    Attributes
    ----------
    rows : list of ndarray of float32, each of shape (n_i, n_features)
        As the networks see them; an array for each generator, or one where they are filtered.
    origins : list of ndarray of int, each of shape (n_i,)
        Index, within the class, of the row from which each was started.
    info : dict of str to float or ndarray
        Diagnostics of the first generator's draws, with a filter those of the first round and
        ``rejected_share``.
    """

    rows: list
    origins: list
    info: dict


def draw_classes(generators, n_new, root, settings, device, n_jobs):
    """Draw new coded rows, and with ``class_filter="likelihood"`` only what its class recognises.

    A row passes if no other class that has a generator finds it more likely: if
    log p(x | own class) is the largest of the classes' estimates, in which several generators
    of a class count as a mixture in equal shares. Rows that do not pass are drawn again, at
    most five times; if some are still lacking, those of all rejected rows are kept that
    lack the fewest nats.

    Parameters
    ----------
    generators : ClassGenerators
    n_new : dict of int to int
        Rows, at least one, by class index; all of these classes have a generator.
    root : int
        Root seed.
    settings : SamplerSettings
    device : str
    n_jobs : int or None

    Returns
    -------
    drawn : dict of int to ClassDraw
        In the order of the class indices.
    """
    arguments = (settings, device, n_jobs)
    if generators.output.class_filter is None or not n_new:
        return _fill(generators, n_new, root, *arguments)
    pools, infos, n_drawn, n_rejected = {}, {}, {}, {}
    missing, seed = n_new, root
    for attempt in range(_MAX_ROUNDS + 1):
        drawn = _fill(generators, missing, seed, *arguments)
        fresh = {k: (np.concatenate(d.rows), np.concatenate(d.origins)) for k, d in drawn.items()}
        deficits = _deficits(
            generators,
            {k: T for k, (T, _) in fresh.items()},
            attempt_seed(seed, _SCORING),
            device,
            n_jobs,
        )
        for k, (T, origin) in fresh.items():
            infos.setdefault(k, drawn[k].info)
            n_drawn[k] = n_drawn.get(k, 0) + len(T)
            n_rejected[k] = n_rejected.get(k, 0) + int((deficits[k] > 0).sum())
            pools[k] = _best(pools.get(k), (T, origin, deficits[k]), n_new[k])
        missing = {k: int((pools[k][2] > 0).sum()) for k in fresh}
        missing = {k: n for k, n in missing.items() if n}
        if not missing:
            break
        seed = attempt_seed(root, _FIRST_ROUND + attempt)
    return {
        k: ClassDraw(
            [pools[k][0]], [pools[k][1]], infos[k] | {"rejected_share": n_rejected[k] / n_drawn[k]}
        )
        for k in sorted(pools)
    }


def _best(pool, fresh, n):
    """Keep n rows, in the order in which they were drawn but for those that did not pass."""
    if pool is not None:
        fresh = tuple(np.concatenate(pair) for pair in zip(pool, fresh, strict=True))
    kept = np.argsort(fresh[2], kind="stable")[:n]
    return tuple(values[kept] for values in fresh)


def _orders(generators, k, n):
    """Split the new rows of a class among its generators."""
    K, plan = generators.n_classes, generators.plan
    shares = [len(part) for part in np.array_split(np.arange(n), plan.n_generators)]
    members = range(plan.n_generators) if plan.shared else range(k, K * plan.n_generators, K)
    return [
        Order(member, k, share, k + K * g)
        for g, (member, share) in enumerate(zip(members, shares, strict=True))
        # A group of which nothing is wanted is not asked.
        if share
    ]


def _fill(generators, n_new, root, settings, device, n_jobs):
    orders = [o for k, n in sorted(n_new.items()) for o in _orders(generators, k, n)]
    drawn, infos = draw_groups(
        generators.trained,
        orders,
        root,
        n_jobs,
        settings=settings,
        device=device,
        noisy=generators.output.noisy,
        transfer=generators.output.transfer,
    )
    classes = {}
    for order, (rows, origins), info in zip(orders, drawn, infos, strict=True):
        draw = classes.setdefault(order.label, ClassDraw([], [], info))
        draw.rows.append(rows)
        draw.origins.append(origins)
    return classes


def _deficits(generators, rows, root, device, n_jobs):
    """Return by how much another class finds rows more likely than their own does.

    Parameters
    ----------
    generators : ClassGenerators
    rows : dict of int to ndarray of float32 of shape (n_k, n_features)
        By class index.
    root : int
        Seed of the random streams, one for each class and group.
    device : str
    n_jobs : int or None

    Returns
    -------
    deficits : dict of int to ndarray of shape (n_k,)
        In nats; 0 where the own class is the most likely.
    """
    n = min(_CHUNK, max(len(T) for T in rows.values()))
    work = n * max(
        sum(p.numel() for p in group.generator.stack.parameters()) for group in generators.trained
    )
    calls = ((group, generators.n_classes, rows, root, device) for group in generators.trained)
    results = list(run_jobs(_score_group, calls, n_jobs, device=device, work=work))
    warn_of_drawing([used for _, used in results], device)
    results = [scored for scored, _ in results]
    labels = np.concatenate([label for label, _ in results])
    competes = ~np.isin(labels, list(generators.fallback))
    deficits = {}
    for j, k in enumerate(rows):
        scores = np.concatenate([score[j] for _, score in results])
        by_class = {
            c: np.logaddexp.reduce(scores[labels == c], axis=0) - np.log((labels == c).sum())
            for c in np.unique(labels[competes]).tolist()
        }
        own = by_class.pop(k)
        other = np.max([np.full_like(own, -np.inf), *by_class.values()], axis=0)
        deficits[k] = np.zeros_like(own)
        np.subtract(other, own, out=deficits[k], where=other > own)
    return deficits


def _score_group(group, n_classes, rows, root, device):
    """Score the rows of every class under what one group has learned.

    Returns
    -------
    scored : (list of int, list of ndarray of shape (n_labels, n_k))
        The class of each score, more than once where a class has several generators; and for
        each class of `rows` the scores in nats.
    device : str
        Where they were made.
    """
    generator = group.generator
    x = [to_tensor(T) for T in rows.values()]

    def score(device):
        # A set of streams of its own for each attempt.
        index = n_classes * group.members[0]
        streams = [class_generator(root, k + index, "noise") for k in rows]
        if not isinstance(generator, ReferenceGenerator):
            passes = [[m % n_classes for m in group.members]]
            return passes, [score_rows(generator, x, streams, device=device)]
        # One pass per class where all share the members, one pass in all where each has its own.
        passes = list(zip(*(y.unique().tolist() for y in generator.labels), strict=True))
        return passes, [
            score_from_references(generator, p, x, streams, device=device) for p in passes
        ]

    (passes, parts), device = draw_within_memory(score, generator.stack, device)
    # An interruption leaves members that were not reached.
    trained = np.flatnonzero([len(h.train_loss) for h in group.history])
    labels = [p[i] for p in passes for i in trained]
    scores = [
        np.concatenate([s.numpy().astype(np.float64)[trained] for s in sets])
        for sets in zip(*parts, strict=True)
    ]
    return (labels, scores), device
