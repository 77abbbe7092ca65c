"""Log of one viewer: its transfers, segments, playback, connections, announces and statistics."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from p2psim.testbed.peer.interfaces import TimeSource
from p2psim.testbed.recording.event_log import EventLog, digest
from p2psim.trace.schema import ConnectionOutcome, State
from p2psim.wire import is_command
from p2psim.wire.commands import SEGMENT_DATA_START

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
"""Numbers of transfers reserved for each channel that a viewer watches."""


class RecordedConnection(Protocol):
    """Connection as it is recorded; times that did not come are NaN."""

    @property
    def peer(self) -> str:
        """Peer id of the other end."""

    @property
    def is_ours(self) -> bool:
        """True if this viewer offered the connection."""

    @property
    def initiated_at(self) -> float:
        """Second of the run at which the offer was begun."""

    @property
    def answered_at(self) -> float:
        """Second at which the answer was back."""

    @property
    def opened_at(self) -> float:
        """Second at which the data channel opened."""

    @property
    def closed_at(self) -> float:
        """Second at which the connection ended."""

    @property
    def sent(self) -> int:
        """Segment bytes sent."""

    @property
    def path(self) -> str | None:
        """Kind of the ICE candidates in use: host, srflx, prflx, relay; None if it never opened."""

    @property
    def received(self) -> int:
        """Segment bytes received."""


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
    """Log of one viewer on one channel; its parts report events to it, and it counts segment bytes.

    `opened` decrypts a segment; `before` is the log of the channel that the viewer has just left.
    """

    def __init__(
        self,
        log: EventLog,
        clock: TimeSource,
        viewer: str,
        opened: Opened = lambda _, data: data,
        stream: str = "main",
        before: "ViewerLog | None" = None,
    ) -> None:
        self.viewer = viewer
        self._opened, self._stream = opened, stream
        self.downloaded: dict[str, int] = {"http": 0, "p2p": 0} if before is None else before.downloaded
        self._log = log
        self._clock = clock
        self._open: dict[tuple[int, str], _Transfer] = {}
        self._last: dict[tuple[str, str], _Transfer] = {}
        self._segments: dict[int, _Segment] = {}
        self._session: int = 0 if before is None else before._session + 1
        self._serial = self._session * _SERIALS
        self._sampled_at, self._sampled_down, self._sampled_up = clock.now(), 0, 0
        self._announce: dict[str, Any] = {}
        self._state: State | None = None
        if before is not None:
            self._sampled_at, self._sampled_down, self._sampled_up = before._sample
            self.state_changed("starting", math.nan, 0.0)

    def write(self, event: str, **fields: Any) -> None:
        """Write an event of this viewer."""
        self._log.write(event, viewer=self.viewer, **fields)

    # -- the loader ---------------------------------------------------------------------------------------------

    def attempt_started(self, segment: int, source: str, peer: str, first_byte: int) -> None:
        """Record that an attempt to fetch a segment begins."""
        self._serial += 1
        transfer = _Transfer(self._serial, segment, source, peer, self._clock.now(), first_byte)
        self._open[segment, source] = transfer
        self._last[source, peer if source == "p2p" else str(segment)] = transfer
        self._segment(segment)

    def attempt_resumed(self, segment: int, source: str, first_byte: int) -> None:
        """Set the first byte of the attempt under way, which was not known when it began."""
        transfer = self._open.get((segment, source))
        if transfer is not None:
            transfer.first_byte = first_byte

    def bytes_received(self, segment: int, source: str, peer: str, count: int) -> None:
        """Count segment bytes; those of no attempt under way belong to the last one from that peer."""
        transfer = self._open.get((segment, source))
        if transfer is None or transfer.peer != peer:
            self._count_late(source, peer, count)
            return
        if math.isnan(transfer.first_byte_at):
            transfer.first_byte_at = self._clock.now()
        transfer.bytes += count
        self._count(transfer.segment, source, count)

    def late_http(self, segment: int, count: int) -> None:
        """Count bytes of an aborted HTTP response."""
        self._count_late("http", str(segment), count)

    def _count_late(self, source: str, key: str, count: int) -> None:
        transfer = self._last.get((source, key))
        if transfer is None:
            self.attempt_started(-1, source, key, 0)
            self.attempt_ended(-1, source, key, "not requested")
            transfer = self._last[source, key]
        if self._open.get((transfer.segment, source)) is transfer:
            transfer.bytes += count
        else:
            self.write("late", transfer=transfer.serial, bytes=count)
        self._count(transfer.segment, source, count)

    def attempt_ended(self, segment: int, source: str, peer: str, outcome: str) -> None:
        """Record the end of an attempt, unless all its bytes were there before it."""
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
        """Do nothing: connections count the segment bytes that they send."""

    def upload_ended(self, segment: int, peer: str, complete: bool) -> None:
        """Do nothing: connections count the segment bytes that they send."""

    def peer_closed(self, peer: str) -> None:
        """Do nothing: the end of a connection is recorded by `connection_over`."""

    # -- the player ---------------------------------------------------------------------------------------------

    def state_changed(self, state: State, position: float, buffer: float) -> None:
        """Record a new state of the player."""
        if state == self._state == "starting":
            return  # recorded when the viewer changed to this channel
        self._state = state
        self.write("playback", at=self._clock.now(), state=state, position=position, buffer=buffer)

    def segment_requested(self, segment: int) -> None:
        """Record that the player requests a segment from its loader."""
        self._segment(segment)

    def segment_delivered(self, segment: int, data: bytes) -> None:
        """Record that the player has received a segment."""
        self.segment_held(segment, data)

    def segment_held(self, segment: int, data: bytes) -> None:
        """Record that the viewer has all bytes of a segment."""
        if not self._segment(segment).digest:
            self.segment_hashed(segment, len(data), digest(self._opened(segment, data)))

    def segment_hashed(self, segment: int, size: int, hashed: str) -> None:
        """Record that the viewer has all bytes of a segment, whose digest is given."""
        entry = self._segment(segment)
        if not entry.digest:
            entry.size, entry.digest = size, hashed

    def segment_due(self, segment: int, at: float) -> None:
        """Record that the playhead has reached a segment that is missing."""
        self._segment(segment).due_at = at

    def segment_played(self, segment: int, at: float) -> None:
        """Record that the play of a segment began."""
        entry = self._segment(segment)
        entry.played_at = at
        if math.isnan(entry.due_at):
            entry.due_at = at

    def _segment(self, segment: int) -> _Segment:
        entry = self._segments.setdefault(segment, _Segment())
        if math.isnan(entry.requested_at):
            entry.requested_at = self._clock.now()
        return entry

    def _count(self, segment: int, source: str, count: int) -> None:
        self.downloaded[source] += count
        self._segment(segment).bytes[source] += count

    def write_segments(self) -> None:
        """Write an event for every segment that was played, fetched or due; to be called when the viewer leaves."""
        for number, entry in sorted(self._segments.items()):
            if number < 0:
                continue
            self.write(
                "segment", stream=self._stream, segment=number, size=entry.size, digest=entry.digest,
                requested_at=entry.requested_at, completed_at=entry.completed_at, due_at=entry.due_at,
                played_at=entry.played_at, bytes_http=entry.bytes["http"], bytes_p2p=entry.bytes["p2p"],
            )  # fmt: skip

    # -- connections --------------------------------------------------------------------------------------------

    def connection_over(self, connection: RecordedConnection, outcome: ConnectionOutcome) -> None:
        """Write events of a connection that has ended: its bytes at both ends, its times at the end that offered it."""
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

    def message_received(self, connection: RecordedConnection, message: bytes, is_wanted: bool) -> None:
        """Count segment bytes that the loader does not want any more, and record when a peer begins to answer."""
        if not is_command(message):
            if not is_wanted:
                self._count_late("p2p", connection.peer, len(message))
        elif message.startswith(SEGMENT_DATA_START):
            self._answer_began(connection.peer)

    def _answer_began(self, peer: str) -> None:
        transfer = self._last.get(("p2p", peer))
        if transfer is not None and math.isnan(transfer.header_at):
            transfer.header_at = self._clock.now()

    # -- the tracker --------------------------------------------------------------------------------------------

    def announced(self, event: str, offers: int) -> None:
        """Record an announce, and write the event of the one before."""
        self.write_announce()
        self._announce = {"at": self._clock.now(), "sort": event, "offers": offers, "peers": 0, "offer": 0, "answer": 0}

    def tracker_sent(self, kind: str, count: int = 1) -> None:
        """Count an "offer" or an "answer" from the tracker, or record the number of "peers" in its reply."""
        if self._announce:
            self._announce[kind] = count if kind == "peers" else self._announce[kind] + count

    def write_announce(self) -> None:
        """Write the event of the last announce, with the offers and answers that came after it."""
        if self._announce:
            self.write("announce", **self._announce)
        self._announce = {}

    # -- statistics ---------------------------------------------------------------------------------------------

    def write_sample(self, at: float, peers: int, buffer: float, uploaded: int) -> None:
        """Write a sample of the viewer's statistics, with its rates since the sample before."""
        downloaded = sum(self.downloaded.values())
        elapsed = max(at - self._sampled_at, 1e-9)
        self.write(
            "sample", at=at, peers=peers, buffer=buffer, downloaded=downloaded, uploaded=uploaded,
            download_rate=(downloaded - self._sampled_down) / elapsed,
            upload_rate=(uploaded - self._sampled_up) / elapsed,
            p2p_share=self.downloaded["p2p"] / downloaded if downloaded else 0.0,
        )  # fmt: skip
        self._sampled_at, self._sampled_down, self._sampled_up = at, downloaded, uploaded

    @property
    def _sample(self) -> tuple[float, int, int]:
        return self._sampled_at, self._sampled_down, self._sampled_up
