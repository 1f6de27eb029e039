"""A fitted augmenter or embedder as a JSON document and tensors, and back.

The document is described in ``docs/model_file.md``. Of a stack of networks it holds the weights;
the networks themselves are made anew from the architecture, after their weights' names, shapes
and dtypes have been found to be those in the file.
"""

import re
import warnings
from contextlib import contextmanager

import numpy as np
import sklearn
import torch

from .._config import settle
from .._validation import check_device
from .._version import __version__
from ..rhvae import build_stack
from ..rhvae.networks.mlp import takes_reference
from .checks import check_state
from .parts import PARTS, Given, StackState, name_of
from .values import Reader, Writer

__all__ = ["MODEL_VERSION", "OtherKindError", "model_document", "restore_model"]

MODEL_VERSION = 1
# What writes and reads each kind of file.
_KINDS = {"augmenter": "RHVAEAugmenter", "embedder": "RHVAEEmbedder"}
_NETWORKS = ("encoder", "decoder", "metric_network")
# The names of groups may be those of patients; which metadata a pipeline passes on is set there,
# and who watches a fit is no part of what it learned.
_NOT_SAVED = ("groups_", "_metadata_request", "_skl_callbacks")
# Folders of the machine on which the model was trained: of no use elsewhere, and nobody's business.
_LOCAL = ("checkpoint", "memory")
_ATTRIBUTE = re.compile(r"_[a-z][a-z0-9_]*|[a-z][a-z0-9_]*_")


class OtherKindError(ValueError):
    """A sound file, which another class has written.

    Attributes
    ----------
    kind : str
        Of the file.
    """

    def __init__(self, message, kind):
        super().__init__(message)
        self.kind = kind


def model_document(estimator, kind, augmenter=None):
    """Return what a file holds of a fitted estimator.

    Parameters
    ----------
    estimator : RHVAEAugmenter or RHVAEEmbedder
        Fitted.
    kind : {"augmenter", "embedder"}
    augmenter : RHVAEAugmenter or None, default=None
        From whose parameters the networks follow; None takes the estimator's own.

    Returns
    -------
    meta : dict
        Plain JSON.
    tensors : dict of str to Tensor

    Raises
    ------
    ValueError
        If a parameter or an attribute is of a type that a file cannot hold, or if parameters
        were changed after `fit` in a way that its networks no longer follow from them.
    """
    parameters = estimator.get_params(deep=False)
    left_out = {*parameters, *_NOT_SAVED}
    state = {name: v for name, v in vars(estimator).items() if name not in left_out}
    source = estimator if augmenter is None else augmenter
    settings = settle(source, state["_codec"], state["_layout"], state["_n_rows"])
    architecture = _seen_architecture(settings.architecture, state["_generators"].projection)
    given = [name for name in _NETWORKS if _is_own(parameters.get(name))]
    dropped = [name for name in ("callbacks",) if parameters.get(name) is not None]
    dropped += [name for name in ("sampling_strategy",) if callable(parameters.get(name))]
    stand_ins = {name: Given(name) for name in given}
    left_out = {*dropped, *_LOCAL}
    parameters = {name: v for name, v in parameters.items() if name not in left_out} | stand_ins
    try:
        check_state(state, architecture, kind)
    except ValueError as error:
        raise ValueError(
            f"The fitted {kind} is not whole ({error}), as after a fit that failed. Call fit "
            "again before it is saved."
        ) from error
    state["_generators"] = _without_stacks(state["_generators"], architecture)
    writer = Writer(PARTS, name_of)
    meta = {
        "kind": kind,
        "model_version": MODEL_VERSION,
        "versions": {
            "sklearn_pyraug": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "given": given,
        "dropped": dropped,
        "parameters": {n: writer.node(v, f"parameters.{n}") for n, v in parameters.items()},
        "architecture": writer.node(architecture._replace(**stand_ins), "architecture"),
        "state": {n: writer.node(v, f"state.{n}") for n, v in state.items()},
    }
    return meta | {"objects": writer.objects}, writer.tensors


def restore_model(cls, kind, path, meta, tensors, *, networks=None, callbacks=None, device=None):
    """Return the estimator of a document.

    Parameters
    ----------
    cls : type
        :class:`~sklearn_pyraug.RHVAEAugmenter` or :class:`~sklearn_pyraug.RHVAEEmbedder`.
    kind : {"augmenter", "embedder"}
        Of the class.
    path : str or path-like
        Where the document comes from, for messages.
    meta : dict
    tensors : dict of str to Tensor
        As :func:`model_document` made them, or whatever else a file may hold.
    networks : dict of str to object, or None, default=None
        The parameters ``encoder``, ``decoder`` and ``metric_network``, or None for each.
    callbacks : list of skorch callbacks or None, default=None
    device : str or None, default=None
        None takes the one in the file, or ``"auto"`` where this machine lacks it.

    Returns
    -------
    estimator : RHVAEAugmenter or RHVAEEmbedder

    Raises
    ------
    OtherKindError
        If another class has written the document.
    ValueError
        If the document is damaged or of another version, or if the networks are not those with
        which the model was trained.
    """
    _check_kind(path, meta, kind)
    networks = dict.fromkeys(_NETWORKS) if networks is None else networks
    with _damage_named(path, kind):
        _check_head(meta, kind)
    _check_given(path, meta["given"], networks)
    own = {name: spec for name, spec in networks.items() if spec is not None}
    with _damage_named(path, kind):
        reader = Reader(PARTS, tensors, meta["objects"])
        nodes = meta["parameters"].items()
        parameters = {n: reader.value(node, f"the parameter {n}") for n, node in nodes}
        parameters = _brought_along(parameters, own)
        nodes = meta["state"].items()
        state = {n: reader.value(node, f"the attribute {n}") for n, node in nodes}
        architecture = reader.value(meta["architecture"], "the architecture")
        architecture = architecture._replace(**_brought_along(architecture._asdict(), own))
        if reader.unused:
            raise ValueError(f"nothing refers to the tensor {min(reader.unused)!r}")
        estimator = _make(cls, parameters, state)
        check_state(state, architecture, kind)
        for group in state["_generators"].trained:
            _check_stack(group.generator.stack, architecture, len(group.members))
    estimator._generators = _with_stacks(path, state["_generators"], architecture, own)
    if callbacks is not None:
        estimator.callbacks = callbacks
    estimator.device = _device(estimator.device, device)
    _warn_of_changes(path, meta, callbacks)
    return estimator


@contextmanager
def _damage_named(path, kind):
    """Turn whatever a damaged document leads to into one ValueError.

    Any kind of exception may come from values that do not fit together.
    """
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"`path` is '{path}', which is no model file or a damaged one ({error}); give a file "
            f"that {_KINDS[kind]}.save has written, copied whole."
        ) from error


def _check_kind(path, meta, kind):
    found = meta.get("kind")
    if found != kind and isinstance(found, str) and found in _KINDS:
        raise OtherKindError(
            f"`path` is '{path}', which {_KINDS[found]}.save has written, not {_KINDS[kind]}.save; "
            f"read it with {_KINDS[found]}.load.",
            found,
        )


def _check_head(meta, kind):
    version = meta.get("model_version")
    if meta.get("kind") != kind:
        raise ValueError(f"its kind is {meta.get('kind')!r}, not {kind!r}")
    if type(version) is not int or version != MODEL_VERSION:
        raise ValueError(f"its model version is {version!r}, where {MODEL_VERSION} is known")
    kinds = {"versions": dict, "parameters": dict, "state": dict, "given": list, "dropped": list}
    for name, kind in kinds.items():
        if not isinstance(meta.get(name), kind):
            raise ValueError(f"its {name} is no {kind.__name__}")
    if not set(meta["given"]) <= set(_NETWORKS):
        raise ValueError(f"it asks for {meta['given']}")
    if not all(isinstance(v, str) for v in meta["versions"].values()):
        raise ValueError("its versions are no text")


def _check_given(path, given, networks):
    for name in _NETWORKS:
        if name in given and networks[name] is None:
            raise ValueError(
                f"{name}=None, but the model in '{path}' was trained with a {name} of its user's "
                f"own, which a file does not hold. Pass the same one: load(path, {name}=...)."
            )
        if name not in given and networks[name] is not None:
            raise ValueError(
                f"{name}={networks[name]!r} was given, but the model in '{path}' was trained "
                f"without one. Leave {name} out."
            )


def _brought_along(values, own):
    """Put the user's own networks in their places; there must be nothing else to call."""
    for name in _NETWORKS:
        if name not in values and name not in own:
            continue
        placed = values.get(name) == Given(name)
        if placed != (name in own) or (not placed and _is_own(values.get(name))):
            raise ValueError(f"its {name} is {values.get(name)!r}")
    if any(callable(v) for v in values.values()):
        raise ValueError("it names something to call")
    return values | own


def _is_own(spec):
    return spec is not None and not isinstance(spec, str)


def _seen_architecture(architecture, projection):
    """Return the architecture of the networks, which may see rows through a projection."""
    if projection is None:
        return architecture
    return architecture._replace(
        n_features=len(projection.basis), likelihood="gaussian", layout=None
    )


def _make(cls, parameters, state):
    """Make an estimator and set what it has learned, after a look at the names."""
    estimator = cls(**parameters)
    estimator._validate_params()
    for name, value in state.items():
        if not _ATTRIBUTE.fullmatch(name) or hasattr(estimator, name):
            raise ValueError(f"{name!r} is not the name of a fitted attribute")
        setattr(estimator, name, value)
    return estimator


def _device(saved, device):
    if device is not None:
        return check_device(device) if device != "auto" else device
    try:
        check_device(saved)
    except ValueError:
        return "auto"
    return saved


def _warn_of_changes(path, meta, callbacks):
    lost = [name for name in meta["dropped"] if name != "callbacks" or callbacks is None]
    if lost:
        warnings.warn(
            f"The model in '{path}' was saved without its {' and '.join(map(str, lost))}, which a "
            "file cannot hold: the default is in place. It matters to another fit alone; set it "
            "with set_params before.",
            UserWarning,
            stacklevel=4,
        )
    saved = meta["versions"].get("sklearn_pyraug", "none")
    if saved.split(".")[:2] != __version__.split(".")[:2]:
        warnings.warn(
            f"The model in '{path}' was saved by sklearn_pyraug {saved}, and this is "
            f"{__version__}: samples may differ. Save it again once you have looked at them.",
            UserWarning,
            stacklevel=4,
        )


def _map_stacks(generators, function):
    """Return the generators with ``function(stack, n_members)`` in place of each stack."""
    trained = [
        group._replace(
            generator=group.generator._replace(
                stack=function(group.generator.stack, len(group.members))
            )
        )
        for group in generators.trained
    ]
    return generators._replace(trained=trained)


def _tensors_of(stack):
    return dict(stack.named_parameters()) | dict(stack.named_buffers())


def _without_stacks(generators, architecture):
    def weights(stack, n_members):
        state = StackState(stack.settings, stack.training, _tensors_of(stack))
        own = any(
            hasattr(getattr(stack, name), "stacked") != _is_own(getattr(architecture, name))
            for name in _NETWORKS
        )
        try:
            if own:
                raise ValueError("of another kind")
            _check_stack(state, architecture, n_members)
        except ValueError as error:
            raise ValueError(
                "The parameters are not those of the last fit: its networks do not follow from "
                f"them ({error}). Call fit again, or set the parameters back, before it is saved."
            ) from error
        return state

    return _map_stacks(generators, weights)


def _with_stacks(path, generators, architecture, own):
    def stack_of(state, n_members):
        streams = [torch.Generator().manual_seed(0) for _ in range(n_members)]
        stack = build_stack(architecture, state.settings, streams)
        targets = _tensors_of(stack)
        try:
            _compare(state.tensors, targets)
        except ValueError as error:
            raise ValueError(
                f"{' and '.join(own)}: not what the model in '{path}' was trained with ({error}). "
                "Pass the same networks, with the same sizes."
            ) from error
        with torch.no_grad():
            for name, target in targets.items():
                target.copy_(state.tensors[name])
        return stack.train(state.training)

    return _map_stacks(generators, stack_of)


def _check_stack(state, architecture, n_members):
    """Compare the weights of the networks that are not a user's own with what they have to be.

    The networks are made on torch's meta device, where tensors have shapes and no memory.
    """
    tensors = state.tensors
    hidden = architecture.hidden_layer_sizes
    if len(hidden) > len(tensors):
        raise ValueError(f"there are {len(hidden)} hidden layers and {len(tensors)} tensors")
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"{name} is no tensor")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"the weights {name} are not finite")
    own = {name: None for name in _NETWORKS if _is_own(getattr(architecture, name))}
    prefixes = tuple(f"{name}." for name in own)
    if "decoder" in own and takes_reference(architecture.decoder):
        own["decoder"] = "residual"
    stand_in = architecture._replace(**own)
    with torch.device("meta"):
        streams = [torch.Generator("cpu") for _ in range(n_members)]
        expected = _tensors_of(build_stack(stand_in, state.settings, streams))
    _compare(
        *({n: t for n, t in ts.items() if not n.startswith(prefixes)} for ts in (tensors, expected))
    )


def _compare(found, expected):
    """Raise ValueError unless tensors have the names, shapes and dtypes of others."""
    odd = sorted(found.keys() ^ expected.keys())
    if odd:
        what = "unknown" if odd[0] in found else "missing"
        raise ValueError(f"the weights {odd[0]} are {what}")
    for name, tensor in expected.items():
        got = found[name]
        if got.shape != tensor.shape or got.dtype != tensor.dtype:
            raise ValueError(
                f"the weights {name} have the shape {tuple(got.shape)} and dtype {got.dtype}, not "
                f"{tuple(tensor.shape)} and {tensor.dtype}"
            )
