"""Checks of user input that scikit-learn's own validation does not make, and state kept in order.

Each check returns its input in one canonical form, or raises a `ValueError` that names the
parameter or the column, the value received and the remedy.
"""

import os
import re
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from numbers import Integral, Real
from threading import Lock

import numpy as np
import torch
from scipy.sparse import issparse

# A process with another id was forked after this import.
_PROCESS = os.getpid()
_MAX_NAMED_COLUMNS = 5
# The remedy for columns of text, by what refuses them.
_OF_TEXT = {
    "categories": "Name such columns in categorical_features, or encode them first",
    "numbers": "Encode them first",
    "classifier": "Encode them between augmenter and classifier: pass a pipeline as the classifier",
}
_DEVICE = re.compile(r"cpu|mps|cuda(:[0-9]+)?")
# The parts of messages of numpy and scikit-learn that show data: the text of a cell, the start of
# an array of one axis, an array of complex numbers, a single number, or a table as a parameter.
_SHOWN_DATA = re.compile(
    r"(?s)(?<=could not convert string to float): .*|(?<=could not convert string to complex): .*"
    r"|(?<=invalid literal for int\(\) with base 10): .*|(?<=instead):\narray=.*(?=\.\n?Reshape)"
    r"|(?<=Complex data not supported)\n.*|(?<=Singleton array) .*(?= cannot be considered)"
    r"|(?<=got scalar) `.*`(?= instead)|(?<=Found unknown categories) \[.*\](?= in column)"
    r"| Got [^\n]*\n.* instead\."
)


def add_note(error, note):
    """Add a note to an error, as its own method does from Python 3.11.

    Python 3.10 keeps the note in `__notes__`, but prints none with a traceback.
    """
    error.__notes__ = [*getattr(error, "__notes__", ()), note]


def check_count(name, value, least=1):
    """Raise ValueError unless a parameter is an integer of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"`{name}` is {value!r}; give an integer of at least {least}.")


def check_share(name, value, example):
    """Raise ValueError unless a parameter is a number between 0 and 1, both left out."""
    if not isinstance(value, Real) or not 0 < value < 1:
        raise ValueError(
            f"`{name}` is {value!r}; give a number between 0 and 1, such as {example}."
        )


@contextmanager
def no_data_in_errors():
    """Raise again what numpy or scikit-learn raise, without the data that they show.

    A context manager and, called, a decorator. The original error is dropped from the traceback,
    since its message would stand there.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        message = str(error)
        shown = _SHOWN_DATA.sub("", message)
        if shown == message:
            raise
        clean = (ValueError if isinstance(error, ValueError) else TypeError)(shown)
        for note in getattr(error, "__notes__", ()):
            add_note(clean, note)
        raise clean from None


@contextmanager
def as_it_was(estimator, kind=BaseException):
    """Take back what an error has left half-done: the last fit stays usable.

    Parameters
    ----------
    estimator : object
    kind : type, default=BaseException
        Of the errors; a KeyboardInterrupt is no Exception.
    """
    before = dict(vars(estimator))
    try:
        yield
    except kind:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class _Replaced:
    """How many blocks of `torch_defaults` are open in this process, and what was before them."""

    lock = Lock()
    n_open = 0
    before = None


def _of_process():
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:
        # The user has set the precision of one backend alone. It stays.
        precision = None
    deterministic = torch.are_deterministic_algorithms_enabled()
    return torch.get_default_dtype(), deterministic, warns, precision


def _set_process(dtype, deterministic, warns, precision):
    torch.set_default_dtype(dtype)
    torch.use_deterministic_algorithms(deterministic, warn_only=warns)
    if precision is not None:
        torch.set_float32_matmul_precision(precision)


@contextmanager
def torch_defaults():
    """Compute with torch's own defaults, whatever the user has set, and leave that as it is.

    A context manager and, called, a decorator. Inside, new tensors are of float32 and on the CPU,
    matrices are multiplied in full precision, gradients are recorded, nothing is cast
    automatically, what has no deterministic algorithm warns, and a process that was forked has one
    thread. Blocks that overlap in several threads all return to what the first has found.
    """
    with _process_defaults(), _thread_defaults():
        yield


@contextmanager
def _process_defaults():
    entered = False
    try:
        with _Replaced.lock:
            if not _Replaced.n_open:
                _Replaced.before = _of_process()
            _, deterministic, warns, precision = _Replaced.before
            _Replaced.n_open, entered = _Replaced.n_open + 1, True
            # What is not used is left alone: where the user has set nothing, nothing is replaced,
            # and an interruption at any moment leaves nothing replaced.
            warns = warns or deterministic
            _set_process(torch.float32, deterministic, warns, precision and "highest")
        yield
    finally:
        if entered:
            with _Replaced.lock:
                _Replaced.n_open -= 1
                if not _Replaced.n_open:
                    _set_process(*_Replaced.before)


@contextmanager
def _thread_defaults():
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # Only if needed, because a default device slows down every call of torch. Before 2.5,
        # torch.get_default_device fails after the default was set back to None.
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if os.getpid() != _PROCESS:
            # OpenMP's threads do not survive a fork, and torch would wait for them forever.
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


def named(value):
    """Return how a message shows an argument; of what may hold rows, only the type."""
    kind = type(value)
    if value is None or isinstance(value, (type, str, Real)) or hasattr(value, "get_params"):
        return repr(value)
    return f"a {kind.__module__.split('.')[0]}.{kind.__name__}"


def check_finite(X, feature_names=None, missing="error", empty=(), is_image=False):
    """Raise if `X` holds an infinite or, unless they are kept, a missing value, and say where.

    Parameters
    ----------
    X : {ndarray, sparse matrix, sparse array} of shape (n_samples, n_features)
        Numeric rows.
    feature_names : array-like of str of shape (n_features,), default=None
        The names of the columns for the message. If `None`, columns are named by their position.
    missing : {"error", "keep"} or None, default="error"
        Whether NaN is refused. None refuses it, too, where there is no such parameter.
    empty : list of int, default=()
        Columns that may be empty.
    is_image : bool, default=False
        Whether rows are images, to which an imputer does not suit.

    Raises
    ------
    ValueError
        If a value of `X` is infinite, or is NaN and `missing` is `"error"`. The message begins with
        ``"Input X contains NaN."``, or with ``"Input X contains infinity."`` when nothing is
        missing but something is infinite.
    """
    if X.dtype == np.longdouble:
        with np.errstate(over="ignore"):  # computed in float64, which does not hold them all
            X = X.astype(np.float64)
    values = X.data if issparse(X) else X
    if values.dtype.kind not in "fc":
        return
    # One sum is enough for most inputs: it is finite only if every term is. A sum that overflows
    # although all terms are finite costs one more pass and nothing else.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return
    kept = missing == "keep"
    n_nan, n_inf = _count_per_column(X, np.isnan), _count_per_column(X, np.isinf)
    n_nan[list(empty) if not kept else slice(None)] = 0
    if not (n_nan.any() or n_inf.any()):
        return
    remedy = "Put an imputer, such as sklearn.impute.SimpleImputer, in front in a pipeline"
    kept_as = "missing values generated, too"
    if is_image:
        infinite = ", posinf=0, neginf=0" if n_inf.any() else ""
        remedy = f"Fill such pixels, for example by numpy.nan_to_num(X, nan=0{infinite})"
        kept_as = "them carried along with the others"
    if missing is not None:
        remedy += f", or set missing='keep' to have {kept_as}"
    remedy += "."
    if n_inf.any():
        refusing = "missing='keep' refuses" if is_image else "Imputers refuse"
        remedy += f" {refusing} infinite values: replace those by NaN first."
    if kept:
        remedy = "Replace infinite values by NaN, which missing='keep' accepts."
    raise ValueError(
        f"Input X contains {'NaN' if n_nan.any() else 'infinity'}. "
        f"Found {_tallies(n_nan, n_inf, feature_names)}. {remedy}"
    )


def _tallies(n_nan, n_inf, feature_names):
    """Return how many values cannot be used, of all columns and of each."""
    bad = np.flatnonzero(n_nan + n_inf)
    named = [
        f"{column_name(j, feature_names)} ({_tally(n_nan[j], n_inf[j])})"
        for j in bad[:_MAX_NAMED_COLUMNS]
    ]
    if bad.size > _MAX_NAMED_COLUMNS:
        named.append(f"and {bad.size - _MAX_NAMED_COLUMNS} more")
    found = _tally(n_nan.sum(), n_inf.sum())
    return f"{found} in {bad.size} of {len(n_inf)} columns: {', '.join(named)}"


def _count_per_column(X, test):
    """Count the values of each column for which `test` holds.

    Parameters
    ----------
    X : {ndarray, sparse matrix, sparse array} of shape (n_samples, n_features)
    test : callable
        Elementwise test, such as `numpy.isnan`, that is false at zero.

    Returns
    -------
    counts : ndarray of shape (n_features,), dtype=int64
    """
    if issparse(X):
        entries = X.tocoo()
        return np.bincount(entries.col[test(entries.data)], minlength=X.shape[1])
    return test(X).sum(axis=0)


def column_name(j, feature_names=None):
    """Return how a message calls column `j`: by its name, or by its position where it has none."""
    return f"column {j}" if feature_names is None else repr(str(feature_names[j]))


def _tally(n_nan, n_inf):
    parts = [f"{n_nan} NaN"] if n_nan else []
    if n_inf:
        parts.append(f"{n_inf} infinite")
    return " and ".join(parts)


def check_device(device):
    """Return the name of an available torch device.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:<index>", "mps"} or torch.device
        `"auto"` takes `"cuda"` where there is one, else `"mps"`, else `"cpu"`.

    Returns
    -------
    device : str
        The name of a device on which tensors can be made.
    """
    found, name = ["cpu"], str(device)
    if torch.backends.mps.is_available():
        found.append("mps")
    if torch.cuda.is_available():
        found += [*(f"cuda:{i}" for i in range(torch.cuda.device_count())), "cuda"]
    if name == "auto":
        return found[-1]
    if name not in found:
        raise ValueError(
            f"device={device!r} is not a device that PyTorch finds on this machine. Choose one of "
            f"'auto', {', '.join(map(repr, found))}."
        )
    return name


def available_device(device, trained_on):
    """Return a device for what was trained: the one that is named, or what there is.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:<index>", "mps"} or torch.device
        `"auto"` stays on the CPU with what was trained there.
    trained_on : str

    Returns
    -------
    device : str
        That of `"auto"`, with a warning, if this machine does not have the named one: what was
        trained on one machine may be used on another.

    Raises
    ------
    ValueError
        If the device is unknown.
    """
    if device == "auto" and trained_on == "cpu":
        return "cpu"
    try:
        return check_device(device)
    except ValueError:
        if not _DEVICE.fullmatch(str(device)):
            raise
    found = check_device("auto")
    warnings.warn(
        f"device={str(device)!r} is not on this machine: rows are drawn on {found!r}, with the "
        "same generators. Use set_params(device='auto') to say so.",
        UserWarning,
        stacklevel=2,
    )
    return found


def check_n_classes(classes):
    """Raise unless there are at least two classes.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The distinct labels.
    """
    if classes.size < 2:
        found = f"1 class (label {classes.tolist()[0]!r})" if classes.size else "0 classes"
        raise ValueError(
            f"y needs at least 2 classes to be balanced against each other, got {found}. "
            "Pass rows of at least one more class."
        )


def check_sample_shape(sample_shape, n_features, row_shape=None):
    """Return the shape of one row seen as an image or a volume.

    Parameters
    ----------
    sample_shape : sequence of int or None
        The shape whose product is the number of columns, or `None` for a table.
    n_features : int
        Number of columns of X.
    row_shape : tuple of int or None, default=None
        The shape that the rows of X have themselves.

    Returns
    -------
    sample_shape : tuple of int or None
    """
    if sample_shape is None:
        return None
    shape = positive_integers(sample_shape)
    if not shape:
        raise ValueError(
            f"sample_shape={sample_shape!r} is not a sequence of positive integers. Pass, for "
            "example, sample_shape=(28, 28), or sample_shape=None for a table."
        )
    if prod(shape) != n_features:
        raise ValueError(
            f"sample_shape={shape!r} holds {prod(shape)} values a row, but X has {n_features} "
            f"columns. Pass a shape whose product is {n_features}, or sample_shape=None for a "
            "table."
        )
    if row_shape is not None and shape != row_shape:
        raise ValueError(
            f"sample_shape={shape!r}, but the rows of X have the shape {row_shape}. Leave "
            "sample_shape='auto', which takes that of X."
        )
    return shape


def check_scale(scale, owner):
    """Return the ends of a range of shares.

    Parameters
    ----------
    scale : float or sequence of two floats
        A number stands for a range of that one number.
    owner : str
        The component whose parameter it is.

    Returns
    -------
    low, high : float
    """
    ends = (scale,) * 2 if isinstance(scale, Real) else tuple(scale)
    good = len(ends) == 2 and all(isinstance(v, Real) and 0 <= v < np.inf for v in ends)
    if not good or ends[0] > ends[1] or ends[1] == 0:
        raise ValueError(
            f"scale={scale!r} of {owner} is not a range of shares. Pass two finite numbers "
            "that are not negative, the smaller first, such as (0.1, 1), or a single one above 0."
        )
    return float(ends[0]), float(ends[1])


def check_hidden_layer_sizes(hidden_layer_sizes):
    """Return the widths of the hidden layers as a tuple.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        The width of the only hidden layer, or the widths of all of them. At least one.

    Returns
    -------
    hidden_layer_sizes : tuple of int
    """
    given = hidden_layer_sizes
    sizes = positive_integers((given,) if isinstance(given, Integral) else given)
    if not sizes:
        raise ValueError(
            f"hidden_layer_sizes={given!r} does not describe at least one hidden layer of "
            "positive width. Pass, for example, hidden_layer_sizes=(400,)."
        )
    return sizes


def positive_integers(values):
    """Return `values` as a tuple of int, or `None` if they are anything but positive integers."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        return None
    if any(not isinstance(v, Integral) or isinstance(v, bool) or v < 1 for v in values):
        return None
    return tuple(int(v) for v in values)


def check_has_columns(X):
    """Raise if `X` is a table without columns; scikit-learn fails on such a dataframe."""
    shape = getattr(X, "shape", ())
    if len(shape) == 2 and shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required. "
            "Pass X with at least one column."
        )


def check_unique_names(names):
    """Raise if two columns of X have one name."""
    if len(set(names)) < len(names):
        name = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(
            f"X has several columns of the name {name!r}. Rename them, as columns are told apart "
            "by their names."
        )


def text_error(columns, taker="categories", what="text"):
    """Make the error for an `X` that holds text.

    Parameters
    ----------
    columns : list of str
        The names of the columns with text, see :func:`column_name`; empty where it is numbers
        that are stored as text.
    taker : {"categories", "numbers", "classifier"}, default="categories"
        What refuses the text: an estimator with `categorical_features`, one that takes numbers
        alone, or a classifier behind an augmenter that took it.
    what : str, default="text"
        What the columns hold.

    Returns
    -------
    error : ValueError
        It names the columns, never the text: that may be a patient's name.
    """
    more = f", and {len(columns) - _MAX_NAMED_COLUMNS} more" * (len(columns) > _MAX_NAMED_COLUMNS)
    where = ", ".join(columns[:_MAX_NAMED_COLUMNS]) + more if columns else "numbers stored as text"
    return ValueError(
        f"X holds {what} where numbers are needed: {where}. {_OF_TEXT[taker]}, for example with "
        "sklearn.preprocessing.OrdinalEncoder or OneHotEncoder."
    )


@contextmanager
def columns_are_named(X, taker="categories"):
    """Say in which columns of `X` the values stand that scikit-learn refuses.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    taker : {"categories", "numbers", "classifier"} or None, default="categories"
        As for :func:`text_error`. None looks for infinite values alone.

    Raises
    ------
    ValueError
        That of :func:`text_error`, in place of scikit-learn's, whose message may hold the text;
        of infinite values scikit-learn's, with the columns.
    TypeError
        Of dates, intervals and other objects, with the columns.
    """
    try:
        yield
    except OverflowError:
        raise ValueError(
            "X holds integers beyond the range of float64. Scale them, or pass their logarithms."
        ) from None
    except (TypeError, ValueError) as error:
        if "setting an array element with a sequence" in str(error):
            raise ValueError(
                "X holds sequences in the place of numbers, or rows of different lengths. Pass "
                "rows of one length, and images as a list or in one array, such as numpy.stack(X)."
            ) from None
        if "Complex data not supported" in str(error):
            raise ValueError(
                "Complex data not supported: X holds complex numbers. Pass their real and "
                "imaginary parts, or their absolute values, as columns or channels of their own."
            ) from None
        # How scikit-learn and pandas say that X holds text, or dates, intervals and the like.
        of_text = "could not convert", "bytes/strings", "Cannot cast"
        of_others = "float() argument must be", "could not be promoted"
        of_text, of_others = (
            taker is not None and any(words in str(error) for words in says)
            for says in (of_text, of_others)
        )
        if not of_text and not of_others and "contains infinity or" not in str(error):
            raise
        columns = np.asarray(X, dtype=object).T
        if of_text and columns.ndim == 1:
            raise ValueError(
                "X is a single column of text. Pass rows of several columns first, labels second."
            ) from None
        if columns.ndim != 2:
            raise
        names = getattr(X, "column_names", getattr(X, "columns", None))
        numbers = list(map(_numbers_of, columns))
        bad = [column_name(j, names) for j, x in enumerate(numbers) if x is None]
        if of_text:
            raise text_error(bad, taker) from None
        if of_others and bad and "'NAType'" in str(error):
            raise ValueError(
                f"X holds pandas.NA, which is no number: {', '.join(bad[:_MAX_NAMED_COLUMNS])}. "
                "Replace it by numpy.nan, as X.replace({pandas.NA: numpy.nan}) does, and fill in "
                "missing values by an imputer."
            ) from None
        if of_others and bad:
            # scikit-learn's estimator checks look for its own words.
            own = f"{error}. " if "float()" in str(error) else ""
            what = text_error(bad, taker, "values that are no numbers")
            raise TypeError(f"{own}{what}") from None
        n_inf = np.array([0 if x is None else np.isinf(x).sum() for x in numbers])
        if not n_inf.any():  # they arose on the way
            raise
        raise ValueError(
            f"{str(error).rstrip()} Found {_tallies(np.zeros_like(n_inf), n_inf, names)}. Replace "
            "these values, or leave their rows out."
        ) from None


def _numbers_of(values):
    """Return a column as floats, None if it holds something else."""
    try:
        return values.astype(float)
    except (TypeError, ValueError):
        return None
