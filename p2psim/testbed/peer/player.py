"""Player that requests segments of its loader as hls.js does.

It requests segments in order, keeps its buffer filled, plays in real time, stalls and resumes, by the rules in
`p2psim.player.hls_js`. It does not decode the media.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from p2psim.player import hls_js as rules
from p2psim.scenario import Player as PlayerOptions
from p2psim.testbed.peer.interfaces import Clock, Timer
from p2psim.trace.schema import State

__all__ = ["Player", "PlayerObserver", "SegmentLoader"]

Item = tuple[int, float, float]


class SegmentLoader(Protocol):
    """Loader as a player uses it (see `p2psim.testbed.peer.loader.Loader`)."""

    def load(self, segment: int, delivered: Callable[[bytes, float], None], refused: Callable[[str], None]) -> None:
        """Request a segment."""

    def abort(self, segment: int) -> None:
        """Abort the request for a segment."""

    def playhead(self, position: float, rate: float) -> None:
        """Report the playhead."""


class PlayerObserver(Protocol):
    """Observer of a player."""

    def state_changed(self, state: State, position: float, buffer: float) -> None:
        """Record that the player starts, plays, stalls or has ended."""

    def segment_requested(self, segment: int) -> None:
        """Record that the player requests a segment."""

    def segment_delivered(self, segment: int, data: bytes) -> None:
        """Record that the player has received a segment."""

    def segment_due(self, segment: int, at: float) -> None:
        """Record that the playhead has reached a segment that is not buffered."""

    def segment_played(self, segment: int, at: float) -> None:
        """Record the time at which the playback of a segment began."""


@dataclass(slots=True)
class _Buffered:
    segment: int
    start: float


class Player:
    """Player of one stream.

    Parameters
    ----------
    latency
        Distance of the start position from the end of a live playlist, seconds.
    """

    def __init__(
        self,
        clock: Clock,
        loader: SegmentLoader,
        options: PlayerOptions,
        observer: PlayerObserver,
        *,
        is_live: bool,
        latency: float,
    ) -> None:
        self._clock, self._loader, self._options, self._observer = clock, loader, options, observer
        self._is_live, self._latency = is_live, float(latency)
        self._items: dict[int, Item] = {}
        self._first, self._last, self._length, self._is_ended = 0, 0, 1.0, False
        self._state: State = "starting"
        self._next: int | None = None
        self._waiting: int | None = None
        self._failures = 0
        self._position, self._since, self._end = 0.0, 0.0, 0.0
        self._jump_to: float | None = None
        self._buffered: deque[_Buffered] = deque()
        self._timers: dict[str, Timer] = {}
        self._stopped = False

    # -- the playlist -------------------------------------------------------------------------------------------

    def playlist(self, items: Sequence[Item], is_ended: bool) -> None:
        """Update the playlist: consecutive (id, start, end) on the media time line, id × length = start."""
        if not items or self._stopped:
            return
        self._items = {number: (number, float(start), float(end)) for number, start, end in items}
        self._first, self._last = items[0][0], items[-1][0] + 1
        self._length = float(items[0][2] - items[0][1])
        self._is_ended = is_ended
        if self._next is not None:
            self._catch_up()
            self._request_next()

    @property
    def start(self) -> tuple[int, float]:
        """First segment and start position by the current playlist."""
        playlist = self._first, self._last, self._length, self._latency, self._is_live
        return rules.start_index(*playlist), rules.start_position(*playlist)

    def begin(self) -> None:
        """Request the first segment."""
        self._next, self._position = self.start
        self._jump_to = self._position
        self._end = self._position
        self._observer.state_changed("starting", self._position, 0.0)
        self._request_next()
        self._every("tick", self._options.tick_interval, self._tick)
        self._every("update", self._options.update_interval, self._report)

    def _catch_up(self) -> None:
        """Restart if the next segment has left the playlist."""
        planned = self._next if self._next is not None else self._first
        playlist = self._first, self._last, self._length, self._latency, self._is_live
        available = rules.next_index(planned, *playlist)
        if available == planned:
            return
        abandoned, self._waiting = self._waiting, None
        self._next, self._jump_to = available, rules.start_position(*playlist)
        if abandoned is not None:
            self._loader.abort(abandoned)

    # -- loading ------------------------------------------------------------------------------------------------

    def _request_next(self) -> None:
        if self._stopped or self._waiting is not None or self._next is None or self._next not in self._items:
            return
        if "retry" in self._timers or not rules.wants_next(self.position, self._end, float(self._options.buffer)):
            return
        segment = self._waiting = self._next
        self._observer.segment_requested(segment)
        self._loader.load(
            segment, lambda data, _: self._delivered(segment, data), lambda reason: self._refused(segment, reason)
        )

    def _delivered(self, segment: int, data: bytes) -> None:
        if self._stopped or self._waiting != segment:
            return
        self._waiting, self._failures = None, 0
        self._observer.segment_delivered(segment, data)
        self._append(segment)
        self._request_next()

    def _refused(self, segment: int, reason: str) -> None:
        if self._stopped or self._waiting != segment:
            return
        self._waiting = None
        if reason == "aborted":
            return
        self._failures += 1
        self._after("retry", rules.retry_delay(self._failures), self._retry)

    def _retry(self) -> None:
        del self._timers["retry"]
        self._request_next()

    def _append(self, segment: int) -> None:
        _, start, end = self._items.get(segment, (segment, segment * self._length, (segment + 1) * self._length))
        self._advance()
        if self._jump_to is not None:
            self._position, self._jump_to = max(self._jump_to, start), None
            self._buffered.clear()
        self._buffered.append(_Buffered(segment, start))
        self._end = end
        self._next = segment + 1
        if self._state == "playing":
            self._schedule_underrun()
        else:
            self._play()

    # -- playing ------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return float(self._clock.now())

    @property
    def state(self) -> State:
        """State of playback."""
        return self._state

    @property
    def position(self) -> float:
        """Playhead, seconds of media time."""
        if self._state != "playing":
            return self._position
        return rules.playhead(self._position, self._since, self._now(), 1.0, self._end)

    @property
    def buffer(self) -> float:
        """Seconds of media ahead of the playhead."""
        return rules.buffer_ahead(self.position, self._end)

    def _play(self) -> None:
        self._since = self._now()
        self._change("playing")
        self._mark_played()
        self._schedule_underrun()
        self._report()

    def _schedule_underrun(self) -> None:
        delay = rules.buffer_empty_at(self._position, self._since, 1.0, self._end) - self._now()
        self._after("underrun", max(0.0, delay), self._handle_underrun)

    def _handle_underrun(self) -> None:
        self._advance()
        if not rules.is_buffer_empty(self._position, self._end):
            self._schedule_underrun()
            return
        has_ended = self._is_ended and self._next is not None and self._next >= self._last
        self._change("ended" if has_ended else "stalled")
        if not has_ended and self._next is not None:
            self._observer.segment_due(self._next, self._now())

    def _change(self, state: State) -> None:
        self._state = state
        self._observer.state_changed(state, self._position, rules.buffer_ahead(self._position, self._end))

    def _advance(self) -> None:
        """Update the playhead."""
        if self._state == "playing":
            self._mark_played()
            self._position, self._since = self.position, self._now()

    def _mark_played(self) -> None:
        """Record the segments whose playback has begun, each at the time at which the playhead reached it."""
        playhead = self.position
        while self._buffered and self._buffered[0].start <= playhead + rules.SLACK:
            buffered = self._buffered.popleft()
            at = self._since + max(0.0, buffered.start - self._position)
            self._observer.segment_played(buffered.segment, at)

    def _tick(self) -> None:
        self._advance()
        self._request_next()

    def _report(self) -> None:
        self._advance()
        if self._state != "starting":
            self._loader.playhead(self._position, 1.0)

    # -- timers -------------------------------------------------------------------------------------------------

    def _after(self, name: str, delay: float, action: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._clock.call_later(delay, action)

    def _every(self, name: str, period: float, action: Callable[[], None]) -> None:
        def fire() -> None:
            self._after(name, period, fire)
            action()

        self._after(name, period, fire)

    def stop(self) -> None:
        """Stop the player for good."""
        self._advance()
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
