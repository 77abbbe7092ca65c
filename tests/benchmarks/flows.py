"""One trace of transfers between viewers, and who can play it: the kernel, and solvers to compare it with.

All of them take the same arrays and give the time at which each transfer ends; only access links limit.
"""

import atexit
import importlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from p2psim.network.flows import RATE_CHANGES
from p2psim.network.max_min_sharing import allocate, close_flow, next_finish, open_flow

__all__ = ["Outcome", "Transfers", "by_external", "by_full_solution", "by_kernel", "transfers"]

Floats = NDArray[np.float64]
_MBIT = 1e6 / 8
_ROWS = 65_536


class Transfers(NamedTuple):
    """Access links (viewers,), and transfers (count,) in order of time."""

    uplink: Floats
    downlink: Floats
    at: Floats
    source: NDArray[np.int64]
    sink: NDArray[np.int64]
    size: Floats


class Outcome(NamedTuple):
    """Times of the ends, and rates that were set per event."""

    ended: Floats
    touched: float


def transfers(viewers: int, seconds: float, load: float, seed: int = 1) -> Transfers:
    """Poisson transfers of 20 Mbit, sources in proportion to their uplinks, which are loaded to the given share."""
    rng = np.random.default_rng(seed)
    uplink = rng.choice([5.0, 10.0, 20.0, 40.0], viewers) * _MBIT
    downlink = rng.choice([25.0, 50.0, 100.0], viewers) * _MBIT
    count = int(rng.poisson(load * uplink.sum() / (20 * _MBIT) * seconds))
    source = rng.choice(viewers, count, p=uplink / uplink.sum())
    sink = (source + rng.integers(1, viewers, count)) % viewers
    at = np.sort(rng.random(count) * seconds)
    return Transfers(uplink, downlink, at, source.astype(np.int64), sink.astype(np.int64), np.full(count, 20 * _MBIT))


def by_kernel(work: Transfers) -> Outcome:
    """Play it on the simulator's kernel."""
    network = allocate(np.concatenate([work.uplink, work.downlink]), _ROWS, 2)
    ended = np.zeros(len(work.at))
    rows = np.arange(_ROWS)[::-1].copy()
    _drive(
        network, work.at, work.source, work.sink + len(work.uplink), work.size, rows, np.zeros(_ROWS, np.int64), ended
    )
    return Outcome(ended, network.counts[RATE_CHANGES] / (2 * len(ended)))


@njit
def _drive(N: Any, at: Any, source: Any, sink: Any, size: Any, rows: Any, which: Any, ended: Any) -> None:
    path = np.empty(2, np.int64)
    i, free = 0, len(rows)
    while True:
        finish = next_finish(N)
        if i < len(at) and at[i] <= finish:
            free -= 1
            f = rows[free]
            which[f] = i
            path[0], path[1] = source[i], sink[i]
            open_flow(N, f, path, size[i], np.inf, at[i])
            i += 1
        elif finish < np.inf:
            f = N.finish[0].who
            ended[which[f]] = finish
            close_flow(N, f, finish)
            rows[free] = f
            free += 1
        else:
            return


def by_full_solution(work: Transfers) -> Outcome:
    """Solve everything anew at every event: progressive filling over all transfers under way, compiled."""
    ended = np.zeros(len(work.at))
    touched = _solve_through(
        np.concatenate([work.uplink, work.downlink]),
        work.at,
        work.source,
        work.sink + len(work.uplink),
        work.size,
        ended,
    )
    return Outcome(ended, touched)


@njit
def _solve_through(capacity: Any, at: Any, source: Any, sink: Any, size: Any, ended: Any) -> float:
    active = np.empty(len(at), np.int64)
    rate, left = np.zeros(len(at)), size.copy()
    i, n, now, touched, events = 0, 0, 0.0, 0, 0
    while i < len(at) or n > 0:
        end, first = np.inf, -1
        for k in range(n):
            f = active[k]
            if rate[f] > 0 and now + left[f] / rate[f] < end:
                end, first = now + left[f] / rate[f], k
        arrives = i < len(at) and at[i] <= end
        then = at[i] if arrives else end
        for k in range(n):
            left[active[k]] -= rate[active[k]] * (then - now)
        now = then
        if arrives:
            active[n] = i
            i, n = i + 1, n + 1
        else:
            ended[active[first]] = now
            n -= 1
            active[first] = active[n]
        _fill(capacity, active[:n], source, sink, rate)
        touched, events = touched + n, events + 1
    return touched / max(1, events)


@njit
def _fill(capacity: Any, active: Any, source: Any, sink: Any, rate: Any) -> None:
    left, users = capacity.copy(), np.zeros(len(capacity), np.int64)
    for f in active:
        users[source[f]] += 1
        users[sink[f]] += 1
        rate[f] = -1.0
    fixed = 0
    while fixed < len(active):
        share, tightest = np.inf, -1
        for link in range(len(capacity)):
            if users[link] > 0 and left[link] / users[link] < share:
                share, tightest = left[link] / users[link], link
        for f in active:
            if rate[f] < 0 and (source[f] == tightest or sink[f] == tightest):
                rate[f] = max(0.0, share)
                for link in (source[f], sink[f]):
                    left[link] -= share
                    users[link] -= 1
                fixed += 1


def by_external(path: Path) -> Callable[[Transfers], Outcome]:
    """Play it with a script of somebody else.

    It has ``run(mode, viewers, uplinks, downlinks, times, sources, sinks, sizes, flows, degree)``, which gives the ends
    of the transfers, events, flows touched and most flows at once; mode 2 is its incremental solver.
    """
    if not path.is_file():
        raise SystemExit(f"{path}: no such file")
    # a copy of its own: what numba has cached of it elsewhere may belong to another import
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copy(path, folder / "other_solver.py")
    sys.path.insert(0, str(folder))
    module = importlib.import_module("other_solver")

    def play(work: Transfers) -> Outcome:
        ended, events, touched, _ = module.run(2, len(work.uplink), *work, _ROWS, 2048)
        return Outcome(ended, touched / events)

    return play
