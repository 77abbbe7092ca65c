"""Heaps: of the times at which flows end, and of the shares that links can give."""

import numpy as np

from p2psim.compiled import inner, tiny
from p2psim.network.flows import Network

__all__ = ["build_shares", "drop_finish", "move_finish", "pop_share", "push_finish", "sink_share"]


@tiny
def _put_finish(N: Network, i: int, key: float, f: int) -> None:
    N.finish[i].key = key
    N.finish[i].who = f
    N.flow[f].place = i


@inner
def _before(N: Network, key: float, f: int, other_key: float, other: int) -> bool:
    if key != other_key:
        return key < other_key
    mine, theirs = N.flow[f], N.flow[other]
    if mine.owner != theirs.owner:
        return mine.owner < theirs.owner
    return mine.rank < theirs.rank or (mine.rank == theirs.rank and f < other)


@inner
def _rise_finish(N: Network, i: int) -> int:
    key, f = N.finish[i].key, N.finish[i].who
    while i > 0:
        parent = (i - 1) >> 1
        if not _before(N, key, f, N.finish[parent].key, N.finish[parent].who):
            break
        _put_finish(N, i, N.finish[parent].key, N.finish[parent].who)
        i = parent
    _put_finish(N, i, key, f)
    return i


@inner
def _sink_finish(N: Network, i: int) -> None:
    size = N.counts[0]
    key, f = N.finish[i].key, N.finish[i].who
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _before(
            N, N.finish[right].key, N.finish[right].who, N.finish[child].key, N.finish[child].who
        ):
            child = right
        if not _before(N, N.finish[child].key, N.finish[child].who, key, f):
            break
        _put_finish(N, i, N.finish[child].key, N.finish[child].who)
        i = child
    _put_finish(N, i, key, f)


@tiny
def push_finish(N: Network, f: int) -> None:
    """Let a flow that never ends enter the heap."""
    n = N.counts[0]
    N.counts[0] = n + 1
    _put_finish(N, n, np.inf, f)
    _rise_finish(N, n)


@tiny
def drop_finish(N: Network, f: int) -> None:
    """Take a flow out of the heap."""
    i = N.flow[f].place
    last = N.counts[0] - 1
    N.counts[0] = last
    if i != last:
        _put_finish(N, i, N.finish[last].key, N.finish[last].who)
        _sink_finish(N, _rise_finish(N, i))


@tiny
def move_finish(N: Network, f: int, key: float) -> None:
    """Let a flow end at another time."""
    i = N.flow[f].place
    N.finish[i].key = key
    _sink_finish(N, _rise_finish(N, i))


@tiny
def build_shares(N: Network, touched: int) -> int:
    """Make the heap of what each touched link can give each of its flows without a rate; gives its size."""
    size = 0
    for i in range(touched):
        row = N.link[N.links[i]]
        if not np.isinf(row.capacity):
            N.shares[size].key = row.residual / row.unfixed
            N.shares[size].who = N.links[i]
            size += 1
    for i in range(size // 2 - 1, -1, -1):
        sink_share(N, i, size)
    return size


@tiny
def pop_share(N: Network, size: int) -> int:
    """Take out the least share; gives the new size."""
    size -= 1
    if size > 0:
        N.shares[0].key, N.shares[0].who = N.shares[size].key, N.shares[size].who
        sink_share(N, 0, size)
    return size


@inner
def sink_share(N: Network, i: int, size: int) -> None:
    """Put an entry that has grown in its place."""
    key, item = N.shares[i].key, N.shares[i].who
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and N.shares[child + 1].key < N.shares[child].key:
            child += 1
        if N.shares[child].key >= key:
            break
        N.shares[i].key, N.shares[i].who = N.shares[child].key, N.shares[child].who
        i = child
    N.shares[i].key, N.shares[i].who = key, item
