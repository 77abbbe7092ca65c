"""Capacity planning: rates, savings and bills with intervals, for an audience, a network and prices."""

from p2psim.analysis.planning.inputs import Inputs, PlanInputs, read_inputs
from p2psim.analysis.planning.plan import make_plan
from p2psim.analysis.planning.result import Plan
from p2psim.analysis.planning.sampling import Effort

__all__ = ["Effort", "Inputs", "Plan", "PlanInputs", "make_plan", "read_inputs"]
