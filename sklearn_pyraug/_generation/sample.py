"""Coded rows out of trained generators."""

from typing import NamedTuple

import numpy as np

from .groups import Order, draw_groups

__all__ = ["ClassDraw", "draw_classes"]


class ClassDraw(NamedTuple):
    """New rows of one class.

    Attributes
    ----------
    rows : ndarray of float32 of shape (n_k, n_features)
        As the networks see them.
    origins : ndarray of int of shape (n_k,)
        Index, within the class, of the row from which each was started.
    info : dict of str to float or ndarray
        Diagnostics of the draws.
    """

    rows: np.ndarray
    origins: np.ndarray
    info: dict


def draw_classes(generators, n_new, root, settings, device, n_jobs):
    """Draw new coded rows.

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
    orders = [Order(generators.plan.member(k), k, n) for k, n in sorted(n_new.items())]
    drawn = draw_groups(
        generators.trained, orders, settings, generators.output, root, device, n_jobs
    )
    return {order.label: ClassDraw(*own) for order, own in zip(orders, drawn, strict=True)}
