"""Hooks of a version that does not define its own: nothing is prefetched, and no shortcut is taken."""

import math
from typing import Any, NamedTuple

from p2psim.compiled import inner
from p2psim.policy.state.commands import Commands, clear
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import NOBODY, Loaders, Timeline
from p2psim.policy.state.requests import blame
from p2psim.scenario.policy import Policy

__all__ = [
    "LiveGeometry",
    "admits_peer",
    "after_pass",
    "concerns",
    "drops_peer",
    "live_geometry",
    "on_http_done",
    "on_p2p_done",
    "on_p2p_failed",
    "option_overrides",
    "prefetch_delay",
    "prefetch_round",
    "wakes_at",
    "window_border",
]

_MEMORY = 15.0
"""Seconds of loading over which a neighbour's speed is averaged."""
_SHORTEST = 1e-3
"""Seconds that a download counts at least."""


def option_overrides(policy: Policy) -> dict[str, Any]:
    """Return the options in which the version is different from 2.3."""
    return {}


class LiveGeometry(NamedTuple):
    """Windows that a loader derives from a live playlist and the latency of the player."""

    high_demand_window: float
    """Seconds."""


def live_geometry(policy: Policy, segment: float, latency: float) -> LiveGeometry:
    """Return the configured high-demand window; `segment` and `latency` are in seconds."""
    return LiveGeometry(high_demand_window=float(policy.highDemandTimeWindow))


@inner
def after_pass(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> None:
    """Do nothing after a pass."""
    clear(out)


@inner
def prefetch_delay(L: Loaders, o: Options, v: int) -> float:
    """Return infinity: there are no prefetch rounds."""
    return math.inf


@inner
def prefetch_round(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> None:
    """Prefetch nothing."""
    clear(out)


@inner
def concerns(L: Loaders, o: Options, T: Timeline, v: int, segment: int, state: int, now: float) -> bool:
    """Return True: every announcement causes a pass."""
    return True


@inner
def window_border(L: Loaders, o: Options, T: Timeline, v: int, now: float) -> float:
    """Return minus infinity: every report of the playhead may cause a pass."""
    return -math.inf


@inner
def wakes_at(L: Loaders, o: Options, v: int, now: float) -> float:
    """Return infinity: time alone changes nothing."""
    return math.inf


@inner
def admits_peer(L: Loaders, o: Options, v: int) -> bool:
    """Return whether there is room for another neighbour."""
    return L.viewer[v].degree < L.link.shape[1]


@inner
def drops_peer(L: Loaders, o: Options, v: int) -> int:
    """Return NOBODY: no neighbour is dropped for another one."""
    return NOBODY


@inner
def on_http_done(L: Loaders, o: Options, v: int, count: float, seconds: float) -> None:
    """Learn nothing from a finished fetch over HTTP."""


@inner
def on_p2p_done(L: Loaders, o: Options, v: int, link: int, count: float, seconds: float) -> None:
    """Average the neighbour's speed over the last 15 s of loading (simulated viewers; real ones have exact figures)."""
    row = L.link[v, link]
    span = max(_SHORTEST, seconds)
    row.speed = (row.speed * row.span + count) / (row.span + span)
    row.span = min(_MEMORY, row.span + span)


@inner
def on_p2p_failed(L: Loaders, o: Options, v: int, link: int, timed_out: bool) -> bool:
    """Remember a failure of a neighbour; True if it has timed out too often and is to be dropped."""
    if o.reputation:
        blame(L, v, link)
    return timed_out and L.link[v, link].strikes >= o.p2p_retries
