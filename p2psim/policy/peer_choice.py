"""From whom a segment is fetched: at random, in proportion to what each holder has delivered lately.

Where viewers remember how often a neighbour failed them (`Policy.reputation`), only those who did so least are asked.
"""

from p2psim.compiled import entry, inner, tiny
from p2psim.policy.state.records import NOBODY, STORED, Loaders
from p2psim.rng import uniform

__all__ = ["choose_holder", "pick_weighted"]

_UNPROVEN = 0.1
"""A holder slower than this share of the fastest counts as unproven and gets this share as its weight."""


@entry
def choose_holder(L: Loaders, v: int, segment: int) -> int:
    """Place of an idle neighbour that announced the segment as stored, or -1.

    Weights are speeds; unproven neighbours together get at most half of the whole weight.
    """
    slot = segment % L.slot.shape[1]
    if L.slot[v, slot].holders <= 0:
        return NOBODY
    count, only, fastest = 0, NOBODY, 0.0
    least = _least_blame(L, v, slot)
    for k in range(L.viewer[v].degree):
        if _can_serve(L, v, k, slot, least):
            count += 1
            only = k
            fastest = max(fastest, _speed(L, v, k))
    if count <= 1:
        return only
    draw = uniform(L.random, v)
    if fastest <= 0.0:
        return _nth_holder(L, v, slot, int(draw * count))
    return pick_weighted(L, v, slot, _floor(L, v, slot, fastest), draw)


@entry
def pick_weighted(L: Loaders, v: int, slot: int, floor: float, draw: float) -> int:
    """Pick an idle holder with probability proportional to max(speed, floor); `draw` is from [0, 1)."""
    total, picked = 0.0, NOBODY
    least = _least_blame(L, v, slot)
    for k in range(L.viewer[v].degree):
        if _can_serve(L, v, k, slot, least):
            total += max(_speed(L, v, k), floor)
    left = draw * total
    for k in range(L.viewer[v].degree):
        if _can_serve(L, v, k, slot, least):
            picked = k
            left -= max(_speed(L, v, k), floor)
            if left <= 0:
                return k
    return picked


@inner
def _floor(L: Loaders, v: int, slot: int, fastest: float) -> float:
    # upstream counts in bit/s and never goes below 1 bit/s
    floor = max(0.125, _UNPROVEN * fastest)
    unproven, proven = 0, 0.0
    least = _least_blame(L, v, slot)
    for k in range(L.viewer[v].degree):
        if _can_serve(L, v, k, slot, least):
            if _speed(L, v, k) <= floor:
                unproven += 1
            else:
                proven += _speed(L, v, k)
    if unproven > 0 and proven > 0.0 and unproven * floor > proven:
        return proven / unproven
    return floor


@tiny
def _speed(L: Loaders, v: int, k: int) -> float:
    if L.speed.shape[0] > 1:
        return L.speed[L.link[v, k].neighbour]
    return float(L.link[v, k].speed)


@inner
def _nth_holder(L: Loaders, v: int, slot: int, n: int) -> int:
    seen, last = 0, NOBODY
    least = _least_blame(L, v, slot)
    for k in range(L.viewer[v].degree):
        if _can_serve(L, v, k, slot, least):
            last = k
            if seen == n:
                return k
            seen += 1
    return last


@inner
def _least_blame(L: Loaders, v: int, slot: int) -> int:
    """Failures of those who failed least, of the neighbours that could serve."""
    least = 255
    for k in range(L.viewer[v].degree):
        if L.link[v, k].blame < least and _can_serve(L, v, k, slot, 255):
            least = L.link[v, k].blame
            if least == 0:
                break
    return least


@tiny
def _can_serve(L: Loaders, v: int, k: int, slot: int, least: int) -> bool:
    """Return whether a neighbour is idle, announced the segment as stored, and failed at most `least` times."""
    link = L.link[v, k]
    return link.busy == 0 and link.blame <= least and L.slot[link.neighbour, slot].announced == STORED
