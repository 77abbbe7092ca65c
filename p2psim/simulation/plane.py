"""Everything that the data plane remembers, as arrays allocated once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from p2psim.bundle import Bundle
from p2psim.network.sharing import Network
from p2psim.policy.state import Loaders, Options, Timeline

__all__ = [
    "AWAY",
    "BIN_HTTP",
    "BIN_ORIGIN",
    "BIN_P2P",
    "BIN_PEERS",
    "BIN_STALLED",
    "BIN_VIEWERS",
    "CONNECTION",
    "CRASHED",
    "ENDED",
    "EVENT",
    "FETCH",
    "GONE",
    "KEPT",
    "N_CONNECTIONS",
    "N_DIRTY",
    "N_EVENTS",
    "N_HANDLED",
    "N_PASSES",
    "N_PLAYED",
    "N_SERIAL",
    "N_STATES",
    "N_TRANSFERS",
    "PLAYED",
    "PLAYING",
    "SEAT",
    "STALLED",
    "STARTING",
    "STATE",
    "TRANSFER",
    "XFER",
    "Plane",
    "Settings",
]

AWAY, STARTING, PLAYING, STALLED, ENDED, GONE, CRASHED = range(7)
"""States of a viewer."""

EVENT = np.dtype([("at", "f8"), ("serial", "i8"), ("kind", "i4"), ("viewer", "i4"), ("a", "i4"), ("b", "i4")])

SEAT = np.dtype(
    [
        # what events and neighbours look at most, on one cache line
        ("border_at", "f8"),  # when the playhead will be reported at `border`
        ("urgent_at", "f8"),  # when the pass for that is scheduled
        ("check_at", "f8"),  # when the player is to look at its buffer again
        ("passed", "f8"),  # time of the last queue pass
        ("anchor", "f8"),  # when the playhead was at `position` and began to move
        ("position", "f8"),
        ("busy", "i8"),  # a bit for each row of transfers in use (rules.MAX_DOWNLOADS)
        ("state", "i4"),
        ("dirty", "i4"),  # a queue pass is due
        # the player
        ("buffer_end", "f8"),  # media time up to which the player holds all segments
        ("border", "f8"),  # playhead position at which the next segment enters a window
        ("updates_from", "f8"),  # first time update of the media element
        ("next", "i8"),  # segment that the player wants next
        ("joined_at", "f8"),
        ("origin_index", "i8"),  # segment with which play (re)began
        ("stall_began", "f8"),
        ("stalled", "f8"),
        # the account
        ("left_at", "f8"),
        ("first_frame", "f8"),
        ("played", "f8"),  # media seconds played up to the anchor
        ("played_http", "f8"),
        ("played_p2p", "f8"),
        ("bytes_http", "f8"),
        ("bytes_p2p", "f8"),
        ("bytes_up", "f8"),
        ("http_wait", "f8"),
        ("http_time", "f8"),
        ("http_transfers", "i8"),
        ("p2p_wait", "f8"),
        ("p2p_time", "f8"),
        ("p2p_transfers", "i8"),
        ("latency_sum", "f8"),
        ("latency_ticks", "i8"),
        ("peers_sum", "f8"),
        ("ticks", "i8"),
        ("stalls", "i8"),
        ("failures", "i8"),
        ("unused", "f8", (4,)),
    ]
)

XFER = np.dtype(
    [
        ("started_at", "f8"),
        ("first_byte_at", "f8"),
        ("asked", "f8"),  # bytes asked for
        ("booked", "f8"),  # bytes entered in the time line so far
        ("checked", "f8"),  # bytes there at the last check for progress
        ("segment", "i8"),
        ("other", "i8"),  # who sends; -1: the origin
        ("first_byte", "i8"),
        ("serial", "i8"),  # tells this use of the row from earlier ones
        ("state", "i8"),  # 0 free, 1 asked, 2 flowing
        ("source", "i8"),
    ]
)

KEPT = np.dtype([("http", "f4"), ("p2p", "f4"), ("told", "u1"), ("unused", "u1", (3,))])
"""Of a segment in a slot: its bytes by source, and what neighbours were told."""

FETCH = np.dtype([("asked_at", "f8"), ("done_at", "f8")])
"""Of a segment in a slot: first attempt and completion; kept where every event is logged."""

TRANSFER = np.dtype(
    [
        ("viewer", "i4"),
        ("segment", "i4"),
        ("source", "i4"),
        ("other", "i4"),
        ("started_at", "f8"),
        ("first_byte_at", "f8"),
        ("ended_at", "f8"),
        ("bytes", "f8"),
        ("first_byte", "i4"),
        ("outcome", "i4"),
    ]
)
PLAYED = np.dtype(
    [
        ("viewer", "i4"),
        ("segment", "i4"),
        ("asked_at", "f8"),
        ("done_at", "f8"),
        ("due_at", "f8"),
        ("played_at", "f8"),
        ("http", "f8"),
        ("p2p", "f8"),
    ]
)
STATE = np.dtype(
    [("viewer", "i4"), ("state", "i4"), ("at", "f8"), ("position", "f8"), ("buffer", "f8"), ("latency", "f8")]
)
CONNECTION = np.dtype([("a", "i4"), ("b", "i4"), ("at", "f8"), ("change", "i4"), ("unused", "i4")])

N_EVENTS, N_SERIAL, N_DIRTY, N_TRANSFERS, N_PLAYED, N_STATES, N_CONNECTIONS, N_PASSES, N_HANDLED = range(9)
"""Places in `Plane.counts`."""

BIN_VIEWERS, BIN_STALLED, BIN_PEERS, BIN_HTTP, BIN_P2P, BIN_ORIGIN = range(6)
"""Columns of `Plane.bins`."""


class Settings(Bundle):
    """Numbers of the scenario, canonical units."""

    live: bool
    segment: float
    size: float  # bytes of a segment
    window: int
    latency: float
    origin_latency: float
    origin_rate: float  # of one connection
    rtt: float
    rtt_spread: float
    rtt_key: int
    channel_window: float
    channel_rate: float
    goodput: float
    request: float
    chunk: float
    buffer: float
    tick: float
    update: float
    warmup: float
    rows: int  # transfers a viewer may have at once
    origin: int  # link of the origin
    events: bool  # whether to log every event


class Plane(Bundle):
    """The data plane."""

    L: Loaders
    N: Network
    o: Options
    T: Timeline
    s: Settings
    seat: Any  # (viewers,)
    xfer: Any  # (viewers × rows,)
    kept: Any  # (viewers, slots)
    fetch: Any  # (viewers, slots), or (1, 1) where events are not logged
    calendar: Any  # heap of events
    counts: NDArray[np.int64]
    clock: NDArray[np.float64]  # now; time of the next event
    dirty: NDArray[np.int64]
    bins: NDArray[np.float64]  # (seconds, 6): viewers, stalled, connections, http, p2p, origin
    out: NDArray[np.int64]
    scratch: NDArray[np.int64]
    path: NDArray[np.int64]
    transfers: Any  # logs, drained by the control plane
    played: Any
    states: Any
    connections: Any
