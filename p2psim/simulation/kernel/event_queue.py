"""Event queue of the kernel, ordered by time, then by the order of scheduling.

A calendar queue: later events stand unsorted in buckets of equal width, each a chain of blocks of adjacent rows, so
that the events of a bucket are written and read sequentially. The events of the current bucket, and the few beyond the
last bucket, stand in a heap that is small enough for the cache. When the heap holds no event of a bucket up to the
current one, the events of the next bucket move into it, and the rows of their viewers are prefetched.
"""

import math

from p2psim.compiled import inner, tiny, touch
from p2psim.simulation.kernel.state import (
    N_BLOCKS,
    N_BLOCKS_HELD,
    N_BUCKET,
    N_CONNECTIONS,
    N_EVENTS,
    N_FREE_BLOCK,
    N_HEAP,
    N_PLAYED,
    N_SERIAL,
    N_STATES,
    N_TRANSFERS,
    KernelState,
)

__all__ = [
    "ANNOUNCED",
    "BLOCK",
    "BUFFER_EMPTY",
    "CONNECT",
    "CONSENT",
    "FIRST_BYTE",
    "PLAYER",
    "PREFETCH",
    "PROGRESS_CHECK",
    "RELOAD",
    "SECOND",
    "URGENT",
    "WAKE",
    "event_kind",
    "is_nearly_full",
    "next_event",
    "pop",
    "push",
]

(
    SECOND,
    RELOAD,
    PLAYER,
    BUFFER_EMPTY,
    URGENT,
    PREFETCH,
    FIRST_BYTE,
    PROGRESS_CHECK,
    ANNOUNCED,
    CONNECT,
    CONSENT,
    WAKE,
) = range(12)
"""Kinds of events."""
_HEAP_ARITY = 4
"""Children of an entry of the heap: four of them are adjacent in memory."""
_EVENT_KINDS = 16
_HEADROOM = 4096
"""Free events and log entries that a step of the clock must find: more than it can write."""
BLOCK = 16
"""Rows of a block; its first row links to the last row of the previous block, or to the next free block, from 1."""


@tiny
def next_event(P: KernelState) -> float:
    """Return the time of the next event."""
    return P.event_heap[0].at if P.counts[N_HEAP] > 0 else 1e300


@tiny
def event_kind(order: int) -> int:
    """Return the kind of an event."""
    return order % _EVENT_KINDS


@inner
def push(P: KernelState, at: float, kind: int, viewer: int, a: int, b: int) -> bool:
    """Schedule an event; return False if the queue is full."""
    if not _has_room(P, 1):
        return False
    P.counts[N_EVENTS] += 1
    order = P.counts[N_SERIAL] * _EVENT_KINDS + kind
    P.counts[N_SERIAL] += 1
    bucket = _bucket_of(P, at)
    if P.counts[N_BUCKET] <= bucket < P.counts[N_BUCKET] + len(P.bucket_tails):
        slot = bucket & (len(P.bucket_tails) - 1)  # their number is a power of two
        i = _next_row(P, P.bucket_tails[slot])
        event = P.event_blocks[i]
        event.at, event.order, event.viewer, event.a, event.b = at, order, viewer, a, b
        P.bucket_tails[slot] = i
        if P.counts[N_HEAP] == 0 or at < P.event_heap[0].at:
            _refill_heap(P)  # all events in the heap are later
    else:
        _push_to_heap(P, at, order, viewer, a, b)
    return True


@tiny
def _bucket_of(P: KernelState, at: float) -> int:
    return math.floor(min(at, 1e12) / P.s.bucket_width)


@tiny
def _next_row(P: KernelState, last: int) -> int:
    """Return the row after the last row of a bucket (0: the bucket is empty), in a new block if needed."""
    if last != 0 and (last + 1) % BLOCK != 0:
        return last + 1
    block = P.counts[N_FREE_BLOCK] - 1
    if block >= 0:
        P.counts[N_FREE_BLOCK] = P.event_blocks[block * BLOCK].a
    else:
        block = P.counts[N_BLOCKS]
        P.counts[N_BLOCKS] = block + 1
    P.counts[N_BLOCKS_HELD] += 1
    P.event_blocks[block * BLOCK].a = last
    return block * BLOCK + 1


@tiny
def _has_room(P: KernelState, events: int) -> bool:
    """Return whether `events` more can be scheduled, even if each is the first of its bucket."""
    return max(P.counts[N_EVENTS], P.counts[N_BLOCKS_HELD] * BLOCK) + events * BLOCK <= len(P.event_blocks)


@inner
def _push_to_heap(P: KernelState, at: float, order: int, viewer: int, a: int, b: int) -> None:
    """Insert an event into the heap."""
    heap = P.event_heap
    i = P.counts[N_HEAP]
    P.counts[N_HEAP] = i + 1
    while i > 0:
        parent = (i - 1) // _HEAP_ARITY
        if _before(heap[parent].at, heap[parent].order, at, order):
            break
        heap[i] = heap[parent]
        i = parent
    event = heap[i]
    event.at, event.order, event.viewer, event.a, event.b = at, order, viewer, a, b


@inner
def _refill_heap(P: KernelState) -> None:
    """Move events of the next buckets into the heap until its head lies in a bucket that has been moved."""
    while P.counts[N_EVENTS] > P.counts[N_HEAP]:
        bucket = P.counts[N_BUCKET]
        if P.counts[N_HEAP] > 0 and _bucket_of(P, P.event_heap[0].at) < bucket:
            return
        P.counts[N_BUCKET] = bucket + 1
        slot = bucket & (len(P.bucket_tails) - 1)
        last = int(P.bucket_tails[slot])
        P.bucket_tails[slot] = 0
        while last != 0:
            last = _move_block_to_heap(P, last)


@inner
def _move_block_to_heap(P: KernelState, last: int) -> int:
    """Move the events of a block, up to a row, into the heap; return the last row of the previous block."""
    head = last - last % BLOCK
    for i in range(head + 1, last + 1):
        event = P.event_blocks[i]
        v = event.viewer
        touch(P.viewer[v])
        touch(P.L.viewer[v])
        touch(P.L.link[v, 0])
        _push_to_heap(P, event.at, event.order, v, event.a, event.b)
    previous_block = int(P.event_blocks[head].a)
    P.event_blocks[head].a = P.counts[N_FREE_BLOCK]
    P.counts[N_FREE_BLOCK] = head // BLOCK + 1
    P.counts[N_BLOCKS_HELD] -= 1
    return previous_block


@tiny
def _before(at: float, order: int, other_at: float, other_order: int) -> bool:
    return at < other_at or (at == other_at and order < other_order)


@inner
def pop(P: KernelState) -> None:
    """Remove the next event."""
    P.counts[N_EVENTS] -= 1
    n = P.counts[N_HEAP] - 1
    P.counts[N_HEAP] = n
    if n > 0:
        _sift_down(P, n)
    _refill_heap(P)


@tiny
def _sift_down(P: KernelState, n: int) -> None:
    """Replace the head of the heap of `n` + 1 entries by its last entry."""
    heap = P.event_heap
    at, order = heap[n].at, heap[n].order
    i = 0
    while True:
        first = _HEAP_ARITY * i + 1
        if first >= n:
            break
        least = first
        for child in range(first + 1, min(first + _HEAP_ARITY, n)):
            if _before(heap[child].at, heap[child].order, heap[least].at, heap[least].order):
                least = child
        if _before(at, order, heap[least].at, heap[least].order):
            break
        heap[i] = heap[least]
        i = least
    heap[i] = heap[n]


@tiny
def is_nearly_full(P: KernelState) -> bool:
    """Return whether the queue or a log may overflow in one step of the clock."""
    if not _has_room(P, _HEADROOM):
        return True
    if not P.s.events:
        return False
    return (
        P.counts[N_TRANSFERS] + _HEADROOM > len(P.transfer_log)
        or P.counts[N_PLAYED] + _HEADROOM > len(P.played_log)
        or P.counts[N_STATES] + _HEADROOM > len(P.state_log)
        or P.counts[N_CONNECTIONS] + _HEADROOM > len(P.connection_log)
    )
