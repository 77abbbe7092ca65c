"""State of the loaders: plain arrays with one row per viewer.

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

__all__ = [
    "ABORTED",
    "ABSENT",
    "BUSY",
    "FAILED",
    "FAILING",
    "FETCHING",
    "HTTP",
    "IDLE",
    "LOADING",
    "MUTE",
    "NOBODY",
    "P2P",
    "REQUEST",
    "RESTLESS",
    "ROUNDING",
    "SPOILED",
    "STORED",
    "SUCCEEDED",
    "URGENT",
    "Loaders",
    "Timeline",
    "allocate",
    "timeline",
]

F8 = NDArray[np.float64]

NOBODY = -1
ABSENT, STORED, FETCHING = 0, 1, 2
"""Announced states of a segment: absent, stored, being loaded over HTTP."""
HTTP, P2P = 1, 2
"""Source of a request's last attempt; 0 before the first."""
SPOILED = 2
"""Stored, but not what the origin has (simulation)."""
BUSY, MUTE = 1, 2
"""A neighbour is sending us a segment; it is not to be asked until it announces anew."""
ROUNDING = 1e-9
"""Seconds by which a difference of two times may be off."""
FAILING, RESTLESS, URGENT = 1, 2, 4
"""Reasons for which a pass may do something although nothing has changed: failed attempts of a retained request are
forgotten in time; the last pass itself has left something to the next (an urgent segment without an idle holder, a
fetch whose slot an urgent segment can take, a storage so full that windows shrink); the player jumped while it
waited."""
IDLE, LOADING, SUCCEEDED, FAILED, ABORTED = range(5)
"""States of a request."""


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
    random: NDArray[np.int64]
    """State of the viewers' random streams (`p2psim.rng`), (viewers, 6)."""


VIEWER = np.dtype(
    [
        ("position", "f8"),  # playhead as last reported, seconds on the media time line
        ("rate", "f8"),
        ("born", "f8"),  # when the loader was made: the clock of the initial hold
        ("last_pass_at", "f8"),  # time of the last queue pass
        ("stored_bytes", "f8"),
        ("first", "i4"),  # the playlist as known holds segments first ≤ index < last
        ("last", "i4"),
        ("requested", "i4"),  # segment that the player asked for last
        ("waiting", "i4"),  # segment that the player waits for, or NOBODY
        ("retained", "i2"),  # how many requests are retained
        ("degree", "i2"),  # how many neighbours are connected
        ("pending", "u1"),  # bits FAILING, RESTLESS, URGENT
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
        ("announced", "u1"),  # state that the neighbours know: ABSENT, STORED or FETCHING
        ("announcing", "u1"),  # state announced last, on its way to the neighbours (simulation)
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
        random=np.zeros((viewers, 6), np.int64),
    )
    loaders.viewer["rate"] = 1.0
    loaders.viewer["requested"] = loaders.viewer["waiting"] = NOBODY
    loaders.viewer["last_pass_at"] = -np.inf
    loaders.viewer["uploads"] = 1
    loaders.link["neighbour"] = NOBODY
    return loaders
