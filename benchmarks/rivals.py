"""Adapters to other RHVAEs, used as their authors wrote them.

Pyraug 0.0.6 and pythae 0.1.2 are imported if installed; nothing of theirs is copied here.

    pip install --no-deps pyraug==0.0.6 pythae==0.1.2
    pip install cloudpickle dill "pydantic>=2"

Both write K classes as K separate models, which are trained and sampled one after another.

Shapes: K classes, n rows per class, D columns, d latent dimensions.
"""

import importlib
import importlib.metadata
import logging
import sys
import tempfile

import torch

from sklearn_pyraug.rhvae.model import Architecture, FlowSettings, build_stack
from sklearn_pyraug.rhvae.training.data import fixed_batch

__all__ = [
    "OneAfterAnother",
    "StackStep",
    "build_pyraug",
    "build_pythae",
    "fit_pyraug",
    "installed",
    "pyraug_log_density",
    "record_pyraug",
    "sample_pyraug",
    "set_pyraug_metric",
    "streams",
]

VERSIONS = {"pyraug": "0.0.6", "pythae": "0.1.2"}
NEEDS = {"pyraug": "dill pydantic", "pythae": "cloudpickle pydantic"}


def installed(name):
    """Tell whether a rival can be imported; if not, print what to install and why it failed.

    Parameters
    ----------
    name : {"pyraug", "pythae"}
    """
    # Both add a handler of their own to their loggers when they are imported.
    logging.getLogger(name).setLevel(logging.WARNING)
    try:
        found = importlib.metadata.version(name)
        importlib.import_module(f"{name}.models.rhvae")
    except ImportError as error:  # PackageNotFoundError is one
        print(
            f"{name} is left out ({type(error).__name__}: {error}). To have it: "
            f"pip install --no-deps {name}=={VERSIONS[name]}, and pip install {NEEDS[name]}",
            file=sys.stderr,
        )
        return False
    if found != VERSIONS[name]:
        print(f"{name} is {found}; written for {VERSIONS[name]}.", file=sys.stderr)
    return True


# --- models -----------------------------------------------------------------------------------


def build_pyraug(n_features, latent_dim, n_leapfrog=3, **settings):
    """Return an untrained Pyraug RHVAE with its default networks.

    Encoder and decoder have 500 hidden units, the metric network 400; the likelihood is
    Bernoulli.

    Parameters
    ----------
    n_features, latent_dim, n_leapfrog : int
    **settings : dict
        Further fields of its ``RHVAEConfig``: eps_lf, beta_zero, temperature, regularization.
    """
    from pyraug.models import RHVAE
    from pyraug.models.rhvae import RHVAEConfig

    return RHVAE(
        RHVAEConfig(input_dim=n_features, latent_dim=latent_dim, n_lf=n_leapfrog, **settings)
    )


def build_pythae(n_features, latent_dim, n_leapfrog=3, **settings):
    """Return an untrained pythae RHVAE with its default networks.

    Encoder and decoder have 512 hidden units, the metric network 400; the likelihood is
    Bernoulli, as for the others. Parameters as for :func:`build_pyraug`.
    """
    from pythae.models.rhvae import RHVAE, RHVAEConfig

    return RHVAE(
        RHVAEConfig(
            input_dim=(n_features,),
            latent_dim=latent_dim,
            n_lf=n_leapfrog,
            reconstruction_loss="bce",
            **settings,
        )
    )


# --- training ---------------------------------------------------------------------------------


class OneAfterAnother:
    """A training step of K Pyraug or pythae models, one after another.

    As their trainers take it: zero the gradients, forward, backward, Adam (not fused).

    Parameters
    ----------
    models : list of torch.nn.Module
        One per class.
    batches : list of Tensor, each of shape (n_rows, n_features)
        The rows of every step; fixed, so that only the step is timed.
    lr : float, default=1e-4
        Pyraug's default.
    device : str, default="cpu"
    """

    def __init__(self, models, batches, lr=1e-4, device="cpu"):
        self.models = [m.to(device).train() for m in models]
        self.batches = [{"data": x.to(device)} for x in batches]
        self.optimizers = [torch.optim.Adam(m.parameters(), lr=lr) for m in self.models]
        self.losses = [None] * len(models)

    def __call__(self):
        """Take one step of all classes."""
        parts = zip(self.models, self.optimizers, self.batches, strict=True)
        for k, (model, optimizer, batch) in enumerate(parts):
            optimizer.zero_grad()
            loss = model(batch).loss
            loss.backward()
            optimizer.step()
            self.losses[k] = loss.detach()
            # The models keep the metric of every step until the end of an epoch.
            model.update()

    def loss(self):
        """Return the mean loss of the last step, in nats per row."""
        return float(torch.stack(self.losses).mean())


class StackStep:
    """A training step of our stack of K classes.

    Zero the gradients, forward, backward, fused Adam.

    Parameters
    ----------
    batches : list of Tensor, each of shape (n_rows, n_features)
        Rows of each class, in [0, 1].
    latent_dim : int
    hidden : int, default=500
    lr : float, default=1e-3
    seed : int, default=0
    device : str, default="cpu"
    **settings : dict
        Further fields of its ``FlowSettings``; ``n_leapfrog=0`` gives a plain VAE with the same
        encoder and decoder, the floor.
    """

    def __init__(self, batches, latent_dim, hidden=500, lr=1e-3, seed=0, device="cpu", **settings):
        K, D = len(batches), batches[0].shape[1]
        flow = FlowSettings(latent_dim=latent_dim, **settings)
        architecture = Architecture(D, "bernoulli", (hidden,))
        self.stack = build_stack(architecture, flow, streams(seed, K)["weights"]).to(device)
        self.stack.train()
        self.batch = fixed_batch(batches, streams(seed, K)["noise"], latent_dim, device)
        self.optimizer = torch.optim.Adam(self.stack.parameters(), lr=lr, fused=True)
        self.last_loss = None

    def __call__(self):
        """Take one step of all classes."""
        self.optimizer.zero_grad()
        # Every class has its own mean: their sum leaves the classes independent.
        loss = -self.stack(self.batch).elbo.mean(1).sum()
        loss.backward()
        self.optimizer.step()
        self.last_loss = loss.detach()

    def loss(self):
        """Return the mean loss of the last step, in nats per row."""
        return float(self.last_loss) / self.stack.n_classes


def streams(seed, n_classes):
    """Return one CPU stream per purpose and class, as our generator takes them."""
    purposes = ("weights", "shuffle", "noise", "split", "mcmc", "decode", "fine_tuning")
    return {
        purpose: [
            torch.Generator().manual_seed(1_000_003 * seed + 1_009 * p + k)
            for k in range(n_classes)
        ]
        for p, purpose in enumerate(purposes)
    }


def fit_pyraug(
    rows, latent_dim, n_epochs, batch_size=50, lr=1e-3, device="cpu", progress=None, **settings
):
    """Train one Pyraug model per class as its trainer does, without files and early stopping.

    Weights and noise come from torch's global generator: seed it before.

    Parameters
    ----------
    rows : list of Tensor, each of shape (n_k, n_features)
    latent_dim, n_epochs : int
    batch_size : int, default=50
        Pyraug's default.
    lr : float, default=1e-3
        Pyraug's default is 1e-4; ours is 1e-3.
    device : str, default="cpu"
    progress : tqdm bar or None
        Updated after each epoch of each class.
    **settings : dict
        For :func:`build_pyraug`.

    Returns
    -------
    models : list
    """
    models = []
    for x in rows:
        x = x.to(device)
        model = build_pyraug(x.shape[1], latent_dim, **settings).to(device).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        for _ in range(n_epochs):
            for index in torch.randperm(len(x), device=device).split(batch_size):
                optimizer.zero_grad()
                model({"data": x[index]}).loss.backward()
                optimizer.step()
            model.update()
            if progress is not None:
                progress.update()
        models.append(model.eval())
    return models


# --- sampling ---------------------------------------------------------------------------------


@torch.no_grad()
def set_pyraug_metric(model, c, L, temperature, regularization):
    """Give a Pyraug model another metric, so that its chains have that metric's density.

    Parameters
    ----------
    model : pyraug RHVAE
    c : Tensor of shape (n_centroids, latent_dim)
    L : Tensor of shape (n_centroids, latent_dim, latent_dim)
    temperature, regularization : float
    """
    model.M, model.centroids = [L @ L.mT], [c]
    model.update()
    model.temperature.fill_(temperature)
    model.lbd.fill_(regularization)


def _pyraug_sampler(model, n_steps, n_leapfrog, step_size):
    from pyraug.models.rhvae import RHVAESampler, RHVAESamplerConfig

    # Its methods that write files are not called; the folder only has to exist.
    config = RHVAESamplerConfig(
        output_dir=tempfile.gettempdir(),
        mcmc_steps_nbr=n_steps,
        n_lf=n_leapfrog,
        eps_lf=step_size,
        no_cuda=next(model.parameters()).device.type == "cpu",
    )
    return RHVAESampler(model, config)


@torch.no_grad()
def sample_pyraug(model, n_rows, n_steps=100, n_leapfrog=15, step_size=0.03):
    """Draw rows by Pyraug's own chain and decoder, unmodified.

    Parameters
    ----------
    model : pyraug RHVAE
    n_rows : int
        Chains, all run in one batch.
    n_steps, n_leapfrog : int
    step_size : float
        The defaults are Pyraug's.

    Returns
    -------
    x : Tensor of shape (n_rows, n_features)
    z : Tensor of shape (n_rows, latent_dim)
    """
    sampler = _pyraug_sampler(model, n_steps, n_leapfrog, step_size)
    z = sampler.hmc_sampling(n_rows)
    return model.decoder(z), z


def record_pyraug(model, n_rows, n_steps=100, n_leapfrog=15, step_size=0.03):
    """Run Pyraug's chain again and record its positions.

    Pyraug evaluates the log-density ``sampler.log_pi`` twice a step, first where the chain is
    and then where it might go; listening there records the very chain that it runs.

    Returns
    -------
    chains : Tensor of shape (n_rows, n_steps, latent_dim)
        Positions after each step.
    """
    sampler = _pyraug_sampler(model, n_steps, n_leapfrog, step_size)
    log_density, seen = sampler.log_pi, []

    def listen(z, model):
        seen.append(z.clone())
        return log_density(z, model)

    sampler.log_pi = listen
    last = sampler.hmc_sampling(n_rows)
    # Even calls: the positions before each step.
    return torch.stack([*seen[2::2], last], dim=1)


def pyraug_log_density(model, z):
    """Return Pyraug's log-density of z, shape (n_points,), up to a constant."""
    from pyraug.models.rhvae import RHVAESampler

    with torch.no_grad():
        return RHVAESampler.log_sqrt_det_G_inv(z, model)
