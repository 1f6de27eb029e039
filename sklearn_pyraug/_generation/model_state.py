"""Trained generators in a file: stacks of networks as their weights, and checks of what was read.

A stack is rebuilt from the architecture, once the names, shapes and dtypes of the weights in the
file have been found to be those of its networks: nothing is allocated for what is not there.
"""

from math import prod
from typing import NamedTuple

import numpy as np
import torch

from .._serialization.state import Adapter
from ..rhvae import FlowSettings, build_stack
from ..rhvae.metric.learned import Metric
from ..rhvae.networks.mlp import takes_reference

NETWORKS = ("encoder", "decoder", "metric_network")


class NetworksError(ValueError):
    """Networks that are not those of the training."""


class StackState(NamedTuple):
    """What a stack has learned; its networks follow from the architecture and the settings.

    Attributes
    ----------
    settings : FlowSettings
    training : bool
        Whether the stack is in the mode of training.
    n_members : int
    tensors : dict of str to Tensor
        Parameters and buffers.
    """

    settings: FlowSettings
    training: bool
    n_members: int
    tensors: dict[str, torch.Tensor]


def own_networks(architecture):
    """Return by name the networks that are the user's own."""
    specs = {name: getattr(architecture, name) for name in NETWORKS}
    return {name: s for name, s in specs.items() if s is not None and not isinstance(s, str)}


def seen_architecture(architecture, projection):
    """Return the architecture of the networks, which may see rows through a projection."""
    if projection is None:
        return architecture
    return architecture._replace(
        n_features=len(projection.basis), likelihood="gaussian", layout=None
    )


def stack_adapter(architecture):
    """Return how stacks of networks are written and read.

    Parameters
    ----------
    architecture : Architecture
        With the user's own networks in their places.

    Returns
    -------
    adapter : Adapter
        To write a stack of other networks than those of the architecture, or to read weights that
        are not those of the user's own networks, raises :class:`NetworksError`; weights that are
        not those of the package's own networks raise ValueError.
    """
    own = own_networks(architecture)

    def take(stack):
        tensors = stack.state_dict()
        kinds_differ = any(
            hasattr(getattr(stack, name), "stacked") != (name in own) for name in NETWORKS
        )
        expected = _shapes(_meta_stack(architecture, stack.settings, stack.n_classes), own)
        if kinds_differ or _shapes(tensors, own) != expected:
            raise NetworksError(
                "The parameters are not those of the last fit: its networks do not follow from "
                "them. Call fit again, or set the parameters back, before it is saved."
            )
        return StackState(stack.settings, stack.training, stack.n_classes, tensors)

    def make(state):
        hidden, tensors, n = architecture.hidden_layer_sizes, state.tensors, state.n_members
        # Checked before networks are made for so many members.
        sound = len(hidden) <= len(tensors) and all(len(t) == n for t in tensors.values())
        if not sound or not all(bool(t.isfinite().all()) for t in tensors.values()):
            raise ValueError("the weights of a stack of networks are not sound")
        if _shapes(tensors, own) != _shapes(_meta_stack(architecture, state.settings, n), own):
            raise ValueError("the weights of a stack of networks have other names or shapes")
        streams = [torch.Generator().manual_seed(0) for _ in range(n)]
        stack = build_stack(architecture, state.settings, streams)
        # Indices of columns follow from the architecture.
        for name, made in stack.state_dict().items():
            if name.startswith("likelihood.") and not made.is_floating_point():
                if not torch.equal(made, tensors[name]):
                    raise ValueError("the columns of the networks are others")
        try:
            stack.load_state_dict(tensors)
        except RuntimeError as error:
            raise NetworksError(
                f"{' and '.join(own)}: not what the model was trained with ({str(error)[:300]}). "
                "Pass the same networks, with the same sizes."
            ) from error
        return stack.train(state.training)

    return Adapter(StackState, take, make)


def _meta_stack(architecture, settings, n_members):
    """Return the tensors of a stack, the package's in place of the user's own networks.

    They are made on torch's meta device, where tensors have shapes and no memory.
    """
    stand_ins = dict.fromkeys(own_networks(architecture))
    if "decoder" in stand_ins and takes_reference(architecture.decoder):
        stand_ins["decoder"] = "residual"
    with torch.device("meta"):
        streams = [torch.Generator("cpu") for _ in range(n_members)]
        return build_stack(architecture._replace(**stand_ins), settings, streams).state_dict()


def _shapes(tensors, own):
    """Return by name the shapes and dtypes of what is not of the user's own networks."""
    names = [n for n in tensors if n.split(".")[0] not in own]
    return {n: (tuple(tensors[n].shape), tensors[n].dtype) for n in names}


def _require(condition, what):
    if not condition:
        raise ValueError(f"{what} do not fit together")


def _is(array, shape, dtypes, n=None):
    """Say whether an array or a tensor has a shape, a kind of dtype, and no index beyond n."""
    kind = str(array.dtype).removeprefix("torch.").rstrip("0123456789")
    fits = len(shape) == array.ndim and all(
        wanted in (None, found) for found, wanted in zip(array.shape, shape, strict=True)
    )
    inside = n is None or not len(array) or 0 <= int(array.min()) <= int(array.max()) < n
    return fits and kind in dtypes and inside


def _are_weights(weights, rows):
    """Say whether there is a weight for each row of each list of rows, or no weights at all."""
    return weights is None or (
        len(weights) == len(rows)
        and all(
            _is(w, (len(own),), "float") and bool(w.isfinite().all() and w.min() >= 0 and w.any())
            for w, own in zip(map(torch.as_tensor, weights), rows, strict=True)
        )
    )


def _check_guard(guard, n_rows, n_codes):
    sound = _is(guard.rows, (n_rows, n_codes), "float") and np.isfinite(guard.rows).all()
    _require(sound and guard.spacing.threshold >= 0, "the rows to keep away from")


def check_sides(architecture, n_codes):
    """Raise ValueError if networks for images are for others than those of `n_codes` codes.

    To be called before networks are made: their size follows from the sides.
    """
    a = architecture
    if a.sample_shape is not None:
        sizes = (*a.sample_shape, a.n_channels, *(a.coarse or ()))
        sound = min(sizes, default=0) > 0 and prod(a.sample_shape) == n_codes
        _require(sound and n_codes >= a.n_channels * prod(a.coarse or ()), "the sides of images")


def check_generators(g, n_rows, n_classes, architecture):
    """Raise ValueError unless the parts of generators fit together.

    Parameters
    ----------
    g : FittedGenerators
    n_rows, n_classes : int
        Of the training data.
    architecture : Architecture
        Of the networks.
    """
    a, n_codes, trained = architecture, g.n_codes, set(g.trained_classes)
    n_seen = n_codes
    if g.projection is not None:
        mean, basis, _ = g.projection
        n_seen = len(basis)
        sound = _is(mean, (n_codes,), "float") and _is(basis, (None, n_codes), "float")
        sound = sound and a.decoder == "residual" and a.width is a.coarse is None
        _require(sound, "the projection and the networks")
    elif a.sample_shape is not None:
        sound = a.n_channels * prod(a.extent) == a.n_features >= a.n_seen
        _require(sound and len(a.coarse or a.extent) == len(a.extent), "the sides of images")
    _require(a.n_features == n_seen, "the columns and the networks")
    rows = g.class_rows.values()
    sound = all(0 <= k < n_classes for k in g.class_rows) and g.small.keys() <= set(g.class_rows)
    _require(sound and all(_is(r, (None,), "int", n_rows) and len(r) for r in rows), "the classes")
    for k, (codes, scale, weights) in g.small.items():
        sound = _is(codes, (len(g.class_rows[k]), n_codes), "float") and _is(
            scale, (n_codes,), "float"
        )
        sound = sound and _are_weights(None if weights is None else [weights], [codes])
        _require(sound, "the rows of a class that was not trained")
    if g.references is not None:
        _require(_is(g.references, (n_rows, n_codes), "float"), "the reference rows")
    if g.guard is not None:
        _check_guard(g.guard, n_rows, n_codes)
    members = [m for group in g.trained for m in group.members]
    needed = {g.member_of(k) for k in trained}
    sound = len(set(members)) == len(members) and needed <= set(members)
    # Without reference rows, a generator draws rows of one class.
    sound = sound and (a.has_reference or not g.shared)
    _require(sound, "the classes and the generators")
    for group in g.trained:
        _check_group(group, g, n_classes, a, trained)


def _check_group(group, g, K, architecture, trained):
    generator, members = group.generator, group.members
    n, N, d = generator.latent.c.shape
    settings = generator.stack.settings
    sound = n == len(members) == len(group.history) == generator.stack.n_classes > 0
    _require(sound and settings.latent_dim == d, "the members of a generator")
    learned = isinstance(generator.latent.metric, Metric)
    _require(learned == settings.learns_metric, "the metric and the networks")
    _check_latent(generator.latent, n, N, d)
    if generator.references is None:
        rows = [g.class_rows.get(m, range(N)) for m in members]
        sound = not architecture.has_reference and _are_weights(
            generator.weights, generator.origins
        )
        sound = sound and all(
            _is(o, (None,), "int", len(r)) and 0 < len(o) <= N
            for o, r in zip(generator.origins, rows, strict=True)
        )
        _require(sound, "the rows of a generator")
        return
    rows = generator.rows if generator.fine is None else generator.fine
    parts = generator.rows, rows, generator.labels, generator.pairs, generator.counts
    widths = architecture.n_seen, architecture.n_features
    sound = (
        architecture.has_reference
        and generator.resolution == architecture.resolution
        and (generator.fine is None) == (generator.resolution is None)
        and {len(part) for part in parts} in ({n}, {1})
        and _are_weights(generator.weights, generator.rows)
    )
    _require(sound, "the rows of a generator")
    everything = g.shared or len(parts[0]) < n
    for m, (*coded, labels, pairs, counts) in zip(members, zip(*parts, strict=True), strict=False):
        own = trained if everything else trained & {m}
        sound = (
            all(_is(x, (len(labels), D), "float") for x, D in zip(coded, widths, strict=True))
            and all(x.dtype == torch.float32 and bool(x.isfinite().all()) for x in coded)
            and _is(labels, (None,), "int", K)
            and _is(pairs, (None, 2), "int", len(labels))
            and 0 < len(pairs) <= N
            and _are_weights([counts], [pairs])
            and bool((torch.as_tensor(counts) > 0).all())
            and all(int((labels == k).sum()) == len(g.class_rows[k]) for k in own)
        )
        _require(sound, "the rows of a generator")


def _check_latent(latent, n, N, d):
    metric = latent.metric
    shapes = {"c": (n, N, d), "offset": (n, 1, N)}
    if isinstance(metric, Metric):
        shapes |= {"mask": (n, N), "M": (n, N, d * d), "T": (n, 1, 1), "slope": (n, N, d + 1)}
    else:
        shapes |= {"precision": (n, N, d), "share": (n, N), "rho": (n, 1, 1)}
        shapes |= {"M": (n, N, d), "slope": (n, N, 2 * d)}
    tensors = [(getattr(metric, name), shape) for name, shape in shapes.items()]
    tensors += [(latent.c, (n, N, d)), (latent.log_var, (n, N, d))]
    sound = all(_is(t, shape, "float") and t.dtype == torch.float32 for t, shape in tensors)
    # Where log w is −∞ there is no centroid.
    values = [t for t, _ in tensors] + [metric.offset.exp(), torch.as_tensor(metric.lam)]
    sound = sound and all(bool(t.isfinite().all()) for t in values if t is not metric.offset)
    if not isinstance(metric, Metric):
        sound = sound and bool(((metric.share >= 0.0).all(-1) & (metric.share > 0.0).any(-1)).all())
    _require(sound, "the codes of a generator")
