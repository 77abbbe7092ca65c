"""From inputs to a plan: every run that is needed at once, then the arithmetic."""

from p2psim.analysis.planning.estimate import Evidence, estimates
from p2psim.analysis.planning.inputs import Inputs
from p2psim.analysis.planning.result import Plan
from p2psim.analysis.planning.sampling import Effort, Sampler
from p2psim.analysis.planning.sensitivity import sensitivity_jobs, sensitivity_table
from p2psim.analysis.runs import Runs

__all__ = ["make_plan"]


def make_plan(inputs: Inputs, runs: Runs, seed: int, effort: Effort) -> Plan:
    """Simulate what the inputs need and give the plan."""
    sampler = Sampler(runs, seed, effort)
    sizes = sampler.sizes(inputs)
    # the long ones first, so that no processor waits for the last
    jobs = [
        job for size in reversed(sizes) for job in sampler.steady_jobs(inputs, size, effort.replications, effort.least)
    ]
    sampler.make([*sampler.event_jobs(inputs), *jobs, *sensitivity_jobs(sampler, inputs)])
    scale = sampler.event_scale(inputs)
    evidence = Evidence(
        inputs=inputs,
        sizes=tuple(sizes),
        swarms=tuple(sampler.steady(inputs, size, effort.replications, effort.least) for size in sizes),
        event=sampler.event(inputs) if scale else None,
        scale=scale,
    )
    return Plan(inputs, estimates(evidence), evidence, sensitivity_table(sampler, evidence), seed)
