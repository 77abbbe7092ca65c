"""Effect of more peers: p2p-media-loader 2.3 prefetches over HTTP later with more peers, so the share is lower."""

from functools import cache

import pandas as pd
import pytest

from p2psim import Scenario
from p2psim.analysis.metrics import metrics
from p2psim.simulation import run

LATE = 600.0
"""Seconds after which viewers have most of their peers."""
WINDOW = 15.0


@cache
def _figures(peers: int, uplink: str) -> dict[str, float]:
    changes = {
        "viewers.count": 80,
        "stream.live_latency": "36 s",
        "duration": LATE + 90,
        "warmup": LATE,
        "nat.mix": "open",
    }
    scenario = Scenario.load("c01-share").replace({**changes, "policy.maxPeers": peers, "access.uplink": uplink})
    made = run(scenario, seed=1, replication=0, events=True)
    assert made.trace is not None
    transfers = made.trace["transfers"]
    late = transfers[transfers["started_at"] > LATE].merge(
        made.trace["segments"][["viewer", "segment", "due_at"]], on=["viewer", "segment"]
    )
    ahead = late[(late["source"] == "http") & (late["due_at"] - late["started_at"] > WINDOW + 0.5)]
    p2p = late[late["source"] == "p2p"]
    return {
        "share": metrics(made.totals)["p2p_ratio"],
        "copies": _copies(ahead),
        "completed": float((p2p["outcome"] == "completed").mean()),
    }


def _copies(ahead: pd.DataFrame) -> float:
    """Return the mean number of viewers that prefetch a segment over HTTP."""
    return float(ahead.groupby("segment").size().mean())


@pytest.mark.slow
def test_with_more_peers_fewer_copies_are_there_early() -> None:
    few, many = _figures(6, "10 Mbit/s"), _figures(40, "10 Mbit/s")
    # a copy for each viewer in (1 + peers / 2) s: 4 s with six, 21 s with forty
    assert few["copies"] > 2 * many["copies"]


@pytest.mark.slow
def test_then_thin_uplinks_are_spread_over_all_who_ask() -> None:
    few, many = _figures(6, "10 Mbit/s"), _figures(40, "10 Mbit/s")
    assert few["share"] > many["share"] + 0.2
    assert few["completed"] > 2 * many["completed"]


@pytest.mark.slow
@pytest.mark.parametrize("peers", [6, 40])
def test_wide_uplinks_carry_any_number_of_peers(peers: int) -> None:
    assert _figures(peers, "200 Mbit/s")["share"] > 0.8
