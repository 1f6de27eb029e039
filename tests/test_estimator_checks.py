"""The check batteries of scikit-learn and imbalanced-learn, whole, on both estimators."""

import warnings

import pytest
from imblearn.utils.estimator_checks import parametrize_with_checks as imblearn_checks
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_pyraug import HMC, MLP, AugmentedClassifier, RHVAEAugmenter

# The default configuration, except for its training time.
AUGMENTER = RHVAEAugmenter(
    max_epochs=2,
    encoder=MLP((16,)),
    sampler=HMC(n_steps=4, n_leapfrog=2),
    device="cpu",
    random_state=0,
)
ESTIMATORS = [AUGMENTER, AugmentedClassifier(AUGMENTER, LogisticRegression(max_iter=1000))]
# Takes minutes, because every row is scored by itself.
DIRECT = [clone(AUGMENTER).set_params(decoder="direct")]

COUNTS_ROWS = (
    "How many rows the augmenter adds to a class, and what it learns from them, depends on the "
    "number of rows that it is given: one row of weight two is not the same to it as two rows of "
    "weight one. tests/test_classifier.py runs the check with an augmenter that adds nothing."
)
# Checks that an estimator is known to fail, each with its reason. Empty is the goal, and the
# augmenter's own list is empty.
EXEMPTIONS = {
    AugmentedClassifier: {
        "check_sample_weight_equivalence_on_dense_data": COUNTS_ROWS,
        "check_sample_weight_equivalence_on_sparse_data": COUNTS_ROWS,
    },
}


def exemptions(estimator):
    return EXEMPTIONS.get(type(estimator), {})


@pytest.fixture(autouse=True)
def _small_classes_are_expected():
    """The batteries have data with classes of one to three rows: those warnings are correct."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Too few rows to train a generator", UserWarning)
        yield


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=exemptions)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@imblearn_checks(ESTIMATORS)
def test_imbalanced_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(DIRECT, expected_failed_checks=exemptions)
def test_scikit_learn_checks_of_the_papers_generator(estimator, check):
    check(estimator)


@pytest.mark.slow
@imblearn_checks(DIRECT)
def test_imbalanced_learn_checks_of_the_papers_generator(estimator, check):
    check(estimator)
