"""SimPy's clock, with happenings that are data.

What the simulation itself does is scheduled with `Clock.after`: a function and its arguments, so that a run can be
saved and continued. A SimPy process is a generator, which cannot be saved; behaviours of one's own may be either.
"""

import weakref
from collections.abc import Callable, Generator, Iterable
from heapq import heappush
from typing import Any, NamedTuple, cast

import simpy
from simpy.events import NORMAL, URGENT

__all__ = ["Clock", "Happening", "Pending"]


class Happening:
    """Something that will be done at its time; SimPy takes it for an event."""

    __slots__ = ("_ok", "action", "args", "callbacks")

    def __init__(self, action: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.action, self.args = action, args
        self.callbacks: tuple[Callable[[Any], None], ...] | None = _HAPPEN
        self._ok = True


def _happen(happening: Happening) -> None:
    happening.action(*happening.args)


_HAPPEN = (_happen,)


class Pending(NamedTuple):
    """A happening that is still to come; those of one time stand in the order in which they will be done."""

    at: float
    priority: int
    action: Callable[..., object]
    args: tuple[Any, ...]


class Clock(simpy.Environment):
    """SimPy's environment."""

    def __init__(self) -> None:
        super().__init__()
        self._processes: weakref.WeakSet[simpy.Process] = weakref.WeakSet()
        self._begin = self.process
        setattr(self, "process", self._process)  # noqa: B010 - SimPy binds it to the instance, too

    def _process(self, generator: Generator[simpy.Event, Any, Any]) -> simpy.Process:
        process = self._begin(generator)
        self._processes.add(process)
        return process

    def after(self, delay: float, action: Callable[..., object], *args: Any) -> None:
        """Do something after a delay, seconds."""
        self.schedule(_event(action, args), delay=delay)

    def at(self, time: float, action: Callable[..., object], *args: Any, first: bool = False) -> None:
        """Do something at a time that is not over; `first`: before all else that happens then."""
        entry = time, URGENT if first else NORMAL, next(self._eid), _event(action, args)
        heappush(self._queue, entry)  # adding a delay to the clock might miss the time by a rounding

    def pending(self) -> list[Pending]:
        """List what is still to come, in order; raises TypeError for what is no data, such as a SimPy process."""
        alive = sorted(str(process.name) for process in self._processes if process.is_alive)
        if alive:
            raise TypeError(f"{alive[0]} is a SimPy process")
        found = []
        queue: list[Any] = sorted(self._queue, key=lambda entry: entry[:3])
        for at, priority, _, event in queue:
            if not isinstance(event, Happening):
                raise TypeError(f"{type(event).__name__} is an event of SimPy's")
            found.append(Pending(at, priority, event.action, event.args))
        return found

    @classmethod
    def restored(cls, now: float, pending: Iterable[Pending]) -> "Clock":
        """Give a clock that shows `now` and has the same things to come."""
        clock = cls()
        for at, priority, action, args in pending:
            # while it shows 0, where adding the delay is exact
            clock.schedule(_event(action, args), cast("Any", priority), at)
        clock._now = now
        return clock


def _event(action: Callable[..., object], args: tuple[Any, ...]) -> simpy.Event:
    return cast("simpy.Event", Happening(action, args))  # has what SimPy's loop asks of one, at a third of its size
