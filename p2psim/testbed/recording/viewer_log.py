"""What is written down about one viewer: transfers, segments, playback, connections, announces and statistics."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from p2psim.testbed.peer.connection_pool import Outcome
from p2psim.testbed.peer.interfaces import Timepiece
from p2psim.testbed.peer.player import State
from p2psim.testbed.recording.event_log import EventLog, digest
from p2psim.wire import is_command

__all__ = ["RecordedConnection", "ViewerLog"]

_OUTCOMES: Final = {
    "loaded": "completed",
    "abort": "aborted",
    "bytes-receiving-timeout": "stalled",
    "p2p-segment-validation-failed": "invalid",
    "http-segment-validation-failed": "invalid",
}
Opened = Callable[[int, bytes], bytes]
_SERIALS: Final = 1_000_000
"""Transfers of a visit have numbers of their own."""
_ANSWER_BEGINS: Final = b"cstr\x02"
"""How a SegmentData command starts on the wire."""


class RecordedConnection(Protocol):
    """What is written down about a connection."""

    @property
    def peer(self) -> str:
        """The other's id."""

    @property
    def is_ours(self) -> bool:
        """Whether this viewer offered it."""

    @property
    def initiated_at(self) -> float:
        """When it was begun; the others are NaN for what did not come."""

    @property
    def answered_at(self) -> float:
        """When the answer was there."""

    @property
    def opened_at(self) -> float:
        """When its channel opened."""

    @property
    def closed_at(self) -> float:
        """When it ended."""

    @property
    def sent(self) -> int:
        """Segment bytes that left."""

    @property
    def path(self) -> str | None:
        """Which way it went: host, srflx, prflx, relay; None if it never opened."""

    @property
    def received(self) -> int:
        """Segment bytes that came."""


@dataclass(slots=True)
class _Transfer:
    serial: int
    segment: int
    source: str
    peer: str
    started_at: float
    first_byte: int
    header_at: float = math.nan
    first_byte_at: float = math.nan
    bytes: int = 0


@dataclass(slots=True)
class _Segment:
    requested_at: float = math.nan
    completed_at: float = math.nan
    due_at: float = math.nan
    played_at: float = math.nan
    size: int = 0
    digest: str = ""
    bytes: dict[str, int] = field(default_factory=lambda: {"http": 0, "p2p": 0})


class ViewerLog:
    """Observes everything about one viewer on one channel, and counts its segment bytes.

    `opened` decrypts a segment; `before` are the notes of the channel that the viewer has just left.
    """

    def __init__(
        self,
        journal: EventLog,
        clock: Timepiece,
        viewer: str,
        opened: Opened = lambda _, data: data,
        stream: str = "main",
        before: "ViewerLog | None" = None,
    ) -> None:
        self.viewer = viewer
        self._opened, self._stream = opened, stream
        self.downloaded: dict[str, int] = {"http": 0, "p2p": 0} if before is None else before.downloaded
        self._journal = journal
        self._clock = clock
        self._open: dict[tuple[int, str], _Transfer] = {}
        self._last: dict[tuple[str, str], _Transfer] = {}
        self._segments: dict[int, _Segment] = {}
        self._visit: int = 0 if before is None else before._visit + 1
        self._serial = self._visit * _SERIALS
        self._sampled_at, self._sampled_down, self._sampled_up = clock.now(), 0, 0
        self._announce: dict[str, Any] = {}
        self._state: State | None = None
        if before is not None:
            self._sampled_at, self._sampled_down, self._sampled_up = before._sample
            self.state_changed("starting", math.nan, 0.0)

    def write(self, event: str, **fields: Any) -> None:
        """Write an event of this viewer."""
        self._journal.write(event, viewer=self.viewer, **fields)

    # -- the loader ---------------------------------------------------------------------------------------------

    def attempt_started(self, segment: int, source: str, peer: str, first_byte: int) -> None:
        """An attempt to fetch a segment begins."""
        self._serial += 1
        transfer = _Transfer(self._serial, segment, source, peer, self._clock.now(), first_byte)
        self._open[segment, source] = transfer
        self._last[source, peer if source == "p2p" else str(segment)] = transfer
        self._segment(segment)

    def attempt_resumed(self, segment: int, source: str, first_byte: int) -> None:
        """The attempt under way goes on from a byte that was not known when it began."""
        transfer = self._open.get((segment, source))
        if transfer is not None:
            transfer.first_byte = first_byte

    def bytes_received(self, segment: int, source: str, peer: str, count: int) -> None:
        """Segment bytes came; those of no download under way belong to the last one from that peer."""
        transfer = self._open.get((segment, source))
        if transfer is None or transfer.peer != peer:
            self._came_late(source, peer, count)
            return
        if math.isnan(transfer.first_byte_at):
            transfer.first_byte_at = self._clock.now()
        transfer.bytes += count
        self._count(transfer.segment, source, count)

    def late_http(self, segment: int, count: int) -> None:
        """Bytes of an aborted HTTP response came."""
        self._came_late("http", str(segment), count)

    def _came_late(self, source: str, key: str, count: int) -> None:
        transfer = self._last.get((source, key))
        if transfer is None:
            self.attempt_started(-1, source, key, 0)
            self.attempt_ended(-1, source, key, "never asked for")
            transfer = self._last[source, key]
        if self._open.get((transfer.segment, source)) is transfer:
            transfer.bytes += count
        else:
            self.write("late", transfer=transfer.serial, bytes=count)
        self._count(transfer.segment, source, count)

    def attempt_ended(self, segment: int, source: str, peer: str, outcome: str) -> None:
        """It ended; bytes that were there already took no transfer."""
        transfer = self._open.pop((segment, source), None)
        if transfer is None:
            return
        now = self._clock.now()
        if outcome == "loaded":
            self._segment(segment).completed_at = now
            if transfer.bytes == 0 and transfer.first_byte > 0:
                return
        self.write(
            "transfer", stream=self._stream, transfer=transfer.serial, segment=segment, source=source, peer=peer,
            started_at=transfer.started_at, header_at=transfer.header_at, first_byte_at=transfer.first_byte_at,
            ended_at=now, bytes=transfer.bytes, first_byte=transfer.first_byte,
            outcome=_OUTCOMES.get(outcome, "failed"),
        )  # fmt: skip

    def bytes_sent(self, segment: int, peer: str, count: int) -> None:
        """Segment bytes were handed to a connection, which counts what it sends."""

    def upload_ended(self, segment: int, peer: str, complete: bool) -> None:
        """An upload is over."""

    def peer_closed(self, peer: str) -> None:
        """A peer is gone; its connection writes that down."""

    # -- the player ---------------------------------------------------------------------------------------------

    def state_changed(self, state: State, position: float, buffer: float) -> None:
        """The player begins, plays, stalls or is at the end."""
        if state == self._state == "starting":
            return  # it began when the viewer turned to the channel
        self._state = state
        self.write("playback", at=self._clock.now(), state=state, position=position, buffer=buffer)

    def segment_asked(self, segment: int) -> None:
        """The player asks its loader for a segment."""
        self._segment(segment)

    def segment_delivered(self, segment: int, data: bytes) -> None:
        """The player has got it."""
        self.segment_held(segment, data)

    def segment_held(self, segment: int, data: bytes) -> None:
        """The viewer has all of a segment."""
        if not self._segment(segment).digest:
            self.segment_hashed(segment, len(data), digest(self._opened(segment, data)))

    def segment_hashed(self, segment: int, size: int, hashed: str) -> None:
        """The viewer has all of a segment, told by its digest (see `journal.digest`)."""
        noted = self._segment(segment)
        if not noted.digest:
            noted.size, noted.digest = size, hashed

    def segment_due(self, segment: int, at: float) -> None:
        """The playhead has come to the segment, and it is not there."""
        self._segment(segment).due_at = at

    def segment_played(self, segment: int, at: float) -> None:
        """Its play began."""
        noted = self._segment(segment)
        noted.played_at = at
        if math.isnan(noted.due_at):
            noted.due_at = at

    def _segment(self, segment: int) -> _Segment:
        noted = self._segments.setdefault(segment, _Segment())
        if math.isnan(noted.requested_at):
            noted.requested_at = self._clock.now()
        return noted

    def _count(self, segment: int, source: str, count: int) -> None:
        self.downloaded[source] += count
        self._segment(segment).bytes[source] += count

    def write_segments(self) -> None:
        """Write down every segment that was played, fetched or due: the viewer has left."""
        for number, noted in sorted(self._segments.items()):
            if number < 0:
                continue
            self.write(
                "segment", stream=self._stream, segment=number, size=noted.size, digest=noted.digest,
                requested_at=noted.requested_at, completed_at=noted.completed_at, due_at=noted.due_at,
                played_at=noted.played_at, bytes_http=noted.bytes["http"], bytes_p2p=noted.bytes["p2p"],
            )  # fmt: skip

    # -- connections --------------------------------------------------------------------------------------------

    def connection_over(self, connection: RecordedConnection, outcome: Outcome) -> None:
        """Write a connection down: its bytes at both ends, the rest where it was offered."""
        self.write(
            "link", peer=connection.peer, sent=connection.sent, received=connection.received,
            path=connection.path, opened_at=connection.opened_at,
        )  # fmt: skip
        if connection.is_ours:
            self.write(
                "connection", peer=connection.peer, initiated_at=connection.initiated_at,
                answered_at=connection.answered_at, opened_at=connection.opened_at, closed_at=connection.closed_at,
                outcome=outcome,
            )  # fmt: skip

    def message_came(self, connection: RecordedConnection, message: bytes, is_wanted: bool) -> None:
        """Count what comes too late for the loader, and see when a peer begins to answer."""
        if not is_command(message):
            if not is_wanted:
                self._came_late("p2p", connection.peer, len(message))
        elif message.startswith(_ANSWER_BEGINS):
            self._answered(connection.peer)

    def _answered(self, peer: str) -> None:
        transfer = self._last.get(("p2p", peer))
        if transfer is not None and math.isnan(transfer.header_at):
            transfer.header_at = self._clock.now()

    # -- the tracker --------------------------------------------------------------------------------------------

    def announced(self, event: str, offers: int) -> None:
        """An announce goes out; the one before is complete."""
        self.write_announce()
        self._announce = {"at": self._clock.now(), "sort": event, "offers": offers, "peers": 0, "offer": 0, "answer": 0}

    def tracker_said(self, what: str, count: int = 1) -> None:
        """The tracker sent an "offer" or an "answer", or told how many "peers" there are."""
        if self._announce:
            self._announce[what] = count if what == "peers" else self._announce[what] + count

    def write_announce(self) -> None:
        """Write down the last announce with all that came after it."""
        if self._announce:
            self.write("announce", **self._announce)
        self._announce = {}

    # -- statistics ---------------------------------------------------------------------------------------------

    def write_sample(self, at: float, peers: int, buffer: float, uploaded: int) -> None:
        """Write down the viewer's statistics, rates since the last time included."""
        downloaded = sum(self.downloaded.values())
        passed = max(at - self._sampled_at, 1e-9)
        self.write(
            "sample", at=at, peers=peers, buffer=buffer, downloaded=downloaded, uploaded=uploaded,
            download_rate=(downloaded - self._sampled_down) / passed,
            upload_rate=(uploaded - self._sampled_up) / passed,
            p2p_share=self.downloaded["p2p"] / downloaded if downloaded else 0.0,
        )  # fmt: skip
        self._sampled_at, self._sampled_down, self._sampled_up = at, downloaded, uploaded

    @property
    def _sample(self) -> tuple[float, int, int]:
        return self._sampled_at, self._sampled_down, self._sampled_up
