"""P2P disabled (`isP2PDisabled`): no scheduler, the player's own loader fetches one segment after the other."""

import math
from typing import Any

from p2psim.compiled import inner
from p2psim.policy.queue_pass import begin_pass, start_http
from p2psim.policy.state.commands import Commands
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import LOADING, NOBODY, Loaders, Timeline
from p2psim.policy.state.requests import find
from p2psim.scenario.policy import Policy

__all__ = ["option_overrides", "queue_pass", "window_border"]

_FIRST_BYTE = 10.0
"""Seconds for which hls.js waits for the first byte."""


def option_overrides(policy: Policy) -> dict[str, Any]:
    """Return what is different from 2.3: hls.js's own time-out, one request at a time, which the player repeats."""
    return {
        "http_timeout": _FIRST_BYTE,
        "http_first_byte": _FIRST_BYTE,
        "http_slots": 1,
        "http_retries": 1,
        "p2p_slots": 0,
        "http_hold": 0.0,
    }


@inner
def queue_pass(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> float:
    """Fetch just what the player asks for."""
    q = begin_pass(L, o, T, v, now, out)
    if L.viewer[v].waiting != NOBODY:
        i = find(L, v, L.viewer[v].waiting)
        if i == NOBODY or (L.request[i, v].status != LOADING and L.request[i, v].http_failures < o.http_retries):
            start_http(L, v, L.viewer[v].waiting, out)
    return q.loaded


@inner
def window_border(L: Loaders, o: Options, T: Timeline, v: int, now: float) -> float:
    """Return infinity: no window matters."""
    return math.inf
