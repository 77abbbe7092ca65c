"""Announced states of segments, and announcements of 2.3 that no receiver can read."""

from p2psim.compiled import inlined, inner
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import ABSENT, FETCHING, HTTP, NOBODY, STORED, Loaders
from p2psim.policy.state.requests import find

__all__ = ["announced_state", "is_readable"]

_BLOCK = 256
"""Ids that share all but their last byte."""


@inlined
def announced_state(L: Loaders, v: int, segment: int, slot: int) -> int:
    """Return what a viewer announces of a segment: STORED, FETCHING (over HTTP, be it failed for now), or ABSENT.

    `slot` is the segment's, which whoever goes through all segments can count instead of dividing.
    """
    if L.slot[v, slot].stored != 0:
        return STORED
    if L.viewer[v].first <= segment:
        i = find(L, v, segment)
        if i != NOBODY and L.request[i, v].source == HTTP:
            return FETCHING
    return ABSENT


@inner
def is_readable(L: Loaders, o: Options, v: int) -> bool:
    """Return whether neighbours can read a viewer's announcement.

    2.3 writes a whole block of 256 ids (0-255, 256-511 ...) such that they cannot; `announcementBlocks` mends it.
    """
    slots = L.slot.shape[1]
    if not o.whole_blocks or slots < _BLOCK:
        return True
    me, stored = L.viewer[v], 0
    for segment in range(max(0, me.last - slots) // _BLOCK * _BLOCK, me.last):
        if segment % _BLOCK == 0:
            stored = 0
        stored += 1 if L.slot[v, segment % slots].stored != 0 else 0
        if stored == _BLOCK:
            return False
    return True
