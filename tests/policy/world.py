"""The world of the recorded scheduler traces: virtual time, microtasks, fake HTTP and fake peers around our loader.

It repeats, step by step, what the program did that recorded the real p2p-media-loader 2.3.1, so that both write the
same events at the same virtual milliseconds.
"""

import dataclasses
import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from p2psim.policy.interface import options
from p2psim.policy.state.bandwidth import Bandwidth
from p2psim.rng import constant_streams
from p2psim.scenario.policy import Policy
from p2psim.testbed.peer.interfaces import FetchEvents
from p2psim.testbed.peer.loader import Loader
from p2psim.testbed.peer.qualities import Qualities
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
from tests.policy.behaviour import Behaviour, behaviour

SECOND = 1000.0
NAMES = {
    SegmentsAnnouncement: "announce",
    SegmentRequest: "request",
    SegmentData: "data",
    SegmentDataSendingCompleted: "completed",
    SegmentAbsent: "absent",
    CancelSegmentRequest: "cancel",
}


class VirtualClock:
    """Milliseconds inside, seconds to the loader; timers of one instant fire in the order of their making."""

    def __init__(self) -> None:
        self.ms = 0.0
        self._serial = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._dead: set[int] = set()
        self._micro: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def now(self) -> float:
        return self.ms / SECOND

    def milliseconds(self) -> float:
        return self.ms

    def call_soon(self, callback: Callable[..., None], *args: object) -> None:
        self._micro.append((callback, args))

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> "VirtualTimer":
        # whole milliseconds are whole again: the recorder never saw seconds
        return self.after(round(delay * SECOND, 6), lambda: callback(*args))

    def after(self, ms: float, action: Callable[[], None]) -> "VirtualTimer":
        self._serial += 1
        heapq.heappush(self._heap, (self.ms + max(0.0, ms), self._serial, action))
        return VirtualTimer(self, self._serial)

    def every(self, ms: float, action: Callable[[], None]) -> None:
        self._serial += 1
        serial = self._serial

        def arm() -> None:
            heapq.heappush(self._heap, (self.ms + ms, serial, fire))

        def fire() -> None:
            arm()
            action()

        arm()

    def kill(self, serial: int) -> None:
        self._dead.add(serial)

    def drain(self) -> None:
        while self._micro:
            callback, args = self._micro.popleft()
            callback(*args)

    def run_until(self, end: float) -> None:
        self.drain()
        while self._heap and self._heap[0][0] <= end:
            at, serial, action = heapq.heappop(self._heap)
            if serial in self._dead:
                continue
            self.ms = at
            action()
            self.drain()
        self.ms = end


@dataclass
class VirtualTimer:
    clock: VirtualClock
    serial: int

    def cancel(self) -> None:
        self.clock.kill(self.serial)


class TooManyEventsError(Exception):
    """The loader runs in circles."""


@dataclass
class Notes:
    """The trace: what happened, in the recorder's words."""

    clock: VirtualClock
    most: int = 1_000_000
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, ev: str, **details: Any) -> None:
        if len(self.events) >= self.most:
            raise TooManyEventsError
        # JavaScript rounds halves up
        self.events.append({"t": math.floor(self.clock.ms + 0.5), "ev": ev, **details})

    def attempt_started(self, segment: int, source: str, peer: str, first_byte: int) -> None: ...

    def bytes_received(self, segment: int, source: str, peer: str, count: int) -> None: ...

    def attempt_ended(self, segment: int, source: str, peer: str, outcome: str) -> None:
        who = {"peer": peer} if source == "p2p" else {}
        if outcome == "loaded":
            self.add("loaded", id=segment, src=source, **who)
        elif outcome == "abort":
            self.add("abort", id=segment, src=source, **who)
        else:
            self.add("error", id=segment, src=source, **who, type=outcome)

    def bytes_sent(self, segment: int, peer: str, count: int) -> None: ...

    def upload_ended(self, segment: int, peer: str, complete: bool) -> None: ...

    def peer_closed(self, peer: str) -> None:
        self.add("peer_close", peer=peer)


class LevelNotes(Notes):
    """Notes that name the level of a ladder."""

    def __init__(self, notes: Notes, level: int) -> None:
        super().__init__(notes.clock, notes.most, notes.events)
        self._level = level

    def add(self, ev: str, **details: Any) -> None:
        if "id" in details:
            details = {"id": details.pop("id"), "level": self._level, **details}
        super().add(ev, **details)


SOUND = 9
"""The level that stands for the secondary stream."""


@dataclass
class Track:
    """What the player does with one stream."""

    is_sound: bool
    next: int
    qualities: Qualities
    busy: bool = False
    asked: int = 0

    @property
    def loader(self) -> Loader | None:
        return self.qualities.current


@dataclass
class Client:
    """A membership in a swarm, in order of its beginning."""

    loader: Loader
    is_gone: bool = False


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

    def __init__(self, world: "World", name: str, spec: dict[str, Any], behaviour: Behaviour) -> None:
        self.peer, self._world, self._spec, self._behaviour = name, world, spec, behaviour
        self._clock, self._notes = world.clock, world.notes
        self._loader: Loader | None = None
        self._down = False
        self._turn = 0
        self._joiner = CommandJoiner()

    def open(self) -> None:
        clients = self._world.clients
        place = self._spec.get("client", 0)
        if place >= len(clients) or clients[place].is_gone:
            return
        self._loader = clients[place].loader
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
            self._later(at, turn, lambda n=count: self._tell([b"\7" * n]))
        if mode == "overflow":
            self._later(at, turn, lambda: self._tell([b"\7" * 9]))
        named = request.segment + 1 if mode == "wrongid" else request.segment
        done = SegmentDataSendingCompleted(named, request.request)
        self._later(at + 0.001, turn, lambda: self._say(done))

    def close(self) -> None:
        if not self._down:
            self._down = True
            self._notes.add("conn_destroyed", peer=self.peer)


class World:
    """One scenario of the recorder's."""

    capacity = 1024
    """Segments for which a loader has room from the beginning."""

    def __init__(self, params: dict[str, Any], most_events: int = 1_000_000) -> None:
        self.params = params
        self.clock = VirtualClock()
        self.notes = Notes(self.clock, most_events)
        self._levels: list[dict[str, Any]] = params.get("levels", [{}])
        self._duration = params.get("segDur", 4)
        self.clients: list[Client] = []
        self._meters = Bandwidth(), Bandwidth()
        self._open_channel()
        self._rate = 1.0
        self._paused = False
        self.stall_ticks = 0
        self.at_the_end: Callable[[], None] = lambda: None

    def size(self, level: int) -> int:
        """Bytes of a segment."""
        stream = self.params["sound"] if level == SOUND else self._levels[level]
        size: int = stream.get("segBytes", self.params.get("segBytes", 500_000))
        return size

    def _notes_of(self, level: int) -> Notes:
        return LevelNotes(self.notes, level) if {"levels", "sound"} & self.params.keys() else self.notes

    def _open_channel(self) -> None:
        params, live = self.params, self.params.get("live")
        self._low = live["first"] if live else 0
        self._high = live["first"] + live["window"] if live else params.get("segments", 20)
        first = self._high - 1 - math.floor(live.get("latency", 18) / self._duration) if live else 0
        self._position = float(first * self._duration)
        self._played = False
        self._page: list[Loader] = []
        kinds = [False, True] if "sound" in params else [False]
        self._tracks = [Track(is_sound, first, self._make_qualities()) for is_sound in kinds]
        self._level = 0
        self._bitrate = params.get("bitrate", self._levels[0].get("bitrate", 0))

    def run(self) -> list[dict[str, Any]]:
        params, clock = self.params, self.clock
        if params.get("live"):
            clock.every(self._duration * SECOND, self._publish)
        for number, spec in enumerate(params.get("peers", [])):
            self._arrange_peer(number, spec)
        clock.after(0, self._pump)
        clock.every(250, self._tick)
        for seek in params.get("seeks", []):
            clock.after(seek["at"], lambda s=seek: self._seek(s))
        for change in params.get("rates", []):
            clock.after(change["at"], lambda c=change: self._set_rate(c["rate"]))
        for pause in params.get("pauses", []):
            clock.after(pause["at"], lambda: self._pause(True))
            clock.after(pause["until"], lambda: self._pause(False))
        for change in params.get("switches", []):
            clock.after(change["at"], lambda c=change: self._switch(c))
        for zap in params.get("zaps", []):
            clock.after(zap["at"], self._zap)
        clock.run_until(params.get("until", 30_000))
        self.at_the_end()
        self._close()
        return self.notes.events

    # -- stream -------------------------------------------------------------------------------------------------

    def _items(self) -> list[tuple[int, float, float]]:
        d = self._duration
        return [(i, i * d, (i + 1) * d) for i in range(self._low, self._high)]

    def _publish(self) -> None:
        self._high += 1
        self._low += 1
        for track in self._tracks:
            for level in [SOUND] if track.is_sound else range(len(self._levels)):
                track.qualities.playlist(level, self._items())
        self.notes.add("playlist", first=self._low, last=self._high - 1)

    # -- peers --------------------------------------------------------------------------------------------------

    def _arrange_peer(self, number: int, spec: dict[str, Any]) -> None:
        peer = FakePeer(self, f"-PM0203-peer0000000{number}", spec, behaviour(spec.get("behaviour")))
        self.clock.after(spec.get("at", 100), peer.open)
        follow = spec.get("follow")
        if follow and self.params.get("live"):
            self.clock.every(follow.get("everyMs", 500), lambda: peer.announce(self._followed(follow["lag"]), []))
        for said in spec.get("announces", []):
            self.clock.after(said["at"], lambda s=said: peer.announce(s.get("l", []), s.get("p", [])))
        for wish in spec.get("requests", []):
            self.clock.after(wish["at"], lambda w=wish: peer.ask(w["id"], w.get("r", 1), w.get("from", 0)))
        if "leaves" in spec:
            self.clock.after(spec["leaves"], peer.leave)

    def _followed(self, lag: int) -> list[int]:
        return [i for i in range(self._low, self._high) if i <= self._high - 1 - lag]

    # -- player -------------------------------------------------------------------------------------------------

    def _make_qualities(self) -> Qualities:
        policy = self._policy()
        return Qualities(self.clock, self._make_loader, self._member, policy.p2pInactiveLoaderDestroyTimeoutMs / SECOND)

    def _member(self, _level: int, loader: Loader, is_in: bool) -> None:
        if is_in:
            self.clients.append(Client(loader))
        else:
            next(client for client in self.clients if client.loader is loader and not client.is_gone).is_gone = True

    def _policy(self) -> Policy:
        return dataclasses.replace(Policy(maxPeers=64), **self.params.get("config", {}))

    def _make_loader(self, level: int, predecessor: Loader | None) -> Loader:
        policy, params = self._policy(), self.params
        notes = self._notes_of(level)
        loader = Loader(
            options(policy, live=bool(params.get("live"))),
            self.clock,
            FakeHttp(
                notes,
                self.size(level),
                params.get("httpRate", 2_000_000),
                params.get("httpLatency", 50),
                behaviour(params.get("httpBehaviour")),
            ),
            notes,
            constant_streams(params.get("random", 0.5), 1)[0],
            uploads=not policy.isP2PUploadDisabled,
            max_message_size=policy.webRtcMaxMessageSize,
            storage=policy.storage_limit(mobile=False),
            page_opened_at=0.0,
            meters=self._meters,
            capacity=self.capacity,
            upstream_faults=True,
            page=self._page,
            predecessor=predecessor,
        )
        loader.level_bitrate = self._bitrate / 8
        loader.playlist(self._items())
        if predecessor is None:
            loader.agent.start_at(self._begin_at)
        return loader

    def _pump(self) -> None:
        for track in self._tracks:
            self._pump_track(track)

    def _pump_track(self, track: Track) -> None:
        buffer = self.params.get("playerBuffer", 15)
        if track.busy or track.next >= self._high or track.next * self._duration > self._position + buffer:
            return
        track.busy, track.asked = True, track.next
        level = SOUND if track.is_sound else self._level
        self._notes_of(level).add("engine_request", id=track.next)
        self.clock.call_soon(self._request, track, track.next, level)

    def _request(self, track: Track, segment: int, level: int) -> None:
        if not self._low <= segment < self._high:
            # thrown out of an asynchronous function: caught one microtask later
            said = f"Not found segment with id: http://o/seg{segment}.ts"
            self.clock.call_soon(lambda: self.notes.add("throw", m=said))
            return
        self._begin_at = segment * float(self._duration)
        # a track from before a zap that still tries again asks in the channel that plays now
        self._tracks[int(track.is_sound)].qualities.load(
            level,
            segment,
            lambda _data, bandwidth: self._delivered(track, segment, level, bandwidth),
            lambda why: self._refused(track, segment, level, why),
        )

    def _delivered(self, track: Track, segment: int, level: int, bandwidth: float) -> None:
        track.busy, self._played = False, True
        self._notes_of(level).add("engine_ok", id=segment, bandwidth=math.floor(bandwidth * 8 + 0.5))
        track.next = segment + 1
        self._pump_track(track)

    def _refused(self, track: Track, segment: int, level: int, why: str) -> None:
        self._notes_of(level).add("engine_err", id=segment, type=why)
        track.busy = False
        if why != "aborted":
            self.clock.after(1000, lambda: self._pump_track(track))

    def _tick(self) -> None:
        if self._played and not self._paused:
            reached = min(track.next for track in self._tracks) * self._duration
            if self._position + 0.25 * self._rate <= reached:
                self._position += 0.25 * self._rate
            else:
                self.stall_ticks += 1
            self._report()
        self._pump()

    def _report(self) -> None:
        for loader in self._loaders:
            loader.playhead(self._position, self._rate)

    def _seek(self, seek: dict[str, Any]) -> None:
        self._position = float(seek["to"])
        self.notes.add("seek", to=seek["to"])
        for track in self._tracks:
            track.next = math.floor(self._position / self._duration)
            if track.busy:
                if track.loader is not None:
                    track.loader.abort(seek.get("abort", track.next))
                track.busy = False
        self._report()
        self._pump()

    def _set_rate(self, rate: float) -> None:
        self._rate = rate
        self.notes.add("rate", rate=rate)
        self._report()

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        self.notes.add("pause" if paused else "resume")

    def _switch(self, change: dict[str, Any]) -> None:
        self._level = change["level"]
        self.notes.add("switch", level=self._level)
        bitrate = self._levels[self._level]["bitrate"]
        if bitrate != self._bitrate:
            self._bitrate = bitrate
            for loader in self._loaders:
                loader.level_bitrate = bitrate / 8
                loader.level_changed_at = self.clock.milliseconds()
        main = self._tracks[0]
        if change.get("abort") and main.busy:
            if main.loader is not None:
                main.loader.abort(main.asked)
            main.busy = False
        self._pump()

    def _zap(self) -> None:
        self.notes.add("zap")
        self._close()
        self._open_channel()
        self._pump()

    @property
    def _loaders(self) -> list[Loader]:
        return [track.loader for track in self._tracks if track.loader is not None]

    def _close(self) -> None:
        for track in self._tracks:
            track.qualities.close()
        for client in self.clients:
            client.is_gone = True
