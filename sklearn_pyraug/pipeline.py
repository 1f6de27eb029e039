"""Pipelines whose steps may change the number of rows.

A sampler adds rows and their targets in ``fit``, and does nothing in ``predict``. The
:class:`sklearn.pipeline.Pipeline` has no such steps: their ``transform`` returns X only, row for
row. The pipeline of imbalanced-learn is a subclass that calls ``fit_resample`` in ``fit`` and skips
samplers afterwards. The one here also takes pipelines of transformers as steps.

In a scikit-learn pipeline, use :class:`~sklearn_pyraug.AugmentedClassifier` as the last step.

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

import imblearn.pipeline
import sklearn.pipeline
from sklearn import get_config

__all__ = ["Pipeline", "make_pipeline"]


class Pipeline(imblearn.pipeline.Pipeline):
    """Chain transformers and samplers, with an estimator at the end.

    This is :class:`imblearn.pipeline.Pipeline` with two differences. Its steps may be pipelines of
    transformers themselves, which imbalanced-learn refuses. And without metadata routing, samplers
    get the parameters that :meth:`fit` is given for them, such as ``augment__sample_weight``.

    Parameters
    ----------
    steps : list of (str, object)
        Names and estimators. All but the last have ``transform`` or ``fit_resample``.
    transform_input : list of str or None, default=None
        Names of the arguments of ``fit`` that are to be transformed before they are passed on.
    memory : str, joblib.Memory or None, default=None
        Cache of the fitted steps.
    verbose : bool, default=False
        Whether the time of each step is printed.

    Attributes
    ----------
    named_steps : Bunch
        Steps by name.

    See Also
    --------
    sklearn_pyraug.AugmentedClassifier : Augments within scikit-learn's own pipelines.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.impute import SimpleImputer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_pyraug import Pipeline, RHVAEAugmenter
    >>> prepare = make_pipeline(SimpleImputer(), StandardScaler())
    >>> augmenter = RHVAEAugmenter(max_epochs=5, random_state=0)
    >>> pipeline = Pipeline(
    ...     [("prepare", prepare), ("augment", augmenter), ("classify", LogisticRegression())]
    ... )
    >>> X, y = load_iris(return_X_y=True)
    >>> pipeline.fit(X, y).predict(X).shape
    (150,)
    """

    def _validate_steps(self):
        if not self.steps:
            raise ValueError(
                "steps=[] is an empty pipeline. Pass at least a classifier or a sampler."
            )
        for name, step in self.steps:
            if isinstance(step, type):
                raise TypeError(
                    f"The step {name!r} is the class {step.__name__}. Pass an instance, "
                    f"{step.__name__}()."
                )
        *first, last = self.steps
        checked = []
        for name, step in first:
            if isinstance(step, sklearn.pipeline.Pipeline):
                if _holds_sampler(step):
                    raise TypeError(
                        f"The step {name!r} is a pipeline that holds a sampler: only the last step "
                        "may be one. Name its steps as steps of the outer pipeline."
                    )
                step = "passthrough"
            checked.append((name, step))
        # imbalanced-learn's own checks of all the others.
        super(Pipeline, type(self)([*checked, last]))._validate_steps()

    def _check_method_params(self, method, props, **kwargs):
        params = super()._check_method_params(method, props, **kwargs)
        if not get_config()["enable_metadata_routing"]:
            for of_step in params.values():
                # imbalanced-learn drops the parameters of samplers.
                of_step["fit_resample"].update(of_step["fit"])
        return params


def _holds_sampler(step):
    if isinstance(step, sklearn.pipeline.Pipeline):
        return any(_holds_sampler(part) for _, part in step.steps)
    return hasattr(step, "fit_resample")


def make_pipeline(*steps, **parameters):
    """Make a :class:`Pipeline` whose steps have the names of their types, in lower case.

    Parameters
    ----------
    *steps : estimators
        In their order.
    **parameters : dict
        `memory`, `transform_input` and `verbose` of :class:`Pipeline`.

    Returns
    -------
    pipeline : Pipeline

    See Also
    --------
    Pipeline : Takes steps by name.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_pyraug import RHVAEAugmenter, make_pipeline
    >>> list(make_pipeline(RHVAEAugmenter(), LogisticRegression()).named_steps)
    ['rhvaeaugmenter', 'logisticregression']
    """
    made = imblearn.pipeline.make_pipeline(*steps, **parameters)
    return Pipeline(**made.get_params(deep=False))
