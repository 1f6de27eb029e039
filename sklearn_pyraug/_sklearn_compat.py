"""The private names of scikit-learn and imbalanced-learn that this package relies on.

And the names that only later versions have: callbacks came with scikit-learn 1.9.
"""

from contextlib import contextmanager

from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _num_samples

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """Replaces scikit-learn's in versions without it."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "_fit_context",
    "_num_samples",
    "_safe_indexing",
    "fit_task",
    "sub_task",
    "with_callbacks",
]


@contextmanager
def fit_task(estimator, name, X, y, max_subtasks=0):
    """Tell scikit-learn's callbacks that a fit begins and, if it does, that it has ended.

    It belongs into a method that is decorated by `with_callbacks`.

    Parameters
    ----------
    estimator : CallbackSupportMixin
    name : str
        Of the task.
    X, y : object
        As the user gave them.
    max_subtasks : int, default=0
        How many :func:`sub_task` there may be.

    Yields
    ------
    context : CallbackContext or None
        None where scikit-learn has no callbacks.
    """
    if not hasattr(estimator, "_init_callback_context"):
        yield None
        return
    context = estimator._init_callback_context(task_name=name, max_subtasks=max_subtasks)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    yield context
    context.call_on_fit_task_end(estimator=estimator, X=X, y=y)


@contextmanager
def sub_task(context, estimator, name, inner, X, y):
    """Hand the callbacks on to an estimator that is fitted inside another's fit.

    Parameters
    ----------
    context : CallbackContext or None
        Of :func:`fit_task`.
    estimator, inner : estimator
        The outer one and the one inside.
    name : str
        Of the task.
    X, y : object
        What the inner one is fitted to.
    """
    if context is None:
        yield
        return
    task = context.subcontext(task_name=name)
    with task.propagate_callback_context(inner):
        task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
        yield
        task.call_on_fit_task_end(estimator=estimator, X=X, y=y)
