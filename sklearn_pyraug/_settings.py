"""From the estimator's parameters to the generator's settings."""

from numbers import Integral, Real

from ._sklearn_compat import HasMethods, Interval, StrOptions
from ._validation import check_hidden_layer_sizes, check_sample_shape
from .rhvae import Architecture, FlowSettings, SamplerSettings, TrainingSettings

__all__ = ["PARAMETER_CONSTRAINTS", "architecture", "flow", "sampler", "training"]

_POSITIVE = Interval(Real, 0, None, closed="neither")
_COUNT = Interval(Integral, 1, None, closed="left")

PARAMETER_CONSTRAINTS = {
    "sampling_strategy": [
        StrOptions({"auto", "minority", "not minority", "not majority", "all"}),
        Interval(Real, 0, 1, closed="right"),
        dict,
        callable,
    ],
    "augmentation_factor": [Interval(Real, 1, None, closed="left")],
    "latent_dim": [_COUNT],
    "n_leapfrog": [Interval(Integral, 0, None, closed="left")],
    "leapfrog_step": [_POSITIVE],
    "beta_zero": [Interval(Real, 0, 1, closed="right")],
    "temperature": [_POSITIVE],
    "regularization": [_POSITIVE],
    "hidden_layer_sizes": ["array-like", _COUNT],
    "encoder": [HasMethods("forward"), callable, None],
    "decoder": [StrOptions({"direct"}), HasMethods("forward"), callable],
    "metric_network": [HasMethods("forward"), callable, None],
    "sample_shape": ["array-like", None],
    "likelihood": [StrOptions({"auto", "gaussian", "bernoulli", "binomial"})],
    "max_epochs": [_COUNT],
    "batch_size": [_COUNT],
    "lr": [_POSITIVE],
    "patience": [_COUNT, None],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "callbacks": [list, tuple, None],
    "device": [str],
    "n_jobs": [Integral, None],
    "sampler": [StrOptions({"hmc"})],
    "n_mcmc_steps": [_COUNT],
    "n_mcmc_leapfrog": [_COUNT],
    "mcmc_step_size": [_POSITIVE, None],
    "max_centroids": [_COUNT, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def architecture(estimator, n_features, likelihood, layout=None):
    """Return the :class:`~sklearn_pyraug.rhvae.Architecture` for `n_features` coded columns."""
    return Architecture(
        n_features,
        likelihood,
        check_hidden_layer_sizes(estimator.hidden_layer_sizes),
        check_sample_shape(estimator.sample_shape, n_features),
        estimator.encoder,
        None if isinstance(estimator.decoder, str) else estimator.decoder,
        estimator.metric_network,
        layout,
    )


def flow(estimator):
    """Return the :class:`~sklearn_pyraug.rhvae.FlowSettings`."""
    return FlowSettings(
        int(estimator.latent_dim),
        int(estimator.n_leapfrog),
        float(estimator.leapfrog_step),
        float(estimator.beta_zero),
        float(estimator.temperature),
        float(estimator.regularization),
    )


def training(estimator):
    """Return the :class:`~sklearn_pyraug.rhvae.TrainingSettings`."""
    return TrainingSettings(
        int(estimator.max_epochs),
        int(estimator.batch_size),
        float(estimator.lr),
        estimator.patience,
        None if estimator.callbacks is None else list(estimator.callbacks),
        int(estimator.verbose),
    )


def sampler(estimator):
    """Return the :class:`~sklearn_pyraug.rhvae.SamplerSettings`."""
    step_size = estimator.mcmc_step_size
    return SamplerSettings(
        estimator.sampler,
        int(estimator.n_mcmc_steps),
        int(estimator.n_mcmc_leapfrog),
        None if step_size is None else float(step_size),
    )
