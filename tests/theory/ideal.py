"""Scenario with the conditions of the closed forms: no delays, wide links, HTTP as the last resort."""

from typing import Any

import pandas as pd

from p2psim.scenario import Scenario
from p2psim.simulation import Run
from p2psim.trace import Trace

__all__ = ["IDEAL", "RATE", "VOD", "copies", "traced"]

RATE = 125_000.0
"""Bitrate of the ideal stream, bytes/s."""

IDEAL = Scenario(name="ideal").replace(
    {
        "duration": "300 s",
        "stream.bitrate": RATE,
        "stream.segment": "2 s",
        "stream.live_latency": "40 s",
        "stream.playlist_segments": 30,
        "viewers.arrival_period": "1.7 s",
        "viewers.crash_share": 0.0,
        "access.uplink": "unlimited",
        "access.downlink": "unlimited",
        "nat.mix": "open",
        "tracker.interval": "1000000 s",  # every viewer announces itself once
        "tracker.offers": 20,  # as many as the tracker passes on
        "tracker.one_way_delay": "1 ms",
        "origin.time_to_first_byte": "1 ms",
        "network.gather": "0 s",
        "network.rtt": "0.1 ms",
        "network.handshake_trips": 0.0,
        "network.window": "unlimited",
        "network.goodput": 1.0,
        "network.backlog": 0.0,
        "player.buffer": "4 s",
        "player.tick_interval": "0.5 s",
        "player.update_interval": "0.5 s",
        "policy.highDemandTimeWindow": "1 s",
        "policy.announcementBlocks": "fixed",  # 2.3 falls silent after 256 segments
    }
)

VOD = IDEAL.replace({"stream.kind": "vod"})


def traced(result: Run) -> Trace:
    """Return the trace of a run that kept its events."""
    assert result.trace is not None
    return result.trace


def copies(trace: Trace, begin: float, end: float) -> float:
    """Return the copies that the origin sent of a segment, mean over the segments due between two times."""
    due = trace["segments"].query("@begin <= due_at < @end")
    wanted: Any = due["segment"].unique()
    http: pd.DataFrame = trace["transfers"].query("source == 'http' and segment in @wanted")
    return float(http["bytes"].sum() / due["size"].iloc[0] / len(wanted))
