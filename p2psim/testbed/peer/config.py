"""What a viewer of a real run is told: what it is and does, and what is around it."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
import msgspec

from p2psim.scenario import Scenario
from p2psim.scenario.population import Departure
from p2psim.scenario.roles import HONEST
from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.recording.event_log import EventLog as Journal

__all__ = ["RunEnvironment", "ViewerPlan"]


class ViewerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer is and does, as drawn from the scenario; times of the run, rates in bytes/s (None: unlimited)."""

    index: int
    name: str
    joined_at: float
    left_at: float
    departure: Departure
    uplink: float | None
    downlink: float | None
    device: str
    uploads: bool
    channel: str = "main"
    zaps: list[tuple[float, str]] = []
    """Seconds of the run, and the channel that the viewer turns to then."""
    role: str = HONEST
    uplink_changes: list[tuple[float, float]] = []
    """Seconds of the run, and the share of the uplink that is left from then on."""
    nat: str = "public"
    is_paced: bool = True
    """Whether the process itself holds back to the rates, because the network does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnvironment:
    """What the viewers of a process share."""

    scenario: Scenario
    seed: int
    master: str
    """Address of the first channel's master playlist."""
    trackers: tuple[str, ...]
    """Viewers announce themselves to all of them."""
    clock: RunClock
    journal: Journal
    gate: asyncio.Semaphore
    """Bounds how many connections are answered at once."""
    ice: str = ""
    """Address of the list of STUN and TURN servers; none without it."""
    abandoned_sessions: list[aiohttp.ClientSession] = field(default_factory=list)
    """Sessions of vanished viewers, whose sockets to the tracker stay open and silent."""
