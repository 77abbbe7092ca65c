"""Capacity planning: an audience, a network and prices in; rates, savings and bills with their intervals out."""

from p2psim.analysis.planning.inputs import Inputs, read_inputs
from p2psim.analysis.planning.plan import make_plan
from p2psim.analysis.planning.result import Plan
from p2psim.analysis.planning.sampling import Effort

__all__ = ["Effort", "Inputs", "Plan", "make_plan", "read_inputs"]
