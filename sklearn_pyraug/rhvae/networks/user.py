"""Encoders, decoders and metric networks that the user brings, stacked over the class axis.

Parameters and buffers of the K copies of a module are stacked, as those of the default networks
are. The copies are evaluated side by side by :func:`torch.func.vmap`, or, where
:func:`why_in_turn` finds that this cannot be, one after another. It cannot where the data decide
which way the computation goes, and must not where a layer looks at other rows of the batch (a
stack pads short classes with rows of zeros), keeps statistics of what it has seen, or draws random
numbers (each class has its own):

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
from contextlib import contextmanager
from threading import RLock
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from .mlp import LOG_VAR_RANGE, Posterior, lower_triangular, takes_reference

__all__ = [
    "InTurn",
    "VmapDecoder",
    "VmapEncoder",
    "VmapMetric",
    "VmapStack",
    "call_alone",
    "call_side_by_side",
    "lent_stream",
    "user_network",
    "why_in_turn",
]

# torch's global generator is one for all threads of the process.
_LENT = RLock()

_USE_ANOTHER_NORM = "Use GroupNorm or LayerNorm to have them side by side."
_LEAVE_OUT = "Leave it out, or set its probability to 0, to have them side by side."
_KEEP_CONSTANT = "Leave its buffers as they are to have them side by side."
_REWRITE = (
    "Write it without random draws, branches on the data, .item() and layers that torch.func.vmap "
    "does not know, to have them side by side."
)


class InTurn(NamedTuple):
    """Why the copies of a network are evaluated one after another.

    Attributes
    ----------
    parameter : str
        The estimator's parameter that brought the network.
    layer : str
        The layer at fault, with its class.
    reason : str
        What it does: a verb and its object.
    remedy : str
        A sentence.
    """

    parameter: str
    layer: str
    reason: str
    remedy: str


def _generators(device):
    """Return torch's global generators from which a module on a device may draw."""
    device = torch.device(device)
    generators = [torch.default_generator]
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    elif device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    return generators


@contextmanager
def lent_stream(seed, device="cpu"):
    """Let torch's global generator start from a seed, and afterwards be as it was.

    Modules draw from the global generator, whether in their constructor or in dropout. Threads
    wait for each other.

    Parameters
    ----------
    seed : int
        In [0, 2**63).
    device : str or torch.device, default="cpu"
        The generator of this device is lent, too.
    """
    with _LENT:
        generators = _generators(device)
        states = [g.get_state() for g in generators]
        try:
            for g in generators:
                g.manual_seed(seed)
            yield
        finally:
            for g, state in zip(generators, states, strict=True):
                g.set_state(state)


def call_side_by_side(module, state, inputs):
    """Evaluate a module with stacked parameters and buffers.

    Parameters
    ----------
    module : torch.nn.Module
        Only its layout counts.
    state : dict of str to Tensor of shape (K, ...)
    inputs : tuple of Tensor of shape (K, B, ...)

    Returns
    -------
    output : Tensor of shape (K, B, ...), or what else of them the module returns
    """

    def one(state, *args):
        return functional_call(module, state, args)

    return vmap(one, randomness="error")(state, *inputs)


def call_alone(module, parameters, buffers, inputs, seed):
    """Evaluate a module with the parameters and buffers of one class.

    Parameters
    ----------
    module : torch.nn.Module
        Only its layout counts.
    parameters, buffers : dict of str to Tensor
    inputs : tuple of Tensor of shape (B, ...)
    seed : int
        Of whatever the module draws.

    Returns
    -------
    output : Tensor of shape (B, ...), or what else of them the module returns
    after : dict of str to Tensor
        The buffers as the module leaves them. The given ones are not written to, because the
        backward pass may still need them: the module sees copies.
    """
    copies = {name: b.clone() for name, b in buffers.items()}
    state = parameters | copies
    with lent_stream(seed, inputs[0].device):
        output = functional_call(module, state, inputs)
    # A buffer that the module has replaced is put into the dictionary.
    return output, {name: state[name].detach() for name in buffers}


def _tensors(module):
    return dict(module.named_parameters()), dict(module.named_buffers())


def _named(module, name):
    """Return how a message calls a submodule."""
    kind = type(module.get_submodule(name)).__name__
    return f"the layer {name!r} ({kind})" if name else f"the network itself ({kind})"


def _known_layer(module):
    """Return name, reason and remedy of the first layer that is known to need its own turn."""
    for name, layer in module.named_modules():
        if getattr(layer, "track_running_stats", False):
            return name, "keeps running statistics", _USE_ANOTHER_NORM
        if isinstance(layer, _BatchNorm):
            return name, "normalises over the rows of a batch", _USE_ANOTHER_NORM
        many = isinstance(layer, nn.RNNBase) and layer.num_layers > 1
        if (many and layer.dropout > 0) or (isinstance(layer, _DropoutNd) and layer.p > 0):
            return name, "draws random numbers", _LEAVE_OUT
    return None


def _changed_buffer(module, inputs):
    """Return the name of a buffer to which the module writes in training, or None."""
    parameters, buffers = _tensors(module)
    copies = {name: b.detach().clone() for name, b in buffers.items()}
    versions = {name: b._version for name, b in copies.items()}
    state = parameters | copies
    with lent_stream(0), torch.no_grad():
        functional_call(module, state, inputs)
    for name, b in copies.items():
        # By its count of writes, since on trial rows a new value may be the old one.
        if state[name] is not b or b._version != versions[name]:
            return name
    return None


def _try_side_by_side(module, inputs, by_input):
    """Evaluate two copies of the module and differentiate, as in training or after it."""
    parameters, buffers = (
        {name: torch.stack([t.detach(), t.detach()]) for name, t in tensors.items()}
        for tensors in _tensors(module)
    )
    inputs = tuple(torch.stack([v, v]) for v in inputs)
    leaves = [p.requires_grad_() for p in parameters.values() if p.is_floating_point()]
    if by_input:
        leaves.append(inputs[0].requires_grad_())
    with torch.set_grad_enabled(module.training or by_input):
        output = call_side_by_side(module, parameters | buffers, inputs)
        parts = output if isinstance(output, (tuple, list)) else (output,)
        sums = [v.sum() for v in parts if torch.is_tensor(v) and v.requires_grad]
        if sums and leaves:
            torch.autograd.grad(sums, leaves, allow_unused=True)


def _innermost(error, module):
    """Return the name of the deepest submodule in whose method an exception was raised."""
    names = {id(layer): name for name, layer in module.named_modules()}
    found, step = "", error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if code.co_argcount:
            owner = step.tb_frame.f_locals.get(code.co_varnames[0])
            found = names.get(id(owner), found)
        step = step.tb_next
    return found


def why_in_turn(module, parameter, inputs, by_input=False):
    """Find out whether copies of a module have to be evaluated one after another.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is, but in training mode.
    parameter : str
        The estimator's parameter that brought it.
    inputs : tuple of Tensor of shape (2, ...)
        Two rows to try it on.
    by_input : bool, default=False
        Whether it is also differentiated by its first input, outside of training, too.

    Returns
    -------
    why : InTurn or None
        None where the copies can be side by side; also where the module fails by itself.
    """
    module.train()
    found = _known_layer(module)
    if found is not None:
        name, reason, remedy = found
        return InTurn(parameter, _named(module, name), reason, remedy)
    try:
        buffer = _changed_buffer(module, inputs)
    except Exception:
        # Whoever evaluates it next will hear of it.
        return None
    if buffer is not None:
        name, _, own_name = buffer.rpartition(".")
        reason = f"changes its buffer {own_name!r}"
        return InTurn(parameter, _named(module, name), reason, _KEEP_CONSTANT)
    for training in (True, False):
        try:
            _try_side_by_side(module.train(training), inputs, by_input)
        except Exception as error:
            what = (str(error).splitlines() or [""])[0].rstrip(".")
            reason = f"cannot be evaluated side by side ({type(error).__name__}: {what})"
            layer = _named(module, _innermost(error, module))
            return InTurn(parameter, layer, reason, _REWRITE)
        finally:
            module.train()
    return None


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
