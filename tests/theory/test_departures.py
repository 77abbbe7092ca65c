"""Viewers who leave: their stale entries in the tracker, and their aborted transfers."""

import math

import pytest
import simpy
from scipy.integrate import quad
from scipy.optimize import brentq

from p2psim.simulation import Control, run
from tests.theory.ideal import IDEAL, RATE, traced
from tests.theory.statistics import agree, ratio

PING = 25.0


def stale_time(viewing: float, timeout: float, crashes: float, offers: int) -> float:
    """Return the mean time for which the tracker lists a viewer that has left, seconds.

    The entry is dropped `timeout` after the last sign of life, and half a sweep. Signs of life, looking back from the
    departure, are the joining (exponential), the tracker's pings (every 25 s, with a random phase), and answers to
    offers, which each listed entry gets at the rate offers/(viewing + stale time): arrivals replace viewers.
    """

    def age(rate: float) -> float:
        return float(quad(lambda t: (1 - t / PING) * math.exp(-t * rate), 0, PING)[0])

    def excess(stale: float) -> float:
        return crashes * (timeout + 0.5 - age(1 / viewing + offers / (viewing + stale))) - stale

    return float(brentq(excess, 0, timeout))


@pytest.mark.slow
@pytest.mark.parametrize(("viewing", "timeout", "crashes"), [(150, 60, 1.0), (150, 60, 0.3), (60, 120, 1.0)])
def test_stale_entries_follow_the_heartbeat(viewing: float, timeout: float, crashes: float) -> None:
    """E1: of the offers, g/(g + S) go to viewers who are gone, g being the time that an entry outlives its viewer."""
    scenario = IDEAL.replace(
        {
            "duration": "900 s",
            "viewers.arrivals": "poisson",
            "viewers.count": 150,
            "viewers.arrival_period": "0 s",
            "viewers.mean_viewing_time": viewing,
            "viewers.crash_share": crashes,
            "tracker.heartbeat": timeout,
            "tracker.offers": 5,
            "stream.segment": "60 s",
            "stream.live_latency": "60 s",
            "player.tick_interval": "5 s",
            "player.update_interval": "5 s",
            "policy.simultaneousP2PDownloads": 0,
        }
    )
    stale, relayed = [], []
    for replication in range(10):
        counts: list[tuple[int, int]] = []

        def settled(control: Control, counts: list[tuple[int, int]] = counts) -> None:
            def wait() -> simpy.events.ProcessGenerator:
                yield control.env.timeout(2.5 * timeout)
                counts.append((control.signalling.stale_offers, control.signalling.live_offers))

            control.env.process(wait())

        result = run(scenario, replication=replication, prepare=settled)
        gone, live = result.stale_offers - counts[0][0], result.live_offers - counts[0][1]
        stale.append(gone)
        relayed.append(gone + live)
    listed = stale_time(viewing, timeout, crashes, 5)
    agree(ratio(stale, relayed), listed / (listed + viewing), within=0.25)


@pytest.mark.slow
@pytest.mark.parametrize(("viewing", "takes"), [(60.0, 4.0), (30.0, 4.0)])
def test_transfers_end_with_their_uploader(viewing: float, takes: float) -> None:
    """E2: an uploader leaves during a transfer of τ with probability 1 - e^(-τ/S), and so does its receiver.

    So e^(-2τ/S) of the transfers come to their end; they fail at the rate 1/S for as long as they last.
    """
    scenario = IDEAL.replace(
        {
            "duration": "200 s",
            "viewers.arrivals": "poisson",
            "viewers.count": 25,
            "viewers.arrival_period": "0 s",
            "viewers.mean_viewing_time": viewing,
            "stream.segment": "10 s",
            "stream.playlist_segments": 10,
            "stream.live_latency": "90 s",
            "network.channel_rate": RATE * 10 / takes,
        }
    )
    failed, lasted, completed, begun = [], [], [], []
    for replication in range(12):
        moved = traced(run(scenario, replication=replication, events=True))["transfers"]
        moved = moved.query("source == 'p2p' and first_byte == 0 and started_at < 190")
        whole = moved.query("outcome == 'completed'")
        assert (whole["ended_at"] - whole["started_at"] - takes).abs().max() < 1e-3
        failed.append((moved["outcome"] == "failed").sum())
        completed.append((moved["outcome"] == "completed").sum())
        begun.append(len(moved))
        lasted.append((moved["ended_at"] - moved["started_at"]).sum())
    agree(ratio(failed, lasted), 1 / viewing, within=0.5)
    agree(ratio(completed, begun), math.exp(-2 * takes / viewing), within=0.08)
