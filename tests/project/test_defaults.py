"""Every public function and method, called with what it needs and nothing else."""

import importlib
import inspect

import numpy as np
import pytest
from PIL import Image
from shared import table
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

import sklearn_pyraug as package
from sklearn_pyraug import RHVAEAugmenter, RHVAEEmbedder, datasets, io, metrics

FRONTS = ("", ".metrics", ".datasets", ".io", ".model_selection", ".pipeline")
X, Y = table((30, 20))
X_OTHER, Y_OTHER = table((30, 20), seed=1)
PAIR, LABELLED = (X, X_OTHER), (X, Y)

CALLS = {
    "compare": lambda _: package.compare(X, Y, X + 0.1, Y),
    "augmentation_gain": lambda _: package.augmentation_gain(DecisionTreeClassifier(), X, Y),
    "augmentation_report": lambda _: package.augmentation_report(RHVAEAugmenter(), X, Y),
    "make_pipeline": lambda _: package.make_pipeline(RHVAEAugmenter(), DecisionTreeClassifier()),
    "authenticity": lambda _: metrics.authenticity(*PAIR),
    "classifier_two_sample_test": lambda _: metrics.classifier_two_sample_test(*PAIR),
    "column_differences": lambda _: metrics.column_differences(*PAIR),
    "distance_to_closest_record": lambda _: metrics.distance_to_closest_record(*PAIR),
    "maximum_mean_discrepancy": lambda _: metrics.maximum_mean_discrepancy(*PAIR),
    "memorization_share": lambda _: metrics.memorization_share(*PAIR),
    "nearest_neighbor_distance_ratio": lambda _: metrics.nearest_neighbor_distance_ratio(*PAIR),
    "precision_recall_density_coverage": lambda _: metrics.precision_recall_density_coverage(*PAIR),
    "sliced_wasserstein_distance": lambda _: metrics.sliced_wasserstein_distance(*PAIR),
    "train_on_synthetic": lambda _: metrics.train_on_synthetic(
        DecisionTreeClassifier(), *LABELLED, X_OTHER, Y_OTHER, *LABELLED
    ),
    "training_proximity": lambda _: metrics.training_proximity(X, X_OTHER, X + 1),
    "attribute_inference": lambda _: metrics.attribute_inference(X, X_OTHER, X + 1),
    "linkability": lambda _: metrics.linkability(X, X_OTHER, X + 1),
    "membership_inference": lambda _: metrics.membership_inference(X, X_OTHER, X + 1),
    "univariate_singling_out": lambda _: metrics.univariate_singling_out(X, X_OTHER, X + 1),
    "make_brain_phantoms": lambda _: datasets.make_brain_phantoms(),
    "load_image_folder": lambda folder: io.load_image_folder(folder / "images"),
    "load_table": lambda folder: io.load_table(folder / "table.csv"),
    "load_synthetic_mask": lambda folder: io.load_synthetic_mask(folder / "marked.csv"),
    "save_table": lambda folder: io.save_table(folder / "out.csv", X, Y),
    "save_image_folder": lambda folder: io.save_image_folder(
        folder / "out", np.zeros((2, 8, 8), np.uint8), [0, 1]
    ),
}


def public_functions():
    """Return the names of the public functions."""
    modules = [importlib.import_module(package.__name__ + front) for front in FRONTS]
    return {n for m in modules for n in m.__all__ if inspect.isfunction(getattr(m, n))}


@pytest.fixture
def folder(tmp_path):
    for k in "ab":
        (tmp_path / "images" / k).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "images" / k / "1.png")
    (tmp_path / "table.csv").write_text("x,target\n1,a\n2,b\n")
    io.save_table(tmp_path / "marked.csv", X, Y, np.arange(50) > 40)
    return tmp_path


@pytest.fixture(autouse=True)
def _short_trainings(monkeypatch):
    """All defaults, except for training time."""
    monkeypatch.setitem(RHVAEAugmenter.__init__.__kwdefaults__, "max_epochs", 2)
    monkeypatch.setitem(RHVAEEmbedder.__init__.__kwdefaults__, "max_epochs", 2)


def test_every_public_function_is_called_here():
    assert CALLS.keys() == public_functions()


@pytest.mark.parametrize("name", CALLS)
def test_function_with_its_defaults(name, folder):
    CALLS[name](folder)


def test_methods_with_their_defaults(tmp_path):
    rows, labels = load_iris(return_X_y=True)
    augmenter = RHVAEAugmenter().fit(rows, labels)
    augmenter.fit_resample(rows, labels)
    z = augmenter.fit(rows, labels).encode(rows, labels)
    augmenter.decode(z, 0)
    augmenter.score_samples(rows[:3], labels[:3])
    augmenter.log_volume(z, 0)
    augmenter.interpolate(rows[0], rows[1], 0)
    augmenter.sample(1)
    augmenter.save(tmp_path / "model")
    RHVAEAugmenter.load(tmp_path / "model")
    RHVAEEmbedder().fit(rows).inverse_transform(RHVAEEmbedder().fit_transform(rows))
    package.AugmentedClassifier(RHVAEAugmenter(), DecisionTreeClassifier()).fit(rows, labels)
