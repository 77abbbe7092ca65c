"""What runs mean: metrics, intervals, claims, and simulated against measured."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2psim.analysis.calibration import Calibration as Calibration
    from p2psim.analysis.calibration import calibrate as calibrate
    from p2psim.analysis.claims import load_claims as load_claims
    from p2psim.analysis.comparison import Comparison as Comparison
    from p2psim.analysis.comparison import compare as compare
    from p2psim.analysis.comparison import compare_traces as compare_traces
    from p2psim.analysis.metrics import METRICS as METRICS
    from p2psim.analysis.runs import Runs as Runs
    from p2psim.analysis.verdicts import Judge as Judge

# On demand: metrics and statistics are wanted without the simulator, which takes a second to load.
_PLACES = {
    "Calibration": "p2psim.analysis.calibration",
    "Comparison": "p2psim.analysis.comparison",
    "Judge": "p2psim.analysis.verdicts",
    "METRICS": "p2psim.analysis.metrics",
    "Runs": "p2psim.analysis.runs",
    "calibrate": "p2psim.analysis.calibration",
    "compare": "p2psim.analysis.comparison",
    "compare_traces": "p2psim.analysis.comparison",
    "load_claims": "p2psim.analysis.claims",
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


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'p2psim.analysis' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_PLACES[name]), name)
