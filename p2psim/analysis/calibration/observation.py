"""Observations of the network in traces: transfers without competition, and set-up times of connections.

Only rows are used whose expected duration follows from the trace alone. A transfer is used if its sender sent nothing
else meanwhile and the receiver's downlink had capacity for all concurrent transfers: its rate is then known, and the
rest of its duration is overhead of the network.
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
"""Successive parts of the start-up, each ending with the event of its name."""

_FULL = 0.9
"""Utilization of a downlink up to which concurrent transfers are assumed not to delay each other."""
_LEAST_BYTES = 20_000
"""Bytes of a transfer that is used; shorter ones are rests of segments and take mostly process wake-up time."""
_LATE = 2.0
"""Factor by which late bytes may take longer than alone on their link; no event records when they arrive."""
_HOPS = 4
"""One-way trips between viewers and tracker from sending an offer to receiving its answer."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observed:
    """Observations of all traces; every row has `trace` (index) and `viewer`, times are in seconds.

    `transfers`: `source`, `time` from request to last byte minus the round trip or the origin's latency, `link` (time
    of the bytes on the slowest link), `bytes`, `rtt`. `connections`: `making` (creation of an offer or an answer; NaN
    if the trace does not record when the answer arrived), `opening` (from the answer to the open channel), `whole`
    (from the offer to the open channel minus the trips to the tracker), `rtt`, `relayed`.
    """

    transfers: pd.DataFrame
    connections: pd.DataFrame


def observe(traces: Sequence[Trace], actor: str = "") -> Observed:
    """Return the observations of traces; with `actor`, only exchange among viewers of that kind."""
    transfers: list[pd.DataFrame] = []
    connections: list[pd.DataFrame] = []
    for number, trace in enumerate(traces):
        transfers.append(_transfers(trace, actor).assign(trace=number))
        connections.append(_connections(trace, actor).assign(trace=number))
    return Observed(pd.concat(transfers, ignore_index=True), pd.concat(connections, ignore_index=True))


def startup_parts(trace: Trace) -> dict[str, float]:
    """Return the mean seconds of the parts of the start-up (`STARTUP_PARTS`)."""
    joined = trace["viewers"].set_index("viewer")["joined_at"]
    requested = trace["transfers"].groupby("viewer")["started_at"].min()
    loaded = trace["segments"].groupby("viewer")["completed_at"].min()
    states = trace["playback"]
    shown = states[states["state"] == "playing"].groupby("viewer")["at"].min()
    parts = requested - joined, loaded - requested, shown - loaded
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
    """Return whether every transfer crosses one uplink (or the origin's) and one downlink, with one round-trip time."""
    plain = Scenario()
    shared = ("household", "neighbourhood", "carrier", "regions", "devices", "cdn", "relay", "hybrid", "faults")
    return scenario.network.rtt_spread == 0 and all(getattr(scenario, x) == getattr(plain, x) for x in shared)


def _with_rates(trace: Trace) -> pd.DataFrame:
    """Return the transfers with `rate` (without competition), `sender` (of HTTP too) and `until` (of the last byte)."""
    rows, people = trace.with_defaults("transfers"), trace["viewers"].set_index("viewer")
    origin = trace.scenario.origin
    p2p = rows["source"] == "p2p"
    sends = rows["from_viewer"].map(people["uplink"]).where(p2p, min(origin.rate, origin.rate_per_connection))
    rate = np.minimum(sends, rows["viewer"].map(people["downlink"]).astype(float))
    ended = rows["ended_at"].fillna(trace.manifest.duration)
    until = ended + _LATE * rows["late_bytes"] / rate  # late bytes of a cancelled transfer use the link as well
    return rows.assign(rate=rate, sender=rows["from_viewer"].where(p2p, " origin"), until=until)


def _unhindered(rows: pd.DataFrame, downlink: pd.Series) -> NDArray[np.bool_]:
    """Return which transfers had a sender without other transfers, and a receiver with spare downlink capacity."""
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
    """Return for each interval the sum of the weights of the other intervals that overlap it."""
    meets = (begin[:, None] < end[None, :]) & (begin[None, :] < end[:, None])
    np.fill_diagonal(meets, False)
    sums: Floats = np.where(meets, weight[None, :], 0.0).sum(axis=1)
    return sums


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
    other_kind = rows[other].map(kind).fillna(actor)  # the origin has no kind
    return rows[(rows["viewer"].map(kind) == actor) & (other_kind == actor)]
