"""What a loader remembers: plain arrays with one row per viewer.

So the same rules run compiled for a hundred thousand simulated viewers, and for the one viewer of a real peer.

Segments are numbered from 0 in stream order (an index, not the id on the wire) and found at ``index % slots``; a
caller makes `slots` large enough that two segments in use never meet. Neighbours of a viewer stand in the order in
which they connected. A viewer's own row and the rows of its neighbours have the same form: a real peer fills its
neighbours' rows with what they announced.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from p2psim.bundle import Bundle, records
from p2psim.policy.custom import address_of
from p2psim.scenario.policy import Policy

__all__ = [
    "ABORTED",
    "ABSENT",
    "BUSY",
    "FAILED",
    "FETCHING",
    "HTTP",
    "IDLE",
    "LOADING",
    "MUTE",
    "NOBODY",
    "N_FACTS",
    "P2P",
    "REQUEST",
    "SPOILED",
    "STORED",
    "SUCCEEDED",
    "Loaders",
    "Options",
    "Timeline",
    "allocate",
    "options",
    "timeline",
]

F8 = NDArray[np.float64]

NOBODY = -1
ABSENT, STORED, FETCHING = 0, 1, 2
"""What a viewer announces of a segment: nothing, stored, being loaded over HTTP."""
HTTP, P2P = 1, 2
"""Source of a request's last attempt; 0 before the first."""
SPOILED = 2
"""Stored, but not what the origin has (simulation)."""
BUSY, MUTE = 1, 2
"""A neighbour is sending us a segment; it is not to be asked until it announces anew."""
N_FACTS = 16
"""Numbers that a user's own decision is given (`p2psim.policy.custom`)."""
IDLE, LOADING, SUCCEEDED, FAILED, ABORTED = range(5)
"""States of a request."""


class Options(Bundle):
    """Options of p2p-media-loader in canonical units (seconds, bytes)."""

    high_demand_window: float
    http_window: float
    p2p_window: float
    http_slots: int
    p2p_slots: int
    http_hold: float
    http_timeout: float
    p2p_timeout: float
    http_retries: int
    p2p_retries: int
    live: bool
    plain: bool
    """No scheduler: the player's own loader fetches what it asks for (isP2PDisabled)."""
    whole_blocks: bool
    """Announcements with a full block of 256 ids cannot be read."""
    reputation: bool
    """Viewers remember who failed them, and ask such neighbours last."""
    from_playhead: bool
    """The queue begins where the player still has to play, and keeps what is loading from there on."""
    election: bool
    """Peers elect who fetches a segment that none has (5.0), instead of prefetching at random."""
    http_first_byte: float
    """Seconds to wait for the first byte over HTTP."""
    decide: int
    """Address of a user's own decision; 0: none."""


class Timeline(Bundle):
    """Start and end of each segment on the media time line, seconds; shape (segments,)."""

    start: F8
    end: F8


class Loaders(Bundle):
    """State of the loaders, as record arrays; the first axis is the viewer, but for requests."""

    viewer: Any
    """(viewers,), see VIEWER."""
    slot: Any
    """(viewers, slots), see SLOT."""
    request: Any
    """(requests, viewers), in order of their making, see REQUEST. Most viewers have few: so that their pages alone are
    used, the viewer is the second axis here."""
    link: Any
    """(viewers, neighbours), in order of connection, see LINK."""
    storage: F8
    """Size of each viewer's storage, bytes, (viewers,)."""
    speed: F8
    """Speed of each viewer as a neighbour to the last bit, bytes/s, (viewers,); or (1,) where `link` has it."""
    size: F8
    """Bytes of a stored segment, (viewers, slots); or (1, 1) where all segments are alike."""
    identity: NDArray[np.int64]
    """Hash of each viewer's name, which elections begin with, (viewers,)."""
    fetch_time: F8
    """Seconds that a segment takes over HTTP, as far as each viewer knows, (viewers,)."""
    first_id: NDArray[np.int64]
    """Id of segment 0 on the wire, (1,)."""
    facts: F8
    """What a user's own decision is given, (N_FACTS,)."""
    random: NDArray[np.int64]
    """State of the viewers' random streams (`p2psim.rng`), (viewers, 6)."""


VIEWER = np.dtype(
    [
        ("position", "f8"),  # playhead as last reported, seconds on the media time line
        ("rate", "f8"),
        ("born", "f8"),  # when the loader was made: the clock of the initial hold
        ("passed", "f8"),  # time of the last queue pass
        ("stored_bytes", "f8"),
        ("first", "i4"),  # the playlist as known holds segments first ≤ index < last
        ("last", "i4"),
        ("requested", "i4"),  # segment that the player asked for last
        ("waiting", "i4"),  # segment that the player waits for, or NOBODY
        ("retained", "i2"),  # how many requests are retained
        ("degree", "i2"),  # how many neighbours are connected
        ("urgent", "u1"),  # the player jumped while it waited: start at once
        ("announce", "u1"),  # an announcement is due
        ("uploads", "u1"),  # whether the viewer serves others
        ("jumped", "u1"),  # a report of the playhead has come (storage rules wait for it)
    ]
)
"""As large as a cache line: neighbours look at it with every announcement."""
SLOT = np.dtype(
    [
        ("holders", "i2"),  # how many neighbours announce the segment as stored
        ("fetchers", "i2"),  # how many announce it as being loaded over HTTP
        ("stored", "u1"),  # 0, 1, or SPOILED
        ("announced", "u1"),  # what others know of the viewer: ABSENT, STORED or FETCHING
        ("told", "u1"),  # the same, with what is on its way to them (simulation)
        ("level", "u1"),  # quality that the player was given (simulation)
    ]
)
REQUEST = np.dtype(
    [
        ("segment", "i4"),
        ("link", "i2"),  # place of the neighbour that serves it, or NOBODY
        ("http_failures", "i2"),
        ("failures", "i2"),
        ("status", "u1"),
        ("source", "u1"),
        ("handled", "u1"),  # a pass has seen it in this state
        ("spoiled", "u1"),  # a polluter sent some of its bytes (simulation)
        ("unused", "u1", (2,)),
        ("bytes", "f8"),  # received so far; survives failed and aborted attempts
        ("total", "f8"),  # size, once known; 0 before
        ("failed_at", "f8"),
    ]
)
LINK = np.dtype(
    [
        ("neighbour", "i4"),
        ("speed", "f4"),  # estimate of what the neighbour delivers, bytes/s
        ("span", "f4"),  # seconds of loading that the estimate rests on (simulation)
        ("mirror", "i2"),  # place of the viewer in the list of its neighbour
        ("busy", "u1"),  # BUSY: the neighbour is sending us a segment; MUTE (simulation): nothing can be asked of it
        ("strikes", "u1"),  # time-outs of the neighbour since its last success
        ("relayed", "u1"),  # the connection goes through a relay (simulation)
        ("blame", "u1"),  # failures of the neighbour, where viewers remember them
    ]
)


_PLAIN_TIMEOUT = 10.0
"""Seconds for which hls.js waits for the first byte."""
_FIRST_BYTE = 10.0
"""Seconds for which 5.0 waits for the first byte."""
_LONGEST_DELAY = 60.0
"""Live latency that 5.0 makes use of, seconds."""


def options(policy: Policy, live: bool, segment: float = 0.0, latency: float = 0.0) -> Options:
    """Turn a scenario's policy into canonical numbers, as it holds for its main stream.

    Length of a segment and live latency (seconds) bear on the high-demand window of 5.0.
    """
    policy = policy.of_stream("main")
    election = policy.name == "p2p-media-loader-5"
    http_timeout = _PLAIN_TIMEOUT if policy.isP2PDisabled else policy.httpNotReceivingBytesTimeoutMs / 1000
    p2p, plain = policy.shares, policy.isP2PDisabled
    return Options(
        high_demand_window=_live_demand(policy, segment, latency)
        if election and live
        else float(policy.highDemandTimeWindow),
        http_window=float(policy.httpDownloadTimeWindow),
        p2p_window=float(policy.p2pDownloadTimeWindow),
        http_slots=1 if plain else policy.simultaneousHttpDownloads,
        p2p_slots=policy.simultaneousP2PDownloads if p2p else 0,
        http_hold=policy.httpDownloadInitialTimeoutMs / 1000 if p2p else 0.0,
        http_timeout=http_timeout,
        p2p_timeout=policy.p2pNotReceivingBytesTimeoutMs / 1000,
        http_retries=1 if plain else policy.httpErrorRetries,  # the player itself tries again
        p2p_retries=policy.p2pErrorRetries,
        live=live,
        plain=plain,
        whole_blocks=policy.announcementBlocks == "upstream",
        reputation=policy.reputation,
        from_playhead=policy.queueStart == "fixed",
        election=election,
        http_first_byte=max(http_timeout, _FIRST_BYTE) if election else http_timeout,
        decide=address_of(policy.name) if ":" in policy.name else 0,
    )


def _live_demand(policy: Policy, segment: float, latency: float) -> float:
    """High-demand window of 5.0: half of what the player will hold, which live latency bounds."""
    buffer = max(2 * segment, min(latency, _LONGEST_DELAY) - segment)
    return min(float(policy.highDemandTimeWindow), buffer / 2)


def timeline(count: int, duration: float) -> Timeline:
    """Make the time line of `count` segments of equal length."""
    start = np.arange(count, dtype=np.float64) * duration
    return Timeline(start=start, end=start + duration)


def allocate(viewers: int, slots: int, requests: int, neighbours: int, *, sizes: bool = False) -> Loaders:
    """Make empty loaders; `sizes` keeps each stored segment's size and exact speeds, else one size for all.

    Raises ValueError unless all counts are positive.
    """
    if min(viewers, slots, requests, neighbours) < 1:
        raise ValueError(f"viewers, slots, requests, neighbours = {viewers, slots, requests, neighbours}: at least 1")
    loaders = Loaders(
        viewer=records(viewers, VIEWER),
        slot=records((viewers, slots), SLOT),
        request=records((requests, viewers), REQUEST),
        link=records((viewers, neighbours), LINK),
        storage=np.full(viewers, np.inf),
        speed=np.zeros(viewers if sizes else 1),
        size=np.zeros((viewers, slots) if sizes else (1, 1)),
        identity=np.zeros(viewers, np.int64),
        fetch_time=np.ones(viewers),
        first_id=np.zeros(1, np.int64),
        facts=np.zeros(N_FACTS),
        random=np.zeros((viewers, 6), np.int64),
    )
    loaders.viewer["rate"] = 1.0
    loaders.viewer["requested"] = loaders.viewer["waiting"] = NOBODY
    loaders.viewer["passed"] = -np.inf
    loaders.viewer["uploads"] = 1
    loaders.link["neighbour"] = NOBODY
    return loaders
