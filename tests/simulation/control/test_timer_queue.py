"""The agenda: all in order, each once, and little kept of what is over."""

import math
import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from p2psim.simulation.control.timer_queue import Agenda


def taken(agenda: Agenda) -> list[tuple[float, int, int]]:
    found = []
    while agenda.next < math.inf:
        found.append((agenda.next, *agenda.take()))
    return found


@given(st.lists(st.one_of(st.floats(0, 1e6), st.just(math.inf))))
def test_viewers_are_due_by_time_then_by_number_and_never_at_infinity(times: list[float]) -> None:
    expected = sorted((at, v, 0) for v, at in enumerate(times) if at < math.inf)
    assert taken(Agenda(np.array(times, float))) == expected


def test_what_is_added_comes_last_with_its_number() -> None:
    agenda = Agenda(np.array([2.0, 1.0]))
    assert agenda.add(2.0, 7, 3)
    assert not agenda.add(1.5, 8, 0), "another is due later"
    assert taken(agenda) == [(1.0, 1, 0), (2.0, 0, 0), (2.0, 7, 3)]
    assert agenda.add(0.5, 9, 1), "nobody is due later than anything"
    assert taken(agenda) == [(0.5, 9, 1)]


def test_a_long_procession_keeps_little_of_what_is_over() -> None:
    agenda = Agenda()
    for step in range(100_000):
        agenda.add(float(step), step % 10, step)
        if step >= 10:
            assert agenda.take() == ((step - 10) % 10, step - 10)
    assert len(pickle.dumps(agenda)) < 200_000


def test_it_can_be_saved() -> None:
    agenda = Agenda(np.array([3.0, 1.0, 2.0]))
    agenda.take()
    assert taken(pickle.loads(pickle.dumps(agenda))) == taken(agenda)
