"""Preallocated arrays of links and flows, with a linked list of the flows on each link."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from p2psim.bundle import Bundle, records
from p2psim.compiled import tiny

__all__ = [
    "HOP_BITS",
    "HOP_MASK",
    "NONE",
    "OPEN",
    "RATE_CHANGES",
    "STAGED",
    "Network",
    "add_to_link",
    "allocate",
    "remove_from_link",
]

NONE = -1
"""Stands for no link and for the end of a list."""
HOP_BITS = 4
HOP_MASK = 2**HOP_BITS - 1
"""A node of a list is a flow on one hop of its path; its number is the flow's, then the hop's in the lowest bits."""

OPEN, STAGED, RATE_CHANGES = range(3)
"""Places in `Network.counts`: open flows, free flows that wait for `settle`, rates changed since the start."""

LINK = np.dtype(
    [
        ("capacity", "f8"),  # bytes/s
        ("load", "f8"),
        ("residual", "f8"),  # scratch: capacity that fixed flows leave, bytes/s
        ("fastest", "f8"),  # scratch: greatest rate of its flows
        ("head", "i4"),  # first node of its list of flows
        ("flows", "i4"),  # number of its flows
        ("unfixed", "i4"),  # scratch: number of its free flows without a new rate
        ("touched", "i2"),  # scratch: 1 if a free flow crosses it
        ("scanned", "i2"),  # scratch: 1 if `fastest` is up to date
    ]
)
FLOW = np.dtype(
    [
        ("rate", "f8"),
        ("remaining", "f8"),  # bytes that were not carried yet at `since`
        ("since", "f8"),  # time of the last change of the rate
        ("cap", "f8"),  # rate that it never exceeds
        ("new_rate", "f8"),  # scratch: rate found by the filling, -1 before
        ("bottleneck", "i4"),  # link, NONE or CAPPED
        ("heap_index", "i4"),  # place in the heap of finish times
        ("owner", "i4"),  # number of its owner, set by the caller
        ("rank", "i2"),  # number among the flows of its owner, set by the caller
        ("free", "i2"),  # 1 if its rate is to be found anew
    ]
)
NODE = np.dtype([("link", "i4"), ("next", "i4"), ("prev", "i4"), ("unused", "i4")])
ENTRY = np.dtype([("key", "f8"), ("who", "i8")])  # of a heap: sort key, flow or link


class Network(Bundle):
    """Links, flows and scratch space; all rates in bytes/s, times in seconds."""

    link: Any  # LINK, (links,)
    flow: Any  # FLOW, (flows,)
    node: Any  # NODE, (flows, hops)
    finish: Any  # heap of finish times
    shares: Any  # scratch: heap of fair shares
    members: NDArray[np.int64]  # scratch: the free flows
    links: NDArray[np.int64]  # scratch: the touched links
    counts: NDArray[np.int64]  # at OPEN, STAGED, RATE_CHANGES


def allocate(capacity: NDArray[np.float64], flows: int, path: int = 2) -> Network:
    """Return a network without open flows.

    Parameters
    ----------
    capacity : array (links,)
        bytes/s.
    flows
        Greatest number of open flows.
    path
        Greatest number of links that a flow crosses.

    Raises
    ------
    ValueError
        `path` is too large.
    """
    if path > HOP_MASK + 1:
        raise ValueError(f"path = {path}: a flow crosses at most {HOP_MASK + 1} links")
    links = len(capacity)
    network = Network(
        link=records(links, LINK),
        flow=records(flows, FLOW),
        node=records((flows, path), NODE),
        finish=records(flows + 1, ENTRY),
        shares=records(links + 1, ENTRY),
        members=np.zeros(flows, np.int64),
        links=np.zeros(links, np.int64),
        counts=np.zeros(3, np.int64),
    )
    network.link["capacity"] = capacity
    network.link["head"] = NONE
    return network


@tiny
def add_to_link(N: Network, f: int, p: int, link: int) -> None:
    """Add hop `p` of a flow to the list of a link."""
    head = N.link[link].head
    N.node[f, p].next = head
    N.node[f, p].prev = NONE
    if head != NONE:
        N.node[head >> HOP_BITS, head & HOP_MASK].prev = f << HOP_BITS | p
    N.link[link].head = f << HOP_BITS | p
    N.link[link].flows += 1


@tiny
def remove_from_link(N: Network, f: int, p: int, link: int) -> None:
    """Remove hop `p` of a flow from the list of a link."""
    after, before = N.node[f, p].next, N.node[f, p].prev
    if after != NONE:
        N.node[after >> HOP_BITS, after & HOP_MASK].prev = before
    if before != NONE:
        N.node[before >> HOP_BITS, before & HOP_MASK].next = after
    else:
        N.link[link].head = after
    N.link[link].flows -= 1
