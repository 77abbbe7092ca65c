"""What is simulated for a plan."""

import pytest

from p2psim.analysis.planning.inputs import PlanInputs, read_inputs
from p2psim.analysis.planning.sampling import Effort, Sampler, sizes_for
from p2psim.analysis.runs import Runs

TINY = Effort(replications=2, window=60.0, largest=30, event=20_000.0, variants=2, reference=10)


@pytest.mark.parametrize(
    ("low", "high", "largest", "sizes"),
    [
        (20_000, 20_000, 300, [100, 300]),
        (1000, 1000, 300, [100, 300]),
        (80, 80, 300, [30, 80]),
        (0.5, 40, 300, [2, 4, 10, 30, 40]),
        (5, 5000, 100, [4, 10, 30, 100]),
        (1, 1, 300, [2]),
    ],
)
def test_sizes_reach_from_the_smallest_swarm_to_the_largest(
    low: float, high: float, largest: int, sizes: list[int]
) -> None:
    assert sizes_for(low, high, largest) == sizes


def test_every_run_has_its_pair_with_the_same_viewers() -> None:
    sampler = Sampler(Runs(1), 1, TINY)
    jobs = sampler.steady_jobs(read_inputs(PlanInputs(viewers=1000)), 30, 2, 30)
    assert [job.scenario.policy.name == "http-only" for job in jobs] == [False, True] * 2
    for shared, base in zip(jobs[::2], jobs[1::2], strict=True):
        assert shared.scenario.viewers == base.scenario.viewers
        assert shared.replication == base.replication
    assert jobs[0].scenario.viewers.arrival_times != jobs[2].scenario.viewers.arrival_times


def test_an_event_too_long_for_a_fair_sample_is_not_simulated_whole() -> None:
    sampler = Sampler(Runs(1), 1, TINY)
    assert sampler.event_jobs(read_inputs(PlanInputs(viewers=1000, event="evening"))) == []
    assert sampler.event_jobs(read_inputs(PlanInputs(viewers=1000))) == []
    thorough = Sampler(Runs(1), 1, Effort())
    assert len(thorough.event_jobs(read_inputs(PlanInputs(viewers=1000, event="match")))) == 2 * Effort().replications
