"""The classes that a model file may hold: of this package, of numpy and of pandas."""

import typing
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._generation.fitted import ClassGenerators, Plan
from .._generation.groups import TrainedGroup
from .._generation.min_distance import Guard
from .._neighbors import Spacing
from .._preprocessing.categorical import Levels
from .._preprocessing.column_stats import Columns
from .._preprocessing.containers import FrameContainers, FrameSpec
from .._preprocessing.frame_dtypes import FrameColumn
from .._preprocessing.images import ImageLayout
from .._preprocessing.mixed import MixedCodec, _Level, _Masked
from .._preprocessing.numeric import NumberCodec
from .._preprocessing.projection import Projection
from .._preprocessing.schema import Schema, _Column
from .._preprocessing.table_codec import TableCodec
from .._sklearn_compat import ArraysTransformer
from ..metrics import PrivacyCounts, PrivacyReport
from ..rhvae import (
    Architecture,
    ClassHistory,
    FlowSettings,
    Generator,
    Output,
    ReferenceGenerator,
    Resolution,
    Transfer,
)
from ..rhvae.latent import Latent
from ..rhvae.likelihoods.mixed import Block, CodeLayout
from ..rhvae.metric.learned import Metric
from ..rhvae.metric.posterior import PosteriorMetric
from .pandas_parts import PANDAS_NAMES, PANDAS_PARTS
from .values import Part, Text, converted

__all__ = ["PARTS", "Given", "StackState", "name_of"]


class Given(NamedTuple):
    """Stands for a network that whoever loads the file has to bring along."""

    parameter: str


class StackState(NamedTuple):
    """What a stack has learned; its networks follow from the architecture and the settings.

    Attributes
    ----------
    settings : FlowSettings
    training : bool
        Whether the stack is in the mode of training.
    tensors : dict of str to Tensor
        Parameters and buffers.
    """

    settings: FlowSettings
    training: bool
    tensors: dict


class _RandomState(NamedTuple):
    key: np.ndarray
    position: int
    has_gauss: int
    gauss: float


class _Container(NamedTuple):
    """What imbalanced-learn keeps of X or y, as far as it is used."""

    kind: str
    columns: object
    dtypes: object
    name: object


class _Containers(NamedTuple):
    X: _Container
    y: _Container


_SPARSE_TYPES = {
    cls.__name__: cls
    for cls in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array)
}
_KEY_LENGTH = 624


def _named_tuple(cls, **replaced):
    """Return the Part of a NamedTuple: its fields are those of the class, whatever they are."""
    fields = typing.get_type_hints(cls) | replaced
    return Part(fields, cls._field_defaults, cls._asdict, lambda values: cls(**values))


def _plain(cls, **fields):
    """Return the Part of a class whose attributes are listed."""

    def make(values):
        made = cls.__new__(cls)
        made.__dict__.update(values)
        return made

    return Part(fields, {}, lambda value: dict(vars(value)), make)


def _take_random_state(value):
    state = value.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise ValueError(
            f"random_state is a RandomState over {state['bit_generator']}, which a model file "
            "cannot hold. Use an int."
        )
    inner = state["state"]
    return _RandomState(inner["key"], inner["pos"], state["has_gauss"], state["gauss"])


def _make_random_state(state):
    key, position = state.key, state.position
    # numpy reads the key at the position without a look at either.
    if key.shape != (_KEY_LENGTH,) or key.dtype.kind not in "iu" or not 0 <= position <= 624:
        raise ValueError("the state of random_state is none of the Mersenne Twister")
    made = np.random.RandomState()
    made.set_state(("MT19937", key, position, state.has_gauss, state.gauss))
    return made


def _take_containers(value):
    def one(props):
        kind = props["type"].lower()
        frame, series = kind == "dataframe", kind == "series"
        dtypes = props["dtypes"] if frame or series else None
        # A dataframe with a column "name" has that column under props["name"].
        return _Container(
            props["type"],
            props["columns"] if frame else None,
            list(dtypes) if frame else dtypes,
            props["name"] if series else None,
        )

    return _Containers(one(value.x_props), one(value.y_props))


def _make_containers(state):
    def one(kind, columns, dtypes, name):
        if kind.lower() == "dataframe":
            import pandas as pd

            if not isinstance(columns, pd.Index) or not isinstance(dtypes, list):
                raise ValueError("a dataframe has no columns")
            dtypes = pd.Series(dtypes, index=columns, dtype=object)
        return {"type": kind, "columns": columns, "dtypes": dtypes, "name": name}

    made = ArraysTransformer.__new__(ArraysTransformer)
    made.x_props, made.y_props = one(*state.X), one(*state.y)
    return made


_CODEC = {
    "likelihood": str,
    "sample_shape": tuple | None,
    "value_mapping": str | None,
    "scaling": str,
    "dtype_": np.dtype,
    "binary_": bool,
    "likelihood_": str,
    "layout_": CodeLayout | None,
    "n_codes_": int,
    "blocks_": tuple,
    "center_": np.ndarray,
    "scale_": np.ndarray,
    "constant_": np.ndarray,
    "_whole": np.ndarray | None,
    "_constants": list | None,
    "_code": NumberCodec | MixedCodec,
}
_NUMBERS = {
    "center": np.ndarray,
    "scale": np.ndarray,
    "constant": np.ndarray,
    "_columns": Columns,
    "_unit_interval": bool,
    "_rounded": bool,
    "_quantiles": tuple | None,
    "_scores": np.ndarray,
    "_curves": list,
    "_anchor": np.ndarray,
    "_exponent": np.ndarray,
    "_shift": np.ndarray,
    "_unit": np.ndarray,
    "_center_code": np.ndarray,
    "_borders": np.ndarray,
    "_end_codes": np.ndarray,
}
_MIXED = {
    "layout": CodeLayout,
    "center": np.ndarray,
    "scale": np.ndarray,
    "constant": np.ndarray,
    "_plain": np.ndarray,
    "_dtype": np.dtype,
    "_numbers": NumberCodec | None,
    "_masked": list,
    "_levels": list,
    "_held": np.ndarray | None,
}
_TUPLES = (
    Architecture, Block, ClassGenerators, ClassHistory, CodeLayout, Columns, FlowSettings,
    FrameColumn, FrameContainers, FrameSpec, Given, Guard, ImageLayout, Latent, Levels, Metric,
    Output, Plan, PosteriorMetric, PrivacyCounts, PrivacyReport, Projection, Resolution, Schema,
    Spacing, StackState, TrainedGroup, Transfer, _Column, _Level, _Masked,
)  # fmt: skip

# The whole of the classes that are written and read, by the names that a file has for them.
PARTS = {
    **{cls.__name__.strip("_"): _named_tuple(cls) for cls in _TUPLES},
    # A file holds the weights of a stack and not the stack.
    "Generator": _named_tuple(Generator, stack=StackState),
    "ReferenceGenerator": _named_tuple(ReferenceGenerator, stack=StackState),
    "TableCodec": _plain(TableCodec, **_CODEC),
    "NumberCodec": _plain(NumberCodec, **_NUMBERS),
    "MixedCodec": _plain(MixedCodec, **_MIXED),
    "Containers": converted(_Containers, _take_containers, _make_containers),
    "Container": _named_tuple(_Container),
    "RandomState": converted(_RandomState, _take_random_state, _make_random_state),
    "SparseType": converted(Text, lambda v: Text(v.__name__), lambda s: _SPARSE_TYPES[s.text]),
    "Decimal": converted(Text, lambda v: Text(str(v)), lambda s: Decimal(s.text)),
    "Date": converted(Text, lambda v: Text(v.isoformat()), lambda s: date.fromisoformat(s.text)),
    **PANDAS_PARTS,
}
_NAMES = {cls: cls.__name__.strip("_") for cls in _TUPLES} | {
    Generator: "Generator",
    ReferenceGenerator: "ReferenceGenerator",
    TableCodec: "TableCodec",
    NumberCodec: "NumberCodec",
    MixedCodec: "MixedCodec",
    ArraysTransformer: "Containers",
    _Container: "Container",
    np.random.RandomState: "RandomState",
    Decimal: "Decimal",
    date: "Date",
}


def name_of(value):
    """Return the name that a model file has for the class of a value, or None."""
    cls = type(value)
    if isinstance(value, type):
        return "SparseType" if value in _SPARSE_TYPES.values() else None
    if cls.__module__.split(".")[0] == "pandas":
        return PANDAS_NAMES.get(cls.__name__)
    return _NAMES.get(cls)
