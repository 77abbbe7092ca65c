"""The data plane's events, ordered by time, then by the order of scheduling.

A calendar of days, each a chain of blocks of events in no order: rows that stand side by side, so that a day's events
are written and read in a row. The events of the first day, and the few that are further ahead than the calendar
reaches, stand in a heap; it stays so small that it is always in a cache. When no event of a day up to the present is
left, the next one's enter the heap, and what they will read of their viewers is asked for.
"""

import math

from p2psim.compiled import inner, tiny, touch
from p2psim.simulation.kernel.state import (
    N_CONNECTIONS,
    N_DAY,
    N_EVENTS,
    N_FREE,
    N_HELD,
    N_PLAYED,
    N_SERIAL,
    N_STATES,
    N_TODAY,
    N_TRANSFERS,
    N_USED,
    Plane,
)

__all__ = [
    "ANNOUNCED",
    "BEGIN",
    "BLOCK",
    "CHECK",
    "CONNECT",
    "CONSENT",
    "DRY",
    "PLAYER",
    "PREFETCH",
    "RELOAD",
    "SECOND",
    "URGENT",
    "WAKE",
    "is_crowded",
    "kind_of",
    "next_event",
    "pop",
    "push",
]

SECOND, RELOAD, PLAYER, DRY, URGENT, PREFETCH, BEGIN, CHECK, ANNOUNCED, CONNECT, CONSENT, WAKE = range(12)
"""Kinds of events."""
_WAYS = 4
"""Children of an entry of the heap: four of them stand side by side in memory."""
_KINDS = 16
_ROOM = 4096
"""Events and entries of logs for which there is always room: more than one step of the clock can write."""
BLOCK = 16
"""Rows of a block; the first names the last row of the block before, or the next free block, both counted from 1."""


@tiny
def next_event(P: Plane) -> float:
    """Time of the next event."""
    return P.today[0].at if P.counts[N_TODAY] > 0 else 1e300


@tiny
def kind_of(order: int) -> int:
    """Kind of an event."""
    return order % _KINDS


@inner
def push(P: Plane, at: float, kind: int, viewer: int, a: int, b: int) -> bool:
    """Schedule an event; False if the calendar is full."""
    if not _has_room(P, 1):
        return False
    P.counts[N_EVENTS] += 1
    order = P.counts[N_SERIAL] * _KINDS + kind
    P.counts[N_SERIAL] += 1
    day = _day(P, at)
    if P.counts[N_DAY] <= day < P.counts[N_DAY] + len(P.days):
        slot = day & (len(P.days) - 1)  # their number is a power of two
        i = _next_row(P, P.days[slot])
        event = P.calendar[i]
        event.at, event.order, event.viewer, event.a, event.b = at, order, viewer, a, b
        P.days[slot] = i
        if P.counts[N_TODAY] == 0 or at < P.today[0].at:
            _turn(P)  # what the heap holds is further ahead
    else:
        _enter(P, at, order, viewer, a, b)
    return True


@tiny
def _day(P: Plane, at: float) -> int:
    return math.floor(min(at, 1e12) / P.s.day)


@tiny
def _next_row(P: Plane, last: int) -> int:
    """Row after the last of a day (0: it has none), in a new block if need be."""
    if last != 0 and (last + 1) % BLOCK != 0:
        return last + 1
    block = P.counts[N_FREE] - 1
    if block >= 0:
        P.counts[N_FREE] = P.calendar[block * BLOCK].a
    else:
        block = P.counts[N_USED]
        P.counts[N_USED] = block + 1
    P.counts[N_HELD] += 1
    P.calendar[block * BLOCK].a = last
    return block * BLOCK + 1


@tiny
def _has_room(P: Plane, events: int) -> bool:
    """Whether so many events can be scheduled, even if each is the first of its day."""
    return max(P.counts[N_EVENTS], P.counts[N_HELD] * BLOCK) + events * BLOCK <= len(P.calendar)


@inner
def _enter(P: Plane, at: float, order: int, viewer: int, a: int, b: int) -> None:
    """Put an event into the heap."""
    heap = P.today
    i = P.counts[N_TODAY]
    P.counts[N_TODAY] = i + 1
    while i > 0:
        parent = (i - 1) // _WAYS
        if _before(heap[parent].at, heap[parent].order, at, order):
            break
        heap[i] = heap[parent]
        i = parent
    event = heap[i]
    event.at, event.order, event.viewer, event.a, event.b = at, order, viewer, a, b


@inner
def _turn(P: Plane) -> None:
    """Let the events of the next days enter the heap, until its first is of a day that has."""
    while P.counts[N_EVENTS] > P.counts[N_TODAY]:
        day = P.counts[N_DAY]
        if P.counts[N_TODAY] > 0 and _day(P, P.today[0].at) < day:
            return
        P.counts[N_DAY] = day + 1
        slot = day & (len(P.days) - 1)
        last = int(P.days[slot])
        P.days[slot] = 0
        while last != 0:
            last = _open_block(P, last)


@inner
def _open_block(P: Plane, last: int) -> int:
    """Let the events of a block, up to a row, enter the heap; gives the last row of the block before."""
    head = last - last % BLOCK
    for i in range(head + 1, last + 1):
        event = P.calendar[i]
        v = event.viewer
        touch(P.seat[v])
        touch(P.L.viewer[v])
        touch(P.L.link[v, 0])
        _enter(P, event.at, event.order, v, event.a, event.b)
    before = int(P.calendar[head].a)
    P.calendar[head].a = P.counts[N_FREE]
    P.counts[N_FREE] = head // BLOCK + 1
    P.counts[N_HELD] -= 1
    return before


@tiny
def _before(at: float, order: int, other_at: float, other_order: int) -> bool:
    return at < other_at or (at == other_at and order < other_order)


@inner
def pop(P: Plane) -> None:
    """Remove the next event."""
    P.counts[N_EVENTS] -= 1
    n = P.counts[N_TODAY] - 1
    P.counts[N_TODAY] = n
    if n > 0:
        _sink(P, n)
    _turn(P)


@tiny
def _sink(P: Plane, n: int) -> None:
    """Put the last of the heap in the place of the first."""
    heap = P.today
    at, order = heap[n].at, heap[n].order
    i = 0
    while True:
        first = _WAYS * i + 1
        if first >= n:
            break
        least = first
        for child in range(first + 1, min(first + _WAYS, n)):
            if _before(heap[child].at, heap[child].order, heap[least].at, heap[least].order):
                least = child
        if _before(at, order, heap[least].at, heap[least].order):
            break
        heap[i] = heap[least]
        i = least
    heap[i] = heap[n]


@tiny
def is_crowded(P: Plane) -> bool:
    """Whether calendar or logs may not hold what one step of the clock brings."""
    if not _has_room(P, _ROOM):
        return True
    if not P.s.events:
        return False
    return (
        P.counts[N_TRANSFERS] + _ROOM > len(P.transfers)
        or P.counts[N_PLAYED] + _ROOM > len(P.played)
        or P.counts[N_STATES] + _ROOM > len(P.states)
        or P.counts[N_CONNECTIONS] + _ROOM > len(P.connections)
    )
