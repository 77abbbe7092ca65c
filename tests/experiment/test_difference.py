"""Differences under common random numbers."""

from typing import Any

import pytest

from p2psim import difference
from p2psim.analysis.statistics import paired
from p2psim.errors import InputError
from p2psim.experiment import Results, differences, simulate
from p2psim.scenario import Scenario

BASE = Scenario(name="base").replace(
    {
        "duration": "60 s",
        "viewers.count": 12,
        "viewers.arrival_period": "20 s",
        "viewers.mean_viewing_time": "40 s",
        "stream.bitrate": "1 Mbit/s",
        "stream.segment": "2 s",
        "access.spread": 0.5,
        "nat.mix": "average",
        "tracker.interval": "20 s",
    }
)


def results(uplink: float, count: int = 6, seed: int = 1) -> Results:
    return simulate(BASE.replace({"access.uplink": uplink}), count, seed, jobs=1, progress=False)


@pytest.fixture(scope="module")
def fast() -> Results:
    return results(500_000.0)


@pytest.fixture(scope="module")
def slow() -> Results:
    return results(60_000.0)


def test_a_difference_is_that_of_the_estimates(fast: Results, slow: Results) -> None:
    found = difference(fast, slow)
    assert found.mean == pytest.approx(fast.interval("p2p_ratio").mean - slow.interval("p2p_ratio").mean)
    assert found.low < found.mean < found.high
    assert found.low > 0  # more uplink, more from peers
    back = difference(slow, fast)
    assert (back.mean, back.low, back.high) == pytest.approx((-found.mean, -found.high, -found.low))


def test_the_same_viewers_make_it_narrower_than_other_viewers(fast: Results) -> None:
    near = results(480_000.0)
    same = difference(fast, near, "origin_rate")
    apart = [fast.interval("origin_rate"), results(480_000.0, seed=2).interval("origin_rate")]
    assert same.high - same.low < 0.5 * sum((each.high - each.low) ** 2 for each in apart) ** 0.5


def test_a_metric_that_is_no_ratio_is_paired_by_student(fast: Results, slow: Results) -> None:
    a, b = (each.metrics["startup_p95"].to_numpy(float) for each in (fast, slow))
    assert difference(fast, slow, "startup_p95") == paired(a, b)


@pytest.mark.slow
def test_scenarios_are_simulated_as_their_partner_was(fast: Results, slow: Results) -> None:
    found = difference(fast, slow.scenario, "origin_saving")
    assert found == difference(fast, slow, "origin_saving")
    table = differences(fast, slow, baseline=True, raw=True).set_index("metric")
    assert table.loc["origin_saving", "difference"] == found.mean
    assert table.loc["p2p_ratio", "a"] == fast.interval("p2p_ratio").mean


@pytest.mark.slow
def test_differences_are_shown_in_units_that_people_read(fast: Results, slow: Results) -> None:
    shown: Any = differences(fast, slow).set_index("metric")
    raw: Any = differences(fast, slow, raw=True).set_index("metric")
    assert list(shown.columns) == ["a", "b", "difference", "low", "high", "unit", "description"]
    assert list(raw.columns) == ["a", "b", "difference", "low", "high", "unit"]
    assert shown.loc["p2p_ratio", "unit"] == "%"
    assert shown.loc["p2p_ratio", "difference"] == pytest.approx(100 * raw.loc["p2p_ratio", "difference"], abs=0.01)


def test_what_cannot_be_paired_is_refused(fast: Results) -> None:
    for other in (results(60_000.0, count=2), results(60_000.0, seed=2)):
        with pytest.raises(InputError, match="can be paired"):
            difference(fast, other)
    with pytest.raises(InputError, match="p2p_ratio"):
        difference(fast, fast, "speed")
