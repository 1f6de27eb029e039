"""Columns of text that are no categories: identifiers, and numbers that are stored as text."""

import warnings

import numpy as np

from .._validation import column_name

# With fewer rows nothing can be said. If at least this share of values occurs once, they are
# identifiers.
_MIN_ROWS, _MIN_SHARE_OF_SINGLE_ROWS = 10, 0.5
# From this share of numbers on, text is taken for numbers if more than this many differ.
_MIN_SHARE_OF_NUMBERS, _MAX_LEVELS = 0.8, 20
# Longer values are not shown, because they may be names of people.
_MAX_SHOWN = 10


def find_identifiers(columns, values, named, names, identifiers):
    """Return which columns of text are identifiers that are to be left empty in new rows.

    Parameters
    ----------
    columns : tuple of _Column
        Of the schema.
    values : ndarray of shape (n_samples, n_features)
        Indices of levels, NaN where a value is missing.
    named : ndarray of bool of shape (n_features,)
        Which columns the user has named as categories.
    names : list or None
    identifiers : {"error", "drop", "keep"}

    Returns
    -------
    dropped : list of int
    """
    found = []
    for j, column in enumerate(columns):
        levels, x = column.levels, values[:, j]
        used, counts = np.unique(x[~np.isnan(x)], return_counts=True)
        n = int(counts.sum())
        if levels is None or n < _MIN_ROWS:
            continue
        texts = levels[used.astype(np.intp)].tolist()
        if not all(isinstance(v, str) for v in texts):
            continue
        if not named[j]:
            _check_numbers(texts, counts, column_name(j, names))
        if np.sum(counts == 1) >= _MIN_SHARE_OF_SINGLE_ROWS * n:
            found.append(
                (j, f"{column_name(j, names)} ({len(texts)} different values in {n} rows)")
            )
    if found and identifiers == "error":
        raise ValueError(
            f"X holds text that tells single rows apart in {', '.join(t for _, t in found[:5])}: "
            "each new row would carry the name of a real one. Leave such columns out, or set "
            "columns=Columns(identifiers='drop') to have them empty in new rows, or 'keep' to "
            "have them taken for categories."
        )
    return [j for j, _ in found] if identifiers == "drop" else []


def _check_numbers(texts, counts, name):
    """Raise, or of few different values warn, if most values of a column of text are numbers."""
    numeric = np.array([_is_number(v) for v in texts])
    n, n_numbers = int(counts.sum()), int(counts[numeric].sum())
    many = numeric.sum() > _MAX_LEVELS
    if n_numbers < _MIN_SHARE_OF_NUMBERS * n or (n_numbers == n and not many):
        return
    said = f"{n_numbers} of {n} values are numbers"
    if n_numbers < n:
        odd = [v for v, yes in zip(texts, numeric, strict=True) if not yes]
        most = odd[int(counts[~numeric].argmax())]
        others = "the other is" if n - n_numbers == 1 else "the others are such as"
        said += f", {others} {most!r}" if len(most) <= _MAX_SHOWN else f", {n - n_numbers} are not"
    if many:
        raise ValueError(
            f"X holds numbers as text in {name}: {said}. Replace it by a column of numbers, such "
            "as pandas.to_numeric(column, errors='coerce') together with missing='keep', or name "
            "it in categorical_features if it is one of categories."
        )
    warnings.warn(
        f"X holds text in {name}, where {said}: it is taken for categories. Replace it by a column "
        "of numbers, or name it in categorical_features to say that it is one of categories.",
        UserWarning,
        stacklevel=2,
    )


def _is_number(text):
    """Say whether a text is a number, and not a code that begins with zeros."""
    text = text.strip()
    if text[:1] == "0" and text[1:2].isdigit():
        return False
    try:
        return bool(np.isfinite(float(text.replace(",", ".", 1))))
    except ValueError:
        return False
