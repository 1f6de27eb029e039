"""Labels as names of folders that every system takes."""

import re
import unicodedata

_FORBIDDEN = set('<>:"/\\|?*')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# Well below the 255 bytes that a name may have.
_MAX_BYTES = 100


def folder_names(labels, kept=None, taken=()):
    """Give each label a folder of its own.

    Parameters
    ----------
    labels : iterable of str
        Distinct.
    kept : dict of str to str, default=None
        Labels that have a folder already, and its name.
    taken : iterable of str
        Names that are in use for something else.

    Returns
    -------
    names : dict of str to str
        By label. A label that is a safe name is its own; in others, what is not safe becomes
        ``_``. Names that differ in case or Unicode form alone get a number.

    Examples
    --------
    >>> from sklearn_pyraug.io._names import folder_names
    >>> folder_names(["cat", "Cat", "../up", ""])
    {'cat': 'cat', 'Cat': 'Cat-2', '../up': '_._up', '': '_'}
    """
    labels = list(labels)
    names = {label: kept[label] for label in labels if label in (kept or {})}
    used = {_folded(name) for name in [*taken, *names.values()]}
    # Those that can keep their name come first, so that no other gets it.
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
    # Windows drops dots and blanks at the end of a name.
    stripped = text.rstrip(". ")
    text = stripped + "_" * (len(text) > len(stripped))
    if not text or _RESERVED.fullmatch(text):
        text = f"_{text}"
    return text


def _folded(name):
    """Return what a file system that tells neither case nor Unicode form apart sees."""
    return unicodedata.normalize("NFC", name).casefold()
