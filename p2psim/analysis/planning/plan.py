"""Computation of a plan: all simulations in parallel, then the estimates."""

from p2psim.analysis.planning.estimate import SimulatedPlan, estimates
from p2psim.analysis.planning.inputs import Inputs
from p2psim.analysis.planning.result import Plan
from p2psim.analysis.planning.sampling import Effort, Sampler
from p2psim.analysis.planning.sensitivity import sensitivity_jobs, sensitivity_table
from p2psim.analysis.runs import Runs

__all__ = ["make_plan"]


def make_plan(inputs: Inputs, runs: Runs, seed: int, effort: Effort) -> Plan:
    """Return the plan for the inputs, from simulations with the given effort."""
    sampler = Sampler(runs, seed, effort)
    sizes = sampler.sizes(inputs)
    # longest runs first, so that no processor is idle at the end
    jobs = [
        job for size in reversed(sizes) for job in sampler.steady_jobs(inputs, size, effort.replications, effort.least)
    ]
    sampler.make([*sampler.event_jobs(inputs), *jobs, *sensitivity_jobs(sampler, inputs)])
    scale = sampler.event_scale(inputs)
    simulated = SimulatedPlan(
        inputs=inputs,
        sizes=tuple(sizes),
        swarms=tuple(sampler.steady(inputs, size, effort.replications, effort.least) for size in sizes),
        event=sampler.event(inputs) if scale else None,
        scale=scale,
    )
    return Plan(inputs, estimates(simulated), simulated, sensitivity_table(sampler, simulated), seed)
