"""Encoders, decoders and metric networks that the user brings, stacked over the class axis.

Parameters and buffers of the K copies of a module are stacked, as those of the default networks
are. The copies are evaluated side by side by :func:`torch.func.vmap`, or, where
:func:`.stackable.why_in_turn` finds that this cannot be, one after another:

* What is decided once, for the architecture, is kept with the stack, and pickled with it.
* Modules are in training mode in training only. In evaluation mode, in which held-out rows, the
  codes of the trained networks and new rows are computed, batch-norm uses its running statistics,
  dropout is off, and no buffer changes.
* Buffers that change belong to the weights: those of the best epoch are kept. In the posterior's
  flow the decoder is evaluated several times in each step, and each time counts.
* What a module draws comes from a stream of its class, in evaluation mode from its start at every
  call; torch's global generator is left alone.
* Statistics of a batch include the rows by which a short class is padded. A module that takes any
  should have a stack to itself for each class, as the augmenter's groups are then planned.

Shapes: K classes, B rows per class, D columns, d latent dimensions.
"""

import copy

import torch
from torch import nn

from .mlp import LOG_VAR_RANGE, Posterior, lower_triangular, takes_reference
from .stackable import call_alone, call_side_by_side, lent_stream, why_in_turn

__all__ = ["VmapDecoder", "VmapEncoder", "VmapMetric", "VmapStack", "user_network"]


class VmapStack(nn.Module):
    """K copies of a user's module, evaluated by :func:`torch.func.vmap` where that can be.

    Parameters
    ----------
    modules : list of torch.nn.Module
        One module per class, all of one architecture.
    in_turn : InTurn or None, default=None
        Why they are evaluated one after another; None for side by side.
    seeds : list of int or None, default=None
        With `in_turn`, one per class, of what a module draws when its turn comes.
    """

    def __init__(self, modules, in_turn=None, seeds=None):
        super().__init__()
        # The architecture is kept in a list so that its own parameters stay unregistered:
        # only the stacked copies below are trained.
        self._base = [modules[0]]
        self.in_turn = in_turn
        self._parameter_names = [n for n, _ in modules[0].named_parameters()]
        self._buffer_names = [n for n, _ in modules[0].named_buffers()]
        states = [dict(m.named_parameters()) | dict(m.named_buffers()) for m in modules]
        self.stacked = nn.ParameterList(
            nn.Parameter(
                torch.stack([s[n].detach() for s in states]).float(),
                requires_grad=states[0][n].requires_grad,
            )
            for n in self._parameter_names
        )
        for i, n in enumerate(self._buffer_names):
            self.register_buffer(f"stacked_buffer_{i}", torch.stack([s[n] for s in states]))
        if in_turn is not None:
            self.register_buffer("seeds", torch.tensor(seeds))
            self.n_calls = 0
        self.train(self.training)

    def train(self, mode=True):
        """Set training or evaluation mode, of the user's module too."""
        super().train(mode)
        self._base[0].train(mode)
        return self

    def forward(self, *inputs):
        """Evaluate all copies; each input has shape (K, B, ...)."""
        parameters = dict(zip(self._parameter_names, self.stacked, strict=True))
        buffers = {
            n: getattr(self, f"stacked_buffer_{i}") for i, n in enumerate(self._buffer_names)
        }
        if self.in_turn is None:
            return call_side_by_side(self._base[0], parameters | buffers, inputs)
        self.n_calls += self.training
        step = self.n_calls if self.training else 0
        outputs = []
        for k, seed in enumerate(self.seeds.tolist()):
            output, after = call_alone(
                self._base[0],
                {n: p[k] for n, p in parameters.items()},
                {n: b[k] for n, b in buffers.items()},
                tuple(v[k] for v in inputs),
                seed + step,
            )
            outputs.append(output)
            if self.training:
                for n, value in after.items():
                    buffers[n][k] = value
        return _stacked(outputs)


def _stacked(outputs):
    """Stack what the copies returned, part by part; what is no tensor is the first's."""
    first = outputs[0]
    if torch.is_tensor(first):
        return torch.stack(outputs)
    if isinstance(first, (tuple, list)):
        return tuple(_stacked(parts) for parts in zip(*outputs, strict=True))
    return first


def _shaped(x, sample_shape):
    return x if sample_shape is None else x.reshape(*x.shape[:2], *sample_shape)


class VmapEncoder(VmapStack):
    """A user's encoder, x (B, D) or (B, *sample_shape), or (x, r), to (mu, log_var).

    Parameters
    ----------
    modules : list of torch.nn.Module
        One module per class.
    sample_shape : tuple of int or None
        The shape in which a row is handed to the module; None for flat rows.
    **in_turn : dict
        ``in_turn`` and ``seeds`` of :class:`VmapStack`.
    """

    def __init__(self, modules, sample_shape=None, **in_turn):
        super().__init__(modules, **in_turn)
        self.sample_shape = sample_shape
        self.takes_reference = takes_reference(modules[0])

    def forward(self, x, r=None):
        """Encode x of shape (K, B, D), beside r where the modules ask for it."""
        inputs = (x, r) if self.takes_reference else (x,)
        mu, log_var = super().forward(*(_shaped(v, self.sample_shape) for v in inputs))
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))


class VmapDecoder(VmapStack):
    """A user's decoder, z (B, d) to the likelihood's parameters (B, D), in any shape.

    Parameters
    ----------
    modules : list of torch.nn.Module
        One module per class; (z, r) to the same where they ask for two inputs.
    sample_shape : tuple of int or None
        The shape in which r is handed to the module; None for flat rows.
    **in_turn : dict
        ``in_turn`` and ``seeds`` of :class:`VmapStack`.
    """

    def __init__(self, modules, sample_shape=None, **in_turn):
        super().__init__(modules, **in_turn)
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
    **in_turn : dict
        ``in_turn`` and ``seeds`` of :class:`VmapStack`.
    """

    def __init__(self, modules, latent_dim, sample_shape=None, **in_turn):
        super().__init__(modules, **in_turn)
        self.latent_dim = latent_dim
        self.sample_shape = sample_shape
        self.takes_reference = takes_reference(modules[0])

    def forward(self, x, r=None):
        """Map x of shape (K, B, D), beside r where asked for, to L of shape (K, B, d, d)."""
        inputs = (x, r) if self.takes_reference else (x,)
        L = super().forward(*(_shaped(v, self.sample_shape) for v in inputs))
        return lower_triangular(L, self.latent_dim) if L.dim() == 3 else torch.tril(L)


def user_network(name, spec, n_features, latent_dim, sample_shape, generators):
    """Make the stack of a network that the user brought.

    Parameters
    ----------
    name : {"encoder", "decoder", "metric_network"}
    spec : torch.nn.Module, class or callable
        See :class:`.model.Architecture`.
    n_features, latent_dim : int
        D and d.
    sample_shape : tuple of int or None
        The shape in which a row is handed to the module; None for flat rows.
    generators : sequence of torch.Generator
        One stream per class.

    Returns
    -------
    network : VmapEncoder, VmapDecoder or VmapMetric

    Raises
    ------
    ValueError
        If modules cannot be made: the message names the parameter.
    """
    D, d = n_features, latent_dim
    modules = _make_modules(name, spec, (d, D) if name == "decoder" else (D, d), generators)
    row = torch.full((2, *((D,) if sample_shape is None else sample_shape)), 0.5)
    first = torch.zeros(2, d) if name == "decoder" else row
    inputs = (first, row) if takes_reference(modules[0]) else (first,)
    why = {"in_turn": why_in_turn(modules[0], name, inputs, by_input=name == "decoder")}
    if why["in_turn"] is not None:
        why["seeds"] = [_draw_seed(g) for g in generators]
    if name == "metric_network":
        return VmapMetric(modules, d, sample_shape, **why)
    return (VmapDecoder if name == "decoder" else VmapEncoder)(modules, sample_shape, **why)


def _draw_seed(generator):
    return int(torch.randint(2**62, (), generator=generator))


def _make_modules(name, spec, arguments, generators):
    """Make one module per class from a module (copied) or a factory (called)."""
    if isinstance(spec, nn.Module):
        return [copy.deepcopy(spec) for _ in generators]
    modules = []
    for g in generators:
        # A factory draws its weights from the global generator: lend it the class's stream.
        with lent_stream(_draw_seed(g)):
            try:
                module = spec(*arguments)
            except Exception as error:
                raise ValueError(
                    f"{name} could not be made by {name}{arguments}: {type(error).__name__}: "
                    f"{error}. Pass a torch.nn.Module, or a class or function of two arguments "
                    "that returns one."
                ) from error
        if not isinstance(module, nn.Module):
            raise ValueError(
                f"{name}{arguments} returned {module!r}, which is no torch.nn.Module. "
                "Pass a torch.nn.Module, or a class or function that returns one."
            )
        modules.append(module)
    return modules
