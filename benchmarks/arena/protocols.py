"""Which methods the arena compares, on which data, and with which classifiers."""

from typing import NamedTuple

from benchmarks.gain import data, external, pictures, scoring

__all__ = ["PROTOCOLS", "QUICK", "Protocol", "Run"]


class Run(NamedTuple):
    """Methods on sets, with the same number of splits of each set."""

    methods: tuple
    sets: tuple
    seeds: int


class Protocol(NamedTuple):
    """A section of the page.

    Attributes
    ----------
    title : str
    runs : tuple of Run
        In the order in which they are computed; `ours` comes last of all.
    judges : tuple of str
        Classifiers whose mean is reported.
    beside : tuple of str
        Classifiers that are reported beside the mean.
    """

    title: str
    runs: tuple
    judges: tuple = scoring.IN_MEAN
    beside: tuple = ()

    @property
    def sets(self):
        """Return the names of all sets."""
        return tuple(dict.fromkeys(name for run in self.runs for name in run.sets))


KEEL, TABEBM = data.GROUPS["keelraw"], (*data.GROUPS["biodeg"], *data.GROUPS["protein"])
WIDE = (*data.GROUPS["hdlss"], *data.GROUPS["microarrays"])
IMAGES = (*data.GROUPS["mnist"], *data.GROUPS["pneumonia"])
VOLUMES = (*data.GROUPS["adrenal"], *data.GROUPS["phantoms"])
FREE, SMOTES = scoring.FREE[:2], ("random", "SMOTE", "BorderlineSMOTE", "Geometric-SMOTE")
FIVE = ("logistic", "k-NN", "MLP", "forest", "XGBoost")
# Generators are trained for minutes: few sets, few splits.
FEW_KEEL = ("keelraw:ecoli3", "keelraw:glass2", "keelraw:haberman", "keelraw:new-thyroid1")
FLY = ("affine", "elastic", "TrivialAugment", "RandAugment")
# Pyraug as its authors wrote it, for as many epochs as its examples train.
PYRAUG = "pyraug:n_epochs=400"
SMALL = tuple(name for name in TABEBM if data.rows_per_class(name) <= 100)

PROTOCOLS = {
    "keel": Protocol(
        "Twenty raw KEEL tables, balanced",
        (
            Run(("none", *FREE, *SMOTES, "ADASYN", *external.VARIANTS, "pair", "ours"), KEEL, 2),
            Run(("tuned-threshold",), KEEL, 1),
            Run(("CTGAN", "TVAE", "ARF"), FEW_KEEL, 1),
            # A model for each column, class and step of time.
            Run(("ForestDiffusion",), ("keelraw:haberman",), 1),
        ),
        beside=("HistGradientBoosting",),
    ),
    "tabebm": Protocol(
        "TabEBM's protocol: 20 to 500 rows, 500 new ones",
        (
            Run(("none", *FREE, "SMOTE", "pair", "ours"), TABEBM, 10),
            Run(("TVAE",), data.GROUPS["biodeg"], 10),
            Run(("TVAE", "CTGAN"), SMALL, 3),
            Run(("ARF",), ("biodeg20", "biodeg50"), 3),
        ),
        FIVE,
    ),
    "images": Protocol(
        "Reduced MNIST and chest X-rays",
        (
            Run(
                ("none", "SMOTE", "jitter", "mixture", "affine", *pictures.IMAGES, "ours"),
                IMAGES,
                3,
            ),
            Run(("ours + affine", "ours + mixup"), IMAGES, 3),
            Run((PYRAUG,), IMAGES, 1),
        ),
        beside=("CNN",),
    ),
    "images-cnn": Protocol(
        "A small CNN on these images, with transforms on the fly",
        (
            Run(("none", "affine", "ours", "ours + affine"), IMAGES, 3),
            Run(tuple(f"{name} on the fly" for name in FLY), IMAGES, 3),
            Run(tuple(f"ours + {name} on the fly" for name in FLY), IMAGES, 3),
        ),
        ("CNN-800",),
    ),
    "wide": Protocol(
        "Microarrays and faces, at four times the largest class",
        (Run(("none", *FREE, *SMOTES, "jitter", "pair", "mixture", "ours"), WIDE, 5),),
    ),
    "easy": Protocol(
        "scikit-learn's own tables, at three times the largest class",
        (Run(("none", *FREE, *SMOTES, "pair", "kde", "ours"), tuple(data.SKLEARN), 20),),
    ),
    "volumes": Protocol(
        "Volumes: adrenal glands and phantom brains, 200 more of each class",
        (Run(("none", "SMOTE", *pictures.VOLUMES, "ours"), VOLUMES, 3),),
        ("components",),
        beside=("CNN",),
    ),
    "volumes-cnn": Protocol(
        "A small 3-D CNN on these volumes, with transforms on the fly",
        (
            Run(("none", "ours", "ours + TorchIO-affine"), VOLUMES, 3),
            # One elastic deformation takes 0.2 s, and a training needs 4,000.
            Run(("TorchIO-affine on the fly", "TorchIO-intensity on the fly"), VOLUMES, 1),
            Run(("ours + TorchIO-affine on the fly",), VOLUMES, 1),
        ),
        ("CNN-800",),
    ),
}
QUICK = {
    "easy": Protocol(
        "Quick: two of scikit-learn's tables",
        (
            Run(
                ("none", *FREE, "SMOTE", "Geometric-SMOTE", "polynom-fit-star", "ours"),
                ("wine", "breast-cancer"),
                1,
            ),
        ),
        ("k-NN", "logistic"),
    )
}
