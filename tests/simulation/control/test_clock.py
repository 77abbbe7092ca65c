"""The clock: scheduled calls in order, listed as data, restored to the same order."""

from collections.abc import Generator
from typing import Any

import pytest
import simpy

from p2psim.simulation.control.clock import Clock


def play(clock: Clock, until: float) -> None:
    while clock.peek() < until:
        clock.step()


def test_happenings_come_in_order_of_time_then_of_scheduling() -> None:
    clock = Clock()
    seen: list[Any] = []
    for delay, name in [(2.0, "late"), (1.0, "first"), (1.0, "second")]:
        clock.after(delay, lambda name: seen.append((float(clock.now), name)), name)
    play(clock, 10.0)
    assert seen == [(1.0, "first"), (1.0, "second"), (2.0, "late")]


def test_a_time_is_met_exactly_and_what_is_first_comes_before_all_else_then() -> None:
    clock = Clock()
    seen: list[Any] = []
    clock.after(0.3, seen.append, "now")
    play(clock, 0.5)
    clock.after(0.9 - 0.3, seen.append, "later")  # 0.3 + (0.9 - 0.3) is more than 0.9
    clock.at(0.9, seen.append, "then")
    clock.at(0.9, seen.append, "first", first=True)
    assert [entry.at for entry in clock.pending()] == [0.9, 0.9, 0.3 + (0.9 - 0.3)]
    play(clock, 1.0)
    assert seen == ["now", "first", "then", "later"]


def test_happenings_and_simpy_processes_share_the_clock() -> None:
    clock = Clock()
    seen: list[Any] = []

    def process() -> Generator[simpy.Event, Any, None]:
        yield clock.timeout(1.5)
        seen.append("process")

    clock.process(process())
    clock.after(1.0, seen.append, "before")
    clock.after(2.0, seen.append, "after")
    play(clock, 10.0)
    assert seen == ["before", "process", "after"]


def test_a_restored_clock_goes_on_as_the_old_one_would() -> None:
    clock = Clock()
    seen: list[Any] = []
    # 0.1 + 0.2 is not 0.3: times must come back exactly, not by adding delays
    for delay in (0.1, 0.1 + 0.2, 0.3, 0.7, 0.7):
        clock.after(delay, seen.append, (delay, len(clock.pending())))
    play(clock, 0.2)
    restored = Clock.restored(clock.now, clock.pending())
    assert restored.now == clock.now
    assert [entry.at for entry in restored.pending()] == [entry.at for entry in clock.pending()]
    rest = len(seen)
    play(clock, 1.0)
    play(restored, 1.0)
    assert seen[rest:-4] == seen[-4:]


@pytest.mark.parametrize("waits_for", ["timeout", "event"])
def test_what_is_no_data_is_named(waits_for: str) -> None:
    clock = Clock()

    def commercial_break() -> Generator[simpy.Event, Any, None]:
        yield clock.timeout(1.0) if waits_for == "timeout" else clock.event()

    clock.process(commercial_break())
    clock.step()
    with pytest.raises(TypeError, match="commercial_break"):
        clock.pending()
