"""Encoder, decoder and metric networks, stacked over the class axis.

Every parameter carries a leading class axis, so that K small networks are evaluated by
one batched product instead of K calls. A user's own :class:`torch.nn.Module` is stacked
by :class:`VmapStack`.

Shapes: K classes, B rows per class, D columns, d latent dimensions.
"""

import inspect
import math
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call, vmap

__all__ = [
    "MLP",
    "MLPDecoder",
    "MLPEncoder",
    "MLPMetric",
    "Posterior",
    "StackedLinear",
    "VmapDecoder",
    "VmapEncoder",
    "VmapMetric",
    "VmapStack",
    "lower_triangular",
    "n_tril",
    "takes_reference",
]

# softplus(_UNIT_DIAGONAL) == 1: an untrained metric network starts near the identity.
_UNIT_DIAGONAL = math.log(math.e - 1.0)
# Keeps the mean square of a signal through a rectified linear unit (He et al. 2015).
_RELU_GAIN = math.sqrt(2.0)
# Bounds of the posterior's log-variance: standard deviations between 5e-4 and 150.
_LOG_VAR_RANGE = (-15.0, 10.0)


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


def lower_triangular(entries, latent_dim):
    """Build lower-triangular matrices with a positive diagonal from flat entries.

    Parameters
    ----------
    entries : Tensor of shape (..., latent_dim * (latent_dim + 1) / 2)
        First the `latent_dim` raw diagonal entries, which pass through a softplus
        (shifted so that 0 becomes 1), then the strictly lower ones, row by row.
    latent_dim : int
        Order d of the matrices.

    Returns
    -------
    L : Tensor of shape (..., latent_dim, latent_dim)
    """
    diagonal = nn.functional.softplus(entries[..., :latent_dim] + _UNIT_DIAGONAL)
    L = torch.diag_embed(diagonal)
    if latent_dim > 1:
        row, col = torch.tril_indices(latent_dim, latent_dim, -1, device=entries.device)
        strict = torch.zeros_like(L)
        strict[..., row, col] = entries[..., latent_dim:]
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

    def forward(self, x):
        """Map x of shape (K, B, sizes[0]) to (K, B, sizes[-1])."""
        for layer in self.layers[:-1]:
            x = nn.functional.relu(layer(x))
        return self.layers[-1](x)


class MLPEncoder(nn.Module):
    """Encoder q(z | x): a perceptron with a mean head and a log-variance head.

    Parameters
    ----------
    n_features : int
        Number of columns D.
    latent_dim : int
        Latent dimension d.
    hidden_layer_sizes : tuple of int
        Hidden units, input side first.
    generators : sequence of torch.Generator
        One random stream per class.
    """

    def __init__(self, n_features, latent_dim, hidden_layer_sizes, generators):
        super().__init__()
        self.net = MLP((n_features, *hidden_layer_sizes, 2 * latent_dim), generators)

    def forward(self, x, r=None):
        """Encode x of shape (K, B, D); the reference row `r` is not used.

        Returns
        -------
        posterior : Posterior
        """
        mu, log_var = self.net(x).chunk(2, dim=-1)
        return Posterior(mu, log_var.clamp(*_LOG_VAR_RANGE))


class MLPDecoder(nn.Module):
    """Direct decoder: the likelihood's parameters from z alone, as in the papers.

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


class MLPMetric(nn.Module):
    """Metric network: x to a lower-triangular L with positive diagonal, M = L Lᵀ.

    Parameters
    ----------
    n_features : int
        Number of columns D.
    latent_dim : int
        Latent dimension d.
    hidden_layer_sizes : tuple of int
        Hidden units.
    generators : sequence of torch.Generator
        One random stream per class.
    """

    def __init__(self, n_features, latent_dim, hidden_layer_sizes, generators):
        super().__init__()
        self.latent_dim = latent_dim
        self.net = MLP((n_features, *hidden_layer_sizes, n_tril(latent_dim)), generators)

    def forward(self, x, r=None):
        """Map x of shape (K, B, D) to L of shape (K, B, d, d); `r` is not used."""
        return lower_triangular(self.net(x), self.latent_dim)


class VmapStack(nn.Module):
    """K copies of a user's module, evaluated by :func:`torch.func.vmap`.

    Parameters
    ----------
    modules : list of torch.nn.Module
        One module per class, all of one architecture.
    name : str
        The estimator's parameter that brought the module; error messages name it.

    Raises
    ------
    ValueError
        If a module keeps buffers that change in training (running statistics): one
        batched evaluation cannot update them.
    """

    def __init__(self, modules, name):
        super().__init__()
        for layer_name, layer in modules[0].named_modules():
            if getattr(layer, "track_running_stats", False):
                raise ValueError(
                    f"{name}: the layer {layer_name!r} ({type(layer).__name__}) keeps running "
                    "statistics, which cannot be trained side by side for several classes. "
                    "Use GroupNorm or LayerNorm, or track_running_stats=False."
                )
        # The architecture is kept in a list so that its own parameters stay unregistered:
        # only the stacked copies below are trained.
        self._base = [modules[0]]
        self.name = name
        self._parameter_names = [n for n, _ in modules[0].named_parameters()]
        self._buffer_names = [n for n, _ in modules[0].named_buffers()]
        states = [dict(m.named_parameters()) | dict(m.named_buffers()) for m in modules]
        self.stacked = nn.ParameterList(
            nn.Parameter(torch.stack([s[n].detach() for s in states]).float())
            for n in self._parameter_names
        )
        for i, n in enumerate(self._buffer_names):
            self.register_buffer(f"stacked_buffer_{i}", torch.stack([s[n] for s in states]))

    def forward(self, *inputs):
        """Evaluate all copies; each input has shape (K, B, ...)."""
        state = dict(zip(self._parameter_names, self.stacked, strict=True))
        for i, n in enumerate(self._buffer_names):
            state[n] = getattr(self, f"stacked_buffer_{i}")

        def one(state, *args):
            return functional_call(self._base[0], state, args)

        return vmap(one, randomness="error")(state, *inputs)


def _shaped(x, sample_shape):
    return x if sample_shape is None else x.reshape(*x.shape[:2], *sample_shape)


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


class VmapEncoder(VmapStack):
    """A user's encoder, x (B, D) or (B, *sample_shape), or (x, r), to (mu, log_var).

    Parameters
    ----------
    modules : list of torch.nn.Module
        One module per class.
    sample_shape : tuple of int or None
        The shape in which a row is handed to the module; None for flat rows.
    """

    def __init__(self, modules, sample_shape=None):
        super().__init__(modules, "encoder")
        self.sample_shape = sample_shape
        self.takes_reference = takes_reference(modules[0])

    def forward(self, x, r=None):
        """Encode x of shape (K, B, D), beside r where the modules ask for it."""
        inputs = (x, r) if self.takes_reference else (x,)
        mu, log_var = super().forward(*(_shaped(v, self.sample_shape) for v in inputs))
        return Posterior(mu, log_var.clamp(*_LOG_VAR_RANGE))


class VmapDecoder(VmapStack):
    """A user's decoder, z (B, d) to the likelihood's parameters (B, D), in any shape.

    Parameters
    ----------
    modules : list of torch.nn.Module
        One module per class; (z, r) to the same where they ask for two inputs.
    sample_shape : tuple of int or None
        The shape in which r is handed to the module; None for flat rows.
    """

    def __init__(self, modules, sample_shape=None):
        super().__init__(modules, "decoder")
        self.takes_reference = takes_reference(modules[0])
        self.sample_shape = sample_shape

    def forward(self, z, r=None):
        """Decode z of shape (K, B, d) to (K, B, D)."""
        inputs = (z, _shaped(r, self.sample_shape)) if self.takes_reference else (z,)
        return super().forward(*inputs).flatten(2)


class VmapMetric(VmapStack):
    """A user's metric network, x, or (x, r), to L (B, d, d), or to its flat entries.

    Parameters
    ----------
    modules : list of torch.nn.Module
        One module per class.
    latent_dim : int
        Latent dimension d.
    sample_shape : tuple of int or None
        The shape in which a row is handed to the module; None for flat rows.
    """

    def __init__(self, modules, latent_dim, sample_shape=None):
        super().__init__(modules, "metric_network")
        self.latent_dim = latent_dim
        self.sample_shape = sample_shape
        self.takes_reference = takes_reference(modules[0])

    def forward(self, x, r=None):
        """Map x of shape (K, B, D), beside r where asked for, to L of shape (K, B, d, d)."""
        inputs = (x, r) if self.takes_reference else (x,)
        L = super().forward(*(_shaped(v, self.sample_shape) for v in inputs))
        return lower_triangular(L, self.latent_dim) if L.dim() == 3 else torch.tril(L)
