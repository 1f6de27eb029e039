"""The methods of `benchmarks.gain`: everything that adds rows to a training set.

A method is named on the command line; ``ours:decoder=direct,max_epochs=50`` passes parameters
to RHVAEAugmenter, ``pyraug:n_epochs=400`` to Pyraug, and ``SMOTE-balance`` only balances. The
methods of `scoring.FREE` add no row: they change how a classifier is trained or decides. ``ours +
affine`` shares the new rows between two methods. ``affine on the fly`` adds none: the CNN sees all
its rows transformed differently each time it takes them.
"""

import ast
import warnings
from typing import NamedTuple

import numpy as np
import torch
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE, RandomOverSampler

from benchmarks import rivals
from benchmarks.gain import data, external, generators, pictures, scoring
from sklearn_pyraug import RHVAEAugmenter

__all__ = [
    "BALANCE",
    "DEFAULT_METHODS",
    "Resampled",
    "applies",
    "bases",
    "on_the_fly",
    "parse",
    "resample",
]

BALANCE, PLUS, ON_THE_FLY = "-balance", " + ", " on the fly"
NEIGHBOURS = 5
PYRAUG_LATENT_DIM = 10
# Draw new rows class by class; `affine` and those of `pictures` need images.
PER_CLASS = {
    "jitter": generators.jitter,
    "pair": generators.pair,
    "mixture": generators.mixture,
    "kde": generators.kde,
    "affine": generators.affine,
    **pictures.IMAGES,
    **pictures.VOLUMES,
}
# Of a single image, so that they can be applied on the fly.
TRANSFORMS = ("affine", "elastic", "TrivialAugment", "RandAugment", *pictures.VOLUMES)
SAMPLERS = ("random", "SMOTE", "BorderlineSMOTE", "ADASYN", "Geometric-SMOTE")
DEFAULT_METHODS = (
    "none",
    "random",
    "SMOTE",
    "SMOTE-balance",
    "BorderlineSMOTE",
    "BorderlineSMOTE-balance",
    "ADASYN",
    "ADASYN-balance",
    "jitter",
    "pair",
    "mixture",
    "kde",
    "affine",
    "ours",
)


class Resampled(NamedTuple):
    """The new rows of a method.

    Attributes
    ----------
    X : ndarray of shape (n_new, n_features)
        Features (standardised, or images), not raw columns.
    y : ndarray of int of shape (n_new,)
    note : str
        What the method or this script had to say, "" for nothing.
    whole : bool, default=False
        Whether the real rows are among them, as the method left them.
    """

    X: np.ndarray
    y: np.ndarray
    note: str
    whole: bool = False


class Method(NamedTuple):
    """A part of a method's name: ``ours-balance:lr=1`` is ("ours", True, {"lr": 1}, False)."""

    base: str
    balance: bool
    parameters: dict
    on_the_fly: bool


def parse(name):
    """Take the name of a method apart; returns one `Method` for each part that " + " joins.

    Values are read as Python literals; a bare word is a str.

    Raises
    ------
    ValueError
        If the method is unknown, takes no parameters, or they are not ``name=value, ...``.
    """
    methods = [_parse(part) for part in name.split(PLUS)]
    if len(methods) > 1 and any(method.base in external.VARIANTS for method in methods):
        raise ValueError(
            f"--methods: {name!r}: {', '.join(external.VARIANTS)} draw all rows alone."
        )
    return methods


def _parse(name):
    head, colon, text = name.removesuffix(ON_THE_FLY).partition(":")
    base = head.removesuffix(BALANCE)
    from_pypi = (*external.VARIANTS, *external.GENERATORS)
    known = ("none", *scoring.FREE, *SAMPLERS, *PER_CLASS, *from_pypi, "ours", "pyraug")
    if base not in known:
        raise ValueError(
            f"--methods: {name!r} is unknown. Choose among {', '.join(known)}; each may end in "
            f"{BALANCE}."
        )
    if colon and base not in ("ours", "pyraug"):
        raise ValueError(f"--methods: {name!r}: {base} takes no parameters, leave {text!r} out.")
    if (fly := name.endswith(ON_THE_FLY)) and base not in TRANSFORMS:
        raise ValueError(f"--methods: {name!r}: only {', '.join(TRANSFORMS)} work on the fly.")
    return Method(base, head != base, _parameters(text, name), fly)


def bases(name):
    """Return what a method is made of, without parameters: its parts' names."""
    return tuple(method.base for method in parse(name))


def _parameters(text, name):
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if call.args or any(keyword.arg is None for keyword in call.keywords):
            raise SyntaxError("a value without a name")
    except SyntaxError as error:
        raise ValueError(
            f"--methods: the parameters of {name!r} cannot be read ({error.msg}). Write "
            "name=value,name=value with numbers, tuples, None, True or words; other text in "
            "quotes."
        ) from error
    return {keyword.arg: _literal(keyword.value) for keyword in call.keywords}


def _literal(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def applies(name, set_name):
    """Tell whether a method can be used on a set: warps need images, thresholds two classes."""
    return all(_applies(base, set_name) for base in bases(name))


def _applies(base, set_name):
    if base in pictures.VOLUMES:
        return data.is_volumes(set_name)
    if base == "affine" or base in pictures.IMAGES:
        return data.is_images(set_name)
    return data.is_binary(set_name) or base not in ("tuned-threshold", *external.VARIANTS)


def on_the_fly(name, split):
    """Return a function that transforms a batch of a network's rows, or None.

    Parameters
    ----------
    name : str
    split : data.Split

    Returns
    -------
    transform : callable or None
        ``transform(rows) -> ndarray`` of the same shape, (n, n_features).
    """
    draws = [PER_CLASS[method.base] for method in parse(name) if method.on_the_fly]
    if not draws:
        return None
    rng = np.random.default_rng(split.seed)

    def transform(rows):
        for draw in draws:
            new = [draw(row[None], 1, rng, split.sample_shape) for row in rows]
            rows = np.clip(np.concatenate(new), 0.0, 1.0)
        return rows

    return transform


def resample(name, split, features, counts):
    """Draw the new rows of a method.

    Parameters
    ----------
    name : str
    split : data.Split
    features : data.Features
        Fitted on the training rows of `split`.
    counts : dict of int to int
        Rows that each class is to have, originals included.

    Returns
    -------
    new : Resampled
    """
    methods = [method for method in parse(name) if not method.on_the_fly]
    if len(methods) != 1:
        return _shared(methods, split, features, counts)
    return _resample(methods[0], split, features, counts)


def _shared(methods, split, features, counts):
    """Let each of several methods draw its share of the new rows; none draws none."""
    needed, parts = _missing(split.y_train, counts), [Resampled(*_nothing(split), "")]
    for k, method in enumerate(methods):
        share = {
            label: counts[label] - n + (k + 1) * n // len(methods) - k * n // len(methods)
            for label, n in needed.items()
        }
        parts.append(_resample(method, split, features, share))
    X, y, notes, _ = zip(*parts, strict=True)
    return Resampled(np.concatenate(X), np.concatenate(y), " | ".join(filter(None, notes)))


def _resample(method, split, features, counts):
    if method.balance:
        counts = dict.fromkeys(counts, int(np.unique(split.y_train, return_counts=True)[1].max()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if method.base == "ours":
            X, y = _ours(split, features, counts, method.parameters)
        elif method.base == "pyraug":
            X, y = _pyraug(split, features, counts, **method.parameters)
        elif method.base in PER_CLASS:
            X, y = _per_class(PER_CLASS[method.base], split, features, counts)
        elif method.base in SAMPLERS or method.base in external.GENERATORS:
            X, y = _completed(method.base, split, features, counts)
        elif method.base in external.VARIANTS:
            rows = features.transform(split.X_train), split.y_train
            X, y = external.variant(method.base, *rows, split.seed)
        else:
            X, y = _nothing(split)
    said = [f"{w.category.__name__}: {w.message}" for w in caught if _matters(w)]
    whole = method.base in external.VARIANTS
    return Resampled(X, y, " | ".join(dict.fromkeys(said)), whole)


def _matters(warning):
    return not issubclass(warning.category, (DeprecationWarning, FutureWarning))


def _nothing(split):
    return np.empty((0, split.X_train.shape[1])), np.empty(0, dtype=int)


def _missing(y, counts):
    """Return how many rows each class still needs."""
    return {label: n - int((y == label).sum()) for label, n in counts.items()}


# --- ours and Pyraug ------------------------------------------------------------------------


def _ours(split, features, counts, parameters):
    """Give RHVAEAugmenter the raw training rows: it scales by itself."""
    settings = {"sample_shape": split.sample_shape, **parameters}
    # Given numbers of rows leave no say to a factor.
    strategy = "auto" if "augmentation_factor" in parameters else counts
    augmenter = RHVAEAugmenter(sampling_strategy=strategy, random_state=split.seed)
    augmenter.set_params(**settings)
    X, y = augmenter.fit_resample(split.X_train, split.y_train)
    n = len(split.y_train)
    return (features.transform(X[n:]), y[n:]) if len(X) > n else _nothing(split)


def _pyraug(split, features, counts, n_epochs, **settings):
    """Train a Pyraug model for each class that grows; tables are scaled to [0, 1] for it."""
    X, y = split.X_train, split.y_train
    low, span = 0.0, 1.0
    if split.sample_shape is None:
        low, span = X.min(axis=0), np.ptp(X, axis=0)
    rows = (X - low) / np.where(span == 0.0, 1.0, span)
    grow = {label: n for label, n in _missing(y, counts).items() if n > 0}
    parts = [torch.as_tensor(rows[y == label], dtype=torch.float32) for label in grow]
    # Pyraug draws from the global generator only.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(split.seed)
        models = rivals.fit_pyraug(parts, PYRAUG_LATENT_DIM, n_epochs, **settings)
        pairs = zip(models, grow.values(), strict=True)
        new = [rivals.sample_pyraug(model, n)[0].numpy() for model, n in pairs]
    if not new:
        return _nothing(split)
    return features.transform(low + span * np.concatenate(new)), np.repeat(
        [*grow], [*grow.values()]
    )


# --- rivals on the features -----------------------------------------------------------------


def _per_class(draw, split, features, counts):
    X, y = features.transform(split.X_train), split.y_train
    rng = np.random.default_rng(split.seed)
    new, labels = [], []
    for label, n_new in _missing(y, counts).items():
        if n_new > 0:
            new.append(draw(X[y == label], n_new, rng, split.sample_shape))
            labels += [label] * n_new
    if not new:
        return _nothing(split)
    new = np.concatenate(new)
    # No image has values outside [0, 1].
    return new if split.sample_shape is None else np.clip(new, 0.0, 1.0), np.array(labels)


def _completed(base, split, features, counts):
    """Run a sampler or a generator, and make sure that every class gets its rows.

    ADASYN rounds the number of rows around each real one, BorderlineSMOTE makes none for a
    class that borders on no other, and a generator may hardly ever draw a rare
    class: what is too many is left out at random, what is missing is plain SMOTE's, with a note.
    """
    X, y = features.transform(split.X_train), split.y_train
    needed = {label: n for label, n in _missing(y, counts).items() if n > 0}
    if not needed:
        return _nothing(split)
    fewest = min(int((y == label).sum()) for label in needed)
    if base in external.GENERATORS:
        new_X, new_y = external.sample(base, X, y, needed, split.seed)
    else:
        new_X, new_y = _new_rows(_sampler(base, counts, fewest, split.seed), X, y)
    rng = np.random.default_rng(split.seed)
    keep = [rng.permutation(np.flatnonzero(new_y == k))[:n] for k, n in needed.items()]
    keep = np.sort(np.concatenate(keep))
    new_X, new_y = new_X[keep], new_y[keep]
    short = _missing(new_y, needed)
    n_short = sum(short.values())
    if n_short:
        warnings.warn(f"{n_short} of {n_short + len(new_y)} rows are plain SMOTE's", stacklevel=1)
        more = {label: int((y == label).sum()) + n for label, n in short.items()}
        more_X, more_y = _new_rows(_sampler("SMOTE", more, fewest, split.seed), X, y)
        new_X, new_y = np.concatenate([new_X, more_X]), np.concatenate([new_y, more_y])
    return new_X, new_y


def _new_rows(sampler, X, y):
    X_all, y_all = sampler.fit_resample(X, y)
    return X_all[len(y) :], y_all[len(y) :]


def _sampler(base, counts, fewest, seed):
    """Return a sampler of imbalanced-learn, with fewer neighbours where a class is small."""
    settings = {"sampling_strategy": counts, "random_state": seed}
    k = max(1, min(NEIGHBOURS, fewest - 1))
    if base == "random":
        return RandomOverSampler(**settings)
    if base == "ADASYN":
        return ADASYN(n_neighbors=k, **settings)
    makers = {"SMOTE": SMOTE, "BorderlineSMOTE": BorderlineSMOTE}
    return makers.get(base, external.geometric_smote)(k_neighbors=k, **settings)
