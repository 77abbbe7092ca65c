"""When a viewer's loader runs a queue pass: at the times at which a real viewer's loader wakes up."""

import math

import pytest

from p2psim.analysis.metrics import metrics
from p2psim.policy.interface import options
from p2psim.policy.state import commands
from p2psim.rng import constant_streams
from p2psim.scenario import Scenario
from p2psim.simulation import run
from p2psim.testbed.peer.single_loader import Agent

ALONE = Scenario().replace({"viewers.count": 1, "nat.mix": "open", "duration": "60 s"})
HOLD = "policy.httpDownloadInitialTimeoutMs"


def first_request(scenario: Scenario) -> float:
    """Return the seconds from joining to the first request of a viewer who is alone."""
    trace = run(scenario, seed=1, events=True).trace
    assert trace is not None
    return float(trace["transfers"]["started_at"].min() - trace["viewers"]["joined_at"].min())


def real_wake_ups(scenario: Scenario, until: float) -> list[float]:
    """Return the times at which a real viewer's loader wakes up by itself, and starts something then.

    Its player asks for the first segment when the loader is made, and plays nothing before it has come.
    """
    segment = scenario.stream.segment
    chosen = options(scenario.policy, scenario.stream.kind == "live", segment, scenario.stream.live_latency)
    viewer = Agent(chosen, constant_streams(0.5, 1)[0])
    viewer.playlist([(i, i * segment, (i + 1) * segment) for i in range(15)])
    viewer.start_at(5 * segment)
    viewer.player_requests(5)
    started, now = [], 0.0
    while now <= until:
        if any(command.kind == commands.START_HTTP for command in viewer.queue_pass(now)):
            started.append(now)
        now = viewer.wakes_at(now)
    return started


def test_a_held_viewer_asks_at_the_end_of_the_hold() -> None:
    assert first_request(ALONE.replace({HOLD: 1000})) == pytest.approx(1.04)


@pytest.mark.parametrize("hold", [0, 250, 1000, 2600, 7777])
@pytest.mark.parametrize(
    "changes", [{}, {"stream.segment": "2 s"}, {"stream.kind": "vod"}], ids=["live", "short", "vod"]
)
@pytest.mark.parametrize("version", ["p2p-media-loader-2.3", "p2p-media-loader-5"])
def test_simulated_and_real_loaders_wake_at_the_same_times(
    version: str, changes: dict[str, object], hold: float
) -> None:
    scenario = ALONE.replace({"policy.name": version, HOLD: hold, **changes})
    playlists = 2 * (scenario.origin.time_to_first_byte + scenario.network.http_request)
    (woken,) = real_wake_ups(scenario, 20.0)
    assert first_request(scenario) - playlists == pytest.approx(woken)


def test_a_hold_costs_a_swarm_its_length_and_no_more() -> None:
    """The first viewers wait for the hold; later ones get their first segment from peers, or at its end."""
    swarm = Scenario().replace({"viewers.count": 30, "nat.mix": "open", "duration": "100 s"})
    held, free = (metrics(run(swarm.replace({HOLD: hold}), seed=1).totals) for hold in (5000, 0))
    assert held["startup"] == pytest.approx(5.66, abs=0.05)
    assert held["startup_p95"] - free["startup_p95"] < 5.1
    assert math.isclose(held["started"], 1.0)
