"""Series of measurements, and warnings about the CPU load."""

from pathlib import Path

import pytest

from p2psim.errors import ScenarioError, TraceError
from p2psim.experiment import simulate
from p2psim.scenario import Scenario
from p2psim.testbed.series import plan_series

PAIR = Scenario.load("measured-pair").replace({"duration": 30.0})


def test_all_scenarios_are_recorded_once_before_any_is_repeated(tmp_path: Path) -> None:
    other = Scenario.load("measured-churn")
    recordings = plan_series([PAIR, other], 2, 5, tmp_path)
    assert [(item.scenario, item.seed, item.folder.name) for item in recordings] == [
        (PAIR, 5, "measured-pair-5"), (other, 5, "measured-churn-5"),
        (PAIR, 6, "measured-pair-6"), (other, 6, "measured-churn-6"),
    ]  # fmt: skip
    assert all(item.finished() is None for item in recordings)


def test_a_series_is_refused_if_a_part_of_it_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="'measured-pair' is the name of 2 scenarios"):
        plan_series([PAIR, PAIR.replace({"duration": 40.0})], 1, 1, tmp_path)
    with pytest.raises(ScenarioError, match=r"nat\.mix = 'average'"):
        plan_series([PAIR, Scenario.load("hundred-thousand")], 1, 1, tmp_path)


def test_another_trace_in_the_folder_is_refused(tmp_path: Path) -> None:
    simulate(PAIR, replications=1, seed=1, events=True).traces[0].write(tmp_path / "measured-pair-1")
    with pytest.raises(TraceError, match="measured-pair-1: there is a trace of scenario"):
        plan_series([PAIR], 1, 1, tmp_path)
