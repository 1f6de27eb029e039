"""Pipelines whose steps may change the number of rows.

A sampler returns more rows than it was given, together with their targets, and it does so only
while a pipeline is fitted: what is predicted must be the rows that were asked for. The
:class:`sklearn.pipeline.Pipeline` has no place for such a step. Its steps have ``transform``,
which returns X alone, row for row, during both ``fit`` and ``predict``. The pipeline of
imbalanced-learn is a subclass that calls ``fit_resample`` during ``fit`` and passes over the
samplers afterwards, and it is the one to use here. It is re-exported so that the two are not
confused.

Where a scikit-learn pipeline is required, :class:`~sklearn_pyraug.AugmentedClassifier` as its last
step does the same job.

Examples
--------
The scaler is fitted on the six rows, the classifier on the eight rows after over-sampling, and six
rows are predicted.

>>> import numpy as np
>>> from imblearn.over_sampling import RandomOverSampler
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.preprocessing import StandardScaler
>>> from sklearn_pyraug.pipeline import make_pipeline
>>> X = np.array([[-3.0], [-2.0], [-1.0], [0.0], [4.0], [5.0]])
>>> y = np.array([0, 0, 0, 0, 1, 1])
>>> pipeline = make_pipeline(
...     StandardScaler(), RandomOverSampler(random_state=0), LogisticRegression()
... )
>>> pipeline.fit(X, y).predict(X)
array([0, 0, 0, 0, 1, 1])
>>> pipeline[:-1].fit_resample(X, y)[0].shape
(8, 1)
"""

from imblearn.pipeline import Pipeline, make_pipeline

__all__ = ["Pipeline", "make_pipeline"]
