"""A fitted augmenter or embedder in a file, and back: ``docs/model_file.md`` describes it.

Of a stack of networks the file holds the weights; the networks are rebuilt from the architecture.
The annotations here and in the estimators' parts say what may be in a file.
"""

import warnings
from math import prod
from typing import NamedTuple

import numpy as np
import sklearn
import torch
from sklearn.utils.validation import check_is_fitted

from ._components import DATA_COMPONENTS
from ._config import resolve
from ._generation.fitted import FittedGenerators
from ._generation.model_state import (
    NETWORKS,
    NetworksError,
    check_generators,
    check_sides,
    own_networks,
    seen_architecture,
    stack_adapter,
)
from ._preprocessing.images import CHANNELS
from ._preprocessing.label_encoder import LabelEncoder
from ._preprocessing.row_encoder import RowEncoder
from ._preprocessing.templates import Template, TemplateState, template_from_state, template_state
from ._serialization.archive import read_archive, write_archive
from ._serialization.plain import PlainValues
from ._serialization.state import Adapter, StateReader, StateWriter
from ._validation import torch_defaults
from ._version import __version__
from .metrics import PrivacyReport
from .rhvae import Architecture, ClassHistory, RHVAEStack

_MODEL_VERSION = 1
# The class that writes and reads each kind of file.
_KINDS = {"augmenter": "RHVAEAugmenter", "embedder": "RHVAEEmbedder"}
# Parameters that are data. The others say where and how to run, and come from the caller.
_DATA_PARAMETERS = (
    "augmentation_factor", "batch_size", "categorical_features", "columns", "decoder", "encoder",
    "latent_dim", "lr", "max_epochs", "metric", "min_distance", "missing", "output", "patience",
    "random_state", "sample_shape", "sampler", "sampling_strategy", "shared",
    "validation_fraction",
)  # fmt: skip
_COMMON = {
    "_generators": FittedGenerators,
    "_n_rows": int,
    "_row_encoder": RowEncoder,
    "device_": str,
    "likelihood_": str,
    "n_features_in_": int,
    "sample_shape_": tuple[int, ...] | None,
}
# Attributes of either kind of estimator. Names of groups, which may be those of patients, are not
# written, and neither is what a pipeline has set.
_FITTED = {
    "augmenter": _COMMON
    | {
        "_label_encoder": LabelEncoder,
        "channels_": str | None,
        "classes_": np.ndarray,
        "decoder_": str,
        "history_": dict[object, ClassHistory],
        "n_epochs_": dict[object, int],
        "sampling_strategy_": dict[object, int],
    },
    "embedder": _COMMON | {"_n_features_out": int, "history_": ClassHistory, "n_epochs_": int},
}
# Attributes that may be missing.
_OPTIONAL = {
    "feature_names_in_": np.ndarray,
    "origin_distances_": np.ndarray,
    "origin_indices_": np.ndarray,
    "privacy_": PrivacyReport,
    "sampler_info_": dict[object, dict[str, float | np.ndarray]],
    "synthetic_mask_": np.ndarray,
}
_MAX_BYTES_A_ROW = 2**26
# A file may come from anybody, and whoever loads it did not choose its settings. By default a row
# takes at most 300 steps, and the latent space has 10 dimensions.
_MAX_STEPS = 100_000
_MAX_LATENT_DIM = 1000


class OtherKindError(ValueError):
    """A file that another class has written.

    Attributes
    ----------
    kind : str
        Of the file.
    """

    def __init__(self, message, kind):
        super().__init__(message)
        self.kind = kind


class _Head(NamedTuple):
    """What stands before a file's parameters, architecture and state.

    Attributes
    ----------
    kind : {"augmenter", "embedder"}
    model_version : int
    versions : dict of str to str
        Of the libraries.
    networks : list of str
        Those that are the user's own.
    """

    kind: str
    model_version: int
    versions: dict[str, str]
    networks: list[str]


class ModelFileMixin:
    """The methods of both estimators that write and read model files."""

    @torch_defaults()
    def save(self, path, *, overwrite=False):
        """Write what was learned, and all parameters that are data, to one file.

        The file holds data and no code. It is complete or not there: it is written under a
        temporary name first.

        Parameters
        ----------
        path : str or path-like
            The file. The usual suffix is ``.pyraug``.
        overwrite : bool, default=False
            Whether a file already there may be replaced.

        Raises
        ------
        NotFittedError
            Before `fit`.
        FileExistsError
            If `path` exists and `overwrite` is False.
        ValueError
            If a parameter or an attribute is of a type that a file cannot hold, if drawing a row
            would take more steps than a file may ask for, or if parameters that shape the networks
            were changed after `fit`.
        OSError
            If the file cannot be written.

        See Also
        --------
        load : The way back.

        Notes
        -----
        The file of an augmenter holds the coded training rows where new rows start from real ones,
        as a pickle does: keep it where the data may be kept. That of an embedder holds no training
        rows, but codes of some, the ranges and repeated values of columns, and all values of
        heavy-tailed columns. No file holds networks of your own, a callable `sampling_strategy`, or
        what says where and how to run: `callbacks`, `checkpoint`, `device`, `memory`, `n_jobs` and
        `verbose`. The attribute ``groups_`` is left out, too, as it may name patients.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> X, y = load_iris(return_X_y=True)
        >>> augmenter = RHVAEAugmenter(max_epochs=5, random_state=0).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "iris.pyraug"
        ...     augmenter.save(path)
        ...     loaded = RHVAEAugmenter.load(path)
        >>> bool((loaded.sample(2)[0] == augmenter.sample(2)[0]).all())
        True
        """
        check_is_fitted(self)
        meta, tensors = _document(self)
        write_archive(path, meta, tensors, overwrite=overwrite)

    @classmethod
    @torch_defaults()
    def load(cls, path, **parameters):
        """Return the fitted estimator of a file that :meth:`save` has written.

        Nothing that the file names is imported or called, no path is followed, and sizes are
        checked before anything is allocated. With the same integer `random_state`, new rows and
        codes are those that there would have been before :meth:`save`, bit for bit.

        Parameters
        ----------
        path : str or path-like
            The file.
        **parameters : dict
            What no file holds. The networks of your own with which the model was trained, as
            `encoder`, `decoder` and `metric_network`; and of `callbacks`, `checkpoint`, `device`,
            `memory`, `n_jobs` and `verbose` those that are not to have their defaults. The networks
            are on the CPU until they are used.

        Returns
        -------
        estimator : object
            Fitted, with the parameters that it had.

        Raises
        ------
        TypeError
            If a parameter is passed that the file holds.
        ValueError
            If the file is damaged, of another version of the format or of another class, or if the
            networks are not those of the training.
        OSError
            If the file is missing or unreadable.

        See Also
        --------
        save : The way there, with an example.

        Examples
        --------
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> RHVAEAugmenter.load("absent.pyraug")
        Traceback (most recent call last):
        ...
        FileNotFoundError: [Errno 2] No such file or directory: 'absent.pyraug'
        """
        own = {n: parameters.pop(n) for n in NETWORKS if parameters.get(n) is not None}
        parameters = {n: v for n, v in parameters.items() if n not in NETWORKS}
        for name in parameters:
            if name in _DATA_PARAMETERS:
                raise TypeError(f"{name} is in the file: set it with set_params after loading.")
        estimator = cls(**parameters)
        estimator._validate_params()
        meta, tensors = read_archive(path)
        try:
            head = _read_head(path, meta, cls._file_kind, own)
            left_out = _read(estimator, head, meta, tensors, own)
        except (NetworksError, OtherKindError):
            raise
        except Exception as error:
            # Values that do not fit together may raise any kind of error.
            raise ValueError(
                f"`path` is '{path}', which is no model file or a damaged one "
                f"({str(error)[:300]}); give a file that {_KINDS[cls._file_kind]}.save has "
                "written, copied whole."
            ) from error
        _warn_of_changes(path, head, left_out)
        return estimator


def _document(estimator):
    """Return the content of a file: plain JSON, and tensors by name."""
    kind, generators = estimator._file_kind, estimator._generators
    settings = _settings(estimator)
    _check_cost(settings)
    fit = settings.fit
    if not _has_flow(generators, fit.flow):
        raise NetworksError(
            "The parameters are not those of the last fit: its flow does not follow from them. "
            "Call fit again, or set the parameters back, before it is saved."
        )
    architecture = seen_architecture(fit.architecture, generators.projection)
    own = own_networks(architecture)
    plain = PlainValues(DATA_COMPONENTS, networks=own)
    writer = StateWriter(_adapters(architecture), plain)
    parameters = {
        name: plain.state(value, f"parameters.{name}")
        for name, value in estimator.get_params(deep=False).items()
        if name in _DATA_PARAMETERS and not (name == "sampling_strategy" and callable(value))
    }
    values = vars(estimator)
    fitted = _FITTED[kind] | {n: h for n, h in _OPTIONAL.items() if n in values}
    versions = {
        "sklearn_pyraug": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
    head = _Head(kind, _MODEL_VERSION, versions, list(own))
    meta = {
        **head._asdict(),
        "parameters": parameters,
        "architecture": writer.state(architecture, Architecture, "architecture"),
        "state": {n: writer.state(values[n], h, f"state.{n}") for n, h in fitted.items()},
    }
    return meta, writer.tensors


def _has_flow(generators, flow):
    return all(group.generator.stack.settings == flow for group in generators.trained)


def _settings(e):
    source = e if e._file_kind == "augmenter" else e._augmenter()
    return resolve(source, e._row_encoder.codec, e._row_encoder.layout, e._n_rows)


def _check_cost(settings):
    """Raise ValueError if a row would take more time or memory than a file may ask for."""
    sampler, flow = settings.draw.sampler, settings.fit.flow
    per_step = sampler.n_leapfrog if sampler.sampler == "hmc" else 1
    for name, value, limit, remedy in (
        ("sampler", sampler.n_steps * per_step, _MAX_STEPS, "n_steps or n_leapfrog"),
        ("metric", flow.n_leapfrog * flow.n_fixed_point, _MAX_STEPS, "n_leapfrog or n_fixed_point"),
        ("latent_dim", flow.latent_dim, _MAX_LATENT_DIM, "latent_dim"),
    ):
        if value > limit:
            what = "dimensions" if name == "latent_dim" else "steps for each row"
            raise ValueError(
                f"{name} asks for {value} {what}, and a model file holds at most {limit}. Use a "
                f"smaller {remedy}, or keep the estimator with joblib.dump."
            )


def _read_head(path, meta, kind, own):
    """Return the head of a file; raise if it is of another kind or asks for other networks."""
    head = StateReader({}).value({n: meta.get(n) for n in _Head._fields}, _Head, "its head")
    if head.kind in _KINDS and head.kind != kind:
        raise OtherKindError(
            f"`path` is '{path}', which {_KINDS[head.kind]}.save has written, not "
            f"{_KINDS[kind]}.save; read it with {_KINDS[head.kind]}.load.",
            head.kind,
        )
    _require(head.kind == kind, "its kind is not known")
    _require(head.model_version == _MODEL_VERSION, "its model version is not known")
    _require(set(head.networks) <= set(NETWORKS), "it asks for networks that are not known")
    for name in set(head.networks) - own.keys():
        raise NetworksError(
            f"{name}=None, but the model in '{path}' was trained with one of your own. Pass the "
            f"same: load(path, {name}=...)."
        )
    for name in own.keys() - set(head.networks):
        raise NetworksError(
            f"{name}={own[name]!r} was given, but the model in '{path}' was trained without one. "
            f"Leave {name} out."
        )
    return head


def _read(estimator, head, meta, tensors, own):
    """Set an estimator's parameters and fitted attributes; return parameters that are missing."""
    plain, kind = PlainValues(DATA_COMPONENTS, networks=own), head.kind
    parameters = meta["parameters"].items()
    parameters = {n: plain.value(v, f"parameters.{n}") for n, v in parameters}
    names = set(_DATA_PARAMETERS) & set(estimator._get_param_names())
    left_out = names - parameters.keys()
    sound = parameters.keys() <= names and left_out <= {"sampling_strategy"}
    _require(sound, "its parameters are not those that are data")
    estimator.set_params(**parameters)
    estimator._validate_params()

    architecture = StateReader({}, None, plain).value(
        meta["architecture"], Architecture, "networks"
    )
    _require(own_networks(architecture) == own, "its networks are not those that it asks for")
    reader = StateReader(tensors, _adapters(architecture), plain)
    state = meta["state"]
    fitted = _FITTED[kind] | {n: h for n, h in _OPTIONAL.items() if n in state}
    _require(state.keys() == fitted.keys(), "its attributes are not those of its kind")
    # The networks come last: how large they may be follows from the columns.
    for name, hint in sorted(fitted.items(), key=lambda item: item[0] == "_generators"):
        if name == "_generators":
            check_sides(architecture, estimator._row_encoder.codec.n_codes_)
            settings = _settings(estimator)  # raises if parameters and data differ
            _check_cost(settings)
            seen, flow = settings.fit[:2]
            wide = {"n_features": architecture.n_features, "likelihood": "gaussian", "layout": None}
            sound = architecture in (seen, seen._replace(**wide))
            _require(sound, "its networks do not follow from its parameters and columns")
        setattr(estimator, name, reader.value(state[name], hint, f"state.{name}"))
    _require(_has_flow(estimator._generators, flow), "its flow does not follow from its parameters")
    _require(not tensors, "nothing refers to some of its tensors")
    _check(estimator, architecture)
    return left_out


def _warn_of_changes(path, head, left_out):
    if left_out:
        warnings.warn(
            f"The model in '{path}' was saved without its sampling_strategy, a function, which no "
            "file holds: the default is in place. It matters to another fit alone; set it with "
            "set_params before.",
            UserWarning,
            stacklevel=3,
        )
    saved = head.versions.get("sklearn_pyraug", "none")
    if saved.split(".")[:2] != __version__.split(".")[:2]:
        warnings.warn(
            f"The model in '{path}' was saved by sklearn_pyraug {saved}, and this is "
            f"{__version__}: samples may differ. Save it again once you have looked at them.",
            UserWarning,
            stacklevel=3,
        )


def _adapters(architecture):
    return {
        RHVAEStack: stack_adapter(architecture),
        Template: Adapter(TemplateState, template_state, template_from_state),
    }


# --- Whether the parts fit together ------------------------------------------------------------


def _require(condition, what):
    if not condition:
        raise ValueError(what)


def _check(e, architecture):
    """Compare the parts of what was read, and hand rows out from the middle and the ends."""
    encoder, generators, n = e._row_encoder, e._generators, e.n_features_in_
    codec, layout = encoder.codec, encoder.layout
    _require(e._n_rows >= 1, f"the number of rows is {e._n_rows}")
    _require(len(codec.constant_) == n, "the codec has other columns")
    names = getattr(e, "feature_names_in_", None)
    sound = names is None or (names.shape == (n,) and all(isinstance(v, str) for v in names))
    _require(sound, "the names of columns are none")
    n_classes = 1 if e._file_kind == "embedder" else len(e.classes_)
    _require(generators.n_codes == codec.n_codes_, "the codec makes codes of another width")
    check_generators(generators, e._n_rows, n_classes, architecture)
    _require(e.sample_shape_ == (layout and layout.shape), "the sample_shape_ is another")
    if layout is not None:
        sides = bool(layout.shape) and all(s > 0 for s in layout.shape)
        _require(sides and layout.channels in CHANNELS, "the shape of an image is none")
    for shape in (e.sample_shape_, encoder.shape):
        _require(shape is None or prod(shape) == n, "a row's shape and the columns differ")
    T = np.float32([[0.0], [-1e30], [1e30]]) * np.ones(codec.n_codes_, np.float32)
    # The ranks and levels of each class are its own.
    of_classes = [None, *(np.full(3, k) for k in generators.class_rows)]
    for class_index in of_classes[: 1 if e._file_kind == "embedder" else None]:
        rows = codec.decode(T, class_index)
        sound = rows.shape == (3, n) and np.isfinite(codec.encode(rows)).all()
        _require(sound, "the codec does not read what it writes")
    if e._file_kind == "embedder":
        _check_embedder(e)
        return
    _require(e.classes_.ndim == 1 and n_classes >= 2, "there are fewer than two classes")
    labels = set(e.classes_.tolist())
    _require(len(labels) == n_classes, "its labels do not differ")
    _require(labels == e.sampling_strategy_.keys(), "labels and counts of rows differ")
    schema = encoder.schema
    if schema is not None:
        _require(len(schema.columns) == n, "the schema has other columns")
        _require(schema.dtype.itemsize * n <= _MAX_BYTES_A_ROW, "a row's text is too long")
    _require(len(e._label_encoder.values) == len(e.classes_), "labels and classes differ")
    try:
        encoder.new_rows(codec.with_ends_of_levels(rows))
        e._label_encoder.decode(np.zeros(3, np.intp))
    except ImportError:
        pass  # This check needs a library that is missing here; `sample` asks for it.


def _check_embedder(e):
    """Check that there is one generator, and that it decodes from z alone."""
    generators = e._generators
    (group,) = generators.trained
    sound = len(group.members) == 1 and generators.projection is None
    _require(sound and group.generator.references is None, "there is not one generator")
    _require(generators.class_rows.keys() == {0} and not generators.small, "it has no rows")
    latent_dim = group.generator.latent.c.shape[-1]
    _require(e._n_features_out == latent_dim, "the codes have another dimension")
