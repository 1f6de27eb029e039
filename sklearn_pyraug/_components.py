"""Small objects that hold the rarely touched parameters of the estimators.

Like the kernels of Gaussian processes they can be cloned, printed and searched over by
``name__parameter``, and each is also reached by a string that stands for its defaults.
"""

from dataclasses import dataclass, field
from numbers import Integral, Real
from os import PathLike

from sklearn.base import BaseEstimator

from ._sklearn_compat import HasMethods, Interval, StrOptions

# Their parameters are the fields, of which scikit-learn reads the names in `__init__`.
_component = dataclass(kw_only=True, repr=False, eq=False)
_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")


@_component
class LearnedMetric(BaseEstimator):
    """Learn how far new rows may stray, in each direction: the RHVAE's own metric.

    The inverse metric [1]_ is G⁻¹(z) = Σᵢ Lᵢ Lᵢᵀ exp(−‖z − cᵢ‖² / T²) + λ I, with Lᵢ from a metric
    network that is trained through the posterior's Hamiltonian flow. Value of the parameter
    `metric`; the string ``"learned"`` stands for its defaults.

    Parameters
    ----------
    temperature : float or "auto", default=1.0
        Reach T of a code, in latent units, in training and in drawing: a larger one lets new rows
        stray further from the real ones. ``"auto"`` is √d in d dimensions: draws of N(c, σ² I) lie
        σ √d from c, where the weight of c then is exp(−σ²). With much less the flow does nothing.
    regularization : float or "auto", default=0.01
        The floor λ of the inverse metric, reached far from all codes. ``"auto"`` sets it after
        training.
    network : torch.nn.Module, callable or None, default=None
        Your own metric network instead of a perceptron, called as
        ``network(n_features, latent_dim)``. It maps (B, D) rows to lower-triangular
        (B, latent_dim, latent_dim) matrices with a positive diagonal, or to
        (B, latent_dim (latent_dim + 1) / 2) unconstrained entries. It is given reference rows
        as the encoder is.
    max_centroids : int or None, default=1000
        Most codes per generator that make up the metric; None for all.
    n_leapfrog : int, default=1
        Steps K of the flow in training, at least 1: without a flow the network would learn
        nothing.
    leapfrog_step : float, default=0.03
        Step size ε of the flow.
    beta_zero : float, default=0.3
        Initial inverse temperature β₀ of the flow's momentum, in (0, 1]; 1 is no tempering.
    n_fixed_point : int, default=2
        Iterations that solve each implicit half step. A flow whose steps are too large for them
        does not preserve volume: `history_` says by how much, and a warning is given.
    integrator : {"splitting", "leapfrog"}, default="splitting"
        How a step is taken. ``"splitting"`` moves by the metric and kicks by the decoder's
        gradient, once a step. ``"leapfrog"`` is the papers' generalised leapfrog, with one gradient
        more than there are steps; they have ``n_leapfrog=3, leapfrog_step=0.01``.

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
    """Measure the latent space by how sure the encoder is: a metric for each label.

    The metric of label k [1]_ is

    G(z) = Σᵢ aᵢ Σᵢ⁻¹ exp(−(z − cᵢ)ᵀ Σᵢ⁻¹ (z − cᵢ) / d) + λ I, made of the
    encoder's means cᵢ and posterior covariances Σᵢ of rows, or of pairs of rows; the factors
    aᵢ = (N pᵢ)^(2/d) give each of the N codes its share pᵢ in what the label looks like. There is
    no metric network. The last tenth of the epochs trains through a Hamiltonian flow [2]_ on the
    metric of the batch. Codes are drawn from √det G(z). Value of the parameter `metric`; the
    string ``"posterior"`` stands for its defaults.

    Parameters
    ----------
    regularization : float or "auto", default=0.01
        The metric's floor λ, reached far from all codes. ``"auto"`` sets it after training.
    max_centroids : int or None, default=1000
        Most codes per generator that make up the metric; None for all.
    n_leapfrog : int, default=1
        Steps of the flow, each with one gradient of the decoder; 0 trains a plain VAE throughout.
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

    See [1]_. Value of the parameter `sampler`; the string ``"hmc"`` stands for its defaults.

    Parameters
    ----------
    n_steps : int, default=30
        Steps of each chain; the first half adapts the step size. More steps cost time and bring
        draws closer to the density.
    n_leapfrog : int, default=10
        Leapfrog steps of each step of a chain.
    step_size : float or None, default=None
        Fixed step size in latent units; None adapts it towards an acceptance of 0.8.

    See Also
    --------
    RandomWalk : Cheaper steps, which reach less far.

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

    Metropolis-Hastings [1]_ with the target √det G(z) of ``metric="posterior"``, and independent
    proposals: a code and its posterior spread. A draw costs as many evaluations of the metric as
    there are steps. Value of the parameter `sampler`; the string ``"independent_mh"`` stands for
    its defaults.

    Parameters
    ----------
    n_steps : int, default=4
        Steps of each chain. ``sampler_info_`` has the share of proposals that were accepted: the
        smaller it is, the more steps are needed.

    See Also
    --------
    HMC : For any metric.
    PosteriorMetric : The metric that it needs.

    Notes
    -----
    Where codes lie far apart the density is the posteriors' own, and all is accepted. Where ten and
    more posteriors overlap it is much narrower, and after a few steps draws are still on the way
    from the one to the other.

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

    Value of the parameter `sampler`; the string ``"random_walk"`` stands for its defaults.

    Parameters
    ----------
    n_steps : int, default=30
        Steps of each chain; the first half adapts the step size.
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
    """Choose the width and depth of the perceptrons.

    The encoder's layers; the metric network has the same, and the decoder the same in reverse.
    Value of the parameter `encoder`; the string ``"mlp"`` stands for its defaults.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int, default=(256,)
        Hidden units of each layer.

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

    Value of the parameter `decoder`; the string ``"residual"`` stands for its defaults.

    Parameters
    ----------
    n_neighbors : int, "auto" or None, default="auto"
        How many nearest rows of its class a row is paired with in training; None for all.
        ``"auto"`` is 5 for narrow tables, of at most 20 columns, and all for wider ones, in which
        no row has near neighbours. It is all, too, from 5,001 rows on.

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

    The warp cannot fold. Masks, images of two values, keep their exposure. Value of the parameter
    `decoder`; the string ``"deformation"`` stands for its defaults.

    Parameters
    ----------
    n_neighbors : int or None, default=5
        How many nearest images of its class an image is paired with in training; None for all.

    Examples
    --------
    >>> from sklearn_pyraug import Deformation, RHVAEAugmenter
    >>> RHVAEAugmenter(decoder=Deformation(n_neighbors=3)).decoder
    Deformation(n_neighbors=3)
    """

    _parameter_constraints = {"n_neighbors": [_COUNT, None]}

    n_neighbors: int | None = 5


@_component
class Transfer(BaseEstimator):
    """Transfer a share of what distinguishes two real rows to a third.

    With a reference row r and a pair of rows (a, b) of one class whose code c is near z, a new
    row is x = r + s (E[x | z, r] − r + ω (a − E[x | c, b])). Value of the parameter `output`; the
    string ``"transfer"`` stands for its defaults.

    Parameters
    ----------
    scale : float or (float, float), default=(0.1, 1.0)
        The range from which s is drawn for each row. A smaller one keeps new rows closer to
        their reference rows.
    residual : float, default=1.0
        The share ω, from 0 to 1, of the difference that the code does not express.

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
    """Decide how the columns of a table are coded and which values new rows may take.

    Value of the parameter `columns`; the string ``"auto"`` stands for its defaults.

    Parameters
    ----------
    likelihood : {"auto", "gaussian", "bernoulli", "binomial"}, default="auto"
        Observation model p(x | z). ``"gaussian"``: standardised columns, one learned scale each.
        ``"bernoulli"``: all columns on one bounded scale, each value black or white;
        ``"binomial"``: the same for grey values. ``"auto"`` takes one of these two for images and
        for tables that look like them, ``"bernoulli"`` for tables of zeros and ones, and gives
        each column of a mixed table its own.
    scaling : {"auto", "standard", "quantile"}, default="auto"
        What networks see of a continuous column: its standard score, or the normal score of its
        rank. ``"auto"`` takes ranks where a column is heavy-tailed.
    value_mapping : {"auto", "nearest", "quantile", None}, default="auto"
        How new values are moved to ones that their column can take. ``"auto"``: to the nearest
        observed value in columns with ties, else to whole numbers or to at most four decimals
        where the column has no others; and to the constant of columns that are constant within
        the class (of categories and columns of two values, from ten rows on). ``"nearest"``: to
        the nearest observed value everywhere.
        ``"quantile"``: to the observed values of the class, rank for rank. None: only into the
        observed range.
    identifiers : {"error", "drop", "keep"}, default="error"
        What is done with columns of text of which half of the values or more occur once, as names
        do. ``"error"`` refuses them, ``"drop"`` leaves them empty in new rows, and ``"keep"``
        takes them for categories: each new row then has the name of a real one.

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
    """Say which axis of an image or a volume holds its channels.

    Value of the parameter `sample_shape`, which takes the bare shape, too, where the axes can be
    told apart by their lengths.

    Parameters
    ----------
    shape : tuple of int or "auto", default="auto"
        Shape of a row, such as ``(3, 32, 32)``; ``"auto"`` as in `sample_shape`.
    channels : {"auto", "first", "last", "none"}, default="auto"
        The axis of channels. ``"auto"``: of three axes or four the first if it is at most 4 long,
        else the last if that is; three axes of which neither is are a volume, and four are
        refused. Networks of your own see channels first.

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
    """Keep the state of a training in a folder, as often as you say.

    Value of the parameter `checkpoint`, which takes the bare folder, too.

    Parameters
    ----------
    folder : str or path-like
        Where the state is kept. `fit` with the same data and parameters goes on where a run
        that was killed has stopped, and arrives at the same weights.
    interval : int or float, default=30.0
        How often the state is written: an int counts epochs, a float seconds.

    Examples
    --------
    >>> from sklearn_pyraug import Checkpoint, RHVAEAugmenter
    >>> RHVAEAugmenter(checkpoint=Checkpoint("run", interval=10)).checkpoint
    Checkpoint(folder='run', interval=10)
    """

    _parameter_constraints = {"folder": [str, PathLike], "interval": [_POSITIVE]}

    folder: str | PathLike = field(kw_only=False)
    interval: float = 30.0


# By parameter of the estimators, the strings that stand for a component's defaults.
COMPONENTS = {
    "metric": {"learned": LearnedMetric, "posterior": PosteriorMetric},
    "sampler": {"hmc": HMC, "independent_mh": IndependentMH, "random_walk": RandomWalk},
    "encoder": {"mlp": MLP},
    "decoder": {"residual": Residual, "deformation": Deformation},
    "output": {"transfer": Transfer},
    "columns": {"auto": Columns},
    "sample_shape": {"auto": ImageShape},
}


# What a model file may hold: all but where and how to run.
DATA_COMPONENTS = tuple({kind for kinds in COMPONENTS.values() for kind in kinds.values()})

# What "auto" becomes once one of its parameters is set; of a decoder or an output the data decide.
_OF_AUTO = {"sampler": HMC, "encoder": MLP}


def metric_of(metric, decoder, parameters=()):
    """Return the metric that is meant, given the values of both parameters.

    ``"auto"`` is the posteriors' metric for the decoders that start from a reference row, and the
    learned one for the direct decoder, for the user's own, and where `parameters` that are to be
    set are the learned metric's alone.
    """
    if not isinstance(metric, str) or metric != "auto":
        return metric
    named = isinstance(decoder, str) and decoder != "direct"
    if named or isinstance(decoder, (Residual, Deformation)):
        if set(parameters) <= set(PosteriorMetric._get_param_names()):
            return "posterior"
    return "learned"


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
            :class:`HMC`, :class:`MLP`, or the metric of the decoder that has the parameters:
            :class:`PosteriorMetric` where new rows start from real ones, or :class:`LearnedMetric`.

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
            value = params.get(name, getattr(self, name))
            if name == "metric":
                decoder = params.get("decoder", getattr(self, "decoder", "direct"))
                value = metric_of(value, decoder, inner)
            if isinstance(value, str) and value == "auto" and name in _OF_AUTO:
                value = _OF_AUTO[name]()
            value = component(name, value)
            if not hasattr(value, "get_params"):
                known = [f"{name}={text!r}" for text in COMPONENTS.get(name, {})]
                known = known or ["checkpoint to the name of a folder"] * (name == "checkpoint")
                remedy = f"Set {' or '.join(known)}, too." if known else ""
                raise ValueError(
                    f"{name}__{inner[0]} cannot be set, because {name}={value!r} has no parameters "
                    f"of its own. {remedy}".strip()
                )
            params[name] = value
        return super().set_params(**params)
