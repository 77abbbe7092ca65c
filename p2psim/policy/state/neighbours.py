"""Connections between viewers, and the segment states that each has announced."""

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry, inner, tiny, touch
from p2psim.policy.state.records import ABSENT, FETCHING, LOADING, NOBODY, P2P, STORED, Loaders

__all__ = ["change", "connect", "disconnect", "link_to", "recount", "replace_announced", "set_announced"]


@entry
def link_to(L: Loaders, v: int, other: int) -> int:
    """Place of a neighbour in the viewer's list, or -1."""
    for k in range(L.viewer[v].degree):
        if L.link[v, k].neighbour == other:
            return k
    return NOBODY


@entry
def connect(L: Loaders, a: int, b: int) -> bool:
    """Connect two viewers; False if they are connected or a list is full."""
    if a == b or L.viewer[a].degree >= L.link.shape[1] or L.viewer[b].degree >= L.link.shape[1]:
        return False
    if link_to(L, a, b) != NOBODY:
        return False
    for v, other in ((a, b), (b, a)):
        k = L.viewer[v].degree
        L.link[v, k].neighbour = other
        L.link[v, k].mirror = L.viewer[other].degree if v == a else L.viewer[other].degree - 1
        L.link[v, k].busy = 0
        L.link[v, k].speed = 0.0
        L.link[v, k].span = 0.0
        L.link[v, k].strikes = 0
        L.link[v, k].relayed = 0
        L.link[v, k].blame = 0
        L.viewer[v].degree += 1
    _count(L, a, b, 1)
    _count(L, b, a, 1)
    return True


@entry
def disconnect(L: Loaders, a: int, b: int) -> bool:
    """Disconnect two viewers, keeping the order of all others; requests between them must have ended before."""
    k = link_to(L, a, b)
    if k == NOBODY:
        return False
    _count(L, a, b, -1)
    _count(L, b, a, -1)
    other = L.link[a, k].mirror
    _remove(L, a, k)
    _remove(L, b, other)
    return True


@entry
def set_announced(L: Loaders, v: int, segment: int, value: int) -> bool:
    """Set the announced state of a segment of a viewer; return False if it is unchanged."""
    slot = segment % L.slot.shape[1]
    old = L.slot[v, slot].announced
    if old == value:
        return False
    L.slot[v, slot].announced = value
    for k in range(L.viewer[v].degree):
        touch(L.slot[L.link[v, k].neighbour, slot])
    holders, fetchers = change(old, value, STORED), change(old, value, FETCHING)
    for k in range(L.viewer[v].degree):
        row = L.slot[L.link[v, k].neighbour, slot]
        row.holders += holders
        row.fetchers += fetchers
    return True


@tiny
def change(old: int, new: int, state: int) -> int:
    """Return by how many there are more neighbours in `state`, once one has gone from `old` to `new`."""
    return int(new == state) - int(old == state)


@entry
def replace_announced(L: Loaders, v: int, states: NDArray[np.uint8]) -> None:
    """Replace all that a viewer announced; `states` has one entry for each slot."""
    for slot in range(L.slot.shape[1]):
        set_announced(L, v, slot, states[slot])


@entry
def recount(L: Loaders, v: int) -> None:
    """Count anew what the neighbours of a viewer announce."""
    for slot in range(L.slot.shape[1]):
        L.slot[v, slot].holders = 0
        L.slot[v, slot].fetchers = 0
    for k in range(L.viewer[v].degree):
        _count(L, v, L.link[v, k].neighbour, 1)


@inner
def _count(L: Loaders, v: int, other: int, step: int) -> None:
    for slot in range(L.slot.shape[1]):
        state, row = L.slot[other, slot].announced, L.slot[v, slot]
        row.holders += step * change(ABSENT, state, STORED)
        row.fetchers += step * change(ABSENT, state, FETCHING)


@inner
def _remove(L: Loaders, v: int, gone: int) -> None:
    last = L.viewer[v].degree - 1
    for k in range(gone, last):
        L.link[v, k].neighbour = L.link[v, k + 1].neighbour
        L.link[v, k].mirror = L.link[v, k + 1].mirror
        L.link[v, k].busy = L.link[v, k + 1].busy
        L.link[v, k].speed = L.link[v, k + 1].speed
        L.link[v, k].span = L.link[v, k + 1].span
        L.link[v, k].strikes = L.link[v, k + 1].strikes
        L.link[v, k].relayed = L.link[v, k + 1].relayed
        L.link[v, k].blame = L.link[v, k + 1].blame
        L.link[L.link[v, k].neighbour, L.link[v, k].mirror].mirror = k
    L.link[v, last].neighbour = NOBODY
    L.viewer[v].degree = last
    for i in range(L.viewer[v].retained):
        loading = L.request[i, v].status == LOADING and L.request[i, v].source == P2P
        if loading and L.request[i, v].link > gone:
            L.request[i, v].link -= 1
