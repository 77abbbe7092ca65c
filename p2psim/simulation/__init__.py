"""Simulation in virtual time: a control plane on SimPy, a compiled kernel, and the core of the real tracker."""

from p2psim.simulation.checkpoint import Checkpoint
from p2psim.simulation.control.control import Control
from p2psim.simulation.run import Run, Simulation, run

__all__ = ["Checkpoint", "Control", "Run", "Simulation", "run"]
