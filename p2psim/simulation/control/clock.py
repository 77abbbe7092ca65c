"""SimPy environment whose scheduled calls can be pickled.

The simulation schedules its own actions with `Clock.after`, a function and its arguments, so that a run can be saved
and continued. A SimPy process is a generator, which cannot be saved; user-defined behaviours may be either.
"""

import weakref
from collections.abc import Callable, Generator, Iterable
from heapq import heappush
from typing import Any, NamedTuple, cast

import simpy
from simpy.events import NORMAL, URGENT

__all__ = ["Clock", "PendingCall", "ScheduledCall"]


class ScheduledCall:
    """Call of a function at a certain time, in the form of a SimPy event."""

    __slots__ = ("_ok", "action", "args", "callbacks")

    def __init__(self, action: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.action, self.args = action, args
        self.callbacks: tuple[Callable[[Any], None], ...] | None = _CALLBACKS
        self._ok = True


def _run_call(call: ScheduledCall) -> None:
    call.action(*call.args)


_CALLBACKS = (_run_call,)


class PendingCall(NamedTuple):
    """Call that is scheduled; calls at the same time are listed in order of execution."""

    at: float
    priority: int
    action: Callable[..., object]
    args: tuple[Any, ...]


class Clock(simpy.Environment):
    """SimPy environment with calls that can be pickled."""

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
        """Call `action` after a delay, seconds."""
        self.at(self._now + delay, action, *args)

    def at(self, time: float, action: Callable[..., object], *args: Any, first: bool = False) -> None:
        """Call `action` at a time that has not passed; `first`: before all other events of that time."""
        # has the attributes that SimPy's loop needs of an event, at a third of its size
        event = cast("simpy.Event", ScheduledCall(action, args))
        # not by SimPy's `schedule`: adding a delay to the clock might miss the time by a rounding
        heappush(self._queue, (time, URGENT if first else NORMAL, next(self._eid), event))

    def pending(self) -> list[PendingCall]:
        """Return the scheduled calls in order; raises TypeError if there is a SimPy process or event among them."""
        alive = sorted(str(process.name) for process in self._processes if process.is_alive)
        if alive:
            raise TypeError(f"{alive[0]} is a SimPy process")
        found = []
        queue: list[Any] = sorted(self._queue, key=lambda entry: entry[:3])
        for at, priority, _, event in queue:
            if not isinstance(event, ScheduledCall):
                raise TypeError(f"{type(event).__name__} is an event of SimPy's")
            found.append(PendingCall(at, priority, event.action, event.args))
        return found

    @classmethod
    def restored(cls, now: float, pending: Iterable[PendingCall]) -> "Clock":
        """Return a clock at the time `now` with the same scheduled calls."""
        clock = cls()
        for at, priority, action, args in pending:
            clock.at(at, action, *args, first=priority == URGENT)
        clock._now = now
        return clock
