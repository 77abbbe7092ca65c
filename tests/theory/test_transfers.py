"""Durations of transfers: bits over rate, round trips, windows, and other flows on the same link."""

import math

import numpy as np
import pytest

from p2psim.network.max_min_sharing import allocate, close_flow, next_finish, open_flow
from p2psim.simulation import run
from tests.theory.ideal import IDEAL, RATE, traced
from tests.theory.statistics import agree

MBIT = 125_000.0


@pytest.mark.parametrize(
    ("segment", "uplink", "seconds"),
    [(2, 10, 1.0), (4, 10, 2.0), (4, 17.3, 1.1561), (4, 92.4, 0.2165), (6, 10, 3.0), (4, 200, 0.1)],
)
def test_hop_time_is_bits_over_rate_and_a_round_trip(segment: float, uplink: float, seconds: float) -> None:
    """D2: a segment of 5 Mbit/s through an uplink that it has for itself."""
    rtt, goodput = 0.05, 0.97
    scenario = IDEAL.replace(
        {
            "viewers.count": 2,
            "duration": "150 s",
            "stream.bitrate": 5 * MBIT,
            "stream.segment": segment,
            "access.uplink": uplink * MBIT,
            "network.rtt": rtt,
            "network.goodput": goodput,
            "policy.simultaneousP2PDownloads": 1,
            "policy.highDemandTimeWindow": "4 s",
        }
    )
    moved = traced(run(scenario, events=True))["transfers"]
    whole = moved.query("source == 'p2p' and outcome == 'completed' and first_byte == 0")
    took = (whole["ended_at"] - whole["started_at"]).to_numpy()
    waited = (whole["first_byte_at"] - whole["started_at"]).to_numpy() - rtt  # for the end of an aborted message
    assert len(took) >= 5
    assert np.median(waited) == pytest.approx(0.0, abs=1e-9)
    assert took - waited == pytest.approx(seconds / goodput + rtt, rel=5e-4)


@pytest.mark.parametrize(
    ("window", "rtt", "mbits"),
    [(65536, 0.2, 2.6214), (131072, 0.05, 20.97), (262144, 0.02, 104.86), (262144, 0.2, 10.49), (1048576, 0.1, 83.89)],
)
def test_a_channel_carries_its_window_per_round_trip(window: float, rtt: float, mbits: float) -> None:
    """D3: W/RTT, whatever the links could carry."""
    scenario = IDEAL.replace(
        {"viewers.count": 3, "network.window": window, "network.rtt": rtt, "stream.segment": 4.0, "duration": "120 s"}
    )
    moved = traced(run(scenario, events=True))["transfers"].query("source == 'p2p' and outcome == 'completed'")
    rates = (moved["bytes"] / (moved["ended_at"] - moved["first_byte_at"])).to_numpy() / MBIT
    assert len(rates) > 20
    assert rates == pytest.approx(mbits, rel=5e-4)


@pytest.mark.parametrize(("loss", "rtt", "mbits"), [(0.01, 0.04, 2.939), (0.04, 0.04, 1.470), (0.01, 0.1, 1.176)])
def test_loss_lets_through_what_mathis_says(loss: float, rtt: float, mbits: float) -> None:
    """MSS/RTT √(3/2p) with packets of 1200 bytes, whatever links and window could carry."""
    scenario = IDEAL.replace(
        {"viewers.count": 3, "network.loss": loss, "network.rtt": rtt, "stream.segment": 4.0, "duration": "120 s"}
    )
    moved = traced(run(scenario, events=True))["transfers"].query("source == 'p2p' and outcome == 'completed'")
    rates = (moved["bytes"] / (moved["ended_at"] - moved["first_byte_at"])).to_numpy() / MBIT
    assert len(rates) > 20
    assert rates == pytest.approx(mbits, rel=1e-3)


def test_a_channel_opens_after_its_round_trips() -> None:
    """D5: gathering, the offer's two hops and the answer's two to and from the tracker, then six round trips."""
    scenario = IDEAL.replace(
        {
            "viewers.count": 6,
            "duration": "30 s",
            "network.gather": "0.2 s",
            "network.rtt": "50 ms",
            "network.handshake_trips": 6.0,
            "tracker.one_way_delay": "20 ms",
        }
    )
    links = traced(run(scenario, events=True))["connections"].query("outcome == 'open'")
    assert len(links) == 15
    took = (links["opened_at"] - links["initiated_at"]).to_numpy()
    assert took == pytest.approx(0.2 + 4 * 0.02 + 0.2 + 6 * 0.05, abs=1e-9)


def test_a_relayed_segment_takes_as_long_as_its_hops() -> None:
    """D1: segments are forwarded when complete: a viewer k hops from the origin has them at least k hop times later."""
    rtt, uplink = 0.05, 4 * RATE
    scenario = IDEAL.replace(
        {
            "viewers.count": 12,
            "viewers.arrival_period": "10 s",
            "duration": "200 s",
            "access.uplink": uplink,
            "network.rtt": rtt,
            "policy.highDemandTimeWindow": "4 s",
        }
    )
    trace = traced(run(scenario, events=True))
    done = trace["transfers"].query("outcome == 'completed'").sort_values("ended_at")
    hops: dict[tuple[str, int], int] = {}
    first: dict[int, float] = {}
    deep = 0
    columns = ["viewer", "source", "from_viewer", "segment", "first_byte", "ended_at"]
    for viewer, source, sender, segment, first_byte, ended in zip(*(done[c].to_list() for c in columns), strict=True):
        here = 0 if source == "http" else hops[sender, segment] + 1
        hops[viewer, segment] = here
        first.setdefault(segment, ended)
        if source == "p2p" and first_byte == 0:
            assert ended - first[segment] >= here * (2 * RATE / uplink + 1.5 * rtt) - 1e-9
            deep = max(deep, here)
    assert deep >= 3


@pytest.mark.slow
@pytest.mark.parametrize("law", ["fixed", "exponential", "pareto"])
@pytest.mark.parametrize("load", [0.5, 0.8])
def test_processor_sharing(law: str, load: float) -> None:
    """G: M/G/1-PS. Mean time in the system is (S/C)/(1 - load), whatever the law of the sizes."""
    count = 8_000
    times = [sojourns(law, load, count, seed).mean() for seed in range(12)]
    agree(times, 1 / (1 - load), within=0.08 if load < 0.8 else 0.3)


def sojourns(law: str, load: float, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / load, count))
    sizes = {
        "fixed": np.ones(count),
        "exponential": rng.exponential(1.0, count),
        "pareto": (rng.pareto(2.5, count) + 1) * 1.5 / 2.5,
    }[law]
    rows = 1024
    network = allocate(np.array([1.0]), rows, 1)
    free, begun, times = list(range(rows)), dict[int, float](), list[float]()
    path = np.array([0])
    for at, size in zip([*arrivals, math.inf], [*sizes, 0.0], strict=True):
        while (end := next_finish(network)) <= at and end < math.inf:
            f = int(network.finish[0].who)
            close_flow(network, f, end)
            times.append(end - begun.pop(f))
            free.append(f)
        if at < math.inf:
            f = free.pop()
            open_flow(network, f, path, size, math.inf, at)
            begun[f] = at
    return np.array(times)[count // 20 :]
