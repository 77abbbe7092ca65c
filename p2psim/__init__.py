"""p2psim: what does sharing between viewers really save? Simulated, measured, and compared."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2psim.analysis import calibrate, compare
    from p2psim.experiment import difference, plan, simulate, sweep
    from p2psim.scenario import Scenario
    from p2psim.testbed import measure
    from p2psim.trace import Trace

__version__ = "0.1.0"

_PLACES = {
    "Scenario": "p2psim.scenario",
    "Trace": "p2psim.trace",
    "calibrate": "p2psim.analysis",
    "compare": "p2psim.analysis",
    "difference": "p2psim.experiment",
    "measure": "p2psim.testbed",
    "plan": "p2psim.experiment",
    "simulate": "p2psim.experiment",
    "sweep": "p2psim.experiment",
}

__all__ = ["Scenario", "Trace", "calibrate", "compare", "difference", "measure", "plan", "simulate", "sweep"]


if not TYPE_CHECKING:  # a type checker would take any other name for an object

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module 'p2psim' has no attribute {name!r}; it has {', '.join(__all__)}")
        return getattr(import_module(_PLACES[name]), name)
