"""How each row becomes a file: whose row it is, its name, its format, and whether it is copied."""

import re
import unicodedata
from typing import NamedTuple

import numpy as np

from ._guards import BadFile, check_mask, open_inside
from ._image_files import Source, fit_row
from ._listing import LABELS, MANIFEST
from ._picture import VOLUME

_FORBIDDEN = set('<>:"/\\|?*')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# Well below the 255 bytes that a name may have.
_MAX_BYTES = 100


class Plan(NamedTuple):
    """How one row becomes a file.

    Attributes
    ----------
    entry : Source
        The new file, as the manifest lists it.
    source : Source or None
        The file that was read: the row's own or, of a synthetic row, its origin's.
    copied : bool
        Whether the file that was read is copied.
    """

    entry: Source
    source: object
    copied: bool


class _Row(NamedTuple):
    """Where a row comes from: `own` if it is the row at `place` of a folder that was read."""

    synthetic: bool
    own: bool
    place: object


def make_plans(X, kind, labels, like, synthetic_mask, origins, format):
    """Decide on every file before any is written.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
    kind : {"grey", "colour", "volume"}
        What the rows of X are.
    labels : list of str
    like : ImageFolder or None
    synthetic_mask : array-like of bool of shape (n,), or None
    origins : array-like of int of shape (n,), or None
        As `save_image_folder` takes them.
    format : str or None
        For rows that are not in `like`.

    Returns
    -------
    plans : list of Plan

    Raises
    ------
    ValueError
        If mask or origins are malformed or contradict each other, or if a row fits no format, or
        not the one asked for.
    """
    rows = _match_rows(X, like, synthetic_mask, origins)
    kept = [like.sources[row.place].file if row.own else None for row in rows]
    folders = _folders_of(labels, kept)
    used = {file.casefold() for file in kept if file is not None}
    counts = {"original": 0, "synthetic": 0}
    plans = []
    for values, row, label in zip(X, rows, labels, strict=True):
        source = None if like is None else _source_of(row, label, like)
        if not row.own:
            written = _choose_format(values, kind, source, format)
            stem = "synthetic" if row.synthetic else "original"
            file = _next_name(folders[label], stem, counts, written, used)
            plans.append(Plan(Source(file, label, row.synthetic), source, False))
            continue
        file = source.file
        copied = (
            source.unchanged
            and _equal(values, like.X[row.place])
            and _is_as_it_was(like.root, source)
        )
        written = source.format if copied else _choose_format(values, kind, source, None)
        # A row that its file's format cannot hold gets another suffix.
        while written != source.format and file.casefold() in used:
            file = f"{file}.{written}"
        used.add(file.casefold())
        plans.append(Plan(Source(file, label, row.synthetic, source.origin), source, copied))
    return _with_origins(plans, rows, like)


def _match_rows(X, like, synthetic_mask, origins):
    """Return for each row whether it is synthetic, and which row it is or came from."""
    mask = _check_mask(synthetic_mask, X, like)
    places = _check_origins(origins, len(X), like)
    rows, owners = [], {}
    for i, (marked, place) in enumerate(zip(mask.tolist(), places, strict=True)):
        if like is None:
            rows.append(_Row(marked, False, place))
            continue
        was_synthetic = place is not None and bool(like.sources[place].synthetic)
        # A row that was read with a mark keeps it. Its values distinguish it from a new one.
        if marked and not (origins is None and was_synthetic and _equal(X[i], like.X[place])):
            rows.append(_Row(True, False, None if origins is None else place))
            continue
        if place is None or place in owners:
            raise ValueError(
                f"`synthetic_mask` is False for row {i}, which "
                + ("is no row" if place is None else f"is, as row {owners[place]}, row {place}")
                + f" of `like` with its {len(like)} rows by its position or `origins`; mark it "
                "as synthetic, or correct the origins."
            )
        owners[place] = i
        rows.append(_Row(marked or was_synthetic, True, place))
    return rows


def _check_mask(synthetic_mask, X, like):
    """Return one bool for each row of X."""
    n = len(X)
    if synthetic_mask is not None:
        return check_mask(synthetic_mask, n)
    if like is None:
        return np.zeros(n, dtype=bool)
    first = len(like)
    if n < first or not _equal(X[:first], like.X):
        raise ValueError(
            f"`synthetic_mask` is None, but the first {first} rows of X are not those of `like`; "
            "give a mask, with origins if the rows are in another order."
        )
    return np.arange(n) >= first


def _check_origins(origins, n, like):
    """Return for each row its origin, or None if it is not known."""
    n_origins = n if like is None else len(like)
    if origins is None:
        return [i if like is not None and i < n_origins else None for i in range(n)]
    origins = np.asarray(origins)
    if origins.dtype.kind not in "iu" or origins.shape != (n,):
        raise ValueError(
            f"`origins` has dtype {origins.dtype} and shape {origins.shape}; give one row's "
            f"position for each of {n} rows, or -1."
        )
    if origins.min() < -1 or origins.max() >= n_origins:
        name = "X" if like is None else "like"
        raise ValueError(
            f"`origins` has values from {origins.min()} to {origins.max()}, but `{name}` has "
            f"{n_origins} rows; give positions among those, or -1."
        )
    return [None if origin < 0 else origin for origin in origins.tolist()]


def _equal(rows, others):
    return rows.dtype == others.dtype and np.array_equal(rows, others)


def _with_origins(plans, rows, like):
    """Add the files that synthetic rows came from, under their new names."""
    names = [plan.entry.file for plan in plans]
    if like is not None:
        now = {row.place: name for row, name in zip(rows, names, strict=True) if row.own}
        names = [now.get(i, file) for i, file in enumerate(like.files)]
    return [
        plan._replace(entry=plan.entry._replace(origin=names[row.place]))
        if row.synthetic and not row.own and row.place is not None
        else plan
        for plan, row in zip(plans, rows, strict=True)
    ]


def _folders_of(labels, kept):
    """Return the folder of new files by label."""
    at_top, owners = {LABELS, MANIFEST}, {}
    for file, label in zip(kept, labels, strict=True):
        if file is not None and "/" in file:
            owners.setdefault(file.split("/")[0], set()).add(label)
        elif file is not None:
            at_top.add(file)
    # A class keeps a subfolder that no other class uses, whatever its name, and prefers the one
    # of its own name if it has several.
    own = {next(iter(who)): folder for folder, who in owners.items() if len(who) == 1}
    own |= {label: label for label in labels if label in owners}
    others = [folder for folder in owners if folder not in own.values()]
    return folder_names(dict.fromkeys(labels), own, [*at_top, *others])


def _next_name(folder, stem, counts, format, used):
    while True:
        counts[stem] += 1
        file = f"{folder}/{stem}_{counts[stem]:05d}.{format}"
        if file.casefold() not in used:
            used.add(file.casefold())
            return file


def _source_of(row, label, like):
    """Return the source of a row, or that of the row it came from, or one of its class."""
    if row.place is not None:
        return like.sources[row.place]
    return like.sources[next(iter(np.flatnonzero(like.y == label)), 0)]


def _choose_format(row, kind, source, format):
    """Return the format of a row, or raise ValueError if it fits none."""
    if format is not None:
        if fit_row(row, kind, format) is None:
            raise ValueError(
                f"`format` is {format!r}, which cannot hold a {kind} of shape {row.shape} and "
                f"dtype {row.dtype} exactly; use another, such as 'npy', or convert X."
            )
        return format
    if source is not None:
        wanted = [source.format, "npy", "nii.gz"]
    elif kind == VOLUME:
        wanted = ["nii.gz", "npy"]
    else:
        wanted = ["png", "npy"] if row.dtype in (np.uint8, np.uint16) else ["npy"]
    for candidate in wanted:
        fitted = fit_row(row, kind, candidate)
        # The dtype may change only to keep the format of the origin.
        if fitted is not None and (source is not None or fitted.dtype == row.dtype):
            return candidate
    raise ValueError(
        f"`X` has rows of shape {row.shape} and dtype {row.dtype}, a {kind}, which no format "
        "can hold exactly; convert X."
    )


def _is_as_it_was(root, source):
    """Return True if a file exists and has not changed since it was read."""
    try:
        handle, stamp = open_inside(root, source.file)
    except BadFile:
        return False
    handle.close()
    return stamp == source.stamp


def folder_names(labels, kept, taken):
    """Give each label a folder of its own.

    Parameters
    ----------
    labels : iterable of str
        Distinct.
    kept : dict of str to str
        Labels that have a folder, and its name.
    taken : iterable of str
        Names that are used for something else.

    Returns
    -------
    names : dict of str to str
        By label. A safe label is used as it is; in others, unsafe characters become ``_``. Names
        that differ only in case or Unicode form get a number.

    Examples
    --------
    >>> from sklearn_pyraug.io._plans import folder_names
    >>> folder_names(["cat", "Cat", "../up", ""], kept={}, taken=[])
    {'cat': 'cat', 'Cat': 'Cat-2', '../up': '_._up', '': '_'}
    """
    labels = list(labels)
    names = {label: kept[label] for label in labels if label in kept}
    used = {_folded(name) for name in [*taken, *names.values()]}
    # Labels that are safe names come first, so that no other label gets their name.
    for label in sorted(labels, key=lambda label: _safe(label) != label):
        if label not in names:
            safe = _safe(label)
            name, number = safe, 1
            while _folded(name) in used:
                number += 1
                name = f"{safe}-{number}"
            used.add(_folded(name))
            names[label] = name
    return {label: names[label] for label in labels}


def _safe(label):
    text = "".join(c if c.isprintable() and c not in _FORBIDDEN else "_" for c in label)
    text = text.encode("utf-8")[:_MAX_BYTES].decode("utf-8", errors="ignore")
    if text.startswith("."):
        text = f"_{text[1:]}"
    # Windows drops dots and spaces at the end of a name.
    stripped = text.rstrip(". ")
    text = stripped + "_" * (len(text) > len(stripped))
    if not text or _RESERVED.fullmatch(text):
        text = f"_{text}"
    return text


def _folded(name):
    """Return the name as a file system sees it that ignores case and Unicode form."""
    return unicodedata.normalize("NFC", name).casefold()
