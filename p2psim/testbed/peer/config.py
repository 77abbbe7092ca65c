"""Configuration of the viewers of a real run: the plan of each, and the environment that they share."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
import msgspec

from p2psim.scenario import Scenario
from p2psim.scenario.population import Departure
from p2psim.scenario.roles import HONEST
from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.recording.event_log import EventLog

__all__ = ["RunEnvironment", "ViewerPlan"]


class ViewerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Properties and actions of a viewer, drawn from its scenario; times of the run, rates in bytes/s or None."""

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
    """Times of zaps, seconds of the run, and the channels that follow."""
    role: str = HONEST
    uplink_changes: list[tuple[float, float]] = []
    """Times of changes of the uplink, seconds of the run, and the share of its rate from then on."""
    nat: str = "public"
    is_paced: bool = True
    """True: the process itself limits the rates, because the network does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnvironment:
    """Environment that the viewers of a process share."""

    scenario: Scenario
    seed: int
    master: str
    """Address of the first channel's master playlist."""
    trackers: tuple[str, ...]
    """Addresses of the trackers; viewers announce themselves to all of them."""
    clock: RunClock
    event_log: EventLog
    gate: asyncio.Semaphore
    """Bounds how many connections are answered at once."""
    ice: str = ""
    """Address of the list of STUN and TURN servers; none without it."""
    abandoned_sessions: list[aiohttp.ClientSession] = field(default_factory=list)
    """Sessions of vanished viewers, whose sockets to the tracker stay open and silent."""
