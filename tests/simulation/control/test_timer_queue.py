"""The timer queue: entries in order, each once, and finished entries dropped."""

import math
import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from p2psim.simulation.control.timer_queue import TimerQueue


def taken(timers: TimerQueue) -> list[tuple[float, int, int]]:
    found = []
    while timers.next < math.inf:
        found.append((timers.next, *timers.take()))
    return found


@given(st.lists(st.one_of(st.floats(0, 1e6), st.just(math.inf))))
def test_viewers_are_due_by_time_then_by_number_and_never_at_infinity(times: list[float]) -> None:
    expected = sorted((at, v, 0) for v, at in enumerate(times) if at < math.inf)
    assert taken(TimerQueue(np.array(times, float))) == expected


def test_what_is_added_comes_last_with_its_number() -> None:
    timers = TimerQueue(np.array([2.0, 1.0]))
    assert timers.add(2.0, 7, 3)
    assert not timers.add(1.5, 8, 0), "another is due later"
    assert taken(timers) == [(1.0, 1, 0), (2.0, 0, 0), (2.0, 7, 3)]
    assert timers.add(0.5, 9, 1), "nobody is due later than anything"
    assert taken(timers) == [(0.5, 9, 1)]


def test_a_long_procession_keeps_little_of_what_is_over() -> None:
    timers = TimerQueue()
    for step in range(100_000):
        timers.add(float(step), step % 10, step)
        if step >= 10:
            assert timers.take() == ((step - 10) % 10, step - 10)
    assert len(pickle.dumps(timers)) < 200_000


def test_it_can_be_saved() -> None:
    timers = TimerQueue(np.array([3.0, 1.0, 2.0]))
    timers.take()
    assert taken(pickle.loads(pickle.dumps(timers))) == taken(timers)
