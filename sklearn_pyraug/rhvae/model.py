"""The stack of K class-conditional RHVAEs: networks, likelihood and hyper-parameters.

Shapes: K classes, B rows per class, D columns, d latent dimensions.
"""

from typing import NamedTuple

import torch
from torch import nn

from .elbo import elbo_terms
from .images.resolution import Resolution
from .likelihoods import (
    BernoulliLikelihood,
    BinomialLikelihood,
    GaussianLikelihood,
    IsotropicLikelihood,
    MixedLikelihood,
)
from .likelihoods.mixed import CodeLayout
from .metric.learned import make_metric
from .metric.posterior import make_posterior_metric
from .networks.conv import (
    ConvDecoder,
    ConvNet,
    ConvSettings,
    n_conv_multiplications,
    n_conv_weights,
)
from .networks.mlp import MLP, Encoder, MetricNetwork, MLPDecoder, n_tril, takes_reference
from .networks.reference import DeformationDecoder, ResidualDecoder
from .networks.user import user_network

# By name. The mixed one also takes a layout, after the numbers of classes and features.
LIKELIHOODS = {
    "gaussian": GaussianLikelihood,
    "bernoulli": BernoulliLikelihood,
    "binomial": BinomialLikelihood,
    "isotropic": IsotropicLikelihood,
    "mixed": MixedLikelihood,
}


class FlowSettings(NamedTuple):
    """Hyper-parameters of the posterior's Hamiltonian flow and of the metric.

    Attributes
    ----------
    latent_dim : int
        Dimension d of z.
    n_leapfrog : int
        Steps of the posterior flow; 0 gives a plain VAE.
    leapfrog_step : float
        Step size ε.
    beta_zero : float in (0, 1]
        Initial inverse temperature β₀ of the momentum.
    temperature : float
        T of the metric, in latent units.
    regularization : float
        λ of the metric.
    n_fixed_point : int
        Iterations of each implicit step.
    second_order : bool
        False takes the decoder's gradient in the flow for a constant when the objective is
        differentiated. The objective itself stays exact.
    rescale_regularization : bool
        Whether λ is set again after training, from the scale that the metric then has.
    metric : {"learned", "posterior"}
        Whether G⁻¹ comes from a metric network that the flow trains, or G from the posteriors'
        covariances; see :mod:`.metric`.
    integrator : {"splitting", "leapfrog"}
        How the flow's steps are taken, see :mod:`.flow.posterior_flow`.
    """

    latent_dim: int = 10
    n_leapfrog: int = 1
    leapfrog_step: float = 0.03
    beta_zero: float = 0.3
    temperature: float = 1.0
    regularization: float = 0.01
    n_fixed_point: int = 2
    second_order: bool = False
    rescale_regularization: bool = False
    metric: str = "learned"
    integrator: str = "splitting"

    @property
    def learns_metric(self):
        """Whether there is a metric network: only where the flow trains it."""
        return self.metric == "learned" and self.n_leapfrog > 0


class Architecture(NamedTuple):
    """What :func:`build_stack` needs to make the networks.

    Attributes
    ----------
    n_features : int
        Columns D of a coded row.
    likelihood : {"gaussian", "bernoulli", "binomial", "isotropic", "mixed"}
        Observation model.
    hidden_layer_sizes : tuple of int
        Hidden units of the default networks, input side first.
    sample_shape : tuple of int or None
        Shape in which a row is handed to a user's encoder or metric network.
    encoder, decoder, metric_network : None, torch.nn.Module or callable
        None for the default perceptron; a decoder may also be one of the two that start from a
        reference row, ``"residual"`` and ``"deformation"``. A module is copied for every
        class, with its weights; a class or factory is called once per class,
        ``encoder(n_features, latent_dim)``, ``decoder(latent_dim, n_features)``,
        ``metric_network(n_features, latent_dim)``, under the class's own random stream.
    layout : CodeLayout or None
        For ``likelihood="mixed"``, which columns are of which kind.
    n_channels : int
        Length of the first axis of `sample_shape` that holds channels, or 1 for no such axis.
    width : int or None
        Channels of the first stage of convolutional networks; None for perceptrons.
    coarse : tuple of int or None
        Sides of the smaller images from which a deformation is learned; None for the images
        themselves.
    exposure : bool
        Whether a deformation changes the exposure, too.
    """

    n_features: int
    likelihood: str = "gaussian"
    hidden_layer_sizes: tuple[int, ...] = (256,)
    sample_shape: tuple[int, ...] | None = None
    encoder: object = None
    decoder: object = None
    metric_network: object = None
    layout: CodeLayout | None = None
    n_channels: int = 1
    width: int | None = None
    coarse: tuple[int, ...] | None = None
    exposure: bool = True

    @property
    def extent(self):
        """The axes of an image, without channels and without axes of one pixel."""
        shape = self.sample_shape[1:] if self.n_channels > 1 else self.sample_shape
        return tuple(s for s in shape if s > 1) or (1,)

    @property
    def convolution(self):
        """Settings of convolutional networks, or None for perceptrons."""
        if self.width is None:
            return None
        return ConvSettings(self.coarse or self.extent, self.n_channels, self.width)

    @property
    def resolution(self):
        """Sizes of fine and coarse images, or None for images that are learned as they are."""
        if self.coarse is None:
            return None
        return Resolution(self.n_channels, self.extent, self.coarse)

    @property
    def n_seen(self):
        """Columns of a row as the networks see it in training."""
        return self.n_features if self.coarse is None else self.resolution.n_coarse

    @property
    def has_reference(self):
        """Whether the decoder starts from a reference row."""
        if self.decoder is None or isinstance(self.decoder, str):
            return self.decoder is not None
        return takes_reference(self.decoder)


class RHVAEStack(nn.Module):
    """K RHVAEs side by side; every parameter and buffer leads with the class axis.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        ``encoder(x, r) -> Posterior``, ``decoder(z, r) -> theta``. `r` is an optional reference
        row of the same class; the direct decoder ignores it.
    metric_network : torch.nn.Module or None
        ``metric_network(x, r) -> L``; None where no flow trains one.
    likelihood : torch.nn.Module
        A member of :mod:`~sklearn_pyraug.rhvae.likelihoods`.
    n_classes : int
        K.
    settings : FlowSettings
    """

    def __init__(self, encoder, decoder, metric_network, likelihood, n_classes, settings):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.metric_network = metric_network
        self.likelihood = likelihood
        self.settings = settings
        # Per class, because a class whose loss is not finite continues with a smaller step.
        self.register_buffer("eps", torch.full((n_classes, 1, 1), float(settings.leapfrog_step)))
        self.register_buffer("T", torch.full((n_classes, 1, 1), float(settings.temperature)))
        # Whether the ELBO has the flow: training may begin as that of a plain VAE.
        self.flowing = settings.n_leapfrog > 0

    @property
    def n_classes(self):
        """Number of classes in the stack."""
        return self.eps.shape[0]

    def encode(self, x, r=None):
        """Return q(z | x, r) as a :class:`~sklearn_pyraug.rhvae.networks.mlp.Posterior`.

        Parameters
        ----------
        x : Tensor of shape (n_classes, n_rows, n_features)
        r : Tensor of shape (n_classes, n_rows, n_features) or None, default=None
            Reference rows.
        """
        return self.encoder(x, r)

    def decode(self, z, r=None):
        """Return the likelihood's parameters theta(z, r), shape (n_classes, n_rows, n_features).

        Parameters
        ----------
        z : Tensor of shape (n_classes, n_rows, latent_dim)
        r : Tensor of shape (n_classes, n_rows, n_features) or None, default=None
            Reference rows.
        """
        return self.decoder(z, r)

    def metric(self, x, mask, r=None):
        """Return the metric whose centroids are the codes of `x`.

        Parameters
        ----------
        x : Tensor of shape (n_classes, n_rows, n_features)
        mask : Tensor of shape (n_classes, n_rows)
            1 for a row, 0 for padding.
        r : Tensor of shape (n_classes, n_rows, n_features) or None, default=None
            Reference rows.

        Returns
        -------
        metric : Metric or PosteriorMetric
        """
        return self.metric_from(self.encode(x, r), x, mask, r)

    def metric_from(self, posterior, x, mask, r):
        """Return the metric of given posteriors of `x`, see :meth:`metric`."""
        lam = self.settings.regularization
        if self.settings.metric == "posterior":
            mu, log_var = (v.detach() for v in posterior)
            return make_posterior_metric(mu, log_var, mask, lam)
        return make_metric(posterior.mu, self.metric_network(x, r), mask, self.T, lam)

    def forward(self, batch):
        """Return the ELBO terms of a batch; see :func:`.elbo.elbo_terms`."""
        return elbo_terms(self, batch)

    @torch.no_grad()
    def keep(self, positions):
        """Keep only the classes at `positions`, in place; parameters stay the same objects.

        Parameters
        ----------
        positions : Tensor of int64, shape (n_kept,)
            A position may occur more than once: the class then has copies.
        """
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = tensor.data.index_select(0, positions.to(tensor.device))
            tensor.grad = None


def build_stack(architecture, settings, generators):
    """Make an untrained stack.

    Parameters
    ----------
    architecture : Architecture
    settings : FlowSettings
    generators : sequence of torch.Generator
        One stream per class, for the weights; its length is K.

    Returns
    -------
    stack : RHVAEStack
        On the CPU, in float32.
    """
    a, d = architecture, settings.latent_dim
    hidden, D, conv = a.hidden_layer_sizes, a.n_seen, a.convolution
    size = (len(generators), D)
    likelihood = LIKELIHOODS[a.likelihood](*size if a.layout is None else (*size, a.layout))

    def net(n_outputs):
        """Make a network that sees rows, or rows and their references."""
        n_inputs = 2 if a.has_reference else 1
        if conv is not None:
            return ConvNet(conv, n_inputs, n_outputs, generators)
        return MLP((n_inputs * D, *hidden, n_outputs), generators)

    if a.encoder is None:
        encoder = Encoder(net(2 * d))
    else:
        encoder = user_network("encoder", a, d, generators)
    if a.decoder is None and conv is not None:
        decoder = ConvDecoder(conv, d, generators)
    elif a.decoder is None:
        decoder = MLPDecoder(d, D, hidden, generators)
    elif a.decoder == "residual":
        decoder = ResidualDecoder(d, D, hidden, generators, likelihood.inverse_link)
    elif a.decoder == "deformation":
        decoder = DeformationDecoder(
            d,
            a.coarse or a.extent,
            hidden,
            generators,
            likelihood.inverse_link,
            a.n_channels,
            fine=a.extent,
            exposure=a.exposure,
            second_order=settings.second_order,
        )
    else:
        decoder = user_network("decoder", a, d, generators)
    if not settings.learns_metric:
        metric_network = None
    elif a.metric_network is None:
        metric_network = MetricNetwork(net(n_tril(d)))
    else:
        metric_network = user_network("metric__network", a, d, generators)
    return RHVAEStack(encoder, decoder, metric_network, likelihood, len(generators), settings)


def n_weights(architecture, settings):
    """Return a rough number of weights of one class's default networks."""
    a, d = architecture, settings.latent_dim
    sizes = (a.n_seen, *a.hidden_layer_sizes)
    trunk = sum(p * q for p, q in zip(sizes[:-1], sizes[1:], strict=True))
    if a.convolution is not None:
        return n_conv_weights(a.convolution, d)
    n, last = 2 * trunk, a.hidden_layer_sizes[-1]
    return n + 3 * d * last + (trunk + n_tril(d) * last) * settings.learns_metric


def n_multiplications(architecture, settings):
    """Return a rough number of multiplications by which one row passes one class's networks."""
    if architecture.convolution is not None:
        return n_conv_multiplications(architecture.convolution)
    return n_weights(architecture, settings)
