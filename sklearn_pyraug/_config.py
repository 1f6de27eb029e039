"""From the parameters of an estimator and its data to the settings of a generator."""

from math import prod, sqrt
from numbers import Integral, Real
from os import PathLike
from typing import NamedTuple

from sklearn.base import clone
from skorch.callbacks import Callback

from ._components import (
    COMPONENTS,
    HMC,
    MLP,
    Checkpoint,
    Columns,
    Deformation,
    ImageShape,
    IndependentMH,
    LearnedMetric,
    PosteriorMetric,
    RandomWalk,
    Residual,
    Transfer,
    component,
    metric_of,
)
from ._generation.sample import DrawSettings
from ._sklearn_compat import HasMethods, Interval, StrOptions
from ._validation import check_hidden_layer_sizes, check_scale
from .rhvae import (
    METRICS,
    SAMPLERS,
    Architecture,
    FineTuning,
    FitSettings,
    FlowSettings,
    Output,
    SamplerSettings,
    TrainingSettings,
    coarse_extent,
    n_multiplications,
)
from .rhvae import Transfer as TransferSettings
from .rhvae.networks.mlp import takes_reference

_POSITIVE = Interval(Real, 0, None, closed="neither")
_COUNT = Interval(Integral, 1, None, closed="left")

PARAMETER_CONSTRAINTS = {
    "sampling_strategy": [
        StrOptions({"auto", "minority", "not minority", "not majority", "all"}),
        Interval(Real, 0, 1, closed="right"),
        dict,
        callable,
    ],
    "augmentation_factor": [Interval(Real, 1, None, closed="left"), StrOptions({"auto"})],
    "sample_shape": ["array-like", StrOptions({"auto"}), ImageShape, None],
    "categorical_features": ["array-like", None],
    "missing": [StrOptions({"error", "keep"})],
    "columns": [StrOptions({"auto"}), Columns],
    "decoder": [
        StrOptions({"auto", "direct", "residual", "deformation"}),
        Residual,
        Deformation,
        HasMethods("forward"),
        callable,
    ],
    "encoder": [StrOptions({"auto", "mlp", "conv"}), MLP, HasMethods("forward"), callable],
    "latent_dim": [_COUNT, StrOptions({"auto"})],
    "metric": [StrOptions({"auto", *METRICS}), LearnedMetric, PosteriorMetric],
    "shared": ["boolean", StrOptions({"auto"})],
    "sampler": [StrOptions({"auto", *SAMPLERS}), HMC, IndependentMH, RandomWalk],
    "output": [StrOptions({"auto", "mean", "draw", "transfer"}), Transfer],
    "min_distance": [_POSITIVE, StrOptions({"auto"}), None],
    "max_epochs": [_COUNT],
    "batch_size": [_COUNT, StrOptions({"auto"})],
    "lr": [_POSITIVE],
    "patience": [_COUNT, None],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "callbacks": [list, tuple, None],
    "memory": [str, PathLike, HasMethods(["cache"]), None],
    "checkpoint": [str, PathLike, Checkpoint, None],
    "device": [str],
    "n_jobs": [
        Interval(Integral, None, -1, closed="right"),
        Interval(Integral, 1, None, closed="left"),
        None,
    ],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


# Latent dimensions, unless there are fewer columns or rows to learn from.
_LATENT_DIM = 10
_FINE_TUNING = FineTuning(share=0.1, lr_factor=0.05)
# Least and largest number of rows in a step, and the number of values in it that "auto" aims at.
_BATCH_SIZES = (8, 100)
_BATCH_VALUES = 6_000_000
# Multiplications in the forward pass of a step above which an accelerator is faster. An H200 takes
# 3 ms for a step without a flow, and 25 ms with one, whatever its size. One thread of a CPU does 40
# million in that time. Tables of 300 x 10 and 62 x 2,000 (1 and 2 million) were faster on 16 cores,
# and 500 images of 784 pixels (66 million) on the H200. Other sizes and devices were not measured.
_MIN_ACCELERATED_WORK = 30_000_000
# Number of pixels above which a perceptron has too many weights.
_MAX_MLP_PIXELS = 10_000
# Partners of a row in narrow tables, the most columns of a narrow table, and the most rows that are
# searched, because the time of the search grows with their square.
_NEAR = 5
_MAX_NARROW_COLUMNS = 20
_MAX_SEARCHED_ROWS = 5_000
# Numbers of rows at which the width of convolutional networks is doubled.
_ROWS_OF_WIDTHS = (100, 1000)


class Settings(NamedTuple):
    """What the parameters come to for given data.

    Attributes
    ----------
    decoder : {"direct", "residual", "deformation", "custom"}
    shared : {True, False, "first"}
        See :class:`.fit.FitRequest`.
    fit : FitSettings
    draw : DrawSettings
    """

    decoder: str
    shared: bool | str
    fit: FitSettings
    draw: DrawSettings


def image_shape_of(estimator):
    """Return an estimator's `sample_shape` and the axis of channels.

    Returns
    -------
    shape : tuple of int, "auto" or None
    channels : {"auto", "first", "last", "none"}
    """
    image = component("sample_shape", estimator.sample_shape)
    return (None, "auto") if image is None else (image.shape, image.channels)


def columns_of(estimator, kind):
    """Return how the columns are coded, for a kind of decoder, as :class:`Columns`."""
    columns = component("columns", estimator.columns)
    if kind == "deformation" and columns.likelihood == "gaussian":
        # All pixels of a warped image have one scale, whatever the noise is.
        return clone(columns).set_params(likelihood="auto")
    return columns


def decoder_kind(estimator, layout):
    """Return which decoder is meant: "direct", "residual", "deformation" or "custom".

    Parameters
    ----------
    estimator : RHVAEAugmenter
    layout : ImageLayout or None
        The axes of a row that is an image.
    """
    decoder = component("decoder", estimator.decoder)
    n_axes = 0 if layout is None else len(layout.spatial)
    if isinstance(decoder, Residual):
        return "residual"
    if isinstance(decoder, Deformation):
        if n_axes:
            return "deformation"
        shape = None if layout is None else layout.shape
        raise ValueError(
            "decoder='deformation' warps images, but the rows have the sample_shape "
            f"{shape!r}. Pass sample_shape=(height, width), or decoder='residual' for a table."
        )
    if decoder == "auto":
        return "deformation" if n_axes in (2, 3) else "residual"
    return "direct" if isinstance(decoder, str) else "custom"


def resolve(estimator, codec, layout, n_rows):
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
    metric = metric_of(estimator.metric, estimator.decoder)
    if estimator.metric == "auto" and kind == "custom" and takes_reference(estimator.decoder):
        metric = "posterior"
    metric = component("metric", metric)
    architecture = _architecture(estimator, codec, metric, kind, layout, n_rows)
    reference = architecture.has_reference
    flow = _flow(estimator.latent_dim, metric, codec, kind, n_rows, architecture.width is not None)
    shared = _shared(estimator, kind, reference)
    fit = FitSettings(
        architecture,
        flow,
        *_training(estimator, architecture.n_seen, flow, shared),
        _n_neighbors(estimator, kind, codec, n_rows),
        float(estimator.validation_fraction),
        metric.max_centroids,
    )
    draw = DrawSettings(
        _sampler(estimator, metric),
        _output(estimator, codec, kind, reference, layout, n_rows),
        estimator.min_distance,
    )
    return Settings(kind, shared, fit, draw)


def training_device(device, settings, n_rows, n_classes=1):
    """Return the accelerator that `"auto"` has found, or the CPU for steps that are too small.

    Parameters
    ----------
    device : str
    settings : Settings
    n_rows, n_classes : int
        What is learned from.

    Returns
    -------
    device : str
    """
    architecture, flow, training = settings.fit[:3]
    if architecture.decoder == "residual":
        # Wide tables are projected to at most as many coordinates as there are rows.
        architecture = architecture._replace(n_features=min(architecture.n_features, n_rows))
    n_members = 1 if settings.shared else n_classes
    n_seen = min(n_members * training.batch_size, n_rows)
    small = n_seen * n_multiplications(architecture, flow) < _MIN_ACCELERATED_WORK
    return "cpu" if small else device


def _architecture(estimator, codec, metric, kind, layout, n_rows):
    likelihood = codec.likelihood_
    if kind == "deformation" and columns_of(estimator, kind).likelihood == "auto":
        likelihood = "isotropic"
    encoder = component("encoder", estimator.encoder)
    own_encoder = None if isinstance(encoder, (str, MLP)) else encoder
    own_metric = getattr(metric, "network", None)
    perceptron = encoder if isinstance(encoder, MLP) else MLP()
    coarse = None
    if kind == "deformation" and own_encoder is None and own_metric is None:
        # A user's networks get the images at full size.
        coarse = coarse_extent(layout.spatial, n_rows)
    return Architecture(
        codec.n_codes_,
        likelihood,
        check_hidden_layer_sizes(perceptron.hidden_layer_sizes),
        _network_shape(codec, layout),
        own_encoder,
        {"custom": estimator.decoder, "direct": None}.get(kind, kind),
        own_metric,
        codec.layout_,
        1 if layout is None else layout.n_channels * (1 + codec.has_mask_),
        _width(encoder, kind, layout, n_rows),
        coarse,
        # A mask has no grey values. With exposure, the decoder would dim pixels that it is not sure
        # of, and masks would grow.
        not codec.two_valued_,
    )


def _network_shape(codec, layout):
    """Return the shape in which networks see a row; masks of missing pixels are channels."""
    if layout is None or not codec.has_mask_:
        return None if layout is None else layout.network_shape
    return 2 * layout.n_channels, *layout.extent


def _width(encoder, kind, layout, n_rows):
    """Return the width of convolutional networks, or None for perceptrons."""
    n_axes = 0 if layout is None else len(layout.spatial)
    convolutional = encoder == "conv" if isinstance(encoder, str) else False
    if convolutional and not n_axes:
        shape = None if layout is None else layout.shape
        raise ValueError(
            f"encoder='conv' reads images, but the rows have the sample_shape {shape!r}. Pass "
            "X of shape (n_samples, height, width) or a sample_shape, or encoder='auto'."
        )
    if not isinstance(encoder, MLP) and not convolutional:
        # Direct decoders are trained in few steps, in which perceptrons learn small images better.
        large = layout is not None and prod(layout.shape) > _MAX_MLP_PIXELS
        convolutional = n_axes > 1 and (kind == "deformation" or large)
    if not convolutional or kind == "residual":
        return None
    width = 16 * 2 ** sum(n_rows >= n for n in _ROWS_OF_WIDTHS)
    return width if n_axes < 3 else width // 2


def _flow(latent_dim, metric, codec, kind, n_rows, convolutional):
    d = latent_dim
    if d == "auto":
        d = max(2, min(_LATENT_DIM, codec.n_codes_, n_rows - 1))
    lam = metric.regularization
    fixed_lam = 0.01 if lam == "auto" else float(lam)
    if isinstance(metric, PosteriorMetric):
        return FlowSettings(
            int(d),
            int(metric.n_leapfrog),
            float(metric.leapfrog_step),
            float(metric.beta_zero),
            regularization=fixed_lam,
            n_fixed_point=int(metric.n_fixed_point),
            rescale_regularization=lam == "auto",
            metric="posterior",
        )
    T = metric.temperature
    return FlowSettings(
        int(d),
        int(metric.n_leapfrog),
        float(metric.leapfrog_step),
        float(metric.beta_zero),
        sqrt(d) if T == "auto" else float(T),
        fixed_lam,
        int(metric.n_fixed_point),
        # Not for deformations: the derivative of linear interpolation jumps from pixel to pixel,
        # and its own derivative says nothing. Not for convolutions: they are twice as fast without,
        # and classifiers gain as much. Not for splitting, which reaches the same likelihood
        # without.
        second_order=metric.integrator == "leapfrog"
        and kind != "deformation"
        and not convolutional,
        rescale_regularization=lam == "auto",
        integrator=metric.integrator,
    )


def _training(estimator, n_seen, flow, shared):
    """Return the settings of the training, and of a second phase or None."""
    batch_size = estimator.batch_size
    if batch_size == "auto":
        batch_size = min(_BATCH_SIZES[1], max(_BATCH_SIZES[0], _BATCH_VALUES // n_seen))
    training = TrainingSettings(
        int(estimator.max_epochs),
        int(batch_size),
        float(estimator.lr),
        estimator.patience,
        _callbacks(estimator.callbacks),
        int(estimator.verbose),
    )
    one_phase = shared != "first" and (flow.metric == "learned" or not flow.n_leapfrog)
    return training, None if one_phase else _FINE_TUNING


def _callbacks(callbacks):
    """Return callbacks as a list, or raise if one is not of skorch."""
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


def _sampler(estimator, metric):
    auto = "independent_mh" if isinstance(metric, PosteriorMetric) else "hmc"
    sampler = component("sampler", auto if estimator.sampler == "auto" else estimator.sampler)
    if isinstance(sampler, str):
        name, sampler = sampler, HMC()
    else:
        name = next(n for n, c in COMPONENTS["sampler"].items() if isinstance(sampler, c))
    if name == "independent_mh" and not isinstance(metric, PosteriorMetric):
        raise ValueError(
            "sampler='independent_mh' draws from the posterior covariances, but metric='learned'. "
            "Use metric='posterior', or sampler='hmc'."
        )
    step_size = getattr(sampler, "step_size", None)
    return SamplerSettings(
        name,
        int(sampler.n_steps),
        int(getattr(sampler, "n_leapfrog", HMC().n_leapfrog)),
        None if step_size is None else float(step_size),
    )


def _shared(estimator, kind, reference):
    shared = estimator.shared
    if isinstance(shared, str):
        return "first" if reference else False
    if shared and not reference:
        raise ValueError(
            f"shared=True lets all classes learn from one network, but decoder={kind!r} draws "
            "from z alone and cannot tell the classes apart. Use shared=False, or "
            "decoder='residual' or 'deformation'."
        )
    return bool(shared)


def _n_neighbors(estimator, kind, codec, n_rows):
    decoder = component("decoder", estimator.decoder)
    if not isinstance(decoder, Residual):
        decoder = _deformation(estimator) if kind == "deformation" else Residual()
    if decoder.n_neighbors != "auto":
        return None if decoder.n_neighbors is None else int(decoder.n_neighbors)
    narrow = len(codec.constant_) <= _MAX_NARROW_COLUMNS and n_rows <= _MAX_SEARCHED_ROWS
    return _NEAR if narrow else None


def _deformation(estimator):
    decoder = component("decoder", estimator.decoder)
    return decoder if isinstance(decoder, Deformation) else Deformation()


def _warp_scale(estimator, kind, layout):
    """Return the range of the sizes of warps, or None where nothing is warped."""
    if kind != "deformation":
        return None
    scale = _deformation(estimator).scale
    if isinstance(scale, str):
        # A volume has few near neighbours in its class, so that whole warps would widen the class.
        scale = (0.1, 1.0) if len(layout.spatial) == 3 else 1.0
    return check_scale(scale, "Deformation")


def _output(estimator, codec, kind, reference, layout, n_rows):
    output = component("output", estimator.output)
    if output == "auto":
        narrow = len(codec.constant_) < n_rows
        likely = codec.likelihood_ in ("gaussian", "mixed") or codec.binary_
        if kind == "residual":
            output = Transfer()
        else:
            output = "draw" if kind != "deformation" and narrow and likely else "mean"
    warp = _warp_scale(estimator, kind, layout)
    if not isinstance(output, Transfer):
        return Output(output == "draw", None, warp)
    if not reference:
        raise ValueError(
            "output='transfer' carries differences of rows over to a reference row, but "
            f"decoder={kind!r} has none. Use output='mean' or 'draw', or decoder='residual'."
        )
    low, high = check_scale(output.scale, "Transfer")
    transfer = TransferSettings(low, high, float(output.residual))
    # Only a share of the change is transferred, so the warp is not scaled a second time.
    return Output(False, transfer, None if warp is None else (1.0, 1.0))
