"""Experiments with the simulator: replications, sweeps, paired differences, plans, and their results."""

from p2psim.experiment.design import Design
from p2psim.experiment.difference import difference, differences
from p2psim.experiment.plan import plan
from p2psim.experiment.progress_bar import Bar
from p2psim.experiment.results import Results, simulate
from p2psim.experiment.sweep import Sweep, sweep

__all__ = ["Bar", "Design", "Results", "Sweep", "difference", "differences", "plan", "simulate", "sweep"]
