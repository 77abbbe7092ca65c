"""Paths of transfers through the network: links, round-trip times and rate caps."""

import math

from p2psim.compiled import entry, inner, tiny
from p2psim.network.round_trip import pair_rtt
from p2psim.policy.state import HTTP, NOBODY, P2P
from p2psim.simulation.kernel.state import KernelState

__all__ = ["channel_cap", "lay_path", "round_trip"]

_MATHIS = math.sqrt(1.5)
"""Packets per round trip and root of the loss that congestion control lets through (Mathis et al. 1997)."""
_PACKET = 1200.0
"""Bytes of a packet of a data channel; WebRTC does no path MTU discovery beyond it."""


@entry
def round_trip(P: KernelState, a: int, b: int, relayed: bool) -> float:
    """Return the round-trip time between two viewers, seconds."""
    if P.s.homes and P.location[a].home == P.location[b].home:
        return P.s.lan_rtt
    median = P.rtt[P.location[a].region, P.location[b].region]
    rtt = pair_rtt(median, P.s.rtt_spread, P.s.rtt_key, a, b)
    return rtt + P.s.relay_latency if relayed else rtt


@inner
def channel_cap(P: KernelState, a: int, b: int, relayed: bool) -> float:
    """Return the rate that a data channel never exceeds, bytes/s."""
    rtt = round_trip(P, a, b, relayed)
    cap = min(P.s.channel_rate, P.s.channel_window / rtt if rtt > 0 else math.inf)
    if P.s.homes and P.location[a].home == P.location[b].home:
        return min(cap, P.s.lan_rate)
    if P.s.loss > 0 and rtt > 0:
        cap = min(cap, _MATHIS * _PACKET / (rtt * math.sqrt(P.s.loss)))
    return cap


@inner
def lay_path(P: KernelState, v: int, row: int) -> None:
    """Write the links of a transfer, from its source to its viewer, into `KernelState.path`."""
    x, destination = P.transfer[row], P.location[v]
    for p in range(len(P.path)):
        P.path[p] = NOBODY
    n, outside = 0, True
    if x.source == HTTP:
        n = _append_link(P, n, x.via)
    else:
        source = P.location[x.other]
        outside = not (P.s.homes and source.home == destination.home)
        n = _append_link(P, n, source.crypto)
        if outside:
            n = _append_link(P, n, source.up)
            n = _append_link(P, n, source.shared_up)
            if x.via == 1:
                n = _append_link(P, n, P.s.relay)
    if outside:
        n = _append_link(P, n, destination.shared_down)
        n = _append_link(P, n, destination.down)
    if x.source == P2P:
        n = _append_link(P, n, destination.crypto)


@tiny
def _append_link(P: KernelState, n: int, link: int) -> int:
    if link != NOBODY:
        P.path[n] = link
        n += 1
    return n
