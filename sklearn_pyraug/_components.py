"""Small objects that hold the rarely touched parameters of the estimators.

Like the kernels of Gaussian processes they can be cloned, printed and searched over by
``name__parameter``, and each is also reached by a string that stands for its defaults.
"""

from dataclasses import dataclass, field
from numbers import Integral, Real
from os import PathLike

from sklearn.base import BaseEstimator

from ._sklearn_compat import HasMethods, Interval, StrOptions

# The fields are the parameters: scikit-learn reads their names from `__init__`.
_component = dataclass(kw_only=True, repr=False, eq=False)
_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")


@_component
class LearnedMetric(BaseEstimator):
    """Metric of the latent space that a network learns, as in the RHVAE papers.

    The inverse metric [1]_ is G⁻¹(z) = Σᵢ Lᵢ Lᵢᵀ exp(−‖z − cᵢ‖² / T²) + λ I, with Lᵢ from a metric
    network that is trained through the posterior's Hamiltonian flow. It is a value of the
    parameter `metric`; the string ``"learned"`` stands for its defaults.

    Parameters
    ----------
    temperature : float or "auto", default=1.0
        Reach T of a code, in latent units, in training and in drawing. With a larger T new rows
        lie further from real ones. ``"auto"`` is √d in d dimensions: draws of N(c, σ² I) lie
        σ √d from c, where c has the weight exp(−σ²). With a much smaller T the flow hardly moves
        codes.
    regularization : float or "auto", default=0.01
        Value λ of the inverse metric far from all codes. ``"auto"`` sets it after training.
    network : torch.nn.Module, callable or None, default=None
        Your own metric network instead of a perceptron, called as
        ``network(n_features, latent_dim)``. It maps (B, D) rows to lower-triangular
        (B, latent_dim, latent_dim) matrices with a positive diagonal, or to
        (B, latent_dim (latent_dim + 1) / 2) unconstrained entries. It gets reference rows like
        the encoder.
    max_centroids : int or None, default=1000
        Largest number of codes per generator in the metric; None for all. It bounds the time and
        memory of drawing.
    n_leapfrog : int, default=1
        Number K of steps of the flow in training, at least 1, as the network learns through the
        flow.
    leapfrog_step : float, default=0.03
        Step size ε of the flow.
    beta_zero : float, default=0.3
        Initial inverse temperature β₀ of the flow's momentum, in (0, 1]; 1 is no tempering.
    n_fixed_point : int, default=2
        Iterations that solve each implicit half step. If they are too few for the step size, the
        flow does not preserve volume: `history_` has the error, and a warning is given.
    integrator : {"splitting", "leapfrog"}, default="splitting"
        ``"splitting"`` moves by the metric and kicks by the decoder's gradient, with one gradient
        per step. ``"leapfrog"`` is the papers' generalised leapfrog, with one gradient more than
        steps; the papers use ``n_leapfrog=3, leapfrog_step=0.01``.

    See Also
    --------
    PosteriorMetric : Needs no flow and no metric network.

    References
    ----------
    .. [1] C. Chadebec, C. Mantoux, S. Allassonnière, "Geometry-Aware Hamiltonian
       Variational Auto-Encoder", arXiv 2010.11518, 2020.

    Examples
    --------
    >>> from sklearn_pyraug import LearnedMetric, RHVAEAugmenter
    >>> augmenter = RHVAEAugmenter(decoder="direct", metric=LearnedMetric(temperature=0.5))
    >>> augmenter.set_params(metric__n_leapfrog=5).metric
    LearnedMetric(n_leapfrog=5, temperature=0.5)
    """

    _parameter_constraints = {
        "temperature": [_POSITIVE, StrOptions({"auto"})],
        "regularization": [_POSITIVE, StrOptions({"auto"})],
        "network": [HasMethods("forward"), callable, None],
        "max_centroids": [_COUNT, None],
        "n_leapfrog": [_COUNT],
        "leapfrog_step": [_POSITIVE],
        "beta_zero": [Interval(Real, 0, 1, closed="right")],
        "n_fixed_point": [_COUNT],
        "integrator": [StrOptions({"splitting", "leapfrog"})],
    }

    temperature: float | str = 1.0
    regularization: float | str = 0.01
    network: object = None
    max_centroids: int | None = 1000
    n_leapfrog: int = 1
    leapfrog_step: float = 0.03
    beta_zero: float = 0.3
    n_fixed_point: int = 2
    integrator: str = "splitting"


@_component
class PosteriorMetric(BaseEstimator):
    """Metric of the latent space that is made of the encoder's posterior covariances.

    The metric of a class [1]_ is

    G(z) = Σᵢ aᵢ Σᵢ⁻¹ exp(−(z − cᵢ)ᵀ Σᵢ⁻¹ (z − cᵢ) / d) + λ I,

    where cᵢ and Σᵢ are the encoder's means and posterior covariances of rows, or of pairs of rows,
    and the factors aᵢ = (N pᵢ)^(2/d) weight each of the N codes by its share pᵢ of the class. There
    is no metric network. In the last tenth of the epochs, training uses a Hamiltonian flow [2]_ on
    the metric of the batch. Codes are drawn from √det G(z). It is a value of the parameter
    `metric`; the string ``"posterior"`` stands for its defaults.

    Parameters
    ----------
    regularization : float or "auto", default=0.01
        Value λ of the metric far from all codes. ``"auto"`` sets it after training.
    max_centroids : int or None, default=1000
        Largest number of codes per generator in the metric; None for all. It bounds the time and
        memory of drawing.
    n_leapfrog : int, default=1
        Number of steps of the flow, each with one gradient of the decoder; 0 trains a plain VAE.
    leapfrog_step : float, default=0.1
        Step size ε of the flow.
    beta_zero : float, default=0.3
        Initial inverse temperature β₀ of the flow's momentum, in (0, 1]; 1 is no tempering.
    n_fixed_point : int, default=2
        Iterations that solve each implicit half step, see :class:`LearnedMetric`.

    See Also
    --------
    LearnedMetric : The RHVAE's metric, from a network of its own.

    References
    ----------
    .. [1] C. Chadebec, S. Allassonnière, "A Geometric Perspective on Variational
       Autoencoders", arXiv 2209.07370, 2022, equation 7.
    .. [2] C. Chadebec, C. Mantoux, S. Allassonnière, "Geometry-Aware Hamiltonian
       Variational Auto-Encoder", arXiv 2010.11518, 2020, section 3.

    Examples
    --------
    >>> from sklearn_pyraug import PosteriorMetric, RHVAEAugmenter
    >>> RHVAEAugmenter(metric=PosteriorMetric(max_centroids=200)).metric
    PosteriorMetric(max_centroids=200)
    """

    _parameter_constraints = {
        name: LearnedMetric._parameter_constraints[name]
        for name in (
            "regularization",
            "max_centroids",
            "leapfrog_step",
            "beta_zero",
            "n_fixed_point",
        )
    } | {"n_leapfrog": [Interval(Integral, 0, None, closed="left")]}

    regularization: float | str = 0.01
    max_centroids: int | None = 1000
    n_leapfrog: int = 1
    leapfrog_step: float = 0.1
    beta_zero: float = 0.3
    n_fixed_point: int = 2


@_component
class HMC(BaseEstimator):
    """Draw codes by Hamiltonian Monte Carlo on the volume of the metric, as the papers do.

    See [1]_. It is a value of the parameter `sampler`; the string ``"hmc"`` stands for its
    defaults.

    Parameters
    ----------
    n_steps : int, default=30
        Steps of each chain; the first half, at most 30, adapts the step size. More steps take more
        time and bring draws closer to the density.
    n_leapfrog : int, default=10
        Leapfrog steps of each step of a chain.
    step_size : float or None, default=None
        Fixed step size in latent units; None adapts it towards an acceptance of 0.8.

    See Also
    --------
    RandomWalk : Steps that are cheaper and shorter.

    References
    ----------
    .. [1] C. Chadebec, E. Thibeau-Sutre, N. Burgos, S. Allassonnière, "Data Augmentation in
       High Dimensional Low Sample Size Setting Using a Geometry-Based Variational
       Autoencoder", arXiv 2105.00026, 2021.

    Examples
    --------
    >>> from sklearn_pyraug import HMC, RHVAEAugmenter
    >>> RHVAEAugmenter(sampler=HMC(n_steps=100)).get_params()["sampler__n_steps"]
    100
    """

    _parameter_constraints = {
        "n_steps": [_COUNT],
        "n_leapfrog": [_COUNT],
        "step_size": [_POSITIVE, None],
    }

    n_steps: int = 30
    n_leapfrog: int = 10
    step_size: float | None = None


@_component
class IndependentMH(BaseEstimator):
    """Draw codes from the volume of the posteriors' metric, by corrected draws from the posteriors.

    This is Metropolis-Hastings [1]_ with the target √det G(z) of ``metric="posterior"``, and
    independent proposals: a code and its posterior spread. Each step evaluates the metric once. It
    is a value of the parameter `sampler`; the string ``"independent_mh"`` stands for its defaults.

    Parameters
    ----------
    n_steps : int, default=4
        Steps of each chain. The smaller the share of accepted proposals in ``sampler_info_``, the
        more steps are needed.

    See Also
    --------
    HMC : For any metric.
    PosteriorMetric : The metric that it needs.

    Notes
    -----
    If codes lie far apart, the density is that of the posteriors, and all proposals are accepted.
    If ten or more posteriors overlap, the density is much narrower, and a few steps are not enough
    to reach it.

    References
    ----------
    .. [1] L. Tierney, "Markov Chains for Exploring Posterior Distributions", Annals of
       Statistics 22(4), 1994, section 2.3.3.

    Examples
    --------
    >>> from sklearn_pyraug import IndependentMH, RHVAEAugmenter
    >>> RHVAEAugmenter(metric="posterior", sampler=IndependentMH(n_steps=8)).sampler
    IndependentMH(n_steps=8)
    """

    _parameter_constraints = {"n_steps": [_COUNT]}

    n_steps: int = 4


@_component
class RandomWalk(BaseEstimator):
    """Draw codes by a random walk whose steps follow the metric.

    It is a value of the parameter `sampler`; the string ``"random_walk"`` stands for its defaults.

    Parameters
    ----------
    n_steps : int, default=30
        Steps of each chain; the first half, at most 30, adapts the step size.
    step_size : float or None, default=None
        Fixed step size in latent units; None adapts it.

    See Also
    --------
    HMC : Longer steps along the gradient of the volume.

    Examples
    --------
    >>> from sklearn_pyraug import RandomWalk, RHVAEAugmenter
    >>> RHVAEAugmenter(decoder="direct", sampler=RandomWalk(n_steps=50)).sampler
    RandomWalk(n_steps=50)
    """

    _parameter_constraints = {
        name: HMC._parameter_constraints[name] for name in ("n_steps", "step_size")
    }

    n_steps: int = 30
    step_size: float | None = None


@_component
class MLP(BaseEstimator):
    """Perceptrons of the given width and depth as networks.

    The layers are those of the encoder and the metric network. The decoder has them in reverse
    order. It is a value of the parameter `encoder`; the string ``"mlp"`` stands for its defaults.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int, default=(256,)
        Number of hidden units of each layer.

    See Also
    --------
    RHVAEAugmenter : Its parameter `encoder` takes torch modules, too.

    Examples
    --------
    >>> from sklearn_pyraug import MLP, RHVAEAugmenter
    >>> RHVAEAugmenter(encoder=MLP(hidden_layer_sizes=(128, 64))).encoder
    MLP(hidden_layer_sizes=(128, 64))
    """

    _parameter_constraints = {"hidden_layer_sizes": ["array-like", _COUNT]}

    hidden_layer_sizes: tuple | int = field(default=(256,), kw_only=False)


@_component
class Residual(BaseEstimator):
    """Make a new row of a table by adding to a real one: x = r + f(z, r).

    It is a value of the parameter `decoder`; the string ``"residual"`` stands for its defaults.

    Parameters
    ----------
    n_neighbors : int, "auto" or None, default="auto"
        Number of nearest rows of its class that a row is paired with in training; None for all.
        ``"auto"`` is 5 for tables of at most 20 columns and 5,000 rows, and None for others,
        because rows of wide tables have no near neighbours.

    See Also
    --------
    Deformation : The same for images and volumes.
    Transfer : How far new rows lie from the real ones.

    Examples
    --------
    >>> from sklearn_pyraug import Residual, RHVAEAugmenter
    >>> RHVAEAugmenter(decoder=Residual(n_neighbors=10)).decoder
    Residual(n_neighbors=10)
    """

    _parameter_constraints = {"n_neighbors": [_COUNT, StrOptions({"auto"}), None]}

    n_neighbors: int | str | None = "auto"


@_component
class Deformation(BaseEstimator):
    """Make a new image or volume by warping a real one and changing its exposure.

    The warp cannot fold. Masks, which are images of two values, keep their exposure. It is a value
    of the parameter `decoder`; the string ``"deformation"`` stands for its defaults.

    Parameters
    ----------
    n_neighbors : int or None, default=5
        Number of nearest images of its class that an image is paired with in training; None for
        all.
    scale : float, (float, float) or "auto", default="auto"
        The range from which the size of each new warp and change of exposure is drawn, as a share
        of what was learned. ``"auto"`` is 1.0 for images and (0.1, 1.0) for volumes: whole warps
        of volumes make classes overlap.

    See Also
    --------
    Residual : The same for tables.
    sklearn_pyraug.plotting.WarpDisplay : Draws how an image is warped.

    Examples
    --------
    >>> from sklearn_pyraug import Deformation, RHVAEAugmenter
    >>> RHVAEAugmenter(decoder=Deformation(scale=(0.5, 1.0))).decoder
    Deformation(scale=(0.5, 1.0))
    """

    _parameter_constraints = {
        "n_neighbors": [_COUNT, None],
        "scale": ["array-like", _NOT_NEGATIVE, StrOptions({"auto"})],
    }

    n_neighbors: int | None = 5
    scale: float | tuple | str = "auto"


@_component
class Transfer(BaseEstimator):
    """Change a real row by a share of the difference between two other rows.

    With a reference row r and a pair of rows (a, b) of one class whose code c is near z, a new
    row is x = r + s (E[x | z, r] − r + ω (a − E[x | c, b])). It is a value of the parameter
    `output`; the string ``"transfer"`` stands for its defaults.

    Parameters
    ----------
    scale : float or (float, float), default=(0.1, 1.0)
        Range from which s is drawn for each row. A smaller s keeps new rows closer to their
        reference rows.
    residual : float, default=1.0
        Share ω, from 0 to 1, of the difference that the code does not express.

    See Also
    --------
    Residual : Decoder that starts from a reference row.

    Examples
    --------
    >>> from sklearn_pyraug import RHVAEAugmenter, Transfer
    >>> RHVAEAugmenter(output=Transfer(scale=(0.5, 1.0))).output
    Transfer(scale=(0.5, 1.0))
    """

    _parameter_constraints = {
        "scale": ["array-like", _NOT_NEGATIVE],
        "residual": [Interval(Real, 0, 1, closed="both")],
    }

    scale: float | tuple = (0.1, 1.0)
    residual: float = 1.0


@_component
class Columns(BaseEstimator):
    """How the columns of a table are coded, and which values new rows may take.

    It is a value of the parameter `columns`; the string ``"auto"`` stands for its defaults.

    Parameters
    ----------
    likelihood : {"auto", "gaussian", "bernoulli", "binomial"}, default="auto"
        Observation model p(x | z). ``"gaussian"``: standardised columns with a learned scale each.
        ``"bernoulli"``: all columns on one bounded scale, with black and white values.
        ``"binomial"``: the same with grey values; ``output="draw"`` makes four of them. ``"auto"``
        takes one of these two for images and for tables that look like images, ``"bernoulli"`` for
        tables of zeros and ones, and a likelihood for each column of mixed tables. With
        ``decoder="deformation"``, ``"auto"`` and ``"gaussian"`` are a Gaussian with one scale for
        all pixels. With ``decoder="residual"``, default networks and more coded columns than rows,
        it is always a Gaussian, of principal components.
    scaling : {"auto", "standard", "quantile"}, default="auto"
        Numbers that the networks get for a continuous column: standard scores, or normal scores of
        ranks. ``"auto"`` takes ranks if the column is heavy-tailed, in tables of at most 500
        columns.
    value_mapping : {"auto", "nearest", "quantile", None}, default="auto"
        How new values are moved to values that their column can take. ``"auto"``: to the nearest
        observed value if the column has ties, else to whole numbers or to at most four decimals if
        all of its values are such; and to the constant if the column is constant within the class
        (categories and columns of two values only if the class has at least ten rows).
        ``"nearest"``: to the nearest observed value in all columns. ``"quantile"``: to the observed
        values of the class, rank for rank. None: only into the observed range, which reveals fewer
        values of single rows. In tables of more than 500 columns ``"auto"`` only keeps ties and
        whole numbers.
    identifiers : {"error", "drop", "keep"}, default="error"
        What to do with columns of text in which at least half of the values occur once, such as
        names. ``"error"`` raises an error, ``"drop"`` leaves them empty in new rows, and ``"keep"``
        treats them as categories, so that each new row has the name of a real one.

    See Also
    --------
    RHVAEAugmenter : Its parameter `categorical_features` names categories of arrays.

    Examples
    --------
    >>> from sklearn_pyraug import Columns, RHVAEAugmenter
    >>> RHVAEAugmenter(columns=Columns(scaling="quantile")).columns
    Columns(scaling='quantile')
    """

    _parameter_constraints = {
        "likelihood": [StrOptions({"auto", "gaussian", "bernoulli", "binomial"})],
        "scaling": [StrOptions({"auto", "standard", "quantile"})],
        "value_mapping": [StrOptions({"auto", "nearest", "quantile"}), None],
        "identifiers": [StrOptions({"error", "drop", "keep"})],
    }

    likelihood: str = "auto"
    scaling: str = "auto"
    value_mapping: str | None = "auto"
    identifiers: str = "error"


@_component
class ImageShape(BaseEstimator):
    """Shape of an image or a volume, and the axis of its channels.

    It is a value of the parameter `sample_shape`, which also takes the shape alone if the lengths
    of the axes show which one holds channels.

    Parameters
    ----------
    shape : tuple of int or "auto", default="auto"
        Shape of a row, such as ``(3, 32, 32)``; ``"auto"`` as in `sample_shape`.
    channels : {"auto", "first", "last", "none"}, default="auto"
        Axis of the channels. ``"auto"``, for three or four axes, is the first if it has at most 4
        entries, else the last if that has. If neither has, three axes are a volume, and four are
        an error. Your own networks always get channels first.

    See Also
    --------
    RHVAEAugmenter : Takes images and volumes as arrays.

    Examples
    --------
    >>> from sklearn_pyraug import ImageShape, RHVAEAugmenter
    >>> RHVAEAugmenter(sample_shape=ImageShape((12, 32, 32), channels="first")).sample_shape
    ImageShape(channels='first', shape=(12, 32, 32))
    """

    _parameter_constraints = {
        "shape": ["array-like", StrOptions({"auto"})],
        "channels": [StrOptions({"auto", "first", "last", "none"})],
    }

    shape: tuple | str = field(default="auto", kw_only=False)
    channels: str = "auto"


@_component
class Checkpoint(BaseEstimator):
    """Folder for the state of a training, which can then be resumed after a crash.

    It is a value of the parameter `checkpoint`, which also takes the folder alone.

    Parameters
    ----------
    folder : str or path-like
        Folder for the state. After a crash, `fit` with the same data and parameters resumes and
        reaches the same weights.
    interval : int or float, default=30.0
        How often the state is written: an int is a number of epochs, a float a number of seconds.

    See Also
    --------
    RHVAEAugmenter : Its parameter `memory` avoids repeated trainings in a grid search.

    Examples
    --------
    >>> from sklearn_pyraug import Checkpoint, RHVAEAugmenter
    >>> RHVAEAugmenter(checkpoint=Checkpoint("run", interval=10)).checkpoint
    Checkpoint(folder='run', interval=10)
    """

    _parameter_constraints = {"folder": [str, PathLike], "interval": [_POSITIVE]}

    folder: str | PathLike = field(kw_only=False)
    interval: float = 30.0


# For each parameter of the estimators, the strings that stand for a component with its defaults.
COMPONENTS = {
    "metric": {"learned": LearnedMetric, "posterior": PosteriorMetric},
    "sampler": {"hmc": HMC, "independent_mh": IndependentMH, "random_walk": RandomWalk},
    "encoder": {"mlp": MLP},
    "decoder": {"residual": Residual, "deformation": Deformation},
    "output": {"transfer": Transfer},
    "columns": {"auto": Columns},
    "sample_shape": {"auto": ImageShape},
}


# Components that a model file may hold: all but those that say where and how to run.
DATA_COMPONENTS = tuple({kind for kinds in COMPONENTS.values() for kind in kinds.values()})


def metric_of(metric, decoder, parameters=()):
    """Return the metric that is meant, given the values of both parameters.

    ``"auto"`` is the posteriors' metric for the decoders that start from a reference row, and the
    learned one for the direct decoder, for the user's own, and where `parameters` that are to be
    set belong to the learned metric only.
    """
    if not isinstance(metric, str) or metric != "auto":
        return metric
    named = isinstance(decoder, str) and decoder != "direct"
    if named or isinstance(decoder, (Residual, Deformation)):
        if set(parameters) <= set(PosteriorMetric._get_param_names()):
            return "posterior"
    return "learned"


def _of_auto(name, metric, parameters):
    """Return what "auto" becomes once its `parameters` are set, given the value of `metric`.

    Of a decoder or an output the data decide.
    """
    if name == "encoder":
        return MLP()
    if name != "sampler":
        return "auto"
    is_posterior = isinstance(metric, PosteriorMetric) or metric == "posterior"
    suits = is_posterior and set(parameters) <= set(IndependentMH._get_param_names())
    return IndependentMH() if suits else HMC()


def component(name, value):
    """Return the component that a value of a parameter stands for, and any other value as it is.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object

    Returns
    -------
    value : object
        Validated, if it is a component.
    """
    if isinstance(value, str) and value in COMPONENTS.get(name, ()):
        return COMPONENTS[name][value]()
    if isinstance(value, type) and issubclass(value, BaseEstimator):
        raise ValueError(
            f"{name}={value.__name__} is a class. Pass an instance, {name}={value.__name__}()."
        )
    if isinstance(value, BaseEstimator):
        value._validate_params()
    elif name == "checkpoint" and value is not None:
        return Checkpoint(value)
    elif name == "sample_shape" and value is not None:
        return ImageShape(value)
    return value


class ComponentParametersMixin:
    """Let ``set_params(sampler__n_steps=50)`` reach inside a string such as ``"hmc"``."""

    def set_params(self, **params):
        """Set parameters, those of components by ``name__parameter``.

        Parameters
        ----------
        **params : dict
            A value that stands for a component, such as ``"hmc"`` or a folder of checkpoints, is
            replaced by that component before one of its parameters is set. ``"auto"`` becomes
            :class:`MLP`, or what it stands for if that has the parameters: the metric of the
            decoder, and the sampler of the metric. Otherwise it becomes :class:`LearnedMetric` or
            :class:`HMC`.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there is no such parameter, or the value has no parameters of its own.
        """
        nested = {}
        for name, _, inner in (key.partition("__") for key in params if "__" in key):
            nested.setdefault(name, []).append(inner.partition("__")[0])
        for name, inner in nested.items():
            if name not in self._get_param_names():
                continue
            decoder = params.get("decoder", getattr(self, "decoder", "direct"))
            metric = params.get("metric", self.metric)
            metric = metric_of(metric, decoder, nested.get("metric", ()))
            value = metric if name == "metric" else params.get(name, getattr(self, name))
            if isinstance(value, str) and value == "auto":
                value = _of_auto(name, metric, inner)
            value = component(name, value)
            if not hasattr(value, "get_params"):
                kinds = COMPONENTS.get(name, {})
                able = [t for t, kind in kinds.items() if {*inner} <= {*kind._get_param_names()}]
                known = [f"{name}={text!r}" for text in able or kinds]
                known = known or ["checkpoint to the name of a folder"] * (name == "checkpoint")
                remedy = f"Set {' or '.join(known)}, too." if known else ""
                raise ValueError(
                    f"{name}__{inner[0]} cannot be set, because {name}={value!r} has no parameters "
                    f"of its own. {remedy}".strip()
                )
            params[name] = value
        return super().set_params(**params)
