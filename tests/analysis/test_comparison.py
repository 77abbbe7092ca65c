"""Comparisons: a simulated trace in the place of a measured one must agree with its own simulator."""

import dataclasses
import math
from xml.etree import ElementTree as ET

import pytest

from p2psim import compare
from p2psim.analysis.comparison import COMPARED, compare_all, compare_traces
from p2psim.analysis.junit import junit
from p2psim.errors import InputError, TraceError
from p2psim.scenario import Scenario
from p2psim.simulation import run
from p2psim.trace import Manifest, Trace
from tests.traces import duet

SCENARIO = Scenario.load("live-24s").replace({"duration": "60 s", "viewers.count": 6, "viewers.over": "5 s"})


def measured(scenario: Scenario = SCENARIO) -> Trace:
    trace = run(scenario, seed=99, events=True).trace
    assert trace is not None
    plain = trace.manifest.to_dict() | {"world": "measured", "name": "as-measured"}
    return dataclasses.replace(trace, manifest=Manifest(**plain))


@pytest.fixture(scope="module")
def own():
    return compare(measured(), replications=4)


def test_the_simulator_agrees_with_itself(own) -> None:
    assert own.agrees
    share = own.differences["p2p_ratio"]
    assert abs(share.interval.mean) < 0.05
    assert share.interval.mean == pytest.approx(share.simulated - share.measured)
    assert own.distances["http"] < 1.0


def test_another_world_is_told_from_this_one() -> None:
    other = measured(SCENARIO.replace({"policy.p2pDownloadTimeWindow": "0 s"}))
    fake = dataclasses.replace(other, scenario=SCENARIO)
    found = compare(fake, replications=4)
    assert not found.agrees
    assert found.differences["p2p_ratio"].interval.low > 0


def test_viewers_come_when_they_came() -> None:
    trace = measured()
    late = dataclasses.replace(trace, tables={**trace.tables, "viewers": trace["viewers"].assign(joined_at=50.0)})
    found = compare(late, replications=2)
    assert found.differences["http_bytes"].simulated < found.differences["http_bytes"].measured


def test_json_has_the_names_that_are_fixed(own) -> None:
    plain = own.to_dict()
    assert plain["trace"] == "as-measured"
    assert set(COMPARED) <= set(plain)
    assert set(plain["p2p_ratio"]) >= {"measured", "simulated", "difference", "low", "high"}
    assert plain["equivalence"]["equivalent"] is True


def test_margin_decides(own) -> None:
    assert not compare(measured(), replications=4, margin=1e-6).agrees


def test_two_traces_as_they_are() -> None:
    same = compare_traces(duet("measured"), duet())
    assert same.agrees
    assert same.differences["p2p_ratio"].interval.mean == 0
    assert math.isnan(same.differences["p2p_ratio"].interval.low)
    assert same.distances == {"http": 0.0, "p2p": 0.0}


def test_junit_fails_where_worlds_differ(own) -> None:
    bad = dataclasses.replace(own, equivalence=dataclasses.replace(own.equivalence, equivalent=False))
    suite = ET.fromstring(junit([own, bad]))
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.find("failure") is not None for case in suite] == [False, True]


def test_refusals(tmp_path) -> None:
    with pytest.raises(InputError, match="at least 2"):
        compare_all([duet()], replications=1)
    with pytest.raises(TraceError, match="no such folder"):
        compare(tmp_path / "none")
