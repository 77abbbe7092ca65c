"""Questions asked of the simulator: replications and their results."""

from p2psim.experiment.progress import Bar
from p2psim.experiment.results import Results, simulate

__all__ = ["Bar", "Results", "simulate"]
