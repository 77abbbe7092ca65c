import pytest

from p2psim.scenario import Player as PlayerOptions
from p2psim.testbed.peer.player import Player
from tests.testbed.virtual_clock import VirtualClock

LENGTH = 4.0


class Stage:
    """A player, the loader it asks, and what it did; a segment arrives `delay` seconds after it was asked for."""

    def __init__(self, *, live=False, latency=24.0, delay=0.5, buffer=15.0):
        self.clock = VirtualClock()
        self.delay = delay
        self.asked, self.aborted, self.heads = [], [], []
        self.states, self.due, self.played, self.delivered = [], {}, {}, []
        self.lost = set()
        self.player = Player(self.clock, self, PlayerOptions(buffer=buffer), self, is_live=live, latency=latency)

    def show(self, first, last, ended=True):
        items = [(n, n * LENGTH, n * LENGTH + LENGTH) for n in range(first, last)]
        self.player.playlist(items, ended)

    # the loader
    def load(self, segment, delivered, refused):
        self.asked.append((round(self.clock.now(), 3), segment))
        if segment in self.lost:
            self.clock.call_later(self.delay, refused, "failed")
        elif self.delay < float("inf"):
            self.clock.call_later(self.delay, delivered, b"x" * segment, 0.0)

    def abort(self, segment):
        self.aborted.append(segment)

    def playhead(self, position, rate):
        self.heads.append((self.clock.now(), position))

    # the observer
    def state_changed(self, state, position, buffer):
        self.states.append((round(self.clock.now(), 3), state, round(position, 3)))

    def segment_requested(self, segment): ...

    def segment_delivered(self, segment, data):
        self.delivered.append(segment)

    def segment_due(self, segment, at):
        self.due[segment] = at

    def segment_played(self, segment, at):
        self.played[segment] = round(at, 3)


def test_plays_a_recording_from_its_beginning_with_its_buffer_full():
    stage = Stage()
    stage.show(0, 5)
    stage.player.begin()
    stage.clock.run_until(30)
    assert [segment for _, segment in stage.asked] == [0, 1, 2, 3, 4]
    # four segments are 16 s, one more than the buffer: the fifth waits until 15 s are left
    assert [at for at, _ in stage.asked] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0], abs=0.1)
    assert stage.played == {n: 0.5 + 4 * n for n in range(5)}
    assert stage.states == [(0, "starting", 0), (0.5, "playing", 0), (20.5, "ended", 20)]


def test_asks_when_the_buffer_falls_below_its_target():
    stage = Stage(buffer=6.0, delay=0.0)
    stage.show(0, 4)
    stage.player.begin()
    stage.clock.run_until(12)
    assert [at for at, _ in stage.asked] == pytest.approx([0, 0, 2, 6], abs=0.11)


def test_starts_behind_the_end_of_a_live_playlist():
    stage = Stage(live=True, latency=18.0)
    stage.show(100, 115, ended=False)
    assert stage.player.start == (110, 442.0)
    stage.player.begin()
    stage.clock.run_until(1)
    assert stage.player.position == pytest.approx(442.5)
    assert stage.played[110] == 0.5


def test_stalls_and_resumes_and_says_what_was_due():
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


def test_waits_for_the_playlist_to_bring_the_next_segment():
    stage = Stage(live=True, latency=8.0, delay=0.1)
    stage.show(0, 3, ended=False)
    stage.player.begin()
    stage.clock.run_until(2)
    assert [segment for _, segment in stage.asked] == [1, 2]
    stage.show(0, 4, ended=False)
    assert stage.asked[-1] == (2, 3)


def test_asks_again_ever_later_for_what_cannot_be_had():
    stage = Stage(delay=0.0)
    stage.lost = {0}
    stage.show(0, 2)
    stage.player.begin()
    stage.clock.run_until(8)
    assert [at for at, _ in stage.asked] == [0, 1, 3, 7]
    stage.lost = set()
    stage.clock.run_until(20)
    assert stage.played[0] == 15


def test_starts_anew_when_the_playlist_has_gone_past_it():
    stage = Stage(live=True, latency=8.0, delay=float("inf"))
    stage.show(0, 5, ended=False)
    stage.player.begin()
    stage.delay = 0.25
    stage.clock.run_until(1)
    stage.show(10, 15, ended=False)
    assert stage.aborted == [3]
    assert stage.asked[-1] == (1, 13)
    stage.clock.run_until(2)
    assert stage.played == {
        13: 1.25,
    }
    assert stage.player.position == pytest.approx(52.75)


def test_reports_its_playhead_only_while_it_has_one():
    stage = Stage(delay=1.0)
    stage.show(0, 5)
    stage.player.begin()
    stage.clock.run_until(0.9)
    assert stage.heads == []
    stage.clock.run_until(3)
    assert len(stage.heads) == pytest.approx(9, abs=1)
    assert stage.heads[-1][1] == pytest.approx(2.0, abs=0.26)


def test_a_stopped_player_does_nothing_more():
    stage = Stage()
    stage.show(0, 5)
    stage.player.begin()
    stage.clock.run_until(3)
    stage.player.stop()
    asked, states = list(stage.asked), list(stage.states)
    stage.show(0, 9)
    stage.clock.run_until(60)
    assert (stage.asked, stage.states) == (asked, states)
    assert stage.played == {0: 0.5}
