"""Measures of how good, how varied and how private synthetic rows are."""

from .._privacy import PrivacyCounts, PrivacyReport, Spacing
from ._distances import (
    PrecisionRecallDensityCoverage,
    distance_to_closest_record,
    memorization_share,
    precision_recall_density_coverage,
)

__all__ = [
    "PrecisionRecallDensityCoverage",
    "PrivacyCounts",
    "PrivacyReport",
    "Spacing",
    "distance_to_closest_record",
    "memorization_share",
    "precision_recall_density_coverage",
]
