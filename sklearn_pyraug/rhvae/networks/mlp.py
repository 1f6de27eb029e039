"""Encoder, decoder and metric networks, stacked over the class axis.

Every parameter carries a leading class axis, so that K small networks are evaluated by
one batched product instead of K calls. A user's own :class:`torch.nn.Module` is stacked
in :mod:`.user`.

Shapes: K classes, B rows per class, D columns, d latent dimensions.
"""

import inspect
import math
from typing import NamedTuple

import torch
from torch import nn

__all__ = [
    "MLP",
    "Encoder",
    "MLPDecoder",
    "MetricNetwork",
    "Posterior",
    "StackedLinear",
    "lower_triangular",
    "n_tril",
    "takes_reference",
]

# softplus(_UNIT_DIAGONAL) == 1: an untrained metric network starts near the identity.
_UNIT_DIAGONAL = math.log(math.e - 1.0)
# Keeps the mean square of a signal through a rectified linear unit (He et al. 2015).
_RELU_GAIN = math.sqrt(2.0)
# Bounds of the posterior's log-variance: standard deviations between 5e-4 and 150.
LOG_VAR_RANGE = (-15.0, 10.0)


class Posterior(NamedTuple):
    """The encoder's Gaussian q(z | x, r) = N(mu, diag(exp(log_var))).

    Attributes
    ----------
    mu : Tensor of shape (n_classes, n_rows, latent_dim)
        Means.
    log_var : Tensor of shape (n_classes, n_rows, latent_dim)
        Logarithms of the variances.
    """

    mu: torch.Tensor
    log_var: torch.Tensor


def n_tril(latent_dim):
    """Return the number of entries of a lower-triangular matrix of order `latent_dim`."""
    return latent_dim * (latent_dim + 1) // 2


def lower_triangular(entries):
    """Build lower-triangular matrices with a positive diagonal from flat entries.

    Parameters
    ----------
    entries : Tensor of shape (..., d * (d + 1) / 2)
        First the d raw diagonal entries, which pass through a softplus (shifted so that 0
        becomes 1), then the strictly lower ones, row by row.

    Returns
    -------
    L : Tensor of shape (..., d, d)
    """
    d = (math.isqrt(8 * entries.shape[-1] + 1) - 1) // 2
    diagonal = nn.functional.softplus(entries[..., :d] + _UNIT_DIAGONAL)
    L = torch.diag_embed(diagonal)
    if d > 1:
        row, col = torch.tril_indices(d, d, -1, device=entries.device)
        strict = torch.zeros_like(L)
        strict[..., row, col] = entries[..., d:]
        L = L + strict
    return L


class StackedLinear(nn.Module):
    """K affine maps side by side, y_k = x_k W_k + b_k.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of each map.
    generators : sequence of torch.Generator
        One random stream per class; its length is K.
    gain : float, default=1.0
        Weights are uniform with standard deviation gain / sqrt(in_features), biases 0.
    """

    def __init__(self, in_features, out_features, generators, gain=1.0):
        super().__init__()
        bound = gain * math.sqrt(3.0 / in_features)
        rows = [
            torch.empty(in_features, out_features).uniform_(-bound, bound, generator=g)
            for g in generators
        ]
        self.weight = nn.Parameter(torch.stack(rows))
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, out_features))

    def forward(self, x):
        """Map x of shape (K, B, in_features) to (K, B, out_features)."""
        return torch.baddbmm(self.bias, x, self.weight)


class MLP(nn.Module):
    """K multilayer perceptrons with rectified linear units.

    Parameters
    ----------
    sizes : sequence of int
        Input size, hidden sizes, output size.
    generators : sequence of torch.Generator
        One random stream per class.
    """

    def __init__(self, sizes, generators):
        super().__init__()
        *hidden, last = zip(sizes[:-1], sizes[1:], strict=True)
        self.layers = nn.ModuleList(StackedLinear(a, b, generators, _RELU_GAIN) for a, b in hidden)
        self.layers.append(StackedLinear(*last, generators, 1.0))

    def forward(self, *inputs):
        """Map inputs, side by side of shape (K, B, sizes[0]), to (K, B, sizes[-1])."""
        x = inputs[0] if len(inputs) == 1 else torch.cat(inputs, -1)
        for layer in self.layers[:-1]:
            x = nn.functional.relu(layer(x))
        return self.layers[-1](x)


class Encoder(nn.Module):
    """Encoder q(z | x), or q(z | x, r): a mean and a log-variance from x, or from x − r and r.

    Parameters
    ----------
    net : torch.nn.Module
        From one or two inputs of shape (K, B, D) to (K, B, 2 d): :class:`MLP` or
        :class:`.conv.ConvNet`.
    """

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, r=None):
        """Encode x of shape (K, B, D), with the reference rows r if there are any.

        Returns
        -------
        posterior : Posterior
        """
        mu, log_var = self.net(*inputs_of(x, r)).chunk(2, dim=-1)
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))


class MetricNetwork(nn.Module):
    """From x, or from x − r and r, to a lower-triangular L with positive diagonal, M = L Lᵀ.

    Parameters
    ----------
    net : torch.nn.Module
        As of :class:`Encoder`, but to (K, B, d (d + 1) / 2).
    """

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, r=None):
        """Map x of shape (K, B, D), with r if there is one, to L of shape (K, B, d, d)."""
        return lower_triangular(self.net(*inputs_of(x, r)))


def inputs_of(x, r):
    """Return what encoder and metric network see of rows x and their references r."""
    return (x,) if r is None else (x - r, r)


class MLPDecoder(nn.Module):
    """Direct decoder: the likelihood's parameters from z only, as in the papers.

    Parameters
    ----------
    latent_dim : int
        Latent dimension d.
    n_features : int
        Number of columns D.
    hidden_layer_sizes : tuple of int
        Hidden units, input side first (they are used in reverse order).
    generators : sequence of torch.Generator
        One random stream per class.
    """

    def __init__(self, latent_dim, n_features, hidden_layer_sizes, generators):
        super().__init__()
        self.net = MLP((latent_dim, *reversed(hidden_layer_sizes), n_features), generators)

    @torch.no_grad()
    def start_at(self, theta):
        """Set the output's bias, so that an untrained decoder answers `theta` at z = 0.

        Parameters
        ----------
        theta : Tensor of shape (n_classes, n_features)
        """
        self.net.layers[-1].bias.copy_(theta.unsqueeze(1))

    def forward(self, z, r=None):
        """Decode z of shape (K, B, d) to (K, B, D); the reference row `r` is not used."""
        return self.net(z)


def takes_reference(spec):
    """Say whether a user's network is called with a reference row beside its input.

    Parameters
    ----------
    spec : torch.nn.Module, class or callable
        A module or its class is judged by the number of inputs that its ``forward`` asks for; a
        factory by its attribute ``takes_reference``, and without one it does not.
    """
    forward = getattr(spec, "forward", None)
    if forward is None:
        return bool(getattr(spec, "takes_reference", False))
    asked = [
        p
        for p in inspect.signature(forward).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    # The function of a class also asks for the instance, whatever it is called there.
    return len(asked) - inspect.isclass(spec) == 2
