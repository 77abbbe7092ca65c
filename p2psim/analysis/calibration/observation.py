"""What a trace shows of the network by itself: transfers that nothing else held back, connections as they were made.

Only rows are taken whose time can be told from the trace alone. A transfer counts where its sender sent nothing else
meanwhile and its receiver's downlink had room for all that came; so its rate is known, and what its time has above
is the network's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from p2psim.scenario import Scenario
from p2psim.trace import Trace

__all__ = ["STARTUP_PARTS", "Observed", "observe", "startup_parts"]

STARTUP_PARTS = ("first_request", "first_segment", "first_frame")

_FULL = 0.9
"""Share of a downlink up to which concurrent transfers are taken not to hold each other back."""
_LEAST_BYTES = 20_000
"""Shorter transfers are what was left of a segment; their time is mostly that of waking up."""
_LATE = 2.0
"""Times that late bytes may take longer than alone on their link, where no event says when they came."""
_HOPS = 4
"""Between a viewer and the tracker, from the offer to its answer."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observed:
    """Rows of all traces, each with `trace` and `viewer`; times in seconds.

    `transfers`: source, `time` from request to last byte less round trip or the origin's latency, `link` that the bytes
    take on the slowest link, `bytes`, `rtt`. `connections`: `making` of an offer or an answer (NaN where the trace does
    not tell when the answer came), `opening` from the answer to the open channel, `whole` from the offer to it less the
    hops to the tracker, `rtt`, `relayed`.
    """

    transfers: pd.DataFrame
    connections: pd.DataFrame


def observe(traces: Sequence[Trace], actor: str = "") -> Observed:
    """Take what can be read off the traces; with `actor` only what viewers of that kind did among themselves."""
    transfers: list[pd.DataFrame] = []
    connections: list[pd.DataFrame] = []
    for number, trace in enumerate(traces):
        for found, rows in ((transfers, _transfers(trace, actor)), (connections, _connections(trace, actor))):
            found.append(rows.assign(trace=number))
    return Observed(pd.concat(transfers, ignore_index=True), pd.concat(connections, ignore_index=True))


def startup_parts(trace: Trace) -> dict[str, float]:
    """Mean seconds of the parts of the start-up: to the first request, its loading, and then to the first frame."""
    joined = trace["viewers"].set_index("viewer")["joined_at"]
    asked = trace["transfers"].groupby("viewer")["started_at"].min()
    loaded = trace["segments"].groupby("viewer")["completed_at"].min()
    states = trace["playback"]
    shown = states[states["state"] == "playing"].groupby("viewer")["at"].min()
    parts = asked - joined, loaded - asked, shown - loaded
    return {name: float(part.mean()) for name, part in zip(STARTUP_PARTS, parts, strict=True)}


def _transfers(trace: Trace, actor: str) -> pd.DataFrame:
    columns = ["viewer", "source", "time", "link", "bytes", "rtt"]
    if not _links_are_known(trace.scenario):
        return pd.DataFrame({name: pd.Series(dtype=str if name in columns[:2] else float) for name in columns})
    rows = _with_rates(trace)
    alone = rows[_unhindered(rows, trace["viewers"].set_index("viewer")["downlink"])]
    alone = alone[(alone["outcome"] == "completed") & (alone["bytes"] >= _LEAST_BYTES) & ~alone["relayed"]]
    alone = _of_actor(trace, alone, actor, "from_viewer")
    p2p = alone["source"] == "p2p"
    rtt = trace.scenario.network.rtt
    beforehand = np.where(p2p, rtt, trace.scenario.origin.time_to_first_byte)
    return alone.assign(
        time=alone["ended_at"] - alone["started_at"] - beforehand,
        link=alone["bytes"] / alone["rate"],
        rtt=rtt,
    )[columns]


def _links_are_known(scenario: Scenario) -> bool:
    """Whether every transfer crosses one uplink or the origin's, and one downlink, at one round trip."""
    plain = Scenario()
    shared = ("household", "neighbourhood", "carrier", "regions", "devices", "cdn", "relay", "hybrid", "faults")
    return scenario.network.rtt_spread == 0 and all(getattr(scenario, x) == getattr(plain, x) for x in shared)


def _with_rates(trace: Trace) -> pd.DataFrame:
    """Give the transfers with the rate that each would have alone, and a sender's name for those of the origin."""
    rows, people = trace.with_defaults("transfers"), trace["viewers"].set_index("viewer")
    origin = trace.scenario.origin
    p2p = rows["source"] == "p2p"
    sends = rows["from_viewer"].map(people["uplink"]).where(p2p, min(origin.rate, origin.rate_per_connection))
    rate = np.minimum(sends, rows["viewer"].map(people["downlink"]).astype(float))
    ended = rows["ended_at"].fillna(trace.manifest.duration)
    until = ended + _LATE * rows["late_bytes"] / rate  # what comes after a cancellation takes the link as well
    return rows.assign(rate=rate, sender=rows["from_viewer"].where(p2p, " origin"), until=until)


def _unhindered(rows: pd.DataFrame, downlink: pd.Series) -> NDArray[np.bool_]:
    """Mark transfers whose sender had no other, and whose receiver had room for all that came meanwhile."""
    free = np.ones(len(rows), bool)
    begin, end, rate = (rows[name].to_numpy(float) for name in ("started_at", "until", "rate"))
    for mine in rows.groupby("sender").indices.values():
        free[mine] &= _overlapping(begin[mine], end[mine], np.ones(len(mine))) == 0
    for viewer, mine in rows.groupby("viewer").indices.items():
        room = _FULL * float(downlink[str(viewer)]) - rate[mine]
        others = _overlapping(begin[mine], end[mine], rate[mine])
        free[mine] &= (others == 0) | (others <= room)
    return free


def _overlapping(begin: Floats, end: Floats, weight: Floats) -> Floats:
    """Sum the weights of the other intervals that meet each interval."""
    meets = (begin[:, None] < end[None, :]) & (begin[None, :] < end[:, None])
    np.fill_diagonal(meets, False)
    found: Floats = np.where(meets, weight[None, :], 0.0).sum(axis=1)
    return found


def _connections(trace: Trace, actor: str) -> pd.DataFrame:
    rows = trace.with_defaults("connections")
    rows = rows[(rows["outcome"] == "open") & rows["opened_at"].notna()]
    rows = _of_actor(trace, rows, actor, "other")
    scenario = trace.scenario
    if scenario.network.rtt_spread > 0 or scenario.regions.mix:
        rows = rows[:0]
    answered = rows["answered_at"]
    hops = _HOPS * scenario.tracker.one_way_delay
    return pd.DataFrame(
        {
            "viewer": rows["viewer"],
            "making": (answered - rows["initiated_at"] - hops) / 2,
            "opening": rows["opened_at"] - answered,
            "whole": rows["opened_at"] - rows["initiated_at"] - hops,
            "rtt": scenario.network.rtt,
            "relayed": rows["path"] == "relay",
        }
    )


def _of_actor(trace: Trace, rows: pd.DataFrame, actor: str, other: str) -> pd.DataFrame:
    if not actor:
        return rows
    kind = trace["viewers"].set_index("viewer")["actor"]
    far = rows[other].map(kind).fillna(actor)  # the origin is of no kind
    return rows[(rows["viewer"].map(kind) == actor) & (far == actor)]
