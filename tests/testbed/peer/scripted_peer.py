"""Loader on a virtual clock with one peer, whose messages the test chooses."""

import os
from collections.abc import Callable
from typing import TypeVar

from p2psim.policy.interface import options
from p2psim.rng import constant_streams
from p2psim.scenario.policy import Policy
from p2psim.testbed.loader_config import LoaderConfig, Validator
from p2psim.testbed.peer.interfaces import FetchEvents
from p2psim.testbed.peer.loader import Loader
from p2psim.wire import (
    Command,
    SegmentData,
    SegmentDataSendingCompleted,
    SegmentRequest,
    SegmentsAnnouncement,
    decode,
    encode,
    is_command,
)
from tests.testbed.virtual_clock import VirtualClock

CommandType = TypeVar("CommandType")

SIZE = 150_000
BODY = os.urandom(SIZE)
"""Bytes of segment 0."""
MESSAGE = 65_535
"""Longest message, bytes."""


class Outcomes:
    """Observer of a loader that records how attempts and peers ended, and the bytes of no download."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, str, str]] = []
        """Segment, source and outcome of each attempt that has ended."""
        self.unusable = 0
        self.closed: list[str] = []

    def attempt_started(self, segment: int, source: str, peer: str, first_byte: int) -> None: ...

    def bytes_received(self, segment: int, source: str, peer: str, count: int) -> None:
        self.unusable += count if segment == -1 else 0

    def attempt_ended(self, segment: int, source: str, peer: str, outcome: str) -> None:
        self.ended.append((segment, source, outcome))

    def bytes_sent(self, segment: int, peer: str, count: int) -> None: ...

    def upload_ended(self, segment: int, peer: str, complete: bool) -> None: ...

    def peer_closed(self, peer: str) -> None:
        self.closed.append(peer)


class ScriptedChannel:
    """Data channel to a peer that sends what the test says; `room` is how many pieces of data it accepts."""

    def __init__(self, loader: Loader, clock: VirtualClock, peer: str = "peer") -> None:
        self._loader, self._clock, self._peer = loader, clock, peer
        self.commands: list[Command] = []
        """Commands that the loader has sent."""
        self.data: list[bytes] = []
        """Segment data that the loader has sent."""
        self.is_closed = False
        self.room = 10**9

    @property
    def peer(self) -> str:
        return self._peer

    def send(self, message: bytes) -> bool:
        if is_command(message):
            self.commands.append(decode(message[4:-4]))
            return True
        self.data.append(message)
        self.room -= 1
        return self.room > 0

    def close(self) -> None:
        self.is_closed = True

    def say(self, *commands: Command) -> None:
        """Send commands to the loader."""
        for command in commands:
            for message in encode(command, MESSAGE):
                self._loader.channel_message(self.peer, message)
        self._clock.run_until(self._clock.time)

    def give(self, data: bytes) -> None:
        """Send segment data to the loader."""
        for start in range(0, len(data), MESSAGE):
            self._loader.channel_message(self.peer, data[start : start + MESSAGE])
        self._clock.run_until(self._clock.time)

    def drain(self) -> None:
        """Accept segment data again."""
        self._loader.channel_drained(self.peer)
        self._clock.run_until(self._clock.time)

    def sent(self, sort: type[CommandType]) -> list[CommandType]:
        """Return the commands of a type that the loader has sent."""
        return [command for command in self.commands if isinstance(command, sort)]

    @property
    def request(self) -> SegmentRequest:
        """Last request of the loader."""
        return self.sent(SegmentRequest)[-1]


class ScriptedSwarm:
    """Loader of three segments that loads nothing over HTTP, with a connected peer."""

    def __init__(
        self, *, validate: Validator | None = None, upstream_faults: bool = False, uploads: bool = True
    ) -> None:
        self.clock, self.observer = VirtualClock(), Outcomes()
        self.loader = Loader(
            options(Policy(httpDownloadInitialTimeoutMs=1e9, simultaneousP2PDownloads=1), live=False),
            self.clock,
            no_response,
            self.observer,
            constant_streams(0.5, 1)[0],
            LoaderConfig(validate_p2p=validate, answers_unknown=True, upstream_faults=upstream_faults, uploads=uploads),
        )
        self.loader.playlist(segments(3))
        self.delivered: list[bytes] = []
        """Data of the segments that the player has received."""
        self.peer = self.connect("peer")

    def connect(self, name: str) -> ScriptedChannel:
        """Open a channel to a peer."""
        channel = ScriptedChannel(self.loader, self.clock, name)
        self.loader.channel_opened(channel)
        return channel

    def run(self, seconds: float = 0.0) -> None:
        self.clock.run_until(self.clock.time + seconds)

    def ask(self) -> SegmentRequest:
        """Request segment 0 for the player; return the loader's request to the peer, which stores it."""
        self.loader.load(0, lambda data, _: self.delivered.append(data), lambda _: None)
        self.peer.say(SegmentsAnnouncement((0,)))
        return self.peer.request

    def send_body(self, request: SegmentRequest, data: bytes = BODY) -> None:
        """Send a complete response to a request for segment 0."""
        self.peer.say(SegmentData(0, request.request, SIZE))
        self.peer.give(data)
        self.peer.say(SegmentDataSendingCompleted(0, request.request))

    def store(self) -> None:
        """Load segment 0 from the peer, so that the loader stores it."""
        self.send_body(self.ask())
        assert self.delivered == [BODY]
        self.peer.commands.clear()

    @property
    def outcomes(self) -> list[str]:
        """Outcomes of all attempts that have ended."""
        return [outcome for _, _, outcome in self.observer.ended]


def segments(count: int) -> list[tuple[int, float, float]]:
    """Return a playlist of segments of four seconds."""
    return [(number, number * 4.0, number * 4.0 + 4.0) for number in range(count)]


def no_response(segment: int, first_byte: int, events: FetchEvents) -> Callable[[], None]:
    """HTTP request to which no response comes (a `Fetcher`)."""
    return lambda: None
