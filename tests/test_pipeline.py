"""Tests of the pipelines that are re-exported."""

import imblearn.pipeline
import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from numpy.testing import assert_array_equal
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline as make_scikit_learn_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_pyraug.pipeline import Pipeline, make_pipeline


@pytest.fixture
def data():
    """80 rows of one class and 20 of the other."""
    y = np.repeat([0, 1], [80, 20])
    return np.random.default_rng(0).normal(size=(100, 20)) + y[:, None], y


def test_it_is_imbalanced_learns():
    assert issubclass(Pipeline, imblearn.pipeline.Pipeline)
    assert Pipeline.__init__ is imblearn.pipeline.Pipeline.__init__
    made = make_pipeline(StandardScaler(), LogisticRegression(), memory="cache", verbose=True)
    assert (type(made), made.memory, made.verbose) == (Pipeline, "cache", True)


def test_pipelines_of_transformers_are_steps(data):
    X, y = data
    inner = make_scikit_learn_pipeline(SimpleImputer(), StandardScaler())
    nested = Pipeline(
        [("in", inner), ("more", SMOTE(random_state=0)), ("out", LogisticRegression())]
    )
    flat = make_pipeline(StandardScaler(), SMOTE(random_state=0), LogisticRegression()).fit(X, y)
    assert_array_equal(nested.fit(X, y).predict_proba(X), flat.predict_proba(X))
    assert nested[:-1].fit_resample(X, y)[0].shape == (160, 20)
    params = {"in__simpleimputer__strategy": ["mean", "median"]}
    assert GridSearchCV(nested, params, cv=2).fit(X, y).predict(X).shape == (100,)
    sampler = make_pipeline(StandardScaler(), SMOTE())
    with pytest.raises(ValueError, match=r"steps=\[\] is an empty pipeline"):
        Pipeline([]).fit(*data)
    for holding in (sampler, make_scikit_learn_pipeline(make_pipeline(SMOTE(), "passthrough"))):
        with pytest.raises(TypeError, match="step 'in' is a pipeline that holds a sampler"):
            nested.set_params(**{"in": holding}).fit(X, y)
    with pytest.raises(TypeError, match="implement fit and transform"):
        nested.set_params(**{"in": LogisticRegression()}).fit(X, y)


def test_a_class_is_no_step(data):
    """numpy said that an array has no attribute '_validate_params'."""
    with pytest.raises(TypeError, match=r"step 'more' is the class SMOTE\. Pass .* SMOTE\(\)"):
        Pipeline([("more", SMOTE), ("out", LogisticRegression())]).fit(*data)


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
