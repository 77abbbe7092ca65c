"""Where the processes of a run are started, and which addresses they have there: this machine's loopback, or a lab."""

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
    """The loopback: everybody at one address, and the processes themselves hold back to rates and delays.

    `p2psim.testbed.lab.environment.LabHosts` gives everybody a machine with a network that does it.
    """

    network = "loopback of one machine"
    enforced: Mapping[str, str] = ENFORCED
    not_enforced: Mapping[str, str] = NOT_ENFORCED
    enforces_rates = False
    """Whether the network enforces rates and delays, so that origin and viewers do not."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        """As viewers are told it: without what the network does already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def at_server(self, name: str) -> AbstractContextManager[object]:
        """Be at a server: what is started or opened here is there."""
        del name
        return nullcontext()

    def at_viewer(self, index: int) -> AbstractContextManager[object]:
        """Be at a viewer's machine."""
        del index
        return nullcontext()

    def address(self, name: str) -> str:
        """Give the address at which a server listens."""
        del name
        return "127.0.0.1"

    def divide(self, viewers: Sequence[int], count: int) -> list[list[int]]:
        """Divide viewers among `count` processes."""
        return [list(viewers[number::count]) for number in range(count)]

    @property
    def tracker_arguments(self) -> list[str]:
        """Options of the tracker: which STUN and TURN servers it tells viewers of."""
        return []

    def link_changes(self) -> list[tuple[float, Callable[[], None]]]:
        """List what the network itself does to links in a scenario's faults: second of the run, and how, in order."""
        return []

    def readings(self) -> dict[str, Any]:
        """What instruments of the network say, for the manifest."""
        return {}
