"""Runs are made once and shared."""

import pandas as pd
import pytest

from p2psim.analysis.runs import Runs, jobs_for
from p2psim.scenario import Scenario

SCENARIO = Scenario.load("live-24s").replace({"duration": "30 s", "viewers.count": 3, "viewers.arrival_period": "2 s"})


def test_a_run_is_simulated_once_whatever_its_name() -> None:
    progress: list[tuple[float, int]] = []
    runs = Runs(1, lambda done, total: progress.append((done, total)))
    first = runs.make(jobs_for(SCENARIO, 1, 2))
    assert progress[-1] == (2.0, 2)
    progress.clear()
    again = runs.make(jobs_for(SCENARIO.replace(name="other"), 1, 2))
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True]
    assert not progress


@pytest.mark.slow
def test_runs_come_in_the_order_asked_for() -> None:
    runs = Runs(2)
    jobs = jobs_for(SCENARIO, 1, 3)
    made = runs.make([jobs[2], jobs[0], jobs[1], jobs[0]])
    assert [run.totals.replication for run in made] == [2, 0, 1, 0]
    alone = Runs(1).make(jobs[:1])[0]
    pd.testing.assert_frame_equal(alone.totals.viewers, made[1].totals.viewers)


def test_other_scenarios_and_seeds_are_other_runs() -> None:
    runs = Runs(1)
    one, two = runs.make(jobs_for(SCENARIO, 1, 1) + jobs_for(SCENARIO, 2, 1))
    assert one is not two
    assert runs.make(jobs_for(SCENARIO, 1, 1, events=True))[0].trace is not None
