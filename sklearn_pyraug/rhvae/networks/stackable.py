"""Whether copies of a user's network can be evaluated side by side, and how else they are.

:func:`torch.func.vmap` evaluates K copies of a module in one call. It cannot where the data decide
which way the computation goes, and must not where a layer looks at other rows of the batch (a
stack pads short classes with rows of zeros), keeps statistics of what it has seen, or draws random
numbers (each class has its own). :func:`why_in_turn` finds this out by a look at the layers and by
a trial, before any training.
"""

from contextlib import contextmanager
from threading import RLock
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

__all__ = ["InTurn", "call_alone", "call_side_by_side", "lent_stream", "why_in_turn"]

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
