"""How many new rows each class receives."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
from imblearn.utils import check_sampling_strategy

from ._validation import check_n_classes, named

_STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")
# Range of a factor that is chosen from the data, and the most values that it may lead to beyond the
# least factor: 400 MB of float64.
_FACTORS = (2.0, 8.0)
_MOST_VALUES = 50_000_000


def factor_for(augmentation_factor, n_features, y_index):
    """Return the factor by which classes grow; "auto" depends on the shape of the data.

    Parameters
    ----------
    augmentation_factor : float or "auto"
        ``"auto"`` is the number of columns per row of a class of average size, within 2 and 8: new
        rows are worth the more, the wider the data are and the fewer rows there are. It is less
        where balanced classes would come to hold more than 50 million values.
    n_features : int
        Columns, or pixels and channels of an image.
    y_index : ndarray of int of shape (n_samples,)

    Returns
    -------
    factor : float
    """
    if not isinstance(augmentation_factor, str) or augmentation_factor != "auto":
        return augmentation_factor
    counts = np.unique(y_index, return_counts=True)[1]
    n_values = len(counts) * int(counts.max()) * n_features
    most = np.clip(_MOST_VALUES / n_values, *_FACTORS)
    return float(np.clip(n_features / counts.mean(), _FACTORS[0], most))


def n_new_rows(sampling_strategy, augmentation_factor, classes, y_index):
    """Count the rows to generate for each class.

    Parameters
    ----------
    sampling_strategy : str, float, dict or callable
        With the meaning that it has for imbalanced-learn's over-samplers. A dict, or the dict that
        a callable makes of `y`, maps labels to the number of rows wanted, originals included.
    augmentation_factor : float
        At least 1. For a str or a float, every class grows to `augmentation_factor` times the size
        that the strategy alone would give it, a class that the strategy leaves alone included;
        1 is plain imbalanced-learn. The numbers of a dict or a callable are exact, and the factor
        is ignored.
    classes : ndarray of shape (n_classes,)
        The distinct labels.
    y_index : ndarray of int of shape (n_samples,)
        For each row, the position of its label.

    Returns
    -------
    n_new : dict
        The number of new rows of every class, 0 included, by label in the order of `classes`.

    Raises
    ------
    ValueError
        If there is a single class, or if the strategy or the factor cannot be met.
    TypeError
        If the strategy is, or a callable returns, none of the types above.

    Notes
    -----
    With n_k rows in class k and m_k the new rows that imbalanced-learn asks for,

        new_k = round(augmentation_factor * (n_k + m_k)) - n_k.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_pyraug._strategy import n_new_rows
    >>> classes, y_index = np.array(["a", "b"]), np.repeat([0, 1], [2, 5])
    >>> n_new_rows("auto", 1.0, classes, y_index) == {"a": 3, "b": 0}
    True
    >>> n_new_rows("auto", 2.0, classes, y_index) == {"a": 8, "b": 5}
    True
    """
    check_n_classes(classes)
    counts = np.bincount(y_index)
    # imbalanced-learn sees class indices, not labels, whose types it might not know.
    if isinstance(sampling_strategy, (str, Real)):
        extra = _extra_rows_of_rule(sampling_strategy, y_index)
        factor = _check_factor(augmentation_factor)
        new = [round(factor * (n + extra.get(k, 0))) - n for k, n in enumerate(counts.tolist())]
    else:
        wanted = _wanted_rows(sampling_strategy, classes[y_index], classes, counts)
        extra = check_sampling_strategy(wanted, y_index, "over-sampling")
        new = [int(extra.get(k, 0)) for k in range(classes.size)]
    return dict(zip(classes, new, strict=True))


def check_room(n_new, shape, dtype):
    """Raise ValueError if the new rows of a class cannot fit into memory.

    Parameters
    ----------
    n_new : dict
        What :func:`n_new_rows` returned.
    shape, dtype : tuple of int, numpy.dtype
        Of a row.
    """
    for label, n in n_new.items():
        try:
            np.empty((n, *shape), dtype)
        except (MemoryError, ValueError):  # the latter for more bytes than numpy can count
            raise ValueError(
                f"sampling_strategy and augmentation_factor ask for {n} new rows of class "
                f"{label!r}, which do not fit into memory. Ask for fewer."
            ) from None


def _extra_rows_of_rule(rule, codes):
    """Return the new rows of classes, by index, by imbalanced-learn's named rule or its ratio."""
    if isinstance(rule, str) and rule not in _STRATEGIES:
        raise ValueError(
            f"sampling_strategy={rule!r} is not a rule of an over-sampler. "
            f"Use one of {_STRATEGIES}, a float, a dict or a callable."
        )
    try:
        return check_sampling_strategy(rule, codes, "over-sampling")
    except ValueError as error:
        raise ValueError(f"sampling_strategy={rule!r} cannot be met: {error}") from None


def _check_factor(factor):
    """Return the augmentation factor as a float; raise if it is not one."""
    if not (isinstance(factor, Real) and 1 <= factor < np.inf):
        raise ValueError(
            f"augmentation_factor={factor!r} would remove rows or has no meaning. "
            "Pass a finite number that is at least 1."
        )
    return float(factor)


def _wanted_rows(strategy, y, classes, counts):
    """Check a dict of class sizes, and name the classes by their index.

    Parameters
    ----------
    strategy : dict or callable
    y : array-like of shape (n_samples,)
    classes, counts : ndarray of shape (n_classes,)
        The sorted labels, and how many rows each has.

    Returns
    -------
    wanted : dict of int to int
        Number of rows wanted, originals included, by class index.
    """
    sizes = strategy(y) if callable(strategy) else strategy
    if not isinstance(sizes, Mapping):
        what = "returned" if callable(strategy) else "is"
        raise TypeError(
            f"sampling_strategy {what} {named(sizes)}, which does not say how large each class is "
            "to be. Use a str, a float, a dict of {label: number of rows}, or a callable that "
            "returns such a dict."
        )
    index = {label: k for k, label in enumerate(classes)}
    wanted = {}
    for label, size in sizes.items():
        if label not in index:
            raise ValueError(
                f"sampling_strategy names the class {label!r}, which is not in y. "
                f"Use labels of y: {classes.tolist()}."
            )
        k = index[label]
        if not (isinstance(size, Real) and float(size).is_integer()):
            raise ValueError(
                f"sampling_strategy asks for {size!r} rows of class {label!r}. "
                "Pass a whole number of rows."
            )
        if size < counts[k]:
            raise ValueError(
                f"sampling_strategy asks for {int(size)} rows of class {label!r}, which already "
                f"has {counts[k]}: an over-sampler removes none. Ask for at least {counts[k]}, "
                "or leave the class out."
            )
        wanted[k] = int(size)
    return wanted


def requested_rows(n_samples, labels, available):
    """Count the rows that a call of ``sample`` asks for.

    Parameters
    ----------
    n_samples : int or dict
        Rows per class, or rows by label.
    labels : ndarray of shape (n_classes,)
        The sorted labels.
    available : container of int
        Indices of the classes that have a generator.

    Returns
    -------
    n_new : dict of int to int
        Number of rows by class index.
    """
    labels = labels.tolist()
    if isinstance(n_samples, Integral):
        n_samples = dict.fromkeys(labels, n_samples)
    elif not isinstance(n_samples, Mapping):
        raise ValueError(
            f"n_samples={n_samples!r} is neither a number of rows nor a dict. Pass an int "
            "(rows per class) or a dict of label to rows."
        )
    n_new = {}
    for label, n in n_samples.items():
        if label not in labels:
            raise ValueError(
                f"n_samples names the class {label!r}, which was not in y. "
                f"Use labels of y: {labels}."
            )
        if not isinstance(n, Integral) or n < 0:
            raise ValueError(
                f"n_samples asks for {n!r} rows of class {label!r}. Pass an int that is at least 0."
            )
        k = labels.index(label)
        if n and k not in available:
            raise ValueError(
                f"n_samples asks for {n} rows of class {label!r}, which has no generator: "
                "fit_resample trains only the classes that it lets grow. Call fit(X, y) first."
            )
        n_new[k] = int(n)
    return n_new
