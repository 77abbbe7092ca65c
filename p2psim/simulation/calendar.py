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
        parent = (i - 1) >> 1
        if heap[parent].at <= at:
            break
        heap[i] = heap[parent]
        i = parent
    event = heap[i]
    event.at, event.serial, event.kind = at, serial, kind
    event.viewer, event.a, event.b = viewer, a, b
    return True


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
        child = 2 * i + 1
        if child >= n:
            break
        right = child + 1
        if right < n and (
            heap[right].at < heap[child].at
            or (heap[right].at == heap[child].at and heap[right].serial < heap[child].serial)
        ):
            child = right
        if heap[child].at > at or (heap[child].at == at and heap[child].serial > serial):
            break
        heap[i] = heap[child]
        i = child
    heap[i] = heap[n]
