"""Measures of how good, how varied and how private synthetic rows are.

Those that compare two distributions take the real rows first and the synthetic ones second. Those
that ask of each synthetic row how close it is to real ones, and attacks, take synthetic rows first.
"""

from ._attacks import (
    AttackShares,
    MembershipInference,
    attribute_inference,
    linkability,
    membership_inference,
    univariate_singling_out,
)
from ._columns import ColumnDifferences, column_differences
from ._discrepancies import maximum_mean_discrepancy, sliced_wasserstein_distance
from ._distances import (
    PrecisionRecallDensityCoverage,
    TrainingProximity,
    authenticity,
    distance_to_closest_record,
    memorization_share,
    nearest_neighbor_distance_ratio,
    precision_recall_density_coverage,
    training_proximity,
)
from ._neighbors import Spacing
from ._privacy import PrivacyCounts, PrivacyReport
from ._two_samples import TwoSampleResult, classifier_two_sample_test
from ._utility import TrainOnSynthetic, train_on_synthetic

__all__ = [
    "AttackShares",
    "ColumnDifferences",
    "MembershipInference",
    "PrecisionRecallDensityCoverage",
    "PrivacyCounts",
    "PrivacyReport",
    "Spacing",
    "TrainOnSynthetic",
    "TrainingProximity",
    "TwoSampleResult",
    "attribute_inference",
    "authenticity",
    "classifier_two_sample_test",
    "column_differences",
    "distance_to_closest_record",
    "linkability",
    "maximum_mean_discrepancy",
    "membership_inference",
    "memorization_share",
    "nearest_neighbor_distance_ratio",
    "precision_recall_density_coverage",
    "sliced_wasserstein_distance",
    "train_on_synthetic",
    "training_proximity",
    "univariate_singling_out",
]
