"""Closed forms of models of peer-assisted streaming, with stated tolerances."""

import math

import numpy as np
import pytest

from p2psim.network.sharing import allocate, close_flow, next_finish, open_flow
from p2psim.scenario import Scenario, populate
from p2psim.simulation import run

IDEAL = Scenario(name="ideal").replace(
    {
        "duration": "300 s",
        "stream.bitrate": "1 Mbit/s",
        "stream.latency": "60 s",
        "stream.window": 15,
        "viewers.over": "2 s",
        "nat.mix": "open",
        "tracker.interval": "20 s",
        "access.uplink": "100 Mbit/s",
        "access.downlink": "100 Mbit/s",
        "network.gather": "0 s",
    }
)


@pytest.mark.parametrize("uplink", ["0.2 Mbit/s", "0.6 Mbit/s", "1 Mbit/s", "5 Mbit/s"])
def test_capacity_bound_is_never_beaten(uplink: str) -> None:
    """Kumar, Liu, Ross 2007: the origin sends at least max(r, n r - sum of uplinks); over a run, in bytes played."""
    scenario = IDEAL.replace({"access.uplink": uplink, "viewers.count": 12})
    viewers = run(scenario).totals.viewers
    played, sent = viewers["bytes_played"].sum(), viewers["bytes_http"].sum()
    lent = (viewers["uplink"] * viewers["watched"]).sum()
    assert sent >= played - lent
    assert sent >= viewers["bytes_played"].max()


@pytest.mark.parametrize("count", [2, 3, 5])
def test_one_copy_per_swarm_at_best(count: int) -> None:
    """Offload is at most 1 - 1/n, and far behind live with fast uplinks it comes near."""
    viewers = run(IDEAL.replace({"viewers.count": count})).totals.viewers
    offload = 1 - viewers["bytes_http"].sum() / viewers["bytes_played"].sum()
    assert offload <= 1 - 1 / count
    assert offload >= 0.75 * (1 - 1 / count)


def test_lone_viewer_gets_nothing_from_peers() -> None:
    viewers = run(IDEAL.replace({"viewers.count": 1})).totals.viewers
    assert viewers["bytes_p2p"].sum() == 0


def test_no_uplink_no_peers() -> None:
    viewers = run(IDEAL.replace({"access.uplink": "0 bit/s", "viewers.count": 6})).totals.viewers
    assert viewers["bytes_p2p"].sum() == 0


@pytest.mark.parametrize("spread", [0.0, 1.4], ids=["exponential", "lognormal"])
def test_audience_is_poisson(spread: float) -> None:
    """M/G/inf: the mean audience is arrival rate × mean viewing time, whatever the law of the viewing times."""
    scenario = Scenario().replace(
        {
            "duration": "4000 s",
            "viewers.arrivals": "poisson",
            "viewers.count": 20,
            "viewers.viewing": "100 s",
            "viewers.spread": spread,
        }
    )
    means = []
    for replication in range(20):
        people = populate(scenario, 1, replication)
        at = np.arange(1500.0, 4000.0, 50.0)
        present = (people.joined_at[:, None] <= at) & (people.left_at[:, None] > at)
        means.append(present.sum(axis=0).mean())
    # sd of a mean over T is sqrt(2 rho S / T); lognormal tails need longer to settle
    tolerance = 4 * math.sqrt(2 * 20 * 100 / 2500 / 20) + (1.0 if spread else 0.0)
    assert np.mean(means) == pytest.approx(20, abs=tolerance)


@pytest.mark.parametrize("law", ["fixed", "exponential"])
def test_processor_sharing(law: str) -> None:
    """M/G/1-PS: mean time in the system is (S/C)/(1 - load), whatever the law of the sizes."""
    rng = np.random.default_rng(3)
    load, count = 0.5, 40_000
    arrivals = np.cumsum(rng.exponential(1 / load, count))
    sizes = np.ones(count) if law == "fixed" else rng.exponential(1.0, count)
    network = allocate(np.array([1.0]), 256, 1)
    free, begun, times = list(range(256)), {}, []
    path = np.array([0])
    for at, size in zip(arrivals, sizes, strict=True):
        while (end := next_finish(network)) <= at:
            f = int(network.finish[0].who)
            close_flow(network, f, end)
            times.append(end - begun.pop(f))
            free.append(f)
        f = free.pop()
        open_flow(network, f, path, size, math.inf, at)
        begun[f] = at
    assert np.mean(times) == pytest.approx(1 / (1 - load), rel=0.06)


def test_stale_entries_follow_the_heartbeat() -> None:
    """Of the offers, a share g/(g + S) goes to viewers who are gone, g being crash share × (time to notice).

    The tracker's pings come every 25 s and a silent viewer is dropped 60 s after its last sign of life, so an entry
    outlives its viewer by 60 s less half a ping on average.
    """
    scenario = Scenario().replace(
        {
            "duration": "900 s",
            "viewers.arrivals": "poisson",
            "viewers.count": 150,
            "viewers.viewing": "150 s",
            "viewers.crash": 1.0,
            "nat.mix": "open",
            "stream.bitrate": "100 kbit/s",
            "tracker.interval": "40 s",
        }
    )
    ghost = 60 - 12.5
    expected = ghost / (ghost + 150)
    found = [run(scenario, seed=seed) for seed in (1, 2)]
    stale = sum(r.stale_offers for r in found) / sum(r.stale_offers + r.live_offers for r in found)
    assert stale == pytest.approx(expected, rel=0.15)


def test_transfer_time_is_bits_over_rate_plus_round_trip() -> None:
    """D2: one segment of 4 s × 5 Mbit/s over a 10 Mbit/s uplink takes 2 s, a round trip, and its headers."""
    scenario = IDEAL.replace(
        {
            "viewers.count": 2,
            "stream.bitrate": "5 Mbit/s",
            "access.uplink": "10 Mbit/s",
            "network.rtt": "50 ms",
            "network.window": "unlimited",
            "duration": "120 s",
        }
    )
    trace = run(scenario, events=True).trace
    assert trace is not None
    whole = trace["transfers"].query("source == 'p2p' and outcome == 'completed' and first_byte == 0")
    fastest = (whole["ended_at"] - whole["started_at"]).min()
    assert fastest == pytest.approx(2.0 / scenario.network.goodput + 0.05, rel=0.01)


def test_window_caps_a_channel() -> None:
    """D3: a data channel carries at most window / round trip."""
    scenario = IDEAL.replace(
        {"viewers.count": 2, "network.rtt": "200 ms", "network.window": "64 KiB", "duration": "120 s"}
    )
    trace = run(scenario, events=True).trace
    assert trace is not None
    whole = trace["transfers"].query("source == 'p2p' and outcome == 'completed'")
    rates = whole["bytes"] / (whole["ended_at"] - whole["first_byte_at"])
    assert rates.max() <= 65536 / 0.2 * 1.001
