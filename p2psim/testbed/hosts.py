"""Hosts on which the processes of a run are started: this machine and its loopback, or those of a lab."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Final, Self

from p2psim.scenario import Scenario
from p2psim.testbed.feasibility import ENFORCED, NOT_ENFORCED

__all__ = ["ORIGIN", "TRACKER", "Hosts"]

ORIGIN: Final = "origin"
TRACKER: Final = "tracker"


class Hosts:
    """Hosts on the loopback: all processes share one address, and limit rates and add delays themselves.

    In `p2psim.testbed.lab.environment.LabHosts` each has a host of its own, and the network does it.
    """

    network = "loopback of one machine"
    enforced: Mapping[str, str] = ENFORCED
    not_enforced: Mapping[str, str] = NOT_ENFORCED
    enforces_rates = False
    """True if the network enforces rates and delays, so that origin and viewers do not."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        """Scenario that the viewers get: without delays that the network adds already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def at_server(self, name: str) -> AbstractContextManager[object]:
        """Context in which processes and sockets are on the host of a server."""
        del name
        return nullcontext()

    def at_viewer(self, index: int) -> AbstractContextManager[object]:
        """Context in which processes and sockets are on the host of a viewer."""
        del index
        return nullcontext()

    def address(self, name: str) -> str:
        """Return the address at which a server listens."""
        del name
        return "127.0.0.1"

    def divide(self, viewers: Sequence[int], count: int) -> list[list[int]]:
        """Return the viewers of each of `count` processes."""
        return [list(viewers[number::count]) for number in range(count)]

    @property
    def tracker_arguments(self) -> list[str]:
        """Command-line options of the tracker: STUN and TURN servers that it lists for viewers."""
        return []

    def link_changes(self) -> list[tuple[float, Callable[[], None]]]:
        """Return the faults that the network itself carries out: second of the run, and the change, in order."""
        return []

    def readings(self) -> dict[str, Any]:
        """Return readings of the network's own counters, for the manifest."""
        return {}
