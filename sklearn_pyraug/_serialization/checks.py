"""Whether the parts of a fitted estimator fit together: what is declared against what is there.

Sizes are held against the arrays that came with them, before anything is allocated for them.
"""

from math import prod

import numpy as np
import torch

from .._generation.fitted import ClassGenerators
from .._generation.min_distance import Guard
from .._preprocessing.categorical import Levels
from .._preprocessing.containers import FrameContainers
from .._preprocessing.images import CHANNELS, ImageLayout
from .._preprocessing.mixed import MixedCodec
from .._preprocessing.schema import Schema
from .._preprocessing.table_codec import TableCodec
from .._sklearn_compat import ArraysTransformer
from ..rhvae import ClassHistory, Generator, ReferenceGenerator
from ..rhvae.metric.learned import Metric
from ..rhvae.metric.posterior import PosteriorMetric

__all__ = ["check_state"]

# What both kinds of files need beside the parameters, and what each does.
_COMMON = {
    "_codec": TableCodec,
    "_generators": ClassGenerators,
    "_layout": ImageLayout | None,
    "_n_rows": int,
    "_row_shape": tuple | None,
    "n_features_in_": int,
    "sample_shape_": tuple | None,
}
_NEEDED = {
    "augmenter": {
        **_COMMON,
        "_containers": ArraysTransformer | FrameContainers,
        "_schema": Schema | None,
        "classes_": np.ndarray,
    },
    "embedder": {**_COMMON, "_n_features_out": int, "history_": ClassHistory},
}
_MAX_BYTES_A_ROW = 2**28


def check_state(state, architecture, kind):
    """Check the fitted attributes of an augmenter or an embedder.

    Parameters
    ----------
    state : dict of str to object
        By name. Stacks may be replaced by their weights.
    architecture : Architecture
    kind : {"augmenter", "embedder"}

    Raises
    ------
    ValueError
        If one is missing, or does not fit the others.
    """
    for name, cls in _NEEDED[kind].items():
        _require(name in state, f"the attribute {name} is missing")
        _require(isinstance(state[name], cls), f"{name} is of type {type(state[name]).__name__}")
    codec, generators, n = state["_codec"], state["_generators"], state["_n_rows"]
    n_features = state["n_features_in_"]
    _check_codec(codec, n_features)
    _require(n >= 1, f"the number of rows is {n}")
    _check_shapes(state, n_features)
    if kind == "augmenter":
        _require(state["classes_"].shape == (generators.n_classes,), "labels and classes differ")
        _require(len(state["classes_"]) >= 2, "there are fewer than two classes")
        _check_containers(state, n_features)
    _require(generators.codec is codec, "the generators have another codec")
    _check_generators(generators, n, architecture)
    guard = state.get("_guard")
    if guard is not None:
        _require(isinstance(guard, Guard), f"_guard is of type {type(guard).__name__}")
        _check_array(guard.rows, (n, codec.n_codes_), "f", "the rows to keep away from")
        _require(bool(np.isfinite(guard.rows).all()), "the rows to keep away from are not finite")
        _require(guard.spacing.threshold >= 0, "the distance to keep is none")
    row = _trial_row(codec, n_features)
    if kind == "augmenter":
        _check_trial_row(row, state)
    else:
        _check_embedding(state)


def _check_embedding(state):
    """Check that there is one generator, which draws from z alone: what codes rows."""
    generators = state["_generators"]
    (group,) = generators.trained
    sound = generators.n_classes == 1 == len(group.members) and generators.projection is None
    _require(sound and isinstance(group.generator, Generator), "there is not one generator")
    _require(generators.class_rows.keys() == {0} and not generators.fallback, "it has no rows")
    latent_dim = group.generator.latent.c.shape[-1]
    _require(state["_n_features_out"] == latent_dim, "the codes have another dimension")


def _require(condition, what):
    if not condition:
        raise ValueError(what)


def _check_array(array, shape, kinds, where):
    """Check the shape of an array or a tensor; None stands for any length."""
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for found, wanted in zip(array.shape, shape, strict=True)
    )
    _require(fits, f"{where} has the shape {tuple(array.shape)}, not {shape}")
    if isinstance(array, torch.Tensor):
        is_index = array.dtype == torch.int64
        kind = "i" if is_index else "f" if array.dtype == torch.float32 else "?"
    else:
        kind = array.dtype.kind
    _require(kind in kinds, f"{where} is of the dtype {array.dtype}")


def _check_weights(weights, n, where):
    """Check the weights of rows, which are of double precision as a tensor, too."""
    weights = np.asarray(weights)
    _check_array(weights, (n,), "f", where)
    good = np.isfinite(weights).all() and (weights >= 0).all() and weights.any()
    _require(bool(good), f"{where} are no weights")


def _check_indices(array, n, shape, where):
    _check_array(array, shape, "iu", where)
    inside = not len(array) or (int(array.min()) >= 0 and int(array.max()) < n)
    _require(inside, f"{where} has indices outside [0, {n})")


def _check_finite(tensor, where, infinity=False):
    good = ~tensor.isnan() & (tensor < torch.inf) if infinity else tensor.isfinite()
    _require(bool(good.all()), f"{where} has values that are not finite")


def _check_codec(codec, n_features):
    n = codec.n_codes_
    _check_array(codec.constant_, (n_features,), "b", "the codec's constant_")
    for name in ("center_", "scale_"):
        _check_array(getattr(codec, name), (n,), "f", f"the codec's {name}")
    _require(codec.dtype_.kind in "biuf", f"the dtype of the rows is {codec.dtype_}")
    stop = 0
    for block in codec.blocks_:
        _require(block.start == stop < block.stop, "the codec's blocks leave gaps")
        stop = block.stop
    _require(stop == n, f"the codec's blocks end at {stop}, not {n}")
    layout = codec.layout_
    _require((layout is None) != isinstance(codec._code, MixedCodec), "the codec lacks a layout")
    if layout is None:
        return
    _require(layout.blocks == codec.blocks_, "the codec's layout has other blocks")
    _require(codec._code.layout == layout, "the codec's code has another layout")
    first, last = layout.span("gaussian")
    _require(len(layout.indicators) == last - first, "the codec's indicators do not fit")
    _require(all(-1 <= i < n for i in layout.indicators), "the codec's indicators do not fit")
    for column, start, levels in codec._code._levels:
        _require(0 <= column < n_features and 0 <= start < n, "a column of levels is outside")
        _check_levels(levels)
    for masked in codec._code._masked:
        _require(0 <= masked.column < n_features, "a masked column is outside")


def _check_levels(levels):
    _require(isinstance(levels, Levels), "a column of levels has none")
    n = len(levels.values)
    _check_array(levels.group, (n,), "iu", "the groups of levels")
    _check_array(levels.counts, (None, n), "iu", "the counts of levels")
    _require(n and levels.n_groups == levels.group.max() + 1, "levels and their groups differ")


def _check_shapes(state, n_features):
    """Check what says how rows look from outside."""
    layout, row_shape = state["_layout"], state["_row_shape"]
    shape = None if layout is None else layout.shape
    _require(state["sample_shape_"] == shape, "the sample_shape_ is another")
    if layout is not None:
        shapely = layout.shape and all(isinstance(s, int) and s > 0 for s in layout.shape)
        _require(shapely and layout.channels in CHANNELS, "the shape of an image is none")
        _require(prod(layout.shape) == n_features, "images and columns differ in number")
    if row_shape is not None:
        _require(all(isinstance(s, int) for s in row_shape), "the shape of a row is none")
        _require(prod(row_shape) == n_features, "a row's shape and the columns differ")


def _check_containers(state, n_features):
    """Check what rows are handed out in."""
    schema = state["_schema"]
    if schema is not None:
        _require(len(schema.columns) == n_features, "the schema has other columns")
        room = schema.dtype.itemsize * n_features
        _require(room <= _MAX_BYTES_A_ROW, f"a row would take {room} bytes")
    containers = state["_containers"]
    if isinstance(containers, FrameContainers):
        columns = None if containers.X is None else containers.X.columns
    else:
        columns = containers.x_props["columns"]
    if columns is not None:
        _require(len(columns) == n_features, "the dataframe has other columns")


def _check_images(a):
    """Check the sizes of images; those of networks are checked with the weights."""
    if a.sample_shape is not None:
        sizes = *a.sample_shape, a.n_channels, *(a.coarse or ())
        _require(all(isinstance(s, int) and s > 0 for s in sizes), f"images have the sizes {sizes}")
        pixels = prod(a.sample_shape), a.n_channels * prod(a.extent)
        _require(set(pixels) == {a.n_features}, f"images have {pixels} pixels")
    if a.coarse is not None:
        fits = a.sample_shape is not None and len(a.coarse) == len(a.extent)
        _require(fits and a.n_seen <= a.n_features, f"coarse images have the sides {a.coarse}")


def _check_generators(g, n_rows, architecture):
    if g.projection is None:
        _check_images(architecture)
    else:
        residual = architecture.decoder == "residual" and architecture.width is None
        _require(residual and architecture.coarse is None, "images have no projection")
    K, n_codes, D = g.n_classes, g.codec.n_codes_, architecture.n_features
    seen = n_codes
    if g.projection is not None:
        _check_array(g.projection.mean, (n_codes,), "f", "the projection's mean")
        _check_array(g.projection.basis, (None, n_codes), "f", "the projection's basis")
        seen = len(g.projection.basis)
    _require(D == seen, f"the networks see {D} columns, not {seen}")
    for k, rows in g.class_rows.items():
        _require(isinstance(k, int) and 0 <= k < K, f"there is no class {k!r}")
        _check_indices(rows, n_rows, (None,), f"the rows of class {k}")
    for k, (rows, scale) in g.fallback.items():
        _require(k in g.class_rows, f"class {k!r} has no rows")
        _check_array(rows, (len(g.class_rows[k]), n_codes), "f", f"the codes of class {k}")
        _check_array(scale, (n_codes,), "f", "the scale of classes that were not trained")
    if g.fallback_weights is not None:
        _require(g.fallback_weights.keys() == g.fallback.keys(), "weights of rows are missing")
        for k, weights in g.fallback_weights.items():
            _check_weights(weights, len(g.fallback[k][0]), f"the weights of class {k}")
    if g.references is not None:
        _check_array(g.references, (n_rows, n_codes), "f", "the reference rows")
    members = [m for group in g.trained for m in group.members]
    _require(all(isinstance(m, int) and m >= 0 for m in members), "a member's index is none")
    _require(len(set(members)) == len(members), "a member is there twice")
    if g.class_rows.keys() - g.fallback.keys():
        needed = {g.plan.member(k) for k in g.class_rows if k not in g.fallback}
        _require(needed <= set(members), "generators are missing")
    for i, group in enumerate(g.trained):
        _require(len(group.history) == len(group.members) > 0, "histories are missing")
        _check_group(group, i, g, architecture)


def _check_group(group, i, g, architecture):
    generator, n, K = group.generator, len(group.members), g.n_classes
    where = f"generator {i}"
    if generator.weights is not None:
        items = generator.origins if isinstance(generator, Generator) else generator.rows
        _require(len(generator.weights) == len(items), f"{where} has other weights")
        for weights, rows in zip(generator.weights, items, strict=True):
            _check_weights(weights, len(rows), f"the weights of {where}")
    settings = generator.stack.settings
    N, d = generator.latent.c.shape[1:]
    _require(settings.latent_dim == d, f"{where} has other latent dimensions")
    _check_latent(generator.latent, (n, N, d), where)
    if isinstance(generator, Generator):
        _require(len(generator.origins) == n, f"{where} has other origins")
        for m, origins in zip(group.members, generator.origins, strict=True):
            _require(len(origins) <= N, f"{where} has too many origins")
            rows = g.class_rows.get(m % K)
            n_own = N if rows is None else len(rows)
            _check_indices(origins, n_own, (None,), f"the origins of {where}")
        return
    _require(isinstance(generator, ReferenceGenerator), f"{where} is none")
    _require(generator.resolution == architecture.resolution, f"{where} has another resolution")
    _require((generator.fine is None) == (generator.resolution is None), f"{where} has other rows")
    parts = generator.rows, generator.references, generator.labels, generator.pairs
    _require({len(p) for p in parts} == {n}, f"{where} has other rows")
    for seen, rows, labels, pairs in zip(*parts, strict=True):
        for values, width in ((rows, architecture.n_features), (seen, architecture.n_seen)):
            _check_array(values, (len(rows), width), "f", f"the rows of {where}")
            _check_finite(values, f"the rows of {where}")
        _check_indices(labels, K, (len(rows),), f"the labels of {where}")
        _check_indices(pairs, len(rows), (None, 2), f"the pairs of {where}")
        _require(len(pairs) <= N, f"{where} has too many pairs")


def _check_latent(latent, shape, where):
    n, N, d = shape
    metric = latent.metric
    shapes = {"c": shape, "mask": (n, N), "offset": (n, 1, N)}
    if isinstance(metric, Metric):
        shapes |= {"M": (n, N, d * d), "T": (n, 1, 1), "slope": (n, N, d + 1)}
    else:
        _require(isinstance(metric, PosteriorMetric), f"{where} has no metric")
        shapes |= {"precision": shape, "rho": (n, 1, 1), "slope": (n, N, 2 * d)}
    tensors = {name: (getattr(metric, name), size) for name, size in shapes.items()}
    tensors |= {"code": (latent.c, shape), "log_var": (latent.log_var, shape)}
    for name, (tensor, size) in tensors.items():
        _check_array(tensor, size, "f", f"{name} of {where}")
        # No centroid is there where log w is −∞.
        _check_finite(tensor, f"{name} of {where}", infinity=name == "offset")
    _require(bool(torch.as_tensor(metric.lam).isfinite().all()), f"lam of {where} is not finite")


def _trial_row(codec, n_features):
    """Decode one row and code it again, as what uses the model does."""
    T = np.zeros((1, codec.n_codes_), dtype=np.float32)
    row = codec.decode(T, np.zeros(1, dtype=np.intp))
    _require(row.shape == (1, n_features), "the codec makes rows of another width")
    _require(codec.encode(row).shape == T.shape, "the codec makes codes of another width")
    return row


def _check_trial_row(row, state):
    """Hand a row out, as `sample` does."""
    schema = state["_schema"]
    sparse_type = state["_generators"].sparse_type
    values = row if sparse_type is None else sparse_type(row)
    values = values if schema is None else schema.values(values)
    containers = state["_containers"]
    if isinstance(containers, FrameContainers) and not containers.is_here():
        return  # It takes a library to tell; `sample` asks for it.
    containers.transform(values, state["classes_"][:1])
