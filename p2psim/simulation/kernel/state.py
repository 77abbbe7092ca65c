"""Kernel state: structured arrays that are allocated once, and the settings of a run."""

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
        ("order", "i8"),  # of scheduling; the lowest four bits are the kind of the event
        ("viewer", "i4"),
        (
            "a",
            "i4",
        ),  # in the first row of a block: a link to another block (see `p2psim.simulation.kernel.event_queue`)
        ("b", "i4"),
    ]
)
HEAP_EVENT = np.dtype([*EVENT.descr, ("unused", "i4")])
"""An event in the heap: two rows fill a cache line, because the heap copies rows all the time."""

VIEWER_STATE = np.dtype(
    [
        # fields that events and neighbours read most, on one cache line
        ("border_at", "f8"),  # when the playhead will be reported at `border`
        ("urgent_at", "f8"),  # when the pass for that is scheduled
        ("buffer_check_at", "f8"),  # when the player will check its buffer again
        ("wake_at", "f8"),  # when a pass is due even without an event
        ("last_pass_at", "f8"),  # time of the last queue pass
        ("anchor", "f8"),  # time at which the playhead was at `position` and began to move
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
        # totals
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
        ("latency_ticks", "i4"),
        ("peers_sum", "f8"),
        ("ticks", "i4"),
        ("stalls", "i4"),
        ("failures", "i4"),
        ("retry_at", "f8"),  # when the player requests a failed segment again
        ("channel", "i4"),
        ("level", "i4"),
        ("channel_epoch", "i4"),  # number of the stay on a channel: events of earlier stays are ignored
        ("swarm_epoch", "i4"),  # number of the swarm membership: announcements of earlier ones are ignored
        ("role", "i4"),  # index into ROLES
        ("poisoned", "i4"),  # segments played that differ from those of the origin
        ("late_places", "i8"),  # a bit for each place whose cancelled transfer still receives late bytes
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
"""Totals of a viewer that change seldom."""

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
"""Links, edge, region and home of a viewer."""

BANDWIDTH_METER = np.dtype(
    [
        ("received", "f8"),  # bytes of transfers that ended
        ("loading", "f8"),  # seconds during which anything was loading, up to `since`
        ("since", "f8"),  # start of the current period of loading
        ("last_received", "f8"),  # `received` at the last measurement
        ("last_loading", "f8"),
    ]
)
"""Counters from which the player measures its bandwidth."""

CACHED = np.dtype([("ready_at", "f8"), ("last_used_at", "f8"), ("size", "f8"), ("segment", "i8")])
"""An object in the cache of an edge, complete at `ready_at`, last requested at `last_used_at`; segment -1: none."""

TRANSFER = np.dtype(
    [
        ("started_at", "f8"),
        ("first_byte_at", "f8"),
        ("requested_bytes", "f8"),
        ("booked_bytes", "f8"),  # bytes counted in the time line so far
        ("checked_bytes", "f8"),  # bytes received at the last check for progress
        ("segment", "i4"),
        ("other", "i4"),  # viewer that sends; -1: the origin
        ("first_byte", "i4"),
        ("serial", "i4"),  # number of the use of the row: events of earlier uses are ignored
        ("via", "i4"),  # HTTP: link of the server; P2P: 1 through a relay
        ("state", "i2"),  # see `p2psim.simulation.kernel.transfers`
        ("source", "i2"),
    ]
)

FETCH = np.dtype([("requested_at", "f8"), ("done_at", "f8"), ("p2p", "f4"), ("unused", "f4")])
"""First attempt, completion and bytes from neighbours of the segment in a slot."""

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
        ("requested_at", "f8"),
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
    N_BUCKET,  # number of the first bucket whose events are not in the heap
    N_BLOCKS,  # blocks that were ever used
    N_FREE_BLOCK,  # first block of the free list, counted from 1
    N_BLOCKS_HELD,  # blocks that hold events
    N_TRANSFER_ROWS,  # rows of transfers that were ever used
    N_FREE_ROWS,  # rows on the stack of free rows
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
    """Numbers of a scenario in canonical units (seconds, bytes)."""

    live: bool
    segment: float
    window: int
    latency: float
    origin_latency: float
    origin_rate: float  # of one connection
    fill_rate: float  # of one connection of an edge to the origin
    edges: int
    first_edge: int  # link of the first edge; that of the second CDN follows the last edge's
    edge_latency: float
    miss_latency: float
    cache: float  # capacity of the cache of an edge, bytes
    coalesce: bool
    overflow: float  # load of an edge from which the second CDN takes over; 0: there is none
    overflow_latency: float
    relay: int  # link
    relay_latency: float
    lan_rate: float
    lan_rtt: float
    homes: bool  # True if viewers share homes
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
    rows: int  # places for transfers of a viewer
    bucket_width: float  # seconds of a bucket of the event queue
    origin: int  # link of the origin
    events: bool  # True if every event is logged
    validates: bool  # True if segments of peers are validated
    shortcuts: bool  # True if passes without effect are skipped; False in tests
    mutes: bool  # True if a refusal mutes a neighbour until its next announcement


class KernelState(Bundle):
    """State of the kernel: loaders, network, options, settings, and one array for each kind of record."""

    L: Loaders
    N: Network
    o: Options
    T: Timeline
    s: Settings
    viewer: Any  # (viewers,)
    transfer: Any  # (rows × viewers,): the row freed last is used first, as it is still in a cache
    row: NDArray[np.int32]  # (viewers, rows): row of the transfer at each place of a viewer
    free_rows: NDArray[np.int32]  # stack of free rows
    http_bytes: NDArray[np.float32]  # (viewers, slots): bytes received over HTTP
    fetch: Any  # (viewers, slots), or (1, 1) where events are not logged
    event_blocks: Any  # blocks of the events of later buckets
    event_heap: Any  # heap of the earliest events
    bucket_tails: NDArray[np.int32]  # row of the last event of each bucket; 0: none
    viewer_totals: Any  # (viewers,)
    location: Any  # (viewers,)
    rtt: NDArray[np.float64]  # (regions, regions)
    size: NDArray[np.float64]  # (levels,) bytes of a segment
    bitrate: NDArray[np.float64]  # (levels,)
    cached: Any  # (edges, objects)
    cached_bytes: NDArray[np.float64]  # (edges,) bytes cached
    bandwidth_estimate: NDArray[np.float64]  # (viewers or 1, 3): bandwidth averages fast and slow, seconds of loading
    bandwidth_meter: Any  # (viewers or 1,)
    switched: NDArray[np.int64]  # viewers that changed level, for the control plane
    counts: NDArray[np.int64]
    clock: NDArray[np.float64]  # the time; the end of all fills by the origin; the rate of the origin
    pass_queue: NDArray[np.int64]
    bins: NDArray[np.float64]  # (seconds, BINS)
    out: Commands
    path: NDArray[np.int64]
    transfer_log: Any  # logs, emptied by `p2psim.simulation.run`
    played_log: Any
    state_log: Any
    connection_log: Any
