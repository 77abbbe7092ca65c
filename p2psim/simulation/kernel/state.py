"""Everything that the data plane remembers, as arrays allocated once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from p2psim.bundle import Bundle
from p2psim.network.max_min_sharing import Network
from p2psim.policy.state import Commands, Loaders, Options, Timeline

__all__ = [
    "AWAY",
    "BANDWIDTH_METER",
    "BINS",
    "BIN_FAR",
    "BIN_FILLED",
    "BIN_HTTP",
    "BIN_ORIGIN",
    "BIN_P2P",
    "BIN_PEERS",
    "BIN_RELAYED",
    "BIN_SECOND",
    "BIN_STALLED",
    "BIN_VIEWERS",
    "CACHED",
    "CONNECTION_LOG",
    "CRASHED",
    "ENDED",
    "EVENT",
    "FETCH",
    "GONE",
    "HEAP_EVENT",
    "LOCATION",
    "N_BLOCKS",
    "N_BLOCKS_HELD",
    "N_BUCKET",
    "N_CONNECTIONS",
    "N_COUNTS",
    "N_EVENTS",
    "N_FREE_BLOCK",
    "N_FREE_ROWS",
    "N_HANDLED",
    "N_HEAP",
    "N_PASSES",
    "N_PASSES_DUE",
    "N_PLAYED",
    "N_SERIAL",
    "N_STATES",
    "N_SWITCHED",
    "N_TRANSFERS",
    "N_TRANSFER_ROWS",
    "PLAYED_LOG",
    "PLAYING",
    "STALLED",
    "STARTING",
    "STATE_LOG",
    "TRANSFER",
    "TRANSFER_LOG",
    "VIEWER_STATE",
    "VIEWER_TOTALS",
    "KernelState",
    "Settings",
]

AWAY, STARTING, PLAYING, STALLED, ENDED, GONE, CRASHED = range(7)
"""States of a viewer."""

EVENT = np.dtype(
    [
        ("at", "f8"),
        ("order", "i8"),  # of scheduling; the lowest four bits are the kind
        ("viewer", "i4"),
        ("a", "i4"),  # in the first row of a block, which another is: see `p2psim.simulation.kernel.event_queue`
        ("b", "i4"),
    ]
)
HEAP_EVENT = np.dtype([*EVENT.descr, ("unused", "i4")])
"""The same in the heap, whose rows are copied all the time: two of them are a cache line."""

VIEWER_STATE = np.dtype(
    [
        # what events and neighbours look at most, on one cache line
        ("border_at", "f8"),  # when the playhead will be reported at `border`
        ("urgent_at", "f8"),  # when the pass for that is scheduled
        ("buffer_check_at", "f8"),  # when the player is to look at its buffer again
        ("wake_at", "f8"),  # when the loader is to be looked at again
        ("last_pass_at", "f8"),  # time of the last queue pass
        ("anchor", "f8"),  # when the playhead was at `position` and began to move
        ("position", "f8"),
        ("busy", "i8"),  # a bit for each place in `KernelState.row` in use (rules.MAX_DOWNLOADS)
        ("state", "i4"),
        ("pass_due", "i4"),  # a queue pass is due
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
        ("retry_at", "f8"),  # when the player asks again for a segment that it was refused
        ("channel", "i4"),
        ("level", "i4"),
        ("channel_epoch", "i4"),  # tells this channel's events from those of channels before
        ("swarm_epoch", "i4"),  # tells this swarm's news from those of swarms before
        ("role", "i4"),  # index into ROLES
        ("poisoned", "i4"),  # segments played that were not the origin's
        ("late_places", "i8"),  # a bit for each place whose transfer's late bytes may still come
    ]
)

VIEWER_TOTALS = np.dtype(
    [
        ("bytes_relayed", "f8"),
        ("bytes_far", "f8"),  # from other regions
        ("zapped_at", "f8"),
        ("zap_wait", "f8"),  # from zapping to the first frame, summed up
        ("switches", "i4"),  # of quality
        ("zaps", "i4"),
    ]
)
"""The part of a viewer's account that is written seldom."""

LOCATION = np.dtype(
    [
        ("up", "i4"),  # links, -1 for none
        ("down", "i4"),
        ("shared_up", "i4"),
        ("shared_down", "i4"),
        ("crypto", "i4"),
        ("edge", "i4"),
        ("region", "i4"),
        ("home", "i4"),
    ]
)
"""Where a viewer is in the network."""

BANDWIDTH_METER = np.dtype(
    [
        ("got", "f8"),  # bytes of transfers that ended
        ("loading", "f8"),  # seconds in which anything was loading, up to `since`
        ("since", "f8"),  # when the first of what is loading now was asked for
        ("last_received", "f8"),  # the same at the last look
        ("last_loading", "f8"),
    ]
)
"""What a viewer's bandwidth is measured by."""

CACHED = np.dtype([("ready_at", "f8"), ("last_used_at", "f8"), ("size", "f8"), ("segment", "i8")])
"""An object at an edge: complete from `ready` on, asked for at `used` last; segment -1: none."""

TRANSFER = np.dtype(
    [
        ("started_at", "f8"),
        ("first_byte_at", "f8"),
        ("asked", "f8"),  # bytes asked for
        ("booked_bytes", "f8"),  # bytes entered in the time line so far
        ("checked_bytes", "f8"),  # bytes there at the last check for progress
        ("segment", "i4"),
        ("other", "i4"),  # who sends; -1: the origin
        ("first_byte", "i4"),
        ("serial", "i4"),  # tells this use of the row from earlier ones
        ("via", "i4"),  # HTTP: link of what serves; P2P: whether through a relay
        ("state", "i2"),  # see `p2psim.simulation.kernel.transfers`
        ("source", "i2"),
    ]
)

FETCH = np.dtype([("asked_at", "f8"), ("done_at", "f8"), ("p2p", "f4"), ("unused", "f4")])
"""Of a segment in a slot: first attempt and completion, and bytes of neighbours."""

TRANSFER_LOG = np.dtype(
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
        ("channel", "i4"),
        ("level", "i4"),
        ("via", "i4"),
        ("unused", "i4"),
    ]
)
PLAYED_LOG = np.dtype(
    [
        ("viewer", "i4"),
        ("segment", "i4"),
        ("asked_at", "f8"),
        ("done_at", "f8"),
        ("due_at", "f8"),
        ("played_at", "f8"),
        ("http", "f8"),
        ("p2p", "f8"),
        ("channel", "i4"),
        ("level", "i4"),
        ("poisoned", "i8"),
    ]
)
STATE_LOG = np.dtype(
    [("viewer", "i4"), ("state", "i4"), ("at", "f8"), ("position", "f8"), ("buffer", "f8"), ("latency", "f8")]
)
CONNECTION_LOG = np.dtype([("a", "i4"), ("b", "i4"), ("at", "f8"), ("change", "i4"), ("unused", "i4")])

N_COUNTS = 17
(
    N_EVENTS,
    N_SERIAL,
    N_PASSES_DUE,
    N_TRANSFERS,
    N_PLAYED,
    N_STATES,
    N_CONNECTIONS,
    N_PASSES,
    N_HANDLED,
    N_SWITCHED,
    N_HEAP,  # events in the heap
    N_BUCKET,  # the first day that is not in the heap
    N_BLOCKS,  # blocks of the calendar that were ever used
    N_FREE_BLOCK,  # the first of the blocks that are free again, counted from 1
    N_BLOCKS_HELD,  # blocks that hold events
    N_TRANSFER_ROWS,  # rows of transfers that were ever used
    N_FREE_ROWS,  # those of them that are free
) = range(N_COUNTS)
"""Places in `KernelState.counts`."""

BINS = 10
(
    BIN_VIEWERS,
    BIN_STALLED,
    BIN_PEERS,
    BIN_HTTP,
    BIN_P2P,
    BIN_ORIGIN,
    BIN_RELAYED,
    BIN_FAR,
    BIN_FILLED,
    BIN_SECOND,
) = range(BINS)
"""Columns of `KernelState.bins`."""


class Settings(Bundle):
    """Numbers of the scenario, canonical units."""

    live: bool
    segment: float
    window: int
    latency: float
    origin_latency: float
    origin_rate: float  # of one connection
    fill_rate: float  # of one connection of an edge to the origin
    edges: int
    first_edge: int  # link of the first edge; the second CDN's comes after the last
    edge_latency: float
    miss_latency: float
    cache: float  # room of an edge, bytes
    coalesce: bool
    overflow: float  # load of an edge from which the second CDN takes over; 0: there is none
    overflow_latency: float
    relay: int  # link
    relay_latency: float
    lan_rate: float
    lan_rtt: float
    homes: bool  # whether viewers share homes
    dead: int  # link without capacity
    levels: int
    estimate: float  # quality choice, see `p2psim.player.quality_choice`
    fast: float
    slow: float
    margin: float
    margin_up: float
    rtt_spread: float
    rtt_key: int
    channel_window: float
    loss: float
    channel_rate: float
    goodput: float
    request: float
    chunk: float
    backlog: float
    buffer: float
    tick: float
    update: float
    warmup: float
    rows: int  # transfers a viewer may have at once
    bucket_width: float  # seconds of a day of the calendar
    origin: int  # link of the origin
    events: bool  # whether to log every event
    validates: bool  # whether segments of peers are checked
    shortcuts: bool  # whether passes that cannot do anything are spared; off in tests
    mutes: bool  # whether a neighbour may have to be left alone until it announces anew


class KernelState(Bundle):
    """The data plane."""

    L: Loaders
    N: Network
    o: Options
    T: Timeline
    s: Settings
    viewer: Any  # (viewers,)
    transfer: Any  # (rows × viewers,): transfers take the rows that were left last, which are in caches still
    row: NDArray[np.int32]  # (viewers, rows): where a viewer's transfers are
    free_rows: NDArray[np.int32]  # stack of the rows that were left
    http_bytes: NDArray[np.float32]  # (viewers, slots): bytes that came over HTTP
    fetch: Any  # (viewers, slots), or (1, 1) where events are not logged
    event_blocks: Any  # events of the days to come
    event_heap: Any  # heap of the events that come first
    bucket_tails: NDArray[np.int32]  # first event of each day
    viewer_totals: Any  # (viewers,)
    location: Any  # (viewers,)
    rtt: NDArray[np.float64]  # (regions, regions)
    size: NDArray[np.float64]  # (levels,) bytes of a segment
    bitrate: NDArray[np.float64]  # (levels,)
    cached: Any  # (edges, objects)
    cached_bytes: NDArray[np.float64]  # (edges,) bytes cached
    bandwidth_estimate: NDArray[np.float64]  # (viewers or 1, 3): bandwidth averages fast and slow, seconds of loading
    bandwidth_meter: Any  # (viewers or 1,)
    switched: NDArray[np.int64]  # viewers who changed level, for the control plane
    counts: NDArray[np.int64]
    clock: NDArray[np.float64]  # now; when the origin has done all fills; its rate
    pass_queue: NDArray[np.int64]
    bins: NDArray[np.float64]  # (seconds, BINS)
    out: Commands
    path: NDArray[np.int64]
    transfer_log: Any  # logs, drained by the control plane
    played_log: Any
    state_log: Any
    connection_log: Any
