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
    """Properties and actions of a viewer, drawn from its scenario; seconds of the run, bytes/s (None: unlimited)."""

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
    """Pairs of the time of a zap, seconds of the run, and the channel from then on."""
    role: str = HONEST
    uplink_changes: list[tuple[float, float]] = []
    """Pairs of the time of a change, seconds of the run, and the share of the uplink's rate from then on."""
    nat: str = "public"
    is_paced: bool = True
    """True: the process shapes the viewer's traffic to its rates, because the network does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnvironment:
    """Environment that the viewers of a process share."""

    scenario: Scenario
    seed: int
    master: str
    """URL of the first channel's master playlist."""
    trackers: tuple[str, ...]
    """URLs of the trackers; viewers announce themselves to all of them."""
    clock: RunClock
    event_log: EventLog
    gate: asyncio.Semaphore
    """Semaphore that bounds how many connections are being answered at a time."""
    ice: str = ""
    """URL of the list of STUN and TURN servers; "": no servers."""
    abandoned_sessions: list[aiohttp.ClientSession] = field(default_factory=list)
    """Sessions of crashed viewers, whose connections to the tracker stay open and silent until the run ends."""
