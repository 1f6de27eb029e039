"""From the estimator's parameters to the generator's settings."""

from math import prod
from numbers import Integral, Real
from os import PathLike
from typing import NamedTuple

from skorch.callbacks import Callback

from ._generation.sample import DrawSettings
from ._preprocessing.images import CHANNELS
from ._sklearn_compat import HasMethods, Interval, StrOptions
from ._validation import check_hidden_layer_sizes, check_transfer_scale
from .rhvae import (
    METRICS,
    SAMPLERS,
    Architecture,
    FitSettings,
    FlowSettings,
    Output,
    SamplerSettings,
    TrainingSettings,
    Transfer,
    coarse_extent,
)

__all__ = ["PARAMETER_CONSTRAINTS", "Settings", "codec_likelihood", "decoder_kind", "settle"]

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")

PARAMETER_CONSTRAINTS = {
    "sampling_strategy": [
        StrOptions({"auto", "minority", "not minority", "not majority", "all"}),
        Interval(Real, 0, 1, closed="right"),
        dict,
        callable,
    ],
    "augmentation_factor": [Interval(Real, 1, None, closed="left")],
    "latent_dim": [_COUNT, StrOptions({"auto"})],
    "n_leapfrog": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
    "leapfrog_step": [_POSITIVE],
    "beta_zero": [Interval(Real, 0, 1, closed="right")],
    "temperature": [_POSITIVE, StrOptions({"auto"})],
    "regularization": [_POSITIVE, StrOptions({"auto"})],
    "metric": [StrOptions(set(METRICS))],
    "networks": [StrOptions({"auto", "mlp", "conv"})],
    "hidden_layer_sizes": ["array-like", _COUNT],
    "encoder": [HasMethods("forward"), callable, None],
    "decoder": [
        StrOptions({"auto", "direct", "residual", "deformation"}),
        HasMethods("forward"),
        callable,
    ],
    "metric_network": [HasMethods("forward"), callable, None],
    "sample_shape": ["array-like", StrOptions({"auto"}), None],
    "channels": [StrOptions(set(CHANNELS))],
    "shared": ["boolean", StrOptions({"auto"})],
    "n_neighbors": [_COUNT, StrOptions({"auto"}), None],
    "likelihood": [StrOptions({"auto", "gaussian", "bernoulli", "binomial"})],
    "categorical_features": ["array-like", None],
    "missing": [StrOptions({"error", "keep"})],
    "value_mapping": [StrOptions({"auto", "nearest", "quantile"}), None],
    "scaling": [StrOptions({"auto", "standard", "quantile"})],
    "max_epochs": [_COUNT],
    "batch_size": [_COUNT, StrOptions({"auto"})],
    "lr": [_POSITIVE],
    "patience": [_COUNT, None],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "callbacks": [list, tuple, None],
    "device": [str],
    "n_jobs": [
        Interval(Integral, None, -1, closed="right"),
        Interval(Integral, 1, None, closed="left"),
        None,
    ],
    "output": [StrOptions({"auto", "mean", "draw", "transfer"})],
    "min_distance": [_POSITIVE, StrOptions({"auto"}), None],
    "transfer_scale": ["array-like", _NOT_NEGATIVE],
    "residual_share": [Interval(Real, 0, 1, closed="both")],
    "sampler": [StrOptions({"auto", *SAMPLERS})],
    "n_mcmc_steps": [_COUNT],
    "n_mcmc_leapfrog": [_COUNT],
    "mcmc_step_size": [_POSITIVE, None],
    "max_centroids": [_COUNT, None],
    "checkpoint": [str, PathLike, None],
    "checkpoint_interval": [_POSITIVE],
    "memory": [str, PathLike, HasMethods(["cache"]), None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


# Latent dimensions, unless there are fewer columns or rows to learn from.
_LATENT_DIM = 10
# The fewest and the most rows of a step, and the values in it by which the number is chosen.
_BATCH_SIZES = (8, 100)
_BATCH_VALUES = 6_000_000
# Pixels beyond which a perceptron has too many weights.
_MAX_MLP_PIXELS = 10_000
# Rows from which convolutional networks are twice, and again twice as wide.
_ROWS_OF_WIDTHS = (100, 1000)


class Settings(NamedTuple):
    """What the parameters come to for given data.

    Attributes
    ----------
    decoder : {"direct", "residual", "deformation", "custom"}
    shared : bool
        Whether one generator learns from the pairs of all classes.
    fit : FitSettings
    draw : DrawSettings
    """

    decoder: str
    shared: bool
    fit: FitSettings
    draw: DrawSettings


def decoder_kind(estimator, layout):
    """Return which decoder is meant: "direct", "residual", "deformation" or "custom".

    Parameters
    ----------
    estimator : RHVAEAugmenter
    layout : ImageLayout or None
        The axes of a row that is an image.
    """
    decoder = estimator.decoder
    if not isinstance(decoder, str):
        return "custom"
    n_axes = 0 if layout is None else len(layout.spatial)
    if decoder == "auto":
        return "deformation" if n_axes in (2, 3) else "residual"
    if decoder == "deformation" and not n_axes:
        shape = None if layout is None else layout.shape
        raise ValueError(
            f"decoder='deformation' warps images, but the rows have the sample_shape {shape!r}. "
            "Pass sample_shape=(height, width), or decoder='residual' for a table."
        )
    return decoder


def codec_likelihood(estimator, kind):
    """Return the kind of codes: an image that is warped has one scale, whatever its noise is."""
    if kind == "deformation" and estimator.likelihood == "gaussian":
        return "auto"
    return estimator.likelihood


def settle(estimator, codec, layout, n_rows):
    """Decide everything that depends on the data.

    Parameters
    ----------
    estimator : RHVAEAugmenter
    codec : TableCodec
        Fitted.
    layout : ImageLayout or None
        The axes of a row that is an image.
    n_rows : int

    Returns
    -------
    settings : Settings
    """
    kind = decoder_kind(estimator, layout)
    architecture = _architecture(estimator, codec, kind, layout, n_rows)
    reference = architecture.has_reference
    fit = FitSettings(
        architecture,
        _flow(estimator, codec, kind, n_rows, architecture.width is not None),
        _training(estimator, architecture.n_seen),
        estimator.metric,
        _n_neighbors(estimator, kind),
        float(estimator.validation_fraction),
        estimator.max_centroids,
    )
    draw = DrawSettings(
        _sampler(estimator, reference),
        _output(estimator, codec, kind, reference, n_rows),
        estimator.min_distance,
    )
    return Settings(kind, _is_shared(estimator, kind, reference), fit, draw)


def _architecture(estimator, codec, kind, layout, n_rows):
    likelihood = codec.likelihood_
    if kind == "deformation" and estimator.likelihood in ("auto", "gaussian"):
        likelihood = "isotropic"
    return Architecture(
        codec.n_codes_,
        likelihood,
        check_hidden_layer_sizes(estimator.hidden_layer_sizes),
        None if layout is None else layout.network_shape,
        estimator.encoder,
        estimator.decoder if kind == "custom" else {"direct": None}.get(kind, kind),
        estimator.metric_network,
        codec.layout_,
        1 if layout is None else layout.n_channels,
        _width(estimator, kind, layout, n_rows),
        _coarse(estimator, kind, layout),
    )


def _coarse(estimator, kind, layout):
    """Return the sides of the images from which a deformation is learned, or None."""
    own = estimator.encoder is not None or estimator.metric_network is not None
    # A user's networks are promised the images themselves.
    return coarse_extent(layout.spatial) if kind == "deformation" and not own else None


def _width(estimator, kind, layout, n_rows):
    """Return the width of convolutional networks, or None for perceptrons."""
    networks, n_axes = estimator.networks, 0 if layout is None else len(layout.spatial)
    if networks == "conv" and not n_axes:
        shape = None if layout is None else layout.shape
        raise ValueError(
            f"networks='conv' reads images, but the rows have the sample_shape {shape!r}. Pass "
            "X of shape (n_samples, height, width) or a sample_shape, or networks='auto'."
        )
    if networks == "auto":
        # Direct decoders are trained in few steps, in which small images are learned better by
        # perceptrons.
        large = layout is not None and prod(layout.shape) > _MAX_MLP_PIXELS
        networks = "conv" if n_axes > 1 and (kind == "deformation" or large) else "mlp"
    if networks == "mlp" or kind == "residual":
        return None
    width = 16 * 2 ** sum(n_rows >= n for n in _ROWS_OF_WIDTHS)
    return width if n_axes < 3 else width // 2


def _flow(estimator, codec, kind, n_rows, convolutional):
    d, n_leapfrog = estimator.latent_dim, estimator.n_leapfrog
    if d == "auto":
        d = max(2, min(_LATENT_DIM, codec.n_codes_, n_rows - 1))
    if n_leapfrog == "auto":
        n_leapfrog = 3 if kind in ("direct", "custom") else 0
    if estimator.metric == "posterior":
        n_leapfrog = 0
    T, lam = estimator.temperature, estimator.regularization
    return FlowSettings(
        int(d),
        int(n_leapfrog),
        float(estimator.leapfrog_step),
        float(estimator.beta_zero),
        1.0 if T == "auto" else float(T),
        0.01 if lam == "auto" else float(lam),
        # The derivative of linear interpolation jumps from pixel to pixel: its own derivative
        # says nothing. Convolutions are twice as fast without, and classifiers gain the same.
        second_order=kind != "deformation" and not convolutional,
        rescale=(T == "auto", lam == "auto"),
    )


def _training(estimator, n_seen):
    batch_size = estimator.batch_size
    if batch_size == "auto":
        batch_size = min(_BATCH_SIZES[1], max(_BATCH_SIZES[0], _BATCH_VALUES // n_seen))
    return TrainingSettings(
        int(estimator.max_epochs),
        int(batch_size),
        float(estimator.lr),
        estimator.patience,
        _callbacks(estimator.callbacks),
        int(estimator.verbose),
    )


def _callbacks(callbacks):
    """Return callbacks as a list, or raise where one is none of skorch's."""
    for i, item in enumerate(callbacks or ()):
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise ValueError(
                f"callbacks[{i}] is {callback!r}, which is no callback. Pass those of "
                "skorch.callbacks, your own subclasses of skorch.callbacks.Callback, or pairs of a "
                "name and one of these."
            )
    return None if callbacks is None else list(callbacks)


def _sampler(estimator, reference):
    name, step_size = estimator.sampler, estimator.mcmc_step_size
    if name == "auto":
        name = "posterior" if reference else "hmc"
    if name in ("geodesic", "random_walk") and estimator.metric == "posterior":
        raise ValueError(
            f"sampler={name!r} follows the learned metric, but metric='posterior'. "
            "Use metric='learned', or sampler='hmc' or 'posterior'."
        )
    return SamplerSettings(
        name,
        int(estimator.n_mcmc_steps),
        int(estimator.n_mcmc_leapfrog),
        None if step_size is None else float(step_size),
    )


def _is_shared(estimator, kind, reference):
    shared = estimator.shared
    if shared == "auto":
        shared = reference
    elif shared and not reference:
        raise ValueError(
            f"shared=True lets all classes learn from one network, but decoder={kind!r} draws "
            "from z alone and cannot tell the classes apart. Use shared=False, or "
            "decoder='residual' or 'deformation'."
        )
    return bool(shared)


def _n_neighbors(estimator, kind):
    n_neighbors = estimator.n_neighbors
    if n_neighbors == "auto":
        return 5 if kind == "deformation" else None
    return n_neighbors


def _output(estimator, codec, kind, reference, n_rows):
    output = estimator.output
    if output == "auto":
        narrow = len(codec.constant_) < n_rows
        likely = codec.likelihood_ in ("gaussian", "mixed") or codec.binary_
        if kind == "residual":
            output = "transfer"
        else:
            output = "draw" if kind != "deformation" and narrow and likely else "mean"
    if output == "transfer" and not reference:
        raise ValueError(
            f"output='transfer' carries differences of rows over to a reference row, but "
            f"decoder={kind!r} has none. Use output='mean' or 'draw', or decoder='residual'."
        )
    low, high = check_transfer_scale(estimator.transfer_scale)
    transfer = Transfer(low, high, float(estimator.residual_share))
    return Output(output == "draw", transfer if output == "transfer" else None)
