"""scikit-learn's callbacks: a search over this package's estimators can tell how far it is."""

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from shared import QUICK, table
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

import sklearn_pyraug
from sklearn_pyraug import (
    MLP,
    AugmentedClassifier,
    AugmentedClassifierCV,
    RHVAEAugmenter,
    RHVAEEmbedder,
)

since_1_9 = pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None, reason="scikit-learn 1.9 has callbacks"
)
X, y = table((20, 12))
AUGMENTER = RHVAEAugmenter(**QUICK)
EMBEDDER = RHVAEEmbedder(max_epochs=2, encoder=MLP((8,)), device="cpu", random_state=0)


class Recorder:
    """Records what it is told; passed on to any depth, as a progress bar may be."""

    max_propagation_depth = None

    def __init__(self):
        self.told, self.open = [], 0

    def setup(self, estimator, context):
        """Count the fits that have begun."""
        self.open += 1

    def teardown(self, estimator, context):
        """Count those that are over."""
        self.open -= 1

    def on_fit_task_begin(self, estimator, context):
        """Note a beginning."""
        self.told.append(("begin", type(estimator).__name__, context.task_name))

    def on_fit_task_end(self, estimator, context):
        """Note an end."""
        self.told.append(("end", type(estimator).__name__, context.task_name))


@since_1_9
@pytest.mark.parametrize(
    ("estimator", "method", "name", "task"),
    [
        (AUGMENTER, "fit", "RHVAEAugmenter", "fit"),
        (AUGMENTER, "fit_resample", "RHVAEAugmenter", "fit-resample"),
        (EMBEDDER, "fit_transform", "RHVAEEmbedder", "fit"),
    ],
)
def test_beginning_and_end_are_told(estimator, method, name, task):
    recorder = Recorder()
    watched = clone(estimator).set_callbacks(recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(watched, method)(X, y)
    assert recorder.told == [("begin", name, task), ("end", name, task)]
    assert recorder.open == 0


@since_1_9
def test_a_fit_that_fails_is_torn_down_and_the_last_one_stays():
    """What an error has left is undone, except for the state of the callbacks."""
    recorder = Recorder()
    augmenter = clone(AUGMENTER).fit(X, y).set_callbacks(recorder)
    before = vars(augmenter).keys()
    with pytest.raises(ValueError, match="NaN"):
        augmenter.fit_resample(np.full_like(X, np.nan), y)
    assert recorder.open == 0
    assert recorder.told == [("begin", "RHVAEAugmenter", "fit-resample")]
    assert vars(augmenter).keys() == before


@since_1_9
def test_augmented_classifier_hands_callbacks_on():
    recorder = Recorder()
    model = AugmentedClassifier(AUGMENTER, LogisticRegression()).set_callbacks(recorder).fit(X, y)
    # The two tasks inside are those of the estimators inside.
    assert recorder.told[:3] == [
        ("begin", "AugmentedClassifier", "fit"),
        ("begin", "RHVAEAugmenter", "fit-resample"),
        ("end", "RHVAEAugmenter", "fit-resample"),
    ]
    assert recorder.told[3] == ("begin", "LogisticRegression", "fit")
    assert recorder.told[-1] == ("end", "AugmentedClassifier", "fit")
    assert recorder.open == 0
    plain = AugmentedClassifier(AUGMENTER, LogisticRegression()).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


@since_1_9
@pytest.mark.filterwarnings("ignore:The estimator FunctionSampler does not support callbacks")
def test_a_choice_hands_callbacks_on_to_the_last_fit():
    recorder = Recorder()
    model = AugmentedClassifierCV(LogisticRegression(), None, cv=2).set_callbacks(recorder)
    model.fit(X, y)
    assert recorder.told[0] == ("begin", "AugmentedClassifierCV", "fit")
    assert recorder.told[-1] == ("end", "AugmentedClassifierCV", "fit")
    assert len(recorder.told) > 2
    assert recorder.open == 0


@since_1_9
def test_a_search_over_an_augmented_classifier_tells_of_every_fit():
    """scikit-learn warned that the estimator does not support callbacks."""
    recorder = Recorder()
    model = AugmentedClassifier(AUGMENTER, LogisticRegression())
    search = GridSearchCV(model, {"classifier__C": [0.1, 1.0]}, cv=2).set_callbacks(recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, y)
    for kind in ("begin", "end"):
        assert recorder.told.count((kind, "AugmentedClassifier", "fit")) == 5
        assert recorder.told.count((kind, "RHVAEAugmenter", "fit-resample")) == 5
    assert recorder.open == 0


@since_1_9
def test_an_augmenter_that_tells_nothing_is_named():
    """scikit-learn's own warning, and the rest is reported."""
    recorder = Recorder()
    model = AugmentedClassifier(RandomOverSampler(random_state=0), LogisticRegression())
    with pytest.warns(UserWarning, match="RandomOverSampler does not support callbacks"):
        model.set_callbacks(recorder).fit(X, y)
    assert ("end", "AugmentedClassifier", "augment") in recorder.told
    assert recorder.told[-1] == ("end", "AugmentedClassifier", "fit")


@since_1_9
def test_callbacks_are_not_in_a_model_file(tmp_path):
    for estimator in (AUGMENTER, EMBEDDER):
        path = tmp_path / type(estimator).__name__
        clone(estimator).set_callbacks(Recorder()).fit(X, y).save(path)
        clone(estimator).fit(X, y).save(path.with_suffix(".plain"))
        assert path.read_bytes() == path.with_suffix(".plain").read_bytes()


def test_a_scikit_learn_without_callbacks(monkeypatch):
    """The lower bound of scikit-learn has none: what stands in for them does nothing."""
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    path = Path(next(iter(sklearn_pyraug.__path__))) / "_sklearn_compat.py"
    spec = importlib.util.spec_from_file_location("_compat_of_old", path)
    old = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(old)

    class Estimator(old.CallbackSupportMixin):
        @old.with_callbacks
        def fit(self):
            with old.fit_task(self, "fit", X, y, max_subtasks=1) as context:
                with old.sub_task(context, self, "inner", AUGMENTER, X, y):
                    return context

    assert not hasattr(Estimator(), "set_callbacks")
    assert Estimator().fit() is None
