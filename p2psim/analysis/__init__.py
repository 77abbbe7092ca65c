"""Analysis of runs: metrics, intervals, claims, comparison of simulated and measured runs, calibration, planning."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2psim.analysis.calibration.fit import Calibration as Calibration
    from p2psim.analysis.calibration.fit import calibrate as calibrate
    from p2psim.analysis.claims.definitions import load_claims as load_claims
    from p2psim.analysis.claims.verdicts import Judge as Judge
    from p2psim.analysis.comparison.compare import compare as compare
    from p2psim.analysis.comparison.compare import compare_traces as compare_traces
    from p2psim.analysis.comparison.result import Comparison as Comparison
    from p2psim.analysis.metrics import METRICS as METRICS
    from p2psim.analysis.runs import Runs as Runs

# Imported lazily: metrics and statistics are used without the simulator, which takes a second to load.
_MODULES = {
    "Calibration": "p2psim.analysis.calibration.fit",
    "Comparison": "p2psim.analysis.comparison.result",
    "Judge": "p2psim.analysis.claims.verdicts",
    "METRICS": "p2psim.analysis.metrics",
    "Runs": "p2psim.analysis.runs",
    "calibrate": "p2psim.analysis.calibration.fit",
    "compare": "p2psim.analysis.comparison.compare",
    "compare_traces": "p2psim.analysis.comparison.compare",
    "load_claims": "p2psim.analysis.claims.definitions",
}

__all__ = [
    "METRICS",
    "Calibration",
    "Comparison",
    "Judge",
    "Runs",
    "calibrate",
    "compare",
    "compare_traces",
    "load_claims",
]


if not TYPE_CHECKING:  # a type checker would take any other name for an object

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module 'p2psim.analysis' has no attribute {name!r}; it has {', '.join(__all__)}")
        return getattr(import_module(_MODULES[name]), name)
