"""A trial run of user-supplied networks, before any training."""

import torch

from .model import build_stack
from .networks import n_tril

__all__ = ["check_networks", "n_weights"]


def n_weights(architecture, flow):
    """Return a rough number of weights of one class's default networks."""
    a, d = architecture, flow.latent_dim
    sizes = (a.n_features, *a.hidden_layer_sizes)
    trunk = sum(p * q for p, q in zip(sizes[:-1], sizes[1:], strict=True))
    return 3 * trunk + a.hidden_layer_sizes[-1] * (3 * d + n_tril(d))


def check_networks(architecture, flow):
    """Push two rows through the networks that the user brought and compare shapes.

    Parameters
    ----------
    architecture : Architecture
    flow : FlowSettings

    Raises
    ------
    ValueError
        If a network cannot be evaluated or returns a wrong shape: the message names the
        parameter, the shape received and the shape needed.
    """
    if architecture.encoder is architecture.decoder is architecture.metric_network is None:
        return
    stack = build_stack(architecture, flow, [torch.Generator().manual_seed(0)])
    stack.train()
    d, D = flow.latent_dim, architecture.n_features
    x, z = torch.full((1, 2, D), 0.5), torch.zeros(1, 2, d)
    row = (D,) if architecture.sample_shape is None else architecture.sample_shape

    def run(name, call, given):
        try:
            with torch.no_grad():
                return call()
        except Exception as error:
            raise ValueError(
                f"{name} could not be evaluated on a batch of shape (2, {given}): "
                f"{type(error).__name__}: {error}"
            ) from error

    def compare(name, got, needed, hint):
        if tuple(got.shape[1:]) != needed:
            raise ValueError(
                f"{name} returned an output of shape {tuple(got.shape[1:])} for two rows, where "
                f"{needed} is needed. {hint}"
            )

    given = ", ".join(map(str, row))
    posterior = run("encoder", lambda: stack.encode(x), given)
    for part, value in zip(("mean", "log-variance"), posterior, strict=True):
        compare(
            "encoder", value, (2, d), f"Its {part} must have latent_dim={d} columns."
        )
    theta = run("decoder", lambda: stack.decode(z), d)
    compare("decoder", theta, (2, D), f"One row of X has {D} values: make its last layer fit.")
    L = run("metric_network", lambda: stack.metric_network(x), given)
    compare(
        "metric_network",
        L,
        (2, d, d),
        f"Return lower-triangular matrices of order latent_dim={d}, or their {n_tril(d)} entries.",
    )
