"""Bounds by the uplinks: the least bytes that the origin has to send, and the least time of a distribution."""

import numpy as np
import pytest

from p2psim.scenario import populate
from p2psim.simulation import run
from tests.theory.ideal import IDEAL, RATE, VOD, traced


@pytest.mark.parametrize("uplink", [0.0, 0.1, 0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("count", [2, 5, 12])
def test_live_offload_stays_below_the_fluid_bound(count: int, uplink: float) -> None:
    """A2 and B2: the origin sends at least max(r, n r - Σu), and with small messages and few viewers not much more."""
    scenario = IDEAL.replace(
        {
            "viewers.count": count,
            "duration": "400 s",
            "access.uplink": uplink * RATE,
            "policy.highDemandTimeWindow": "4 s",
            "policy.webRtcMaxMessageSize": 1024,
        }
    )
    viewers = run(scenario).totals.viewers
    played, sent = viewers["bytes_played"].sum(), viewers["bytes_http"].sum()
    assert sent >= played - (viewers["uplink"] * viewers["watched"]).sum()
    assert sent >= viewers["bytes_played"].max()
    bound = min(1 - 1 / count, uplink)
    assert 1 - sent / played <= bound
    if count <= 5:
        assert 1 - sent / played >= 0.7 * bound - 0.03  # before the first connection all is HTTP
    if uplink == 0:
        assert viewers["bytes_p2p"].sum() == 0


@pytest.mark.parametrize("rate", [0.8, 1.5, 3.0])
def test_nobody_is_served_beyond_the_streaming_capacity(rate: float) -> None:
    """A1: at most (u_s + Σu)/n reaches a viewer: ten of them, a server of 10 and uplinks of 1 carry 2 each."""
    scenario = IDEAL.replace(
        {
            "viewers.count": 10,
            "duration": "400 s",
            "warmup": "100 s",
            "stream.bitrate": rate * RATE,
            "access.uplink": RATE,
            "origin.rate": 10 * RATE,
            "policy.highDemandTimeWindow": "10 s",
            "policy.webRtcMaxMessageSize": 1024,
        }
    )
    viewers = run(scenario).totals.viewers
    mean = viewers["bytes_played"].sum() / viewers["watched"].sum() / RATE
    assert mean <= 2.0 * 1.05  # 5 %: the buffers filled before the warm-up ended
    if rate <= 1:
        assert viewers["stalled"].sum() == 0
        assert mean == pytest.approx(rate, rel=0.05)
    if rate > 2:
        assert viewers["stalled"].sum() > 0.2 * viewers["watched"].sum()


TIGHT = {(0, 0, 2, 2): 3.0, (2, 2, 0, 0): 1.0, (0, 2, 2, 2): 2.0, (2, 2, 2, 2): 1.0, (0, 0, 0, 2): 4.0}


def test_recordings_are_shared_in_order_of_arrival() -> None:
    """A3: earlier viewers cannot be helped by later ones: max over k of (k r - uplinks of the first k - 1).

    Viewers come further apart than any window reaches, so that nobody has what somebody before him still wants.
    """
    length, rate, gap = 400.0, 5 * RATE, 15.0
    scenario = VOD.replace(
        {
            "viewers.arrivals": "recorded",
            "viewers.count": 4,
            "viewers.arrival_times": [gap * k for k in range(4)],
            "viewers.sharing": 0.5,
            "duration": length + 3 * gap,
            "stream.segment": "1 s",
            "stream.length": length,
            "stream.bitrate": rate,
            "access.uplink": 2 * rate,
            "policy.highDemandTimeWindow": "3 s",
            "policy.httpDownloadTimeWindow": "0 s",
            "policy.p2pDownloadTimeWindow": "10 s",
        }
    )
    seen = {}
    for replication in range(30):
        people = populate(scenario, 1, replication)
        uplinks = np.where(people.uploads, people.uplink, 0.0)
        order = tuple((uplinks / rate).astype(int).tolist())
        if order in seen:
            continue
        viewers = run(scenario, replication=replication).totals.viewers
        played, lent = viewers["bytes_played"].to_numpy(), uplinks * viewers["watched"].to_numpy()
        least = max(played[: k + 1].sum() - lent[:k].sum() for k in range(4))
        seen[order] = viewers["bytes_http"].sum() / (length * rate)
        assert seen[order] >= least / (length * rate) - 1e-9, order
        if order in TIGHT:
            assert seen[order] == pytest.approx(TIGHT[order], abs=0.05), order
    assert set(TIGHT) <= set(seen)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "server", "downlink"), [(1, 30, 2), (10, 30, 2), (40, 30, 2), (7, 84, 17)])
def test_a_file_from_a_server_takes_its_distribution_time(count: int, server: float, downlink: float) -> None:
    """A4: max(N F/u_s, F/d), reached when all viewers request all segments at once."""
    length = 60.0
    scenario = VOD.replace(
        {
            "policy.name": "http-only",
            "viewers.count": count,
            "viewers.arrival_period": "0 s",
            "duration": 1000.0,
            "stream.length": length,
            "access.downlink": downlink * RATE,
            "origin.rate": server * RATE,
            "player.buffer": "1000 s",
            "policy.highDemandTimeWindow": "1000 s",
        }
    )
    moved = traced(run(scenario, events=True))["transfers"]
    expected = max(count * length / server, length / downlink)
    assert moved["ended_at"].max() == pytest.approx(expected, abs=0.05)
    assert moved["bytes"].sum() == count * length * RATE


@pytest.mark.parametrize("uplink", [0.5, 2.0, 1000.0])
@pytest.mark.parametrize("segment", [2.0, 10.0])
def test_peers_do_not_beat_the_distribution_time(uplink: float, segment: float) -> None:
    """A4: max(F/u_s, F/d, N F/(u_s + Σu)) at least, whatever the size of the pieces; and faster than a server alone."""
    length, count, server, downlink = 60.0, 20, 4.0, 20.0
    scenario = VOD.replace(
        {
            "viewers.count": count,
            "viewers.arrival_period": "0 s",
            "duration": 400.0,
            "stream.segment": segment,
            "stream.length": length,
            "access.uplink": uplink * RATE,
            "access.downlink": downlink * RATE,
            "origin.rate": server * RATE,
            "player.buffer": "1000 s",
        }
    )
    trace = traced(run(scenario, events=True))
    assert len(trace["segments"]) == count * length / segment
    took = trace["segments"]["completed_at"].max()
    least = max(length / server, length / downlink, count * length / (server + count * uplink))
    assert took >= least
    if uplink >= 2:
        assert took < count * length / server
