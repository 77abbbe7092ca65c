"""Sans-IO loader of a single viewer: events in, commands out, as the policy decides on one row of its arrays.

Segments are identified by their ids on the wire, neighbours by their peer ids. Row 0 of the arrays is the viewer; the
other rows are its neighbours, filled from their announcements.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from p2psim.bundle import records
from p2psim.policy import interface
from p2psim.policy.state import (
    ABSENT,
    FETCHING,
    HTTP,
    NOBODY,
    REQUEST,
    STORE,
    STORED,
    Loaders,
    Options,
    Timeline,
    allocate,
    neighbours,
    requests,
)
from p2psim.policy.state.bandwidth import Bandwidth
from p2psim.policy.state.storage import reclaim

__all__ = ["Command", "LoaderLimits", "SingleLoader"]

_OWN_ROW = 0
_SPEED_CACHE_DELAY = 1.0
"""Age of a page up to which upstream caches no speed of a neighbour, seconds."""


def _allocate(slots: int, neighbours: int) -> Loaders:
    """Return the arrays of one loader, with a request for each slot, because upstream retains all requests."""
    loaders = allocate(neighbours + 1, slots, 1, neighbours, sizes=True)
    return replace(loaders, request=records((slots, 1), REQUEST))


class Command(NamedTuple):
    """Command of a pass (`p2psim.policy.state.commands`), with ids instead of indices."""

    kind: int
    segment: int = NOBODY
    neighbour: str = ""
    first_byte: int = 0
    source: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderLimits:
    """Largest numbers of segments, neighbours and stored bytes of a loader."""

    capacity: int = 512
    """Number of segments that can be in use at once."""
    neighbours: int = 64
    """Number of neighbours that can be connected at once."""
    storage: float = math.inf
    """Size of all stored segments, bytes."""


class SingleLoader:
    """State of one viewer's loader, and the decisions of the policy on it.

    `now` is in seconds; `page_opened_at` is `now` unless given. `meters` are the bandwidth meters of all bytes and of
    those over HTTP, if the page has used them for another stream before. `name` is the viewer's peer id.
    """

    def __init__(
        self,
        options: Options,
        random: NDArray[np.int64],
        *,
        limits: LoaderLimits | None = None,
        now: float = 0.0,
        uploads: bool = True,
        page_opened_at: float | None = None,
        meters: tuple[Bandwidth, Bandwidth] | None = None,
        name: str = "",
    ) -> None:
        limits = limits or LoaderLimits()
        self.options = options
        self._page_opened_at = now if page_opened_at is None else page_opened_at
        self._L = _allocate(limits.capacity, limits.neighbours)
        self._L.random[_OWN_ROW] = random
        self._L.viewer["born"][_OWN_ROW] = now
        self._L.viewer["uploads"][_OWN_ROW] = uploads
        self._L.storage[_OWN_ROW] = limits.storage
        self._L.identity[_OWN_ROW] = interface.peer_hash(name)
        self._T = Timeline(start=np.zeros(0), end=np.zeros(0))
        self._base = 0
        self._mean = 1.0
        self._rows: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._free_rows = list(range(limits.neighbours, 0, -1))
        self._speeds: dict[str, Bandwidth] = {}
        self._fetching: dict[str, frozenset[int]] = {}
        self._unmeasured: set[str] = set()
        self._out = interface.command_buffer(limits.capacity, limits.capacity)
        self._stored_in_order: dict[int, None] = {}
        self.all, self.http = meters or (Bandwidth(), Bandwidth())

    # -- the stream ---------------------------------------------------------------------------------------------

    def playlist(self, segments: Sequence[tuple[int, float, float]]) -> None:
        """Update the playlist: consecutive (id, start, end) on the media time line."""
        if not segments:
            return
        if len(self._T.start) == 0:
            self._base = self._L.first_id[0] = int(segments[0][0])
            self._mean = sum(end - start for _, start, end in segments) / len(segments)
        first, last = segments[0][0] - self._base, segments[-1][0] + 1 - self._base
        if last > len(self._T.start):
            self._extend(last)
        if 2 * (last - first) > self._L.slot.shape[1]:
            self._widen(4 * (last - first))
        me = self._L.viewer[_OWN_ROW]
        for name, start, end in segments:
            index = int(name) - self._base
            if index >= me.last:
                reclaim(self._L, _OWN_ROW, index)
            if index >= 0:
                self._T.start[index], self._T.end[index] = start, end
        me.first = max(0, first)
        me.last = max(me.last, last)

    def _extend(self, count: int) -> None:
        """Enlarge the timeline to at least `count` segments."""
        size = max(count, 2 * len(self._T.start), 64)
        extended = Timeline(start=np.full(size, np.inf), end=np.full(size, np.inf))
        extended.start[: len(self._T.start)] = self._T.start
        extended.end[: len(self._T.end)] = self._T.end
        self._T = extended

    def _widen(self, slots: int) -> None:
        """Enlarge the arrays for a longer playlist."""
        old = self._L
        new = _allocate(slots, old.link.shape[1])
        last = int(old.viewer[_OWN_ROW].last)
        used = np.arange(max(0, last - old.slot.shape[1]), last + old.slot.shape[1] // 2)
        used = used[used < max(0, last - old.slot.shape[1]) + old.slot.shape[1]]
        new.slot[:, used % slots] = old.slot[:, used % old.slot.shape[1]]
        new.size[:, used % slots] = old.size[:, used % old.slot.shape[1]]
        new.request[: len(old.request)] = old.request
        for enlarged, present in ((new.viewer, old.viewer), (new.link, old.link)):
            enlarged[:] = present
        for name in ("storage", "speed", "identity", "fetch_time", "first_id", "random"):
            getattr(new, name)[:] = getattr(old, name)
        self._L = new
        self._out = interface.command_buffer(slots, slots)

    # -- the player ---------------------------------------------------------------------------------------------

    def start_at(self, position: float) -> None:
        """Set the playhead before the first report of the player: the start of the first segment that it requests."""
        self._L.viewer[_OWN_ROW].position = position

    def player_requests(self, segment: int) -> bool:
        """Take a request of the player; return True if the segment is stored. A pass is due in both cases."""
        return bool(interface.player_requests(self._L, _OWN_ROW, int(segment) - self._base))

    def player_aborts(self, segment: int) -> bool:
        """Abort a request of the player; return True if it was waiting for this segment (a pass is due)."""
        me = self._L.viewer[_OWN_ROW]
        if me.waiting != segment - self._base:
            return False
        me.waiting = NOBODY
        return True

    def playhead_moves(self, position: float, rate: float, now: float) -> bool:
        """Take a report of the playhead; return True if a pass is due."""
        return bool(interface.playhead_moves(self._L, _OWN_ROW, float(position), float(rate), self._mean, float(now)))

    def holds(self, segment: int) -> bool:
        """Return whether the segment is stored."""
        index = segment - self._base
        return 0 <= index < self._L.viewer[_OWN_ROW].last and bool(
            self._L.slot[_OWN_ROW, index % self._L.slot.shape[1]].stored
        )

    def listed(self, segment: int) -> bool:
        """Return whether the segment is in the playlist."""
        me = self._L.viewer[_OWN_ROW]
        return bool(me.first <= segment - self._base < me.last)

    @property
    def listing(self) -> range:
        """Ids of the segments in the playlist."""
        me = self._L.viewer[_OWN_ROW]
        return range(int(me.first) + self._base, int(me.last) + self._base)

    # -- decisions ----------------------------------------------------------------------------------------------

    def queue_pass(self, now: float) -> list[Command]:
        """Run a queue pass; return its commands, to be executed in order."""
        self._measure_neighbours(now)
        self.loaded_share = interface.queue_pass(self._L, self.options, self._T, _OWN_ROW, float(now), self._out)
        commands = self._commands()
        interface.after_pass(self._L, self.options, self._T, _OWN_ROW, float(now), self._out)
        return commands + self._commands()

    def prefetch_delay(self) -> float:
        """Draw the seconds until the next prefetch round."""
        return float(interface.prefetch_delay(self._L, self.options, _OWN_ROW))

    def prefetch_round(self, now: float) -> list[Command]:
        """Run a prefetch round; return its commands."""
        interface.prefetch_round(self._L, self.options, self._T, _OWN_ROW, float(now), self._out)
        return self._commands()

    def abort_all(self) -> list[Command]:
        """Abort all attempts, because the loader is closed; return the commands."""
        interface.abort_all(self._L, _OWN_ROW, self._out)
        return self._commands()

    def abort_and_forget(self) -> list[Command]:
        """Abort all attempts and drop all requests, because another quality is loaded; return the commands."""
        commands = self.abort_all()
        self._L.viewer[_OWN_ROW].retained = 0
        return commands

    def continue_after(self, other: "SingleLoader") -> None:
        """Continue at the playhead and the timers of the loader of another quality."""
        for name in ("position", "rate", "jumped", "last_pass_at", "born"):
            self._L.viewer[name][_OWN_ROW] = other._L.viewer[name][_OWN_ROW]

    def evict(self, active: "SingleLoader") -> bool:
        """Evict segments that a live viewer playing another quality no longer keeps; return True to announce that.

        `active` is the loader of the other quality.
        """
        me, playing = self._L.viewer[_OWN_ROW], active._L.viewer[_OWN_ROW]
        if not self.options.live or not playing.jumped:
            return False
        slots = self._L.slot.shape[1]
        index = np.arange(max(0, int(me.last) - slots), int(me.last))
        stored = self._L.slot["stored"][_OWN_ROW]
        is_old = playing.position > self._T.end[index] + self.options.high_demand_window
        evicted = index[is_old & (stored[index % slots] != 0)]
        stored[evicted % slots] = 0
        me.stored_bytes -= self._L.size[_OWN_ROW, evicted % slots].sum()
        self._stored_in_order = {segment: None for segment in self._stored_in_order if self.holds(segment)}
        if not len(evicted) or not me.uploads or me.announce:
            return False
        me.announce = 1
        return True

    loaded_share = 0.0
    """Share of the queue that was loaded at the last pass."""

    def current_share(self) -> float:
        """Return the share of the queue that is loaded now."""
        return float(interface.loaded_share(self._L, self.options, self._T, _OWN_ROW))

    def wakes_at(self, now: float) -> float:
        """Return the time at which a pass is due even without an event; inf: none."""
        return float(interface.wakes_at(self._L, self.options, _OWN_ROW, now))

    def _commands(self) -> list[Command]:
        commands = []
        rows = self._out.row[: int(self._out.count[0])]
        for kind, index, link, source, first_byte in rows.tolist():
            segment = index + self._base if index != NOBODY else NOBODY
            name = self._names[int(self._L.link[_OWN_ROW, link].neighbour)] if link != NOBODY else ""
            if kind == STORE:
                self._stored_in_order[segment] = None
            commands.append(Command(kind, segment, name, first_byte, source))
        self._stored_in_order = {segment: None for segment in self._stored_in_order if self.holds(segment)}
        return commands

    def announcement(self) -> tuple[list[int], list[int]]:
        """Return the announcement to broadcast now: ids stored and ids loading over HTTP, in order of arrival."""
        self._L.viewer[_OWN_ROW].announce = 0
        return self.peek_announcement()

    def peek_announcement(self) -> tuple[list[int], list[int]]:
        """Return the announcement for one neighbour; a broadcast that is due stays due."""
        count = int(self._L.viewer[_OWN_ROW].retained)
        rows = self._L.request[:count, _OWN_ROW]
        fetching = [int(row.segment) + self._base for row in rows if row.source == HTTP]
        return list(self._stored_in_order), [segment for segment in fetching if self.listed(segment)]

    # -- transfers ----------------------------------------------------------------------------------------------

    def started(self, source: int, now: float, neighbour: str = "") -> None:
        """Start the bandwidth meters of an attempt; `now` is in milliseconds."""
        for meter in self._meters(source, neighbour):
            meter.start(now)

    def stopped(self, source: int, now: float, neighbour: str = "") -> None:
        """Stop the bandwidth meters of an attempt; `now` is in milliseconds."""
        for meter in self._meters(source, neighbour):
            meter.stop(now)

    def _meters(self, source: int, neighbour: str) -> list[Bandwidth]:
        """Return the bandwidth meters of a transfer: that of all sources, and that of its source."""
        if source == HTTP:
            return [self.all, self.http]
        return [self.all, self._speeds[neighbour]] if neighbour in self._speeds else [self.all]

    def progress(self, segment: int) -> tuple[int, int]:
        """Return the received and the total bytes (0: unknown) of a retained request."""
        row = self._row(segment)
        return int(row.bytes), int(row.total)

    def set_total(self, segment: int, total: int) -> None:
        """Set the size of a segment, bytes."""
        self._row(segment).total = total

    def clear_bytes(self, segment: int) -> None:
        """Drop the partial bytes of a segment, which may be wrong."""
        row = self._row(segment)
        row.bytes, row.total = 0.0, 0.0

    def received(self, segment: int, count: int, source: int, now: float, neighbour: str = "") -> None:
        """Count bytes received for a loading request; `now` is in milliseconds."""
        self._row(segment).bytes += count
        for meter in self._meters(source, neighbour):
            meter.add(count, now)
        if neighbour in self._speeds:
            self._unmeasured.add(neighbour)

    def succeeded(self, segment: int) -> None:
        """Complete a request; a pass is due."""
        row = self._row(segment)
        speed = self.http.loading_only(15.0)
        if row.source == HTTP and speed > 0:
            count = float(row.bytes)
            interface.on_http_done(self._L, self.options, _OWN_ROW, count, count / speed)
        requests.succeed(self._L, _OWN_ROW, self._index(segment))

    def failed(self, segment: int, now: float, *, timed_out: bool = False) -> bool:
        """Fail an attempt (a pass is due); return True if its neighbour timed out too often and is to be dropped."""
        link = requests.fail(self._L, _OWN_ROW, self._index(segment), float(now), bool(timed_out))
        if link == NOBODY:
            return False
        row = int(self._L.link[_OWN_ROW, link].neighbour)
        self._L.speed[row] = 0.0
        self._speeds[self._names[row]].clear()
        return bool(interface.on_p2p_failed(self._L, self.options, _OWN_ROW, link, timed_out))

    def _index(self, segment: int) -> int:
        index = requests.find(self._L, _OWN_ROW, int(segment) - self._base)
        if index == NOBODY:
            raise KeyError(f"no request for segment {segment}")
        return int(index)

    def _row(self, segment: int) -> "np.record":
        row: np.record = self._L.request[self._index(segment), _OWN_ROW]
        return row

    # -- neighbours ---------------------------------------------------------------------------------------------

    def connect(self, name: str) -> bool:
        """Add a neighbour; return False if there is no room or it is connected already."""
        is_full = not self._free_rows or not interface.admits_peer(self._L, self.options, _OWN_ROW)
        if name in self._rows or is_full:
            return False
        row = self._free_rows.pop()
        self._L.slot["announced"][row] = ABSENT
        self._L.speed[row] = 0.0
        self._L.identity[row] = interface.peer_hash(name)
        self._rows[name], self._names[row] = row, name
        self._speeds[name] = Bandwidth()
        self._fetching[name] = frozenset()
        return bool(neighbours.connect(self._L, _OWN_ROW, row))

    @property
    def surplus_neighbour(self) -> str | None:
        """Peer id of the neighbour to drop because there are too many, if any."""
        link = int(interface.drops_peer(self._L, self.options, _OWN_ROW))
        return None if link == NOBODY else self._names[int(self._L.link[_OWN_ROW, link].neighbour)]

    def disconnect(self, name: str) -> None:
        """Remove a neighbour; the request that it served must have failed before."""
        row = self._rows.pop(name, None)
        if row is None:
            return
        neighbours.disconnect(self._L, _OWN_ROW, row)
        del self._names[row], self._speeds[name], self._fetching[name]
        self._free_rows.append(row)

    def announced(self, name: str, stored: Iterable[int], fetching: Iterable[int]) -> None:
        """Replace the announcement of a neighbour; a pass is due."""
        slots = self._L.slot.shape[1]
        low = max(0, int(self._L.viewer[_OWN_ROW].last) - slots // 2)
        states = np.zeros(slots, np.uint8)
        self._fetching[name] = frozenset(fetching)
        for ids, state in ((self._fetching[name], FETCHING), (stored, STORED)):
            index = np.fromiter(ids, np.int64) - self._base
            # an id outside of the slots would overwrite a listed one; it is invalid, or far from the playhead
            states[index[(index >= low) & (index < low + slots)] % slots] = state
        neighbours.replace_announced(self._L, self._rows[name], states)

    def lacks(self, name: str, segment: int) -> None:
        """Correct the announced state of a segment that a neighbour turned out to lack."""
        if name in self._rows and segment >= self._base:
            state = FETCHING if segment in self._fetching[name] else ABSENT
            neighbours.set_announced(self._L, self._rows[name], int(segment) - self._base, state)

    def _measure_neighbours(self, now: float) -> None:
        """Update the measured speeds of the neighbours; upstream caches none in the first second of a page."""
        if now - self._page_opened_at <= _SPEED_CACHE_DELAY:
            return
        for name in self._unmeasured & self._rows.keys():
            self._L.speed[self._rows[name]] = self._speeds[name].loading_only(15.0)
        self._unmeasured.clear()
