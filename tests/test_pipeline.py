"""Tests of the pipelines that are re-exported."""

import imblearn.pipeline
import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline as make_scikit_learn_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_pyraug.pipeline
from sklearn_pyraug.pipeline import Pipeline, make_pipeline


@pytest.fixture
def data():
    """80 rows of one class and 20 of the other."""
    y = np.repeat([0, 1], [80, 20])
    return np.random.default_rng(0).normal(size=(100, 20)) + y[:, None], y


def test_names_are_imbalanced_learns():
    assert sklearn_pyraug.pipeline.__all__ == ["Pipeline", "make_pipeline"]
    assert Pipeline is imblearn.pipeline.Pipeline
    assert make_pipeline is imblearn.pipeline.make_pipeline


def test_samples_in_fit_only(data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), SMOTE(random_state=0), LogisticRegression())
    assert isinstance(pipeline, Pipeline)
    assert pipeline.fit(X, y).predict(X).shape == (100,)
    X_out, y_out = pipeline[:-1].fit_resample(X, y)
    assert X_out.shape == (160, X.shape[1])
    assert np.bincount(y_out).tolist() == [80, 80]


def test_scikit_learns_pipeline_refuses_a_sampler(data):
    """The reason for the module: should this stop failing, it is no longer needed."""
    pipeline = make_scikit_learn_pipeline(SMOTE(random_state=0), LogisticRegression())
    with pytest.raises(TypeError, match="transform"):
        pipeline.fit(*data)
