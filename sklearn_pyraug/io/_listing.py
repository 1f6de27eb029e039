"""What is in a folder of images: which files, under which labels, and what is left out."""

import csv
import io
import os

from ._guards import BadFile, open_inside, place, printable
from ._image_files import FORMATS, Source, format_of

LABELS, MANIFEST = "labels.csv", "manifest.csv"
LABEL_COLUMNS = ("file", "label")
MANIFEST_COLUMNS = ("file", "label", "synthetic", "origin")
_PICKLES = (".pt", ".pth")
# A line takes some hundred bytes, so that a larger file is not a list of files.
_MAX_CSV_BYTES = 2**26


def list_images(root, labels):
    """Find the images of a folder and their labels, without opening any.

    Parameters
    ----------
    root : str
    labels : str or None
        Path of a csv file of labels outside the folder.

    Returns
    -------
    sources : list of Source
        Images in the order of the csv file that lists them, else by name.
    bad : list of (str, str)
        Names of files that should be images but are not, and why.
    ignored : list of (str, str)
        Names of files that are not images, and why.

    Raises
    ------
    ValueError
        If there is neither a subfolder nor a list of labels, or the list cannot be read.
    """
    folders, images, bad, ignored = _walk(root)
    name, listed = MANIFEST, _read_manifest(root)
    complete = labels is None and not os.path.lexists(place(root, LABELS))
    if not complete:
        marks = {source.file: source for source in listed or ()}
        name, lines = _read_labels(root, labels)
        listed = [marks.get(line[0], Source(*line))._replace(label=line[1]) for line in lines]
    if listed is None:
        return _label_by_subfolder(root, folders, images, bad, ignored)
    sources, problems, seen = [], [], set()
    for source in listed:
        if problem := _problem(source, seen, name):
            problems.append((source.file, problem))
        else:
            seen.add(source.file)
            sources.append(source)
    seen.update(file for file, _ in problems)
    others = [pair for pair in bad if pair[0] not in seen]
    reason = f"not in {name}; add it there, or remove the file" if complete else f"not in {name}"
    unlisted = [(file, reason) for file in images if file not in seen]
    # A manifest lists all files of its folder; a list of labels may list some of them.
    if complete:
        return sources, problems + others + unlisted, ignored
    return sources, problems, ignored + others + unlisted


def _walk(root):
    """Return top folders, images, bad and ignored names; links to folders are not followed."""
    folders, images, bad, ignored = [], [], [], []

    def relative(path):
        return os.path.relpath(path, root).replace(os.sep, "/")

    def report(error):
        if error.filename == root:
            raise error
        bad.append((relative(error.filename), f"a folder that cannot be listed ({error.strerror})"))

    for folder, subfolders, files in os.walk(root, onerror=report):
        prefix = "" if folder == root else f"{relative(folder)}/"
        entered = []
        for name in subfolders:
            file = prefix + name
            if name.startswith("."):
                ignored.append((file, "hidden"))
            elif os.path.islink(os.path.join(folder, name)):
                bad.append((file, "a symbolic link to a folder, which is not followed"))
            elif prefix and format_of(name):
                bad.append((file, "a folder, not a regular file"))
            else:
                entered.append(name)
        subfolders[:] = entered
        folders = folders if prefix else entered
        for name in files:
            if name.startswith("."):
                ignored.append((prefix + name, "hidden"))
            elif format_of(name):
                images.append(prefix + name)
            elif prefix and name.lower().endswith(_PICKLES):
                bad.append((prefix + name, "a pickle, which may run code; save the array as npy"))
            elif prefix or name not in (LABELS, MANIFEST):
                ignored.append((prefix + name, "not named as an image"))
    return sorted(folders), sorted(images), bad, ignored


def _label_by_subfolder(root, folders, images, bad, ignored):
    """Label each image with the subfolder that it is in."""
    if not folders:
        raise ValueError(
            f"`path` is '{printable(root)}', which has neither subfolders nor a {LABELS}; put the "
            "images into one subfolder for each class, or list them in a csv file with the "
            f"columns {' and '.join(LABEL_COLUMNS)}."
        )
    sources = [Source(file, file.split("/")[0]) for file in images if "/" in file]
    ignored = ignored + [(file, "beside the class folders") for file in images if "/" not in file]
    seen = {file.split("/")[0] for file, *_ in [*sources, *bad]}
    empty = [folder for folder in folders if folder not in seen]
    # A folder with the name of an image is probably not a class.
    bad = bad + [(name, "a folder, not a regular file") for name in empty if format_of(name)]
    ignored += [(name, "a subfolder without images") for name in empty if not format_of(name)]
    if os.path.lexists(place(root, MANIFEST)):
        ignored.append((MANIFEST, "not written by save_image_folder"))
    return sources, bad, ignored


def _problem(source, seen, where):
    """Return what is wrong with a line of a csv file, or None."""
    parts = source.file.replace(os.sep, "/").split("/")
    if os.path.isabs(source.file) or os.path.splitdrive(source.file)[0] or ".." in parts:
        return f"listed in {where}, but not a name inside the folder"
    if source.file in seen:
        return f"listed twice in {where}"
    # `save_image_folder` accepts an empty label; in a list written by hand it is a gap.
    if not source.label and where != MANIFEST:
        return f"listed in {where} without a label"
    if source.format is None:
        return f"listed in {where}, but of no known format ({', '.join(FORMATS)})"
    return None


def _read_manifest(root):
    """Return the sources in a manifest of `save_image_folder`; None if there is none."""
    if not os.path.lexists(place(root, MANIFEST)):
        return None
    lines = _read_csv(root, MANIFEST, MANIFEST_COLUMNS)
    if lines is None:
        return None
    return [Source(file, label, mark == "True", origin) for file, label, mark, origin in lines]


def _read_labels(root, labels):
    """Return the name of a csv file of labels, and its pairs of file and label."""
    # A list that the user names may be a link to anywhere, but not one in the folder.
    where = place(root, LABELS) if labels is None else os.path.realpath(labels)
    folder, name = os.path.split(where)
    lines = _read_csv(folder, name, LABEL_COLUMNS)
    if lines is None:
        raise ValueError(
            f"`labels` is '{printable(where)}', whose first line does not name the columns "
            f"{' and '.join(LABEL_COLUMNS)}; write them there."
        )
    return name, lines


def _read_csv(folder, name, columns):
    """Return the values of some columns line by line; None if a column is missing."""
    where = printable(os.path.join(folder, name))
    try:
        handle, (n_bytes, _) = open_inside(folder, name)
    except BadFile as error:
        raise ValueError(f"'{where}': {error}; replace it by a csv file.") from error
    with handle:
        if n_bytes > _MAX_CSV_BYTES:
            raise ValueError(f"'{where}' has {n_bytes} bytes; give a list of files.")
        # File names may be bytes that are not text; they are kept as the system gives them.
        text = handle.read().decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")
    try:
        header, *lines = csv.reader(io.StringIO(text, newline="")) if text else [[]]
    except (csv.Error, ValueError) as error:
        raise ValueError(f"'{where}' is not a readable csv file ({error}); correct it.") from error
    if not set(columns) <= set(header):
        return None
    positions = [header.index(column) for column in columns]
    return [
        tuple(line[k] if k < len(line) else "" for k in positions) for line in lines if any(line)
    ]
