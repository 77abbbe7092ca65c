"""Links and flows in arrays that are allocated once: a flow is a row, and each link has a list of its flows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from p2psim.bundle import Bundle, records
from p2psim.compiled import tiny

__all__ = ["NONE", "PLACE", "PLACES", "Network", "allocate", "delist", "enlist"]

NONE = -1
"""No link, no node."""
PLACE = 4
PLACES = 2**PLACE - 1
"""A node is named by its flow, and its place on the path in the lowest bits."""

LINK = np.dtype(
    [
        ("capacity", "f8"),  # bytes/s
        ("load", "f8"),
        ("residual", "f8"),  # scratch of the filling
        ("fastest", "f8"),  # scratch of the check
        ("head", "i4"),  # first node of the list of its flows
        ("flows", "i4"),
        ("unfixed", "i4"),  # scratch of the filling
        ("touched", "i2"),
        ("scanned", "i2"),
    ]
)
FLOW = np.dtype(
    [
        ("rate", "f8"),
        ("left", "f8"),  # bytes left at `since`
        ("since", "f8"),
        ("cap", "f8"),
        ("found", "f8"),  # scratch: rate found by the filling, -1 while unfixed
        ("bottleneck", "i4"),
        ("place", "i4"),  # place in the heap of finish times
        ("owner", "i4"),  # whose flow it is, for the caller to say
        ("rank", "i2"),  # among its owner's
        ("free", "i2"),
    ]
)
NODE = np.dtype([("link", "i4"), ("next", "i4"), ("prev", "i4"), ("unused", "i4")])
ENTRY = np.dtype([("key", "f8"), ("who", "i8")])


class Network(Bundle):
    """Links, flows and scratch space; all rates in bytes/s, times in seconds."""

    link: Any  # (links,)
    flow: Any  # (flows,)
    node: Any  # (flows, path)
    finish: Any  # heap of finish times
    shares: Any  # scratch: heap of fair shares
    members: NDArray[np.int64]  # scratch: the free flows
    links: NDArray[np.int64]  # scratch: the touched links
    counts: NDArray[np.int64]  # open flows; staged free flows; rates set since the start


def allocate(capacity: NDArray[np.float64], flows: int, path: int = 2) -> Network:
    """Make an idle network of links with the given capacities (links,), for at most `flows` flows at once."""
    if path > PLACES + 1:
        raise ValueError(f"path = {path}: at most {PLACES + 1}")
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
def enlist(N: Network, f: int, p: int, link: int) -> None:
    """Enter a flow, at a place of its path, in the list of a link."""
    head = N.link[link].head
    N.node[f, p].next = head
    N.node[f, p].prev = NONE
    if head != NONE:
        N.node[head >> PLACE, head & PLACES].prev = f << PLACE | p
    N.link[link].head = f << PLACE | p
    N.link[link].flows += 1


@tiny
def delist(N: Network, f: int, p: int, link: int) -> None:
    """Strike a flow from the list of a link."""
    after, before = N.node[f, p].next, N.node[f, p].prev
    if after != NONE:
        N.node[after >> PLACE, after & PLACES].prev = before
    if before != NONE:
        N.node[before >> PLACE, before & PLACES].next = after
    else:
        N.link[link].head = after
    N.link[link].flows -= 1
