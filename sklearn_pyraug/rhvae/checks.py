"""A trial run of user-supplied networks, before any training."""

import torch

from .model import build_stack
from .networks.conv import n_conv_multiplications, n_conv_weights
from .networks.mlp import n_tril
from .networks.user import VmapStack, user_network

__all__ = ["check_networks", "n_multiplications", "n_weights", "networks_in_turn"]


def n_weights(architecture, flow):
    """Return a rough number of weights of one class's default networks."""
    a, d = architecture, flow.latent_dim
    sizes = (a.n_seen, *a.hidden_layer_sizes)
    trunk = sum(p * q for p, q in zip(sizes[:-1], sizes[1:], strict=True))
    if a.convolution is not None:
        return n_conv_weights(a.convolution, d)
    return 3 * trunk + a.hidden_layer_sizes[-1] * (3 * d + n_tril(d))


def n_multiplications(architecture, flow):
    """Return a rough number of multiplications by which one row passes one class's networks."""
    if architecture.convolution is not None:
        return n_conv_multiplications(architecture.convolution)
    return n_weights(architecture, flow)


def _own_networks(architecture):
    """Return by name what the user brought in place of the package's networks."""
    specs = {n: getattr(architecture, n) for n in ("encoder", "decoder", "metric_network")}
    return {n: s for n, s in specs.items() if s is not None and not isinstance(s, str)}


def networks_in_turn(architecture, flow):
    """Find the user's networks whose copies are evaluated one after another.

    Parameters
    ----------
    architecture : Architecture
        That :func:`check_networks` has passed.
    flow : FlowSettings

    Returns
    -------
    reasons : list of InTurn
        See :class:`.user.InTurn`; empty where all can be side by side.
    """
    a, streams = architecture, [torch.Generator().manual_seed(0)]
    networks = [
        user_network(name, spec, a.n_seen, flow.latent_dim, a.sample_shape, streams)
        for name, spec in _own_networks(a).items()
    ]
    return [network.in_turn for network in networks if network.in_turn is not None]


def check_networks(architecture, flow):
    """Push two rows through the networks that the user brought and compare shapes.

    Parameters
    ----------
    architecture : Architecture
    flow : FlowSettings

    Raises
    ------
    ValueError
        If a network cannot be evaluated, returns a wrong shape, asks for a reference row that
        there is not or cannot be differentiated as often as the flow needs: the message names the
        parameter, what was received and what is needed.
    """
    own = _own_networks(architecture)
    if not own:
        return
    stack = build_stack(architecture, flow, [torch.Generator().manual_seed(0)])
    stack.train()
    for name in ("encoder", "metric_network"):
        asks = getattr(getattr(stack, name), "takes_reference", False)
        if asks and not architecture.has_reference:
            raise ValueError(
                f"{name}={getattr(architecture, name)!r} takes two inputs, a row and its reference "
                "row, but the decoder has no reference row. Use one that has, such as "
                f"'residual', or give the {name} one input."
            )
    d, D = flow.latent_dim, architecture.n_features
    x, z = torch.full((1, 2, D), 0.5), torch.zeros(1, 2, d)
    row = (D,) if architecture.sample_shape is None else architecture.sample_shape

    def run(name, network, inputs, needed):
        """Evaluate the user's copies as they are, before anything is made of the output."""
        shape = tuple(inputs.shape[1:])
        inputs = (inputs, shaped) if network.takes_reference else (inputs,)
        try:
            with torch.no_grad():
                return VmapStack.forward(network, *inputs)
        except Exception as error:
            raise ValueError(
                f"{name} could not be evaluated on a batch of shape {shape}: "
                f"{type(error).__name__}: {error}. It must map it to {needed}."
            ) from error

    def compare(name, got, shapes, hint, part="an output"):
        shape = tuple(got.shape[1:]) if torch.is_tensor(got) else None
        if shape not in shapes:
            found = f"of shape {shape}" if shape is not None else f"of type {type(got).__name__}"
            needed = " or ".join(map(str, shapes))
            raise ValueError(
                f"{name} returned {part} {found} for two rows, where {needed} is needed. {hint}"
            )

    shaped = x.reshape(1, 2, *row)
    if architecture.encoder is not None:
        needed = f"(mu, log_var), each of shape {(2, d)}"
        posterior = run("encoder", stack.encoder, shaped, needed)
        if not isinstance(posterior, (tuple, list)) or len(posterior) != 2:
            raise ValueError(
                f"encoder returned {type(posterior).__name__}, where a tuple {needed}, is needed."
            )
        for part, value in zip(("a mean", "a log-variance"), posterior, strict=True):
            hint = f"It must have latent_dim={d} columns."
            compare("encoder", value, [(2, d)], hint, part)
    if "decoder" in own:
        if stack.decoder.takes_reference and not architecture.has_reference:
            raise ValueError(
                f"decoder={architecture.decoder!r} made a module that takes two inputs, (z, r), "
                "which its maker does not announce. Set the factory's attribute "
                "takes_reference = True, or pass the module or its class."
            )
        theta = run("decoder", stack.decoder, z, f"{(2, D)}, in any shape")
        if torch.is_tensor(theta) and theta.dim() > 2:
            theta = theta.flatten(2)
        compare(
            "decoder", theta, [(2, D)], f"One row of X has {D} values: make its last layer fit."
        )
        if flow.n_leapfrog and flow.second_order:
            _check_twice_differentiable(stack.decoder, z, x, flow.n_leapfrog)
    if architecture.metric_network is not None:
        L = run("metric_network", stack.metric_network, shaped, f"{(2, d, d)} or {(2, n_tril(d))}")
        compare(
            "metric_network",
            L,
            [(2, d, d), (2, n_tril(d))],
            f"Return lower-triangular matrices of order {d}, or their {n_tril(d)} entries.",
        )


@torch.enable_grad()
def _check_twice_differentiable(decoder, z, r, n_leapfrog):
    """Differentiate as the flow does: by z, and the derivative by the weights."""
    z = z.clone().requires_grad_()
    try:
        (g,) = torch.autograd.grad(
            decoder(z, r).square().sum(), z, create_graph=True, allow_unused=True
        )
        if g is not None and g.requires_grad:
            leaves = [z, *(p for p in decoder.parameters() if p.requires_grad)]
            torch.autograd.grad(g.square().sum(), leaves, allow_unused=True)
    except RuntimeError as error:
        raise ValueError(
            f"decoder cannot be differentiated twice, for which n_leapfrog={n_leapfrog} asks: "
            f"{error}. Use other layers, or n_leapfrog=0."
        ) from error
