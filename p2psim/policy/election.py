"""Election of the viewer that fetches a segment over HTTP, as 5.0 has it.

Each segment puts the peers in another order, by a hash of peer and segment, on which all who know each other agree:
FNV-1a over ``peer|segment`` (ids as text), then the finaliser of MurmurHash3, on 32 bits. The first fetches at once;
the others are substitutes, who fetch as the segment becomes urgent.
"""

import math

from p2psim.compiled import entry, inner
from p2psim.policy.queue import Windows, queue_span, windows
from p2psim.policy.random_prefetch import is_missing, may_prefetch, prefetch
from p2psim.policy.state.commands import Commands, clear
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import HTTP, Loaders, Timeline
from p2psim.policy.state.requests import loading
from p2psim.policy.state.storage import free_percent

__all__ = ["elect", "item_hash", "next_deadline", "peer_hash", "rank"]

_MARGIN = 0.5
"""Seconds by which a substitute is early."""
_OFFSET, _PRIME, _MASK = 2166136261, 16777619, 0xFFFFFFFF


def peer_hash(name: str) -> int:
    """Hash of the part that a peer's hashes begin with."""
    value = _OFFSET
    for byte in f"{name}|".encode():
        value = ((value ^ byte) * _PRIME) & _MASK
    return value


@entry
def item_hash(peer: int, item: int) -> int:
    """Hash of a peer (`peer_hash`) and the id of a segment."""
    digits = 1
    while item // digits >= 10:
        digits *= 10
    value = peer
    while digits > 0:
        value = _times(value ^ (48 + item // digits % 10), _PRIME)
        digits //= 10
    value = _times(value ^ (value >> 16), 0x85EBCA6B)
    value = _times(value ^ (value >> 13), 0xC2B2AE35)
    return value ^ (value >> 16)


@inner
def _times(a: int, b: int) -> int:
    """Product on 32 bits, of factors whose whole product might not fit 64."""
    return ((a & 0xFFFF) * b + ((((a >> 16) * b) & 0xFFFF) << 16)) & _MASK


@inner
def elect(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> None:
    """Fetch missing segments over HTTP: at once those this viewer is first for, the rest as they become urgent."""
    clear(out)
    if not may_prefetch(L, o, T, v, now):
        return
    w = windows(o, free_percent(L, T, v))
    begin, end, _ = queue_span(L, o, T, v, w)
    for segment in range(begin, end):
        if loading(L, v, HTTP) >= o.http_slots:
            return
        if is_missing(L, o, T, v, segment, w) and L.viewer[v].position >= _deadline(L, T, v, segment, w):
            prefetch(L, o, T, v, segment, out)


@inner
def next_deadline(L: Loaders, o: Options, T: Timeline, v: int) -> float:
    """Return the playhead position at which the next missing segment has to be fetched by this viewer; inf: none."""
    w = windows(o, free_percent(L, T, v))
    begin, end, _ = queue_span(L, o, T, v, w)
    position = math.inf
    for segment in range(begin, end):
        if is_missing(L, o, T, v, segment, w):
            position = min(position, _deadline(L, T, v, segment, w))
    return position


@inner
def _deadline(L: Loaders, T: Timeline, v: int, segment: int, w: Windows) -> float:
    """Playhead position from which on a missing segment falls to this viewer; -inf: it is first for it."""
    before = rank(L, v, segment)
    if before == 0:
        return -math.inf
    seconds = L.fetch_time[v] * (1 + 1 / before) + _MARGIN + w.high_demand
    return T.start[segment] - seconds * L.viewer[v].rate


@inner
def rank(L: Loaders, v: int, segment: int) -> int:
    """Return how many neighbours come before a viewer in the order of a segment."""
    item = segment + L.first_id[0]
    mine, before = item_hash(L.identity[v], item), 0
    for k in range(L.viewer[v].degree):
        if item_hash(L.identity[L.link[v, k].neighbour], item) < mine:
            before += 1
    return before
