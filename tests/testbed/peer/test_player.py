"""Tests of the player, on a virtual clock."""

from collections.abc import Callable

import pytest

from p2psim.scenario import Player as PlayerOptions
from p2psim.testbed.peer.player import Player
from p2psim.trace.schema import State
from tests.testbed.virtual_clock import VirtualClock

LENGTH = 4.0


class Stage:
    """Player with its loader and observer, which record its calls.

    A segment arrives `delay` seconds after its request; those in `lost` fail.
    """

    def __init__(self, *, live: bool = False, latency: float = 24.0, delay: float = 0.5, buffer: float = 15.0) -> None:
        self.clock = VirtualClock()
        self.delay = delay
        self.requested: list[tuple[float, int]] = []
        """Pairs of the time of a request and its segment."""
        self.aborted: list[int] = []
        self.playheads: list[tuple[float, float]] = []
        """Pairs of the time of a report and its position."""
        self.states: list[tuple[float, State, float]] = []
        self.due: dict[int, float] = {}
        self.played: dict[int, float] = {}
        self.lost: set[int] = set()
        self.player = Player(self.clock, self, PlayerOptions(buffer=buffer), self, is_live=live, latency=latency)

    def show(self, first: int, last: int, ended: bool = True) -> None:
        """Give the player a playlist of the segments from `first` to before `last`."""
        items = [(n, n * LENGTH, n * LENGTH + LENGTH) for n in range(first, last)]
        self.player.playlist(items, ended)

    # the loader
    def load(self, segment: int, delivered: Callable[[bytes, float], None], refused: Callable[[str], None]) -> None:
        self.requested.append((round(self.clock.now(), 3), segment))
        if segment in self.lost:
            self.clock.call_later(self.delay, refused, "failed")
        elif self.delay < float("inf"):
            self.clock.call_later(self.delay, delivered, b"x" * segment, 0.0)

    def abort(self, segment: int) -> None:
        self.aborted.append(segment)

    def playhead(self, position: float, rate: float) -> None:
        self.playheads.append((self.clock.now(), position))

    # the observer
    def state_changed(self, state: State, position: float, buffer: float) -> None:
        self.states.append((round(self.clock.now(), 3), state, round(position, 3)))

    def segment_requested(self, segment: int) -> None: ...

    def segment_delivered(self, segment: int, data: bytes) -> None: ...

    def segment_due(self, segment: int, at: float) -> None:
        self.due[segment] = at

    def segment_played(self, segment: int, at: float) -> None:
        self.played[segment] = round(at, 3)


def test_a_recording_is_played_from_its_beginning_with_a_full_buffer() -> None:
    stage = Stage()
    stage.show(0, 5)
    stage.player.begin()
    stage.clock.run_until(30)
    assert [segment for _, segment in stage.requested] == [0, 1, 2, 3, 4]
    # four segments are 16 s: the fifth is requested when 15 s of the buffer are left
    assert [at for at, _ in stage.requested] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0], abs=0.1)
    assert stage.played == {n: 0.5 + 4 * n for n in range(5)}
    assert stage.states == [(0, "starting", 0), (0.5, "playing", 0), (20.5, "ended", 20)]


def test_a_segment_is_requested_when_the_buffer_falls_below_its_target() -> None:
    stage = Stage(buffer=6.0, delay=0.0)
    stage.show(0, 4)
    stage.player.begin()
    stage.clock.run_until(12)
    assert [at for at, _ in stage.requested] == pytest.approx([0, 0, 2, 6], abs=0.11)


def test_a_live_stream_starts_at_the_live_latency_before_the_end_of_the_playlist() -> None:
    stage = Stage(live=True, latency=18.0)
    stage.show(100, 115, ended=False)
    assert stage.player.start == (110, 442.0)
    stage.player.begin()
    stage.clock.run_until(1)
    assert stage.player.position == pytest.approx(442.5)
    assert stage.played[110] == 0.5


def test_a_player_stalls_resumes_and_reports_the_segments_due() -> None:
    stage = Stage(delay=5.0)
    stage.show(0, 3)
    stage.player.begin()
    stage.clock.run_until(30)
    assert stage.states == [
        (0, "starting", 0),
        (5, "playing", 0),
        (9, "stalled", 4),
        (10, "playing", 4),
        (14, "stalled", 8),
        (15, "playing", 8),
        (19, "ended", 12),
    ]
    assert stage.due == {1: 9, 2: 14}
    assert stage.played == {0: 5, 1: 10, 2: 15}


def test_a_player_waits_for_the_next_segment_to_enter_the_playlist() -> None:
    stage = Stage(live=True, latency=8.0, delay=0.1)
    stage.show(0, 3, ended=False)
    stage.player.begin()
    stage.clock.run_until(2)
    assert [segment for _, segment in stage.requested] == [1, 2]
    stage.show(0, 4, ended=False)
    assert stage.requested[-1] == (2.0, 3)


def test_a_failed_segment_is_requested_again_with_growing_delays() -> None:
    stage = Stage(delay=0.0)
    stage.lost = {0}
    stage.show(0, 2)
    stage.player.begin()
    stage.clock.run_until(8)
    assert [at for at, _ in stage.requested] == [0, 1, 3, 7]
    stage.lost = set()
    stage.clock.run_until(20)
    assert stage.played[0] == 15


def test_a_player_restarts_when_its_next_segment_has_left_the_playlist() -> None:
    stage = Stage(live=True, latency=8.0, delay=float("inf"))
    stage.show(0, 5, ended=False)
    stage.player.begin()
    stage.delay = 0.25
    stage.clock.run_until(1)
    stage.show(10, 15, ended=False)
    assert stage.aborted == [3]
    assert stage.requested[-1] == (1.0, 13)
    stage.clock.run_until(2)
    assert stage.played == {13: 1.25}
    assert stage.player.position == pytest.approx(52.75)


def test_the_playhead_is_reported_from_the_start_of_playback_on() -> None:
    stage = Stage(delay=1.0)
    stage.show(0, 5)
    stage.player.begin()
    stage.clock.run_until(0.9)
    assert stage.playheads == []
    stage.clock.run_until(3)
    assert len(stage.playheads) == pytest.approx(9, abs=1)
    assert stage.playheads[-1][1] == pytest.approx(2.0, abs=0.26)


def test_a_stopped_player_requests_and_reports_nothing() -> None:
    stage = Stage()
    stage.show(0, 5)
    stage.player.begin()
    stage.clock.run_until(3)
    stage.player.stop()
    requested, states = list(stage.requested), list(stage.states)
    stage.show(0, 9)
    stage.clock.run_until(60)
    assert (stage.requested, stage.states) == (requested, states)
    assert stage.played == {0: 0.5}
