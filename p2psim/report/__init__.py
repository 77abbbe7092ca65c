"""Reports: one self-contained HTML document each, with its tables as CSV files in the same folder."""

from p2psim.report.comparison import write_comparison
from p2psim.report.measurement import write_measurement
from p2psim.report.plan import write_plan
from p2psim.report.results import write_results
from p2psim.report.validation import Validation, claims_frame, write_validation

__all__ = [
    "Validation",
    "claims_frame",
    "write_comparison",
    "write_measurement",
    "write_plan",
    "write_results",
    "write_validation",
]
