"""What `load_image_folder` returns: the rows with their files, and the report."""

from dataclasses import dataclass, field

import numpy as np

from ._guards import printable
from ._picture import COLOUR

# Number of files of each list in the text; the attributes have all of them.
_MAX_SHOWN = 20


@dataclass
class LoadReport:
    """What `load_image_folder` read, changed and left out; ``str(report)`` is a summary.

    Attributes
    ----------
    root : str
        The folder.
    shape : tuple of int
        Of X.
    dtype : dtype
        Of X.
    classes : dict of str to int
        Number of rows by label.
    skipped : list of (str, str)
        Names of files that should be images but could not be read, and why.
    resized : list of (str, tuple of int)
        Names of files that had another size, and that size.
    converted : list of (str, str)
        Names of files whose dtype or number of channels was changed, and how.
    ignored : list of (str, str)
        Names of files that are not images, and why.

    See Also
    --------
    load_image_folder : Returns it, with an example.
    """

    root: str
    shape: tuple = ()
    dtype: object = None
    classes: dict = field(default_factory=dict)
    skipped: list = field(default_factory=list)
    resized: list = field(default_factory=list)
    converted: list = field(default_factory=list)
    ignored: list = field(default_factory=list)

    def __str__(self):
        counts = ", ".join(f"{printable(label)}: {n}" for label, n in self.classes.items())
        sizes = [(file, f"from {' x '.join(map(str, shape))}") for file, shape in self.resized]
        return "\n".join(
            [
                f"{printable(self.root)}: array of shape {self.shape}, {self.dtype} ({counts})",
                # Every bad file is named, however many they are.
                *_section("skipped", self.skipped, len(self.skipped)),
                *_section("resized", sizes, _MAX_SHOWN),
                *_section("converted", self.converted, _MAX_SHOWN),
                *_section("ignored", self.ignored, _MAX_SHOWN),
            ]
        )


def _section(title, pairs, n_shown):
    """Return a heading and a line for each of the first pairs; nothing if there are none."""
    lines = list_reasons(pairs, n_shown, f" in `report.{title}`")
    return [f"{title} ({len(pairs)}):", *lines] if pairs else []


def list_reasons(pairs, n_shown, where=""):
    """Return a line for each of the first pairs of name and reason, and one for the others."""
    lines = [f"  {printable(file)}: {reason}" for file, reason in pairs[:n_shown]]
    if len(pairs) > n_shown:
        lines.append(f"  ... and {len(pairs) - n_shown} more{where}")
    return lines


@dataclass(repr=False, eq=False)
class ImageFolder:
    """Images or volumes of one size, with the file of each.

    Attributes
    ----------
    X : ndarray of shape (n, H, W), (n, 3, H, W) or (n, D, H, W)
        Grey images, colour images or volumes.
    y : ndarray of shape (n,)
        Labels, as strings.
    kind : {"grey", "colour", "volume"}
        What the rows of X are.
    root : str
        Absolute path of the folder.
    sources : list of Source
        For each row the file, its format, whether the row is ``unchanged`` (has the size that the
        file has), and for NIfTI the affine and a copy of the header.
    report : LoadReport
        What was read, changed and left out.

    See Also
    --------
    load_image_folder : Returns it, with an example.
    save_image_folder : Accepts it as `like`.
    """

    X: np.ndarray
    y: np.ndarray
    kind: str
    root: str
    sources: list
    report: LoadReport

    def __len__(self):
        return len(self.sources)

    def __repr__(self):
        size = " x ".join(map(str, self.size))
        n_classes = len(np.unique(self.y))
        return f"ImageFolder({len(self)} {self.kind} {size} {self.X.dtype}, {n_classes} classes)"

    @property
    def size(self):
        """Lengths of the spatial axes, as `load_image_folder` takes them."""
        return self.X.shape[2:] if self.kind == COLOUR else self.X.shape[1:]

    @property
    def files(self):
        """Posix names relative to the folder, one for each row."""
        return [source.file for source in self.sources]

    @property
    def formats(self):
        """Formats, such as ``"png"`` or ``"nii.gz"``, one for each row."""
        return [source.format for source in self.sources]

    @property
    def affines(self):
        """Affines of shape (4, 4), fitted to the size of X; None for other files than NIfTI."""
        return [source.affine for source in self.sources]

    @property
    def headers(self):
        """Copies of the headers; None for other files than NIfTI."""
        return [source.header for source in self.sources]

    @property
    def unchanged(self):
        """Which rows have the size that their file has, as an array of bool."""
        return np.array([source.unchanged for source in self.sources], dtype=bool)

    @property
    def synthetic_mask(self):
        """Which rows ``manifest.csv`` marks as synthetic; None if there is no such file."""
        marks = [source.synthetic for source in self.sources]
        if all(mark is None for mark in marks):
            return None
        return np.array([bool(mark) for mark in marks])

    def take(self, rows):
        """Return the folder with some of its rows only.

        Parameters
        ----------
        rows : array-like of int or bool
            Positions, or which rows to keep.

        Returns
        -------
        folder : ImageFolder
            With the same report.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> from sklearn_pyraug.io import load_image_folder, save_image_folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_image_folder(f"{folder}/all", np.zeros((3, 4, 4)), ["a", "b", "b"])
        ...     images = load_image_folder(f"{folder}/all")
        >>> images.take(images.y == "b")
        ImageFolder(2 grey 4 x 4 float64, 1 classes)
        """
        positions = np.arange(len(self))[np.asarray(rows)]
        sources = [self.sources[i] for i in positions]
        return ImageFolder(
            self.X[positions], self.y[positions], self.kind, self.root, sources, self.report
        )
