"""From what a page's probe wrote down (`browser_probe.js`) to the notes of a viewer, on the run's clock.

A page tells the same story as an aiortc viewer's own parts do, only later and in its own time; it is told again here to
the same `ViewerLog`, so that both end in the same tables.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from p2psim.testbed.peer.player import State
from p2psim.testbed.recording.event_log import DIGEST_DIGITS, EventLog
from p2psim.testbed.recording.viewer_log import ViewerLog
from p2psim.wire import SegmentRequest, decode

__all__ = ["BrowserLog"]

Event = Mapping[str, Any]

_HEADER: Final = b"cstr\x02cend"
"""A SegmentData command, of which the page tells only that it came."""
_MARK: Final = 4


class _ToldClock:
    """Shows the time of what is being told (see `p2psim.testbed.peer.interfaces.Timepiece`)."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at


@dataclass(frozen=True, slots=True)
class _Link:
    """A connection as the page tells of it (see `p2psim.testbed.recording.viewer_log.RecordedConnection`)."""

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
    """Notes of one viewer in a browser.

    Parameters
    ----------
    segment_duration
        Seconds; a live stream's position is counted in these, since a page counts from where it came in.
    """

    def __init__(self, journal: EventLog, viewer: str, segment_duration: float) -> None:
        self.zero = math.nan
        """Second of the run at which the page's own clock showed 0; to be set before anything is told."""
        self.joined_at = math.nan
        self.peer_id = ""
        self._clock = _ToldClock()
        self._notes = ViewerLog(journal, self._clock, viewer)
        self._duration = segment_duration
        self._offset = 0.0
        self._state: State | None = None
        self._numbers: dict[str, int] = {}
        self._over_http: set[int] = set()
        self._from_peer: dict[str, int] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Take what the page wrote down since the last time."""
        for event in events:
            self._clock.at = self._time(event["t"])
            self._take(event)

    def _time(self, page_time: float | None) -> float:
        """Second of the run of a page's milliseconds."""
        return math.nan if page_time is None else self.zero + page_time / 1000

    def _take(self, event: Event) -> None:
        match event["kind"]:
            case "start" | "end" | "range" | "request" | "chunk" | "bytes" | "header":
                self._take_transfer(event)
            case "opened" | "asked" | "held" | "changed" | "playing" | "waiting" | "ended":
                self._take_playback(event)
            case "announce" | "counted" | "offer" | "answer":
                self._take_announce(event)
            case "connection":
                self._notes.connection_over(self._link(event), event["outcome"])
            case "sample" | "leaving" | "left":
                self._take_sample(event)
            case other:
                self._notes.write(other, at=self._clock.at, text=event["text"])

    # -- transfers ----------------------------------------------------------------------------------------------

    def _take_transfer(self, event: Event) -> None:
        match event["kind"]:
            case "start":
                self._start(event["segment"], event["source"], event["peer"], event["url"])
            case "end":
                self._end(event["segment"], event["source"], event["peer"], event["outcome"])
            case "range":
                self._notes.attempt_resumed(self._numbers.get(event["url"], -1), "http", event["first"])
            case "request":
                self._resume(bytes.fromhex(event["command"])[_MARK:-_MARK])
            case "chunk":
                self._chunk(self._numbers.get(event["url"], -1), event["count"])
            case "bytes":
                segment = self._from_peer.get(event["peer"], -1)
                self._notes.bytes_received(segment, "p2p", event["peer"], event["count"])
            case "header":
                self._notes.message_came(_Link(event["peer"]), _HEADER, is_wanted=True)

    def _start(self, segment: int, source: str, peer: str, url: str) -> None:
        self._numbers[url] = segment
        if source == "http":
            self._over_http.add(segment)
        else:
            self._from_peer[peer] = segment
        self._notes.attempt_started(segment, source, peer, 0)

    def _end(self, segment: int, source: str, peer: str, outcome: str) -> None:
        if source == "http":
            self._over_http.discard(segment)
        else:
            self._from_peer.pop(peer, None)
        self._notes.attempt_ended(segment, source, peer, outcome)

    def _resume(self, payload: bytes) -> None:
        request = decode(payload)
        if isinstance(request, SegmentRequest) and request.first_byte:
            self._notes.attempt_resumed(request.segment, "p2p", request.first_byte)

    def _chunk(self, segment: int, count: int) -> None:
        if segment in self._over_http:
            self._notes.bytes_received(segment, "http", "", count)
        else:
            self._notes.late_http(segment, count)

    # -- playback -----------------------------------------------------------------------------------------------

    def _take_playback(self, event: Event) -> None:
        now = self._clock.at
        match event["kind"]:
            case "opened":
                self.joined_at = now
            case "asked":
                self._place(event)
                self._notes.segment_asked(event["segment"])
                if self._state is None:
                    self._change("starting", event["start"], 0.0)
            case "held":
                self._notes.segment_hashed(event["segment"], event["size"], event["digest"][:DIGEST_DIGITS])
            case "changed":
                self._place(event)
                self._notes.segment_played(event["segment"], now - max(0.0, event["position"] - event["start"]))
            case "playing" | "ended" as state:
                self._change(state, event["position"], event["buffer"])
            case "waiting" if self._state == "playing":
                self._change("stalled", event["position"], event["buffer"])
                stands_at = event["position"] + event["buffer"] + self._offset
                self._notes.segment_due(round(stands_at / self._duration), now)

    def _place(self, event: Event) -> None:
        """See where the page's media time lies in the stream's."""
        self._offset = event["segment"] * self._duration - event["start"]

    def _change(self, state: State, position: float, buffer: float) -> None:
        if state != self._state:
            self._state = state
            self._notes.state_changed(state, position + self._offset, buffer)

    # -- the tracker, connections, statistics ---------------------------------------------------------------------

    def _take_announce(self, event: Event) -> None:
        match event["kind"]:
            case "announce":
                self.peer_id = event["peer"]
                self._notes.announced(event["event"], event["offers"])
            case "counted":
                self._notes.tracker_said("peers", event["peers"])
            case what:
                self._notes.tracker_said(what)

    def _link(self, event: Event) -> _Link:
        return _Link(
            peer=event["peer"],
            is_ours=event["ours"],
            initiated_at=self._time(event["initiated"]),
            answered_at=self._time(event["answered"]),
            opened_at=self._time(event["opened"]),
            closed_at=self._clock.at,
            sent=event["sent"],
            received=event["received"],
        )

    def _take_sample(self, event: Event) -> None:
        self._notes.write_sample(self._clock.at, event["peers"], event["buffer"], event["uploaded"])
        if "shown" in event:
            self._notes.write("shown", at=self._clock.at, **event["shown"])

    def conclude(self, **facts: Any) -> None:
        """Write down what is known in the end, and who it was."""
        self._notes.write_announce()
        self._notes.write_segments()
        self._notes.write("viewer", peer_id=self.peer_id, joined_at=self.joined_at, actor="browser", **facts)
