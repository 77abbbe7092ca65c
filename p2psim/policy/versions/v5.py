"""p2p-media-loader 5: 2.3's queue, and peers elect who fetches a segment that none of them has.

It follows a draft of 5.0: the high-demand window is bounded by live latency, and the election takes the place of random
prefetch, after every pass and once in one to two seconds.
"""

from typing import Any

from p2psim.compiled import inner
from p2psim.policy.election import elect, next_deadline
from p2psim.policy.random_prefetch import PERIOD
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import ABSENT, Loaders, Timeline
from p2psim.policy.versions import v2_3
from p2psim.policy.versions.defaults import LiveGeometry
from p2psim.rng import uniform
from p2psim.scenario.policy import Policy

__all__ = [
    "after_pass",
    "concerns",
    "live_geometry",
    "on_http_done",
    "option_overrides",
    "prefetch_delay",
    "prefetch_round",
    "queue_pass",
    "wakes_at",
    "window_border",
]

_FIRST_BYTE = 10.0
"""Seconds to wait for the first byte."""
_LONGEST_DELAY = 60.0
"""Live latency that is made use of, seconds."""
_NEWEST = 0.2
"""Weight of the newest fetch in the average of fetch times."""

queue_pass = v2_3.queue_pass
wakes_at = v2_3.wakes_at
after_pass = elect
prefetch_round = elect


def option_overrides(policy: Policy) -> dict[str, Any]:
    """Return what is different from 2.3."""
    return {"http_first_byte": max(policy.httpNotReceivingBytesTimeoutMs / 1000, _FIRST_BYTE)}


def live_geometry(policy: Policy, segment: float, latency: float) -> LiveGeometry:
    """Return a high-demand window of half of what the player will hold."""
    buffer = max(2 * segment, min(latency, _LONGEST_DELAY) - segment)
    return LiveGeometry(high_demand_window=min(float(policy.highDemandTimeWindow), buffer / 2))


@inner
def prefetch_delay(L: Loaders, o: Options, v: int) -> float:
    """Draw the seconds until the next election."""
    return PERIOD + uniform(L.random, v) * PERIOD


@inner
def concerns(L: Loaders, o: Options, T: Timeline, v: int, segment: int, state: int, now: float) -> bool:
    """Return whether a pass or an election could do anything: as in 2.3, or where a segment may be missing now."""
    return state == ABSENT or v2_3.concerns(L, o, T, v, segment, state, now)


@inner
def window_border(L: Loaders, o: Options, T: Timeline, v: int, now: float) -> float:
    """Return the playhead position at which a segment enters a window, or falls to this viewer as a substitute."""
    return min(v2_3.window_border(L, o, T, v, now), next_deadline(L, o, T, v))


@inner
def on_http_done(L: Loaders, o: Options, v: int, count: float, seconds: float) -> None:
    """Learn how long a segment takes over HTTP; a simulation averages what a real viewer measures over 15 s."""
    is_measured = L.speed.shape[0] > 1
    L.fetch_time[v] = seconds if is_measured else (1 - _NEWEST) * L.fetch_time[v] + _NEWEST * seconds
