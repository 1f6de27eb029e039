"""Encoders, decoders and metric networks that the user brings, stacked over the class axis.

Parameters and buffers of the K copies of a module are stacked, as those of the default networks
are. The copies are evaluated side by side by :func:`torch.func.vmap`, or one after another if
:func:`why_in_turn` finds that this is not possible. It is impossible if the computation branches on
the data. It would be wrong if a layer looks at other rows of the batch (a stack pads short classes
with rows of zeros), keeps running statistics, or draws random numbers (each class has its own):

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
from torch.nn.parameter import is_lazy

from .mlp import LOG_VAR_RANGE, Posterior, lower_triangular, n_tril, takes_reference

# All threads of the process share torch's global generator.
_LENT = RLock()

# Fields of an architecture for the estimator's parameters that may be networks.
_FIELDS = {"encoder": "encoder", "decoder": "decoder", "metric__network": "metric_network"}

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
        Seed of all that the module draws.

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
    # A buffer that the module has replaced is in the dictionary.
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
        # By its count of writes, because on trial rows the new value may equal the old one.
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
        None if the copies can be side by side, or if the module itself fails.
    """
    module.train()
    found = _known_layer(module)
    if found is not None:
        name, reason, remedy = found
        return InTurn(parameter, _named(module, name), reason, remedy)
    try:
        buffer = _changed_buffer(module, inputs)
    except Exception:
        # The next evaluation will raise it.
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
    sample_shape : tuple of int or None, default=None
        The shape in which a row is passed to the modules; None for flat rows.
    """

    def __init__(self, modules, in_turn=None, seeds=None, sample_shape=None):
        super().__init__()
        self.sample_shape = sample_shape
        self.takes_reference = takes_reference(modules[0])
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

    def shaped(self, x):
        """Return rows x of shape (K, B, D) in the shape in which the modules take them."""
        return x if self.sample_shape is None else x.reshape(*x.shape[:2], *self.sample_shape)

    def inputs(self, first, r):
        """Return the inputs of the modules: the first, and the rows r if they take two."""
        return (first, self.shaped(r)) if self.takes_reference else (first,)

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


class VmapEncoder(VmapStack):
    """A user's encoder: x of shape (B, D) or (B, *sample_shape), or (x, r), to (mu, log_var).

    See :class:`VmapStack` for the parameters.
    """

    def forward(self, x, r=None):
        """Encode x of shape (K, B, D), with r if the modules take it, as a Posterior."""
        mu, log_var = super().forward(*self.inputs(self.shaped(x), r))
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))


class VmapDecoder(VmapStack):
    """A user's decoder: z of shape (B, d), or (z, r), to parameters (B, D), in any shape.

    See :class:`VmapStack` for the parameters.
    """

    def forward(self, z, r=None):
        """Decode z of shape (K, B, d) to (K, B, D)."""
        return super().forward(*self.inputs(z, r)).flatten(2)


class VmapMetric(VmapStack):
    """A user's metric network: x, or (x, r), to L (B, d, d), or to its flat entries.

    See :class:`VmapStack` for the parameters.
    """

    def forward(self, x, r=None):
        """Map x of shape (K, B, D), with r if the modules take it, to L of shape (K, B, d, d)."""
        L = super().forward(*self.inputs(self.shaped(x), r))
        return lower_triangular(L) if L.dim() == 3 else torch.tril(L)


def user_network(parameter, architecture, latent_dim, generators):
    """Make the stack of a network that the user brought.

    Parameters
    ----------
    parameter : {"encoder", "decoder", "metric__network"}
        The estimator's parameter that brought it, for messages.
    architecture : Architecture
    latent_dim : int
        d.
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
    D, d, shape = architecture.n_seen, latent_dim, architecture.sample_shape
    is_decoder = parameter == "decoder"
    spec = getattr(architecture, _FIELDS[parameter])
    modules = _make_modules(parameter, spec, (d, D) if is_decoder else (D, d), generators)
    row = torch.full((2, *((D,) if shape is None else shape)), 0.5)
    first = torch.zeros(2, d) if is_decoder else row
    inputs = (first, row) if takes_reference(modules[0]) else (first,)
    in_turn = why_in_turn(modules[0], parameter, inputs, by_input=is_decoder)
    seeds = None if in_turn is None else [_draw_seed(g) for g in generators]
    stacks = {"encoder": VmapEncoder, "decoder": VmapDecoder, "metric__network": VmapMetric}
    return stacks[parameter](modules, in_turn, seeds, shape)


def _draw_seed(generator):
    return int(torch.randint(2**62, (), generator=generator))


def _make_modules(name, spec, arguments, generators):
    """Make one module per class from a module (copied) or a factory (called)."""
    if isinstance(spec, nn.Module):
        return [_ready(name, copy.deepcopy(spec)) for _ in generators]
    modules = []
    for g in generators:
        # A factory draws weights from the global generator, so lend it the stream of the class.
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
        modules.append(_ready(name, module))
    return modules


def _ready(name, module):
    """Return a module in float32, the dtype of rows and codes; one in another is copied."""
    tensors = [*module.parameters(), *module.buffers()]
    if any(map(is_lazy, tensors)):
        raise ValueError(
            f"{name} has lazy layers, whose sizes are not known yet. Evaluate it on a batch before "
            "you pass or return it, or give all sizes."
        )
    if all(t.dtype == torch.float32 for t in tensors if t.is_floating_point()):
        return module
    return copy.deepcopy(module).float()


def _own_networks(architecture, latent_dim):
    """Return by parameter the networks that the user brought, as stacks of one copy."""
    specs = {name: getattr(architecture, field) for name, field in _FIELDS.items()}
    stream = [torch.Generator().manual_seed(0)]
    return {
        name: user_network(name, architecture, latent_dim, stream)
        for name, spec in specs.items()
        if spec is not None and not isinstance(spec, str)
    }


def networks_in_turn(architecture, latent_dim):
    """Find the user's networks whose copies are evaluated one after another.

    Parameters
    ----------
    architecture : Architecture
        One that :func:`check_networks` accepts.
    latent_dim : int
        d.

    Returns
    -------
    reasons : list of InTurn
        Empty if all can be evaluated side by side.
    """
    networks = _own_networks(architecture, latent_dim).values()
    return [network.in_turn for network in networks if network.in_turn is not None]


def check_networks(architecture, flow):
    """Evaluate the networks that the user brought on two rows and compare shapes.

    Parameters
    ----------
    architecture : Architecture
    flow : FlowSettings

    Raises
    ------
    ValueError
        If a network cannot be evaluated, returns a wrong shape, takes a reference row although
        there is none, or cannot be differentiated as often as the flow needs: the message names
        the parameter, what was received and what is needed.
    """
    d, D = flow.latent_dim, architecture.n_features
    x, z = torch.full((1, 2, D), 0.5), torch.zeros(1, 2, d)
    for name, network in _own_networks(architecture, d).items():
        if network.takes_reference and not architecture.has_reference:
            raise ValueError(_unexpected_reference(name, getattr(architecture, _FIELDS[name])))
        if name == "encoder":
            _check_encoder(network, x, d)
        elif name == "decoder":
            theta = _outputs(name, network, z, x, f"{(2, D)}, in any shape")
            theta = theta.flatten(2) if torch.is_tensor(theta) and theta.dim() > 2 else theta
            hint = f"One row of X has {D} values: make its last layer fit."
            _check_shape(name, theta, [(2, D)], hint)
            if flow.n_leapfrog:
                _check_differentiable(network, z, x, twice=flow.learns_metric and flow.second_order)
        else:
            needed = [(2, d, d), (2, n_tril(d))]
            L = _outputs(name, network, network.shaped(x), x, f"{needed[0]} or {needed[1]}")
            hint = f"Return lower-triangular matrices of order {d}, or their {n_tril(d)} entries."
            _check_shape(name, L, needed, hint)


def _unexpected_reference(name, spec):
    if name == "decoder":
        return (
            f"decoder={spec!r} made a module that takes two inputs, (z, r), which its maker does "
            "not announce. Set the factory's attribute takes_reference = True, or pass the module "
            "or its class."
        )
    return (
        f"{name}={spec!r} takes two inputs, a row and its reference row, but the decoder has no "
        f"reference row. Use one that has, such as 'residual', or give the {name} one input."
    )


def _outputs(name, network, first, r, needed):
    """Evaluate the user's copies, and return their output unchanged."""
    try:
        with torch.no_grad():
            return VmapStack.forward(network, *network.inputs(first, r))
    except Exception as error:
        raise ValueError(
            f"{name} could not be evaluated on a batch of shape {tuple(first.shape[1:])}: "
            f"{type(error).__name__}: {error}. It must map it to {needed}."
        ) from error


def _check_shape(name, output, shapes, hint, part="an output"):
    shape = tuple(output.shape[1:]) if torch.is_tensor(output) else None
    if shape not in shapes:
        found = f"of shape {shape}" if shape is not None else f"of type {type(output).__name__}"
        needed = " or ".join(map(str, shapes))
        raise ValueError(
            f"{name} returned {part} {found} for two rows, where {needed} is needed. {hint}"
        )


def _check_encoder(encoder, x, d):
    needed = f"(mu, log_var), each of shape {(2, d)}"
    posterior = _outputs("encoder", encoder, encoder.shaped(x), x, needed)
    if not isinstance(posterior, (tuple, list)) or len(posterior) != 2:
        raise ValueError(
            f"encoder returned {type(posterior).__name__}, where a tuple {needed}, is needed."
        )
    for part, value in zip(("a mean", "a log-variance"), posterior, strict=True):
        _check_shape("encoder", value, [(2, d)], f"It must have latent_dim={d} columns.", part)


@torch.enable_grad()
def _check_differentiable(decoder, z, r, *, twice):
    """Differentiate as the flow does: with respect to z, and that with respect to the weights."""
    z, g = z.clone().requires_grad_(), None
    theta = decoder(z, r).square().sum()
    try:
        if theta.requires_grad:
            (g,) = torch.autograd.grad(theta, z, create_graph=twice, allow_unused=True)
        if twice and g is not None and g.requires_grad:
            leaves = [z, *(p for p in decoder.parameters() if p.requires_grad)]
            torch.autograd.grad(g.square().sum(), leaves, allow_unused=True)
    except RuntimeError as error:
        how, remedy = ", as the Hamiltonian flow requires", ""
        if twice:
            how = " twice, as metric__integrator='leapfrog' requires"
            remedy = ", or metric__integrator='splitting'"
        raise ValueError(
            f"decoder cannot be differentiated{how}: {error}. Use other layers{remedy}."
        ) from error
    if g is None:
        raise ValueError(
            "decoder has no derivative with respect to the codes z, which the Hamiltonian flow "
            "needs. Make its output depend on z, without detach() or no_grad()."
        )
