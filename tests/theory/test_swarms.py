"""Copies of a segment that the origin sends: one per swarm, and those of viewers who fetch at the same time."""

import math

import networkx as nx
import numpy as np
import pytest

from p2psim.simulation import run
from p2psim.trace import Trace
from tests.theory.ideal import IDEAL, RATE, VOD, copies, traced
from tests.theory.statistics import agree


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10])
def test_one_copy_per_swarm(count: int) -> None:
    """B3: n viewers of one stream save (n - 1)/n; a second copy of 3 % of the segments is accepted."""
    trace = traced(run(IDEAL.replace({"viewers.count": count}), events=True))
    offload = 1 - copies(trace, 60, 280) / count
    assert 1 - 1.03 / count <= offload <= 1 - 1 / count


def test_renditions_split_a_swarm() -> None:
    """B3: viewers who cannot use each other's segments are swarms of their own: 10 as 5 + 3 + 2 save 70 %."""
    sent = sum(copies(traced(run(IDEAL.replace({"viewers.count": n}), events=True)), 60, 280) for n in (5, 3, 2))
    assert 1 - sent / 10 == pytest.approx(0.7, abs=0.01)


def components(trace: Trace) -> int:
    graph = nx.Graph()
    graph.add_nodes_from(trace["viewers"]["viewer"])
    graph.add_edges_from(trace["connections"].query("outcome == 'open'")[["viewer", "other"]].to_numpy())
    return int(nx.number_connected_components(graph))


@pytest.mark.slow
@pytest.mark.parametrize(("count", "link", "offload"), [(2, 0.7, 0.35), (3, 0.7, 0.5857), (4, 0.7, 0.7202)])
def test_one_copy_per_component_of_random_links(count: int, link: float, offload: float) -> None:
    """B3: each pair links with probability p, once; what is saved is 1 - E[components]/n, by enumeration of graphs.

    A viewer two links away from a copy may fetch the segment before it arrives: 0.1 copies are accepted.
    """
    scenario = IDEAL.replace(
        {"viewers.count": count, "nat.failure": 1 - link, "duration": 110.0, "stream.segment": 4.0}
    )
    parts, sent = [], []
    for replication in range(50):
        trace = traced(run(scenario, replication=replication, events=True))
        assert len(trace["connections"]) == math.comb(count, 2)
        parts.append(components(trace))
        sent.append(copies(trace, 50, 100))
    assert (np.array(sent) >= parts).all()
    assert np.mean(sent) <= np.mean(parts) + 0.1
    agree(1 - np.array(sent) / count, offload, within=0.45, bias=0.1 / count)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "share"), [(2, 0.1), (5, 0.1), (10, 0.1), (10, 0.05), (5, 0.3)])
def test_copies_by_viewers_who_cannot_know_of_each_other(count: int, share: float) -> None:
    """C1: viewers U(0, W) apart, news of a fetch after δ: 1 + n x - x^n copies with x = δ/W.

    A recording of two segments, the second wanted when playback comes near it, and fetched in δ: only then can others
    have it. The window of high demand is longer than δ, so that nobody stalls and all stay U(0, W) apart.
    """
    spread, length = 100.0, 120.0
    fetch = share * spread
    scenario = VOD.replace(
        {
            "viewers.count": count,
            "viewers.arrival_period": spread,
            "duration": 220.0 + fetch,
            "stream.segment": length,
            "stream.length": 2 * length,
            "player.buffer": "1 s",
            "policy.highDemandTimeWindow": fetch + 5,
            "policy.httpDownloadTimeWindow": "0 s",  # no random prefetch
            "tracker.heartbeat": "1000 s",
            "origin.rate_per_connection": RATE * length / fetch,
            "origin.time_to_first_byte": "0 s",
        }
    )
    found = []
    for replication in range(200):
        viewers = run(scenario, replication=replication).totals.viewers
        found.append(viewers["http_transfers"].sum() - count)
    agree(found, 1 + count * share - share**count, within=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "nobody"), [(2, 0.25), (5, 0.3277), (10, 0.3487)])
def test_nobody_prefetches_in_a_round(count: int, nobody: float) -> None:
    """C2: each of n fetches with probability 1/n in a round: nobody does in (1 - 1/n)^n of the rounds.

    The first round of viewers who come together is at the same time for all, so that none knows of the others'.
    """
    scenario = VOD.replace(
        {
            "viewers.count": count,
            "viewers.arrival_period": "0 s",
            "duration": "1.1 s",
            "stream.segment": "60 s",
            "stream.length": "120 s",
        }
    )
    fetched = []
    for replication in range(400):
        totals = run(scenario, replication=replication).totals
        fetched.append(totals.viewers["http_transfers"].sum() - count)
    assert min(fetched) >= 0
    agree(np.array(fetched) == 0, nobody, within=0.4)
    agree(fetched, 1.0, within=0.2)


@pytest.mark.parametrize(("count", "first"), [(2, 3), (3, 3), (3, 2)])
def test_first_segments_come_from_the_origin(count: int, first: int) -> None:
    """B3: what is in the window of high demand at the start comes over HTTP, k of L/D segments: (1 - kD/L)(1 - 1/n).

    One of the other segments may be fetched twice.
    """
    length, whole = 10.0, 300.0
    scenario = VOD.replace(
        {
            "viewers.count": count,
            "viewers.arrival_period": "0.4 s",
            "duration": whole + 5,
            "stream.segment": length,
            "stream.length": whole,
            "policy.highDemandTimeWindow": (first - 1) * length + 0.5,
        }
    )
    viewers = run(scenario).totals.viewers
    offload = 1 - viewers["bytes_http"].sum() / viewers["bytes_played"].sum()
    assert offload == pytest.approx((1 - first * length / whole) * (1 - 1 / count), abs=1.5 * length / whole / count)
