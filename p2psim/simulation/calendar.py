"""The data plane's events: a heap ordered by time, then by the order of scheduling."""

from p2psim.compiled import inner, tiny
from p2psim.simulation.plane import N_EVENTS, N_SERIAL, Plane

__all__ = [
    "ANNOUNCED",
    "BEGIN",
    "CHECK",
    "CONNECT",
    "CONSENT",
    "DRY",
    "PLAYER",
    "PREFETCH",
    "RELOAD",
    "SECOND",
    "URGENT",
    "next_event",
    "pop",
    "push",
]

SECOND, RELOAD, PLAYER, DRY, URGENT, PREFETCH, BEGIN, CHECK, ANNOUNCED, CONNECT, CONSENT = range(11)
"""Kinds of events."""
_WAYS = 4
"""Children of an entry of the heap: four of them stand side by side in memory."""


@tiny
def next_event(P: Plane) -> float:
    """Time of the next event."""
    return P.calendar[0].at if P.counts[N_EVENTS] > 0 else 1e300


@inner
def push(P: Plane, at: float, kind: int, viewer: int, a: int, b: int) -> bool:
    """Schedule an event; False if the calendar is full."""
    n = P.counts[N_EVENTS]
    if n >= len(P.calendar):
        return False
    P.counts[N_EVENTS] = n + 1
    serial = P.counts[N_SERIAL]
    P.counts[N_SERIAL] = serial + 1
    heap = P.calendar
    i = n
    while i > 0:
        parent = (i - 1) // _WAYS
        if heap[parent].at <= at:
            break
        heap[i] = heap[parent]
        i = parent
    event = heap[i]
    event.at, event.serial, event.kind = at, serial, kind
    event.viewer, event.a, event.b = viewer, a, b
    return True


@tiny
def _before(at: float, serial: int, other_at: float, other_serial: int) -> bool:
    return at < other_at or (at == other_at and serial < other_serial)


@inner
def pop(P: Plane) -> None:
    """Remove the next event."""
    n = P.counts[N_EVENTS] - 1
    P.counts[N_EVENTS] = n
    heap = P.calendar
    if n == 0:
        return
    at, serial = heap[n].at, heap[n].serial
    i = 0
    while True:
        first = _WAYS * i + 1
        if first >= n:
            break
        least = first
        for child in range(first + 1, min(first + _WAYS, n)):
            if _before(heap[child].at, heap[child].serial, heap[least].at, heap[least].serial):
                least = child
        if _before(at, serial, heap[least].at, heap[least].serial):
            break
        heap[i] = heap[least]
        i = least
    heap[i] = heap[n]
