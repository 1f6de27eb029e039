"""What is in a folder of images: which files, under which labels, and what is left aside."""

import csv
import io
import os
from typing import NamedTuple

from ._guards import BadFile, open_inside, place, printable
from ._image_files import FORMATS, format_of

LABELS, MANIFEST = "labels.csv", "manifest.csv"
LABEL_COLUMNS = ("file", "label")
MANIFEST_COLUMNS = ("file", "label", "synthetic", "origin")
# A line takes some hundred bytes: more is no list of files.
_MAX_CSV_BYTES = 2**26


class Entry(NamedTuple):
    """An image that is to be read.

    Attributes
    ----------
    file : str
        Posix name relative to the folder.
    label : str
    synthetic : bool or None
        The mark of a manifest; None where there is none.
    origin : str
        The file that a synthetic one came from, if known.
    """

    file: str
    label: str
    synthetic: object = None
    origin: str = ""


class Listing(NamedTuple):
    """What was found in a folder.

    Attributes
    ----------
    entries : list of Entry
    bad : list of (str, str)
        Names that should have been images, and why they are none.
    ignored : list of (str, str)
        Names that are none, and why.
    """

    entries: list
    bad: list
    ignored: list


class _Tree(NamedTuple):
    folders: list
    images: list
    bad: list
    ignored: list


def list_images(root, labels=None):
    """Find the images of a folder and their labels, without opening any.

    Parameters
    ----------
    root : str
    labels : str or None
        Path of a csv file of labels elsewhere than in the folder.

    Returns
    -------
    listing : Listing
        Images in the order of the csv file that lists them, else by name.

    Raises
    ------
    ValueError
        If there is neither a subfolder nor a list of labels, or the list cannot be read.
    """
    tree = _walk(root)
    manifest = _read_manifest(root)
    if labels is not None or os.path.lexists(place(root, LABELS)):
        listing = _listed_in_labels(root, labels, tree)
        marks = {} if manifest is None else {entry.file: entry for entry in manifest}
        entries = [
            entry._replace(
                synthetic=marks[entry.file].synthetic if entry.file in marks else None,
                origin=marks[entry.file].origin if entry.file in marks else "",
            )
            for entry in listing.entries
        ]
        return listing._replace(entries=entries)
    if manifest is not None:
        return _listed_in_manifest(root, manifest, tree)
    return _sorted_by_subfolder(root, tree)


def _walk(root):
    """Go through all folders, following no link to one."""
    tree = _Tree([], [], [], [])
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(place(root, folder) if folder else root) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                raise
            tree.bad.append((folder, f"a folder that cannot be listed ({error.strerror})"))
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            _sort_entry(entry, name, tree, waiting)
    tree.images.sort()
    return tree


def _sort_entry(entry, name, tree, waiting):
    """Put one entry of a folder where it belongs."""
    top = "/" not in name
    if entry.name.startswith("."):
        tree.ignored.append((name, "hidden"))
    elif entry.is_dir(follow_symlinks=False):
        if not top and format_of(entry.name):
            tree.bad.append((name, "a folder, not a regular file"))
            return
        waiting.append(name)
        if top:
            tree.folders.append(name)
    elif entry.is_symlink() and os.path.isdir(entry.path):
        tree.bad.append((name, "a symbolic link to a folder, which is not followed"))
    elif format_of(entry.name):
        tree.images.append(name)
    elif not (top and entry.name in (LABELS, MANIFEST)):
        tree.ignored.append((name, "not named as an image"))


def _sorted_by_subfolder(root, tree):
    """Label each image with the subfolder that it is in."""
    if not tree.folders:
        raise ValueError(
            f"`path` is '{printable(root)}', which has neither subfolders nor a {LABELS}; put the "
            "images into one subfolder for each class, or list them in a csv file with the "
            f"columns {' and '.join(LABEL_COLUMNS)}."
        )
    entries = [Entry(file, file.split("/")[0]) for file in tree.images if "/" in file]
    beside = [(file, "beside the class folders") for file in tree.images if "/" not in file]
    seen = {file.split("/")[0] for file, *_ in [*entries, *tree.bad]}
    bad, ignored = list(tree.bad), [*tree.ignored, *beside]
    for folder in tree.folders:
        if folder not in seen:
            # One by the name of a picture was hardly meant as a class.
            if format_of(folder):
                bad.append((folder, "a folder, not a regular file"))
            else:
                ignored.append((folder, "a subfolder without images"))
    if os.path.lexists(place(root, MANIFEST)):
        ignored.append((MANIFEST, "not written by save_image_folder"))
    return Listing(entries, bad, ignored)


def _listed_in_labels(root, labels, tree):
    """Take the images that a csv file of labels lists."""
    # A list that the user names may be a link to anywhere; one in the folder may not.
    where = place(root, LABELS) if labels is None else os.path.realpath(labels)
    folder, name = os.path.split(where)
    lines = _read_csv(folder, name, LABEL_COLUMNS)
    if lines is None:
        raise ValueError(
            f"`labels` is '{printable(where)}', whose first line does not name the columns "
            f"{' and '.join(LABEL_COLUMNS)}; write them there."
        )
    entries, bad = _checked((Entry(*line) for line in lines), name)
    listed = {file for file, *_ in [*entries, *bad]}
    ignored = [
        *tree.ignored,
        *((file, f"not in {name}") for file in tree.images if file not in listed),
        *(problem for problem in tree.bad if problem[0] not in listed),
    ]
    return Listing(entries, bad, ignored)


def _listed_in_manifest(root, manifest, tree):
    """Take the images that a manifest lists; more of them are an inconsistency."""
    entries, bad = _checked(manifest, MANIFEST)
    listed = {file for file, *_ in [*entries, *bad]}
    bad.extend(
        (file, f"not in {MANIFEST}; add it there, or remove that file")
        for file in tree.images
        if file not in listed
    )
    bad.extend(problem for problem in tree.bad if problem[0] not in listed)
    return Listing(entries, bad, list(tree.ignored))


def _checked(entries, where):
    """Part what a csv file lists into entries and bad ones."""
    good, bad, seen = [], [], set()
    for entry in entries:
        problem = _problem(entry, seen, where)
        if problem:
            bad.append((entry.file, problem))
        else:
            seen.add(entry.file)
            good.append(entry)
    return good, bad


def _problem(entry, seen, where):
    parts = entry.file.replace(os.sep, "/").split("/")
    if os.path.isabs(entry.file) or os.path.splitdrive(entry.file)[0] or ".." in parts:
        return f"listed in {where}, but not a name inside the folder"
    if entry.file in seen:
        return f"listed twice in {where}"
    # A label of no letters is one that `save_image_folder` was given; in a list it is a gap.
    if not entry.label and where != MANIFEST:
        return f"listed in {where} without a label"
    if format_of(entry.file) is None:
        return f"listed in {where}, but of no known format ({', '.join(FORMATS)})"
    return None


def _read_manifest(root):
    """Return the entries of a manifest of `save_image_folder`; None if there is none."""
    if not os.path.lexists(place(root, MANIFEST)):
        return None
    lines = _read_csv(root, MANIFEST, MANIFEST_COLUMNS, exactly=True)
    if lines is None:
        return None
    return [
        Entry(file, label, synthetic == "True", origin) for file, label, synthetic, origin in lines
    ]


def _read_csv(folder, name, columns, *, exactly=False):
    """Return the values of some columns line by line; None if a column is missing."""
    where = printable(os.path.join(folder, name))
    try:
        handle, (n_bytes, _) = open_inside(folder, name)
    except BadFile as error:
        raise ValueError(f"'{where}': {error}; replace it by a csv file.") from error
    with handle:
        if n_bytes > _MAX_CSV_BYTES:
            raise ValueError(f"'{where}' has {n_bytes} bytes; give a list of files.")
        # Names of files may be bytes that are no text; they come back as the system names them.
        text = handle.read().decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")
    try:
        header, *lines = csv.reader(io.StringIO(text, newline="")) if text else [[]]
    except (csv.Error, ValueError) as error:
        raise ValueError(f"'{where}' is no readable csv file ({error}); mend it.") from error
    if (exactly and tuple(header) != columns) or not set(columns) <= set(header):
        return None
    positions = [header.index(column) for column in columns]
    return [
        tuple(line[k] if k < len(line) else "" for k in positions) for line in lines if any(line)
    ]
