"""HTTP server and peers of a replayed world: each answers at its rate, or fails as it is told to."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from p2psim.testbed.peer.interfaces import FetchEvents
from p2psim.testbed.peer.loader import Loader
from p2psim.wire import (
    CancelSegmentRequest,
    CommandJoiner,
    SegmentAbsent,
    SegmentData,
    SegmentDataSendingCompleted,
    SegmentRequest,
    SegmentsAnnouncement,
    decode,
    encode,
    is_command,
)
from tests.policy.behaviour import Behaviour
from tests.policy.recorded_events import Notes
from tests.policy.virtual_time import SECOND, VirtualClock

NAMES = {
    SegmentsAnnouncement: "announce",
    SegmentRequest: "request",
    SegmentData: "data",
    SegmentDataSendingCompleted: "completed",
    SegmentAbsent: "absent",
    CancelSegmentRequest: "cancel",
}


class Swarm(Protocol):
    """What a peer knows of its world."""

    clock: VirtualClock
    notes: Notes

    def member(self, place: int) -> Loader | None:
        """Return the loader of the membership with this place in order of their beginning, if it goes on."""
        ...

    def size(self, level: int) -> int:
        """Return the bytes of a segment."""
        ...


class FakeHttp:
    """Each request has the full rate to itself; pieces of 100 ms."""

    def __init__(self, notes: Notes, size: int, rate: float, latency: float, behaviour: Behaviour) -> None:
        self.notes, self.size, self.rate, self.latency, self.behaviour = notes, size, rate, latency, behaviour

    def __call__(self, segment: int, first_byte: int, events: FetchEvents) -> Callable[[], None]:
        return _Response(self, segment, first_byte, events).abort


class _Response:
    def __init__(self, server: FakeHttp, segment: int, first_byte: int, events: FetchEvents) -> None:
        self._server, self._segment, self._events = server, segment, events
        self._notes, self._clock = server.notes, server.notes.clock
        self._dead = False
        self._notes.add("http_start", id=segment, range=f"bytes={first_byte}-" if first_byte else None)
        self._mode = server.behaviour(segment, self._clock.ms)
        self._is_part = first_byte > 0 and self._mode != "whole"
        self._first = self._sent = first_byte if self._is_part else 0
        half = (server.size - self._first) // 2
        self._end = self._first + half if self._mode in ("truncate", "drop") else server.size
        if self._mode != "hang":
            self._clock.after(server.latency, self._respond)

    def abort(self) -> None:
        if not self._dead:
            self._dead = True
            self._notes.add("http_abort", id=self._segment, at_byte=self._sent)

    def _respond(self) -> None:
        if self._dead:
            return
        if self._mode in ("error", "refuse"):
            self._dead = True
            self._events.headers(500 if self._mode == "error" else 416, None, None)
            return
        size, first = self._server.size, self._first + (1 if self._mode == "badrange" else 0)
        part = (first, size - 1) if self._is_part else None
        if self._events.headers(206 if self._is_part else 200, size - self._first, part):
            self._read()
        else:
            self._dead = True

    def _read(self) -> None:
        if self._dead:
            return
        if self._sent >= self._end:
            self._dead = True
            if self._mode == "drop":
                self._events.broken("network")
            else:
                self._events.finished()
            return
        left = self._server.size - self._sent
        self._clock.after(min(100.0, left / self._server.rate * SECOND), self._give)

    def _give(self) -> None:
        if self._dead:
            return
        count = min(math.floor(self._server.rate * 0.1 + 0.5), self._end - self._sent)
        self._sent += count
        self._events.chunk(bytes(count))
        self._read()


class FakePeer:
    """A peer that has what it is told to have and serves at its rate."""

    def __init__(self, world: Swarm, name: str, spec: dict[str, Any], behaviour: Behaviour) -> None:
        self.peer, self._world, self._spec, self._behaviour = name, world, spec, behaviour
        self._clock, self._notes = world.clock, world.notes
        self._loader: Loader | None = None
        self._down = False
        self._turn = 0
        self._joiner = CommandJoiner()

    def open(self) -> None:
        self._loader = self._world.member(self._spec.get("client", 0))
        if self._loader is None:
            return
        self._loader.channel_opened(self)
        self._notes.add("peer_connect", peer=self.peer)
        self.announce(self._spec.get("have", []), [])

    def announce(self, stored: list[int], loading: list[int]) -> None:
        self._tell(encode(SegmentsAnnouncement(tuple(stored), tuple(loading)), upstream_faults=True))

    def ask(self, segment: int, request: int, first_byte: int) -> None:
        self._say(SegmentRequest(segment, request, first_byte))

    def leave(self) -> None:
        if self._loader is not None and not self._down:
            self._loader.channel_closed(self.peer)

    def _say(self, command: Any) -> None:
        self._tell(encode(command))

    def _tell(self, messages: Iterable[bytes]) -> None:
        for message in messages:
            if self._loader is not None and not self._down:
                self._loader.channel_message(self.peer, message)

    def _later(self, ms: float, turn: int, action: Callable[[], None]) -> None:
        self._clock.after(ms, lambda: action() if not self._down and turn == self._turn else None)

    def send(self, message: bytes) -> bool:
        if not is_command(message):
            self._notes.add("upload_chunk", peer=self.peer, len=len(message))
            return True
        payload = self._joiner.push(message)
        if payload is None:
            return True
        command = decode(payload)
        self._note(command)
        if isinstance(command, SegmentRequest):
            self._serve(command)
        elif isinstance(command, CancelSegmentRequest):
            self._turn += 1
        return True

    def _note(self, command: Any) -> None:
        details: dict[str, Any] = {"peer": self.peer, "cmd": NAMES[type(command)]}
        if isinstance(command, SegmentsAnnouncement):
            details |= {"l": list(command.stored), "p": list(command.loading)}
        else:
            details["id"] = command.segment
        if isinstance(command, SegmentRequest) and command.first_byte:
            details["from"] = command.first_byte
        self._notes.add("p2p_send", **details)

    def _serve(self, request: SegmentRequest) -> None:
        self._turn += 1
        turn, mode, rtt = self._turn, self._behaviour(request.segment, self._clock.ms), self._spec.get("rtt", 40)
        if mode == "silent":
            return
        if mode == "absent":
            self._later(rtt, turn, lambda: self._say(SegmentAbsent(request.segment, request.request)))
            return
        total = self._world.size(self._spec.get("level", 0)) - request.first_byte
        said = total + 1 if mode == "wrongsize" else total
        self._later(rtt, turn, lambda: self._say(SegmentData(request.segment, request.request, said)))
        at = float(rtt)
        for offset in range(0, total, 65535):
            count = min(65535, total - offset)
            at += count / self._spec["rate"] * SECOND
            if offset > total / 2 and mode == "stall":
                return
            if offset > total / 2 and mode == "short":
                break
            if offset > total / 2 and mode == "leave":
                self._later(at, turn, self.leave)
                return
            self._later(at, turn, partial(self._tell, [b"\7" * count]))
        if mode == "overflow":
            self._later(at, turn, lambda: self._tell([b"\7" * 9]))
        named = request.segment + 1 if mode == "wrongid" else request.segment
        done = SegmentDataSendingCompleted(named, request.request)
        self._later(at + 0.001, turn, lambda: self._say(done))

    def close(self) -> None:
        if not self._down:
            self._down = True
            self._notes.add("conn_destroyed", peer=self.peer)
