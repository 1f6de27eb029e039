"""Phantoms: what augmentation gains a logistic regression and a small 3-D CNN.

    python -m benchmarks.gain.phantoms
    python -m benchmarks.gain.phantoms --kind lesions --methods TorchIO-affine ours
    python -m benchmarks.gain.phantoms --seeds 2 --classifiers logistic --set max_epochs=50

For each seed other volumes are made, brains whose ventricles differ
(``sklearn_pyraug.datasets.make_brain_phantoms``, at its defaults) or organs with lesions
(`make_lesion_phantoms`): `--n-per-class` of each class to train on and `--n-test` to test on.
Classifiers are trained on the former alone, and on these with `--n-new` more of each class by
SMOTE, TorchIO's transforms and RHVAEAugmenter, at its defaults but for what `--set` says. Gains
are paired over seeds.

The CNN takes the same number of gradient steps, of the same number of volumes each, whatever it
is trained on: more volumes are not more training.

``phantoms.csv`` has the scores of each seed, as they come; ``phantoms.md`` and
``.json`` the means and gains.
"""

import argparse
import ast
import csv
import time
from pathlib import Path

import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from scipy import stats
from scipy.spatial.transform import Rotation
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn

from benchmarks import harness
from benchmarks.gain import pictures, scoring, statistics
from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.datasets import make_brain_phantoms
from sklearn_pyraug.datasets._phantoms import (
    DEFORMATION_GRID,
    FOLDS_GRID,
    ellipsoid,
    field,
    inside,
    make_grid,
    paint,
    take_image,
)

NAME = "phantoms"
METHODS = ("none", "SMOTE", *pictures.VOLUMES, "ours")
CLASSIFIERS = ("logistic", "cnn")
N_COMPONENTS = 20
BATCH_SIZE = 20
# Of a body and an organ in it: half-axes, in units in which the box is [-1, 1]³, and brightness.
BODY_AXES, ORGAN_AXES = np.array([0.9, 0.82, 0.9]), np.array([0.62, 0.5, 0.55])
BODY, ORGAN, LESION = 0.3, 0.6, 0.35
LESION_RADIUS, MOST_LESIONS = 0.15, 3
COLUMNS = (
    "seed",
    "method",
    "classifier",
    "balanced_accuracy",
    "roc_auc",
    "n_train",
    "resample_s",
    "classifier_s",
    "closeness",
    "sharpness",
)


def make_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--seeds", type=harness.positive, default=5, help="number of seeds")
    add("--seed", type=int, default=0, help="the first of them")
    add("--n-per-class", type=harness.positive, default=50, help="volumes to train on")
    add("--n-test", type=harness.positive, default=200, help="volumes of each class to test on")
    add("--n-new", type=harness.positive, default=200, help="new volumes of each class")
    add("--shape", type=int, nargs=3, default=(32, 40, 32), metavar=("D", "H", "W"))
    add("--kind", choices=KINDS, default="brains", help="what the volumes show")
    add("--methods", nargs="+", choices=METHODS, default=["none", "SMOTE", "ours"])
    add("--classifiers", nargs="+", choices=CLASSIFIERS, default=list(CLASSIFIERS))
    add("--set", nargs="+", default=[], metavar="NAME=VALUE", help="parameters of the augmenter")
    add("--steps", type=harness.positive, default=200, help="gradient steps of the CNN")
    add("--threads", type=harness.positive, help="torch threads (None: torch's own)")
    add("--device", default="cpu", help="of the CNN and the augmenter: cpu or cuda")
    add("--quick", action="store_true", help="few small volumes, two seeds")
    add("--out", type=Path, default=harness.RESULTS, help="folder for the results")
    return parser


def parse_settings(texts):
    """Read ``name=value``; a value that is no Python literal is text.

    Parameters
    ----------
    texts : list of str

    Returns
    -------
    settings : dict

    Raises
    ------
    ValueError
        If there is no ``=``.
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set: {text!r} has no value; write name=value.")
        try:
            settings[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name] = value
    return settings


# --- data and methods -----------------------------------------------------------------------


def make_lesion_phantoms(n_samples, shape, *, random_state):
    """Make volumes of two classes of which one has lesions: one to three dark balls in an organ.

    An organ in a body, both of individual size, pose and form, has a smooth texture, and is imaged
    as :func:`~sklearn_pyraug.datasets.make_brain_phantoms` images heads. A lesion may be anywhere
    in the organ, so that no voxel by itself tells the classes apart.

    Parameters
    ----------
    n_samples : int
    shape : tuple of three int
        Voxels along each axis.
    random_state : int

    Returns
    -------
    X : ndarray of shape (n_samples, *shape), dtype float32
        Brightness from 0 to 1.
    y : ndarray of shape (n_samples,), dtype int64
        Class 0 or 1, in turn; 1 has lesions.
    """
    grid, y = make_grid(tuple(shape)), np.arange(n_samples) % 2
    X = np.empty((n_samples, *shape), dtype=np.float32)
    for i, label in enumerate(y):
        rng = np.random.default_rng([random_state, i])
        X[i] = _draw_organ(int(label) * rng.integers(1, MOST_LESIONS + 1), grid, rng)
    return X, y


def _draw_organ(n_lesions, grid, rng):
    """Return the image, (D, H, W), of an individual with so many lesions."""
    normal = rng.standard_normal

    def smooth(n):
        return field(normal((n, n, n), dtype=np.float32), grid)

    turn = Rotation.from_euler("xyz", 6 * normal(3), degrees=True).as_matrix()
    p = grid.points - 0.06 * normal((3, 1, 1, 1), dtype=np.float32)
    p = np.tensordot(turn.astype(np.float32), p, (1, 0))
    p += 0.05 * np.stack([smooth(DEFORMATION_GRID) for _ in range(3)])
    axes, middle = ORGAN_AXES * np.exp(0.06 * normal(3)), np.zeros(3)
    image = BODY * inside(ellipsoid(p, middle, BODY_AXES), grid.width)
    organ = inside(ellipsoid(p, middle, axes), grid.width)
    paint(image, organ, ORGAN + 0.03 * normal() + 0.03 * smooth(FOLDS_GRID))
    for _ in range(n_lesions):
        direction = normal(3)
        centre = axes * 0.75 * np.cbrt(rng.uniform()) * direction / np.linalg.norm(direction)
        radius = LESION_RADIUS * np.exp(0.2 * normal())
        ball = inside(ellipsoid(p, centre, np.full(3, radius)), grid.width)
        paint(image, organ * ball, LESION)
    return take_image(image, 0.1 * smooth(DEFORMATION_GRID), 0.05, rng)


KINDS = {"brains": make_brain_phantoms, "lesions": make_lesion_phantoms}


def make_data(args, seed):
    """Return the training and the test volumes of a seed: X, y, X_test, y_test."""
    n_train = 2 * args.n_per_class
    make = KINDS[args.kind]
    X, y = make(n_train + 2 * args.n_test, tuple(args.shape), random_state=seed)
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:]


def resample(method, X, y, n_new, settings, seed):
    """Return the training volumes and the new ones of a method.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    X : ndarray of shape (n, D, H, W)
    y : ndarray of shape (n,)
    n_new : int
        New volumes of each class.
    settings : dict
        Parameters of our augmenter.
    seed : int

    Returns
    -------
    X_all : ndarray of shape (n_all, D, H, W)
    y_all : ndarray of shape (n_all,)
    """
    if method == "none":
        return X, y
    labels, sizes = np.unique(y, return_counts=True)
    counts = {int(label): int(size) + n_new for label, size in zip(labels, sizes, strict=True)}
    if method == "ours":
        augmenter = RHVAEAugmenter(sampling_strategy=counts, random_state=seed)
        augmenter.set_params(**settings)
        return augmenter.fit_resample(X, y)
    if method in pictures.VOLUMES:
        rng = np.random.default_rng(seed)
        new = [pictures.VOLUMES[method](flat(X[y == k]), n_new, rng, X.shape[1:]) for k in labels]
        new = np.concatenate(new).reshape(-1, *X.shape[1:]).clip(0.0, 1.0)
        return np.concatenate([X, new]), np.concatenate([y, np.repeat(labels, n_new)])
    sampler = SMOTE(sampling_strategy=counts, random_state=seed)
    rows, y_all = sampler.fit_resample(flat(X), y)
    return rows.reshape(-1, *X.shape[1:]), y_all


# --- classifiers ----------------------------------------------------------------------------


class SmallNet(nn.Module):
    """Three times convolution and pooling, the mean over what is left, one linear layer.

    Parameters
    ----------
    n_dims : {2, 3}, default=3
        Of the images.
    n_classes : int, default=2
    width : int, default=8
        Channels of the first convolution; each further one has twice as many.
    """

    def __init__(self, n_dims=3, n_classes=2, width=8):
        super().__init__()
        convolution, norm, pool = {
            2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d),
            3: (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d),
        }[n_dims]
        layers = []
        for n_in, n_out in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [convolution(n_in, n_out, 3, padding=1, bias=False), norm(n_out)]
            layers += [nn.ReLU(), pool(2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(4 * width, n_classes)

    def forward(self, x):
        """Return logits, (B, n_classes), of images, (B, ...), each standardised by itself."""
        axes = tuple(range(1, x.ndim))
        mean, std = x.mean(axes, keepdim=True), x.std(axes, keepdim=True)
        # A mask may be empty.
        x = self.features(((x - mean) / std.clamp_min(1e-6)).unsqueeze(1))
        return self.head(x.flatten(2).mean(2))


class Cnn(NeuralNetClassifier):
    """The network in skorch, trained for a fixed number of steps by Adam, its rate annealed.

    Parameters
    ----------
    n_steps : int
    seed : int
        Of weights and order.
    device : str
    lr : float, default=3e-3
    sample_shape : tuple of int or None, default=None
        Shape of flat rows; None if rows are volumes already.
    transform : callable or None, default=None
        Applied to the flat rows of each batch, as an array, before a step.
    """

    def __init__(
        self, n_steps, seed, device="cpu", lr=3e-3, sample_shape=None, transform=None, **kwargs
    ):
        self.n_steps, self.seed, self.sample_shape = n_steps, seed, sample_shape
        self.transform = transform
        annealed = LRScheduler(
            torch.optim.lr_scheduler.CosineAnnealingLR, T_max=n_steps, step_every="batch"
        )
        super().__init__(
            SmallNet,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=lr,
            batch_size=BATCH_SIZE,
            max_epochs=1,
            train_split=None,
            callbacks=[annealed],
            verbose=0,
            device=device,
            **kwargs,
        )

    def fit(self, X, y):
        """Train for all steps, on batches of permuted rows."""
        X, n_classes = self._images(X), len(np.unique(y))
        self.set_params(module__n_dims=X.ndim - 1, module__n_classes=n_classes)
        sampler = torch.utils.data.RandomSampler(
            range(len(X)),
            num_samples=self.n_steps * BATCH_SIZE,
            generator=torch.Generator().manual_seed(self.seed),
        )
        self.set_params(iterator_train__sampler=sampler)
        # Layers draw their first weights from the global generator only.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return super().fit(X, y)

    def train_step(self, batch, **fit_params):
        """Take a step; transforms that work on the fly change its rows."""
        X, y = batch
        if self.transform is not None:
            X = torch.as_tensor(self._images(self.transform(X.flatten(1).numpy())))
        return super().train_step((X, y), **fit_params)

    def predict_proba(self, X):
        """Return probabilities, (n, n_classes)."""
        return super().predict_proba(self._images(X))

    def _images(self, X):
        X = np.asarray(X, dtype=np.float32)
        return X if self.sample_shape is None else X.reshape(-1, *self.sample_shape)


def make_classifier(name, args, seed):
    """Return an untrained classifier of volumes."""
    if name == "cnn":
        return Cnn(args.steps, seed, args.device)
    return make_pipeline(
        FunctionTransformer(flat),
        PCA(N_COMPONENTS, random_state=seed),
        StandardScaler(),
        LogisticRegression(max_iter=2000),
    )


def flat(X):
    """Return volumes as rows."""
    return X.reshape(len(X), int(np.prod(X.shape[1:])))


def radial_power(X, n_bands=8):
    """Return the mean power of volumes in bands of spatial frequency.

    Parameters
    ----------
    X : ndarray of shape (n, D, H, W)
    n_bands : int, default=8
        Of equal width, from 0 to 0.5 cycles per voxel. A volume's mean belongs to none.

    Returns
    -------
    power : ndarray of shape (n_bands,)
        Of one coefficient; that of white noise is its variance in all bands.
    """
    axes = tuple(range(1, X.ndim))
    power = np.mean(np.abs(np.fft.fftn(X, axes=axes)) ** 2, axis=0) / X[0].size
    waves = np.meshgrid(*[np.fft.fftfreq(side) for side in X.shape[1:]], indexing="ij")
    frequency = np.sqrt(sum(wave**2 for wave in waves))
    edges = np.linspace(0.0, 0.5, n_bands + 1)
    return np.array(
        [
            power[(frequency > low) & (frequency <= high)].mean()
            for low, high in zip(edges[:-1], edges[1:], strict=True)
        ]
    )


def sharpness(new, real):
    """Return the power of new volumes above 0.25 cycles per voxel, as a share of real ones'.

    It is the mean over four bands; NaN where there are no new volumes.

    Parameters
    ----------
    new, real : ndarray of shape (n, D, H, W)
    """
    if not len(new):
        return np.nan
    return float(np.mean((radial_power(new) / radial_power(real))[4:]))


# --- scores ---------------------------------------------------------------------------------


def score_seed(seed, args, settings):
    """Yield the records of a seed, one per method and classifier, with the columns `COLUMNS`."""
    X, y, X_test, y_test = make_data(args, seed)
    for method in args.methods:
        start = time.perf_counter()
        X_all, y_all = resample(method, X, y, args.n_new, settings, seed)
        resample_s = time.perf_counter() - start
        new = X_all[len(X) :]
        closeness, sharp = scoring.closeness(flat(new), flat(X)), sharpness(new, X)
        for name in args.classifiers:
            start = time.perf_counter()
            classifier = make_classifier(name, args, seed)
            scores = scoring.evaluate(classifier, X_all, y_all, X_test, y_test)
            yield {
                "seed": seed,
                "method": method,
                "classifier": name,
                "balanced_accuracy": 100 * scores["balanced_accuracy"],
                "roc_auc": 100 * scores["roc_auc"],
                "n_train": len(y_all),
                "resample_s": resample_s,
                "classifier_s": time.perf_counter() - start,
                "closeness": closeness,
                "sharpness": sharp,
            }


def t_interval(differences, level=0.95):
    """Return Student's interval of the mean of paired differences; NaN for a single one."""
    m = len(differences)
    if m < 2:
        return np.nan, np.nan
    half = stats.t.ppf(0.5 + level / 2, m - 1) * np.std(differences, ddof=1) / np.sqrt(m)
    mean = np.mean(differences)
    return float(mean - half), float(mean + half)


def summarise(records, methods, classifiers):
    """Return a row per classifier and method: means over seeds and the gain over none.

    Parameters
    ----------
    records : list of dict
        With the columns `COLUMNS`.
    methods, classifiers : list of str

    Returns
    -------
    rows : list of dict
    """
    rows = []
    for classifier in classifiers:
        base = _scores(records, "none", classifier)
        for method in methods:
            of_both = [r for r in records if (r["method"], r["classifier"]) == (method, classifier)]
            row = {"classifier": classifier, "method": method, "seeds": len(of_both)}
            for name in ("balanced_accuracy", "roc_auc"):
                row[f"{name}_percent"] = float(np.mean([r[name] for r in of_both]))
            if method != "none":
                scores = _scores(records, method, classifier)
                differences = np.array([scores[seed] - base[seed] for seed in sorted(base)])
                row["gain"] = float(differences.mean())
                row["t interval"] = list(t_interval(differences))
                row["bootstrap"] = list(statistics.bootstrap_interval(differences[None]))
                row["wins"] = int((differences > statistics.TIE).sum())
            for name in ("closeness", "sharpness", "resample_s", "classifier_s"):
                row[name] = float(np.mean([r[name] for r in of_both]))
            rows.append(row)
    return rows


def _scores(records, method, classifier):
    return {
        r["seed"]: r["balanced_accuracy"]
        for r in records
        if (r["method"], r["classifier"]) == (method, classifier)
    }


def make_quick(args):
    """Make everything small, in place."""
    args.seeds = min(args.seeds, 2)
    args.n_per_class, args.n_test, args.n_new = 12, 20, 12
    args.shape, args.steps = (16, 20, 16), 10


def main(argv=None):
    """Score all seeds, and write the report."""
    parser = make_parser()
    args = parser.parse_args(argv)
    try:
        settings = parse_settings(args.set)
        RHVAEAugmenter().set_params(**settings)
    except ValueError as error:
        parser.error(str(error))
    settings = {"device": args.device, **settings}
    args.methods = list(dict.fromkeys(["none", *args.methods]))
    if args.quick:
        make_quick(args)
    harness.prepare(args)

    records = []
    args.out.mkdir(parents=True, exist_ok=True)
    seeds = range(args.seed, args.seed + args.seeds)
    total = args.seeds * len(args.methods) * len(args.classifiers)
    with (
        open(args.out / f"{NAME}.csv", "w", newline="", encoding="utf-8") as file,
        harness.progress(total, "scores") as bar,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for seed in seeds:
            for record in score_seed(seed, args, settings):
                writer.writerow(record)
                file.flush()
                records.append(record)
                bar.update()

    report = harness.Report(NAME, parser.description, args)
    for row in summarise(records, args.methods, args.classifiers):
        report.add(**row)
    report.note(
        "Gain: in points of balanced accuracy over none, the mean over seeds, with its 95 % "
        "intervals: Student's t, and of the bootstrap. Each seed makes other volumes, to train and "
        "to test on. Wins: seeds with a gain above 0."
    )
    report.note(
        f"logistic: on {N_COMPONENTS} standardised principal components, C = 1. cnn: three "
        f"convolutions, {args.steps} steps of {BATCH_SIZE} volumes by Adam whatever it is trained "
        f"on: {args.steps * BATCH_SIZE / (2 * args.n_per_class):.3g} passes over the real volumes "
        f"alone, {args.steps * BATCH_SIZE / (2 * (args.n_per_class + args.n_new)):.3g} over all."
    )
    report.note(
        "Closeness: median distance of a new volume to the nearest real one, over that of real "
        "ones to each other. Sharpness: power of new volumes above 0.25 cycles per voxel, as a "
        "share of real ones'. Seconds: means, of this machine as busy as it was."
    )
    report.write()


if __name__ == "__main__":
    main()
