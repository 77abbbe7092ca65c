"""Conversion of the events of a page (`probe.js`) into the log of a viewer, on the run's clock.

A page reports the same events as the parts of an aiortc viewer, but later and on its own clock. Here they go to the
same `ViewerLog`, so that both kinds of viewers have the same tables.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from p2psim.testbed.recording.event_log import DIGEST_DIGITS, EventLog
from p2psim.testbed.recording.viewer_log import ViewerLog
from p2psim.trace.schema import State
from p2psim.wire import SegmentRequest, decode
from p2psim.wire.commands import FRAME_END, MARK_SIZE, SEGMENT_DATA_START

__all__ = ["BrowserLog"]

Event = Mapping[str, Any]

_HEADER: Final = SEGMENT_DATA_START + FRAME_END
"""A SegmentData command; the page reports its arrival without its content."""
_MARK: Final = 4
"""Length of the marks at both ends of a command, bytes."""


class _EventClock:
    """Clock that shows the time of the event being converted (see `p2psim.testbed.peer.interfaces.TimeSource`)."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at


@dataclass(frozen=True, slots=True)
class _Connection:
    """Connection as the page reports it (see `p2psim.testbed.recording.viewer_log.RecordedConnection`)."""

    peer: str
    is_ours: bool = False
    initiated_at: float = math.nan
    answered_at: float = math.nan
    opened_at: float = math.nan
    closed_at: float = math.nan
    sent: int = 0
    received: int = 0
    path: str | None = "host"


class BrowserLog:
    """Log of one viewer in a browser.

    Parameters
    ----------
    segment_duration
        Seconds. A page counts media time from where it joined; segment numbers and this duration give that of the
        stream.
    """

    def __init__(self, log: EventLog, viewer: str, segment_duration: float) -> None:
        self.zero = math.nan
        """Second of the run at which the page's clock showed 0; to be set before events are added."""
        self.joined_at = math.nan
        self.peer_id = ""
        self._clock = _EventClock()
        self._log = ViewerLog(log, self._clock, viewer)
        self._duration = segment_duration
        self._offset = 0.0
        self._state: State | None = None
        self._numbers: dict[str, int] = {}
        self._over_http: set[int] = set()
        self._from_peer: dict[str, int] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Convert events that the page has recorded since the last call."""
        for event in events:
            self._clock.at = self._time(event["t"])
            self._convert(event)

    def _time(self, page_time: float | None) -> float:
        """Return the second of the run for a time of the page, milliseconds."""
        return math.nan if page_time is None else self.zero + page_time / 1000

    def _convert(self, event: Event) -> None:
        match event["kind"]:
            case "start" | "end" | "range" | "request" | "chunk" | "bytes" | "header":
                self._convert_transfer(event)
            case "opened" | "asked" | "held" | "changed" | "playing" | "waiting" | "ended":
                self._convert_playback(event)
            case "announce" | "counted" | "offer" | "answer":
                self._convert_announce(event)
            case "connection":
                self._log.connection_over(self._connection(event), event["outcome"])
            case "sample" | "leaving" | "left":
                self._convert_sample(event)
            case other:
                self._log.write(other, at=self._clock.at, text=event["text"])

    # -- transfers ----------------------------------------------------------------------------------------------

    def _convert_transfer(self, event: Event) -> None:
        match event["kind"]:
            case "start":
                self._start(event["segment"], event["source"], event["peer"], event["url"])
            case "end":
                self._end(event["segment"], event["source"], event["peer"], event["outcome"])
            case "range":
                self._log.attempt_resumed(self._numbers.get(event["url"], -1), "http", event["first"])
            case "request":
                self._resume(bytes.fromhex(event["command"])[MARK_SIZE:-MARK_SIZE])
            case "chunk":
                self._chunk(self._numbers.get(event["url"], -1), event["count"])
            case "bytes":
                segment = self._from_peer.get(event["peer"], -1)
                self._log.bytes_received(segment, "p2p", event["peer"], event["count"])
            case "header":
                self._log.message_received(_Connection(event["peer"]), _HEADER, is_wanted=True)

    def _start(self, segment: int, source: str, peer: str, url: str) -> None:
        self._numbers[url] = segment
        if source == "http":
            self._over_http.add(segment)
        else:
            self._from_peer[peer] = segment
        self._log.attempt_started(segment, source, peer, 0)

    def _end(self, segment: int, source: str, peer: str, outcome: str) -> None:
        if source == "http":
            self._over_http.discard(segment)
        else:
            self._from_peer.pop(peer, None)
        self._log.attempt_ended(segment, source, peer, outcome)

    def _resume(self, payload: bytes) -> None:
        request = decode(payload)
        if isinstance(request, SegmentRequest) and request.first_byte:
            self._log.attempt_resumed(request.segment, "p2p", request.first_byte)

    def _chunk(self, segment: int, count: int) -> None:
        if segment in self._over_http:
            self._log.bytes_received(segment, "http", "", count)
        else:
            self._log.late_http(segment, count)

    # -- playback -----------------------------------------------------------------------------------------------

    def _convert_playback(self, event: Event) -> None:
        now = self._clock.at
        match event["kind"]:
            case "opened":
                self.joined_at = now
            case "asked":
                self._align(event)
                self._log.segment_requested(event["segment"])
                if self._state is None:
                    self._change("starting", event["start"], 0.0)
            case "held":
                self._log.segment_hashed(event["segment"], event["size"], event["digest"][:DIGEST_DIGITS])
            case "changed":
                self._align(event)
                self._log.segment_played(event["segment"], now - max(0.0, event["position"] - event["start"]))
            case "playing" | "ended" as state:
                self._change(state, event["position"], event["buffer"])
            case "waiting" if self._state == "playing":
                self._change("stalled", event["position"], event["buffer"])
                stalled_at = event["position"] + event["buffer"] + self._offset
                self._log.segment_due(round(stalled_at / self._duration), now)

    def _align(self, event: Event) -> None:
        """Update the offset from the page's media time to the stream's."""
        self._offset = event["segment"] * self._duration - event["start"]

    def _change(self, state: State, position: float, buffer: float) -> None:
        if state != self._state:
            self._state = state
            self._log.state_changed(state, position + self._offset, buffer)

    # -- the tracker, connections, statistics ---------------------------------------------------------------------

    def _convert_announce(self, event: Event) -> None:
        match event["kind"]:
            case "announce":
                self.peer_id = event["peer"]
                self._log.announced(event["event"], event["offers"])
            case "counted":
                self._log.tracker_sent("peers", event["peers"])
            case kind:
                self._log.tracker_sent(kind)

    def _connection(self, event: Event) -> _Connection:
        return _Connection(
            peer=event["peer"],
            is_ours=event["ours"],
            initiated_at=self._time(event["initiated"]),
            answered_at=self._time(event["answered"]),
            opened_at=self._time(event["opened"]),
            closed_at=self._clock.at,
            sent=event["sent"],
            received=event["received"],
        )

    def _convert_sample(self, event: Event) -> None:
        self._log.write_sample(self._clock.at, event["peers"], event["buffer"], event["uploaded"])
        if "shown" in event:
            self._log.write("shown", at=self._clock.at, **event["shown"])

    def conclude(self, **facts: Any) -> None:
        """Write what is only known at the end of the viewer's session, and the viewer itself."""
        self._log.write_announce()
        self._log.write_segments()
        self._log.write("viewer", peer_id=self.peer_id, joined_at=self.joined_at, actor="browser", **facts)
