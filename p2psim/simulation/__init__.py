"""World 1: virtual time. SimPy's control plane, a compiled data plane, the tracker's real brain."""

from p2psim.simulation.control import Control
from p2psim.simulation.run import Run, run

__all__ = ["Control", "Run", "run"]
