"""The private names of scikit-learn and imbalanced-learn that this package relies on."""

from imblearn.utils import check_target_type
from imblearn.utils._validation import ArraysTransformer
from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

__all__ = [
    "ArraysTransformer",
    "HasMethods",
    "Interval",
    "StrOptions",
    "_fit_context",
    "_safe_indexing",
    "check_target_type",
]
