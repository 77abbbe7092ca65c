"""Each fact stands in one place: what other parts have of it changes with it."""

from dataclasses import fields
from pathlib import Path

import pytest
from p2p_tracker.core.matching import STRATEGIES, Random

from p2psim.errors import ScenarioError
from p2psim.scenario import Scenario, Viewers, bundled
from p2psim.scenario.population import CLEAN, CRASH, DEPARTURES, END
from p2psim.scenario.roles import HONEST, ROLES, SHARES
from p2psim.simulation import run
from p2psim.simulation.kernel import state, transfers
from p2psim.testbed.peer.adversaries import BEHAVIOURS
from p2psim.trace import TABLES, Trace
from p2psim.trace.schema import OUTCOMES, STATES, VALUES
from p2psim.wire.commands import SEGMENT_DATA_START, SegmentData, encode
from tests.edited import run_edited

OPTIONS = "tracker/p2p_tracker/config/options.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "program"),
    [
        (
            OPTIONS, "ping_interval: float = 25.0", "ping_interval: float = 7.0",
            "from p2psim.simulation.control import control; assert control._PING == 7",
        ),
        (
            OPTIONS, "TICK = 1.0", "TICK = 0.5",
            "from p2psim.simulation.control import control; from p2p_tracker.server import server\n"
            "assert control.TICK == server.TICK == 0.5",
        ),
        (
            OPTIONS, " interval: float = 120.0", " interval: float = 90.0",
            "from p2psim import Scenario; assert Scenario().tracker.interval == 90",
        ),
        (
            OPTIONS, "heartbeat_timeout: float = 60.0", "heartbeat_timeout: float = 40.0",
            "from p2psim import Scenario; assert Scenario().tracker.heartbeat == 40",
        ),
        (
            OPTIONS, 'matching: str = "random"', 'matching: str = "locality"',
            "from p2psim import Scenario; assert Scenario().tracker.matching == 'locality'",
        ),
        (
            "p2psim/wire/tracker_messages.py", "_RECONNECT_LEAST: Final = 10.0", "_RECONNECT_LEAST: Final = 1000.0",
            "import numpy as np; from p2psim.simulation.control.control import reconnect_delay as wait\n"
            "assert 1000 <= wait(0, np.random.default_rng(1)) <= 1300",
        ),
        (
            "p2psim/trace/schema.py", "SAMPLE_PERIOD = 2.0", "SAMPLE_PERIOD = 5.0",
            "from p2psim import Scenario, simulate\n"
            "short = Scenario().replace({'duration': 22.0, 'viewers.count': 2, 'viewers.arrival_period': 1.0})\n"
            "seen = simulate(short, 1, jobs=1, events=True).traces[0]['samples']\n"
            "assert set(seen.groupby('viewer')['at'].diff().dropna().round(6)) == {5.0}",
        ),
    ],
    ids=["ping", "tick", "interval", "heartbeat", "matching", "reconnect", "samples"],
)  # fmt: skip
def test_a_value_is_changed_in_one_place(tmp_path: Path, file: str, old: str, new: str, program: str) -> None:
    run_edited(tmp_path, {file: (old, new)}, program)


def test_matching_rules_are_those_of_the_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "by-name", Random)
    assert Scenario().replace({"tracker.matching": "by-name"}).tracker.matching == "by-name"
    with pytest.raises(ScenarioError, match=r"did you mean 'by-name'\? accepted: random, "):
        Scenario().replace({"tracker.matching": "by-nam"})


def test_roles_are_numbered_by_their_table() -> None:
    assert ROLES == (HONEST, *SHARES) == tuple(BEHAVIOURS)
    assert set(SHARES.values()) <= {field.name for field in fields(Viewers)}
    for name in ("polluter", "liar", "staller"):
        assert getattr(transfers, name.upper()) == ROLES.index(name)


def test_outcomes_states_and_departures_are_numbered_by_their_tables() -> None:
    assert [getattr(transfers, name.upper()) for name in OUTCOMES] == list(range(len(OUTCOMES)))
    assert [getattr(state, name.upper()) for name in STATES] == list(range(state.STARTING, state.ENDED + 1))
    assert (DEPARTURES[CLEAN], DEPARTURES[CRASH], DEPARTURES[END]) == ("clean", "crash", "end")


def check_values(trace: Trace) -> None:
    for table, columns in VALUES.items():
        for column, values in columns.items():
            assert column in TABLES[table]
            assert set(trace[table][column]) <= set(values), f"{trace.name}: {table}.{column}"


@pytest.mark.slow
def test_traces_have_no_other_values() -> None:
    for folder in bundled("traces"):
        check_values(Trace.read(folder))
    busy = {
        "duration": "90 s", "viewers.count": 30, "policy.maxPeers": 3, "viewers.mean_viewing_time": "30 s",
        "relay.availability": 0.5,
        "nat.mix": "mobile", "viewers.polluters": 0.2, "viewers.stallers": 0.2, "policy.validateP2PSegment": True,
        "tracker.interval": "10 s",
    }  # fmt: skip
    result = run(Scenario().replace(busy), seed=1, events=True)
    assert result.trace is not None
    check_values(result.trace)
    assert {"open", "failed", "refused"} <= set(result.trace["connections"]["outcome"])


def test_data_of_a_segment_are_known_by_their_beginning() -> None:
    (frame,) = encode(SegmentData(3, 1, 1000))
    assert frame.startswith(SEGMENT_DATA_START)
