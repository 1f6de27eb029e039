"""How each row becomes a file: its name, its format, and whether it is copied."""

from typing import NamedTuple

import numpy as np

from ._guards import BadFile, open_inside
from ._image_files import fit_row
from ._listing import LABELS, MANIFEST, Entry
from ._names import folder_names
from ._picture import VOLUME


class Plan(NamedTuple):
    """How one row becomes a file; `source` is its own or, of a synthetic one, its origin's."""

    entry: Entry
    format: str
    source: object
    copied: bool


def make_plans(X, kind, labels, rows, like, format):
    """Decide on every file before any is written.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
    kind : {"grey", "colour", "volume"}
        What the rows of X are.
    labels : list of str
    rows : list of RowOrigin
    like : ImageFolder or None
    format : str or None
        For rows that are none of `like`.

    Returns
    -------
    plans : list of Plan

    Raises
    ------
    ValueError
        If a row fits no format, or not the one asked for.
    """
    kept = [None if row.own is None else like.sources[row.own].file for row in rows]
    folders = _folders_of(labels, kept)
    used = {file.casefold() for file in kept if file is not None}
    counts = {"original": 0, "synthetic": 0}
    plans = []
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        source = _source_of(row, label, like)
        own = row.own is not None
        if own and source.unchanged and row.equal and _is_as_it_was(like.root, source):
            entry = Entry(source.file, label, row.synthetic, source.origin)
            plans.append(Plan(entry, source.format, source, True))
            continue
        written = _choose_format(X[i], kind, source, None if own else format)
        if own:
            file = source.file if written == source.format else f"{source.file}.{written}"
            while written != source.format and file.casefold() in used:
                file = f"{file}.{written}"
            used.add(file.casefold())
            entry = Entry(file, label, row.synthetic, source.origin)
        else:
            stem = "synthetic" if row.synthetic else "original"
            file = _next_name(folders[label], stem, counts, written, used)
            entry = Entry(file, label, row.synthetic)
        plans.append(Plan(entry, written, source, False))
    return _with_origins(plans, rows, like)


def _with_origins(plans, rows, like):
    """Name the files that synthetic rows came from, under the names that these have now."""
    names = [plan.entry.file for plan in plans]
    if like is not None:
        now = {row.own: name for row, name in zip(rows, names, strict=True) if row.own is not None}
        names = [now.get(i, file) for i, file in enumerate(like.files)]
    return [
        plan
        if row.own is not None or row.origin is None or not row.synthetic
        else plan._replace(entry=plan.entry._replace(origin=names[row.origin]))
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
    # A class keeps the subfolder that it has to itself, also where its name is an odd one, and
    # rather the one of its own name where it has several.
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
    if like is None:
        return None
    if row.own is not None:
        return like.sources[row.own]
    if row.origin is not None:
        return like.sources[row.origin]
    same = np.flatnonzero(like.y == label)
    return like.sources[same[0] if len(same) else 0]


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
        # Another dtype that holds the values will do for the format of the origin alone.
        if fitted is not None and (source is not None or fitted.dtype == row.dtype):
            return candidate
    raise ValueError(
        f"`X` has rows of shape {row.shape} and dtype {row.dtype}, a {kind}, which no format "
        "holds as such; convert X."
    )


def _is_as_it_was(root, source):
    """Tell whether a file can be copied: it is there, and not changed since it was read."""
    try:
        handle, stamp = open_inside(root, source.file)
    except BadFile:
        return False
    handle.close()
    return stamp == source.stamp
